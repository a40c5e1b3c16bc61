"""The days ahead of an invoice, and the collectors' day: when it ends by itself, which step of collection comes when,
who is contacted. Collectors work through a heap ordered by amount × risk until their minutes are used up; a customer of
which too little is due waits until more is.
"""

from credit_lab.compiled import njit
from credit_lab.rules import ladder as by_ladder
from credit_lab.simulation import records as rec
from credit_lab.simulation.agenda import gather, look_ahead, put
from credit_lab.simulation.clock import burnt, ends_on
from credit_lab.simulation.heap import pop, push
from credit_lab.simulation.records import BORROWING

# numba keeps compiled code for as long as this file stays the same: its parts must show here (tests/test_compiled.py).
PARTS = "d5f85b527a7e"
LATER = 2**30
END, EARLY, STAGED, FAIL, BACK = range(5)  # lists of a day's events


@njit(**BORROWING, forceinline=True)
def await_end(i, day, inv, cus, r, burn, bands, payday, heads, pool, used):  # type: ignore[no-untyped-def] # pragma: no cover
    """Put the day on which the invoice ends by itself into its list: paid, or written off before."""
    g = cus[inv[i].who].kind
    paid = day + 1  # a clock that was used up on a day without payments
    if inv[i].clock > 0:
        paid = ends_on(inv[i].clock, day + 1, inv[i].due, g, inv[i].level, inv[i].disputed, burn, bands)
    if paid < r.days:
        paid = payday[paid]
    inv[i].since = day + 1
    inv[i].ends = min(paid, max(inv[i].due + r.write_off + 1, day + 1))
    list_end(i, r.days, inv, heads, pool, used)


@njit(**BORROWING, forceinline=True)
def list_end(i, horizon, inv, heads, pool, used):  # type: ignore[no-untyped-def] # pragma: no cover
    """Into the list of the day on which it ends; one that stands in a later day's list goes into a second kind of list
    as well, one that stands in an earlier day's list is moved on when that day comes."""
    ends, listed = inv[i].ends, inv[i].listed
    if listed < 0 and ends < horizon:
        inv[i].listed = ends
        put(pool, heads, used, END, ends, i)
    elif ends < listed:
        put(pool, heads, used, EARLY, ends, i)


@njit(**BORROWING, forceinline=True)
def list_step(i, horizon, inv, heads, pool, used):  # type: ignore[no-untyped-def] # pragma: no cover
    """The next stage of collection, unless the invoice ends before."""
    if inv[i].ready < horizon and inv[i].ends >= inv[i].ready:
        put(pool, heads, used, STAGED, inv[i].ready, i)


@njit(**BORROWING, forceinline=True)
def first_step(i, day, inv, ladder, horizon, heads, pool, used):  # type: ignore[no-untyped-def] # pragma: no cover
    """The day of the notice before the due date, where there is one still to send, or of the first stage."""
    notice = inv[i].due - ladder.pre_due_days
    if ladder.pre_due_days > 0 and inv[i].due > day and (notice > day or day >= 0) and inv[i].pending >= 0:
        inv[i].ready = max(notice, day + 1)
        list_step(i, horizon, inv, heads, pool, used)
    else:
        _next_step(i, day, inv, ladder, horizon, heads, pool, used)


@njit(**BORROWING, forceinline=True)
def _next_step(i, day, inv, ladder, horizon, heads, pool, used):  # type: ignore[no-untyped-def] # pragma: no cover
    """The day of the next stage of collection, or of the last one again; disputes are waited for if the policy does."""
    level, wait = inv[i].level, inv[i].disputed if ladder.hold_disputed else 0
    inv[i].ready = LATER
    if level < len(ladder.first_days):
        inv[i].ready = max(inv[i].due + max(ladder.first_days[level], wait), day + 1)
    if level > 0:
        inv[i].ready = min(inv[i].ready, max(inv[i].due + max(wait, 1), day + ladder.repeat_days[level - 1]))
    list_step(i, horizon, inv, heads, pool, used)


@njit(**BORROWING, forceinline=True)
def _notice(day, i, inv, cus, ladder, r, burn, bands, payday, heads, pool, used, line):  # type: ignore[no-untyped-def] # pragma: no cover
    """A friendly notice before the due date: from the next day on the clock runs faster by an assumed factor."""
    line[rec.ACTIONS] += 1
    inv[i].clock -= burnt(
        inv[i].since, day, inv[i].due, cus[inv[i].who].kind, inv[i].level, inv[i].disputed, burn, bands
    )
    if inv[i].clock > 0:
        inv[i].clock = max(int(inv[i].clock / r.notice), 1)
    await_end(i, day, inv, cus, r, burn, bands, payday, heads, pool, used)
    _next_step(i, day, inv, ladder, r.days, heads, pool, used)


@njit(**BORROWING, forceinline=True)
def _due_amount(day, c, inv, cus, ladder):  # type: ignore[no-untyped-def] # pragma: no cover
    """Open amount of a customer's invoices that have reached a stage, without those in dispute where these wait."""
    total, i = 0, cus[c].first
    while i >= 0:
        if inv[i].state > 0:
            age = day - inv[i].due
            waits = ladder.hold_disputed and 0 <= age < inv[i].disputed
            if by_ladder.stage_by_age(ladder, age) > 0 and not waits:
                total += inv[i].rest
        i = inv[i].following
    return total


@njit(**BORROWING, forceinline=True)
def _queue(i, inv, cus, pol, r, heap, used):  # type: ignore[no-untyped-def] # pragma: no cover
    """Into the collectors' queue, by amount × risk."""
    used[1] = push(heap, used[1], inv[i].rest // r.minor * pol[cus[inv[i].who].grade].risk, i)


@njit(**BORROWING, forceinline=True)
def _listed(day, inv, cus, pol, ladder, r, burn, bands, payday, heads, pool, todays, heap, used, lines):  # type: ignore[no-untyped-def] # pragma: no cover
    """Steps of collection of a day: notices go out, stages queue up, and with them what was too small before."""
    number = gather(pool, heads[STAGED, day], todays, 0)
    for at in range(number):
        look_ahead(inv, cus, todays, at, number)
        i = todays[at]
        c = inv[i].who
        if inv[i].state == 0 or cus[c].dead:
            continue
        if day <= inv[i].due:
            _notice(day, i, inv, cus, ladder, r, burn, bands, payday, heads, pool, used, lines[cus[c].segment])
            continue
        _queue(i, inv, cus, pol, r, heap, used)
        k = cus[c].first if cus[c].small > 0 else -1
        while k >= 0:
            if inv[k].small and inv[k].state > 0:
                _queue(k, inv, cus, pol, r, heap, used)
            inv[k].small = 0
            k = inv[k].following
        cus[c].small = 0


@njit(**BORROWING, forceinline=True)
def collect(day, inv, cus, pol, stages, ladder, r, burn, bands, payday, heads, pool, todays, heap, used, lines):  # type: ignore[no-untyped-def] # pragma: no cover
    """Collectors contact whoever waits, by amount × risk, until the day's minutes are used up."""
    _listed(day, inv, cus, pol, ladder, r, burn, bands, payday, heads, pool, todays, heap, used, lines)
    left = r.capacity
    while used[1] > 0:
        i = heap[0].item
        c, last = inv[i].who, inv[i].level
        if inv[i].state == 0 or cus[c].dead:
            used[1] = pop(heap, used[1])
            continue
        age = day - inv[i].due
        level = by_ladder.next_stage(by_ladder.stage_by_age(ladder, age), last, age, False)
        if stages[level - 1].minutes > left:
            break
        used[1] = pop(heap, used[1])
        if by_ladder.too_small(ladder, inv[i].rest) and by_ladder.too_small(
            ladder, _due_amount(day, c, inv, cus, ladder)
        ):
            inv[i].small = 1  # until more of this customer is due
            cus[c].small += 1
            continue
        left -= stages[level - 1].minutes
        line = lines[cus[c].segment]
        line[rec.COST] += stages[level - 1].cost
        line[rec.ACTIONS] += 1
        inv[i].level = level
        if level > last and inv[i].pending >= 0:  # who takes the discount keeps the day of that
            inv[i].clock -= burnt(inv[i].since, day, inv[i].due, cus[c].kind, last, inv[i].disputed, burn, bands)
            await_end(i, day, inv, cus, r, burn, bands, payday, heads, pool, used)
        _next_step(i, day, inv, ladder, r.days, heads, pool, used)
