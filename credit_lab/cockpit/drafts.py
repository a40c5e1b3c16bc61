"""The state of the bin and scorecard editor: bins and features chosen, every step of which can be taken back.

Steps are the pure functions of `scoring.edits`; the editor keeps the drafts they give and answers with tables.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from credit_lab.errors import CreditLabError, nearest
from credit_lab.scoring import Binner, Scorecard, edits, fit, selection, stability, validate
from credit_lab.scoring.bins import FeatureBins, kinds_of, tally
from credit_lab.scoring.rows import Modelling, divide
from credit_lab.scoring.table import columns_of
from credit_lab.studies import scorecards


@dataclass(frozen=True)
class Draft:
    """One state: the bins of all features, and which of them are on the card."""

    binner: Binner
    features: tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    """Rows to bin and fit on, and later ones (or ones left out) to look whether it holds.

    Attributes
    ----------
    weights, later_weights : a customer counts as one row. None: every row counts as one
    later_who : customer of each later row, None if unknown
    split : how the rows were divided, in words
    """

    X: pd.DataFrame
    y: pd.Series
    weights: Any
    later_X: pd.DataFrame
    later_y: pd.Series
    later_weights: Any
    later_who: pd.Series | None
    split: str = ""
    missing: tuple[str, ...] = ()


def begin(rows: Modelling, *, bins: str = "", boundary: str = "", seed: int = 0) -> "Editor":
    """An editor on `rows`: optimal bins and the features of stepwise selection, or the bins of a file.

    Parameters
    ----------
    bins : file of `Binner.save`; empty: found here

    Raises
    ------
    CreditLabError
        The file holds no bins, or lacks a feature of the rows.
    """
    train, test, split = divide(rows, boundary, seed=seed)
    weights = scorecards.once(rows, train)
    X, y = (part.iloc[train].reset_index(drop=True) for part in (rows.X, rows.y))
    later_X, later_y = (part.iloc[test].reset_index(drop=True) for part in (rows.X, rows.y))
    later_weights = scorecards.once(rows, test)
    who = None if rows.who is None else rows.who.iloc[test].reset_index(drop=True)
    binner = Binner.load(Path(bins)) if bins else Binner().fit(X, y, weights)
    lacking = [name for name in binner.bins_ if name not in X]
    if lacking:
        raise CreditLabError(f"{bins}: feature {lacking[0]!r} is not in the rows; {nearest(lacking[0], X.columns)}")
    features = _selected(binner, X[list(binner.bins_)], y, weights)
    return Editor(
        Sample(X, y, weights, later_X, later_y, later_weights, who, split, rows.missing), Draft(binner, features)
    )


def _selected(binner: Binner, X: pd.DataFrame, y: pd.Series, weights: Any) -> tuple[str, ...]:
    """Features to begin with: those with information, one of each cluster, by stepwise selection."""
    table = binner.table().set_index("feature")["iv"]
    useful = table[table > 0.02].index.tolist()
    if not useful:
        return ()
    woe = pd.DataFrame(binner.transform(X), columns=list(binner.bins_), index=X.index)
    clusters = selection.clusters(woe[useful], table)
    path = selection.stepwise(woe[clusters.loc[clusters["keep"], "feature"].tolist()], y, sample_weight=weights)
    return tuple(path["features"].iloc[-1]) if len(path) else ()


class Editor:
    """Steps on drafts with undo and redo, and what the draft looks like.

    Raises
    ------
    CreditLabError
        From every step: what `scoring.edits` refuses; the draft then stays as it is.
    """

    def __init__(self, sample: Sample, draft: Draft) -> None:
        self.sample, self.first = sample, draft
        self._past: list[Draft] = []
        self._ahead: list[Draft] = []
        self.draft = draft
        self._cards: dict[int, tuple[Draft, Scorecard]] = {}

    # ---- steps --------------------
    def merge(self, feature: str, bins: Sequence[int | str]) -> None:
        """Make several bins one."""
        self._step(lambda old: edits.merge(old, feature, bins))

    def split(self, feature: str, value: float) -> None:
        """Cut the interval that holds `value` there."""
        sample = self.sample
        self._step(lambda old: edits.split_at(old, feature, value, sample.X, sample.y, sample.weights))

    def take_out(self, feature: str, category: str) -> None:
        """Give a category a bin of its own; the others stay as they are grouped."""
        bins = self.bins(feature)
        if bins.kind != "category" or category not in bins.categories:
            known = nearest(category, bins.categories) if bins.categories else "it is a number; split it at a value"
            raise CreditLabError(f"feature {feature!r} has no category {category!r}; {known}")
        groups: dict[int, list[str]] = {}
        for name, bin_ in bins.categories.items():
            groups.setdefault(len(bins.counts) if name == category else bin_, []).append(name)
        order = [groups[bin_] for bin_ in sorted(groups)]
        sample = self.sample
        self._step(lambda old: edits.regroup(old, feature, order, sample.X, sample.y, sample.weights))

    def use(self, feature: str, on: bool) -> None:
        """Put a feature on the card or take it off."""
        self.bins(feature)
        kept = [name for name in self.draft.features if name != feature]
        self._to(Draft(self.draft.binner, tuple([*kept, feature] if on else kept)))

    def reset(self, feature: str) -> None:
        """The bins of the feature as they were at the beginning."""
        first = self.first.binner.bins_[self.bins(feature).name]
        self._step(lambda old: edits.with_bins(old, first))

    def undo(self) -> bool:
        """Take back the last step; False if there is none."""
        if not self._past:
            return False
        self._ahead.append(self.draft)
        self.draft = self._past.pop()
        return True

    def redo(self) -> bool:
        """Do again what was taken back; False if there is nothing."""
        if not self._ahead:
            return False
        self._past.append(self.draft)
        self.draft = self._ahead.pop()
        return True

    @property
    def steps(self) -> tuple[int, int]:
        """Steps that can be taken back, and steps that can be done again."""
        return len(self._past), len(self._ahead)

    def _step(self, change: Callable[[Binner], Binner]) -> None:
        self._to(Draft(change(self.draft.binner), self.draft.features))

    def _to(self, draft: Draft) -> None:
        self._past.append(self.draft)
        self._ahead.clear()
        self.draft = draft

    # ---- what it looks like --------------------
    def bins(self, feature: str) -> FeatureBins:
        """The bins of a feature in the draft."""
        if feature not in self.draft.binner.bins_:
            raise CreditLabError(f"feature {feature!r} has no bins; {nearest(feature, self.draft.binner.bins_)}")
        return self.draft.binner.bins_[feature]

    def table(self, feature: str) -> pd.DataFrame:
        """Bin by bin: `FeatureBins.table` with share_later and event_rate_later of the later rows."""
        bins = self.bins(feature)
        counts = self._later(bins)
        rows = counts.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            later = {"share_later": rows / rows.sum(), "event_rate_later": counts[:, 1] / rows}
        return bins.table()[["bin", "rows", "share", "event_rate", "woe", "iv", "p_value"]].assign(**later)

    def facts(self, feature: str) -> pd.Series:
        """iv, iv_first (as it was at the beginning), trend of the ordered bins (rising, falling, not monotone), psi of
        the later rows with verdict, breaks (neighbours whose order of event rates turns in the later rows)."""
        bins, first = self.bins(feature), self.first.binner.bins_[feature]
        table = self.table(feature)
        ordered = table["event_rate"].to_numpy()[: len(set(bins.intervals) or set(bins.categories.values()))]
        steps = np.sign(np.diff(ordered))
        later = np.sign(np.diff(table["event_rate_later"].to_numpy()[: len(ordered)]))
        words = "rising" if (steps >= 0).all() else "falling" if (steps <= 0).all() else "not monotone"
        before, after = bins.counts.sum(axis=1), self._later(bins).sum(axis=1)
        shift = stability.psi(before, after)
        return pd.Series(
            {
                "iv": bins.iv, "iv_first": first.iv, "trend": words if len(ordered) > 1 else "one bin",
                "psi": shift["psi"], "psi_limit": shift["limit"], "stability": shift["verdict"],
                "breaks": int((steps * later < 0).sum()),
            }
        )  # fmt: skip

    def middle(self, feature: str, bin_: int) -> float | None:
        """A value to split the bin at: the median of the training rows in it; None where it cannot be split."""
        bins = self.bins(feature)
        if bins.kind != "number" or bin_ not in bins.intervals:
            return None
        values = pd.Series(columns_of(self.sample.X[[feature]], kinds_of([bins]))[feature])
        inside = values[bins.ids(values) == bin_].dropna()
        middle = float(f"{inside.median():.4g}") if len(inside) else np.nan
        return middle if np.isfinite(middle) and middle not in bins.splits and inside.min() < middle else None

    def card(self) -> Scorecard:
        """The scorecard of the draft.

        Raises
        ------
        CreditLabError
            No feature on it, or what `scoring.fit` refuses.
        """
        if not self.draft.features:
            raise CreditLabError("no feature is on the card; put one on it")
        at = id(self.draft)
        if at not in self._cards:
            sample = self.sample
            made = fit(
                sample.X, sample.y, binner=self.draft.binner, features=list(self.draft.features),
                sample_weight=sample.weights, signs="keep",
            )  # fmt: skip
            if sample.missing:
                made = dataclasses.replace(made, facts={**made.facts, "missing": list(sample.missing)})
            self._cards[at] = (self.draft, made)
        return self._cards[at][1]

    def terms(self) -> pd.DataFrame:
        """The card by feature: feature, iv, coefficient, p_value, points (range), sign (right, or wrong: more WOE would
        mean more risk)."""
        card = self.card()
        table = card.coefficients.iloc[1:]
        return pd.DataFrame(
            {
                "feature": table["term"], "iv": [bins.iv for bins in card.features],
                "coefficient": table["coefficient"], "p_value": table["p_value"],
                "points": [float(np.ptp(card.points[name])) for name in card.names],
                "sign": np.where(table["coefficient"] < 0, "right", "wrong"),
            }
        )  # fmt: skip

    def performance(self) -> pd.Series:
        """AUC of the card: training (flattered: it was fitted there), later, low, high (95 % of the later one, drawing
        whole customers; missing where events are too few)."""
        card, sample = self.card(), self.sample
        found = {"training": validate.auc(sample.y, -card.score(sample.X).to_numpy())}
        risk = -card.score(sample.later_X).to_numpy()
        try:
            found["later"] = validate.auc(sample.later_y, risk)
            ends = validate.bootstrap(
                sample.later_y, risk, validate.auc, seed=0, repeats=100, groups=sample.later_who
            )  # fmt: skip
        except CreditLabError:
            ends = (np.nan, np.nan)
        return pd.Series({"later": np.nan, **found, "low": ends[0], "high": ends[1]})

    def save(self, folder: str | Path) -> tuple[Path, Path | None]:
        """Write bins.json, and card.json if a feature is on the card."""
        folder = Path(folder)
        card = self.card() if self.draft.features else None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.draft.binner.save(folder / "bins.json")
            if card is not None:
                card.save(folder / "card.json")
        except OSError as error:
            raise CreditLabError(f"{folder}: cannot be written to ({error.strerror}); choose another folder") from error
        return folder / "bins.json", folder / "card.json" if card is not None else None

    def _later(self, bins: FeatureBins) -> np.ndarray:
        values = columns_of(self.sample.later_X[[bins.name]], kinds_of([bins]))[bins.name]
        target = self.sample.later_y.to_numpy(dtype=float)
        weights = np.ones(len(target)) if self.sample.later_weights is None else self.sample.later_weights
        return tally(bins.ids(values), len(bins.counts), target, weights)
