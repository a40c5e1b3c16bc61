"""Where raw tables come from: a folder or file of CSV/Parquet (gz too), an XLSX with a sheet per table, a database URL.

CSV comes as text, untouched; Parquet, Excel and databases keep their types. Nothing is interpreted here.
"""

from collections.abc import Callable
from datetime import date, datetime
from numbers import Integral, Number
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from credit_lab.errors import LedgerError, nearest
from credit_lab.ledger import delimited, limits
from credit_lab.ledger.database import connected, hide_password
from credit_lab.ledger.mapping import Mapping

_INTEGERS = (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())
Loader = Callable[[], pd.DataFrame]
# Arrow types of whole numbers with an empty cell among them
_WHOLE = {kind: pd.UInt64Dtype() if kind == pa.uint64() else pd.Int64Dtype() for kind in _INTEGERS}
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
        return lambda: parquet(file)
    return lambda: delimited.read(
        file,
        encoding=mapping.encoding,
        delimiter=mapping.delimiter,
        quote=mapping.quote,
        multiline=mapping.multiline,
    )


def parquet(file: Path) -> pd.DataFrame:
    """A Parquet file in types that keep an empty cell apart and a whole number whole.

    Raises
    ------
    LedgerError
        It cannot be read, or promises more rows than any ledger has.
    """
    try:
        limits.parquet(file)
        return _settled(pq.read_table(file))
    except LedgerError:
        raise
    except (OSError, ValueError, KeyError, NotImplementedError, pa.ArrowException, AttributeError, TypeError) as error:
        raise LedgerError(f"{file}: no readable Parquet file ({error})") from error


def _workbook(path: Path) -> dict[str, Loader]:
    limits.workbook(path)
    try:
        sheets = pd.read_excel(path, sheet_name=None, dtype=object, keep_default_na=False, engine="openpyxl")
    except Exception as error:  # openpyxl raises zip, XML and key errors of many families
        raise LedgerError(f"{path}: no readable XLSX workbook ({error})") from error
    return {str(name): (lambda sheet=sheet: _sheet(sheet)) for name, sheet in sheets.items()}  # type: ignore[misc]


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
    connection = table.get_backend()
    return _sqlite(connection.con, table.get_name()) if connection.name == "sqlite" else _settled(table.to_pyarrow())


def _sqlite(connection: Any, name: str) -> pd.DataFrame:
    """A table of SQLite, whose cells have types, not its columns: Ibis bends 100.75 in a column INTEGER, or without a
    type, to 100, and 20250131 in a column DATE to seconds since 1970."""
    quoted = name.replace('"', '""')
    cursor = connection.execute(f'SELECT * FROM "{quoted}"')
    columns = [str(column[0]) for column in cursor.description]
    rows = pd.DataFrame.from_records(cursor.fetchall(), columns=columns).astype(object)
    return rows.assign(**{column: _one_type(rows[column]) for column in columns})


def _sheet(frame: pd.DataFrame) -> pd.DataFrame:
    """A sheet with one type a column: its cells may be of any. Names are text: a head may be a number or a date."""
    frame = frame.rename(columns=str)
    _distinct(list(frame.columns))
    return frame.assign(**{name: _one_type(frame[name]) for name in frame if frame[name].dtype == object})


def _settled(table: pa.Table) -> pd.DataFrame:
    """Columns of Parquet or a database in types that keep an empty cell apart and a whole number whole."""
    names = [str(name) for name in table.column_names]
    _distinct(names)
    columns = {}
    for name, cells in zip(names, table.columns, strict=True):
        columns[name] = _column(cells)
        if columns[name].dtype.kind == "M" and not columns[name].dt.year.dropna().between(1, 9999).all():
            # Parquet holds years of nine digits
            raise LedgerError(f"column {name!r} holds dates outside the years 1 to 9999; correct them in the export")
    return pd.DataFrame(columns, copy=False)


def _distinct(names: list[str]) -> None:
    twice = next((name for number, name in enumerate(names) if name in names[:number]), None)
    if twice is not None:
        raise LedgerError(f"two columns are both named {twice!r}; rename one")


def _column(cells: pa.ChunkedArray) -> pd.Series:
    """One column of Arrow as pandas: pandas alone makes floats of whole numbers, objects of days and decimals."""
    kind = cells.type
    if pa.types.is_dictionary(kind):
        return _column(cells.cast(kind.value_type))
    if pa.types.is_decimal(kind):
        return _decimal(cells)
    if pa.types.is_date(kind):
        cells = cells.cast(pa.timestamp("s")) if pa.types.is_date32(kind) else cells
        return cells.cast(pa.timestamp("us")).to_pandas()
    if pa.types.is_integer(kind) and cells.null_count:
        return cells.to_pandas(types_mapper=_WHOLE.get)
    if pa.types.is_boolean(kind):
        return cells.to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get)
    if pa.types.is_float16(kind) or pa.types.is_float32(kind):  # 0.7 is 0.7 and not 0.699999988
        return pd.Series(cells.to_numpy().astype(str).astype("float64"))
    if pa.types.is_nested(kind):
        return pd.Series(cells.to_pylist(), dtype=object).map(str, na_action="ignore").astype("str")
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):  # so some programs write texts
        cells = cells.cast(pa.string())
    found = cells.to_pandas()
    return _one_type(found) if found.dtype == object else found


def _decimal(cells: pa.ChunkedArray) -> pd.Series:
    """Decimals that are all whole (ids, codes, dates as numbers) to the last digit, others as amounts."""
    if pc.all(pc.equal(cells, pc.floor(cells))).as_py() is not False:
        try:
            return _column(cells.cast(pa.int64()))
        except pa.ArrowInvalid:  # longer than 19 digits: an id
            return cells.cast(pa.string()).to_pandas().str.replace(r"\.0*$", "", regex=True)
    return cells.cast(pa.float64()).to_pandas()


def _one_type(cells: pd.Series) -> pd.Series:
    """All days, all numbers, or text."""
    empty = cells.isna() | (cells == "")
    filled = cells[~empty]
    if filled.empty:
        return pd.Series("", index=cells.index, dtype="str")
    if filled.map(lambda cell: isinstance(cell, (date, datetime))).all():
        return pd.to_datetime(cells.mask(empty, None), errors="coerce")
    if filled.map(lambda cell: isinstance(cell, Number) and not isinstance(cell, bool)).all():
        whole = filled.map(lambda cell: isinstance(cell, Integral) and abs(int(cell)) < 2**63).all()
        return cells.mask(empty, None).astype("Int64" if whole else "float64")
    return cells.mask(empty, "").map(_written).astype("str")


def _written(cell: Any) -> str:
    if isinstance(cell, bytes):
        return cell.decode(errors="backslashreplace")
    return str(cell).removesuffix(".0") if isinstance(cell, float) else str(cell)
