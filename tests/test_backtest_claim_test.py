import numpy as np
import pandas as pd
import pytest

from credit_lab import policy as policies
from credit_lab import synthetic
from credit_lab.backtest import claim_test, metrics, placebo_portfolio
from credit_lab.backtest.claims import load_claims
from credit_lab.backtest.effects import DesignError
from credit_lab.errors import PeriodError
from credit_lab.ledger import Ledger

DAY, END = pd.Timestamp("2025-01-01"), pd.Timestamp("2025-12-31")
CLAIMS = load_claims("data/claims/process_guide.toml")


def ledger_of(firm, seed):
    made = synthetic.generate(firm, seed)
    nothing = pd.DataFrame()
    return Ledger(made.tables, nothing, nothing, "synthetic", pd.DataFrame(columns=["start", "end", "reason"]))


def test_the_sample_says_what_it_can_and_names_what_it_cannot(sample):
    tested = claim_test.run(sample, CLAIMS, DAY, end=END, seed=1)
    turnover, debt = tested["receivables_turnover"], tested["bad_debt_rate"]
    assert turnover.word in ("not distinguishable", "contradicted", "supported")
    assert turnover.effect.estimator == "its.hac"
    assert debt.word == "untestable"
    assert "months the bad debt ratio is not positive" in debt.sentence
    table = claim_test.table(tested).set_index("claim")
    assert table.loc["receivables_turnover", ["claimed_low", "claimed_high"]].tolist() == [0.15, 0.2]
    again = claim_test.run(sample, CLAIMS, DAY, end=END, seed=1)
    assert again["receivables_turnover"].chance == turnover.chance


def test_turnover_is_the_inverse_of_countback_dso(sample):
    from credit_lab import kpi

    series = metrics.ar_turnover(kpi.monthly(sample, END))
    assert series.iloc[-1] == pytest.approx(365 / kpi.kpis(kpi.monthly(sample, END))["dso.countback"])


def test_a_firm_without_any_effect_is_not_said_to_support_the_claim():
    words = []
    for seed in range(8):
        firm = synthetic.Firm(customers=150, months=36, change=synthetic.Change.none())
        tested = claim_test.run(ledger_of(firm, seed), CLAIMS, DAY, end=END, seed=seed)
        words.append(tested["receivables_turnover"].word)
    assert "supported" not in words


def test_mirages_stand_beside_their_corrections(sample):
    table = claim_test.mirages(sample, DAY, END).set_index("mirage")
    five = ("season", "growth against lagged losses", "closed-only payment times", "regression to the mean")
    assert set(table.index) == {*five, "few large losses"}
    # the worst payers of a half-year look better in the next one anyway
    assert table.loc["regression to the mean", "naive"] < table.loc["regression to the mean", "corrected"] < 0.05
    assert claim_test.mirages(sample, DAY, END).equals(claim_test.mirages(sample, DAY, END))
    # open invoices are counted as not yet paid, so the corrected payment time is not shorter
    assert table.loc["closed-only payment times", "corrected"] >= table.loc["closed-only payment times", "naive"]


def test_dates_outside_and_unknown_metrics_are_refused(sample):
    with pytest.raises(PeriodError, match=r"outside the months used, 20\d\d-\d\d-\d\d to 20"):
        claim_test.run(sample, CLAIMS, pd.Timestamp("2031-01-01"), end=END, seed=1)
    import dataclasses

    odd = {"x": dataclasses.replace(CLAIMS["bad_debt_rate"], metric="bad_debt_rati")}
    with pytest.raises(PeriodError, match="did you mean 'bad_debt_ratio'"):
        claim_test.run(sample, odd, DAY, end=END, seed=1)


def flows(after):
    """Two years of sales of 300 a month; receivables of 600, then `after`: countback DSO two months, then less."""
    month = pd.date_range("2024-01-31", periods=24, freq="ME")
    balance = np.where(np.arange(24) < 12, 600.0, after)
    return pd.DataFrame(
        {"month": month, "days": month.day, "sales": 300.0, "written_off": 0.0, "balance": balance}
    )  # fmt: skip


def test_placebo_histories_are_measured_as_the_firm_is():
    # Balances of 480 stand for 1.6 months of sales instead of 2: turnover +25 %; of 540 for 1.8: +11 %.
    claim = CLAIMS["receivables_turnover"]
    drawn = [flows(600.0), flows(540.0), flows(480.0), flows(480.0)]
    found = placebo_portfolio.from_portfolio(drawn, DAY, claim, observed=0.3)
    assert found.way == "portfolio"
    assert (found.share_reached, found.share_in_band) == (0.5, 0.0)
    assert sorted(found.draws.round(2)) == pytest.approx([0.0, 0.11, 0.25, 0.25], abs=0.03)  # months of 28 to 31 days
    import dataclasses

    with pytest.raises(DesignError, match="no metric 'dso'"):
        placebo_portfolio.from_portfolio(drawn, DAY, dataclasses.replace(claim, metric="dso"), observed=0.0)


def test_the_portfolio_twin_shows_what_chance_does_to_bad_debt(sample):
    """The series twin cannot answer for a ratio with zeros; the portfolio can, and a quarter of its histories fall by
    30 % or more with no policy at all (a third in a plain book of 500 customers)."""
    baseline = policies.load("data/policies/2025-baseline.toml")
    tested = claim_test.run(sample, CLAIMS, DAY, end=END, seed=1, policy=baseline, histories=60)
    debt, turnover = (tested[name].portfolio for name in ("bad_debt_rate", "receivables_turnover"))
    assert tested["bad_debt_rate"].placebo is None
    assert 0.15 < debt.share_reached < 0.55
    assert debt.share_in_band <= debt.share_reached
    assert turnover.share_reached < 0.05
    table = claim_test.table(tested).set_index("claim")
    assert table.loc["bad_debt_rate", "chance_in_portfolio"] == debt.share_reached
    drawn = placebo_portfolio.histories(sample, baseline, DAY, months=12, seed=1, draws=2)
    again = placebo_portfolio.histories(sample, baseline, DAY, months=12, seed=1, draws=2)
    assert all(a.equals(b) for a, b in zip(drawn, again, strict=True))
    assert drawn[0]["month"].iloc[[0, -1]].tolist() == [pd.Timestamp("2021-07-31"), END]
    with pytest.raises(DesignError, match="no portfolio twin before 2023-01-05"):
        placebo_portfolio.histories(sample, baseline, pd.Timestamp("2023-01-05"), months=12, seed=1)
