"""Exports of public enterprise registers (工商登记, 经营异常名录, 被执行人) as facts, by a mapping file.

[source]
name = "public_registry"       # how the facts call the source
encoding = "utf-8-sig"
delimiter = ","
quote = "none"                 # marks are part of the text; default: " encloses texts
observed = "查询日期"           # column with the day of the look-up; or give observed_on when reading
[columns]
customer_id = "客户编号"
[attributes]
legal_name = "企业名称"
registered_capital = { column = "注册资本(万元)", factor = 10000 }
judgement_debtor = { column = "被执行人日期", event = true }   # a date means: listed since that day
"""

from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import pydantic

from credit_lab import toml_file
from credit_lab.errors import LedgerError
from credit_lab.ledger import delimited
from credit_lab.periods import takes_days


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class _Source(_Strict):
    name: str
    encoding: str = "utf-8-sig"
    delimiter: str = ","
    quote: str = '"'
    multiline: bool = False
    observed: str = ""


class _Columns(_Strict):
    customer_id: str


class _Attribute(_Strict):
    column: str
    factor: float = 1.0
    event: bool = False


def _as_attribute(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


class RegisterMapping(_Strict):
    """A whole mapping file."""

    source: _Source
    columns: _Columns
    attributes: dict[str, Annotated[_Attribute, pydantic.BeforeValidator(_as_attribute)]]


def load_mapping(path: str | Path) -> RegisterMapping:
    """Read a register mapping.

    Raises
    ------
    LedgerError
        Missing, no TOML, or with unknown or lacking keys.
    """
    content = toml_file.read(path, "register mapping", LedgerError, "data/mappings")
    try:
        return RegisterMapping.model_validate(content)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise LedgerError(f"register mapping {path}: {place}: {first['msg']}") from error


@takes_days
def read_register(path: str | Path, mapping: str | Path, *, observed_on: pd.Timestamp | None = None) -> pd.DataFrame:
    """Facts from a register export: customer_id, attribute, value, source, observed_on.

    A listing is a fact of its own day with the value "listed"; everything else is of the day of the look-up.

    Parameters
    ----------
    observed_on : day of the look-up, where the export has no column for it

    Raises
    ------
    LedgerError
        The file cannot be read, a column is lacking, a number or date is unreadable, or no day of the look-up is known.
    """
    rules = load_mapping(mapping)
    source = rules.source
    raw = delimited.read(
        path, encoding=source.encoding, delimiter=source.delimiter, quote=source.quote, multiline=source.multiline
    )
    needed = [rules.columns.customer_id, *(one.column for one in rules.attributes.values())]
    lacking = [column for column in [*needed, source.observed] if column and column not in raw]
    if lacking:
        raise LedgerError(f"register export {path}: no column {lacking[0]!r}; it has {', '.join(raw.columns)}")
    if source.observed:
        seen = _days(raw[source.observed], path, source.observed)
    elif observed_on is not None:
        seen = pd.Series(observed_on, index=raw.index)
    else:
        raise LedgerError(f"register export {path}: give observed_on, or source.observed in {mapping}")
    parts = []
    for attribute, one in rules.attributes.items():
        cells = raw[one.column].str.strip()
        there = cells != ""
        value = cells
        day = seen
        if one.event:
            day = _days(cells, path, one.column)
            value = pd.Series("listed", index=raw.index)
        elif one.factor != 1.0:
            number = pd.to_numeric(cells[there].str.replace(",", ""), errors="coerce").reindex(raw.index)
            if (number.isna() & there).any():
                row = int((number.isna() & there).argmax())
                raise LedgerError(f"register export {path}: {one.column} in row {row + 2} is no number: {cells[row]!r}")
            value = (number * one.factor).map("{:.12g}".format).astype("str")
        parts.append(
            pd.DataFrame({"customer_id": raw[rules.columns.customer_id], "attribute": attribute, "value": value,
                          "source": source.name, "observed_on": day})[there]
        )  # fmt: skip
    facts = pd.concat(parts, ignore_index=True)
    facts = facts.assign(observed_on=facts["observed_on"].astype("datetime64[us]"))
    return facts.sort_values(["customer_id", "attribute", "observed_on"], ignore_index=True)


def _days(cells: pd.Series, path: str | Path, column: str) -> pd.Series:
    days = pd.to_datetime(cells.where(cells != ""), errors="coerce", format="%Y-%m-%d")
    wrong = days.isna() & (cells != "")
    if wrong.any():
        row = int(wrong.argmax())
        raise LedgerError(
            f"register export {path}: {column} in row {row + 2} is no date like 2025-01-31: {cells[row]!r}"
        )
    return days
