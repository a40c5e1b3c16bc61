"""What is about to be owed: goods delivered and orders placed that no invoice stands for yet.

Commitments are postings like those of documents (`aging.postings`): a delivery counts from its day
to the day before its invoice, an order from its day to the day before its first delivery or
invoice, or until it is taken for cancelled. Exposure (信用敞口) on any day is then a sum over the
postings up to that day, for one day or for many.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab import money
from credit_lab.aging.postings import INVOICE
from credit_lab.ids import among, looked_up, positions
from credit_lab.ledger.model import Ledger
from credit_lab.rules.exposure import ORDER_DAYS, exposure

Minor = npt.NDArray[np.int64]
DELIVERED, ORDERED = 3, 4  # kinds beside those of documents
COLUMNS = ["kind", "document_id", "customer_id", "day", "minor"]
_SPAN = 10**6  # more days than there are dates


def gross(orders: pd.DataFrame, tax_rate: float, currency: str) -> Minor:
    """Amounts of orders with tax, as receivables are.

    Parameters
    ----------
    orders : amount and, where known, tax_included
    tax_rate : added to orders that are without tax
    currency : of the amounts, ISO 4217
    """
    amount = orders["amount"]
    if "tax_included" in orders:
        taxed = orders["tax_included"].fillna(True).astype(bool)
        amount = amount * np.where(taxed, 1.0, 1 + tax_rate)
    return money.to_minor(amount, currency)


def commitments(
    ledger: Ledger,
    first: pd.Timestamp,
    last: pd.Timestamp,
    *,
    tax_rate: float = 0.0,
    order_days: int = ORDER_DAYS,
) -> pd.DataFrame:
    """Postings whose sums up to any day from `first` to `last` are what is committed on that day.

    Parameters
    ----------
    ledger : one currency
    first, last : days asked about
    tax_rate : added to orders that are without tax
    order_days : older orders without a delivery or an invoice are taken for cancelled

    Returns
    -------
    DataFrame
        kind (DELIVERED or ORDERED), document_id (of the invoice to come, or of the order),
        customer_id, day (from which it counts), minor (signed minor units)
    """
    parts = [_delivered(ledger), _ordered(ledger, first, last, tax_rate, order_days)]
    runs = pd.concat(parts, ignore_index=True)
    runs = runs[(runs["since"] < runs["until"]) & (runs["since"] <= last) & (runs["until"] > first)]
    begin = runs.assign(day=runs["since"])
    end = runs.assign(day=runs["until"], minor=-runs["minor"])
    return pd.concat([begin, end], ignore_index=True)[COLUMNS]


def _delivered(ledger: Ledger) -> pd.DataFrame:
    """Goods that left before the day of their invoice, at the amount of the invoice."""
    rows = ledger.invoices
    on = rows["delivered_on"] if "delivered_on" in rows else rows["issue_date"]
    early = on < rows["issue_date"]
    rows, on = rows[early], on[early]
    return pd.DataFrame(
        {
            "kind": DELIVERED,
            "document_id": rows["invoice_id"],
            "customer_id": rows["customer_id"],
            "since": on.astype("datetime64[us]"),
            "until": rows["issue_date"].astype("datetime64[us]"),
            "minor": money.to_minor(rows["amount"], ledger.currency),
        }
    )


def _ordered(
    ledger: Ledger,
    first: pd.Timestamp,
    last: pd.Timestamp,
    tax_rate: float,
    order_days: int,
) -> pd.DataFrame:
    """Orders from their day to the first delivery or invoice that names them."""
    orders = ledger.rows("orders")
    kept = pd.Timedelta(days=order_days)
    orders = orders[orders["ordered_on"].between(first - kept, last)]
    until = orders["ordered_on"] + kept + pd.Timedelta(days=1)
    if "order_id" in ledger.invoices:
        rows = ledger.invoices
        rows = rows[among(rows["order_id"], orders["order_id"])]
        gone = rows["issue_date"]
        if "delivered_on" in rows:
            gone = np.minimum(gone, rows["delivered_on"].fillna(gone))
        gone = looked_up(orders["order_id"], gone.groupby(rows["order_id"]).min())
        until = until.where(gone.isna() | (gone > until), gone)
    return pd.DataFrame(
        {
            "kind": ORDERED,
            "document_id": orders["order_id"],
            "customer_id": orders["customer_id"],
            "since": orders["ordered_on"].astype("datetime64[us]"),
            "until": until.astype("datetime64[us]"),
            "minor": gross(orders, tax_rate, ledger.currency),
        }
    )


@dataclass(frozen=True)
class Running:
    """Σ minor of each name up to any day, sorted once for many questions.

    Attributes
    ----------
    names : whom there are amounts of
    key : name and day in one number, rising
    total : sum of all amounts before each key
    """

    names: pd.Index
    key: Minor
    total: Minor

    @classmethod
    def of(cls, who: pd.Series, when: pd.Series, minor: pd.Series) -> "Running":
        """From signed amounts, each with a name and the day from which it counts."""
        number, names = pd.factorize(who)
        known = number >= 0
        key = number[known].astype(np.int64) * _SPAN + _days(when)[known]
        order = np.argsort(key, kind="stable")
        total = np.r_[0, np.cumsum(minor.to_numpy()[known][order])]
        return cls(pd.Index(names), key[order], total)

    def up_to(self, who: pd.Series, day: pd.Series) -> Minor:
        """Sum of each name asked about, up to its day; zero for one without amounts."""
        mine = positions(who, self.names) * _SPAN
        last = np.searchsorted(self.key, mine + _days(day), side="right")
        return self.total[last] - self.total[np.searchsorted(self.key, mine)]


def _days(when: pd.Series) -> Minor:
    return when.to_numpy().astype("datetime64[D]").astype(np.int64)


@dataclass(frozen=True)
class Exposures:
    """Exposure of many names on many days.

    Attributes
    ----------
    receivables, delivered, ordered, unapplied : the parts of `rules.exposure`
    """

    receivables: Running
    delivered: Running
    ordered: Running
    unapplied: Running

    @classmethod
    def of(cls, rows: pd.DataFrame, who: pd.Series) -> "Exposures":
        """From postings and commitments.

        Parameters
        ----------
        rows : kind, day, minor
        who : whose exposure each row is
        """
        kind = rows["kind"]
        other = ~kind.isin([INVOICE, DELIVERED, ORDERED])
        minor = rows["minor"].where(~other, -rows["minor"])
        parts = (kind == INVOICE, kind == DELIVERED, kind == ORDERED, other)
        return cls(*(Running.of(who[part], rows["day"][part], minor[part]) for part in parts))

    def on(self, who: pd.Series, day: pd.Series) -> Minor:
        """Exposure of each name at the end of its day, in minor units."""
        parts = (self.receivables, self.delivered, self.ordered, self.unapplied)
        return np.asarray(exposure(*(part.up_to(who, day) for part in parts)))
