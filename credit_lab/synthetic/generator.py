"""Put the parts together: two paired worlds, the ledger of the one that happened, and the truth."""

import pandas as pd

from credit_lab import schema
from credit_lab.synthetic import evidence, standing
from credit_lab.synthetic.actions import actions
from credit_lab.synthetic.books import book
from credit_lab.synthetic.chance import Chance
from credit_lab.synthetic.customers import Population, population
from credit_lab.synthetic.documents import World, documents
from credit_lab.synthetic.facts import facts
from credit_lab.synthetic.firm import Firm, Frames, Sample
from credit_lab.synthetic.settle import Decisions, payments
from credit_lab.synthetic.trade import invoices, order_rates, orders
from credit_lab.synthetic.truth import customers, effect, settings


def generate(firm: Firm, seed: int) -> Sample:
    """Make a receivables ledger with known truth.

    Customers have a true grade and default probability; orders come with season and trend; invoices are paid early,
    late, in parts or never, and chased by a ladder of actions with a true effect; a policy change at a known date
    shortens delays and refuses weak orders, and the truth says what the same world would have been without it. The
    same firm and seed give the same tables, whatever the machine.

    Parameters
    ----------
    firm : settings; `Firm(invoices=1_000_000)` for a large one, `Firm(change=Change.none())` for no effect
    seed : any whole number

    Returns
    -------
    Sample
        tables (every table of the schema) and truth.
    """
    chance = Chance(seed)
    people = population(firm, chance)
    world, decisions = _world(firm, chance, people, changed=True)
    without, _ = _world(firm, chance, people, changed=False)
    contracts = standing.contracts(firm, chance, people)
    tables = documents(firm, chance, people, world, contracts)
    number = tables["invoices"]["invoice_id"]
    log, action_truth = actions(firm, chance, people, world.made, decisions, number)
    claims, discrepancies = facts(firm, chance, people)
    tables |= {
        "customers": people.table,
        "limits": standing.limits(firm, people, world.ordered),
        "contracts": contracts,
        "covers": standing.covers(firm, chance, people),
        "actions": log,
        "financials": evidence.financials(firm, chance, people),
        "assessments": evidence.assessments(firm, chance, people),
        "facts": claims,
    }
    truth: Frames = {
        "customers": customers(firm, people),
        "effect": effect(firm, chance, world, without),
        "actions": action_truth,
        "discrepancies": discrepancies,
        "settings": settings(firm, seed),
    }
    return Sample({name: _finished(name, tables[name]) for name in schema.TABLES}, truth)


def _world(firm: Firm, chance: Chance, people: Population, *, changed: bool) -> tuple[World, Decisions]:
    ordered = orders(firm, chance, people, order_rates(firm, people, changed=changed), changed=changed)
    made = invoices(firm, chance, people, ordered)
    paid = payments(firm, chance, people, made, changed=changed)
    return World(ordered, made, book(firm, chance, people, made, paid, changed=changed)), paid.decisions


def _finished(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Schema columns in schema order and dtypes; no `known_on`, and no payments.invoice_id beside allocations."""
    columns = [column for column in schema.table(name).columns if column.name in frame]
    whole = frame[[column.name for column in columns]]
    return whole.astype({column.name: schema.DTYPES[column.kind] for column in columns})
