"""What a reader sees are words: no code, no id of a formula, no broken word, in pages, slides and sheets.

One pack of the sample is made per language, once a session, with little to simulate: the words are the same.
"""

import csv
import functools
import html
import re
from pathlib import Path

import openpyxl
import pytest
from bs4 import BeautifulSoup
from pptx import Presentation

from credit_lab import inputs, labels, language, periods, policy
from credit_lab.commands import pack as review_pack
from credit_lab.publish import pack
from credit_lab.publish.artefacts import Table, artefacts

ROOT = Path(__file__).parents[1]
BASELINE, TIGHTER = "data/policies/2025-baseline.toml", "data/policies/2025-tighter.toml"
FEW = {"origins": 1, "scenarios": 500, "candidates": 2}
# Names with underscores or with a point between: max_dpd, 80_quarterly_review, dso.countback.
CODE = re.compile(r"(?<![\w/@.-])(?:\d+_)?[a-z][a-z0-9]*(?:[_.][a-z0-9]+)+(?![\w/@])|\b\d+_[a-z]+\b")
BROKEN = re.compile(r"\b(inf|nan|NaN|None|NaT|undefined)\b|[{}]|::|: :|：：|…\w", re.ASCII)
# What stands though it looks like a code, and why.
FILES = re.compile(r"[\w/.-]+\.(csv|ipynb|json|toml|sql|py|md|html)\b")  # files, which a reader opens by their name
EXCEPTIONS = {
    "credit_lab": "the name of this package, in the last line of a page",
}


@pytest.fixture(scope="module", params=["en", "zh"])
def review(request, tmp_path_factory):
    """The pack of the sample in one language: its folder and language."""
    patch = pytest.MonkeyPatch()
    patch.setenv("CREDIT_LAB_LANG", request.param)
    patch.chdir(ROOT)
    language.use(request.param)
    folder = tmp_path_factory.mktemp(f"words-{request.param}") / "pack"
    try:
        book, rules = inputs.open_ledger("data/sample"), policy.load(BASELINE)
        end = periods.parse_period("2025Q4").end
        day = str(end.date())
        rule = {"policy": BASELINE, "other": TIGHTER, "policy_a": BASELINE, "policy_b": TIGHTER}
        when = {"period": "2025Q4", "as_of": day, "end": day, "policy_date": "2025-01-01"}
        known = {"ledger": "data/sample", **rule, **when, **FEW}
        made = pack.make(
            review_pack.steps(), known, folder, title="Credit-policy review 2025Q4",
            facts=review_pack.cover(book, rules, end), inputs="words", formats=("html", "pptx", "xlsx"),
        )  # fmt: skip
        assert not made.failed, made.missing
        yield folder, request.param
    finally:
        language.use("en")
        patch.undo()


def of_page(path):
    """Texts of a page: without code, styles and the method notes, which speak of formulas by their ids."""
    soup = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    for tag in soup(["script", "style"]) + soup.select(".code"):
        tag.decompose()
    for head in soup.find_all(["h2", "h3"]):
        if head.get_text().strip() in ("Method notes", language.prose("## Method notes")[3:]):
            while (after := head.find_next_sibling()) is not None and after.name not in ("h2", "h3"):
                after.decompose()
    for tag in soup.find_all(True):
        yield from (tag[name] for name in ("alt", "aria-label", "title") if name in tag.attrs)
        if tag.name == "img":
            yield from of_picture(tag["src"])
    yield from soup.stripped_strings


def of_picture(source):
    """Texts of a figure within a page."""
    import base64

    svg = base64.b64decode(source.partition(",")[2]).decode()
    yield from map(html.unescape, re.findall(r"<text[^>]*>([^<]+)</text>", svg))


def of_deck(path):
    """Texts of slides, tables and charts; names of the words instead of a chart; speaker notes."""
    for slide in Presentation(path).slides:
        yield slide.notes_slide.notes_text_frame.text
        for shape in slide.shapes:
            yield shape._element.xpath(".//p:cNvPr")[0].get("descr", "")
            if shape.has_text_frame:
                yield shape.text_frame.text
            if shape.has_table:
                yield from (cell.text for row in shape.table.rows for cell in row.cells)
            if shape.has_chart:
                plot = shape.chart.plots[0]
                yield from (*map(str, plot.categories), *(one.name for one in plot.series))
                yield shape.chart.value_axis.axis_title.text_frame.text


def of_book(path):
    """Texts of sheets and their names."""
    book = openpyxl.load_workbook(path, read_only=True)
    for sheet in book:
        yield sheet.title
        for row in sheet.iter_rows(values_only=True):
            yield from (cell for cell in row if isinstance(cell, str) and not cell.startswith("="))


READERS = {"index.html": of_page, "review.pptx": of_deck, "review.xlsx": of_book}


@functools.cache
def texts(folder):
    """File and text of all that a reader of the pack sees; reading it takes seconds, and three tests ask."""
    found = set()
    for name, read in READERS.items():
        found |= {(name, text.strip()) for text in read(folder / name) if text}
    return found


def codes(found):
    """Bare codes by text."""
    lines = []
    for name, text in sorted(found):
        bare = set(CODE.findall(FILES.sub("", text))) - set(EXCEPTIONS)
        lines += [f"{name}: {', '.join(sorted(bare))}: {text[:120]}"] if bare else []
    return lines


def test_no_reader_meets_a_code(review):
    found = codes(texts(review[0]))
    assert not found, "\n".join(found)


def test_every_code_in_a_table_has_words(review):
    """Without words a code is shown with blanks, max dpd, which the test above cannot see."""
    folder, lang = review
    if lang == "zh":
        return  # the same records
    lost = set()
    for notebook in folder.glob("parts/*/*.ipynb"):
        for table in artefacts(notebook):
            if isinstance(table, Table):
                lost |= wordless(table)
    assert not lost


def wordless(table):
    """Column names and values like codes that the catalogue lacks, with their columns."""
    names = [column.name for column in table.columns]
    labels.missing.clear()
    for name in names:
        labels.column(name, "en")
    for row in table.rows:
        for name, value in zip(names, row, strict=True):
            own = name.endswith("_id") or name in (*language._OWN, "feature", "features")
            if isinstance(value, str) and CODE.fullmatch(value) and not own and not labels.known(value, name, "en"):
                labels.missing.add(f"{name}: {value}")
    return set(labels.missing)


def test_no_word_is_broken(review):
    found = [f"{name}: {text[:200]}" for name, text in sorted(texts(review[0])) if BROKEN.search(text)]
    assert not found, "\n".join(found)


def test_no_title_of_a_slide_is_cut(review):
    titles = [slide.shapes.title.text_frame.text for slide in Presentation(review[0] / "review.pptx").slides]
    assert not [one for one in titles if "…" in one]


def of_the_ledger():
    """What the sample's own data say: names, regions, industries, facts."""
    told = set()
    for table, columns in {"customers": ("name", "industry", "region"), "facts": ("value",)}.items():
        with (ROOT / "data" / "sample" / f"{table}.csv").open(encoding="utf-8") as file:
            told |= {row[column] for row in csv.DictReader(file) for column in columns}
    told = {one for one in told if re.search("[a-z]", one)}
    return re.compile("|".join(map(re.escape, sorted(told, key=len, reverse=True))))


def test_a_report_in_chinese_leaves_no_english_behind(review):
    folder, lang = review
    if lang == "zh":
        own = of_the_ledger()
        published = re.compile("Altman|Zmijewski|^[A-Z][A-Za-z ]*…$")  # models; names cut in a chart
        said = {text: own.sub("", FILES.sub("", text)) for _, text in texts(folder)}
        english = [text for text, rest in said.items() if not published.search(rest) and language.left([rest])]
        assert not english, "\n".join(sorted(english))
