"""Who holds a limit, and which limit stands on a day: lasting, temporary, run out."""

import numpy as np
import pandas as pd

from credit_lab.errors import CreditLabError


class StandingError(CreditLabError):
    """Limits or groups that contradict each other."""


def holder(customers: pd.DataFrame, limits: pd.DataFrame | None) -> pd.Series:
    """Whose limit counts for each customer: its group's where the group has one (集团授信), else its own.

    Parameters
    ----------
    customers : customer_id and, where there are groups, group_id
    limits : the ledger's table; None: there is none

    Returns
    -------
    Series
        Holder by customer_id.

    Raises
    ------
    StandingError
        A group that belongs to another group.
    """
    table = customers.set_index("customer_id")
    own = pd.Series(table.index, index=table.index, dtype="str")
    if limits is None or "group_id" not in table:
        return own
    group = table["group_id"]
    above = group.map(group.where(group != own))  # of a customer that is a group's head itself
    if above.notna().any():
        member = above.index[above.notna()][0]
        raise StandingError(
            f"customers: group {group[member]!r} of {member!r} belongs to group {above[member]!r} "
            "itself; name the topmost group"
        )
    return group.where(group.isin(limits["customer_id"]), own)


def temporary(limits: pd.DataFrame) -> pd.Series:
    """Which rows of the table of limits are temporary: those whose reason begins with the word."""
    if "reason" not in limits:
        return pd.Series(False, index=limits.index)
    return limits["reason"].fillna("").str.lower().str.startswith("temporary")


def standing_limit(limits: pd.DataFrame | None, asked: pd.DataFrame) -> pd.DataFrame:
    """The limit that stands for each holder on each day.

    Of several lasting limits valid on the day the one that began last counts; temporary ones are
    added to it while they run: 100,000 lasting and 30,000 temporary are 130,000, and 100,000 after.

    Parameters
    ----------
    limits : the ledger's table: customer_id (the holder), valid_from, credit_limit (money), and
        where known valid_to (last day) and reason; None: there is none
    asked : holder, day

    Returns
    -------
    DataFrame
        In the order and with the index of `asked`: lasting, credit_limit (with temporary ones; NaN:
        none stands), since (first day of the lasting one), known (the holder ever had a limit by
        that day). A limit that has run out is known and does not stand.

    Raises
    ------
    StandingError
        A limit ends before it begins.
    """
    names = ["lasting", "credit_limit", "since", "known"]
    if limits is None or limits.empty:
        return pd.DataFrame(
            {"lasting": np.nan, "credit_limit": np.nan, "since": pd.NaT, "known": False},
            index=asked.index,
        )[names]
    timeline = _timeline(limits)
    rows = asked[["holder", "day"]].assign(_row=np.arange(len(asked)))
    rows = rows.assign(day=rows["day"].astype("datetime64[us]"), holder=rows["holder"].astype("str"))
    found = pd.merge_asof(rows.sort_values("day", kind="stable"), timeline, on="day", by="holder")
    found = found.sort_values("_row").assign(known=lambda t: t["known"].eq(True))
    return found[names].set_axis(asked.index)


def _timeline(limits: pd.DataFrame) -> pd.DataFrame:
    """What stands from each day on which anything of a holder begins or has ended, in order of days."""
    until = limits["valid_to"] if "valid_to" in limits else pd.Series(pd.NaT, index=limits.index)
    wrong = until.notna() & (until < limits["valid_from"])
    if wrong.any():
        first = limits[wrong].iloc[0]
        raise StandingError(
            f"limits: {int(wrong.sum())} end before they begin (first: {first['customer_id']}, from "
            f"{first['valid_from'].date()} to {first['valid_to'].date()}); correct the dates"
        )
    begin = limits["valid_from"].astype("datetime64[us]")
    after = (until + pd.Timedelta(days=1)).astype("datetime64[us]")
    rows = pd.DataFrame(
        {
            "holder": limits["customer_id"].astype("str"),
            "begin": begin,
            "after": after,
            "amount": limits["credit_limit"].astype("float64"),
            "extra": temporary(limits),
        }
    )
    days = pd.concat([rows[["holder", "begin"]].set_axis(["holder", "day"], axis=1),
                      rows[["holder", "after"]].set_axis(["holder", "day"], axis=1)])  # fmt: skip
    days = days.dropna().drop_duplicates()
    pairs = days.merge(rows, on="holder")
    pairs = pairs[(pairs["begin"] <= pairs["day"]) & (pairs["after"].isna() | (pairs["after"] > pairs["day"]))]
    pairs = pairs.sort_values("begin", kind="stable")
    key = ["holder", "day"]
    last = pairs[~pairs["extra"]].groupby(key).agg(lasting=("amount", "last"), since=("begin", "last"))
    on_top = pairs[pairs["extra"]].groupby(key)["amount"].sum()
    made = days.set_index(key).join(last).join(on_top.rename("on_top"))
    total = made["lasting"].add(made["on_top"], fill_value=0.0)
    made = made.assign(credit_limit=total, known=True).reset_index()
    return made.drop(columns="on_top").sort_values("day", kind="stable", ignore_index=True)
