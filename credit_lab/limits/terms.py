"""Credit terms (信用条件): what a cash discount costs, what a longer term is worth, what the law allows.

References
----------
Smith, J. K. (1987). Trade credit and informational asymmetry. J. Finance 42, 863-872 (implicit rate of terms).
Hill, N. C. & Riener, K. D. (1979). Determining the cash discount in the firm's credit policy. Financial Management 8,
68-73 (seller's present value, break-even take-up).
State Council Decree 802 (in force 2025-06-01): payment terms towards small and medium enterprises.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab.limits.exposures import LimitsError
from credit_lab.policy import Policy

# Settings it reads, see `rules.coverage`.
READS = (
    "grades.scale.pd_upper",
    "grades.scale.term_days",
    "grades.scale.discount_rate",
    "grades.scale.discount_days",
    "terms.sme_term_days",
    "economics.variable_cost_ratio",
    "economics.capital_cost",
    "economics.loss_given_default",
)

Floats = npt.NDArray[np.float64]


def annualised_cost(discount: float, discount_days: float, term_days: float, *, compound: bool = False) -> float:
    """What forgoing a discount costs the buyer per year: d / (1 − d) × 365 / (T − t), or compounded.

    Raises
    ------
    LimitsError
        A discount outside [0, 1), or a term not longer than the discount period.

    >>> round(annualised_cost(0.02, 10, 30), 4), round(annualised_cost(0.02, 10, 30, compound=True), 4)
    (0.3724, 0.4459)
    """
    if not 0 <= discount < 1 or term_days <= discount_days:
        raise LimitsError(
            f"discount {discount} for {discount_days:g} of {term_days:g} days: need 0 <= discount < 1 and a "
            "term longer than the discount period"
        )
    rate, periods = discount / (1 - discount), 365 / (term_days - discount_days)
    return float((1 + rate) ** periods - 1 if compound else rate * periods)


@dataclass(frozen=True)
class Offer:
    """Terms offered: a discount within discount_days, else the whole price after `pays_after` days on average.

    taken : share of sales paid with the discount; default_probability, loss_given_default : of those who do not take it
    """

    discount: float = 0.0
    discount_days: float = 10.0
    pays_after: float = 30.0
    taken: float = 0.0
    default_probability: float = 0.0
    loss_given_default: float = 0.6


def present_value(offer: Offer, price: float, *, capital_cost: float) -> float:
    """Seller's present value of one sale: q (1 − d) P / (1 + k t/365) + (1 − q) P (1 − PD LGD) / (1 + k τ/365)."""
    early = (1 - offer.discount) * price / (1 + capital_cost * offer.discount_days / 365)
    late = price * (1 - offer.default_probability * offer.loss_given_default)
    late /= 1 + capital_cost * offer.pays_after / 365
    return float(offer.taken * early + (1 - offer.taken) * late)


def compare(
    offers: dict[str, Offer], policy: Policy, *, sales: float = 1.0, growth: dict[str, float] | None = None
) -> pd.DataFrame:
    """Offers side by side for a year's sales.

    Parameters
    ----------
    growth : by offer, relative change of sales it brings (0.05 = 5 %); default none

    Returns
    -------
    DataFrame
        offer, sales, present_value, variable_cost, value (present value less variable cost), against_first
    """
    rows = []
    for name, offer in offers.items():
        volume = sales * (1 + (growth or {}).get(name, 0.0))
        value = present_value(offer, volume, capital_cost=policy.economics.capital_cost)
        cost = volume * policy.economics.variable_cost_ratio
        rows.append((name, volume, value, cost, value - cost))
    table = pd.DataFrame(rows, columns=["offer", "sales", "present_value", "variable_cost", "value"])
    return table.assign(against_first=table["value"] - table["value"].iloc[0])


def by_grade(policy: Policy) -> pd.DataFrame:
    """Terms of each grade: grade, term_days, discount_rate, discount_days, annual_cost (of not taking the discount),
    pd (middle of the grade's band), value_per_100 (present value less variable cost of 100 of sales), break_even_pd
    (default probability at which a sale on these terms earns nothing)."""
    economics, rows = policy.economics, []
    low = 0.0
    for grade in policy.grades.scale:
        middle = min((low + grade.pd_upper) / 2, 0.5)
        low = grade.pd_upper
        offer = Offer(
            grade.discount_rate, grade.discount_days, grade.term_days, 0.0, middle, economics.loss_given_default
        )
        value = present_value(offer, 100.0, capital_cost=economics.capital_cost) - 100 * economics.variable_cost_ratio
        cost = (
            annualised_cost(grade.discount_rate, grade.discount_days, grade.term_days)
            if grade.discount_rate > 0 and grade.term_days > grade.discount_days
            else np.nan
        )
        growth = 1 + economics.capital_cost * grade.term_days / 365
        even = (1 - economics.variable_cost_ratio * growth) / economics.loss_given_default
        rows.append((grade.grade, grade.term_days, grade.discount_rate, grade.discount_days, cost, middle, value, even))
    columns = [
        "grade",
        "term_days",
        "discount_rate",
        "discount_days",
        "annual_cost",
        "pd",
        "value_per_100",
        "break_even_pd",
    ]
    return pd.DataFrame(rows, columns=columns)


def elasticity(table: pd.DataFrame, *, level: float = 0.95) -> pd.Series:
    """Response of sales to the term, from periods with different terms: change of ln(sales) per day of term.

    Parameters
    ----------
    table : customer_id, term_days, sales (one row per customer and period); customers with one term only tell nothing

    Returns
    -------
    Series
        per_day, standard_error (clustered by customer), low, high, customers; a customer effect takes out its size.
        Terms are seldom given at random: unless they were, this is an association.

    Raises
    ------
    LimitsError
        No customer with two different terms and sales above zero.
    """
    from scipy import stats

    rows = table[table["sales"] > 0].assign(y=lambda t: np.log(t["sales"]))
    mean = rows.groupby("customer_id")[["y", "term_days"]].transform("mean")
    x, y = rows["term_days"] - mean["term_days"], rows["y"] - mean["y"]
    moved = (x.abs() > 0).groupby(rows["customer_id"]).any()
    if not moved.any():
        raise LimitsError("elasticity: no customer has sales under two different terms; give an assumption instead")
    slope = float((x * y).sum() / (x**2).sum())
    scores = (x * (y - slope * x)).groupby(rows["customer_id"]).sum()
    number = int(moved.sum())
    error = float(np.sqrt((scores**2).sum() * number / max(number - 1, 1))) / float((x**2).sum())
    z = float(stats.t.ppf(0.5 + level / 2, max(number - 1, 1)))
    return pd.Series(
        {"per_day": slope, "standard_error": error, "low": slope - z * error, "high": slope + z * error,
         "customers": number}
    )  # fmt: skip


def allowed_term(policy: Policy, size_class: pd.Series, *, supplier_is_sme: bool = True) -> pd.Series:
    """Longest term from delivery the law allows a buyer towards a small or medium supplier (Decree 802): large
    enterprises the policy's `sme_term_days`, public bodies 30, others no bound (NaN)."""
    if not supplier_is_sme:
        return pd.Series(np.nan, index=size_class.index)
    return size_class.map({"large": float(policy.terms.sme_term_days), "public": 30.0}).astype(float)
