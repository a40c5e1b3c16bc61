"""What every section of a policy is made of: a frozen model and settings that carry unit, range and meaning."""

from typing import Any

import pydantic

_UNIT_RANGE = {"share": (0, 1), "days": (0, 3650), "months": (0, 120), "years": (0, 20)}


def setting(unit: str, meaning: str, *, low: float | None = None, high: float | None = None) -> Any:
    """A required setting: unit, meaning, and the range it must lie in (default by unit)."""
    if low is None and high is None:
        low, high = _UNIT_RANGE.get(unit, (None, None))
    return pydantic.Field(description=meaning, ge=low, le=high, json_schema_extra={"unit": unit})


def name(meaning: str) -> Any:
    """A required text or choice."""
    return pydantic.Field(description=meaning, json_schema_extra={"unit": ""})


class Section(pydantic.BaseModel):
    """Base of all sections: frozen, strict about keys."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    @pydantic.field_validator("*", mode="before")
    @classmethod
    def _numbers_are_numbers(cls, value: Any, info: pydantic.ValidationInfo) -> Any:
        """`true` and "60" are no days: pydantic would take them for 1 and 60."""
        field = cls.model_fields[str(info.field_name)]
        if field.annotation in (int, float) and isinstance(value, bool | str):
            raise ValueError(f"must be a number without quotes (given: {value!r})")
        return value
