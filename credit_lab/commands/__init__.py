"""Row 11: groups of commands; `credit_lab.__main__` puts them together."""

from typing import TYPE_CHECKING

from credit_lab import lazy

if TYPE_CHECKING:
    from credit_lab.commands import (
        collect,
        evaluate,
        grant,
        lab,
        models,
        options,
        pack,
        reports,
        runs,
        score,
        tables,
        twin,
    )

__all__ = [
    "collect",
    "evaluate",
    "grant",
    "lab",
    "models",
    "options",
    "pack",
    "reports",
    "runs",
    "score",
    "tables",
    "twin",
]

lazy.attach(__name__)
