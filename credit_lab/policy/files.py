"""Reading policy files, comparing two policies, and looking things up in one."""

import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pydantic

from credit_lab.errors import PolicyError, nearest
from credit_lab.policy import layers
from credit_lab.policy.base import Section
from credit_lab.policy.sections import Policy

# What "more" of a setting means for the firm that grants credit.
_MORE_IS_LOOSER = [
    "limit_multiple", "term_days", "share_after_days", "min_overdue_share",
    "tolerated_delay_days", "peak_factor", "growth", "max_share_of_sales",
    "max_share_of_net_worth", "withdraw_after_months", "first_limit", "step_factor", "stop_dpd", "max_term_days",
    "overdue_days", "overdue_share", "min_overdue", "utilisation", "four_eyes_above", "max_amount", "from_days",
    "min_amount", "single_name_cap", "group_cap", "industry_cap", "region_cap", "expected_loss_budget",
    "target_dso", "write_off_after_days", "seller_may_approve", "discount_rate", "discount_days", "repeat_days",
    "above", "newcomer_grade", "impaired_days", "impaired_amount", "impaired_share", "month_ends",
    "failed_days", "wait_days", "wait_days_custom",
]  # fmt: skip
_MORE_IS_TIGHTER = [
    "min_payment_index",
    "step_invoices",
    "expired_limit",
    "missing_contract",
    "pre_due_days",
    "min_months",
    "below",
    "cure_months",
]
_LOOSER = dict.fromkeys(_MORE_IS_LOOSER, 1) | dict.fromkeys(_MORE_IS_TIGHTER, -1)

# Settings that are no more, as "section.setting" or "section": what became of them.
REMOVED: dict[str, str] = {}


def load(path: str | Path) -> Policy:
    """Read a policy file (TOML), with its base where it names one, and check it whole.

    Parameters
    ----------
    path : of the file; for `base` see `policy.layers`

    Raises
    ------
    PolicyError
        The file or its base is missing or no TOML, a key is unknown (with the nearest known one) or
        lacking, a value has the wrong type or lies outside its range, or bands leave a gap. The
        message names the dotted place, and the file where it is not the one asked for.
    """
    files = layers.read(path)
    return checked(layers.merged(files), f"policy {path}", files)


def checked(
    data: Mapping[str, Any],
    source: str,
    files: Sequence[layers.Layer] = (),
) -> Policy:
    """A policy from plain values, whole or refused as `load` does.

    Parameters
    ----------
    data : section → setting → value
    source : begins the message
    files : that the values stand in, where they come from files

    Raises
    ------
    PolicyError
        As `load` does.
    """
    try:
        return Policy.model_validate(data)
    except pydantic.ValidationError as error:
        lines = (f"  {_explain(one)}{_where(one, files)}" for one in error.errors())
        raise PolicyError("\n".join([f"{source}:", *lines])) from error


def _where(error: Any, files: Sequence[layers.Layer]) -> str:
    """The file at fault where it is another one than asked for, and what mends it."""
    place = error["loc"]
    if not files or not place:
        return ""
    file = layers.giver(files, place)
    mend = f"`credit-lab policy --upgrade {file}`"
    if error["type"] == "missing" and place[0] != "meta" and len(place) < 3:
        return f"; {mend} adds it"
    if error["type"] == "extra_forbidden" and (said := REMOVED.get(".".join(map(str, place)))):
        return f"; {said}; {mend} takes it out"
    return f" (in {file})" if file != files[0].path else ""


def _explain(error: Any) -> str:
    """One violation in words: place, what is wrong, what is allowed."""
    where = ".".join(str(part) for part in error["loc"]) or "whole policy"
    if error["type"] == "extra_forbidden":
        if error["loc"][-1] == "base":
            return f"{where}: base belongs at the top of the file, above the first section"
        known = _model_at(error["loc"][:-1]).model_fields
        return f"{where}: unknown key; {nearest(str(error['loc'][-1]), known)}"
    text = error["msg"].removeprefix("Value error, ")
    if error["type"] == "missing":
        text = "is required and lacking"
    allowed = _range_at(error["loc"])
    given = f" (given: {error['input']!r})" if error["type"] not in ("missing", "value_error") else ""
    return f"{where}: {text}{given}{f'; {allowed}' if allowed else ''}"


def _model_at(location: tuple[Any, ...]) -> type[Section]:
    model: type[Section] = Policy
    for part in location:
        if isinstance(part, int):
            continue
        annotation: Any = model.model_fields[str(part)].annotation
        model = next(iter(typing.get_args(annotation)), annotation)
    return model


def _range_at(location: tuple[Any, ...]) -> str:
    names = [part for part in location if isinstance(part, str)]
    try:
        info = _model_at(location[: location.index(names[-1])]).model_fields[names[-1]] if names else None
    except (KeyError, AttributeError):
        return ""
    return _range(info) if info is not None else ""


def _range(info: pydantic.fields.FieldInfo) -> str:
    low = next((item.ge for item in info.metadata if hasattr(item, "ge")), None)
    high = next((item.le for item in info.metadata if hasattr(item, "le")), None)
    unit = _unit(info)
    if low is None and high is None:
        return f"unit {unit}" if unit else ""
    return f"allowed {low if low is not None else '-inf'} to {high if high is not None else 'inf'} {unit}".strip()


def _unit(info: pydantic.fields.FieldInfo) -> str:
    extra = info.json_schema_extra
    return str(extra.get("unit", "")) if isinstance(extra, dict) else ""


def _leaves(section: Section, place: str = "") -> Iterator[tuple[str, Any, pydantic.fields.FieldInfo]]:
    for key, info in type(section).model_fields.items():
        value = getattr(section, key)
        here = f"{place}.{key}" if place else key
        if isinstance(value, Section):
            yield from _leaves(value, here)
        elif isinstance(value, tuple) and value and isinstance(value[0], Section):
            for number, item in enumerate(value):
                label = getattr(item, next(iter(type(item).model_fields)))
                yield from _leaves(item, f"{here}[{label if isinstance(label, str) else number + 1}]")
        else:
            yield here, value, info


def describe(policy: Policy) -> pd.DataFrame:
    """All settings: section, setting, value, unit, range, meaning."""
    rows = [
        (here.split(".")[0], here.partition(".")[2], _text(value), _unit(info),
         _range(info), info.description)
        for here, value, info in _leaves(policy)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["section", "setting", "value", "unit", "range", "meaning"])


def diff(a: Policy, b: Policy) -> pd.DataFrame:
    """What differs between two policies, in words a manager reads.

    Returns
    -------
    DataFrame
        section, setting, unit, a, b, direction (b against a: tighter, looser, different, added, removed), meaning.
        Empty when the policies agree in everything but meta.
    """
    first = {here: (value, info) for here, value, info in _leaves(a) if not here.startswith("meta.")}
    second = {here: (value, info) for here, value, info in _leaves(b) if not here.startswith("meta.")}
    rows = []
    for here in [*first, *(here for here in second if here not in first)]:
        old, new = first.get(here, (None, None))[0], second.get(here, (None, None))[0]
        if old == new and here in first and here in second:
            continue
        info = first.get(here, second.get(here))[1]  # type: ignore[index]
        direction = "added" if here not in first else "removed" if here not in second else _direction(a, here, old, new)
        unit = _unit(info)
        rows.append(
            (here.split(".")[0], here.partition(".")[2], unit, _text(old), _text(new), direction, info.description)
        )
    return pd.DataFrame(rows, columns=["section", "setting", "unit", "a", "b", "direction", "meaning"])


def _direction(policy: Policy, here: str, old: Any, new: Any) -> str:
    if here == "grades.newcomer_grade":  # the scale runs from the best grade down
        names = [grade.grade for grade in policy.grades.scale]
        old, new = -names.index(old), -(names.index(new) if new in names else len(names))
    sign = _LOOSER.get(here.rpartition(".")[2], 0)
    if not sign or not isinstance(old, int | float) or not isinstance(new, int | float):
        return "different"
    return "looser" if (new > old) == (sign > 0) else "tighter"


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(_text(item) for item in value)
    if isinstance(value, float):
        return f"{value:,.10g}"
    return "" if value is None else str(value)


def approver(policy: Policy, amount: float, grade: str) -> str:
    """Lowest level that may sign `amount` for `grade`; with four-eyes, also the next (of the last, the one below)."""
    order = [item.grade for item in policy.grades.scale]
    if grade not in order:
        raise PolicyError(f"grade {grade!r} is not in the policy; {nearest(grade, order)}")
    levels = policy.authority.levels
    able = [
        number
        for number, level in enumerate(levels)
        if amount <= level.max_amount and order.index(grade) <= order.index(level.worst_grade)
    ]
    first = able[0]
    if amount > policy.authority.four_eyes_above and len(levels) > 1:
        first = min(first, len(levels) - 2)
        return f"{levels[first].approver} + {levels[first + 1].approver}"
    return levels[first].approver
