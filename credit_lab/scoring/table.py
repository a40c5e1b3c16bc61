"""What scoring accepts as a table, a target and weights, from pandas, polars or arrays, with messages for the rest."""

from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.utils import check_array

from credit_lab.errors import CreditLabError

Array = npt.NDArray[np.float64]


def columns_of(X: Any) -> dict[str, npt.NDArray[Any]]:
    """Columns by name: float64 for numbers and booleans, objects (None or NaN for missing) for everything else.

    Raises
    ------
    CreditLabError
        Column names that repeat, date columns.
    """
    if isinstance(X, pd.DataFrame) and not X.columns.is_unique:
        twice = X.columns[X.columns.duplicated()][0]
        raise CreditLabError(f"column name {twice!r} appears more than once; rename or drop one")
    if isinstance(X, pd.DataFrame) and X.columns.inferred_type != "string":
        X = X.set_axis(X.columns.map(str), axis=1)
    frame = nw.from_native(X, eager_only=True, pass_through=True)
    if not isinstance(frame, nw.DataFrame):
        array = check_array(X, dtype=None, ensure_all_finite=False)
        return {f"x{j}": _plain(f"x{j}", array[:, j]) for j in range(array.shape[1])}
    if frame.shape[0] == 0 or frame.shape[1] == 0:
        raise CreditLabError(f"a table with {frame.shape[0]} rows and {frame.shape[1]} columns: at least one is needed")
    return {str(name): _column(str(name), frame[name]) for name in frame.columns}


def _column(name: str, series: Any) -> npt.NDArray[Any]:
    dtype = series.dtype
    if dtype.is_temporal():
        raise CreditLabError(
            f"column {name!r} holds {dtype}; turn it into a number, such as days before the decision date"
        )
    if dtype.is_numeric() or dtype == nw.Boolean:
        if series.implementation.is_pandas():
            native = nw.to_native(series)
            return np.ascontiguousarray(native.to_numpy(dtype=np.float64, na_value=np.nan))
        return np.ascontiguousarray(series.cast(nw.Float64).to_numpy(), dtype=np.float64)
    return _plain(name, np.asarray(series.to_numpy(), dtype=object))


def _plain(name: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if values.dtype.kind in "biuf":
        return np.ascontiguousarray(values, dtype=np.float64)
    if values.dtype.kind == "c":
        raise CreditLabError(f"column {name!r}: Complex data not supported")
    values = values.astype(object)
    inferred = pd.api.types.infer_dtype(values, skipna=True)
    if inferred in ("integer", "floating", "mixed-integer-float", "boolean", "decimal"):
        return pd.to_numeric(pd.Series(values), errors="raise").to_numpy(dtype=np.float64, na_value=np.nan)
    if inferred in ("datetime64", "datetime", "date", "timedelta", "timedelta64", "period"):
        raise CreditLabError(
            f"column {name!r} holds dates; turn it into a number, such as days before the decision date"
        )
    if inferred == "empty":
        return np.full(len(values), np.nan)
    return values


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
