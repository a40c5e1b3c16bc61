"""The quarterly limit review (季度授信复核): proposals held against what is in force, with reasons and notices."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab import money
from credit_lab.limits.exposures import LimitsError
from credit_lab.limits.proposals import Known, Panel, proposed
from credit_lab.periods import takes_days
from credit_lab.policy import Policy
from credit_lab.rules import limits as rules

# Settings it reads, see `rules.coverage`; those of money lost and earned by way of other methods.
READS = (
    "grades.min_months",
    "grades.newcomer_grade",
    "grades.scale.min_payment_index",
    "grades.scale.pd_upper",
    "grades.scale.limit_multiple",
    "grades.scale.term_days",
    "limits.method",
    "limits.forecast_months",
    "limits.growth",
    "limits.tolerated_delay_days",
    "limits.peak_factor",
    "limits.rounding",
    "limits.max_share_of_sales",
    "limits.max_share_of_net_worth",
    "limits.min_change",
    "limits.min_months_between",
    "limits.withdraw_after_months",
    "trial.*",
    "holds.min_overdue",
    "authority.four_eyes_above",
    "authority.levels.*",
    "risk_appetite.expected_loss_budget",
    "economics.variable_cost_ratio",
    "economics.capital_cost",
    "economics.loss_given_default",
)

VALID_MONTHS = 12  # a limit runs out so long after the last review that looked at it


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
    "N1": "no limit was in force",
    "R1": "sales and payment allow more",
    "R2": "next step of the trial limit",
    "R3": "cap on the share of own sales allows more",
    "R4": "the policy's method of limits allows more",
    "C1": "sales or payment allow less",
    "C2": "too little history: trial limit",
    "C3": "cap on the share of own sales",
    "C4": "grade without credit",
    "C5": "no net sales in the months of the forecast",
    "C6": "the trial has ended: something material was paid too late",
    "C7": "the policy's method of limits allows less",
    "W1": "no sale for so long that the limit is withdrawn",
    "T1": "trigger outside the calendar",
    "K1": "change too small",
    "K2": "raised not long ago",
    "K3": "no change",
    "K4": "no review is due",
    "K5": "an alert holds new orders, so the limit is not raised",
}
# Code of a raise and of a cut by what bound the limit; any other is the policy's own method.
_RAISED = {"sales forecast": "R1", "trial": "R2", "share of own sales": "R3"}
_CUT = {
    "sales forecast": "C1",
    "trial": "C2",
    "share of own sales": "C3",
    "grade": "C4",
    "inactive": "C5",
    "trial ended": "C6",
}
_KEPT = {
    rules.NEW: "N1",
    rules.WITHDRAWN: "W1",
    rules.TRIGGERED: "T1",
    rules.SAME: "K3",
    rules.EARLY: "K2",
    rules.SMALL: "K1",
    rules.NOT_DUE: "K4",
}


@takes_days
def review(
    history: pd.DataFrame,
    policy: Policy,
    month: pd.Timestamp,
    *,
    in_force: pd.DataFrame | None = None,
    triggers: pd.DataFrame | None = None,
    evidence: pd.DataFrame | None = None,
    held: Collection[str] = (),
) -> LimitReview:
    """Review every customer at one month end.

    A change below `limits.min_change` of the old limit, or a raise within `limits.min_months_between`
    months of the last change, waits unless a trigger calls for it: so limits do not flip to and fro.
    Cuts wait for no months, the steps of a trial limit for neither months nor rhythm. A limit without
    sales for `limits.withdraw_after_months` is withdrawn at once.

    Parameters
    ----------
    history : from `history.build`, from the first document to `month` at least
    in_force : customer_id, credit_limit, changed_on: limits before the review; without it every limit is new
    triggers : customer_id, trigger (why the review may not wait: alert, new statement, order)
    evidence : for methods that need more than the history knows, see `proposals.propose`
    held : customers whose new orders an alert holds: a raise of theirs waits

    Raises
    ------
    LimitsError
        No such month, a customer twice in `in_force`, limits changed after the review, or a history
        that begins too late for the policy's sales forecast.
    """
    if not (history["month"] == month).any():
        raise LimitsError(f"review: no month end {month.date()} in the history")
    known = Panel.of(history).at(policy, month)
    decisions = decide(known, policy, in_force=in_force, triggers=triggers, evidence=evidence, held=held)
    lower, code = decisions[decisions["change"].isin(["cut", "withdraw"])], policy.meta.currency
    notices = lower[["customer_id", "old_limit", "credit_limit"]].assign(
        text=[
            f"From {month.date()} the credit limit is {money.text(now, code)} (before: {money.text(then, code)})."
            for now, then in zip(lower["credit_limit"], lower["old_limit"], strict=True)
        ]
    )
    summary = decisions.groupby("change", as_index=False).agg(
        customers=("customer_id", "size"), before=("old_limit", "sum"), after=("credit_limit", "sum")
    )
    if decisions["old_limit"].isna().all():  # there were none, or nobody knows them
        summary["before"] = np.nan
    return LimitReview(decisions, notices.reset_index(drop=True), summary)


def decide(
    known: Known,
    policy: Policy,
    *,
    in_force: pd.DataFrame | None = None,
    triggers: pd.DataFrame | None = None,
    evidence: pd.DataFrame | None = None,
    due: bool = True,
    held: Collection[str] = (),
) -> pd.DataFrame:
    """The decisions of `review` at one month end; what the replay asks at every month end.

    Parameters
    ----------
    known : what was known of all customers, see `proposals.Panel`
    in_force, triggers, evidence, held : as in `review`
    due : whether the month falls into the rhythm of `limits.review_months`; else only trials, new
        customers, triggers and withdrawals are decided, and `expires_on` of the others is missing

    Raises
    ------
    LimitsError
        A customer twice in `in_force`, or limits changed after the review.
    """
    s = rules.limits(policy)
    found = proposed(known, policy, evidence).rename(columns={"credit_limit": "proposed"})
    old, since = _before(found, in_force, known.month)
    called = _called(found, triggers)
    wanted = found["proposed"].to_numpy()
    trial = (found["method"] == "trial").to_numpy() | known.was_on_trial
    trigger = (called != "").to_numpy()
    what = rules.change(s, old, wanted, since, known.quiet, due, trigger, trial)
    limit = rules.next_limit(what, old, wanted)
    binding = found["binding_constraint"]
    raised, cut = binding.map(_RAISED).fillna("R4"), binding.map(_CUT).fillna("C7")
    code = pd.Series(what, index=found.index).map(_KEPT)
    code = code.fillna(raised.where(what == rules.RAISED, cut))
    moved = what <= rules.CUT
    change = np.select(
        [what == rules.NEW, moved & (limit == 0), moved & (limit > old), moved],
        ["new", "withdraw", "raise", "cut"],
        "keep",
    )
    wait = (change == "raise") & found["customer_id"].isin(held).to_numpy()
    change, limit = np.where(wait, "keep", change), np.where(wait, old, limit)
    code = code.mask(wait, "K5")
    looked = due | trigger | trial | (what <= rules.WITHDRAWN)
    expires = pd.Series(known.month + pd.DateOffset(months=VALID_MONTHS), index=found.index)
    return found.assign(
        credit_limit=limit,
        old_limit=old,
        change=change,
        code=code,
        expires_on=expires.where(looked),
        triggers=called.to_numpy(),
        reason=code.map(CODES),
        basis=found["reason"],
    )


def _before(found: pd.DataFrame, in_force: pd.DataFrame | None, month: pd.Timestamp) -> tuple[np.ndarray, np.ndarray]:
    """Old limit (NaN: none) and months since its last change, in the order of the proposals."""
    if in_force is None or in_force.empty:
        return np.full(len(found), np.nan), np.full(len(found), np.inf)
    if in_force["customer_id"].duplicated().any():
        twice = in_force.loc[in_force["customer_id"].duplicated(), "customer_id"].iloc[0]
        raise LimitsError(f"review: {twice!r} has two limits in force; give the one that counts")
    known = in_force.set_index("customer_id").reindex(found["customer_id"])
    changed = pd.to_datetime(known["changed_on"])
    if (changed > month).any():
        raise LimitsError(f"review: limits changed after {month.date()} cannot be in force at it")
    since = rules.months_since(changed, month).fillna(np.inf).to_numpy()
    return known["credit_limit"].to_numpy(dtype=float), since


def _called(found: pd.DataFrame, triggers: pd.DataFrame | None) -> pd.Series:
    if triggers is None or triggers.empty:
        return pd.Series("", index=found.index, dtype="str")
    named = triggers.groupby("customer_id")["trigger"].agg(lambda names: ", ".join(sorted(set(names))))
    return found["customer_id"].map(named).fillna("")
