"""The quarterly limit review (季度授信复核): proposals held against what is in force, with reasons and notices."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab.limits.exposures import LimitsError
from credit_lab.limits.proposals import propose
from credit_lab.periods import takes_days
from credit_lab.policy import Policy


@dataclass(frozen=True)
class LimitReview:
    """Outcome of a review.

    Attributes
    ----------
    decisions : review_date, customer_id, score, grade, pd_12m, method, binding_constraint, credit_limit (in force after
        the review), term_days, approver, reason, and: old_limit, proposed, change (new, raise, cut, withdraw, keep),
        code and reason (why, see `CODES`), basis (of the proposal), expires_on, triggers
    notices : customer_id, old_limit, credit_limit, text: customers to be told of a cut or withdrawal
    summary : change, customers, before, after: money
    """

    decisions: pd.DataFrame
    notices: pd.DataFrame
    summary: pd.DataFrame


CODES = {
    "N1": "no limit was in force", "R1": "sales and payment allow more", "C1": "sales or payment allow less",
    "R2": "next step of the trial limit", "C2": "too little history: trial limit",
    "R3": "cap on the share of own sales allows more", "C3": "cap on the share of own sales",
    "C4": "grade without credit", "C5": "no net sales in twelve months",
    "W1": "no sale for so long that the limit is withdrawn", "T1": "trigger outside the calendar",
    "K1": "change too small", "K2": "changed not long ago", "K3": "no change",
}  # fmt: skip
# Code of a raise and of a cut by what bound the limit.
_RAISED = {"sales forecast": "R1", "trial": "R2", "share of own sales": "R3"}
_CUT = {"sales forecast": "C1", "trial": "C2", "share of own sales": "C3", "grade": "C4", "inactive": "C5"}


@takes_days
def review(
    history: pd.DataFrame,
    policy: Policy,
    month: pd.Timestamp,
    *,
    in_force: pd.DataFrame | None = None,
    triggers: pd.DataFrame | None = None,
) -> LimitReview:
    """Review every customer at one month end.

    A change below `limits.min_change` of the old limit, or within `limits.min_months_between` months of the last one,
    waits unless a trigger calls for it: so limits do not flip to and fro. A limit without sales for
    `limits.withdraw_after_months` is withdrawn at once.

    Parameters
    ----------
    history : from `history.build`
    in_force : customer_id, credit_limit, changed_on: limits before the review; without it every limit is new
    triggers : customer_id, trigger (why the review may not wait: alert, new statement, order)

    Raises
    ------
    LimitsError
        No such month, a customer twice in `in_force`, or limits changed after the review.
    """
    rows = history[history["month"] == month]
    if rows.empty:
        raise LimitsError(f"review: no month end {month.date()} in the history")
    proposed = propose(rows, policy).rename(columns={"credit_limit": "proposed"})
    old, since = _before(proposed, in_force, month)
    called = _called(proposed, triggers)
    wanted = proposed["proposed"].to_numpy()
    quiet = _months_without_sales(history, month).reindex(proposed["customer_id"]).to_numpy()
    withdrawn = (quiet >= policy.limits.withdraw_after_months) & ~np.isnan(old)
    wanted = np.where(withdrawn, 0.0, wanted)
    new = np.isnan(old)
    step = np.abs(wanted - old)
    small = step < policy.limits.min_change * np.maximum(old, 1e-9)
    early = since < policy.limits.min_months_between
    trigger = (called != "").to_numpy()
    moves = ~new & (step > 0) & (withdrawn | trigger | ~(small | early))
    limit = np.where(new | moves, wanted, old)
    change = np.select(
        [new, moves & (limit == 0), moves & (limit > old), moves], ["new", "withdraw", "raise", "cut"], "keep"
    )
    raised, cut = (proposed["binding_constraint"].map(codes).fillna("") for codes in (_RAISED, _CUT))
    code = np.select(
        [new, moves & withdrawn, moves & trigger & (small | early), moves & (limit > old), moves, step == 0, early],
        ["N1", "W1", "T1", raised, cut, "K3", "K2"], "K1",
    )  # fmt: skip
    expires = month + pd.DateOffset(months=12)
    decisions = proposed.assign(
        credit_limit=limit, old_limit=old, change=change, code=code, expires_on=expires, triggers=called.to_numpy(),
        reason=[CODES[c] for c in code], basis=proposed["reason"],
    )  # fmt: skip
    lower = decisions[decisions["change"].isin(["cut", "withdraw"])]
    notices = lower[["customer_id", "old_limit", "credit_limit"]].assign(
        text=[
            f"From {month.date()} the credit limit is {now:,.0f} (before: {then:,.0f})."
            for now, then in zip(lower["credit_limit"], lower["old_limit"], strict=True)
        ]
    )
    summary = decisions.groupby("change", as_index=False).agg(
        customers=("customer_id", "size"), before=("old_limit", "sum"), after=("credit_limit", "sum")
    )
    return LimitReview(decisions, notices.reset_index(drop=True), summary)


def _before(
    proposed: pd.DataFrame, in_force: pd.DataFrame | None, month: pd.Timestamp
) -> tuple[np.ndarray, np.ndarray]:
    """Old limit (NaN: none) and months since its last change, in the order of the proposals."""
    if in_force is None or in_force.empty:
        return np.full(len(proposed), np.nan), np.full(len(proposed), np.inf)
    if in_force["customer_id"].duplicated().any():
        twice = in_force.loc[in_force["customer_id"].duplicated(), "customer_id"].iloc[0]
        raise LimitsError(f"review: {twice!r} has two limits in force; give the one that counts")
    known = in_force.set_index("customer_id").reindex(proposed["customer_id"])
    changed = pd.to_datetime(known["changed_on"])
    if (changed > month).any():
        raise LimitsError(f"review: limits changed after {month.date()} cannot be in force at it")
    since = ((month - changed).dt.days / 30.4375).fillna(np.inf).to_numpy()
    return known["credit_limit"].to_numpy(dtype=float), since


def _called(proposed: pd.DataFrame, triggers: pd.DataFrame | None) -> pd.Series:
    if triggers is None or triggers.empty:
        return pd.Series("", index=proposed.index, dtype="str")
    named = triggers.groupby("customer_id")["trigger"].agg(lambda names: ", ".join(sorted(set(names))))
    return proposed["customer_id"].map(named).fillna("")


def _months_without_sales(history: pd.DataFrame, month: pd.Timestamp) -> pd.Series:
    """Months since the last sale, up to the review; customers without any count from their first row."""
    past = history[history["month"] <= month]
    sold = past[past["sales"] > 0].groupby("customer_id")["month"].max()
    first = past.groupby("customer_id")["month"].min()
    last = sold.reindex(first.index).fillna(first)
    return (month.year - last.dt.year) * 12 + month.month - last.dt.month
