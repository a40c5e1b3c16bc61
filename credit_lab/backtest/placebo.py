"""How often this firm would have seen such a change with no policy at all.

Ways to make worlds without the policy, each measured exactly as the claim was: other dates (`by_dates`), the
fitted twin of a monthly series (`from_twin`), the simulated portfolio
(`placebo_portfolio`), and for bad debt, two years of the same customers with the same default rate
(`from_losses`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab.backtest import its
from credit_lab.backtest.claims import Claim
from credit_lab.backtest.effects import DesignError, monthly, refuse
from credit_lab.periods import takes_days

Measure = Callable[[pd.Series, pd.Timestamp], float]


@dataclass(frozen=True)
class Placebo:
    """Changes seen in worlds without the policy.

    draws : one change per world (fraction). observed : the change of the real world.
    share_reached : share of worlds whose change reaches the near edge of the claim; share_in_band : inside the band.
    p_value : share of worlds with a change at least as far from zero as observed, on either side, the real one
    counted. way : how the worlds were made.
    """

    way: str
    draws: pd.Series
    observed: float
    share_reached: float
    share_in_band: float
    p_value: float


def summarise(way: str, draws: np.ndarray | list[float], observed: float, claim: Claim) -> Placebo:
    """Put drawn changes into a `Placebo`; draws that are NaN (an empty world) are left out and counted as length."""
    kept = np.asarray(draws, dtype=float)
    kept = kept[np.isfinite(kept)]
    if not len(kept):
        raise DesignError(f"placebo: no {way} world gave a number; more months or customers are needed")
    low, high = claim.band
    reached = kept >= claim.near if claim.direction == "up" else kept <= claim.near
    extreme = np.abs(kept) >= abs(observed)
    return Placebo(
        way,
        pd.Series(kept, name="change"),
        float(observed),
        float(reached.mean()),
        float(((kept >= low) & (kept <= high)).mean()),
        float((1 + extreme.sum()) / (1 + len(kept))),
    )


@takes_days
def change_of_means(series: pd.Series, date: pd.Timestamp, *, months: int = 6) -> float:
    """The manager's measure: mean of `months` after the date over the mean of as many before, less one."""
    before = series[series.index < date].tail(months).mean()
    return float(series[series.index >= date].head(months).mean() / before - 1) if before else float("nan")


@takes_days
def by_dates(
    series: pd.Series, policy_date: pd.Timestamp, claim: Claim, *, measure: Measure = change_of_means, span: int = 6
) -> Placebo:
    """The same measure at every earlier date, with `span` months on both sides free of the policy.

    Overlapping windows repeat much of each other: the share is honest, its precision less than the count suggests.
    """
    tidy = monthly(series, "placebo")
    past = tidy[tidy.index < policy_date]
    starts = [m.to_period("M").to_timestamp() for m in past.index[span : len(past) - span + 1]]
    if len(starts) < 3:
        raise refuse("placebo", f"{len(past)} months before the policy leave {len(starts)} placebo dates", "from_twin")
    return summarise("dates", np.array([measure(past, d) for d in starts]), measure(tidy, policy_date), claim)


@dataclass(frozen=True)
class Twin:
    """A firm without the policy: log metric = fitted line and season + AR(1) errors with resampled shocks.

    fitted : the line and season of every month of the real series. phi : autocorrelation. shocks : centred.
    """

    fitted: pd.Series
    phi: float
    shocks: np.ndarray

    def simulate(self, rng: np.random.Generator, draws: int) -> np.ndarray:
        """`draws` series (rows) over the same months."""
        months, burn = len(self.fitted), 60
        shocks = rng.choice(self.shocks, size=(draws, months + burn))
        state = np.zeros(draws)
        errors = np.empty((draws, months))
        for t in range(months + burn):
            state = self.phi * state + shocks[:, t]
            if t >= burn:
                errors[:, t - burn] = state
        return np.exp(self.fitted.to_numpy() + errors)


@takes_days
def fit_twin(series: pd.Series, policy_date: pd.Timestamp) -> Twin:
    """Fit the twin on the months before the policy alone and carry its line and season on.

    Raises
    ------
    DesignError
        Fewer than 18 months before the policy; values that are not positive.
    """
    tidy = monthly(series, "placebo")
    before = np.asarray(tidy.index < policy_date)
    if before.sum() < 18:
        raise refuse("placebo", f"{int(before.sum())} months before the policy, 18 are needed", "by_dates")
    if tidy.min() <= 0:
        raise DesignError("placebo: the twin works on logarithms, a month is not positive; use from_losses for losses")
    index = pd.DatetimeIndex(tidy.index)
    time = its.months_since(index, index[0])
    pairs = None if before.sum() >= 30 else 2
    design = its.design_matrix(time, index.month.to_numpy(), np.zeros(len(tidy)), pairs, trend=True)[:, 1:]
    y = np.log(tidy.to_numpy())
    beta = np.linalg.lstsq(design[before], y[before], rcond=None)[0]
    noise = y[before] - design[before] @ beta
    phi = its.autocorrelation(noise, np.ascontiguousarray(design[before]), time[before])
    shocks = noise[1:] - phi * noise[:-1]
    # Fitting shrinks residuals; give them back the size they had.
    shocks = (shocks - shocks.mean()) * np.sqrt(len(noise) / (len(noise) - design.shape[1]))
    return Twin(pd.Series(design @ beta, index=index), phi, shocks)


@takes_days
def from_twin(
    series: pd.Series,
    policy_date: pd.Timestamp,
    claim: Claim,
    *,
    rng: np.random.Generator,
    measure: Measure = change_of_means,
    draws: int = 1000,
) -> Placebo:
    """The same measure on `draws` simulated twins of the firm, which never had the policy."""
    tidy = monthly(series, "placebo")
    worlds = fit_twin(tidy, policy_date).simulate(rng, draws)
    changes = np.array([measure(pd.Series(row, index=tidy.index), policy_date) for row in worlds])
    return summarise("twin", changes, measure(tidy, policy_date), claim)


def from_losses(
    exposure: np.ndarray,
    default_rate: float,
    claim: Claim,
    *,
    observed: float,
    rng: np.random.Generator,
    draws: int = 20_000,
) -> Placebo:
    """Year-on-year change of a bad-debt rate by chance: the same customers, the same default rate, two years.

    rate of a year = lost exposure / exposure; every customer defaults with `default_rate`, independently (shared
    shocks make chance changes larger still). A year without any loss gives a change that is not a number if it is
    the first, -100 % if it is the second.
    """
    if not 0 < default_rate < 1:
        raise DesignError(f"placebo: default rate {default_rate} must lie between 0 and 1 (a fraction)")
    size = np.asarray(exposure, dtype=float)
    years = [(rng.random((draws, len(size))) < default_rate) @ size for _ in range(2)]
    with np.errstate(divide="ignore", invalid="ignore"):
        change = years[1] / years[0] - 1
    return summarise("losses", change, observed, claim)
