"""The workbench: start page, commands, records that show themselves, packages loaded on first use."""

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import credit_lab as cl
from credit_lab.__main__ import app
from credit_lab.backtest import effects
from credit_lab.commands import lab
from credit_lab.errors import ReportError
from credit_lab.simulation import Span, calibrate, compare, of_policy, simulate
from credit_lab.simulation.search import search

ROOT = Path(__file__).parents[1]
run = CliRunner().invoke


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """A project's folder with the start page alone."""
    (tmp_path / "notebooks").mkdir()
    text = (ROOT / "notebooks" / "00_start.ipynb").read_text(encoding="utf-8")
    (tmp_path / "notebooks" / "00_start.ipynb").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_start_page_leads_to_every_notebook():
    page = json.loads((ROOT / "notebooks" / "00_start.ipynb").read_text(encoding="utf-8"))["cells"][0]
    linked = re.findall(r"\]\((\w+)\.ipynb\)", "".join(page["source"]))
    there = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} - {"00_start"}
    assert set(linked) == there
    assert len(linked) == len(there)


def test_every_notebook_has_a_title_and_helpful_parameters():
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        assert lab.title_of(path), path.name
    listed = run(app, ["notebooks", "60"]).stdout
    assert listed.startswith("60_policy_simulation  Policy simulation\n")
    assert re.search(r"seed +int +1 +same seed, same worlds", listed)
    assert "80_quarterly_review" not in listed


def test_a_new_notebook_runs_as_it_is(bench, sample):
    made = run(app, ["new-notebook", "53_my_customers"])
    assert made.exit_code == 0
    cells = json.loads((bench / "notebooks" / "53_my_customers.ipynb").read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert max(len(text.splitlines()) for text in code) <= 10
    space = {}
    settings = code[0].replace('"data/sample"', repr(str(ROOT / "data" / "sample")))
    for text in [settings.replace('out: str = ""', 'out: str = "made"'), *code[1:]]:
        exec(text, space)
    saved = pd.read_csv(bench / "made" / "tables" / "aging.csv")
    items = cl.aging.open_items(sample, pd.Timestamp("2025-12-31"))
    assert saved["open_amount"].sum() == pytest.approx(items["open_amount"].sum())
    assert next(iter(cl.report.parameters_of(bench / "notebooks" / "53_my_customers.ipynb"))) == "ledger"
    before = (bench / "notebooks" / "53_my_customers.ipynb").read_bytes()
    for name in ("53_my_customers", "my customers", "53_../x"):
        with pytest.raises(ReportError, match=r"exists already|two digits"):
            run(app, ["new-notebook", name], catch_exceptions=False)
    assert (bench / "notebooks" / "53_my_customers.ipynb").read_bytes() == before


def test_lab_opens_the_start_page_or_a_page(bench, monkeypatch):
    called = []
    monkeypatch.setattr(subprocess, "call", lambda words, **rest: called.append((words, rest)) or 0)
    assert run(app, ["lab", "--no-browser"]).exit_code == 0
    assert run(app, ["lab", "--page", "00", "--port", "8899"]).exit_code == 0
    (words, where), (page, rest) = called
    assert words[:4] == [sys.executable, "-m", "jupyter", "lab"]
    assert words[-1] == str(bench / "notebooks" / "00_start.ipynb")
    assert where["cwd"] == bench
    assert page[:3] == [sys.executable, "-m", "voila"]
    assert {"--port=8899", "--template=workbench"} <= set(page)
    assert (Path(rest["env"]["JUPYTER_PATH"]) / "voila" / "templates" / "workbench" / "index.html.j2").exists()


# ---- what a user types --------------------
def test_packages_come_when_they_are_first_used():
    script = "import sys, credit_lab as cl; assert 'pandas' not in sys.modules; print(cl.aging.__name__, len(dir(cl)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["credit_lab.aging", str(len(cl.__all__) + 1)]
    with pytest.raises(AttributeError, match="did you mean 'scoring'"):
        cl.scorng  # noqa: B018
    packages = {path.name for path in (ROOT / "credit_lab").iterdir() if (path / "__init__.py").exists()}
    assert packages - {"commands"} <= set(cl.__all__)


# ---- records that show themselves --------------------
HOSTILE = "<script>alert('x')</script>"


def shown(record):
    text = record._repr_html_()
    assert "<script>" not in text
    return re.sub(r"<[^>]+>", " ", text)


def test_ledger_and_policy_show_themselves(sample):
    text = shown(dataclasses.replace(sample, source=HOSTILE))
    assert f"{len(sample.invoices):,} invoices" in text
    assert "CNY" in text and sample.digest()[:12] in text
    policy = cl.policy.load("data/policies/2025-baseline.toml")
    hostile = policy.model_copy(update={"meta": policy.meta.model_copy(update={"description": HOSTILE})})
    assert "AAA 60 d × 1.5" in shown(hostile)
    assert cl.policy.digest(policy)[:12] in shown(policy)


def test_effect_and_card_show_themselves():
    months = pd.period_range("2023-01", periods=24, freq="M").to_timestamp(how="end").normalize()
    series = pd.Series([100.0, 104, 98] * 4 + [80.0, 82, 78] * 4, index=months, name=HOSTILE)
    found = effects.before_after(series, months[12])
    assert f"{found.estimate:+.1%}" in shown(found)
    X = pd.DataFrame({HOSTILE: [0.0, 1, 2, 3] * 50})
    card = cl.scoring.fit(X, [0, 0, 1, 0, 0, 1, 1, 1] * 25)
    assert "200 rows, 100 events" in shown(card)


def test_outcome_and_comparison_show_themselves_and_progress_is_told(sample):
    policy = cl.policy.load("data/policies/2025-baseline.toml")
    learned = calibrate(sample, policy, pd.Timestamp("2025-12-31"))
    rules, told = of_policy(policy, learned.world.customers), []
    span = Span(pd.Timestamp("2026-01-01"), 60, 30)
    first = simulate(learned.world, rules, span, seed=1, replicates=12, progress=lambda *step: told.append(step))
    assert told == [(8, 12), (12, 12)]
    assert first.totals.equals(simulate(learned.world, rules, span, seed=1, replicates=12).totals)
    assert f"{first.totals['sales'].mean():,.0f}" in shown(first)
    second = simulate(learned.world, rules.scaled(0.5), span, seed=1, replicates=12)
    both = compare(first, dataclasses.replace(second, name=HOSTILE))
    assert f"{both.table.set_index('measure').loc['profit', 'difference']:+,.0f}" in shown(both)
    steps = []
    ranges = {"limit_multiple": (0.5, 1.5)}
    search(learned.world, rules, ranges, span, seed=1, candidates=4, replicates=2, progress=lambda *s: steps.append(s))
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert all(done <= total for done, total in steps)
    assert steps[-1][0] == steps[-1][1]
