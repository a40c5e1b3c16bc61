"""A ledger as signed postings: what was open on any day is a sum over the postings up to that day.

An invoice is +amount on its issue day, a receipt −amount on its day as unapplied cash; matching moves an amount from
unapplied cash (or from a credit note) to the invoice and sums to zero; a write-off is −amount on the invoice, a
recovery +amount. Every posting carries the reference dates of the document it belongs to, so nothing has to be
joined again. int64 minor units: sums are exact and do not depend on the order.
"""

import numpy as np
import pandas as pd

from credit_lab import money
from credit_lab.ids import among, positions
from credit_lab.ledger.model import Ledger

INVOICE, CREDIT_NOTE, CASH = 0, 1, 2
KINDS = ("invoice", "credit_note", "unapplied_cash")
KEPT = 200_000  # invoices up to which postings are kept with their ledger, some 60 MB
COLUMNS = ["kind", "document_id", "part", "customer_id", "day", "issue_date", "due_date", "minor"]


def postings(ledger: Ledger) -> pd.DataFrame:
    """All postings of a one-currency ledger; those of a short one are worked out once and kept with it.

    Returns
    -------
    DataFrame
        kind (0 invoice, 1 credit note, 2 cash not yet matched), document_id, part (0, or the number of the
        instalment), customer_id, day (Timestamp from which it counts), issue_date, due_date (cash: the day received),
        minor (signed int64 minor units). A matching counts from the latest of its own date and those of the documents
        it joins; a write-off not before its invoice.

    Raises
    ------
    LedgerError
        The ledger holds several currencies.
    """
    if len(ledger.invoices) > KEPT:
        return _postings(ledger)
    if "postings" not in ledger.derived:
        ledger.derived["postings"] = _postings(ledger)
    kept: pd.DataFrame = ledger.derived["postings"]
    return kept.copy(deep=False)


def _postings(ledger: Ledger) -> pd.DataFrame:
    code = ledger.currency
    invoices = ledger.invoices
    documents = pd.DataFrame(
        {
            "kind": np.where(invoices["amount"] < 0, CREDIT_NOTE, INVOICE),
            "document_id": invoices["invoice_id"],
            "customer_id": invoices["customer_id"],
            "day": invoices["issue_date"],
            "issue_date": invoices["issue_date"],
            "due_date": invoices["due_date"],
            "minor": money.to_minor(invoices["amount"], code),
        }
    )
    payments = ledger.payments
    cash = pd.DataFrame(
        {
            "kind": CASH,
            "document_id": payments["payment_id"],
            "customer_id": payments["customer_id"],
            "day": payments["paid_date"],
            "issue_date": payments["paid_date"],
            "due_date": payments["paid_date"],
            "minor": -money.to_minor(payments["amount"], code),
        }
    )
    moves = _matching(ledger, documents, cash, code) + _written_off(ledger, documents, code)
    parts = _split(ledger, pd.concat([documents, *moves[:1], *moves[2:]], ignore_index=True), code)
    whole = pd.concat([parts, cash, *moves[1:2]], ignore_index=True)
    return whole.assign(part=whole["part"].fillna(0).astype("int64"))[COLUMNS]


def _matching(ledger: Ledger, documents: pd.DataFrame, cash: pd.DataFrame, code: str) -> list[pd.DataFrame]:
    """Postings on the settled document and the opposite ones on the receipt or credit note that settles it."""
    rows = ledger.allocations
    target = documents.take(positions(rows["invoice_id"], documents["document_id"])).reset_index(drop=True)
    notes = documents[documents["kind"] == CREDIT_NOTE]
    givers = pd.concat([cash, notes], ignore_index=True)
    giver = givers.take(positions(rows["payment_id"], givers["document_id"])).reset_index(drop=True)
    day = np.maximum.reduce([rows["allocated_on"].to_numpy(), target["day"].to_numpy(), giver["day"].to_numpy()])
    minor = money.to_minor(rows["amount"], code)
    return [target.assign(day=day, minor=-minor), giver.assign(day=day, minor=minor)]


def _written_off(ledger: Ledger, documents: pd.DataFrame, code: str) -> list[pd.DataFrame]:
    if not ledger.has("write_offs"):
        return []
    rows = ledger.tables["write_offs"]
    target = documents.take(positions(rows["invoice_id"], documents["document_id"])).reset_index(drop=True)
    day = np.maximum(rows["written_off_on"].to_numpy(), target["day"].to_numpy())
    return [target.assign(day=day, minor=-money.to_minor(rows["amount"], code))]


def _split(ledger: Ledger, rows: pd.DataFrame, code: str) -> pd.DataFrame:
    """Spread the postings of invoices with instalments over these; money settles the earliest due part first."""
    if not ledger.has("instalments") or ledger.tables["instalments"].empty:
        return rows.assign(part=0)
    parts = ledger.tables["instalments"].sort_values(["invoice_id", "due_date", "amount"], kind="stable")
    minor = pd.Series(money.to_minor(parts["amount"], code), index=parts.index)
    high = minor.groupby(parts["invoice_id"]).cumsum()
    number = parts.groupby("invoice_id").cumcount() + 1
    plan = pd.DataFrame(
        {
            "document_id": parts["invoice_id"],
            "part": number,
            "part_due": parts["due_date"],
            "low": high - minor,
            "high": high,
        }
    )
    split = among(rows["document_id"], plan["document_id"])
    opening = rows[split & (rows["minor"] > 0) & (rows["day"] == rows["issue_date"])].drop_duplicates("document_id")
    later = rows[split].drop(opening.index).sort_values(["document_id", "day"], kind="stable")
    paid = -later["minor"]
    until = paid.groupby(later["document_id"]).cumsum()
    spread = later.assign(since=until - paid, until=until).merge(plan, on="document_id")
    share = spread["until"].clip(spread["low"], spread["high"]) - spread["since"].clip(spread["low"], spread["high"])
    settled = spread.assign(minor=-share, due_date=spread["part_due"])[share != 0]
    opened = opening.merge(plan, on="document_id")
    opened = opened.assign(minor=opened["high"] - opened["low"], due_date=opened["part_due"])
    keep = [column for column in COLUMNS if column in rows or column == "part"]
    return pd.concat([rows[~split].assign(part=0), opened[keep], settled[keep]], ignore_index=True)


def spans(rows: pd.DataFrame) -> pd.DataFrame:
    """Runs of days over which a document's open amount stays the same and is not zero.

    Returns the columns of `postings` without day, with since (first day), until (day after the last, NaT: still
    open at the end of the data) and minor (open amount over the run). Ordered by kind, document, part and day.
    """
    if rows.empty:
        return rows.rename(columns={"day": "since"}).assign(until=rows["day"])
    names, number = pd.factorize(rows["document_id"], sort=True)[::-1]
    key = (rows["kind"].to_numpy() * (len(names) + 1) + number) * (int(rows["part"].max()) + 1) + rows["part"]
    key = key.to_numpy()
    order = np.lexsort((rows["day"].to_numpy(), key))
    frame = rows.take(order)
    key, day = key[order], frame["day"].to_numpy()
    total = np.cumsum(frame["minor"].to_numpy())
    fresh = np.r_[True, key[1:] != key[:-1]]  # first posting of a document
    before = np.r_[0, total[:-1]][fresh]
    balance = total - np.repeat(before, np.diff(np.r_[np.flatnonzero(fresh), len(key)]))
    last = np.r_[(key[1:] != key[:-1]) | (day[1:] != day[:-1]), True]  # last posting of its day
    frame = frame[last].rename(columns={"day": "since"}).assign(minor=balance[last])
    same = np.r_[key[last][1:] == key[last][:-1], False]
    until = np.where(same, np.r_[day[last][1:], np.datetime64("NaT")], np.datetime64("NaT"))
    frame = frame.assign(until=until.astype("datetime64[us]"))
    return frame[frame["minor"] != 0].reset_index(drop=True)
