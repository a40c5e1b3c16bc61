"""Exact optimal binning by dynamic programming.

Pre-bins stand in order of value (or of event rate); a bin is a run of them. The state is the run of the last bin and,
for a peak or a valley, the phase; the best predecessor is tried for every state, so the result is the optimum of all
admissible divisions and not the outcome of a search that may stop early:

    best[start, end, phase] = gain[start, end] + max over (begin < start, phase') that fit of
                              best[begin, start - 1, phase']

With n pre-bins that is n^3/6 steps; a limit on the number of bins adds a factor only when it binds.

References
----------
Fisher, W. D. (1958). On grouping for maximum homogeneity. JASA 53, 789-798. (the recurrence)
Navas-Palencia, G. (2020). Optimal binning: mathematical programming formulation. arXiv:2001.08025. (the constraints)
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from credit_lab.compiled import njit
from credit_lab.errors import CreditLabError, nearest

Array = npt.NDArray[np.float64]

ANY, UP, DOWN, PEAK, VALLEY = 0, 1, 2, 3, 4
TRENDS = {"none": ANY, "ascending": UP, "descending": DOWN, "peak": PEAK, "valley": VALLEY}
OBJECTIVES = {"iv": 0, "likelihood": 1}
# One bin costs this much: of two optima with the same value the one with fewer bins wins.
TIE = 1e-13


@dataclass(frozen=True)
class Limits:
    """What a division into bins must respect; shares and counts refer to the rows that are neither special nor missing.

    trend : ascending, descending, peak, valley (of the event rate), none, or auto (see `best`)
    max_bins : most bins; 0 is no limit
    min_share, max_share : smallest and largest bin as a share of the rows
    min_events, min_others : fewest events (bads) and non-events in a bin, at least above zero so that WOE exists;
        min_events None is five, or a twentieth of the events where there are fewer than a hundred, but at least one:
        five of a portfolio's ten defaults would forbid nearly every division
    min_difference : smallest difference of event rates of neighbours
    min_z : smallest |z| of the two-proportion test (pooled variance) between neighbours; 1.96 is 5 % two-sided
    objective : iv (information value) or likelihood (binomial log-likelihood, gain over one bin)
    penalty : taken off per bin; for likelihood, half the logarithm of the rows gives BIC
    turn_margin : auto takes a peak or valley only if the best monotone division loses more than this share of its value
    """

    trend: str = "auto"
    max_bins: int = 8
    min_share: float = 0.05
    max_share: float = 1.0
    min_events: float | None = None
    min_others: float = 1.0
    min_difference: float = 0.0
    min_z: float = 0.0
    objective: str = "iv"
    penalty: float = 0.0
    turn_margin: float = 0.1

    def __post_init__(self) -> None:
        if self.trend not in (*TRENDS, "auto"):
            raise CreditLabError(f"trend {self.trend!r} is not known; {nearest(self.trend, [*TRENDS, 'auto'])}")
        if self.objective not in OBJECTIVES:
            raise CreditLabError(f"objective {self.objective!r} is not known; {nearest(self.objective, OBJECTIVES)}")
        if not 0 <= self.min_share <= self.max_share <= 1 or self.max_share == 0:
            raise CreditLabError(
                f"min_share {self.min_share} and max_share {self.max_share}: need 0 <= min_share <= max_share <= 1"
            )
        for name in ("max_bins", "min_events", "min_others", "min_difference", "min_z", "penalty", "turn_margin"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise CreditLabError(f"{name} {value}: must not be negative")

    def least_events(self, events: float) -> float:
        """Fewest events of a bin, of so many events in all.

        >>> Limits().least_events(300), Limits().least_events(60), Limits(min_events=2).least_events(60)
        (5.0, 3.0, 2)
        """
        return min(5.0, max(1.0, events / 20)) if self.min_events is None else self.min_events


@njit()
def _gains(
    events: Any,
    others: Any,
    walls: Any,
    total_events: Any,
    total_others: Any,
    least: Any,
    most: Any,
    min_events: Any,
    min_others: Any,
    penalty: Any,
    objective: Any,
) -> Any:
    """Value of every run of pre-bins; minus infinity where the run may not be a bin."""
    n = len(events)
    rate = events.sum() / (events.sum() + others.sum())
    gains = np.full((n, n), -np.inf)
    for start in range(n):
        bad = 0.0
        good = 0.0
        for end in range(start, n):
            if end > start and walls[end]:
                break
            bad += events[end]
            good += others[end]
            if bad + good > most:
                break
            if bad + good < least or bad <= 0 or good <= 0 or bad < min_events or good < min_others:
                continue
            if objective == 0:
                p, q = bad / total_events, good / total_others
                value = (p - q) * math.log(p / q)
            else:
                rows = bad + good
                value = bad * math.log(bad / rows / rate) + good * math.log(good / rows / (1 - rate))
            gains[start, end] = value - penalty - TIE
    return gains


@njit()
def _fits(bad: Any, rows: Any, next_bad: Any, next_rows: Any, direction: Any, min_difference: Any, min_z: Any) -> Any:
    """Whether two neighbours go in `direction` and lie far enough apart."""
    cross = next_bad * rows - bad * next_rows
    if (direction == UP and cross < 0) or (direction == DOWN and cross > 0):
        return False
    both = rows * next_rows
    if min_difference > 0 and abs(cross) < min_difference * both:
        return False
    if min_z > 0:
        pooled = (bad + next_bad) / (rows + next_rows)
        variance = pooled * (1 - pooled) * (1 / rows + 1 / next_rows)
        if (cross / both) ** 2 < min_z * min_z * variance:
            return False
    return True


@njit()
def _solve(events: Any, others: Any, gains: Any, trend: Any, max_bins: Any, min_difference: Any, min_z: Any) -> Any:
    """Last pre-bin of every bin of the best division, and its value; empty if there is none.

    `layers` counts bins when their number is limited, otherwise there is one layer that points to itself.
    """
    n = len(events)
    layers = max_bins if max_bins > 0 else 1
    phases = 2 if trend in (PEAK, VALLEY) else 1
    first = UP if trend == PEAK else (DOWN if trend == VALLEY else trend)
    second = DOWN if trend == PEAK else UP
    bad = np.zeros(n + 1)
    rows = np.zeros(n + 1)
    for i in range(n):
        bad[i + 1] = bad[i] + events[i]
        rows[i + 1] = rows[i] + events[i] + others[i]
    best = np.full((layers, phases, n, n), -np.inf)
    back = np.full((layers, phases, n, n, 3), -1, dtype=np.int32)
    for end in range(n):
        for start in range(end, -1, -1):
            gain = gains[start, end]
            if gain == -np.inf:
                continue
            if start == 0:
                best[0, 0, start, end] = gain
                continue
            this_bad, this_rows = bad[end + 1] - bad[start], rows[end + 1] - rows[start]
            for begin in range(start):
                if gains[begin, start - 1] == -np.inf:
                    continue
                last_bad, last_rows = bad[start] - bad[begin], rows[start] - rows[begin]
                onward = _fits(last_bad, last_rows, this_bad, this_rows, first, min_difference, min_z)
                turned = phases == 2 and _fits(last_bad, last_rows, this_bad, this_rows, second, min_difference, min_z)
                if not onward and not turned:
                    continue
                for layer in range(layers):
                    to = layer + 1 if max_bins > 0 else 0
                    if to == layers and max_bins > 0:
                        break
                    for phase in range(phases):
                        before = best[layer, phase, begin, start - 1]
                        if before == -np.inf:
                            continue
                        if phase == 0 and onward and before + gain > best[to, 0, start, end]:
                            best[to, 0, start, end] = before + gain
                            back[to, 0, start, end] = (layer, 0, begin)
                        if turned and before + gain > best[to, 1, start, end]:
                            best[to, 1, start, end] = before + gain
                            back[to, 1, start, end] = (layer, phase, begin)
    value = -np.inf
    at = (0, 0, 0)
    for layer in range(layers):
        for phase in range(phases):
            for start in range(n):
                if best[layer, phase, start, n - 1] > value:
                    value = best[layer, phase, start, n - 1]
                    at = (layer, phase, start)
    ends = np.empty(n, dtype=np.int64)
    if value == -np.inf:
        return ends[:0], value
    count = 0
    layer, phase, start = at
    end = n - 1
    while True:
        ends[count] = end
        count += 1
        if start == 0:
            break
        before = back[layer, phase, start, end]
        end = start - 1
        layer, phase, start = before[0], before[1], before[2]
    return ends[:count][::-1].copy(), value + count * TIE


@njit()
def solve(
    events: Any,
    others: Any,
    walls: Any,
    totals: Any,
    trend: Any,
    max_bins: Any,
    sizes: Any,
    min_events: Any,
    min_others: Any,
    separation: Any,
    objective: Any,
    penalty: Any,
) -> Any:
    """Best division for one trend; the limit on the number of bins is brought in only when it is broken without."""
    gains = _gains(
        events, others, walls, totals[0], totals[1], sizes[0], sizes[1], min_events, min_others, penalty, objective
    )
    ends, value = _solve(events, others, gains, trend, 0, separation[0], separation[1])
    if max_bins > 0 and len(ends) > max_bins:
        ends, value = _solve(events, others, gains, trend, max_bins, separation[0], separation[1])
    return ends, value


def best(
    events: Array,
    others: Array,
    limits: Limits,
    *,
    totals: tuple[float, float] | None = None,
    walls: npt.NDArray[np.bool_] | None = None,
) -> tuple[npt.NDArray[np.int64], float, str]:
    """Best division of ordered pre-bins under `limits`.

    Parameters
    ----------
    events, others : weight of events and non-events in each pre-bin
    totals : events and non-events of the whole sample, with special and missing rows; default those given
    walls : True where a bin must begin at the pre-bin

    Returns
    -------
    ends : position of the last pre-bin of each bin; empty if no division meets the limits
    value : the objective at the optimum
    trend : the trend it has been found under. auto takes ascending or descending, whichever is worth more, unless
        it loses more than `turn_margin` of what a peak or valley is worth.

    >>> best(np.array([1., 2, 3]), np.array([9., 8, 7]), Limits(min_share=0, min_events=1))[0].tolist()
    [0, 1, 2]
    """
    rows = events.sum() + others.sum()
    given = (
        np.ascontiguousarray(events, dtype=np.float64),
        np.ascontiguousarray(others, dtype=np.float64),
        np.zeros(len(events), dtype=np.bool_) if walls is None else walls,
        totals or (float(events.sum()), float(others.sum())),
    )
    # a share of 1/3 of 3 rows is one row, whatever the rounding says
    sizes = (limits.min_share * rows * (1 - 1e-12), limits.max_share * rows * (1 + 1e-12))

    def under(trend: str) -> tuple[npt.NDArray[np.int64], float, str]:
        ends, value = solve(
            *given, TRENDS[trend], limits.max_bins, sizes, limits.least_events(float(events.sum())), limits.min_others,
            (limits.min_difference, limits.min_z), OBJECTIVES[limits.objective], limits.penalty,
        )  # fmt: skip
        return ends, value, trend

    if limits.trend != "auto":
        return under(limits.trend)
    monotone = max(under("ascending"), under("descending"), key=lambda found: found[1])
    turning = max(under("peak"), under("valley"), key=lambda found: found[1])
    if turning[1] * (1 - limits.turn_margin) > monotone[1]:
        return turning
    return monotone
