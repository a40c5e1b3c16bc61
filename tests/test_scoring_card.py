"""Scorecards: points worked by hand, coefficients of other programs, export that gives the same score everywhere."""

import json

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import statsmodels.api as sm
from sklearn.linear_model import LogisticRegression

from credit_lab.errors import CreditLabError
from credit_lab.scoring import Binner, Limits, Scaling, Scorecard, fit, fit_joint
from credit_lab.scoring.edits import merge
from credit_lab.scoring.export import expression, to_python, to_sql
from tests.scoring_tables import customers

THREE = pd.DataFrame({"x": np.repeat([1.0, 2.0, 3.0], 100)})
THREE_Y = np.concatenate([np.arange(100) < n for n in (10, 20, 50)]).astype(int)


def test_points_by_hand():
    """One feature without smoothing: its coefficient is -1 and a bin's score is that of its own odds.

    Odds 9, 4 and 1 to 1; factor 20 / ln 2 = 28.853901, offset 600 - 28.853901 ln 50 = 487.122876.
    487.122876 + 28.853901 ln 9 = 550.521377; + 28.853901 ln 4 = 527.122876 (two doublings); + 0 = 487.122876.
    Base: odds 220 : 80, 487.122876 + 28.853901 ln 2.75 = 516.311505.
    """
    card = fit(THREE, THREE_Y, binner=Binner(smoothing=0), digits=None)
    assert card.coefficients["coefficient"].to_numpy() == pytest.approx([np.log(80 / 220), -1.0], abs=1e-9)
    assert card.score(THREE).unique() == pytest.approx([550.521377, 527.122876, 487.122876], abs=1e-5)
    assert card.base_points == pytest.approx(516.311505, abs=1e-5)
    assert card.probability(THREE).unique() == pytest.approx([0.1, 0.2, 0.5], abs=1e-9)


def test_rounding_and_its_loss():
    """Points 34.21, 10.81, -29.19 and base 516.31 become 34, 11, -29 and 516; the sums move by .52, .12 and .12."""
    card = fit(THREE, THREE_Y, binner=Binner(smoothing=0))
    assert card.score(THREE).unique().tolist() == [550, 527, 487]
    loss = card.facts["rounding"]
    assert loss["largest_difference"] == pytest.approx(550.521377 - 550, abs=1e-5)
    assert loss["mean_difference"] == pytest.approx((0.521377 + 0.122876 + 0.122876) / 3, abs=1e-5)
    assert loss["neighbours_swapped"] == 0


def test_twenty_points_double_the_odds():
    scaling = Scaling(base_score=500, base_odds=10, pdo=40)
    assert scaling.probability(np.array([500.0, 540.0])) == pytest.approx([1 / 11, 1 / 21])
    assert scaling.score(np.log(np.array([1 / 10, 1 / 20]))) == pytest.approx([500, 540])
    with pytest.raises(CreditLabError, match="above zero"):
        Scaling(pdo=0)


@pytest.mark.parametrize("weighted", [False, True])
def test_coefficients_are_those_of_statsmodels_and_scikit_learn(weighted):
    X, y, _ = customers(3000)
    weights = np.random.default_rng(1).integers(1, 4, len(y)).astype(float) if weighted else np.ones(len(y))
    binner = Binner().fit(X, y, weights)
    card = fit(X, y, binner=binner, signs="keep", sample_weight=weights if weighted else None)
    woe = binner.set_output(transform="pandas").transform(X)[card.names]
    other = sm.GLM(y, sm.add_constant(woe), family=sm.families.Binomial(), freq_weights=weights).fit(tol=1e-13)
    table = card.coefficients
    assert table["coefficient"].to_numpy() == pytest.approx(other.params.to_numpy(), abs=1e-6)
    assert table["standard_error"].to_numpy() == pytest.approx(other.bse.to_numpy(), abs=1e-6)
    assert table[["low", "high"]].to_numpy() == pytest.approx(other.conf_int().to_numpy(), abs=1e-6)
    sklearn = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000, solver="newton-cholesky").fit(woe, y, weights)
    assert table["coefficient"].to_numpy()[1:] == pytest.approx(sklearn.coef_[0], abs=1e-6)


def test_true_probabilities_are_recovered():
    """On new customers: each tenth by estimate has its true mean PD within 8 %, and log odds run with the true ones."""
    X, y, _ = customers(40_000, seed=1)
    new, _, truth = customers(40_000, seed=2)
    for card in (fit(X, y, digits=2), fit_joint(X, y, digits=2)):
        estimate = card.probability(new)
        tenth = pd.qcut(estimate.rank(method="first"), 10, labels=False)
        ratio = estimate.groupby(tenth).mean() / pd.Series(truth).groupby(tenth).mean()
        assert ratio.between(0.92, 1.08).all()
        odds, true_odds = (np.log(p / (1 - p)) for p in (estimate.to_numpy(), truth))
        slope = np.polyfit(odds, true_odds, 1)[0]
        assert slope == pytest.approx(1, abs=0.06)
        assert np.corrcoef(odds, true_odds)[0, 1] > 0.95


def test_parts_add_up_and_reasons_name_the_costliest():
    X, y, _ = customers(3000)
    card = fit(X, y)
    parts, reasons = card.parts(X), card.reasons(X, most=2)
    assert (card.base_points + parts.sum(axis=1) == card.score(X)).all()
    row = parts.sum(axis=1).idxmin()
    assert reasons.loc[row, "reason_1"] == parts.loc[row].idxmin()
    assert reasons.loc[row, "points_1"] == parts.loc[row].min() < 0
    good = parts.index[(parts >= 0).all(axis=1)]
    assert len(good)
    assert reasons.loc[good].isna().all(axis=None)
    table = card.table()
    neutral = (table["share"] * table["points"]).groupby(table["feature"]).sum()
    assert set(neutral.index) == {*card.names, "(base)"}


@pytest.mark.parametrize("make", [fit, fit_joint])
def test_json_round_trip(make, tmp_path):
    X, y, _ = customers(2000)
    card = make(X, y, binner=Binner(special={"days_late": [-1]}))
    card.save(tmp_path / "card.json")
    back = Scorecard.load(tmp_path / "card.json")
    assert back.to_json() == card.to_json()
    assert back.score(X).equals(card.score(X))
    assert back.table().equals(card.table())
    assert list(tmp_path.iterdir()) == [tmp_path / "card.json"]


def test_json_of_something_else_is_refused(tmp_path):
    with pytest.raises(CreditLabError, match="cannot be read"):
        Scorecard.load(tmp_path / "none.json")
    for text, message in (("{", "not a scorecard"), ("[]", "not a scorecard"), ('{"format": "other"}', "fit the card")):
        with pytest.raises(CreditLabError, match=message):
            Scorecard.from_json(text)
    X, y, _ = customers(500)
    plain = json.loads(fit(X, y).to_json())
    del plain["points"]
    with pytest.raises(CreditLabError, match="points"):
        Scorecard.from_json(json.dumps(plain))


def test_manual_edits_reach_the_card():
    X, y, _ = customers(3000)
    binner = Binner().fit(X, y)
    edited = merge(binner, "sector", [0, 1])
    card = fit(X, y, binner=edited, features=["sector", "ratio"])
    assert len(card.points["sector"]) == len(binner.bins_["sector"].counts) - 1


def test_wrong_signs():
    """Two features that say the same, one with noise: given both, the worse may turn its sign."""
    X, y, _ = customers(4000)
    rng = np.random.default_rng(3)
    X = X.assign(echo=X["ratio"] + X["days_late"] * 0.001 + rng.normal(0, 0.3, len(X)))[["ratio", "echo"]]
    X["echo"] = X["echo"] - 0.0
    kept = fit(X, y, signs="keep").coefficients.set_index("term")["coefficient"]
    wrong = [name for name in X if kept[name] >= 0]
    if wrong:
        assert fit(X, y).facts["dropped_for_sign"] == wrong
    flipped = Binner().fit(X, 1 - y)
    with pytest.raises(CreditLabError, match="more WOE would mean more risk"):
        fit(X, y, binner=flipped, signs="refuse")
    with pytest.raises(CreditLabError, match=r"no feature left.*wrong sign"):
        fit(X, y, binner=flipped)


def test_copies_are_dropped_and_separation_is_named():
    X, y, _ = customers(2000)
    card = fit(X.assign(again=X["ratio"]), y)
    assert len(card.facts["dropped_as_copies"]) == 1
    assert {"ratio", "again"} - {*card.names} == set(card.facts["dropped_as_copies"])
    with pytest.raises(CreditLabError, match="copies or sums"):
        fit(X.assign(again=X["ratio"]), y, features=["ratio", "again"])
    apart = pd.DataFrame({"x": np.arange(200.0)})
    target = (apart["x"] >= 100).astype(int)
    loose = Binner(limits=Limits(min_events=0, min_others=0, min_share=0.0), optimise=False).fit(apart, target)
    with pytest.raises(CreditLabError, match=r"penalty.*firth"):
        fit(apart, target, binner=loose)
    assert fit(apart, target, binner=loose, penalty=1.0).score(apart).is_monotonic_decreasing


def test_bad_input():
    X, y, _ = customers(1000)
    card = fit(X, y)
    with pytest.raises(CreditLabError, match="'ratio' of the card is not in the table"):
        card.score(X.drop(columns="ratio"))
    with pytest.raises(CreditLabError, match="row 1 holds 'high'"):
        card.score(X.assign(ratio="high"))
    with pytest.raises(CreditLabError, match="'ratoi' has no bins"):
        fit(X, y, features=["ratoi"])
    with pytest.raises(CreditLabError, match=r"no feature left.*IV above 0"):
        fit(X[["noise"]] * 0, y)
    with pytest.raises(CreditLabError, match="more than one bin"):
        fit_joint(X[["noise"]] * 0, y)
    with pytest.raises(CreditLabError, match="penalty above zero"):
        fit_joint(X, y, penalty=0)
    new = X.head(3).assign(sector="mining")
    assert card.unseen(new)["feature"].tolist() in (["sector"], [])
    assert np.isfinite(card.score(new)).all()


@pytest.fixture(scope="module")
def scored():
    """100,000 rows with gaps, special codes, categories never seen and values on the boundaries, and their scores."""
    X, y, _ = customers(5000)
    card = fit(X, y, binner=Binner(special={"days_late": [-1]}), digits=1)
    rows, _, _ = customers(100_000, seed=9)
    rng = np.random.default_rng(5)
    rows.loc[rng.random(len(rows)) < 0.05, "sector"] = "never seen"
    rows.loc[rng.random(len(rows)) < 0.05, "sector"] = None
    rows.loc[rng.random(len(rows)) < 0.05, "days_late"] = np.nan
    at = rng.choice(len(rows), 1000, replace=False)
    splits = card.features[card.names.index("ratio")].splits
    rows.loc[at, "ratio"] = rng.choice(splits, len(at))
    rows.insert(0, "customer_id", [f"C{i:06d}" for i in range(len(rows))])
    return card, rows, card.score(rows)


def test_one_function_of_python(scored):
    card, rows, score = scored
    space = {}
    exec(to_python(card, "points_of"), space)
    found = [space["points_of"](row) for row in rows.to_dict("records")]
    assert (np.array(found) == score.to_numpy()).all()


def test_duckdb(scored):
    card, rows, score = scored
    con = ibis.duckdb.connect()
    con.create_table("customers", pa.Table.from_pandas(rows, preserve_index=False))
    for found in (
        con.raw_sql(to_sql(card)).fetchdf(),
        expression(card, con.table("customers")).select("customer_id", "score", "pd").to_pyarrow().to_pandas(),
    ):
        found = found.set_index("customer_id").loc[rows["customer_id"]]
        assert (found["score"].to_numpy() == score.to_numpy()).all()
        assert found["pd"].to_numpy() == pytest.approx(card.probability(rows).to_numpy(), abs=1e-12)


def test_postgres(scored, postgres, tmp_path):
    import psycopg

    card, rows, score = scored
    rows.to_csv(tmp_path / "rows.csv", index=False)
    kinds = {"customer_id": "text", "sector": "text"}
    columns = ", ".join(f'"{name}" {kinds.get(name, "double precision")}' for name in rows)
    with psycopg.connect(postgres.replace("postgres://", "postgresql://")) as connection:
        connection.execute(f"create table customers ({columns})")
        with connection.cursor().copy("copy customers from stdin (format csv, header)") as copy:
            copy.write((tmp_path / "rows.csv").read_bytes())
        found = connection.execute(to_sql(card, dialect="postgres")).fetchall()
    found = pd.DataFrame(found, columns=["customer_id", "score", "pd"]).set_index("customer_id")
    found = found.loc[rows["customer_id"]].astype(float)
    assert (found["score"].to_numpy() == score.to_numpy()).all()
    assert found["pd"].to_numpy() == pytest.approx(card.probability(rows).to_numpy(), abs=1e-12)


def test_export_refuses(scored):
    card, _, _ = scored
    with pytest.raises(CreditLabError, match="dialect 'cobol'"):
        to_sql(card, dialect="cobol")
    with pytest.raises(CreditLabError, match="'ratio' is not in the table"):
        expression(card, ibis.table({"sector": "string"}, name="customers"))
