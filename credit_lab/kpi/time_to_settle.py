"""Days from issue to settlement, without the bias of looking at settled invoices only.

The mean over closed invoices leaves out the slow ones that are still open: in a simulated ledger with true mean 59.8
and median 50.1 days closed items gave 48.6 and 43.2, the Kaplan-Meier median 49.9. Open invoices are therefore
censored at the as-of date, not dropped.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab.aging.postings import INVOICE, postings
from credit_lab.ledger.model import Ledger
from credit_lab.periods import takes_days


@dataclass(frozen=True)
class DaysToPay:
    """Time to settlement of the invoices of a window.

    Attributes
    ----------
    median : Kaplan-Meier median in days; NaN while less than half is settled
    low, high : 95 % interval of the median (NaN where open-ended)
    closed_mean : mean over settled invoices, biased low, for comparison
    invoices, settled : counts
    curve : columns days, unpaid (probability that an invoice is still open after so many days)
    """

    median: float
    low: float
    high: float
    closed_mean: float
    invoices: int
    settled: int
    curve: pd.DataFrame


@takes_days
def settlement(ledger: Ledger, as_of: pd.Timestamp) -> pd.DataFrame:
    """Invoices issued up to `as_of`: invoice_id, customer_id, issue_date, due_date, amount, settled_on (NaT: open).

    An invoice is settled on the day its open amount reaches zero and stays there, as far as `as_of` can know;
    a write-off is no settlement: the invoice stays open (censored on the day of the write-off, `censored_on`).
    """
    return pd.concat(list(_settled(ledger, as_of))).sort_index()


def _settled(ledger: Ledger, as_of: pd.Timestamp) -> Iterator[pd.DataFrame]:
    """`settlement` of each part of a ledger."""
    for part in ledger.parts():
        yield _settlement(part, as_of)


def _settlement(ledger: Ledger, as_of: pd.Timestamp) -> pd.DataFrame:
    rows = postings(ledger)
    known = rows[(rows["day"] <= as_of) & (rows["kind"] == INVOICE)]
    documents = known.groupby("document_id").agg(open=("minor", "sum"), last=("day", "max"))
    invoices = ledger.invoices[(ledger.invoices["amount"] > 0) & (ledger.invoices["issue_date"] <= as_of)]
    settled = _dated(documents.loc[documents["open"] == 0, "last"], invoices["invoice_id"])
    lost = pd.Series(pd.NaT, index=invoices.index, dtype="datetime64[us]")
    if ledger.has("write_offs"):
        rows = ledger.tables["write_offs"]
        rows = rows[(rows["written_off_on"] <= as_of) & (rows["amount"] > 0)]
        lost = _dated(rows.groupby("invoice_id")["written_off_on"].min(), invoices["invoice_id"])
    kept = ["invoice_id", "customer_id", "issue_date", "due_date", "amount"]
    return invoices[kept].assign(settled_on=settled.where(lost.isna()), censored_on=lost.fillna(as_of))


def _dated(days: pd.Series, ids: pd.Series) -> pd.Series:
    """Day of each id, NaT where there is none (Series.map fails on an empty series of days)."""
    return days.reindex(ids).set_axis(ids.index).astype("datetime64[us]")


@takes_days
def days_to_pay(ledger: Ledger, as_of: pd.Timestamp, *, since: pd.Timestamp | None = None) -> DaysToPay:
    """Kaplan-Meier days to pay of invoices issued after `since` (default: all) and known at `as_of`.

    Raises
    ------
    PeriodError
        `as_of` lies before the first document.
    """
    from statsmodels.duration.survfunc import SurvfuncRight  # 1.5 s: only where it is needed

    since = since if since is not None else pd.Timestamp.min
    items = pd.concat([part[part["issue_date"] > since] for part in _settled(ledger, as_of)])
    paid = items["settled_on"].notna().to_numpy()
    end = items["settled_on"].fillna(items["censored_on"])
    days = np.maximum((end - items["issue_date"]).dt.days.to_numpy(dtype=float), 0)
    closed = float(days[paid].mean()) if paid.any() else float("nan")
    if not paid.any():
        nothing = pd.DataFrame({"days": pd.Series(dtype=float), "unpaid": pd.Series(dtype=float)})
        return DaysToPay(np.nan, np.nan, np.nan, closed, len(items), 0, nothing)
    fit = SurvfuncRight(days, paid.astype(int))
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = fit.quantile_ci(0.5)
    return DaysToPay(
        median=float(fit.quantile(0.5)),
        low=float(low) if np.isfinite(low) else np.nan,
        high=float(high) if np.isfinite(high) else np.nan,
        closed_mean=closed,
        invoices=len(items),
        settled=int(paid.sum()),
        curve=pd.DataFrame({"days": fit.surv_times, "unpaid": fit.surv_prob}),
    )
