"""Regression discontinuity (断点回归) at a score cut-off: customers just above against customers just below.

The jump at the cut-off is a local linear fit with triangular weights on each side. The interval is the robust
bias-corrected one: with the pilot bandwidth equal to the main one it is the local quadratic fit's own interval, so
the point estimate and the centre of the interval differ; both are given. The bandwidth is always shown, with the
estimate at half and at double of it, and so is a density check: customers bunched on the good side were pushed.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from credit_lab.backtest.effects import (
    LEVEL,
    DesignError,
    Effect,
    Inference,
    delta_ratio,
    from_link,
    make,
    refuse,
    t_critical,
)


@dataclass(frozen=True)
class RdOptions:
    """Choices of a regression discontinuity.

    bandwidth : score points each side; None chooses it (`bandwidth`).
    treated_above : the policy applies at and above the cut-off (True) or below it.
    relative : jump over the outcome just outside the policy (log ratio); needs positive limits on both sides.
    least : rows wanted on each side within the bandwidth.
    """

    bandwidth: float | None = None
    treated_above: bool = True
    relative: bool = False
    level: float = LEVEL
    least: int = 30


@dataclass(frozen=True)
class Jump:
    """Limits at the cut-off from above and below with their HC1-clustered covariance, and the rows behind them."""

    above: float
    below: float
    psi_above: np.ndarray
    psi_below: np.ndarray
    rows_above: int
    rows_below: int


def estimate(
    table: pd.DataFrame,
    *,
    outcome: str,
    score: str,
    cutoff: float,
    cluster: str | None = None,
    options: RdOptions | None = None,
) -> Effect:
    """Effect of a rule applied from a score cut-off on, for customers at the cut-off.

    Raises
    ------
    DesignError
        No rows on a side of the cut-off (no controls), too few within the bandwidth, missing values.

    References
    ----------
    Hahn, Todd & van der Klaauw (2001) Econometrica 69:201; Calonico, Cattaneo & Titiunik (2014) Econometrica 82:2295;
    McCrary (2008) J. Econometrics 142:698.
    """
    options = options or RdOptions()
    x = table[score].to_numpy(dtype=float) - cutoff
    y = table[outcome].to_numpy(dtype=float)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise DesignError(f"discontinuity: {score} or {outcome} has missing values; leave these rows out and say so")
    if not ((x >= 0).any() and (x < 0).any()):
        raise refuse(
            "discontinuity",
            f"no controls: all scores lie on one side of the cut-off {cutoff:g} (range {x.min() + cutoff:g} to "
            f"{x.max() + cutoff:g})",
            "did.estimate if the rule came in on different dates, else its.estimate",
        )
    groups = pd.factorize(table[cluster])[0] if cluster else np.arange(len(x))
    h = options.bandwidth or bandwidth(x, y)
    linear, quadratic = (local_jump(x, y, h, power) for power in (1, 2))
    if min(linear.rows_above, linear.rows_below) < options.least:
        raise refuse(
            "discontinuity",
            f"{linear.rows_below} rows below and {linear.rows_above} above within {h:.3g} points of the cut-off, "
            f"{options.least} on each side are needed",
            "a wider bandwidth, which leans on the shape of the curve, or did.estimate",
        )
    value, _, _ = _effect(linear, groups, options)
    centre, error, freedom = _effect(quadratic, groups, options)
    link = "log" if options.relative else "identity"
    critical = t_critical(options.level, freedom)
    found = Inference(centre, error, critical, options.level, link, "relative" if options.relative else "absolute")
    density, density_p = density_jump(x)
    return make(
        "discontinuity.robust",
        outcome,
        found,
        series=_bins(x, y, h, cutoff),
        summary=[
            ("local linear, not bias-corrected", float(from_link(value, link)), np.nan, np.nan),
            *_sensitivity(x, y, h, groups, options),
        ],
        assumptions=[
            (
                "nobody steers the score over the cut-off",
                "density on both sides",
                bool(density_p > 0.05),
                f"log density jump {density:.2f}, p = {density_p:.3f}",
            ),
            ("nothing else changes at the cut-off", "none", None, "another rule with the same cut-off is counted too"),
            ("the result speaks for customers near the cut-off", "none", None, f"within {h:.3g} points"),
        ],
        diagnostics=[
            ("bandwidth", h, "score points on each side"),
            ("rows_below", linear.rows_below, "within the bandwidth"),
            ("rows_above", linear.rows_above, "within the bandwidth"),
            ("density_jump", density, "log density just above less just below"),
            ("density_p", density_p, "p-value of no jump in the density"),
            ("conventional_error", _effect(linear, groups, options)[1], "standard error of the local linear fit"),
        ],
        precision=pd.DataFrame(
            [
                ("rows", round(len(x) * k), error / k**0.4)  # rate n^-2/5: the bandwidth shrinks as rows come in
                for k in (1, 1.5, 2, 3, 5, 10, 20, 50)
            ],
            columns=["needed_of", "count", "std_error"],
        ),
    )


def local_jump(x: np.ndarray, y: np.ndarray, h: float, power: int) -> Jump:
    """Limits of y at x = 0 from both sides: polynomial of `power`, triangular kernel, bandwidth `h`.

    psi are the row contributions to the error of each limit (weight x residual), with an HC1 factor per side.
    """
    limits = []
    for side in (x >= 0, x < 0):
        near = side & (np.abs(x) < h)
        weight = 1 - np.abs(x[near]) / h
        basis = np.vander(x[near] / h, power + 1, increasing=True)
        gram = basis.T @ (basis * weight[:, None])
        if near.sum() <= power + 1 or np.linalg.cond(gram) > 1e12:
            limits.append((np.nan, np.zeros(len(x)), int(near.sum())))
            continue
        rows = np.linalg.solve(gram, (basis * weight[:, None]).T)
        beta = rows @ y[near]
        psi = np.zeros(len(x))
        factor = np.sqrt(near.sum() / (near.sum() - power - 1))
        psi[near] = rows[0] * (y[near] - basis @ beta) * factor
        limits.append((float(beta[0]), psi, int(near.sum())))
    (above, psi_above, n_above), (below, psi_below, n_below) = limits
    return Jump(above, below, psi_above, psi_below, n_above, n_below)


def _effect(jump: Jump, groups: np.ndarray, options: RdOptions) -> tuple[float, float, float]:
    """Effect on the link scale, clustered standard error, degrees of freedom."""
    inside, outside = (jump.above, jump.below) if options.treated_above else (jump.below, jump.above)
    psi_in, psi_out = (jump.psi_above, jump.psi_below) if options.treated_above else (jump.psi_below, jump.psi_above)
    if options.relative:
        if not (inside > 0 and outside > 0):
            raise refuse(
                "discontinuity",
                f"the limits at the cut-off are {inside:.4g} and {outside:.4g}, so no ratio exists",
                "RdOptions(relative=False)",
            )
        ratio, psi = delta_ratio(inside, outside, psi_in, psi_out)
        value, psi = float(np.log(ratio)), psi / ratio
    else:
        value, psi = inside - outside, psi_in - psi_out
    sums = np.bincount(groups, weights=psi)
    used = int((sums != 0).sum())
    if used < 3:
        return value, float("nan"), 1.0
    scale = used / (used - 1) if used < len(psi[psi != 0]) else 1.0
    return value, float(np.sqrt(np.sum(sums**2) * scale)), used - 4


def bandwidth(x: np.ndarray, y: np.ndarray) -> float:
    """Bandwidth with the least mean squared error of the local linear jump, with a regularised curvature.

    h = 3.4375 ((s2_above + s2_below) / (f (m2_above - m2_below)^2 + r) / n)^(1/5), triangular kernel, where f is the
    density at the cut-off, m2 the second derivatives from one-sided quadratics, r the sampling noise of their
    difference (Imbens & Kalyanaraman 2012, Rev. Econ. Stud. 79:933, eq. 4.7 and 4.8).
    """
    n = len(x)
    pilot = 1.84 * np.std(x) * n**-0.2
    near = np.abs(x) <= pilot
    f = max(near.mean() / (2 * pilot), 1e-12)
    spread = sum(_variance(y[near & side]) for side in (x >= 0, x < 0))
    cubic = np.column_stack([x >= 0, np.ones(n), x, x**2, x**3]).astype(float)
    inner = (x >= np.median(x[x < 0])) & (x <= np.median(x[x >= 0]))
    third = 6 * np.linalg.lstsq(cubic[inner], y[inner], rcond=None)[0][4] if inner.sum() > 10 else 0.0
    curve, noise = [], 0.0
    for side in (x >= 0, x < 0):
        reach = 3.56 * (_variance(y[near & side]) / (f * max(third**2, 1e-300))) ** (1 / 7) * side.sum() ** (-1 / 7)
        reach = float(np.clip(reach, pilot / 2, np.abs(x[side]).max() * 1.0001))
        rows = side & (np.abs(x) <= reach)
        curve.append(2 * np.polyfit(x[rows], y[rows], 2)[0] if rows.sum() > 5 else 0.0)
        noise += 2160 * _variance(y[near & side]) / (max(rows.sum(), 1) * reach**4)
    h = 3.4375 * (spread / (f * ((curve[0] - curve[1]) ** 2 + noise)) / n) ** 0.2
    return float(min(h, np.abs(x).max())) if np.isfinite(h) and h > 0 else float(np.abs(x).max())


def _variance(values: np.ndarray) -> float:
    return float(values.var(ddof=1)) if len(values) > 1 else 0.0


def density_jump(x: np.ndarray) -> tuple[float, float]:
    """Log density just above the cut-off less just below, and the p-value of no jump.

    McCrary (2008): histogram with bins that do not cross the cut-off, then local linear fits with triangular
    weights; variance 24/5 (1/f_above + 1/f_below) / (n h). NaN where a side is empty near the cut-off.
    """
    n = len(x)
    bin_width = 2 * np.std(x) * n**-0.5
    h = max(1.84 * np.std(x) * n**-0.2 * 1.5, 5 * bin_width)
    place = np.floor(x / bin_width).astype(int)
    bins = np.arange(int(np.floor(-h / bin_width)) + 1, int(np.floor(h / bin_width)))
    count = np.array([(place == b).sum() for b in bins])
    middle, height = (bins + 0.5) * bin_width, count / (n * bin_width)
    limits = []
    for side in (middle > 0, middle < 0):
        weight = np.sqrt(1 - np.abs(middle[side]) / h)
        basis = np.column_stack([np.ones(side.sum()), middle[side]]) * weight[:, None]
        limits.append(float(np.linalg.lstsq(basis, height[side] * weight, rcond=None)[0][0]))
    above, below = limits
    if above <= 0 or below <= 0:
        return float("nan"), 0.0 if max(above, below) > 0 else float("nan")
    error = np.sqrt(4.8 * (1 / above + 1 / below) / (n * h))
    jump = float(np.log(above / below))
    return jump, float(2 * special.ndtr(-abs(jump) / error))


def _sensitivity(
    x: np.ndarray, y: np.ndarray, h: float, groups: np.ndarray, options: RdOptions
) -> list[tuple[Any, ...]]:
    link = "log" if options.relative else "identity"
    rows = []
    for factor, name in ((0.5, "at half the bandwidth"), (2.0, "at double the bandwidth")):
        jump = local_jump(x, y, factor * h, 2)
        if np.isfinite(jump.above) and np.isfinite(jump.below):
            try:
                centre, error, freedom = _effect(jump, groups, options)
            except DesignError:
                continue
            half = t_critical(options.level, freedom) * error
            rows.append((name, *(float(from_link(centre + s * half, link)) for s in (0, -1, 1))))
    return rows


def _bins(x: np.ndarray, y: np.ndarray, h: float, cutoff: float) -> pd.DataFrame:
    """Mean outcome in twelve bins each side for drawing; the counterfactual and effect columns do not apply (NaN)."""
    near = np.abs(x) < 2 * h
    place = np.floor(x[near] / (h / 6)).astype(int)
    table = pd.DataFrame({"place": place, "y": y[near]}).groupby("place")["y"].agg(["mean", "size"]).reset_index()
    return pd.DataFrame(
        {"period": cutoff + (table["place"] + 0.5) * h / 6, "observed": table["mean"], "rows": table["size"]}
    )
