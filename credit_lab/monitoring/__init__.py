"""Row 4: early warnings and their worth, contracts, customers' statements, shipping holds (监控与预警)."""

from typing import TYPE_CHECKING

from credit_lab import lazy

if TYPE_CHECKING:
    from credit_lab.monitoring import alerts, contracts, holds, signals, statements

__all__ = ["alerts", "contracts", "holds", "signals", "statements"]

lazy.attach(__name__)
