"""What the peers of the benchmark begin with: one replicate with everything drawn, and what is known of the customers.

The world of the benchmark has no open books on the first day, and nobody leaves after a refusal or orders after a
failure; the peers leave those rules out.
"""

from dataclasses import dataclass

import numpy as np

from credit_lab.simulation import run

@dataclass(frozen=True)
class Case:
    """One replicate with everything drawn: orders by day, default days, and per order clock, second clock (0: paid at
    once), days disputed, whether it would take a discount."""

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
    month_of: np.ndarray

    def closes(self, day):
        """Whether a month ends on a day."""
        return day == self.days - 1 or self.month_of[day + 1] != self.month_of[day]


def case(world, rules, span, *, seed, replicate):
    """Draw everything a replicate needs."""
    start, orders, size, defaults = run.draw(world, span, seed=seed, replicate=replicate)
    p, kinds = world.customers, world.hazard.shape[0]
    total = np.bincount(p.grade, weights=p.default_rate, minlength=kinds)
    mean = total / np.maximum(np.bincount(p.grade, minlength=kinds), 1)
    risk = np.maximum(np.rint(mean * 100), 1).astype(np.int64)
    quick = (orders["quick"] == 1) & (orders["disputed"] == 0)
    return Case(
        world, rules, span.warm_up + span.days, start, orders["who"].astype(np.int64), size, defaults,
        orders["clock"].copy(), orders["pending"].copy(), orders["disputed"].astype(np.int64), quick, risk,
        world.next_payday(span.dates()), span.months()[0],
    )  # fmt: skip


class Invoice:
    """An open invoice."""

    __slots__ = ("clock", "disputed", "due", "ends", "issued", "key", "level", "open", "order", "owner", "planned",
                 "process", "quick", "rate", "ready", "rest", "second", "since", "small")  # fmt: skip


class Customer:
    """What the seller knows of a customer, and what it has decided about it."""

    __slots__ = ("book", "changed", "contract", "dead", "decided", "ended", "factored", "grade", "insured", "kind",
                 "last_sold", "limit", "looked", "owed", "paid", "paid_by", "paid_days", "paid_days_by", "paid_well",
                 "since", "small", "sold", "sold_by", "term", "trial")  # fmt: skip


def customers(made: Case):
    """The customers on the first day."""
    p, r = made.world.customers, made.rules
    past = p.known()
    found = []
    for c in range(len(p.names)):
        one = Customer()
        one.kind, one.grade, one.limit, one.term = int(p.grade[c]), int(r.grade[c]), int(r.limit[c]), int(r.term[c])
        one.insured, one.factored, one.trial = bool(r.insured[c]), bool(r.factored[c]), bool(r.on_trial[c])
        one.since, one.last_sold, one.contract = int(past.since[c]), int(past.last_sold[c]), int(past.contract[c])
        one.sold_by, one.paid_by = past.sold[c].tolist(), past.paid[c].tolist()
        one.paid_days_by, one.paid_well = past.paid_days[c].tolist(), int(past.paid_well[c])
        one.sold = one.paid = one.paid_days = one.owed = 0
        one.changed = one.looked = -1
        one.decided, one.dead, one.small = one.since < 0, False, False
        late = (past.dpd[c] >= r.limits.stop_dpd) & (past.overdue[c] >= r.limits.least)
        one.ended, one.book = bool(late.any()), {}
        found.append(one)
    return found
