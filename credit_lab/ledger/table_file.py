"""One table in one file - CSV, Parquet or XLSX - as texts, the same whatever the format and whatever else is in it.

Cells are read one by one, never by what stands beside them: an id keeps its zeros, "NA" is a text, an empty cell is the
empty text. A number of Parquet or Excel is written as it would be in CSV: 101 also where an empty cell beside it made
the column 101.0, 0.7 and not 0.699999988; a day without time as 2025-01-31.
"""

import zipfile
from datetime import date
from numbers import Number
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from credit_lab.errors import LedgerError
from credit_lab.ledger import delimited, limits, sources


def read(path: str | Path) -> pd.DataFrame:
    """The table in a file that ends in .parquet, .xlsx or .xlsm; any other is read as CSV.

    Returns
    -------
    DataFrame
        Columns of str, the empty text where a cell is empty.

    Raises
    ------
    LedgerError
        The file cannot be read, or is a workbook with several sheets.
    """
    file = Path(path)
    suffix = file.suffix.lower()
    if suffix not in (".parquet", ".xlsx", ".xlsm"):
        return delimited.read(file)
    try:
        typed = sources.parquet(file) if suffix == ".parquet" else _sheet(file)
    except LedgerError:
        raise
    except (OSError, ValueError, LookupError, TypeError, AttributeError, NotImplementedError) as error:
        raise LedgerError(f"{file}: cannot be read as a table ({error})") from error
    except (pa.ArrowException, zipfile.BadZipFile) as error:
        raise LedgerError(f"{file}: cannot be read as a table ({error})") from error
    return pd.DataFrame({str(name): _texts(typed[name]) for name in typed}, index=typed.index, dtype="str")


def _sheet(file: Path) -> pd.DataFrame:
    limits.workbook(file)
    sheets = pd.read_excel(file, sheet_name=None, dtype=object, keep_default_na=False, engine="openpyxl")
    filled = {name: sheet for name, sheet in sheets.items() if len(sheet.columns)}
    if len(filled) != 1:
        raise LedgerError(f"{file}: sheets {', '.join(map(str, sheets))}; keep the one with the table")
    return next(iter(filled.values()))


def _texts(cells: pd.Series) -> list[str]:
    # numbers of single precision are written before they become doubles
    values = cells.to_numpy().astype(str) if cells.dtype.kind == "f" else cells.to_numpy(dtype=object)
    gone = cells.isna().to_numpy()
    number = cells.dtype.kind == "f"
    return ["" if empty else _text(value, number) for value, empty in zip(values.tolist(), gone.tolist(), strict=True)]


def _text(value: Any, number: bool) -> str:
    if number or (isinstance(value, Number) and not isinstance(value, bool)):
        return str(value).removesuffix(".0")
    return str(value).removesuffix(" 00:00:00") if isinstance(value, date) else str(value)
