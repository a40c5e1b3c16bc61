"""Widths of a table's columns on paper, in letters: words and numbers stay whole, long texts get
what room is left.
"""

from typing import Any

# Letters that a line of paper holds in each size of print without breaking a word, and up to which
# width asked for it is used; the last lies across the sheet.
_SIZES = (("", 110.0, 125.0), ("wide", 127.0, 170.0), ("huge", 156.0, 1e9), ("across", 232.0, 1e9))


def widths(least: list[float], wanted: list[float]) -> tuple[str, list[float]]:
    """Size of print and widths of the columns: first every word whole, then room for long texts as
    far as there is.

    Parameters
    ----------
    least, wanted : by column, in letters: see the functions of these names
    """
    short, long = sum(least), sum(wanted)
    fair = short + 0.35 * (long - short)  # with less, long texts make towers of single words
    size, room, _ = next((one for one in _SIZES if fair <= one[1] and long <= one[2]), _SIZES[-1])
    share = min(1.0, max(room - short, 0.0) / (long - short)) if long > short else 0.0
    return size, [low + share * (high - low) for low, high in zip(least, wanted, strict=True)]


def longest(text: str) -> float:
    """Letters of the longest word; Chinese may be broken between any two, and is after six."""
    return max(
        (min(_letters(word), 40 if word.isascii() else 12) for word in text.split()), default=0
    )


def _letters(text: str) -> int:
    return sum(2 if ord(sign) > 0x2E7F else 1 for sign in text)


def least(text: str, column: dict[str, Any]) -> float:
    """Width below which a cell would have to break a word or a number, in letters, with the space
    around it.
    """
    return 3.0 + (
        _letters(text) if column["type"] != "text" or whole(text, column) else longest(text)
    )


def wanted(text: str, column: dict[str, Any]) -> float:
    """Width a cell asks for on paper; long texts are content with some lines."""
    length = _letters(text)
    return max(least(text, column), 3.0 + min(length, 12 + 0.2 * length, 32))


def whole(text: str, column: dict[str, Any]) -> bool:
    """Whether a text of one word has places to break at where no reader would: 31-60, C-0001, a
    Chinese name.
    """
    return (
        ("-" in text[1:] or column["name"] == "name") and " " not in text and _letters(text) <= 26
    )
