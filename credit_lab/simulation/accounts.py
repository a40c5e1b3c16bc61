"""The books of the kernel: losses and who bears them, what a factor has paid, money-days, balances by month."""

from credit_lab.compiled import njit
from credit_lab.simulation import records as rec
from credit_lab.simulation.records import BORROWING


@njit(**BORROWING, forceinline=True)
def advance(rest, r):  # type: ignore[no-untyped-def] # pragma: no cover
    """What the factor has paid on an invoice of which so much is open."""
    return rest // 10000 * r.advance + rest % 10000 * r.advance // 10000


@njit(**BORROWING, forceinline=True)
def settle(day, i, part, off, inv, cus, r, line):  # type: ignore[no-untyped-def] # pragma: no cover
    """A payment of an invoice, less a discount: cash, what the factor gets back, and what a review will see of it."""
    c = inv[i].who
    line[rec.CREDITED] += off
    line[rec.COLLECTED] += part - off
    if cus[c].factored:
        line[rec.REPAID] += advance(inv[i].rest, r) - advance(inv[i].rest - part, r)
    cus[c].paid += part - off
    cus[c].days += (part - off) * (day - inv[i].due)
    cus[c].paid_well += part == inv[i].rest and day <= inv[i].due


@njit(**BORROWING, forceinline=True)
def lose(day, i, amount, inv, cus, r, month_of, result):  # type: ignore[no-untyped-def] # pragma: no cover
    """A write-off of the last of an invoice: what the factor bears of it; what is left, before insurance."""
    c = inv[i].who
    line = result[month_of[day], cus[c].segment]
    line[rec.WRITTEN_OFF] += amount
    if i >= r.opening:
        result[month_of[inv[i].issued], cus[c].segment, rec.VINTAGE_LOST] += amount
    if cus[c].factored:
        moved = advance(amount, r)
        if r.recourse:
            line[rec.REPAID] += moved
        else:
            line[rec.BORNE] += moved
            return amount - moved
    return amount


@njit(**BORROWING, forceinline=True)
def claim(own, c, cus, r, line):  # type: ignore[no-untyped-def] # pragma: no cover
    """The insurer pays its share of a loss less the deductible; what stays with the seller."""
    if cus[c].insured:
        paid = max(int(own * r.insured_share) - r.deductible, 0)
        line[rec.CLAIMS] += paid
        own -= paid
    return own


@njit(**BORROWING, forceinline=True)
def at_stake(owed, c, cus, r):  # type: ignore[no-untyped-def] # pragma: no cover
    """What the seller loses if a customer fails that owes so much."""
    lost = owed * (1 - r.recovery)
    if cus[c].factored and not r.recourse:
        lost *= 1 - r.advance / 10000
    if cus[c].insured:
        lost -= max(lost * r.insured_share - r.deductible, 0.0)
    return lost


@njit(**BORROWING, forceinline=True)
def accrue(result, expected, month_of, edges, c, day, cus, r):  # type: ignore[no-untyped-def] # pragma: no cover
    """Money-days owed since the last move, by month, the loss they stand for and the part the seller finances.

    A failure would cost what is owed, and what is sold afterwards is put on when it is sold (`kernel._order`): both
    have the right mean, and neither takes anything off, so that no month is below zero.
    """
    at, owed, place = cus[c].moved, cus[c].owed, cus[c].segment
    cus[c].moved = day
    if owed == 0 or at >= day:
        return
    financed = 1 - r.advance / 10000 if cus[c].factored else 1.0
    daily = 0.0 if cus[c].dead else cus[c].failing * at_stake(owed, c, cus, r)
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
