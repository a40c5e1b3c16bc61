"""Scorecards as documents and commands, on the sample and on tables."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from credit_lab import policy as policies
from credit_lab.__main__ import app
from credit_lab.commands import tables
from credit_lab.errors import CreditLabError
from credit_lab.figures import scoring as figures_scoring
from credit_lab.scoring import Scorecard
from credit_lab.scoring import rows as modelling
from credit_lab.studies import card_monitoring, scorecards, validation
from tests.scoring_tables import customers


@pytest.fixture(scope="module")
def rows(sample):
    return modelling.from_ledger(sample)


@pytest.fixture(scope="module")
def made(rows):
    return scorecards.design(rows, seed=1)


@pytest.fixture
def table(tmp_path):
    X, y, _ = customers(1500)
    frame = X.assign(
        outcome=np.where(y == 1, "bad", "good"), customer_id=[f"C{i // 2}" for i in range(len(X))],
        day=pd.date_range("2024-01-01", periods=len(X), freq="8h"),
    )  # fmt: skip
    frame.to_csv(tmp_path / "table.csv", index=False)
    return tmp_path / "table.csv"


def test_every_row_of_the_history_is_accounted_for(sample, rows):
    from credit_lab import history

    months = history.build(sample, max(sample.invoices["issue_date"].max(), sample.payments["paid_date"].max()))
    assert len(rows.y) + rows.excluded["rows"].sum() == len(months)
    assert rows.source.endswith(" · failed within 12 months")
    assert "failed" not in rows.X
    shorter = modelling.from_ledger(sample, event="impaired", months=3)
    assert shorter.y.mean() != rows.y.mean()
    assert shorter.when.max() > rows.when.max()
    with pytest.raises(CreditLabError, match="3, 6 and 12"):
        modelling.from_ledger(sample, months=5)
    with pytest.raises(CreditLabError, match="did you mean 'impaired'"):
        modelling.from_ledger(sample, event="impared")
    rules = policies.load("data/policies/2025-baseline.toml")
    never = {"failed_days": 3000, "impaired_amount": 1e9}
    strict = rules.model_copy(update={"default": rules.default.model_copy(update=never)})
    with pytest.raises(CreditLabError, match="nothing to tell apart"):
        modelling.from_ledger(sample, policy=strict)


def test_a_document_is_judged_by_customers_it_has_not_seen(made, rows):
    train, test, words = modelling.divide(rows, seed=1)
    assert not set(rows.who.iloc[train]) & set(rows.who.iloc[test])
    assert made.split == words == "by customer, 30 % for the test"
    assert made.window["rows"].sum() == len(rows.y)
    assert made.leaks.empty
    area = made.validation.performance.set_index("metric").loc["auc"]
    assert area["low"] < area["value"] < area["high"]
    mean = made.card.probability(rows.X.iloc[train]).mean()
    assert mean == pytest.approx(rows.y.iloc[train].mean(), rel=0.02)
    text = " ".join([*scorecards.headline(made), *made.notes])
    assert "87" in text
    assert "draw whole customers" in text
    for name, frame in made.tables().items():
        assert isinstance(frame, pd.DataFrame), name


def test_verdicts_tell_too_low_from_too_high(made):
    grades = made.validation.grades
    for light, words in (("yellow: too high", "too high for"), ("red: too low", "too low for"), ("green", "in line")):
        changed = grades.assign(light=[*grades["light"].iloc[:-1], light])
        judged = validation.Validation(**{**vars(made.validation), "grades": changed})
        assert words in validation.verdict(judged)[1]


def test_figures_draw(made):
    judged = made.validation
    shown = [made.binner.bins_[name] for name in made.card.names]
    drawn = [
        figures_scoring.bins_chart(shown, source="s"),
        figures_scoring.ranking_chart(judged.roc, judged.cap, judged.curve, 0.7, source="s"),
        figures_scoring.shift_chart(made.shift, source="s"),
    ]
    assert [len(figure.axes) for figure in drawn] == [2 * -(-len(shown) // 2), 3, 1]


def test_monitoring_and_portfolio(made, rows, sample, tmp_path):
    before, after, _ = modelling.halves(rows)
    seen = card_monitoring.monitor(made.card, rows, before, after)
    assert seen.bands[["before", "after"]].sum().tolist() == pytest.approx([1, 1])
    assert seen.swap["rows"].sum() == pytest.approx(len(after))
    assert card_monitoring.findings(seen)[0].startswith("Score: PSI")
    made.card.save(tmp_path / "card.json")
    now = card_monitoring.portfolio(str(tmp_path / "card.json"), sample, "2025Q4")
    assert now.grades["customers"].sum() == 300
    assert now.migration.set_index("before").to_numpy().sum() <= now.grades["customers_before"].sum()
    assert (now.grades["expected_default"] <= now.grades["exposure"]).all()
    assert card_monitoring.portfolio("", sample, "2025Q4").grades.empty
    with pytest.raises(CreditLabError, match="both sides need rows"):
        card_monitoring.monitor(made.card, rows, before[:1], after)


def test_overrides_come_from_columns_left_out(table):
    frame = pd.read_csv(table)
    grade = np.where(frame["ratio"] > 0, "A", "B")
    frame.assign(model=grade, final=np.where(frame.index % 10 == 0, "B", grade)).to_csv(table, index=False)
    rows = modelling.from_table(table, "outcome", leave_out=["model", "final", "customer_id", "day"])
    card = scorecards.design(rows, seed=1).card
    seen = card_monitoring.monitor(card, rows, *modelling.halves(rows)[:2], grades=("model", "final"))
    assert seen.overrides.set_index("direction").loc["better", "rows"] == 0
    assert (
        seen.overrides.set_index("direction").loc["worse", "rows"] == ((frame.index % 10 == 0) & (grade == "A")).sum()
    )
    with pytest.raises(CreditLabError, match="not among those left out"):
        card_monitoring.monitor(card, rows, *modelling.halves(rows)[:2], grades=("model", "ratio"))


def test_tables_are_read_with_care(table, tmp_path):
    rows = modelling.from_table(table, "outcome", date="day", customer="customer_id")
    assert rows.y.sum() == (pd.read_csv(table)["outcome"] == "bad").sum()
    assert list(rows.X) == ["ratio", "days_late", "sector", "noise"]
    assert modelling.divide(rows, "2024-10-01")[2] == "by time at 2024-10-01"
    frame = pd.read_csv(table)
    cases = {
        "no column 'outcom'; did you mean 'outcome'": ("outcom", frame),
        "3 different values": ("outcome", frame.assign(outcome=(["a", "b", "c"] * 500))),
        "which of no, perhaps is the default": ("outcome", frame.assign(outcome=["no", "perhaps"] * 750)),
        "has no rows": ("outcome", frame.head(0)),
    }
    for message, (target, changed) in cases.items():
        changed.to_csv(table, index=False)
        with pytest.raises(CreditLabError, match=message):
            modelling.from_table(table, target)
    with pytest.raises(CreditLabError, match="cannot be read"):
        modelling.read(tmp_path / "none.csv")
    with pytest.raises(CreditLabError, match="must end in"):
        tables.write(frame, tmp_path / "scores.xls")


def test_apply_scores_a_table_with_reasons(table, made, tmp_path):
    rows = modelling.from_table(table, "outcome", leave_out=["customer_id", "day"])
    card = scorecards.design(rows, seed=1).card
    card.save(tmp_path / "card.json")
    out = tmp_path / "scores.csv"
    arguments = ["score", "apply", "--card", str(tmp_path / "card.json"), "--table", str(table), "--out", str(out)]
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["rows"] == 1500
    scored = pd.read_csv(out)
    assert scored["score"].tolist() == card.score(rows.X).tolist()
    assert {"customer_id", "pd", "reason_1", "points_1"} < set(scored)


def test_fit_and_validate_from_the_shell(table, tmp_path):
    made = CliRunner().invoke(
        app,
        ["score", "fit", "--table", str(table), "--target", "outcome", "--customer", "customer_id", "--date", "day",
         "--out", str(tmp_path), "--json"],
    )  # fmt: skip
    assert made.exit_code == 0, made.output
    folder = tmp_path / "scorecard"
    assert {"card.json", "card.sql", "card.py", "run.json", "tables"} < {path.name for path in folder.iterdir()}
    assert "days_late" in Scorecard.load(folder / "card.json").names
    judged = CliRunner().invoke(
        app,
        ["score", "validate", "--card", str(folder / "card.json"), "--table", str(table), "--target", "outcome",
         "--leave-out", "customer_id day", "--out", str(tmp_path), "--json"],
    )  # fmt: skip
    assert judged.exit_code == 0, judged.output
    assert (tmp_path / "validation" / "tables" / "validation_grades.csv").exists()
    for wrong in (["--kind", "tree"], ["--target", "outcom"], ["--target", ""]):
        refused = CliRunner().invoke(app, ["score", "fit", "--table", str(table), "--target", "outcome", *wrong])
        assert isinstance(refused.exception, CreditLabError)
