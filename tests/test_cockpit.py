"""The cockpit: sliders to policies and back to files, the engine on common random numbers, the widgets' thin layer."""

import tomllib
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_lab import policy as policies
from credit_lab.cockpit import chart, panel, trial
from credit_lab.cockpit.settings import RANGES, Settings, changes, neutral, proposal, turned
from credit_lab.errors import PolicyError
from credit_lab.simulation import compare, of_policy
from credit_lab.simulation.outcome import by_segment

baseline = policies.load("data/policies/2025-baseline.toml")
start = neutral(baseline)


@st.composite
def positions(draw):
    values = {
        name: draw(st.integers(0, round((high - low) / step))) * step + low
        for name, (low, high, step) in RANGES.items()
    }
    whole = {name: value if name == "limit_multiple" else int(value) for name, value in values.items()}
    return Settings(cutoff=draw(st.sampled_from(["AAA", "AA", "A", "B", "C"])), **whole)


# ---- settings --------------------
def test_untouched_sliders_are_the_baseline():
    assert start == Settings("C", 1.0, 0, 90, 0)
    assert policies.digest(turned(baseline, start)) == policies.digest(baseline)


def test_turned_values_by_hand():
    # terms 60 60 60 45 30 0: 20 more, none for the grade that pays in advance; 40 more stop at max_term_days 90
    assert [g.term_days for g in turned(baseline, replace(start, term_days=20)).grades.scale] == [80, 80, 80, 65, 50, 0]
    assert [g.term_days for g in turned(baseline, replace(start, term_days=40)).grades.scale] == [90, 90, 90, 85, 70, 0]
    # stages 1 31 61 91, 35 days earlier: 1, then the day after, then 26 and 56
    assert [s.from_days for s in turned(baseline, replace(start, ladder_days=-35)).ladder.stages] == [1, 2, 26, 56]
    # multiples 1.5 1.25 1 0.75 0.5 0, doubled, nobody worse than B
    made = turned(baseline, replace(start, cutoff="B", limit_multiple=2.0, hold_days=45))
    assert [g.limit_multiple for g in made.grades.scale] == [3.0, 2.5, 2.0, 1.5, 0.0, 0.0]
    assert made.holds.overdue_days == 45


def test_changes_in_words():
    made = turned(baseline, replace(start, term_days=-15, hold_days=30))
    assert changes(policies.diff(baseline, made)) == [
        "term_days of AAA / AA / A / B / C: 60 / 60 / 60 / 45 / 30 to 45 / 45 / 45 / 30 / 15 days (tighter)",
        "overdue_days: 90 to 30 days (tighter)",
    ]


@given(positions())
def test_every_position_is_a_policy_that_survives_its_file(settings):
    made = proposal(baseline, settings, "proposal", date(2026, 4, 1))
    back = policies.checked(tomllib.loads(policies.to_toml(made)), "written")
    assert policies.digest(back) == policies.digest(made)
    assert back.meta.valid_from == date(2026, 4, 1)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_the_file(text):
    made = baseline.model_copy(update={"meta": baseline.meta.model_copy(update={"description": text})})
    assert tomllib.loads(policies.to_toml(made))["meta"]["description"] == text


def test_refused_settings():
    with pytest.raises(PolicyError, match="did you mean 'A'"):
        turned(baseline, replace(start, cutoff="Ab"))
    with pytest.raises(PolicyError, match=r"holds\.overdue_days.*allowed 0 to 3650 days"):
        turned(baseline, replace(start, hold_days=-1))
    with pytest.raises(PolicyError, match="a name of its own"):
        proposal(baseline, start, "2025-baseline", date(2026, 1, 1))


# ---- the engine --------------------
@pytest.fixture(scope="module")
def cockpit(sample):
    stage = trial.prepare(sample, baseline, pd.Timestamp("2025-12-31"), replicates=6, seed=1)
    return trial.Cockpit(stage, searched=5)


def test_the_baseline_does_not_differ_from_itself(cockpit):
    readout = cockpit.readout(start)
    assert (readout["difference"] == 0).all()
    assert not readout["clear"].any()
    assert panel.finding(readout, "CNY") == "The baseline"


def test_a_grade_below_the_cut_off_buys_nothing_on_account(cockpit):
    """Until it has paid its way up: segments are the grades of the first day, and customers are graded again."""
    now = replace(start, cutoff="B")
    sold = by_segment(cockpit.outcome(now), "grade").set_index("grade")["sales"]
    before = by_segment(cockpit.outcome(start), "grade").set_index("grade")["sales"]
    assert sold["C"] < 0.2 * before["C"]
    first = of_policy(turned(baseline, now), cockpit.stage.worlds[0].customers)
    assert (first.grade == 4).sum() > 5
    assert (first.limit[first.grade == 4] == 0).all()
    readout = cockpit.readout(now).set_index("measure")
    assert readout.loc["Sales", "high"] < 0


def test_the_read_out_is_the_paired_comparison_of_the_policies_themselves(cockpit):
    now = replace(start, hold_days=20)
    other = cockpit.stage.run(turned(baseline, now))
    straight = compare(cockpit.stage.run(baseline), other).table.set_index("measure")
    row = cockpit.readout(now).set_index("measure").loc["Profit"]
    assert row["difference"] == straight.loc["profit", "difference"]
    assert (row["low"], row["high"]) == (straight.loc["profit", "low"], straight.loc["profit", "high"])


@pytest.mark.parametrize("axis", trial.AXES)
def test_the_frontier_is_what_nothing_beats(cockpit, axis):
    points = cockpit.points(replace(start, limit_multiple=1.5), axis)
    for p in points.itertuples():
        beaten = (
            (points["bad_debt"] <= p.bad_debt) & (points["gain"] >= p.gain)
            & ((points["bad_debt"] < p.bad_debt) | (points["gain"] > p.gain))
        ).any()  # fmt: skip
        assert p.frontier != beaten
    assert (points["bad_debt_low"] <= points["bad_debt"]).all()
    assert (points["kind"] == "now").sum() == (points["kind"] == "baseline").sum() == 1
    drawn = chart.frontier(points, axis, "CNY", "<b>")
    assert "&lt;b&gt;" in drawn
    assert drawn.count("<circle") == len(points)


def test_saved_policies_load_and_are_never_overwritten(cockpit, tmp_path):
    now = replace(start, hold_days=45)
    path = cockpit.save(now, "tighter holds", date(2026, 7, 1), tmp_path)
    made = policies.load(path)
    assert (made.meta.id, made.meta.valid_from, made.holds.overdue_days) == ("tighter holds", date(2026, 7, 1), 45)
    assert made.meta.description == "2025-baseline with overdue_days: 90 to 45 days (tighter)"
    before = path.read_bytes()
    with pytest.raises(PolicyError, match="exists already"):
        cockpit.save(start, "tighter holds", date(2026, 7, 1), tmp_path)
    for name in ("../out", " ", ".hidden", "a\0b"):
        with pytest.raises(PolicyError, match="name"):
            cockpit.save(now, name, date(2026, 7, 1), tmp_path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["tighter holds.toml"]


def test_the_panel_redraws_and_tells(cockpit, tmp_path):
    shown = panel.Panel(cockpit, tmp_path)
    before = shown.table.value
    shown.sliders["hold_days"].value = 30
    assert shown.table.value != before
    assert "overdue_days: 90 to 30 days (tighter)" in shown.words.value
    shown.back.click()
    assert shown.table.value == before
    shown.name.value = "<script>"
    shown.store.click()
    assert "&lt;script&gt;" in shown.status.value
    shown.name.value = "kept"
    shown.store.click()
    assert policies.load(tmp_path / "kept.toml").meta.id == "kept"


def test_ticks_lie_inside():
    for low, high in ((0.0, 1.0), (-3.7, 12.2), (1e-7, 3e-7), (1.1e8, 1.4e8)):
        found = chart.ticks(low, high)
        assert 2 <= len(found) <= 8
        assert low <= found[0] and found[-1] <= high * (1 + 1e-9)
        assert np.allclose(np.diff(found), found[1] - found[0])
