import numpy as np
import pandas as pd
import pytest

from credit_lab import ledger, synthetic
from credit_lab.ledger import Ledger
from credit_lab.simulation import evidence, silence
from credit_lab.simulation.silence import Silent
from credit_lab.simulation.world import WAITS, draw_waits
from credit_lab.synthetic import Change, Firm
from tests.ledgers import allocation, invoice, payment

START = pd.Timestamp("2024-01-01")


def day(number):
    return f"{START + pd.Timedelta(days=number):%Y-%m-%d}"


def steady(write_ledger):
    """C1 and C2 buy and pay every ten days, each invoice ten days after its issue; C2 stops both after day 200."""
    bought = [("C1", k) for k in range(0, 240, 10)] + [("C2", k) for k in range(0, 211, 10)]
    rows = [invoice(f"{who}-{k}", who, day(k), day(k + 10), 100.0) for who, k in bought]
    paid = [(who, k) for who, k in bought if k + 10 <= (230 if who == "C1" else 210)]
    payments = [payment(f"P-{who}-{k}", who, day(k + 10), 100.0) for who, k in paid]
    matched = [allocation(f"P-{who}-{k}", f"{who}-{k}", day(k + 10), 100.0) for who, k in paid]
    return ledger.read(write_ledger(invoices=rows, payments=payments, allocations=matched))


def test_odds_of_a_failure_worked_by_hand(write_ledger):
    # Day 240: C2 was last seen on day 210, 30 days ago, with an invoice and a receipt. All gaps are ten days, so S is
    # nearly one below ten days and nearly nought from there on. Receipts: C1 22 gaps (days 10 to 230), C2 20; invoices:
    # C1 23 gaps, C2 21. A failure u days after the sign: nine of the thirty days have u below ten.
    book = steady(write_ledger)
    names, none = pd.Series(["C1", "C2"], dtype="str"), pd.Series(dtype="datetime64[us]")
    found = silence._signs_of(book, START + pd.Timedelta(days=240), none, names, 0.1)
    at = found.number.tolist().index(1)
    short = (42 + 0.5) / 43 * (44 + 0.5) / 45
    long = 0.5 / 43 * 0.5 / 45
    assert found.odds[at] == pytest.approx(0.1 / 365 * (9 * short + 21 * long) / long, rel=1e-12)
    assert found.late[at]
    # the failure lies 21 to 29 days back nearly for certain: column k holds failures up to k + 1 days ago
    assert found.since[at, 20] < 0.01
    assert found.since[at, 29] == pytest.approx(1.0)


def test_chances_add_up_to_the_failures_that_became_known_later():
    """Failures known at the end of the data against what silence said on days on which nobody knew."""
    said, came = 0.0, 0
    for seed in range(4):
        made = synthetic.generate(Firm(change=Change.none()), seed)
        book = Ledger(
            made.tables, pd.DataFrame(), pd.DataFrame(), "s", pd.DataFrame(columns=["start", "end", "reason"])
        )
        later = evidence.failures(book, pd.Timestamp("2025-12-31"))
        names = pd.Series(sorted(book.customers["customer_id"]), dtype="str")
        for date in ("2024-06-30", "2024-12-31", "2025-03-31"):
            now = pd.Timestamp(date)
            failed = evidence.failures(book, now)
            found = silence.silent(book, now, failed, names, 0.035)
            said += found.chance.sum()
            came += int((later.reindex(names.iloc[found.customer]) <= now).sum())
    assert came >= 15
    assert 0.4 < said / came < 1.5  # it errs on the quiet side: those that fail slow down before, in ways of their own


def test_failed_days_are_drawn_by_chance_and_day():
    some = Silent(np.array([1, 3]), np.array([0.25, 0.9]), np.array([[0.0, 0.5, 1.0], [1.0, 1.0, 1.0]]))
    assert some.failed_days(5, None).tolist() == [0, 0, 0, 1, 0]
    drawn = np.array([some.failed_days(5, np.random.default_rng(seed)) for seed in range(2000)])
    assert (drawn[:, 1] > 0).mean() == pytest.approx(0.25, abs=0.03)
    assert (drawn[:, 1][drawn[:, 1] > 0] == 2).mean() == pytest.approx(0.5, abs=0.07)
    assert (drawn[:, 3] > 0).mean() == pytest.approx(0.9, abs=0.03)
    assert set(drawn[:, [0, 2, 4]].ravel()) == {0}


def test_waits_follow_the_hazards_and_never_end_in_the_past():
    # No write-off before day 120, 1 % a day until 240, nearly at once from then on: the share that waits beyond 240 is
    # exp(−1.2) = 0.301.
    hazard = np.array([0.0, 0.01, 1.0, 1.0])
    fresh = np.concatenate([draw_waits(1, r, np.zeros(500, dtype=np.int64), hazard, WAITS) for r in range(20)])
    assert fresh.min() > 120
    assert (fresh > 240).mean() == pytest.approx(0.301, abs=0.02)
    assert draw_waits(1, 0, np.full(500, 200), hazard, WAITS).min() > 200
