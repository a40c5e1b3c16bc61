"""What a study found: a frozen record of tables and sentences; its tables are saved under names
that say whose.
"""

import copy
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import pandas as pd

from credit_lab.errors import NotKnown


class Record:
    """Base of the records whose fields are their tables.

    Parameters
    ----------
    prefix : of a class, `class Cash(Record, prefix="cash_")`: stands before the names of its saved
        tables
    """

    _prefix: ClassVar[str] = ""

    def __init_subclass__(cls, prefix: str = "") -> None:
        cls._prefix = prefix

    def without(self, lacking: Mapping[str, str]) -> Self:
        """The record without what the ledger cannot carry: it is not saved, and whoever asks for it
        is told why.

        Parameters
        ----------
        lacking : name of a field → why it is not known, and what to bring
        """
        made = copy.copy(self)
        for name in lacking:
            del made.__dict__[name]
        made.__dict__["lacking"] = dict(lacking)
        return made

    def __getattr__(self, name: str) -> Any:
        """
        Raises
        ------
        NotKnown
            The field was left out by `without`.
        """
        if name in (lacking := self.__dict__.get("lacking", {})):
            raise NotKnown(lacking[name])
        raise AttributeError(f"{type(self).__name__} has no {name!r}")

    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by the names they are saved under; an index with a name becomes a column."""
        found = {
            name: value for name, value in vars(self).items() if isinstance(value, pd.DataFrame)
        }
        return {
            f"{self._prefix}{name}": table.reset_index() if table.index.name else table
            for name, table in found.items()
        }
