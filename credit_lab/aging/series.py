"""Aging at many dates in one pass.

Formulation: a posting counts in "open and at least x days late at snapshot k" from the later of the first snapshot
at or after its day and the first snapshot at or after its document's due date plus x. So each posting falls into one
cell per threshold; a cumulative sum over snapshots and a difference over thresholds give every bucket at every date.
The cost does not grow with the number of dates; int64 sums are exact.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab import money
from credit_lab.aging.buckets import CREDIT_NOTES, UNAPPLIED, Buckets
from credit_lab.aging.postings import CASH, CREDIT_NOTE, INVOICE, postings
from credit_lab.errors import PeriodError
from credit_lab.ledger.model import Ledger


def series(
    ledger: Ledger,
    as_of_dates: Sequence[pd.Timestamp] | pd.DatetimeIndex,
    *,
    by: Sequence[str] = (),
    buckets: Buckets | None = None,
) -> pd.DataFrame:
    """Aging table at every date.

    Parameters
    ----------
    ledger : one currency
    as_of_dates : rising dates, each inclusive
    by : columns of customers to group by, "customer_id" among them; empty: the whole ledger
    buckets : edges and basis

    Returns
    -------
    DataFrame
        as_of, the columns of `by`, one column per bucket, unapplied_cash, credit_notes (both usually below zero),
        open (sum of the buckets), balance (everything: equals the control account). Currency units. Groups without
        any document are absent; a group without one so far has zeros.
    """
    buckets = buckets or Buckets()
    dates = pd.DatetimeIndex(as_of_dates)
    if len(dates) == 0 or not dates.is_monotonic_increasing or dates.has_duplicates:
        raise PeriodError("as_of_dates must hold at least one date, rising and without repetition")
    rows = postings(ledger)
    code, groups = _segments(ledger, rows, by)
    cells = aged(rows, code, len(groups), dates, buckets)
    names = [*buckets.labels, UNAPPLIED, CREDIT_NOTES]
    table = pd.DataFrame(
        money.from_minor(cells.reshape(-1, len(names)), ledger.currency), columns=pd.Index(names, dtype="str")
    )
    minor = cells.reshape(-1, len(names))
    open_ = money.from_minor(minor[:, : len(buckets.labels)].sum(axis=1), ledger.currency)
    keys = groups.loc[groups.index.repeat(len(dates))].reset_index(drop=True)
    keys.insert(0, "as_of", np.tile(dates.to_numpy(), len(groups)))
    result = pd.concat(
        [keys, table.assign(open=open_, balance=money.from_minor(minor.sum(axis=1), ledger.currency))], axis=1
    )
    return result.sort_values(["as_of", *by], kind="stable", ignore_index=True)


def _segments(ledger: Ledger, rows: pd.DataFrame, by: Sequence[str]) -> tuple[npt.NDArray[np.int64], pd.DataFrame]:
    if not by:
        return np.zeros(len(rows), dtype=np.int64), pd.DataFrame(index=[0])
    customers = ledger.customers
    for name in by:
        if name not in customers:
            raise PeriodError(f"cannot group by {name!r}: customers has {', '.join(customers.columns)}")
    keys = customers.set_index("customer_id", drop=False).loc[rows["customer_id"], list(by)]
    grouped = keys.reset_index(drop=True).groupby(list(by), dropna=False)
    return grouped.ngroup().to_numpy(dtype=np.int64), grouped.size().reset_index()[list(by)]


def aged(
    rows: pd.DataFrame, segment: npt.NDArray[np.int64], segments: int, dates: pd.DatetimeIndex, buckets: Buckets
) -> npt.NDArray[np.int64]:
    """Minor units by (segment, date, column): the buckets, then unapplied cash and credit notes."""
    snapshots = dates.to_numpy()
    first = np.searchsorted(snapshots, rows["day"].to_numpy())
    kind, minor = rows["kind"].to_numpy(), rows["minor"].to_numpy()
    reference = rows[buckets.by].to_numpy()
    levels = len(buckets.labels)
    late = np.zeros((levels + 3, segments, len(dates) + 1), dtype=np.int64)
    invoice = kind == INVOICE
    late[0] = _histogram(segment, first, minor, invoice, late.shape[1:])
    for level, days in enumerate(buckets.thresholds, start=1):
        entered = np.searchsorted(snapshots, reference + np.timedelta64(days, "D"))
        late[level] = _histogram(segment, np.maximum(first, entered), minor, invoice, late.shape[1:])
    late[levels + 1] = _histogram(segment, first, minor, kind == CASH, late.shape[1:])
    late[levels + 2] = _histogram(segment, first, minor, kind == CREDIT_NOTE, late.shape[1:])
    late = late[:, :, : len(dates)].cumsum(axis=2)
    late[:levels] -= late[1 : levels + 1]
    columns = np.r_[0:levels, levels + 1, levels + 2]
    return np.moveaxis(late[columns], 0, 2)


def _histogram(
    segment: npt.NDArray[np.int64],
    cell: npt.NDArray[np.int64],
    minor: npt.NDArray[np.int64],
    chosen: npt.NDArray[np.bool_],
    shape: tuple[int, ...],
) -> npt.NDArray[np.int64]:
    flat = np.zeros(shape[0] * shape[1], dtype=np.int64)
    np.add.at(flat, segment[chosen] * shape[1] + cell[chosen], minor[chosen])
    return flat.reshape(shape)
