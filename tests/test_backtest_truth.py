"""Known truth in, truth out: small versions of the worlds of benchmarks/backtest.py."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from credit_lab.backtest import did, effects, its, placebo, randomised, synthetic_control
from credit_lab.backtest.claims import Claim

_PATH = Path(__file__).resolve().parents[1] / "benchmarks/backtest.py"
_SPEC = importlib.util.spec_from_file_location("backtest_benchmark", _PATH)
bench = importlib.util.module_from_spec(_SPEC)
sys.modules["backtest_benchmark"] = bench
_SPEC.loader.exec_module(bench)

RUNS = 40


@pytest.fixture(scope="module")
def truth():
    return {name: bench.planted(name, RUNS) for name in bench.WORLDS if name != "randomised, CUPED, losses"}


def test_every_estimator_covers_the_planted_effect_and_finds_none_where_none_is(truth):
    # 80 intervals per estimator: below 70 covered has probability 4e-3 at 95 %, below 68 has 5e-4.
    for name, figures in truth.items():
        assert figures["coverage"] >= 68 / 80, name
        assert figures["false_positive"] <= 7 / 40, name
        assert figures["power"] >= 0.7, name
        assert abs(figures["bias"]) <= 0.1 * abs(figures["effect"]), name


def test_the_naive_comparison_is_wrong_in_the_same_worlds(truth):
    for name in ("its, 48 + 12 months", "did, 3 steps, groups", "off-policy AIPW", "discontinuity"):
        assert truth[name]["naive_coverage"] < 0.75, name
        assert truth[name]["naive_false_positive"] > 0.25, name


def test_the_randomised_ratio_keeps_its_level_with_heavy_tails():
    hits, low = [], []
    for k in range(60):
        table = bench.trial(np.random.default_rng([5, k]), 0.0, groups=1500)
        found = randomised.estimate(table, outcome="loss", per="sales", options=randomised.TrialOptions(relative=True))
        hits.append(found.low > 0 or found.high < 0)
        low.append(found.low)
    assert np.mean(hits) <= 0.10
    assert min(low) > -1


def test_cuped_keeps_the_estimate_unbiased_and_takes_variance_out():
    rng = np.random.default_rng(1)
    gains = []
    for _ in range(40):
        before = rng.normal(100, 20, 400)
        arm = rng.permutation(np.arange(400) % 2)
        table = pd.DataFrame(
            {
                "group_id": np.arange(400),
                "arm": np.where(arm == 1, "challenger", "champion"),
                "before": before,
                "after": before + rng.normal(0, 8, 400) - 5 * arm,
            }
        )
        found = randomised.estimate(table, outcome="after", before="before")
        kept = found.diagnostics.set_index("name").loc["variance_kept", "value"]
        gains.append((found.estimate, found.low <= -5 <= found.high, kept))
    estimate, covered, kept = np.mean(gains, axis=0)
    assert estimate == pytest.approx(-5, abs=0.5)
    assert covered >= 0.85
    # var(after | before) / var(after) = 64 / 464
    assert kept == pytest.approx(64 / 464, abs=0.03)


def test_an_added_effect_moves_the_estimate_by_just_as_much():
    series, date = bench.firm(np.random.default_rng(3))
    raised = series.where(series.index < date, series * 1.2)
    a, b = its.estimate(series, date), its.estimate(raised, date)
    assert (1 + b.estimate) / (1 + a.estimate) == pytest.approx(1.2, rel=1e-9)
    assert b.std_error == pytest.approx(a.std_error, rel=1e-9)


def test_units_of_money_do_not_matter_and_order_of_rows_does_not_either():
    panel = bench.customers(np.random.default_rng(2), -0.1, count=60)
    options = did.DidOptions(scale="ratio")
    a = did.estimate(panel, outcome="days_to_pay", options=options)
    mixed = panel.sample(frac=1, random_state=1).assign(days_to_pay=lambda t: t["days_to_pay"] * 7)
    b = did.estimate(mixed, outcome="days_to_pay", options=options)
    assert (a.estimate, a.low, a.high) == pytest.approx((b.estimate, b.low, b.high), rel=1e-9)
    pd.testing.assert_frame_equal(a.series[["effect", "low"]], b.series[["effect", "low"]], rtol=1e-8)


def test_same_inputs_same_bytes_and_the_callers_table_is_left_alone():
    series, date = bench.firm(np.random.default_rng(3), 0.1)
    kept = series.copy()
    a, b = its.estimate(series, date), its.estimate(series, date)
    pd.testing.assert_series_equal(series, kept)
    assert (a.low, a.high, a.p_value) == (b.low, b.high, b.p_value)
    pd.testing.assert_frame_equal(a.series, b.series)


def test_months_before_the_wait_do_not_count():
    series, date = bench.firm(np.random.default_rng(6), 0.2)
    spoilt = series.copy()
    spoilt[spoilt.index >= date] = np.r_[spoilt[spoilt.index >= date].to_numpy()[:2] * 9, spoilt.to_numpy()[50:]]
    options = its.ItsOptions(wait=2)
    assert its.estimate(spoilt, date, options=options).estimate == pytest.approx(
        its.estimate(series, date, options=options).estimate
    )


def test_synthetic_control_finds_a_treated_unit_made_of_its_donors():
    index = pd.date_range("2022-01-31", periods=24, freq="ME")
    rng = np.random.default_rng(0)
    donors = pd.DataFrame(rng.normal(10, 2, (24, 5)), index=index, columns=list("abcde"))
    wide = donors.assign(firm=0.25 * donors["a"] + 0.75 * donors["c"] + np.where(np.arange(24) >= 18, 3.0, 0.0))
    options = synthetic_control.SyntheticOptions(log=False, demean=False)
    found = synthetic_control.estimate(wide, index[18].to_period("M").to_timestamp(), treated="firm", options=options)
    weights = found.summary.set_index("quantity")["value"]
    assert found.estimate == pytest.approx(3.0, abs=1e-9)
    assert (weights["weight a"], weights["weight c"]) == pytest.approx((0.25, 0.75), abs=1e-9)
    # Five donors cannot give a 95 % interval: 1 / 6 is the smallest p-value.
    assert np.isnan(found.low)
    assert found.p_value == pytest.approx(1 / 6)


def test_an_interval_at_a_lower_level_is_narrower():
    found = its.estimate(*bench.firm(np.random.default_rng(3), 0.1))
    low, high = effects.interval_at(found, 0.95)
    assert (low, high) == pytest.approx((found.low, found.high))
    narrow = effects.interval_at(found, 0.90)
    assert low < narrow[0] < narrow[1] < high


def test_the_twin_has_the_swing_of_its_firm_and_not_the_policy():
    claim = Claim("c", "ar_turnover", "up", 0.15, 0.20, 3, 6, "within", "turnover", "周转率", "")
    series, date = bench.firm(np.random.default_rng(12), 0.30)
    found = placebo.from_twin(series, date, claim, rng=np.random.default_rng(1), draws=300)
    twin = placebo.fit_twin(series, date)
    same = placebo.fit_twin(series.where(series.index < date, 1.0), date)
    np.testing.assert_allclose(twin.fitted, same.fitted)  # the months after the policy take no part
    real = series[series.index < date]
    drawn = twin.simulate(np.random.default_rng(2), 200)[:, : len(real)]
    spread = np.log(drawn).std(axis=1).mean()
    assert spread == pytest.approx(np.log(real).std(), rel=0.25)
    assert found.draws.std() > 0.01
    assert 0 < found.p_value <= 1


def test_placebo_shares_of_a_small_book_are_those_of_the_noted_simulation():
    # FORMULAS section 6: 500 customers, 2 %, sigma 1.5: a fall of 30 % or more in 36 % of years without any policy.
    claim = Claim("c", "bad_debt_ratio", "down", 0.30, 0.50, 6, 12, "within", "bad debt", "坏账率", "")
    rng = np.random.default_rng(3)
    shares = [
        placebo.from_losses(
            np.exp(1.5 * rng.standard_normal(500)), 0.02, claim, observed=-0.35, rng=rng, draws=100
        ).share_reached
        for _ in range(60)
    ]
    assert np.mean(shares) == pytest.approx(0.36, abs=0.025)


def test_placebo_dates():
    claim = Claim("c", "ar_turnover", "up", 0.15, 0.20, 3, 6, "within", "turnover", "周转率", "")
    index = pd.date_range("2020-01-31", periods=36, freq="ME")
    series = pd.Series(np.where(np.arange(36) < 30, 6.0, 7.2), index=index)
    found = placebo.by_dates(series, pd.Timestamp("2022-07-01"), claim)
    # 30 months before, six on each side: 19 dates, none of them shows any change; the real one shows 20 %.
    assert len(found.draws) == 19
    assert (found.draws == 0).all()
    assert found.observed == pytest.approx(0.2)
    assert found.p_value == pytest.approx(1 / 20)


def test_the_error_of_a_ratio_of_arms_worked_by_hand():
    # 20 groups an arm with one customer each; 10 champions and 5 challengers lose 1: rates .5 and .25, ratio .5.
    # Squares around the rates: 5 and 3.75, times 20/19; dispersion (5.2632 + 3.9474) / 15 = .61404.
    # Variance of the log ratio .61404 (1/5 + 1/10) = .18421, error .42920 (each arm by itself would give .45883).
    table = pd.DataFrame(
        {
            "group_id": range(40),
            "arm": ["champion"] * 20 + ["challenger"] * 20,
            "loss": [1.0] * 10 + [0.0] * 10 + [1.0] * 5 + [0.0] * 15,
        }
    )
    found = randomised.estimate(table, outcome="loss", options=randomised.TrialOptions(relative=True))
    assert found.estimate == pytest.approx(-0.5)
    assert found.std_error == pytest.approx(0.42920, abs=1e-5)
    turned = randomised.TrialOptions(relative=True, challenger="champion", champion="challenger")
    other = randomised.estimate(table, outcome="loss", options=turned)
    assert (other.estimate, other.std_error) == pytest.approx((1.0, found.std_error))
    plain = randomised.estimate(table, outcome="loss")
    # Difference -.25; variance 20/19 (5 + 3.75) / 400 = .023026.
    assert (plain.estimate, plain.std_error**2) == pytest.approx((-0.25, 0.0230263), abs=1e-6)
