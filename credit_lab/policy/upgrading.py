"""Bringing a policy file of an earlier version up to date.

What lacks is added as it stands in the policy that ships with the package, value and comments; the
user's own text stays byte for byte. So a setting that is new needs no entry here, one that is gone
needs one in `files.REMOVED`.
"""

import copy
import re
import shutil
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from credit_lab import workbench
from credit_lab.errors import PolicyError
from credit_lab.policy import layers
from credit_lab.policy.files import REMOVED, _leaves, _text, _unit, checked
from credit_lab.policy.sections import Policy
from credit_lab.policy.writing import put

DEFAULTS = "2025-baseline.toml"  # among the policies that ship with the package

Place = tuple[str, ...]
# What may hold brackets or line breaks that end no statement, brackets, and line breaks.
_TOKEN = re.compile(
    r'''"""(?:\\.|[^\\])*?"""+|"(?:\\.|[^"\\\n])*"|'''  # a text between double quotes
    r"""'''.*?'''+|'[^'\n]*'|"""  # between single ones
    r"#[^\n]*|[\[\]{}]|\n",
    re.DOTALL,
)


@dataclass(frozen=True)
class _Statement:
    """A piece of a TOML file.

    text : as it stands there, with its line breaks
    table : the header it stands under, its own for a header
    key : what it sets; empty for headers, comments and blank lines
    header : whether it opens a table
    """

    text: str
    table: Place
    key: Place = ()
    header: bool = False

    @property
    def comment(self) -> bool:
        return self.text.lstrip().startswith("#")

    @property
    def place(self) -> Place:
        return (*self.table, *self.key)


def upgrade(path: str | Path) -> pd.DataFrame:
    """Add what a policy file lacks and take out what is no more; the file before is kept as .bak.

    Parameters
    ----------
    path : of the file; one with a base lacks nothing that its base gives

    Returns
    -------
    DataFrame
        section, setting, value, change (added, taken out), note. Empty: nothing was to be done, and
        nothing was written.

    Raises
    ------
    PolicyError
        The file is wrong in something else; it is in another currency than amounts to be added; its
        layout leaves no place; there is a .bak already, or no place to write to.
    """
    path = Path(path)
    files, shipped = layers.read(path), _shipped()
    own = files[0].content
    lacking = [] if len(files) > 1 else _lacking(own, shipped.content)
    gone = [place for place in REMOVED if _at(own, place) is not None]
    if not lacking and not gone:
        checked(layers.merged(files), f"policy {path}", files)
        return _told(own, shipped.content, lacking, gone)
    _same_currency(files, shipped, lacking)
    text = path.read_bytes().decode("utf-8")
    line_break = "\r\n" if "\r\n" in text else "\n"
    made = text if text.endswith("\n") else text + line_break
    made = _without(made, gone, line_break)
    made = _with_defaults(made, lacking, shipped.path, line_break)
    _verify(files, made, _expected(own, shipped.content, lacking, gone))
    _replace(path, text, made)
    return _told(own, shipped.content, lacking, gone)


def _shipped() -> layers.Layer:
    home = workbench.bundled()
    if home is None:
        raise PolicyError(
            f"{layers.SHIPPED}/{DEFAULTS}, whose settings would be added, did not come with the "
            "package; install it again"
        )
    return layers.read(home / layers.SHIPPED / DEFAULTS)[0]


def _lacking(own: Mapping[str, Any], shipped: Mapping[str, Any]) -> list[Place]:
    """Sections and settings in the order of a policy; who a policy is nobody can add."""
    places: list[Place] = []
    for section in Policy.model_fields:
        if section == "meta":
            continue
        if section not in own:
            places.append((section,))
        elif isinstance(own[section], dict):
            places += [(section, key) for key in shipped[section] if key not in own[section]]
    return places


def _at(content: Mapping[str, Any], place: str) -> Any:
    """What stands at a dotted place, None: nothing."""
    section, _, key = place.partition(".")
    found = content.get(section)
    return found.get(key) if key and isinstance(found, dict) else None if key else found


def _expected(
    own: Mapping[str, Any],
    shipped: Mapping[str, Any],
    lacking: Sequence[Place],
    gone: Sequence[str],
) -> dict[str, Any]:
    """What the file must say afterwards."""
    whole = copy.deepcopy(dict(own))
    for section, *keys in lacking:
        added = {key: shipped[section][key] for key in keys or shipped[section]}
        whole[section] = whole.get(section, {}) | added
    for section, _, key in (place.partition(".") for place in gone):
        (whole[section] if key else whole).pop(key or section)
    return whole


def _same_currency(
    files: Sequence[layers.Layer],
    shipped: layers.Layer,
    lacking: Sequence[Place],
) -> None:
    """Amounts in one currency are not written into a policy in another."""
    code, other = (_at(one.content, "meta.currency") for one in (files[0], shipped))
    if code == other:
        return
    amounts = [
        f"{here} ({_text(value)} {other})"
        for here, value, info in _leaves(checked(shipped.content, f"policy {shipped.path}"))
        if _unit(info) in ("money", "indicator") and value is not None
        if any(tuple(here.split("."))[: len(place)] == place for place in lacking)
    ]
    if amounts:
        raise PolicyError(
            f"policy {files[0].path} is in {code or 'no currency'}; write these by hand in it, "
            f"then upgrade again: {', '.join(amounts)}"
        )


def _statements(text: str, table: Place = ()) -> Iterator[_Statement]:
    """A TOML text of whole lines in pieces that add up to it."""
    start = depth = 0
    for token in _TOKEN.finditer(text):
        sign = token.group()
        depth += (sign in "[{") - (sign in "]}")
        if sign != "\n" or depth:
            continue
        piece, start = text[start : token.end()], token.end()
        plain = piece.lstrip()
        if not plain or plain.startswith("#"):
            yield _Statement(piece, table)
        elif plain.startswith("["):
            table = _path(tomllib.loads(piece))
            yield _Statement(piece, table, header=True)
        else:
            yield _Statement(piece, table, _path(tomllib.loads(piece)))


def _path(content: Any) -> Place:
    """The keys that lead to a value.

    >>> _path({"holds": {"wait_days": 15}}), _path({"ladder": {"stages": [{}]}})
    (('holds', 'wait_days'), ('ladder', 'stages'))
    """
    keys: list[str] = []
    while isinstance(content, dict) and len(content) == 1:
        key, content = next(iter(content.items()))
        keys.append(key)
    return tuple(keys)


def _without(text: str, gone: Sequence[str], line_break: str) -> str:
    """Statements of settings that are no more become comments, below what became of them."""
    places = {tuple(place.split(".")): place for place in gone}
    told: set[str] = set()
    kept = []
    for one in _statements(text):
        place = places.get(one.place[:1]) or places.get(one.place[:2])
        if place is None or not (one.key or one.header):
            kept.append(one.text)
            continue
        lines = one.text.splitlines(keepends=True)
        if place not in told:
            kept.append(f"# {place}: {REMOVED[place]}{line_break}")
        told.add(place)
        kept += [f"# {line}" for line in lines]
    return "".join(kept)


def _with_defaults(text: str, lacking: Sequence[Place], shipped: Path, line_break: str) -> str:
    """The text with sections and settings of the shipped policy where they belong."""
    held = list(_statements(text))
    source = list(_statements(shipped.read_text(encoding="utf-8")))
    order = list(dict.fromkeys(one.place[:2] for one in source if one.key))
    for place in lacking:
        block = _block(source, place).replace("\n", line_break)
        if len(place) == 1:
            at = _end_of_section(held, place[0])
            block = line_break + block
        else:
            at = _end_of_setting(held, place, order[: order.index(place)])
        at = _past_comments(held, at)
        held[at:at] = _statements(block, place[:1])
    return "".join(one.text for one in held)


def _block(source: Sequence[_Statement], place: Place) -> str:
    """A section, or a setting, with the comments that stand right above it."""
    own = [number for number, one in enumerate(source) if one.header or one.key]
    own = [number for number in own if source[number].place[: len(place)] == place]
    first = own[0]
    while first and source[first - 1].comment:
        first -= 1
    return "".join(one.text for one in source[first : own[-1] + 1])


def _end_of_section(held: Sequence[_Statement], section: str) -> int:
    """Behind the nearest section that stands before it in a policy, or at the end."""
    names = list(Policy.model_fields)
    for name in reversed(names[: names.index(section)]):
        own = [number for number, one in enumerate(held) if one.table[:1] == (name,)]
        stated = [number for number in own if held[number].key or held[number].header]
        if stated:
            return stated[-1] + 1
    return len(held)


def _end_of_setting(held: Sequence[_Statement], place: Place, before: Sequence[Place]) -> int:
    """Behind the nearest setting that stands before it in its section, or behind the header."""
    own = {one.place: number for number, one in enumerate(held) if one.table == place[:1]}
    headers = [number for number, one in enumerate(held) if one.header and one.table == place[:1]]
    found = [own[one] for one in reversed(before) if one[0] == place[0] and one in own]
    return next(iter([*found, *headers]), len(held) - 1) + 1


def _past_comments(held: Sequence[_Statement], at: int) -> int:
    """Comments that end a paragraph belong to what stands above them."""
    end = at
    while end < len(held) and held[end].comment:
        end += 1
    return end if end == len(held) or not held[end].text.strip() else at


def _verify(files: Sequence[layers.Layer], made: str, expected: dict[str, Any]) -> None:
    """The text made says what it must and is a policy: whole, or nothing is written."""
    path = files[0].path
    try:
        content = tomllib.loads(made)
    except ValueError:
        content = {}
    if content != expected:
        raise PolicyError(
            f"policy {path} is laid out in a way that leaves no place for what it lacks; write "
            "every section as a table of its own, such as [holds], then upgrade again"
        )
    upgraded = (layers.Layer(path, content), *files[1:])
    checked(layers.merged(upgraded), f"policy {path}", upgraded)


def _replace(path: Path, before: str, text: str) -> None:
    """Write the file; the one before stays beside it."""
    kept = path.with_name(f"{path.name}.bak")
    if kept.exists():
        raise PolicyError(f"policy {path}: {kept.name} would be overwritten; move it away")
    put(kept, before)
    try:
        shutil.copymode(path, kept)
        put(path.resolve(), text)
        shutil.copymode(kept, path)
    except (PolicyError, OSError):
        kept.unlink()
        raise


def _told(
    own: Mapping[str, Any],
    shipped: Mapping[str, Any],
    lacking: Sequence[Place],
    gone: Sequence[str],
) -> pd.DataFrame:
    """The changes, one row each."""
    added = [
        (section, key, _text(shipped[section][key]), "added", "")
        for section, *keys in lacking
        for key in keys or shipped[section]
    ]
    out = []
    for place in gone:
        section, _, key = place.partition(".")
        out.append((section, key, _text(_at(own, place)), "taken out", REMOVED[place]))
    return pd.DataFrame([*added, *out], columns=["section", "setting", "value", "change", "note"])
