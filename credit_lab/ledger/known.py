"""What was known when: rows recorded after the day they are dated, and how to look back past them.

A row is known from the later of its day and its `known_on`. `Ledger.known_by` is the ledger as
somebody saw it on one day. What looks back over many days asks here on which of them, and of whom,
something was recorded only later: all other days are as the books stand now, and cost nothing.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace

import pandas as pd

from credit_lab import schema
from credit_lab.errors import LedgerError
from credit_lab.ids import looked_up
from credit_lab.ledger.extent import DATED as SETTLING
from credit_lab.ledger.extent import documents_by_day
from credit_lab.ledger.model import Ledger
from credit_lab.periods import parse_date

# Day from which a row counts; a row of another table counts from the first day on.
DATED = {
    **SETTLING,
    "disputes": "opened_on",
    "orders": "ordered_on",
    "contracts": "signed_on",
    "limits": "valid_from",
    "covers": "valid_from",
    "actions": "taken_on",
    "facts": "observed_on",
    "financials": "published_on",
    "assessments": "assessed_on",
}
_ENDS = {"disputes": "closed_on", "contracts": "valid_to", "limits": "valid_to", "covers": "valid_to"}
_ALWAYS = pd.Timestamp("1700-01-01")


def as_known(ledger: Ledger, known_on: str) -> Ledger:
    """The ledger as it was known at the end of a day, with a note (`Ledger.notes`) that says so.

    What was recorded after the day is left out (`Ledger.known_by`), and what is dated after it
    (`Ledger.up_to`): rows without `known_on` count as known when they happened, and nobody knew on
    the day what was still to happen.

    Parameters
    ----------
    ledger : as read
    known_on : day, as 2025-06-30; empty: the ledger as it is

    Raises
    ------
    PeriodError
        No day.
    LedgerError
        Nothing is dated, or nothing had been recorded, by the day.
    """
    if not known_on:
        return ledger
    day = parse_date(known_on, "known_on")
    first = documents_by_day(ledger.tables).index.min()
    if day < first:
        raise LedgerError(f"known_on {day.date()} is before the first document of the data, {first.date()}")
    seen = ledger.known_by(day).up_to(day)
    beside = {
        name: rows[~(rows[DATED[name]] > day)] for name, rows in seen.tables.items() if DATED.get(name, "") in rows
    }
    seen = replace(seen, tables={**seen.tables, **beside})
    if documents_by_day(seen.tables).empty:
        raise LedgerError(f"{ledger.source}: no document had been recorded by {day.date()} (known_on)")
    return replace(seen, notes=(*ledger.notes, *_notes(ledger, seen, day)))


def _notes(ledger: Ledger, seen: Ledger, day: pd.Timestamp) -> list[str]:
    """What was left out, and of which documents nobody can say."""
    out = sum(len(table) - len(seen.tables[name]) for name, table in ledger.tables.items())
    tables = _recording(ledger)
    if not tables:
        return [
            f"As known on {day.date()}: no table says when its rows were recorded (known_on), so what was "
            f"recorded late is not known; {out:,} rows dated later are left out."
        ]
    later = sum(int((table["known_on"] > day).sum()) for table in tables.values())
    said = [f"As known on {day.date()}: {later:,} rows recorded later are left out."]
    if out > later:
        said.append(f"Left out as well: {out - later:,} rows dated later, or of what is left out.")
    silent = [name for name in SETTLING if len(ledger.rows(name)) and name not in tables]
    if silent:
        said.append(f"When these were recorded is not known, so they count from their day: {', '.join(silent)}.")
    return said


def _recording(ledger: Ledger) -> dict[str, pd.DataFrame]:
    """Tables that say when their rows were recorded."""
    return {name: table for name, table in ledger.tables.items() if "known_on" in table}


def late(ledger: Ledger) -> pd.DataFrame:
    """Rows recorded after the day they count from.

    Returns
    -------
    DataFrame
        table, customer_id (of limits also a group), since (day it counts from), until (day it was
        recorded): from `since` to the day before `until` nobody knew of it.
    """
    if "late" not in ledger.derived:
        parts = [_late(ledger, name, table) for name, table in _recording(ledger).items() if name != "control"]
        nothing = schema.no_rows({"table": "text", "customer_id": "id", "since": "date", "until": "date"})
        ledger.derived["late"] = pd.concat([nothing, *parts], ignore_index=True)
    found: pd.DataFrame = ledger.derived["late"]
    return found


def _late(ledger: Ledger, name: str, table: pd.DataFrame) -> pd.DataFrame:
    """`late` of one table."""
    since = table[DATED[name]] if name in DATED else pd.Series(_ALWAYS, index=table.index)
    if name == "invoices" and "delivered_on" in table:
        since = since.where(~(table["delivered_on"] < since), table["delivered_on"])
    rows = table[table["known_on"] > since]
    invoices = ledger.invoices.set_index("invoice_id")
    who = rows["customer_id"] if "customer_id" in rows else looked_up(rows["invoice_id"], invoices["customer_id"])
    if name == "instalments":
        since = looked_up(rows["invoice_id"], invoices["issue_date"])
    days = {"since": since.loc[rows.index], "until": rows["known_on"]}
    return pd.DataFrame({"table": name, "customer_id": who, **days})


def days_affected(
    ledger: Ledger, days: pd.DatetimeIndex, tables: Collection[str] = schema.TABLES
) -> Iterator[tuple[pd.Timestamp, pd.Series]]:
    """Days on which something was not known yet that is known now, each with whom it concerns.

    Parameters
    ----------
    ledger : as known at the last of the days
    days : asked about
    tables : that the asker reads
    """
    rows = late(ledger)
    rows = rows[rows["table"].isin(list(tables))]
    for day in days if len(rows) else ():
        unseen = rows[(rows["since"] <= day) & (rows["until"] > day)]
        if len(unseen):
            yield day, unseen["customer_id"].drop_duplicates()


def recorded(ledger: Ledger, *, invoices: bool = True) -> Ledger:
    """The ledger with every row dated when it was known, for what walks through days.

    The sum of its postings up to a day is that of `known_by` that day. What had ended before it was
    recorded is left out.

    Parameters
    ----------
    ledger : any
    invoices : False: invoices keep their days, since they stand for orders that were asked then
    """
    if late(ledger).empty:
        return ledger
    tables = dict(ledger.tables)
    issued = ledger.invoices.set_index("invoice_id")
    for name in DATED.keys() & tables.keys():
        table = tables[name]
        seen = table["known_on"] if "known_on" in table else pd.Series(pd.NaT, index=table.index)
        if name in ("allocations", "write_offs") and "known_on" in issued:  # not before what they settle
            seen = _later(looked_up(table["invoice_id"], issued["known_on"]), seen)
        if name == "invoices" and not invoices:
            seen = seen.where(table["amount"] < 0)
        days = {day: _later(table[day], seen) for day in (DATED[name], "delivered_on") if day in table}
        tables[name] = table.assign(**days)
        if _ENDS.get(name) in table:
            tables[name] = tables[name][~(table[_ENDS[name]] < days[DATED[name]])]
    return replace(ledger, tables=tables)


def _later(day: pd.Series, other: pd.Series) -> pd.Series:
    """The later of two days, or the one that there is."""
    return day.where(other.isna() | (day >= other), other.astype(day.dtype))
