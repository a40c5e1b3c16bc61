"""Does the card still meet the customers it was made for, and does it still work?

The usual limits for the population stability index, 0.1 and 0.25, ignore how many rows were counted: with few rows they
ring without any shift, with many they sleep through one. Here the index comes with its sampling distribution.

References
----------
Yurdakul, B. & Naranjo, J. (2020). Statistical properties of the population stability index. J. Risk Model Validation 14
(without a shift, PSI / (1/N + 1/M) is about chi-square with bins - 1 degrees of freedom).
Cochran, W. G. (1954). Biometrics 10, 101-129 (homogeneity of several estimates).
"""

import itertools
from typing import Any

import numpy as np
import pandas as pd

from credit_lab.errors import CreditLabError
from credit_lab.scoring.bins import Array, kinds_of
from credit_lab.scoring.scorecard import Scorecard
from credit_lab.scoring.table import columns_of
from credit_lab.scoring.validate import delong


def psi(expected: Any, actual: Any, *, level: float = 0.95) -> pd.Series:
    """Population stability index of two sets of counts in the same bins (群体稳定性指数).

    PSI = sum of (a - e) ln(a / e) over the shares; half a row is added to bins that are empty on one side.

    Returns
    -------
    Series
        psi; by_chance: its mean without any shift; limit: its `level` quantile without any shift; p_value; verdict:
        stable (below the limit), small (a shift, psi below 0.1), moderate (below 0.25), large

    Raises
    ------
    CreditLabError
        Fewer than two bins, lengths that differ, negative or no rows.

    >>> psi([100, 100], [100, 100])["psi"]
    0.0
    """
    from scipy import stats

    e, a = np.asarray(expected, dtype=np.float64), np.asarray(actual, dtype=np.float64)
    if e.shape != a.shape or e.ndim != 1 or (e < 0).any() or (a < 0).any() or e.sum() == 0 or a.sum() == 0:
        raise CreditLabError("PSI needs two lists of counts of one length, none negative, each with rows")
    used = (e + a) > 0
    e, a = e[used], a[used]
    noise, degrees = 1 / e.sum() + 1 / a.sum(), len(e) - 1
    if (e == 0).any() or (a == 0).any():
        e, a = e + 0.5, a + 0.5
    p, q = e / e.sum(), a / a.sum()
    value = float(((q - p) * np.log(q / p)).sum())
    if degrees == 0:
        return pd.Series({"psi": 0.0, "by_chance": 0.0, "limit": 0.0, "p_value": 1.0, "verdict": "stable"})
    limit = float(noise * stats.chi2.ppf(level, degrees))
    verdict = "stable" if value <= limit else "small" if value < 0.1 else "moderate" if value < 0.25 else "large"
    p_value = float(stats.chi2.sf(value / noise, degrees))
    return pd.Series(
        {"psi": value, "by_chance": noise * degrees, "limit": limit, "p_value": p_value, "verdict": verdict}
    )


def score_shift(card: Scorecard, before: Any, after: Any, *, groups: int = 10) -> tuple[pd.Series, pd.DataFrame]:
    """PSI of the score, in groups of equal size before, and the table behind it: band, before, after (shares)."""
    old, new = card.score(before).to_numpy(), card.score(after).to_numpy()
    edges = np.unique(np.quantile(old, np.linspace(0, 1, groups + 1)[1:-1]))
    counts = [np.bincount(np.searchsorted(edges, s, side="right"), minlength=len(edges) + 1) for s in (old, new)]
    bounds = ["", *(f"{edge:g}" for edge in edges), ""]
    labels = [f"{low or '...'} to {high or '...'}" for low, high in itertools.pairwise(bounds)]
    table = pd.DataFrame({"band": labels, "before": counts[0] / len(old), "after": counts[1] / len(new)})
    return psi(*counts), table


def feature_shift(card: Scorecard, before: Any, after: Any) -> pd.DataFrame:
    """Characteristic stability: per feature psi, limit, p_value, verdict, and points (change of the mean score).

    The points of all features add up to the change of the mean score.
    """
    old, new = (columns_of(side, kinds_of(card.features), card.missing) for side in (before, after))
    rows = []
    for bins in card.features:
        counts = [np.bincount(bins.ids(side[bins.name]), minlength=len(bins.counts)) for side in (old, new)]
        index = psi(*counts)
        shift = counts[1] / counts[1].sum() - counts[0] / counts[0].sum()
        rows.append((bins.name, *index[["psi", "limit", "p_value", "verdict"]], float(shift @ card.points[bins.name])))
    table = pd.DataFrame(rows, columns=["feature", "psi", "limit", "p_value", "verdict", "points"])
    return table.sort_values("psi", ascending=False, ignore_index=True)


def performance_over_time(target: Any, risk: Any, periods: Any) -> tuple[pd.DataFrame, pd.Series]:
    """AUC per period with its DeLong interval, mean risk against event rate, and a test that the AUC is one in all.

    Returns
    -------
    table : period, rows, events, event_rate, mean_risk, auc, standard_error, low, high; periods with fewer than two
        events or non-events have no AUC
    test : statistic (Cochran's Q), degrees, p_value
    """
    from scipy import stats

    frame = pd.DataFrame({"period": np.asarray(periods), "y": np.asarray(target), "risk": np.asarray(risk)})
    rows = []
    for period, part in frame.groupby("period"):
        if min(part["y"].sum(), len(part) - part["y"].sum()) < 2:
            area = pd.Series(np.nan, ["auc", "standard_error", "low", "high"])
        else:
            area = delong(part["y"], part["risk"]).iloc[0]
        rows.append((period, len(part), part["y"].sum(), part["y"].mean(), part["risk"].mean(), *area))
    columns = ["period", "rows", "events", "event_rate", "mean_risk", "auc", "standard_error", "low", "high"]
    table = pd.DataFrame(rows, columns=columns)
    known = table[table["standard_error"] > 0]
    weight = known["standard_error"] ** -2
    pooled = (weight * known["auc"]).sum() / weight.sum() if len(known) else np.nan
    statistic, degrees = float((weight * (known["auc"] - pooled) ** 2).sum()), max(len(known) - 1, 0)
    p_value = float(stats.chi2.sf(statistic, degrees)) if degrees else np.nan
    return table, pd.Series({"statistic": statistic, "degrees": degrees, "p_value": p_value})


def overrides(model_grade: Any, final_grade: Any, order: list[str], target: Any = None) -> pd.DataFrame:
    """Override report: what people changed, and whether they were right.

    Parameters
    ----------
    order : grades, best first
    target : outcome, if it is known

    Returns
    -------
    DataFrame
        direction (better, same, worse), rows, share, mean_notches, and with a target event_rate, low and high (95 %
        Jeffreys). Right overrides to the better default less than rows left as they were, those to the worse more.
    """
    from scipy import stats

    place = {grade: i for i, grade in enumerate(order)}
    given, final = pd.Series(np.asarray(model_grade)), pd.Series(np.asarray(final_grade))
    unknown = sorted(set(given) | set(final) - set(place), key=str)
    unknown = [grade for grade in unknown if grade not in place]
    if unknown:
        raise CreditLabError(f"grade {unknown[0]!r} is not in the scale {order}")
    notches = final.map(place) - given.map(place)
    direction = np.sign(notches).map({-1: "better", 0: "same", 1: "worse"})
    frame = pd.DataFrame({"direction": direction, "notches": notches})
    if target is not None:
        frame["y"] = np.asarray(target, dtype=np.float64)
    grouped = frame.groupby("direction")
    table = grouped.agg(rows=("notches", "size"), mean_notches=("notches", "mean")).reindex(["better", "same", "worse"])
    table["rows"] = table["rows"].fillna(0).astype(int)
    table.insert(1, "share", table["rows"] / len(frame))
    if target is not None:
        events = grouped["y"].sum().reindex(table.index).fillna(0)
        table["event_rate"] = events / table["rows"].where(table["rows"] > 0)
        posterior = stats.beta(events + 0.5, table["rows"] - events + 0.5)
        table["low"], table["high"] = posterior.ppf(0.025), posterior.ppf(0.975)
    return table.reset_index()


def swap_set(old_risk: Any, new_risk: Any, *, approve: float, target: Any = None) -> pd.DataFrame:
    """Who changes sides when a new card approves the same share: both, in, out, neither, with rows and event_rate.

    A better card swaps in customers that default less than those it swaps out. Rows that share the
    risk at a card's cut-off are approved in part, each by the same fraction, so that both cards
    approve the same share and the order of the rows does not matter; `rows` may be fractions then.
    A row approved in part by both cards changes sides only by the difference of the two parts.

    Parameters
    ----------
    old_risk, new_risk : risk of each row by the two cards
    approve : share of the rows that each card approves, the least risky first
    target : outcome of each row, where it is known

    Raises
    ------
    CreditLabError
        A share that is not between 0 and 1.
    """
    if not 0 < approve < 1:
        raise CreditLabError(f"approve {approve}: a share between 0 and 1")
    old, new = (_approved(np.asarray(risk, dtype=np.float64), approve) for risk in (old_risk, new_risk))
    y = np.full(len(old), np.nan) if target is None else np.asarray(target, dtype=np.float64)
    parts = {
        "both": np.minimum(old, new),
        "in": np.maximum(new - old, 0),
        "out": np.maximum(old - new, 0),
        "neither": 1 - np.maximum(old, new),
    }
    rows = [(name, part.sum(), part.mean(), part @ y / (part.sum() or np.nan)) for name, part in parts.items()]
    return pd.DataFrame(rows, columns=["set", "rows", "share", "event_rate"])


def _approved(risk: Array, share: float) -> Array:
    """Part of each row that is approved: 1 below the cut-off, the same fraction of every row at it, 0 above."""
    wanted = round(share * len(risk))
    _, level, sizes = np.unique(risk, return_inverse=True, return_counts=True)
    before = np.cumsum(sizes) - sizes
    return np.clip((wanted - before) / sizes, 0, 1)[level]
