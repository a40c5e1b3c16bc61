"""Any order of booking, reading as of a day and recording a review keeps the books in balance."""

import tempfile
from pathlib import Path

import pandas as pd
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from credit_lab import aging, ledger
from credit_lab.publish import registry
from tests.ledgers import allocation, invoice, payment

START = pd.Timestamp("2024-01-01")


class Books(RuleBasedStateMachine):
    """A ledger that grows, is looked at as of any day, and is recorded; a plain sum in cents is the reference."""

    @initialize()
    def begin(self):
        self.folder = tempfile.TemporaryDirectory()
        self.tables = {"invoices": [], "payments": [], "allocations": []}
        self.cents, self.open, self.recorded, self.day = [], {}, 0, 0
        self.issue(10_000)

    @rule(cents=st.integers(1, 10**12))
    def issue(self, cents):
        name = f"I{len(self.tables['invoices'])}"
        day, due = (START + pd.Timedelta(days=self.day + more) for more in (0, 30))
        self.tables["invoices"].append(invoice(name, "C1", f"{day:%Y-%m-%d}", f"{due:%Y-%m-%d}", cents / 100))
        self.cents.append((self.day, cents))
        self.open[name] = cents

    @rule(days=st.integers(1, 90))
    def wait(self, days):
        self.day += days

    @precondition(lambda self: any(self.open.values()))
    @rule(share=st.integers(1, 100), data=st.data())
    def pay(self, share, data):
        name = data.draw(st.sampled_from([one for one, left in self.open.items() if left]))
        cents = max(1, self.open[name] * share // 100)
        number, day = f"P{len(self.tables['payments'])}", f"{START + pd.Timedelta(days=self.day):%Y-%m-%d}"
        self.tables["payments"].append(payment(number, "C1", day, cents / 100))
        self.tables["allocations"].append(allocation(number, name, day, cents / 100))
        self.cents.append((self.day, -cents))
        self.open[name] -= cents

    def book(self):
        frames = {name: pd.DataFrame(rows) for name, rows in self.tables.items() if rows}
        if "payments" not in frames:
            frames["payments"] = pd.DataFrame([payment("P", "C1", "2024-01-01", 1.0)])[:0]
        for name, frame in frames.items():
            frame.to_csv(Path(self.folder.name, f"{name}.csv"), index=False)
        return ledger.read(self.folder.name)

    @rule(back=st.integers(0, 60))
    def look(self, back):
        day = max(0, self.day - back)
        items = aging.open_items(self.book(), START + pd.Timedelta(days=day))
        expected = sum(cents for when, cents in self.cents if when <= day)
        assert round(items["open_amount"].sum() * 100) == expected

    @rule()
    def record(self):
        path = Path(self.folder.name, "out", registry.NAME)
        day = f"{START + pd.Timedelta(days=self.day):%Y-%m-%d}"
        figures = {"receivables": (sum(cents for _, cents in self.cents) / 100, "CNY")}
        run = registry.Run("review", "r", f"{day}T00:00:00Z", 1.0, as_of=day, figures=figures)
        self.recorded += 1
        assert registry.record(path, run, self.book()) == self.recorded
        last = registry.runs(path)[-1]
        assert last.figures == figures
        assert last.as_of == day

    @invariant()
    def nothing_is_below_zero(self):
        assert min(getattr(self, "open", {"": 0}).values()) >= 0

    def teardown(self):
        if hasattr(self, "folder"):
            self.folder.cleanup()


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=settings().max_examples // 3, stateful_step_count=10)
