"""Row 3: who gets how much credit, by which method, and why.

`sales_forecast` is one method, `propose` applies a policy to the history table of one month.
"""

from credit_lab.limits.methods import sales_forecast
from credit_lab.limits.review import propose

__all__ = ["propose", "sales_forecast"]
