"""Row 5: reviews and backtests as reports; the same tables in notebook, HTML and CSV."""

from credit_lab.report.losses import Losses, losses
from credit_lab.report.review import Review, require_period, review
from credit_lab.report.run import Report, parameters_of, run

__all__ = ["Losses", "Report", "Review", "losses", "parameters_of", "require_period", "review", "run"]
