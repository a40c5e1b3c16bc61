"""Writing a ledger: a folder of CSV or Parquet, a workbook, or a database; read again it is the same ledger.

Nothing is quoted for spreadsheets here, as ids and names must come back as they are; a ledger to be looked at in a
spreadsheet is written as a workbook, in which texts stay texts.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Literal

import pandas as pd

from credit_lab import file_names, schema
from credit_lab.errors import LedgerError
from credit_lab.ledger.database import connected, hide_password

_SHEET_ROWS = 1_048_575


def write(
    tables: dict[str, pd.DataFrame],
    path: str | Path,
    *,
    format: Literal["csv", "parquet"] = "csv",
    overwrite: bool = False,
) -> None:
    """Write tables to a folder (`format`), to a workbook (`.xlsx`) or to a database URL.

    Files appear whole or not at all: they are written aside and moved into place.

    Raises
    ------
    LedgerError
        Something is already there and `overwrite` is off, a table's name is no name of a file, a table is too long
        for a sheet, or the database fails.
    """
    if "://" in str(path):
        _to_database(tables, str(path), overwrite)
        return
    for name in tables:
        file_names.inside(name, "table", LedgerError)
    path = Path(path)
    if path.exists() and not overwrite:
        raise LedgerError(f"{path} exists already; choose another place or say overwrite")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as aside:
        if path.suffix.lower() == ".xlsx":
            made = Path(aside) / path.name
            _to_workbook(tables, made)
            made.replace(path)
            return
        folder = Path(aside) / "tables"
        folder.mkdir()
        for name, frame in tables.items():
            _to_file(frame, folder / f"{name}.{format}")
        path.mkdir(exist_ok=True)
        for stale in path.glob("*.csv"), path.glob("*.csv.gz"), path.glob("*.parquet"):
            for file in (one for one in stale if one.name.split(".")[0] in {*schema.TABLES, *tables}):
                file.unlink()
        for file in folder.iterdir():
            shutil.move(file, path / file.name)


def _to_file(frame: pd.DataFrame, file: Path) -> None:
    if file.suffix == ".parquet":
        frame.to_parquet(file, index=False)
    else:
        frame.to_csv(file, index=False, date_format="%Y-%m-%d", lineterminator="\n")


def _to_workbook(tables: dict[str, pd.DataFrame], file: Path) -> None:
    long = [name for name, frame in tables.items() if len(frame) > _SHEET_ROWS]
    if long:
        raise LedgerError(f"{file.name}: {long[0]} has more than {_SHEET_ROWS} rows; write Parquet instead")
    # Text that looks like a formula or a link stays text.
    options = {"options": {"strings_to_formulas": False, "strings_to_urls": False}}
    with pd.ExcelWriter(file, engine="xlsxwriter", engine_kwargs=options) as book:
        for name, frame in tables.items():
            frame.to_excel(book, sheet_name=name, index=False)


def _to_database(tables: dict[str, pd.DataFrame], url: str, overwrite: bool) -> None:
    with connected(url, "cannot be written") as connection:
        taken = sorted(set(tables) & set(connection.list_tables()))
        if taken and not overwrite:
            raise LedgerError(f"database {hide_password(url)}: table {taken[0]!r} exists already; say overwrite")
        for name, frame in tables.items():
            connection.create_table(name, frame, overwrite=overwrite)
