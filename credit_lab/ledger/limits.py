"""Files that would fill the memory are refused before they are unpacked: bombs, and sheets with a stray far cell.

What counts is the size unpacked together with the ratio to the file: exports shrink ten- to thirtyfold, bombs a
thousandfold. A sheet is laid out up to its last row and column: one cell in XFD1048576 costs as much as a full sheet.
"""

import gzip
import re
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from credit_lab.errors import LedgerError

MOST_UNPACKED = 2**30  # bytes of a workbook
MOST_RATIO, FREE = 200, 2**26  # a ratio says nothing about the first 64 MiB
MOST_CELLS = 50_000_000  # of a sheet, empty ones counted
MOST_ROWS = 200_000_000  # of a Parquet file
_SHEET_ROWS, _SHEET_COLUMNS = 1_048_576, 16_384
_PLACE = re.compile(rb"""\br\s*=\s*["']\s*([A-Za-z]*)([0-9]+)""")


def _bomb(path: Path, size: int) -> LedgerError:
    return LedgerError(
        f"{path}: {size / 1e6:,.0f} MB unpacked from {path.stat().st_size / 1e6:,.3f} MB; refused as made to fill the "
        "memory. If it is sound, unpack it and export CSV or Parquet"
    )


class Gunzip(gzip.GzipFile):
    """A gzip file that stops when it unpacks to more than an export would."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._path, self._seen = path, 0
        self._most = max(FREE, MOST_RATIO * path.stat().st_size)

    def read(self, size: int | None = -1) -> bytes:  # pandas reads in pieces
        """As of `GzipFile`."""
        return self._counted(super().read(self._most + 1 if size is None or size < 0 else size))

    def read1(self, size: int = -1) -> bytes:
        """As of `GzipFile`."""
        return self._counted(super().read1(size))

    def readinto(self, buffer: Any) -> int:
        """As of `GzipFile`."""
        held = self.read(len(buffer))
        buffer[: len(held)] = held
        return len(held)

    def _counted(self, held: bytes) -> bytes:
        self._seen += len(held)
        if self._seen > self._most:
            raise _bomb(self._path, self._seen)
        return held


def workbook(path: Path) -> None:
    """Refuse an XLSX file that is a bomb, or has a sheet that spans too many cells; what is no archive passes."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            size = sum(one.file_size for one in members)  # no more than this is ever unpacked of a member
            if size > MOST_UNPACKED or size > max(FREE, MOST_RATIO * path.stat().st_size):
                raise _bomb(path, size)
            for one in members:
                if one.filename.startswith("xl/worksheets/") and one.filename.endswith(".xml"):
                    with archive.open(one) as sheet:
                        _sheet(path, Path(one.filename).stem, sheet)
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        if isinstance(error, LedgerError):
            raise
        raise LedgerError(f"{path}: no readable XLSX workbook ({error})") from error


def _sheet(path: Path, name: str, content: Any) -> None:
    rows = columns = 0
    tail = b""
    while held := content.read(2**20):
        held = tail + held
        for letters, number in set(_PLACE.findall(held)):
            rows, columns = max(rows, int(number[:9])), max(columns, _column(letters[:4]))
        if columns > _SHEET_COLUMNS or rows > _SHEET_ROWS or rows * columns > MOST_CELLS:
            raise LedgerError(
                f"{path}: {name} spans {rows:,} rows and {columns:,} columns; delete what lies far outside the table, "
                "or export CSV"
            )
        tail = held[-64:]


def _column(letters: bytes) -> int:
    """Number of a column: A is 1, XFD 16,384."""
    number = 0
    for letter in letters.upper():
        number = 26 * number + letter - 64
    return number


def parquet(path: Path) -> None:
    """Refuse a Parquet file whose header promises more rows than any ledger has."""
    try:
        rows = pq.read_metadata(path).num_rows
    except (OSError, pa.ArrowException) as error:
        raise LedgerError(f"{path}: no readable Parquet file ({error})") from error
    if rows > MOST_ROWS:
        raise LedgerError(f"{path}: {rows:,} rows; more than {MOST_ROWS:,} are refused; give a shorter export")
