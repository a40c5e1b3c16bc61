"""A reason names what really bound, and "none" is never said where nobody could look."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from credit_lab import ledger, studies
from credit_lab import policy as policies
from credit_lab.collection import ladder
from credit_lab.limits import quarterly
from credit_lab.limits.proposals import propose
from credit_lab.monitoring import contracts
from credit_lab.studies import collecting, collecting_text, credit_files, granting, text
from tests.ledgers import allocation, invoice, payment
from tests.test_limits import month, year

baseline = policies.load("data/policies/2025-baseline.toml")
DAY = pd.Timestamp("2025-06-30")


@pytest.fixture
def plain(write_ledger):
    """Two years of invoices of four customers, paid after 20 days, and nothing else: no other table."""
    rows, paid, matched = [], [], []
    for number, day in enumerate(pd.date_range("2023-07-03", "2025-06-02", freq="14D")):
        name = f"I{number}"
        until = day + pd.Timedelta(days=30)
        rows.append(invoice(name, f"C{number % 4}", str(day.date()), str(until.date()), 1000.0))
        if day < pd.Timestamp("2025-05-10"):
            late = str((day + pd.Timedelta(days=20)).date())
            paid.append(payment(f"P{number}", f"C{number % 4}", late, 1000.0))
            matched.append(allocation(f"P{number}", name, late, 1000.0))
    folder = write_ledger(invoices=rows, payments=paid, allocations=matched)

    def with_tables(**tables):
        write_ledger(**tables)
        return ledger.read(folder)

    return with_tables


def one_of(code, **changes):
    """The only decision on a customer whose old limit was far above or below, beside a large one (no cap on shares)."""
    large = month(customer_id="L", sales_12m=1e9)
    both = pd.concat([month(**changes), large], ignore_index=True)
    old = 1e-3 if code[0] == "R" else 1e9
    force = pd.DataFrame(
        {"customer_id": ["A", "L"], "credit_limit": [old, 1.0], "changed_on": [DAY - pd.DateOffset(years=3)] * 2}
    )
    return quarterly.review(year(both), baseline, both["month"].iloc[0], in_force=force).decisions.iloc[0]


@pytest.mark.parametrize(
    ("code", "changes", "reason"),
    [
        ("R1", {}, "sales and payment allow more"),
        ("C1", {}, "sales or payment allow less"),
        ("C2", {"months_on_book": 1, "paid_in_time": 2}, "too little history: trial limit"),
        ("R2", {"months_on_book": 1, "paid_in_time": 2}, "next step of the trial limit"),
        ("C4", {"payment_index": 1.0}, "grade without credit"),
    ],
)
def test_a_change_is_explained_by_what_bound_the_limit(code, changes, reason):
    """A newcomer on its trial limit has neither sold less nor paid worse; the worst grade gets no credit, whatever it
    buys (limit_multiple 0 in the baseline)."""
    found = one_of(code, **changes)
    assert (found["code"], found["reason"]) == (code, reason)


def test_a_customer_of_fifteen_years_without_a_limit_is_not_called_new():
    """Sales in the window, no limit in force: the limit is its first, not the customer."""
    found = quarterly.review(year(month(months_on_book=180)), baseline, month()["month"].iloc[0]).decisions.iloc[0]
    assert (found["change"], found["reason"]) == ("new", "no limit was in force")


def test_a_limit_of_nothing_that_stays_is_not_withdrawn():
    quiet = month(sales=0.0, sales_12m=0.0, months_on_book=40)
    past = pd.concat([quiet.assign(month=quiet["month"] - pd.offsets.MonthEnd(k)) for k in range(30)])
    force = pd.DataFrame({"customer_id": ["A"], "credit_limit": [0.0], "changed_on": [pd.Timestamp("2020-01-01")]})
    found = quarterly.review(past, baseline, quiet["month"].iloc[0], in_force=force).decisions.iloc[0]
    assert (found["change"], found["code"]) == ("keep", "K3")


def test_a_proposal_gives_the_reason_of_its_binding_constraint():
    rows = pd.concat(
        [
            month(customer_id="big", sales_12m=1e9),
            month(customer_id="returns", sales_12m=-5.0),
            month(customer_id="worst", payment_index=1.0),
            month(customer_id="unpaid", payment_index=np.nan),
            month(customer_id="usual"),
        ],
        ignore_index=True,
    )
    made = propose(year(rows), baseline, DAY).set_index("customer_id")
    assert made["reason"].to_dict() == {
        "big": "cap on the share of own sales",
        "returns": "no net sales in the months of the forecast",
        "worst": "grade without credit",
        "unpaid": "sales; no payment is known yet",
        "usual": "payment behaviour and sales",
    }


def test_what_is_late_but_not_yet_at_the_first_stage_is_not_called_not_due():
    """A first stage from ten days past due: an item one day late waits for it."""
    stages = [stage.model_copy(update={"from_days": 10 + stage.from_days}) for stage in baseline.ladder.stages]
    later = baseline.model_copy(update={"ladder": baseline.ladder.model_copy(update={"stages": tuple(stages)})})
    rows = {"kind": "invoice", "part": 0, "open_amount": 5000.0, "due_date": pd.Timestamp("2025-06-29")}
    items = pd.DataFrame([rows | {"document_id": "I1", "customer_id": "C1", "days": 1},
                          rows | {"document_id": "I2", "customer_id": "C1", "days": -1}])  # fmt: skip
    made = ladder.run(items, later, DAY, currency="CNY")
    assert made.waiting.set_index("document_id")["reason"].to_dict() == {
        "I1": "before the first stage",
        "I2": "not due",
    }


def test_nobody_above_a_limit_is_said_only_where_limits_are_in_force(plain):
    none = plain()
    assert "No limit is in force at 2025-06-30: nobody can stand above one." in granting.headline(
        granting.granting(none, baseline, DAY), "CNY"
    )
    ended = plain(
        limits=[{"customer_id": "C0", "valid_from": "2023-01-01", "valid_to": "2024-01-01", "credit_limit": 1.0}]
    )
    made = granting.granting(ended, baseline, DAY)
    assert made.over.empty and any(line.startswith("No limit is in force") for line in granting.headline(made, "CNY"))
    high = [{"customer_id": f"C{k}", "valid_from": "2023-01-01", "credit_limit": 1e6} for k in range(4)]
    held = granting.granting(plain(limits=[row | {"valid_to": None} for row in high]), baseline, DAY)
    assert "Nobody stands above a limit." in granting.headline(held, "CNY")
    some = granting.granting(plain(limits=[row | {"valid_to": None} for row in high[:1]]), baseline, DAY)
    without = int(some.over["credit_limit"].isna().sum())
    assert without > 0
    assert (
        f"{without} of those above have no valid limit at all: what they owe counts against nothing."
        in granting.headline(some, "CNY")
    )


def test_collections_say_what_could_not_be_checked(plain):
    book = plain()
    made = collecting_text.section(book, baseline, pd.Timestamp("2025-04-01"), DAY)
    assert "No table disputes: disputed items are asked for like all others." in made.lines
    assert any(line.startswith("No table actions: ") for line in made.lines)
    assert "Not checked: missing contracts: the ledger has no table contracts." in made.lines
    assert "not_checked" not in set(made.contracts["check"])
    seen = collecting.early_warning(book, baseline, DAY)
    said = collecting_text.warning_headline(dataclasses.replace(seen, holds=seen.holds[:0]))
    assert "No order in the twelve months to 2025-06-30: the hold rules could not be tried." in said
    assert said[0].endswith("no rule that says stop could be watched.")  # register news alone does
    assert "Not watched: disputed_12m (the ledger has no table disputes)." in said
    assert "Not checked: shipments over limit: the ledger has no table limits." in said
    assert contracts.not_checked(seen.findings) and "not_checked" not in set(seen.contracts["check"])


def test_a_table_that_is_absent_has_no_count_and_an_empty_one_has_none(plain):
    """Of write-offs, and of holds where the policy has no amounts in the currency of the orders."""
    book = plain()
    recorded = book.rows("write_offs")
    there = dataclasses.replace(book, tables={**book.tables, "write_offs": recorded})
    for one, count in ((book, None), (there, 0)):
        found = studies.data_quality.quality(one)
        rows = found.coverage.set_index("table")["rows"]
        assert (None if pd.isna(rows["write_offs"]) else rows["write_offs"]) == count
        said = "No table write_offs; not known: losses." in found.lines
        assert said == (count is None)


def test_orders_are_not_said_to_be_lacking_where_the_policy_has_no_amounts(plain):
    seen = collecting.early_warning(plain(), policies.in_currency(baseline, "KRW"), DAY)
    said = collecting_text.warning_headline(dataclasses.replace(seen, holds=seen.holds[:0]))
    assert any(line.startswith("Not watched: holds by the policy (") for line in said)
    assert not any("No order in the twelve months" in line for line in said)


def test_a_review_says_which_rules_of_the_policy_it_could_not_watch(plain):
    made = studies.review.review(plain(), baseline, "2025Q2")
    assert "Not watched: disputed_12m (the ledger has no table disputes)." in text.headline(made).values()


def test_sources_that_are_alone_and_statements_to_come_prove_nothing(plain):
    facts = [{"customer_id": "C0", "attribute": "address", "value": "x", "source": "public_registry",
              "observed_on": "2025-01-01"}]  # fmt: skip
    statements = [{"customer_id": "C0", "period_end": "2025-03-31", "published_on": "2025-12-01", "sales": 1.0,
                   "source": "audit"}]  # fmt: skip
    lines = credit_files.credit_files(plain(facts=facts, financials=statements), baseline, DAY).lines
    assert "No attribute has claims of two sources: nothing could be verified." in lines
    assert "No financial statement was published by 2025-06-30: nothing to check." in lines
