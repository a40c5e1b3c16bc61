"""Dates nobody can believe: texts such as 9999-12-31 that stand for "none", and slips such as the year 2923.

A sentinel is a day that programs write where there is none; read as a day it would settle an open item or end an open
dispute. It is emptied where it is read, and counted. In `valid_from` and `valid_to` it keeps its meaning: from or to
for ever.

A slip is a day of a document that stands apart from all others: seen from the median day of documents and receipts,
behind a stretch of ten years (before it: thirty, for an old debt may still be open) in which nothing happened. The row
is held back. Today's date plays no part: the same export is read alike on any day.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab.ledger.quarantine import Quarantine

Frames = dict[str, pd.DataFrame]
Span = tuple[pd.Timestamp, pd.Timestamp]  # first and last day
# What databases, spreadsheets and accounting systems write for "no date"; before 1900 and from `_LATEST` on whatever
# stands at the turn of a year.
_SENTINELS = pd.DatetimeIndex(
    ["1900-01-01", "1900-01-02", "1970-01-01", "2099-12-31", "2100-01-01", "2199-12-31", "2200-01-01"]
)
_EPOCH, _LATEST = pd.Timestamp("1970-01-01"), pd.Timestamp("2900-01-01")
_TURN_OF_YEAR = (101, 102, 1230, 1231)  # 0001-01-01, 1899-12-30, 3000-01-01, 9999-12-31
OPEN_ENDED = ("valid_from", "valid_to")
# The day on which a row of each table happened: these days follow one another closely in any ledger.
HAPPENED = {
    "invoices": ("issue_date",),
    "payments": ("paid_date",),
    "allocations": ("allocated_on",),
    "write_offs": ("written_off_on",),
    "disputes": ("opened_on",),
    "orders": ("ordered_on",),
    "actions": ("taken_on",),
    "control": ("as_of",),
}
_DUE = ("invoices", "instalments")
_AHEAD, _BACK = 10 * 366, 30 * 366  # days without any document behind which no day is believed; terms may be long
_ORIGIN, _DAYS = np.datetime64("1800-01-01", "D"), 182_622  # 1800 to 2299


def sentinels(days: pd.Series) -> npt.NDArray[np.bool_]:
    """True where a day stands for "no date": 9999-12-31, 1900-01-01, 1970-01-01 and their kin.

    Parameters
    ----------
    days : days (datetime64), empty ones allowed
    """
    found = ((days <= _EPOCH) | (days >= _SENTINELS[3])).to_numpy(dtype=bool, copy=True)
    if found.any():
        odd = days[found]
        turn_of_year = (100 * odd.dt.month + odd.dt.day).isin(_TURN_OF_YEAR)
        far = (odd < _SENTINELS[0]) | (odd >= _LATEST)
        found[found] = odd.isin(_SENTINELS) | (far & turn_of_year)
    return found


def span(frames: Frames) -> Span | None:
    """First and last day of documents and receipts that can be believed; None where there are none.

    Parameters
    ----------
    frames : tables of documents, of which invoices.issue_date and payments.paid_date are looked at
    """
    counts = np.zeros(_DAYS, dtype=np.int64)
    for name, column in (("invoices", "issue_date"), ("payments", "paid_date")):
        if name in frames and column in frames[name]:
            number = _numbers(frames[name][column])
            counts += np.bincount(number[(number >= 0) & (number < _DAYS)], minlength=_DAYS)
    used = np.flatnonzero(counts)
    if not len(used):
        return None
    middle = int(np.searchsorted(counts[used].cumsum(), (counts.sum() + 1) // 2))
    gaps = np.diff(used)
    ahead, back = np.flatnonzero(gaps[middle:] > _AHEAD), np.flatnonzero(gaps[:middle] > _BACK)
    last = used[middle + ahead[0]] if len(ahead) else used[-1]
    first = used[back[-1] + 1] if len(back) else used[0]
    return pd.Timestamp(_ORIGIN + first), pd.Timestamp(_ORIGIN + last)


def _numbers(days: pd.Series) -> npt.NDArray[np.int64]:
    held = days.dropna().to_numpy().astype("datetime64[D]")
    return np.asarray((held - _ORIGIN).astype(np.int64))


def believed(name: str, frame: pd.DataFrame, within: Span | None, quarantine: Quarantine) -> pd.DataFrame:
    """A table without the rows whose day lies beyond belief.

    Parameters
    ----------
    name, frame : table of a ledger
    within : first and last day of documents, from `span`
    quarantine : takes the rows, rule `unbelievable_date`
    """
    for column in HAPPENED.get(name, ()):
        if column in frame:
            wrong = beyond(frame[column], within)
            frame = quarantine.take(name, frame, wrong, "unbelievable_date", column=column)
    if name in _DUE and "due_date" in frame:
        wrong = beyond(frame["due_date"], within, ahead=_BACK)
        frame = quarantine.take(name, frame, wrong, "unbelievable_date", column="due_date")
    return frame


def beyond(days: pd.Series, within: Span | None, *, ahead: int = _AHEAD) -> npt.NDArray[np.bool_]:
    """True where a day lies more than thirty years before the documents or more than `ahead` days behind them."""
    if within is None:
        return np.zeros(len(days), dtype=bool)
    first, last = within[0] - pd.Timedelta(_BACK, "D"), within[1] + pd.Timedelta(ahead, "D")
    return ((days < first) | (days > last)).to_numpy(dtype=bool)
