"""What makes two models the same one: the digest of everything that decides their answers, and of nothing else.

Layout and comments of a file, the folder it lies in and the version of a package do not count; a changed coefficient,
cut-off or band does.
"""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from credit_lab import policy as policies
from credit_lab.collection.cells import AgeBands
from credit_lab.collection.hazards import STRETCHES, Fit
from credit_lab.policy import Policy
from credit_lab.scoring import Scorecard

KINDS = ("policy", "scorecard", "payment_time")


@dataclass(frozen=True)
class Identity:
    """kind (of `KINDS`), name for readers, digest (SHA-256 of the content)."""

    kind: str
    name: str
    digest: str

    @property
    def id(self) -> str:
        """The first twelve signs of the digest: how people call the model."""
        return self.digest[:12]


def of_policy(policy: Policy) -> Identity:
    """A policy: all its settings."""
    return Identity("policy", policy.meta.id, policies.digest(policy))


def of_scorecard(card: Scorecard) -> Identity:
    """A scorecard: bins with their counts, points, base points and scaling: what every score follows from."""
    content = {
        "features": [bins.to_dict() for bins in card.features],
        "points": {name: values.tolist() for name, values in card.points.items()},
        "base": card.base_points,
        "scaling": dataclasses.asdict(card.scaling),
    }
    return Identity("scorecard", f"{card.kind} card of {len(card.names)} features", _digest(content))


def of_payment_time(
    columns: Sequence[str], own: Sequence[str], *, bands: AgeBands | None = None, options: Fit | None = None
) -> Identity:
    """A payment-time model: its recipe (factors, age bands, way of fitting), as `payment_time.fit` takes it.

    People decide and approve the recipe; coefficients and habits are estimated by it anew from each quarter's payments.
    """
    content = {
        "columns": list(columns),
        "own": list(own),
        "bands": list((bands or AgeBands()).starts),
        "fit": dataclasses.asdict(options or Fit()),
        "stretches": STRETCHES,
    }
    return Identity("payment_time", f"hazard logit with {len(columns) + len(own)} factors", _digest(content))


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
