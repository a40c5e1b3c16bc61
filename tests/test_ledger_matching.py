"""Receipts that the books do not match settle invoices by a rule, and say so."""

import tempfile
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_lab import aging, ledger
from credit_lab.errors import LedgerError
from credit_lab.ledger import matching, model, pseudonyms
from credit_lab.ledger.mapping import Mapping
from tests.ledgers import allocation, invoice, ledgers, payment

EARLIEST = Mapping(match="earliest-due")
DAY0 = pd.Timestamp("2024-01-01")


def day(number):
    return f"{DAY0 + pd.Timedelta(days=number):%Y-%m-%d}"


def read(tables, mapping=EARLIEST):
    """A ledger of rows given as lists of dicts or as frames."""
    with tempfile.TemporaryDirectory() as folder:
        for name, rows in tables.items():
            pd.DataFrame(rows).to_csv(Path(folder, f"{name}.csv"), index=False)
        return ledger.read(folder, mapping)


def uses(book):
    """What was matched: receipt, invoice, day, how -> cents."""
    found = Counter()
    for row in book.allocations.itertuples():
        key = (row.payment_id, row.invoice_id, f"{row.allocated_on:%Y-%m-%d}", row.matched_by)
        found[key] += round(row.amount * 100)
    return dict(found)


def left(book, as_of):
    items = aging.open_items(book, as_of)
    rows = zip(items["document_id"], items["open_amount"], items["days"], strict=True)
    return {name: (amount, days) for name, amount, days in rows}


def customer(name, months, paid_after, unpaid):
    """One invoice a month of 1000, 1010 ... due in 30 days, paid so many days late but for the last ones."""
    documents, receipts = [], []
    for number in range(months):
        issued = pd.Timestamp(2024, 1, 5) + pd.DateOffset(months=number)
        due, amount = issued + pd.Timedelta(days=30), 1000 + 10 * number
        key = f"{name}{number + 1:02d}"
        documents.append(invoice(key, name, f"{issued:%Y-%m-%d}", f"{due:%Y-%m-%d}", amount, "EUR"))
        paid = f"{due + pd.Timedelta(days=paid_after):%Y-%m-%d}"
        receipts.append(payment(f"R{key}", name, paid, amount, "EUR"))
    return documents, receipts[: months - unpaid]


def test_receipts_without_names_settle_as_the_law_orders():
    """Three customers of 18 months that pay 10, 40 and 70 days late (case 30): eight items of 9,250.00 are open on
    2025-06-30, 5,740.00 of them overdue: 1160+1130+1140+1150+1160 by hand."""
    made = [customer("A", 18, 10, 1), customer("B", 18, 40, 2), customer("C", 18, 70, 5)]
    tables = {
        "invoices": [row for documents, _ in made for row in documents],
        "payments": [row for _, receipts in made for row in receipts],
    }
    book = read(tables)
    expected = {
        "A18": (1170, -5), "B17": (1160, 26), "B18": (1170, -5), "C14": (1130, 115), "C15": (1140, 87),
        "C16": (1150, 56), "C17": (1160, 26), "C18": (1170, -5),
    }  # fmt: skip
    assert left(book, "2025-06-30") == expected
    assert sum(amount for amount, days in expected.values() if days > 0) == 5740
    assert ledger.matched(book).to_dict("records") == [
        {"matched_by": "amount", "currency": "EUR", "receipts": 46, "amount": 49340.0}
    ]
    assert len(left(read(tables, None), "2025-06-30")) == 54 + 46  # without a rule nothing is matched


def test_a_list_of_debits_and_credits_settles_opening_balance_and_red_invoice():
    """Case 31: C001 owes nothing, C002 24,860.00 = 22,600.00 - 1,130.00 + 3,390.00, the total row of the export."""
    book = read(
        {
            "invoices": [
                invoice("OPENING", "C001", "2024-12-31", "2024-12-31", 5000, "CNY"),
                invoice("XS250108", "C001", "2025-01-08", "2025-02-07", 11300, "CNY"),
                invoice("XS250211", "C002", "2025-02-11", "2025-03-13", 22600, "CNY"),
                invoice("0060", "C002", "2025-02-25", "2025-02-25", -1130, "CNY"),
                invoice("XS250318", "C002", "2025-03-18", "2025-04-17", 3390, "CNY"),
            ],
            "payments": [
                payment("0031", "C001", "2025-01-20", 5000, "CNY"),
                payment("0071", "C001", "2025-03-10", 11300, "CNY"),
            ],
        }
    )
    assert left(book, "2025-03-31") == {"XS250211": (21470, 18), "XS250318": (3390, -17)}
    assert uses(book)["0060", "XS250211", "2025-02-25", "earliest_due"] == 113000


def test_designation_then_amount_then_due():
    """I1 is the oldest, but I2 is due first. 50 names I3, 70 is the amount of I1 alone, 60 goes to I2."""
    documents = [
        invoice("I1", issued="2024-01-01", due="2024-03-01", amount=70),
        invoice("I2", issued="2024-01-05", due="2024-02-01", amount=100),
        invoice("I3", issued="2024-01-06", due="2024-04-01", amount=80),
    ]
    receipts = [
        payment("P1", paid="2024-01-10", amount=60),
        payment("P2", paid="2024-01-10", amount=70),
        payment("P3", paid="2024-01-10", amount=50, invoice_id="I3"),
    ]
    book = read({"invoices": documents, "payments": receipts})
    assert uses(book) == {
        ("P1", "I2", "2024-01-10", "earliest_due"): 6000,
        ("P2", "I1", "2024-01-10", "amount"): 7000,
        ("P3", "I3", "2024-01-10", "named"): 5000,
    }
    latest = ledger.rematched(book, "latest-due")
    assert uses(latest) == {  # I3 is due last: it takes 30 of P1, the rest goes to what is due next
        ("P1", "I3", "2024-01-10", "latest_due"): 3000,
        ("P1", "I2", "2024-01-10", "latest_due"): 3000,
        ("P2", "I1", "2024-01-10", "amount"): 7000,
        ("P3", "I3", "2024-01-10", "named"): 5000,
    }
    assert [matching.rule_of(one) for one in (book, latest)] == ["earliest-due", "latest-due"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("invoice RE-2024/07, thanks", True),
        ("付RE-2024/07货款", True),
        ("RE-2024/07.", True),
        ("RE-2024/071", False),
        ("XRE-2024/07", False),
        ("RE-2024", False),
        ("", False),
    ],
)
def test_a_reference_names_an_invoice_as_a_whole_word(text, named):
    documents = [invoice("RE-2024/06", amount=100), invoice("RE-2024/07", due="2024-03-09", amount=100)]
    book = read({"invoices": documents, "payments": [payment("P1", amount=100, reference=text)]})
    expected = ("RE-2024/07", "named") if named else ("RE-2024/06", "earliest_due")
    assert book.allocations[["invoice_id", "matched_by"]].iloc[0].tolist() == list(expected)


def test_what_names_no_invoice_of_the_customer_is_counted_and_goes_on():
    tables = {
        "invoices": [invoice("I1", amount=100), invoice("J1", "C2", amount=100)],
        "payments": [payment("P1", amount=60, invoice_id="GONE"), payment("P2", amount=40, invoice_id="J1")],
    }
    book = read(tables)
    assert book.quarantine[["row", "rule", "value", "disposition", "amount"]].to_numpy().tolist() == [
        [1, "named_invoice_unknown", "GONE", "cell", 60.0],
        [2, "named_invoice_unknown", "J1", "cell", 40.0],
    ]
    assert {row[1:2] + row[3:] for row in uses(book)} == {("I1", "earliest_due")}
    assert left(book, "2024-03-31") == {"J1": (100, 51)}
    with pytest.raises(LedgerError, match=r"\[unknown_invoice\]"):
        read(tables, None)


def test_a_receipt_over_several_invoices_gives_each_its_part():
    """One transfer of 150, 30 of it for I2; I1 takes no more than its line although it is due first."""
    book = read(
        {
            "invoices": [invoice("I1", amount=200), invoice("I2", due="2024-03-09", amount=90), invoice("J", "C2")],
            "payments": [payment("P1", amount=120, invoice_id="I1"), payment("P1", amount=30, invoice_id="I2")],
        }
    )
    parts = {("P1", "I1", "2024-02-20", "named"): 12000, ("P1", "I2", "2024-02-20", "named"): 3000}
    assert uses(book) == parts
    assert uses(ledger.rematched(book, "latest-due")) == parts
    assert len(book.payments) == 1


def test_prepayments_wait_for_the_next_invoice_and_refunds_take_from_what_waits():
    """100 wait on 01-02, 30 are paid back on 01-03: the invoice of 01-10 gets 70."""
    receipts = [payment("P1", paid="2024-01-02", amount=100), payment("P2", paid="2024-01-03", amount=-30)]
    book = read({"invoices": [invoice("I1", amount=90)], "payments": receipts})
    assert uses(book) == {("P1", "I1", "2024-01-10", "earliest_due"): 7000}
    assert ledger.matched(book).to_numpy().tolist() == [
        ["earliest_due", "CNY", 1, 70.0],
        ["not_matched", "CNY", 2, 0.0],  # 30 of the receipt and the refund of 30
    ]


def test_money_paid_back_settles_no_invoice_of_the_same_day():
    """100 wait, 30 go back on the day of the invoice: 70 are left for it."""
    receipts = [payment("P1", paid="2024-01-02", amount=100), payment("P2", paid="2024-01-10", amount=-30)]
    book = read({"invoices": [invoice("I1", issued="2024-01-10", amount=90)], "payments": receipts})
    assert uses(book) == {("P1", "I1", "2024-01-10", "earliest_due"): 7000}


def test_an_amount_that_two_invoices_have_names_neither():
    """70 are open twice, so I3, which is due first, takes 60, and I2 the rest of 10."""
    documents = [
        invoice("I1", due="2024-03-01", amount=70),
        invoice("I2", due="2024-02-15", amount=70),
        invoice("I3", due="2024-02-10", amount=60),
    ]
    book = read({"invoices": documents, "payments": [payment("P1", amount=70)]})
    assert uses(book) == {
        ("P1", "I3", "2024-02-20", "earliest_due"): 6000,
        ("P1", "I2", "2024-02-20", "earliest_due"): 1000,
    }


def test_what_was_written_off_can_be_settled_after_its_recovery():
    """100 are lost in February, 40 of them recovered in March: what came before waits until then."""
    losses = [("2024-02-12", 100), ("2024-03-01", -40)]
    book = read(
        {
            "invoices": [invoice("I1", amount=100), invoice("J", "C2")],
            "payments": [payment("P1", paid="2024-02-15", amount=50), payment("P2", "C2")],
            "write_offs": [{"invoice_id": "I1", "written_off_on": one, "amount": amount} for one, amount in losses],
        }
    )
    assert uses(book.of_customers(pd.Series(["C1"]))) == {("P1", "I1", "2024-03-01", "earliest_due"): 4000}


def test_a_credit_note_paid_back_is_settled_and_a_returned_payment_opens_its_invoice():
    book = read(
        {
            "invoices": [invoice("N1", issued="2024-01-02", due="2024-01-02", amount=-40), invoice("I1", amount=90)],
            "payments": [
                payment("B1", paid="2024-01-05", amount=-40),
                payment("P1", paid="2024-02-20", amount=90, invoice_id="I1"),
                payment("B2", paid="2024-02-25", amount=-90, invoice_id="I1"),
            ],
        }
    )
    assert uses(book) == {
        ("B1", "N1", "2024-01-05", "earliest_due"): -4000,
        ("P1", "I1", "2024-02-20", "named"): 9000,
        ("B2", "I1", "2024-02-25", "named"): -9000,
    }
    assert [left(book, one) for one in ("2024-02-24", "2024-02-25")] == [{}, {"I1": (90, 16)}]


def test_parts_of_an_invoice_are_debts_of_their_own():
    """I1 in two parts of 60, due 02-01 and 05-01, I2 of 100 due 03-01: 130 settle the first part and 70 of I2."""
    book = read(
        {
            "invoices": [
                invoice("I1", issued="2024-01-01", due="2024-02-01", amount=120),
                invoice("I2", issued="2024-01-02", due="2024-03-01", amount=100),
            ],
            "instalments": [
                {"invoice_id": "I1", "due_date": due, "amount": 60} for due in ("2024-02-01", "2024-05-01")
            ],
            "payments": [payment("P1", amount=130), payment("P2", paid="2024-02-21", amount=60)],
        }
    )
    assert uses(book) == {
        ("P1", "I1", "2024-02-20", "earliest_due"): 6000,
        ("P1", "I2", "2024-02-20", "earliest_due"): 7000,
        ("P2", "I1", "2024-02-21", "amount"): 6000,
    }


def test_what_the_books_match_and_write_off_is_theirs():
    """I1 is the books' (matched in March) and half of I2 is written off: P2 may take 50 of I2 and all of I3."""
    book = read(
        {
            "invoices": [invoice(f"I{n}", issued=f"2024-01-1{n}", amount=100) for n in (1, 2, 3)],
            "payments": [payment("P1", paid="2024-02-01", amount=100), payment("P2", paid="2024-02-20", amount=200)],
            "allocations": [allocation("P1", "I1", "2024-03-01", 100)],
            "write_offs": [{"invoice_id": "I2", "written_off_on": "2024-06-01", "amount": 50}],
        }
    )
    books = book.allocations[book.allocations["matched_by"].isna()]
    assert books[["payment_id", "invoice_id", "amount"]].to_numpy().tolist() == [["P1", "I1", 100.0]]
    assert ledger.matched(book).to_numpy().tolist() == [
        ["books", "CNY", 1, 100.0],
        ["earliest_due", "CNY", 1, 150.0],
        ["not_matched", "CNY", 1, 50.0],
    ]


def test_currencies_are_kept_apart_and_survive_everything(tmp_path, monkeypatch):
    tables = {
        "invoices": [
            invoice("I1", amount=100),
            invoice("I2", amount=100, currency="USD"),
            invoice("J1", "C2", amount=70),
        ],
        "payments": [
            {**payment("P1", amount=100, currency="USD"), "reference": "I2"},
            {**payment("P2", "C2", amount=30), "reference": ""},
            {**payment("P3", "C1", amount=30), "reference": "for C1: I1"},
        ],
    }
    book = read(tables)
    how = {("P1", "named"), ("P2", "earliest_due"), ("P3", "named")}

    def said(one):
        return set(zip(one.allocations["payment_id"], one.allocations["matched_by"], strict=True))

    assert said(book) == how
    ledger.write(book.tables, tmp_path / "again")
    again = ledger.read(tmp_path / "again")
    assert again.digest() == book.digest()
    assert said(again.up_to("2024-02-20")) == said(again.known_by("2024-02-20")) == how
    assert said(again.convert({"USD": 7.1}, "CNY")) == how
    assert said(again.only_currency("USD")) == {("P1", "named")}
    assert ledger.rematched(again, "earliest-due").digest() == book.digest()
    monkeypatch.setattr(model, "PART", 1)
    parts = list(book.parts())
    assert len(parts) > 1
    assert set().union(*(said(part) for part in parts)) == how
    shared = pseudonyms.pseudonymised(book, b"0123456789abcdef")
    assert sorted(shared.allocations["matched_by"]) == ["earliest_due", "named", "named"]
    assert "reference" not in shared.payments  # it may say anything


def test_what_was_not_known_yet_did_not_settle_anything():
    """P1 came first but was entered in March: in February P2 was taken for I1."""
    receipts = [
        payment("P1", paid="2024-02-01", amount=60, known_on="2024-03-05"),
        payment("P2", paid="2024-02-20", amount=60, known_on="2024-02-20"),
    ]
    documents = [invoice("I1", due="2024-02-09", amount=60), invoice("I2", due="2024-02-15", amount=60)]
    book = read({"invoices": documents, "payments": receipts})
    assert ("P1", "I1", "2024-02-01", "earliest_due") in uses(book)
    assert uses(book.known_by("2024-02-29")) == {("P2", "I1", "2024-02-20", "earliest_due"): 6000}


def test_a_mapping_says_which_rule(tmp_path):
    file = tmp_path / "m.toml"
    file.write_text('[source]\nmatch = "earliest-due"\ntax = "excluded"\n')
    for name, rows in {"invoices": [invoice()], "payments": [payment(amount=40)]}.items():
        pd.DataFrame(rows).to_csv(tmp_path / f"{name}.csv", index=False)
    book = ledger.read(tmp_path, file)
    assert (matching.rule_of(book), book.tax, book.form) == ("earliest-due", "excluded", "documents")
    plain = ledger.read(tmp_path)
    assert (matching.rule_of(plain), plain.tax) == ("", "included")
    assert "matched_by" not in plain.allocations
    file.write_text('[source]\nmatch = "oldest"\n')
    with pytest.raises(LedgerError, match=r"match: Input should be .*'earliest-due'"):
        ledger.read(tmp_path, file)


# Properties


@st.composite
def books(draw):
    """Invoices, credit notes, receipts and refunds of two customers, few amounts and days so that ties are many."""
    some, days = st.sampled_from([1000, 2000, 2500, 4000]), st.integers(0, 12)
    documents, receipts, plans = [], [], []
    for number in range(draw(st.integers(1, 7))):
        issued, amount = draw(days), draw(some) * draw(st.sampled_from([1, 1, 1, -1]))
        due = day(issued + draw(st.integers(0, 5)))
        whose = draw(st.sampled_from(["C1", "C2"]))
        documents.append(invoice(f"I{number}", whose, day(issued), due, amount / 100))
        if amount > 1000 and draw(st.booleans()):
            later = day(issued + 7)
            first = {"invoice_id": f"I{number}", "due_date": due, "amount": (amount - 900) / 100}
            plans += [first, {"invoice_id": f"I{number}", "due_date": later, "amount": 9.0}]
    for number in range(draw(st.integers(0, 7))):
        amount = draw(some) * draw(st.sampled_from([1, 1, 1, 1, -1]))
        names = draw(st.sampled_from(["", "", "I0", "I1", "I9"]))
        whose = draw(st.sampled_from(["C1", "C2"]))
        receipts.append(payment(f"P{number}", whose, day(draw(days)), amount / 100, invoice_id=names))
    result = {"invoices": pd.DataFrame(documents), "payments": pd.DataFrame(receipts)}
    if not receipts:
        result["payments"] = pd.DataFrame([payment(invoice_id="")]).iloc[:0]
    if plans:
        result["instalments"] = pd.DataFrame(plans)
    return result


class Till:
    """The rule once more, in plain words: one customer, one day after the other."""

    def __init__(self, tables, whose):
        self.out, self.open, self.paid, self.waiting, self.refunds = Counter(), {}, Counter(), [], []
        self.documents = [row for row in tables["invoices"].itertuples() if row.customer_id == whose]
        self.receipts = [row for row in tables["payments"].itertuples() if row.customer_id == whose]
        self.issue = {row.invoice_id: row.issue_date for row in self.documents}
        self.plan = {row.invoice_id: [(row.due_date, cents(row))] for row in self.documents}
        if "instalments" in tables:
            for name, rows in tables["instalments"].groupby("invoice_id"):
                if name in self.plan:
                    self.plan[name] = sorted((row.due_date, cents(row)) for row in rows.itertuples())
        for one in sorted({row.issue_date for row in self.documents} | {row.paid_date for row in self.receipts}):
            self.play(one)

    def play(self, one):
        waited = list(self.waiting)
        for row in self.documents:
            if row.issue_date == one and row.amount > 0:
                self.open[row.invoice_id] = cents(row)
        for row in sorted(self.receipts, key=lambda row: row.payment_id):
            if row.paid_date == one:
                giver = {"id": row.payment_id, "rest": cents(row), "names": row.invoice_id, "note": False}
                if row.amount > 0:
                    self.waiting.append(giver)
                else:
                    back = min(-giver["rest"], self.paid[row.invoice_id])
                    self.book(one, giver, row.invoice_id, -back, "named")
                    self.refunds.append(giver)
        for row in sorted(self.documents, key=lambda row: row.invoice_id):
            if row.issue_date == one and row.amount < 0:
                self.waiting.append({"id": row.invoice_id, "rest": -cents(row), "names": "", "note": True})
        self.pay_back(one, waited)
        for giver in self.waiting:
            if giver["names"] in self.open:
                most = min(giver["rest"], self.open[giver["names"]])
                self.book(one, giver, giver["names"], most, "named")
        for giver in self.waiting:
            same = [name for name, amount in self.open.items() if amount == giver["rest"] > 0]
            if len(same) == 1:
                self.book(one, giver, same[0], giver["rest"], "amount")
        for giver in self.waiting:
            while giver["rest"] and any(self.open.values()):
                _, _, name, part = min(self.next_part(name) for name, amount in self.open.items() if amount)
                self.book(one, giver, name, min(part, giver["rest"]), "earliest_due")
        self.pay_back(one, self.waiting)

    def next_part(self, name):
        """Due date of the earliest unsettled part, issue date, id, what is left of the part."""
        paid = sum(amount for _, amount in self.plan[name]) - self.open[name]
        for due, amount in self.plan[name]:
            if paid < amount:
                return due, self.issue[name], name, amount - paid
            paid -= amount
        raise AssertionError

    def pay_back(self, one, waiting):
        for refund in self.refunds:
            for giver in waiting:
                taken = min(giver["rest"], -refund["rest"])
                giver["rest"] -= taken
                if giver["note"] and taken:
                    self.out[refund["id"], giver["id"], one, "earliest_due"] -= taken
                refund["rest"] += taken

    def book(self, one, giver, name, amount, how):
        if amount:
            self.out[giver["id"], name, one, how] += amount
            giver["rest"] -= amount
            self.open[name] -= amount
            self.paid[name] += amount


def cents(row):
    return round(row.amount * 100)


@given(books())
def test_it_is_what_the_plain_words_say(tables):
    expected = {**Till(tables, "C1").out, **Till(tables, "C2").out}
    assert uses(read(tables)) == expected


@given(books(), st.randoms(use_true_random=False), st.sampled_from(["earliest-due", "latest-due"]))
def test_the_order_of_rows_changes_nothing(tables, random, rule):
    shuffled = {}
    for name, frame in tables.items():
        order = list(range(len(frame)))
        random.shuffle(order)
        shuffled[name] = frame.iloc[order]
    book = read(tables, Mapping(match=rule))
    assert read(shuffled, Mapping(match=rule)).digest() == book.digest()
    assert ledger.rematched(book, rule).digest() == book.digest()


def test_a_refund_that_names_its_invoice_reopens_it_once_when_matched_again():
    """10 settle I1 of 10, whose refund of the next day names it: 10 are open again, not 20, however often matched."""
    tables = {
        "invoices": pd.DataFrame(
            [invoice(f"I{k}", issued="2024-01-01", due="2024-01-01", amount=10.0) for k in (1, 2)]
        ),
        "payments": pd.DataFrame(
            [
                payment("P0", paid="2024-01-02", amount=-10.0, invoice_id="I1"),
                payment("P1", paid="2024-01-01", amount=10.0, invoice_id=""),
            ]
        ),
    }
    book = read(tables, Mapping(match="earliest-due"))
    assert book.allocations[["payment_id", "amount"]].to_numpy().tolist() == [["P0", -10.0], ["P1", 10.0]]
    assert ledger.rematched(book, "earliest-due").digest() == book.digest()


@given(books(), st.integers(0, 20))
def test_what_comes_later_changes_nothing_before(tables, number):
    last = day(number)
    cut = {
        "invoices": tables["invoices"][tables["invoices"]["issue_date"] <= last],
        "payments": tables["payments"][tables["payments"]["paid_date"] <= last],
    }
    if "instalments" in tables:
        rows = tables["instalments"]
        cut["instalments"] = rows[rows["invoice_id"].isin(cut["invoices"]["invoice_id"])]
    if len(cut["invoices"]):
        assert uses(read(tables).up_to(last)) == uses(read(cut))


@given(st.one_of(books(), ledgers()), st.sampled_from(["earliest-due", "latest-due"]))
def test_nothing_is_used_twice(tables, rule):
    """The front door, which holds every matching against both documents and their write-offs, keeps every row."""
    book = read(tables, Mapping(match=rule))
    again = read(book.tables, None)
    assert again.quarantine["rule"].tolist() == []
    assert again.digest() == book.digest()
    rows = ledger.matched(book)
    assert round(rows["amount"].sum() * 100) == round(book.payments["amount"].sum() * 100)
