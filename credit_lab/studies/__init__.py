"""Row 7: what was found, one module a question: frozen records, and the sentences they bear."""

from typing import TYPE_CHECKING

from credit_lab import lazy

__all__ = [
    "card_monitoring",
    "collecting",
    "collecting_text",
    "credit_files",
    "data_quality",
    "earlier",
    "evaluating",
    "evidence",
    "governed",
    "granting",
    "losses",
    "review",
    "scorecards",
    "text",
    "twin",
]

if TYPE_CHECKING:
    from credit_lab.studies import (
        card_monitoring,
        collecting,
        collecting_text,
        credit_files,
        data_quality,
        earlier,
        evaluating,
        evidence,
        governed,
        granting,
        losses,
        review,
        scorecards,
        text,
        twin,
    )

lazy.attach(__name__)
