"""One ledger from CSV, Parquet, XLSX and PostgreSQL: the same bytes."""

import dataclasses

import pandas as pd
import pytest

from credit_lab import aging, ledger
from credit_lab.errors import LedgerError
from credit_lab.ledger.database import hide_password
from tests.ledgers import invoice, payment

AS_OF = pd.Timestamp("2025-09-30")


def frame_bytes(frame):
    return frame.to_csv(index=False).encode() + str(frame.dtypes.to_dict()).encode()


@pytest.fixture(scope="module")
def part(sample):
    """A third of the customers with every table there is, for the slow doors."""
    ids = sample.customers["customer_id"].iloc[::3]
    tables = {**sample.of_customers(ids).tables, "control": sample.tables["control"]}
    assert set(tables) == set(sample.tables)
    assert all(len(frame) for frame in tables.values())
    return dataclasses.replace(sample, tables=tables)


def same_through(book, place, form="csv"):
    """Write and read: the same digest and the same open items, byte for byte; nothing is written over."""
    ledger.write(book.tables, place, format=form)
    again = ledger.read(place)
    assert again.digest() == book.digest()
    assert frame_bytes(aging.open_items(again, AS_OF)) == frame_bytes(aging.open_items(book, AS_OF))
    with pytest.raises(LedgerError, match="exists already"):
        ledger.write(book.tables, place)
    return again


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_files_written_and_read_again_are_the_same_ledger(sample, tmp_path, form):
    same_through(sample, tmp_path / form, form)


def test_a_workbook_gives_the_same_bytes(part, tmp_path):
    same_through(part, tmp_path / "book.xlsx")


def test_postgresql_gives_the_same_bytes(part, postgres):
    assert "secret" not in same_through(part, postgres).source


def test_a_database_that_does_not_answer_keeps_its_password_secret():
    with pytest.raises(LedgerError) as caught:
        ledger.read("postgres://ann:hunter2@127.0.0.1:1/none")
    assert "does not answer" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert hide_password("postgres://ann:p@ss:w@host/db") == "postgres://ann:***@host/db"


def test_encodings_and_number_formats(tmp_path):
    (tmp_path / "m.toml").write_text(
        """
        [source]
        encoding = "gb18030"
        delimiter = ";"
        decimal = ","
        grouping = "."
        date = "day-first"
        [tables.invoices]
        from = "发票"
        terms = { days = 30 }
        filters = [{ column = "状态", drop = ["作废"], rule = "void_invoice" }]
        [tables.invoices.columns]
        invoice_id = "发票号"
        customer_id = "客户"
        issue_date = "日期"
        amount = "金额"
        currency = { constant = "CNY" }
        """,
        encoding="utf-8",
    )
    lines = ["发票号;客户;日期;金额;状态", "001;星河;31.01.2024;1.234,56;正常", "002;云帆;01.02.2024;-10,00;正常"]
    text = "\n".join([*lines, "003;云帆;01.02.2024;5,00;作废", ""])
    (tmp_path / "发票.csv").write_bytes(text.encode("gb18030"))
    book = ledger.read(tmp_path, tmp_path / "m.toml")
    assert book.invoices["amount"].tolist() == [1234.56, -10.0]
    assert book.invoices["kind"].tolist() == ["invoice", "credit_note"]
    assert book.invoices["customer_id"].tolist() == ["星河", "云帆"]
    assert book.invoices["due_date"].tolist()[0] == pd.Timestamp("2024-03-01")
    counted = book.accounting.set_index("rule").loc["void_invoice"]
    assert (counted["rows"], counted["amount"]) == (1, 5.0)
    (tmp_path / "发票.csv").write_bytes(text.encode("utf-16"))
    with pytest.raises(LedgerError, match=r"not readable as gb18030; set source.encoding|different length|header"):
        ledger.read(tmp_path, tmp_path / "m.toml")


def test_the_sap_template_reads_its_example():
    # Worked by hand: 1800000001 and ...02 (12,345.60 + 1,000.00) are cleared by 1400000001 on 10 March; open on
    # 1 April are 1800000003 (7,890.00), the credit note (-150.00) and the down payment (-2,000.00).
    book = ledger.read("data/mappings/examples/sap_line_items.csv", "data/mappings/sap_line_items.toml")
    items = aging.open_items(book, pd.Timestamp("2025-04-01"))
    assert dict(zip(items["bucket"], items["open_amount"], strict=True)) == {
        "not_due": 7890.0, "credit_notes": -150.0, "unapplied_cash": -2000.0,
    }  # fmt: skip
    assert book.invoices.set_index("invoice_id").loc["1000/1800000002", "due_date"] == pd.Timestamp("2025-03-19")


def test_payment_lines_that_name_their_invoice_become_one_receipt(write_ledger):
    folder = write_ledger(
        invoices=[invoice(), invoice("I2", amount=50.0)],
        payments=[payment(invoice_id="I1"), payment(amount=50.0, invoice_id="I2"), payment("P2", amount=7.0)],
    )
    book = ledger.read(folder)
    assert book.payments.set_index("payment_id")["amount"].to_dict() == {"P1": 150.0, "P2": 7.0}
    assert len(book.allocations) == 2
    items = aging.open_items(book, pd.Timestamp("2024-12-31"))
    assert items[["kind", "open_amount"]].to_numpy().tolist() == [["unapplied_cash", -7.0]]


def test_writing_over_a_ledger_keeps_other_files(tmp_path, write_ledger):
    book = ledger.read(write_ledger(invoices=[invoice()], payments=[payment()]))
    ledger.write(dict(book.tables), tmp_path / "out")
    (tmp_path / "out" / "disputes.csv").write_text("of the ledger before")
    (tmp_path / "out" / "budget 2026.csv").write_text("somebody's own")
    ledger.write(dict(book.tables), tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "budget 2026.csv").read_text() == "somebody's own"
    assert not (tmp_path / "out" / "disputes.csv").exists()
