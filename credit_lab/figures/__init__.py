"""Row 8: how the record of a study is drawn; the only place that draws."""

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


lazy.attach(__name__)
