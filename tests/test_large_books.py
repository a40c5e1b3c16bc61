"""Books of ten billion and of ten trillion are judged to the cent, from the control account to the sentence."""

import json
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from credit_lab import kpi, ledger, studies
from credit_lab import policy as policies
from credit_lab.__main__ import app
from credit_lab.studies import granting, text
from tests.ledgers import allocation, invoice, payment

BASELINE = policies.load("data/policies/2025-baseline.toml")
END = "2025-06-30"
SIZES = [10**12, 19_090_745_826_353, 10**15]  # cents: 1e10, 190,907,458,263.53 and 1e13 of currency units
LAST = 2  # months whose invoices are open


def units(cents):
    return str(Decimal(int(cents)).scaleb(-2))


def book_of(write_ledger, size, off=0):
    """Eighteen months of four customers, all paid but the last two months; what is open comes to `size` cents.

    The limit of C0 is what it owes, that of C1 a cent less, that of C2 a cent more; C3 has none.
    """
    rng = np.random.default_rng(size)
    invoices, payments, owed = [], [], np.zeros(4, dtype=object)
    for number in range(18 * 4):
        month, customer = divmod(number, 4)
        day = pd.Timestamp("2024-01-11") + pd.DateOffset(months=month)
        cents = int(size / 8 * rng.uniform(0.5, 1.5))
        if month >= 18 - LAST:
            cents = size - sum(owed) if number == 71 else int(cents * 0.9)
            owed[customer] += cents
        else:
            paid = str((day + pd.Timedelta(days=45)).date())
            payments.append(payment(f"P{number}", f"C{customer}", paid, units(cents), invoice_id=f"I{number}"))
        due = str((day + pd.Timedelta(days=30)).date())
        invoices.append(invoice(f"I{number}", f"C{customer}", str(day.date()), due, units(cents)))
    room = (0, -1, 1)
    lines = [
        {"customer_id": f"C{k}", "valid_from": "2024-01-01", "credit_limit": units(owed[k] + more)}
        for k, more in enumerate(room)
    ]
    control = [{"as_of": END, "balance": units(size + off), "currency": "CNY"}]
    return write_ledger(invoices=invoices, payments=payments, limits=lines, control=control)


@pytest.mark.parametrize("size", SIZES)
def test_a_book_that_agrees_to_the_cent_agrees_everywhere(write_ledger, size):
    folder = book_of(write_ledger, size)
    said = CliRunner().invoke(app, ["check", "--ledger", str(folder), "--as-of", END])
    assert said.exit_code == 0
    assert "agrees to the cent" in said.stdout
    record = json.loads(CliRunner().invoke(app, ["check", "--ledger", str(folder), "--as-of", END, "--json"]).stdout)
    assert record["reconciles"] == "ok: difference 0.00"
    aged = record["currencies"]["CNY"]["aging"]
    assert sum(Decimal(repr(row["open_amount"])) for row in aged) == Decimal(units(size))

    found = studies.review.review(ledger.read(folder), BASELINE, "2025Q2")
    assert text.verdicts(found)["ledger reconciles"] == "ok: difference 0.00"
    assert "differ from the documents by 0.00 CNY" in text.quality(found)
    lines = found.identity.set_index("line")["amount"]
    assert lines["sum"] == lines["balance from documents"] == float(units(size))
    assert lines["difference"] == 0
    parts = [Decimal(repr(amount)) for amount in found.bridge["amount"]]
    assert sum(parts[:-1]) == parts[-1] == Decimal(units(size))
    by_customer = sum(Decimal(repr(amount)) for amount in found.balances["exposure"])
    assert by_customer == Decimal(units(size))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("off", [-1, 1])
def test_a_cent_of_difference_is_found(write_ledger, size, off):
    folder = book_of(write_ledger, size, off)
    said = CliRunner().invoke(app, ["check", "--ledger", str(folder), "--as-of", END])
    assert said.exit_code == 1
    assert "differs by up to 0.01" in said.stdout
    found = studies.review.review(ledger.read(folder), BASELINE, "2025Q2")
    assert text.verdicts(found)["ledger reconciles"] == "stop: difference 0.01"


@pytest.mark.parametrize("size", SIZES)
def test_a_limit_is_exceeded_by_a_cent_and_not_by_nothing(write_ledger, size):
    made = granting.granting(ledger.read(book_of(write_ledger, size)), BASELINE, pd.Timestamp(END))
    over = made.over.dropna(subset="credit_limit").set_index("holder")["headroom"]
    assert over.to_dict() == {"C1": -0.01}


def test_what_is_beyond_2_to_the_53_cents_is_refused_with_a_way_out(write_ledger):
    # four open invoices of 2**51 cents: one by one they can be told, together they cannot
    rows = [invoice(f"I{k}", f"C{k}", amount=units(2**51)) for k in range(4)]
    folder = write_ledger(invoices=rows, payments=[payment(amount="0.01", paid="2023-12-01")])
    pd.read_csv(folder / "payments.csv").head(0).to_csv(folder / "payments.csv", index=False)
    refused = str(CliRunner().invoke(app, ["check", "--ledger", str(folder)]).exception)
    assert "above 2**53 minor units (9,007,199,254,740,992)" in refused
    assert "in thousands of its currency, or company by company" in refused


def test_the_same_sales_taken_back_are_no_sales(write_ledger):
    """As floats 8,449,323,344,380.02 + 1,234,567,890,123.17 less the same are 0.0019, and a DSO of 10**16 days."""
    first, second = "8449323344380.02", "1234567890123.17"
    rows = [
        invoice("I1", amount=first), invoice("I2", issued="2024-02-10", due="2024-03-10", amount=second),
        invoice("I3", issued="2024-03-10", due="2024-03-10", amount=f"-{second}"),
        invoice("I4", issued="2024-04-10", due="2024-04-10", amount=f"-{first}"),
        invoice("I5", issued="2024-05-10", due="2024-06-10", amount="0.07"),
        invoice("I6", issued="2024-05-11", due="2024-05-11", amount="-0.07"),
    ]  # fmt: skip
    matched = [allocation("I6", "I5", "2024-05-11", 0.07)]  # set off: settled in full
    paid = [payment(amount=1, paid="2024-05-30")]
    book = ledger.read(write_ledger(invoices=rows, payments=paid, allocations=matched))
    figures, why = kpi.measured(book, kpi.monthly(book, pd.Timestamp("2024-05-31")))
    assert why["dso.period_end"] == "nothing was sold"
    assert np.isnan(figures["dso.period_end"])
