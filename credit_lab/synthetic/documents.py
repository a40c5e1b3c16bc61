"""From arrays to the documents of a ledger: invoices, credit notes, receipts, matchings, disputes, orders, control."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab.synthetic.books import Books
from credit_lab.synthetic.chance import Chance
from credit_lab.synthetic.customers import NEVER, Population
from credit_lab.synthetic.firm import Firm, Frames, Ints
from credit_lab.synthetic.names import numbered
from credit_lab.synthetic.trade import Invoices, Orders

REASONS = ("quality", "quantity", "price", "delivery")


@dataclass(frozen=True)
class World:
    """One of the two worlds: its orders, invoices and books."""

    ordered: Orders
    made: Invoices
    books: Books


def pick(values: pd.Series, row: Ints) -> pd.Series:
    """Values at the given rows, numbered anew."""
    return values.take(row).reset_index(drop=True)


def documents(firm: Firm, chance: Chance, people: Population, world: World, contracts: pd.DataFrame) -> Frames:
    """All document tables; every sum reconciles in cents."""
    made, books = world.made, world.books
    number = numbered("INV-", np.arange(1, len(made.key) + 1), 6)
    note = numbered("CN-", np.arange(1, len(books.notes["day"]) + 1), 5)
    tables = {
        "invoices": _invoices(firm, chance, people, world, number, note, contracts),
        "instalments": _instalments(firm, made, number),
        **_payments(firm, people, world, number, note),
        "disputes": _disputes(firm, chance, made, number),
        "write_offs": pd.DataFrame(
            {
                "invoice_id": pick(number, books.write_offs["invoice"]),
                "written_off_on": firm.dates(books.write_offs["day"]),
                "amount": books.write_offs["cents"] / 100,
            }
        ),
        "orders": _orders(firm, people, world.ordered),
    }
    tables["control"] = _control(firm, world)
    return tables


def order_ids(ordered: Orders) -> pd.Series:
    """Ids of the orders that reached the books; empty for refused ones."""
    number = np.cumsum(~ordered.refused).astype(np.int64)
    return numbered("ORD-", number, 6).where(~ordered.refused)


def _invoices(
    firm: Firm,
    chance: Chance,
    people: Population,
    world: World,
    number: pd.Series,
    note: pd.Series,
    contracts: pd.DataFrame,
) -> pd.DataFrame:
    made, notes = world.made, world.books.notes
    delivered = made.issue + chance.integers("delivery", made.key, -3, 1)
    delivered = np.clip(delivered, world.ordered.day[made.order], firm.days - 1)
    signed = people.table["customer_id"].map(contracts.set_index("customer_id")["signed_on"])
    contract = people.table["customer_id"].map(contracts.set_index("customer_id")["contract_id"])
    issued = firm.dates(made.issue)
    kind = pd.Series("invoice", index=number.index, dtype="str")
    billed = pd.DataFrame(
        {
            "invoice_id": number,
            "customer_id": pick(people.table["customer_id"], made.customer),
            "issue_date": issued,
            "due_date": firm.dates(made.due + 30 * (made.parts - 1)),
            "amount": made.cents / 100,
            "kind": kind,
            "contract_id": pick(contract, made.customer).where(pick(signed, made.customer) <= issued),
            "order_id": pick(order_ids(world.ordered), made.order),
            "delivered_on": firm.dates(delivered),
        }
    )
    day = firm.dates(notes["day"])
    credit = pd.DataFrame(
        {
            "invoice_id": note,
            "customer_id": pick(people.table["customer_id"], made.customer[notes["invoice"]]),
            "issue_date": day,
            "due_date": day,
            "amount": -notes["cents"] / 100,
            "kind": pd.Series("credit_note", index=note.index, dtype="str"),
        }
    )
    return pd.concat([billed, credit], ignore_index=True).assign(currency=firm.currency)


def _payments(firm: Firm, people: Population, world: World, number: pd.Series, note: pd.Series) -> Frames:
    """Receipts, refunds of credit notes (receipts below zero), and what is matched to what."""
    books, made = world.books, world.made
    receipt = numbered("PAY-", np.arange(1, len(books.receipts["day"]) + 1), 6)
    notes = books.notes
    back = np.flatnonzero(notes["refunded"] < NEVER)
    back = back[np.argsort(notes["refunded"][back], kind="stable")]
    refund = numbered("REF-", np.arange(1, len(back) + 1), 4)
    off = np.flatnonzero(notes["matched"] < NEVER)
    customer = np.concatenate([books.receipts["customer"], made.customer[notes["invoice"][back]]])
    payments = pd.DataFrame(
        {
            "payment_id": pd.concat([receipt, refund], ignore_index=True),
            "customer_id": pick(people.table["customer_id"], customer),
            "paid_date": firm.dates(np.concatenate([books.receipts["day"], notes["refunded"][back]])),
            "amount": np.concatenate([books.receipts["cents"], -notes["cents"][back]]) / 100,
        }
    )
    matched = books.matched
    giver = [pick(receipt, matched["receipt"]), pick(note, off), refund]
    target = [pick(number, matched["invoice"]), pick(number, notes["invoice"][off]), pick(note, back)]
    allocations = pd.DataFrame(
        {
            "payment_id": pd.concat(giver, ignore_index=True),
            "invoice_id": pd.concat(target, ignore_index=True),
            "allocated_on": firm.dates(
                np.concatenate([matched["day"], notes["matched"][off], notes["refunded"][back]])
            ),
            "amount": np.concatenate([matched["cents"], notes["cents"][off], -notes["cents"][back]]) / 100,
        }
    )
    return {"payments": payments.assign(currency=firm.currency), "allocations": allocations}


def _instalments(firm: Firm, made: Invoices, number: pd.Series) -> pd.DataFrame:
    row = np.repeat(np.arange(len(made.key)), np.where(made.parts > 1, made.parts, 0))
    step = np.arange(len(row)) - np.searchsorted(row, row)
    piece = (made.cents / made.parts).astype(np.int64)
    last = step == made.parts[row] - 1
    cents = np.where(last, made.cents[row] - piece[row] * (made.parts[row] - 1), piece[row])
    return pd.DataFrame(
        {"invoice_id": pick(number, row), "due_date": firm.dates(made.due[row] + 30 * step), "amount": cents / 100}
    )


def _disputes(firm: Firm, chance: Chance, made: Invoices, number: pd.Series) -> pd.DataFrame:
    row = np.flatnonzero(made.opened < firm.days)
    row = row[np.lexsort((row, made.opened[row]))]
    closed = made.closed[row]
    return pd.DataFrame(
        {
            "dispute_id": numbered("DIS-", np.arange(1, len(row) + 1), 5),
            "invoice_id": pick(number, row),
            "opened_on": firm.dates(made.opened[row]),
            "closed_on": firm.dates(np.minimum(closed, firm.days)).where(closed < firm.days),
            "amount": made.contested[row] / 100,
            "reason": np.array(REASONS)[chance.pick("reason", made.key[row], [0.4, 0.25, 0.2, 0.15])],
        }
    )


def _orders(firm: Firm, people: Population, ordered: Orders) -> pd.DataFrame:
    row = np.flatnonzero(~ordered.refused)
    return pd.DataFrame(
        {
            "order_id": pick(order_ids(ordered), row),
            "customer_id": pick(people.table["customer_id"], ordered.customer[row]),
            "ordered_on": firm.dates(ordered.day[row]),
            "amount": ordered.cents[row] / 100,
            "tax_included": True,
        }
    )


def monthly(firm: Firm, day: Ints, cents: Ints) -> Ints:
    """Sums of cents per month of the data; later days are left out."""
    now = day < firm.days
    month = np.searchsorted(firm.edges, day[now], side="right") - 1
    total = np.zeros(firm.months, dtype=np.int64)
    np.add.at(total, month, cents[now])
    return total


def balances(firm: Firm, world: World) -> dict[str, Ints]:
    """Monthly flows in cents (sales less credit notes, receipts less refunds, written_off less recoveries) and the
    balance at each month end: open invoices less unapplied cash and unallocated credit notes."""
    made, books = world.made, world.books
    sales = monthly(firm, made.issue, made.cents) - monthly(firm, books.notes["day"], books.notes["cents"])
    receipts = monthly(firm, books.receipts["day"], books.receipts["cents"])
    receipts = receipts - monthly(firm, books.notes["refunded"], books.notes["cents"])
    written_off = monthly(firm, books.write_offs["day"], books.write_offs["cents"])
    balance = np.cumsum(sales - receipts - written_off)
    return {"sales": sales, "receipts": receipts, "written_off": written_off, "balance": balance}


def _control(firm: Firm, world: World) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "as_of": firm.dates(firm.edges[1:] - 1),
            "balance": balances(firm, world)["balance"] / 100,
            "currency": firm.currency,
        }
    )
