"""Credit limit methods: one small function each, arrays in, limits out."""

import numpy as np
import numpy.typing as npt


def sales_forecast(
    annual_sales: npt.ArrayLike,
    term_days: npt.ArrayLike,
    *,
    tolerated_delay_days: float = 0.0,
    peak_factor: float = 1.0,
) -> npt.NDArray[np.float64]:
    """Limit by the sales-forecast method (销售预测法).

    limit = forecast annual credit sales / 365 × (term + tolerated delay) × peak factor; never below zero.

    >>> float(sales_forecast(365_000, 60, tolerated_delay_days=15, peak_factor=1.2))
    90000.0
    """
    days = np.asarray(term_days, dtype=float) + tolerated_delay_days
    return np.maximum(np.asarray(annual_sales, dtype=float), 0.0) / 365.0 * days * peak_factor
