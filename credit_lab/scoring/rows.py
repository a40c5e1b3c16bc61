"""Rows to learn a scorecard from: customer-months of a ledger, or a table of one's own."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from credit_lab import history, knowledge
from credit_lab.errors import CreditLabError, nearest
from credit_lab.inputs import open_ledger, open_policy
from credit_lab.knowledge import Knowledge
from credit_lab.ledger import parse, table_file
from credit_lab.ledger.mapping import Formats
from credit_lab.ledger.model import Ledger
from credit_lab.policy import Policy
from credit_lab.rules.default import EVENTS
from credit_lab.scoring import Binner, Scorecard, features, splits
from credit_lab.scoring.table import columns_of, kinds_of_text

Rows = np.ndarray[Any, np.dtype[np.int64]]


NO_KINDS = pd.DataFrame(columns=["column", "kind", "row", "cell", "empty"])


@dataclass(frozen=True)
class Modelling:
    """Rows to learn from: features, target, date and customer of each row (missing without them), what was left out.

    Attributes
    ----------
    X, y : features and target (1 = event)
    when, who : date and customer of each row; None where the table has no such column
    excluded : reason, rows
    outcome_days : length of the outcome window, so that training stops that long before the test
    source : where the rows come from, and for a ledger what the event is
    extra : columns of the table that are neither features nor target, such as grades given
    kinds : of a table without a card: what each column was taken for and why, see `table.kinds_of_text`
    missing : texts that stand for a missing value
    knowledge : what the ledger can carry; None for a table of one's own
    """

    X: pd.DataFrame
    y: pd.Series
    when: pd.Series | None
    who: pd.Series | None
    excluded: pd.DataFrame
    outcome_days: int
    source: str
    extra: pd.DataFrame
    kinds: pd.DataFrame = field(default_factory=lambda: NO_KINDS)
    missing: tuple[str, ...] = ()
    knowledge: Knowledge | None = None


def from_ledger(ledger: Ledger, *, event: str = "failed", months: int = 12, policy: Policy | None = None) -> Modelling:
    """Customer-months of a ledger: signals at the month end, default in the months after as the target.

    The first eleven months of the data are left out: signals of twelve months would look back on fewer there.

    Parameters
    ----------
    event : failed, or impaired (`rules.default`)
    months : within so many, 3, 6 or 12
    policy : says what the events mean; None: as shipped

    Raises
    ------
    CreditLabError
        Another event, other months, too short a ledger, nobody or everybody in default.
    """
    if event not in EVENTS:
        raise CreditLabError(f"event {event!r} of a ledger is not known; {nearest(event, EVENTS)}")
    if months not in history.AHEAD:
        raise CreditLabError(f"months {months}: the history knows outcomes of 3, 6 and 12 months")
    table = history.build(ledger, ledger.last_day, policy=policy)
    target = f"next_{months}m_{event}"
    full = table[table["month"] >= table["month"].min() + pd.DateOffset(months=11)]
    unknown = int(full[target].isna().sum())
    if unknown == len(full):
        raise CreditLabError(
            f"{ledger.source}: {table['month'].nunique()} months are too few to look back on eleven and ahead on "
            f"{months}; ask for an outcome of fewer months"
        )
    X, y, keys = features.modelling_table(full, target)
    if y.nunique() < 2:
        raise CreditLabError(
            f"{ledger.source}: {int(y.sum())} of {len(y)} customer-months are followed by the event "
            f"({event} within {months} months), so there is nothing to tell apart; choose another "
            "event or other months"
        )
    failed = event == "failed"
    excluded = pd.DataFrame(
        [
            ("first eleven months of the data", len(table) - len(full)),
            (f"{months} months ahead not over yet", unknown),
            ("failed already" if failed else "impaired already", len(full) - unknown - len(X)),
        ],
        columns=["reason", "rows"],
    )
    what = f"failed within {months} months" if failed else f"impaired within {months} months"
    source, extra = " · ".join([ledger.source, what, *ledger.notes]), pd.DataFrame(index=X.index)
    days = round(30.4 * months)
    told = knowledge.of(ledger, policy)
    return Modelling(X, y, keys["month"], keys["customer_id"], excluded, days, source, extra, knowledge=told)


def read(path: str | Path, missing: Collection[str] = ()) -> pd.DataFrame:
    """A CSV, Parquet or XLSX file as texts, see `ledger.table_file`; texts in `missing` become empty cells.

    Raises
    ------
    CreditLabError
        It cannot be read, or has no rows.
    """
    frame = table_file.read(path)
    if frame.empty:
        raise CreditLabError(f"{path}: the table has no rows")
    return frame.mask(frame.isin(list(missing)), "") if missing else frame


def typed(cells: pd.DataFrame, kinds: Mapping[str, str]) -> pd.DataFrame:
    """The columns named in `kinds` (number or category), as far as they are there, as numbers and texts."""
    there = [name for name in cells if name in kinds]
    return pd.DataFrame(columns_of(cells[there], kinds), index=cells.index) if there else cells[there]


def from_table(
    path: str | Path,
    target: str,
    *,
    event: str = "",
    date: str = "",
    customer: str = "",
    leave_out: list[str] | None = None,
    known: Scorecard | Binner | None = None,
    category: Collection[str] = (),
    missing: Collection[str] = (),
) -> Modelling:
    """Rows of a CSV, Parquet or XLSX file with a binary target.

    Parameters
    ----------
    target : column with two values
    event : the value that is the event (default of the customer); without it one of 1, true, yes, bad, default
    date, customer : columns with the date of the decision and the customer, for splits; empty if there are none
    leave_out : columns that are no features (ids, outcomes)
    known : card or bins the rows are for: its features are read as it has them, other columns are left alone. Without
        it the whole column says what it is (`table.kinds_of_text`)
    category : columns that hold codes, though every cell is a number
    missing : texts that stand for a missing value, beside the empty cell

    Raises
    ------
    CreditLabError
        A file that cannot be read, columns that are not there, no feature left, no saying which value is the event, a
        date among the features, a row without customer, a cell that is no date or number where one must be.
    """
    missing = tuple(dict.fromkeys([*missing, *getattr(known, "missing", ())]))
    file, frame = Path(path), read(path, missing)
    named = [target, *(name for name in (date, customer) if name), *(leave_out or []), *category]
    for name in named:
        if name not in frame:
            raise CreditLabError(f"{file}: no column {name!r}; {nearest(name, map(str, frame.columns))}")
    rows = frame[frame[target].str.strip() != ""].reset_index(drop=True)
    excluded = pd.DataFrame([("no outcome", len(frame) - len(rows))], columns=["reason", "rows"])
    cells = rows.drop(columns=[name for name in dict.fromkeys(named) if name not in category])
    if cells.shape[1] == 0:
        raise CreditLabError(f"{file}: no column is left to learn from")
    y = _event(rows[target], event, f"{file}: target {target!r}")
    nobody = np.flatnonzero(rows[customer] == "") if customer else np.empty(0, dtype=np.int64)
    if len(nobody):
        raise CreditLabError(f"{file}: {len(nobody)} rows have no {customer} (first: row {nobody[0] + 1} with outcome)")
    table = kinds_of_text(cells, category)
    dates = table.loc[table["kind"] == "date", "column"]
    if len(dates) and known is None:
        raise CreditLabError(
            f"{file}: column {dates.iloc[0]!r} holds dates; turn it into a number, such as days before the decision, "
            "or leave it out (leave_out)"
        )
    kinds = known.kinds if known is not None else dict(zip(table["column"], table["kind"], strict=True))
    return Modelling(
        typed(cells, kinds), y, _days(rows[date], f"{file}: {date}") if date else None,
        rows[customer] if customer else None, excluded, 0, str(file), rows[list(leave_out or [])],
        table if known is None else NO_KINDS, missing,
    )  # fmt: skip


def _days(cells: pd.Series, where: str) -> pd.Series:
    days, unread = parse.column(cells, "date", Formats())
    if unread.any():
        row = int(unread.argmax())
        raise CreditLabError(f"{where}: row {row + 1} holds {cells.iloc[row]!r}; write days like 2025-01-31")
    return days


YES = ("1", "1.0", "true", "yes", "y", "bad", "default", "defaulted", "违约", "是")


def _event(column: pd.Series, event: str, where: str) -> pd.Series:
    values = {str(value).strip(): value for value in column.unique()}
    listed = ", ".join(sorted(values)[:5])
    if len(values) != 2:
        raise CreditLabError(f"{where} has {len(values)} different values ({listed}); it must have two")
    if event and event not in values:
        raise CreditLabError(f"{where} has no value {event!r}; its values are {listed}")
    found = [name for name in values if name == event or (not event and name.lower() in YES)]
    if len(found) != 1:
        raise CreditLabError(f"{where}: which of {listed} is the default of a customer? Name it (event)")
    return (column == values[found[0]]).astype(int)


def gather(
    ledger: str,
    mapping: str,
    currency: str,
    rates: str,
    policy: str,
    months: int,
    table: str,
    target: str,
    event: str = "",
    date: str = "",
    customer: str = "",
    leave_out: str = "",
    *,
    card: str = "",
    bins: str = "",
    category: str = "",
    missing: str = "",
    known_on: str = "",
) -> Modelling:
    """`from_table` where a table is named, otherwise `from_ledger`; texts as a notebook or command line gives them.

    `target` is a column of the table; of a ledger it is the event, failed where none is named.

    Raises
    ------
    CreditLabError
        As these two; a table without the name of its target.
    """
    if not table:
        book = open_ledger(ledger, mapping, currency, rates, known_on)
        rules = open_policy(policy, book, rates) if policy else None
        return from_ledger(book, event=target or "failed", months=months, policy=rules)
    if not target:
        raise CreditLabError(f"{table}: name the column with the outcome (target)")
    left, codes = (names.replace(",", " ").split() for names in (leave_out, category))
    known = Scorecard.load(Path(card)) if card else Binner.load(Path(bins)) if bins else None
    return from_table(
        table, target, event=event, date=date, customer=customer, leave_out=left, known=known, category=codes,
        missing=missing.split(),
    )  # fmt: skip


def divide(rows: Modelling, boundary: str = "", *, seed: int = 0) -> tuple[Rows, Rows, str]:
    """Rows to train and to test on, and in words how they were divided.

    By time where there are dates and they reach far enough, without the last `outcome_days` before the boundary;
    otherwise by customer, or at random, 30 % for the test.
    """
    reach = 0 if rows.when is None else (rows.when.max() - rows.when.min()).days
    if rows.when is not None and (boundary or reach > 1.5 * rows.outcome_days):
        edge = pd.Timestamp(boundary) if boundary else rows.when.sort_values().iloc[int(0.75 * len(rows.when))]
        train, test = next(splits.by_time(rows.when, [edge], embargo_days=rows.outcome_days))
        before = f", {rows.outcome_days} days of outcomes before it left out" if rows.outcome_days else ""
        return train, test, f"by time at {edge.date()}{before}"
    who = rows.who if rows.who is not None else np.arange(len(rows.y))
    folds = list(splits.by_group(who, 10, seed=seed))
    test = np.sort(np.concatenate([part for _, part in folds[:3]]))
    train = np.setdiff1d(np.arange(len(rows.y)), test)
    return train, test, "by customer, 30 % for the test" if rows.who is not None else "at random, 30 % for the test"


def halves(rows: Modelling, boundary: str = "") -> tuple[Rows, Rows, str]:
    """Rows before and after a day (default: the last quarter of the rows), and how they were divided in words.

    Raises
    ------
    CreditLabError
        No rows on one side.
    """
    if rows.when is None:
        cut = int(0.75 * len(rows.y))
        return np.arange(cut), np.arange(cut, len(rows.y)), "first three quarters of the rows against the rest"
    edge = pd.Timestamp(boundary) if boundary else rows.when.sort_values().iloc[int(0.75 * len(rows.y))]
    before, after = next(splits.by_time(rows.when, [edge]))
    return before, after, f"divided at {edge.date()}"
