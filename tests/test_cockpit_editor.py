"""The bin and scorecard editor: steps, undo, what it shows, files."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from credit_lab.cockpit.bench import Bench
from credit_lab.cockpit.drafts import Draft, Editor, Sample
from credit_lab.errors import CreditLabError
from credit_lab.scoring import Binner, Limits, Scorecard


def rows(seed, number=600):
    rng = np.random.default_rng(seed)
    late = rng.exponential(20, number).round(1)
    sector = rng.choice(["retail", "trade", "building", "<i>"], number)
    risk = -2.5 + 0.05 * late + 1.2 * (sector == "building")
    y = pd.Series((rng.random(number) < 1 / (1 + np.exp(-risk))).astype(int))
    return pd.DataFrame({"late": late, "sector": sector, "same": late + rng.normal(0, 4, number)}), y


def made():
    X, y = rows(1)
    later_X, later_y = rows(2)
    binner = Binner(limits=Limits(max_bins=5)).fit(X, y)
    return Editor(Sample(X, y, None, later_X, later_y, None, None), Draft(binner, ("late", "sector")))


@pytest.fixture
def editor():
    return made()


def test_information_by_hand():
    # three values, 20 / 60 / 20 rows with 10 / 10 / 10 events; the last two merged:
    # non-events 10, 50, 10 and events 10, 10, 10; bins {0} and {1, 2}: shares 10/70, 60/70 and 10/30, 20/30
    # IV = (1/7 - 1/3) ln((1/7)/(1/3)) + (6/7 - 2/3) ln((6/7)/(2/3)) = 0.161390 + 0.047869 = 0.209259
    X = pd.DataFrame({"x": [0.0] * 20 + [1.0] * 60 + [2.0] * 20})
    y = pd.Series([1] * 10 + [0] * 10 + [1] * 10 + [0] * 50 + [1] * 10 + [0] * 10)
    binner = Binner(optimise=False, smoothing=0).fit(X, y)
    small = Editor(Sample(X, y, None, X, y, None, None), Draft(binner, ()))
    assert small.facts("x")["trend"] == "not monotone"
    small.merge("x", [1, 2])
    found = small.facts("x")
    assert found["iv"] == pytest.approx(0.209259, abs=1e-6)
    assert found["iv"] < found["iv_first"]
    assert (found["trend"], found["psi"], found["breaks"]) == ("falling", 0.0, 0)
    small.split("x", 1.5)
    assert small.bins("x").counts.tolist()[:3] == [[10, 10], [50, 10], [10, 10]]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("merge"), st.sampled_from(["late", "same", "sector"]), st.integers(0, 3)),
        st.tuples(st.just("split"), st.sampled_from(["late", "same"]), st.floats(0.5, 60).map(lambda v: round(v, 2))),
        st.tuples(st.just("take_out"), st.just("sector"), st.sampled_from(["retail", "trade", "building"])),
        st.tuples(st.just("use"), st.sampled_from(["late", "same", "sector"]), st.booleans()),
        st.tuples(st.just("reset"), st.sampled_from(["late", "sector"]), st.none()),
    ),
    max_size=8,
)


@given(STEPS)
def test_all_steps_can_be_taken_back_and_done_again(steps):
    editor = made()

    def state():
        return editor.draft.binner.to_json(), editor.draft.features

    seen = [state()]
    for name, feature, value in steps:
        arguments = {"merge": ([value, (value or 0) + 1] if name == "merge" else None,), "reset": ()}.get(
            name, (value,)
        )
        try:
            getattr(editor, name)(feature, *arguments)
        except CreditLabError:
            assert state() == seen[-1]  # a refused step changes nothing
        else:
            seen.append(state())
    assert sum(editor.bins("late").counts.sum(axis=0)) == 600
    for wanted in seen[-2::-1]:
        assert editor.undo()
        assert state() == wanted
    assert not editor.undo()
    for wanted in seen[1:]:
        assert editor.redo()
        assert state() == wanted
    assert not editor.redo()


def test_a_new_step_ends_what_could_be_done_again(editor):
    editor.merge("late", [0, 1])
    editor.undo()
    editor.use("same", True)
    assert editor.steps == (1, 0)


def test_a_category_gets_a_bin_of_its_own(editor):
    editor.merge("sector", list(range(len(set(editor.bins("sector").categories.values())))))
    assert len(set(editor.bins("sector").categories.values())) == 1
    editor.take_out("sector", "building")
    bins = editor.bins("sector")
    alone = [name for name, bin_ in bins.categories.items() if bin_ == bins.categories["building"]]
    assert alone == ["building"]
    assert bins.counts[bins.categories["building"]].sum() == (editor.sample.X["sector"] == "building").sum()
    with pytest.raises(CreditLabError, match="did you mean 'retail'"):
        editor.take_out("sector", "retial")


def test_the_card_follows_the_bins(editor):
    auc = editor.performance()
    card, sample = editor.card(), editor.sample
    assert auc["later"] == pytest.approx(roc_auc_score(sample.later_y, -card.score(sample.later_X)))
    assert auc["low"] < auc["later"] < auc["high"]
    editor.use("late", False)
    assert editor.card().names == ["sector"]
    assert editor.performance()["later"] < auc["later"]
    editor.use("sector", False)
    with pytest.raises(CreditLabError, match="no feature is on the card"):
        editor.card()


def test_a_wrong_sign_is_said():
    rng = np.random.default_rng(5)
    x = rng.normal(size=3000)
    y = pd.Series((rng.random(3000) < 1 / (1 + np.exp(1 - 2 * x))).astype(int))
    # twice shows the same with noise, and against it: given x, more of it means less risk
    X = pd.DataFrame({"x": x, "twice": x + rng.normal(0, 0.2, 3000) + 0.5 * (0.5 - y)})
    binner = Binner().fit(X, y)
    found = Editor(Sample(X, y, None, X, y, None, None), Draft(binner, ("x", "twice"))).terms().set_index("feature")
    assert found.loc["twice", "sign"] == "wrong"
    assert found.loc["x", "sign"] == "right"


def test_files_come_back(editor, tmp_path):
    editor.merge("late", [0, 1])
    bins, card = editor.save(tmp_path / "new")
    assert Binner.load(bins).to_json() == editor.draft.binner.to_json()
    X = editor.sample.later_X
    assert np.array_equal(Binner.load(bins).transform(X), editor.draft.binner.transform(X))
    assert Scorecard.load(card).score(X).equals(editor.card().score(X))
    plain = json.loads(bins.read_text(encoding="utf-8"))
    bins.write_text(json.dumps({**plain, "format": "other"}), encoding="utf-8")
    with pytest.raises(CreditLabError, match="format 'other'"):
        Binner.load(bins)
    with pytest.raises(CreditLabError, match="no bins written by credit_lab"):
        Binner.from_json("{")


def test_the_bench_merges_and_splits_by_click(editor, tmp_path):
    bench = Bench(editor, tmp_path)
    bench.feature.value = "late"
    number = len(bench.picks.children)
    assert bench.merge.disabled
    for pick in bench.picks.children[:2]:
        pick.value = True
    bench.merge.click()
    assert len(bench.picks.children) == number - 1
    bench.picks.children[0].value = True
    assert not bench.split.disabled
    bench.split.click()
    assert len(bench.picks.children) == number
    bench.split.click()  # the same boundary again
    assert "cannot be a new boundary" in bench.status.value
    bench.undo.click()
    bench.undo.click()
    assert bench.undo.disabled
    assert len(bench.picks.children) == number
    bench.feature.value = "sector"
    assert "&lt;i&gt;" in bench.bins.value and "<i>" not in bench.bins.value
    bench.on_card.value = False
    assert editor.draft.features == ("late",)
    bench.store.click()
    assert (tmp_path / "card.json").exists()
