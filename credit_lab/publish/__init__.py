"""Row 9: what was shown becomes a page, a deck, a workbook; knows records, computes nothing."""

from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from credit_lab.publish import (
        artefacts,
        deck,
        evidence_file,
        folder,
        kernel,
        live,
        markup,
        office,
        pack,
        page,
        paper,
        part,
        pdf,
        privacy,
        registry,
        run,
        sections,
        show,
        slides,
        workbook,
        workers,
    )

lazy.attach(__name__)
