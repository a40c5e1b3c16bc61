"""Feature tables as they were known on the day of the decision."""

import numpy as np
import pandas as pd

from credit_lab.errors import CreditLabError, nearest


def as_of_join(
    decisions: pd.DataFrame,
    facts: pd.DataFrame,
    *,
    decided: str = "decided_on",
    known: str = "known_on",
    by: str = "customer_id",
    max_age_days: int | None = None,
) -> pd.DataFrame:
    """Each decision with the latest facts known on its day, never later ones.

    Parameters
    ----------
    decisions : one row per decision, with the columns `by` and `decided`
    facts : rows with `by`, `known` (the day the row became known, not the day it is about) and the features
    max_age_days : older facts count as missing

    Returns
    -------
    DataFrame
        the decisions in their order, with the features and `known` of the row they came from

    Raises
    ------
    CreditLabError
        Missing columns or dates; facts that have outcomes (columns named next_*); a feature name on both sides.

    >>> d = pd.DataFrame({"customer_id": ["A"], "decided_on": pd.to_datetime(["2025-03-01"])})
    >>> f = pd.DataFrame({"customer_id": ["A", "A"], "x": [1, 2]})
    >>> f["known_on"] = pd.to_datetime(["2025-01-31", "2025-03-31"])
    >>> as_of_join(d, f)["x"].tolist()
    [1]
    """
    for name, table, columns in (("decisions", decisions, (by, decided)), ("facts", facts, (by, known))):
        for column in columns:
            if column not in table:
                raise CreditLabError(f"{name} have no column {column!r}; {nearest(column, table.columns)}")
        dates = table[columns[1]]
        if not pd.api.types.is_datetime64_any_dtype(dates):
            raise CreditLabError(f"{name}: column {columns[1]!r} holds no dates; convert it with pandas.to_datetime")
        if dates.isna().any():
            raise CreditLabError(
                f"{name}: {dates.isna().sum()} rows have no {columns[1]}; without it nobody can say what was known"
            )
    outcomes = [column for column in facts if str(column).startswith("next_")]
    if outcomes:
        raise CreditLabError(f"facts hold outcomes ({outcomes[0]}): they belong to the target, not to the features")
    both = sorted((set(decisions) & set(facts)) - {by})
    if both:
        raise CreditLabError(f"column {both[0]!r} is in both tables; rename one")
    left = decisions.assign(_row=np.arange(len(decisions))).sort_values(decided, kind="stable")
    right = facts.sort_values(known, kind="stable")
    right = right.assign(**{known: right[known].astype(left[decided].dtype)})
    tolerance = None if max_age_days is None else pd.Timedelta(days=max_age_days)
    joined = pd.merge_asof(left, right, left_on=decided, right_on=known, by=by, tolerance=tolerance)
    joined = joined.sort_values("_row").drop(columns="_row")
    joined.index = decisions.index
    return joined


def signals(history: pd.DataFrame) -> pd.DataFrame:
    """Features from the history table: signals of the month, numbers only, without ids or any next_* column.

    Three shares are added: overdue_share (overdue / open), own_dso (exposure / sales of twelve months x 365 days) and
    peak_share (exposure / highest exposure so far); missing where there is nothing to divide by.
    """
    known = history.drop(columns=[c for c in history if str(c).startswith("next_") or c in ("month", "customer_id")])
    return known.astype(np.float64).assign(
        overdue_share=_share(history["overdue"], history["open"]),
        own_dso=365 * _share(history["exposure"], history["sales_12m"]),
        peak_share=_share(history["exposure"], history["high_credit"]),
    )


def modelling_table(
    history: pd.DataFrame, target: str = "next_12m_default", *, most_dpd: float = 90
) -> tuple[pd.DataFrame, pd.Series, pd.DataFrame]:
    """Features, target and keys from the history table, for rows whose outcome is known.

    Parameters
    ----------
    most_dpd : customers with an invoice longer past due than these days are left out: they are in default already, so
        that there is nothing to predict

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
    rows = rows[~(rows["max_dpd"] > most_dpd)].reset_index(drop=True)
    return signals(rows), rows[target].astype(int), rows[["month", "customer_id"]]


def _share(part: pd.Series, whole: pd.Series) -> pd.Series:
    return part / whole.where(whole > 0)
