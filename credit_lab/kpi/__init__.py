"""Row 2: key figures of receivables, each under its formula id."""

from credit_lab.kpi.days_to_pay import DaysToPay, days_to_pay, settlement
from credit_lab.kpi.flows import monthly
from credit_lab.kpi.formulas import FORMULAS
from credit_lab.kpi.measures import bridge, kpis, table, window

__all__ = ["FORMULAS", "DaysToPay", "bridge", "days_to_pay", "kpis", "monthly", "settlement", "table", "window"]
