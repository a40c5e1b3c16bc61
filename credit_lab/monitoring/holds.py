"""Holds (停止发货): may this order go out today? The policy's rules on what was known that day, and their replay.

An order stops when too much is too late, the limit is used up or has run out, no contract covers it, or an alert of a
stopping severity is on. Where the policy allows, the part of an order that fits the limit is released. What stops by
limit alone can be released by whoever may sign the higher exposure; what stops by arrears needs the level above that.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab import money
from credit_lab.aging.commitments import gross
from credit_lab.ids import among, looked_up
from credit_lab.kpi import settlement
from credit_lab.ledger.model import Ledger
from credit_lab.monitoring.alerts import MonitoringError
from credit_lab.monitoring.positions import Books, books, has_orders, position_in
from credit_lab.periods import takes_days
from credit_lab.policy import Policy, approver, in_currency
from credit_lab.rules import holds as rules

# Settings it reads, see `rules.coverage`.
READS = (
    "holds.overdue_days",
    "holds.overdue_share",
    "holds.share_after_days",
    "holds.min_overdue_share",
    "holds.min_overdue",
    "holds.utilisation",
    "holds.expired_limit",
    "holds.missing_contract",
    "holds.partial_release",
    "monitoring.alerts.indicator",
    "monitoring.alerts.above",
    "monitoring.alerts.below",
    "monitoring.alerts.severity",
    "authority.four_eyes_above",
    "authority.levels.*",
    "grades.newcomer_grade",
    "economics.tax_rate",
)

Floats = npt.NDArray[np.float64]
Minor = npt.NDArray[np.int64]
NO_LIMIT = 64  # a reason beside those of the rules: what does not fit has no limit at all
NO_BOUND = 1e13  # where nobody keeps limits, in currency units: more than money can be
BLOCK = 20_000  # held orders followed at a time
POSITION = ("open", "overdue", "late_old", "late_share", "exposure", "credit_limit", "limit_valid", "contract", "alert")


@dataclass(frozen=True)
class Replayed:
    """What the hold rules would have done to past orders.

    orders : order_id, customer_id, day, amount, decision (release, partial, hold), released, held, reasons,
        release_by, days_held (until the rules would let it go, found in steps of a week; NaN: not held), capped (not
        let go within the days looked at), fate (paid, paid late, open, written off, not invoiced), lost (written off
        of the held part), good (held, though paid no more than 30 days late)
    totals : orders, held_orders, held_share, amount, held_amount, mean_days_held, losses (of all orders),
        losses_avoided, good_held, good_held_share (of held orders that were invoiced), good_amount
    """

    orders: pd.DataFrame
    totals: pd.Series


def decide(orders: pd.DataFrame, policy: Policy, *, grades: pd.Series | None = None) -> pd.DataFrame:
    """Release, part or hold, order by order, in minor units of the policy's currency.

    Parameters
    ----------
    orders : order_id, customer_id, amount and the customer's position (see `positions.position`)
    policy : in the currency of the amounts
    grades : grade per customer_id, for the release authority; default the policy's newcomer grade

    Returns
    -------
    DataFrame
        order_id, customer_id, amount, decision, released, held, reasons (joined by "; "),
        release_by

    Raises
    ------
    MonitoringError
        Orders lack a column.
    MoneyNotKnown
        The policy's amounts are not known in the ledger's currency.
    """
    needed = ("order_id", "customer_id", "amount", *POSITION)
    missing = [name for name in needed if name not in orders]
    if missing:
        raise MonitoringError(f"holds: orders lack {', '.join(missing)}; see positions.position")
    table, code = orders.reset_index(drop=True), policy.meta.currency
    amount, released, bits = _answered(table, policy)
    decision = np.where(released >= amount, "release", np.where(released > 0, "partial", "hold"))
    stopped = (bits & ~rules.LIMIT) > 0
    by = _authority(table, policy, grades, stopped, decision != "release")
    return pd.DataFrame(
        {
            "order_id": table["order_id"],
            "customer_id": table["customer_id"],
            "amount": table["amount"],
            "decision": decision,
            "released": money.from_minor(released, code),
            "held": money.from_minor(amount - released, code),
            "reasons": _in_words(bits, table["credit_limit"].isna().to_numpy(), policy),
            "release_by": by,
        }
    )


def _answered(table: pd.DataFrame, policy: Policy) -> tuple[Minor, Minor, Minor]:
    """Amount of each order and what of it is released, in minor units; reasons against it as bits
    (`rules.holds`).
    """
    code = policy.meta.currency
    scale = 10.0 ** money.minor_digits(code)
    settings = rules.holds(policy, scale)
    amount, open_, overdue, old, late, exposure = (
        money.to_minor(table[name], code)
        for name in ("amount", "open", "overdue", "late_old", "late_share", "exposure")
    )
    # A limit that nobody keeps is no bound; one that does not stand leaves no room.
    limit = np.nan_to_num(table["credit_limit"].to_numpy(dtype=float), posinf=NO_BOUND) * scale
    room = rules.room(settings, limit, exposure)
    valid, contract = (table[name].to_numpy(dtype=bool) for name in ("limit_valid", "contract"))
    stop = (table["alert"].fillna("") == "stop").to_numpy()
    bits = rules.held(settings, open_, overdue, old, late, valid, contract, stop)
    released = rules.released(settings, amount, room, bits)
    return amount, released.astype(np.int64), bits + rules.LIMIT * (amount > room)


def _in_words(bits: Minor, limitless: npt.NDArray[np.bool_], policy: Policy) -> list[str]:
    """Reasons of each order, joined by "; ".

    Parameters
    ----------
    bits : of `rules.holds`
    limitless : where no limit stands
    """
    h = policy.holds
    late = f"is more than {h.share_after_days} days late"
    names = {
        rules.OLD: f"items more than {h.overdue_days} days past due",
        rules.SHARE: f"more than {h.overdue_share:.0%} of what is open {late}",
        rules.EXPIRED: "limit expired",
        rules.CONTRACT: "no valid contract",
        rules.ALERT: "alert: stop",
        rules.LIMIT: f"exposure with the order above {h.utilisation:.0%} of the limit",
        NO_LIMIT: "no limit",
    }
    # Where a limit has run out, "limit expired" says already that there is no room.
    none = np.where(bits & rules.EXPIRED, 0, NO_LIMIT)
    bits = np.where(limitless & (bits & rules.LIMIT > 0), bits - rules.LIMIT + none, bits)
    texts = {}
    for value in np.unique(bits).tolist():
        texts[value] = "; ".join(name for bit, name in names.items() if value & bit)
    return [texts[value] for value in bits.tolist()]


def _authority(
    table: pd.DataFrame,
    policy: Policy,
    grades: pd.Series | None,
    stopped: npt.NDArray[np.bool_],
    stays: npt.NDArray[np.bool_],
) -> list[str]:
    """Who may let a held order go: who may sign the exposure it leads to; one level higher for
    arrears (`stopped`).
    """
    given = grades if grades is not None else pd.Series(dtype="str")
    names = [level.approver for level in policy.authority.levels]
    who, newcomer = table["customer_id"].to_numpy(), policy.grades.newcomer_grade
    total = (table["exposure"] + table["amount"]).tolist()
    result = np.full(len(table), "", dtype=object)
    for k in np.flatnonzero(stays):
        needed = approver(policy, total[k], given.get(who[k], newcomer))
        if stopped[k]:
            last = needed.split(" + ")[-1]
            needed = names[min(names.index(last) + 1, len(names) - 1)]
        result[k] = needed
    return result.tolist()


@takes_days
def replay_holds(
    ledger: Ledger,
    policy: Policy,
    start: pd.Timestamp,
    end: pd.Timestamp,
    *,
    alerts: pd.DataFrame | None = None,
    grades: pd.Series | None = None,
    look_weeks: int = 26,
) -> Replayed:
    """The hold rules on the orders from `start` to `end`, each with what was known the day before.

    The past goes on as it was: a held order does not lower later exposure here (backtest.replay does that), so the
    figures say what the rules see, not what a world under them becomes.
    """
    policy = in_currency(policy, ledger.currency)
    asked = orders_placed(ledger, start, end, policy.economics.tax_rate)
    last = asked["day"].max() + pd.Timedelta(days=7 * look_weeks)
    sums = books(ledger, policy, asked, last)
    table = position_in(ledger, sums, asked, alerts)
    made = decide(table, policy, grades=grades)
    waiting = np.flatnonzero(made["decision"] != "release")
    days_held = np.full(len(made), np.nan)
    for first in range(0, len(waiting), BLOCK):
        some = waiting[first : first + BLOCK]
        days_held[some] = _days_held(ledger, policy, sums, asked.iloc[some], alerts, look_weeks)
    capped = np.isinf(days_held)
    days_held[capped] = 7.0 * look_weeks
    orders = made.assign(day=table["day"], days_held=days_held, capped=capped)
    orders = _fate(ledger, orders, asked)
    return Replayed(orders, _totals(orders))


def _days_held(
    ledger: Ledger,
    policy: Policy,
    sums: Books,
    asked: pd.DataFrame,
    alerts: pd.DataFrame | None,
    weeks: int,
) -> Floats:
    """Days, in steps of a week, after which each order would go out whole; infinite: none."""
    later = asked.loc[asked.index.repeat(weeks)].reset_index(drop=True)
    week = np.tile(np.arange(1, weeks + 1), len(asked))
    later = later.assign(day=later["day"] + pd.to_timedelta(7 * week, unit="D"))
    amount, released, _ = _answered(position_in(ledger, sums, later, alerts), policy)
    goes = (released >= amount).reshape(len(asked), weeks)
    return np.where(goes.any(axis=1), 7.0 * (goes.argmax(axis=1) + 1), np.inf)


@takes_days
def orders_placed(ledger: Ledger, start: pd.Timestamp, end: pd.Timestamp, tax_rate: float) -> pd.DataFrame:
    """Orders with tax, as receivables are; invoices where the ledger has no orders that they name.

    Returns order_id, customer_id, day, amount, invoice_id (missing: never invoiced, refused or withdrawn).

    Raises
    ------
    MonitoringError
        No orders in the window.
    """
    if has_orders(ledger):
        rows = ledger.tables["orders"].rename(columns={"ordered_on": "day"})
        invoices = ledger.invoices[ledger.invoices["amount"] > 0].drop_duplicates("order_id").set_index("order_id")
        rows = rows.assign(invoice_id=looked_up(rows["order_id"], invoices["invoice_id"]))
        amount = money.from_minor(gross(rows, tax_rate, ledger.currency), ledger.currency)
        rows = rows.assign(amount=amount)
    else:
        rows = ledger.invoices[ledger.invoices["amount"] > 0].rename(columns={"issue_date": "day"})
        rows = rows.assign(order_id=rows["invoice_id"])
    rows = rows[rows["day"].between(start, end)]
    if rows.empty:
        raise MonitoringError(f"holds: no orders between {start.date()} and {end.date()}")
    return rows[["order_id", "customer_id", "day", "amount", "invoice_id"]].reset_index(drop=True)


def _fate(ledger: Ledger, orders: pd.DataFrame, asked: pd.DataFrame) -> pd.DataFrame:
    paid = settlement(ledger, ledger.last_day).set_index("invoice_id")
    invoice = asked["invoice_id"]
    settled, due = looked_up(invoice, paid["settled_on"]), looked_up(invoice, paid["due_date"])
    lost = pd.Series(np.nan, index=orders.index)  # losses that nobody recorded are not known
    if ledger.has("write_offs"):
        gone = ledger.tables["write_offs"]
        lost = invoice.map(money.added(gone["amount"], gone["invoice_id"], ledger.currency)).fillna(0.0)
    late = (settled - due).dt.days
    known = among(invoice, paid.index)
    fate = np.select(
        [~known, lost > 0, settled.isna(), late > 30], ["not invoiced", "written off", "open", "paid late"], "paid"
    )
    held_share = orders["held"] / orders["amount"].where(orders["amount"] > 0)
    held = orders["decision"] != "release"
    return orders.assign(
        fate=fate,
        lost=(lost * held_share.fillna(0)).round(money.minor_digits(ledger.currency)),
        lost_all=lost,
        good=held & (fate == "paid"),
    )


def _totals(orders: pd.DataFrame) -> pd.Series:
    held = orders["decision"] != "release"
    invoiced = held & (orders["fate"] != "not invoiced")
    return pd.Series(
        {
            "orders": float(len(orders)),
            "held_orders": float(held.sum()),
            "held_share": float(held.mean()),
            "amount": money.total(orders["amount"]),
            "held_amount": money.total(orders["held"]),
            "mean_days_held": float(orders.loc[held, "days_held"].mean()) if held.any() else np.nan,
            "losses": money.total(orders["lost_all"]),
            "losses_avoided": money.total(orders["lost"]),
            "good_held": float(orders["good"].sum()),
            "good_held_share": float(orders["good"].sum() / invoiced.sum()) if invoiced.any() else np.nan,
            "good_amount": money.total(orders.loc[orders["good"], "held"]),
        }
    )


def with_holds(policy: Policy, **changes: object) -> Policy:
    """The same policy with some hold settings changed, for comparing rules."""
    return policy.model_copy(update={"holds": policy.holds.model_copy(update=changes)})


@takes_days
def compare(
    ledger: Ledger, policies: dict[str, Policy], start: pd.Timestamp, end: pd.Timestamp, **options: object
) -> pd.DataFrame:
    """Totals of `replay_holds` side by side, one row per named policy."""
    rows = {name: replay_holds(ledger, policy, start, end, **options).totals for name, policy in policies.items()}  # type: ignore[arg-type]
    return pd.DataFrame(rows).T.rename_axis("policy").reset_index()
