"""Monthly flows and balances of a ledger: the one table all KPIs are computed from."""

import numpy as np
import pandas as pd

from credit_lab import aging, knowledge, money, periods
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
        recoveries), balance (control balance), open (open invoices), not_due, overdue. Currency units; NaN in every
        row where the ledger cannot carry it (`unknown`).
    """
    flows = documented(ledger, last, buckets)
    return flows.assign(**dict.fromkeys(unknown(ledger, last), np.nan))


def unknown(ledger: Ledger, last: pd.Timestamp) -> dict[str, str]:
    """Columns of `monthly` that a ledger cannot carry, and why (`credit_lab.knowledge`).

    Parameters
    ----------
    ledger : one currency
    last : last day of the flows
    """
    told = knowledge.of(ledger, as_of=last)
    rests = {
        ("receipts", "balance"): ("receipts",),
        ("open", "not_due", "overdue"): knowledge.AGES,
        ("sales",): ("sales",),
        ("written_off",): ("write_offs",),
    }
    found = {name: told.why(*of) for columns, of in rests.items() for name in columns}
    return {name: why for name, why in found.items() if why}


def documented(ledger: Ledger, last: pd.Timestamp, buckets: aging.Buckets | None = None) -> pd.DataFrame:
    """`monthly` as the documents have it, whatever the ledger can carry: for parts of a ledger."""
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
    aged = aging.series(ledger, ends, buckets=aging.Buckets((buckets or aging.Buckets()).edges))
    overdue = aged["open"] - aged["not_due"]
    return table.assign(
        balance=aged["balance"],
        open=aged["open"],
        not_due=aged["not_due"],
        overdue=money.from_minor(money.to_minor(overdue, code), code),
    )[["month", "days", "sales", "receipts", "written_off", "balance", "open", "not_due", "overdue"]]
