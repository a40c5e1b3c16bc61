"""Selection of features: strength, stability, redundancy, search."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.outliers_influence import variance_inflation_factor

from credit_lab.errors import CreditLabError
from credit_lab.scoring import Binner, selection
from tests.scoring_tables import customers


@pytest.fixture(scope="module")
def binned():
    X, y, _ = customers(4000)
    X["echo"] = X["ratio"] + np.random.default_rng(1).normal(0, 0.2, len(X))
    binner = Binner().fit(X, y)
    return binner, X, y, binner.set_output(transform="pandas").transform(X)


def test_information_against_chance(binned):
    binner = binned[0]
    table = selection.information(binner, seed=1).set_index("feature")
    assert ((table["low"] <= table["iv"]) & (table["iv"] <= table["high"])).all()
    assert (table.loc[["ratio", "days_late", "sector"], "p_value"] < 1e-4).all()
    assert table.loc["noise", "iv"] < 10 * table.loc["noise", "by_chance"] < 0.2


def test_chance_level_of_information():
    """Fixed bins and no relation: the p-value rejects 5 % at 5 %, within three binomial errors."""
    rng, rejected = np.random.default_rng(2), 0
    for _ in range(300):
        X = pd.DataFrame({"x": rng.integers(0, 5, 2000).astype(float)})
        binner = Binner(fixed_splits={"x": [0.5, 1.5, 2.5, 3.5]}, optimise=False, smoothing=0)
        table = selection.information(binner.fit(X, (rng.random(2000) < 0.2).astype(int)), seed=0, repeats=2)
        rejected += table["p_value"].iloc[0] < 0.05
    assert rejected / 300 == pytest.approx(0.05, abs=0.038)


def test_over_time_sees_a_feature_turn(binned):
    binner, X, y, _ = binned
    period = np.where(np.arange(len(y)) < 2000, "2024", "2025")
    turned = X.copy()
    turned.loc[2000:, "ratio"] = -turned.loc[2000:, "ratio"]
    table = selection.over_time(binner, turned, y, period).set_index(["feature", "period"])
    assert table.loc[("ratio", "2024"), "holds"]
    assert not table.loc[("ratio", "2025"), "holds"]
    assert table.loc[("days_late", "2025"), "holds"]
    assert table.groupby("feature")["rows"].sum().eq(4000).all()


def test_clusters_and_vif(binned):
    binner, _, _, woe = binned
    iv = pd.Series({name: bins.iv for name, bins in binner.bins_.items()})
    table = selection.clusters(woe, iv).set_index("feature")
    assert table.loc["ratio", "cluster"] == table.loc["echo", "cluster"]
    assert table.groupby("cluster")["keep"].sum().eq(1).all()
    assert table["cluster"].nunique() == 4
    design = np.column_stack([np.ones(len(woe)), woe])
    expected = [variance_inflation_factor(design, j + 1) for j in range(woe.shape[1])]
    assert selection.vif(woe).tolist() == pytest.approx(expected)
    assert selection.vif(woe.assign(again=woe["noise"]))["again"] == np.inf


@pytest.mark.parametrize("criterion", ["aic", "bic", "p"])
def test_stepwise_finds_what_matters(binned, criterion):
    _, _, y, woe = binned
    path = selection.stepwise(woe, y, criterion=criterion)
    chosen = set(path["features"].iloc[-1])
    assert {"days_late", "sector"} < chosen
    assert chosen & {"ratio", "echo"}
    if criterion != "p":
        assert path["value"].is_monotonic_decreasing
    assert "noise" not in path["feature"].iloc[:3].tolist()
    assert len(selection.stepwise(woe, y, most=1)["features"].iloc[-1]) == 1
    with pytest.raises(CreditLabError, match="aic, bic or p"):
        selection.stepwise(woe, y, criterion="r2")
