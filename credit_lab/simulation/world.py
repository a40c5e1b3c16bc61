"""The world a policy meets: who orders what and when, when each invoice would be paid, who defaults.

Nothing here knows a policy. Every draw is a function of (seed, replicate, customer, purpose, number of the order), made
by a counter-based generator (the finaliser of splitmix64, Steele, Lea & Flood 2014), so that a decision in one place
shifts nothing elsewhere and results are the same bits for any number of threads, workers or chunks.

A payment clock E ~ Exp(1) in units of 2⁻³² is drawn with each order; an open invoice burns −ln(1 − h) of it a day, h
being the day's hazard of payment, and is paid on the first day the clock is used up. Integers add up the same in any
order, so the kernel and the plain reference agree to the cent.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab.compiled import njit
from credit_lab.errors import CreditLabError
from credit_lab.simulation.past import Past, usual

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
ONE = 2.0**32
ODD, STEP = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1B54A32D192ED03)
# purposes of draws
GAP, SIZE, CLOCK, SECOND, DISPUTE, PARTIAL, DISCOUNT, LEAVE = (np.uint64(k) for k in range(1, 9))
DEFAULT, FACTOR, WAIT, STOP = (np.uint64(k) for k in range(101, 105))
WAITS = np.array([0, 120, 240, 365])  # first day after the failure of each band of the time to the write-off


class SimulationError(CreditLabError):
    """Input of the simulation that cannot be used as it stands."""


@dataclass(frozen=True)
class Customers:
    """The firm's customers, one entry each.

    Attributes
    ----------
    names : customer_id
    grade : row of the hazard table (0 is best): how it behaves, which stays; the grade a policy gives it moves
    segment : code of the segment results are given by; `segments` names the codes
    rate : orders per day; amount : mean order, minor units; spread : standard deviation of ln(amount)
    default_rate : yearly default intensity
    newcomer : has no document yet, where no `past` is given
    joins : day of the first possible order; 0: a customer already, later ones are customers still to come
    failed_days : days since the customer failed; 0: it has not
    habit : factor on the customer's hazards of payment
    insured, factored : whether its invoices are
    past : what a review knows of them before the first day; None: as their rate and grade have it
    minor : minor units per unit of money (100; yen 1, dinar 1,000)
    """

    names: npt.NDArray[np.object_]
    grade: Ints
    segment: Ints
    segments: pd.DataFrame
    rate: Floats
    amount: Floats
    spread: Floats
    default_rate: Floats
    newcomer: npt.NDArray[np.bool_]
    joins: Ints = None  # type: ignore[assignment]
    failed_days: Ints = None  # type: ignore[assignment]
    habit: Floats = None  # type: ignore[assignment]
    insured: npt.NDArray[np.bool_] = None  # type: ignore[assignment]
    factored: npt.NDArray[np.bool_] = None  # type: ignore[assignment]
    past: Past | None = None
    minor: float = 100.0

    def __post_init__(self) -> None:
        size = len(self.names)
        if size == 0:
            raise SimulationError("simulation: no customers")
        for name in ("joins", "failed_days"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, np.zeros(size, dtype=np.int64))
        if self.habit is None:
            object.__setattr__(self, "habit", np.ones(size))
        for name in ("insured", "factored"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, np.zeros(size, dtype=bool))
        for name in ("grade", "segment", "rate", "amount", "spread", "default_rate", "newcomer", "joins",
                     "failed_days"):  # fmt: skip
            if len(getattr(self, name)) != size:
                raise SimulationError(f"simulation: {len(getattr(self, name))} values of {name} for {size} customers")
        if (self.habit <= 0).any():
            raise SimulationError("simulation: habit must be above zero for every customer")
        for name in ("rate", "amount", "spread", "default_rate", "habit"):
            values = getattr(self, name)
            if not (np.isfinite(values) & (values >= 0)).all():
                raise SimulationError(f"simulation: {name} must be known and not negative for every customer")

    def known(self) -> Past:
        """What a review knows of them on the first day."""
        joined = self.newcomer | (self.joins > 0)
        return self.past or usual(self.rate * 365 / 12 * self.amount, joined, self.grade)


@dataclass(frozen=True)
class Opening:
    """Invoices open when the simulation begins, one entry each, in the order of customers.

    Attributes
    ----------
    customer : number; amount : open, minor units; due : day relative to the first simulated day (below 0: overdue)
    level : stages of collection behind it; disputed : days from the due date on which nothing is paid
    """

    customer: Ints
    amount: Ints
    due: Ints
    level: Ints
    disputed: Ints

    def __post_init__(self) -> None:
        if (np.diff(self.customer) < 0).any() or (self.amount <= 0).any() or (self.disputed < 0).any():
            raise SimulationError("simulation: opening items must be sorted by customer, with amounts above zero")

    def within(self, stages: int) -> Ints:
        """Levels, none above the number of stages of a policy."""
        return np.minimum(self.level, stages)

    def numbers(self) -> Ints:
        """Keys of their draws: −1, −2, ... for each customer, which no order has."""
        first = np.searchsorted(self.customer, self.customer)
        return first - np.arange(len(self.customer)) - 1


@dataclass(frozen=True)
class World:
    """What holds whatever the policy.

    Attributes
    ----------
    customers : `Customers`
    hazard : daily hazard of payment by grade, level of collection (0: none so far) and age band
    bands : first day past due of each band; the first one holds everything younger
    season : factor on order rates by day of year / 365 × len(season), mean one; weekday : the same by day of the week
        from Monday; trend : growth of rates per year from the first reported day
    paydays : days of the week, from Monday, on which money comes in; what falls on another day comes on the next one
    dispute_share, dispute_days : share of invoices disputed from the due date on, and for how long nothing is paid
    partial_share, partial_first : share of invoices paid in two parts, and the first part
    discount_taken : share that takes a discount if one is offered, by grade
    recovery : share of a defaulter's balance that comes back when the rest is written off
    recovery_days : days from the failure until then, the same for all; or, where it is given,
    exits : daily hazard of the write-off by days since the failure, in the bands of `WAITS`
    still_ordering : mean days for which a customer that has failed goes on ordering (geometric)
    leave_share : chance that a customer whose order is refused leaves for good
    correlation : of default times with one common factor
    notice : factor on the hazard of payment after a notice before the due date
    opening : invoices open on the first day; None: the books fill during a warm-up
    """

    customers: Customers
    hazard: Floats
    bands: Ints
    season: Floats
    trend: float = 0.0
    weekday: Floats = field(default_factory=lambda: np.ones(7))
    paydays: npt.NDArray[np.bool_] = field(default_factory=lambda: np.ones(7, dtype=bool))
    dispute_share: float = 0.03
    dispute_days: int = 30
    partial_share: float = 0.05
    partial_first: float = 0.5
    discount_taken: Floats | None = None
    recovery: float = 0.3
    recovery_days: int = 180
    exits: Floats | None = None
    still_ordering: float = 0.0
    leave_share: float = 0.0
    correlation: float = 0.12
    notice: float = 1.0
    opening: Opening | None = None

    def __post_init__(self) -> None:
        grades = self.hazard.shape[0] if self.hazard.ndim == 3 else 0
        if grades > 100:
            raise SimulationError(f"simulation: {grades} grades; a record of a customer holds at most 100")
        if self.hazard.ndim != 3 or self.hazard.shape[2] != len(self.bands):
            raise SimulationError("simulation: hazard must have one row per grade, level and age band")
        if not ((self.hazard >= 0) & (self.hazard < 1)).all():
            raise SimulationError("simulation: hazards must lie in [0, 1); a payment is never certain on a day")
        if (np.diff(self.bands) <= 0).any():
            raise SimulationError("simulation: age bands must rise")
        if (self.customers.grade < 0).any() or (self.customers.grade >= grades).any():
            raise SimulationError(f"simulation: grades run from 0 to {grades - 1}")
        shares = (self.dispute_share, self.partial_share, self.partial_first, self.recovery, self.leave_share,
                  self.correlation)  # fmt: skip
        if not all(0 <= share <= 1 for share in shares) or self.correlation == 1 or self.recovery_days < 1:
            raise SimulationError("simulation: shares must lie in [0, 1] and recovery take at least a day")
        if not 0 <= self.still_ordering < np.inf:
            raise SimulationError("simulation: still_ordering is a number of days, not negative")
        if self.exits is not None and (len(self.exits) != len(WAITS) or not (self.exits >= 0).all()):
            raise SimulationError(f"simulation: exits needs {len(WAITS)} hazards, none negative")
        if not (self.season >= 0).all() or len(self.season) == 0:
            raise SimulationError("simulation: the season needs at least one factor, none negative")
        if len(self.weekday) != 7 or not (self.weekday >= 0).all() or len(self.paydays) != 7 or not self.paydays.any():
            raise SimulationError("simulation: weekday and paydays need seven entries, at least one day open")
        if self.opening is not None and (
            (self.opening.customer < 0).any() or (self.opening.customer >= len(self.customers.names)).any()
        ):
            raise SimulationError(f"simulation: opening items of customers beyond {len(self.customers.names)}")

    def pace(self, dates: pd.DatetimeIndex, origin: int) -> Floats:
        """Factor on all order rates by day; `origin` is the day at which rates are as given."""
        at = np.minimum((dates.day_of_year.to_numpy() - 1) * len(self.season) // 365, len(self.season) - 1)
        growth = 1 + self.trend * (np.arange(len(dates)) - origin) / 365
        return self.season[at] * self.weekday[dates.day_of_week.to_numpy()] * np.maximum(growth, 0.0)

    def next_payday(self, dates: pd.DatetimeIndex) -> Ints:
        """For each day the first day from it on that money comes in; the last days may point past the end."""
        ahead = np.array([next(k for k in range(7) if self.paydays[(day + k) % 7]) for day in range(7)])
        return np.arange(len(dates)) + ahead[dates.day_of_week.to_numpy()]

    def waits(self, seed: int, replicate: int) -> Ints:
        """Days from the failure of each customer until what it owes is written off; those that failed before the first
        day have waited so far."""
        people = self.customers
        if self.exits is None:
            return np.full(len(people.names), self.recovery_days)
        return np.asarray(draw_waits(seed, replicate, people.failed_days, self.exits, WAITS))

    def until(self, seed: int, replicate: int, default_day: Ints, waits: Ints) -> Ints:
        """First day on which each customer, once failed, does not order any more: at the latest when what it owes is
        written off."""
        if self.still_ordering == 0:
            return default_day
        more = draw_orders_after(seed, replicate, len(default_day), self.still_ordering)
        return default_day + np.minimum(more, waits)

    def burn(self) -> Ints:
        """Clock burnt per day by grade, level and band."""
        return np.rint(-np.log1p(-self.hazard) * ONE).astype(np.int64)


@njit(inline="always")
def mix(z):  # type: ignore[no-untyped-def] # pragma: no cover
    """Finaliser of splitmix64."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(inline="always")
def uniform(base, purpose):  # type: ignore[no-untyped-def] # pragma: no cover
    """A number in (0, 1) for a purpose."""
    return (float(mix(base ^ (purpose * STEP)) >> np.uint64(11)) + 0.5) * 1.1102230246251565e-16


@njit()
def _normal(u):  # type: ignore[no-untyped-def] # pragma: no cover
    """Quantile of the normal distribution (Acklam's rational fit, relative error 1.2e-9)."""
    if u < 0.02425 or u > 0.97575:
        q = math.sqrt(-2 * math.log(u if u < 0.5 else 1 - u))
        top = ((((-7.784894002430293e-3 * q - 0.3223964580411365) * q - 2.400758277161838) * q - 2.549732539343734) * q
               + 4.374664141464968) * q + 2.938163982698783  # fmt: skip
        low = (
            ((7.784695709041462e-3 * q + 0.3224671290700398) * q + 2.445134137142996) * q + 3.754408661907416
        ) * q + 1
        return top / low if u < 0.5 else -top / low
    q = u - 0.5
    r = q * q
    top = (((((-39.69683028665376 * r + 220.9460984245205) * r - 275.9285104469687) * r + 138.357751867269) * r
            - 30.66479806614716) * r + 2.506628277459239) * q  # fmt: skip
    low = ((((-54.47609879822406 * r + 161.5858368580409) * r - 155.6989798598866) * r + 66.80131188771972) * r
           - 13.28068155288572) * r + 1  # fmt: skip
    return top / low


@njit()
def customer_key(seed, replicate, customer):  # type: ignore[no-untyped-def] # pragma: no cover
    """Key of a customer's draws in one replicate."""
    return mix(mix(mix(np.uint64(seed) + ODD) ^ np.uint64(replicate)) ^ (np.uint64(customer) + ODD))


@njit()
def draw_orders(seed, replicate, rate, amount, spread, joins, pace):  # type: ignore[no-untyped-def] # pragma: no cover
    """Orders sorted by (day, customer): first order of each day, customer, number of the order there, amount.

    pace : factor on all rates on each day; orders are a Poisson process with that intensity
    """
    number, days = 0, len(pace)
    reached, start = np.zeros(days + 1), np.zeros(days + 1, np.int64)
    for k in range(days):
        reached[k + 1] = reached[k] + pace[k]
    expected = reached[days] * rate.sum()
    drawn = np.empty((int(expected + 6 * math.sqrt(expected)) + 1, 4), np.int64)  # day, customer, number, amount
    for customer in range(len(rate)):
        if rate[customer] <= 0 or joins[customer] >= days:
            continue
        key = customer_key(seed, replicate, customer)
        at, n = joins[customer], 0
        now = reached[at]
        while True:
            base = mix(key + np.uint64(n) * ODD)
            now += -math.log(uniform(base, GAP)) / rate[customer]
            if now >= reached[days]:
                break
            while reached[at + 1] <= now:
                at += 1
            shape = spread[customer] * _normal(uniform(base, SIZE)) - spread[customer] ** 2 / 2
            if number == len(drawn):
                drawn = np.concatenate((drawn, np.empty_like(drawn)))
            drawn[number, 0], drawn[number, 1], drawn[number, 2] = at, customer, n
            drawn[number, 3] = max(int(amount[customer] * math.exp(shape)), 1)
            start[at + 1] += 1
            number += 1
            n += 1
    for k in range(days):
        start[k + 1] += start[k]
    place = start[:-1].copy()
    who, count, size = np.empty(number, np.int64), np.empty(number, np.int64), np.empty(number, np.int64)
    for k in range(number):  # customers come in order, so within a day they stay in order
        to = place[drawn[k, 0]]
        who[to], count[to], size[to] = drawn[k, 1], drawn[k, 2], drawn[k, 3]
        place[drawn[k, 0]] += 1
    return start, who, count, size


@njit()
def draw_payments(orders, opening, seed, replicate, number, habit, taken, shares, dispute_days):  # type: ignore[no-untyped-def] # pragma: no cover
    """How each order would be paid if it became an invoice, into its record: clock, pending (the second part's clock),
    disputed, quick (takes a discount if there is one), leaves (its customer, if it is refused).

    opening : so many orders are invoices already, whose disputes are known; number : of each order
    taken : share that takes a discount, of each customer; shares : disputed, in two parts, leaving
    """
    disputes, parts, leave = shares
    for k in range(len(orders)):
        c = orders[k].who
        base, unit = mix(customer_key(seed, replicate, c) + np.uint64(number[k]) * ODD), ONE / habit[c]
        orders[k].clock = max(int(-math.log(uniform(base, CLOCK)) * unit), 1)
        orders[k].pending = 0
        if uniform(base, PARTIAL) < parts:
            orders[k].pending = max(int(-math.log(uniform(base, SECOND)) * unit), 1)
        if k >= opening:
            orders[k].disputed = dispute_days if uniform(base, DISPUTE) < disputes else 0
        orders[k].quick = uniform(base, DISCOUNT) < taken[c]
        orders[k].leaves = uniform(base, LEAVE) < leave


@njit()
def draw_waits(seed, replicate, waited, hazard, bands):  # type: ignore[no-untyped-def] # pragma: no cover
    """Days from the failure to the write-off, longer than those waited, under a hazard constant within each band."""
    result = np.empty(len(waited), np.int64)
    for customer in range(len(waited)):
        left = -math.log(uniform(customer_key(seed, replicate, customer), WAIT))
        at, band = float(waited[customer]), 0
        while band + 1 < len(bands) and bands[band + 1] <= at:
            band += 1
        while band + 1 < len(bands) and left > (bands[band + 1] - at) * hazard[band]:
            left -= (bands[band + 1] - at) * hazard[band]
            at, band = float(bands[band + 1]), band + 1
        last = at + left / hazard[band] if hazard[band] > 0 else 1e9
        result[customer] = int(min(last, 1e9)) + 1
    return result


@njit()
def draw_orders_after(seed, replicate, customers, mean):  # type: ignore[no-untyped-def] # pragma: no cover
    """Days for which each customer goes on ordering after its failure: at least k with chance q^k, q = m / (1 + m)."""
    result = np.empty(customers, np.int64)
    for customer in range(customers):
        u = uniform(customer_key(seed, replicate, customer), STOP)
        result[customer] = int(min(math.log(u) / -math.log1p(1 / mean), 1e9))
    return result


@njit()
def draw_defaults(seed, replicate, default_rate, correlation):  # type: ignore[no-untyped-def] # pragma: no cover
    """Day of default of each customer; a common factor moves all of them."""
    result = np.empty(len(default_rate), np.int64)
    common = _normal(uniform(mix(mix(np.uint64(seed) + ODD) ^ np.uint64(replicate)), FACTOR))
    for customer in range(len(default_rate)):
        own = _normal(uniform(customer_key(seed, replicate, customer), DEFAULT))
        x = math.sqrt(correlation) * common + math.sqrt(1 - correlation) * own
        below = 0.5 * math.erfc(-x * 0.7071067811865476)
        rate = default_rate[customer]
        years = -math.log1p(-min(below, 1 - 1e-16)) / rate if rate > 0 else 1e9
        result[customer] = int(min(years * 365, 4e9))
    return result
