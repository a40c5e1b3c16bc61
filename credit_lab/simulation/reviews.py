"""A month end within the simulated world: who is how late, and what the policy's review makes of each limit.

The loop closes here: what customers paid in the simulation grades them, the rules (`credit_lab.rules`) set their limits
and terms, and the orders that follow meet them. How they behave stays: hazards follow their kind, not their grade.
"""

import numpy as np

from credit_lab.compiled import njit
from credit_lab.rules import forms, grades, limits
from credit_lab.simulation.agenda import AHEAD, fetch
from credit_lab.simulation.records import BORROWING

forms.for_loops()
PARTS = "b6daeab626ac"  # see `kernel.PARTS`
SOLD, PAID, DAYS = range(3)  # of a month, in the rings
FAR = 2**30


@njit(**BORROWING)
def arrears(day, c, before, inv, cus, old_from, late_from):  # type: ignore[no-untyped-def] # pragma: no cover
    """Of a customer's open invoices listed before a place: what is overdue on a day, of that what is more than so many
    days late (twice), amount × days late, and the days of the oldest. Closed ones leave the list for good."""
    overdue, old, late, carried, soonest = 0, 0, 0, 0, FAR
    last, i = -1, cus[c].first
    while 0 <= i < before:
        if inv[i].state > 0:
            past = day - inv[i].due
            soonest = min(soonest, inv[i].due)
            if past > 0:
                overdue += inv[i].rest
                carried += inv[i].rest * past
                if past > old_from:
                    old += inv[i].rest
                if past > late_from:
                    late += inv[i].rest
            last = i
        elif last < 0:
            cus[c].first = inv[i].following
        else:
            inv[last].following = inv[i].following
        i = inv[i].following
    cus[c].soonest = soonest  # no open invoice falls due before
    return overdue, old, late, carried, max(day - soonest, 0)


@njit(**BORROWING)
def month_end(month, day, ordered, inv, cus, rings, own):  # type: ignore[no-untyped-def] # pragma: no cover
    """The books of the month are closed; grades, limits and terms are set where a review is due.

    ordered : so many orders have come so far; own : `rules.limits.Limits`
    rings : customer, month modulo their number, what was sold, paid, and paid × days
    """
    depth = rings.shape[1]
    whole = 0.0
    for c in range(len(cus)):
        cus[c].year += cus[c].sold - rings[c, (month - own.forecast_months) % depth, SOLD]
        at = rings[c, month % depth]
        at[SOLD], at[PAID], at[DAYS] = cus[c].sold, cus[c].paid, cus[c].days
        if cus[c].sold > 0:
            cus[c].last_sold = month
        cus[c].sold, cus[c].paid, cus[c].days = 0, 0, 0
        if cus[c].since <= month:
            whole += limits.annual_sales(own, cus[c].year, month - cus[c].since)
    cap = own.share_of_sales * max(whole, 0.0)
    due = (month + 1) % own.review_months == 0
    for c in range(len(cus)):
        months = month - cus[c].since
        newcomer = months < own.grades.min_months
        if months < 0 or not (
            due or newcomer or cus[c].trial or not cus[c].decided or month - cus[c].last_sold >= own.withdraw_after
        ):
            continue
        fetch(inv, cus[min(c + AHEAD, len(cus) - 1)].first)
        _review(month, day, c, months, due, cap, ordered, inv, cus, rings, own)


@njit(**BORROWING, forceinline=True)
def _review(month, day, c, months, due, cap, ordered, inv, cus, rings, own):  # type: ignore[no-untyped-def] # pragma: no cover
    """One customer: its grade by what it paid and owes, what its limit would be, and whether it is changed."""
    overdue, carried, worst = 0, 0, 0
    if cus[c].soonest < day:
        overdue, _, _, carried, worst = arrears(day, c, ordered, inv, cus, 0, 0)
    annual = limits.annual_sales(own, cus[c].year, months)
    if months < own.grades.min_months and limits.trial_ends(own, worst, overdue):
        cus[c].ended = 1
    paid, days = float(overdue), float(carried)
    for back in range(12):
        at = rings[c, (month - back) % rings.shape[1]]
        paid += at[PAID]
        days += at[DAYS]
    index = grades.payment_index(days / paid) if paid > 0 else np.nan
    grade = grades.grade(own.grades, index, months)
    multiple, term = own.grades.multiple[grade], own.grades.term[grade]
    formula = multiple * limits.sales_forecast(annual, term, own.delay, own.peak)
    what = limits.bound(own, months, cus[c].paid_well, cus[c].ended == 1, multiple, annual, formula, cap)
    wanted = limits.bounded(own, what, cus[c].paid_well, formula, cap)
    old = float(cus[c].limit) if cus[c].decided else -1.0
    trial = what == limits.TRIAL or what == limits.TRIAL_ENDED or cus[c].trial == 1
    made = limits.change(own, old, wanted, month - cus[c].changed, month - cus[c].last_sold, due, False, trial)
    if made == limits.NOT_DUE:
        return
    cus[c].grade, cus[c].term, cus[c].looked, cus[c].decided = grade, int(term), month, 1
    cus[c].trial = what == limits.TRIAL
    limit = int(limits.next_limit(made, old, wanted))
    if limit != cus[c].limit or old < 0:
        cus[c].limit, cus[c].changed = limit, month
