"""credit_lab: a research workbench for business-to-business trade credit (企业信用管理).

Point it at a receivables ledger and a credit policy; it tells what the policy does to turnover, cash and bad debt.
Rows of the house, imports pointing down only: cockpit > publish > figures > studies > backtest > scoring, limits,
evaluation > aging, kpi, history > inputs > ledger, policy > schema, periods, money, as docs/architecture.md draws.

>>> import credit_lab as cl
>>> rules = cl.policy.load("data/policies/2025-baseline.toml")  # a package is loaded when it is first used
"""

from credit_lab import lazy

__version__ = "0.1.0"
__all__ = [
    "aging",
    "backtest",
    "cockpit",
    "collection",
    "errors",
    "evaluation",
    "facts",
    "figures",
    "financials",
    "governance",
    "history",
    "inputs",
    "investigation",
    "knowledge",
    "kpi",
    "language",
    "ledger",
    "limits",
    "money",
    "monitoring",
    "payment_behaviour",
    "periods",
    "policy",
    "progress",
    "publish",
    "rules",
    "schema",
    "scoring",
    "simulation",
    "spreadsheet",
    "studies",
    "synthetic",
    "transfer",
    "when",
    "workbench",
]


lazy.attach(__name__)
