"""What the kernel reads and writes: one record per order, customer, grade and stage, one of settings, and the measures.

Money is int64 minor units, days are numbers from the first simulated day on.
"""

from typing import Any

import numpy as np

# By month and segment; money unless said otherwise.
MEASURES = (
    "opening",  # open invoices taken over on the first day
    "ordered", "sales", "refused_limit", "refused_hold",
    "lost",  # orders of customers who left after a refusal
    "collected", "recovered", "credited", "written_off",
    "aged_off",  # the seller's own part of what was written off for its age, not for a default
    "vintage_lost",  # what was written off, in the month of its invoice
    "claims", "premium", "factoring_cost",
    "advanced", "repaid", "borne",  # by the factor, to the factor, and losses that stay with the factor
    "collection_cost",
    "actions",  # number
    "open", "overdue",
    "open_days",  # money × days
    "defaulted",  # open when the customer failed, and sold to it since
)  # fmt: skip
(OPENING, ORDERED, SALES, REFUSED_LIMIT, REFUSED_HOLD, LOST, COLLECTED, RECOVERED, CREDITED, WRITTEN_OFF, AGED_OFF,
 VINTAGE_LOST, CLAIMS, PREMIUM, FACTORING, ADVANCED, REPAID, BORNE, COST, ACTIONS, OPEN, OVERDUE, OPEN_DAYS,
 DEFAULTED) = range(len(MEASURES))  # fmt: skip
# Beside them, as floating numbers: hazard-weighted loss after cover, and money × days the seller finances itself.
EXPECTED, OWN_DAYS = range(2)

_INT, _SHORT, _FLOAT = np.int64, np.int32, np.float64
# One record per order, 64 bytes, since the cost of an event is that of fetching it: rest still open, clock left as of
# since, pending (clock of a second part; −1 takes the discount), ends (day it ends by itself; when closed the day of
# that; −1 never came about, −2 and −3 refused, −4 its customer had left), listed (day in whose list it stands), ready
# (day of the next stage), following (next order of the customer), state (1 open, 2 in part), quick (takes a discount if
# there is one), leaves (its customer, if it is refused).
ORDER = np.dtype(
    {
        "names": ["rest", "clock", "pending", "who", "due", "since", "ends", "listed", "ready", "following", "disputed",
                  "level", "state", "quick", "leaves"],
        "formats": [_INT] * 3 + [_SHORT] * 7 + [np.int16] + [np.int8] * 4,
        "offsets": [0, 8, 16, *range(24, 52, 4), 52, *range(54, 58)],
        "itemsize": 64,
    }
)  # fmt: skip
# One record per customer, 64 bytes too: failing (chance to fail on a day), wait (days from its failure until its debts
# are written off), until (the first day after a failure on which it does not order any more), moved (the last day
# accrued), first (its oldest order that may be open).
CUSTOMER = np.dtype(
    {
        "names": ["limit", "owed", "failing", "segment", "term", "wait", "until", "moved", "paid_well", "first",
                  "grade", "newcomer", "dead", "gone"],
        "formats": [_INT] * 2 + [_FLOAT] + [_SHORT] * 7 + [np.int8] * 4,
        "itemsize": 64,
    }
)  # fmt: skip
# advance: what the factor pays at once, in 1/10,000 of the invoice.
GRADE = np.dtype(
    [(name, _INT) for name in ("discount_days", "insured", "factored", "advance", "risk")]
    + [(name, _FLOAT) for name in ("demand", "discount", "factor_cost")]
)
STAGE = np.dtype([("from_day", _INT), ("minutes", _INT), ("cost", _INT)])
HEAP = np.dtype([("key", _INT), ("item", _INT)])
SETTING = np.dtype(
    [(name, _INT) for name in (
        "days", "opening", "segments", "trial_step", "trial_steps", "hold_days", "hold_least", "partial_release",
        "capacity", "write_off", "recourse",
    )]
    + [(name, _FLOAT) for name in (
        "partial_first", "recovery", "trial_first", "trial_factor", "insured_share", "premium",
    )]
)  # fmt: skip
# How the functions are compiled that run for every event: they borrow arrays and make none, so the references to these
# need not be counted. Each count is a locked instruction that waits for all memory; together they took half the time.
BORROWING: dict[str, Any] = {"_nrt": False}
