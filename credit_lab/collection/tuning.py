"""Choosing how much habits count, by walking forward inside the past: nothing after the day of the fit is looked at."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab.collection import accuracy, payment_time
from credit_lab.collection.cells import CollectionError, day_number
from credit_lab.collection.habits import Habit
from credit_lab.collection.hazards import Fit
from credit_lab.collection.spells import Spells
from credit_lab.periods import takes_days

GRID = tuple(
    Habit(kappa, kappa_weekday, half_life)
    for half_life in (150.0, 300.0, 1000.0)
    for kappa in (2.0, 5.0, 10.0)
    for kappa_weekday in (4.0, 10.0, 1000.0)
)


@dataclass(frozen=True)
class Tuned:
    """habit: the best; trials: kappa, kappa_weekday, half_life, crps (days, over the validation window), chosen."""

    habit: Habit
    trials: pd.DataFrame


def tune(
    spells: Spells,
    columns: Sequence[str],
    *,
    own: Sequence[str],
    window_days: int = 60,
    grid: Sequence[Habit] = GRID,
    groups: int = 6,
    options: Fit | None = None,
    horizon: int = 120,
) -> Tuned:
    """The habit with the smallest CRPS on invoices issued in the last `window_days` before `spells.as_of`.

    The logit is fitted on what was known before the window; each invoice of the window is forecast on its issue day,
    and scored on the days that had been seen by `spells.as_of` (censored CRPS), so slow payers are not left out.

    Raises
    ------
    CollectionError
        Too little past before or inside the window.
    """
    table, last = spells.table, spells.as_of
    origin = last - pd.Timedelta(days=window_days)
    learn = truncated(table, origin)
    asked = table[(table["issue_date"] > origin) & (table["start"] == table["issue_date"])]
    if len(learn) < 100 or len(asked) < 30 or not learn["paid"].any():
        raise CollectionError(
            f"tuning: {len(learn)} spells before {origin.date()} and {len(asked)} after it are too few; "
            "use a shorter window or keep the default habit"
        )
    model = payment_time.fit(learn, columns, own=own, groups=groups, options=options)
    rows = asked.assign(from_day=asked["issue_date"])
    paid = table[table["paid"]].set_index(["invoice_id", "part"])["stop"]
    keys = pd.MultiIndex.from_frame(asked[["invoice_id", "part"]])
    due = day_number(asked["due_date"])
    seen = day_number(pd.Series([last]))[0] - due
    came = day_number(paid.reindex(keys).fillna(last + pd.Timedelta(days=1))) - due
    trials, model = [], model.with_habit(grid[0], table)
    for habit in grid:
        model = model.with_habit(habit, table)
        score = accuracy.crps(model.curves(rows, horizon=horizon), came, seen).mean()
        trials.append((habit.kappa, habit.kappa_weekday, habit.half_life, float(score)))
    best = int(np.argmin([score for *_, score in trials]))
    found = pd.DataFrame(trials, columns=["kappa", "kappa_weekday", "half_life", "crps"])
    return Tuned(grid[best], found.assign(chosen=np.arange(len(found)) == best))


@takes_days
def truncated(table: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
    """Spells as they were known on `day`: later ones gone, those still running cut there, unpaid."""
    known = table[table["start"] <= day]
    running = known["stop"] > day
    return known.assign(stop=known["stop"].where(~running, day), paid=known["paid"] & ~running)
