"""Receivables in several currencies at dated rates, the revaluation difference (汇兑差额) on a line of its own."""

import numpy as np
import pandas as pd

from credit_lab import money
from credit_lab.aging.items import open_items
from credit_lab.errors import LedgerError
from credit_lab.ledger.model import Ledger
from credit_lab.periods import takes_days


@takes_days
def revaluation(ledger: Ledger, as_of: pd.Timestamp, rates: pd.DataFrame, to: str) -> pd.DataFrame:
    """Open balances per currency at the rate of each document's day and at the closing rate.

    Parameters
    ----------
    rates : day, currency, rate (units of `to` per unit); the latest rate up to a day counts
    to : reporting currency; needs no rates of its own

    Returns
    -------
    DataFrame
        currency, open (its own units), book (units of `to` at the documents' days), closing (units of `to` at as_of),
        difference (closing − book), and a row `total` whose open is missing.

    Raises
    ------
    LedgerError
        A rate is missing on some day, or not above zero.
    """
    rows = []
    for code in sorted(ledger.currencies):
        items = open_items(ledger.only_currency(code), as_of)
        native = money.to_minor(items["open_amount"], code).sum()
        booked = _at(rates, code, to, items["issue_date"])
        closing = _at(rates, code, to, pd.Series([as_of]))[0]
        book = money.to_minor(items["open_amount"] * booked, to).sum()
        units = money.from_minor(native, code).item()
        end = money.to_minor(pd.Series([units * closing]), to)[0]
        rows.append((code, units, *money.from_minor([book, end, end - book], to)))
    table = pd.DataFrame(rows, columns=["currency", "open", "book", "closing", "difference"])
    sums = table[["book", "closing", "difference"]].agg(money.total)
    return pd.concat([table, pd.DataFrame([{"currency": "total", "open": np.nan, **sums}])], ignore_index=True)


def _at(rates: pd.DataFrame, code: str, to: str, days: pd.Series) -> np.ndarray:
    """Latest rate of a currency up to each day."""
    if code == to:
        return np.ones(len(days))
    known = rates[rates["currency"] == code].sort_values("day")
    position = np.searchsorted(known["day"].to_numpy(), days.to_numpy(), side="right") - 1
    if (position < 0).any():
        first = days.iloc[int(np.flatnonzero(position < 0)[0])]
        raise LedgerError(f"no rate of {code} to {to} on or before {first.date()}; add one to the rates")
    found = known["rate"].to_numpy(dtype=float)[position]
    if not (np.isfinite(found) & (found > 0)).all():
        raise LedgerError(f"rates of {code} must be above zero")
    return found
