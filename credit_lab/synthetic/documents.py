"""From settled trade to the documents of a ledger: invoices, credit notes, receipts, matchings, write-offs, control."""

import numpy as np
import pandas as pd

from credit_lab.synthetic.customers import Population
from credit_lab.synthetic.firm import Firm, draws, ids
from credit_lab.synthetic.trade import Draws, Trade

Frames = dict[str, pd.DataFrame]


def documents(firm: Firm, seed: int, people: Population, drawn: Draws, trade: Trade) -> Frames:
    """All document tables, in schema columns; every sum reconciles in cents."""
    customers = people.table["customer_id"]
    rank = np.argsort(np.argsort(trade.issue, kind="stable"), kind="stable")
    number = ids("INV-", len(rank), max(6, len(str(len(rank))))).to_numpy()[rank]
    who = drawn.customer[trade.order]
    notes = _notes(firm, seed, trade, who)
    invoices = pd.DataFrame(
        {
            "invoice_id": number,
            "customer_id": customers.to_numpy()[who],
            "issue_date": firm.dates(trade.issue),
            "due_date": firm.dates(trade.due),
            "cents": drawn.cents[trade.order],
            "kind": "invoice",
            "order_id": ids("ORD-", len(drawn.day), max(6, len(str(len(drawn.day))))).to_numpy()[trade.order],
            "delivered_on": firm.dates(trade.issue - (drawn.chance[trade.order, 7] * 3).astype(np.int64)),
        }
    )
    credit = pd.DataFrame(
        {
            "invoice_id": notes["note_id"].to_numpy(),
            "customer_id": customers.to_numpy()[notes["customer"]],
            "issue_date": firm.dates(notes["day"]),
            "due_date": firm.dates(notes["day"]),
            "cents": -notes["cents"].to_numpy(),
            "kind": "credit_note",
        }
    )
    receipts, matched = _receipts(firm, seed, trade, who, number, notes)
    both = pd.concat([invoices, credit], ignore_index=True)
    tables = {
        "invoices": _money(firm, both.sort_values("invoice_id", ignore_index=True)),
        "instalments": _instalments(firm, trade, number, drawn),
        "payments": _money(firm, receipts.assign(customer_id=customers.to_numpy()[receipts["customer"]])),
        "allocations": _money(firm, matched, currency=False),
        "disputes": _disputes(firm, drawn, trade, number),
        "write_offs": _write_offs(firm, trade, number),
        "orders": _orders(firm, people, drawn),
    }
    tables["control"] = control(firm, tables)
    return tables


def _money(firm: Firm, frame: pd.DataFrame, *, currency: bool = True) -> pd.DataFrame:
    """Cents as currency units, and the currency itself where the table carries one."""
    whole = frame.assign(amount=frame["cents"] / 100)
    return whole.assign(currency=firm.currency) if currency else whole


def _notes(firm: Firm, seed: int, trade: Trade, who: np.ndarray) -> pd.DataFrame:
    """Credit notes that exist by the last day, and whether they are ever set off against their invoice."""
    made = np.flatnonzero((trade.credited > 0) & (trade.credit_day < firm.days))
    rng = draws(seed, "credit notes")
    order = np.argsort(trade.credit_day[made], kind="stable")
    made = made[order]
    return pd.DataFrame(
        {
            "note_id": ids("CN-", len(made), 5).to_numpy(),
            "invoice": made,
            "customer": who[made],
            "day": trade.credit_day[made],
            "cents": trade.credited[made],
            "set_off": rng.random(len(made)) < 0.75,
            "refunded": rng.random(len(made)) < 0.3,
        }
    )


def _receipts(
    firm: Firm, seed: int, trade: Trade, who: np.ndarray, number: np.ndarray, notes: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One receipt per customer and day, matched to the parts it pays; some wait unmatched, some exceed what is owed."""
    paid = trade.parts[trade.parts["paid"]]
    lines = pd.DataFrame(
        {
            "customer": who[paid["invoice"]],
            "day": paid["day"],
            "cents": paid["cents"],
            "document": number[paid["invoice"]],
        }
    )
    back = trade.write_offs[(trade.write_offs["back"] > 0) & (trade.write_offs["back_day"] < firm.days)]
    recovered = pd.DataFrame(
        {
            "customer": who[back["invoice"]],
            "day": back["back_day"],
            "cents": back["back"],
            "document": number[back["invoice"]],
        }
    )
    lines = pd.concat([lines, recovered]).sort_values(["day", "customer", "document"], ignore_index=True)
    group = lines.groupby(["day", "customer"], sort=True)
    lines["receipt"] = group.ngroup()
    receipts = group["cents"].sum().reset_index()
    rng = draws(seed, "receipts")
    count = len(receipts)
    surplus = np.where(rng.random(count) < 0.004, np.floor(receipts["cents"] * 0.05 / 100).astype(np.int64) * 100, 0)
    waits = np.where(rng.random(count) < 0.03, rng.integers(5, 45, count), 0)
    receipts = receipts.assign(
        cents=receipts["cents"] + surplus, payment_id=ids("PAY-", count, max(6, len(str(count))))
    )
    matched_day = lines["day"].to_numpy() + waits[lines["receipt"]]
    matched = pd.DataFrame(
        {
            "payment_id": receipts["payment_id"].to_numpy()[lines["receipt"]],
            "invoice_id": lines["document"],
            "day": matched_day,
            "cents": lines["cents"],
        }
    )
    refunds, refunded = _refunds(firm, notes)
    settled = paid.groupby("invoice")["day"].max()
    off = notes[notes["set_off"] & notes["invoice"].isin(settled.index)]
    set_off = pd.DataFrame(
        {
            "payment_id": off["note_id"],
            "invoice_id": number[off["invoice"]],
            "day": np.maximum(off["day"], off["invoice"].map(settled)),
            "cents": off["cents"],
        }
    )
    whole = pd.concat([matched, set_off, refunded], ignore_index=True)
    whole = whole[whole["day"] < firm.days].reset_index(drop=True)
    receipts = pd.concat([receipts, refunds], ignore_index=True)
    return receipts.assign(paid_date=firm.dates(receipts["day"])), whole.assign(allocated_on=firm.dates(whole["day"]))


def _refunds(firm: Firm, notes: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Credit notes never set off are sometimes paid out after four months: a receipt below zero on the note."""
    due = notes[~notes["set_off"] & notes["refunded"] & (notes["day"] + 120 < firm.days)]
    name = ids("REF-", len(due), 4).to_numpy()
    day = (due["day"] + 120).to_numpy()
    paid = pd.DataFrame({"payment_id": name, "customer": due["customer"].to_numpy(), "day": day})
    matched = pd.DataFrame({"payment_id": name, "invoice_id": due["note_id"].to_numpy(), "day": day})
    return paid.assign(cents=-due["cents"].to_numpy()), matched.assign(cents=-due["cents"].to_numpy())


def _instalments(firm: Firm, trade: Trade, number: np.ndarray, drawn: Draws) -> pd.DataFrame:
    split = np.repeat(np.flatnonzero(trade.instalments > 1), 3)
    step = np.tile(np.arange(3), len(split) // 3)
    cents = drawn.cents[trade.order][split]
    third = cents // 3
    return pd.DataFrame(
        {
            "invoice_id": number[split],
            "due_date": firm.dates(trade.due[split] - 60 + 30 * step),
            "amount": np.where(step < 2, third, cents - 2 * third) / 100,
        }
    )


def _disputes(firm: Firm, drawn: Draws, trade: Trade, number: np.ndarray) -> pd.DataFrame:
    rows = np.flatnonzero(trade.disputed)
    opened = trade.issue[rows] + drawn.dispute_day[trade.order][rows]
    closed = opened + drawn.dispute_days[trade.order][rows]
    share = 0.1 + 0.3 * drawn.chance[trade.order][rows, 5]
    reasons = np.array(["quality", "quantity", "price", "delivery"])
    frame = pd.DataFrame(
        {
            "invoice_id": number[rows],
            "opened_on": firm.dates(opened),
            "closed_on": firm.dates(closed).where(closed < firm.days),
            "amount": np.floor(drawn.cents[trade.order][rows] * share / 100),
            "reason": reasons[(drawn.chance[trade.order][rows, 11] * 4).astype(int)],
        }
    ).sort_values(["opened_on", "invoice_id"], ignore_index=True)
    return frame.assign(dispute_id=ids("DIS-", len(frame), 4))


def _write_offs(firm: Firm, trade: Trade, number: np.ndarray) -> pd.DataFrame:
    lost = trade.write_offs
    back = lost[(lost["back"] > 0) & (lost["back_day"] < firm.days)]
    frame = pd.DataFrame(
        {
            "invoice_id": np.concatenate([number[lost["invoice"]], number[back["invoice"]]]),
            "day": np.concatenate([lost["day"], back["back_day"]]),
            "amount": np.concatenate([lost["cents"], -back["back"]]) / 100,
        }
    ).sort_values(["day", "invoice_id"], ignore_index=True)
    return frame.assign(written_off_on=firm.dates(frame["day"]))


def _orders(firm: Firm, people: Population, drawn: Draws) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "order_id": ids("ORD-", len(drawn.day), max(6, len(str(len(drawn.day))))),
            "customer_id": people.table["customer_id"].to_numpy()[drawn.customer],
            "ordered_on": firm.dates(drawn.day),
            "amount": drawn.cents / 100,
            "tax_included": True,
        }
    )


def control(firm: Firm, tables: Frames) -> pd.DataFrame:
    """Control account at every month end: documents less receipts less write-offs, in cents."""
    ends = pd.date_range(firm.start, periods=firm.months, freq="ME")
    total = np.zeros(len(ends) + 1, dtype=np.int64)
    flows = (("invoices", "issue_date", 1), ("payments", "paid_date", -1), ("write_offs", "written_off_on", -1))
    for name, day, sign in flows:
        cents = sign * np.rint(tables[name]["amount"].to_numpy() * 100).astype(np.int64)
        np.add.at(total, np.searchsorted(ends.to_numpy(), tables[name][day].to_numpy()), cents)
    balance = total.cumsum()[:-1] / 100
    return pd.DataFrame({"as_of": ends.astype("datetime64[us]"), "balance": balance, "currency": firm.currency})
