"""Feature tables as they were known on the day of the decision."""

import numpy as np
import pandas as pd

from credit_lab.errors import CreditLabError, nearest
from credit_lab.rules.default import EVENTS


def signals(history: pd.DataFrame) -> pd.DataFrame:
    """Features from the history table: signals of the month, numbers only, without ids, states of default or any next_*
    column.

    Three shares are added: overdue_share (overdue / open), own_dso (exposure / sales of twelve months x 365 days) and
    peak_share (exposure / highest exposure so far); missing where there is nothing to divide by.
    """
    apart = ("month", "customer_id", *EVENTS)
    known = history.drop(columns=[c for c in history if str(c).startswith("next_") or c in apart])
    return known.astype(np.float64).assign(
        overdue_share=_share(history["overdue"], history["open"]),
        own_dso=365 * _share(history["exposure"], history["sales_12m"]),
        peak_share=_share(history["exposure"], history["high_credit"]),
    )


def modelling_table(
    history: pd.DataFrame, target: str = "next_12m_failed"
) -> tuple[pd.DataFrame, pd.Series, pd.DataFrame]:
    """Features, target and keys from the history table, for rows whose outcome is known.

    Parameters
    ----------
    history : of `history.build`
    target : an outcome, such as next_12m_impaired. Who is in that state already is left out: there
        is nothing to predict

    Returns
    -------
    X : `signals`
    y : the target as 0 and 1
    keys : month and customer_id of each row, for splits by time and by customer

    Raises
    ------
    CreditLabError
        No such target, or no row whose outcome is known.
    """
    if target not in history:
        known = [column for column in history if str(column).startswith("next_")]
        raise CreditLabError(f"history has no column {target!r}; {nearest(target, known)}")
    rows = history[history[target].notna()]
    if rows.empty:
        raise CreditLabError(f"history: no row has a known {target}; the window after it is longer than the data")
    already = target.rsplit("_", 1)[-1]
    rows = (rows[~rows[already]] if already in rows else rows).reset_index(drop=True)
    return signals(rows), rows[target].astype(int), rows[["month", "customer_id"]]


def _share(part: pd.Series, whole: pd.Series) -> pd.Series:
    return part / whole.where(whole > 0)
