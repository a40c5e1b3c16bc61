"""The rules of the twin in plain Python, for SimPy and Mesa.

They are written a second time here, as people write them who have no `credit_lab.rules`. `Books`
knows what may happen to an order, an invoice or a customer, but not when: that is what SimPy and
Mesa are for. `Books.total` has the kernel's measures, summed over months and segments, in minor
units.
"""

import bisect
import heapq
import math

from simulation_case import Case, Invoice, customers

from credit_lab.simulation.clock import burnt, ends_on
from credit_lab.simulation.records import MEASURES

LATER = 2**30
DAYS_LATE = (-30, -20, 0, 15, 22, 30, 60, 90, 120, 180)
INDEX = (100, 90, 80, 70, 60, 50, 40, 30, 20, 0)


class Books:
    """The rules: granting, settling, losing, collecting, reviewing.

    Parameters
    ----------
    made : the replicate
    daily : whether invoices burn their clocks day by day (`due_today`); else `Invoice.ends` is
        found by inverting the clock
    """

    def __init__(self, made: Case, daily: bool = False):
        self.made, self.rules, self.world, self.daily = made, made.rules, made.world, daily
        self.total, self.customers, self.waiting = dict.fromkeys(MEASURES, 0), customers(made), []
        self.burn, self.bands = made.world.burn(), made.world.bands
        self.rates, self.band_list = self.burn.tolist(), self.bands.tolist()
        self.who, self.size, self.clock = made.who.tolist(), made.size.tolist(), made.clock.tolist()
        self.second, self.disputed = made.second.tolist(), made.disputed.tolist()
        self.quick = made.quick.tolist()
        self.risk, self.payday = made.risk.tolist(), made.payday.tolist()
        self.month_of, self.default_day = made.month_of.tolist(), made.default_day.tolist()
        r = made.rules
        self.first, self.repeat = r.ladder.first_days.tolist(), r.ladder.repeat_days.tolist()
        self.minutes, self.cost = r.stage_minutes.tolist(), r.stage_cost.tolist()
        self.discount, self.demand = r.discount.tolist(), r.demand.tolist()
        self.discount_days, self.fee = r.discount_days.tolist(), r.factor_cost.tolist()
        self.advance, scale = round(r.advance * 10000), r.limits.grades
        self.cuts, self.terms = scale.cuts.tolist(), scale.term.tolist()
        self.multiple = scale.multiple.tolist()

    def order(self, day, k):
        """The invoice an order becomes, or None."""
        c, total = self.customers[self.who[k]], self.total
        asked = int(self.size[k] * self.demand[c.grade] + 0.5)
        total["ordered"] += asked
        if self.held(day, c):
            total["refused_hold"] += asked
            return None
        room, granted = int(c.limit * self.rules.holds.utilisation + 0.5) - c.owed, asked
        if asked > room:
            granted = room if self.rules.holds.partial_release and room > 0 else 0
            total["refused_limit"] += asked - granted
            if granted == 0:
                return None
        total["sales"] += granted
        if c.insured:
            total["premium"] += int(granted * self.rules.premium + 0.5)
        if c.factored:
            total["factoring_cost"] += int(granted * self.fee[c.grade] + 0.5)
            total["advanced"] += self.advanced(granted)
        c.owed += granted
        c.sold += granted
        c.since = min(c.since, self.month_of[day])
        return self.invoice(day, k, c, granted)

    def invoice(self, day, k, c, granted):
        """A new invoice and its first step of collection."""
        g = c.grade
        quick = self.quick[k] and self.discount[g] > 0
        clock, second, disputed = self.clock[k], self.second[k], self.disputed[k]
        one = Invoice(c, k, day + c.term, granted, clock, second, disputed, quick)
        c.book[k] = one
        if one.quick:
            one.rate, one.ends = self.discount[g], day + max(self.discount_days[g], 1)
        else:
            self.wait(day, one)
        notice = self.rules.ladder.pre_due_days
        if notice and one.due > day and not one.quick:
            one.ready = max(one.due - notice, day + 1)
        else:
            self.next_step(day, one)
        return one

    def held(self, day, c):
        """Whether a customer's orders stop, by the ages of the evening before."""
        h, evening, overdue, old, aged = self.rules.holds, day - 1, 0, 0, 0
        for one in c.book.values():
            age = evening - one.due
            if age > 0:
                overdue += one.rest
                if age > h.overdue_days:
                    old += one.rest
                if age > h.share_after_days:
                    aged += one.rest
        if overdue >= h.min_overdue:
            if old > 0 and old >= h.min_overdue_share * c.owed:
                return True
            if aged > 0 and aged > h.overdue_share * c.owed:
                return True
        if h.expired_limit and self.rules.reviewed and self.month_of[day] - c.looked > 12:
            return True
        return h.missing_contract and day > c.contract

    def wait(self, day, one):
        """The day on which the invoice ends by itself; whoever lives day by day will see."""
        if self.daily:
            return
        paid = day + 1
        if one.clock > 0:
            place = one.owner.kind, one.level, one.disputed
            paid = ends_on(one.clock, day + 1, one.due, *place, self.burn, self.bands)
        if paid < self.made.days:
            paid = self.payday[paid]
        one.since = day + 1
        one.ends = min(paid, max(one.due + self.rules.write_off + 1, day + 1))

    def due_today(self, day, one):
        """Whether an invoice ends today, after a day's burning of its clock."""
        if one.quick:
            return day == one.ends
        age = day - one.due
        if not 0 <= age < one.disputed:
            band = max(bisect.bisect_right(self.band_list, age) - 1, 0)
            one.clock -= self.rates[one.owner.kind][one.level][band]
        return age > self.rules.write_off or (one.clock <= 0 and self.payday[day] == day)

    def end(self, day, one):
        """Paid, in whole or part, or written off; whether the invoice is closed."""
        c, part = one.owner, one.rest
        if one.quick:
            self.cash(day, one, part, int(part * one.rate + 0.5))
        elif day > one.due + self.rules.write_off:
            self.total["aged_off"] += self.claim(c, self.lose(c, part))
        else:
            first = int(part * self.world.partial_first + 0.5)
            if one.second > 0 and first < part:
                self.cash(day, one, first, 0)
                one.clock, one.second = one.second, 0
                one.rest -= first
                c.owed -= first
                self.wait(day, one)
                return False
            self.cash(day, one, part, 0)
        self.close(one)
        return True

    def close(self, one):
        """Nothing is open any more."""
        one.owner.owed -= one.rest
        one.rest, one.open = 0, False
        del one.owner.book[one.order]

    def cash(self, day, one, part, off):
        """A payment of an invoice, less a discount; the factor gets back what it had paid."""
        c, total, age = one.owner, self.total, day - one.due
        total["credited"] += off
        total["collected"] += part - off
        if c.factored:
            total["repaid"] += self.advanced(one.rest) - self.advanced(one.rest - part)
        c.paid += part - off
        c.paid_days += (part - off) * age
        c.paid_well += part == one.rest and age <= 0

    def advanced(self, rest):
        """What the factor has paid on an invoice of which so much is open."""
        return rest * self.advance // 10000

    def lose(self, c, amount):
        """What the seller loses of a write-off, before its insurance."""
        self.total["written_off"] += amount
        self.total["vintage_lost"] += amount
        if c.factored:
            moved = self.advanced(amount)
            if not self.rules.recourse:
                self.total["borne"] += moved
                return amount - moved
            self.total["repaid"] += moved
        return amount

    def claim(self, c, own):
        """The insurer pays a share of each loss less the deductible; what is left."""
        if not c.insured:
            return own
        paid = max(int(own * self.rules.insured_share) - self.rules.deductible, 0)
        self.total["claims"] += paid
        return own - paid

    def fail(self, c):
        """A customer that fails pays nothing any more."""
        c.dead = True
        self.total["defaulted"] += c.owed

    def recover(self, c):
        """A share of what a failed customer owes comes back, the rest is lost."""
        own = 0
        for one in list(c.book.values()):
            back = int(one.rest * self.world.recovery + 0.5)
            self.total["recovered"] += back
            if c.factored:
                self.total["repaid"] += self.advanced(one.rest) - self.advanced(one.rest - back)
            own += self.lose(c, one.rest - back)
            self.close(one)
        self.claim(c, own)

    def next_step(self, day, one):
        """The next stage by age, or the last one again after its days."""
        level, wait = one.level, one.disputed if self.rules.ladder.hold_disputed else 0
        one.ready = LATER
        if level < len(self.first):
            one.ready = max(one.due + max(self.first[level], wait), day + 1)
        if level:
            one.ready = min(one.ready, max(one.due + max(wait, 1), day + self.repeat[level - 1]))

    def step(self, day, one):
        """A step of collection is due: a notice goes out (True), or the invoice queues up, and with
        it what was too small before."""
        c = one.owner
        if not one.open or c.dead:
            return False
        if day > one.due:
            self.enqueue(one)
            if c.small:
                for other in c.book.values():
                    if other.small:
                        other.small = False
                        self.enqueue(other)
                c.small = False
            return False
        self.total["actions"] += 1
        self.burn_so_far(day, one)
        if one.clock > 0:
            one.clock = max(int(one.clock / self.world.notice), 1)
        self.wait(day, one)
        self.next_step(day, one)
        return True

    def enqueue(self, one):
        """Into the collectors' queue, by amount × risk."""
        key = one.rest // 100 * self.risk[one.owner.grade]
        heapq.heappush(self.waiting, (-key, one.order, one))

    def burn_so_far(self, day, one):
        """The clock burnt since it was last looked at, today included."""
        if not self.daily:
            place = one.owner.kind, one.level, one.disputed
            one.clock -= burnt(one.since, day, one.due, *place, self.burn, self.bands)

    def collect(self, day):
        """Contacts until the collectors' minutes are used up; the invoices contacted."""
        left, done, waiting = self.rules.capacity, [], self.waiting
        while waiting:
            one = waiting[0][2]
            if not one.open or one.owner.dead:
                heapq.heappop(waiting)
                continue
            stage, age = one.level, day - one.due
            if stage < len(self.first) and age >= self.first[stage]:
                stage += 1
            if self.minutes[stage - 1] > left:
                break
            heapq.heappop(waiting)
            if self.too_little(day, one):
                one.small = one.owner.small = True
                continue
            left -= self.minutes[stage - 1]
            self.contact(day, one, stage)
            done.append(one)
        return done

    def too_little(self, day, one):
        """Whether too little of the customer is due to write or call."""
        ladder, due = self.rules.ladder, 0
        if one.rest >= ladder.min_amount:
            return False
        for other in one.owner.book.values():
            age = day - other.due
            if age >= self.first[0] and not (ladder.hold_disputed and 0 <= age < other.disputed):
                due += other.rest
        return due < ladder.min_amount

    def contact(self, day, one, stage):
        """A collector's contact; from a new stage on the clock burns at another rate."""
        self.total["collection_cost"] += self.cost[stage - 1]
        self.total["actions"] += 1
        if stage > one.level and not one.quick:
            self.burn_so_far(day, one)
            one.level = stage
            self.wait(day, one)
        one.level = stage
        self.next_step(day, one)

    def review(self, day):
        """The month is closed; grades, limits and terms are set where a review is due."""
        if not (self.rules.reviewed and self.made.closes(day)):
            return
        month, own, annual = self.month_of[day], self.rules.limits, {}
        for at, c in enumerate(self.customers):
            c.sold_by.append(c.sold)
            c.paid_by.append(c.paid)
            c.paid_days_by.append(c.paid_days)
            if c.sold:
                c.last_sold = month
            c.sold = c.paid = c.paid_days = 0
            if c.since <= month:
                lived = min(month - c.since + 1, own.forecast_months)
                annual[at] = sum(c.sold_by[-own.forecast_months :]) * 12 / lived * (1 + own.growth)
        cap = own.share_of_sales * max(sum(annual.values()), 0.0)
        due = (month + 1) % own.review_months == 0
        for at, yearly in annual.items():
            c = self.customers[at]
            young = month - c.since < own.grades.min_months
            asleep = month - c.last_sold >= own.withdraw_after
            if not c.dead and (due or young or c.trial or asleep or not c.decided):
                self.decide(month, day, c, yearly, cap, young, asleep, due)

    def decide(self, month, day, c, annual, cap, young, asleep, due):
        """Grade, limit and term of one customer."""
        p = self.rules.limits
        grade = self.graded(day, c, young)
        multiple, steps = self.multiple[grade], c.paid_well // p.step_invoices
        trial = young and not c.ended and steps < p.steps and multiple > 0
        over = young and c.ended and multiple > 0
        forecast = max(annual, 0) / 365 * (self.terms[grade] + p.delay) * p.peak
        wanted = min(multiple * forecast, cap)
        if trial:
            wanted = p.first * p.step_factor**steps
        if over or multiple == 0 or (annual <= 0 and not young):
            wanted = 0.0
        if p.rounding > 0:
            wanted = math.floor(wanted / p.rounding) * p.rounding
        earned = trial or over or c.trial
        if not c.decided:
            new = wanted
        elif asleep and c.limit > 0:
            new = 0.0
        elif due or earned:
            early = wanted > c.limit and month - c.changed < p.months_between and not earned
            new = c.limit if early or abs(wanted - c.limit) < p.min_change * c.limit else wanted
        else:
            return
        c.grade, c.term, c.trial, c.looked = grade, int(self.terms[grade]), trial, month
        if int(new) != c.limit or not c.decided:
            c.limit, c.changed = int(new), month
        c.decided = True

    def graded(self, day, c, young):
        """The grade by what was paid in twelve months and is overdue; may end a trial."""
        p, overdue, carried, worst = self.rules.limits, 0, 0, 0
        for one in c.book.values():
            age = day - one.due
            if age > 0:
                overdue += one.rest
                carried += one.rest * age
                worst = max(worst, age)
        if young:
            c.ended |= worst >= p.stop_dpd and overdue >= p.least
            return p.grades.newcomer
        weight = overdue + sum(c.paid_by[-12:])
        if weight <= 0:
            return p.grades.newcomer
        late = (carried + sum(c.paid_days_by[-12:])) / weight
        at = bisect.bisect_right(DAYS_LATE, late) - 1
        if at < 0 or at == len(INDEX) - 1:
            index = INDEX[max(at, 0)]
        else:
            slope = (INDEX[at + 1] - INDEX[at]) / (DAYS_LATE[at + 1] - DAYS_LATE[at])
            index = slope * (late - DAYS_LATE[at]) + INDEX[at]
        return next((g for g, cut in enumerate(self.cuts) if index >= cut), len(self.cuts) - 1)
