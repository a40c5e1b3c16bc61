"""Ratios of financial statements (财务比率): solvency, profitability, efficiency, growth.

Every ratio has a formula id and says whether more is better. A denominator that is zero, or negative where that makes
no sense (net worth), gives NaN with a reason, never a number.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd

from credit_lab.errors import CreditLabError, nearest
from credit_lab.ids import looked_up
from credit_lab.periods import takes_days


@dataclass(frozen=True)
class Ratio:
    """One ratio: group, id, what is divided by what (`a - b` and `a + b` of statement items allowed), which way is
    good (1 or −1), in words."""

    group: str
    formula_id: str
    over: str
    under: str
    better: int
    formula: str


RATIOS: Mapping[str, Ratio] = MappingProxyType({
    "current_ratio": Ratio("solvency", "fin.current_ratio", "current_assets", "current_liabilities", 1,
                           "current assets / current liabilities (流动比率)"),
    "quick_ratio": Ratio("solvency", "fin.quick_ratio", "current_assets - inventory", "current_liabilities", 1,
                         "(current assets − stocks) / current liabilities (速动比率)"),
    "cash_ratio": Ratio("solvency", "fin.cash_ratio", "cash", "current_liabilities", 1, "cash / current liabilities"),
    "debt_ratio": Ratio("solvency", "fin.debt_ratio", "total_liabilities", "total_assets", -1,
                        "liabilities / assets (资产负债率)"),
    "debt_to_equity": Ratio("solvency", "fin.debt_to_equity", "total_liabilities", "net_worth", -1,
                            "liabilities / net worth (产权比率)"),
    "gross_margin": Ratio("profitability", "fin.gross_margin", "sales - cost_of_sales", "sales", 1,
                          "(sales − cost of sales) / sales (毛利率)"),
    "operating_margin": Ratio("profitability", "fin.operating_margin", "operating_profit", "sales", 1,
                              "operating profit / sales"),
    "net_margin": Ratio("profitability", "fin.net_margin", "net_income", "sales", 1, "net income / sales"),
    "return_on_assets": Ratio("profitability", "fin.return_on_assets", "net_income", "total_assets", 1,
                              "net income / assets (总资产收益率)"),
    "return_on_equity": Ratio("profitability", "fin.return_on_equity", "net_income", "net_worth", 1,
                              "net income / net worth (净资产收益率)"),
    "asset_turnover": Ratio("efficiency", "fin.asset_turnover", "sales", "total_assets", 1, "sales / assets"),
    "inventory_turnover": Ratio("efficiency", "fin.inventory_turnover", "cost_of_sales", "inventory", 1,
                                "cost of sales / stocks (存货周转率)"),
    "receivables_turnover": Ratio("efficiency", "fin.receivables_turnover", "sales", "receivables", 1,
                                  "sales / receivables (应收账款周转率)"),
    "sales_growth": Ratio("growth", "fin.sales_growth", "sales - sales_before", "sales_before", 1,
                          "sales / sales of the year before − 1"),
    "asset_growth": Ratio("growth", "fin.asset_growth", "total_assets - total_assets_before", "total_assets_before", 1,
                          "assets / assets of the year before − 1"),
    "income_growth": Ratio("growth", "fin.income_growth", "net_income - net_income_before", "net_income_before", 1,
                           "net income / net income of the year before − 1, where that was above zero"),
})  # fmt: skip
_BETTER = pd.Series({name: ratio.better for name, ratio in RATIOS.items()}, dtype="float64")


@takes_days
def latest(statements: pd.DataFrame, as_of: pd.Timestamp, *, months: int = 120) -> pd.DataFrame:
    """The latest statement of each customer published by `as_of` whose period ended at most `months` ago.

    The columns `<item>_before` hold the items of the statement of a year before, where there is one.
    Statements must be one per customer and period, see `investigation.statements_check.known_statements`.
    """
    rows = statements[statements["published_on"] <= as_of].sort_values(["customer_id", "period_end"], kind="stable")
    items = [name for name in rows if name in ("sales", "total_assets", "net_income")]
    past = rows[["customer_id", "period_end", *items]].assign(
        period_end=rows["period_end"].map(lambda day: day + pd.DateOffset(years=1)).astype("datetime64[us]")
    )
    rows = rows.merge(past, on=["customer_id", "period_end"], how="left", suffixes=("", "_before"))
    rows = rows[rows["period_end"] >= as_of - pd.DateOffset(months=months)]
    return rows.drop_duplicates("customer_id", keep="last").reset_index(drop=True)


def ratios(rows: pd.DataFrame) -> pd.DataFrame:
    """All ratios, long: customer_id, period_end, group, ratio, formula_id, value, reason (why a value is missing)."""
    parts = []
    for name, ratio in RATIOS.items():
        over, under = _term(rows, ratio.over), _term(rows, ratio.under)
        value = (over / under.where(under > 0)).astype("float64")
        reason = np.select(
            [over.isna() | under.isna(), under == 0, under < 0],
            ["an item is not known", f"{ratio.under} is zero", f"{ratio.under} is negative"], "",
        )  # fmt: skip
        parts.append(
            pd.DataFrame({"customer_id": rows["customer_id"], "period_end": rows["period_end"], "group": ratio.group,
                          "ratio": name, "formula_id": ratio.formula_id, "value": value, "reason": reason})
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _term(rows: pd.DataFrame, term: str) -> pd.Series:
    first, sign, second = [*term.split(" "), "", ""][:3]
    value = _item(rows, first)
    return value if not sign else value - _item(rows, second)


def _item(rows: pd.DataFrame, name: str) -> pd.Series:
    return rows[name].astype("float64") if name in rows else pd.Series(np.nan, index=rows.index)


def percentiles(values: pd.DataFrame, industry: pd.Series, *, least: int = 8) -> pd.DataFrame:
    """Where a customer's ratio stands among its industry, 1 is best: `values` with percentile, peers, against.

    Mid-rank among all known values of the industry, or of all customers where the industry has fewer than `least`.

    Parameters
    ----------
    values : of `ratios`, one period per customer
    industry : industry by customer_id
    """
    unknown = set(values["ratio"]) - set(RATIOS)
    if unknown:
        name = sorted(unknown)[0]
        raise CreditLabError(f"no ratio {name!r}; {nearest(name, RATIOS)}")
    table = values.assign(industry=looked_up(values["customer_id"], industry))
    good = table["value"] * looked_up(table["ratio"], _BETTER)
    table = table.assign(good=good)
    own = table.groupby(["ratio", "industry"], dropna=False)["good"]
    whole = table.groupby("ratio")["good"]
    few = ~(own.transform("count") >= least) | table["industry"].isna()

    def placed(groups: object, count: pd.Series) -> pd.Series:
        return (groups.rank(method="average") - 0.5) / count  # type: ignore[attr-defined]

    percentile = placed(own, own.transform("count")).where(~few, placed(whole, whole.transform("count")))
    peers = own.transform("count").where(~few, whole.transform("count"))
    against = table["industry"].where(~few, "all customers")
    return values.assign(percentile=percentile, peers=peers.fillna(0).astype("int64"), against=against)


@takes_days
def trends(statements: pd.DataFrame, as_of: pd.Timestamp, *, years: int = 3) -> pd.DataFrame:
    """Slope per year of each ratio over the last `years` statements.

    Returns customer_id, ratio, first, last, slope, statements, direction (better, worse, or flat: less than a tenth of
    the mean level in the whole span).
    """
    rows = statements[statements["published_on"] <= as_of].sort_values(["customer_id", "period_end"])
    rows = rows.groupby("customer_id").tail(years)
    table = ratios(rows.reset_index(drop=True)).dropna(subset=["value"])
    table = table[table["ratio"].map(lambda name: RATIOS[name].group != "growth").astype(bool)]
    x = table["period_end"].dt.year.astype("float64")
    keys = [table["customer_id"], table["ratio"]]
    dx, dy = x - x.groupby(keys).transform("mean"), table["value"] - table.groupby(keys)["value"].transform("mean")
    spread = (dx**2).groupby(keys).sum()
    slope = (dx * dy).groupby(keys).sum() / spread.where(spread > 0)
    by = table.groupby(["customer_id", "ratio"])["value"]
    made = pd.DataFrame({"first": by.first(), "last": by.last(), "slope": slope, "statements": by.size()})
    made = made[made["statements"] >= 2].reset_index()
    way = made["slope"] * looked_up(made["ratio"], _BETTER)
    level = (made["first"].abs() + made["last"].abs()) / 2
    flat = made["slope"].abs() * (made["statements"] - 1) < 0.1 * level
    return made.assign(direction=np.select([flat, way > 0], ["flat", "better"], "worse"))
