"""May this order go out (停止发货)? Reasons against it, and how much of it is released.

Amounts in one unit throughout, minor units where cents decide; days are calendar days.
"""

from typing import Any, NamedTuple

import numpy as np

from credit_lab.policy import Policy
from credit_lab.rules.forms import pick, rule

# Reasons of a hold, as bits of one number; LIMIT is added where the order does not fit.
OLD, SHARE, EXPIRED, CONTRACT, ALERT, LIMIT = 1, 2, 4, 8, 16, 32


class Holds(NamedTuple):
    """`[holds]` of a policy; `min_overdue` in the unit of the amounts asked about."""

    overdue_days: int
    min_overdue_share: float
    overdue_share: float
    share_after_days: int
    min_overdue: float
    utilisation: float
    expired_limit: bool
    missing_contract: bool
    partial_release: bool


def holds(policy: Policy, unit: float = 1.0) -> Holds:
    """The hold rules of a policy.

    Parameters
    ----------
    unit : of the amounts per unit of money (100: cents)

    Raises
    ------
    MoneyNotKnown
        The policy's amounts are not known in the currency asked for.
    """
    h = policy.holds
    return Holds(
        h.overdue_days,
        h.min_overdue_share,
        h.overdue_share,
        h.share_after_days,
        float(np.rint(h.min_overdue * unit)),
        h.utilisation,
        h.expired_limit,
        h.missing_contract,
        h.partial_release,
    )


@rule
def held(s: Any, owed: Any, overdue: Any, old: Any, late: Any, valid: Any, contract: Any, alert: Any) -> Any:
    """Reasons why an order stops whatever its size: OLD, SHARE, EXPIRED, CONTRACT, ALERT; 0: none.

    Parameters
    ----------
    s : `Holds`
    owed : open invoices of the customer, amount
    overdue : of which past due
    old : of which more than `overdue_days` past due
    late : of which more than `share_after_days` past due
    valid : whether the limit has not run out
    contract : whether a valid contract exists
    alert : whether an alert of severity "stop" is on
    """
    counts = overdue >= s.min_overdue
    return (
        OLD * ((old > 0) & (old >= s.min_overdue_share * owed) & counts)
        + SHARE * ((late > 0) & (late > s.overdue_share * owed) & counts)
        + EXPIRED * (s.expired_limit & np.logical_not(valid))
        + CONTRACT * (s.missing_contract & np.logical_not(contract))
        + ALERT * (alert == True)  # noqa: E712
    )


@rule
def room(s: Any, limit: Any, exposure: Any) -> Any:
    """What may still be sold: limit × utilisation, in whole units, less exposure; never below 0."""
    return np.maximum(np.floor(limit * s.utilisation + 0.5) - exposure, 0)


@rule
def released(s: Any, amount: Any, left: Any, reasons: Any) -> Any:
    """How much of an order goes out: all, the part that fits (`partial_release`), or nothing."""
    part = pick(s.partial_release, np.minimum(amount, left), 0 * left)
    return pick(reasons > 0, 0 * left, pick(amount <= left, amount + 0 * left, part))


def holds_orders(action: str) -> bool:
    """Whether what an alert asks for holds new orders; its parts stand between commas.

    >>> holds_orders("call the customer, hold new orders"), holds_orders("hold or raise")
    (True, False)
    """
    return not {"hold new orders", "stop"}.isdisjoint(action.split(", "))
