"""The grade of a customer (信用等级) by how it pays."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab.policy import Policy
from credit_lab.rules.forms import pick, rule


class Grades(NamedTuple):
    """`[grades]` of a policy, one entry per grade, best first."""

    cuts: npt.NDArray[np.float64]  # least payment index
    multiple: npt.NDArray[np.float64]  # of the formula limit
    term: npt.NDArray[np.float64]  # days
    newcomer: int
    min_months: int


def grades(policy: Policy) -> Grades:
    """The grades of a policy."""
    scale = policy.grades.scale
    names = [one.grade for one in scale]
    return Grades(
        np.array([one.min_payment_index for one in scale], dtype=float),
        np.array([one.limit_multiple for one in scale], dtype=float),
        np.array([one.term_days for one in scale], dtype=float),
        names.index(policy.grades.newcomer_grade),
        policy.grades.min_months,
    )


# Days beyond terms and index of it: 80 is prompt, 100 is 30 days early.
_LATE = np.array([-30.0, -20.0, 0.0, 15.0, 22.0, 30.0, 60.0, 90.0, 120.0, 180.0])
_INDEX = np.array([100.0, 90.0, 80.0, 70.0, 60.0, 50.0, 40.0, 30.0, 20.0, 0.0])


@rule
def payment_index(late: Any) -> Any:
    """Payment index (付款指数) of amount-weighted days beyond terms, straight between the
    anchors of the dollar-weighted scores that agencies publish; 0 from 180 days on.

    Parameters
    ----------
    late : days, settlements and open overdue items together; NaN: nothing was paid or late yet
    """
    value = _INDEX[0] + 0.0 * late
    for k in range(len(_LATE) - 1):
        slope = (_INDEX[k + 1] - _INDEX[k]) / (_LATE[k + 1] - _LATE[k])
        value = pick(late >= _LATE[k], slope * (late - _LATE[k]) + _INDEX[k], value)
    return pick(late >= _LATE[len(_LATE) - 1], _INDEX[len(_LATE) - 1] + 0.0 * late, value)


@rule
def grade(s: Any, index: Any, months: Any) -> Any:
    """Number of the grade, 0 the best: the best whose least payment index is reached.

    Parameters
    ----------
    s : `Grades`
    index : payment index (0-100, 80 is prompt); NaN: nothing was paid or late yet
    months : on the books; below `min_months`, or without an index, the newcomers' grade
    """
    number = len(s.cuts) - 1 + 0 * months
    for k in range(len(s.cuts) - 1, -1, -1):
        number = pick(index >= s.cuts[k], k, number)
    return pick((months >= s.min_months) & np.logical_not(np.isnan(index)), number, s.newcomer)


def grade_of(policy: Policy, payment_index: pd.Series, months_on_book: pd.Series) -> pd.Series:
    """Name of the grade of each customer, in the order and with the index of `payment_index`."""
    names = np.array([one.grade for one in policy.grades.scale])
    index = payment_index.to_numpy(dtype=float)
    found = names[grade(grades(policy), index, months_on_book.to_numpy())]
    return pd.Series(found, index=payment_index.index, dtype="str")
