"""Test claims on one ledger with one policy date: what the firm's own months can and cannot say.

A single firm rests on "nothing else happened that month". The estimate is an interrupted time series; the naive
comparison, the mirages and the changes the firm would show without any policy stand beside it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab import kpi
from credit_lab.backtest import claims_text, guards, its, placebo
from credit_lab.backtest.claims import Claim, Verdict, verdict
from credit_lab.backtest.effects import DesignError, Effect, before_after
from credit_lab.errors import PeriodError, nearest
from credit_lab.ledger.model import Ledger


@dataclass(frozen=True)
class Tested:
    """One claim on one ledger.

    Attributes
    ----------
    claim : as the file states it
    series : the metric, one value per month end
    effect, verdict : None where the data cannot carry the estimate
    sentence : verdict in words, or why there is none and which weaker design is possible
    naive : mean of the window after over as many months before, less one (NaN where it cannot be had)
    chance : share of simulated histories without any policy in which the naive change reaches the claim (NaN: none)
    placebo : the simulated changes, or None
    """

    claim: Claim
    series: pd.Series
    effect: Effect | None
    verdict: Verdict | None
    sentence: str
    naive: float
    chance: float
    placebo: placebo.Placebo | None

    @property
    def word(self) -> str:
        """supported, not distinguishable, contradicted, or untestable."""
        return self.verdict.word if self.verdict is not None else "untestable"


def ar_turnover(flows: pd.DataFrame) -> pd.Series:
    """Receivables turnover per month end: 365 / dso.countback, which does not swing with the sales calendar."""
    rows = range(1, len(flows) + 1)
    days = [
        kpi.formulas.countback(flows["balance"].iloc[row - 1], flows["sales"][:row], flows["days"][:row])
        for row in rows
    ]
    turnover = 365.0 / pd.Series(days, index=pd.DatetimeIndex(flows["month"]), name="ar_turnover").replace(0.0, np.nan)
    return turnover.loc[turnover.first_valid_index() :]


def bad_debt_ratio(flows: pd.DataFrame) -> pd.Series:
    """Net write-offs of a quarter over its sales, per month end (a trailing quarter)."""
    sums = flows[["written_off", "sales"]].rolling(3).sum()
    ratio = kpi.formulas.ratio(sums["written_off"], sums["sales"].to_numpy())
    return pd.Series(ratio, index=pd.DatetimeIndex(flows["month"]), name="bad_debt_ratio").dropna()


_START_UP = 4
METRICS: dict[str, Callable[[pd.DataFrame], pd.Series]] = {"ar_turnover": ar_turnover, "bad_debt_ratio": bad_debt_ratio}


def run(
    ledger: Ledger,
    claims: dict[str, Claim],
    policy_date: pd.Timestamp,
    *,
    end: pd.Timestamp,
    seed: int,
    start: pd.Timestamp | None = None,
) -> dict[str, Tested]:
    """Test every claim on the ledger's months from `start` to `end`, a month end.

    Without `start` the first four months are left out: books that begin empty turn over too fast at first.

    Raises
    ------
    PeriodError
        The policy date lies outside the months, or a claim asks for a metric that is not known here.
    """
    flows = kpi.monthly(ledger, end)
    begin = start if start is not None else flows["month"].iloc[0] + pd.DateOffset(months=_START_UP)
    flows = flows[flows["month"] >= begin]
    if flows.empty or not flows["month"].iloc[0] < policy_date <= end:
        raise PeriodError(f"policy date {policy_date.date()} lies outside the months up to {end.date()}")
    for name, claim in claims.items():
        if claim.metric not in METRICS:
            raise PeriodError(f"claim {name}: no metric {claim.metric!r}; {nearest(claim.metric, METRICS)}")
    return {name: _one(claim, METRICS[claim.metric](flows), policy_date, seed) for name, claim in claims.items()}


def _one(claim: Claim, series: pd.Series, policy_date: pd.Timestamp, seed: int) -> Tested:
    # The claim speaks of months `from` to `to` after the policy; what happens before that is a transition.
    options = its.ItsOptions(wait=claim.from_month - 1, until=claim.to_month)
    effect, said, chance, draws = None, None, float("nan"), None
    try:
        effect = its.estimate(series, policy_date, options=options)
        said = verdict(effect, claim)
        sentence = claims_text.sentence(said)
    except DesignError as error:
        sentence = f"{claim.source or claim.claim_id}: cannot be tested on these data. {error}"
    try:
        draws = placebo.from_twin(series, policy_date, claim, rng=np.random.default_rng(seed))
        chance = draws.share_reached
    except DesignError:
        pass  # a series that cannot be simulated has no chance to state; the sentence above says what is missing
    try:
        naive = before_after(series, policy_date, months=claim.to_month, log=bool((series > 0).all()))
        size = naive.estimate if naive.unit == "relative" else float("nan")
    except DesignError:
        size = float("nan")
    return Tested(claim, series, effect, said, sentence, size, chance, draws)


def mirages(ledger: Ledger, policy_date: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """What makes a policy look good for free: naive and corrected figure side by side, where the data allow.

    Returns mirage, naive, corrected, unit, flag, why; a guard that the data cannot carry has its reason in why.
    """
    flows = kpi.monthly(ledger, end).set_index("month")
    paid = kpi.settlement(ledger, end)
    late = paid[paid["issue_date"] >= policy_date]
    tries: list[tuple[str, Callable[[], guards.Guard]]] = [
        ("season", lambda: guards.season(12 * flows["sales"] / flows["balance"], policy_date)),
        ("growth against lagged losses", lambda: guards.growth(flows["sales"], flows["written_off"], policy_date)),
        ("closed-only payment times", lambda: guards.closed_only(late["issue_date"], late["settled_on"], end)),
    ]
    found, refused = [], []
    for name, ask in tries:
        try:
            found.append(ask())
        except DesignError as error:
            refused.append({"mirage": name, "why": str(error)})
    return pd.concat([guards.table(found), pd.DataFrame(refused)], ignore_index=True)


def table(tested: dict[str, Tested]) -> pd.DataFrame:
    """Claim, metric, claimed band, estimate and interval, detectable effect, naive change, chance, verdict."""
    rows = []
    for name, one in tested.items():
        low, high = one.claim.band
        effect = one.effect
        figures = (effect.estimate, effect.low, effect.high, effect.minimum_detectable) if effect else (np.nan,) * 4
        rows.append((name, one.claim.metric, low, high, *figures, one.naive, one.chance, one.word))
    columns = ["claim", "metric", "claimed_low", "claimed_high", "estimate", "low", "high"]
    return pd.DataFrame(rows, columns=[*columns, "minimum_detectable", "naive", "chance", "verdict"])
