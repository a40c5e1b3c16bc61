import dataclasses

import numpy as np
import pandas as pd
import pytest

from credit_lab import backtest, history, ledger
from credit_lab import policy as policies
from credit_lab.backtest.comparison import evidence
from credit_lab.errors import PeriodError
from tests.ledgers import allocation, invoice, payment

END = pd.Timestamp("2025-12-31")
baseline = policies.load("data/policies/2025-baseline.toml")
tighter = policies.load("data/policies/2025-tighter.toml")


def changed(policy, **sections):
    """A policy with some settings replaced, checked again."""
    data = policy.model_dump()
    for section, values in sections.items():
        data[section] |= values
    return type(policy).model_validate(data)


OPEN = {
    "trial": {"first_limit": 1e11},
    "limits": {"peak_factor": 5.0},
    "holds": {"overdue_share": 1.0, "overdue_days": 3650},
}


@pytest.fixture(scope="module")
def past(sample):
    return history.build(sample, END)


def everything(policy):
    """A policy that refuses nothing: huge limits for every grade, no holds."""
    data = changed(policy, **OPEN).model_dump()
    for grade in data["grades"]["scale"]:
        grade |= {"limit_multiple": 5.0, "term_days": 90}
    data["limits"] |= {"max_share_of_sales": 1.0, "tolerated_delay_days": 365, "withdraw_after_months": 60}
    data["holds"] |= {"utilisation": 5.0, "min_overdue": 1e12}
    return type(policy).model_validate(data)


def test_granted_and_refused_add_up_to_what_was_sold(sample, past):
    run = backtest.replay(sample, baseline, end=END, past=past)
    outcomes = run.invoices[["delivered_at_once", "delivered_later", "sales_lost"]]
    np.testing.assert_array_equal(np.rint(outcomes * 100).sum(axis=1), np.rint(run.invoices["amount"] * 100))
    window = sample.invoices[sample.invoices["issue_date"].between(run.start, END) & (sample.invoices["amount"] > 0)]
    assert run.invoices["amount"].sum() == pytest.approx(window["amount"].sum())
    assert (run.monthly["sales"] + run.monthly["sales_lost"]).sum() == pytest.approx(window["amount"].sum())
    whole = run.invoices[run.invoices["reason"] == "granted"]
    assert (whole["delivered_at_once"] == whole["amount"]).all()
    months = run.monthly[["delivered_at_once", "delivered_later"]].sum(axis=1)
    np.testing.assert_allclose(run.monthly["sales"], months, atol=0.005)


def test_a_policy_that_refuses_nothing_reproduces_history(sample, past):
    run = backtest.replay(sample, everything(baseline), end=END, past=past)
    assert run.invoices["sales_lost"].sum() < 0.02 * run.invoices["amount"].sum()
    from credit_lab import aging

    months = run.monthly["month"]
    real = aging.series(sample, pd.DatetimeIndex(months))
    assert (run.monthly["open"] <= real["open"] + 1e-6).all()
    assert run.monthly["open"].iloc[-1] > 0.97 * real["open"].iloc[-1]


def test_the_tighter_policy_refuses_more(sample):
    run = backtest.champion_challenger(sample, baseline, tighter)
    values = run.comparison.set_index("metric")
    assert values.loc["sales refused", "difference"] > 0
    assert values.loc["refused and later written off", "difference"] > 0
    assert run.fates["refused_b"].sum() > run.fates["refused_a"].sum()
    shown = run._repr_html_()
    sums = run.fates[["refused_a", "refused_b"]].sum()
    assert f">{sums['refused_a']:,.0f} → {sums['refused_b']:,.0f}<" in shown
    assert ">2025-baseline<" in shown and ">2025-tighter<" in shown


def test_fates_and_movers_leave_out_marked_months_like_the_comparison(sample):
    windows = pd.DataFrame({"start": ["2025-03-01"], "end": ["2025-05-31"], "reason": ["a trial"]})
    windows = windows.assign(start=pd.to_datetime(windows["start"]), end=pd.to_datetime(windows["end"]))
    marked = dataclasses.replace(sample, windows=windows)
    run = backtest.champion_challenger(marked, baseline, tighter, start="2025-01-01")
    assert run.a.monthly["marked"].sum() == 3
    refused = run.comparison.set_index("metric").loc["sales refused"]
    assert run.fates[["refused_a", "refused_b"]].sum().round(2).tolist() == [
        round(refused["a"], 2),
        round(refused["b"], 2),
    ]
    assert run.movers["difference"].sum() == pytest.approx(refused["difference"], abs=0.005)


def test_each_month_sees_only_the_past(sample, past):
    cut = pd.Timestamp("2024-12-31")
    whole = backtest.replay(sample, baseline, end=END, past=past).invoices
    short = backtest.replay(sample, baseline, end=cut).invoices
    both = short.merge(whole, on="invoice_id", suffixes=("", "_whole"))
    assert len(both) == len(short)
    assert (both["delivered_at_once"] == both["delivered_at_once_whole"]).all()
    # what still waits at the end counts as lost; all others have the same outcome
    decided = both["issue_date"] <= cut - pd.Timedelta(days=max(baseline.holds.wait_days, 15))
    assert (both["delivered_later"] == both["delivered_later_whole"])[decided].all()
    assert (both["reason"] == both["reason_whole"]).all()


def test_a_hand_worked_replay(write_ledger):
    # A customer buys 1,000 on the 10th of every month and pays on the 9th of the next: at most one invoice is open.
    # In July it orders 3,000: limit is 1,000 × 12 / 365 × (60 + 30) × 2.5 × 1.5 = 11,095 -> 11,000, above: granted.
    # In August it orders 20,000: 8,000 fit beside the open 3,000.
    invoices, payments, matches = [], [], []
    for month in range(1, 9):
        amount = {7: 3000.0, 8: 20000.0}.get(month, 1000.0)
        invoices.append(
            invoice(f"I{month}", issued=f"2024-{month:02d}-10", due=f"2024-{month + 2:02d}-09", amount=amount)
        )
        if month < 7:
            payments.append(payment(f"P{month}", paid=f"2024-{month + 1:02d}-09", amount=amount))
            matches.append(allocation(f"P{month}", f"I{month}", f"2024-{month + 1:02d}-09", amount))
    book = ledger.read(write_ledger(invoices=invoices, payments=payments, allocations=matches))
    policy = changed(baseline, limits={"max_share_of_sales": 1.0}, holds={"utilisation": 1.0}, grades={"min_months": 5})
    run = backtest.replay(book, policy, start=pd.Timestamp("2024-07-01"), end=pd.Timestamp("2024-08-31"))
    first = run.decisions.iloc[0]
    # paid a month before due, 30 days early: index 100, grade AAA
    assert (first["grade"], first["credit_limit"]) == ("AAA", 11000.0)
    assert run.invoices["delivered_at_once"].tolist() == [3000.0, 8000.0]
    assert run.invoices["reason"].tolist() == ["granted", "limit"]


def test_overdue_items_hold_orders_and_payment_releases_them(write_ledger):
    # I0 is due 8 February and paid on 19 June. On the evening of 9 May it is 91 days past due: held from the 10th on,
    # until the morning after the payment.
    days = ["2024-01-10", "2024-05-09", "2024-05-10", "2024-05-11", "2024-06-25"]
    rows = [
        invoice(f"I{k}", issued=day, due="2024-12-31" if k else "2024-02-08", amount=5000.0)
        for k, day in enumerate(days)
    ]
    book = ledger.read(
        write_ledger(
            invoices=rows,
            payments=[payment(paid="2024-06-19", amount=5000.0)],
            allocations=[allocation(on="I0", day="2024-06-19", amount=5000.0)],
        )
    )
    trial = {"first_limit": 1e6, "stop_dpd": 3650}
    policy = changed(baseline, holds={"overdue_share": 1.0, "overdue_days": 90}, trial=trial)
    run = backtest.replay(book, policy, start=pd.Timestamp("2024-05-01"), end=pd.Timestamp("2024-06-30"))
    assert run.invoices.set_index("invoice_id")["reason"].to_dict() == {
        "I1": "granted", "I2": "hold", "I3": "hold", "I4": "granted",
    }  # fmt: skip


def test_marked_months_are_left_out_of_the_summary(sample, past):
    import dataclasses

    windows = pd.DataFrame(
        {"start": [pd.Timestamp("2025-11-01")], "end": [pd.Timestamp("2025-12-31")], "reason": ["cut off"]}
    )
    marked = dataclasses.replace(sample, windows=windows)
    run = backtest.replay(marked, baseline, end=END, past=past)
    assert run.monthly["marked"].tolist()[-3:] == [False, True, True]
    whole = backtest.replay(sample, baseline, end=END, past=past)
    sales = [backtest.summary(one, baseline).set_index("metric").loc["sales allowed", "value"] for one in (run, whole)]
    assert sales[1] - sales[0] == pytest.approx(whole.monthly["sales"].iloc[-2:].sum())


def test_too_short_a_ledger_is_refused(write_ledger):
    book = ledger.read(write_ledger(invoices=[invoice()], payments=[payment()], allocations=[allocation()]))
    with pytest.raises(PeriodError, match="needs more than its warm-up of 7 months"):
        backtest.replay(book, baseline, end=pd.Timestamp("2024-02-29"))
    with pytest.raises(PeriodError, match="at least one month before the start"):
        backtest.replay(book, baseline, start=pd.Timestamp("2024-01-01"), end=pd.Timestamp("2024-02-29"))


def test_known_assumed_and_unknowable_stay_apart(write_ledger):
    """Three orders under a first limit of 1,000: I1 of 1,500 (500 refused, 1,500 lost later: 500 known), I2 of 600
    from another customer, paid in full (granted), I3 of 2,000 from a third, paid (1,000 refused: assumed), I4 of 3,000
    from a fourth, open (2,000 refused: nobody can know). An order of 100 without tax never was invoiced: 113."""
    amounts = {"I1": 1500.0, "I2": 600.0, "I3": 2000.0, "I4": 3000.0}
    rows = [
        invoice(name, f"C{name[1]}", issued="2024-07-02", due="2024-08-31", amount=amount) | {"order_id": f"O{name[1]}"}
        for name, amount in amounts.items()
    ]
    old = invoice("I0", "C9", issued="2024-05-02", due="2024-06-30", amount=10.0) | {"order_id": "O0"}
    orders = [
        {"order_id": f"O{k}", "customer_id": f"C{k or 9}", "ordered_on": day, "amount": amount, "tax_included": taxed}
        for k, day, amount, taxed in (
            (0, "2024-05-01", 10.0, True), (1, "2024-07-01", 1500.0, True), (2, "2024-07-01", 600.0, True),
            (3, "2024-07-01", 2000.0, True), (4, "2024-07-01", 3000.0, True), (5, "2024-07-10", 100.0, False),
        )
    ]  # fmt: skip
    paid = [payment(f"P{k}", f"C{k}", paid="2024-08-01", amount=amounts[f"I{k}"]) for k in (2, 3)]
    matches = [allocation(f"P{k}", f"I{k}", "2024-08-01", amounts[f"I{k}"]) for k in (2, 3)]
    lost = [{"invoice_id": "I1", "written_off_on": "2024-08-20", "amount": 1500.0}]
    book = ledger.read(
        write_ledger(invoices=[old, *rows], payments=paid, allocations=matches, orders=orders, write_offs=lost)
    )
    policy = changed(baseline, trial={"first_limit": 1000.0}, holds={"utilisation": 1.0, "partial_release": True})
    run = backtest.replay(book, policy, start=pd.Timestamp("2024-07-01"), end=pd.Timestamp("2024-08-31"))
    table = evidence(book, run, policy)
    assert table["known"].dropna().tolist() == [500.0]
    assert table["assumed"].dropna().tolist() == [1000.0, 1000.0 + 600 + 1000 + 1000]
    assert table["unknowable"].dropna().tolist() == [2000.0, 113.0]
    assert table[["known", "assumed", "unknowable"]].iloc[:4].sum().sum() == sum(amounts.values())


def test_top_movers_say_why_and_what_is_known_adds_up(sample):
    run = backtest.champion_challenger(sample, baseline, tighter)
    top = run.movers.head(50)
    for side, made in (("a", run.a), ("b", run.b)):
        refused = made.invoices[made.invoices["sales_lost"] > 0].groupby(["customer_id", "reason"])["sales_lost"].sum()
        for row in top.itertuples():
            reason = getattr(row, f"reason_{side}")
            assert (reason == "") == (getattr(row, f"refused_{side}") == 0)
            if reason:
                assert refused[row.customer_id, reason] == refused[row.customer_id].max()
        known = run.evidence[run.evidence["policy"] == made.policy].iloc[:4]
        total = known[["known", "assumed", "unknowable"]].sum().sum()
        assert total == pytest.approx(made.invoices["amount"].sum(), abs=0.05)
    assert run.evidence["unknowable"].iloc[4] == run.evidence["unknowable"].iloc[9] > 0
