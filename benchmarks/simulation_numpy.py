"""The rules of the twin in numpy, day by day, with `credit_lab.rules` called with arrays."""

import numpy as np
from simulation_case import Case

from credit_lab.rules import grades, holds, limits
from credit_lab.simulation.records import MEASURES

LATER = 2**30


class ByDay:
    """Open invoices burn their clocks, whoever is used up is paid."""

    def __init__(self, made: Case):
        p, r, n = made.world.customers, made.rules, len(made.who)
        self.made, self.rules, self.world, self.past = made, r, made.world, p.known()
        self.burn, self.total = made.world.burn(), dict.fromkeys(MEASURES, 0)
        self.kind = p.grade[made.who]
        self.rest, self.due, self.level, self.key = (np.zeros(n, np.int64) for _ in range(4))
        self.clock, self.second = made.clock.copy(), made.second.copy()
        self.ready, self.quick_on, self.rate = np.full(n, LATER), np.full(n, LATER), np.zeros(n)
        self.waiting, self.small = np.zeros(n, bool), np.zeros(n, bool)
        self.live = np.zeros(0, np.int64)
        self.number = len(p.names)
        self.owed, self.sold = np.zeros(self.number, np.int64), np.zeros(self.number, np.int64)
        self.paid, self.paid_days = np.zeros_like(self.owed), np.zeros_like(self.owed)
        self.dead = np.zeros(self.number, bool)
        self.grade, self.limit, self.term = r.grade.copy(), r.limit.copy(), r.term.copy()
        self.trial, self.decided = r.on_trial.copy(), self.past.since < 0
        self.since, self.last_sold = self.past.since.copy(), self.past.last_sold.copy()
        self.well = self.past.paid_well.copy()
        self.ended = limits.trial_ends(r.limits, self.past.dpd, self.past.overdue).any(axis=1)
        self.changed, self.looked = np.full(self.number, -1), np.full(self.number, -1)
        self.books = [self.past.sold, self.past.paid, self.past.paid_days]
        self.advance = round(r.advance * 10000)
        self.stage_from = np.append(r.ladder.first_days, LATER)
        self.money_moves = made.payday == np.arange(len(made.payday))

    def run(self):
        """All days; the measures."""
        for day in range(self.made.days):
            self.fail(day)
            new = self.orders(day)
            self.pay(day)
            self.live = np.append(self.live[self.rest[self.live] > 0], new)
            self.collect(day)
            if self.rules.reviewed and self.made.closes(day):
                self.review(day, int(self.made.month_of[day]))
        return self.total

    def count(self, name, values):
        self.total[name] += int(values.sum())

    def by_customer(self, rows, values):
        """Sums of integers by customer; exact, since they stay below 2**53."""
        found = np.bincount(self.made.who[rows], weights=values, minlength=self.number)
        return found.astype(np.int64)

    def fail(self, day):
        """Failures of the day, and what comes back of earlier ones."""
        failed = self.made.default_day == day
        self.count("defaulted", self.owed[failed])
        self.dead |= failed
        back_on = self.made.default_day + self.world.recovery_days == day
        if not back_on.any():
            return
        rows = self.live[back_on[self.made.who[self.live]]]
        back = (self.rest[rows] * self.world.recovery + 0.5).astype(np.int64)
        self.count("recovered", back)
        self.repay(rows, back)
        own = self.by_customer(rows, self.lose(rows, self.rest[rows] - back))
        self.claim(np.flatnonzero(back_on), own[back_on])
        self.settle(rows, self.rest[rows])
        self.live = self.live[self.rest[self.live] > 0]

    def repay(self, rows, part):
        """The factor gets back what it had paid on this part."""
        rows, part = (values[self.rules.factored[self.made.who[rows]]] for values in (rows, part))
        before, after = self.rest[rows], self.rest[rows] - part
        self.count("repaid", before * self.advance // 10000 - after * self.advance // 10000)

    def settle(self, rows, part):
        self.owed -= self.by_customer(rows, part)
        self.rest[rows] -= part

    def lose(self, rows, lost):
        """What the seller loses of write-offs, before its insurance."""
        self.count("written_off", lost)
        self.count("vintage_lost", lost)
        moved = np.where(self.rules.factored[self.made.who[rows]], lost * self.advance // 10000, 0)
        self.count("repaid" if self.rules.recourse else "borne", moved)
        return lost if self.rules.recourse else lost - moved

    def claim(self, c, own):
        """The insurer pays a share of each loss less the deductible; what is left."""
        share = (own * self.rules.insured_share).astype(np.int64)
        paid = np.where(self.rules.insured[c], np.maximum(share - self.rules.deductible, 0), 0)
        self.count("claims", paid)
        return own - paid

    def orders(self, day):
        """Orders of the day against the books of the evening before; those that become invoices."""
        made, h = self.made, self.rules.holds
        todays = np.arange(made.start[day], made.start[day + 1])
        todays = todays[~self.dead[made.who[todays]]]
        if not len(todays):
            return todays
        age = day - 1 - self.due[self.live]
        overdue, old, late = (
            self.by_customer(self.live[past], self.rest[self.live[past]])
            for past in (age > 0, age > max(h.overdue_days, 0), age > max(h.share_after_days, 0))
        )
        valid = (made.month_of[day] - self.looked <= 12) | (not self.rules.reviewed)
        contract, new = day <= self.past.contract, []
        while len(todays):  # of each customer the first, then the second, ...
            _, first = np.unique(made.who[todays], return_index=True)
            k, todays = todays[first], np.delete(todays, first)
            c = made.who[k]
            ages = overdue[c], old[c], late[c]
            why = holds.held(h, self.owed[c], *ages, valid[c], contract[c], alert=False)
            new.append(self.grant(day, k, c, why > 0))
        return np.concatenate(new)

    def grant(self, day, k, c, stops):
        """Grant orders of different customers within their limits; those that become invoices."""
        made, r = self.made, self.rules
        asked = (made.size[k] * r.demand[self.grade[c]] + 0.5).astype(np.int64)
        room = holds.room(r.holds, self.limit[c], self.owed[c])
        granted = holds.released(r.holds, asked, room, stops).astype(np.int64)
        self.count("ordered", asked)
        self.count("refused_hold", asked[stops])
        self.count("refused_limit", (asked - granted)[~stops])
        k, c, granted = (values[granted > 0] for values in (k, c, granted))
        g = self.grade[c]
        self.count("sales", granted)
        self.count("premium", (granted * r.premium + 0.5).astype(np.int64)[r.insured[c]])
        fee = (granted * r.factor_cost[g] + 0.5).astype(np.int64)
        self.count("factoring_cost", fee[r.factored[c]])
        self.count("advanced", (granted * self.advance // 10000)[r.factored[c]])
        self.owed[c] += granted
        self.sold[c] += granted
        self.since[c] = np.minimum(self.since[c], made.month_of[day])
        self.rest[k], self.due[k], self.rate[k] = granted, day + self.term[c], r.discount[g]
        quick = made.quick[k] & (r.discount[g] > 0)
        self.quick_on[k[quick]] = day + np.maximum(r.discount_days[g[quick]], 1)
        self.next_step(day, k)
        if r.ladder.pre_due_days:
            early = k[~quick & (self.due[k] > day)]
            self.ready[early] = np.maximum(self.due[early] - r.ladder.pre_due_days, day + 1)
        return k

    def pay(self, day):
        """Discounts, payments in whole or part, write-offs; today's invoices are not among them."""
        rows = self.live[~self.dead[self.made.who[self.live]]]
        off = rows[self.quick_on[rows] == day]
        discount = (self.rest[off] * self.rate[off] + 0.5).astype(np.int64)
        self.cash(day, off, self.rest[off], discount)
        rows = rows[self.quick_on[rows] == LATER]
        age = day - self.due[rows]
        calm = (age < 0) | (age >= self.made.disputed[rows])
        band = np.maximum(np.searchsorted(self.world.bands, age, side="right") - 1, 0)
        self.clock[rows] -= np.where(calm, self.burn[self.kind[rows], self.level[rows], band], 0)
        aged = rows[age > self.rules.write_off]
        if self.money_moves[day]:
            over = rows[(self.clock[rows] <= 0) & (age <= self.rules.write_off)]
            part = (self.rest[over] * self.world.partial_first + 0.5).astype(np.int64)
            half = (self.second[over] > 0) & (part < self.rest[over])
            self.cash(day, over, np.where(half, part, self.rest[over]), np.zeros_like(part))
            self.clock[over[half]] = self.second[over[half]]
            self.second[over[half]] = 0
        self.count("aged_off", self.claim(self.made.who[aged], self.lose(aged, self.rest[aged])))
        self.settle(aged, self.rest[aged])

    def cash(self, day, rows, part, off):
        """Payments, less discounts."""
        late, got = day - self.due[rows], part - off
        self.count("credited", off)
        self.count("collected", got)
        self.repay(rows, part)
        self.paid += self.by_customer(rows, got)
        self.paid_days += self.by_customer(rows, got * late)
        self.well += self.by_customer(rows, (part == self.rest[rows]) & (late <= 0))
        self.settle(rows, part)

    def next_step(self, day, rows):
        """The next stage by age, or the last one again after its days."""
        ladder, level = self.rules.ladder, self.level[rows]
        wait = self.made.disputed[rows] if ladder.hold_disputed else 0
        new = np.maximum(self.due[rows] + np.maximum(self.stage_from[level], wait), day + 1)
        repeated = day + ladder.repeat_days[level - 1]
        again = np.maximum(self.due[rows] + np.maximum(wait, 1), repeated)
        self.ready[rows] = np.where(level > 0, np.minimum(new, again), new)

    def collect(self, day):
        """Steps of the day, and contacts by amount × risk until the minutes are used up."""
        who, r = self.made.who, self.rules
        live = self.live[~self.dead[who[self.live]]]
        todays = live[self.ready[live] == day]
        notice, staged = todays[day <= self.due[todays]], todays[day > self.due[todays]]
        if len(notice):
            self.total["actions"] += len(notice)
            faster = np.maximum((self.clock[notice] / self.world.notice).astype(np.int64), 1)
            self.clock[notice] = np.where(self.clock[notice] > 0, faster, self.clock[notice])
            self.next_step(day, notice)
        again = np.zeros(self.number, bool)
        again[who[staged]] = True
        again = live[self.small[live] & again[who[live]]]
        self.small[again] = False
        rows = np.append(staged, again)
        self.waiting[rows] = True
        self.key[rows] = self.rest[rows] // 100 * self.made.risk[self.grade[who[rows]]]
        queue = live[self.waiting[live]]
        queue = queue[np.lexsort((queue, -self.key[queue]))]
        stage = self.level[queue] + (day - self.due[queue] >= self.stage_from[self.level[queue]])
        minutes = r.stage_minutes[stage - 1]
        tiny = self.too_little(day, live, queue)
        before = np.cumsum(np.where(tiny, 0, minutes)) - np.where(tiny, 0, minutes)
        stops = minutes > r.capacity - before
        done = int(np.argmax(stops)) if stops.any() else len(queue)
        queue, stage, tiny = queue[:done], stage[:done], tiny[:done]
        self.waiting[queue] = False
        self.small[queue[tiny]] = True
        queue, stage = queue[~tiny], stage[~tiny]
        self.total["actions"] += len(queue)
        self.count("collection_cost", r.stage_cost[stage - 1])
        self.level[queue] = stage
        self.next_step(day, queue)

    def too_little(self, day, live, queue):
        """Whether too little of an invoice's customer is due to write or call."""
        ladder, age = self.rules.ladder, day - self.due[live]
        calm = ladder.hold_disputed & (age >= 0) & (age < self.made.disputed[live])
        rows = live[(age >= self.stage_from[0]) & ~calm]
        due = self.by_customer(rows, self.rest[rows])[self.made.who[queue]]
        return (self.rest[queue] < ladder.min_amount) & (due < ladder.min_amount)

    def review(self, day, month):
        """The month is closed; grades, limits and terms are set where a review is due."""
        own = self.rules.limits
        for at, values in enumerate((self.sold, self.paid, self.paid_days)):
            self.books[at] = np.column_stack([self.books[at][:, 1:], values])
        self.last_sold[self.sold > 0] = month
        for values in (self.sold, self.paid, self.paid_days):
            values[:] = 0
        months = month - self.since
        sold = self.books[0][:, -own.forecast_months :].sum(axis=1)
        annual = limits.annual_sales(own, sold, months)
        cap = own.share_of_sales * max(float(annual[months >= 0].sum()), 0.0)
        grade = self.graded(day, months)
        multiple, term = own.grades.multiple[grade], own.grades.term[grade]
        formula = multiple * limits.sales_forecast(annual, term, own.delay, own.peak)
        what = limits.bound(own, months, self.well, self.ended, multiple, annual, formula, cap)
        wanted = limits.bounded(own, what, self.well, formula, cap)
        old = np.where(self.decided, self.limit, -1.0)
        trial = (what == limits.TRIAL) | (what == limits.TRIAL_ENDED) | self.trial
        due = (month + 1) % own.review_months == 0
        since, quiet = month - self.changed, month - self.last_sold
        change = limits.change(own, old, wanted, since, quiet, due, False, trial)
        done = (months >= 0) & (change != limits.NOT_DUE)
        limit = limits.next_limit(change, old, wanted).astype(np.int64)
        self.changed[done & ((limit != self.limit) | ~self.decided)] = month
        for mine, new in (
            (self.grade, grade),
            (self.term, term),
            (self.trial, what == limits.TRIAL),
            (self.limit, limit),
            (self.looked, month),
            (self.decided, True),
        ):
            np.copyto(mine, new, where=done, casting="unsafe")

    def graded(self, day, months):
        """Grades by what was paid in twelve months and is overdue; may end trials."""
        own, age = self.rules.limits, day - self.due[self.live]
        rows, age = self.live[age > 0], age[age > 0]
        overdue = self.by_customer(rows, self.rest[rows])
        carried = self.by_customer(rows, self.rest[rows] * age)
        worst = np.zeros(self.number, np.int64)
        np.maximum.at(worst, self.made.who[rows], age)
        young = (months >= 0) & (months < own.grades.min_months)
        self.ended |= young & limits.trial_ends(own, worst, overdue)
        weight = overdue + self.books[1][:, -12:].sum(axis=1)
        days = carried + self.books[2][:, -12:].sum(axis=1)
        late = np.divide(days, weight, out=np.full(self.number, np.nan), where=weight > 0)
        return grades.grade(own.grades, grades.payment_index(late), months).astype(np.int64)


def with_numpy(made: Case):
    """Arrays, day by day."""
    return ByDay(made).run()
