"""Settings of the synthetic seller and what `generate` gives back."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class GradeTruth:
    """True behaviour of a grade: yearly default probability, term, share of late payers, mean delay when late."""

    grade: str
    share: float
    pd: float
    term_days: int
    late_share: float
    mean_delay: float


GRADES = (
    GradeTruth("AAA", 0.08, 0.002, 60, 0.20, 6.0),
    GradeTruth("AA", 0.17, 0.006, 60, 0.28, 9.0),
    GradeTruth("A", 0.30, 0.015, 60, 0.38, 13.0),
    GradeTruth("B", 0.25, 0.035, 45, 0.50, 20.0),
    GradeTruth("C", 0.15, 0.090, 30, 0.62, 32.0),
    GradeTruth("D", 0.05, 0.220, 30, 0.75, 45.0),
)


@dataclass(frozen=True)
class Change:
    """The policy change in the data: from `on`, delays beyond the term are multiplied by `delay_factor` and orders of
    grades C and D are accepted with probability `weak_orders`. With both at 1 nothing changes."""

    on: str = "2025-01-01"
    delay_factor: float = 0.75
    weak_orders: float = 0.7


@dataclass(frozen=True)
class Firm:
    """A seller on open account.

    orders : mean orders per customer and month; growth : their yearly trend; season : amplitude of the yearly cycle;
    mean_order : mean order value, tax included; tax_rate : contained in it; cycle : strength of the common factor of
    default hazards; contact_effect : share by which a reminder cuts the remaining delay (true effect of an action).
    """

    customers: int = 300
    start: str = "2023-01-01"
    months: int = 36
    currency: str = "CNY"
    orders: float = 0.95
    growth: float = 0.06
    season: float = 0.2
    mean_order: float = 42_000.0
    tax_rate: float = 0.13
    cycle: float = 0.3
    contact_effect: float = 0.25
    change: Change = field(default_factory=Change)

    @classmethod
    def of_invoices(cls, invoices: int) -> "Firm":
        """A firm with about that many invoices over 36 months, ten to twenty orders a year per customer."""
        customers = max(300, round(invoices / 36))
        return cls(customers=customers, orders=invoices / 36 / customers)

    @property
    def first_day(self) -> np.datetime64:
        """First day of the data."""
        return np.datetime64(self.start, "D")

    @property
    def days(self) -> int:
        """Days from the first to the last day, both counted."""
        end = (np.datetime64(self.start, "M") + self.months).astype("datetime64[D]")
        return int((end - self.first_day).astype(int))

    def dates(self, day: npt.ArrayLike) -> pd.Series:
        """Day numbers (0 = first day) as dates."""
        return pd.Series((self.first_day + np.asarray(day, dtype="int64")).astype("datetime64[us]"))


@dataclass(frozen=True)
class Sample:
    """tables: the ledger, as `schema` describes it; truth: what the generator knows, never for the analysis.

    truth["customers"]: grade, pd (yearly), delay_factor (own), default_on; truth["effect"]: month, sales, receipts,
    balance, written_off with and without the change (same world); truth["settings"]: name, value;
    truth["discrepancies"]: facts that were falsified, by kind; truth["actions"]: true effect per action.
    """

    tables: dict[str, pd.DataFrame]
    truth: dict[str, pd.DataFrame]


def draws(seed: int, purpose: str) -> np.random.Generator:
    """An own random stream per purpose, so that a change in one place shifts nothing elsewhere."""
    return np.random.default_rng([seed, *purpose.encode()])


def ids(prefix: str, count: int, width: int) -> pd.Series:
    """Numbered ids: C-0001, C-0002 ..."""
    return prefix + pd.Series(np.arange(1, count + 1)).astype("str").str.zfill(width)
