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
from credit_lab.aging.postings import INVOICE, postings
from credit_lab.ids import looked_up, positions
from credit_lab.kpi import settlement
from credit_lab.ledger.model import Ledger
from credit_lab.monitoring.alerts import MonitoringError
from credit_lab.periods import takes_days
from credit_lab.policy import Policy, approver, in_currency

Floats = npt.NDArray[np.float64]
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
    """Release, part or hold, order by order.

    Parameters
    ----------
    orders : order_id, customer_id, amount and the customer's position (see `position`): open, overdue, late_old (more
        than holds.overdue_days past due), late_share (more than share_after_days), exposure, credit_limit,
        limit_valid, contract (a valid one exists), alert ("" or the worst severity that is on)
    grades : grade per customer_id, for the release authority; default the policy's newcomer grade

    Returns
    -------
    DataFrame
        order_id, customer_id, amount, decision, released, held, reasons (joined by "; "), release_by
    """
    missing = [name for name in ("order_id", "customer_id", "amount", *POSITION) if name not in orders]
    if missing:
        raise MonitoringError(f"holds: orders lack {', '.join(missing)}; see holds.position")
    rules, table = policy.holds, orders.reset_index(drop=True)
    overdue_counts = table["overdue"] >= rules.min_overdue
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(table["open"] > 0, table["late_share"] / table["open"], 0.0)
        old = np.where(table["open"] > 0, table["late_old"] / table["open"], 0.0)
    room = np.maximum(table["credit_limit"] * rules.utilisation - table["exposure"], 0.0)
    arrears = {
        f"items more than {rules.overdue_days} days past due": (
            (table["late_old"] > 0) & (old >= rules.min_overdue_share) & overdue_counts
        ),
        f"more than {rules.overdue_share:.0%} of what is open is more than {rules.share_after_days} days late": (
            (share > rules.overdue_share) & overdue_counts
        ),
        "limit expired": rules.expired_limit & ~table["limit_valid"].astype(bool),
        "no valid contract": rules.missing_contract & ~table["contract"].astype(bool),
        "alert: stop": table["alert"].fillna("") == "stop",
    }
    hard = np.column_stack([np.asarray(flag, dtype=bool) for flag in arrears.values()])
    room = room.round(3)  # to the finest minor unit: an order that fits to the cent is not stopped by float rounding
    tight = (table["amount"] > room).to_numpy()
    stopped = np.asarray(hard.any(axis=1))
    fits = room.to_numpy() if rules.partial_release else np.zeros(len(table))
    part = np.floor(np.round(np.minimum(fits, table["amount"]) * 100, 3)) / 100
    released = np.where(stopped, 0.0, np.where(tight, part, table["amount"]))
    names = np.array(list(arrears), dtype=object)
    limit_text = f"exposure with the order above {rules.utilisation:.0%} of the limit"
    reasons = [
        "; ".join([*names[flags], *([limit_text] if full else [])]) for flags, full in zip(hard, tight, strict=True)
    ]
    decision = np.where(released >= table["amount"], "release", np.where(released > 0, "partial", "hold"))
    by = _authority(table, policy, grades, stopped, np.asarray(decision != "release"))
    return pd.DataFrame(
        {
            "order_id": table["order_id"],
            "customer_id": table["customer_id"],
            "amount": table["amount"],
            "decision": decision,
            "released": released,
            "held": np.round(table["amount"] - released, 6),
            "reasons": reasons,
            "release_by": by,
        }
    )


def _authority(
    table: pd.DataFrame, policy: Policy, grades: pd.Series | None, hard: npt.NDArray[np.bool_], held: Floats
) -> list[str]:
    """Who may let a held order go: who may sign the exposure it leads to; one level higher for arrears."""
    given = grades if grades is not None else pd.Series(dtype="str")
    result = []
    names = [level.approver for level in policy.authority.levels]
    for row, stopped, stays in zip(table.itertuples(), hard, held, strict=True):
        if not stays:
            result.append("")
            continue
        grade = given.get(row.customer_id, policy.grades.newcomer_grade)
        needed = approver(policy, float(row.exposure + row.amount), grade)
        if stopped:
            last = needed.split(" + ")[-1]
            needed = names[min(names.index(last) + 1, len(names) - 1)]
        result.append(needed)
    return result


@dataclass(frozen=True)
class _Running:
    """Σ minor per customer up to any day, sorted once for many questions."""

    names: pd.Index
    key: npt.NDArray[np.int64]  # customer and day in one number
    total: npt.NDArray[np.int64]

    @classmethod
    def of(cls, who: pd.Series, when: pd.Series, minor: pd.Series) -> "_Running":
        """From signed amounts, each with its customer and the day from which it counts."""
        number, names = pd.factorize(who)
        known = number >= 0
        key = number[known].astype(np.int64) * _SPAN + _days(when)[known]
        order = np.argsort(key, kind="stable")
        return cls(pd.Index(names), key[order], np.r_[0, np.cumsum(minor.to_numpy()[known][order])])

    def up_to(self, who: pd.Series, day: pd.Series) -> npt.NDArray[np.int64]:
        """Sum for each customer asked, up to its day; a customer without amounts has zero."""
        mine = positions(who, self.names) * _SPAN
        last = np.searchsorted(self.key, mine + _days(day), side="right")
        return self.total[last] - self.total[np.searchsorted(self.key, mine)]


_SPAN = 10**6  # more days than there are dates


def _days(when: pd.Series) -> npt.NDArray[np.int64]:
    return when.to_numpy().astype("datetime64[D]").astype(np.int64)


@dataclass(frozen=True)
class _Books:
    """What the positions of any day are read from; `sums` by column, `exposure` by holder of the limit."""

    holder: pd.Series
    sums: dict[str, _Running]
    exposure: _Running


def _books(ledger: Ledger, policy: Policy) -> _Books:
    rows = postings(ledger)
    items = rows[rows["kind"] == INVOICE]
    late = {
        "open": None,
        "overdue": 0,
        "late_old": policy.holds.overdue_days,
        "late_share": policy.holds.share_after_days,
    }
    sums = {}
    for name, days in late.items():
        due = items["due_date"] + pd.Timedelta(days=1 + (days or 0))
        when = items["day"] if days is None else items["day"].where(items["day"] > due, due)
        sums[name] = _Running.of(items["customer_id"], when, items["minor"])
    holder = limit_holder(ledger)
    return _Books(holder, sums, _Running.of(rows["customer_id"].map(holder), rows["day"], rows["minor"]))


def _position(ledger: Ledger, books: _Books, asked: pd.DataFrame, alerts: pd.DataFrame | None) -> pd.DataFrame:
    code = ledger.currency
    table = asked.reset_index(drop=True)
    day = table["day"] - pd.Timedelta(days=1)
    for name, running in books.sums.items():
        table[name] = money.from_minor(running.up_to(table["customer_id"], day), code)
    unit = table["customer_id"].map(books.holder).fillna(table["customer_id"])
    table["exposure"] = money.from_minor(books.exposure.up_to(unit, day), code)
    return _standing(ledger, table, alerts)


def limit_holder(ledger: Ledger) -> pd.Series:
    """Whose limit counts for each customer: its group's where the group has one (集团授信, shared), else its own."""
    customers = ledger.customers.set_index("customer_id")
    own = pd.Series(customers.index, index=customers.index, dtype="str")
    if not ledger.has("limits") or "group_id" not in customers:
        return own
    return customers["group_id"].where(customers["group_id"].isin(ledger.tables["limits"]["customer_id"]), own)


def _standing(ledger: Ledger, table: pd.DataFrame, alerts: pd.DataFrame | None) -> pd.DataFrame:
    asked = table[["customer_id", "day"]].assign(row=np.arange(len(table))).sort_values("day", kind="stable")
    asked = asked.assign(day=asked["day"].astype("datetime64[us]"))

    def latest(frame: pd.DataFrame, on: str, who: pd.Series | None = None) -> pd.DataFrame:
        known = frame.assign(_on=frame[on].astype("datetime64[us]")).sort_values("_on", kind="stable")
        rows = asked if who is None else asked.assign(customer_id=who.astype("str"))
        found = pd.merge_asof(rows, known.drop(columns=on), left_on="day", right_on="_on", by="customer_id")
        return found.sort_values("row").reset_index(drop=True)

    if ledger.has("limits"):
        limits = ledger.tables["limits"]
        valid_to = limits["valid_to"] if "valid_to" in limits else pd.Series(pd.NaT, index=limits.index)
        held = limits[["customer_id", "valid_from", "credit_limit"]].assign(valid_to=valid_to)
        holder = limit_holder(ledger)
        found = latest(held, "valid_from", asked["customer_id"].map(holder).fillna(asked["customer_id"]))
        valid = found["_on"].notna() & (found["valid_to"].isna() | (found["valid_to"] >= found["day"]))
        table["credit_limit"] = found["credit_limit"].where(valid, 0.0).fillna(0.0).to_numpy()
        table["limit_valid"] = valid.to_numpy()
    else:
        table["credit_limit"], table["limit_valid"] = np.inf, True
    table["contract"] = True
    if ledger.has("contracts"):
        contracts = ledger.tables["contracts"]
        until = contracts["valid_to"] if "valid_to" in contracts else pd.Series(pd.NaT, index=contracts.index)
        found = latest(contracts[["customer_id", "signed_on"]].assign(valid_to=until), "signed_on")
        good = found["_on"].notna() & (found["valid_to"].isna() | (found["valid_to"] >= found["day"]))
        table["contract"] = good.to_numpy()
    table["alert"] = ""
    if alerts is not None and len(alerts):
        stops = alerts[alerts["severity"] == "stop"][["customer_id", "month", "severity"]]
        found = latest(stops, "month")
        fresh = (found["day"] - found["_on"]).dt.days <= 92
        table["alert"] = found["severity"].where(fresh, "").fillna("").to_numpy()
    return table


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
    books = _books(ledger, policy)
    table = _position(ledger, books, asked, alerts)
    made = decide(table, policy, grades=grades)
    orders = made.assign(day=table["day"], days_held=np.nan, capped=False)
    waiting = orders.index[made["decision"] != "release"]
    for week in range(1, look_weeks + 1):
        if len(waiting) == 0:
            break
        later = asked.loc[waiting].assign(day=asked.loc[waiting, "day"] + pd.Timedelta(days=7 * week))
        again = decide(_position(ledger, books, later, alerts), policy, grades=grades)
        free = waiting[(again["decision"] == "release").to_numpy()]
        orders.loc[free, "days_held"] = 7.0 * week
        waiting = waiting.difference(free)
    orders.loc[waiting, "days_held"], orders.loc[waiting, "capped"] = 7.0 * look_weeks, True
    orders = _fate(ledger, orders, asked)
    return Replayed(orders, _totals(orders))


@takes_days
def orders_placed(ledger: Ledger, start: pd.Timestamp, end: pd.Timestamp, tax_rate: float) -> pd.DataFrame:
    """Orders with tax, as receivables are; invoices where the ledger has no orders that they name.

    Returns order_id, customer_id, day, amount, invoice_id (missing: never invoiced, refused or withdrawn).

    Raises
    ------
    MonitoringError
        No orders in the window.
    """
    if ledger.has("orders") and "order_id" in ledger.invoices:
        rows = ledger.tables["orders"].rename(columns={"ordered_on": "day"})
        invoices = ledger.invoices[ledger.invoices["amount"] > 0].drop_duplicates("order_id").set_index("order_id")
        rows = rows.assign(invoice_id=looked_up(rows["order_id"], invoices["invoice_id"]))
        if "tax_included" in rows:
            net = ~rows["tax_included"].fillna(True).astype(bool)
            rows = rows.assign(amount=(rows["amount"] * np.where(net, 1 + tax_rate, 1.0)).round(2))
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
    lost = pd.Series(0.0, index=orders.index)
    if ledger.has("write_offs"):
        gone = ledger.tables["write_offs"]
        lost = invoice.map(money.added(gone["amount"], gone["invoice_id"], ledger.currency)).fillna(0.0)
    late = (settled - due).dt.days
    known = invoice.isin(paid.index)
    fate = np.select(
        [~known, lost > 0, settled.isna(), late > 30], ["not invoiced", "written off", "open", "paid late"], "paid"
    )
    held_share = orders["held"] / orders["amount"].where(orders["amount"] > 0)
    held = orders["decision"] != "release"
    return orders.assign(
        fate=fate,
        lost=(lost * held_share.fillna(0)).round(2),
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
            "amount": float(orders["amount"].sum()),
            "held_amount": float(orders["held"].sum()),
            "mean_days_held": float(orders.loc[held, "days_held"].mean()) if held.any() else np.nan,
            "losses": float(orders["lost_all"].sum()),
            "losses_avoided": float(orders["lost"].sum()),
            "good_held": float(orders["good"].sum()),
            "good_held_share": float(orders["good"].sum() / invoiced.sum()) if invoiced.any() else np.nan,
            "good_amount": float(orders.loc[orders["good"], "held"].sum()),
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
