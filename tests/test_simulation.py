"""The simulation: the kernel against the plain reference, money, bits, common worlds, calibration."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_lab import policy as policies
from credit_lab.simulation import (
    Customers,
    Opening,
    Span,
    World,
    calibrate,
    compare,
    of_policy,
    simulate,
)  # fmt: skip
from credit_lab.simulation.agenda import gather, put
from credit_lab.simulation.clock import burnt, ends_on
from credit_lab.simulation.outcome import AT, by_segment
from credit_lab.simulation.records import MEASURES
from credit_lab.simulation.run import many, one
from credit_lab.simulation.search import frontier, one_at_a_time, search, turned
from credit_lab.simulation.world import SimulationError, draw_defaults, draw_orders
from tests.reference_simulator import simulate as reference

baseline = policies.load("data/policies/2025-baseline.toml")
BANDS = np.array([-(10**6), -10, -2, 3, 11, 31, 61, 91])
DAILY = np.array([0.001, 0.01, 0.08, 0.12, 0.06, 0.04, 0.02, 0.008])


def made_world(number=12, seed=0, rate=0.25, **changes):
    rng = np.random.default_rng(seed)
    grade = rng.integers(0, 6, number).astype(np.int64)
    people = Customers(
        np.array([f"C{k}" for k in range(number)], dtype=object), grade, grade, pd.DataFrame({"grade": list("012345")}),
        np.full(number, rate), rng.lognormal(13.5, 1, number), np.full(number, 0.6),
        np.array([0.01, 0.03, 0.05, 0.15, 0.4, 1.5])[grade], rng.random(number) < 0.3,
    )  # fmt: skip
    hazard = np.stack([[DAILY * (1 - 0.1 * g) * (1 + 0.3 * level) for level in range(5)] for g in range(6)])
    settings = {"discount_taken": np.full(6, 0.3), "recovery_days": 40, "partial_share": 0.3, "dispute_share": 0.2,
                "paydays": np.array([1, 1, 1, 1, 1, 0, 0], bool),
                "weekday": np.array([2, 1, 1, 1, 1, 1, 0.0])}  # fmt: skip
    return World(people, hazard, BANDS, np.array([0.9, 1.0, 1.1, 1.0]), **{**settings, **changes})


def with_books(world, seed):
    """The same world with open invoices on the first day and every fourth customer still to come."""
    rng = np.random.default_rng(seed)
    number = len(world.customers.names)
    who = np.sort(rng.integers(0, number, 3 * number))
    opening = Opening(
        who, rng.integers(1, 10**6, len(who)), rng.integers(-200, 60, len(who)), rng.integers(0, 5, len(who)),
        rng.choice([0, 0, 25], len(who)),
    )  # fmt: skip
    joins = np.where(np.arange(number) % 4 == 0, rng.integers(1, 90, number), 0)
    people = replace(
        world.customers,
        joins=joins,
        failed_days=np.where(np.arange(number) % 5 == 1, 20, 0),
        habit=rng.gamma(5, 0.2, number),
    )
    return replace(world, customers=people, opening=opening, leave_share=0.3)


def risk_of(world):
    grades = world.hazard.shape[0]
    total = np.bincount(world.customers.grade, weights=world.customers.default_rate, minlength=grades)
    mean = total / np.maximum(np.bincount(world.customers.grade, minlength=grades), 1)
    return np.maximum(np.rint(mean * 100), 1).astype(int)


# ---- the clock --------------------
@given(
    st.integers(1, 10**9), st.integers(-40, 90), st.integers(0, 2), st.integers(0, 40),
    st.lists(st.integers(0, 10**8), min_size=3, max_size=3),
)  # fmt: skip
def test_inverting_the_clock_is_scanning_it(clock, since, due, disputed, rates):
    bands = np.array([-(10**6), 0, 20], dtype=np.int64)
    burn = np.array([[rates]], dtype=np.int64)
    day, left = since, clock
    while left > 0 and day < since + 400:
        if not 0 <= day - due < disputed:
            left -= rates[int(np.searchsorted(bands, day - due, side="right")) - 1]
        day += 1
    found = ends_on(clock, since, due, 0, 0, disputed, burn, bands)
    if left <= 0:
        assert found == day - 1
        assert burnt(since, found, due, 0, 0, disputed, burn, bands) >= clock
        assert burnt(since, found - 1, due, 0, 0, disputed, burn, bands) < clock
    else:
        assert found >= since + 399


def test_mean_days_to_pay_of_a_constant_hazard():
    """Hazard .1 a day from the day after delivery: mean 10 days; 40,000 orders, error .05."""
    world = replace(
        made_world(200, rate=1.0), hazard=np.full((6, 5, 8), 0.1), partial_share=0.0, dispute_share=0.0,
        discount_taken=np.zeros(6), correlation=0.0, paydays=np.ones(7, bool),
    )  # fmt: skip
    world = replace(world, customers=replace(world.customers, default_rate=np.zeros(200), newcomer=np.zeros(200, bool)))
    rules = of_policy(baseline, world.customers).scaled(1e6).with_(overdue_days=10**6)
    rules = rules.with_(limit=np.full(200, 2**50), term=np.full(200, 30))
    result, _, orders = one(world, rules, Span(days=260, warm_up=0), seed=3, replicate=0, log=True)
    table = orders.table[(orders.table["day"] < 100) & (orders.table["closed"] >= 0)]
    assert (table["closed"] - table["day"]).mean() == pytest.approx(10, abs=0.25)
    assert result.sum(axis=(0, 1))[AT["refused_limit"]] == 0


# ---- lists of a day's events --------------------
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 99)), min_size=80, max_size=200))
def test_lists_of_blocks_are_lists(events):
    """The latest first, whatever was put into other lists meanwhile; a second list goes behind the first."""
    pool, todays = np.full(40 * 16, -7, np.int32), np.empty(200, np.int32)
    heads, used = np.full((2, 2), -1, np.int64), np.zeros(2, np.int64)
    for kind, day, item in events:
        put(pool, heads, used, kind, day, item)
    for day in range(2):
        first = gather(pool, heads[0, day], todays, 0)
        both = gather(pool, heads[1, day], todays, first)
        wanted = [[item for *place, item in events if place == [kind, day]][::-1] for kind in (0, 1)]
        assert first == len(wanted[0])
        assert todays[:both].tolist() == wanted[0] + wanted[1]


# ---- kernel and reference --------------------
RULES = [
    {"capacity": 0, "overdue_days": 10}, {"capacity": 30, "overdue_days": 30, "write_off": 60},
    {"capacity": 100, "overdue_days": 90, "write_off": 120}, {"capacity": 480, "overdue_days": 60},
    {"capacity": 60, "overdue_days": 0, "write_off": 90, "partial_release": False},
    {"capacity": 20, "overdue_days": 5, "write_off": 30, "step_invoices": 1, "steps": 2},
    {"capacity": 60, "overdue_days": 20, "write_off": 150}, {"capacity": 200, "overdue_days": 0, "recourse": False},
    {"pre_due_days": 5, "min_amount": 3e6, "hold_disputed": False, "utilisation": 0.6, "review_months": 1},
    {"share_after_days": 5, "overdue_share": 0.1, "withdraw_after": 2, "forecast_months": 2, "steps": 1},
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(RULES)))
def test_kernel_and_reference_agree_to_the_cent(case):
    world, span = made_world(12, seed=case, still_ordering=[0.0, 25.0][case % 2]), Span(days=230, warm_up=40)
    if case > 5:
        world, span = with_books(world, case), Span(days=230, warm_up=0)
    rules = of_policy(baseline, world.customers).scaled([1, 0.3, 1, 0.5, 2, 0.2, 1, 0.5, 1, 1][case])
    rules = rules.with_(
        insured=np.arange(12) % 2 == 0, factored=np.arange(12) % 5 < 2, deductible=[0, 50_000][case % 2],
        discount=np.full(6, 0.02), **RULES[case],
    )  # fmt: skip
    if case == 3:  # collectors call before the days of the discount are over
        rules = rules.with_(term=rules.term * 0)
    found, expected, orders = one(world, rules, span, seed=case, replicate=3, log=True)
    same, loss, invoices = reference(world, rules, span, seed=case, replicate=3, risk=risk_of(world))
    wrong = {name: int((found - same)[:, :, k].sum()) for name, k in AT.items() if (found != same)[:, :, k].any()}
    assert wrong == {}
    assert np.allclose(expected, loss, rtol=1e-12)
    fates = orders.table[orders.table["granted"] > 0].sort_index()
    plain = pd.DataFrame(invoices).sort_values("order")
    assert fates["rest"].tolist() == plain["rest"].tolist()
    assert fates["closed"].tolist() == plain["closed"].tolist()
    assert fates["level"].tolist() == plain["level"].tolist()


def test_a_broken_rule_is_noticed():
    world, span = made_world(12), Span(days=150, warm_up=0)
    rules = of_policy(baseline, world.customers).with_(overdue_days=20)
    same, _, _ = reference(world, rules.with_(overdue_days=21), span, seed=1, replicate=0, risk=risk_of(world))
    assert (one(world, rules, span, seed=1, replicate=0)[0] != same).any()


rules_ = st.fixed_dictionaries(
    {
        "capacity": st.integers(0, 500), "overdue_days": st.integers(0, 200), "min_overdue": st.integers(0, 10**6),
        "partial_release": st.booleans(), "write_off": st.integers(1, 400), "step_invoices": st.integers(1, 5),
        "steps": st.integers(0, 5), "first": st.floats(0, 1e8), "recourse": st.booleans(),
    }
)  # fmt: skip


@given(rules_, st.floats(0, 3), st.integers(0, 1000))
def test_money_is_conserved(changes, limits, seed):
    """Granted and taken over = collected + recovered + credited + written off + still open, in minor units; and what
    a factor advanced is repaid, borne or still out."""
    world, factored = made_world(30, seed=seed % 7), np.arange(30) % 2 == 1
    span = Span(days=200, warm_up=10 * (seed % 2))
    if seed % 2 == 0:
        world = replace(with_books(world, seed), still_ordering=seed % 5 * 20.0)
    rules = of_policy(baseline, world.customers).scaled(limits)
    rules = rules.with_(discount=np.full(6, 0.015), factored=factored, advance=0.7654, **changes)
    found, expected, orders = one(world, rules, span, seed=seed, replicate=1, log=True)
    total = dict(zip(MEASURES, found.sum(axis=(0, 1)).tolist(), strict=True))
    gone = total["collected"] + total["recovered"] + total["credited"] + total["written_off"]
    rest = orders.table["rest"]
    assert total["opening"] + total["sales"] == gone + rest.sum()
    assert found[-1, :, AT["open"]].sum() == rest.sum()
    assert total["ordered"] == total["sales"] + total["refused_limit"] + total["refused_hold"] + total["lost"]
    out = sum(int(x) * 7654 // 10000 for x in rest[factored[orders.table["customer"]]])
    assert total["advanced"] == total["repaid"] + total["borne"] + out
    assert total["vintage_lost"] <= total["written_off"]
    assert expected[..., 1].sum() <= total["open_days"]
    assert (found[:, :, AT["overdue"]] <= found[:, :, AT["open"]]).all()
    assert (found >= 0).all()


# ---- bits --------------------
def test_same_bits_for_threads_and_chunks():
    world, span = made_world(40), Span(days=120, warm_up=30)
    rules = of_policy(baseline, world.customers)
    base = many(world, rules, span, seed=5, replicates=10, jobs=1, chunk=10)
    for jobs, chunk in ((1, 3), (2, 1), (8, 4)):
        again = many(world, rules, span, seed=5, replicates=10, jobs=jobs, chunk=chunk)
        assert (again[0] == base[0]).all()
        assert (again[1] == base[1]).all()
    later = many(world, rules, span, seed=5, replicates=4, first=6)
    assert (later[0] == base[0][6:]).all()
    assert not (many(world, rules, span, seed=6, replicates=1)[0] == base[0][:1]).all()


def test_same_bits_on_processes():
    import joblib

    world, span = made_world(20), Span(days=60, warm_up=0)
    rules = of_policy(baseline, world.customers)
    base = many(world, rules, span, seed=5, replicates=4)
    with joblib.parallel_config(backend="multiprocessing", n_jobs=2):
        again = many(world, rules, span, seed=5, replicates=4, jobs=2, chunk=1)
    assert (again[0] == base[0]).all()


def test_same_bits_on_dask_and_with_a_worker_killed():
    """Two worker processes; one is killed by force while pieces are under way, and its pieces are computed again."""
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
    import os
    import signal
    import threading

    import joblib

    world, span = made_world(200, rate=0.5), Span(days=120, warm_up=0)
    rules = of_policy(baseline, world.customers)
    base = many(world, rules, span, seed=5, replicates=60)
    client = distributed.Client(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)
    with client, joblib.parallel_config(backend="dask"):
        first = many(world, rules, span, seed=5, replicates=6, jobs=2, chunk=1)
        pids = client.run(os.getpid)
        killer = threading.Timer(0.2, os.kill, (next(iter(pids.values())), signal.SIGKILL))
        killer.start()
        again = many(world, rules, span, seed=5, replicates=60, jobs=2, chunk=1)
        killer.join()
    assert (first[0] == base[0][:6]).all()
    assert (again[0] == base[0]).all()
    assert (again[1] == base[1]).all()


def test_a_customer_does_not_move_the_others():
    """One customer more leaves the orders, clocks and defaults of all others as they were."""
    small, large = made_world(10), made_world(11)
    large = replace(large, customers=replace(large.customers, **{
        name: np.append(getattr(small.customers, name), getattr(large.customers, name)[10:])
        for name in ("grade", "segment", "rate", "amount", "spread", "default_rate", "newcomer", "joins", "failed_days")
    }))  # fmt: skip
    parts = []
    for world in (small, large):
        p = world.customers
        _, who, number, size = draw_orders(1, 0, p.rate, p.amount, p.spread, p.joins, np.ones(100))
        frame = pd.DataFrame({"who": who, "number": number, "size": size})
        parts.append(frame[frame["who"] < 10].sort_values(["who", "number"], ignore_index=True))
        days = draw_defaults(1, 0, p.default_rate, 0.1)[:10]
        parts.append(pd.DataFrame({"day": days}))
    assert parts[0].equals(parts[2])
    assert parts[1].equals(parts[3])


def test_draws_have_the_distribution_they_should():
    p = made_world(400, rate=0.5).customers
    pace = np.where(np.arange(365) % 7 < 5, 1.4, 0.0)  # five days of seven
    none = np.zeros(400, np.int64)
    start, _, _, size = draw_orders(1, 0, p.rate, np.full(400, 1e5), np.full(400, 0.5), none, pace)
    assert len(size) == pytest.approx(400 * 0.5 * pace.sum(), rel=0.01)
    assert size.mean() == pytest.approx(1e5, rel=0.01)
    by_day = np.diff(start)
    assert (by_day[pace == 0] == 0).all()
    assert by_day[pace > 0].std() == pytest.approx((400 * 0.7) ** 0.5, rel=0.15)  # Poisson by day
    failed = np.array([draw_defaults(1, r, np.full(500, 0.2), 0.12) < 365 for r in range(200)])
    assert failed.mean() == pytest.approx(1 - np.exp(-0.2), abs=0.02)
    assert failed.mean(axis=1).std() > 3 * (0.18 * 0.82 / 500) ** 0.5  # they fail together
    alone = np.array([draw_defaults(1, r, np.full(500, 0.2), 0.0) < 365 for r in range(200)])
    assert alone.mean(axis=1).std() < 1.3 * (0.18 * 0.82 / 500) ** 0.5


# ---- outcome --------------------
@pytest.fixture(scope="module")
def pair():
    world, span = made_world(150, rate=0.1), Span(days=365, warm_up=120)
    rules = of_policy(baseline, world.customers, capacity=20)
    return world, rules, span, simulate(world, rules, span, seed=1, replicates=40)


def test_no_change_is_no_difference(pair):
    world, rules, span, base = pair
    table = compare(base, simulate(world, rules.with_(name="again"), span, seed=1, replicates=40)).table
    assert (table[["difference", "standard_error", "low", "high"]] == 0).all(axis=None)
    with pytest.raises(SimulationError, match="same replicates"):
        compare(base, simulate(world, rules, span, seed=1, replicates=2))


def test_common_worlds_save_most_of_the_noise(pair):
    world, rules, span, base = pair
    for other, measure, least in (
        (rules.scaled(0.8), "bad_debt", 30), (rules.with_(capacity=40), "bad_debt", 10),
        (rules.with_(overdue_days=15), "bad_debt_expected", 3),
    ):  # fmt: skip
        table = compare(base, simulate(world, other, span, seed=1, replicates=40)).table.set_index("measure")
        assert table.loc[measure, "against_independent"] > least


@pytest.mark.parametrize("reviewed", [True, False])
@pytest.mark.parametrize("still_ordering", [0.0, 60.0])
def test_hazard_weighted_loss_is_unbiased_for_what_fails(pair, still_ordering, reviewed):
    """Mean balance at default (and sold since) × loss share equals the mean expected loss, within three errors; far
    less noise where limits stay. Where reviews grade risky customers by how promptly they pay, worlds differ more."""
    world, rules, span, _ = pair
    world, rules = replace(world, still_ordering=still_ordering), rules.with_(reviewed=reviewed)
    base = simulate(world, rules, span, seed=1, replicates=200)
    by = base.monthly.groupby("replicate")[["defaulted", "expected_loss"]].sum()
    gap = by["defaulted"] * (1 - world.recovery) - by["expected_loss"]
    assert abs(gap.mean()) < 3 * gap.std() / len(gap) ** 0.5
    less = 1.4 if reviewed else 3 if still_ordering else 4
    assert by["expected_loss"].std() < by["defaulted"].std() / less


def test_failed_customers_go_on_ordering_and_a_hold_stops_them(pair):
    """Without limits and holds, what is sold to failed customers is their usual orders of 30 days, rate × amount each.
    A hold after 10 days past due stops part of it."""
    world, rules, span, _ = pair
    world = replace(world, correlation=0.0, recovery_days=1000)
    free = rules.with_(limit=np.full(150, 2**50), reviewed=False, overdue_days=10**6, share_after_days=10**6)
    usual, more = (
        simulate(replace(world, still_ordering=days), free, span, seed=1, replicates=100).monthly["defaulted"].sum()
        for days in (0.0, 30.0)
    )
    p = world.customers
    failing = np.exp(-p.default_rate * 120 / 365) - np.exp(-p.default_rate * 485 / 365)
    wanted = 100 * 30 * (failing * p.rate * p.amount).sum() / 100
    assert more - usual == pytest.approx(wanted, rel=0.1)
    held = free.with_(overdue_days=10)
    less = [
        simulate(replace(world, still_ordering=days), held, span, seed=1, replicates=100).monthly["defaulted"].sum()
        for days in (0.0, 30.0)
    ]
    assert 0 < less[1] - less[0] < 0.8 * (more - usual)


def test_measures_add_up(pair):
    _, rules, span, base = pair
    totals, monthly = base.totals.iloc[0], base.monthly[base.monthly["replicate"] == 0]
    assert monthly["month"].iloc[0] == pd.Timestamp("2025-01-31")
    assert len(monthly) == 12
    assert totals["sales"] == pytest.approx(monthly["sales"].sum())
    assert totals["margin"] == pytest.approx(rules.margin * totals["sales"])
    assert totals["turnover"] * totals["dso"] == pytest.approx(365)
    owed = monthly["open_days"].sum() / span.days
    assert totals["turnover"] == pytest.approx(totals["sales"] / owed)
    assert by_segment(base, "grade")["sales"].sum() == pytest.approx(base.totals["sales"].mean())
    with pytest.raises(SimulationError, match="no segment column"):
        by_segment(base, "planet")
    assert (base.interval()["low"] <= base.interval()["high"]).all()


# ---- search --------------------
def test_search_finds_what_it_should(pair):
    """Without collectors and with every order held after a day, any loosening earns more."""
    world, rules, span, _ = pair
    bad = rules.with_(overdue_days=1, capacity=0)
    found = search(world, bad, {"hold_days": (1, 120), "capacity": (0, 200)}, span, seed=2, candidates=8, replicates=2)
    assert found["difference"].iloc[0] > 3 * found["standard_error"].iloc[0] > 0
    assert found["hold_days"].iloc[0] > 20
    assert found["replicates"].iloc[0] == found["replicates"].max()
    capped = search(
        world, bad, {"hold_days": (1, 120)}, span, seed=2, candidates=4, replicates=2,
        loss_cap=float(found["bad_debt_expected"].min()) / 2,
    )  # fmt: skip
    assert not capped["allowed"].any()
    front = frontier(found)
    assert front["turnover"].is_monotonic_increasing
    single = one_at_a_time(world, bad, {"hold_days": (1, 120)}, span, seed=2, replicates=4).set_index("value")
    assert single.loc[1, "difference"] == 0 < single.loc[120, "difference"]
    with pytest.raises(SimulationError, match="no knob 'colour'"):
        turned(rules, {"colour": 1})
    with pytest.raises(SimulationError, match="lowest and a highest"):
        search(world, rules, {}, span, seed=1)


def test_only_the_best_grades_are_served(pair):
    world, rules, span, _ = pair
    none = simulate(world, turned(rules, {"cut_off": 0}), span, seed=1, replicates=2)
    some = simulate(world, turned(rules, {"cut_off": 3}), span, seed=1, replicates=2)
    assert none.totals["sales"].sum() == 0
    served = some.segments.set_index("grade")["sales"]
    assert (served[["0", "1", "2"]] > 0).all()
    assert (served[["3", "4", "5"]] == 0).all()


@pytest.mark.parametrize("minor", [1, 100, 1000])  # yen, yuan, dinar
def test_cash_and_cover_by_hand(minor):
    """One customer that fails on day 0 with 1,000.00 open, nothing recovered, 80 % advanced without recourse, 90 % of
    the rest insured: the factor bears 800, the insurer 180, the seller 20; cash is 800 + 180 less 10 for the factor."""
    one_ = np.ones(1)
    people = Customers(
        np.array(["C"], object), np.zeros(1, np.int64), np.zeros(1, np.int64), pd.DataFrame({"grade": ["A"]}),
        0 * one_, 0 * one_, one_, 1e9 * one_, np.zeros(1, bool), minor=float(minor),
    )  # fmt: skip
    opening = Opening(*(np.array([value]) for value in (0, 1000 * minor, 10, 0, 0)))
    world = World(people, np.zeros((1, 5, 8)), BANDS, np.ones(12), recovery=0.0, recovery_days=30, opening=opening)
    rules = of_policy(baseline, people).with_(
        insured=one_ > 0, factored=one_ > 0, recourse=False, deductible=0, advance=0.8, insured_share=0.9,
        factor_cost=np.full(6, 0.01),
    )  # fmt: skip
    made = simulate(world, rules, Span(days=60, warm_up=0), seed=1, replicates=1)
    total = made.monthly.sum(numeric_only=True)
    assert total[["opening", "written_off", "borne", "claims", "advanced", "factoring_cost"]].tolist() == [
        1000, 1000, 800, 180, 800, 10
    ]  # fmt: skip
    assert total["cash"] == pytest.approx(800 + 180 - 10)
    assert total["repaid"] == 0
    less = simulate(world, rules.with_(deductible=50 * minor), Span(days=60, warm_up=0), seed=1, replicates=1)
    assert less.monthly["claims"].sum() == 130  # 90 % of 200 less the deductible of 50


def test_bad_input_is_named(sample):
    world = made_world(5)
    rules = of_policy(baseline, world.customers)
    span = Span(days=30, warm_up=0)
    with pytest.raises(SimulationError, match="hazards must lie"):
        replace(world, hazard=-world.hazard)
    with pytest.raises(SimulationError, match="102 grades"):
        replace(world, hazard=np.repeat(world.hazard, 17, axis=0))
    with pytest.raises(SimulationError, match="bands must rise"):
        replace(world, bands=world.bands[::-1].copy())
    with pytest.raises(SimulationError, match="no customers"):
        made_world(0)
    with pytest.raises(SimulationError, match="at least one is needed"):
        Span(days=0)
    with pytest.raises(SimulationError, match="0 replicates"):
        many(world, rules, span, seed=1, replicates=0)
    with pytest.raises(SimulationError, match="4 limits for 5 customers"):
        many(world, rules.with_(limit=rules.limit[:4]), span, seed=1, replicates=1)
    with pytest.raises(SimulationError, match="hazards are known for 1 levels only"):
        many(replace(world, hazard=world.hazard[:, :2]), rules, span, seed=1, replicates=1)
    with pytest.raises(SimulationError, match="stages must rise"):
        rules.with_(first_days=rules.ladder.first_days[::-1].copy())
    with pytest.raises(SimulationError, match="not negative"):
        rules.with_(capacity=-1)
    with pytest.raises(SimulationError, match="no customer has bought"):
        calibrate(sample, baseline, pd.Timestamp("2035-12-31"))
    none = rules.with_(
        first_days=rules.ladder.first_days[:0],
        repeat_days=rules.ladder.repeat_days[:0],
        stage_minutes=rules.stage_minutes[:0],
        stage_cost=rules.stage_cost[:0],
    )
    quiet = simulate(world, none.with_(capacity=0), span, seed=1, replicates=2)  # a policy without a ladder runs
    assert quiet.totals["collection_cost"].sum() == 0
    idle = replace(world, customers=replace(world.customers, rate=np.zeros(5)))
    assert simulate(idle, rules, span, seed=1, replicates=2).totals["sales"].sum() == 0
