"""Row 5: reviews and backtests as reports; the same tables in notebook, HTML and CSV."""

from credit_lab.report.review import Review, require_period, review
from credit_lab.report.run import Report, parameters_of, run

__all__ = ["Report", "Review", "parameters_of", "require_period", "review", "run"]
