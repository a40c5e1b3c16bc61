"""The history table: one row per month end and customer, signals known on that day, outcomes only as `next_*`.

    month        customer_id  open   overdue  failed ...  next_12m_failed
    2024-01-31   C-0001       8,200      0    False  ...  False            <- judged by what came later
    2024-01-31   C-0002       4,000  4,000    False  ...  True
    2025-11-30   C-0002           0      0    True   ...  <NA>             <- the twelve months are not over yet

A column without `next_` never uses anything dated after its month, so a look into the future is a visible spelling
mistake; nor anything recorded after it, where the ledger says when (`known_on`). Outcomes are as known at the end.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab import aging, knowledge, money, periods
from credit_lab.aging.many_dates import aged
from credit_lab.aging.postings import INVOICE, postings, spans
from credit_lab.errors import PeriodError
from credit_lab.ids import among, looked_up, positions
from credit_lab.ledger import known
from credit_lab.ledger.model import Ledger
from credit_lab.payment_behaviour import payment_index, settlements
from credit_lab.periods import takes_days
from credit_lab.policy import Policy
from credit_lab.rules import default

# Settings it reads, see `rules.coverage`.
READS = ("default.*",)

# Tables it reads.
READ = ("invoices", "instalments", "payments", "allocations", "disputes", "write_offs", "facts")
Grid = npt.NDArray[np.float64]
Minor = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
AHEAD = (3, 6, 12)  # months of the outcomes
OUTCOMES = [f"next_{months}m_{event}" for event in default.EVENTS for months in AHEAD]
# Columns that are missing for everybody where the ledger lacks a table: nobody knows, which is not the same as none.
RESTS_ON = {"disputed_12m": "disputes"} | dict.fromkeys(("written_off_12m", "next_12m_written_off"), "write_offs")


@takes_days
def build(
    ledger: Ledger,
    last: pd.Timestamp,
    *,
    first: pd.Timestamp | None = None,
    policy: Policy | None = None,
    restated: bool = False,
) -> pd.DataFrame:
    """History of all customers at the month ends from the first document's month (or `first`) to `last`.

    Parameters
    ----------
    ledger : one currency
    last : the data are complete up to this day; months after it do not exist, outcomes that need them are missing
    first : months before it are worked out and not given
    policy : says what impaired and failed mean (`[default]`); None: as shipped (`rules.default`)
    restated : earlier months as they are known at `last`, not as they were known then

    Returns
    -------
    DataFrame
        month, customer_id;
        flows of the month: sales (invoices less credit notes), receipts;
        balances: open (invoices), not_due, overdue, overdue_30/60/90 (more than 30/60/90 days past due), unapplied
        (cash and credit notes not matched, positive), exposure (open − unapplied), max_dpd (days past due of the
        oldest open invoice, 0 if none);
        trailing twelve months: sales_12m, receipts_12m, paid_late_share_12m (of amounts paid),
        days_beyond_terms_12m (amount-weighted over settlements and open overdue items), payment_index (0-100,
        80 = prompt), written_off_12m (net of recoveries), disputed_12m (amounts), missing where nobody recorded them;
        so far: paid_in_time (number of settlements by the due date), high_credit (highest exposure at a month end,
        历史最高赊欠额), months_on_book (since the first document);
        default on that day: impaired, failed (see `_events`);
        outcomes: next_3m_max_dpd, next_6m_max_dpd, next_12m_max_dpd, next_12m_sales, next_12m_written_off,
        next_3m/6m/12m_impaired and _failed (so at a month end within so many months).
        Rows start with the customer's first document. Money in currency units. Missing where the months ahead are
        not over, or where nothing was paid or late yet.

    Raises
    ------
    PeriodError
        No document, or no whole month of data, up to `last`.
    NotKnown
        The ledger cannot say how customers paid (`credit_lab.knowledge`).
    """
    ledger = ledger.known_by(last)
    begin = pd.concat([ledger.invoices["issue_date"], ledger.payments["paid_date"]]).min()
    if not begin <= last:  # no document at all has no first day
        raise PeriodError(f"{ledger.source}: no customer has a document by {last.date()}")
    ends = periods.month_ends(begin, last)
    if len(ends) == 0:
        raise PeriodError(f"{ledger.source}: no whole month between {begin.date()} and {last.date()}")
    knowledge.of(ledger, as_of=last).need("payment behaviour is", *knowledge.BEHAVIOUR)
    events = default.in_minor(policy, ledger.currency)
    table = _as_it_stands(ledger, ends, first or begin, events)
    return table if restated else _as_seen(ledger, table, ends, events)


def _as_it_stands(ledger: Ledger, ends: pd.DatetimeIndex, first: pd.Timestamp, events: default.Default) -> pd.DataFrame:
    """History of a ledger as it is, whenever its rows were recorded."""
    facts = ledger.rows("facts")
    insolvent = facts[facts["attribute"] == default.INSOLVENCY]
    parts = [_of_customers(part, ends, first, events, insolvent) for part in ledger.parts()]
    return pd.concat(parts).sort_values("month", kind="stable", ignore_index=True) if len(parts) > 1 else parts[0]


def _as_seen(ledger: Ledger, table: pd.DataFrame, ends: pd.DatetimeIndex, events: default.Default) -> pd.DataFrame:
    """The history with what was known at each month end; outcomes stay as they are known now.

    Only rows of customers of whom something that had happened was recorded later are worked out again.
    """
    keys = ["month", "customer_id"]
    unseen, seen = [], []
    for month, customers in known.days_affected(ledger, ends[ends >= table["month"].min()], READ):
        unseen.append(pd.DataFrame({"month": month, "customer_id": customers}))
        then = ledger.of_customers(customers).known_by(month)
        if not then.currencies:
            continue  # nobody had heard of them
        seen.append(_as_it_stands(then, ends[ends <= month], month, events))
    if not unseen:
        return table
    stays = ~pd.MultiIndex.from_frame(table[keys]).isin(pd.MultiIndex.from_frame(pd.concat(unseen)))
    later = [name for name in table if name.startswith("next_")]
    again = [rows.drop(columns=later).merge(table[[*keys, *later]], on=keys) for rows in seen]
    return pd.concat([table[stays], *again]).sort_values(keys, kind="stable", ignore_index=True)


@takes_days
def looking_back(ledger: Ledger, past: pd.DataFrame, month: pd.Timestamp) -> pd.DataFrame:
    """The history up to a month end, all months of it as they were known at that month end.

    For what adds up months (sales forecasts): what was recorded after its own month is in no row of `past`.

    Parameters
    ----------
    ledger : one currency
    past : of `build`, at least up to `month`
    month : a month end
    """
    late = known.late(ledger)["customer_id"].drop_duplicates()
    if late.empty:
        return past
    others = past[(past["month"] <= month) & ~among(past["customer_id"], late)]
    then = ledger.of_customers(late).known_by(month).up_to(month)
    if not then.currencies:
        return others
    begin, events = past["month"].min(), default.in_minor(None, ledger.currency)
    rows = _as_it_stands(then, periods.month_ends(begin, month), begin, events)
    return pd.concat([others, rows]).sort_values(["month", "customer_id"], kind="stable", ignore_index=True)


def _of_customers(
    ledger: Ledger,
    ends: pd.DatetimeIndex,
    first: pd.Timestamp,
    events: default.Default,
    insolvent: pd.DataFrame,
) -> pd.DataFrame:
    """History of the customers of a ledger at some month ends, from `first` on."""
    customers = pd.Index(np.sort(ledger.customers["customer_id"].to_numpy()), dtype="str")
    rows = postings(ledger)
    grids, late = _balances(rows, ledger.currency, ends, customers, events)
    grids |= _flows(ledger, ends, customers)
    grids |= _behaviour(ledger, rows, ends, customers, grids)
    grids["high_credit"] = np.maximum.accumulate(np.maximum(grids["exposure"], 0), axis=1)
    age = _months_on_book(ledger, ends, customers)
    disputed = _disputed(ledger, rows, ends, customers, events)
    late = {days: amount - disputed[days] for days, amount in late.items()}
    broke = _insolvent(insolvent, ends, customers)
    states = _events(events, late, grids, ledger.currency, broke)
    grids |= {event: state.astype(float) for event, state in states.items()}
    grids |= _outcomes(grids)
    columns = [
        "sales", "receipts", "open", "not_due", "overdue", "overdue_30", "overdue_60", "overdue_90", "unapplied",
        "exposure", "max_dpd", "sales_12m", "receipts_12m", "paid_late_share_12m", "days_beyond_terms_12m",
        "payment_index", "written_off_12m", "disputed_12m", "paid_in_time", "high_credit", "months_on_book",
        *default.EVENTS,
        "next_3m_max_dpd", "next_6m_max_dpd", "next_12m_max_dpd", "next_12m_sales", "next_12m_written_off",
        *OUTCOMES,
    ]  # fmt: skip
    grids["months_on_book"] = age
    shown = slice(int(np.searchsorted(ends, first)), None)  # from the month end of `first` or the next one after it
    table = pd.DataFrame({name: grids[name][:, shown].T.ravel() for name in columns})
    table.insert(0, "customer_id", np.tile(customers.to_numpy(), len(ends[shown])))
    table.insert(0, "month", np.repeat(ends[shown].to_numpy(), len(customers)))
    table = table.astype(dict.fromkeys(default.EVENTS, "bool") | dict.fromkeys(OUTCOMES, "boolean"))
    table["months_on_book"] = table["months_on_book"].astype("int64")
    for name, source in RESTS_ON.items():
        if not ledger.has(source):
            table[name] = np.nan
    return table[table["months_on_book"] >= 0].reset_index(drop=True)


def _balances(
    rows: pd.DataFrame,
    code: str,
    ends: pd.DatetimeIndex,
    customers: pd.Index,
    events: default.Default,
) -> tuple[dict[str, Grid], dict[int, Minor]]:
    """Balances, and what is more days past due than each event asks, in minor units."""
    who = positions(rows["customer_id"], customers.to_series())
    edges = sorted({0, 30, 60, 90, events.impaired_days, events.failed_days})
    cells = aged(rows, who, len(customers), ends, aging.Buckets(tuple(edges)))
    levels = len(edges) + 1
    past = np.moveaxis(cells[:, :, levels - 1 : 0 : -1].cumsum(axis=2)[:, :, ::-1], 2, 0)
    late = dict(zip(edges, past, strict=True))
    units = {"overdue": late[0]} | {f"overdue_{days}": late[days] for days in (30, 60, 90)}
    units |= {"not_due": cells[:, :, 0], "open": cells[:, :, :levels].sum(axis=2)}
    units |= {"exposure": cells.sum(axis=2), "unapplied": -cells[:, :, levels:].sum(axis=2)}
    grids = {name: money.from_minor(minor, code) for name, minor in units.items()}
    grids["max_dpd"] = _max_dpd(rows, who, ends, len(customers))
    return grids, {days: late[days] for days in (events.impaired_days, events.failed_days)}


def _at_ends(
    since: pd.Series, until: pd.Series, ends: pd.DatetimeIndex
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows and month ends of what lasts from `since` until before `until` (missing: still)."""
    start = np.searchsorted(ends.to_numpy(), since.to_numpy())
    after = ends[-1] + pd.Timedelta(days=1)
    length = np.maximum(np.searchsorted(ends.to_numpy(), until.fillna(after).to_numpy()) - start, 0)
    row = np.repeat(np.arange(len(start)), length)
    return row, np.arange(len(row)) - (length.cumsum() - length - start)[row]


def _max_dpd(rows: pd.DataFrame, who: npt.NDArray[np.int64], ends: pd.DatetimeIndex, customers: int) -> Grid:
    """Days past due of the oldest invoice open at each month end: runs are spread over the snapshots they cover."""
    runs = spans(rows.assign(who=who)[rows["kind"] == INVOICE])
    row, column = _at_ends(runs[["since", "due_date"]].max(axis=1), runs["until"], ends)
    due = runs["due_date"].to_numpy()[row]
    late = (ends.to_numpy()[column] - due).astype("timedelta64[D]").astype(float)
    worst = np.zeros((customers, len(ends)))
    np.maximum.at(worst, (runs["who"].to_numpy()[row], column), late)
    return worst


def _disputed(
    ledger: Ledger,
    rows: pd.DataFrame,
    ends: pd.DatetimeIndex,
    customers: pd.Index,
    events: default.Default,
) -> dict[int, Minor]:
    """Of what is so many days past due: invoices with a dispute open on the day, whole."""
    asked = (events.impaired_days, events.failed_days)
    found = {days: np.zeros((len(customers), len(ends)), dtype=np.int64) for days in asked}
    known = ledger.rows("disputes")
    runs = spans(rows[(rows["kind"] == INVOICE) & among(rows["document_id"], known["invoice_id"])])
    if runs.empty:
        return found
    closed = known["closed_on"] if "closed_on" in known else pd.Series(pd.NaT, index=known.index)
    row, column = _at_ends(known["opened_on"], closed, ends)
    names = pd.Index(known["invoice_id"].unique())
    contested = np.unique(names.get_indexer(known["invoice_id"])[row] * len(ends) + column)
    row, column = _at_ends(runs["since"], runs["until"], ends)
    kept = np.isin(names.get_indexer(runs["document_id"])[row] * len(ends) + column, contested)
    row, column = row[kept], column[kept]
    who = positions(runs["customer_id"], customers.to_series())[row]
    past = (ends.to_numpy()[column] - runs["due_date"].to_numpy()[row]).astype("timedelta64[D]")
    for days, grid in found.items():
        late = past > np.timedelta64(days, "D")
        np.add.at(grid, (who[late], column[late]), runs["minor"].to_numpy()[row][late])
    return found


def _monthly(
    customers: pd.Index, ends: pd.DatetimeIndex, who: pd.Series, day: pd.Series, amount: npt.NDArray[Any]
) -> Grid:
    """Sums per customer and month; what lies after the last month is not looked at."""
    column = np.searchsorted(ends.to_numpy(), day.to_numpy())
    inside = column < len(ends)
    total = np.zeros((len(customers), len(ends)), dtype=amount.dtype)
    np.add.at(total, (positions(who, customers.to_series())[inside], column[inside]), amount[inside])
    return total


def _flows(ledger: Ledger, ends: pd.DatetimeIndex, customers: pd.Index) -> dict[str, Grid]:
    code = ledger.currency
    grids: dict[str, Grid] = {}
    owner = ledger.invoices.set_index("invoice_id")["customer_id"]
    sources = {
        "sales": ("invoices", "issue_date"),
        "receipts": ("payments", "paid_date"),
        "written_off": ("write_offs", "written_off_on"),
        "disputed": ("disputes", "opened_on"),
    }
    for name, (source, day) in sources.items():
        if not ledger.has(source):
            grids[name] = grids[f"{name}_12m"] = np.zeros((len(customers), len(ends)))
            continue
        rows = ledger.tables[source]
        who = rows["customer_id"] if "customer_id" in rows else looked_up(rows["invoice_id"], owner)
        minor = money.to_minor(rows["amount"], code)
        sums = _monthly(customers, ends, who, rows[day], minor)
        grids[name] = money.from_minor(sums, code)
        grids[f"{name}_12m"] = money.from_minor(trailing(sums, 12), code)
    return grids


def trailing(grid: Grid, window: int) -> Grid:
    """Sum over the last `window` columns, the current one included; exact for whole numbers (minor units)."""
    total = np.cumsum(grid, axis=1)
    total[:, window:] -= total[:, :-window].copy()
    return total


def _behaviour(
    ledger: Ledger, rows: pd.DataFrame, ends: pd.DatetimeIndex, customers: pd.Index, grids: dict[str, Grid]
) -> dict[str, Grid]:
    paid = settlements(ledger)
    amount = paid["minor"].to_numpy(dtype="float64")
    late = paid["days_late"].to_numpy(dtype="float64")
    who, day = paid["customer_id"], paid["matched_on"]
    weight = trailing(_monthly(customers, ends, who, day, amount), 12)
    days = trailing(_monthly(customers, ends, who, day, amount * late), 12)
    share = trailing(_monthly(customers, ends, who, day, amount * (late > 0)), 12)
    prompt = _monthly(customers, ends, who, day, (late <= 0).astype(float)).cumsum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        whole = weight + np.rint(grids["overdue"] * 10.0 ** money.minor_digits(ledger.currency))
        beyond = np.where(whole > 0, (days + _open_days(rows, ends, customers)) / whole, np.nan)
        share = np.where(weight > 0, share / weight, np.nan)
    return {
        "paid_late_share_12m": np.clip(share, 0, 1),
        "days_beyond_terms_12m": beyond,
        "payment_index": payment_index(beyond),
        "paid_in_time": prompt,
    }


def _open_days(rows: pd.DataFrame, ends: pd.DatetimeIndex, customers: pd.Index) -> Grid:
    """Σ open amount (minor units) × days past due over overdue invoices: linear in the postings, like the buckets."""
    rows = rows[rows["kind"] == INVOICE]
    snapshots = ends.to_numpy()
    entered = np.searchsorted(snapshots, np.maximum(rows["day"], rows["due_date"] + pd.Timedelta(days=1)).to_numpy())
    inside = entered < len(ends)
    who = positions(rows["customer_id"], customers.to_series())[inside]
    amount = rows["minor"].to_numpy(dtype="float64")[inside]
    due = (rows["due_date"].to_numpy()[inside] - snapshots[0]).astype("timedelta64[D]").astype(float)
    held, dated = np.zeros((2, len(customers), len(ends)))
    np.add.at(held, (who, entered[inside]), amount)
    np.add.at(dated, (who, entered[inside]), amount * due)
    today = (snapshots - snapshots[0]).astype("timedelta64[D]").astype(float)
    return held.cumsum(axis=1) * today - dated.cumsum(axis=1)


def _months_on_book(ledger: Ledger, ends: pd.DatetimeIndex, customers: pd.Index) -> Grid:
    seen = pd.concat(
        [
            ledger.invoices[["customer_id", "issue_date"]].rename(columns={"issue_date": "day"}),
            ledger.payments[["customer_id", "paid_date"]].rename(columns={"paid_date": "day"}),
        ]
    )
    first = seen.groupby("customer_id")["day"].min().reindex(customers)
    start = np.searchsorted(ends.to_numpy(), first.to_numpy())
    start = np.where(first.isna(), len(ends), start)
    return (np.arange(len(ends))[None, :] - start[:, None]).astype(float)


def _insolvent(facts: pd.DataFrame, ends: pd.DatetimeIndex, customers: pd.Index) -> Flags:
    """At the first month end at which a fact says so."""
    found = np.zeros((len(customers), len(ends)), dtype=bool)
    who = positions(facts["customer_id"], customers.to_series())
    column = np.searchsorted(ends.to_numpy(), facts["observed_on"].to_numpy())
    inside = (who >= 0) & (column < len(ends))
    found[who[inside], column[inside]] = True
    return found


def _events(
    events: default.Default,
    late: dict[int, Minor],
    grids: dict[str, Grid],
    code: str,
    insolvent: Flags,
) -> dict[str, Flags]:
    """Who is impaired and who has failed at each month end, by what was known on the day.

    Both by age: what is undisputed and more than `impaired_days` (`failed_days`) past due is
    material at so many month ends in a row, until the cure. Failed as well, and from then on for
    good: insolvent by a fact (attribute `default.INSOLVENCY`), or written off. A write-off counts
    when what was written off in twelve months, less recoveries, is above the least amount and above
    its share of the highest exposure so far: small rests given up are no failure.
    """
    open_, lost, most = (
        np.rint(grids[name] * money.scale(code)) for name in ("open", "written_off_12m", "high_credit")
    )
    by_age = {
        days: default.over_months(events, default.material(events, amount, open_)) for days, amount in late.items()
    }
    gone = insolvent | default.material(events, lost, np.maximum(most, 0))
    failed = by_age[events.failed_days] | np.logical_or.accumulate(gone, axis=1)
    return {"impaired": by_age[events.impaired_days] | failed, "failed": failed}


def _outcomes(grids: dict[str, Grid]) -> dict[str, Grid]:
    """What comes within so many months after each month end."""
    result = {
        f"next_{months}m_{name}": ahead(grids[name], months, np.maximum)
        for name in ("max_dpd", *default.EVENTS)
        for months in AHEAD
    }
    result["next_12m_sales"] = ahead(grids["sales"], 12, np.add)
    result["next_12m_written_off"] = ahead(grids["written_off"], 12, np.add)
    return result


def ahead(grid: Grid, months: int, combine: np.ufunc) -> Grid:
    """`combine` over the next `months` columns, the current one left out; NaN where they are not all there."""
    result = np.full(grid.shape, np.nan)
    whole = grid.shape[1] - months
    if whole > 0:
        result[:, :whole] = combine.reduce([grid[:, k : k + whole] for k in range(1, months + 1)])
    return result
