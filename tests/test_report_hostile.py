"""Names and amounts nobody should have in a ledger come out escaped and readable in every format."""

import shutil
import subprocess
import warnings

import pandas as pd
import pytest

from credit_lab import ledger, studies
from credit_lab import policy as policies
from credit_lab.figures import canvas
from credit_lab.figures import receivables as figures
from credit_lab.publish import markup, page, pdf, show
from tests.ledgers import invoice, payment
from tests.test_report_artefacts import executed
from tests.test_report_browser import Outline

NAMES = {
    "C1": "<script>alert(1)</script>",
    "C2": '"><img src=x onerror=alert(2)>',
    "C3": '=HYPERLINK("http://evil.example","click")',
    "C4": "\u202eשלום עולם مرحبا",
    "C5": "𝕬𝖈𝖒𝖊 💸 𠮷野家",
    "C6": "very long " * 30,
    "C7": "@SUM(1+1)*cmd|' /C calc'!A0",
    "C8": "上海贸易有限公司 $x$ and $y$",
}


@pytest.fixture
def review(write_ledger):
    """A year of invoices of customers with hostile names, one of whom has an id of the same kind."""
    ids = [*NAMES, "<b>C9</b>" + "x" * 300]
    rows = [
        invoice(f"I{number}-{month}", customer, f"2025-{month:02d}-05", f"2025-{month:02d}-25", 100.0 + number)
        for number, customer in enumerate(ids)
        for month in range(1, 13)
    ]
    rows.append(invoice("HUGE", "C1", "2025-12-01", "2025-12-20", "1" * 40))
    people = [{"customer_id": one, "name": NAMES.get(one, one), "first_seen": "2025-01-01"} for one in ids]
    folder = write_ledger(invoices=rows, payments=[payment(paid="2025-12-30", amount=1.0)], customers=people)
    (folder / "map.toml").write_text("[source]\nmax_quarantine_share = 1.0\n")
    book = ledger.read(folder, folder / "map.toml")
    return studies.review.review(book, policies.load("data/policies/2025-baseline.toml"), "2025Q4")


def test_a_hostile_ledger_is_escaped_and_readable_in_html_pdf_and_csv(review, tmp_path):
    drawn = figures.exposure_chart(review.balances, cap=0.1, source="<i>s</i>")
    shown = [
        show.heading("<u>Review</u>", NAMES["C1"]),
        show.sentences([*review.findings, NAMES["C2"]]),
        "## Exposures",
        show.table(review.balances, "Largest <b>"),
        show.figure(drawn, NAMES["C2"]),
        show.note(NAMES["C2"]),
        show.lights({NAMES["C1"]: f"ok: {NAMES['C2']}"}),
    ]
    notebook = executed(tmp_path / "10_n.ipynb", *shown)
    front = page.Front((NAMES["C2"],), {"x": "ok: <i>"}, (NAMES["C1"],))
    text = page.page("<s>T</s>", [notebook], front)
    outline = Outline()
    outline.feed(text)
    assert text.count("<script") == 1 and "<img src=x" not in text and "<b>C9" not in text and "<s>T" not in text
    assert outline.images == [NAMES["C2"]]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text and NAMES["C5"] in text

    made = pdf.write(text, tmp_path / "r.pdf")
    if shutil.which("pdftotext"):
        read = subprocess.run(["pdftotext", "-raw", str(made), "-"], capture_output=True, text=True, check=True).stdout
        for words in ("<script>alert(1)", "=HYPERLINK", "上海贸易有限公司", "very long"):
            assert words in read.replace("\n", ""), words

    show.save({"balances": review.balances}, tmp_path / "tables")
    saved = pd.read_csv(tmp_path / "tables" / "balances.csv").astype(str)
    for name in ("C3", "C7"):
        assert (saved == f"'{NAMES[name]}").to_numpy().any(), name
    assert not saved.map(lambda value: value.startswith(("=", "@"))).to_numpy().any()


def test_an_amount_of_forty_digits_is_held_back_and_said(review):
    assert any("HUGE" in line or "amount" in line for line in review.findings)
    assert markup.cell(1.1e39) == "1.1e+39"
    assert markup.cell("a\x00\x1bb") == "a\x00\x1bb"
    assert "a␀␛b" in show.note("a\x00\x1bb").data


def test_chinese_names_are_drawn_with_glyphs():
    if len(canvas.fonts()) < 2:
        pytest.skip("no font with Chinese signs on this machine: install fonts-noto-cjk")
    figure, axes = canvas.blank()
    axes.barh([0, 1], [1, 2], label="应收账款")
    axes.set_yticks([0, 1], ["上海贸易有限公司", "深圳市电子（集团）"])
    canvas.title(axes, "逾期 $1 and $2")
    axes.legend()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # "Glyph ... missing from font(s)"
        canvas.saved(canvas.note(figure, "数据截至 2025-12-31"), "png")
        assert "深圳市电子（集团）".encode() in canvas.saved(figure, "svg")


def test_names_on_axes_are_short_and_printable():
    assert canvas.label("a\nb\x00c") == "a b c"
    assert canvas.label("x" * 300) == "x" * 27 + "…"
