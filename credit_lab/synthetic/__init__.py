"""A synthetic business-to-business seller whose truth is known: grades, default days, effects, planted slips.

`generate(firm, seed)` makes the tables of a ledger and, apart from them, the truth that tests and benchmarks compare
with. docs/synthetic.md tells how the world works.
"""

from credit_lab import lazy
from credit_lab.synthetic.facts import register_export
from credit_lab.synthetic.firm import (
    GRADES,
    LADDER,
    Change,
    Collection,
    Demand,
    Firm,
    Grade,
    Sample,
    Settlement,
    Stage,
)
from credit_lab.synthetic.generator import generate

__all__ = [
    "GRADES",
    "LADDER",
    "Change",
    "Collection",
    "Demand",
    "Firm",
    "Grade",
    "Sample",
    "Settlement",
    "Stage",
    "generate",
    "register_export",
]

lazy.attach(__name__)
