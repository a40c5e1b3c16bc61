"""Roll rates, vintages, chain ladder, Markov allowance, provision matrix: published and hand-worked figures."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from credit_lab import aging, ledger
from credit_lab.aging import provision, roll_rates, vintage
from credit_lab.errors import LedgerError, PeriodError, PolicyError
from tests.ledgers import allocation, invoice, paid_in_full, payment

LAST = pd.Timestamp("2025-12-31")

# Taylor & Ashe (1983), Journal of Econometrics 23, 37-61; incremental claims as printed in Mack (1993), cumulated here.
TAYLOR_ASHE = [
    [357848, 766940, 610542, 482940, 527326, 574398, 146342, 139950, 227229, 67948],
    [352118, 884021, 933894, 1183289, 445745, 320996, 527804, 266172, 425046],
    [290507, 1001799, 926219, 1016654, 750816, 146923, 495992, 280405],
    [310608, 1108250, 776189, 1562400, 272482, 352053, 206286],
    [443160, 693190, 991983, 769488, 504851, 470639],
    [396132, 937085, 847498, 805037, 705960],
    [440832, 847631, 1131398, 1063269],
    [359480, 1061648, 1443370],
    [376686, 986608],
    [344014],
]


def test_mack_reproduces_the_published_standard_errors():
    rows = [np.cumsum(row).tolist() + [np.nan] * (10 - len(row)) for row in TAYLOR_ASHE]
    found = vintage.mack(pd.DataFrame(rows))
    # Mack (1993), table on p. 221: reserves and standard errors in thousands
    reserves = [0, 95, 470, 710, 985, 1419, 2178, 3920, 4279, 4626]
    errors = [0, 76, 122, 134, 261, 411, 558, 875, 971, 1363]
    assert (found.ultimate["reserve"] / 1000).round().tolist() == reserves
    assert (found.ultimate["standard_error"] / 1000).round().tolist() == errors
    assert round(found.total_reserve / 1000) == 18_681
    assert round(found.total_standard_error / 1000) == 2_447
    assert found.factors.round(4).tolist()[:3] == [3.4906, 1.7473, 1.4574]


def test_mack_equals_chainladder_on_a_made_triangle():
    known = json.loads((Path(__file__).parent / "references" / "mack_reference.json").read_text())
    found = vintage.mack(pd.DataFrame(known["cumulative"], dtype="float64"))
    assert found.ultimate["reserve"].tolist() == pytest.approx(known["reserve"], rel=1e-9)
    assert found.ultimate["standard_error"].tolist() == pytest.approx(known["standard_error"], rel=1e-9)
    assert found.total_standard_error == pytest.approx(known["total_standard_error"], rel=1e-9)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.iloc[:2, :2], "at least three origins"),
        (lambda t: t.assign(**{"1": [1.0, 2.0, 3.0]}), "filled down to its diagonal"),
        (lambda t: t * 0, "above zero"),
    ],
)
def test_mack_refuses_what_is_no_triangle(change, words):
    good = pd.DataFrame([[1.0, 2, 3], [1, 2, np.nan], [1, np.nan, np.nan]], columns=["0", "1", "2"])
    vintage.mack(good)
    with pytest.raises(PeriodError, match=words):
        vintage.mack(change(good))


def test_markov_allowance_of_a_textbook_store():
    # Heidman's department store (Anderson, Sweeney & Williams, Quantitative Methods for Business, Markov processes):
    # NR = [[.89, .11], [.74, .26]]; of 1,000 and 2,000 outstanding 2,370 are paid and 630 lost.
    shares = pd.DataFrame(
        [[0.3, 0.3, 0.4, 0.0], [0.3, 0.1, 0.4, 0.2]],
        index=["0-30", "31-90"], columns=["0-30", "31-90", "paid", "written_off"],
    )  # fmt: skip
    found = roll_rates.markov_allowance(shares, pd.Series({"0-30": 1000.0, "31-90": 2000.0}))
    assert found.absorption.round(2).to_numpy().tolist() == [[0.89, 0.11], [0.74, 0.26]]
    assert round(found.allowance, -1) == 630
    # N = [[.9, .3], [.3, .7]] / .54, so a unit of the first bucket is lost with .3 × .2 / .54 = 1/9
    assert found.absorption.loc["0-30", "written_off"] == pytest.approx(1 / 9)


def test_markov_refuses_rows_that_do_not_add_up_and_traps():
    labels = ["a", "b"]
    bad = pd.DataFrame([[0.5, 0, 0.4, 0], [0, 0, 1, 0]], index=labels, columns=[*labels, "paid", "written_off"])
    with pytest.raises(PeriodError, match="add up to one"):
        roll_rates.markov_allowance(bad, pd.Series({"a": 1.0}))
    trap = pd.DataFrame([[1.0, 0, 0, 0], [0, 0, 1, 0]], index=labels, columns=[*labels, "paid", "written_off"])
    with pytest.raises(PeriodError, match="never left"):
        roll_rates.markov_allowance(trap, pd.Series({"a": 1.0}))


def test_transitions_by_hand(write_ledger):
    # Due 9 Feb. 31 Jan not due 100+50; 29 Feb (20 days): I1 100 -> 1-30, I2 paid; 31 March (51 days): 40 left in 31-60.
    book = ledger.read(
        write_ledger(
            invoices=[invoice(), invoice("I2", amount=50.0)],
            payments=[payment(amount=50.0, paid="2024-02-15"), payment("P2", amount=60.0, paid="2024-03-10")],
            allocations=[allocation(on="I2", amount=50.0), allocation("P2", amount=60.0, day="2024-03-10")],
            write_offs=[{"invoice_id": "I1", "written_off_on": "2024-04-10", "amount": 30.0}],
        )
    )
    found = roll_rates.transitions(book, pd.date_range("2024-01-31", "2024-04-30", freq="ME"))
    assert found.amounts.loc["not_due", ["1-30", "paid"]].tolist() == [100.0, 50.0]
    assert found.amounts.loc["1-30", ["31-60", "paid"]].tolist() == [40.0, 60.0]
    assert found.amounts.loc["31-60", ["61-90", "written_off", "paid"]].tolist() == [10.0, 30.0, 0.0]
    assert found.shares.loc["31-60", "written_off"] == 0.75
    flow = roll_rates.net_flow(aging.series(book, pd.date_range("2024-01-31", "2024-03-31", freq="ME")))
    assert flow.loc[0, "not_due"] == pytest.approx(100 / 150)
    assert flow.loc[1, "1-30"] == pytest.approx(0.4)


def test_transitions_of_the_sample_keep_every_cent(sample):
    ends = pd.date_range("2023-01-31", "2025-12-31", freq="ME")
    found = roll_rates.transitions(sample, ends)
    series = aging.series(sample, ends)
    labels = list(found.amounts.index)
    np.testing.assert_allclose(found.amounts.sum(axis=1), series[labels].iloc[:-1].sum(), atol=0.01)
    lost = sample.tables["write_offs"]
    assert found.amounts["written_off"].sum() <= lost.loc[lost["amount"] > 0, "amount"].sum() + 0.01
    assert (found.amounts.to_numpy() >= 0).all()


def test_vintages_by_hand_and_against_the_series(write_ledger, sample):
    book = ledger.read(
        write_ledger(
            invoices=[invoice(), invoice("I2", issued="2024-02-10", due="2024-03-11", amount=200.0)],
            payments=[payment(amount=60.0)],
            allocations=[allocation(amount=60.0)],
            write_offs=[{"invoice_id": "I1", "written_off_on": "2024-03-15", "amount": 10.0}],
        )
    )
    found = vintage.vintages(book, pd.Timestamp("2024-03-31"), months=3)
    assert found.sales.tolist() == [100.0, 200.0, 0.0]
    assert found.open.iloc[0].tolist() == pytest.approx([1.0, 0.4, 0.3])
    assert found.open.iloc[1].tolist()[:2] == [1.0, 1.0]
    assert np.isnan(found.open.iloc[1, 2])
    assert found.lost.iloc[0].tolist() == pytest.approx([0.0, 0.0, 0.1])
    whole = vintage.vintages(sample, LAST, months=36)
    latest = sum(whole.open.iloc[row, 35 - row] * whole.sales.iloc[row] for row in range(36))
    assert latest == pytest.approx(aging.series(sample, [LAST])["open"].iloc[0])
    with pytest.raises(PeriodError, match="need a month end"):
        vintage.vintages(sample, pd.Timestamp("2025-12-30"))


def test_provision_vectors():
    # Golden vectors: one cohort of 100,000, and IFRS 9 illustrative example 12 (rates and balances in the standard).
    rates = [0.02, 0.04, 2 / 23, 0.25, 1.0]
    buckets = ["a", "b", "c", "d", "e"]

    def matrix(balances, rates, **options):
        rows = pd.DataFrame({"group": "all", "bucket": buckets, "open": balances})
        return provision.allowance(rows, pd.DataFrame({"group": "all", "bucket": buckets, "rate": rates}), **options)

    found = matrix([300_000.0, 140_000, 60_000, 23_000, 5_000], rates)
    assert found["allowance"].round().tolist() == [6000, 5600, 5217, 5750, 5000]
    assert round(found["allowance"].sum()) == 27_567
    standard = matrix([15e6, 7.5e6, 4e6, 2.5e6, 1e6], [0.003, 0.016, 0.036, 0.066, 0.106])
    assert standard["allowance"].tolist() == pytest.approx([45e3, 120e3, 144e3, 165e3, 106e3])
    assert standard["allowance"].sum() == pytest.approx(580e3)
    assert matrix([1.0] * 5, [0.9] * 5, overlay=1.5)["rate"].tolist() == [1.0] * 5
    apart = matrix([0.0] * 5, [0.1] * 5, individual=pd.DataFrame({"name": ["C1"], "open": [50.0], "rate": [0.6]}))
    assert apart.iloc[-1][["group", "bucket", "allowance"]].tolist() == ["individual", "C1", 30.0]
    with pytest.raises(PolicyError, match="no loss rate for group 'all', bucket 'c'"):
        matrix([1.0] * 5, [0.1, 0.1, np.nan, 0.1, 0.1])


def test_observed_loss_rates_by_hand(write_ledger):
    # On 31 March I1 100 is 51 days late and I2 300 is not due; 60 of I1 are lost on 1 Sept, 10 come back in October.
    book = ledger.read(
        write_ledger(
            invoices=[invoice(), invoice("I2", issued="2024-03-10", due="2024-04-30", amount=300.0)],
            payments=[payment("P2", paid="2025-05-02", amount=300.0, invoice_id="I2")],
            write_offs=[
                {"invoice_id": "I1", "written_off_on": "2024-09-01", "amount": 60.0},
                {"invoice_id": "I1", "written_off_on": "2024-10-01", "amount": -10.0},
            ],
        )
    )
    found = provision.observed_rates(book, pd.DatetimeIndex(["2024-03-31"])).set_index("bucket")["rate"]
    assert found["31-60"] == pytest.approx(0.5)
    assert found["not_due"] == 0.0
    assert np.isnan(found["61-90"])
    with pytest.raises(PeriodError, match="not all known"):
        provision.observed_rates(book, pd.DatetimeIndex(["2025-03-31"]))


def test_a_backtest_with_the_rates_that_happened_is_exact(sample):
    day = pd.Timestamp("2024-12-31")
    rates = provision.observed_rates(sample, pd.DatetimeIndex([day]))
    found = provision.backtest(sample, day, rates)
    assert found["difference"].abs().max() < 0.01
    with pytest.raises(PolicyError, match="no loss rate for bucket '1-30', which held a balance"):
        provision.backtest(sample, day, rates[rates["bucket"] != "1-30"])
    by_group = provision.observed_rates(sample, pd.DatetimeIndex([day]), by="region")
    assert by_group["lost"].sum() == pytest.approx(found["lost"].sum(), abs=0.05)


def test_disputed_days_can_be_frozen(write_ledger):
    # Due 9 Feb; disputed 20 Feb - 10 March (19 days) and 1 - 15 March (overlapping: 5 more) -> 24 of the 51 days.
    disputes = [("D1", "2024-02-20", "2024-03-10"), ("D2", "2024-03-01", "2024-03-15")]
    book = ledger.read(
        write_ledger(
            invoices=[invoice()],
            payments=[payment(amount=1.0)],
            disputes=[
                {"dispute_id": name, "invoice_id": "I1", "opened_on": opened, "closed_on": closed, "amount": 5.0}
                for name, opened, closed in disputes
            ],
        )
    )
    day = pd.Timestamp("2024-03-31")
    plain, frozen = (aging.open_items(book, day, freeze_disputed=choice).iloc[0]["days"] for choice in (False, True))
    assert (plain, frozen) == (51, 51 - 24)
    open_dispute = aging.open_items(book, pd.Timestamp("2024-03-05"), freeze_disputed=True)
    assert open_dispute.iloc[0]["days"] == 25 - 14
    without = dataclasses.replace(book, tables={name: book.tables[name] for name in book.tables if name != "disputes"})
    with pytest.raises(LedgerError, match="frozen aging of disputed items needs the table 'disputes'"):
        aging.open_items(without, day, freeze_disputed=True)


def test_disputed_days_before_an_instalment_is_due_take_nothing_from_its_age(write_ledger):
    # Disputed 1 Feb - 1 March; the part due 1 Feb (121 days late on 1 June) is 29 of them late, the part due 1 May
    # (31 days late) none.
    book = ledger.read(
        write_ledger(
            invoices=[invoice()],
            payments=[payment(amount=1.0)],
            instalments=[
                {"invoice_id": "I1", "due_date": "2024-02-01", "amount": 60.0},
                {"invoice_id": "I1", "due_date": "2024-05-01", "amount": 40.0},
            ],
            disputes=[
                {
                    "dispute_id": "D1",
                    "invoice_id": "I1",
                    "opened_on": "2024-02-01",
                    "closed_on": "2024-03-01",
                    "amount": 5.0,
                }
            ],
        )
    )
    items = aging.open_items(book, pd.Timestamp("2024-06-01"), freeze_disputed=True)
    assert items.loc[items["kind"] == "invoice", "days"].tolist() == [121 - 29, 31]


def test_known_by_shows_what_was_believed_then(write_ledger):
    book = ledger.read(
        write_ledger(
            invoices=[{**invoice(), "known_on": "2024-01-10"}],
            payments=[{**payment(), "known_on": "2024-03-05"}],
            allocations=[{**allocation(), "known_on": "2024-03-05"}],
        )
    )
    day = pd.Timestamp("2024-02-29")
    assert aging.open_items(book, day)["open_amount"].sum() == 0
    then = book.known_by(pd.Timestamp("2024-03-01"))
    assert aging.open_items(then, day)["open_amount"].tolist() == [100.0]


def test_revaluation_by_hand(write_ledger):
    # USD 100 booked on 10 Jan at 7.0, CNY 50; closing rate 7.2: 720 against 700.
    book = ledger.read(
        write_ledger(
            invoices=[invoice(currency="USD"), invoice("I2", amount=50.0)],
            payments=[payment(amount=0.01, paid="2024-12-31")],
        )
    )
    rates = pd.DataFrame({"day": pd.to_datetime(["2024-01-01", "2024-02-15"]), "currency": "USD", "rate": [7.0, 7.2]})
    table = aging.revaluation(book, pd.Timestamp("2024-02-29"), rates, "CNY").set_index("currency")
    assert table.loc["USD", ["open", "book", "closing", "difference"]].tolist() == [100.0, 700.0, 720.0, 20.0]
    assert table.loc["total", ["book", "closing", "difference"]].tolist() == [750.0, 770.0, 20.0]
    with pytest.raises(LedgerError, match="no rate of USD to CNY on or before 2024-01-10"):
        aging.revaluation(book, pd.Timestamp("2024-02-29"), rates.iloc[1:], "CNY")


def test_the_grouped_dso_bridge_adds_up_to_the_cent_day(sample):
    from credit_lab import kpi

    before, now = pd.Timestamp("2024-12-31"), LAST
    for column in ("region", "industry", "group_id"):
        flows = kpi.by_segment(sample, now, column)
        table = kpi.dso_bridge(flows, before, now)
        whole = kpi.monthly(sample, now)
        ends = [kpi.window(whole[whole["month"] <= day]) for day in (before, now)]
        change = [one["balance"] / one["sales"] * one["days"] for one in ends]
        assert table["total"].iloc[-1] == pytest.approx(change[1] - change[0], abs=1e-6)
        parts = table.loc[table.index[-1], ["terms", "delinquency", "calendar", "mix"]].sum()
        assert parts == pytest.approx(change[1] - change[0], abs=1e-6)
    with pytest.raises(PeriodError, match="no month end of these flows"):
        kpi.dso_bridge(flows, pd.Timestamp("2024-12-30"), now)


def test_books_that_end_earlier_give_the_same_past(sample):
    cut = pd.Timestamp("2024-09-30")
    short = sample.up_to(cut)
    assert short.invoices["issue_date"].max() <= cut
    for day in (cut, pd.Timestamp("2024-03-31")):
        pd.testing.assert_frame_equal(aging.open_items(short, day), aging.open_items(sample, day))


def test_the_loss_record_of_the_sample_and_of_a_young_ledger(sample, write_ledger):
    from credit_lab import policy as policies
    from credit_lab import studies

    rules = policies.load("data/policies/2025-baseline.toml")
    found = studies.losses.losses(sample, rules, LAST)
    # No invoice more than a year late had been followed for a year by the end of 2024: such balances count as lost.
    assert found.notes == ("Backtest of the allowance: no rate was observed for >365; taken as 100 %.",)
    oldest = found.backtest.set_index("bucket").loc[">365"]
    assert oldest["allowance"] == oldest["open"] > 0
    assert found.allowance["open"].sum() == pytest.approx(aging.series(sample, [LAST])["open"].iloc[0])
    assert 0 < found.allowance["allowance"].sum() < found.allowance["open"].sum()
    assert found.bridge["total"].iloc[-1] == pytest.approx(found.bridge["total"].iloc[:-1].sum())
    assert set(found.tables()) >= {"losses_allowance", "losses_transitions", "losses_bridge"}
    none = pd.DataFrame(columns=["invoice_id", "written_off_on", "amount"])
    settled, paid, full = paid_in_full()
    rows = [invoice(), settled]
    book = ledger.read(
        write_ledger(invoices=rows, payments=[payment(paid="2024-03-20"), paid], allocations=[full], write_offs=none)
    )
    young = studies.losses.losses(book, rules, pd.Timestamp("2024-02-29"))
    assert young.allowance.empty
    assert any("Provision matrix: less than a year" in note for note in young.notes)
