"""The simulation at its edges: odd worlds and rules against the plain reference, and the mean of the expected loss."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from credit_lab import policy as policies
from credit_lab.simulation import Customers, Opening, Span, World, of_policy, past, simulate
from credit_lab.simulation.outcome import AT
from credit_lab.simulation.run import many, one
from credit_lab.simulation.world import draw_orders_after
from credit_lab.studies.twin import months
from tests.reference_simulator import simulate as reference
from tests.test_simulation import made_world, risk_of, with_books

baseline = policies.load("data/policies/2025-baseline.toml")


def odd_customers(rng, grades, days, number):
    grade, rate = rng.integers(0, grades, number), min(float(rng.choice([0, 0.05, 0.3, 1, 3])), 500 / number / days)
    return Customers(
        np.array([f"C{k}" for k in range(number)], object), grade, rng.integers(0, 3, number),
        pd.DataFrame({"grade": list("abc")}), rng.choice([rate, rate / 2, 0.0], number, p=[0.6, 0.3, 0.1]),
        rng.lognormal(rng.choice([2, 8, 12, 18]), 1, number), rng.choice([0.0, 0.6, 2.0], number),
        rng.choice([0.0, 0.05, 0.5, 20.0, 1e4], number), rng.random(number) < 0.5,
        joins=np.where(rng.random(number) < 0.3, rng.integers(0, days + 10, number), 0),
        failed_days=np.where(rng.random(number) < 0.2, rng.integers(1, 400, number), 0),
        habit=rng.choice([1e-3, 0.5, 1.0, 2.0, 1e3], number),
    )  # fmt: skip


def odd_world(rng, people, grades):
    levels, number, kinds = int(rng.choice([1, 2, 5, 8])), len(people.names), int(rng.choice([1, 2, 8]))
    hazard = rng.random((grades, levels, kinds)) * rng.choice([0.0, 1e-9, 0.03, 0.1, 0.2, 0.97])
    paydays, opening = rng.random(7) < 0.5, int(rng.integers(0, 4 * number))
    paydays[rng.integers(7)] = True
    books = Opening(
        np.sort(rng.integers(0, number, opening)), rng.integers(1, rng.choice([2, 10**4, 10**9]), opening),
        rng.integers(-400, 100, opening), rng.integers(0, 9, opening), rng.choice([0, 1, 25, 500], opening),
    )  # fmt: skip
    share = {name: float(rng.choice([0.0, 0.3, 1.0])) for name in ("dispute_share", "partial_share", "leave_share")}
    return World(
        people, hazard, np.sort(rng.choice(np.arange(-30, 120), kinds, replace=False)), rng.random(4),
        trend=float(rng.choice([-3.0, 0.0, 0.5])), weekday=np.array([2, 1, 1, 1, 1, 1, 0.0]), paydays=paydays,
        dispute_days=int(rng.choice([0, 1, 30, 200])), partial_first=float(rng.choice([0.0, 0.001, 0.5, 1.0])),
        discount_taken=np.full(grades, rng.choice([0.0, 0.3, 1.0])), recovery=float(rng.choice([0.0, 0.3, 1.0])),
        recovery_days=int(rng.choice([1, 5, 1000])), correlation=float(rng.choice([0.0, 0.9])),
        exits=[None, np.array([0.1, 0.01, 0.02, 0.03]), np.zeros(4)][rng.integers(3)],
        still_ordering=float(rng.choice([0.0, 0.001, 1.0, 20.0, 1e6])), opening=books, **share,
    )  # fmt: skip


def odd_past(rng, people):
    """Books of customers that are new, old, quiet, late, without a contract."""
    number = len(people.names)
    sold = rng.choice([0, 1, 10], (number, 36)) * np.rint(people.amount).astype(np.int64)[:, None]
    paid = rng.integers(0, 3, (number, 36)) * 1000
    since = rng.choice([past.NOT_YET, 0, -1, -3, -6, -40], number)
    return past.Past(
        np.where(since[:, None] < 0, sold, 0), paid, paid * rng.integers(-10, 90, (number, 36)),
        rng.choice([0.0, 0.0, 40.0], (number, 36)), rng.choice([0.0, 1e6], (number, 36)),
        rng.choice([np.nan, 20.0, 60.0, 81.0], number), since, np.maximum(since, rng.integers(-20, 0, number)),
        rng.integers(0, 12, number), rng.choice([-1, 20, past.NOT_YET], number),
        np.full(number, -1) if rng.random() < 0.7 else np.minimum(people.grade, 5),
    )  # fmt: skip


def odd_rules(rng, world):
    people, (grades, levels) = world.customers, world.hazard.shape[:2]
    number, stages = len(people.names), int(rng.integers(min(levels - 1, 1), levels))
    plain, grades = of_policy(baseline, replace(people, grade=np.minimum(people.grade, 5))), max(grades, 6)
    by_hand = rng.random() < 0.5
    if by_hand:
        plain = plain.with_(
            grade=people.grade, term=rng.choice([0, 1, 10, 30, 90], number),
            limit=np.rint(rng.choice([0, 0.1, 1, 3, 1e6], number) * people.amount).astype(np.int64),
        )  # fmt: skip
    return plain.with_(
        reviewed=bool(rng.random() < 0.8), discount=rng.choice([0.0, 0.02, 1.0], grades),
        discount_days=rng.choice([0, 1, 10, 200], grades), first=float(rng.choice([0.0, 1e3, 1e7])),
        step_factor=float(rng.choice([0.5, 1.0, 2.0])), steps=int(rng.integers(0, 4)), step_invoices=1,
        stop_dpd=float(rng.choice([1, 10, 30])), least=float(rng.choice([0, 1e5])),
        review_months=int(rng.choice([1, 2, 3, 14])), months_between=float(rng.choice([0, 1, 3])),
        min_change=float(rng.choice([0.0, 0.15, 0.5])), forecast_months=int(rng.choice([1, 3, 12, 36])),
        withdraw_after=int(rng.choice([1, 2, 12])), rounding=float(rng.choice([0, 100, 1e5])),
        growth=float(rng.choice([0.0, -0.5, 1.0])), share_of_sales=float(rng.choice([0.1, 1.0])),
        overdue_days=int(rng.choice([-5, 0, 5, 30, 10**6])), min_overdue=int(rng.choice([0, 1000, 10**6])),
        share_after_days=int(rng.choice([0, 3, 45, 10**6])), overdue_share=float(rng.choice([0.0, 0.2, 0.5])),
        min_overdue_share=float(rng.choice([0.0, 0.1, 0.9])), utilisation=float(rng.choice([0.0, 0.5, 1.1])),
        expired_limit=bool(rng.random() < 0.5), missing_contract=bool(rng.random() < 0.5),
        partial_release=bool(rng.random() < 0.5), capacity=int(rng.choice([0, 50, 200, 10**7])),
        first_days=np.sort(rng.choice(np.arange(1, 20), stages, replace=False)),
        repeat_days=rng.choice([1, 3, 10, 365], stages), min_amount=float(rng.choice([0, 1e4, 1e6])),
        pre_due_days=int(rng.choice([0, 3, 40])), hold_disputed=bool(rng.random() < 0.5),
        stage_minutes=rng.choice([0, 3, 15, 90], stages), stage_cost=rng.integers(0, 10**4, stages),
        write_off=int(rng.choice([1, 2, 30, 90, 10**6])), demand=rng.choice([0.0, 0.5, 1.0, 2.0], grades),
        insured=rng.random(number) < 0.4, factored=rng.random(number) < 0.4, recourse=bool(rng.random() < 0.5),
        insured_share=float(rng.choice([0.0, 0.9, 1.0])), advance=float(rng.choice([0.0, 0.7654, 1.0])),
        deductible=int(rng.choice([0, 1000, 10**6])), factor_cost=rng.choice([0.0, 0.02], grades),
    )  # fmt: skip


@pytest.mark.parametrize("part", range(4))
def test_odd_worlds_and_rules_agree_with_the_reference(part):
    """Hazards of nought, bands of one, a hundred grades, cents paid in two parts, discounts taken after the write-off,
    limits, terms and horizons of nothing, all orders disputed, failures within hours: the same integers."""
    acted = 0
    for seed in range(200 * part, 200 * part + 200):
        rng = np.random.default_rng(seed)
        grades, days = int(rng.choice([1, 2, 6, 100])), int(rng.choice([1, 31, 60, 90]))
        people = odd_customers(rng, grades, days + 10, int(rng.choice([1, 2, 3, 6, 10])))
        world = odd_world(rng, people, grades)
        if rng.random() < 0.7:
            world = replace(world, customers=replace(people, past=odd_past(rng, people)))
        rules, span = odd_rules(rng, world), Span(days=days, warm_up=int(rng.choice([0, 0, 1, 10])))
        risk = risk_of(world)
        risk = np.append(risk, np.full(max(6 - len(risk), 0), risk[-1]))
        found, expected, orders = one(world, rules, span, seed=seed, replicate=0, log=True)
        same, loss, invoices = reference(world, rules, span, seed=seed, replicate=0, risk=risk)
        wrong = {name: int((found - same)[:, :, k].sum()) for name, k in AT.items() if (found != same)[:, :, k].any()}
        assert wrong == {}, seed
        assert np.allclose(expected, loss, rtol=1e-9, atol=0.0), seed
        fates = orders.table[orders.table["granted"] > 0].sort_index()
        plain = pd.DataFrame(invoices, columns=["order", "rest", "closed", "level"]).sort_values("order")
        for name in ("rest", "closed", "level"):
            assert fates[name].tolist() == plain[name].tolist(), (seed, name)
        acted += int(found[:, :, AT["actions"]].sum() > 0)
    assert acted > 10


CASES = {
    "often": (1.0, 50.0, {}, {}),
    "books": (1.0, 20.0, {}, {"overdue_days": 5}),
    "covered": (0.5, 20.0, {"recovery_days": 5}, {"insured": np.ones(60, bool), "factored": np.ones(60, bool),
                                                 "recourse": False, "deductible": 0}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_expected_loss_has_the_mean_of_what_is_lost(case):
    """Failures so frequent and a span so short that a day too many at one end, or a rate taken for a chance, would
    show; each month for itself."""
    limits, rate, changes, other = CASES[case]
    world = replace(made_world(60), correlation=0.0, still_ordering=15.0, leave_share=0.1, **changes)
    if case == "books":
        world = replace(with_books(world, 1), leave_share=0.1)
    world = replace(world, customers=replace(world.customers, default_rate=np.full(60, rate)))
    rules, span = of_policy(baseline, world.customers).scaled(limits).with_(**other), Span(days=40, warm_up=0)
    found, expected = many(world, rules, span, seed=3, replicates=2000, chunk=100)
    share = 1 - world.recovery
    if case == "covered":  # the seller keeps what the factor did not advance and the insurer does not pay
        share *= (1 - rules.advance) * (1 - rules.insured_share)
    gap = (expected[..., 0] - share * found[..., AT["defaulted"]]).sum(axis=2)
    lost = share * found[..., AT["defaulted"]].sum(axis=(1, 2)).mean()
    for part in (gap.sum(axis=1), *gap.T):
        error = part.std() / len(part) ** 0.5
        assert abs(part.mean()) < 3 * error
        assert error < 0.01 * lost


def test_days_of_orders_after_a_failure():
    """Geometric with the mean asked for; none and for ever at the ends."""
    for mean in (0.5, 45.0):
        found = draw_orders_after(1, 0, 40_000, mean)
        assert found.mean() == pytest.approx(mean, rel=0.03)
        assert (found == 0).mean() == pytest.approx(1 / (1 + mean), rel=0.1)
    assert draw_orders_after(1, 0, 5, 1e-300).tolist() == [0] * 5
    assert draw_orders_after(1, 0, 5, 1e300).tolist() == [10**9] * 5


@pytest.mark.parametrize("rate", [0.02, 0.3, 3.0])
def test_expected_loss_of_a_month_is_never_below_zero(rate):
    """Twelve customers of whom few fail, and that go on ordering for two months; each world, month and segment, with
    the mean of what is lost. A guess of later sales that is taken off at a failure gave a twentieth below zero."""
    world = replace(made_world(12), correlation=0.0, still_ordering=60.0)
    world = replace(world, customers=replace(world.customers, default_rate=np.full(12, rate)))
    rules, span = of_policy(baseline, world.customers), Span(days=150, warm_up=0)
    found, expected = many(world, rules, span, seed=5, replicates=1500, chunk=100)
    assert (expected >= 0).all()
    failed = (1 - world.recovery) * found[..., AT["defaulted"]]
    assert (failed.sum(axis=(1, 2)) == 0).mean() > 0.3 or rate > 0.1
    gap = (expected[..., 0] - failed).sum(axis=(1, 2))
    assert abs(gap.mean()) < 3 * gap.std() / len(gap) ** 0.5
    made = simulate(world, rules, span, seed=5, replicates=60)
    assert (months(made)["expected_loss_low"] >= 0).all() and (made.totals["bad_debt_expected"].dropna() >= 0).all()


def test_a_customer_that_comes_in_the_second_year_has_its_first_trial_limit():
    """Nobody has looked at its limit for a year, since nobody has had a reason to: it has not run out."""
    world = made_world(20)
    people = replace(world.customers, joins=np.full(20, 500), default_rate=np.zeros(20))
    world = replace(world, customers=people, dispute_share=0.0)
    rules = of_policy(baseline, people)
    assert rules.holds.expired_limit
    found, _, orders = one(world, rules, Span(days=560, warm_up=0), seed=1, replicate=0, log=True)
    assert found[..., AT["sales"]].sum() > 0
    assert (orders.table["closed"] != -2).all()  # nothing is overdue yet, so nothing is held
