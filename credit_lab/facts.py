"""Row 0: a sentence and the facts it states, so that whoever publishes it can hold them against what is said
elsewhere.

A fact is an id and a raw value: `dso.countback@2025-12-31`, 58.9 (days); `rows.quarantined`, 838. Two places that
state the same id state one thing, so their values must be equal (`publish.gate`). What is another thing has another
id: another day, another window, another kind of grade. None says that the value is not known.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd


class Said(str):
    """A text that remembers the facts it states.

    Parameters
    ----------
    text : as it is read
    facts : id → raw value in the unit of the figure; missing or NaN: not known
    day : on which they hold; written behind each id

    Examples
    --------
    >>> Said("Customers owe 5.", {"balance": 5.0}, pd.Timestamp("2025-12-31")).facts
    {'balance@2025-12-31': 5.0}
    """

    facts: dict[str, Any]

    def __new__(cls, text: str, facts: Mapping[str, Any], day: pd.Timestamp | None = None) -> "Said":
        """A text like any other, until somebody asks for its facts."""
        said = super().__new__(cls, text)
        at = f"@{day:%Y-%m-%d}" if day is not None else ""
        said.facts = {f"{id}{at}": value for id, value in facts.items()}
        return said


def of(text: str) -> Mapping[str, Any]:
    """The facts a text states; of one that remembers none, nothing."""
    return text.facts if isinstance(text, Said) else {}
