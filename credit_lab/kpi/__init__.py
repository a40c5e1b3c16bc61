"""Row 3: key figures of receivables, each under its formula id."""

from credit_lab import lazy
from credit_lab.kpi.customers import by_customer, by_group, changes, concentration, overdue_items
from credit_lab.kpi.flows import by_rule, monthly
from credit_lab.kpi.formulas import FORMULAS
from credit_lab.kpi.measures import (
    Kpis,
    Measured,
    bridge,
    kpis,
    measured,
    over_time,
    reasons,
    table,
    window,
    windows,
)
from credit_lab.kpi.mix import by_segment, dso_bridge
from credit_lab.kpi.time_to_settle import DaysToPay, days_to_pay, settlement

__all__ = [
    "FORMULAS",
    "DaysToPay",
    "Kpis",
    "Measured",
    "bridge",
    "by_customer",
    "by_group",
    "by_rule",
    "by_segment",
    "changes",
    "concentration",
    "days_to_pay",
    "dso_bridge",
    "kpis",
    "measured",
    "monthly",
    "over_time",
    "overdue_items",
    "reasons",
    "settlement",
    "table",
    "window",
    "windows",
]

lazy.attach(__name__)
