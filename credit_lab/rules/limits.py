"""How much credit (授信额度): by formula, on trial, and what a review makes of the limit in force."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from credit_lab.periods import takes_days
from credit_lab.policy import Policy
from credit_lab.rules.forms import pick, rule
from credit_lab.rules.grades import Grades, grades

# What bound a limit.
FORMULA, OWN_SALES, TRIAL, TRIAL_ENDED, NO_CREDIT, INACTIVE = range(6)
# What a review makes of a limit, and why.
NEW, WITHDRAWN, TRIGGERED, RAISED, CUT, SAME, EARLY, SMALL, NOT_DUE = range(9)


class Limits(NamedTuple):
    """`[limits]`, `[trial]` and `[grades]` of a policy; amounts in the unit asked for."""

    grades: Grades
    forecast_months: int
    growth: float
    delay: float
    peak: float
    rounding: float
    min_change: float
    months_between: float
    review_months: int
    withdraw_after: int
    share_of_sales: float
    first: float
    step_invoices: int
    step_factor: float
    steps: int
    stop_dpd: float
    least: float


def limits(policy: Policy, unit: float = 1.0) -> Limits:
    """The rules of limits of a policy.

    Parameters
    ----------
    unit : of the amounts per unit of money (100: cents)

    Raises
    ------
    MoneyNotKnown
        The policy's amounts are not known in the currency asked for.
    """
    one, trial = policy.limits, policy.trial
    return Limits(
        grades(policy),
        one.forecast_months,
        one.growth,
        float(one.tolerated_delay_days),
        one.peak_factor,
        one.rounding * unit,
        one.min_change,
        float(one.min_months_between),
        one.review_months,
        one.withdraw_after_months,
        one.max_share_of_sales,
        trial.first_limit * unit,
        trial.step_invoices,
        trial.step_factor,
        trial.steps,
        float(trial.stop_dpd),
        float(np.rint(policy.holds.min_overdue * unit)),
    )


@rule
def annual_sales(s: Any, sold: Any, months: Any) -> Any:
    """Sales expected of the year ahead: those of the forecast window, as of a whole year, grown.

    sold × 12 / min(months + 1, forecast_months) × (1 + growth)

    Parameters
    ----------
    s : `Limits`
    sold : net sales of the last `forecast_months` months
    months : on the books (0 in the month of the first document)
    """
    lived = np.minimum(np.maximum(months + 1, 1), s.forecast_months)
    return sold * 12 / lived * (1 + s.growth)


@rule
def sales_forecast(annual: Any, term: Any, delay: Any, peak: Any) -> Any:
    """annual sales / 365 × (term + tolerated delay) × peak factor (销售预测法); never below 0."""
    return np.maximum(annual, 0) / 365.0 * (term + delay) * peak


@rule
def on_trial(s: Any, months: Any, paid: Any) -> Any:
    """Whether a newcomer still earns its limit: too little history, and steps left to take."""
    return (months < s.grades.min_months) & (paid // s.step_invoices < s.steps)


@rule
def trial_limit(s: Any, paid: Any) -> Any:
    """Limit of a newcomer (试探性额度): first limit × factor for each step of invoices paid in time.

    Parameters
    ----------
    s : `Limits`
    paid : invoices paid in time so far
    """
    return s.first * s.step_factor ** np.minimum(paid // s.step_invoices, s.steps)


@rule
def trial_ends(s: Any, dpd: Any, overdue: Any) -> Any:
    """Whether a newcomer's trial is over for good: something material is `stop_dpd` days late.

    Parameters
    ----------
    s : `Limits`
    dpd : days past due of the oldest open invoice
    overdue : how much is past due; below `holds.min_overdue` it is small change
    """
    return (dpd >= s.stop_dpd) & (overdue >= s.least)


@rule
def bound(s: Any, months: Any, paid: Any, ended: Any, multiple: Any, annual: Any, formula: Any, cap: Any) -> Any:
    """What binds a limit: FORMULA, OWN_SALES, TRIAL, TRIAL_ENDED, NO_CREDIT (grade), INACTIVE.

    Parameters
    ----------
    s : `Limits`
    months, paid : on the books; invoices paid in time
    ended : whether the trial is over (`trial_ends` at this month end or an earlier one)
    multiple : of the grade; 0: without credit
    annual : sales expected of the year ahead; not above zero: nothing was sold
    formula : limit by formula
    cap : largest limit by own sales
    """
    newcomer = months < s.grades.min_months
    found = pick(formula > cap, OWN_SALES, FORMULA)
    found = pick(on_trial(s, months, paid), TRIAL, found)
    found = pick(newcomer & ended, TRIAL_ENDED, found)
    found = pick(multiple == 0, NO_CREDIT, found)
    return pick((annual <= 0) & np.logical_not(newcomer), INACTIVE, found)


@rule
def bounded(s: Any, what: Any, paid: Any, formula: Any, cap: Any) -> Any:
    """The limit by what binds it, rounded down to a multiple of `rounding`."""
    limit = pick(what == TRIAL, trial_limit(s, paid), np.minimum(np.maximum(formula, 0), cap))
    limit = pick(what >= TRIAL_ENDED, 0.0, limit)
    step = np.maximum(s.rounding, 1e-9)
    return pick(s.rounding > 0, np.floor(limit / step) * s.rounding, limit)


@rule
def change(s: Any, old: Any, wanted: Any, since: Any, quiet: Any, due: Any, called: Any, trial: Any) -> Any:
    """What a review makes of a limit: NEW, WITHDRAWN, TRIGGERED, RAISED, CUT; or it stays: SAME,
    EARLY, SMALL, NOT_DUE.

    Changes below `min_change` wait, and raises sooner than `min_months_between` months after the
    last change, unless a trigger calls for it; cuts never wait for the months. The steps of a trial
    limit are earned by invoices and wait for neither the months nor the rhythm.

    Parameters
    ----------
    s : `Limits`
    old : limit in force; NaN or below 0: none
    wanted : limit by formula or trial
    since : months since the last change
    quiet : months since the last sale; from `withdraw_after_months` on the limit is withdrawn
    due : whether the review falls into the rhythm of `review_months`
    called : whether a trigger calls for it
    trial : whether the limit is, or was until now, one of a trial
    """
    step = np.abs(wanted - old)
    small = step < s.min_change * np.maximum(old, 1e-9)
    early = (since < s.months_between) & (wanted > old) & np.logical_not(trial)
    found = pick(wanted > old, RAISED, CUT)
    found = pick(small, SMALL, found)
    found = pick(early, EARLY, found)
    found = pick(called & (small | early), TRIGGERED, found)
    found = pick(step == 0, SAME, found)
    found = pick(due | called | trial, found, NOT_DUE)
    found = pick((quiet >= s.withdraw_after) & (old > 0), WITHDRAWN, found)
    return pick(old >= 0, found, NEW)


@rule
def next_limit(what: Any, old: Any, wanted: Any) -> Any:
    """The limit after the review."""
    return pick(what == WITHDRAWN, 0.0, pick(what <= CUT, wanted, old))


@takes_days
def months_since(changed: pd.Series, day: pd.Timestamp) -> pd.Series:
    """Whole calendar months from the first day of a limit to the end of a later day: what counts
    from 1 October has run for three months at the end of 31 December.

    >>> begun = pd.Series(pd.to_datetime(["2025-11-30", "2025-12-15"]))
    >>> months_since(begun, pd.Timestamp("2026-02-28")).tolist()
    [3.0, 2.0]
    """
    end = day + pd.Timedelta(days=1)
    whole = (end.year - changed.dt.year) * 12 + end.month - changed.dt.month
    return (whole - (end.day < changed.dt.day)).astype("float64")
