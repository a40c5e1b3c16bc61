import pandas as pd
import pytest
from pandera.errors import SchemaError, SchemaErrors

from credit_lab import schema
from credit_lab.errors import LedgerError


def test_every_key_column_is_required_and_every_table_can_be_bitemporal():
    for table in schema.TABLES.values():
        assert set(table.key) <= set(table.names)
        assert table.names[-1] == "known_on"
        assert len(set(table.names)) == len(table.names)


def test_unknown_names_come_back_with_the_nearest_one():
    with pytest.raises(LedgerError, match="did you mean 'invoices'"):
        schema.table("invoces")
    with pytest.raises(LedgerError, match="did you mean 'due_date'"):
        schema.table("invoices").column("due_dat")


def test_a_contract_refuses_a_repeated_key_and_a_stray_column():
    day = pd.Timestamp("2025-01-01")
    payments = pd.DataFrame(
        {"payment_id": ["P1", "P2"], "customer_id": "C1", "paid_date": [day] * 2, "amount": 1.0, "currency": "CNY"}
    ).astype({"paid_date": "datetime64[us]", "payment_id": "str", "customer_id": "str", "currency": "str"})
    check = schema.contract("payments")
    assert check.validate(payments).equals(payments)
    with pytest.raises((SchemaError, SchemaErrors), match="payment_id"):
        check.validate(payments.assign(payment_id="P1"))
    with pytest.raises((SchemaError, SchemaErrors), match="stray"):
        check.validate(payments.assign(stray=1))


def test_tables_without_rows_keep_the_contract():
    """Dates are compared, texts joined, amounts summed as in a table with rows."""
    for name in schema.TABLES:
        assert schema.contract(name).validate(schema.empty(name)).empty
    disputes = schema.empty("disputes")
    assert disputes[disputes["opened_on"] <= pd.Timestamp("2025-01-01")].empty
    assert (disputes["dispute_id"] + " by " + disputes["reason"]).empty
