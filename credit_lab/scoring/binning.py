"""Binner: all features of a table cut into bins at once, as a scikit-learn transformer to WOE.

Numbers get pre-bins at quantiles (or equal widths), categories pre-bins of their own in order of event rate with the
rare ones pooled; `optimum.best` then finds the best division under the limits. Special codes and missing values are
bins of their own. Works on pandas and polars frames and on arrays.

References
----------
Siddiqi, N. (2017). Intelligent credit scoring, 2nd ed., ch. 10 (WOE, IV, bins of their own for missing values).
Fisher, W. D. (1958). On grouping for maximum homogeneity. JASA 53, 789-798 (categories sorted by rate: the best
grouping is contiguous).
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import ClassifierTags
from sklearn.utils.validation import check_is_fitted, validate_data

from credit_lab.errors import CreditLabError
from credit_lab.scoring.bins import (
    UNSEEN,
    Array,
    FeatureBins,
    Ids,
    kinds_of,
    one_of,
    slots,
    spellings,
    tally,
    weights_of_evidence,
)
from credit_lab.scoring.optimum import Limits, best
from credit_lab.scoring.table import columns_of, target_of, weights_of

EMPTY = np.empty(0)
FORMAT = "credit_lab bins 1"


class Binner(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Optimal bins of every feature, and the transformation to WOE (最优分箱).

    Parameters
    ----------
    limits : what every feature's bins must respect (`optimum.Limits`); default Limits()
    overrides : by feature, values that replace those of `limits`, e.g. {"age": {"trend": "descending"}}
    prebins : most pre-bins of a number
    prebinning : quantile (equal numbers of rows) or width (equal widths between the 0.5 % and 99.5 % quantiles)
    fixed_splits : by feature, boundaries that must be there; others are found between them. Give the feature
        {"max_bins": number of splits + 1} in `overrides` to have no others.
    special : codes with a bin of their own, for all features (a list) or by feature (a mapping)
    rare_share : categories with a smaller share of the rows are pooled before the search
    smoothing : pseudo-rows at the overall event rate in each bin's WOE; 0 is the textbook formula
    unseen : WOE of a bin without training rows (a category never seen, missing values where none were missing):
        neutral (0), worst (that of the worst bin), or error (`transform` refuses such rows)
    output : woe, or bin for the number of the bin
    optimise : False keeps the pre-bins as they are
    sample : quantiles come from so many rows drawn at random; counts always from all rows
    random_state : seed of that draw

    Attributes
    ----------
    bins_ : dict of name to `FeatureBins`
    classes_ : the two values of the target; the second is the event
    feature_names_in_, n_features_in_ : as in scikit-learn

    Examples
    --------
    >>> X = pd.DataFrame({"days": [0, 1, 2, 30, 40, 50] * 20})
    >>> y = [0, 0, 1, 1, 1, 0] * 20
    >>> Binner(limits=Limits(trend="ascending")).fit(X, y).bins_["days"].table()[["bin", "rows", "events"]].head(2)
              bin  rows  events
    0  (-inf, 16)  60.0    20.0
    1   [16, inf)  60.0    40.0
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        overrides: Mapping[str, Mapping[str, Any]] | None = None,
        prebins: int = 20,
        prebinning: Literal["quantile", "width"] = "quantile",
        fixed_splits: Mapping[str, list[float]] | None = None,
        special: list[Any] | Mapping[str, list[Any]] | None = None,
        rare_share: float = 0.01,
        smoothing: float = 0.5,
        unseen: Literal["neutral", "worst", "error"] = "neutral",
        output: Literal["woe", "bin"] = "woe",
        optimise: bool = True,
        sample: int = 200_000,
        random_state: int = 0,
    ) -> None:
        self.limits = limits
        self.overrides = overrides
        self.prebins = prebins
        self.prebinning = prebinning
        self.fixed_splits = fixed_splits
        self.special = special
        self.rare_share = rare_share
        self.smoothing = smoothing
        self.unseen = unseen
        self.output = output
        self.optimise = optimise
        self.sample = sample
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "Binner":
        """Find the bins.

        Raises
        ------
        CreditLabError
            A target that is not binary or not complete, weights below zero, column names that repeat, a date column,
            settings for features that are not there, or limits no division can meet together with fixed splits.
        """
        self._check_settings()
        columns = columns_of(X)
        validate_data(self, X, skip_check_array=True)
        for given in (self.overrides, self.fixed_splits, self.special if isinstance(self.special, Mapping) else None):
            for name in given or {}:
                one_of(name, columns)  # type: ignore[arg-type]
        target, self.classes_ = target_of(y, len(next(iter(columns.values()))))
        weights = weights_of(sample_weight, target)
        rows = len(target)
        draw = None
        if rows > self.sample:
            draw = np.sort(np.random.default_rng(self.random_state).choice(rows, self.sample, replace=False))
        self.bins_ = {
            name: self._number(name, column, target, weights, draw)
            if column.dtype == np.float64
            else self._category(name, column, target, weights)
            for name, column in columns.items()
        }
        return self

    @property
    def kinds(self) -> dict[str, str]:
        """Kind (number or category) of each feature."""
        return kinds_of(self.bins_.values())

    def transform(self, X: Any) -> Array:
        """WOE (or bin number) of every value, columns as in `fit`."""
        check_is_fitted(self)
        columns = columns_of(X, kinds_of(self.bins_.values()))
        validate_data(self, X, reset=False, skip_check_array=True)
        out = np.empty((len(next(iter(columns.values()))), len(self.bins_)))
        for j, (name, column) in enumerate(columns.items()):
            bins = self.bins_[name]
            ids = self.bin_ids(bins, column)
            out[:, j] = bins.woe[ids] if self.output == "woe" else ids
        return out

    def bin_ids(self, bins: FeatureBins, column: npt.NDArray[Any]) -> Ids:
        """Bins of a column, refusing those without training rows if `unseen` says so."""
        ids = bins.ids(column)
        if self.unseen == "error":
            unknown = bins.counts.sum(axis=1)[ids] == 0
            if unknown.any():
                raise CreditLabError(
                    f"column {bins.name!r}: {unknown.sum()} rows fall into a bin without training rows "
                    f"(first: {column[unknown.argmax()]!r}); unseen='neutral' or 'worst' accepts them"
                )
        return ids

    def table(self) -> pd.DataFrame:
        """One row per feature: kind, bins, iv, trend, share of missing rows, note; best first."""
        check_is_fitted(self)
        rows = [
            {
                "feature": name,
                "kind": bins.kind,
                "bins": int((bins.counts.sum(axis=1) > 0).sum()),
                "iv": bins.iv,
                "trend": bins.trend,
                "missing": bins.counts[bins.missing].sum() / bins.counts.sum(),
                "note": bins.note,
            }
            for name, bins in self.bins_.items()
        ]
        return pd.DataFrame(rows).sort_values("iv", ascending=False, ignore_index=True)

    def to_json(self) -> str:
        """Settings and bins as text; `from_json` gives the fitted binner back."""
        check_is_fitted(self)
        settings = self.get_params(deep=False)
        settings["limits"] = dataclasses.asdict(self.limits) if self.limits else None
        plain = {
            "format": FORMAT,
            "settings": settings,
            "classes": self.classes_.tolist(),
            "features": [bins.to_dict() for bins in self.bins_.values()],
        }
        return json.dumps(plain, ensure_ascii=False, indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str, *, source: str = "bins") -> "Binner":
        """A fitted binner from its text.

        Raises
        ------
        CreditLabError
            Not JSON, no bins, or bins of another format.
        """
        try:
            plain = json.loads(text)
            if plain.get("format") != FORMAT:
                raise CreditLabError(f"{source}: format {plain.get('format')!r} is not {FORMAT!r}; make the bins again")
            settings = dict(plain["settings"])
            limits = Limits(**settings.pop("limits")) if settings.get("limits") else settings.pop("limits", None)
            binner = cls(limits=limits, **settings)
            binner.bins_ = {one["name"]: FeatureBins.from_dict(one) for one in plain["features"]}
            binner.classes_ = np.array(plain["classes"])
            binner.feature_names_in_ = np.array(list(binner.bins_), dtype=object)
            binner.n_features_in_ = len(binner.bins_)
        except CreditLabError:
            raise
        except (ValueError, LookupError, AttributeError, TypeError, ArithmeticError, RecursionError) as error:
            raise CreditLabError(f"{source}: no bins written by credit_lab ({error})") from None
        return binner

    def save(self, path: Path) -> None:
        """Write `to_json` to a file, whole or not at all."""
        part = path.with_suffix(path.suffix + ".part")
        part.write_text(self.to_json(), encoding="utf-8")
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Binner":
        """Read a fitted binner from a file."""
        try:
            return cls.from_json(path.read_text(encoding="utf-8"), source=str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise CreditLabError(f"{path}: cannot be read ({error})") from None

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.classifier_tags = ClassifierTags(multi_class=False)
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    def _check_settings(self) -> None:
        if self.unseen not in UNSEEN:
            raise CreditLabError(f"unseen {self.unseen!r}: need one of {', '.join(UNSEEN)}")
        if self.prebinning not in ("quantile", "width"):
            raise CreditLabError(f"prebinning {self.prebinning!r}: need quantile or width")
        if self.output not in ("woe", "bin"):
            raise CreditLabError(f"output {self.output!r}: need woe or bin")
        if not (self.prebins >= 1 and 0 <= self.rare_share < 1 and self.smoothing >= 0):
            raise CreditLabError("need prebins >= 1, 0 <= rare_share < 1 and smoothing >= 0")

    def _limits(self, name: str) -> Limits:
        limits = self.limits or Limits()
        extra = dict((self.overrides or {}).get(name, {}))
        unknown = set(extra) - {field.name for field in dataclasses.fields(Limits)}
        if unknown:
            raise CreditLabError(f"overrides of feature {name!r}: unknown setting {sorted(unknown)[0]!r}")
        return dataclasses.replace(limits, **extra)

    def _specials(self, name: str) -> list[Any]:
        return list(self.special.get(name, ()) if isinstance(self.special, Mapping) else self.special or ())

    def _number(self, name: str, column: Array, target: Array, weights: Array, draw: Ids | None) -> FeatureBins:
        codes = [float(code) for code in self._specials(name) if isinstance(code, int | float)]
        fixed = sorted((self.fixed_splits or {}).get(name, ()))
        sample = column if draw is None else np.sort(column)[draw]  # whatever order the rows came in
        sample = sample[~np.isnan(sample) & ~np.isin(sample, codes)]
        edges = np.unique([*_edges(sample, self.prebins, self.prebinning), *fixed])
        places = len(edges) + 1
        counts = tally(slots(column, edges, np.array(codes)), places + len(codes) + 1, target, weights)
        found = self._search(name, counts[:places], counts.sum(axis=0), walls=np.isin([-np.inf, *edges], fixed))
        ends, trend, note = found
        if fixed and note:
            raise CreditLabError(
                f"feature {name!r}: no division with the fixed splits {fixed} meets the limits; "
                "move a split or lower min_share, min_events or the number of splits"
            )
        last = len(ends)
        start = np.append(0, ends[:-1] + 1)
        raw = FeatureBins(
            name, "number", tuple(float(edges[i - 1]) for i in start[1:]), tuple(range(last)), {}, -1,
            {code: last + i for i, code in enumerate(codes)}, last + len(codes),
            EMPTY, EMPTY, self.smoothing, trend, note,
        )  # fmt: skip
        grouped = np.vstack([np.add.reduceat(counts[:places], start), counts[places:]])
        return dataclasses.replace(raw, counts=grouped, woe=weights_of_evidence(grouped, self.smoothing, self.unseen))

    def _category(self, name: str, column: npt.NDArray[Any], target: Array, weights: Array) -> FeatureBins:
        if name in (self.fixed_splits or {}):
            raise CreditLabError(f"feature {name!r} holds categories and cannot have fixed splits; use edits.regroup")
        codes, distinct = pd.factorize(column, sort=True)  # level rates go by name, not by who came first
        codes[codes < 0] = len(distinct)
        counts = tally(codes, len(distinct) + 1, target, weights)
        names = [str(value) for value in distinct]
        special = [way for code in self._specials(name) for way in spellings(str(code)) if way in set(names)]
        rows = counts.sum(axis=1)
        apart = np.array([*(text in special for text in names), True])
        rare = ~apart & (rows < max(self.rare_share * rows[:-1].sum(), np.finfo(float).tiny))
        own = np.flatnonzero(~apart & ~rare)
        order = own[np.argsort(counts[own, 1] / rows[own], kind="stable")]
        groups: list[tuple[list[str], Array]] = [([names[i]], counts[i]) for i in order]
        pool = counts[rare].sum(axis=0)
        if rare.any() and pool.sum() > 0:
            rates = [group[1][1] / group[1].sum() for group in groups]
            groups.insert(int(np.searchsorted(rates, pool[1] / pool.sum())), ([], pool))
        ordered = np.array([group[1] for group in groups]).reshape(-1, 2)
        ends, _, note = self._search(name, ordered, counts.sum(axis=0), trend="ascending")
        bin_of = np.searchsorted(ends, np.arange(len(groups)))
        last = len(ends)
        rest = next((int(bin_of[i]) for i, group in enumerate(groups) if not group[0]), last + len(special) + 1)
        grouped = np.zeros((max(rest + 1, last + len(special) + 1), 2))
        np.add.at(grouped, bin_of, ordered)
        for i, code in enumerate(special):
            grouped[last + i] = counts[names.index(code)]
        grouped[last + len(special)] = counts[-1]
        return FeatureBins(
            name, "category", (), (),
            {group[0][0]: int(bin_of[i]) for i, group in enumerate(groups) if group[0]}, rest,
            {code: last + i for i, code in enumerate(special)}, last + len(special),
            grouped, weights_of_evidence(grouped, self.smoothing, self.unseen), self.smoothing, "ascending", note,
        )  # fmt: skip

    def _search(
        self, name: str, counts: Array, totals: Array, *, walls: Any = None, trend: str | None = None
    ) -> tuple[Ids, str, str]:
        """Ends of the bins, trend and note; one bin with a note where no division meets the limits."""
        limits = self._limits(name)
        if trend:
            limits = dataclasses.replace(limits, trend=trend)
        if counts.sum() == 0:
            return np.array([len(counts) - 1] if len(counts) else [], dtype=np.int64), "none", "no values"
        if not self.optimise:
            return np.arange(len(counts)), "none", ""
        ends, _, found = best(
            counts[:, 1], counts[:, 0], limits, totals=(float(totals[1]), float(totals[0])), walls=walls
        )
        if len(ends) == 0:
            return np.array([len(counts) - 1]), "none", "one bin: no division meets the limits"
        constant = "constant" if len(counts) == 1 else ""
        return ends, "none" if len(ends) == 1 else found, constant


def _edges(values: Array, most: int, method: str) -> list[float]:
    """Boundaries of the pre-bins, rounded to four digits where that keeps them apart."""
    values = np.sort(values)
    distinct = values[np.append(True, values[1:] != values[:-1])] if len(values) else values
    if len(distinct) <= 1:
        return []
    if len(distinct) <= most:
        with np.errstate(invalid="ignore", over="ignore"):
            edges = distinct[:-1] / 2 + distinct[1:] / 2
        edges = np.where(np.isfinite(edges), edges, distinct[1:])
    elif method == "quantile":
        edges = values[(np.arange(1, most) * len(values)) // most]
        edges = np.unique(edges[edges > values[0]])
    else:
        finite = values[np.isfinite(values)]
        edges = np.unique(
            np.quantile(finite, 0.005) + np.ptp(np.quantile(finite, [0.005, 0.995])) * np.linspace(0, 1, most + 1)[1:-1]
        )
    rounded = np.array([float(f"{edge:.4g}") for edge in edges])
    between = np.searchsorted(distinct, rounded) == np.searchsorted(distinct, edges)
    return [float(edge) for edge in np.where(between, rounded, edges)]
