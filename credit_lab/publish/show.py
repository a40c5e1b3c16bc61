"""What a notebook shows: escaped tables, figures with a text for those who cannot see them,
sentences, files.

Everything shown has two faces: HTML for the reader, and a record (`RECORD`, plain JSON) from which
every other format is built, so that a page, a deck and a workbook show the same numbers. All HTML
is built here, from the records, and everything that comes from data is escaped. A record is known
by its id (`kpi.bridge`): a subject and a name, unique in its notebook, by which deck, index page
and registry ask for it. The records:

- table: caption, columns (name, title, unit, type), rows (raw values), total_rows, names (of
  customers by id), masked (rows or figures are left out since the report is shared)
- figure: finding (title of the axes), panels (all titles), note (source, date, n), alt, width and
  height in inches, svg (gzip, base64), png (base64), facts
- heading: title, line, lines (what the ledger can carry), about (source, as_of, currency,
  knowledge of all that follows)
- sentences: lines, keys (by which one of them is asked for), facts (of each line) · note: text,
  facts · verdicts: lights (name, light, reason, facts it rests on)

Facts are those the texts remember (`facts.Said`): id and raw value, read by `gate`.
"""

import base64
import gzip
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from credit_lab import facts, file_names, language, money, spreadsheet, summary
from credit_lab.errors import ReportError
from credit_lab.figures import canvas
from credit_lab.language import say
from credit_lab.ledger import sharing
from credit_lab.publish import privacy
from credit_lab.publish.markup import escaped, nothing, table_html

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from credit_lab.knowledge import Knowledge

RECORD = "application/vnd.credit_lab+json"

# Columns whose unit stands in the column `unit` of the same row.
_BY_ROW = (
    "value",
    "policy_target",
    "previous",
    "change",
    "year_before",
    "change_year",
    "a",
    "b",
    "difference",
)
# Columns whose name says their unit in every table; `value` without a column `unit` mixes days,
# shares and money.
_BY_NAME = {
    "p_value": "chance",
    "jeffreys": "chance",
    "pd_12m": "share",
    "max_dpd": "count",
    "value": "mixed",
    "allowed": "mixed",
}
# Columns that are no money in a table of amounts.
_NUMBERS = {
    "ages",
    "customers",
    "good_held",
    "held_orders",
    "index",
    "mean_days_held",
    "minutes",
    "orders",
    "price",
    "score",
    "term_days",
    "threshold",
    "turnover",
}
NOTE = "note"  # key of a sentence that is no finding
_ID = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+")


@dataclass(frozen=True)
class Shown:
    """HTML for the reader (`data`), the record for every other format."""

    data: str
    record: dict[str, Any]

    def _repr_html_(self) -> str:
        return self.data

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {
            "text/html": self.data,
            "text/plain": f"<{self.record['kind']}>",
            RECORD: self.record,
        }


def _named(record: dict[str, Any], id: str) -> dict[str, Any]:
    """The record under its id.

    Raises
    ------
    ReportError
        The id is not of the form subject.name.
    """
    if id and not _ID.fullmatch(id):
        raise ReportError(f"id {id!r}: a subject and a name in small letters, such as kpi.bridge")
    return {**record, "id": id}


def _facts(text: str) -> dict[str, Any]:
    """The facts a text states, as JSON holds them."""
    return {id: summary.plain(value) for id, value in facts.of(text).items()}


def table(
    frame: pd.DataFrame,
    caption: str,
    *,
    id: str = "",
    currency: str = "",
    shares: tuple[str, ...] = (),
    days: tuple[str, ...] = (),
    fine: tuple[str, ...] = (),
    rows: int | None = None,
) -> Shown:
    """A table.

    Parameters
    ----------
    caption : said above the table, followed by the currency where it does not hold it
    id : by which the record is known, such as kpi.bridge; unique in its notebook
    currency : of the amounts, which are all numbers of no other unit; empty: the table holds no
        amounts
    shares, days, fine : columns shown as per cent, with one decimal, or with about three digits
        that count; p_value and jeffreys are shown as chances, pd_12m as per cent, max_dpd as whole
        days; a column `unit` does the same row by row for values, what they are compared with and
        differences (its money is that of `currency`), and without `currency` a column currency for
        amounts; the difference of two shares is told in percentage points
    rows : show only so many and say how many there are
    """
    frame, left_out = privacy.hidden(frame)
    shown = frame.head(rows) if rows is not None else frame
    units = {
        **_BY_NAME,
        **dict.fromkeys(shares, "share"),
        **dict.fromkeys(days, "days"),
        **dict.fromkeys(fine, "fine"),
    }
    if "unit" in frame:
        units |= dict.fromkeys(_BY_ROW, "by row")
        shown = shown.assign(unit=shown["unit"].replace("money", currency or "money"))
    own = "by row" if "currency" in frame else ""
    columns = [
        {
            "name": str(name),
            "title": _title(name),
            "type": (kind := _type(frame[name])),
            "unit": units.get(str(name)) or _unit(str(name), kind, currency or own),
        }
        for name in shown
    ]
    raw = [
        [summary.plain(value) for value in record]
        for record in shown.itertuples(index=False, name=None)
    ]
    caption = sharing.named(
        language.captioned(caption, "" if currency in caption else currency, left_out)
    )
    record = {
        "kind": "table",
        "caption": caption,
        "columns": columns,
        "rows": raw,
        "total_rows": len(frame),
    }
    record = _named(record, id) | {"names": sharing.names_of(frame), "masked": bool(left_out)}
    if frame.empty:
        return Shown(nothing([caption]), record)
    return Shown(table_html(shown, record), record)


def _unit(name: str, kind: str, currency: str) -> str:
    """Unit of a column that nobody declared: whole numbers count, days or cases; other numbers of
    amounts are money.
    """
    if kind == "integer":
        return "days" if name.endswith(("days", "dpd")) else "count"
    if kind != "number":
        return ""
    return currency if currency and name not in _NUMBERS else "number"


def _type(column: pd.Series) -> str:
    kind = column.dtype
    if pd.api.types.is_datetime64_any_dtype(kind):
        return "date"
    if pd.api.types.is_bool_dtype(kind):
        return "boolean"
    if pd.api.types.is_integer_dtype(kind):
        return "integer"
    return "number" if pd.api.types.is_numeric_dtype(kind) else "text"


def _title(name: Any) -> str:
    return language.title(str(name))


@canvas.style()
def figure(drawing: "Figure", alt: str, *, id: str = "") -> Shown:
    """A figure as vectors inside the page.

    Parameters
    ----------
    drawing : as a function of `figures` gives it
    alt : text for those who cannot see it
    id : by which the record is known
    """
    texts = [alt, *canvas.texts(drawing)]
    if privacy.withheld(texts):
        return note("A figure that shows single customers or counts of them is not shared.", id=id)
    canvas.translate(drawing, _shown)
    alt = _shown(alt)
    svg, png = canvas.saved(drawing, "svg"), canvas.saved(drawing, "png")
    titles = [
        text for axes in drawing.axes if (text := axes.get_title(loc="left") or axes.get_title())
    ]
    width, height = drawing.get_size_inches()
    record = {
        "kind": "figure",
        "finding": drawing.get_suptitle() or (titles[0] if titles else ""),
        "panels": titles,
        "note": drawing.get_supxlabel(),
        "alt": alt,
        "width": float(width),
        "height": float(height),
        "svg": base64.b64encode(gzip.compress(svg, mtime=0)).decode(),
        "png": base64.b64encode(png).decode(),
        "facts": _facts(canvas.said(drawing)),
    }
    source = f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
    return Shown(
        f"<figure><img alt='{escaped(alt, quote=True)}' src='{source}'></figure>",
        _named(record, id),
    )


def _told(text: str) -> str:
    """A sentence as it may leave the house, in the reader's language, with customers' names."""
    return _shown(sharing.mentioned(text))


def _shown(text: str) -> str:
    return sharing.named(say(text))


def heading(
    title: str,
    line: str,
    *,
    id: str = "",
    source: str = "",
    as_of: pd.Timestamp | None = None,
    currency: str = "",
    knowledge: "Knowledge | None" = None,
) -> Shown:
    """Title of a report, the line under it, and what its ledger can carry.

    Parameters
    ----------
    title, line : as a reader sees them
    id : by which the record is known: the subject of the report and `title`
    source, as_of, currency : what the report is made of, its last day and its money; of every
        record that follows
    knowledge : of the ledger; its lines are told, its table goes into run.json; None: no ledger
    """
    title, line = _told(title), _told(line)
    about = {
        "source": source,
        "as_of": f"{as_of:%Y-%m-%d}" if as_of is not None else "",
        "currency": currency,
        "knowledge": knowledge.rows() if knowledge else [],
    }
    lines = [_told(said) for said in knowledge.lines()] if knowledge else []
    record = {"kind": "heading", "title": title, "line": line, "lines": lines, "about": about}
    told = "".join(f"<p class='subtitle'>{escaped(said)}</p>" for said in lines)
    top = f"<h1>{escaped(title)}</h1><p class='subtitle'>{escaped(line)}</p>"
    return Shown(top + told, _named(record, id))


def sentences(
    lines: Sequence[str] | Mapping[str, str], *, id: str = "", notes: Sequence[str] = ()
) -> Shown:
    """Sentences as a list; nothing at all says so.

    Parameters
    ----------
    lines : sentences; where they have keys, each can be asked for by its own
    id : by which the record is known
    notes : said before them, on the day or the period and not on what was found
    """
    keys = [NOTE] * len(notes) + (list(lines) if isinstance(lines, Mapping) else [""] * len(lines))
    said = (*notes, *(lines.values() if isinstance(lines, Mapping) else lines))
    lines = [_told(line) for line in said]
    record = {"kind": "sentences", "lines": lines, "keys": keys, "facts": [*map(_facts, said)]}
    record = _named(record, id)
    if not lines:
        return Shown(f"<p class='empty'>{escaped(say('No findings.'))}</p>", record)
    return Shown("<ul>" + "".join(f"<li>{escaped(line)}</li>" for line in lines) + "</ul>", record)


def note(text: str, *, id: str = "") -> Shown:
    """A boxed note, known by its id."""
    said = _told(text)
    record = {"kind": "note", "text": said, "facts": _facts(text)}
    return Shown(f"<p class='note'>{escaped(said)}</p>", _named(record, id))


def lights(verdicts: dict[str, str], *, id: str = "") -> Shown:
    """Traffic lights: name, light (also in words) and reason. Known by their id.

    A green one ("ok: ...") is published only on evidence: as a `facts.Said` with what it rests on.
    """
    split = {name: verdict.partition(": ")[::2] for name, verdict in verdicts.items()}
    parts = [(say(name), light, _told(reason)) for name, (light, reason) in split.items()]
    shown = [
        {"name": name, "light": light, "reason": reason, "facts": _facts(verdict)}
        for (name, light, reason), verdict in zip(parts, verdicts.values(), strict=True)
    ]
    record = _named({"kind": "verdicts", "lights": shown}, id)
    items = [
        f"<li class='{escaped(light, quote=True)}'><strong>{escaped(name)}</strong> "
        f"<span>{escaped(say(light))}</span> {escaped(reason)}</li>"
        for name, light, reason in parts
    ]
    return Shown(f"<ul class='lights'>{''.join(items)}</ul>", record)


def save(tables: dict[str, pd.DataFrame], out: str | Path) -> None:
    """Save tables as CSV for spreadsheets, as `spreadsheet.write_csv` writes it.

    Numbers from a thousand up are rounded to cents, or to thousandths where all of a column are
    whole in them; smaller ones to eight decimals.

    Raises
    ------
    ReportError
        A table's name is no name of a file, or the folder cannot be written.
    """
    folder = Path(out)
    for name in tables:
        file_names.inside(name, "table", ReportError)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, whole in tables.items():
            frame, _ = privacy.hidden(whole)
            rounded, floats = frame.copy(deep=False), frame.select_dtypes("float")
            rounded[floats.columns] = floats.apply(_rounded)
            spreadsheet.write_csv(rounded, folder / f"{name}.csv")
    except OSError as error:
        raise ReportError(f"tables cannot be saved in {folder}: {error}") from error


def _rounded(column: pd.Series) -> pd.Series:
    """Without the noise of binary fractions: eight decimals below a thousand, from there on cents,
    or thousandths where every amount is whole in them, as in dinars.
    """
    large = column.where(column.abs() >= 1000, 0.0).fillna(0.0)
    thousandths = money.off_grid(large, "CNY").any() and not money.off_grid(large, "KWD").any()
    return column.round(8).where(column.abs() < 1000, column.round(3 if thousandths else 2))
