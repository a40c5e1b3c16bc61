"""A section that fails says so in its place, the others stand, and nobody takes the report for whole."""

import json

import nbformat
import pytest

from credit_lab import language, publish
from credit_lab.errors import ReportError
from credit_lab.publish import artefacts, pack, sections
from tests.test_report import PARAMETERS, notebook

HEAD = "from credit_lab.publish import show\nfrom credit_lab.errors import LedgerError\nshow.heading('Title', 'line')"
LOST = "rows = [1]\nrows = 1 / 0\nshow.sentences(['never'])"
REST = "show.sentences([f'old {row}' for row in rows])"
SAVE = "from pathlib import Path\nif out:\n    Path(out, 'figures.json').write_text('{\"kept\": [1, \"days\"]}')"


def sectioned(path, *parts):
    """A notebook: parameters, heading, and then a heading of its own (text that begins with ##) or code for each."""
    notebook(path, PARAMETERS, HEAD)
    book = nbformat.read(path, 4)
    for part in parts:
        make = nbformat.v4.new_markdown_cell if part.startswith("##") else nbformat.v4.new_code_cell
        book.cells.append(make(part))
    nbformat.write(book, path)
    return path


def shown(made):
    """Section and text of the notes and sentences of a report."""
    found = artefacts.artefacts(next(made.folder.glob("*.ipynb")))
    texts = [(one.section, one.text) for one in found if isinstance(one, artefacts.Note)]
    return texts + [(one.section, line) for one in found if isinstance(one, artefacts.Sentences) for line in one.lines]


def test_a_section_that_fails_says_why_and_the_others_stand(tmp_path):
    """Of three sections the first fails twice over, the second rests on it as well, the third is whole."""
    source = sectioned(
        tmp_path / "n.ipynb", "## Losses", LOST, REST, "## Cash", REST, "## Limits", "rows = [2]", REST, SAVE
    )
    made = publish.run.report(source, {}, tmp_path / "r", title="T", progress=False)
    reason = "of a fault in the program (ZeroDivisionError: division by zero)"
    assert shown(made) == [
        ("Losses", f"Not available, because {reason}"),
        ("Cash", f"Not available, because {reason}"),
        ("Limits", "old 2"),
    ]
    (gap,) = made.run["missing"]
    assert (gap["section"], gap["cell"], gap["state"], gap["error"]) == ("Losses", 3, "failed", "ZeroDivisionError")
    assert "rows = 1 / 0" in gap["traceback"] and "\x1b" not in gap["traceback"]
    assert made.run["figures"] == {"kept": [1, "days"]}  # what stands is saved


def test_a_report_with_gaps_says_so_first_and_by_its_exit_code(tmp_path, monkeypatch, capsys):
    source = sectioned(tmp_path / "n.ipynb", "## Losses", LOST)
    made = publish.run.report(source, {}, tmp_path / "r", title="T", progress=False)
    assert made.run["verdicts"] == {"report complete": "stop: not available: Losses"}
    page = made.html.read_text(encoding="utf-8")
    assert "never" not in page.split("<pre class='code'>")[0]
    assert page.index("report complete") < page.index("Not available")
    first = artefacts.artefacts(made.folder / "n.ipynb")[1]
    assert [(one.name, one.light) for one in first.lights] == [("report complete", "stop")]

    from credit_lab.commands import reports

    with pytest.raises(Exception) as stop:
        reports.finish(made, False, "review")
    assert stop.value.exit_code == 1
    assert "Losses: not available, because of a fault" in capsys.readouterr().out


def test_a_refusal_is_no_defect(tmp_path):
    """A section the data do not allow: act, not stop; exit code 0; no traceback."""
    source = sectioned(tmp_path / "n.ipynb", "## Losses", "raise LedgerError('too young <i>')", "## Cash", "1 / 1")
    made = publish.run.report(source, {}, tmp_path / "r", title="T", progress=False)
    assert made.run["verdicts"] == {"report complete": "act: not available: Losses"}
    assert shown(made) == [("Losses", "Not available, because too young <i>")]
    assert made.run["missing"][0]["traceback"] == ""
    assert not sections.failed(made.run["missing"])
    assert "too young &lt;i&gt;" in made.html.read_text(encoding="utf-8")


@pytest.mark.parametrize("code", ["x = out and 1 / 0", "raise MemoryError"])
def test_what_saves_and_short_memory_still_stop_the_run(tmp_path, code):
    source = sectioned(tmp_path / "n.ipynb", "## Losses", code)
    with pytest.raises(ReportError, match="failed in cell"):
        publish.run.report(source, {}, tmp_path / "r", title="T", progress=False)


def test_what_everything_rests_on_stops_the_run(tmp_path):
    with pytest.raises(ReportError, match="failed in cell 2: ZeroDivisionError"):
        publish.run.report(notebook(tmp_path / "n.ipynb", PARAMETERS, f"1 / 0\n{HEAD}"), {}, tmp_path / "r", title="T",
                progress=False)  # fmt: skip


def test_a_shared_report_keeps_no_message_of_an_error(tmp_path, monkeypatch):
    """Only the kernel knows which customers a message names; a traceback may show them as well."""
    monkeypatch.setenv("CREDIT_LAB_MIN_CELL", "5")
    source = sectioned(tmp_path / "n.ipynb", "## Losses", "raise KeyError('C-0007')")
    made = publish.run.report(source, {}, tmp_path / "r", title="T", progress=False)
    said = json.dumps(made.run["missing"]) + str(shown(made))
    assert "C-0007" not in said and "KeyError" in said


def test_a_pack_names_the_sections_that_its_parts_lack(tmp_path):
    good = sectioned(tmp_path / "10_good.ipynb", "## Cash", "show.sentences(['fine'])")
    gaps = sectioned(tmp_path / "20_gaps.ipynb", "## Losses", LOST, "## Cash", "show.sentences(['fine'])")
    found = pack.make([good, gaps], {}, tmp_path / "out", title="T", facts={}, inputs="i")
    assert [part.state for part in found.parts] == ["made", "made"]
    assert found.failed
    assert found.verdicts == {"review complete": "stop: 1 of 2 parts"}
    reason = "of a fault in the program (ZeroDivisionError: division by zero)"
    assert found.missing == (f"20_gaps, Losses: not available, because {reason}",)
    assert "20_gaps, Losses: not available" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")


def test_names_a_cell_takes_and_gives():
    """`size` is bound in the cell before it is used; names bound within brackets are nobody else's."""
    taken, given = sections._names("size = 2\nkept = [size * one for one in rows if (lambda x: x > least)(one)]")
    assert taken == {"rows", "least"}
    assert given == {"size", "kept"}


def test_gaps_are_spoken_of_in_the_language_of_the_report():
    """A heading is translated wherever it is named; "## 12 The year ahead" is a message of notebook 80."""
    gap = sections.Gap("12 The year ahead", 3, "failed", "KeyError", "of a fault in the program (KeyError: 'x')", "")
    language.use("zh")
    try:
        assert language.say(gap.line) == "12 未来一年：无法提供，原因：程序出错（KeyError：'x'）"
        assert language.left([language.say("not available: 12 The year ahead; 10 Limits")]) == []
    finally:
        language.use("en")
