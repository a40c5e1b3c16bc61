"""Row 0: what a record shows of itself in a notebook, a few lines of escaped HTML (tables are `publish.show`'s).

And the lights of a verdict, the words before the colon of "light: reason" in every page, deck and run.json.
"""

import html
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

OK, ACT, STOP, NOT_KNOWN, NOT_MEASURED = "ok", "act", "stop", "not known", "not measured"
LIGHTS = (OK, ACT, STOP, NOT_KNOWN, NOT_MEASURED)
UNKNOWN = (NOT_KNOWN, NOT_MEASURED)  # there is nothing to judge by: neither good nor bad


def figure(value: float, unit: str) -> str:
    """A number with its unit, as people read it.

    Parameters
    ----------
    value : the number, NaN where there is nothing to measure it by
    unit : "money" (whole units of a currency), "share" (told in per cent), or any other

    >>> figure(1234567.2, "money"), figure(0.1234, "share"), figure(44.06, "days"), figure(3.0, "customers")
    ('1,234,567', '12.3 %', '44.1 days', '3 customers')
    >>> figure(float("nan"), "days")
    'not measured'
    """
    if value != value:
        return NOT_MEASURED
    if unit == "money":
        return f"{value:,.0f}"
    if unit == "share":
        return f"{100 * value:,.1f} %"
    return f"{value:,.0f} {unit}" if value == round(value) else f"{value:,.1f} {unit}"


def card(title: str, lines: Mapping[str, object]) -> str:
    """A title and lines of name and value.

    >>> "Ledger &lt;x&gt;" in card("Ledger <x>", {"invoices": 12})
    True
    """
    style = 'style="padding:1px 14px 1px 0;text-align:left"'  # JupyterLab aligns cells to the right
    rows = "".join(
        f"<tr><td {style}>{html.escape(name)}</td><td {style}>{html.escape(str(value))}</td></tr>"
        for name, value in lines.items()
    )
    top = f'<caption style="text-align:left;font-weight:600">{html.escape(title)}</caption>'
    return f'<table style="text-align:left">{top}{rows}</table>'


def plain(value: Any) -> Any:
    """A value as JSON holds it; missing and infinite values are null, days are ISO dates."""
    if isinstance(value, str):
        return value
    if value is None or pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return str(value)
