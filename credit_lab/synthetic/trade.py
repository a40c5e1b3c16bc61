"""Orders and the invoices that follow from them, in the world with the policy change or without it.

Every draw is keyed by customer, month and number of the order, so an order that exists in both worlds is the same
order in both.
"""

from dataclasses import dataclass

import numpy as np

from credit_lab.synthetic.chance import Chance
from credit_lab.synthetic.customers import NEVER, Population
from credit_lab.synthetic.firm import Bools, Firm, Floats, Ints

_MONDAY = np.datetime64("2018-01-01")


@dataclass(frozen=True)
class Orders:
    """Arrays over orders by day: key of its draws, customer, day, cents; issue: day of the invoice (NEVER: none);
    refused: turned down by the policy change, so that it is on no book of the seller."""

    key: Ints
    customer: Ints
    day: Ints
    cents: Ints
    issue: Ints
    refused: Bools


@dataclass(frozen=True)
class Invoices:
    """Arrays over invoices by day of issue.

    order: row of Orders; parts: number of payments it is due in (instalments a month apart); due: of the first part;
    opened, closed: days of a dispute (NEVER: none, or not closed); contested: cents; lost: contested cents that are
    never paid; advance: paid between order and invoice; note_day: day of a credit note (NEVER: none); note: its cents;
    set_off: days until it is set off against its invoice (−1: it stays on the account).
    """

    order: Ints
    key: Ints
    customer: Ints
    issue: Ints
    due: Ints
    parts: Ints
    cents: Ints
    opened: Ints
    closed: Ints
    contested: Ints
    lost: Ints
    advance: Bools
    note_day: Ints
    note: Ints
    set_off: Ints


def weekday(firm: Firm, day: Ints) -> Ints:
    """0 Monday to 6 Sunday."""
    return (day + int((firm.first_day - _MONDAY).astype(int))) % 7


def order_rates(firm: Firm, people: Population, *, changed: bool) -> Floats:
    """Expected orders per customer (rows) and month: season, trend, size; more before a default, none after it.

    The level is that of the world with the change in both worlds.
    """
    rate = _relative_rates(firm, people, changed=True)
    starts, stop = firm.edges[:-1], firm.days
    if firm.invoices is None:
        scale = firm.orders / rate[rate > 0].mean()
    else:
        hit = _weak(firm, people)[:, None] & (starts >= people.treated[:, None])
        kept = (1 - firm.demand.cancelled) * np.where(hit, firm.change.weak_orders, 1.0)
        kept = kept * np.clip((stop - 9 - starts) / np.diff(firm.edges), 0, 1)  # the last orders wait for their invoice
        scale = firm.invoices / (rate * kept).sum()
    return scale * (rate if changed else _relative_rates(firm, people, changed=False))


def _relative_rates(firm: Firm, people: Population, *, changed: bool) -> Floats:
    month = np.arange(firm.months)
    calendar = (firm.first_day.astype("datetime64[M]").astype(int) + month) % 12
    season = 1 + firm.demand.season * np.sin(2 * np.pi * (calendar - 6) / 12)
    rate = np.outer(people.frequency, season * (1 + firm.demand.growth) ** (month / 12))
    starts, ends = firm.edges[:-1], firm.edges[1:]
    stop = np.minimum(people.defaults(changed=changed) + 15, firm.days)[:, None]
    active = np.clip(np.minimum(ends, stop) - np.maximum(starts, people.onboarded[:, None]), 0, None) / (ends - starts)
    rush = (ends > stop - 75) & (stop < firm.days)
    return rate * active * np.where(rush, 1.4, 1.0)


def _weak(firm: Firm, people: Population) -> Bools:
    return people.grade >= len(firm.grades) - 2


def orders(firm: Firm, chance: Chance, people: Population, rates: Floats, *, changed: bool) -> Orders:
    """Candidate orders of one world; `rates` as of `order_rates`."""
    cell = np.arange(rates.size).reshape(rates.shape)
    counts = chance.poisson("orders", cell, rates).ravel()
    which = np.repeat(cell.ravel(), counts)
    number = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    key = which * 65_536 + number
    customer, month = which // firm.months, which % firm.months
    starts, length = firm.edges[:-1], np.diff(firm.edges)
    since = np.maximum(people.onboarded[customer], starts[month])
    stop = np.minimum(people.defaults(changed=changed)[customer] + 15, starts[month] + length[month])
    day = since + np.floor(chance.uniform("day", key) * (stop - since)).astype(np.int64)
    day = np.maximum(day - np.maximum(weekday(firm, day) - 4, 0), np.maximum(people.onboarded[customer], 0))
    spread = firm.demand.value_spread
    value = np.exp(spread * chance.normal("value", key) - spread**2 / 2)
    gross = 1 + firm.demand.tax_rate
    net = np.maximum(np.rint(firm.demand.mean_order * people.size[customer] ** 0.65 * value / gross), 100)
    lead = chance.integers("lead", key, 2, 14)
    issue = day + lead
    issue = issue + np.maximum(7 - weekday(firm, issue), 0) * (weekday(firm, issue) > 4)
    hit = _weak(firm, people)[customer] & (day >= people.treated[customer]) & changed
    order = np.lexsort((key, day))
    refused = hit & (chance.uniform("weak order", key) >= firm.change.weak_orders)
    gone = (chance.uniform("cancelled", key) < firm.demand.cancelled) | (issue >= firm.days) | refused
    return Orders(
        key=key[order],
        customer=customer[order],
        day=day[order],
        cents=np.rint(net * gross * 100).astype(np.int64)[order],
        issue=np.where(gone, NEVER, issue)[order],
        refused=refused[order],
    )


def invoices(firm: Firm, chance: Chance, people: Population, ordered: Orders) -> Invoices:
    """Invoices of the orders with what will happen to them apart from payment."""
    row = np.flatnonzero(ordered.issue < NEVER)
    row = row[np.lexsort((ordered.key[row], ordered.issue[row]))]
    key, customer, amount, issue = ordered.key[row], ordered.customer[row], ordered.cents[row], ordered.issue[row]
    how = firm.settlement
    large = amount > 2.5 * 100 * firm.demand.mean_order
    parts = np.where(large & (chance.uniform("instalments", key) < how.instalments), 3, 1)
    term = np.array([grade.term_days for grade in firm.grades])[people.grade[customer]]
    advance = (chance.uniform("advance", key) < how.advance) & (parts == 1)
    disputed = (chance.uniform("disputed", key) < how.disputed) & ~advance & (parts == 1)
    unresolved = disputed & (chance.uniform("unresolved", key) < how.unresolved)
    opened = issue + chance.integers("dispute opened", key, 4, 24)
    closed = opened + chance.integers("dispute length", key, 10, 90)
    share = 0.08 + 0.32 * chance.uniform("contested", key)
    contested = np.where(disputed, (amount * share / 1000).astype(np.int64) * 1000 + 1000, 0)
    conceded = disputed & ~unresolved & (chance.uniform("conceded", key) < 0.4)
    goodwill = (chance.uniform("credited", key) < how.credited) & ~disputed & ~advance & (parts == 1)
    bonus = np.floor(amount * (0.02 + 0.1 * chance.uniform("credit share", key)) / 1000).astype(np.int64) * 1000
    note_day = np.where(conceded, closed, issue + chance.integers("credit day", key, 5, 30))
    noted = conceded | (goodwill & (bonus > 0))
    kept = goodwill & (chance.uniform("kept on account", key) < 0.2)
    return Invoices(
        order=row,
        key=key,
        customer=customer,
        issue=issue,
        due=issue + term,
        parts=parts,
        cents=amount,
        opened=np.where(disputed, opened, NEVER),
        closed=np.where(disputed & ~unresolved, closed, NEVER),
        contested=contested,
        lost=np.where(unresolved, contested, 0),
        advance=advance,
        note_day=np.where(noted, note_day, NEVER),
        note=np.where(noted, np.where(conceded, contested, bonus), 0),
        set_off=np.where(kept | ~noted, -1, chance.integers("set-off lag", key, 0, 5)),
    )
