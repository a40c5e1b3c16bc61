"""Weights from pairwise comparisons: the analytic hierarchy process (AHP, 层次分析法)."""

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from credit_lab.errors import CreditLabError

# Mean consistency index of random matrices by size (Saaty).
RANDOM_INDEX = (0.0, 0.0, 0.0, 0.58, 0.90, 1.12, 1.24, 1.32, 1.41, 1.45, 1.49, 1.51, 1.48, 1.56, 1.57, 1.59)
MOST = 0.10


@dataclass(frozen=True)
class Weights:
    """Weights by name, the largest eigenvalue and the consistency ratio (一致性比率)."""

    weights: pd.Series
    eigenvalue: float
    consistency_ratio: float


def weights_from_pairs(names: list[str], matrix: Any, *, most: float = MOST) -> Weights:
    """Principal eigenvector of a matrix of pairwise comparisons a_ij = importance of i over j.

    consistency ratio = (λ_max − n) / (n − 1) / random index; 0 means that a_ij · a_jk = a_ik everywhere.

    Raises
    ------
    CreditLabError
        Not square, not positive, not reciprocal, more than 15 factors; or a consistency ratio above `most`, with the
        three comparisons that contradict each other most.

    References
    ----------
    Saaty (2008), Decision making with the analytic hierarchy process, Int. J. Services Sciences 1(1), 83-98.
    """
    a = np.asarray(matrix, dtype=float)
    n = len(names)
    if a.shape != (n, n) or n == 0 or n >= len(RANDOM_INDEX):
        raise CreditLabError(
            f"AHP: {n} factors (1 to {len(RANDOM_INDEX) - 1}) need a matrix of {n} x {n}, not {a.shape}"
        )
    if not np.isfinite(a).all() or (a <= 0).any():
        raise CreditLabError("AHP: every comparison must be a number above zero, such as 3 or 1/3")
    product = a * a.T
    i, j = np.unravel_index(np.abs(np.log(product)).argmax(), a.shape)
    if abs(product[i, j] - 1) > 0.02:
        raise CreditLabError(
            f"AHP: {names[i]} over {names[j]} is {a[i, j]:g}, but {names[j]} over {names[i]} is {a[j, i]:g}; "
            "one must be the reciprocal of the other"
        )
    values, vectors = np.linalg.eig(a)
    top = int(values.real.argmax())
    vector = np.abs(vectors[:, top].real)
    largest = float(values[top].real)
    ratio = max(largest - n, 0.0) / (n - 1) / RANDOM_INDEX[n] if n > 2 else 0.0
    if ratio > most:
        first, second, third, factor = inconsistent_triple(names, a)
        raise CreditLabError(
            f"AHP: consistency ratio {ratio:.3f} is above {most:g}; most at odds are {first}, {second} and {third}: "
            f"going from {first} to {third} by {second} gives {factor:.2f} times the direct comparison; "
            "compare them again"
        )
    return Weights(pd.Series(vector / vector.sum(), index=names), largest, ratio)


def inconsistent_triple(names: list[str], matrix: Any) -> tuple[str, str, str, float]:
    """The three factors whose comparisons contradict each other most, and a_ij · a_jk / a_ik."""
    a = np.asarray(matrix, dtype=float)
    loops = {(i, j, k): a[i, j] * a[j, k] / a[i, k] for i, j, k in combinations(range(len(names)), 3)}
    (i, j, k), factor = max(loops.items(), key=lambda item: abs(np.log(item[1])))
    return names[i], names[j], names[k], float(factor)
