"""Sections of the policy on evidence: what a credit file must hold, how far sources are trusted, how scores join.

Lists of weights add up to one; what does not is refused when the file is read.
"""

from itertools import pairwise
from typing import Literal

import pydantic

from credit_lab.policy.base import Section, name, setting

Tier = Literal["key", "normal", "small"]
Part = Literal["capability", "willingness", "environment"]


class Attribute(Section):
    """One attribute of a credit file (信用档案)."""

    attribute: str = name("name in the table facts")
    kind: Literal["number", "date", "category", "name", "person", "address", "event"] = name("how claims are compared")
    tolerance: float = setting("share", "numbers agree within this share; ignored for other kinds")
    review_months: int = setting("months", "a claim older than this is stale")
    key: float = setting("weight", "weight in the completeness of a key customer's file", low=0, high=100)
    normal: float = setting("weight", "weight in the completeness of a normal customer's file", low=0, high=100)
    small: float = setting("weight", "weight in the completeness of a small customer's file", low=0, high=100)


class Source(Section):
    """How far a source is trusted."""

    source: str = name("name in the table facts")
    trust: float = setting("share", "weight of its word; two sources should outweigh any single one")


class Investigation(Section):
    """Credit files (资信调查): attributes, sources, tiers of customers."""

    name_similarity: float = setting("share", "names this alike are one name, legal forms left out")
    key_share: float = setting("share", "key customers: the largest who together make up this share of sales or debt")
    small_share: float = setting("share", "small customers: the smallest who together make up this share")
    risky_index: float = setting("index", "below this payment index nobody is small", low=0, high=100)
    statement_months: int = setting("months", "a statement whose period ended longer ago is stale")
    attributes: tuple[Attribute, ...] = name("what a file holds")
    sources: tuple[Source, ...] = name("who makes claims")

    @pydantic.model_validator(mode="after")
    def _distinct(self) -> "Investigation":
        for what, names in (
            ("attributes", [one.attribute for one in self.attributes]),
            ("sources", [one.source for one in self.sources]),
        ):
            if not names or len(set(names)) != len(names):
                raise ValueError(f"{what} needs at least one entry, each named once")
        for tier in ("key", "normal", "small"):
            if sum(getattr(one, tier) for one in self.attributes) <= 0:
                raise ValueError(f"attributes: some weight of tier {tier} must be above zero")
        if self.key_share + self.small_share > 1:
            raise ValueError("key_share + small_share must not exceed 1")
        return self


class Measure(Section):
    """A figure that becomes a score: `worst` gives 0, `best` gives 100, straight in between."""

    measure: str = name("name of the figure")
    part: Part = name("part of the evaluation it belongs to")
    worst: float = pydantic.Field(description="value that scores 0", json_schema_extra={"unit": "measure"})
    best: float = pydantic.Field(description="value that scores 100", json_schema_extra={"unit": "measure"})
    weight: float = setting("share", "weight among the measures of its part")

    @pydantic.model_validator(mode="after")
    def _apart(self) -> "Measure":
        if self.worst == self.best:
            raise ValueError(f"{self.measure}: worst and best must differ")
        return self


class Cut(Section):
    """Least score of a grade."""

    grade: str = name("a grade of grades.scale")
    min_score: float = setting("score", "least composite score", low=0, high=100)


class Evaluation(Section):
    """How evidence becomes one score and grade (信用评价)."""

    capability: float = setting("share", "weight of capability (能力)")
    willingness: float = setting("share", "weight of willingness (守信意愿)")
    environment: float = setting("share", "weight of the trading environment (交易环境)")
    quantitative: float = setting("share", "weight of figures against judgement within each")
    combine: Literal["weighted", "matrix", "logistic"] = name("how figures and judgement join")
    missing: Literal["reweight", "neutral", "worst"] = name("a missing item: others count more, middle or worst score")
    min_evidence: float = setting("share", "with less of the whole weight answered there is no grade")
    max_override_share: float = setting("share", "largest share of overridden grades")
    measures: tuple[Measure, ...] = name("figures and their weights, adding up to 1 in each part")
    scale: tuple[Cut, ...] = name("least score of each grade, best first")
    matrix_cuts: tuple[float, ...] = name("falling scores that part figures (rows) and judgement (columns) into bands")
    matrix: tuple[tuple[str, ...], ...] = name("grade by band of figures (rows) and of judgement (columns), best first")

    @pydantic.model_validator(mode="after")
    def _whole(self) -> "Evaluation":
        if abs(self.capability + self.willingness + self.environment - 1) > 1e-9:
            raise ValueError("capability + willingness + environment must be 1")
        for part in ("capability", "willingness", "environment"):
            total = sum(one.weight for one in self.measures if one.part == part)
            if abs(total - 1) > 1e-9:
                raise ValueError(f"the weights of the measures of {part} add up to {total:g}, not to 1")
        names = [one.measure for one in self.measures]
        if len(set(names)) != len(names):
            raise ValueError("each measure must be named once")
        return self

    @pydantic.model_validator(mode="after")
    def _banded(self) -> "Evaluation":
        cuts = [cut.min_score for cut in self.scale]
        if not cuts or any(a <= b for a, b in pairwise(cuts)) or cuts[-1] != 0:
            raise ValueError("min_score must fall from grade to grade and end at 0, so that no score is left out")
        bands = len(self.matrix_cuts) + 1
        if list(self.matrix_cuts) != sorted(set(self.matrix_cuts), reverse=True):
            raise ValueError("matrix_cuts must fall, such as [65, 45]")
        if len(self.matrix) != bands or any(len(row) != bands for row in self.matrix):
            raise ValueError(f"matrix needs {bands} rows and columns, one more than matrix_cuts")
        order = [cut.grade for cut in self.scale]
        unknown = {grade for row in self.matrix for grade in row} - set(order)
        if unknown:
            raise ValueError(f"matrix: {', '.join(sorted(unknown))} is not in the scale ({', '.join(order)})")
        places = [[order.index(grade) for grade in row] for row in self.matrix]
        down = [list(column) for column in zip(*places, strict=True)]
        if any(a > b for line in [*places, *down] for a, b in pairwise(line)):
            raise ValueError("matrix: less evidence of quality must never give a better grade")
        return self
