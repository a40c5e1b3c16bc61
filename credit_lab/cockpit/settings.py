"""The five things a manager turns, and the policy that comes of it."""

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import pandas as pd

from credit_lab import policy as policies
from credit_lab.errors import PolicyError, nearest
from credit_lab.policy import Policy


@dataclass(frozen=True)
class Settings:
    """Positions of the sliders, relative to a baseline policy.

    Attributes
    ----------
    cutoff : worst grade that is given credit on account (授信门槛); worse ones pay in advance
    limit_multiple : factor on the limits of all grades (额度倍数), which end at the policy's highest multiple of 5
    term_days : added to the term of every grade that has one (账期), within 0 and terms.max_term_days
    hold_days : orders stop when items are more days past due than this (停止发货)
    ladder_days : the stages of collection begin so many days later (分级催收), earlier if negative, in order still
    """

    cutoff: str
    limit_multiple: float = 1.0
    term_days: int = 0
    hold_days: int = 90
    ladder_days: int = 0


# Lowest, highest and step of the sliders.
RANGES: dict[str, tuple[float, float, float]] = {
    "limit_multiple": (0.25, 2.5, 0.05),
    "term_days": (-30, 30, 5),
    "hold_days": (0, 180, 5),
    "ladder_days": (-30, 60, 5),
}


def neutral(policy: Policy) -> Settings:
    """The settings that leave the policy as it is.

    Raises
    ------
    PolicyError
        No grade has a limit, so there is nothing to turn.
    """
    return Settings(cutoff=open_grades(policy)[-1], hold_days=policy.holds.overdue_days)


def open_grades(policy: Policy) -> list[str]:
    """Grades that get credit, best first."""
    found = [grade.grade for grade in policy.grades.scale if grade.limit_multiple > 0]
    if not found:
        raise PolicyError(f"policy {policy.meta.id}: no grade has a limit_multiple above 0; there is nothing to turn")
    return found


def turned(policy: Policy, settings: Settings) -> Policy:
    """The policy with the settings applied, checked like a file.

    Raises
    ------
    PolicyError
        The cut-off is no grade with credit, or a value is out of its range.
    """
    names = open_grades(policy)
    if settings.cutoff not in names:
        raise PolicyError(f"cut-off {settings.cutoff!r} is no grade with credit; {nearest(settings.cutoff, names)}")
    if settings.limit_multiple < 0:
        raise PolicyError(f"limit_multiple {settings.limit_multiple}: must not be negative")
    plain: dict[str, Any] = policy.model_dump()
    order = [grade.grade for grade in policy.grades.scale]
    for number, grade in enumerate(plain["grades"]["scale"]):
        if number > order.index(settings.cutoff):
            grade["limit_multiple"] = 0.0
        grade["limit_multiple"] = round(min(grade["limit_multiple"] * settings.limit_multiple, 5.0), 6)
        if grade["term_days"] > 0:
            longer = grade["term_days"] + settings.term_days
            grade["term_days"] = int(min(max(longer, 0), policy.terms.max_term_days))
    plain["holds"]["overdue_days"] = int(settings.hold_days)
    before = 0
    for stage in plain["ladder"]["stages"]:
        before = stage["from_days"] = max(stage["from_days"] + int(settings.ladder_days), before + 1)
    return policies.checked(plain, f"policy {policy.meta.id}, turned")


def proposal(policy: Policy, settings: Settings, name: str, valid_from: date) -> Policy:
    """The turned policy under a name and date of its own, with what was changed as its description.

    Raises
    ------
    PolicyError
        No name, the name of the baseline, or as `turned`.
    """
    if not name.strip() or name.strip() == policy.meta.id:
        raise PolicyError(f"policy name {name!r}: give the proposal a name of its own, not {policy.meta.id!r}")
    made = turned(policy, settings)
    words = "; ".join(changes(policies.diff(policy, made))) or "no change"
    meta = {
        **made.meta.model_dump(), "id": name.strip(), "valid_from": valid_from,
        "approved_by": "proposal from the cockpit, not approved", "description": f"{policy.meta.id} with {words}",
    }  # fmt: skip
    return policies.checked({**made.model_dump(), "meta": meta}, f"policy {name}")


def changes(diff: pd.DataFrame) -> list[str]:
    """The rows of `policy.diff` as sentences without a full stop; grades and stages that move alike share one.

    >>> changes(policies.diff(base := policies.load("data/policies/2025-baseline.toml"),
    ...         turned(base, Settings("B", hold_days=45))))
    ['limit_multiple of C: 0.5 to 0 (tighter)', 'overdue_days: 90 to 45 days (tighter)']
    """
    parts: dict[tuple[str, str, str], list[tuple[str, str, str]]] = {}
    for row in diff.itertuples(index=False):
        band, _, setting = row.setting.rpartition(".")
        place = band.partition("[")[2].rstrip("]")
        parts.setdefault((setting, row.unit, row.direction), []).append((place, row.a, row.b))
    lines = []
    for (setting, unit, direction), moves in parts.items():
        places = " / ".join(place for place, _, _ in moves if place)
        old, new = " / ".join(a or "none" for _, a, _ in moves), " / ".join(b or "none" for _, _, b in moves)
        shown = f" {unit}" if unit in ("days", "months") else ""
        lines.append(f"{setting}{f' of {places}' if places else ''}: {old} to {new}{shown} ({direction})")
    return lines


def key(settings: Settings) -> tuple[Any, ...]:
    """Settings as a key that does not mind the rounding of a slider."""
    return tuple(round(value, 6) if isinstance(value, float) else value for value in asdict(settings).values())
