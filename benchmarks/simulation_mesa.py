"""The rules of the twin as Mesa agents: customers with their invoices, or invoices as agents."""

import mesa
from simulation_books import Books
from simulation_case import Case


class Customer(mesa.Agent):
    """Orders, and looks at its own invoices every day."""

    def __init__(self, model, number):
        super().__init__(model)
        self.number, self.mine = number, model.books.customers[number]

    def fate(self):
        """Fails today, or what it owes is recovered today; whether it lives."""
        books, day = self.model.books, self.model.day
        failed = books.default_day[self.number]
        if failed == day:
            books.fail(self.mine)
        if failed + self.model.made.world.recovery_days == day:
            books.recover(self.mine)
        return not self.mine.dead

    def step(self):
        books, day = self.model.books, self.model.day
        if not self.fate():
            return
        before = list(self.mine.book.values())
        for k in self.model.orders.get(self.number, ()):
            books.order(day, k)
        for one in before:
            if books.due_today(day, one):
                books.end(day, one)
            if one.ready == day:
                books.step(day, one)


class Firm(mesa.Model):
    """A day: customers, collectors, and at a month's end the review."""

    def __init__(self, made: Case, kind=Customer):
        super().__init__()
        self.made, self.books, self.day, self.orders = made, Books(made, daily=True), 0, {}
        numbers = list(range(len(self.books.customers)))
        self.clients = kind.create_agents(self, len(numbers), numbers)

    def step(self):
        self.orders = {}
        for k in range(self.made.start[self.day], self.made.start[self.day + 1]):
            self.orders.setdefault(self.books.who[k], []).append(k)
        self.act()
        self.books.collect(self.day)
        self.books.review(self.day)
        self.day += 1

    def act(self):
        """What the agents do today."""
        self.clients.do("step")


class Invoice(mesa.Agent):
    """Looks every day whether it is paid, and leaves once it is closed."""

    def __init__(self, model, one):
        super().__init__(model)
        self.one = one

    def step(self):
        one, books, day = self.one, self.model.books, self.model.day
        if one.owner.dead or (books.due_today(day, one) and books.end(day, one)):
            self.remove()
        elif one.ready == day:
            books.step(day, one)


class Buyer(Customer):
    """Orders; its invoices are agents of their own."""

    def step(self):
        if self.fate():
            for k in self.model.orders.get(self.number, ()):
                one = self.model.books.order(self.model.day, k)
                if one is not None:
                    self.model.new.append(one)


class Market(Firm):
    """A firm whose invoices are agents."""

    def __init__(self, made: Case):
        super().__init__(made, Buyer)
        self.new = []

    def act(self):
        self.clients.do("step")
        if Invoice in self.agents_by_type:
            self.agents_by_type[Invoice].do("step")
        for one in self.new:
            Invoice(self, one)
        self.new = []


def _run(firm):
    for _ in range(firm.made.days):
        firm.step()
    return firm.books


def with_mesa(made: Case):
    """Customers as agents."""
    return _run(Firm(made))


def with_mesa_invoices(made: Case):
    """Customers and invoices as agents."""
    return _run(Market(made))
