"""Row 4: did the policy do it, and what would another have done? Replay, effect estimators, designs, claims, guards.

Every estimator (`its`, `did`, `synthetic_control`, `discontinuity`, `randomised`, `off_policy`) returns the same
`effects.Effect`; `claims.verdict` sets it against a claimed band.
"""

from credit_lab import lazy
from credit_lab.backtest.comparison import STATEMENT, Duel, compare, duel, last_whole_month, summary
from credit_lab.backtest.replaying import Replay, replay

__all__ = ["STATEMENT", "Duel", "Replay", "compare", "duel", "last_whole_month", "replay", "summary"]

__getattr__ = lazy.modules(__name__, ("claim_test", "claims", "registration"))
