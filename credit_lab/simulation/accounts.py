"""The books of the kernel: losses and who bears them, what a factor has paid, money-days, balances by month."""

from credit_lab.compiled import njit
from credit_lab.simulation import records as rec
from credit_lab.simulation.records import BORROWING


@njit(**BORROWING, forceinline=True)
def advance(rest, g, pol):  # type: ignore[no-untyped-def] # pragma: no cover
    """What the factor has paid on an invoice of which so much is open."""
    return rest // 10000 * pol[g].advance + rest % 10000 * pol[g].advance // 10000


@njit(**BORROWING, forceinline=True)
def repay(line, rest, part, g, pol):  # type: ignore[no-untyped-def] # pragma: no cover
    """The factor gets back what it paid on the part of the rest that is settled."""
    if pol[g].factored:
        line[rec.REPAID] += advance(rest, g, pol) - advance(rest - part, g, pol)


@njit(**BORROWING, forceinline=True)
def lose(day, i, amount, inv, cus, pol, r, month_of, result):  # type: ignore[no-untyped-def] # pragma: no cover
    """A write-off of the last of an invoice: what the factor bears of it, what the insurer pays, what is left."""
    c = inv[i].who
    g, line = cus[c].grade, result[month_of[day], cus[c].segment]
    line[rec.WRITTEN_OFF] += amount
    if i >= r.opening:
        result[month_of[inv[i].due - cus[c].term], cus[c].segment, rec.VINTAGE_LOST] += amount
    own = amount
    if pol[g].factored:
        moved = advance(amount, g, pol)
        if r.recourse:
            line[rec.REPAID] += moved
        else:
            line[rec.BORNE] += moved
            own -= moved
    if pol[g].insured:
        paid = int(own * r.insured_share)
        line[rec.CLAIMS] += paid
        own -= paid
    return own


@njit(**BORROWING, forceinline=True)
def at_stake(g, pol, r):  # type: ignore[no-untyped-def] # pragma: no cover
    """What the seller loses of one unit owed by a customer that fails."""
    lost = 1 - r.recovery
    if pol[g].factored and not r.recourse:
        lost *= 1 - pol[g].advance / 10000
    if pol[g].insured:
        lost *= 1 - r.insured_share
    return lost


@njit(**BORROWING, forceinline=True)
def allowed(c, cus, r):  # type: ignore[no-untyped-def] # pragma: no cover
    """The limit, or that of the trial step a newcomer has reached."""
    limit = cus[c].limit
    if cus[c].newcomer:
        steps = min(cus[c].paid_well // r.trial_step, r.trial_steps)
        if steps < r.trial_steps:
            limit = min(limit, int(r.trial_first * r.trial_factor**steps))
    return limit


@njit(**BORROWING, forceinline=True)
def accrue(result, expected, month_of, edges, c, day, cus, pol, r):  # type: ignore[no-untyped-def] # pragma: no cover
    """Money-days owed since the last move, by month, the loss they stand for and the part the seller finances.

    A failure would cost what is owed, and what is sold afterwards is put on when it is sold (`kernel._order`): both
    have the right mean, and neither takes anything off, so that no month is below zero.
    """
    at, owed, place, g = cus[c].moved, cus[c].owed, cus[c].segment, cus[c].grade
    cus[c].moved = day
    if owed == 0 or at >= day:
        return
    financed = 1 - pol[g].advance / 10000 if pol[g].factored else 1.0
    daily = 0.0 if cus[c].dead else cus[c].failing * at_stake(g, pol, r) * owed
    month = month_of[at]
    while at < day:
        until = min(edges[month + 1], day)
        carried, number = owed * (until - at), until - at
        result[month, place, rec.OPEN_DAYS] += carried
        expected[month, place, rec.OWN_DAYS] += financed * carried
        if until == edges[month + 1]:  # what is owed after a month's last day is lost by a failure on the next day
            number -= 1
            if until < r.days:
                expected[month + 1, place, rec.EXPECTED] += daily
        expected[month, place, rec.EXPECTED] += daily * number
        at = until
        month += 1


@njit(**BORROWING, forceinline=True)
def late(day, i, amount, inv, cus, month_of, edges, result):  # type: ignore[no-untyped-def] # pragma: no cover
    """An amount that ends on a day was overdue at the month ends between its due date and that day."""
    first = max(inv[i].due + 1, 0)
    if first < day:
        month, place = month_of[first], cus[inv[i].who].segment
        while edges[month + 1] <= day:
            result[month, place, rec.OVERDUE] += amount
            month += 1
            if month + 1 >= len(edges):
                break


@njit(**BORROWING)
def balances(result):  # type: ignore[no-untyped-def] # pragma: no cover
    """Open amount at each month end."""
    for place in range(result.shape[1]):
        balance = 0
        for m in range(result.shape[0]):
            line = result[m, place]
            balance += (
                line[rec.OPENING] + line[rec.SALES] - line[rec.COLLECTED] - line[rec.RECOVERED] - line[rec.CREDITED]
            )
            balance -= line[rec.WRITTEN_OFF]
            line[rec.OPEN] = balance
