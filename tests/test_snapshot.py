"""A run reads one state of its ledger: the digest and the figures are of the same data, whatever happens meanwhile."""

import json
import os
import stat
import sys

import pandas as pd
import pytest
from jupyter_client.kernelspec import KernelSpec
from typer.testing import CliRunner

from credit_lab import ledger, publish, workbench
from credit_lab.__main__ import app
from credit_lab.errors import LedgerError, ReportError
from credit_lab.ledger import snapshot
from credit_lab.publish import kernel, pack, run
from tests.ledgers import invoice, payment
from tests.test_report import notebook

TABLES = {
    "invoices": pd.DataFrame([invoice(), invoice("I2", issued="2024-02-01", due="2024-03-01", amount=50.25)]),
    "payments": pd.DataFrame([payment(amount=40.5, invoice_id="I1")]),
}
LATER = pd.concat([TABLES["invoices"], pd.DataFrame([invoice("I3", amount=1000.0)])])
PARAMETERS = "\n".join(
    f'{name}: str = ""  # x'
    for name in ("ledger", "mapping", "policy", "period", "card", "models", "currency", "rates", "registry", "out")
)
READS = """
import json
from pathlib import Path
from credit_lab import inputs
book = inputs.open_ledger(ledger, mapping)
Path(out, "verdicts.json").write_text(json.dumps({"digest": book.digest(), "source": book.source}))
Path(out, "figures.json").write_text(json.dumps({"invoiced": [float(book.invoices["amount"].sum()), "CNY"]}))
"""


@pytest.fixture
def reads(tmp_path):
    """A notebook that reads the ledger and says what it has read."""
    return notebook(tmp_path / "80_reads.ipynb", PARAMETERS, READS)


def review(source, out, monkeypatch, reads, meanwhile):
    """`credit-lab review` with a small notebook; `meanwhile` happens after the command has read, before the kernel."""
    run = publish.run.report

    def later(*arguments, **more):
        meanwhile()
        return run(*arguments, **more)

    monkeypatch.setattr(workbench, "notebook", lambda _: reads)
    monkeypatch.setattr(publish.run, "report", later)
    arguments = ["review", "--ledger", str(source), "--period", "2024Q1", "--out", str(out), "--quiet"]
    return CliRunner().invoke(app, arguments)


@pytest.fixture(params=["sqlite", "duckdb", "postgres"])
def database(request, tmp_path):
    if request.param == "postgres":
        return request.getfixturevalue("postgres")
    return f"{request.param}:///{tmp_path}/books.db"


def test_a_database_that_changes_meanwhile_gives_one_digest_and_its_figures(database, tmp_path, monkeypatch, reads):
    ledger.write(TABLES, database)
    first, out = ledger.read(database).digest(), tmp_path / "reports"
    there = []

    def meanwhile():
        there.extend(out.glob(".ledger-snapshot-*"))
        assert [stat.S_IMODE(one.stat().st_mode) for one in there] == [0o700]
        assert {stat.S_IMODE(one.stat().st_mode) for one in there[0].glob("*.parquet")} == {0o600}
        ledger.write({"invoices": LATER}, database, overwrite=True)

    made = review(database, out, monkeypatch, reads, meanwhile)
    assert made.exit_code == 0, made.output
    run = json.loads((out / "2024Q1" / "run.json").read_text())
    assert ledger.read(database).digest() != first
    assert run["ledger_digest"] == run["verdicts"]["digest"] == first
    assert run["figures"]["invoiced"] == [150.25, "CNY"]  # 100 + 50.25, without the 1,000 that came later
    assert "snapshot" not in json.dumps(run)
    assert len(there) == 1
    assert list(out.glob(".ledger*")) == []


def test_the_copy_is_the_same_ledger(sample, tmp_path):
    url = f"duckdb:///{tmp_path}/sample.db"
    ledger.write(sample.tables, url)
    with snapshot.taken(url, "", tmp_path):
        book = ledger.read(url)
    assert book.digest() == sample.digest()
    assert book.source == url
    assert ledger.read(url).digest() == sample.digest()
    assert book.quarantine.equals(sample.quarantine)


def test_only_tables_of_the_mapping_are_copied(tmp_path):
    url = f"sqlite:///{tmp_path}/books.db"
    ledger.write({"a/b": TABLES["invoices"], "secrets": TABLES["payments"]}, url)
    names = "".join(f'{name} = "{name}"\n' for name in invoice())
    (tmp_path / "m.toml").write_text(f'[tables.invoices]\nfrom = "a/b"\n[tables.invoices.columns]\n{names}')
    with snapshot.taken(url, str(tmp_path / "m.toml"), tmp_path):
        assert len(list(tmp_path.glob(".ledger-snapshot-*/*.parquet"))) == 1
        assert len(ledger.read(url, tmp_path / "m.toml").invoices) == 2


def test_a_name_nearly_right_is_told_as_without_a_copy(tmp_path):
    url = f"sqlite:///{tmp_path}/books.db"
    ledger.write({"invoices": TABLES["invoices"], "payment": TABLES["payments"]}, url)
    with snapshot.taken(url, "", tmp_path), pytest.raises(LedgerError, match="'payment' is no table") as stop:
        ledger.read(url)
    assert "snapshot" not in str(stop.value)


def test_a_file_that_changes_meanwhile_stops_the_run(write_ledger, tmp_path, monkeypatch, reads):
    folder, out = write_ledger(**TABLES), tmp_path / "reports"
    made = review(folder, out, monkeypatch, reads, lambda: LATER.to_csv(folder / "invoices.csv", index=False))
    assert made.exit_code == 1
    assert isinstance(made.exception, ReportError)
    assert "changed after this run began" in str(made.exception)
    assert not (out / "2024Q1").exists()


def test_a_pack_whose_ledger_changes_is_not_written(write_ledger, tmp_path, reads):
    folder, out = write_ledger(**TABLES), tmp_path / "reports" / "pack"
    other = notebook(tmp_path / "81_also.ipynb", PARAMETERS, READS)
    told = []

    def say(line):
        if not told:
            LATER.to_csv(folder / "invoices.csv", index=False)
        told.append(line)

    with pytest.raises(ReportError, match="was changed while the report was made"):
        pack.make([reads, other], {"ledger": str(folder)}, out, title="T", facts={}, inputs="i", workers=1, say=say)
    assert list(out.parent.iterdir()) == []


def test_workers_of_a_pack_read_the_copy(database, tmp_path, reads):
    ledger.write(TABLES, database)
    other = notebook(tmp_path / "81_also.ipynb", PARAMETERS, READS)
    with snapshot.taken(database, "", tmp_path):
        first = ledger.read(database).digest()
        ledger.write({"invoices": LATER}, database, overwrite=True)
        made = pack.make([reads, other], {"ledger": database}, tmp_path / "p", title="T", facts={}, inputs=first)
    assert [part.run["verdicts"]["digest"] for part in made.parts] == [first, first]


def test_what_a_killed_run_left_is_taken_away_by_the_next(tmp_path):
    old = tmp_path / ".ledger-snapshot-old"
    old.mkdir()
    (old / "lock").touch()
    (old / "0.parquet").write_text("customers")
    url = f"sqlite:///{tmp_path}/books.db"
    ledger.write(TABLES, url)
    with snapshot.taken(url, "", tmp_path):
        assert not old.exists()
        (mine,) = tmp_path.glob(".ledger-snapshot-*")
        with snapshot.taken(url, "", tmp_path):
            assert mine.exists()  # its run is alive
        assert ledger.read(url).source == url
    assert "CREDIT_LAB_SNAPSHOT" not in os.environ
    assert list(tmp_path.glob(".ledger*")) == []


@pytest.mark.parametrize("failures", [1, 2])
def test_a_kernel_that_does_not_come_up_is_started_once_more(tmp_path, monkeypatch, failures):
    """As when another worker's kernel took the port that was free when it was chosen."""
    real, started = kernel.manager, []

    def manager(folder):
        made = real(folder)
        started.append(folder)
        if len(started) <= failures:
            made.kernel_spec = KernelSpec(argv=[sys.executable, "-c", "raise SystemExit(1)"], language="python")
        return made

    monkeypatch.setattr(kernel, "manager", manager)
    source = notebook(tmp_path / "n.ipynb", 'out: str = ""  # x', "1 + 1")
    if failures == 1:
        assert run.report(source, {}, tmp_path / "r", title="T", progress=False).html.exists()
    else:
        with pytest.raises(ReportError, match="DeadKernel"):
            run.report(source, {}, tmp_path / "r", title="T", progress=False)
    assert len(started) == 2
