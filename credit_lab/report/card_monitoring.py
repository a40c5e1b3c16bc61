"""Is a card that is in use still the right one? Drift, performance and decisions, before against after a day."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab.errors import CreditLabError
from credit_lab.report.modelling import Modelling, Rows
from credit_lab.scoring import Scorecard, fit, stability


@dataclass(frozen=True)
class Monitoring:
    """A card's later customers against those before.

    Attributes
    ----------
    score : psi, by_chance, limit, p_value, verdict of the score
    bands : band, before, after: shares of rows by band of the score
    features : characteristic stability, see `stability.feature_shift`
    over_time : AUC and risk against outcome by quarter; `drift` tests that the AUC is one in all of them
    swap : who changes sides if a card fitted again on the later rows took over, at the same share approved
    overrides : what people changed; empty without both grades
    """

    score: pd.DataFrame
    bands: pd.DataFrame
    features: pd.DataFrame
    over_time: pd.DataFrame
    drift: pd.Series
    swap: pd.DataFrame
    overrides: pd.DataFrame

    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by name."""
        flat = {name: value for name, value in vars(self).items() if isinstance(value, pd.DataFrame)}
        return {f"monitoring_{name}": value for name, value in flat.items()}


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
    grades : columns with the grade of the model and the final grade, among those left out of the features
    order : grades, best first; default their sorted names

    Raises
    ------
    CreditLabError
        Fewer than two rows on one side, unknown grade columns.
    """
    if min(len(before), len(after)) < 2:
        raise CreditLabError(f"{len(before)} rows before and {len(after)} after: both sides need rows to compare")
    old, new = rows.X.iloc[before].reset_index(drop=True), rows.X.iloc[after].reset_index(drop=True)
    y = rows.y.iloc[after].reset_index(drop=True)
    score, bands = stability.score_shift(card, old, new)
    risk = card.probability(rows.X)
    periods = rows.when.dt.to_period("Q").astype(str) if rows.when is not None else np.where(
        np.isin(np.arange(len(rows.y)), after), "after", "before"
    )  # fmt: skip
    over_time, drift = stability.performance_over_time(rows.y, risk, periods)
    swap = pd.DataFrame()
    if 0 < y.sum() < len(y):
        again = fit(new, y, features=card.names, signs="keep", penalty=1.0)
        swap = stability.swap_set(card.probability(new), again.probability(new), approve=approve, target=y)
    return Monitoring(
        score.to_frame().T, bands, stability.feature_shift(card, old, new), over_time, drift, swap,
        _overrides(rows, grades, order),
    )  # fmt: skip


def _overrides(rows: Modelling, grades: tuple[str, str], order: list[str] | None) -> pd.DataFrame:
    if not all(grades):
        return pd.DataFrame()
    for name in grades:
        if name not in rows.extra:
            raise CreditLabError(f"column {name!r} of grades is not among those left out: {', '.join(rows.extra)}")
    given, final = (rows.extra[name] for name in grades)
    return stability.overrides(given, final, order or sorted(set(given) | set(final)), rows.y)


def findings(seen: Monitoring) -> list[str]:
    """What a reader should know first."""
    score, moved = seen.score.iloc[0], seen.features[seen.features["psi"] > seen.features["limit"]]
    found = [
        f"Score: PSI {score['psi']:.3f}; chance alone stays below {score['limit']:.3f} in 95 of 100 cases: "
        f"{score['verdict']}."
    ]
    if len(moved):
        first = moved.iloc[0]
        found.append(
            f"{len(moved)} of {len(seen.features)} features moved more than chance would, most of all "
            f"{first['feature']}, which changed the mean score by {first['points']:+.1f} points."
        )
    if seen.drift["degrees"] > 0:
        changed = "did" if seen.drift["p_value"] < 0.05 else "did not"
        found.append(f"The AUC {changed} change between periods beyond chance (p = {seen.drift['p_value']:.2f}).")
    sides = seen.swap.set_index("set") if len(seen.swap) else None
    if sides is not None and sides.loc["in", "rows"] > 0:
        found.append(
            f"A card fitted again would swap {sides.loc['in', 'rows']:,} rows: those it takes in default at "
            f"{sides.loc['in', 'event_rate']:.1%}, those it turns away at {sides.loc['out', 'event_rate']:.1%} "
            "(fitted on these very rows, so this flatters the new card)."
        )
    return found
