"""What cannot be measured has no figure: not a made-up one, not nan in a sentence, and it says why."""

import json
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from credit_lab import financials, kpi, ledger, studies
from credit_lab import policy as policies
from credit_lab.__main__ import app
from credit_lab.backtest import guards
from credit_lab.backtest.effects import DesignError
from credit_lab.collection import cash_forecast
from credit_lab.errors import PeriodError
from credit_lab.figures import granting as figures_granting
from credit_lab.figures import receivables as figures
from credit_lab.kpi import formulas as f
from credit_lab.publish import deck
from credit_lab.studies import terms_and_discounts, text
from tests.ledgers import allocation, invoice, paid_in_full, payment

baseline = policies.load("data/policies/2025-baseline.toml")


def flows_of(sales, balances, *, not_due=None, days=30):
    """Monthly flows of whole months from January 2024 on; nothing is written off."""
    ends = pd.date_range("2024-01-31", periods=len(sales), freq="ME")
    current = balances if not_due is None else not_due
    columns = {"month": ends, "days": days, "sales": sales, "receipts": 0.0, "written_off": 0.0}
    late = np.subtract(balances, current)
    return pd.DataFrame(columns | {"balance": balances, "open": balances, "not_due": current, "overdue": late})


@pytest.fixture
def returned(write_ledger):
    """A firm that sold 1,000 long ago, still unpaid, and has taken back more than it sold in the last twelve months:
    net sales 120 + 5 - 140 = -15."""
    settled, paid, full = paid_in_full(day="2023-01-10", amount=10.0)
    rows = [invoice("I1", issued="2023-01-10", due="2023-02-09", amount=1000.0), settled]
    rows += [invoice("I2", issued="2024-06-10", due="2024-07-10", amount=120.0)]
    rows += [invoice("N1", issued="2024-10-10", due="2024-10-10", amount=-140.0)]
    rows += [invoice("I3", issued="2024-12-10", due="2025-01-09", amount=5.0)]
    return write_ledger(
        invoices=[row | {"kind": "credit_note" if row["amount"] < 0 else "invoice"} for row in rows],
        payments=[payment(paid="2024-06-20", amount=10.0), paid],
        allocations=[allocation(day="2024-06-20", amount=10.0), full],
    )


def test_no_ratio_over_something_not_above_zero():
    """590 owed, net sales of a year -10: 590 x 365 / -10 = -21,535 days are no days."""
    assert np.isnan(f.dso(590.0, -10.0, 365))
    assert np.isnan(f.average_days_delinquent(590.0, 100.0, -10.0, 365))
    assert np.isnan(f.turnover(-10.0, 590.0)) and np.isnan(f.turnover(100.0, -590.0))
    assert np.isnan(f.ratio(5.0, -10.0))
    assert f.turnover(0.0, 590.0) == 0.0
    found = f.ratio(np.array([1.0, 2.0, 3.0]), np.array([-2.0, 0.0, 2.0]))
    assert np.isnan(found[:2]).all() and found[2] == 1.5


def test_figures_of_net_sales_below_zero_are_not_measured_and_say_so():
    flows = flows_of([50.0] * 12 + [10.0] * 11 + [-120.0], [600.0] * 24, not_due=[400.0] * 24)
    found, why = kpi.kpis(flows), kpi.reasons(flows)
    lacking = {name for name, value in found.items() if np.isnan(value)}
    assert lacking == {
        "dso.period_end", "dso.average", "dso.best_possible", "add", "ar_turnover.ending", "ar_turnover.average",
        "bad_debt_ratio.period", "dso.countback",
    }  # fmt: skip
    assert {why[name] for name in lacking} == {"net sales are below zero"}
    assert found["overdue_ratio"] == pytest.approx(1 / 3)


def test_no_average_over_an_opening_balance_nobody_knows():
    """Balance 300 at each month end, sales 100 a month of 30 days: 90 days from the first month on. Half of that, 45,
    came out while the balance before the first month was taken for nought; after a year in the books
    (300 + 300) / 2 x 365 / 1,200 = 91.25."""
    flows = flows_of([100.0] * 13, [300.0] * 13)
    for months in (1, 6, 12):
        young = kpi.kpis(flows.head(months))
        assert np.isnan([young[name] for name in ("dso.average", "ar_turnover.average", "cei")]).all()
        assert kpi.reasons(flows.head(months))["dso.average"] == "the balance before the first month is not known"
    assert kpi.kpis(flows.head(6))["dso.period_end"] == pytest.approx(90.0)
    old = kpi.kpis(flows)
    assert old["dso.average"] == pytest.approx(91.25)
    assert old["ar_turnover.average"] == pytest.approx(4.0)
    # nothing is late: all that could be collected was
    assert old["cei"] == pytest.approx(100.0)
    assert kpi.over_time(flows)["dso.average"].isna().tolist() == [True] * 12 + [False]


def test_a_review_of_a_year_of_returns_stands_and_says_what_it_cannot_measure(returned):
    """The whole record, its sentences, lights and charts; nowhere nan, nowhere days below zero."""
    book = ledger.read(returned)
    made = studies.review.review(book, baseline, "2024Q4")
    said = " ".join(text.headline(made).values())
    assert "nan" not in said
    assert "Average days delinquent is not measured: net sales are below zero." in said
    assert "Not measured (Bad-debt ratio, period): the ledger has no table write_offs." in said
    lights = text.verdicts(made)
    assert lights["DSO within target"] == "not measured: DSO by countback: net sales are below zero"
    assert lights["losses within budget"] == "not measured: the ledger has no table write_offs"
    assert made.bridge.empty
    assert made.figures()["dso.period_end"] == (None, "days")
    title = figures.dso_chart(made.kpi_series, source="x").axes[0].get_title(loc="left")
    assert title == "DSO at the end is not measured: no net sales in these months"
    lost = studies.losses.losses(book, baseline, made.as_of)
    assert lost.bridge.empty and any(note.startswith("DSO bridge over a year: net sales") for note in lost.notes)


class Facts:
    """The least a slide asks of its story."""

    facts = MappingProxyType({})

    def sources(self, *names):
        return names


def test_checks_that_could_not_be_made_are_not_called_ok():
    made = deck._verdicts(Facts(), {"a": "ok: fine", "b": "not measured: nothing was sold"})
    assert made.title == "1 of 2 checks cannot be judged: b (nothing was sold)"
    assert deck._verdicts(Facts(), {"a": "ok: fine"}).title == "All 1 checks are ok"


def test_check_says_why_and_writes_json_that_others_can_read(returned):
    words = CliRunner().invoke(app, ["check", "--ledger", str(returned)])
    assert "dso.period_end         not measured: net sales are below zero" in words.output
    assert "bad_debt_ratio.period  not measured: the ledger has no table write_offs" in words.output
    found = CliRunner().invoke(app, ["check", "--ledger", str(returned), "--json"])

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    one = json.loads(found.output, parse_constant=refuse)["currencies"]["CNY"]
    assert one["kpis"]["dso.period_end"] is None
    assert one["not_measured"]["dso.period_end"] == "net sales are below zero"


def test_nobody_is_newly_overdue_against_a_period_before_the_data(write_ledger):
    """The books begin in the period: there is nothing to compare the overdue amounts with."""
    settled, paid, full = paid_in_full()
    rows = [invoice(issued="2024-01-10", due="2024-02-09"), settled]
    paid = [payment(paid="2024-02-20", amount=1.0), paid]
    book = ledger.read(write_ledger(invoices=rows, payments=paid, allocations=[full]))
    assert studies.review.review(book, baseline, "2024Q1").changes.empty


def test_terms_are_not_priced_on_sales_below_zero(returned):
    how = {"discount": 0.02, "discount_days": 10, "taken": 0.4, "extra_days": 30, "growth": 0.05}
    with pytest.raises(PeriodError, match="net sales of the twelve months to 2024-12-31 are not above zero"):
        terms_and_discounts.terms_study(ledger.read(returned), baseline, pd.Timestamp("2024-12-31"), **how)


def test_an_error_over_no_receipts_has_no_share():
    assert np.isnan(cash_forecast.wape(np.array([5.0]), np.array([0.0])))
    assert cash_forecast.wape(np.array([5.0]), np.array([10.0])) == 0.5


def test_growth_of_losses_needs_losses_and_sales_above_zero():
    month = pd.date_range("2022-01-31", periods=36, freq="ME")
    sold = pd.Series(100.0, month)
    for lost in (pd.Series(0.0, month), pd.Series(-1.0, month)):
        with pytest.raises(DesignError, match="net losses and net sales above zero"):
            guards.growth(sold, lost, month[24])


def test_return_on_mean_assets_needs_assets_of_both_years():
    row = {"customer_id": ["C1"], "period_end": pd.to_datetime(["2024-12-31"]), "total_assets": [100.0],
           "total_assets_before": [-300.0], "net_income": [10.0], "total_liabilities": [50.0],
           "current_assets": [60.0], "current_liabilities": [40.0], "retained_earnings": [5.0]}  # fmt: skip
    found = financials.distress(pd.DataFrame(row)).set_index("score")
    assert np.isnan(found.loc["z_china", "value"]) and "roa_avg" in found.loc["z_china", "reason"]


def test_charts_of_limits_without_signatures_and_with_medians_of_nothing():
    """A median of nought gave "a factor of 50,000,000,000,000" (over 1e-9), no signatures "credit manager (0%)"."""
    limits = pd.DataFrame(
        {"customer_id": ["A", "B"] * 2, "method": ["m", "m", "n", "n"], "limit": [0.0, 0.0, 5e4, 5e4]}
    )
    drawn = figures_granting.methods_chart(limits, currency="CNY", source="x")
    title = drawn.axes[0].get_title(loc="left")
    assert title == "The median customer gets nothing by one method, 50 thousand CNY by another"
    work = pd.DataFrame({"approver": ["manager"], "policy": ["p"], "cases": [0]})
    drawn = figures_granting.workload_chart(work, source="x")
    assert drawn.axes[0].get_title(loc="left") == "No limit changes: nothing is to be signed"
