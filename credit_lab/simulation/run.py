"""Replicates of a world under one or several policies, on threads, processes or a cluster: the same bits everywhere."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab.periods import parse_date
from credit_lab.progress import Progress
from credit_lab.rules.limits import trial_ends
from credit_lab.simulation import kernel, records
from credit_lab.simulation.past import Past
from credit_lab.simulation.regime import Regime
from credit_lab.simulation.world import Ints, SimulationError, World, draw_defaults, draw_orders, draw_payments

RISK_SCALE, NEVER = 100, 10**9
BY_GRADE = ("discount_days", "demand", "discount", "factor_cost")
log_ = logging.getLogger(__name__)


@dataclass(frozen=True)
class Span:
    """When: first day, number of days, and days at the beginning that only fill the books and are not reported."""

    start: pd.Timestamp = field(default_factory=lambda: pd.Timestamp("2025-01-01"))
    days: int = 365
    warm_up: int = 180

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", parse_date(self.start, "simulation: start"))
        if self.days < 1 or self.warm_up < 0:
            raise SimulationError(
                f"simulation: {self.days} days with {self.warm_up} before them; at least one is needed"
            )

    def dates(self) -> pd.DatetimeIndex:
        """All days, those of the warm-up first."""
        return pd.date_range(self.start - pd.Timedelta(days=self.warm_up), periods=self.warm_up + self.days)

    def months(self) -> tuple[Ints, pd.DatetimeIndex, int]:
        """Month number of each day, the month ends, and how many of them belong to the warm-up."""
        dates = self.dates()
        month = dates.to_numpy().astype("datetime64[M]")
        number = (month - month[0]).astype(np.int64)
        after = np.arange(month[0] + 1, month[-1] + 2).astype("datetime64[D]")
        ends = pd.DatetimeIndex(after - np.timedelta64(1, "D")).as_unit(dates.unit)
        before = int((ends < self.start).sum())
        return number, ends, before


@dataclass(frozen=True)
class Orders:
    """Fate of each order of one replicate: day (−1: open when it began), customer, size, granted, rest (still open),
    closed (day; −1 open, −2 refused by hold, −3 refused by limit, −4 the customer had left), level of collection
    reached."""

    table: pd.DataFrame
    default_day: Ints


def one(
    world: World, rules: Regime, span: Span, *, seed: int, replicate: int, log: bool = False
) -> tuple[Ints, npt.NDArray[np.float64], Orders | None]:
    """One replicate: measures by month and segment (`records.MEASURES`, minor units), expected amounts by
    the same (`records.EXPECTED`, `OWN_DAYS`), orders."""
    days = span.warm_up + span.days
    months, _, _ = span.months()
    edges = np.append(np.flatnonzero(np.diff(months, prepend=-1)), days)
    start, inv, size, default_day = draw(world, span, seed=seed, replicate=replicate)
    people, opening = world.customers, int(start[0])
    inv["level"][:opening] = np.minimum(inv["level"][:opening], len(rules.ladder.first_days))
    default_day, waits = np.minimum(default_day, NEVER), world.waits(seed, replicate)
    cus = _customers(world, rules)
    cus["wait"], cus["until"] = waits, world.until(seed, replicate, default_day, waits)
    asked = size.copy() if log else size  # the kernel replaces what was asked for by what is granted
    stages = np.zeros(len(rules.stage_minutes), records.STAGE)
    stages["minutes"], stages["cost"] = rules.stage_minutes, rules.stage_cost
    result, expected = kernel.simulate(
        inv, size, cus, default_day, _grades(world, rules), stages, _settings(world, rules, span, opening, len(inv)),
        (rules.holds, rules.limits, rules.ladder), _rings(people.known(), rules),
        world.burn(), world.bands.astype(np.int64), months, edges, start, world.next_payday(span.dates()),
    )  # fmt: skip
    orders = None
    if log:
        table = pd.DataFrame(
            {
                "day": np.append(np.full(opening, -1), np.repeat(np.arange(days), np.diff(start))),
                "customer": inv["who"].astype(np.int64), "size": asked, "granted": size, "rest": inv["rest"],
                "closed": np.where(inv["state"] > 0, -1, inv["ends"]), "level": inv["level"].astype(np.int64),
            }
        )  # fmt: skip
        orders = Orders(table, default_day)
    return result, expected, orders


def draw(world: World, span: Span, *, seed: int, replicate: int) -> tuple[Ints, npt.NDArray[np.void], Ints, Ints]:
    """What a replicate is before any policy: first order of each day, records of orders (those open on the first day
    before them), their sizes, and the day each customer fails (below 0: it has failed)."""
    people = world.customers
    start, who, number, size = draw_orders(
        seed, replicate, people.rate, people.amount, people.spread, people.joins,
        world.pace(span.dates(), span.warm_up),
    )  # fmt: skip
    default_day = draw_defaults(seed, replicate, people.default_rate, world.correlation)
    default_day = np.where(people.failed_days > 0, -people.failed_days, default_day)
    carried = world.opening if world.opening is not None and span.warm_up == 0 else None
    opening = 0 if carried is None else len(carried.customer)
    inv = _aligned(opening + len(who), records.ORDER)
    inv["who"][opening:] = who
    if carried is not None:
        first = inv[:opening]
        first["who"], first["due"], first["disputed"] = carried.customer, carried.due, carried.disputed
        first["level"] = carried.within(world.hazard.shape[1] - 1)
        size, number = np.append(carried.amount, size), np.append(carried.numbers(), number)
    taken = np.zeros(len(world.hazard)) if world.discount_taken is None else world.discount_taken
    draw_payments(
        inv, opening, seed, replicate, number, people.habit, taken[people.grade],
        (world.dispute_share, world.partial_share, world.leave_share), world.dispute_days,
    )  # fmt: skip
    return start + opening, inv, size, default_day


def _aligned(number: int, kind: np.dtype[np.void]) -> npt.NDArray[np.void]:
    """Empty records, the first where a cache line begins, so that each is fetched at once."""
    raw = np.zeros((number + 1) * kind.itemsize, dtype=np.uint8)
    skip = -raw.ctypes.data % kind.itemsize
    return raw[skip : skip + number * kind.itemsize].view(kind)


def _customers(world: World, rules: Regime) -> npt.NDArray[np.void]:
    """One record per customer on the first day: what the world and the first review make of it."""
    people, past = world.customers, world.customers.known()
    cus = _aligned(len(people.names), records.CUSTOMER)
    for name in ("segment", "insured", "factored"):
        cus[name] = getattr(rules if name != "segment" else people, name)
    for name, values in (
        ("grade", rules.grade),
        ("limit", rules.limit),
        ("term", rules.term),
        ("trial", rules.on_trial),
    ):
        cus[name] = values
    cus["kind"], cus["failing"] = people.grade, -np.expm1(-people.default_rate / 365)
    cus["since"], cus["last_sold"], cus["paid_well"] = past.since, past.last_sold, past.paid_well
    cus["contract"], cus["decided"] = past.contract, past.since < 0
    cus["ended"] = trial_ends(rules.limits, past.dpd, past.overdue).any(axis=1)
    cus["year"] = past.sold[:, -rules.limits.forecast_months :].sum(axis=1)
    cus["changed"] = cus["looked"] = -1
    cus["soonest"] = NEVER
    if not rules.reviewed:
        cus["looked"] = records.FOREVER
    return cus


def _rings(past: Past, rules: Regime) -> Ints:
    """What was sold, paid and paid × days late by customer and month modulo their number: −1 is the last place."""
    depth = max(rules.limits.forecast_months, 12)
    return np.ascontiguousarray(
        np.stack([values[:, -depth:] for values in (past.sold, past.paid, past.paid_days)], axis=2)
    )


def _grades(world: World, rules: Regime) -> npt.NDArray[np.void]:
    """One record per grade: discount, demand, factoring, and the weight of its risk in the collectors' queue."""
    people, kinds = world.customers, world.hazard.shape[0]
    by_kind = np.bincount(people.grade, weights=people.default_rate, minlength=kinds)
    mean = by_kind / np.maximum(np.bincount(people.grade, minlength=kinds), 1)
    table = np.zeros(len(rules.discount), records.GRADE)
    table["risk"] = np.maximum(np.rint(mean[np.minimum(np.arange(len(table)), kinds - 1)] * RISK_SCALE), 1)
    for name in BY_GRADE:
        table[name] = getattr(rules, name)
    return table


def _settings(world: World, rules: Regime, span: Span, opening: int, orders: int) -> npt.NDArray[np.void]:
    """The record of single numbers."""
    record = np.zeros(1, records.SETTING)
    record["opening"], record["days"] = opening, span.warm_up + span.days
    record["segments"], record["minor"] = len(world.customers.segments), round(world.customers.minor)
    record["advance"] = round(rules.advance * 10000)
    for name in ("partial_first", "recovery", "notice"):
        record[name] = getattr(world, name)
    for name in ("capacity", "write_off", "insured_share", "premium", "recourse", "deductible", "reviewed"):
        record[name] = getattr(rules, name)
    record["contacts"] = _contacts(rules, span.warm_up + span.days, orders)
    return record


def _contacts(rules: Regime, days: int, orders: int) -> int:
    """More contacts than this there cannot be beside the first of each stage: the collectors' time, and the days until
    a stage is repeated, set bounds."""
    if not len(rules.stage_minutes):
        return 0
    least, again = int(rules.stage_minutes.min()), int(rules.ladder.repeat_days.min())
    bound = orders * (days // again + 1)
    return min(bound, days * (rules.capacity // least + 1)) if least else bound


def check(world: World, rules: Regime) -> None:
    """Sizes that do not fit are named before anything runs.

    Raises
    ------
    SimulationError
        Limits for other customers, grades or levels the world does not have.
    """
    for name in ("limit", "term", "grade", "on_trial", "insured", "factored"):
        if len(getattr(rules, name)) != len(world.customers.names):
            raise SimulationError(
                f"rules {rules.name}: {len(getattr(rules, name))} {name}s for {len(world.customers.names)} customers"
            )
    levels = world.hazard.shape[1]
    least = min(len(getattr(rules, name)) for name in BY_GRADE)
    if least < len(rules.limits.grades.cuts) or rules.grade.max() >= least:
        raise SimulationError(f"rules {rules.name}: discount, demand and cost for {least} grades of "
                              f"{max(len(rules.limits.grades.cuts), int(rules.grade.max()) + 1)}")  # fmt: skip
    if len(rules.stage_minutes) > levels - 1:
        raise SimulationError(
            f"rules {rules.name}: {len(rules.stage_minutes)} stages, but hazards are known for {levels - 1} levels only"
        )


def many(
    world: World | Sequence[World],
    rules: Regime,
    span: Span,
    *,
    seed: int,
    replicates: int,
    first: int = 0,
    jobs: int = 1,
    chunk: int = 8,
    progress: Progress | None = None,
) -> tuple[Ints, npt.NDArray[np.float64]]:
    """Measures (replicate, month, segment, measure) and expected amounts (replicate, month, segment, 2).

    Replicates run in chunks through joblib, by threads unless another backend is set around the call
    (`joblib.parallel_config(backend="dask")`); a chunk is computed again wherever it is asked for, with the same bits.

    Parameters
    ----------
    world : one world, or one per replicate (parameters drawn with their uncertainty)
    progress : called with (replicates done, of how many) after each chunk
    """
    import joblib

    if replicates < 1:
        raise SimulationError(f"simulation: {replicates} replicates; at least one is needed")
    worlds = [world] if isinstance(world, World) else list(world)
    for each in worlds:
        check(each, rules)
    pieces = [range(first + k, first + min(k + chunk, replicates)) for k in range(0, replicates, chunk)]
    backend = joblib.parallel.get_active_backend()[0]
    prefer = "threads" if type(backend).__name__ in ("LokyBackend", "ThreadingBackend") else None
    if not compiled():
        log_.warning("compiling the simulation once, which takes about half a minute; later runs start at once")
    as_done = backend.supports_return_generator and progress is not None
    running = joblib.Parallel(n_jobs=jobs, prefer=prefer, return_as="generator" if as_done else "list")(
        joblib.delayed(_piece)([worlds[r % len(worlds)] for r in piece], rules, span, seed, piece) for piece in pieces
    )
    done = []
    for piece, part in zip(pieces, running, strict=True):
        done.append(part)
        if progress:
            progress(piece.stop - first, replicates)
    return np.concatenate([part[0] for part in done]), np.concatenate([part[1] for part in done])


def compiled() -> bool:
    """Whether the kernel is in memory or on disk already."""
    if kernel.simulate.signatures:
        return True
    line = kernel.simulate.py_func.__code__.co_firstlineno
    return any(Path(kernel.simulate.stats.cache_path or "").glob(f"kernel.simulate-{line}.*.nbc"))


def _piece(
    worlds: list[World], rules: Regime, span: Span, seed: int, piece: range
) -> tuple[Ints, npt.NDArray[np.float64]]:
    found = [one(world, rules, span, seed=seed, replicate=r) for world, r in zip(worlds, piece, strict=True)]
    return np.stack([result for result, _, _ in found]), np.stack([expected for _, expected, _ in found])
