"""What all figures share: canvas, colours, notes, axes.

Every figure has its finding as title, units on the axis, and source, date and number of observations below. Colours
are told apart by colour-blind readers (Okabe and Ito's set, and a sequence from blue to red for age).
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#7F7F7F"
AGES = ("#B8CCE0", "#F2D7A6", "#EDB458", "#E08E45", "#CC5A3C", "#A4303F", "#6B1D33", "#3E1022")


def blank(width: float = 8.2, height: float = 4.0, panels: int = 1, rows: int = 1) -> tuple["Figure", Any]:
    """A figure and its axes in the house style."""
    import matplotlib.pyplot as plt  # takes 0.5 s: only when something is drawn

    style: Any = {
        "font.family": ["DejaVu Sans"],
        "font.size": 9.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "grid.color": "#E3E3E3",
        "axes.axisbelow": True,
        "figure.dpi": 110,
    }
    with plt.rc_context(style):
        figure, axes = plt.subplots(rows, panels, figsize=(width, height), layout="constrained")
    plt.close(figure)  # shown by the report, not by the notebook's inline backend
    return figure, axes


def note(figure: "Figure", text: str) -> "Figure":
    """Source, date and number of observations below the figure."""
    figure.supxlabel(text, x=0.01, ha="left", fontsize=8, color=GREY)
    return figure


def nothing(what: str) -> "Figure":
    """A figure that says that there is too little to draw."""
    figure, axes = blank(height=1.2)
    axes.set_axis_off()
    axes.text(0.0, 0.5, f"{what}: too few months of data to draw this", color=GREY, fontsize=11)
    return figure


def title(axes: "Axes", text: str, size: float = 11.5) -> None:
    """The finding, above the axes."""
    axes.set_title(text, loc="left", fontsize=size, fontweight="bold")


def legend(axes: "Axes", *handles: Any, **place: Any) -> None:
    """A legend without a frame."""
    axes.legend(*handles, frameon=False, fontsize=9, **place)


def scale(values: pd.DataFrame | pd.Series | np.ndarray, currency: str) -> tuple[float, str]:
    """Divisor and unit so that axis numbers stay short."""
    top = float(np.nanmax(np.abs(np.asarray(values, dtype=float)), initial=0.0))
    if top >= 2e6:
        return 1e6, f"million {currency}"
    return (1e3, f"thousand {currency}") if top >= 2e3 else (1.0, currency)


def months(axes: "Axes", months: pd.Series) -> None:
    """Names of months on the axis, with the year where it begins."""
    labels = [
        f"{month:%b}\n{month:%Y}" if number == 0 or month.month == 1 else f"{month:%b}"
        for number, month in enumerate(months)
    ]
    axes.set_xticks(range(len(labels)), labels)
