"""What the peers of the benchmark begin with: one replicate, drawn, and its customers.

The world of the benchmark has no open books on the first day, and nobody leaves after a refusal or
orders after a failure; the peers leave those rules out.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from credit_lab.simulation import run


@dataclass(frozen=True)
class Case:
    """One replicate with everything drawn.

    Attributes
    ----------
    world, rules : what is simulated
    days : number of them
    start : first order of each day; who, size : customer and amount (minor units) of each order
    default_day : on which each customer fails
    clock, second : of each order, in units of 2**-32; second is 0 for one paid at once
    disputed : days; quick : whether it would take a discount
    risk : weight in the collectors' queue, by grade
    payday : for each day the first one on which money comes in; month_of : its month
    """

    world: Any
    rules: Any
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
    return Case(
        world=world,
        rules=rules,
        days=span.warm_up + span.days,
        start=start,
        who=orders["who"].astype(np.int64),
        size=size,
        default_day=defaults,
        clock=orders["clock"].copy(),
        second=orders["pending"].copy(),
        disputed=orders["disputed"].astype(np.int64),
        quick=(orders["quick"] == 1) & (orders["disputed"] == 0),
        risk=np.maximum(np.rint(mean * 100), 1).astype(np.int64),
        payday=world.next_payday(span.dates()),
        month_of=span.months()[0],
    )


@dataclass(slots=True, eq=False)
class Customer:
    """What the seller knows of a customer, and what it has decided about it."""

    kind: int  # row of the hazards
    grade: int
    limit: int
    term: int
    insured: bool
    factored: bool
    trial: bool
    ended: bool  # its trial is over for good
    since: int  # month of the first document
    last_sold: int
    contract: int
    paid_well: int
    sold_by: list  # by month, the last one last
    paid_by: list
    paid_days_by: list
    decided: bool
    sold: int = 0  # this month
    paid: int = 0
    paid_days: int = 0
    owed: int = 0
    changed: int = -1  # month of the last change of the limit, and of the last review
    looked: int = -1
    dead: bool = False
    small: bool = False  # some of its invoices wait until more is due
    book: dict = field(default_factory=dict)  # its open invoices by number of the order


@dataclass(slots=True, eq=False)
class Invoice:
    """An open invoice."""

    owner: Customer
    order: int
    due: int
    rest: int
    clock: int
    second: int
    disputed: int
    quick: bool
    level: int = 0
    ready: int = 0  # day of the next step of collection
    ends: int = 0  # day on which it ends by itself
    since: int = 0  # day from which on the clock is still to be burnt
    rate: float = 0.0
    open: bool = True
    small: bool = False
    process: Any = None
    planned: int = 0


def customers(made: Case):
    """The customers on the first day."""
    p, r = made.world.customers, made.rules
    past = p.known()
    late = (past.dpd >= r.limits.stop_dpd) & (past.overdue >= r.limits.least)
    columns = (
        *(p.grade, r.grade, r.limit, r.term, r.insured, r.factored, r.on_trial, late.any(axis=1)),
        *(past.since, past.last_sold, past.contract, past.paid_well),
        *(past.sold, past.paid, past.paid_days, past.since < 0),
    )
    return [Customer(*row) for row in zip(*(one.tolist() for one in columns), strict=True)]
