"""Limits of a whole portfolio at the best expected profit inside the firm's appetite for risk.

A linear program (HiGHS, Huangfu & Hall 2018): maximise Σ profit_i L_i over limits between a minimum service level and
the customer's need, subject to budgets for expected loss and working capital and caps per name, group, industry and
region. Dual prices say what one more unit of a budget earns. Unexpected loss comes from a one-factor Gaussian model
(Vasicek 2002) with a sector factor, simulated on common random numbers.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numba
import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab.limits.exposures import LimitsError
from credit_lab.policy import Policy

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Budgets:
    """What bounds the portfolio; infinite: no bound.

    expected_loss, working_capital : money
    single_name : money per customer
    groups : column of the customers -> cap in money of the limits of each of its values, e.g. {"industry": 5e6}
    """

    expected_loss: float = np.inf
    working_capital: float = np.inf
    single_name: float = np.inf
    groups: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, policy: Policy, annual_sales: float, receivables: float) -> "Budgets":
        """The policy's risk appetite in money, for a year's sales and the receivables it allows."""
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
    prices : constraint, used, bound, price: what one more unit of the bound earns (0 where it does not bind)
    """

    limits: pd.DataFrame
    profit: float
    expected_loss: float
    total: float
    prices: pd.DataFrame


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
    from scipy import optimize

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
    found = optimize.linprog(
        -numbers[:, 1], A_ub=matrix, b_ub=bound, bounds=np.column_stack([minimum, top]), method="highs"
    )
    if found.status == 2:
        raise LimitsError(_conflict(names, matrix, bound, minimum))
    if found.status != 0:
        raise LimitsError(f"portfolio: the solver stopped: {found.message}")
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
    return Portfolio(limits, -float(found.fun), float(granted @ numbers[:, 2]), float(granted.sum()), prices)


def _rows(customers: pd.DataFrame, budgets: Budgets, loss: Floats) -> tuple[list[str], "object", Floats]:
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
    matrix = sparse.vstack(rows).tocsr() if rows else sparse.csr_matrix((0, len(customers)))
    return names, matrix, np.array(bounds, dtype=float)


def _conflict(names: list[str], matrix: "object", bound: Floats, minimum: Floats) -> str:
    """Which constraints exclude the minimum limits: with nonnegative rows each that the minima alone exceed."""
    used = matrix @ minimum  # type: ignore[operator]
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
    return Budgets(loss, budgets.working_capital, budgets.single_name, budgets.groups)


def unexpected_loss(
    exposures: Floats,
    default_probability: Floats,
    sector: npt.NDArray[np.int64],
    *,
    loss_given_default: float,
    correlation: float = 0.12,
    sector_correlation: float = 0.06,
    scenarios: int = 100_000,
    level: float = 0.99,
    seed: int = 0,
) -> pd.Series:
    """Loss quantile under common shocks: customer i defaults if √ρ_m M + √ρ_s S_sector + √(1 − ρ_m − ρ_s) ε_i falls
    below Φ⁻¹(PD_i); M and S are drawn per scenario, given them defaults are independent.

    The same seed gives the same shocks whatever the limits, so two portfolios are compared on the same scenarios.

    Returns
    -------
    Series
        expected_loss, quantile, standard_error (of the quantile, by its density), unexpected_loss (quantile −
        expected), expected_shortfall (mean loss beyond the quantile)

    Raises
    ------
    LimitsError
        Lengths that differ, probabilities or correlations out of range.
    """
    from scipy import special

    e, p, s = np.asarray(exposures, float), np.asarray(default_probability, float), np.asarray(sector, np.int64)
    if not (len(e) == len(p) == len(s)) or not ((p >= 0) & (p <= 1)).all() or (e < 0).any() or (s < 0).any():
        raise LimitsError("unexpected loss: exposures and probabilities of one length, in range, and sector numbers")
    if not (correlation >= 0 and sector_correlation >= 0 and correlation + sector_correlation < 1):
        raise LimitsError("unexpected loss: the correlations must be nonnegative and add up to less than 1")
    rng = np.random.default_rng(seed)
    market = rng.standard_normal(scenarios)
    shocks = rng.standard_normal((scenarios, int(s.max()) + 1 if len(s) else 1))
    threshold = special.ndtri(np.clip(p, 1e-300, 1 - 1e-16))
    left = np.sqrt(1 - correlation - sector_correlation)
    losses = _losses(
        e * loss_given_default, threshold, s, market, shocks, np.sqrt(correlation), np.sqrt(sector_correlation), left,
        np.uint64(seed * 2 + 1),
    )  # fmt: skip
    losses.sort()
    at = int(np.ceil(level * scenarios)) - 1
    quantile = losses[at]
    spread = max(int(scenarios**0.5), 1)  # quantile error from order statistics around it
    low, high = max(at - spread, 0), min(at + spread, scenarios - 1)
    density = (high - low) / scenarios / max(losses[high] - losses[low], 1e-300)
    error = np.sqrt(level * (1 - level) / scenarios) / density
    expected = float(e @ p * loss_given_default)
    return pd.Series(
        {"expected_loss": expected, "quantile": quantile, "standard_error": error,
         "unexpected_loss": quantile - expected, "expected_shortfall": losses[at:].mean()}
    )  # fmt: skip


@numba.njit(cache=True, nogil=True, fastmath=False)
def _losses(weight, threshold, sector, market, shocks, load, sector_load, left, key):  # type: ignore[no-untyped-def] # pragma: no cover
    """Loss of each scenario; idiosyncratic draws from a counter, so that no array of customers x scenarios is held."""
    result = np.zeros(len(market))
    number = shocks.shape[1]
    for j in range(len(market)):
        shared = np.empty(number)
        for k in range(number):
            shared[k] = load * market[j] + sector_load * shocks[j, k]
        total = 0.0
        state = key * np.uint64(0x9E3779B97F4A7C15) + np.uint64(j + 1) * np.uint64(0xD1B54A32D192ED03)
        for i in range(len(weight)):
            z = (threshold[i] - shared[sector[i]]) / left
            p = 0.5 * math.erfc(-z * 0.7071067811865476)
            state += np.uint64(0x9E3779B97F4A7C15)
            x = state
            x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            x = x ^ (x >> np.uint64(31))
            if (x >> np.uint64(11)) * 1.1102230246251565e-16 < p:
                total += weight[i]
        result[j] = total
    return result
