"""What a study found: a frozen record of tables and sentences; its tables are saved under names
that say whose.
"""

from typing import ClassVar

import pandas as pd


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

    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by the names they are saved under; an index with a name becomes a column."""
        found = {
            name: value for name, value in vars(self).items() if isinstance(value, pd.DataFrame)
        }
        return {
            f"{self._prefix}{name}": table.reset_index() if table.index.name else table
            for name, table in found.items()
        }
