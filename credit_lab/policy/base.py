"""What every section of a policy is made of: a frozen model and settings that carry unit, range and meaning."""

import math
from typing import Any

import pydantic

from credit_lab.errors import MoneyNotKnown

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
    """Base of all sections: frozen, strict about keys.

    A section whose money is in a currency nobody gave a rate for has no amounts at all (`policy.currency`): whoever
    reads one is stopped with the reason, so that no amount of one currency is taken for one of another.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    _not_known: str = pydantic.PrivateAttr("")

    def __getattr__(self, name: str) -> Any:
        """Asked only for what is not there: an amount that is not known."""
        if name in type(self).model_fields:
            raise MoneyNotKnown(f"{name} is not known: {self._not_known}")
        return super().__getattr__(name)  # type: ignore[misc]

    def amount(self, name: str) -> float:
        """An amount of the section, NaN where it is not known: for readers that can do without it and say so."""
        return float(getattr(self, name)) if name in self.__dict__ else math.nan

    @pydantic.field_validator("*", mode="before")
    @classmethod
    def _numbers_are_numbers(cls, value: Any, info: pydantic.ValidationInfo) -> Any:
        """`true` and "60" are no days: pydantic would take them for 1 and 60."""
        field = cls.model_fields[str(info.field_name)]
        if field.annotation in (int, float) and isinstance(value, bool | str):
            raise ValueError(f"must be a number without quotes (given: {value!r})")
        return value
