"""The granting step as records for notebooks and review: quarterly limits, terms, portfolio."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab import history
from credit_lab.errors import PeriodError
from credit_lab.facts import Said
from credit_lab.ledger.model import Ledger
from credit_lab.limits import (
    authority,
    comparison,
    exposures,
    quarterly,
    trial,
)
from credit_lab.policy import Policy, in_currency, need_amounts
from credit_lab.rules import holds, standing
from credit_lab.rules import limits as rule
from credit_lab.studies import collecting, review
from credit_lab.studies.text import money_text


@dataclass(frozen=True)
class Granting:
    """A quarterly limit review.

    Attributes
    ----------
    review : decisions, notices and summary, see `limits.quarterly.LimitReview`
    exposures : limits and headroom as of the day, see `limits.exposure`
    over : customers or groups over their limit, most first
    workload : approvals by level under this policy and under the other one, where one is given
    bench : all methods side by side a year before, so that what followed is known; None in a young
        ledger
    trial_steps : the ladder for newcomers by evidence, beside the policy's rule
    """

    as_of: pd.Timestamp
    review: quarterly.LimitReview
    exposures: pd.DataFrame
    over: pd.DataFrame
    workload: pd.DataFrame
    bench: comparison.Bench | None
    trial_steps: pd.DataFrame

    @property
    def year_before(self) -> pd.Timestamp:
        """The month end at which all methods are compared."""
        return _year_before(self.as_of)

    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by name."""
        made = {
            "limits_decisions": self.review.decisions,
            "limits_notices": self.review.notices,
            "limits_summary": self.review.summary,
            "limits_exposures": self.exposures,
            "limits_over": self.over,
            "limits_workload": self.workload,
            "limits_trial_steps": self.trial_steps,
        }
        return made | (self.bench.tables() if self.bench else {})


def _year_before(month: pd.Timestamp) -> pd.Timestamp:
    return month - pd.offsets.MonthEnd(12)


def granting(
    ledger: Ledger, policy: Policy, as_of: pd.Timestamp, *, other: Policy | None = None
) -> Granting:
    """Review all limits at the last month end up to `as_of`.

    Raises
    ------
    PeriodError
        No whole month of data by then.
    MoneyNotKnown
        The amounts of a policy are not known in the ledger's currency.
    """
    policy = granted_by(policy, ledger)
    other = granted_by(other, ledger) if other else None
    past = history.build(ledger, as_of)
    month = past["month"].max()
    if pd.isna(month):
        raise PeriodError(f"{ledger.source}: no month end up to {as_of.date()}")
    known = comparison.evidence(ledger, past, policy, month)
    made = quarterly.review(
        history.looking_back(ledger, past, month),
        policy,
        month,
        in_force=in_force(ledger, month),
        evidence=known,
        held=held(ledger, policy, past),
    )
    used = exposures.exposure(ledger, month, tax_rate=policy.economics.tax_rate)
    names = {policy.meta.id: policy} | ({other.meta.id: other} if other else {})
    changed = made.decisions[made.decisions["change"] != "keep"]
    compared = None
    if (past["month"] == _year_before(month)).any() and past["month"].nunique() > 18:
        compared = comparison.bench(ledger, past, policy, _year_before(month))
    return Granting(
        month,
        made,
        used,
        _over(used),
        authority.replay(changed, names),
        compared,
        _trial(policy, past),
    )


def _over(used: pd.DataFrame) -> pd.DataFrame:
    """Customers or groups over the limits the ledger says are in force, most first."""
    heads = used.drop_duplicates("holder")
    over = heads[(heads["headroom"] < 0) & (heads["holder_exposure"] > 0)].sort_values(
        "headroom", ignore_index=True
    )
    return over[["holder", "holder_exposure", "credit_limit", "utilisation", "headroom"]]


def granted_by(policy: Policy, ledger: Ledger) -> Policy:
    """The policy in the ledger's currency, refused where its amounts are not known: no limit
    follows from it.
    """
    own = in_currency(policy, ledger.currency)
    need_amounts(own, "limits cannot be set")
    return own


def in_force(ledger: Ledger, day: pd.Timestamp) -> pd.DataFrame | None:
    """Lasting limits in force on a day with the day of their last change; None where the ledger has
    no limits.

    A temporary limit ends by itself: a review that took it for lasting would call its end a cut.
    """
    if not ledger.has("limits"):
        return None
    limits = ledger.known_by(day).tables["limits"]
    held = pd.DataFrame({"holder": limits["customer_id"].drop_duplicates(), "day": day})
    stands = held.join(standing.standing_limit(limits, held)).dropna(subset="lasting")
    names = {"holder": "customer_id", "lasting": "credit_limit", "since": "changed_on"}
    kept = stands[list(names)].rename(columns=names)
    return kept.sort_values("customer_id", ignore_index=True)


def held(ledger: Ledger, policy: Policy, past: pd.DataFrame) -> frozenset[str]:
    """Customers whose new orders an alert holds at the last month end: their limits are not raised.

    Parameters
    ----------
    past : of `history.build`
    """
    latest = past[past["month"] == past["month"].max()]
    said = (review.alerts(latest, policy), collecting.begun(ledger, policy, past)[0])
    return frozenset(
        customer
        for table in said
        for customer, action in zip(table["customer_id"], table["action"], strict=True)
        if holds.holds_orders(action)
    )


def _trial(policy: Policy, past: pd.DataFrame) -> pd.DataFrame:
    """Ladder by evidence: prior from customers with a year of history, worth ten customers."""
    settings = rule.limits(policy)
    old = past[past["months_on_book"] >= 12]
    ended = rule.trial_ends(settings, old["max_dpd"], old["overdue"])
    good = float(1 - ended.groupby(old["customer_id"]).any().mean()) if len(old) else 0.8
    good = min(max(good, 0.05), 0.98)
    economics = policy.economics
    invoices = np.arange(policy.trial.steps + 1) * policy.trial.step_invoices
    by_policy = rule.trial_limit(settings, invoices)
    newcomers = trial.Newcomers(
        10 * good,
        10 * (1 - good),
        1 - economics.variable_cost_ratio,
        economics.variable_cost_ratio,
        tuple(by_policy.tolist()),
    )
    steps = trial.ladder(newcomers).steps
    ladder = pd.DataFrame({"paid_invoices": invoices, "by_policy": by_policy})
    both = steps.rename(columns={"size": "by_evidence"}).merge(
        ladder, on="paid_invoices", how="outer"
    )
    return both.sort_values("paid_invoices", ignore_index=True).ffill().assign(prior_paid=good)


def headline(made: Granting, currency: str) -> list[str]:
    """What a credit manager should know first."""
    summary = made.review.summary.set_index("change")
    total, before = made.review.decisions["credit_limit"].sum(), summary["before"].sum()
    in_force = made.exposures["credit_limit"].notna().any()
    said = ", ".join(f"{row['customers']:,.0f} {change}" for change, row in summary.iterrows())
    counts = {f"limits.{change}": int(row["customers"]) for change, row in summary.iterrows()}
    over = {"over.holders": len(made.over), "over.headroom": float(made.over["headroom"].sum())}
    found = [
        Said(
            f"Limits after the review: {money_text(float(total), currency)}, against "
            f"{money_text(float(before), currency)} in force at {made.as_of.date()} ({said})."
            if in_force
            else f"Limits after the review: {money_text(float(total), currency)} ({said}).",
            {"limits.total": float(total), **counts},
            made.as_of,
        ),
        Said(
            f"{len(made.over)} customers or groups stand above their limit, by "
            f"{money_text(float(-made.over['headroom'].sum()), currency)} together.",
            over,
            made.as_of,
        )
        if len(made.over)
        else "Nobody stands above a limit."
        if in_force
        else f"No limit is in force at {made.as_of.date()}: nobody can stand above one.",
    ]
    without = int(made.over["credit_limit"].isna().sum())
    if without:
        found.append(
            f"{without} of those above have no valid limit at all: what they owe counts against "
            "nothing."
        )
    if made.bench is not None and len(made.bench.on_history):
        best = made.bench.on_history.iloc[0]
        found.append(
            f"Of all methods at {made.year_before.date()}, {best['method']} would have been worth "
            "most: "
            f"{money_text(best['avoided_loss'], currency)} of losses avoided for "
            f"{money_text(best['blocked_margin'], currency)} of margin blocked, to first order."
        )
    hours = made.workload.groupby("policy")["hours"].sum()
    worked = ", ".join(f"{name} {value:,.0f}" for name, value in hours.items())
    own = {f"hours.{name}": float(value) for name, value in hours.items()}
    found.append(Said(f"Hours of approval: {worked}.", own, made.as_of))
    return found
