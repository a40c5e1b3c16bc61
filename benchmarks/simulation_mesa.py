"""The rules of the twin as Mesa agents: customers with lists of invoices, or invoices that are agents themselves."""

from simulation_peers import LATER, Books, Case


def _orders(made: Case, day):
    """Today's orders by customer."""
    found = {}
    for k in range(made.start[day], made.start[day + 1]):
        found.setdefault(made.who[k], []).append(k)
    return found


def _first_stage(books: Books, one):
    """Day of an invoice's first stage of collection."""
    return one.due + max(books.stage_from[0], one.disputed) if books.stage_from else LATER


def with_mesa(made: Case):
    """Agents: each customer looks at its own invoices every day; collectors come last."""
    import mesa

    books, waiting = Books(made, daily=True), []

    class Customer(mesa.Agent):
        def __init__(self, model, number):
            super().__init__(model)
            self.number, self.open = number, []

        def step(self):
            c, day = self.number, self.model.day
            failed = made.default_day[c]
            if failed == day:
                books.dead[c] = True
                books.total["defaulted"] += books.owed[c]
            if failed + made.world.recovery_days == day:
                books.recover(c)
            if books.dead[c]:
                return
            for one in self.open:
                if books.due_today(day, one):
                    books.end(day, one)
            self.open = [one for one in self.open if one.open]
            for k in self.model.orders.get(c, ()):
                one = books.order(day, k, c)
                if one is not None:
                    one.ready = _first_stage(books, one)
                    self.open.append(one)
            for one in self.open:
                if one.ready == day:
                    books.enqueue(waiting, one)

    class Firm(mesa.Model):
        def __init__(self):
            super().__init__()
            self.day, self.orders = 0, {}
            Customer.create_agents(self, len(books.grade), list(range(len(books.grade))))

        def step(self):
            self.orders = _orders(made, self.day)
            self.agents.do("step")
            for one in list(books.work(waiting)):
                one.ready = books.contact(self.day, one)
            self.day += 1

    firm = Firm()
    for _ in range(made.days):
        firm.step()
    return books


def with_mesa_invoices(made: Case):
    """Agents: customers order, each invoice looks every day whether it is paid and leaves once it is closed."""
    import mesa

    books, waiting = Books(made, daily=True), []
    failing, recovering = {}, {}
    for c, day in enumerate(made.default_day.tolist()):
        failing.setdefault(day, []).append(c)
        recovering.setdefault(day + made.world.recovery_days, []).append(c)

    class Invoice(mesa.Agent):
        def __init__(self, model, one):
            super().__init__(model)
            self.one = one

        def step(self):
            one, day = self.one, self.model.day
            if books.dead[one.owner] or (books.due_today(day, one) and books.end(day, one)):
                self.remove()
            elif one.ready == day:
                books.enqueue(waiting, one)

    class Customer(mesa.Agent):
        def __init__(self, model, number):
            super().__init__(model)
            self.number = number

        def fail(self):
            books.dead[self.number] = True
            books.total["defaulted"] += books.owed[self.number]

        def step(self):
            c = self.number
            for k in () if books.dead[c] else self.model.orders.get(c, ()):
                one = books.order(self.model.day, k, c)
                if one is not None:
                    one.ready = _first_stage(books, one)
                    Invoice(self.model, one)

    class Firm(mesa.Model):
        def __init__(self):
            super().__init__()
            self.day, self.orders = 0, {}
            self.customers = list(Customer.create_agents(self, len(books.grade), list(range(len(books.grade)))))

        def step(self):
            self.orders = _orders(made, self.day)
            for c in failing.get(self.day, ()):
                self.customers[c].fail()
            for c in recovering.get(self.day, ()):
                books.recover(c)
            if Invoice in self.agents_by_type:
                self.agents_by_type[Invoice].do("step")
            self.agents_by_type[Customer].do("step")
            for one in list(books.work(waiting)):
                one.ready = books.contact(self.day, one)
            self.day += 1

    firm = Firm()
    for _ in range(made.days):
        firm.step()
    return books
