"""Does the table know what it should predict? A scan for features from the future and for rows on both sides.

References
----------
Kaufman, S. et al. (2012). Leakage in data mining. ACM TKDD 6, 15.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from credit_lab.errors import CreditLabError
from credit_lab.scoring.binning import Binner
from credit_lab.scoring.optimum import Limits
from credit_lab.scoring.table import columns_of, target_of
from credit_lab.scoring.validate import auc, delong

COLUMNS = ["finding", "feature", "rows", "detail"]


def scan(
    X: Any,
    y: Any,
    *,
    decided_on: Any = None,
    known_on: Mapping[str, Any] | None = None,
    folds: Any = None,
    customers: Any = None,
    suspicious: float = 0.9,
    pure: float = 0.8,
) -> pd.DataFrame:
    """Signs of leakage in a modelling table.

    Parameters
    ----------
    decided_on : decision date of each row
    known_on : by feature, the date each value became known; later than the decision is a leak
    folds : fold of each row; equal rows in different folds are a leak
    customers : customer of each row; one customer in different folds is a leak
    suspicious : a single feature whose AUC is surely (95 %) above this knows too much
    pure : a bin with at least ten rows whose default rate is surely (99.9 %, for many bins are looked at) above this,
        while the whole sample's is below half of it, knows too much; likewise missing values

    Returns
    -------
    DataFrame
        finding (future, suspicious, pure bin, duplicate, customer), feature, rows, detail; empty if nothing was found.
        A scan finds what leaves a trace, not every leak: `known_on` is the sure way.

    Raises
    ------
    CreditLabError
        `known_on` without `decided_on`, or for a column that is not there.
    """
    columns = columns_of(X)
    target, _ = target_of(y, len(next(iter(columns.values()))))
    found = _future(columns, decided_on, known_on or {})
    found += _too_good(X, target, suspicious, pure)
    if folds is not None:
        found += _across(columns, np.asarray(folds), customers)
    return pd.DataFrame(found, columns=COLUMNS)


def _future(columns: Mapping[str, Any], decided_on: Any, known_on: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    if known_on and decided_on is None:
        raise CreditLabError("known_on needs decided_on, the date of each decision, to compare with")
    found: list[tuple[Any, ...]] = []
    for name, dates in known_on.items():
        if name not in columns:
            raise CreditLabError(f"known_on names {name!r}, which is not a column of the table")
        known, decided = (pd.to_datetime(pd.Series(np.asarray(side))) for side in (dates, decided_on))
        late = (known > decided) & ~pd.isna(pd.Series(columns[name]))
        if late.any():
            days = (known - decided)[late].dt.days
            detail = f"known up to {days.max()} days after the decision (median {days.median():.0f})"
            found.append(("future", name, int(late.sum()), detail))
    return found


def _too_good(X: Any, target: Any, suspicious: float, pure: float) -> list[tuple[Any, ...]]:
    from scipy import stats

    found: list[tuple[Any, ...]] = []
    limits = Limits(trend="none", min_share=0.0, min_events=0, max_bins=0)
    fine = Binner(limits=limits, optimise=False, smoothing=0.5).fit(X, target)
    columns = columns_of(X)
    for name, bins in fine.bins_.items():
        ids = bins.ids(columns[name])
        if min(target.sum(), (1 - target).sum()) >= 2:
            area = delong(target, -bins.woe[ids]).iloc[0]
            # half of the rows teach what the other half is judged by, so that many small bins do not look clever
            half = np.empty(len(target), dtype=bool)
            half[np.lexsort((target, ids))] = np.random.default_rng(0).random(len(target)) < 0.5
            held_out = _held_out(target, ids, half, len(bins.counts))
            if area["low"] > suspicious and held_out > suspicious:
                text = f"AUC {held_out:.3f} alone, on rows not used to order its bins"
                found.append(("suspicious", name, len(target), text))
                continue
        sure = stats.beta.ppf(0.001, bins.counts[:, 1] + 0.5, bins.counts[:, 0] + 0.5)
        for i in np.flatnonzero((sure > pure) & (bins.counts.sum(axis=1) >= 10) & (target.mean() < pure / 2)):
            rows, events = bins.counts[i].sum(), bins.counts[i, 1]
            found.append(("pure bin", name, int(rows), f"{bins.labels[i]}: {events:.0f} of {rows:.0f} rows are events"))
    return found


def _held_out(target: Any, ids: Any, half: Any, bins: int) -> float:
    if min(target[half].sum(), (1 - target[half]).sum(), target[~half].sum(), (1 - target[~half]).sum()) < 1:
        return 0.0
    events = np.bincount(ids[half], weights=target[half], minlength=bins)
    rate = (events + 0.5 * target.mean()) / (np.bincount(ids[half], minlength=bins) + 0.5)
    return auc(target[~half], rate[ids[~half]])


def _across(columns: Mapping[str, Any], folds: Any, customers: Any) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    keys = pd.util.hash_pandas_object(pd.DataFrame(columns), index=False)
    groups = [("duplicate", keys, "equal rows lie in different folds")]
    if customers is not None:
        groups.append(("customer", pd.Series(np.asarray(customers)), "customers in more than one fold"))
    for finding, key, detail in groups:
        sides = pd.Series(folds).groupby(key.to_numpy()).transform("nunique")
        if (sides > 1).any():
            found.append((finding, "", int((sides > 1).sum()), detail))
    return found
