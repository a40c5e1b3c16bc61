"""Ages, factors and the cells a payment hazard is fitted on.

An invoice is a *spell*: at risk of being paid every day from `start` to `stop`, both included; `paid` says whether
`stop` is the day of payment. Age is the day less the due date (0 = due day, negative = not yet due). A spell may be cut
where a factor changes (a dispute opens): the earlier part then ends unpaid.

Days at risk and payments are counted per (factor levels, age band, weekday) from starts and stops alone, by
differences and cumulative sums: the cells hold exactly the person-day data, but no person-day row is ever made.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab.errors import CreditLabError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
YOUNGEST, OLDEST = -400, 1100  # ages outside are not looked at: nothing is learned there


class CollectionError(CreditLabError):
    """Input of a collection function that cannot be used as it stands."""


@dataclass(frozen=True)
class AgeBands:
    """Bands of age in days past due within which the hazard is constant, apart from the weekday.

    starts : first age of each band, rising; the first band also takes everything younger, the last everything older.
    Days around the due date have bands of their own: payment runs live there.
    """

    starts: tuple[int, ...] = (
        *(-90, -60, -45, -30, -20, -15, -12),
        *range(-10, 16),
        *(18, 21, 25, 30, 40, 60, 90, 180),
    )

    def __post_init__(self) -> None:
        if not self.starts or list(self.starts) != sorted(set(self.starts)):
            raise CollectionError("age bands: starts must rise, such as (-30, 0, 1, 31, 61)")

    def of(self, age: npt.ArrayLike) -> Ints:
        """Number of the band of each age."""
        found = np.searchsorted(np.array(self.starts), np.asarray(age), side="right") - 1
        return np.maximum(found, 0).astype(np.int64)

    def merged(self, paid_at: Ints, *, min_events: int, least: int = 1) -> "AgeBands":
        """Neighbouring bands with fewer than `min_events` payments joined until they hold as many.

        A band that holds enough alone is left alone, so that a lump on the due date is not spread over the weeks
        before it. What is left between keeps its own band with `least` payments, or else joins the next one.
        """
        count = np.bincount(self.of(paid_at), minlength=len(self.starts))
        starts, held = [self.starts[0]], 0
        for start, events in zip(self.starts, count, strict=True):
            if start != starts[-1] and (held >= min_events or (events >= min_events and held >= least)):
                starts.append(start)
                held = 0
            held += int(events)
        if held < least and len(starts) > 1:
            starts.pop()
        return AgeBands(tuple(starts))


@dataclass(frozen=True)
class Factor:
    """A point-in-time covariate in levels.

    column : of the table
    edges : inner edges of a numeric column (level k: edges[k-1] < value <= edges[k]); empty for a text column
    levels : names in order of their codes
    Missing and never-seen values have no level (code −1): the hazard then leaves the factor out and says so.
    """

    column: str
    levels: tuple[str, ...]
    edges: tuple[float, ...] = ()

    def codes(self, table: pd.DataFrame) -> Ints:
        """Level of each row, −1 where there is none."""
        if self.column not in table:
            raise CollectionError(f"payment hazard: the table lacks the factor column {self.column!r}")
        value = table[self.column]
        if not self.edges and len(self.levels) and not pd.api.types.is_numeric_dtype(value):
            return np.asarray(pd.Index(self.levels).get_indexer(pd.Index(value.astype("str"))), dtype=np.int64)
        number = value.to_numpy(dtype=float, na_value=np.nan)
        if not self.edges:
            return np.asarray(
                pd.Index(self.levels).get_indexer(pd.Index([f"{x:g}" for x in number], dtype="str")), dtype=np.int64
            )
        return np.where(np.isnan(number), -1, np.searchsorted(self.edges, number, side="left")).astype(np.int64)


def learn_factors(table: pd.DataFrame, columns: Sequence[str], *, groups: int = 6) -> tuple[Factor, ...]:
    """Factors of a training table: numeric columns in `groups` quantile groups, others by their values."""
    found = []
    for column in columns:
        if column not in table:
            raise CollectionError(f"payment hazard: the table lacks the factor column {column!r}")
        value = table[column]
        if pd.api.types.is_numeric_dtype(value) and not pd.api.types.is_bool_dtype(value) and value.nunique() > groups:
            inner = np.unique(np.nanquantile(value.to_numpy(dtype=float), np.linspace(0, 1, groups + 1)[1:-1]))
            names = [f"<= {edge:g}" for edge in inner] + [f"> {inner[-1]:g}"]
            found.append(Factor(column, tuple(names), tuple(float(x) for x in inner)))
        elif pd.api.types.is_numeric_dtype(value) and not pd.api.types.is_bool_dtype(value):
            found.append(Factor(column, tuple(f"{x:g}" for x in np.sort(value.dropna().astype(float).unique()))))
        else:
            found.append(Factor(column, tuple(sorted(value.dropna().astype("str").unique()))))
    return tuple(found)


def day_number(dates: pd.Series) -> Ints:
    """Days since 1970-01-01; missing dates become a huge negative number."""
    return np.asarray(dates.to_numpy(), dtype="datetime64[D]").astype(np.int64)


def weekday(day: Ints) -> Ints:
    """0 = Monday ... 6 = Sunday."""
    return (day + 3) % 7


@dataclass(frozen=True)
class Cells:
    """Person-days summed per cell.

    codes : cells × factors, level of each factor (−1: none)
    band, weekday : of the cell
    days : days at risk; paid : payments on them
    owner : index of the group the rows belong to (customer), 0 where no owner was asked for
    """

    codes: Ints
    band: Ints
    weekday: Ints
    days: Floats
    paid: Floats
    owner: Ints


def check_spells(spells: pd.DataFrame) -> None:
    """Refuse spells that cannot be: missing columns or dates, ends before starts."""
    needed = ("customer_id", "due_date", "start", "stop", "paid")
    missing = [name for name in needed if name not in spells]
    if missing:
        raise CollectionError(f"payment hazard: spells lack {', '.join(missing)}")
    if spells.empty:
        raise CollectionError("payment hazard: no spells, nothing to learn from")
    if spells[["due_date", "start", "stop"]].isna().any().any():
        raise CollectionError("payment hazard: a spell without due_date, start or stop; see spells.build")
    backward = spells["stop"] < spells["start"]
    if backward.any():
        first = spells.loc[backward].iloc[0]
        raise CollectionError(
            f"payment hazard: {int(backward.sum())} spells stop before they start (first: customer "
            f"{first['customer_id']}, {first['start'].date()} to {first['stop'].date()}): cleared before issue? "
            "such documents were paid in advance, leave them out (spells.build does)"
        )


def count_cells(
    spells: pd.DataFrame, codes: Ints, bands: AgeBands, owner: Ints | None = None, *, weight: Floats | None = None
) -> Cells:
    """Sum spells into cells; `owner` keeps customers apart, `weight` counts a spell other than once."""
    due, start, stop = (day_number(spells[name]) for name in ("due_date", "start", "stop"))
    first = np.clip(start - due, YOUNGEST, OLDEST + 1)
    last = np.clip(stop - due, YOUNGEST - 1, OLDEST)
    event = spells["paid"].to_numpy(dtype=bool) & (stop - due >= YOUNGEST) & (stop - due <= OLDEST)
    low, high = int(min(first.min(), last.min())), int(max(last.max(), first.max()))
    width = high - low + 2
    keys, group = _groups(codes, weekday(due), owner)
    rows = len(keys)
    moved = np.bincount(group * width + first - low, weight, minlength=rows * width) - np.bincount(
        group * width + last + 1 - low, weight, minlength=rows * width
    )
    days = moved.reshape(rows, width).cumsum(axis=1)[:, :-1]
    mine = None if weight is None else weight[event]
    paid = np.bincount((group * width + last - low)[event], mine, minlength=rows * width).reshape(rows, width)[:, :-1]
    ages = np.arange(low, high + 1)
    slot = bands.of(ages) * 7 + ages % 7
    order = np.argsort(slot, kind="stable")
    begins = np.flatnonzero(np.r_[True, np.diff(slot[order]) > 0])
    slots = slot[order][begins]
    at_risk = np.add.reduceat(days[:, order], begins, axis=1)
    came = np.add.reduceat(paid[:, order], begins, axis=1).astype(float)
    # The weekday of the due date has done its work: cells that differ in it only are one.
    where, group_of = _distinct_rows(keys[:, :-1])
    width = len(bands.starts) * 7
    cell = group_of[:, None] * width + slots[None, :] // 7 * 7 + (keys[:, -1:] + slots[None, :] % 7) % 7
    total = np.bincount(cell.ravel(), at_risk.ravel(), minlength=len(where) * width).astype(float)
    filled = np.flatnonzero(total > 1e-9)
    settled = np.bincount(cell.ravel(), came.ravel(), minlength=len(where) * width)[filled].astype(float)
    key = keys[where][filled // width]
    return Cells(key[:, 1:-1], filled % width // 7, filled % 7, total[filled], settled, key[:, 0])


def _distinct_rows(keys: Ints) -> tuple[Ints, Ints]:
    """First row of each distinct key, and the number of each row's key; keys come sorted."""
    fresh = np.r_[True, (keys[1:] != keys[:-1]).any(axis=1)]
    return np.flatnonzero(fresh), np.cumsum(fresh) - 1


def _groups(codes: Ints, due_weekday: Ints, owner: Ints | None) -> tuple[Ints, Ints]:
    """Distinct (owner, levels, weekday of the due date) and the number of each row's combination."""
    whole = np.column_stack([np.zeros(len(codes), np.int64) if owner is None else owner, codes, due_weekday])
    key = np.zeros(len(whole), dtype=np.int64)
    for column in whole.T:
        key = key * (int(column.max()) + 2) + column + 1
        if key.max() > 2**40:
            key = np.unique(key, return_inverse=True)[1].astype(np.int64)
    _, place, group = np.unique(key, return_index=True, return_inverse=True)
    return whole[place], group.astype(np.int64)
