"""Every comparison says against what: windows in words, both bases, targets, points, and nothing against half a DSO."""

import re

import numpy as np
import openpyxl
import pandas as pd
import pytest

from credit_lab import kpi, labels, language, ledger, periods, studies
from credit_lab import policy as policies
from credit_lab.figures import receivables as figures
from credit_lab.publish import markup, show, workbook
from credit_lab.publish.artefacts import Column, Table
from credit_lab.studies import text
from tests.ledgers import allocation, invoice, payment
from tests.test_not_measured import flows_of

baseline = policies.load("data/policies/2025-baseline.toml")
nan = float("nan")
QUARTER = periods.parse_period("2025Q1")


@pytest.fixture(scope="module")
def review(sample):
    return studies.review.review(sample, baseline, "2025Q4")


@pytest.fixture(scope="module")
def young(sample):
    """The sixth month of books that begin in January 2023."""
    return studies.review.review(sample, baseline, "2023Q2")


def test_the_effectiveness_of_a_quarter_is_not_that_of_a_year():
    """Balance 300 at each month end, 200 of it not due, sales 100 a month: of a quarter (300 + 300 - 300) /
    (300 + 300 - 200) = 75 %, of a year (300 + 1200 - 300) / (300 + 1200 - 200) = 92.3 %."""
    flows = flows_of([100.0] * 15, [300.0] * 15, not_due=[200.0] * 15)
    assert kpi.kpis(flows, months=3)["cei"] == pytest.approx(75.0)
    assert kpi.kpis(flows)["cei"] == pytest.approx(100 * 1200 / 1300)


def test_key_figures_of_the_sample_stand_beside_window_target_and_both_bases(review):
    """87.7 % of the quarter and 96.3 % of twelve months were counted outside of this package."""
    table = review.kpis.set_index("formula_id")
    assert round(table.loc["cei.period", "value"], 1) == 87.7
    assert table.loc["cei.period", "window"] == "quarter 2025Q4"
    assert round(table.loc["cei", "value"], 1) == 96.3
    assert table.loc["cei", "window"] == "twelve months to 2025-12-31"
    aims = table["policy_target"].dropna().to_dict()
    assert aims == {"dso.countback": 60.0, "concentration.largest": 0.1, "bad_debt_ratio.period": 0.015}
    for base, column in (("2025Q3", "previous"), ("2024Q4", "year_before")):
        there = studies.review.review(_book(review), baseline, base).kpis.set_index("formula_id")["value"]
        assert table[column].to_dict() == pytest.approx(there.to_dict(), nan_ok=True)
    assert (table["change"] == table["value"] - table["previous"]).all()
    assert (table["change_year"] == table["value"] - table["year_before"]).all()
    assert not review.unmeasured and not any(review.unmeasured_before.values())


def _book(review):
    return ledger.read(review.source)


def test_windows_are_told_in_words():
    """15 months of 30 days, the last of them March 2025: 45 days of sales reach into February, 30 do not."""
    flows = flows_of([100.0] * 15, [150.0] * 15)
    found = kpi.windows(flows, QUARTER, 45.0)
    assert found["dso.period_end"] == "twelve months to 2025-03-31"
    assert found["days_to_pay.km_median"] == "twelve months to 2025-03-31"
    assert found["dso.countback"] == "sales back to 2025-02 used up"
    assert kpi.windows(flows, QUARTER, 30.0)["dso.countback"] == "sales back to 2025-03 used up"
    assert kpi.windows(flows, QUARTER, nan)["dso.countback"] == ""
    assert (found["cei.period"], found["overdue_ratio"]) == ("quarter 2025Q1", "at 2025-03-31")
    assert kpi.windows(flows.head(5), QUARTER, nan)["cei"] == "2024-01-01 to 2024-05-31"


def test_twelve_rows_that_end_within_a_month_are_no_year_of_365_days():
    """Eleven months of 30 days and 15 days of the twelfth, sales 100 each, 1000 owed: 1000 x 345 / 1200 days."""
    flows = flows_of([100.0] * 12, [1000.0] * 12)
    assert kpi.kpis(flows)["dso.period_end"] == pytest.approx(1000 * 365 / 1200)
    flows.loc[11, ["month", "days"]] = [pd.Timestamp("2024-12-15"), 15]
    assert kpi.kpis(flows)["dso.period_end"] == pytest.approx(1000 * 345 / 1200)
    assert kpi.window(flows)["days"] == 345
    assert kpi.windows(flows, QUARTER, nan)["add"] == "2024-01-01 to 2024-12-15"


def test_what_is_not_known_of_a_base_stays_missing():
    table = kpi.table({"add": 3.0, "overdue_ratio": 0.2}, {"add": 1.0}, targets={"overdue_ratio": 0.1})
    rows = table.drop(columns=["name", "formula"]).to_numpy().tolist()
    assert rows[0][:2] == ["add", "days"] and rows[1][:2] == ["overdue_ratio", "share"]
    assert rows[0][3:] == pytest.approx([3.0, nan, 1.0, 2.0, nan, nan], nan_ok=True)
    assert rows[1][3:] == pytest.approx([0.2, 0.1, nan, nan, nan, nan], nan_ok=True)


def test_the_same_period_last_year():
    assert [periods.parse_period(one).year_before().label for one in ("2025Q4", "2024-02", "2025")] == [
        "2024Q4", "2023-02", "2024",
    ]  # fmt: skip
    assert periods.parse_period("2025-02").year_before().end == pd.Timestamp("2024-02-29")


def test_the_light_judges_the_dso_that_does_not_swing_with_the_season(review, young, sample):
    """72.6 days by the year's sales are above the target of 60, 58.9 by countback are not."""
    assert review.figures()["dso.period_end"][0] > 60
    assert text.verdicts(review)["DSO within target"] == "ok: DSO by countback 58.9 days, target 60"
    first = studies.review.review(sample, baseline, "2023Q1")
    said = "not measured: DSO by countback: balances fill in the first 4 months of the books"
    assert text.verdicts(first)["DSO within target"] == said
    assert first.kpi_series.empty and first.bridge.empty
    assert "nothing to draw" in figures.dso_chart(first.kpi_series, source="x").axes[0].texts[0].get_text()


def test_nothing_is_compared_with_months_in_which_the_books_fill(young):
    """Books from January 2023: the chart begins in May, the first quarter is no base, and the sentences say so."""
    assert young.kpi_series["month"].iloc[0] == pd.Timestamp("2023-05-31")
    assert young.bridge.empty
    table = young.kpis.set_index("formula_id")
    assert np.isfinite(table.loc["dso.countback", "value"]) and np.isnan(table.loc["dso.countback", "previous"])
    assert np.isfinite(table.loc["overdue_ratio", "change"])
    assert table[["year_before", "change_year"]].isna().all(axis=None)
    said = list(text.headline(young).values())
    assert any("There is no figure of 2023Q1 or 2022Q2 to compare with." in line for line in said)
    assert "Not compared with 2022Q2: the books begin in 2023-01." in said
    reason = "balances fill in the first 4 months of the books."
    assert any(line.startswith("Not compared with 2023Q1 (DSO, period end") and line.endswith(reason) for line in said)


def test_every_rise_and_fall_names_its_formula_and_its_bases(review, sample):
    """DSO by one formula may fall while by another it rises: side by side they must not look like a contradiction."""
    lost = studies.losses.losses(sample, baseline, review.as_of)
    drawn = [
        figures.dso_chart(review.kpi_series, source="x"),
        figures.bridge_chart(review.bridge, review.days, currency="CNY", source="x"),
    ]
    said = [*text.headline(review).values(), *text.losses_headline(lost, "CNY")]
    said += [one.axes[0].get_title(loc="left") for one in drawn]
    moved = [line for line in said if re.search(r"\b(rose|fell)\b", line)]
    days = "between 2024-12-31 and 2025-12-31"
    assert len(moved) == 5
    assert moved[0].startswith("DSO by countback rose by 1.1 days against 2025Q3 to 58.9, but fell by 3.2 days against")
    assert moved[2].startswith(f"DSO, period end, fell by 4.3 days {days}; the largest part is delinquency (-5.2 days)")
    assert moved[3] == f"DSO, period end, fell by 4.3 days {days}"
    assert moved[4] == "Receivables rose by 4.53 million CNY between 2025-09-30 and 2025-12-31: what moved them"
    assert all("against 2025Q3" in line and "against 2024Q4" in line for line in moved[:2])


def test_overdue_invoices_by_day(review):
    title = figures.aging_chart(review.aging_series, ("not_due",), currency="CNY", source="x").axes[0]
    said = "22% of open invoices were overdue at 2025-12-31, against 28% at 2024-12-31"
    assert title.get_title(loc="left") == said


def test_differences_of_shares_are_percentage_points(tmp_path):
    """2 % after 1 % is one point more, not 1 %."""
    assert markup.unit_of("change", "by row", "share") == markup.unit_of("difference", "by row", "share") == "points"
    assert (
        markup.unit_of("value", "by row", "share") == "share" and markup.unit_of("change", "by row", "days") == "days"
    )
    assert markup.cell(-0.0019, "points") == "-0.2 pp"
    frame = kpi.table({"overdue_ratio": 0.02, "add": 3.0}, {"overdue_ratio": 0.01, "add": 2.0})
    shown = show.table(frame, "Key figures")
    assert re.findall(r"<td[^>]*>(\+1\.0 pp|1\.0)</td>", shown.data) == ["+1.0 pp", "1.0"]
    columns = tuple(Column(one["name"], one["title"], one["unit"], one["type"]) for one in shown.record["columns"])
    rows = tuple(map(tuple, shown.record["rows"]))
    source = workbook.Source("80_x", "Review", tmp_path, (Table("", "Key figures", columns, rows, 2),))
    path = workbook.write(tmp_path / "a.xlsx", [source], title="R", facts={}, day="2025-12-31")
    at = [column.name for column in columns].index("change") + 1
    cells = [openpyxl.load_workbook(path, data_only=cached).worksheets[1].cell(5, at) for cached in (True, False)]
    assert cells[0].value == pytest.approx(1.0) and cells[0].number_format.startswith('+0.0"pp"')
    assert cells[1].value == "=100*(E5-G5)"


def test_the_whole_table_speaks_chinese(monkeypatch, review):
    language.use("zh")
    try:
        shown = show.table(review.kpis, "Key figures of 2025Q4 against 2025Q3 and 2024Q4")
        assert shown.record["caption"] == "2025Q4关键指标，与2025Q3和2024Q4相比"
        for words in ("截至2025年12月31日的十二个月", "2025Q4季度", "倒推用至2025-11的销售额", "百分点", "上年同期"):
            assert words in shown.data, words
        said = language.say(text.headline(review)["dso"])
        assert said.startswith("倒推法DSO较2025Q3上升1.1天，至58.9，但较2024Q4下降3.2天。")
    finally:
        language.use("en")


def test_days_owed_by_hand(write_ledger):
    """Invoices of 100 in each of seven months, each paid whole 45 days later: at the end of July those of June 20 and
    July 20 are open, 200, and use up the sales of two months: 31 + 30 days."""
    days = pd.date_range("2024-01-20", periods=7, freq=pd.DateOffset(months=1))
    paid = [day + pd.Timedelta(days=45) for day in days[:5]]
    rows = [invoice(f"I{at}", issued=str(day.date()), due=str(day.date()), amount=100.0) for at, day in enumerate(days)]
    book = ledger.read(
        write_ledger(
            invoices=rows,
            payments=[payment(f"P{at}", paid=str(day.date()), amount=100.0) for at, day in enumerate(paid)],
            allocations=[
                allocation(of=f"P{at}", on=f"I{at}", day=str(day.date()), amount=100.0) for at, day in enumerate(paid)
            ],
        )
    )
    made = studies.review.review(book, baseline, "2024-07")
    row = made.kpis.set_index("formula_id").loc["dso.countback"]
    assert (row["value"], row["previous"]) == (61.0, 61.0)  # at the end of June: May and June, 31 + 30
    assert np.isnan(row["year_before"])
    assert text.headline(made)["dso"].startswith(
        "DSO by countback is 61.0 days, unchanged within 0.5 days against 2024-06. There is no figure of 2023-07 to "
    )
    assert made.kpi_series["month"].iloc[0] == pd.Timestamp("2024-05-31")
    assert labels.formula("cei.period", "en") == "Collection effectiveness index, period"
