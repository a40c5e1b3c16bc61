"""The language of a report: English as written, or Chinese by the catalogue in `locale/zh.po`.

Sentences are made in English wherever they are made, also in rows below this one, which know nothing of languages.
They are put into the reader's language in one place each where they leave the package: records (`show`), figures
(`canvas`), prose (`page`, `run`), slides, workbook. A message of the catalogue is a text or a pattern with numbered
places, `{1} of {2} checks ask for action: {3}`, taken from the f-strings of the code by `tools/messages.py`; what
stands in a place is translated in its turn. A text nobody translated stays English, and `missing` remembers it. Codes
and single words are those of `labels`, in English, too.
"""

import html
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property, lru_cache
from pathlib import Path

import pandas as pd

from credit_lab import labels
from credit_lab.errors import ReportError, nearest

LANGUAGES = ("en", "zh")
# Processes started by this one, workers and kernels, inherit the language with the environment.
_VARIABLE = "CREDIT_LAB_LANG"
# Where a text that is no message is cut, and what joins its parts in Chinese.
_CUTS = (
    (r"(?<=[.!?]) (?=[A-Z])", ""), (r"\n", "\n"), (r" · ", " · "), (r"; ", "；"), (r": ", "："), (r", ", "，"),
)  # fmt: skip
_PLACE = re.compile(r"\{(\d+)\}")
_WORD = re.compile(r"(?<![\w./-])[A-Z]?[a-z]{3,}(?![\w/]|[.-]\w)")
# What the user's data say stays as it is, in columns of ids, of names and in these.
_OWN = {"industry", "region", "segment", "claimed", "best_value", "bin", "other_name"}
# Columns that name a column or a figure, the user's own or one of ours.
_NAMING = {"feature", "features", "column", "ratio"}
_INFINITE = re.compile(r"(?<=\(-)inf(?=, )|(?<=, )inf(?=\)$)")  # of a bin: (-inf, 4), [55, inf)
_BORDER = re.compile(r"[.!?] [A-Z]")
_CHINESE = re.compile("[\u4e00-\u9fff]")
_ENGLISH = re.compile(r"(?<![\w`-])[a-z]+(?:,? [a-z]+){3}(?![\w`])")
missing: set[str] = set()


@dataclass(frozen=True)
class Pattern:
    """A message with places: its English as an expression, its translation, how many letters are fixed."""

    english: str
    translated: str

    @cached_property
    def parts(self) -> list[str]:
        """The fixed texts between the places."""
        return _PLACE.split(self.english)[::2]

    @cached_property
    def fixed(self) -> int:
        """Characters that must be there."""
        return sum(map(len, self.parts))

    @cached_property
    def longest(self) -> str:
        """The longest fixed text: a text without it cannot be this message."""
        return max(self.parts, key=len)

    @cached_property
    def expression(self) -> re.Pattern[str]:
        """What matches the whole message and catches what stands in its places."""
        return re.compile("(.*?)".join(map(re.escape, self.parts)), re.DOTALL)

    def of(self, text: str) -> list[str] | None:
        """What stands in the places of `text`; None if it is another message or goes over the end of a sentence."""
        found = self.expression.fullmatch(text) if self.longest in text else None
        if found is None or any(_BORDER.search(part) or part.count("(") != part.count(")") for part in found.groups()):
            return None
        if self.fixed <= (24 if len(found.groups()) == 1 else 10) and any(
            re.search("[,;:] ", part) and not before.endswith((": ", ", ", "; ", "("))
            for before, part in zip(self.parts, found.groups(), strict=False)
        ):
            return None  # too little is fixed to hold several clauses together
        if self.fixed <= (5 if self.parts[0] else 9) and not any(re.search(r"\d", part) for part in found.groups()):
            return None  # "30 days", but not "term days"
        return list(found.groups())

    def filled(self, places: list[str]) -> str:
        """The translation with its places filled."""
        return _PLACE.sub(lambda at: places[int(at[1]) - 1], self.translated)


def use(lang: str) -> None:
    """Make reports of this process, and of those it starts, in a language.

    Raises
    ------
    ReportError
        There is no such language.
    """
    if lang not in LANGUAGES:
        raise ReportError(f"--lang {lang!r} is not known; {nearest(lang, LANGUAGES)}; there are {', '.join(LANGUAGES)}")
    os.environ[_VARIABLE] = lang
    _said.cache_clear()


def current() -> str:
    """The language in use; one nobody knows is English."""
    lang = os.environ.get(_VARIABLE, "en")
    return lang if lang in LANGUAGES else "en"


def tag() -> str:
    """The language as pages name it."""
    return {"en": "en", "zh": "zh-CN"}[current()]


@cache
def catalogue() -> tuple[dict[str, str], tuple[Pattern, ...]]:
    """Messages without places; patterns, those with most fixed letters first."""
    from babel.messages.pofile import read_po

    with (Path(__file__).parent / "locale" / "zh.po").open("rb") as file:
        messages = [one for one in read_po(file, locale="zh_CN") if one.id and one.string]
    plain = {str(one.id): str(one.string) for one in messages if not _PLACE.search(str(one.id))}
    patterns = [Pattern(str(one.id), str(one.string)) for one in messages if _PLACE.search(str(one.id))]
    return plain, tuple(sorted(patterns, key=lambda one: -one.fixed))


def say(text: str) -> str:
    """A text of the package in the language in use, with words for codes.

    >>> say("Worst: max_dpd above 45")
    'Worst: oldest item, days late above 45'
    >>> use("zh"); say("Most signatures: credit manager (40%)"), say("No findings."); use("en")
    ('签批最多：信用经理（40%）', '没有发现问题。')
    """
    return labels.worded(text, "en") if current() == "en" or not text else _said(text)


def left(texts: Iterable[str]) -> list[str]:
    """Those of the texts of a report that are still English, in whole or for four words and more."""
    if current() == "en":
        return []
    return [one for one in texts if _ENGLISH.search(one) or (_WORD.search(one) and not _CHINESE.search(one))]


def spoken(texts: Iterable[str]) -> list[str]:
    """Several texts."""
    return [say(text) for text in texts]


def prose(markdown: str) -> str:
    """Headings and paragraphs of a notebook, one message a line."""
    return "\n".join(say(line) for line in markdown.split("\n"))


def markup(page: str) -> str:
    """HTML that a record made of itself (a ledger, a policy): the texts between its tags."""
    if current() == "en":
        return page
    return re.sub(">([^<>]+)<", lambda at: f">{html.escape(say(html.unescape(at[1])))}<", page)


def value(text: str, column: str, columns: Iterable[str]) -> str:
    """A text of a table: words for codes, sentences of ours translated, what the user's data say as it is."""
    ids = column.endswith("_id") and column != "formula_id"
    own = ids or column in _OWN or (column == "name" and "customer_id" in columns)
    if own or column in _NAMING:
        return labels.known(text, column, current(), own=own) or _INFINITE.sub("∞", text)
    found = labels.value(text, column, current())
    return found if found != text else say(text)


def title(name: str) -> str:
    """Title of a column from its name."""
    return labels.column(name, current())


@lru_cache(maxsize=20_000)
def _said(text: str) -> str:
    bare = text.strip()
    found = _whole(bare)
    if found is None and bare.endswith(".") and (found := _whole(bare[:-1])) is not None:
        found += "。"
    if found is None and bare.endswith(".") and not _BORDER.search(bare) and (found := _by_parts(bare[:-1])):
        found += "。"
    if found is None:
        found = _by_parts(bare)
    if found is None:
        if _WORD.search(bare):
            missing.add(bare)
        found = bare
    return text.replace(bare, labels.worded(found, "zh"))


def _whole(text: str) -> str | None:
    plain, patterns = catalogue()
    if (found := plain.get(text)) is not None:
        return found
    if (found := plain.get(f"## {text}")) is not None:  # a heading of a notebook that is spoken of
        return found.removeprefix("## ")
    for pattern in patterns:
        places = pattern.of(text)
        if places is not None:
            return pattern.filled([_local(place) for place in places])
    return labels.said(text, "zh") or None


def _by_parts(text: str) -> str | None:
    asides = (re.fullmatch(rf"({head}) \((.+)\)", text) for head in (".+", ".+?"))
    if aside := next((one for one in asides if one and one[2].count("(") == one[2].count(")")), None):
        said = [_local(part) for part in aside.groups()]
        return f"{said[0]}（{said[1]}）" if said != list(aside.groups()) else None
    for cut, joint in _CUTS:
        parts = re.split(cut, text)
        if len(parts) > 1:
            said = [_local(part) for part in parts]
            return joint.join(said) if said != parts else None
    return None


def _local(text: str) -> str:
    """What stands in a place: a day in words, a share without the space, a list, a message of its own."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        from babel.dates import format_date

        return format_date(date.fromisoformat(text), "long", locale="zh_CN")
    if re.fullmatch(r"[-+]?[\d,.]+ ?%", text):
        return text.replace(" ", "")
    if re.fullmatch("[A-Z]{3}", text):
        return unit_of(text)
    if either := re.fullmatch(r"(\S+) or (\S+)", text):
        return "或".join(either.groups())
    return _said(text) if text else text


def money(amount: float, currency: str) -> str:
    """An amount in words: 21.8 million CNY, 2,183.7万元.

    >>> money(21_837_143.5, "CNY"), money(-950.0, "USD")
    ('21.8 million CNY', '-950 USD')
    >>> use("zh"); money(21_837_143.5, "CNY"), money(-950.0, "USD"); use("en")
    ('2,183.7万元', '-950美元')
    """
    size = abs(amount)
    if current() == "zh":
        from babel.numbers import format_decimal

        divisor, name = (1e8, "亿") if size >= 1e8 else (1e4, "万") if size >= 1e4 else (1, "")
        form = "#,##0.00" if divisor == 1e8 else "#,##0.0" if name else "#,##0"
        return format_decimal(amount / divisor, form, locale="zh_CN") + name + unit_of(currency)
    if size >= 1e6:
        return f"{amount / 1e6:,.1f} million {currency}"
    return f"{amount / 1e3:,.0f} thousand {currency}" if size >= 1e4 else f"{amount:,.0f} {currency}"


def captioned(text: str, currency: str, remark: str) -> str:
    """A caption with the currency of its amounts and a remark, each "" where there is none.

    >>> captioned("Largest exposures", "CNY", "groups below 5 customers are masked")
    'Largest exposures, CNY (groups below 5 customers are masked)'
    """
    comma, left, right = ("，", "（", "）") if current() == "zh" else (", ", " (", ")")
    unit = f"{comma}{unit_of(currency)}" if currency else ""
    return f"{say(text)}{unit}" + (f"{left}{say(remark)}{right}" if remark else "")


def unit_of(currency: str) -> str:
    """A currency as a unit: CNY, 元; 美元."""
    if current() == "en":
        return currency
    from babel import Locale

    return "元" if currency == "CNY" else str(Locale("zh").currencies.get(currency, currency))


def scale(top: float, currency: str) -> tuple[float, str]:
    """Divisor and unit so that numbers up to `top` stay short: thousands and millions, or 万 and 亿."""
    steps = ((2e8, 1e8, "亿"), (2e4, 1e4, "万")) if current() == "zh" else (
        (2e6, 1e6, "million "), (2e3, 1e3, "thousand "),
    )  # fmt: skip
    for least, divisor, name in steps:
        if top >= least:
            return divisor, name + unit_of(currency)
    return 1.0, unit_of(currency)


def month(day: pd.Timestamp, *, year: bool = False) -> str:
    """Name of a month on an axis: Mar, 3月; with its year Mar 25, 25年3月."""
    if current() == "zh":
        return f"{day:%y}年{day.month}月" if year else f"{day.month}月"
    return f"{day:%b %y}" if year else f"{day:%b}"
