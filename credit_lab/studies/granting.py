"""The granting step as records for notebooks and review: quarterly limits, terms, portfolio."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from credit_lab import aging, history
from credit_lab.errors import CreditLabError, MoneyNotKnown, PeriodError
from credit_lab.ledger.model import Ledger
from credit_lab.limits import (
    METHODS,
    authority,
    comparison,
    exposures,
    portfolio,
    quarterly,
    tail_risk,
    terms,
    trial,
)
from credit_lab.policy import Policy, in_currency, need_amounts
from credit_lab.studies.record import Record
from credit_lab.studies.text import money_text
from credit_lab.transfer import Factoring, Insurance, factor, insure, late_reports


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
    made = quarterly.review(past, policy, month, in_force=in_force(ledger, month))
    used = exposures.exposure(ledger, month, tax_rate=policy.economics.tax_rate)
    names = {policy.meta.id: policy} | ({other.meta.id: other} if other else {})
    changed = made.decisions[made.decisions["change"] != "keep"]
    year_before = month - pd.offsets.MonthEnd(12)
    compared = None
    if (past["month"] == year_before).any() and past["month"].nunique() > 18:
        compared = comparison.bench(ledger, past, policy, year_before)
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
    if used["credit_limit"].isna().all():
        heads = heads.head(0)  # nobody is over a limit nobody has set, or that has ended for all
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
    valid = exposures.valid_limits(ledger, day, temporary=False)
    rows = ledger.tables["limits"]
    rows = rows[~exposures.is_temporary(rows)]
    since = rows[rows["valid_from"] <= day].groupby("customer_id")["valid_from"].max()
    return pd.DataFrame(
        {
            "customer_id": valid.index,
            "credit_limit": valid.to_numpy(),
            "changed_on": since.reindex(valid.index).to_numpy(),
        }
    )


def _trial(policy: Policy, past: pd.DataFrame) -> pd.DataFrame:
    """Ladder by evidence: prior from customers with a year of history, worth ten customers."""
    old = past[past["months_on_book"] >= 12].groupby("customer_id")["max_dpd"].max()
    good = float((old <= policy.trial.stop_dpd).mean()) if len(old) else 0.8
    good = min(max(good, 0.05), 0.98)
    economics = policy.economics
    first = policy.trial.first_limit
    newcomers = trial.Newcomers(
        10 * good,
        10 * (1 - good),
        1 - economics.variable_cost_ratio,
        economics.variable_cost_ratio,
        tuple(float(first * policy.trial.step_factor**k) for k in range(policy.trial.steps + 1)),
    )
    steps = trial.ladder(newcomers).steps
    invoices = np.arange(policy.trial.steps + 1) * policy.trial.step_invoices
    rule = pd.DataFrame(
        {
            "paid_invoices": invoices,
            "by_policy": first * policy.trial.step_factor ** np.arange(len(invoices)),
        }
    )
    both = steps.rename(columns={"size": "by_evidence"}).merge(
        rule, on="paid_invoices", how="outer"
    )
    return both.sort_values("paid_invoices", ignore_index=True).ffill().assign(prior_paid=good)


def headline(made: Granting, currency: str) -> list[str]:
    """What a credit manager should know first."""
    summary = made.review.summary.set_index("change")
    total = made.review.decisions["credit_limit"].sum()
    said = ", ".join(f"{row['customers']:,.0f} {change}" for change, row in summary.iterrows())
    found = [
        f"Limits after the review: {money_text(float(total), currency)} ({said}).",
        f"{len(made.over)} customers or groups stand above their limit, by "
        f"{money_text(float(-made.over['headroom'].sum()), currency)} together."
        if len(made.over)
        else "Nobody stands above a limit."
        if made.exposures["credit_limit"].notna().any()
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
            f"Of all methods a year ago, {best['method']} would have been worth most: "
            f"{money_text(best['avoided_loss'], currency)} of losses avoided for "
            f"{money_text(best['blocked_margin'], currency)} of margin blocked, to first order."
        )
    hours = made.workload.groupby("policy")["hours"].sum()
    found.append(
        "Hours of approval: "
        + ", ".join(f"{name} {value:,.0f}" for name, value in hours.items())
        + "."
    )
    return found


@dataclass(frozen=True)
class Together:
    """The portfolio as a whole.

    Attributes
    ----------
    chosen : limits that earn most inside the policy's appetite, see `limits.portfolio.Portfolio`
    frontier : expected loss against expected profit
    losses : expected and unexpected loss of the limits in force by the policy and of those chosen,
        same scenarios
    insurance, factoring : per customer; insurance_totals for the year
    late_reports : open items the insurer should have heard of, see `transfer.late_reports`
    notes : sentences
    """

    chosen: portfolio.Portfolio
    frontier: pd.DataFrame
    losses: pd.DataFrame
    insurance: pd.DataFrame
    insurance_totals: pd.Series
    late_reports: pd.DataFrame
    factoring: pd.DataFrame
    notes: tuple[str, ...]

    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by name."""
        return {
            "portfolio_limits": self.chosen.limits,
            "portfolio_prices": self.chosen.prices,
            "portfolio_frontier": self.frontier,
            "portfolio_losses": self.losses,
            "insurance": self.insurance,
            "insurance_late_reports": self.late_reports,
            "factoring": self.factoring,
        }


def together(
    ledger: Ledger, policy: Policy, as_of: pd.Timestamp, *, seed: int = 0, scenarios: int = 20_000
) -> Together:
    """Choose limits together for the customers of the last month end up to `as_of`.

    Raises
    ------
    CreditLabError
        No month end by then, or budgets that exclude one another.
    """
    policy = granted_by(policy, ledger)
    past = history.build(ledger, as_of)
    month = past["month"].max()
    known = comparison.evidence(ledger, past[past["month"] == month], policy)
    customers = known.join(portfolio.profit_rates(known, policy)).assign(
        need=METHODS["sales forecast"].limits(known, policy)["limit"]
        / known["limit_multiple"].where(lambda m: m > 0)
    )
    customers["need"] = customers["need"].fillna(0.0)
    for column in ("group_id", "industry", "region"):
        facts = ledger.customers.set_index("customer_id")
        customers[column] = (
            customers["customer_id"].map(facts[column]) if column in facts else np.nan
        )
    needed = float(customers["need"].sum())
    budgets = portfolio.Budgets.of(policy, float(known["annual_sales"].sum()), needed)
    groups = {name: cap for name, cap in budgets.groups.items() if customers[name].notna().any()}
    budgets = portfolio.Budgets(
        budgets.expected_loss, budgets.working_capital, budgets.single_name, groups
    )
    chosen = portfolio.optimise(customers, budgets)
    proposed = quarterly.propose(past[past["month"] == month], policy).set_index("customer_id")[
        "credit_limit"
    ]
    sector = pd.factorize(customers["industry"].fillna("?"))[0]
    rows = []
    for name, limits in (
        ("by the policy", customers["customer_id"].map(proposed).clip(upper=customers["need"])),
        ("chosen together", chosen.limits["credit_limit"]),
    ):
        loss = tail_risk.unexpected_loss(
            limits.to_numpy(),
            customers["pd_12m"].to_numpy(),
            sector,
            loss_given_default=policy.economics.loss_given_default,
            scenarios=scenarios,
            seed=seed,
        )
        profit = float((limits.to_numpy() * customers["profit_rate"]).sum())
        rows.append(
            {"limits": name, "total": float(limits.sum()), "profit": profit, **loss.to_dict()}
        )
    insurance = Insurance(
        policy.transfer.insurance_premium,
        policy.transfer.cover_share,
        policy.transfer.deductible,
        discretionary=float(known["exposure"].quantile(0.9)),
    )
    covered = insure(
        customers.assign(sales=known["annual_sales"], exposure=known["exposure"].clip(lower=0)),
        insurance,
        loss_given_default=policy.economics.loss_given_default,
        capital_cost=policy.economics.capital_cost,
        seed=seed,
    )
    sold = factor(
        pd.DataFrame(
            {
                "customer_id": known["customer_id"],
                "amount": known["exposure"].clip(lower=0),
                "days": known["term_days"],
                "pd_12m": known["pd_12m"],
            }
        ),
        Factoring(
            policy.transfer.factoring_advance,
            policy.transfer.factoring_fee,
            recourse=policy.transfer.recourse,
        ),
        loss_given_default=policy.economics.loss_given_default,
        capital_cost=policy.economics.capital_cost,
    )
    notes = (
        "Need is what the sales forecast asks for at full multiple; profit counts margin on sales "
        "a limit carries, "
        "less expected loss and funding, and supposes that a limit is used in full.",
        f"Caps are shares of the total need, {money_text(needed, ledger.currency)}; default "
        "probabilities are the "
        "upper ends of the grades' bands, so losses are on the safe side.",
        "Correlations of 12 % with the market and 6 % within an industry are assumptions.",
    )
    return Together(
        chosen,
        portfolio.frontier(customers, budgets),
        pd.DataFrame(rows),
        covered.customers,
        covered.totals,
        late_reports(aging.open_items(ledger, as_of), insurance),
        sold,
        notes,
    )


@dataclass(frozen=True)
class Section:
    """Granting in the quarterly review; `made` and the tables of limits are empty where no limit
    can be set.

    Attributes
    ----------
    lines : what to know first, or why no limit can be set
    summary, workload, over, made : as in `Granting`
    frontier, losses : as in `Together`
    """

    lines: tuple[str, ...]
    over: pd.DataFrame
    summary: pd.DataFrame = field(default_factory=pd.DataFrame)
    workload: pd.DataFrame = field(default_factory=pd.DataFrame)
    frontier: pd.DataFrame = field(default_factory=pd.DataFrame)
    losses: pd.DataFrame = field(default_factory=pd.DataFrame)
    made: Granting | None = None

    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by name."""
        return self.made.tables() if self.made else {"limits_over": self.over}


def section(
    ledger: Ledger, policy: Policy, as_of: pd.Timestamp, *, scenarios: int = 2000
) -> Section:
    """Limit review and portfolio for a review of a period that ends at `as_of`, a month end."""
    try:
        made = granting(ledger, policy, as_of)
    except MoneyNotKnown as error:
        used = exposures.exposure(ledger, as_of, tax_rate=policy.economics.tax_rate)
        return Section((f"No limit review: {error}.",), _over(used))
    whole = together(ledger, policy, as_of, scenarios=scenarios)
    lines = tuple(headline(made, ledger.currency))
    return Section(
        lines, made.over, made.review.summary, made.workload, whole.frontier, whole.losses, made
    )


@dataclass(frozen=True)
class TermsStudy(Record, prefix="terms_"):
    """Terms and discounts.

    Attributes
    ----------
    grades : terms of each grade, see `limits.terms.by_grade`
    offers : present terms against a discount and a longer term, for a year's sales
    response : how sales answered to terms in the ledger; empty where no customer had two terms
    beyond_law : customers whose invoiced terms exceed Decree 802: customer_id, size_class,
        term_days, allowed
    """

    grades: pd.DataFrame
    offers: pd.DataFrame
    response: pd.DataFrame
    beyond_law: pd.DataFrame


def terms_study(
    ledger: Ledger,
    policy: Policy,
    as_of: pd.Timestamp,
    *,
    discount: float,
    discount_days: int,
    taken: float,
    extra_days: int,
    growth: float,
) -> TermsStudy:
    """Price the policy's terms, a cash discount, and a longer term that brings `growth` of sales.

    Raises
    ------
    PeriodError
        No net sales in the twelve months before.
    """
    past = history.build(ledger, as_of)
    last = past[past["month"] == past["month"].max()]
    sales = float(last["sales_12m"].sum())
    if sales <= 0:
        raise PeriodError(
            f"{ledger.source}: net sales of the twelve months to {as_of.date()} are not above "
            "zero; "
            "terms cannot be priced without sales"
        )
    weight = last["sales_12m"].clip(lower=0)
    invoices = ledger.invoices[
        (ledger.invoices["amount"] > 0) & (ledger.invoices["issue_date"] <= as_of)
    ]
    term = (invoices["due_date"] - invoices["issue_date"]).dt.days
    usual = float((term * invoices["amount"]).sum() / invoices["amount"].sum())
    late = float((last["days_beyond_terms_12m"].fillna(0) * weight).sum() / max(weight.sum(), 1e-9))
    lost = float(last["written_off_12m"].sum()) / sales / policy.economics.loss_given_default
    now = terms.Offer(
        0.0,
        0.0,
        usual + max(late, 0),
        0.0,
        min(max(lost, 0.0), 1.0),
        policy.economics.loss_given_default,
    )
    quick = terms.Offer(
        discount,
        discount_days,
        usual + max(late, 0),
        taken,
        now.default_probability,
        now.loss_given_default,
    )
    longer = terms.Offer(
        0.0,
        0.0,
        usual + extra_days + max(late, 0),
        0.0,
        now.default_probability,
        now.loss_given_default,
    )
    names = {
        "now": now,
        f"{discount:.0%} for {discount_days} days": quick,
        f"{extra_days} days longer": longer,
    }
    offers = terms.compare(names, policy, sales=sales, growth={f"{extra_days} days longer": growth})
    quarter = invoices.assign(
        term_days=term, quarter=invoices["issue_date"].dt.to_period("Q").astype(str)
    )
    by_quarter = quarter.groupby(["customer_id", "quarter"], as_index=False).agg(
        term_days=("term_days", "mean"), sales=("amount", "sum")
    )
    try:
        response = terms.elasticity(by_quarter).to_frame().T
    except CreditLabError:
        response = pd.DataFrame()
    beyond = pd.DataFrame()
    if "size_class" in ledger.customers:
        size = ledger.customers.set_index("customer_id")["size_class"]
        recent = quarter[quarter["issue_date"] > as_of - pd.DateOffset(months=12)]
        longest = recent.groupby("customer_id")["term_days"].max()
        allowed = terms.allowed_term(policy, longest.index.to_series().map(size))
        beyond = (
            pd.DataFrame(
                {
                    "customer_id": longest.index,
                    "size_class": longest.index.map(size),
                    "term_days": longest.to_numpy(),
                    "allowed": allowed.to_numpy(),
                }
            )
            .query("term_days > allowed")
            .sort_values("term_days", ascending=False, ignore_index=True)
        )
    return TermsStudy(terms.by_grade(policy), offers, response, beyond)
