"""Manual edits of bins as pure functions: each gives a new fitted binner and leaves the old one alone.

binner = merge(binner, "sector", [2, 4])             # two bins become one
binner = merge(binner, "equity_ratio", ["missing", 0])   # missing joins the worst bin
binner = split_at(binner, "equity_ratio", 0.25, X, y)    # needs the data to count again
binner = regroup(binner, "sector", [["retail", "trade"], ["building"]], X, y)
"""

import copy
import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from credit_lab.errors import CreditLabError, nearest
from credit_lab.scoring.binning import Binner
from credit_lab.scoring.bins import FeatureBins, assemble, kinds_of, one_of, tally, weights_of_evidence
from credit_lab.scoring.table import columns_of, target_of, weights_of


def merge(binner: Binner, feature: str, bins: Sequence[int | str]) -> Binner:
    """Make several bins of a feature one.

    Parameters
    ----------
    bins : numbers of the bins as in their table; "missing" stands for the bin of missing values

    Raises
    ------
    CreditLabError
        Unknown feature or bin; intervals that are not neighbours.
    """
    old = one_of(feature, binner.bins_)
    chosen = sorted({old.missing if one == "missing" else _number(old, one) for one in bins})
    if len(chosen) < 2:
        raise CreditLabError(f"feature {feature!r}: merging needs two different bins, got {list(bins)}")
    runs = [i for i, bin_ in enumerate(old.intervals) if bin_ in chosen]
    if runs and runs[-1] - runs[0] + 1 != len(runs):
        raise CreditLabError(f"feature {feature!r}: bins {chosen} are not neighbours; merge what lies between as well")
    order = [chosen[0] if i in chosen else i for i in range(len(old.counts))]
    dense = {bin_: i for i, bin_ in enumerate(sorted(set(order)))}
    new = assemble(old, [dense[bin_] for bin_ in order], old.counts, binner.unseen)
    inner = [new.intervals[i] != new.intervals[i + 1] for i in range(len(new.splits))]
    return with_bins(
        binner,
        dataclasses.replace(
            new,
            splits=tuple(split for split, kept in zip(new.splits, inner, strict=True) if kept),
            intervals=tuple(dict.fromkeys(new.intervals)),
            trend="by hand",
        ),
    )


def split_at(binner: Binner, feature: str, value: float, X: Any, y: Any, sample_weight: Any = None) -> Binner:
    """Cut the interval that holds `value` in two: below `value`, and from it on. Earlier merges stay.

    Raises
    ------
    CreditLabError
        Unknown feature, categories, or a boundary that is there already.
    """
    old = one_of(feature, binner.bins_)
    if old.kind != "number":
        raise CreditLabError(f"feature {feature!r} holds categories; use regroup")
    if value in old.splits or not np.isfinite(value):
        raise CreditLabError(f"feature {feature!r}: {value} cannot be a new boundary; boundaries: {list(old.splits)}")
    at = int(np.searchsorted(old.splits, value))
    cut_bin = old.intervals[at]

    def moved(bin_: int) -> int:
        return bin_ + (bin_ > cut_bin)

    new = [moved(bin_) for bin_ in old.intervals]
    cut = dataclasses.replace(
        old,
        splits=tuple(sorted([*old.splits, float(value)])),
        intervals=(*new[: at + 1], cut_bin + 1, *new[at + 1 :]),
        specials={code: moved(bin_) for code, bin_ in old.specials.items()},
        missing=moved(old.missing),
    )
    return _counted(binner, cut, len(old.counts) + 1, X, y, sample_weight)


def regroup(
    binner: Binner, feature: str, groups: Sequence[Sequence[str]], X: Any, y: Any, sample_weight: Any = None
) -> Binner:  # fmt: skip
    """The categories in exactly these groups; those not named share the bin "others".

    Raises
    ------
    CreditLabError
        Unknown feature, a number, or a category in two groups.
    """
    old = one_of(feature, binner.bins_)
    if old.kind != "category":
        raise CreditLabError(f"feature {feature!r} is a number; use with_splits")
    named = [str(category) for group in groups for category in group]
    twice = sorted({category for category in named if named.count(category) > 1})
    if twice:
        raise CreditLabError(f"feature {feature!r}: category {twice[0]!r} is in two groups")
    last = len(groups)
    cut = dataclasses.replace(
        old,
        categories={str(category): i for i, group in enumerate(groups) for category in group},
        specials={code: last + i for i, code in enumerate(old.specials)},
        missing=last + len(old.specials),
        rest=last + len(old.specials) + 1,
    )
    return _counted(binner, cut, cut.rest + 1, X, y, sample_weight)


def _counted(binner: Binner, cut: FeatureBins, bins: int, X: Any, y: Any, sample_weight: Any) -> Binner:
    columns = columns_of(X, kinds_of(binner.bins_.values()))
    one_of(cut.name, columns)  # type: ignore[arg-type]
    target, _ = target_of(y, len(columns[cut.name]))
    counts = tally(binner.bin_ids(cut, columns[cut.name]), bins, target, weights_of(sample_weight, target))
    woe = weights_of_evidence(counts, cut.smoothing, binner.unseen)
    return with_bins(binner, dataclasses.replace(cut, counts=counts, woe=woe, trend="by hand", note=""))


def with_bins(binner: Binner, bins: FeatureBins) -> Binner:
    """The binner with other bins of one feature."""
    new = copy.copy(binner)
    new.bins_ = {**binner.bins_, bins.name: bins}
    return new


def _number(bins: FeatureBins, one: int | str) -> int:
    if isinstance(one, str) or not 0 <= one < len(bins.counts):
        labels = bins.labels
        if one in labels:
            return labels.index(str(one))
        raise CreditLabError(f"feature {bins.name!r} has no bin {one!r}; {nearest(str(one), labels)}")
    return int(one)
