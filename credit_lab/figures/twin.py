"""Figures of simulated policies: two futures, what changes, which knobs matter."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from credit_lab import language
from credit_lab.figures import canvas
from credit_lab.figures.canvas import BLUE, GREY, ORANGE

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@canvas.style()
def futures_chart(monthly: pd.DataFrame, *, currency: str, source: str) -> "Figure":
    """Open balance and sales by month under both policies, with 80 % of the simulated worlds."""
    if monthly.empty:
        return canvas.nothing("The year ahead")
    figure, axes = canvas.blank(width=9.2, height=3.8, panels=2)
    said = []
    names = list(monthly["policy"].unique())
    for panel, name in zip(axes, ("open", "sales"), strict=True):
        scale, unit = canvas.scale(monthly[f"{name}_high"], currency)
        for policy, colour in zip(names, (BLUE, ORANGE), strict=False):
            part = monthly[monthly["policy"] == policy]
            panel.fill_between(
                part["month"],
                part[f"{name}_low"] / scale,
                part[f"{name}_high"] / scale,
                color=colour,
                alpha=0.18,
            )
            panel.plot(part["month"], part[f"{name}_median"] / scale, color=colour, label=policy)
        panel.set_ylabel(unit)
        panel.set_ylim(bottom=0)
        canvas.dates(panel)
        last = monthly.groupby("policy", sort=False)[f"{name}_median"].mean()
        words, before, after = (
            "Receivables" if name == "open" else "Sales",
            last.iloc[0],
            last.iloc[-1],
        )
        change = f"{after / before - 1:+.0%}" if before > 0 else "–"
        said.append(f"{words.lower()} {change}")
        canvas.title(panel, words, 10)
    canvas.legend(axes[0], loc="lower left")
    canvas.finding(figure, f"Under {names[-1]} against {names[0]}: {', '.join(said)}")
    return canvas.note(figure, f"Median and 80 % of simulated worlds; {source}")


@canvas.style()
def difference_chart(first: pd.DataFrame, second: pd.DataFrame, *, source: str) -> "Figure":
    """Turnover and bad debt of each simulated world under both policies, and what changes in the
    same world.
    """
    from matplotlib.ticker import MaxNLocator

    figure, axes = canvas.blank(width=9.2, height=3.6, panels=3)
    scale, unit = canvas.scale(second["profit"] - first["profit"], "")
    for panel, (name, words, factor) in zip(
        axes,
        (
            ("turnover", "turnover, times a year", 1),
            ("bad_debt_expected", "bad debt, % of sales", 100),
            ("profit", f"profit, {unit.strip() or 'money'}", 1 / scale),
        ),
        strict=True,
    ):
        gap = ((second[name] - first[name]) * factor).dropna()
        if gap.empty:
            canvas.title(panel, "Nothing sold on credit", 10)
            panel.set_axis_off()
            continue
        panel.hist(gap, bins=min(30, max(len(gap) // 4, 5)), color=BLUE, alpha=0.8)
        panel.axvline(0, color="black", lw=0.8)
        panel.axvline(gap.mean(), color=ORANGE, lw=1.5)
        panel.set_xlabel(f"change of {words}")
        panel.set_yticks([])
        better = float((gap > 0).mean())
        canvas.title(panel, f"Higher in {better:.0%} of worlds", 10)
        panel.xaxis.set_major_locator(MaxNLocator(4))
    gain = float((second["profit"] - first["profit"]).mean()) / scale
    size = f"{abs(gain):,.2f} {unit}".strip()
    canvas.finding(
        figure,
        f"The second policy earns {size} more than the first on average"
        if gain > 0
        else f"The second policy earns {size} less than the first on average"
        if gain < 0
        else "Both policies earn the same",
    )
    return canvas.note(figure, f"Each world meets both policies; orange: mean; {source}")


@canvas.style()
def sensitivity_chart(table: pd.DataFrame, *, currency: str, source: str) -> "Figure":
    """What each knob does to profit at the ends of its range."""
    figure, axes = canvas.blank(height=3.2)
    scale, unit = canvas.scale(table["difference"], currency)
    order = table.groupby("knob")["difference"].agg(lambda v: v.abs().max()).sort_values()
    for at, knob in enumerate(order.index):
        part = table[table["knob"] == knob]
        for _, row in part.iterrows():
            colour = ORANGE if row["value"] == part["value"].max() else BLUE
            axes.barh(at, row["difference"] / scale, color=colour, height=0.5, alpha=0.85)
            axes.annotate(
                f"{row['value']:g}",
                (row["difference"] / scale, at),
                fontsize=8,
                va="center",
                xytext=(3 if row["difference"] > 0 else -3, 0),
                textcoords="offset points",
                ha="left" if row["difference"] > 0 else "right",
            )
    axes.axvline(0, color="black", lw=0.8)
    axes.set_yticks(range(len(order)), [language.value(name, "knob", ()) for name in order.index])
    axes.set_xlabel(f"change of yearly profit, {unit} (blue: low end, orange: high end)")
    axes.grid(axis="y", visible=False)
    canvas.title(axes, f"{language.value(order.index[-1], 'knob', ())} moves profit most")
    return canvas.note(figure, source)


@canvas.style()
def search_chart(found: pd.DataFrame, front: pd.DataFrame, *, source: str) -> "Figure":
    """Bad debt against turnover of all settings tried, and the frontier."""
    if found.empty:
        return canvas.nothing("Search for better policies (parameter candidates)")
    figure, axes = canvas.blank(height=3.6)
    axes.scatter(
        100 * found["bad_debt_expected"], found["turnover"], s=14, color=GREY, label="tried"
    )
    axes.plot(
        100 * front["bad_debt_expected"],
        front["turnover"],
        "o-",
        color=BLUE,
        ms=4,
        label="frontier",
    )
    now = found[found["limit_multiple"].isna()]
    axes.plot(
        100 * now["bad_debt_expected"], now["turnover"], "s", color=ORANGE, label="policy as it is"
    )
    axes.set_xlabel("expected bad debt, % of sales")
    axes.set_ylabel("turnover, times a year")
    gain = float(found.iloc[0]["difference"])
    scale, unit = canvas.scale(np.array([gain]), "")
    size = f"{gain / scale:+,.2f} {unit}".strip()
    canvas.title(axes, f"Best setting found earns {size} against the policy as it is")
    canvas.legend(axes)
    return canvas.note(figure, source)
