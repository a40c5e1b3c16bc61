"""Put the parts together: the ledger of a firm whose truth is known."""

import dataclasses

import numpy as np
import pandas as pd

from credit_lab import schema
from credit_lab.synthetic import evidence
from credit_lab.synthetic.customers import Population, cycle, population
from credit_lab.synthetic.documents import documents
from credit_lab.synthetic.facts import facts
from credit_lab.synthetic.firm import GRADES, Firm, Sample
from credit_lab.synthetic.trade import Draws, Trade, draw, settle


def generate(firm: Firm, seed: int) -> Sample:
    """Make a receivables ledger with known truth.

    Customers have a true grade and default probability; orders come with season and trend; invoices are paid early,
    late, in parts or never; a policy change at a known date shortens delays and refuses weak orders, and the truth says
    what the same world would have been without it. The same firm and seed give the same tables.

    Returns
    -------
    Sample
        tables (every table of the schema) and truth.
    """
    people = population(firm, seed)
    drawn = draw(firm, seed, people)
    trade = settle(firm, people, drawn, changed=True)
    tables = {"customers": people.table, **documents(firm, seed, people, drawn, trade)}
    rows = tables["invoices"]
    number = rows[rows["kind"] == "invoice"].set_index("order_id")["invoice_id"]
    names = tables["orders"]["order_id"].to_numpy()[trade.order]
    claims, planted = facts(firm, seed, people)
    tables |= {
        "limits": evidence.limits(firm, people, drawn),
        "contracts": evidence.contracts(firm, seed, people),
        "actions": evidence.actions(firm, seed, people, drawn, trade, number.loc[names].to_numpy()),
        "covers": evidence.covers(firm, seed, people),
        "financials": evidence.financials(firm, seed, people),
        "assessments": evidence.assessments(firm, seed, people),
        "facts": claims,
    }
    contract = tables["contracts"].set_index("customer_id")["contract_id"]
    tables["invoices"] = rows.assign(contract_id=rows["customer_id"].map(contract).where(rows["kind"] == "invoice"))
    tables = {name: _finished(name, tables[name]) for name in schema.TABLES if name in tables}
    return Sample(tables, _truth(firm, seed, people, drawn, trade, planted))


def _finished(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Schema columns in schema order and dtypes, rows in the order a ledger keeps them."""
    table = schema.table(name)
    columns = [column for column in table.names if column in frame]
    order = list(table.key) or columns
    whole = frame[columns].astype({column: schema.DTYPES[table.column(column).kind] for column in columns})
    return whole.sort_values(order, kind="stable", ignore_index=True)


def _truth(
    firm: Firm, seed: int, people: Population, drawn: Draws, trade: Trade, planted: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    customers = pd.DataFrame(
        {
            "customer_id": people.table["customer_id"],
            "grade": np.array([grade.grade for grade in GRADES])[people.grade],
            "pd": np.array([grade.pd for grade in GRADES])[people.grade],
            "delay_factor": people.delay.round(6),
            "default_on": firm.dates(np.maximum(people.default_day, 0)).where(people.default_day >= 0),
        }
    )
    with_change = _monthly(firm, drawn, trade)
    without = _monthly(firm, drawn, settle(firm, people, drawn, changed=False))
    effect = with_change.merge(without, on="month", suffixes=("", "_without"))
    settings = {**dataclasses.asdict(firm), **{f"change.{k}": v for k, v in dataclasses.asdict(firm.change).items()}}
    settings.pop("change")
    return {
        "customers": customers,
        "effect": effect.assign(cycle=cycle(firm, seed).round(6)),
        "discrepancies": planted,
        "settings": pd.DataFrame(
            {"name": [*settings, "seed"], "value": [str(value) for value in (*settings.values(), seed)]}
        ),
    }


def _monthly(firm: Firm, drawn: Draws, trade: Trade) -> pd.DataFrame:
    """Sales, receipts, write-offs and balance per month, from invoices and their parts alone."""
    ends = pd.date_range(firm.start, periods=firm.months, freq="ME")
    last = (ends.to_numpy().astype("datetime64[D]") - firm.first_day).astype(int)

    def sums(day: np.ndarray, cents: np.ndarray) -> np.ndarray:
        total = np.zeros(len(last) + 1, dtype=np.int64)
        np.add.at(total, np.searchsorted(last, day), cents)
        return total[:-1]

    paid = trade.parts[trade.parts["paid"]]
    sales = sums(trade.issue, drawn.cents[trade.order]) - sums(trade.credit_day, trade.credited)
    receipts = sums(paid["day"].to_numpy(), paid["cents"].to_numpy())
    lost = sums(trade.write_offs["day"].to_numpy(), trade.write_offs["cents"].to_numpy())
    flows = {"sales": sales, "receipts": receipts, "written_off": lost, "balance": (sales - receipts - lost).cumsum()}
    return pd.DataFrame({"month": ends.strftime("%Y-%m-%d"), **{name: value / 100 for name, value in flows.items()}})
