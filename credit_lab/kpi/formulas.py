"""KPI formulas of receivables management, each with its id in `FORMULAS`.

Every system computes "DSO" differently under the same name, so a number is always printed with its formula id.
Sales and receivables must both include tax, or both exclude it. Functions take numbers or equally long arrays and
give NaN where a denominator is zero or below: net sales below zero (credit notes above invoices) have no DSO.
Sources: Credit Research Foundation (CRF) definitions for DSO, best possible DSO, ADD and CEI; Chinese textbook usage
for 应收账款周转天数 on average balances; Lewellen & Johnson, "Better way to monitor accounts receivable", Harvard
Business Review 50(3), 1972, for why DSO misleads when sales move.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

Number = float | npt.NDArray[np.float64]

# id -> (name, unit, formula in words)
FORMULAS: Mapping[str, tuple[str, str, str]] = MappingProxyType({
    "dso.period_end": ("DSO, period end", "days", "ending receivables × days / credit sales"),
    "dso.average": ("DSO, average balance", "days", "mean of opening and ending receivables × days / credit sales"),
    "dso.countback": ("DSO, countback", "days", "days of the most recent sales that make up ending receivables"),
    "dso.best_possible": ("best possible DSO", "days", "ending receivables not yet due × days / credit sales"),
    "add": ("average days delinquent", "days", "dso.period_end − dso.best_possible"),
    "cei": ("collection effectiveness index", "%", "(opening + sales − ending) / (opening + sales − ending not due)"),
    "cei.period": ("collection effectiveness index, period", "%", "as cei, opening and sales of the period reviewed"),
    "ar_turnover.ending": ("receivables turnover, ending", "times a year", "annual credit sales / ending receivables"),
    "ar_turnover.average": ("receivables turnover, average", "times a year", "annual credit sales / mean receivables"),
    "overdue_ratio": ("overdue ratio", "share", "overdue / open invoices"),
    "concentration.largest": ("largest customer", "share", "largest exposure / sum of exposures above zero"),
    "bad_debt_ratio.period": ("bad-debt ratio, period", "share", "net write-offs of the period / credit sales of it"),
    "days_to_pay.km_median": ("days to pay, median", "days", "Kaplan-Meier median from issue, open items censored"),
    "days_to_pay.closed_mean": ("days to pay, closed items", "days", "mean over settled invoices only (biased low)"),
    "wadl": ("weighted days late", "days", "Σ amount × days late / Σ amount over settlements of the period"),
})  # fmt: skip


def ratio(above: Number, below: Number) -> Number:
    """above / below, NaN where below is not above zero.

    >>> ratio(1.0, 4.0), ratio(1.0, -4.0)
    (0.25, nan)
    """
    known = np.asarray(below) > 0
    value = np.where(known, np.divide(above, np.where(known, below, 1)), np.nan)
    return value if value.ndim else float(value)


def dso(receivables: Number, sales: Number, days: Number) -> Number:
    """Days sales outstanding (应收账款周转天数): receivables × days / sales.

    With ending receivables `dso.period_end`, with the mean of opening and ending `dso.average`, with the part not yet
    due `dso.best_possible`.

    >>> dso(250.0, 600.0, 90)
    37.5
    """
    return ratio(receivables * np.asarray(days, dtype=float), sales)


def turnover(sales: Number, receivables: Number) -> Number:
    """Receivables turnover (应收账款周转率): sales / receivables, per year when sales are annual.

    NaN where sales are below zero or receivables not above it.
    """
    return ratio(np.where(np.asarray(sales) < 0, np.nan, sales), receivables)


def average_days_delinquent(receivables: Number, not_due: Number, sales: Number, days: Number) -> Number:
    """Average days delinquent (平均逾期天数): dso.period_end − dso.best_possible."""
    return np.subtract(dso(receivables, sales, days), dso(not_due, sales, days))


def collection_effectiveness(opening: Number, sales: Number, ending: Number, ending_current: Number) -> Number:
    """Collection effectiveness index (催收效率指数) in per cent; 100: all that could be collected was.

    NaN where opening + sales − ending current is not above zero.
    """
    below = np.asarray(opening + sales - ending_current, dtype=float)
    return 100 * ratio(opening + sales - ending, np.where(below > 0, below, 0.0))


def countback(receivables: float, sales: npt.ArrayLike, days: npt.ArrayLike) -> float:
    """Countback or exhaustion DSO (倒推法): use up receivables by the most recent periods' sales.

    Parameters
    ----------
    receivables : ending balance, sales with tax included like the balance
    sales, days : per period, oldest first; periods with negative sales count as zero

    Returns
    -------
    float
        Days of the periods used up whole plus the share of the last one; NaN where all periods together do not
        reach the balance, because the answer then lies before the data.

    Examples
    --------
    Sales 100, 200, 300 in months of 30 days, of which 10 %, 20 % and 70 % are open (Brigham's case gives 250):

    >>> countback(250.0, [100, 200, 300], [30, 30, 30])
    25.0
    """
    left, total = receivables, 0.0
    if not left > 0:
        return 0.0 if left <= 0 else float("nan")
    amounts = np.maximum(np.asarray(sales, dtype=float), 0.0)
    for amount, length in zip(amounts[::-1], np.asarray(days, dtype=float)[::-1], strict=True):
        if left <= amount:
            return float(total + length * left / amount)
        left -= amount
        total += length
    return float("nan")
