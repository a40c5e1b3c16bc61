"""Off-policy estimates (离线策略评估): what another policy would have earned, from a log of decisions.

A log holds, for each decision, the reward that followed, the propensity with which the logging policy took the
action it took, and the probability with which the policy under study would have taken the same. Three estimators:
IPW (inverse propensity weights), SNIPW (self-normalised) and DR (doubly robust, with predicted rewards). Nothing is
answered where the overlap is too thin: the effective number of decisions is printed and a floor is enforced.

`treatment_effect` is the binary case with propensities fitted from covariates (IPW and AIPW).
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from credit_lab.backtest.effects import LEVEL, DesignError, Effect, Inference, make, refuse, t_critical


@dataclass(frozen=True)
class OffPolicyOptions:
    """Choices of an off-policy estimate.

    least_effective : floor of (sum w)^2 / sum w^2 below which nothing is estimated.
    largest_share : a single decision with more than this share of all weight is refused too.
    least_propensity : overlap is said to be thin below it; nothing is clipped in silence.
    """

    least_effective: float = 50.0
    largest_share: float = 0.10
    least_propensity: float = 0.01
    level: float = LEVEL


def overlap(propensity: np.ndarray, weights: np.ndarray, options: OffPolicyOptions) -> pd.DataFrame:
    """Overlap report: name, value, meaning."""
    total = weights.sum()
    effective = float(total**2 / np.sum(weights**2)) if total > 0 else 0.0
    return pd.DataFrame(
        [
            ("decisions", len(weights), "rows of the log"),
            ("effective", effective, "decisions of equal weight that would be as precise"),
            ("effective_share", effective / len(weights), "of the rows"),
            ("largest_share", float(weights.max() / total) if total > 0 else np.nan, "of one decision in all weight"),
            ("mean_weight", float(weights.mean()), "close to 1 when the propensities are right"),
            ("least_propensity", float(propensity.min()), "smallest logged"),
            ("thin_share", float((propensity < options.least_propensity).mean()), "rows below the thin-overlap mark"),
        ],
        columns=["name", "value", "meaning"],
    )


def value(
    log: pd.DataFrame,
    *,
    reward: str,
    propensity: str = "propensity",
    target: str = "target_propensity",
    predicted: str | None = None,
    predicted_target: str | None = None,
    cluster: str | None = None,
    options: OffPolicyOptions | None = None,
) -> Effect:
    """Gain of a target policy over the logging policy, per decision; SNIPW, or DR when predictions are given.

    Parameters
    ----------
    log : one row per decision.
    propensity, target : probability of the *taken* action under the logging and under the target policy.
    predicted, predicted_target : reward foretold for the taken action, and its mean under the target policy,
        from a model fitted on other rows; together they give the doubly robust estimate.
    cluster : customer or group within which decisions hang together.

    Raises
    ------
    DesignError
        Propensities of 0 or outside (0, 1], a target outside [0, 1], too small an effective sample, missing values.

    References
    ----------
    Dudik, Erhan, Langford & Li (2014) Stat. Sci. 29:485; Swaminathan & Joachims (2015) NeurIPS (self-normalised);
    Kong (1992) for the effective sample size.
    """
    options = options or OffPolicyOptions()
    y, e, pi, groups = _logged(log, reward, propensity, target, cluster)
    w = pi / e
    report = overlap(e, w, options)
    _enough(report, options)
    n = len(y)
    ipw, snipw = float(np.mean(w * y)), float(np.sum(w * y) / np.sum(w))
    base = y.mean()
    ways: dict[str, tuple[float, np.ndarray]] = {
        "ipw": (ipw - base, w * y - ipw - (y - base)),
        "snipw": (snipw - base, w * (y - snipw) / w.mean() - (y - base)),
    }
    if predicted and predicted_target:
        q, q_target = log[predicted].to_numpy(dtype=float), log[predicted_target].to_numpy(dtype=float)
        scores = q_target + w * (y - q)
        ways["dr"] = (float(scores.mean() - base), scores - scores.mean() - (y - base))
    best = "dr" if "dr" in ways else "snipw"
    found = {name: (gain, *_error(psi / n, groups)) for name, (gain, psi) in ways.items()}
    gain, error, freedom = found[best]
    critical = t_critical(options.level, freedom)
    return make(
        f"off_policy.{best}",
        reward,
        Inference(gain, error, critical, options.level),
        series=pd.DataFrame({"period": ["logged", "target"], "observed": [base, np.nan]}).assign(
            counterfactual=[base, base + gain], effect=[0.0, gain]
        ),
        summary=[
            (name, g, g - t_critical(options.level, f) * s, g + t_critical(options.level, f) * s)
            for name, (g, s, f) in found.items()
        ],
        assumptions=[
            ("logged propensities are right", "mean weight", *_weight_check(w)),
            ("enough overlap", "effective decisions", True, f"{report['value'][1]:.0f} of {n}"),
            ("rewards of one decision do not depend on others", "none", None, "a shared limit or collector breaks it"),
        ],
        diagnostics=[tuple(row) for row in report.itertuples(index=False)],
        precision=pd.DataFrame(
            [("rows", round(n * k), error / np.sqrt(k)) for k in (1, 2, 5, 10, 50)],
            columns=["needed_of", "count", "std_error"],
        ),
    )


def treatment_effect(
    table: pd.DataFrame,
    *,
    outcome: str,
    treatment: str,
    covariates: list[str],
    propensity: str | None = None,
    options: OffPolicyOptions | None = None,
) -> Effect:
    """Average effect of a yes/no action (a reminder call) when those who got it differ from those who did not: AIPW.

    mean[m1 - m0 + d (y - m1) / e - (1 - d)(y - m0) / (1 - e)], m by least squares in each arm, e logged (`propensity`)
    or by logistic regression on the covariates. The naive difference is in the summary, to be compared.

    Raises
    ------
    DesignError
        Everyone or nobody treated (no controls), propensities of 0 or 1, too small an effective sample in an arm.

    References
    ----------
    Robins, Rotnitzky & Zhao (1994) J. Am. Stat. Assoc. 89:846; Glynn & Quinn (2010) Polit. Anal. 18:36.
    """
    options = options or OffPolicyOptions()
    used = [outcome, treatment, *covariates, *([propensity] if propensity else [])]
    if table[used].isna().any().any():
        raise DesignError(f"off_policy: {table[used].isna().sum().idxmax()} has missing values; leave such rows out")
    y, d = table[outcome].to_numpy(dtype=float), table[treatment].to_numpy(dtype=float)
    if set(np.unique(d)) != {0.0, 1.0}:
        raise refuse(
            "off_policy",
            f"no controls: {treatment} takes the values {np.unique(d)[:4].tolist()}, both 0 and 1 are needed",
            "its.estimate around the day on which the action began",
        )
    x = np.column_stack([np.ones(len(y)), table[covariates].to_numpy(dtype=float)])
    e = table[propensity].to_numpy(dtype=float) if propensity else _propensity(d, x)
    _inside(e)
    weights = np.where(d == 1, 1 / e, 1 / (1 - e))
    for side, name in ((d == 1, "treated"), (d == 0, "untreated")):
        _enough(overlap(e[side], weights[side], options), options, name)
    m1, m0 = (x @ np.linalg.lstsq(x[d == side], y[d == side], rcond=None)[0] for side in (1, 0))
    scores = m1 - m0 + d * (y - m1) / e - (1 - d) * (y - m0) / (1 - e)
    ate, n = float(scores.mean()), len(y)
    error = float(scores.std(ddof=1) / np.sqrt(n))
    h1, h0 = d / e, (1 - d) / (1 - e)
    ipw = float((h1 @ y) / h1.sum() - (h0 @ y) / h0.sum())
    naive = float(y[d == 1].mean() - y[d == 0].mean())
    report = overlap(np.where(d == 1, e, 1 - e), weights, options)
    return make(
        "off_policy.aipw",
        outcome,
        Inference(ate, error, t_critical(options.level, n - x.shape[1])),
        series=pd.DataFrame(
            {"period": ["untreated", "treated"], "observed": [y[d == 0].mean(), y[d == 1].mean()]}
        ).assign(counterfactual=[np.nan, np.nan], effect=[np.nan, ate]),
        summary=[("ipw", ipw, np.nan, np.nan), ("naive difference", naive, np.nan, np.nan)],
        assumptions=[
            ("everything that drove the choice is in the covariates", "none", None, "the collector's own hunch is not"),
            ("enough overlap", "effective decisions", True, f"{report['value'][1]:.0f} of {n}"),
        ],
        diagnostics=[tuple(row) for row in report.itertuples(index=False)],
        precision=pd.DataFrame(
            [("rows", round(n * k), error / np.sqrt(k)) for k in (1, 2, 5, 10, 50)],
            columns=["needed_of", "count", "std_error"],
        ),
    )


def _logged(
    log: pd.DataFrame, reward: str, propensity: str, target: str, cluster: str | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    for name in (reward, propensity, target):
        if name not in log.columns:
            raise refuse(
                "off_policy",
                f"the log has no column {name!r}: the propensity must be written down when the decision is taken",
                "treatment_effect with covariates that explain the choice",
            )
    if log[[reward, propensity, target]].isna().any().any():
        raise DesignError("off_policy: reward, propensity or target is missing in some rows; leave them out, say why")
    y, e, pi = (log[name].to_numpy(dtype=float) for name in (reward, propensity, target))
    if (e <= 0).any() or (e > 1).any():
        bad = int(((e <= 0) | (e > 1)).sum())
        raise refuse(
            "off_policy",
            f"{bad} logged propensities are not in (0, 1]: an action that was never possible cannot have been taken",
            "correct the log, or restrict the study to decisions with a real lot",
        )
    if ((e == 1).all()) and (pi < 1).any():
        raise refuse(
            "off_policy",
            "all logged propensities are 1: the old policy never chose, so nothing is known about the alternative",
            "discontinuity.estimate at the cut-off that decided, or its.estimate at a change of the rule",
        )
    if (pi < 0).any() or (pi > 1).any():
        raise DesignError("off_policy: target probabilities must lie in [0, 1]")
    groups = pd.factorize(log[cluster])[0] if cluster else np.arange(len(y))
    return y, e, pi, groups


def _inside(e: np.ndarray) -> None:
    outside = (e <= 1e-9) | (e >= 1 - 1e-9)
    if outside.any():
        raise refuse(
            "off_policy",
            f"{int(outside.sum())} propensities are 0 or 1: for these the other action was never possible",
            "leave these rows out and speak for the rest only, or discontinuity.estimate at the rule's cut-off",
        )


def _enough(report: pd.DataFrame, options: OffPolicyOptions, where: str = "target") -> None:
    read = dict(zip(report["name"], report["value"], strict=True))
    if not read["effective"] >= options.least_effective or read["largest_share"] > options.largest_share:
        raise refuse(
            "off_policy",
            f"overlap too thin ({where}): effective sample {read['effective']:.1f} of {read['decisions']:.0f} rows "
            f"(floor {options.least_effective:g}), largest weight {read['largest_share']:.1%} of all",
            "a target policy closer to the logged one, or a small randomised trial (design.assign)",
        )


def _weight_check(w: np.ndarray) -> tuple[bool, str]:
    error = w.std(ddof=1) / np.sqrt(len(w))
    z = (w.mean() - 1) / error if error > 0 else 0.0
    return bool(abs(z) < 3), f"mean weight {w.mean():.3f}, z = {z:.1f}"


def _error(psi: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
    sums = np.bincount(groups, weights=psi)
    n = len(sums)
    return float(np.sqrt(np.sum(sums**2) * n / (n - 1))), float(n - 1)


def _propensity(d: np.ndarray, x: np.ndarray) -> np.ndarray:
    import statsmodels.api as sm
    from statsmodels.tools.sm_exceptions import ConvergenceWarning, PerfectSeparationError, PerfectSeparationWarning

    # Separated data drive the coefficients to infinity: the overflow is the finding, told below or by `_inside`.
    with warnings.catch_warnings(), np.errstate(over="ignore"):
        warnings.simplefilter("error", PerfectSeparationWarning)
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            fitted: Any = sm.Logit(d, x).fit(disp=0)
        except (PerfectSeparationError, PerfectSeparationWarning, ConvergenceWarning, np.linalg.LinAlgError) as problem:
            raise refuse(
                "off_policy",
                "the covariates tell the action exactly, so propensities are 0 or 1",
                "discontinuity.estimate at the rule's cut-off",
            ) from problem
        return np.asarray(fitted.predict(x))
