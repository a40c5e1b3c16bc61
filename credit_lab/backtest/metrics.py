"""Metrics that claims speak of, each a series by month end from a table of monthly flows (`kpi.monthly`)."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd

from credit_lab import kpi, money


def ar_turnover(flows: pd.DataFrame) -> pd.Series:
    """Receivables turnover per month end: 365 / dso.countback, which does not swing with the sales calendar."""
    days = [kpi.measures.countback(flows.head(row)) for row in range(1, len(flows) + 1)]
    turnover = 365.0 / pd.Series(days, index=pd.DatetimeIndex(flows["month"]), name="ar_turnover").replace(0.0, np.nan)
    return turnover.loc[turnover.first_valid_index() :]


def bad_debt_ratio(flows: pd.DataFrame) -> pd.Series:
    """Net write-offs of a quarter over its sales, per month end (a trailing quarter)."""
    sums = flows[["written_off", "sales"]].rolling(3).apply(money.total, raw=True)
    ratio = kpi.formulas.ratio(sums["written_off"], sums["sales"].to_numpy())
    return pd.Series(ratio, index=pd.DatetimeIndex(flows["month"]), name="bad_debt_ratio").dropna()


# What a ledger must be able to carry for each, see `credit_lab.knowledge`.
NEEDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"ar_turnover": ("receipts", "sales"), "bad_debt_ratio": ("sales", "write_offs")}
)
METRICS: Mapping[str, Callable[[pd.DataFrame], pd.Series]] = MappingProxyType(
    {"ar_turnover": ar_turnover, "bad_debt_ratio": bad_debt_ratio}
)
