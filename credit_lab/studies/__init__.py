"""Row 7: what was found, one module a question: frozen records, and the sentences they bear."""

from credit_lab import lazy

__all__ = [
    "bases",
    "card_monitoring",
    "cash",
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
    "portfolio_limits",
    "record",
    "review",
    "scorecards",
    "terms_and_discounts",
    "text",
    "twin",
    "validation",
]


lazy.attach(__name__)
