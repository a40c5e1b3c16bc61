"""A full disk, a folder nobody may write, a clock set back, changing files, lost connections, too little memory."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from credit_lab import ledger
from credit_lab.errors import LedgerError, ReportError
from credit_lab.ledger import delimited
from credit_lab.publish import run as runs
from tests.ledgers import invoice, payment
from tests.test_report import PARAMETERS, notebook

ROOT = Path(__file__).parents[2]


def credit_lab(*arguments, before="", **environment):
    """The command as a user has it; `before` is Python run first in its process."""
    code = f"import sys; {before or 'pass'}\nfrom credit_lab.__main__ import main\n"
    code += f"sys.argv[1:] = {list(arguments)!r}\nmain()"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env={**os.environ, **environment},
        check=False,
    )  # fmt: skip


def says(done, *words):
    """Refused: exit code 1, one message with the words, no traceback."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("credit-lab: ")
    for word in words:
        assert word in done.stderr


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("no small file system to be had: needs root and the right to mount")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_leaves_the_earlier_report_and_says_so(small_disk, tmp_path):
    says(credit_lab("sample", "--out", str(small_disk / "s")), "No space left on device", "make room")
    assert not (small_disk / "s" / "invoices.csv").exists()
    target = small_disk / "r"
    source = notebook(tmp_path / "n.ipynb", PARAMETERS, "amount")
    runs.report(source, {}, target, title="T", progress=False)
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    full = notebook(tmp_path / "n.ipynb", PARAMETERS, "open(out + '/big', 'wb').write(bytes(2_000_000))")
    with pytest.raises((ReportError, OSError), match="No space left on device"):
        runs.report(full, {}, target, title="T", progress=False)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == before
    assert [path.name for path in small_disk.iterdir() if path.name.startswith(".")] == []


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    says(
        credit_lab("sample", "--customers", "10", "--months", "6", "--out", str(tmp_path / "file" / "s")),
        "another place",
    )
    says(credit_lab("sample", "--customers", "10", "--months", "6", "--out", "/proc/nobody/s"), "/proc/nobody")


def test_a_clock_set_back_gives_no_negative_time(tmp_path, monkeypatch):
    times = iter(range(2_000_000_000, 0, -3600))
    monkeypatch.setattr(time, "time", lambda: float(next(times)))
    source = notebook(tmp_path / "n.ipynb", PARAMETERS, "amount")
    made = runs.report(source, {}, tmp_path / "r", title="T", progress=False)
    assert 0 < made.run["seconds"] < 600


def test_a_ledger_that_changes_while_it_is_read_is_refused(write_ledger, monkeypatch):
    folder = write_ledger(invoices=[invoice()], payments=[payment()])
    read = delimited.read

    def meanwhile(file, **layout):
        with (folder / "payments.csv").open("a") as more:
            more.write("P2,C1,2024-03-01,1.00,CNY\n")
        return read(file, **layout)

    monkeypatch.setattr(delimited, "read", meanwhile)
    with pytest.raises(LedgerError, match="was changed while it was read"):
        ledger.read(folder)


def test_a_file_that_changes_while_the_report_is_made_is_refused(tmp_path):
    policy = tmp_path / "policy.toml"
    policy.write_text("a = 1")
    source = notebook(tmp_path / "n.ipynb", 'policy: str = ""  # p\nout: str = ""', "open(policy, 'a').write('#')")
    with pytest.raises(ReportError, match=r"policy .*policy.toml was changed while the report was made"):
        runs.report(source, {"policy": str(policy)}, tmp_path / "r", title="T", progress=False)
    assert not (tmp_path / "r").exists()


def test_a_base_that_changes_while_the_report_is_made_is_refused(tmp_path):
    base = tmp_path / "base.toml"
    base.write_text("a = 1")
    (tmp_path / "policy.toml").write_text('base = "base"')
    code = f"open({str(base)!r}, 'a').write('#')"
    source = notebook(tmp_path / "n.ipynb", 'policy: str = ""  # p\nout: str = ""', code)
    with pytest.raises(ReportError, match=r"policy.base .*base.toml was changed while"):
        runs.report(
            source,
            {"policy": str(tmp_path / "policy.toml")},
            tmp_path / "r",
            title="T",
            progress=False,
        )


def test_a_kernel_that_is_killed_is_said(tmp_path):
    source = notebook(tmp_path / "n.ipynb", PARAMETERS, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(ReportError, match="the kernel ended: it was killed, or memory was short"):
        runs.report(source, {}, tmp_path / "r", title="T", progress=False)
    assert not (tmp_path / "r").exists()


def test_too_little_memory_is_said(tmp_path):
    rows = "".join(f"I{n},C{n % 99},2024-01-05,2024-02-04,100.00,CNY\n" for n in range(200_000))
    (tmp_path / "invoices.csv").write_text("invoice_id,customer_id,issue_date,due_date,amount,currency\n" + rows)
    (tmp_path / "payments.csv").write_text("payment_id,customer_id,paid_date,amount,currency\n")
    limit = (
        "import resource, pandas, pandera, credit_lab.ledger as l, credit_lab.__main__, credit_lab.kpi.measures; "
        "used = int(open('/proc/self/statm').read().split()[0]) * 4096; "
        "resource.setrlimit(resource.RLIMIT_AS, (used + 30_000_000,) * 2)"
    )
    says(credit_lab("check", "--ledger", str(tmp_path), before=limit), "memory")


def test_a_dropped_connection_is_said(postgres, write_ledger, monkeypatch):
    """The server ends every session just before the table is asked for."""
    import ibis.backends.postgres
    import psycopg

    book = ledger.read(write_ledger(invoices=[invoice()], payments=[payment()]))
    ledger.write(dict(book.tables), postgres)
    asked = ibis.backends.postgres.Backend.table

    def dropped(self, *arguments, **options):
        table = asked(self, *arguments, **options)
        with psycopg.connect(postgres.replace("postgres://", "postgresql://"), autocommit=True) as other:
            other.execute("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()")
        return table

    monkeypatch.setattr(ibis.backends.postgres.Backend, "table", dropped)
    with pytest.raises(LedgerError, match=r"database postgres://tester:\*\*\*@.* does not give table"):
        ledger.read(postgres)
    monkeypatch.undo()
    assert len(ledger.read(postgres).invoices) == 1  # the next one succeeds


def test_results_say_what_was_counted():
    for path in (ROOT / "tests" / "faults" / "results").glob("*.json"):
        assert all(row["tried"] >= row["failed"] >= 0 for row in json.loads(path.read_text())["rows"])
