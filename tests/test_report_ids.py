"""Records are known by their ids: a figure more, another number or a section less moves nothing in a deck."""

import ast
import json
import re
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbformat import v4

from credit_lab import kpi
from credit_lab.commands import pack as review_pack
from credit_lab.errors import ReportError
from credit_lab.figures import canvas
from credit_lab.publish import deck, pack, page, part, show
from credit_lab.publish.artefacts import artefacts, finding

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
DAY = pd.Timestamp("2025-12-31")
KPIS = kpi.table({"add": 3.0}, {"add": 2.0}, windows={"add": "quarter 2025Q4"}).assign(name="delay")
SERIES = pd.DataFrame(
    {
        "month": pd.date_range("2025-10-31", periods=3, freq="ME"),
        "dso.period_end": [50.0, 51, 52],
        "dso.countback": [49.0, 50, 51],
        "dso.best_possible": 40.0,
    }
)
BRIDGE = pd.DataFrame({"part": ["opening", "ending"], "days": [50.0, 52.0], "amount": [1e6, 2e6]})


def drawn(title, id):
    figure, axes = canvas.blank()
    canvas.title(axes, title)
    return show.figure(figure, "alt", id=id)


def sections():
    """Heading of each section → what it shows: the key figures of a review, its losses, its largest customers."""
    return {
        "": [
            show.heading("Review", "line", id="review.title", source="book", as_of=DAY, currency="CNY"),
            show.sentences(
                {"owed": "Customers owe 5.", "dso": "DSO rose by 1.0 days."},
                id="review.headline",
                notes=["Period 2025Q4."],
            ),
        ],
        "3 Key figures": [
            show.table(KPIS, "Key figures", id="kpi.figures"),
            drawn("DSO rose by 2.0 days", "kpi.dso"),
            drawn("Receivables rose by 1.00 million CNY", "kpi.bridge_chart"),
        ],
        "4 Losses": [show.sentences(["The allowance is 7."], id="losses.headline")],
        "5 Exposures": [drawn("Two customers hold 30 %", "exposure.chart")],
    }


def executed(folder, parts):
    """An executed notebook of these sections, and the tables it saved."""
    cells = []
    for title, shown in parts.items():
        if title:
            cells.append(v4.new_markdown_cell(f"## {title}"))
        for one in shown:
            bundle = one._repr_mimebundle_()
            cells.append(v4.new_code_cell("show", outputs=[v4.new_output("display_data", data=bundle)]))
    path = folder / "80_quarterly_review.ipynb"
    folder.mkdir(exist_ok=True)
    nbformat.write(v4.new_notebook(cells=cells), path)
    allowance = pd.DataFrame({"bucket": ["1-30"], "allowance": [7.0]})
    balances = pd.DataFrame({"customer_id": ["C-1", "C-2"], "share": [0.2, 0.1]})
    saved = {"kpis": KPIS, "kpi_series": SERIES, "bridge": BRIDGE, "losses_allowance": allowance, "balances": balances}
    names = "aging_series", "collections_weekly", "limits_summary", "earlier_forecasts"
    show.save(saved | dict.fromkeys(names, pd.DataFrame()), folder / "tables")
    return path


def told(folder, parts):
    """Titles of the slides of a deck and the first table or chart of each, and what the deck missed."""
    path = executed(folder, parts)
    story = deck.Story(path.stem, folder, artefacts(path), {"As of": "2025-12-31"})
    slides = list(deck.tell(story, [], {}, "R"))[2:]
    return {slide.title: _body(slide.body) for slide in slides}, story.missing


def _body(body):
    match body:
        case deck.Chart():
            return body.series[0].values  # noqa: PD011
        case deck.Grid():
            return body.rows[0]
    return body


WHOLE = {
    "Customers owe 5.": ("DSO rose by 1.0 days.",),
    "DSO rose by 1.0 days.": ("delay", "days", "quarter 2025Q4", "3.0", "–", "2.0", "1.0", "–", "–"),
    "DSO rose by 2.0 days": (50.0, 51.0, 52.0),
    "Receivables rose by 1.00 million CNY": ("Opening receivables", "50.0", "1,000,000.00"),
    "The allowance is 7.": (7.0,),
    "Two customers hold 30 %": (0.1, 0.2),
}
UNMADE = ["aging.chart", "cash.chart", "limits.headline"]  # their tables are empty: asked for, and not shown above


def test_the_deck_tells_each_record_with_its_own_numbers(tmp_path):
    assert told(tmp_path / "r", sections()) == (WHOLE, UNMADE)


def test_a_figure_more_takes_nobodys_place(tmp_path):
    parts = sections()
    parts["3 Key figures"].insert(1, drawn("A figure of one's own", "own.figure"))
    assert told(tmp_path / "r", parts) == (WHOLE, UNMADE)


def test_sections_can_have_other_numbers_and_another_order(tmp_path):
    parts = sections()
    names = {"": "", "5 Exposures": "3 Exposures", "4 Losses": "5 Losses", "3 Key figures": "12 Key figures"}
    moved = {new: parts[old] for old, new in names.items()}
    assert told(tmp_path / "r", moved) == (WHOLE, UNMADE)


def test_a_section_less_loses_its_slides_alone_and_is_named(tmp_path):
    parts = {name: shown for name, shown in sections().items() if name != "3 Key figures"}
    gone = ("DSO rose by 2.0 days", "Receivables rose by 1.00 million CNY")
    slides, missing = told(tmp_path / "r", parts)
    assert slides == {title: body for title, body in WHOLE.items() if title not in gone}
    assert sorted(missing) == sorted([*UNMADE, "kpi.figures", "kpi.dso", "kpi.bridge_chart"])


def test_what_is_not_there_stands_on_the_status_line(tmp_path):
    path = executed(tmp_path / "r", sections())
    bare = tmp_path / "bare"
    bare.mkdir()
    shown = v4.new_output("display_data", data=show.heading("Bare", "", id="bare.title")._repr_mimebundle_())
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell("", outputs=[shown])]), bare / "10_bare.ipynb")
    run = {"verdicts": {}, "missing": []}
    parts = tuple(part.Part(one.stem, "made", "", one.parent, run) for one in (path, bare / "10_bare.ipynb"))
    made = pack.Pack("T", {}, parts, ("html", "pptx"))
    assert made.main.name == path.stem and made.day == "2025-12-31"
    assert made.verdicts["review complete"] == (
        "act: 2 of 2 parts; not found: headline of 10_bare, aging.chart, cash.chart, limits.headline"
    )
    assert "Not found, so not told: cash.chart." in made.missing
    assert "aging.chart" not in pack.Pack("T", {}, parts, ("html",)).verdicts["review complete"]


def test_a_report_of_its_own_says_what_its_deck_lacks(tmp_path):
    path = executed(tmp_path / "r", sections())
    record = {"verdicts": {}, "missing": []}
    review_pack.beside(("html", "pptx"), "T", {}, path.stem)(path.parent, record)
    assert record["unfound"] == UNMADE
    assert (path.parent / "review.pptx").is_file()


def test_records_carry_id_subject_units_source_day_and_currency(tmp_path):
    table = pd.DataFrame(
        {"customer_id": ["C-1"], "exposure": [5.0], "share": [0.5], "items": [2], "max_dpd": [30], "minutes": [3.0]}
    )
    shown = show.table(table, "Largest exposures", id="exposure.largest", currency="CNY", shares=("share",))
    parts = {**sections(), "6": [shown]}
    records = artefacts(executed(tmp_path / "r", parts))
    assert {one.about for one in records} == {records[0].about}
    assert (records[0].about.source, records[0].about.as_of, records[0].about.currency) == ("book", "2025-12-31", "CNY")
    last = records[-1]
    assert (last.id, last.subject, last.caption) == ("exposure.largest", "exposure", "Largest exposures, CNY")
    assert [one.unit for one in last.columns] == ["", "CNY", "share", "count", "count", "number"]
    assert finding(records) == "Customers owe 5."  # not the note on the period before it


def test_an_id_is_a_subject_and_a_name():
    with pytest.raises(ReportError, match="id 'Bridge': a subject and a name in small letters"):
        show.note("text", id="Bridge")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_record_of_a_notebook_has_an_id_of_its_own(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    ids = []
    for cell in cells:
        if cell["cell_type"] != "code":
            continue
        own = set()
        for node in ast.walk(ast.parse("".join(cell["source"]))):
            if isinstance(node, ast.Call) and re.fullmatch(r"show\.(?!save)\w+", ast.unparse(node.func)):
                given = [one.value for one in node.keywords if one.arg == "id"]
                assert given, ast.unparse(node)
                own.add(given[0].value)
        ids += own
    assert len(ids) == len(set(ids))
    heads = [id for id in ids if id.endswith(".title")]
    assert not heads or heads[0].replace(".title", ".headline") in ids


def test_the_index_page_takes_the_headline_and_nothing_else(tmp_path):
    shown = sections()[""]
    first = show.sentences(["Not the headline."], id="review.other")
    path = executed(tmp_path / "r", {"": [shown[0], first, shown[1]]})
    assert page.chapter(path, alone=False).finding == "Customers owe 5."
