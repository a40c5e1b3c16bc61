"""Words for codes: what a reader sees where the data have `not_due`, `max_dpd` or `dso.countback`.

The catalogue is `labels.toml`, [English, Chinese] by code: columns, values, units, formulas; and
words that are no code. `[values.<column>]` holds words that mean something else in one column. A
workbench adds its own, or says ours in its own way, in `data/labels.toml`. Records, CSV and JSON
keep the codes; pages, slides, sheets and printed tables ask here. A code nobody gave words to is
shown with blanks for its underscores, and `missing` remembers it.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any

from credit_lab import toml_file, workbench
from credit_lab.errors import ReportError

OWN = "data/labels.toml"  # of the workbench
# Where a code is looked for that may be anything.
_KINDS = ("formulas", "values", "columns", "values.setting", "values.section")
_ROOMS = ("values.table", "values.section", "values.setting")
_CODE = re.compile(r"(?<![\w./@`-])[a-z][a-z0-9]*(?:[_.][a-z0-9]+)+(?![\w/@`-]|\.\w)")
_BARE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+")
missing: set[str] = set()


def column(name: str, lang: str) -> str:
    """Title of a column: `credit_limit` → Credit limit, 信用额度.

    Parameters
    ----------
    name : of the column in the data
    lang : en or zh

    Raises
    ------
    ReportError
        The workbench's own labels cannot be read.
    """
    return _found(name, lang, "columns", "formulas", "values") or _plain(name)


def value(code: str, name: str, lang: str) -> str:
    """A code as it stands in a column: `legal` in `action` → Legal action, 法律手段.

    Parameters
    ----------
    code : the value
    name : of the column in the data; decides where a word means several things
    lang : en or zh

    Raises
    ------
    ReportError
        The workbench's own labels cannot be read.
    """
    return known(code, name, lang) or _plain(code)


def known(code: str, name: str, lang: str, *, own: bool = False) -> str:
    """As `value`, but "" where there are no words; with `own`, only those of this column count."""
    first = "units" if name == "unit" else f"values.{name}"
    found = _found(code, lang, first, *(() if own else ("values", "formulas", "columns")))
    return found if found or own else _composed(code, name, lang)


# alerts[max_dpd].above: a setting of one of several; amount=<= 100@due: a factor of payment
_COMPOSED = re.compile(r"\w+\[(.+)\]\.(\w+)|(\w+)=([^@]*)(?:@(early|due|late|all))?")


def _composed(code: str, name: str, lang: str) -> str:
    if (parts := _COMPOSED.fullmatch(code)) is None:
        return ""
    one, setting, factor, level, stretch = parts.groups(default="")
    joint = ": " if lang == "en" else "："
    if setting:
        return f"{value(setting, name, lang)}{joint}{value(one, '', lang)}"
    if not stretch and not _found(factor, lang, "values.factor"):
        return ""  # a text of the user with a sign in it
    told = f"{value(factor, 'factor', lang)}{joint}{value(level, 'factor', lang)}"
    return told + (f", {_found(stretch, lang, 'values.stretch')}" if stretch else "")


def unit(name: str, lang: str) -> str:
    """A unit: `times a year` → 次/年."""
    return _found(name, lang, "units") or _plain(name)


def formula(formula_id: str, lang: str) -> str:
    """What a formula gives: `dso.countback` → DSO, countback."""
    return _found(formula_id, lang, "formulas") or _plain(formula_id)


def said(text: str, lang: str) -> str:
    """Words of a text that is a code, a label or one of our words ("payment index"), else ""."""
    if len(text) < 3:  # a grade is no column of that name
        return ""
    code = text.replace(" ", "_").lower()
    found = _found(text, lang, "words", "formulas", "units") or _found(code, lang, *_KINDS[1:])
    return found or _found(code, lang, *_ROOMS) or _by_english().get(text.lower(), {}).get(lang, "")


def worded(text: str, lang: str) -> str:
    """A sentence with words for the codes in it.

    >>> worded("Oldest first: max_dpd above 45, see run.json", "en")
    'Oldest first: oldest item, days late above 45, see run.json'
    """
    if "_" not in text and "." not in text:
        return text
    return _CODE.sub(lambda at: _inside(_found(at[0], lang, *_KINDS), at.start()) or at[0], text)


def _inside(label: str, at: int) -> str:
    """A label within a sentence: without its capital, unless the word is one of capitals."""
    return label[:1].lower() + label[1:] if at and label[1:2].islower() else label


def _plain(code: str) -> str:
    """A code nobody gave words to."""
    if not _BARE.fullmatch(code):
        return code
    missing.add(code)
    return code.replace("_", " ")


def _found(code: str, lang: str, *kinds: str) -> str:
    for kind in kinds:
        if (pair := _all().get(kind, {}).get(code)) is not None:
            return pair[lang]
    return ""


@cache
def _by_english() -> dict[str, dict[str, str]]:
    """Labels by their English in small letters; of several kinds the first one counts."""
    kinds = reversed((*_KINDS, "words"))
    return {pair["en"].lower(): pair for kind in kinds for pair in _all().get(kind, {}).values()}


@cache
def _all() -> dict[str, dict[str, dict[str, str]]]:
    """Section → code → language → words; the workbench's own over the package's."""
    ours = toml_file.read(Path(__file__).with_name("labels.toml"), "labels", ReportError)
    made = dict[str, dict[str, dict[str, str]]]()
    for path, content in (("labels.toml", ours), (OWN, own())):
        for kind, entries in content.items():
            for code, entry in entries.items() if isinstance(entries, dict) else [(kind, None)]:
                for name, one, words in _spread(kind, code, entry):
                    made.setdefault(name, {})[one] = _pair(path, name, one, words)
    return made


def _spread(kind: str, code: str, entry: Any) -> list[tuple[str, str, Any]]:
    """Section, code and words of an entry; [values.<column>] is a table of entries."""
    if isinstance(entry, dict):
        return [(f"{kind}.{code}", *one) for one in entry.items()]
    return [(kind, code, entry)]


def _pair(path: str, kind: str, code: str, words: Any) -> dict[str, str]:
    pair = [code if kind == "words" else words, words] if isinstance(words, str) else words
    if not isinstance(pair, list) or [type(one) for one in pair] != [str, str] or "" in pair:
        way_out = f'write {code} = ["English", "Chinese"]'
        raise ReportError(f"{path}: {code} in [{kind}] has no words; {way_out}")
    return dict(zip(("en", "zh"), pair, strict=True))


def own() -> dict[str, Any]:
    """The workbench's own labels as its file has them; empty without a file."""
    path = Path(workbench.paths(OWN)[0])
    return toml_file.read(path, "labels", ReportError) if path.is_file() else {}
