"""Test claims on one ledger with one policy date: what the firm's own months can and cannot say.

A single firm rests on "nothing else happened that month". The estimate is an interrupted time series; the naive
comparison, the mirages and the changes the firm would show without any policy stand beside it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from credit_lab import knowledge, kpi, money
from credit_lab.backtest import claims_text, guards, its, placebo, placebo_portfolio
from credit_lab.backtest.claims import Claim, Verdict, time_to_effect, verdict
from credit_lab.backtest.effects import DesignError, Effect, before_after
from credit_lab.backtest.metrics import METRICS, NEEDS
from credit_lab.backtest.placebo import Placebo
from credit_lab.errors import PeriodError, nearest
from credit_lab.ids import looked_up
from credit_lab.ledger.model import Ledger
from credit_lab.periods import takes_days
from credit_lab.policy import Policy


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
    portfolio : the same from the simulated portfolio, where a policy was given and the ledger carries it
    """

    claim: Claim
    series: pd.Series
    effect: Effect | None
    verdict: Verdict | None
    sentence: str
    naive: float
    chance: float
    placebo: Placebo | None
    portfolio: Placebo | None = None

    @property
    def estimate(self) -> float:
        """Change the data show with the policy, corrected; NaN where they cannot carry one."""
        return self.effect.estimate if self.effect else float("nan")

    @property
    def word(self) -> str:
        """supported, not distinguishable, contradicted, or untestable."""
        return self.verdict.word if self.verdict is not None else "untestable"


_START_UP = 4
_LATEST = 90  # days late at most, in the comparison of the worst payers


@takes_days
def run(
    ledger: Ledger,
    claims: dict[str, Claim],
    policy_date: pd.Timestamp,
    *,
    end: pd.Timestamp,
    seed: int,
    start: pd.Timestamp | None = None,
    policy: Policy | None = None,
    histories: int = 100,
) -> dict[str, Tested]:
    """Test every claim on the ledger's months from `start` to `end`, a month end.

    Without `start` the first four months are left out: books that begin empty turn over too fast at first. With
    `policy`, the rules in force before `policy_date`, so many `histories` of the whole portfolio are simulated too.

    Raises
    ------
    PeriodError
        The policy date lies outside the months, or a claim asks for a metric that is not known here.
    """
    flows = kpi.monthly(ledger, end)
    begin = start if start is not None else flows["month"].iloc[0] + pd.DateOffset(months=_START_UP)
    first = min(begin, end)
    if not first < policy_date <= end:
        raise PeriodError(
            f"policy date {policy_date.date()} lies outside the months used, {first.date()} to {end.date()}; correct "
            f"the date, or give other months with --start and --end (without --start: {_START_UP} left out)"
        )
    flows = flows[flows["month"] >= begin]
    for name, claim in claims.items():
        if claim.metric not in METRICS:
            raise PeriodError(f"claim {name}: no metric {claim.metric!r}; {nearest(claim.metric, METRICS)}")
    told = knowledge.of(ledger, policy, end)
    lacking = {name: told.lack(f"its {claim.metric} is", *NEEDS[claim.metric]) for name, claim in claims.items()}
    tested = {
        name: _one(claim, METRICS[claim.metric](flows), policy_date, seed, lacking[name])
        for name, claim in claims.items()
    }
    if policy is None:
        return tested
    longest = max(claim.to_month for claim in claims.values())
    try:
        flows_drawn = placebo_portfolio.histories(
            ledger, policy, policy_date, months=longest, seed=seed, draws=histories
        )
    except DesignError:  # too little before the policy to learn a world from: nothing to say
        return tested
    return {name: _with_portfolio(one, flows_drawn, policy_date) for name, one in tested.items()}


def _with_portfolio(one: Tested, histories: list[pd.DataFrame], policy_date: pd.Timestamp) -> Tested:
    observed = placebo.change_of_means(one.series, policy_date)
    return replace(
        one, portfolio=placebo_portfolio.from_portfolio(histories, policy_date, one.claim, observed=observed)
    )


def _one(claim: Claim, series: pd.Series, policy_date: pd.Timestamp, seed: int, lacking: str) -> Tested:
    # The claim speaks of months `from` to `to` after the policy; what happens before that is a transition.
    options = its.ItsOptions(wait=claim.from_month - 1, until=claim.to_month)
    effect, said, chance, draws = None, None, float("nan"), None
    try:
        if lacking:
            raise DesignError(lacking[0].upper() + lacking[1:] + ".")
        if not (series > 0).all():  # the claim is a change in per cent, which a month of zero cannot undergo
            name = claim.metric.replace("_", " ")
            raise DesignError(f"In {int((series <= 0).sum())} of {len(series)} months the {name} is not positive.")
        effect = its.estimate(series, policy_date, options=options)
        said = verdict(effect, claim)
        sentence = claims_text.sentence(said)
    except DesignError as error:
        sentence = f"{claim.source or claim.claim_id}: cannot be tested on these data. {error}"
    if lacking:
        return Tested(claim, series, None, None, sentence, float("nan"), chance, None)
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


@takes_days
def mirages(ledger: Ledger, policy_date: pd.Timestamp, end: pd.Timestamp, *, seed: int = 1) -> pd.DataFrame:
    """What makes a policy look good for free: naive and corrected figure of all five, where the data allow.

    Regression to the mean looks at the days late (90 at most) of the worst fifth of customers in the half-years around
    the policy; large losses at the year after it against the year before.

    Returns mirage, naive, corrected, unit, flag, why; a guard that the data cannot carry has its reason in why.
    """
    flows = kpi.monthly(ledger, end).set_index("month")
    paid = kpi.settlement(ledger, end)
    late = paid[paid["issue_date"] >= policy_date]
    tries: list[tuple[str, tuple[str, ...], Callable[[], guards.Guard]]] = [
        ("season", NEEDS["ar_turnover"], lambda: guards.season(_yearly_turnover(flows), policy_date)),
        (
            "growth against lagged losses",
            NEEDS["bad_debt_ratio"],
            lambda: guards.growth(flows["sales"], flows["written_off"], policy_date),
        ),
        (
            "closed-only payment times",
            knowledge.BEHAVIOUR,
            lambda: guards.closed_only(late["issue_date"], late["settled_on"], end),
        ),
        ("regression to the mean", knowledge.BEHAVIOUR, lambda: _worst_payers(paid, policy_date, end)),
        ("few large losses", ("write_offs",), lambda: _losses(ledger, policy_date, end, seed)),
    ]
    told, found, refused = knowledge.of(ledger, as_of=end), [], []
    for name, capabilities, ask in tries:
        try:
            if lacking := told.lack("this is", *capabilities):
                raise DesignError(lacking)
            found.append(ask())
        except DesignError as error:
            refused.append({"mirage": name, "why": str(error)})
    return pd.concat([guards.table(found), pd.DataFrame(refused)], ignore_index=True)


def _yearly_turnover(flows: pd.DataFrame) -> pd.Series:
    """Sales of each month times twelve over its ending balance; NaN where there is no such figure."""
    return pd.Series(kpi.formulas.turnover(12 * flows["sales"].to_numpy(), flows["balance"].to_numpy()), flows.index)


def _worst_payers(paid: pd.DataFrame, policy_date: pd.Timestamp, end: pd.Timestamp) -> guards.Guard:
    """Days late by customer in half-years: two before the policy and the one after it."""
    half = (paid["issue_date"] - policy_date).dt.days // 182
    late = (paid["settled_on"].fillna(end) - paid["due_date"]).dt.days.clip(0, _LATEST)
    panel = pd.DataFrame({"customer_id": paid["customer_id"], "month": half, "days_late": late})
    # Every invoice is seen to the same age; else older ones look later only because they were watched for longer.
    seen = half.between(-2, 0) & (paid["due_date"] + pd.Timedelta(days=_LATEST) <= end)
    return guards.regression_to_mean(panel[seen], signal="days_late", period=0)


def _losses(ledger: Ledger, policy_date: pd.Timestamp, end: pd.Timestamp, seed: int) -> guards.Guard:
    """Net write-offs and sales per customer, the year after the policy (as far as known) against as long before."""
    length = min(policy_date + pd.DateOffset(years=1), end + pd.Timedelta(days=1)) - policy_date
    owner = ledger.invoices.set_index("invoice_id")["customer_id"]
    gone = ledger.tables["write_offs"]
    parts = []
    for begin in (policy_date - length, policy_date):
        until = begin + length - pd.Timedelta(days=1)
        sold = ledger.invoices[ledger.invoices["issue_date"].between(begin, until)]
        part = (
            money.added(sold["amount"], sold["customer_id"], ledger.currency).clip(lower=0).rename("sales").to_frame()
        )
        rows = gone[gone["written_off_on"].between(begin, until)]
        lost = money.added(rows["amount"], looked_up(rows["invoice_id"], owner), ledger.currency).clip(lower=0)
        parts.append(part.join(lost.rename("loss"), how="outer").fillna(0.0))
    return guards.few_large_losses(*parts, rng=np.random.default_rng(seed))


def timing(tested: dict[str, Tested]) -> pd.DataFrame:
    """When each effect showed: claim, and in months after the policy date leaves_zero, estimate_in_band and
    interval_in_band, see `claims.time_to_effect`; missing where it has not, or nothing was estimated."""
    events = ["leaves_zero", "estimate_in_band", "interval_in_band"]
    rows = {
        name: time_to_effect(one.effect, one.claim).set_index("event")["months_after"]
        for name, one in tested.items()
        if one.effect
    }
    table = pd.DataFrame(rows, index=events, columns=list(tested)).T.astype(float)
    return table.rename_axis("claim").reset_index()


def table(tested: dict[str, Tested]) -> pd.DataFrame:
    """Claim, metric, claimed band, estimate and interval, detectable effect, naive change, chance (series
    twin, simulated portfolio), verdict."""
    rows = []
    for name, one in tested.items():
        low, high = one.claim.band
        effect = one.effect
        in_portfolio = one.portfolio.share_reached if one.portfolio else np.nan
        figures = (effect.estimate, effect.low, effect.high, effect.minimum_detectable) if effect else (np.nan,) * 4
        rows.append((name, one.claim.metric, low, high, *figures, one.naive, one.chance, in_portfolio, one.word))
    columns = ["claim", "metric", "claimed_low", "claimed_high", "estimate", "low", "high"]
    rest = ["minimum_detectable", "naive", "chance", "chance_in_portfolio", "verdict"]
    return pd.DataFrame(rows, columns=[*columns, *rest])
