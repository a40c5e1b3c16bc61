"""The quarterly credit-policy review as a record: every table the report shows, computed once, from
one ledger.
"""

import math
from dataclasses import dataclass

import pandas as pd

from credit_lab import aging, history, kpi, limits, money
from credit_lab.errors import MoneyNotKnown, PeriodError
from credit_lab.ledger import quarantine, reconcile
from credit_lab.ledger.model import Ledger
from credit_lab.periods import Period, parse_period
from credit_lab.policy import Policy, in_currency
from credit_lab.studies.record import Record

_START_UP = 4  # months in which books that begin empty fill; their DSO is not comparable


@dataclass(frozen=True)
class Review(Record):
    """Tables of one review; amounts in `currency`, balances as of `as_of`, comparisons with the
    period before.

    Attributes
    ----------
    control : as_of, currency, control, ledger, difference (control account against documents)
    identity : buckets, unapplied cash, credit notes and their sum beside the balance from the
        documents
    accounting, findings : what became of every row read, in figures and in sentences
    aging_now, aging_series : bucket table at as_of; one row per month end, 13 months
    kpi_series : month and one column per formula id, last 13 month ends,
        without the first four of the ledger
    kpis : formula_id, name, unit, value, previous, change, formula
    unmeasured : formula_id of each key figure without a value, and why it has none
    bridge : why receivables moved since the period before (part, days, amount)
    balances, concentration, industries, regions : who owes how much
    overdue, changes : overdue invoices, oldest first; customers whose overdue amount moved most
    alerts : customers over a threshold of the policy's monitoring rules
    proposals : limits the policy proposes at as_of
    flows : monthly flows and balances
    marks : times in which the data mislead
    unwatched : indicators of the policy's rules that this ledger cannot feed, and why
    """

    period: Period
    as_of: pd.Timestamp
    currency: str
    source: str
    policy: Policy
    control: pd.DataFrame
    identity: pd.DataFrame
    accounting: pd.DataFrame
    findings: tuple[str, ...]
    aging_now: pd.DataFrame
    aging_series: pd.DataFrame
    kpis: pd.DataFrame
    kpi_series: pd.DataFrame
    unmeasured: dict[str, str]
    bridge: pd.DataFrame
    balances: pd.DataFrame
    concentration: pd.DataFrame
    industries: pd.DataFrame
    regions: pd.DataFrame
    overdue: pd.DataFrame
    changes: pd.DataFrame
    alerts: pd.DataFrame
    proposals: pd.DataFrame
    flows: pd.DataFrame
    marks: pd.DataFrame
    unwatched: dict[str, str]

    def figures(self) -> dict[str, tuple[float | None, str]]:
        """Key figures by formula id, with their unit; None where one cannot be computed."""
        rows = self.kpis[["formula_id", "value", "unit"]].itertuples(index=False, name=None)
        return {
            name: (float(value) if pd.notna(value) else None, unit) for name, value, unit in rows
        }


def review(ledger: Ledger, policy: Policy, period: str) -> Review:
    """Compute the review of `period` ("2025Q4") for a one-currency ledger under `policy`.

    Where the policy's amounts are not known in the ledger's currency there are no proposals, and no
    alerts on amounts.

    Raises
    ------
    PeriodError
        The period is malformed, or the ledger has no document in it or before it.
    """
    window = parse_period(period)
    policy = in_currency(policy, ledger.currency)
    require_period(ledger, period)
    as_of, before = window.end, window.previous().end
    buckets = aging.Buckets(policy.aging.edges, by=policy.aging.by)
    items = aging.open_items(ledger, as_of, buckets=buckets)
    flows = kpi.monthly(ledger, as_of)
    earlier = flows[flows["month"] <= before]
    now, why = kpi.measured(ledger, flows)
    past = kpi.measured(ledger, earlier)[0] if len(earlier) else None
    balances = kpi.by_customer(ledger, items)
    old = aging.open_items(ledger, before, buckets=buckets) if len(earlier) else items[:0]
    known = history.build(ledger, as_of)
    latest = known[known["month"] == known["month"].max()].reset_index(drop=True)
    paid = kpi.days_to_pay(ledger, as_of, since=as_of - pd.DateOffset(months=12))
    now |= {"days_to_pay.km_median": paid.median, "days_to_pay.closed_mean": paid.closed_mean}
    if math.isnan(paid.median):
        why["days_to_pay.km_median"] = "less than half of the invoices are settled"
    if math.isnan(paid.closed_mean):
        why["days_to_pay.closed_mean"] = "no invoice is settled"
    marks = ledger.windows
    return Review(
        period=window,
        as_of=as_of,
        currency=ledger.currency,
        source=ledger.source,
        policy=policy,
        control=_control(ledger, as_of),
        identity=_identity(ledger, items, as_of, buckets),
        accounting=ledger.accounting,
        findings=tuple(quarantine.describe(ledger.quarantine)),
        aging_now=aging.bucket_table(items, ledger.currency, buckets=buckets),
        aging_series=aging.series(ledger, flows["month"].tail(13), buckets=buckets),
        kpis=kpi.table(now, past),
        kpi_series=kpi.over_time(flows, last=min(13, max(len(flows) - _START_UP, 2))),
        unmeasured=why,
        bridge=_bridge(earlier, flows),
        balances=balances,
        concentration=kpi.concentration(balances),
        industries=kpi.by_group(ledger, balances, "industry"),
        regions=kpi.by_group(ledger, balances, "region"),
        overdue=kpi.overdue_items(items),
        changes=kpi.changes(kpi.by_customer(ledger, old), balances)
        if len(earlier)
        else pd.DataFrame(),
        alerts=alerts(latest, policy),
        proposals=_proposals(ledger, known, policy),
        flows=flows.tail(25).reset_index(drop=True),
        marks=marks[(marks["start"] <= as_of) & (marks["end"] >= as_of - pd.DateOffset(months=13))],
        unwatched={
            rule.indicator: f"the ledger has no table {history.RESTS_ON[rule.indicator]}"
            for rule in policy.monitoring.alerts
            if not ledger.has(history.RESTS_ON.get(rule.indicator, "invoices"))
        },
    )


def _proposals(ledger: Ledger, past: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    month = past["month"].max()
    try:
        known = limits.comparison.evidence(ledger, past, policy, month)
        whole = history.looking_back(ledger, past, month)
        return limits.propose(whole, policy, month, evidence=known)
    except MoneyNotKnown:  # said by `policy.money_note`
        return limits.propose(past.head(0), policy.written, month)


def _bridge(earlier: pd.DataFrame, flows: pd.DataFrame) -> pd.DataFrame:
    """`kpi.bridge` since the period before; empty where one of the two windows has no net sales."""
    if earlier.empty:
        return pd.DataFrame()
    windows = kpi.window(earlier), kpi.window(flows)
    return kpi.bridge(*windows) if all(one["sales"] > 0 for one in windows) else pd.DataFrame()


def require_period(ledger: Ledger, period: str) -> None:
    """Refuse a period in which no invoice was issued, with the span of the data.

    Raises
    ------
    PeriodError
        There is none.
    """
    window = parse_period(period)
    days = ledger.invoices["issue_date"]
    if not days.between(window.start, window.end).any():
        held = f"{days.min().date()} to {days.max().date()}" if len(days) else "no invoices at all"
        raise PeriodError(
            f"{window.label}: no invoice was issued in it; {ledger.source} holds {held}"
        )


def _control(ledger: Ledger, as_of: pd.Timestamp) -> pd.DataFrame:
    """Control account against documents at the last 13 dates up to `as_of`."""
    control = reconcile.against_control(ledger)
    return control[control["as_of"] <= as_of].tail(13) if len(control) else control


def _identity(
    ledger: Ledger, items: pd.DataFrame, as_of: pd.Timestamp, buckets: aging.Buckets
) -> pd.DataFrame:
    """Buckets + unapplied cash + credit notes against the balance from the documents; the
    difference must be 0.00.

    Added and compared in minor units: sums of floats would differ by their rounding.
    """
    sums = aging.bucket_sums(items, ledger.currency, buckets=buckets)["minor"].to_numpy()
    from_documents = reconcile.balance_minor(ledger, as_of)
    lines = {
        "open invoices, all buckets": sums[:-2].sum(),
        "unapplied cash": sums[-2],
        "credit notes": sums[-1],
        "sum": sums.sum(),
        "balance from documents": from_documents,
        "difference": sums.sum() - from_documents,
    }
    amounts = money.from_minor(list(lines.values()), ledger.currency)
    return pd.DataFrame({"line": list(lines), "amount": amounts})


def alerts(latest: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """Customers over a threshold of the policy's monitoring rules at one month end.

    Returns indicator, threshold, severity, action, customer_id, value, exposure; most severe and
    largest first.
    """
    parts = []
    for rule in (one for one in policy.monitoring.alerts if one.known):
        if rule.indicator not in latest:
            raise PeriodError(
                f"policy {policy.meta.id}: no indicator {rule.indicator!r} in the history table"
            )
        value = latest[rule.indicator]
        hit = latest[value > rule.above if rule.above is not None else value < rule.below]
        parts.append(
            pd.DataFrame(
                {
                    "indicator": rule.indicator,
                    "threshold": f"> {rule.above:g}"
                    if rule.above is not None
                    else f"< {rule.below:g}",
                    "severity": rule.severity,
                    "action": rule.action,
                    "customer_id": hit["customer_id"],
                    "value": hit[rule.indicator].astype("float64"),
                    "exposure": hit["exposure"],
                }
            )
        )
    whole = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    rank = whole["severity"].map({"stop": 0, "act": 1, "watch": 2})
    ordered = whole.assign(rank=rank).sort_values(
        ["rank", "exposure", "customer_id"], ascending=[True, False, True]
    )
    return ordered.drop(columns="rank").reset_index(drop=True)
