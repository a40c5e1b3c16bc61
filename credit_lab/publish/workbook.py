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
from xlsxwriter.utility import xl_col_to_name, xl_rowcol_to_cell

from credit_lab import spreadsheet
from credit_lab.language import say
from credit_lab.ledger import sharing
from credit_lab.publish import office
from credit_lab.publish.artefacts import Table

FORMATS = {
    "share": "0.0%",
    "days": "#,##0.0",
    "%": "#,##0.0",
    "times a year": "#,##0.00",
    "customers": "#,##0",
    "count": "#,##0",
    "index": "0.000",
    "fine": "#,##0.000##",
    "chance": "0.000",
}
_TYPES = {"integer": "#,##0", "number": "#,##0.00", "date": "yyyy-mm-dd"}
_HEAD = 3  # rows above the line of column names
_MOST = 1_000_000
# Column → how it may follow from others of its row: a sum of columns with signs, a product, or a
# quotient.
_SUMS = (
    ("change", "value -previous"),
    ("difference", "control -ledger"),
    ("difference", "allowance -lost"),
    ("difference", "a -b"),
    ("difference", "b -a"),
    ("headroom", "credit_limit -holder_exposure"),
    ("total", "terms delinquency calendar mix"),
    ("balance", "open unapplied_cash credit_notes"),
    ("change", "overdue_now -overdue_before"),
    ("change", "after -before"),
)
_PRODUCTS = (
    ("allowance", "open rate"),
    ("expected_default", "pd exposure"),
    ("expected_loss", "pd lgd ead"),
)
_QUOTIENTS = (("utilisation", "holder_exposure", "credit_limit"), ("rate", "lost", "open"))
_SHARES = (("share", "open_amount"), ("share", "exposure"), ("share", "amount"), ("share", "count"))
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
    >>> sheet_name("80 Aging at 2025-12-31, CNY: [all]", taken), sheet_name("80 AGING at 2025-12-31,
    CNY all", taken) ('80 Aging at 2025-12-31, CNY all', '80 AGING at 2025-12-31, CNY a 2')
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
        page.write_string(_HEAD, at, office.legal(column.title), head)
    page.set_row(_HEAD, 15 * max(1, *(-(-len(column.title) // 14) for column in table.columns)))
    formulas = _formulas(table, rows)
    units, names = (
        [column.unit for column in table.columns],
        [column.name for column in table.columns],
    )
    own = next((at for at, column in enumerate(table.columns) if column.name == "unit"), None)
    for line, row in enumerate(rows):
        for at, content in enumerate(row):
            unit = str(row[own]) if units[at] == "by row" and own is not None else units[at]
            if isinstance(content, str):
                content = sharing.words(content, names[at], names, table.names)
            formula = formulas.get((line, at), "")
            _put(page, line + _HEAD + 1, at, content, table.columns[at].type, unit, styles, formula)
    _totals(page, styles, table, rows)
    for at, column in enumerate(table.columns):
        longest = max((_width(row[at]) for row in rows[:500]), default=0)
        page.set_column(
            at, at, min(max(longest, min(len(column.title), 14), 18 if at == 0 else 8) + 2, 60)
        )
    page.freeze_panes(_HEAD + 1, 1)
    page.set_landscape()
    page.fit_to_pages(1, 0)
    page.repeat_rows(_HEAD)
    page.autofilter(_HEAD, 0, _HEAD + len(rows), len(table.columns) - 1)


def _put(
    page: Any, row: int, at: int, value: Any, kind: str, unit: str, styles: _Styles, formula: str
) -> None:
    if value is None:
        page.write_blank(row, at, None, styles.get())
    elif isinstance(value, bool):
        page.write_boolean(row, at, value, styles.get(align="center"))
    elif isinstance(value, int | float) and office.exact(value):
        style = styles.get(
            num_format=FORMATS.get(unit)
            if isinstance(value, float) and unit in FORMATS
            else _TYPES["integer" if isinstance(value, int) else "number"]
        )
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


def _width(value: Any) -> int:
    """Characters a value takes; Chinese ones count twice."""
    if isinstance(value, float):
        return len(f"{value:,.2f}")
    text = str(value if value is not None else "")
    return len(text) + sum(ord(sign) > 0x2E80 for sign in text)


def _formulas(table: Table, rows: list[tuple[Any, ...]]) -> dict[tuple[int, int], str]:
    """Formulas by row and column, each checked against the value it stands for."""
    at = {column.name: index for index, column in enumerate(table.columns)}
    found: dict[tuple[int, int], str] = {}
    rules: list[tuple[str, tuple[str, ...], str]] = [
        *((target, tuple(words.split()), "+") for target, words in _SUMS),
        *((target, tuple(words.split()), "*") for target, words in _PRODUCTS),
        *((target, (above, below), "/") for target, above, below in _QUOTIENTS),
    ]
    buckets = [name for name in at if name == "not_due" or re.fullmatch(r">?\d+(-\d+)?", name)]
    if len(buckets) > 1:
        rules.append(("open", tuple(buckets), "+"))
    for target, terms, sign in rules:
        names = [term.lstrip("-") for term in terms]
        if target in at and all(name in at for name in names):
            for line, row in enumerate(rows):
                values = [row[at[name]] for name in names]
                cells = [xl_rowcol_to_cell(line + _HEAD + 1, at[name]) for name in names]
                text, value = _expression(sign, terms, values, cells)
                if _same(value, row[at[target]]):
                    found.setdefault((line, at[target]), text)
    _by_column(at, rows, found)
    _by_line(table, rows, found)
    _by_formula_id(at, rows, found)
    return found


def _expression(
    sign: str, terms: Sequence[str], values: list[Any], cells: list[str]
) -> tuple[str, float | None]:
    if not all(isinstance(value, int | float) for value in values):
        return "", None
    if sign == "/":
        return f"={cells[0]}/{cells[1]}", values[0] / values[1] if values[1] else None
    if sign == "*":
        product = 1.0
        for value in values:
            product *= value
        return "=" + "*".join(cells), product
    signed = [(-1 if term.startswith("-") else 1) for term in terms]
    text = "=" + "".join(
        ("-" if one < 0 else "+") + cell for one, cell in zip(signed, cells, strict=True)
    ).lstrip("+")
    return text, sum(one * value for one, value in zip(signed, values, strict=True))


def _by_column(
    at: dict[str, int], rows: list[tuple[Any, ...]], found: dict[tuple[int, int], str]
) -> None:
    """Shares of a column's sum, which may leave out the last rows (unapplied cash, credit notes) or
    what is below 0.
    """
    for target, base in _SHARES:
        if target not in at or base not in at or not rows:
            continue
        amounts = [row[at[base]] for row in rows]
        if not all(isinstance(one, int | float) for one in amounts):
            continue
        column = xl_col_to_name(at[base])
        for last, above in ((len(rows), ""), (len(rows) - 2, ""), (len(rows), ',">0"')):
            total = sum(one for one in amounts[:last] if not above or one > 0)
            if not total or last < 1:
                continue
            area = f"{column}${_HEAD + 2}:{column}${_HEAD + 1 + last}"
            hits = [
                line
                for line, row in enumerate(rows)
                if _same(amounts[line] / total, row[at[target]])
            ]
            if len(hits) >= max(last - 1, 1):
                for line in hits:
                    found.setdefault(
                        (line, at[target]),
                        f"={column}{line + _HEAD + 2}/{'SUMIF' if above else 'SUM'}({area}{above})",
                    )
                break


def _by_line(table: Table, rows: list[tuple[Any, ...]], found: dict[tuple[int, int], str]) -> None:
    """Statements, whose lines add up: a line that is the sum of those above it, a last line that is
    a difference.
    """
    if table.columns[0].name not in ("line", "part", "segment"):
        return
    for at in range(1, len(table.columns)):
        values = [row[at] for row in rows]
        if not all(isinstance(one, float) for one in values):
            continue
        column = xl_col_to_name(at)
        for line in range(2, len(rows)):
            first, here = _HEAD + 2, line + _HEAD + 2
            if values[line] and _same(sum(values[:line]), values[line]):
                found.setdefault((line, at), f"=SUM({column}{first}:{column}{here - 1})")
                break
        if len(rows) > 3 and _same(values[-3] - values[-2], values[-1]):
            found.setdefault(
                (len(rows) - 1, at), f"={column}{len(rows) + _HEAD - 1}-{column}{len(rows) + _HEAD}"
            )


def _by_formula_id(
    at: dict[str, int], rows: list[tuple[Any, ...]], found: dict[tuple[int, int], str]
) -> None:
    """Key figures that follow from others: add = dso.period_end - dso.best_possible."""
    if "formula_id" not in at:
        return
    line = {row[at["formula_id"]]: number for number, row in enumerate(rows)}
    whole, best, delay = (line.get(name) for name in ("dso.period_end", "dso.best_possible", "add"))
    if whole is None or best is None or delay is None:
        return
    for name in ("value", "previous"):
        column = at.get(name, 0)
        values = [rows[number][column] for number in (whole, best, delay)]
        if all(isinstance(one, float) for one in values) and _same(
            values[0] - values[1], values[2]
        ):
            cells = [xl_rowcol_to_cell(number + _HEAD + 1, column) for number in (whole, best)]
            found[delay, column] = f"={cells[0]}-{cells[1]}"


def _same(value: float | None, told: Any) -> bool:
    if value is None or not isinstance(told, int | float) or isinstance(told, bool):
        return False
    return abs(value - told) <= 1e-9 * max(abs(value), abs(told), 1e-3)


def _totals(page: Any, styles: _Styles, table: Table, rows: list[tuple[Any, ...]]) -> None:
    """A line of sums below the table, over the rows a filter leaves, where the rows are parts of
    one whole.
    """
    names = {column.name for column in table.columns}
    if names & _MOMENTS or table.columns[0].type != "text" or len(rows) < 2:
        return
    line, written = len(rows) + _HEAD + 2, False
    for at, column in enumerate(table.columns):
        values = [row[at] for row in rows]
        if column.name in _ADDITIVE and all(
            isinstance(one, int | float) and office.exact(one) for one in values
        ):
            letter = xl_col_to_name(at)
            style = styles.get(
                bold=True,
                top=1,
                num_format=_TYPES["integer" if column.type == "integer" else "number"],
            )
            text = f"=SUBTOTAL(109,{letter}{_HEAD + 2}:{letter}{_HEAD + 1 + len(rows)})"
            page.write_formula(line, at, text, style, sum(values))
            written = True
    if written:
        page.write_string(line, 0, say("total of rows shown"), styles.get(bold=True, top=1))
