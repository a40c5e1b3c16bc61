"""The bin and scorecard editor as widgets: click bars, merge, split, undo, save. All thinking is in `drafts`."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets as w

from credit_lab.cockpit import chart
from credit_lab.cockpit.drafts import Editor
from credit_lab.cockpit.markup import STYLE, head, live, number, table
from credit_lab.errors import CreditLabError


class Bench:
    """Widgets around an `Editor`; `box` is what a notebook shows.

    Parameters
    ----------
    folder : where bins.json and card.json are saved
    """

    def __init__(self, editor: Editor, folder: str | Path = "reports/scorecard") -> None:
        self.editor, self.folder, self._quiet = editor, Path(folder), False
        first = editor.draft.features or tuple(editor.draft.binner.bins_)
        self.feature = w.Dropdown(options=self._names(), value=first[0], description="Feature")
        self.on_card = w.Checkbox(description="on the card", indent=False, layout=w.Layout(width="110px"))
        self.picks = w.HBox(layout=w.Layout(width="100%", max_width=f"{chart.WIDTH}px"))
        self.merge = _button("Merge", "compress", "make the picked bins one")
        self.split = _button("Split", "cut", "cut a bin in two at the value, or take the category out of its bin")
        self.at = w.FloatText(description="at", layout=w.Layout(width="180px"))
        self.category = w.Dropdown(description="category", layout=w.Layout(width="240px"))
        self.undo, self.redo = _button("Undo", "undo"), _button("Redo", "repeat")
        self.reset = _button("Reset feature", "refresh", "the bins of this feature as they were at the beginning")
        self.store = _button("Save", "save", f"bins.json and card.json in {folder}")
        self.store.layout.align_self = "flex-start"
        self.plot, self.bins, self.facts, self.card, self.status = (w.HTML() for _ in range(5))
        self.feature.observe(lambda _: None if self._quiet else self._draw(), "value")
        self.on_card.observe(lambda change: self._do(self._use, change["new"]), "value")
        self.merge.on_click(lambda _: self._do(self._merge))
        self.split.on_click(lambda _: self._do(self._split))
        self.reset.on_click(lambda _: self._do(lambda: editor.reset(self.feature.value)))
        self.undo.on_click(lambda _: self._do(editor.undo))
        self.redo.on_click(lambda _: self._do(editor.redo))
        self.store.on_click(lambda _: self._save())
        self._draw()
        row = w.Layout(flex_flow="row wrap")
        steps = [self.merge, self.split, self.at, self.category, self.undo, self.redo, self.reset]
        left = w.VBox(
            [w.HBox([self.feature, self.on_card]), self.facts, self.plot, self.picks, w.HBox(steps, layout=row)],
            layout=w.Layout(flex="1 1 460px"),
        )
        right = w.VBox([self.bins, head("Scorecard"), self.card, self.store], layout=w.Layout(flex="1 1 460px"))
        self.box = w.VBox([w.HTML(STYLE), w.HBox([left, right], layout=row), self.status])

    # ---- steps --------------------
    def picked(self) -> list[int]:
        """Numbers of the bins picked by click."""
        return [k for k, pick in enumerate(self.picks.children) if pick.value]

    def _merge(self) -> None:
        self.editor.merge(self.feature.value, self.picked())

    def _split(self) -> None:
        name = self.feature.value
        if self.editor.bins(name).kind == "category":
            self.editor.take_out(name, self.category.value)
        else:
            self.editor.split(name, self.at.value)

    def _use(self, on: bool) -> None:
        self.editor.use(self.feature.value, on)

    def _do(self, step: Callable[..., Any], *arguments: Any) -> None:
        if self._quiet:
            return
        said = ""
        try:
            step(*arguments)
        except CreditLabError as error:
            said = str(error)
        self._draw(said)

    def _save(self) -> None:
        try:
            paths = self.editor.save(self.folder)
        except CreditLabError as error:
            self.status.value = live(str(error))
        else:
            self.status.value = live("saved " + " and ".join(str(path) for path in paths if path))

    # ---- what is shown --------------------
    def _names(self) -> list[tuple[str, str]]:
        """Features by information value, those on the card marked."""
        known = self.editor.draft.binner.table()
        on = self.editor.draft.features
        return [(f"{'● ' if row.feature in on else ''}{row.feature}, IV {row.iv:.2f}", row.feature)
                for row in known.itertuples()]  # fmt: skip

    def _draw(self, said: str = "") -> None:
        name, editor = self.feature.value, self.editor
        self._quiet = True
        self.feature.options = self._names()
        self.feature.value = name
        self.on_card.value = name in editor.draft.features
        bins, rows = editor.bins(name), editor.table(name)
        rates, later = rows["event_rate"].tolist(), rows["event_rate_later"].tolist()
        self.plot.value = chart.bars(rates, later, rows["bin"].tolist(), f"Event rate of {name} by bin")
        self._picks(rows["bin"].tolist())
        number_ = bins.kind == "number"
        self.at.layout.display, self.category.layout.display = ("", "none") if number_ else ("none", "")
        self.category.options = [] if number_ else list(bins.categories)
        self._offer()
        self.facts.value = facts(editor.facts(name))
        self.bins.value = bin_table(rows)
        self.card.value = card(editor)
        past, ahead = editor.steps
        self.undo.disabled, self.redo.disabled = not past, not ahead
        self.status.value = live(said or f"{past} steps, {ahead} taken back; rows divided {editor.sample.split}")
        self._quiet = False

    def _picks(self, labels: list[str]) -> None:
        pad = f"0 {chart.RIGHT / chart.WIDTH:.2%} 0 {chart.LEFT / chart.WIDTH:.2%}"
        self.picks.layout.padding = pad
        made = []
        for k, label in enumerate(labels):
            pick = w.ToggleButton(description=f"{k}: {label}", tooltip=f"pick bin {k}: {label}")
            pick.layout = w.Layout(flex="1 1 0", width="auto", min_width="0", margin="0 1px", padding="0 2px")
            pick.observe(lambda _: self._offer(), "value")
            made.append(pick)
        self.picks.children = made

    def _offer(self) -> None:
        """Put a value to split at into the field, and say which buttons can be used."""
        chosen = self.picked()
        self.merge.disabled = len(chosen) < 2
        if self.editor.bins(self.feature.value).kind == "category":
            self.split.disabled = False
            return
        middles = [self.editor.middle(self.feature.value, k) for k in chosen]
        value = next((middle for middle in middles if middle is not None), None)
        if value is not None:
            self.at.value = value
        self.split.disabled = not chosen


def facts(found: Any) -> str:
    """Information, trend and stability of a feature in one line each."""
    moved = "" if math.isclose(found["iv"], found["iv_first"]) else f" (was {found['iv_first']:.3f})"
    breaks = f"{found['breaks']} neighbours turn in the later rows" if found["breaks"] else "order holds in later rows"
    psi = f"{found['psi']:.3f}, {found['stability']} (by chance up to {found['psi_limit']:.3f})"
    told = (("IV", f"{found['iv']:.3f}{moved}"), ("Trend", f"{found['trend']}; {breaks}"), ("Stability (PSI)", psi))
    return table([], [[(name, ""), (text, "cl-clear")] for name, text in told], "information, trend, stability")


def bin_table(rows: Any) -> str:
    """The bins as an HTML table."""
    lines = []
    for k, row in enumerate(rows.itertuples(index=False)):
        shares = (row.share, row.share_later, row.event_rate, row.event_rate_later)
        cells = [(number(value, "share"), "") for value in shares]
        lines.append([(f"{k}: {row.bin}", ""), *cells, (number(row.woe), ""), (number(row.iv), "")])
    names = ["bin", "share", "share later", "event rate", "later", "WOE", "IV"]
    return table(names, lines, "bins")


def card(editor: Editor) -> str:
    """The scorecard of the draft: terms, and how well it ranks."""
    try:
        terms, auc = editor.terms(), editor.performance()
    except CreditLabError as error:
        return live(str(error))
    lines = [
        [(row.feature, ""), (number(row.iv), ""), (number(row.coefficient), "cl-clear" if row.sign == "wrong" else ""),
         (f"{row.p_value:.3f}", ""), (number(row.points), ""), (row.sign, "cl-clear" if row.sign == "wrong" else "")]
        for row in terms.itertuples()
    ]  # fmt: skip
    told = (
        f"AUC of later rows {auc['later']:.3f} (95 % {auc['low']:.3f} to {auc['high']:.3f}), of training rows "
        f"{auc['training']:.3f}"
    )
    names = ["feature", "IV", "coefficient", "p", "range of points", "sign"]
    return table(names, lines, "scorecard") + f"<div>{told.replace('nan', '–')}</div>"


def _button(text: str, icon: str, tip: str = "") -> w.Button:
    return w.Button(description=text, icon=icon, tooltip=tip or text, layout=w.Layout(width="auto"))
