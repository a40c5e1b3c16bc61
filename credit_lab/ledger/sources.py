"""Where raw tables come from: a folder or file of CSV/Parquet (gz too), an XLSX with a sheet per table, a database URL.

CSV comes as text, untouched; Parquet, Excel and databases keep their types. Nothing is interpreted here.
"""

import warnings
import zlib
from collections.abc import Callable
from datetime import date, datetime
from numbers import Number
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from credit_lab.errors import LedgerError, nearest
from credit_lab.ledger import limits
from credit_lab.ledger.database import connected, hide_password
from credit_lab.ledger.mapping import Mapping

Loader = Callable[[], pd.DataFrame]
_SUFFIXES = (".csv", ".csv.gz", ".txt", ".txt.gz", ".parquet")


def loaders(path: str | Path, mapping: Mapping) -> dict[str, Loader]:
    """Name of each raw table found at `path`, with a function that loads it.

    Raises
    ------
    LedgerError
        Nothing is there, nothing readable is there, or the database does not answer.
    """
    if "://" in str(path):
        return _database(str(path))
    path = Path(path)
    if not path.exists():
        raise LedgerError(f"ledger {path} does not exist; give a folder, a CSV, Parquet or XLSX file or a database URL")
    if path.suffix.lower() in (".xlsx", ".xlsm"):
        return _workbook(path)
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    found: dict[str, Loader] = {}
    for file in files:
        suffix = next((suffix for suffix in _SUFFIXES if file.name.lower().endswith(suffix)), None)
        if suffix is None or not file.is_file():
            continue
        name = file.name[: -len(suffix)]
        if name in found:
            raise LedgerError(f"ledger {path}: two files for table {name!r}; keep one of them")
        found[name] = _file_loader(file, mapping)
    if not found:
        raise LedgerError(f"ledger {path}: no table found; files must end in {', '.join(_SUFFIXES)} or .xlsx")
    return found


def state(path: str | Path) -> list[tuple[str, int, int]]:
    """Name, size and time of change of each file of a source; empty for a database, which answers for itself."""
    if "://" in str(path):
        return []
    try:
        files = sorted(Path(path).iterdir()) if Path(path).is_dir() else [Path(path)]
        stats = [(str(file), file.stat()) for file in files if file.is_file()]
    except (OSError, ValueError):  # gone, or a text that is no path
        return []
    return [(file, stat.st_size, stat.st_mtime_ns) for file, stat in stats]


def choose(found: dict[str, Loader], name: str, path: str | Path) -> Loader:
    """The loader a mapping means by `name`; "*" is the only table there is."""
    if name == "*" and len(found) == 1:
        return next(iter(found.values()))
    if name not in found:
        hint = f"found {', '.join(sorted(found))}" if name == "*" else nearest(name, found)
        raise LedgerError(f"ledger {hide_password(str(path))}: no table {name!r}; {hint}")
    return found[name]


def _file_loader(file: Path, mapping: Mapping) -> Loader:
    if file.suffix == ".parquet":
        return lambda: _parquet(file)
    return lambda: _csv(file, mapping)


def _parquet(file: Path) -> pd.DataFrame:
    try:
        limits.parquet(file)
        return _settle(pd.read_parquet(file))
    except LedgerError:
        raise
    except (OSError, ValueError, KeyError, NotImplementedError, pa.ArrowException, AttributeError, TypeError) as error:
        raise LedgerError(f"{file}: no readable Parquet file ({error})") from error


def _csv(file: Path, mapping: Mapping) -> pd.DataFrame:
    try:
        with warnings.catch_warnings():
            # pandas only warns when it drops the surplus fields of a row; we do not lose data.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                limits.Gunzip(file) if file.suffix.lower() == ".gz" else file,
                dtype="str",
                keep_default_na=False,
                encoding=mapping.encoding,
                sep=mapping.delimiter,
                index_col=False,
            )
    except pd.errors.EmptyDataError as error:
        raise LedgerError(f"{file}: the file is empty; export it again with its header line") from error
    except (UnicodeDecodeError, LookupError) as error:
        raise LedgerError(
            f"{file}: not readable as {mapping.encoding}; set source.encoding in a mapping (gb18030, cp1252 ...)"
        ) from error
    except LedgerError:
        raise
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise LedgerError(f"{file}: rows of different length ({error}); check delimiter and quoting") from error
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise LedgerError(f"{file}: cannot be read ({error})") from error


def _workbook(path: Path) -> dict[str, Loader]:
    limits.workbook(path)
    try:
        sheets = pd.read_excel(path, sheet_name=None, dtype=object, keep_default_na=False, engine="openpyxl")
    except Exception as error:  # openpyxl raises zip, XML and key errors of many families
        raise LedgerError(f"{path}: no readable XLSX workbook ({error})") from error
    return {str(name): (lambda sheet=sheet: _settle(sheet)) for name, sheet in sheets.items()}  # type: ignore[misc]


def _database(url: str) -> dict[str, Loader]:
    scheme, _, place = url.partition("://")
    file = place.partition("?")[0]
    if scheme in ("duckdb", "sqlite") and file and ":" not in file and not Path(file).exists():
        # these engines would make an empty database of a mistyped name
        raise LedgerError(
            f"database {hide_password(url)}: no file {file}; check the path (an absolute one has three slashes)"
        )
    with connected(url, "does not answer") as connection:
        names = connection.list_tables()
    if not names:
        raise LedgerError(f"database {hide_password(url)} holds no tables; name the schema in the URL (?schema=...)")
    return {str(name): (lambda name=name: _database_table(url, name)) for name in names}  # type: ignore[misc]


def _database_table(url: str, name: str) -> pd.DataFrame:
    with connected(url, f"does not give table {name!r}") as connection:
        return from_database(connection.table(name))


def from_database(table: Any) -> pd.DataFrame:
    """The rows of an Ibis table, with its types."""
    return _settle(table.to_pandas())


def _settle(frame: pd.DataFrame) -> pd.DataFrame:
    """Give object columns one type: all dates, all numbers, or text; an Excel or database cell may be any of them.
    Names are text: the head of a column may be a number or a date."""
    frame = frame.rename(columns=str)
    if frame.columns.has_duplicates:
        raise LedgerError(f"two columns are both named {frame.columns[frame.columns.duplicated()][0]!r}; rename one")
    for name in frame.select_dtypes(["datetime", "datetimetz"]):
        if not frame[name].dt.year.dropna().between(1, 9999).all():  # Parquet holds years of nine digits
            raise LedgerError(f"column {name!r} holds dates outside the years 1 to 9999; correct them in the export")
    return frame.assign(**{name: _one_type(frame[name]) for name in frame if frame[name].dtype == object})


def _one_type(cells: pd.Series) -> pd.Series:
    empty = cells.isna() | (cells == "")
    filled = cells[~empty]
    if filled.empty:
        return pd.Series("", index=cells.index, dtype="str")
    if filled.map(lambda cell: isinstance(cell, (date, datetime))).all():
        return pd.to_datetime(cells.mask(empty, None), errors="coerce")
    if filled.map(lambda cell: isinstance(cell, Number) and not isinstance(cell, bool)).all():
        return cells.mask(empty, None).astype("float64")
    return cells.mask(empty, "").map(str).astype("str")
