"""Before a trial: how many customers, what could be seen, and who gets which policy.

Power for heavy-tailed amounts is simulated, never taken from a normal formula: the mean of 500 log-normal exposures
has hardly begun to be normal. All randomness comes from the generator passed in.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from credit_lab.backtest.effects import DesignError

Test = Callable[[np.ndarray, np.ndarray], np.ndarray]


def rate_power(champion: float, challenger: float, per_arm: int, *, level: float = 0.95) -> float:
    """Power of the two-sided two-proportion z-test with `per_arm` independent customers in each arm.

    Fleiss, Levin & Paik (2003) "Statistical Methods for Rates and Proportions" ch. 4, without continuity correction.

    >>> round(rate_power(0.02, 0.01, 2319), 2)
    0.8
    """
    _rates(champion, challenger)
    mean = (champion + challenger) / 2
    null = np.sqrt(2 * mean * (1 - mean) / per_arm)
    other = np.sqrt((champion * (1 - champion) + challenger * (1 - challenger)) / per_arm)
    z = special.ndtri(0.5 + level / 2)
    gap = abs(champion - challenger)
    return float(special.ndtr((gap - z * null) / other) + special.ndtr((-gap - z * null) / other))


def rate_sample_size(
    champion: float,
    challenger: float,
    *,
    power: float = 0.8,
    level: float = 0.95,
    cluster_size: float = 1.0,
    intra_cluster: float = 0.0,
) -> int:
    """Customers per arm for the power wanted, with the design effect 1 + (m - 1) rho of legal groups.

    >>> rate_sample_size(0.02, 0.01)
    2319
    """
    _rates(champion, challenger)
    mean = (champion + challenger) / 2
    z, zp = special.ndtri(0.5 + level / 2), special.ndtri(power)
    top = z * np.sqrt(2 * mean * (1 - mean)) + zp * np.sqrt(champion * (1 - champion) + challenger * (1 - challenger))
    effect = 1 + (cluster_size - 1) * intra_cluster
    return int(np.ceil((top / (champion - challenger)) ** 2 * effect))


def _rates(champion: float, challenger: float) -> None:
    if not (0 < champion < 1 and 0 < challenger < 1) or champion == challenger:
        raise DesignError(f"design: rates {champion} and {challenger} must be two different fractions between 0 and 1")


def welch(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Welch's t of second less first for each row (draws x customers)."""
    n0, n1 = first.shape[1], second.shape[1]
    error = np.sqrt(first.var(axis=1, ddof=1) / n0 + second.var(axis=1, ddof=1) / n1)
    return (second.mean(axis=1) - first.mean(axis=1)) / np.maximum(error, 1e-300)


@dataclass(frozen=True)
class LossWorld:
    """What a customer's loss looks like: defaults with `default_rate`, then loses an exposure drawn from `exposures`.

    exposures : amounts of real or simulated customers; heavy tails are the point of it.
    effect : relative change of the default rate in the challenger arm (-0.5 halves it).
    """

    exposures: np.ndarray
    default_rate: float

    def draw(self, rng: np.random.Generator, shape: tuple[int, int], effect: float = 0.0) -> np.ndarray:
        """Losses, draws x customers."""
        size = rng.choice(self.exposures, size=shape)
        return np.where(rng.random(shape) < self.default_rate * (1 + effect), size, 0.0)


def amount_power(
    world: LossWorld,
    per_arm: int,
    effect: float,
    *,
    rng: np.random.Generator,
    draws: int = 2000,
    critical: float = 1.959964,
    test: Test = welch,
) -> float:
    """Share of simulated trials in which the test tells a true relative `effect` on losses, on its own side.

    >>> world = LossWorld(np.exp(1.5 * np.random.default_rng(1).standard_normal(100_000)), 0.02)
    >>> 0.08 < amount_power(world, 1000, -0.5, rng=np.random.default_rng(2), draws=500) < 0.22
    True
    """
    found, left = 0, draws
    step = max(1, int(4e6 // per_arm))
    while left > 0:
        count = min(step, left)
        t = test(world.draw(rng, (count, per_arm)), world.draw(rng, (count, per_arm), effect))
        found += int((t < -critical).sum() if effect < 0 else (t > critical).sum())
        left -= count
    return found / draws


def power_table(
    world: LossWorld, sizes: list[int], effects: list[float], *, rng: np.random.Generator, draws: int = 1000
) -> pd.DataFrame:
    """Power by size per arm and effect: per_arm, effect, power."""
    rows = [(n, e, amount_power(world, n, e, rng=rng, draws=draws)) for n in sizes for e in effects]
    return pd.DataFrame(rows, columns=["per_arm", "effect", "power"])


def minimum_detectable(
    world: LossWorld, per_arm: int, *, seed: int, power: float = 0.8, draws: int = 1000, tolerance: float = 0.01
) -> float:
    """Smallest relative cut of losses seen with `power`, by bisection on common random numbers; NaN if even -99 %
    is missed. The result is negative (a cut)."""
    low, high = 0.0, -0.99

    def reached(effect: float) -> bool:
        return amount_power(world, per_arm, effect, rng=np.random.default_rng(seed), draws=draws) >= power

    if not reached(high):
        return float("nan")
    while low - high > tolerance:
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


def assign(
    customers: pd.DataFrame,
    *,
    rng: np.random.Generator,
    cluster: str = "group_id",
    strata: list[str] | None = None,
    size: str | None = None,
    share: float = 0.5,
) -> pd.DataFrame:
    """Draw arms by lot for whole legal groups within strata; returns customers with arm, propensity, stratum.

    A customer without a group is a group of its own. A group belongs to the stratum of its largest customer (`size`;
    else its first). Within a stratum, ordered by size, groups are dealt in blocks, so that shares hold to one group;
    `propensity` is the probability with which the customer got *its* arm.

    Raises
    ------
    DesignError
        share outside (0, 1), unknown columns, fewer than two groups.
    """
    strata = strata or []
    if not 0 < share < 1:
        raise DesignError(f"design: share {share} must lie between 0 and 1, both arms are needed")
    for name in [cluster, *strata, *([size] if size else [])]:
        if name not in customers.columns:
            raise DesignError(f"design: customers have no column {name!r}")
    own = "customer:" + customers["customer_id"].astype(str)
    group = customers[cluster].astype("object").where(customers[cluster].notna(), own)
    weight = customers[size].fillna(0.0) if size else pd.Series(1.0, index=customers.index)
    work = customers.assign(_group=group, _weight=weight)
    order = work.sort_values(["_group", "_weight", "customer_id"], ascending=[True, False, True])
    heads = order.groupby("_group", sort=True).agg(
        _total=("_weight", "sum"), **{f"_s{i}": (name, "first") for i, name in enumerate(strata)}
    )
    if len(heads) < 2:
        raise DesignError("design: fewer than two legal groups, nothing to draw")
    names = [f"_s{i}" for i in range(len(strata))]
    label = heads[names].astype(str).agg(" | ".join, axis=1) if names else pd.Series("all", index=heads.index)
    heads = heads.assign(stratum=label, arm="champion")
    chosen = []
    for _, part in heads.groupby("stratum", sort=True):
        chosen += _deal(part.sort_values("_total", ascending=False, kind="stable").index, share, rng)
    heads.loc[chosen, "arm"] = "challenger"
    arm = work["_group"].map(heads["arm"])
    return customers.assign(
        arm=arm,
        propensity=np.where(arm == "challenger", share, 1 - share),
        stratum=work["_group"].map(heads["stratum"]),
    )


def _deal(groups: pd.Index, share: float, rng: np.random.Generator) -> list:
    """Systematic draw with a random start within random order in blocks: every group has probability `share`."""
    block = max(2, round(1 / min(share, 1 - share)))
    mixed: list = []
    for first in range(0, len(groups), block):
        part = groups[first : first + block]
        mixed += [part[i] for i in rng.permutation(len(part))]
    marks = np.floor((np.arange(len(mixed) + 1)) * share + rng.random())
    return [group for group, hit in zip(mixed, np.diff(marks) > 0, strict=True) if hit]


def balance(assigned: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Means by arm and standardised difference: column, champion, challenger, difference (in pooled sd).

    Beyond 0.25 sd a comparison needs adjustment (Imbens & Rubin 2015, "Causal Inference" ch. 14).
    """
    arms = [assigned.loc[assigned["arm"] == arm, columns].astype(float) for arm in ("champion", "challenger")]
    spread = np.sqrt((arms[0].var() + arms[1].var()) / 2)
    table = pd.DataFrame({"champion": arms[0].mean(), "challenger": arms[1].mean()})
    gap = (table["challenger"] - table["champion"]) / spread.where(spread > 0)
    return table.assign(difference=gap).rename_axis("column").reset_index()
