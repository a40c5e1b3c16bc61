"""Figures of the granting step: methods side by side, approvals, the efficient frontier."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from credit_lab.figures import canvas
from credit_lab.figures.canvas import BLUE, GREY, ORANGE

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@canvas.style()
def methods_chart(limits: pd.DataFrame, *, currency: str, source: str) -> "Figure":
    """Spread of the limits each method gives (10 to 90 %, median), and how many customers it
    answers.
    """
    known = limits[limits["limit"].notna()]
    by = known.groupby("method")["limit"]
    spread = pd.DataFrame({level: by.quantile(level) for level in (0.1, 0.5, 0.9)}).sort_values(0.5)
    if spread.empty:
        return canvas.nothing("Limit methods")
    answered = (
        known.groupby("method").size().reindex(spread.index) / limits["customer_id"].nunique()
    )
    figure, axes = canvas.blank(height=1.4 + 0.32 * len(spread))
    at, scale = np.arange(len(spread)), 1e3
    axes.hlines(
        at,
        spread[0.1].clip(lower=1e3) / scale,
        spread[0.9].clip(lower=1e3) / scale,
        color=GREY,
        lw=5,
        alpha=0.5,
    )
    axes.plot(spread[0.5].clip(lower=1e3) / scale, at, "o", color=ORANGE)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_yticks(
        at, [f"{name} ({share:.0%})" for name, share in zip(spread.index, answered, strict=True)]
    )
    axes.set_xlabel(
        f"limit, thousand {currency}, at least 1 (bar: 10 to 90 % of customers, dot: median)"
    )
    axes.grid(axis="y", visible=False)
    least, most = spread[0.5].iloc[[0, -1]]
    canvas.title(
        axes,
        f"Methods differ by a factor of {most / least:,.0f} in the median"
        if least > 0
        else f"The median customer gets nothing by one method, {most / scale:,.0f} thousand "
        f"{currency} by another",
    )
    return canvas.note(
        figure,
        f"In brackets: share of customers a method can answer; {source}; n = "
        f"{limits['customer_id'].nunique():,}",
    )


@canvas.style()
def workload_chart(workload: pd.DataFrame, *, source: str) -> "Figure":
    """Signatures by level under one or two matrices."""
    wide = workload.pivot_table(index="approver", columns="policy", values="cases", sort=False)
    figure, axes = canvas.blank(height=2.8)
    width = 0.8 / wide.shape[1]
    for k, name in enumerate(wide):
        at = np.arange(len(wide)) + (k - (wide.shape[1] - 1) / 2) * width
        axes.bar(at, wide[name], width=0.9 * width, color=(BLUE, ORANGE)[k % 2], label=name)
    axes.set_xticks(range(len(wide)), wide.index)
    axes.set_ylabel("signatures")
    busiest = wide.iloc[:, 0]
    canvas.title(
        axes,
        f"Most signatures: {busiest.idxmax()} ({busiest.max() / busiest.sum():.0%})"
        if busiest.sum() > 0
        else "No limit changes: nothing is to be signed",
    )
    canvas.legend(axes)
    return canvas.note(
        figure,
        f"Changes of limits in this review; {source}; n = {int(wide.to_numpy().sum()):,} "
        "signatures",
    )


@canvas.style()
def frontier_chart(
    frontier: pd.DataFrame, losses: pd.DataFrame, *, currency: str, source: str
) -> "Figure":
    """Expected loss against expected profit, with the policy's own limits beside the frontier."""
    if frontier.empty:
        return canvas.nothing("Limits chosen together")
    figure, axes = canvas.blank(height=3.8)
    scale, unit = canvas.scale(frontier["profit"], currency)
    axes.plot(
        frontier["expected_loss"] / scale,
        frontier["profit"] / scale,
        "-",
        color=BLUE,
        label="best at each loss",
    )
    for (_, row), colour in zip(losses.iterrows(), (ORANGE, "black"), strict=False):
        axes.plot(
            row["expected_loss"] / scale,
            row["profit"] / scale,
            "o",
            color=colour,
            label=row["limits"],
        )
    axes.set_xlabel(f"expected loss of a year, {unit}")
    axes.set_ylabel(f"expected profit, {unit}")
    by = losses.set_index("limits")
    at = np.interp(by["expected_loss"].iloc[0], frontier["expected_loss"], frontier["profit"])
    more = at / by["profit"].iloc[0] - 1 if by["profit"].iloc[0] > 0 else np.nan
    beyond = "The policy's limits lie above the frontier: they break one of its constraints"
    better = f"At the same expected loss the best limits earn {more:.0%} more than the policy's"
    canvas.title(axes, beyond if more < -0.005 else better)
    canvas.legend(axes, loc="lower right")
    return canvas.note(figure, f"Expected, if limits are used in full; {source}")
