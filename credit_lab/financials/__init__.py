"""Row 3: statements of customers: ratios with formula ids, percentiles within the industry, trends, distress scores."""

from credit_lab import lazy
from credit_lab.financials.distress_scores import SCORES, distress
from credit_lab.financials.ratio_analysis import RATIOS, latest, percentiles, ratios, trends

__all__ = ["RATIOS", "SCORES", "distress", "latest", "percentiles", "ratios", "trends"]

lazy.attach(__name__)
