"""A scorecard judged on rows with known outcome: ranking, calibration, grades."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab.scoring import (
    Scorecard,
    calibrate,
    low_default,
    stability,
    validate,
)
from credit_lab.scoring.rows import Modelling, Rows
from credit_lab.studies.record import Record


@dataclass(frozen=True)
class Validation(Record, prefix="validation_"):
    """A card on rows it was not fitted on.

    Attributes
    ----------
    performance : metric, value, low, high (95 %)
    curve : calibration by groups, see `validate.calibration_curve`
    roc, cap : curves, see `validate`
    grades : tests by grade of the master scale, see `calibrate.by_grade`, and prudent_pd, the
        most prudent upper bound of the PD (Pluto and Tasche, 75 %, independent defaults)
    tests : name, statistic, p_value of Hosmer-Lemeshow and Spiegelhalter
    over_time : performance by period; empty without dates
    unseen : values the card had never met
    """

    performance: pd.DataFrame
    curve: pd.DataFrame
    roc: pd.DataFrame
    cap: pd.DataFrame
    grades: pd.DataFrame
    tests: pd.DataFrame
    over_time: pd.DataFrame
    unseen: pd.DataFrame


# Upper PD bounds of the default master scale, about doubling from grade to grade.
MASTER_SCALE = {
    "AAA": 0.0025,
    "AA": 0.005,
    "A": 0.01,
    "BBB": 0.02,
    "BB": 0.04,
    "B": 0.08,
    "CCC": 0.16,
    "CC": 0.32,
    "C": 1.0,
}


def validation(
    card: Scorecard,
    rows: Modelling,
    at: Rows | None = None,
    *,
    scale: dict[str, float] | None = None,
    seed: int = 0,
) -> Validation:
    """Judge a card on rows `at` (default all); intervals draw whole customers where known."""
    at = np.arange(len(rows.y)) if at is None else at
    X, y = rows.X.iloc[at].reset_index(drop=True), rows.y.iloc[at].reset_index(drop=True)
    p = card.probability(X)
    groups = rows.who.iloc[at].to_numpy() if rows.who is not None else None
    hl, spiegel = calibrate.hosmer_lemeshow(y, p), calibrate.spiegelhalter(y, p)
    over_time = pd.DataFrame()
    if rows.when is not None:
        over_time, _ = stability.performance_over_time(
            y, p, rows.when.iloc[at].dt.to_period("Q").astype(str)
        )
    return Validation(
        validate.report(y, p, seed=seed, groups=groups),
        validate.calibration_curve(y, p),
        validate.roc(y, p),
        validate.cap(y, p),
        _bounded(calibrate.by_grade(calibrate.assign(p, scale or MASTER_SCALE), p, y)),
        pd.DataFrame(
            [
                ("Hosmer-Lemeshow", hl["statistic"], hl["p_value"]),
                ("Spiegelhalter (z)", spiegel["z"], spiegel["p_value"]),
            ],
            columns=["test", "statistic", "p_value"],
        ),
        over_time,
        card.unseen(X),
    )


def _bounded(grades: pd.DataFrame) -> pd.DataFrame:
    """Grades of `calibrate.by_grade` (the last row is all) with prudent_pd."""
    bounds = low_default.pluto_tasche(grades["rows"].iloc[:-1], grades["events"].iloc[:-1])
    return grades.assign(prudent_pd=[*bounds, np.nan])


def verdict(judged: Validation) -> list[str]:
    """Ranking, level and grades in sentences."""
    area = judged.performance.set_index("metric").loc["auc"]
    whole = judged.grades.iloc[-1]
    level = (
        "in line with"
        if whole["light"] == "green"
        else "too low for"
        if "too low" in whole["light"]
        else "too high for"
    )
    off = judged.grades.iloc[:-1]
    off = off[off["light"].str.startswith("red")]
    return [
        f"AUC {area['value']:.3f} ({interval(area)}).",
        f"Mean PD {whole['pd']:.1%} against {whole['event_rate']:.1%} defaults seen: {level} them.",
        f"Grades off beyond chance: {', '.join(off['grade'].astype(str))}."
        if len(off)
        else "No grade is off beyond chance.",
    ]


def interval(row: pd.Series) -> str:
    return (
        "no interval: too few events"
        if np.isnan(row["low"])
        else f"95 %: {row['low']:.3f} to {row['high']:.3f}"
    )
