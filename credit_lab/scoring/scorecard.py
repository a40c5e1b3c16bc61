"""Scorecards: points for every bin, that add up to a score and to a default probability.

    logit PD = intercept + sum over features of coefficient x WOE
    score    = offset - factor x logit PD,   factor = pdo / ln 2,   offset = base_score - factor x ln(base_odds)

so a higher score is a better customer, `base_score` stands for `base_odds` non-events to one event, and `pdo` more
points double the odds. Everything a card does follows from its points alone: scores, probabilities, reasons, SQL.

References
----------
Siddiqi, N. (2017). Intelligent credit scoring, 2nd ed., ch. 10 (scaling, reason codes, neutral score). 评分卡
"""

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab import summary
from credit_lab.errors import CreditLabError, nearest
from credit_lab.scoring.bins import Array, FeatureBins, kinds_of
from credit_lab.scoring.table import columns_of

FORMAT = "credit_lab scorecard 1"


@dataclass(frozen=True)
class Scaling:
    """From log odds to points: `base_odds` non-events to one event at `base_score`, doubled by `pdo` points.

    >>> Scaling().factor, Scaling().offset
    (28.85390081777927, 487.1228762045055)
    """

    base_score: float = 600.0
    base_odds: float = 50.0
    pdo: float = 20.0

    def __post_init__(self) -> None:
        if not (self.base_odds > 0 and self.pdo > 0 and math.isfinite(self.base_score)):
            raise CreditLabError(f"scaling {self}: base_odds and pdo must be above zero")

    @property
    def factor(self) -> float:
        """Points per unit of log odds."""
        return self.pdo / math.log(2)

    @property
    def offset(self) -> float:
        """Points at even odds."""
        return self.base_score - self.factor * math.log(self.base_odds)

    def score(self, logit: Array) -> Array:
        """Points of log odds of the event."""
        return self.offset - self.factor * logit

    def probability(self, score: Array) -> Array:
        """Event probability of a score."""
        return 1 / (1 + np.exp((score - self.offset) / self.factor))


@dataclass(frozen=True)
class Scorecard:
    """A fitted card.

    Attributes
    ----------
    features : bins of each feature on the card
    points : points by bin of each feature, centred so that the population's odds (WOE 0) are worth 0 points
    base_points : points of everybody: the neutral score, of a customer with WOE 0 everywhere
    scaling : `Scaling`
    coefficients : term (intercept first), coefficient, standard_error, z, p_value, low, high (95 %); the inference is
        missing for penalised cards
    kind : woe (points from WOE and one coefficient per feature) or joint (points of all bins estimated together)
    facts : how it was fitted: rows, events, penalty, dropped features, loss by rounding and the like
    """

    features: tuple[FeatureBins, ...]
    points: Mapping[str, Array]
    base_points: float
    scaling: Scaling
    coefficients: pd.DataFrame
    kind: str
    facts: Mapping[str, Any]

    @property
    def names(self) -> list[str]:
        """Features on the card."""
        return [bins.name for bins in self.features]

    @property
    def kinds(self) -> dict[str, str]:
        """Kind (number or category) of each feature."""
        return kinds_of(self.features)

    @property
    def missing(self) -> tuple[str, ...]:
        """Texts that stood for a missing value where the card was fitted, and do so wherever it is applied."""
        return tuple(self.facts.get("missing", ()))

    def parts(self, X: Any) -> pd.DataFrame:
        """Points of every row by feature.

        Raises
        ------
        CreditLabError
            A feature of the card is not a column of the table, or holds something that is no number
            where the card has one (with row and value).
        """
        columns = self._columns(X)
        index = X.index if isinstance(X, pd.DataFrame) else None
        return pd.DataFrame(
            {bins.name: self.points[bins.name][bins.ids(columns[bins.name])] for bins in self.features}, index=index
        )

    def score(self, X: Any) -> pd.Series:
        """Score of every row."""
        total = np.zeros(len(parts := self.parts(X))) + self.base_points
        for name in self.names:
            total = total + parts[name].to_numpy()
        return pd.Series(total, index=parts.index, name="score")

    def probability(self, X: Any) -> pd.Series:
        """Event probability of every row, from the score (so with its rounding)."""
        score = self.score(X)
        return pd.Series(self.scaling.probability(score.to_numpy()), index=score.index, name="pd")

    def reasons(self, X: Any, most: int = 3) -> pd.DataFrame:
        """The features that cost each row most points against neutral (WOE 0), worst first; reason_1, points_1, ...

        A row has fewer reasons where fewer features cost it points; the rest is missing.
        """
        parts = self.parts(X)
        values = parts.to_numpy()
        order = np.argsort(values, axis=1, kind="stable")[:, :most]
        lost = np.take_along_axis(values, order, axis=1)
        names = np.array(self.names, dtype=object)[order]
        columns: dict[str, Any] = {}
        for i in range(order.shape[1]):
            columns[f"reason_{i + 1}"] = pd.Series(names[:, i], dtype=object).where(lost[:, i] < 0, None).to_numpy()
            columns[f"points_{i + 1}"] = np.where(lost[:, i] < 0, lost[:, i], np.nan)
        return pd.DataFrame(columns, index=parts.index)

    def table(self) -> pd.DataFrame:
        """The card: feature, bin, rows, share, events, event_rate, woe, points; the base points come first."""
        base = pd.DataFrame({"feature": ["(base)"], "bin": ["everybody"], "points": [self.base_points]})
        parts = [
            bins.table()[["bin", "rows", "share", "events", "event_rate", "woe"]].assign(
                feature=bins.name, points=self.points[bins.name]
            )
            for bins in self.features
        ]
        columns = ["feature", "bin", "rows", "share", "events", "event_rate", "woe", "points"]
        return pd.concat([base, *parts], ignore_index=True).reindex(columns=columns)

    def unseen(self, X: Any) -> pd.DataFrame:
        """Rows by feature that fall into bins without training rows: feature, rows, share, example."""
        columns = self._columns(X)
        found = []
        for bins in self.features:
            new = bins.counts.sum(axis=1)[bins.ids(columns[bins.name])] == 0
            if new.any():
                found.append((bins.name, int(new.sum()), new.mean(), str(columns[bins.name][new.argmax()])))
        return pd.DataFrame(found, columns=["feature", "rows", "share", "example"])

    def rounded(self, digits: int = 0) -> "Scorecard":
        """The card with rounded points."""
        return dataclasses.replace(
            self,
            points={name: np.round(values, digits) for name, values in self.points.items()},
            base_points=float(np.round(self.base_points, digits)),
        )

    def _columns(self, X: Any) -> dict[str, npt.NDArray[Any]]:
        columns = columns_of(X, kinds_of(self.features), self.missing)
        for bins in self.features:
            if bins.name not in columns:
                raise CreditLabError(
                    f"feature {bins.name!r} of the card is not in the table; {nearest(bins.name, columns)}"
                )
        return columns

    def _repr_html_(self) -> str:
        ranges = (f"{name} ({np.ptp(self.points[name]):.0f})" for name in self.names)
        scale = self.scaling
        lines = {
            "kind": self.kind, "features (range of points)": ", ".join(ranges),
            "base points": f"{self.base_points:.0f}",
            "scale": f"{scale.base_score:g} points at {scale.base_odds:g} : 1, {scale.pdo:g} double the odds",
            "fitted on": f"{self.facts.get('rows', '?'):,} rows, {self.facts.get('events', '?'):,} events"
            if {"rows", "events"} <= set(self.facts) else "unknown",
        }  # fmt: skip
        return summary.card("Scorecard", lines)

    def to_json(self) -> str:
        """The whole card as text; `from_json` gives it back exactly."""
        plain = {
            "format": FORMAT,
            "kind": self.kind,
            "scaling": dataclasses.asdict(self.scaling),
            "base_points": self.base_points,
            "features": [bins.to_dict() for bins in self.features],
            "points": {name: values.tolist() for name, values in self.points.items()},
            "coefficients": json.loads(self.coefficients.to_json(orient="records", double_precision=15)),
            "facts": dict(self.facts),
        }
        return json.dumps(plain, ensure_ascii=False, indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str, *, source: str = "scorecard") -> "Scorecard":
        """A card from its text.

        Raises
        ------
        CreditLabError
            Not JSON, not a scorecard, or one of another format.
        """
        try:
            plain = json.loads(text)
            if plain.get("format") != FORMAT:
                raise CreditLabError(f"{source}: format {plain.get('format')!r} is not {FORMAT!r}; fit the card again")
            card = cls(
                tuple(FeatureBins.from_dict(bins) for bins in plain["features"]),
                {name: np.array(values, dtype=np.float64) for name, values in plain["points"].items()},
                float(plain["base_points"]),
                Scaling(**plain["scaling"]),
                pd.DataFrame(plain["coefficients"]).astype(dict.fromkeys(COLUMNS[1:], float)),
                plain["kind"],
                plain["facts"],
            )
            if not all(isinstance(text, str) for text in [*card.missing]) or isinstance(card.facts.get("missing"), str):
                raise ValueError("facts: missing must be a list of texts")
            sizes = {bins.name: len(bins.woe) for bins in card.features}
            if (
                sizes != {name: values.size for name, values in card.points.items()}
                or not np.isfinite(np.concatenate([[card.base_points], *card.points.values()])).all()
            ):
                raise ValueError("points must be finite numbers, one for each bin of each feature")
            return card
        except CreditLabError:
            raise
        except (ValueError, LookupError, AttributeError, TypeError, ArithmeticError, RecursionError) as error:
            raise CreditLabError(f"{source}: not a scorecard written by credit_lab ({error})") from None

    def save(self, path: Path) -> None:
        """Write `to_json` to a file, whole or not at all."""
        part = path.with_suffix(path.suffix + ".part")
        part.write_text(self.to_json(), encoding="utf-8")
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Scorecard":
        """Read a card from a file."""
        try:
            return cls.from_json(path.read_text(encoding="utf-8"), source=str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise CreditLabError(f"{path}: cannot be read ({error})") from None


COLUMNS = ["term", "coefficient", "standard_error", "z", "p_value", "low", "high"]
