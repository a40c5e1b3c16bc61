"""Monthly flows and balances of a ledger: the one table all KPIs are computed from."""

import numpy as np
import pandas as pd

from credit_lab import aging, knowledge, money, periods
from credit_lab.ledger import matching
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

    Raises
    ------
    LedgerError
        The balance at `last` lies beyond 2**53 minor units.
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


@takes_days
def by_rule(ledger: Ledger, as_of: pd.Timestamp) -> pd.DataFrame:
    """How much hangs on the rule by which receipts were matched: what would be overdue by either rule.

    The balance is the same by every rule; what differs is which invoices are left open. No rows where the books alone
    match.

    Parameters
    ----------
    ledger : one currency
    as_of : documents up to this day

    Returns
    -------
    DataFrame
        rule (the ledger's own first), overdue (currency units), overdue_ratio (of open invoices), oldest_days (past
        due).
    """
    rows, used = [], matching.rule_of(ledger)
    rules = [used, *({"earliest-due", "latest-due"} - {used})] if used else []
    for rule in rules:
        items = aging.open_items(ledger if rule == used else matching.rematched(ledger, rule), as_of)
        items = aging.only_invoices(items)
        late = items[items["days"] > 0]
        overdue, whole = (int(money.to_minor(part["open_amount"], ledger.currency).sum()) for part in (late, items))
        ratio = overdue / whole if whole > 0 else np.nan
        rows.append((rule, money.from_minor(overdue, ledger.currency), ratio, late["days"].max()))
    return pd.DataFrame(rows, columns=["rule", "overdue", "overdue_ratio", "oldest_days"])


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
    buckets = aging.Buckets((buckets or aging.Buckets()).edges)
    aged = aging.series(ledger, ends, buckets=buckets)
    money.to_minor(aged[["balance", "open"]].iloc[-1], code)  # a larger balance is refused
    return table.assign(
        balance=aged["balance"],
        open=aged["open"],
        not_due=aged["not_due"],
        overdue=aged[list(buckets.labels[1:])].agg(money.total, axis=1),
    )[["month", "days", "sales", "receipts", "written_off", "balance", "open", "not_due", "overdue"]]
