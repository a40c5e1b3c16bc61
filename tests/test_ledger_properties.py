"""What must hold for every ledger."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from credit_lab import aging, kpi, ledger
from credit_lab.ledger import reconcile
from tests.ledgers import ledgers

AS_OF = st.integers(0, 800).map(lambda day: pd.Timestamp("2024-01-01") + pd.Timedelta(days=day))


def read(tables):
    with tempfile.TemporaryDirectory() as folder:
        for name, frame in tables.items():
            frame.to_csv(Path(folder, f"{name}.csv"), index=False)
        return ledger.read(folder)


def first_day(book):
    return min(day for day in (book.invoices["issue_date"].min(), book.payments["paid_date"].min()) if pd.notna(day))


@given(ledgers(), AS_OF)
def test_buckets_and_unapplied_add_up_to_the_documents(tables, as_of):
    book = read(tables)
    as_of = max(as_of, first_day(book))
    table = aging.bucket_table(aging.open_items(book, as_of), book.currency)
    expected = reconcile.balance_minor(book, as_of) / 100
    assert round(table["open_amount"].sum() * 100) == round(expected * 100)
    series = aging.series(book, [as_of])
    assert series["balance"].tolist() == [expected]
    assert series.loc[0, list(table["bucket"])].tolist() == table["open_amount"].tolist()


@given(ledgers(), AS_OF)
def test_as_of_ignores_everything_later(tables, as_of):
    book = read(tables)
    as_of = max(as_of, first_day(book))
    day = as_of.strftime("%Y-%m-%d")
    known = {
        "invoices": tables["invoices"][tables["invoices"]["issue_date"] <= day],
        "payments": tables["payments"][tables["payments"]["paid_date"] <= day],
    }
    both = set(known["invoices"]["invoice_id"]), set(known["payments"]["payment_id"])
    rows = tables["allocations"]
    kept = rows["invoice_id"].isin(both[0]) & rows["payment_id"].isin(both[1]) & (rows["allocated_on"] <= day)
    known["allocations"] = rows[kept]
    if "write_offs" in tables:
        rows = tables["write_offs"]
        known["write_offs"] = rows[rows["invoice_id"].isin(both[0]) & (rows["written_off_on"] <= day)]
    if known["invoices"].empty:
        return  # nothing but receipts: no ledger without invoices
    pd.testing.assert_frame_equal(aging.open_items(book, as_of), aging.open_items(read(known), as_of))


@given(ledgers(), st.randoms(use_true_random=False))
def test_shuffling_rows_changes_nothing(tables, random):
    shuffled = {}
    for name, frame in tables.items():
        order = list(range(len(frame)))
        random.shuffle(order)
        shuffled[name] = frame.iloc[order]
    assert read(tables).digest() == read(shuffled).digest()


@given(ledgers())
def test_doubling_all_amounts_leaves_days_alone(tables):
    doubled = {name: frame.assign(amount=frame["amount"] * 2) for name, frame in tables.items()}
    last = pd.Timestamp("2025-12-31")
    one, two = (kpi.kpis(kpi.monthly(read(one), last), months=36) for one in (tables, doubled))
    np.testing.assert_allclose(list(one.values()), list(two.values()), rtol=1e-9)


@given(ledgers())
def test_written_and_read_again_it_is_the_same_ledger(tables):
    book = read(tables)
    with tempfile.TemporaryDirectory() as folder:
        ledger.write(book.tables, Path(folder, "again"))
        assert ledger.read(Path(folder, "again")).digest() == book.digest()


@given(ledgers(), st.sampled_from([7.1234, 0.0913]))
def test_conversion_keeps_settled_invoices_settled(tables, rate):
    book = read(tables)
    last = pd.Timestamp("2030-12-31")
    before, after = (aging.open_items(one, last) for one in (book, book.convert({"CNY": rate}, "USD")))
    large = before.loc[before["open_amount"].abs() * rate > 0.01, "document_id"]
    assert set(large) <= set(after["document_id"]) <= set(before["document_id"])


def test_conversion_settles_notes_receipts_and_instalments(sample):
    last = pd.Timestamp("2025-12-31")
    rate = 0.1379
    before, after = (aging.open_items(one, last) for one in (sample, sample.convert({"CNY": rate}, "USD")))
    keys = ["kind", "document_id", "part"]
    pd.testing.assert_frame_equal(before[keys], after[keys])
    np.testing.assert_allclose(before["open_amount"] * rate, after["open_amount"], atol=0.021)
