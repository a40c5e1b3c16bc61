"""Which engine of the product reads which setting of a policy, in one table."""

from collections.abc import Mapping

import pandas as pd

from credit_lab import history
from credit_lab.aging import buckets
from credit_lab.backtest import replaying
from credit_lab.cockpit import trial
from credit_lab.collection import ladder
from credit_lab.evaluation import composite
from credit_lab.investigation import files
from credit_lab.limits import authority, comparison, portfolio, quarterly, terms
from credit_lab.monitoring import alerts, contracts, holds
from credit_lab.policy import Policy, diff
from credit_lab.rules import coverage
from credit_lab.simulation import regime
from credit_lab.studies import losses, review, twin
from credit_lab.transfer import insurance

ENGINES: Mapping[str, tuple[str, ...]] = {
    "ageing": buckets.READS,
    "allowance": losses.READS,
    "default events": history.READS,
    "credit files": files.READS,
    "evaluation": composite.READS,
    "limit review": quarterly.READS,
    "limit methods": comparison.READS,
    "authority": authority.READS,
    "portfolio": portfolio.READS,
    "transfer": insurance.READS,
    "terms": terms.READS,
    "alerts": alerts.READS,
    "contracts": contracts.READS,
    "holds": holds.READS,
    "collection": ladder.READS,
    "verdicts": review.READS,
    "replay": replaying.READS,
    "simulation": regime.READS,
    "cockpit": trial.READS,
    "year ahead": twin.READS,
}


def matrix() -> pd.DataFrame:
    """setting, then a column per engine: whether it reads the setting."""
    names = coverage.settings()
    found = {engine: [coverage.reads(patterns, one) for one in names] for engine, patterns in ENGINES.items()}
    return pd.DataFrame({"setting": names, **found})


def places(a: Policy, b: Policy) -> set[str]:
    """The settings in which two policies differ, without labels of lists."""
    return set(coverage.places(diff(a, b)))


def felt(a: Policy, b: Policy) -> pd.DataFrame:
    """`policy.diff` with felt_by: the engines that read the setting, joined by commas."""
    table = diff(a, b)
    engines = [
        ", ".join(engine for engine, of in ENGINES.items() if coverage.reads(of, place))
        for place in coverage.places(table)
    ]
    return table.assign(felt_by=engines)
