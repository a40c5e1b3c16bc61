"""Which settings of a policy an engine reads, and what it does not read of what differs between two.

Each engine says in its own module what it reads: `READS`, settings without the labels of lists
("grades.scale.limit_multiple") or all below a place ("limits.*").
"""

import re
import typing
from collections.abc import Iterator, Sequence

import pandas as pd

from credit_lab.policy import Policy, diff
from credit_lab.policy.base import Section

# Names: of the policy, and of its grades.
_LEFT_OUT = ("meta.*", "grades.scale.grade", "evaluation.scale.grade")


def settings() -> list[str]:
    """All settings a policy has, section by section.

    >>> [one for one in settings() if one.startswith("grades.")][:2]
    ['grades.min_months', 'grades.newcomer_grade']
    """
    return [one for one in _below(Policy, "") if not reads(_LEFT_OUT, one)]


def _below(section: type[Section], place: str) -> Iterator[str]:
    for name, info in section.model_fields.items():
        kind: typing.Any = info.annotation
        kind = next(iter(typing.get_args(kind)), kind)
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from _below(kind, f"{place}{name}.")
        else:
            yield place + name


def reads(patterns: Sequence[str], setting: str) -> bool:
    """Whether a setting is among what an engine reads.

    >>> reads(("limits.*", "holds.min_overdue"), "limits.growth")
    True

    Parameters
    ----------
    patterns : settings, or "place.*" for all below a place
    setting : without labels of lists
    """
    return any(setting == one or (one.endswith(".*") and setting.startswith(one[:-1])) for one in patterns)


def places(table: pd.DataFrame) -> list[str]:
    """The settings in the rows of `policy.diff`, without labels of lists."""
    named = table["section"].astype("str") + "." + table["setting"].astype("str")
    return [re.sub(r"\[[^]]*\]", "", one) for one in named]


def differences(a: Policy, b: Policy, patterns: Sequence[str]) -> pd.DataFrame:
    """`policy.diff` of two policies with read: whether an engine reads the setting.

    Parameters
    ----------
    patterns : what the engine reads
    """
    table = diff(a, b)
    return table.assign(read=[reads(patterns, one) for one in places(table)])


def listed(differing: pd.DataFrame) -> str:
    """The settings that are not read, each with both values; empty: all are read.

    Parameters
    ----------
    differing : of `differences`
    """
    rows = differing[~differing["read"].astype(bool)].itertuples(index=False)
    return "; ".join(f"{_short(row.setting)} ({row.a or '–'} → {row.b or '–'})" for row in rows)


def _short(setting: str) -> str:
    """A setting as in a sentence: levels[clerk].max_amount is clerk: max_amount."""
    entry = re.search(r"\[([^]]*)\]", setting)
    return (f"{entry[1]}: " if entry else "") + setting.rpartition(".")[2]


def outside(patterns: Sequence[str]) -> list[str]:
    """What an engine does not read: sections where it reads nothing, else settings."""
    names: dict[str, list[str]] = {}
    for one in settings():
        names.setdefault(one.partition(".")[0], []).append(one)
    found: list[str] = []
    for section, inside in names.items():
        left = [one for one in inside if not reads(patterns, one)]
        found += [section] if left == inside else map(_short, left)
    return found
