"""Replay: walk a ledger month by month under a policy that sees only the past.

At every month end the policy looks at the history table up to that day and sets grade and limit; in the month that
follows each invoice is granted whole, in part or not at all, in order of date, against the limit, the exposure and the
overdue items of that day. What was granted is paid, late or never exactly as it was in history; what was refused
never happens.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab import history, limits, money, schema
from credit_lab.aging import Buckets
from credit_lab.aging.many_dates import aged
from credit_lab.aging.postings import INVOICE, postings
from credit_lab.errors import PeriodError
from credit_lab.ledger.model import Ledger
from credit_lab.periods import takes_days
from credit_lab.policy import Policy, in_currency, need_amounts

REASONS = ("granted", "limit", "hold", "no limit")
Grid = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Replay:
    """What one policy did to one ledger.

    Attributes
    ----------
    policy : id of the policy
    monthly : month, days, sales (granted), refused, receipts (of granted invoices), written_off, open, not_due,
        overdue, marked (the month lies in a window of `Ledger.windows` in which the data mislead); currency units
    invoices : invoice_id, customer_id, issue_date, amount, granted, refused, reason (granted, limit, hold, no limit),
        fate (what history did with the invoice: paid in time, paid late, open, written off) and the amounts behind it:
        paid, written_off, open
    decisions : every change of a limit, as `limits.propose` gives it
    start, end : first and last day of the replay
    """

    policy: str
    monthly: pd.DataFrame
    invoices: pd.DataFrame
    decisions: pd.DataFrame
    start: pd.Timestamp
    end: pd.Timestamp


@takes_days
def replay(
    ledger: Ledger,
    policy: Policy,
    *,
    end: pd.Timestamp,
    start: pd.Timestamp | None = None,
    past: pd.DataFrame | None = None,
    warm_up: int = 7,
) -> Replay:
    """Replay `policy` on `ledger` from `start` to `end`.

    Parameters
    ----------
    ledger : one currency
    end : last day, a month end up to which the ledger is complete
    start : first day, the first of a month; default `warm_up` whole months after the first invoice (seven: customers
        known from the beginning are no newcomers by then). Invoices issued before it were granted by history and
        count towards exposure.
    past : `history.build(ledger, end)` where it exists already

    Raises
    ------
    PeriodError
        Less than one month between start and end, or no history before the start.
    """
    policy = in_currency(policy, ledger.currency)
    need_amounts(policy, "limits cannot be replayed")
    past = history.build(ledger, end) if past is None else past
    months = pd.DatetimeIndex(past["month"].unique()).sort_values()
    begin = start if start is not None else _default_start(months, warm_up, ledger)
    months = months[months <= end]
    known = months[months < begin]
    if len(known) == 0 or begin > end:
        raise PeriodError(
            f"replay from {begin.date()} to {end.date()}: the ledger's months run from {months.min().date()} to "
            f"{months.max().date()}; leave at least one month before the start"
        )
    customers = pd.Index(np.sort(ledger.customers["customer_id"].to_numpy()), dtype="str")
    review = months[months >= known[-1]]
    decisions, limit = _decide(past, policy, review, customers)
    documents = _walk(ledger, policy, customers, review, limit, begin, end)
    monthly = _monthly(ledger, documents, months[months >= begin], begin)
    detail = _fates(ledger, documents, begin, end)
    return Replay(policy.meta.id, monthly, detail, decisions, begin, end)


def _default_start(months: pd.DatetimeIndex, warm_up: int, ledger: Ledger) -> pd.Timestamp:
    if len(months) <= warm_up:
        raise PeriodError(
            f"{ledger.source}: {len(months)} months of data; a replay needs more than its warm-up of {warm_up} months"
        )
    return months[warm_up - 1] + pd.Timedelta(days=1)


def _decide(
    past: pd.DataFrame, policy: Policy, review: pd.DatetimeIndex, customers: pd.Index
) -> tuple[pd.DataFrame, Grid]:
    """Limits in force after each month end; full reviews in the policy's rhythm, trials and their end
    every month."""
    limit = np.full((len(customers), len(review)), np.floor(policy.trial.first_limit))
    current = np.full(len(customers), np.nan)
    on_trial = np.zeros(len(customers), dtype=bool)
    taken = []
    by_month = dict(tuple(past.groupby("month")))
    for column, month in enumerate(review):
        rows = by_month.get(month)
        if rows is not None:
            proposed = limits.propose(rows, policy)
            who = customers.get_indexer(proposed["customer_id"])
            wanted, old = proposed["credit_limit"].to_numpy(), current[who]
            trial = proposed["method"].eq("trial").to_numpy()
            due = (column % policy.limits.review_months == 0) | trial | on_trial[who]
            on_trial[who] = trial
            moved = np.abs(wanted - old) >= policy.limits.min_change * np.maximum(np.nan_to_num(old), 1.0)
            change = np.isnan(old) | (due & (moved | (wanted == 0)))
            current[who] = np.where(change, wanted, old)
            taken.append(proposed[change])
        limit[:, column] = np.where(np.isnan(current), limit[:, column], current)
    decisions = pd.concat(taken, ignore_index=True) if taken else pd.DataFrame()
    return decisions, limit


def _walk(
    ledger: Ledger,
    policy: Policy,
    customers: pd.Index,
    review: pd.DatetimeIndex,
    limit: Grid,
    begin: pd.Timestamp,
    end: pd.Timestamp,
) -> pd.DataFrame:
    """Grant every invoice in order of date against the limit in force; settlements free the limit again."""
    from credit_lab.backtest.walk import HoldRule, walk  # compiles: a second or two the first time

    rows = postings(ledger)
    rows = rows[(rows["kind"] == INVOICE) & (rows["day"] <= end)]
    rows = rows.assign(opens=(rows["day"] == rows["issue_date"]) & (rows["minor"] > 0))
    keys = ["document_id", "customer_id", "day", "opens"]
    rows = rows.groupby(keys, as_index=False).agg(minor=("minor", "sum"), due_date=("due_date", "min"))
    amount = ledger.invoices.set_index("invoice_id")["amount"]
    worth = pd.Series(money.to_minor(amount, ledger.currency), index=amount.index)
    rows = rows.sort_values(["customer_id", "day", "opens", "document_id"], kind="stable", ignore_index=True)
    code, documents = pd.factorize(rows["document_id"])
    total = worth.loc[documents].to_numpy()
    month = np.searchsorted(review.to_numpy(), rows["day"].to_numpy()) - 1
    scale = 10.0 ** money.minor_digits(ledger.currency)
    granted, reason = walk(
        customers.get_indexer(rows["customer_id"]).astype(np.int64),
        code.astype(np.int64),
        rows["minor"].to_numpy(),
        rows["opens"].to_numpy(),
        np.where(rows["day"] >= begin, month, -1).astype(np.int64),
        total,
        np.rint(limit * policy.holds.utilisation * scale).astype(np.int64),
        rows["day"].to_numpy().astype("datetime64[D]").astype(np.int64),
        rows["due_date"].to_numpy().astype("datetime64[D]").astype(np.int64),
        HoldRule(
            policy.holds.overdue_days,
            policy.holds.min_overdue_share,
            policy.holds.overdue_share,
            policy.holds.share_after_days,
            round(policy.holds.min_overdue * scale),
        ),
        policy.holds.partial_release,
    )
    return pd.DataFrame({"invoice_id": documents, "amount": total, "granted": granted, "reason": reason})


def _monthly(ledger: Ledger, documents: pd.DataFrame, months: pd.DatetimeIndex, begin: pd.Timestamp) -> pd.DataFrame:
    """Balances and flows of the granted part: every posting of an invoice shrinks by the share granted."""
    code = ledger.currency
    share = (documents["granted"] / documents["amount"]).set_axis(documents["invoice_id"])
    rows = postings(ledger)
    rows = rows[(rows["kind"] == INVOICE) & rows["document_id"].isin(share.index)]
    scaled = np.rint(rows["minor"] * rows["document_id"].map(share)).astype("int64")
    cells = aged(rows.assign(minor=scaled), np.zeros(len(rows), dtype=np.int64), 1, months, Buckets())[0]
    lost = schema.no_rows({"day": "date", "minor": "number"})
    if ledger.has("write_offs"):
        table = ledger.tables["write_offs"]
        minor = money.to_minor(table["amount"], code) * table["invoice_id"].map(share).fillna(0)
        lost = pd.DataFrame({"day": table["written_off_on"], "minor": np.rint(minor)})
    opening = rows["day"].eq(rows["issue_date"]) & (rows["minor"] > 0)
    issued = documents.set_index("invoice_id")["amount"] - documents.set_index("invoice_id")["granted"]
    first = ledger.invoices.set_index("invoice_id")["issue_date"]
    refused = pd.DataFrame({"day": first.loc[issued.index].to_numpy(), "minor": issued.to_numpy()})

    def sums(day: pd.Series, minor: pd.Series) -> Grid:
        inside = ((day >= begin) & (day <= months[-1])).to_numpy()
        total = np.zeros(len(months), dtype=np.int64)
        column = np.searchsorted(months.to_numpy(), day[inside].to_numpy())
        np.add.at(total, column, minor[inside].to_numpy().astype(np.int64))
        return money.from_minor(total, code)

    written = sums(lost["day"], lost["minor"]) if len(lost) else np.zeros(len(months))
    settled = sums(rows["day"][~opening], -scaled[~opening])
    return pd.DataFrame(
        {
            "month": months,
            "days": months.day,
            "sales": sums(rows["day"][opening], scaled[opening]),
            "refused": sums(refused["day"], refused["minor"]),
            "receipts": np.round(settled - written, 6),
            "written_off": written,
            "open": money.from_minor(cells[:, :-2].sum(axis=1), code),
            "not_due": money.from_minor(cells[:, 0], code),
            "overdue": money.from_minor(cells[:, 1:-2].sum(axis=1), code),
            "marked": [_mark(ledger, month) for month in months],
        }
    )


def _mark(ledger: Ledger, month: pd.Timestamp) -> bool:
    """Whether the mapping says that the data of this month mislead."""
    first = month.replace(day=1)
    return bool(((ledger.windows["start"] <= month) & (ledger.windows["end"] >= first)).any())


def _fates(ledger: Ledger, documents: pd.DataFrame, begin: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """What history did with each invoice of the window, known at its end."""
    code = ledger.currency
    rows = postings(ledger)
    rows = rows[(rows["kind"] == INVOICE) & (rows["day"] <= end)]
    left = rows.groupby("document_id")["minor"].sum()
    late = rows[rows["day"] > rows["due_date"]]["document_id"].unique()
    lost = pd.Series(0, index=left.index, dtype="int64")
    if ledger.has("write_offs"):
        table = ledger.tables["write_offs"]
        table = table[table["written_off_on"] <= end]
        minor = pd.Series(money.to_minor(table["amount"], code), index=table.index)
        lost = minor.groupby(table["invoice_id"]).sum().reindex(left.index, fill_value=0)
    invoices = ledger.invoices.set_index("invoice_id")
    inside = invoices.loc[documents["invoice_id"], "issue_date"].between(begin, end).to_numpy()
    chosen = documents[inside].reset_index(drop=True)
    key = chosen["invoice_id"]
    open_, gone = left.loc[key].to_numpy(), lost.loc[key].to_numpy()
    fate = np.select([gone > 0, open_ > 0, key.isin(late)], ["written off", "open", "paid late"], "paid in time")
    return pd.DataFrame(
        {
            "invoice_id": key,
            "customer_id": invoices.loc[key, "customer_id"].to_numpy(),
            "issue_date": invoices.loc[key, "issue_date"].to_numpy(),
            "amount": money.from_minor(chosen["amount"], code),
            "granted": money.from_minor(chosen["granted"], code),
            "refused": money.from_minor(chosen["amount"] - chosen["granted"], code),
            "reason": np.array(REASONS)[chosen["reason"]],
            "fate": fate,
            "paid": money.from_minor(chosen["amount"] - open_ - gone, code),
            "written_off": money.from_minor(gone, code),
            "open": money.from_minor(open_, code),
        }
    )
