"""How good are payment-time forecasts? Scores of curves against what came, each a short function.

`known_until` is the last day that was observed: an invoice open then counts as "not paid by then", nothing more.
"""

import numpy as np
import pandas as pd

from credit_lab.collection.cells import CollectionError, Floats, Ints
from credit_lab.collection.payment_time import Curves


def crps(curves: Curves, days_late: Ints, known_days: Ints | None = None) -> Floats:
    """Continuous ranked probability score in days: Σ over days of (F(day) − 1[paid by then])².

    known_days : last day past due that was observed; later days are left out of the sum (threshold-weighted score,
        still proper: Gneiting & Ranjan 2011, J. Bus. Econ. Stat. 29:411).
    """
    day = np.arange(curves.paid_by.shape[1])[None, :] + curves.first_age()[:, None]
    gap = (curves.paid_by - (day >= np.asarray(days_late)[:, None])) ** 2
    if known_days is not None:
        gap = np.where(day <= np.asarray(known_days)[:, None], gap, 0.0)
    return np.asarray(gap.sum(axis=1))


def pit(curves: Curves, days_late: Ints, *, rng: np.random.Generator) -> Floats:
    """Probability integral transform, uniform when forecasts are right; lumps are split by lot."""
    at = np.clip(np.asarray(days_late) - curves.first_age(), 0, curves.paid_by.shape[1] - 1)
    upper = np.take_along_axis(curves.paid_by, at[:, None], axis=1)[:, 0]
    lower = np.where(at > 0, np.take_along_axis(curves.paid_by, np.maximum(at - 1, 0)[:, None], axis=1)[:, 0], 0.0)
    return lower + rng.random(len(at)) * (upper - lower)


def pit_distance(values: Floats) -> float:
    """Kolmogorov-Smirnov distance of PIT values from the uniform distribution."""
    ordered, n = np.sort(values), len(values)
    return float(max((np.arange(1, n + 1) / n - ordered).max(), (ordered - np.arange(n) / n).max()))


def pit_histogram(values: Floats, *, bins: int = 10) -> pd.DataFrame:
    """Columns from, to, share, expected: a hump says the forecasts are too wide, a bowl too narrow."""
    edges = np.linspace(0, 1, bins + 1)
    share = np.histogram(values, edges)[0] / len(values)
    return pd.DataFrame({"from": edges[:-1], "to": edges[1:], "share": share, "expected": 1 / bins})


def covered(curves: Curves, days_late: Ints, *, share: float = 0.8) -> np.ndarray:
    """Whether each payment fell into its interval (`Curves.interval`)."""
    low, high = curves.interval(share)
    return (days_late >= low) & (days_late <= high)


def brier(curves: Curves, days_late: Ints, *, day: int) -> float:
    """Brier score of "paid by `day` days past due": mean of (P − 1[paid])²; rows past that day already are left out."""
    at = day - curves.first_age()
    ahead = at >= 0
    if not ahead.any():
        return float("nan")
    column = np.minimum(at[ahead], curves.paid_by.shape[1] - 1)
    p = np.take_along_axis(curves.paid_by[ahead], column[:, None], axis=1)[:, 0]
    return float(np.mean((p - (np.asarray(days_late)[ahead] <= day)) ** 2))


def c_index(forecast: Floats, days: Floats, paid: np.ndarray | None = None) -> float:
    """Concordance of forecast and observed days: share of usable pairs in the right order, ties of forecasts half.

    A pair is usable when the shorter observed time ended in a payment (Harrell et al. 1982, JAMA 247:2543).

    >>> c_index(np.array([1.0, 2, 3]), np.array([10.0, 30, 20]))
    0.6666666666666666
    """
    times, guess = np.asarray(days, dtype=float), np.asarray(forecast, dtype=float)
    event = np.ones(len(times), dtype=bool) if paid is None else np.asarray(paid, dtype=bool)
    if len(times) != len(guess):
        raise CollectionError(f"c_index: {len(guess)} forecasts for {len(times)} observations")
    values, rank = np.unique(guess, return_inverse=True)
    order = np.lexsort((event, -times))  # longest first; among equal times the censored come first
    tree = np.zeros(len(values) + 1)
    right = usable = 0.0
    inserted, begin = 0, 0
    while begin < len(order):
        end = begin
        while end < len(order) and times[order[end]] == times[order[begin]]:
            end += 1
        same = order[begin:end]
        for i in same[~event[same]]:
            inserted = _add(tree, rank[i], inserted)
        for i in same[event[same]]:
            below, at = _below(tree, rank[i]), _below(tree, rank[i] + 1)
            right += inserted - at + 0.5 * (at - below)
            usable += inserted
        for i in same[event[same]]:
            inserted = _add(tree, rank[i], inserted)
        begin = end
    return float(right / usable) if usable else float("nan")


def _add(tree: Floats, rank: int, inserted: int) -> int:
    position = int(rank) + 1
    while position < len(tree):
        tree[position] += 1
        position += position & -position
    return inserted + 1


def _below(tree: Floats, rank: int) -> float:
    """How many inserted forecasts have a smaller rank."""
    total, position = 0.0, int(rank)
    while position > 0:
        total += tree[position]
        position -= position & -position
    return total


def calibration(curves: Curves, days_late: Ints, *, by: pd.Series, days: tuple[int, ...] = (0, 30, 60)) -> pd.DataFrame:
    """Forecast against observed share paid by 0/30/60 days past due, per value of `by` (the month of issue).

    Returns by, day, invoices, forecast, observed, gap (forecast less observed), error (binomial) and z = gap / error.
    """
    rows = []
    for day in days:
        at = day - curves.first_age()
        column = np.clip(at, 0, curves.paid_by.shape[1] - 1)
        p = np.take_along_axis(curves.paid_by, column[:, None], axis=1)[:, 0]
        frame = pd.DataFrame({"by": by.to_numpy(), "p": p, "y": np.asarray(days_late) <= day})[at >= 0]
        for value, part in frame.groupby("by", sort=True):
            error = float(np.sqrt((part["p"] * (1 - part["p"])).sum())) / len(part)
            gap = float(part["p"].mean() - part["y"].mean())
            rows.append(
                (value, day, len(part), part["p"].mean(), part["y"].mean(), gap, error, gap / max(error, 1e-12))
            )
    return pd.DataFrame(rows, columns=["by", "day", "invoices", "forecast", "observed", "gap", "error", "z"])


def scores(curves: Curves, days_late: Ints, *, rng: np.random.Generator, share: float = 0.8) -> dict[str, float]:
    """All of them: mae, crps, c_index (of the median; mean days break ties), coverage, pit_distance, brier_0/30/60."""
    median = curves.quantile(0.5)
    return {
        "mae": float(np.nanmean(np.abs(median - days_late))),
        "crps": float(crps(curves, days_late).mean()),
        "c_index": c_index(np.nan_to_num(median, nan=1e6), np.asarray(days_late, dtype=float)),
        "coverage": float(covered(curves, days_late, share=share).mean()),
        "pit_distance": pit_distance(pit(curves, days_late, rng=rng)),
        **{f"brier_{day}": brier(curves, days_late, day=day) for day in (0, 30, 60)},
    }
