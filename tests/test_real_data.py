"""Golden figures of real ledgers, which are not ours to publish: skipped where the data are absent."""

import numpy as np
import pandas as pd
import pytest

from credit_lab import aging, backtest, kpi, ledger, money, studies
from credit_lab import policy as policies
from credit_lab.ledger import reconcile

IBM = "ibm_ar/WA_Fn-UseC_-Accounts-Receivable.csv"


@pytest.fixture(scope="module")
def ibm(real_data):
    return ledger.read(real_data / IBM, "data/mappings/ibm_ar.toml")


@pytest.fixture(scope="module")
def closed(real_data):
    return ledger.read(real_data / "highradius_b2b" / "closed_invoices.csv.gz", "data/mappings/highradius_closed.toml")


def test_ibm_golden_table(ibm):
    day = pd.Timestamp("2012-12-31")
    table = aging.bucket_table(aging.open_items(ibm, day), "USD").set_index("bucket")
    assert table.loc["not_due", ["items", "open_amount"]].tolist() == [86, 4936.32]
    assert table.loc["1-30", ["items", "open_amount"]].tolist() == [13, 788.74]
    assert table["items"].sum() == 99
    assert round(table["open_amount"].sum(), 2) == 5725.06
    figures = kpi.kpis(kpi.monthly(ibm, day))
    assert round(figures["dso.period_end"], 2) == 27.47
    assert round(figures["dso.best_possible"], 2) == 23.69
    assert round(figures["add"], 2) == 3.78


def test_ibm_days_to_settle(ibm):
    found = kpi.days_to_pay(ibm, pd.Timestamp("2014-12-31"))
    assert round(found.closed_mean, 3) == 26.445
    paid = kpi.settlement(ibm, pd.Timestamp("2014-12-31"))
    assert round((paid["settled_on"] > paid["due_date"]).mean(), 4) == 0.3556


def test_highradius_is_accounted_for_to_the_cent(closed):
    rows = closed.accounting
    minor = money.to_minor(rows["amount"], "USD")  # both currencies have cents
    assert minor.sum() == 128_260_139_574
    assert rows["rows"].sum() == 40_000
    by_rule = rows.groupby(["disposition", "rule"])["rows"].sum()
    assert by_rule["duplicate", "exact_duplicate"] == 929
    assert by_rule["quarantined", "missing_value"] == 836
    assert by_rule["quarantined", "duplicate_id"] == 2
    for code in closed.currencies:
        one = closed.only_currency(code)
        series = aging.series(one, pd.date_range("2019-01-31", "2020-05-31", freq="ME"))
        for row in (0, 8, 16):
            expected = reconcile.balance_minor(one, series.loc[row, "as_of"]) / 100
            assert series.loc[row, "balance"] == pytest.approx(expected, abs=0.004)


def test_highradius_open_samples_overlap(real_data):
    book = ledger.read(real_data / "highradius_b2b" / "open_invoices.csv.gz", "data/mappings/highradius_open.toml")
    assert len(book.invoices) == 26_709
    assert book.accounting["rows"].sum() == 29_066


def test_cumcm_void_and_negative_invoices(real_data):
    book = ledger.read(real_data / "cumcm2020c", "data/mappings/cumcm2020c_sales.toml")
    rows = book.accounting.groupby(["disposition", "rule"])["rows"].sum()
    assert rows["filtered", "void_invoice"] == 11_206
    assert book.accounting["rows"].sum() == 162_484
    negative = book.invoices["amount"] < 0
    assert (book.invoices.loc[negative, "kind"] == "credit_note").all()
    assert negative.any()


def test_highradius_review_and_backtest_mark_the_year_end(closed):
    book = closed.only_currency("USD")
    rates = {"CNY": 0.145}  # in September 2019 about 7 yuan a dollar
    baseline, tighter = (
        policies.in_currency(policies.load(f"data/policies/2025-{name}.toml"), "USD", rates)
        for name in ("baseline", "tighter")
    )
    review = studies.review.review(book, baseline, "2019Q3")
    assert review.identity.set_index("line").loc["difference", "amount"] == 0
    run = backtest.champion_challenger(book, baseline, tighter, end="2020-02-29")
    marked = run.a.monthly.set_index("month")["marked"]
    assert marked.loc["2019-11-30":"2019-12-31"].all()
    assert not marked.loc[:"2019-10-31"].any()
    values = run.comparison.set_index("metric")
    assert values.loc["sales refused", "difference"] > 0
    assert np.isnan(values.loc["written off in the window", "a"])  # no table of write-offs
