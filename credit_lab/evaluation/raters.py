"""Do assessors agree? Weighted kappa for two, intraclass correlation for any number."""

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from credit_lab import schema


def weighted_kappa(first: Any, second: Any, *, low: int = 1, high: int = 10) -> float:
    """Cohen's kappa with quadratic weights: 1 − Σ w·observed / Σ w·expected, w = (i − j)².

    NaN where both give the same single score throughout: there is nothing to agree about.

    References
    ----------
    Cohen (1968), Psychological Bulletin 70(4), 213-220, doi:10.1037/h0026256.
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    known = np.isfinite(a) & np.isfinite(b)
    a, b = np.rint(np.clip(a[known], low, high)), np.rint(np.clip(b[known], low, high))
    # mean of (i − j)² over all pairs of the two margins
    expected = (a**2).mean() + (b**2).mean() - 2 * a.mean() * b.mean() if len(a) else 0.0
    return float(1 - ((a - b) ** 2).mean() / expected) if expected > 1e-12 else float("nan")


def icc(table: Any) -> pd.Series:
    """Intraclass correlations of a table of targets × assessors without gaps.

    Returns
    -------
    Series
        icc1 (assessors differ by target), icc2 (random assessors, absolute agreement of one), icc3 (these assessors,
        consistency of one), icc2k (absolute agreement of the mean of all), targets, assessors.

    References
    ----------
    Shrout and Fleiss (1979), Psychological Bulletin 86(2), 420-428, doi:10.1037/0033-2909.86.2.420.
    """
    x = np.asarray(table, dtype=float)
    n, k = x.shape
    names = ["icc1", "icc2", "icc3", "icc2k", "targets", "assessors"]
    if n < 2 or k < 2:
        return pd.Series([np.nan] * 4 + [n, k], index=names)
    grand = x.mean()
    rows = k * ((x.mean(axis=1) - grand) ** 2).sum() / (n - 1)
    columns = n * ((x.mean(axis=0) - grand) ** 2).sum() / (k - 1)
    total = ((x - grand) ** 2).sum()
    error = (total - rows * (n - 1) - columns * (k - 1)) / ((n - 1) * (k - 1))
    within = (total - rows * (n - 1)) / (n * (k - 1))

    def share(over: float, under: float) -> float:
        return over / under if under > 1e-12 else np.nan

    return pd.Series(
        [share(rows - within, rows + (k - 1) * within),
         share(rows - error, rows + (k - 1) * error + k * (columns - error) / n),
         share(rows - error, rows + (k - 1) * error),
         share(rows - error, rows + (columns - error) / n), n, k],
        index=names,
    )  # fmt: skip


def agreement(scores: pd.DataFrame) -> pd.DataFrame:
    """Agreement by factor: factor, first, second, both (targets judged by both), kappa, icc2, difference (mean of
    first less second).

    Parameters
    ----------
    scores : customer_id, factor, assessor, score; one score per assessor, factor and customer
    """
    columns = ["factor", "first", "second", "both", "kappa", "icc2", "difference"]
    if "assessor" not in scores:
        return schema.no_rows(dict.fromkeys(columns[:3], "text") | dict.fromkeys(columns[3:], "number"))
    rows = []
    for factor, part in scores.groupby("factor", sort=True):
        wide = part.pivot_table(index="customer_id", columns="assessor", values="score")
        for one, other in combinations(wide.columns, 2):
            both = wide[[one, other]].dropna()
            if len(both) < 2:
                continue
            a, b = both[one], both[other]
            rows.append((factor, one, other, len(both), weighted_kappa(a, b), icc(both)["icc2"], (a - b).mean()))
    return pd.DataFrame(rows, columns=columns)
