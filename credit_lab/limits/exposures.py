"""Exposure (信用敞口) against limits as of any day: what is owed and about to be owed, net of cash and cover."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab import aging, money
from credit_lab.errors import CreditLabError
from credit_lab.ledger.model import Ledger
from credit_lab.periods import takes_days

Floats = npt.NDArray[np.float64]


class LimitsError(CreditLabError):
    """Input of a limits function that cannot be used as it stands."""


@dataclass(frozen=True)
class Include:
    """What counts: open invoices, deliveries and orders not invoiced yet, unapplied cash and credit notes (they lower
    it)."""

    receivables: bool = True
    delivered: bool = True
    open_orders: bool = True
    unapplied: bool = True


@takes_days
def exposure(
    ledger: Ledger, as_of: pd.Timestamp, *, include: Include | None = None, tax_rate: float = 0.0, order_days: int = 90
) -> pd.DataFrame:
    """Exposure, limit, cover and headroom of every customer at the end of a day.

    exposure = receivables + delivered and not invoiced + orders not delivered − unapplied cash and credit notes, tax
    included throughout. A delivery counts from its day (`delivered_on`) until the day of its invoice. A group's
    limit is shared: its members show the group's exposure, limit and headroom. Of several limits valid on the day the
    latest one counts; those whose reason begins with "temporary" are added to it.

    Parameters
    ----------
    tax_rate : added to orders that are without tax
    order_days : older orders without an invoice are taken for cancelled

    Returns
    -------
    DataFrame
        customer_id, holder (customer or group that holds the limit), receivables, delivered, open_orders, unapplied,
        exposure, holder_exposure, credit_limit (NaN: none valid), cover (what a policy would pay if the customer failed
        today: cover share of the exposure within the cover limit, less the deductible), net_exposure, utilisation,
        headroom (of the holder)

    Raises
    ------
    LimitsError
        A limit or cover ends before it begins; a group that is a customer of another group.
    """
    include = include or Include()
    items = aging.open_items(ledger, as_of)
    invoices = items["kind"] == "invoice"
    table = pd.DataFrame({"customer_id": np.sort(ledger.customers["customer_id"].to_numpy())})
    by_customer = table["customer_id"].map
    table["holder"] = by_customer(_holders(ledger))
    code = ledger.currency

    def owed(rows: pd.DataFrame) -> pd.Series:
        return by_customer(money.added(rows["open_amount"], rows["customer_id"], code)).fillna(0.0)

    table["receivables"] = owed(items[invoices])
    table["delivered"] = by_customer(_delivered(ledger, as_of)).fillna(0.0)
    table["open_orders"] = by_customer(_open_orders(ledger, as_of, tax_rate, order_days)).fillna(0.0)
    table["unapplied"] = -owed(items[~invoices])
    exposed = (
        include.receivables * table["receivables"]
        + include.delivered * table["delivered"]
        + include.open_orders * table["open_orders"]
        - include.unapplied * table["unapplied"]
    )  # fmt: skip
    # in minor units, so that what fits a limit to the cent is not found above it
    table["exposure"] = money.from_minor(money.to_minor(exposed, code), code)
    table["holder_exposure"] = table["holder"].map(money.added(table["exposure"], table["holder"], code))
    table["credit_limit"] = table["holder"].map(valid_limits(ledger, as_of))
    table["cover"] = cover(ledger, table.set_index("customer_id")["exposure"], as_of).to_numpy()
    table["net_exposure"] = np.maximum(table["exposure"], 0) - table["cover"]
    limit = table["credit_limit"]
    with np.errstate(divide="ignore", invalid="ignore"):
        table["utilisation"] = np.where(limit > 0, table["holder_exposure"] / limit, np.nan)
    table["headroom"] = limit.fillna(0.0) - table["holder_exposure"]
    return table


def _holders(ledger: Ledger) -> pd.Series:
    """Whose limit counts: the group's where the group has one, else the customer's own."""
    customers = ledger.customers.set_index("customer_id")
    own = pd.Series(customers.index, index=customers.index, dtype="str")
    if "group_id" not in customers or not ledger.has("limits"):
        return own
    group = customers["group_id"]
    above = group.map(group.where(group != own))  # the group of a customer that is a group's head itself
    if above.notna().any():
        member = above.index[above.notna()][0]
        raise LimitsError(
            f"customers: group {group[member]!r} of {member!r} belongs to group {above[member]!r} itself; name the "
            "topmost group"
        )
    return group.where(group.isin(ledger.tables["limits"]["customer_id"]), own)


def _delivered(ledger: Ledger, as_of: pd.Timestamp) -> pd.Series:
    """Goods that have left and whose invoice is dated later, at the amount of the invoice."""
    if "delivered_on" not in ledger.invoices:
        return pd.Series(dtype="float64")
    rows = ledger.invoices
    rows = rows[(rows["delivered_on"] <= as_of) & (rows["issue_date"] > as_of)]
    return rows.groupby("customer_id")["amount"].sum()


def _open_orders(ledger: Ledger, as_of: pd.Timestamp, tax_rate: float, order_days: int) -> pd.Series:
    if not ledger.has("orders"):
        return pd.Series(dtype="float64")
    orders = ledger.tables["orders"]
    recent = orders["ordered_on"].between(as_of - pd.Timedelta(days=order_days), as_of)
    orders = orders[recent]
    if "order_id" in ledger.invoices:
        rows = ledger.invoices
        gone = rows["issue_date"] <= as_of
        if "delivered_on" in rows:
            gone |= rows["delivered_on"] <= as_of
        known = rows[gone]
        orders = orders[~orders["order_id"].isin(known["order_id"].dropna())]
    gross = orders["amount"]
    if "tax_included" in orders:
        gross = gross * np.where(orders["tax_included"].fillna(True).astype(bool), 1.0, 1 + tax_rate)
    return gross.groupby(orders["customer_id"]).sum()


def _valid(rows: pd.DataFrame, as_of: pd.Timestamp, what: str) -> pd.DataFrame:
    until = rows["valid_to"] if "valid_to" in rows else pd.Series(pd.NaT, index=rows.index)
    wrong = until.notna() & (until < rows["valid_from"])
    if wrong.any():
        first = rows[wrong].iloc[0]
        raise LimitsError(
            f"{what}: {int(wrong.sum())} end before they begin (first: {first['customer_id']}, from "
            f"{first['valid_from'].date()} to {first['valid_to'].date()}); correct the dates"
        )
    return rows[(rows["valid_from"] <= as_of) & (until.isna() | (until >= as_of))]


def valid_limits(ledger: Ledger, as_of: pd.Timestamp, *, temporary: bool = True) -> pd.Series:
    """Limit by holder on a day: the latest of those valid, and temporary ones on top (unless told not to).

    Raises
    ------
    LimitsError
        A limit that ends before it begins.
    """
    if not ledger.has("limits"):
        return pd.Series(dtype="float64")
    rows = _valid(ledger.tables["limits"], as_of, "limits")
    extra = is_temporary(rows)
    lasting = rows[~extra].sort_values("valid_from", kind="stable").groupby("customer_id")["credit_limit"].last()
    if not temporary:
        return lasting
    on_top = rows[extra].groupby("customer_id")["credit_limit"].sum()
    return lasting.add(on_top, fill_value=0.0)


def is_temporary(limits: pd.DataFrame) -> pd.Series:
    """Which rows of the table of limits are temporary: those whose reason begins with the word."""
    if "reason" not in limits:
        return pd.Series(False, index=limits.index)
    return limits["reason"].fillna("").str.lower().str.startswith("temporary")


def cover(ledger: Ledger, exposures: pd.Series, as_of: pd.Timestamp) -> pd.Series:
    """What insurers would pay per customer if it failed on the day; several covers never pay more than the exposure.

    Factoring with recourse covers nothing. Each cover pays share × (the exposure left within its limit) − deductible.
    """
    paid = pd.Series(0.0, index=exposures.index)
    if not ledger.has("covers"):
        return paid
    rows = _valid(ledger.tables["covers"], as_of, "covers")
    if "recourse" in rows:
        rows = rows[~((rows.get("kind") == "factoring") & rows["recourse"].fillna(False).astype(bool))]
    left = exposures.clip(lower=0.0).copy()
    for row in rows[rows["customer_id"].isin(exposures.index)].itertuples():
        limit = row.cover_limit if pd.notna(getattr(row, "cover_limit", np.nan)) else np.inf
        own = row.deductible if pd.notna(getattr(row, "deductible", np.nan)) else 0.0
        part = min(left[row.customer_id], limit)
        got = max(part * row.cover_share - own, 0.0)
        paid[row.customer_id] += got
        left[row.customer_id] -= part
    return paid
