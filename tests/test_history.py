from unittest import mock

import numpy as np
import pandas as pd
import pytest

from credit_lab import history, ledger
from credit_lab import policy as policies
from credit_lab.ledger import model
from credit_lab.payment_behaviour import payment_index
from credit_lab.rules import default
from tests.ledgers import allocation, invoice, paid_in_full, payment


def test_a_hand_worked_customer(write_ledger):
    # I1 100, due 9 Feb, paid 9 March (29 days late). I2 300, due 16 March, never paid, written off 1 Sept.
    book = ledger.read(
        write_ledger(
            invoices=[invoice(), invoice("I2", issued="2024-02-15", due="2024-03-16", amount=300.0)],
            payments=[payment(paid="2024-03-09")],
            allocations=[allocation(day="2024-03-09")],
            write_offs=[{"invoice_id": "I2", "written_off_on": "2024-09-01", "amount": 300.0}],
        )
    )
    table = history.build(book, pd.Timestamp("2025-08-31")).set_index("month")
    march = table.loc["2024-03-31"]
    assert (march["open"], march["overdue"], march["max_dpd"], march["receipts"]) == (300.0, 300.0, 15.0, 100.0)
    # (100 × 29 + 300 × 15) / 400 = 18.5 days beyond terms; between 15 -> 70 and 22 -> 60: 65
    assert march["days_beyond_terms_12m"] == pytest.approx(18.5)
    assert march["payment_index"] == pytest.approx(65.0)
    assert march["paid_late_share_12m"] == 1.0
    assert march["high_credit"] == 400.0
    assert march["months_on_book"] == 2
    assert march["next_3m_max_dpd"] == 106  # 30 June: 106 days after 16 March
    assert march["next_12m_written_off"] == 300.0
    # More than 90 days past due from 30 June on, but 300 is no material amount, written off or not.
    assert not table[["impaired", "failed"]].to_numpy().any()
    assert table.loc["2024-08-31", "overdue_90"] == 300.0
    assert table.loc["2024-09-30", ["open", "max_dpd", "written_off_12m"]].tolist() == [0.0, 0.0, 300.0]
    assert table["next_12m_failed"].isna().tolist() == [False] * 8 + [True] * 12
    assert table["next_3m_impaired"].isna().tolist() == [False] * 17 + [True] * 3


def months(table, customer, column):
    """ "0" and "1" by month end from January 2024 on."""
    rows = table[table["customer_id"] == customer]
    assert rows["month"].iloc[0] == pd.Timestamp("2024-01-31")
    return "".join("01"[bool(value)] for value in rows[column])


def big(number, customer, amount, **more):
    """Issued 10 January 2024, due 9 February: 91 days late on 10 May, 181 days late on 8 August."""
    return invoice(number, customer, amount=amount, **more)


def test_two_events_by_hand(write_ledger):
    late = pd.Timestamp("2025-06-30")
    paid = [
        payment("P1", "OLD", "2024-12-15", 9_000.0),
        payment("P2", "ONCE", "2024-06-15", 9_000.0),
        payment("P3", "LOST", "2025-03-05", 14_000.0),
        payment("P4", "LARGE", "2024-06-03", 995_000.0),
    ]
    book = ledger.read(
        write_ledger(
            invoices=[
                big("I1", "OLD", 9_000.0), big("I2", "ONCE", 9_000.0), big("I3", "SMALL", 4_000.0),
                big("I4", "SHARE", 5_000.0), big("I5", "SHARE", 495_000.0, due="2026-01-01"),
                big("I6", "ARGUED", 9_000.0), big("I7", "LOST", 20_000.0, due="2025-12-31"),
                big("I8", "REST", 20_000.0, due="2025-12-31"),
                big("I9", "BROKE", 9_000.0, due="2025-12-31"),
                big("IA", "LARGE", 1_000_000.0, due="2025-12-31"),
            ],
            payments=paid,
            allocations=[
                allocation("P1", "I1", "2024-12-15", 9_000.0),
                allocation("P2", "I2", "2024-06-15", 9_000.0),
                allocation("P3", "I7", "2025-03-05", 14_000.0),
                allocation("P4", "IA", "2024-06-03", 995_000.0),
            ],
            disputes=[
                {"dispute_id": "D1", "invoice_id": "I6", "opened_on": "2024-05-31",
                 "closed_on": "2024-07-31", "amount": 100.0},
                {"dispute_id": "D2", "invoice_id": "I6", "opened_on": "2024-06-15",
                 "closed_on": "2024-06-20", "amount": 100.0},
            ],
            write_offs=[
                {"invoice_id": "I7", "written_off_on": "2025-02-10", "amount": 20_000.0},
                {"invoice_id": "I7", "written_off_on": "2025-03-05", "amount": -14_000.0},
                {"invoice_id": "I8", "written_off_on": "2025-02-10", "amount": 4_000.0},
                {"invoice_id": "IA", "written_off_on": "2025-02-10", "amount": 5_000.0},
            ],
            facts=[
                {"customer_id": "BROKE", "attribute": "insolvency", "value": "listed",
                 "source": "public_registry", "observed_on": "2024-04-30"},
                {"customer_id": "REST", "attribute": "judgement_debtor", "value": "listed",
                 "source": "public_registry", "observed_on": "2024-04-30"},
            ],
        )
    )  # fmt: skip
    table = history.build(book, late)
    #      2024: JFMAMJJASOND 2025: JFMAMJ
    # 9,000 more than 90 days late from May to November: impaired from June, sound after three
    # month ends without (December to February); more than 180 days late from August to November.
    assert months(table, "OLD", "impaired") == "000001111111100000"
    assert months(table, "OLD", "failed") == "000000001111100000"
    assert "1" not in months(table, "ONCE", "impaired")  # late in May alone
    assert "1" not in months(table, "SMALL", "impaired")  # 4,000 is not more than 4,000
    assert "1" not in months(table, "SHARE", "impaired")  # 5,000 of 500,000 is not more than 1 %
    # Disputed at the ends of May and June, not on 31 July, the day it closed: late July, August.
    assert months(table, "ARGUED", "impaired") == "0" * 7 + "1" * 11
    assert months(table, "ARGUED", "failed") == "0" * 8 + "1" * 10
    assert months(table, "LOST", "failed") == "0" * 13 + "1" * 5  # a recovery does not undo it
    assert months(table, "LOST", "impaired") == "0" * 13 + "1" * 5  # who has failed is impaired
    assert "1" not in months(table, "REST", "failed")  # 4,000 given up, and bad news of another kind
    assert "1" not in months(table, "LARGE", "failed")  # 5,000 of once 1,000,000: less than 1 %
    assert months(table, "BROKE", "failed") == "000" + "1" * 15
    ahead = table[table["customer_id"] == "OLD"].set_index("month")
    assert ahead["next_3m_failed"].tolist()[:7] == [False] * 5 + [True] * 2
    assert ahead["next_12m_failed"].tolist()[:6] == [True] * 6
    assert ahead["next_12m_failed"].isna().sum() == 12
    with mock.patch.object(model, "PART", 1):  # facts are not divided into parts
        pd.testing.assert_frame_equal(history.build(book, late), table)


def test_events_are_those_of_the_policy(write_ledger):
    settled, paid, full = paid_in_full()
    rows = [big("I1", "C1", 9_000.0), settled]
    book = ledger.read(write_ledger(invoices=rows, payments=[payment(), paid], allocations=[full]))
    shipped = policies.load("data/policies/2025-baseline.toml")
    assert default.in_minor(shipped, "CNY") == default.in_minor(None, "CNY")
    told = {"impaired_days": 30, "month_ends": 1, "failed_days": 60}
    soon = shipped.model_copy(update={"default": shipped.default.model_copy(update=told)})
    table = history.build(book, pd.Timestamp("2024-12-31"), policy=soon)
    assert months(table, "C1", "impaired") == "00" + "1" * 10  # 31 March: 51 days late
    assert months(table, "C1", "failed") == "000" + "1" * 9  # 30 April: 81
    won = default.in_minor(shipped, "KRW")  # no rate: the amount is not known, the share decides
    assert (won.amount, won) == (0.0, default.in_minor(None, "KRW"))


def test_signals_never_use_what_came_later(sample):
    cut = pd.Timestamp("2024-06-30")
    whole = history.build(sample, pd.Timestamp("2025-12-31"))
    early = history.build(sample, cut)
    signals = [name for name in whole if not name.startswith("next_")]
    known = whole[whole["month"] <= cut].reset_index(drop=True)
    pd.testing.assert_frame_equal(known[signals], early[signals], rtol=1e-9, atol=1e-6)


def test_history_adds_up_to_the_ledger(sample):
    last = pd.Timestamp("2025-12-31")
    table = history.build(sample, last)
    from credit_lab import kpi

    flows = kpi.monthly(sample, last).set_index("month")
    sums = table.groupby("month")[["sales", "receipts", "open", "overdue", "exposure"]].sum()
    np.testing.assert_allclose(sums["exposure"], flows["balance"], atol=1e-4)
    np.testing.assert_allclose(sums[["sales", "receipts", "open", "overdue"]], flows[sums.columns[:4]], atol=1e-4)
    parts = table[["overdue", "overdue_30", "overdue_60", "overdue_90"]].to_numpy()
    assert (np.diff(parts, axis=1) <= 1e-6).all()
    assert ((table["max_dpd"] > 0) == (table["overdue"] > 0)).all()


def test_the_index_at_its_published_anchors():
    anchors = {-40: 100, -30: 100, -20: 90, 0: 80, 15: 70, 22: 60, 30: 50, 60: 40, 90: 30, 120: 20, 180: 0, 999: 0}
    assert payment_index(list(anchors)).tolist() == list(map(float, anchors.values()))
    assert np.isnan(payment_index([np.nan])).all()


def test_a_ledger_of_credit_notes_alone_has_a_history(write_ledger):
    book = ledger.read(write_ledger(invoices=[invoice(amount=-100.0)], payments=[payment()]))
    table = history.build(book, pd.Timestamp("2024-03-31"))
    assert table["max_dpd"].tolist() == [0, 0, 0]
    assert table["exposure"].tolist() == [-100.0, -200.0, -200.0]  # the note, then 100.00 received on top
