"""From ranking to probabilities: calibration curves, anchors, a master scale, and tests of the result per grade.

References
----------
Platt, J. (1999); Zadrozny, B. & Elkan, C. (2002); Kull, M., Silva Filho, T. & Flach, P. (2017). Beta calibration.
AISTATS (the three curves).
European Central Bank (2019). Instructions for reporting the validation results of internal models, 2.5.3.1 (Jeffreys
test of a PD).
Hosmer, D. W. & Lemeshow, S. (1980). Communications in Statistics A9, 1043-1069.
Hosmer, D. W., Lemeshow, S. & Sturdivant, R. X. (2013). Applied logistic regression, 3rd ed., 5.2.2.
Spiegelhalter, D. J. (1986). Statistics in Medicine 5, 421-433.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from credit_lab.errors import CreditLabError
from credit_lab.scoring.bins import Array
from credit_lab.scoring.validate import checked, risk_groups

EDGE = 1e-9


def logit(probability: Any) -> Array:
    """ln(p / (1 - p)), with p kept away from 0 and 1."""
    p = np.clip(np.asarray(probability, dtype=np.float64), EDGE, 1 - EDGE)
    return np.log(p / (1 - p))


def inverse_logit(value: Any) -> Array:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-np.asarray(value, dtype=np.float64)))


@dataclass(frozen=True)
class Calibration:
    """A monotone curve from raw to calibrated probability, then a shift of the log odds (the anchor).

    Attributes
    ----------
    method : logistic (a + b logit p), beta (a + b ln p - c ln(1 - p)) or isotonic (steps)
    parameters : a, b (and c); for isotonic the knots (raw, then calibrated)
    shift : added to the calibrated log odds by `anchored`
    """

    method: str
    parameters: tuple[tuple[float, ...], ...]
    shift: float = 0.0

    def apply(self, probability: Any) -> Array:
        """Calibrated probabilities."""
        p = np.asarray(probability, dtype=np.float64)
        if self.method == "isotonic":
            raw, calibrated = self.parameters
            curve = logit(np.interp(p, np.array(raw), np.array(calibrated)))
        elif self.method == "beta":
            a, b, c = self.parameters[0]
            inside = np.clip(p, EDGE, 1 - EDGE)
            curve = a + b * np.log(inside) - c * np.log1p(-inside)
        else:
            a, b = self.parameters[0]
            curve = a + b * logit(p)
        return inverse_logit(curve + self.shift)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Calibration":
        """Inverse of `to_dict`."""
        return cls(plain["method"], tuple(tuple(part) for part in plain["parameters"]), plain["shift"])


def calibrate(
    target: Any, probability: Any, *, method: Literal["logistic", "beta", "isotonic"] = "logistic"
) -> Calibration:
    """Fit a calibration curve on rows the card was not fitted on (a later time).

    Raises
    ------
    CreditLabError
        Unknown method; a logistic or beta curve that would turn the ranking round.
    """
    binary, p = checked(target, probability)
    if method == "isotonic":
        from sklearn.isotonic import IsotonicRegression

        found = IsotonicRegression(out_of_bounds="clip").fit(p, binary)
        return Calibration(method, (tuple(found.X_thresholds_.tolist()), tuple(found.y_thresholds_.tolist())))
    if method == "logistic":
        a, b = _regress(binary, np.column_stack([logit(p)]))
        if b <= 0:
            raise CreditLabError("the probabilities rank these rows the wrong way round; there is nothing to calibrate")
        return Calibration(method, ((a, b),))
    if method != "beta":
        raise CreditLabError(f"method {method!r}: need logistic, beta or isotonic")
    inside = np.clip(p, EDGE, 1 - EDGE)
    terms = np.column_stack([np.log(inside), -np.log1p(-inside)])
    a, b, c = _regress(binary, terms)
    if b < 0 or c < 0:  # a curve with a negative part is not monotone: the published remedy drops that part
        keep = 1 if b < 0 else 0
        a, one = _regress(binary, terms[:, [keep]])
        if one <= 0:
            raise CreditLabError("the probabilities rank these rows the wrong way round; there is nothing to calibrate")
        b, c = (0.0, one) if b < 0 else (one, 0.0)
    return Calibration(method, ((a, b, c),))


def _regress(target: Array, terms: Array) -> tuple[float, ...]:
    """Logistic regression, practically without penalty but finite under separation."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1e6, tol=1e-10, max_iter=5000).fit(terms, target)
    return (float(model.intercept_[0]), *map(float, model.coef_[0]))


def anchored(calibration: Calibration, probability: Any, rate: float) -> Calibration:
    """Shift the log odds so that the mean probability of these rows is `rate`.

    With the default rate of the last period the result is point in time, with a long-run average it is through the
    cycle; the ranking stays.

    Raises
    ------
    CreditLabError
        A rate that is not inside (0, 1).
    """
    from scipy import optimize

    if not 0 < rate < 1:
        raise CreditLabError(f"anchor {rate}: a default rate must lie between 0 and 1")
    odds = logit(calibration.apply(probability))
    shift = optimize.brentq(lambda x: inverse_logit(odds + x).mean() - rate, -40, 40, xtol=1e-12)
    return Calibration(calibration.method, calibration.parameters, calibration.shift + shift)


def long_run_rate(periods: Sequence[Any], target: Any) -> pd.Series:
    """Default rate per period and their plain mean, the long-run average (one vote per period), with its error.

    Returns
    -------
    Series
        rate, standard_error (of the mean over periods: cycles, not rows, are the sample), periods, last
    """
    binary, _ = checked(target, np.zeros(len(np.asarray(target))))
    rates = pd.Series(binary).groupby(np.asarray(periods)).mean()
    error = rates.std(ddof=1) / math.sqrt(len(rates)) if len(rates) > 1 else math.nan
    return pd.Series({"rate": rates.mean(), "standard_error": error, "periods": len(rates), "last": rates.iloc[-1]})


def assign(probability: Any, scale: Mapping[str, float]) -> pd.Series:
    """Grade of each probability on a master scale (主标尺): the first grade whose upper bound is above it.

    Parameters
    ----------
    scale : exclusive upper bound of each grade, best first; the last grade takes everything up to and including 1

    Raises
    ------
    CreditLabError
        Bounds that do not rise, or probabilities outside [0, 1].
    """
    values, bounds = np.asarray(probability, dtype=np.float64), np.array(list(scale.values()), dtype=np.float64)
    if (np.diff(bounds) <= 0).any() or len(bounds) == 0:
        raise CreditLabError(f"master scale: the upper bounds must rise, got {list(scale.values())}")
    if not ((values >= 0) & (values <= 1)).all():
        raise CreditLabError("master scale: probabilities must lie between 0 and 1 and not be missing")
    place = np.minimum(np.searchsorted(bounds, values, side="right"), len(bounds) - 1)
    return pd.Series(pd.Categorical.from_codes(place, list(scale), ordered=True), name="grade")


def jeffreys(rows: Any, events: Any, probability: Any) -> Array:
    """Chance, given the outcome, that the true default rate is at most the PD: Beta(D + 1/2, N - D + 1/2) at the PD.

    Small values say that the PD is too low. Assumes independent defaults, so with a common cycle it rejects too often.

    >>> jeffreys(10, 1, 0.381).round(3).item()
    0.975
    """
    from scipy import stats

    n, d = np.asarray(rows, dtype=np.float64), np.asarray(events, dtype=np.float64)
    return np.asarray(stats.beta.cdf(probability, d + 0.5, n - d + 0.5))


def light(p_too_low: float, *, yellow: float = 0.05, red: float = 0.01) -> str:
    """Traffic light of a Jeffreys probability, on both sides: PD too low, or so high that business is lost.

    >>> light(0.5), light(0.02), light(0.999)
    ('green', 'yellow: too low', 'red: too high')
    """
    side, distance = ("too low", p_too_low) if p_too_low < 0.5 else ("too high", 1 - p_too_low)
    colour = "red" if distance < red else "yellow" if distance < yellow else "green"
    return colour if colour == "green" else f"{colour}: {side}"


def by_grade(grade: Any, probability: Any, target: Any) -> pd.DataFrame:
    """Per grade and in total: rows, events, event_rate with its 95 % interval, pd (mean), jeffreys, light."""
    from scipy import stats

    binary, p = checked(target, probability)
    frame = pd.DataFrame({"grade": np.asarray(grade, dtype=object), "pd": p, "y": binary})
    order = list(getattr(getattr(grade, "cat", None), "categories", [])) or sorted(set(frame["grade"]), key=str)
    table = frame.groupby("grade").agg(rows=("y", "size"), events=("y", "sum"), pd=("pd", "mean")).reindex(order)
    table = table[table["rows"].notna()]
    table.loc["all"] = [len(frame), binary.sum(), p.mean()]
    table["event_rate"] = table["events"] / table["rows"]
    posterior = stats.beta(table["events"] + 0.5, table["rows"] - table["events"] + 0.5)
    table["low"], table["high"] = posterior.ppf(0.025), posterior.ppf(0.975)
    table["jeffreys"] = jeffreys(table["rows"], table["events"], table["pd"])
    table["light"] = [light(value) for value in table["jeffreys"]]
    columns = ["grade", "rows", "events", "event_rate", "low", "high", "pd", "jeffreys", "light"]
    return table.reset_index(names="grade")[columns]


def hosmer_lemeshow(target: Any, probability: Any, *, groups: int = 10, fitted_here: bool = False) -> pd.Series:
    """Hosmer-Lemeshow test: statistic, degrees, p_value of chi-square.

    statistic = sum over groups of (events - n p)^2 / (n p (1 - p)), p the mean probability of the
    group's n rows. Groups are `validate.risk_groups`: rows of one probability are never divided.

    Parameters
    ----------
    target, probability : outcome (two values) and default probability of each row
    groups : most groups; with few different probabilities there are fewer
    fitted_here : the probabilities were fitted on these rows. Degrees of freedom are the groups that
        were made, less 2 where fitted (Hosmer, Lemeshow & Sturdivant 2013, 5.2.2); without any left
        the p_value is missing
    """
    from scipy import stats

    binary, p = checked(target, probability)
    place = risk_groups(p, groups)
    rows, expected, events = (np.bincount(place, weights=w) for w in (np.ones(len(p)), p, binary))
    variance = np.maximum(expected * (1 - expected / rows), 1e-300)
    statistic = float(((events - expected) ** 2 / variance).sum())
    degrees = len(rows) - (2 if fitted_here else 0)
    p_value = float(stats.chi2.sf(statistic, degrees)) if degrees > 0 else math.nan
    return pd.Series({"statistic": statistic, "degrees": degrees, "p_value": p_value})


def spiegelhalter(target: Any, probability: Any) -> pd.Series:
    """Spiegelhalter's test of the Brier score: z and two-sided p_value; needs no groups."""
    from scipy import stats

    binary, p = checked(target, probability)
    variance = ((1 - 2 * p) ** 2 * p * (1 - p)).sum()
    z = ((binary - p) * (1 - 2 * p)).sum() / math.sqrt(variance) if variance > 0 else math.nan
    return pd.Series({"z": z, "p_value": 2 * stats.norm.sf(abs(z))})
