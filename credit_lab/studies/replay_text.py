"""Sentences of a backtest: what two policies differ in, what the challenger would have changed."""

import numpy as np
import pandas as pd

from credit_lab.backtest import ChampionChallenger
from credit_lab.kpi.formulas import ratio
from credit_lab.rules import coverage


def blind(differing: pd.DataFrame, a: str, b: str) -> list[str]:
    """Why two policies cannot be told apart here: nothing of what differs is read, or nothing
    differs. Empty: they can.

    Parameters
    ----------
    differing : of `rules.coverage.differences`
    a, b : names of the policies
    """
    if differing.empty:
        return [f"{a} and {b} differ in no setting."]
    if differing["read"].any():
        return []
    return [f"Nothing in which {a} and {b} differ is read here, so nothing can be said about it."]


def not_replayed(differing: pd.DataFrame) -> list[str]:
    """What differs between the policies and the replay does not read; empty: it reads all."""
    names = coverage.listed(differing)
    return [f"The replay does not read: {names}."] if names else []


def replay_headline(run: ChampionChallenger) -> list[str]:
    """What the challenger would have changed, in a few sentences, without more certainty than a
    replay has; and what differs that it does not read.
    """
    alike = blind(run.differences, run.a.policy, run.b.policy)
    return [*(alike or _replayed(run)), *not_replayed(run.differences)]


def _replayed(run: ChampionChallenger) -> list[str]:
    """What the challenger would have changed."""
    values = run.comparison.set_index("metric")
    sales, open_, lost = (
        values.loc[name]
        for name in ("sales allowed", "receivables turnover", "refused and later written off")
    )
    more = values.loc["share of sales refused"]
    if not np.isfinite(more[["a", "b"]].astype(float)).all():
        return ["Nothing was sold in the months compared, so the policies cannot be told apart."]
    differ = float(ratio(sales["difference"], sales["a"]))
    refused = (
        f"{run.a.policy} would have refused {more['a']:.1%} of what was sold, {run.b.policy} "
        f"{more['b']:.1%}"
    )
    text = [
        f"{refused}; sales allowed differ by {differ:+.1%}."
        if np.isfinite(differ)
        else f"{refused}.",
        *_waited(run),
    ]
    change = float(ratio(open_["difference"], open_["a"]))
    if not np.isfinite(change):
        text.append("Receivables turnover cannot be compared: one policy left no balances.")
    elif abs(change) < 0.01:
        text.append(
            f"Receivables turnover is the same within 1 % ({open_['a']:.2f} against "
            f"{open_['b']:.2f} a year)."
        )
    else:
        verb = "rises" if change > 0 else "falls"
        text.append(
            f"Receivables turnover {verb} by {abs(change):.1%}, from {open_['a']:.2f} to "
            f"{open_['b']:.2f} a year."
        )
    if not np.isfinite(lost["difference"]) or lost["a"] == 0 == lost["b"]:
        known = run.a.invoices["written_off"].gt(0).any()
        return [
            *text,
            "Neither policy would have refused an invoice that was written off later."
            if known
            else "No write-off is known in these data, so nothing can be said about bad debt.",
        ]
    if lost["difference"] > 0:
        cost = sales["difference"] / -lost["difference"] if lost["difference"] else np.nan
        return [
            *text,
            f"{run.b.policy} would have kept {lost['difference']:,.0f} more of later written-off "
            f"invoices off the books, at {abs(cost):,.0f} of sales given up for each unit of loss "
            "avoided.",
        ]
    if lost["difference"] < 0:
        return [
            *text,
            f"{run.b.policy} would have let {-lost['difference']:,.0f} more of later losses "
            "through.",
        ]
    return [*text, "Both policies would have met the same losses."]


def _waited(run: ChampionChallenger) -> list[str]:
    """What became of the orders each policy did not let go at once, and what that rests on."""
    values = run.comparison.set_index("metric")
    found = []
    for side, policy in (("a", run.a.policy), ("b", run.b.policy)):
        ordered = values.loc["sales allowed", side] + values.loc["sales refused", side]
        later, lost = (
            ratio(values.loc[one, side], ordered) for one in ("delivered later", "sales refused")
        )
        at_once = ratio(values.loc["delivered at once", side], ordered)
        if np.isfinite(at_once):
            found.append(
                f"Under {policy} {at_once:.1%} of what was ordered goes out at once, {later:.1%} "
                f"later and {lost:.1%} never."
            )
    payments = (
        "Payments are held fixed on the days they had in history: no hold provokes a payment here."
    )
    return [*found, payments] if found else []


def replay_verdicts(run: ChampionChallenger) -> dict[str, str]:
    """Main figures of a backtest for run.json."""
    values = run.comparison.set_index("metric")
    forms = {"money": "{:,.0f}", "share": "{:.1%}", "times a year": "{:.2f} times a year"}

    def told(name: str, side: str) -> str:
        value = float(values.loc[name, side])
        return forms[values.loc[name, "unit"]].format(value) if np.isfinite(value) else "not known"

    chosen = (
        "sales allowed",
        "share of sales refused",
        "receivables turnover",
        "refused and later written off",
    )
    return {name: ", ".join(f"{side} {told(name, side)}" for side in "ab") for name in chosen}
