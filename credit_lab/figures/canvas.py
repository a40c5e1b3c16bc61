"""What all figures share: canvas, colours, notes, axes.

Every figure has its finding as title, units on the axis, and source, date and number of
observations below. Colours are told apart by colour-blind readers (Okabe and Ito's set, and a
sequence from blue to red for age).
"""

import contextlib
import io
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from credit_lab import facts, language
from credit_lab.language import say

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#6B7280"
AGES = ("#B8CCE0", "#F2D7A6", "#EDB458", "#E08E45", "#CC5A3C", "#A4303F", "#6B1D33", "#3E1022")


# Fonts with Chinese signs, by what Debian, Windows and macOS have; used where DejaVu Sans has no
# glyph.
_CHINESE = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Microsoft YaHei",
    "PingFang SC",
    "SimHei",
    "Noto Sans CJK JP",
)


@cache
def fonts() -> tuple[str, ...]:
    """Font families of all figures: DejaVu Sans, then one with Chinese signs if the machine has
    any.

    Fonts installed after matplotlib made its list are found by their files. Without any, Chinese
    signs in figures become boxes (the tables are not concerned): install fonts-noto-cjk, or Noto
    Sans CJK from its publisher.
    """
    from matplotlib import font_manager

    known = {font.name for font in font_manager.fontManager.ttflist}
    if not known.intersection(_CHINESE):
        wanted = tuple(name.replace(" ", "").lower() for name in _CHINESE)
        for file in font_manager.findSystemFonts():
            if (
                Path(file)
                .stem.split("-")[0]
                .lower()
                .startswith(("notosanscjk", "wqy", "msyh", *wanted))
            ):
                font_manager.fontManager.addfont(file)
        known = {font.name for font in font_manager.fontManager.ttflist}
    return ("DejaVu Sans", *[name for name in _CHINESE if name in known][:1])


_STYLE: dict[Any, Any] = {
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8A94A0",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#E3E3E3",
    "axes.axisbelow": True,
    "xtick.color": "#3A444F",
    "ytick.color": "#3A444F",
    "text.parse_math": False,  # a name with two dollar signs is a name
    "figure.dpi": 110,
    # text stays text: small files, and words that can be searched in the PDF
    "svg.fonttype": "none",
    "svg.hashsalt": "credit_lab",
}
# Settings of the session, not of a figure.
_SESSION = ("backend", "backend_fallback", "interactive")


@contextlib.contextmanager
def style() -> Iterator[None]:
    """The house style over matplotlib's own defaults, so that no matplotlibrc of the user shows in
    a report.

    Artists take their settings when they are made, some only when they are drawn: every function
    that draws is decorated with it. Afterwards the user's settings hold again.
    """
    import matplotlib as mpl

    defaults = {name: value for name, value in mpl.rcParamsDefault.items() if name not in _SESSION}
    with mpl.rc_context({**defaults, **_STYLE, "font.family": list(fonts())}):
        yield


@style()
def blank(
    width: float = 8.2, height: float = 4.0, panels: int = 1, rows: int = 1
) -> tuple["Figure", Any]:
    """A figure and its axes in the house style."""
    from matplotlib.figure import Figure  # takes 0.5 s: only when something is drawn

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, panels)


@style()
def saved(figure: "Figure", form: str) -> bytes:
    """The figure as svg or png: the same bytes every time, in the fonts of the house."""
    from matplotlib.text import Text

    buffer = io.BytesIO()
    metadata: Any = {"Date": None} if form == "svg" else {"Software": None}
    for text in figure.findobj(Text):
        text.set_fontfamily(list(fonts()))
    figure.savefig(buffer, format=form, dpi=150, metadata=metadata)
    whole = buffer.getvalue()
    # readers without DejaVu Sans see Verdana, which is as wide
    return whole.replace(b"'DejaVu Sans'", b"'DejaVu Sans', Verdana") if form == "svg" else whole


def translate(figure: "Figure", told: Callable[[str], str] = say) -> None:
    """All texts of a figure as `told`, those at fixed ticks, too: in the language of the report,
    words for codes.
    """
    from matplotlib import text, ticker

    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if isinstance(axis.get_major_locator(), ticker.FixedLocator):
                old = [label.get_text() for label in axis.get_ticklabels()]
                if (new := [told(one) for one in old]) != old:
                    axis.set_ticklabels(new)
    for one in figure.findobj(text.Text):
        one.set_text(told(one.get_text()))


def note(figure: "Figure", text: str) -> "Figure":
    """Source, date and number of observations below the figure."""
    figure.supxlabel(text, x=0.01, ha="left", fontsize=8, color=GREY)
    return figure


@style()
def nothing(what: str) -> "Figure":
    """A figure that says that there is nothing to draw."""
    figure, axes = blank(height=1.2)
    axes.set_axis_off()
    axes.text(0.0, 0.5, f"{what}: nothing to draw; the text says why", color=GREY, fontsize=11)
    return figure


def title(axes: "Axes", text: str, size: float = 11.5) -> None:
    """The finding, above the axes; smaller ones name a panel below the finding of the figure."""
    axes.set_title(text, loc="left", fontsize=size, fontweight="bold" if size >= 11 else "normal")
    _remember(axes.get_figure(), text)


def finding(figure: "Figure", text: str) -> None:
    """The finding of a figure with several panels."""
    figure.suptitle(text, x=0.01, ha="left", fontsize=11.5, fontweight="bold")
    _remember(figure, text)


def _remember(figure: Any, text: str) -> None:
    """Keep the facts a title states, since matplotlib keeps plain texts."""
    figure._said = facts.Said("", {**facts.of(said(figure)), **facts.of(text)})


def said(figure: "Figure") -> str:
    """The facts that the titles of a figure state, as a `facts.Said`; "" without any title."""
    return getattr(figure, "_said", "")


def dates(axes: "Axes") -> None:
    """Few dates on the axis, the year said once."""
    from matplotlib import dates as ticks

    # with fewer, some spans have no interval
    locator = ticks.AutoDateLocator(minticks=3, maxticks=8)
    axes.xaxis.set_major_locator(locator)
    formatter = ticks.ConciseDateFormatter(locator, show_offset=True)
    if language.current() == "zh":
        formatter.formats[1], formatter.offset_formats = (
            "%m月",
            ["", "%Y年", "%Y年", "%Y年%m月", "%Y年%m月", "%Y年%m月"],
        )
        formatter.zero_formats[1], formatter.zero_formats[2] = "%Y年", "%m月"
    axes.xaxis.set_major_formatter(formatter)


def label(text: str, most: int = 28) -> str:
    """A name from the data as it may stand on an axis: one line, not too long, without control
    characters.
    """
    line = "".join(sign if sign.isprintable() else " " for sign in str(text)).strip()
    return line if len(line) <= most else line[: most - 1] + "…"


def legend(axes: "Axes", *handles: Any, **place: Any) -> None:
    """A legend without a frame."""
    axes.legend(*handles, frameon=False, fontsize=9, **place)


def scale(values: pd.DataFrame | pd.Series | np.ndarray, currency: str) -> tuple[float, str]:
    """Divisor and unit so that axis numbers stay short."""
    top = float(np.nanmax(np.abs(np.asarray(values, dtype=float)), initial=0.0))
    return language.scale(top, currency)


def months(axes: "Axes", months: pd.Series) -> None:
    """Names of months on the axis, with the year where it begins."""
    labels = [
        language.month(month) + (f"\n{month:%Y}" if number == 0 or month.month == 1 else "")
        for number, month in enumerate(months)
    ]
    axes.set_xticks(range(len(labels)), labels)


def texts(drawing: "Figure") -> list[str]:
    """Everything written in a figure."""
    from matplotlib.text import Text

    return [one.get_text() for one in drawing.findobj(Text) if isinstance(one, Text)]
