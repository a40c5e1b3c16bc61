"""Monthly flows and balances of a ledger: the one table all KPIs are computed from."""

import numpy as np
import pandas as pd

from credit_lab import aging, money, periods
from credit_lab.ledger.model import Ledger
from credit_lab.periods import takes_days


@takes_days
def monthly(ledger: Ledger, last: pd.Timestamp, *, buckets: aging.Buckets | None = None) -> pd.DataFrame:
    """Flows and month-end balances from the ledger's first month up to `last`.

    `last` need not be a month end: the final row then covers the month up to that day.

    Returns
    -------
    DataFrame
        month (last day covered), days, sales (invoices less credit notes, tax included), receipts, written_off (net of
        recoveries), balance (control balance), open (open invoices), not_due, overdue. Currency units.

    Raises
    ------
    LedgerError
        The balance at `last` lies beyond 2**53 minor units.
    """
    first = min(ledger.invoices["issue_date"].min(), ledger.payments["paid_date"].fillna(last).min(), last)
    ends = periods.month_ends(first, last)
    if len(ends) == 0 or ends[-1] < last:
        ends = ends.append(pd.DatetimeIndex([last]))
    code = ledger.currency
    table = pd.DataFrame({"month": ends})
    starts = ends.to_period("M").start_time
    table["days"] = (ends - starts).days + 1
    flows = [("sales", "invoices", "issue_date"), ("receipts", "payments", "paid_date")]
    flows += [("written_off", "write_offs", "written_off_on")] if ledger.has("write_offs") else []
    table["written_off"] = 0.0
    for name, source, day in flows:
        rows = ledger.tables[source]
        sums = np.zeros(len(ends) + 1, dtype=np.int64)
        np.add.at(sums, np.searchsorted(ends.to_numpy(), rows[day].to_numpy()), money.to_minor(rows["amount"], code))
        table[name] = money.from_minor(sums[:-1], code)
    buckets = aging.Buckets((buckets or aging.Buckets()).edges)
    aged = aging.series(ledger, ends, buckets=buckets)
    money.to_minor(aged[["balance", "open"]].iloc[-1], code)  # a larger balance is refused
    return table.assign(
        balance=aged["balance"],
        open=aged["open"],
        not_due=aged["not_due"],
        overdue=aged[list(buckets.labels[1:])].agg(money.total, axis=1),
    )[["month", "days", "sales", "receipts", "written_off", "balance", "open", "not_due", "overdue"]]
