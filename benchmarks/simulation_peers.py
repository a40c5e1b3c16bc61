"""The rules of the twin in other formulations, on the same draws: SimPy, numpy day by day; Mesa in `simulation_mesa`.

SimPy comes in two forms: as people write it, with processes of invoices that live day by day, and as well as we could,
with events found by the compiled inversion of the clock. Each takes a `Case` and returns the same measures as the
kernel, summed over months and segments, in minor units; the benchmark refuses to time a peer whose figures differ.
Draws are made beforehand for all.
"""

import bisect
import heapq
from dataclasses import dataclass

import numba
import numpy as np

from credit_lab.simulation import records
from credit_lab.simulation import world as worlds
from credit_lab.simulation.clock import burnt, ends_on
from credit_lab.simulation.world import ODD, ONE, customer_key, draw_defaults, draw_orders, mix, uniform

LATER = 2**30
AT = {name: k for k, name in enumerate(records.MEASURES)}


@dataclass(frozen=True)
class Case:
    """One replicate with everything drawn: orders by day, default days, and per order clock, second clock (0: paid at
    once), days disputed, whether it takes the discount."""

    world: object
    rules: object
    days: int
    start: np.ndarray
    who: np.ndarray
    size: np.ndarray
    default_day: np.ndarray
    clock: np.ndarray
    second: np.ndarray
    disputed: np.ndarray
    quick: np.ndarray
    risk: np.ndarray
    payday: np.ndarray


@numba.njit(cache=True)
def _marks(seed, replicate, who, number):
    found = np.empty((len(who), 5))
    for k in range(len(who)):
        base = mix(customer_key(seed, replicate, who[k]) + np.uint64(number[k]) * ODD)
        for at, purpose in enumerate((worlds.CLOCK, worlds.PARTIAL, worlds.SECOND, worlds.DISPUTE, worlds.DISCOUNT)):
            found[k, at] = uniform(base, purpose)
    return found


def case(world, rules, span, *, seed, replicate):
    """Draw everything a replicate needs."""
    p, days = world.customers, span.warm_up + span.days
    dates = span.dates()
    start, who, number, size = draw_orders(
        seed, replicate, p.rate, p.amount, p.spread, p.joins, world.pace(dates, span.warm_up)
    )
    u = _marks(seed, replicate, who, number)
    ticks = np.maximum((-np.log(u[:, [0, 2]]) * (ONE / p.habit[who])[:, None]).astype(np.int64), 1)
    disputed = np.where(u[:, 3] < world.dispute_share, world.dispute_days, 0)
    grade = p.grade[who]
    quick = (rules.discount[grade] > 0) & (disputed == 0) & (u[:, 4] < world.discount_taken[grade])
    second = np.where((u[:, 1] < world.partial_share) & ~quick, ticks[:, 1], 0)
    total = np.bincount(p.grade, weights=p.default_rate, minlength=world.hazard.shape[0])
    mean = total / np.maximum(np.bincount(p.grade, minlength=world.hazard.shape[0]), 1)
    risk = np.maximum(np.rint(mean * 100), 1).astype(np.int64)
    defaults = draw_defaults(seed, replicate, p.default_rate, world.correlation)
    return Case(world, rules, days, start, who, size, defaults, ticks[:, 0], second, disputed, quick, risk,
                world.next_payday(dates))  # fmt: skip


class Invoice:
    """An open invoice, for the formulations with objects."""

    __slots__ = ("amount", "clock", "disputed", "due", "ends", "key", "level", "open", "order", "owner", "process",
                 "quick", "ready", "rest", "second", "since")  # fmt: skip


class Books:
    """Measures and the rules that SimPy and Mesa share: granting, settling, losing. One customer is one list."""

    def __init__(self, made: Case, daily: bool = False):
        self.made, self.rules, self.world = made, made.rules, made.world
        p = made.world.customers
        self.grade, self.term = p.grade.tolist(), made.rules.term.tolist()
        self.limit, self.newcomer = made.rules.limit.tolist(), p.newcomer.tolist()
        self.burn, self.bands = made.world.burn(), made.world.bands
        self.rates, self.band_list = self.burn.tolist(), self.bands.tolist()
        self.daily = daily
        self.total = dict.fromkeys(records.MEASURES, 0)
        self.owed, self.paid_well = [0] * len(self.grade), [0] * len(self.grade)
        self.books = [[] for _ in self.grade]
        self.dead = [False] * len(self.grade)
        self.size, self.clock = made.size.tolist(), made.clock.tolist()
        self.second, self.disputed, self.quick = made.second.tolist(), made.disputed.tolist(), made.quick.tolist()
        self.stage_from = made.rules.stage_from.tolist()
        self.minutes, self.cost = made.rules.stage_minutes.tolist(), made.rules.stage_cost.tolist()
        self.discount, self.demand = made.rules.discount.tolist(), made.rules.demand.tolist()
        self.risk, self.payday = made.risk.tolist(), made.payday.tolist()

    def order(self, day, k, c):
        """The invoice an order becomes, or None."""
        r, total, g = self.rules, self.total, self.grade[c]
        asked = int(self.size[k] * self.demand[g] + 0.5)
        total["ordered"] += asked
        book = self.books[c]
        while book and not book[0].open:
            book.pop(0)
        if book and day - book[0].due > r.hold_days and book[0].rest >= r.hold_least:
            total["refused_hold"] += asked
            return None
        allowed = self.limit[c]
        if self.newcomer[c]:
            steps = min(self.paid_well[c] // r.trial_step, r.trial_steps)
            if steps < r.trial_steps:
                allowed = min(allowed, int(r.trial_first * r.trial_factor**steps))
        room, granted = allowed - self.owed[c], asked
        if asked > room:
            granted = room if r.partial_release and room > 0 else 0
            total["refused_limit"] += asked - granted
            if granted == 0:
                return None
        total["sales"] += granted
        self.owed[c] += granted
        one = Invoice()
        one.amount = one.rest = granted
        one.owner, one.order, one.due, one.level, one.open = c, k, day + self.term[c], 0, True
        one.clock, one.second, one.disputed, one.quick = self.clock[k], self.second[k], self.disputed[k], self.quick[k]
        book.append(one)
        if one.quick:
            one.ends = day + max(int(r.discount_days[g]), 1)
        else:
            self.wait(day, one)
        return one

    def wait(self, day, one):
        """The day on which the invoice ends by itself; whoever lives day by day will see."""
        if self.daily:
            return
        paid = day + 1
        if one.clock > 0:
            paid = ends_on(one.clock, day + 1, one.due, self.grade[one.owner], one.level, one.disputed, self.burn,
                           self.bands)  # fmt: skip
        if paid < self.made.days:
            paid = self.payday[paid]
        one.since = day + 1
        one.ends = min(paid, max(one.due + self.rules.write_off + 1, day + 1))

    def due_today(self, day, one):
        """Whether an invoice ends today, after a day's burning of its clock."""
        if one.quick:
            return day == one.ends
        age = day - one.due
        if not 0 <= age < one.disputed:
            band = max(bisect.bisect_right(self.band_list, age) - 1, 0)
            one.clock -= self.rates[self.grade[one.owner]][one.level][band]
        return age > self.rules.write_off or (one.clock <= 0 and self.payday[day] == day)

    def end(self, day, one):
        """Paid, in whole or part, or written off; whether the invoice is closed."""
        c, total, part = one.owner, self.total, one.rest
        if day > one.due + self.rules.write_off:
            total["written_off"] += part
            total["aged_off"] += part
            total["vintage_lost"] += part
        elif one.quick:
            off = int(part * self.discount[self.grade[c]] + 0.5)
            total["credited"] += off
            total["collected"] += part - off
            self.paid_well[c] += day <= one.due
        elif one.second > 0:
            part = int(part * self.world.partial_first + 0.5)
            total["collected"] += part
            one.clock, one.second = one.second, 0
            one.rest -= part
            self.owed[c] -= part
            self.wait(day, one)
            return False
        else:
            total["collected"] += part
            self.paid_well[c] += day <= one.due
        self.owed[c] -= part
        one.rest, one.open = 0, False
        return True

    def recover(self, c):
        """A share of what a failed customer owes comes back, the rest is lost."""
        for one in self.books[c]:
            if one.open:
                back = int(one.rest * self.world.recovery + 0.5)
                self.total["recovered"] += back
                self.total["written_off"] += one.rest - back
                self.total["vintage_lost"] += one.rest - back
                self.owed[c] -= one.rest
                one.rest, one.open = 0, False
        self.books[c].clear()

    def contact(self, day, one):
        """A collector's contact: the clock so far is burnt, the rest inverted anew; day of the next stage."""
        self.total["collection_cost"] += self.cost[one.level]
        self.total["actions"] += 1
        if not self.daily:
            one.clock -= burnt(
                one.since, day, one.due, self.grade[one.owner], one.level, one.disputed, self.burn, self.bands
            )
        one.level += 1
        self.wait(day, one)
        return max(one.due + self.stage_from[one.level], day + 1) if one.level < len(self.stage_from) else LATER

    def work(self, waiting):
        """Collectors' minutes of a day on the heap of those who wait; yields each invoice contacted."""
        left = self.rules.capacity
        while waiting:
            one = waiting[0][2]
            if not one.open or self.dead[one.owner]:
                heapq.heappop(waiting)
                continue
            if self.minutes[one.level] > left:
                break
            heapq.heappop(waiting)
            left -= self.minutes[one.level]
            yield one

    def enqueue(self, waiting, one):
        if one.open and not self.dead[one.owner]:
            heapq.heappush(waiting, (-(one.rest // 100) * self.risk[self.grade[one.owner]], one.order, one))


def with_simpy(made: Case):
    """Processes: customers order, invoices wait and are interrupted by contacts, collectors work in the evening."""
    import simpy

    env, books = simpy.Environment(), Books(made)
    waiting, staged = [], [[] for _ in range(made.days + 1)]
    orders = [[] for _ in books.grade]
    for day in range(made.days):
        for k in range(made.start[day], made.start[day + 1]):
            orders[made.who[k]].append((day, k))
    stage_of = books.stage_from[0] if books.stage_from else None

    def stage(one, day):
        one.ready = day
        if day < made.days and one.ends >= day:
            staged[day].append(one)

    def invoice(one):
        while True:
            try:
                yield env.timeout(one.ends + 0.3 - env.now)
            except simpy.Interrupt:
                if not one.open:
                    return
                continue
            if not one.open or books.dead[one.owner]:
                return
            day = int(env.now)
            first = one.ready
            if books.end(day, one):
                return
            if first > day:  # it would have been paid before; not any more
                stage(one, first)

    def customer(c):
        for day, k in orders[c]:
            yield env.timeout(day + 0.4 - env.now)
            if books.dead[c]:
                return
            one = books.order(day, k, c)
            if one is not None:
                stage(one, LATER if stage_of is None else one.due + max(stage_of, one.disputed))
                one.process = env.process(invoice(one))

    def failure(c):
        yield env.timeout(made.default_day[c] + 0.1 - env.now)
        books.dead[c] = True
        books.total["defaulted"] += books.owed[c]
        yield env.timeout(made.world.recovery_days + 0.1)
        books.recover(c)

    def collectors():
        for day in range(made.days):
            yield env.timeout(day + 0.5 - env.now)
            for one in staged[day]:
                books.enqueue(waiting, one)
            for one in list(books.work(waiting)):
                stage(one, books.contact(day, one))
                one.process.interrupt()

    for c in range(len(books.grade)):
        if orders[c]:
            env.process(customer(c))
        if made.default_day[c] < made.days:
            env.process(failure(c))
    env.process(collectors())
    env.run(until=made.days)
    return books


def with_simpy_daily(made: Case):
    """Processes as people write them: an invoice wakes up every day, collectors look at those that are due a step."""
    import simpy

    env, books = simpy.Environment(), Books(made, daily=True)
    waiting, staged = [], [[] for _ in range(made.days + 1)]
    orders = [[] for _ in books.grade]
    for day in range(made.days):
        for k in range(made.start[day], made.start[day + 1]):
            orders[made.who[k]].append((day, k))

    def stage(one, day):
        if day < made.days:
            staged[day].append(one)

    def invoice(one):
        while True:
            yield env.timeout(1 if env.now % 1 < 0.35 else 0.9)
            day = int(env.now)
            if books.dead[one.owner] or not one.open:
                return
            if books.due_today(day, one) and books.end(day, one):
                return

    def customer(c):
        for day, k in orders[c]:
            yield env.timeout(day + 0.4 - env.now)
            if books.dead[c]:
                return
            one = books.order(day, k, c)
            if one is not None:
                if books.stage_from:
                    stage(one, one.due + max(books.stage_from[0], one.disputed))
                env.process(invoice(one))

    def failure(c):
        yield env.timeout(made.default_day[c] + 0.1 - env.now)
        books.dead[c] = True
        books.total["defaulted"] += books.owed[c]
        yield env.timeout(made.world.recovery_days + 0.1)
        books.recover(c)

    def collectors():
        for day in range(made.days):
            yield env.timeout(day + 0.5 - env.now)
            for one in staged[day]:
                books.enqueue(waiting, one)
            for one in list(books.work(waiting)):
                stage(one, books.contact(day, one))

    for c in range(len(books.grade)):
        if orders[c]:
            env.process(customer(c))
        if made.default_day[c] < made.days:
            env.process(failure(c))
    env.process(collectors())
    env.run(until=made.days)
    return books


def with_numpy(made: Case):
    """Arrays over all orders, day by day: open invoices burn their clocks, whoever is used up is paid."""
    r, world, p = made.rules, made.world, made.world.customers
    n, burn = len(made.who), made.world.burn()
    total = dict.fromkeys(records.MEASURES, 0)
    grade = p.grade[made.who]
    rest, due, level = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
    clock, second, ready = made.clock.copy(), made.second.copy(), np.full(n, LATER)
    quick_on = np.full(n, LATER)
    waiting = np.zeros(n, bool)
    live = np.zeros(0, np.int64)
    owed, well = np.zeros(len(p.names), np.int64), np.zeros(len(p.names), np.int64)
    money_moves = made.payday == np.arange(len(made.payday))
    asked = (made.size * r.demand[grade] + 0.5).astype(np.int64)

    def settle(rows, amount):
        np.subtract.at(owed, made.who[rows], amount)
        rest[rows] -= amount

    for day in range(made.days):
        failed = np.flatnonzero(made.default_day == day)
        total["defaulted"] += int(owed[failed].sum())
        dead = made.default_day <= day
        back = live[made.default_day[made.who[live]] + world.recovery_days == day]
        share = (rest[back] * world.recovery + 0.5).astype(np.int64)
        total["recovered"] += int(share.sum())
        for name in ("written_off", "vintage_lost"):
            total[name] += int((rest[back] - share).sum())
        settle(back, rest[back])
        live = live[rest[live] > 0]
        active = live[~dead[made.who[live]]]
        off = active[quick_on[active] == day]
        cut = (rest[off] * r.discount[grade[off]] + 0.5).astype(np.int64)
        total["credited"] += int(cut.sum())
        total["collected"] += int((rest[off] - cut).sum())
        np.add.at(well, made.who[off], day <= due[off])
        settle(off, rest[off])
        slow = active[quick_on[active] == LATER]
        age = day - due[slow]
        calm = ~((age >= 0) & (age < made.disputed[slow]))
        band = np.maximum(np.searchsorted(world.bands, age, side="right") - 1, 0)
        clock[slow] -= np.where(calm, burn[grade[slow], level[slow], band], 0)
        aged = slow[age > r.write_off]
        if money_moves[day]:
            over = slow[(clock[slow] <= 0) & (age <= r.write_off)]
            half = second[over] > 0
            part = np.where(half, (rest[over] * world.partial_first + 0.5).astype(np.int64), rest[over])
            total["collected"] += int(part.sum())
            np.add.at(well, made.who[over[~half]], day <= due[over[~half]])
            clock[over[half]] = second[over[half]]
            second[over[half]] = 0
            settle(over, part)
        for name in ("written_off", "aged_off", "vintage_lost"):
            total[name] += int(rest[aged].sum())
        settle(aged, rest[aged])
        live = live[rest[live] > 0]
        todays = np.arange(made.start[day], made.start[day + 1])
        todays = todays[~dead[made.who[todays]]]
        while len(todays):  # of each customer the first, then the second, ...
            _, firsts = np.unique(made.who[todays], return_index=True)
            k = np.sort(todays[firsts])
            todays = np.setdiff1d(todays, k, assume_unique=True)
            live = np.append(live, _accept(day, k, made, asked, live, rest, due, owed, well, total))
        fresh = live[(due[live] + r.term.max() >= day) & (ready[live] == LATER) & (level[live] == 0)]
        ready[fresh] = due[fresh] + np.maximum(r.stage_from[0], made.disputed[fresh]) if len(r.stage_from) else LATER
        quick = fresh[made.quick[fresh] & (quick_on[fresh] == LATER)]
        quick_on[quick] = day + np.maximum(r.discount_days[grade[quick]], 1)
        waiting[live[(ready[live] == day) & ~dead[made.who[live]]]] = True
        _contact(day, live, made, grade, rest, due, level, ready, waiting, dead, total)
    total["open"] = int(rest.sum())
    return total


def _accept(day, k, made, asked, live, rest, due, owed, well, total):
    """Grant orders of different customers against holds, limits and trial steps; those that become invoices."""
    r, p = made.rules, made.world.customers
    c = made.who[k]
    total["ordered"] += int(asked[k].sum())
    held = np.zeros(len(p.names), bool)
    owners, oldest = np.unique(made.who[live], return_index=True)
    first = live[oldest]
    held[owners] = (day - due[first] > r.hold_days) & (rest[first] >= r.hold_least)
    allowed = r.limit[c].copy()
    steps = np.minimum(well[c] // r.trial_step, r.trial_steps)
    new = p.newcomer[c] & (steps < r.trial_steps)
    allowed[new] = np.minimum(allowed[new], (r.trial_first * r.trial_factor ** steps[new]).astype(np.int64))
    room = allowed - owed[c]
    some = np.maximum(room, 0) if r.partial_release else np.zeros_like(room)
    granted = np.where(asked[k] > room, some, asked[k])
    total["refused_hold"] += int(asked[k][held[c]].sum())
    total["refused_limit"] += int((asked[k] - granted)[~held[c]].sum())
    granted[held[c]] = 0
    total["sales"] += int(granted.sum())
    kept = granted > 0
    rest[k[kept]], due[k[kept]] = granted[kept], day + r.term[c[kept]]
    owed[c] += granted
    return k[kept]


def _contact(day, live, made, grade, rest, due, level, ready, waiting, dead, total):
    """Collectors take who waits by amount x risk until the minutes are used up."""
    r, left = made.rules, made.rules.capacity
    queue = live[waiting[live] & (rest[live] > 0) & ~dead[made.who[live]]]
    if not hasattr(_contact, "key") or day == 0:
        _contact.key = np.zeros(len(rest), np.int64)
    new = queue[ready[queue] == day]
    _contact.key[new] = rest[new] // 100 * made.risk[grade[new]]
    for i in queue[np.lexsort((queue, -_contact.key[queue]))]:
        minutes = r.stage_minutes[level[i]]
        if minutes > left:
            break
        left -= minutes
        total["collection_cost"] += int(r.stage_cost[level[i]])
        total["actions"] += 1
        level[i] += 1
        waiting[i] = False
        ready[i] = max(due[i] + r.stage_from[level[i]], day + 1) if level[i] < len(r.stage_from) else LATER - 1
