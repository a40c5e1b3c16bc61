"""All limit methods side by side on the same customers: agreement, what binds, and what each would have blocked."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab.history import looking_back
from credit_lab.ledger.model import Ledger
from credit_lab.limits.exposures import LimitsError
from credit_lab.limits.methods import METHODS, Method
from credit_lab.limits.proposals import Panel
from credit_lab.periods import takes_days
from credit_lab.policy import Policy

# Settings it reads, see `rules.coverage`.
READS = (
    "grades.min_months",
    "grades.newcomer_grade",
    "grades.scale.min_payment_index",
    "grades.scale.pd_upper",
    "grades.scale.limit_multiple",
    "grades.scale.term_days",
    "limits.forecast_months",
    "limits.growth",
    "limits.tolerated_delay_days",
    "limits.peak_factor",
    "limits.max_share_of_sales",
    "limits.max_share_of_net_worth",
    "risk_appetite.expected_loss_budget",
    "economics.variable_cost_ratio",
    "economics.capital_cost",
    "economics.loss_given_default",
)

FINANCIALS = ("current_assets", "inventory", "current_liabilities", "total_liabilities", "net_worth")


@takes_days
def evidence(ledger: Ledger, history: pd.DataFrame, policy: Policy, month: pd.Timestamp) -> pd.DataFrame:
    """What the methods need, as known at one month end.

    Parameters
    ----------
    history : of `history.build`, from the first document to `month` at least
    month : a month end of the history

    Returns
    -------
    DataFrame
        customer_id, grade, pd_12m, term_days, limit_multiple (by grade), annual_sales (forecast, see
        `rules.limits.annual_sales`), high_credit, payment_index, exposure, the latest statement published by then
        (`FINANCIALS`), characteristic_share (mean expert score over 10), reference_limit (median of the limits other
        suppliers report); what the ledger lacks is NaN

    Raises
    ------
    LimitsError
        No such month in the history, or it begins too late for the policy's sales forecast.
    """
    rows = history[history["month"] == month]
    if rows.empty:
        known = f"{history['month'].min().date()} to {history['month'].max().date()}" if len(history) else "empty"
        raise LimitsError(f"limits: no month end {month.date()} in the history ({known})")
    table = Panel.of(looking_back(ledger, history, month)).at(policy, month).table(policy)
    table["exposure"] = table["customer_id"].map(rows.set_index("customer_id")["exposure"])
    return with_ledger(ledger, table, month)


@takes_days
def with_ledger(ledger: Ledger, table: pd.DataFrame, month: pd.Timestamp) -> pd.DataFrame:
    """`proposals.Known.table` with what the ledger knew at a month end beyond its history."""
    ledger = ledger.known_by(month)
    published = _latest(ledger, "financials", "published_on", month)
    for name in FINANCIALS:
        table[name] = table["customer_id"].map(published[name]) if name in published else np.nan
    table["characteristic_share"] = table["customer_id"].map(_judged(ledger, month))
    return table.assign(reference_limit=table["customer_id"].map(_references(ledger, month)))


def _latest(ledger: Ledger, name: str, on: str, as_of: pd.Timestamp) -> pd.DataFrame:
    """The last row per customer known by a day."""
    rows = ledger.rows(name)
    rows = rows[rows[on] <= as_of].sort_values([on, "period_end"], kind="stable")
    return rows.drop_duplicates("customer_id", keep="last").set_index("customer_id")


def _judged(ledger: Ledger, as_of: pd.Timestamp) -> pd.Series:
    rows = ledger.rows("assessments")
    rows = rows[rows["assessed_on"] <= as_of].sort_values("assessed_on")
    last = rows.drop_duplicates(["customer_id", "factor", *(["assessor"] if "assessor" in rows else [])], keep="last")
    return last.groupby("customer_id")["score"].mean() / 10


def _references(ledger: Ledger, as_of: pd.Timestamp) -> pd.Series:
    rows = ledger.rows("facts")
    rows = rows[(rows["observed_on"] <= as_of) & (rows["attribute"] == "reference_limit")]
    return pd.to_numeric(rows["value"], errors="coerce").groupby(rows["customer_id"]).median()


@dataclass(frozen=True)
class Bench:
    """All methods on one set of customers.

    Attributes
    ----------
    limits : customer_id, method, formula_id, limit, reason, inputs: one row per customer and method
    agreement : rank correlation of each two methods on the customers both answer, methods as rows and columns
    coverage : method, customers, answered, median_limit, total_limit, why_not (the commonest reason for no answer)
    binding : customer_id, binding (method with the lowest limit), lowest, highest, methods (that answered)
    on_history : method, customers, blocked_share, blocked_margin, avoided_loss, net: what the limit would have done in
        the twelve months after, where they are known; empty otherwise
    """

    limits: pd.DataFrame
    agreement: pd.DataFrame
    coverage: pd.DataFrame
    binding: pd.DataFrame
    on_history: pd.DataFrame

    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by name."""
        flat = {f"bench_{name}": value for name, value in vars(self).items()}
        return flat | {"bench_agreement": self.agreement.reset_index(names="method")}


@takes_days
def bench(
    ledger: Ledger,
    history: pd.DataFrame,
    policy: Policy,
    month: pd.Timestamp,
    *,
    methods: Sequence[str | Method] | None = None,
) -> Bench:
    """All methods, or some, at one month end.

    Parameters
    ----------
    history : as `history.build` gives it
    month : a month end of the history
    methods : names of ours, or methods of one's own made by `methods.method`; None: all of ours

    Raises
    ------
    LimitsError
        No such month in the history, or no such method.
    """
    asked = METHODS.values() if methods is None else methods
    unknown = [one for one in asked if isinstance(one, str) and one not in METHODS]
    if unknown:
        raise LimitsError(f"bench: no limit method {unknown[0]!r}; there are {', '.join(METHODS)}")
    chosen = [METHODS[one] if isinstance(one, str) else one for one in asked]
    known_then = evidence(ledger, history, policy, month)
    answers = pd.concat([one.limits(known_then, policy) for one in chosen], ignore_index=True)
    wide = pd.DataFrame(
        {name: part.set_index("customer_id")["limit"] for name, part in answers.groupby("method", sort=False)}
    )
    coverage = []
    for name, part in answers.groupby("method", sort=False):
        empty = part.loc[part["limit"].isna(), "reason"]
        why = empty.mode().iloc[0] if len(empty) else ""
        coverage.append(
            (name, len(part), part["limit"].notna().sum(), part["limit"].median(), part["limit"].sum(), why)
        )
    answered = wide.notna().sum(axis=1)
    some = wide[answered > 0]
    binding = pd.DataFrame(
        {
            "customer_id": some.index, "binding": some.idxmin(axis=1).to_numpy(), "lowest": some.min(axis=1).to_numpy(),
            "highest": some.max(axis=1).to_numpy(), "methods": answered[answered > 0].to_numpy(),
        }
    )  # fmt: skip
    return Bench(
        answers, wide.corr(method="spearman", min_periods=10).rename_axis(index=None, columns=None),
        pd.DataFrame(coverage, columns=["method", "customers", "answered", "median_limit", "total_limit", "why_not"]),
        binding, on_history(wide, history, policy, month),
    )  # fmt: skip


def on_history(wide: pd.DataFrame, history: pd.DataFrame, policy: Policy, month: pd.Timestamp) -> pd.DataFrame:
    """What each limit would have blocked and saved in the twelve months after `month`.

    A limit below the highest exposure of the year blocks the share of it above the limit; with it that share of the
    year's sales (margin lost) and of the year's net write-offs (loss avoided). Customers may have bought elsewhere or
    paid faster under a limit: this is a first-order reading, a replay or simulation goes further.
    """
    after = history[(history["month"] > month) & (history["month"] <= month + pd.DateOffset(months=12))]
    start = history[history["month"] == month].set_index("customer_id")
    if after["month"].nunique() < 12 or start["next_12m_written_off"].isna().all():
        return pd.DataFrame()  # not over yet, or losses that nobody recorded
    peak = after.groupby("customer_id")["exposure"].max().reindex(wide.index).clip(lower=0)
    sales = start["next_12m_sales"].reindex(wide.index).clip(lower=0)
    lost = start["next_12m_written_off"].reindex(wide.index).clip(lower=0)
    margin = 1 - policy.economics.variable_cost_ratio
    rows = []
    for name in wide:
        limit = wide[name]
        known = limit.notna() & peak.notna() & sales.notna()
        share = (1 - limit / peak.where(peak > 0)).clip(0, 1).fillna(0.0)[known]
        blocked, saved = float((share * sales[known]).sum() * margin), float((share * lost[known].fillna(0)).sum())
        whole = float(sales[known].sum())
        rows.append(
            (name, int(known.sum()), float((share * sales[known]).sum()) / whole if whole else np.nan, blocked, saved,
             saved - blocked)
        )  # fmt: skip
    columns = ["method", "customers", "blocked_share", "blocked_margin", "avoided_loss", "net"]
    return pd.DataFrame(rows, columns=columns).sort_values("net", ascending=False, ignore_index=True)
