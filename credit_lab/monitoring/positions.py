"""What is known of a customer when an order comes: its books of the evening before, and the limit,
contract and alerts of the day.

Sums of postings are sorted once, so that positions of many customers and days are quick to read.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab import money
from credit_lab.aging.commitments import ORDERED, Exposures, Running, commitments
from credit_lab.aging.postings import CASH, INVOICE, postings
from credit_lab.ids import among, looked_up, positions
from credit_lab.ledger import known
from credit_lab.ledger.model import Ledger
from credit_lab.monitoring import contracts
from credit_lab.periods import takes_days
from credit_lab.policy import Policy, in_currency
from credit_lab.rules import standing

ALERT_DAYS = 92  # an alert that stops orders does so for three months


@dataclass(frozen=True)
class Sums:
    """What positions of any day are read from, by one name: a customer or an order.

    Attributes
    ----------
    late : open, overdue, late_old, late_share
    exposure : of the holder of the limit, or of the order
    """

    late: dict[str, Running]
    exposure: Exposures


@dataclass(frozen=True)
class Books:
    """Sums over everything, and over the documents of the orders asked about alone."""

    holder: pd.Series
    whole: Sums
    own: Sums | None


@takes_days
def books(ledger: Ledger, policy: Policy, asked: pd.DataFrame, last: pd.Timestamp) -> Books:
    """Books for positions from the first day asked about to a last one.

    Parameters
    ----------
    ledger : one currency
    policy : says which days late count, and the tax on orders
    asked : customer_id, day; with order_id the documents of these orders are summed alone, too
    last : last day that will be asked about
    """
    ledger = known.recorded(ledger)
    first = asked["day"].min() - pd.Timedelta(days=1)
    planned = commitments(ledger, first, last, tax_rate=policy.economics.tax_rate)
    columns = [*planned.columns, "due_date"]
    rows = pd.concat([postings(ledger).reindex(columns=columns), planned], ignore_index=True)
    holder = standing.holder(ledger.customers, ledger.tables.get("limits"))
    whose = looked_up(rows["customer_id"], holder)
    whole = Sums(_late(rows, rows["customer_id"], policy), Exposures.of(rows, whose))
    if "order_id" not in asked:
        return Books(holder, whole, None)
    order = rows["document_id"]
    if has_orders(ledger):
        number = positions(order, ledger.invoices["invoice_id"])
        named = ledger.invoices["order_id"].take(number).set_axis(order.index)
        order = order.where((rows["kind"] == ORDERED) | (number < 0), named)
    mine = (among(order, asked["order_id"]) & (rows["kind"] != CASH)).to_numpy()
    rows, order = rows[mine], order[mine]
    own = Sums(_late(rows, order, policy), Exposures.of(rows, order))
    return Books(holder, whole, own)


def _late(rows: pd.DataFrame, who: pd.Series, policy: Policy) -> dict[str, Running]:
    """Running sums of open invoices and of how late they are."""
    invoices = rows["kind"] == INVOICE
    items, who = rows[invoices], who[invoices]
    sums = {"open": Running.of(who, items["day"], items["minor"])}
    days = {
        "overdue": 0,
        "late_old": policy.holds.overdue_days,
        "late_share": policy.holds.share_after_days,
    }
    for name, past in days.items():
        due = items["due_date"] + pd.Timedelta(days=past + 1)
        when = items["day"].where(items["day"] > due, due)
        sums[name] = Running.of(who, when, items["minor"])
    return sums


@takes_days
def position(
    ledger: Ledger,
    policy: Policy,
    asked: pd.DataFrame,
    *,
    alerts: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """What was known of a customer when an order came: its books of the evening before, and the
    limit, contract and alerts of the day.

    Parameters
    ----------
    ledger : one currency
    policy : says which days late count, and the tax on orders
    asked : customer_id, day; with order_id the documents of that order are left out
    alerts : month, customer_id, severity (`alerts.fire`)

    Returns
    -------
    DataFrame
        The columns of `asked` and open, overdue, late_old (more than holds.overdue_days past due),
        late_share (more than share_after_days), exposure (of the holder of the limit, as in
        `limits.exposure`), credit_limit (NaN: none stands; infinite: the ledger has no limits),
        limit_valid (False: there was a limit and it has run out), contract (a valid one exists),
        alert ("stop" for three months after one that stops)

    Raises
    ------
    StandingError
        A limit ends before it begins; a group that is a customer of another group.
    """
    policy = in_currency(policy, ledger.currency)
    return position_in(ledger, books(ledger, policy, asked, asked["day"].max()), asked, alerts)


def position_in(
    ledger: Ledger,
    sums: Books,
    asked: pd.DataFrame,
    alerts: pd.DataFrame | None,
) -> pd.DataFrame:
    table = asked.reset_index(drop=True)
    day, who = table["day"] - pd.Timedelta(days=1), table["customer_id"]
    holder = looked_up(who, sums.holder)
    minor = {name: running.up_to(who, day) for name, running in sums.whole.late.items()}
    minor["exposure"] = sums.whole.exposure.on(holder, day)
    if sums.own:
        for name, running in sums.own.late.items():
            minor[name] = minor[name] - running.up_to(table["order_id"], day)
        minor["exposure"] = minor["exposure"] - sums.own.exposure.on(table["order_id"], day)
    units = {name: money.from_minor(each, ledger.currency) for name, each in minor.items()}
    table = table.assign(**units)
    if ledger.has("limits"):
        question = table[["day"]].assign(holder=holder)
        stands = standing.standing_limit(ledger.tables["limits"], question)
        valid = ~stands["known"] | stands["credit_limit"].notna()
        table = table.assign(credit_limit=stands["credit_limit"], limit_valid=valid)
    else:
        table = table.assign(credit_limit=np.inf, limit_valid=True)
    return table.assign(contract=contracts.covered(ledger, table), alert=_alert(table, alerts))


def _alert(table: pd.DataFrame, alerts: pd.DataFrame | None) -> pd.Series:
    """ "stop" where an alert that stops came within three months before the day, else empty."""
    none = pd.Series("", index=table.index)
    stops = alerts[alerts["severity"] == "stop"] if alerts is not None else pd.DataFrame()
    if stops.empty:
        return none
    on = Running.of(stops["customer_id"], stops["month"], pd.Series(1, index=stops.index))
    gone = Running.of(
        stops["customer_id"],
        stops["month"] + pd.Timedelta(days=ALERT_DAYS + 1),
        pd.Series(1, index=stops.index),
    )
    who, day = table["customer_id"], table["day"]
    return none.mask(on.up_to(who, day) > gone.up_to(who, day), "stop")


def has_orders(ledger: Ledger) -> bool:
    """Whether the ledger has orders that its invoices name."""
    return ledger.has("orders") and "order_id" in ledger.invoices
