"""The twin on odd ledgers: gaps, empty books, many invoices paid at a time, policies under which nothing is sold."""

import numpy as np
import pandas as pd
import pytest

from credit_lab import aging, history, ledger, limits, money, rules
from credit_lab import policy as policies
from credit_lab.figures import twin as figures_twin
from credit_lab.simulation import (
    Outcome,
    SimulationError,
    Span,
    calibrate,
    compare,
    of_policy,
    past,
    silence,
    simulate,
)
from credit_lab.simulation.search import search
from credit_lab.studies import twin
from tests.ledgers import allocation, invoice, payment
from tests.test_simulation import made_world

baseline = policies.load("data/policies/2025-baseline.toml")
tighter = policies.load("data/policies/2025-tighter.toml")
AS_OF = pd.Timestamp("2024-12-31")


def firm(write_ledger, bought, paid_after=20, **tables):
    """Customers with an invoice of 1,000.00 on each of the days of `bought`, paid so many days later, if before the
    as-of date."""
    rows, paid, matched = [], [], []
    for k, (who, day) in enumerate(bought):
        issued, due, then = (day + pd.Timedelta(days=more) for more in (0, 30, paid_after))
        rows.append(invoice(f"I{k}", who, f"{issued:%Y-%m-%d}", f"{due:%Y-%m-%d}", 1000.0))
        if then <= AS_OF:
            paid.append(payment(f"P{k}", who, f"{then:%Y-%m-%d}", 1000.0))
            matched.append(allocation(f"P{k}", f"I{k}", f"{then:%Y-%m-%d}", 1000.0))
    return ledger.read(write_ledger(invoices=rows, payments=paid, allocations=matched, **tables))


def days(first, last, every, names=("C1", "C2", "C3")):
    return [(who, day) for who in names for day in pd.date_range(first, last, freq=f"{every}D")]


def test_two_years_without_an_invoice(write_ledger):
    book = firm(write_ledger, days("2021-06-01", "2022-03-01", 6) + days("2024-07-01", "2024-12-20", 6))
    learned = calibrate(book, baseline, AS_OF)
    made = simulate(learned.draw(4, seed=1), learned.as_it_was(baseline), Span(AS_OF, 90, 0), seed=1, replicates=4)
    assert np.isfinite(made.totals["turnover"]).all()
    assert (learned.evidence.silent.chance < 0.1).all()


def test_nothing_open_and_columns_without_a_value(write_ledger):
    people = [{"customer_id": f"C{k}", "industry": "", "region": "N" if k == 1 else ""} for k in (1, 2, 3)]
    book = firm(write_ledger, days("2024-01-01", "2024-12-01", 5), customers=people)
    learned = calibrate(book, baseline, AS_OF)
    assert len(learned.world.opening.amount) == 0
    assert set(learned.world.customers.segments["region"]) == {"N", ""}
    assert set(learned.world.customers.segments["industry"]) == {""}


def chance_of(book, as_of):
    names, none = pd.Series(["BIG", "C1", "C2", "C3"], dtype="str"), pd.Series(dtype="datetime64[us]")
    now = pd.Timestamp(as_of)
    found = silence.silent(book, now, history.build(book, now), none, names, 0.01, 45.0)
    return float(found.chance[found.customer == 0][0])


def test_who_pays_many_invoices_at_a_time_is_silent_in_between(write_ledger):
    """BIG gets forty invoices every second Monday and pays them together on a Monday three weeks later; ten days
    without an order or a receipt are nothing odd; a hundred are."""
    mondays = pd.date_range("2023-09-04", "2024-12-23", freq="14D")
    big = [("BIG", day) for day in mondays for _ in range(40)]
    book = firm(write_ledger, big + days("2023-09-01", "2024-12-20", 7), paid_after=21)
    last = book.payments.loc[book.payments["customer_id"] == "BIG", "paid_date"].max()
    assert chance_of(book, "2024-12-09") < 0.01  # paid on that day
    for date in ("2024-12-10", "2024-12-15", "2024-12-19"):
        assert chance_of(book, date) < 0.02
    assert last == pd.Timestamp("2024-12-30")
    assert chance_of(book, "2025-04-10") > 5 * chance_of(book, "2024-12-19")


def test_a_weekend_without_receipts_says_nothing(write_ledger):
    """Everyone buys and pays on each working day: the odds on a Sunday are those of Friday, two more days of risk."""
    working = [("BIG", day) for day in pd.date_range("2024-01-01", "2024-12-11", freq="B")]
    book = firm(write_ledger, working + days("2024-01-01", "2024-12-01", 7), paid_after=21)
    assert silence._closed(book, pd.Timestamp("2024-11-24")) == 2
    assert silence._closed(book, pd.Timestamp("2024-11-22")) == 0
    friday, sunday = (silence._signs_of(book, pd.Timestamp(day), pd.Series(dtype="datetime64[us]"),
                                        pd.Series(["BIG"], dtype="str"), 0.01, 1e6).odds[0]
                      for day in ("2024-11-22", "2024-11-24"))  # fmt: skip
    assert sunday - friday == pytest.approx(np.log(2), abs=0.05)


# ---- nothing sold --------------------
def test_worlds_without_sales_are_left_out_of_shares():
    world = made_world(3, rate=0.002)  # two or three orders in a quarter; none in some worlds
    rules, span = of_policy(baseline, world.customers).scaled(1e6).with_(steps=0, overdue_days=10**6), Span(days=90)
    a = simulate(world, rules, span, seed=1, replicates=30)
    b = simulate(world, rules.scaled(0).with_(name="none"), span, seed=1, replicates=30)
    known = a.totals["bad_debt_expected"].notna()
    assert 0 < known.sum() < 30
    table = compare(a, a).table.set_index("measure")
    assert table.loc["bad_debt_expected", "a"] == pytest.approx(a.totals["bad_debt_expected"].mean())
    assert table.loc["bad_debt_expected", "difference"] == 0
    nothing = compare(a, b).table.set_index("measure").loc["turnover"]
    assert nothing["a"] == pytest.approx(a.totals["turnover"].mean())
    assert nothing[["b", "difference", "low"]].isna().all()
    lines = twin._against(compare(a, b), a.name, b.name, "CNY")
    assert lines[1] == (
        "none against 2025-baseline: receivables turnover cannot be compared; nothing is sold on credit under none."
    )
    monthly = pd.concat([twin.months(made) for made in (a, b)])
    figures = (figures_twin.futures_chart(monthly, currency="CNY", source="s"),
               figures_twin.difference_chart(b.totals, b.totals, source="s"))  # fmt: skip
    said = [[one.get_text() for one in (figure._suptitle, *figure.texts) if one is not None] for figure in figures]
    assert not any("nan" in text for texts in said for text in texts)
    assert isinstance(b, Outcome)


def test_any_number_of_candidates():
    world = made_world(5)
    rules = of_policy(baseline, world.customers)
    found = search(world, rules, {"hold_days": (1, 120)}, Span(days=20), seed=1, candidates=5, replicates=2)
    assert len(found) == 5


def test_two_policies_of_one_id_are_refused(sample):
    with pytest.raises(SimulationError, match="both policies have the id 2025-baseline"):
        twin.twin(sample, [baseline, baseline], AS_OF)


def test_what_a_review_in_the_twin_sees_grades_as_the_ledger_does(sample):
    """Payments and overdue items by month, added up as the kernel does, give the payment index of the history table
    and the policy's grades, for every customer on the books."""
    past_rows = history.build(sample, AS_OF)
    last = past_rows[past_rows["month"] == AS_OF].set_index("customer_id")
    known = past.learned(sample, past_rows, AS_OF, last.index)
    items = aging.open_items(sample, AS_OF)
    late = items[(items["kind"] == "invoice") & (items["days"] > 0)]
    cents = money.to_minor(late["open_amount"], "CNY")
    overdue = pd.Series(cents, index=late.index).groupby(late["customer_id"]).sum().reindex(last.index).fillna(0)
    carried = pd.Series(cents * late["days"], index=late.index).groupby(late["customer_id"]).sum()
    weight = known.paid[:, -12:].sum(axis=1) + overdue
    days = known.paid_days[:, -12:].sum(axis=1) + carried.reindex(last.index).fillna(0)
    index = rules.grades.payment_index((days / weight.where(weight > 0)).to_numpy())
    np.testing.assert_allclose(index, last["payment_index"], rtol=1e-12)
    names = [one.grade for one in baseline.grades.scale]
    mine = rules.grades.grade(rules.grades.grades(baseline), index, -1 - known.since)
    wanted = rules.grades.grade_of(baseline, last["payment_index"], last["months_on_book"])
    assert [names[k] for k in mine] == wanted.tolist()
    first = of_policy(baseline, calibrate(sample, baseline, AS_OF).world.customers)
    proposed = limits.propose(past_rows, baseline, AS_OF).set_index("customer_id")
    people = calibrate(sample, baseline, AS_OF).world.customers
    shown = pd.DataFrame({"limit": first.limit / 100, "grade": first.grade}, index=people.names)
    both = shown.join(proposed[["credit_limit", "grade"]].rename(columns={"grade": "name"}), how="inner")
    assert len(both) > 250
    assert (both["limit"] == both["credit_limit"]).all()
    assert [names[k] for k in both["grade"]] == both["name"].tolist()
