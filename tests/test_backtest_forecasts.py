import numpy as np
import pandas as pd
import pytest

from credit_lab.backtest import forecast_checks as fc
from credit_lab.backtest.effects import DesignError


def test_binomial_interval_is_the_exact_one():
    from scipy import stats

    for hits, trials in ((0, 20), (3, 20), (20, 20), (812, 1000)):
        peer = stats.binomtest(hits, trials).proportion_ci(method="exact")
        assert fc.binomial_interval(hits, trials) == pytest.approx((peer.low, peer.high), abs=1e-12)
    assert all(np.isnan(fc.binomial_interval(0, 0)))


def forecasts():
    made = pd.Timestamp("2024-12-31")
    return pd.DataFrame(
        {
            "made_on": [made] * 4 + [pd.Timestamp("2025-03-31")] * 2,
            "low": [0.0, 0, 0, 0, 0, 0],
            "median": [5.0, 5, 5, 5, 5, 5],
            "high": [10.0, 10, 10, 10, 10, 10],
            "naive": [9.0, 9, 9, 9, 9, 9],
            "observed": [5.0, 7, 12, 5, np.nan, np.nan],
        }
    )


def test_review_of_earlier_forecasts_worked_by_hand():
    table = fc.review(forecasts())
    # Only December is known: 3 of 4 inside; errors 0, 2, 7, 0 = 2.25; naive 4, 2, 3, 4 = 3.25; skill 1 - 2.25 / 3.25.
    assert len(table) == 1
    row = table.iloc[0]
    assert (row["forecasts"], row["coverage"], row["width"], row["error"], row["naive_error"]) == (
        4,
        0.75,
        10,
        2.25,
        3.25,
    )
    assert row["skill"] == pytest.approx(1 / 3.25)
    assert row["ok"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fc.review(forecasts().drop(columns="naive")), "lack naive"),
        (lambda: fc.review(forecasts().assign(observed=np.nan)), "nothing has been observed"),
        (lambda: fc.pinball(np.array([1.0]), np.array([1.0]), level=80), "between 0 and 1"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(DesignError, match=message):
        call()
