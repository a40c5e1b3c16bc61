"""The day a run looks from when none is given: the last one the data cover, on any ledger."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from credit_lab import ledger, synthetic, when
from credit_lab.__main__ import app
from credit_lab.backtest import last_whole_month
from credit_lab.errors import LedgerError
from credit_lab.ledger.extent import documents_by_day
from tests.ledgers import allocation, invoice, payment

run = CliRunner().invoke


@pytest.fixture(scope="module")
def older(tmp_path_factory):
    """A firm whose books end on Thursday, 29 February 2024."""
    folder = tmp_path_factory.mktemp("older")
    made = synthetic.generate(synthetic.Firm(customers=25, months=14), seed=4)
    ledger.write(made.tables, folder, overwrite=True)
    return folder


def book_of(days, write_ledger, paid=()):
    receipts = [payment(f"P{number}", paid=day) for number, day in enumerate(paid)]
    documents = [invoice(f"I{number}", issued=day, due=day) for number, day in enumerate(days)]
    return ledger.read(write_ledger(invoices=documents, payments=receipts or [payment(paid=days[0])]))


def monthly(first, count):
    return [str(day.date()) for day in pd.date_range(first, periods=count, freq="MS") + pd.Timedelta(days=9)]


# Twelve invoices, on the tenth of each month of 2024, and what else is dated.
@pytest.mark.parametrize(
    ("further", "last"),
    [
        ([], "2024-12-10"),
        (["2923-01-05"], "2024-12-10"),  # a slip of one digit, 899 years later
        (["2025-12-10"], "2024-12-10"),  # the wrong year: one of 14 entries (7 %) after a silence of a year (10 %)
        (["2024-12-27"], "2024-12-27"),  # an ordinary one
        (["1024-03-10"], "2024-12-10"),  # far too early moves nothing
    ],
)
def test_one_wrong_date_does_not_move_the_last_day(write_ledger, further, last):
    book = book_of(monthly("2024-01-01", 12), write_ledger)
    # Reading holds the worst of them back; the last day does not rest on that.
    more = book.invoices.head(len(further)).assign(
        invoice_id=[f"X{number}" for number in range(len(further))],
        issue_date=pd.to_datetime(pd.Series(further, dtype="str"), format="%Y-%m-%d").astype("datetime64[us]"),
    )
    tables = {**book.tables, "invoices": pd.concat([book.invoices, more], ignore_index=True)}
    assert str(dataclasses.replace(book, tables=tables).last_day.date()) == last


def test_a_thin_tail_is_not_the_end_of_dense_books(write_ledger):
    # Ten invoices on every weekday up to Friday 2024-06-28, then two dated ahead: Mondays usually hold ten, so a day
    # with one (below a fifth) is not complete. The weekend before is no gap: Saturdays usually hold none.
    days = [str(day.date()) for day in pd.bdate_range("2024-01-02", "2024-06-28") for _ in range(10)]
    book = book_of([*days, "2024-07-08", "2024-07-15"], write_ledger)
    assert str(book.last_day.date()) == "2024-06-28"
    # 28 June is a Friday and 30 June a Sunday: nothing of the month is missing.
    assert str(last_whole_month(book).date()) == "2024-06-30"
    assert when.period(book, "")[0] == "2024Q2"


def test_invoices_that_stop_while_receipts_go_on_end_the_data(write_ledger):
    # Two invoices a week up to 2024-06-27, receipts on each working day up to 2024-09-30: three months of sales lack.
    days = [str(day.date()) for day in pd.date_range("2024-01-01", "2024-06-30") if day.day_of_week in (1, 3)]
    paid = [str(day.date()) for day in pd.bdate_range("2024-02-01", "2024-09-30")]
    book = book_of(days * 2, write_ledger, paid)
    assert str(book.last_day.date()) == "2024-06-27"
    day, notes = when.day(book, "")
    assert day == book.last_day
    assert notes[1].startswith("67 entries are dated later, up to 2024-09-30")  # working days from 28 June on


def test_matching_and_writing_off_count_and_due_dates_do_not(write_ledger):
    folder = write_ledger(
        invoices=[invoice(due="2031-01-01"), invoice("I2")],
        payments=[payment(amount=150.0)],
        allocations=[allocation(), allocation(on="I2", day="2024-03-15", amount=50.0)],
        write_offs=[{"invoice_id": "I2", "written_off_on": "2024-04-02", "amount": 50.0}],
    )
    assert str(ledger.read(folder).last_day.date()) == "2024-04-02"


def test_books_without_a_document_have_no_last_day(write_ledger):
    book = book_of(["2024-01-10"], write_ledger).up_to(pd.Timestamp("2023-01-01"))
    assert documents_by_day(book.tables).empty
    with pytest.raises(LedgerError, match="no document with a date"):
        _ = book.last_day


def test_the_last_day_of_any_order_of_any_size(sample):
    assert str(sample.last_day.date()) == "2025-12-31"
    shuffled = {name: frame.sample(frac=1, random_state=1) for name, frame in sample.tables.items()}
    assert documents_by_day(shuffled).equals(documents_by_day(sample.tables))
    ends = [sample.up_to(pd.Timestamp(day)).last_day for day in ("2024-06-28", "2025-03-31")]  # Friday, Monday
    assert [str(day.date()) for day in ends] == ["2024-06-28", "2025-03-31"]


@pytest.mark.parametrize("command", [("worklist",), ("limits",), ("alerts",), ("files",), ("evaluate",)])
def test_commands_look_from_the_last_day_of_the_data(older, command):
    found = json.loads(run(app, [*command, "--ledger", str(older), "--json"], catch_exceptions=False).stdout)
    assert found["as_of"] == "2024-02-29"
    assert "As of 2024-02-29, the last day of the data." in found["notes"]


def test_a_day_far_from_the_data_is_said(older):
    found = json.loads(run(app, ["check", "--ledger", str(older), "--as-of", "2025-12-31", "--json"]).stdout)
    # 29 February 2024 to 31 December 2025: 307 days of 2024 and 364 of 2025 are left
    assert found["currencies"]["CNY"]["notes"] == ["2025-12-31 is 671 days after the last day of the data, 2024-02-29."]
    near = json.loads(run(app, ["check", "--ledger", str(older), "--as-of", "2024-03-20", "--json"]).stdout)
    assert near["currencies"]["CNY"]["notes"] == []
    assert "As of 2024-02-29, the last day of the data." in run(app, ["check", "--ledger", str(older)]).stdout


def test_a_review_takes_the_last_whole_quarter(older):
    book = ledger.read(older)
    label, notes = when.period(book, "")
    assert (label, notes) == (
        "2023Q4", ["Period 2023Q4, the last one the data cover whole (they end 2024-02-29)."],
    )  # fmt: skip
    assert when.period(book, "2024Q1") == ("2024Q1", ["2024Q1 is not covered whole: the data end 2024-02-29."])
    assert when.period(book, "2024-02") == ("2024-02", [])
    young = book.up_to(pd.Timestamp("2023-02-28"))  # no whole quarter yet
    assert when.period(young, "")[0] == "2023-02"
    assert np.isfinite(young.invoices["amount"]).all()


def test_a_backtest_ends_with_the_last_whole_month(older):
    day, notes = when.day(ledger.read(older), "", whole_months=True)
    assert str(day.date()) == "2024-02-29"
    assert notes == ["Up to 2024-02-29, the last month the data cover whole (they end 2024-02-29)."]


def test_a_period_by_default_has_invoices_in_it(write_ledger):
    """The books end on Tuesday, 30 December 2025: neither the last whole quarter, 2025Q3, nor the last whole month,
    November, has an invoice; the only one is of October."""
    book = book_of(["2025-10-05"], write_ledger, ["2025-12-30"])
    assert when.period(book, "") == ("2025Q4", ["2025Q4 is not covered whole: the data end 2025-12-30."])


def test_a_control_balance_says_that_the_books_were_closed(write_ledger):
    """The last document of June 2025 is of Friday, 27 June; the control account has a balance of Monday, the 30th."""
    documents = [invoice(f"I{number}", issued=str(day.date()), due="2025-12-31")
                 for number, day in enumerate(pd.bdate_range("2025-01-01", "2025-06-27"))]  # fmt: skip
    receipt = [payment(paid="2025-06-02")]
    book = ledger.read(write_ledger(invoices=documents, payments=receipt))
    assert when.period(book, "2025Q2")[1] == ["2025Q2 is not covered whole: the data end 2025-06-27."]
    closed = ledger.read(
        write_ledger(invoices=documents, payments=receipt, control=[{"as_of": "2025-06-30", "balance": 0}])
    )
    assert when.period(closed, "2025Q2") == ("2025Q2", [])
