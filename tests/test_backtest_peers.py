"""Equality with other programs (numbers and the script that made them: tests/references/backtest_reference.py)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from credit_lab.backtest import did, discontinuity, guards, guards_trials, its, off_policy, synthetic_control

FOLDER = Path(__file__).parent / "references"


@pytest.fixture(scope="module")
def reference():
    return json.loads((FOLDER / "backtest_reference.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def panel():
    table = pd.read_csv(FOLDER / "backtest_did.csv")
    months = pd.date_range("2024-01-31", periods=10, freq="ME")
    return table.assign(
        month=months[table["time"] - 1],
        customer_id=table["unit"],
        treated_from=[months[s - 1] if s else pd.NaT for s in table["start"]],
    )


def test_group_time_effects_and_errors_equal_csdid(reference, panel):
    values = panel.pivot_table(index="unit", columns="time", values="y").to_numpy()
    start = panel.groupby("unit")["start"].first().to_numpy()
    found = did.group_time(values, np.where(start > 0, start - 1, 99))
    error = np.sqrt((found.influence**2).mean(axis=0) / len(values))
    own = {
        (g + 1, t + 1): (a, s)
        for g, t, a, s in zip(found.cells["group"], found.cells["time"], found.cells["att"], error, strict=True)
    }
    assert len(own) == len(reference["csdid"]["cells"]) == 27
    for g, t, att, se in reference["csdid"]["cells"]:
        assert own[g, t] == pytest.approx((att, se), abs=1e-6)


def test_the_overall_effect_equals_csdid_and_differences(reference, panel):
    found = did.estimate(panel, outcome="y")
    value, error = reference["csdid"]["simple"]
    assert found.estimate == pytest.approx(value, abs=1e-6)
    assert found.estimate == pytest.approx(reference["differences"]["simple"][0], abs=1e-6)
    # Ours adds n / (n - 1) on the treated and on the untreated side: a little above theirs, never below.
    assert error < found.std_error < 1.03 * error
    events = found.series.set_index("period")["effect"]
    for event, att, _ in reference["csdid"]["event"]:
        assert events[event] == pytest.approx(att, abs=1e-6)


def test_synthetic_control_weights_equal_pysyncon(reference):
    table = pd.read_csv(FOLDER / "backtest_synthetic.csv")
    donors = table.drop(columns="treated")
    weights = synthetic_control.weights(table["treated"].to_numpy()[:24], donors.to_numpy()[:24])
    assert weights == pytest.approx(np.array(list(reference["pysyncon"]["weights"].values())), abs=1e-6)
    wide = table.set_index(pd.date_range("2022-01-31", periods=36, freq="ME"))
    options = synthetic_control.SyntheticOptions(log=False, demean=False)
    found = synthetic_control.estimate(wide, pd.Timestamp("2024-01-01"), treated="treated", options=options)
    assert found.estimate == pytest.approx(reference["pysyncon"]["gap"], abs=1e-6)


def test_local_jumps_equal_rdrobust(reference):
    table = pd.read_csv(FOLDER / "backtest_discontinuity.csv")
    for power, place in ((1, 0), (2, 2)):
        jump = discontinuity.local_jump(table["x"].to_numpy(), table["y"].to_numpy(), 0.8, power)
        assert jump.above - jump.below == pytest.approx(reference["rdrobust"]["coef"][place], abs=1e-9)
        error = np.sqrt(np.sum(jump.psi_above**2) + np.sum(jump.psi_below**2))
        assert error == pytest.approx(reference["rdrobust"]["se"][place], abs=1e-9)


def test_the_robust_interval_is_centred_on_rdrobusts(reference):
    table = pd.read_csv(FOLDER / "backtest_discontinuity.csv")
    found = discontinuity.estimate(
        table, outcome="y", score="x", cutoff=0, options=discontinuity.RdOptions(bandwidth=0.8)
    )
    assert found.estimate == pytest.approx(reference["rdrobust"]["coef"][2], abs=1e-9)
    assert found.std_error == pytest.approx(reference["rdrobust"]["se"][2], abs=1e-9)
    assert found.diagnostics.set_index("name").loc["bandwidth", "value"] == 0.8


def test_spa_p_values_agree_with_arch_within_monte_carlo_error(reference):
    gains = pd.read_csv(FOLDER / "backtest_spa.csv")
    found = guards_trials.spa(gains, rng=np.random.default_rng(2), block=4, draws=8000)
    peer = reference["arch"]["studentised"]
    for own, name in ((found.lower, "lower"), (found.consistent, "consistent"), (found.upper, "upper")):
        assert own == pytest.approx(peer[name], abs=0.007)
    assert found.reality_check == pytest.approx(reference["arch"]["plain"]["upper"], abs=0.007)
    assert found.naive_p < found.consistent <= found.upper


def test_aipw_and_ipw_equal_statsmodels():
    import statsmodels.api as sm
    from statsmodels.treatment.treatment_effects import TreatmentEffect

    rng = np.random.default_rng(4)
    x = rng.standard_normal((1500, 2))
    call = (rng.random(1500) < 1 / (1 + np.exp(-x[:, 0]))).astype(float)
    late = 20 + 13 * x[:, 0] - 6 * call + rng.normal(0, 5, 1500)
    table = pd.DataFrame({"x1": x[:, 0], "x2": x[:, 1], "call": call, "late": late})
    design = sm.add_constant(table[["x1", "x2"]])
    peer = TreatmentEffect(sm.OLS(late, design), call, results_select=sm.Logit(call, design).fit(disp=0))
    found = off_policy.treatment_effect(table, outcome="late", treatment="call", covariates=["x1", "x2"])
    assert found.estimate == pytest.approx(peer.aipw(return_results=False)[0], abs=1e-6)
    ipw = found.summary.set_index("quantity").loc["ipw", "value"]
    assert ipw == pytest.approx(peer.ipw(return_results=False)[0], abs=1e-6)


def test_vectorised_hac_errors_equal_statsmodels():
    import statsmodels.api as sm

    rng = np.random.default_rng(8)
    design = np.column_stack([np.arange(50) >= 35, np.ones(50), np.arange(50)]).astype(float)
    y = rng.standard_normal((3, 50)).cumsum(axis=1)
    inverse = np.linalg.pinv(design)
    residuals = y - (y @ inverse.T) @ design.T
    own = its.hac_errors(residuals, inverse[0], 6, 3)
    for row, error in zip(y, own, strict=True):
        peer = sm.OLS(row, design).fit(cov_type="HAC", cov_kwds={"maxlags": 6, "use_correction": True})
        assert error == pytest.approx(peer.bse[0], rel=1e-10)


def test_kaplan_meier_equals_statsmodels():
    from statsmodels.duration.survfunc import SurvfuncRight

    rng = np.random.default_rng(1)
    days, done = rng.integers(1, 60, 300).astype(float), rng.random(300) < 0.7
    peer = SurvfuncRight(days, done.astype(int))
    own = guards.kaplan_meier(days, done).set_index("days")["open_share"]
    assert own[peer.surv_times].to_numpy() == pytest.approx(peer.surv_prob, abs=1e-12)
