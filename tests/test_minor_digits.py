"""Amounts are shown with the decimals of their currency: three in dinars, none in yen, else two."""

import io
import re
import zipfile

import nbformat
import openpyxl
import pandas as pd
import pytest
from typer.testing import CliRunner

from credit_lab import ledger, studies
from credit_lab import policy as policies
from credit_lab.__main__ import app
from credit_lab.publish import artefacts, show, workbook
from tests.ledgers import invoice, payment

END = "2025-06-30"
BASELINE = policies.load("data/policies/2025-baseline.toml")
# 1,234.567 dinars, 1,234,567 yen, 12,345.67 yuan: the same number of minor units
DIGITS = {"KWD": 3, "JPY": 0, "CNY": 2}
CURRENCIES = list(DIGITS)


@pytest.fixture(scope="module", params=CURRENCIES)
def firm(request, tmp_path_factory):
    """Two customers, paid late every month, what is overdue and not due open; a credit note and cash on account."""
    code = request.param
    unit = 10 ** DIGITS[code]

    def units(minor):
        return f"{minor / unit:.{DIGITS[code]}f}"

    invoices, payments = [], []
    for month in range(18):
        for k in range(2):
            number, day = f"I{month}-{k}", pd.Timestamp("2024-01-15") + pd.DateOffset(months=month)
            due = day + pd.Timedelta(days=30)
            amount = units(1234567 + 1000 * month + k)
            invoices.append(invoice(number, f"C{k}", str(day.date()), str(due.date()), amount, code))
            if month < 14:
                paid = str((due + pd.Timedelta(days=10)).date())
                payments.append(payment(f"P{number}", f"C{k}", paid, amount, code, invoice_id=number))
    invoices.append(invoice("N1", "C0", "2025-06-01", "2025-06-01", f"-{units(7001)}", code))
    payments.append(payment("P0", "C1", END, units(3001), code))
    limits = [{"customer_id": f"C{k}", "valid_from": "2024-01-01", "credit_limit": units(5000003)} for k in (0, 1)]
    tables = {"invoices": invoices, "payments": payments, "limits": limits}
    folder = tmp_path_factory.mktemp(code)
    for name, rows in tables.items():
        pd.DataFrame(rows).to_csv(folder / f"{name}.csv", index=False)
    return code, folder


def said(folder, *words):
    made = CliRunner().invoke(app, [*words, "--ledger", str(folder), "--as-of", END], catch_exceptions=False)
    return made.stdout


def test_check_limits_and_worklist_print_them(firm, tmp_path):
    code, folder = firm
    lines = said(folder, "check").splitlines()
    aged = [line.split() for line in lines[lines.index(f"Aging of open items at {END}, {code}") + 2 :][:9]]
    # not due are the two invoices of June: 1,234,567 + 17,000 minor units each, and one more
    assert aged[0][3] == {"KWD": "2,503.135", "JPY": "2,503,135", "CNY": "25,031.35"}[code]
    assert aged[8][3] == {"KWD": "-7.001", "JPY": "-7,001", "CNY": "-70.01"}[code]

    rates = [] if code == "CNY" else ["--rates", f"CNY:{0.04 if code == 'KWD' else 20}", "--currency", code]
    changed = said(folder, "limits", *rates).splitlines()
    limit = {"KWD": "5,000.003", "JPY": "5,000,003", "CNY": "50,000.03"}[code]
    assert any(f" {limit} " in line for line in changed)

    if code == "CNY":  # where the policy knows what a contact costs, none of these few brings as much
        return
    worklist = said(folder, "worklist", "--letters", str(tmp_path), "--sender", "Example Ltd")
    # overdue of C0: those of March, April and May, 3 x 1,234,567 + 45,000 minor units
    owed = {"KWD": "3,748.701", "JPY": "3,748,701"}[code]
    assert f" {owed} " in worklist
    document = zipfile.ZipFile(io.BytesIO((tmp_path / "C0.docx").read_bytes())).read("word/document.xml").decode()
    assert f"{code} {owed}<" in document


def test_the_tables_of_a_review_and_its_sheets_show_them(firm, tmp_path):
    code, folder = firm
    book = ledger.read(folder)
    found = studies.review.review(book, BASELINE, "2025Q2")
    shown = [
        show.table(found.aging_now, "Aging", shares=("share",), id="aging.buckets", currency=code),
        show.table(found.identity, "Control identity", id="control.identity", currency=code),
        show.table(found.bridge, "Bridge", days=("days",), id="kpi.bridge", currency=code),
        show.table(found.balances, "Exposures", shares=("share",), id="exposure.largest", currency=code),
        show.table(found.accounting, "Rows", id="quality.rows"),
    ]
    for one in shown:
        cells = [cell for cell in re.findall(r"<td[^>]*>(-?\d[\d,.]*)</td>", one.data) if "," in cell]
        assert {len(cell.partition(".")[2]) for cell in cells} == {DIGITS[code]}, one.record["caption"]
    outputs = [nbformat.v4.new_output("display_data", {show.RECORD: one.record}) for one in shown]
    cells = [nbformat.v4.new_code_cell("show", outputs=[one]) for one in outputs]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "80.ipynb")
    source = workbook.Source("80", "Review", tmp_path, tuple(artefacts.artefacts(tmp_path / "80.ipynb")))
    path = workbook.write(tmp_path / "book.xlsx", [source], title="Review", facts={}, day=END)
    sheets = openpyxl.load_workbook(path).worksheets[1:]
    formats = {
        cell.number_format
        for sheet in sheets
        for row in sheet.iter_rows(min_row=5)
        for cell in row
        if cell.number_format.startswith("#,##0") and sheet.cell(4, cell.column).value in ("Amount", "Open amount")
    }
    assert formats == {"#,##0" + {"KWD": ".000", "JPY": "", "CNY": ".00"}[code]}


def test_saved_tables_keep_every_fils(firm, tmp_path):
    found = studies.review.review(ledger.read(firm[1]), BASELINE, "2025Q2")
    show.save({"balances": found.balances, "overdue": found.overdue}, tmp_path)
    saved = pd.read_csv(tmp_path / "overdue.csv")["open_amount"]
    assert saved.tolist() == found.overdue["open_amount"].tolist()
