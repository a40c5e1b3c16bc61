"""Splits that keep the future and the same customer out of the training data.

A fold is a pair of row positions (train, test).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab.errors import CreditLabError
from credit_lab.periods import parse_dates

Rows = npt.NDArray[np.int64]


def by_time(dates: Any, boundaries: list[Any], *, embargo_days: int = 0) -> Iterator[tuple[Rows, Rows]]:
    """Walk forward: for each boundary, train on rows dated before it, test on those up to the next one.

    Parameters
    ----------
    dates : decision date of each row
    boundaries : ascending dates; the last fold tests on everything from the last boundary on
    embargo_days : rows so close before the boundary are not trained on; give the length of the outcome window, since
        their outcome was not known at the boundary

    Raises
    ------
    CreditLabError
        Missing dates, boundaries out of order, or a fold without rows on one side.
    """
    when = pd.to_datetime(pd.Series(np.asarray(dates)))
    if when.isna().any():
        raise CreditLabError(f"{when.isna().sum()} rows have no date; a split by time needs one for every row")
    edges = parse_dates(boundaries, "by_time: boundaries")
    if edges != sorted(set(edges)):
        raise CreditLabError("boundaries of a split by time must be ascending and different")
    for start, end in zip(edges, [*edges[1:], pd.Timestamp.max], strict=True):
        train = np.flatnonzero(when < start - pd.Timedelta(days=embargo_days))
        test = np.flatnonzero((when >= start) & (when < end))
        if len(train) == 0 or len(test) == 0:
            side = "train" if len(train) == 0 else "test"
            raise CreditLabError(
                f"boundary {start.date()}: no rows to {side} on; dates run {when.min()} to {when.max()}"
            )
        yield train, test


def by_group(groups: Any, folds: int, *, seed: int) -> Iterator[tuple[Rows, Rows]]:
    """Folds of whole customers: no customer is on both sides.

    Raises
    ------
    CreditLabError
        Fewer customers than folds.
    """
    codes, distinct = pd.factorize(np.asarray(groups), use_na_sentinel=False)
    if len(distinct) < folds:
        raise CreditLabError(f"{len(distinct)} customers cannot fill {folds} folds; ask for fewer")
    fold_of = np.random.default_rng(seed).permutation(len(distinct)) % folds
    for fold in range(folds):
        inside = fold_of[codes] == fold
        yield np.flatnonzero(~inside), np.flatnonzero(inside)
