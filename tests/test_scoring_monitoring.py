"""After the card is in use: drift with its chance level, overrides, swap sets, leakage, the refused."""

import numpy as np
import pandas as pd
import pytest

from credit_lab.errors import CreditLabError
from credit_lab.scoring import Binner, features, fit, leakage, reject, stability
from tests.scoring_tables import customers


def test_psi_by_hand():
    """Halves against .6 and .4: .1 ln 1.2 - .1 ln .8 = .0405465; 1000 rows each: times 500 = 20.27, one degree."""
    found = stability.psi([500, 500], [600, 400])
    assert found["psi"] == pytest.approx(0.0405465, abs=1e-6)
    assert found["by_chance"] == pytest.approx(0.002)
    assert found["limit"] == pytest.approx(0.002 * 3.841459, abs=1e-7)
    assert found["verdict"] == "small"
    assert stability.psi([5, 5], [6, 4])["verdict"] == "stable"
    assert stability.psi([900, 100], [100, 900])["verdict"] == "large"


@pytest.mark.parametrize("shares", [[0.1] * 10, [0.4, 0.3, 0.15, 0.1, 0.05]])
def test_psi_rings_falsely_as_often_as_it_says(shares):
    rng = np.random.default_rng(1)
    false = [
        stability.psi(rng.multinomial(3000, shares), rng.multinomial(600, shares))["p_value"] < 0.05
        for _ in range(1000)
    ]
    assert np.mean(false) == pytest.approx(0.05, abs=3 * (0.05 * 0.95 / 1000) ** 0.5)
    old = [stability.psi(rng.multinomial(300, shares), rng.multinomial(60, shares))["psi"] > 0.1 for _ in range(300)]
    assert np.mean(old) > 0.15  # the usual limit of .1 with few rows


def test_psi_refuses():
    for case in (([1], [1, 2]), ([0, 0], [1, 1]), ([-1, 2], [1, 1])):
        with pytest.raises(CreditLabError, match="two lists of counts"):
            stability.psi(*case)
    assert stability.psi([5, 0], [7, 0])["verdict"] == "stable"


def test_drift_is_found_where_it_was_planted():
    X, y, _ = customers(6000)
    card = fit(X, y)
    later, _, _ = customers(6000, seed=1)
    same, _ = stability.score_shift(card, X, later)
    assert same["verdict"] == "stable"
    moved = later.assign(days_late=later["days_late"] + 6)
    index, table = stability.score_shift(card, X, moved)
    assert index["verdict"] in ("moderate", "large")
    assert table["before"].sum() == pytest.approx(1)
    shift = stability.feature_shift(card, X, moved)
    assert shift["feature"].iloc[0] == "days_late"
    assert shift["points"].sum() == pytest.approx(card.score(moved).mean() - card.score(X).mean())
    assert (shift["verdict"].iloc[1:] == "stable").all()


def test_performance_over_time():
    _, y, truth = customers(6000)
    period = np.repeat(["2023", "2024", "2025"], 2000)
    table, test = stability.performance_over_time(y, truth, period)
    assert test["p_value"] > 0.01
    assert table["rows"].tolist() == [2000] * 3
    broken = np.where(period == "2025", np.random.default_rng(0).permutation(truth), truth)
    assert stability.performance_over_time(y, broken, period)[1]["p_value"] < 1e-6
    few, _ = stability.performance_over_time([0, 1, 0, 0, 1, 1, 0], np.arange(7.0), list("aabbbbb"))
    assert np.isnan(few["auc"].iloc[0])


def test_overrides_and_swap_sets():
    table = stability.overrides(list("BBBBAC"), list("ABBBBC"), list("ABC"), [1, 0, 0, 1, 0, 1]).set_index("direction")
    assert table.loc["better", ["rows", "mean_notches", "event_rate"]].tolist() == [1, -1, 1]
    assert table.loc["worse", ["rows", "mean_notches", "event_rate"]].tolist() == [1, 1, 0]
    assert table.loc["same", ["rows", "event_rate"]].tolist() == [4, 0.5]
    with pytest.raises(CreditLabError, match="'D' is not in the scale"):
        stability.overrides(["A"], ["D"], ["A", "B"])
    swap = stability.swap_set([1, 2, 3, 4], [1, 3, 2, 4], approve=0.5, target=[0, 1, 0, 1]).set_index("set")
    assert swap["rows"].to_dict() == {"both": 1, "in": 1, "out": 1, "neither": 1}
    assert swap.loc["in", "event_rate"] == 0 < swap.loc["out", "event_rate"]
    with pytest.raises(CreditLabError, match="between 0 and 1"):
        stability.swap_set([1, 2], [1, 2], approve=1)


@pytest.fixture(scope="module")
def clean():
    X, y, _ = customers(3000)
    return X, y


def test_clean_data_raise_nothing(clean):
    X, y = clean
    decided = pd.Series(pd.Timestamp("2025-01-31"), X.index)
    folds = np.arange(len(X)) % 5
    found = leakage.scan(
        X, y, decided_on=decided, known_on={"ratio": decided}, folds=folds, customers=np.arange(len(X))
    )
    assert found.empty
    assert all(leakage.scan(*customers(1500, seed=s)[:2]).empty for s in range(5, 15))


def test_planted_leaks_are_found(clean):
    X, y = clean
    rng = np.random.default_rng(3)
    # disputes that came up because the customer did not pay: rare, but nearly always a default
    dispute = X.assign(dispute=(y == 1) & (rng.random(len(y)) < 0.4))
    found = leakage.scan(dispute, y)
    assert found[["finding", "feature"]].to_numpy().tolist() == [["pure bin", "dispute"]]
    # the grade given after the default
    grade = X.assign(grade=np.where((y == 1) & (rng.random(len(y)) < 0.95), "D", rng.choice(list("ABC"), len(y))))
    assert ["suspicious", "grade"] in leakage.scan(grade, y)[["finding", "feature"]].to_numpy().tolist()
    decided = pd.Series(pd.Timestamp("2025-01-31"), X.index)
    known = decided + pd.to_timedelta(np.where(np.arange(len(y)) < 30, 12, -5), "D")
    future = leakage.scan(X, y, decided_on=decided, known_on={"ratio": known})
    assert future["finding"].tolist() == ["future"]
    assert future["rows"].iloc[0] == X["ratio"].head(30).notna().sum()
    assert "12 days" in future["detail"].iloc[0]
    twice = leakage.scan(X.iloc[[*range(200), *range(5)]], y[[*range(200), *range(5)]], folds=[0] * 200 + [1] * 5)
    assert ["duplicate", 10] in twice[["finding", "rows"]].to_numpy().tolist()
    shared = leakage.scan(X, y, folds=np.arange(len(y)) % 2, customers=np.arange(len(y)) // 2)
    assert ["customer", 3000] in shared[["finding", "rows"]].to_numpy().tolist()
    with pytest.raises(CreditLabError, match="needs decided_on"):
        leakage.scan(X, y, known_on={"ratio": decided})
    with pytest.raises(CreditLabError, match="not a column"):
        leakage.scan(X, y, decided_on=decided, known_on={"ratoi": decided})


def test_grade_of_the_ledger_after_default(sample):
    """In the bundled ledger the history is clean; with the outcome written back into a signal it is not."""
    from credit_lab import history

    months = history.build(sample, sample.invoices["issue_date"].max())
    X, y, keys = features.modelling_table(months)
    assert not any(str(name).startswith("next_") for name in X)
    state = months.set_index(["month", "customer_id"])["failed"]
    assert not state.loc[keys.itertuples(index=False, name=None)].any()  # in default already
    found = leakage.scan(X, y)
    assert found.empty, found
    already, target, _ = features.modelling_table(months.drop(columns="failed"))
    known = months[months["next_12m_failed"].notna()].reset_index(drop=True)
    already = already.assign(state=known["failed"].astype(float))
    assert "state" in leakage.scan(already, target)["feature"].tolist()
    assert "exposure" in leakage.scan(X.assign(exposure=X["exposure"].where(y == 0, -1)), y)["feature"].tolist()


@pytest.mark.parametrize("method", ["fuzzy", "parcelling", "augmentation"])
def test_refused_rows_give_a_band(method):
    X, y, truth = customers(6000, seed=7)
    refused = truth > np.quantile(truth, 0.75)
    granted, rest = X[~refused].reset_index(drop=True), X[refused].reset_index(drop=True)
    table, cards = reject.band(granted, y[~refused], rest, method=method, seed=1)
    assert table["factor"].iloc[0] == 0
    if method == "augmentation":
        assert len(table) == 2
    else:
        assert table["refused_rate"].iloc[1:].is_monotonic_increasing
        worst = cards[5.0].probability(rest).mean()
        assert cards[1.0].probability(rest).mean() < worst
        assert table.set_index("factor").loc[1.0, "refused_rate"] > y[~refused].mean()
    assert "assumption" in reject.WARNING
    with pytest.raises(CreditLabError, match="no refused rows"):
        reject.band(granted, y[~refused], rest.head(0))
    with pytest.raises(CreditLabError, match="need augmentation"):
        reject.band(granted, y[~refused], rest, method="hope")


def test_no_binner_state_is_shared(clean):
    X, y = clean
    binner = Binner()
    fit(X, y, binner=binner)
    before = binner.bins_["ratio"].table()
    stability.feature_shift(fit(X, y, binner=binner), X, X.head(100))
    assert binner.bins_["ratio"].table().equals(before)
