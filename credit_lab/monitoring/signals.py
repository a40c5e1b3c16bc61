"""Early-warning signals (预警指标): one row per month end and customer, beside and joined to the history table.

Every signal uses only what was dated up to its month end, and recorded by then where the ledger says when. A signal
whose table the ledger lacks is missing (NaN), and `Signals.absent` says why, so that a silent rule is not taken for
good news.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab import history, money
from credit_lab.aging.commitments import DELIVERED, ORDERED, Running, commitments
from credit_lab.ids import looked_up
from credit_lab.kpi import settlement
from credit_lab.ledger import known
from credit_lab.ledger.model import Ledger
from credit_lab.payment_behaviour import settlements
from credit_lab.rules import standing
from credit_lab.rules.default import INSOLVENCY
from credit_lab.rules.exposure import exposure

# 失信被执行人, 经营异常名录, 破产
NEGATIVE_REGISTERS = ("judgement_debtor", "abnormal_operation", INSOLVENCY)
SLACK, SMOOTHING = 0.5, 0.2
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Signals:
    """table: the history table's rows with these columns added

    delay_cusum : upper cumulative sum of delays standardised by the customer's own habit (Page 1954, Biometrika 41:100)
    delay_ewma : exponentially weighted mean of the same, in its own standard deviations (Roberts 1959)
    open_delay : days past due of the oldest open item, standardised by the same habit
    overdue_share : overdue over open
    utilisation : exposure over the limit valid on the day, of the whole group where the limit is the group's
    broken_promises : promises of the last 90 days whose day passed without settlement
    dispute_share : amounts disputed in the last three months over sales of these months
    order_surge : orders (or else sales) of the last month over the mean of the six before
    grade_drop : steps the grade fell over three months
    negative_news : entries in negative registers during the last 180 days
    stale_months : months since anybody last looked: newest fact, statement or assessment
    statement_difference : unexplained difference of the last statement reconciliation over open
    industry_index : change over three months of the mean payment index of the customer's industry

    absent : signal -> why it is missing
    """

    table: pd.DataFrame
    absent: dict[str, str]


def build(
    ledger: Ledger,
    past: pd.DataFrame,
    *,
    grades: pd.DataFrame | None = None,
    statements: pd.DataFrame | None = None,
    tax_rate: float = 0.0,
) -> Signals:
    """Signals at every month of a history table.

    Parameters
    ----------
    past : from `history.build`
    grades : review_date, customer_id, grade, ordered by letters as the policy orders them: a column `rank` (0 = best)
    statements : customer_id, as_of, unexplained (money), from `statements.reconcile`
    tax_rate : added to orders that are without tax
    """
    table = past.sort_values(["customer_id", "month"], kind="stable").reset_index(drop=True)
    absent = {
        name: f"the ledger has no table {source}" for name, source in history.RESTS_ON.items() if not ledger.has(source)
    }
    ledger = ledger.known_by(table["month"].max()) if len(table) else ledger
    found = _watched(ledger, table, grades, statements, tax_rate, absent)
    seen = [_watched(then, rows, grades, statements, tax_rate, {}) for then, rows in _as_seen(ledger, table)]
    if seen:
        again = pd.concat(seen)
        found = pd.concat([found.drop(index=again.index), again]).sort_index()
    found["industry_index"] = _industry(ledger, found, absent)
    return Signals(found, absent)


def _as_seen(ledger: Ledger, table: pd.DataFrame) -> Iterator[tuple[Ledger, pd.DataFrame]]:
    """Rows of month ends at which something was not known yet, with the ledger as known then.

    Whoever shares a limit with a customer concerned is there as well: utilisation is the group's.
    """
    holders = standing.holder(ledger.customers, ledger.tables.get("limits"))
    for month, customers in known.days_affected(ledger, pd.DatetimeIndex(table["month"].unique())):
        heads = [customers, holders[holders.index.isin(customers)]]
        members = holders[holders.isin(pd.concat(heads))].index.to_series()
        rows = table[(table["month"] == month) & table["customer_id"].isin(pd.concat([*heads, members]))]
        if len(rows):
            yield ledger.of_customers(pd.concat([*heads, members])).known_by(month), rows


def _watched(
    ledger: Ledger,
    rows: pd.DataFrame,
    grades: pd.DataFrame | None,
    statements: pd.DataFrame | None,
    tax_rate: float,
    absent: dict[str, str],
) -> pd.DataFrame:
    """Rows with all signals but that of the industry, which looks at other customers."""
    table = rows.reset_index(drop=True)
    table = table.assign(**_delays(ledger, table))
    with np.errstate(divide="ignore", invalid="ignore"):
        table["overdue_share"] = np.where(table["open"] > 0, table["overdue"] / table["open"], np.nan)
    table["utilisation"] = _utilisation(ledger, table, tax_rate, absent)
    table["broken_promises"] = _broken(ledger, table, absent)
    table["dispute_share"] = _disputes(ledger, table, absent)
    table["order_surge"] = _surge(ledger, table)
    table["grade_drop"] = _grade_drop(grades, table, absent)
    table["negative_news"] = _news(ledger, table, absent)
    table["stale_months"] = _stale(ledger, table, absent)
    table["statement_difference"] = _statements(statements, table, absent)
    return table.set_axis(rows.index)


def _as_of(events: pd.DataFrame, table: pd.DataFrame, on: str, columns: list[str]) -> pd.DataFrame:
    """Last row of `events` per customer dated up to each month; in the order of `table`."""
    asked = table[["customer_id", "month"]].assign(row=np.arange(len(table))).sort_values("month", kind="stable")
    events = events.sort_values(on, kind="stable").rename(columns={on: "_on"})
    asked = asked.assign(month=asked["month"].astype("datetime64[us]"))
    events = events.assign(_on=events["_on"].astype("datetime64[us]"))
    found = pd.merge_asof(asked, events, left_on="month", right_on="_on", by="customer_id")
    return found.sort_values("row")[columns].reset_index(drop=True)


def counted(events: pd.DataFrame, table: pd.DataFrame, on: str, *, days: int, value: str | None = None) -> Floats:
    """Events (or the sum of `value`) per customer in the `days` up to each month, both ends included."""
    if events.empty:
        return np.zeros(len(table))
    names = pd.Index(pd.unique(pd.concat([events["customer_id"], table["customer_id"]])))
    who = names.get_indexer(events["customer_id"]).astype(np.int64)
    day = events[on].to_numpy().astype("datetime64[D]").astype(np.int64)
    weight = np.ones(len(events)) if value is None else events[value].to_numpy(dtype=float)
    order = np.lexsort((day, who))
    span = 10**6
    key = who[order] * span + day[order]
    total = np.r_[0.0, np.cumsum(weight[order])]
    asked = names.get_indexer(table["customer_id"]).astype(np.int64) * span
    end = table["month"].to_numpy().astype("datetime64[D]").astype(np.int64)
    high = np.searchsorted(key, asked + end, side="right")
    low = np.searchsorted(key, asked + end - days, side="right")
    return np.asarray(total[high] - total[low])


def _delays(ledger: Ledger, table: pd.DataFrame) -> dict[str, Floats]:
    paid = settlements(ledger)
    rows = paid.groupby(["customer_id", "matched_on"], sort=True)["days_late"].mean().reset_index()
    rows = control_chart(rows)
    columns = ["delay_cusum", "delay_ewma", "habit_mean", "habit_sd"]
    last = _as_of(rows, table, "matched_on", columns)
    worst = table["max_dpd"].to_numpy(dtype=float)
    found = {name: last[name].to_numpy(dtype=float) for name in columns[:2]}
    habit_mean, habit_sd = (last[name].to_numpy(dtype=float) for name in columns[2:])
    found["open_delay"] = np.where(worst > 0, (worst - habit_mean) / habit_sd, np.where(np.isnan(habit_sd), np.nan, 0))
    return found


def control_chart(rows: pd.DataFrame, *, warm_up: int = 5, least_sd: float = 3.0) -> pd.DataFrame:
    """CUSUM and EWMA of delays against each customer's own habit.

    Parameters
    ----------
    rows : customer_id, days_late, in order of time within a customer

    Returns
    -------
    The rows with habit_mean, habit_sd (of the settlements before, running; at least `least_sd` days; NaN during the
    warm-up), delay_cusum = max(0, S + z − 0.5) and delay_ewma = 0.8·E + 0.2·z in units of its own standard deviation
    √(0.2/1.8); both start at 0 after the warm-up.
    """
    group = rows.groupby("customer_id", sort=False)["days_late"]
    count = group.cumcount().to_numpy()
    value = rows["days_late"].to_numpy(dtype=float)
    total = group.cumsum().to_numpy(dtype=float) - value
    square = (rows["days_late"] ** 2).groupby(rows["customer_id"], sort=False).cumsum().to_numpy(dtype=float) - value**2
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(count >= warm_up, total / count, np.nan)
        variance = np.where(count >= warm_up, (square - count * mean**2) / np.maximum(count - 1, 1), np.nan)
    sd = np.sqrt(np.maximum(variance, least_sd**2))
    z = np.clip((value - mean) / sd, -4, 8)  # one extreme settlement must not decide alone
    cusum, ewma = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    high = level = 0.0
    for k in range(len(rows)):
        if count[k] == 0:
            high = level = 0.0
        if np.isnan(z[k]):
            continue
        high = max(0.0, high + z[k] - SLACK)
        level = (1 - SMOOTHING) * level + SMOOTHING * z[k]
        cusum[k], ewma[k] = high, level / np.sqrt(SMOOTHING / (2 - SMOOTHING))
    return rows.assign(habit_mean=mean, habit_sd=sd, delay_cusum=cusum, delay_ewma=ewma)


def _missing(table: pd.DataFrame, absent: dict[str, str], name: str, why: str) -> Floats:
    absent[name] = why
    return np.full(len(table), np.nan)


def _utilisation(
    ledger: Ledger,
    table: pd.DataFrame,
    tax_rate: float,
    absent: dict[str, str],
) -> Floats:
    if not ledger.has("limits"):
        return _missing(table, absent, "utilisation", "the ledger has no table limits")
    limits, month = ledger.tables["limits"], table["month"]
    holders = standing.holder(ledger.customers, limits)
    holder = looked_up(table["customer_id"], holders)
    stands = standing.standing_limit(limits, pd.DataFrame({"holder": holder, "day": month}))
    # A limit that has run out is none; a customer who never had one uses no share of it.
    limit = stands["credit_limit"].mask(stands["known"] & stands["credit_limit"].isna(), 0.0)
    planned = commitments(ledger, month.min(), month.max(), tax_rate=tax_rate)
    planned = planned.assign(customer_id=looked_up(planned["customer_id"], holders))
    delivered, ordered = (
        Running.of(rows["customer_id"], rows["day"], rows["minor"]).up_to(holder, month)
        for rows in (planned[planned["kind"] == kind] for kind in (DELIVERED, ORDERED))
    )
    owed, unapplied = (
        pd.Series(money.to_minor(table[name], ledger.currency))
        .groupby([holder.to_numpy(), month.to_numpy()])
        .transform("sum")
        .to_numpy()
        for name in ("open", "unapplied")
    )
    whole = exposure(owed, delivered, ordered, unapplied)
    used = money.from_minor(whole, ledger.currency)
    with np.errstate(divide="ignore", invalid="ignore"):
        above = np.where((used > 0) & (limit == 0), np.inf, np.nan)
        return np.where(limit > 0, used / limit, above)


def _broken(ledger: Ledger, table: pd.DataFrame, absent: dict[str, str]) -> Floats:
    if not ledger.has("actions") or "promised_on" not in ledger.tables["actions"]:
        return _missing(table, absent, "broken_promises", "the ledger has no actions with promised_on")
    return counted(broken_promises(ledger), table, "promised_on", days=90)


def broken_promises(ledger: Ledger, *, grace_days: int = 3) -> pd.DataFrame:
    """Promises whose day (and grace) passed before the invoice was settled: customer_id, invoice_id, promised_on (the
    day it became known: promise plus grace)."""
    log = ledger.tables["actions"]
    log = log[log["promised_on"].notna() & log["invoice_id"].notna()]
    paid = settlement(ledger, pd.Timestamp.max.floor("D").as_unit("us")).set_index("invoice_id")["settled_on"]
    settled = looked_up(log["invoice_id"], paid)
    due = log["promised_on"] + pd.Timedelta(days=grace_days)
    broken = settled.isna() | (settled > due)
    return log.assign(promised_on=due).loc[broken, ["customer_id", "invoice_id", "promised_on"]].reset_index(drop=True)


def _disputes(ledger: Ledger, table: pd.DataFrame, absent: dict[str, str]) -> Floats:
    if not ledger.has("disputes"):
        return _missing(table, absent, "dispute_share", "the ledger has no table disputes")
    owner = ledger.invoices.set_index("invoice_id")["customer_id"]
    rows = ledger.tables["disputes"]
    rows = rows.assign(customer_id=looked_up(rows["invoice_id"], owner))
    amount = counted(_in_minor(rows, ledger), table, "opened_on", days=92, value="minor")
    base = counted(_in_minor(ledger.invoices, ledger), table, "issue_date", days=92, value="minor")
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(base > 0, amount / base, np.where(amount > 0, np.inf, 0.0))


def _in_minor(rows: pd.DataFrame, ledger: Ledger) -> pd.DataFrame:
    """Rows with their amount in minor units: differences of running sums are then exact."""
    return rows.assign(minor=money.to_minor(rows["amount"], ledger.currency))


def _surge(ledger: Ledger, table: pd.DataFrame) -> Floats:
    if ledger.has("orders"):
        rows, on = ledger.tables["orders"], "ordered_on"
    else:
        rows, on = ledger.invoices, "issue_date"
    rows = _in_minor(rows, ledger)
    month = counted(rows, table, on, days=31, value="minor")
    before = counted(rows, table, on, days=31 + 183, value="minor") - month
    lived = table["months_on_book"].to_numpy() >= 7
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(lived & (before > 0), month / (before / 6), np.nan)


def _grade_drop(grades: pd.DataFrame | None, table: pd.DataFrame, absent: dict[str, str]) -> Floats:
    if grades is None:
        return _missing(table, absent, "grade_drop", "no decisions with grades were given")
    now = _as_of(grades, table, "review_date", ["rank"])["rank"].to_numpy(dtype=float)
    earlier = table.assign(month=table["month"] - pd.DateOffset(months=3))
    before = _as_of(grades, earlier, "review_date", ["rank"])["rank"].to_numpy(dtype=float)
    return np.maximum(now - before, 0)


def _news(ledger: Ledger, table: pd.DataFrame, absent: dict[str, str]) -> Floats:
    if not ledger.has("facts"):
        return _missing(table, absent, "negative_news", "the ledger has no table facts")
    rows = ledger.tables["facts"]
    return counted(rows[rows["attribute"].isin(NEGATIVE_REGISTERS)], table, "observed_on", days=180)


def _stale(ledger: Ledger, table: pd.DataFrame, absent: dict[str, str]) -> Floats:
    sources = (("facts", "observed_on"), ("financials", "published_on"), ("assessments", "assessed_on"))
    parts = [
        ledger.tables[name][["customer_id", on]].rename(columns={on: "seen"})
        for name, on in sources
        if ledger.has(name)
    ]
    if not parts:
        return _missing(table, absent, "stale_months", "the ledger has no facts, financials or assessments")
    rows = pd.concat(parts, ignore_index=True).assign(last=lambda frame: frame["seen"])
    last = _as_of(rows, table, "seen", ["last"])["last"]
    return ((table["month"] - last).dt.days / 30.4375).to_numpy(dtype=float)


def _statements(statements: pd.DataFrame | None, table: pd.DataFrame, absent: dict[str, str]) -> Floats:
    if statements is None:
        return _missing(table, absent, "statement_difference", "no statement reconciliations were given")
    last = _as_of(statements, table, "as_of", ["unexplained"])["unexplained"].to_numpy(dtype=float)
    opened = table["open"].to_numpy(dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(opened > 0, np.abs(last) / opened, np.nan)


def _industry(ledger: Ledger, table: pd.DataFrame, absent: dict[str, str]) -> Floats:
    customers = ledger.customers
    if "industry" not in customers or customers["industry"].isna().all():
        return _missing(table, absent, "industry_index", "the customers have no industry")
    industry = table["customer_id"].map(customers.set_index("customer_id")["industry"])
    mean = table.assign(industry=industry).groupby(["industry", "month"])["payment_index"].mean().sort_index()
    change = mean - mean.groupby(level="industry").shift(3)
    keys = pd.MultiIndex.from_arrays([industry, table["month"]])
    return change.reindex(keys).to_numpy(dtype=float)
