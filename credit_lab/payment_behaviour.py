"""How a customer pays: days beyond terms and the payment index, from settlements and from what is still open.

A look at settled invoices only flatters slow payers, so open overdue items count with the days they are late so far.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab import money
from credit_lab.aging.postings import positions
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
    """Cash matched to invoices: customer_id, settled_on, matched_on, due_date, days_late (below zero: early), minor.

    Set-offs with credit notes are left out: they say nothing about how somebody pays. Lateness looks at
    the day the money came, `matched_on` at the day from which the matching was known.
    """
    invoices = ledger.invoices[ledger.invoices["amount"] >= 0]
    matched = ledger.allocations
    on = positions(matched["invoice_id"], invoices["invoice_id"])
    of = positions(matched["payment_id"], ledger.payments["payment_id"])
    cash = (on >= 0) & (of >= 0)
    document = invoices.take(on[cash]).reset_index(drop=True)
    paid = ledger.payments["paid_date"].to_numpy()[of[cash]]
    settled = np.maximum(paid, document["issue_date"].to_numpy())
    due = document["due_date"].to_numpy()
    return pd.DataFrame(
        {
            "customer_id": document["customer_id"],
            "settled_on": settled,
            "matched_on": np.maximum(settled, matched["allocated_on"].to_numpy()[cash]),
            "due_date": due,
            "days_late": (settled - due).astype("timedelta64[D]").astype("int64"),
            "minor": money.to_minor(matched["amount"][cash], ledger.currency),
        }
    )
