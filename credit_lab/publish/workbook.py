"""The workbook: every table of a report on a sheet of its own, behind a page of contents with
links.

Numbers are live: where a value follows from other cells of its sheet (a share of the column's sum,
a difference, a total), the cell holds a formula beside its cached value. A rule says which formula
it could be; the formula is written only where it gives the value the report has, so a sheet never
says something else than the report.
"""

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xlsxwriter
from xlsxwriter.utility import xl_col_to_name

from credit_lab import money, spreadsheet
from credit_lab.language import say
from credit_lab.ledger import sharing
from credit_lab.publish import markup, office
from credit_lab.publish.artefacts import Table
from credit_lab.publish.live import HEAD, formulas

FORMATS = {
    "share": "0.0%",
    "points": '+0.0"pp";-0.0"pp";0.0"pp"',
    "days": "#,##0.0",
    "%": "#,##0.0",
    "times a year": "#,##0.00",
    "customers": "#,##0",
    "count": "#,##0",
    "index": "0.000",
    "fine": "#,##0.000##",
    "chance": "0.000",
}
_TYPES = {"integer": "#,##0", "date": "yyyy-mm-dd"}
_MOST = 1_000_000
# Columns that add up over rows, where the rows are parts of one whole and not moments.
_ADDITIVE = (
    "open_amount",
    "open",
    "amount",
    "allowance",
    "lost",
    "exposure",
    "overdue",
    "items",
    "customers",
    "cases",
    "letters",
    "findings",
    "before",
    "after",
    "expected_default",
    "rows",
)
_MOMENTS = {
    "as_of",
    "month",
    "period_end",
    "made_on",
    "made_at",
    "line",
    "measure",
    "formula_id",
    "part",
    "metric",
}


@dataclass(frozen=True)
class Source:
    """Tables of one notebook: its name, its title, its folder, what it shows."""

    name: str
    title: str
    folder: Path
    tables: tuple[Table, ...]


@dataclass(frozen=True)
class _Sheet:
    name: str
    caption: str
    where: str
    table: Table
    rows: list[tuple[Any, ...]]


def write(
    path: Path, sources: Sequence[Source], *, title: str, facts: dict[str, str], day: str
) -> Path:
    """Write the workbook of all tables that have rows.

    Parameters
    ----------
    facts : lines on the page of contents
    day : ISO day the file says it was made: the report's as-of, so that the same report gives the
        same bytes
    """
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(
        buffer, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    )
    styles = _Styles(book)
    contents = book.add_worksheet(say("contents"))
    sheets = list(_sheets(sources))
    _contents(contents, styles, sheets, title, facts)
    for sheet in sheets:
        _fill(book.add_worksheet(sheet.name), styles, sheet)
    book.close()
    path.write_bytes(office.settled(buffer.getvalue(), day))
    return path


class _Styles:
    """Cell formats of one workbook, each made once."""

    def __init__(self, book: xlsxwriter.Workbook) -> None:
        self._book, self._made = book, dict[str, Any]()

    def get(self, **settings: Any) -> Any:
        key = repr(sorted(settings.items()))
        if key not in self._made:
            self._made[key] = self._book.add_format({"valign": "top", **settings})
        return self._made[key]


def _sheets(sources: Sequence[Source]) -> Iterator[_Sheet]:
    taken = {"contents", "history", say("contents")}  # the second one is reserved by Excel
    for source in sources:
        for table in source.tables:
            if table.rows:
                name = sheet_name(f"{source.name.partition('_')[0]} {table.caption}", taken)
                where = f"{source.title}, {table.section}" if table.section else source.title
                yield _Sheet(
                    name,
                    office.legal(table.caption),
                    where,
                    table,
                    office.whole(table, source.folder),
                )


def sheet_name(text: str, taken: set[str]) -> str:
    """A name Excel allows: at most 31 characters, none of []:*?/\\, not taken yet (case does not
    count).

    >>> taken = set()
    >>> sheet_name("80 Aging at 2025-12-31, CNY: [all]", taken)
    '80 Aging at 2025-12-31, CNY all'
    >>> sheet_name("80 AGING at 2025-12-31, CNY all", taken)
    '80 AGING at 2025-12-31, CNY a 2'
    """
    plain = (
        re.sub(r"\s+", " ", re.sub(r"[\[\]:*?/\\\t\r\n]", "", office.legal(text))).strip("' ")
        or "table"
    )
    name, number = _first(plain, 31), 1
    while name.casefold() in taken:
        number += 1
        end = f" {number}"
        name = _first(plain, 31 - len(end)) + end
    taken.add(name.casefold())
    return name


def _first(text: str, most: int) -> str:
    """The first characters, as Excel counts them: those beyond the 16-bit plane count twice."""
    while len(text.encode("utf-16-le")) > 2 * most:
        text = text[:-1]
    return text.strip("' ,-")


def _contents(
    page: Any, styles: _Styles, sheets: list[_Sheet], title: str, facts: dict[str, str]
) -> None:
    page.hide_gridlines(2)
    page.write_string(0, 0, office.legal(say(title)), styles.get(bold=True, font_size=16))
    for row, (name, text) in enumerate(facts.items(), start=1):
        page.write_string(row, 0, office.legal(say(name)), styles.get(font_color="#555555"))
        page.write_string(row, 1, office.legal(say(text)))
    top = len(facts) + 2
    for column, text in enumerate(("sheet", "table", "rows", "from")):
        page.write_string(top, column, say(text), styles.get(bold=True, bottom=1))
    for row, sheet in enumerate(sheets, start=top + 1):
        target = "internal:'" + sheet.name.replace("'", "''") + "'!A1"
        page.write_url(row, 0, target, styles.get(font_color="#0072B2", underline=1), sheet.name)
        page.write_string(row, 1, sheet.caption)
        page.write_number(row, 2, len(sheet.rows), styles.get(num_format="#,##0"))
        page.write_string(row, 3, office.legal(sheet.where), styles.get(font_color="#555555"))
    page.set_column(0, 0, 34)
    page.set_column(1, 1, 70)
    page.set_column(2, 2, 9)
    page.set_column(3, 3, 44)
    page.freeze_panes(top + 1, 0)
    page.autofilter(top, 0, top + max(len(sheets), 1), 3)


def _fill(page: Any, styles: _Styles, sheet: _Sheet) -> None:
    table, rows = sheet.table, sheet.rows[:_MOST]
    count = (
        f"{len(rows):,} of {table.total_rows:,} rows"
        if len(rows) < table.total_rows
        else f"{len(rows):,} rows"
    )
    page.write_string(0, 0, sheet.caption, styles.get(bold=True, font_size=13))
    page.write_string(
        1, 0, office.legal(f"{sheet.where}; {say(count)}"), styles.get(font_color="#555555")
    )
    link = styles.get(font_color="#0072B2", underline=1)
    page.write_url(2, 0, f"internal:{say('contents')}!A1", link, say("contents"))
    for at, column in enumerate(table.columns):
        side = "right" if column.type in ("integer", "number") else "left"
        head = styles.get(bold=True, bottom=1, bg_color="#E8EEF4", text_wrap=True, align=side)
        page.write_string(HEAD, at, office.legal(column.title), head)
    page.set_row(HEAD, 15 * max(1, *(-(-len(column.title) // 14) for column in table.columns)))
    found = formulas(table, rows)
    units, names = (
        [column.unit for column in table.columns],
        [column.name for column in table.columns],
    )
    own = markup.row_unit(names)
    for line, row in enumerate(rows):
        for at, content in enumerate(row):
            unit = markup.unit_of(names[at], units[at], row[own] if own is not None else "")
            if isinstance(content, str):
                content = sharing.words(content, names[at], names, table.names)
            formula = found.get((line, at), "")
            _put(page, line + HEAD + 1, at, content, table.columns[at].type, unit, styles, formula)
    _totals(page, styles, table, rows)
    for at, column in enumerate(table.columns):
        longest = max((_width(row[at]) for row in rows[:500]), default=0)
        page.set_column(
            at, at, min(max(longest, min(len(column.title), 14), 18 if at == 0 else 8) + 2, 60)
        )
    page.freeze_panes(HEAD + 1, 1)
    page.set_landscape()
    page.fit_to_pages(1, 0)
    page.repeat_rows(HEAD)
    page.autofilter(HEAD, 0, HEAD + len(rows), len(table.columns) - 1)


def _put(
    page: Any, row: int, at: int, value: Any, kind: str, unit: str, styles: _Styles, formula: str
) -> None:
    if value is None:
        page.write_blank(row, at, None, styles.get())
    elif isinstance(value, bool):
        page.write_boolean(row, at, value, styles.get(align="center"))
    elif isinstance(value, int | float) and office.exact(value):
        style = styles.get(num_format=_format("integer" if isinstance(value, int) else kind, unit))
        if unit == "points":
            value, formula = 100 * value, formula and f"=100*({formula[1:]})"
        if formula:
            page.write_formula(row, at, formula, style, value)
        else:
            page.write_number(row, at, value, style)
    elif kind == "date" and re.fullmatch(r"(19|20|21)\d\d-\d\d-\d\d", str(value)):
        import datetime as dt

        page.write_datetime(
            row,
            at,
            dt.datetime.fromisoformat(str(value)),
            styles.get(num_format=_TYPES["date"], align="left"),
        )
    else:
        text = office.legal(value)
        risky = spreadsheet.is_formula(text)
        page.write_string(row, at, text, styles.get(quote_prefix=True) if risky else styles.get())


def _format(kind: str, unit: str) -> str:
    """Number format: of the unit, of whole numbers, or of money with the decimals of `unit`."""
    if kind == "integer":
        return _TYPES[kind]
    digits = money.minor_digits(unit)
    return FORMATS.get(unit) or "#,##0" + "." * bool(digits) + "0" * digits


def _width(value: Any) -> int:
    """Characters a value takes; Chinese ones count twice."""
    if isinstance(value, float):
        return len(f"{value:,.3f}")
    text = str(value if value is not None else "")
    return len(text) + sum(ord(sign) > 0x2E80 for sign in text)


def _totals(page: Any, styles: _Styles, table: Table, rows: list[tuple[Any, ...]]) -> None:
    """A line of sums below the table, over the rows a filter leaves, where the rows are parts of
    one whole.
    """
    names = {column.name for column in table.columns}
    if names & _MOMENTS or table.columns[0].type != "text" or len(rows) < 2:
        return
    line, written = len(rows) + HEAD + 2, False
    for at, column in enumerate(table.columns):
        values = [row[at] for row in rows]
        if (
            column.name in _ADDITIVE
            and column.unit != "by row"  # two currencies have no sum
            and all(isinstance(one, int | float) and office.exact(one) for one in values)
        ):
            letter = xl_col_to_name(at)
            style = styles.get(bold=True, top=1, num_format=_format(column.type, column.unit))
            text = f"=SUBTOTAL(109,{letter}{HEAD + 2}:{letter}{HEAD + 1 + len(rows)})"
            page.write_formula(line, at, text, style, money.total(values))
            written = True
    if written:
        page.write_string(line, 0, say("total of rows shown"), styles.get(bold=True, top=1))
