"""Cash to come: weeks and months with intervals, and how good such forecasts were."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab import aging, knowledge, money
from credit_lab.collection import (
    cash_forecast,
    payment_time,
    spells,
    tuning,
)
from credit_lab.collection.cells import CollectionError
from credit_lab.collection.habits import Habit
from credit_lab.ledger.model import Ledger
from credit_lab.studies.record import Record

COLUMNS = ("amount", "disputed")


OWN = ("past_median",)


@dataclass(frozen=True)
class CashOutlook(Record, prefix="cash_"):
    """Cash to come, and how good such forecasts were.

    Attributes
    ----------
    weekly, monthly : total per period, see `cash_forecast.CashForecast`
    by_customer : customers with most cash expected: customer_id, mean, p10, p50, p90 over the weeks
        shown
    tracked : accuracy of the same forecast made at earlier days, by day and in all; `alone` the
        same with independent items instead of common shocks
    past : the earlier forecasts themselves
    model : levels of the payment hazard with standard errors clustered by customer
    shocks : size of the common and of the customers' shocks
    notes : sentences on what the forecast rests on
    """

    as_of: pd.Timestamp
    weekly: pd.DataFrame
    monthly: pd.DataFrame
    by_customer: pd.DataFrame
    tracked: pd.DataFrame
    alone: pd.DataFrame
    past: pd.DataFrame
    model: pd.DataFrame
    shocks: cash_forecast.Shocks
    notes: tuple[str, ...]


def cash_outlook(
    ledger: Ledger,
    as_of: pd.Timestamp,
    *,
    weeks: int = 13,
    months: int = 6,
    origins: int = 8,
    replicates: int = 500,
    seed: int = 1,
) -> CashOutlook:
    """Weekly and monthly cash from open items and sales to come, with a walk-forward check.

    Parameters
    ----------
    origins : so many earlier days, two weeks apart, each judged by the six weeks after it that are
        known

    Raises
    ------
    CollectionError
        Nothing issued, or nothing open, by then.
    NotKnown
        The ledger cannot say when customers pay.
    """
    knowledge.of(ledger, as_of=as_of).need("when customers pay is", *knowledge.BEHAVIOUR)
    known = spells.build(ledger, as_of)
    habit, tuned = _habit(known)
    model = payment_time.fit(known.table, COLUMNS, own=OWN, habit=habit)
    shocks = cash_forecast.learn_shocks(model, known)
    rng, sales = np.random.default_rng(seed), cash_forecast.Sales(13)
    how = {"rng": rng, "shocks": shocks, "sales": sales, "replicates": replicates}
    weekly = cash_forecast.forecast(
        model,
        known,
        cash_forecast.period_ends(as_of, weeks),
        customers=True,
        **how,  # type: ignore[arg-type]
    )
    monthly = cash_forecast.forecast(
        model,
        known,
        cash_forecast.period_ends(as_of, months, freq="ME"),
        **how,  # type: ignore[arg-type]
    )
    past = _past_forecasts(ledger, as_of, habit, origins, replicates, seed)
    tracked = (
        {kind: cash_forecast.track(part) for kind, part in past.groupby("kind")}
        if len(past)
        else {}
    )
    customers = weekly.by_customer.groupby("customer_id", as_index=False)["mean"].sum()
    customers = customers.sort_values("mean", ascending=False, ignore_index=True).rename(
        columns={"mean": "expected"}
    )
    errors = model.hazard.clustered_errors(known.table)
    return CashOutlook(
        as_of,
        weekly.total,
        monthly.total,
        customers,
        tracked.get("shocks", pd.DataFrame()),
        tracked.get("alone", pd.DataFrame()),
        past,
        model.hazard.table(errors),
        shocks,
        tuple(_cash_notes(known, shocks, tuned, past)),
    )


def falls_due(ledger: Ledger, as_of: pd.Timestamp, *, weeks: int = 13) -> pd.DataFrame:
    """What falls due, which is known of any list of open items, and no forecast of receipts.

    Parameters
    ----------
    ledger : one currency
    as_of : what is open on this day
    weeks : so many weeks ahead

    Returns
    -------
    DataFrame
        when (overdue; week to a Sunday; later), items, amount (open invoices, currency units; they
        add up to what is open).

    Raises
    ------
    NotKnown
        The ledger cannot say what is open.
    """
    knowledge.of(ledger, as_of=as_of).need("what falls due is", *knowledge.AGES)
    items = aging.only_invoices(aging.open_items(ledger, as_of))
    ends = cash_forecast.period_ends(as_of, weeks)
    names = ["overdue", *(f"week to {end.date()}" for end in ends), "later"]
    at = np.searchsorted(ends.to_numpy(), items["due_date"].to_numpy()) + 1
    when = pd.Series(np.where(items["days"] > 0, 0, at), index=items.index)
    amount = money.added(items["open_amount"], when, ledger.currency).reindex(range(len(names)))
    count = when.value_counts().reindex(range(len(names)), fill_value=0)
    columns = {"when": names, "items": count.to_numpy(), "amount": amount.fillna(0.0).to_numpy()}
    return pd.DataFrame(columns)


def _habit(known: spells.Spells) -> tuple[Habit, bool]:
    try:
        return tuning.tune(known, COLUMNS, own=OWN, grid=tuning.GRID[::4]).habit, True
    except CollectionError:
        return Habit(), False


def _receipts(ledger: Ledger) -> pd.Series:
    """Money received a day."""
    return ledger.payments.groupby("paid_date")["amount"].sum().sort_index()


def _past_forecasts(
    ledger: Ledger, as_of: pd.Timestamp, habit: Habit, origins: int, replicates: int, seed: int
) -> pd.DataFrame:
    """Forecasts from earlier days with what was known then, beside what came."""
    receipts = _receipts(ledger)
    rows, sales = [], cash_forecast.Sales(13)
    for back in range(origins, 0, -1):
        origin = as_of - pd.Timedelta(days=42 + 14 * (back - 1))
        if origin - ledger.invoices["issue_date"].min() < pd.Timedelta(days=180):
            continue  # too little past for the sales that are drawn from and the shocks
        then = ledger.known_by(origin)
        known = spells.build(then, origin)
        model = payment_time.fit(known.table, COLUMNS, own=OWN, habit=habit)
        ends = cash_forecast.period_ends(origin, 6)
        ends = ends[ends <= as_of]
        starts = [origin, *ends[:-1]]
        seen = [
            float(receipts[(receipts.index > a) & (receipts.index <= b)].sum())
            for a, b in zip(starts, ends, strict=True)
        ]
        for kind in ("shocks", "alone"):
            shocks = (
                cash_forecast.learn_shocks(model, known)
                if kind == "shocks"
                else cash_forecast.Shocks.none()
            )
            found = cash_forecast.forecast(
                model,
                known,
                ends,
                rng=np.random.default_rng([seed, back]),
                shocks=shocks,
                sales=sales,
                replicates=replicates,
            )
            rows.append(
                found.total.assign(
                    kind=kind,
                    made_on=origin,
                    observed=seen,
                    naive=cash_forecast.naive_forecast(_receipts(then), ends, as_of=origin),
                    customer_median=cash_forecast.customer_median_forecast(
                        known, ends, sales=sales
                    ),
                )
            )
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()


def _cash_notes(
    known: spells.Spells, shocks: cash_forecast.Shocks, tuned: bool, past: pd.DataFrame
) -> list[str]:
    notes = [
        f"Payment times were learned from {known.table['invoice_id'].nunique():,} invoices; "
        f"{known.left_out:,} paid before they were issued are left out.",
        "Weeks differ by more than chance: shocks common to all customers have a size of "
        f"{shocks.period:.0%}, of one customer {shocks.customer_period:.0%}.",
        "Sales to come repeat the last 13 weeks, drawn week by week; a plan of sales makes this "
        "better.",
    ]
    if not tuned:
        notes.append(
            "The ledger is too short to tune how much a customer's own habit counts; the default "
            "is used."
        )
    if past.empty:
        notes.append(
            "The ledger is too short to judge earlier forecasts: the intervals are unproven here."
        )
    return notes
