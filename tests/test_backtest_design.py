import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_lab.backtest import design, effects, registration
from credit_lab.backtest.effects import DesignError, Inference
from credit_lab.errors import PeriodError


def test_sample_size_of_two_rates_agrees_with_statsmodels_and_the_power_formula_with_it():
    # Fleiss: (1.95996 sqrt(2 x .015 x .985) + .84162 sqrt(.0196 + .0099))^2 / .01^2 = 2318.2
    assert design.rate_sample_size(0.02, 0.01) == 2319
    assert design.rate_power(0.02, 0.01, 2319) == pytest.approx(0.80, abs=1e-3)
    assert design.rate_sample_size(0.02, 0.01, cluster_size=3, intra_cluster=0.1) == pytest.approx(1.2 * 2319, abs=2)


def test_power_of_a_rate_agrees_with_simulation():
    rng = np.random.default_rng(1)
    a, b = rng.binomial(1500, 0.02, 20_000) / 1500, rng.binomial(1500, 0.01, 20_000) / 1500
    mean = (a + b) / 2
    z = (a - b) / np.sqrt(2 * mean * (1 - mean) / 1500)
    assert design.rate_power(0.02, 0.01, 1500) == pytest.approx((np.abs(z) > 1.96).mean(), abs=0.02)


@pytest.mark.parametrize(("per_arm", "power"), [(300, 0.04), (1000, 0.13), (3000, 0.32), (10_000, 0.64)])
def test_power_with_heavy_tails_is_that_of_the_noted_simulation(per_arm, power):
    # FORMULAS section 6: 2 % default, log-normal exposures sigma 1.5, losses cut by half.
    rng = np.random.default_rng(2)
    world = design.LossWorld(np.exp(1.5 * rng.standard_normal(200_000)), 0.02)
    found = design.amount_power(world, per_arm, -0.5, rng=rng, draws=700 if per_arm < 5000 else 400)
    assert found == pytest.approx(power, abs=0.055)


def test_power_grows_with_customers_and_effect_and_the_least_effect_has_it():
    world = design.LossWorld(np.array([1.0]), 0.2)
    table = design.power_table(world, [200, 800], [-0.2, -0.5], rng=np.random.default_rng(1), draws=400)
    grid = table.pivot_table(index="per_arm", columns="effect", values="power")
    assert (grid.loc[800] > grid.loc[200]).all()
    assert (grid[-0.5] > grid[-0.2]).all()
    least = design.minimum_detectable(world, 800, seed=3, draws=400)
    # Normal formula with rates: the cut of a 20 % rate found with power .8 at 800 per arm.
    by_rate = min(c for c in np.arange(0.01, 0.9, 0.01) if design.rate_power(0.2, 0.2 * (1 - c), 800) >= 0.8)
    assert -least == pytest.approx(by_rate, abs=0.03)
    assert np.isnan(design.minimum_detectable(world, 5, seed=3, draws=100))


def customers(groups):
    return pd.DataFrame(
        {
            "customer_id": [f"C{i}" for i in range(len(groups))],
            "group_id": groups,
            "industry": [["a", "b"][i % 2] for i in range(len(groups))],
            "sales": np.arange(len(groups), dtype=float) ** 2,
        }
    )


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.integers(0, 12)), min_size=14, max_size=60),
    st.sampled_from([0.2, 0.5, 0.7]),
    st.integers(0, 10**6),
)
def test_a_legal_group_is_never_split(groups, share, seed):
    table = customers([None if g is None else f"G{g}" for g in groups])
    drawn = design.assign(table, rng=np.random.default_rng(seed), strata=["industry"], size="sales", share=share)
    known = drawn.dropna(subset="group_id")
    assert len(known.drop_duplicates(["group_id", "arm"])) == len(known.drop_duplicates("group_id"))
    assert drawn["customer_id"].tolist() == table["customer_id"].tolist()
    heads = drawn.assign(g=drawn["group_id"].fillna(drawn["customer_id"])).drop_duplicates("g")
    for _, part in heads.groupby("stratum"):
        assert abs((part["arm"] == "challenger").sum() - share * len(part)) <= 1


def test_every_group_has_the_logged_propensity():
    table = customers([f"G{i}" for i in range(30)])
    hits = np.zeros(30)
    for seed in range(600):
        drawn = design.assign(table, rng=np.random.default_rng(seed), size="sales", share=0.3)
        hits += drawn["arm"] == "challenger"
        assert set(drawn["propensity"].round(9)) <= {0.3, 0.7}
    assert np.abs(hits / 600 - 0.3).max() < 0.075  # 4 standard errors of .0187


def test_the_lot_is_drawn_anew_in_every_block():
    table = customers([f"G{i}" for i in range(30)])
    drawn = {tuple(design.assign(table, rng=np.random.default_rng(seed), size="sales")["arm"]) for seed in range(40)}
    assert len(drawn) > 35


def test_blocks_by_size_balance_the_arms():
    table = customers([f"G{i}" for i in range(200)])
    gaps = [
        design.balance(design.assign(table, rng=np.random.default_rng(s), size="sales"), ["sales"])["difference"][0]
        for s in range(20)
    ]
    assert np.abs(gaps).max() < 0.1  # without blocks the difference has a spread of .14


def test_bad_designs_are_refused():
    with pytest.raises(DesignError, match="share"):
        design.assign(customers(["a", "b"]), rng=np.random.default_rng(1), share=1.0)
    with pytest.raises(DesignError, match="no column 'region'"):
        design.assign(customers(["a", "b"]), rng=np.random.default_rng(1), strata=["region"])
    with pytest.raises(DesignError, match="nothing to draw"):
        design.assign(customers(["a", "a"]), rng=np.random.default_rng(1))
    with pytest.raises(DesignError, match="two different fractions"):
        design.rate_power(0.02, 0.02, 100)


PLAN = registration.Registration(
    name="tighter terms 2025",
    written_on="2025-01-05",
    policy_diff=("terms.days: 60 -> 45",),
    population='all customers, 不含集团内部 "own group"',
    policy_date="2025-02-01",
    before_months=48,
    after_months=12,
    wait_months=2,
    primary_metric="ar_turnover",
    estimator="its",
    claim="receivables_turnover",
    stop_rule="one look after 12 months",
)


def test_a_registration_survives_the_file_and_its_digest_ignores_spelling(tmp_path):
    path = tmp_path / "plan.toml"
    digest = registration.write(PLAN, path)
    assert registration.load(path) == PLAN
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("# a comment\n" + "\n".join(reversed(lines)), encoding="utf-8")
    assert registration.digest(registration.load(path)) == digest
    path.write_text("\n".join(lines).replace("after_months = 12", "after_months = 9"), encoding="utf-8")
    assert registration.digest(registration.load(path)) != digest
    with pytest.raises(FileExistsError):
        registration.write(PLAN, path)


def test_an_incomplete_or_misspelt_registration_is_refused(tmp_path):
    path = tmp_path / "plan.toml"
    registration.write(PLAN, path)
    text = path.read_text(encoding="utf-8")
    for change, message in (
        (text.replace("stop_rule", "stop_rul"), "did you mean 'stop_rule'"),
        (text.replace('claim = "receivables_turnover"\n', ""), "claim missing"),
        (text.replace("before_months = 48", 'before_months = "48"'), "should be a int"),
        (text.replace("after_months = 12", "after_months = 0"), "at least 1"),
    ):
        path.write_text(change, encoding="utf-8")
        with pytest.raises(DesignError, match=message):
            registration.load(path)
    path.write_text(text.replace("2025-02-01", "01.02.2025"), encoding="utf-8")
    with pytest.raises(PeriodError, match="policy_date"):
        registration.load(path)


def found(metric="ar_turnover", months=12):
    return effects.make(
        "its.hac",
        metric,
        Inference(0.1, 0.05, 2.0),
        series=pd.DataFrame({"period": []}),
        assumptions=[],
        diagnostics=[("months_before", 48, ""), ("months_after", months, "")],
    )


def test_departures_from_the_plan_are_told():
    assert registration.departures(PLAN, found()) == []
    told = registration.departures(PLAN, found("dso", 9))
    assert told == [
        "metric dso instead of the registered ar_turnover",
        "months_after 9 instead of the registered 12",
    ]


def test_every_look_is_counted_and_told_apart_by_plan(tmp_path):
    log = registration.TrialLog(tmp_path / "looks.jsonl")
    assert len(log.looks()) == 0
    assert [log.add(PLAN, found(), looked_on=f"2025-0{k}-01") for k in (5, 6)] == [1, 2]
    other = registration.Registration(**{**PLAN.__dict__, "name": "other"})
    assert log.add(other, found(), looked_on="2025-07-01") == 1
    assert len(log.looks()) == 3
    assert json.loads(log.path.read_text().splitlines()[0])["registration"] == registration.digest(PLAN)
    assert log.add(PLAN, found(), looked_on="2025-06-01") == 2  # the same report made again is no further look


def test_a_report_says_what_was_registered_and_how_often_it_was_looked_at(tmp_path):
    path = tmp_path / "plan.toml"
    digest = registration.write(PLAN, path)
    first = registration.account(path, [found(), found("bad_debt_ratio")], looked_on="2025-12-31")
    value = first.set_index("item")["value"]
    assert value["digest (SHA-256)"] == digest
    assert (value["looks taken"], value["departures"]) == ("1 of 1 planned", "none")
    assert first.equals(registration.account(path, [found()], looked_on="2025-12-31"))
    later = registration.account(path, [found(months=9)], looked_on="2026-01-31").set_index("item")["value"]
    assert later["looks taken"] == "2 of 1 planned"
    assert later["interval level per look"] == "97.50%"  # 5 % shared by two looks
    assert later["departures"] == "months_after 9 instead of the registered 12"
    none = registration.account(path, [], looked_on="2026-01-31").set_index("item")["value"]
    assert none["departures"] == "no estimate of the registered metric ar_turnover in this report"


def test_policy_diff_of_equal_policies_is_empty():
    policy = {"a": {"b": 1}, "c": [1, 2]}
    assert registration.policy_diff(policy, {"a": {"b": 1}, "c": [1, 2]}) == []
