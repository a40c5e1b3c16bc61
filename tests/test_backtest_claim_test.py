import pandas as pd
import pytest

from credit_lab import synthetic
from credit_lab.backtest import claim_test
from credit_lab.backtest.claims import load_claims
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
    assert "zero or negative" in debt.sentence
    table = claim_test.table(tested).set_index("claim")
    assert table.loc["receivables_turnover", ["claimed_low", "claimed_high"]].tolist() == [0.15, 0.2]
    again = claim_test.run(sample, CLAIMS, DAY, end=END, seed=1)
    assert again["receivables_turnover"].chance == turnover.chance


def test_turnover_is_the_inverse_of_countback_dso(sample):
    from credit_lab import kpi

    series = claim_test.ar_turnover(kpi.monthly(sample, END))
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
    assert {"season", "growth against lagged losses", "closed-only payment times"} == set(table.index)
    # open invoices are counted as not yet paid, so the corrected payment time is not shorter
    assert table.loc["closed-only payment times", "corrected"] >= table.loc["closed-only payment times", "naive"]


def test_dates_outside_and_unknown_metrics_are_refused(sample):
    with pytest.raises(PeriodError, match="lies outside the months"):
        claim_test.run(sample, CLAIMS, pd.Timestamp("2031-01-01"), end=END, seed=1)
    import dataclasses

    odd = {"x": dataclasses.replace(CLAIMS["bad_debt_rate"], metric="bad_debt_rati")}
    with pytest.raises(PeriodError, match="did you mean 'bad_debt_ratio'"):
        claim_test.run(sample, odd, DAY, end=END, seed=1)
