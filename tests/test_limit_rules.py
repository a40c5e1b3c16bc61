"""Limits by the policy's settings: forecast months, trials, methods, rhythm; numbers by hand."""

import numpy as np
import pandas as pd
import pytest

from credit_lab import limits
from credit_lab import policy as policies
from credit_lab.limits.exposures import LimitsError
from tests.test_backtest_replay import changed

BASELINE = policies.load("data/policies/2025-baseline.toml")
LAST = pd.Timestamp("2025-06-30")


def rows(sales, customer="A", months=24, **signals):
    """History of one customer that ends in June 2025: sales by month, the last one last."""
    count = len(sales)
    row = {
        "month": pd.date_range(end=LAST, periods=count, freq="ME"),
        "customer_id": customer,
        "sales": sales,
        "months_on_book": np.arange(months - count + 1, months + 1),
        "payment_index": 70.0,  # grade A: multiple 1, 60 days
        "paid_in_time": 30,
        "overdue": 0.0,
        "max_dpd": 0.0,
        "high_credit": 0.0,
    }
    return pd.DataFrame(row | signals)


def ask(history, evidence=None, **sections):
    policy = changed(BASELINE, limits={"max_share_of_sales": 1.0} | sections.pop("limits", {}), **sections)
    return limits.propose(history, policy, LAST, evidence=evidence).set_index("customer_id").loc["A"]


def test_the_forecast_looks_at_its_months():
    # 73,000 a month in the last three, half of it in nine before: 547,500 in a year, or 219,000 x 4 = 876,000 as of
    # three months. A day: 1,500 and 2,400; 60 + 30 days, peak 2.5: 337,500 and 540,000, in thousands.
    history = rows([36_500.0] * 9 + [73_000.0] * 3)
    assert ask(history)["credit_limit"] == 337_000
    assert ask(history, limits={"forecast_months": 3})["credit_limit"] == 540_000
    assert ask(history, limits={"forecast_months": 3, "growth": 0.5})["credit_limit"] == 810_000
    with pytest.raises(LimitsError, match="needs 13 months of history, of 1 customers"):
        ask(history, limits={"forecast_months": 13})
    # young customers are brought to a year by the months they have: 146,000 in two months
    assert ask(rows([73_000.0] * 2, months=1), grades={"min_months": 1})["credit_limit"] == 540_000


def test_a_trial_ends_by_its_steps_or_for_good():
    trial = {"first_limit": 1000.0, "step_invoices": 3, "steps": 2, "step_factor": 2.0, "stop_dpd": 30}
    holds = {"min_overdue": 500.0}

    def young(**signals):
        found = ask(rows([73_000.0] * 4, months=3, **signals), trial=trial, holds=holds, limits={"rounding": 0.0})
        return found["method"], found["binding_constraint"], found["credit_limit"]

    assert young(paid_in_time=2) == ("trial", "trial", 1000)
    assert young(paid_in_time=5) == ("trial", "trial", 2000)
    # all steps taken: the formula with the newcomers' grade B, 2,400 a day x (45 + 30) x 2.5 x 0.75
    assert young(paid_in_time=6) == ("sales_forecast", "sales forecast", 337_500)
    # 30 days late with 500 or more, two months ago: over, though it has paid since
    late = {"paid_in_time": 2, "max_dpd": [0.0, 30, 0, 0]}
    assert young(**late, overdue=[0.0, 500, 0, 0]) == ("trial", "trial ended", 0)
    assert young(**late, overdue=[0.0, 499, 0, 0]) == ("trial", "trial", 1000)
    # with the history a grade asks for, the customer is judged by it
    late = {"max_dpd": [0.0, 30] + [0.0] * 6, "overdue": [0.0, 500] + [0.0] * 6}
    grown = ask(rows([73_000.0] * 8, months=7, **late), trial=trial, holds=holds)
    assert (grown["binding_constraint"], grown["credit_limit"]) == ("sales forecast", 540_000)


def test_the_end_of_a_trial_has_its_own_code():
    trial = {"first_limit": 1000.0, "stop_dpd": 30}
    history = rows([73_000.0] * 4, months=3, max_dpd=40.0, overdue=5000.0, paid_in_time=0)
    force = pd.DataFrame({"customer_id": ["A"], "credit_limit": [1000.0], "changed_on": [pd.Timestamp("2025-06-30")]})
    found = limits.review(history, changed(BASELINE, trial=trial), LAST, in_force=force).decisions.iloc[0]
    assert (found["change"], found["code"], found["credit_limit"]) == ("withdraw", "C6", 0)


def test_every_method_can_be_the_policys_own():
    history = rows([73_000.0] * 12, high_credit=90_000.0)
    # a tenth of a net worth of 1,234,567, in thousands; without a statement the forecast of 540,000, and why
    worth = pd.DataFrame({"customer_id": ["A"], "net_worth": [1_234_567.0]})
    found = ask(history, worth, limits={"method": "net_worth"})
    assert found[["credit_limit", "method", "binding_constraint"]].tolist() == [123_000, "net_worth", "net worth"]
    assert found["reason"] == "the policy's method of limits"
    unknown = worth.assign(net_worth=np.nan)
    for nothing, why in ((None, "no net_worth in the evidence"), (unknown, "net_worth is not known")):
        found = ask(history, nothing, limits={"method": "net_worth"})
        assert found[["credit_limit", "method"]].tolist() == [540_000, "sales_forecast"]
        assert found["reason"] == f"{why}; sales forecast instead"
    # what the history knows needs no evidence: 90,000 x (70 - 40) / 40 = 67,500
    assert ask(history, limits={"method": "payment_history"})["credit_limit"] == 67_000
    # a grade without credit gets none by any method (limit_multiple 0 of D)
    worst = ask(rows([73_000.0] * 12, payment_index=1.0), worth, limits={"method": "net_worth"})
    assert worst[["credit_limit", "binding_constraint"]].tolist() == [0, "grade"]


def test_between_reviews_only_what_never_waits_is_decided():
    """A old customer, N a newcomer with the next step earned, Q quiet for a year; limits changed this month."""
    history = pd.concat(
        [
            rows([73_000.0] * 13),
            rows([1000.0] * 3, "N", months=2, paid_in_time=3),
            rows([1.0] + [0.0] * 12, "Q"),
        ],
        ignore_index=True,
    )
    policy = changed(BASELINE, limits={"max_share_of_sales": 1.0}, trial={"first_limit": 1000.0, "step_invoices": 3})
    policy = changed(policy, limits={"rounding": 0.0})
    panel = limits.proposals.Panel.of(history)
    force = pd.DataFrame({"customer_id": ["A", "N", "Q"], "credit_limit": [1e6, 1000.0, 5.0], "changed_on": LAST})
    between, review = (
        limits.quarterly.decide(panel.at(policy, LAST), policy, in_force=force, due=due) for due in (False, True)
    )
    assert between["code"].tolist() == ["K4", "R2", "W1"]
    assert between["credit_limit"].tolist() == [1e6, 2000, 0]
    assert between["expires_on"].isna().tolist() == [True, False, False]
    assert review["code"].tolist() == ["C1", "R2", "W1"]
    assert (review["expires_on"] == pd.Timestamp("2026-06-30")).all()
    kept = limits.review(history, policy, LAST, in_force=force).decisions
    pd.testing.assert_frame_equal(kept, review)
