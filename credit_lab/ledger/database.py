"""Connections to a database by URL, closed when done. A password is never shown and never written.

Where a run begins, `concealed` moves the password of a URL into the environment of the process, from which kernels
and workers have it; the URL that is passed on, recorded and printed says ***. So a user may write it as well:
CREDIT_LAB_PASSWORD=... credit-lab review --ledger "postgres://ann:***@db/ledger".
"""

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, unquote_plus, urlsplit

import pandas as pd

from credit_lab.errors import LedgerError

PASSWORD = "CREDIT_LAB_PASSWORD"  # the variable a password is taken from where a URL says ***
HIDDEN = "***"
# user:PASSWORD@ up to the last @, or ...password=PASSWORD, ...token=PASSWORD among the options behind "?"
_SECRET = re.compile(r"(://[^:/@?]*:)(.*)(?=@)|([?&](?:\w*password|\w*token|\w*secret\w*|\w*key)=)([^&]*)", re.I | re.S)


def hide_password(url: str) -> str:
    """The URL with its password replaced by ***; a plain path comes back as it is.

    >>> hide_password("postgres://ann:secret@db/ledger")
    'postgres://ann:***@db/ledger'
    """
    return _SECRET.sub(lambda found: (found[1] or found[3]) + HIDDEN, url) if "://" in url else url


def concealed(text: str) -> str:
    """A URL with *** for its password, which is kept in the environment; any other text comes back as it is.

    Raises
    ------
    LedgerError
        A URL with two passwords, or one that cannot be told from the rest of the URL.
    """
    shown = hide_password(text)
    if shown != text:
        _understood(text, shown)
        os.environ[PASSWORD] = _secrets(text)[0]
    return shown


def _secrets(url: str) -> list[str]:
    return [found[2] or found[4] or "" for found in _SECRET.finditer(url)]


def _understood(url: str, shown: str) -> None:
    """Refuse what the parser of URLs would cut elsewhere: its message would show a piece of the password."""
    try:
        parts = urlsplit(url)
        host = re.split(r"[/?#]", url.partition("://")[2].rpartition("@")[2])[0]
        cut = "@" in url and not (parts.netloc.endswith(host) and parts.password in (None, *_secrets(url)))
    except ValueError:
        cut = True
    if cut:
        raise LedgerError(
            f"database {shown}: the URL is not understood; in a password write %40 for @, %3A for :, %2F for /, "
            f"%3F for ? and %23 for #"
        )
    if url.partition("://")[0] in ("duckdb", "sqlite") and parts.password is not None:
        # these engines would make an empty database with the password in its name
        raise LedgerError(f"database {shown}: a file has no user and password; write {parts.scheme}:///folder/file")
    if len(set(_secrets(url))) > 1:
        raise LedgerError(f"database {shown}: the URL has two passwords; give one")


def _open_url(url: str, shown: str) -> str:
    """The URL with its password, from the environment where it says ***."""
    if HIDDEN not in _secrets(url):
        return url
    if PASSWORD not in os.environ:
        raise LedgerError(f"database {shown}: the password is not given; put it into the URL or into {PASSWORD}")
    return _SECRET.sub(lambda found: (found[1] or found[3]) + os.environ[PASSWORD], url)


@contextmanager
def connected(url: str, doing: str) -> Iterator[Any]:
    """An Ibis connection to `url`; any failure inside becomes a LedgerError that says what was being done."""
    import ibis  # a second: only for databases

    connection = None
    shown = hide_password(url)
    _understood(url, shown)
    url = _open_url(url, shown)
    try:
        with warnings.catch_warnings():
            # Ibis sets a pandas option that pandas 3 calls deprecated; nothing the user could act on.
            warnings.simplefilter("ignore", pd.errors.Pandas4Warning)
            connection = ibis.connect(url)
            yield connection
    except LedgerError:
        raise
    except Exception as error:  # each driver has a family of its own
        reason = _without(str(error), url, shown).splitlines()
        raise LedgerError(f"database {shown} {doing} ({reason[0] if reason else type(error).__name__})") from None
    finally:
        if connection is not None:
            connection.disconnect()


def _without(text: str, url: str, shown: str) -> str:
    """What a driver said, without the password in any spelling."""
    text = text.replace(url, shown)
    spellings = {way(secret) for secret in _secrets(url) for way in (str, unquote, unquote_plus)}
    for secret in sorted(filter(None, spellings), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text
