import numpy as np
import pandas as pd
import pytest

from credit_lab import aging, ledger
from credit_lab.errors import PeriodError, PolicyError
from credit_lab.ledger import reconcile
from tests.ledgers import allocation, invoice, payment


def day(text):
    return pd.Timestamp(text)


def test_a_hand_worked_ledger(write_ledger):
    # Due 9 Feb. Paid 60 on 20 Feb, matched on 5 March; 20 written off on 1 June, 5 recovered and paid on 1 July.
    book = ledger.read(
        write_ledger(
            invoices=[invoice(), invoice("CN1", amount=-30.0, issued="2024-03-01", due="2024-03-01")],
            payments=[payment(amount=70.0), payment("P2", paid="2024-07-01", amount=5.0)],
            allocations=[
                allocation(amount=60.0, day="2024-03-05"),
                allocation("CN1", amount=20.0, day="2024-02-15"),
                allocation("P2", amount=5.0, day="2024-07-01"),
            ],
            write_offs=[
                {"invoice_id": "I1", "written_off_on": "2024-06-01", "amount": 20.0},
                {"invoice_id": "I1", "written_off_on": "2024-07-01", "amount": -5.0},
            ],
        )
    )
    expected = {
        # as of: (invoice open, its bucket, credit notes, unapplied cash)
        "2024-02-09": (100.0, "not_due", 0.0, 0.0),
        "2024-02-10": (100.0, "1-30", 0.0, 0.0),
        "2024-02-29": (100.0, "1-30", 0.0, -70.0),  # the money is there, not yet matched
        "2024-03-01": (80.0, "1-30", -10.0, -70.0),  # a set-off dated before its credit note waits for it
        "2024-03-05": (20.0, "1-30", -10.0, -10.0),
        "2024-05-31": (20.0, "91-180", -10.0, -10.0),
        "2024-06-01": (0.0, None, -10.0, -10.0),
        "2024-07-01": (0.0, None, -10.0, -10.0),
    }
    for text, (open_, bucket, notes, cash) in expected.items():
        table = aging.bucket_table(aging.open_items(book, day(text)), "CNY").set_index("bucket")["open_amount"]
        assert table.iloc[:-2].sum() == open_, text
        assert bucket is None or table[bucket] == open_, text
        assert (table["credit_notes"], table["unapplied_cash"]) == (notes, cash), text


def test_bucket_edges_are_half_open(write_ledger):
    book = ledger.read(write_ledger(invoices=[invoice()], payments=[payment(amount=0.01)]))
    ages = {0: "not_due", 1: "1-30", 30: "1-30", 31: "31-60", 60: "31-60", 61: "61-90", 90: "61-90", 91: "91-180"}
    ages |= {180: "91-180", 181: "181-365", 365: "181-365", 366: ">365"}
    for age, bucket in ages.items():
        items = aging.open_items(book, day("2024-02-09") + pd.Timedelta(days=age))
        assert items.loc[items["kind"] == "invoice", "bucket"].tolist() == [bucket]
    by_issue = aging.open_items(book, day("2024-02-09"), by="issue_date")
    assert by_issue.loc[by_issue["kind"] == "invoice", ["days", "bucket"]].to_numpy().tolist() == [[30, "0-30"]]


def test_instalments_age_each_by_its_own_date_and_money_settles_the_earliest(write_ledger):
    parts = [("2024-02-09", 40.0), ("2024-03-10", 40.0), ("2024-04-09", 20.0)]
    book = ledger.read(
        write_ledger(
            invoices=[invoice(due="2024-04-09")],
            instalments=[{"invoice_id": "I1", "due_date": due, "amount": amount} for due, amount in parts],
            payments=[payment(amount=50.0)],
            allocations=[allocation(amount=50.0)],
        )
    )
    items = aging.open_items(book, day("2024-03-20"))
    assert items[["part", "bucket", "open_amount"]].to_numpy().tolist() == [[2, "1-30", 30.0], [3, "not_due", 20.0]]
    assert aging.series(book, [day("2024-03-20")]).loc[0, ["not_due", "1-30"]].tolist() == [20.0, 30.0]


def test_series_equals_open_items_at_every_month_end(sample):
    ends = pd.date_range("2023-01-31", "2025-12-31", freq="ME")
    series = aging.series(sample, ends)
    for row in range(0, len(ends), 5):
        table = aging.bucket_table(aging.open_items(sample, ends[row]), "CNY")
        assert series.loc[row, list(table["bucket"])].tolist() == table["open_amount"].tolist()
    by_customer = aging.series(sample, ends, by=["customer_id"])
    np.testing.assert_allclose(by_customer.groupby("as_of")["balance"].sum(), series["balance"], atol=1e-6)
    grouped = aging.series(sample, ends, by=["industry", "region"])
    np.testing.assert_allclose(grouped.groupby("as_of")["open"].sum(), series["open"], atol=1e-6)


def test_the_sample_agrees_with_its_control_account(sample):
    control = reconcile.against_control(sample)
    assert len(control) == 36
    assert (control["difference"] == 0).all()
    series = aging.series(sample, control["as_of"])
    assert series["balance"].tolist() == control["control"].tolist()


def test_a_wrong_control_account_shows_its_difference(write_ledger):
    book = ledger.read(
        write_ledger(invoices=[invoice()], payments=[payment()], control=[{"as_of": "2024-01-31", "balance": 99.99}])
    )
    assert reconcile.against_control(book)["difference"].tolist() == [0.01]


@pytest.mark.parametrize("edges", [(), (1, 30), (0, 30, 30), (0, 60, 30)])
def test_edges_that_leave_a_gap_are_refused(edges):
    with pytest.raises(PolicyError, match="start at 0 and rise"):
        aging.Buckets(edges)


def test_dates_of_a_series_must_rise(sample):
    with pytest.raises(PeriodError, match="rising"):
        aging.series(sample, [day("2025-02-28"), day("2025-01-31")])
    with pytest.raises(PeriodError, match="cannot group by 'colour'"):
        aging.series(sample, [day("2025-02-28")], by=["colour"])
