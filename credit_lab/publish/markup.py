"""HTML of what is shown: cells as text, tables with widths for paper; data are escaped."""

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from credit_lab import language, money
from credit_lab.language import say
from credit_lab.ledger import sharing
from credit_lab.publish import paper

if TYPE_CHECKING:
    pass


_CHANGES = ("change", "change_year", "difference")
_CONTROL = {sign: 0x2400 + sign for sign in range(32) if sign not in (9, 10, 13)}


def escaped(text: str, quote: bool = False) -> str:
    """Text for HTML; control characters, which no page may hold, are shown by their pictures (␀,
    ␛).
    """
    return html.escape(text.translate(_CONTROL), quote=quote)


def cell(value: Any, unit: str = "") -> str:
    """One value as text: money with thousands and its currency's decimals, shares as per cent,
    dates as days, missing as a dash.

    >>> cell(0.1234, "share"), cell(1234567.891), cell(float("nan")), cell("<b>"), cell(7.0, "JPY")
    ('12.3 %', '1,234,567.89', '–', '<b>', '7')
    >>> cell(0.0084, "points")
    '+0.8 pp'
    """
    if value is None or (not isinstance(value, str) and pd.isna(value)):
        return "–"
    if isinstance(value, bool | np.bool_):
        return say("yes" if value else "no")
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    if isinstance(value, float | np.floating) and np.isinf(value):
        return "∞" if value > 0 else "-∞"
    if isinstance(value, float | np.floating):
        if unit == "share":
            return f"{100 * value:.1f}" + ("%" if language.current() == "zh" else " %")
        if unit == "points":
            return f"{100 * value:+.1f}" + ("百分点" if language.current() == "zh" else " pp")
        if unit == "fine":
            return _fine(float(value))
        if unit == "chance":
            return "< 0.001" if value < 0.001 else f"{value:.3f}"
        if unit in ("count", "customers") or (unit == "mixed" and float(value).is_integer()):
            return f"{value:,.0f}"
        if unit in ("days", "%", "times a year", "index"):
            return f"{value:,.1f}" if unit != "index" else f"{value:,.3f}"
        return money.text(float(value), unit)
    return str(value)


def unit_of(column: str, unit: str, own: Any) -> str:
    """Unit of a cell: that of its column, or where rows have units the row's `own`. The difference
    of two shares is in percentage points: 2 % after 1 % is no rise by 1 %.
    """
    if unit != "by row":
        return unit
    return "points" if own == "share" and column in _CHANGES else str(own)


def _fine(value: float) -> str:
    """About three digits that count."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.5f}" if 0 < abs(value) < 0.01 else f"{value:.3f}"


def nothing(captions: list[str]) -> str:
    """One sentence in HTML for all the tables of a section that have no rows."""
    said = say(f"Nothing to show: {'; '.join(captions)}.")
    return f"<p class='empty'>{escaped(said)}</p>"


def row_unit(names: Sequence[str]) -> int | None:
    """Which column says the unit of what stands "by row": `unit`, else `currency`."""
    return next((names.index(name) for name in ("unit", "currency") if name in names), None)


_NAMED = {"name", "ratio"}  # columns that say what a formula gives: its id need not stand beside


def table_html(shown: pd.DataFrame, record: dict[str, Any]) -> str:
    said = not _NAMED.isdisjoint(shown)
    at = [at for at, one in enumerate(record["columns"]) if one["name"] != "formula_id" or not said]
    shown, columns = shown.iloc[:, at], [record["columns"][one] for one in at]
    names = [one["name"] for one in columns]
    unit_at = row_unit(names)
    head = "".join(
        f"<th{_align(one, one['title'])} scope='col'>{escaped(one['title'])}</th>"
        for one in columns
    )
    body, least = [], [3.0 + 1.1 * paper.longest(one["title"]) for one in columns]
    wanted = list(least)
    for values in shown.itertuples(index=False, name=None):
        own = values[unit_at] if unit_at is not None else ""
        texts = [
            sharing.words(value, one["name"], names, record["names"])
            if isinstance(value, str)
            else cell(value, unit_of(one["name"], one["unit"], own))
            for one, value in zip(columns, values, strict=True)
        ]
        least = [
            max(width, paper.least(text, one))
            for width, text, one in zip(least, texts, columns, strict=True)
        ]
        wanted = [
            max(width, paper.wanted(text, one))
            for width, text, one in zip(wanted, texts, columns, strict=True)
        ]
        cells = [
            f"<td{_align(one, text)}>{_small(text, value)}</td>"
            for one, text, value in zip(columns, texts, values, strict=True)
        ]
        body.append(f"<tr>{''.join(cells)}</tr>")
    total, count = record["total_rows"], len(shown)
    caption = record["caption"] + (say(f" (first {count:,} of {total:,})") if count < total else "")
    size, widths = paper.widths(least, wanted)
    size = ("short " if count <= 12 else "") + size
    columns_html = "".join(
        f"<col style='--w:{100 * width / sum(widths):.1f}%'>" for width in widths
    )
    return (
        f"<div class='table {size.strip()}' tabindex='0' role='group' "
        f"aria-label='{escaped(caption, quote=True)}'>"
        f"<table style='--full:{min(100, sum(widths)):.0f}%'><caption>{escaped(caption)}</caption>"
        f"<colgroup>{columns_html}</colgroup><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _small(text: str, value: Any) -> str:
    """A cell as HTML; the id of a customer in small letters after the name."""
    end = f"({value})"
    if not isinstance(value, str) or not text.endswith(end):
        return escaped(text)
    return f"{escaped(text.removesuffix(end))}<small>{escaped(end)}</small>"


def _align(column: dict[str, Any], text: str) -> str:
    kinds = (
        [kind]
        if (kind := {"date": "date", "integer": "number", "number": "number"}.get(column["type"]))
        else []
    )
    if kinds != ["date"] and paper.whole(text, column):
        kinds.append("word")
    return f" class='{' '.join(kinds)}'" if kinds else ""
