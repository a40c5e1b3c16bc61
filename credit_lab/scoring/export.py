"""A scorecard outside Python's reach: an Ibis expression, SQL in any dialect, or one plain Python function.

All three add the same points in the same order, so they give the score of `Scorecard.score` on every row, missing,
special and unseen values included. They read a value as `table` does: empty text is missing, numbers may be text.
"""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from credit_lab.errors import CreditLabError, nearest
from credit_lab.scoring.bins import FeatureBins
from credit_lab.scoring.scorecard import Scorecard

if TYPE_CHECKING:
    import ibis


def expression(card: Scorecard, table: "ibis.Table") -> "ibis.Table":
    """The table with the columns `score` and `pd`, as an Ibis expression on its own engine.

    Raises
    ------
    CreditLabError
        A feature of the card is not a column of the table.
    """
    score: Any = _number(card.base_points)
    for bins in card.features:
        if bins.name not in table.columns:
            raise CreditLabError(f"feature {bins.name!r} is not in the table; {nearest(bins.name, table.columns)}")
        score = score + _cases(bins, card.points[bins.name], table[bins.name], ["", *card.missing])
    scored = table.mutate(score=score.cast("float64"))
    logit = (scored["score"] - card.scaling.offset) / card.scaling.factor
    return scored.mutate(pd=1 / (1 + logit.exp()))


def to_sql(
    card: Scorecard, table: str = "customers", *, dialect: str = "duckdb", id_column: str = "customer_id"
) -> str:
    """SELECT statement with id, score and pd in a dialect of SQL (any that Ibis writes: duckdb, postgres, spark ...).

    The table must hold numbers as double precision and categories as text (codes with their zeros).

    Raises
    ------
    CreditLabError
        Unknown dialect.
    """
    import ibis

    schema = {id_column: "string"} | {b.name: "float64" if b.kind == "number" else "string" for b in card.features}
    source = ibis.table(schema, name=table)
    try:
        return str(ibis.to_sql(expression(card, source)[[id_column, "score", "pd"]], dialect=dialect))
    except (AttributeError, ValueError, ibis.common.exceptions.IbisError) as error:
        raise CreditLabError(f"no SQL in dialect {dialect!r}: {error}") from None


def to_python(card: Scorecard, name: str = "score") -> str:
    """Source of a function without imports: a mapping of feature to value in, the score out.

    None, NaN and empty text are missing; the function raises ValueError for a text that is no number where the card
    has one.
    """
    lines = [_HEAD.format(name=name, missing=("", *card.missing), base=card.base_points)]
    for bins in card.features:
        points = card.points[bins.name]
        lines.append(f"    value = {'number' if bins.kind == 'number' else 'text'}({bins.name!r})")
        lines.append(f"    if value is None:\n        total += {float(points[bins.missing])!r}")
        if bins.kind == "number":
            for code, bin_ in bins.specials.items():
                lines.append(f"    elif value == {code!r}:\n        total += {float(points[bin_])!r}")
            for split, bin_ in zip(bins.splits, bins.intervals, strict=False):
                lines.append(f"    elif value < {split!r}:\n        total += {float(points[bin_])!r}")
            last = points[bins.intervals[-1]]
        else:
            for bin_, names in _groups(bins).items():
                lines.append(f"    elif value in {tuple(names)!r}:\n        total += {float(points[bin_])!r}")
            last = points[bins.rest]
        lines.append(f"    else:\n        total += {float(last)!r}")
    return "\n".join([*lines, "    return total", ""])


_HEAD = """def {name}(row):
    def text(feature):
        value = row.get(feature)
        value = "" if value is None or value != value else str(value)
        return None if value.strip() == "" or value in {missing!r} else value

    def number(feature):
        value = (text(feature) or "").strip()
        value = {{"": None, "true": "1", "false": "0"}}.get(value.lower(), value)
        if value is None or value in {missing!r}:
            return None
        if set(value) - set("+-.0123456789eEinf"):
            raise ValueError(f"{{feature}}: {{value!r}} is not a number")
        return float(value)

    total = {base!r}"""


def _groups(bins: FeatureBins) -> dict[int, list[str]]:
    groups: dict[int, list[str]] = {}
    for category, bin_ in bins.by_text.items():
        groups.setdefault(bin_, []).append(category)
    return groups


def _cases(bins: FeatureBins, points: Any, column: Any, missing: list[str]) -> Any:
    """CASE over one column; special codes and missing first, since a database may sort NaN above every number."""
    import ibis

    if bins.kind == "number":
        if column.type().is_boolean():
            column = column.cast("int8")
        elif column.type().is_float32():  # 0.7 as it is written, not 0.699999988
            column = column.cast("string")
        elif column.type().is_string():
            column = ibis.ifelse(column.strip().isin(missing), None, column)
        column = column.cast("float64")
        branches = [(column.isnull() | column.isnan(), points[bins.missing])]
        branches += [(column == code, points[bin_]) for code, bin_ in bins.specials.items()]
        branches += [
            (column < _number(split), points[bin_]) for split, bin_ in zip(bins.splits, bins.intervals, strict=False)
        ]
        last = points[bins.intervals[-1]]
    else:
        column = column.cast("string")
        empty = column.isnull() | (column.strip() == "") | column.isin(missing)
        branches = [(empty, points[bins.missing])]
        branches += [(column.isin(names), points[bin_]) for bin_, names in _groups(bins).items()]
        last = points[bins.rest]
    return ibis.cases(*((test, _number(value)) for test, value in branches), else_=_number(last))


def _number(value: Any) -> Any:
    """A literal that every dialect reads as the same double: bare decimals would be fixed-point numbers in some."""
    import ibis

    value = float(np.float64(value))
    if math.isinf(value):
        raise CreditLabError("an infinite boundary or number of points cannot be written as SQL")
    if value.is_integer() and abs(value) < 2**31:
        return ibis.literal(int(value), type="int32")
    return ibis.literal(repr(value)).cast("float64")
