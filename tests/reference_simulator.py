"""The rules of the simulation once more, day by day and invoice by invoice, as plainly as can be: the kernel's oracle.

Only the draws of the world are shared. Every open invoice burns its clock every day; nothing is inverted, nothing is
kept in lists of events. What the policy means is read from the comments of its file, not from `credit_lab.rules`.
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
    queue, gone = [], [False] * len(people.names)
    known = [Known(c, people, rules, month_of) for c in range(len(people.names))]
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
        if rules.factored[c]:
            note(day, c, "repaid", advance(c, one["rest"]) - advance(c, one["rest"] - part))

    def lose(day, c, one, lost):
        """What the seller loses of a write-off, before its insurance."""
        note(day, c, "written_off", lost)
        if one["issued"] >= 0:
            result[month_of[one["issued"]], people.segment[c], AT["vintage_lost"]] += lost
        if rules.factored[c]:
            note(day, c, "repaid" if rules.recourse else "borne", advance(c, lost))
            lost -= 0 if rules.recourse else advance(c, lost)
        return lost

    def insured(day, c, own):
        """The insurer pays a share of each loss less the deductible; what is left."""
        if not rules.insured[c]:
            return own
        paid = max(int(own * rules.insured_share) - rules.deductible, 0)
        note(day, c, "claims", paid)
        return own - paid

    if carried is not None:
        for k in range(opening):
            c, amount = int(carried.customer[k]), int(carried.amount[k])
            note(0, c, "opening", amount)
            if rules.factored[c]:
                note(0, c, "factoring_cost", int(amount * rules.factor_cost[known[c].grade] + 0.5))
                note(0, c, "advanced", advance(c, amount))
            if default_day[c] >= 0:
                failing = -math.expm1(-people.default_rate[c] / 365)
                before = owed(c)
                stake = at_stake(before + amount, c, world, rules) - at_stake(before, c, world, rules)
                expected[0, people.segment[c], 0] += failing * stake
            base = draws(seed, replicate, c, -1 - sum(carried.customer[:k] == c))
            due, level = int(carried.due[k]), int(min(carried.level[k], len(rules.ladder.first_days)))
            one = invoice(k, c, amount, -1, due, int(carried.disputed[k]), level, base, world)
            one["next"] = first_step(one, -1, rules)
            books[c].append(one)
    start = start + opening
    who, number = np.append(np.zeros(opening, int), who), np.append(np.zeros(opening, int), number)
    size = np.append(np.zeros(opening, int), size)
    for day in range(days):
        dead = default_day <= day
        for c in np.flatnonzero(default_day == day):
            note(day, c, "defaulted", owed(c))
        back_on = np.where(default_day < 0, np.maximum(default_day + waits, 0), default_day + waits)
        for c in np.flatnonzero(back_on == day):
            own = 0
            for one in books[c]:
                if one["rest"]:
                    back = int(one["rest"] * world.recovery + 0.5)
                    note(day, c, "recovered", back)
                    settled(day, c, one, back)
                    own += lose(day, c, one, one["rest"] - back)
                    one.update(rest=0, closed=day)
            insured(day, c, own)
        for k in range(start[day], start[day + 1]):
            c = int(who[k])
            if day < until[c]:
                before = owed(c)
                granted = order(day, k, c, number[k], size[k], world, rules, books, owed, known, gone, note, seed,
                                replicate, taken, advance, dead[c], month_of)  # fmt: skip
                if dead[c]:
                    lost = at_stake(before + granted, c, world, rules) - at_stake(before, c, world, rules)
                    expected[month_of[day], people.segment[c], 0] += lost
        for c in np.flatnonzero(~dead):
            for one in books[c]:
                if one["rest"]:
                    pay(day, c, one, world, rules, burn, open_day[day], known, note, settled, lose, insured)
        collect(day, books, queue, dead, known, rules, risk, note, world)
        if rules.reviewed and (day == days - 1 or month_of[day + 1] != month_of[day]):
            review(int(month_of[day]), day, books, known, rules)
        for c in range(len(books)):
            note(day, c, "open_days", owed(c))
            place = (month_of[day], people.segment[c])
            financed = 1 - rules.advance if rules.factored[c] else 1.0
            expected[place][1] += financed * owed(c)
            if not dead[c]:
                stake = -math.expm1(-people.default_rate[c] / 365) * at_stake(owed(c), c, world, rules)
                if day + 1 < days:  # lost by a failure on the next day
                    expected[month_of[day + 1], people.segment[c], 0] += stake
        if day == days - 1 or month_of[day + 1] != month_of[day]:
            for c in range(len(books)):
                note(day, c, "open", owed(c))
                note(day, c, "overdue", sum(one["rest"] for one in books[c] if day > one["due"]))
    return result, expected, [one for book in books for one in book]


def at_stake(owed, c, world, rules):
    """Lost if the customer fails that owes so much."""
    lost = owed * (1 - world.recovery)
    lost *= 1 - rules.advance if rules.factored[c] and not rules.recourse else 1.0
    return lost - max(lost * rules.insured_share - rules.deductible, 0) if rules.insured[c] else lost


class Known:
    """What the seller knows of a customer, and what it has decided about it."""

    def __init__(self, c, people, rules, month_of):
        past, self.minor = people.known(), people.minor
        self.month = lambda day: int(month_of[day])
        self.grade, self.limit, self.term = int(rules.grade[c]), int(rules.limit[c]), int(rules.term[c])
        self.trial = bool(rules.on_trial[c])
        months = range(-past.sold.shape[1], 0)
        self.sold = dict(zip(months, past.sold[c].tolist(), strict=True))
        self.paid = dict(zip(months, past.paid[c].tolist(), strict=True))
        self.paid_days = dict(zip(months, past.paid_days[c].tolist(), strict=True))
        self.since, self.last_sold, self.contract = int(past.since[c]), int(past.last_sold[c]), int(past.contract[c])
        self.paid_well, self.decided = int(past.paid_well[c]), past.since[c] < 0
        late = zip(past.dpd[c], past.overdue[c], strict=True)
        self.over = any(dpd >= rules.limits.stop_dpd and due >= rules.limits.least for dpd, due in late)
        self.changed = self.looked = -1  # month ends of the last change and of the last review

    def add(self, table, month, value):
        table[month] = table.get(month, 0) + value


def review(month, day, books, known, rules):
    """The limit review at a month end (授信复核)."""
    p, g = rules.limits, rules.limits.grades
    annual = {}
    for c, one in enumerate(known):
        if one.since <= month:
            months = month - one.since
            window = [one.sold.get(month - k, 0) for k in range(p.forecast_months)]
            annual[c] = sum(window) * 12 / min(months + 1, p.forecast_months) * (1 + p.growth)
    cap = max(sum(annual.values()), 0.0) * p.share_of_sales
    for c, yearly in annual.items():
        one = known[c]
        months = month - one.since
        late = [(day - inv["due"], inv["rest"]) for inv in books[c] if inv["rest"] and day > inv["due"]]
        overdue = sum(rest for _, rest in late)
        young = months < g.min_months
        if young and late and max(age for age, _ in late) >= p.stop_dpd and overdue >= p.least:
            one.over = True
        weight = overdue + sum(one.paid.get(month - k, 0) for k in range(12))
        carried = sum(age * rest for age, rest in late) + sum(one.paid_days.get(month - k, 0) for k in range(12))
        grade = g.newcomer
        if weight > 0 and not young:
            index = np.interp(carried / weight, (-30, -20, 0, 15, 22, 30, 60, 90, 120, 180),
                              (100, 90, 80, 70, 60, 50, 40, 30, 20, 0))  # fmt: skip
            grade = next((k for k, cut in enumerate(g.cuts) if index >= cut), len(g.cuts) - 1)
        trial = young and not one.over and one.paid_well // p.step_invoices < p.steps and g.multiple[grade] > 0
        ended = young and one.over and g.multiple[grade] > 0
        wanted = min(max(yearly, 0) / 365 * (g.term[grade] + p.delay) * p.peak * g.multiple[grade], cap)
        if trial:
            wanted = p.first * p.step_factor ** (one.paid_well // p.step_invoices)
        if ended or (yearly <= 0 and not young) or g.multiple[grade] == 0:
            wanted = 0.0
        wanted = math.floor(wanted / p.rounding) * p.rounding if p.rounding > 0 else wanted
        turn = (month + 1) % p.review_months == 0 or trial or ended or one.trial
        gap = wanted - one.limit
        soon = gap > 0 and month - one.changed < p.months_between and not (trial or ended or one.trial)
        slight = abs(gap) < p.min_change * one.limit
        asleep = month - one.last_sold >= p.withdraw_after and one.limit > 0
        if not one.decided:
            new = wanted
        elif asleep:
            new = 0.0
        elif turn:
            new = one.limit if soon or slight else wanted
        else:
            continue
        one.grade, one.term, one.trial, one.looked = grade, int(g.term[grade]), trial, month
        if int(new) != one.limit or not one.decided:
            one.limit, one.changed = int(new), month
        one.decided = True


def first_step(one, day, rules):
    """The notice before the due date where there is time for one, else the first stage."""
    notice = one["due"] - rules.ladder.pre_due_days
    if rules.ladder.pre_due_days and one["due"] > day and not one["quick"] and (notice > day or day >= 0):
        return max(notice, day + 1)
    return next_step(one, day, rules)


def next_step(one, day, rules):
    """The next stage by age, or the last one again after its days."""
    steps, level = [], one["level"]
    wait = one["disputed"] if rules.ladder.hold_disputed else 0
    if level < len(rules.ladder.first_days):
        steps.append(max(one["due"] + max(int(rules.ladder.first_days[level]), wait), day + 1))
    if level:
        steps.append(max(one["due"] + max(wait, 1), day + int(rules.ladder.repeat_days[level - 1])))
    return min(steps, default=-9)


def collect(day, books, queue, dead, known, rules, risk, note, world):
    """Notices, then contacts by amount × risk until the minutes are used up; a customer that owes too little waits."""
    first = rules.ladder.first_days
    for c, book in enumerate(books):
        for one in book:
            if not one["rest"] or dead[c] or one["next"] != day:
                continue
            if day <= one["due"]:
                note(day, c, "actions", 1)
                if one["clock"] > 0:
                    one["clock"] = max(int(one["clock"] / world.notice), 1)
                one["next"] = next_step(one, day, rules)
                continue
            for other in [one, *(other for other in book if other["small"])]:
                other["small"] = False
                other["key"] = other["rest"] // round(known[c].minor) * risk[known[c].grade]
                if other not in queue:
                    queue.append(other)
    left = rules.capacity
    for one in sorted(queue, key=lambda one: (-one["key"], one["order"])):
        c = one["customer"]
        if not one["rest"] or dead[c]:
            queue.remove(one)
            continue
        by_age = sum(day - one["due"] >= days for days in first)
        stage = one["level"] + 1 if by_age > one["level"] else one["level"]
        if rules.stage_minutes[stage - 1] > left:
            break
        queue.remove(one)
        due = 0
        for other in books[c]:
            age = day - other["due"]
            if age >= first[0] and not (rules.ladder.hold_disputed and 0 <= age < other["disputed"]):
                due += other["rest"]
        if one["rest"] < rules.ladder.min_amount and due < rules.ladder.min_amount:
            one["small"] = True
            continue
        left -= rules.stage_minutes[stage - 1]
        note(day, c, "collection_cost", rules.stage_cost[stage - 1])
        note(day, c, "actions", 1)
        one["level"] = stage
        one["next"] = next_step(one, day, rules)


def draws(seed, replicate, c, number):
    """Key of one order's draws."""
    return np.uint64(mix(np.uint64((int(customer_key(seed, replicate, c)) + int(number) * int(ODD)) % 2**64)))


def invoice(k, c, amount, issued, due, disputed, level, base, world):
    second, unit = 0, ONE / world.customers.habit[c]
    if uniform(base, PARTIAL) < world.partial_share:
        second = max(int(-math.log(uniform(base, SECOND)) * unit), 1)
    return {
        "order": k, "customer": c, "amount": amount, "rest": amount, "issued": issued, "due": due, "from": issued + 1,
        "level": level, "clock": max(int(-math.log(uniform(base, CLOCK)) * unit), 1), "second": second,
        "disputed": disputed, "quick": False, "quick_on": -1, "closed": -1, "next": -9, "small": False, "key": 0,
    }  # fmt: skip


def pay(day, c, one, world, rules, burn, money_moves, known, note, settled, lose, insured):
    """An invoice's day: the discount, the clock, the second part, the write-off."""
    age, month = day - one["due"], known[c].month(day)

    def cash(part, off=0):
        note(day, c, "credited", off)
        note(day, c, "collected", part - off)
        settled(day, c, one, part)
        known[c].add(known[c].paid, month, part - off)
        known[c].add(known[c].paid_days, month, (part - off) * age)
        known[c].paid_well += part == one["rest"] and age <= 0
        one.update(rest=one["rest"] - part, closed=day if part == one["rest"] else -1)

    if one["quick"]:
        if day == one["quick_on"]:
            cash(one["rest"], int(one["rest"] * one["rate"] + 0.5))
        return
    if day < one["from"]:
        return
    if not 0 <= age < one["disputed"]:
        band = int(np.searchsorted(world.bands, age, side="right")) - 1
        one["clock"] -= int(burn[world.customers.grade[c], one["level"], max(band, 0)])
    if one["clock"] <= 0 and money_moves and age <= rules.write_off:
        part = int(one["rest"] * world.partial_first + 0.5)
        if one["second"] > 0 and part < one["rest"]:
            cash(part)
            one.update(clock=one["second"], second=0)
        else:
            cash(one["rest"])
        return
    if age > rules.write_off:
        note(day, c, "aged_off", insured(day, c, lose(day, c, one, one["rest"])))
        one.update(rest=0, closed=day)


def order(day, k, c, number, size, world, rules, books, owed, known, gone, note, seed, replicate, taken, advance,
          dead, month_of):  # fmt: skip
    """Granted, in part, or refused; how much."""
    g = known[c].grade
    asked = int(size * rules.demand[g] + 0.5)
    note(day, c, "ordered", asked)
    if gone[c]:
        note(day, c, "lost", asked)
        return 0
    base = draws(seed, replicate, c, number)
    granted = granted_part(day, c, asked, rules, books, owed, known[c], note, int(month_of[day]))
    if granted == 0:
        gone[c] = uniform(base, LEAVE) < world.leave_share
        return 0
    note(day, c, "sales", granted)
    note(day, c, "premium", int(granted * rules.premium + 0.5) if rules.insured[c] else 0)
    if rules.factored[c]:
        note(day, c, "factoring_cost", int(granted * rules.factor_cost[g] + 0.5))
        note(day, c, "advanced", advance(c, granted))
    disputed = world.dispute_days if uniform(base, DISPUTE) < world.dispute_share else 0
    made = invoice(k, c, granted, day, day + known[c].term, disputed, 0, base, world)
    if rules.discount[g] > 0 and not disputed and uniform(base, DISCOUNT) < taken[world.customers.grade[c]]:
        made.update(quick=True, quick_on=day + max(int(rules.discount_days[g]), 1), second=0, rate=rules.discount[g])
    made["next"] = first_step(made, day, rules)
    if dead:
        note(day, c, "defaulted", granted)
    month = known[c].month(day)
    known[c].add(known[c].sold, month, granted)
    known[c].since, known[c].last_sold = min(known[c].since, month), max(known[c].last_sold, month)
    books[c].append(made)
    return granted


def granted_part(day, c, asked, rules, books, owed, mine, note, month):
    """How much of an order is granted; the ages are those of the evening before."""
    h, evening = rules.holds, day - 1
    late = [(evening - one["due"], one["rest"]) for one in books[c] if one["rest"] and evening > one["due"]]
    overdue, whole = sum(rest for _, rest in late), owed(c)
    old = sum(rest for age, rest in late if age > h.overdue_days)
    aged = sum(rest for age, rest in late if age > h.share_after_days)
    stops = overdue >= h.min_overdue and old > 0 and old >= h.min_overdue_share * whole
    stops |= overdue >= h.min_overdue and aged > h.overdue_share * whole
    stops |= h.missing_contract and day > mine.contract
    stops |= h.expired_limit and mine.decided and month > mine.looked + 12 and rules.reviewed
    if stops:
        note(day, c, "refused_hold", asked)
        return 0
    room = max(int(mine.limit * h.utilisation + 0.5) - whole, 0)
    granted = asked
    if asked > room:
        granted = room if h.partial_release else 0
        note(day, c, "refused_limit", asked - granted)
    return granted
