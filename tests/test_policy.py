import re
import typing
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_lab import policy as policies
from credit_lab.errors import PolicyError
from credit_lab.limits import METHODS
from credit_lab.rules.grades import grade_of

BASELINE, TIGHTER = "data/policies/2025-baseline.toml", "data/policies/2025-tighter.toml"
baseline = policies.load(BASELINE)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("overdue_share = 0.5", "overdue_shar = 0.5", "holds.overdue_shar: unknown key; did you mean 'overdue_share'"),
        ("[holds] ", "[hold] ", "hold: unknown key; did you mean 'holds'"),
        ("overdue_share = 0.5", "overdue_share = 50", r"holds.overdue_share: .*\(given: 50\); allowed 0 to 1 share"),
        ("overdue_share = 0.5", "overdue_share = 'half'", r"holds.overdue_share: .*'half'"),
        ("overdue_share = 0.5", "", "holds.overdue_share: is required and lacking; allowed 0 to 1 share"),
        ("min_payment_index = 0,", "min_payment_index = 5,", "end at 0, so that no index is left out"),
        ("pd_upper = 0.03,", "pd_upper = 0.005,", "pd_upper must rise"),
        ("max_amount = inf", "max_amount = 9e9", "the last level must sign everything"),
        ("from_days = 61", "from_days = 20", "stages must rise in from_days"),
        ("edges = [0, 30, 60", "edges = [0, 60, 30", "edges must start at 0 and rise"),
        ("capability = 0.4", "capability = 0.5", "must be 1"),
        ("target_dso = 60", "target_dso = true", "risk_appetite.target_dso: .*must be a number"),
        ("target_dso = 60", 'target_dso = "60"', "risk_appetite.target_dso: .*must be a number"),
        ('newcomer_grade = "B"', 'newcomer_grade = "E"', "newcomer_grade 'E' is not in the scale"),
        ("max_term_days = 90", "max_term_days = 30", "a grade grants 60 days"),
        ("[meta]", "[meta", "no valid TOML"),
    ],
)
def test_a_slip_in_a_policy_file_is_refused_with_place_and_range(tmp_path, old, new, words):
    text = Path(BASELINE).read_text(encoding="utf-8")
    assert old in text
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(PolicyError, match=words):
        policies.load(wrong)


def test_a_missing_policy_says_where_others_are(tmp_path):
    with pytest.raises(PolicyError, match="does not exist; ready-made ones are in data/policies"):
        policies.load(tmp_path / "none.toml")


def test_the_difference_of_two_policies_in_words():
    table = policies.diff(baseline, policies.load(TIGHTER)).set_index("setting")
    assert table.loc["overdue_days", ["a", "b", "direction"]].tolist() == ["90", "30", "tighter"]
    assert table.loc["scale[B].limit_multiple", "direction"] == "tighter"
    assert table.loc["newcomer_grade", ["a", "b", "direction"]].tolist() == ["B", "C", "tighter"]
    assert set(table["direction"]) == {"tighter"}
    assert policies.diff(baseline, baseline).empty
    back = policies.diff(policies.load(TIGHTER), baseline).set_index("setting")
    assert back.loc[["overdue_days", "newcomer_grade"], "direction"].tolist() == ["looser", "looser"]


def test_every_setting_has_a_meaning_and_the_files_explain_all_sections():
    table = policies.describe(baseline)
    assert (table["meaning"].str.len() > 5).all()
    text = Path(BASELINE).read_text(encoding="utf-8")
    for section in type(baseline).model_fields:
        assert re.search(rf"^\[{section}\]", text, re.M)


def test_a_policy_is_frozen_and_its_digest_follows_content_not_layout(tmp_path):
    with pytest.raises(ValueError, match="frozen"):
        baseline.holds.overdue_days = 1
    other = tmp_path / "same.toml"
    other.write_text(Path(BASELINE).read_text(encoding="utf-8").replace("# ", "#  ") + "\n", encoding="utf-8")
    assert policies.digest(policies.load(other)) == policies.digest(baseline)
    assert policies.digest(policies.load(TIGHTER)) != policies.digest(baseline)


@given(
    st.floats(0, 1e12, allow_nan=False),
    st.sampled_from([grade.grade for grade in baseline.grades.scale]),
)
def test_somebody_signs_every_amount_for_every_grade(amount, grade):
    names = policies.approver(baseline, amount, grade).split(" + ")
    levels = [level.approver for level in baseline.authority.levels]
    assert set(names) <= set(levels)
    assert names == sorted(names, key=levels.index)


def test_grades_by_hand():
    index = pd.Series([100.0, 79.5, 79.4, 50.0, 39.9, float("nan"), 90.0])
    months = pd.Series([12, 12, 12, 12, 12, 12, 5])
    # the last two: no payments yet, and too short a history
    assert grade_of(baseline, index, months).tolist() == ["AAA", "AAA", "AA", "B", "D", "B", "B"]


def test_approver_by_hand():
    assert policies.approver(baseline, 100_000, "A") == "credit analyst"
    assert policies.approver(baseline, 100_001, "A") == "credit manager"
    assert policies.approver(baseline, 10, "B") == "credit manager"
    assert policies.approver(baseline, 10, "D") == "credit committee"
    assert policies.approver(baseline, 600_000, "A") == "finance director + credit committee"
    with pytest.raises(PolicyError, match="grade 'E'"):
        policies.approver(baseline, 1, "E")


def test_the_methods_of_limits_are_those_that_are_registered():
    method = type(baseline.limits).model_fields["method"].annotation
    assert list(typing.get_args(method)) == [one.replace(" ", "_") for one in METHODS]


def test_failed_is_no_earlier_than_impaired(tmp_path):
    text = Path(BASELINE).read_text(encoding="utf-8")
    file = tmp_path / "changed.toml"
    file.write_text(text.replace("failed_days = 180", "failed_days = 89"), encoding="utf-8")
    with pytest.raises(PolicyError, match="failed_days 89 must not be below impaired_days 90"):
        policies.load(file)
    file.write_text(text.replace("failed_days = 180", "failed_days = 90"), encoding="utf-8")
    assert policies.load(file).default.failed_days == 90


def test_the_settings_of_default_and_waiting_have_a_direction():
    # Later, larger, longer in a row, sooner cured: fewer defaults. A longer wait: more delivered.
    looser = {
        "default": {
            "impaired_days": 91,
            "impaired_amount": 4001,
            "impaired_share": 0.02,
            "month_ends": 3,
            "cure_months": 2,
            "failed_days": 181,
        },
        "holds": {"wait_days": 16, "wait_days_custom": 46},
    }
    changed = baseline.model_dump()
    for section, values in looser.items():
        changed[section] |= values
    table = policies.diff(baseline, policies.checked(changed, "looser"))
    assert len(table) == 8
    assert set(table["direction"]) == {"looser"}
