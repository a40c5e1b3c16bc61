"""How a run is shared: pseudonyms for ids and names, and the least customers of a group that may be shown.

A run that is to be shared is told so by two variables of the environment, which the processes of its notebooks
inherit: so every notebook obeys, and no notebook, run.json or registry holds the name of the key file. `sharing` sets
them for one run; `shared` gives the ledger as it may be shown; `publish.privacy` obeys in what leaves the house.

The names of the customers of the ledger opened last go the same way, and to nobody in a run that is shared.
"""

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from credit_lab import language
from credit_lab.errors import ReportError
from credit_lab.ledger import pseudonyms
from credit_lab.ledger.model import Ledger

_KEY, _CELL = "CREDIT_LAB_KEY_FILE", "CREDIT_LAB_MIN_CELL"
_WORD = re.compile(r"[\w./-]*\w")
_ASCII = re.compile(r"[A-Za-z0-9_./-]*[A-Za-z0-9_]")  # ends where Chinese begins
_NUMBER = re.compile(r"\d{1,5}")  # an id of so few digits would be found in any figure
# Customers of the ledgers this process has opened: not to be mentioned; names by id.
_mentioned: set[str] = set()
_names: dict[str, str] = {}


@dataclass(frozen=True)
class Sharing:
    """How a report is shared: key file of the pseudonyms ("": real names), least customers of a group (0: all)."""

    key_file: str = ""
    min_cell: int = 0

    def facts(self) -> dict[str, Any]:
        """For run.json; empty for a report that stays in the house."""
        said: dict[str, Any] = {"min_cell": self.min_cell} if self.min_cell else {}
        if self.key_file:
            said["pseudonyms"] = pseudonyms.fingerprint(pseudonyms.read_key(self.key_file))
        return {"sharing": said} if said else {}


def current() -> Sharing:
    """How this process is told to share."""
    return Sharing(os.environ.get(_KEY, ""), int(os.environ.get(_CELL, "0")))


@contextlib.contextmanager
def sharing(how: Sharing) -> Iterator[None]:
    """Everything within is shared in this way; a key that cannot be used is refused before the work begins.

    Raises
    ------
    LedgerError
        See `pseudonyms.read_key`.
    """
    if how.key_file:
        pseudonyms.read_key(how.key_file)
    before = {name: os.environ.get(name) for name in (_KEY, _CELL)}
    os.environ[_KEY] = str(Path(how.key_file).absolute()) if how.key_file else ""
    os.environ[_CELL] = str(how.min_cell)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def shared(ledger: Ledger) -> Ledger:
    """The ledger as this process may show it; `names` knows its customers from here on."""
    how = current()
    made = pseudonyms.pseudonymised(ledger, pseudonyms.read_key(how.key_file)) if how.key_file else ledger
    if how.min_cell:
        _mentioned.update(made.customers["customer_id"])
    _names.clear()
    if "name" in made.customers:
        both = made.customers[["customer_id", "name"]].dropna()
        _names.update(zip(both["customer_id"].astype(str), both["name"].astype(str), strict=True))
    return made


def names(ids: Iterable[Any]) -> dict[str, str]:
    """Names of the ids that are customers with a name; none in a run that is shared."""
    if not _names or current() != Sharing():
        return {}
    return {one: _names[one] for one in ids if isinstance(one, str) and _names.get(one, one) != one}


def named(text: str) -> str:
    """A text with the names of the customers it mentions, where they do not stand already."""
    if not _names:
        return text
    words = [one for one in _ASCII.findall(text) if re.search(r"\d", one)]
    known = names(one for one in words if not _NUMBER.fullmatch(one))
    told = {one: called(name, one) for one, name in known.items() if name not in text}
    return _ASCII.sub(lambda found: told.get(found[0], found[0]), text)


# Columns of customers, and the column that has their names already.
_CUSTOMERS = {"customer_id": "name", "holder": "", "group_id": "", "other_id": "other_name"}


def names_of(frame: pd.DataFrame) -> dict[str, str]:
    """Names of a table's customers by id, but for those whose name stands beside."""
    columns = [one for one, beside in _CUSTOMERS.items() if one in frame and beside not in frame]
    return {one: name for column in columns for one, name in names(frame[column].unique()).items()}


def words(text: str, column: str, columns: Iterable[str], called_by: Mapping[str, str]) -> str:
    """A text of a table as readers see it: words for codes, a customer's name with the id.

    Parameters
    ----------
    text, column : the raw value and the name of its column
    columns : names of all columns of the table
    called_by : names of customers by id, from `names_of`
    """
    if column in _CUSTOMERS and text in called_by and _CUSTOMERS[column] not in columns:
        return called(called_by[text], text)
    return language.value(text, column, columns)


def called(name: str, customer_id: str) -> str:
    """A customer as readers see it."""
    return f"{name}（{customer_id}）" if language.current() == "zh" else f"{name} ({customer_id})"


def mentioned(text: str) -> str:
    """A text without the customers it mentions."""
    if not _mentioned:
        return text
    return _WORD.sub(lambda found: "a customer" if found[0] in _mentioned else found[0], text)


def least(min_cell: int) -> int:
    """A usable smallest group.

    Raises
    ------
    ReportError
        One, which masks nothing, or below zero.
    """
    if min_cell < 0 or min_cell == 1:
        raise ReportError(f"--min-cell {min_cell}: give 2 or more, or 0 for none")
    return min_cell
