"""What a ledger refuses: every message names table, row and way out, and nothing is half-written."""

import pandas as pd
import pytest

from credit_lab import aging, ledger, studies
from credit_lab import policy as policies
from credit_lab.errors import LedgerError, PeriodError
from tests.ledgers import allocation, invoice, payment


def refused(folder, *words, mapping=None):
    with pytest.raises(LedgerError) as caught:
        ledger.read(folder, mapping)
    for word in words:
        assert word in str(caught.value)


def test_missing_ledger_and_missing_table(tmp_path, write_ledger):
    refused(tmp_path / "nowhere", "does not exist", "give a folder")
    refused(write_ledger(invoices=[invoice()]), "no table 'payments'", "mapping")


def test_a_misspelt_file_is_not_silently_left_out(write_ledger):
    folder = write_ledger(invoices=[invoice()], payments=[payment()], allocatons=[allocation()])
    refused(folder, "'allocatons' is no table", "did you mean 'allocations'")


def test_empty_file_and_header_only(tmp_path, write_ledger):
    folder = write_ledger(payments=[payment()])
    (folder / "invoices.csv").write_text("")
    refused(folder, "invoices.csv", "empty", "export it again")
    (folder / "invoices.csv").write_text("invoice_id,customer_id,issue_date,due_date,amount,currency\n")
    refused(folder, "'invoices'", "no rows")


def test_wrong_delimiter_and_missing_column(tmp_path, write_ledger):
    folder = write_ledger(payments=[payment()])
    pd.DataFrame([invoice()]).to_csv(folder / "invoices.csv", sep=";", index=False)
    refused(folder, "invoices", "set source.delimiter")
    pd.DataFrame([invoice()]).drop(columns="due_date").to_csv(folder / "invoices.csv", index=False)
    refused(folder, "invoices", "required column 'due_date' is missing", "map it")


def test_ragged_rows(write_ledger):
    folder = write_ledger(payments=[payment()])
    (folder / "invoices.csv").write_text("invoice_id,amount\nI1,5\nI2,5,7\n")
    refused(folder, "invoices.csv", "different length", "delimiter")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"issue_date": "31.12.2024"}, ["invoices.issue_date", "first row 2", "'31.12.2024'", "date order"]),
        ({"amount": "12,3x"}, ["invoices.amount", "first row 2", "'12,3x'", "decimal"]),
        ({"amount": "NaN"}, ["invoices.amount", "first row 2", "cannot be read"]),
        ({"amount": ""}, ["invoices.amount", "first row 2", "empty", "fill it"]),
        ({"amount": 12.345}, ["invoices.amount", "first row 2", "more decimals than its currency"]),
        ({"currency": "RMB yuan"}, ["invoices.currency", "three-letter"]),
        ({"due_date": "2023-12-31"}, ["invoices.due_date", "due date lies before the issue date", "correct the dates"]),
        ({"invoice_id": "I1"}, ["invoices", "duplicate_id", "both rows are held back"]),
        ({"customer_id": ""}, ["invoices.customer_id", "empty"]),
    ],
)
def test_a_bad_cell_is_named_with_row_and_way_out(write_ledger, change, words):
    rows = [invoice(), {**invoice("I2", amount=900.0), **change}]
    refused(write_ledger(invoices=rows, payments=[payment()]), *words)


def test_unknown_customer(write_ledger):
    folder = write_ledger(
        invoices=[invoice(), invoice("I2", "C9")], payments=[payment()], customers=[{"customer_id": "C1"}]
    )
    refused(folder, "invoices.customer_id", "'C9'", "not in customers", "export the customer")


@pytest.mark.parametrize(
    ("match", "words"),
    [
        (allocation(amount=150.0), ["allocation_exceeds_payment", "correct the matching"]),
        (allocation(of="P9"), ["unknown_payment", "'P9'"]),
        (allocation(on="I9"), ["unknown_invoice", "'I9'"]),
        (allocation(day="2024-01-02"), ["payment_before_invoice", "allow_prepayment"]),
    ],
)
def test_allocations_that_cannot_be(write_ledger, match, words):
    folder = write_ledger(invoices=[invoice(amount=500.0)], payments=[payment()], allocations=[match])
    refused(folder, "allocations", "first row 1", *words)


def test_more_settled_than_invoiced(write_ledger):
    folder = write_ledger(
        invoices=[invoice()],
        payments=[payment(), payment("P2")],
        allocations=[allocation(), allocation("P2", amount=1.0)],
    )
    refused(folder, "settlement_exceeds_invoice")


def test_a_payment_that_names_an_invoice_issued_later(write_ledger):
    folder = write_ledger(invoices=[invoice()], payments=[payment(paid="2024-01-02", invoice_id="I1")])
    refused(folder, "payment_before_invoice", "allow_prepayment = true")


def test_mixed_currencies_need_a_decision(write_ledger):
    folder = write_ledger(invoices=[invoice(), invoice("I2", currency="USD")], payments=[payment()])
    book = ledger.read(folder)
    with pytest.raises(LedgerError, match=r"2 currencies \(CNY 2, USD 1\); give rates"):
        aging.open_items(book, pd.Timestamp("2024-06-30"))
    assert book.only_currency("USD").currency == "USD"
    both = book.convert({"USD": 7.0}, "CNY")
    assert both.invoices["amount"].tolist() == [100.0, 700.0]
    with pytest.raises(LedgerError, match="no rate to CNY for USD"):
        book.convert({}, "CNY")


def test_an_empty_quarter_and_a_day_before_the_data(write_ledger):
    book = ledger.read(write_ledger(invoices=[invoice()], payments=[payment()]))
    baseline = policies.load("data/policies/2025-baseline.toml")
    with pytest.raises(PeriodError, match=r"2025Q4: no invoice was issued in it; .* holds 2024-01-10"):
        studies.review.review(book, baseline, "2025Q4")
    with pytest.raises(PeriodError, match=r"as of 2023-12-31: nothing is known yet, .* begins on 2024-01-10"):
        aging.open_items(book, pd.Timestamp("2023-12-31"))


def test_a_small_loss_is_counted_and_the_rest_is_used(write_ledger):
    rows = [invoice(f"I{number}", amount=1000.0) for number in range(200)] + [invoice("I-bad", amount="x")]
    book = ledger.read(write_ledger(invoices=rows, payments=[payment(amount=1.0)]))
    assert len(book.invoices) == 200
    held = book.quarantine.iloc[0]
    assert (held["table"], held["row"], held["column"], held["rule"], held["value"]) == (
        "invoices", 201, "amount", "unreadable", "x",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[source]\nencodin = 'x'\n", "did you mean 'encoding'"),
        ("[tables.invoices]\nfrom = 'a'\n[tables.invoices.columns]\nammount = 'x'\n", "did you mean 'amount'"),
        ("[tables.invoces]\nfrom = 'a'\ncolumns = {}\n", "did you mean 'invoices'"),
        ("[tables.invoices]\nfrom = 'a'\nfilter = []\ncolumns = {}\n", "did you mean 'filters'"),
        ("[source", "no valid TOML"),
        ("[source]\ndecimal = ','\ngrouping = ','\n", "decimal and grouping are both ','"),
        ("[source]\ndecimal = '..'\n", "decimal must be one sign"),
        ("[source]\ngrouping = '0'\n", "cannot be digits"),
        ("[source]\ndate = 'dayfirst'\n", "'dayfirst' is not understood; did you mean 'day-first'"),
        ("[source]\ndelimiter = ''\n", "source.delimiter must be one sign"),
        ("[source]\nencoding = 'utf9'\n", "'utf9' is unknown"),
        (
            "[tables.invoices]\nfrom = '*'\n[tables.invoices.columns]\namount = { column = 'a', decimal = ',' }\n"
            "[source]\ngrouping = ','\ndecimal = '.'\n",
            "decimal and grouping are both ','",
        ),
    ],
)
def test_a_mapping_with_a_slip_is_refused_with_the_nearest_name(tmp_path, text, words):
    file = tmp_path / "mapping.toml"
    file.write_text(text)
    with pytest.raises(LedgerError, match=words):
        ledger.read(tmp_path, file)


@pytest.mark.parametrize("engine", ["duckdb", "sqlite"])
def test_a_mistyped_database_file_is_refused_and_not_made(tmp_path, engine):
    refused(f"{engine}://{tmp_path}/none.db", "no file", "check the path")
    assert list(tmp_path.iterdir()) == []


def test_the_cause_is_told_and_not_what_follows_from_it(write_ledger):
    """Both rows of a repeated id are held back; that their matching now leads nowhere is the smaller news."""
    folder = write_ledger(invoices=[invoice(), invoice(amount=101.0)], payments=[payment()], allocations=[allocation()])
    refused(folder, "invoices: 2 row(s)", "duplicate_id")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "storno"}, ["invoices.kind", "'storno'", "neither invoice nor credit_note", "in the mapping"]),
        ({"kind": "credit_note"}, ["invoices.amount", "a credit note has an amount above zero", "export it negative"]),
    ],
)
def test_a_document_that_contradicts_its_kind(write_ledger, change, words):
    rows = [{**invoice(), "kind": "invoice"}, {**invoice("I2", amount=900.0), **change}]
    refused(write_ledger(invoices=rows, payments=[payment()]), *words)


@pytest.mark.parametrize(
    ("whole", "parts", "rule"),
    [
        (-100.0, [("2024-02-09", -60.0), ("2024-03-09", -40.0)], "instalments_against_sign"),
        (100.0, [("2024-02-09", 150.0), ("2024-03-09", -50.0)], "instalments_against_sign"),
        (100.0, [("2023-12-09", 60.0), ("2024-03-09", 40.0)], "due_before_issue"),
        (100.0, [("2024-02-09", 60.0), ("2024-03-09", 41.0)], "instalments_differ"),
    ],
)
def test_a_plan_that_cannot_be_goes_as_a_whole_and_its_document_stays(write_ledger, tmp_path, whole, parts, rule):
    """A plan dropped half, or spread over a credit note, would take its document out of the balance."""
    lines = [{"invoice_id": "I1", "due_date": day, "amount": amount} for day, amount in parts]
    folder = write_ledger(invoices=[invoice(amount=whole)], payments=[payment()], instalments=lines)
    refused(folder, "instalments: 2 row(s)", rule)
    lenient = tmp_path / "lenient.toml"
    lenient.write_text("[source]\nmax_quarantine_share = 1.0\n")
    items = aging.open_items(ledger.read(folder, lenient), pd.Timestamp("2024-02-19"))
    assert items["open_amount"].tolist() == [whole]
