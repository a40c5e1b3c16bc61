"""Cash forecasts and the response to actions: conservation, coverage in a known world, planted effects, refusals."""

import numpy as np
import pandas as pd
import pytest

from credit_lab.collection import cash_forecast, payment_time, response, spells
from credit_lab.collection.cash_forecast import Sales, Shocks
from credit_lab.collection.cells import CollectionError

DAY = pd.Timedelta(days=1)


def world(seed, *, customers=40, weeks=60, week_shock=0.0, own_shock=0.0):
    """Invoices paid by a daily hazard that doubles after the due date; shocks per week and per customer and week."""
    rng = np.random.default_rng(seed)
    common = np.exp(week_shock * rng.standard_normal(weeks + 30))
    own = np.exp(own_shock * rng.standard_normal((customers, weeks + 30)))
    rows = []
    start = pd.Timestamp("2023-01-02")
    for k in range(customers * weeks):
        who, issued = rng.integers(customers), rng.integers(7 * weeks)
        clock, day = rng.exponential(), issued
        while clock > 0 and day < issued + 180:
            hazard = (0.03 if day < issued + 30 else 0.12) * common[min(day // 7, weeks + 29)]
            clock -= hazard * own[who, min(day // 7, weeks + 29)]
            day += 1
        issue = start + issued * DAY
        rows.append((f"I{k}", f"C{who:02d}", issue, issue + 30 * DAY, 100.0 + who, start + (day - 1) * DAY))
    names = ["invoice_id", "customer_id", "issue_date", "due_date", "amount", "paid_on"]
    return pd.DataFrame(rows, columns=names)


@pytest.fixture(scope="module")
def calm():
    table = world(0, weeks=80)
    known = spells.from_table(table, pd.Timestamp("2024-01-07"))
    return table, known, payment_time.fit(known.table, own=["past_median"])


def test_everything_open_is_paid_or_left(calm):
    _, known, model = calm
    ends = cash_forecast.period_ends(known.as_of, 40)
    found = cash_forecast.forecast(model, known, ends, rng=np.random.default_rng(1), replicates=50, customers=True)
    opened = known.open_rows["amount"].sum()
    paid = found.draws.sum(axis=1)
    assert (paid <= opened + 1e-6).all() and paid.mean() > 0.97 * opened  # 40 weeks on, nearly all of it came
    assert found.total["new_sales"].abs().max() < 1e-9
    by_week = found.by_customer.groupby("period_end")["mean"].sum().to_numpy()
    np.testing.assert_allclose(by_week, found.total["mean"], rtol=1e-9)
    assert set(found.by_customer["customer_id"]) == set(known.open_rows["customer_id"])
    assert (found.total["p10"] <= found.total["p50"]).all() and (found.total["p50"] <= found.total["p90"]).all()


def test_mean_matches_the_curves_without_shocks(calm):
    _, known, model = calm
    ends = cash_forecast.period_ends(known.as_of, 3)
    found = cash_forecast.forecast(
        model, known, ends, rng=np.random.default_rng(1), shocks=Shocks.none(), replicates=2000
    )
    curves = model.curves(known.open_rows)
    amount = known.open_rows["amount"].to_numpy()
    for row, end in enumerate(ends):
        expected = amount @ curves.by(end)
        got = found.total["mean"].iloc[: row + 1].sum()
        assert got == pytest.approx(expected, rel=0.02)


def test_same_seed_same_bytes(calm):
    _, known, model = calm
    ends = cash_forecast.period_ends(known.as_of, 4)
    one, two = (
        cash_forecast.forecast(model, known, ends, rng=np.random.default_rng(7), sales=Sales(8), replicates=50)
        for _ in range(2)
    )
    np.testing.assert_array_equal(one.draws, two.draws)


def test_shocks_are_found_and_widen_the_interval():
    table = world(3, week_shock=0.35, own_shock=0.5)
    known = spells.from_table(table, pd.Timestamp("2024-01-07"))
    model = payment_time.fit(known.table, own=["past_median"])
    learned = cash_forecast.learn_shocks(model, known, origins=20)
    calm_world = spells.from_table(world(4), pd.Timestamp("2024-01-07"))
    quiet = cash_forecast.learn_shocks(payment_time.fit(calm_world.table, own=["past_median"]), calm_world, origins=20)
    assert learned.period + learned.customer_period > quiet.period + quiet.customer_period
    assert 0.15 < learned.period < 0.7  # planted 0.35
    ends = cash_forecast.period_ends(known.as_of, 4)
    wide, narrow = (
        cash_forecast.forecast(model, known, ends, rng=np.random.default_rng(1), shocks=s, replicates=400).total
        for s in (learned, Shocks.none())
    )
    assert ((wide["p90"] - wide["p10"]) > 1.5 * (narrow["p90"] - narrow["p10"])).all()


def test_sales_to_come_and_months(calm):
    table, known, model = calm
    ends = cash_forecast.period_ends(known.as_of, 3, freq="ME")
    found = cash_forecast.forecast(
        model, known, ends, rng=np.random.default_rng(1), sales=Sales(13), replicates=200
    ).total
    received = table.set_index("paid_on")["amount"].sort_index()
    seen = [received[(received.index > a) & (received.index <= b)].sum() for a, b in zip(
        [known.as_of, *ends[:-1]], ends, strict=True)]  # fmt: skip
    assert found["new_sales"].iloc[2] > found["open_items"].iloc[2]
    assert cash_forecast.wape(found["p50"].to_numpy(), np.array(seen)) < 0.2
    twice = cash_forecast.forecast(
        model, known, ends, rng=np.random.default_rng(1), sales=Sales(13, growth=1.0), replicates=200
    ).total
    assert twice["new_sales"].sum() == pytest.approx(2 * found["new_sales"].sum(), rel=0.02)


def test_naive_and_median_forecasts_by_hand():
    receipts = pd.Series([10.0, 5.0], index=pd.to_datetime(["2024-01-03", "2024-01-06"]))
    ends = cash_forecast.period_ends(pd.Timestamp("2024-01-07"), 2)
    assert ends.day.tolist() == [14, 21]
    assert cash_forecast.naive_forecast(receipts, ends, as_of=pd.Timestamp("2024-01-07")).tolist() == [15.0, 15.0]
    rows = pd.DataFrame(
        {
            "due_date": pd.to_datetime(["2024-01-01", "2024-01-14"]),
            "past_median": [2.0, 3.0],
            "open_amount": [7.0, 9.0],
        }
    )
    known = spells.Spells(pd.DataFrame(), rows, 0, pd.Timestamp("2024-01-07"))
    # 3 January is over: expected at once; 17 January lies in the second week.
    assert cash_forecast.customer_median_forecast(known, ends).tolist() == [7.0, 9.0]
    assert cash_forecast.wape(np.array([1.0, 3.0]), np.array([2.0, 2.0])) == 0.5


def test_tracking_by_hand():
    table = pd.DataFrame(
        {
            "made_on": ["2024-01-07"] * 2 + ["2024-01-14"],
            "period_end": pd.to_datetime(["2024-01-14", "2024-01-21", "2024-01-21"]),
            "p10": [5.0, 5, 5],
            "p50": [10.0, 10, 10],
            "p90": [12.0, 12, 12],
            "naive": [8.0, 8, 8],
            "customer_median": [14.0, 14, 14],
            "observed": [10.0, 13.0, np.nan],
        }
    )
    whole = cash_forecast.track(table).iloc[-1]
    assert whole["forecasts"] == 2 and whole["coverage"] == 0.5
    assert whole["wape"] == pytest.approx(3 / 23) and whole["wape_naive"] == pytest.approx(7 / 23)
    assert whole["bias"] == pytest.approx(20 / 23 - 1)
    with pytest.raises(CollectionError, match="no forecast period is over"):
        cash_forecast.track(table.iloc[2:])


def test_cash_refusals(calm):
    _, known, model = calm
    with pytest.raises(CollectionError, match="must end after"):
        cash_forecast.forecast(model, known, pd.DatetimeIndex([known.as_of]), rng=np.random.default_rng(0))
    empty = spells.Spells(known.table, known.open_rows.iloc[:0], 0, known.as_of)
    with pytest.raises(CollectionError, match="nothing is open"):
        cash_forecast.forecast(model, empty, cash_forecast.period_ends(known.as_of, 2), rng=np.random.default_rng(0))


def confounded(rng, count=4000, effect=-6.0):
    """Contacts go to those who pay late anyway; true effect −6 days."""
    late = rng.normal(0, 1, count)
    e = np.clip(1 / (1 + np.exp(-late)), 0.02, 0.98)
    t = (rng.random(count) < e).astype(int)
    y = 30 + 12 * late + effect * t + rng.normal(0, 5, count)
    return pd.DataFrame(
        {"customer_id": np.arange(count) // 4, "treated": t, "propensity": e, "late": late, "outcome": y}
    )


def test_contact_effect_needs_its_propensities():
    inside, estimated = 0, []
    for seed in range(10):
        rows = response.effect(confounded(np.random.default_rng(seed)), covariates=["late"]).set_index("method")
        assert rows.loc["naive", "effect"] > 3  # the wrong sign
        for method in ("ipw", "aipw"):
            inside += rows.loc[method, "low"] <= -6 <= rows.loc[method, "high"]
        estimated.append(rows.loc["ipw_estimated", "effect"])
    assert np.mean(estimated) == pytest.approx(-6, abs=1)
    assert inside >= 16  # of 20 at 95 %; P(fewer) = 0.3 % were they independent


def test_contact_effect_on_the_sample(sample):
    """The true mean effect of a reminder in the synthetic firm lies in the corrected interval, not the naive one."""
    table = response.decisions(sample, "reminder", sample.payments["paid_date"].max())
    rows = response.effect(table).set_index("method")
    truth = pd.read_csv("data/sample/truth/actions.csv")
    log = sample.tables["actions"].merge(truth, on="action_id")
    mine = log[log["invoice_id"].isin(table["invoice_id"]) & (log["taken_on"].isin(table["taken_on"]))]
    true = mine.loc[mine["factor"] == 0.7, "effect_days"].mean()
    assert -9 < true < -4
    assert rows.loc["naive", "effect"] > 0 > rows.loc["ipw", "high"]
    for method in ("ipw", "aipw"):
        assert rows.loc[method, "low"] <= true <= rows.loc[method, "high"]


def test_response_refusals(sample):
    last = sample.payments["paid_date"].max()
    with pytest.raises(CollectionError, match="there are"):
        response.decisions(sample, "telegram", last)
    table = confounded(np.random.default_rng(0), 50)
    with pytest.raises(CollectionError, match="strictly between"):
        response.effect(table.assign(propensity=1.0))
    with pytest.raises(CollectionError, match="same way"):
        response.effect(table.assign(treated=1))
    rows = pd.DataFrame(
        {"invoice_id": ["A"], "settled_on": [pd.Timestamp("2024-01-01")], "taken_on": [pd.Timestamp("2024-01-05")]}
    )
    with pytest.raises(CollectionError, match="already paid"):
        response.refuse_late(rows)
    with pytest.raises(CollectionError, match="source"):
        response.Assumption("call", 1.2, 1.0, 1.5, " ")
    assumed = response.Assumption("call", 1.2, 1.0, 1.5, "collectors' guess")
    assert "ASSUMED" in assumed.sentence() and assumed.scan(3).tolist() == [1.0, 1.2, 1.25, 1.5]
