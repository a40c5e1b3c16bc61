"""Were earlier forecasts right? Coverage and pinball loss against naive, by review date.

A forecast is checked with what was forecast then and what came, nothing else. Scores are losses: smaller is better;
`skill` is 1 - score / naive score.
"""

import numpy as np
import pandas as pd
from scipy import special

from credit_lab.backtest.effects import DesignError

# A forecast as it is remembered: what (name), of which days (start, target), how (point, low, high, level), `naive` a
# point forecast made on the same day without a model, and its unit.
FORECASTS = ("name", "start", "target", "point", "low", "high", "level", "naive", "unit")


def binomial_interval(hits: int, trials: int, *, level: float = 0.95) -> tuple[float, float]:
    """Exact (Clopper-Pearson 1934) interval of a share; (NaN, NaN) without trials.

    >>> [round(x, 4) for x in binomial_interval(8, 10)]
    [0.4439, 0.9748]
    """
    if trials == 0:
        return float("nan"), float("nan")
    tail = (1 - level) / 2
    low = float(special.betaincinv(hits, trials - hits + 1, tail)) if hits > 0 else 0.0
    high = float(special.betaincinv(hits + 1, trials - hits, 1 - tail)) if hits < trials else 1.0
    return low, high


def coverage(table: pd.DataFrame, *, nominal: float, by: str | None = None) -> pd.DataFrame:
    """Share of `observed` inside [low, high]: (by,) forecasts, share, low, high (binomial), nominal, ok.

    ok: the nominal coverage lies in the binomial interval. Rows are taken as independent.
    """
    inside = table["observed"].between(table["low"], table["high"])
    keys = table[by] if by else pd.Series("all", index=table.index)
    rows = []
    for key, part in inside.groupby(keys, sort=True):
        low, high = binomial_interval(int(part.sum()), len(part))
        rows.append((key, len(part), float(part.mean()), low, high, nominal, low <= nominal <= high))
    return pd.DataFrame(rows, columns=[by or "group", "forecasts", "share", "low", "high", "nominal", "ok"])


def pinball(observed: np.ndarray, quantile: np.ndarray, *, level: float) -> np.ndarray:
    """Loss of a quantile forecast: level x (y - q) above, (1 - level) x (q - y) below.

    >>> pinball(np.array([10.0, 0.0]), np.array([5.0, 5.0]), level=0.75).tolist()
    [3.75, 1.25]
    """
    if not 0 < level < 1:
        raise DesignError(f"forecast_checks.pinball: level {level} must lie between 0 and 1")
    gap = np.asarray(observed, dtype=float) - np.asarray(quantile, dtype=float)
    return np.maximum(level * gap, (level - 1) * gap)


def review(forecasts: pd.DataFrame, *, nominal: float = 0.8) -> pd.DataFrame:
    """All interval forecasts of earlier reviews, one row per review: how wide, how often right, better than naive?

    Parameters
    ----------
    forecasts : made_on, target (what and when), low, median, high (interval at `nominal`), naive (point forecast made
        the same day without a model), observed (NaN while open).

    Returns
    -------
    made_on, forecasts, coverage, coverage_low, coverage_high, ok, width, error (mean absolute), naive_error, skill.
    """
    missing = [c for c in ("made_on", "low", "median", "high", "naive", "observed") if c not in forecasts.columns]
    if missing:
        raise DesignError(f"forecast_checks.review: forecasts lack {', '.join(missing)}")
    known = forecasts[forecasts["observed"].notna()]
    if known.empty:
        raise DesignError("forecast_checks.review: nothing has been observed yet")
    cover = coverage(known, nominal=nominal, by="made_on")
    rows = []
    for _, part in known.groupby("made_on", sort=True):
        error = (part["median"] - part["observed"]).abs()
        naive = (part["naive"] - part["observed"]).abs()
        width = float((part["high"] - part["low"]).mean())
        rows.append((width, error.mean(), naive.mean(), 1 - error.mean() / naive.mean() if naive.mean() else np.nan))
    scores = pd.DataFrame(rows, columns=["width", "error", "naive_error", "skill"])
    cover = cover.rename(columns={"share": "coverage", "low": "coverage_low", "high": "coverage_high"})
    return pd.concat([cover.drop(columns="nominal"), scores], axis=1)
