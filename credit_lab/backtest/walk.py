"""The walk over one ledger: a small compiled loop over postings, one customer after the other."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from credit_lab.compiled import njit

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class HoldRule(NamedTuple):
    """Orders stop when items more than `overdue_days` late are more than `min_share` of the open amount, or items more
    than `share_after` days late more than `overdue_share` of it; below `min_overdue` (minor units) nothing stops."""

    overdue_days: int
    min_share: float
    overdue_share: float
    share_after: int
    min_overdue: int


@njit()
def _held(day: int, open_: Ints, due: Ints, count: int, rule: HoldRule) -> bool:  # pragma: no cover - compiled
    total, overdue, late, old = 0, 0, 0, 0
    for item in range(count):
        total += open_[item]
        past = day - due[item]
        if past > 0 and open_[item] > 0:
            overdue += open_[item]
            if past > rule.overdue_days:
                old += open_[item]
            if past > rule.share_after:
                late += open_[item]
    if overdue == 0 or overdue < rule.min_overdue:
        return False
    return old > rule.min_share * total or late > rule.overdue_share * total


@njit()
def walk(
    customer: Ints,
    document: Ints,
    minor: Ints,
    opens: Bools,
    month: Ints,
    total: Ints,
    limit: Ints,
    day: Ints,
    due: Ints,
    rule: HoldRule,
    partial: bool,
) -> tuple[Ints, Ints]:  # pragma: no cover - compiled
    """Amount granted per document, and why not more (0 granted, 1 limit, 2 hold, 3 no limit).

    Postings come sorted by customer, day, settlements before invoices. `month` is the column of `limit` in force on
    the day, −1 before the replay begins: such invoices are granted. A settlement frees the granted share of the
    exposure. All amounts in minor units, days as day numbers.
    """
    granted = np.zeros(len(total), dtype=np.int64)
    reason = np.zeros(len(total), dtype=np.int64)
    settled = np.zeros(len(total), dtype=np.int64)
    longest, run = 0, 0
    for row in range(len(customer)):
        run = run + 1 if row and customer[row] == customer[row - 1] else 1
        longest = max(longest, run)
    documents, open_, dues = np.zeros((3, longest), dtype=np.int64)
    count, exposure, who = 0, 0, -1
    for row in range(len(customer)):
        if customer[row] != who:
            who, count, exposure = customer[row], 0, 0
        one = document[row]
        if not opens[row]:
            before = settled[one]
            settled[one] = before - minor[row]
            share = granted[one] / total[one] if total[one] else 0.0
            freed = round(settled[one] * share) - round(before * share)
            exposure -= freed
            kept = 0
            for item in range(count):
                if documents[item] == one:
                    open_[item] -= freed
                if open_[item] != 0 or documents[item] == one:
                    documents[kept], open_[kept], dues[kept] = documents[item], open_[item], dues[item]
                    kept += 1
            count = kept
            continue
        amount, column = minor[row], month[row]
        if column < 0:
            granted[one] = amount
        elif _held(day[row], open_, dues, count, rule):
            reason[one] = 2
        else:
            room = max(limit[who, column] - exposure, 0)
            if amount <= room:
                granted[one] = amount
            else:
                reason[one] = 3 if limit[who, column] == 0 else 1
                if partial:
                    granted[one] = room
        paid = round(settled[one] * (granted[one] / amount))  # settled on the day it was issued
        exposure += granted[one] - paid
        documents[count], open_[count], dues[count] = one, granted[one] - paid, due[row]
        count += 1
    return granted, reason
