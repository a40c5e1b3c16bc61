"""Row 4: early warnings and their worth, contracts, customers' statements, shipping holds (监控与预警)."""

from credit_lab import lazy

__all__ = ["alerts", "contracts", "holds", "positions", "signals", "statements"]

lazy.attach(__name__)
