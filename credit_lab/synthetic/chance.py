"""Counter-based random numbers: every draw is a function of (seed, purpose, key, counter) and of nothing else.

A draw therefore does not depend on how many others were made before it: two worlds that differ by a policy meet the
same customers, orders and moods, and the result is the same on every version of numpy. The bits are those of
splitmix64 (Steele, Lea & Flood 2014, doi:10.1145/2714064.2660195), applied twice.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from credit_lab.synthetic.firm import Floats, Ints

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_STEP = np.uint64(0xD1B54A32D192ED03)


def _mix(bits: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


@dataclass(frozen=True)
class Chance:
    """The draws of one seed."""

    seed: int

    def uniform(self, purpose: str, key: npt.ArrayLike, counter: npt.ArrayLike = 0) -> Floats:
        """Uniform in (0, 1), one per key (and counter, broadcast)."""
        name = hashlib.blake2b(f"{self.seed}/{purpose}".encode(), digest_size=8).digest()
        start = np.array([int.from_bytes(name, "little")], dtype=np.uint64)
        which = np.asarray(key, dtype=np.int64).astype(np.uint64)
        bits = _mix(start + (which + np.uint64(1)) * _GOLDEN)
        bits = _mix(
            bits + (np.atleast_1d(np.asarray(counter, dtype=np.int64)).astype(np.uint64) + np.uint64(1)) * _STEP
        )
        return ((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53

    def normal(self, purpose: str, key: npt.ArrayLike, counter: npt.ArrayLike = 0) -> Floats:
        """Standard normal (Box and Muller)."""
        radius = np.sqrt(-2.0 * np.log(self.uniform(f"{purpose}/radius", key, counter)))
        return radius * np.cos(2.0 * np.pi * self.uniform(f"{purpose}/angle", key, counter))

    def exponential(self, purpose: str, key: npt.ArrayLike, counter: npt.ArrayLike = 0) -> Floats:
        """Exponential with mean one."""
        return -np.log(self.uniform(purpose, key, counter))

    def integers(self, purpose: str, key: npt.ArrayLike, low: int, high: int, counter: npt.ArrayLike = 0) -> Ints:
        """Whole numbers from low to high, both included."""
        return low + np.floor(self.uniform(purpose, key, counter) * (high - low + 1)).astype(np.int64)

    def pick(self, purpose: str, key: npt.ArrayLike, shares: npt.ArrayLike) -> Ints:
        """Index drawn with the given shares (made to add up to one)."""
        bounds = np.cumsum(np.asarray(shares, dtype=np.float64))
        return np.searchsorted(bounds[:-1] / bounds[-1], self.uniform(purpose, key), side="right").astype(np.int64)

    def poisson(self, purpose: str, key: npt.ArrayLike, mean: Floats) -> Ints:
        """Poisson counts by inverting the distribution function (normal approximation above 200).

        For one key the count grows with the mean, so worlds with different means stay paired.
        """
        mean = np.asarray(mean, dtype=np.float64)
        point = self.uniform(purpose, key)
        small = np.minimum(mean, 200.0)
        term = np.exp(-small)
        below, count = term.copy(), np.zeros(mean.shape, dtype=np.int64)
        rising, step = point > below, 0
        while rising.any() and step < 400:
            step += 1
            count += rising
            term = term * small / step
            below = below + term
            rising &= point > below
        large = mean > 200.0
        if large.any():
            rough = np.rint(mean + np.sqrt(mean) * self.normal(purpose, key)).astype(np.int64)
            count = np.where(large, rough, count)
        return count
