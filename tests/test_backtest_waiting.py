"""Held orders wait: by hand, against a slow reading of the rules, and the replay decides like the review."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from credit_lab import backtest, history, ledger, limits, synthetic
from credit_lab import policy as policies
from credit_lab.backtest import walk
from credit_lab.rules import holds
from tests.ledgers import allocation, invoice, payment
from tests.test_backtest_replay import changed

BASELINE = policies.load("data/policies/2025-baseline.toml")
DAY = pd.Timestamp


def outcomes(run):
    rows = run.invoices.set_index("invoice_id")
    return (
        rows[["delivered_at_once", "delivered_later", "sales_lost", "days_waited"]]
        .fillna(0)
        .astype(int)
        .T.to_dict("list")
    )


# ---------------------------------------------------------------- by hand
@pytest.fixture
def arrears(write_ledger):
    """I0 is due on 9 February and paid on 20 June; orders of 10 and 11 May meet it more than 90 days late."""
    days = ["2024-01-10", "2024-05-09", "2024-05-10", "2024-05-11", "2024-06-25"]
    rows = [
        invoice(f"I{k}", issued=day, due="2024-07-31" if k else "2024-02-08", amount=5000.0)
        for k, day in enumerate(days)
    ]

    def book(**more):
        return ledger.read(
            write_ledger(
                invoices=[row | {name: row["invoice_id"] == which for name, which in more.items()} for row in rows],
                payments=[payment(paid="2024-06-19", amount=5000.0)],
                allocations=[allocation(on="I0", day="2024-06-19", amount=5000.0)],
            )
        )

    return book


def held(book, **waits):
    policy = changed(
        BASELINE,
        holds={"overdue_share": 1.0, "overdue_days": 90, **waits},
        trial={"first_limit": 1e6, "stop_dpd": 3650},
    )
    return backtest.replay(book, policy, start=DAY("2024-05-01"), end=DAY("2024-08-31"))


def test_an_order_goes_out_when_the_hold_ends_within_its_days(arrears):
    # The payment of 19 June is known on the 20th. From 10 May to 20 June are 41 days, from 11 May 40.
    book = arrears()
    at_once, lost = [5000, 0, 0, 0], [0, 0, 5000, 0]
    assert outcomes(held(book, wait_days=0)) == {"I1": at_once, "I2": lost, "I3": lost, "I4": at_once}
    assert outcomes(held(book, wait_days=40)) == {"I1": at_once, "I2": lost, "I3": [0, 5000, 0, 40], "I4": at_once}
    run = held(book, wait_days=41)
    assert outcomes(run)["I2"] == [0, 5000, 0, 41]
    months = run.monthly.set_index(run.monthly["month"].dt.month)
    assert months["sales"].to_dict() == {5: 5000, 6: 15000, 7: 0, 8: 0}  # on the day of delivery
    assert months["delivered_later"].to_dict() == {5: 0, 6: 10000, 7: 0, 8: 0}
    # I1 and I4 are due on 31 July; I2 and I3 41 and 40 days later, on 10 and 9 September: not due on 31 August
    assert months.loc[8, ["open", "overdue"]].tolist() == [20000, 10000]
    short = held(book, wait_days=15).waits
    assert short["wait_days"].tolist() == [0, 15, 30, 60]
    assert short["orders_later"].tolist() == [0, 0, 0, 2]
    assert short["delivered_later"].tolist() == [0, 0, 0, 10000]
    assert short["orders_lost"].tolist() == [2, 2, 2, 0]
    assert short["sales"].tolist() == [10000, 10000, 10000, 20000]


def test_goods_made_to_order_wait_longer(arrears):
    run = held(arrears(custom_made="I2"), wait_days=15, wait_days_custom=45)
    assert outcomes(run)["I2"] == [0, 5000, 0, 41]
    assert outcomes(run)["I3"] == [0, 0, 5000, 0]


def trade(write_ledger, rows, paid, **settings):
    """Orders of July under a first limit of 1,000: number, day, amount; and payments: number, day."""
    old = invoice("I0", "C9", issued="2024-05-02", due="2024-06-30", amount=10.0)
    amounts = {name: amount for name, _, amount in rows}
    book = ledger.read(
        write_ledger(
            invoices=[old, *(invoice(n, "C1", f"2024-07-{d:02}", "2024-08-05", float(a)) for n, d, a in rows)],
            payments=[payment("P", "C9", "2024-06-20", 10.0)]
            + [payment(f"P{n}", "C1", f"2024-07-{d:02}", float(amounts[n])) for n, d in paid],
            allocations=[allocation("P", "I0", "2024-06-20", 10.0)]
            + [allocation(f"P{n}", n, f"2024-07-{d:02}", float(amounts[n])) for n, d in paid],
        )
    )
    policy = changed(
        BASELINE,
        trial={"first_limit": 1000.0, "step_invoices": 100, "stop_dpd": 365},
        holds={"utilisation": 1.0, "wait_days": 15, "min_overdue": 1e6, **settings},
    )
    return backtest.replay(book, policy, start=DAY("2024-07-01"), end=DAY("2024-08-31"))


def test_the_rest_waits_and_older_orders_go_first(write_ledger):
    # A: 800 of 1,000. B: 200 fit, 400 wait. C: 500 wait. On the 11th A is paid: from the 12th 200 are owed, 800 free:
    # 400 of B and 400 of C. On the 14th B is paid, both parts: 400 are owed, the last 100 of C go out after 9 days.
    rows, paid = [("A", 1, 800), ("B", 5, 600), ("C", 6, 500)], [("A", 11), ("B", 14)]
    run = trade(write_ledger, rows, paid)
    assert outcomes(run) == {"A": [800, 0, 0, 0], "B": [200, 400, 0, 7], "C": [0, 500, 0, 9]}
    assert run.monthly["sales"].tolist() == [1900, 0]
    assert run.monthly["receipts"].tolist() == [1400, 0]
    # C is due on 5 August and went out on the 12th and the 15th: due on the 11th and 14th
    assert run.monthly[["open", "overdue"]].to_numpy().tolist() == [[500, 0], [500, 500]]
    # Whole orders only: B on the 12th (then 600 are owed, C does not fit), C when B is paid.
    whole = trade(write_ledger, rows, paid, partial_release=False)
    assert outcomes(whole) == {"A": [800, 0, 0, 0], "B": [0, 600, 0, 7], "C": [0, 500, 0, 9]}


def test_what_history_paid_earlier_counts_on_delivery(write_ledger):
    # B waits for the payment of A on the 11th; history had paid B on the 8th: nothing of it is ever open here.
    run = trade(write_ledger, [("A", 1, 1000), ("B", 2, 1000), ("C", 13, 1000)], [("A", 11), ("B", 8)])
    assert outcomes(run) == {"A": [1000, 0, 0, 0], "B": [0, 1000, 0, 10], "C": [1000, 0, 0, 0]}
    assert run.monthly["receipts"].tolist() == [2000, 0]
    assert run.monthly["open"].tolist() == [1000, 1000]


def test_a_missing_contract_stops_until_one_is_signed(write_ledger):
    rows = [invoice("I0", "C9", issued="2024-05-02", due="2024-06-30", amount=10.0)]
    rows += [invoice(f"I{k}", "C1", f"2024-07-{k:02}", "2024-12-31", 10.0) for k in (1, 5, 20, 28)]
    signed = {"contract_id": "K", "customer_id": "C1", "signed_on": "2024-07-10", "valid_to": "2024-07-25"}
    matched = [allocation("P", "I0", "2024-06-30", 10.0)]
    paid = [payment("P", "C9", "2024-06-30", 10.0)]
    book = ledger.read(write_ledger(invoices=rows, payments=paid, allocations=matched, contracts=[signed]))
    policy = changed(BASELINE, holds={"missing_contract": True, "wait_days": 6})
    run = backtest.replay(book, policy, start=DAY("2024-07-01"), end=DAY("2024-08-31"))
    # From 1 July to the 10th are nine days, from the 5th five; on the 28th the contract has ended.
    assert outcomes(run) == {"I1": [0, 0, 10, 0], "I5": [0, 10, 0, 5], "I20": [10, 0, 0, 0], "I28": [0, 0, 10, 0]}
    why = run.invoices.set_index("invoice_id")["reason"].to_dict()
    assert why == {"I1": "no contract", "I5": "no contract", "I20": "granted", "I28": "no contract"}


@pytest.mark.parametrize("stops", [True, False])
def test_a_limit_runs_out_twelve_months_after_its_last_review(write_ledger, stops):
    """Reviews every 24 months: the limit of 31 January 2024 stands until 31 January 2025."""
    days = pd.date_range("2023-01-15", "2025-04-15", freq="31D")
    rows = [invoice(f"I{k}", "C1", f"{d:%F}", f"{d + pd.Timedelta(days=9):%F}", 100.0) for k, d in enumerate(days)]
    paid = [payment(f"P{k}", "C1", f"{d + pd.Timedelta(days=9):%F}", 100.0) for k, d in enumerate(days)]
    matched = [allocation(f"P{k}", f"I{k}", f"{d + pd.Timedelta(days=9):%F}", 100.0) for k, d in enumerate(days)]
    book = ledger.read(write_ledger(invoices=rows, payments=paid, allocations=matched))
    policy = changed(
        BASELINE,
        limits={"review_months": 24, "max_share_of_sales": 1.0, "rounding": 0.0},
        holds={"expired_limit": stops, "wait_days": 0},
    )
    run = backtest.replay(book, policy, start=DAY("2024-02-01"), end=DAY("2025-04-30"))
    after = run.invoices["issue_date"] > DAY("2025-01-31")
    assert after.sum() == 2
    expected = np.where(after & stops, "limit expired", "granted")
    assert run.invoices["reason"].tolist() == expected.tolist()


# ---------------------------------------------------------------- a slow reading, asking every day
def slow(book, limit, expires, wait, s):
    """The rules read from the docs: every waiting order is asked on every day."""
    at_once, settled = {}, dict.fromkeys(range(len(book.total)), 0)
    later = []
    for who in np.unique(book.customer):
        mine = np.flatnonzero(book.customer == who)
        parts, waiting, contracts = [], [], book.no_contracts  # parts: document, amount, due

        def left(one, amount):
            return amount - round(settled[one] * (amount / book.total[one]))

        def go(one, rest, today, column):
            open_ = [(left(d, a), today - 1 - due) for d, a, due in parts]  # noqa: B023
            owed = sum(x for x, _ in open_)
            over = [sum(x for x, past in open_ if x > 0 and past > days) for days in (0, s[0], s.share_after_days)]
            valid = today <= expires[who, column]  # noqa: B023
            why = holds.held(s, owed, *over, valid, contracts > 0, False)  # noqa: B023
            return int(holds.released(s, rest, holds.room(s, limit[who, column], owed), why))  # noqa: B023

        for today in range(book.begin - 50, book.end + 1):
            column = int(np.searchsorted(book.starts, today, side="right")) - 1
            events = [k for k in mine if book.day[k] == today]
            contracts += sum(book.minor[k] for k in events if book.kind[k] == walk.CONTRACTS)
            for entry in waiting:
                one, rest, ordered = entry
                if rest and today - ordered <= wait[one]:
                    out = go(one, rest, today, column)
                    if out:
                        entry[1] -= out
                        later.append((one, today, out))
                        parts.append((one, out, book.due[one] + today - ordered))
            for k in events:
                if book.kind[k] == walk.ORDER:
                    one = book.document[k]
                    out = book.total[one] if today < book.begin else go(one, book.total[one], today, column)
                    at_once[one] = out
                    parts.append((one, out, book.due[one]))
                    if today >= book.begin:
                        waiting.append([one, book.total[one] - out, today])
            for k in events:
                if book.kind[k] == walk.SETTLED:
                    settled[book.document[k]] -= book.minor[k]
    return [at_once.get(one, 0) for one in range(len(book.total))], sorted(later)


@example(660)  # history had paid a part of what goes out later: room is left for the day after
@given(st.integers(0, 10**9))
def test_the_walk_decides_like_a_slow_reading(seed):
    rng = np.random.default_rng(seed)
    documents, people = 14, 2
    issued = rng.integers(-40, 90, documents)
    owner = rng.integers(0, people, documents)
    total = rng.integers(1, 6, documents) * 100
    due = issued + rng.integers(0, 40, documents)
    rows = [(owner[k], k, total[k], walk.ORDER, issued[k]) for k in range(documents)]
    for k in range(documents):
        for part in rng.choice([0, 0, 1, 0.5], 2) * total[k] / 2:
            if part:
                rows.append((owner[k], k, -int(part), walk.SETTLED, issued[k] + rng.integers(0, 60)))
    rows += [(rng.integers(people), -1, 1, walk.CONTRACTS, rng.integers(-40, 30)) for _ in range(3)]
    rows = sorted((tuple(int(x) for x in row) for row in rows), key=lambda r: (r[0], r[4], r[3], r[1]))
    rows = [row for row in rows if row[4] <= 90]
    columns = [np.array(c, dtype=np.int64) for c in zip(*rows, strict=True)]
    starts = np.array([0, 30, 60], dtype=np.int64)
    book = walk.Book(*columns, total, due, np.zeros(documents, bool), starts, 0, 90, int(rng.integers(2)))
    limit = rng.integers(0, 12, (people, 3)) * 100.0
    expires = starts + rng.integers(10, 400, (people, 3))
    wait = rng.choice([0, 7, 20, 45], documents).astype(np.int64)
    s = holds.Holds(
        int(rng.integers(5, 40)), 0.1, float(rng.choice([0.2, 0.6])), int(rng.integers(0, 20)),
        float(rng.choice([0, 150])), float(rng.choice([1.0, 1.1])), *(bool(x) for x in rng.integers(0, 2, 3)),
    )  # fmt: skip
    at_once, why, later = walk.walk(book, limit, expires, wait, s)
    expected, after = slow(book, limit, expires, wait, s)
    assert at_once.tolist() == expected
    assert sorted(zip(*later.tolist(), strict=True)) == after
    went = at_once + np.bincount(later[0], later[2], documents).astype(int)
    assert (went <= total).all()
    assert ((why == walk.GRANTED) == (at_once == total))[np.isin(np.arange(documents), book.document)].all()
    nothing = walk.walk(book, limit, expires, np.zeros_like(wait), s)[2]
    assert nothing.shape[1] == 0


# ---------------------------------------------------------------- one decision
def same_decisions(book, policy, end):
    past = history.build(book, end)
    run = backtest.replay(book, policy, end=end, past=past)
    months = pd.DatetimeIndex(past["month"].unique())
    first = months[months < run.start][-1]
    reviews = months[months >= first][:: policy.limits.review_months]
    assert len(reviews) > 5
    for month in reviews:
        before = run.decisions[run.decisions["review_date"] < month]
        last = before.drop_duplicates("customer_id", keep="last")
        force = last[["customer_id", "credit_limit"]].assign(changed_on=last["review_date"])
        made = limits.review(past, policy, month, in_force=force).decisions
        made = made[made["change"] != "keep"].reset_index(drop=True)
        mine = run.decisions[run.decisions["review_date"] == month].reset_index(drop=True)
        pd.testing.assert_frame_equal(mine, made)
    return run


def test_the_replay_decides_like_the_review(sample):
    run = same_decisions(sample, BASELINE, DAY("2025-12-31"))
    between = run.decisions[~run.decisions["review_date"].dt.month.isin([1, 4, 7, 10])]
    # Between the reviews (the first is on 31 July) only what never waits: newcomers, trials, withdrawals.
    assert set(between["code"]) <= {"N1", "W1", "R1", "R2", "R3", "C1", "C2", "C3", "C4", "C5", "C6"}
    by_trial = between[between["code"].isin(["R1", "C1"])]
    assert len(by_trial) < 0.1 * len(run.decisions)


def test_the_replay_of_a_synthetic_firm_decides_like_the_review():
    made = synthetic.generate(synthetic.Firm(invoices=4000), 3)
    names = ("customers", "invoices", "payments", "allocations")
    nothing = pd.DataFrame()
    windows = pd.DataFrame({"start": pd.to_datetime([]), "end": pd.to_datetime([]), "reason": []})
    book = ledger.Ledger({n: made.tables[n] for n in names}, nothing, nothing, "synthetic", windows)
    end = book.invoices["issue_date"].max().replace(day=1) - pd.Timedelta(days=1)
    policy = changed(
        BASELINE, limits={"review_months": 2, "forecast_months": 6, "withdraw_after_months": 3, "min_months_between": 4}
    )
    run = same_decisions(book, policy, end)
    assert {"W1", "R2", "C6"} <= set(run.decisions["code"])
