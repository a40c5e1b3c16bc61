"""Row 8: how the record of a study is drawn; the only place that draws."""

from typing import TYPE_CHECKING

from credit_lab import lazy

__all__ = [
    "canvas",
    "collecting",
    "evaluation",
    "granting",
    "receivables",
    "scoring",
    "twin",
]

if TYPE_CHECKING:
    from credit_lab.figures import (
        canvas,
        collecting,
        evaluation,
        granting,
        receivables,
        scoring,
        twin,
    )

lazy.attach(__name__)
