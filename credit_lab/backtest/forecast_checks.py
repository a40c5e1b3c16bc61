"""Were earlier forecasts right? PIT, coverage, CRPS and pinball loss against naive, reliability over time.

A forecast is checked with what was forecast then and what came, nothing else. Scores are losses: smaller is better;
`skill` is 1 - score / naive score.
"""

import numpy as np
import pandas as pd
from scipy import special

from credit_lab.backtest.effects import DesignError, t_critical

# A forecast as it is remembered: what (name), of which days (start, target), how (point, low, high, level), `naive` a
# point forecast made on the same day without a model, and its unit.
FORECASTS = ("name", "start", "target", "point", "low", "high", "level", "naive", "unit")


def pit(observed: np.ndarray, samples: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
    """Probability integral transform of each observation in its own sample (observations x draws), ties split by lot.

    u = share below + v x share equal, v uniform: uniform on (0, 1) when the forecasts are right, also for whole days
    (Czado, Gneiting & Held 2009, Biometrics 65:1254).
    """
    y, draws = _pair(observed, samples)
    below = (draws < y[:, None]).sum(axis=1)
    equal = (draws == y[:, None]).sum(axis=1)
    # The observation counts among its sample, so u spreads over (0, 1) with few draws as well.
    return (below + rng.random(len(y)) * (equal + 1)) / (draws.shape[1] + 1)


def pit_table(values: np.ndarray, *, bins: int = 10) -> pd.DataFrame:
    """Histogram of PIT values: from, to, count, share, expected. A hump says too wide, a bowl too narrow."""
    edges = np.linspace(0, 1, bins + 1)
    count = np.histogram(values, edges)[0]
    return pd.DataFrame(
        {"from": edges[:-1], "to": edges[1:], "count": count, "share": count / count.sum(), "expected": 1 / bins}
    )


def pit_p_value(values: np.ndarray, *, bins: int = 10) -> float:
    """Chi-squared p-value of a flat PIT histogram; NaN with fewer than 5 expected per bin."""
    table = pit_table(values, bins=bins)
    expected = len(values) / bins
    if expected < 5:
        return float("nan")
    return float(special.chdtrc(bins - 1, float(((table["count"] - expected) ** 2 / expected).sum())))


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


def crps(observed: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Continuous ranked probability score of each sample forecast: E|X - y| - E|X - X'| / 2, without bias.

    Gneiting & Raftery (2007) J. Am. Stat. Assoc. 102:359; the pairs of a draw with itself are left out (fair score).
    """
    y, draws = _pair(observed, samples)
    m = draws.shape[1]
    if m < 2:
        raise DesignError("forecast_checks.crps: two draws at least per forecast")
    ordered = np.sort(draws, axis=1)
    rank = 2 * np.arange(1, m + 1) - m - 1
    return np.abs(draws - y[:, None]).mean(axis=1) - ordered @ rank / (m * (m - 1))


def pinball(observed: np.ndarray, quantile: np.ndarray, *, level: float) -> np.ndarray:
    """Loss of a quantile forecast: level x (y - q) above, (1 - level) x (q - y) below.

    >>> pinball(np.array([10.0, 0.0]), np.array([5.0, 5.0]), level=0.75).tolist()
    [3.75, 1.25]
    """
    if not 0 < level < 1:
        raise DesignError(f"forecast_checks.pinball: level {level} must lie between 0 and 1")
    gap = np.asarray(observed, dtype=float) - np.asarray(quantile, dtype=float)
    return np.maximum(level * gap, (level - 1) * gap)


def against_naive(score: np.ndarray, naive: np.ndarray, *, lags: int = 0) -> dict[str, float]:
    """Mean scores, skill and the mean gain (naive less score) with a 95 % interval.

    The error of the gain is Newey-West with `lags` (Diebold & Mariano 1995, J. Bus. Econ. Stat. 13:253), with the
    small-sample factor of Harvey, Leybourne & Newbold (1997) at lags + 1 steps ahead.
    """
    a, b = np.asarray(score, dtype=float), np.asarray(naive, dtype=float)
    if a.shape != b.shape or len(a) < 3:
        raise DesignError("forecast_checks: score and naive need the same length, three at least")
    gain = b - a
    centred, n = gain - gain.mean(), len(gain)
    variance = centred @ centred / n
    for lag in range(1, min(lags, n - 1) + 1):
        variance += 2 * (1 - lag / (lags + 1)) * (centred[lag:] @ centred[:-lag]) / n
    h = lags + 1
    factor = (n + 1 - 2 * h + h * (h - 1) / n) / n
    error = float(np.sqrt(max(variance, 0) / n / max(factor, 1e-9)))
    half = t_critical(0.95, n - 1) * error
    return {
        "score": float(a.mean()),
        "naive": float(b.mean()),
        "skill": float(1 - a.mean() / b.mean()) if b.mean() > 0 else float("nan"),
        "gain": float(gain.mean()),
        "low": float(gain.mean() - half),
        "high": float(gain.mean() + half),
    }


def reliability(table: pd.DataFrame, *, by: str = "made_on", predicted: str = "pd_12m", outcome: str) -> pd.DataFrame:
    """Forecast probability against what came, per review: by, forecasts, predicted, observed, low, high, ok.

    low, high: binomial interval of the observed share; ok: the mean forecast lies in it. Open outcomes (NA) are left
    out: a review whose window is not over yet has no row.
    """
    known = table[table[outcome].notna()]
    if known.empty:
        raise DesignError(f"forecast_checks: no outcome {outcome} is known yet; wait for the window to end")
    if not known[predicted].between(0, 1).all():
        raise DesignError(f"forecast_checks: {predicted} holds values outside [0, 1] or missing ones")
    rows = []
    for key, part in known.groupby(by, sort=True):
        hits = int(part[outcome].astype(bool).sum())
        low, high = binomial_interval(hits, len(part))
        mean = float(part[predicted].mean())
        rows.append((key, len(part), mean, hits / len(part), low, high, low <= mean <= high))
    return pd.DataFrame(rows, columns=[by, "forecasts", "predicted", "observed", "low", "high", "ok"])


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


def _pair(observed: np.ndarray, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y, draws = np.asarray(observed, dtype=float), np.asarray(samples, dtype=float)
    if draws.ndim != 2 or len(draws) != len(y):
        raise DesignError(f"forecast_checks: {len(y)} observations need one row of draws each, got {draws.shape}")
    if not (np.isfinite(y).all() and np.isfinite(draws).all()):
        raise DesignError("forecast_checks: observations and draws must be finite; leave open outcomes out")
    return y, draws
