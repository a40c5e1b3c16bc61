"""Why DSO moved, with the mix of customers and the sales calendar taken out; the parts add up exactly."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from credit_lab import money
from credit_lab.errors import PeriodError
from credit_lab.kpi.flows import documented, monthly, unknown
from credit_lab.kpi.formulas import countback
from credit_lab.kpi.measures import window
from credit_lab.ledger.model import Ledger
from credit_lab.periods import takes_days

PARTS = ("terms", "delinquency", "calendar")


@takes_days
def by_segment(ledger: Ledger, last: pd.Timestamp, column: str) -> dict[str, pd.DataFrame]:
    """Monthly flows (`kpi.monthly`) of each segment of customers, all over the same months.

    Raises
    ------
    PeriodError
        customers has no such column.
    """
    if column not in ledger.customers:
        raise PeriodError(f"cannot group by {column!r}: customers has {', '.join(ledger.customers.columns)}")
    labels = ledger.customers[column].fillna("(none)")
    whole, lacking = monthly(ledger, last), dict.fromkeys(unknown(ledger, last), np.nan)
    flows = {}
    for label in sorted(labels.unique()):
        part = ledger.of_customers(ledger.customers.loc[labels == label, "customer_id"])
        if len(part.invoices) and part.invoices["issue_date"].min() <= last:
            own = documented(part, last).set_index("month").reindex(whole["month"])
            days = own.pop("days").fillna(whole.set_index("month")["days"])
            flows[str(label)] = own.fillna(0.0).assign(days=days, **lacking).reset_index()
    return flows


@takes_days
def dso_bridge(flows: Mapping[str, pd.DataFrame], before: pd.Timestamp, now: pd.Timestamp) -> pd.DataFrame:
    """Change of period-end DSO between two month ends, by cause and segment.

    With w = a segment's share of sales, D its DSO, C its countback DSO and q the share of its balance not yet due,
    D = C·q + C·(1 − q) + (D − C): terms, delinquency and calendar. The change of the whole is
    Σ w₁ (Δ terms + Δ delinquency + Δ calendar) + Σ (w₁ − w₀) D₀, the last being the mix. It adds up exactly.
    A balance at or below zero has no terms and no delinquency part.

    Parameters
    ----------
    flows : per segment, as `by_segment` gives them

    Returns
    -------
    DataFrame
        segment, terms, delinquency, calendar, mix, total (days); the last row is the sum, and its total is the change
        of dso.period_end of the whole ledger.

    Raises
    ------
    PeriodError
        A month end is not in the flows, or net sales of a window are not above zero.
    """
    old, new = _segments(flows, before), _segments(flows, now)
    rows = []
    for name in flows:
        w0, w1 = old[name]["weight"], new[name]["weight"]
        # A segment without sales has no DSO of its own; what its balance adds to the whole counts as mix.
        both = w0 > 0 and w1 > 0
        causes = {part: w1 * (new[name][part] - old[name][part]) if both else 0.0 for part in PARTS}
        mix = new[name]["days"] - old[name]["days"] - sum(causes.values())
        rows.append({"segment": name, **causes, "mix": mix, "total": sum(causes.values()) + mix})
    table = pd.DataFrame(rows)
    return pd.concat(
        [table, pd.DataFrame([{"segment": "all", **table.drop(columns="segment").sum()}])], ignore_index=True
    )


def _segments(flows: Mapping[str, pd.DataFrame], end: pd.Timestamp) -> dict[str, dict[str, float]]:
    ends = {name: rows[rows["month"] <= end] for name, rows in flows.items()}
    if not ends or any(rows.empty or rows["month"].iloc[-1] != end for rows in ends.values()):
        raise PeriodError(f"{end.date()} is no month end of these flows")
    windows = {name: window(rows) for name, rows in ends.items()}
    total = money.total(one["sales"] for one in windows.values())
    if not total > 0:
        raise PeriodError(f"net sales of the twelve months up to {end.date()} are not above zero")
    result = {}
    for name, one in windows.items():
        weight = max(one["sales"], 0.0) / total
        days = one["balance"] / total * one["days"]  # what the segment adds to the DSO of the whole
        if one["sales"] <= 0:
            result[name] = {"weight": 0.0, "days": days, **dict.fromkeys(PARTS, 0.0)}
            continue
        dso = one["balance"] / one["sales"] * one["days"]
        count = countback(max(one["balance"], 0.0), ends[name]["sales"], ends[name]["days"])
        count = dso if count != count else count  # NaN: the balance reaches beyond the data
        current = min(one["not_due"] / one["balance"], 1.0) if one["balance"] > 0 else 1.0
        parts = (count * current, count * (1 - current), dso - count)
        result[name] = {"weight": weight, "days": days, **dict(zip(PARTS, parts, strict=True))}
    return result
