"""Lists of open items: what is open is what the list says is left, on every day after its documents."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_lab import aging, knowledge, ledger, policy, studies
from credit_lab.errors import LedgerError, NotKnown
from credit_lab.ledger import reconcile
from credit_lab.ledger.mapping import Mapping, load

MAPPING = """
[source]
max_quarantine_share = {share}
{more}
[tables.invoices]
from = "open"
open = "open"
[tables.invoices.columns]
invoice_id = "no"
customer_id = "customer"
issue_date = "date"
due_date = "due"
amount = "original"
currency = {{ constant = "EUR" }}
[tables.payments]
from = "receipts"
unlisted = "receipt of a closed invoice"
[tables.payments.columns]
payment_id = "receipt"
customer_id = "customer"
paid_date = "day"
amount = "amount"
invoice_id = "invoice"
currency = {{ constant = "EUR" }}
"""
# Case 33: of I9 450 of 700 were paid in June; I2 and I4 are not listed any more.
ITEMS = [
    ("I7", "K1", "2025-05-02", "2025-06-01", 900.0, 900.0),
    ("I9", "K2", "2025-04-20", "2025-05-20", 700.0, 250.0),
]
RECEIPTS = [
    ("R1", "I2", "K1", "2025-04-11", 640.0),
    ("R2", "I9", "K2", "2025-06-03", 450.0),
    ("R3", "I4", "K1", "2025-05-19", 310.0),
]


@pytest.fixture
def export(tmp_path):
    """Write a list of open items, receipts and a mapping; give back both paths."""

    def write(items=ITEMS, receipts=RECEIPTS, share=0.01, more=""):
        columns = ["no", "customer", "date", "due", "original", "open"]
        pd.DataFrame(items, columns=columns).to_csv(tmp_path / "open.csv", index=False)
        columns = ["receipt", "invoice", "customer", "day", "amount"]
        pd.DataFrame(receipts, columns=columns).to_csv(tmp_path / "receipts.csv", index=False)
        file = tmp_path / "mapping.toml"
        file.write_text(MAPPING.format(share=share, more=more))
        return tmp_path, file

    return write


def left(book, as_of):
    items = aging.open_items(book, as_of)
    return list(zip(items["document_id"], items["open_amount"], items["days"], strict=True))


def test_what_is_left_ages_and_receipts_of_closed_invoices_are_counted(export):
    book = ledger.read(*export())
    assert book.form == "open items"
    assert left(book, "2025-06-30") == [("I7", 900.0, 29), ("I9", 250.0, 41)]
    assert left(book, "2025-06-02") == [("I7", 900.0, 1), ("I9", 700.0, 13)]  # before R2
    counted = book.accounting.set_index(["table", "disposition", "rule"])[["rows", "amount"]]
    assert counted.loc[("payments", "filtered", "receipt of a closed invoice")].tolist() == [2, 950.0]
    assert counted.loc[("payments", "kept", "")].tolist() == [1, 450.0]
    assert counted["rows"].sum() == 5
    with pytest.raises(LedgerError, match=r"\[unknown_invoice\]"):
        folder, file = export()
        file.write_text(file.read_text().replace("unlisted", "# unlisted"))
        ledger.read(folder, file)


def test_what_was_open_before_the_day_of_the_list_is_not_known(export):
    """I0 alone is listed of what was open in March: 300 of 300 overdue then, had nobody paid since."""
    items = [*ITEMS, ("I0", "K1", "2025-02-10", "2025-03-12", 300.0, 300.0)]
    book = ledger.read(*export(items))
    assert "open at 2025-06-03, not before" in knowledge.of(book, as_of="2025-03-31").why("receipts")
    baseline = policy.load("data/policies/2025-baseline.toml")
    made = studies.review.review(book, baseline, "2025Q2")
    ratio = made.kpis.set_index("formula_id").loc["overdue_ratio"]
    assert ratio["value"] == 1.0  # 900 + 250 + 300, all of it late
    assert pd.isna(ratio["previous"])
    assert "not before" in made.unmeasured_before["2025Q1"]["overdue_ratio"]
    assert made.aging_now.set_index("bucket")["open_amount"].sum() == 1450
    for earlier in ("aging_series", "changes"):
        with pytest.raises(NotKnown, match="what was open earlier is not known"):
            getattr(made, earlier)
    fate = studies.losses.losses(book, baseline, pd.Timestamp("2025-06-30"))
    assert all(table.empty for table in fate.tables().values())
    assert fate.notes[0].startswith("What becomes of receivables is not known")


def test_what_no_receipt_tells_was_settled_on_the_day_of_the_document(export, tmp_path):
    """Of 700 are 250 left and one receipt says 100: of 350 nobody says when. Of a note of -80 are -30 left."""
    items = [*ITEMS, ("N1", "K2", "2025-05-01", "2025-05-01", -80.0, -30.0)]
    book = ledger.read(*export(items, [("R2", "I9", "K2", "2025-06-03", 100.0), RECEIPTS[0]]))
    assert left(book, "2025-06-30") == [("I7", 900.0, 29), ("I9", 250.0, 41), ("N1", -30.0, 60)]
    assert left(book, "2025-06-02") == [("I7", 900.0, 1), ("I9", 350.0, 13), ("N1", -30.0, 32)]
    assert left(book, "2025-04-20") == [("I9", 350.0, -30)]
    assert ledger.matched(book).to_numpy().tolist() == [
        ["books", "EUR", 1, 100.0],
        ["open_item", "EUR", 2, 300.0],  # 350 of I9, -50 of the note
    ]
    assert reconcile.balance_minor(book, pd.Timestamp("2025-06-30")) == 112000
    kept = book.accounting[book.accounting["disposition"] == "kept"].set_index("table")["rows"]
    assert kept.to_dict() == {"invoices": 3, "payments": 1}  # what was derived is nobody's row
    ledger.write(book.tables, tmp_path / "again")
    again = ledger.read(tmp_path / "again")
    assert (again.form, again.digest()) == ("open items", book.digest())


def test_without_receipts_the_list_alone_is_a_ledger(export):
    folder, file = export()
    file.write_text(file.read_text().partition("[tables.payments]")[0])
    book = ledger.read(folder, file)
    assert left(book, "2025-06-30") == [("I7", 900.0, 29), ("I9", 250.0, 41)]
    assert ledger.matched(book).to_numpy().tolist() == [["open_item", "EUR", 1, 450.0]]


def test_a_receipt_before_its_document_is_part_of_what_is_settled(export):
    book = ledger.read(*export(receipts=[("R2", "I9", "K2", "2025-04-01", 450.0), RECEIPTS[0]]))
    assert left(book, "2025-04-20") == [("I9", 250.0, -30)]
    assert book.quarantine["rule"].tolist() == ["receipt of a closed invoice"]


@pytest.mark.parametrize(
    ("item", "rule"),
    [
        (("I8", "K1", "2025-05-02", "2025-06-01", 10.0, 10.01), "open_not_within_amount"),
        (("I8", "K1", "2025-05-02", "2025-06-01", 10.0, -1.0), "open_not_within_amount"),
        (("I8", "K1", "2025-05-02", "2025-06-01", -10.0, -11.0), "open_not_within_amount"),
        (("I8", "K1", "2025-05-02", "2025-06-01", 10.0, 5.005), "finer_than_minor_unit"),
        (("I8", "K1", "2025-05-02", "2025-06-01", 10.0, None), "missing_value"),
        (("I8", "K1", "2025-05-02", "2025-06-01", 10.0, "five"), "unreadable"),
        (("I8", "K1", "2025-05-02", "2025-06-01", 10.0, float("inf")), "unreadable"),
    ],
)
def test_what_is_open_must_fit_the_amount(export, item, rule):
    book = ledger.read(*export([*ITEMS, item], share=0.5))
    held = book.quarantine[book.quarantine["table"] == "invoices"]
    assert held[["column", "rule"]].to_numpy().tolist() == [["open", rule]]
    assert left(book, "2025-06-30") == [("I7", 900.0, 29), ("I9", 250.0, 41)]
    with pytest.raises(LedgerError, match=rule):
        ledger.read(*export([*ITEMS, item], share=0.001))


def test_receipts_beyond_what_is_settled_are_held_back(export):
    """700 less 250 are 450: of 300, 150 and 20 the last one comes too late for the list."""
    more = [("R5", "I9", "K2", "2025-06-20", 20.0), ("R4", "I9", "K2", "2025-06-10", 150.0)]
    receipts = [("R2", "I9", "K2", "2025-06-03", 300.0), *more]
    with pytest.raises(LedgerError, match=r"payments.amount: 1 row.*first row 2 = '20.0'.*\[receipts_exceed_settled\]"):
        ledger.read(*export(receipts=receipts))
    book = ledger.read(*export(receipts=receipts, share=0.1))
    assert left(book, "2025-06-30") == [("I7", 900.0, 29), ("I9", 250.0, 41)]
    assert set(book.payments["payment_id"]) == {"R2", "R4"}


def test_receipts_of_which_none_is_listed_name_ids_in_another_way(export):
    with pytest.raises(LedgerError, match="takes all 3 rows; they name 'I2', '9', 'I4'"):
        ledger.read(*export(receipts=[RECEIPTS[0], ("R2", "9", "K2", "2025-06-03", 450.0), RECEIPTS[2]]))


def test_a_receipt_of_an_invoice_that_was_refused_is_not_one_of_a_closed_invoice(export):
    items = [*ITEMS, ("I2", "K1", "2025-03-02", "never", 5.0, 5.0)]
    book = ledger.read(*export(items, [("R1", "I2", "K1", "2025-04-11", 5.0), *RECEIPTS[1:]], share=0.5))
    assert dict(zip(book.quarantine["table"], book.quarantine["rule"], strict=True)) == {
        "allocations": "unknown_invoice",
        "invoices": "unreadable",
        "payments": "receipt of a closed invoice",
    }


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('open = "open"', 'open = "open"\nsettled_on = "due"', "leave out settled_on"),
        ("[source]", '[source]\nmatch = "earliest-due"', "leave out match"),
        ('from = "receipts"', 'from = "receipts"\nopen = "amount"', "open belongs to invoices"),
        ('from = "open"', 'from = "open"\nunlisted = "gone"', "unlisted to payments"),
        ('invoice_id = "invoice"', "", "payments that name an invoice_id"),
    ],
)
def test_a_mapping_says_once_what_was_settled(export, old, new, said):
    _, file = export()
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(LedgerError, match=said):
        load(file)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 500), st.integers(0, 500), st.integers(0, 500)), min_size=1)
)
def test_what_is_open_is_what_the_list_says(tmp_path_factory, drawn):
    """Whatever was received of it, as long as it is no more than was settled."""
    folder = tmp_path_factory.mktemp("list")
    items, receipts = [], []
    for number, (whose, amount, open_share, paid_share) in enumerate(drawn):
        left_over = amount * open_share // 500
        items.append((f"I{number}", f"C{whose}", "2025-01-10", "2025-02-09", amount / 100, left_over / 100))
        if paid := (amount - left_over) * paid_share // 500:
            receipts.append((f"R{number}", f"I{number}", f"C{whose}", "2025-03-01", paid / 100))
    columns = ["invoice_id", "customer_id", "issue_date", "due_date", "amount", "rest"]
    pd.DataFrame(items, columns=columns).assign(currency="EUR").to_csv(folder / "invoices.csv", index=False)
    columns = ["payment_id", "invoice_id", "customer_id", "paid_date", "amount"]
    pd.DataFrame(receipts, columns=columns).assign(currency="EUR").to_csv(folder / "payments.csv", index=False)
    tables = {
        name: {"from": name, "columns": {column: column for column in [*frame, "currency"]}}
        for name, frame in (
            ("invoices", ["invoice_id", "customer_id", "issue_date", "due_date", "amount"]),
            ("payments", columns),
        )
    }
    tables["invoices"]["open"] = "rest"
    book = ledger.read(folder, Mapping.model_validate({"tables": tables}))
    items = aging.open_items(book, "2025-12-31").set_index("document_id")["open_amount"]
    expected = {f"I{n}": amount * share // 500 / 100 for n, (_, amount, share, _) in enumerate(drawn)}
    assert items.to_dict() == {name: rest for name, rest in expected.items() if rest}
