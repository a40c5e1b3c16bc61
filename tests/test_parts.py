"""A ledger in parts gives what the whole gives, to the last bit; and reading without the tables beside it."""

from unittest import mock

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_lab import aging, history, kpi, ledger, policy, studies
from credit_lab.errors import LedgerError
from credit_lab.ledger import model, reconcile
from tests.ledgers import ledgers, paid_in_full
from tests.test_ledger_properties import read

LAST = pd.Timestamp("2025-12-31")
MONTHS = pd.date_range("2024-01-31", LAST, freq="ME", unit="us")


def measures(book):
    """Every function that goes part by part."""
    paid = kpi.days_to_pay(book, LAST, since=pd.Timestamp("2024-03-01"))
    return {
        "open items": aging.open_items(book, LAST),
        "settlement": kpi.settlement(book, LAST),
        "history": history.build(book, LAST),
        "late history": history.build(book, LAST, first=pd.Timestamp("2025-02-10")),
        "series": aging.series(book, MONTHS),
        "series by customer": aging.series(book, MONTHS, by=["customer_id"]),
        "curve": paid.curve,
        "days to pay": pd.DataFrame([(paid.median, paid.low, paid.high, paid.closed_mean, paid.invoices)]),
    }


def same(left, right):
    assert left.keys() == right.keys()
    for name in left:
        pd.testing.assert_frame_equal(left[name], right[name], check_exact=True, obj=name)


@settings(max_examples=8)
@given(ledgers(), st.integers(1, 4))
def test_parts_give_what_the_whole_gives(tables, size):
    more = dict(zip(("invoices", "payments", "allocations"), paid_in_full(amount=1e7), strict=True))
    book = read(tables | {name: pd.concat([tables[name], pd.DataFrame([row])]) for name, row in more.items()})
    whole = measures(book)
    with mock.patch.object(model, "PART", size):
        same(measures(book), whole)


@given(ledgers(), st.integers(1, 4))
def test_every_row_is_in_one_part_and_stands_beside_what_it_refers_to(tables, size):
    book = read(tables)
    with mock.patch.object(model, "PART", size):
        parts = list(book.parts())
    for name in parts[0].tables:
        rows = pd.concat([part.tables[name] for part in parts]).sort_index()
        pd.testing.assert_frame_equal(rows, book.tables[name])
    for part in parts:
        assert set(part.invoices["customer_id"]) | set(part.payments["customer_id"]) <= set(
            part.customers["customer_id"]
        )
        assert set(part.allocations["invoice_id"]) <= set(part.invoices["invoice_id"])
        largest = int(part.invoices["customer_id"].value_counts().max()) if len(part.invoices) else 0
        assert len(part.invoices) < size + largest


def test_a_review_in_parts_and_without_the_tables_beside(sample):
    rules = policy.load("data/policies/2025-baseline.toml")
    whole = studies.review.review(sample, rules, "2025Q4")
    lean = ledger.read("data/sample", beside=())
    with mock.patch.object(model, "PART", 1_000):
        assert len(list(lean.parts())) > 5
        found = studies.review.review(lean, rules, "2025Q4")
    same(found.tables(), whole.tables())
    assert found.findings == whole.findings


def test_tables_that_are_not_kept_are_accounted_for_all_the_same(sample):
    lean, one = ledger.read("data/sample", beside=()), ledger.read("data/sample", beside=["orders"])
    assert not lean.has("orders") and not lean.has("actions") and lean.has("disputes")
    pd.testing.assert_frame_equal(one.tables["orders"], sample.tables["orders"])
    assert set(one.tables) - set(lean.tables) == {"orders"}
    for book in (lean, one):
        pd.testing.assert_frame_equal(book.accounting, sample.accounting)
        pd.testing.assert_frame_equal(book.quarantine, sample.quarantine)
    with pytest.raises(LedgerError, match="did you mean 'orders'"):
        ledger.read("data/sample", beside=["order"])


def test_the_control_account_in_one_pass_is_the_balance_day_by_day(sample):
    control = reconcile.against_control(sample)
    assert len(control) > 12
    for as_of, code, own in control[["as_of", "currency", "ledger"]].itertuples(index=False):
        by_hand = 0
        for name, day, sign in (
            ("invoices", "issue_date", 1), ("payments", "paid_date", -1), ("write_offs", "written_off_on", -1),
        ):  # fmt: skip
            rows = sample.tables[name]
            by_hand += sign * round(rows.loc[rows[day] <= as_of, "amount"] * 100).astype("int64").sum()
        assert (own, code) == (by_hand / 100, "CNY")
