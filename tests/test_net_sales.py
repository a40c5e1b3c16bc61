"""Net sales below zero: what divides by sales is not measured and says why, whatever asks for it."""

import json
import re
import zipfile

import numpy as np
import openpyxl
import pandas as pd
import pytest
from typer.testing import CliRunner

from credit_lab import kpi, labels, ledger
from credit_lab import policy as policies
from credit_lab.__main__ import app
from credit_lab.backtest import metrics
from credit_lab.limits import portfolio
from credit_lab.limits.exposures import LimitsError
from tests.ledgers import invoice, payment

END = "2025-06-30"
ON_SALES = ("dso.period_end", "dso.average", "dso.countback", "dso.best_possible", "add", "ar_turnover.ending",
            "ar_turnover.average")  # fmt: skip
WHY = "net sales are below zero"


@pytest.fixture(scope="module")
def taken_back(tmp_path_factory):
    """Eighteen months of 100 a month from each of two customers, and in the last a credit note of 5,000 for C0."""
    folder = tmp_path_factory.mktemp("taken")
    invoices, payments = [], []
    for month in range(18):
        day = pd.Timestamp("2024-01-10") + pd.DateOffset(months=month)
        for k in range(2):
            number, due = f"I{month}-{k}", str((day + pd.Timedelta(days=30)).date())
            invoices.append(invoice(number, f"C{k}", str(day.date()), due))
            if month < 12:
                payments.append(payment(f"P{number}", f"C{k}", due, invoice_id=number))
    invoices.append(invoice("N1", "C0", "2025-06-20", "2025-06-20", -5000))
    payments.append(payment("P0", "C1", END, 1))
    customers = [{"customer_id": "C0", "industry": "steel"}, {"customer_id": "C1", "industry": "glass"}]
    for name, rows in {"invoices": invoices, "payments": payments, "customers": customers}.items():
        pd.DataFrame(rows).to_csv(folder / f"{name}.csv", index=False)
    return folder


def test_check_says_it_in_words_and_as_null(taken_back):
    given = ["check", "--ledger", str(taken_back), "--as-of", END]
    said = CliRunner().invoke(app, given).stdout
    for name in ON_SALES:
        assert re.search(rf"^  {re.escape(name)} +not measured: {WHY}$", said, re.M)
    found = json.loads(CliRunner().invoke(app, [*given, "--json"]).stdout)["currencies"]["CNY"]
    assert [found["kpis"][name] for name in ON_SALES] == [None] * len(ON_SALES)
    assert {found["not_measured"][name] for name in ON_SALES} == {WHY}


def test_series_segments_and_claims_have_no_such_month(taken_back):
    book = ledger.read(taken_back)
    flows = kpi.monthly(book, pd.Timestamp(END))
    last = kpi.over_time(flows).iloc[-1]
    assert last[list(ON_SALES)].isna().all()
    assert np.isnan(metrics.ar_turnover(flows).iloc[-1])
    assert metrics.bad_debt_ratio(flows).empty  # no table of write-offs
    assert metrics.bad_debt_ratio(flows.assign(written_off=0.0)).index[-1] < pd.Timestamp(END)
    segments = kpi.by_segment(book, pd.Timestamp(END), "industry")
    with pytest.raises(kpi.measures.PeriodError, match="net sales of the twelve months up to 2025-06-30"):
        kpi.dso_bridge(segments, pd.Timestamp("2025-03-31"), pd.Timestamp(END))
    # steel alone: 1,200 - 5,000 sold, so no turnover; glass sold 1,200
    assert np.isnan(kpi.kpis(segments["steel"])["ar_turnover.ending"])
    assert kpi.kpis(segments["glass"])["ar_turnover.ending"] == pytest.approx(1200 / 599)


def test_a_loss_budget_is_no_share_of_sales_below_zero():
    policy = policies.load("data/policies/2025-baseline.toml")
    with pytest.raises(LimitsError, match="net sales of the year are not above zero"):
        portfolio.Budgets.of(policy, -1.0, 100.0)


def test_the_review_has_no_days_of_them_in_any_format(taken_back, tmp_path):
    given = ["review", "--ledger", str(taken_back), "--period", "2025Q2", "--out", str(tmp_path), "--quiet"]
    made = CliRunner().invoke(app, [*given, "--format", "html,xlsx,pptx"], catch_exceptions=False)
    assert f"DSO within target: not measured: DSO by countback: {WHY}" in made.stdout
    folder = tmp_path / "2025Q2"
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert run["verdicts"]["DSO within target"] == f"not measured: DSO by countback: {WHY}"
    page = (folder / "80_quarterly_review.html").read_text(encoding="utf-8")
    assert f"DSO by countback is not measured: {WHY}." in page
    assert f"Average days delinquent is not measured: {WHY}." in page

    book = openpyxl.load_workbook(next(folder.glob("*.xlsx")))
    sheet = next(one for one in book.worksheets if str(one["A1"].value).startswith("Key figures of 2025Q2"))
    heads = {cell.value: cell.column for cell in sheet[4]}
    values = {
        row[0].value: row[heads["Value"] - 1].value for row in sheet.iter_rows(min_row=5) if row[0].value is not None
    }
    assert [values[labels.formula(name, "en")] for name in ON_SALES] == [None] * len(ON_SALES)
    with zipfile.ZipFile(next(folder.glob("*.pptx"))) as deck:
        slides = "".join(deck.read(name).decode() for name in deck.namelist() if "slides/slide" in name)
    assert f"DSO by countback is not measured: {WHY}" in slides
    assert not re.search(r"[-−]\d[\d,]*\.\d days", page + slides)
