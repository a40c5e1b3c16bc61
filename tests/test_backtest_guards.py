import numpy as np
import pandas as pd
import pytest

from credit_lab.backtest import guards, guards_trials
from credit_lab.backtest.effects import DesignError

MONTHS = pd.date_range("2021-01-31", periods=48, freq="ME")


def test_growth_with_lagged_losses_shows_minus_a_sixth_at_constant_vintage_loss():
    # Sales 100 a month, from January 2023 120; losses are 1 % of the sales a year before: 1.0 a month throughout 2023.
    # Naive: 1.0 / 120 against 1.0 / 100 = 1 / 1.2 - 1 = -16.7 %; by origin 1.0 / 100 both times: no change.
    sales = pd.Series(np.where(np.arange(48) < 24, 100.0, 120.0), index=MONTHS)
    found = guards.growth(sales, (0.01 * sales.shift(12)).fillna(1.0), pd.Timestamp("2023-01-01"))
    assert found.naive == pytest.approx(-1 / 6)
    assert found.corrected == pytest.approx(0, abs=1e-12)
    assert found.flag


def test_a_season_is_taken_out_and_a_real_change_is_left():
    season = 1 + 0.2 * np.sin(2 * np.pi * MONTHS.month.to_numpy() / 12)
    quiet = pd.Series(6 * season, index=MONTHS)
    date = pd.Timestamp("2024-01-01")
    found = guards.season(quiet, date, months=4)
    assert abs(found.naive) > 0.15
    assert found.corrected == pytest.approx(0, abs=1e-12)
    assert found.flag
    raised = quiet.where(quiet.index < date, quiet * 1.17)
    assert guards.season(raised, date, months=4).corrected == pytest.approx(0.17)
    flat = guards.season(pd.Series(6.0, index=MONTHS), date, months=4)
    assert not flat.flag


def test_the_worst_fifth_improves_by_itself_and_not_when_chosen_a_period_earlier():
    rng = np.random.default_rng(5)
    lasting = np.exp(rng.normal(2.3, 0.6, 20_000))
    parts = [
        pd.DataFrame({"customer_id": range(20_000), "month": t, "late": lasting * np.exp(rng.normal(0, 0.55, 20_000))})
        for t in range(3)
    ]
    found = guards.regression_to_mean(pd.concat(parts), signal="late", period=2)
    assert found.naive == pytest.approx(-0.29, abs=0.02)
    assert found.corrected == pytest.approx(0, abs=0.02)
    assert found.flag


def test_few_large_losses_are_named():
    before = pd.DataFrame({"loss": [0.0] * 97 + [1.0, 1.0, 1.0], "sales": 100.0})
    after = pd.DataFrame({"loss": [0.0] * 96 + [1.0, 1.0, 1.0, 57.0], "sales": 100.0})
    found = guards.few_large_losses(before, after, rng=np.random.default_rng(1))
    # Amounts: 60 / 10,000 against 3 / 10,000 = 20 times; customers with a loss: 4 against 3.
    assert found.naive == pytest.approx(19.0)
    assert found.corrected == pytest.approx(1 / 3)
    assert found.flag
    assert "94%" in found.why  # (57 + 1 + 1) / 63


def test_many_small_losses_are_not_flagged():
    rng = np.random.default_rng(2)
    before = pd.DataFrame({"loss": rng.random(20_000) < 0.10, "sales": 100.0}).astype(float)
    after = pd.DataFrame({"loss": rng.random(20_000) < 0.05, "sales": 100.0}).astype(float)
    found = guards.few_large_losses(before, after, rng=rng, draws=200)
    assert not found.flag
    assert found.naive == pytest.approx(-0.5, abs=0.06)


def test_closed_invoices_look_faster_than_all():
    # Ten invoices of one day, settled after 10, 20, .. 60 days; four are still open after 90.
    issued = pd.Series([pd.Timestamp("2024-01-01")] * 10)
    settled = issued + pd.to_timedelta([10, 20, 30, 40, 50, 60] + [400] * 4, unit="D")
    found = guards.closed_only(issued, settled, pd.Timestamp("2024-03-31"))
    assert found.naive == 35.0  # median of 10..60
    assert found.corrected == 50.0  # half of all ten are settled by day 50
    assert found.flag
    assert found.detail["open"].tolist() == [4]


def test_payments_after_the_date_are_not_known_and_full_ledgers_are_not_flagged():
    issued = pd.Series(pd.to_datetime(["2024-01-01", "2024-01-01", "2024-06-01"]))
    settled = pd.Series(pd.to_datetime(["2024-01-31", "2024-02-10", "2024-06-02"]))
    found = guards.closed_only(issued, settled, pd.Timestamp("2024-03-01"))
    assert found.detail["invoices"].tolist() == [2]
    late = guards.closed_only(issued[:2], settled[:2].where([True, False]), pd.Timestamp("2024-03-01"))
    assert late.detail["open"].tolist() == [1]


def test_guards_form_a_table():
    flat = guards.season(pd.Series(6.0, index=MONTHS), pd.Timestamp("2024-01-01"))
    table = guards.table([flat])
    assert table.columns.tolist() == ["mirage", "naive", "corrected", "unit", "flag", "why"]


@pytest.mark.parametrize(
    "call",
    [
        lambda: guards.season(pd.Series(6.0, index=MONTHS), pd.Timestamp("2021-03-01")),
        lambda: guards.growth(pd.Series(1.0, index=MONTHS), pd.Series(1.0, index=MONTHS), pd.Timestamp("2021-08-01")),
        lambda: guards.regression_to_mean(
            pd.DataFrame({"customer_id": [1], "month": [0], "late": [1.0]}), signal="late", period=0
        ),
        lambda: guards.few_large_losses(
            pd.DataFrame({"loss": [0.0], "sales": [1.0]}),
            pd.DataFrame({"loss": [0.0], "sales": [1.0]}),
            rng=np.random.default_rng(1),
        ),
    ],
)
def test_too_little_data_is_refused_with_a_weaker_design(call):
    with pytest.raises(DesignError, match="weaker design"):
        call()


def test_the_best_of_many_idle_policies_is_not_believed():
    alone, together = [], []
    for k in range(60):
        gains = pd.DataFrame(np.random.default_rng([3, k]).standard_normal((60, 20)))
        found = guards_trials.spa(gains, rng=np.random.default_rng(k), draws=300)
        alone.append(found.naive_p < 0.05)
        together.append(found.consistent < 0.05)
    assert np.mean(alone) > 0.4  # 1 - .95^20 = .64 of the best look good by themselves
    assert np.mean(together) <= 0.12


def test_a_good_policy_among_idle_ones_is_found():
    gains = pd.DataFrame(np.random.default_rng(1).standard_normal((60, 20))).add([0.0] * 19 + [0.7])
    found = guards_trials.spa(gains, rng=np.random.default_rng(1), draws=500, block=3)
    assert found.best == "19"
    assert found.consistent < 0.05
    assert found.tried == 20


def test_spa_refuses_too_little():
    with pytest.raises(DesignError, match="10 rows"):
        guards_trials.spa(pd.DataFrame(np.zeros((5, 2))), rng=np.random.default_rng(1))
