"""Rules between rows and tables: repeated ids, dates in the wrong order, references into nowhere, over-settlement.

Every rule moves whole rows to the quarantine; which row goes does not depend on the order of the rows.
"""

import numpy as np
import pandas as pd

from credit_lab import money, schema
from credit_lab.ledger.quarantine import Quarantine

Frames = dict[str, pd.DataFrame]
_SPANS = {
    "invoices": ("issue_date", "due_date", "due_before_issue"),
    "disputes": ("opened_on", "closed_on", "ends_before_start"),
    "limits": ("valid_from", "valid_to", "ends_before_start"),
    "contracts": ("signed_on", "valid_to", "ends_before_start"),
    "covers": ("valid_from", "valid_to", "ends_before_start"),
}


def apply(frames: Frames, quarantine: Quarantine, *, allow_prepayment: bool) -> Frames:
    """Frames without the rows that contradict another table; tables that others refer to are cleaned first.

    An allocation dated before its invoice is refused unless `allow_prepayment`: then it counts from the invoice's
    own date. A receipt that precedes the invoice is no offence in itself, it waits as unapplied cash.
    """
    kept = {name: alone(name, frame, quarantine) for name, frame in frames.items()}
    if "customers" in kept:
        kept = {name: _customer_known(name, frame, kept["customers"], quarantine) for name, frame in kept.items()}
    for name in ("instalments", "disputes", "write_offs", "actions"):
        if name in kept and "invoice_id" in kept[name]:
            known = kept[name]["invoice_id"].isin(kept["invoices"]["invoice_id"]) | kept[name]["invoice_id"].isna()
            kept[name] = quarantine.take(name, kept[name], ~known, "unknown_invoice", column="invoice_id")
    if "instalments" in kept:
        kept["instalments"] = _instalments_fit(kept["instalments"], kept["invoices"], quarantine)
    if "allocations" in kept:
        kept["allocations"] = _allocations_fit(kept, quarantine, allow_prepayment)
    return _not_oversettled(kept, quarantine)


def alone(name: str, frame: pd.DataFrame, quarantine: Quarantine) -> pd.DataFrame:
    """A table without the rows that break a rule by themselves: repeated ids, periods that end before they start."""
    key = [column for column in schema.table(name).key if column in frame]
    if key:
        repeated = frame.duplicated(key, keep=False)
        frame = quarantine.take(name, frame, repeated, "duplicate_id", column=key[0])
    if name in _SPANS:
        start, end, rule = _SPANS[name]
        if end in frame:
            frame = quarantine.take(name, frame, frame[end] < frame[start], rule, column=end)
    return frame


def _customer_known(name: str, frame: pd.DataFrame, customers: pd.DataFrame, quarantine: Quarantine) -> pd.DataFrame:
    if name == "customers" or "customer_id" not in frame:
        return frame
    known = frame["customer_id"].isin(customers["customer_id"])
    if name == "limits" and "group_id" in customers:
        known |= frame["customer_id"].isin(customers["group_id"])
    return quarantine.take(name, frame, ~known, "unknown_customer", column="customer_id")


def _instalments_fit(parts: pd.DataFrame, invoices: pd.DataFrame, quarantine: Quarantine) -> pd.DataFrame:
    """Instalments that make up their invoice, none below zero, none due before it; else all of the invoice's go."""
    document = invoices.set_index("invoice_id")
    early = parts["due_date"] < parts["invoice_id"].map(document["issue_date"])
    parts = _whole_plans(parts, early, "due_before_issue", "due_date", quarantine)
    below = (parts["amount"] < 0) | (parts["invoice_id"].map(document["amount"]) < 0)
    parts = _whole_plans(parts, below, "instalments_against_sign", "amount", quarantine)
    currency = parts["invoice_id"].map(document["currency"])
    minor = pd.Series(money.to_minor(parts["amount"], currency), index=parts.index)
    whole = pd.Series(money.to_minor(document["amount"], document["currency"]), index=document.index)
    same = minor.groupby(parts["invoice_id"]).transform("sum") == parts["invoice_id"].map(whole)
    return quarantine.take("instalments", parts, ~same, "instalments_differ", column="amount")


def _whole_plans(parts: pd.DataFrame, wrong: pd.Series, rule: str, column: str, quarantine: Quarantine) -> pd.DataFrame:
    whole = parts["invoice_id"].isin(parts.loc[wrong, "invoice_id"])
    return quarantine.take("instalments", parts, whole, rule, column=column)


def _allocations_fit(kept: Frames, quarantine: Quarantine, allow_prepayment: bool) -> pd.DataFrame:
    """References, parties, currency and dates of allocations, then what each payment can give."""
    rows = kept["allocations"]
    document = kept["invoices"].set_index("invoice_id")
    rows = quarantine.take(
        "allocations", rows, ~rows["invoice_id"].isin(document.index), "unknown_invoice", column="invoice_id"
    )
    giver = givers(kept)
    rows = quarantine.take(
        "allocations", rows, ~rows["payment_id"].isin(giver.index), "unknown_payment", column="payment_id"
    )
    for column, rule in (("customer_id", "other_customer"), ("currency", "other_currency")):
        differs = rows["payment_id"].map(giver[column]) != rows["invoice_id"].map(document[column])
        rows = quarantine.take("allocations", rows, differs, rule, column="payment_id")
    if not allow_prepayment:
        early = rows["allocated_on"].to_numpy() < document["issue_date"].reindex(rows["invoice_id"]).to_numpy()
        rows = quarantine.take("allocations", rows, early, "payment_before_invoice", column="allocated_on")
    currency = rows["payment_id"].map(giver["currency"])
    minor = pd.Series(money.to_minor(rows["amount"], currency), index=rows.index)
    beyond = _beyond(rows["payment_id"], rows["allocated_on"], minor, rows["payment_id"].map(giver["minor"]))
    return quarantine.take("allocations", rows, beyond, "allocation_exceeds_payment", column="amount")


def givers(frames: Frames) -> pd.DataFrame:
    """What can be matched to an invoice: receipts, and credit notes by their document number (set-off).

    Indexed by id; columns customer_id, currency, dated, minor (what it can give, in minor units).
    """
    payments, invoices = frames["payments"], frames["invoices"]
    notes = invoices[(invoices["amount"] < 0) & ~invoices["invoice_id"].isin(payments["payment_id"])]
    columns = ["id", "customer_id", "currency", "dated", "amount"]
    receipts = payments.rename(columns={"payment_id": "id", "paid_date": "dated"})[columns]
    notes = notes.rename(columns={"invoice_id": "id", "issue_date": "dated"})[columns]
    both = pd.concat([receipts, notes.assign(amount=-notes["amount"])], ignore_index=True)
    return both.assign(minor=money.to_minor(both["amount"], both["currency"])).set_index("id")


def _not_oversettled(kept: Frames, quarantine: Quarantine) -> Frames:
    """Hold back what would settle a document beyond its amount, in order of date."""
    document = kept["invoices"].set_index("invoice_id")
    worth = pd.Series(money.to_minor(document["amount"], document["currency"]), index=document.index)
    parts = []
    for name, day in (("allocations", "allocated_on"), ("write_offs", "written_off_on")):
        if name in kept and len(kept[name]):
            rows = kept[name]
            minor = money.to_minor(rows["amount"], rows["invoice_id"].map(document["currency"]))
            parts.append(pd.DataFrame({"table": name, "id": rows["invoice_id"], "day": rows[day], "minor": minor}))
            notes = rows[rows["payment_id"].isin(document.index)] if name == "allocations" else rows[:0]
            if len(notes):
                used = -money.to_minor(notes["amount"], notes["payment_id"].map(document["currency"]))
                parts.append(pd.DataFrame({"table": "", "id": notes["payment_id"], "day": notes[day], "minor": used}))
    if not parts:
        return kept
    settled = pd.concat(parts)
    position = np.arange(len(settled))
    beyond = _beyond(
        settled["id"].set_axis(position),
        settled["day"].set_axis(position),
        settled["minor"].set_axis(position),
        settled["id"].map(worth).set_axis(position),
    )
    result = dict(kept)
    for name in ("allocations", "write_offs"):
        mine = (settled["table"] == name).to_numpy()
        if mine.any():
            over = kept[name].index.isin(settled.index[mine & beyond.to_numpy()])
            result[name] = quarantine.take(name, kept[name], over, "settlement_exceeds_invoice", column="amount")
    return result


def _beyond(key: pd.Series, day: pd.Series, minor: pd.Series, worth: pd.Series) -> pd.Series:
    """True where the running total of `minor` per key leaves the range between zero and `worth`."""
    moves = pd.DataFrame({"key": key, "day": day, "minor": minor, "worth": worth.fillna(0).astype("int64")})
    ordered = moves.sort_values(["key", "day", "minor"], kind="stable")
    running = ordered["minor"].groupby(ordered["key"]).cumsum()
    low, high = np.minimum(ordered["worth"], 0), np.maximum(ordered["worth"], 0)
    return ((running < low) | (running > high)).reindex(moves.index)
