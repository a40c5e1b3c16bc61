"""Row 4: what a policy would have done to a real ledger."""

from credit_lab.backtest.compare import STATEMENT, Duel, compare, duel, summary
from credit_lab.backtest.replay import Replay, replay

__all__ = ["STATEMENT", "Duel", "Replay", "compare", "duel", "replay", "summary"]
