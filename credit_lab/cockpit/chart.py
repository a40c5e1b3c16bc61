"""Drawings as text (SVG): they are made again at every move of a slider, in a millisecond, and need no file or font."""

import html
import math

import pandas as pd

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 620, 400, 84, 52, 40, 18
INK, FAINT, BLUE, ORANGE, GREY = "#222", "#d9d9d9", "#0072b2", "#d55e00", "#8a8a8a"
NAMES = {"turnover": "receivables turnover, times a year", "sales": "sales of a year", "profit": "profit of a year"}


def ticks(low: float, high: float, number: int = 5) -> list[float]:
    """Round values within low and high, about `number` of them.

    >>> ticks(0.13, 0.97)
    [0.2, 0.4, 0.6, 0.8]
    """
    raw = (high - low) / number
    if not raw > 0:
        return [low]
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.8)
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 12) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def short(value: float) -> str:
    """A number for an axis: 1.2 m, 350 k, 6.1.

    >>> short(128_950_000), short(350_000), short(6.12)
    ('129 m', '350 k', '6.12')
    """
    for size, sign in ((1e9, " bn"), (1e6, " m"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{sign}"
    return f"{value:.3g}"


def frontier(points: pd.DataFrame, axis: str, unit: str, finding: str) -> str:
    """The points of `Cockpit.points`: bad debt across, `axis` up, the frontier as a line, bars over 80 % of the worlds.

    Parameters
    ----------
    unit : currency of money axes
    finding : the title
    """
    wide = points[points["frontier"] | points["kind"].isin(["now", "baseline"])]
    xs = [wide["bad_debt_low"].min(), wide["bad_debt_high"].max(), points["bad_debt"].max()]
    ys = [wide["gain_low"].min(), wide["gain_high"].max(), points["gain"].min(), points["gain"].max()]
    x0, x1 = _padded(min(xs), max(xs))
    y0, y1 = _padded(min(ys), max(ys))

    def across(value: float) -> float:
        return LEFT + (value - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT)

    def up(value: float) -> float:
        return HEIGHT - BOTTOM - (value - y0) / (y1 - y0) * (HEIGHT - TOP - BOTTOM)

    parts = [_frame(x0, x1, y0, y1, across, up, axis, unit, finding)]
    line = points[points["frontier"]].sort_values("bad_debt")
    path = " ".join(f"{across(p.bad_debt):.1f},{up(p.gain):.1f}" for p in line.itertuples())
    parts.append(f'<polyline points="{path}" fill="none" stroke="{GREY}" stroke-width="1.5"/>')
    order = {"searched": 0, "tried": 1, "baseline": 2, "now": 3}
    for p in sorted(points.itertuples(), key=lambda p: order[p.kind]):
        colour = {"now": ORANGE, "baseline": BLUE}.get(p.kind, GREY)
        x, y = across(p.bad_debt), up(p.gain)
        if p.frontier or p.kind in ("now", "baseline"):
            thick = 2 if p.kind in ("now", "baseline") else 0.7
            bar = f'stroke="{colour}" stroke-width="{thick}"'
            parts.append(
                f'<path d="M{across(p.bad_debt_low):.1f},{y:.1f}H{across(p.bad_debt_high):.1f}'
                f'M{x:.1f},{up(p.gain_low):.1f}V{up(p.gain_high):.1f}" {bar} opacity="0.6"/>'
            )
        said = f"{p.kind}: bad debt {p.bad_debt:.2%}, {axis} {short(p.gain)}"
        filled = colour if p.frontier or p.kind in ("now", "baseline") else "#fff"
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{6 if p.kind in order and order[p.kind] > 1 else 3.5}" '
            f'fill="{filled}" stroke="{colour}"><title>{html.escape(said)}</title></circle>'
        )
        if p.kind in ("now", "baseline"):
            left, lower = x > WIDTH - 110, p.gain < points.loc[points["kind"] == "baseline", "gain"].max()
            parts.append(
                f'<text x="{x - 10 if left else x + 10:.1f}" y="{y + 18 if lower else y - 8:.1f}" fill="{colour}" '
                f'font-weight="600" text-anchor="{"end" if left else "start"}">{p.kind}</text>'
            )
    now = points[points["kind"] == "now"].iloc[0]
    told = f"{finding}. Now: expected bad debt {now['bad_debt']:.2%} of sales, {NAMES[axis]} {short(now['gain'])}."
    return _svg("".join(parts), told)


def bars(old: list[float], new: list[float] | None, labels: list[str], told: str) -> str:
    """Event rates by bin, as bars, with the rates in the later rows as dots."""
    count = max(len(old), 1)
    top = max([*old, *(value for value in new or [] if value == value), 1e-9]) * 1.15
    step = (WIDTH - LEFT - RIGHT) / count
    high = 240

    def up(value: float) -> float:
        return high - 24 - value / top * (high - 48)

    parts = [
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up(t):.1f}" y2="{up(t):.1f}" stroke="{FAINT}"/>'
        f'<text x="{LEFT - 8}" y="{up(t) + 4:.1f}" text-anchor="end">{t:.1%}</text>'
        for t in ticks(0, top, 4)
    ]
    for k, value in enumerate(old):
        x, shown = LEFT + k * step, value if value == value else 0.0
        parts.append(
            f'<rect x="{x + step * 0.15:.1f}" width="{step * 0.7:.1f}" y="{up(shown):.1f}" '
            f'height="{max(up(0) - up(shown), 0):.1f}" fill="{BLUE}" opacity="0.75">'
            f"<title>{html.escape(labels[k])}: {shown:.2%}</title></rect>"
            f'<text x="{x + step / 2:.1f}" y="{high - 6}" text-anchor="middle">{k}</text>'
        )
        if new and new[k] == new[k]:
            parts.append(f'<circle cx="{x + step / 2:.1f}" cy="{up(new[k]):.1f}" r="5" fill="{ORANGE}"/>')
    title = "bars: event rate in training rows" + (", dots: in later rows" if new else "")
    parts.append(f'<text x="{LEFT}" y="14" fill="{INK}">{title}; bins by number</text>')
    return _svg("".join(parts), told, height=high)


def _padded(low: float, high: float) -> tuple[float, float]:
    room = (high - low) * 0.06 or abs(low) * 0.1 or 1.0
    return low - room, high + room


def _frame(x0, x1, y0, y1, across, up, axis, unit, finding):  # type: ignore[no-untyped-def]
    parts = [f'<text x="8" y="18" fill="{INK}" font-size="15" font-weight="600">{html.escape(finding)}</text>']
    for t in ticks(x0, x1):
        parts.append(
            f'<line x1="{across(t):.1f}" x2="{across(t):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="{FAINT}"/>'
            f'<text x="{across(t):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{t:.3g}</text>'.replace(
                f">{t:.3g}<", f">{t * 100:.3g} %<"
            )
        )
    for t in ticks(y0, y1):
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up(t):.1f}" y2="{up(t):.1f}" stroke="{FAINT}"/>'
            f'<text x="{LEFT - 8}" y="{up(t) + 4:.1f}" text-anchor="end">{short(t)}</text>'
        )
    name = NAMES[axis] + ("" if axis == "turnover" else f", {unit}")
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">expected bad debt over sales '
        f"(less is better)</text>"
        f'<text transform="rotate(-90 16 {middle})" x="16" y="{middle}" text-anchor="middle">{html.escape(name)}</text>'
    )
    return "".join(parts)


def _svg(inside: str, told: str, *, height: int = HEIGHT) -> str:
    return (
        f'<svg role="img" aria-label="{html.escape(told)}" viewBox="0 0 {WIDTH} {height}" '
        f'style="width:100%;max-width:{WIDTH}px;background:#fff" font-family="sans-serif" font-size="12" fill="#444">'
        f"{inside}</svg>"
    )
