import dataclasses

import pandas as pd
import pytest

from credit_lab import investigation, ledger, synthetic
from credit_lab import payment_behaviour as behaviour
from credit_lab import policy as policies
from credit_lab.errors import CreditLabError, LedgerError
from credit_lab.investigation.files import facts_of
from credit_lab.investigation.statements_check import known_statements

baseline = policies.load("data/policies/2025-baseline.toml")
DAY = pd.Timestamp("2025-12-31")
MAPPING = "data/mappings/register/public_register.toml"


def claims(*rows):
    frame = pd.DataFrame(rows, columns=["customer_id", "attribute", "value", "source", "observed_on"])
    return frame.assign(observed_on=pd.to_datetime(frame["observed_on"]))


def test_planted_slips_are_found_and_named_and_spellings_of_a_name_are_not_slips(sample):
    found = investigation.verify(sample.tables["facts"], baseline, DAY).discrepancies
    truth = pd.read_csv("data/sample/truth/discrepancies.csv", dtype="str")
    keys = ["customer_id", "attribute", "source"]
    both = truth[truth["is_discrepancy"] == "True"].merge(found, on=keys, how="outer")
    for kind in both["kind"].dropna().unique():
        hit = ((both["kind"] == kind) & (both["slip"] == kind)).sum()
        assert hit / (both["kind"] == kind).sum() >= 0.95, kind
        assert hit / (both["slip"] == kind).sum() >= 0.90, kind
    variants = truth[truth["kind"] == "name_variant"]
    assert len(variants) > 5 and variants.merge(found, on=keys).empty


def test_verdict_and_best_value_by_hand():
    # registry .95 + bureau .8 say 1,000,000 and 1,005,000 (within 1 %): (.95 x 1000000 + .8 x 1005000) / 1.75
    facts = claims(
        ("A", "registered_capital", "1000000", "public_registry", "2025-06-01"),
        ("A", "registered_capital", "1005000", "credit_bureau", "2025-06-01"),
        ("A", "registered_capital", "10000000", "customer", "2025-06-01"),
        ("B", "founded_on", "2001-02-03", "customer", "2025-06-01"),
        ("C", "founded_on", "2001-02-03", "customer", "2019-06-01"),
        ("C", "founded_on", "2001-03-02", "customer", "2026-01-01"),
    )
    seen = investigation.verify(facts, baseline, DAY, at_stake=pd.Series({"A": 5.0}))
    table = seen.verdicts.set_index("customer_id")
    assert table["verdict"].tolist() == ["differs", "single source", "stale"]
    assert table.loc["A", "best_value"] == "1002286"
    assert table.loc["A", "trust"] == pytest.approx(1.75 / 2.35)
    assert seen.discrepancies[["slip", "at_stake"]].to_numpy().tolist() == [["slip_10", 5.0]]
    assert table.loc["C", "best_value"] == "2001-02-03"  # the claim of 2026 is not known yet


def test_a_stale_claim_does_not_outvote_a_fresh_one():
    facts = claims(
        ("A", "employees", "100", "public_registry", "2020-01-01"),
        ("A", "employees", "50", "sales", "2025-06-01"),
    )
    seen = investigation.verify(facts, baseline, DAY)
    assert seen.verdicts["best_value"].tolist() == ["50"]
    assert seen.discrepancies["slip"].tolist() == ["stale"]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (
            ("A", "employes", "1", "sales", "2025-01-01"),
            "unknown attribute 'employes' in 1 rows; did you mean 'employees'",
        ),
        (("A", "employees", "1", "gossip", "2025-01-01"), "unknown source 'gossip'"),
    ],
)
def test_what_the_policy_does_not_know_is_refused(row, words):
    with pytest.raises(CreditLabError, match=words):
        investigation.verify(claims(row), baseline, DAY)


def test_files_without_any_fact_are_empty_and_due(sample):
    bare = dataclasses.replace(sample, tables={k: v for k, v in sample.tables.items() if k != "facts"})
    stakes = pd.DataFrame(
        {"customer_id": list("ABCD"), "sales": [60.0, 25.0, 10.0, 5.0], "exposure": [1.0, 0, 0, 0],
         "payment_index": [80.0, 80.0, 80.0, 20.0]}
    )  # fmt: skip
    made = investigation.credit_files(bare, baseline, DAY, stakes)
    files = made.files.set_index("customer_id")
    # key: the largest until 60 % of sales; small: the last 10 % of both, but D pays badly
    assert files["tier"].to_dict() == {"A": "key", "B": "normal", "C": "normal", "D": "normal"}
    assert (files["completeness"] == 0).all() and files["due"].all()
    assert facts_of(bare).empty and made.verification.discrepancies.empty


def test_completeness_by_hand():
    stakes = pd.DataFrame({"customer_id": ["A"], "sales": [1.0], "exposure": [1.0], "payment_index": [80.0]})
    book = ledger.read("data/sample")
    facts = claims(
        ("A", "legal_name", "X Ltd", "customer", "2025-01-01"),
        ("A", "annual_sales", "5", "customer", "2020-01-01"),
        ("A", "annual_sales", "6", "customer", "2021-01-01"),
    )
    book = dataclasses.replace(book, tables={**book.tables, "facts": facts})
    made = investigation.credit_files(book, baseline, DAY, stakes)
    # key tier: legal_name 3 + annual_sales 3 of 3 + 3 + 2 + 1 + 2 + 1 + 3 = 15
    assert made.files["completeness"].tolist() == [pytest.approx(6 / 15)]
    assert made.files["stale"].tolist() == ["annual_sales"]
    assert made.changes[["before", "after"]].to_numpy().tolist() == [["5", "6"]]


def test_names_cluster_across_suffixes_and_short_names_do_not_run_together():
    names = ["Songta Wujiao inc", "SONGTA WUJIAO llc", "Songta Wujiao us", "Songta Wujia co", "deca us", "dec us"]
    made = investigation.name_clusters(names, similarity=0.9).set_index("name")["cluster"]
    assert len(set(made[names[:4]])) == 1
    assert made["deca us"] != made["dec us"]
    twins = investigation.duplicates(pd.DataFrame({"customer_id": ["1", "2", "3"], "name": [*names[:2], "Other"]}))
    assert twins[["customer_id", "other_id"]].to_numpy().tolist() == [["1", "2"]]


def test_a_register_export_gives_the_facts_it_was_made_from(sample, tmp_path):
    facts = sample.tables["facts"]
    path = tmp_path / "register.csv"
    synthetic.register_export(facts).to_csv(path, index=False, encoding="utf-8-sig")
    read = investigation.read_register(path, MAPPING, observed_on=DAY)
    mine = facts[facts["source"] == "public_registry"].sort_values("observed_on")
    mine = mine.drop_duplicates(["customer_id", "attribute"], keep="last")
    both = read.merge(mine, on=["customer_id", "attribute"], how="outer", suffixes=("", "_made"))
    assert (both["value"] == both["value_made"]).all()
    events = both["attribute"].isin(["judgement_debtor", "abnormal_operation"])
    assert events.any() and (both["observed_on"] == both["observed_on_made"])[events].all()


def test_a_register_export_that_cannot_be_read_says_where(tmp_path):
    path = tmp_path / "register.csv"
    path.write_text("客户编号,企业名称\nA,B\n", encoding="utf-8")
    with pytest.raises(LedgerError, match="no column '统一社会信用代码'"):
        investigation.read_register(path, MAPPING, observed_on=DAY)
    head = "客户编号,企业名称,统一社会信用代码,法定代表人,注册资本(万元),成立日期,列入经营异常名录日期,被执行人日期"
    path.write_text(f"{head}\nA,B,1,C,many,2001-01-01,,\n", encoding="utf-8")
    with pytest.raises(LedgerError, match="row 2 is no number: 'many'"):
        investigation.read_register(path, MAPPING, observed_on=DAY)
    with pytest.raises(LedgerError, match="give observed_on"):
        investigation.read_register(path, MAPPING)


def test_slips_in_statements_are_found_and_late_ones_not_used(sample):
    table = sample.tables["financials"]
    who = table["customer_id"].iloc[0]
    rows = table.index[table["customer_id"] == who]
    wrong = table.copy()
    items = ["sales", "total_assets", "total_liabilities", "net_worth"]
    wrong.loc[rows[1], items] *= 10_000
    wrong.loc[rows[0], "net_worth"] += 0.1 * wrong.loc[rows[0], "total_assets"]
    wrong.loc[rows[2], "cash"] = -1.0
    assert investigation.check_statements(table, DAY).empty
    found = investigation.check_statements(wrong, DAY)
    assert set(zip(found["check"], found["period_end"], strict=True)) == {
        ("identity", table.loc[rows[0], "period_end"]),
        ("unit", table.loc[rows[1], "period_end"]),
        ("sign", table.loc[rows[2], "period_end"]),
    }
    before = wrong.loc[rows[1], "published_on"] - pd.Timedelta(days=1)
    assert "unit" not in set(investigation.check_statements(wrong, before)["check"])


def test_two_statements_for_one_period(sample):
    table = sample.tables["financials"].head(1)
    with pytest.raises(CreditLabError, match="two statements of one source for one period"):
        known_statements(pd.concat([table, table]), DAY)
    other = table.assign(source="finance", audited=True, total_assets=1.0)
    both = pd.concat([table.assign(audited=False), other], ignore_index=True)
    assert known_statements(both, DAY)["source"].tolist() == ["finance"]
    assert "two_statements" in set(investigation.check_statements(both, DAY)["check"])


def test_our_own_sales_and_tax_invoices_against_statements(sample):
    one = sample.tables["financials"].head(1)
    billed = pd.DataFrame({"customer_id": one["customer_id"], "issue_date": one["period_end"],
                           "amount": one["cost_of_sales"] + 1})  # fmt: skip
    tax = one[["customer_id", "period_end"]].assign(sales=one["sales"] * 0.9)
    found = investigation.check_statements(one, DAY, billed=billed, tax_sales=tax)
    assert sorted(found["check"]) == ["our_sales", "tax_invoices"]


def test_a_payment_profile_by_hand_and_point_in_time(write_ledger):
    from tests.ledgers import invoice, paid_in_full, payment

    settled, paid, _ = paid_in_full(day="2025-01-05", amount=10.0)
    book = ledger.read(
        write_ledger(
            invoices=[invoice("I1", issued="2025-01-01", due="2025-01-31"),
                      invoice("I2", issued="2025-08-01", due="2025-08-31"), settled],
            payments=[payment("P1", paid="2025-03-12", invoice_id="I1"), paid | {"invoice_id": "IS"}],
        )
    )  # fmt: skip
    # I1 was paid 40 days late; I2 stands 30 days late at 2025-09-30: both 100, so the mean is 35 and sd 5
    row = behaviour.profile(book, pd.Timestamp("2025-09-30")).iloc[0]
    assert (row["days_beyond_terms"], row["volatility"]) == (35.0, 5.0)
    assert row["late_30_share"] == 0.5
    early = behaviour.profile(book, pd.Timestamp("2025-03-01")).iloc[0]
    assert early["days_beyond_terms"] == 29.0  # open, 29 days late: the payment has not come yet


def test_the_profile_has_the_index_of_the_history(sample):
    from credit_lab import history

    months = history.build(sample, DAY)
    last = months[months["month"] == DAY].set_index("customer_id")["payment_index"]
    mine = behaviour.profile(sample, DAY).set_index("customer_id")["payment_index"]
    pd.testing.assert_series_equal(mine.reindex(last.index), last, check_names=False)
