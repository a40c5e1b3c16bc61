"""Tables that leave the workbench open in a spreadsheet as what they are, and run nothing."""

import ast
import csv
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from credit_lab import ledger, spreadsheet
from credit_lab.__main__ import app
from credit_lab.commands import tables
from credit_lab.publish import show
from tests.ledgers import invoice, payment

ROOT = Path(__file__).parents[1]
TEXTS = [
    "=1+1", "@ACME", "+1", "-2+3", "\t=1", "a\nb", " =1", "'=1", "''@x", "＝1+1", "＋1", "'s-Hertogenbosch",
    "000042", "上海", "A=1", "", "1E5",
]  # fmt: skip


def cells(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def test_no_text_is_a_formula_and_all_come_back(tmp_path):
    frame = pd.DataFrame({"=head": TEXTS, "amount": -1.5, "count": -3, "day": pd.Timestamp("2025-03-31")})
    spreadsheet.write_csv(frame, tmp_path / "t.csv")
    head, *rows = cells(tmp_path / "t.csv")
    assert head == ["'=head", "amount", "count", "day"]
    assert {tuple(row[1:]) for row in rows} == {("-1.5", "-3", "2025-03-31")}  # numbers stay numbers
    assert not [row[0] for row in rows if row[0].lstrip(" ")[:1] in tuple("=+-@\t\r＝＋－＠")]
    assert rows[TEXTS.index("000042")][0] == "000042"
    again = spreadsheet.read_csv(tmp_path / "t.csv")
    assert [spreadsheet.unquoted(row[0]) for row in rows] == TEXTS
    assert again["'=head"].astype(object).where(again["'=head"].notna(), "")[0] == "=1+1"


def test_commands_and_reports_write_the_same_csv(tmp_path):
    frame = pd.DataFrame({"customer_id": ["=1+1", "@ACME", "000042"], "amount": [-1.25, 2.5, 3.0]})
    tables.write(frame, tmp_path / "command.csv")
    show.save({"report": frame}, tmp_path)
    whole = (tmp_path / "command.csv").read_bytes()
    assert whole == (tmp_path / "report.csv").read_bytes()
    # by hand: byte-order mark, a quote before each text that would run, bare numbers, one line break
    assert whole == b"\xef\xbb\xbfcustomer_id,amount\n'=1+1,-1.25\n'@ACME,2.5\n000042,3.0\n"


def test_a_worklist_holds_no_live_formula(tmp_path):
    names = ["=1+1", "@ACME", "000042"]
    days = {"issued": "2025-01-02", "due": "2025-02-01", "amount": 5000.0}
    book = {
        "invoices": [invoice(f"I{name}", name, **days) for name in names] + [invoice("I0", "000042", **days)],
        "payments": [payment("P0", "000042", "2025-02-20", 5000.0, invoice_id="I0")],
    }
    for name, rows in book.items():
        pd.DataFrame(rows).to_csv(tmp_path / f"{name}.csv", index=False)
    out = tmp_path / "w.csv"
    done = CliRunner().invoke(app, ["worklist", "--ledger", str(tmp_path), "--as-of", "2025-03-31", "--out", str(out)])
    assert done.exit_code == 0, done.output
    head, *rows = cells(out)
    assert {row[head.index("customer_id")] for row in rows} == {"'=1+1", "'@ACME", "000042"}
    assert out.read_bytes().startswith(b"\xef\xbb\xbf")


def test_a_ledger_written_keeps_its_ids_as_they_are(tmp_path):
    tables_of = {"customers": pd.DataFrame({"customer_id": ["=1+1", "000042"]})}
    tables_of["invoices"] = pd.DataFrame([invoice("@1", "=1+1"), invoice("+2", "000042")])
    tables_of["payments"] = pd.DataFrame([payment()]).iloc[:0]
    ledger.write(tables_of, tmp_path / "book")
    again = ledger.read(tmp_path / "book")
    assert set(again.invoices["invoice_id"]) == {"@1", "+2"}
    assert set(again.invoices["customer_id"]) == {"=1+1", "000042"}


@pytest.mark.parametrize("writer", ["to_csv", "to_excel", "ExcelWriter", "Workbook"])
def test_files_for_spreadsheets_are_written_in_few_places(writer):
    """A further writer would have to guard against formulas again."""
    allowed = {
        "to_csv": {"spreadsheet.py", "writer.py"},
        "to_excel": {"writer.py"},
        "ExcelWriter": {"writer.py"},
        "Workbook": {"workbook.py", "slides.py"},
    }
    found = {
        file.name
        for file in (ROOT / "credit_lab").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == writer
    }
    assert found == allowed[writer]
