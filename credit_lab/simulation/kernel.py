"""The event-driven kernel: one replicate of a world under one policy.

Within a day: defaults; recoveries; orders, judged by the books of the evening before; payments and write-offs;
collectors (`collectors`); at a month's end the policy's review (`reviews`). An invoice has one day on which it ends by
itself (paid or written off), found by inverting its clock, and at most one step of collection ahead; a contact burns
the clock so far and inverts it again under the hazard of the new level. Stale ends are skipped because the day on file
differs. Nothing is drawn here: what is left to chance stands in the records.
"""

import numpy as np

from credit_lab.compiled import njit
from credit_lab.rules import holds as by_hold
from credit_lab.simulation import records as rec
from credit_lab.simulation.accounts import accrue, advance, at_stake, balances, claim, late, lose, settle
from credit_lab.simulation.agenda import AHEAD, BLOCK, fetch, gather, look_ahead, put
from credit_lab.simulation.collectors import (
    BACK,
    EARLY,
    END,
    FAIL,
    LATER,
    await_end,
    collect,
    first_step,
    list_end,
    list_step,
)  # fmt: skip
from credit_lab.simulation.records import BORROWING
from credit_lab.simulation.reviews import arrears, month_end

# numba keeps compiled code for as long as this file stays the same: its parts must show here (tests/test_compiled.py).
PARTS = "3bede9831e78"


@njit()
def simulate(  # type: ignore[no-untyped-def] # pragma: no cover
    inv, size, cus, default_day, pol, stages, settings, own, rings, burn, bands, month_of, edges, start, payday
):  # fmt: skip
    """Run a replicate on records of orders, customers, grades, stages and one record of settings.

    own : the rules of the policy: (holds, limits, ladder) of `credit_lab.rules`, in minor units
    rings : customer, month modulo their number, sold, paid, paid × days late
    size : of each order, replaced by what is granted
    default_day : on which each customer fails; below 0: it has failed
    start : first order of each day, sorted by day
    month_of : month of each day; edges : first day of each month, and the day after the last
    payday : for each day the first one on which money comes in

    Orders and customers are changed in place; returned are measures by month and segment (minor units), and by the
    same the hazard-weighted loss and the money-days the seller finances.
    """
    r = settings[0]
    result = np.zeros((len(edges) - 1, r.segments, len(rec.MEASURES)), np.int64)
    expected = np.zeros((len(edges) - 1, r.segments, 2))
    heads = np.full((5, r.days), -1, np.int64)
    pool = np.empty(_room(len(inv), len(cus), len(stages), r), np.int32)
    todays = np.empty(len(pool), np.int32)
    heap, used = np.empty(len(inv) + 1, rec.HEAP), np.zeros(2, np.int64)
    _run(
        inv, size, cus, default_day, pol, stages, settings, own, rings, burn, bands, month_of, edges, start, payday,
        heads, pool, todays, heap, used, result, expected,
    )  # fmt: skip
    return result, expected


@njit(**BORROWING)
def _run(  # type: ignore[no-untyped-def] # pragma: no cover
    inv, size, cus, default_day, pol, stages, settings, own, rings, burn, bands, month_of, edges, start, payday,
    heads, pool, todays, heap, used, result, expected,
):  # fmt: skip
    """The days one after the other."""
    r = settings[0]
    hold, limit, ladder = own
    _begin(inv, cus, default_day, r, heads, pool, used)
    for k in range(r.opening):
        _take_over(k, size[k], inv, cus, pol, ladder, r, burn, bands, payday, heads, pool, used, result, expected)
    for day in range(r.days):
        month = month_of[day]
        lines = result[month]
        for at in range(gather(pool, heads[FAIL, day], todays, 0)):
            _fail(day, todays[at], cus, r, month_of, edges, heads, pool, used, result, expected)
        for at in range(gather(pool, heads[BACK, day], todays, 0)):
            _recover(day, todays[at], inv, cus, r, month_of, edges, result, expected)
        for k in range(start[day], start[day + 1]):
            fetch(cus, inv[min(k + AHEAD, len(inv) - 1)].who)
            fetch(inv, cus[inv[min(k + AHEAD // 2, len(inv) - 1)].who].first)
            if cus[inv[k].who].dead and day >= cus[inv[k].who].until:
                inv[k].ends, size[k] = -1, 0
            else:
                _order(
                    day, k, size, inv, cus, pol, hold, ladder, r, burn, bands, payday, month_of, edges, heads,
                    pool, used, result, expected,
                )  # fmt: skip
        listed = gather(pool, heads[END, day], todays, 0)
        ends = gather(pool, heads[EARLY, day], todays, listed)
        for at in range(ends):
            look_ahead(inv, cus, todays, at, ends)
            i = todays[at]
            if at < listed:
                inv[i].listed = -1
                if inv[i].state > 0 and inv[i].ends > day and not cus[inv[i].who].dead:
                    list_end(i, r.days, inv, heads, pool, used)
                    continue
            _end(day, i, inv, cus, pol, r, burn, bands, payday, month_of, edges, heads, pool, used, result, expected)
        collect(day, inv, cus, pol, stages, ladder, r, burn, bands, payday, heads, pool, todays, heap, used, lines)
        if r.reviewed and day + 1 == edges[month + 1]:
            month_end(month, day, start[day + 1], inv, cus, rings, limit)
    for c in range(len(cus)):
        accrue(result, expected, month_of, edges, c, r.days, cus, r)
    for i in range(len(inv)):
        if inv[i].state > 0:
            late(r.days, i, inv[i].rest, inv, cus, month_of, edges, result)
    balances(result)


@njit(**BORROWING, forceinline=True)
def _room(orders, customers, stages, r):  # type: ignore[no-untyped-def] # pragma: no cover
    """Room for all lists: an invoice is listed once as it begins, once for its second part, twice for each stage and
    for the notice before it is due, and once for each time a stage is repeated or it has waited for others."""
    events = orders * (2 * stages + 8) + r.contacts + 2 * customers
    return events // (BLOCK - 1) * BLOCK + 6 * r.days * BLOCK


@njit(**BORROWING)
def _begin(inv, cus, default_day, r, heads, pool, used):  # type: ignore[no-untyped-def] # pragma: no cover
    """Each customer's orders in a row, its failure and what comes back of it on their days."""
    for c in range(len(cus)):
        cus[c].first = -1
    for k in range(len(inv) - 1, -1, -1):
        inv[k].following, cus[inv[k].who].first = cus[inv[k].who].first, k
    for c in range(len(cus) - 1, -1, -1):
        if default_day[c] < 0:  # failed before the first day
            cus[c].dead = 1
            back = max(default_day[c] + cus[c].wait, 0)
            if back < r.days:
                put(pool, heads, used, BACK, back, c)
        elif default_day[c] < r.days:
            put(pool, heads, used, FAIL, default_day[c], c)


@njit(**BORROWING)
def _fail(day, c, cus, r, month_of, edges, heads, pool, used, result, expected):  # type: ignore[no-untyped-def] # pragma: no cover
    """A customer defaults: nothing is paid any more; what comes back comes later."""
    accrue(result, expected, month_of, edges, c, day, cus, r)
    cus[c].dead = 1
    result[month_of[day], cus[c].segment, rec.DEFAULTED] += cus[c].owed
    back = day + cus[c].wait
    if back < r.days:
        put(pool, heads, used, BACK, back, c)


@njit(**BORROWING)
def _recover(day, c, inv, cus, r, month_of, edges, result, expected):  # type: ignore[no-untyped-def] # pragma: no cover
    """A share of each open invoice comes back, the rest is written off."""
    accrue(result, expected, month_of, edges, c, day, cus, r)
    line, own = result[month_of[day], cus[c].segment], 0
    i = cus[c].first
    while i >= 0:
        if inv[i].state > 0:
            back = int(inv[i].rest * r.recovery + 0.5)
            line[rec.RECOVERED] += back
            if cus[c].factored:
                line[rec.REPAID] += advance(inv[i].rest, r) - advance(inv[i].rest - back, r)
            own += lose(day, i, inv[i].rest - back, inv, cus, r, month_of, result)
            late(day, i, inv[i].rest, inv, cus, month_of, edges, result)
            cus[c].owed -= inv[i].rest
            inv[i].rest, inv[i].state, inv[i].ends = 0, 0, day
        i = inv[i].following
    claim(own, c, cus, r, line)


@njit(**BORROWING, forceinline=True)
def _end(  # type: ignore[no-untyped-def] # pragma: no cover
    day, i, inv, cus, pol, r, burn, bands, payday, month_of, edges, heads, pool, used, result, expected
):
    """An invoice is paid, in whole or first part, or written off; nothing happens to one whose day has changed."""
    c = inv[i].who
    if inv[i].state == 0 or inv[i].ends != day or cus[c].dead:
        return
    accrue(result, expected, month_of, edges, c, day, cus, r)
    line = result[month_of[day], cus[c].segment]
    part, closed, first = inv[i].rest, True, int(inv[i].rest * r.partial_first + 0.5)
    if inv[i].pending < 0:  # the discount that was offered is taken
        settle(day, i, part, int(part * pol[-1 - inv[i].pending].discount + 0.5), inv, cus, r, line)
    elif day > inv[i].due + r.write_off:
        line[rec.AGED_OFF] += claim(lose(day, i, part, inv, cus, r, month_of, result), c, cus, r, line)
    elif inv[i].state == 1 and inv[i].pending > 0 and first < part:  # first of two parts; a cent has but one
        part, closed = first, False
        settle(day, i, part, 0, inv, cus, r, line)
        inv[i].state, inv[i].clock = 2, inv[i].pending
        await_end(i, day, inv, cus, r, burn, bands, payday, heads, pool, used)
        if inv[i].ready > day:  # it would have been paid before; not any more
            list_step(i, r.days, inv, heads, pool, used)
    else:
        settle(day, i, part, 0, inv, cus, r, line)
    late(day, i, part, inv, cus, month_of, edges, result)
    cus[c].owed -= part
    inv[i].rest -= part
    if closed:
        inv[i].state = 0


@njit(**BORROWING, forceinline=True)
def _granted(day, k, c, asked, inv, cus, hold, month_of, line):  # type: ignore[no-untyped-def] # pragma: no cover
    """How much of an order is granted; what is refused is counted by reason. Ages are those of the evening before."""
    oldest = cus[c].first
    while oldest < k and inv[oldest].state == 0:
        oldest = inv[oldest].following
    cus[c].first = oldest
    overdue, old, aged = 0, 0, 0
    if oldest < k and day - 1 - cus[c].soonest > min(hold.overdue_days, hold.share_after_days):
        overdue, old, aged, _, _ = arrears(day - 1, c, k, inv, cus, hold.overdue_days, hold.share_after_days)
    # A limit runs for a year from the review that looked at it; the first trial limit until there is one.
    valid = not cus[c].decided or month_of[day] - cus[c].looked <= 12
    if by_hold.held(hold, cus[c].owed, overdue, old, aged, valid, day <= cus[c].contract, False) > 0:
        line[rec.REFUSED_HOLD] += asked
        inv[k].ends = -2
        return 0
    room = int(by_hold.room(hold, cus[c].limit, cus[c].owed))
    granted = int(by_hold.released(hold, asked, room, 0))
    line[rec.REFUSED_LIMIT] += asked - granted
    if granted == 0:
        inv[k].ends = -3
    return granted


@njit(**BORROWING, forceinline=True)
def _order(  # type: ignore[no-untyped-def] # pragma: no cover
    day, k, size, inv, cus, pol, hold, ladder, r, burn, bands, payday, month_of, edges, heads, pool, used, result,
    expected,
):  # fmt: skip
    """An order comes in; what is granted becomes an invoice."""
    c = inv[k].who
    g, line = cus[c].grade, result[month_of[day], cus[c].segment]
    asked = int(size[k] * pol[g].demand + 0.5)
    size[k] = 0
    line[rec.ORDERED] += asked
    if cus[c].gone:
        line[rec.LOST] += asked
        inv[k].ends = -4
        return
    accrue(result, expected, month_of, edges, c, day, cus, r)
    granted = _granted(day, k, c, asked, inv, cus, hold, month_of, line)
    if granted == 0:
        if inv[k].leaves:
            cus[c].gone = 1
        return
    line[rec.SALES] += granted
    line[rec.PREMIUM] += int(granted * r.premium + 0.5) if cus[c].insured else 0
    if cus[c].factored:
        line[rec.FACTORING] += int(granted * pol[g].factor_cost + 0.5)
        line[rec.ADVANCED] += advance(granted, r)
    if cus[c].dead:  # it waits for the write-off
        line[rec.DEFAULTED] += granted
        more = at_stake(cus[c].owed + granted, c, cus, r) - at_stake(cus[c].owed, c, cus, r)
        expected[month_of[day], cus[c].segment, rec.EXPECTED] += more
    cus[c].owed += granted
    cus[c].sold += granted
    cus[c].since = min(cus[c].since, month_of[day])
    size[k], inv[k].rest, inv[k].due, inv[k].ready = granted, granted, day + cus[c].term, LATER
    inv[k].listed, inv[k].state, inv[k].issued = -1, 1, day
    cus[c].soonest = min(cus[c].soonest, inv[k].due)
    if cus[c].dead:
        inv[k].pending, inv[k].ends = 0, LATER
        return
    if pol[g].discount > 0 and inv[k].disputed == 0 and inv[k].quick:
        inv[k].pending = -1 - g
        inv[k].ends = day + max(pol[g].discount_days, 1)
        list_end(k, r.days, inv, heads, pool, used)
    else:
        await_end(k, day, inv, cus, r, burn, bands, payday, heads, pool, used)
    first_step(k, day, inv, ladder, r.days, heads, pool, used)


@njit(**BORROWING)
def _take_over(  # type: ignore[no-untyped-def] # pragma: no cover
    k, size, inv, cus, pol, ladder, r, burn, bands, payday, heads, pool, used, result, expected
):
    """An invoice that is open on the first day: its size, due date, stage and dispute are known, the rest is drawn."""
    c = inv[k].who
    inv[k].rest, inv[k].ready, inv[k].listed, inv[k].state = size, LATER, -1, 1
    cus[c].owed += size
    cus[c].soonest = min(cus[c].soonest, inv[k].due)
    line = result[0, cus[c].segment]
    line[rec.OPENING] += size
    if not cus[c].dead:  # it may fail on the first day
        more = at_stake(cus[c].owed, c, cus, r) - at_stake(cus[c].owed - size, c, cus, r)
        expected[0, cus[c].segment, rec.EXPECTED] += cus[c].failing * more
    if cus[c].factored:
        line[rec.FACTORING] += int(size * pol[cus[c].grade].factor_cost + 0.5)
        line[rec.ADVANCED] += advance(size, r)
    await_end(k, -1, inv, cus, r, burn, bands, payday, heads, pool, used)
    first_step(k, -1, inv, ladder, r.days, heads, pool, used)
