"""credit_lab: a research workbench for business-to-business trade credit (企业信用管理).

Point it at a receivables ledger and a credit policy; it tells what the policy does to turnover, cash and bad debt.
Rows of the house, imports pointing down only: report > backtest > scoring, limits > aging, kpi, history >
ledger, policy, synthetic > schema, periods, money, errors. `docs/architecture.md` draws it.
"""

__version__ = "0.1.0"
