"""Row 6: did the policy do it, and what would another have done? Replay, effect estimators, designs, claims, guards.

Every estimator (`its`, `did`, `synthetic_control`, `discontinuity`, `randomised`, `off_policy`) returns the same
`effects.Effect`; `claims.verdict` sets it against a claimed band.
"""

from credit_lab import lazy
from credit_lab.backtest.comparison import (
    STATEMENT,
    ChampionChallenger,
    champion_challenger,
    compare,
    last_whole_month,
    summary,
)
from credit_lab.backtest.replaying import Replay, replay

__all__ = [
    "STATEMENT",
    "ChampionChallenger",
    "Replay",
    "champion_challenger",
    "claim_test",
    "claims",
    "compare",
    "design",
    "did",
    "discontinuity",
    "effects",
    "forecast_checks",
    "guards",
    "its",
    "last_whole_month",
    "metrics",
    "off_policy",
    "placebo",
    "randomised",
    "registration",
    "replay",
    "summary",
    "synthetic_control",
]

lazy.attach(__name__)
