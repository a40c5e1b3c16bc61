"""A scorecard as a document: what it was made from, how it was chosen, what it does, and where it
must not be used.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from credit_lab.errors import CreditLabError
from credit_lab.scoring import (
    Binner,
    Scorecard,
    challengers,
    fit,
    fit_joint,
    leakage,
    low_default,
    reject,
    selection,
    stability,
    validate,
)
from credit_lab.scoring.rows import Modelling, Rows, divide, read, typed
from credit_lab.studies.record import Record
from credit_lab.studies.validation import Validation, interval, validation, verdict


@dataclass(frozen=True)
class Design(Record, prefix="scorecard_"):
    """Everything about how a card was made, for the model document.

    Attributes
    ----------
    card, binner : the card and the bins of all features (those of the WOE card)
    window : part, rows, events, event_rate, first, last
    split : how rows were divided, in words
    excluded : reason, rows
    leaks : findings of the leakage scan on the training rows
    information, over_time, redundancy, path : selection of features: IV; IV by period; cluster and
        VIF; stepwise path
    points : the card, bin by bin
    validation : on the test rows; `apparent` has the same metrics on the training rows
    shift : characteristic stability of training against test rows
    challengers : other models on the same rows
    notes : limits of use, in sentences
    """

    card: Scorecard
    binner: Binner
    window: pd.DataFrame
    split: str
    excluded: pd.DataFrame
    leaks: pd.DataFrame
    information: pd.DataFrame
    over_time: pd.DataFrame
    redundancy: pd.DataFrame
    path: pd.DataFrame
    points: pd.DataFrame
    apparent: pd.DataFrame
    validation: Validation
    shift: pd.DataFrame
    challengers: pd.DataFrame
    notes: tuple[str, ...]

    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by name, as they are saved beside the document."""
        path = self.path.assign(features=self.path["features"].map(" ".join))
        return super().tables() | {"scorecard_path": path} | self.validation.tables()


@dataclass(frozen=True)
class _Made:
    """A card, and what its making leaves behind for the document."""

    card: Scorecard
    binner: Binner
    train: Rows
    test: Rows
    split: str
    iv: pd.DataFrame
    clusters: pd.DataFrame
    path: pd.DataFrame


def _made(
    rows: Modelling,
    *,
    kind: str = "woe",
    boundary: str = "",
    special: list[float] | None = None,
    seed: int = 0,
) -> _Made:
    if kind not in ("woe", "joint"):
        raise CreditLabError(f"kind {kind!r}: need woe or joint")
    train, test, split = divide(rows, boundary, seed=seed)
    X, y = rows.X.iloc[train].reset_index(drop=True), rows.y.iloc[train].reset_index(drop=True)
    weights = once(rows, train)
    binner = Binner(special=special).fit(X, y, weights)
    woe = binner.set_output(transform="pandas").transform(X)
    iv = selection.information(binner, seed=seed)
    useful = iv.loc[iv["iv"] > 0.02, "feature"].tolist() or iv["feature"].head(1).tolist()
    clusters = selection.clusters(woe[useful], iv.set_index("feature")["iv"])
    clusters = clusters.merge(
        selection.vif(woe[useful]).rename_axis("feature").reset_index(), on="feature"
    )
    # AIC, since a feature too many costs less out of sample than one too few
    candidates = woe[clusters.loc[clusters["keep"], "feature"].tolist()]
    path = selection.stepwise(candidates, y, criterion="aic", sample_weight=weights)
    if kind == "woe" and len(path) == 0:
        raise CreditLabError(
            f"no feature improves on the plain default rate (rows worth {_worth(weights, y):.0f} "
            "events): nothing to make a WOE card of; take a joint card (kind joint), another "
            "outcome, or more data"
        )
    if kind == "woe":
        card = fit(
            X, y, binner=binner, features=list(path["features"].iloc[-1]), sample_weight=weights
        )
    else:
        card = fit_joint(X, y, binner=Binner(special=special), sample_weight=weights)
    if rows.missing:
        card = dataclasses.replace(card, facts={**card.facts, "missing": list(rows.missing)})
    return _Made(_levelled(card, X, y), binner, train, test, split, iv, clusters, path)


def _worth(weights: Rows | None, y: pd.Series) -> float:
    return float(y.sum() if weights is None else weights @ y)


def design(
    rows: Modelling,
    *,
    kind: str = "woe",
    boundary: str = "",
    special: list[float] | None = None,
    seed: int = 0,
) -> Design:
    """Make a card from `rows`: bins, selection (stepwise by AIC) for a WOE card, all features for a
    joint one.

    Raises
    ------
    CreditLabError
        Unknown kind, or what `divide`, `Binner.fit` and `fit` refuse.
    """
    made = _made(rows, kind=kind, boundary=boundary, special=special, seed=seed)
    card, binner, train, test = made.card, made.binner, made.train, made.test
    X, y = rows.X.iloc[train].reset_index(drop=True), rows.y.iloc[train].reset_index(drop=True)
    weights, when = once(rows, train), rows.when
    periods = (
        when.iloc[train].dt.to_period("Q").astype(str)
        if when is not None
        else pd.Series(["all"] * len(train))
    )
    judged = validation(card, rows, test, seed=seed)
    return Design(
        card,
        binner,
        _window(rows, train, test),
        made.split,
        rows.excluded,
        leakage.scan(X, y, customers=None if rows.who is None else rows.who.iloc[train]),
        made.iv,
        selection.over_time(binner, X, y, periods),
        made.clusters,
        made.path,
        card.table(),
        validate.report(y, card.probability(X), seed=seed, repeats=50),
        judged,
        stability.feature_shift(card, X, rows.X.iloc[test]),
        challengers.compare(rows.X, rows.y, [(train, test)], models=_models(card)),
        tuple(_notes(rows, made.split, card, _worth(weights, y), _worth(weights, 1 - y), judged)),
    )


def _levelled(card: Scorecard, X: pd.DataFrame, y: pd.Series) -> Scorecard:
    """The card with base points that make its mean PD the default rate of the rows.

    Where customers count as one row, the level of the fit is that of customers, while the card is
    used on months.
    """
    from scipy import optimize

    score, digits = card.score(X).to_numpy(), card.facts["rounding"]["digits"]
    shift = optimize.brentq(
        lambda d: card.scaling.probability(score + d).mean() - y.mean(), -500, 500
    )
    return dataclasses.replace(
        card,
        base_points=float(np.round(card.base_points + shift, digits)),
        facts={**card.facts, "base_points_moved_to_level": float(np.round(shift, digits))},
    )


def _models(card: Scorecard) -> dict[str, challengers.Model]:
    """The card itself first, so that the others are compared with it."""

    def this(_X: Any, _y: Any, new: Any) -> Any:
        return card.probability(new).to_numpy()

    return {"this card": this, **challengers.available()}


def once(rows: Modelling, at: Rows) -> Rows | None:
    """Weights by which every customer counts as one row: its months tell nearly the same."""
    if rows.who is None:
        return None
    who = rows.who.iloc[at]
    return (1 / who.map(who.value_counts())).to_numpy()


def _window(rows: Modelling, train: Rows, test: Rows) -> pd.DataFrame:
    parts = []
    for name, at in (("training", train), ("test", test)):
        y = rows.y.iloc[at]
        dates = (
            ("", "")
            if rows.when is None
            else (f"{rows.when.iloc[at].min():%Y-%m-%d}", f"{rows.when.iloc[at].max():%Y-%m-%d}")
        )
        customers = len(set(rows.who.iloc[at])) if rows.who is not None else len(at)
        parts.append((name, len(at), customers, int(y.sum()), float(y.mean()), *dates))
    return pd.DataFrame(
        parts, columns=["part", "rows", "customers", "events", "event_rate", "first", "last"]
    )


CARRIES = {
    "model": "enough events for a logistic model (at least ten per feature)",
    "penalised": "few events per feature: prefer a penalised or Firth fit",
    "pooled": "very few events: start from expert weights",
    "bounds": "too few events for a model: only upper bounds of the default rate",
}


def _notes(
    rows: Modelling, split: str, card: Scorecard, events: float, others: float, judged: Validation
) -> list[str]:
    worth = low_default.carries(round(events), round(events + others), len(card.names))
    size = f"{events:.0f} events and {others:.0f} others for {len(card.names)} features"
    found = [f"Training rows worth {size}: {CARRIES[worth]}."]
    codes = rows.kinds[rows.kinds["row"] > 0]
    if len(codes):
        listed = ", ".join(
            f"{one.column} (row {one.row}: {one.cell})" for one in codes.itertuples()
        )
        found.append(
            f"Columns read as categories, with the first cell that is not a number: {listed}."
        )
    if not split.startswith("by time"):
        short = (
            "" if rows.when is None else " (the data do not reach far enough for a split by time)"
        )
        found.append(
            f"Training and test rows are of the same time{short}: what drift does to the card is "
            "not seen."
        )
    if rows.who is not None and rows.who.nunique() < len(rows.who):
        found.append(
            f"{len(rows.who):,} rows of {rows.who.nunique():,} customers: each customer counts as "
            "one row in bins and coefficients, and the intervals of the test draw whole "
            "customers. Tests by grade count every row, so they ring too easily."
        )
    if card.kind == "joint":
        found.append(
            "A joint card is penalised and has no p-values; its points hold for the range of "
            "values seen."
        )
    else:
        found.append(
            "Features were chosen on the training rows, so their p-values are too small; read the "
            "test."
        )
    area = judged.performance.set_index("metric").loc["auc"]
    if np.isnan(area["low"]):
        found.append(
            "Too few events in the test rows for intervals: nobody knows how good this card is."
        )
    elif area["low"] < 0.6:
        found.append(
            f"The AUC on the test rows may be as low as {area['low']:.2f}: not for decisions on "
            "its own."
        )
    red = judged.grades[judged.grades["light"].str.startswith("red")]
    for _, grade in red.iterrows():
        found.append(
            f"Grade {grade['grade']}: {grade['light'].split(': ')[1]} (PD {grade['pd']:.1%}, seen "
            f"{grade['event_rate']:.1%})."
        )
    found.append(
        "Only customers that were granted credit are here; of those refused nothing is known."
    )
    return found


def headline(made: Design) -> list[str]:
    """What a reader of the model document should know first."""
    train, test = made.window.iloc[0], made.window.iloc[1]
    seen = made.validation.performance.set_index("metric")
    area, apparent = seen.loc["auc"], made.apparent.set_index("metric").loc["auc", "value"]
    found = [
        f"Fitted on {train['rows']:,} rows of {train['customers']:,} customers "
        f"({train['events']:,} defaults), judged by {test['rows']:,} rows of {test['customers']:,} "
        f"others ({test['events']:,} defaults).",
        f"{len(made.card.names)} features: {'; '.join(made.card.names[:6])}"
        + (" and more." if len(made.card.names) > 6 else "."),
        f"AUC {area['value']:.3f} on rows it has not seen ({interval(area)}); {apparent:.3f} on "
        "its own rows.",
    ]
    return [*found, *verdict(made.validation)[1:], _leaks(made.leaks)]


def _leaks(leaks: pd.DataFrame) -> str:
    if leaks.empty:
        return "The leakage scan found no feature that knows the outcome."
    names = ", ".join(sorted(set(leaks["feature"])))
    return f"LEAKAGE: {names} may know the outcome; leave out before use."


def load_or_make(rows: Modelling, card: str, *, seed: int = 0) -> Scorecard:
    """The card in a file, or one made from `rows` if none is named."""
    return Scorecard.load(Path(card)) if card else _made(rows, seed=seed).card


def refused_band(
    rows: Modelling, made: Design, refused: str, *, boundary: str = "", seed: int = 0
) -> pd.DataFrame:
    """Reject inference for the refused customers in a file, under a range of assumptions; empty
    without a file.
    """
    if not refused:
        return pd.DataFrame()
    train, _, _ = divide(rows, boundary, seed=seed)
    X, y = rows.X.iloc[train].reset_index(drop=True), rows.y.iloc[train].reset_index(drop=True)
    others = typed(read(refused, rows.missing), made.binner.kinds)
    table, _ = reject.band(X, y, others, binner=made.binner, features=made.card.names, seed=seed)
    return table


def judge(
    rows: Modelling, card: str, *, boundary: str = "", seed: int = 0
) -> tuple[Validation, str]:
    """Validation of a card in a file on rows from `boundary` on, or of a card made here on its test
    rows.

    Returns
    -------
    validation and what it was done on, in words
    """
    if not card:
        made = _made(rows, boundary=boundary, seed=seed)
        words = f"{rows.source}: a card made here, judged by its test rows ({made.split})"
        return validation(made.card, rows, made.test, seed=seed), words
    at = np.arange(len(rows.y))
    words = "all rows"
    if boundary:
        if rows.when is None:
            raise CreditLabError(
                f"{rows.source}: a boundary needs dates; name the column with the date"
            )
        at, words = np.flatnonzero(rows.when >= pd.Timestamp(boundary)), f"rows from {boundary} on"
        if len(at) == 0:
            raise CreditLabError(
                f"{rows.source}: no rows from {boundary} on; dates end {rows.when.max().date()}"
            )
    return validation(
        Scorecard.load(Path(card)), rows, at, seed=seed
    ), f"{rows.source}: {card}, {words}"
