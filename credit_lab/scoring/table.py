"""What scoring accepts as a table, a target and weights, from pandas, polars or arrays, with messages for the rest.

A value means the same whatever stands beside it and however the table keeps it. A number is a number, a flag (1 or 0)
or a text that is one; a category is the text of the value. Null, NaN and text without a sign in it are missing; "NA" is
a text like any other.
"""

import re
from collections.abc import Collection, Mapping
from numbers import Number
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.utils import check_array

from credit_lab.errors import CreditLabError

Array = npt.NDArray[np.float64]
NUMBER = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|inf)")
_CODE = re.compile(r"[+-]?0[0-9]")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[ T].*)?$")
FLAGS = {"true": 1.0, "false": 0.0}
_DATES = ("datetime64", "datetime", "date", "timedelta", "timedelta64", "period")


def columns_of(
    X: Any, kinds: Mapping[str, str] | None = None, missing: Collection[str] = ()
) -> dict[str, npt.NDArray[Any]]:
    """Columns by name: float64 for numbers, objects (text, None for missing) for categories.

    Parameters
    ----------
    X : pandas or polars frame, or an array (columns x0, x1, ...)
    kinds : number or category by column, as bins or a card know it; a column not named here is a
        number if it holds nothing but numbers and flags, else a category
    missing : texts that stand for a missing value

    Raises
    ------
    CreditLabError
        Column names that repeat, date columns, a cell that is no number in a column that is one.
    """
    if isinstance(X, pd.DataFrame) and not X.columns.is_unique:
        twice = X.columns[X.columns.duplicated()][0]
        raise CreditLabError(f"column name {twice!r} appears more than once; rename or drop one")
    if isinstance(X, pd.DataFrame) and X.columns.inferred_type != "string":
        X = X.set_axis(X.columns.map(str), axis=1)
    kinds = kinds or {}
    frame = nw.from_native(X, eager_only=True, pass_through=True)
    if not isinstance(frame, nw.DataFrame):
        array = check_array(X, dtype=None, ensure_all_finite=False)
        names = [f"x{j}" for j in range(array.shape[1])]
        return {name: _plain(name, array[:, j], kinds.get(name), missing) for j, name in enumerate(names)}
    if frame.shape[0] == 0 or frame.shape[1] == 0:
        raise CreditLabError(f"a table with {frame.shape[0]} rows and {frame.shape[1]} columns: at least one is needed")
    return {str(name): _column(str(name), frame[name], kinds.get(str(name)), missing) for name in frame.columns}


def _column(name: str, series: Any, kind: str | None, missing: Collection[str]) -> npt.NDArray[Any]:
    dtype = series.dtype
    if dtype.is_temporal():
        raise CreditLabError(
            f"column {name!r} holds {dtype}; turn it into a number, such as days before the decision date"
        )
    if kind != "category" and (dtype.is_numeric() or dtype == nw.Boolean):
        if series.implementation.is_pandas():
            if dtype == nw.Float32:
                return _doubles(nw.to_native(series).to_numpy(dtype=np.float32, na_value=np.nan))
            native = nw.to_native(series)
            return np.ascontiguousarray(native.to_numpy(dtype=np.float64, na_value=np.nan))
        if dtype == nw.Float32:
            return _doubles(np.asarray(series.to_numpy(), dtype=np.float32))
        return np.ascontiguousarray(series.cast(nw.Float64).to_numpy(), dtype=np.float64)
    values = series.to_numpy()
    return _plain(name, values if kind == "category" else np.asarray(values, dtype=object), kind, missing)


def _doubles(values: npt.NDArray[Any]) -> Array:
    """Numbers of less than double precision as they would be written: 0.7, not 0.699999988."""
    return np.ascontiguousarray(values.astype(str).astype(np.float64) if values.dtype.kind == "f" else values)


def _plain(name: str, values: npt.NDArray[Any], kind: str | None, missing: Collection[str]) -> npt.NDArray[Any]:
    if kind == "category":
        return texts(values, missing)
    if values.dtype.kind in "biuf":
        small = values.dtype.kind == "f" and values.dtype.itemsize < 8
        return _doubles(values) if small else np.ascontiguousarray(values, dtype=np.float64)
    if values.dtype.kind == "c":
        raise CreditLabError(f"column {name!r}: Complex data not supported")
    values = values.astype(object)
    inferred = pd.api.types.infer_dtype(values, skipna=True)
    if inferred in _DATES:
        raise CreditLabError(
            f"column {name!r} holds dates; turn it into a number, such as days before the decision date"
        )
    if kind == "number" or inferred in ("integer", "floating", "mixed-integer-float", "boolean", "decimal", "empty"):
        return numbers(name, values, missing)
    return texts(values, missing)


def numbers(name: str, values: npt.NDArray[Any], missing: Collection[str] = ()) -> Array:
    """Cells of a column of numbers as float64, NaN for missing.

    Raises
    ------
    CreditLabError
        A cell that is neither a number, a flag nor empty, with its row (counted from 1) and value.
    """
    codes, distinct = _distinct(values)
    read = [*(_number(value, missing) for value in distinct), np.nan]
    unread = np.flatnonzero(np.array([number is None for number in read])[codes])
    if len(unread):
        more = f" (and {len(unread) - 1:,} rows more)" if len(unread) > 1 else ""
        raise CreditLabError(
            f"column {name!r} is a number, but row {unread[0] + 1} holds {str(values[unread[0]])!r}{more}; write it as "
            "in 1234.5, leave it empty, or name the text as one that stands for a missing value (missing)"
        )
    return np.array(read, dtype=np.float64)[codes]


def _number(value: Any, missing: Collection[str]) -> float | None:
    """The number in a cell; None where there is none to read."""
    text = str(value).strip()
    if text == "" or text in missing:
        return np.nan
    if text.lower() in FLAGS:
        return FLAGS[text.lower()]
    if NUMBER.fullmatch(text):
        return float(text)
    return None


def texts(values: npt.NDArray[Any], missing: Collection[str] = ()) -> npt.NDArray[Any]:
    """Cells of a column of categories: the text of each, as it is written; None for missing."""
    codes, distinct = _distinct(values)
    named = [None if text.strip() == "" or text in missing else text for text in map(str, distinct)]
    return np.array([*named, None], dtype=object)[codes]


def kinds_of_text(cells: pd.DataFrame, categories: Collection[str] = ()) -> pd.DataFrame:
    """Kind of each column of text, from all of its cells: what a card is fitted on where no card says it yet.

    A column is a number if every cell that is not empty is one (1234.5, no zeros before it, for "01" is a code), or if
    every such cell is true or false. It is a category as soon as one cell is neither, or if it is named in
    `categories`; it is a date if every such cell is a day like 2025-01-31.

    Returns
    -------
    DataFrame
        column, kind (number, category or date), row (from 1) and cell that made it a category, empty cells
    """
    found = []
    for name in map(str, cells.columns):
        codes, distinct = pd.factorize(cells[name].str.strip().to_numpy(dtype=object))
        filled = np.array([text != "" for text in distinct], dtype=bool)
        plain = np.array([bool(NUMBER.fullmatch(t)) and not _CODE.match(t) for t in distinct], dtype=bool)
        flags = all(text.lower() in FLAGS for text in distinct[filled])
        other = np.flatnonzero((filled & ~plain)[codes])
        kind = "number" if flags or not len(other) else "category"
        if kind == "category" and all(_DAY.match(text) for text in distinct[filled]):
            kind = "date"
        kind = "category" if name in categories else kind
        row, cell = (other[0] + 1, cells[name].iloc[other[0]]) if kind == "category" and len(other) else (0, "")
        found.append((name, kind, int(row), cell, int((~filled)[codes].sum())))
    return pd.DataFrame(found, columns=["column", "kind", "row", "cell", "empty"])


def _distinct(values: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int64], Any]:
    """Number of each cell among the different ones, -1 for null. 1, 1.0 and True stay apart where mixed."""
    cells = np.asarray(values)
    if cells.dtype == object and pd.api.types.infer_dtype(cells, skipna=True) not in ("string", "empty"):
        if not any(isinstance(cell, Number) for cell in cells):
            return pd.factorize(cells)
        return np.where(pd.isna(cells), -1, np.arange(len(cells))), cells
    return pd.factorize(cells)


def target_of(y: Any, rows: int) -> tuple[Array, npt.NDArray[Any]]:
    """Target as 0 and 1 and its two values in order; the second is the event.

    Raises
    ------
    CreditLabError
        Missing values, another length than the table, not exactly two values.
    """
    if y is None:
        raise CreditLabError("requires y to be passed, but the target y is None")
    values = pd.Series(np.asarray(y).ravel())
    if len(values) != rows:
        raise CreditLabError(f"the target has {len(values)} rows and the table {rows}; they must be the same")
    if values.isna().any():
        raise CreditLabError(
            f"the target is missing (Input y contains NaN) in {values.isna().sum()} of {rows} rows "
            f"(first: row {values.isna().idxmax()}); leave out rows whose outcome is not known yet"
        )
    classes = np.unique(values.to_numpy())
    if len(classes) > 2:
        raise CreditLabError(
            f"Unknown label type: the target has {len(classes)} different values "
            f"(first: {', '.join(str(v) for v in classes[:3])}); it must be binary, e.g. 0 and 1"
        )
    if len(classes) == 1:
        raise CreditLabError(
            f"the target has 1 class, {classes[0]}, in all {rows} rows; both events and non-events are needed"
        )
    return (values.to_numpy() == classes[1]).astype(np.float64), classes


def weights_of(weights: Any, target: Array) -> Array:
    """Row weights, ones if none are given; rows with weight zero count for nothing.

    Raises
    ------
    CreditLabError
        Another length, missing or negative weights, or no weight on one of the classes.
    """
    if weights is None:
        return np.ones(len(target))
    values = np.asarray(weights, dtype=np.float64).ravel()
    if len(values) != len(target):
        raise CreditLabError(f"{len(values)} weights for {len(target)} rows; give one per row")
    bad = ~np.isfinite(values) | (values < 0)
    if bad.any():
        raise CreditLabError(
            f"weights must be finite and not negative: {bad.sum()} are not "
            f"(first: row {bad.argmax()}, {values[bad][0]})"
        )
    if values[target > 0].sum() == 0 or values[target == 0].sum() == 0:
        raise CreditLabError("the weights leave only one class; events and non-events both need a weight above zero")
    return values
