"""What a notebook showed is read back value by value, and twice the same notebook gives the same bytes."""

import re

import nbformat
import pandas as pd
import pytest

from credit_lab.errors import ReportError
from credit_lab.figures import canvas
from credit_lab.publish import artefacts, show


def executed(path, *shown):
    """A notebook as papermill leaves it: headings, outputs with their MIME bundles."""
    book = nbformat.v4.new_notebook()
    for one in shown:
        if isinstance(one, str):
            book.cells.append(nbformat.v4.new_markdown_cell(one))
        else:
            bundle = one._repr_mimebundle_()
            output = nbformat.v4.new_output("execute_result", data=bundle, execution_count=1)
            book.cells.append(nbformat.v4.new_code_cell("x", outputs=[output]))
    nbformat.write(book, path)
    return path


FRAME = pd.DataFrame(
    {
        "customer_id": ["<b>", None],
        "share": [0.25, float("nan")],
        "cases": [3, 4],
        "as_of": [pd.Timestamp("2025-12-31"), pd.NaT],
        "over": [True, False],
    }
)


def test_a_table_comes_back_with_its_raw_values_and_units(tmp_path):
    path = executed(
        tmp_path / "n.ipynb", "## 1 Who owes\nSaid.", show.table(FRAME, "Largest", shares=("share",), rows=1)
    )
    prose, table = artefacts.artefacts(path)
    assert prose == artefacts.Prose("1 Who owes", "Said.")
    assert (table.section, table.caption, table.total_rows) == ("1 Who owes", "Largest", 2)
    assert table.rows == (("<b>", 0.25, 3, "2025-12-31", True),)
    assert [(column.name, column.unit, column.type) for column in table.columns] == [
        ("customer_id", "", "text"),
        ("share", "share", "number"),
        ("cases", "count", "integer"),
        ("as_of", "", "date"),
        ("over", "", "boolean"),
    ]
    whole = artefacts.artefacts(executed(tmp_path / "w.ipynb", show.table(FRAME, "All")))[0]
    assert whole.rows[1] == (None, None, 4, None, False)
    assert whole.frame()["as_of"].iloc[0] == pd.Timestamp("2025-12-31")


def test_a_figure_carries_its_words_and_the_same_vectors_every_time(tmp_path):
    def drawn():
        figure, axes = canvas.blank()
        axes.plot([1, 2], [3, 4])
        canvas.title(axes, "It rises")
        return show.figure(canvas.note(figure, "source; n = 2"), "Line")

    first, second = drawn(), drawn()
    assert first == second
    (figure,) = artefacts.artefacts(executed(tmp_path / "n.ipynb", first))
    assert (figure.finding, figure.note, figure.alt) == ("It rises", "source; n = 2", "Line")
    assert figure.svg.startswith(b"<?xml") and b"</svg>" in figure.svg
    assert figure.png.startswith(b"\x89PNG")


def test_words_come_back(tmp_path):
    path = executed(
        tmp_path / "n.ipynb",
        show.heading("Title", "line"),
        show.lights({"DSO": "act: 62 days: above target"}),
        show.sentences(["One.", "Two."]),
        show.note("Careful."),
    )
    heading, verdicts, said, note = artefacts.artefacts(path)
    assert (heading.title, heading.line, note.text) == ("Title", "line", "Careful.")
    assert verdicts.lights == (artefacts.Light("DSO", "act", "62 days: above target"),)
    assert said.lines == ("One.", "Two.")


def test_what_is_no_notebook_is_refused(tmp_path):
    (tmp_path / "n.ipynb").write_text("{}")
    for name in ("n.ipynb", "none.ipynb"):
        with pytest.raises(ReportError, match="is not an executed notebook"):
            artefacts.artefacts(tmp_path / name)


def test_codes_of_the_package_are_words_and_what_is_looked_up_stays_a_code():
    frame = pd.DataFrame(
        {"customer_id": ["my_id"], "indicator": ["days_beyond_terms_12m"], "method": ["sales_forecast"],
         "table": ["write_offs"], "formula_id": ["dso.period_end"], "region": ["north_east"]}
    )  # fmt: skip
    shown = show.table(frame, "x")
    cells = re.findall(r"<td[^>]*>(.*?)</td>", shown.data)
    assert cells == [
        "my_id", "Days beyond terms, 12 months", "Sales forecast", "Write-offs", "DSO, period end", "north_east"
    ]  # fmt: skip
    assert shown.record["rows"][0][1:3] == ["days_beyond_terms_12m", "sales_forecast"]  # raw for formulas and files
