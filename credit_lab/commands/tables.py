"""Tables that commands save: where, and as what."""

import os
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from credit_lab import spreadsheet
from credit_lab.errors import CreditLabError


def place(path: Path | None) -> Path | None:
    """A file a table can be saved to, found out before the work begins.

    Raises
    ------
    CreditLabError
        Another ending than .csv and .parquet; a folder that does not exist or cannot be written to.
    """
    if path is None:
        return None
    if path.suffix not in (".csv", ".parquet"):
        raise CreditLabError(f"{path}: the name must end in .csv or .parquet")
    if path.is_dir():
        raise CreditLabError(f"{path} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise CreditLabError(f"{path}: there is no folder {path.parent}; make it first")
    if not os.access(path.parent, os.W_OK):
        raise CreditLabError(f"{path}: nothing can be written to the folder {path.parent}")
    return path


Out = Annotated[Path | None, typer.Option(help="Also save as .csv or .parquet.", callback=place)]


def write(frame: pd.DataFrame, path: Path) -> None:
    """A table as CSV for spreadsheets or Parquet by the ending of the name, whole or not at all.

    Parquet keeps every text and number as it is; in CSV, `spreadsheet.write_csv` quotes texts that look like formulas.

    Raises
    ------
    CreditLabError
        As of `place`, or the file cannot be written.
    """
    place(path)
    part = path.with_name(path.name + ".part")
    try:
        if path.suffix == ".csv":
            spreadsheet.write_csv(frame, part)
        else:
            frame.to_parquet(part, index=False)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise CreditLabError(f"{path}: cannot be written ({error.strerror})") from None
