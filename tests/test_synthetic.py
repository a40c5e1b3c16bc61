import filecmp

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from credit_lab import ledger, schema, synthetic
from credit_lab.ledger import reconcile


@pytest.fixture(scope="module")
def made():
    return synthetic.generate(synthetic.Firm(), 1)


def test_the_committed_sample_is_what_the_generator_makes(made, tmp_path):
    ledger.write(made.tables, tmp_path / "sample")
    ledger.write(made.truth, tmp_path / "sample" / "truth")
    names = [f"{name}.csv" for name in made.tables] + [f"truth/{name}.csv" for name in made.truth]
    _, differ, lacking = filecmp.cmpfiles("data/sample", tmp_path / "sample", names, shallow=False)
    assert (differ, lacking) == ([], []), "run `make sample` and look at the difference"


def test_every_table_of_the_schema_is_there_and_keeps_its_contract(made):
    assert set(made.tables) == set(schema.TABLES)
    for name, frame in made.tables.items():
        assert len(frame)
        schema.contract(name).validate(frame)


def test_same_seed_same_tables_other_seed_others(made):
    again, other = synthetic.generate(synthetic.Firm(), 1), synthetic.generate(synthetic.Firm(), 2)
    for name, frame in made.tables.items():
        pd.testing.assert_frame_equal(frame, again.tables[name])
    assert not made.tables["invoices"].equals(other.tables["invoices"])


def test_nothing_is_quarantined_and_the_control_account_agrees(sample):
    assert sample.quarantine.empty
    assert (reconcile.against_control(sample)["difference"] == 0).all()


def test_nothing_is_dated_after_the_end(made):
    end = pd.Timestamp("2025-12-31")
    planned = {"due_date", "valid_to", "promised_on", "published_on"}
    for name, frame in made.tables.items():
        for column in frame.select_dtypes("datetime").columns.difference(planned):
            assert not (frame[column] > end).any(), f"{name}.{column}"


def test_true_default_probabilities_are_recovered():
    firm = synthetic.Firm(customers=6000, orders=0.05, cycle=0.0)
    truth = synthetic.generate(firm, 3).truth["customers"]
    for grade, rows in truth.groupby("grade"):
        # customers on board from the start live three years (a few join later: count those that did not)
        pd_year = rows["pd"].iloc[0]
        expected = 1 - (1 - pd_year) ** 3
        failed = int(rows["default_on"].notna().sum())
        low, high = stats.binomtest(failed, len(rows)).proportion_ci(0.999)
        assert low <= expected * 1.001, grade
        assert high >= expected * 0.85, grade  # newcomers (15 %) live shorter


def test_the_policy_change_has_the_stated_effect_and_none_when_switched_off(made):
    effect = made.truth["effect"].set_index("month")
    before = effect.loc[:"2024-12-31"]
    assert (before["balance"] == before["balance_without"]).all()
    after = effect.loc["2025-06-30":]
    assert (after["balance"] < after["balance_without"]).all()
    assert effect.loc["2025-01-31":, "sales"].sum() < effect.loc["2025-01-31":, "sales_without"].sum()
    none = synthetic.Firm(change=synthetic.Change(delay_factor=1.0, weak_orders=1.0))
    flat = synthetic.generate(none, 1).truth["effect"]
    for name in ("sales", "receipts", "balance", "written_off"):
        assert (flat[name] == flat[f"{name}_without"]).all()


def test_the_naive_contact_effect_has_the_wrong_sign(made):
    # Reminders shorten the delay, yet reminded invoices are later: collectors remind slow payers more often.
    settled = made.tables["allocations"].groupby("invoice_id")["allocated_on"].max()
    rows = made.tables["invoices"].set_index("invoice_id")
    late = (settled - rows["due_date"]).dt.days.dropna()
    late = late[late > 7]
    actions = made.tables["actions"]
    reminded = late.index.isin(actions.loc[actions["action"] == "reminder", "invoice_id"])
    factor = made.truth["customers"].set_index("customer_id")["delay_factor"]
    slow = rows.loc[late.index, "customer_id"].map(factor)
    assert slow[reminded].mean() > slow[~reminded].mean()


def test_planted_discrepancies_are_real_and_listed(made):
    facts = made.tables["facts"].set_index(["customer_id", "attribute", "source"])["value"]
    planted = made.truth["discrepancies"]
    assert set(planted["kind"]) >= {"unit_slip", "ten_thousand_slip", "transposed_date", "other_name", "stale"}
    for row in planted.itertuples():
        assert facts[row.customer_id, row.attribute, row.source] != row.true
    slips = planted[planted["kind"] == "ten_thousand_slip"]
    for row in slips.itertuples():
        assert float(facts[row.customer_id, row.attribute, row.source]) == 10_000 * float(row.true)


def test_statements_balance(made):
    rows = made.tables["financials"]
    np.testing.assert_allclose(rows["total_assets"], rows["total_liabilities"] + rows["net_worth"])
    assert (rows["published_on"] > rows["period_end"]).all()
