"""Optimal binning: against every division, against hand-worked tables, and with the input analysts really have."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.estimator_checks import check_estimator

from credit_lab.errors import CreditLabError
from credit_lab.scoring.binning import Binner
from credit_lab.scoring.bins import FeatureBins, weights_of_evidence
from credit_lab.scoring.edits import merge, regroup, split_at
from credit_lab.scoring.optimum import Limits, best
from tests.reference_binning import best_value

counts = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 40)), min_size=1, max_size=8).filter(
    lambda pairs: sum(e for e, _ in pairs) > 0 and sum(o for _, o in pairs) > 0
)
limits_ = st.builds(
    Limits,
    trend=st.sampled_from(["ascending", "descending", "peak", "valley", "none"]),
    max_bins=st.sampled_from([0, 1, 2, 3]),
    min_share=st.sampled_from([0.0, 0.05, 0.2]),
    max_share=st.sampled_from([1.0, 0.5]),
    min_events=st.sampled_from([0, 1, 3]),
    min_others=st.sampled_from([0, 2]),
    min_difference=st.sampled_from([0.0, 0.05]),
    min_z=st.sampled_from([0.0, 1.0]),
    objective=st.sampled_from(["iv", "likelihood"]),
    penalty=st.sampled_from([0.0, 0.01]),
)


@given(counts, limits_, st.booleans())
def test_no_division_is_better(pairs, limits, wall):
    events, others = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    walls = np.arange(len(events)) == (len(events) // 2 if wall else -1)
    ends, value, trend = best(events, others, limits, walls=walls)
    expected = best_value(list(events), list(others), limits, limits.trend, tuple(np.flatnonzero(walls[1:]) + 1))
    if expected is None:
        assert len(ends) == 0
    else:
        assert value == pytest.approx(expected, abs=1e-9)
        assert ends[-1] == len(events) - 1
        assert trend == limits.trend


@given(counts)
def test_auto_takes_a_turn_only_where_it_is_worth_it(pairs):
    events, others = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    limits = Limits(min_share=0, min_events=1, max_bins=0, turn_margin=0.1)
    worth = {
        t: best_value(list(events), list(others), limits, t) for t in ("ascending", "descending", "peak", "valley")
    }
    _, value, _ = best(events, others, limits)
    if worth["peak"] is None:
        return
    monotone = max(v for v in (worth["ascending"], worth["descending"]) if v is not None)
    turning = max(worth["peak"], worth["valley"])
    assert value == pytest.approx(turning if turning * 0.9 > monotone + 1e-12 else monotone, abs=1e-9)


def test_three_bins_by_hand():
    """Rates 10 %, 20 %, 50 % of 100 rows each; 80 events, 220 others.

    WOE = ln((others share) / (events share)): ln((90/220)/(10/80)) = ln 3.27273 = 1.185624;
    ln((80/220)/(20/80)) = ln 1.454545 = 0.374693; ln((50/220)/(50/80)) = ln 0.363636 = -1.011601.
    IV = (.409091-.125) 1.185624 + (.363636-.25) .374693 + (.227273-.625)(-1.011601)
       = .336825 + .042579 + .402341 = .781745.
    z of bins 1 and 2: .1 / sqrt(.15 x .85 x .02) = 1.980295.
    """
    X = pd.DataFrame({"x": np.repeat([1.0, 2.0, 3.0], 100)})
    y = np.concatenate([np.arange(100) < n for n in (10, 20, 50)]).astype(int)
    bins = Binner(smoothing=0).fit(X, y).bins_["x"]
    table = bins.table()
    assert table["bin"].tolist() == ["(-inf, 1.5)", "[1.5, 2.5)", "[2.5, inf)", "missing"]
    assert table["woe"].round(6).tolist() == [1.185624, 0.374693, -1.011601, 0.0]
    assert table["iv"].round(6).tolist() == [0.336825, 0.042579, 0.402341, 0.0]
    assert bins.iv == pytest.approx(0.781745, abs=1e-6)
    assert table["z"].iloc[1] == pytest.approx(1.980295, abs=1e-6)
    assert bins.trend == "ascending"


def test_smoothing_adds_rows_at_the_population_rate():
    # 10 of 100 rows are events; a bin of 5 others and no event, smoothing 1:
    # ln((5 + .9) / (0 + .1)) - ln(90 / 10) = 4.077537 - 2.197225 = 1.880313
    woe = weights_of_evidence(np.array([[5.0, 0.0], [85.0, 10.0]]), 1.0)
    assert woe[0] == pytest.approx(1.880313, abs=1e-6)
    with pytest.raises(CreditLabError, match="smoothing above 0"):
        weights_of_evidence(np.array([[5.0, 0.0], [85.0, 10.0]]), 0.0)


def test_passes_the_checks_of_scikit_learn():
    failed = [
        r
        for r in check_estimator(Binner(), on_fail=None, on_skip=None)
        if r["status"] not in ("passed", "skipped", "xfail")
    ]
    assert failed == []


SHARES = [0.4, 0.3, 0.29, 0.005, 0.005]


@pytest.fixture
def table():
    rng = np.random.default_rng(4)
    rows = 2000
    ratio = rng.normal(size=rows)
    X = pd.DataFrame(
        {
            "ratio": np.where(rng.random(rows) < 0.1, np.nan, ratio),
            "code": np.where(rng.random(rows) < 0.2, -999.0, rng.integers(0, 9, rows).astype(float)),
            "sector": rng.choice(["steel", "retail", "chemicals", "rare one", "rare two"], rows, p=SHARES),
            "flag": rng.random(rows) < 0.5,
        }
    )  # fmt: skip
    logit = -1.5 - ratio + 0.8 * (X["sector"] == "retail") + 0.5 * (X["code"] == -999)
    return X, (rng.random(rows) < 1 / (1 + np.exp(-logit))).astype(int).to_numpy()


def test_special_missing_and_rare_have_their_bins(table):
    X, y = table
    binner = Binner(special={"code": [-999]}).fit(X, y)
    code = binner.bins_["code"]
    at = code.specials[-999.0]
    assert code.counts[at].sum() == (X["code"] == -999).sum()
    assert code.counts[at, 1] == y[X["code"] == -999].sum()
    ratio = binner.bins_["ratio"]
    assert ratio.counts[ratio.missing].sum() == X["ratio"].isna().sum()
    sector = binner.bins_["sector"]
    assert set(sector.categories) == {"steel", "retail", "chemicals"}
    assert sector.ids(pd.Series(["rare one", "never seen"])).tolist() == [sector.rest] * 2
    assert np.isclose(sum(bins.counts.sum() for bins in binner.bins_.values()), 4 * len(X))


def test_pandas_polars_and_arrays_agree(table):
    X, y = table
    binner = Binner().fit(X, y)
    frame = pl.DataFrame({name: X[name].to_list() for name in X}, strict=False).with_columns(
        pl.col("ratio").fill_nan(None)
    )
    other = Binner().fit(frame, y)
    assert (other.transform(frame) == binner.transform(X)).all()
    assert (Binner().fit(X.to_numpy(dtype=object), y).transform(X.to_numpy(dtype=object)) == binner.transform(X)).all()
    assert list(binner.set_output(transform="pandas").transform(X).columns) == list(X.columns)
    assert other.set_output(transform="polars").transform(frame).columns == list(X.columns)


def test_json_gives_the_same_bins(table):
    X, y = table
    for bins in Binner(special={"code": [-999]}).fit(X, y).bins_.values():
        again = FeatureBins.from_dict(bins.to_dict())
        assert (again.ids(X[bins.name]) == bins.ids(X[bins.name])).all()
        assert (again.woe == bins.woe).all()


def test_fixed_splits_are_kept(table):
    X, y = table
    bins = Binner(fixed_splits={"ratio": [0.123, 1.0]}).fit(X, y).bins_["ratio"]
    assert {0.123, 1.0} <= set(bins.splits)
    only = Binner(fixed_splits={"ratio": [0.123, 1.0]}, overrides={"ratio": {"max_bins": 3}}).fit(X, y).bins_["ratio"]
    assert only.splits == (0.123, 1.0)
    with pytest.raises(CreditLabError, match="fixed splits"):
        Binner(fixed_splits={"ratio": [-9.0, 9.0]}).fit(X, y)


def test_weights_count_as_rows(table):
    X, y = table
    X = X[["sector"]]
    weights = np.random.default_rng(0).integers(0, 4, len(y)).astype(float)
    by_weight = Binner().fit(X, y, weights).bins_["sector"]
    repeated = Binner().fit(X.loc[X.index.repeat(weights)], np.repeat(y, weights.astype(int))).bins_["sector"]
    assert by_weight.table().equals(repeated.table())


def test_edits_leave_the_old_binner_alone(table):
    X, y = table
    binner = Binner().fit(X, y)
    before = binner.bins_["ratio"].table()
    merged = merge(binner, "ratio", ["missing", 0])
    new = merged.bins_["ratio"]
    assert new.counts[0].sum() == before["rows"].iloc[0] + X["ratio"].isna().sum()
    assert binner.bins_["ratio"].table().equals(before)
    split = split_at(merged, "ratio", 0.0371, X, y).bins_["ratio"]
    assert 0.0371 in split.splits
    assert split.missing == 0  # the merge before it stays
    assert split.counts.sum() == len(X)
    groups = regroup(binner, "sector", [["steel", "retail"]], X, y).bins_["sector"]
    assert groups.counts[0].sum() == X["sector"].isin(["steel", "retail"]).sum()
    with pytest.raises(CreditLabError, match="neighbours"):
        merge(binner, "ratio", [0, 2])
    with pytest.raises(CreditLabError, match="did you mean 'ratio'"):
        merge(binner, "ratios", [0, 1])
    with pytest.raises(CreditLabError, match="no bin"):
        merge(binner, "ratio", [0, 99])
    with pytest.raises(CreditLabError, match="two groups"):
        regroup(binner, "sector", [["steel"], ["steel"]], X, y)


def test_merging_adds_no_information(table):
    X, y = table
    binner = Binner(smoothing=0, special={"code": [-999]}).fit(X, y)
    for name, bins in binner.bins_.items():
        if len(set(bins.intervals)) > 1:
            assert merge(binner, name, [0, 1]).bins_[name].iv <= bins.iv + 1e-12


def test_unseen_bins_as_told(table):
    X, y = table
    full = X.assign(ratio=X["ratio"].fillna(0))
    new = full.head(3).assign(ratio=[np.nan, 0.0, 1.0])
    neutral = Binner().fit(full, y)
    assert neutral.transform(new)[0, 0] == 0
    worst = Binner(unseen="worst").fit(full, y)
    assert worst.transform(new)[0, 0] == worst.bins_["ratio"].woe.min()
    with pytest.raises(CreditLabError, match="without training rows"):
        Binner(unseen="error").fit(full, y).transform(new)


def test_infinite_values_are_ordered(table):
    X, y = table
    X = X.assign(ratio=np.where(np.arange(len(X)) % 50 == 0, np.inf, X["ratio"]))
    X.loc[1::50, "ratio"] = -np.inf
    bins = Binner().fit(X, y).bins_["ratio"]
    assert bins.ids(pd.Series([-np.inf, np.inf])).tolist() == [0, max(bins.intervals)]


def test_odd_columns_give_one_clear_bin():
    y = np.tile([0, 0, 1], 100)
    X = pd.DataFrame({"constant": 1.0, "empty": np.nan, "none": None, "noise": np.arange(300) % 7}, index=range(300))
    binner = Binner().fit(X, y)
    assert binner.bins_["constant"].note == "constant"
    assert binner.bins_["empty"].note == "no values"
    assert (binner.transform(X)[:, :3] == 0).all()
    assert set(binner.table()["feature"]) == set(X)


def test_very_many_categories():
    rng = np.random.default_rng(1)
    rows = 200_000
    X = pd.DataFrame({"id": rng.permutation(rows) // 2, "city": rng.integers(0, 50, rows)}).astype(
        {"id": str, "city": str}
    )
    bins = Binner().fit(X, (rng.random(rows) < 0.1).astype(int)).bins_["id"]
    assert bins.categories == {}
    assert bins.counts[bins.rest].sum() == rows


REFUSED = {
    "a target with gaps": (lambda X, y: (X, np.where(np.arange(len(y)) == 3, np.nan, y)), "missing .* 1 of 2000 rows"),
    "one class": (lambda X, y: (X, y * 0), "1 class"),
    "three classes": (lambda X, y: (X, np.arange(len(y)) % 3), "3 different values"),
    "one row": (lambda X, y: (X.head(1), y[:1]), "1 class"),
    "no rows": (lambda X, y: (X.head(0), y[:0]), "0 rows"),
    "lengths": (lambda X, y: (X, y[:-1]), "1999 rows and the table 2000"),
    "names twice": (lambda X, y: (X.set_axis(["a", "b", "c", "a"], axis=1), y), "'a' appears more than once"),
    "dates": (lambda X, y: (X.assign(day=pd.Timestamp("2025-01-01")), y), "days before the decision"),
    "date objects": (lambda X, y: (X.assign(day=pd.Timestamp("2025-01-01").date()), y), "days before the decision"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses(table, case):
    change, message = REFUSED[case]
    with pytest.raises(CreditLabError, match=message):
        Binner().fit(*change(*table))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (lambda n: -np.ones(n), "not negative: 2000"),
        (lambda n: np.zeros(n), "only one class"),
        (lambda n: [1], "1 weights"),
    ],
)
def test_refuses_weights(table, weights, message):
    X, y = table
    with pytest.raises(CreditLabError, match=message):
        Binner().fit(X, y, weights(len(y)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"overrides": {"ratoi": {}}}, "did you mean 'ratio'"),
        ({"overrides": {"ratio": {"trnd": "peak"}}}, "unknown setting 'trnd'"),
        ({"overrides": {"ratio": {"trend": "rising"}}}, "trend 'rising'"),
        ({"unseen": "zero"}, "neutral, worst, error"),
        ({"prebinning": "tree"}, "quantile or width"),
        ({"output": "points"}, "woe or bin"),
        ({"prebins": 0}, "prebins >= 1"),
        ({"fixed_splits": {"sector": [1.0]}}, "regroup"),
    ],
)
def test_refuses_settings(table, settings, message):
    with pytest.raises(CreditLabError, match=message):
        Binner(**settings).fit(*table)


def test_text_where_a_number_was(table):
    X, y = table
    binner = Binner().fit(X, y)
    with pytest.raises(CreditLabError, match="is a number, but row"):
        binner.transform(X.assign(ratio="high"))


@pytest.mark.parametrize(("events", "least"), [(400, 5), (100, 5), (60, 3), (7, 1)])
def test_few_events_still_allow_a_cut(events, least):
    """Five events in each bin of a portfolio with seven defaults would leave every feature whole; a twentieth of the
    events is asked for instead, and a number that is given is held to."""

    def splits(good_events, **limits):
        x = np.repeat([0.0, 1.0], [1000, events + 10])
        y = np.zeros(len(x))
        y[:good_events] = 1
        y[1000 : 1000 + events - good_events] = 1
        made = Binner(limits=Limits(min_share=0.0, **limits)).fit(pd.DataFrame({"x": x}), y)
        return made.bins_["x"].splits

    assert splits(least) == (0.5,)
    assert splits(least - 1) == ()
    assert splits(least, min_events=least + 1) == ()
