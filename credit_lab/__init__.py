"""credit_lab: a research workbench for business-to-business trade credit (企业信用管理).

Point it at a receivables ledger and a credit policy; it tells what the policy does to turnover, cash and bad debt.
Rows of the house, imports pointing down only: cockpit > report > backtest > scoring, limits, evaluation > aging,
kpi, history, investigation > ledger, policy, synthetic > schema, periods, money, errors, as docs/architecture.md draws.

>>> import credit_lab as cl
>>> rules = cl.policy.load("data/policies/2025-baseline.toml")  # a package is loaded when it is first used
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = [
    "aging", "backtest", "cockpit", "collection", "errors", "evaluation", "financials", "governance", "history",
    "investigation", "kpi", "ledger", "limits", "money", "monitoring", "payment_behaviour", "periods", "policy",
    "progress", "report", "schema", "scoring", "simulation", "spreadsheet", "synthetic", "transfer",
]  # fmt: skip

if TYPE_CHECKING:
    from credit_lab import (
        aging,
        backtest,
        cockpit,
        collection,
        errors,
        evaluation,
        financials,
        governance,
        history,
        investigation,
        kpi,
        ledger,
        limits,
        money,
        monitoring,
        payment_behaviour,
        periods,
        policy,
        progress,
        report,
        schema,
        scoring,
        simulation,
        spreadsheet,
        synthetic,
        transfer,
    )


def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module(f"credit_lab.{name}")
    if name.startswith("_"):
        raise AttributeError(f"module 'credit_lab' has no attribute {name!r}")
    from credit_lab.errors import nearest

    raise AttributeError(f"credit_lab has no part {name!r}; {nearest(name, __all__)}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
