"""Time left is judged by what the same steps took last time, not by their number."""

import json
import os

import pytest

from credit_lab import publish, time_left
from credit_lab.progress import Whole
from credit_lab.studies import twin
from tests.test_report import PARAMETERS, notebook
from tests.test_report_pack import FINDING, SHOW, made

USUAL = [1.0, 30.0, 2.0, 10.0]  # seconds of four cells last time: 43


def test_cells_of_a_run_as_fast_as_the_last_one():
    """Begin: 43. Ten seconds into the second: 20 + 2 + 10. All done: 0."""
    assert time_left.of_steps(USUAL, 0, 0.0, 0.0) == pytest.approx(43)
    assert time_left.of_steps(USUAL, 1, 1.0, 10.0) == pytest.approx(32)
    assert time_left.of_steps(USUAL, 4, 43.0, 0.0) == 0


def test_cells_of_a_run_half_as_fast():
    """31 seconds of last time took 62, a fifth of the 43 speaks for the old pace: (62 + 8.6) / (31 + 8.6) = 1.7828;
    12 s x 1.7828 = 21.4, truth 24. By the number of cells it would be 62."""
    assert time_left.of_steps(USUAL, 2, 62.0, 0.0) == pytest.approx(21.394, abs=1e-3)


def test_a_cell_beyond_its_time_is_not_said_to_end_at_once():
    """40 s into a cell that took 30: a tenth of 40 more, then 2 and 10."""
    assert time_left.of_steps(USUAL, 1, 1.0, 40.0) == pytest.approx(4 + 12)


def test_jobs_side_by_side():
    """Two workers, jobs of 60, 20, 30, 10 and 5 afterwards. Begin: one does 60, the other 20 + 30 + 10: 60 + 5. At 20
    the second ends: 40 left of the first, 30 + 10 of the others, 5: 45. A job nobody knows counts as the mean, 30."""
    now = [0.0]
    usual = {"a": 60.0, "b": 20.0, "c": 30.0, "d": 10.0, "": 5.0}
    watch = time_left.Watch("abcd", 2, usual, clock=lambda: now[0])
    assert watch.left() == pytest.approx(65)
    now[0] = 20.0
    watch.done("b")
    assert watch.left() == pytest.approx(45)
    assert watch.said() == ", about 0:45 left"
    assert time_left.Watch("abx", 1, usual, clock=lambda: 0.0).left() == pytest.approx(60 + 20 + 30 + 5)
    assert time_left.Watch("ab", 2, {}, clock=lambda: 0.0).said() == ""


def test_pieces_of_work_are_one_whole():
    told = []
    whole = Whole(lambda *step: told.append(step), 100)
    first, second = whole.part(20), whole.part(80)
    first(10, 20)
    first(20, 20)
    second(1, 4)  # a piece may count in a unit of its own
    second(4, 4)
    assert told == [(10, 100), (20, 100), (40, 100), (100, 100)]


def test_a_report_says_the_time_of_the_report_before_it(tmp_path, capsys):
    source = notebook(tmp_path / "n.ipynb", PARAMETERS, "import time; time.sleep(2.5)", "amount")
    publish.run.report(source, {}, tmp_path / "r" / "2025Q3", title="T")
    assert "time left unknown: no earlier report to judge by" in capsys.readouterr().err
    (tmp_path / "r" / "bad").mkdir()
    (tmp_path / "r" / "bad" / "n.ipynb").write_text("[")
    os.utime(tmp_path / "r" / "bad" / "n.ipynb", (0, 0))  # an older one that is damaged
    assert 2.5 < sum(time_left.last_cells(tmp_path / "r" / "2025Q4", "n.ipynb")) < 10
    publish.run.report(source, {}, tmp_path / "r" / "2025Q4", title="T")
    said = capsys.readouterr().err
    assert any(f"about 0:0{seconds} left" in said for seconds in (2, 3, 4))
    assert "unknown" not in said


def test_a_pack_says_the_time_of_the_pack_before_it(tmp_path):
    parts = [notebook(tmp_path / f"{k}0_n.ipynb", PARAMETERS, SHOW.format(k), FINDING.format(k)) for k in (1, 2)]
    first, second = [], []
    made(tmp_path, *parts, say=first.append)
    assert not [line for line in first if "left" in line]
    path = tmp_path / "out" / "run.json"
    run = json.loads(path.read_text())
    assert run["after"] >= 0
    run["parts"]["10_n"]["seconds"], run["parts"]["20_n"]["seconds"], run["after"] = 100.0, 50.0, 10.0
    path.write_text(json.dumps(run))
    made(tmp_path, *parts, workers=2, say=second.append)
    assert second[0] == "about 1:50 left"
    assert all("left" in line for line in second)


def test_a_simulation_counts_all_its_worlds_once(sample):
    """Whatever is run one after another, the count only rises and ends at the total said from the beginning."""
    from credit_lab import periods
    from credit_lab import policy as policies

    rules = [policies.load(f"data/policies/2025-{name}.toml") for name in ("baseline", "tighter")]
    told = []
    twin.twin(sample, rules, periods.parse_date("2025-12-31"), days=20, replicates=4, candidates=2,
              progress=lambda *step: told.append(step))  # fmt: skip
    done = [step[0] for step in told]
    assert done == sorted(done)
    assert {step[1] for step in told} == {told[-1][0]}
