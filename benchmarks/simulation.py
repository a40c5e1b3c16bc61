"""The policy twin: speed against SimPy, Mesa and numpy on the same rules and draws, cost per event, memory, what common
random numbers save, and how often forecasts of synthetic firms cover what came.

    python benchmarks/simulation.py --quick --json figures.json
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))

import simulation_mesa as agents
import simulation_peers as peers
from simulation_case import case
from simulation_numpy import with_numpy

from credit_lab import kpi, ledger, synthetic
from credit_lab import policy as policies
from credit_lab.simulation import Customers, Span, World, calibrate, compare, of_policy, simulate
from credit_lab.simulation.outcome import AT
from credit_lab.simulation.records import MEASURES
from credit_lab.simulation.run import draw, many, one  # noqa: F401  (many: by the child process of memory)
from credit_lab.synthetic import Change, Firm

BASELINE = policies.load(Path(__file__).parents[1] / "data/policies/2025-baseline.toml")
BANDS = np.array([-(10**6), -10, -2, 3, 11, 31, 61, 91])
DAILY = np.array([0.001, 0.01, 0.08, 0.12, 0.06, 0.04, 0.02, 0.008])
CHECKED = ("ordered", "sales", "refused_limit", "refused_hold", "collected", "recovered", "credited", "written_off",
           "aged_off", "vintage_lost", "claims", "premium", "factoring_cost", "advanced", "repaid",
           "collection_cost", "actions", "defaulted")  # fmt: skip
FIGURES: dict[str, float] = {}


def say(name, value, form=",.4g"):
    FIGURES[name] = float(value)
    print(f"{name:<72} {value:{form}}", flush=True)


def world_of(customers, seed=0, rate=0.1):
    """A firm of so many customers, about rate × 365 orders each in a year."""
    rng = np.random.default_rng(seed)
    grade = rng.choice(6, customers, p=[0.08, 0.17, 0.3, 0.25, 0.15, 0.05]).astype(np.int64)
    people = Customers(
        np.arange(customers).astype(str).astype(object), grade, grade, pd.DataFrame({"grade": list("012345")}),
        np.full(customers, rate), rng.lognormal(13.5, 1, customers), np.full(customers, 0.6),
        np.array([0.002, 0.006, 0.015, 0.035, 0.09, 0.22])[grade], rng.random(customers) < 0.15,
        habit=rng.gamma(8, 1 / 8, customers), insured=rng.random(customers) < 0.2,
        factored=rng.random(customers) < 0.05,
    )  # fmt: skip
    hazard = np.stack([[DAILY * (1 - 0.1 * g) * (1 + 0.3 * level) for level in range(5)] for g in range(6)])
    return World(
        people, hazard, BANDS, np.ones(12), partial_share=0.06, dispute_share=0.03, discount_taken=np.full(6, 0.3),
        weekday=np.array([1.4] * 5 + [0, 0]), paydays=np.array([True] * 5 + [False] * 2),
    )  # fmt: skip


def rules_of(world, **changes):
    customers = len(world.customers.names)
    rules = of_policy(BASELINE, world.customers, capacity=max(customers // 8, 120))
    return rules.with_(discount=np.array([0, 0.01, 0.02, 0.02, 0, 0]), **changes)


def timed(call, runs=5, enough=90.0):
    """Least CPU seconds of several runs, fewer if they take long, and the result."""
    spent = []
    while len(spent) < runs and sum(spent) < enough:
        gc.collect()
        begin = time.process_time()
        result = call()
        spent.append(time.process_time() - begin)
    return min(spent), result


def speed(customers, runs):
    world, span = world_of(customers), Span(days=365, warm_up=0)
    rules = rules_of(world)
    one(world, rules, Span(days=5, warm_up=0), seed=1, replicate=0)  # compile
    whole, (found, _, _) = timed(lambda: one(world, rules, span, seed=1, replicate=0), runs=15)
    made = case(world, rules, span, seed=1, replicate=0)
    drawing, _ = timed(lambda: draw(world, span, seed=1, replicate=0), runs=15)
    fixed = rules.with_(reviewed=False)
    open_loop, _ = timed(lambda: one(world, fixed, span, seed=1, replicate=0), runs=15)
    ours = whole - drawing
    truth = dict(zip(MEASURES, found.sum(axis=(0, 1)).tolist(), strict=True))
    print(f"\n{customers:,} customers, 365 days, {len(made.who):,} orders: one policy, one replicate, one thread.")
    print("The draws of the world, which all policies share, are made beforehand for all and timed apart.")
    say(f"drawing the world {customers}: CPU s", drawing)
    say(f"ours {customers}: CPU s per replicate", ours)
    say(f"ours, limits as they are (reviewed=False) {customers}: CPU s", open_loop - drawing)
    say(f"ours with the drawing {customers}: CPU s per replicate", whole)
    for name, call, collected in (
        ("numpy by day", lambda: with_numpy(made), True),
        ("Mesa, customers as agents with lists of invoices", lambda: agents.with_mesa(made).total, True),
        ("Mesa, invoices as agents", lambda: agents.with_mesa_invoices(made).total, True),
        ("SimPy", lambda: peers.with_simpy_daily(made).total, True),
        ("SimPy without garbage collection", lambda: peers.with_simpy_daily(made).total, False),
        ("SimPy by events, compiled clock, no garbage collection", lambda: peers.with_simpy(made).total, False),
    ):  # fmt: skip
        if not collected:
            gc.disable()
        spent, total = timed(call, runs)
        gc.enable()
        wrong = {key: (truth[key], total[key]) for key in CHECKED if truth[key] != total[key]}
        if wrong:
            raise SystemExit(f"{name} gives other figures: {wrong}")
        say(f"{name} {customers}: CPU s", spent)
        say(f"{name} / ours {customers}", spent / ours, ",.1f")


def cost_per_event(sizes):
    print("\nCost by size: events are orders, payments, write-offs and contacts")
    for customers in sizes:
        world, span = world_of(customers), Span(days=365, warm_up=0)
        rules = rules_of(world)
        spent, (found, _, _) = timed(lambda w=world, r=rules, s=span: one(w, r, s, seed=1, replicate=0))
        orders = len(case(world, rules, span, seed=1, replicate=0).who)
        events = 2 * orders + int(found[:, :, AT["actions"]].sum())
        say(f"ns per event {customers}", 1e9 * spent / events, ",.0f")


def memory(customers, replicates):
    """In a process of its own: 100 replicates of a large firm, peak memory."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import simulation as s, time\n"
        f"w = s.world_of({customers}); b = time.time()\n"
        f"s.many(w, s.rules_of(w), s.Span(days=365, warm_up=0), seed=1, replicates={replicates}, jobs=2, chunk=1)\n"
        "import resource; print(time.time() - b, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)"
    )
    spent, peak = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    print(f"\n{customers:,} customers x 365 days x {replicates} replicates, two threads")
    say(f"large firm {customers} x {replicates}: s", float(spent))
    say(f"large firm {customers} x {replicates}: peak GB", float(peak))


def common_numbers(customers, replicates):
    """Variance of a difference with independent seeds over that in the same world."""
    print(f"\nVariance of a policy difference, independent seeds / common worlds ({customers:,} customers)")
    world, span = world_of(customers), Span(days=365, warm_up=120)
    nobody = np.zeros(customers, dtype=bool)
    rules = rules_of(world, insured=nobody, factored=nobody)  # losses are compared before cover
    base = simulate(world, rules, span, seed=1, replicates=replicates)
    apart = simulate(world, rules, span, seed=2, replicates=replicates)
    for name, other in (
        ("more collectors", rules.with_(capacity=rules.capacity * 2)), ("limits -20 %", rules.scaled(0.8)),
        ("hold after 15 days", rules.with_(overdue_days=15)),
    ):  # fmt: skip
        then = simulate(world, other, span, seed=1, replicates=replicates)
        for measure in ("collected", "dso", "bad_debt", "profit"):
            paired = (then.totals[measure] - base.totals[measure]).var()
            free = (then.totals[measure] - apart.totals[measure]).var()
            say(f"{name}: {measure}", free / paired if paired > 0 else np.inf, ",.0f")
    same = compare(base, simulate(world, rules.with_(name="again"), span, seed=1, replicates=replicates)).table
    say("largest difference of a null change", same["difference"].abs().max())
    base = simulate(world, rules, span, seed=1, replicates=5 * replicates)  # failures come together: many worlds
    by = base.monthly.groupby("replicate")[["defaulted", "expected_loss"]].sum()
    realised = by["defaulted"] * (1 - world.recovery)
    gap = realised - by["expected_loss"]
    say("realised less hazard-weighted loss, mean in standard errors", gap.mean() / gap.std() * len(gap) ** 0.5, ".2f")
    say("variance of realised / hazard-weighted loss", realised.var() / by["expected_loss"].var(), ",.0f")


def coverage(firms, replicates=200):
    """Learn on months 1-24 of firms without a policy change, forecast 25-36."""
    rows, as_of = [], pd.Timestamp("2024-12-31")
    for seed in range(2000, 2000 + firms):  # the firms below were looked at while the twin was built
        made = synthetic.generate(Firm(change=Change.none()), seed)
        with tempfile.TemporaryDirectory() as folder:
            ledger.write(made.tables, folder, format="parquet", overwrite=True)
            book = ledger.read(folder)
        learned = calibrate(book, BASELINE, as_of)
        seen = kpi.monthly(book, pd.Timestamp("2025-12-31")).set_index("month")
        span, rules = Span(pd.Timestamp("2025-01-01"), 365, 0), learned.as_it_was(BASELINE)
        for kind, worlds in (("drawn", learned.draw(replicates, seed=seed)), ("fixed", learned.world)):
            monthly = simulate(worlds, rules, span, seed=seed, replicates=replicates).monthly
            monthly = monthly.assign(cash=monthly["collected"] + monthly["recovered"])
            rows += [(seed, *row) for row in _ranks(monthly, seen, kind)]
    table = pd.DataFrame(rows, columns=["firm", "kind", "measure", "rank", "ratio"])
    print(f"\nMonths 25-36 of {firms} synthetic firms forecast from 1-24 ({12 * firms:,} months of each measure)")
    for (kind, measure), part in table.groupby(["kind", "measure"], sort=False):
        for level in (0.8, 0.95):
            inside = part["rank"].between((1 - level) / 2, (1 + level) / 2).groupby(part["firm"]).mean()
            say(f"{kind} parameters, {measure}: {level:.0%} intervals cover", inside.mean(), ".3f")
            say("    standard error (months of a firm go together)", inside.std() / len(inside) ** 0.5, ".3f")
        if kind == "drawn":
            say(f"{measure}: what came / mean forecast", part["ratio"].mean(), ".3f")


def _ranks(monthly, seen, kind):
    """Where what came lies among the simulated worlds, by month; DSO is the balance over the sales of three months."""
    by = monthly.set_index(["month", "replicate"])
    wide = {name: by[name].unstack() for name in ("cash", "open", "sales")}  # noqa: PD010
    truth = {"cash": seen["receipts"], "open": seen["balance"], "sales": seen["sales"]}
    past = seen["sales"].loc[: pd.Timestamp("2024-12-31")].tail(2)
    for side in (wide, truth):
        sales = side["sales"]
        if isinstance(sales, pd.DataFrame):
            before = pd.DataFrame(dict.fromkeys(sales.columns, past))
            three = pd.concat([before, sales]).rolling(3).sum().loc[sales.index]
        else:
            three = sales.rolling(3).sum()
        side["DSO"] = 91 * side["open"] / three
    rows = []
    for name in ("cash", "open", "DSO"):
        real = truth[name].reindex(wide[name].index)
        below = wide[name].lt(real, axis=0).sum(axis=1)
        rank = (below + 0.5) / (wide[name].shape[1] + 1)
        rows += [(kind, name, r, x) for r, x in zip(rank, real / wide[name].mean(axis=1), strict=True)]
    lost, came = by["written_off"].groupby("replicate").sum(), seen["written_off"].reindex(real.index).sum()
    rows.append((kind, "write-offs of the year", ((lost < came).sum() + 0.5) / (len(lost) + 1), came / lost.mean()))
    return rows


def highradius(replicates=200):
    """Learn on what was known in June 2019, hold July to October 2019 against the forecast (US dollars)."""
    data = Path(os.environ.get("CREDIT_LAB_DATA", Path(__file__).parents[2] / "shared/data"))
    file = data / "highradius_b2b/closed_invoices.csv.gz"
    if not file.exists():
        print("\nHighRadius: not here, left out")
        return
    book = ledger.read(str(file), "data/mappings/highradius_closed.toml").only_currency("USD")
    as_of, end = pd.Timestamp("2019-06-30"), pd.Timestamp("2019-10-31")
    learned = calibrate(book, BASELINE, as_of)
    span = Span(as_of + pd.Timedelta(days=1), (end - as_of).days, 0)
    worlds = learned.draw(replicates, seed=1)
    monthly = simulate(worlds, learned.as_it_was(BASELINE), span, seed=1, replicates=replicates).monthly
    monthly = monthly.assign(cash=monthly["collected"] + monthly["recovered"])
    seen = kpi.monthly(book, end).set_index("month")
    print("\nHighRadius, July to October 2019 forecast from what was known in June; 95 % of worlds")
    for name, real in (("cash", "receipts"), ("open", "balance"), ("sales", "sales")):
        by = monthly.groupby("month")[name]
        low, high, mean = by.quantile(0.025), by.quantile(0.975), by.mean()
        for month in low.index:
            came = seen.loc[month, real]
            inside = low[month] <= came <= high[month]
            print(
                f"  {month:%Y-%m} {name:<6} {came / 1e6:8.2f} million in "
                f"{low[month] / 1e6:.2f} to {high[month] / 1e6:.2f}: {inside}"
            )
            FIGURES[f"HighRadius {month:%Y-%m} {name}: came / mean"] = float(came / mean[month])


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="less than a minute")
    options.add_argument("--json", help="write the figures to this file")
    options.add_argument("--only", nargs="*", default=[], help="speed, cost, memory, common, coverage, highradius")
    chosen = options.parse_args()
    quick = chosen.quick
    parts = {
        "speed": lambda: [speed(*at) for at in ([(300, 1)] if quick else [(1_000, 3), (10_000, 3)])],
        "cost": lambda: cost_per_event([500, 2000] if quick else [500, 2_000, 10_000, 50_000, 100_000]),
        "memory": lambda: memory(2_000 if quick else 100_000, 8 if quick else 100),
        "common": lambda: common_numbers(300 if quick else 2_000, 40 if quick else 200),
        "coverage": lambda: coverage(2 if quick else 200, 50 if quick else 200),
        "highradius": lambda: highradius(40 if quick else 400),
    }
    for name, run in parts.items():
        if not chosen.only or name in chosen.only:
            run()
    if chosen.json:
        Path(chosen.json).write_text(json.dumps(FIGURES, indent=2))
