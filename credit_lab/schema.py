"""The tables of a ledger and their columns: the only place that spells them.

A minimal ledger is `invoices` and `payments`; every other table is optional. Ids are text, money is in currency
units (credit notes negative), dates are days without time zone, rates are fractions, ages whole days. Any table may
carry `known_on`, the day its row was recorded, which makes it bitemporal.

`TABLES` describes them for reading, writing and documentation; `contract` turns a description into a pandera schema
that says whether a parsed table keeps it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import pandas as pd

from credit_lab.errors import LedgerError, nearest

if TYPE_CHECKING:
    import pandera.pandas as pa

Kind = Literal["id", "text", "date", "money", "number", "rate", "days", "flag"]

DTYPES: dict[Kind, str] = {
    "id": "str",
    "text": "str",
    "date": "datetime64[us]",
    "money": "float64",
    "number": "float64",
    "rate": "float64",
    "days": "Int64",
    "flag": "boolean",
}


@dataclass(frozen=True)
class Column:
    """One column: its kind decides dtype and parsing; `required` columns must exist and be filled."""

    name: str
    kind: Kind
    required: bool
    doc: str


@dataclass(frozen=True)
class Table:
    """One table: a row's meaning, its columns, and the columns that identify a row (empty: no key)."""

    name: str
    row: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in their canonical order."""
        return tuple(column.name for column in self.columns)

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns that must exist."""
        return tuple(column.name for column in self.columns if column.required)

    def column(self, name: str) -> Column:
        """The column of that name; LedgerError with the nearest name otherwise."""
        for column in self.columns:
            if column.name == name:
                return column
        raise LedgerError(f"{self.name}: no column {name!r} in the schema; {nearest(name, self.names)}")


def _table(name: str, row: str, key: str, spec: str) -> Table:
    """Build a table from lines `column kind[!] meaning`, `!` marking a required column."""
    columns = []
    for line in spec.strip().splitlines():
        column, kind, doc = line.split(maxsplit=2)
        columns.append(Column(column, kind.rstrip("!"), kind.endswith("!"), doc))  # type: ignore[arg-type]
    columns.append(Column("known_on", "date", False, "day the row was recorded; absent: known when it happened"))
    return Table(name, row, tuple(key.split()), tuple(columns))


_ALL = (
    _table(
        "customers",
        "customer",
        "customer_id",
        """
        customer_id id! customer account
        name text legal name
        group_id id parent of an affiliated group (集团); members share one limit
        industry text industry code or name
        region text sales region
        size_class text large, medium, small or micro; public for public bodies
        onboarded_on date first day of the business relation
        """,
    ),
    _table(
        "invoices",
        "invoice or credit note",
        "invoice_id",
        """
        invoice_id id! document number
        customer_id id! debtor
        issue_date date! document date
        due_date date! last day of the credit term
        amount money! gross amount including tax; credit note (贷项通知单) below zero
        currency text! ISO 4217 code
        kind text! invoice or credit_note
        contract_id id contract the delivery belongs to
        order_id id order the delivery belongs to
        delivered_on date day of delivery
        custom_made flag whether the goods were made to order; empty: see the order
        """,
    ),
    _table(
        "instalments",
        "part of an invoice with a due date of its own",
        "",
        """
        invoice_id id! document number
        due_date date! last day of this part's term
        amount money! gross amount of this part
        """,
    ),
    _table(
        "payments",
        "receipt; a refund is below zero",
        "payment_id",
        """
        payment_id id! receipt number
        customer_id id! payer
        paid_date date! day the money arrived
        amount money! amount received
        currency text! ISO 4217 code
        invoice_id id document the receipt names; read as an allocation where there is no allocations table
        reference text what the payer wrote; matching by rule looks for ids of open invoices in it
        """,
    ),
    _table(
        "allocations",
        "part of a payment matched to an invoice (核销)",
        "",
        """
        payment_id id! receipt, or the credit note that is set off
        invoice_id id! document settled
        allocated_on date! day of matching
        amount money! amount matched, in the invoice's currency
        matched_by text how, if not by the books: named, amount, earliest_due, latest_due, open_item
        """,
    ),
    _table(
        "disputes",
        "dispute",
        "dispute_id",
        """
        dispute_id id! dispute number
        invoice_id id! contested document
        opened_on date! first day
        closed_on date last day; empty while open
        amount money! contested amount
        reason text quality, quantity, price, delivery or another
        """,
    ),
    _table(
        "write_offs",
        "write-off (坏账核销), or recovery below zero",
        "",
        """
        invoice_id id! document written off
        written_off_on date! booking day
        amount money! amount written off; a later recovery is negative
        """,
    ),
    _table(
        "orders",
        "order",
        "order_id",
        """
        order_id id! order number
        customer_id id! buyer
        ordered_on date! order day
        amount money! order value
        tax_included flag whether amount includes tax
        custom_made flag whether the goods are made to order; empty: standard goods
        """,
    ),
    _table(
        "financials",
        "financial statement",
        "customer_id period_end source",
        """
        customer_id id! whose statement
        period_end date! balance sheet day
        published_on date! day it could be known
        sales money revenue of the twelve months
        cost_of_sales money cost of goods sold
        operating_profit money earnings before interest and tax
        net_income money profit after tax
        total_assets money balance sheet total
        current_assets money due within a year
        inventory money stocks
        receivables money trade receivables
        cash money cash and equivalents
        total_liabilities money all liabilities
        current_liabilities money due within a year
        retained_earnings money accumulated profits
        net_worth money equity (净资产)
        audited flag whether an auditor signed
        source text! who supplied it
        """,
    ),
    _table(
        "facts",
        "claim about a customer by a source",
        "",
        """
        customer_id id! whom it is about
        attribute text! what is claimed
        value text! the claimed value
        source text! who claims it
        observed_on date! day of the claim
        """,
    ),
    _table(
        "assessments",
        "expert judgement",
        "",
        """
        customer_id id! whom it is about
        assessed_on date! day of the judgement
        factor text! judged factor
        score number! 1 (worst) to 10 (best)
        assessor text who judged
        """,
    ),
    _table(
        "limits",
        "granted limit (授信额度)",
        "",
        """
        customer_id id! customer or group_id
        valid_from date! first day
        valid_to date last day; empty: until replaced
        credit_limit money! largest exposure allowed
        term_days days credit term granted
        discount_rate rate cash discount
        discount_days days discount period
        approved_by text who signed
        reason text why
        """,
    ),
    _table(
        "contracts",
        "contract",
        "contract_id",
        """
        contract_id id! contract number
        customer_id id! counterparty
        signed_on date! day of signature
        valid_to date last day
        term_days days agreed credit term
        template text template used
        reviewed_by text legal or credit reviewer
        """,
    ),
    _table(
        "actions",
        "collection action (催收)",
        "action_id",
        """
        action_id id! action number
        customer_id id! debtor
        invoice_id id document chased; empty: the whole account
        taken_on date! day
        action text! reminder, negotiation, demand_letter, legal or another
        cost money cost of the action
        outcome text what came of it
        promised_on date promised payment day
        promised_amount money promised amount
        propensity rate probability with which this action was chosen
        """,
    ),
    _table(
        "covers",
        "insurance or factoring line",
        "",
        """
        customer_id id! covered debtor
        provider text! insurer or factor
        kind text! insurance or factoring
        valid_from date! first day
        valid_to date last day
        cover_limit money! largest covered exposure
        cover_share rate! covered fraction
        deductible money own share per loss (免赔额)
        rate rate premium or fee on sales
        recourse flag whether the factor may come back to us
        """,
    ),
    _table(
        "control",
        "balance of the control account (总账应收账款)",
        "as_of currency",
        """
        as_of date! day
        balance money! receivables less unapplied cash and credit notes
        currency text ISO 4217 code
        """,
    ),
)

TABLES: Mapping[str, Table] = MappingProxyType({table.name: table for table in _ALL})


def table(name: str) -> Table:
    """The table of that name; LedgerError with the nearest name otherwise."""
    if name not in TABLES:
        raise LedgerError(f"no table {name!r} in the schema; {nearest(name, TABLES)}")
    return TABLES[name]


def empty(name: str) -> pd.DataFrame:
    """The table of that name without rows, its columns typed (`known_on` left out, as in most ledgers)."""
    return no_rows({column.name: column.kind for column in table(name).columns if column.name != "known_on"})


def no_rows(kinds: Mapping[str, str]) -> pd.DataFrame:
    """A table without rows whose columns have the types of their kinds.

    A frame of bare names would have columns of objects: such a frame breaks where dates are compared, texts are joined
    or tables merged, and only on the day on which there is nothing to show.

    >>> no_rows({"customer_id": "id", "day": "date"}).dtypes.astype(str).to_dict()
    {'customer_id': 'str', 'day': 'datetime64[us]'}
    """
    types = {str(kind): dtype for kind, dtype in DTYPES.items()}
    return pd.DataFrame({name: pd.Series(dtype=types[kind]) for name, kind in kinds.items()})


def contract(name: str) -> "pa.DataFrameSchema":
    """pandera schema of a parsed table: dtypes, filled required columns, key unique, nothing else allowed."""
    import pandera.pandas as pa  # 0.6 s: only when a table is checked

    described = table(name)
    columns = {
        column.name: pa.Column(DTYPES[column.kind], nullable=not column.required, required=column.required)
        for column in described.columns
    }
    return pa.DataFrameSchema(columns, strict=True, unique=list(described.key) or None, name=name)
