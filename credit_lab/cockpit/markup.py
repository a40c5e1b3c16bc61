"""Small pieces of HTML the widgets share; everything from data is escaped."""

import html
from collections.abc import Sequence

import ipywidgets as w

from credit_lab.cockpit.chart import short

Cell = tuple[str, str]
STYLE = """<style>
.cl-table{border-collapse:collapse;font-size:13px;background:#fff;color:#222}.cl-table td,.cl-table th{padding:3px 10px;
text-align:right;border-bottom:1px solid #ddd;line-height:1.4}.cl-table td:first-child,.cl-table th:first-child{
text-align:left}.cl-clear{font-weight:600}.cl-faint{color:#666}
</style>"""


def table(names: Sequence[str], rows: Sequence[Sequence[Cell]], label: str) -> str:
    """A table of cells (text, class)."""
    top = "".join(f"<th scope='col'>{html.escape(name)}</th>" for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td class='{look}'>{html.escape(text)}</td>" for text, look in row) + "</tr>" for row in rows
    )
    return (
        f"<table class='cl-table' aria-label='{html.escape(label)}'>{f'<tr>{top}</tr>' if names else ''}{body}</table>"
    )


def number(value: float, unit: str = "", *, sign: bool = False) -> str:
    """A number as text: shares as per cent, money short, missing as a dash.

    >>> number(-0.0123, "share"), number(1.5e6, "money", sign=True), number(float("nan"))
    ('−1.23 %', '+1.5 m', '–')
    """
    if value != value:
        return "–"
    plus = "+" if sign and value > 0 else ""
    text = {"share": f"{value * 100:.2f} %", "money": short(value)}.get(unit, f"{value:.2f}")
    return plus + text.replace("-", "−")


def head(text: str) -> w.HTML:
    """A small heading."""
    return w.HTML(f"<b>{html.escape(text)}</b>")


def live(text: str) -> str:
    """A line that a screen reader speaks when it changes."""
    return f"<span role='status' aria-live='polite' style='white-space:normal'>{html.escape(text)}</span>"
