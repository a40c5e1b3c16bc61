"""The quarterly credit-policy review as a record: every table the report shows, computed once, from
one ledger.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab import aging, history, knowledge, kpi, limits, money
from credit_lab.errors import MoneyNotKnown, NotKnown, PeriodError
from credit_lab.knowledge import (
    AGES,
    BEHAVIOUR,
    ESTIMATED,
    KNOWN,
    NOT_KNOWN,
    Knowledge,
)
from credit_lab.kpi.measures import FILLING, START_UP
from credit_lab.ledger import quarantine, reconcile
from credit_lab.ledger.model import OPEN_ITEMS, Ledger
from credit_lab.periods import Period, parse_period
from credit_lab.policy import Policy, in_currency
from credit_lab.studies.record import Record

# Settings it reads, see `rules.coverage`.
READS = (
    "risk_appetite.expected_loss_budget",
    "risk_appetite.single_name_cap",
    "risk_appetite.target_dso",
)
# Key figures that rest on how receipts are matched.
_ON_AGES = (
    *("dso.best_possible", "add", "cei", "cei.period", "overdue_ratio"),
    *("days_to_pay.km_median", "days_to_pay.closed_mean"),
)


@dataclass(frozen=True)
class Review(Record):
    """Tables of one review; amounts in `currency`, balances as of `as_of`, comparisons with the
    period before (`before`) and the same period last year (`year_before`).

    Attributes
    ----------
    control : as_of, currency, control, ledger, difference (control account against documents)
    identity : buckets, unapplied cash, credit notes and their sum beside the balance from the
        documents
    accounting, findings : what became of every row read, in figures and in sentences
    aging_now, aging_series : bucket table at as_of; one row per month end, 13 months
    kpi_series : month and one column per formula id, last 13 month ends,
        without the first four of the ledger
    kpis : `kpi.table`: each key figure with its window, the policy's target and both comparisons
    unmeasured : formula_id of each key figure without a value, and why it has none
    unmeasured_before : the same of the periods it is compared with: label → formula_id → why
    bridge : why receivables moved since the end of the period before (part, days, amount)
    balances, concentration, industries, regions : who owes how much
    overdue, changes : overdue invoices, oldest first; customers whose overdue amount moved most
    alerts : customers over a threshold of the policy's monitoring rules
    proposals : limits the policy proposes at as_of
    flows : monthly flows and balances
    marks : times in which the data mislead
    unwatched : indicators of the policy's rules that this ledger cannot feed, and why
    by_rule : what would be overdue if receipts were matched by the other rule (`kpi.by_rule`)
    knows : what the ledger can carry; what it cannot is left out (`Record.without`)
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
    unmeasured_before: dict[str, dict[str, str]]
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
    by_rule: pd.DataFrame
    knows: Knowledge

    @property
    def before(self) -> Period:
        """The period before, of the same length."""
        return self.period.previous()

    @property
    def year_before(self) -> Period:
        """The same period last year."""
        return self.period.year_before()

    @property
    def days(self) -> tuple[str, str]:
        """Last day of the period before and `as_of`."""
        return str(self.before.end.date()), str(self.as_of.date())

    @property
    def targets(self) -> dict[str, float]:
        """What the policy aims at, by formula id. The DSO is the one that does not swing with the
        season.
        """
        return _targets(self.policy)

    def figures(self) -> dict[str, tuple[float | None, str]]:
        """Key figures by formula id, with their unit; None where one cannot be computed."""
        rows = self.kpis[["formula_id", "value", "unit"]].itertuples(index=False, name=None)
        return {
            name: (float(value) if pd.notna(value) else None, unit) for name, value, unit in rows
        }


def _targets(policy: Policy) -> dict[str, float]:
    appetite = policy.risk_appetite
    return {
        "dso.countback": appetite.target_dso,
        "bad_debt_ratio.period": appetite.expected_loss_budget,
        "concentration.largest": appetite.single_name_cap,
    }


def review(ledger: Ledger, policy: Policy, period: str) -> Review:
    """Compute the review of `period` ("2025Q4") for a one-currency ledger under `policy`.

    Where the policy's amounts are not known in the ledger's currency there are no proposals, and no
    alerts on amounts; tables that the ledger cannot carry are left out (`Record.without`).

    Raises
    ------
    PeriodError
        The period is malformed, or the ledger has no document in it or before it.
    """
    window = parse_period(period)
    policy = in_currency(policy, ledger.currency)
    require_period(ledger, period)
    as_of = window.end
    buckets = aging.Buckets(policy.aging.edges, by=policy.aging.by)
    items = aging.open_items(ledger, as_of, buckets=buckets)
    flows = kpi.monthly(ledger, as_of)
    earlier = flows[flows["month"] <= window.previous().end]
    (now, why), past, older = (
        _figures(ledger, flows, one, buckets)
        for one in (window, window.previous(), window.year_before())
    )
    series = kpi.over_time(flows)
    balances = kpi.by_customer(ledger, items)
    knows = knowledge.of(ledger, policy, as_of)
    lacking = _lacking(knows, ledger)
    known = pd.DataFrame()
    if "alerts" not in lacking:
        try:
            known = history.build(ledger, as_of)
        except NotKnown as less:  # was known on the day than the books say of it by now
            lacking |= dict.fromkeys(("alerts", "proposals"), str(less))
    marks = ledger.windows
    made = Review(
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
        kpis=_stated(
            kpi.table(
                now,
                past.values,
                older.values,
                targets=_targets(policy),
                windows=kpi.windows(flows, window, now["dso.countback"]),
            ),
            knows,
        ),
        kpi_series=series[~series["month"].isin(flows["month"].head(START_UP))],
        unmeasured=why,
        unmeasured_before={
            window.previous().label: past.reasons,
            window.year_before().label: older.reasons,
        },
        bridge=pd.DataFrame() if "bridge" in lacking else _bridge(earlier, flows, ledger.currency),
        balances=_aged(balances, knows),
        concentration=kpi.concentration(balances),
        industries=_aged(kpi.by_group(ledger, balances, "industry"), knows),
        regions=_aged(kpi.by_group(ledger, balances, "region"), knows),
        overdue=kpi.overdue_items(items),
        changes=kpi.changes(_balances(ledger, window.previous().end, buckets), balances)
        if len(earlier)
        else pd.DataFrame(),
        alerts=_latest(known, policy),
        proposals=_proposals(ledger, known, policy),
        flows=flows.tail(25).reset_index(drop=True),
        marks=marks[(marks["start"] <= as_of) & (marks["end"] >= as_of - pd.DateOffset(months=13))],
        unwatched={
            rule.indicator: f"the ledger has no table {history.RESTS_ON[rule.indicator]}"
            for rule in policy.monitoring.alerts
            if not ledger.has(history.RESTS_ON.get(rule.indicator, "invoices"))
        },
        by_rule=kpi.by_rule(ledger, as_of),
        knows=knows,
    )
    return made.without(lacking)


def _aged(table: pd.DataFrame, knows: Knowledge) -> pd.DataFrame:
    """Balances without what is overdue of them, where ages are not known."""
    late = [name for name in table if name == "max_dpd" or str(name).startswith("overdue")]
    return table if knows.ages else table.assign(**dict.fromkeys(late, math.nan))


def _stated(table: pd.DataFrame, knows: Knowledge) -> pd.DataFrame:
    """Key figures with their state beside their value: known, estimated or not known."""
    state = np.where(
        table["formula_id"].isin(_ON_AGES) & (knows.basis(*AGES) != ""), ESTIMATED, KNOWN
    )
    state = np.where(table["value"].isna(), NOT_KNOWN, state)
    table.insert(table.columns.get_loc("value") + 1, "state", state)
    return table


def _lacking(knows: Knowledge, ledger: Ledger) -> dict[str, str]:
    """Fields of a review that the ledger cannot carry, and why."""
    rests = {
        ("balances are", "receipts"): ("balances", "concentration", "industries", "regions"),
        ("what is overdue is", *AGES): ("aging_now", "aging_series", "overdue", "changes"),
        ("the DSO of the past is", "receipts", "sales"): ("kpi_series",),
        ("why receivables moved is", *AGES, "sales"): ("bridge",),
        ("who pays how is", *BEHAVIOUR): ("alerts", "proposals"),
    }
    if ledger.form == OPEN_ITEMS and knows.ages:  # on the day of the list, and on no other
        rests["what was open earlier is", "settled"] = ("aging_series", "changes")
    found = {name: knows.lack(*of) for of, names in rests.items() for name in names}
    return {name: why for name, why in found.items() if why}


def _balances(ledger: Ledger, day: pd.Timestamp, buckets: aging.Buckets) -> pd.DataFrame:
    return kpi.by_customer(ledger, aging.open_items(ledger, day, buckets=buckets))


def _figures(
    ledger: Ledger, flows: pd.DataFrame, period: Period, buckets: aging.Buckets
) -> kpi.Measured:
    """Every key figure at the end of a period, from what was booked up to then."""
    rows = flows[flows["month"] <= period.end]
    if rows.empty:
        nothing = f"the books begin in {flows['month'].iloc[0]:%Y-%m}"
        return kpi.Measured(kpi.Kpis(), dict.fromkeys(kpi.FORMULAS, nothing))
    values, why = kpi.measured(ledger, rows)
    paid = kpi.days_to_pay(ledger, period.end, since=period.end - pd.DateOffset(months=12))
    shares = kpi.concentration(_balances(ledger, period.end, buckets)).set_index("measure")["value"]
    more = {
        "cei.period": kpi.kpis(rows, months=period.months)["cei"],
        "concentration.largest": shares["largest 1"] or math.nan,
        "days_to_pay.km_median": paid.median,
        "days_to_pay.closed_mean": paid.closed_mean,
    }
    reasons = {
        "cei.period": kpi.reasons(rows, months=period.months)["cei"],
        "concentration.largest": "no customer owes anything on balance",
        "days_to_pay.km_median": "less than half of the invoices are settled",
        "days_to_pay.closed_mean": "no invoice is settled",
    }
    told = knowledge.of(ledger, as_of=period.end)
    rests = {
        "cei.period": (*AGES, "sales"),
        "concentration.largest": ("receipts",),
        "days_to_pay.km_median": BEHAVIOUR,
        "days_to_pay.closed_mean": BEHAVIOUR,
    }
    lacking = {name: said for name, of in rests.items() if (said := told.why(*of))}
    more, reasons = more | dict.fromkeys(lacking, math.nan), reasons | lacking
    found = {**values, **more}
    why |= {name: reasons[name] for name, value in more.items() if math.isnan(value)}
    if len(rows) <= START_UP:
        filling = [name for name in found if name.startswith(FILLING)]
        found |= dict.fromkeys(filling, math.nan)
        reason = f"balances fill in the first {START_UP} months of the books"
        why |= {name: why.get(name, reason) for name in filling}
    order = [name for name in kpi.FORMULAS if name in found]
    return kpi.Measured(kpi.Kpis({name: found[name] for name in order}), why)


def _latest(past: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """`alerts` of the last month; none where there is no history."""
    if past.empty:
        return past
    return alerts(past[past["month"] == past["month"].max()].reset_index(drop=True), policy)


def _proposals(ledger: Ledger, past: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    if past.empty:
        return past
    month = past["month"].max()
    try:
        known = limits.comparison.evidence(ledger, past, policy, month)
        whole = history.looking_back(ledger, past, month)
        return limits.propose(whole, policy, month, evidence=known)
    except MoneyNotKnown:  # said by `policy.money_note`
        return limits.propose(past.head(0), policy.written, month)


def _bridge(earlier: pd.DataFrame, flows: pd.DataFrame, currency: str) -> pd.DataFrame:
    """`kpi.bridge` since the period before; empty where one of the two windows has no net sales, or
    the earlier one lies in months in which the books fill.
    """
    if len(earlier) <= START_UP:
        return pd.DataFrame()
    windows = kpi.window(earlier), kpi.window(flows)
    if not all(one["sales"] > 0 for one in windows):
        return pd.DataFrame()
    return kpi.bridge(*windows, currency)


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
