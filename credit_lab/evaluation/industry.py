"""Industry risk (行业风险): how each industry pays, against all, shrunk where it has few customers."""

import numpy as np
import pandas as pd

from credit_lab.ids import looked_up

PARTS = ("overdue", "delay", "loss")


def industry_index(history: pd.DataFrame, industry: pd.Series, *, prior: float = 10.0) -> pd.DataFrame:
    """Index per month and industry; 1 is like the portfolio, 2 twice as bad.

    overdue = overdue over open; delay = days beyond terms (amount-weighted, below zero counts as none) plus one; loss =
    written off over sales of twelve months. Each is divided by that of the portfolio, shrunk to 1 as if `prior`
    average customers stood beside those of the industry, and the index is their mean.

    Parameters
    ----------
    history : of `history.build`
    industry : industry by customer_id

    Returns
    -------
    DataFrame
        month, industry, customers, overdue, delay, loss (ratios to the portfolio, shrunk; NaN where the portfolio has
        none), industry_index.
    """
    rows = history.assign(industry=looked_up(history["customer_id"], industry))
    rows = rows[rows["industry"].notna() & (rows["sales_12m"] > 0)]
    weight = rows["sales_12m"].where(rows["days_beyond_terms_12m"].notna(), 0.0)
    late = rows["days_beyond_terms_12m"].clip(lower=0).fillna(0.0) * weight
    rows = rows.assign(weight=weight, late=late)
    names = ["open", "overdue", "late", "weight", "written_off_12m", "sales_12m"]
    keys = ["month", "industry"]
    own = rows.groupby(keys)[names].sum().assign(customers=rows.groupby(keys).size())
    whole = rows.groupby("month")[names].sum()

    def rates(sums: pd.DataFrame) -> pd.DataFrame:
        def over(a: str, b: str) -> pd.Series:
            return sums[a] / sums[b].where(sums[b] > 0)

        return pd.DataFrame(
            {"overdue": over("overdue", "open"), "delay": over("late", "weight") + 1,
             "loss": over("written_off_12m", "sales_12m").clip(lower=0)}
        )  # fmt: skip

    mean = rates(whole)
    ratio = rates(own) / mean.where(mean > 0).reindex(own.index.get_level_values("month")).to_numpy()
    share = own["customers"] / (own["customers"] + prior)
    shrunk = ratio.mul(share, axis=0).add(1 - share, axis=0)
    table = pd.DataFrame({"customers": own["customers"], **{name: shrunk[name] for name in PARTS}})
    return table.assign(industry_index=shrunk.mean(axis=1)).reset_index()


def turning_points(
    index: pd.DataFrame, *, external: pd.DataFrame | None = None, months: int = 3, least: float = 0.1
) -> pd.DataFrame:
    """Months at which an industry's index turned: it had moved one way by `least` and has since moved back by as much.

    Parameters
    ----------
    index : month, industry, industry_index
    external : month, industry, value: another series (rising is worse), looked at in the same way under `series`
    months : the index is smoothed over so many months first

    Returns
    -------
    DataFrame
        industry, series (ledger or external), month (of the turn), seen_on (month in which it could be known), turn
        (worsening after a low, easing after a high), level.
    """
    sources = [("ledger", index.rename(columns={"industry_index": "level"}))]
    if external is not None:
        spread = external.groupby("industry")["value"].transform("mean")
        sources.append(("external", external.assign(level=external["value"] / spread)))
    found = []
    for name, table in sources:
        for industry, part in table.sort_values("month").groupby("industry", sort=True):
            level = part["level"].rolling(months, min_periods=1).mean()
            for place, seen, turn in _turns(level.to_numpy(), least):
                month = part["month"].to_numpy()
                found.append((industry, name, month[place], month[seen], turn, level.iloc[place]))
    return pd.DataFrame(found, columns=["industry", "series", "month", "seen_on", "turn", "level"])


def _turns(level: np.ndarray, least: float) -> list[tuple[int, int, str]]:
    """Zig-zag: (place of the extreme, place where it is confirmed, which turn)."""
    turns = []
    low = high = 0
    way = 0
    for now, value in enumerate(level):
        if np.isnan(value):
            continue
        high = now if value > level[high] or np.isnan(level[high]) else high
        low = now if value < level[low] or np.isnan(level[low]) else low
        if way >= 0 and level[high] - value >= least:
            if way > 0:
                turns.append((high, now, "easing"))
            way, low = -1, now
            high = now
        elif way <= 0 and value - level[low] >= least:
            if way < 0:
                turns.append((low, now, "worsening"))
            way, high = 1, now
            low = now
    return turns
