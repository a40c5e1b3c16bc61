"""Placebo from the portfolio's twin: the firm's customers simulated order by order under the policy it had before.

The series twin (`placebo.from_twin`) knows the months of one figure; this one knows customers, orders, payments and
defaults, so chance changes of a metric come from the few large customers the firm really has.
"""

import pandas as pd

from credit_lab import simulation
from credit_lab.backtest.claims import Claim
from credit_lab.backtest.effects import DesignError
from credit_lab.backtest.metrics import METRICS
from credit_lab.backtest.placebo import Measure, Placebo, change_of_means, summarise
from credit_lab.errors import CreditLabError
from credit_lab.ledger.model import Ledger
from credit_lab.policy import Policy, in_currency

# of the simulated histories: the countback and the measure look back up to 18; write-offs follow failures by up to 24
# months (`simulation.calibrate`), and a history that began later would show their start-up as a rise of bad debt
MONTHS_BEFORE = 18 + 24


def histories(
    ledger: Ledger, policy: Policy, policy_date: pd.Timestamp, *, months: int, seed: int, draws: int = 100
) -> list[pd.DataFrame]:
    """Monthly flows (as `kpi.monthly` gives them) of simulated histories in which the policy never changes.

    The world is calibrated (`simulation.calibrate`) on what was known the day before `policy_date`, and drawn anew with
    the uncertainty of its parameters for each history, so they differ by chance and by what is not known well.

    Parameters
    ----------
    policy : the rules in force before `policy_date`; they stay in force
    months : simulated from `policy_date` on

    Raises
    ------
    DesignError
        The ledger is too thin to calibrate a world before the policy.
    """
    first = (policy_date - pd.DateOffset(months=MONTHS_BEFORE)).normalize().replace(day=1)
    last = policy_date + pd.DateOffset(months=months) - pd.Timedelta(days=1)
    span = simulation.Span(start=first, days=(last - first).days + 1)
    try:
        policy = in_currency(policy, ledger.currency)
        learned = simulation.calibrate(ledger, policy, policy_date - pd.Timedelta(days=1))
        rules = simulation.of_policy(policy, learned.world.customers)
        worlds = learned.draw(draws, seed=seed)
        run = simulation.simulate(worlds, rules, span, seed=seed, replicates=draws)
    except CreditLabError as error:
        raise DesignError(f"placebo: no portfolio twin before {policy_date.date()}: {error}") from error
    # what came back is not in the simulated write-offs, so these are net already
    rows = run.monthly.assign(days=run.monthly["month"].dt.days_in_month, balance=run.monthly["open"])
    return [part.reset_index(drop=True) for _, part in rows.groupby("replicate")]


def from_portfolio(
    flows: list[pd.DataFrame],
    policy_date: pd.Timestamp,
    claim: Claim,
    *,
    observed: float,
    measure: Measure = change_of_means,
) -> Placebo:
    """The measure on every simulated history (`histories`); `observed` is the same measure of the real months.

    Raises
    ------
    DesignError
        The claim's metric is not known here.
    """
    if claim.metric not in METRICS:
        raise DesignError(f"placebo: no metric {claim.metric!r}; there are {', '.join(METRICS)}")
    changes = [measure(METRICS[claim.metric](one), policy_date) for one in flows]
    return summarise("portfolio", changes, observed, claim)
