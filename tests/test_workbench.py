"""Where things lie: a relative path means the same in the workbench and in its folder of notebooks."""

import pytest

from credit_lab import workbench


@pytest.fixture
def lab(tmp_path):
    """A workbench with notebooks, data and one ledger."""
    for name in ("notebooks", "data/sample"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def test_a_notebook_in_its_folder_finds_what_lies_in_the_workbench(lab, monkeypatch):
    monkeypatch.chdir(lab / "notebooks")
    (lab / "notebooks" / "own.csv").touch()
    given = ("data/sample", "", "own.csv", "/elsewhere/x.csv", "postgresql://host/db", "sqlite:///data/x.db")
    assert workbench.paths(*given) == ("../data/sample", *given[1:5], "sqlite:///../data/x.db")
    assert workbench.paths("reports/new") == ("../reports/new",)  # it need not be there yet


def test_in_the_workbench_itself_and_outside_of_one_nothing_is_changed(lab, monkeypatch):
    monkeypatch.chdir(lab)
    assert workbench.paths("data/sample", "reports/new") == ("data/sample", "reports/new")
    outside = lab.parent / "outside"
    outside.mkdir()
    monkeypatch.chdir(outside)
    assert workbench.paths("data/sample") == ("data/sample",)
