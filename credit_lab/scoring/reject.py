"""Reject inference: what would the refused have done? An assumption, never a finding.

Only customers who were granted credit show whether they pay. If the old decision used something the card does not see,
the refused differ from the granted with the same features, and no method can tell by how much from these data. So every
method here is run over a range of assumptions and gives a band, not a number.

References
----------
Hand, D. J. & Henley, W. E. (1993). Can reject inference ever work? IMA J. Mathematics Applied in Business 5, 45-55.
Siddiqi, N. (2017). Intelligent credit scoring, 2nd ed., ch. 11 (parcelling, fuzzy augmentation).
Crook, J. & Banasik, J. (2004). J. Banking & Finance 28, 857-874 (augmentation by acceptance probability).
"""

from typing import Any, Literal

import numpy as np
import pandas as pd

from credit_lab.errors import CreditLabError
from credit_lab.scoring.binning import Binner
from credit_lab.scoring.bins import Array, Ids, kinds_of
from credit_lab.scoring.fitting import fit
from credit_lab.scoring.scorecard import Scorecard
from credit_lab.scoring.table import columns_of, target_of
from credit_lab.scoring.validate import risk_groups

WARNING = (
    "Reject inference rests on an assumption the data cannot test: how much worse the refused are than granted "
    "customers with the same features. Read the band, not a row of it; granting a random sample of the refused "
    "(trial limits) is the only way to know."
)


def augmentation_weights(granted: Any, refused: Any) -> Array:
    """Weight of each granted row: 1 / chance of having been granted, by a card of grant against refusal.

    Granted customers that look like refused ones speak for them. Weights are cut at the 99th percentile and average 1.
    """
    both = pd.concat([pd.DataFrame(granted), pd.DataFrame(refused)], ignore_index=True)
    label = np.append(np.zeros(len(granted)), np.ones(len(refused)))
    card = fit(both, label, signs="keep", penalty=1.0, digits=None)
    weights = 1 / (1 - card.probability(granted).to_numpy())
    weights = np.minimum(weights, np.quantile(weights, 0.99))
    return np.asarray(weights / weights.mean(), dtype=np.float64)


def band(
    granted: Any,
    y: Any,
    refused: Any,
    *,
    method: Literal["augmentation", "parcelling", "fuzzy"] = "fuzzy",
    factors: tuple[float, ...] = (1.0, 1.5, 2.0, 3.0, 5.0),
    seed: int = 0,
    binner: Binner | None = None,
    **how: Any,
) -> tuple[pd.DataFrame, dict[float, Scorecard]]:
    """Cards under a range of assumptions about the refused.

    Parameters
    ----------
    granted, y : features and outcomes of granted customers
    refused : features of refused ones
    method : fuzzy (each refused row counts as event with its probability and as non-event with the rest), parcelling
        (outcomes drawn per score band at that probability) or augmentation (granted rows reweighted, no outcomes
        invented; the factors do not apply)
    factors : how many times the odds of default of the refused exceed those the granted-only card gives them
    seed : of the draws of parcelling
    binner : fitted bins to use throughout, so that the cards differ by the assumption alone; default those of the
        granted. A granted-only card with factor 0 ("no inference") comes first.
    **how : passed to `fit`

    Returns
    -------
    table : factor, expected default rate of the refused, of all, mean_difference and largest_difference of the scores
        of all rows against no inference, rank_correlation with it
    cards : card by factor

    Raises
    ------
    CreditLabError
        No refused rows, factors not above zero, an unknown method.
    """
    if len(refused) == 0:
        raise CreditLabError("there are no refused rows to infer for")
    if method not in ("augmentation", "parcelling", "fuzzy") or not factors or min(factors) <= 0:
        raise CreditLabError(
            f"method {method!r}, factors {factors}: need augmentation, parcelling or fuzzy, factors > 0"
        )
    target, _ = target_of(y, len(granted))
    both = pd.concat([pd.DataFrame(granted), pd.DataFrame(refused)], ignore_index=True)
    binner = binner or Binner().fit(granted, target)
    how = {"binner": binner, "signs": "keep", **how}
    base = fit(granted, target, **how)
    cards = {0.0: base}
    odds = base.probability(refused).to_numpy() / (1 - base.probability(refused).to_numpy())
    generator = np.random.default_rng(seed)
    for factor in factors if method != "augmentation" else (1.0,):
        p = factor * odds / (1 + factor * odds)
        if method == "augmentation":
            cards[factor] = fit(granted, target, sample_weight=augmentation_weights(granted, refused), **how)
        elif method == "fuzzy":
            thrice = pd.concat([both, pd.DataFrame(refused)], ignore_index=True)
            labels = np.concatenate([target, np.ones(len(p)), np.zeros(len(p))])
            weights = np.concatenate([np.ones(len(target)), p, 1 - p])
            cards[factor] = fit(thrice, labels, sample_weight=weights, **how)
        else:
            drawn = _parcelled(base.score(refused).to_numpy(), p, _places(binner, refused), generator)
            cards[factor] = fit(both, np.append(target, drawn), **how)
    return _compared(cards, both, len(target), target, odds), cards


def _places(binner: Binner, X: Any) -> list[Ids]:
    """Bin of every row, feature by feature."""
    columns = columns_of(X, kinds_of(binner.bins_.values()))
    return [bins.ids(columns[name]) for name, bins in binner.bins_.items() if name in columns]


def _parcelled(score: Array, p: Array, places: list[Ids], generator: np.random.Generator) -> Array:
    """Outcomes per tenth of the score: the expected number of events in each, which rows at random.

    Rows are drawn from an order by their bins, so that the order they came in does not matter.
    """
    place = risk_groups(score, 10)
    order = np.lexsort(places)
    drawn = np.zeros(len(p))
    for parcel in np.unique(place):
        rows = order[place[order] == parcel]
        drawn[generator.permutation(rows)[: round(p[rows].sum())]] = 1
    return drawn


def _compared(
    cards: dict[float, Scorecard], both: pd.DataFrame, granted: int, target: Array, odds: Array
) -> pd.DataFrame:
    base = cards[0.0].score(both)
    rows = []
    for factor, card in cards.items():
        score = card.score(both)
        p = factor * odds / (1 + factor * odds)
        refused = np.nan if factor == 0 else p.mean()
        every = np.nan if factor == 0 else (target.sum() + p.sum()) / len(both)
        change = score - base
        rows.append(
            (factor, refused, every, change.mean(), change.abs().max(), score.rank().corr(base.rank()), granted)
        )
    columns = ["factor", "refused_rate", "all_rate", "mean_difference", "largest_difference", "rank_correlation"]
    return pd.DataFrame(rows, columns=[*columns, "granted_rows"])
