"""Limits proposed by a policy from what the history table knew at one month end."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab.limits.exposures import LimitsError
from credit_lab.limits.methods import METHODS
from credit_lab.periods import takes_days
from credit_lab.policy import Policy, approver
from credit_lab.rules import limits as rules
from credit_lab.rules.grades import grade, grades

Grid = npt.NDArray[np.float64]
# What bound a limit, in the order of the codes of `rules.limits`, and in words.
BINDING = (
    "sales forecast",
    "share of own sales",
    "trial",
    "trial ended",
    "grade",
    "inactive",
)
REASONS = {
    "sales forecast": "payment behaviour and sales",
    "share of own sales": "cap on the share of own sales",
    "trial": "too little history",
    "trial ended": "too little history, and something material was paid too late",
    "grade": "grade without credit",
    "inactive": "no net sales in the months of the forecast",
}
SIGNALS = ("sales", "overdue", "max_dpd", "payment_index", "paid_in_time", "months_on_book", "high_credit")


@dataclass(frozen=True)
class Panel:
    """A history table as grids, customer × month end; NaN before a customer's first document.

    Attributes
    ----------
    customers : in order of their id
    months : month ends, rising
    grids : one per column of `SIGNALS` that the history has
    """

    customers: pd.Index
    months: pd.DatetimeIndex
    grids: dict[str, Grid]

    @classmethod
    def of(cls, history: pd.DataFrame) -> "Panel":
        """The signals of a history; a `next_*` column is never read."""
        who, customers = pd.factorize(history["customer_id"], sort=True)
        when, months = pd.factorize(history["month"], sort=True)
        grids = {}
        for name in SIGNALS:
            if name in history:
                grids[name] = np.full((len(customers), len(months)), np.nan)
                grids[name][who, when] = history[name].to_numpy(dtype=float)
        return cls(pd.Index(customers), pd.DatetimeIndex(months), grids)

    @takes_days
    def at(self, policy: Policy, month: pd.Timestamp) -> "Known":
        """What was known at a month end of all customers with a document by then.

        Raises
        ------
        LimitsError
            The history begins too late for the policy's sales forecast.
        """
        column = int(self.months.get_indexer([month])[0])
        if column < 0:
            nobody, flags = np.zeros(0), np.zeros(0, dtype=bool)
            return Known(pd.Index([], dtype="str"), month, {}, nobody, flags, flags, nobody)
        s = rules.limits(policy)
        here = ~np.isnan(self.grids["months_on_book"][:, column])
        now: dict[str, npt.NDArray[Any]] = {name: grid[here, column] for name, grid in self.grids.items()}
        now |= {name: now[name].astype("int64") for name in ("months_on_book", "paid_in_time")}
        sales = self.grids["sales"][here, : column + 1]
        window = sales[:, self.months[: column + 1] > month - pd.offsets.MonthEnd(s.forecast_months)]
        short = (~np.isnan(window)).sum(axis=1) < np.minimum(now["months_on_book"] + 1, s.forecast_months)
        if short.any():
            raise LimitsError(
                f"limits at {month.date()}: the sales forecast needs {s.forecast_months} months of "
                f"history, of {int(short.sum())} customers it has fewer; build it from the first document on"
            )
        # To the sixth digit: sums of money in whole minor units.
        sold = np.round(np.nansum(window, axis=1), 6)
        over = np.zeros((len(sales), column + 1), dtype=bool)
        if "max_dpd" in self.grids:
            over = rules.trial_ends(s, *(self.grids[name][here, : column + 1] for name in ("max_dpd", "overdue")))
        ended = np.asarray(over.any(axis=1))  # counts for newcomers alone
        before = [self.grids[name][here, max(column - 1, 0)] for name in ("months_on_book", "paid_in_time")]
        was = np.asarray(rules.on_trial(s, *before), dtype=bool) & (column > 0)
        was &= ~over[:, :column].any(axis=1)
        last = np.where(sales > 0, np.arange(column + 1), -1).max(axis=1)
        seen = np.argmax(~np.isnan(sales), axis=1)
        since = self.months[np.where(last >= 0, last, seen)]
        quiet = (month.year - since.year) * 12 + month.month - since.month
        annual = rules.annual_sales(s, sold, now["months_on_book"])
        return Known(self.customers[here], month, now, annual, ended, was, np.asarray(quiet, dtype=float))


@dataclass(frozen=True)
class Known:
    """What a policy decides from, at one month end, by customer.

    Attributes
    ----------
    customers, month : of whom and when
    now : the signals of `SIGNALS` at the month end
    annual : sales expected of the year ahead, money
    ended : whether something material was once so late that it ends a trial for good
    was_on_trial : on trial at the month end before, and the trial was not over
    quiet : months since the last sale; without any, since the first document
    """

    customers: pd.Index
    month: pd.Timestamp
    now: dict[str, npt.NDArray[Any]]
    annual: Grid
    ended: npt.NDArray[np.bool_]
    was_on_trial: npt.NDArray[np.bool_]
    quiet: Grid

    def table(self, policy: Policy) -> pd.DataFrame:
        """Evidence of the methods as far as the history has it: customer_id, high_credit and
        payment_index, grade, pd_12m, term_days, limit_multiple (by grade), annual_sales.
        """
        s = grades(policy)
        nothing = np.full(len(self.customers), np.nan)
        index = self.now.get("payment_index", nothing)
        number = grade(s, index, self.now.get("months_on_book", nothing)) if len(index) else np.zeros(0, int)
        scale = policy.grades.scale
        return pd.DataFrame(
            {
                "customer_id": self.customers,
                "high_credit": self.now.get("high_credit", nothing),
                "payment_index": index,
                "grade": pd.array(np.array([one.grade for one in scale], dtype=object)[number], dtype="str"),
                "pd_12m": np.array([one.pd_upper for one in scale])[number],
                "term_days": s.term[number],
                "limit_multiple": s.multiple[number],
                "annual_sales": self.annual,
            }
        )


@takes_days
def propose(
    history: pd.DataFrame, policy: Policy, month: pd.Timestamp, *, evidence: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Grade, limit, term and approver of every customer at one month end.

    Parameters
    ----------
    history : of `history.build`, from the first document to `month` at least (only signals are
        read, never a `next_*` column, and nothing after `month`)
    month : a month end of the history
    evidence : as `comparison.evidence` gives it, for methods that need more than the history knows;
        where a customer lacks what the method needs, its limit follows the sales forecast

    Returns
    -------
    DataFrame
        The decision record: review_date, customer_id, score (payment index), grade, pd_12m (upper
        end of the grade's band), method, binding_constraint, credit_limit (money), term_days,
        approver, reason. A newcomer gets a trial limit that steps up with invoices paid in time,
        and none once something material was late for too long; a customer without sales in the
        months of the forecast loses the limit.

    Raises
    ------
    LimitsError
        The history begins too late for the policy's sales forecast.
    MoneyNotKnown
        The policy's amounts are not known in the currency asked for.
    """
    return proposed(Panel.of(history).at(policy, month), policy, evidence)


def proposed(known: Known, policy: Policy, evidence: pd.DataFrame | None = None) -> pd.DataFrame:
    """`propose` from what is known of all customers at a month end."""
    s, own = rules.limits(policy), known.table(policy)
    formula, method, why = _formula(own, policy, evidence)
    multiple, annual = own["limit_multiple"].to_numpy(), known.annual
    cap = policy.limits.max_share_of_sales * max(float(annual.sum()), 0.0)
    months, paid = (known.now.get(name, np.zeros(0)) for name in ("months_on_book", "paid_in_time"))
    code = rules.bound(s, months, paid, known.ended, multiple, annual, formula, cap)
    limit = rules.bounded(s, code, paid, formula, cap)
    binding = np.array(BINDING, dtype=object)[code]
    reason = np.array([REASONS[name] for name in BINDING], dtype=object)[code]
    by_formula = code == rules.FORMULA
    unpaid = by_formula & own["payment_index"].isna().to_numpy()
    reason = np.where(unpaid, "sales; no payment is known yet", reason)
    other = method != "sales_forecast"
    reason = np.where(by_formula & other, "the policy's method of limits", reason)
    reason = np.where(by_formula & (why != ""), why + "; sales forecast instead", reason)
    binding = np.where(by_formula & other, policy.limits.method.replace("_", " "), binding)
    trial = (code == rules.TRIAL) | (code == rules.TRIAL_ENDED)
    return pd.DataFrame(
        {
            "review_date": known.month,
            "customer_id": own["customer_id"],
            "score": own["payment_index"],
            "grade": own["grade"],
            "pd_12m": own["pd_12m"],
            "method": pd.array(np.where(trial, "trial", method), dtype="str"),
            "binding_constraint": pd.array(binding, dtype="str"),
            "credit_limit": limit,
            "term_days": own["term_days"].astype("int64"),
            "approver": _approvers(policy, limit, own["grade"]),
            "reason": pd.array(reason, dtype="str"),
        }
    )


def _formula(
    own: pd.DataFrame, policy: Policy, evidence: pd.DataFrame | None
) -> tuple[Grid, npt.NDArray[np.object_], npt.NDArray[np.object_]]:
    """Limit by the policy's method, the method used, and why it could not be the policy's ("")."""
    forecast = np.asarray(METHODS["sales forecast"].run(own, policy)[0], dtype=float)
    used = np.full(len(own), "sales_forecast", dtype=object)
    if policy.limits.method == "sales_forecast":
        return forecast, used, np.full(len(own), "", dtype=object)
    if evidence is not None:
        more = evidence.set_index("customer_id")
        more = more[[name for name in more if name not in own]]
        own = own.join(more, on="customer_id")
    answer = METHODS[policy.limits.method.replace("_", " ")].limits(own, policy)
    found = answer["limit"].notna().to_numpy()
    why = np.where(found, "", answer["reason"].to_numpy(dtype=object))
    return np.where(found, answer["limit"], forecast), np.where(found, policy.limits.method, used), why


def _approvers(policy: Policy, limit: Grid, grades: pd.Series) -> list[str]:
    """Who signs each limit; asked once for equal ones."""
    signed: dict[tuple[float, str], str] = {}
    pairs = list(zip(limit.tolist(), grades, strict=True))
    for amount, name in pairs:
        if (amount, name) not in signed:
            signed[amount, name] = approver(policy, amount, name)
    return [signed[pair] for pair in pairs]
