"""The page of a pack in a real browser: contents, sorting, code switch; nothing is fetched, nothing complains.

Its accessibility is judged by axe-core where that is at hand (`npm install axe-core`, CREDIT_LAB_AXE names axe.min.js);
the structure it would judge first is checked without a browser as well.
"""

import os
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from credit_lab.figures import canvas
from credit_lab.publish import page, show
from tests.test_report_artefacts import executed

CHROMIUM = shutil.which("chromium")
AXE = Path(os.environ.get("CREDIT_LAB_AXE", "node_modules/axe-core/axe.min.js"))
FRAME = pd.DataFrame(
    {
        "customer_id": ["b", "a", "c"],
        "amount": [1_000.5, 20.0, None],
        "share": [0.5, 0.25, 0.125],
        "day": pd.to_datetime(["2025-03-01", "2024-12-31", None]),
    }
)


def drawing():
    figure, axes = canvas.blank()
    axes.plot([1, 2], [3, 4])
    canvas.title(axes, "It rises")
    return show.figure(canvas.note(figure, "n = 2"), "A line that rises")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    wide = pd.concat([FRAME.add_prefix(f"long_column_{number}_") for number in range(8)], axis=1)
    first = executed(
        folder / "10_first.ipynb",
        show.heading("First", "as of 2025-12-31"),
        show.sentences(["It is so."]),
        "## 1 Amounts\nRead **this**.",
        show.table(FRAME, "Amounts by customer", shares=("share",)),
        drawing(),
        "## 2 Wide",
        show.table(wide, "Wide"),
        show.note("Careful."),
    )
    second = executed(
        folder / "20_second.ipynb", show.heading("Second", "x"), "## 1 Amounts", show.table(FRAME, "Again")
    )
    front = page.Front(("Ledger: x",), {"DSO": "act: 62 days", "ledger": "ok: 0.00"}, ("30_third failed: x",))
    file = folder / "index.html"
    file.write_text(page.page("Review", [first, second], front), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as play:
        opened = play.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield opened
        opened.close()


@pytest.fixture
def tab(browser, report):
    """The page opened, with all it says and asks for."""
    opened = browser.new_page(viewport={"width": 1400, "height": 900})
    opened.said, opened.asked = [], []
    opened.on("console", lambda message: opened.said.append(message.text))
    opened.on("pageerror", lambda error: opened.said.append(str(error)))
    opened.on("request", lambda request: opened.asked.append(request.url))
    opened.goto(report.as_uri())
    yield opened
    opened.close()


def column(tab, number):
    return tab.locator("table").first.locator(f"tbody td:nth-child({number})").all_text_contents()


def test_contents_sort_and_code_switch_work_without_a_network(tab, report):
    links = tab.locator("nav.contents a")
    assert links.all_text_contents() == ["First", "1 Amounts", "2 Wide", "Second", "1 Amounts"]
    links.nth(4).click()
    assert tab.evaluate("location.hash") == "#p20_second-1"
    assert tab.locator("#p20_second-1").bounding_box()["y"] < 900 and tab.evaluate("scrollY") > 0

    heads = tab.locator("table").first.locator("th button")
    heads.nth(1).click()
    assert column(tab, 2) == ["20.00", "1,000.50", "–"]  # as numbers, what is missing last
    heads.nth(1).click()
    assert column(tab, 2) == ["1,000.50", "20.00", "–"]
    assert tab.locator("th[aria-sort]").count() == 1
    heads.nth(1).click()
    assert column(tab, 1) == ["b", "a", "c"]  # the order it came in
    heads.nth(3).click()
    assert column(tab, 4) == ["2024-12-31", "2025-03-01", "–"]
    heads.nth(0).focus()
    tab.keyboard.press("Enter")
    assert column(tab, 1) == ["a", "b", "c"]

    code = tab.locator("pre.code").first
    assert not code.is_visible()
    tab.locator("#code-switch").click()
    assert code.is_visible()
    assert tab.locator("#code-switch").get_attribute("aria-pressed") == "true"

    assert tab.said == []
    assert [url for url in tab.asked if not url.startswith("data:")] == [report.as_uri()]


def test_a_phone_shows_the_page_without_scrolling_sideways(tab):
    tab.set_viewport_size({"width": 390, "height": 800})
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390


def test_axe_finds_nothing_serious(tab):
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: npm install axe-core, or set CREDIT_LAB_AXE")
    tab.evaluate(AXE.read_text(encoding="utf-8"))
    found = tab.evaluate("axe.run().then(result => result.violations)")
    assert [(one["id"], one["impact"], one["nodes"][0]["html"][:200]) for one in found] == []


class Outline(HTMLParser):
    """Headings, ids and what a screen reader needs."""

    def __init__(self):
        super().__init__()
        self.levels, self.ids, self.links, self.images, self.heads, self.captions = [], [], [], [], [], 0
        self.lang = None

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag[0] == "h" and tag[1:].isdigit():
            self.levels.append(int(tag[1:]))
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "a":
            self.links.append(found["href"])
        if tag == "img":
            self.images.append(found.get("alt"))
        if tag == "th":
            self.heads.append(found.get("scope"))
        self.captions += tag == "caption"
        self.lang = found.get("lang", self.lang)


def test_the_page_has_the_structure_a_screen_reader_needs(report):
    outline = Outline()
    text = report.read_text(encoding="utf-8")
    outline.feed(text)
    assert outline.lang == "en"
    assert outline.levels[0] == 1 and outline.levels.count(1) == 1
    assert all(deeper - level <= 1 for level, deeper in zip(outline.levels, outline.levels[1:], strict=False))
    assert len(outline.ids) == len(set(outline.ids))
    assert {link[1:] for link in outline.links if link.startswith("#")} <= set(outline.ids)
    assert outline.links == [link for link in outline.links if link.startswith("#")]
    assert outline.images == ["A line that rises"]
    assert set(outline.heads) == {"col"} and outline.captions == 3
    assert "'unsafe-inline'" not in text.split("script-src")[1].split(";")[0]


LIMITS = pd.DataFrame(
    {
        "review_date": pd.to_datetime(["2019-09-30"] * 2),
        "customer_id": ["0379-NEVHP", "200769623"],
        "score": [81.46, 9.0],
        "grade": ["AAA", "D"],
        "bucket": ["181-365", "not_due"],
        "method": ["sales_forecast", "trial"],
        "binding_constraint": ["share of own sales", "inactive"],
        "formula_id": ["days_to_pay.closed_mean", "bad_debt_ratio.period"],
        "credit_limit": [90_877_000.0, 0.0],
        "approver": ["finance director + credit committee", "credit manager"],
        "reason": ["payment behaviour and sales", "no sales in twelve months"],
    }
)
# words whose letters stand on more than one line
BROKEN = """() => { const found = []; for (const cell of document.querySelectorAll('.table th, .table td')) {
  const nodes = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT); let node;
  while (node = nodes.nextNode()) for (const word of node.data.matchAll(/\\S+/g)) {
    const range = document.createRange();
    range.setStart(node, word.index); range.setEnd(node, word.index + word[0].length);
    if (new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1) found.push(word[0]);
  } } return found; }"""


@pytest.mark.parametrize("width", [1000, 400])
def test_no_word_of_a_table_is_broken_on_the_screen(browser, tmp_path, width):
    """A wide table is scrolled to the side; only words longer than a column may ever be are cut."""
    shown = executed(tmp_path / "10_limits.ipynb", show.heading("Limits", "x"), show.table(LIMITS, "Limits"))
    file = tmp_path / "limits.html"
    file.write_text(page.page("Limits", [shown]), encoding="utf-8")
    opened = browser.new_page(viewport={"width": width, "height": 900})
    opened.goto(file.as_uri())
    assert opened.evaluate(BROKEN) == []
    assert not opened.evaluate("document.documentElement.scrollWidth > innerWidth")
    opened.close()
