"""What a notebook shows: escaped tables, figures with a text for those who cannot see them, sentences, files.

All HTML is built here and everything that comes from data is escaped.
"""

import base64
import html
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from credit_lab.errors import ReportError

if TYPE_CHECKING:
    from IPython.display import HTML
    from matplotlib.figure import Figure

# Signs that make a spreadsheet take a text for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def _html(text: str) -> "HTML":
    from IPython.display import HTML

    return HTML(text)


def cell(value: Any, unit: str = "") -> str:
    """One value as text: money with thousands, shares as per cent, dates as days, missing as a dash.

    >>> cell(0.1234, "share"), cell(1234567.891), cell(float("nan")), cell("<b>")
    ('12.3 %', '1,234,567.89', '–', '<b>')
    """
    if value is None or (not isinstance(value, str) and pd.isna(value)):
        return "–"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    if isinstance(value, float | np.floating):
        if unit == "share":
            return f"{100 * value:.1f} %"
        if unit == "fine":
            return _fine(float(value))
        if unit == "chance":
            return "< 0.001" if value < 0.001 else f"{value:.3f}"
        if unit in ("days", "%", "times a year", "index", "customers"):
            return f"{value:,.1f}" if unit != "index" else f"{value:,.3f}"
        return f"{value:,.2f}"
    return str(value)


def _fine(value: float) -> str:
    """About three digits that count."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.5f}" if 0 < abs(value) < 0.01 else f"{value:.3f}"


def table(
    frame: pd.DataFrame,
    caption: str,
    *,
    shares: tuple[str, ...] = (),
    days: tuple[str, ...] = (),
    fine: tuple[str, ...] = (),
    rows: int | None = None,
) -> "HTML":
    """A table as escaped HTML.

    Parameters
    ----------
    caption : said above the table
    shares, days, fine : columns shown as per cent, with one decimal, or with about three digits that count; p_value
        and jeffreys are shown as chances; a column `unit` does the same row by row for the
        columns value, previous, change, a, b and difference
    rows : show only so many and say how many there are
    """
    shown = frame.head(rows) if rows is not None else frame
    units = {**dict.fromkeys(shares, "share"), **dict.fromkeys(days, "days"), **dict.fromkeys(fine, "fine")}
    units |= dict.fromkeys(("p_value", "jeffreys"), "chance")
    per_row = {"value", "previous", "change", "a", "b", "difference"} if "unit" in frame else set()
    head = "".join(f"<th{_align(frame[name])} scope='col'>{html.escape(_title(name))}</th>" for name in shown)
    body = []
    for record in shown.to_dict("records"):
        texts = {
            name: cell(value, record["unit"] if name in per_row else units.get(str(name), ""))
            for name, value in record.items()
        }
        cells = [f"<td{_align(frame[name])}>{html.escape(text)}</td>" for name, text in texts.items()]
        body.append(f"<tr>{''.join(cells)}</tr>")
    more = f" (first {len(shown):,} of {len(frame):,})" if len(shown) < len(frame) else ""
    if frame.empty:
        return _html(f"<p class='empty'>{html.escape(caption)}: nothing to show.</p>")
    return _html(
        f"<div class='table'><table><caption>{html.escape(caption + more)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _align(column: pd.Series) -> str:
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return " class='date'"
    return " class='number'" if pd.api.types.is_numeric_dtype(column.dtype) and column.dtype != bool else ""


def _title(name: Any) -> str:
    return str(name).replace("_", " ")


def figure(drawing: "Figure", alt: str) -> "HTML":
    """A figure as PNG inside the page, with its alternative text."""
    buffer = io.BytesIO()
    drawing.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
    data = base64.b64encode(buffer.getvalue()).decode()
    return _html(f"<figure><img alt='{html.escape(alt, quote=True)}' src='data:image/png;base64,{data}'></figure>")


def heading(title: str, line: str) -> "HTML":
    """Title of a report and the line under it."""
    return _html(f"<h1>{html.escape(title)}</h1><p class='subtitle'>{html.escape(line)}</p>")


def sentences(lines: list[str] | tuple[str, ...]) -> "HTML":
    """Sentences as a list; nothing at all says so."""
    if not lines:
        return _html("<p class='empty'>No findings.</p>")
    return _html("<ul>" + "".join(f"<li>{html.escape(line)}</li>" for line in lines) + "</ul>")


def note(text: str) -> "HTML":
    """A boxed note."""
    return _html(f"<p class='note'>{html.escape(text)}</p>")


def lights(verdicts: dict[str, str]) -> "HTML":
    """Traffic lights: name, light and reason; the light is also said in words."""
    items = []
    for name, verdict in verdicts.items():
        light, _, reason = verdict.partition(": ")
        items.append(
            f"<li class='{html.escape(light, quote=True)}'><strong>{html.escape(name)}</strong> "
            f"<span>{html.escape(light)}</span> {html.escape(reason)}</li>"
        )
    return _html(f"<ul class='lights'>{''.join(items)}</ul>")


def save(tables: dict[str, pd.DataFrame], out: str | Path) -> None:
    """Save tables as CSV (UTF-8 with a byte-order mark, for spreadsheets); texts that look like formulas get a quote.

    Raises
    ------
    ReportError
        The folder cannot be written.
    """
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, frame in tables.items():
            texts = [column for column in frame if not pd.api.types.is_numeric_dtype(frame[column].dtype)]
            safe = frame.assign(**{column: frame[column].map(_quoted) for column in texts})
            safe.to_csv(folder / f"{name}.csv", index=False, encoding="utf-8-sig", date_format="%Y-%m-%d")
    except OSError as error:
        raise ReportError(f"tables cannot be saved in {folder}: {error}") from error


def _quoted(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
