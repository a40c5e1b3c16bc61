"""Rules of a policy for one case: by hand, and numbers, arrays and compiled loops alike."""

import itertools

import numba
import numpy as np
import pandas as pd
import pytest

from credit_lab import policy as policies
from credit_lab.rules import default, exposure, forms, grades, holds, ladder, limits, standing

BASELINE = policies.load("data/policies/2025-baseline.toml")
forms.for_loops()


# ---------------------------------------------------------------- one source
def compiled(rule, settings, number):
    """The rule for one case after the other, within a compiled loop."""
    names = [f"a{k}" for k in range(number)]
    first = "s, " if settings is not None else ""
    code = f"""
def loop(s, out, {", ".join(names)}):
    for k in range(len(out)):
        out[k] = rule({first}{", ".join(f"{name}[k]" for name in names)})
"""
    space = {"rule": rule}
    exec(code, space)  # a loop for any number of arguments
    return numba.njit(_nrt=False)(space["loop"])


def cases(rng, kinds, number=4000):
    draw = {
        "amount": lambda: rng.integers(0, 6, number) * 1000.0 + rng.integers(0, 2, number),
        "limit": lambda: np.where(rng.random(number) < 0.2, np.nan, rng.integers(0, 5, number) * 1000.0),
        "months": lambda: rng.integers(0, 15, number),
        "days": lambda: rng.integers(-20, 130, number),
        "count": lambda: rng.integers(0, 13, number),
        "flag": lambda: rng.random(number) < 0.5,
        "index": lambda: np.where(rng.random(number) < 0.2, np.nan, rng.integers(30, 90, number) * 1.0),
        "factor": lambda: rng.choice([0.0, 0.5, 1.5], number),
        "state": lambda: rng.integers(0, 6, number),
        "bits": lambda: rng.integers(0, 3, number),
        "since": lambda: np.where(rng.random(number) < 0.2, np.nan, rng.integers(0, 40, number) * 1.0),
    }
    return [draw[kind]() for kind in kinds.split()]


SETTINGS = {
    "holds": holds.holds(BASELINE), "limits": limits.limits(BASELINE), "grades": grades.grades(BASELINE),
    "ladder": ladder.ladder(BASELINE)._replace(pre_due_days=5), "default": default.default(BASELINE), "": None,
}  # fmt: skip
ALL = [
    (holds.held, "holds", "amount amount amount amount flag flag flag"),
    (holds.room, "holds", "amount amount"),
    (holds.released, "holds", "amount amount bits"),
    (grades.payment_index, "", "index"),
    (grades.grade, "grades", "index months"),
    (limits.annual_sales, "limits", "amount months"),
    (limits.sales_forecast, "", "amount days amount factor"),
    (limits.on_trial, "limits", "months count"),
    (limits.trial_limit, "limits", "count"),
    (limits.trial_ends, "limits", "days amount"),
    (limits.bound, "limits", "months count flag factor amount amount amount"),
    (limits.bounded, "limits", "bits count amount amount"),
    (limits.change, "limits", "limit amount months months flag flag flag"),
    (limits.next_limit, "", "count limit amount"),
    (ladder.stage_by_age, "ladder", "days"),
    (ladder.next_stage, "", "state state days flag"),
    (ladder.due_again, "", "state state since days"),
    (ladder.too_small, "ladder", "amount"),
    (default.material, "default", "amount amount"),
    (default.counted, "default", "state flag"),
    (default.in_default, "default", "state"),
    (exposure.exposure, "", "amount amount amount amount"),
]


@pytest.mark.parametrize(("rule", "settings", "kinds"), ALL, ids=lambda value: getattr(value, "__name__", ""))
def test_numbers_arrays_and_compiled_loops_agree(rule, settings, kinds):
    given, mine = cases(np.random.default_rng(1), kinds), SETTINGS[settings]
    first = () if mine is None else (mine,)
    whole = np.asarray(rule(*first, *given), dtype=float)
    out = np.full(len(given[0]), -99.0)
    compiled(rule, mine, len(given))(mine, out, *given)
    np.testing.assert_array_equal(whole, out)
    alone = [float(rule(*first, *(column[k] for column in given))) for k in range(300)]
    np.testing.assert_array_equal(whole[:300], alone)
    assert len(set(whole[~np.isnan(whole)])) > 1, "the cases tell nothing apart"


def test_every_rule_is_held_against_its_compiled_form():
    assert {rule for rule, _, _ in ALL} == set(forms._FORMS)


# ---------------------------------------------------------------- holds
def test_reasons_of_a_hold_by_hand():
    s = holds.holds(BASELINE, 100.0)  # cents; from 1,000.00 on, 10 % older than 90 days, above 50 % older than 45
    owed = 10_000_00
    ask = lambda overdue=0, old=0, late=0, valid=True, contract=True, alert=False: int(  # noqa: E731
        holds.held(s, owed, overdue, old, late, valid, contract, alert)
    )
    assert ask() == 0
    assert ask(overdue=1_000_00, old=1_000_00) == holds.OLD  # exactly 10 %, exactly the least amount
    assert ask(overdue=999_99, old=999_99) == 0
    assert ask(overdue=1_000_00, old=999_99) == 0  # a cent below 10 %
    assert ask(overdue=5_000_00, late=5_000_00) == 0  # 50 % is not above 50 %
    assert ask(overdue=5_000_01, late=5_000_01) == holds.SHARE
    assert ask(valid=False) == holds.EXPIRED
    assert ask(contract=False) == 0  # missing_contract is off
    assert ask(alert=True) == holds.ALERT
    strict = s._replace(missing_contract=True, expired_limit=False)
    assert int(holds.held(strict, owed, 0, 0, 0, False, False, True)) == holds.CONTRACT + holds.ALERT


def test_what_of_an_order_goes_out_by_hand():
    s = holds.holds(BASELINE, 100.0)  # utilisation 110 %
    assert holds.room(s, 1_000_00, 900_00) == 200_00
    assert holds.room(s, 33, 0) == 36  # 36.3 cents
    assert holds.room(s, 35, 0) == 39  # 38.5 cents
    assert holds.room(s, 1_000_00, 1_200_00) == 0
    assert holds.released(s, 200_00, 200_00, 0) == 200_00
    assert holds.released(s, 200_01, 200_00, 0) == 200_00
    assert holds.released(s._replace(partial_release=False), 200_01, 200_00, 0) == 0
    assert holds.released(s, 1, 200_00, holds.SHARE) == 0


# ---------------------------------------------------------------- limits
def test_formula_and_trial_by_hand():
    s = limits.limits(BASELINE)
    # 36,500 in three months (the third is its number 2): 146,000 a year
    assert limits.annual_sales(s, 36_500.0, 2) == 146_000
    assert limits.annual_sales(s._replace(growth=0.1), 36_500.0, 40) == pytest.approx(40_150)
    assert limits.annual_sales(s._replace(forecast_months=6), 36_500.0, 40) == 73_000
    # 146,000 / 365 × (60 + 30) × 2.5
    assert limits.sales_forecast(146_000.0, 60, 30.0, 2.5) == 90_000
    assert [float(limits.trial_limit(s, paid)) for paid in (0, 2, 3, 8)] == [1e5, 1e5, 2e5, 4e5]
    # three steps of three invoices: with nine paid in time, or six months of history, the formula decides
    assert [bool(limits.on_trial(s, 2, paid)) for paid in (0, 8, 9)] == [True, True, False]
    assert [bool(limits.on_trial(s, months, 0)) for months in (5, 6)] == [True, False]
    assert [bool(limits.trial_ends(s, *one)) for one in ((30, 1000), (29, 1000), (30, 999))] == [True, False, False]


def test_what_binds_a_limit_by_hand():
    s = limits.limits(BASELINE)
    ask = lambda months=12, paid=0, ended=False, multiple=1.0, annual=100.0, formula=50.0, cap=80.0: int(  # noqa: E731
        limits.bound(s, months, paid, ended, multiple, annual, formula, cap)
    )
    assert ask() == limits.FORMULA
    assert ask(formula=81.0) == limits.OWN_SALES
    assert ask(months=5) == limits.TRIAL
    assert ask(months=5, annual=0.0) == limits.TRIAL
    assert ask(months=5, paid=9) == limits.FORMULA
    assert ask(months=5, ended=True) == limits.TRIAL_ENDED
    assert ask(months=6, ended=True) == limits.FORMULA
    assert ask(multiple=0.0) == limits.NO_CREDIT
    assert ask(annual=0.0) == ask(annual=-5.0, multiple=0.0) == limits.INACTIVE
    # 123,456 in thousands; the cap binds; no credit is none
    assert limits.bounded(s, limits.FORMULA, 0, 123_456.0, 1e9) == 123_000
    assert limits.bounded(s, limits.OWN_SALES, 0, 123_456.0, 99_999.0) == 99_000
    assert limits.bounded(s, limits.TRIAL, 3, 0.0, 1.0) == 200_000
    assert [float(limits.bounded(s, what, 0, 1e6, 1e9)) for what in (3, 4, 5)] == [0, 0, 0]
    assert limits.bounded(s._replace(rounding=0.0), limits.FORMULA, 0, 123.4, 1e9) == 123.4


def test_what_a_review_makes_of_a_limit_by_hand():
    s = limits.limits(BASELINE)  # 15 %, three months, withdrawn after twelve
    ask = lambda old=100.0, wanted=120.0, since=9, quiet=0, due=True, called=False, trial=False: int(  # noqa: E731
        limits.change(s, old, wanted, since, quiet, due, called, trial)
    )
    assert ask(old=np.nan) == ask(old=-1.0) == limits.NEW
    assert ask() == limits.RAISED
    assert ask(wanted=115.0) == limits.RAISED  # exactly 15 %
    assert ask(wanted=114.0) == limits.SMALL
    assert ask(wanted=86.0) == limits.SMALL
    assert ask(wanted=85.0) == limits.CUT
    assert ask(since=2) == limits.EARLY
    assert ask(since=3) == limits.RAISED
    assert ask(wanted=50.0, since=0) == limits.CUT  # cuts never wait for the months
    assert ask(due=False) == ask(wanted=50.0, due=False) == limits.NOT_DUE
    assert ask(since=2, called=True) == ask(wanted=101.0, called=True) == limits.TRIGGERED
    assert ask(due=False, called=True) == limits.RAISED
    assert ask(since=0, due=False, trial=True) == limits.RAISED
    assert ask(wanted=100.0) == limits.SAME
    assert ask(wanted=100.0, due=False) == limits.NOT_DUE  # nobody looked
    assert ask(quiet=12, due=False) == limits.WITHDRAWN
    assert ask(quiet=11) == limits.RAISED
    assert ask(old=0.0, wanted=0.0, quiet=12) == limits.SAME
    made = [float(limits.next_limit(what, 7.0, 9.0)) for what in range(9)]
    #      new, withdrawn, triggered, raised, cut, same, early, small, not due
    assert made == [9, 0, 9, 9, 9, 7, 7, 7, 7]


def test_months_between_days_by_hand():
    day = pd.Timestamp("2025-12-31")
    then = pd.Series(pd.to_datetime(["2025-09-30", "2025-10-01", "2025-10-02", "2024-12-31", "2025-12-01"]))
    assert limits.months_since(then, day).tolist() == [3, 3, 2, 12, 1]
    assert limits.months_since(then[:1], pd.Timestamp("2025-12-28")).tolist() == [2]


# ---------------------------------------------------------------- standing limits
def asked(**days):
    rows = [(who, pd.Timestamp(day)) for who, several in days.items() for day in several]
    return pd.DataFrame(rows, columns=["holder", "day"])


def test_lasting_and_temporary_limits_by_hand():
    table = pd.DataFrame(
        [
            ("A", "2025-01-01", None, 100_000.0, ""),
            ("A", "2025-06-01", "2025-06-30", 30_000.0, "temporary: spring fair"),
            ("B", "2024-01-01", "2025-12-31", 50_000.0, ""),
            ("B", "2025-03-01", "2025-03-31", 80_000.0, "project"),
        ],
        columns=["customer_id", "valid_from", "valid_to", "credit_limit", "reason"],
    )
    table = table.assign(valid_from=pd.to_datetime(table["valid_from"]), valid_to=pd.to_datetime(table["valid_to"]))
    question = asked(A=["2024-12-31", "2025-05-31", "2025-06-01", "2025-06-30", "2025-07-01"],
                     B=["2025-02-28", "2025-03-31", "2025-04-01", "2026-01-01"], C=["2025-06-01"])  # fmt: skip
    found = standing.standing_limit(table, question)
    #   A before, alone, with 30,000 on the first and last day, alone again
    #   B lasting, the later one while it runs, the older again, run out; C never had one
    nan = float("nan")
    expected = [nan, 1e5, 1.3e5, 1.3e5, 1e5, 5e4, 8e4, 5e4, nan, nan]
    np.testing.assert_array_equal(found["credit_limit"], expected)
    assert found["known"].tolist() == [False, True, True, True, True, True, True, True, True, False]
    assert found["lasting"].tolist()[2] == 1e5
    shuffled = question.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(standing.standing_limit(table, shuffled).sort_index(), found)
    assert standing.standing_limit(None, question)["credit_limit"].isna().all()
    with pytest.raises(standing.StandingError, match="end before they begin"):
        standing.standing_limit(table.assign(valid_to=pd.Timestamp("2023-01-01")), question)


def test_the_group_holds_the_limit_where_it_has_one():
    people = pd.DataFrame({"customer_id": ["A", "B", "G", "X"], "group_id": ["G", "G", None, "H"]})
    table = pd.DataFrame({"customer_id": ["G", "A"]})
    assert standing.holder(people, table).to_dict() == {"A": "G", "B": "G", "G": "G", "X": "X"}
    assert standing.holder(people, None).to_dict() == {"A": "A", "B": "B", "G": "G", "X": "X"}
    nested = people.assign(group_id=["G", "G", "H", "H"])
    with pytest.raises(standing.StandingError, match="topmost"):
        standing.holder(nested, table)


# ---------------------------------------------------------------- ladder, exposure
def test_the_next_stage_by_hand():
    s = ladder.ladder(BASELINE)._replace(pre_due_days=5)  # from days 1, 31, 61, 91
    ages = [int(ladder.stage_by_age(s, days)) for days in (-6, -5, 0, 1, 30, 31, 91, 400)]
    assert ages == [0, -1, -1, 1, 1, 2, 4, 4]
    assert int(ladder.stage_by_age(s._replace(pre_due_days=0), 0)) == 0
    # however old, one step after the other; a first run may skip where it is allowed to
    assert [int(ladder.next_stage(4, last, 100, False)) for last in (0, 1, 3, 4)] == [1, 2, 4, 4]
    assert int(ladder.next_stage(4, 0, 100, True)) == 4
    assert int(ladder.next_stage(1, 2, 5, False)) == 2  # a stage taken stays
    assert int(ladder.next_stage(0, 0, 0, False)) == 0
    assert int(ladder.next_stage(-1, 0, -3, False)) == -1
    assert [bool(ladder.due_again(2, last, 9.0, 10)) for last in (1, 2)] == [True, False]
    assert bool(ladder.due_again(2, 2, 10.0, 10))
    assert bool(ladder.due_again(2, 2, float("nan"), 10))
    assert [bool(ladder.due_again(-1, 0, since, 0)) for since in (float("nan"), 3.0)] == [True, False]
    assert [bool(ladder.too_small(s, due)) for due in (499.99, 500.0)] == [True, False]


def test_exposure_by_hand():
    assert exposure.exposure(100.0, 20.0, 30.0, 15.0) == 135.0


# ---------------------------------------------------------------- default
def test_events_month_by_month_by_hand():
    s = default.default(BASELINE)  # above 4,000 and above 1 %, two month ends, cured after three without
    assert not default.material(s, 4_000.0, 10_000.0)
    assert default.material(s, 4_001.0, 10_000.0)
    assert not default.material(s, 5_000.0, 500_000.0)  # exactly 1 %
    late = np.array([[int(sign) for sign in "0101100011000"]], dtype=bool)
    #  one month end is not two; at the second it begins; it ends with the third without
    assert "".join(str(int(x)) for x in default.over_months(s, late)[0]) == "0000111001110"
    again = np.array([[int(sign) for sign in "110010000"]], dtype=bool)  # late again before it was cured
    assert "".join(str(int(x)) for x in default.over_months(s, again)[0]) == "011111100"
    for size in range(1, 8):
        for signs in itertools.product([False, True], repeat=size):
            grid = np.array([signs])
            once = s._replace(month_ends=1, cure_months=0)
            np.testing.assert_array_equal(default.over_months(once, grid), grid)
