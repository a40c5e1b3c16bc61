"""Rows in another order are the same rows: nothing that is counted on them may change, ties or not."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from credit_lab.collection import accuracy
from credit_lab.scoring import (
    Binner,
    calibrate,
    challengers,
    fit,
    fit_joint,
    leakage,
    reject,
    stability,
    validate,
)  # fmt: skip
from tests.scoring_tables import customers

ROWS = 1500
ORDERS = ["backwards", "events last", "shuffled"]


def _tied():
    """Outcomes, two cards with a dozen different probabilities each, and customers of three rows."""
    X, y, truth = customers(ROWS, seed=8)
    risk = np.round(truth, 1) + 0.01
    other = np.round(np.clip(truth + 0.1 * X["noise"].to_numpy(), 0, 0.97), 1) + 0.01
    who = np.array([f"K{i // 3:04d}" for i in range(ROWS)])
    return X.assign(tenth=np.round(truth, 1).astype(str)), y, risk, other, who


def _order(name, y, risk):
    if name == "backwards":
        return np.arange(ROWS)[::-1]
    return np.lexsort((y, risk)) if name == "events last" else np.random.default_rng(4).permutation(ROWS)


def _flat(found):
    """Numbers and texts of whatever a statistic gives back, in one list."""
    if isinstance(found, pd.DataFrame | pd.Series):
        found = found.reset_index().to_numpy().ravel().tolist()
    if isinstance(found, tuple | list):
        return [part for one in found for part in _flat(one)]
    return [found]


def _same(a, b):
    a, b = _flat(a), _flat(b)
    assert len(a) == len(b)
    for one, other in zip(a, b, strict=True):
        if isinstance(one, float | np.floating):
            assert other == pytest.approx(one, rel=1e-6, abs=1e-7, nan_ok=True)
        else:
            assert one == other


STATISTICS = {
    "Hosmer-Lemeshow": lambda y, p, q, who: calibrate.hosmer_lemeshow(y, p),
    "Spiegelhalter": lambda y, p, q, who: calibrate.spiegelhalter(y, p),
    "grades": lambda y, p, q, who: calibrate.by_grade(calibrate.assign(p, {"A": 0.05, "B": 0.2, "C": 1}), p, y),
    "logistic": lambda y, p, q, who: calibrate.calibrate(y, p).parameters,
    "isotonic": lambda y, p, q, who: calibrate.calibrate(y, p, method="isotonic").parameters,
    "calibration curve": lambda y, p, q, who: validate.calibration_curve(y, p),
    "AUC": lambda y, p, q, who: validate.delong(y, p, q),
    "ROC": lambda y, p, q, who: validate.roc(y, p),
    "lift": lambda y, p, q, who: validate.cap(y, p),
    "report": lambda y, p, q, who: validate.report(y, p, seed=1, repeats=20),
    "report by customer": lambda y, p, q, who: validate.report(y, p, seed=1, repeats=20, groups=who),
    "swap set": lambda y, p, q, who: stability.swap_set(p, q, approve=0.7, target=y),
    "overrides": lambda y, p, q, who: stability.overrides(
        np.where(p > 0.2, "B", "A"), np.where(q > 0.2, "B", "A"), ["A", "B"], y
    ),
    "over time": lambda y, p, q, who: stability.performance_over_time(y, p, q > 0.2),
    "concordance": lambda y, p, q, who: accuracy.c_index(p, np.round(30 * q), y == 1),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", STATISTICS)
def test_statistics_do_not_depend_on_the_order_of_rows(name, order):
    _, y, risk, other, who = _tied()
    at = _order(order, y, risk)
    _same(STATISTICS[name](y, risk, other, who), STATISTICS[name](y[at], risk[at], other[at], who[at]))


def _refused(X, y, method):
    later, _, _ = customers(400, seed=9)
    return reject.band(X, y, later.assign(tenth="0.3"), method=method, factors=(2.0,), seed=1)[0]


def _shift(X, y):
    card = fit(X, y)
    later, _, _ = customers(400, seed=9)
    return [*stability.score_shift(card, X, later.assign(tenth="0.3")), card.facts["rounding"]["neighbours_swapped"]]


TABLES = {
    "bins": lambda X, y: [bins.table() for bins in Binner().fit(X, y).bins_.values()],
    "bins of a sample": lambda X, y: [bins.table() for bins in Binner(sample=300).fit(X, y).bins_.values()],
    "card": lambda X, y: fit(X, y).table(),
    "joint card": lambda X, y: fit_joint(X, y).table(),
    "drift": _shift,
    "fuzzy": lambda X, y: _refused(X, y, "fuzzy"),
    "boosted trees": lambda X, y: challengers.boosted_trees(
        X, y, customers(50, seed=9)[0].assign(tenth="0.3")
    ).tolist(),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", TABLES)
def test_tables_do_not_depend_on_the_order_of_rows(name, order):
    X, y, risk, _, _ = _tied()
    at = _order(order, y, risk)
    _same(TABLES[name](X, y), TABLES[name](X.iloc[at].reset_index(drop=True), y[at]))


@pytest.mark.parametrize("order", ORDERS)
def test_the_refused_and_the_held_out_half_do_not_depend_on_their_order(order):
    X, y, risk, _, _ = _tied()
    at = _order(order, y, risk)
    bands = [reject.band(X, y, refused, method="parcelling", factors=(2.0,), seed=1)[0] for refused in (X, X.iloc[at])]
    _same(*bands)
    know = X.assign(grade=np.where((y == 1) & (X["noise"] > -1.6), "D", "A"))
    scans = [leakage.scan(frame, y_) for frame, y_ in ((know, y), (know.iloc[at].reset_index(drop=True), y[at]))]
    assert len(scans[0])
    _same(*scans)


def test_level_rates_of_categories_go_by_name():
    """Four branches with the same default rate: which came first must not show in the bins."""
    branch, y = np.repeat(["d", "b", "a", "c"], 50), np.tile([1, 0, 0, 0, 0], 40)
    tables = [
        Binner(optimise=False).fit(pd.DataFrame({"branch": branch[at]}), y[at]).bins_["branch"].labels
        for at in (np.arange(200), np.arange(200)[::-1])
    ]
    assert tables[0] == tables[1] == ["a", "b", "c", "d", "missing", "others"]


def test_hosmer_lemeshow_keeps_ties_together():
    """Three probabilities, so three groups: 340, 330 and 330 rows, 17, 33 and 66 events expected.

    With 14, 30 and 78 seen: 9/(17 x .95) + 9/(33 x .9) + 144/(66 x .8) = .557276 + .303030 + 2.727273 = 3.587579.
    """
    p = np.repeat([0.05, 0.1, 0.2], [340, 330, 330])
    y = np.concatenate([np.arange(n) < d for n, d in ((340, 14), (330, 30), (330, 78))]).astype(int)
    for at in (np.arange(1000), np.arange(1000)[::-1], np.random.default_rng(1).permutation(1000)):
        found = calibrate.hosmer_lemeshow(y[at], p[at])
        assert found["statistic"] == pytest.approx(3.587579, abs=1e-6)
        assert found["degrees"] == 3
        assert found["p_value"] == pytest.approx(stats.chi2.sf(3.587579, 3), abs=1e-6)
    here = calibrate.hosmer_lemeshow(y, p, fitted_here=True)
    assert here["degrees"] == 1
    assert here["p_value"] == pytest.approx(stats.chi2.sf(3.587579, 1), abs=1e-6)
    assert np.isnan(calibrate.hosmer_lemeshow(y, np.full(1000, 0.1), fitted_here=True)["p_value"])


def test_groups_of_equal_risk():
    """20 different risks in 4 groups: 5 each. The middle of eight tied rows of ten is the 4.5th: first half."""
    assert np.bincount(validate.risk_groups(np.arange(20.0), 4)).tolist() == [5, 5, 5, 5]
    assert np.bincount(validate.risk_groups([1] * 8 + [2, 3], 2)).tolist() == [8, 2]
    assert validate.calibration_curve([0, 1] * 500, np.repeat([0.05, 0.1, 0.2], [340, 330, 330]))["rows"].tolist() == [
        340, 330, 330,
    ]  # fmt: skip


def test_swap_set_shares_the_cut_off():
    """Four rows, the old card cannot tell the last three apart: of two approved it takes A and a third of B, C, D.

    The new card takes A and B. Both: A and a third of B = 4/3; in: two thirds of B; out: a third of C and of D.
    """
    table = stability.swap_set([1, 2, 2, 2], [1, 2, 3, 4], approve=0.5, target=[0, 0, 1, 0]).set_index("set")
    assert table["rows"].tolist() == pytest.approx([4 / 3, 2 / 3, 2 / 3, 4 / 3])
    assert table.loc["out", "event_rate"] == pytest.approx(0.5)
    same = stability.swap_set([1, 2, 2, 2], [1, 2, 2, 2], approve=0.5).set_index("set")["rows"]
    assert same.tolist() == pytest.approx([2, 0, 0, 2])
