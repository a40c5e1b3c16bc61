import hashlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_lab import schema, synthetic
from credit_lab.errors import CreditLabError
from credit_lab.synthetic import Change, Firm, Sample


@pytest.fixture(scope="module")
def sample() -> Sample:
    return synthetic.generate(Firm(), 1)


def cents(amounts: pd.Series) -> pd.Series:
    return (amounts * 100).round().astype("int64")


@pytest.mark.parametrize("name", schema.TABLES)
def test_every_table_keeps_its_contract(sample, name):
    frame = sample.tables[name]
    left_out = {"known_on", "custom_made", "reference", "matched_by"}
    left_out |= {"invoice_id"} if name == "payments" else set()
    assert list(frame.columns) == [column for column in schema.table(name).names if column not in left_out]
    assert len(frame) > 0
    schema.contract(name).validate(frame)


def test_documents_refer_to_each_other_and_dates_follow_each_other(sample):
    tables = sample.tables
    invoices = tables["invoices"].set_index("invoice_id")
    payments = tables["payments"].set_index("payment_id")
    assert not set(invoices.index) & set(payments.index)
    assert (invoices["due_date"] >= invoices["issue_date"]).all()
    assert ((invoices["amount"] > 0) == (invoices["kind"] == "invoice")).all()
    rows = tables["allocations"]
    giver = pd.concat(
        [
            payments.rename(columns={"paid_date": "day"})[["customer_id", "day"]],
            invoices[invoices["amount"] < 0].rename(columns={"issue_date": "day"})[["customer_id", "day"]],
        ]
    )
    assert (rows["payment_id"].map(giver["customer_id"]) == rows["invoice_id"].map(invoices["customer_id"])).all()
    assert (rows["allocated_on"] >= rows["invoice_id"].map(invoices["issue_date"])).all()
    assert (rows["allocated_on"] >= rows["payment_id"].map(giver["day"])).all()
    for name in schema.TABLES:
        frame = tables[name]
        if "customer_id" in frame and name != "limits":
            assert frame["customer_id"].isin(tables["customers"]["customer_id"]).all(), name
        if "invoice_id" in frame and name != "payments":
            assert frame["invoice_id"].isin(invoices.index).all(), name
    orders = tables["orders"].set_index("order_id")
    billed = invoices[invoices["kind"] == "invoice"]
    assert (billed["order_id"].map(orders["customer_id"]) == billed["customer_id"]).all()
    assert (billed["order_id"].map(orders["ordered_on"]) < billed["issue_date"]).all()
    assert (billed["order_id"].map(orders["ordered_on"]) <= billed["delivered_on"]).all()
    assert not orders.index.isin(billed["order_id"]).all()  # some orders are open or were cancelled


def test_nothing_happens_after_the_last_day_and_items_are_open_on_it(sample):
    end = pd.Timestamp("2025-12-31")
    events = {
        "invoices": ["issue_date", "delivered_on"],
        "payments": ["paid_date"],
        "allocations": ["allocated_on"],
        "disputes": ["opened_on", "closed_on"],
        "write_offs": ["written_off_on"],
        "orders": ["ordered_on"],
        "financials": ["period_end", "published_on"],
        "facts": ["observed_on"],
        "assessments": ["assessed_on"],
        "limits": ["valid_from"],
        "contracts": ["signed_on"],
        "actions": ["taken_on"],
        "customers": ["onboarded_on"],
        "control": ["as_of"],
    }
    for name, columns in events.items():
        for column in columns:
            assert sample.tables[name][column].max() <= end, (name, column)
    assert sample.tables["control"]["as_of"].max() == end
    assert sample.tables["control"]["balance"].iloc[-1] > 0
    assert sample.tables["disputes"]["closed_on"].isna().any()


def residuals(tables: dict[str, pd.DataFrame], as_of: pd.Timestamp) -> tuple[pd.Series, pd.Series]:
    """Open cents per document and unmatched cents per receipt, item by item, as a clerk would work them out."""
    documents = tables["invoices"].set_index("invoice_id")
    payments = tables["payments"].set_index("payment_id")
    dates = pd.concat([documents["issue_date"], payments["paid_date"]])
    rows = tables["allocations"]
    counts_from = rows["allocated_on"]
    for document in ("invoice_id", "payment_id"):
        dated = dates.reindex(rows[document]).set_axis(rows.index)
        counts_from = counts_from.where(counts_from >= dated, dated)
    rows = rows[counts_from <= as_of]
    rows = rows.assign(cents=cents(rows["amount"]))
    lost = tables["write_offs"][tables["write_offs"]["written_off_on"] <= as_of]
    left = cents(documents.loc[documents["issue_date"] <= as_of, "amount"])
    left = left.sub(rows.groupby("invoice_id")["cents"].sum(), fill_value=0)
    left = left.sub(cents(lost["amount"]).groupby(lost["invoice_id"]).sum(), fill_value=0)
    set_off = rows[rows["payment_id"].isin(documents.index)]
    left = left.add(set_off.groupby("payment_id")["cents"].sum(), fill_value=0)
    cash = cents(payments.loc[payments["paid_date"] <= as_of, "amount"])
    used = rows[rows["payment_id"].isin(payments.index)].groupby("payment_id")["cents"].sum()
    return left, cash.sub(used, fill_value=0)


def assert_control_holds(tables: dict[str, pd.DataFrame], dates: pd.Series) -> None:
    balance = cents(tables["control"].set_index("as_of")["balance"])
    kind = tables["invoices"].set_index("invoice_id")["kind"]
    for as_of in dates:
        left, cash = residuals(tables, as_of)
        assert (left[kind[left.index] == "invoice"] >= 0).all()
        assert (left[kind[left.index] == "credit_note"] <= 0).all()
        assert (cash >= 0).all()  # a refund below zero is matched to its credit note on the day it is paid
        assert left.sum() - cash.sum() == balance[as_of]


def test_the_control_account_is_open_invoices_less_unapplied_cash_and_credit_notes_at_every_month_end(sample):
    assert_control_holds(sample.tables, sample.tables["control"]["as_of"])


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    customers=st.integers(1, 40),
    months=st.integers(3, 30),
    orders=st.floats(0.2, 4),
    start=st.sampled_from(["2023-01", "2019-11", "2024-02"]),
    overpaid=st.sampled_from([0.004, 0.5]),
    disputed=st.sampled_from([0.0, 0.03, 0.8]),
)
def test_any_firm_reconciles_and_keeps_its_contracts(seed, customers, months, orders, start, overpaid, disputed):
    how = synthetic.Settlement(overpaid=overpaid, disputed=disputed, credited=0.2, recovered=1.0)
    firm = Firm(customers=customers, months=months, orders=orders, start=start, settlement=how)
    tables = synthetic.generate(firm, seed).tables
    for name, frame in tables.items():
        schema.contract(name).validate(frame)
    assert_control_holds(tables, tables["control"]["as_of"].iloc[[0, months // 2, -1]])


def test_a_recovery_reopens_the_invoice_and_its_receipt_settles_it_the_same_day(sample):
    tables = sample.tables
    back = tables["write_offs"][tables["write_offs"]["amount"] < 0]
    assert len(back) > 3
    paid = tables["allocations"].merge(tables["payments"], on="payment_id", suffixes=("", "_paid"))
    for invoice, day, amount in back.itertuples(index=False):
        match = paid[(paid["invoice_id"] == invoice) & (paid["allocated_on"] == day)]
        assert match[["amount", "amount_paid"]].to_numpy().tolist() == [[-amount, -amount]]
        assert match["paid_date"].tolist() == [day]
        assert residuals(tables, day)[0][invoice] == 0


def test_instalments_add_up_and_the_last_is_due_with_the_invoice(sample):
    parts, invoices = sample.tables["instalments"], sample.tables["invoices"].set_index("invoice_id")
    by_invoice = parts.assign(cents=cents(parts["amount"])).groupby("invoice_id")
    assert (by_invoice["cents"].sum() == cents(invoices.loc[by_invoice["cents"].sum().index, "amount"])).all()
    last = by_invoice["due_date"].max()
    assert (last == invoices.loc[last.index, "due_date"]).all()


def test_one_receipt_pays_several_invoices_and_credit_notes_and_cash_wait_unmatched(sample):
    tables = sample.tables
    rows = tables["allocations"]
    assert (rows["payment_id"].str.startswith("PAY") & rows["payment_id"].duplicated()).sum() > 300
    assert rows["payment_id"].str.startswith("CN").sum() > 50
    assert (tables["payments"]["amount"] < 0).sum() >= 3
    paid = rows.merge(tables["payments"], on="payment_id")
    early = paid["paid_date"] < paid["invoice_id"].map(tables["invoices"].set_index("invoice_id")["issue_date"])
    assert 20 < early.sum() < 120  # advances: cash before the invoice
    left, cash = residuals(tables, pd.Timestamp("2025-12-31"))
    assert (cash != 0).sum() > 10
    assert (left < 0).sum() > 10


def test_statements_balance(sample):
    rows = sample.tables["financials"]
    assert (rows["total_assets"] == rows["total_liabilities"] + rows["net_worth"]).all()
    assert (rows["current_assets"] <= rows["total_assets"]).all()
    assert (rows["current_liabilities"] <= rows["total_liabilities"]).all()
    assert (rows["inventory"] + rows["receivables"] + rows["cash"] <= rows["current_assets"]).all()
    assert (rows["published_on"] > rows["period_end"]).all()


def test_the_default_sample_is_fit_for_a_review(sample):
    tables, end = sample.tables, pd.Timestamp("2025-12-31")
    size = sum(
        len(frame.to_csv(index=False, date_format="%Y-%m-%d", float_format="%.2f").encode())
        for frame in tables.values()
    )
    assert size < 3_600_000
    left, _ = residuals(tables, end)
    due = tables["invoices"].set_index("invoice_id")["due_date"]
    open_ = left[left > 0]
    overdue = open_[due[open_.index] < end]
    assert 0.15 < overdue.sum() / open_.sum() < 0.30
    assert (due[open_.index] < end - pd.Timedelta(days=365)).sum() >= 5
    year = tables["invoices"][tables["invoices"]["issue_date"] >= "2025-01-01"]["amount"].sum()
    assert 50 < open_.sum() / 100 / year * 365 < 80
    lost = tables["write_offs"].loc[tables["write_offs"]["written_off_on"] >= "2025-01-01", "amount"].sum()
    assert 0.005 < lost / year < 0.03
    by_customer = tables["invoices"].groupby("customer_id")["amount"].sum().sort_values(ascending=False)
    assert 0.15 < by_customer.iloc[:10].sum() / by_customer.sum() < 0.45


def digest(made: Sample) -> str:
    whole = hashlib.sha256()
    for frames in (made.tables, made.truth):
        for name in sorted(frames):
            whole.update(frames[name].to_csv(index=False).encode())
    return whole.hexdigest()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_firm():
    firm = Firm(customers=30, months=14)
    first = digest(synthetic.generate(firm, 7))
    assert first == digest(synthetic.generate(firm, 7))
    assert first != digest(synthetic.generate(firm, 8))
    # Our own value, pinned only to see that no version of Python, numpy or pandas changes the bytes.
    assert first == "e5c1c13f4b9f1d7987311d9f52dd68d0223b45c2a5036c72ec821181030a60d3"


def test_the_number_of_invoices_can_be_asked_for():
    for invoices, months in ((4_000, 36), (30_000, 36), (6_000, 12)):
        firm = Firm(invoices=invoices, months=months)
        made = synthetic.generate(firm, 3).tables["invoices"]
        assert (made["kind"] == "invoice").sum() == pytest.approx(invoices, rel=0.04)


def test_names_are_made_up_and_all_different():
    names = synthetic.generate(Firm(customers=1500, months=3, orders=0.1), 1).tables["customers"]["name"]
    assert names.is_unique
    assert 0.3 < (~names.map(str.isascii)).mean() < 0.5


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"customers": 0}, "customers must be at least 1"),
        ({"months": 2}, "months must lie"),
        ({"orders": 0.0}, "orders must be above 0"),
        ({"invoices": 0}, "invoices must be at least 1"),
        ({"start": "January"}, "start 'January' is no date"),
        ({"currency": "JPY"}, "two decimals"),
        ({"change": Change(on="soon")}, "change.on 'soon' is no date"),
        ({"change": Change(delay_factor=-1)}, "must not be negative"),
        ({"change": Change(waves=0)}, "waves"),
        ({"grades": synthetic.GRADES[:2]}, "add up to 1"),
    ],
)
def test_settings_out_of_range_are_refused(wrong, message):
    with pytest.raises(CreditLabError, match=message):
        Firm(**wrong)


def test_a_register_export_says_what_the_register_says(sample):
    facts = sample.tables["facts"]
    export = synthetic.register_export(facts).set_index("客户编号")
    said = facts[(facts["source"] == "public_registry") & (facts["attribute"] == "registered_capital")]
    in_wan = export.loc[said["customer_id"], "注册资本(万元)"].astype(float).to_numpy()
    assert np.array_equal(in_wan * 10_000, said["value"].astype(float).to_numpy())
    assert export["被执行人日期"].notna().sum() >= 5
