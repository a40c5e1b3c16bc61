"""Figures of scorecards: bins, ranking, calibration, drift."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from credit_lab import language
from credit_lab.figures import canvas
from credit_lab.figures.canvas import BLUE, GREY, ORANGE
from credit_lab.scoring.bins import FeatureBins

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@canvas.style()
def bins_chart(features: list[FeatureBins], *, source: str) -> "Figure":
    """Event rate (dots with 95 % intervals) and share of rows (bars) by bin, for up to six
    features.
    """
    from scipy import stats

    shown = features[:6]
    rows = -(-len(shown) // 2)
    figure, axes = canvas.blank(height=2.5 * rows + 0.8, panels=2, rows=rows)
    for panel, bins in zip(np.ravel(axes), shown, strict=False):
        table = bins.table()
        table = table[table["rows"] > 0].reset_index(drop=True)
        panel.bar(table.index, 100 * table["share"], color="#DCE6EF", width=0.8)
        posterior = stats.beta(table["events"] + 0.5, table["rows"] - table["events"] + 0.5)
        rate = 100 * table["event_rate"]
        errors = np.abs(
            np.array([100 * posterior.ppf(0.025), 100 * posterior.ppf(0.975)]) - rate.to_numpy()
        )
        panel.errorbar(
            table.index, rate, yerr=errors, fmt="o-", color=ORANGE, ms=4, lw=1.2, elinewidth=1
        )
        names = [canvas.label(language.value(label, "bin", ()), 22) for label in table["bin"]]
        panel.set_xticks(table.index, names, rotation=25, ha="right", fontsize=7.5)
        canvas.title(panel, f"{bins.name}: IV {bins.iv:.2f}", 10)
        panel.set_ylabel("% of rows, % defaults")
    for panel in np.ravel(axes)[len(shown) :]:
        panel.set_visible(False)
    best = max(shown, key=lambda bins: bins.iv, default=None)
    canvas.finding(
        figure,
        f"{best.name} tells most about defaults (IV {best.iv:.2f})" if best else "No feature",
    )
    return canvas.note(
        figure, f"Bars: share of rows; dots: default rate with 95 % interval; {source}"
    )


@canvas.style()
def ranking_chart(
    roc: pd.DataFrame, cap: pd.DataFrame, curve: pd.DataFrame, auc: float, *, source: str
) -> "Figure":
    """ROC, cumulative accuracy profile and calibration beside one another."""
    figure, (left, middle, right) = canvas.blank(width=9.2, height=3.6, panels=3)
    left.plot(100 * roc["false_positive"], 100 * roc["true_positive"], color=BLUE)
    left.plot([0, 100], [0, 100], color=GREY, lw=0.8, ls="--")
    canvas.title(left, "ROC", 10)
    left.set_xlabel("others refused, %")
    left.set_ylabel("defaults refused, %")
    middle.plot(100 * cap["share"], 100 * cap["events"], color=BLUE)
    middle.plot([0, 100], [0, 100], color=GREY, lw=0.8, ls="--")
    fifth = 100 * np.interp(0.2, cap["share"], cap["events"])
    canvas.title(middle, "Cumulative accuracy profile", 10)
    middle.set_xlabel("customers, riskiest first, %")
    middle.set_ylabel("defaults among them, %")
    p, rate = 100 * curve["probability"], 100 * curve["event_rate"]
    errors = np.abs(np.array([100 * curve["low"], 100 * curve["high"]]) - rate.to_numpy())
    right.errorbar(p, rate, yerr=errors, fmt="o", color=ORANGE, ms=4, elinewidth=1)
    top = 1.05 * max(p.max(), (100 * curve["high"]).max())
    right.plot([0, top], [0, top], color=GREY, lw=0.8, ls="--")
    outside = int(
        ((curve["probability"] < curve["low"]) | (curve["probability"] > curve["high"])).sum()
    )
    canvas.title(right, "Calibration", 10)
    right.set_xlabel("PD said, %")
    right.set_ylabel("defaults seen, %")
    canvas.finding(
        figure,
        f"AUC {auc:.3f}: the riskiest 20 % hold {fifth:.0f} % of defaults; PD off in {outside} of "
        f"{len(curve)} groups",
    )
    return canvas.note(figure, f"Rows the card was not fitted on; intervals 95 %; {source}")


@canvas.style()
def shift_chart(features: pd.DataFrame, *, source: str) -> "Figure":
    """Stability index of each feature against what chance alone gives."""
    shown = features.head(15).iloc[::-1].reset_index(drop=True)
    figure, axes = canvas.blank(height=1.2 + 0.28 * len(shown))
    beyond = shown["psi"] > shown["limit"]
    axes.barh(shown.index, shown["psi"], color=np.where(beyond, ORANGE, BLUE), height=0.6)
    axes.plot(
        shown["limit"], shown.index, "|", color="black", ms=12, label="95 % limit without any shift"
    )
    axes.set_yticks(shown.index, shown["feature"].map(canvas.label))
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("population stability index")
    number = int((features["psi"] > features["limit"]).sum())
    canvas.title(axes, f"{number} of {len(features)} features moved more than chance would")
    canvas.legend(axes, loc="lower right")
    return canvas.note(figure, source)


@canvas.style()
def band_chart(bands: pd.DataFrame, score: pd.Series, *, source: str) -> "Figure":
    """Shares of customers by band of the score, before and after."""
    figure, axes = canvas.blank(height=3.4)
    at = np.arange(len(bands))
    axes.bar(at - 0.2, 100 * bands["before"], width=0.38, color=GREY, label="before")
    axes.bar(at + 0.2, 100 * bands["after"], width=0.38, color=BLUE, label="after")
    axes.set_xticks(at, bands["band"], rotation=20, ha="right", fontsize=8)
    axes.set_ylabel("% of rows")
    canvas.title(axes, f"Score: {_said(score)}")
    canvas.legend(axes)
    return canvas.note(figure, source)


def _said(score: pd.Series) -> str:
    moved: dict[Any, str] = {"stable": "no more drift than chance gives", "small": "a small drift"}
    return f"{moved.get(score['verdict'], score['verdict'] + ' drift')} (PSI {score['psi']:.3f})"
