import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from credit_lab import synthetic
from credit_lab.synthetic import GRADES, Change, Collection, Demand, Firm, Settlement, Stage

FLOWS = ["sales", "receipts", "written_off", "balance", "open", "overdue", "refused", "dso"]


def differences(effect: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({name: effect[name] - effect[f"{name}_without"] for name in FLOWS}).fillna(0)


def settled(sample: synthetic.Sample) -> pd.DataFrame:
    """Invoices with the day of their last allocation and days late, seen from the ledger alone."""
    tables = sample.tables
    last = tables["allocations"].groupby("invoice_id")["allocated_on"].max()
    rows = tables["invoices"][tables["invoices"]["kind"] == "invoice"].set_index("invoice_id")
    rows = rows.join(last.rename("settled_on"))
    return rows.assign(late=(rows["settled_on"] - rows["due_date"]).dt.days)


def test_defaults_come_as_often_as_the_true_pd_says():
    # Without a common factor and with everybody known from the first day, three years at a yearly PD of p leave a
    # default with probability 1 - (1 - p)^3.
    firm = Firm(customers=12_000, orders=0.02, demand=Demand(newcomers=0.0), settlement=Settlement(cycle=0.0))
    customers = synthetic.generate(firm, 11).truth["customers"]
    failed = customers["default_on"].notna().groupby(customers["grade"]).agg(["sum", "size"])
    for grade in GRADES:
        low, high = binom.interval(0.999, failed.loc[grade.grade, "size"], 1 - (1 - grade.pd) ** 3)
        assert low <= failed.loc[grade.grade, "sum"] <= high, grade


def test_the_stated_hazard_holds_with_a_common_factor_and_newcomers():
    customers = synthetic.generate(Firm(customers=12_000, orders=0.02), 12).truth["customers"]
    chance = 1 - np.exp(-customers["hazard"])
    spread = np.sqrt((chance * (1 - chance)).sum())
    assert abs(customers["default_on"].notna().sum() - chance.sum()) < 3.3 * spread
    assert (customers["default_on"] >= customers["at_risk_from"])[customers["default_on"].notna()].all()


def test_failed_customers_stop_paying_and_are_written_off():
    sample = synthetic.generate(Firm(), 2)
    tables = sample.tables
    default = sample.truth["customers"].set_index("customer_id")["default_on"].dropna()
    paid = tables["allocations"].merge(tables["payments"], on="payment_id")
    recovered = tables["write_offs"].loc[tables["write_offs"]["amount"] < 0, "invoice_id"]
    paid = paid[~paid["invoice_id"].isin(recovered)]
    after = paid["paid_date"] >= paid["customer_id"].map(default)
    advance = paid["paid_date"] < paid["invoice_id"].map(tables["invoices"].set_index("invoice_id")["issue_date"])
    assert not (after & ~advance & (paid["amount_y"] > 0)).any()
    lost = tables["write_offs"][tables["write_offs"]["amount"] > 0]
    invoice = tables["invoices"].set_index("invoice_id")
    age = (lost["written_off_on"] - lost["invoice_id"].map(invoice["due_date"])).dt.days
    assert age.min() >= 180
    assert lost["invoice_id"].map(invoice["customer_id"]).isin(default.index).mean() > 0.5


def test_no_change_means_no_difference_at_all():
    assert (differences(synthetic.generate(Firm(change=Change.none()), 1).truth["effect"]) == 0).all(axis=None)


def test_the_change_shows_from_its_date_on_and_only_then():
    effect = synthetic.generate(Firm(), 1).truth["effect"]
    gap = differences(effect)
    before = effect["month"] < "2025-01-01"
    assert (gap[before] == 0).all(axis=None)
    late = effect["month"] >= "2025-07-01"
    assert (gap.loc[late, "overdue"] < 0).all()
    assert (gap.loc[~before, "refused"] > 0).all()
    assert gap["sales"].sum() < -0.03 * effect.loc[~before, "sales"].sum()
    assert gap.loc[late, "dso"].mean() < -1


def test_the_world_without_the_change_is_the_firm_without_a_change():
    with_it = synthetic.generate(Firm(), 4)
    without = synthetic.generate(Firm(change=Change.none()), 4)
    for name in FLOWS:
        assert with_it.truth["effect"][f"{name}_without"].equals(without.truth["effect"][name].rename(name))
    paired = with_it.tables["orders"].merge(
        without.tables["orders"], on=["customer_id", "ordered_on", "amount"], how="left", indicator=True
    )
    assert (paired["_merge"] == "both").all()  # the change refuses orders, it makes no new ones


def test_truth_agrees_with_the_ledger():
    sample = synthetic.generate(Firm(), 6)
    effect, control = sample.truth["effect"], sample.tables["control"]
    assert effect["balance"].to_numpy().tolist() == control["balance"].to_numpy().tolist()
    month = sample.tables["payments"]["paid_date"].dt.to_period("M")
    receipts = sample.tables["payments"].groupby(month)["amount"].sum()
    assert effect["receipts"].iloc[1:].to_numpy() == pytest.approx(receipts.to_numpy()[-35:])


def test_delays_shrink_by_the_stated_factor():
    # One stage without effect, everybody pays on any working day, nothing else moves a payment: invoices issued after
    # the change are late by 0.5 times the days of their twins in the world without it, up to a weekend.
    plain = Settlement(
        disputed=0.0, credited=0.0, partial=0.0, shorted=0.0, instalments=0.0, advance=0.0, unmatched=0.0
    )
    still = Collection(ladder=(Stage("reminder", 7, 10.0, 1.0),))
    grades = tuple(synthetic.Grade(g.grade, g.share, 0.0, g.term_days, g.late_share, g.mean_delay) for g in GRADES)
    twins = []
    for change in (Change(delay_factor=0.5, weak_orders=1.0), Change.none()):
        firm = Firm(settlement=plain, collection=still, change=change, grades=grades)
        twins.append((sample := synthetic.generate(firm, 9), settled(sample)))
    any_day = twins[0][0].truth["customers"].set_index("customer_id")["payment_run"] == "any day"
    both = twins[0][1].join(twins[1][1][["late", "order_id"]].add_suffix("_without"))
    assert (both["order_id"] == both["order_id_without"]).all()
    both = both[both["customer_id"].map(any_day) & (both["late_without"] > 3) & (both["late_without"] < 200)]
    old, new = both[both["issue_date"] < "2025-01-01"], both[both["issue_date"] >= "2025-01-01"]
    assert len(new) > 150
    assert (old["late"] == old["late_without"]).all()
    assert (new["late"] - 0.5 * new["late_without"]).abs().max() <= 3.5
    assert new["late"].sum() / new["late_without"].sum() == pytest.approx(0.5, abs=0.05)


def test_invoices_are_late_as_often_and_as_long_as_the_truth_says():
    plain = Settlement(disputed=0.0, partial=0.0, instalments=0.0, advance=0.0, unmatched=0.0, credited=0.0)
    still = Collection(ladder=(Stage("reminder", 7, 10.0, 1.0),))
    grades = tuple(synthetic.Grade(g.grade, g.share, 0.0, g.term_days, g.late_share, g.mean_delay) for g in GRADES)
    firm = Firm(customers=900, settlement=plain, collection=still, change=Change.none(), grades=grades)
    sample = synthetic.generate(firm, 21)
    customers = sample.truth["customers"].set_index("customer_id")
    rows = settled(sample)
    rows = rows[(rows["issue_date"] < "2025-01-01")].join(customers, on="customer_id")
    rows = rows[(rows["payment_run"] == "any day") & rows["late"].notna()]
    share = rows["late_share"]
    assert abs((rows["late"] > 0).sum() - share.sum()) < 3.3 * np.sqrt((share * (1 - share)).sum())
    # Delays start at one day; moving a payment from a weekend to Monday adds (2 + 1) / 7 of a day on average.
    late = rows[rows["late"] > 0]
    gap = late["late"] - (1 + late["mean_delay"] + 3 / 7)
    assert abs(gap.mean()) < 3.3 * gap.std() / np.sqrt(len(gap)) + 0.3  # 0.3: the cap of 300 days


def test_a_hazard_factor_changes_defaults_after_the_date_only():
    firm = Firm(customers=4000, orders=0.05, change=Change(weak_orders=1, delay_factor=1, hazard_factor=0.5))
    halved = synthetic.generate(firm, 3).truth["customers"].set_index("customer_id")["default_on"]
    usual = synthetic.generate(Firm(customers=4000, orders=0.05), 3).truth["customers"]
    usual = usual.set_index("customer_id")["default_on"]
    early = usual < "2025-01-01"
    assert (halved[early] == usual[early]).all()
    assert 0.3 < halved[~early].notna().sum() / usual[~early].notna().sum() < 0.7


def test_a_staggered_change_reaches_whole_groups_in_waves():
    firm = Firm(customers=900, orders=0.3, change=Change(on="2024-07-01", waves=3, wave_months=4, untreated=0.3))
    sample = synthetic.generate(firm, 5)
    treated = sample.truth["customers"]["treated_on"]
    assert sorted(str(day.date()) for day in treated.dropna().unique()) == ["2024-07-01", "2024-11-01", "2025-03-01"]
    assert 0.25 < treated.isna().mean() < 0.35
    group = sample.tables["customers"]["group_id"]
    starts = treated.fillna(pd.Timestamp("2099-01-01")).groupby(group)
    assert (starts.min() == starts.max()).all()


def test_logged_propensities_recover_the_true_effect_of_a_reminder_that_a_naive_look_gets_wrong():
    naive, weighted, true = [], [], []
    for seed in range(4):
        sample = synthetic.generate(Firm(customers=1500, change=Change.none()), seed)
        log = sample.tables["actions"].merge(sample.truth["actions"], on="action_id", validate="1:1")
        rows = settled(sample)
        log = log.assign(late=log["invoice_id"].map(rows["late"]), due=log["invoice_id"].map(rows["due_date"]))
        first = log[((log["taken_on"] - log["due"]).dt.days == 7) & (log["taken_on"] < "2024-12-01")]
        first = first[first["late"].notna() & first["effect_days"].notna()]
        acted = (first["action"] == "reminder").to_numpy()
        assert set(first["action"]) == {"reminder", "none"}
        late, weight = first["late"].to_numpy(), 1 / first["propensity"].to_numpy()
        naive.append(late[acted].mean() - late[~acted].mean())
        weighted.append(
            np.average(late[acted], weights=weight[acted]) - np.average(late[~acted], weights=weight[~acted])
        )
        true.append(first["effect_days"].astype(float).mean())
    spread = np.std(np.array(weighted) - np.array(true), ddof=1) / 2
    assert np.mean(true) < -5
    assert np.mean(naive) > 0
    assert abs(np.mean(weighted) - np.mean(true)) < max(3 * spread, 0.8)


def test_promises_are_kept_and_broken_as_the_truth_says():
    sample = synthetic.generate(Firm(), 8)
    log = sample.tables["actions"].merge(sample.truth["actions"], on="action_id")
    promises = log[log["promised_on"].notna()]
    assert (promises["promised_on"] > promises["taken_on"]).all()
    assert promises["outcome"].eq("promised").all()
    assert 0.35 < promises["promise_kept"].mean() < 0.75
    waited = sample.tables["allocations"].merge(sample.tables["payments"], on="payment_id")
    recovered = sample.tables["write_offs"].loc[sample.tables["write_offs"]["amount"] < 0, "invoice_id"]
    waited = waited[~waited["invoice_id"].isin(recovered)]
    paid = promises["invoice_id"].map(waited.groupby("invoice_id")["paid_date"].max())
    kept = (promises["promise_kept"]) & (promises["promised_on"] <= "2025-12-31")
    kept &= ~promises["invoice_id"].isin(recovered)
    # a kept promise is paid by its day, or matched later: then the ledger shows the cash but not yet the settlement
    assert paid[kept].notna().mean() > 0.95
    kept &= paid.notna()
    assert (paid[kept] <= promises["promised_on"][kept]).all()


def test_grades_show_in_delays_statements_and_judgements():
    sample = synthetic.generate(Firm(), 10)
    grade = sample.truth["customers"].set_index("customer_id")["grade"].map({g.grade: i for i, g in enumerate(GRADES)})
    late = settled(sample).groupby("customer_id")["late"].mean()
    assert late.groupby(grade).mean().is_monotonic_increasing
    scores = sample.tables["assessments"].groupby("customer_id")["score"].mean()
    assert scores.corr(grade, method="spearman") < -0.7
    statements = sample.tables["financials"]
    leverage = (statements["total_liabilities"] / statements["total_assets"]).groupby(statements["customer_id"]).mean()
    assert leverage.corr(grade, method="spearman") > 0.6
    terms = sample.tables["invoices"].merge(sample.tables["instalments"][["invoice_id"]], how="left", indicator=True)
    plain = terms[(terms["_merge"] == "left_only") & (terms["kind"] == "invoice")]
    days = (plain["due_date"] - plain["issue_date"]).dt.days
    assert (days == plain["customer_id"].map(grade).map(dict(enumerate(g.term_days for g in GRADES)))).all()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_planted_slips_are_exactly_what_the_other_sources_contradict(seed):
    sample = synthetic.generate(Firm(), seed)
    slips = sample.truth["discrepancies"]
    facts = sample.tables["facts"]
    key = ["customer_id", "attribute", "source"]
    facts = facts[~facts["attribute"].isin(["judgement_debtor", "abnormal_operation"])]
    assert not facts.duplicated(key).any()
    cell = facts.groupby(["customer_id", "attribute"])["value"]
    number = facts["attribute"].isin(["registered_capital", "employees", "annual_sales"])
    middle = facts["value"].where(number, "1").astype(float)
    median = middle.groupby([facts["customer_id"], facts["attribute"]]).transform("median")
    differs = facts["value"] != cell.transform(lambda values: values.mode().iloc[0])
    # two people may count heads differently by one and a half per cent, rounded to whole heads
    differs = differs.mask(number, (middle - median).abs() > 0.04 * median + 1)
    found = set(facts.loc[differs & (cell.transform("size") >= 3), key].itertuples(index=False, name=None))
    assert found == set(slips[key].itertuples(index=False, name=None))
    said = slips.merge(facts, on=key)
    assert (said["value"] == said["claimed"]).all()
    counts = slips["kind"].value_counts()
    assert set(counts.index) == {"slip_10", "slip_10000", "stale", "transposed_date", "different_name", "name_variant"}
    assert (counts >= 3).all()
    assert (slips["is_discrepancy"] == (slips["kind"] != "name_variant")).all()
    for kind, factor in (("slip_10", 10), ("slip_10000", 10_000)):
        mine = slips[slips["kind"] == kind]
        assert (mine["claimed"].astype("int64") == factor * mine["true_value"].astype("int64")).all()
    swapped = slips.loc[slips["kind"] == "transposed_date", ["claimed", "true_value"]]
    assert (swapped["claimed"].str[5:7] == swapped["true_value"].str[8:]).all()
    assert (slips.loc[slips["kind"] == "stale", "observed_on"] < "2023-01-01").all()
