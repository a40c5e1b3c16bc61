"""Alerts (预警): rules as data over the signal table, and what each rule would have been worth in the past.

A rule watches one signal against a threshold; it fires at the first month end at which the condition has held for its
window, and again only after the condition was gone. `backtest` holds the alerts against the defaults that followed:
precision, recall, lead time, workload; `cost_curve` prices every threshold.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from credit_lab.errors import CreditLabError, nearest
from credit_lab.ids import looked_up
from credit_lab.policy import Policy

# Settings it reads, see `rules.coverage`.
READS = (
    "monitoring.*",
    "default.impaired_days",
    "default.impaired_amount",
    "default.impaired_share",
    "default.month_ends",
    "economics.tax_rate",
)


class MonitoringError(CreditLabError):
    """Input of a monitoring function that cannot be used as it stands."""


@dataclass(frozen=True)
class Rule:
    """One early-warning rule.

    indicator : column of the signal table (`signals.build`)
    above, below : threshold, one of them
    window : month ends in a row on which the condition must hold
    severity : watch, act or stop
    owner : who gets the alert; action : what follows; minutes : work one alert takes
    """

    name: str
    indicator: str
    above: float | None = None
    below: float | None = None
    window: int = 1
    severity: Literal["watch", "act", "stop"] = "watch"
    owner: str = "credit analyst"
    action: str = "review the customer"
    minutes: float = 20.0

    def __post_init__(self) -> None:
        if (self.above is None) == (self.below is None):
            raise MonitoringError(f"alert rule {self.name!r}: give either above or below")
        if self.window < 1 or self.minutes < 0:
            raise MonitoringError(f"alert rule {self.name!r}: window must be at least 1 and minutes not below 0")

    @property
    def threshold(self) -> float:
        """The value compared with."""
        return float(self.above if self.above is not None else self.below)  # type: ignore[arg-type]

    def at(self, threshold: float) -> "Rule":
        """The same rule at another threshold."""
        return replace(self, above=threshold) if self.above is not None else replace(self, below=threshold)


READY_MADE: tuple[Rule, ...] = (
    Rule("delay beyond own habit (CUSUM)", "delay_cusum", above=4.0, severity="act", action="call, ask why"),
    Rule("delay beyond own habit (EWMA)", "delay_ewma", above=3.0, severity="watch"),
    Rule("open item late beyond habit", "open_delay", above=3.0, severity="act", owner="collector", action="call"),
    Rule("overdue share", "overdue_share", above=0.5, window=2, severity="act", action="hold new orders"),
    Rule("utilisation", "utilisation", above=1.0, severity="act", owner="credit manager", action="hold or raise"),
    Rule("broken promises", "broken_promises", above=1.0, severity="act", owner="collector", action="escalate"),
    Rule("dispute surge", "dispute_share", above=0.15, owner="sales", action="settle the disputes with quality"),
    Rule("order surge", "order_surge", above=3.0, owner="credit manager", action="ask what the goods are for"),
    Rule("grade drop", "grade_drop", above=1.5, severity="act", action="review the limit"),
    Rule("negative register news", "negative_news", above=0.0, severity="stop", owner="credit manager", action="stop"),
    Rule("stale file", "stale_months", above=12.0, action="refresh the credit file", minutes=60),
    Rule("statement difference", "statement_difference", above=0.05, owner="accounts", action="reconcile"),
    Rule("industry index", "industry_index", below=-8.0, owner="credit manager", action="review the industry's limits"),
)


def from_policy(policy: Policy, *, owner: str = "credit analyst") -> tuple[Rule, ...]:
    """The rules of a policy file's [monitoring] section, without those whose threshold is not known."""
    return tuple(
        Rule(
            f"{alert.indicator} {'above' if alert.above is not None else 'below'} "
            f"{alert.above if alert.above is not None else alert.below:g}",
            alert.indicator,
            above=alert.above,
            below=alert.below,
            severity=alert.severity,
            owner=owner,
            action=alert.action,
        )
        for alert in policy.monitoring.alerts
        if alert.known
    )


def fire(signals: pd.DataFrame, rules: tuple[Rule, ...]) -> pd.DataFrame:
    """Alerts of all rules, first month of each episode.

    Returns month, customer_id, rule, indicator, value, threshold, severity, owner, action, minutes; worst severity
    first within a month.

    Raises
    ------
    MonitoringError
        A rule watches a column that is not there.
    """
    parts = []
    for rule in rules:
        if rule.indicator not in signals:
            raise MonitoringError(
                f"alert rule {rule.name!r}: no indicator {rule.indicator!r}; {nearest(rule.indicator, signals.columns)}"
            )
        rows = signals[_onset(signals, rule)]
        parts.append(
            pd.DataFrame(
                {
                    "month": rows["month"],
                    "customer_id": rows["customer_id"],
                    "rule": rule.name,
                    "indicator": rule.indicator,
                    "value": rows[rule.indicator].astype(float),
                    "threshold": rule.threshold,
                    "severity": rule.severity,
                    "owner": rule.owner,
                    "action": rule.action,
                    "minutes": rule.minutes,
                }
            )
        )
    whole = pd.concat(parts, ignore_index=True)
    order = whole["severity"].map({"stop": 0, "act": 1, "watch": 2})
    whole = whole.assign(order=order).sort_values(["month", "order", "customer_id", "rule"], kind="stable")
    return whole.drop(columns="order").reset_index(drop=True)


def _onset(signals: pd.DataFrame, rule: Rule) -> np.ndarray:
    value = signals[rule.indicator].to_numpy(dtype=float)
    with np.errstate(invalid="ignore"):
        met = value > rule.threshold if rule.above is not None else value < rule.threshold
    order = np.lexsort((signals["month"].to_numpy(), pd.factorize(signals["customer_id"])[0]))
    who = signals["customer_id"].to_numpy()[order]
    run = 0
    first = np.zeros(len(met), dtype=bool)
    previous = None
    for place, name in zip(order, who, strict=True):
        run = (run + 1 if name == previous else 1) if met[place] else 0
        first[place] = run == rule.window
        previous = name
    return first


@dataclass(frozen=True)
class Backtest:
    """What the rules would have been worth.

    rules : rule, severity, alerts (judged: horizon over), true (a default followed within the horizon),
        precision, defaults (events with months before them to be warned in), warned, recall, lead_median_days,
        lead_p25_days, alerts_per_week, minutes_per_week, base_rate (share of all judged customer-months followed by
        a default: the precision of alerts drawn by lot); the last row, "any of them", takes the rules together
    leads : rule, customer_id, default_on, first_alert, lead_days, of the defaults that were warned of
    """

    rules: pd.DataFrame
    leads: pd.DataFrame


def defaults(signals: pd.DataFrame, event: str = "impaired") -> pd.DataFrame:
    """First default of each customer as the ledger shows it: customer_id, default_on.

    Parameters
    ----------
    signals : of `signals.build`
    event : impaired, or failed (`rules.default`): a state of the history
    """
    first = signals[signals[event]].groupby("customer_id")["month"].min()
    return first.rename("default_on").reset_index()


def _default_of(customers: pd.Series, events: pd.DataFrame) -> pd.Series:
    """Day of each customer's default; missing where it has none."""
    return looked_up(customers, events.set_index("customer_id")["default_on"])


def backtest(
    signals: pd.DataFrame, rules: tuple[Rule, ...], events: pd.DataFrame, *, horizon_days: int = 365
) -> Backtest:
    """Hold alerts against the defaults that followed within `horizon_days`.

    Customers count until their default; alerts after it, or on its very day, warn of nothing and are left out. Alerts
    whose horizon is not over are not judged, even if a default has come: those without one cannot be judged yet, so
    that counting the others would flatter the rule.

    Parameters
    ----------
    events : customer_id, default_on (one per customer, from `defaults` or known from outside)
    """
    if events["customer_id"].duplicated().any():
        raise MonitoringError("alerts.backtest: events hold a customer twice; give the first default of each")
    last = signals["month"].max()
    day = _default_of(signals["customer_id"], events)
    before = day.isna() | (signals["month"] < day)
    alive = signals[before].assign(default_on=day[before])
    horizon = pd.Timedelta(days=horizon_days)
    followed = alive["default_on"].notna() & (alive["default_on"] - alive["month"] <= horizon)
    judged = alive["month"] + horizon <= last
    base = float(followed[judged].mean()) if judged.any() else float("nan")
    warnable = alive[alive["default_on"].notna()].groupby("customer_id")["default_on"].first()
    weeks = max((last - signals["month"].min()).days / 7, 1.0)
    rows, leads = [], []
    for rule in rules:
        fired = fire(alive, (rule,)).merge(
            alive[["customer_id", "month", "default_on"]], on=["customer_id", "month"], how="left"
        )
        hit = fired["default_on"].notna() & (fired["default_on"] - fired["month"] <= horizon)
        known = fired["month"] + horizon <= last
        first = fired[hit].groupby("customer_id")["month"].min()
        lead = (warnable.reindex(first.index) - first).dt.days
        leads.append(
            pd.DataFrame(
                {
                    "rule": rule.name,
                    "customer_id": first.index,
                    "default_on": warnable.reindex(first.index).to_numpy(),
                    "first_alert": first.to_numpy(),
                    "lead_days": lead.to_numpy(),
                }
            )
        )
        rows.append(
            {
                "rule": rule.name,
                "severity": rule.severity,
                "alerts": int(known.sum()),
                "true": int((hit & known).sum()),
                "precision": float((hit & known).sum() / known.sum()) if known.any() else np.nan,
                "defaults": len(warnable),
                "warned": len(first),
                "recall": len(first) / len(warnable) if len(warnable) else np.nan,
                "lead_median_days": float(lead.median()) if len(lead) else np.nan,
                "lead_p25_days": float(lead.quantile(0.25)) if len(lead) else np.nan,
                "alerts_per_week": len(fired) / weeks,
                "minutes_per_week": len(fired) / weeks * rule.minutes,
                "base_rate": base,
            }
        )
    lead_table, table = pd.concat(leads, ignore_index=True), pd.DataFrame(rows)
    return Backtest(pd.concat([table, _any(table, lead_table)], ignore_index=True), lead_table)


def _any(table: pd.DataFrame, leads: pd.DataFrame) -> pd.DataFrame:
    """The rules taken together: earliest alert per default, sums of work."""
    first = leads.groupby("customer_id")["lead_days"].max()
    alerts, true, defaults_ = int(table["alerts"].sum()), int(table["true"].sum()), int(table["defaults"].iloc[0])
    return pd.DataFrame(
        {
            "rule": ["any of them"],
            "severity": ["any"],
            "alerts": [alerts],
            "true": [true],
            "precision": [true / alerts if alerts else np.nan],
            "defaults": [defaults_],
            "warned": [len(first)],
            "recall": [len(first) / defaults_ if defaults_ else np.nan],
            "lead_median_days": [float(first.median()) if len(first) else np.nan],
            "lead_p25_days": [float(first.quantile(0.25)) if len(first) else np.nan],
            "alerts_per_week": [table["alerts_per_week"].sum()],
            "minutes_per_week": [table["minutes_per_week"].sum()],
            "base_rate": [table["base_rate"].iloc[0]],
        }
    )


@dataclass(frozen=True)
class Prices:
    """What alerts cost: an hour of work, and the share of the exposure at default that a warning saves (an assumption,
    to be scanned), with the loss given default it is taken from."""

    hour: float = 200.0
    saved_share: float = 0.3
    loss_given_default: float = 0.6


def cost_curve(
    signals: pd.DataFrame,
    rule: Rule,
    events: pd.DataFrame,
    thresholds: np.ndarray,
    *,
    prices: Prices | None = None,
    horizon_days: int = 365,
) -> pd.DataFrame:
    """Cost of each threshold: work on all alerts plus losses that no alert came in time to lessen.

    Returns threshold, alerts, precision, recall, work, missed_loss, cost, chosen (the cheapest; at equal cost the one
    with fewer alerts) and at_edge (the cheapest is the first or last threshold tried: try further). Exposure at
    default is the customer's open amount at the last month end before it.
    """
    prices = prices or Prices()
    day = _default_of(signals["customer_id"], events)
    near = signals[day.notna() & (signals["month"] < day)].sort_values("month").groupby("customer_id")["open"].last()
    saving = near * prices.loss_given_default * prices.saved_share
    rows = []
    for threshold in thresholds:
        found = backtest(signals, (rule.at(float(threshold)),), events, horizon_days=horizon_days)
        row = found.rules.iloc[0]
        warned = saving.reindex(found.leads["customer_id"]).sum()
        work = row["alerts"] * rule.minutes / 60 * prices.hour
        missed = float(saving.sum() - warned)
        rows.append(
            (float(threshold), int(row["alerts"]), row["precision"], row["recall"], work, missed, work + missed)
        )
    table = pd.DataFrame(rows, columns=["threshold", "alerts", "precision", "recall", "work", "missed_loss", "cost"])
    best = table.sort_values(["cost", "alerts"], kind="stable").index[0]
    at_edge = best in (table["threshold"].idxmin(), table["threshold"].idxmax())
    return table.assign(chosen=table.index == best, at_edge=at_edge)
