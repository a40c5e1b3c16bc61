"""Row 4: early warnings and their worth, contracts, customers' statements, shipping holds (监控与预警)."""
