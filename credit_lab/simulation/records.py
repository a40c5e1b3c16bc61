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

FOREVER = 10**6  # a month nobody reaches
_INT, _SHORT, _FLOAT = np.int64, np.int32, np.float64
# One record per order, 64 bytes, since the cost of an event is that of fetching it: rest still open, clock left as of
# since, pending (clock of a second part; −1 takes the discount), ends (day it ends by itself; when closed the day of
# that; −1 never came about, −2 and −3 refused, −4 its customer had left), listed (day in whose list it stands), ready
# (day of the next step of collection), following (next order of the customer), state (1 open, 2 in part), quick (takes
# a discount if there is one), leaves (its customer, if it is refused), small (waits for more to be due), issued (day;
# 0 for those taken over).
ORDER = np.dtype(
    {
        "names": ["rest", "clock", "pending", "who", "due", "since", "ends", "listed", "ready", "following", "disputed",
                  "level", "state", "quick", "leaves", "small", "issued"],
        "formats": [_INT] * 3 + [_SHORT] * 7 + [np.int16] + [np.int8] * 5 + [_SHORT],
        "offsets": [0, 8, 16, *range(24, 52, 4), 52, *range(54, 59), 60],
        "itemsize": 64,
    }
)  # fmt: skip
# One record per customer, 128 bytes: what an order or a payment needs, and behind it what a review needs. failing
# (chance to fail on a day), wait (days from its failure until its debts are written off), until (the first day after a
# failure on which it does not order any more), moved (the last day accrued), first (its oldest order that may be open),
# small (invoices that wait for more to be due), grade (by the policy), kind (row of the hazards); sold, paid, days (of
# this month), year (sold in the months a forecast looks at), since, last_sold, changed, looked (months: of the first
# document, the last sale, the last change of the limit, the last review), soonest (day on which none of its open
# invoices falls due before), decided (whether a review has set its limit), trial, ended (whether that limit is one of a
# trial, whether its trial is over).
CUSTOMER = np.dtype(
    {
        "names": ["limit", "owed", "sold", "paid", "days", "year", "failing",
                  "segment", "term", "wait", "until", "moved", "paid_well", "first", "small", "contract",
                  "since", "last_sold", "changed", "looked", "soonest",
                  "grade", "kind", "dead", "gone", "insured", "factored", "decided", "trial", "ended"],
        "formats": [_INT] * 6 + [_FLOAT] + [_SHORT] * 14 + [np.int8] * 9,
        "offsets": [*range(0, 56, 8), *range(56, 112, 4), *range(112, 121)],
        "itemsize": 128,
    }
)  # fmt: skip
# advance: what the factor pays at once, in 1/10,000 of the invoice.
GRADE = np.dtype(
    [(name, _INT) for name in ("discount_days", "risk")]
    + [(name, _FLOAT) for name in ("demand", "discount", "factor_cost")]
)
STAGE = np.dtype([("minutes", _INT), ("cost", _INT)])
HEAP = np.dtype([("key", _INT), ("item", _INT)])
SETTING = np.dtype(
    [(name, _INT) for name in (
        "days", "opening", "segments", "capacity", "write_off", "recourse", "advance", "deductible", "reviewed",
        "minor", "contacts",
    )]
    + [(name, _FLOAT) for name in ("partial_first", "recovery", "insured_share", "premium", "notice")]
)  # fmt: skip
# How the functions are compiled that run for every event: they borrow arrays and make none, so the references to these
# need not be counted. Each count is a locked instruction that waits for all memory; together they took half the time.
BORROWING: dict[str, Any] = {"_nrt": False}
