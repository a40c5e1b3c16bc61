"""A world from a ledger: demand, payment hazards, defaults, disputes, recoveries, each with its standard error.

What a ledger cannot say is an assumption with a range: how collection changes the hazard, and how orders answer to
terms. Payment hazards are counted per grade and age band: payments over days at risk, which is the maximum-likelihood
estimate of a piecewise-constant hazard; parameters are drawn from their (approximate) posterior for replicates.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from credit_lab import history
from credit_lab.kpi import settlement
from credit_lab.ledger.model import Ledger
from credit_lab.policy import Policy, grade_of
from credit_lab.simulation.world import Customers, Floats, SimulationError, World

BANDS = np.array([-(10**6), -15, -5, -1, 2, 6, 16, 31, 61, 91, 181], dtype=np.int64)


@dataclass(frozen=True)
class Assumptions:
    """What the ledger cannot identify.

    Attributes
    ----------
    level_effect : factor on the hazard after each stage of collection, in order; `level_range` multiplies its excess
        over one in a scan
    elasticity : change of orders per day of term; `elasticity_range` for a scan
    """

    level_effect: tuple[float, ...] = (1.3, 1.6, 1.8, 2.0)
    level_range: tuple[float, float] = (0.0, 2.0)
    elasticity: float = 0.0
    elasticity_range: tuple[float, float] = (0.0, 0.004)

    def sentences(self) -> tuple[str, ...]:
        """To be printed beside every result."""
        factors = ", ".join(f"{factor:g}" for factor in self.level_effect)
        return (
            f"ASSUMED: stages of collection multiply the daily hazard of payment by {factors}; scanned from "
            f"{self.level_range[0]:g} to {self.level_range[1]:g} times the excess over one.",
            f"ASSUMED: orders change by {self.elasticity:.2%} per day of term; scanned from "
            f"{self.elasticity_range[0]:.2%} to {self.elasticity_range[1]:.2%}.",
            "ASSUMED: an order refused is lost; customers do not come back with it and do not leave for good.",
        )


@dataclass(frozen=True)
class Calibration:
    """A world and how sure it is.

    Attributes
    ----------
    world : at the estimates
    parameters : parameter, grade, band, estimate, standard_error, source (events and days or customers it rests on)
    paid, at_risk : payments and days at risk by grade and band
    defaults, years : default events and customer-years by grade
    orders, span_days : orders of each customer and days it was seen
    disputed, invoices : counts
    assumptions : `Assumptions`
    """

    world: World
    parameters: pd.DataFrame
    paid: Floats
    at_risk: Floats
    defaults: Floats
    years: Floats
    orders: Floats
    span_days: Floats
    disputed: int
    invoices: int
    assumptions: Assumptions

    def draw(self, number: int, *, seed: int) -> list[World]:
        """Worlds with parameters drawn from their uncertainty: gamma for rates of payment, default and orders, beta for
        disputes (conjugate, with half an event as prior)."""
        rng = np.random.default_rng(seed)
        found = []
        for _ in range(number):
            hazard = rng.gamma(self.paid + 0.5) / (self.at_risk + 0.5 / np.maximum(self.base(), 1e-9))
            default = rng.gamma(self.defaults + 0.5) / np.maximum(self.years, 1e-9)
            people = self.world.customers
            rate = rng.gamma(self.orders + 0.5) / np.maximum(self.span_days, 1.0)
            moved = replace(people, rate=rate, default_rate=default[people.grade])
            dispute = float(rng.beta(self.disputed + 0.5, self.invoices - self.disputed + 0.5))
            found.append(
                replace(self.world, customers=moved, hazard=_levels(hazard, self.assumptions), dispute_share=dispute)
            )
        return found

    def base(self) -> Floats:
        """Hazard of all grades together by band, towards which small cells lean."""
        return np.broadcast_to(
            self.paid.sum(axis=0) / np.maximum(self.at_risk.sum(axis=0), 1.0), self.paid.shape
        )  # fmt: skip


def calibrate(
    ledger: Ledger, policy: Policy, as_of: pd.Timestamp, *, assumptions: Assumptions | None = None, months: int = 24
) -> Calibration:
    """Learn a world from what was known at `as_of`.

    Parameters
    ----------
    policy : grades customers as of the day (by payment behaviour)
    months : of the past that are looked at

    Raises
    ------
    SimulationError
        Fewer than 50 settled invoices, or no customer with orders in the last twelve months.
    """
    assumptions = assumptions or Assumptions()
    past = history.build(ledger, as_of)
    last = past[past["month"] == past["month"].max()].reset_index(drop=True)
    grades = [grade.grade for grade in policy.grades.scale]
    number = {name: k for k, name in enumerate(grades)}
    active = last[last["sales_12m"] > 0].reset_index(drop=True)
    if active.empty:
        raise SimulationError(f"{ledger.source}: no customer has bought in the twelve months up to {as_of.date()}")
    grade = grade_of(policy, active["payment_index"], active["months_on_book"]).map(number).to_numpy(dtype=np.int64)
    code = pd.Series(grade, index=active["customer_id"])
    begin = as_of - pd.DateOffset(months=months)
    paid, at_risk, settled = _payments(ledger, as_of, begin, code, len(grades))
    if settled < 50:
        raise SimulationError(f"{ledger.source}: {settled} invoices settled in {months} months; at least 50 are needed")
    base = paid.sum(axis=0) / np.maximum(at_risk.sum(axis=0), 1.0)
    hazard = (paid + 0.5) / (at_risk + 0.5 / np.maximum(base, 1e-9))
    defaults, years = _defaults(past, policy, len(grades))
    default_rate = (defaults + 0.5) / np.maximum(years, 1e-9)
    invoices = ledger.invoices
    recent = invoices[
        (invoices["amount"] > 0)
        & (invoices["issue_date"] > as_of - pd.DateOffset(months=12))
        & (invoices["issue_date"] <= as_of)
    ]
    orders = active["customer_id"].map(recent.groupby("customer_id").size()).fillna(0).to_numpy(dtype=float)
    span = np.clip((active["months_on_book"].to_numpy() + 1) * 30.4, 30.0, 365.0)
    size = np.log(recent["amount"]).groupby(recent["customer_id"])
    pooled = float(size.std().median()) if len(recent) else 0.5
    spread = active["customer_id"].map(size.std()).fillna(pooled).clip(0.05, 2.0).to_numpy()
    mean = active["customer_id"].map(recent.groupby("customer_id")["amount"].mean()).fillna(recent["amount"].mean())
    facts = ledger.customers.set_index("customer_id")
    keys = pd.DataFrame({"grade": [grades[g] for g in grade]})
    for column in ("industry", "region"):
        keys[column] = active["customer_id"].map(facts[column]).fillna("").to_numpy() if column in facts else ""
    segments = keys.drop_duplicates(ignore_index=True)
    place = keys.merge(segments.assign(segment=range(len(segments))), how="left")["segment"].to_numpy(dtype=np.int64)
    disputed, count = _disputes(ledger, begin, as_of)
    people = Customers(
        active["customer_id"].to_numpy(dtype=object), grade, place, segments, (orders + 0.5) / span,
        mean.to_numpy(dtype=float) * 100, spread, default_rate[grade],
        (active["months_on_book"] < policy.grades.min_months).to_numpy(),
    )  # fmt: skip
    world = World(
        people, _levels(hazard, assumptions), BANDS, _season(past, as_of), dispute_share=disputed / max(count, 1),
        dispute_days=_dispute_days(ledger, as_of), recovery=_recovery(ledger, as_of),
        discount_taken=np.full(len(grades), 0.3),
    )  # fmt: skip
    parameters = _table(grades, paid, at_risk, hazard, defaults, years, default_rate, disputed, count)
    return Calibration(world, parameters, paid, at_risk, defaults, years, orders, span, disputed, count, assumptions)


def _levels(hazard: Floats, assumptions: Assumptions) -> Floats:
    """Hazard by grade, level and band."""
    factors = np.array([1.0, *assumptions.level_effect])
    return np.clip(hazard[:, None, :] * factors[None, :, None], 0.0, 0.97)


def _payments(
    ledger: Ledger, as_of: pd.Timestamp, begin: pd.Timestamp, grade: pd.Series, grades: int
) -> tuple[Floats, Floats, int]:
    """Payments and days at risk by grade and age band; an invoice written off counts until then, unpaid."""
    rows = settlement(ledger, as_of)
    rows = rows[rows["customer_id"].isin(grade.index) & (rows["issue_date"] >= begin)]
    g = rows["customer_id"].map(grade).to_numpy(dtype=np.int64)
    due = rows["due_date"].to_numpy().astype("datetime64[D]").astype(np.int64)
    start = rows["issue_date"].to_numpy().astype("datetime64[D]").astype(np.int64) + 1 - due
    over = rows["settled_on"].notna().to_numpy()
    stop = rows["settled_on"].fillna(rows["censored_on"]).to_numpy().astype("datetime64[D]").astype(np.int64) - due
    paid, at_risk = np.zeros((grades, len(BANDS))), np.zeros((grades, len(BANDS)))
    edges = np.append(BANDS, 10**6)
    for band in range(len(BANDS)):
        days = np.minimum(stop + 1, edges[band + 1]) - np.maximum(start, edges[band])
        np.add.at(at_risk[:, band], g, np.maximum(days, 0).astype(float))
        inside = over & (stop >= edges[band]) & (stop < edges[band + 1])
        np.add.at(paid[:, band], g[inside], 1.0)
    return paid, at_risk, int(over.sum())


def _defaults(past: pd.DataFrame, policy: Policy, grades: int) -> tuple[Floats, Floats]:
    """Default events (first month with a write-off) by the grade half a year before, and customer-years by grade.

    Customers slide down before they fail; the grade at which orders were still granted is the one that counts.
    """
    number = {item.grade: k for k, item in enumerate(policy.grades.scale)}
    events, years = np.zeros(grades), np.zeros(grades)
    rows = past.assign(
        then=grade_of(policy, past["payment_index"], past["months_on_book"]).map(number).to_numpy(dtype=np.int64)
    )
    first = rows[rows["written_off_12m"] > 0].groupby("customer_id")["month"].min().rename("failed")
    rows = rows.join(first, on="customer_id")
    alive = rows["failed"].isna() | (rows["month"] < rows["failed"])
    np.add.at(years, rows.loc[alive, "then"].to_numpy(), 1 / 12)
    before = rows[alive & rows["failed"].notna()]
    early = before[before["month"] <= before["failed"] - pd.DateOffset(months=6)]
    known = early.groupby("customer_id")["then"].last()
    young = before[~before["customer_id"].isin(known.index)].groupby("customer_id")["then"].first()
    np.add.at(events, np.concatenate([known.to_numpy(), young.to_numpy()]).astype(np.int64), 1.0)
    return events, np.maximum(years, 0.5)


def _season(past: pd.DataFrame, as_of: pd.Timestamp) -> Floats:
    """Factor on orders by calendar month over the last whole years, mean one; flat with less than a year."""
    months = past[past["month"] > as_of - pd.DateOffset(months=24)].groupby("month")["sales"].sum()
    if len(months) < 12:
        return np.ones(12)
    by = months.groupby(months.index.month).mean().reindex(range(1, 13)).ffill().bfill()
    return (by / by.mean()).to_numpy(dtype=float)


def _disputes(ledger: Ledger, begin: pd.Timestamp, as_of: pd.Timestamp) -> tuple[int, int]:
    invoices = ledger.invoices
    rows = invoices[(invoices["amount"] > 0) & invoices["issue_date"].between(begin, as_of)]
    if not ledger.has("disputes"):
        return 0, len(rows)
    known = ledger.tables["disputes"]
    return int(rows["invoice_id"].isin(known.loc[known["opened_on"] <= as_of, "invoice_id"]).sum()), len(rows)


def _dispute_days(ledger: Ledger, as_of: pd.Timestamp) -> int:
    if not ledger.has("disputes"):
        return 30
    known = ledger.tables["disputes"]
    closed = known[known["closed_on"] <= as_of]
    return max(round(float((closed["closed_on"] - closed["opened_on"]).dt.days.mean())), 1) if len(closed) else 30


def _recovery(ledger: Ledger, as_of: pd.Timestamp) -> float:
    """Recovered over written off so far; 0.2 where nothing was written off."""
    if not ledger.has("write_offs"):
        return 0.2
    rows = ledger.tables["write_offs"]
    rows = rows[rows["written_off_on"] <= as_of]
    gross = float(rows.loc[rows["amount"] > 0, "amount"].sum())
    return min(float(-rows.loc[rows["amount"] < 0, "amount"].sum()) / gross, 1.0) if gross > 0 else 0.2


def _table(
    grades: list[str], paid: Floats, at_risk: Floats, hazard: Floats, defaults: Floats, years: Floats,
    default_rate: Floats, disputed: int, count: int,
) -> pd.DataFrame:  # fmt: skip
    rows: list[tuple[str, str, str, float, float, str]] = []
    for g, name in enumerate(grades):
        for band in range(len(BANDS)):
            error = float(np.sqrt(paid[g, band] + 0.5) / max(at_risk[g, band], 1.0))
            source = f"{paid[g, band]:.0f} payments in {at_risk[g, band]:,.0f} days"
            label = "earlier" if band == 0 else f"from {BANDS[band]}"
            rows.append(("daily hazard of payment", name, label, float(hazard[g, band]), error, source))
        error = float(np.sqrt(defaults[g] + 0.5) / years[g])
        source = f"{defaults[g]:.0f} defaults in {years[g]:,.0f} customer-years"
        rows.append(("yearly default rate", name, "", float(default_rate[g]), error, source))
    share = disputed / max(count, 1)
    error = float(np.sqrt(share * (1 - share) / max(count, 1)))
    rows.append(("share disputed", "", "", share, error, f"{disputed:,} of {count:,} invoices"))
    return pd.DataFrame(rows, columns=["parameter", "grade", "band", "estimate", "standard_error", "source"])
