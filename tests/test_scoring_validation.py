"""Measures of ranking and calibration against published examples and sums done by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from credit_lab.errors import CreditLabError
from credit_lab.scoring import calibrate, challengers, splits, validate
from tests.scoring_tables import customers

# Hanley, J. A. & McNeil, B. J. (1982). Radiology 143, 29-36, table I: 109 CT images in five categories of certainty.
NORMAL, ABNORMAL = [33, 6, 6, 11, 2], [3, 2, 2, 11, 33]
RATING = np.repeat(np.arange(1, 6).tolist() * 2, NORMAL + ABNORMAL)
DISEASED = np.repeat([0, 1], [58, 51])


def test_auc_of_hanley_and_mcneil():
    """Their table II: area .893 and standard error .032 under their exponential approximation."""
    table = validate.delong(DISEASED, RATING).iloc[0]
    assert round(table["auc"], 3) == 0.893
    assert table["standard_error"] == pytest.approx(0.032, abs=0.002)
    assert validate.gini(DISEASED, RATING) == pytest.approx(2 * table["auc"] - 1)


def test_delong_by_hand():
    """Events 3, 5, 4 and others 1, 2, 4 under card A.

    Events beat 2, 3, 2.5 of 3: shares 2/3, 1, 5/6, mean 5/6, variance 1/36. Others are beaten by 3, 3, 1.5 of 3:
    1, 1, 1/2, mean 5/6, variance 1/12. Variance of the AUC (1/36)/3 + (1/12)/3 = 1/27.
    Card B ranks all right: placements 1, so its variance is 0 and the difference 1/6 has that of A.
    """
    y, a, b = [1, 1, 1, 0, 0, 0], [3, 5, 4, 1, 2, 4], [4, 5, 6, 1, 2, 3]
    table = validate.delong(y, a, b)
    assert table["auc"].tolist() == pytest.approx([5 / 6, 1])
    assert table["standard_error"].tolist() == pytest.approx([(1 / 27) ** 0.5, 0])
    assert table["difference"].iloc[1] == pytest.approx(1 / 6)
    assert table["p_value"].iloc[1] == pytest.approx(2 * stats.norm.sf((1 / 6) / (1 / 27) ** 0.5))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=4, max_size=60))
def test_auc_counts_pairs(rows):
    y, risk = (np.array(side, dtype=float) for side in zip(*rows, strict=True))
    if 0 < y.sum() < len(y):
        pairs = [(a > b) + 0.5 * (a == b) for a in risk[y == 1] for b in risk[y == 0]]
        assert validate.auc(y, risk) == pytest.approx(np.mean(pairs))
        curve = validate.roc(y, risk)
        assert integrate.trapezoid(curve["true_positive"], curve["false_positive"]) == pytest.approx(np.mean(pairs))
        gaps = [abs(np.mean(risk[y == 1] <= cut) - np.mean(risk[y == 0] <= cut)) for cut in range(7)]
        assert validate.ks(y, risk) == pytest.approx(max(gaps))


def test_delong_covers():
    """Normal shift model with AUC .76 = Phi(1/sqrt 2): 95 % intervals cover as often, within 3 binomial errors."""
    rng, truth, inside = np.random.default_rng(0), stats.norm.cdf(1 / 2**0.5), 0
    for _ in range(400):
        y = np.repeat([0, 1], [120, 60])
        found = validate.delong(y, rng.normal(size=180) + y).iloc[0]
        inside += found["low"] <= truth <= found["high"]
    assert inside / 400 == pytest.approx(0.95, abs=3 * (0.95 * 0.05 / 400) ** 0.5)


def test_h_measure_is_its_integral():
    """1 - (least loss averaged over Beta costs) / (that of the better of accepting all and refusing all)."""
    rng = np.random.default_rng(1)
    y = rng.random(400) < 0.25
    risk = np.round(rng.normal(size=400) + y, 1)
    p1, curve = y.mean(), validate.roc(y, risk)
    false, missed = curve["false_positive"].to_numpy(), 1 - curve["true_positive"].to_numpy()
    cost = np.linspace(0, 1, 200_001)
    density = stats.beta(1 + p1, 2 - p1).pdf(cost)
    loss = np.min([c * 0 + cost * (1 - p1) * f + (1 - cost) * p1 * m for c, f, m in zip(cost, false, missed)], axis=0)  # noqa: B905
    trivial = np.minimum(cost * (1 - p1), (1 - cost) * p1)
    expected = 1 - integrate.trapezoid(loss * density, cost) / integrate.trapezoid(trivial * density, cost)
    assert validate.h_measure(y, risk) == pytest.approx(expected, abs=1e-6)


def test_report_and_bootstrap():
    _, y, truth = customers(1500)
    table = validate.report(y, truth, repeats=100).set_index("metric")
    assert ((table["low"] < table["value"]) & (table["value"] < table["high"])).all()
    one_each = validate.bootstrap(y, truth, validate.auc, seed=1, repeats=200)
    shared = validate.bootstrap(
        np.repeat(y, 4), np.repeat(truth, 4), validate.auc, seed=1, repeats=200, groups=np.repeat(np.arange(1500), 4)
    )
    assert np.diff(shared) == pytest.approx(np.diff(one_each), rel=0.25)  # copies of a customer teach nothing
    with pytest.raises(CreditLabError, match="too few events"):
        validate.bootstrap([0] * 200 + [1], np.arange(201.0), validate.auc, seed=1)
    with pytest.raises(CreditLabError, match="risk is missing in 1 of 4"):
        validate.auc([0, 1, 0, 1], [0.1, np.nan, 0.2, 0.3])


# Brown, L. D., Cai, T. T. & DasGupta, A. (2001). Statistical Science 16, 101-133, table 5: Jeffreys intervals, n = 10.
@pytest.mark.parametrize(("events", "low", "high"), [(1, 0.011, 0.381), (2, 0.044, 0.503), (3, 0.093, 0.606)])
def test_jeffreys_interval(events, low, high):
    table = calibrate.by_grade(["A"] * 10, [0.1] * 10, [1] * events + [0] * (10 - events)).iloc[0]
    assert [round(table["low"], 3), round(table["high"], 3)] == [low, high]
    posterior = stats.beta(events + 0.5, 10.5 - events)
    assert table["jeffreys"] == pytest.approx(posterior.cdf(0.1))


def test_lights():
    """Red where the PD is surely too low, told apart from one that is surely too high."""
    assert calibrate.light(0.5) == "green"
    assert calibrate.light(0.03).startswith("yellow")
    assert calibrate.light(0.001) != calibrate.light(0.999)
    assert calibrate.light(0.001).startswith("red")


def test_hosmer_lemeshow_by_hand():
    """Two groups of 10: expected 1 and 4, seen 2 and 5: 1/(1 x .9) + 1/(4 x .6) = 1.527778, 2 degrees."""
    p, y = [0.1] * 10 + [0.4] * 10, [1, 1] + [0] * 8 + [1] * 5 + [0] * 5
    test = calibrate.hosmer_lemeshow(y, p, groups=2)
    assert test["statistic"] == pytest.approx(1 / 0.9 + 1 / 2.4)
    assert test["p_value"] == pytest.approx(np.exp(-(1 / 0.9 + 1 / 2.4) / 2))  # chi-square with 2 degrees


def test_spiegelhalter_by_hand():
    """p .2 .8, both events: ((.8)(.6) + (.2)(-.6)) / sqrt(2 x .36 x .16) = .36 / .339411 = 1.060660."""
    assert calibrate.spiegelhalter([1, 1, 0], [0.2, 0.8, 0.5])["z"] == pytest.approx(1.060660, abs=1e-6)


@pytest.mark.parametrize("method", ["logistic", "beta", "isotonic"])
def test_calibration_repairs_a_known_distortion(method):
    rng = np.random.default_rng(2)
    truth = rng.beta(1, 8, 30_000)
    y = rng.random(30_000) < truth
    bent = calibrate.inverse_logit(0.5 * calibrate.logit(truth) - 1.5)
    found = calibrate.calibrate(y, bent, method=method)
    assert np.abs(found.apply(bent) - truth).mean() < 0.012 < np.abs(bent - truth).mean() / 2
    assert (np.diff(found.apply(np.sort(bent))) >= -1e-12).all()
    back = calibrate.Calibration.from_dict(found.to_dict())
    assert (back.apply(bent) == found.apply(bent)).all()
    moved = calibrate.anchored(found, bent, 0.05)
    assert moved.apply(bent).mean() == pytest.approx(0.05)
    with pytest.raises(CreditLabError, match="anchor"):
        calibrate.anchored(found, bent, 1.2)


def test_logistic_calibration_finds_its_own_parameters():
    rng = np.random.default_rng(3)
    raw = rng.beta(1, 5, 100_000)
    y = rng.random(100_000) < calibrate.inverse_logit(0.4 + 1.3 * calibrate.logit(raw))
    a, b = calibrate.calibrate(y, raw).parameters[0]
    assert [a, b] == pytest.approx([0.4, 1.3], abs=0.05)
    with pytest.raises(CreditLabError, match="wrong way round"):
        calibrate.calibrate(y, 1 - raw)


def test_master_scale():
    scale = {"AAA": 0.001, "A": 0.01, "B": 0.1, "D": 1.0}
    assert calibrate.assign([0, 0.001, 0.0999, 0.1, 1.0], scale).tolist() == ["AAA", "A", "B", "D", "D"]
    with pytest.raises(CreditLabError, match="must rise"):
        calibrate.assign([0.1], {"A": 0.2, "B": 0.1})
    with pytest.raises(CreditLabError, match="between 0 and 1"):
        calibrate.assign([np.nan], scale)


def test_long_run_rate_gives_each_year_one_vote():
    """Years of 4 and 2 rows with 1 and 1 defaults: rates .25 and .5, mean .375; their spread .176777 / sqrt 2."""
    found = calibrate.long_run_rate([2020] * 4 + [2021] * 2, [1, 0, 0, 0, 1, 0])
    assert found["rate"] == 0.375
    assert found["standard_error"] == pytest.approx(0.125)


def test_splits():
    days = pd.date_range("2024-01-01", periods=100)
    folds = list(splits.by_time(days, ["2024-02-01", "2024-03-01"], embargo_days=10))
    assert [len(train) for train, _ in folds] == [21, 50]  # 31 days less 10; 31 + 29 less 10
    assert [len(test) for _, test in folds] == [29, 40]
    with pytest.raises(CreditLabError, match="no rows to train on"):
        list(splits.by_time(days, ["2024-01-05"], embargo_days=10))
    with pytest.raises(CreditLabError, match="ascending"):
        list(splits.by_time(days, ["2024-03-01", "2024-02-01"]))
    groups = np.repeat(np.arange(20), 5)
    for train, test in splits.by_group(groups, 4, seed=1):
        assert not set(groups[train]) & set(groups[test])
    with pytest.raises(CreditLabError, match="cannot fill"):
        list(splits.by_group([1, 2], 3, seed=1))


def test_challengers_side_by_side():
    X, y, truth = customers(3000, seed=4)
    models = {
        # truth is looked up by the row number every model is given
        "truth": lambda a, b, new: truth[new["row"].to_numpy().astype(int)], "woe card": challengers.woe_card,
        "boosted trees": challengers.boosted_trees, "coin": lambda a, b, new: np.full(len(new), 0.5),
    }  # fmt: skip
    rows = np.arange(3000)
    table = challengers.compare(X.assign(row=rows), y, [(rows[:2000], rows[2000:])], models=models).set_index("model")
    assert table["auc"].idxmax() == "truth"
    assert table.loc["coin", "auc"] == 0.5
    assert table.loc["woe card", "auc"] > table.loc["truth", "auc"] - 0.02
    assert table.loc["coin", "difference_high"] < 0
    with pytest.raises(CreditLabError, match="no folds"):
        challengers.compare(X, y, [])
