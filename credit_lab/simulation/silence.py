"""Customers that may have failed already without anyone knowing: nothing has come in since, and no order.

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
from credit_lab.simulation.evidence import failures
from credit_lab.simulation.world import Floats, Ints

LONGEST = 400  # days back that are looked at
_LEAD = 45.0  # days for which invoices may still be issued to a customer that has failed, until some have been seen
_PAST = (150, 210, 270, 330, 390, 450)  # days back at which failures have become known since
_LENT = 2  # gaps of all customers that each one's mean leans on


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
    """As of a day: customers that owe (number), whether something past due, odds of a failure, and `Silent.since`."""

    number: Ints
    late: npt.NDArray[np.bool_]
    odds: Floats
    since: Floats


def silent(ledger: Ledger, as_of: pd.Timestamp, failed: pd.Series, names: pd.Series, rate: float) -> Silent:
    """Chance that each customer that owes something has failed, from the days without a receipt and an invoice.

    The gaps between days with receipts (and between those with invoices), over each customer's mean gap, have one
    distribution for all: S is the share of gaps that are longer. Alive, a customer has been silent for s days with
    chance S(s); one that failed u days after its last sign had to be silent for u only. With the failure rate λ as
    prior, the odds of a failure are λ ∫ S(u) du / S(s), receipts and invoices taken together.

    Customers about to fail slow down before, which these odds do not know; by what factor they are too small is
    learned, for those with and without arrears, from earlier days whose failures have become known since.

    Parameters
    ----------
    names : customers by number; failed : day by customer, those known to have failed
    rate : failures a year and customer; not by grade, which the silence has moved already
    """
    past = []
    for ago in _PAST:
        day = as_of - pd.Timedelta(days=ago)
        if day > ledger.invoices["issue_date"].min() + pd.Timedelta(days=120):
            then = _signs_of(ledger, day, failures(ledger, day), names, rate)
            died = failed.reindex(names.iloc[then.number]).to_numpy(dtype="datetime64[us]") <= np.datetime64(day)
            past.append(pd.DataFrame({"late": then.late, "odds": then.odds, "died": died}))
    factor = np.ones(2)
    if past:
        rows = pd.concat(past, ignore_index=True)
        for late, part in rows.groupby("late"):
            factor[int(late)] = _factor(part["odds"].to_numpy(), part["died"].to_numpy())
    now = _signs_of(ledger, as_of, failed, names, rate)
    odds = now.odds * factor[now.late.astype(np.int64)]
    return Silent(now.number, odds / (1 + odds), now.since)


def _factor(odds: Floats, died: npt.NDArray[np.bool_]) -> float:
    """Factor on all odds of highest likelihood; its logarithm has a normal prior around nought of width 1.5."""
    b = 0.0
    for _ in range(50):
        p = odds * np.exp(b) / (1 + odds * np.exp(b))
        b += float(np.clip((died.sum() - p.sum() - b / 2.25) / ((p * (1 - p)).sum() + 1 / 2.25), -1, 1))
    return float(np.exp(b))


def _signs_of(ledger: Ledger, as_of: pd.Timestamp, failed: pd.Series, names: pd.Series, rate: float) -> _Signs:
    lead = _lead(ledger, as_of, failed)
    items = aging.open_items(ledger, as_of)
    owed = items[(items["kind"] == "invoice") & (items["open_amount"] > 0)]
    if ledger.has("disputes"):
        argued = ledger.tables["disputes"]
        argued = argued[(argued["opened_on"] <= as_of) & ~(argued["closed_on"] <= as_of)]
        owed = owed[~among(owed["document_id"], argued["invoice_id"])]
    owed = owed[~among(owed["customer_id"], pd.Series(failed.index, dtype="str"))]
    due = owed.groupby(owed["customer_id"].astype(str))["due_date"].min()
    due = due[positions(pd.Series(due.index, dtype="str"), names) >= 0]
    who = pd.Series(due.index, dtype="str")
    number = positions(who, names)
    payments, invoices = ledger.payments, ledger.invoices
    payments = payments[(payments["paid_date"] <= as_of) & (payments["amount"] > 0)]
    invoices = invoices[(invoices["issue_date"] <= as_of) & (invoices["amount"] > 0)]
    sold = _signs(invoices["customer_id"], invoices["issue_date"], as_of, who)
    paid = _signs(payments["customer_id"], payments["paid_date"], as_of, who)
    if len(who) == 0 or sold is None or paid is None:
        none = np.zeros(0)
        return _Signs(none.astype(np.int64), none.astype(bool), none, np.zeros((0, LONGEST)))
    ago = np.arange(LONGEST)  # days since the failure, less one
    last_sold, last_paid = sold[0], np.minimum(paid[0], sold[3])  # without any receipt: silent since the first invoice
    possible = ago < np.minimum(last_paid, last_sold + lead)[:, None]
    until = [
        _longer(kept, np.maximum(last[:, None] - ago, 0) / mean[:, None])
        for (_, mean, kept, _), last in ((paid, last_paid), (sold, last_sold))
    ]
    weight = np.where(possible, until[0] * until[1], 0.0) * rate / 365
    total = weight.sum(axis=1)
    since = np.cumsum(weight, axis=1) / np.maximum(total, 1e-300)[:, None]
    return _Signs(number, (due < as_of).to_numpy(), total / (until[0][:, 0] * until[1][:, 0]), since)


def _lead(ledger: Ledger, as_of: pd.Timestamp, failed: pd.Series) -> float:
    """Days after the failure within which nine in ten of those known to have failed had their last invoice."""
    known = ledger.invoices[(ledger.invoices["issue_date"] <= as_of) & (ledger.invoices["amount"] > 0)]
    last = known.groupby("customer_id")["issue_date"].max().reindex(failed.index)
    days = np.maximum((last - failed).dt.days.to_numpy(dtype=float), 0.0)
    return float(np.quantile(np.append(days, [_LEAD] * 3), 0.9))


def _signs(
    customer: pd.Series, date: pd.Series, as_of: pd.Timestamp, who: pd.Series
) -> tuple[Floats, Floats, Floats, Floats] | None:
    """Of each of `who`: days since the last sign, mean gap, days since the first sign; and all gaps over their means,
    sorted. None where nothing is known."""
    day = (as_of - date).dt.days.to_numpy()
    rows = pd.DataFrame({"customer": customer.to_numpy(), "day": day}).drop_duplicates()
    rows = rows.sort_values(["customer", "day"], kind="stable")
    gap = rows.groupby("customer")["day"].diff().to_numpy()
    rows = rows.assign(gap=gap)
    seen = rows.groupby("customer").agg(
        last=("day", "min"), first=("day", "max"), sum=("gap", "sum"), n=("gap", "count")
    )
    if seen["n"].sum() < 20:
        return None
    usual = seen["sum"].sum() / seen["n"].sum()
    mean = (seen["sum"] + _LENT * usual) / (seen["n"] + _LENT)
    ratio = np.sort((rows["gap"] / rows["customer"].map(mean)).dropna().to_numpy())
    mine = seen.assign(mean=mean).reindex(who)
    last, first = mine["last"].fillna(LONGEST).to_numpy(), mine["first"].fillna(LONGEST).to_numpy()
    return last, mine["mean"].fillna(usual).to_numpy(), ratio, first


def _longer(sorted_: Floats, than: Floats) -> Floats:
    """Share of gaps longer than so many means, never quite zero."""
    more = len(sorted_) - np.searchsorted(sorted_, than, side="right")
    return np.asarray((more + 0.5) / (len(sorted_) + 1.0), dtype=np.float64)
