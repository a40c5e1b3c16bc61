"""docs/reliability.md says what was counted, and every finding has a test that exists."""

import tomllib
from pathlib import Path

from tests.faults import counting
from tools import torture

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_the_counts_give():
    assert torture.PAGE.read_text(encoding="utf-8") == torture.page(), "run: python tools/torture.py --page"


def test_every_finding_is_kept_by_a_test():
    findings = tomllib.loads((torture.FAULTS / "findings.toml").read_text(encoding="utf-8")).get("finding", [])
    for one in findings:
        file, _, name = one["test"].partition("::")
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), one["test"]


def test_examples_are_counted_and_skipped_tests_are_not(tmp_path, monkeypatch):
    """Four tests: one of 7 examples, one plain, one skipped, one failing: 7 + 1 + 0 + 1 tried, 1 failed."""
    (tmp_path / "test_some.py").write_text(
        "import pytest\nfrom hypothesis import given, settings, strategies as st\n"
        "@settings(max_examples=7)\n@given(st.integers())\ndef test_a(n): pass\n"
        "def test_b(): pass\n@pytest.mark.skip\ndef test_c(): pass\ndef test_d(): assert 0\n"
    )
    monkeypatch.setattr(counting, "ROOT", tmp_path)
    counts = counting.Counts("T")
    counting.tests(counts, [("test_some.py", "some", "hold")], quick=True)
    (row,) = counts.rows
    assert (row.tried, row.failed, row.remark) == (9, 1, "`test_some.py`, 1 not possible here")
