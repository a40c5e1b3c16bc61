"""The walk over one ledger: a small compiled loop over its days, one customer after the other."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from credit_lab.compiled import njit
from credit_lab.rules import forms
from credit_lab.rules.holds import CONTRACT, EXPIRED, OLD, SHARE, Holds, held, released, room

Ints = npt.NDArray[np.int64]
Grid = npt.NDArray[np.float64]

# numba keeps compiled code for as long as this file stays the same: its parts must show here (tests/test_compiled.py).
PARTS = "725c8b4fb771"
CONTRACTS, ORDER, SETTLED = range(3)  # kinds of rows, in the order of a day
GRANTED, OVER_LIMIT, ARREARS, NO_LIMIT, EXPIRED_LIMIT, NO_CONTRACT = range(6)  # why not more at once
ITEMS, WAITING, SENT = range(3)  # numbers kept of each
NEVER = 10**9

forms.for_loops()


class Book(NamedTuple):
    """What happened, one row an event; amounts in minor units, days as day numbers.

    Rows are sorted by customer, day and kind. `minor` is what a settlement adds to its document
    (below 0), or by how many the contracts in force change; `customer` counts the rows of the
    limits, `document` those of `total`, `due` and `custom` (goods made to order). `starts` are the
    first days of the columns of the limits; orders before `begin` went out in history.
    """

    customer: Ints
    document: Ints
    minor: Ints
    kind: Ints
    day: Ints
    total: Ints
    due: Ints
    custom: npt.NDArray[np.bool_]
    starts: Ints
    begin: int
    end: int
    no_contracts: int  # contracts taken as in force: 1 where the ledger has no table of them


class Case(NamedTuple):
    """What the steps of a walk share; by document: waiting days, what is settled, what went out."""

    book: Book
    wait: Ints
    s: Holds
    settled: Ints
    delivered: Ints


@njit()
def walk(
    book: Book, limit: Grid, expires: Ints, wait: Ints, s: Holds
) -> tuple[Ints, Ints, Ints]:  # pragma: no cover - compiled
    """Amount of each document that goes out at once, why not more, and what goes out later.

    An order is judged by the books of the evening before and by the limit and the contracts of its
    day; orders of the same day one after the other. A settlement frees the part of the exposure that
    went out. What does not go out waits; it is asked again, the oldest order first, on the day after
    a settlement or a delivery, of which history may have paid a part already, and on days with a new
    limit or a change of contracts; it goes out as far as the rules let it within its waiting days.
    Time alone frees nothing: items only grow older.

    Parameters
    ----------
    limit, expires : customer × column: in minor units; last day on which it stands
    wait : waiting days of each document
    s : hold rules in minor units

    Returns
    -------
    at_once, why : by document
    later : rows document, day, amount; one column a delivery
    """
    at_once, why, settled, delivered = np.zeros((4, len(book.total)), dtype=np.int64)
    items, waiting = np.empty((4, 64), dtype=np.int64), np.empty((3, 64), dtype=np.int64)
    sent, n = np.empty((3, 1024), dtype=np.int64), np.zeros(3, dtype=np.int64)
    case = Case(book, wait, s, settled, delivered)
    row, rows = 0, len(book.customer)
    while row < rows:
        who, contracts = book.customer[row], book.no_contracts
        n[ITEMS] = n[WAITING] = 0
        column, asked, mine = -1, NEVER, True  # asked: the next day on which what waits is asked
        while mine:
            mine = row < rows and book.customer[row] == who
            today, changed = book.day[row] if mine else book.end + 1, False
            while True:
                start = book.starts[column + 1] if column + 1 < len(book.starts) else NEVER
                day = min(start, asked)
                if day > today or day > book.end:
                    break
                column += start == day
                asked = NEVER if asked == day else asked
                if day == today:
                    changed = True
                elif n[WAITING]:
                    before = n[SENT]
                    items, sent = _ask(
                        day, limit[who, column], expires[who, column], contracts, case, items, waiting, sent, n
                    )
                    if n[SENT] > before:
                        asked = day + 1
            before = n[SENT]
            while row < rows and book.customer[row] == who and book.day[row] == today:
                one, kind = book.document[row], book.kind[row]
                if kind == CONTRACTS:
                    contracts += book.minor[row]
                    changed = True
                elif n[WAITING] and changed:
                    items, sent = _ask(
                        today, limit[who, column], expires[who, column], contracts, case, items, waiting, sent, n
                    )
                    changed = False
                if kind == ORDER:
                    at_once[one] = book.total[one]
                    if today >= book.begin:
                        at_once[one], why[one] = _answer(
                            one, today, limit[who, column], expires[who, column], contracts, case, items, n
                        )
                        waiting = _waits(one, book.total[one] - at_once[one], today, waiting, n)
                    items = _goes_out(one, at_once[one], 0, case, items, n)
                    asked = today + 1
                if kind == SETTLED:
                    items = _settle(one, book.minor[row], case, items, n)
                    asked = today + 1
                row += 1
            if mine and n[WAITING] and changed:
                items, sent = _ask(
                    today, limit[who, column], expires[who, column], contracts, case, items, waiting, sent, n
                )
            if n[SENT] > before:
                asked = today + 1
    return at_once, why, sent[:, : n[SENT]].copy()


@njit()
def _reasons(day, expires, contracts, items, count, s):  # type: ignore[no-untyped-def] # pragma: no cover
    """What is owed, and the reasons that stop any order of the customer on a day, by the ages of the evening before."""
    owed, overdue, late, old = 0, 0, 0, 0
    for k in range(count):
        owed += items[2, k]
        past = day - 1 - items[3, k]
        if past > 0 and items[2, k] > 0:
            overdue += items[2, k]
            old += items[2, k] * (past > s.overdue_days)
            late += items[2, k] * (past > s.share_after_days)
    return owed, held(s, owed, overdue, old, late, day <= expires, contracts > 0, False)


@njit()
def _answer(one, day, limit, expires, contracts, case, items, n):  # type: ignore[no-untyped-def] # pragma: no cover
    """How much of a new order goes out, and why not more."""
    total = case.book.total[one]
    owed, reasons = _reasons(day, expires, contracts, items, n[ITEMS], case.s)
    go = int(released(case.s, total, room(case.s, limit, owed), reasons))
    if go == total:
        return go, GRANTED
    if reasons & (OLD | SHARE):
        return go, ARREARS
    if reasons & EXPIRED:
        return go, EXPIRED_LIMIT
    if reasons & CONTRACT:
        return go, NO_CONTRACT
    return go, NO_LIMIT if limit <= 0 else OVER_LIMIT


@njit()
def _waits(one, rest, day, waiting, n):  # type: ignore[no-untyped-def] # pragma: no cover
    """The rest of an order takes its place at the end of the queue."""
    if rest == 0:
        return waiting
    waiting = _room_for(waiting, n[WAITING])
    waiting[0, n[WAITING]], waiting[1, n[WAITING]], waiting[2, n[WAITING]] = one, rest, day
    n[WAITING] += 1
    return waiting


@njit()
def _ask(day, limit, expires, contracts, case, items, waiting, sent, n):  # type: ignore[no-untyped-def] # pragma: no cover
    """Let go what the rules now let go of what waits, and forget what has waited too long."""
    kept = 0
    owed, reasons = _reasons(day, expires, contracts, items, n[ITEMS], case.s)
    for k in range(n[WAITING]):
        one, rest, ordered = waiting[0, k], waiting[1, k], waiting[2, k]
        if day - ordered > case.wait[one]:
            continue
        go = int(released(case.s, rest, room(case.s, limit, owed), reasons))
        if go > 0:
            items = _goes_out(one, go, day - ordered, case, items, n)
            sent = _room_for(sent, n[SENT])
            sent[0, n[SENT]], sent[1, n[SENT]], sent[2, n[SENT]] = one, day, go
            n[SENT] += 1
            owed, reasons = _reasons(day, expires, contracts, items, n[ITEMS], case.s)
        if go < rest:
            waiting[0, kept], waiting[1, kept], waiting[2, kept] = one, rest - go, ordered
            kept += 1
    n[WAITING] = kept
    return items, sent


@njit()
def _goes_out(one, go, late, case, items, n):  # type: ignore[no-untyped-def] # pragma: no cover
    """A delivery becomes an open item, less its part of what history has paid by now."""
    case.delivered[one] += go
    left = go - round(case.settled[one] * (go / max(case.book.total[one], 1)))
    if left == 0:
        return items
    items = _room_for(items, n[ITEMS])
    items[0, n[ITEMS]], items[1, n[ITEMS]], items[2, n[ITEMS]] = one, go, left
    items[3, n[ITEMS]] = case.book.due[one] + late
    n[ITEMS] += 1
    return items


@njit()
def _settle(one, minor, case, items, n):  # type: ignore[no-untyped-def] # pragma: no cover
    """A settlement takes from each open item of its document; a recovery may open it again."""
    case.settled[one] -= minor
    found, kept = False, 0
    for k in range(n[ITEMS]):
        if items[0, k] == one:
            found = True
            items[2, k] = items[1, k] - round(case.settled[one] * (items[1, k] / case.book.total[one]))
        if items[2, k] != 0:
            for part in range(4):
                items[part, kept] = items[part, k]
            kept += 1
    n[ITEMS] = kept
    if not found and minor > 0 and case.delivered[one] > 0:
        again, case.delivered[one] = case.delivered[one], 0
        return _goes_out(one, again, 0, case, items, n)
    return items


@njit()
def _room_for(table, count):  # type: ignore[no-untyped-def] # pragma: no cover
    """The table, twice as wide where it is full."""
    if count < table.shape[1]:
        return table
    wider = np.empty((table.shape[0], 2 * count), dtype=np.int64)
    wider[:, :count] = table
    return wider
