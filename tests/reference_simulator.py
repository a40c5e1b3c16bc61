"""The rules of the simulation once more, day by day and invoice by invoice, as plainly as can be: the kernel's oracle.

Only the draws of the world are shared. Every open invoice burns its clock every day; nothing is inverted, nothing is
kept in lists of events.
"""

import math

import numpy as np

from credit_lab.simulation.records import MEASURES
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
    draw_defaults,
    draw_orders,
    mix,
    uniform,
)  # fmt: skip

AT = {name: k for k, name in enumerate(MEASURES)}


def simulate(world, rules, span, *, seed, replicate, risk):
    people, days = world.customers, span.warm_up + span.days
    month_of, _, _ = span.months()
    dates = span.dates()
    open_day = world.paydays[dates.day_of_week]
    start, who, number, size = draw_orders(
        seed, replicate, people.rate, people.amount, people.spread, people.joins, world.pace(dates, span.warm_up)
    )
    default_day = draw_defaults(seed, replicate, people.default_rate, world.correlation)
    default_day = np.where(people.failed_days > 0, -people.failed_days, default_day)
    burn, taken, waits = world.burn(), world.discount_taken, world.waits(seed, replicate)
    until = world.until(seed, replicate, default_day, waits)
    result = np.zeros((month_of[-1] + 1, len(people.segments), len(MEASURES)), dtype=np.int64)
    expected = np.zeros((*result.shape[:2], 2))
    books = [[] for _ in people.names]  # every invoice of each customer, in order
    queue, paid_well, gone = [], [0] * len(people.names), [False] * len(people.names)
    carried = world.opening if span.warm_up == 0 else None
    opening = 0 if carried is None else len(carried.customer)

    def owed(c):
        return sum(one["rest"] for one in books[c])

    def note(day, c, name, value):
        result[month_of[day], people.segment[c], AT[name]] += value

    def advance(c, rest):
        return rest * round(rules.advance * 10000) // 10000

    def settled(day, c, one, part):
        """The factor gets back what it had paid on this part."""
        if rules.factored[people.grade[c]]:
            note(day, c, "repaid", advance(c, one["rest"]) - advance(c, one["rest"] - part))

    def lose(day, c, one, lost, aged):
        own, g = lost, people.grade[c]
        note(day, c, "written_off", lost)
        if one["issued"] >= 0:
            result[month_of[one["issued"]], people.segment[c], AT["vintage_lost"]] += lost
        if rules.factored[g]:
            note(day, c, "repaid" if rules.recourse else "borne", advance(c, lost))
            own -= 0 if rules.recourse else advance(c, lost)
        if rules.insured[g]:
            note(day, c, "claims", int(own * rules.insured_share))
            own -= int(own * rules.insured_share)
        if aged:
            note(day, c, "aged_off", own)

    if carried is not None:
        for k in range(opening):
            c, amount = int(carried.customer[k]), int(carried.amount[k])
            note(0, c, "opening", amount)
            if rules.factored[people.grade[c]]:
                note(0, c, "factoring_cost", int(amount * rules.factor_cost[people.grade[c]] + 0.5))
                note(0, c, "advanced", advance(c, amount))
            if default_day[c] >= 0:
                stake = -math.expm1(-people.default_rate[c] / 365) * at_stake(people.grade[c], world, rules)
                expected[0, people.segment[c], 0] += stake * amount
            base = draws(seed, replicate, c, -1 - sum(carried.customer[:k] == c))
            due, level = int(carried.due[k]), int(min(carried.level[k], len(rules.stage_from)))
            disputed = int(carried.disputed[k])
            ready = -1
            if level < len(rules.stage_from):
                ready = max(due + max(int(rules.stage_from[level]), disputed), 0)
            books[c].append(invoice(k, c, amount, -1, due, disputed, level, ready, base, world))
    oldest = [book[0] if book else None for book in books]  # when the last order came
    start = start + opening
    who, number = np.append(np.zeros(opening, int), who), np.append(np.zeros(opening, int), number)
    size = np.append(np.zeros(opening, int), size)
    for day in range(days):
        dead = default_day <= day
        for c in np.flatnonzero(default_day == day):
            note(day, c, "defaulted", owed(c))
        back_on = np.where(default_day < 0, np.maximum(default_day + waits, 0), default_day + waits)
        for c in np.flatnonzero(back_on == day):
            for one in books[c]:
                if one["rest"]:
                    back = int(one["rest"] * world.recovery + 0.5)
                    note(day, c, "recovered", back)
                    settled(day, c, one, back)
                    lose(day, c, one, one["rest"] - back, aged=False)
                    one.update(rest=0, closed=day)
        for c in np.flatnonzero(~dead):
            for one in books[c]:
                if one["rest"]:
                    pay(day, c, one, world, rules, burn, open_day[day], paid_well, note, settled, lose)
        for k in range(start[day], start[day + 1]):
            c = int(who[k])
            if day < until[c]:
                granted = order(day, k, c, number[k], size[k], world, rules, books, owed, paid_well, gone, note, seed,
                                replicate, taken, advance, dead[c], oldest)  # fmt: skip
                if dead[c]:
                    lost = granted * at_stake(people.grade[c], world, rules)
                    expected[month_of[day], people.segment[c], 0] += lost
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
            g, place = people.grade[c], (month_of[day], people.segment[c])
            financed = 1 - rules.advance if rules.factored[g] else 1.0
            expected[place][1] += financed * owed(c)
            if not dead[c]:
                stake = -math.expm1(-people.default_rate[c] / 365) * at_stake(g, world, rules)
                if day + 1 < days:  # lost by a failure on the next day
                    expected[month_of[day + 1], people.segment[c], 0] += stake * owed(c)
        if day == days - 1 or month_of[day + 1] != month_of[day]:
            for c in range(len(books)):
                note(day, c, "open", owed(c))
                note(day, c, "overdue", sum(one["rest"] for one in books[c] if day > one["due"]))
    return result, expected, [one for book in books for one in book]


def at_stake(g, world, rules):
    """Lost of one unit owed."""
    lost = 1 - world.recovery
    lost *= 1 - rules.advance if rules.factored[g] and not rules.recourse else 1.0
    return lost * (1 - rules.insured_share if rules.insured[g] else 1.0)


def allowed(world, rules, c, paid_well):
    """The limit, or that of a newcomer's trial step."""
    if world.customers.newcomer[c]:
        steps = min(paid_well[c] // rules.trial_step, rules.trial_steps)
        if steps < rules.trial_steps:
            return min(rules.limit[c], int(rules.trial_first * rules.trial_factor**steps))
    return rules.limit[c]


def draws(seed, replicate, c, number):
    """Key of one order's draws."""
    return np.uint64(mix(np.uint64((int(customer_key(seed, replicate, c)) + int(number) * int(ODD)) % 2**64)))


def invoice(k, c, amount, issued, due, disputed, level, ready, base, world):
    second, unit = 0, ONE / world.customers.habit[c]
    if uniform(base, PARTIAL) < world.partial_share:
        second = max(int(-math.log(uniform(base, SECOND)) * unit), 1)
    return {
        "order": k, "customer": c, "amount": amount, "rest": amount, "issued": issued, "due": due, "from": issued + 1,
        "level": level, "clock": max(int(-math.log(uniform(base, CLOCK)) * unit), 1), "second": second,
        "disputed": disputed, "quick": False, "quick_on": -1, "closed": -1, "ready": ready, "key": 0,
    }  # fmt: skip


def pay(day, c, one, world, rules, burn, money_moves, paid_well, note, settled, lose):
    """An invoice's day: the discount, the clock, the second part, the write-off."""
    age = day - one["due"]
    if one["quick"]:
        if day == one["quick_on"]:
            off = int(one["rest"] * rules.discount[world.customers.grade[c]] + 0.5)
            note(day, c, "credited", off)
            note(day, c, "collected", one["rest"] - off)
            settled(day, c, one, one["rest"])
            paid_well[c] += day <= one["due"]
            one.update(rest=0, closed=day)
        return
    if day < one["from"]:
        return
    if not 0 <= age < one["disputed"]:
        band = int(np.searchsorted(world.bands, age, side="right")) - 1
        one["clock"] -= int(burn[world.customers.grade[c], one["level"], max(band, 0)])
    if one["clock"] <= 0 and money_moves and age <= rules.write_off:
        part = int(one["rest"] * world.partial_first + 0.5)
        if one["second"] > 0 and part < one["rest"]:
            note(day, c, "collected", part)
            settled(day, c, one, part)
            one.update(rest=one["rest"] - part, clock=one["second"], second=0)
        else:
            note(day, c, "collected", one["rest"])
            settled(day, c, one, one["rest"])
            paid_well[c] += age <= 0
            one.update(rest=0, closed=day)
        return
    if age > rules.write_off:
        lose(day, c, one, one["rest"], aged=True)
        one.update(rest=0, closed=day)


def order(day, k, c, number, size, world, rules, books, owed, paid_well, gone, note, seed, replicate, taken, advance,
          dead, oldest):  # fmt: skip
    """Granted, in part, or refused; how much."""
    g = world.customers.grade[c]
    asked = int(size * rules.demand[g] + 0.5)
    note(day, c, "ordered", asked)
    if gone[c]:
        note(day, c, "lost", asked)
        return 0
    base = draws(seed, replicate, c, number)
    granted = granted_part(day, c, asked, world, rules, books, owed, paid_well, note, oldest)
    if granted == 0:
        gone[c] = uniform(base, LEAVE) < world.leave_share
        return 0
    note(day, c, "sales", granted)
    note(day, c, "premium", int(granted * rules.premium + 0.5) if rules.insured[g] else 0)
    if rules.factored[g]:
        note(day, c, "factoring_cost", int(granted * rules.factor_cost[g] + 0.5))
        note(day, c, "advanced", advance(c, granted))
    disputed = world.dispute_days if uniform(base, DISPUTE) < world.dispute_share else 0
    due = day + int(rules.term[c])
    ready = due + max(int(rules.stage_from[0]), disputed) if len(rules.stage_from) else -1
    made = invoice(k, c, granted, day, due, disputed, 0, ready, base, world)
    if rules.discount[g] > 0 and not disputed and uniform(base, DISCOUNT) < taken[g]:
        made.update(quick=True, quick_on=day + max(int(rules.discount_days[g]), 1), second=0)
    if dead:
        note(day, c, "defaulted", granted)
        made["ready"] = -1
    oldest[c] = oldest[c] or made
    books[c].append(made)
    return granted


def granted_part(day, c, asked, world, rules, books, owed, paid_well, note, oldest):
    """How much of an order is granted."""
    still = [one for one in books[c] if one["rest"]]
    oldest[c] = still[0] if still else None
    if still and day - still[0]["due"] > rules.hold_days and still[0]["rest"] >= rules.hold_least:
        note(day, c, "refused_hold", asked)
        return 0
    room, granted = allowed(world, rules, c, paid_well) - owed(c), asked
    if asked > room:
        granted = room if rules.partial_release and room > 0 else 0
        note(day, c, "refused_limit", asked - granted)
    return granted
