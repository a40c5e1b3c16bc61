"""Deck and workbook: what they say is what the report says, and hostile texts stay texts."""

import io
import zipfile

import openpyxl
import pandas as pd
import pytest
from pptx import Presentation

from credit_lab import kpi, spreadsheet
from credit_lab.publish import deck, office, show, slides, workbook
from credit_lab.publish.artefacts import About, Figure, Heading, Sentences, artefacts
from tests.test_report_artefacts import executed

HOSTILE = (
    "<script>alert(1)</script>", '=HYPERLINK("http://x","y")', "+1", "-2+3", "@SUM(A1)", "\tx", "\u202eabc\u05d0\u05d1",
    "\U0001f9fe\U00020000 4-byte", "n" * 300, "bell\x07", "1" * 40,
)  # fmt: skip


@pytest.fixture
def source(tmp_path):
    aging = pd.DataFrame(
        {
            "bucket": ["not_due", "1-30", "unapplied_cash", "credit_notes"],
            "open_amount": [300.0, 100.0, -50.0, -10.0],
            "share": [0.75, 0.25, -0.125, -0.025],  # of the 400 in the buckets
        }
    )
    wrong = pd.DataFrame({"name": ["a", "b"], "value": [5.0, 5.0], "previous": [3.0, 3.0], "change": [2.0, 1.9]})
    names = pd.DataFrame({"name": HOSTILE, "amount": [10**39, *range(1, len(HOSTILE))]})
    names = names.astype({"amount": object})
    path = executed(
        tmp_path / "80_x.ipynb", "## 2 Aging",
        show.table(aging, "Aging: [now] / then?", shares=("share",)), show.table(wrong, "Aging: [now] / THEN?"),
        show.table(names, "Names", rows=len(names)),
    )  # fmt: skip
    shown = tuple(one for one in artefacts(path) if hasattr(one, "rows"))
    return workbook.Source("80_x", "Review", tmp_path, shown)


def opened(path):
    return openpyxl.load_workbook(path)


def test_the_workbook_is_live_and_never_says_something_else(source, tmp_path):
    path = workbook.write(tmp_path / "a.xlsx", [source], title="Review", facts={"Policy": "p"}, day="2025-12-31")
    formulas, cached = opened(path), openpyxl.load_workbook(path, data_only=True)
    first, second, _ = formulas.sheetnames[1:]
    assert (first, second) == ("80 Aging now then", "80 Aging now THEN 2")
    sheet = formulas[first]
    assert [sheet.cell(row, 3).value for row in range(5, 9)] == [f"=B{row}/SUM(B$5:B$6)" for row in range(5, 9)]
    assert [cached[first].cell(row, 3).value for row in range(5, 9)] == [0.75, 0.25, -0.125, -0.025]
    assert (sheet["B10"].value, cached[first]["B10"].value) == ("=SUBTOTAL(109,B5:B8)", 340)
    assert (sheet.freeze_panes, sheet.auto_filter.ref, sheet["C5"].number_format) == ("B5", "A4:C8", "0.0%")
    # 5 - 3 is 2, not 1.9: the second row keeps its own value
    assert [formulas[second][cell].value for cell in ("D5", "D6")] == ["=B5-C5", 1.9]
    link = formulas["contents"]["A5"]
    assert (link.value, link.hyperlink.location) == (first, f"'{first}'!A1")
    again = workbook.write(tmp_path / "b.xlsx", [source], title="Review", facts={"Policy": "p"}, day="2025-12-31")
    assert path.read_bytes() == again.read_bytes()


def test_hostile_texts_stay_texts_in_the_workbook(source, tmp_path):
    path = workbook.write(tmp_path / "a.xlsx", [source], title="=1+1", facts={}, day="2025-12-31")
    sheet = opened(path)["80 Names"]
    cells = [sheet.cell(row, 1) for row in range(5, 5 + len(HOSTILE))]
    assert {cell.data_type for cell in cells} == {"s"}
    said = [office.legal(row[0]) for row in source.tables[2].rows]
    assert [cell.value for cell in cells] == said
    assert said[:5] == list(HOSTILE[:5])
    assert [bool(cell.quotePrefix) for cell in cells] == [spreadsheet.is_formula(text) for text in said]
    assert sheet["B5"].value == str(10**39)
    with zipfile.ZipFile(path) as file:
        assert not any(b"<f>" in file.read(name) for name in file.namelist() if name.endswith("sheet4.xml"))


def story(tmp_path, name="Firm"):
    folder = tmp_path / "review"
    months = pd.date_range("2025-10-31", periods=3, freq="ME")
    series = pd.DataFrame({"month": months, "dso.period_end": [50.0, 51, 52], "dso.countback": [49.0, 50, 51]})
    tables = {
        "kpis": kpi.table({"add": 3.0}, {"add": 2.0}).assign(name="delay"),
        "kpi_series": series.assign(**{"dso.best_possible": 40.0}),
        "balances": pd.DataFrame({"customer_id": list(HOSTILE), "name": list(HOSTILE), "share": 0.05}),
    }
    show.save(tables, folder / "tables")
    picture = {"panels": (), "note": "n = 3", "alt": "Lines", "width": 8.0, "height": 4.0, "svg": b"", "png": b""}
    shown = [
        Heading("", "Review", "as of 2025-12-31", about=About("book", "2025-12-31", "CNY")),
        Sentences("", ("Customers owe 5.", "DSO rose by 1.0."), ("owed", "dso"), id="review.headline"),
        Figure("3 Key figures", finding="DSO rose by 2.0 days", id="kpi.dso", **picture),
        Figure("5 Exposures", finding=f"{name} leads. " + "w" * 2000, id="exposure.chart", **picture),
    ]  # fmt: skip
    return deck.Story("80_x", folder, shown, {"As of": "2025-12-31"})


def test_the_deck_has_native_charts_titles_notes_and_the_same_bytes(tmp_path):
    told, verdicts = story(tmp_path), {"DSO": "act: 52 days", "losses": "ok: none"}
    others = [("Backtest", "B loses less.")]
    path = deck.write(tmp_path / "a.pptx", told, others, verdicts, title="R", day="2025-12-31")
    pages = list(Presentation(path).slides)
    titles = [page.shapes.title.text_frame.text for page in pages]
    assert titles[:2] == ["R", "1 of 2 checks ask for action: DSO (52 days)"]
    assert titles[2:5] == ["Customers owe 5.", "DSO rose by 1.0.", "DSO rose by 2.0 days"]
    chart = next(shape for shape in pages[4].shapes if shape.has_chart).chart
    assert tuple(chart.plots[0].series[0].values) == (50, 51, 52)
    assert not any(shape.shape_type == 13 for page in pages for shape in page.shapes)  # no pictures
    assert "tables/kpi_series.csv" in pages[4].notes_slide.notes_text_frame.text
    again = deck.write(
        tmp_path / "b.pptx", told, [("Backtest", "B loses less.")], verdicts, title="R", day="2025-12-31"
    )
    assert path.read_bytes() == again.read_bytes()
    with zipfile.ZipFile(path) as file:
        assert slides.CHINESE.encode() in file.read("ppt/theme/theme1.xml")


def test_hostile_texts_stay_texts_in_the_deck_and_fit(tmp_path):
    told = story(tmp_path, name="=<b>\x07")
    path = deck.write(tmp_path / "a.pptx", told, [], {"<i>": "stop: =1"}, title="T" * 400, day="2025-12-31")
    pages = list(Presentation(path).slides)
    chart = next(shape for shape in pages[-1].shapes if shape.has_chart).chart
    names = list(chart.plots[0].categories)
    assert names[-1].startswith("<script>")
    assert max(slides.extent(name) for name in names) * 12 <= 2.6 * 72
    book = openpyxl.load_workbook(io.BytesIO(chart.part.chart_workbook.xlsx_part.blob))
    assert all(cell.data_type != "f" for row in book.active.iter_rows() for cell in row)
    for page in pages:
        box = page.shapes.title
        size = box.text_frame.paragraphs[0].runs[0].font.size.pt
        assert slides.fits([box.text_frame.text], box.width.inches, box.height.inches, size)
