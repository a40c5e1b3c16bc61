"""Figures on credit files and evaluation."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from credit_lab.figures.canvas import (
    AGES,
    BLUE,
    GREY,
    ORANGE,
    blank,
    legend,
    note,
    nothing,
    style,
    title,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@style()
def completeness_chart(files: pd.DataFrame, *, source: str) -> "Figure":
    """How complete the files of each tier are, as shares of its customers."""
    if files.empty:
        return nothing("Completeness of credit files")
    figure, axes = blank(height=3.2)
    edges = np.array([0.0, 0.25, 0.5, 0.75, 0.999, 1.01])
    labels = ["below 25 %", "25-50 %", "50-75 %", "75-99 %", "complete"]
    shades = ["#A4303F", "#E08E45", "#F2D7A6", "#B8CCE0", BLUE]
    tiers = [tier for tier in ("key", "normal", "small") if (files["tier"] == tier).any()]
    left = np.zeros(len(tiers))
    for place, label in enumerate(labels):
        inside = (files["completeness"] >= edges[place]) & (
            files["completeness"] < edges[place + 1]
        )
        share = np.array([inside[files["tier"] == tier].mean() for tier in tiers])
        axes.barh(range(len(tiers)), share, left=left, color=shades[place], label=label, height=0.6)
        left = left + share
    axes.set_yticks(
        range(len(tiers)), [f"{tier} ({int((files['tier'] == tier).sum())})" for tier in tiers]
    )
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    axes.grid(axis="y", visible=False)
    key = files[files["tier"] == "key"]
    whole = (key["completeness"] > 0.999).mean() if len(key) else np.nan
    title(
        axes,
        f"{whole:.0%} of the key customers' files are complete"
        if len(key)
        else "Completeness of files",
    )
    legend(axes, ncols=5, loc="upper center", bbox_to_anchor=(0.5, -0.12))
    return note(
        figure, f"{source}; weighted by the policy for each tier, number of customers in brackets"
    )


@style()
def grades_chart(distribution: pd.DataFrame, *, source: str) -> "Figure":
    """Customers by grade now and a quarter before."""
    figure, axes = blank(height=3.4)
    place = np.arange(len(distribution))
    if "quarter_before" in distribution:
        axes.bar(
            place - 0.2, distribution["quarter_before"], 0.38, color=GREY, label="a quarter before"
        )
        bars = axes.bar(place + 0.2, distribution["customers"], 0.38, color=BLUE, label="now")
        legend(axes)
    else:
        bars = axes.bar(place, distribution["customers"], 0.6, color=BLUE)
    axes.bar_label(bars, fontsize=8.5)
    axes.set_xticks(place, distribution["grade"])
    axes.set_ylabel("customers")
    graded = distribution[distribution["grade"] != "no grade"]["customers"]
    weak = graded.iloc[-2:].sum() / graded.sum() if graded.sum() else np.nan
    names = " or ".join(distribution["grade"].iloc[-3:-1])
    title(
        axes,
        f"{weak:.0%} of the graded customers are {names}"
        if graded.sum()
        else "No customer has a grade",
    )
    return note(figure, source)


@style()
def industry_chart(index: pd.DataFrame, *, source: str) -> "Figure":
    """Industry index over the last 24 months, the worst two and the best one named in colour."""
    if index.empty or index["month"].nunique() < 3:
        return nothing("Industry risk")
    figure, axes = blank(height=3.6)
    wide = index.pivot_table(index="month", columns="industry", values="industry_index").tail(24)
    now = wide.iloc[-1].sort_values(ascending=False)
    colours = dict(zip([*now.index[:2], now.index[-1]], [ORANGE, AGES[5], BLUE], strict=False))
    for name in wide:
        axes.plot(
            wide.index,
            wide[name],
            color=colours.get(name, "#C8C8C8"),
            lw=1.8 if name in colours else 1.0,
            label=name if name in colours else None,
        )
    axes.axhline(1, color=GREY, lw=0.8, ls="--")
    axes.set_ylabel("index, portfolio = 1")
    title(axes, f"{now.index[0]} pays worst: {now.iloc[0]:.2f} times the portfolio")
    legend(axes)
    return note(
        figure,
        f"{source}; mean of overdue, delay and loss against the portfolio, shrunk to 1 where "
        "customers are few",
    )
