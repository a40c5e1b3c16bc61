"""Cockpit and editor in a real browser: drag, keys, click, read, save; nothing on the console, nothing from outside."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest

from credit_lab import policy as policies
from credit_lab.scoring import Binner, Scorecard
from tests.browser import CHROMIUM, ROOT, page, served

pytest.importorskip("voila", reason="voila is not installed")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")
FAST = {
    "90_policy_cockpit": {"replicates: int = 32": "replicates: int = 6", "searched: int = 32": "searched: int = 4"},
    "91_binning_editor": {'table: str = \\"': 'table: str = \\"rows.csv', 'target: str = \\"': 'target: str = \\"bad'},
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A server of both notebooks, with fewer simulated worlds and rows; its address and folder."""
    folder = tmp_path_factory.mktemp("pages")
    rng = np.random.default_rng(3)
    late = rng.exponential(20, 900).round(1)
    bad = (rng.random(900) < 1 / (1 + np.exp(2.5 - 0.06 * late))).astype(int)
    pd.DataFrame({"late": late, "noise": rng.normal(size=900), "bad": bad}).to_csv(folder / "rows.csv", index=False)
    shutil.copytree(ROOT / "data", folder / "data")
    (folder / "notebooks").mkdir()
    for name, faster in FAST.items():
        text = (ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8")
        for old, new in faster.items():
            assert old in text
            text = text.replace(old, new)
        (folder / "notebooks" / f"{name}.ipynb").write_text(text, encoding="utf-8")
    command = ["voila", "notebooks", "--no-browser", "--template=workbench", "--port={port}"]
    with served(command, folder, "/") as (url, _):
        yield url, folder


def cells(sheet, label, row):
    return sheet.locator(f"table[aria-label='{label}'] tr").filter(has_text=row).locator("td").all_inner_texts()


def test_cockpit(pages):
    url, folder = pages
    with page() as (sheet, errors, strangers):
        sheet.goto(f"{url}/voila/render/90_policy_cockpit.ipynb", timeout=120_000)
        sheet.wait_for_selector("table[aria-label='read-out']", timeout=60_000)
        assert cells(sheet, "read-out", "Sales")[3] == "0"
        # drag: the hold slider far to the left
        handle = sheet.locator(".widget-slider", has_text="Hold after days").locator(".noUi-handle")
        box = handle.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        sheet.mouse.move(x, y)
        sheet.mouse.down()
        for step in range(1, 5):
            sheet.mouse.move(x - 20 * step, y)
        sheet.mouse.up()
        sheet.wait_for_selector("text=/overdue_days: 90 to \\d+ days \\(tighter\\)/", timeout=20_000)
        assert cells(sheet, "read-out", "Sales")[3].startswith("−")
        # keys: one step of the term
        sheet.locator(".widget-slider", has_text="Term, days").locator(".noUi-handle").focus()
        sheet.keyboard.press("ArrowRight")
        sheet.wait_for_selector("text=/term_days of .* to 65 \\/ 65/", timeout=20_000)
        assert re.search(r"drawn in \d", sheet.locator("[role=status]").last.inner_text())
        told = sheet.locator("svg[role=img]").get_attribute("aria-label")
        assert "Now: expected bad debt" in told
        # save
        sheet.get_by_label("Save as").fill("from-the-page")
        sheet.get_by_label("Save as").press("Tab")
        sheet.get_by_role("button", name="Save policy").click()
        sheet.wait_for_selector("text=/saved ...data.policies.from-the-page.toml/", timeout=20_000)
        assert errors == []
        assert strangers == []
    made = policies.load(folder / "data" / "policies" / "from-the-page.toml")
    assert made.holds.overdue_days < 90
    assert [grade.term_days for grade in made.grades.scale] == [65, 65, 65, 50, 35, 0]


def test_editor(pages):
    url, folder = pages
    with page() as (sheet, errors, strangers):
        sheet.goto(f"{url}/voila/render/91_binning_editor.ipynb", timeout=120_000)
        sheet.wait_for_selector("table[aria-label='bins']", timeout=60_000)
        rows = sheet.locator("table[aria-label='bins'] tr")
        number, before = rows.count(), cells(sheet, "information, trend, stability", "IV")[1]
        for start in ("0: ", "1: "):
            sheet.get_by_role("button", name=re.compile(f"^{start}")).click()
        sheet.get_by_role("button", name="Merge").click()
        sheet.wait_for_selector("text=/1 steps, 0 taken back/", timeout=20_000)
        assert rows.count() == number - 1
        after = cells(sheet, "information, trend, stability", "IV")[1]
        assert after.endswith(f"(was {before})")
        assert float(after.split()[0]) < float(before)
        sheet.get_by_role("button", name="Undo").click()
        sheet.wait_for_selector("text=/0 steps, 1 taken back/", timeout=20_000)
        assert cells(sheet, "information, trend, stability", "IV")[1] == before
        sheet.get_by_role("button", name="Redo").click()
        sheet.wait_for_selector("text=/1 steps, 0 taken back/", timeout=20_000)
        sheet.get_by_role("button", name="Save").click()
        sheet.wait_for_selector("text=/saved ...reports.scorecard.bins.json/", timeout=20_000)
        assert errors == []
        assert strangers == []
    saved = folder / "reports" / "scorecard"
    name = Scorecard.load(saved / "card.json").names[0]
    assert len(Binner.load(saved / "bins.json").bins_[name].counts) == number - 2  # a row of the table is its head
