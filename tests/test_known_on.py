"""What was known on a day: as chosen for a run, and at each date of whatever looks back."""

import inspect
import json
from unittest import mock

import nbformat
import numpy as np
import pandas as pd
import pytest
import typer.main
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from credit_lab import aging, errors, facts, history, inputs, knowledge, limits, policy, studies, when
from credit_lab import ledger as ledger_package
from credit_lab.__main__ import app
from credit_lab.aging.postings import postings
from credit_lab.backtest import replaying
from credit_lab.ledger import known, reconcile
from credit_lab.monitoring import signals
from tests.ledgers import allocation, invoice, ledgers, payment
from tests.test_ledger_properties import read

KEYS = ["month", "customer_id"]


@pytest.fixture
def reversal(write_ledger):
    """An invoice of 80,000 of 10 April, cancelled by a note that is dated back: recorded on 15 August.

    The other customer has paid all it owed, so that the ledger can say how customers pay.
    """

    def recorded(row, day):
        return {**row, "known_on": day}

    def document(number, issued, due, amount):
        return invoice(number, "K1", issued, due, amount) | {"kind": "invoice" if amount > 0 else "credit_note"}

    return write_ledger(
        invoices=[
            recorded(document("F1", "2025-04-10", "2025-05-10", 80000), "2025-04-10"),
            recorded(document("F2", "2025-04-20", "2025-05-20", 20000), "2025-04-20"),
            recorded(document("F1S", "2025-04-10", "2025-04-10", -80000), "2025-08-15"),
            recorded(invoice("G1", "K2", "2025-04-02", "2025-05-02", 900) | {"kind": "invoice"}, "2025-04-02"),
        ],
        payments=[payment("P0", "K1", "2025-04-01", 1), payment("P1", "K2", "2025-04-20", 900)],
        allocations=[
            recorded(allocation("F1S", "F1", "2025-04-10", 80000), "2025-08-15"),
            recorded(allocation("P1", "G1", "2025-04-20", 900), "2025-04-20"),
        ],
        control=[
            {"as_of": "2025-06-30", "balance": 99999, "known_on": "2025-06-30"},
            {"as_of": "2025-08-31", "balance": 19999, "known_on": "2025-08-31"},
        ],
    )


def test_as_known_on_a_day_a_cancellation_dated_back_has_not_come_yet(reversal):
    # On 30 June: 80,000 + 20,000 open, 1 not matched, so the account stands at 99,999.
    book = inputs.open_ledger(str(reversal), known_on="2025-06-30")
    items = aging.open_items(book, pd.Timestamp("2025-06-30")).set_index("document_id")["open_amount"]
    assert items.to_dict() == {"F1": 80000, "F2": 20000, "P0": -1}
    control = reconcile.against_control(book)
    assert control[["control", "ledger"]].to_numpy().tolist() == [[99999, 99999]]
    day, notes = when.day(book, "")
    assert day <= pd.Timestamp("2025-06-30")
    assert notes[0] == "As known on 2025-06-30: 3 rows recorded later are left out."
    assert "so they count from their day: payments." in notes[1]


def test_check_agrees_as_known_and_differs_as_the_books_stand(reversal):
    command = ["check", "--ledger", str(reversal), "--as-of", "2025-06-30"]
    then = CliRunner().invoke(app, [*command, "--known-on", "2025-06-30"], catch_exceptions=False)
    assert then.exit_code == 0 and "3 rows recorded later are left out" in then.stdout
    assert "agrees to the cent" in then.stdout and "100,000.00" in then.stdout
    now = CliRunner().invoke(app, command, catch_exceptions=False)
    assert now.exit_code == 1 and "differs by up to" in now.stdout
    told = json.loads(CliRunner().invoke(app, [*command, "--known-on", "2025-06-30", "--json"]).stdout)
    assert told["currencies"]["CNY"]["notes"][0].startswith("As known on 2025-06-30")


def test_history_shows_each_month_end_as_it_was_known(reversal):
    book = ledger_package.read(reversal)
    whole = history.build(book, "2025-08-31")
    seen = whole[whole["customer_id"] == "K1"].set_index("month")
    # 100,000 less 1 unapplied until the cancellation is recorded, then 20,000 less 1.
    assert seen["open"].tolist() == [100000] * 4 + [20000]
    assert seen["exposure"].tolist() == [99999] * 4 + [19999]
    # What followed is as known in August: F2, due on 20 May, is 31 + 10 = 41 days late on 30 June.
    stands = history.build(book, "2025-08-31", restated=True)
    stands = stands[stands["customer_id"] == "K1"].set_index("month")
    assert stands["open"].tolist() == [20000] * 5
    assert stands.loc["2025-06-30", "max_dpd"] == 41
    outcomes = [name for name in seen if name.startswith("next_")]
    pd.testing.assert_frame_equal(seen[outcomes], stands[outcomes])
    # A forecast made at a month end adds up all months as known on that day.
    for month, sold in (("2025-07-31", 100000), ("2025-08-31", 20000)):
        assert history.looking_back(book, whole, month).query("customer_id == 'K1'")["sales"].sum() == sold


def test_a_review_of_books_that_were_corrected_since_stands(reversal):
    """Without K2 nobody had settled anything by 30 June, as then known; the books of today have the reversal.

    They say 19,999 where the account of the day says 99,999: 80,000 apart, and the light states just that.
    """
    for file in reversal.glob("*.csv"):
        rows = pd.read_csv(file)
        own = ~rows.isin(["G1", "P1", "K2"]).any(axis=1)
        rows[own].to_csv(file, index=False)
    baseline = policy.load("data/policies/2025-baseline.toml")
    made = studies.review.review(ledger_package.read(reversal), baseline, "2025Q2")
    light = studies.text.verdicts(made)["ledger reconciles"]
    assert light == "stop: difference 80,000.00"
    assert facts.of(light) == {"control.apart@2025-06-30": 80000.0}
    with pytest.raises(errors.NotKnown, match="no invoice was ever settled"):
        _ = made.alerts


def test_exposure_is_what_was_known_on_the_day(reversal):
    book = ledger_package.read(reversal)
    for day, owed in (("2025-06-30", 99999), ("2025-08-14", 99999), ("2025-08-15", 19999)):
        assert limits.exposure(book, day)["exposure"].tolist() == [owed, 0]


@pytest.mark.parametrize(
    ("day", "why"),
    [
        ("2025-03-31", "is before the first document of the data, 2025-04-01"),
        ("30.6.2025", "known_on '30.6.2025' is not understood"),
    ],
)
def test_a_day_on_which_nothing_can_be_known_is_refused(reversal, day, why):
    with pytest.raises(errors.CreditLabError, match=why):
        inputs.open_ledger(str(reversal), known_on=day)


def test_nothing_recorded_by_the_day_is_refused(write_ledger):
    folder = write_ledger(
        invoices=[{**invoice(), "known_on": "2024-03-01"}],
        payments=[{**payment(), "known_on": "2024-03-01"}],
        allocations=[allocation()],
    )
    with pytest.raises(errors.LedgerError, match="no document had been recorded by 2024-02-28"):
        inputs.open_ledger(str(folder), known_on="2024-02-28")


def test_without_the_column_what_is_dated_later_is_left_out_and_it_is_said(write_ledger):
    folder = write_ledger(invoices=[invoice()], payments=[payment()], allocations=[allocation()])
    book = inputs.open_ledger(str(folder), known_on="2024-02-19")
    assert len(book.invoices) == 1 and book.payments.empty and book.allocations.empty
    assert book.notes == (
        "As known on 2024-02-19: no table says when its rows were recorded (known_on), so what was recorded late is "
        "not known; 2 rows dated later are left out.",
    )


def test_news_judgement_and_limits_dated_later_are_left_out(write_ledger):
    """One row of each before the day and one after it, none of them with `known_on`."""
    days = ["2025-03-01", "2025-09-01"]
    fact = {"customer_id": "C1", "attribute": "insolvency", "value": "yes", "source": "register"}
    view = {"customer_id": "C1", "assessor": "A", "factor": "ownership", "score": 3}
    folder = write_ledger(
        invoices=[invoice("F1", "C1", "2025-02-10", "2025-03-10", 100)],
        payments=[payment("P1", "C1", "2025-03-01", 1)],
        facts=[fact | {"observed_on": day} for day in days],
        assessments=[view | {"assessed_on": day} for day in days],
        limits=[{"customer_id": "C1", "valid_from": day, "credit_limit": 9} for day in days],
    )
    book = inputs.open_ledger(str(folder), known_on="2025-06-30")
    assert [len(book.tables[name]) for name in ("facts", "assessments", "limits")] == [1, 1, 1]


def test_a_customer_whose_documents_were_known_first_keeps_only_its_id(write_ledger):
    folder = write_ledger(
        customers=[
            {"customer_id": "C1", "industry": "steel", "known_on": "2024-05-01"},
            {"customer_id": "C2", "industry": "paper", "known_on": "2024-05-01"},
        ],
        invoices=[invoice()],
        payments=[payment()],
        allocations=[allocation()],
    )
    then = ledger_package.read(folder).known_by("2024-04-30").customers
    assert then["customer_id"].tolist() == ["C1"] and then["industry"].isna().all()


def late(tables, seed, share=0.3):
    """Tables with a day of recording on every row, of some up to 200 days after the row's own."""
    chance = np.random.default_rng(seed)
    dated = {**known.DATED, "instalments": "due_date"}
    made = {}
    for name, table in tables.items():
        if name not in dated or table.empty:
            made[name] = table
            continue
        days = np.where(chance.random(len(table)) < share, chance.integers(0, 200, len(table)), 0)
        on = pd.to_datetime(table[dated[name]]) + pd.to_timedelta(days, unit="D")
        made[name] = table.assign(known_on=on.astype("datetime64[us]"))
    return made


def features(table):
    return table[[name for name in table if not name.startswith("next_")]]


def at(table, month):
    return table[table["month"] == month].sort_values("customer_id").reset_index(drop=True)


def assert_same_at_each_month(book, last, months):
    whole = history.build(book, last)
    watched = signals.build(book, whole).table
    for month in months:
        then = book.known_by(month).up_to(month)
        if then.invoices.empty and then.payments.empty:
            assert at(whole, month).empty
            continue
        past = history.build(then, month)
        pd.testing.assert_frame_equal(at(features(whole), month), at(features(past), month))
        alone = signals.build(book.known_by(month), past).table
        pd.testing.assert_frame_equal(
            at(features(watched), month), at(features(alone), month), check_exact=False, rtol=1e-9
        )


@given(ledgers(), st.integers(0, 10**6), st.integers(0, 100))
@settings(max_examples=4)  # some fifty histories each
def test_every_month_of_a_history_is_what_was_known_then(tables, seed, number):
    """Whatever the ledger can carry (`credit_lab.knowledge`)."""
    book = read(late(tables, seed, share=0.5))
    dates = pd.concat([book.invoices["issue_date"], book.payments["paid_date"]])
    last = max(dates.max() + pd.DateOffset(months=2), pd.Timestamp("2024-03-31")) + pd.offsets.MonthEnd(0)
    months = pd.date_range(dates.min(), last, freq="ME")
    with mock.patch.object(knowledge.Knowledge, "need"):
        assert_same_at_each_month(book, last, [months[number % len(months)]])


def test_signals_of_the_sample_are_those_that_were_known_then(sample):
    groups = sample.customers["group_id"].notna()
    ids = pd.concat([sample.customers[groups], sample.customers.head(20)])["customer_id"]
    ids = pd.concat([ids, sample.customers["group_id"].dropna()]).drop_duplicates()
    few = sample.of_customers(ids).up_to("2024-03-31")
    book = ledger_package.Ledger(late(few.tables, 1), few.quarantine, few.accounting, few.source, few.windows)
    assert set(known.late(book)["table"]) >= {"limits", "orders", "actions", "disputes", "facts", "instalments"}
    with mock.patch.object(knowledge.Knowledge, "need"):  # whatever the ledger can carry
        assert_same_at_each_month(book, pd.Timestamp("2024-03-31"), pd.to_datetime(["2023-06-30", "2023-12-31"]))


@given(ledgers(), st.integers(0, 10**6), st.integers(0, 500))
def test_postings_dated_when_recorded_are_those_known_on_every_day(tables, seed, after):
    book = read(late(tables, seed, share=0.5))
    day = pd.Timestamp("2024-01-01") + pd.Timedelta(days=after)

    def sums(ledger):
        rows = postings(ledger)
        found = rows[rows["day"] <= day].groupby(["kind", "document_id", "customer_id"])["minor"].sum()
        return found[found != 0].to_dict()

    assert sums(known.recorded(book)) == sums(book.known_by(day))


def test_nothing_recorded_late_costs_nothing_and_changes_nothing(sample):
    day = pd.Timestamp("2025-06-30")
    assert sample.known_by(day) is sample and known.recorded(sample) is sample
    assert list(known.days_affected(sample, pd.DatetimeIndex([day]))) == []
    table = pd.DataFrame({"month": [day]})
    assert history.looking_back(sample, table, day) is table


def test_a_replay_sees_nothing_recorded_later(sample):
    """A receipt matched in May and recorded in August moves nothing that was decided until then."""
    few = sample.of_customers(sample.customers["customer_id"].head(30))
    end, seen_on = pd.Timestamp("2025-12-31"), pd.Timestamp("2025-08-15")
    paid = few.allocations
    moved = paid["allocated_on"].between("2025-03-01", "2025-07-31")
    assert moved.sum() > 50
    dated = {name: few.tables[name].assign(known_on=pd.NaT) for name in ("invoices", "payments")}
    dated = {name: table.astype({"known_on": "datetime64[us]"}) for name, table in dated.items()}
    on = paid["allocated_on"].mask(moved, seen_on).astype("datetime64[us]")

    def ledger(allocations):
        whole = {**few.tables, **dated, "allocations": allocations}
        return ledger_package.Ledger(whole, few.quarantine, few.accounting, few.source, few.windows)

    with_them = ledger(paid.assign(known_on=on))
    without = ledger(paid[~moved].reset_index(drop=True))
    at_once = ledger(paid)
    rules = policy.load("data/policies/2025-baseline.toml")
    with mock.patch.object(knowledge.Knowledge, "need"):  # whatever the ledger can carry
        first, second, third = (
            replaying.replay(book, rules, end=end, start=pd.Timestamp("2025-01-01"))
            for book in (with_them, without, at_once)
        )

    def decided(run):
        made = run.decisions[run.decisions["review_date"] < seen_on]
        orders = run.invoices[run.invoices["issue_date"] <= seen_on]
        return made.reset_index(drop=True), orders[["invoice_id", "delivered_at_once", "reason"]].reset_index(drop=True)

    for one, other in zip(decided(first), decided(second), strict=True):
        pd.testing.assert_frame_equal(one, other)
    assert not decided(first)[1].equals(decided(third)[1]), "the receipts would have released orders"
    # History did the same with the invoices, whenever it was recorded.
    pd.testing.assert_series_equal(first.invoices["fate"], third.invoices["fate"])


def every_command(group, names=()):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from every_command(command, (*names, name))
        else:
            yield " ".join((*names, name)), command


def test_every_command_and_notebook_that_reads_a_ledger_can_be_asked_what_was_known():
    asked = {}
    for name, command in every_command(typer.main.get_command(app)):
        options = {option for one in command.params for option in one.opts}
        if "--ledger" in options:
            asked[name] = "--known-on" in options
    assert len(asked) >= 14
    assert [name for name, there in asked.items() if not there] == []


def test_every_notebook_with_a_ledger_hands_the_day_on(pytestconfig):
    paths = sorted((pytestconfig.rootpath / "notebooks").glob("*.ipynb"))
    found = 0
    for path in paths:
        cells = [one.source for one in nbformat.read(path, 4).cells if one.cell_type == "code"]
        if not any(cell.startswith("ledger: str") or "\nledger: str" in cell for cell in cells):
            continue
        found += 1
        assert any('known_on: str = ""' in cell for cell in cells), path.name
        assert any("known_on)" in cell or "known_on=known_on" in cell for cell in cells), path.name
    assert found >= 19
    assert "known_on" in inspect.signature(inputs.open_ledger).parameters


def test_history_of_one_customer_with_a_cent_unapplied(write_ledger):
    """As above without the customer who paid: 1 of 100,000 unapplied changes no age worth speaking of."""
    documents = [("F1", "2025-05-10", 80000, "2025-04-10"), ("F2", "2025-05-20", 20000, "2025-04-20")]
    rows = [
        invoice(name, "K1", seen, due, amount) | {"kind": "invoice", "known_on": seen}
        for name, due, amount, seen in documents
    ]
    note = invoice("F1S", "K1", "2025-04-10", "2025-04-10", -80000) | {"kind": "credit_note", "known_on": "2025-08-15"}
    folder = write_ledger(
        invoices=[*rows, note],
        payments=[payment("P0", "K1", "2025-04-01", 1)],
        allocations=[allocation("F1S", "F1", "2025-04-10", 80000) | {"known_on": "2025-08-15"}],
    )
    seen = history.build(ledger_package.read(folder), "2025-08-31").set_index("month")
    assert seen["open"].tolist() == [100000] * 4 + [20000]
    assert seen["unapplied"].tolist() == [1] * 5
