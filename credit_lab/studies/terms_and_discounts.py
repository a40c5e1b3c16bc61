"""Terms and discounts: what they cost, what customers would answer, what the law allows."""

from dataclasses import dataclass

import pandas as pd

from credit_lab import history, knowledge, money
from credit_lab.errors import CreditLabError, PeriodError
from credit_lab.ledger.model import Ledger
from credit_lab.limits import (
    terms,
)
from credit_lab.policy import Policy
from credit_lab.studies.record import Record


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
    NotKnown
        The ledger cannot say what was lost, or how customers paid.
    """
    ledger = ledger.known_by(as_of)
    past = history.build(ledger, as_of)
    last = past[past["month"] == past["month"].max()]
    sales = money.total(last["sales_12m"])
    if sales <= 0:
        raise PeriodError(
            f"{ledger.source}: net sales of the twelve months to {as_of.date()} are not above "
            "zero; terms cannot be priced without sales"
        )
    knowledge.of(ledger, as_of=as_of).need("what is lost is", "write_offs")
    weight = last["sales_12m"].clip(lower=0)
    invoices = ledger.invoices[
        (ledger.invoices["amount"] > 0) & (ledger.invoices["issue_date"] <= as_of)
    ]
    term = (invoices["due_date"] - invoices["issue_date"]).dt.days
    usual = float((term * invoices["amount"]).sum() / invoices["amount"].sum())
    late = float((last["days_beyond_terms_12m"].fillna(0) * weight).sum() / max(weight.sum(), 1e-9))
    lost = float(last["written_off_12m"].sum()) / sales / policy.economics.loss_given_default
    paid = usual + max(late, 0)
    risk = min(max(lost, 0.0), 1.0), policy.economics.loss_given_default
    now = terms.Offer(0.0, 0.0, paid, 0.0, *risk)
    quick = terms.Offer(discount, discount_days, paid, taken, *risk)
    longer = terms.Offer(0.0, 0.0, paid + extra_days, 0.0, *risk)
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
    recent = quarter[quarter["issue_date"] > as_of - pd.DateOffset(months=12)]
    return TermsStudy(terms.by_grade(policy), offers, response, _beyond_law(ledger, policy, recent))


def _beyond_law(ledger: Ledger, policy: Policy, recent: pd.DataFrame) -> pd.DataFrame:
    """Customers whose longest term of the year is longer than the law allows, longest first."""
    if "size_class" not in ledger.customers:
        return pd.DataFrame()
    size = ledger.customers.set_index("customer_id")["size_class"]
    longest = recent.groupby("customer_id")["term_days"].max()
    allowed = terms.allowed_term(policy, longest.index.to_series().map(size))
    table = pd.DataFrame(
        {
            "customer_id": longest.index,
            "size_class": longest.index.map(size),
            "term_days": longest.to_numpy(),
            "allowed": allowed.to_numpy(),
        }
    )
    over = table[table["term_days"] > table["allowed"]]
    return over.sort_values("term_days", ascending=False, ignore_index=True)
