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
from credit_lab.aging.engine import Store, segments, store
from credit_lab.aging.engine import aged as engine_aged
from credit_lab.aging.postings import CASH, CREDIT_NOTE, INVOICE, postings
from credit_lab.errors import PeriodError
from credit_lab.ids import positions
from credit_lab.ledger.model import Ledger
from credit_lab.periods import parse_dates

# From so many invoices on a ledger in memory goes through DuckDB, whose joins are faster than those of pandas.
LARGE = 100_000


def series(
    source: Ledger | Store,
    as_of_dates: Sequence[pd.Timestamp] | pd.DatetimeIndex | pd.Series,
    *,
    by: Sequence[str] = (),
    buckets: Buckets | None = None,
) -> pd.DataFrame:
    """Aging table at every date.

    Parameters
    ----------
    source : a one-currency ledger, or a `Store` of postings in an engine
    as_of_dates : rising dates, each inclusive; "2025-12-31" will do
    by : columns of customers to group by, "customer_id" among them; empty: the whole ledger
    buckets : edges and basis

    Returns
    -------
    DataFrame
        as_of, the columns of `by`, one column per bucket, unapplied_cash, credit_notes (both usually below zero),
        open (sum of the buckets), balance (everything: equals the control account). Currency units. A group without
        a document so far has zeros.

    Raises
    ------
    PeriodError
        No dates, dates that do not rise, or a column that customers does not have.
    """
    buckets = buckets or Buckets()
    dates = pd.DatetimeIndex(parse_dates(as_of_dates, "series: as_of_dates"))
    if len(dates) == 0 or not dates.is_monotonic_increasing or dates.has_duplicates:
        raise PeriodError("as_of_dates must hold at least one date, rising and without repetition")
    code, groups = segments(source.customers, by)
    cells = np.zeros((len(groups), len(dates), len(buckets.labels) + 2), dtype=np.int64)
    if isinstance(source, Store):
        cells += engine_aged(source, code, len(groups), dates, buckets)
    else:
        for part in source.parts():
            own = code[positions(part.customers["customer_id"], source.customers["customer_id"])]
            cells += _cells(part, own, len(groups), dates, buckets)
    return _table(cells, groups, dates, by, buckets, source.currency)


def _cells(
    ledger: Ledger, segment: npt.NDArray[np.int64], segments: int, dates: pd.DatetimeIndex, buckets: Buckets
) -> npt.NDArray[np.int64]:
    """Minor units by (segment, date, column); `segment` gives the segment of each customer of the ledger."""
    if len(ledger.invoices) > LARGE:
        held = store(ledger)
        try:
            return engine_aged(held, segment, segments, dates, buckets)
        finally:
            held.connection.disconnect()
    rows = postings(ledger)
    owner = positions(rows["customer_id"], ledger.customers["customer_id"])
    return aged(rows, segment[owner], segments, dates, buckets)


def _table(
    cells: npt.NDArray[np.int64],
    groups: pd.DataFrame,
    dates: pd.DatetimeIndex,
    by: Sequence[str],
    buckets: Buckets,
    currency: str,
) -> pd.DataFrame:
    """Cells as a table ordered by date and group."""
    names = [*buckets.labels, UNAPPLIED, CREDIT_NOTES]
    minor = np.moveaxis(cells, 0, 1).reshape(-1, len(names))
    columns = {name: money.from_minor(minor[:, number], currency) for number, name in enumerate(names)}
    columns["open"] = money.from_minor(minor[:, : len(buckets.labels)].sum(axis=1), currency)
    columns["balance"] = money.from_minor(minor.sum(axis=1), currency)
    keys = {name: pd.concat([groups[name]] * len(dates), ignore_index=True) for name in by}
    return pd.DataFrame({"as_of": np.repeat(dates.to_numpy(), len(groups)), **keys, **columns})


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
