"""What an executed notebook showed, read back: every format of a report is built from this and from
nothing else.

Headings are those of the notebook's prose (`## Aging`); a table holds raw values with their
columns' units, a figure its vectors, its picture and its words.
"""

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from credit_lab.errors import ReportError
from credit_lab.publish.show import NOTE, RECORD


@dataclass(frozen=True)
class About:
    """What a notebook is made of: its ledger, the last day known (ISO, "" for none), the currency
    of its amounts, and what the ledger can carry (rows of `knowledge.Knowledge.table`).
    """

    source: str = ""
    as_of: str = ""
    currency: str = ""
    knowledge: Sequence[Mapping[str, Any]] = field(default=(), hash=False)


@dataclass(frozen=True)
class Artefact:
    """Anything shown.

    Attributes
    ----------
    section : heading it stands under, "" before the first one
    id : by which it is asked for, "" for what has none
    about : what its notebook is made of, as its heading says
    """

    section: str
    id: str = field(default="", kw_only=True)
    about: About = field(default=About(), kw_only=True)

    @property
    def subject(self) -> str:
        """What it is about: the first word of its id."""
        return self.id.partition(".")[0]


@dataclass(frozen=True)
class Heading(Artefact):
    """Title of the report, the line under it, and what its ledger can carry."""

    title: str
    line: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prose(Artefact):
    """A markdown cell of the notebook, without its heading line."""

    markdown: str


@dataclass(frozen=True)
class Sentences(Artefact):
    """Findings in words, may be empty; `keys` name those that can be asked for one by one; `facts`
    are what each states, id → raw value.
    """

    lines: tuple[str, ...]
    keys: tuple[str, ...] = ()
    facts: tuple[Mapping[str, Any], ...] = ()

    def line(self, key: str) -> str:
        """The sentence of a key, else ""."""
        return dict(zip(self.keys, self.lines, strict=False)).get(key, "")


@dataclass(frozen=True)
class Note(Artefact):
    """A warning, and the facts it states."""

    text: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Light:
    """One verdict: ok, act or stop (or figures of a backtest, without a light), the reason, and
    the facts it rests on.
    """

    name: str
    light: str
    reason: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdicts(Artefact):
    """Traffic lights."""

    lights: tuple[Light, ...]


@dataclass(frozen=True)
class Column:
    """Name in the data, title for readers, unit (a currency, share, days, count, fine, chance,
    number; "by row": the column `unit` says it), type.

    Types: text, integer, number, date (ISO text in the rows), boolean.
    """

    name: str
    title: str
    unit: str
    type: str


@dataclass(frozen=True)
class Table(Artefact):
    """Raw values as JSON holds them, missing as None; `total_rows` counts the rows not shown, too.

    `names` are those of customers by id, for the columns that hold ids alone; a `masked` table
    lacks rows or figures because the report is shared.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    total_rows: int
    names: Mapping[str, str] = field(default_factory=dict)
    masked: bool = False

    def frame(self) -> pd.DataFrame:
        """The rows shown as a table of typed columns."""
        frame = pd.DataFrame(list(self.rows), columns=[column.name for column in self.columns])
        days = [column.name for column in self.columns if column.type == "date"]
        return frame.assign(**{name: pd.to_datetime(frame[name]) for name in days})


@dataclass(frozen=True)
class Figure(Artefact):
    """Finding (title), titles of all panels, note (source, date, n), words instead of the picture,
    size in inches; the facts the titles state.
    """

    finding: str
    panels: tuple[str, ...]
    note: str
    alt: str
    width: float
    height: float
    svg: bytes
    png: bytes
    facts: Mapping[str, Any] = field(default_factory=dict)


def artefacts(notebook: str | Path) -> list[Artefact]:
    """All that an executed notebook showed, in its order.

    Raises
    ------
    ReportError
        The file does not exist or is no notebook.
    """
    path = Path(notebook)
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReportError(f"{path} is not an executed notebook: {error}") from error
    section, about, found = "", About(), list[Artefact]()
    for cell in cells:
        if cell["cell_type"] == "markdown":
            section, prose = _headed("".join(cell["source"]), section)
            if prose:
                found.append(Prose(section, prose))
        for output in cell.get("outputs", ()):
            record = output.get("data", {}).get(RECORD)
            if record is not None:
                about = About(**record["about"]) if "about" in record else about
                found.append(
                    replace(_artefact(section, record), id=record.get("id", ""), about=about)
                )
    return found


def headline(shown: Sequence[Artefact]) -> Artefact | None:
    """What a notebook found above all: the record `headline` of the subject of its heading."""
    subject = next((one.subject for one in shown if isinstance(one, Heading)), "")
    return next((one for one in shown if one.id == f"{subject}.headline"), None)


def finding(shown: Sequence[Artefact]) -> str:
    """First sentence of the headline that is no note on day or period; "" without a headline."""
    match headline(shown):
        case Sentences() as said:
            return next(
                (line for key, line in zip(said.keys, said.lines, strict=True) if key != NOTE), ""
            )
        case Note() as said:
            return said.text
        case Figure() as drawn:
            return drawn.finding
    return ""


def texts(shown: Sequence[Artefact]) -> list[str]:
    """All words of the package among what was shown: no cells of tables, which hold the user's
    words, too.
    """
    found: list[str] = []
    for one in shown:
        match one:
            case Heading():
                found += [one.title, one.line, *one.lines]
            case Prose():
                found += one.markdown.split("\n")
            case Sentences():
                found += one.lines
            case Note():
                found.append(one.text)
            case Verdicts():
                found += [text for light in one.lights for text in (light.name, light.reason)]
            case Table():
                found += [one.caption, *(column.title for column in one.columns)]
            case Figure():
                found += [one.finding, *one.panels, one.note, one.alt]
    return [text for text in found if text]


def _headed(source: str, section: str) -> tuple[str, str]:
    first, _, rest = source.partition("\n")
    if first.startswith("## "):
        return first.removeprefix("## ").strip(), rest.strip()
    return section, source.strip()


def _artefact(section: str, record: dict[str, Any]) -> Artefact:
    match record:
        case {"kind": "heading", "title": title, "line": line}:
            return Heading(section, title, line, tuple(record.get("lines", ())))
        case {"kind": "sentences", "lines": lines}:
            stated = tuple(record.get("facts", ()))
            return Sentences(section, tuple(lines), tuple(record.get("keys", ())), stated)
        case {"kind": "note", "text": text}:
            return Note(section, text, record.get("facts", {}))
        case {"kind": "verdicts", "lights": lights}:
            return Verdicts(section, tuple(Light(**light) for light in lights))
        case {"kind": "table"}:
            columns = tuple(Column(**column) for column in record["columns"])
            rows = tuple(tuple(row) for row in record["rows"])
            return Table(
                section,
                record["caption"],
                columns,
                rows,
                record["total_rows"],
                record.get("names", {}),
                record.get("masked", False),
            )
        case {"kind": "figure"}:
            return Figure(
                section,
                finding=record["finding"],
                panels=tuple(record["panels"]),
                note=record["note"],
                alt=record["alt"],
                width=record["width"],
                height=record["height"],
                svg=gzip.decompress(base64.b64decode(record["svg"])),
                png=base64.b64decode(record["png"]),
                facts=record.get("facts", {}),
            )
    raise ReportError(
        f"unknown record {record.get('kind')!r}: made by another version of credit_lab"
    )
