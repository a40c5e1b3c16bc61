"""Exposure (信用敞口) against limits as of any day: what is owed and about to be owed, net of cash and cover."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab import aging, money
from credit_lab.aging import commitments
from credit_lab.errors import CreditLabError
from credit_lab.ledger.model import Ledger
from credit_lab.periods import takes_days
from credit_lab.rules import exposure as rule
from credit_lab.rules import standing

PARTS = ("receivables", "delivered", "open_orders", "unapplied")


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
    ledger: Ledger,
    as_of: pd.Timestamp,
    *,
    include: Include | None = None,
    tax_rate: float = 0.0,
    order_days: int = rule.ORDER_DAYS,
) -> pd.DataFrame:
    """Exposure, limit, cover and headroom of every customer at the end of a day, as known then.

    exposure = receivables + delivered and not invoiced + orders not delivered − unapplied cash and
    credit notes, tax included throughout (`rules.exposure`). A delivery counts from its day
    (`delivered_on`) until the day of its invoice. A group's limit is shared: its members show the
    group's exposure, limit and headroom. Which limit stands says `rules.standing`.

    Parameters
    ----------
    ledger : one currency
    as_of : day, its documents included
    include : what counts; default everything
    tax_rate : added to orders that are without tax
    order_days : older orders without an invoice are taken for cancelled

    Returns
    -------
    DataFrame
        customer_id, holder (customer or group that holds the limit), receivables, delivered,
        open_orders, unapplied, exposure, holder_exposure, credit_limit (NaN: none valid), cover
        (what a policy would pay if the customer failed today: cover share of the exposure within
        the cover limit, less the deductible), net_exposure, utilisation, headroom (of the holder;
        NaN where no limit is in force at all)

    Raises
    ------
    LimitsError
        A cover ends before it begins.
    StandingError
        A limit ends before it begins; a group that is a customer of another group.
    """
    include, ledger = include or Include(), ledger.known_by(as_of)
    code, limits = ledger.currency, ledger.tables.get("limits")
    table = pd.DataFrame({"customer_id": np.sort(ledger.customers["customer_id"].to_numpy())})
    table["holder"] = table["customer_id"].map(standing.holder(ledger.customers, limits))
    table = table.join(_parts(ledger, as_of, tax_rate, order_days), on="customer_id")
    exposed = rule.exposure(*(getattr(include, part) * table[part] for part in PARTS))
    # in minor units, so that what fits a limit to the cent is not found above it
    table["exposure"] = money.from_minor(money.to_minor(exposed, code), code)
    table["holder_exposure"] = table["holder"].map(money.added(table["exposure"], table["holder"], code))
    stands = standing.standing_limit(limits, table[["holder"]].assign(day=as_of))
    table["credit_limit"] = stands["credit_limit"]
    table["cover"] = cover(ledger, table.set_index("customer_id")["exposure"], as_of).to_numpy()
    table["net_exposure"] = np.maximum(table["exposure"], 0) - table["cover"]
    limit = table["credit_limit"]
    with np.errstate(divide="ignore", invalid="ignore"):
        table["utilisation"] = np.where(limit > 0, table["holder_exposure"] / limit, np.nan)
    table["headroom"] = money.less(limit.fillna(0.0), table["holder_exposure"], code)
    if limit.isna().all():  # there are no limits, or nobody knows them
        table["headroom"] = np.nan
    return table


def _parts(ledger: Ledger, as_of: pd.Timestamp, tax_rate: float, order_days: int) -> pd.DataFrame:
    """The parts of the exposure of each customer, by customer_id."""
    items = aging.open_items(ledger, as_of)
    minor = money.to_minor(items["open_amount"], ledger.currency)
    invoice = items["kind"] == "invoice"
    kind = np.where(invoice, "receivables", "unapplied")
    owed = items.assign(minor=np.where(invoice, minor, -minor), part=kind)
    every = commitments.commitments
    planned = every(ledger, as_of, as_of, tax_rate=tax_rate, order_days=order_days)
    planned = planned[planned["day"] <= as_of]
    names = {commitments.DELIVERED: "delivered", commitments.ORDERED: "open_orders"}
    planned = planned.assign(part=planned["kind"].map(names))
    rows = pd.concat([frame[["customer_id", "part", "minor"]] for frame in (owed, planned)])
    table = pd.DataFrame(index=pd.Index(ledger.customers["customer_id"]))
    for part in PARTS:
        total = rows[rows["part"] == part].groupby("customer_id")["minor"].sum()
        minor = total.reindex(table.index, fill_value=0)
        table[part] = money.from_minor(minor, ledger.currency)
    return table


def cover(ledger: Ledger, exposures: pd.Series, as_of: pd.Timestamp) -> pd.Series:
    """What insurers would pay per customer if it failed on the day; several covers never pay more than the exposure.

    Factoring with recourse covers nothing. Each cover pays share × (the exposure left within its limit) − deductible.
    """
    paid = pd.Series(0.0, index=exposures.index)
    if not ledger.has("covers"):
        return paid
    rows = ledger.tables["covers"]
    until = rows["valid_to"] if "valid_to" in rows else pd.Series(pd.NaT, index=rows.index)
    wrong = rows[until < rows["valid_from"]]
    if len(wrong):
        first = wrong.iloc[0]
        raise LimitsError(
            f"covers: {len(wrong)} end before they begin (first: {first['customer_id']}, from "
            f"{first['valid_from'].date()} to {first['valid_to'].date()}); correct the dates"
        )
    rows = rows[(rows["valid_from"] <= as_of) & (until.isna() | (until >= as_of))]
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
