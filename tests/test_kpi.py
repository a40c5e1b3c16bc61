import json
import re

import numpy as np
import pandas as pd
import pytest

from credit_lab import kpi, ledger
from credit_lab.kpi import formulas as f
from tests.ledgers import allocation, invoice, payment


def month_of_sales(amounts, unpaid):
    """Sales in the middle of three months of 30 days; the given shares of each month are still open at the end."""
    receivables = float(np.dot(amounts, unpaid))
    return receivables, float(sum(amounts))


def test_brigham_case():
    # Brigham & Ehrhardt, credit management mini-case: same payment pattern (10 % paid in the first month, 30 % ...):
    # 70 % of the last month, 20 % of the month before and nothing older is open.
    rising, falling = [100.0, 200.0, 300.0], [300.0, 200.0, 100.0]
    pattern = [0.0, 0.2, 0.7]
    ar_up, ar_down = month_of_sales(rising, pattern)[0], month_of_sales(falling, pattern)[0]
    assert (ar_up, ar_down) == (250.0, 110.0)
    assert (f.dso(ar_up, 600.0, 90), f.dso(ar_down, 600.0, 90)) == (37.5, 16.5)
    assert (f.dso(ar_up, 300.0, 30), f.dso(ar_down, 100.0, 30)) == (25.0, 33.0)
    assert f.countback(ar_up, rising, [30] * 3) == pytest.approx(25.0)
    assert f.countback(ar_down, falling, [30] * 3) == pytest.approx(31.5)  # 30 + 10/200 of 30


def test_season_moves_period_end_dso_far_more_than_countback():
    # Constant behaviour: 95 % of the current month's and 70 %, 35 % ... of earlier sales open; sales swing by 20 %.
    month = np.arange(36)
    sales = 100 * (1 + 0.2 * np.sin(2 * np.pi * month / 12))
    pattern = np.array([0.97, 0.75, 0.35, 0.1])
    end, back = [], []
    for last in range(24, 36):
        receivables = float(pattern @ sales[last : last - 4 : -1])
        end.append(f.dso(receivables, sales[last - 11 : last + 1].sum(), 365))
        back.append(f.countback(receivables, sales[: last + 1], np.full(last + 1, 365 / 12)))
    assert max(end) - min(end) > 5 * (max(back) - min(back))


def test_undefined_figures_are_missing_not_made_up():
    assert np.isnan(f.dso(10.0, 0.0, 365))
    assert np.isnan(f.countback(1000.0, [1.0, 2.0], [30, 30]))
    assert f.countback(-5.0, [1.0], [30]) == 0.0
    assert np.isnan(f.collection_effectiveness(10.0, 0.0, 20.0, 20.0))
    assert f.collection_effectiveness(100.0, 100.0, 110.0, 100.0) == pytest.approx(90.0)


def test_the_bridge_adds_up_exactly():
    before = {"balance": 900.0, "not_due": 600.0, "sales": 3650.0, "days": 365.0}
    now = {"balance": 1500.0, "not_due": 900.0, "sales": 4380.0, "days": 365.0}
    # D0 = 90, D1 = 125; best possible 60 -> 75: terms +15, delinquency +20; sales per day 10 -> 12
    table = kpi.bridge(before, now).set_index("part")
    assert table["days"].tolist() == pytest.approx([90, 15, 20, 0, 0, 125])
    assert table["amount"].tolist() == pytest.approx([900, 150, 200, 180, 70, 1500])
    assert table["amount"].iloc[:-1].sum() == pytest.approx(1500)


def test_monthly_flows_by_hand(write_ledger):
    book = ledger.read(
        write_ledger(
            invoices=[
                invoice(),
                invoice("I2", issued="2024-02-15", due="2024-03-16", amount=50.0),
                invoice("I3", "C2", issued="2024-02-01", due="2024-02-10", amount=10.0),
            ],
            payments=[payment(amount=40.0), payment("P3", "C2", "2024-02-10", 10.0)],
            allocations=[allocation(amount=40.0), allocation("P3", "I3", "2024-02-10", 10.0)],
        )
    )
    flows = kpi.monthly(book, pd.Timestamp("2024-02-29"))
    expected = [[100.0, 0.0, 100.0, 100.0, 0.0], [60.0, 50.0, 110.0, 50.0, 60.0]]
    assert flows[["sales", "receipts", "balance", "not_due", "overdue"]].to_numpy().tolist() == expected
    # two months of 31 + 29 days: DSO = 110 × 60 / 160
    assert kpi.kpis(flows)["dso.period_end"] == pytest.approx(41.25)
    assert kpi.kpis(flows)["ar_turnover.ending"] == pytest.approx(160 / 60 * 365 / 110)


def test_key_figures_show_themselves_with_id_unit_and_reason(write_ledger):
    """40 of 100 paid, all of it overdue, and another 20 in full: DSO 60 × 31 / 120 = 15.5 days, overdue 60 / 60."""
    book = ledger.read(
        write_ledger(
            invoices=[
                invoice(issued="2024-01-01", due="2024-01-10", amount=100.0),
                invoice("I2", "C2", issued="2024-01-01", due="2024-01-10", amount=20.0),
            ],
            payments=[payment(paid="2024-01-20", amount=40.0), payment("P2", "C2", "2024-01-20", 20.0)],
            allocations=[allocation(day="2024-01-20", amount=40.0), allocation("P2", "I2", "2024-01-20", 20.0)],
            control=[{"as_of": "2024-01-31", "balance": 60.0}],
        )
    )
    found = kpi.measured(book, kpi.monthly(book, "2024-01-31"))
    values, reasons = found
    cells = dict(re.findall(r"<td[^>]*>([^<]*)</td><td[^>]*>([^<]*)</td>", found._repr_html_()))
    assert cells["DSO, period end (dso.period_end)"] == "15.5 days"
    assert cells["overdue ratio (overdue_ratio)"] == "100.0 %"
    lost = "not measured: the ledger has no table write_offs"
    assert cells["bad-debt ratio, period (bad_debt_ratio.period)"] == lost
    assert len(cells) == len(values) == 10
    alone = kpi.kpis(kpi.monthly(book, "2024-01-31"))
    assert json.dumps(alone) == json.dumps(dict(alone))
    assert "not measured</td>" in alone._repr_html_() and set(reasons) < set(alone)


def test_days_to_pay_corrects_for_what_is_still_open():
    # Log-normal days to pay, mean 59.8 and median 50.1; invoices spread over 120 days before the cut: the closed
    # ones alone look faster than the truth, Kaplan-Meier does not.
    rng = np.random.default_rng(5)
    count = 4000
    days = np.exp(rng.normal(np.log(50.1), 0.595, count))
    issued = rng.integers(0, 120, count)
    day0 = pd.Timestamp("2024-01-01")
    rows = pd.DataFrame(
        {
            "invoice_id": [f"I{number}" for number in range(count)],
            "customer_id": "C1",
            "issue_date": day0 + pd.to_timedelta(issued, unit="D"),
            "due_date": day0 + pd.to_timedelta(issued + 30, unit="D"),
            "amount": 10.0,
            "currency": "CNY",
        }
    )
    paid = rows["issue_date"] + pd.to_timedelta(np.rint(days), unit="D")
    known = paid <= day0 + pd.Timedelta(days=120)
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        rows.to_csv(f"{folder}/invoices.csv", index=False)
        receipts = rows.assign(payment_id="P" + rows["invoice_id"], paid_date=paid)[known.to_numpy()]
        columns = ["payment_id", "customer_id", "paid_date", "amount", "currency", "invoice_id"]
        receipts[columns].to_csv(f"{folder}/payments.csv", index=False)
        found = kpi.days_to_pay(ledger.read(folder), day0 + pd.Timedelta(days=120))
    assert found.closed_mean < 45
    assert found.low <= 50.1 <= found.high
    assert found.invoices == count and found.settled == known.sum()


def test_concentration_and_changes_by_hand():
    balances = pd.DataFrame({"customer_id": list("abc"), "exposure": [50.0, 30.0, 20.0], "overdue": [5.0, 0.0, 20.0]})
    table = kpi.concentration(balances).set_index("measure")["value"]
    assert table["largest 1"] == 0.5
    assert table["Herfindahl-Hirschman index"] == pytest.approx(0.38)  # .25 + .09 + .04
    now = pd.DataFrame({"customer_id": list("bcd"), "overdue": [8.0, 12.0, 3.0], "max_dpd": [3, 9, 1]})
    moved = kpi.changes(balances, now)
    assert moved[["customer_id", "change", "what"]].to_numpy().tolist() == [
        ["b", 8.0, "newly overdue"], ["c", -8.0, "better"], ["a", -5.0, "cleared"], ["d", 3.0, "newly overdue"],
    ]  # fmt: skip
