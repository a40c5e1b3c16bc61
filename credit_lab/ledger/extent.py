"""How far the data reach: the last day up to which a ledger can be believed to be complete.

The latest date is a poor answer: one invoice dated 2923, a cheque dated ahead or an export made at noon would move
every figure. What is due in the future is no part of the data; when it was issued is.
"""

import numpy as np
import pandas as pd

# Tables of documents and of what settles them, with the column that says when.
DATED = {
    "invoices": "issue_date",
    "payments": "paid_date",
    "allocations": "allocated_on",
    "write_offs": "written_off_on",
}
SILENCE_DAYS = 183  # a trade that is silent for longer has ended, or what follows bears a wrong date
CLOSING_DAYS = 7  # a few days without a document before the books are closed
MISSING_DAYS = 31  # invoices or receipts that stop so much before the rest were not exported to the end
THIN = 0.2  # a day with a smaller share of what its weekday usually holds is not complete


def documents_by_day(tables: dict[str, pd.DataFrame]) -> "pd.Series[int]":
    """Number of documents (invoices, credit notes, receipts, allocations, write-offs) per day, in order of days."""
    counts = [tables[name][column].value_counts(sort=False) for name, column in DATED.items() if name in tables]
    whole = pd.concat([count[count.index.notna()] for count in counts])
    return whole.groupby(whole.index.astype("datetime64[s]").normalize()).sum().sort_index()


def complete_until(tables: dict[str, pd.DataFrame]) -> pd.Timestamp:
    """Last day up to which a ledger's tables are complete; NaT where nothing is dated.

    The last day of all documents (`last_day`). Where invoices, or receipts, came at least weekly and stop more than a
    month earlier, which is also more than three times their longest silence of the year before, it is their last day:
    after it, balances and sales would lack what was not exported. A control account balance within a week after it says
    that nothing lacks up to its day.
    """
    end = whole = last_day(documents_by_day(tables))
    for name in ("invoices", "payments"):
        own = documents_by_day({name: tables[name]})
        last = last_day(own)
        if pd.isna(last):
            continue
        year = own[(own.index > last - pd.Timedelta(days=365)) & (own.index <= last)]
        silence = year.index.to_series().diff().max()
        waited = whole - last
        if year.sum() >= 52 and waited > max(pd.Timedelta(days=MISSING_DAYS), 3 * silence):
            end = min(end, last)
    return _closed(tables, end)


def _closed(tables: dict[str, pd.DataFrame], end: pd.Timestamp) -> pd.Timestamp:
    """The day of a control account balance up to a week later: the books were closed then."""
    if "control" not in tables or pd.isna(end):
        return end
    days = tables["control"]["as_of"]
    return max([end, *days[days.between(end, end + pd.Timedelta(days=CLOSING_DAYS))]])


def last_day(documents: "pd.Series[int]") -> pd.Timestamp:
    """Last day up to which documents are dated as densely as usual; NaT where nothing is dated.

    1. What follows a silence of y years (more than half a year) counts only if it holds at least min(y / 10, 1 / 2)
       of all documents; otherwise the data end before the silence.
    2. Of the days left, the last one that holds at least a fifth of what its weekday held in the year up to then
       (median, days without documents counted as 0).

    Parameters
    ----------
    documents : number of documents per day, as `documents_by_day` gives them

    Examples
    --------
    >>> days = pd.to_datetime(["2024-01-31", "2024-02-29", "2024-03-28", "2923-04-30"])
    >>> last_day(pd.Series(1, index=days.astype("datetime64[s]"))).date()
    datetime.date(2024, 3, 28)
    """
    if documents.empty:
        return pd.NaT
    day = documents.index.to_numpy().astype("datetime64[D]").astype(np.int64)
    count = documents.to_numpy()
    silence = np.diff(day)
    after = 1 - count.cumsum()[:-1] / count.sum()
    stray = (silence > SILENCE_DAYS) & (after < np.minimum(silence / 3652.5, 0.5))
    end = int(stray.argmax()) + 1 if stray.any() else len(day)
    begin = int(np.searchsorted(day[:end], day[end - 1] - 364))
    day, count = day[begin:end], count[begin:end]
    calendar = np.zeros(day[-1] - day[0] + 1)
    calendar[day - day[0]] = count
    weekday = np.arange(len(calendar)) % 7
    usual = np.array([np.median(calendar[number::7]) for number in range(min(7, len(calendar)))])
    full = (calendar > 0) & (calendar >= THIN * usual[weekday])
    return pd.Timestamp(np.datetime64(int(day[0] + np.flatnonzero(full)[-1]), "D")).as_unit("us")
