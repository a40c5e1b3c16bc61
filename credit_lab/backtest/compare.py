"""Two replays side by side, in money, with what a replay cannot know said in the same place."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab import history
from credit_lab.backtest.replay import Replay, replay
from credit_lab.kpi import formulas as f
from credit_lab.ledger.model import Ledger
from credit_lab.periods import parse_date
from credit_lab.policy import Policy

STATEMENT = (
    "A replay holds customers' behaviour fixed: they are assumed to have ordered and paid exactly as they did, under "
    "any policy. It cannot see orders that were refused in history, nor how customers would have answered to shorter "
    "terms, holds or letters. Amounts are the ledger's own, not forecasts."
)


def summary(run: Replay, policy: Policy) -> pd.DataFrame:
    """Figures of one replay over its months that are not marked.

    Returns columns metric, unit, value. Sales include tax. Turnover is annual sales over the mean of the month-end
    balances; DSO is its inverse in days (dso.average over month ends). The fates of refused amounts are those of the
    whole invoices they belong to, in proportion.
    """
    kept = run.monthly[~run.monthly["marked"]]
    window = _unmarked(run)
    days = float(kept["days"].sum())
    sales, refused = float(kept["sales"].sum()), float(kept["refused"].sum())
    mean_open = float(kept["open"].mean()) if len(kept) else float("nan")
    share = (window["refused"] / window["amount"]).to_numpy()
    bad, still = window["written_off"].to_numpy(), window["open"].to_numpy()
    late = np.where(window["fate"] == "paid late", window["paid"], 0.0)
    margin = refused / (1 + policy.economics.tax_rate) * (1 - policy.economics.variable_cost_ratio)
    rows = [
        ("sales allowed", "money", sales),
        ("sales refused", "money", refused),
        ("share of sales refused", "share", float(f.ratio(refused, sales + refused))),
        ("receivables turnover", "times a year", float(f.turnover(sales / days * 365 if days else np.nan, mean_open))),
        ("DSO on month-end balances", "days", float(f.dso(mean_open, sales, days))),
        ("open at the end", "money", float(kept["open"].iloc[-1]) if len(kept) else float("nan")),
        ("overdue, mean of month ends", "money", float(kept["overdue"].mean()) if len(kept) else float("nan")),
        ("overdue ratio, mean", "share", float(f.ratio(kept["overdue"].sum(), kept["open"].sum()))),
        ("written off in the window", "money", float(kept["written_off"].sum())),
        ("refused and later written off", "money", float((share * bad).sum())),
        ("refused and still open", "money", float((share * still).sum())),
        ("refused although paid late", "money", float((share * late).sum())),
        ("refused although paid in time", "money", float((share * (window["paid"].to_numpy() - late)).sum())),
        ("margin given up (policy's cost ratio)", "money", margin),
        ("customers ever refused", "customers", float(window.loc[window["refused"] > 0, "customer_id"].nunique())),
    ]
    return pd.DataFrame(rows, columns=["metric", "unit", "value"])


def _unmarked(run: Replay) -> pd.DataFrame:
    """The invoices of a replay issued in months that are not marked."""
    months = run.invoices["issue_date"].dt.to_period("M").dt.end_time.dt.normalize().astype("datetime64[us]")
    return run.invoices[months.isin(run.monthly.loc[~run.monthly["marked"], "month"])]


def compare(a: Replay, b: Replay, policy_a: Policy, policy_b: Policy) -> pd.DataFrame:
    """Summaries of two replays and their difference: metric, unit, a, b, difference (b − a)."""
    first, second = summary(a, policy_a), summary(b, policy_b)
    return first.rename(columns={"value": "a"}).assign(b=second["value"], difference=second["value"] - first["value"])


@dataclass(frozen=True)
class Duel:
    """Champion a and challenger b on the same ledger.

    Attributes
    ----------
    a, b : the two replays
    comparison : metric, unit, a, b, difference
    movers : customer_id, refused_a, refused_b, difference, fate (most frequent of the refused amount), largest first
    fates : what history did with the amounts each policy refused: fate, refused_a, refused_b; like `movers` and the
        comparison over the months that are not marked, so the columns add up to "sales refused"
    """

    a: Replay
    b: Replay
    comparison: pd.DataFrame
    movers: pd.DataFrame
    fates: pd.DataFrame

    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by name, as they are saved beside the report."""
        both = {f"monthly_{name}": run.monthly for name, run in (("a", self.a), ("b", self.b))}
        both |= {f"decisions_{name}": run.decisions for name, run in (("a", self.a), ("b", self.b))}
        return {"comparison": self.comparison, "movers": self.movers, "fates": self.fates, **both}


def duel(ledger: Ledger, a: Policy, b: Policy, *, start: str = "", end: str = "") -> Duel:
    """Replay two policies on one ledger; dates as text, empty for the whole ledger (last whole month).

    Raises
    ------
    PeriodError
        A date is malformed, or the ledger is too short.
    """
    last = parse_date(end, "end") if end else last_whole_month(ledger)
    first = parse_date(start, "start") if start else None
    past = history.build(ledger, last)
    run_a, run_b = (replay(ledger, policy, start=first, end=last, past=past) for policy in (a, b))
    first_one, second = _unmarked(run_a), _unmarked(run_b)
    both = first_one[["invoice_id", "customer_id", "fate"]].assign(
        refused_a=first_one["refused"], refused_b=second["refused"]
    )
    amounts = ["refused_a", "refused_b"]
    fates = both.groupby("fate")[amounts].sum().round(6).reset_index()
    movers = both.groupby("customer_id")[amounts].sum().round(6).reset_index()
    movers = movers.assign(difference=(movers["refused_b"] - movers["refused_a"]).round(6))
    either = both.assign(either=both[amounts].max(axis=1)).groupby(["customer_id", "fate"])["either"].sum()
    leading = either.reset_index().sort_values(["customer_id", "either"]).drop_duplicates("customer_id", keep="last")
    movers = movers.merge(leading[["customer_id", "fate"]], on="customer_id")
    movers = movers[movers["difference"] != 0].assign(size=movers["difference"].abs())
    movers = movers.sort_values(["size", "customer_id"], ascending=[False, True]).drop(columns="size")
    return Duel(run_a, run_b, compare(run_a, run_b, a, b), movers.reset_index(drop=True), fates)


def last_whole_month(ledger: Ledger) -> pd.Timestamp:
    """End of the last month that the ledger covers whole, judged by its last document."""
    last = max(ledger.invoices["issue_date"].max(), ledger.payments["paid_date"].fillna(pd.Timestamp(0)).max())
    return last if last.is_month_end else last.replace(day=1) - pd.Timedelta(days=1)
