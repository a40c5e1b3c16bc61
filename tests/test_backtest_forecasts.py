import numpy as np
import pandas as pd
import pytest

from credit_lab.backtest import forecast_checks as fc
from credit_lab.backtest.effects import DesignError


def test_crps_worked_by_hand():
    # Draws 1, 3 and outcome 2: E|X - y| = 1; pairs of different draws differ by 2: 1 - 2 / 2 = 0.
    # Draws 0, 0 and outcome 5: 5 - 0 = 5.
    assert fc.crps(np.array([2.0, 5.0]), np.array([[1.0, 3.0], [0.0, 0.0]])).tolist() == [0.0, 5.0]


def test_crps_equals_the_closed_form_of_the_normal():
    # Gneiting & Raftery 2007: CRPS(N(0,1), y) = y (2 Phi(y) - 1) + 2 phi(y) - 1 / sqrt(pi); .23369 at y = 0.
    draws = np.random.default_rng(0).standard_normal((1, 200_000))
    assert fc.crps(np.array([0.0]), draws)[0] == pytest.approx(0.23369, abs=0.003)
    assert fc.crps(np.array([1.0]), draws)[0] == pytest.approx(0.60244, abs=0.005)


def test_crps_is_twice_the_mean_pinball_loss_over_levels():
    draws = np.sort(np.random.default_rng(1).gamma(2, 10, 20_001))
    y = np.array([17.0])
    levels = (np.arange(2000) + 0.5) / 2000
    loss = np.mean([fc.pinball(y, np.quantile(draws, p), level=p)[0] for p in levels])
    assert fc.crps(y, draws[None, :])[0] == pytest.approx(2 * loss, rel=2e-3)


def test_pit_is_flat_for_right_forecasts_of_whole_days_and_not_for_wrong_ones():
    rng = np.random.default_rng(2)
    mean = rng.uniform(2, 20, 3000)
    observed = rng.poisson(mean).astype(float)
    right = fc.pit(observed, rng.poisson(mean[:, None], (3000, 99)), rng=rng)
    narrow = fc.pit(observed, np.round(rng.normal(mean[:, None], 1, (3000, 99))), rng=rng)
    assert fc.pit_p_value(right) > 0.01
    assert fc.pit_p_value(narrow) < 1e-6
    table = fc.pit_table(narrow)
    assert table["count"].sum() == 3000
    assert table["share"].iloc[[0, -1]].min() > 0.12  # a bowl


def test_binomial_interval_is_the_exact_one():
    from scipy import stats

    for hits, trials in ((0, 20), (3, 20), (20, 20), (812, 1000)):
        peer = stats.binomtest(hits, trials).proportion_ci(method="exact")
        assert fc.binomial_interval(hits, trials) == pytest.approx((peer.low, peer.high), abs=1e-12)
    assert all(np.isnan(fc.binomial_interval(0, 0)))


def forecasts():
    made = pd.Timestamp("2024-12-31")
    return pd.DataFrame(
        {
            "made_on": [made] * 4 + [pd.Timestamp("2025-03-31")] * 2,
            "low": [0.0, 0, 0, 0, 0, 0],
            "median": [5.0, 5, 5, 5, 5, 5],
            "high": [10.0, 10, 10, 10, 10, 10],
            "naive": [9.0, 9, 9, 9, 9, 9],
            "observed": [5.0, 7, 12, 5, np.nan, np.nan],
        }
    )


def test_review_of_earlier_forecasts_worked_by_hand():
    table = fc.review(forecasts())
    # Only December is known: 3 of 4 inside; errors 0, 2, 7, 0 = 2.25; naive 4, 2, 3, 4 = 3.25; skill 1 - 2.25 / 3.25.
    assert len(table) == 1
    row = table.iloc[0]
    assert (row["forecasts"], row["coverage"], row["width"], row["error"], row["naive_error"]) == (
        4,
        0.75,
        10,
        2.25,
        3.25,
    )
    assert row["skill"] == pytest.approx(1 / 3.25)
    assert row["ok"]


def test_reliability_leaves_open_outcomes_out_and_sees_an_optimist():
    rng = np.random.default_rng(3)
    table = pd.DataFrame({"made_on": np.repeat([2022, 2023, 2024], 2000), "pd_12m": 0.02})
    default = pd.Series(rng.random(6000) < np.repeat([0.02, 0.04, 0.02], 2000), dtype="boolean")
    default[4000:] = pd.NA
    found = fc.reliability(table.assign(default=default), outcome="default")
    assert found["made_on"].tolist() == [2022, 2023]
    assert found["ok"].tolist() == [True, False]


def test_gain_over_naive_has_an_interval_that_covers():
    rng = np.random.default_rng(4)
    hits = []
    for _ in range(300):
        shared = rng.standard_normal(60)
        gain = fc.against_naive(2 + shared, 2.3 + shared + 0.5 * rng.standard_normal(60))
        hits.append(gain["low"] <= 0.3 <= gain["high"])
    assert np.mean(hits) == pytest.approx(0.95, abs=0.04)
    same = fc.against_naive(np.array([1.0, 2, 3]), np.array([2.0, 4, 6]))
    assert same["skill"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fc.review(forecasts().drop(columns="naive")), "lack naive"),
        (lambda: fc.review(forecasts().assign(observed=np.nan)), "nothing has been observed"),
        (lambda: fc.crps(np.array([1.0]), np.array([[np.nan, 1.0]])), "finite"),
        (lambda: fc.crps(np.array([1.0, 2.0]), np.array([[1.0, 1.0]])), "one row of draws each"),
        (lambda: fc.pinball(np.array([1.0]), np.array([1.0]), level=80), "between 0 and 1"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(DesignError, match=message):
        call()
