"""Credit limit methods (授信额度方法): each a small function from evidence to a limit per customer.

An analyst makes her own in a notebook and passes it on (`comparison.bench`); `METHODS` are ours and stay as they are:

>>> @method("half a month", "own.half_month", needs=("sales_12m",))
... def half_month(evidence, policy):
...     return evidence["sales_12m"] / 24, None
>>> half_month.formula_id, half_month.name in METHODS
('own.half_month', False)
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab.policy import Policy
from credit_lab.rules.limits import sales_forecast

Floats = npt.NDArray[np.float64]
Answer = tuple[pd.Series | Floats, pd.Series | None]


@dataclass(frozen=True)
class Method:
    """A method: name, formula id, columns it needs, and the function (evidence, policy) → limit, reason."""

    name: str
    formula_id: str
    needs: tuple[str, ...]
    run: Callable[[pd.DataFrame, Policy], Answer]

    def limits(self, evidence: pd.DataFrame, policy: Policy) -> pd.DataFrame:
        """customer_id, method, formula_id, limit (NaN with a reason where undefined, else ≥ 0), reason, inputs."""
        known = [name for name in self.needs if name in evidence]
        lacking = sorted(set(self.needs) - set(known))
        values: pd.Series | Floats
        if lacking:
            values, why = pd.Series(np.nan, index=evidence.index), pd.Series(
                f"no {', '.join(lacking)} in the evidence", index=evidence.index
            )  # fmt: skip
        else:
            values, given = self.run(evidence, policy)
            values = pd.Series(np.asarray(values, dtype=float), index=evidence.index)
            missing = evidence[known].isna()
            why = pd.Series("", index=evidence.index, dtype="str")
            for name in known:
                why = why.mask(missing[name] & (why == ""), f"{name} is not known")
            why = why if given is None else why.where(why != "", given.fillna(""))
            values = values.mask(missing.any(axis=1))
        inputs = [
            "; ".join(f"{name} {value:,.6g}" for name, value in zip(known, row, strict=True) if pd.notna(value))
            for row in evidence[known].to_numpy(dtype=float)
        ]
        return pd.DataFrame(
            {
                "customer_id": evidence["customer_id"],
                "method": self.name,
                "formula_id": self.formula_id,
                "limit": values.clip(lower=0.0),
                "reason": why.mask(values.isna() & (why == ""), "undefined for these inputs"),
                "inputs": inputs,
            }
        )


def method(
    name: str, formula_id: str, *, needs: tuple[str, ...]
) -> Callable[[Callable[[pd.DataFrame, Policy], Answer]], Method]:
    """Make a function (evidence, policy) → (limits, reasons or None) a method.

    Parameters
    ----------
    name, formula_id : printed wherever a limit of the method is
    needs : columns of the evidence it reads; a customer without them gets no limit and a reason
    """
    return lambda run: Method(name, formula_id, needs, run)


# Upper ends of half-open bands (above the one before, up to and including this) and their shares.
WORKING_ASSET_BANDS = ((-4.6, 0.0), (-3.9, 0.025), (-3.2, 0.05), (-2.5, 0.075), (-1.8, 0.10), (-1.1, 0.125),
                       (-0.4, 0.15), (0.3, 0.175))  # fmt: skip


def working_asset_share(v: npt.ArrayLike) -> Floats:
    """Share of the working assets granted for an evaluation value (营运资产分析法): up to 0.3 by bands, below 1 20 %,
    from 1 on 25 %. Tables printed with two decimals leave gaps between bands; here every value has one.

    >>> working_asset_share([-4.6, -4.59, 0.3, 0.31, 0.99, 1.0]).tolist()
    [0.0, 0.025, 0.175, 0.2, 0.2, 0.25]
    """
    value = np.asarray(v, dtype=float)
    ends, shares = np.array(WORKING_ASSET_BANDS).T
    table = np.append(shares, 0.20)
    share = table[np.searchsorted(ends, value, side="left")]
    return np.where(np.isnan(value), np.nan, np.where(value >= 1.0, 0.25, share))


@method("sales forecast", "limit.sales_forecast", needs=("annual_sales", "term_days", "limit_multiple"))
def _sales_forecast(evidence: pd.DataFrame, policy: Policy) -> Answer:
    """Yearly sales / 365 × (term + tolerated delay) × peak factor × multiple of the grade (销售预测法)."""
    delay, peak = policy.limits.tolerated_delay_days, policy.limits.peak_factor
    formula = sales_forecast(evidence["annual_sales"], evidence["term_days"], delay, peak)
    return evidence["limit_multiple"] * formula, None


@method("working assets", "limit.working_assets", needs=("current_assets", "inventory", "current_liabilities",
                                                         "total_liabilities", "net_worth"))  # fmt: skip
def _working_assets(evidence: pd.DataFrame, _policy: Policy) -> Answer:
    """((working capital + net worth) / 2) × share of the evaluation value (营运资产分析法)."""
    e = evidence
    worth, owed = e["net_worth"], e["current_liabilities"].where(e["current_liabilities"] > 0)
    safe = worth.where(worth > 0)
    quick = (e["current_assets"] - e["inventory"]) / owed
    v = e["current_assets"] / owed + quick - e["current_liabilities"] / safe - e["total_liabilities"] / safe
    assets = (e["current_assets"] - e["current_liabilities"] + worth) / 2
    limit = np.where(worth <= 0, 0.0, assets * working_asset_share(v))
    reason = pd.Series("", index=e.index, dtype="str").mask(owed.isna(), "no current liabilities to divide by")
    return limit, reason.mask(worth <= 0, "net worth is not above zero")


@method("characteristics", "limit.characteristics", needs=("characteristic_share", "annual_sales", "term_days"))
def _characteristics(evidence: pd.DataFrame, _policy: Policy) -> Answer:
    """Sales forecast adjusted by the characteristic score (特征分析): 0 up to 20 %, half up to 45 %, whole up to 65 %,
    1.5 times above."""
    share = evidence["characteristic_share"]
    factor = np.select([share <= 0.20, share <= 0.45, share <= 0.65], [0.0, 0.5, 1.0], 1.5)
    return factor * sales_forecast(evidence["annual_sales"], evidence["term_days"], 0, 1), None


@method("net worth", "limit.net_worth", needs=("net_worth",))
def _net_worth(evidence: pd.DataFrame, policy: Policy) -> Answer:
    """Share of the customer's net worth (净资产法)."""
    worth = evidence["net_worth"]
    reason = pd.Series("", index=worth.index, dtype="str").mask(worth <= 0, "net worth is not above zero")
    return worth.clip(lower=0) * policy.limits.max_share_of_net_worth, reason


@method("working capital", "limit.working_capital", needs=("current_assets", "current_liabilities"))
def _working_capital(evidence: pd.DataFrame, _policy: Policy) -> Answer:
    """A fifth of the working capital."""
    capital = evidence["current_assets"] - evidence["current_liabilities"]
    reason = pd.Series("", index=capital.index, dtype="str").mask(capital <= 0, "working capital is not above zero")
    return capital.clip(lower=0) * 0.2, reason


@method("trade references", "limit.trade_references", needs=("reference_limit",))
def _trade_references(evidence: pd.DataFrame, _policy: Policy) -> Answer:
    """Median limit other suppliers report."""
    return evidence["reference_limit"], None


@method("payment history", "limit.high_credit", needs=("high_credit", "payment_index"))
def _payment_history(evidence: pd.DataFrame, _policy: Policy) -> Answer:
    """Highest credit so far (历史最高赊欠额), scaled by the payment index: whole from 80 (prompt), none below 40."""
    return evidence["high_credit"] * ((evidence["payment_index"] - 40) / 40).clip(0, 1), None


@method("expected loss", "limit.expected_loss", needs=("pd_12m", "annual_sales"))
def _expected_loss(evidence: pd.DataFrame, policy: Policy) -> Answer:
    """The customer's share of the loss budget over PD × LGD: EL budget × its sales / (PD × LGD)."""
    budget = policy.risk_appetite.expected_loss_budget * evidence["annual_sales"].clip(lower=0)
    risk = evidence["pd_12m"] * policy.economics.loss_given_default
    return budget / risk.where(risk > 0), None


HURDLE, CAPITAL = 0.10, 0.08  # return asked of economic capital, and that capital as a share of the exposure


@method("risk and return", "limit.risk_return", needs=("pd_12m", "annual_sales", "term_days"))
def _risk_and_return(evidence: pd.DataFrame, policy: Policy) -> Answer:
    """Credit against no sale at all (风险收益比较法): the whole need if the contribution of a year's sales is above the
    carrying cost of the receivables and the expected loss on them, otherwise nothing."""
    economics, sales = policy.economics, evidence["annual_sales"].clip(lower=0)
    need = sales_forecast(sales, evidence["term_days"], policy.limits.tolerated_delay_days, 1)
    carrying = need * economics.variable_cost_ratio * economics.capital_cost
    loss = need * evidence["pd_12m"] * economics.loss_given_default
    net = sales * (1 - economics.variable_cost_ratio) - carrying - loss
    reason = pd.Series("", index=evidence.index, dtype="str").mask(
        net < 0, "contribution does not cover carrying cost and expected loss"
    )
    return np.where(net > 0, need, 0.0), reason


@method("return on capital", "limit.raroc", needs=("pd_12m", "annual_sales", "term_days"))
def _raroc(evidence: pd.DataFrame, policy: Policy) -> Answer:
    """Largest balance that still earns the hurdle on its economic capital. With margin M of a year's sales,

        (M - L (PD LGD + capital cost)) / (L c) = hurdle   gives   L = M / (PD LGD + capital cost + hurdle c).

    Below the need every smaller limit carries proportionally fewer sales and fails as well: then nothing."""
    economics, sales = policy.economics, evidence["annual_sales"].clip(lower=0)
    charge = evidence["pd_12m"] * economics.loss_given_default + economics.capital_cost + HURDLE * CAPITAL
    solved = sales * (1 - economics.variable_cost_ratio) / charge
    need = sales_forecast(sales, evidence["term_days"], policy.limits.tolerated_delay_days, 1)
    reason = pd.Series("", index=evidence.index, dtype="str").mask(
        solved < need, "margin does not cover expected loss, funding and the hurdle"
    )
    return np.where(solved >= need, solved, 0.0), reason


@method("supplier cap", "limit.supplier_cap", needs=("annual_sales",))
def _supplier_cap(evidence: pd.DataFrame, policy: Policy) -> Answer:
    """No customer owes more than a share of all our own sales."""
    whole = float(evidence["annual_sales"].clip(lower=0).sum())
    return pd.Series(policy.limits.max_share_of_sales * whole, index=evidence.index), None


@dataclass(frozen=True)
class Change:
    """A change of terms or policy for the risk-return comparison (风险收益比较法), before → after, money per year.

    Attributes
    ----------
    units, days, collection_cost, bad_debt, discount : each (before, after); days is the mean collection period
    price, variable_cost : per unit
    capital_cost : per year; year_days : 360 or 365
    """

    units: tuple[float, float]
    days: tuple[float, float]
    price: float
    variable_cost: float
    capital_cost: float
    collection_cost: tuple[float, float] = (0.0, 0.0)
    bad_debt: tuple[float, float] = (0.0, 0.0)
    discount: tuple[float, float] = (0.0, 0.0)
    year_days: int = 365


def risk_return(change: Change) -> pd.Series:
    """What a change earns and costs: contribution, carrying_cost, collection_cost, bad_debt, discount, net.

    carrying cost = daily sales × days × variable-cost ratio × capital cost; extend if net is above zero.

    >>> change = Change((100_000, 120_000), (30, 60), 5, 4, 0.15, (3000, 4000), (5000, 9000), year_days=360)
    >>> float(risk_return(change)["net"])
    8000.0
    """
    ratio = change.variable_cost / change.price
    carry = [
        units * change.price / change.year_days * days * ratio * change.capital_cost
        for units, days in zip(change.units, change.days, strict=True)
    ]
    parts = {
        "contribution": (change.units[1] - change.units[0]) * (change.price - change.variable_cost),
        "carrying_cost": -(carry[1] - carry[0]),
        "collection_cost": -(change.collection_cost[1] - change.collection_cost[0]),
        "bad_debt": -(change.bad_debt[1] - change.bad_debt[0]),
        "discount": -(change.discount[1] - change.discount[0]),
    }
    return pd.Series(parts | {"net": float(sum(parts.values()))}).astype(float).round(6)


# By name; read only: a method of one's own is passed where it is asked for.
METHODS: Mapping[str, Method] = MappingProxyType(
    {
        one.name: one
        for one in (
            _sales_forecast,
            _working_assets,
            _characteristics,
            _net_worth,
            _working_capital,
            _trade_references,
            _payment_history,
            _expected_loss,
            _risk_and_return,
            _raroc,
            _supplier_cap,
        )
    }
)
