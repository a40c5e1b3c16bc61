import numpy as np
import pandas as pd
import pytest

from credit_lab import history, ledger, synthetic
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
    # Day 240. Paid on the due date: 23 invoices of C1, 21 of C2, each after 4 days in the band from -15, 4 in that from
    # -5 and 2 in that from -1. Open: one of C1, due today (10 days at risk), and one of C2, due on day 220 (30 days at
    # risk: 3 in the band from -1, 4 from 2, 10 from 6, 5 from 16). 480 days at risk in all; half a payment for each
    # band at the usual hazard of 44 / 480.
    book = steady(write_ledger)
    names, none = pd.Series(["C1", "C2"], dtype="str"), pd.Series(dtype="datetime64[us]")
    found = silence._signs_of(book, START + pd.Timedelta(days=240), none, names, 0.1, 30.0)
    at, lent = found.number.tolist().index(1), 0.5 / (44 / 480)
    early, late = 0.5 / (46 * 4 + lent), 44.5 / (44 * 2 + 2 + 3 + lent)
    after = [0.5 / (4 + lent), 0.5 / (10 + lent), 0.5 / (5 + lent)]
    wait = 4 * early + 4 * early + 2 * late
    usual = {"C1": 24 * wait, "C2": 22 * wait + late + 4 * after[0] + 10 * after[1] + 5 * after[2]}
    beyond = sum((n - usual[c]) ** 2 - usual[c] for c, n in (("C1", 23), ("C2", 21))) / sum(
        h**2 for h in usual.values()
    )
    assert beyond < 0.005  # the two pay as regularly as chance would have it, so the prior weighs 200 payments
    habit = (21 + 200) / (usual["C2"] + 200)
    # hazards of the one invoice today and on the days before: ages 20 to 16, 15 to 6, 5 to 2, 1 to -1, -2 to -5, -6 ...
    by_day = np.repeat([after[2], after[1], after[0], late, early], [5, 10, 4, 3, 8])
    rate = (22 + 1) / (240 + 1 / (46 / 480))  # invoices a day; 240 days since the first
    ratio = [ratio_of_orders(rate, 30, u, 30.0) for u in range(1, 31)]
    odds = 0.1 / 365 * (np.exp(habit * np.cumsum(by_day)) * ratio).sum()
    assert np.exp(found.odds[at]) == pytest.approx(odds, rel=1e-6)
    assert found.late[at]
    assert found.since[at, 29] == pytest.approx(1.0)  # no more than thirty days ago: that day it paid


def ratio_of_orders(rate, quiet, failed, later):
    """Likelihood of `quiet` days without an order after the last one, had the customer failed so many days ago and
    gone on ordering for exponential `later` days, over that of a living one; by adding up over the days it stopped."""
    step = 0.001
    stop = np.arange(step / 2, 60 * later, step)  # days after the failure
    last = failed - quiet  # the last order, in days after the failure
    possible = stop > last
    empty = np.clip(stop, max(last, 0), failed) - max(last, 0)  # days in which there might have been an order
    chance = np.exp(-stop / later) / later * step * np.where(possible, np.exp(-rate * empty), 0.0)
    return chance.sum() / np.exp(-rate * (failed - max(last, 0)))


@pytest.mark.parametrize(("quiet", "failed"), [(10, 40), (40, 10), (25, 25), (0, 30)])
def test_ratio_of_the_orders_seen(quiet, failed):
    found = silence._order_ratio(np.array([0.1]), np.array([float(quiet)]), 30.0, np.arange(1, 61)[None, :])
    assert np.exp(found[0, failed - 1]) == pytest.approx(ratio_of_orders(0.1, quiet, failed, 30.0), rel=1e-4)


def test_odds_are_trusted_as_far_as_they_were_right():
    # Logits doubled and shifted by one before the draw: both come back, leaning on the prior a little.
    rng = np.random.default_rng(5)
    odds, late = rng.normal(-1, 1.5, 40_000), rng.random(40_000) < 0.5
    died = rng.random(40_000) < 1 / (1 + np.exp(-(2 * odds + np.where(late, 1.0, -0.5))))
    assert silence._trusted(odds, late, died) == pytest.approx([2.0, -0.5, 1.0], abs=0.1)


def test_orders_after_a_failure_counted_by_hand(write_ledger):
    # C2 has failed on day 181, say: invoices since on days 190, 200 and 210; before it 19 in 181 days.
    failed = pd.Series([START + pd.Timedelta(days=181)], index=["C2"])
    found = evidence.orders_after(steady(write_ledger), START + pd.Timedelta(days=240), failed)
    assert found == pytest.approx((3, 19 / 181))


def test_chances_add_up_to_the_failures_that_became_known_later():
    """Failures known at the end of the data against what silence said on days on which nobody knew."""
    said, right, came = 0.0, 0.0, 0
    for seed in range(4):
        made = synthetic.generate(Firm(change=Change.none()), seed)
        book = Ledger(
            made.tables, pd.DataFrame(), pd.DataFrame(), "s", pd.DataFrame(columns=["start", "end", "reason"])
        )
        end = pd.Timestamp("2025-12-31")
        past = history.build(book, end)
        later = evidence.failures(book, end, past)
        names = pd.Series(sorted(book.customers["customer_id"]), dtype="str")
        for date in ("2024-06-30", "2024-12-31", "2025-03-31"):
            now = pd.Timestamp(date)
            failed = evidence.failures(book, now, past)
            found = silence.silent(book, now, past, failed, names, 0.035, 50.0)
            said += found.chance.sum()
            dead = (later.reindex(names.iloc[found.customer]) <= now).to_numpy()
            came, right = came + int(dead.sum()), right + found.chance[dead].sum()
    assert came >= 15
    assert 0.7 < said / came < 1.3
    assert right / said > 0.25  # those named are the ones that failed: one in fifty of all that owe has


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


def test_a_customer_that_pays_once_a_week_has_not_failed_on_the_sixth_day(write_ledger):
    """Ten invoices a day, due after a week, all that is due paid on Fridays: forty open ones are nothing strange."""
    rows, payments, matched = [], [], []
    for k in range(207):
        friday = k + 7 + (4 - (START + pd.Timedelta(days=k + 7)).day_of_week) % 7
        for n in range(10):
            rows.append(invoice(f"I{k}-{n}", "C1", day(k), day(k + 7), 100.0))
            if friday <= 200:
                matched.append(allocation(f"P{friday}", f"I{k}-{n}", day(friday), 100.0))
    for friday in {int(one["payment_id"][1:]) for one in matched}:
        total = 100.0 * sum(one["payment_id"] == f"P{friday}" for one in matched)
        payments.append(payment(f"P{friday}", "C1", day(friday), total))
    book = ledger.read(write_ledger(invoices=rows, payments=payments, allocations=matched))
    thursday = START + pd.Timedelta(days=max(int(one["payment_id"][1:]) for one in payments) + 6)
    names, none = pd.Series(["C1"], dtype="str"), pd.Series(dtype="datetime64[us]")
    found = silence.silent(book, thursday, history.build(book, thursday), none, names, 0.03, 45.0)
    assert found.chance.max() < 0.01
