"""What deck and workbook share: texts that every office program opens, whole tables, the same bytes
every time.
"""

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from credit_lab import spreadsheet
from credit_lab.publish.artefacts import Table

_ILLEGAL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)
_EXACT = 10**15  # a spreadsheet keeps 15 digits of a number
_TIMES = re.compile(rb"(<dcterms:(created|modified)[^>]*>)[^<]*")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment a zip file can name


def legal(value: Any, most: int = 32_000) -> str:
    """A text without characters that XML forbids, cut at `most` characters.

    >>> legal("a\\x00b\\ud800c"), legal("abcdef", 4)
    ('abc', 'abc…')
    """
    text = _ILLEGAL.sub("", str(value))
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def exact(value: float | str) -> bool:
    """Whether a spreadsheet keeps a whole number to the last digit."""
    return not isinstance(value, int) or abs(value) < _EXACT


def whole(table: Table, folder: Path) -> list[tuple[Any, ...]]:
    """All rows of a table: those shown, or those of the saved table with the same columns and
    number of rows.
    """
    if table.total_rows > len(table.rows):
        names = [column.name for column in table.columns]
        for path in sorted((folder / "tables").glob("*.csv")):
            with path.open(encoding="utf-8-sig") as file:
                if file.readline().strip() != ",".join(names):
                    continue
            frame = spreadsheet.read_csv(path, dtype="str")
            if len(frame) == table.total_rows:
                typed = [_typed(frame[column.name], column.type) for column in table.columns]
                return list(zip(*typed, strict=True))
    return list(table.rows)


def _typed(column: pd.Series, kind: str) -> list[Any]:
    """Values as a record holds them."""
    makers: dict[str, Callable[[Any], Any]] = {
        "integer": lambda value: (
            int(value) if str(value).lstrip("-").isdigit() else int(float(value))
        ),
        "number": float,
        "boolean": lambda value: str(value) == "True",
    }
    make = makers.get(kind, str)
    return [None if pd.isna(value) else make(value) for value in column]


def settled(content: bytes, day: str) -> bytes:
    """An office file with times that do not depend on the clock: made at `day` (ISO), packed in the
    year 1980.
    """
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            part = old.read(name)
            if name == "docProps/core.xml":
                part = _TIMES.sub(rb"\g<1>" + f"{day}T00:00:00Z".encode(), part)
            elif name.endswith(".xlsx"):
                part = settled(part, day)
            info = zipfile.ZipInfo(name, _EPOCH)
            info.external_attr, info.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
            new.writestr(info, part)
    return out.getvalue()
