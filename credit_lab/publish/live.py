"""Formulas of the workbook: a rule says which one a cell could hold, its value whether it does."""

import re
from collections.abc import Sequence
from typing import Any

from xlsxwriter.utility import xl_col_to_name, xl_rowcol_to_cell

from credit_lab import money
from credit_lab.publish.artefacts import Table

HEAD = 3  # rows above the line of column names
_APART = 0.0005  # half of the smallest minor unit


# Column → how it may follow from others of its row: a sum of columns with signs, a product, or a
# quotient.
_SUMS = (
    ("change", "value -previous"),
    ("change_year", "value -year_before"),
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


def formulas(table: Table, rows: list[tuple[Any, ...]]) -> dict[tuple[int, int], str]:
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
                cells = [xl_rowcol_to_cell(line + HEAD + 1, at[name]) for name in names]
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
    return text, money.total(one * value for one, value in zip(signed, values, strict=True))


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
            total = money.total(one for one in amounts[:last] if not above or one > 0)
            if not total or last < 1:
                continue
            area = f"{column}${HEAD + 2}:{column}${HEAD + 1 + last}"
            hits = [
                line
                for line, row in enumerate(rows)
                if _same(amounts[line] / total, row[at[target]])
            ]
            if len(hits) >= max(last - 1, 1):
                for line in hits:
                    found.setdefault(
                        (line, at[target]),
                        f"={column}{line + HEAD + 2}/{'SUMIF' if above else 'SUM'}({area}{above})",
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
            first, here = HEAD + 2, line + HEAD + 2
            if values[line] and _same(money.total(values[:line]), values[line]):
                found.setdefault((line, at), f"=SUM({column}{first}:{column}{here - 1})")
                break
        if len(rows) > 3 and _same(money.total((values[-3], -values[-2])), values[-1]):
            found.setdefault(
                (len(rows) - 1, at), f"={column}{len(rows) + HEAD - 1}-{column}{len(rows) + HEAD}"
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
    for name in ("value", "previous", "year_before"):
        column = at.get(name, 0)
        values = [rows[number][column] for number in (whole, best, delay)]
        if all(isinstance(one, float) for one in values) and _same(
            values[0] - values[1], values[2]
        ):
            cells = [xl_rowcol_to_cell(number + HEAD + 1, column) for number in (whole, best)]
            found[delay, column] = f"={cells[0]}-{cells[1]}"


def _same(value: float | None, told: Any) -> bool:
    """Equal but for the noise of floats, and however large never half a minor unit apart."""
    if value is None or not isinstance(told, int | float) or isinstance(told, bool):
        return False
    return abs(value - told) <= min(1e-9 * max(abs(value), abs(told), 1e-3), _APART)
