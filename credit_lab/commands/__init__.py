"""Row 11: groups of commands; `credit_lab.__main__` puts them together."""

from credit_lab import lazy

__all__ = [
    "collect",
    "evaluate",
    "grant",
    "lab",
    "models",
    "options",
    "pack",
    "policy_file",
    "reports",
    "runs",
    "score",
    "tables",
    "twin",
]

lazy.attach(__name__)
