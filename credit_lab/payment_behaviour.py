"""How a customer pays: days beyond terms and the payment index, from settlements and from what is still open.

A look at settled invoices only flatters slow payers, so open overdue items count with the days they are late so far.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab import money
from credit_lab.aging.postings import CASH, INVOICE, postings
from credit_lab.ledger.model import Ledger

# Days beyond terms at which the index takes the values beside them; in between it is linear.
ANCHORS = (
    (-30, 100.0),
    (-20, 90.0),
    (0, 80.0),
    (15, 70.0),
    (22, 60.0),
    (30, 50.0),
    (60, 40.0),
    (90, 30.0),
    (120, 20.0),
)


def payment_index(days_beyond_terms: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Payment index (付款指数) 0-100 of amount-weighted days beyond terms: 80 is prompt, 100 is 30 days early.

    Piecewise linear between `ANCHORS`, held at 100 above, running on to 0 at 180 days; NaN stays NaN. The anchors are
    those of the dollar-weighted payment scores that agencies publish.

    >>> payment_index([-30, 0, 15, 45, 120]).tolist()
    [100.0, 80.0, 70.0, 45.0, 20.0]
    """
    late, index = np.array([*ANCHORS, (180, 0.0)]).T
    return np.interp(np.asarray(days_beyond_terms, dtype=float), late, index)


def settlements(ledger: Ledger) -> pd.DataFrame:
    """Cash matched to invoices: customer_id, settled_on, due_date, days_late (negative: early), minor (int64).

    Set-offs with credit notes are left out: they say nothing about how somebody pays. A matching counts from the latest
    of its own date and those of its documents.
    """
    rows = postings(ledger)
    receipts = set(rows.loc[rows["kind"] == CASH, "document_id"])
    matched = ledger.allocations["payment_id"].isin(receipts).to_numpy()
    cash = ledger.allocations[matched]
    documents = rows[rows["kind"] == INVOICE].drop_duplicates("document_id").set_index("document_id")
    known = cash[cash["invoice_id"].isin(documents.index)]
    document = documents.loc[known["invoice_id"]].reset_index()
    paid = ledger.payments.set_index("payment_id")["paid_date"].loc[known["payment_id"]].to_numpy()
    settled = np.maximum(paid, document["issue_date"].to_numpy())
    due = ledger.invoices.set_index("invoice_id")["due_date"].loc[known["invoice_id"]].to_numpy()
    return pd.DataFrame(
        {
            "customer_id": document["customer_id"],
            "settled_on": settled,
            "matched_on": np.maximum(settled, known["allocated_on"].to_numpy()),
            "due_date": due,
            "days_late": (settled - due).astype("timedelta64[D]").astype("int64"),
            "minor": money.to_minor(known["amount"], ledger.currency),
        }
    )
