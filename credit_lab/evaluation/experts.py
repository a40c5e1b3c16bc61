"""Expert scorecards: templates of qualitative factors with anchored scores, and what assessors make of them.

A template is a TOML file:

    name = "three dimensions"
    low = 1
    high = 10
    [weights]                       # one way or the other
    method = "direct"               # each factor carries its weight
    # method = "ahp", factors = [...], matrix = [[1, 3], ["1/3", 1]]

    [[factors]]
    factor = "management"
    title = "Management (管理层)"
    group = "capability"
    part = "capability"
    weight = 0.2
    anchors = { 1 = "...", 5 = "...", 10 = "..." }
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import pandas as pd
import pydantic

from credit_lab import toml_file
from credit_lab.errors import CreditLabError, nearest
from credit_lab.evaluation.ahp import weights_from_pairs
from credit_lab.ids import looked_up
from credit_lab.periods import takes_days
from credit_lab.policy.evidence import Part


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class _Factor(_Strict):
    factor: str
    title: str
    group: str
    part: Part
    weight: float = pydantic.Field(default=0.0, ge=0)
    anchors: dict[int, str]


class _Weighting(_Strict):
    method: Literal["direct", "ahp"]
    factors: tuple[str, ...] = ()
    matrix: tuple[tuple[float | str, ...], ...] = ()


class _File(_Strict):
    name: str
    source: str
    low: int
    high: int
    weights: _Weighting
    factors: tuple[_Factor, ...]


@dataclass(frozen=True)
class Template:
    """A template: scale low to high, consistency ratio of its weights (NaN if given directly), and the factors.

    factors : factor, title, group, part, weight (adding up to 1), anchors (text)
    """

    name: str
    source: str
    low: int
    high: int
    consistency_ratio: float
    factors: pd.DataFrame


def load_template(path: str | Path) -> Template:
    """Read a template.

    Raises
    ------
    CreditLabError
        Missing, no TOML, unknown or lacking keys, weights that do not add up to one, anchors outside the scale or
        without its ends, an inconsistent AHP matrix.
    """
    content = toml_file.read(path, "template", CreditLabError, "data/expert")
    try:
        file = _File.model_validate(content)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        raise CreditLabError(f"template {path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    table = pd.DataFrame(
        [{**one.model_dump(exclude={"anchors"}), "anchors": _anchors(one, file, path)} for one in file.factors]
    )
    if table.empty or table["factor"].duplicated().any():
        raise CreditLabError(f"template {path}: needs factors, each named once")
    ratio = float("nan")
    if file.weights.method == "ahp":
        made = weights_from_pairs(
            list(file.weights.factors), [[_comparison(cell, path) for cell in row] for row in file.weights.matrix]
        )
        if set(made.weights.index) != set(table["factor"]):
            raise CreditLabError(f"template {path}: weights.factors must name the same factors as the factors below")
        table, ratio = table.assign(weight=table["factor"].map(made.weights)), made.consistency_ratio
    total = float(table["weight"].sum())
    if abs(total - 1) > 1e-6:
        raise CreditLabError(f"template {path}: the weights add up to {total:g}, not to 1")
    return Template(file.name, file.source, file.low, file.high, ratio, table)


def _comparison(cell: float | str, path: str | Path) -> float:
    """A comparison of two factors: 3 or "1/3". No other writing is taken: "1e999999999" would never end."""
    text = str(cell).strip()
    if isinstance(cell, float):
        return cell
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,9})?|[0-9]{1,4}/0*[1-9][0-9]{0,3}", text):
        raise CreditLabError(f"template {path}: weights.matrix holds {text[:40]!r}; write comparisons as 3 or '1/3'")
    return float(Fraction(text))


def _anchors(one: _Factor, file: _File, path: str | Path) -> str:
    outside = [score for score in one.anchors if not file.low <= score <= file.high]
    if outside or not {file.low, file.high} <= set(one.anchors):
        raise CreditLabError(
            f"template {path}: {one.factor}: anchors must describe {file.low} and {file.high} and lie between them"
        )
    return "; ".join(f"{score}: {text}" for score, text in sorted(one.anchors.items()))


def latest_scores(assessments: pd.DataFrame, template: Template, as_of: pd.Timestamp) -> pd.DataFrame:
    """The latest score of each assessor, factor and customer up to `as_of`.

    Raises
    ------
    CreditLabError
        A factor the template does not have, or a score outside its scale.
    """
    strange = sorted(set(assessments["factor"]) - set(template.factors["factor"]))
    if strange:
        raise CreditLabError(
            f"assessments: unknown factor {strange[0]!r}; {nearest(strange[0], template.factors['factor'])}; "
            f"correct it, or use a template that has it (template {template.name!r})"
        )
    off = assessments[~assessments["score"].between(template.low, template.high)]
    if len(off):
        first = off.iloc[0]
        raise CreditLabError(
            f"assessments: {len(off)} scores outside {template.low} to {template.high} (first: {first['customer_id']}, "
            f"{first['factor']}, {first.get('assessor', 'assessor not named')}: {first['score']:g})"
        )
    rows = assessments[assessments["assessed_on"] <= as_of].sort_values("assessed_on", kind="stable")
    keys = ["customer_id", "factor", *(["assessor"] if "assessor" in rows else [])]
    return rows.drop_duplicates(keys, keep="last").sort_values(keys, ignore_index=True)


@takes_days
def judge(assessments: pd.DataFrame, template: Template, as_of: pd.Timestamp) -> pd.DataFrame:
    """Judgement by customer and factor: customer_id, item (factor), part, weight, value (mean of the assessors), score
    (0-100), source (who and when).

    Raises
    ------
    CreditLabError
        As `latest_scores`.
    """
    rows = latest_scores(assessments, template, as_of)
    who = rows["assessor"].fillna("?") if "assessor" in rows else pd.Series("assessor not named", index=rows.index)
    score = rows["score"].map("{:g}".format).astype("str")
    said = who + " " + score + " on " + rows["assessed_on"].dt.strftime("%Y-%m-%d")
    by = rows.assign(said=said).groupby(["customer_id", "factor"])
    made = by.agg(value=("score", "mean"), said=("said", ", ".join)).reset_index()
    facts = template.factors.set_index("factor")
    part, weight = (looked_up(made["factor"], facts[name]) for name in ("part", "weight"))
    return pd.DataFrame(
        {
            "customer_id": made["customer_id"], "item": made["factor"], "part": part, "weight": weight,
            "value": made["value"],
            "score": 100 * (made["value"] - template.low) / (template.high - template.low),
            "source": "assessments: " + made["said"].astype("str"),
        }
    )  # fmt: skip
