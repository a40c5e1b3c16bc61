"""The event-driven kernel: one replicate of a world under one policy.

Within a day: defaults; recoveries; payments and write-offs; orders; collectors. An invoice has one day on which it ends
by itself (paid or written off), found by inverting its clock, and at most one stage of collection ahead; a contact
burns the clock so far and inverts it again under the hazard of the new level. Stale ends are skipped because the day on
file differs. Collectors work through a heap ordered by amount × risk until the day's minutes are used up.
"""

import numba
import numpy as np

from credit_lab.simulation.clock import burnt, ends_on
from credit_lab.simulation.world import CLOCK, DISCOUNT, DISPUTE, ODD, ONE, PARTIAL, SECOND, customer_key, mix, uniform

MEASURES = (
    "ordered", "sales", "refused_limit", "refused_hold", "collected", "recovered", "credited", "written_off", "claims",
    "premium", "factoring_cost", "collection_cost", "actions", "open", "overdue", "open_days", "defaulted",
)  # fmt: skip
(ORDERED, SALES, REFUSED_LIMIT, REFUSED_HOLD, COLLECTED, RECOVERED, CREDITED, WRITTEN_OFF, CLAIMS, PREMIUM, FACTORING,
 COST, ACTIONS, OPEN, OVERDUE, OPEN_DAYS, DEFAULTED) = range(len(MEASURES))  # fmt: skip
LATER = 2**30
END, STAGED, FAIL, BACK = range(4)  # lists of a day's events

_INT, _FLOAT = np.int64, np.float64
# One record per order: what was drawn, then its invoice: rest still open, closed on (−1 not; −2, −3 refused), state
# (1 open, 2 in part), clock left as of since, ends (day it ends by itself), ready (day of the next stage), pending
# (clock of a second part; −1 takes the discount), following (next of the customer), stage_next (next in its list).
ORDER = np.dtype(
    [(name, _INT) for name in ("size", "amount", "rest", "clock", "pending", "part_paid", "key")]
    + [(name, np.int32) for name in (
        "who", "number", "closed", "since", "due", "ends", "ready", "disputed", "following", "part_on", "stage_next",
        "state", "level",
    )]
)  # fmt: skip
# One record per customer; first and newest are its open invoices, moved the last day accrued.
CUSTOMER = np.dtype(
    [(name, _INT) for name in ("grade", "segment", "newcomer", "limit", "default_day")] + [("default_rate", _FLOAT)]
    + [(name, _INT) for name in ("owed", "moved", "paid_well", "dead", "first", "newest", "fail_next", "back_next")]
)  # fmt: skip
GRADE = np.dtype(
    [(name, _INT) for name in ("term", "discount_days", "insured", "factored", "risk")]
    + [(name, _FLOAT) for name in ("demand", "discount", "factor_cost", "taken")]
)
STAGE = np.dtype([("from_day", _INT), ("minutes", _INT), ("cost", _INT)])
SETTING = np.dtype(
    [(name, _INT) for name in (
        "seed", "replicate", "days", "segments", "dispute_days", "recovery_days", "trial_step", "trial_steps",
        "hold_days", "hold_least", "partial_release", "capacity", "write_off",
    )]
    + [(name, _FLOAT) for name in (
        "dispute_share", "partial_share", "partial_first", "recovery", "trial_first", "trial_factor", "insured_share",
        "premium",
    )]
)  # fmt: skip


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
def simulate(inv, cus, pol, stages, settings, burn, bands, month_of, start):  # type: ignore[no-untyped-def] # pragma: no cover
    """Run a replicate on records of orders, customers, grades, stages and one record of settings.

    Orders and customers are changed in place; returned are measures by month and segment (minor units) and the
    hazard-weighted loss.
    """
    r = settings[0]
    months = month_of[r.days - 1] + 1
    result = np.zeros((months, r.segments, len(MEASURES)), np.int64)
    expected = np.zeros((months, r.segments))
    heads = np.full((4, r.days), -1, np.int64)
    pool = np.empty((len(inv) * (len(stages) + 2) + 1, 2), np.int64)
    heap, used = np.empty(len(inv) + 1, np.int64), np.zeros(2, np.int64)
    for i in range(len(inv)):
        inv[i].closed, inv[i].ends, inv[i].ready = -1, -1, LATER
        inv[i].following, inv[i].part_on, inv[i].stage_next = -1, -1, -1
    for c in range(len(cus) - 1, -1, -1):
        cus[c].first, cus[c].newest = -1, -1
        if cus[c].default_day < r.days:
            cus[c].fail_next = heads[FAIL, cus[c].default_day]
            heads[FAIL, cus[c].default_day] = c
    for day in range(r.days):
        lines = result[month_of[day]]
        c = heads[FAIL, day]
        while c >= 0:
            _fail(day, c, cus, r, month_of, heads, result, expected)
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
                _end(day, i, inv, cus, pol, r, burn, bands, month_of, heads, pool, used, result, expected)
        for k in range(start[day], start[day + 1]):
            if not cus[inv[k].who].dead:
                _order(day, k, inv, cus, pol, stages, r, burn, bands, month_of, heads, pool, used, result, expected)
        _collect(day, inv, cus, pol, stages, r, burn, bands, heads, pool, heap, used, lines)
    for c in range(len(cus)):
        weight = 0.0 if cus[c].dead else cus[c].default_rate / 365 * (1 - r.recovery)
        _accrue(result, expected, month_of, c, r.days, cus, weight)
    _balances(result, month_of, r.days, inv, cus)
    return result, expected


@numba.njit(cache=True, nogil=True)
def _fail(day, c, cus, r, month_of, heads, result, expected):  # type: ignore[no-untyped-def] # pragma: no cover
    """A customer defaults: nothing is paid or ordered any more; what comes back comes later."""
    weight = cus[c].default_rate / 365 * (1 - r.recovery)
    _accrue(result, expected, month_of, c, day, cus, weight)
    cus[c].dead = 1
    result[month_of[day], cus[c].segment, DEFAULTED] += cus[c].owed
    back = day + r.recovery_days
    if back < r.days:
        cus[c].back_next = heads[BACK, back]
        heads[BACK, back] = c


@numba.njit(cache=True, nogil=True)
def _recover(day, c, inv, cus, pol, r, month_of, result, expected):  # type: ignore[no-untyped-def] # pragma: no cover
    """A share of each open invoice comes back, the rest is written off."""
    _accrue(result, expected, month_of, c, day, cus, 0.0)
    line = result[month_of[day], cus[c].segment]
    i = cus[c].first
    while i >= 0:
        if inv[i].state > 0:
            back = int(inv[i].rest * r.recovery + 0.5)
            line[RECOVERED] += back
            _lose(line, inv[i].rest - back, cus[c].grade, pol, r)
            cus[c].owed -= inv[i].rest
            inv[i].rest, inv[i].state, inv[i].closed = 0, 0, day
        i = inv[i].following
    cus[c].first, cus[c].newest = -1, -1


@numba.njit(cache=True, nogil=True, inline="always")
def _lose(line, amount, g, pol, r):  # type: ignore[no-untyped-def] # pragma: no cover
    """A write-off, and what the insurer pays of it."""
    line[WRITTEN_OFF] += amount
    if pol[g].insured:
        line[CLAIMS] += int(amount * r.insured_share)


@numba.njit(cache=True, nogil=True, inline="always")
def _await(i, day, inv, cus, r, burn, bands, heads, pool, used):  # type: ignore[no-untyped-def] # pragma: no cover
    """Put the day on which the invoice ends by itself into its list: paid, or written off before."""
    g = cus[inv[i].who].grade
    paid = ends_on(max(inv[i].clock, 1), day + 1, inv[i].due, g, inv[i].level, inv[i].disputed, burn, bands)
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
def _end(day, i, inv, cus, pol, r, burn, bands, month_of, heads, pool, used, result, expected):  # type: ignore[no-untyped-def] # pragma: no cover
    """An invoice is paid, in whole or first part, or written off."""
    c = inv[i].who
    g, line = cus[c].grade, result[month_of[day], cus[c].segment]
    part, closed = inv[i].rest, True
    if day > inv[i].due + r.write_off:
        _lose(line, part, g, pol, r)
    elif inv[i].pending < 0:  # the discount is taken
        off = int(part * pol[g].discount + 0.5)
        line[CREDITED] += off
        line[COLLECTED] += part - off
        cus[c].paid_well += day <= inv[i].due
    elif inv[i].state == 1 and inv[i].pending > 0:  # first of two parts
        part, closed = int(part * r.partial_first + 0.5), False
        line[COLLECTED] += part
        inv[i].state, inv[i].clock = 2, inv[i].pending
        inv[i].part_on, inv[i].part_paid = day, part
        _await(i, day, inv, cus, r, burn, bands, heads, pool, used)
        if inv[i].ready > day:  # it would have been paid before; not any more
            _list_stage(i, r.days, inv, heads)
    else:
        line[COLLECTED] += part
        cus[c].paid_well += day <= inv[i].due
    weight = cus[c].default_rate / 365 * (1 - r.recovery)
    _accrue(result, expected, month_of, c, day, cus, weight)
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
    day, k, inv, cus, pol, stages, r, burn, bands, month_of, heads, pool, used, result, expected
):
    """An order comes in; what is granted becomes an invoice with its own draws."""
    c = inv[k].who
    g, line = cus[c].grade, result[month_of[day], cus[c].segment]
    asked = int(inv[k].size * pol[g].demand + 0.5)
    line[ORDERED] += asked
    granted = _granted(day, k, c, asked, inv, cus, r, line)
    if granted == 0:
        return
    base = mix(customer_key(r.seed, r.replicate, c) + np.uint64(inv[k].number) * ODD)
    line[SALES] += granted
    line[PREMIUM] += int(granted * r.premium + 0.5) if pol[g].insured else 0
    line[FACTORING] += int(granted * pol[g].factor_cost + 0.5) if pol[g].factored else 0
    weight = cus[c].default_rate / 365 * (1 - r.recovery)
    _accrue(result, expected, month_of, c, day, cus, weight)
    cus[c].owed += granted
    inv[k].amount, inv[k].rest, inv[k].due, inv[k].state = granted, granted, day + pol[g].term, 1
    inv[k].clock = max(int(-np.log(uniform(base, CLOCK)) * ONE), 1)
    inv[k].disputed = r.dispute_days if uniform(base, DISPUTE) < r.dispute_share else 0
    if pol[g].discount > 0 and inv[k].disputed == 0 and uniform(base, DISCOUNT) < pol[g].taken:
        inv[k].pending = -1
        inv[k].ends = day + max(pol[g].discount_days, 1)
        _list_end(k, r.days, inv, heads, pool, used)
    else:
        if uniform(base, PARTIAL) < r.partial_share:
            inv[k].pending = max(int(-np.log(uniform(base, SECOND)) * ONE), 1)
        _await(k, day, inv, cus, r, burn, bands, heads, pool, used)
    if cus[c].newest >= 0 and cus[c].first >= 0:
        inv[cus[c].newest].following = k
    else:
        cus[c].first = k
    cus[c].newest = k
    if len(stages) > 0:
        inv[k].ready = inv[k].due + max(stages[0].from_day, inv[k].disputed)
        _list_stage(k, r.days, inv, heads)


@numba.njit(cache=True, nogil=True, inline="always")
def _collect(day, inv, cus, pol, stages, r, burn, bands, heads, pool, heap, used, lines):  # type: ignore[no-untyped-def] # pragma: no cover
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
        _await(i, day, inv, cus, r, burn, bands, heads, pool, used)
        inv[i].ready = LATER
        if stage + 1 < len(stages):
            inv[i].ready = max(inv[i].due + stages[stage + 1].from_day, day + 1)
        _list_stage(i, r.days, inv, heads)


@numba.njit(cache=True, nogil=True)
def _accrue(result, expected, month_of, c, day, cus, weight):  # type: ignore[no-untyped-def] # pragma: no cover
    """Money-days owed since the last move, by month, and the loss they stand for."""
    at, owed, place = cus[c].moved, cus[c].owed, cus[c].segment
    if owed != 0:
        while at < day:
            month, until = month_of[at], at + 1
            if month_of[day - 1] == month:
                until = day
            else:
                while until < day and month_of[until] == month:
                    until += 1
            carried = owed * (until - at)
            result[month, place, OPEN_DAYS] += carried
            expected[month, place] += weight * carried
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
            balance += line[SALES] - line[COLLECTED] - line[RECOVERED] - line[CREDITED] - line[WRITTEN_OFF]
            line[OPEN] = balance
    month_end = np.zeros(last, np.int64)
    for day in range(days):
        month_end[month_of[day]] = day
    for k in range(len(inv)):
        if inv[k].amount == 0 or inv[k].due + 1 >= days:
            continue
        until = inv[k].closed if inv[k].closed >= 0 else days
        m = month_of[inv[k].due + 1]
        while m < last and month_end[m] < until:
            left = inv[k].amount - (inv[k].part_paid if 0 <= inv[k].part_on <= month_end[m] else 0)
            result[m, cus[inv[k].who].segment, OVERDUE] += left
            m += 1
