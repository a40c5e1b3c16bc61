"""Settings of the synthetic seller, grouped by concern, and what `generate` gives back.

Shares and probabilities are fractions, money is in currency units, days are calendar days.
"""

import re
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab import money
from credit_lab.errors import CreditLabError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Frames = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Grade:
    """True behaviour of a grade.

    share of customers; pd: probability of default within twelve months at an average time; term_days granted;
    late_share: share of invoices paid after the due date by a customer of average habit; mean_delay: mean days past
    due of those.
    """

    grade: str
    share: float
    pd: float
    term_days: int
    late_share: float
    mean_delay: float


GRADES = (
    Grade("AAA", 0.08, 0.002, 90, 0.18, 8.0),
    Grade("AA", 0.17, 0.006, 60, 0.28, 11.0),
    Grade("A", 0.30, 0.015, 60, 0.38, 17.0),
    Grade("B", 0.25, 0.035, 30, 0.50, 25.0),
    Grade("C", 0.15, 0.090, 30, 0.62, 36.0),
    Grade("D", 0.05, 0.220, 30, 0.75, 50.0),
)


@dataclass(frozen=True)
class Demand:
    """Orders.

    growth per year; season: amplitude of the yearly cycle (peak in autumn); mean_order: mean order value, tax included
    (net prices are whole currency units, tax_rate comes on top); size_spread, value_spread: standard deviation of the
    logarithm between customers and between orders; cancelled: share of orders that are never invoiced; newcomers:
    share of customers that join during the data.
    """

    growth: float = 0.06
    season: float = 0.2
    mean_order: float = 42_000.0
    size_spread: float = 1.0
    value_spread: float = 0.5
    tax_rate: float = 0.13
    cancelled: float = 0.03
    newcomers: float = 0.15


@dataclass(frozen=True)
class Settlement:
    """How invoices are settled; all values are shares of invoices unless said otherwise.

    habit_spread: standard deviation of the logarithm of a customer's own delay factor. disputed; unresolved: share of
    disputes whose contested part is never paid. credited: commercial credit notes; partial: paid in two parts;
    shorted: a small rest is never paid; instalments: share of large invoices; advance: paid before the invoice;
    unmatched: share of receipts matched 5 to 45 days late; overpaid: share of receipts; recovered: share of failed
    customers' write-offs of which something comes back; cycle: standard deviation of the logarithm of the common
    factor on default hazards.
    """

    habit_spread: float = 0.45
    disputed: float = 0.03
    unresolved: float = 0.06
    credited: float = 0.015
    partial: float = 0.06
    shorted: float = 0.005
    instalments: float = 0.1
    advance: float = 0.006
    unmatched: float = 0.03
    overpaid: float = 0.004
    recovered: float = 0.3
    cycle: float = 0.3


@dataclass(frozen=True)
class Stage:
    """A step of the collection ladder: taken `days` past due with a logged probability; it multiplies the delay still
    to come by `factor` (1: no effect), which is its true effect."""

    action: str
    days: int
    cost: float
    factor: float


LADDER = (
    Stage("reminder", 7, 10.0, 0.70),
    Stage("negotiation", 35, 60.0, 0.75),
    Stage("demand_letter", 65, 200.0, 0.80),
    Stage("legal", 95, 3000.0, 0.80),
)


@dataclass(frozen=True)
class Collection:
    """The ladder; confounding: how strongly collectors prefer notoriously late customers for the first step (0: a
    coin); log_none: also log the decisions not to act, as action "none", without which logged propensities cannot be
    evaluated; promises: share of actions answered by a promise; kept: share of promises meant seriously."""

    ladder: tuple[Stage, ...] = LADDER
    confounding: float = 2.6
    log_none: bool = True
    promises: float = 0.4
    kept: float = 0.65


@dataclass(frozen=True)
class Change:
    """The policy change in the data. With all factors at 1 nothing changes (`Change.none()`).

    From `on`, invoices issued to a treated customer are paid with `delay_factor` times the days past due; orders of
    the two worst grades are accepted with probability `weak_orders`; default hazards are multiplied by
    `hazard_factor`. `waves` > 1 rolls it out to random clusters (legal groups) every `wave_months`; `untreated` is the
    share of clusters that is never treated.
    """

    on: str = "2025-01-01"
    delay_factor: float = 0.6
    weak_orders: float = 0.7
    hazard_factor: float = 1.0
    waves: int = 1
    wave_months: int = 3
    untreated: float = 0.0

    @classmethod
    def none(cls) -> "Change":
        """The same date, no effect."""
        return cls(delay_factor=1.0, weak_orders=1.0, hazard_factor=1.0)


@dataclass(frozen=True)
class Firm:
    """A seller on open account.

    Parameters
    ----------
    customers : number of customers
    start : first month, "2023-01"
    months : months of data
    currency : ISO 4217, with two decimals
    orders : mean orders per customer and month
    invoices : expected number of invoices; then `orders` is scaled to reach it, with more customers where that would
        take more than the given orders per customer
    grades, demand, settlement, collection, change : settings by concern

    Raises
    ------
    CreditLabError
        A setting is out of range.
    """

    customers: int = 300
    start: str = "2023-01"
    months: int = 36
    currency: str = "CNY"
    orders: float = 1.0
    invoices: int | None = None
    grades: tuple[Grade, ...] = GRADES
    demand: Demand = field(default_factory=Demand)
    settlement: Settlement = field(default_factory=Settlement)
    collection: Collection = field(default_factory=Collection)
    change: Change = field(default_factory=Change)

    def __post_init__(self) -> None:
        checks = {
            "customers must be at least 1": self.customers >= 1,
            "months must lie between 3 and 600": 3 <= self.months <= 600,
            f"currency {self.currency!r} must be a code with two decimals": re.fullmatch("[A-Z]{3}", self.currency)
            is not None
            and money.minor_digits(self.currency) == 2,
            "orders must be above 0": self.orders > 0,
            "invoices must be at least 1": self.invoices is None or self.invoices >= 1,
            "shares of grades must add up to 1": abs(sum(grade.share for grade in self.grades) - 1) < 1e-9,
            "pd of grades must lie in [0, 1)": all(0 <= grade.pd < 1 for grade in self.grades),
            "factors of the change must not be negative": min(
                self.change.delay_factor, self.change.weak_orders, self.change.hazard_factor
            )
            >= 0,
            "change.waves must be at least 1": self.change.waves >= 1,
            "season must lie in [0, 1)": 0 <= self.demand.season < 1,
        }
        wrong = [text for text, fine in checks.items() if not fine]
        for name, text in (("start", self.start), ("change.on", self.change.on)):
            try:
                np.datetime64(text if re.fullmatch(r"\d{4}-\d{2}(-\d{2})?", text) else "no", "D")
            except ValueError:
                wrong.append(f"{name} {text!r} is no date (write 2025-01 or 2025-01-01)")
        if wrong:
            raise CreditLabError(f"synthetic firm: {'; '.join(wrong)}")

    @property
    def population(self) -> int:
        """Number of customers made."""
        if self.invoices is None:
            return self.customers
        return max(self.customers, round(self.invoices / (self.months * self.orders)))

    @property
    def first_day(self) -> np.datetime64:
        """First day of the data."""
        return np.datetime64(self.start, "M").astype("datetime64[D]")

    @property
    def edges(self) -> Ints:
        """Day numbers (0 = first day) at which months start, and the day after the last."""
        starts = (np.datetime64(self.start, "M") + np.arange(self.months + 1)).astype("datetime64[D]")
        return (starts - self.first_day).astype(np.int64)

    @property
    def days(self) -> int:
        """Days from the first to the last day, both counted."""
        return int(self.edges[-1])

    def day(self, date: str) -> int:
        """Number of a date."""
        return int((np.datetime64(date, "D") - self.first_day) / np.timedelta64(1, "D"))

    def dates(self, day: npt.ArrayLike) -> pd.Series:
        """Day numbers as dates."""
        return pd.Series((self.first_day + np.asarray(day, dtype=np.int64)).astype("datetime64[us]"))


@dataclass(frozen=True)
class Sample:
    """A ledger and what only its maker knows.

    Attributes
    ----------
    tables : the ledger, one DataFrame per table of `schema.TABLES`, in schema columns and dtypes (no `known_on`)
    truth : never for the analysis, kept beside the ledger
        customers: customer_id, grade, pd_12m, hazard (expected number of defaults up to the end of the data, from the
        first day at risk), at_risk_from, default_on, habit (own delay factor), late_share (probability that an invoice
        is paid late) and mean_delay (days beyond the first of those) without collection, change or coming default,
        payment_run, treated_on;
        effect: month, then sales, receipts, written_off, balance, open, overdue, refused (orders turned down by the
        change), dso (balance × days / sales over three months) in the world as it was, and each with suffix `_without`
        in the same world without the change; cycle (common factor on default hazards);
        actions: action_id, factor, effect_days (days by which acting moved, or would have moved, the last payment;
        negative: sooner; missing where the customer failed before paying on either branch), promise_kept;
        discrepancies: customer_id, attribute, source, observed_on, claimed, true_value, kind, is_discrepancy;
        settings: name, value.
    """

    tables: Frames
    truth: Frames
