"""Drawing of slides: native, editable charts and tables, texts sized to fit their boxes, sources in
the notes.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xlsxwriter
from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.dml.color import RGBColor
from pptx.enum.chart import XL_CHART_TYPE, XL_LEGEND_POSITION
from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
from pptx.opc.constants import RELATIONSHIP_TYPE
from pptx.util import Inches, Pt

from credit_lab.figures.canvas import BLUE, GREY
from credit_lab.language import say
from credit_lab.publish import office

WIDTH, HEIGHT, MARGIN = 13.333, 7.5, 0.6
CHINESE = "Microsoft YaHei"  # typeface of Chinese characters; programs without it take their own
LIGHTS = {"ok": "#2E7D32", "act": "#B26A00", "stop": "#B3261E"}
_INK = "#222222"


@dataclass(frozen=True)
class Series:
    """Values of a chart by category; colour "" leaves the column invisible (the base of a
    waterfall).
    """

    name: str
    values: tuple[float | None, ...]
    colour: str


@dataclass(frozen=True)
class Chart:
    """columns (stacked), bars or lines; `unit` stands at the value axis."""

    kind: str
    categories: tuple[str, ...]
    series: tuple[Series, ...]
    unit: str
    number: str
    alt: str


@dataclass(frozen=True)
class Grid:
    """A table of texts; `right` are the numbers of right-aligned columns, `widths` shares of the
    width.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[int, ...] = ()
    widths: tuple[float, ...] = ()


@dataclass(frozen=True)
class Slide:
    """One message: title, what shows it, small print below, where it comes from (speaker notes)."""

    title: str
    body: Chart | Grid | tuple[str, ...] | None
    note: str
    sources: tuple[str, ...]
    lights: tuple[str, ...] = field(default=())


def write(path: Path, slides: Sequence[Slide], *, title: str, day: str) -> Path:
    """Write the slides; `day` (ISO) is when the file says it was made, so that the same slides give
    the same bytes.
    """
    show = Presentation()
    show.slide_width, show.slide_height = Inches(WIDTH), Inches(HEIGHT)
    show.core_properties.title, show.core_properties.author = (
        office.legal(say(title), 200),
        "credit_lab",
    )
    _typeface(show)
    for number, slide in enumerate(slides, start=1):
        _draw(show, slide, number)
    buffer = io.BytesIO()
    show.save(buffer)
    path.write_bytes(office.settled(buffer.getvalue(), day))
    return path


def _typeface(show: Any) -> None:
    """East Asian typeface of the theme: it holds for titles, tables and charts alike."""
    theme = show.slide_master.part.part_related_by(RELATIONSHIP_TYPE.THEME)
    theme._blob = theme.blob.replace(
        b'<a:ea typeface=""/>', f'<a:ea typeface="{CHINESE}"/>'.encode()
    )


def _draw(show: Any, slide: Slide, number: int) -> None:
    page = show.slides.add_slide(show.slide_layouts[5])  # title only
    first = number == 1
    top, height = (2.2, 1.4) if first else (0.35, 1.05)
    box = page.shapes.title
    box.left, box.top = Inches(MARGIN), Inches(top)
    box.width, box.height = Inches(WIDTH - 2 * MARGIN), Inches(height)
    _write(
        box.text_frame,
        [slide.title],
        WIDTH - 2 * MARGIN,
        height,
        sizes=(40, 20) if first else (26, 16),
        bold=True,
    )
    area = (MARGIN, 3.7 if first else 1.55, WIDTH - 2 * MARGIN, 2.4 if first else 5.2)
    if isinstance(slide.body, Chart):
        _chart(page, slide.body, area)
    elif isinstance(slide.body, Grid):
        _grid(page, slide.body, area, slide.lights)
    elif slide.body:
        frame = page.shapes.add_textbox(*map(Inches, area)).text_frame
        _write(frame, slide.body, area[2], area[3], sizes=(22, 12))
    wide = WIDTH - 2 * MARGIN - 0.8
    foot = page.shapes.add_textbox(*map(Inches, (MARGIN, 6.9, wide, 0.42)))
    _write(foot.text_frame, [slide.note], wide, 0.42, sizes=(11, 8), colour=GREY)
    corner = page.shapes.add_textbox(*map(Inches, (WIDTH - MARGIN - 0.7, 6.9, 0.7, 0.42)))
    _write(
        corner.text_frame,
        [str(number)],
        0.7,
        0.42,
        sizes=(11, 11),
        colour=GREY,
        align=PP_ALIGN.RIGHT,
    )
    page.notes_slide.notes_text_frame.text = office.legal(
        "\n".join(say(line) for line in slide.sources if line)
    )


def _write(
    frame: Any,
    lines: Sequence[str],
    width: float,
    height: float,
    *,
    sizes: tuple[int, int],
    bold: bool = False,
    colour: str = _INK,
    align: Any = PP_ALIGN.LEFT,
) -> None:
    """Paragraphs in the largest of `sizes` in which they fit; cut with … where none does."""
    frame.word_wrap, frame.vertical_anchor = True, MSO_ANCHOR.MIDDLE if bold else MSO_ANCHOR.TOP
    texts = [office.legal(say(line), 1500).replace("\n", " ") for line in lines]
    size = next(
        (one for one in range(sizes[0], sizes[1] - 1, -1) if fits(texts, width, height, one)),
        sizes[1],
    )
    while not fits(texts, width, height, size) and max(map(len, texts)) > 20:
        longest = max(range(len(texts)), key=lambda at: len(texts[at]))
        texts[longest] = office.legal(texts[longest], int(len(texts[longest]) * 0.9))
    for number, text in enumerate(texts):
        paragraph = frame.paragraphs[0] if number == 0 else frame.add_paragraph()
        paragraph.alignment = align
        paragraph.space_after = Pt(size * 0.5 if len(texts) > 1 else 0)
        run = paragraph.add_run()
        run.text = text
        _font(run.font, size, colour, bold=bold)


def _font(font: Any, size: int, colour: str = _INK, *, bold: bool = False) -> None:
    font.size, font.bold = Pt(size), bold
    font.color.rgb = RGBColor.from_string(colour[1:])


def fits(texts: Sequence[str], width: float, height: float, size: int) -> bool:
    """Whether paragraphs fit a box of inches at a size in points, margins and line spacing taken
    off.
    """
    room, line = (width - 0.25) * 72, size * 1.25
    used = sum(
        max(1, -(-extent(text) * size // (room * 0.93))) * line + size * 0.5 for text in texts
    )
    return used <= (height - 0.1) * 72 + size * 0.5


def extent(text: str) -> float:
    """Width of a text in units of its size: a Latin letter takes up to 0.6 of it, a Chinese
    character all of it.

    >>> extent("abcd"), extent("账龄")
    (2.4, 2.0)
    """
    return sum(1.0 if ord(sign) > 0x2E80 else 0.7 if sign.isupper() else 0.6 for sign in text)


def cut(text: str, inches: float, size: int) -> str:
    """A text that fits one line of so many inches, cut with … if need be."""
    room = (inches - 0.15) * 72 / size
    shown = office.legal(text, 400).replace("\n", " ")
    while extent(shown) > room and len(shown) > 2:
        shown = shown[:-2].rstrip() + "…"
    return shown


def _grid(
    page: Any, grid: Grid, area: tuple[float, float, float, float], lights: tuple[str, ...]
) -> None:
    left, top, width, height = area
    row = min(height / (len(grid.rows) + 1), 0.5)
    size = int(max(9, min(16, row * 72 / 2.2)))
    shape = page.shapes.add_table(
        len(grid.rows) + 1, len(grid.head), *map(Inches, (left, top, width, row))
    )
    table = shape.table
    shares = grid.widths or (1 / len(grid.head),) * len(grid.head)
    for at, share in enumerate(shares):
        table.columns[at].width = Inches(width * share)
    for line, texts in enumerate((grid.head, *grid.rows)):
        table.rows[line].height = Inches(row)
        for at, text in enumerate(texts):
            cell = table.cell(line, at)
            cell.margin_top = cell.margin_bottom = Inches(0.02)
            cell.margin_left = cell.margin_right = Inches(0.07)
            cell.vertical_anchor = MSO_ANCHOR.MIDDLE
            paragraph = cell.text_frame.paragraphs[0]
            paragraph.alignment = PP_ALIGN.RIGHT if at in grid.right else PP_ALIGN.LEFT
            run = paragraph.add_run()
            run.text = cut(say(text), width * shares[at], size)
            light = LIGHTS.get(lights[line - 1]) if lights and line and at == 0 else None
            colour = "#FFFFFF" if line == 0 or light else _INK
            _font(run.font, size, colour, bold=line == 0 or bool(light))
            cell.fill.solid()
            fill = light or (BLUE if line == 0 else "#FFFFFF" if line % 2 else "#EEF3F8")
            cell.fill.fore_color.rgb = RGBColor.from_string(fill[1:])


def _behind(told: Chart) -> bytes:
    """The cells behind a chart, which its editor opens; a name that begins with = stays a text
    there.
    """
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(
        buffer, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    )
    sheet, style = book.add_worksheet(), book.add_format({"num_format": told.number})
    sheet.write_column(1, 0, [office.legal(say(name), 60) for name in told.categories])
    for at, one in enumerate(told.series, start=1):
        sheet.write_string(0, at, office.legal(say(one.name), 60))
        sheet.write_column(1, at, one.values, style)
    book.close()
    return buffer.getvalue()


_KINDS = {
    "columns": XL_CHART_TYPE.COLUMN_STACKED,
    "bars": XL_CHART_TYPE.BAR_CLUSTERED,
    "lines": XL_CHART_TYPE.LINE,
}


def _chart(page: Any, told: Chart, area: tuple[float, float, float, float]) -> None:
    data = CategoryChartData(number_format=told.number)
    data.categories = [office.legal(say(name), 60) for name in told.categories]
    for one in told.series:
        data.add_series(office.legal(say(one.name), 60), one.values)
    frame = page.shapes.add_chart(_KINDS[told.kind], *map(Inches, area), data)
    frame.chart.part.chart_workbook.update_from_xlsx_blob(_behind(told))
    frame._element.nvGraphicFramePr.cNvPr.set("descr", office.legal(say(told.alt), 400))
    chart = frame.chart
    chart.font.size = Pt(12)
    chart.has_title = False
    named = [one for one in told.series if one.colour]
    chart.has_legend = len(named) > 1
    if chart.has_legend:
        chart.legend.position, chart.legend.include_in_layout = XL_LEGEND_POSITION.BOTTOM, False
    axis = chart.value_axis
    axis.has_title = True
    axis.axis_title.text_frame.text = say(told.unit)
    _font(axis.axis_title.text_frame.paragraphs[0].runs[0].font, 12, GREY)
    axis.major_gridlines.format.line.color.rgb = RGBColor.from_string("E3E3E3")
    axis.format.line.fill.background()
    axis.tick_labels.number_format, axis.tick_labels.number_format_is_linked = told.number, False
    plot = chart.plots[0]
    if told.kind != "lines":
        plot.gap_width = 40
    for one, series in zip(told.series, plot.series, strict=True):
        if told.kind == "lines":
            series.smooth = False
            series.format.line.width = Pt(2.5)
            series.format.line.color.rgb = RGBColor.from_string(one.colour[1:])
        elif one.colour:
            series.format.fill.solid()
            series.format.fill.fore_color.rgb = RGBColor.from_string(one.colour[1:])
        else:
            series.format.fill.background()
