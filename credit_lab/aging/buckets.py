"""Aging buckets (账龄段): half-open runs of days past due or of days since issue."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from credit_lab.errors import PolicyError

# Settings it reads, see `rules.coverage`.
READS = ("aging.*",)

Basis = Literal["due_date", "issue_date"]
UNAPPLIED, CREDIT_NOTES = "unapplied_cash", "credit_notes"


@dataclass(frozen=True)
class Buckets:
    """Bucket edges in days: bucket j holds edges[j] < days <= edges[j+1]; the last one is open.

    With basis "due_date" days count from the due date and everything at or below the first edge (0) is `not_due`;
    with "issue_date" they count from the document date, and the first bucket starts with day 0.
    """

    edges: tuple[int, ...] = (0, 30, 60, 90, 180, 365)
    by: Basis = "due_date"

    def __post_init__(self) -> None:
        if self.by not in ("due_date", "issue_date"):
            raise PolicyError(f"aging by {self.by!r} is unknown; choose 'due_date' or 'issue_date'")
        if not self.edges or self.edges[0] != 0 or any(np.diff(self.edges) <= 0):
            raise PolicyError(f"bucket edges {self.edges} must start at 0 and rise, such as (0, 30, 60, 90)")

    @property
    def labels(self) -> tuple[str, ...]:
        """Bucket names in order of age.

        >>> Buckets((0, 30, 60)).labels
        ('not_due', '1-30', '31-60', '>60')
        >>> Buckets((0, 30, 60), by="issue_date").labels
        ('0-30', '31-60', '>60')
        """
        first = "not_due" if self.by == "due_date" else None
        low = [edge + 1 for edge in self.edges]
        if first is None:
            low[0] = 0
        runs = [f"{a}-{b}" for a, b in zip(low, self.edges[1:], strict=False)] + [f">{self.edges[-1]}"]
        return tuple(runs if first is None else [first, *runs])

    @property
    def thresholds(self) -> tuple[int, ...]:
        """Day on which a document enters each bucket after the first, counted from its reference date."""
        return tuple(edge + 1 for edge in (self.edges if self.by == "due_date" else self.edges[1:]))

    def of(self, days: npt.NDArray[np.int64]) -> npt.NDArray[np.str_]:
        """Label for each number of days."""
        return np.array(self.labels)[np.searchsorted(self.thresholds, days, side="right")]
