"""The walk of matching by rule: what is owed and what was paid, day by day, compiled.

Debts and givers (receipts, credit notes) of one customer and currency meet as they come. On each
day what was paid back is taken from what waits first; then all that is left to give goes through
three steps, each for everybody before the next one begins: what the giver names, the only open
invoice of exactly its amount, and the open debts in the order of their dues.
"""

from heapq import heappop, heappush
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from credit_lab.compiled import njit

Ints = npt.NDArray[np.int64]
NAMED, AMOUNT, DUE = range(3)  # how something was matched


class Book(NamedTuple):
    """What there is to match; amounts in minor units, days as whole numbers.

    Events are sorted by customer and currency (`group`), day and kind: an invoice (`giver` 0) or a
    giver (1) of that `number`. `total` is what the rule may settle of an invoice, `owed` what is
    open of it (0 until its day), `given` what the rule settled, `part` its earliest unsettled part;
    parts are numbered in the order in which debts are settled, with what is `left` of each, the
    part `following` it (-1: none) and the `document` it belongs to. A giver has a `rest` (a refund
    below 0), and names the invoices `named` from its `first` to the next giver's, each for at most
    so much (`most`). `made` takes rows of giver, invoice (-1 - giver: a credit note paid back),
    day, minor and how; `size` counts them.
    """

    group: Ints
    day: Ints
    giver: Ints
    number: Ints
    total: Ints
    owed: Ints
    given: Ints
    part: Ints
    left: Ints
    following: Ints
    document: Ints
    rest: Ints
    note: npt.NDArray[np.bool_]
    first: Ints
    named: Ints
    most: Ints
    made: Ints
    size: Ints


@njit()
def walk(book: Book):  # type: ignore[no-untyped-def] # pragma: no cover
    """Match everything; the rows are in `book.made`."""
    debts, waiting, refunds = [0], [0], [0]  # parts by rank; givers with a rest
    count, which = {0: 0}, {0: 0}  # open invoices by amount: how many, and the sum of their numbers
    at = 0
    while at < len(book.day):
        group, day = book.group[at], book.day[at]
        if at == 0 or group != book.group[at - 1]:
            debts, waiting, refunds = debts[:0], waiting[:0], refunds[:0]
            count.clear()
            which.clear()
        before = len(waiting)
        while at < len(book.day) and book.group[at] == group and book.day[at] == day:
            one = book.number[at]
            if book.giver[at] == 0:
                _owe(one, book.total[one], book, debts, count, which)
            elif book.rest[one] > 0:
                waiting.append(one)
            else:
                refunds.append(one)
                _step(NAMED, one, day, book, debts, count, which)
            at += 1
        _pay_back(waiting[:before], refunds, day, book)
        for step in range(3):
            for one in waiting:
                _step(step, one, day, book, debts, count, which)
        _pay_back(waiting, refunds, day, book)
        waiting = [one for one in waiting if book.rest[one] != 0]
        refunds = [one for one in refunds if book.rest[one] != 0]


@njit()
def _step(step, one, day, book, debts, count, which):  # type: ignore[no-untyped-def] # pragma: no cover
    """One of the three steps for one giver."""
    if step == NAMED:
        for k in range(book.first[one], book.first[one + 1]):
            _settle(one, book.named[k], book.most[k], day, step, book, debts, count, which)
    elif step == AMOUNT and count.get(book.rest[one], 0) == 1:
        only = which[book.rest[one]]
        _settle(one, only, book.rest[one], day, step, book, debts, count, which)
    while step == DUE and book.rest[one] > 0 and len(debts) > 0:
        invoice = book.document[debts[0]]
        if book.part[invoice] == debts[0] and book.left[debts[0]] > 0:
            _settle(one, invoice, book.left[debts[0]], day, step, book, debts, count, which)
        else:
            heappop(debts)


@njit()
def _settle(one, invoice, most, day, how, book, debts, count, which):  # type: ignore[no-untyped-def] # pragma: no cover
    """A giver settles an invoice as far as `most`, its rest and what is open go.

    A refund that names an invoice (a returned payment) opens what was settled of it.
    """
    minor = min(most, book.rest[one], book.owed[invoice])
    if book.rest[one] < 0:
        minor = max(book.rest[one], -book.given[invoice])
    if minor == 0:
        return
    part = book.part[invoice]
    book.left[part] -= minor
    while book.left[part] <= 0 and book.following[part] >= 0:
        book.left[book.following[part]] += book.left[part]
        part = book.following[part]
    book.part[invoice] = part
    book.given[invoice] += minor
    _owe(invoice, -minor, book, debts, count, which)
    _write(one, invoice, day, minor, how, book)


@njit()
def _owe(invoice, minor, book, debts, count, which):  # type: ignore[no-untyped-def] # pragma: no cover
    """What is open of an invoice grows or shrinks; its earliest unsettled part stands in line."""
    for change in (-1, 1):
        owed = book.owed[invoice]
        count[owed] = count.get(owed, 0) + change
        which[owed] = which.get(owed, 0) + change * invoice
        book.owed[invoice] += minor if change < 0 else 0
    heappush(debts, book.part[invoice])


@njit()
def _pay_back(waiting, refunds, day, book):  # type: ignore[no-untyped-def] # pragma: no cover
    """Refunds take from what waits, first come first; a credit note is paid back by a row."""
    for refund in refunds:
        for giver in waiting:
            minor = min(book.rest[giver], -book.rest[refund])
            if minor > 0 and book.note[giver]:
                _write(refund, -1 - giver, day, -minor, DUE, book)
            elif minor > 0:
                book.rest[refund] += minor
            book.rest[giver] -= minor


@njit()
def _write(one, target, day, minor, how, book):  # type: ignore[no-untyped-def] # pragma: no cover
    """A row more; the giver has so much less to give."""
    book.rest[one] -= minor
    book.made[book.size[0]] = np.array([one, target, day, minor, how])
    book.size[0] += 1
