"""Figures of collections: cash to come, what alerts are worth, the worklist."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from credit_lab.facts import Said
from credit_lab.figures import canvas
from credit_lab.figures.canvas import BLUE, GREY, ORANGE

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@canvas.style()
def cash_chart(weekly: pd.DataFrame, past: pd.DataFrame, *, currency: str, source: str) -> "Figure":
    """Receipts expected per week with their 80 % interval, and what came in the weeks before."""
    if weekly.empty:
        return canvas.nothing("Cash forecast")
    figure, axes = canvas.blank(height=3.8)
    scale, unit = canvas.scale(weekly["p90"], currency)
    if "observed" in past:
        whole = (past["period_end"] - past["period_start"]).dt.days == 6
        seen = (
            past[whole & (past["kind"] == "shocks")]
            .drop_duplicates("period_end")
            .sort_values("period_end")
            .tail(16)
        )
        axes.plot(
            seen["period_end"],
            seen["observed"] / scale,
            "o-",
            color=GREY,
            ms=3.5,
            lw=1,
            label="received",
        )
    axes.fill_between(
        weekly["period_end"],
        weekly["p10"] / scale,
        weekly["p90"] / scale,
        color="#CFE0EE",
        label="80 %",
    )
    axes.plot(weekly["period_end"], weekly["p50"] / scale, color=BLUE, label="expected (median)")
    axes.plot(
        weekly["period_end"],
        weekly["open_items"] / scale,
        color=ORANGE,
        lw=1,
        ls="--",
        label="from open items",
    )
    axes.set_ylabel(unit)
    axes.set_ylim(bottom=0)
    canvas.dates(axes)
    total, last = float(weekly["mean"].sum()), weekly["period_end"].iloc[-1]
    text = f"{total / scale:,.1f} {unit} expected in the {len(weekly)} weeks to {last.date()}"
    canvas.title(axes, Said(text, {"cash_to": total}, last))
    canvas.legend(axes, bbox_to_anchor=(1.0, 1.0), loc="upper left")
    return canvas.note(figure, source)


@canvas.style()
def rules_chart(rules: pd.DataFrame, *, source: str) -> "Figure":
    """Recall and precision of each rule, with its lead time."""
    shown = rules.iloc[::-1].reset_index(drop=True)
    figure, (left, right) = canvas.blank(width=9.0, height=1.8 + 0.26 * len(shown), panels=2)
    at = np.arange(len(shown))
    left.barh(
        at + 0.18, 100 * shown["recall"], height=0.34, color=BLUE, label="impairments warned of"
    )
    left.barh(
        at - 0.18,
        100 * shown["precision"],
        height=0.34,
        color=ORANGE,
        label="alerts that came true",
    )
    left.axvline(100 * shown["base_rate"].iloc[0], color="black", lw=0.8, ls="--")
    left.set_yticks(at, shown["rule"].map(lambda rule: canvas.label(rule, 40)), fontsize=8.5)
    left.set_xlabel("% (dashed: by lot)")
    left.grid(axis="y", visible=False)
    right.barh(at, shown["lead_median_days"], height=0.5, color=GREY)
    right.set_yticks(at, [""] * len(shown))
    right.set_xlabel("median days before the impairment")
    right.grid(axis="y", visible=False)
    many = rules[(rules["rule"] != "any of them") & (rules["alerts"] >= 20)].sort_values(
        "precision"
    )
    best = (
        f"Most precise rule with 20 alerts: {many['rule'].iloc[-1]} "
        f"({many['precision'].iloc[-1]:.0%} came true)"
        if len(many)
        else "Few alerts yet"
    )
    canvas.finding(figure, best)
    canvas.legend(left, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2)
    return canvas.note(figure, f"{source}; n = {int(rules['alerts'].max()):,} alerts")


@canvas.style()
def orderings_chart(orderings: pd.DataFrame, *, currency: str, source: str) -> "Figure":
    """What the same minutes bring in three orders; nothing where payment times are not known."""
    if orderings.empty:
        return canvas.nothing("Three orders of the same work")
    figure, axes = canvas.blank(height=2.4)
    scale, unit = canvas.scale(orderings["net_gain"], currency)
    at = np.arange(len(orderings))[::-1]
    axes.barh(at, orderings["net_gain"] / scale, color=[BLUE, GREY, GREY], height=0.55)
    axes.set_yticks(at, [f"by {name}" for name in orderings["ordering"]])
    axes.set_xlabel(f"cash gained less cost, {unit}")
    axes.grid(axis="y", visible=False)
    worst = orderings["against_index"].min()
    best = orderings["ordering"].iloc[0]
    canvas.title(
        axes,
        f"The same minutes bring {1 - worst:.0%} less in the worst of the usual orders than by "
        f"{best}",
    )
    return canvas.note(figure, source)
