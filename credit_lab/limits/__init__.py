"""Row 4: who gets how much credit, on what terms, by which method, and who signs.

`methods` are the formulas, `bench` sets them side by side, `propose` applies a policy to one month of the history,
`quarterly.review` holds proposals against limits in force, `portfolio` chooses limits together, `trial` steps newcomers
up, `authority` routes approvals, `terms` prices them, `exposure` says what is used.
"""

from credit_lab import lazy
from credit_lab.limits.comparison import bench
from credit_lab.limits.exposures import exposure
from credit_lab.limits.methods import METHODS, method
from credit_lab.limits.proposals import propose
from credit_lab.limits.quarterly import review

__all__ = [
    "METHODS",
    "authority",
    "bench",
    "exposure",
    "method",
    "portfolio",
    "propose",
    "review",
    "tail_risk",
    "terms",
    "trial",
]

lazy.attach(__name__)
