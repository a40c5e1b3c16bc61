"""Customers that may have failed already without anyone knowing: what is due does not come in, and no order does.

A failure is seen in the books months later. Left alone, customers that failed lately would go on paying in a forecast,
and half of the write-offs of the year ahead would be missing from it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab import aging
from credit_lab.ids import among, positions
from credit_lab.ledger.model import Ledger
from credit_lab.simulation import evidence
from credit_lab.simulation.world import Floats, Ints

LONGEST = 400  # days back that are looked at
BANDS = np.array([-(10**6), -15, -5, -1, 2, 6, 16, 31, 61, 91, 181], dtype=np.int64)  # days past due
_PAST = (150, 210, 270, 330, 390, 450)  # days back at which failures have become known since
_YEARS = 2  # of the past that payments are counted in


@dataclass(frozen=True)
class Silent:
    """Customers that owe and are not known to have failed.

    customer : number; chance : that it has failed; since : (customers × days) chance, given that, of a failure no
    more than so many days ago, the first column for one day
    """

    customer: Ints
    chance: Floats
    since: Floats

    def failed_days(self, size: int, rng: np.random.Generator | None) -> Ints:
        """Days since each of `size` customers failed (0: it has not), drawn; without `rng`, those that more likely
        have than not, on the median day."""
        found = np.zeros(size, dtype=np.int64)
        if len(self.customer) == 0:
            return found
        dead, when = self.chance > 0.5, np.full(len(self.customer), 0.5)
        if rng is not None:
            dead, when = rng.random(len(self.customer)) < self.chance, rng.random(len(self.customer))
        days = 1 + (self.since < when[:, None]).sum(axis=1)
        found[self.customer[dead]] = np.minimum(days, self.since.shape[1])[dead]
        return found


@dataclass(frozen=True)
class _Signs:
    """As of a day: customers that owe (number), whether something past due, logarithm of the odds of a failure, and
    `Silent.since`."""

    number: Ints
    late: npt.NDArray[np.bool_]
    odds: Floats
    since: Floats


def silent(
    ledger: Ledger,
    as_of: pd.Timestamp,
    past: pd.DataFrame,
    failed: pd.Series,
    names: pd.Series,
    rate: float,
    later: float,
) -> Silent:
    """Chance that each customer that owes something has failed, from the payments and orders that did not come.

    Alive, a customer leaves all it owes unpaid for u days with chance exp(−H), H being its hazards of payment (by days
    past due, times its habit, over the payments it makes at once) added up over open invoices and days. With the
    failure rate λ as prior, the odds of a failure are λ ∫ exp(H(u)) O(u) du over the days u since the last receipt,
    O(u) being the same ratio for orders: a customer that fails goes on ordering for exponential `later` days.

    Payments of one customer come together more often than the hazards say, and customers about to fail slow down; how
    far to trust these odds is learned (a factor for customers with and without arrears, and a power) from earlier days
    whose failures have become known since.

    Parameters
    ----------
    past : of `history.build`
    names : customers by number; failed : day by customer, those known to have failed
    rate : failures a year and customer; not by grade, which the silence has moved already
    later : mean days for which failed customers go on ordering
    """
    seen = []
    for ago in _PAST:
        day = as_of - pd.Timedelta(days=ago)
        if day > ledger.invoices["issue_date"].min() + pd.Timedelta(days=120):
            then = _signs_of(ledger, day, evidence.failures(ledger, day, past), names, rate, later)
            died = failed.reindex(names.iloc[then.number]).to_numpy(dtype="datetime64[us]") <= np.datetime64(day)
            seen.append(pd.DataFrame({"late": then.late, "odds": then.odds, "died": died}))
    now = _signs_of(ledger, as_of, failed, names, rate, later)
    odds = now.odds
    if seen:
        rows = pd.concat(seen, ignore_index=True)
        learned = _trusted(rows["odds"].to_numpy(), rows["late"].to_numpy(), rows["died"].to_numpy())
        odds = _design(now.odds, now.late) @ learned
    return Silent(now.number, 1 / (1 + np.exp(-odds)), now.since)


def _design(odds: Floats, late: npt.NDArray[np.bool_]) -> Floats:
    return np.column_stack([odds, ~late, late]).astype(np.float64)


_EXPECTED, _WIDTH = np.array([1.0, 0.0, 0.0]), np.array([0.3, 1.0, 1.0])  # of power and factors, before any experience


def _trusted(odds: Floats, late: npt.NDArray[np.bool_], died: npt.NDArray[np.bool_]) -> Floats:
    """Power of the odds and logarithm of their factors for customers without and with arrears, of highest likelihood
    under a normal prior."""
    x, b = _design(odds, late), _EXPECTED.copy()
    for _ in range(100):
        p = 1 / (1 + np.exp(-x @ b))
        slope = x.T @ (died - p) - (b - _EXPECTED) / _WIDTH**2
        bend = (x * (p * (1 - p))[:, None]).T @ x + np.diag(1 / _WIDTH**2)
        step = np.linalg.solve(bend, slope)
        b += step * min(1.0, 1.0 / max(np.abs(step).max(), 1e-12))
        if np.abs(step).max() < 1e-10:
            break
    return b


def _signs_of(
    ledger: Ledger, as_of: pd.Timestamp, failed: pd.Series, names: pd.Series, rate: float, later: float
) -> _Signs:
    owed = _owed(ledger, as_of, failed)
    place = positions(owed["customer_id"].astype("str"), names)
    owed, place = owed[place >= 0], place[place >= 0]
    number, row = np.unique(place, return_inverse=True)
    who = names.iloc[number]
    size = len(number)
    payments, invoices = ledger.payments, ledger.invoices
    payments = payments[(payments["paid_date"] <= as_of) & (payments["amount"] > 0)]
    invoices = invoices[(invoices["issue_date"] <= as_of) & (invoices["amount"] > 0)]
    sold = invoices.groupby("customer_id")["issue_date"].agg(["min", "max"]).reindex(who)
    paid = payments.groupby("customer_id")["paid_date"].max().reindex(who)
    quiet = _ago(as_of, paid.fillna(sold["min"]))  # without any receipt: since the first invoice
    burnt = _burnt(ledger, as_of, failed, owed, row, who)
    burnt[:, : _closed(ledger, as_of)] = 0.0  # what falls on days without receipts comes on the next one
    burnt[quiet < 1] = 0.0  # it has paid today
    missing = np.cumsum(burnt, axis=1)  # column k: failed k + 1 days ago
    days = np.arange(1, LONGEST + 1)[None, :]
    weight = missing + _order_ratio(_order_rates(invoices, as_of, who), _ago(as_of, sold["max"]), later, days)
    weight = np.where(days <= np.maximum(quiet, 1)[:, None], weight, -np.inf)
    top = weight.max(axis=1, initial=-np.inf)[:, None] if size else np.zeros((0, 1))
    share = np.exp(weight - top)
    total = share.sum(axis=1)
    late = np.bincount(row, weights=(owed["due_date"] < as_of).to_numpy(), minlength=size) > 0
    odds = np.clip(np.log(total) + top[:, 0] + np.log(rate / 365), -30, 30)
    return _Signs(number, late, odds, np.cumsum(share, axis=1) / total[:, None])


def _closed(ledger: Ledger, as_of: pd.Timestamp) -> int:
    """Days, up to `as_of`, on which no receipts come in as a rule: the weekend if it is a Sunday."""
    comes = evidence.paydays(ledger, as_of)
    return next(k for k in range(7) if comes[(as_of.day_of_week - k) % 7])


def _ago(as_of: pd.Timestamp, day: pd.Series) -> Floats:
    return np.asarray((as_of - pd.to_datetime(day)).dt.days.to_numpy(dtype=float))


def _owed(ledger: Ledger, as_of: pd.Timestamp, failed: pd.Series) -> pd.DataFrame:
    """Open invoices without a running dispute of customers not known to have failed."""
    items = aging.open_items(ledger, as_of)
    owed = items[(items["kind"] == "invoice") & (items["open_amount"] > 0)]
    if ledger.has("disputes"):
        argued = ledger.tables["disputes"]
        argued = argued[(argued["opened_on"] <= as_of) & ~(argued["closed_on"] <= as_of)]
        owed = owed[~among(owed["document_id"], argued["invoice_id"])]
    return owed[~among(owed["customer_id"], pd.Series(failed.index, dtype="str"))]


def _burnt(
    ledger: Ledger, as_of: pd.Timestamp, failed: pd.Series, owed: pd.DataFrame, row: Ints, who: pd.Series
) -> Floats:
    """Hazard of a payment of each customer (rows) on the day `as_of`, the day before, ...: the hazards of its open
    invoices, learned from all customers, times its habit and days with a payment over payments: a customer that pays
    twenty invoices at a time is silent as often as one that pays one (compound Poisson process)."""
    waits = evidence.spells(ledger, as_of, as_of - pd.DateOffset(years=_YEARS), failed, [], np.zeros(0, dtype=np.int64))
    grade = np.zeros(len(waits.customer), dtype=np.int64)
    paid, at_risk = evidence.exposure(waits, grade, 1, BANDS)
    hazard = (paid[0] + 0.5) / (at_risk[0, 0] + 0.5 / max(paid.sum() / max(at_risk.sum(), 1.0), 1e-9))
    mine, usual, weight = evidence.habit(evidence.habits(waits, grade, hazard[None, None, :], BANDS), who)
    age = (as_of - owed["due_date"]).dt.days.to_numpy()
    known = (as_of - owed["issue_date"]).dt.days.to_numpy()
    change = np.zeros((len(who), LONGEST + 1))
    edges = np.append(BANDS, 10**6)
    for band in range(len(BANDS)):
        first = np.clip(age - edges[band + 1] + 1, 0, LONGEST)
        last = np.clip(np.minimum(age - edges[band] + 1, known), first, LONGEST)
        np.add.at(change, (row, first), hazard[band])
        np.add.at(change, (row, last), -hazard[band])
    habit = (mine + weight) / (usual + weight)
    receipts = ledger.payments[ledger.payments["paid_date"].between(as_of - pd.DateOffset(years=_YEARS), as_of)]
    runs = receipts.drop_duplicates(["customer_id", "paid_date"]).groupby("customer_id").size()
    alone = np.minimum((runs.reindex(who).fillna(0.0).to_numpy() + 1) / (mine + 1), 1.0)
    return np.asarray(np.maximum(np.cumsum(change[:, :-1], axis=1), 0.0) * (habit * alone)[:, None])


def _order_rates(invoices: pd.DataFrame, as_of: pd.Timestamp, who: pd.Series) -> Floats:
    """Share of days with an invoice in the last twelve months; that of customers with few leans on all."""
    invoices = invoices.drop_duplicates(["customer_id", "issue_date"])
    recent = invoices[invoices["issue_date"] > as_of - pd.DateOffset(years=1)]
    count = recent.groupby("customer_id").size()
    days = _ago(as_of, invoices.groupby("customer_id")["issue_date"].min()).clip(15, 365)
    span = pd.Series(days, index=invoices.groupby("customer_id").size().index)
    usual = max(len(recent), 1) / (span.reindex(count.index).sum() or 365.0)  # nobody has bought: less than one a year
    return np.asarray(
        (count.reindex(who).fillna(0.0).to_numpy() + 1) / (span.reindex(who).fillna(365.0).to_numpy() + 1 / usual)
    )


def _order_ratio(rate: Floats, quiet: Floats, later: float, days: Ints) -> Floats:
    """Logarithm of the chance of the orders seen if the customer failed so many days ago, over that if it is alive.

    After a failure orders stop at the rate k = 1 / `later`; of the m days without an order that lie after it, some
    part was before the stop: (k e^(r m) + r e^(−k m)) / (k + r), and until the last order they had not stopped.
    """
    stop, r = 1 / max(later, 1.0), rate[:, None]
    m = np.minimum(days, quiet[:, None])
    seen = np.log(stop + r * np.exp(-(stop + r) * m)) + r * m - np.log(stop + r)
    return np.asarray(seen - stop * np.maximum(days - quiet[:, None], 0))
