"""Holds by hand: who holds a limit, which one stands, what the exposure is, in every currency."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from credit_lab import history, ledger, limits
from credit_lab import policy as policies
from credit_lab.monitoring import contracts, holds, positions, signals
from credit_lab.policy import in_currency
from credit_lab.rules.standing import StandingError
from credit_lab.studies import evidence
from tests.ledgers import allocation, invoice, paid_in_full, payment

BASELINE = policies.load("data/policies/2025-baseline.toml")


def limit(holder, begin, amount, end="", reason="review"):
    return {
        "customer_id": holder,
        "valid_from": begin,
        "valid_to": end,
        "credit_limit": amount,
        "reason": reason,
    }


def placed(number, customer, day, amount, taxed=True):
    return {
        "order_id": number,
        "customer_id": customer,
        "ordered_on": day,
        "amount": amount,
        "tax_included": taxed,
    }


def asked(*pairs):
    rows = [(customer, pd.Timestamp(day)) for customer, day in pairs]
    return pd.DataFrame(rows, columns=["customer_id", "day"])


# ---------------------------------------------------------------- limits
def test_the_limit_of_a_hold_is_the_one_that_stands(write_ledger):
    """A: 100,000 lasting and 30,000 temporary in June. B: 50,000 for good, 80,000 in March alone.
    C ran out in May, D never had one; E and F share their group's 9,000, whatever E's own says."""
    made = ledger.read(
        write_ledger(
            customers=[{"customer_id": w, "group_id": "G" if w in "EF" else ""} for w in "ABCDEF"],
            invoices=[invoice(customer=who, number=f"I{who}") for who in "ABCDEF"],
            payments=[payment(customer="A")],
            limits=[
                limit("A", "2025-01-01", 100_000),
                limit("A", "2025-06-01", 30_000, "2025-06-30", "temporary: fair"),
                limit("B", "2024-01-01", 50_000),
                limit("B", "2025-03-01", 80_000, "2025-03-31", "project"),
                limit("C", "2024-01-01", 7_000, "2025-05-31"),
                limit("G", "2024-01-01", 9_000),
                limit("E", "2025-01-01", 1_000),
            ],
        )
    )
    question = asked(
        ("A", "2025-05-31"),
        ("A", "2025-06-01"),
        ("A", "2025-06-30"),
        ("A", "2025-07-01"),
        ("B", "2025-03-31"),
        ("B", "2025-04-01"),
        ("C", "2025-05-31"),
        ("C", "2025-06-01"),
        ("D", "2025-06-01"),
        ("E", "2025-06-01"),
        ("F", "2025-06-01"),
    )
    found = positions.position(made, BASELINE, question)
    nan = float("nan")
    expected = [1e5, 1.3e5, 1.3e5, 1e5, 8e4, 5e4, 7e3, nan, nan, 9e3, 9e3]
    np.testing.assert_array_equal(found["credit_limit"], expected)
    assert found["limit_valid"].tolist() == [True] * 7 + [False] + [True] * 3
    assert found["exposure"].tolist() == [0.0] * 4 + [100.0] * 5 + [200.0] * 2
    table = limits.exposure(made, "2025-06-01").set_index("customer_id")
    np.testing.assert_array_equal(table["credit_limit"], [1.3e5, 5e4, nan, nan, 9e3, 9e3])


def test_a_group_within_a_group_is_refused_by_holds(write_ledger):
    circle = [{"customer_id": c, "group_id": g} for c, g in (("A", "B"), ("B", "C"), ("C", "C"))]
    made = ledger.read(
        write_ledger(
            customers=circle,
            invoices=[invoice(customer="A")],
            payments=[payment(customer="A")],
            limits=[limit("C", "2024-01-01", 9)],
        )
    )
    with pytest.raises(StandingError, match="name the topmost group"):
        positions.position(made, BASELINE, asked(("A", "2024-06-01")))


def decided(**changes):
    """One order of 100 of a customer who owes nothing, with a limit of 1,000."""
    row = {
        "order_id": "O",
        "customer_id": "A",
        "amount": 100.0,
        "open": 0.0,
        "overdue": 0.0,
        "late_old": 0.0,
        "late_share": 0.0,
        "exposure": 0.0,
        "credit_limit": 1000.0,
        "limit_valid": True,
        "contract": True,
        "alert": "",
    }
    policy = changes.pop("policy", BASELINE)
    return holds.decide(pd.DataFrame([row | changes]), policy).iloc[0]


def test_a_limit_that_never_was_is_not_one_that_ran_out():
    nan = float("nan")
    never, ended = decided(credit_limit=nan), decided(credit_limit=nan, limit_valid=False)
    assert [never["decision"], ended["decision"]] == ["hold", "hold"]
    assert [never["reasons"], ended["reasons"]] == ["no limit", "limit expired"]
    lenient = holds.with_holds(BASELINE, expired_limit=False)
    ended = decided(credit_limit=nan, limit_valid=False, policy=lenient)
    assert [ended["decision"], ended["reasons"]] == ["hold", "no limit"]
    assert decided(credit_limit=np.inf)["decision"] == "release"  # nobody keeps limits
    full = decided(exposure=1050.0)
    assert full["reasons"] == "exposure with the order above 110% of the limit"
    # who may sign the exposure of 100 lets it go; what has run out needs the level above
    order = [level.approver for level in BASELINE.authority.levels]
    ended = decided(credit_limit=nan, limit_valid=False)
    assert order.index(ended["release_by"]) == order.index(never["release_by"]) + 1


@pytest.mark.parametrize(
    ("currency", "amount", "most", "exposure", "released"),
    [
        ("JPY", 40.0, 35.0, 0.0, 39.0),  # 38.5 yen are 39: there is no half of one
        ("KWD", 1.0, 0.333, 0.1, 0.266),  # 366.3 - 100 thousandths
        ("CNY", 1.0, 0.33, 0.1, 0.26),  # 36.3 - 10 hundredths
    ],
)
def test_a_part_is_released_in_minor_units(currency, amount, most, exposure, released):
    policy = in_currency(BASELINE, currency, {"CNY": 1.0})
    found = decided(policy=policy, amount=amount, credit_limit=most, exposure=exposure)
    assert found["decision"] == "partial"
    assert found["released"] == released
    assert found["released"] + found["held"] == pytest.approx(amount, abs=1e-12)


# ---------------------------------------------------------------- exposure
def delivered(number, day, order="O1", left=""):
    """An invoice of 700 to A for an order."""
    named = {"order_id": order, "delivered_on": left}
    return invoice(number, "A", issued=day, due="2025-12-31", amount=700.0) | named


def test_orders_and_deliveries_count_and_the_order_asked_about_does_not(write_ledger):
    """O1 of 700 is placed on May 2, leaves on May 10, is invoiced on May 12 and paid on July 1 (not
    yet matched); O2 of 100 without tax, 113 with it, is placed on June 1 and never delivered: it
    counts for ninety days, to August 30. 50 is unapplied from the beginning."""
    settled, paid, full = paid_in_full(day="2025-01-10")
    made = ledger.read(
        write_ledger(
            customers=[{"customer_id": "A"}, {"customer_id": "S"}],
            invoices=[delivered("I1", "2025-05-12", left="2025-05-10"), settled],
            payments=[
                payment("P0", "A", "2025-01-01", 50.0),
                payment("P1", "A", "2025-07-01", 700.0),
                paid,
            ],
            allocations=[full],
            orders=[
                placed("O1", "A", "2025-05-02", 700),
                placed("O2", "A", "2025-06-01", 100, taxed=False),
            ],
            limits=[limit("A", "2025-01-01", 600)],
        )
    )
    taxed = BASELINE.economics.model_copy(update={"tax_rate": 0.13})
    policy = BASELINE.model_copy(update={"economics": taxed})
    days = {
        "2025-05-02": -50,
        "2025-05-03": 650,
        "2025-05-11": 650,
        "2025-05-13": 650,
        "2025-06-02": 763,
        "2025-07-02": 63,
        "2025-08-31": 63,
        "2025-09-01": -50,
    }
    question = asked(*(("A", day) for day in days))
    found = positions.position(made, policy, question)
    assert found["exposure"].tolist() == list(days.values())
    # without O1: its order, its delivery and its invoice are not held against it; the cash is there
    alone = positions.position(made, policy, question.assign(order_id="O1"))
    assert alone["exposure"].tolist() == [-50, -50, -50, -50, 63, -637, -637, -750]
    assert alone["open"].tolist() == [0.0] * 8
    over = contracts.over_limit(made, "2025-05-01", "2025-05-31", tax_rate=0.13)
    assert over[["document_id", "value", "amount"]].iloc[0].tolist() == ["I1", 650.0, 50.0]
    assert len(over) == 1
    past = history.build(made, pd.Timestamp("2025-06-30"))
    used = signals.build(made, past, tax_rate=0.13).table.set_index(["month", "customer_id"])["utilisation"]
    assert used["2025-06-30", "A"] == pytest.approx(763 / 600)


def test_an_invoice_does_not_hold_back_its_own_order(write_ledger):
    """O1 of 700 does not fit the limit of 500 on May 2; from May 20 on the limit is 1,000, found at
    the third look, on May 23. Counted against it, its own invoice of May 12 would hold it for ever:
    1,400 do not fit 1,100."""
    made = ledger.read(
        write_ledger(
            customers=[{"customer_id": "A"}],
            invoices=[delivered("I1", "2025-05-12")],
            payments=[payment("P0", "A", "2025-12-31", 1.0)],
            orders=[placed("O1", "A", "2025-05-02", 700)],
            limits=[limit("A", "2025-01-01", 500), limit("A", "2025-05-20", 1000)],
        )
    )
    found = holds.replay_holds(made, BASELINE, "2025-05-01", "2025-05-31").orders
    columns = ["decision", "released", "days_held", "capped"]
    assert found[columns].iloc[0].tolist() == ["partial", 550.0, 21.0, False]


# ---------------------------------------------------------------- evidence
def test_evidence_names_the_limit_that_stands_and_what_of_it_is_temporary(sample):
    """C-0001 has 140,000 from April 2025 on; here 30,000 more in June."""
    rows = sample.tables["limits"]
    last = rows[rows["customer_id"] == "C-0001"].iloc[[-1]]
    began, ended = pd.Timestamp("2025-06-01"), pd.Timestamp("2025-06-30")
    june = last.assign(
        valid_from=began,
        valid_to=ended,
        credit_limit=30_000.0,
        reason="temporary: fair",
    )
    tables = sample.tables | {"limits": pd.concat([rows, june], ignore_index=True)}
    made = dataclasses.replace(sample, tables=tables)
    said = evidence.evidence(made, BASELINE, "C-0001", began + pd.Timedelta(days=14)).lines
    assert "was 170,000.00 CNY, since 2025-04-01" in said[0]
    assert said[1] == "30,000.00 CNY of it is temporary."
    after = evidence.evidence(made, BASELINE, "C-0001", ended + pd.Timedelta(days=15)).lines
    assert "was 140,000.00 CNY, since 2025-04-01" in after[0]
    assert not any("temporary" in line for line in after)


# ---------------------------------------------------------------- contracts
def test_an_older_contract_that_still_runs_covers(write_ledger):
    """K1 runs to the end of 2026; K2, signed later, ended in March: in April K1 covers. In June the
    term approved is that of the lasting limit, 30 days, not of the temporary one."""
    rows = [limit("A", "2025-01-01", 900), limit("A", "2025-06-01", 50, "2025-06-30", "temporary")]
    made = ledger.read(
        write_ledger(
            customers=[{"customer_id": "A"}],
            invoices=[
                invoice("I1", "A", issued="2025-04-10", due="2025-05-10"),
                invoice("I2", "A", issued="2025-06-10", due="2025-08-10"),
            ],
            payments=[payment(customer="A")],
            contracts=[
                {"contract_id": name, "customer_id": "A", "signed_on": signed, "valid_to": end}
                for name, signed, end in (
                    ("K1", "2024-01-01", "2026-12-31"),
                    ("K2", "2025-01-01", "2025-03-31"),
                )
            ],
            limits=[row | {"term_days": term} for row, term in zip(rows, (30, 90), strict=True)],
        )
    )
    found = contracts.check(made, "2025-04-01", "2025-06-30")
    kinds = found.groupby("check")["document_id"].apply(list).to_dict()
    assert "missing_contract" not in kinds
    assert kinds["unreviewed_contract"] == ["K1"]
    assert kinds["term_over_approval"] == ["I2"]
    known = positions.position(made, BASELINE, asked(("A", "2025-04-10"), ("A", "2027-01-01")))
    assert known["contract"].tolist() == [True, False]


# ---------------------------------------------------------------- as the exposure table says
WHO = {"C0": "G1", "C1": "G1", "C2": "G2", "C3": "G2", "C4": "G3", "C5": "", "C6": "", "C7": ""}
START = pd.Timestamp("2024-01-01")


def drawn_books(rng, write_ledger):
    """A random ledger: groups G1 and G2 with limits of their own, G3 without; orders invoiced and
    not, deliveries before their invoice, part payments matched and not; lasting, temporary and
    ended limits; C7 has none."""

    def later(day, high):
        return day + pd.Timedelta(days=int(rng.integers(0, high)))

    def money(low, high):
        return f"{rng.integers(low, high) / 100:.2f}"

    orders, invoices, payments, allocations, limits_ = [], [], [], [], []
    for n in range(60):
        customer, ordered = str(rng.choice(list(WHO))), later(START, 300)
        amount = money(10**4, 10**5)
        orders.append(placed(f"O{n}", customer, ordered, amount, bool(rng.random() < 0.7)))
        if rng.random() < 0.2:
            continue
        left = later(ordered, 120)
        issued = later(left, 9)
        due = issued + pd.Timedelta(days=30)
        known = {"order_id": f"O{n}", "delivered_on": left if rng.random() < 0.8 else ""}
        invoices.append(invoice(f"I{n}", customer, issued, due, amount) | known)
        if rng.random() < 0.8:
            paid, part = later(issued, 90), money(10**3, 10**4)
            payments.append(payment(f"P{n}", customer, paid, part))
            if rng.random() < 0.7:
                allocations.append(allocation(f"P{n}", f"I{n}", later(paid, 20), part))
    for holder in ("G1", "G2", "C4", "C5", "C6"):
        for reason in ("review", "review", "temporary, season"):
            begin = later(START, 300)
            end = later(begin, 200) if rng.random() < 0.7 else ""
            limits_.append(limit(holder, begin, money(10**4, 5 * 10**5), end, reason))
    folder = write_ledger(
        customers=[{"customer_id": who, "group_id": group} for who, group in WHO.items()],
        invoices=invoices,
        payments=payments,
        allocations=allocations,
        orders=orders,
        limits=limits_,
    )
    return ledger.read(folder)


def test_a_hold_sees_the_exposure_and_limit_of_the_exposure_table(write_ledger):
    rng = np.random.default_rng(5)
    tax = BASELINE.economics.tax_rate
    seen = []
    for _ in range(3):
        book = drawn_books(rng, write_ledger)
        first = (book.invoices["issue_date"].min() - START).days + 2
        days = [START + pd.Timedelta(days=int(k)) for k in rng.choice(range(first, 420), 8, False)]
        question = asked(*((who, day) for day in days for who in WHO))
        found = positions.position(book, BASELINE, question)
        for day, rows in found.groupby("day"):
            before = limits.exposure(book, day - pd.Timedelta(days=1), tax_rate=tax)
            now = limits.exposure(book, day, tax_rate=tax)
            np.testing.assert_array_equal(rows["customer_id"], before["customer_id"])
            np.testing.assert_array_equal(rows["exposure"], before["holder_exposure"])
            np.testing.assert_array_equal(rows["open"], before["receivables"])
            np.testing.assert_array_equal(rows["credit_limit"], now["credit_limit"])
            valid = rows["limit_valid"].to_numpy()
            seen.append(before.assign(limit=now["credit_limit"], valid=valid))
    table = pd.concat(seen)
    for name in ("delivered", "open_orders", "unapplied"):
        assert (table[name] > 0).any(), name
    assert table["limit"].isna().any()
    assert not table["valid"].all()
