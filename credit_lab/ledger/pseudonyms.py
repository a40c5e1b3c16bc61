"""Pseudonyms: ids and names replaced by keyed hashes (假名化), the same ones in every run with the same key.

A pseudonym is HMAC-SHA-256(key, value), shortened: without the key nobody can go back or try out names, with it the
owner of the ledger can find a customer again. An id has one pseudonym wherever it stands, so tables still refer to each
other. Days and amounts stay as they are, since every figure is made of them: whoever knows that a firm was invoiced
123,456.78 on a certain day can still recognise it. This is pseudonymous data, not anonymous data (GDPR recital 26).
"""

import base64
import hmac
import os
import re
import stat
from dataclasses import replace
from pathlib import Path

import pandas as pd

from credit_lab import schema
from credit_lab.errors import LedgerError
from credit_lab.ledger.model import Ledger
from credit_lab.ledger.shape import canonical

SHORTEST_KEY = 16  # bytes
_SIGNS = 12  # of base 32: 60 bits, so that two ids of ten million fall together with a chance below 1 in 20,000
# Texts that are names or lead to a firm or a person; facts hold theirs by attribute.
_NAMES = {"customers": ("name",), "assessments": ("assessor",), "contracts": ("reviewed_by",)}
_NAMING_FACTS = (
    "legal_name", "trade_name", "registration_number", "legal_representative", "shareholder", "contact", "address",
    "phone", "email", "website", "bank_account",
)  # fmt: skip
_CODES = ("currency", "kind", "industry", "region", "size_class", "attribute", "factor", "action", "matched_by")


def read_key(path: str | Path) -> bytes:
    """The key in a file.

    Raises
    ------
    LedgerError
        It cannot be read, others than its owner may read it, or it is shorter than 16 bytes.
    """
    path = Path(path)
    way_out = f"make one with: (umask 077 && head -c 32 /dev/urandom > {path.name})"
    try:
        mode = path.stat().st_mode
        if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
            raise LedgerError(f"key file {path} is readable by others than its owner; run: chmod 600 {path.name}")
        key = path.read_bytes()
    except OSError as error:
        raise LedgerError(f"key file {path} cannot be read: {error.strerror}; {way_out}") from error
    if len(key) < SHORTEST_KEY:
        raise LedgerError(f"key file {path} holds {len(key)} bytes, {SHORTEST_KEY} are needed; {way_out}")
    return key


def pseudonym(value: str, key: bytes, *, name: bool = False) -> str:
    """The pseudonym of an id, or of a name (whatever its case, width of spaces and punctuation).

    >>> pseudonym("C-0001", b"0123456789abcdef") == pseudonym("C-0001", b"0123456789abcdef")
    True
    """
    plain = re.sub(r"[\W_]+", "", value).casefold() if name else value
    made = hmac.digest(key, f"{'name' if name else 'id'}\0{plain}".encode(), "sha256")
    return ("N" if name else "X") + base64.b32encode(made).decode()[:_SIGNS]


def fingerprint(key: bytes) -> str:
    """Eight signs by which two runs say that they used the same key."""
    return hmac.digest(key, b"fingerprint\0", "sha256").hex()[:8]


def pseudonymised(ledger: Ledger, key: bytes) -> Ledger:
    """The ledger with pseudonyms for all ids, names and naming facts.

    Ids and names that stand within other texts (reasons, outcomes) are replaced there, too; references of payments may
    say anything and are left out. The quarantine keeps rows, rules and amounts, but no values; the source is not named.

    Raises
    ------
    LedgerError
        Two ids get the same pseudonym: use another key.
    """
    said = _said(ledger, key)
    tables = {name: canonical(name, _table(name, frame, key, said)) for name, frame in ledger.tables.items()}
    for name, frame in tables.items():
        column = (schema.table(name).key or ("",))[0]
        if column in frame and frame[column].nunique() != ledger.tables[name][column].nunique():
            raise LedgerError(f"{name}: two values of {column} get the same pseudonym with this key; use another key")
    held = ledger.quarantine
    held = held.assign(value="") if "value" in held else held
    return replace(ledger, tables=tables, quarantine=held, source="pseudonymised ledger")


def _table(name: str, frame: pd.DataFrame, key: bytes, said: dict[str, str]) -> pd.DataFrame:
    made = {}
    for column in schema.table(name).columns:
        if column.name not in frame or column.kind not in ("id", "text") or column.name in _CODES:
            continue
        old = frame[column.name]
        if column.kind == "id":
            made[column.name] = _each(old, {value: pseudonym(value, key) for value in _values(old)})
        elif column.name in _NAMES.get(name, ()):
            made[column.name] = _each(old, {value: pseudonym(value, key, name=True) for value in _values(old)})
        elif (name, column.name) == ("facts", "value"):
            naming = frame["attribute"].isin(_NAMING_FACTS)
            hidden = _each(old, {value: pseudonym(value, key, name=True) for value in _values(old[naming])})
            made[column.name] = hidden.where(naming, _within(old, said))
        else:
            made[column.name] = _within(old, said)
    return frame.assign(**made).drop(columns="reference", errors="ignore")


def _values(column: pd.Series) -> list[str]:
    return [str(value) for value in column.dropna().unique()]


def _each(column: pd.Series, names: dict[str, str]) -> pd.Series:
    return column.map(names).astype(column.dtype)


def _said(ledger: Ledger, key: bytes) -> dict[str, str]:
    """Ids and names of customers by how texts may mention them; those of one or two signs would be found anywhere."""
    ids = {one: pseudonym(one, key) for one in _values(ledger.customers["customer_id"])}
    names = _values(ledger.customers["name"]) if "name" in ledger.customers else []
    return {one: new for one, new in (ids | {n: pseudonym(n, key, name=True) for n in names}).items() if len(one) > 2}


def _within(column: pd.Series, said: dict[str, str]) -> pd.Series:
    """Texts with the customers they mention replaced, longest names first."""
    texts = _values(column)
    if not texts or not said:
        return column
    found = re.compile("|".join(re.escape(one) for one in sorted(said, key=len, reverse=True)))
    new = {text: found.sub(lambda match: said[match[0]], text) for text in texts}
    return _each(column, new)
