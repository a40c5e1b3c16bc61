"""Rules between rows and tables: repeated ids, dates in the wrong order, references into nowhere, over-settlement.

Every rule moves whole rows to the quarantine; which row goes does not depend on the order of the rows.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab import money, schema
from credit_lab.ids import among, looked_up, positions, repeated
from credit_lab.ledger.quarantine import Quarantine

Frames = dict[str, pd.DataFrame]
Rows = npt.NDArray[np.int64]
_SETTLING = (("allocations", "allocated_on"), ("write_offs", "written_off_on"))
_SPANS = {
    "invoices": ("issue_date", "due_date", "due_before_issue"),
    "disputes": ("opened_on", "closed_on", "ends_before_start"),
    "limits": ("valid_from", "valid_to", "ends_before_start"),
    "contracts": ("signed_on", "valid_to", "ends_before_start"),
    "covers": ("valid_from", "valid_to", "ends_before_start"),
}


def apply(frames: Frames, quarantine: Quarantine, *, allow_prepayment: bool) -> Frames:
    """Frames without the rows that contradict another table; tables that others refer to are cleaned first.

    `frames` are the documents and what settles them; invoices have been looked at `alone` before. They are taken out
    of `frames`, so that a table of which rows are held back is not in memory twice.

    An allocation dated before its invoice is refused unless `allow_prepayment`: then it counts from the invoice's
    own date. A receipt that precedes the invoice is no offence in itself, it waits as unapplied cash.
    """
    kept: Frames = {}
    for name in list(frames):
        kept[name] = frames.pop(name) if name == "invoices" else alone(name, frames.pop(name), quarantine)
    if "customers" in kept:
        for name in kept:
            kept[name] = _customer_known(name, kept[name], kept["customers"], quarantine)
    for name in ("instalments", "disputes", "write_offs"):
        if name in kept:
            kept[name] = _invoice_known(name, kept[name], kept["invoices"], quarantine)
    if "instalments" in kept:
        kept["instalments"] = _instalments_fit(kept["instalments"], kept["invoices"], quarantine)
    if "allocations" in kept:
        kept["allocations"] = _allocations_fit(kept, quarantine, allow_prepayment)
    return _not_oversettled(kept, quarantine)


def beside(name: str, frame: pd.DataFrame, kept: Frames, quarantine: Quarantine) -> pd.DataFrame:
    """A table that nothing refers to (orders, limits, actions ...) without the rows that contradict the kept ones."""
    frame = alone(name, frame, quarantine)
    if "customers" in kept:
        frame = _customer_known(name, frame, kept["customers"], quarantine)
    return _invoice_known(name, frame, kept["invoices"], quarantine) if "invoice_id" in frame else frame


def alone(name: str, frame: pd.DataFrame, quarantine: Quarantine) -> pd.DataFrame:
    """A table without the rows that break a rule by themselves: repeated ids, periods that end before they start."""
    key = [column for column in schema.table(name).key if column in frame]
    if key:
        frame = quarantine.take(name, frame, repeated(frame[key]), "duplicate_id", column=key[0])
    if name in _SPANS:
        start, end, rule = _SPANS[name]
        if end in frame:
            frame = quarantine.take(name, frame, frame[end] < frame[start], rule, column=end)
    return frame


def _customer_known(name: str, frame: pd.DataFrame, customers: pd.DataFrame, quarantine: Quarantine) -> pd.DataFrame:
    if name == "customers" or "customer_id" not in frame:
        return frame
    known = among(frame["customer_id"], customers["customer_id"])
    if name == "limits" and "group_id" in customers:
        known |= among(frame["customer_id"], customers["group_id"])
    return quarantine.take(name, frame, ~known, "unknown_customer", column="customer_id")


def _invoice_known(name: str, frame: pd.DataFrame, invoices: pd.DataFrame, quarantine: Quarantine) -> pd.DataFrame:
    ids = frame["invoice_id"]
    known = among(ids, invoices["invoice_id"]) | ids.isna()
    return quarantine.take(name, frame, ~known, "unknown_invoice", column="invoice_id")


def _instalments_fit(parts: pd.DataFrame, invoices: pd.DataFrame, quarantine: Quarantine) -> pd.DataFrame:
    """Instalments that make up their invoice, none below zero, none due before it; else all of the invoice's go."""
    document = invoices.set_index("invoice_id")
    early = parts["due_date"] < looked_up(parts["invoice_id"], document["issue_date"])
    parts = _whole_plans(parts, early, "due_before_issue", "due_date", quarantine)
    below = (parts["amount"] < 0) | (looked_up(parts["invoice_id"], document["amount"]) < 0)
    parts = _whole_plans(parts, below, "instalments_against_sign", "amount", quarantine)
    currency = looked_up(parts["invoice_id"], document["currency"])
    minor = pd.Series(money.to_minor(parts["amount"], currency), index=parts.index)
    whole = pd.Series(money.to_minor(document["amount"], document["currency"]), index=document.index)
    same = minor.groupby(parts["invoice_id"]).transform("sum") == looked_up(parts["invoice_id"], whole)
    return quarantine.take("instalments", parts, ~same, "instalments_differ", column="amount")


def _whole_plans(parts: pd.DataFrame, wrong: pd.Series, rule: str, column: str, quarantine: Quarantine) -> pd.DataFrame:
    whole = among(parts["invoice_id"], parts.loc[wrong, "invoice_id"])
    return quarantine.take("instalments", parts, whole, rule, column=column)


def _allocations_fit(kept: Frames, quarantine: Quarantine, allow_prepayment: bool) -> pd.DataFrame:
    """References, parties, currency and dates of allocations, then what each payment can give."""
    rows, invoices = kept["allocations"], kept["invoices"]
    unknown = ~among(rows["invoice_id"], invoices["invoice_id"])
    rows = quarantine.take("allocations", rows, unknown, "unknown_invoice", column="invoice_id")
    giver = givers(kept)
    unknown = ~among(rows["payment_id"], giver["id"])
    rows = quarantine.take("allocations", rows, unknown, "unknown_payment", column="payment_id")
    on, by = positions(rows["invoice_id"], invoices["invoice_id"]), positions(rows["payment_id"], giver["id"])
    wrong = [
        ("payment_id", "other_customer", _differ(giver["customer_id"], by, invoices["customer_id"], on)),
        ("payment_id", "other_currency", _differ(giver["currency"], by, invoices["currency"], on)),
    ]
    if not allow_prepayment:
        early = rows["allocated_on"].to_numpy() < invoices["issue_date"].to_numpy()[on]
        wrong.append(("allocated_on", "payment_before_invoice", early))
    number = pd.Series(by, index=rows.index)
    for column, rule, mask in wrong:
        left = pd.Series(mask, index=number.index).loc[rows.index]
        rows = quarantine.take("allocations", rows, left, rule, column=column)
    number = number.loc[rows.index]
    minor = pd.Series(money.to_minor(rows["amount"], giver["currency"].take(number)), index=rows.index)
    worth = pd.Series(giver["minor"].to_numpy()[number], index=rows.index)
    beyond = exceeding(number, rows["allocated_on"], minor, worth)
    return quarantine.take("allocations", rows, beyond, "allocation_exceeds_payment", column="amount")


def _differ(left: pd.Series, at: Rows, right: pd.Series, on: Rows) -> npt.NDArray[np.bool_]:
    return np.asarray(left.array.take(at) != right.array.take(on), dtype=bool)


def givers(frames: Frames) -> pd.DataFrame:
    """What can be matched to an invoice: receipts, and credit notes by their document number (set-off).

    Columns id, customer_id, currency, dated, minor (what it can give, in minor units).
    """
    payments, invoices = frames["payments"], frames["invoices"]
    notes = invoices[invoices["amount"] < 0]
    notes = notes[~among(notes["invoice_id"], payments["payment_id"])]
    columns = ["id", "customer_id", "currency", "dated", "amount"]
    receipts = payments.rename(columns={"payment_id": "id", "paid_date": "dated"})[columns]
    notes = notes.rename(columns={"invoice_id": "id", "issue_date": "dated"})[columns]
    both = pd.concat([receipts, notes.assign(amount=-notes["amount"])], ignore_index=True)
    return both.assign(minor=money.to_minor(both["amount"], both["currency"]))


def _not_oversettled(kept: Frames, quarantine: Quarantine) -> Frames:
    """Hold back what would settle a document beyond its amount, in order of date."""
    invoices = kept["invoices"]
    worth = money.to_minor(invoices["amount"], invoices["currency"])
    parts = []
    for number, (name, day) in enumerate(_SETTLING, start=1):
        if name in kept and len(kept[name]):
            rows = kept[name]
            on = positions(rows["invoice_id"], invoices["invoice_id"])
            minor = money.to_minor(rows["amount"], invoices["currency"].take(on))
            moves = pd.DataFrame({"document": on, "day": rows[day], "minor": minor, "table": np.int8(number)})
            parts.append(moves)
            if name == "allocations":  # a credit note that settles an invoice is used up by it
                by = positions(rows["payment_id"], invoices["invoice_id"])
                notes = moves[by >= 0].assign(document=by[by >= 0], table=np.int8(0))
                currency = invoices["currency"].take(notes["document"])
                parts.append(notes.assign(minor=-money.to_minor(rows.loc[notes.index, "amount"], currency)))
                del by
            del on, minor, moves
    if not parts:
        return kept
    settled = pd.concat(parts)
    del parts
    row, table = settled.index, settled.pop("table").to_numpy()
    settled = settled.reset_index(drop=True)
    most = pd.Series(worth[settled["document"]], index=settled.index)
    beyond = exceeding(settled["document"], settled["day"], settled["minor"], most).to_numpy()
    result = dict(kept)
    for number, (name, _) in enumerate(_SETTLING, start=1):
        if (table == number).any():
            over = kept[name].index.isin(row[(table == number) & beyond])
            result[name] = quarantine.take(name, kept[name], over, "settlement_exceeds_invoice", column="amount")
    return result


def exceeding(key: pd.Series, day: pd.Series, minor: pd.Series, worth: pd.Series) -> pd.Series:
    """True where the running total of `minor` per key leaves the range between zero and `worth`."""
    order = np.lexsort((minor, day, key))
    same = key.to_numpy()[order]
    running = minor.to_numpy()[order].cumsum()
    fresh = np.r_[True, same[1:] != same[:-1]][: len(same)]  # first move of a key
    start = np.flatnonzero(fresh)
    before = np.r_[0, running[start[1:] - 1]][: len(start)]
    running -= np.repeat(before, np.diff(np.r_[start, len(same)]))
    most = worth.to_numpy()[order]
    beyond = np.empty(len(same), dtype=bool)
    beyond[order] = (running < np.minimum(most, 0)) | (running > np.maximum(most, 0))
    return pd.Series(beyond, index=key.index)
