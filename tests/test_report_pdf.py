"""The printed page: cover, contents with right page numbers, running heads, vectors, repeated headings of tables."""

import shutil
import subprocess

import pandas as pd
import pytest

from credit_lab import language
from credit_lab.publish import page, pdf, show
from tests.test_report_artefacts import executed
from tests.test_report_browser import LIMITS, drawing

pytest.importorskip("weasyprint")


def printed(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="reads the PDF with poppler-utils")
def test_the_pdf_has_cover_contents_heads_and_vectors(tmp_path):
    long = pd.DataFrame({"customer_id": [f"C-{number:03d}" for number in range(150)], "amount_due": range(150)})
    first = executed(tmp_path / "10_a.ipynb", show.heading("Alpha", "x"), "## 1 Long", show.table(long, "Who owes"))
    second = executed(tmp_path / "20_b.ipynb", show.heading("Beta", "x"), "## 1 Figure", drawing())
    front = page.Front(("As of: 2025-12-31",), {"DSO": "act: 62 days"}, ())
    made = pdf.write(page.page("Review", [first, second], front), tmp_path / "r.pdf")
    sheets = printed("pdftotext", "-layout", str(made), "-").split("\f")[:-1]
    cover, contents, verdicts, *rest = sheets
    assert "Review" in cover and "As of: 2025-12-31" in cover and "/" not in cover
    assert "62 days" in verdicts
    numbers = {line.split(".")[0].strip(): int(line.split()[-1]) for line in contents.splitlines() if ". ." in line}
    assert numbers.keys() == {"Alpha", "1 Long", "Beta", "1 Figure"}
    assert sheets[numbers["Beta"] - 1].count("Beta") == 2  # heading and running head
    owed = [sheet for sheet in rest if "C-0" in sheet or "C-1" in sheet]
    assert len(owed) > 1 and all("Customer" in sheet and "amount" in sheet for sheet in owed)
    assert contents.split()[-3:] == ["2", "/", str(len(sheets))] or contents.split()[-1] == f"2/{len(sheets)}"
    assert "It rises" in sheets[numbers["1 Figure"] - 1]  # text of the figure is text
    assert len(printed("pdfimages", "-list", str(made)).splitlines()) == 2  # its head: no pictures of pixels
    again = pdf.write(page.page("Review", [first, second], front), tmp_path / "s.pdf")
    assert made.read_bytes() == again.read_bytes()


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="reads the PDF with poppler-utils")
def test_no_word_of_a_table_is_broken_on_paper(tmp_path):
    """Columns are first as wide as their longest word, then long texts share what is left."""
    many = LIMITS.assign(term_days=60, pd_12m=0.003, region="Niedersachsen", industry="Maschinenbau")
    shown = executed(tmp_path / "10_limits.ipynb", show.heading("Limits", "x"), show.table(many, "Limits"))
    made = pdf.write(page.page("Limits", [shown]), tmp_path / "r.pdf")
    read = set(printed("pdftotext", "-raw", str(made), "-").split())
    names = list(many)
    cells = [
        language.value(str(value), name, names)
        for name in names
        if name not in ("score", "credit_limit", "pd_12m")
        for value in many[name]
    ]
    words = {word for text in (*cells, *map(language.title, names)) for word in text.split()}
    words = words - {"00:00:00"} | {"90,877,000.00"}
    assert words - read == set()
