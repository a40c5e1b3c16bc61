"""Figures of the reviews and backtests. Each takes a table and returns a matplotlib figure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from credit_lab import language
from credit_lab.facts import Said
from credit_lab.figures import canvas
from credit_lab.figures.canvas import AGES, BLUE, GREY, ORANGE
from credit_lab.kpi.formulas import ratio

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@canvas.style()
def aging_chart(
    series: pd.DataFrame, labels: Sequence[str], *, currency: str, source: str
) -> "Figure":
    """Open invoices at month ends, stacked by age."""
    figure, axes = canvas.blank()
    scale, unit = canvas.scale(series["open"], currency)
    bottom = np.zeros(len(series))
    for label, colour in zip(labels, AGES, strict=False):
        heights = series[label].to_numpy() / scale
        name = "not due" if label == "not_due" else f"{label} days"
        axes.bar(range(len(series)), heights, bottom=bottom, color=colour, label=name, width=0.8)
        bottom += heights
    late = 1 - series[labels[0]] / series["open"].where(series["open"] > 0)
    before, now = late.iloc[0], late.iloc[-1]
    first, last = (f"{series['as_of'].iloc[at].date()}" for at in (0, -1))
    canvas.title(
        axes,
        Said(
            f"{now:.0%} of open invoices were overdue at {last}, against {before:.0%} at {first}"
            if len(series) == 13 and np.isfinite([before, now]).all()
            else f"{now:.0%} of open invoices were overdue at {last}",
            {"overdue_ratio": float(now)},
            series["as_of"].iloc[-1],
        )
        if np.isfinite(now)
        else "Nothing was open",
    )
    axes.set_ylabel(unit)
    canvas.months(axes, series["as_of"])
    handles, names = axes.get_legend_handles_labels()
    canvas.legend(axes, handles[::-1], names[::-1], bbox_to_anchor=(1.0, 1.0), loc="upper left")
    return canvas.note(
        figure,
        f"Open invoices at month ends by days past due; {source}; n = {len(series)} month ends",
    )


@canvas.style()
def dso_chart(kpis: pd.DataFrame, *, source: str) -> "Figure":
    """DSO split into the part that terms explain and the part that is delay, by month end."""
    if kpis.empty:
        return canvas.nothing("DSO")
    figure, axes = canvas.blank()
    x = range(len(kpis))
    axes.fill_between(
        x, 0, kpis["dso.best_possible"], color=AGES[0], label="terms (best possible DSO)"
    )
    axes.fill_between(
        x, kpis["dso.best_possible"], kpis["dso.period_end"], color=AGES[2], label="delay (ADD)"
    )
    axes.plot(x, kpis["dso.period_end"], color=BLUE, linewidth=2, label="DSO, period end")
    axes.plot(
        x,
        kpis["dso.countback"],
        color=ORANGE,
        linewidth=1.6,
        linestyle="--",
        label="DSO, countback",
    )
    first, last = kpis["dso.period_end"].iloc[[0, -1]]
    start, day = (f"{kpis['month'].iloc[at].date()}" for at in (0, -1))
    if len(kpis) == 13 and np.isfinite(last - first):
        verb = "rose" if last > first else "fell"
        size = f"{abs(last - first):.1f} days"
        canvas.title(axes, f"DSO, period end, {verb} by {size} between {start} and {day}")
    elif not np.isfinite(last):
        canvas.title(axes, "DSO at the end is not measured: no net sales in these months")
    else:  # other months of a year have another season
        text = f"DSO, period end, {last:.1f} days at {day}; less than a year to compare with"
        stated = {"dso.period_end": float(last)}
        canvas.title(axes, Said(text, stated, kpis["month"].iloc[-1]))
    axes.set_ylabel("days")
    axes.set_ylim(0)
    canvas.months(axes, kpis["month"])
    canvas.legend(axes, bbox_to_anchor=(1.0, 1.0), loc="upper left")
    return canvas.note(
        figure,
        "Sales of the twelve months to each month end, fewer where the books are younger, tax "
        f"included; {source}; n = {len(kpis)} month ends",
    )


@canvas.style()
def bridge_chart(
    bridge: pd.DataFrame, between: tuple[str, str], *, currency: str, source: str
) -> "Figure":
    """Waterfall from opening to ending receivables.

    Parameters
    ----------
    bridge : of `kpi.bridge`
    between : the days of the opening and of the ending balance, as text
    currency : of the amounts
    source : for the note below
    """
    if bridge.empty:
        return canvas.nothing("DSO bridge")
    figure, axes = canvas.blank(height=3.6)
    scale, unit = canvas.scale(bridge["amount"], currency)
    amounts = bridge["amount"].to_numpy() / scale
    level, highest = 0.0, 0.0
    for number, amount in enumerate(amounts):
        whole = number in (0, len(amounts) - 1)
        colour = BLUE if whole else ORANGE if amount > 0 else "#009E73"
        axes.bar(number, amount, bottom=0 if whole else level, color=colour, width=0.6)
        top = amount if whole else max(level, level + amount)
        highest = max(highest, top)
        axes.annotate(
            f"{amount:,.2f}" if whole else f"{amount:+,.2f}",
            (number, top),
            ha="center",
            va="bottom",
            fontsize=9,
        )
        level = amount if whole else level + amount
    change = amounts[-1] - amounts[0]
    verb, size = "rose" if change > 0 else "fell", f"{abs(change):,.2f} {unit}"
    first, last = between
    canvas.title(axes, f"Receivables {verb} by {size} between {first} and {last}: what moved them")
    names = ["opening", "terms", "delinquency", "sales\nvolume", "joint\neffect", "ending"]
    axes.set_xticks(range(len(amounts)), names)
    axes.set_ylabel(unit)
    axes.set_ylim(0, highest * 1.12)
    return canvas.note(figure, f"kpi.bridge, sales of the trailing twelve months; {source}")


@canvas.style()
def exposure_chart(balances: pd.DataFrame, *, cap: float, source: str, rows: int = 15) -> "Figure":
    """Largest exposures as shares of receivables, overdue part marked, against the policy's cap."""
    top = balances.head(rows).iloc[::-1]
    figure, axes = canvas.blank(height=4.4)
    whole = balances["exposure"].clip(lower=0).sum()
    late = ratio(np.minimum(top["overdue"], top["exposure"].clip(lower=0)).to_numpy(), float(whole))
    y = range(len(top))
    axes.barh(y, top["share"] * 100, color=AGES[0], label="not due")
    axes.barh(y, late * 100, color=AGES[4], label="overdue")
    axes.axvline(cap * 100, color=GREY, linestyle="--", linewidth=1.2)
    axes.annotate(f" cap {cap:.0%}", (cap * 100, 0), color=GREY, fontsize=9)
    axes.set_yticks(y, top["customer_id"].map(canvas.label))
    axes.grid(axis="x", color="#E3E3E3")
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("% of receivables")
    canvas.title(
        axes,
        f"The {len(top)} largest customers hold {top['share'].sum():.0%} of receivables"
        if whole > 0
        else "No customer owes anything on balance",
    )
    canvas.legend(axes, bbox_to_anchor=(1.0, 1.0), loc="upper left")
    return canvas.note(
        figure,
        f"Exposure: invoices less credit notes and unapplied cash; {source}; n = {len(balances):,} "
        "customers",
    )


@canvas.style()
def replay_chart(
    a: pd.DataFrame, b: pd.DataFrame, names: tuple[str, str], *, currency: str, source: str
) -> "Figure":
    """Two replays month by month: sales allowed, share refused, overdue; marked months shaded."""
    figure, panels = canvas.blank(width=9.2, height=3.8, panels=3)
    scale, unit = canvas.scale(a["sales"], currency)
    shown: list[tuple[str, Any]] = [
        (f"Sales allowed\n({unit} a month)", lambda t: t["sales"] / scale),
        (
            "Sales refused\n(% of what was asked)",
            lambda t: 100 * t["sales_lost"] / (t["sales"] + t["sales_lost"]),
        ),
        (f"Overdue at month end\n({unit})", lambda t: t["overdue"] / scale),
    ]
    for axes, (title, value) in zip(panels, shown, strict=True):
        for table, colour, name, line in ((a, BLUE, names[0], "-"), (b, ORANGE, names[1], "--")):
            axes.plot(
                range(len(table)),
                value(table),
                color=colour,
                label=name,
                linewidth=1.8,
                linestyle=line,
            )
        for number in np.flatnonzero(a["marked"]):
            axes.axvspan(number - 0.5, number + 0.5, color="#EEEEEE", zorder=0)
        canvas.title(axes, title, size=10)
        axes.set_ylim(0)
        step = -(-len(a) // 4)
        axes.set_xticks(
            range(0, len(a), step),
            [language.month(month, year=True) for month in a["month"].iloc[::step]],
        )
    canvas.legend(panels[0], loc="lower left")
    asked = [table["sales"].sum() + table["sales_lost"].sum() for table in (a, b)]
    shares = [
        table["sales_lost"].sum() / whole if whole else 0.0
        for table, whole in zip((a, b), asked, strict=True)
    ]
    canvas.finding(
        figure, f"{names[1]} would refuse {shares[1]:.0%} of sales, {names[0]} {shares[0]:.0%}"
    )
    shaded = "; shaded months mislead (see notes)" if a["marked"].any() else ""
    return canvas.note(
        figure, f"Replay on history, behaviour held fixed; {source}; n = {len(a)} months{shaded}"
    )


@canvas.style()
def outcomes_chart(
    comparison: pd.DataFrame,
    waits: pd.DataFrame,
    names: tuple[str, str],
    *,
    currency: str,
    source: str,
) -> "Figure":
    """Delivered at once, later or lost under each policy, and what longer waiting would change.

    Parameters
    ----------
    comparison, waits : of a `backtest.ChampionChallenger`
    names : of its policies
    """
    figure, (left, right) = canvas.blank(width=9.2, height=3.6, panels=2)
    values = comparison.set_index("metric")[["a", "b"]]
    shown = ["delivered at once", "delivered later", "sales refused"]
    whole = values.loc[shown].sum().replace(0, np.nan)
    shares = 100 * values.loc[shown] / whole
    words = ("delivered at once", "delivered later", "sale lost")
    begin = np.zeros(2)
    for name, word, colour in zip(shown, words, (BLUE, AGES[1], ORANGE), strict=True):
        widths = shares.loc[name].fillna(0.0).to_numpy()
        bars = left.barh(range(2), widths, left=begin, color=colour, label=word, height=0.55)
        left.bar_label(
            bars,
            [f"{width:.0f} %" if width >= 5 else "" for width in widths],
            label_type="center",
            fontsize=8,
        )
        begin += widths
    left.set_yticks(range(2), list(names))
    left.invert_yaxis()
    left.set_xlim(0, 100)
    canvas.title(left, "What became of the orders\n(% of what was ordered)", size=10)
    canvas.legend(left, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncol=3)
    scale, unit = canvas.scale(waits["sales_lost"], currency)
    for name, colour, line in zip(names, (BLUE, ORANGE), ("-", "--"), strict=True):
        rows = waits[waits["policy"] == name]
        right.plot(
            rows["wait_days"],
            rows["sales_lost"] / scale,
            color=colour,
            linestyle=line,
            marker="o",
            label=name,
        )
    right.set_xticks(waits["wait_days"].unique())
    right.set_ylim(0)
    right.set_xlabel("days an order waits")
    canvas.title(right, f"Sales lost\n({unit})", size=10)
    canvas.legend(right)
    lost = shares.loc["sales refused"]
    canvas.finding(
        figure,
        f"Lost of what was ordered: {names[0]} {lost['a']:.0f} %, {names[1]} {lost['b']:.0f} %",
    )
    return canvas.note(
        figure, f"Replay with payments held fixed: no hold provokes a payment; {source}"
    )


@canvas.style()
def roll_chart(shares: pd.DataFrame, *, source: str) -> "Figure":
    """Heat map of a transition matrix: where the open amount of a bucket is a month later."""
    if shares.empty:
        return canvas.nothing("Roll rates")
    figure, axes = canvas.blank(height=4.2)
    values = shares.to_numpy() * 100
    axes.imshow(np.nan_to_num(values), cmap="YlOrBr", vmin=0, vmax=100, aspect="auto")
    for row, column in np.ndindex(values.shape):
        value = values[row, column]
        if np.isfinite(value) and value >= 0.05:
            axes.text(
                column,
                row,
                f"{value:.1f}",
                ha="center",
                va="center",
                color="white" if value > 60 else "#222",
            )
    names = [language.value(str(name), "bucket", ()) for name in shares.columns]
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(
        range(len(shares)), [language.value(str(name), "bucket", ()) for name in shares.index]
    )
    axes.grid(visible=False)
    axes.set_xlabel("a month later (% of the amount)")
    axes.set_ylabel("at a month end")
    stuck = shares.iloc[1].drop(labels=["paid", "written_off"], errors="ignore").sum()
    canvas.title(
        axes,
        f"{stuck:.0%} of what is 1-30 days late is still unpaid a month later"
        if np.isfinite(stuck)
        else "Roll rates",
    )
    return canvas.note(figure, f"Same invoices followed from month end to month end; {source}")


@canvas.style()
def vintage_chart(uncollected: pd.DataFrame, lost: pd.DataFrame, *, source: str) -> "Figure":
    """Invoice months by age: share still open, and share written off; recent years in stronger
    colour. Where `lost` is empty, losses are not known: the second panel is left out.
    """
    if uncollected.empty:
        return canvas.nothing("Invoice months")
    shown = [(uncollected, "Still open, % of the month's sales")]
    shown += [(lost, "Written off, % of the month's sales")] if len(lost) else []
    figure, panels = canvas.blank(width=9.2, height=4.0, panels=len(shown))
    panels, count = np.atleast_1d(panels), len(uncollected)
    for axes, (table, title) in zip(panels, shown, strict=True):
        for number, (_, row) in enumerate(table.iterrows()):
            values = row.dropna() * 100
            recent = number / max(count - 1, 1)
            axes.plot(
                values.index,
                values,
                color=BLUE if number >= count - 12 else GREY,
                alpha=0.25 + 0.6 * recent,
                linewidth=1.1,
            )
        mean = table.mean() * 100
        axes.plot(mean.index, mean, color=ORANGE, linewidth=2.2, label="mean of the months")
        canvas.title(axes, title, size=10)
        axes.set_xlabel("age in months")
        axes.set_ylim(0)
        axes.xaxis.get_major_locator().set_params(integer=True)
    canvas.legend(panels[0], loc="upper right")
    canvas.finding(figure, _vintages_say(uncollected, lost))
    return canvas.note(
        figure,
        f"Each line is one invoice month, the last twelve in blue; {source}; n = {count} months",
    )


def _vintages_say(uncollected: pd.DataFrame, lost: pd.DataFrame) -> str:
    open_, gone = (
        100 * table.mean().get(age, np.nan) for table, age in ((uncollected, 6), (lost, 12))
    )
    still = f"{open_:.1f} % of a month's sales is still open after six months"
    if np.isfinite(open_) and lost.empty:
        return f"{still}; what is lost is not known"
    if np.isfinite(open_) and np.isfinite(gone):
        return f"{still}, {gone:.1f} % is written off within twelve"
    return "Too young to say what becomes of a month's sales"


@canvas.style()
def claims_chart(tested: dict[str, Any], policy_date: pd.Timestamp) -> "Figure":
    """Per claim the metric by month, and the changes the firm shows without any policy against the
    claimed band; in orange the estimate of the verdict with its interval, dotted the plain change.
    """
    figure, grid = canvas.blank(
        width=9.2, height=2.7 * len(tested) + 0.6, panels=2, rows=len(tested)
    )
    for (left, right), (claim, one) in zip(np.atleast_2d(grid), tested.items(), strict=True):
        left.plot(one.series.index, one.series, color=BLUE, linewidth=1.8)
        left.axvline(policy_date, color=GREY, linestyle="--", linewidth=1.2)
        left.set_ylim(min(0.0, float(one.series.min())))
        name = one.claim.name_zh if language.current() == "zh" else one.claim.name_en
        said = [f"estimate {100 * one.estimate:+.1f} %"] if np.isfinite(one.estimate) else []
        found = Said("; ".join([f"{name}: {one.word}", *said]), {f"claim.{claim}": one.estimate})
        canvas.title(left, found, size=10)
        canvas.dates(left)
        left.set_ylabel(language.value(one.claim.metric, "metric", ()))
        drawn = one.placebo if one.placebo is not None else one.portfolio
        if drawn is None:
            right.set_axis_off()
            right.text(0.0, 0.5, "no simulation for this claim", color=GREY)
            continue
        low, high = one.claim.band
        right.axvspan(100 * low, 100 * high, color=AGES[1], label="claimed band")
        # a rate may rise tenfold by chance: such histories share the last bar
        right.hist(
            100 * drawn.draws.dropna().clip(upper=3.0),
            bins=40,
            color=AGES[0],
            label="no policy at all",
        )
        if np.isfinite(one.naive):
            right.axvline(100 * one.naive, color=GREY, linestyle=":", label="plain before/after")
        if one.effect:
            right.axvline(100 * one.estimate, color=ORANGE, linewidth=1.8, label="estimate")
            right.axvspan(100 * one.effect.low, 100 * one.effect.high, color=ORANGE, alpha=0.15)
        canvas.title(right, f"{drawn.share_reached:.0%} of policy-free histories reach it", size=10)
        right.set_xlabel("change after against before, %")
        canvas.legend(right, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    words = [one.word for one in tested.values()]
    counts = [f"{word} ({words.count(word)})" for word in dict.fromkeys(words)]
    canvas.finding(figure, f"Claims tested: {len(words)}; {', '.join(counts)}")
    return canvas.note(
        figure, f"Policy date {policy_date.date()}; simulated twins of the firm without the policy"
    )
