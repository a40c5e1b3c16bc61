"""Few defaults: estimates that stay finite, bounds that stay prudent, and a plain word when data carry no model.

References
----------
Firth, D. (1993). Bias reduction of maximum likelihood estimates. Biometrika 80, 27-38.
Heinze, G. & Schemper, M. (2002). A solution to the problem of separation. Statistics in Medicine 21, 2409-2419.
Pluto, K. & Tasche, D. (2005). Thinking positively. Risk 18, 72-78 (upper bounds for low-default portfolios).
Gelman, A. et al. (2008). A weakly informative default prior. Annals of Applied Statistics 2, 1360-1383.
Peduzzi, P. et al. (1996). J. Clinical Epidemiology 49, 1373-1379 (events per variable).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from credit_lab.errors import CreditLabError
from credit_lab.scoring.bins import Array
from credit_lab.scoring.scorecard import COLUMNS
from credit_lab.scoring.table import target_of


def carries(events: int, rows: int, features: int) -> str:
    """What the data can carry, in words: model, penalised, pooled or bounds.

    Counts the rarer class per feature (events per variable, EPV): from 10 a logistic model is usual, from 5 a
    penalised one (Firth), from 1 and at least five events in all a card that starts from expert weights (`pooled`);
    below that only bounds on the default rate (`pluto_tasche`).

    >>> carries(3, 400, 5)
    'bounds'
    """
    rarer = min(events, rows - events)
    epv = rarer / max(features, 1)
    if epv >= 10:
        return "model"
    if epv >= 5:
        return "penalised"
    return "pooled" if epv >= 1 and rarer >= 5 else "bounds"


def firth(woe: pd.DataFrame, y: Any, *, level: float = 0.95) -> pd.DataFrame:
    """Logistic regression with Firth's penalty (Jeffreys prior): finite under separation, bias of order 1/n removed.

    Maximises log L + ln det(information) / 2; profile penalised-likelihood tests and Wald standard errors.

    Returns
    -------
    DataFrame
        term, coefficient, standard_error, z, p_value (penalised likelihood ratio), low, high (Wald)

    Raises
    ------
    CreditLabError
        Linearly dependent columns, or no convergence.
    """
    from scipy import stats

    target, _ = target_of(y, len(woe))
    design = np.column_stack([np.ones(len(woe)), woe.to_numpy(dtype=np.float64)])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise CreditLabError("some columns are copies or sums of others (or constant); drop them")
    beta, covariance, best = _firth(design, target, np.ones(design.shape[1], dtype=bool))
    error, z = np.sqrt(np.diag(covariance)), stats.norm.ppf(0.5 + level / 2)
    p_values = []
    for j in range(design.shape[1]):
        free = np.arange(design.shape[1]) != j
        p_values.append(float(stats.chi2.sf(max(0.0, 2 * (best - _firth(design, target, free)[2])), 1)))
    return pd.DataFrame(
        {
            "term": ["(intercept)", *woe.columns],
            "coefficient": beta,
            "standard_error": error,
            "z": beta / error,
            "p_value": p_values,
            "low": beta - z * error,
            "high": beta + z * error,
        }
    )[COLUMNS]


def _firth(design: Array, target: Array, free: Any) -> tuple[Array, Array, float]:
    """Coefficients, covariance and penalised log-likelihood; coefficients that are not free stay at zero."""
    beta: Array = np.zeros(design.shape[1])

    def state(beta: Array) -> tuple[Array, Array, float]:
        logit = design @ beta
        p = 1 / (1 + np.exp(-logit))
        information = design.T @ (design * (p * (1 - p))[:, None])
        sign, determinant = np.linalg.slogdet(information)
        value = float((target * logit - np.logaddexp(0, logit)).sum() + determinant / 2) if sign > 0 else -np.inf
        return p, information, value

    p, information, value = state(beta)
    for _ in range(200):
        inverse: Array = np.asarray(np.linalg.inv(information), dtype=np.float64)
        leverage = ((design @ inverse) * design).sum(axis=1) * p * (1 - p)
        gradient = design.T @ (target - p + leverage * (0.5 - p))
        if np.abs(gradient[free]).max(initial=0) < 1e-9:
            return beta, inverse, value
        step = np.zeros_like(beta)
        step[free] = np.linalg.solve(information[np.ix_(free, free)], gradient[free])
        step *= min(1.0, 5 / np.abs(step).max())
        for _ in range(30):
            new_p, new_information, new_value = state(beta + step)
            if new_value >= value - 1e-12:
                break
            step /= 2
        beta, p, information, value = beta + step, new_p, new_information, new_value
    raise CreditLabError("Firth's regression did not converge in 200 steps; look for columns of very different size")


def pooled(
    woe: pd.DataFrame,
    y: Any,
    expert: Mapping[str, float],
    *,
    spread: float = 0.5,
    intercept_spread: float = 10.0,
) -> pd.DataFrame:
    """Expert weights and data in one card: normal priors around the expert's coefficients (posterior mode).

    With no data the card is the expert's; each default moves it by what it is worth. -1 is the coefficient of a WOE
    that counts in full.

    Parameters
    ----------
    expert : prior mean of each column's coefficient
    spread : prior standard deviation: how far the expert may be off
    intercept_spread : prior standard deviation of the intercept around the sample's log odds

    Returns
    -------
    DataFrame
        as `firth`, with prior and data_share (share of the posterior precision that comes from the data)
    """
    from scipy import stats

    target, _ = target_of(y, len(woe))
    missing = [name for name in woe.columns if name not in expert]
    if missing or spread <= 0:
        raise CreditLabError(
            f"no expert weight for {missing[0]!r}" if missing else f"spread {spread}: must be above zero"
        )
    design = np.column_stack([np.ones(len(woe)), woe.to_numpy(dtype=np.float64)])
    mean = np.array([np.log(target.mean() / (1 - target.mean())), *(expert[name] for name in woe.columns)])
    precision = np.array([1 / intercept_spread**2, *([1 / spread**2] * woe.shape[1])])
    beta = mean.copy()
    for _ in range(200):
        p = 1 / (1 + np.exp(-(design @ beta)))
        information = design.T @ (design * (p * (1 - p))[:, None])
        gradient = design.T @ (target - p) - precision * (beta - mean)
        step = np.linalg.solve(information + np.diag(precision), gradient)
        beta = beta + step * min(1.0, 2 / max(np.abs(step).max(), 1e-300))
        if np.abs(gradient).max() < 1e-9 * len(target):
            break
    posterior = np.linalg.inv(information + np.diag(precision))
    error = np.sqrt(np.diag(posterior))
    return pd.DataFrame(
        {
            "term": ["(intercept)", *woe.columns],
            "coefficient": beta,
            "standard_error": error,
            "z": beta / error,
            "p_value": 2 * stats.norm.sf(np.abs(beta / error)),
            "low": beta - 1.959964 * error,
            "high": beta + 1.959964 * error,
            "prior": mean,
            "data_share": np.diag(information) / (np.diag(information) + precision),
        }
    )


def pluto_tasche(rows: Any, events: Any, *, confidence: float = 0.75, correlation: float = 0.0) -> Array:
    """Most prudent upper bound of the PD of each grade, best grade first (independent years, one period).

    The bound of a grade is the largest PD at which so few defaults in this grade and all worse ones together would
    still happen with probability 1 - confidence; with asset correlation the probability is averaged over one common
    normal factor.

    Raises
    ------
    CreditLabError
        Lengths that differ, more events than rows, empty grades, confidence or correlation outside [0, 1).

    >>> pluto_tasche([100, 400, 300], [0, 0, 0], confidence=0.9).round(4).tolist()
    [0.0029, 0.0033, 0.0076]
    """
    from scipy import optimize, stats

    n, d = np.asarray(rows, dtype=np.int64), np.asarray(events, dtype=np.int64)
    if len(n) != len(d) or len(n) == 0 or (d > n).any() or (d < 0).any() or (n <= 0).any():
        raise CreditLabError("rows and events must be of one length, rows above zero, events between 0 and the rows")
    if not (0 < confidence < 1 and 0 <= correlation < 1):
        raise CreditLabError(f"confidence {confidence} and correlation {correlation} must lie between 0 and 1")
    nodes, weights = np.polynomial.hermite_e.hermegauss(199)
    weights = weights / weights.sum()

    def chance(pd_: float, total: int, few: int) -> float:
        if correlation == 0:
            return float(stats.binom.cdf(few, total, pd_))
        shift = (stats.norm.ppf(pd_) - np.sqrt(correlation) * nodes) / np.sqrt(1 - correlation)
        return float(weights @ stats.binom.cdf(few, total, stats.norm.cdf(shift)))

    bounds = []
    for grade in range(len(n)):
        total, few = int(n[grade:].sum()), int(d[grade:].sum())
        if few == total:
            bounds.append(1.0)
            continue
        bounds.append(
            optimize.brentq(lambda x, t=total, f=few: chance(x, t, f) - (1 - confidence), 1e-12, 1 - 1e-12, xtol=1e-12)
        )
    return np.array(bounds)
