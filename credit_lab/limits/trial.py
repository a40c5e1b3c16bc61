"""Trial limits for newcomers (试探性额度): step up by evidence, stop by rule.

Nobody knows the chance θ that a newcomer pays. A Beta(a, b) prior says what is believed; each invoice paid adds one to
a, each failure one to b. An order of size q earns m q if it is paid and costs c q if not. Granting is right while

    V(paid, failed) = max(0, max over sizes q of q (m E[θ] − c E[1 − θ])
                             + β (E[θ] V(paid + 1, failed) + E[1 − θ] V(paid, failed + 1)))

is above zero: what is learned has a value, so a first order may be worth while at an expected loss, as small as can be.

References
----------
Bierman, H. & Hausman, W. H. (1970). The credit granting decision. Management Science 16, B519-B532.
Dirickx, Y. M. I. & Wakeman, L. (1976). An extension of the Bierman-Hausman model. Management Science 22, 1229-1237.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab.compiled import njit
from credit_lab.limits.exposures import LimitsError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Newcomers:
    """What is believed about newcomers and what an order earns.

    Attributes
    ----------
    paid, failed : a and b of the Beta prior (mean a / (a + b); the sum says how many customers it is worth)
    margin, loss : earned, and lost, per unit of order value
    sizes : order sizes that can be granted, smallest first; the largest is the need
    discount : value of the next order's unit against this one's (β)
    orders : orders a newcomer would place within the horizon
    loss_cap : largest expected loss of one order, q c E[1 − θ]: keeps steps small while little is known
    """

    paid: float = 8.0
    failed: float = 2.0
    margin: float = 0.15
    loss: float = 0.85
    sizes: tuple[float, ...] = (0.1, 0.25, 0.5, 1.0)
    discount: float = 0.99
    orders: int = 24
    loss_cap: float = np.inf

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip(self.sizes, self.sizes[1:], strict=False))
        if min(self.paid, self.failed, self.margin, self.loss, self.orders) <= 0 or not self.sizes or not rising:
            raise LimitsError("trial: prior, margin, loss and orders must be above zero and the sizes must rise")
        if self.sizes[0] <= 0 or not 0 < self.discount <= 1 or self.loss_cap <= 0:
            raise LimitsError("trial: sizes and the loss cap must be above zero, the discount in (0, 1]")


@dataclass(frozen=True)
class Ladder:
    """The best way to grant.

    Attributes
    ----------
    steps : paid_invoices (in a row, none failed), size, expected_payoff (of that order), worth (of going on): one row
        for each change of size
    size : sizes by invoices paid (rows) and failed (columns); 0: stop
    value : value of going on, same shape
    first_size : of the first order; 0: no newcomer is worth a trial
    stop_after : failures that end the trial for a customer who has paid so many: paid, failures (NaN: none does)
    """

    steps: pd.DataFrame
    size: Floats
    value: Floats
    first_size: float
    stop_after: pd.DataFrame = field(repr=False)


def ladder(newcomers: Newcomers) -> Ladder:
    """Solve by backward induction over the counts of paid and failed invoices.

    >>> made = ladder(Newcomers(paid=4, failed=2, margin=0.2, loss=0.8))
    >>> made.first_size
    0.1
    """
    n = newcomers.orders
    value, size = np.zeros((n + 2, n + 2)), np.zeros((n + 1, n + 1))
    payoff = np.zeros((n + 1, n + 1))
    sizes = np.array(newcomers.sizes)
    for placed in range(n - 1, -1, -1):
        paid = np.arange(placed + 1)
        failed = placed - paid
        good = (newcomers.paid + paid) / (newcomers.paid + newcomers.failed + placed)
        unit = newcomers.margin * good - newcomers.loss * (1 - good)
        allowed = sizes[None, :] * newcomers.loss * (1 - good)[:, None] <= newcomers.loss_cap
        gain = np.where(allowed, sizes[None, :] * unit[:, None], -np.inf)
        choice = gain.argmax(axis=1)
        best = gain[paid, choice]
        ahead = newcomers.discount * (good * value[paid + 1, failed] + (1 - good) * value[paid, failed + 1])
        worth = np.where(np.isfinite(best), best + ahead, 0.0)
        go = worth > 1e-12
        value[paid, failed] = np.where(go, worth, 0.0)
        size[paid, failed] = np.where(go, sizes[choice], 0.0)
        payoff[paid, failed] = np.where(go, best, 0.0)
    straight = size[:n, 0]
    changes = np.flatnonzero(np.r_[True, np.diff(straight) != 0])
    steps = pd.DataFrame(
        {
            "paid_invoices": changes, "size": straight[changes], "expected_payoff": payoff[changes, 0],
            "worth": value[changes, 0],
        }
    )  # fmt: skip
    stops = []
    for count in range(min(n, 13)):
        ended = np.flatnonzero(size[count, : n - count] == 0)
        stops.append((count, float(ended[0]) if len(ended) else np.nan))
    return Ladder(
        steps, size, value[: n + 1, : n + 1], float(size[0, 0]), pd.DataFrame(stops, columns=["paid", "failures"])
    )


@dataclass(frozen=True)
class HandRule:
    """A rule of thumb: first size, multiplied every so many paid invoices up to the need, ended by failures."""

    first: float = 0.1
    every: int = 3
    factor: float = 2.0
    steps: int = 4
    failures: int = 1

    def sizes(self, newcomers: Newcomers) -> Floats:
        """Sizes by invoices paid (rows) and failed (columns), as in `Ladder.size`."""
        n = newcomers.orders
        paid = np.arange(n + 1)
        size = np.minimum(self.first * self.factor ** np.minimum(paid // self.every, self.steps), newcomers.sizes[-1])
        return np.where(np.arange(n + 1)[None, :] < self.failures, size[:, None], 0.0)


@dataclass(frozen=True)
class TrialComparison:
    """Ladder against hand rule on the same simulated newcomers.

    Attributes
    ----------
    table : rule, profit, loss, granted: means per newcomer; sales at the same expected loss where `scaled`
    difference : mean profit of the ladder less that of the rule, per newcomer; low, high: 95 % interval (paired)
    loss_ratio : loss of the ladder over that of the rule
    scale : factor on the hand rule's sizes that brought its loss to the ladder's (1: not scaled)
    """

    table: pd.DataFrame
    difference: float
    low: float
    high: float
    loss_ratio: float
    scale: float


def compare(
    newcomers: Newcomers, rule: HandRule, *, customers: int = 20_000, seed: int = 0, equal_loss: bool = True
) -> TrialComparison:
    """Simulate both on newcomers drawn from the prior, with the same draws.

    Parameters
    ----------
    equal_loss : scale the hand rule's sizes (not above the need) until its mean loss is that of the ladder; if it loses
        less even at full size, all sizes of the ladder are made smaller instead
    """
    rng = np.random.default_rng(seed)
    chance = rng.beta(newcomers.paid, newcomers.failed, customers)
    pays = rng.random((customers, newcomers.orders)) < chance[:, None]
    need, plan = newcomers.sizes[-1], rule.sizes(newcomers)
    how = (pays, newcomers.margin, newcomers.loss, newcomers.discount)
    best, hand, scale = _simulate(ladder(newcomers).size, *how), _simulate(plan, *how), 1.0
    if equal_loss and best[1].sum() > 0:
        low, high = 0.0, 2.0
        while _simulate(np.minimum(plan * high, need), *how)[1].sum() < best[1].sum() and high < 1e4:
            high *= 2
        for _ in range(40):
            scale = (low + high) / 2
            lost = _simulate(np.minimum(plan * scale, need), *how)[1].sum()
            low, high = (scale, high) if lost < best[1].sum() else (low, scale)
        hand = _simulate(np.minimum(plan * scale, need), *how)
        smaller = min(float(hand[1].sum() / best[1].sum()), 1.0)
        best = tuple(part * smaller for part in best)  # all of it is proportional to the sizes
    gap = best[0] - hand[0]
    error = 1.959964 * gap.std(ddof=1) / np.sqrt(customers)
    table = pd.DataFrame(
        [(name, *(part.mean() for part in found)) for name, found in (("ladder", best), ("hand rule", hand))],
        columns=["rule", "profit", "loss", "granted"],
    )
    ratio = float(best[1].sum() / hand[1].sum()) if hand[1].sum() > 0 else np.nan
    return TrialComparison(table, float(gap.mean()), float(gap.mean() - error), float(gap.mean() + error), ratio, scale)


@njit()
def _simulate(size, pays, margin, loss, discount):  # type: ignore[no-untyped-def] # pragma: no cover
    """Discounted profit, discounted loss and amount granted of each newcomer under a table of sizes."""
    customers, orders = pays.shape
    profit, lost, granted = np.zeros(customers), np.zeros(customers), np.zeros(customers)
    for i in range(customers):
        paid = failed = 0
        weight = 1.0
        for k in range(orders):
            q = size[paid, failed]
            if q <= 0:
                break
            granted[i] += q
            if pays[i, k]:
                profit[i] += weight * margin * q
                paid += 1
            else:
                profit[i] -= weight * loss * q
                lost[i] += weight * loss * q
                failed += 1
            weight *= discount
    return profit, lost, granted
