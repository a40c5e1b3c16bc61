"""Orders, invoices and how they are settled, with and without the policy change, from the same draws.

Everything random is drawn once per candidate order (`Draws`); `settle` is then a plain function of the draws and of
whether the change happened. The two worlds are therefore paired order by order.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab.synthetic.customers import Population
from credit_lab.synthetic.firm import GRADES, Bools, Firm, Floats, Ints, draws

WRITE_OFF_DAYS = 300


@dataclass(frozen=True)
class Draws:
    """Arrays over candidate orders, sorted by day: who, when, how much, and every chance that will be needed."""

    customer: Ints
    day: Ints
    cents: Ints
    lead: Ints
    chance: Floats  # columns: cancelled, weak order, late, disputed, credit note, partial, instalments, unapplied, ...
    prompt: Ints
    late_days: Floats
    second_gap: Ints
    dispute_day: Ints
    dispute_days: Ints
    recovery_days: Ints


@dataclass(frozen=True)
class Trade:
    """Arrays over invoices (rows of Draws that were invoiced) and over the parts in which they are paid."""

    order: Ints
    issue: Ints
    due: Ints
    instalments: Ints
    disputed: Bools
    credited: Ints
    credit_day: Ints
    contacted: Bools
    propensity: Floats
    parts: pd.DataFrame
    write_offs: pd.DataFrame


def draw(firm: Firm, seed: int, people: Population) -> Draws:
    """Candidate orders: Poisson per customer and month with season, trend and the customer's size."""
    rng = draws(seed, "orders")
    month = np.arange(firm.months)
    rate = firm.orders * (1 + firm.growth) ** (month / 12) * (1 + firm.season * np.sin(2 * np.pi * (month - 3) / 12))
    frequency = np.exp(rng.normal(0, 0.5, firm.customers) - 0.125)
    counts = rng.poisson(np.outer(frequency, rate))
    customer = np.repeat(np.repeat(np.arange(firm.customers), firm.months), counts.ravel())
    starts = (np.datetime64(firm.start, "M") + np.arange(firm.months + 1)).astype("datetime64[D]")
    edges = (starts - firm.first_day).astype(int)
    which = np.repeat(np.tile(month, firm.customers), counts.ravel())
    day = edges[which] + np.floor(rng.random(len(which)) * np.diff(edges)[which]).astype(np.int64)
    stop = np.where(people.default_day < 0, firm.days, people.default_day + 20)
    alive = (day >= people.onboarded[customer]) & (day <= stop[customer])
    customer, day = customer[alive], day[alive]
    order = np.lexsort((customer, day))
    customer, day = customer[order], day[order]
    count = len(day)
    rng = draws(seed, "fates")
    value = firm.mean_order * people.size[customer] * np.exp(rng.normal(0, 0.5, count) - 0.125)
    return Draws(
        customer=customer,
        day=day,
        cents=np.maximum(np.rint(value * 100), 10_000).astype(np.int64),
        lead=rng.integers(2, 15, count),
        chance=rng.random((count, 12)),
        prompt=rng.integers(-8, 1, count),
        late_days=rng.gamma(1.3, 1 / 1.3, count),
        second_gap=rng.integers(20, 60, count),
        dispute_day=rng.integers(4, 25, count),
        dispute_days=rng.integers(10, 90, count),
        recovery_days=rng.integers(50, 180, count),
    )


def settle(firm: Firm, people: Population, drawn: Draws, *, changed: bool) -> Trade:
    """Invoices and payment parts; with `changed` the policy change acts from its date on."""
    change_day = int((np.datetime64(firm.change.on, "D") - firm.first_day).astype(int))
    grade = people.grade[drawn.customer]
    after = (drawn.day >= change_day) & changed
    refused = after & (grade >= 4) & (drawn.chance[:, 1] > firm.change.weak_orders)
    invoiced = (drawn.chance[:, 0] > 0.03) & ~refused & (drawn.day + drawn.lead < firm.days)
    row = np.flatnonzero(invoiced)
    chance, customer, grade = drawn.chance[row], drawn.customer[row], grade[row]
    issue = drawn.day[row] + drawn.lead[row]
    due = issue + np.array([item.term_days for item in GRADES])[grade]
    instalments = np.where((chance[:, 6] < 0.02) & (drawn.cents[row] > 3_000_000), 3, 1)
    late = chance[:, 2] < np.array([item.late_share for item in GRADES])[grade]
    mean = np.array([item.mean_delay for item in GRADES])[grade] * people.delay[customer]
    delay = np.where(late, 1 + drawn.late_days[row] * mean, drawn.prompt[row])
    delay = np.where((delay > 0) & (issue >= change_day) & changed, delay * firm.change.delay_factor, delay)
    propensity = np.clip(0.15 + 0.35 * people.delay[customer] / 2 + 0.2 * (people.size[customer] > 1), 0.05, 0.9)
    contacted = (delay > 7) & (chance[:, 8] < propensity)
    delay = np.where(contacted, 7 + (delay - 7) * (1 - firm.contact_effect), delay)
    disputed = chance[:, 3] < 0.03
    settled = drawn.dispute_day[row] + drawn.dispute_days[row]
    delay = np.where(disputed, np.maximum(delay, issue + settled + 7 - due), delay)
    credited, credit_day = _credit_notes(drawn, row, chance, issue, disputed, settled)
    pay = due + np.rint(delay).astype(np.int64)
    parts = _parts(drawn, row, chance, pay, instalments, drawn.cents[row] - np.where(credited > 0, credited, 0))
    parts["day"] = _payday(firm, people.payday[customer[parts["invoice"]]], parts["day"].to_numpy())
    parts["day"] = np.maximum(parts["day"], issue[parts["invoice"]])
    ruin = people.default_day[customer]
    ruined = (ruin >= 0)[parts["invoice"]] & (parts["day"].to_numpy() >= ruin[parts["invoice"]])
    parts["paid"] = ~ruined & (parts["day"] < firm.days)
    return Trade(
        order=row,
        issue=issue,
        due=due + np.where(instalments > 1, 60, 0),
        instalments=instalments,
        disputed=disputed & (issue + drawn.dispute_day[row] < firm.days),
        credited=credited,
        credit_day=credit_day,
        contacted=contacted,
        propensity=propensity,
        parts=parts,
        write_offs=_write_offs(firm, drawn, row, chance, parts[ruined], due, ruin),
    )


def _credit_notes(
    drawn: Draws, row: Ints, chance: Floats, issue: Ints, disputed: Bools, settled: Ints
) -> tuple[Ints, Ints]:
    """Cents credited (0: none; they are set off against the invoice when it is paid) and the day of the note."""
    share = np.where(
        disputed & (chance[:, 4] < 0.4), 0.1 + 0.3 * chance[:, 5], np.where(chance[:, 4] > 0.985, 0.05, 0.0)
    )
    day = issue + np.where(disputed, settled, 15)
    return np.floor(drawn.cents[row] * share / 100).astype(np.int64) * 100, day


def _parts(drawn: Draws, row: Ints, chance: Floats, pay: Ints, instalments: Ints, cents: Ints) -> pd.DataFrame:
    """Payments an invoice is meant to get: one, two (partial) or one per instalment; cents add up to what is owed."""
    partial = (chance[:, 5] < 0.06) & (instalments == 1)
    pieces = np.where(instalments > 1, instalments, np.where(partial, 2, 1))
    invoice = np.repeat(np.arange(len(row)), pieces)
    number = np.arange(len(invoice)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    share = np.where(instalments[invoice] > 1, 1 / 3, np.where(partial[invoice], 0.6, 1.0))
    first = np.floor(cents[invoice] * share).astype(np.int64)
    last = number == pieces[invoice] - 1
    amount = np.where(last, cents[invoice] - first * (pieces[invoice] - 1), first)
    gap = np.where(instalments[invoice] > 1, 30 * number, drawn.second_gap[row][invoice] * number)
    return pd.DataFrame({"invoice": invoice, "number": number, "cents": amount, "day": pay[invoice] + gap})


def _payday(firm: Firm, payday: Ints, day: Ints) -> Ints:
    """Many customers pay on one weekday only: the day moves on to it, and one receipt covers several invoices."""
    weekday = (day + int((firm.first_day - np.datetime64("2018-01-01")).astype(int))) % 7
    return np.where(payday >= 0, day + (payday - weekday) % 7, day)


def _write_offs(
    firm: Firm, drawn: Draws, row: Ints, chance: Floats, lost: pd.DataFrame, due: Ints, ruin: Ints
) -> pd.DataFrame:
    """Open parts of failed customers are written off; a quarter of them brings something back later."""
    total = lost.groupby("invoice")["cents"].sum()
    invoice = total.index.to_numpy()
    day = np.maximum(due[invoice], ruin[invoice]) + WRITE_OFF_DAYS + (chance[invoice, 9] * 120).astype(np.int64)
    back = np.where(chance[invoice, 10] < 0.25, np.floor(total.to_numpy() * 0.3 * chance[invoice, 11]), 0)
    frame = pd.DataFrame(
        {
            "invoice": invoice,
            "cents": total.to_numpy(),
            "day": day,
            "back": back.astype(np.int64),
            "back_day": day + drawn.recovery_days[row][invoice],
        }
    )
    return frame[frame["day"] < firm.days].reset_index(drop=True)
