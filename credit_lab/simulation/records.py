"""What the kernel reads and writes: one record per order, customer, grade and stage, one of settings, and the measures.

Money is int64 minor units, days are numbers from the first simulated day on.
"""

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
# (day of the next stage), following (next order of the customer), end_next and stage_next (next in those lists), state
# (1 open, 2 in part).
ORDER = np.dtype(
    {
        "names": ["rest", "clock", "pending", "who", "due", "since", "ends", "listed", "ready", "following", "end_next",
                  "stage_next", "disputed", "level", "state"],
        "formats": [_INT] * 3 + [_SHORT] * 9 + [np.int16, np.int8, np.int8],
        "offsets": [0, 8, 16, *range(24, 60, 4), 60, 62, 63],
        "itemsize": 64,
    }
)  # fmt: skip
# One record per customer; first is its oldest order that may be open, moved the last day accrued, wait the days from
# its failure until its debts are written off, until the first day after a failure on which it does not order any more,
# usual what it orders in the mean time for which failed customers go on ordering.
CUSTOMER = np.dtype(
    [(name, _INT) for name in ("limit", "owed")]
    + [(name, _FLOAT) for name in ("default_rate", "habit", "usual")]
    + [(name, _SHORT) for name in (
        "segment", "term", "default_day", "wait", "until", "moved", "paid_well", "first", "fail_next", "back_next",
    )]
    + [(name, np.int16) for name in ("grade", "newcomer", "dead", "gone")]
)  # fmt: skip
# advance: what the factor pays at once, in 1/10,000 of the invoice.
GRADE = np.dtype(
    [(name, _INT) for name in ("discount_days", "insured", "factored", "advance", "risk")]
    + [(name, _FLOAT) for name in ("demand", "discount", "factor_cost", "taken")]
)
STAGE = np.dtype([("from_day", _INT), ("minutes", _INT), ("cost", _INT)])
HEAP = np.dtype([("key", _INT), ("item", _INT)])
SETTING = np.dtype(
    [(name, _INT) for name in (
        "seed", "replicate", "days", "opening", "segments", "dispute_days", "trial_step",
        "trial_steps", "hold_days", "hold_least", "partial_release", "capacity", "write_off", "recourse",
    )]
    + [(name, _FLOAT) for name in (
        "dispute_share", "partial_share", "partial_first", "leave_share", "recovery", "trial_first", "trial_factor",
        "insured_share", "premium", "still_ordering",
    )]
)  # fmt: skip
