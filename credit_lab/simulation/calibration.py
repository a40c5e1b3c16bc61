"""A world from a ledger: demand, payment hazards, failures, disputes, recoveries, each with its standard error.

What a ledger cannot say is an assumption with a range: how collection changes the hazard, how orders answer to terms
and refusals, who takes a discount, how failures hang together. Payment hazards are payments over days at risk by grade
and age band, each day weighted by the assumed effect of the collection stage the invoice was in: the maximum-likelihood
estimate of a piecewise-constant hazard. Parameters are drawn from their (approximate) posterior for replicates.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab import history, money
from credit_lab.ledger.model import Ledger
from credit_lab.periods import takes_days
from credit_lab.policy import Policy
from credit_lab.rules.grades import grade_of
from credit_lab.simulation import evidence
from credit_lab.simulation import past as known
from credit_lab.simulation.assumptions import Assumptions
from credit_lab.simulation.regime import Regime, of_policy
from credit_lab.simulation.silence import BANDS, Silent, silent
from credit_lab.simulation.world import WAITS, Customers, Floats, Ints, SimulationError, World

NEVER = 10**7
LAG = 210  # days until a failure is known: a long term, and 90 days past due in silence
_USUAL_RATE = 0.03  # failures a year and customer that one event of all grades leans on, about that of trade debtors
_USUALLY_LATER = 45.0  # days for which a failed customer goes on ordering, until two such orders have been seen
_USUAL_WAIT = 270.0  # days from a failure to the write-off that half an event of each band leans on
PRIOR = 1.0  # customers' order rates lean on the mean with the weight of one order


@dataclass(frozen=True)
class Calibration:
    """A world and how sure it is.

    Attributes
    ----------
    world : at the estimates, with the invoices open at the as-of date
    parameters : parameter, grade, band, estimate, standard_error, source (what it rests on)
    term : as invoiced, by customer
    newcomers : how many customers are expected to come within the year ahead
    assumptions : `Assumptions`
    """

    world: World
    parameters: pd.DataFrame
    term: Ints
    newcomers: float
    assumptions: Assumptions
    evidence: "Counts"

    def draw(self, number: int, *, seed: int) -> list[World]:
        """Worlds with parameters drawn from their uncertainty: gamma for rates of payment, default and orders, normal
        for growth, season and mean order, beta for disputes and recoveries, Poisson for customers to come."""
        rng = np.random.default_rng(seed)
        return [self.evidence.world(self.world, self.assumptions, rng) for _ in range(number)]

    def under(self, assumptions: Assumptions) -> "Calibration":
        """The same evidence read under other assumptions."""
        world = self.evidence.world(self.world, assumptions, None)
        return replace(self, world=world, assumptions=assumptions)

    def as_it_was(self, policy: Policy) -> Regime:
        """The regime that lets the past go on: terms as invoiced, nothing refused or transferred, the policy's
        ladder with all the time it needs. What this forecasts can be held against what came (`backtest`)."""
        rules = of_policy(policy, self.world.customers, capacity=10**7)
        return rules.with_(
            name="as it was", reviewed=False, term=self.term, limit=np.full(len(self.term), 2**50),
            overdue_days=10**6, share_after_days=10**6, missing_contract=False,
            discount=np.zeros_like(rules.discount), demand=np.ones_like(rules.demand),
            insured=np.zeros_like(rules.insured), factored=np.zeros_like(rules.factored),
        )  # fmt: skip


@dataclass(frozen=True)
class Counts:
    """What was counted, enough to draw a world from.

    paid (grade, band), at_risk (grade, level, band), defaults and years by grade; by customer orders and days, log_sd
    and mean of amounts, days since its known failure; trend and season with errors, old (customers the trend was
    learned from), disputed of invoices, recovery share of so many customers, expected newcomers, habits, write-offs and
    days waited by band, orders after failures and usual ones a day, customers that may have failed.
    """

    paid: Floats
    at_risk: Floats
    defaults: Floats
    years: Floats
    orders: Floats
    days: Floats
    log_sd: Floats
    amount: Floats
    failed: Ints
    trend: tuple[float, float]
    season: tuple[Floats, Floats]
    old: npt.NDArray[np.bool_]
    disputed: int
    invoices: int
    recovery: tuple[float, int]
    newcomers: float
    habit: tuple[Floats, Floats, float]
    exits: tuple[Floats, Floats]
    after: tuple[float, float]
    silent: Silent

    def world(self, base: World, assumptions: Assumptions, rng: np.random.Generator | None) -> World:
        """The world at the estimates, or with parameters drawn."""
        events, days = _rates(self.paid, self.at_risk, assumptions)
        season, back = self.season[0], self.recovery[0]
        dispute = self.disputed / max(self.invoices, 1)
        lost, waited = _leaving(*self.exits)
        after, a_day = _still_ordering(*self.after)
        if rng is not None:
            events, lost, after = rng.gamma(events), rng.gamma(lost), rng.gamma(after)
            season = np.maximum(season + self.season[1] * rng.standard_normal(12), 0.0)
            season = season / max(season.mean(), 1e-9)
            dispute = float(rng.beta(self.disputed + 0.5, self.invoices - self.disputed + 0.5))
            weight = max(self.recovery[1], 1)
            back = float(rng.beta(back * weight + 0.5, (1 - back) * weight + 0.5))
        people, trend = self._customers(base.customers, rng)
        if rng is not None:
            trend = float(np.clip(trend + assumptions.growth_change * rng.standard_normal(), -0.5, 1.0))
        return replace(
            base, customers=people, hazard=_levels(events / days, assumptions), season=season, trend=trend,
            dispute_share=dispute, recovery=back, correlation=assumptions.correlation,
            leave_share=assumptions.leave_share, notice=assumptions.notice_effect, exits=lost / waited,
            still_ordering=after / a_day,
            discount_taken=np.full(self.paid.shape[0], assumptions.discount_taken),
        )  # fmt: skip

    def _customers(self, people: Customers, rng: np.random.Generator | None) -> tuple[Customers, float]:
        """Customers at the estimates, or drawn, and the growth of their orders in the last year."""
        buying = self.failed == 0
        usual = self.orders[buying].sum() / self.days[buying].sum()
        like = _models(people.joins, rng)
        orders, span, sizes = self.orders[like], self.days[like] + PRIOR / max(usual, 1e-12), self.amount[like]
        shape, trend, number = np.where(buying, orders + PRIOR, 0.0), self.trend[0], round(self.newcomers)
        habits, usually = self.habit[0] + self.habit[2], self.habit[1] + self.habit[2]
        defaults, years = _failing(self.defaults, self.years)
        if rng is not None:
            shape, defaults, habits = rng.gamma(shape), rng.gamma(defaults), rng.gamma(habits)
            trend = self._trend(shape[self.old].sum(), rng)
            error = self.log_sd[like] / np.sqrt(np.maximum(orders, 1.0))
            sizes = sizes * np.exp(error * rng.standard_normal(len(sizes)) - error**2 / 2)
            number = int(rng.poisson(self.newcomers))
        moved = replace(
            people, failed_days=np.where(buying, self.silent.failed_days(len(buying), rng), self.failed),
            rate=shape / span * (1 + trend / 2), amount=sizes * people.minor, joins=_joins(people.joins, number),
            spread=self.log_sd[like], habit=habits / usually, default_rate=(defaults / years)[people.grade],
        )  # fmt: skip
        return moved, trend

    def _trend(self, drawn: float, rng: np.random.Generator) -> float:
        """Growth drawn together with the orders of the last year, which are its numerator: a year with many orders by
        chance makes a firm look both larger and faster growing."""
        usual = float((self.orders[self.old] + PRIOR).sum())
        before = np.sqrt(max(self.trend[1] ** 2 - 1 / max(usual, 1.0), self.trend[1] ** 2 / 2))
        level = (1 + self.trend[0]) * drawn / usual if usual > 0 else 1 + self.trend[0]
        return float(np.clip(level * np.exp(before * rng.standard_normal()) - 1, -0.5, 1.0))


def _rates(paid: Floats, at_risk: Floats, assumptions: Assumptions) -> tuple[Floats, Floats]:
    """Payments and days at risk by grade and band, each day as many times as its stage of collection multiplies the
    hazard; with half a payment at the hazard of all grades together, so that small cells lean on it."""
    factors = np.array([1.0, *assumptions.level_effect])[: at_risk.shape[1]]
    days = np.einsum("glb,l->gb", at_risk, factors)
    pooled = paid.sum(axis=0) / np.maximum(days.sum(axis=0), 1.0)
    return paid + 0.5, days + 0.5 / np.maximum(pooled, 1e-9)


def _failing(defaults: Floats, years: Floats) -> tuple[Floats, Floats]:
    """Failures and customer-years by grade, each grade with two failures at the rate of all: one that has seen none is
    no safe one."""
    usual = _usual_rate(defaults, years)
    return defaults + 2.0, years + 2.0 / usual


def _usual_rate(defaults: Floats, years: Floats) -> float:
    """Failures a year of all customers; books too short to have seen any say little."""
    return float((defaults.sum() + 1.0) / (years.sum() + 1.0 / _USUAL_RATE))


def _leaving(lost: Floats, waited: Floats) -> tuple[Floats, Floats]:
    """Write-offs and days waited by band, each with half a write-off at the usual wait."""
    return lost + 0.5, waited + 0.5 * _USUAL_WAIT


def _still_ordering(after: float, a_day: float) -> tuple[float, float]:
    """Orders after failures, and usual ones a day, with two orders at the usual span."""
    return after + 2.0, a_day + 2.0 / _USUALLY_LATER


def _models(joins: Ints, rng: np.random.Generator | None) -> Ints:
    """Whose orders each customer has: its own; those to come are like a young customer drawn for each of them."""
    like = np.arange(len(joins))
    places = np.flatnonzero(joins > 0)
    if rng is not None and len(places):
        like[places] = rng.choice(places, len(places))
    return like


def _joins(joins: Ints | None, number: int) -> Ints:
    """Of the customers to come, which have places on the calendar, only so many come; evenly over the time."""
    found = np.array(joins)
    places = np.flatnonzero(found > 0)
    number = min(number, len(places))
    found[places] = NEVER
    found[places[:number]] = np.floor((np.arange(number) + 0.5) * 365 / max(number, 1)).astype(np.int64) + 1
    return found


def _levels(hazard: Floats, assumptions: Assumptions) -> Floats:
    """Hazard by grade, level and band."""
    factors = np.array([1.0, *assumptions.level_effect])
    return np.clip(hazard[:, None, :] * factors[None, :, None], 0.0, 0.97)


@takes_days
def calibrate(
    ledger: Ledger, policy: Policy, as_of: pd.Timestamp, *, assumptions: Assumptions | None = None, months: int = 24
) -> Calibration:
    """Learn a world from what was known at `as_of`.

    Parameters
    ----------
    policy : grades customers as of the day (by payment behaviour); its ladder names the stages of collection
    months : of the past that payments are counted in

    Raises
    ------
    SimulationError
        Fewer than 50 settled invoices, or no customer with orders in the last twelve months.
    """
    assumptions, ledger = assumptions or Assumptions(), ledger.known_by(as_of)
    past = history.build(ledger, as_of, policy=policy)
    failed = evidence.failures(ledger, as_of, past)
    bought = evidence.orders(ledger, as_of, failed)
    if bought.empty:
        raise SimulationError(f"{ledger.source}: no customer has bought in the twelve months up to {as_of.date()}")
    grades = [grade.grade for grade in policy.grades.scale]
    last = past[past["month"] == past["month"].max()].set_index("customer_id")
    everyone = _graded(policy, last, grades)
    begin = as_of - pd.DateOffset(months=months)
    stages = [stage.action for stage in policy.ladder.stages]
    stage_from = np.array([stage.from_days for stage in policy.ladder.stages], dtype=np.int64)
    waits = evidence.spells(ledger, as_of, begin, failed, stages, stage_from)
    kind = pd.Series(waits.customer).map(everyone.to_dict()).fillna(0).to_numpy(dtype=np.int64)
    paid, at_risk = evidence.exposure(waits, kind, len(grades), BANDS)
    if waits.invoices < 50:
        raise SimulationError(
            f"{ledger.source}: {waits.invoices} invoices settled in {months} months; at least 50 are needed"
        )
    defaults, years = _defaults(past, policy, failed, as_of, grades)
    trend, known_since = evidence.growth(ledger, as_of, bought["customer_id"])
    season = evidence.season(ledger, as_of, trend[0])
    disputed, count, dispute_days = evidence.disputes(ledger, begin, as_of)
    people, extra, term, expected = _people(ledger, policy, bought, last, failed, as_of, grades)
    people = replace(
        people, past=known.learned(ledger, past, as_of, people.names),
        minor=10.0 ** money.minor_digits(ledger.currency),
        insured=known.covered(ledger, as_of, people.names, "insurance"),
        factored=known.covered(ledger, as_of, people.names, "factoring"),
    )  # fmt: skip
    sizes = extra["log_sd"].to_numpy(dtype=float)
    events, exposed = _rates(paid, at_risk, assumptions)
    habit = evidence.habit(evidence.habits(waits, kind, _levels(events / exposed, assumptions), BANDS), people.names)
    after = evidence.orders_after(ledger, as_of, failed)
    more, a_day = _still_ordering(*after)
    counts = Counts(
        paid, at_risk, defaults, years, extra["count"].to_numpy(dtype=float), extra["days"].to_numpy(dtype=float),
        sizes, extra["mean"].to_numpy(dtype=float), people.failed_days, trend, season,
        pd.Index(people.names).isin(known_since), disputed, count,
        evidence.recovery(ledger, as_of), expected, habit, evidence.exits(ledger, as_of, failed), after,
        silent(
            ledger, as_of, past, failed, pd.Series(people.names, dtype="str"),
            _usual_rate(defaults, years), more / a_day,
        ),
    )  # fmt: skip
    number = pd.Series(np.arange(len(people.names)), index=people.names)
    issued = ledger.invoices.loc[ledger.invoices["amount"] > 0, "issue_date"]
    recent = issued[(issued > begin) & (issued <= as_of)]
    base = World(
        people, np.zeros((len(grades), len(assumptions.level_effect) + 1, len(BANDS))), BANDS, np.ones(12),
        weekday=evidence.weekdays(recent), paydays=evidence.paydays(ledger, as_of), dispute_days=dispute_days,
        partial_share=min(waits.in_parts / max(waits.invoices, 1), 1.0),
        partial_first=waits.first_part,
        opening=evidence.opening(ledger, as_of, number, dispute_days, stages, stage_from),
    )  # fmt: skip
    world = counts.world(base, assumptions, None)
    return Calibration(world, _table(counts, world, grades, waits, assumptions), term, expected, assumptions, counts)


def _graded(policy: Policy, rows: pd.DataFrame, grades: list[str]) -> pd.Series:
    """Number of the grade of each row, by its index."""
    number = {name: k for k, name in enumerate(grades)}
    found = grade_of(policy, rows["payment_index"], rows["months_on_book"]).map(number)
    return pd.Series(found.to_numpy(dtype=np.int64), index=rows.index)


def _defaults(
    past: pd.DataFrame, policy: Policy, failed: pd.Series, as_of: pd.Timestamp, grades: list[str]
) -> tuple[Floats, Floats]:
    """Failures by the grade half a year before, and customer-years by grade, up to the day from which failures can be
    seen.

    Customers slide down before they fail; the grade at which orders were still granted is the one that counts.
    """
    seen = as_of - pd.Timedelta(days=LAG)
    rows = past[past["month"] <= seen].assign(failed=lambda t: pd.to_datetime(t["customer_id"].map(failed.to_dict())))
    rows = rows.assign(then=_graded(policy, rows, grades).to_numpy())
    # a customer that never paid has failed before its first month end: that month's grade is all there is
    young = rows[rows["failed"] <= seen].groupby("customer_id")["then"].first()
    rows = rows[rows["failed"].isna() | (rows["month"] < rows["failed"])]
    events, years = np.zeros(len(grades)), np.zeros(len(grades))
    np.add.at(years, rows["then"].to_numpy(), 1 / 12)
    early = rows[(rows["failed"] <= seen) & (rows["month"] <= rows["failed"] - pd.DateOffset(months=6))]
    known = early.groupby("customer_id")["then"].last()
    young = young.drop(known.index)
    np.add.at(events, np.concatenate([known.to_numpy(), young.to_numpy()]).astype(np.int64), 1.0)
    return events, years


def _people(
    ledger: Ledger, policy: Policy, bought: pd.DataFrame, last: pd.DataFrame, failed: pd.Series, as_of: pd.Timestamp,
    grades: list[str],
) -> tuple[Customers, pd.DataFrame, Ints, float]:  # fmt: skip
    """Customers that buy, those that have failed and still owe, and places for those to come."""
    begin = ledger.invoices["issue_date"].min()
    lookback = as_of - pd.DateOffset(months=24)
    young = bought[(bought["first"] > lookback) & (bought["first"] > begin + pd.Timedelta(days=120))]
    span = max((as_of - max(lookback, begin + pd.Timedelta(days=120))).days, 90)
    expected = len(young) * 365 / span
    places = int(np.ceil(expected + 3 * np.sqrt(expected))) if expected > 0 else 0
    donors = young.iloc[np.arange(places) % max(len(young), 1)] if places else young
    dead = pd.DataFrame({"customer_id": failed.index, "failed_on": failed.to_numpy()})
    dead = dead.assign(count=0.0, days=365.0, mean=0.0, log_sd=0.0, term=30.0)
    rows = pd.concat([bought, dead, donors], ignore_index=True)
    kind = np.repeat([0, 1, 2], [len(bought), len(dead), len(donors)])
    names = rows["customer_id"].astype(str).to_numpy(dtype=object)
    names[kind == 2] = [f"newcomer {k + 1}" for k in range(places)]
    code = _graded(policy, last.reindex(rows["customer_id"]), grades).to_numpy()
    facts = ledger.customers.set_index("customer_id")
    keys = pd.DataFrame({"grade": [grades[g] for g in code]})
    for column in ("industry", "region"):
        known = rows["customer_id"].map(facts[column].to_dict() if column in facts else {})
        keys[column] = known.astype("str").fillna("").to_numpy()
    segments = keys.drop_duplicates(ignore_index=True)
    place = keys.merge(segments.assign(segment=range(len(segments))), how="left")["segment"].to_numpy(dtype=np.int64)
    spread = rows["log_sd"].fillna(float(bought["log_sd"].median()) if bought["log_sd"].notna().any() else 0.5)
    extra = rows.assign(log_sd=spread.clip(0.05, 2.0))
    months = last["months_on_book"].reindex(rows["customer_id"]).fillna(0).to_numpy()
    gone = np.zeros(len(rows), dtype=np.int64)
    gone[kind == 1] = np.maximum((as_of - pd.to_datetime(dead["failed_on"])).dt.days.to_numpy(), 1)
    zero = np.zeros(len(rows))
    people = Customers(
        names, code, place, segments, zero, zero, extra["log_sd"].to_numpy(dtype=float), zero,
        (months < policy.grades.min_months) | (kind == 2), (kind == 2).astype(np.int64), gone,
    )  # fmt: skip
    return people, extra, np.rint(rows["term"]).clip(0).to_numpy(dtype=np.int64), expected


def _table(
    counts: Counts, world: World, grades: list[str], waits: evidence.Spells, assumptions: Assumptions
) -> pd.DataFrame:
    rows: list[tuple[Any, ...]] = []
    _, weighted = _rates(counts.paid, counts.at_risk, assumptions)
    failing, years = _failing(counts.defaults, counts.years)
    for g, name in enumerate(grades):
        for band in range(len(BANDS)):
            days = max(float(weighted[g, band]), 1.0)
            source = f"{counts.paid[g, band]:.0f} payments in {counts.at_risk[g, :, band].sum():,.0f} days"
            label = "earlier" if band == 0 else f"from {BANDS[band]}"
            error = float(np.sqrt(counts.paid[g, band] + 0.5) / days)
            rows.append(("daily hazard of payment", name, label, float(world.hazard[g, 0, band]), error, source))
        rate = float(failing[g] / years[g])
        source = f"{counts.defaults[g]:.0f} failures in {counts.years[g]:,.0f} customer-years"
        rows.append(("yearly default rate", name, "", rate, np.sqrt(failing[g]) / years[g], source))
    for parameter, share, n, what in (
        ("share disputed", world.dispute_share, counts.invoices, "invoices"),
        ("share paid in parts", world.partial_share, waits.invoices, "settled invoices"),
        ("share recovered", world.recovery, counts.recovery[1], "customers with a write-off"),
    ):
        error = float(np.sqrt(share * (1 - share) / n)) if n else np.nan
        rows.append((parameter, "", "", share, error, f"{n:,} {what}"))
    orders = float(counts.orders.sum())
    rows.append(("orders a day", "", "", float(world.customers.rate[world.customers.joins == 0].sum()),
                 np.sqrt(orders) / 365, f"{orders:,.0f} orders of twelve months"))  # fmt: skip
    rows.append(("growth of orders a year", "", "", *counts.trend, "customers known for two years"))
    rows.append(("customers to come in a year", "", "", counts.newcomers, np.sqrt(counts.newcomers), "two years"))
    chance = counts.silent.chance
    unsure, source = float(np.sqrt((chance * (1 - chance)).sum())), f"silence of {len(chance):,} customers that owe"
    rows.append(("customers that have failed unnoticed", "", "", float(chance.sum()), unsure, source))
    more, a_day = _still_ordering(*counts.after)
    source = f"{counts.after[0]:.0f} invoices to customers that failed, {counts.after[1]:.2f} a day before"
    rows.append(("days of orders after a failure", "", "", more / a_day, np.sqrt(more) / a_day, source))
    for first, lost, waited in zip(WAITS, *_leaving(*counts.exits), strict=True):
        source = f"{lost:.1f} write-offs in {waited:,.0f} days, customers that failed"
        rows.append(
            ("daily hazard of write-off", "", f"from {first}", lost / waited, float(np.sqrt(lost)) / waited, source)
        )
    for month, (factor, error) in enumerate(zip(*counts.season, strict=True)):
        rows.append(("season", "", f"month {month + 1}", factor, error, "orders of up to three years"))
    return pd.DataFrame(rows, columns=["parameter", "grade", "band", "estimate", "standard_error", "source"])
