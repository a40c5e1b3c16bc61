"""The rules of the twin as SimPy processes; numpy by day and Mesa have files of their own.

SimPy comes in two forms: as people write it, with processes of invoices that live day by day, and
as well as we could, with events found by the compiled inversion of the clock. Within a day failures
come at .1, orders at .2, payments at .3, collectors at .5, the review of a month's end at .6.
"""

import simpy
from simulation_books import Books
from simulation_case import Case


class Daily:
    """Processes as people write them: an invoice wakes up every day."""

    def __init__(self, made: Case, daily: bool = True):
        self.made, self.env, self.books = made, simpy.Environment(), Books(made, daily)
        self.staged = [[] for _ in range(made.days)]

    def run(self):
        """All processes until the last day; the books."""
        orders = [[] for _ in self.books.customers]
        for day in range(self.made.days):
            for k in range(self.made.start[day], self.made.start[day + 1]):
                orders[self.made.who[k]].append((day, k))
        for c, mine in enumerate(orders):
            if mine:
                self.env.process(self.customer(c, mine))
            if self.books.default_day[c] < self.made.days:
                self.env.process(self.failure(c))
        self.env.process(self.office())
        self.env.run(until=self.made.days)
        return self.books

    def customer(self, c, mine):
        env, books = self.env, self.books
        one = books.customers[c]
        for day, k in mine:
            yield env.timeout(day + 0.2 - env.now)
            if one.dead:
                return
            made = books.order(day, k)
            if made is not None:
                self.stage(made)
                made.process = env.process(self.invoice(made))

    def failure(self, c):
        yield self.env.timeout(self.books.default_day[c] + 0.1 - self.env.now)
        self.books.fail(self.books.customers[c])
        yield self.env.timeout(self.made.world.recovery_days)
        self.books.recover(self.books.customers[c])

    def invoice(self, one):
        env, books = self.env, self.books
        yield env.timeout(1.1)
        while one.open and not one.owner.dead:
            day = int(env.now)
            if books.due_today(day, one) and books.end(day, one):
                return
            yield env.timeout(1)

    def office(self):
        """Collectors in the evening, reviews at the end of a month."""
        env, books = self.env, self.books
        for day in range(self.made.days):
            yield env.timeout(day + 0.5 - env.now)
            for one in self.staged[day]:
                if books.step(day, one):
                    self.stage(one)
                    self.changed(one)
            self.staged[day] = None
            for one in books.collect(day):
                self.stage(one)
                self.changed(one)
            yield env.timeout(0.1)
            books.review(day)

    def stage(self, one):
        if one.ready < self.made.days:
            self.staged[one.ready].append(one)

    def changed(self, one):
        """Who looks every day need not be told."""


class ByEvents(Daily):
    """As few events as can be: an invoice sleeps until it ends, and is told if its day moves."""

    def __init__(self, made: Case):
        super().__init__(made, daily=False)

    def invoice(self, one):
        env, books = self.env, self.books
        while one.open and not one.owner.dead:
            one.planned = one.ends
            try:
                yield env.timeout(one.planned + 0.3 - env.now)
            except simpy.Interrupt:
                continue
            if one.open and not one.owner.dead and books.end(one.planned, one):
                return

    def changed(self, one):
        if one.ends != one.planned:
            one.process.interrupt()


def with_simpy(made: Case):
    """By events found by the compiled clock."""
    return ByEvents(made).run()


def with_simpy_daily(made: Case):
    """As people write it."""
    return Daily(made).run()
