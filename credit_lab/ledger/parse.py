"""Text to values: numbers, dates, flags as exports write them. A parser never guesses and never raises for a cell:
it gives back the typed column and the cells it could not read, for the quarantine."""

import re

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab.ledger.mapping import Formats
from credit_lab.schema import DTYPES, Kind

_DATE_FORMS = {
    "iso": ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y/%m/%d", "%Y%m%d"),
    "month-first": ("%m/%d/%Y", "%m-%d-%Y", "%m.%d.%Y"),
    "day-first": ("%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y"),
}
# A day with a time, as databases and ERP systems print it: also with fractions of a second and a time zone.
_STAMP = r"^(\d{4}-\d{2}-\d{2})[T ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?(?: ?(?:Z|UTC|[+-]\d{2}:?\d{2}))?$"
_FLAGS = {"true": True, "yes": True, "y": True, "1": True, "false": False, "no": False, "n": False, "0": False}
Mask = npt.NDArray[np.bool_]


def missing(raw: pd.Series, formats: Formats) -> Mask:
    """True where a cell holds no value: null, or one of the texts the export uses for it."""
    gone = raw.isna().to_numpy()
    if pd.api.types.is_string_dtype(raw.dtype) or raw.dtype == object:
        gone = gone | text(raw).isin(formats.missing).to_numpy()
    return np.asarray(gone)


def column(raw: pd.Series, kind: Kind, formats: Formats) -> tuple[pd.Series, Mask]:
    """Typed column and the mask of cells that hold something unreadable.

    Typed input (Parquet, a database, Excel) passes through the same door: a date stays a date, a number a number.
    """
    raw = text(raw) if isinstance(raw.dtype, pd.StringDtype) else raw
    gone = missing(raw, formats)
    if kind in ("id", "text"):
        values = _without(text(raw), gone).astype(DTYPES[kind])
        return values, np.zeros(len(raw), dtype=bool)
    filled = _without(raw, gone)
    if kind == "date":
        values = _dates(filled, formats.date)
    elif kind == "flag":
        values = _flags(filled)
    else:
        values = _numbers(filled, formats)
    bad = values.isna().to_numpy() & ~gone
    if kind == "days":
        whole = (values.round() == values) & (values.abs() < 2**31)  # more days than there are is a slip
        bad |= (~whole & values.notna()).to_numpy()
        values = values.where(whole).round()
    return values.astype(DTYPES[kind]), bad


def _without(cells: pd.Series, gone: Mask) -> pd.Series:
    """Cells emptied under a mask; the same cells, not a copy, where it empties none."""
    return cells.mask(gone) if (gone & cells.notna().to_numpy()).any() else cells


def text(raw: pd.Series) -> pd.Series:
    """Cells as text, stripped (not copied, where there is nothing to strip): ids, codes, parts of a joined id.

    A whole number stored with a point loses the ".0" a spreadsheet or an empty cell beside it gave it; a day without
    time is written 2025-01-31. An empty cell stays empty.
    """
    if pd.api.types.is_datetime64_any_dtype(raw.dtype) and (raw.dropna() == raw.dropna().dt.normalize()).all():
        return raw.dt.strftime("%Y-%m-%d").astype("str")
    cells = raw.astype("str")
    if pd.api.types.is_float_dtype(raw.dtype):
        whole = ((raw % 1 == 0) & (raw.abs() < 2**63)).fillna(False)  # cell by cell: 101.5 changes no other id
        cells = raw.where(whole).astype("Int64").astype("str").where(whole, cells)
    stripped = cells.str.strip()
    return cells if stripped.equals(cells) else stripped


def _numbers(raw: pd.Series, formats: Formats) -> pd.Series:
    if pd.api.types.is_numeric_dtype(raw.dtype):
        values = raw.astype("float64")
        return _without(values, ~np.isfinite(values.to_numpy()))
    decimal, group = re.escape(formats.decimal), re.escape(formats.grouping)
    whole = rf"(?:\d+|\d{{1,3}}(?:{group}\d{{2,3}})*{group}\d{{3}})" if group else r"\d+"
    plain = rf"{whole}(?:{decimal}\d*)?|{decimal}\d+"
    scientific = rf"\d+(?:{decimal}\d+)?[eE][+-]?\d+"
    form = rf"[+-]?(?:{plain}|{scientific})|(?:{plain})-|\((?:{plain})\)"
    cells = raw.astype("str").str.strip()
    readable = cells.str.fullmatch(form).fillna(False).astype(bool)
    cells = cells.where(readable)
    if formats.grouping:
        cells = cells.str.replace(formats.grouping, "", regex=False)
    if formats.decimal != ".":
        cells = cells.str.replace(formats.decimal, ".", regex=False)
    behind = cells.str.endswith("-", na=False) | cells.str.startswith("(", na=False)
    values = pd.to_numeric(cells.str.strip("()").str.removesuffix("-"), errors="coerce").astype("float64")
    values = _without(values, np.isinf(values.to_numpy()))  # 1e400 is beyond any number
    return values.mask(behind, -values)


def _dates(raw: pd.Series, form: str) -> pd.Series:
    """Days. A time stamp counts on the day it shows in the zone it is written in: the day on the document, which
    does not move when the same moment is looked at from another zone."""
    if pd.api.types.is_datetime64_any_dtype(raw.dtype):
        plain = raw.dt.tz_localize(None) if raw.dt.tz is not None else raw
        return plain.dt.normalize().astype(DTYPES["date"])
    cells = text(raw)
    if form == "iso":
        cells = cells.str.replace(_STAMP, r"\1", regex=True)
    found = pd.Series(pd.NaT, index=raw.index, dtype=DTYPES["date"])
    for pattern in _DATE_FORMS.get(form, (form,)):
        rest = found.isna() & cells.notna()
        if not rest.any():
            break
        found[rest] = pd.to_datetime(cells[rest], format=pattern, errors="coerce").astype(DTYPES["date"])
    return found.dt.normalize()


def _flags(raw: pd.Series) -> pd.Series:
    if pd.api.types.is_bool_dtype(raw.dtype):
        return raw.astype("boolean")
    return raw.astype("str").str.strip().str.lower().str.removesuffix(".0").map(_FLAGS).astype("boolean")
