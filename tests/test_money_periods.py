import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_lab import money, periods
from credit_lab.errors import LedgerError, PeriodError


@given(st.lists(st.integers(-(10**15), 10**15), min_size=1, max_size=20), st.sampled_from(["CNY", "JPY", "KWD"]))
def test_minor_units_survive_the_round_trip(minor, currency):
    units = pd.Series(money.from_minor(minor, currency))
    assert not money.off_grid(units, currency).any()
    assert money.to_minor(units, currency).tolist() == minor


def test_off_grid_sees_a_third_decimal_but_not_binary_rounding():
    amounts = pd.Series([0.1 + 0.2, 12.345, 1e9 + 0.01, 33.0])
    assert money.off_grid(amounts, pd.Series(["USD", "USD", "USD", "JPY"])).tolist() == [False, True, False, False]
    assert money.off_grid(pd.Series([33.5]), "JPY").tolist() == [True]


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e15])
def test_to_minor_refuses_what_it_cannot_hold(value):
    with pytest.raises(LedgerError, match="minor units"):
        money.to_minor(pd.Series([value]), "USD")


def test_periods_cover_leap_years_and_year_ends():
    assert periods.parse_period("2024").days == 366
    assert periods.parse_period("2024-02").end == pd.Timestamp("2024-02-29")
    assert periods.parse_period("2025-01").previous().label == "2024-12"
    assert periods.parse_period("2025").previous().start == pd.Timestamp("2024-01-01")


@pytest.mark.parametrize("text", ["2025Q5", "2025-13", "25Q1", "", "2025Q4 ", "../2025Q4"])
def test_a_malformed_period_is_refused_with_the_forms(text):
    with pytest.raises(PeriodError, match="2025Q4"):
        periods.parse_period(text)


@pytest.mark.parametrize("text", ["31.12.2025", "2025-02-30", "2025"])
def test_a_malformed_date_is_refused(text):
    with pytest.raises(PeriodError, match="2025-12-31"):
        periods.parse_date(text)
