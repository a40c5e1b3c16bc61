"""Limits chosen together, and passing risk on: the portfolio of a day as a record."""

import dataclasses
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from credit_lab import aging, history, money
from credit_lab.errors import MoneyNotKnown
from credit_lab.ledger.model import Ledger
from credit_lab.limits import (
    METHODS,
    comparison,
    exposures,
    portfolio,
    proposals,
    tail_risk,
)
from credit_lab.policy import Policy
from credit_lab.studies.granting import Granting, _over, granted_by, granting, headline
from credit_lab.studies.text import money_text
from credit_lab.transfer import Factoring, Insurance, factor, insure, late_reports
from credit_lab.transfer.insurance import Insured


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

    Parameters
    ----------
    as_of : last day known
    seed, scenarios : of the simulated losses

    Raises
    ------
    CreditLabError
        No month end by then, or budgets that exclude one another.
    """
    policy = granted_by(policy, ledger)
    ledger = ledger.known_by(as_of)
    past = history.build(ledger, as_of)
    month = past["month"].max()
    known = comparison.evidence(ledger, past, policy, month)
    customers = _candidates(ledger, policy, known)
    needed = float(customers["need"].sum())
    budgets = portfolio.Budgets.of(policy, money.total(known["annual_sales"]), needed)
    groups = {name: cap for name, cap in budgets.groups.items() if customers[name].notna().any()}
    budgets = dataclasses.replace(budgets, groups=groups)
    chosen = portfolio.optimise(customers, budgets)
    whole = history.looking_back(ledger, past, month)
    made = proposals.propose(whole, policy, month, evidence=known)
    proposed = made.set_index("customer_id")["credit_limit"]
    limits = {
        "by the policy": customers["customer_id"].map(proposed).clip(upper=customers["need"]),
        "chosen together": chosen.limits["credit_limit"],
    }
    covered, insurance = _insured(customers, known, policy, seed)
    notes = (
        "Need is what the sales forecast asks for at full multiple; profit counts margin on sales "
        "a limit carries, less expected loss and funding, and supposes that a limit is used in "
        "full.",
        f"Caps are shares of the total need, {money_text(needed, ledger.currency)}; default "
        "probabilities are the upper ends of the grades' bands, so losses are on the safe side.",
        "Correlations of 12 % with the market and 6 % within an industry are assumptions.",
    )
    return Together(
        chosen,
        portfolio.frontier(customers, budgets),
        _losses(customers, limits, policy, seed, scenarios),
        covered.customers,
        covered.totals,
        late_reports(aging.open_items(ledger, as_of), insurance),
        _sold(known, policy),
        notes,
    )


def _candidates(ledger: Ledger, policy: Policy, known: pd.DataFrame) -> pd.DataFrame:
    """Customers with what a unit of limit earns, what they need, and the groups they count in."""
    wanted = METHODS["sales forecast"].limits(known, policy)["limit"]
    need = wanted / known["limit_multiple"].where(lambda multiple: multiple > 0)
    customers = known.join(portfolio.profit_rates(known, policy)).assign(need=need.fillna(0.0))
    facts = ledger.customers.set_index("customer_id")
    for column in ("group_id", "industry", "region"):
        customers[column] = (
            customers["customer_id"].map(facts[column]) if column in facts else np.nan
        )
    return customers


def _losses(
    customers: pd.DataFrame,
    limits: dict[str, pd.Series],
    policy: Policy,
    seed: int,
    scenarios: int,
) -> pd.DataFrame:
    """Profit, expected and unexpected loss of each set of limits."""
    sector = pd.factorize(customers["industry"].fillna("?"))[0]
    rows = []
    for name, amounts in limits.items():
        loss = tail_risk.unexpected_loss(
            amounts.to_numpy(),
            customers["pd_12m"].to_numpy(),
            sector,
            loss_given_default=policy.economics.loss_given_default,
            scenarios=scenarios,
            seed=seed,
        )
        profit = float((amounts.to_numpy() * customers["profit_rate"]).sum())
        total = {"limits": name, "total": float(amounts.sum()), "profit": profit}
        rows.append(total | loss.to_dict())
    return pd.DataFrame(rows)


def _insured(
    customers: pd.DataFrame, known: pd.DataFrame, policy: Policy, seed: int
) -> tuple[Insured, Insurance]:
    """What credit insurance on the policy's terms would cost and cover."""
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
    return covered, insurance


def _sold(known: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """Today's receivables sold to a factor on the policy's terms."""
    receivables = known[["customer_id"]].assign(
        amount=known["exposure"].clip(lower=0), days=known["term_days"], pd_12m=known["pd_12m"]
    )
    return factor(
        receivables,
        Factoring(
            policy.transfer.factoring_advance,
            policy.transfer.factoring_fee,
            recourse=policy.transfer.recourse,
        ),
        loss_given_default=policy.economics.loss_given_default,
        capital_cost=policy.economics.capital_cost,
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
