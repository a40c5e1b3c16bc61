"""Distress scores from the literature, as benchmarks beside one's own scorecard.

Each has zones: safe, grey, distress. Coefficients of scores whose original was not consulted are marked "convention":
they are those in general use, and a report says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Score:
    """A linear score: constant, weights on inputs, zone edges; `risky_high` when more means more danger."""

    formula_id: str
    source: str
    standing: str
    constant: float
    weights: dict[str, float]
    distress: float
    safe: float
    risky_high: bool = False


SCORES: Mapping[str, Score] = MappingProxyType({
    "altman_z": Score("distress.z", "Altman 1968, listed manufacturers", "published", 0.0,
                      {"x1": 1.2, "x2": 1.4, "x3": 3.3, "x4": 0.6, "x5": 0.999}, 1.81, 2.99),
    "altman_z1": Score("distress.z1", "Altman 1983, Z' for private firms", "published", 0.0,
                       {"x1": 0.717, "x2": 0.847, "x3": 3.107, "x4": 0.420, "x5": 0.998}, 1.23, 2.90),
    "altman_z2": Score("distress.z2", "Altman 1995, Z'' for non-manufacturers", "convention", 0.0,
                       {"x1": 6.56, "x2": 3.26, "x3": 6.72, "x4": 1.05}, 1.1, 2.6),
    "z_china": Score("distress.z_china", "Zhang, Altman and Yen 2010", "convention", 0.517,
                     {"debt": -0.460, "roa_avg": 9.320, "x1": 0.388, "x2": 1.158}, 0.5, 0.9),
    "ohlson": Score("distress.ohlson", "Ohlson 1980, model 1", "convention", -1.32,
                    {"size": -0.407, "debt": 6.03, "x1": -1.43, "cl_ca": 0.0757, "negative": -1.72, "roa": -2.37,
                     "ffo": -1.83, "losses": 0.285, "change": -0.521}, 0.0, -3.23, True),
    "zmijewski": Score("distress.zmijewski", "Zmijewski 1984", "convention", -4.336,
                       {"roa": -4.513, "debt": 5.679, "ca_cl": 0.004}, 0.0, 0.0, True),
})  # fmt: skip


def _inputs(rows: pd.DataFrame, price_level: float) -> pd.DataFrame:
    """Inputs of all scores; NaN where a denominator is not above zero. Where the market value of equity is unknown
    its book value stands in, and depreciation being unknown, funds from operations are the operating profit."""

    def item(name: str) -> pd.Series:
        return rows[name].astype("float64") if name in rows else pd.Series(np.nan, index=rows.index)

    assets = item("total_assets").where(item("total_assets") > 0)
    owed = item("total_liabilities").where(item("total_liabilities") > 0)
    short, current = item("current_liabilities"), item("current_assets")
    worth, income, past = item("net_worth"), item("net_income"), item("net_income_before")
    before = item("total_assets_before")
    moved = income.abs() + past.abs()
    return pd.DataFrame(
        {
            "x1": (current - short) / assets,
            "x2": item("retained_earnings") / assets,
            "x3": item("operating_profit") / assets,
            "x4": worth.where(worth > 0) / owed,
            "x5": item("sales") / assets,
            "debt": item("total_liabilities") / assets,
            "roa": income / assets,
            "roa_avg": income / ((assets + before.where(before > 0)) / 2),
            "ca_cl": current / short.where(short > 0),
            "cl_ca": short / current.where(current > 0),
            "size": np.log(assets / price_level),
            "negative": (owed > assets).astype("float64").where(assets.notna() & owed.notna()),
            "ffo": item("operating_profit") / owed,
            "losses": ((income < 0) & (past < 0)).astype("float64").where(income.notna() & past.notna()),
            "change": (income - past) / moved.where(moved > 0),
        }
    )


def distress(rows: pd.DataFrame, *, price_level: float = 1000.0) -> pd.DataFrame:
    """All scores for statements as `ratios.latest` gives them.

    Parameters
    ----------
    price_level : divisor of total assets in Ohlson's size term (he used thousands at a price index of 1968)

    Returns
    -------
    DataFrame
        customer_id, period_end, score, formula_id, value, zone (safe, grey, distress; empty without a value),
        reason, standing (published or convention), source.

    References
    ----------
    Altman (1968) doi:10.1111/j.1540-6261.1968.tb00843.x; Ohlson (1980) doi:10.2307/2490395; Zmijewski (1984)
    doi:10.2307/2490859; Zhang, Altman and Yen (2010, 中国上市公司).
    """
    inputs = _inputs(rows, price_level)
    parts = []
    for name, score in SCORES.items():
        used = inputs[list(score.weights)]
        value = score.constant + (used * pd.Series(score.weights)).sum(axis=1, skipna=False)
        lacking = used.isna()
        reason = [", ".join(used.columns[row]) for row in lacking.to_numpy()]
        way = -1.0 if score.risky_high else 1.0
        zone = np.select([value.isna(), way * value < way * score.distress, way * value > way * score.safe],
                         ["", "distress", "safe"], "grey")  # fmt: skip
        parts.append(
            pd.DataFrame({"customer_id": rows["customer_id"], "period_end": rows["period_end"], "score": name,
                          "formula_id": score.formula_id, "value": value, "zone": zone,
                          "reason": [f"undefined: {text}" if text else "" for text in reason],
                          "standing": score.standing, "source": score.source})
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)
