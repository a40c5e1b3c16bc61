"""Invoice months followed through time: how much of each month's sales is still open, or lost, at each age.

Uncollected percentages do not move with sales (Lewellen & Johnson, Harvard Business Review 50(3), 1972; Stone,
Financial Management 5(3), 1976), and a loss curve by invoice month is not deflated by growth. Months still young are
completed by the chain ladder, with the standard error of Mack (ASTIN Bulletin 23(2), 1993, p. 213).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab import money, periods
from credit_lab.aging.postings import INVOICE, postings
from credit_lab.errors import PeriodError
from credit_lab.ledger.model import Ledger
from credit_lab.periods import takes_days

Grid = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Vintages:
    """Sales of each invoice month and what became of them.

    Attributes
    ----------
    sales : gross invoices per month (index: month end)
    open : share of sales still open at the end of month + age (rows months, columns ages in months, NaN: in the future)
    lost : share of sales written off net of recoveries up to then
    """

    sales: pd.Series
    open: pd.DataFrame
    lost: pd.DataFrame


@takes_days
def vintages(ledger: Ledger, last: pd.Timestamp, *, months: int = 24) -> Vintages:
    """Follow the invoices of the last `months` months up to `last`, a month end.

    Raises
    ------
    PeriodError
        `last` is no month end, or no invoice was issued in these months.
    """
    if not last.is_month_end:
        raise PeriodError(f"vintages need a month end, {last.date()} is none")
    ends = periods.month_ends((last - pd.DateOffset(months=months - 1)).replace(day=1), last)
    rows = postings(ledger)
    rows = rows[
        (rows["kind"] == INVOICE)
        & (rows["day"] <= last)
        & (rows["issue_date"] > ends[0].replace(day=1) - pd.Timedelta(days=1))
    ]
    if rows.empty:
        raise PeriodError(f"no invoice between {ends[0].date()} and {last.date()}; choose another month")
    cohort = np.searchsorted(ends.to_numpy(), rows["issue_date"].to_numpy())
    sold = (rows["minor"] > 0) & (rows["day"] == rows["issue_date"])
    sales = np.zeros(len(ends), dtype=np.int64)
    np.add.at(sales, cohort[sold], rows["minor"][sold])
    open_ = _triangle(cohort, rows["day"], rows["minor"], ends)
    lost = np.zeros(open_.shape)
    if ledger.has("write_offs"):
        losses = ledger.tables["write_offs"]
        issued = ledger.invoices.set_index("invoice_id")["issue_date"].loc[losses["invoice_id"]].to_numpy()
        inside = (losses["written_off_on"] <= last).to_numpy() & (issued >= np.datetime64(ends[0].replace(day=1)))
        minor = pd.Series(money.to_minor(losses["amount"], ledger.currency))[inside]
        lost = _triangle(
            np.searchsorted(ends.to_numpy(), issued[inside]), losses["written_off_on"][inside], minor, ends
        )
    known = np.arange(len(ends))[:, None] + np.arange(len(ends))[None, :] < len(ends)
    share = np.where(sales > 0, sales, np.nan)[:, None]
    index = pd.Index(ends, name="month")
    ages = pd.RangeIndex(len(ends), name="age")
    open_share, lost_share = (
        pd.DataFrame(np.where(known, grid, np.nan) / share, index, ages) for grid in (open_, lost)
    )
    return Vintages(pd.Series(money.from_minor(sales, ledger.currency), index, name="sales"), open_share, lost_share)


def _triangle(cohort: npt.NDArray[np.int64], day: pd.Series, minor: pd.Series, ends: pd.DatetimeIndex) -> Grid:
    """Cumulative sums by (invoice month, age in months)."""
    age = np.searchsorted(ends.to_numpy(), day.to_numpy()) - cohort
    grid = np.zeros((len(ends), len(ends)), dtype=np.int64)
    np.add.at(grid, (cohort, np.maximum(age, 0)), minor.to_numpy())
    return grid.cumsum(axis=1).astype("float64")


@dataclass(frozen=True)
class ChainLadder:
    """Completed triangle.

    Attributes
    ----------
    factors : development factor from each age to the next
    ultimate : origin, latest, ultimate, reserve (ultimate − latest), standard_error, cv (standard error / reserve)
    total_reserve, total_standard_error : of all origins together
    """

    factors: pd.Series
    ultimate: pd.DataFrame
    total_reserve: float
    total_standard_error: float


def mack(triangle: pd.DataFrame) -> ChainLadder:
    """Chain ladder with Mack's distribution-free standard errors.

    f_k = Σ C_{i,k+1} / Σ C_{i,k}; σ²_k = Σ C_{i,k} (C_{i,k+1}/C_{i,k} − f_k)² / (n − k − 1), the last one
    min(σ⁴_{n−2}/σ²_{n−3}, σ²_{n−3}, σ²_{n−2}).

    Parameters
    ----------
    triangle : cumulative amounts; rows origins (oldest first), columns ages, NaN below the diagonal

    Raises
    ------
    PeriodError
        Fewer than three ages, gaps in the triangle, or amounts not above zero.

    References
    ----------
    Mack, T. (1993), ASTIN Bulletin 23(2), 213-225.
    """
    amounts = triangle.to_numpy(dtype="float64")
    size = len(amounts)
    known = np.isfinite(amounts)
    if (
        amounts.shape != (size, size)
        or size < 3
        or (known != (np.add.outer(np.arange(size), np.arange(size)) < size)).any()
    ):
        raise PeriodError(
            "Mack's chain ladder needs a square triangle of at least three origins, filled down to its diagonal"
        )
    if (amounts[known] <= 0).any():
        raise PeriodError("Mack's chain ladder divides by cumulative amounts; some are not above zero")
    factors, sigma2 = np.ones(size - 1), np.zeros(size - 1)
    for age in range(size - 1):
        rows = size - 1 - age
        now, later = amounts[:rows, age], amounts[:rows, age + 1]
        factors[age] = later.sum() / now.sum()
        if rows > 1:
            sigma2[age] = (now * (later / now - factors[age]) ** 2).sum() / (rows - 1)
    before, third = sigma2[-2], sigma2[-3] if size > 3 else sigma2[-2]
    sigma2[-1] = min(before**2 / third if third > 0 else 0.0, third, before)
    full = amounts.copy()
    for age in range(size - 1):
        full[size - 1 - age :, age + 1] = full[size - 1 - age :, age] * factors[age]
    latest = np.array([amounts[row, size - 1 - row] for row in range(size)])
    variance = np.zeros(size)
    total = 0.0
    column_sums = np.array([amounts[: size - 1 - age, age].sum() for age in range(size - 1)])
    for row in range(1, size):
        ages = np.arange(size - 1 - row, size - 1)
        ratio = sigma2[ages] / factors[ages] ** 2
        variance[row] = full[row, -1] ** 2 * (ratio * (1 / full[row, ages] + 1 / column_sums[ages])).sum()
        shared = full[row, -1] * full[row + 1 :, -1].sum() * (2 * ratio / column_sums[ages]).sum()
        total += variance[row] + shared
    reserve = full[:, -1] - latest
    error = np.sqrt(variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        cv = np.where(reserve != 0, error / reserve, np.nan)
    table = pd.DataFrame(
        {
            "origin": triangle.index,
            "latest": latest,
            "ultimate": full[:, -1],
            "reserve": reserve,
            "standard_error": error,
            "cv": cv,
        }
    )
    return ChainLadder(
        pd.Series(factors, index=triangle.columns[1:], name="factor"),
        table,
        float(reserve.sum()),
        float(np.sqrt(total)),
    )
