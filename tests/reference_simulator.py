"""The rules of the simulation once more, day by day and invoice by invoice, as plainly as can be: the kernel's oracle.

Only the draws of the world are shared. Every open invoice burns its clock every day; nothing is inverted, nothing is
kept in lists of events.
"""

import math

import numpy as np

from credit_lab.simulation.kernel import MEASURES
from credit_lab.simulation.world import (
    CLOCK,
    DISCOUNT,
    DISPUTE,
    ODD,
    ONE,
    PARTIAL,
    SECOND,
    customer_key,
    draw_defaults,
    draw_orders,
    mix,
    uniform,
)  # fmt: skip

AT = {name: k for k, name in enumerate(MEASURES)}


def simulate(world, rules, span, *, seed, replicate, risk):
    people, days = world.customers, span.warm_up + span.days
    month_of, _, _ = span.months()
    start, who, number, size = draw_orders(
        seed, replicate, days, people.rate, people.amount, people.spread, world.season, world.trend, span.phase
    )
    default_day = draw_defaults(seed, replicate, people.default_rate, world.correlation)
    burn, taken = world.burn(), world.discount_taken
    result = np.zeros((month_of[-1] + 1, len(people.segments), len(MEASURES)), dtype=np.int64)
    expected = np.zeros(result.shape[:2])
    books = [[] for _ in people.names]  # every invoice of each customer, in order
    queue, paid_well = [], [0] * len(people.names)

    def owed(c):
        return sum(one["rest"] for one in books[c])

    def note(day, c, name, value):
        result[month_of[day], people.segment[c], AT[name]] += value

    def insured_loss(day, c, lost):
        note(day, c, "written_off", lost)
        if rules.insured[people.grade[c]]:
            note(day, c, "claims", int(lost * rules.insured_share))

    for day in range(days):
        dead = default_day <= day
        for c in np.flatnonzero(default_day == day):
            note(day, c, "defaulted", owed(c))
        for c in np.flatnonzero(default_day + world.recovery_days == day):
            for one in books[c]:
                if one["rest"]:
                    back = int(one["rest"] * world.recovery + 0.5)
                    note(day, c, "recovered", back)
                    insured_loss(day, c, one["rest"] - back)
                    one.update(rest=0, closed=day)
        for c in np.flatnonzero(~dead):
            for one in books[c]:
                if one["rest"]:
                    pay(day, c, one, world, rules, burn, paid_well, note, insured_loss)
        for k in range(start[day], start[day + 1]):
            if not dead[who[k]]:
                order(
                    day,
                    k,
                    who[k],
                    number[k],
                    size[k],
                    world,
                    rules,
                    books,
                    owed,
                    paid_well,
                    note,
                    seed,
                    replicate,
                    taken,
                )
        for c in range(len(books)):
            for one in books[c]:
                stage = one["level"]
                fresh = stage < len(rules.stage_from) and one["ready"] == day
                if one["rest"] and not dead[c] and fresh:
                    queue.append(one)
                    one["key"] = one["rest"] // 100 * risk[people.grade[c]]
        left = rules.capacity
        for one in sorted(queue, key=lambda one: (-one["key"], one["order"])):
            if not one["rest"] or dead[one["customer"]]:
                queue.remove(one)
                continue
            if rules.stage_minutes[one["level"]] > left:
                break
            queue.remove(one)
            left -= rules.stage_minutes[one["level"]]
            note(day, one["customer"], "collection_cost", rules.stage_cost[one["level"]])
            note(day, one["customer"], "actions", 1)
            one["level"] += 1
            if one["level"] < len(rules.stage_from):
                one["ready"] = max(one["due"] + rules.stage_from[one["level"]], day + 1)
        for c in range(len(books)):
            note(day, c, "open_days", owed(c))
            if not dead[c]:
                weight = people.default_rate[c] / 365 * (1 - world.recovery)
                expected[month_of[day], people.segment[c]] += weight * owed(c)
        if day == days - 1 or month_of[day + 1] != month_of[day]:
            for c in range(len(books)):
                note(day, c, "open", owed(c))
                note(day, c, "overdue", sum(one["rest"] for one in books[c] if day > one["due"]))
    return result, expected, [one for book in books for one in book]


def pay(day, c, one, world, rules, burn, paid_well, note, insured_loss):
    """An invoice's day: the discount, the clock, the second part, the write-off."""
    age = day - one["due"]
    if one["quick"]:
        if day == one["quick_on"]:
            off = int(one["rest"] * rules.discount[world.customers.grade[c]] + 0.5)
            note(day, c, "credited", off)
            note(day, c, "collected", one["rest"] - off)
            paid_well[c] += day <= one["due"]
            one.update(rest=0, closed=day)
        return
    if day < one["from"]:
        return
    if not 0 <= age < one["disputed"]:
        band = int(np.searchsorted(world.bands, age, side="right")) - 1
        one["clock"] -= int(burn[world.customers.grade[c], one["level"], max(band, 0)])
        if one["clock"] <= 0 and age <= rules.write_off:
            if one["second"] > 0:
                part = int(one["rest"] * world.partial_first + 0.5)
                note(day, c, "collected", part)
                one.update(rest=one["rest"] - part, clock=one["second"], second=0)
            else:
                note(day, c, "collected", one["rest"])
                paid_well[c] += age <= 0
                one.update(rest=0, closed=day)
            return
    if age > rules.write_off:
        insured_loss(day, c, one["rest"])
        one.update(rest=0, closed=day)


def order(day, k, c, number, size, world, rules, books, owed, paid_well, note, seed, replicate, taken):
    """Granted, in part, or refused."""
    g = world.customers.grade[c]
    asked = int(size * rules.demand[g] + 0.5)
    note(day, c, "ordered", asked)
    still = [one for one in books[c] if one["rest"]]
    if still and day - still[0]["due"] > rules.hold_days and still[0]["rest"] >= rules.hold_least:
        note(day, c, "refused_hold", asked)
        return
    allowed = rules.limit[c]
    if world.customers.newcomer[c]:
        steps = min(paid_well[c] // rules.trial_step, rules.trial_steps)
        if steps < rules.trial_steps:
            allowed = min(allowed, int(rules.trial_first * rules.trial_factor**steps))
    room, granted = allowed - owed(c), asked
    if asked > room:
        granted = room if rules.partial_release and room > 0 else 0
        note(day, c, "refused_limit", asked - granted)
        if granted == 0:
            return
    base = np.uint64(mix(np.uint64((int(customer_key(seed, replicate, c)) + int(number) * int(ODD)) % 2**64)))
    note(day, c, "sales", granted)
    note(day, c, "premium", int(granted * rules.premium + 0.5) if rules.insured[g] else 0)
    note(day, c, "factoring_cost", int(granted * rules.factor_cost[g] + 0.5) if rules.factored[g] else 0)
    disputed = world.dispute_days if uniform(base, DISPUTE) < world.dispute_share else 0
    quick = rules.discount[g] > 0 and not disputed and uniform(base, DISCOUNT) < taken[g]
    second = 0
    if not quick and uniform(base, PARTIAL) < world.partial_share:
        second = max(int(-math.log(uniform(base, SECOND)) * ONE), 1)
    due = day + int(rules.term[g])
    ready = due + max(int(rules.stage_from[0]), disputed) if len(rules.stage_from) else -1
    books[c].append(
        {
            "order": k, "customer": c, "amount": granted, "rest": granted, "due": due, "from": day + 1, "level": 0,
            "clock": max(int(-math.log(uniform(base, CLOCK)) * ONE), 1), "second": second, "disputed": disputed,
            "quick": bool(quick), "quick_on": day + max(int(rules.discount_days[g]), 1), "closed": -1, "ready": ready,
            "key": 0,
        }
    )  # fmt: skip
