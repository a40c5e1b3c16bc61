"""The day or period a run is about: as given, else the last one the data cover, and a sentence that says so."""

import pandas as pd

from credit_lab import periods
from credit_lab.ledger.extent import documents_by_day
from credit_lab.ledger.model import Ledger


def day(book: Ledger, as_of: str, *, whole_months: bool = False) -> tuple[pd.Timestamp, list[str]]:
    """The day a run looks from, and what is to be said about it; what the ledger itself has to say
    (`Ledger.notes`) comes first.

    An empty text is the last day of the data (with `whole_months` the end of the last month they cover whole), and it
    is said which one; a day that is given stays as it is, and it is said when it lies before the first document or more
    than a month after the last day of the data.
    """
    found, said = _day(book, as_of, whole_months)
    return found, [*book.notes, *said]


def _day(book: Ledger, as_of: str, whole_months: bool) -> tuple[pd.Timestamp, list[str]]:
    """`day` without the notes of the ledger."""
    last, documents = book.last_day, documents_by_day(book.tables)
    if not as_of and whole_months:
        end = periods.last_whole(last, 1).end
        return end, [f"Up to {end.date()}, the last month the data cover whole (they end {last.date()})."]
    if not as_of:
        later = int(documents[documents.index > last].sum())
        more = [f"{later:,} entries are dated later, up to {documents.index[-1].date()}."] if later else []
        return last, [f"As of {last.date()}, the last day of the data.", *more]
    given, first = periods.parse_date(as_of, "as_of"), documents.index[0]
    if given > last + pd.DateOffset(months=1):
        return given, [f"{given.date()} is {(given - last).days} days after the last day of the data, {last.date()}."]
    if given < first:
        return given, [f"{given.date()} is before the first document of the data, {first.date()}."]
    return given, []


def period(book: Ledger, label: str) -> tuple[str, list[str]]:
    """The period a review is about, and what is to be said about it, as `day` does for a day.

    An empty text is the last quarter that the data cover whole, of a younger ledger the last whole month; where nothing
    was invoiced in either, the quarter of the last invoice.
    """
    found, said = _period(book, label)
    return found, [*book.notes, *said]


def _period(book: Ledger, label: str) -> tuple[str, list[str]]:
    """`period` without the notes of the ledger."""
    last = book.last_day
    if not label:
        issued = book.invoices["issue_date"]
        for months in (3, 1):
            chosen = periods.last_whole(last, months)
            if issued.between(chosen.start, chosen.end).any():
                return chosen.label, [
                    f"Period {chosen.label}, the last one the data cover whole (they end {last.date()})."
                ]
        sold = issued[issued <= last].max()
        label = f"{sold.year}Q{sold.quarter}" if pd.notna(sold) else periods.last_whole(last, 3).label
    window = periods.parse_period(label)
    if window.end > periods.last_whole(last, 1).end:
        return window.label, [f"{window.label} is not covered whole: the data end {last.date()}."]
    return window.label, []
