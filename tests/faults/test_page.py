"""docs/reliability.md says what was counted, and every finding has a test that exists."""

import tomllib
from pathlib import Path

from tools import torture

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_the_counts_give():
    assert torture.PAGE.read_text(encoding="utf-8") == torture.page(), "run: python tools/torture.py --page"


def test_every_finding_is_kept_by_a_test():
    findings = tomllib.loads((torture.FAULTS / "findings.toml").read_text(encoding="utf-8")).get("finding", [])
    for one in findings:
        file, _, name = one["test"].partition("::")
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), one["test"]
