"""What a ledger says of the parts of a world, counted: payments by age, failures, orders, season, disputes, recoveries.

Counts only; `calibration` turns them into a world. Nothing dated after `as_of` is looked at.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab import aging, money
from credit_lab.ids import among
from credit_lab.kpi import settlement
from credit_lab.ledger.model import Ledger
from credit_lab.simulation.world import WAITS, Floats, Ints, Opening

NOT_YET = 10**6  # a day after every end
SILENT = 90  # days without any receipt of a failed customer: it has stopped paying


def days_of(dates: pd.Series, origin: pd.Timestamp) -> Ints:
    """Whole days after `origin`; missing dates are far in the future."""
    found = (dates.to_numpy().astype("datetime64[D]") - np.datetime64(origin, "D")).astype(np.int64)
    return np.where(dates.isna().to_numpy(), NOT_YET, found)


@dataclass(frozen=True)
class Spells:
    """Waits for a payment, one row each: grade of the customer, and days relative to the due date: start, stop (both
    included), whether it ended with a payment, and the days on which the stages of collection began (levels × rows)."""

    customer: npt.NDArray[np.object_]
    start: Ints
    stop: Ints
    paid: Ints
    stages: Ints
    in_parts: int
    first_part: float
    invoices: int


def spells(
    ledger: Ledger, as_of: pd.Timestamp, begin: pd.Timestamp, failed: pd.Series, stages: Sequence[str], stage_from: Ints
) -> Spells:
    """Waits of invoices issued since `begin`: until the first payment, and from there until the last.

    An invoice paid in parts waits twice, as in the simulation. Waits end, without a payment, with a write-off, with
    the failure of the customer (`failed`: day by customer) or at `as_of`.

    Stages are those of the collection log; without one, those of the ladder are taken to have been on time.
    """
    rows = settlement(ledger, as_of)
    rows = rows[rows["issue_date"] >= begin].reset_index(drop=True)
    first, share = _first_payment(ledger, as_of, rows)
    end = rows["settled_on"].fillna(rows["censored_on"])
    gone = pd.to_datetime(rows["customer_id"].map(failed.to_dict()))
    end = end.where(gone.isna() | (gone > end), gone)
    settled = rows["settled_on"].notna() & (rows["settled_on"] <= end)
    parted = first.notna() & (first < end)
    day = np.datetime64("1970-01-01")
    due, issued = days_of(rows["due_date"], pd.Timestamp(day)), days_of(rows["issue_date"], pd.Timestamp(day))
    last, split = days_of(end, pd.Timestamp(day)), days_of(first, pd.Timestamp(day))
    log = _stages(ledger, rows, as_of, due, stages, stage_from)
    p = np.flatnonzero(parted)
    one_start, one_stop = issued + 1 - due, np.where(parted, split, last) - due
    one_paid = np.where(parted, True, settled)
    two_start, two_stop, two_paid = split[p] + 1 - due[p], last[p] - due[p], settled.to_numpy()[p]
    names = rows["customer_id"].to_numpy(dtype=object)
    return Spells(
        np.concatenate([names, names[p]]),
        np.concatenate([one_start, two_start]),
        np.concatenate([one_stop, two_stop]),
        np.concatenate([one_paid, two_paid]).astype(np.int64),
        np.concatenate([log, log[:, p]], axis=1),
        int((parted & settled).sum()),
        float(share[(parted & settled).to_numpy()].mean()) if (parted & settled).any() else 0.5,
        int(settled.sum()),
    )


def _first_payment(ledger: Ledger, as_of: pd.Timestamp, rows: pd.DataFrame) -> tuple[pd.Series, Floats]:
    """Day of the first payment of invoices paid on more than one day, and its share; missing for all others."""
    known = ledger.tables["allocations"]
    known = known[(known["allocated_on"] <= as_of) & (known["amount"] > 0)]
    by = known.groupby(["invoice_id", "allocated_on"], as_index=False)["amount"].sum()
    count = by.groupby("invoice_id")["allocated_on"].transform("size")
    firsts = by[count > 1].sort_values("allocated_on").drop_duplicates("invoice_id").set_index("invoice_id")
    day = pd.to_datetime(rows["invoice_id"].map(firsts["allocated_on"].to_dict()))
    share = rows["invoice_id"].map(firsts["amount"].to_dict()).astype(float) / rows["amount"]
    return day, share.clip(0, 1).to_numpy(dtype=float)


def _stages(
    ledger: Ledger, rows: pd.DataFrame, as_of: pd.Timestamp, due: Ints, stages: Sequence[str], stage_from: Ints
) -> Ints:
    """Day past due on which each invoice reached each stage; NOT_YET where it never did."""
    reached = np.full((len(stages), len(rows)), NOT_YET, dtype=np.int64)
    if not ledger.has("actions"):
        reached[:] = np.asarray(stage_from)[:, None]
        return reached
    known = ledger.tables["actions"]
    known = known[(known["taken_on"] <= as_of) & known["action"].isin(stages) & known["invoice_id"].notna()]
    for level in range(len(stages)):
        later = known[known["action"].isin(stages[level:])]
        begun = rows["invoice_id"].map(later.groupby("invoice_id")["taken_on"].min().to_dict())
        day = days_of(pd.to_datetime(begun), pd.Timestamp("1970-01-01"))
        reached[level] = np.where(day < NOT_YET, day + 1 - due, NOT_YET)  # the contact works from the next day on
    return reached


def exposure(found: Spells, grade: Ints, grades: int, bands: Ints) -> tuple[Floats, Floats]:
    """Payments by grade and band, and days at risk by grade, level and band."""
    paid, at_risk = np.zeros((grades, len(bands))), np.zeros((grades, len(found.stages) + 1, len(bands)))
    for band, level, days in _days(found, bands):
        np.add.at(at_risk[:, level, band], grade, days)
    band_of = np.searchsorted(bands, found.stop, side="right") - 1
    ended = found.paid > 0
    np.add.at(paid, (grade[ended], np.maximum(band_of[ended], 0)), 1.0)
    return paid, at_risk


def habits(found: Spells, grade: Ints, hazard: Floats, bands: Ints) -> pd.DataFrame:
    """Per customer: payments, and how many a customer of its grade would have made in the same days."""
    wanted = np.zeros(len(grade))
    for band, level, days in _days(found, bands):
        wanted += days * hazard[grade, level, band]
    rows = pd.DataFrame({"customer": found.customer, "paid": found.paid.astype(float), "expected": wanted})
    return rows.groupby("customer")[["paid", "expected"]].sum()


def habit(found: pd.DataFrame, names: Any) -> tuple[Floats, Floats, float]:
    """Payments of each customer, what its grade would have paid, and the weight of the prior by moments: the variance
    of payments beyond that of chance is h + v h², the prior weighs 1 / v payments."""
    n, h = found["paid"].to_numpy(), found["expected"].to_numpy()
    beyond = float((((n - h) ** 2) - h).sum() / max((h**2).sum(), 1e-9))
    mine = found.reindex(names).fillna(0.0)
    return mine["paid"].to_numpy(), mine["expected"].to_numpy(), 1 / max(beyond, 0.005)


def _days(found: Spells, bands: Ints) -> Iterator[tuple[int, int, Floats]]:
    """Days of each spell in each band and level of collection."""
    edges, size = np.append(bands, NOT_YET), len(found.start)
    from_day = np.vstack([np.full((1, size), -NOT_YET), found.stages, np.full((1, size), NOT_YET)])
    for band in range(len(bands)):
        low, high = np.maximum(found.start, edges[band]), np.minimum(found.stop + 1, edges[band + 1])
        for level in range(len(found.stages) + 1):
            days = np.minimum(high, from_day[level + 1]) - np.maximum(low, from_day[level])
            yield band, level, np.maximum(days, 0).astype(float)


def failures(ledger: Ledger, as_of: pd.Timestamp, past: pd.DataFrame) -> pd.Series:
    """Day of failure by customer, of those who had failed (`rules.default`) by the last month end.

    The day is the one after the last receipt: until then the customer paid as usual, from then on
    not at all. So a failed customer who has paid within 90 days, such as one with a lost dispute
    written off, goes on living here, and one whose only arrears are disputed.

    Parameters
    ----------
    as_of : last day known
    past : of `history.build`, at least up to `as_of`; what it says of a month end was known then
    """
    known = past[past["month"] <= as_of]
    failed = known.loc[(known["month"] == known["month"].max()) & known["failed"], "customer_id"]
    rows = settlement(ledger, as_of)
    ended = rows["censored_on"].where(rows["settled_on"].isna(), pd.NaT)
    disputed = set(ledger.tables["disputes"]["invoice_id"]) if ledger.has("disputes") else set()
    late = ended.notna() & (ended > rows["due_date"] + pd.Timedelta(days=SILENT))
    old = rows[late & rows["customer_id"].isin(failed) & ~rows["invoice_id"].isin(disputed)]
    paid = ledger.payments[(ledger.payments["paid_date"] <= as_of) & (ledger.payments["amount"] > 0)]
    paid = paid[~paid["payment_id"].isin(_after_loss(ledger))]
    last = paid.groupby("customer_id")["paid_date"].max()
    first_old = old.groupby("customer_id")["issue_date"].min()
    day = pd.concat([last.reindex(first_old.index), first_old], axis=1).max(axis=1) + pd.Timedelta(days=1)
    silent = day <= as_of - pd.Timedelta(days=SILENT)
    return day[silent]


def _after_loss(ledger: Ledger) -> set[str]:
    """Receipts that settle what had been written off: they do not show a living customer."""
    if not ledger.has("write_offs"):
        return set()
    losses = ledger.tables["write_offs"]
    first = losses[losses["amount"] > 0].groupby("invoice_id")["written_off_on"].min()
    known = ledger.tables["allocations"]
    lost = known["invoice_id"].map(first.to_dict())
    return set(known.loc[lost.notna() & (known["allocated_on"] >= pd.to_datetime(lost)), "payment_id"])


def orders_after(ledger: Ledger, as_of: pd.Timestamp, failed: pd.Series) -> tuple[float, float]:
    """Invoices to failed customers since their failure, and how many they had a day in the year before it, added up:
    the one over the other is the mean number of days for which they went on ordering as usual."""
    invoices = ledger.invoices
    known = invoices[(invoices["amount"] > 0) & (invoices["issue_date"] <= as_of)]
    known = known[among(known["customer_id"], pd.Series(failed.index, dtype="str"))]
    since = (known["issue_date"] - pd.to_datetime(known["customer_id"].map(failed.to_dict()))).dt.days
    rows = pd.DataFrame({"customer": known["customer_id"], "since": since})
    first = -rows.groupby("customer")["since"].min()
    before = rows[(rows["since"] < 0) & (rows["since"] >= -365)].groupby("customer").size()
    span = first.clip(30, 365).reindex(before.index)
    return float((rows["since"] >= 0).sum()), float((before / span).sum())


def exits(ledger: Ledger, as_of: pd.Timestamp, failed: pd.Series) -> tuple[Floats, Floats]:
    """Write-offs of invoices of failed customers, and the days they and those still open have waited since the
    failure, by the bands of `WAITS`; both scaled to as many as there are failed customers, whose invoices go together.
    """
    rows = settlement(ledger, as_of)
    rows = rows[rows["customer_id"].isin(failed.index) & rows["settled_on"].isna()]
    since = pd.to_datetime(rows["customer_id"].map(failed.to_dict()))
    waited = (rows["censored_on"] - since).dt.days.clip(lower=1).to_numpy()
    ends = np.append(WAITS[1:], NOT_YET)
    days = [np.clip(waited, low, high).sum() - low * len(rows) for low, high in zip(WAITS, ends, strict=True)]
    lost = (rows["censored_on"] < as_of).to_numpy()
    band = np.searchsorted(WAITS, waited[lost], side="right") - 1
    each = rows["customer_id"].nunique() / max(len(rows), 1)
    return np.bincount(band, minlength=len(WAITS)) * each, np.array(days, dtype=float) * each


def recovery(ledger: Ledger, as_of: pd.Timestamp) -> tuple[float, int]:
    """Share of written-off amounts that came back, and the number of customers with a write-off; as time passes more
    comes, so only write-offs older than half a year count."""
    if not ledger.has("write_offs"):
        return 0.2, 0
    rows = ledger.tables["write_offs"]
    rows = rows[rows["written_off_on"] <= as_of].merge(ledger.invoices[["invoice_id", "customer_id"]], on="invoice_id")
    first = rows[rows["amount"] > 0].groupby("invoice_id")["written_off_on"].min()
    old = rows[rows["invoice_id"].isin(first[first <= as_of - pd.Timedelta(days=180)].index)]
    gross = float(old.loc[old["amount"] > 0, "amount"].sum())
    if gross <= 0:
        return 0.2, 0
    return min(float(old["amount"].clip(upper=0.0).abs().sum()) / gross, 1.0), int(old["customer_id"].nunique())


def orders(ledger: Ledger, as_of: pd.Timestamp, failed: pd.Series) -> pd.DataFrame:
    """Customers that bought in the last twelve months and have not failed: customer_id, first (invoice), count, days
    (seen in these twelve months), mean amount, log_sd (missing below three invoices), term (median, as invoiced).

    The first invoice of a customer opens the days it is seen in and does not count: it is there by definition.
    """
    invoices = ledger.invoices
    known = invoices[(invoices["amount"] > 0) & (invoices["issue_date"] <= as_of)]
    known = known[~known["customer_id"].isin(failed.index)]
    first = known.groupby("customer_id")["issue_date"].min()
    recent = known[known["issue_date"] > as_of - pd.DateOffset(years=1)]
    recent = recent.assign(log=np.log(recent["amount"]), term=(recent["due_date"] - recent["issue_date"]).dt.days)
    table = recent.groupby("customer_id").agg(
        count=("amount", "size"), mean=("amount", "mean"), log_sd=("log", "std"), term=("term", "median")
    )
    table.loc[table["count"] < 3, "log_sd"] = np.nan
    first = first.reindex(table.index)
    begin = as_of - pd.DateOffset(years=1)
    table["count"] -= first > begin
    days = (as_of - first.clip(lower=begin)).dt.days
    return table.assign(first=first, days=days.clip(lower=15)).reset_index()


def growth(ledger: Ledger, as_of: pd.Timestamp, customers: pd.Series) -> tuple[tuple[float, float], pd.Index]:
    """Growth of the number of orders of these customers over a year with its standard error, and whose they were;
    (0, 0) where two whole years are not known. Customers that came in between do not count: those that were taken on,
    or, where that is not recorded, first bought, after the first month, which is left out of both years: books often
    begin with fewer invoices than there were."""
    invoices = ledger.invoices
    known = invoices[(invoices["amount"] > 0) & (invoices["issue_date"] <= as_of)]
    middle, early, month = as_of - pd.DateOffset(years=1), as_of - pd.DateOffset(years=2), pd.Timedelta(days=31)
    first = known.groupby("customer_id")["issue_date"].min()
    if first.min() > early + month:
        return (0.0, 0.0), first.index[:0]
    since = first
    if "onboarded_on" in ledger.customers:
        taken_on = pd.to_datetime(ledger.customers.set_index("customer_id")["onboarded_on"])
        since = taken_on.reindex(first.index).fillna(first).clip(upper=first)
    known_since = first.index[since <= early + month].intersection(pd.Index(customers))
    old = known[among(known["customer_id"], pd.Series(known_since, dtype="str"))]
    after = old[old["issue_date"] > middle + month].groupby("customer_id").size()
    before = old[(old["issue_date"] > early + month) & (old["issue_date"] <= middle)].groupby("customer_id").size()
    both = pd.concat([before, after], axis=1).fillna(0.0).to_numpy()
    if len(both) < 10 or both[:, 0].sum() == 0:
        return (0.0, 0.0), first.index[:0]
    value = both[:, 1].sum() / both[:, 0].sum()
    residual = both[:, 1] - value * both[:, 0]
    return (float(value - 1), float(np.sqrt((residual**2).sum()) / both[:, 0].sum())), known_since


def season(ledger: Ledger, as_of: pd.Timestamp, trend: float) -> tuple[Floats, Floats]:
    """Factor on orders by calendar month over up to three whole years, without the first month of the books, mean one,
    with standard errors, per working day of the firm; shrunk towards one by what chance alone would do (flat with less
    than a year)."""
    invoices = ledger.invoices
    known = invoices[(invoices["amount"] > 0) & (invoices["issue_date"] <= as_of)]
    years = min(int((as_of - known["issue_date"].min()).days // 365), 3)
    if years < 1:
        return np.ones(12), np.zeros(12)
    begin = max(as_of - pd.DateOffset(years=years), known["issue_date"].min() + pd.Timedelta(days=30))
    if (as_of - begin).days < 365:  # a calendar month is missing
        return np.ones(12), np.zeros(12)
    known = known[known["issue_date"] > begin]
    ago = (as_of - known["issue_date"]).dt.days.to_numpy() / 365
    weight = np.exp(np.log1p(trend) * ago)  # as if all were of today's size
    month = known["issue_date"].dt.month.to_numpy() - 1
    days = pd.date_range(begin + pd.Timedelta(days=1), as_of)
    length = np.bincount(days.month - 1, weights=weekdays(known["issue_date"])[days.day_of_week], minlength=12)
    count = np.bincount(month, weights=weight, minlength=12) / length
    chance = np.sqrt(np.bincount(month, weights=weight**2, minlength=12)) / length / count.mean()
    factor = count / count.mean()
    noise, seen = float((chance**2).mean()), float(factor.var(ddof=1))
    kept = max(1 - noise / seen, 0.0) if seen > 0 else 0.0
    return 1 + kept * (factor - 1), np.sqrt(kept) * chance


def weekdays(dates: pd.Series) -> Floats:
    """Factor on orders by day of the week, mean one; even with fewer than 70 dates."""
    count = np.bincount(dates.dt.day_of_week, minlength=7).astype(float)
    return count / count.mean() if count.sum() >= 70 else np.ones(7)


def paydays(ledger: Ledger, as_of: pd.Timestamp) -> npt.NDArray[np.bool_]:
    """Days of the week with at least 2 % of the receipts; all of them with fewer than 70 receipts."""
    dates = ledger.payments.loc[ledger.payments["paid_date"] <= as_of, "paid_date"]
    count = np.bincount(dates.dt.day_of_week, minlength=7)
    return count >= 0.02 * count.sum() if count.sum() >= 70 else np.ones(7, dtype=bool)


def disputes(ledger: Ledger, begin: pd.Timestamp, as_of: pd.Timestamp) -> tuple[int, int, int]:
    """Disputed invoices, all invoices, mean days of a dispute."""
    invoices = ledger.invoices
    rows = invoices[(invoices["amount"] > 0) & invoices["issue_date"].between(begin, as_of)]
    if not ledger.has("disputes"):
        return 0, len(rows), 30
    known = ledger.tables["disputes"]
    known = known[known["opened_on"] <= as_of]
    closed = known[known["closed_on"] <= as_of]
    days = max(round(float((closed["closed_on"] - closed["opened_on"]).dt.days.mean())), 1) if len(closed) else 30
    return int(rows["invoice_id"].isin(known["invoice_id"]).sum()), len(rows), days


def opening(
    ledger: Ledger, as_of: pd.Timestamp, number: pd.Series, dispute_days: int, stages: Sequence[str], stage_from: Ints
) -> Opening:
    """Invoices open at `as_of` of the customers numbered; unapplied cash and credit notes take from the oldest."""
    items = aging.open_items(ledger, as_of)
    items = items[items["customer_id"].isin(number.index)]
    owed = items[(items["kind"] == "invoice") & (items["open_amount"] > 0)].sort_values(["due_date", "document_id"])
    have = -items[items["kind"] != "invoice"].groupby("customer_id")["open_amount"].sum()
    total = owed.groupby("customer_id")["open_amount"].cumsum()
    free = owed["customer_id"].map(have.to_dict()).astype(float).fillna(0.0)  # text where nothing is open
    left = (total - free).clip(lower=0.0)
    rest = np.minimum(left, owed["open_amount"])
    owed = owed.assign(rest=money.to_minor(rest, ledger.currency), who=owed["customer_id"].map(number))
    owed = owed[owed["rest"] > 0].sort_values(["who", "due_date", "document_id"], kind="stable")
    rows = owed.rename(columns={"document_id": "invoice_id"})
    due = days_of(rows["due_date"], as_of + pd.Timedelta(days=1))
    reached = _stages(ledger, rows, as_of, days_of(rows["due_date"], pd.Timestamp("1970-01-01")), stages, stage_from)
    level = (reached <= -due).sum(axis=0)
    contested = np.zeros(len(rows), dtype=np.int64)
    if ledger.has("disputes"):
        known = ledger.tables["disputes"]
        running = known[(known["opened_on"] <= as_of) & ~(known["closed_on"] <= as_of)]
        contested = np.where(rows["invoice_id"].isin(running["invoice_id"]), np.maximum(-due, 0) + dispute_days, 0)
    return Opening(
        rows["who"].to_numpy(dtype=np.int64), rows["rest"].to_numpy(dtype=np.int64), due, level.astype(np.int64),
        contested.astype(np.int64),
    )  # fmt: skip
