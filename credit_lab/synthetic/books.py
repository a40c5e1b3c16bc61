"""What is booked: receipts, matchings, credit notes, refunds, write-offs and recoveries, as arrays of days and cents.

A write-off takes what is still open off the invoice. When something comes back later, the write-off is reversed by
that amount (a negative write-off reopens the invoice) and a receipt of the same day and amount settles it again, so
the recovery is cash and no open balance is left. Advances are receipts without an invoice; they wait as unapplied
cash and are matched on the day the invoice is issued.
"""

from dataclasses import dataclass

import numpy as np

from credit_lab.synthetic.chance import Chance
from credit_lab.synthetic.customers import NEVER, Population
from credit_lab.synthetic.firm import Firm, Ints
from credit_lab.synthetic.settle import Payment
from credit_lab.synthetic.trade import Invoices

Columns = dict[str, Ints]


@dataclass(frozen=True)
class Books:
    """Everything dated up to the last day of the data; `invoice` is a row of Invoices, `receipt` of receipts.

    receipts: customer, day, cents; matched: receipt, invoice, day, cents; notes: invoice, day, cents, matched (day of
    set-off, NEVER: none), refunded (day, NEVER: none); write_offs: invoice, day, cents (recoveries below zero).
    """

    receipts: Columns
    matched: Columns
    notes: Columns
    write_offs: Columns


def book(firm: Firm, chance: Chance, people: Population, made: Invoices, paid: Payment, *, changed: bool) -> Books:
    """Book one of the two worlds."""
    ruin = people.defaults(changed=changed)[made.customer]
    notes, credited = _notes(firm, chance, made, paid, ruin)
    parts, missing = _parts(firm, chance, made, paid, ruin, credited)
    lost = _write_offs(firm, chance, made, missing, ruin)
    return Books(*_receipts(firm, chance, made, parts, lost), notes, _booked(firm, lost))


def _notes(firm: Firm, chance: Chance, made: Invoices, paid: Payment, ruin: Ints) -> tuple[Columns, Ints]:
    """Credit notes, and the cents by which they lower what is paid on each invoice."""
    here = made.note_day < np.minimum(ruin, firm.days)
    applied = made.note_day + made.set_off
    lowers = here & (made.set_off >= 0) & (applied < paid.pay) & (made.note < made.cents)
    row = np.flatnonzero(here)
    row = row[np.lexsort((made.key[row], made.note_day[row]))]
    off = np.where(lowers[row] & (applied[row] < firm.days), applied[row], NEVER)
    refund = made.note_day[row] + chance.integers("refund day", made.key[row], 90, 150)
    back = ~lowers[row] & (chance.uniform("refund", made.key[row]) < 0.35) & (refund < np.minimum(ruin[row], firm.days))
    notes = {
        "invoice": row,
        "day": made.note_day[row],
        "cents": made.note[row],
        "matched": off,
        "refunded": np.where(back, refund, NEVER),
    }
    # a note that comes after the end of the data will still lower the payment, which then is after the end as well
    will = (made.note_day < ruin) & (made.set_off >= 0) & (applied < paid.pay) & (made.note < made.cents)
    return notes, np.where(will, made.note, 0)


def _parts(
    firm: Firm, chance: Chance, made: Invoices, paid: Payment, ruin: Ints, credited: Ints
) -> tuple[Columns, Ints]:
    """Payments that arrive (invoice, day, cents), and the cents of each invoice that never will."""
    key, owed = made.key, made.cents - credited
    shorted = (chance.uniform("shorted", key) < firm.settlement.shorted) & (made.lost == 0) & (made.parts == 1)
    short = np.where(shorted, (owed * (0.01 + 0.03 * chance.uniform("short", key))).astype(np.int64), made.lost)
    short = np.where(made.advance, 0, np.minimum(short, owed - 1))
    owed = owed - short
    split = (chance.uniform("partial", key) < firm.settlement.partial) & (made.parts == 1) & ~made.advance
    pieces = np.where(split, 2, made.parts)
    row = np.repeat(np.arange(len(key)), pieces)
    number = np.arange(len(row)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    share = np.where(split, 0.3 + 0.5 * chance.uniform("first part", key), 1 / pieces)
    piece = np.maximum((owed * share).astype(np.int64), 1)
    last = number == pieces[row] - 1
    cents = np.where(last, owed[row] - piece[row] * (pieces[row] - 1), piece[row])
    gap = np.where(split, chance.integers("part gap", key, 12, 45), 0)
    before = np.maximum(paid.pay - gap, np.minimum(made.issue + 5, paid.pay))
    day = np.where(split[row] & ~last, before[row], paid.pay[row] + 30 * number * (made.parts[row] > 1))
    arrives = (day < ruin[row]) | made.advance[row]
    unpaid = np.bincount(row[~arrives], weights=cents[~arrives].astype(np.float64), minlength=len(key))
    now = arrives & (day < firm.days)
    return {"invoice": row[now], "day": day[now], "cents": cents[now]}, short + np.rint(unpaid).astype(np.int64)


def _write_offs(firm: Firm, chance: Chance, made: Invoices, missing: Ints, ruin: Ints) -> Columns:
    """Write-offs 180 to 365 days after the due date or the default; some claims are pursued for longer instead.

    Contested and short-paid rests are given up in about half of the cases.
    """
    row = np.flatnonzero(missing > 0)
    key = made.key[row]
    failed = ruin[row] < NEVER
    since = np.maximum(made.due[row] + 30 * (made.parts[row] - 1), np.where(failed, ruin[row], 0))
    pursued = np.where(
        failed, chance.uniform("pursued", made.customer[row]) < 0.25, chance.uniform("given up", key) < 0.5
    )
    day = since + np.where(
        pursued, chance.integers("late write-off", key, 450, 1200), chance.integers("write-off", key, 180, 365)
    )
    back = (chance.uniform("recovered", key) < firm.settlement.recovered) & failed
    share = 0.1 + 0.5 * chance.uniform("recovered share", key)
    back_day = day + chance.integers("recovery day", key, 50, 180)
    return {
        "invoice": row,
        "day": day,
        "cents": missing[row],
        "back": np.where(back, (missing[row] * share).astype(np.int64), 0),
        "back_day": back_day,
    }


def _booked(firm: Firm, lost: Columns) -> Columns:
    gone = lost["day"] < firm.days
    back = (lost["back"] > 0) & (lost["back_day"] < firm.days)
    columns = {
        "invoice": np.concatenate([lost["invoice"][gone], lost["invoice"][back]]),
        "day": np.concatenate([lost["day"][gone], lost["back_day"][back]]),
        "cents": np.concatenate([lost["cents"][gone], -lost["back"][back]]),
    }
    order = np.lexsort((columns["invoice"], columns["day"]))
    return {name: column[order] for name, column in columns.items()}


def _receipts(firm: Firm, chance: Chance, made: Invoices, parts: Columns, lost: Columns) -> tuple[Columns, Columns]:
    """One receipt per customer and day for all it pays; recoveries are receipts of their own."""
    back = (lost["back"] > 0) & (lost["back_day"] < firm.days)
    invoice = np.concatenate([parts["invoice"], lost["invoice"][back]])
    day = np.concatenate([parts["day"], lost["back_day"][back]])
    amount = np.concatenate([parts["cents"], lost["back"][back]])
    recovery = np.zeros(len(invoice), dtype=np.int64)
    recovery[len(parts["invoice"]) :] = 1 + lost["invoice"][back]
    customer = made.customer[invoice]
    order = np.lexsort((invoice, recovery, customer, day))
    invoice, day, amount, recovery, customer = (a[order] for a in (invoice, day, amount, recovery, customer))
    new = np.ones(len(day), dtype=bool)
    new[1:] = (np.diff(day) != 0) | (np.diff(customer) != 0) | (np.diff(recovery) != 0)
    receipt = np.cumsum(new) - 1
    first = np.flatnonzero(new)
    total = np.add.reduceat(amount, first) if len(first) else amount
    key = customer[first] * 65_536 + day[first]
    plain = recovery[first] == 0
    over = plain & (chance.uniform("overpaid", key) < firm.settlement.overpaid)
    total = total + np.where(over, (total * 0.05).astype(np.int64), 0)
    waits = plain & (chance.uniform("unmatched", key) < firm.settlement.unmatched)
    wait = np.where(waits, chance.integers("unmatched days", key, 5, 45), 0)
    when = np.maximum(day + wait[receipt], made.issue[invoice])
    now = when < firm.days
    return (
        {"customer": customer[first], "day": day[first], "cents": total},
        {"receipt": receipt[now], "invoice": invoice[now], "day": when[now], "cents": amount[now]},
    )
