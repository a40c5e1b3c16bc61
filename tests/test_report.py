import json
import re
from html.parser import HTMLParser

import nbformat
import pandas as pd
import pytest

from credit_lab import policy as policies
from credit_lab import publish, studies
from credit_lab.errors import ReportError
from credit_lab.publish import markup, show
from credit_lab.studies import text

baseline = policies.load("data/policies/2025-baseline.toml")


@pytest.fixture(scope="module")
def review(sample):
    return studies.review.review(sample, baseline, "2025Q4")


def test_the_review_proves_itself(review):
    assert review.identity.set_index("line").loc["difference", "amount"] == 0
    assert (review.control["difference"] == 0).all()
    assert review.bridge["amount"].iloc[:-1].sum() == pytest.approx(review.bridge["amount"].iloc[-1])
    assert len(review.aging_series) == 13
    assert review.balances["exposure"].sum() == pytest.approx(review.identity.set_index("line").loc["sum", "amount"])
    assert review.overdue["days"].is_monotonic_decreasing
    assert text.verdicts(review)["ledger reconciles"] == "ok: difference 0.00"


def test_sentences_have_a_branch_for_better_worse_and_not_clear():
    """The quarter before, the same quarter last year: of each whether it moved up, down, not or is not known."""

    def row(value, previous, older):
        return pd.Series({"value": value, "change": value - previous, "change_year": value - older})

    nan = float("nan")
    golden = {
        (55.5, 53.5, 54.4): "DSO rose by 2.0 days against 2025Q3 to 55.5 and by 1.1 days against 2024Q4 (worse).",
        (50.0, 52.0, 51.0): "DSO fell by 2.0 days against 2025Q3 to 50.0 and by 1.0 days against 2024Q4 (better).",
        (55.5, 53.5, 60.0): "DSO rose by 2.0 days against 2025Q3 to 55.5, but fell by 4.5 days against 2024Q4.",
        (55.5, 53.5, 55.3): "DSO rose by 2.0 days against 2025Q3 to 55.5 (worse), unchanged within 0.5 days against "
        "2024Q4.",
        (55.5, 55.3, 56.5): "DSO fell by 1.0 days against 2024Q4 to 55.5 (better), unchanged within 0.5 days against "
        "2025Q3.",
        (52.3, 52.0, 52.5): "DSO is 52.3 days, unchanged within 0.5 days against 2025Q3 and 2024Q4.",
        (55.5, 53.5, nan): "DSO rose by 2.0 days against 2025Q3 to 55.5 (worse). There is no figure of 2024Q4 "
        "to compare with.",
        (52.3, 52.0, nan): "DSO is 52.3 days, unchanged within 0.5 days against 2025Q3. There is no figure of 2024Q4 "
        "to compare with.",
        (52.3, nan, nan): "DSO stands at 52.3 days. There is no figure of 2025Q3 or 2024Q4 to compare with.",
        (nan, 52.0, 52.0): "DSO is not measured.",
    }
    for values, sentence in golden.items():
        assert text.moved("DSO", row(*values), "days", ("2025Q3", "2024Q4"), worse_is_up=True) == sentence


def notebook(path, *cells, tag="parameters"):
    book = nbformat.v4.new_notebook()
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for number, source in enumerate(cells):
        cell = nbformat.v4.new_code_cell(source)
        if number == 0 and tag:
            cell.metadata["tags"] = [tag]
        book.cells.append(cell)
    nbformat.write(book, path)
    return path


PARAMETERS = 'amount: float = 1.0  # an amount\nout: str = ""  # folder'


def test_a_finished_report_is_whole_and_replaces_the_earlier_one(tmp_path):
    source = notebook(
        tmp_path / "small.ipynb",
        PARAMETERS,
        "from pathlib import Path\nimport json, pandas as pd\nfrom credit_lab import facts\n"
        "from credit_lab.publish import show\n"
        "lights = {'x': facts.Said('ok: 1 row', {'rows.read': 1})}\n"
        "show.save({'t': pd.DataFrame({'a': ['=1+1', 'b']})}, Path(out) / 'tables')\n"
        "Path(out, 'verdicts.json').write_text(json.dumps(lights))\n",
        "show.lights(lights)",
        "show.table(pd.DataFrame({'name': ['<script>alert(1)</script>'], 'v': [amount]}), 'T & <i>')",
    )
    target = tmp_path / "reports" / "small"
    for amount in (1.5, 2.5):
        made = publish.run.report(source, {"amount": amount}, target, title="Small", progress=False)
    page = made.html.read_text(encoding="utf-8")
    assert "<script>alert" not in page and "&lt;script&gt;" in page
    assert "2.50" in page
    assert "T &amp; &lt;i&gt;" in page
    run = json.loads((target / "run.json").read_text())
    assert run["verdicts"] == {"x": "ok: 1 row"}
    assert run["parameters"] == {"amount": 2.5}
    assert "'=1+1" in (target / "tables" / "t.csv").read_text(encoding="utf-8-sig")
    assert sorted(path.name for path in target.parent.iterdir()) == ["small"]
    for file in target.rglob("*.*"):
        assert f".{target.name}-" not in file.read_text(encoding="utf-8", errors="ignore")


def test_a_failed_cell_leaves_the_earlier_report_and_a_readable_partial_one(tmp_path):
    target = tmp_path / "r"
    good = notebook(tmp_path / "n.ipynb", PARAMETERS, "amount")
    publish.run.report(good, {}, target, title="T", progress=False)
    before = (target / "n.html").read_bytes()
    bad = notebook(tmp_path / "n.ipynb", PARAMETERS, "1 / 0", "'never run'")
    with pytest.raises(ReportError, match="failed in cell 2: ZeroDivisionError: division by zero"):
        publish.run.report(bad, {}, target, title="T", progress=False)
    assert (target / "n.html").read_bytes() == before
    assert "ZeroDivisionError" in (tmp_path / "r-failed" / "n.html").read_text(encoding="utf-8")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    publish.run.report(notebook(tmp_path / "n.ipynb", PARAMETERS, "amount"), {}, target, title="T", progress=False)
    assert not (tmp_path / "r-failed").exists()


def test_unknown_parameters_and_untagged_notebooks_are_refused(tmp_path):
    source = notebook(tmp_path / "n.ipynb", PARAMETERS, "amount")
    with pytest.raises(ReportError, match="no parameter 'amuont'; did you mean 'amount'"):
        publish.run.report(source, {"amuont": 1}, tmp_path / "r", title="T")
    untagged = notebook(tmp_path / "u.ipynb", PARAMETERS, tag="")
    with pytest.raises(ReportError, match="no cell tagged 'parameters'"):
        publish.run.report(untagged, {}, tmp_path / "r", title="T")
    with pytest.raises(ReportError, match="does not exist"):
        publish.run.report(tmp_path / "none.ipynb", {}, tmp_path / "r", title="T")
    assert not (tmp_path / "r").exists()


class Outside(HTMLParser):
    """Collects everything a page would fetch."""

    def __init__(self):
        super().__init__()
        self.fetched = []
        self.tags = set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        for name, value in attrs:
            if name in ("src", "href") and value and not value.startswith(("data:", "#")):
                self.fetched.append(value)


def test_the_bundled_review_is_self_contained_and_complete(review, tmp_path):
    from credit_lab import workbench

    parameters = {"ledger": "data/sample", "policy": "data/policies/2025-baseline.toml", "period": "2025Q4"}
    made = publish.run.report(workbench.notebook("80"), parameters, tmp_path / "2025Q4", title="Review", progress=False)
    page = made.html.read_text(encoding="utf-8")
    outside = Outside()
    outside.feed(page)
    assert outside.fetched == []
    assert page.count("<script") == 1  # ours, allowed by its hash
    assert 'http-equiv="Content-Security-Policy"' in page and 'name="viewport"' in page
    assert len(page) < 1_500_000
    for heading in ("Data quality", "Aging", "Key figures", "Exposures", "Overdue", "What changed", "Method notes"):
        assert re.search(rf"<h2[^>]*>.*{heading}", page), heading
    saved = (made.folder / "tables" / "kpis.csv").read_text(encoding="utf-8")
    for formula, words in {"dso.countback": "DSO, countback", "cei": "collection effectiveness index"}.items():
        assert f"<td>{words}</td>" in page and f"<td>{formula}</td>" not in page and f"\n{formula}," in saved
    assert all(alt for alt in re.findall(r"<img alt='([^']*)'", page))
    assert {"kpis.csv", "overdue.csv", "aging_series.csv"} <= set(made.run["tables"])
    assert made.run["missing"] == []
    assert made.run["verdicts"] == text.verdicts(review)


def test_values_are_shown_as_their_unit_asks():
    assert markup.cell(0.25, "share") == "25.0 %"
    assert markup.cell(pd.NaT) == "–"
    assert markup.cell(True) == "yes"
    assert markup.cell(12.34, "days") == "12.3"
    assert markup.cell(85.0, "customers") == "85"
    frame = pd.DataFrame({"max_dpd": [84.0], "pd_12m": [0.0125], "value": [60.0], "amount": [84.0]})
    page = show.table(frame, "t").data
    assert [text for text in ("84", "1.2 %", "60", "84.00") if f">{text}</td>" not in page] == []


def test_saved_amounts_carry_no_noise_of_binary_fractions(tmp_path):
    show.save({"t": pd.DataFrame({"amount": [-29368173.310000002, 0.1 + 0.2], "p": [1e-7, 1 / 3]})}, tmp_path)
    lines = (tmp_path / "t.csv").read_text(encoding="utf-8-sig").splitlines()
    assert lines == ["amount,p", "-29368173.31,1e-07", "0.3,0.33333333"]


def test_a_section_says_once_what_it_has_nothing_to_show_for(tmp_path):
    nothing = "show.table(pd.DataFrame({'a': []}), 'TITLE')"
    path = notebook(
        tmp_path / "e.ipynb", PARAMETERS, "import pandas as pd\nfrom credit_lab.publish import show",
        nothing.replace("TITLE", "Holds"), nothing.replace("TITLE", "Letters & <b>"),
    )  # fmt: skip
    page = publish.run.report(path, {}, tmp_path / "r", title="T", progress=False).html.read_text(encoding="utf-8")
    assert page.count("class='empty'") == 1
    assert "Nothing to show: Holds; Letters &amp; &lt;b&gt;." in page


def test_a_ledger_in_which_nothing_was_ever_paid_has_a_review_too(write_ledger):
    from credit_lab import ledger
    from tests.ledgers import invoice, payment

    rows = [invoice(f"I{month}", issued=f"2025-{month:02d}-05", due=f"2025-{month:02d}-25") for month in range(1, 13)]
    book = ledger.read(write_ledger(invoices=rows, payments=[payment(paid="2025-12-30", amount=1.0)]))
    found = studies.review.review(book, baseline, "2025Q4")
    assert found.identity.set_index("line").loc["sum", "amount"] == 1199.0
    assert text.headline(found)
    # No table of write-offs: losses are unknown, which is not the same as none.
    assert text.verdicts(found)["losses within budget"].startswith("not measured: ")
    lost = studies.losses.losses(book, baseline, found.as_of)
    assert lost.transitions.loc["1-30", "paid"] == 0.0
    assert text.losses_headline(lost, "CNY")


def test_figures_say_so_when_there_is_too_little_to_draw():
    from credit_lab.figures import receivables as figures

    nothing = pd.DataFrame()
    for drawn in (
        figures.bridge_chart(nothing, ("2025-09-30", "2025-12-31"), currency="CNY", source="s"),
        figures.roll_chart(nothing, source="s"),
        figures.vintage_chart(nothing, nothing, source="s"),
    ):
        assert "nothing to draw" in drawn.axes[0].texts[0].get_text()


def test_every_span_of_time_has_dates_on_its_axis():
    from credit_lab.figures import canvas

    for days in (20, 60, 91, 120, 200, 370, 700, 930, 1000, 1090, 1500, 4000):
        figure, axes = canvas.blank()
        axes.plot(pd.to_datetime(["2023-01-31", "2023-01-31"]) + pd.to_timedelta([0, days], unit="D"), [0, 1])
        canvas.dates(axes)  # matplotlib warns where it finds no interval, and a warning is an error here
        figure.canvas.draw()
        assert 2 <= len(axes.get_xticks()) <= 12, days


def test_a_first_quarter_without_a_past_is_a_full_report(write_ledger, tmp_path):
    from credit_lab import workbench
    from tests.ledgers import allocation, invoice, payment

    folder = write_ledger(
        invoices=[invoice("I1", issued="2025-10-05", due="2025-11-05")],
        payments=[payment(paid="2025-12-30")],
        allocations=[allocation(day="2025-12-30")],
        write_offs={name: [] for name in ("invoice_id", "written_off_on", "amount")},
    )
    parameters = {"ledger": str(folder), "policy": "data/policies/2025-baseline.toml", "period": "2025Q4"}
    made = publish.run.report(workbench.notebook("80"), parameters, tmp_path / "r", title="Review", progress=False)
    assert "less than a year of losses is known" in made.html.read_text(encoding="utf-8")


def test_first_and_second_page_of_a_ledger_are_the_same_bytes(tmp_path):
    """The first run compiles, warns and draws bars, later ones find their caches; what an analyst prints stays."""
    cold = f"""
import logging, warnings
from pathlib import Path
from tqdm import tqdm
from tqdm.notebook import tqdm as widget
from credit_lab.publish import show
if not Path({str(tmp_path / "cache")!r}).exists():
    Path({str(tmp_path / "cache")!r}).touch()
    logging.getLogger("credit_lab.simulation.run").warning("compiling the simulation once")
    warnings.warn("a division by nothing")
    list(tqdm(range(3), desc="worlds"))
    list(widget(range(3), desc="more worlds"))
print("my own remark")
show.sentences(["A finding."])
"""
    source = notebook(tmp_path / "n.ipynb", PARAMETERS, cold)
    pages = [publish.run.report(source, {}, tmp_path / "out", title="T").html.read_bytes() for _ in range(2)]
    assert b"my own remark" in pages[0] and b"A finding." in pages[0]
    assert pages[0] == pages[1]
