"""Delimited text (CSV and its kin) as a table of texts, counted before it is parsed so that no row is lost unseen.

An open quotation mark swallows every row up to the next one, and a parser calls the result a sound table. So lines and
quotation marks are looked at first: where every mark opens a field at its beginning or closes one at its end, on its
own line, nothing can be swallowed (one pass of numpy over the bytes). Only other files are walked line by line, as
the parser will read them; what it would swallow is refused by line. After parsing the rows must be as many as were
counted. Cells stay as they are written: ids keep their zeros, "NA" is a text, an empty cell is the empty text.
"""

import contextlib
import csv
import io
import re
import warnings
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
import pandas as pd

from credit_lab.errors import LedgerError
from credit_lab.ledger import limits

NO_QUOTES = "none"
_CHUNK = 2**24  # bytes looked at in one go
_NAMED = 5  # lines of open marks that a message names
_NEWLINE, _SPACE, _TAB = b"\n \t"
_Line = tuple[int, str]  # number in the file and text


class Layout(NamedTuple):
    """How a delimited file is written; `multiline` says that quoted texts are known to run over several lines."""

    encoding: str = "utf-8-sig"
    delimiter: str = ","
    quote: str = '"'
    multiline: bool = False


def read(
    path: str | Path,
    *,
    encoding: str = "utf-8-sig",
    delimiter: str = ",",
    quote: str = '"',
    multiline: bool = False,
) -> pd.DataFrame:
    """A delimited file as it is written: every cell text, a missing one the empty text.

    Parameters
    ----------
    path : file; one that ends in .gz is unpacked on the way
    encoding : codec of the file
    delimiter : sign between fields
    quote : sign that encloses fields, "none" where marks are part of the text
    multiline : quoted texts are known to run over several lines, also over such as look like rows

    Returns
    -------
    DataFrame
        One column of str per field of the first line, one row per record.

    Raises
    ------
    LedgerError
        The file cannot be read or decoded, a row is longer than the first line (a shorter one ends in empty cells), or
        a quotation mark left open would swallow rows; the message names the lines and the way out.
    """
    file, layout = Path(path), Layout(encoding, delimiter, quote, multiline)
    if len(delimiter) != 1 or (quote != NO_QUOTES and (len(quote) != 1 or quote == delimiter)):
        raise LedgerError(
            f'{file}: delimiter {delimiter!r} and quote {quote!r} must be one sign each, not the same; quote = "none" '
            "where marks are part of the text"
        )
    try:
        records, old_ends = _count(file, layout)
        table = _parsed(file, layout, old_ends)
    except pd.errors.EmptyDataError as error:
        raise LedgerError(f"{file}: the file is empty; export it again with its header line") from error
    except (UnicodeError, LookupError) as error:
        raise LedgerError(
            f"{file}: not readable as {encoding}; set source.encoding in a mapping (gb18030, cp1252 ...)"
        ) from error
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise LedgerError(f"{file}: rows of different length ({error}); check delimiter and quoting") from error
    except LedgerError:
        raise
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise LedgerError(f"{file}: cannot be read ({error})") from error
    if len(table) != records - 1:
        raise LedgerError(
            f"{file}: {records - 1:,} rows were counted, but {len(table):,} could be read; look for control "
            "characters or odd line ends, and export it again"
        )
    return table


def _parsed(file: Path, layout: Layout, old_ends: bool) -> pd.DataFrame:
    bare = layout.quote == NO_QUOTES
    with warnings.catch_warnings(), _opened(file) as content, contextlib.ExitStack() as closing:
        # behind a lone carriage return pandas loses an empty first cell: the row moves to the left
        lines = closing.enter_context(io.TextIOWrapper(content, encoding=layout.encoding)) if old_ends else content
        # pandas only warns when it drops the surplus fields of a row; we do not lose data.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        return pd.read_csv(
            lines,
            dtype="str",
            keep_default_na=False,
            encoding=layout.encoding,
            sep=layout.delimiter,
            quoting=csv.QUOTE_NONE if bare else csv.QUOTE_MINIMAL,
            quotechar='"' if bare else layout.quote,
            index_col=False,
        ).fillna("")


def _opened(file: Path) -> BinaryIO:
    return cast(BinaryIO, limits.Gunzip(file)) if file.suffix.lower() == ".gz" else file.open("rb")


def _count(file: Path, layout: Layout) -> tuple[int, bool]:
    """Records of the file, the header among them, and whether it holds carriage returns without a newline.

    Raises
    ------
    LedgerError
        A quotation mark is left open.
    """
    signs = layout.delimiter + ("" if layout.quote == NO_QUOTES else layout.quote) + "\n\r \t"
    if signs.encode(layout.encoding.replace("-sig", "")) == signs.encode("ascii", "replace"):
        with _opened(file) as content:
            lines = _sound_lines(content, layout)
        if lines is not None:
            return lines, False
    reading = _Reading(layout)
    with _opened(file) as content, io.TextIOWrapper(content, encoding=layout.encoding) as text:
        opened = reading.open_marks(_numbered(text, layout))
    with _opened(file) as content, io.TextIOWrapper(content, encoding=layout.encoding) as text:
        records = sum(1 for _ in reading.records(_numbered(text, layout)))
        old_ends = "\r" in (text.newlines or ())
    if not opened:
        return records, old_ends
    with _opened(file) as content, io.TextIOWrapper(content, encoding=layout.encoding) as text:
        lines = sum(1 for _ in _numbered(text, layout))
    named = ", ".join(str(line) for line in opened[:_NAMED]) + (" ..." if len(opened) > _NAMED else "")
    raise LedgerError(
        f"{file}: a quotation mark is opened and not closed in line {named}: it swallows the rows that follow "
        f"({lines:,} lines would be read as {records:,} records). Correct the export, or say in the mapping under "
        f'[source]: quote = "none" where marks are part of the text, multiline = true where texts run over lines'
    )


def _sound_lines(content: BinaryIO, layout: Layout) -> int | None:
    """Number of lines that are not blank; None where a mark does not open or close a field on its own line, or a line
    ends in a lone carriage return."""
    delimiter, quote = ord(layout.delimiter), None if layout.quote == NO_QUOTES else ord(layout.quote)
    blank = [sign for sign in (_SPACE, _TAB) if sign != delimiter]
    total, rest, first = 0, b"", True
    while held := content.read(_CHUNK):
        held, rest = rest + held, b""
        end = max(held.rfind(b"\n"), held.rfind(b"\r")) + 1
        if held[end - 1 : end] == b"\r":  # its newline may stand in the next piece
            end = max(held.rfind(b"\n", 0, end - 1), held.rfind(b"\r", 0, end - 1)) + 1
        held, rest = held[:end], held[end:]
        found = _sound(held.removeprefix(b"\xef\xbb\xbf") if first else held, delimiter, quote, blank)
        if found is None:
            return None
        total, first = total + found, first and not held
    found = _sound((rest.removeprefix(b"\xef\xbb\xbf") if first else rest) + b"\n", delimiter, quote, blank)
    return None if found is None else total + found


def _sound(held: bytes, delimiter: int, quote: int | None, blank: list[int]) -> int | None:
    """`_sound_lines` of whole lines."""
    if b"\r" in held and b"\r" in (held := held.replace(b"\r\n", b"\n")):
        return None
    signs = np.frombuffer(b"\n" + held, dtype=np.uint8)  # with a line end before the first line, too
    ends = np.flatnonzero(signs == _NEWLINE)
    if quote is not None and quote in held and not _marks_sound(signs, ends, delimiter, quote):
        return None
    filled = np.diff(ends) > 1
    begins = signs[ends[:-1] + 1]
    for line in np.flatnonzero(filled & np.isin(begins, blank)):
        filled[line] = bool(signs[ends[line] + 1 : ends[line + 1]].tobytes().strip(bytes(blank)))
    return int(filled.sum())


def _marks_sound(signs: np.ndarray, ends: np.ndarray, delimiter: int, quote: int) -> bool:
    """Whether the marks of each line open and close fields in turn: before an opening one stands the line's begin or
    a delimiter, behind a closing one a delimiter or the line's end; two in a row inside a field stand for one."""
    marks = np.flatnonzero(signs == quote)
    if (np.diff(np.searchsorted(marks, ends)) % 2).any():
        return False
    allowed = np.zeros(256, dtype=bool)
    allowed[[delimiter, _NEWLINE, quote]] = True
    # Every line holds an even number, so every other mark of all is a closing one.
    return bool(allowed[signs[marks[0::2] - 1]].all() and allowed[signs[marks[1::2] + 1]].all())


def _numbered(text: io.TextIOWrapper, layout: Layout) -> Iterator[_Line]:
    """Lines with their number, blank ones left out."""
    blank = " \n" if layout.delimiter == "\t" else " \t\n"
    for number, line in enumerate(text, start=1):
        if line.strip(blank):
            yield number, line.removesuffix("\n")


class _Reading:
    """A file line by line, as the parser will read it."""

    def __init__(self, layout: Layout) -> None:
        quote = re.escape(layout.quote)
        self.layout = layout
        self.quoted = re.compile(f"(?:[^{quote}]|{quote}{quote})*+")  # what follows an opening mark, on its line

    def open_marks(self, lines: Iterator[_Line]) -> list[int]:
        """Numbers of the lines whose quotation mark is left open.

        What such a mark swallowed is looked at again, so that the next open mark is found as well.
        """
        opened: list[int] = []
        width = 0
        while (line := next(lines, None)) is not None and len(opened) <= _NAMED:
            number, text = line
            swallowed, inside, sound = self._record(text, lines)
            width = width or len(next(csv.reader([text, *(more for _, more in swallowed)], **self._dialect())))
            rows = any(more.count(self.layout.delimiter) + 1 == width > 1 for more in inside)
            if not sound or (rows and not self.layout.multiline):
                opened.append(number)
                lines = chain(swallowed, lines)
        return opened

    def records(self, lines: Iterator[_Line]) -> Iterator[int]:
        """Number of the first line of each record."""
        for number, text in lines:
            self._record(text, lines)
            yield number

    def _record(self, text: str, lines: Iterator[_Line]) -> tuple[list[_Line], list[str], bool]:
        """Lines that belong to the record of a first line; what of them is quoted; whether every mark is closed, and
        at the end of a field where it opened on an earlier line."""
        swallowed: list[_Line] = []
        inside: list[str] = []
        sound = True
        is_open = self._left_open(text, 0)
        while is_open:
            following = next(lines, None)
            if following is None:
                return swallowed, inside, False
            swallowed.append(following)
            text = following[1]
            closing = self.quoted.match(text).end()  # type: ignore[union-attr]
            inside.append(text[:closing])
            if closing < len(text):
                sound = sound and text[closing + 1 : closing + 2] in ("", self.layout.delimiter)
                is_open = self._left_open(text, closing + 1)
        return swallowed, inside, sound

    def _left_open(self, text: str, at: int) -> bool:
        """Whether a line that is outside of a quoted field at `at` is inside of one at its end."""
        fresh = at == 0
        while at < len(text):
            if fresh and text.startswith(self.layout.quote, at):
                at = self.quoted.match(text, at + 1).end() + 1  # type: ignore[union-attr]
                if at > len(text):
                    return True
            behind = text.find(self.layout.delimiter, at)
            at, fresh = (behind + 1, True) if behind >= 0 else (len(text), False)
        return False

    def _dialect(self) -> dict[str, Any]:
        return {"delimiter": self.layout.delimiter, "quotechar": self.layout.quote}
