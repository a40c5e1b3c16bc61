"""Which features go on the card: strength with an interval, stability, redundancy, stepwise search.

References
----------
Hosmer, D. W., Lemeshow, S. & Sturdivant, R. X. (2013). Applied logistic regression, 3rd ed., ch. 4 (stepwise).
Belsley, D. A., Kuh, E. & Welsch, R. E. (1980). Regression diagnostics (variance inflation).
"""

from typing import Any, Literal

import numpy as np
import pandas as pd

from credit_lab.errors import CreditLabError
from credit_lab.scoring.binning import Binner
from credit_lab.scoring.bins import Array, kinds_of, tally, weights_of_evidence
from credit_lab.scoring.fitting import coefficients
from credit_lab.scoring.table import columns_of, target_of, weights_of


def information(binner: Binner, *, seed: int, repeats: int = 500) -> pd.DataFrame:
    """Information value of each feature with its interval.

    Returns
    -------
    DataFrame
        feature, iv, low, high (2.5 % and 97.5 % of redrawn counts), by_chance: the IV that so many bins would show with
        no relation at all, (bins - 1)(1/events + 1/non-events); p_value of no relation, chi-square of that ratio. The
        bins were chosen to maximise IV, so by_chance is a lower bound and the p-value too small for the best of many.
    """
    from scipy import stats

    generator, rows = np.random.default_rng(seed), []
    for name, bins in binner.bins_.items():
        counts = bins.counts[bins.counts.sum(axis=1) > 0]
        totals = counts.sum(axis=0)
        drawn = np.stack([generator.multinomial(round(t), counts[:, i] / t, repeats) for i, t in enumerate(totals)], -1)
        values = [_iv(draw.astype(np.float64), bins.smoothing) for draw in drawn]
        noise = float((1 / totals).sum())
        rows.append(
            (
                name, bins.iv, *np.quantile(values, [0.025, 0.975]), (len(counts) - 1) * noise,
                float(stats.chi2.sf(bins.iv / noise, len(counts) - 1)) if len(counts) > 1 else 1.0,
            )
        )  # fmt: skip
    table = pd.DataFrame(rows, columns=["feature", "iv", "low", "high", "by_chance", "p_value"])
    return table.sort_values("iv", ascending=False, ignore_index=True)


def _iv(counts: Array, smoothing: float) -> float:
    shares = counts / counts.sum(axis=0)
    return float(((shares[:, 0] - shares[:, 1]) * weights_of_evidence(counts, max(smoothing, 0.5))).sum())


def over_time(binner: Binner, X: Any, y: Any, periods: Any) -> pd.DataFrame:
    """IV of each feature in each period, with the bins as they are: feature, period, rows, events, iv, holds.

    holds: no two neighbouring bins of values have changed the order of their event rates beyond noise (z of 1.96).
    """
    columns = columns_of(X, kinds_of(binner.bins_.values()))
    target, _ = target_of(y, len(next(iter(columns.values()))))
    labels, rows = pd.Series(np.asarray(periods)), []
    for name, bins in binner.bins_.items():
        ids, reference = bins.ids(columns[name]), bins.table()
        for period, where in labels.groupby(labels).groups.items():
            at = where.to_numpy()
            counts = tally(ids[at], len(bins.counts), target[at], np.ones(len(at)))
            size = counts.sum(axis=1)
            with np.errstate(invalid="ignore", divide="ignore"):
                rate = counts[:, 1] / size
                pooled = (counts[1:, 1] + counts[:-1, 1]) / (size[1:] + size[:-1])
                z = np.append(np.nan, np.diff(rate) / np.sqrt(pooled * (1 - pooled) * (1 / size[1:] + 1 / size[:-1])))
            broken = (np.sign(z) * np.sign(reference["z"]) < 0) & (np.abs(z) > 1.96)
            one_class = min(counts.sum(axis=0)) == 0
            iv = np.nan if one_class else _iv(counts, bins.smoothing)
            rows.append((name, period, len(at), int(target[at].sum()), iv, not broken.any()))
    return pd.DataFrame(rows, columns=["feature", "period", "rows", "events", "iv", "holds"])


def clusters(woe: pd.DataFrame, iv: pd.Series, *, correlation: float = 0.7) -> pd.DataFrame:
    """Groups of features that say the same: feature, cluster, iv, keep (the strongest of its cluster).

    Average-linkage clusters on 1 - |rank correlation|, cut where it falls below `correlation`.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if woe.shape[1] == 1:
        labels = np.array([1])
    else:
        distance = 1 - woe.rank().corr().abs().fillna(0).to_numpy()
        np.fill_diagonal(distance, 0)
        tree = linkage(squareform((distance + distance.T) / 2, checks=False), "average")
        labels = fcluster(tree, 1 - correlation, "distance")
    table = pd.DataFrame({"feature": woe.columns, "cluster": labels, "iv": iv.reindex(woe.columns).to_numpy()})
    table = table.sort_values(["cluster", "iv"], ascending=[True, False], ignore_index=True)
    return table.assign(keep=~table["cluster"].duplicated())


def vif(woe: pd.DataFrame) -> pd.Series:
    """Variance inflation factor of each column: diagonal of the inverse correlation matrix (infinite if dependent)."""
    matrix = np.atleast_2d(np.corrcoef(woe.to_numpy(dtype=np.float64), rowvar=False))
    if np.isnan(matrix).any() or np.linalg.matrix_rank(matrix) < len(matrix):
        values = [_one_vif(woe.to_numpy(dtype=np.float64), j) for j in range(woe.shape[1])]
        return pd.Series(values, index=woe.columns, name="vif")
    return pd.Series(np.diag(np.linalg.inv(matrix)), index=woe.columns, name="vif")


def _one_vif(values: Array, j: int) -> float:
    rest = np.column_stack([np.ones(len(values)), np.delete(values, j, axis=1)])
    residual = values[:, j] - rest @ np.linalg.lstsq(rest, values[:, j], rcond=None)[0]
    total = ((values[:, j] - values[:, j].mean()) ** 2).sum()
    return float("inf") if residual @ residual <= 1e-12 * total else float(total / (residual @ residual))


def stepwise(
    woe: pd.DataFrame,
    y: Any,
    *,
    criterion: Literal["aic", "bic", "p"] = "bic",
    enter: float = 0.05,
    leave: float = 0.10,
    signs: bool = True,
    most: int | None = None,
    sample_weight: Any = None,
) -> pd.DataFrame:
    """Forward search with backward steps.

    Parameters
    ----------
    woe : WOE of the candidates
    criterion : aic or bic falls with every step, or (p) p-values of the Wald tests: `enter` to come in, `leave` to stay
    signs : a step that leaves any coefficient not negative is not taken
    most : most features
    sample_weight : weights of the rows; bic charges the logarithm of their sum per feature

    Returns
    -------
    DataFrame
        step, action (add or drop), feature, value of the criterion (aic, bic, or the p-value), features so far

    Notes
    -----
    P-values after a search are too small; `inclusion` shows how much of the choice is luck.
    """
    target, _ = target_of(y, len(woe))
    weights = weights_of(sample_weight, target)
    if criterion not in ("aic", "bic", "p"):
        raise CreditLabError(f"criterion {criterion!r}: need aic, bic or p")
    price = {"aic": 2.0, "bic": float(np.log(weights.sum())), "p": 0.0}[criterion]

    def fitted(names: list[str]) -> tuple[float, pd.DataFrame] | None:
        if not names:
            rate = weights @ target / weights.sum()
            return -2 * weights.sum() * float(
                rate * np.log(rate) + (1 - rate) * np.log(1 - rate)
            ) + price, pd.DataFrame()
        try:
            table = coefficients(woe[names], target, weights)
        except CreditLabError:
            return None
        if signs and not (table["coefficient"].iloc[1:] < 0).all():
            return None
        logit = table["coefficient"].iloc[0] + woe[names].to_numpy() @ table["coefficient"].to_numpy()[1:]
        deviance = -2 * float(weights @ (target * logit - np.logaddexp(0, logit)))
        return deviance + price * (len(names) + 1), table

    chosen: list[str] = []
    path: list[tuple[str, str, float, tuple[str, ...]]] = []
    now = fitted(chosen)
    seen = {frozenset(chosen)}
    while now:
        best: tuple[float, str, str, list[str], tuple[float, pd.DataFrame]] | None = None
        for name in woe.columns:
            inside = name in chosen
            names = [other for other in chosen if other != name] if inside else [*chosen, name]
            if frozenset(names) in seen or (not inside and most is not None and len(names) > most):
                continue
            if criterion == "p" and inside:
                p_value = float(now[1].set_index("term").loc[name, "p_value"])
                found = fitted(names) if p_value > leave else None
                gain = 1 + p_value
            else:
                found = fitted(names)
                if found is None:
                    continue
                p_value = float(found[1]["p_value"].iloc[-1]) if criterion == "p" else 0.0
                gain = enter - p_value if criterion == "p" else now[0] - found[0]
            if found is not None and gain > 0 and (best is None or gain > best[0]):
                best = (gain, "drop" if inside else "add", name, names, found)
        if best is None:
            break
        _, action, name, chosen, now = best
        seen.add(frozenset(chosen))
        value = now[0] if criterion != "p" else (float(now[1]["p_value"].iloc[-1]) if chosen else np.nan)
        path.append((action, name, value, tuple(chosen)))
    table = pd.DataFrame(path, columns=["action", "feature", "value", "features"])
    table.insert(0, "step", np.arange(1, len(table) + 1))
    return table
