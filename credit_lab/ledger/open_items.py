"""Lists of open items: documents with what is left of them, and receipts of the period.

What is open is what the list says. What is settled and no receipt says when (the amount less what
is open, less the receipts that name the document) becomes a receipt on the day of the document, so
every later day shows what is left; a receipt that names a document keeps its day. How long anybody
took to pay cannot be known from such a list.
"""

import numpy as np
import pandas as pd

from credit_lab import money
from credit_lab.errors import LedgerError
from credit_lab.ids import among, positions
from credit_lab.ledger.contradictions import exceeding
from credit_lab.ledger.quarantine import Quarantine

Frames = dict[str, pd.DataFrame]
DERIVED = "open_item"  # `matched_by` of what a list says is settled


def still_listed(payments: pd.DataFrame, ids: pd.Series, rule: str, quarantine: Quarantine) -> pd.DataFrame:
    """Receipts less those of invoices that are not listed any more, which are counted.

    Parameters
    ----------
    payments : typed rows with `invoice_id`
    ids : of all invoices in the source, also of those that are left out
    rule : the mapping's name for what goes
    quarantine : counts it as filtered

    Raises
    ------
    LedgerError
        Every receipt would go: ids are written in two ways.
    """
    gone = payments["invoice_id"].notna() & ~among(payments["invoice_id"], ids)
    if len(gone) and gone.all():
        seen = ", ".join(repr(one) for one in payments["invoice_id"].unique()[:5])
        raise LedgerError(
            f"payments: {rule!r} takes all {len(gone):,} rows; they name {seen}, "
            "none of which is an invoice. Write ids alike in both tables, or map no payments"
        )
    quarantine.note("payments", payments[gone], rule, column="invoice_id", disposition="filtered")
    return payments[~gone]


def within(frames: Frames, quarantine: Quarantine) -> Frames:
    """Tables without items that have more open than they were, and receipts beyond what is settled.

    Parameters
    ----------
    frames : invoices with what is `_open` of them, payments if there are any
    quarantine : takes what goes
    """
    invoices = frames["invoices"]
    left, amount = invoices["_open"], invoices["amount"]
    fine = money.off_grid(left, invoices["currency"])
    wrong = (left * amount < 0) | (left.abs() > amount.abs())
    for mask, rule in ((fine, "finer_than_minor_unit"), (wrong & ~fine, "open_not_within_amount")):
        quarantine.note("invoices", invoices[mask], rule, column="open", value=left[mask])
    invoices = invoices[~(wrong | fine)]
    frames = {**frames, "invoices": invoices}
    if "payments" not in frames or "invoice_id" not in frames["payments"]:
        return frames
    payments = frames["payments"]
    names = payments[among(payments["invoice_id"], invoices["invoice_id"])]
    on = positions(names["invoice_id"], invoices["invoice_id"])
    settled = (_minor(invoices, "amount") - _minor(invoices, "_open"))[on]
    rows = names.assign(on=on, minor=_minor(names, "amount"), most=settled)
    beyond = exceeding(rows["on"], rows["paid_date"], rows["minor"], rows["most"])
    beyond = payments.index.isin(names.index[beyond])
    left_out = quarantine.take("payments", payments, beyond, "receipts_exceed_settled", column="amount")
    return {**frames, "payments": left_out}


def settled(frames: Frames) -> Frames:
    """Tables with a receipt for what a list says is settled and no receipt does.

    Parameters
    ----------
    frames : documents without contradiction, invoices with what is `_open` of them
    """
    invoices, rows = frames["invoices"], frames["allocations"]
    rest = _minor(invoices, "amount") - _minor(invoices, "_open")
    on = positions(rows["invoice_id"], invoices["invoice_id"])
    np.subtract.at(rest, on, money.to_minor(rows["amount"], invoices["currency"].take(on)))
    paid = invoices.assign(amount=rest / money.scale(invoices["currency"]))[rest != 0]
    receipts, lines = settlements(paid, paid["issue_date"], "OPEN-")
    payments = pd.concat([frames["payments"], receipts], ignore_index=True)
    lines = pd.concat([rows, lines.assign(matched_by=DERIVED)], ignore_index=True)
    return {**frames, "payments": payments, "allocations": lines}


def settlements(invoices: pd.DataFrame, days: pd.Series, prefix: str = "PAY-") -> tuple[pd.DataFrame, pd.DataFrame]:
    """One receipt per invoice, fully matched on its day: rows of payments and of allocations.

    Parameters
    ----------
    invoices : typed rows
    days : when each was settled
    prefix : of the receipts' ids, before the id of the invoice
    """
    payments = pd.DataFrame(
        {
            "payment_id": prefix + invoices["invoice_id"],
            "customer_id": invoices["customer_id"],
            "paid_date": days,
            "amount": invoices["amount"],
            "currency": invoices["currency"],
            "_row": invoices["_row"],
        }
    )
    lines = payments[["payment_id", "amount", "_row"]]
    return payments, lines.assign(invoice_id=invoices["invoice_id"], allocated_on=days)


def _minor(rows: pd.DataFrame, column: str) -> np.ndarray:
    return money.to_minor(rows[column], rows["currency"])
