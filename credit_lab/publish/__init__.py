"""Row 9: what was shown becomes a page, a deck, a workbook; knows records, computes nothing."""

from credit_lab import lazy

__all__ = [
    "artefacts",
    "deck",
    "evidence_file",
    "folder",
    "kernel",
    "live",
    "markup",
    "office",
    "pack",
    "page",
    "paper",
    "part",
    "pdf",
    "privacy",
    "registry",
    "run",
    "sections",
    "show",
    "slides",
    "workbook",
    "workers",
]


lazy.attach(__name__)
