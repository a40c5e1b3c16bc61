"""Connections to a database by URL, closed when done; error texts never show the password."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd

from credit_lab.errors import LedgerError


def hide_password(url: str) -> str:
    """The URL with its password replaced by ***; a plain path comes back as it is.

    >>> hide_password("postgres://ann:secret@db/ledger")
    'postgres://ann:***@db/ledger'
    """
    return re.sub(r"(://[^:/@]*):.*@", r"\1:***@", url)


@contextmanager
def connected(url: str, doing: str) -> Iterator[Any]:
    """An Ibis connection to `url`; any failure inside becomes a LedgerError that says what was being done."""
    import ibis  # a second: only for databases

    connection = None
    shown = hide_password(url)
    try:
        with warnings.catch_warnings():
            # Ibis sets a pandas option that pandas 3 calls deprecated; nothing the user could act on.
            warnings.simplefilter("ignore", pd.errors.Pandas4Warning)
            connection = ibis.connect(url)
            yield connection
    except LedgerError:
        raise
    except Exception as error:  # each driver has a family of its own
        reason = str(error).replace(url, shown).splitlines()
        raise LedgerError(f"database {shown} {doing} ({reason[0] if reason else type(error).__name__})") from None
    finally:
        if connection is not None:
            connection.disconnect()
