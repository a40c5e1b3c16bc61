"""Replay: walk a ledger month by month under a policy that sees only the past.

At every month end the policy decides what its limit review would have decided then, from the history table up to that
day and the limits in force in the replay. Each invoice is an order: it goes out whole, in part or not at all, in order
of date, as the limit, the exposure and the overdue items of the day allow. What does not go out waits
(`holds.wait_days`) and goes out on the first day on which the rules let it; its due date moves by as many days. Else
the sale is lost. What went out is paid, late or never on the very day it was in history, never before it went out: no
hold provokes a payment here. Alerts are not replayed.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab import history, limits, money, schema
from credit_lab.aging import Buckets
from credit_lab.aging.many_dates import aged
from credit_lab.aging.postings import INVOICE, postings
from credit_lab.errors import PeriodError
from credit_lab.ids import positions
from credit_lab.ledger import known
from credit_lab.ledger.model import Ledger
from credit_lab.limits.proposals import Known, Panel
from credit_lab.periods import takes_days
from credit_lab.policy import Policy, in_currency, need_amounts
from credit_lab.rules import limits as rules

if TYPE_CHECKING:
    from credit_lab.backtest.walk import Book

# Settings it reads, see `rules.coverage`.
READS = (
    "grades.min_months",
    "grades.newcomer_grade",
    "grades.scale.min_payment_index",
    "grades.scale.pd_upper",
    "grades.scale.limit_multiple",
    "grades.scale.term_days",
    "limits.*",
    "trial.*",
    "holds.*",
    "risk_appetite.expected_loss_budget",
    "economics.variable_cost_ratio",
    "economics.capital_cost",
    "economics.loss_given_default",
    "economics.tax_rate",
)

Grid = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
# Why not more at once, in the order of the numbers of `walk`.
REASONS = ("granted", "limit", "hold", "no limit", "limit expired", "no contract")
WAITS = (0, 15, 30, 60)  # days of the scan


@dataclass(frozen=True)
class Replay:
    """What one policy did to one ledger.

    Attributes
    ----------
    policy : id of the policy
    monthly : month, days, sales (on the day of delivery) = delivered_at_once + delivered_later,
        sales_lost (on the day of the order), receipts (of what went out), written_off, open, not_due,
        overdue, marked (the month lies in a window of `Ledger.windows` in which the data mislead);
        currency units
    invoices : invoice_id, customer_id, issue_date, amount = delivered_at_once + delivered_later +
        sales_lost, days_waited (until the last part went out; NaN: nothing went out later), reason
        (why not more at once: granted, limit, hold, no limit, limit expired, no contract), fate (what
        history did with the invoice: paid in time, paid late, open, written off) and the amounts
        behind it: paid, written_off, open. An order that still waits at the end counts as lost.
    decisions : every change of a limit, as `limits.review` gives it
    waits : the same limits if every order waited so long: wait_days, orders_later, delivered_later, orders_lost (in
        whole or in part), sales_lost, sales
    start, end : first and last day of the replay
    """

    policy: str
    monthly: pd.DataFrame
    invoices: pd.DataFrame
    decisions: pd.DataFrame
    waits: pd.DataFrame
    start: pd.Timestamp
    end: pd.Timestamp


@dataclass(frozen=True)
class Ground:
    """What replays of one ledger share: its history, its orders and the days.

    `months` are the month ends after which limits are decided, the first of them before `begin`; `panels` those of
    month ends by which not all was recorded that is known now (`history.looking_back`).
    """

    ledger: Ledger
    past: pd.DataFrame
    panel: Panel
    panels: dict[pd.Timestamp, Panel]
    customers: pd.Index
    months: pd.DatetimeIndex
    book: "Book"
    documents: pd.Index
    begin: pd.Timestamp
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
    MoneyNotKnown
        The policy's amounts are not known in the ledger's currency.
    """
    own = in_currency(policy, ledger.currency)
    need_amounts(own, "limits cannot be replayed")
    return on(ground(ledger, end=end, start=start, past=past, warm_up=warm_up), own)


@takes_days
def ground(
    ledger: Ledger,
    *,
    end: pd.Timestamp,
    start: pd.Timestamp | None = None,
    past: pd.DataFrame | None = None,
    warm_up: int = 7,
) -> Ground:
    """What replays of one ledger share; parameters and errors as in `replay`."""
    from credit_lab.backtest import order_book  # compiles: a second or two the first time

    past = history.build(ledger, end) if past is None else past
    months = pd.DatetimeIndex(past["month"].unique()).sort_values()
    begin = start if start is not None else _default_start(months, warm_up, ledger)
    months = months[months <= end]
    before = months[months < begin]
    if len(before) == 0 or begin > end:
        raise PeriodError(
            f"replay from {begin.date()} to {end.date()}: the ledger's months run from {months.min().date()} to "
            f"{months.max().date()}; leave at least one month before the start"
        )
    customers = pd.Index(np.sort(ledger.customers["customer_id"].to_numpy()), dtype="str")
    months = months[months >= before[-1]]
    book, documents = order_book.build(ledger, customers, months, begin, end)
    latest = history.looking_back(ledger, past, end)
    panels = {
        month: Panel.of(history.looking_back(ledger, past, month))
        for month, _ in known.days_affected(ledger, months, history.READ)
    }
    return Ground(ledger, past, Panel.of(latest), panels, customers, months, book, documents, begin, end)


def on(where: Ground, policy: Policy) -> Replay:
    """Replay a policy, in the ledger's currency, on what replays share."""
    from credit_lab.backtest import order_book

    decisions, limit, expires = _decide(where, policy)
    code = where.ledger.currency
    at_once, why, later = order_book.deliver(where.book, policy, code, limit, expires)
    sums = later.groupby("document").agg(later=("minor", "sum"), waited=("waited", "max"))
    documents = pd.DataFrame({"invoice_id": where.documents, "amount": where.book.total, "at_once": at_once})
    documents = documents.join(sums).assign(reason=why).fillna({"later": 0}).astype({"later": "int64"})
    months = where.months[where.months >= where.begin]
    return Replay(
        policy.meta.id,
        _monthly(where.ledger, documents, later, months, where.begin),
        _fates(where.ledger, documents, where.begin, where.end),
        decisions,
        _waits(where, policy, limit, expires),
        where.begin,
        where.end,
    )


def _waits(where: Ground, policy: Policy, limit: Grid, expires: Ints) -> pd.DataFrame:
    """What longer waiting would change, the limits being the same; amounts from the start to the end."""
    from credit_lab.backtest import order_book

    book, rows = where.book, []
    orders = book.kind == order_book.ORDER
    inside = np.zeros(len(book.total), dtype=bool)
    inside[book.document[orders]] = book.day[orders] >= book.begin
    for days in WAITS:
        holds = policy.holds.model_copy(update={"wait_days": days, "wait_days_custom": days})
        one = policy.model_copy(update={"holds": holds})
        at_once, _, later = order_book.deliver(book, one, where.ledger.currency, limit, expires)
        went = np.bincount(later["document"], later["minor"], len(book.total)).astype(np.int64)
        lost = np.where(inside, book.total - at_once - went, 0)
        sales = int(at_once[inside].sum() + went.sum())
        amounts = money.from_minor([went.sum(), lost.sum(), sales], where.ledger.currency)
        rows.append((days, int((went > 0).sum()), amounts[0], int((lost > 0).sum()), amounts[1], amounts[2]))
    names = ["wait_days", "orders_later", "delivered_later", "orders_lost", "sales_lost", "sales"]
    return pd.DataFrame(rows, columns=names)


def _default_start(months: pd.DatetimeIndex, warm_up: int, ledger: Ledger) -> pd.Timestamp:
    if len(months) <= warm_up:
        raise PeriodError(
            f"{ledger.source}: {len(months)} months of data; a replay needs more than its warm-up of {warm_up} months"
        )
    return months[warm_up - 1] + pd.Timedelta(days=1)


def _decide(where: Ground, policy: Policy) -> tuple[pd.DataFrame, Grid, Ints]:
    """Every change of a limit, and the limits that stand after each month end with their last days.

    Full reviews fall into the policy's rhythm, from the first month end on; between them only what the review never
    lets wait is decided: newcomers, the steps and ends of trials, withdrawals.
    """
    months, customers = where.months, where.customers
    s = rules.limits(policy)
    first = float(rules.bounded(s, rules.TRIAL, 0, 0.0, 0.0))  # of a customer not seen at a month end yet
    limit = np.full((len(customers), len(months)), first)
    expires = np.full(limit.shape, np.iinfo(np.int64).max)
    state = pd.DataFrame({"customer_id": customers, "credit_limit": np.nan, "changed_on": pd.NaT, "expires": pd.NaT})
    state = state.astype({"changed_on": "datetime64[us]", "expires": "datetime64[us]"})
    taken = []
    for column, month in enumerate(months):
        known = where.panels.get(month, where.panel).at(policy, month)
        made = limits.quarterly.decide(
            known,
            policy,
            in_force=state[state["credit_limit"].notna()],
            evidence=_evidence(where, policy, known),
            due=column % policy.limits.review_months == 0,
        )
        who = customers.get_indexer(made["customer_id"])
        moved = (made["change"] != "keep").to_numpy()
        state.iloc[who, 1] = made["credit_limit"].to_numpy()
        state.iloc[who[moved], 2] = month
        seen = made["expires_on"].notna().to_numpy()
        state.iloc[who[seen], 3] = made.loc[seen, "expires_on"].to_numpy()
        limit[:, column] = state["credit_limit"].fillna(first)
        day = state["expires"].to_numpy().astype("datetime64[D]")
        expires[:, column] = np.where(np.isnat(day), expires[:, column], day.astype(np.int64))
        taken.append(made[moved])
    return pd.concat(taken, ignore_index=True), limit, expires


def _evidence(where: Ground, policy: Policy, known: Known) -> pd.DataFrame | None:
    """What the policy's method needs beyond the history, as known at the month end."""
    table = known.table(policy).head(0)
    needs = limits.METHODS[policy.limits.method.replace("_", " ")].needs
    if set(needs) <= set(table):
        return None
    return limits.comparison.with_ledger(where.ledger, known.table(policy), known.month)


def _monthly(
    ledger: Ledger, documents: pd.DataFrame, later: pd.DataFrame, months: pd.DatetimeIndex, begin: pd.Timestamp
) -> pd.DataFrame:
    """Balances and flows of what went out: every posting of an invoice shrinks by the share that did."""
    code = ledger.currency
    rows = postings(ledger)
    rows = rows[rows["kind"] == INVOICE]
    at = positions(rows["document_id"], documents["invoice_id"])
    rows, at = rows[at >= 0], at[at >= 0]
    rows = rows.assign(opens=rows["day"].eq(rows["issue_date"]) & (rows["minor"] > 0))
    whole = documents["amount"].to_numpy()
    first = np.rint(rows["minor"].to_numpy() * _share(documents["at_once"].to_numpy(), whole)[at])
    parts = _moved(rows.assign(document=at), later, whole)
    both = pd.concat([rows.assign(minor=first.astype("int64"), late=False), parts], ignore_index=True)
    cells = aged(both, np.zeros(len(both), dtype=np.int64), 1, months, Buckets())[0]
    went = documents["at_once"].to_numpy() + documents["later"].to_numpy()
    gone = schema.no_rows({"day": "date", "minor": "number"})
    if ledger.has("write_offs"):
        table = ledger.tables["write_offs"]
        at = positions(table["invoice_id"], documents["invoice_id"])
        minor = money.to_minor(table["amount"], code) * np.where(at >= 0, _share(went, whole)[at], 0.0)
        gone = pd.DataFrame({"day": table["written_off_on"], "minor": np.rint(minor)})
    ordered = ledger.invoices["issue_date"].take(positions(documents["invoice_id"], ledger.invoices["invoice_id"]))

    def sums(day: pd.Series, minor: Any) -> Grid:
        inside = ((day >= begin) & (day <= months[-1])).to_numpy()
        total = np.zeros(len(months), dtype=np.int64)
        column = np.searchsorted(months.to_numpy(), day[inside].to_numpy())
        np.add.at(total, column, np.asarray(minor)[inside].astype(np.int64))
        return money.from_minor(total, code)

    opening, late = both["opens"].to_numpy(), both["late"].to_numpy()
    written = sums(gone["day"], gone["minor"]) if len(gone) else np.zeros(len(months))
    settled = sums(both["day"][~opening], -both["minor"][~opening])
    return pd.DataFrame(
        {
            "month": months,
            "days": months.day,
            "sales": sums(both["day"][opening], both["minor"][opening]),
            "delivered_at_once": sums(both["day"][opening & ~late], both["minor"][opening & ~late]),
            "delivered_later": sums(both["day"][opening & late], both["minor"][opening & late]),
            "sales_lost": sums(ordered, whole - went),
            "receipts": np.round(settled - written, 6),
            "written_off": written if ledger.has("write_offs") else np.nan,
            "open": money.from_minor(cells[:, :-2].sum(axis=1), code),
            "not_due": money.from_minor(cells[:, 0], code),
            "overdue": money.from_minor(cells[:, 1:-2].sum(axis=1), code),
            "marked": [_mark(ledger, month) for month in months],
        }
    )


def _share(part: Ints, whole: Ints) -> Grid:
    """Part of each document; 0 of a document over nothing."""
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole != 0)


def _moved(rows: pd.DataFrame, later: pd.DataFrame, whole: Ints) -> pd.DataFrame:
    """Postings of what went out later: due so many days later, paid on the day of history or on delivery."""
    moved = rows[rows["document"].isin(later["document"])].merge(
        later.rename(columns={"day": "delivered", "minor": "went"}), on="document"
    )
    days = pd.to_timedelta(moved["waited"], unit="D")
    share = moved["went"].to_numpy() / whole[moved["document"]]
    return moved.assign(
        day=moved["day"].where(moved["day"] > moved["issue_date"] + days, moved["issue_date"] + days),
        due_date=moved["due_date"] + days,
        minor=np.rint(moved["minor"].to_numpy() * share).astype("int64"),
        late=True,
    )[[*(name for name in rows if name != "document"), "late"]]


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
            "delivered_at_once": money.from_minor(chosen["at_once"], code),
            "delivered_later": money.from_minor(chosen["later"], code),
            "sales_lost": money.from_minor(chosen["amount"] - chosen["at_once"] - chosen["later"], code),
            "days_waited": chosen["waited"],
            "reason": np.array(REASONS)[chosen["reason"]],
            "fate": fate,
            "paid": money.from_minor(chosen["amount"] - open_ - gone, code),
            "written_off": money.from_minor(gone, code) if ledger.has("write_offs") else np.nan,
            "open": money.from_minor(open_, code),
        }
    )
