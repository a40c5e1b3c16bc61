"""Is a card that is in use still the right one? Drift, performance and decisions, before against
after a day.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from credit_lab import history
from credit_lab.errors import CreditLabError
from credit_lab.ledger.model import Ledger
from credit_lab.periods import parse_period
from credit_lab.scoring import Scorecard, calibrate, features, fit, stability
from credit_lab.scoring.rows import Modelling, Rows
from credit_lab.studies.record import Record
from credit_lab.studies.validation import MASTER_SCALE


@dataclass(frozen=True)
class Monitoring(Record, prefix="monitoring_"):
    """A card's later customers against those before.

    Attributes
    ----------
    score : psi, by_chance, limit, p_value, verdict of the score
    bands : band, before, after: shares of rows by band of the score
    features : characteristic stability, see `stability.feature_shift`
    over_time : AUC and risk against outcome by quarter; `drift` tests that the AUC is one in all of
        them
    swap : who changes sides if a card fitted again on the later rows took over, at the same share
        approved
    overrides : what people changed; empty without both grades
    """

    score: pd.DataFrame
    bands: pd.DataFrame
    features: pd.DataFrame
    over_time: pd.DataFrame
    drift: pd.Series
    swap: pd.DataFrame
    overrides: pd.DataFrame


def monitor(
    card: Scorecard,
    rows: Modelling,
    before: Rows,
    after: Rows,
    *,
    approve: float = 0.8,
    grades: tuple[str, str] = ("", ""),
    order: list[str] | None = None,
) -> Monitoring:
    """Compare rows `after` with rows `before`.

    Parameters
    ----------
    approve : share of the rows that is approved, for the swap set
    grades : columns with the grade of the model and the final grade, among those left out of the
        features
    order : grades, best first; default their sorted names

    Raises
    ------
    CreditLabError
        Fewer than two rows on one side, unknown grade columns.
    """
    if min(len(before), len(after)) < 2:
        raise CreditLabError(
            f"{len(before)} rows before and {len(after)} after: both sides need rows to compare"
        )
    old, new = rows.X.iloc[before].reset_index(drop=True), rows.X.iloc[after].reset_index(drop=True)
    y = rows.y.iloc[after].reset_index(drop=True)
    score, bands = stability.score_shift(card, old, new)
    risk = card.probability(rows.X)
    periods = (
        rows.when.dt.to_period("Q").astype(str)
        if rows.when is not None
        else np.where(np.isin(np.arange(len(rows.y)), after), "after", "before")
    )
    over_time, drift = stability.performance_over_time(rows.y, risk, periods)
    swap = pd.DataFrame()
    if 0 < y.sum() < len(y):
        again = fit(new, y, features=card.names, signs="keep", penalty=1.0)
        swap = stability.swap_set(
            card.probability(new), again.probability(new), approve=approve, target=y
        )
    return Monitoring(
        score.to_frame().T,
        bands,
        stability.feature_shift(card, old, new),
        over_time,
        drift,
        swap,
        _overrides(rows, grades, order),
    )


def _overrides(rows: Modelling, grades: tuple[str, str], order: list[str] | None) -> pd.DataFrame:
    if not all(grades):
        return pd.DataFrame()
    for name in grades:
        if name not in rows.extra:
            raise CreditLabError(
                f"column {name!r} of grades is not among those left out: {', '.join(rows.extra)}"
            )
    given, final = (rows.extra[name] for name in grades)
    return stability.overrides(given, final, order or sorted({*given, *final} - {""}), rows.y)


@dataclass(frozen=True)
class Portfolio:
    """A card on the customers of a ledger at the end of a period.

    Attributes
    ----------
    grades : grade, customers, customers_before, exposure, pd (mean), expected_default (PD x
        exposure)
    migration : customers by grade before (rows) and now (columns)
    features : characteristic stability since the period before
    line : the findings in one sentence
    """

    grades: pd.DataFrame
    migration: pd.DataFrame
    features: pd.DataFrame
    line: str


def portfolio(card: str, ledger: Ledger, period: str) -> Portfolio:
    """Grades of all customers at the end of `period` and of the one before, by the card in a file;
    empty without.
    """
    if not card:
        empty = pd.DataFrame()
        return Portfolio(
            empty,
            empty,
            empty,
            "No scorecard was given (parameter card); the command credit-lab score fit makes one.",
        )
    model, window = Scorecard.load(Path(card)), parse_period(period)
    months = history.build(ledger, window.end)
    sides = [
        months[months["month"] == day].reset_index(drop=True)
        for day in (window.previous().end, window.end)
    ]
    if min(map(len, sides)) == 0:
        raise CreditLabError(
            f"{ledger.source}: no month end at {window.previous().end.date()} to compare with"
        )
    signals = [features.signals(side) for side in sides]
    scale = MASTER_SCALE
    risk = [model.probability(side) for side in signals]
    then, now = (
        pd.Series(calibrate.assign(p, scale).to_numpy(), index=side["customer_id"])
        for p, side in zip(risk, sides, strict=True)
    )
    exposure = sides[1]["exposure"].clip(lower=0)
    frame = pd.DataFrame(
        {"grade": now.to_numpy(), "exposure": exposure, "pd": risk[1], "loss": risk[1] * exposure}
    )
    grades = frame.groupby("grade").agg(
        customers=("pd", "size"),
        exposure=("exposure", "sum"),
        pd=("pd", "mean"),
        expected_default=("loss", "sum"),
    )
    grades = grades.reindex([grade for grade in scale if grade in set(now) | set(then)])
    grades.insert(
        1, "customers_before", then.value_counts().reindex(grades.index).fillna(0).astype(int)
    )
    grades["customers"] = grades["customers"].fillna(0).astype(int)
    both = pd.concat([then.rename("before"), now.rename("now")], axis=1, join="inner")
    migration = pd.crosstab(both["before"], both["now"]).reindex(
        index=grades.index, columns=grades.index, fill_value=0
    )
    shift = stability.psi(
        then.value_counts().reindex(scale, fill_value=0),
        now.value_counts().reindex(scale, fill_value=0),
    )
    moved = int((both["before"] != both["now"]).sum())
    stable = shift["verdict"] == "stable"
    drift = "no more drift than chance gives" if stable else f"{shift['verdict']} drift"
    line = (
        f"{moved:,} of {len(both):,} customers changed grade between "
        f"{window.previous().end.date()} and {window.end.date()}; grades as a "
        f"whole: {drift} (PSI {shift['psi']:.3f}). Of the exposure, "
        f"{grades['expected_default'].sum():,.0f} {ledger.currency} are expected to default."
    )
    return Portfolio(
        grades.fillna(0.0).reset_index(names="grade"),
        migration.reset_index(names="before"),
        stability.feature_shift(model, *signals),
        line,
    )


def findings(seen: Monitoring) -> list[str]:
    """What a reader should know first."""
    score, moved = seen.score.iloc[0], seen.features[seen.features["psi"] > seen.features["limit"]]
    found = [
        f"Score: PSI {score['psi']:.3f}; chance alone stays below {score['limit']:.3f} in 95 of "
        f"100 cases: {score['verdict']}."
    ]
    if len(moved):
        first = moved.iloc[0]
        found.append(
            f"{len(moved)} of {len(seen.features)} features moved more than chance would, most of "
            f"all {first['feature']}, which changed the mean score by {first['points']:+.1f} "
            "points."
        )
    if seen.drift["degrees"] > 0:
        changed = "did" if seen.drift["p_value"] < 0.05 else "did not"
        found.append(
            f"The AUC {changed} change between periods beyond chance (p = "
            f"{seen.drift['p_value']:.2f})."
        )
    sides = seen.swap.set_index("set") if len(seen.swap) else None
    if sides is not None and sides.loc["in", "rows"] > 0:
        found.append(
            f"A card fitted again would swap {sides.loc['in', 'rows']:,.0f} rows: those it takes "
            f"in default at {sides.loc['in', 'event_rate']:.1%}, those it turns away at "
            f"{sides.loc['out', 'event_rate']:.1%} (fitted on these very rows, so this flatters "
            "the new card)."
        )
    return found
