"""The worklist (催收工作清单): whom to contact next, so that a collector's minute brings most cash.

An action multiplies the daily chance of payment of a customer's items by a factor (measured, or assumed and printed as
such). With F(t) the payment curve left alone, it becomes 1 − (1 − F(t))^factor; the cash gained within the horizon is

    gain = Σ open amount × [(1 − F(h)) − (1 − F(h))^factor],        index = (gain − cost) / minutes.

Contacts are taken in order of the index until the minutes are used up: for independent contacts that differ in length
this is the greedy rule of the knapsack, at most one contact away from the best (Dantzig 1957, Oper. Res. 5:266).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab.collection.cells import CollectionError, Floats
from credit_lab.collection.payment_time import Curves
from credit_lab.collection.response import Assumption

BY_AMOUNT = "Payment times are not known here: contacts are in order of the amount open, and no gain is stated."


@dataclass(frozen=True)
class Contact:
    """An action that can be taken: minutes of a collector, money cost (NaN: not known), its effect with the source.

    effect : an `Assumption`, or one made from a measured effect with the measurement as its source
    """

    action: str
    minutes: float
    cost: float
    effect: Assumption

    def __post_init__(self) -> None:
        if self.minutes <= 0 or self.cost < 0:
            raise CollectionError(f"contact {self.action!r}: minutes must be above zero and cost not below")


@dataclass(frozen=True)
class Worklist:
    """rows : rank, customer_id, action, minutes, cost, items, open_amount, oldest_days, paid_alone and paid_with
        (expected share of the amount paid within the horizon, left alone and after the action), gain, net_gain, index
        (net gain per minute), chosen (fits into the minutes), explanation
    orderings : how much the same minutes bring in other orders: ordering, contacts, minutes, net_gain, against_index
    sources : sentences about the effects, to be printed with the list
    """

    rows: pd.DataFrame
    orderings: pd.DataFrame
    sources: tuple[str, ...]


def gain(paid_by: Floats, amount: Floats, factor: float) -> Floats:
    """Cash gained per item when the daily chance of payment is multiplied by `factor` until the horizon.

    >>> gain(np.array([0.5]), np.array([1000.0]), 2.0).tolist()
    [250.0]
    """
    alone = 1 - np.asarray(paid_by, dtype=float)
    return np.asarray(amount, dtype=float) * (alone - alone**factor)


def build(
    items: pd.DataFrame,
    curves: Curves | None,
    contacts: dict[str, Contact],
    *,
    minutes: float,
    currency: str = "",
    horizon: int = 30,
    factor: str = "factor",
) -> Worklist:
    """Rank customers for today: by cash gained per minute, or by amount where payment times are not known.

    Parameters
    ----------
    items : customer_id, open_amount, days (past due) and action: what the ladder would do next with the item ("" or a
        name without a contact: nothing), in the same order as `curves`
    curves : from `PaymentTime.curves` of the same rows; None: payment times are not known
    contacts : what each action costs and does
    minutes : collectors' minutes of the day
    factor : which value of the effects to use: factor, low or high

    Raises
    ------
    CollectionError
        Items and curves differ in length, a column is missing, or no item has a contact.
    """
    missing = [name for name in ("customer_id", "open_amount", "days", "action") if name not in items]
    if missing:
        raise CollectionError(f"worklist: items lack {', '.join(missing)}")
    if curves is not None and len(items) != len(curves.rows):
        raise CollectionError(f"worklist: {len(items)} items but {len(curves.rows)} payment curves; use the same rows")
    paid = np.nan if curves is None else curves.paid_by[:, min(horizon, curves.paid_by.shape[1]) - 1]
    table = items[["customer_id", "open_amount", "days", "action"]].reset_index(drop=True).assign(paid=paid)
    table = table[table["action"].isin(list(contacts)) & (table["open_amount"] > 0)]
    if table.empty:
        raise CollectionError(f"worklist: no item has an action among {', '.join(contacts)}")
    rank = {name: number for number, name in enumerate(contacts)}
    rows = []
    for customer, part in table.groupby("customer_id", sort=True):
        # One contact speaks about all items, at the highest stage among them.
        name = max(part["action"], key=lambda action: rank[action])
        rows.append(
            _row(str(customer), part, contacts[name], getattr(contacts[name].effect, factor), horizon, currency)
        )
    by = "index" if curves else "open_amount"
    found = pd.DataFrame(rows).sort_values([by, "customer_id"], ascending=[False, True], kind="stable")
    worth = (found["net_gain"] > 0) | (curves is None)
    found = found.assign(chosen=_fill(found["minutes"].to_numpy(), minutes, worth.to_numpy()))
    found.insert(0, "rank", np.arange(1, len(found) + 1))
    if curves is None:
        return Worklist(found.reset_index(drop=True), pd.DataFrame(), (BY_AMOUNT,))
    used = {contacts[name].effect.sentence() for name in found["action"].unique()}
    return Worklist(found.reset_index(drop=True), orderings(found, minutes), tuple(sorted(used)))


def _row(
    customer: str, part: pd.DataFrame, contact: Contact, factor: float, horizon: int, currency: str
) -> dict[str, object]:
    amount, paid = part["open_amount"].to_numpy(dtype=float), part["paid"].to_numpy(dtype=float)
    total, alone = float(amount.sum()), float(amount @ paid / amount.sum())
    gained = float(gain(paid, amount, factor).sum())
    after = alone + gained / total
    net = gained - (contact.cost if np.isfinite(contact.cost) else 0.0)
    unit = f"{currency} " if currency else ""
    cost = f"less {unit}{contact.cost:,.0f} cost" if np.isfinite(contact.cost) else "cost not known"
    said = f"{unit}{total:,.0f} open, oldest {int(part['days'].max())} days past due"
    effect = (
        f"; left alone {alone:.0%} of it comes within {horizon} days, after {contact.action} {after:.0%} (factor "
        f"{factor:.3g}): {unit}{gained:,.0f} more, {cost}, for {contact.minutes:g} minutes"
    )
    return {
        "customer_id": customer,
        "action": contact.action,
        "minutes": contact.minutes,
        "cost": contact.cost,
        "items": len(part),
        "open_amount": total,
        "oldest_days": int(part["days"].max()),
        "paid_alone": alone,
        "paid_with": after,
        "gain": gained,
        "net_gain": net,
        "index": net / contact.minutes,
        "explanation": said + (effect if np.isfinite(alone) else ""),
    }


def _fill(length: Floats, minutes: float, worth: np.ndarray) -> np.ndarray:
    """Take contacts in order while they fit; one that is too long is passed over, later shorter ones may still fit."""
    left = minutes
    chosen = np.zeros(len(length), dtype=bool)
    for k, needed in enumerate(length):
        if worth[k] and needed <= left + 1e-9:
            chosen[k] = True
            left -= needed
    return chosen


def orderings(rows: pd.DataFrame, minutes: float) -> pd.DataFrame:
    """What the same minutes bring by index, by amount and by age (the rows of a worklist, any order)."""
    result = []
    for name, column in (("index", "index"), ("amount", "open_amount"), ("age", "oldest_days")):
        order = rows.sort_values([column, "customer_id"], ascending=[False, True], kind="stable")
        worth = (order["net_gain"] > 0).to_numpy() if name == "index" else np.ones(len(order), dtype=bool)
        taken = order[_fill(order["minutes"].to_numpy(dtype=float), minutes, worth)]
        result.append((name, len(taken), float(taken["minutes"].sum()), float(taken["net_gain"].sum())))
    table = pd.DataFrame(result, columns=["ordering", "contacts", "minutes", "net_gain"])
    best = table["net_gain"].iloc[0]
    return table.assign(against_index=table["net_gain"] / best if best > 0 else np.nan)


@dataclass(frozen=True)
class Outside:
    """A way out of one's own collection, taken once and for all.

    recovery : share of the amount that comes back when taken at once; fades by `decay` per month of waiting
    fixed_cost : money; commission : share of what comes back; delay_months : until it comes
    source : who says so
    """

    name: str
    recovery: float
    source: str
    fixed_cost: float = 0.0
    commission: float = 0.0
    decay: float = 0.03
    delay_months: float = 6.0

    def __post_init__(self) -> None:
        if not 0 <= self.recovery <= 1 or not 0 <= self.commission < 1 or not self.source.strip():
            raise CollectionError(f"way out {self.name!r}: recovery and commission are shares, and a source is needed")

    def value(self, amount: float, months: Floats, *, capital_cost: float) -> Floats:
        """Present value when taken after so many months."""
        back = amount * self.recovery * np.exp(-self.decay * months) * (1 - self.commission)
        return np.asarray(back * (1 + capital_cost) ** (-self.delay_months / 12) - self.fixed_cost)


@dataclass(frozen=True)
class Stopping:
    """When to give up on one's own collection, for one amount.

    table : month (from now), pay_probability (within the month, if open), go_on (value of collecting one month more
        and then acting best), one column per way out, write_off (0), value (of the best), best
    decision : what is best today; switch_month : first month in which going on is not best (NaN: always go on)
    value : of deciding best; value_never : of collecting to the horizon without any way out
    """

    table: pd.DataFrame
    decision: str
    switch_month: float
    value: float
    value_never: float


def when_to_stop(
    amount: float,
    pay_probability: Floats,
    outside: tuple[Outside, ...],
    *,
    cost_per_month: float,
    capital_cost: float = 0.06,
) -> Stopping:
    """Own collection, agency, court or write-off: optimal stopping by backward induction.

    V_k = max(0, outside_k, −cost + p_k·amount/(1+r)^½ + (1 − p_k)·V_{k+1}/(1+r)), r per month. Pursue while the
    marginal expected recovery exceeds the cost (Mitchner & Peterson 1957, Oper. Res. 5:522, "optimal pursuit").

    Parameters
    ----------
    pay_probability : chance of payment in each month ahead if still open, from a payment curve
        (`monthly_probability`); after the last month nothing is expected any more
    """
    p = np.asarray(pay_probability, dtype=float)
    if len(p) == 0 or not ((p >= 0) & (p <= 1)).all() or amount <= 0 or cost_per_month < 0:
        raise CollectionError("stopping: probabilities in [0, 1], an amount above zero and a cost not below are needed")
    months = np.arange(len(p), dtype=float)
    ways = {way.name: way.value(amount, months, capital_cost=capital_cost) for way in outside}
    names = ["go on", *ways, "write off"]
    step = (1 + capital_cost) ** (-1 / 12)
    value, never = 0.0, 0.0
    rows = []
    for k in range(len(p) - 1, -1, -1):
        now = -cost_per_month + p[k] * amount * step**0.5
        go_on, never = now + (1 - p[k]) * step * value, now + (1 - p[k]) * step * never
        options = [go_on, *(ways[name][k] for name in ways), 0.0]
        best = int(np.argmax(options))
        value = options[best]
        rows.append((k, p[k], *options, value, names[best]))
    columns = ["month", "pay_probability", "go_on", *ways, "write_off", "value", "best"]
    table = pd.DataFrame(rows[::-1], columns=columns)
    leaves = table.index[table["best"] != "go on"]
    switch = float(table["month"].loc[leaves[0]]) if len(leaves) else np.nan
    return Stopping(table, str(table["best"].iloc[0]), switch, value, never)


def monthly_probability(curve: Floats, *, days: int = 30) -> Floats:
    """Chance of payment in each 30 days ahead, if still open, from one row of `Curves.paid_by`."""
    unpaid = np.r_[1.0, 1 - np.asarray(curve, dtype=float)[days - 1 :: days]]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(unpaid[:-1] > 0, 1 - unpaid[1:] / unpaid[:-1], 0.0)


def stop_pursuit_age(curve: Floats, first_age: int, amount: float, contact: Contact, *, horizon: int = 30) -> float:
    """First age in days past due from which one more contact no longer pays; NaN if it pays to the end of the curve.

    A contact pays at an age when gain within `horizon` days, for an item still open then, exceeds its cost.
    """
    unpaid = np.r_[1.0, 1 - np.asarray(curve, dtype=float)]
    for k in range(len(unpaid) - horizon):
        if unpaid[k] <= 0:
            return float(first_age + k)
        chance = 1 - unpaid[k + horizon] / unpaid[k]
        if gain(np.array([chance]), np.array([amount]), contact.effect.factor)[0] <= contact.cost:
            return float(first_age + k)
    return float("nan")
