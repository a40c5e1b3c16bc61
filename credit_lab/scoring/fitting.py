"""Fitting a scorecard: bins, logistic regression, points.

Two kinds of card:

woe    one coefficient per feature on its WOE, by maximum likelihood (statsmodels) with full inference, or with an L2
       penalty (scikit-learn). Coefficients must be negative, since more WOE is less risk.
joint  one effect per pre-bin of every feature, all estimated together: a multiple of the feature's WOE, and steps
       between neighbouring pre-bins, both with an L2 penalty. Ranks better than WOE alone, has no p-values.
"""

import dataclasses
import math
import warnings
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
from sklearn.base import clone

from credit_lab.errors import CreditLabError
from credit_lab.scoring.binning import Binner
from credit_lab.scoring.bins import Array, FeatureBins, Ids, kinds_of
from credit_lab.scoring.optimum import Limits
from credit_lab.scoring.scorecard import COLUMNS, Scaling, Scorecard
from credit_lab.scoring.table import columns_of, target_of, weights_of

_NO_CUT = (
    "none has IV above 0: no cut leaves enough events and non-events on both sides, which is also so for a feature "
    "that separates them perfectly (look for a leak), with `limits` of fewer a cut may be found"
)


def fit(
    X: Any,
    y: Any,
    *,
    binner: Binner | None = None,
    features: list[str] | None = None,
    scaling: Scaling | None = None,
    penalty: float = 0.0,
    signs: Literal["drop", "keep", "refuse"] = "drop",
    digits: int | None = 0,
    sample_weight: Any = None,
) -> Scorecard:
    """A WOE scorecard.

    Parameters
    ----------
    X, y : table and binary target; of its two values in order the second is the event (default)
    binner : a fitted one is used as it is (so manual edits survive), otherwise it is fitted; default Binner()
    features : features to use; default all with an IV above zero, less those that after binning are copies or sums of
        others (the one with less IV goes)
    scaling : points; default 600 points at 50 : 1, 20 points to double the odds
    penalty : L2 penalty on the coefficients (half the penalty times their squares, against the log-likelihood sum);
        0 is maximum likelihood with standard errors
    signs : features whose coefficient is not negative are dropped one by one, worst first, kept, or refused
    digits : decimals of the points; None leaves them unrounded

    Raises
    ------
    CreditLabError
        As `Binner.fit`; no feature left; separation (use a penalty or `low_default.firth`).
    """
    columns = columns_of(X)
    target, classes = target_of(y, len(next(iter(columns.values()))))
    weights = weights_of(sample_weight, target)
    binner = binner or Binner()
    if not hasattr(binner, "bins_"):
        binner = binner.fit(X, y, sample_weight)
    columns = columns_of(X, kinds_of(binner.bins_.values()))
    chosen = list(features) if features is not None else [n for n, bins in binner.bins_.items() if bins.iv > 0]
    unknown = [name for name in chosen if name not in binner.bins_]
    if unknown:
        raise CreditLabError(f"feature {unknown[0]!r} has no bins; features: {', '.join(binner.bins_)}")
    ids = {name: binner.bin_ids(binner.bins_[name], columns[name]) for name in chosen}
    woe = {name: binner.bins_[name].woe[places] for name, places in ids.items()}
    dropped: list[str] = []
    copies = _copies(woe, binner) if penalty == 0 and features is None else []
    chosen = [name for name in chosen if name not in copies]
    while True:
        if not chosen:
            raise CreditLabError(
                "no feature left for the card: " + (f"wrong sign of {', '.join(dropped)}" if dropped else _NO_CUT)
            )
        table = coefficients(pd.DataFrame({name: woe[name] for name in chosen}), target, weights, penalty=penalty)
        slopes = table["coefficient"].to_numpy()[1:]
        if signs == "keep" or (slopes < 0).all():
            break
        worst = chosen[int(slopes.argmax())]
        if signs == "refuse":
            raise CreditLabError(
                f"feature {worst!r} has coefficient {slopes.max():.3f}: more WOE would mean more risk; "
                "leave it out or say signs='drop'"
            )
        dropped.append(worst)
        chosen.remove(worst)
    scaling = scaling or Scaling()
    exact = Scorecard(
        tuple(binner.bins_[name] for name in chosen),
        {name: -scaling.factor * slope * binner.bins_[name].woe for name, slope in zip(chosen, slopes, strict=True)},
        float(scaling.score(table["coefficient"].iloc[0])),
        scaling, table, "woe",
        _facts(target, weights, classes, penalty, dropped) | {"dropped_as_copies": copies},
    )  # fmt: skip
    return _round(exact, ids, digits)


def _copies(woe: Mapping[str, Array], binner: Binner) -> list[str]:
    """Features that are linear in those with more IV."""
    names = sorted(woe, key=lambda name: -binner.bins_[name].iv)
    if not names:
        return []
    design = np.column_stack([np.ones(len(woe[names[0]])), *(woe[name] for name in names)])
    if _surely_whole(design):
        return []
    triangle, whole = _triangle(design)
    if whole:
        return []
    pivots = np.zeros(len(names) + 1)  # with fewer rows than columns the last columns depend on the others
    pivots[: len(triangle)] = np.abs(np.diag(triangle))
    scale = np.sqrt((triangle**2).sum(axis=0)).clip(1e-300)
    return [name for name, small in zip(names, (pivots / scale < 1e-9)[1:], strict=True) if small]


def _surely_whole(design: Array) -> bool:
    """Whether the columns are far from dependent: with columns of length one, the least singular value above 0.001.

    From the products of the columns, a tenth of the work of a QR decomposition; what is not sure is looked at by it.
    """
    products = design.T @ design
    length = np.sqrt(np.diag(products))
    if len(design) < design.shape[1] or not (length > 0).all():
        return False
    return bool(np.linalg.eigvalsh(products / np.outer(length, length))[0] > 1e-6)


def _triangle(design: Array) -> tuple[Array, bool]:
    """R of the QR decomposition, with the singular values and column norms of the design, and whether it has full rank
    by numpy's tolerance for the design: one pass over the rows instead of a singular value decomposition of them."""
    triangle = np.asarray(np.linalg.qr(design, mode="r"), dtype=np.float64)
    values = np.linalg.svd(triangle, compute_uv=False)
    small = values[0] * max(design.shape) * np.finfo(np.float64).eps
    return triangle, len(design) >= design.shape[1] and bool(values[-1] > small)


def coefficients(woe: pd.DataFrame, target: Array, weights: Array, *, penalty: float = 0.0) -> pd.DataFrame:
    """Logistic regression of the target on the columns: term, coefficient, standard_error, z, p_value, low, high.

    Rows with weights count as so many rows (frequency weights).

    Raises
    ------
    CreditLabError
        No convergence, or perfect separation.
    """
    if penalty > 0:
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=5000).fit(woe, target, weights)
        values = np.append(model.intercept_, model.coef_[0])
        return pd.DataFrame({"term": ["(intercept)", *woe.columns], "coefficient": values}).reindex(columns=COLUMNS)
    import statsmodels.api as sm
    from statsmodels.tools.sm_exceptions import ConvergenceWarning, PerfectSeparationError, PerfectSeparationWarning

    design = np.column_stack([np.ones(len(woe)), woe.to_numpy()])
    spread = np.ptp(design[:, 1:], axis=0)
    if (spread == 0).any():
        raise CreditLabError(f"feature {woe.columns[spread.argmin()]!r} has one value for all rows; leave it out")
    if not (_surely_whole(design) or _triangle(design)[1]):
        raise CreditLabError("some features are copies or sums of others after binning; drop them or use a penalty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.simplefilter("error", PerfectSeparationWarning)
            if (weights == 1).all():
                result = sm.Logit(target, design, check_rank=False).fit(method="newton", maxiter=100, disp=False)
                converged = result.mle_retvals["converged"]
            else:
                family = sm.families.Binomial()
                result = sm.GLM(target, design, family=family, freq_weights=weights).fit(maxiter=100, tol=1e-12)
                converged = result.converged
    except (PerfectSeparationError, PerfectSeparationWarning, np.linalg.LinAlgError):
        converged = False
    if not converged:
        raise CreditLabError(
            "no maximum of the likelihood: some features separate events from non-events; "
            "use fewer features, a penalty, or low_default.firth"
        )
    interval = result.conf_int()
    return pd.DataFrame(
        {
            "term": ["(intercept)", *woe.columns],
            "coefficient": result.params,
            "standard_error": result.bse,
            "z": result.tvalues,
            "p_value": result.pvalues,
            "low": interval[:, 0],
            "high": interval[:, 1],
        }
    )


def fit_joint(
    X: Any,
    y: Any,
    *,
    binner: Binner | None = None,
    scaling: Scaling | None = None,
    penalty: float = 30.0,
    digits: int | None = 0,
    sample_weight: Any = None,
) -> Scorecard:
    """A joint scorecard: the points of all pre-bins of all features estimated together.

    A feature's effect is a multiple of its WOE after optimal binning plus a step at each boundary of its pre-bins and
    an amount for each category and each special or missing bin. Both have L2 penalties, on the WOE twice as large, so
    that an effect leaves the line of the WOE only where the data ask for it.

    Parameters
    ----------
    penalty : L2 penalty on the steps, see `fit`. The default was set once for four public data sets.
    binner : settings of the bins; default Binner()
    others : as `fit`

    Raises
    ------
    CreditLabError
        As `Binner.fit`; a penalty that is not above zero; no feature with two bins.
    """
    columns = columns_of(X)
    target, classes = target_of(y, len(next(iter(columns.values()))))
    weights = weights_of(sample_weight, target)
    if not penalty > 0:
        raise CreditLabError(f"penalty {penalty}: a joint card needs a penalty above zero")
    settings = binner or Binner()
    fine = clone(settings).set_params(optimise=False).fit(X, y, sample_weight)
    limits = settings.limits or Limits()
    if limits.min_events is None:  # pre-bins carry the cuts already; the line beside them needs bins that are sure
        limits = dataclasses.replace(limits, min_events=5.0)
    best = clone(settings).set_params(optimise=True, limits=limits).fit(X, y, sample_weight)
    features = [bins for bins in fine.bins_.values() if (bins.counts.sum(axis=1) > 0).sum() > 1]
    if not features:
        raise CreditLabError("no feature has more than one bin; there is nothing to score by")
    ids = [bins.ids(columns[bins.name]) for bins in features]
    codings = []
    for bins, places in zip(features, ids, strict=True):
        woe = np.zeros(len(bins.counts))
        woe[places] = best.bins_[bins.name].woe[best.bins_[bins.name].ids(columns[bins.name])]
        codings.append(np.column_stack([woe, _thermometer(bins)]))
    design = np.hstack([coding[places] for coding, places in zip(codings, ids, strict=True)])
    ridge = np.concatenate([np.append(2 * penalty, np.full(c.shape[1] - 1, penalty)) for c in codings])
    beta = _ridge(design, target, weights, ridge)
    scaling = scaling or Scaling()
    points, at, intercept = {}, 1, beta[0]
    for bins, coding in zip(features, codings, strict=True):
        effects = coding @ beta[at : at + coding.shape[1]]
        at += coding.shape[1]
        shares = bins.counts.sum(axis=1) / bins.counts.sum()
        intercept += shares @ effects
        points[bins.name] = -scaling.factor * np.where(shares > 0, effects - shares @ effects, 0.0)
    table = pd.DataFrame({"term": ["(intercept)"], "coefficient": [intercept]}).reindex(columns=COLUMNS)
    exact = Scorecard(
        tuple(features), points, float(scaling.score(intercept)), scaling, table, "joint",
        _facts(target, weights, classes, penalty, []),
    )  # fmt: skip
    return _round(exact, dict(zip(points, ids, strict=True)), digits)


def _ridge(design: Array, target: Array, weights: Array, ridge: Array) -> Array:
    """Logistic regression with an L2 penalty for each column; intercept first."""
    from scipy.optimize import minimize

    centre = (weights @ design) / weights.sum()
    centred = design - centre

    def loss(beta: Array) -> tuple[float, Array]:
        logit = centred @ beta[1:] + beta[0]
        residual = weights * (1 / (1 + np.exp(-logit)) - target)
        value = weights @ (np.logaddexp(0, logit) - target * logit) + (ridge * beta[1:] ** 2).sum() / 2
        return value / len(target), np.append(residual.sum(), centred.T @ residual + ridge * beta[1:]) / len(target)

    start = np.append(math.log(weights @ target / (weights @ (1 - target))), np.zeros(design.shape[1]))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 3000, "ftol": 1e-12, "gtol": 1e-7})
    return np.append(found.x[0] - centre @ found.x[1:], found.x[1:])


def _thermometer(bins: FeatureBins) -> Array:
    """Rows: bins; columns: one step per boundary of ordered bins, one indicator for each other bin with rows."""
    number = len(bins.counts)
    ordered = len(set(bins.intervals)) if bins.kind == "number" else 0
    steps = np.arange(number)[:, None] >= np.arange(1, ordered)[None, :]
    steps[ordered:] = False
    apart = [i for i in range(ordered, number) if bins.counts[i].sum() > 0]
    return np.hstack([steps, np.arange(number)[:, None] == np.array(apart, dtype=int)[None, :]]).astype(np.float64)


def _facts(target: Array, weights: Array, classes: Any, penalty: float, dropped: list[str]) -> dict[str, Any]:
    return {
        "rows": len(target),
        "events": int(target.sum()),
        "weighted": bool((weights != 1).any()),
        "event": str(classes[1]),
        "penalty": penalty,
        "dropped_for_sign": dropped,
    }


def _round(card: Scorecard, ids: Mapping[str, Ids], digits: int | None) -> Scorecard:
    """Rounded points, with what the rounding does to scores and to the order of customers in `facts`."""
    if digits is None:
        return card
    rounded = card.rounded(digits)
    exact, new = (
        sum((one.points[name][ids[name]] for name in one.points), start=np.full(1, one.base_points))
        for one in (card, rounded)
    )
    order = np.lexsort((new, exact))  # those level before rounding are in no order that could turn
    loss = {
        "digits": digits,
        "largest_difference": float(np.abs(exact - new).max()),
        "mean_difference": float(np.abs(exact - new).mean()),
        "neighbours_swapped": float((np.diff(new[order]) < 0).mean()) if len(new) > 1 else 0.0,
    }
    return dataclasses.replace(rounded, facts={**card.facts, "rounding": loss})
