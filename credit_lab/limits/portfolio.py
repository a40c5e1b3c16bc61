"""Limits of a whole portfolio at the best expected profit inside the firm's appetite for risk.

A linear program (HiGHS, Huangfu & Hall 2018): maximise Σ profit_i L_i over limits between a minimum service level and
the customer's need, subject to budgets for expected loss and working capital and caps per name, group, industry and
region. Dual prices say what one more unit of a budget earns. Where a limit is either nothing or at least some smallest
amount, it is a mixed-integer program. `tail_risk` adds a budget for unexpected loss.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab.limits.exposures import LimitsError
from credit_lab.policy import Policy

# Settings it reads, see `rules.coverage`.
READS = (
    "grades.min_months",
    "grades.newcomer_grade",
    "grades.scale.min_payment_index",
    "grades.scale.pd_upper",
    "grades.scale.limit_multiple",
    "grades.scale.term_days",
    "limits.method",
    "limits.forecast_months",
    "limits.growth",
    "limits.tolerated_delay_days",
    "limits.peak_factor",
    "limits.rounding",
    "limits.max_share_of_sales",
    "limits.max_share_of_net_worth",
    "trial.*",
    "holds.min_overdue",
    "risk_appetite.expected_loss_budget",
    "risk_appetite.single_name_cap",
    "risk_appetite.group_cap",
    "risk_appetite.industry_cap",
    "risk_appetite.region_cap",
    "economics.variable_cost_ratio",
    "economics.capital_cost",
    "economics.loss_given_default",
)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Budgets:
    """What bounds the portfolio; infinite: no bound.

    expected_loss, working_capital : money
    single_name : money per customer
    groups : column of the customers -> cap in money of the limits of each of its values, e.g. {"industry": 5e6}
    smallest : a limit is nothing or at least this, since a smaller one is not worth its upkeep; 0: any amount
    cuts : further linear bounds (name, weight of each customer, bound), as `tail_risk` finds them
    """

    expected_loss: float = np.inf
    working_capital: float = np.inf
    single_name: float = np.inf
    groups: Mapping[str, float] = field(default_factory=dict)
    smallest: float = 0.0
    cuts: tuple[tuple[str, Floats, float], ...] = ()

    @classmethod
    def of(cls, policy: Policy, annual_sales: float, receivables: float) -> "Budgets":
        """The policy's risk appetite in money, for a year's sales and the receivables it allows.

        Raises LimitsError where net sales are not above zero: nothing is a share of them.
        """
        if annual_sales <= 0:
            raise LimitsError(
                "portfolio: net sales of the year are not above zero, so the loss budget, a share of them, is not known"
            )
        appetite = policy.risk_appetite
        return cls(
            appetite.expected_loss_budget * annual_sales,
            receivables,
            appetite.single_name_cap * receivables,
            {
                "group_id": appetite.group_cap * receivables,
                "industry": appetite.industry_cap * receivables,
                "region": appetite.region_cap * receivables,
            },
        )


@dataclass(frozen=True)
class Portfolio:
    """Limits chosen together.

    Attributes
    ----------
    limits : customer_id, credit_limit, need, profit, expected_loss, binding (need, minimum, single name, not worth it,
        or shared: held back by a budget)
    profit, expected_loss, total : of all limits, money
    prices : constraint, used, bound, price: what one more unit of the bound earns (0 where it does not bind); with a
        smallest limit, as long as the same customers are served
    gap : largest share of profit that a better solution could still add (0: proven optimum)
    """

    limits: pd.DataFrame
    profit: float
    expected_loss: float
    total: float
    prices: pd.DataFrame
    gap: float = 0.0


def profit_rates(customers: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """Yearly profit and expected loss per unit of limit that is used in full.

    profit = (1 − variable cost) × 365 / days − PD × LGD − capital cost, with days = term + tolerated delay.

    Parameters
    ----------
    customers : pd_12m, term_days
    """
    economics = policy.economics
    days = customers["term_days"].to_numpy(dtype=float) + policy.limits.tolerated_delay_days
    loss = customers["pd_12m"].to_numpy(dtype=float) * economics.loss_given_default
    with np.errstate(divide="ignore"):
        turns = np.where(days > 0, 365 / np.maximum(days, 1e-9), 0.0)
    rate = (1 - economics.variable_cost_ratio) * turns - loss - economics.capital_cost * (days > 0)
    return pd.DataFrame({"profit_rate": rate, "loss_rate": loss}, index=customers.index)


def optimise(customers: pd.DataFrame, budgets: Budgets) -> Portfolio:
    """Limits of highest expected profit.

    Parameters
    ----------
    customers : customer_id, need (largest useful limit), profit_rate, loss_rate (see `profit_rates`), minimum
        (strategic service level; default 0) and the columns of `budgets.groups`

    Raises
    ------
    LimitsError
        A column is missing or holds NaN, a minimum above need or cap, or budgets that exclude one another: then the
        message names a smallest set of constraints that conflict.
    """
    needed = ["customer_id", "need", "profit_rate", "loss_rate", *budgets.groups]
    missing = [name for name in needed if name not in customers]
    if missing:
        raise LimitsError(f"portfolio: customers lack {', '.join(missing)}")
    numbers = customers[["need", "profit_rate", "loss_rate"]].to_numpy(dtype=float)
    if not np.isfinite(numbers).all():
        raise LimitsError("portfolio: need, profit_rate and loss_rate must be known for every customer")
    minimum = customers["minimum"].to_numpy(dtype=float) if "minimum" in customers else np.zeros(len(customers))
    top = np.minimum(np.maximum(numbers[:, 0], 0.0), budgets.single_name)
    if (minimum > top + 1e-9).any():
        who = customers["customer_id"].iloc[int(np.argmax(minimum - top))]
        raise LimitsError(f"portfolio: the minimum limit of {who!r} lies above its need or the single-name cap")
    names, matrix, bound = _rows(customers, budgets, numbers[:, 2])
    gap = 0.0
    if budgets.smallest > 0:
        minimum, top, gap = _served(numbers[:, 1], names, matrix, bound, minimum, top, budgets.smallest)
    found = _solve(numbers[:, 1], names, matrix, bound, minimum, top)
    granted = np.maximum(found.x, 0.0)
    price = -found.ineqlin.marginals
    prices = pd.DataFrame(
        {"constraint": names, "used": matrix @ granted, "bound": bound, "price": np.where(price < 1e-12, 0.0, price)}
    )
    binding = np.select(
        [granted >= top - 1e-6, numbers[:, 1] <= 0, granted <= minimum + 1e-6],
        [np.where(top < numbers[:, 0] - 1e-9, "single name", "need"), "not worth it", "shared"],
        "shared",
    )
    binding = np.where((granted <= minimum + 1e-6) & (minimum > 0), "minimum", binding)
    limits = pd.DataFrame(
        {
            "customer_id": customers["customer_id"].to_numpy(), "credit_limit": granted, "need": numbers[:, 0],
            "profit": granted * numbers[:, 1], "expected_loss": granted * numbers[:, 2], "binding": binding,
        }
    )  # fmt: skip
    return Portfolio(limits, -float(found.fun), float(granted @ numbers[:, 2]), float(granted.sum()), prices, gap)


def _solve(profit: Floats, names: list[str], matrix: Any, bound: Floats, minimum: Floats, top: Floats) -> Any:
    """The linear program."""
    from scipy import optimize

    found = optimize.linprog(-profit, A_ub=matrix, b_ub=bound, bounds=np.column_stack([minimum, top]), method="highs")
    if found.status == 2:
        raise LimitsError(_conflict(names, matrix, bound, minimum))
    if found.status != 0:
        raise LimitsError(f"portfolio: the solver stopped: {found.message}")
    return found


def _served(
    profit: Floats, names: list[str], matrix: Any, bound: Floats, minimum: Floats, top: Floats, smallest: float
) -> tuple[Floats, Floats, float]:
    """Who gets a limit where it must reach `smallest`: bounds of the limits given that, and the gap of the optimum.

    One binary z per customer: smallest z ≤ L ≤ top z; strategic customers (a minimum above zero) have z = 1.
    """
    from scipy import optimize, sparse

    low = np.maximum(minimum, smallest)
    able = top >= low - 1e-9
    if (~able & (minimum > 0)).any():
        raise LimitsError(
            f"portfolio: {int((~able & (minimum > 0)).sum())} customers have a minimum limit and a need or single-name "
            f"cap below the smallest limit {smallest:,.0f}"
        )
    n, eye = len(profit), sparse.identity(len(profit), format="csr")
    linked = sparse.vstack(
        [
            sparse.hstack([eye, -sparse.diags(top)]), sparse.hstack([-eye, sparse.diags(low)]),
            sparse.hstack([matrix, sparse.csr_matrix(matrix.shape)]),
        ]
    )  # fmt: skip
    found = optimize.milp(
        np.r_[-profit, np.zeros(n)],
        constraints=optimize.LinearConstraint(linked.tocsr(), -np.inf, np.r_[np.zeros(2 * n), bound]),
        integrality=np.r_[np.zeros(n), np.ones(n)],
        bounds=optimize.Bounds(np.r_[np.zeros(n), (minimum > 0).astype(float)], np.r_[top, able.astype(float)]),
        options={"mip_rel_gap": 1e-6, "time_limit": 60.0},
    )  # fmt: skip
    if found.x is None:
        raise LimitsError(_conflict(names, matrix, bound, np.where(minimum > 0, low, 0.0)))
    served = found.x[n:] > 0.5
    return np.where(served, low, 0.0), np.where(served, top, 0.0), float(found.mip_gap or 0.0)


def _rows(customers: pd.DataFrame, budgets: Budgets, loss: Floats) -> tuple[list[str], Any, Floats]:
    """Names, sparse matrix and bounds of the constraints."""
    from scipy import sparse

    names, rows, bounds = [], [], []
    for name, weight, bound in (
        ("expected loss", loss, budgets.expected_loss),
        ("working capital", np.ones(len(customers)), budgets.working_capital),
    ):
        if np.isfinite(bound):
            names.append(name)
            rows.append(sparse.csr_matrix(weight))
            bounds.append(bound)
    for column, cap in budgets.groups.items():
        code, values = pd.factorize(customers[column])  # customers without a value are in no group
        member = np.flatnonzero(code >= 0)
        block = sparse.csr_matrix((np.ones(len(member)), (code[member], member)), shape=(len(values), len(customers)))
        names += [f"{column} {value}" for value in values]
        rows.append(block)
        bounds += [cap] * len(values)
    for name, weight, bound in budgets.cuts:
        names.append(name)
        rows.append(sparse.csr_matrix(weight))
        bounds.append(bound)
    matrix = sparse.vstack(rows).tocsr() if rows else sparse.csr_matrix((0, len(customers)))
    return names, matrix, np.array(bounds, dtype=float)


def _conflict(names: list[str], matrix: Any, bound: Floats, minimum: Floats) -> str:
    """Which constraints exclude the minimum limits: with nonnegative rows each that the minima alone exceed."""
    used = matrix @ minimum
    over = np.flatnonzero(used > bound + 1e-9)
    parts = [f"{names[i]}: minimum limits use {used[i]:,.0f}, the budget is {bound[i]:,.0f}" for i in over[:5]]
    return "portfolio: no limits meet all constraints; " + "; ".join(parts or ["bounds below zero"])


def frontier(customers: pd.DataFrame, budgets: Budgets, *, points: int = 15) -> pd.DataFrame:
    """Efficient frontier: budget, expected_loss, profit, total and price of one more unit of expected loss."""
    free = optimise(customers, _with_loss(budgets, np.inf))
    least = float((customers["minimum"] * customers["loss_rate"]).sum()) if "minimum" in customers else 0.0
    rows = []
    for budget in np.linspace(least, free.expected_loss, points + 1)[1:]:
        found = optimise(customers, _with_loss(budgets, float(budget)))
        price = found.prices.set_index("constraint")["price"].get("expected loss", 0.0)
        rows.append((budget, found.expected_loss, found.profit, found.total, price))
    return pd.DataFrame(rows, columns=["budget", "expected_loss", "profit", "total", "price"])


def _with_loss(budgets: Budgets, loss: float) -> Budgets:
    return replace(budgets, expected_loss=loss)
