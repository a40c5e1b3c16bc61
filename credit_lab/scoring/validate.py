"""How well a risk ranks and how right its probabilities are, with intervals.

Everywhere `risk` is higher for riskier customers (a default probability, or minus a score) and `target` is 1 for an
event. Splits that show what a card does on people and times it has not seen are in `splits`.

References
----------
DeLong, E. R., DeLong, D. M. & Clarke-Pearson, D. L. (1988). Biometrics 44, 837-845.
Hand, D. J. & Anagnostopoulos, C. (2014). A better Beta for the H measure. Pattern Recognition Letters 40, 41-46.
Murphy, A. H. (1973). A new vector partition of the probability score. J. Applied Meteorology 12, 595-600.
Engelmann, B., Hayden, E. & Tasche, D. (2003). Testing rating accuracy. Risk 16, 82-86 (CAP and ROC).
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from credit_lab.errors import CreditLabError
from credit_lab.scoring.bins import Array, Ids
from credit_lab.scoring.table import target_of


def checked(target: Any, risk: Any) -> tuple[Array, Array]:
    """Target as 0 and 1 and risk as floats.

    Raises
    ------
    CreditLabError
        Other lengths, one class only, missing risks.
    """
    values = np.asarray(risk, dtype=np.float64).ravel()
    binary, _ = target_of(target, len(values))
    if np.isnan(values).any():
        raise CreditLabError(
            f"the risk is missing in {np.isnan(values).sum()} of {len(values)} rows; score or drop them"
        )
    return binary, values


def _ranks(values: Array) -> Array:
    """Mid-ranks from 1."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[inverse]


def _placements(target: Array, risk: Array) -> tuple[Array, Array]:
    """Share of the other class ranked right, for each event and each non-event (ties count half)."""
    events, others = risk[target > 0], risk[target == 0]
    ranks = _ranks(np.append(events, others))
    m, n = len(events), len(others)
    return (ranks[:m] - _ranks(events)) / n, 1 - (ranks[m:] - _ranks(others)) / m


def risk_groups(risk: Any, groups: int) -> Ids:
    """Group of each row, counted from 0, when rows are cut by risk into at most `groups` groups.

    Cuts lie between different risks only: rows of one risk share a group, so the order of the rows
    does not matter. A risk belongs to the k-th group where the middle of its rows, counted from the
    lowest risk, lies in the k-th of `groups` equal parts. Without ties the groups are of equal size;
    with them there are as many as have rows.

    >>> risk_groups([0.2, 0.1, 0.1, 0.3], 3).tolist()
    [1, 0, 0, 2]

    Parameters
    ----------
    risk : number per row, none missing
    groups : most groups

    References
    ----------
    Bertolini, G. et al. (2000). One model, several results: the paradox of the Hosmer-Lemeshow
    goodness-of-fit test. J. Epidemiology and Biostatistics 5, 251-253 (what splitting ties does).
    """
    values = np.asarray(risk, dtype=np.float64)
    part = (2 * _ranks(values) - 1) * groups // (2 * len(values))
    return np.unique(part, return_inverse=True)[1].astype(np.int64)


def auc(target: Any, risk: Any) -> float:
    """Area under the ROC curve: chance that an event has the higher risk than a non-event, ties half.

    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    return float(_placements(*checked(target, risk))[0].mean())


def gini(target: Any, risk: Any) -> float:
    """Gini coefficient = accuracy ratio = 2 AUC - 1 (基尼系数)."""
    return 2 * auc(target, risk) - 1


def delong(target: Any, *risks: Any, level: float = 0.95) -> pd.DataFrame:
    """AUC of one or several risks of the same rows: auc, standard_error, low, high (DeLong; on the logit scale).

    With more than one risk the columns difference, difference_low, difference_high and p_value compare each with the
    first (paired).
    """
    from scipy import stats

    parts = [_placements(*checked(target, risk)) for risk in risks]
    events, others = np.array([part[0] for part in parts]), np.array([part[1] for part in parts])
    if min(events.shape[1], others.shape[1]) < 2:
        raise CreditLabError("an interval for the AUC needs at least two events and two non-events")
    areas = events.mean(axis=1)
    covariance = np.atleast_2d(np.cov(events)) / events.shape[1] + np.atleast_2d(np.cov(others)) / others.shape[1]
    error, z = np.sqrt(np.diag(covariance)), stats.norm.ppf(0.5 + level / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        logit, width = np.log(areas / (1 - areas)), z * error / (areas * (1 - areas))
    inside = (areas > 0) & (areas < 1)
    low = np.where(inside, 1 / (1 + np.exp(-(logit - width))), areas)
    high = np.where(inside, 1 / (1 + np.exp(-(logit + width))), areas)
    table = pd.DataFrame({"auc": areas, "standard_error": error, "low": low, "high": high})
    if len(risks) > 1:
        difference = areas - areas[0]
        spread = np.sqrt(np.maximum(np.diag(covariance) + covariance[0, 0] - 2 * covariance[0], 0))
        table["difference"] = difference
        table["difference_low"], table["difference_high"] = difference - z * spread, difference + z * spread
        with np.errstate(divide="ignore", invalid="ignore"):
            table["p_value"] = 2 * stats.norm.sf(np.abs(difference) / spread)
        table.loc[0, ["difference_low", "difference_high", "p_value"]] = np.nan
    return table


def roc(target: Any, risk: Any) -> pd.DataFrame:
    """ROC curve: threshold (risk at or above it is refused), false_positive, true_positive, approved."""
    binary, values = checked(target, risk)
    thresholds, inverse = np.unique(-values, return_inverse=True)
    bad = np.bincount(inverse, weights=binary, minlength=len(thresholds)).cumsum()
    good = np.bincount(inverse, weights=1 - binary, minlength=len(thresholds)).cumsum()
    return pd.DataFrame(
        {
            "threshold": np.append(np.inf, -thresholds),
            "false_positive": np.append(0, good) / good[-1],
            "true_positive": np.append(0, bad) / bad[-1],
            "approved": 1 - np.append(0, good + bad) / len(values),
        }
    )


def ks(target: Any, risk: Any) -> float:
    """Kolmogorov-Smirnov distance: the largest gap between true and false positive rates."""
    curve = roc(target, risk)
    return float((curve["true_positive"] - curve["false_positive"]).abs().max())


def cap(target: Any, risk: Any) -> pd.DataFrame:
    """Cumulative accuracy profile: share of customers (riskiest first), share of events among them, lift (ratio)."""
    curve = roc(target, risk)
    share = 1 - curve["approved"]
    with np.errstate(invalid="ignore"):
        lift = curve["true_positive"] / share
    return pd.DataFrame({"share": share, "events": curve["true_positive"], "lift": lift})


def brier(target: Any, probability: Any) -> float:
    """Mean squared difference of probability and outcome."""
    binary, values = checked(target, probability)
    return float(((values - binary) ** 2).mean())


def h_measure(target: Any, risk: Any) -> float:
    """H measure: 1 - expected loss / loss of the best constant decision, over costs c ~ Beta(1 + p1, 1 + p0).

    c is the cost of refusing a good customer, 1 - c that of accepting a bad one, p1 and p0 the class shares. Unlike the
    AUC the distribution of costs does not depend on the card.
    """
    from scipy import stats

    binary, _ = checked(target, risk)
    curve, p1 = roc(target, risk), binary.mean()
    x, y = _hull(curve["false_positive"].to_numpy(), curve["true_positive"].to_numpy())
    a, b = 1 + p1, 2 - p1
    first, second = stats.beta(a + 1, b), stats.beta(a, b + 1)

    def loss(false: Array, true: Array, cuts: Array) -> float:
        """Each vertex is best for costs between its two cuts."""
        with_c = np.diff(first.cdf(cuts)) * a / (a + b)
        with_rest = np.diff(second.cdf(cuts)) * b / (a + b)
        return float((with_c * (1 - p1) * false + with_rest * p1 * (1 - true)).sum())

    rise, run = np.diff(y), np.diff(x)
    cuts = np.concatenate([[1.0], p1 * rise / (p1 * rise + (1 - p1) * run), [0.0]])[::-1]
    reference = loss(np.array([1.0, 0.0]), np.array([1.0, 0.0]), np.array([0.0, p1, 1.0]))
    return 1 - loss(x[::-1], y[::-1], cuts) / reference


def _hull(x: Array, y: Array) -> tuple[Array, Array]:
    """Upper convex hull of a ROC curve."""
    kept: list[int] = []
    for i in range(len(x)):
        while len(kept) >= 2:
            a, b = kept[-2], kept[-1]
            if (x[b] - x[a]) * (y[i] - y[a]) - (y[b] - y[a]) * (x[i] - x[a]) < 0:
                break
            kept.pop()
        kept.append(i)
    return x[kept], y[kept]


def calibration_curve(target: Any, probability: Any, *, groups: int = 10) -> pd.DataFrame:
    """By `risk_groups`: rows, mean probability, event_rate with its 95 % Jeffreys interval (low, high)."""
    from scipy import stats

    binary, values = checked(target, probability)
    place = risk_groups(values, groups)
    table = (
        pd.DataFrame({"p": values, "y": binary})
        .groupby(place)
        .agg(rows=("y", "size"), probability=("p", "mean"), events=("y", "sum"), event_rate=("y", "mean"))
    )
    posterior = stats.beta(table["events"] + 0.5, table["rows"] - table["events"] + 0.5)
    return table.assign(low=posterior.ppf(0.025), high=posterior.ppf(0.975)).reset_index(drop=True)


METRICS: Mapping[str, Callable[[Any, Any], float]] = MappingProxyType({
    "auc": auc, "gini": gini, "ks": ks, "h_measure": h_measure, "brier": brier,
})  # fmt: skip


def bootstrap(
    target: Any,
    risk: Any,
    metric: Callable[[Any, Any], float],
    *,
    seed: int,
    repeats: int = 500,
    level: float = 0.95,
    groups: Any = None,
) -> tuple[float, float]:
    """Percentile interval of a metric; `groups` (customers) are drawn whole, so that repeated rows count once.

    Rows are drawn from an order of their own (by customer, else by risk and outcome), so that the
    order they came in does not matter.
    """
    binary, values = checked(target, risk)
    codes = np.zeros(len(values)) if groups is None else pd.factorize(np.asarray(groups), sort=True)[0]
    order = np.lexsort((binary, values, codes))
    codes = np.arange(len(values)) if groups is None else codes
    starts = np.append(0, np.cumsum(np.bincount(codes)))
    generator, found = np.random.default_rng(seed), []
    for _ in range(repeats):
        drawn = generator.integers(0, len(starts) - 1, len(starts) - 1)
        lengths = starts[drawn + 1] - starts[drawn]
        ends = np.cumsum(lengths)
        rows = order[np.repeat(starts[drawn] - (ends - lengths), lengths) + np.arange(ends[-1])]
        if 0 < binary[rows].sum() < len(rows):
            found.append(metric(binary[rows], values[rows]))
    if len(found) < 0.9 * repeats:
        raise CreditLabError("too few events for a bootstrap interval: more than 10 % of the samples hold one class")
    low, high = np.quantile(found, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


def report(target: Any, probability: Any, *, seed: int = 0, repeats: int = 200, groups: Any = None) -> pd.DataFrame:
    """Every metric with its interval: metric, value, low, high; no interval where events are too few for one.

    AUC and Gini by DeLong, the others by bootstrap; with `groups` all by bootstrap.
    """
    rows = []
    for name, metric in METRICS.items():
        try:
            if name in ("auc", "gini") and groups is None:
                area = delong(target, probability).iloc[0]
                low, high = (2 * area[e] - 1 if name == "gini" else area[e] for e in ("low", "high"))
            else:
                low, high = bootstrap(target, probability, metric, seed=seed, repeats=repeats, groups=groups)
        except CreditLabError:  # too few events
            low = high = np.nan
        rows.append((name, metric(target, probability), low, high))
    return pd.DataFrame(rows, columns=["metric", "value", "low", "high"])
