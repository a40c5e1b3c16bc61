"""Row 0: tables for spreadsheets: CSV that opens with its signs right and runs nothing.

A cell that begins like a formula is run by spreadsheets, and may call other programs. Such texts get a quote in
front, as a user would type it; numbers are never touched. `unquoted` takes the quote off again.
Source: OWASP, CSV Injection.
"""

import re
from pathlib import Path
from typing import Any

import pandas as pd

_ENCODING = "utf-8-sig"
# Spaces and quotes before the sign do not help: some programs drop them, and a quoted text must be told from its own.
# Chinese and Japanese spreadsheets take the wide forms of the signs as well.
_FORMULA = re.compile(r"[ ']*[=+\-@\t\r\n＝＋－＠]")


def is_formula(text: str) -> bool:
    """Whether a spreadsheet may take a text for a formula.

    >>> [is_formula(text) for text in ("=1+1", " @ACME", "-2+3", "000042", "A=1")]
    [True, True, True, False, False]
    """
    return bool(_FORMULA.match(text))


def quoted(value: Any) -> Any:
    """Text that a spreadsheet takes for text; a bare carriage return would begin a new row with what follows it.

    >>> quoted("=1+1"), quoted(-5), quoted("000042")
    ("'=1+1", -5, '000042')
    """
    if not isinstance(value, str):
        return value
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{text}" if is_formula(value) else text


def unquoted(text: str) -> str:
    """What `quoted` was given, line breaks aside.

    >>> unquoted("'=1+1"), unquoted("'s-Hertogenbosch")
    ('=1+1', "'s-Hertogenbosch")
    """
    return text[1:] if text.startswith("'") and is_formula(text[1:]) else text


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as UTF-8 with a byte-order mark (without one, Excel reads Chinese as another encoding).

    Parameters
    ----------
    frame : texts and column names may be anything; days are written as 2025-12-31

    Raises
    ------
    OSError
        The file cannot be written.
    """
    safe, is_of = frame.copy(deep=False), pd.api.types
    for name, kind in frame.dtypes.items():
        if not (is_of.is_numeric_dtype(kind) or is_of.is_datetime64_any_dtype(kind)):
            safe[name] = frame[name].map(quoted)
    safe.columns = safe.columns.map(quoted)
    safe.to_csv(path, index=False, encoding=_ENCODING, date_format="%Y-%m-%d", lineterminator="\n")


def read_csv(path: Path, dtype: str | None = None) -> pd.DataFrame:
    """Read what `write_csv` wrote: texts as they were, empty cells as missing.

    Parameters
    ----------
    path : table written by `write_csv`
    dtype : of all columns; by default ids stay as they are written, other columns become numbers where they hold
        nothing else
    """
    names = pd.read_csv(path, encoding=_ENCODING, nrows=0).columns
    frame = pd.read_csv(
        path,
        encoding=_ENCODING,
        dtype_backend="numpy_nullable",
        keep_default_na=False,
        na_values=[""],
        dtype=dtype or {name: "string" for name in names if str(name).endswith("_id")},
    )
    texts = [name for name in frame if isinstance(frame[name].dtype, pd.StringDtype)]
    return frame.assign(**{name: frame[name].map(unquoted, na_action="ignore") for name in texts})
