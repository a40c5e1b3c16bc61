"""The one record every estimator returns, the error it raises when it must not answer, and the naive comparison.

Conventions: an effect is "with the policy minus without". `unit` says whether it is a fraction of what would have
been without the policy ("relative": -0.40 is forty percent less) or stands in the outcome's own unit ("absolute").
Intervals are two-sided at `level`. Inference happens on the link scale (log for effects that multiply, identity
otherwise) and is carried back to the effect's scale at the end, so a relative interval never falls below -100 %.

Contains `Effect`, `DesignError`, `Inference` (the numbers an estimator has to bring), `make`, `interval_at`,
`p_value_against`, `compare` and `before_after`, the comparison managers make by themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from credit_lab import summary
from credit_lab.errors import CreditLabError
from credit_lab.periods import takes_days

POWER = 0.80
LEVEL = 0.95
_SERIES = ["period", "observed", "counterfactual", "effect", "low", "high"]


class DesignError(CreditLabError):
    """The data cannot carry the design asked for; says what is missing and which weaker design is possible."""


def refuse(estimator: str, missing: str, weaker: str) -> DesignError:
    """The error to raise: what `estimator` misses and the weaker design the same data could carry (or "none; ...")."""
    if weaker.startswith("none"):
        return DesignError(f"{estimator}: {missing}; no weaker design is possible{weaker.removeprefix('none')}")
    return DesignError(f"{estimator}: {missing}; a weaker design is possible: {weaker}")


@dataclass(frozen=True)
class Effect:
    """An estimated policy effect with everything needed to doubt it.

    Attributes
    ----------
    estimator : id of the method, e.g. ``its.hac``; printed beside the number.
    metric : what was measured.
    unit : ``relative`` (fraction of the counterfactual) or ``absolute`` (the outcome's own unit).
    estimate, low, high : effect and its interval at `level`, in `unit`.
    std_error : standard error on the link scale (`link`).
    link : ``log`` (estimate = exp(b) - 1) or ``identity``.
    critical : the interval is link estimate +- critical x std_error; larger than 1.96 in small samples.
    p_value : two-sided, for no effect.
    minimum_detectable : smallest effect (as a size, in `unit`) found with 80 % power by a test at `level`.
    series : period, observed, counterfactual (without the policy), effect, low, high; one row per month, event month
        or score bin, as the estimator says.
    summary : quantity, value, low, high: the effect and its companions (absolute size, pre-trend, placebo ...).
    assumptions : assumption, check, holds (True, False or NA where data cannot tell), detail.
    diagnostics : name, value, meaning.
    precision : needed_of (``months_after``, ``clusters`` or ``rows``), count, std_error: the standard error expected
        with more data, on the link scale. First row: the data at hand.
    """

    estimator: str
    metric: str
    unit: str
    estimate: float
    low: float
    high: float
    level: float
    std_error: float
    link: str
    critical: float
    p_value: float
    minimum_detectable: float
    series: pd.DataFrame
    summary: pd.DataFrame
    assumptions: pd.DataFrame
    diagnostics: pd.DataFrame
    precision: pd.DataFrame

    @property
    def link_estimate(self) -> float:
        """The estimate on the link scale."""
        return float(to_link(self.estimate, self.link))

    @property
    def normal_error(self) -> float:
        """Standard error of the normal distribution whose interval at `level` is as wide as this effect's."""
        return self.critical * self.std_error / float(special.ndtri(0.5 + self.level / 2))

    def _repr_html_(self) -> str:
        kind = "{:+.1%}" if self.unit == "relative" else "{:+,.4g}"
        ends = f"{kind.format(self.low)} to {kind.format(self.high)}"
        broken = (self.assumptions["holds"] == False).fillna(False)  # noqa: E712 (holds may be missing)
        lines = {
            "estimate": kind.format(self.estimate), f"{self.level:.0%} interval": ends,
            "p": f"{self.p_value:.3f}",
            "smallest effect it would find": kind.format(self.minimum_detectable).lstrip("+"),
            "assumptions that fail": ", ".join(self.assumptions.loc[broken, "assumption"].astype(str)) or "none seen",
        }  # fmt: skip
        return summary.card(f"Effect on {self.metric} ({self.estimator})", lines)


@dataclass(frozen=True)
class Inference:
    """What an estimator found on the link scale: estimate, std_error, critical value, link and unit; p for no effect.

    `p_value` None means: from the normal distribution with the interval's width.
    """

    estimate: float
    std_error: float
    critical: float
    level: float = LEVEL
    link: str = "identity"
    unit: str = "absolute"
    p_value: float | None = None


def to_link(effect: Any, link: str) -> Any:
    """Effect -> link scale: log(1 + effect), minus infinity at or below -100 %, or the effect itself."""
    if link == "identity":
        return effect
    with np.errstate(divide="ignore"):
        return np.log(np.maximum(1.0 + np.asarray(effect, dtype=float), 0.0))


def from_link(value: Any, link: str) -> Any:
    """Link scale -> effect: expm1 for the log link."""
    return value if link == "identity" else np.expm1(value)


def make(
    estimator: str,
    metric: str,
    found: Inference,
    *,
    series: pd.DataFrame,
    summary: Sequence[tuple[Any, ...]] | None = None,
    assumptions: Sequence[tuple[Any, ...]],
    diagnostics: Sequence[tuple[Any, ...]],
    precision: pd.DataFrame | None = None,
) -> Effect:
    """Put an estimator's findings into the common record.

    The minimum detectable effect is (critical + z_80%) x std_error, carried to the effect's scale (the larger of the
    two sides on the log scale).
    """
    half = found.critical * found.std_error
    low, high = (float(from_link(found.estimate + s * half, found.link)) for s in (-1, 1))
    value = float(from_link(found.estimate, found.link))
    least = (found.critical + special.ndtri(POWER)) * found.std_error
    p_value = found.p_value
    if p_value is None:
        width = half / special.ndtri(0.5 + found.level / 2)
        p_value = float(2 * special.ndtr(-abs(found.estimate) / width)) if width > 0 else float("nan")
    if precision is None:
        precision = pd.DataFrame({"needed_of": ["rows"], "count": [np.nan], "std_error": [found.std_error]})
    rows = [("effect", value, low, high), *(summary or [])]
    return Effect(
        estimator=estimator,
        metric=metric,
        unit=found.unit,
        estimate=value,
        low=low,
        high=high,
        level=found.level,
        std_error=float(found.std_error),
        link=found.link,
        critical=float(found.critical),
        p_value=float(p_value),
        minimum_detectable=float(from_link(least, found.link)),
        series=series.reindex(columns=_SERIES + [c for c in series.columns if c not in _SERIES]),
        summary=pd.DataFrame(rows, columns=["quantity", "value", "low", "high"]),
        assumptions=pd.DataFrame(assumptions, columns=["assumption", "check", "holds", "detail"]).astype(
            {"holds": "boolean"}
        ),
        diagnostics=pd.DataFrame(diagnostics, columns=["name", "value", "meaning"]),
        precision=precision,
    )


def interval_at(effect: Effect, level: float) -> tuple[float, float]:
    """The effect's interval at another level, by the normal shape fitted to its own interval.

    A 90 % interval inside a band is the two one-sided tests at 5 % (Schuirmann 1987, J. Pharmacokinet. Biopharm. 15).
    """
    half = float(special.ndtri(0.5 + level / 2)) * effect.normal_error
    centre = effect.link_estimate
    return float(from_link(centre - half, effect.link)), float(from_link(centre + half, effect.link))


def p_value_against(effect: Effect, value: float, *, greater: bool) -> float:
    """One-sided p-value of "the effect is `value`" against "greater" (or "smaller" with greater=False)."""
    distance = (effect.link_estimate - float(to_link(value, effect.link))) / effect.normal_error
    return float(special.ndtr(-distance if greater else distance))


def t_critical(level: float, freedom: float) -> float:
    """Two-sided critical value of Student's t."""
    return float(special.stdtrit(max(freedom, 1e-9), 0.5 + level / 2))


def delta_ratio(top: float, bottom: float, psi_top: np.ndarray, psi_bottom: np.ndarray) -> tuple[float, np.ndarray]:
    """top / bottom and its influence values (delta method) from those of top and bottom."""
    ratio = top / bottom
    return ratio, (psi_top - ratio * psi_bottom) / bottom


def monthly(series: pd.Series, estimator: str) -> pd.Series:
    """A month-end series sorted, named, without gaps; refuses holes, repeats and values that are not finite.

    Raises
    ------
    DesignError
        Index that is no DatetimeIndex, months repeated or missing, values missing or infinite.
    """
    if not isinstance(series.index, pd.DatetimeIndex):
        raise DesignError(f"{estimator}: the series needs a month-end DatetimeIndex, not {type(series.index).__name__}")
    tidy = series.astype(float).sort_index()
    months = tidy.index.to_period("M")
    if months.has_duplicates:
        raise DesignError(f"{estimator}: month {months[months.duplicated()][0]} appears more than once; sum it first")
    wanted = pd.period_range(months[0], months[-1], freq="M")
    if len(wanted) != len(months):
        raise DesignError(f"{estimator}: month {wanted.difference(months)[0]} is missing; fill it or cut the series")
    if not np.isfinite(tidy.to_numpy()).all():
        bad = tidy.index[~np.isfinite(tidy.to_numpy())][0]
        raise DesignError(f"{estimator}: value of {bad.date()} is not a finite number; drop or explain that month")
    return tidy.set_axis(months.to_timestamp("M").normalize())


@takes_days
def before_after(series: pd.Series, policy_date: pd.Timestamp, *, months: int = 12, log: bool = True) -> Effect:
    """The naive comparison: mean after against mean before, as if months were independent draws.

    With log=True the effect is relative (difference of mean logs). It knows no season, no trend and no dependence
    between months: it is here to be shown beside an honest estimate, never in its place.
    """
    tidy = monthly(series, "before_after")
    before = tidy[tidy.index < policy_date].tail(months)
    after = tidy[tidy.index >= policy_date].head(months)
    if len(before) < 2 or len(after) < 2:
        raise refuse(
            "before_after",
            f"{len(before)} months before and {len(after)} after {policy_date.date()}, 2 of each are needed",
            "none; wait for more months or take an earlier start of the data",
        )
    if log and min(before.min(), after.min()) <= 0:
        raise DesignError("before_after: a month is zero or negative, so no logarithm; pass log=False")
    y0, y1 = (np.log(part.to_numpy()) if log else part.to_numpy() for part in (before, after))
    error = float(np.sqrt(y0.var(ddof=1) / len(y0) + y1.var(ddof=1) / len(y1)))
    freedom = len(y0) + len(y1) - 2
    found = Inference(
        float(y1.mean() - y0.mean()),
        error,
        t_critical(LEVEL, freedom),
        link="log" if log else "identity",
        unit="relative" if log else "absolute",
    )
    base = float(np.exp(y0.mean()) if log else y0.mean())
    series_table = pd.DataFrame({"period": after.index, "observed": after.to_numpy(), "counterfactual": base})
    series_table["effect"] = after.to_numpy() / base - 1 if log else after.to_numpy() - base
    return make(
        "before_after.naive",
        str(series.name or "outcome"),
        found,
        series=series_table,
        assumptions=[
            ("nothing but the policy changed", "none", None, "season, trend and chance are all counted as effect"),
            ("months are independent", "none", None, "errors ignore the dependence between months"),
        ],
        diagnostics=[("months_before", len(y0), "compared"), ("months_after", len(y1), "compared")],
    )
