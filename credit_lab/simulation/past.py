"""What is known of the customers before the first simulated day: what a review looks at."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab import money
from credit_lab.ledger.model import Ledger
from credit_lab.payment_behaviour import settlements
from credit_lab.rules import grades as by_grade
from credit_lab.rules import limits as by_limit

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
MONTHS = 36  # kept of the past: the longest window of a sales forecast
NOT_YET = 10**6  # month of what has not happened


@dataclass(frozen=True)
class Past:
    """What the books say, one entry or row per customer; the last whole month is −1, the one before −2.

    Attributes
    ----------
    sold : net sales, minor units, by month (the last `MONTHS`, the latest last)
    paid, paid_days : amount settled, and amount × days late, of the same months
    dpd, overdue : days past due of the oldest open invoice, and amount past due, at the same month ends
    index : payment index on the last day (NaN: nothing was paid or late yet)
    since : month of the first document (0 or later: none yet)
    last_sold : month of the last sale
    paid_well : invoices paid in time
    contract : last day, counted from the first simulated one, on which a contract is valid
    grade : number of the grade where it is given by hand; −1: it follows from the index
    """

    sold: Ints
    paid: Ints
    paid_days: Ints
    dpd: Floats
    overdue: Floats
    index: Floats
    since: Ints
    last_sold: Ints
    paid_well: Ints
    contract: Ints
    grade: Ints


def usual(a_month: Floats, newcomer: npt.NDArray[np.bool_], grade: Ints) -> Past:
    """A past for customers made by hand: so much sold every month for years, contracts, nothing late; newcomers begin.

    Parameters
    ----------
    a_month : sales, minor units
    newcomer : whether a customer has no document yet
    grade : number of the grade
    """
    number = len(a_month)
    sold = np.rint(np.where(newcomer, 0.0, a_month)).astype(np.int64)[:, None].repeat(MONTHS, axis=1)
    none, never = np.zeros((number, MONTHS), dtype=np.int64), np.full(number, NOT_YET)
    return Past(
        sold, none, none, none.astype(float), none.astype(float), np.full(number, np.nan),
        np.where(newcomer, never, -60), np.full(number, -1), np.zeros(number, dtype=np.int64), never,
        np.where(newcomer, -1, grade),
    )  # fmt: skip


def first_limits(s: by_limit.Limits, past: Past) -> tuple[Ints, Ints, npt.NDArray[np.bool_]]:
    """Grade, limit (minor units) and whether it is one of a trial: what a review on the day before decides, where no
    limit was in force. Customers without a document have the first trial limit and the newcomers' grade."""
    months = -1 - past.since
    known = months >= 0
    found = np.where(past.grade >= 0, past.grade, by_grade.grade(s.grades, past.index, months))
    found = np.where(known | (past.grade >= 0), found, s.grades.newcomer).astype(np.int64)
    annual = np.where(known, by_limit.annual_sales(s, past.sold[:, -s.forecast_months :].sum(axis=1), months), 0.0)
    cap = s.share_of_sales * max(float(annual.sum()), 0.0)
    multiple, term = s.grades.multiple[found], s.grades.term[found]
    formula = multiple * by_limit.sales_forecast(annual, term, s.delay, s.peak)
    ended = by_limit.trial_ends(s, past.dpd, past.overdue).any(axis=1)
    what = by_limit.bound(s, months, past.paid_well, ended, multiple, annual, formula, cap)
    wanted = by_limit.bounded(s, what, past.paid_well, formula, cap)
    first = float(by_limit.bounded(s, by_limit.TRIAL, 0, 0.0, 0.0))
    limit = np.where(known, wanted, np.where(multiple > 0, first, 0.0))
    return found, np.minimum(limit, 2.0**52).astype(np.int64), known & (what == by_limit.TRIAL)


def learned(ledger: Ledger, rows: pd.DataFrame, as_of: pd.Timestamp, names: Iterable[str]) -> Past:
    """What the books say of some customers; names nobody knows are those of customers to come.

    Parameters
    ----------
    rows : `history.build(ledger, as_of)`
    """
    last = rows["month"].max()
    back = (last.year - rows["month"].dt.year) * 12 + last.month - rows["month"].dt.month
    recent = rows.assign(column=MONTHS - 1 - back)[back < MONTHS]
    who = pd.Index(list(names))
    minor = 10.0 ** money.minor_digits(ledger.currency)

    def grid(table: pd.DataFrame, value: str) -> Floats:
        found, at = np.zeros((len(who), MONTHS)), who.get_indexer(table["customer_id"])
        inside = at >= 0
        np.add.at(found, (at[inside], table["column"].to_numpy()[inside]), table[value].to_numpy()[inside])
        return found

    paid = settlements(ledger)
    month = paid["matched_on"].dt.to_period("M").astype("int64")
    paid = paid.assign(column=month - last.to_period("M").ordinal + MONTHS - 1)
    paid = paid[paid["column"].between(0, MONTHS - 1)].assign(weighted=lambda t: t["minor"] * t["days_late"])
    mine = rows[rows["month"] == last].set_index("customer_id").reindex(who)
    sold = rows[rows["sales"] > 0].groupby("customer_id")["month"].max().reindex(who)
    quiet = (last.year - sold.dt.year) * 12 + last.month - sold.dt.month
    since = -1 - mine["months_on_book"]
    return Past(
        sold=np.rint(grid(recent, "sales") * minor).astype(np.int64),
        paid=grid(paid, "minor").astype(np.int64),
        paid_days=grid(paid, "weighted").astype(np.int64),
        dpd=grid(recent, "max_dpd"),
        overdue=np.rint(grid(recent, "overdue") * minor),
        index=mine["payment_index"].to_numpy(dtype=float),
        since=since.fillna(NOT_YET).to_numpy(dtype=np.int64),
        last_sold=(-1 - quiet).fillna(since).fillna(-1).to_numpy(dtype=np.int64),
        paid_well=mine["paid_in_time"].fillna(0).to_numpy(dtype=np.int64),
        contract=_contracts(ledger, as_of, who),
        grade=np.full(len(who), -1),
    )


def _contracts(ledger: Ledger, as_of: pd.Timestamp, who: pd.Index) -> Ints:
    """Last day on which each customer has a valid contract; without a table of contracts, and for those to come, there
    is always one."""
    if not ledger.has("contracts"):
        return np.full(len(who), NOT_YET)
    table = ledger.tables["contracts"]
    table = table[table["signed_on"] <= as_of]
    until = table["valid_to"] if "valid_to" in table else pd.Series(pd.NaT, index=table.index)
    days = (until - as_of).dt.days.fillna(NOT_YET).astype("int64") - 1
    last = days.groupby(table["customer_id"]).max().reindex(who)
    known = who.isin(ledger.customers["customer_id"])
    return last.fillna(-1).where(known, NOT_YET).to_numpy(dtype=np.int64)


def covered(ledger: Ledger, as_of: pd.Timestamp, who: Iterable[str], kind: str) -> npt.NDArray[np.bool_]:
    """Which customers a cover of a kind ("insurance", "factoring") is in force for."""
    names = pd.Index(list(who))
    if not ledger.has("covers"):
        return np.zeros(len(names), dtype=np.bool_)
    table = ledger.tables["covers"]
    until = table["valid_to"] if "valid_to" in table else pd.Series(pd.NaT, index=table.index)
    runs = (table["valid_from"] <= as_of) & (until.isna() | (until >= as_of)) & (table["kind"] == kind)
    return np.asarray(names.isin(table.loc[runs, "customer_id"]))
