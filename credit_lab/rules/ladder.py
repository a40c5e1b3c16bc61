"""Which step of collection (分级催收) is an invoice at, and is it due?"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from credit_lab.policy import Policy
from credit_lab.rules.forms import pick, rule

NOTICE = -1  # the friendly notice before the due date


class Ladder(NamedTuple):
    """`[ladder]` of a policy; `min_amount` in the unit of the amounts asked about."""

    first_days: npt.NDArray[np.int64]  # days past due from which each stage counts
    repeat_days: npt.NDArray[np.int64]
    pre_due_days: int
    min_amount: float
    hold_disputed: bool


def ladder(policy: Policy, unit: float = 1.0) -> Ladder:
    """The ladder of a policy.

    Parameters
    ----------
    unit : of the amounts per unit of money (100: cents). Where the policy's amounts are not known,
        nobody is below the minimum.
    """
    rungs = policy.ladder.stages
    return Ladder(
        np.array([one.from_days for one in rungs], dtype=np.int64),
        np.array([one.repeat_days for one in rungs], dtype=np.int64),
        policy.ladder.pre_due_days,
        float(np.nan_to_num(np.rint(policy.ladder.amount("min_amount") * unit))),
        policy.ladder.hold_disputed,
    )


@rule
def stage_by_age(s: Any, days: Any) -> Any:
    """Stage an invoice has reached by its age; 0: none, NOTICE: about to fall due.

    Parameters
    ----------
    s : `Ladder`
    days : past due; below 0: not due yet
    """
    number = 0 * days
    for k in range(len(s.first_days)):
        number = number + (days >= s.first_days[k])
    notice = (days <= 0) & (days >= -s.pre_due_days) & (s.pre_due_days > 0)
    return pick(notice, NOTICE, number)


@rule
def next_stage(reached: Any, last: Any, days: Any, skip: Any) -> Any:
    """Stage that is next: one above the last one taken, however old the invoice is.

    Parameters
    ----------
    reached : stage by age
    last : stage taken last; 0: none
    days : past due
    skip : whether an invoice nobody ever chased may start at the stage of its age
    """
    step = pick((last == 0) & skip, reached, np.minimum(reached, last + 1))
    again = pick(days > 0, last, 0 * last)
    return pick(reached == NOTICE, NOTICE + 0 * last, pick(reached <= last, again, step))


@rule
def due_again(level: Any, last: Any, since: Any, repeat: Any) -> Any:
    """Whether a stage is due: a new one at once, one taken before after its `repeat_days`.

    Parameters
    ----------
    level, last : stage that is next, and the one taken last
    since : days since anything was done about the invoice; NaN: nothing yet
    repeat : days until a stage is repeated
    """
    new = pick(level == NOTICE, np.isnan(since), level > last)
    return new | ((np.isnan(since)) | (since >= repeat)) & (level != NOTICE)


@rule
def too_small(s: Any, due: Any) -> Any:
    """Whether what is due of a customer, net of unapplied cash, is left alone."""
    return due < s.min_amount
