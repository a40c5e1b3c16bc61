import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_lab import evaluation, financials, history
from credit_lab import policy as policies
from credit_lab.errors import CreditLabError, PolicyError
from credit_lab.evaluation.experts import latest_scores

baseline = policies.load("data/policies/2025-baseline.toml")
DAY = pd.Timestamp("2025-12-31")
three = evaluation.load_template("data/expert/three_dimensions.toml")


def ruled(**settings):
    return baseline.model_copy(update={"evaluation": baseline.evaluation.model_copy(update=settings)})


def test_ahp_gives_the_weights_of_saatys_drinks():
    # Saaty (2008), Int. J. Services Sciences 1(1), 83-98: weights .177 .019 .042 .116 .190 .129 .327, ratio .022
    names = ["coffee", "wine", "tea", "beer", "sodas", "milk", "water"]
    upper = [[1, 9, 5, 2, 1, 1, 1 / 2], [1, 1 / 3, 1 / 9, 1 / 9, 1 / 9, 1 / 9], [1, 1 / 3, 1 / 4, 1 / 3, 1 / 9],
             [1, 1 / 2, 1, 1 / 3], [1, 2, 1 / 2], [1, 1 / 3], [1]]  # fmt: skip
    a = np.ones((7, 7))
    for i, row in enumerate(upper):
        a[i, i:], a[i:, i] = row, 1 / np.array(row)
    made = evaluation.weights_from_pairs(names, a)
    assert made.weights.round(3).tolist() == [0.177, 0.019, 0.042, 0.116, 0.190, 0.129, 0.327]
    assert round(made.consistency_ratio, 3) == 0.022


def test_ahp_refuses_a_circle_and_names_it():
    # x over y 3, y over z 3, but z over x 3: going by y gives 9, directly 1/3: 27 times
    a = [[1, 3, 1 / 3, 1], [1 / 3, 1, 3, 1], [3, 1 / 3, 1, 1], [1, 1, 1, 1]]
    with pytest.raises(CreditLabError, match=r"x, y and z: going from x to z by y gives 27\.00"):
        evaluation.weights_from_pairs(["x", "y", "z", "w"], a)
    with pytest.raises(CreditLabError, match="reciprocal"):
        evaluation.weights_from_pairs(["x", "y"], [[1, 3], [3, 1]])


@given(st.lists(st.floats(0.1, 10), min_size=2, max_size=8))
def test_consistent_comparisons_give_back_their_weights(weights):
    w = np.array(weights)
    made = evaluation.weights_from_pairs([f"f{k}" for k in range(len(w))], w[:, None] / w[None, :])
    np.testing.assert_allclose(made.weights, w / w.sum(), rtol=1e-6)
    assert made.consistency_ratio < 1e-6


def test_intraclass_correlations_of_shrout_and_fleiss():
    # Shrout and Fleiss (1979), table 2 and 4: ICC(1,1) .17, ICC(2,1) .29, ICC(3,1) .71, ICC(2,4) .62
    x = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    assert evaluation.icc(x).round(2).tolist() == [0.17, 0.29, 0.71, 0.62, 6, 4]


@given(st.lists(st.tuples(st.integers(1, 10), st.integers(1, 10)), min_size=3, max_size=30))
def test_weighted_kappa_is_that_of_scikit_learn(pairs):
    from sklearn.metrics import cohen_kappa_score

    a, b = np.array(pairs).T
    mine = evaluation.weighted_kappa(a, b)
    if np.isfinite(mine):
        assert mine == pytest.approx(cohen_kappa_score(a, b, weights="quadratic", labels=range(1, 11)))


def test_templates_are_whole_and_bad_ones_refused(tmp_path):
    eighteen = evaluation.load_template("data/expert/characteristics_18.toml")
    assert len(eighteen.factors) == 18 and eighteen.factors["group"].nunique() == 3
    assert three.consistency_ratio < 0.1 and set(three.factors["group"]) == {"willingness", "capability", "performance"}
    text = Path("data/expert/characteristics_18.toml").read_text(encoding="utf-8")
    wrong = tmp_path / "wrong.toml"
    for old, new, words in (
        ("weight = 0.025", "weight = 0.5", "weights add up to 1.475, not to 1"),
        ("weight =", "wieght =", "factors.0.wieght"),
        ('{ 1 = "', '{ 0 = "', "anchors must describe 1 and 10"),
    ):
        wrong.write_text(text.replace(old, new, 1), encoding="utf-8")
        with pytest.raises(CreditLabError, match=words):
            evaluation.load_template(wrong)


def scores(*rows):
    frame = pd.DataFrame(rows, columns=["customer_id", "factor", "score", "assessor", "assessed_on"])
    return frame.assign(assessed_on=pd.to_datetime(frame["assessed_on"]), score=frame["score"].astype(float))


def test_scores_outside_the_scale_and_unknown_factors_are_refused():
    with pytest.raises(CreditLabError, match=r"1 scores outside 1 to 10 \(first: A, management, ann: 11\)"):
        latest_scores(scores(("A", "management", 11, "ann", "2025-01-01")), three, DAY)
    with pytest.raises(CreditLabError, match="unknown factor 'managment'; did you mean 'management'"):
        latest_scores(scores(("A", "managment", 5, "ann", "2025-01-01")), three, DAY)


def test_judgement_is_the_mean_of_the_latest_scores():
    rows = scores(
        ("A", "management", 2, "ann", "2024-01-01"), ("A", "management", 6, "ann", "2025-01-01"),
        ("A", "management", 8, "bob", "2025-02-01"), ("A", "management", 1, "bob", "2026-01-01"),
    )  # fmt: skip
    made = evaluation.judge(rows, three, DAY).iloc[0]
    assert made["value"] == 7.0  # (6 + 8) / 2; of 2026 nothing is known
    assert made["score"] == pytest.approx(100 * 6 / 9)
    assert made["source"] == "assessments: ann 6 on 2025-01-01, bob 8 on 2025-02-01"


NO_JUDGEMENT = pd.DataFrame(columns=["customer_id", "item", "part", "weight", "value", "score", "source"])


def known(**values):
    return pd.DataFrame({"customer_id": "A", "item": list(values), "value": list(values.values()), "source": "s"})


def test_a_composite_by_hand():
    # willingness .4 x figures .6: index 56 is half way from 30 to 82 (50), weight .5; no late amounts (100), weight .2.
    # Missing items, kinds and parts hand their weight on, so the score is (.5 x 50 + .2 x 100) / .7.
    figures = known(payment_index=56, late_30_share=0.0)
    made = evaluation.evaluate(figures, NO_JUDGEMENT, baseline, three, DAY)
    row = made.customers.iloc[0]
    assert row["score"] == pytest.approx(45 / 0.7)
    assert row["evidence"] == pytest.approx(0.4 * 0.6 * 0.7)
    assert (row["grade"], row["reason"]) == ("", "only 17% of the evidence, 30% are needed")
    enough = evaluation.evaluate(figures, NO_JUDGEMENT, ruled(min_evidence=0.1), three, DAY).customers.iloc[0]
    assert (enough["grade"], enough["pd_low"], enough["pd_high"]) == ("A", 0.01, 0.03)
    worst = evaluation.evaluate(figures, NO_JUDGEMENT, ruled(missing="worst"), three, DAY).customers.iloc[0]
    assert worst["score"] == pytest.approx(0.24 * 45)
    neutral = evaluation.evaluate(figures, NO_JUDGEMENT, ruled(missing="neutral"), three, DAY).customers.iloc[0]
    assert neutral["score"] == pytest.approx(0.24 * 45 + (1 - 0.24 * 0.7) * 50)


def test_the_matrix_and_what_cannot_be_combined():
    figures = known(payment_index=82)
    judged = evaluation.judge(scores(("A", "transparency", 1, "ann", "2025-01-01")), three, DAY)
    policy = ruled(combine="matrix", min_evidence=0.0)
    row = evaluation.evaluate(figures, judged, policy, three, DAY).customers.iloc[0]
    assert (row["figures"], row["judgement"], row["grade"]) == (100, 0, "B")  # first row, last column
    with pytest.raises(CreditLabError, match="'logistic' needs outcomes"):
        evaluation.evaluate(figures, judged, ruled(combine="logistic"), three, DAY)
    with pytest.raises(CreditLabError, match="unknown measure 'payment_idx'; did you mean 'payment_index'"):
        evaluation.evaluate(known(payment_idx=1), judged, baseline, three, DAY)


@pytest.fixture(scope="module")
def evaluated(sample):
    past = history.build(sample, DAY)
    judged = evaluation.judge(sample.tables["assessments"], three, DAY)
    return evaluation.evaluate(evaluation.figures(sample, baseline, DAY, past), judged, baseline, three, DAY)


def test_every_score_is_the_sum_of_its_explained_points(evaluated):
    for customer in evaluated.customers["customer_id"].head(40):
        trail = evaluation.explain(evaluated, customer)
        assert trail["points"].sum() == pytest.approx(
            evaluated.customers.set_index("customer_id").loc[customer, "score"]
        )
        assert trail["weight"].sum() == pytest.approx(1)
        assert (trail["source"].str.len() > 5).all()
    with pytest.raises(CreditLabError, match="'C-9999' was not evaluated"):
        evaluation.explain(evaluated, "C-9999")


def test_nothing_of_later_days_is_used(sample, evaluated):
    day = pd.Timestamp("2024-06-30")
    past = history.build(sample, DAY)
    cut = sample.up_to(day)
    tables = {
        name: frame[frame[column] <= day]
        for name, column in (("facts", "observed_on"), ("financials", "published_on"), ("assessments", "assessed_on"))
        for frame in [cut.tables[name]]
    }
    blind = dataclasses.replace(cut, tables={**cut.tables, **tables})
    one = evaluation.figures(sample, baseline, day, past)
    two = evaluation.figures(blind, baseline, day, history.build(blind, day))
    order = ["customer_id", "item"]
    pd.testing.assert_frame_equal(
        one.sort_values(order, ignore_index=True), two.sort_values(order, ignore_index=True), check_dtype=False
    )


def test_overrides_need_a_reason_and_keep_their_limit():
    grades = pd.DataFrame({"customer_id": [f"C{k}" for k in range(10)], "grade": ["B"] * 10})

    def one(**cells):
        return pd.DataFrame([{"customer_id": "C1", "grade": "A", "reason": "parent", "approved_by": "cfo", **cells}])

    made = evaluation.override(grades, one(), baseline).set_index("customer_id")
    assert made.loc["C1", ["model_grade", "grade", "notches"]].tolist() == ["B", "A", 1]
    for cells, words in (
        ({"reason": " "}, "without reason"), ({"grade": "E"}, "'E' is not in the scale"),
        ({"customer_id": "X"}, "X is no evaluated customer"),
    ):  # fmt: skip
        with pytest.raises(CreditLabError, match=words):
            evaluation.override(grades, one(**cells), baseline)
    with pytest.raises(CreditLabError, match=r"2 of 10 grades \(20.0%\).*allows 10%"):
        evaluation.override(grades, pd.concat([one(), one(customer_id="C2")]), baseline)


def test_the_nested_test_finds_what_adds_and_what_does_not():
    import statsmodels.api as sm

    rng = np.random.default_rng(5)
    figures, judgement = rng.normal(50, 15, 800), rng.normal(50, 15, 800)
    y = (rng.random(800) < 1 / (1 + np.exp(2 + (figures - 50) / 12))).astype(float)
    made = evaluation.nested(figures, judgement, y)
    p = made.tests.set_index("added")["p_value"]
    assert p["figures"] < 1e-6 and p["judgement"] > 0.05
    peer = sm.Logit(y, sm.add_constant(np.column_stack([figures, judgement]))).fit(disp=0)
    np.testing.assert_allclose(made.coefficients, peer.params, rtol=1e-6)
    assert made.table.set_index("model").loc["both", "log_likelihood"] == pytest.approx(peer.llf)
    with pytest.raises(CreditLabError, match="at least five of either kind"):
        evaluation.nested(figures[:6], judgement[:6], [0, 0, 0, 0, 0, 1])


def test_weights_of_measures_that_do_not_add_up_are_refused(tmp_path):
    text = Path("data/policies/2025-baseline.toml").read_text(encoding="utf-8")
    wrong = tmp_path / "wrong.toml"
    for old, new, words in (
        ("best = 82, weight = 0.5", "best = 82, weight = 0.6", "measures of willingness add up to 1.1, not to 1"),
        ('["AA", "A", "B", "C"],', '["C", "A", "B", "C"],', "never give a better grade"),
        ('grade = "AAA", min_score = 80', 'grade = "AAA", min_score = 60', "min_score must fall"),
        ('attribute = "employees"', 'attribute = "founded_on"', "each named once"),
    ):
        assert old in text
        wrong.write_text(text.replace(old, new, 1), encoding="utf-8")
        with pytest.raises(PolicyError, match=words):
            policies.load(wrong)


def statement(**items):
    base = {"customer_id": "A", "period_end": "2024-12-31", "published_on": "2025-03-31", "sales": 200.0,
            "cost_of_sales": 150.0, "operating_profit": 10.0, "net_income": 6.0, "total_assets": 100.0,
            "current_assets": 50.0, "inventory": 20.0, "receivables": 20.0, "cash": 5.0, "total_liabilities": 60.0,
            "current_liabilities": 40.0, "retained_earnings": 20.0, "net_worth": 40.0}  # fmt: skip
    frame = pd.DataFrame([{**base, **items}])
    return frame.assign(**{name: pd.to_datetime(frame[name]) for name in ("period_end", "published_on")})


def test_ratios_and_scores_by_hand_and_undefined_ones_say_why():
    made = financials.ratios(statement()).set_index("ratio")["value"]
    assert made[["current_ratio", "quick_ratio", "debt_ratio", "debt_to_equity"]].tolist() == [1.25, 0.75, 0.6, 1.5]
    z = financials.distress(statement()).set_index("score")
    # Z = 1.2 x .1 + 1.4 x .2 + 3.3 x .1 + .6 x 40/60 + .999 x 2
    assert z.loc["altman_z", "value"] == pytest.approx(0.12 + 0.28 + 0.33 + 0.4 + 1.998)
    assert z.loc["altman_z", "zone"] == "safe"
    assert np.isnan(z.loc["z_china", "value"]) and "roa_avg" in z.loc["z_china", "reason"]
    poor = financials.ratios(statement(net_worth=-5.0, current_liabilities=0.0)).set_index("ratio")
    assert poor.loc[["return_on_equity", "current_ratio"], "reason"].tolist() == [
        "net_worth is negative", "current_liabilities is zero",
    ]  # fmt: skip
    assert poor.loc[["return_on_equity", "current_ratio"], "value"].isna().all()
    assert np.isnan(financials.distress(statement(net_worth=-5.0)).set_index("score").loc["altman_z", "value"])


def test_a_statement_published_later_is_not_used():
    both = pd.concat([statement(), statement(period_end="2025-12-31", published_on="2026-04-01", sales=300.0)])
    assert financials.latest(both, DAY)["sales"].tolist() == [200.0]
    later = financials.latest(both, pd.Timestamp("2026-04-01"))
    assert later["sales"].tolist() == [300.0]
    growth = financials.ratios(later).set_index("ratio").loc["sales_growth", "value"]
    assert growth == pytest.approx(0.5)
    trend = financials.trends(both, pd.Timestamp("2026-04-01")).set_index("ratio")
    assert trend.loc["asset_turnover", ["first", "last", "slope", "direction"]].tolist() == [2.0, 3.0, 1.0, "better"]


def test_percentiles_within_an_industry_point_the_right_way():
    rows = pd.concat([statement(customer_id=f"C{k}", total_liabilities=10.0 * k) for k in range(1, 11)])
    made = financials.percentiles(financials.ratios(rows), pd.Series({f"C{k}": "food" for k in range(1, 11)}))
    debt = made[made["ratio"] == "debt_ratio"]
    assert debt["percentile"].round(2).tolist() == [0.95 - 0.1 * k for k in range(10)] or np.allclose(
        debt["percentile"], 0.95 - 0.1 * np.arange(10)
    )


def test_an_industry_index_is_shrunk_and_turns_are_seen_when_they_can_be():
    month = pd.Timestamp("2025-12-31")
    rows = pd.DataFrame(
        {"month": month, "customer_id": ["a", "b"], "sales_12m": 100.0, "open": 100.0, "overdue": [40.0, 0.0],
         "days_beyond_terms_12m": [0.0, 0.0], "written_off_12m": 0.0}
    )  # fmt: skip
    made = evaluation.industry_index(rows, pd.Series({"a": "x", "b": "y"}), prior=1.0).set_index("industry")
    # overdue .4 and 0 against .2: ratios 2 and 0, one customer beside a prior of one: 1.5 and .5; delay equal
    assert made["overdue"].tolist() == [1.5, 0.5]
    assert made["industry_index"].tolist() == [1.25, 0.75]
    level = [1.0, 1.2, 1.5, 1.3, 1.0, 1.0, 1.3]
    series = pd.DataFrame({"month": pd.date_range("2025-01-31", periods=7, freq="ME"), "industry": "x",
                           "industry_index": level})  # fmt: skip
    turns = evaluation.turning_points(series, months=1, least=0.15)
    assert turns["turn"].tolist() == ["easing", "worsening"]
    assert turns["level"].tolist() == [1.5, 1.0]
    assert turns["seen_on"].dt.month.tolist() == [4, 7]


def test_migration_counts_everybody():
    before = pd.DataFrame({"customer_id": ["a", "b"], "grade": ["A", ""]})
    now = pd.DataFrame({"customer_id": ["a", "b", "c"], "grade": ["B", "A", "D"]})
    made = evaluation.migration(before, now, baseline).set_index("before")
    assert made.loc["A", "B"] == 1 and made.loc["no grade", "A"] == 1 and made.loc["no grade", "D"] == 1
    assert made.to_numpy().sum() == 3
