"""The gate: a report that says two things of one is not published. Each contradiction is planted into real records of
the sample's review, which pass as they are."""

import ast
import json
import re
import shutil
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from credit_lab import facts
from credit_lab.errors import ReportError
from credit_lab.publish import deck, gate, pack, part, run, show
from credit_lab.publish.artefacts import artefacts

ROOT = Path(__file__).parents[1]
# What is made of each notebook: parameters that make it short, and sections that are left out.
MADE = {
    "10_data_quality": {},
    "40_limit_review": {"other": ""},
    "50_aging_collections": {},
    "51_cash_forecast": {"origins": 0, "months": 1},
    "52_early_warning": {},
    "71_claim_test": {"policy": ""},
    "80_quarterly_review": {},
}
LEFT_OUT = ("8 ", "11 ", "12 ", "13 ")
RECORD = show.RECORD


def made(name, parameters, folder):
    """A notebook of ours with what its cells show, run here and not in a kernel, and the tables it saves."""
    book = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", 4)
    known, section, lost = {}, "", set()
    for cell in book.cells:
        if cell.cell_type == "markdown":
            section = re.sub(r"^## ", "", cell.source.partition("\n")[0]) if cell.source.startswith("## ") else section
            continue
        tree = ast.parse(cell.source)
        names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
        if section.startswith(LEFT_OUT) or {node.id for node in names} & lost:
            lost |= {node.id for node in names if isinstance(node.ctx, ast.Store)}
            continue
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, name, "exec"), known)
        if "parameters" in cell.metadata.get("tags", ()):
            known |= {**parameters, "out": str(folder)} | ({"period": "2025Q4"} if "period" in known else {})
        shown = eval(compile(ast.Expression(last.value), name, "eval"), known) if last else None
        if hasattr(shown, "_repr_mimebundle_") and RECORD in (bundle := shown._repr_mimebundle_()):
            cell.outputs = [v4.new_output("display_data", data=bundle)]
    nbformat.write(book, folder / f"{name}.ipynb")


@pytest.fixture(scope="module")
def sample_pack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pack")
    for name, parameters in MADE.items():
        (folder / name / "tables").mkdir(parents=True)
        made(name, parameters, folder / name)
    return folder


class Pack:
    """A copy of the pack that can be edited."""

    def __init__(self, folder):
        self.folder = folder

    def edit(self, name, id, change):
        """Change a record by its id."""
        path = next(self.folder.glob(f"{name}*/*.ipynb"))
        book, done = json.loads(path.read_text(encoding="utf-8")), False
        for cell in book["cells"]:
            for output in cell.get("outputs", ()):
                record = output["data"][RECORD]
                if record["id"] == id:
                    change(record)
                    done = True
        assert done, id
        path.write_text(json.dumps(book), encoding="utf-8")

    def check(self):
        parts = {}
        for path in sorted(self.folder.glob("*/*.ipynb")):
            left = path.parent / "verdicts.json"
            verdicts = json.loads(left.read_text()) if left.exists() else {}
            parts[path.stem] = (artefacts(path), path.parent, verdicts)
        gate.check(parts)

    def refused(self):
        with pytest.raises(gate.Contradiction) as caught:
            self.check()
        return str(caught.value).splitlines()[1:]


@pytest.fixture
def planted(sample_pack, tmp_path):
    return Pack(Path(shutil.copytree(sample_pack, tmp_path / "pack")))


def column(record, name):
    return [one["name"] for one in record["columns"]].index(name)


def row(record, **where):
    """The row with these values."""
    wanted = {column(record, name): value for name, value in where.items()}
    return next(one for one in record["rows"] if all(one[at] == value for at, value in wanted.items()))


def put(name, value, **where):
    """Write a value into a column of the row with these values, of the first row without any."""

    def change(record):
        (row(record, **where) if where else record["rows"][0])[column(record, name)] = value

    return change


def say(old, new):
    """Other words in a sentence, a note or a title; the facts stay as they are."""

    def change(record):
        for name in ("text", "finding"):
            record[name] = record.get(name, "").replace(old, new)
        for name in ("lines", "panels"):
            record[name] = [line.replace(old, new) for line in record.get(name, ())]

    return change


def test_the_sample_passes_and_each_fact_is_told_in_several_places(planted):
    planted.check()
    told = {}
    for path in sorted(planted.folder.glob("*/*.ipynb")):
        shown = artefacts(path)
        for one in shown:
            for fact in gate._stated(one, path.stem):
                told.setdefault(fact.id, set()).add((path.stem, one.id))
        for fact in gate._saved(shown, path.stem, path.parent):
            told.setdefault(fact.id, set()).add(fact.place)
    # what a reader would compare
    for id in (
        "as_of",
        "currency",
        "rows.read",
        "balance@2025-12-31",
        "open@2025-12-31",
        "overdue@2025-12-31",
        "overdue_ratio@2025-12-31",
        "dso.period_end@2025-12-31",
        "dso.countback@2025-12-31",
        "add@2025-12-31",
        "cei@2025-12-31",
        "bad_debt_ratio.period@2025-12-31",
        "share.largest 1@2025-12-31",
        "allowance@2025-12-31",
        "limits.total@2025-12-31",
        "limits.raise@2025-12-31",
        "over.holders@2025-12-31",
        "asked.customers@2025-12-31",
        "asked.amount@2025-12-31",
        "cash_to@2026-03-29",
        "change:C-0012",
        "grade:C-0012",
    ):
        assert len(told.get(id, ())) >= 2, (id, told.get(id))


def test_a_hold_and_a_raise_of_one_customer(planted):
    # C-0012 is raised from 3,125,000 to 5,096,000 in notebook 40
    planted.edit("80", "warning.alerts", put("customer_id", "C-0012", action="call the customer, hold new orders"))
    (line, *more) = planted.refused()
    assert not more
    assert line == (
        "C-0012: new orders are held (80_quarterly_review.ipynb, warning.alerts), but the limit is raised "
        "(40_limit_review.ipynb, limits.changes)"
    )


def test_two_limit_totals(planted):
    planted.edit("40", "limits.summary", put("after", 1.0, change="raise"))
    wanted = r"limits.total@2025-12-31: .* \(40_\S+, limits.headline\), but .* \(40_\S+, limits.summary\)"
    assert any(re.fullmatch(wanted, line) for line in planted.refused())


def test_two_grades_of_one_customer_and_none_of_two_kinds_of_grade(planted):
    planted.edit("40", "limits.changes", put("grade", "D", customer_id="C-0012"))
    (line,) = planted.refused()
    assert line.startswith("grade:C-0012: ")
    assert "D (40_limit_review.ipynb, limits.changes), but AA (40_limit_review/tables/limits_dec" in line


def test_rows_held_back_counted_twice_over(planted):
    def sentence(record):
        record["text"] = record["text"].replace("none held back", "838 held back")
        record["facts"]["rows.quarantined"] = 838

    planted.edit("80", "quality.line", sentence)
    planted.edit("80", "quality.rows", put("disposition", "quarantined", table="actions"))
    planted.edit("80", "quality.rows", put("rows", 32_985, table="actions"))
    wanted = (
        "rows.quarantined: 838 (80_quarterly_review.ipynb, quality.line), but 32,985 "
        "(80_quarterly_review.ipynb, quality.rows)"
    )
    assert wanted in planted.refused()


def test_two_cash_totals_for_the_same_weeks(planted):
    planted.edit("51", "cash.weekly", put("mean", 5e6, period_end="2026-01-04"))
    lines = planted.refused()
    assert [line.partition(":")[0] for line in lines if "51_cash_forecast.ipynb, cash.weekly" in line] == [
        "cash_to@2026-03-29",
        "cash@2026-01-04",
    ]


def test_a_sentence_and_its_table(planted):
    planted.edit("80", "kpi.figures", put("value", 61.0, formula_id="dso.countback"))
    lines = planted.refused()
    # the light, the sentence and the saved table still say what the table does not
    assert any(
        line.startswith("dso.countback@2025-12-31: 58.9")
        and line.endswith("but 61.0 (80_quarterly_review.ipynb, kpi.figures)")
        for line in lines
    )


@pytest.mark.parametrize(
    ("name", "id", "old", "new", "fact"),
    [
        ("80", "review.headline", "to 58.9, but", "to 61.0, but", "dso.countback@2025-12-31: 58.9"),
        ("80", "losses.headline", "1.8 million", "1.9 million", "allowance@2025-12-31: 1,8"),
        ("51", "cash.chart", "39.1 million", "39.2 million", "cash_to@2026-03-29: 39,07"),
        ("80", "quality.line", "54,032 rows were read; 54,032", "54,033 rows were read; 54,033", "rows.read: 54,032"),
    ],
)
def test_words_and_the_fact_they_state(planted, name, id, old, new, fact):
    planted.edit(name, id, say(old, new))
    lines = planted.refused()
    assert any(line.startswith(fact) and "but its text says" in line for line in lines), lines


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"facts": {}}, "no fact it rests on"),
        ({"facts": {"share.largest 1@2025-12-31": None}}, "share.largest 1@2025-12-31 in it"),
        ({"reason": "5.7% of receivables, nothing was invoiced"}, "nothing was in it"),
    ],
)
def test_a_green_light_without_evidence(planted, change, why):
    def darken(record):
        next(one for one in record["lights"] if one["name"] == "largest customer within cap").update(change)

    planted.edit("80", "review.verdicts", darken)
    assert any(
        line.startswith("largest customer within cap: green (80_quarterly_review.ipynb, review.verdicts")
        and line.endswith(why)
        for line in planted.refused()
    )


def test_a_green_verdict_that_no_light_shows(planted):
    path = planted.folder / "80_quarterly_review" / "verdicts.json"
    changed = {"DSO within target": "ok: 50.0 days", "losses within budget": "ok: 1.85% of sales"}
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
    dso, losses = planted.refused()
    assert dso.startswith("dso.countback@2025-12-31: 58.9")
    assert dso.endswith("(80_quarterly_review/run.json), but its text says: ok: 50.0 days")
    assert losses == (
        "losses within budget: green (80_quarterly_review/run.json: ok: 1.85% of sales), but no light shown says so"
    )


def test_a_figure_and_its_text_show_one_estimate(planted):
    (path,) = planted.folder.glob("71*/*.ipynb")
    shown = {one.id: one for one in artefacts(path)}
    (id, estimate), *_ = [one for one in shown["claims.chart"].facts.items() if one[1] is not None]
    assert f"estimate {100 * estimate:+.1f} %" in " ".join(shown["claims.chart"].panels)
    naive = next(line for line in shown["claims.chance"].rows if f"claim.{line[0]}" == id)[3]

    def before(record):  # the picture showed the plain change, the text the estimate
        record["facts"][id] = naive
        say(f"estimate {100 * estimate:+.1f} %", f"estimate {100 * naive:+.1f} %")(record)

    planted.edit("71", "claims.chart", before)
    assert any(
        line.startswith(f"{id}: ") and "claims.headline" in line and "claims.chart" in line
        for line in planted.refused()
    )


def test_an_allowance_on_a_slide_and_the_table_it_is_drawn_from(planted):
    path = planted.folder / "80_quarterly_review" / "tables" / "losses_allowance.csv"
    text = path.read_text(encoding="utf-8-sig")
    assert "236889.25" in text  # of what is not due
    path.write_text(text.replace("236889.25", "936889.25"), encoding="utf-8-sig")
    assert any(
        line.startswith("allowance@2025-12-31: 1,8") and "80_quarterly_review/tables/losses_allowance.csv" in line
        for line in planted.refused()
    )


def test_a_slide_that_no_record_says(planted, monkeypatch, tmp_path):
    folder = planted.folder / "80_quarterly_review"
    story = deck.Story("80_quarterly_review", folder, artefacts(folder / "80_quarterly_review.ipynb"), {})
    deck.write(tmp_path / "good.pptx", story, [], {}, title="Review", day="2025-12-31")
    own = deck.Slide("An allowance of 9.9 million CNY.", (), "", ())
    monkeypatch.setattr(deck, "_losses", lambda _: own)
    with pytest.raises(gate.Contradiction, match=r"slide \d+: An allowance of 9.9 million CNY"):
        deck.write(tmp_path / "bad.pptx", story, [], {}, title="Review", day="2025-12-31")
    assert not (tmp_path / "bad.pptx").exists()


def test_customers_asked_in_the_section_and_on_the_worklist(planted):
    path = planted.folder / "50_aging_collections" / "tables" / "desk_worklist.csv"
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    path.write_text("\n".join(lines[:-1]), encoding="utf-8-sig")
    assert any(
        line.startswith("asked.customers@2025-12-31: 56") and "but 55 (50_aging_collections/tables/desk_work" in line
        for line in planted.refused()
    )


def test_what_is_known_in_one_place_and_not_in_another(planted):
    planted.edit("80", "kpi.figures", put("value", None, formula_id="dso.countback"))
    assert any(
        line.startswith("dso.countback@2025-12-31: 58.9") and "but not known (" in line for line in planted.refused()
    )


def test_two_days_or_currencies_in_one_pack(planted):
    planted.edit("51", "cash.title", lambda record: record["about"].update(as_of="2025-11-30", currency="EUR"))
    assert {line.partition(":")[0] for line in planted.refused()} >= {"as_of", "currency"}


PARAMETERS = 'amount: float = 1.0  # an amount\nout: str = ""  # folder'
SHOWN = (
    "import pandas as pd\nfrom credit_lab.facts import Said\nfrom credit_lab.publish import show\n"
    "show.table(pd.DataFrame({'formula_id': ['add'], 'value': [1.0]}), 'T', id='kpi.figures')"
)
SENTENCE = "show.sentences([Said(f'Delay is {amount:.1f} days.', {'add@': amount})], id='x.headline')"


def notebook(path, *cells):
    book = v4.new_notebook(cells=[v4.new_code_cell(source) for source in cells])
    book.cells[0].metadata["tags"] = ["parameters"]
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, path)
    return path


def test_nothing_is_put_in_place_and_the_earlier_report_stays(tmp_path):
    source, target = notebook(tmp_path / "n.ipynb", PARAMETERS, SHOWN, SENTENCE), tmp_path / "r"
    run.report(source, {"amount": 1.0}, target, title="T", progress=False)
    before = (target / "n.html").read_bytes()
    with pytest.raises(ReportError, match=r"add@: 1.0 \(n.ipynb, kpi.figures\), but 2.0 \(n.ipynb, x.headline\)"):
        run.report(source, {"amount": 2.0}, target, title="T", progress=False)
    assert (target / "n.html").read_bytes() == before
    assert "Delay is 2.0 days" in (tmp_path / "r-failed" / "n.html").read_text(encoding="utf-8")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_two_notebooks_of_a_pack_that_contradict_each_other(tmp_path):
    sources = [
        notebook(tmp_path / "a.ipynb", PARAMETERS, SHOWN),
        notebook(tmp_path / "b.ipynb", PARAMETERS, SHOWN.rpartition("\n")[0], SENTENCE),
    ]
    target = tmp_path / "pack"
    make = {"title": "P", "facts": {}, "inputs": "", "workers": 1}
    pack.make(sources, {"amount": 1.0}, target, **make)
    before = (target / "index.html").read_bytes()
    with pytest.raises(gate.Contradiction, match=r"add@: 1.0 \(a.ipynb, kpi.figures\), but 2.0 \(b.ipynb, x.headline"):
        pack.make(sources, {"amount": 2.0}, target, **make)
    assert (target / "index.html").read_bytes() == before


def test_facts_differ_by_the_noise_of_adding_and_by_nothing_else():
    def differs(a, b, rounded=0.0):
        return list(gate._differing([gate.Fact("x", a, "a"), gate.Fact("x", b, "b", rounded)])) != []

    assert not differs(0.1 + 0.2, 0.3)
    assert differs(10_000_000_000.00, 10_000_000_000.01)  # a cent in ten billion
    assert differs(0.0, None) and differs(1, 2) and not differs(None, None)
    assert not differs(1234.567, 1234.57, rounded=0.005) and differs(1234.567, 1234.58, rounded=0.005)


def test_numbers_are_read_as_they_are_printed():
    printed = {round(number, 9) for number, _ in gate._printed("1.8 million, 6.4% and 2,183.7万元 at 2025-12-31")}
    assert printed == {1.8, 1_800_000.0, 6.4, 0.064, 2183.7, 21_837_000.0}


def test_a_text_remembers_its_facts_and_a_part_of_a_pack_hands_them_on(tmp_path):
    said = facts.Said("Delay is 2 days.", {"add": 2.0})
    assert said == "Delay is 2 days." and facts.of(said) == {"add": 2.0} and facts.of("plain") == {}
    record = show.note(said, id="x.note").record
    assert record["facts"] == {"add": 2.0} and part.Part("n", "made", "", tmp_path, {}).gaps == []
