"""The policy cockpit as widgets: sliders, frontier, read-out, differences, save. All thinking is in `trial`."""

import html
import time
from pathlib import Path
from typing import Any

import ipywidgets as w
import pandas as pd

from credit_lab.cockpit import chart, settings
from credit_lab.cockpit.markup import STYLE, head, live, number, table
from credit_lab.cockpit.settings import RANGES, Settings
from credit_lab.cockpit.trial import READS, Cockpit
from credit_lab.errors import CreditLabError
from credit_lab.rules import coverage

LABELS = {
    "limit_multiple": ("Limits ×", "factor on the limits of all grades"),
    "term_days": ("Term, days ±", "days added to the credit term of every grade"),
    "hold_days": ("Hold after days", "orders stop when an item is more days past due than this"),
    "ladder_days": ("Ladder, days ±", "the stages of collection begin so many days later"),
}
AXES = [("sales (turnover)", "sales"), ("receivables turnover", "turnover"), ("profit", "profit")]


class Panel:
    """Widgets around a `Cockpit`; `box` is what a notebook shows.

    Parameters
    ----------
    folder : where policies are saved
    """

    def __init__(self, cockpit: Cockpit, folder: str | Path = "data/policies") -> None:
        self.cockpit, self.folder = cockpit, Path(folder)
        start, self._quiet = cockpit.start, False
        grades = settings.open_grades(cockpit.stage.policy)
        wide = {"style": {"description_width": "120px"}, "layout": w.Layout(width="390px")}
        self.cutoff = w.SelectionSlider(
            options=grades, value=start.cutoff, description="Cut-off grade", **wide,
            tooltip="worst grade that gets credit; worse ones pay in advance",
        )  # fmt: skip
        self.sliders: dict[str, Any] = {}
        for name, (low, high, step) in RANGES.items():
            make = w.FloatSlider if name == "limit_multiple" else w.IntSlider
            text, tip = LABELS[name]
            value = getattr(start, name)
            ends = {"min": min(low, value), "max": max(high, value)}
            self.sliders[name] = make(value=value, step=step, description=text, tooltip=tip, **ends, **wide)
        self.axis = w.Dropdown(options=AXES, value="sales", description="Up the chart", **wide)
        self.back = w.Button(description="Back to baseline", icon="undo", tooltip="all sliders as the policy is")
        self.name = w.Text(value=f"{cockpit.stage.policy.meta.id}-proposal", description="Save as", **wide)
        first = (cockpit.stage.span.start + pd.offsets.MonthBegin(0)).date()
        self.since = w.DatePicker(value=first, description="Valid from", **wide)
        self.store = w.Button(description="Save policy", icon="save", button_style="primary")
        self.plot, self.table, self.words, self.status = w.HTML(), w.HTML(), w.HTML(), w.HTML()
        for widget in (self.cutoff, self.axis, *self.sliders.values()):
            widget.observe(self._moved, "value")
        self.back.on_click(lambda _: self.to(start))
        self.store.on_click(self._save)
        self._draw()
        turn = [self.cutoff, *self.sliders.values(), self.axis, self.back]
        save = [self.name, self.since, self.store, self.status]
        left = w.VBox([head("Turn"), *turn, head("Save"), *save], layout=w.Layout(min_width="410px"))
        right = w.VBox([self.plot, self.table, self.words], layout=w.Layout(flex="1 1 420px"))
        self.box = w.VBox([w.HTML(STYLE), w.HBox([left, right], layout=w.Layout(flex_flow="row wrap"))])

    def now(self) -> Settings:
        """Where the sliders stand."""
        return Settings(cutoff=self.cutoff.value, **{name: slider.value for name, slider in self.sliders.items()})

    def to(self, target: Settings) -> None:
        """Put the sliders to these settings and draw once."""
        self._quiet = True
        self.cutoff.value = target.cutoff
        for name, slider in self.sliders.items():
            slider.value = getattr(target, name)
        self._quiet = False
        self._draw()

    def _moved(self, _: Any) -> None:
        if not self._quiet:
            self._draw()

    def _draw(self) -> None:
        begun = time.perf_counter()
        now, stage = self.now(), self.cockpit.stage
        try:
            points = self.cockpit.points(now, self.axis.value)
            readout, diff = self.cockpit.readout(now), self.cockpit.diff(now)
        except CreditLabError as error:
            self.status.value = live(str(error))
            return
        self.plot.value = chart.frontier(points, self.axis.value, stage.currency, finding(readout, stage.currency))
        self.table.value = read_out(readout, stage.currency)
        unread = coverage.listed(diff)
        lines = [*settings.changes(diff), *([f"not read here: {unread}"] if unread else [])]
        outside = f"Of the policy the cockpit does not read: {'; '.join(coverage.outside(READS))}."
        self.words.value = in_words(lines, (*stage.assumptions.sentences(), outside), len(stage.worlds))
        self.status.value = live(f"drawn in {time.perf_counter() - begun:.2f} s")

    def _save(self, _: Any) -> None:
        try:
            if self.since.value is None:
                raise CreditLabError("give the first day the policy is valid")
            path = self.cockpit.save(self.now(), self.name.value, self.since.value, self.folder)
        except CreditLabError as error:
            self.status.value = live(str(error))
        else:
            self.status.value = live(f"saved {path}")


def finding(readout: pd.DataFrame, currency: str) -> str:
    """The title of the chart: what the turned policy does, or that nothing is clear.

    >>> rows = [("Sales", -2e6, True), ("Expected bad debt over sales", -0.001, True), ("Profit", 1e5, False)]
    >>> finding(pd.DataFrame(rows, columns=["measure", "difference", "clear"]), "CNY")
    'Sales −2 m CNY, bad debt −0.10 points, profit not clearly different'
    """
    by = readout.set_index("measure")
    parts = []
    for name, word in (("Sales", "sales"), ("Expected bad debt over sales", "bad debt"), ("Profit", "profit")):
        gap, clear = by.loc[name, "difference"], by.loc[name, "clear"]
        sign = "−" if gap < 0 else "+"
        size = f"{abs(gap) * 100:.2f} points" if word == "bad debt" else f"{chart.short(abs(gap))} {currency}"
        parts.append(f"{word} {sign}{size}" if clear else f"{word} not clearly different")
    if not by["clear"].any():
        return "No clear difference from the baseline" if by["difference"].any() else "The baseline"
    text = ", ".join(parts)
    return text[0].upper() + text[1:]


def read_out(readout: pd.DataFrame, currency: str) -> str:
    """The read-out as an HTML table; a difference is bold where its interval leaves out 0."""
    rows = []
    for row in readout.itertuples(index=False):
        unit = currency if row.unit == "money" else row.unit
        told = row.measure if row.unit == "share" else f"{row.measure}, {unit}"
        values = [(number(value, row.unit), "") for value in (row.baseline, row.now)]
        gap = (number(row.difference, row.unit, sign=True), "cl-clear" if row.clear else "cl-faint")
        ends = f"{number(row.low, row.unit, sign=True)} to {number(row.high, row.unit, sign=True)}"
        rows.append([(told, ""), *values, gap, (ends, "")])
    return table(["", "baseline", "now", "difference", "95 % interval"], rows, "read-out")


def in_words(changes: list[str], assumptions: tuple[str, ...], worlds: int) -> str:
    """What differs from the baseline, and what the numbers rest on."""
    listed = "".join(f"<li>{html.escape(text)}</li>" for text in changes) or "<li>nothing: this is the baseline</li>"
    told = "".join(f"<li>{html.escape(text)}</li>" for text in assumptions)
    return (
        f"<b>Against the baseline</b><ul class='cl-diff' style='margin:2px 0'>{listed}</ul>"
        f"<details><summary>What the numbers rest on</summary><ul><li>{worlds} simulated worlds, the same for every "
        f"policy; bars: 80 % of them; grey points: settings tried beforehand.</li>{told}</ul></details>"
    )
