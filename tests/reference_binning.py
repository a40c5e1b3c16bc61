"""Every division of a few pre-bins, tried one by one: the oracle of the optimal binning."""

import itertools
import math


def divisions(n):
    for cuts in itertools.product((False, True), repeat=n - 1):
        starts = [0, *(i + 1 for i, cut in enumerate(cuts) if cut), n]
        yield list(itertools.pairwise(starts))


def goes(rates, trend):
    steps = [b - a for a, b in itertools.pairwise(rates)]

    def up(part):
        return all(step >= -1e-13 for step in part)

    def down(part):
        return all(step <= 1e-13 for step in part)

    return {
        "none": True,
        "ascending": up(steps),
        "descending": down(steps),
        "peak": any(up(steps[:k]) and down(steps[k:]) for k in range(len(steps) + 1)),
        "valley": any(down(steps[:k]) and up(steps[k:]) for k in range(len(steps) + 1)),
    }[trend]


def value(bins, total_events, total_others, objective, penalty):
    rate = sum(e for e, _ in bins) / sum(e + o for e, o in bins)
    worth = 0.0
    for e, o in bins:
        if objective == "iv":
            worth += (e / total_events - o / total_others) * math.log((e / total_events) / (o / total_others))
        else:
            worth += e * math.log(e / (e + o) / rate) + o * math.log(o / (e + o) / (1 - rate))
    return worth - penalty * len(bins)


def apart(one, other, limits):
    (e, o), (f, p) = one, other
    gap = abs(f / (f + p) - e / (e + o))
    pooled = (e + f) / (e + o + f + p)
    z = gap / math.sqrt(pooled * (1 - pooled) * (1 / (e + o) + 1 / (f + p)))
    return gap >= limits.min_difference - 1e-13 and z >= limits.min_z - 1e-13


def best_value(events, others, limits, trend, walls=()):
    """Largest value of any admissible division, or None."""
    rows, found = sum(events) + sum(others), None
    for division in divisions(len(events)):
        if not set(walls) <= {start for start, _ in division}:
            continue
        bins = [(sum(events[a:b]), sum(others[a:b])) for a, b in division]
        if limits.max_bins and len(bins) > limits.max_bins:
            continue
        if any(e <= 0 or o <= 0 or e < limits.min_events or o < limits.min_others for e, o in bins):
            continue
        if any(not limits.min_share * rows - 1e-9 <= e + o <= limits.max_share * rows + 1e-9 for e, o in bins):
            continue
        if not all(apart(*pair, limits) for pair in itertools.pairwise(bins)):
            continue
        if not goes([e / (e + o) for e, o in bins], trend):
            continue
        worth = value(bins, sum(events), sum(others), limits.objective, limits.penalty)
        found = worth if found is None else max(found, worth)
    return found
