"""Data that cannot carry a design are refused with what is missing and which weaker design is possible."""

import numpy as np
import pandas as pd
import pytest

from credit_lab.backtest import did, discontinuity, effects, its, off_policy, placebo, randomised, synthetic_control
from credit_lab.backtest.effects import DesignError
from credit_lab.errors import CreditLabError

MONTHS = pd.date_range("2021-01-31", periods=36, freq="ME")
SERIES = pd.Series(6.0 + np.sin(np.arange(36)), index=MONTHS, name="ar_turnover")
PANEL = pd.DataFrame(
    {
        "customer_id": np.repeat([f"C{i}" for i in range(20)], 12),
        "month": np.tile(MONTHS[:12], 20),
        "days": np.random.default_rng(1).normal(50, 5, 240),
    }
)
LOG = pd.DataFrame({"reward": np.arange(200.0), "propensity": 0.5, "target_propensity": 0.6})


def treated(dates):
    return PANEL.assign(treated_from=np.repeat(pd.DatetimeIndex(dates), 12))


def trial(**change):
    table = pd.DataFrame({"group_id": range(40), "arm": ["challenger", "champion"] * 20, "loss": 1.0})
    return table.assign(**change)


CASES = {
    "date after the data": (lambda: its.estimate(SERIES, pd.Timestamp("2030-01-01")), "lies outside the data"),
    "date before the data": (lambda: its.estimate(SERIES, pd.Timestamp("2001-01-01")), "lies outside the data"),
    "synthetic date outside": (
        lambda: synthetic_control.estimate(
            pd.DataFrame(dict.fromkeys("abc", SERIES)), pd.Timestamp("2030-01-01"), treated="a"
        ),
        "lies outside the data",
    ),
    "short pre-period": (lambda: its.estimate(SERIES, MONTHS[4]), "4 months before"),
    "nothing after the wait": (
        lambda: its.estimate(SERIES, MONTHS[34], options=its.ItsOptions(wait=2)),
        "0 months after",
    ),
    "no pre-period for customers": (
        lambda: did.estimate(treated([MONTHS[0]] * 20), outcome="days"),
        "no pre-period",
    ),
    "all on one day": (lambda: did.estimate(treated([MONTHS[6]] * 20), outcome="days"), "on one day"),
    "nobody treated": (lambda: did.estimate(treated([pd.NaT] * 20), outcome="days"), "nobody is treated"),
    "no controls in time": (
        lambda: did.estimate(treated([MONTHS[0]] * 10 + [MONTHS[5]] * 10), outcome="days"),
        "one day|no controls",
    ),
    "no donors": (
        lambda: synthetic_control.estimate(SERIES.to_frame("a"), MONTHS[20], treated="a"),
        "no controls",
    ),
    "one side of the cut-off": (
        lambda: discontinuity.estimate(
            pd.DataFrame({"s": np.arange(50.0), "y": 1.0}), outcome="y", score="s", cutoff=-1
        ),
        "no controls",
    ),
    "few rows at the cut-off": (
        lambda: discontinuity.estimate(
            pd.DataFrame({"s": np.arange(-20.0, 20.0), "y": np.arange(40.0)}), outcome="y", score="s", cutoff=0
        ),
        "30 on each side",
    ),
    "one arm": (lambda: randomised.estimate(trial(arm="champion"), outcome="loss"), "no controls"),
    "few groups": (lambda: randomised.estimate(trial()[:12], outcome="loss"), "10 per arm"),
    "no loss in an arm": (
        lambda: randomised.estimate(
            trial(loss=[0.0, 1.0] * 20), outcome="loss", options=randomised.TrialOptions(relative=True)
        ),
        "no positive outcome",
    ),
    "propensity 0": (lambda: off_policy.value(LOG.assign(propensity=0.0), reward="reward"), r"not in \(0, 1\]"),
    "propensity 1": (lambda: off_policy.value(LOG.assign(propensity=1.0), reward="reward"), "never chose"),
    "no propensity": (lambda: off_policy.value(LOG.drop(columns="propensity"), reward="reward"), "written down"),
    "thin overlap": (
        lambda: off_policy.value(LOG.assign(target_propensity=[1.0] * 5 + [0.0] * 195), reward="reward"),
        "effective sample 5.0",
    ),
    "everyone called": (
        lambda: off_policy.treatment_effect(
            LOG.assign(call=1.0), outcome="reward", treatment="call", covariates=["propensity"]
        ),
        "no controls",
    ),
    "covariates decide": (
        lambda: off_policy.treatment_effect(
            LOG.assign(call=(LOG["reward"] > 99).astype(float)),
            outcome="reward",
            treatment="call",
            covariates=["reward"],
        ),
        "0 or 1",
    ),
    "fitted propensity given as 0": (
        lambda: off_policy.treatment_effect(
            LOG.assign(call=[0.0, 1.0] * 100, e=0.0),
            outcome="reward",
            treatment="call",
            covariates=["target_propensity"],
            propensity="e",
        ),
        "are 0 or 1",
    ),
    "few placebo dates": (
        lambda: placebo.fit_twin(SERIES, MONTHS[10]),
        "18 are needed",
    ),
    "naive with one month": (lambda: effects.before_after(SERIES, MONTHS[35]), "1 after"),
}


@pytest.mark.parametrize("case", CASES)
def test_refused_with_the_weaker_design(case):
    call, message = CASES[case]
    with pytest.raises(DesignError, match=message) as caught:
        call()
    assert "weaker design is possible" in str(caught.value)
    assert isinstance(caught.value, CreditLabError)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: its.estimate(SERIES.drop(MONTHS[8]), MONTHS[20]), "2021-09 is missing"),
        (lambda: its.estimate(pd.concat([SERIES, SERIES[:1]]), MONTHS[20]), "more than once"),
        (lambda: its.estimate(SERIES.where(SERIES.index != MONTHS[3]), MONTHS[20]), "2021-04-30"),
        (lambda: its.estimate(SERIES - 6, MONTHS[20]), "no logarithm"),
        (lambda: its.estimate(SERIES.reset_index(drop=True), MONTHS[20]), "DatetimeIndex"),
        (lambda: did.estimate(treated([MONTHS[6], pd.NaT] * 10)[1:], outcome="days"), "1 of 20"),
        (
            lambda: did.estimate(treated([MONTHS[6], pd.NaT] * 10).iloc[[0, *range(240)]], outcome="days"),
            "has two rows",
        ),
        (
            lambda: did.estimate(
                treated([MONTHS[6], pd.NaT] * 10), outcome="days", options=did.DidOptions(scale="percent")
            ),
            "choose absolute, ratio or log",
        ),
        (
            lambda: randomised.estimate(trial(group_id=[i // 2 for i in range(40)]), outcome="loss"),
            "both arms",
        ),
        (lambda: randomised.estimate(trial(loss=np.nan), outcome="loss"), "missing"),
    ],
)
def test_broken_tables_are_refused_with_the_place(call, message):
    with pytest.raises(DesignError, match=message):
        call()
