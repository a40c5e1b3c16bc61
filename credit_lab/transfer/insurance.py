"""Credit insurance (信用保险): premium against claims, per customer and for the portfolio."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab.errors import CreditLabError

# Settings it reads, see `rules.coverage`.
READS = (
    "grades.min_months",
    "grades.newcomer_grade",
    "grades.scale.min_payment_index",
    "grades.scale.pd_upper",
    "grades.scale.term_days",
    "limits.forecast_months",
    "limits.growth",
    "transfer.*",
    "economics.capital_cost",
    "economics.loss_given_default",
)

Floats = npt.NDArray[np.float64]


class TransferError(CreditLabError):
    """Input of a transfer function that cannot be used as it stands."""


@dataclass(frozen=True)
class Insurance:
    """A whole-turnover policy.

    Attributes
    ----------
    premium : share of insured sales; share : of a loss the insurer pays; deductible : own share per loss, money
    first_loss : losses of a year the firm bears before the insurer pays anything, money
    most : largest payment of a year, money
    discretionary : limit up to which customers are covered without being named, money
    report_days : an overdue must be reported within so many days past due, or the loss is not covered
    """

    premium: float = 0.003
    share: float = 0.9
    deductible: float = 0.0
    first_loss: float = 0.0
    most: float = np.inf
    discretionary: float = 0.0
    report_days: int = 60

    def __post_init__(self) -> None:
        if not (0 <= self.premium < 1 and 0 <= self.share <= 1) or min(self.deductible, self.first_loss) < 0:
            raise TransferError("insurance: premium and share are shares, deductible and first loss not below zero")
        if self.most < 0 or self.discretionary < 0 or self.report_days < 0:
            raise TransferError("insurance: the largest payment, discretionary limit and report days are not negative")


def claim(losses: npt.ArrayLike, insured: npt.ArrayLike, insurance: Insurance) -> Floats:
    """Payment on each loss before the yearly first loss: share × (loss within the cover limit) − deductible, from 0 on.

    >>> claim([1000.0, 1000.0], [800.0, 0.0], Insurance(share=0.9, deductible=20)).tolist()
    [700.0, 0.0]
    """
    within = np.minimum(np.asarray(losses, dtype=float), np.asarray(insured, dtype=float))
    return np.maximum(insurance.share * within - insurance.deductible, 0.0)


@dataclass(frozen=True)
class Insured:
    """Outcome of a year under a policy.

    Attributes
    ----------
    customers : customer_id, sales, exposure, cover_limit (what the insurer accepts), premium, expected_claim, benefit
        (expected claim + relief − premium), break_even_premium (share of sales at which the benefit is zero), insure
        (benefit above zero)
    totals : premium, expected_claims (after first loss and largest payment, simulated), standard_error, benefit,
        quantile_without, quantile_with: 99 % loss of the year without and with the policy, and relief: capital cost
        saved on the difference
    """

    customers: pd.DataFrame
    totals: pd.Series


def insure(
    customers: pd.DataFrame,
    insurance: Insurance,
    *,
    loss_given_default: float = 0.6,
    capital_cost: float = 0.06,
    correlation: float = 0.12,
    scenarios: int = 20_000,
    seed: int = 0,
) -> Insured:
    """What a policy costs and brings over a year.

    Parameters
    ----------
    customers : customer_id, sales (of the year), exposure (at default), pd_12m, and cover_limit where the insurer has
        named customers (NaN: not named, covered up to the discretionary limit)

    Raises
    ------
    TransferError
        Columns missing, probabilities outside [0, 1], amounts below zero.
    """
    from scipy import special

    missing = [name for name in ("customer_id", "sales", "exposure", "pd_12m") if name not in customers]
    if missing:
        raise TransferError(f"insurance: customers lack {', '.join(missing)}")
    exposure, p = customers["exposure"].to_numpy(dtype=float), customers["pd_12m"].to_numpy(dtype=float)
    sales = customers["sales"].to_numpy(dtype=float)
    if not ((p >= 0) & (p <= 1)).all() or min(exposure.min(initial=0), sales.min(initial=0)) < 0:
        raise TransferError("insurance: probabilities must lie in [0, 1], exposure and sales not below zero")
    named = customers["cover_limit"] if "cover_limit" in customers else pd.Series(np.nan, index=customers.index)
    limit = named.fillna(insurance.discretionary).to_numpy(dtype=float)
    loss = exposure * loss_given_default
    paid = claim(loss, limit * loss_given_default, insurance)
    premium = insurance.premium * sales
    expected = p * paid
    rng = np.random.default_rng(seed)
    market = rng.standard_normal(scenarios)
    threshold = special.ndtri(np.clip(p, 1e-300, 1 - 1e-16))
    gross, claims = np.zeros(scenarios), np.zeros(scenarios)
    for i in range(len(customers)):  # customer by customer, so that memory stays at one row of scenarios
        default = np.sqrt(correlation) * market + np.sqrt(1 - correlation) * rng.standard_normal(scenarios)
        failed = default < threshold[i]
        gross += failed * loss[i]
        claims += failed * paid[i]
    claims = np.clip(claims - insurance.first_loss, 0.0, insurance.most)
    before, after = (float(np.quantile(side, 0.99)) for side in (gross, gross - claims))
    relief = max(before - after, 0.0) * capital_cost
    part = expected / expected.sum() if expected.sum() > 0 else np.zeros(len(p))
    scale = claims.mean() / expected.sum() if expected.sum() > 0 else 0.0
    worth = expected * scale + relief * part
    with np.errstate(divide="ignore", invalid="ignore"):
        even = np.where(sales > 0, worth / sales, np.nan)
    table = pd.DataFrame(
        {
            "customer_id": customers["customer_id"].to_numpy(), "sales": sales, "exposure": exposure,
            "cover_limit": limit, "premium": premium, "expected_claim": expected * scale, "benefit": worth - premium,
            "break_even_premium": even, "insure": worth > premium,
        }
    )  # fmt: skip
    totals = pd.Series(
        {
            "premium": premium.sum(), "expected_claims": claims.mean(),
            "standard_error": claims.std(ddof=1) / np.sqrt(scenarios), "relief": relief,
            "benefit": claims.mean() + relief - premium.sum(), "quantile_without": before, "quantile_with": after,
        }
    )  # fmt: skip
    return Insured(table, totals)


def late_reports(items: pd.DataFrame, insurance: Insurance) -> pd.DataFrame:
    """Open items whose overdue should have been reported to the insurer by now: customer_id, document_id, days,
    open_amount (from `aging.open_items`), oldest first."""
    late = items[(items["kind"] == "invoice") & (items["days"] > insurance.report_days)]
    columns = ["customer_id", "document_id", "days", "open_amount"]
    return late[columns].sort_values("days", ascending=False, ignore_index=True)
