"""A guard for the one who tries many policies: the SPA test."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab.backtest.effects import DesignError


@dataclass(frozen=True)
class Spa:
    """Test of "no policy tried beats the champion".

    best : name of the policy with the largest mean gain. naive_p : its own one-sided p-value, as if it had been the
    only one. lower, consistent, upper : SPA p-values (Hansen 2005; the consistent one is to be told). reality_check :
    White's (2000). tried : number of policies. gains : policy, mean, t_ratio.
    """

    best: str
    naive_p: float
    lower: float
    consistent: float
    upper: float
    reality_check: float
    tried: int
    gains: pd.DataFrame


def spa(gains: pd.DataFrame, *, rng: np.random.Generator, block: float = 1.0, draws: int = 2000) -> Spa:
    """Superior predictive ability of the best of many policies.

    Parameters
    ----------
    gains : one row per month (or customer), one column per policy: gain over the champion, larger is better.
    block : mean block length of the stationary bootstrap; 1 for independent rows (customers), 3-6 for months.

    References
    ----------
    Hansen (2005) J. Bus. Econ. Stat. 23:365; White (2000) Econometrica 68:1097; Politis & Romano (1994) J. Am. Stat.
    Assoc. 89:1303.
    """
    values = gains.to_numpy(dtype=float)
    n, tried = values.shape
    if n < 10 or tried < 1 or not np.isfinite(values).all():
        raise DesignError(f"guards.spa: {n} rows and {tried} policies; 10 rows without gaps and a policy are needed")
    if block < 1:
        raise DesignError(f"guards.spa: block {block} must be 1 or more")
    mean = values.mean(axis=0)
    picks = _stationary(n, block, draws, rng)
    drawn = np.stack([values[pick].mean(axis=0) for pick in picks])
    spread = np.maximum(np.sqrt(n) * drawn.std(axis=0), 1e-300)
    t = np.sqrt(n) * mean / spread
    keep = {
        "lower": np.maximum(mean, 0),
        "consistent": np.where(t >= -np.sqrt(2 * np.log(np.log(n))), mean, 0.0),
        "upper": mean,
    }
    seen = max(float(t.max()), 0.0)
    p = {}
    for name, centre in keep.items():
        worst = np.maximum((np.sqrt(n) * (drawn - centre) / spread).max(axis=1), 0.0)
        p[name] = float((worst >= seen).mean())
    white = float(((drawn - mean).max(axis=1) >= mean.max()).mean())
    best = int(np.argmax(t))
    alone = float(((np.sqrt(n) * (drawn[:, best] - mean[best]) / spread[best]) >= t[best]).mean())
    listed = pd.DataFrame({"policy": gains.columns.astype(str), "mean": mean, "t_ratio": t})
    return Spa(
        str(gains.columns[best]),
        alone,
        p["lower"],
        p["consistent"],
        p["upper"],
        white,
        tried,
        listed.sort_values("t_ratio", ascending=False, kind="stable").reset_index(drop=True),
    )


def _stationary(n: int, block: float, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Row numbers of `draws` stationary bootstrap samples: blocks of geometric length, wrapped around the end."""
    fresh = rng.random((draws, n)) < 1 / block
    fresh[:, 0] = True
    starts = rng.integers(0, n, (draws, n))
    place = np.arange(n)
    begun = np.maximum.accumulate(np.where(fresh, place, 0), axis=1)
    return (np.take_along_axis(starts, begun, axis=1) + place - begun) % n
