"""Periods and dates: "2025Q4", "2025-11", "2025"; month ends; everything normalised to midnight, no time zones."""

import datetime
import functools
import inspect
import re
import reprlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import numpy as np
import pandas as pd

from credit_lab.errors import PeriodError

P = ParamSpec("P")
R = TypeVar("R")
_FORMS = (
    (re.compile(r"([1-9][0-9]{3})Q([1-4])"), 3),
    (re.compile(r"([1-9][0-9]{3})-(0[1-9]|1[0-2])"), 1),
    (re.compile(r"([1-9][0-9]{3})"), 12),
)


@dataclass(frozen=True)
class Period:
    """A run of whole calendar months. `start` and `end` are both inclusive days."""

    label: str
    start: pd.Timestamp
    end: pd.Timestamp

    @property
    def days(self) -> int:
        """Calendar days from start to end, both counted."""
        return (self.end - self.start).days + 1

    @property
    def months(self) -> int:
        """Whole months in the period."""
        return (self.end.year - self.start.year) * 12 + self.end.month - self.start.month + 1

    def previous(self) -> "Period":
        """The period of the same length that ends the day before this one starts.

        >>> parse_period("2025Q1").previous().label
        '2024Q4'
        """
        start = self.start - pd.DateOffset(months=self.months)
        return _period(start.year, start.month, self.months)

    def year_before(self) -> "Period":
        """The same period of the year before.

        >>> parse_period("2025Q1").year_before().label
        '2024Q1'
        """
        return _period(self.start.year - 1, self.start.month, self.months)


def _period(year: int, month: int, months: int) -> Period:
    start = pd.Timestamp(year, month, 1)
    end = start + pd.DateOffset(months=months) - pd.Timedelta(days=1)
    label = {1: f"{year}-{month:02d}", 3: f"{year}Q{(month + 2) // 3}", 12: f"{year}"}[months]
    return Period(label, start, end)


def parse_period(text: str) -> Period:
    """Quarter "2025Q4", month "2025-11" or year "2025" as a Period.

    >>> p = parse_period("2024Q1"); p.start.date(), p.end.date(), p.days
    (datetime.date(2024, 1, 1), datetime.date(2024, 3, 31), 91)

    Raises
    ------
    PeriodError
        For any other form.
    """
    for form, months in _FORMS:
        if (match := form.fullmatch(text)) and not text.startswith("9999"):  # no day after it
            number = int(match.group(2)) if match.lastindex == 2 else 1
            first_month = (number - 1) * 3 + 1 if months == 3 else number
            return _period(int(match.group(1)), first_month, months)
    raise PeriodError(f"period {text!r} is not understood; write a quarter 2025Q4, a month 2025-11 or a year 2025")


def parse_date(value: object, what: str = "date") -> pd.Timestamp:
    """The day that is meant by "2025-12-31", by a date or by a Timestamp, at midnight.

    Parameters
    ----------
    value : what was given; a time of day is left out
    what : what it was given as, for the message

    Raises
    ------
    PeriodError
        Anything else, and a time with a zone, which may mean another day elsewhere.
    """
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        try:
            return pd.Timestamp(value)
        except ValueError as error:
            way_out = "is no day of the calendar; write it as 2025-12-31"
            raise PeriodError(f"{what} {value!r} {way_out}") from error
    if isinstance(value, datetime.date | np.datetime64) and not pd.isna(value):
        moment = pd.Timestamp(value)
        if moment.tzinfo is None:
            return moment.normalize()
    given = reprlib.repr(value)
    raise PeriodError(f"{what} {given} is not understood; write it as 2025-12-31")


def parse_dates(values: object, what: str = "dates") -> list[pd.Timestamp]:
    """`parse_date` of each of several days, or of one."""
    several = values if isinstance(values, Iterable) and not isinstance(values, str) else [values]
    return [parse_date(value, what) for value in several]


def takes_days(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function that asks for days take them as `parse_date` does: "2025-12-31" will do.

    Every parameter annotated `pd.Timestamp` (with or without None) is turned into one before the
    function begins, so that it sees nothing else.

    Raises
    ------
    PeriodError
        From the function: what was given is no day; the message names function and parameter.

    >>> takes_days(last_whole)("2023-12-29", 3).label
    '2023Q4'
    """
    signature = inspect.signature(function)
    kinds = {name: one.annotation for name, one in signature.parameters.items()}
    asked = [name for name, kind in kinds.items() if kind in (pd.Timestamp, pd.Timestamp | None)]
    where = f"{function.__module__}.{function.__qualname__}".removeprefix("credit_lab.")

    @functools.wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        given = signature.bind_partial(*args, **kwargs)
        for name in asked:
            value = given.arguments.get(name)
            if value is not None or (name in given.arguments and kinds[name] is pd.Timestamp):
                given.arguments[name] = parse_date(value, f"{where}: {name}")
        return function(*given.args, **given.kwargs)

    return called


@takes_days
def last_whole(day: pd.Timestamp, months: int) -> Period:
    """The last month (`months` = 1), quarter (3) or year (12) that data up to `day` cover whole.

    A weekend at the end of a month is not waited for: few documents bear its days.

    >>> last_whole(pd.Timestamp("2023-12-29"), 3).label, last_whole(pd.Timestamp("2023-12-28"), 3).label
    ('2023Q4', '2023Q3')
    """
    reached = day + pd.offsets.BusinessDay(1)
    if reached.month == day.month:
        reached = day + pd.Timedelta(days=1)
    before = reached.year * 12 + reached.month - 1
    first = (before // months - 1) * months
    return _period(first // 12, first % 12 + 1, months)


@takes_days
def month_ends(first: pd.Timestamp, last: pd.Timestamp) -> pd.DatetimeIndex:
    """All month ends from the month of `first` up to `last`, inclusive.

    >>> [str(d.date()) for d in month_ends(pd.Timestamp("2024-01-15"), pd.Timestamp("2024-03-30"))]
    ['2024-01-31', '2024-02-29']
    """
    return pd.date_range(first.normalize(), last.normalize(), freq="ME")
