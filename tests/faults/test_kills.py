"""Short versions of suite_kills; more kills: test_report_registry.py and test_report_pack.py beside this folder."""

import shutil
import sys

import pytest

from credit_lab.errors import ReportError
from credit_lab.publish import folder
from credit_lab.publish import run as runs
from tests.faults import kills
from tests.test_report import PARAMETERS, notebook


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="one step only on Linux")
def test_a_report_is_exchanged_in_one_step(tmp_path):
    wrong, seen = kills.exchanges(tmp_path, 15)
    assert wrong == 0
    assert seen > 5  # the killed ones did write


def test_without_an_exchange_by_the_system_the_new_report_still_comes(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "_exchange", lambda one, other: False)
    for text in ("first", "second"):
        (tmp_path / "aside").mkdir()
        (tmp_path / "aside" / "a").write_text(text)
        runs.swap(tmp_path / "aside", tmp_path / "report")
    assert (tmp_path / "report" / "a").read_text() == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_what_a_killed_run_left_is_cleared_and_one_run_works_at_a_time(tmp_path):
    source = notebook(tmp_path / "n.ipynb", PARAMETERS, "amount")
    target = tmp_path / "out" / "r"
    left = runs.unfinished(target)
    left.mkdir(parents=True)
    (left / "half.html").write_text("<html>")
    with runs.alone(target), pytest.raises(ReportError, match="another run is working on"):
        runs.report(source, {}, target, title="T", progress=False)
    runs.report(source, {}, target, title="T", progress=False)
    assert [path.name for path in target.parent.iterdir()] == ["r"]
    assert not (target / "half.html").exists()
    shutil.rmtree(target)
