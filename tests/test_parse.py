import numpy as np
import pandas as pd
import pytest

from credit_lab.ledger import parse
from credit_lab.ledger.mapping import Formats


def numbers(cells, **formats):
    values, bad = parse.column(pd.Series(cells, dtype="str"), "money", Formats(**formats))
    return values.tolist(), bad.tolist()


def test_plain_numbers_refuse_what_they_cannot_be_sure_of():
    values, bad = numbers(["12.30", "-5", "7-", "(4.5)", "1e3", "12,3x", "1,234.50", "", "nan", "1.2.3", "+-5"])
    assert values[:5] == [12.3, -5.0, -7.0, -4.5, 1000.0]
    assert bad == [False] * 5 + [True, True, False, True, True, True]


@pytest.mark.parametrize(
    ("text", "decimal", "grouping", "value"),
    [
        ("1.234,56", ",", ".", 1234.56),  # German
        ("4,39,870.28", ".", ",", 439870.28),  # Indian lakh grouping
        ("1 234 567,8", ",", " ", 1234567.8),  # French
        ("1'234.50", ".", "'", 1234.5),  # Swiss
        ("1234,56-", ",", ".", -1234.56),  # SAP trailing minus
    ],
)
def test_grouped_and_decimal_comma_numbers(text, decimal, grouping, value):
    assert numbers([text], decimal=decimal, grouping=grouping) == ([value], [False])


@pytest.mark.parametrize("text", ["1,2,3", "1,23", ",123", "1,2345"])
def test_a_group_of_the_wrong_length_is_refused(text):
    assert numbers([text], grouping=",")[1] == [True]


@pytest.mark.parametrize(
    ("text", "form", "day"),
    [
        ("2025-03-04", "iso", "2025-03-04"),
        ("2025-03-04 17:30:00", "iso", "2025-03-04"),
        ("3/4/2025", "month-first", "2025-03-04"),
        ("3/4/2025", "day-first", "2025-04-03"),
        ("04.03.2025", "day-first", "2025-03-04"),
        ("04MAR25", "%d%b%y", "2025-03-04"),
    ],
)
def test_dates_are_read_in_the_stated_order(text, form, day):
    values, bad = parse.column(pd.Series([text], dtype="str"), "date", Formats(date=form))
    assert values.tolist() == [pd.Timestamp(day)]
    assert not bad.any()


def test_an_impossible_day_and_a_foreign_order_are_bad_cells():
    _, bad = parse.column(pd.Series(["2025-02-30", "31/12/2025", ""], dtype="str"), "date", Formats())
    assert bad.tolist() == [True, True, False]


def test_typed_columns_pass_through_and_infinite_is_bad():
    values, bad = parse.column(pd.Series([1.5, np.inf, np.nan]), "money", Formats())
    assert values.tolist()[0] == 1.5
    assert bad.tolist() == [False, True, False]
    ids, _ = parse.column(pd.Series([7.0, np.nan]), "id", Formats())
    assert ids.tolist()[0] == "7"
    days, bad = parse.column(pd.Series(["30", "30.5"], dtype="str"), "days", Formats())
    assert days[0] == 30
    assert bad.tolist() == [False, True]
    flags, bad = parse.column(pd.Series(["yes", "0", "maybe", ""], dtype="str"), "flag", Formats())
    assert flags.tolist()[:2] == [True, False]
    assert bad.tolist() == [False, False, True, False]


def test_numbers_beyond_whole_ones_are_no_days_and_stay_ids():
    days, bad = parse.column(pd.Series([30.0, 1e300]), "days", Formats())
    assert days.isna().tolist() == [False, True]
    assert bad.tolist() == [False, True]
    ids, bad = parse.column(pd.Series([2.0**63, 12.0]), "id", Formats())
    assert ids.tolist() == ["9.223372036854776e+18", "12"]  # each cell for itself
    assert not bad.any()
