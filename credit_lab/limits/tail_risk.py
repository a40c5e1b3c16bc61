"""Unexpected loss (非预期损失) of a portfolio, and limits that keep it within a budget.

One market factor, one factor per sector, Gaussian (Vasicek 2002), simulated on common random numbers: the same seed
gives the same shocks whatever the limits.

References
----------
Vasicek, O. (2002). The distribution of loan portfolio value. Risk 15(12), 160-162.
Rockafellar, R. T. & Uryasev, S. (2000). Optimization of conditional value-at-risk. Journal of Risk 2, 21-41.
Kelley, J. E. (1960). The cutting-plane method for solving convex programs. J. SIAM 8, 703-712.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab.compiled import njit
from credit_lab.limits.exposures import LimitsError
from credit_lab.limits.portfolio import Budgets, Portfolio, optimise

Floats = npt.NDArray[np.float64]
Model = tuple[Any, ...]
_BLOCK = 32  # customers of like default probability that are looked at together


@dataclass(frozen=True)
class Tail:
    """Budget for unexpected loss: mean loss of the worst (1 − level) of the scenarios less expected loss, money.

    The mean beyond the quantile is never below it, so the quantile keeps the budget as well; unlike the quantile it is
    convex in the limits, so the best limits under it can be found for certain.
    """

    most: float
    loss_given_default: float
    level: float = 0.99
    correlation: float = 0.12
    sector_correlation: float = 0.06
    scenarios: int = 20_000
    seed: int = 0


def optimise_within(
    customers: pd.DataFrame, budgets: Budgets, tail: Tail, *, gap: float = 1e-3, rounds: int = 200
) -> Portfolio:
    """Limits of highest expected profit whose unexpected loss keeps a budget (on the scenarios of the seed).

    The mean loss of the worst scenarios of one set of limits, taken per unit of each limit, bounds the tail of every
    other set from below. Each round adds such bounds, at the solution of the linear program (whose profit nothing can
    exceed) and half-way from it to the best set known to keep the budget, until the two differ by `gap` at most.

    Parameters
    ----------
    customers : as `portfolio.optimise`, and pd_12m and sector (a number from 0)

    Returns
    -------
    Portfolio
        its `gap` as reached; the price of the budget in the last row of `prices`, named "unexpected loss"

    Raises
    ------
    LimitsError
        As `portfolio.optimise`; a budget below zero, minimum limits whose tail is above it, together with a smallest
        limit, or the gap not reached in so many rounds.
    """
    if not tail.most >= 0:
        raise LimitsError(f"unexpected loss: the budget {tail.most} must be a number, zero or above")
    if budgets.smallest > 0:
        raise LimitsError("unexpected loss: its budget and a smallest limit cannot be asked for together")
    p, sector = customers["pd_12m"].to_numpy(dtype=float), customers["sector"].to_numpy(dtype=np.int64)
    model = _model(p, sector, tail.correlation, tail.sector_correlation, tail.scenarios, tail.seed)
    worst = max(round((1 - tail.level) * tail.scenarios), 1)

    def tail_of(limits: Floats) -> tuple[float, Floats]:
        losses = _losses(limits, *model)
        bad = np.argpartition(losses, len(losses) - worst)[-worst:]
        weight = tail.loss_given_default * (_shares(np.sort(bad), *model) - p)
        return float(limits @ weight), weight

    least = customers["minimum"].to_numpy(dtype=float) if "minimum" in customers else np.zeros(len(p))
    needed, weight = tail_of(least)
    if needed > tail.most * (1 + 1e-9):
        raise LimitsError(f"unexpected loss: that of the minimum limits is {needed:,.0f}, the budget {tail.most:,.0f}")
    cuts, best = [("unexpected loss", weight, tail.most)], least
    rate = customers["profit_rate"].to_numpy(dtype=float)
    for _ in range(rounds):
        found = optimise(customers, replace(budgets, cuts=(*budgets.cuts, *cuts)))
        granted = found.limits["credit_limit"].to_numpy()
        for point in (granted, (granted + best) / 2):
            used, weight = tail_of(point)
            cuts.append(("unexpected loss", weight, tail.most))
            # the tail is convex: on the way from the minimum to the point it lies below the straight line
            share = 1.0 if used <= tail.most else (tail.most - needed) / (used - needed)
            kept = least + share * (point - least)
            best = kept if kept @ rate > best @ rate else best
        reached = (found.profit - float(best @ rate)) / max(abs(found.profit), 1e-12)
        if reached <= gap:
            return _kept(found, customers, best, tail_of(best)[0], tail.most, max(reached, 0.0))
    raise LimitsError(f"unexpected loss: after {rounds} rounds still {reached:.2%} from the optimum; allow more")


def _kept(found: Portfolio, customers: pd.DataFrame, best: Floats, used: float, most: float, gap: float) -> Portfolio:
    """The best limits known to keep the budget; the bounds of all rounds are one constraint, its price their sum."""
    loss = best * customers["loss_rate"].to_numpy(dtype=float)
    profit = best * customers["profit_rate"].to_numpy(dtype=float)
    ours = found.prices["constraint"] == "unexpected loss"
    row = {"constraint": "unexpected loss", "used": used, "bound": most, "price": found.prices.loc[ours, "price"].sum()}
    return Portfolio(
        found.limits.assign(credit_limit=best, profit=profit, expected_loss=loss),
        float(profit.sum()), float(loss.sum()), float(best.sum()),
        pd.concat([found.prices[~ours], pd.DataFrame([row])], ignore_index=True), gap,
    )  # fmt: skip


def unexpected_loss(
    exposures: Floats,
    default_probability: Floats,
    sector: npt.NDArray[np.int64],
    *,
    loss_given_default: float,
    correlation: float = 0.12,
    sector_correlation: float = 0.06,
    scenarios: int = 100_000,
    level: float = 0.99,
    seed: int = 0,
) -> pd.Series:
    """Loss quantile under common shocks: customer i defaults if √ρ_m M + √ρ_s S_sector + √(1 − ρ_m − ρ_s) ε_i falls
    below Φ⁻¹(PD_i); M and S are drawn per scenario, given them defaults are independent.

    The same seed gives the same shocks whatever the limits, so two portfolios are compared on the same scenarios.

    Returns
    -------
    Series
        expected_loss, quantile, standard_error (of the quantile, by its density), unexpected_loss (quantile −
        expected), expected_shortfall (mean loss beyond the quantile)

    Raises
    ------
    LimitsError
        Lengths that differ, probabilities or correlations out of range.
    """
    e, p, s = np.asarray(exposures, float), np.asarray(default_probability, float), np.asarray(sector, np.int64)
    if not (len(e) == len(p) == len(s)) or not ((p >= 0) & (p <= 1)).all() or (e < 0).any() or (s < 0).any():
        raise LimitsError("unexpected loss: exposures and probabilities of one length, in range, and sector numbers")
    if not (correlation >= 0 and sector_correlation >= 0 and correlation + sector_correlation < 1):
        raise LimitsError("unexpected loss: the correlations must be nonnegative and add up to less than 1")
    losses = _losses(e * loss_given_default, *_model(p, s, correlation, sector_correlation, scenarios, seed))
    losses.sort()
    at = int(np.ceil(level * scenarios)) - 1
    quantile = losses[at]
    spread = max(int(scenarios**0.5), 1)  # quantile error from order statistics around it
    low, high = max(at - spread, 0), min(at + spread, scenarios - 1)
    density = (high - low) / scenarios / max(losses[high] - losses[low], 1e-300)
    error = np.sqrt(level * (1 - level) / scenarios) / density
    expected = float(e @ p * loss_given_default)
    return pd.Series(
        {"expected_loss": expected, "quantile": quantile, "standard_error": error,
         "unexpected_loss": quantile - expected, "expected_shortfall": losses[at:].mean()}
    )  # fmt: skip


def _model(
    p: Floats, sector: npt.NDArray[np.int64], correlation: float, sector_correlation: float, scenarios: int, seed: int
) -> Model:
    """Thresholds, shocks and loads, as the kernels take them."""
    from scipy import special

    rng = np.random.default_rng(seed)
    market = rng.standard_normal(scenarios)
    shocks = rng.standard_normal((scenarios, int(sector.max()) + 1 if len(sector) else 1))
    threshold = special.ndtri(np.clip(p, 1e-300, 1 - 1e-16))
    left = np.sqrt(1 - correlation - sector_correlation)
    order = np.lexsort((threshold, sector))
    fresh = np.flatnonzero(np.diff(sector[order], prepend=-1))  # blocks end with their sector
    ends = np.unique(
        np.concatenate([np.arange(_BLOCK, len(p), _BLOCK), fresh[1:], [len(p)][: len(p)]]).astype(np.int64)
    )
    return (
        threshold, sector, order, ends, market, shocks, np.sqrt(correlation), np.sqrt(sector_correlation), left,
        np.uint64(seed * 2 + 1),
    )  # fmt: skip


@njit()
def _normal(z):  # type: ignore[no-untyped-def] # pragma: no cover
    return 0.5 * math.erfc(-z * 0.7071067811865476)


@njit()
def _defaults(j, threshold, sector, order, ends, market, shocks, load, sector_load, left, key, failed):  # type: ignore[no-untyped-def] # pragma: no cover
    """Who defaults in scenario j; idiosyncratic draws from a counter, so that no array of customers x scenarios is
    held. Customers of a block share a sector and a like probability: a draw above the largest one settles nearly all
    of them without a normal integral."""
    number = shocks.shape[1]
    shared = np.empty(number)
    for k in range(number):
        shared[k] = load * market[j] + sector_load * shocks[j, k]
    state = key * np.uint64(0x9E3779B97F4A7C15) + np.uint64(j + 1) * np.uint64(0xD1B54A32D192ED03)
    begin = 0
    for end in ends:
        at = shared[sector[order[end - 1]]]
        most = _normal((threshold[order[end - 1]] - at) / left) + 1e-12  # more than rounding takes away
        for k in range(begin, end):
            i = order[k]
            x = state + np.uint64(i + 1) * np.uint64(0x9E3779B97F4A7C15)
            x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            x = x ^ (x >> np.uint64(31))
            draw = (x >> np.uint64(11)) * 1.1102230246251565e-16
            failed[i] = draw < most and draw < _normal((threshold[i] - at) / left)
        begin = end


@njit()
def _losses(weight, threshold, sector, order, ends, market, shocks, load, sector_load, left, key):  # type: ignore[no-untyped-def] # pragma: no cover
    """Loss of each scenario."""
    result, failed = np.zeros(len(market)), np.empty(len(weight), dtype=np.bool_)
    for j in range(len(market)):
        _defaults(j, threshold, sector, order, ends, market, shocks, load, sector_load, left, key, failed)
        total = 0.0
        for i in range(len(weight)):
            if failed[i]:
                total += weight[i]
        result[j] = total
    return result


@njit()
def _shares(chosen, threshold, sector, order, ends, market, shocks, load, sector_load, left, key):  # type: ignore[no-untyped-def] # pragma: no cover
    """How often each customer defaults in the chosen scenarios."""
    result, failed = np.zeros(len(threshold)), np.empty(len(threshold), dtype=np.bool_)
    for j in chosen:
        _defaults(j, threshold, sector, order, ends, market, shocks, load, sector_load, left, key, failed)
        result += failed
    return result / len(chosen)
