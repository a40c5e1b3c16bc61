import numpy as np
import pandas as pd
import pytest

from credit_lab import history, ledger
from credit_lab.payment_behaviour import payment_index
from tests.ledgers import allocation, invoice, payment


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
    assert bool(march["next_12m_default"])
    assert table.loc["2024-08-31", "overdue_90"] == 300.0
    assert table.loc["2024-09-30", ["open", "max_dpd", "written_off_12m"]].tolist() == [0.0, 0.0, 300.0]
    assert table["next_12m_default"].isna().tolist() == [False] * 8 + [True] * 12


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
