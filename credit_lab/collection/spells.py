"""Invoices as spells: from a ledger or a flat table to what the payment-time model learns from.

A document (or instalment) is at risk from its issue date to the day its open amount reaches zero, or to the
as-of date. A written-off document never was paid: it stays at risk, unpaid, to the as-of date, which is what makes a
never-pays share. Documents settled before they were issued were paid in advance: nothing is to be predicted, they are
left out and counted. A dispute cuts a spell: before, during (`disputed` = yes) and after it.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab.aging.postings import INVOICE, postings
from credit_lab.collection.cells import CollectionError, Floats, Ints, day_number
from credit_lab.compiled import njit
from credit_lab.ids import looked_up
from credit_lab.ledger.model import Ledger
from credit_lab.money import minor_digits
from credit_lab.periods import takes_days

REMEMBERED = 200  # settlements of a customer that the running median looks back on


@dataclass(frozen=True)
class Spells:
    """Spells up to a day, and what they rest on.

    table : one row per stretch of an invoice: invoice_id, part, customer_id, issue_date, due_date, amount, term_days,
        disputed (yes or no), past_median (median days past due of the customer's settlements before the issue date,
        NaN without any), start, stop, paid
    open_rows : the parts still open after the as-of date with the same factors as known then, from_day (the day
        after) and open_amount
    left_out : documents settled before their issue date, not used
    as_of : last day known
    """

    table: pd.DataFrame
    open_rows: pd.DataFrame
    left_out: int
    as_of: pd.Timestamp


@takes_days
def build(ledger: Ledger, as_of: pd.Timestamp) -> Spells:
    """Spells of a one-currency ledger from documents, matchings and disputes dated and recorded up to `as_of`.

    Raises
    ------
    CollectionError
        Nothing was issued up to `as_of`.
    """
    ledger = ledger.known_by(as_of)
    rows = postings(ledger)
    rows = rows[(rows["day"] <= as_of) & (rows["kind"] == INVOICE)]
    keys = ["document_id", "part", "customer_id", "issue_date", "due_date"]
    parts = rows.groupby(keys, sort=True).agg(open_minor=("minor", "sum"), last=("day", "max")).reset_index()
    opened = rows[rows["minor"] > 0].groupby(["document_id", "part"])["minor"].sum()
    parts = parts.join(opened.rename("minor"), on=["document_id", "part"])
    parts = parts[parts["minor"].notna()].reset_index(drop=True)
    if parts.empty:
        raise CollectionError(f"payment spells: {ledger.source} has no invoice issued up to {as_of.date()}")
    scale = 10.0 ** minor_digits(ledger.currency)
    lost = set()
    if ledger.has("write_offs"):
        gone = ledger.tables["write_offs"]
        lost = set(gone.loc[(gone["written_off_on"] <= as_of) & (gone["amount"] > 0), "invoice_id"])
    written_off = parts["document_id"].isin(lost)
    settled = (parts["open_minor"] <= 0) & ~written_off
    table = pd.DataFrame(
        {
            "invoice_id": parts["document_id"],
            "part": parts["part"],
            "customer_id": parts["customer_id"],
            "issue_date": parts["issue_date"],
            "due_date": parts["due_date"],
            "amount": parts["minor"] / scale,
            "paid_on": parts["last"].where(settled),
        }
    )
    flat = from_table(table, as_of, disputes=ledger.tables.get("disputes"))
    waiting = parts.loc[(parts["open_minor"] > 0) & ~written_off, ["document_id", "part", "open_minor"]]
    waiting = waiting.rename(columns={"document_id": "invoice_id"}).assign(open_amount=waiting["open_minor"] / scale)
    still = flat.open_rows.merge(waiting.drop(columns="open_minor"), on=["invoice_id", "part"])
    return Spells(flat.table, still, flat.left_out, as_of)


@takes_days
def from_table(table: pd.DataFrame, as_of: pd.Timestamp, *, disputes: pd.DataFrame | None = None) -> Spells:
    """Spells from a flat table: invoice_id, customer_id, issue_date, due_date, amount, paid_on (NaT: open), and any
    further columns, which are kept as possible factors. Payments after `as_of` are not known yet."""
    needed = ("invoice_id", "customer_id", "issue_date", "due_date", "amount", "paid_on")
    missing = [name for name in needed if name not in table]
    if missing:
        raise CollectionError(f"payment spells: the table lacks {', '.join(missing)}")
    known = table[table["issue_date"] <= as_of].reset_index(drop=True)
    if "part" not in known:
        known = known.assign(part=0)
    ahead = (known["paid_on"] < known["issue_date"]).to_numpy()
    known = known[~ahead].reset_index(drop=True)
    paid = (known["paid_on"] <= as_of).to_numpy()
    known = known.assign(
        term_days=(known["due_date"] - known["issue_date"]).dt.days,
        past_median=past_median(known, known["customer_id"], day_number(known["issue_date"])),
        start=known["issue_date"],
        stop=known["paid_on"].where(paid, as_of),
        paid=paid,
        disputed="no",
    )
    whole = _cut(known, disputes, as_of) if disputes is not None and len(disputes) else known
    last = whole[(whole["stop"] >= as_of) & ~whole["paid"]]
    last = last[last["invoice_id"].isin(known.loc[known["paid_on"].isna() | ~paid, "invoice_id"])]
    day = as_of + pd.Timedelta(days=1)
    rows = last.drop(columns=["start", "stop", "paid", "paid_on"]).assign(from_day=day)
    return Spells(
        whole.drop(columns="paid_on").reset_index(drop=True), rows.reset_index(drop=True), int(ahead.sum()), as_of
    )


def _cut(known: pd.DataFrame, disputes: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """Cut the spells of disputed invoices where their first dispute opens and where the last one closes."""
    seen = disputes[disputes["opened_on"] <= as_of]
    closed = seen["closed_on"].where(seen["closed_on"] <= as_of)
    first = seen.groupby("invoice_id")["opened_on"].min()
    last = closed.fillna(as_of + pd.Timedelta(days=1)).groupby(seen["invoice_id"]).max()
    argued = known["invoice_id"].isin(first.index)
    part = known[argued]
    begin = looked_up(part["invoice_id"], first)
    end = looked_up(part["invoice_id"], last)
    day = pd.Timedelta(days=1)
    stretches = (
        part.assign(stop=np.minimum(part["stop"], begin - day)),
        part.assign(start=np.maximum(part["start"], begin), stop=np.minimum(part["stop"], end - day), disputed="yes"),
        part.assign(start=np.maximum(part["start"], end)),
    )
    pieces = pd.concat([known[~argued], *(piece[piece["stop"] >= piece["start"]] for piece in stretches)])
    ends = pieces.groupby(["invoice_id", "part"])["stop"].transform("max")
    return pieces.assign(paid=pieces["paid"] & (pieces["stop"] == ends)).sort_values(
        ["invoice_id", "part", "start"], kind="stable"
    )


def past_median(table: pd.DataFrame, customer: pd.Series, day: Ints) -> Floats:
    """Median days past due of each customer's last settlements before `day`; NaN where there is none.

    table : customer_id, due_date, paid_on; at most `REMEMBERED` settlements count.
    """
    settled = table[table["paid_on"].notna()]
    names = pd.Index(pd.unique(pd.concat([settled["customer_id"], customer]).astype("str")))
    who = names.get_indexer(pd.Index(settled["customer_id"].astype("str")))
    paid = day_number(settled["paid_on"])
    late = paid - day_number(settled["due_date"])
    asked = names.get_indexer(pd.Index(customer.astype("str")))
    order, query = np.lexsort((late, paid, who)), np.lexsort((day, asked))
    found = _running_median(who[order], paid[order], late[order], asked[query], np.asarray(day)[query], REMEMBERED)
    result = np.empty(len(found))
    result[query] = found
    return result


@njit()
def _running_median(who, paid, late, asked, day, remembered):  # type: ignore[no-untyped-def] # pragma: no cover
    """Both sides sorted by customer and day; a sorted window of the last settlements per customer."""
    window = np.empty(remembered + 1, np.int64)
    result = np.full(len(asked), np.nan)
    i, begin, count, current = 0, 0, 0, -1
    for k in range(len(asked)):
        if asked[k] != current:
            current, count = asked[k], 0
            while i < len(who) and who[i] < current:
                i += 1
            begin = i
        while i < len(who) and who[i] == current and paid[i] < day[k]:
            if count == remembered:  # drop the oldest
                old = late[i - remembered] if i - remembered >= begin else window[0]
                p = 0
                while window[p] != old:
                    p += 1
                for q in range(p, count - 1):
                    window[q] = window[q + 1]
                count -= 1
            p = count
            while p > 0 and window[p - 1] > late[i]:
                window[p] = window[p - 1]
                p -= 1
            window[p] = late[i]
            count += 1
            i += 1
        if count:
            result[k] = (window[(count - 1) // 2] + window[count // 2]) / 2
    return result
