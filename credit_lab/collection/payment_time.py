"""When will an open invoice be paid, and how sure is that? The hazard logit with each customer's own habit around it.

`fit` learns from spells; `PaymentTime.curves` gives, per row, the probability of being paid by each day ahead, from
what was known before that row's own first day. Everything else (median, interval, expected days, cash) is read off
these curves.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from credit_lab.collection import habits
from credit_lab.collection.cells import (
    OLDEST,
    YOUNGEST,
    AgeBands,
    CollectionError,
    Floats,
    Ints,
    day_number,
    learn_factors,
)
from credit_lab.collection.habits import Habit
from credit_lab.collection.hazards import Fit, Hazard
from credit_lab.collection.hazards import fit as fit_hazard
from credit_lab.periods import takes_days

HIGHEST = 0.97  # of a day's hazard: no habit is certain
AT_ONCE = 4000


@dataclass(frozen=True)
class Curves:
    """Payment curves of some invoices.

    rows : the asked table's customer_id, due_date, from_day (first day that can bring the payment)
    paid_by : rows × days ahead; column k = P(paid by from_day + k)
    known : payments of the customer that count (faded), 0 = nothing known, the answer is the prior
    note : "" or why the answer is only the prior (customer without a past, level never seen, age never seen)
    """

    rows: pd.DataFrame
    paid_by: Floats
    known: Floats
    note: pd.Series

    @property
    def never(self) -> Floats:
        """Share unpaid at the end of the horizon: the never-pays share (坏账占比) as far as the horizon sees."""
        return 1 - self.paid_by[:, -1]

    def first_age(self) -> Ints:
        """Age on the first day."""
        return day_number(self.rows["from_day"]) - day_number(self.rows["due_date"])

    def quantile(self, level: float) -> Floats:
        """Days past due by which the invoice is paid with probability `level`; NaN where it is never that likely."""
        reached = self.paid_by >= level - 1e-12
        return np.where(reached[:, -1], reached.argmax(axis=1) + self.first_age(), np.nan)

    def expected_days(self) -> Floats:
        """Mean days past due at payment, of what is paid within the horizon counting the rest at its end."""
        return self.first_age() + (1 - self.paid_by).sum(axis=1)

    def interval(self, share: float = 0.8) -> tuple[Floats, Floats]:
        """Days past due between which the payment falls with a probability nearest to `share`.

        Whole days carry lumps of probability, so no interval has exactly the share: of those around the median whose
        tails are as even as the lumps allow, the one nearest to it is taken. An end not reached is the horizon's.
        """
        tail = (1 - share) / 2
        last = self.paid_by.shape[1] - 1
        before = np.column_stack([np.zeros(len(self.paid_by)), self.paid_by[:, :-1]])
        low = np.minimum((self.paid_by < tail).sum(axis=1), last)
        high = np.minimum((self.paid_by < 1 - tail).sum(axis=1), last)
        middle = np.minimum((self.paid_by < 0.5).sum(axis=1), last)
        later = _pick(self.paid_by, low) - tail < tail - _pick(before, low)
        earlier = (1 - tail) - _pick(before, high) < _pick(self.paid_by, high) - (1 - tail)
        low, high = np.minimum(low + later, middle), np.maximum(high - earlier, middle)
        return (low + self.first_age()).astype(float), (high + self.first_age()).astype(float)

    @takes_days
    def by(self, day: pd.Timestamp) -> Floats:
        """P(paid by the end of `day`); 0 before a row's first day."""
        ahead = day_number(pd.Series([day]))[0] - day_number(self.rows["from_day"])
        inside = np.clip(ahead, 0, self.paid_by.shape[1] - 1)
        return np.where(ahead < 0, 0.0, _pick(self.paid_by, inside))

    def summary(self, *, share: float = 0.8) -> pd.DataFrame:
        """Per row: customer_id, due_date, from_day, median_days and expected_days past due, low_days and high_days
        (nearest to `share`), never_paid, known_payments, note."""
        low, high = self.interval(share)
        return self.rows.assign(
            median_days=self.quantile(0.5),
            expected_days=self.expected_days(),
            low_days=low,
            high_days=high,
            never_paid=self.never,
            known_payments=self.known,
            note=self.note,
        )


def _pick(table: Floats, column: Ints) -> Floats:
    return np.take_along_axis(table, np.asarray(column)[:, None], axis=1)[:, 0]


@dataclass(frozen=True)
class PaymentTime:
    """A fitted model: the logit, how much habits count, and the spells the habits are read from."""

    hazard: Hazard
    habit: Habit
    own: tuple[str, ...]
    past: habits.Past
    oldest_seen: int

    def remembering(self, spells: pd.DataFrame) -> "PaymentTime":
        """The same coefficients with other (later) spells as the customers' past."""
        return replace(self, past=_past(self.hazard, spells, self.own, self.habit.half_life))

    def with_habit(self, habit: Habit, spells: pd.DataFrame) -> "PaymentTime":
        """The same coefficients and past, habits weighed otherwise."""
        return replace(self, habit=habit).remembering(spells)

    def curves(self, rows: pd.DataFrame, *, horizon: int = 180) -> Curves:
        """Payment curves.

        Parameters
        ----------
        rows : customer_id, due_date, from_day and the factor columns, known at from_day. For a new invoice from_day is
            the issue date, for an open one the day after the as-of date. The customer's past before from_day counts.
        horizon : days ahead

        Raises
        ------
        CollectionError
            A column is missing.
        """
        missing = [name for name in ("customer_id", "due_date", "from_day") if name not in rows]
        if missing:
            raise CollectionError(f"payment curves: rows lack {', '.join(missing)}")
        codes = self.hazard.codes(rows)
        parts, known = [], []
        for begin in range(0, len(rows), AT_ONCE):
            part = slice(begin, begin + AT_ONCE)
            curve, seen = self._part(rows.iloc[part], codes[part], horizon)
            parts.append(curve)
            known.append(seen)
        whole = np.concatenate(parts) if parts else np.zeros((0, horizon + 1))
        count = np.concatenate(known) if known else np.zeros(0)
        asked = rows[["customer_id", "due_date", "from_day"]].reset_index(drop=True)
        return Curves(asked, whole, count, self._notes(asked, codes, count))

    def _part(self, rows: pd.DataFrame, codes: Ints, horizon: int) -> tuple[Floats, Floats]:
        group, place = _distinct(codes)
        prior = self.hazard.levels(codes[place])[group]
        rate = self.hazard.levels(_without(self.hazard, codes[place], self.own))[group]
        from_day, due = day_number(rows["from_day"]), day_number(rows["due_date"])
        paid, expected = self.past.seen(rows["customer_id"], from_day)
        a, m = habits.factors(paid, expected, rate, prior, self.habit)
        ahead = np.arange(horizon + 1)
        day = from_day[:, None] + ahead
        band = self.hazard.bands.of(day - due[:, None])
        wday = (day + 3) % 7
        row = np.arange(len(rows))[:, None]
        hazard = np.clip(rate[row, band, wday] * a[row, band] * m[row, wday], 0, HIGHEST)
        return 1 - np.cumprod(1 - hazard, axis=1), paid.sum(axis=(1, 2))

    def _notes(self, rows: pd.DataFrame, codes: Ints, known: Floats) -> pd.Series:
        age = day_number(rows["from_day"]) - day_number(rows["due_date"])
        note = np.full(len(rows), "", dtype=object)
        for condition, text in (
            (known <= 0, "customer without a payment so far: prior"),
            ((codes < 0).any(axis=1), "a factor without a value or with one never seen: left out"),
            (age > self.oldest_seen, f"age above {self.oldest_seen} days never seen: hazard of the last band"),
        ):
            note[condition] = np.where(note[condition] == "", text, note[condition] + "; " + text)
        return pd.Series(note, dtype="str")


def fit(
    spells: pd.DataFrame,
    columns: Sequence[str] = (),
    *,
    own: Sequence[str] = (),
    groups: int = 6,
    habit: Habit | None = None,
    bands: AgeBands | None = None,
    options: Fit | None = None,
) -> PaymentTime:
    """Learn the hazard from spells (see `cells`) and remember the customers' past.

    Parameters
    ----------
    columns : factors that describe the invoice and its circumstances (amount, terms, dispute, season)
    own : factors that summarise the customer's own past (`past_late`). They shape the prior of a customer's habit but
        not what is expected of its past, which would count that past twice.
    groups : quantile groups of a numeric factor
    """
    habit = habit or Habit()
    factors = learn_factors(spells, [*columns, *own], groups=groups)
    hazard = fit_hazard(spells, factors, bands=bands, options=options)
    stop, due = day_number(spells["stop"]), day_number(spells["due_date"])
    memory = _past(hazard, spells, tuple(own), habit.half_life)
    return PaymentTime(hazard, habit, tuple(own), memory, int((stop - due).max()))


def _without(hazard: Hazard, codes: Ints, own: tuple[str, ...]) -> Ints:
    """Levels with those of the customer's own past left out."""
    left = codes.copy()
    left[:, [factor.column in own for factor in hazard.factors]] = -1
    return left


def _distinct(codes: Ints) -> tuple[Ints, Ints]:
    if codes.shape[1] == 0:
        return np.zeros(len(codes), dtype=np.int64), np.zeros(1, dtype=np.int64)
    _, place, group = np.unique(codes, axis=0, return_index=True, return_inverse=True)
    return group.ravel().astype(np.int64), place.astype(np.int64)


def _past(hazard: Hazard, spells: pd.DataFrame, own: tuple[str, ...], half_life: float) -> habits.Past:
    codes = _without(hazard, hazard.codes(spells), own)
    group, place = _distinct(codes)
    band_of = hazard.bands.of(np.arange(YOUNGEST, OLDEST + 1))
    return habits.past(spells, hazard.levels(codes[place]), group, band_of, half_life=half_life)
