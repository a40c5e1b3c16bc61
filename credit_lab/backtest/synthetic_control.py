"""Synthetic control (合成控制法): one treated firm or region against a weighted mean of untreated ones.

Weights are at least 0, sum to 1 and fit the treated unit over the months before the policy; the effect is the mean
gap after it. Inference is by placebos in space (each donor treated in its turn) on the gap divided by the own
misfit before, and by a placebo in time (the policy moved back into the months before).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab.backtest.effects import LEVEL, DesignError, Effect, Inference, from_link, make, refuse
from credit_lab.periods import takes_days


@dataclass(frozen=True)
class SyntheticOptions:
    """Choices of a synthetic control.

    log : work on logarithms: relative effect, and units of different size become comparable.
    demean : take each unit's own mean before the policy out (Ferman & Pinto 2021, Quant. Econ. 12:1197): the donors
        need to move like the treated unit, not to stand at its level.
    wait, until : months after the policy left out, and last month counted, as in `its.ItsOptions`.
    worst_fit : placebo donors whose misfit exceeds this many times the treated unit's stay in, but are counted.
    """

    log: bool = True
    demean: bool = True
    wait: int = 0
    until: int | None = None
    level: float = LEVEL
    worst_fit: float = 5.0


def weights(treated: np.ndarray, donors: np.ndarray) -> np.ndarray:
    """Exact weights: least squares of `treated` (months) on `donors` (months x units) over the unit simplex.

    The nearest point of a convex hull by one non-negative least squares with a row of ones: with D = donors - treated,
    u = argmin |D u|^2 + (sum u - 1)^2, u >= 0, and w = u / sum u meets the same optimality conditions.

    References
    ----------
    Abadie, Diamond & Hainmueller (2010) J. Am. Stat. Assoc. 105:493; Lawson & Hanson (1974) ch. 23.
    """
    from scipy.optimize import nnls

    gap = donors - treated[:, None]
    size = np.linalg.norm(gap, axis=0).mean()
    if size == 0:
        return np.full(donors.shape[1], 1 / donors.shape[1])
    raw, _ = nnls(np.vstack([gap / size, np.ones(donors.shape[1])]), np.r_[np.zeros(len(gap)), 1.0])
    return raw / raw.sum()


@takes_days
def estimate(
    wide: pd.DataFrame, policy_date: pd.Timestamp, *, treated: str, options: SyntheticOptions | None = None
) -> Effect:
    """Effect on the column `treated` of a months x units table of one metric, the other columns being donors.

    The interval is the set of constant effects the placebo test does not reject (Firpo & Possebom 2018, J. Causal
    Inference 6). With fewer than 19 donors no 95 % interval exists: low and high are then NaN and say so.

    Raises
    ------
    DesignError
        Treated column absent, fewer than 2 donors (no controls), policy date outside the data, fewer than 6 months
        before, missing values, non-positive values with log=True.
    """
    options = options or SyntheticOptions()
    y, index, before, after = _checked(wide, policy_date, treated, options)
    names = [c for c in wide.columns if c != treated]
    place = list(wide.columns).index(treated)
    chosen, gaps, misfit, effect = _one(y, place, before, after, options)
    others = [c for c in range(y.shape[1]) if c != place]
    placebo = np.array([_one(np.delete(y, place, axis=1), j, before, after, options)[2:] for j in range(len(others))])
    scaled = placebo[:, 1] / np.maximum(placebo[:, 0], 1e-300)
    own = effect / max(misfit, 1e-300)
    p_value = (1 + np.sum(np.abs(scaled) >= abs(own))) / (1 + len(scaled))
    critical, spread = _critical(scaled, options.level)
    link = "log" if options.log else "identity"
    found = Inference(
        effect,
        misfit * spread,
        critical / spread,
        level=options.level,
        link=link,
        unit="relative" if options.log else "absolute",
        p_value=float(p_value),
    )
    table = _series(wide[treated], gaps, misfit, critical_month(y, place, before, options), index, options)
    time_value, time_p = _placebo_in_time(y, place, before, options)
    named = pd.Series(chosen, index=names).sort_values(ascending=False)
    return make(
        "synthetic_control.placebo",
        treated,
        found,
        series=table[~before].reset_index(drop=True),
        summary=[
            ("placebo in time", float(from_link(time_value, link)), np.nan, np.nan),
            *((f"weight {name}", float(value), np.nan, np.nan) for name, value in named[named > 1e-6].items()),
        ],
        assumptions=[
            ("the donors can mimic the treated unit", "misfit against donors' own", *_fit_check(misfit, placebo[:, 0])),
            (
                "no effect before the policy",
                "placebo in time",
                None if np.isnan(time_p) else bool(time_p > 0.05),
                f"p = {time_p:.2f}",
            ),
            ("donors are not touched by the policy", "none", None, "same market, same customers: spill-over"),
        ],
        diagnostics=[
            ("donors", len(names), "untreated units"),
            ("months_before", int(before.sum()), "used for the weights"),
            ("misfit", misfit, "root mean square gap before, link scale"),
            ("misfit_donors", float(np.median(placebo[:, 0])), "the same, median of the placebos"),
            ("poor_placebos", int((placebo[:, 0] > options.worst_fit * misfit).sum()), "placebos fitted far worse"),
            ("largest_weight", float(named.iloc[0]), f"on {named.index[0]}"),
        ],
        precision=pd.DataFrame(
            {"needed_of": ["months_after"], "count": [int(after.sum())], "std_error": [misfit * spread]}
        ),
    )


def _critical(scaled: np.ndarray, level: float) -> tuple[float, float]:
    """Order statistic of the placebos' |gap / misfit| that gives the level exactly, and their spread."""
    rank = int(np.ceil((len(scaled) + 1) * level))
    critical = float(np.sort(np.abs(scaled))[rank - 1]) if rank <= len(scaled) else float("nan")
    return critical, float(np.sqrt(np.mean(scaled**2)))


def _one(
    y: np.ndarray, place: int, before: np.ndarray, after: np.ndarray, options: SyntheticOptions
) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Weights, gaps by month, misfit before, mean gap after, for the unit in column `place`."""
    level = y[before].mean(axis=0) if options.demean else np.zeros(y.shape[1])
    centred = y - level
    others = np.delete(centred, place, axis=1)
    chosen = weights(centred[before, place], others[before])
    gaps = centred[:, place] - others @ chosen
    misfit = float(np.sqrt(np.mean(gaps[before] ** 2)))
    return chosen, gaps, misfit, float(gaps[after].mean())


def critical_month(y: np.ndarray, place: int, before: np.ndarray, options: SyntheticOptions) -> float:
    """The multiple of the misfit that bounds a single month's placebo gap after the policy."""
    donors = np.delete(y, place, axis=1)
    ratios = []
    for j in range(donors.shape[1]):
        _, gaps, misfit, _ = _one(donors, j, before, ~before, options)
        ratios.append(np.abs(gaps[~before]) / max(misfit, 1e-300))
    stacked = np.sort(np.concatenate(ratios))
    return float(np.quantile(stacked, options.level))


def _series(
    observed: pd.Series,
    gaps: np.ndarray,
    misfit: float,
    wide: float,
    index: pd.DatetimeIndex,
    options: SyntheticOptions,
) -> pd.DataFrame:
    seen = observed.to_numpy(dtype=float)
    link = "log" if options.log else "identity"
    return pd.DataFrame(
        {
            "period": index,
            "observed": seen,
            "counterfactual": seen * np.exp(-gaps) if options.log else seen - gaps,
            "effect": from_link(gaps, link),
            "low": from_link(gaps - wide * misfit, link),
            "high": from_link(gaps + wide * misfit, link),
        }
    )


def _placebo_in_time(y: np.ndarray, place: int, before: np.ndarray, options: SyntheticOptions) -> tuple[float, float]:
    """The policy moved two thirds into the months before: effect and p-value, NaN with fewer than 12 such months."""
    months = int(before.sum())
    if months < 12:
        return float("nan"), float("nan")
    early = np.arange(months) < (2 * months) // 3
    past = y[before]
    _, _, misfit, effect = _one(past, place, early, ~early, options)
    donors = np.delete(past, place, axis=1)
    placebo = [_one(donors, j, early, ~early, options)[2:] for j in range(donors.shape[1])]
    scaled = np.abs([gap / max(fit, 1e-300) for fit, gap in placebo])
    return effect, float((1 + np.sum(scaled >= abs(effect) / max(misfit, 1e-300))) / (1 + len(scaled)))


def _fit_check(misfit: float, donors: np.ndarray) -> tuple[bool, str]:
    typical = float(np.median(donors))
    return bool(misfit <= 2 * typical), f"misfit {misfit:.3g}, median of donors {typical:.3g}"


def _checked(
    wide: pd.DataFrame, policy_date: pd.Timestamp, treated: str, options: SyntheticOptions
) -> tuple[np.ndarray, pd.DatetimeIndex, np.ndarray, np.ndarray]:
    if treated not in wide.columns:
        raise DesignError(f"synthetic_control: no column {treated!r} in the table")
    if wide.shape[1] < 3:
        raise refuse(
            "synthetic_control",
            f"no controls: {wide.shape[1] - 1} donors, 2 at least (19 for a 95 % interval) are needed",
            "its.estimate on the treated unit alone",
        )
    if not isinstance(wide.index, pd.DatetimeIndex) or not wide.index.is_monotonic_increasing:
        raise DesignError("synthetic_control: the table needs an ascending month-end DatetimeIndex")
    values = wide.to_numpy(dtype=float)
    if not np.isfinite(values).all():
        bad = wide.columns[~np.isfinite(values).all(axis=0)][0]
        raise DesignError(f"synthetic_control: {bad!r} has missing months; drop that donor or fill the months")
    if options.log:
        if values.min() <= 0:
            raise DesignError("synthetic_control: a value is not positive; use SyntheticOptions(log=False)")
        values = np.log(values)
    index = wide.index
    since = (index.year - policy_date.year) * 12 + index.month - policy_date.month
    if since[0] >= 0 or since[-1] < 0:
        raise refuse(
            "synthetic_control",
            f"policy date {policy_date.date()} lies outside the data {index[0].date()} to {index[-1].date()}: "
            "no pre-period or nothing after",
            "none with these months; load the months around that date",
        )
    before, after = np.asarray(since < 0), np.asarray(since >= options.wait)
    if options.until is not None:
        after &= np.asarray(since < options.until)
    if before.sum() < 6 or not after.any():
        raise refuse(
            "synthetic_control",
            f"pre-period of {int(before.sum())} months and {int(after.sum())} counted months after; 6 and 1 are needed",
            "did.estimate with the donors as controls",
        )
    return values, index, before, after
