"""Sound files around hostile content: cells of a workbook and columns of a Parquet file made from any bytes.

Random bytes are neither a zip nor a Parquet file, and no fuzzer finds its way through their checksums; here the
container is sound, and the bytes choose what is in it.
"""

import datetime as dt
import decimal
import io
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

_NAMESPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
# Attributes and contents of cells as no spreadsheet would write them.
_KINDS = ("", "n", "s", "str", "inlineStr", "b", "e", "d", "x", "S")
_PLACES = ("", "A1", "B2", "A0", "1A", "XFD1048576", "XFE1", "a1", "$A$1", "A-1", "ZZZZ9", "A1:B2", "\u0661")
_VALUES = (
    "", "0", "-1", "1", "1.5", "1e308", "1e309", "nan", "inf", "-inf", "45000", "2958466", "-45000", "0.999999999",
    "99999999999999999999", "2024-02-30", "2024-02-29T25:00:00", "2024-02-29T12:00:00Z", "10000-01-01", "#DIV/0!",
    "=1+1", "true", "TRUE", "2", " ", "\u00a0", "1,5", "1.234,56", "\u4e2d\u6587", "\U0001f4a9", "]]>", "&#0;",
    "x" * 300,
)  # fmt: skip
_STYLES = ("", "0", "1", "14", "22", "164", "-1", "99999", "x")


@cache
def _members() -> dict[str, bytes]:
    """A workbook with dates, numbers and texts as it is saved, member by member."""
    whole = io.BytesIO()
    frame = pd.DataFrame({"invoice_id": ["I1"], "issue_date": [pd.Timestamp("2024-01-31")], "amount": [1.5]})
    frame.to_excel(whole, index=False, engine="openpyxl")
    with zipfile.ZipFile(whole) as book:
        return {one: book.read(one) for one in book.namelist()}


def workbook(data: bytes, path: Path) -> Path:
    """A workbook whose sheet and shared texts are `data` itself (first byte below 128), or cells chosen by it."""
    sheet, _, texts = data[1:].partition(b"\n---\n")
    if data[:1] >= b"\x80":
        sheet = _cells(data[1:]).encode("utf-8", "replace")
        texts = b""
    members = dict(_members())
    members["xl/worksheets/sheet1.xml"] = sheet
    if texts:
        members["xl/sharedStrings.xml"] = texts
    with zipfile.ZipFile(path, "w") as book:
        for name, content in members.items():
            book.writestr(name, content)
    return path


def _cells(data: bytes) -> str:
    """Four bytes a cell: kind and style, place, value, whether a new row begins and what it is called."""
    rows = ["<row>"]
    for at in range(0, len(data) - 3, 4):
        how, place, value, row = data[at : at + 4]
        said = _VALUES[value % len(_VALUES)]
        if row >= 128:
            number = ("", "1", "2", "0", "-1", "x", "1048577", "1.5")[row % 8]
            rows.append(f"</row><row{f' r={quoteattr(number)}' if number else ''}>")
        marks = {"t": _KINDS[how % len(_KINDS)], "r": _PLACES[place % len(_PLACES)] if place >= 64 else "",
                 "s": _STYLES[how // 16 % len(_STYLES)]}  # fmt: skip
        inside = f"<v>{escape(said)}</v>" if how % 16 != 4 else f"<is><t>{escape(said)}</t></is>"
        inside += "<f>1+1</f>" if how >= 240 else ""
        rows.append(f"<c {' '.join(f'{key}={quoteattr(mark)}' for key, mark in marks.items() if mark)}>{inside}</c>")
    return f"<worksheet xmlns='{_NAMESPACE}'><sheetData>{''.join(rows)}</row></sheetData></worksheet>"


def _texts(data: bytes) -> list[str]:
    return [_VALUES[one % len(_VALUES)] for one in data]


def _numbers(data: bytes) -> list[int]:
    return [(one - 128) ** 9 for one in data]


# A type of Arrow, and values of it from bytes.
_TYPES: tuple[tuple[pa.DataType, Callable[[bytes], list[object]]], ...] = tuple(
    (kind, values)
    for values, kinds in (
        (_texts, (pa.string(), pa.large_string())),
        (lambda data: [one.encode() for one in _texts(data)], (pa.binary(), pa.large_binary())),
        (lambda data: [one - 128 for one in data], (pa.int8(), pa.int16(), pa.date32(), pa.duration("s"), pa.int64())),
        (lambda data: [one * 7 * 10**16 for one in data], (pa.uint64(),)),
        (lambda data: [one // 1000 for one in _numbers(data)], (pa.timestamp("s"),)),  # kept as milliseconds
        (_numbers, (pa.int64(), pa.timestamp("ms"), pa.timestamp("us", "Asia/Shanghai"),
                    pa.timestamp("ns"))),
        (lambda data: [float(one) if one % 3 else float(("nan", "inf", "-inf", "1e308")[one % 4]) for one in data],
         (pa.float64(), pa.float32())),
        (lambda data: [decimal.Decimal(one).scaleb(-2) for one in _numbers(data)], (pa.decimal128(38, 2),
                                                                                    pa.decimal256(60, 10))),
        (lambda data: [one % 2 == 0 for one in data], (pa.bool_(),)),
        (lambda data: [None for _ in data], (pa.null(),)),
        (lambda data: [[one] * (one % 3) for one in data], (pa.list_(pa.int64()),)),
        (lambda data: [{"a": one} for one in data], (pa.struct([("a", pa.int64())]),)),
        (lambda data: [dt.time(one % 24) for one in data], (pa.time64("us"), pa.time32("s"))),
    )
    for kind in kinds
)  # fmt: skip
_NAMES = ("invoice_id", "amount", "issue_date", "a", "", "a", "__index_level_0__", "=1", "\x00", "\u4e2d\u6587")


def parquet(data: bytes, path: Path) -> Path:
    """A Parquet file with a column for each piece between zero bytes: type and name from its first two, values from
    the rest, every byte of 7 a missing one."""
    pieces = [piece for piece in data.split(b"\0") if len(piece) > 1][:8]
    rows = max((len(piece) - 2 for piece in pieces), default=0)
    columns, names = [], []
    for piece in pieces:
        kind, values = _TYPES[piece[0] % len(_TYPES)]
        held = (piece[2:] + b"\7" * rows)[:rows]
        made = pa.array([None if one == 7 else value for one, value in zip(held, values(held), strict=True)], kind)
        columns.append(made.dictionary_encode() if piece[0] >= 200 and pa.types.is_string(kind) else made)
        names.append(_NAMES[piece[1] % len(_NAMES)])
    pq.write_table(pa.Table.from_arrays(columns, names=names), path)
    return path
