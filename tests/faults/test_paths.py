"""Names from options, settings and data that would lead out of the folder that was chosen."""

import shutil
import zipfile
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from credit_lab import governance, ledger, workbench
from credit_lab import policy as policies
from credit_lab.__main__ import app
from credit_lab.cockpit import settings as turning
from credit_lab.cockpit import trial
from credit_lab.commands import lab, reports, tables
from credit_lab.errors import CreditLabError, LedgerError
from credit_lab.publish import evidence_file, show
from credit_lab.publish import run as runs
from credit_lab.studies import evidence
from tests.ledgers import invoice, payment
from tests.test_report import PARAMETERS, notebook

ROOT = Path(__file__).parents[2]
POLICY = ROOT / "data" / "policies" / "2025-baseline.toml"
OUTWARD = ("../up", "a/../../up", "/tmp/up", "..", ".", "", " ", ".hidden", "a/b", "a\\b", "C:up", "a\0b", "a\nb")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A workbench in a folder, one notebook and one table that are none of its business beside it."""
    here = tmp_path / "home"
    (here / "notebooks").mkdir(parents=True)
    shutil.copy(ROOT / "notebooks" / "00_start.ipynb", here / "notebooks")
    shutil.copy(ROOT / "notebooks" / "00_start.ipynb", tmp_path / "x.ipynb")
    (tmp_path / "secret.csv").write_text("a\n1\n")
    monkeypatch.chdir(here)
    monkeypatch.setattr(lab.subprocess, "call", lambda *_, **__: pytest.fail("a server was started"))
    return here


def everything(folder):
    """Every file and what it holds."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


COMMANDS = [
    *(["notebooks", name] for name in ("../../x", "../x", "**x", "**/x", "[", "*/../../x", "00_start/../../../x")),
    *(["lab", "--no-browser", "--page", name] for name in ("../../x", "../x")),
    *(["new-notebook", name] for name in ("../53_x", "53_x/../../y", "/tmp/53_x", "53_x\n", "٢٠_x", "53_x\0")),
    *(["review", option, "../../x"] for option in ("--period", "--pack", "--format", "--lang")),
    ["review", "--period", "2025Q4/../../x"],
    *(["models", "register", name, "--author", "a"] for name in ("../secret.csv", "..", "../x.toml", "\0")),
    *(["models", "retire", "a", "--by", "b", "--reason", "c", "--register", file] for file in ("..", "/", ".")),
    ["start", ".."], ["start", "notebooks"], ["start", "../secret.csv"],
]  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_name_given_to_a_command_leads_out_of_its_folder(home, words):
    before = everything(home.parent)
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2 or isinstance(done.exception, CreditLabError), done.output
    assert everything(home.parent) == before


def test_absolute_names_of_notebooks_are_refused(home):
    with pytest.raises(CreditLabError, match="no single notebook"):
        workbench.notebook(str(home.parent / "x"))


@pytest.mark.parametrize("name", OUTWARD)
def test_no_table_is_written_outside(tmp_path, name):
    table = {name: pd.DataFrame({"a": [1]})}
    for write in (show.save, ledger.write):
        with pytest.raises(CreditLabError, match="table"):
            write(table, tmp_path / "in" / "out")
    assert everything(tmp_path) == {}


@pytest.mark.parametrize("name", OUTWARD)
def test_no_policy_is_saved_outside(tmp_path, name):
    class Stage:
        policy = policies.load(POLICY)

    cockpit = trial.Cockpit.__new__(trial.Cockpit)
    cockpit.stage = Stage
    with pytest.raises(CreditLabError, match="policy name"):
        cockpit.save(turning.neutral(Stage.policy), name, date(2026, 1, 1), tmp_path / "in")
    assert everything(tmp_path) == {}


@pytest.mark.parametrize("name", OUTWARD)
def test_the_file_of_a_customers_evidence_stays_in_its_folder(name):
    path = Path("reports", f"{evidence_file.stem(name, pd.Timestamp('2025-06-30'))}.html")
    assert path.resolve().parent == Path("reports").resolve()
    assert "\0" not in str(path)


@pytest.mark.parametrize("name", ["..", ".", "/", ".csv", ".html"])
def test_a_file_of_results_needs_a_name(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    made = evidence.Evidence.__new__(evidence.Evidence)
    with pytest.raises(CreditLabError, match="must end in"):
        tables.write(pd.DataFrame({"a": [1]}), Path(name))
    with pytest.raises(CreditLabError, match="must end in"):
        reports.evidence(made, name)


def test_a_mapping_reads_no_table_outside_its_ledger(write_ledger, tmp_path):
    folder = write_ledger(invoices=[invoice()], payments=[payment()])
    for name in ("../secret", "/etc/passwd", "../*"):
        (tmp_path / "m.toml").write_text(f'[invoices]\nfrom = "{name}"\n[invoices.columns]\ninvoice_id = "a"\n')
        with pytest.raises(LedgerError):
            ledger.read(folder, tmp_path / "m.toml")


def test_members_of_a_workbook_are_not_unpacked(tmp_path):
    book = tmp_path / "in" / "book.xlsx"
    book.parent.mkdir()
    pd.DataFrame({"a": [1]}).to_excel(book, index=False)
    with zipfile.ZipFile(book, "a") as more:
        for name in ("../up.xml", "/tmp/credit_lab_up.xml", "xl/worksheets/../../../../up.xml"):
            more.writestr(name, "<x/>")
    with pytest.raises(LedgerError):
        ledger.read(book)
    assert list(everything(tmp_path)) == [book]
    assert not Path("/tmp/credit_lab_up.xml").exists()


def test_a_lock_empties_nothing_that_its_name_leads_to(tmp_path):
    kept = tmp_path / "kept"
    kept.write_text("all of it")
    out = tmp_path / "out"
    out.mkdir()
    for name in ("r", "models.jsonl"):
        (out / f".{name}-lock").symlink_to(kept)
    source = notebook(tmp_path / "n.ipynb", PARAMETERS, "amount")
    runs.report(source, {}, out / "r", title="T", progress=False)
    governance.enter(out / "models.jsonl", governance.of_policy(policies.load(POLICY)), author="a",
                     on=pd.Timestamp("2025-01-01"))  # fmt: skip
    assert kept.read_text() == "all of it"


def test_a_workbench_can_be_made_where_one_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["start", "."], catch_exceptions=False)
    assert done.exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "notebooks"]
