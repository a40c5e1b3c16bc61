"""When is a customer in default (违约)? Two events, defined in `[default]` of the policy.

Impaired: something material is more than `impaired_days` past due, undisputed, at so many month
ends in a row; it ends after `cure_months` without. Failed: insolvent, written off, or the same at
`failed_days`. Alerts, freezes and specific allowances ask for the first; probabilities of default,
losses given default, scorecards and the simulation for the second.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from credit_lab import money
from credit_lab.policy import Policy, in_currency
from credit_lab.rules.forms import pick, rule

Grid = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


class Default(NamedTuple):
    """`[default]` of a policy; `amount` in the unit of the amounts asked about."""

    impaired_days: int
    failed_days: int
    amount: float
    share: float
    month_ends: int
    cure_months: int


EVENTS = ("impaired", "failed")
INSOLVENCY = "insolvency"  # attribute of a fact: opened insolvency proceedings (破产), dated
# `[default]` of the policies that ship with the package, for whoever has no policy at hand.
SHIPPED, SHIPPED_CURRENCY = Default(90, 180, 4000.0, 0.01, 2, 3), "CNY"


def in_minor(policy: Policy | None, currency: str) -> Default:
    """The events in minor units of a currency.

    Parameters
    ----------
    policy : None: as shipped; the least amount is then known in `SHIPPED_CURRENCY` only, and
        elsewhere the share alone decides
    currency : of the ledger
    """
    unit = float(money.scale(currency))
    if policy is not None:
        return default(in_currency(policy, currency), unit)
    known = currency == SHIPPED_CURRENCY
    return SHIPPED._replace(amount=SHIPPED.amount * unit if known else 0.0)


def default(policy: Policy, unit: float = 1.0) -> Default:
    """The events of a policy.

    Parameters
    ----------
    unit : of the amounts per unit of money (100: cents). Where the policy's amounts are not known,
        the share alone decides.
    """
    one = policy.default
    least = float(np.nan_to_num(np.rint(one.amount("impaired_amount") * unit)))
    return Default(one.impaired_days, one.failed_days, least, one.impaired_share, one.month_ends, one.cure_months)


@rule
def material(s: Any, late: Any, owed: Any) -> Any:
    """Whether a late amount counts: above the least amount and above its share of all that is owed.

    Parameters
    ----------
    s : `Default`
    late : undisputed, more than the event's days past due
    owed : open invoices of the customer
    """
    return (late > s.amount) & (late > s.share * owed)


@rule
def counted(s: Any, state: Any, late: Any) -> Any:
    """State of a customer after one more month end: 0 sound, below `month_ends` late so many month
    ends in a row, `month_ends` in default, above it so many month ends without since.

    Parameters
    ----------
    s : `Default`
    state : at the month end before
    late : whether something material is late now
    """
    clean = pick(state + 1 - s.month_ends >= s.cure_months, 0 * state, state + 1)
    before = pick(late, state + 1, 0 * state)
    return pick(state < s.month_ends, before, pick(late, s.month_ends + 0 * state, clean))


@rule
def in_default(s: Any, state: Any) -> Any:
    """Whether a state is one of default."""
    return state >= s.month_ends


def over_months(s: Default, late: Flags) -> Flags:
    """Default at each month end.

    Parameters
    ----------
    s : `Default`
    late : customer × month end: whether something material is late
    """
    state, found = np.zeros(len(late), dtype=np.int64), np.zeros(late.shape, dtype=bool)
    for month in range(late.shape[1]):
        state = counted(s, state, late[:, month])
        found[:, month] = in_default(s, state)
    return found
