"""The event-driven kernel: one replicate of a world under one policy.

Within a day: defaults; recoveries; payments and write-offs; orders; collectors. An invoice has one day on which it ends
by itself (paid or written off), found by inverting its clock, and at most one stage of collection ahead; a contact
burns the clock so far and inverts it again under the hazard of the new level. Stale ends are skipped because the day on
file differs. Collectors work through a heap ordered by amount × risk until the day's minutes are used up.
"""

import numba
import numpy as np

from credit_lab.simulation.clock import burnt, ends_on
from credit_lab.simulation.records import (
    ACTIONS,
    ADVANCED,
    AGED_OFF,
    BORNE,
    CLAIMS,
    COLLECTED,
    COST,
    CREDITED,
    DEFAULTED,
    EXPECTED,
    FACTORING,
    LOST,
    MEASURES,
    OPEN,
    OPEN_DAYS,
    OPENING,
    ORDERED,
    OVERDUE,
    OWN_DAYS,
    PREMIUM,
    RECOVERED,
    REFUSED_HOLD,
    REFUSED_LIMIT,
    REPAID,
    SALES,
    VINTAGE_LOST,
    WRITTEN_OFF,
)  # fmt: skip
from credit_lab.simulation.world import (
    CLOCK,
    DISCOUNT,
    DISPUTE,
    LEAVE,
    ODD,
    ONE,
    PARTIAL,
    SECOND,
    customer_key,
    mix,
    uniform,
)  # fmt: skip

LATER = 2**30
END, STAGED, FAIL, BACK = range(4)  # lists of a day's events


@numba.njit(cache=True, nogil=True)
def _push(heap, size, key, item, inv):  # type: ignore[no-untyped-def] # pragma: no cover
    """Largest key on top; of equal keys the smaller item."""
    inv[item].key = key
    at = size
    heap[at] = item
    while at > 0:
        above = (at - 1) // 2
        a, b = heap[above], heap[at]
        if inv[b].key > inv[a].key or (inv[b].key == inv[a].key and b < a):
            heap[above], heap[at] = b, a
            at = above
        else:
            break
    return size + 1


@numba.njit(cache=True, nogil=True)
def _pop(heap, size, inv):  # type: ignore[no-untyped-def] # pragma: no cover
    """Takes the top off."""
    size -= 1
    heap[0] = heap[size]
    at = 0
    while True:
        best = at
        for below in (2 * at + 1, 2 * at + 2):
            if below < size:
                a, b = heap[best], heap[below]
                if inv[b].key > inv[a].key or (inv[b].key == inv[a].key and b < a):
                    best = below
        if best == at:
            return size
        heap[at], heap[best] = heap[best], heap[at]
        at = best


@numba.njit(cache=True, nogil=True)
def simulate(inv, cus, pol, stages, settings, burn, bands, month_of, start, payday):  # type: ignore[no-untyped-def] # pragma: no cover
    """Run a replicate on records of orders, customers, grades, stages and one record of settings.

    Orders and customers are changed in place; returned are measures by month and segment (minor units), and by the
    same the hazard-weighted loss and the money-days the seller finances.
    """
    r = settings[0]
    months = month_of[r.days - 1] + 1
    result = np.zeros((months, r.segments, len(MEASURES)), np.int64)
    expected = np.zeros((months, r.segments, 2))
    heads = np.full((4, r.days), -1, np.int64)
    pool = np.empty((len(inv) * (len(stages) + 2) + 1, 2), np.int64)
    heap, used = np.empty(len(inv) + 1, np.int64), np.zeros(2, np.int64)
    for i in range(len(inv)):
        inv[i].closed, inv[i].ends, inv[i].ready = -1, -1, LATER
        inv[i].following, inv[i].part_on, inv[i].stage_next = -1, -1, -1
    for c in range(len(cus) - 1, -1, -1):
        cus[c].first, cus[c].newest = -1, -1
        if cus[c].default_day < 0:  # failed before the first day
            cus[c].dead = 1
            back = max(cus[c].default_day + r.recovery_days, 0)
            if back < r.days:
                cus[c].back_next = heads[BACK, back]
                heads[BACK, back] = c
        elif cus[c].default_day < r.days:
            cus[c].fail_next = heads[FAIL, cus[c].default_day]
            heads[FAIL, cus[c].default_day] = c
    for k in range(r.opening):
        _take_over(k, inv, cus, pol, stages, r, burn, bands, payday, heads, pool, used, result)
    for day in range(r.days):
        lines = result[month_of[day]]
        c = heads[FAIL, day]
        while c >= 0:
            _fail(day, c, cus, pol, r, month_of, heads, result, expected)
            c = cus[c].fail_next
        c = heads[BACK, day]
        while c >= 0:
            _recover(day, c, inv, cus, pol, r, month_of, result, expected)
            c = cus[c].back_next
        e = heads[END, day]
        while e >= 0:
            i = pool[e, 0]
            e = pool[e, 1]
            if inv[i].state > 0 and inv[i].ends == day and not cus[inv[i].who].dead:
                _end(day, i, inv, cus, pol, r, burn, bands, payday, month_of, heads, pool, used, result, expected)
        for k in range(start[day], start[day + 1]):
            if not cus[inv[k].who].dead:
                _order(
                    day, k, inv, cus, pol, stages, r, burn, bands, payday, month_of, heads, pool, used, result, expected
                )
        _collect(day, inv, cus, pol, stages, r, burn, bands, payday, heads, pool, heap, used, lines)
    for c in range(len(cus)):
        _accrue(result, expected, month_of, c, r.days, cus, pol, r)
    _balances(result, month_of, r.days, inv, cus)
    return result, expected


@numba.njit(cache=True, nogil=True)
def _fail(day, c, cus, pol, r, month_of, heads, result, expected):  # type: ignore[no-untyped-def] # pragma: no cover
    """A customer defaults: nothing is paid or ordered any more; what comes back comes later."""
    _accrue(result, expected, month_of, c, day, cus, pol, r)
    cus[c].dead = 1
    result[month_of[day], cus[c].segment, DEFAULTED] += cus[c].owed
    back = day + r.recovery_days
    if back < r.days:
        cus[c].back_next = heads[BACK, back]
        heads[BACK, back] = c


@numba.njit(cache=True, nogil=True)
def _recover(day, c, inv, cus, pol, r, month_of, result, expected):  # type: ignore[no-untyped-def] # pragma: no cover
    """A share of each open invoice comes back, the rest is written off."""
    _accrue(result, expected, month_of, c, day, cus, pol, r)
    line = result[month_of[day], cus[c].segment]
    i = cus[c].first
    while i >= 0:
        if inv[i].state > 0:
            back = int(inv[i].rest * r.recovery + 0.5)
            line[RECOVERED] += back
            _repay(line, inv[i].rest, back, cus[c].grade, pol)
            _lose(day, i, inv[i].rest - back, inv, cus, pol, r, month_of, result)
            cus[c].owed -= inv[i].rest
            inv[i].rest, inv[i].state, inv[i].closed = 0, 0, day
        i = inv[i].following
    cus[c].first, cus[c].newest = -1, -1


@numba.njit(cache=True, nogil=True, inline="always")
def _advance(rest, g, pol):  # type: ignore[no-untyped-def] # pragma: no cover
    """What the factor has paid on an invoice of which so much is open."""
    return rest // 10000 * pol[g].advance + rest % 10000 * pol[g].advance // 10000


@numba.njit(cache=True, nogil=True, inline="always")
def _repay(line, rest, part, g, pol):  # type: ignore[no-untyped-def] # pragma: no cover
    """The factor gets back what it paid on the part of the rest that is settled."""
    if pol[g].factored:
        line[REPAID] += _advance(rest, g, pol) - _advance(rest - part, g, pol)


@numba.njit(cache=True, nogil=True, inline="always")
def _lose(day, i, amount, inv, cus, pol, r, month_of, result):  # type: ignore[no-untyped-def] # pragma: no cover
    """A write-off of the last of an invoice: what the factor bears of it, what the insurer pays, what is left."""
    c = inv[i].who
    g, line = cus[c].grade, result[month_of[day], cus[c].segment]
    line[WRITTEN_OFF] += amount
    if inv[i].issued >= 0:
        result[month_of[inv[i].issued], cus[c].segment, VINTAGE_LOST] += amount
    own = amount
    if pol[g].factored:
        moved = _advance(amount, g, pol)
        if r.recourse:
            line[REPAID] += moved
        else:
            line[BORNE] += moved
            own -= moved
    if pol[g].insured:
        paid = int(own * r.insured_share)
        line[CLAIMS] += paid
        own -= paid
    return own


@numba.njit(cache=True, nogil=True, inline="always")
def _await(i, day, inv, cus, r, burn, bands, payday, heads, pool, used):  # type: ignore[no-untyped-def] # pragma: no cover
    """Put the day on which the invoice ends by itself into its list: paid, or written off before."""
    g = cus[inv[i].who].grade
    paid = day + 1  # a clock that was used up on a day without payments
    if inv[i].clock > 0:
        paid = ends_on(inv[i].clock, day + 1, inv[i].due, g, inv[i].level, inv[i].disputed, burn, bands)
    if paid < r.days:
        paid = payday[paid]
    inv[i].since = day + 1
    inv[i].ends = min(paid, max(inv[i].due + r.write_off + 1, day + 1))
    _list_end(i, r.days, inv, heads, pool, used)


@numba.njit(cache=True, nogil=True, inline="always")
def _list_end(i, horizon, inv, heads, pool, used):  # type: ignore[no-untyped-def] # pragma: no cover
    if inv[i].ends < horizon:
        at = used[0]
        pool[at, 0], pool[at, 1] = i, heads[END, inv[i].ends]
        heads[END, inv[i].ends] = at
        used[0] += 1


@numba.njit(cache=True, nogil=True, inline="always")
def _list_stage(i, horizon, inv, heads):  # type: ignore[no-untyped-def] # pragma: no cover
    """The next stage of collection, unless the invoice ends before."""
    if inv[i].ready < horizon and inv[i].ends >= inv[i].ready:
        inv[i].stage_next = heads[STAGED, inv[i].ready]
        heads[STAGED, inv[i].ready] = i


@numba.njit(cache=True, nogil=True, inline="always")
def _end(day, i, inv, cus, pol, r, burn, bands, payday, month_of, heads, pool, used, result, expected):  # type: ignore[no-untyped-def] # pragma: no cover
    """An invoice is paid, in whole or first part, or written off."""
    c = inv[i].who
    g, line = cus[c].grade, result[month_of[day], cus[c].segment]
    part, closed = inv[i].rest, True
    if day > inv[i].due + r.write_off:
        line[AGED_OFF] += _lose(day, i, part, inv, cus, pol, r, month_of, result)
    elif inv[i].pending < 0:  # the discount is taken
        off = int(part * pol[g].discount + 0.5)
        line[CREDITED] += off
        line[COLLECTED] += part - off
        _repay(line, part, part, g, pol)
        cus[c].paid_well += day <= inv[i].due
    elif inv[i].state == 1 and inv[i].pending > 0:  # first of two parts
        part, closed = int(part * r.partial_first + 0.5), False
        line[COLLECTED] += part
        _repay(line, inv[i].rest, part, g, pol)
        inv[i].state, inv[i].clock = 2, inv[i].pending
        inv[i].part_on, inv[i].part_paid = day, part
        _await(i, day, inv, cus, r, burn, bands, payday, heads, pool, used)
        if inv[i].ready > day:  # it would have been paid before; not any more
            _list_stage(i, r.days, inv, heads)
    else:
        line[COLLECTED] += part
        _repay(line, part, part, g, pol)
        cus[c].paid_well += day <= inv[i].due
    _accrue(result, expected, month_of, c, day, cus, pol, r)
    cus[c].owed -= part
    inv[i].rest -= part
    if closed:
        inv[i].state, inv[i].closed = 0, day


@numba.njit(cache=True, nogil=True, inline="always")
def _granted(day, k, c, asked, inv, cus, r, line):  # type: ignore[no-untyped-def] # pragma: no cover
    """How much of an order is granted; what is refused is counted by reason."""
    while cus[c].first >= 0 and inv[cus[c].first].state == 0:
        cus[c].first = inv[cus[c].first].following
    oldest = cus[c].first
    if oldest >= 0 and day - inv[oldest].due > r.hold_days and inv[oldest].rest >= r.hold_least:
        line[REFUSED_HOLD] += asked
        inv[k].closed = -2
        return 0
    allowed = cus[c].limit
    if cus[c].newcomer:
        steps = min(cus[c].paid_well // r.trial_step, r.trial_steps)
        if steps < r.trial_steps:
            allowed = min(allowed, int(r.trial_first * r.trial_factor**steps))
    room, granted = allowed - cus[c].owed, asked
    if asked > room:
        granted = room if r.partial_release and room > 0 else 0
        line[REFUSED_LIMIT] += asked - granted
        if granted == 0:
            inv[k].closed = -3
    return granted


@numba.njit(cache=True, nogil=True, inline="always")
def _order(  # type: ignore[no-untyped-def] # pragma: no cover
    day, k, inv, cus, pol, stages, r, burn, bands, payday, month_of, heads, pool, used, result, expected
):
    """An order comes in; what is granted becomes an invoice with its own draws."""
    c = inv[k].who
    g, line = cus[c].grade, result[month_of[day], cus[c].segment]
    asked = int(inv[k].size * pol[g].demand + 0.5)
    line[ORDERED] += asked
    if cus[c].gone:
        line[LOST] += asked
        inv[k].closed = -4
        return
    granted = _granted(day, k, c, asked, inv, cus, r, line)
    base = mix(customer_key(r.seed, r.replicate, c) + np.uint64(inv[k].number) * ODD)
    if granted == 0:
        if r.leave_share > 0 and uniform(base, LEAVE) < r.leave_share:
            cus[c].gone = 1
        return
    line[SALES] += granted
    line[PREMIUM] += int(granted * r.premium + 0.5) if pol[g].insured else 0
    if pol[g].factored:
        line[FACTORING] += int(granted * pol[g].factor_cost + 0.5)
        line[ADVANCED] += _advance(granted, g, pol)
    _accrue(result, expected, month_of, c, day, cus, pol, r)
    cus[c].owed += granted
    inv[k].amount, inv[k].rest, inv[k].issued, inv[k].due = granted, granted, day, day + cus[c].term
    inv[k].disputed = r.dispute_days if uniform(base, DISPUTE) < r.dispute_share else 0
    if pol[g].discount > 0 and inv[k].disputed == 0 and uniform(base, DISCOUNT) < pol[g].taken:
        inv[k].state, inv[k].pending = 1, -1
        inv[k].ends = day + max(pol[g].discount_days, 1)
        _list_end(k, r.days, inv, heads, pool, used)
        _chain(k, c, inv, cus)
    else:
        _open(day, k, base, inv, cus, r, burn, bands, payday, heads, pool, used)
    if len(stages) > 0:
        inv[k].ready = inv[k].due + max(stages[0].from_day, inv[k].disputed)
        _list_stage(k, r.days, inv, heads)


@numba.njit(cache=True, nogil=True, inline="always")
def _open(day, k, base, inv, cus, r, burn, bands, payday, heads, pool, used):  # type: ignore[no-untyped-def] # pragma: no cover
    """An invoice begins to wait for its payment."""
    inv[k].state, inv[k].pending = 1, 0
    unit = ONE / cus[inv[k].who].habit
    inv[k].clock = max(int(-np.log(uniform(base, CLOCK)) * unit), 1)
    if uniform(base, PARTIAL) < r.partial_share:
        inv[k].pending = max(int(-np.log(uniform(base, SECOND)) * unit), 1)
    _await(k, day, inv, cus, r, burn, bands, payday, heads, pool, used)
    _chain(k, inv[k].who, inv, cus)


@numba.njit(cache=True, nogil=True, inline="always")
def _chain(k, c, inv, cus):  # type: ignore[no-untyped-def] # pragma: no cover
    """Behind the customer's other open invoices."""
    if cus[c].newest >= 0 and cus[c].first >= 0:
        inv[cus[c].newest].following = k
    else:
        cus[c].first = k
    cus[c].newest = k


@numba.njit(cache=True, nogil=True)
def _take_over(k, inv, cus, pol, stages, r, burn, bands, payday, heads, pool, used, result):  # type: ignore[no-untyped-def] # pragma: no cover
    """An invoice that is open on the first day: its size, due date, stage and dispute are known, the rest is drawn."""
    c = inv[k].who
    inv[k].amount, inv[k].rest = inv[k].size, inv[k].size
    cus[c].owed += inv[k].size
    line = result[0, cus[c].segment]
    line[OPENING] += inv[k].size
    g = cus[c].grade
    if pol[g].factored:
        line[FACTORING] += int(inv[k].size * pol[g].factor_cost + 0.5)
        line[ADVANCED] += _advance(inv[k].size, g, pol)
    base = mix(customer_key(r.seed, r.replicate, c) + np.uint64(inv[k].number) * ODD)
    _open(-1, k, base, inv, cus, r, burn, bands, payday, heads, pool, used)
    if inv[k].level < len(stages):
        inv[k].ready = max(inv[k].due + max(stages[inv[k].level].from_day, inv[k].disputed), 0)
        _list_stage(k, r.days, inv, heads)


@numba.njit(cache=True, nogil=True, inline="always")
def _collect(day, inv, cus, pol, stages, r, burn, bands, payday, heads, pool, heap, used, lines):  # type: ignore[no-untyped-def] # pragma: no cover
    """Collectors contact whoever waits, by amount × risk, until the day's minutes are used up."""
    i = heads[STAGED, day]
    while i >= 0:
        ahead, c = inv[i].stage_next, inv[i].who
        if inv[i].state > 0 and not cus[c].dead:
            key = inv[i].rest // 100 * pol[cus[c].grade].risk
            used[1] = _push(heap, used[1], key, i, inv)
        i = ahead
    left = r.capacity
    while used[1] > 0:
        i = heap[0]
        c, stage = inv[i].who, inv[i].level
        gone = inv[i].state == 0 or cus[c].dead
        if not gone and stages[stage].minutes > left:
            break
        used[1] = _pop(heap, used[1], inv)
        if gone:
            continue
        left -= stages[stage].minutes
        g, line = cus[c].grade, lines[cus[c].segment]
        line[COST] += stages[stage].cost
        line[ACTIONS] += 1
        inv[i].clock -= burnt(inv[i].since, day, inv[i].due, g, stage, inv[i].disputed, burn, bands)
        inv[i].level = stage + 1
        _await(i, day, inv, cus, r, burn, bands, payday, heads, pool, used)
        inv[i].ready = LATER
        if stage + 1 < len(stages):
            inv[i].ready = max(inv[i].due + stages[stage + 1].from_day, day + 1)
        _list_stage(i, r.days, inv, heads)


@numba.njit(cache=True, nogil=True)
def _accrue(result, expected, month_of, c, day, cus, pol, r):  # type: ignore[no-untyped-def] # pragma: no cover
    """Money-days owed since the last move, by month, the loss they stand for and the part the seller finances."""
    at, owed, place, g = cus[c].moved, cus[c].owed, cus[c].segment, cus[c].grade
    if owed != 0:
        financed = 1 - pol[g].advance / 10000 if pol[g].factored else 1.0
        weight = 0.0
        if not cus[c].dead:
            weight = cus[c].default_rate / 365 * (1 - r.recovery)
            if pol[g].factored and not r.recourse:
                weight *= financed
            if pol[g].insured:
                weight *= 1 - r.insured_share
        while at < day:
            month, until = month_of[at], at + 1
            if month_of[day - 1] == month:
                until = day
            else:
                while until < day and month_of[until] == month:
                    until += 1
            carried = owed * (until - at)
            result[month, place, OPEN_DAYS] += carried
            expected[month, place, EXPECTED] += weight * carried
            expected[month, place, OWN_DAYS] += financed * carried
            at = until
    cus[c].moved = day


@numba.njit(cache=True, nogil=True)
def _balances(result, month_of, days, inv, cus):  # type: ignore[no-untyped-def] # pragma: no cover
    """Open and overdue amounts at each month end."""
    last = month_of[days - 1] + 1
    for place in range(result.shape[1]):
        balance = 0
        for m in range(last):
            line = result[m, place]
            balance += (
                line[OPENING] + line[SALES] - line[COLLECTED] - line[RECOVERED] - line[CREDITED] - line[WRITTEN_OFF]
            )
            line[OPEN] = balance
    month_end = np.zeros(last, np.int64)
    for day in range(days):
        month_end[month_of[day]] = day
    for k in range(len(inv)):
        if inv[k].amount == 0 or inv[k].due + 1 >= days:
            continue
        until = inv[k].closed if inv[k].closed >= 0 else days
        m = month_of[max(inv[k].due + 1, 0)]
        while m < last and month_end[m] < until:
            left = inv[k].amount - (inv[k].part_paid if 0 <= inv[k].part_on <= month_end[m] else 0)
            result[m, cus[inv[k].who].segment, OVERDUE] += left
            m += 1
