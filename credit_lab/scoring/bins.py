"""The bins of one feature: which value belongs where, how many good and bad rows, what it says about risk.

Conventions: an event is a default (bad); WOE = ln(share of the non-events / share of the events), so a higher WOE is a
better customer; an interval is closed on the left, [a, b). Infinite values are ordered like any other and fall into the
outer intervals.
"""

import dataclasses
import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab.compiled import njit
from credit_lab.errors import CreditLabError, nearest
from credit_lab.scoring.table import FLAGS

Array = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]
UNSEEN = ("neutral", "worst", "error")


@njit()
def slots(values: Any, edges: Any, codes: Any) -> Any:
    """Slot of every value: intervals, then special codes, then missing."""
    n = len(edges)
    out = np.empty(len(values), dtype=np.int64)
    for row in range(len(values)):
        value = values[row]
        found = -1
        for i in range(len(codes)):
            if value == codes[i]:
                found = n + 1 + i
        if found < 0:
            if np.isnan(value):
                found = n + 1 + len(codes)
            else:
                low, high = 0, n
                while low < high:
                    middle = (low + high) // 2
                    if edges[middle] <= value:
                        low = middle + 1
                    else:
                        high = middle
                found = low
        out[row] = found
    return out


@njit()
def tally(places: Any, number: Any, target: Any, weights: Any) -> Any:
    """Weight of non-events and events in each place."""
    counts = np.zeros((number, 2))
    for row in range(len(places)):
        counts[places[row], 1 if target[row] > 0 else 0] += weights[row]
    return counts


@dataclass(frozen=True)
class FeatureBins:
    """How one feature is cut, with what was counted in each bin. Bins are numbered from 0 in the order of `labels`.

    Attributes
    ----------
    kind : number or category
    splits : boundaries of the intervals, ascending; interval i is [splits[i-1], splits[i])
    intervals : bin of each interval (number)
    categories : bin of each category that has one of its own right (category)
    rest : bin of all other categories: the pooled rare ones, or an empty bin for the unseen
    specials : bin of each special code
    missing : bin of missing values
    counts : non-events and events by bin, shape (bins, 2)
    woe : weight of evidence by bin (证据权重)
    smoothing : pseudo-rows at the population's event rate that each bin's WOE has been drawn with
    trend : trend of the event rate the bins were found under
    note : why the feature could not be cut as asked, if so
    """

    name: str
    kind: str
    splits: tuple[float, ...]
    intervals: tuple[int, ...]
    categories: Mapping[str, int]
    rest: int
    specials: Mapping[float | str, int]
    missing: int
    counts: Array
    woe: Array
    smoothing: float
    trend: str
    note: str = ""

    def ids(self, values: pd.Series | npt.NDArray[Any]) -> Ids:
        """Bin of every value, as `table.columns_of` gives them: numbers, or texts and None."""
        if self.kind == "number":
            codes = np.array([float(code) for code in self.specials])
            lookup = np.array([*self.intervals, *self.specials.values(), self.missing])
            return lookup[slots(np.asarray(values, dtype=np.float64), np.array(self.splits), codes)]
        codes_of, distinct = pd.factorize(np.asarray(values, dtype=object))
        known = self.by_text
        lookup = np.array([*(known.get(str(value), self.rest) for value in distinct), self.missing])
        return lookup[codes_of]

    @property
    def by_text(self) -> dict[str, int]:
        """Bin of every text of a category or special code, other spellings of it included."""
        own = {**self.categories, **{str(code): bin_ for code, bin_ in self.specials.items()}}
        return {text: bin_ for name, bin_ in own.items() for text in spellings(name)} | own

    @property
    def labels(self) -> list[str]:
        """What is in each bin, in words."""
        parts: list[list[str]] = [[] for _ in range(len(self.counts))]
        bounds = [-math.inf, *self.splits, math.inf]
        if self.kind == "number":
            for bin_ in dict.fromkeys(self.intervals):
                where = [i for i, other in enumerate(self.intervals) if other == bin_]
                parts[bin_].append(f"[{bounds[where[0]]:.6g}, {bounds[where[-1] + 1]:.6g})")
        for category, bin_ in self.categories.items():
            parts[bin_].append(category)
        for code, bin_ in self.specials.items():
            parts[bin_].append(f"special {code:g}" if isinstance(code, float) else f"special {code}")
        if self.kind == "category":
            parts[self.rest].append("others")
        parts[self.missing].append("missing")
        return [", ".join(part).replace("[-inf", "(-inf") for part in parts]

    @property
    def iv(self) -> float:
        """Information value (信息量): sum over the bins of (share of non-events - share of events) x WOE."""
        return float(self._iv().sum())

    def _iv(self) -> Array:
        shares = self.counts / self.counts.sum(axis=0)
        return (shares[:, 0] - shares[:, 1]) * self.woe

    def table(self) -> pd.DataFrame:
        """Bin, rows, share, events, event_rate, woe, iv, and the test against the bin above it.

        z and p_value belong to the two-proportion test (pooled variance) between a bin of values and the one before it;
        special and missing bins have none.
        """
        rows = self.counts.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            rate = self.counts[:, 1] / rows
            pooled = (self.counts[1:, 1] + self.counts[:-1, 1]) / (rows[1:] + rows[:-1])
            z = np.append(np.nan, np.diff(rate) / np.sqrt(pooled * (1 - pooled) * (1 / rows[1:] + 1 / rows[:-1])))
        ordered = len(set(self.intervals) or set(self.categories.values()))
        z[np.arange(len(z)) >= ordered] = np.nan
        return pd.DataFrame(
            {
                "bin": self.labels,
                "rows": rows,
                "share": rows / rows.sum(),
                "events": self.counts[:, 1],
                "event_rate": rate,
                "woe": self.woe,
                "iv": self._iv(),
                "z": z,
                "p_value": [math.erfc(abs(value) / math.sqrt(2)) for value in z],
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plain = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        plain |= {"counts": self.counts.tolist(), "woe": self.woe.tolist(), "categories": dict(self.categories)}
        return plain | {"specials": [[code, bin_] for code, bin_ in self.specials.items()]}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "FeatureBins":
        """Inverse of `to_dict`.

        Raises
        ------
        CreditLabError
            Parts that do not belong together, as in a file edited by hand.
        """
        arrays = {name: np.array(plain[name], dtype=np.float64) for name in ("counts", "woe")}
        bins = cls(
            **{
                **plain,
                **arrays,
                "splits": tuple(plain["splits"]),
                "intervals": tuple(plain["intervals"]),
                "specials": dict(plain["specials"]),
            }
        )
        _consistent(bins)
        return bins


def kinds_of(known: Iterable[FeatureBins]) -> dict[str, str]:
    """Kind (number or category) by feature, for `table.columns_of`."""
    return {bins.name: bins.kind for bins in known}


def spellings(text: str) -> tuple[str, ...]:
    """How a table may write one category: a whole number also with a point, a flag in any case.

    >>> spellings("1"), spellings("01"), spellings("True")
    (('1', '1.0'), ('01', '01.0'), ('True', 'true', 'TRUE'))
    """
    if text.lower() in FLAGS:
        return (text, *(way for way in (text.lower(), text.upper(), text.capitalize()) if way != text))
    if re.fullmatch(r"-?[0-9]+\.0", text):
        return text, text[:-2]
    return (text, f"{text}.0") if re.fullmatch(r"-?[0-9]+", text) else (text,)


def _consistent(bins: FeatureBins) -> None:
    """Refuse bins whose numbers point nowhere, or which are no numbers at all."""
    count = len(bins.woe)
    numbers = [*bins.splits, *bins.specials, bins.smoothing]
    places = [*bins.intervals, *bins.categories.values(), *bins.specials.values(), bins.missing, bins.rest]
    holds = {
        "name, kind, trend and note must be texts": all(
            isinstance(one, str) for one in (bins.name, bins.kind, bins.trend, bins.note, *bins.categories)
        ),
        "kind must be number or category": bins.kind in ("number", "category"),
        "splits, specials and smoothing must be finite numbers": all(
            isinstance(one, int | float) and not isinstance(one, bool) and np.isfinite(one) for one in numbers
        ),
        "bins must be counted from 0 (-1: none)": all(
            isinstance(one, int) and not isinstance(one, bool) and -1 <= one < count for one in places
        ),
        "counts and woe must be finite and of one length": bins.counts.shape == (count, 2)
        and bool(np.isfinite(bins.counts).all() and np.isfinite(bins.woe).all()),
    }
    wrong = [rule for rule, held in holds.items() if not held]
    if not wrong and bins.kind == "number":
        ordered = all(a < b for a, b in itertools.pairwise(bins.splits)) and len(bins.intervals) == len(bins.splits) + 1
        wrong = [] if ordered else ["splits must rise, with one interval more than splits"]
    if wrong:
        raise CreditLabError(f"feature {bins.name!r}: {wrong[0]}")


def weights_of_evidence(counts: Array, smoothing: float, unseen: str = "neutral") -> Array:
    """WOE of each bin = ln((non-events + a(1-r)) / (events + a r)) - ln(N0 / N1), r = N1 / (N0 + N1).

    `smoothing` a > 0 draws small bins towards 0 and keeps bins without events finite; 0 is the textbook formula.
    An empty bin has WOE 0 (neutral) or that of the worst bin with rows (worst).

    >>> weights_of_evidence(np.array([[80., 10.], [20., 10.]]), 0).round(4).tolist()
    [0.47, -0.9163]
    """
    totals = counts.sum(axis=0)
    rate = totals[1] / totals.sum()
    prior = smoothing * np.array([1 - rate, rate])
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log((counts + prior) / totals)
        woe = logs[:, 0] - logs[:, 1]
    empty = counts.sum(axis=1) == 0
    woe[empty] = min(0.0, woe[~empty].min()) if unseen == "worst" else 0.0
    if not np.isfinite(woe).all():
        raise CreditLabError(
            "a bin without events or without non-events has no finite WOE; give a smoothing above 0 (0.5 is usual)"
        )
    return woe


def assemble(bins: FeatureBins, ids: Sequence[int] | Ids, counts: Array, unseen: str) -> FeatureBins:
    """Renumber bins (`ids`: new number of each old one) and count again."""
    ids = [int(i) for i in ids]
    summed = np.zeros((max(ids) + 1, 2))
    np.add.at(summed, ids, counts)
    return dataclasses.replace(
        bins,
        intervals=tuple(ids[i] for i in bins.intervals),
        categories={name: ids[i] for name, i in bins.categories.items()},
        specials={code: ids[i] for code, i in bins.specials.items()},
        missing=ids[bins.missing],
        rest=ids[bins.rest] if bins.kind == "category" else -1,
        counts=summed,
        woe=weights_of_evidence(summed, bins.smoothing, unseen),
    )


def one_of(name: str, known: Mapping[str, FeatureBins]) -> FeatureBins:
    """Bins of the feature called `name`.

    Raises
    ------
    CreditLabError
        No such feature.
    """
    if name not in known:
        raise CreditLabError(f"feature {name!r} has no bins; {nearest(name, known)}")
    return known[name]
