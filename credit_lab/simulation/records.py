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
    "defaulted",  # open when the customer failed
)  # fmt: skip
(OPENING, ORDERED, SALES, REFUSED_LIMIT, REFUSED_HOLD, LOST, COLLECTED, RECOVERED, CREDITED, WRITTEN_OFF, AGED_OFF,
 VINTAGE_LOST, CLAIMS, PREMIUM, FACTORING, ADVANCED, REPAID, BORNE, COST, ACTIONS, OPEN, OVERDUE, OPEN_DAYS,
 DEFAULTED) = range(len(MEASURES))  # fmt: skip
# Beside them, as floating numbers: hazard-weighted loss after cover, and money × days the seller finances itself.
EXPECTED, OWN_DAYS = range(2)

_INT, _FLOAT = np.int64, np.float64
# One record per order: what was drawn, then its invoice: rest still open, closed on (−1 not; −2, −3 refused, −4 its
# customer had left), state (1 open, 2 in part), clock left as of since, ends (day it ends by itself), ready (day of the
# next stage), pending (clock of a second part; −1 takes the discount), following (next of the customer), stage_next
# (next in its list).
ORDER = np.dtype(
    [(name, _INT) for name in ("size", "amount", "rest", "clock", "pending", "part_paid", "key")]
    + [(name, np.int32) for name in (
        "who", "number", "closed", "since", "issued", "due", "ends", "ready", "disputed", "following", "part_on",
        "stage_next", "state", "level",
    )]
)  # fmt: skip
# One record per customer; first and newest are its open invoices, moved the last day accrued.
CUSTOMER = np.dtype(
    [(name, _INT) for name in ("grade", "segment", "newcomer", "term", "limit", "default_day")]
    + [(name, _FLOAT) for name in ("default_rate", "habit")]
    + [(name, _INT) for name in ("owed", "moved", "paid_well", "dead", "gone", "first", "newest", "fail_next",
                                 "back_next")]
)  # fmt: skip
# advance: what the factor pays at once, in 1/10,000 of the invoice.
GRADE = np.dtype(
    [(name, _INT) for name in ("discount_days", "insured", "factored", "advance", "risk")]
    + [(name, _FLOAT) for name in ("demand", "discount", "factor_cost", "taken")]
)
STAGE = np.dtype([("from_day", _INT), ("minutes", _INT), ("cost", _INT)])
SETTING = np.dtype(
    [(name, _INT) for name in (
        "seed", "replicate", "days", "opening", "segments", "dispute_days", "recovery_days", "trial_step",
        "trial_steps", "hold_days", "hold_least", "partial_release", "capacity", "write_off", "recourse",
    )]
    + [(name, _FLOAT) for name in (
        "dispute_share", "partial_share", "partial_first", "leave_share", "recovery", "trial_first", "trial_factor",
        "insured_share", "premium",
    )]
)  # fmt: skip
