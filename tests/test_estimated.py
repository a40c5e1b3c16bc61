"""What is estimated by a rule is marked, and says how much hangs on the rule; what falls due needs no payment times."""

import pandas as pd
import pytest

from credit_lab import knowledge, kpi, ledger, studies
from credit_lab import policy as policies
from credit_lab.errors import NotKnown
from credit_lab.studies import cash, credit_files
from tests.ledgers import invoice, payment

DAY = pd.Timestamp("2024-03-31")
BASELINE = policies.load("data/policies/2025-baseline.toml")


@pytest.fixture
def folder(write_ledger):
    """Three invoices, and 120 received on 1 March that names none and is no invoice's amount."""
    return write_ledger(
        invoices=[
            invoice("I1", "A", issued="2024-01-10", due="2024-02-09", amount=100.0),
            invoice("I2", "A", issued="2024-02-09", due="2024-03-10", amount=100.0),
            invoice("I3", "A", issued="2024-02-20", due="2024-04-30", amount=150.0),
        ],
        payments=[payment("P1", "A", "2024-03-01", 120.0)],
    )


@pytest.fixture
def estimated(folder, tmp_path):
    mapping = tmp_path / "rule.toml"
    mapping.write_text('[source]\nmatch = "earliest-due"\n', encoding="utf-8")
    return ledger.read(folder, mapping)


def test_how_much_hangs_on_the_rule(estimated):
    """By earliest due date I1 is settled, 80 of I2 are left: 80 of 230 overdue, 21 days. By latest due date 30 of
    I3 are left, I1 and I2 are open: 200 of 230, 51 days."""
    found = kpi.by_rule(estimated, DAY)
    assert found["rule"].tolist() == ["earliest-due", "latest-due"]
    assert found["overdue"].tolist() == [80.0, 200.0]
    assert found["overdue_ratio"].tolist() == pytest.approx([80 / 230, 200 / 230])
    assert found["oldest_days"].tolist() == [21, 51]


def test_books_that_match_themselves_hang_on_no_rule(sample):
    assert kpi.by_rule(sample, pd.Timestamp("2025-12-31")).empty


def test_a_review_marks_what_is_estimated(estimated):
    made = studies.review.review(estimated, BASELINE, "2024Q1")
    state = made.kpis.set_index("formula_id")["state"]
    assert state["overdue_ratio"] == state["days_to_pay.closed_mean"] == "estimated"
    assert state["concentration.largest"] == "known"  # balances are the same by every rule
    assert state["bad_debt_ratio.period"] == state["add"] == "not known"
    said = studies.text.headline(made)["owed"]
    assert "34.8% of open invoices were overdue." in said
    assert "It is estimated: 100.0% of receipts are matched (by earliest due date: 100.0%)." in said
    assert said.endswith("With debts due last settled first it is 87.0%.")


def test_without_a_rule_the_rest_of_the_review_stands(folder):
    book = ledger.read(folder)
    made = studies.review.review(book, BASELINE, "2024Q1")
    assert "overdue is not known: 100.0% of receipts are matched to no invoice" in studies.text.headline(made)["owed"]
    with pytest.raises(NotKnown, match=r"what is overdue is not known: .*bring the matching"):
        made.overdue  # noqa: B018
    assert "overdue" not in made.tables() and "balances" in made.tables()
    with pytest.raises(AttributeError, match="has no 'overdu'"):
        made.overdu  # noqa: B018


def test_books_of_three_months_whose_beginning_nobody_knows_have_no_dso(estimated):
    figures, why = kpi.measured(estimated, kpi.monthly(estimated, DAY))
    assert why["dso.period_end"].startswith("the balance before 2024-01-10 is not known")
    assert pd.isna([figures[name] for name in ("dso.period_end", "dso.countback", "add", "cei")]).all()
    assert figures["overdue_ratio"] == pytest.approx(80 / 230)


def test_what_falls_due_adds_up_to_what_is_open(estimated):
    """On Sunday 31 March 80 are overdue; 150 are due on Tuesday 30 April, in the week to 5 May."""
    made = cash.falls_due(estimated, DAY, weeks=5).set_index("when")
    assert made.loc[["overdue", "week to 2024-05-05"], "amount"].tolist() == [80.0, 150.0]
    assert made["amount"].sum() == 230.0 and made["items"].sum() == 2
    short = cash.falls_due(estimated, DAY, weeks=1).set_index("when")["amount"]
    assert short.to_dict() == {"overdue": 80.0, "week to 2024-04-07": 0.0, "later": 150.0}


def test_credit_files_need_no_payment_behaviour(folder):
    """230 owed, 350 sold within twelve months: at stake whatever the receipts settle."""
    book = ledger.read(folder)
    assert knowledge.of(book, as_of=DAY).why("matching")
    stands = credit_files.stakes(book, DAY).set_index("customer_id")
    assert stands.loc["A", ["sales", "exposure"]].tolist() == [350.0, 230.0]
    assert stands["payment_index"].isna().all()
