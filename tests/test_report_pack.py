"""The pack: one bad notebook does not lose the others; killed at any moment it leaves nothing behind and goes on."""

import ast
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from credit_lab.errors import ReportError
from credit_lab.publish import pack, sections
from tests.test_report import PARAMETERS, notebook

SHOW = "from credit_lab.publish import show\nshow.heading('Part {0}', 'line')"
FINDING = "show.sentences(['Finding {0}: ' + str(amount)])"
# starts a pack of three: a quick one, one that waits until a file appears, one that comes after
RUNNER = """
import sys
from pathlib import Path
from credit_lab.publish import pack, sections
folder = Path(sys.argv[1])
pack.make(sorted(folder.glob("*.ipynb")), {"amount": 2.0}, folder / "out", title="T", facts={}, inputs="i",
          resume=len(sys.argv) > 2, workers=1, say=lambda line: print(line, flush=True))
"""


def made(folder, *notebooks, **options):
    return pack.make(
        notebooks, {"amount": 2.0, "unknown": 1}, folder / "out", title="T <b>", facts={"As of": "today"}, inputs="i",
        **options,
    )  # fmt: skip


def test_one_failed_and_one_refused_notebook_do_not_lose_the_third(tmp_path):
    good = notebook(tmp_path / "10_good.ipynb", PARAMETERS, SHOW.format("A"), FINDING.format("A"))
    refused = notebook(
        tmp_path / "20_refused.ipynb",
        PARAMETERS,
        "from credit_lab.errors import LedgerError\nraise LedgerError('too young <i>')",
    )
    failed = notebook(tmp_path / "30_failed.ipynb", PARAMETERS, "1 / 0")
    found = made(tmp_path, good, refused, failed)
    assert [part.state for part in found.parts] == ["made", "refused", "failed"]
    assert found.missing == (
        "20_refused could not be made from these data: too young <i>",
        "30_failed failed: ZeroDivisionError: division by zero",
    )
    assert found.verdicts["review complete"] == "stop: 1 of 3 parts"
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    for text in ("T &lt;b&gt;", "As of: today", "Finding A: 2.0", "too young &lt;i&gt;", "ZeroDivisionError"):
        assert text in page, text
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert run["parts"]["10_good"]["parameters"] == {"amount": 2.0}
    assert run["files"] == ["index.html"]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    with pytest.raises(ReportError, match="no part of the pack could be made"):
        made(tmp_path, failed)
    assert (tmp_path / "out" / "index.html").read_text(encoding="utf-8") == page


def test_refusals_are_the_family_of_errors():
    package = Path(pack.__file__).parents[1]
    family, found = {"CreditLabError"}, {}
    for file in package.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found[node.name] = {base.id for base in node.bases if isinstance(base, ast.Name)}
    for _ in range(3):
        family |= {name for name, bases in found.items() if bases & family}
    assert set(sections.REFUSALS) == family - {"Stopped"}


def processes(folder):
    """Living processes that work for the run of `folder`: its own, workers and kernels, by their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                environment, state = (entry / "environ").read_bytes(), (entry / "stat").read_text().rpartition(")")[2]
            except OSError:
                continue
            if f"PACK_TEST={folder}".encode() in environment and state.split()[0] != "Z":
                found.append(int(entry.name))
    return found


def start(folder, *arguments):
    environment = {**os.environ, "PACK_TEST": str(folder)}
    return subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(folder), *arguments], stdout=subprocess.PIPE, text=True, env=environment,
        start_new_session=True,
    )  # fmt: skip


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for processes in /proc")
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_run_leaves_the_earlier_report_no_process_and_what_it_had_finished(tmp_path, sign):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "index.html").write_text("earlier")
    waits = f"from pathlib import Path\nimport time\nPath('{tmp_path}/begun').touch()\n" \
        f"while not Path('{tmp_path}/go').exists(): time.sleep(0.05)"  # fmt: skip
    notebook(tmp_path / "10_quick.ipynb", PARAMETERS, f"open('{tmp_path}/count', 'a').write('x')")
    notebook(tmp_path / "20_slow.ipynb", PARAMETERS, waits)
    run = start(tmp_path)
    until((tmp_path / "begun").exists)
    assert len(processes(tmp_path)) == 3  # the run, its worker, a kernel
    os.killpg(run.pid, sign) if sign == signal.SIGINT else os.kill(run.pid, sign)
    assert run.wait(30) != 0
    run.stdout.close()
    until(lambda: not processes(tmp_path), seconds=10)
    assert (tmp_path / "out" / "index.html").read_text() == "earlier"

    (tmp_path / "go").touch()
    again = start(tmp_path, "resume")
    said, _ = again.communicate(timeout=120)
    assert again.returncode == 0
    assert said.splitlines()[0] == "10_quick: finished before"
    assert (tmp_path / "count").read_text() == "x"
    assert "earlier" not in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_changed_notebook_is_not_resumed(tmp_path):
    first = notebook(tmp_path / "10_n.ipynb", PARAMETERS, SHOW.format("A"))
    job = pack._job(first, {"amount": 1.0}, tmp_path / ".a", tmp_path / "out", "ledger 1")
    assert job == pack._job(first, {"amount": 1.0, "more": 2}, tmp_path / ".a", tmp_path / "out", "ledger 1")
    others = [
        pack._job(first, {"amount": 2.0}, tmp_path / ".a", tmp_path / "out", "ledger 1"),
        pack._job(first, {"amount": 1.0}, tmp_path / ".a", tmp_path / "out", "ledger 2"),
    ]
    book = nbformat.read(first, as_version=4)
    book.cells.append(nbformat.v4.new_code_cell("1"))
    nbformat.write(book, first)
    others.append(pack._job(first, {"amount": 1.0}, tmp_path / ".a", tmp_path / "out", "ledger 1"))
    assert len({one.facts["inputs"] for one in (job, *others)}) == 4


def test_two_runs_at_one_target_and_unknown_formats_are_refused(tmp_path):
    source = notebook(tmp_path / "10_n.ipynb", PARAMETERS, "amount")
    with pytest.raises(ReportError, match="format 'docx' is unknown; choose of html, pdf"):
        made(tmp_path, source, formats=["docx"])
    with pack.alone(tmp_path / "out"), pytest.raises(ReportError, match="another run is working on"):
        made(tmp_path, source)
