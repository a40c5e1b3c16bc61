"""The event-driven kernel: one replicate of a world under one policy.

Within a day: defaults; recoveries; payments and write-offs; orders; collectors. An invoice has one day on which it ends
by itself (paid or written off), found by inverting its clock, and at most one stage of collection ahead; a contact
burns the clock so far and inverts it again under the hazard of the new level. Stale ends are skipped because the day on
file differs. Collectors work through a heap ordered by amount × risk until the day's minutes are used up.
"""

import numba
import numpy as np

from credit_lab.simulation.world import CLOCK, DISCOUNT, DISPUTE, ODD, ONE, PARTIAL, SECOND, customer_key, mix, uniform

MEASURES = (
    "ordered", "sales", "refused_limit", "refused_hold", "collected", "recovered", "credited", "written_off", "claims",
    "premium", "factoring_cost", "collection_cost", "actions", "open", "overdue", "open_days", "defaulted",
)  # fmt: skip
(ORDERED, SALES, REFUSED_LIMIT, REFUSED_HOLD, COLLECTED, RECOVERED, CREDITED, WRITTEN_OFF, CLAIMS, PREMIUM, FACTORING,
 COST, ACTIONS, OPEN, OVERDUE, OPEN_DAYS, DEFAULTED) = range(len(MEASURES))  # fmt: skip
NEVER = 2**60


@numba.njit(cache=True, nogil=True)
def ends_on(clock, since, due, grade, level, disputed, burn, bands):  # type: ignore[no-untyped-def] # pragma: no cover
    """First day from `since` on which the clock is used up; nothing burns during a dispute (from the due date on)."""
    day, last = since, len(bands) - 1
    band = 0
    while band < last and day - due >= bands[band + 1]:
        band += 1
    while True:
        age = day - due
        if 0 <= age < disputed:
            day = due + disputed
            while band < last and day - due >= bands[band + 1]:
                band += 1
            continue
        stop = NEVER if band == last else due + bands[band + 1]
        if disputed > 0 and age < 0 and stop > due:
            stop = due
        rate = burn[grade, level, band]
        if rate > 0:
            needed = (clock + rate - 1) // rate
            if needed <= stop - day:
                return day + needed - 1
        if stop == NEVER:
            return NEVER
        clock -= rate * (stop - day)
        day = stop
        while band < last and day - due >= bands[band + 1]:
            band += 1


@numba.njit(cache=True, nogil=True)
def burnt(since, until, due, grade, level, disputed, burn, bands):  # type: ignore[no-untyped-def] # pragma: no cover
    """Clock burnt on the days since .. until, both included."""
    total, day, last = 0, since, len(bands) - 1
    band = 0
    while day <= until:
        while band < last and day - due >= bands[band + 1]:
            band += 1
        age = day - due
        if 0 <= age < disputed:
            day = due + disputed
            continue
        stop = until + 1 if band == last else min(due + bands[band + 1], until + 1)
        if disputed > 0 and age < 0 and stop > due:
            stop = due
        total += burn[grade, level, band] * (stop - day)
        day = stop
    return total


@numba.njit(cache=True, nogil=True)
def _push(heap, size, key, item, keys):  # type: ignore[no-untyped-def] # pragma: no cover
    """Largest key on top; of equal keys the smaller item."""
    keys[item] = key
    at = size
    heap[at] = item
    while at > 0:
        above = (at - 1) // 2
        a, b = heap[above], heap[at]
        if keys[b] > keys[a] or (keys[b] == keys[a] and b < a):
            heap[above], heap[at] = b, a
            at = above
        else:
            break
    return size + 1


@numba.njit(cache=True, nogil=True)
def _pop(heap, size, keys):  # type: ignore[no-untyped-def] # pragma: no cover
    """Takes the top off."""
    size -= 1
    heap[0] = heap[size]
    at = 0
    while True:
        best = at
        for below in (2 * at + 1, 2 * at + 2):
            if below < size:
                a, b = heap[best], heap[below]
                if keys[b] > keys[a] or (keys[b] == keys[a] and b < a):
                    best = below
        if best == at:
            return size
        heap[at], heap[best] = heap[best], heap[at]
        at = best


@numba.njit(cache=True, nogil=True)
def simulate(  # type: ignore[no-untyped-def] # pragma: no cover
    seed, replicate, days, months, start, who, number, size, default_day, grade, segment, segments, newcomer, risk,
    default_rate, burn, bands, dispute_share, dispute_days, partial_share, partial_first, taken, recovery,
    recovery_days, term, demand, limit, trial_first, trial_factor, trial_step, trial_steps, hold_days, hold_least,
    partial_release, stage_from, stage_minutes, stage_cost, capacity, discount, discount_days, write_off, insured,
    insured_share, premium, factored, factor_cost, log,
):  # fmt: skip
    """Measures by month and segment (minor units), hazard-weighted loss, and with `log` the fate of every order."""
    orders, stages = len(who), len(stage_from)
    customers = len(grade)
    month_of = months
    result = np.zeros((month_of[days - 1] + 1, segments, len(MEASURES)), np.int64)
    expected = np.zeros((month_of[days - 1] + 1, segments))
    amount, clock = np.zeros(orders, np.int64), np.zeros(orders, np.int64)
    since, due = np.zeros(orders, np.int64), np.zeros(orders, np.int64)
    ends, level = np.full(orders, -1, np.int64), np.zeros(orders, np.int64)
    disputed, state = np.zeros(orders, np.int64), np.zeros(orders, np.int8)  # 1 open, 2 part paid, 0 not or no more
    rest, closed = np.zeros(orders, np.int64), np.full(orders, -1, np.int64)
    pending, ready = np.zeros(orders, np.int64), np.full(orders, NEVER, np.int64)
    owed, paid_well = np.zeros(customers, np.int64), np.zeros(customers, np.int64)
    dead = np.zeros(customers, np.bool_)
    first, newest = np.full(customers, -1, np.int64), np.full(customers, -1, np.int64)
    following = np.full(orders, -1, np.int64)
    moved = np.zeros(customers, np.int64)
    part_on, part_paid = np.full(orders, -1, np.int64), np.zeros(orders, np.int64)
    end_head = np.full(days, -1, np.int64)
    pool = orders * (stages + 2) + 1
    end_item, end_next, used = np.empty(pool, np.int64), np.empty(pool, np.int64), 0
    stage_head, stage_next = np.full(days, -1, np.int64), np.full(orders, -1, np.int64)
    default_head, default_next = np.full(days, -1, np.int64), np.full(customers, -1, np.int64)
    recover_head = np.full(days, -1, np.int64)
    recover_next = np.full(customers, -1, np.int64)
    heap, keys, waiting = np.empty(orders + 1, np.int64), np.zeros(orders, np.int64), 0
    for c in range(customers - 1, -1, -1):
        if default_day[c] < days:
            default_next[c] = default_head[default_day[c]]
            default_head[default_day[c]] = c
    for day in range(days):
        month = month_of[day]
        c = default_head[day]
        while c >= 0:
            _accrue(result, expected, month_of, segment[c], c, day, moved, owed, default_rate[c] / 365 * (1 - recovery))
            dead[c] = True
            result[month, segment[c], DEFAULTED] += owed[c]
            back = day + recovery_days
            if back < days:
                recover_next[c] = recover_head[back]
                recover_head[back] = c
            c = default_next[c]
        c = recover_head[day]
        while c >= 0:
            _accrue(result, expected, month_of, segment[c], c, day, moved, owed, 0.0)
            i = first[c]
            while i >= 0:
                if state[i] > 0:
                    back = int(rest[i] * recovery + 0.5)
                    lost = rest[i] - back
                    line = result[month, segment[c]]
                    line[RECOVERED] += back
                    line[WRITTEN_OFF] += lost
                    if insured[grade[c]]:
                        line[CLAIMS] += int(lost * insured_share)
                    owed[c] -= rest[i]
                    rest[i], state[i], closed[i] = 0, 0, day
                i = following[i]
            first[c], newest[c] = -1, -1
            c = recover_next[c]
        e = end_head[day]
        while e >= 0:
            i = end_item[e]
            e = end_next[e]
            c = who[i]
            if state[i] == 0 or ends[i] != day or dead[c]:
                continue
            g, line = grade[c], result[month, segment[c]]
            if day > due[i] + write_off:
                part = rest[i]
                line[WRITTEN_OFF] += part
                if insured[g]:
                    line[CLAIMS] += int(part * insured_share)
                state[i] = 0
            else:
                part = rest[i]
                if state[i] == 1 and pending[i] > 0:  # first of two parts
                    part = int(rest[i] * partial_first + 0.5)
                    state[i] = 2
                    part_on[i], part_paid[i] = day, part
                    clock[i], since[i] = pending[i], day + 1
                    day_ = ends_on(clock[i], day + 1, due[i], g, level[i], disputed[i], burn, bands)
                    ends[i] = min(day_, max(due[i] + write_off + 1, day + 1))
                    if ends[i] < days:
                        end_item[used], end_next[used] = i, end_head[ends[i]]
                        end_head[ends[i]] = used
                        used += 1
                    if day < ready[i] < days and ends[i] >= ready[i]:  # it would have been paid before; not any more
                        stage_next[i] = stage_head[ready[i]]
                        stage_head[ready[i]] = i
                else:
                    state[i] = 0
                    if day <= due[i]:
                        paid_well[c] += 1
                if state[i] == 0 and pending[i] < 0:  # the discount is taken
                    off = int(part * discount[g] + 0.5)
                    line[CREDITED] += off
                    line[COLLECTED] += part - off
                else:
                    line[COLLECTED] += part
            _accrue(result, expected, month_of, segment[c], c, day, moved, owed, default_rate[c] / 365 * (1 - recovery))
            owed[c] -= part
            rest[i] -= part
            if state[i] == 0:
                closed[i] = day
        for k in range(start[day], start[day + 1]):
            c = who[k]
            if dead[c]:
                continue
            g, line = grade[c], result[month, segment[c]]
            asked = int(size[k] * demand[g] + 0.5)
            line[ORDERED] += asked
            while first[c] >= 0 and state[first[c]] == 0:
                first[c] = following[first[c]]
            oldest = first[c]
            if oldest >= 0 and day - due[oldest] > hold_days and rest[oldest] >= hold_least:
                line[REFUSED_HOLD] += asked
                if log:
                    closed[k] = -2
                continue
            allowed = limit[c]
            if newcomer[c]:
                steps = min(paid_well[c] // trial_step, trial_steps)
                trial = int(trial_first * trial_factor**steps)
                allowed = min(allowed, trial) if steps < trial_steps else allowed
            room = allowed - owed[c]
            granted = asked
            if asked > room:
                granted = room if partial_release and room > 0 else 0
                line[REFUSED_LIMIT] += asked - granted
                if granted == 0:
                    if log:
                        closed[k] = -3
                    continue
            base = mix(customer_key(seed, replicate, c) + np.uint64(number[k]) * ODD)
            line[SALES] += granted
            line[PREMIUM] += int(granted * premium + 0.5) if insured[g] else 0
            line[FACTORING] += int(granted * factor_cost[g] + 0.5) if factored[g] else 0
            _accrue(result, expected, month_of, segment[c], c, day, moved, owed, default_rate[c] / 365 * (1 - recovery))
            owed[c] += granted
            amount[k], rest[k], due[k] = granted, granted, day + term[g]
            clock[k] = max(int(-np.log(uniform(base, CLOCK)) * ONE), 1)
            since[k], state[k] = day + 1, 1
            disputed[k] = dispute_days if uniform(base, DISPUTE) < dispute_share else 0
            quick = discount[g] > 0 and disputed[k] == 0 and uniform(base, DISCOUNT) < taken[g]
            if quick:
                pending[k] = -1
                ends[k] = day + discount_days[g]
            else:
                if uniform(base, PARTIAL) < partial_share:
                    pending[k] = max(int(-np.log(uniform(base, SECOND)) * ONE), 1)
                day_ = ends_on(clock[k], day + 1, due[k], g, 0, disputed[k], burn, bands)
                ends[k] = min(day_, due[k] + write_off + 1)
            if ends[k] < days:
                end_item[used], end_next[used] = k, end_head[ends[k]]
                end_head[ends[k]] = used
                used += 1
            if newest[c] >= 0 and first[c] >= 0:
                following[newest[c]] = k
            else:
                first[c] = k
            newest[c] = k
            if stages > 0:
                ready[k] = due[k] + max(stage_from[0], disputed[k])
                if ready[k] < days and ends[k] >= ready[k]:
                    stage_next[k] = stage_head[ready[k]]
                    stage_head[ready[k]] = k
        i = stage_head[day]
        while i >= 0:
            ahead = stage_next[i]
            if state[i] > 0 and not dead[who[i]]:
                waiting = _push(heap, waiting, rest[i] // 100 * risk[grade[who[i]]], i, keys)
            i = ahead
        left = capacity
        while waiting > 0:
            i = heap[0]
            c = who[i]
            if state[i] == 0 or dead[c]:
                waiting = _pop(heap, waiting, keys)
                continue
            stage = level[i]
            if stage_minutes[stage] > left:
                break
            waiting = _pop(heap, waiting, keys)
            left -= stage_minutes[stage]
            g, line = grade[c], result[month, segment[c]]
            line[COST] += stage_cost[stage]
            line[ACTIONS] += 1
            clock[i] -= burnt(since[i], day, due[i], g, level[i], disputed[i], burn, bands)
            level[i] = stage + 1
            since[i] = day + 1
            day_ = ends_on(max(clock[i], 1), day + 1, due[i], g, level[i], disputed[i], burn, bands)
            ends[i] = min(day_, max(due[i] + write_off + 1, day + 1))
            if ends[i] < days:
                end_item[used], end_next[used] = i, end_head[ends[i]]
                end_head[ends[i]] = used
                used += 1
            ready[i] = max(due[i] + stage_from[level[i]], day + 1) if level[i] < stages else NEVER
            if ready[i] < days and ends[i] >= ready[i]:
                stage_next[i] = stage_head[ready[i]]
                stage_head[ready[i]] = i
    for c in range(customers):
        weight = 0.0 if dead[c] else default_rate[c] / 365 * (1 - recovery)
        _accrue(result, expected, month_of, segment[c], c, days, moved, owed, weight)
    _balances(result, month_of, days, amount, due, closed, part_on, part_paid, who, segment)
    return result, expected, amount, rest, closed, level


@numba.njit(cache=True, nogil=True)
def _accrue(result, expected, month_of, place, c, day, moved, owed, weight):  # type: ignore[no-untyped-def] # pragma: no cover
    """Money-days owed since the last move, by month, and the loss they stand for."""
    at = moved[c]
    if owed[c] != 0:
        while at < day:
            month, until = month_of[at], at + 1
            if month_of[day - 1] == month:
                until = day
            else:
                while until < day and month_of[until] == month:
                    until += 1
            carried = owed[c] * (until - at)
            result[month, place, OPEN_DAYS] += carried
            expected[month, place] += weight * carried
            at = until
    moved[c] = day


@numba.njit(cache=True, nogil=True)
def _balances(result, month_of, days, amount, due, closed, part_on, part_paid, who, segment):  # type: ignore[no-untyped-def] # pragma: no cover
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
    for k in range(len(amount)):
        if amount[k] == 0 or due[k] + 1 >= days:
            continue
        until = closed[k] if closed[k] >= 0 else days
        m = month_of[due[k] + 1]
        while m < last and month_end[m] < until:
            left = amount[k] - (part_paid[k] if 0 <= part_on[k] <= month_end[m] else 0)
            result[m, segment[who[k]], OVERDUE] += left
            m += 1
