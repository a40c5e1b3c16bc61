"""Words for codes: the catalogue, what is looked up first, a workbench's own words, customers' names."""

import tomllib
from pathlib import Path

import pandas as pd
import pytest

from credit_lab import labels, language, schema
from credit_lab.commands import options
from credit_lab.errors import ReportError
from credit_lab.kpi import formulas
from credit_lab.ledger import quarantine, sharing
from credit_lab.policy import sections
from credit_lab.publish import show

ROOT = Path(__file__).parents[1]


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Writes data/labels.toml of a workbench and has it read."""

    def write(text):
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / "labels.toml").write_text(text, encoding="utf-8")
        labels._all.cache_clear()

    monkeypatch.chdir(tmp_path)
    yield write
    monkeypatch.undo()
    labels._all.cache_clear()


def test_every_entry_has_english_and_chinese():
    catalogue = tomllib.loads((ROOT / "credit_lab" / "labels.toml").read_text(encoding="utf-8"))
    for kind in ("columns", "units", "formulas"):
        for code, pair in catalogue[kind].items():
            assert len(pair) == 2 and "_" not in "".join(pair), code


# GLOSSARY: not yet due 未到期 (60), days past due 逾期天数 (62), DSO (64), credit limit 信用额度 (25)
@pytest.mark.parametrize(
    ("code", "column", "english", "chinese"),
    [
        ("not_due", "bucket", "Not due", "未到期"),
        ("max_dpd", "indicator", "Oldest item, days late", "最长逾期天数"),
        ("dso.countback", "formula_id", "DSO, countback", "DSO（倒推法）"),
        ("legal", "action", "Legal action", "法律手段"),
        ("legal", "owner", "Legal", "法务"),
        ("utilisation", "setting", "Hold above utilisation", "冻结的额度使用率"),
        ("scale[AAA].term_days", "setting", "Credit term: AAA", "账期：AAA"),
        ("amount=<= 100@due", "name", "Invoice amount: <= 100, around due date", "发票金额：<= 100, 到期日前后"),
        ("days", "unit", "days", "天"),
        ("a=b", "reason", "a=b", "a=b"),
        ("my_code", "reason", "my code", "my code"),
    ],
)
def test_a_code_is_words_by_its_column(code, column, english, chinese):
    assert (labels.value(code, column, "en"), labels.value(code, column, "zh")) == (english, chinese)


def test_what_has_no_words_is_remembered():
    labels.missing.clear()
    assert labels.column("sales_office", "en") == "sales office"
    assert labels.missing == {"sales_office"}


def test_all_that_a_ledger_a_policy_or_a_key_figure_can_show_has_words():
    names = {column.name for table in schema.TABLES.values() for column in table.columns}
    settings = {name for section in vars(sections).values() if isinstance(section, type) and hasattr(
        section, "model_fields") for name in section.model_fields}  # fmt: skip
    known = {
        "columns": names, "values.table": set(schema.TABLES), "values": set(quarantine.RULES),
        "values.setting": settings - set(sections.Policy.model_fields) - {"attributes", "measures", "scale", "sources"},
        "values.section": set(sections.Policy.model_fields), "formulas": set(formulas.FORMULAS),
    }  # fmt: skip
    for lang in ("en", "zh"):
        lost = {kind: [code for code in codes if not labels._found(code, lang, kind, "columns", "values")]
                for kind, codes in known.items()}  # fmt: skip
        assert not any(lost.values()), lost


def test_a_workbench_names_its_own_columns_and_ours_in_its_way(own):
    own('[columns]\nsales_office = ["Sales office", "销售处"]\nmax_dpd = "Longest delay"\n'
        '[values.sales_office]\nhd1 = ["Huadong 1", "华东一处"]\n')  # fmt: skip
    shown = show.table(pd.DataFrame({"sales_office": ["hd1"], "max_dpd": [3], "amount": [1.0]}), "x")
    assert [one["title"] for one in shown.record["columns"]] == ["Sales office", "Longest delay", "Amount"]
    assert "<td>Huadong 1</td>" in shown.data and shown.record["rows"] == [["hd1", 3, 1.0]]
    own("[columns]\nsales_office = 3\n")
    with pytest.raises(
        ReportError, match=r"data/labels.toml: sales_office in \[columns\] has no words; write sales_off"
    ):
        labels.column("amount", "en")


def test_sentences_have_words_for_codes_and_files_keep_their_names():
    said = "Not watched: grade_drop. See tables/max_dpd.csv, run.json and `max_dpd`; x_y stays."
    assert language.say(said) == said.replace("grade_drop", "grade drop")


def test_customers_have_their_names_unless_the_report_is_shared(monkeypatch):
    monkeypatch.setattr(sharing, "_names", {"C-0202": "Wuzhou <Ltd>", "17": "Short", "C-1": "C-1"})
    table = pd.DataFrame({"customer_id": ["C-0202", "C-1"], "holder": ["G-1", "C-0202"], "max_dpd": [4, 5]})
    shown = show.table(table, "x")
    assert "<td>Wuzhou &lt;Ltd&gt; <small>(C-0202)</small></td>" in shown.data
    assert shown.record["names"] == {"C-0202": "Wuzhou <Ltd>"}
    assert shown.record["rows"][0] == ["C-0202", "G-1", 4]
    beside = show.table(table[["customer_id"]].assign(name=["Wuzhou <Ltd>", "?"]), "x")
    assert "<small>" not in beside.data and beside.record["names"] == {}
    line = show.sentences(["C-0202 owes 17 for C-02020.", "Wuzhou <Ltd>: C-0202"]).record["lines"]
    assert line == ["Wuzhou <Ltd> (C-0202) owes 17 for C-02020.", "Wuzhou <Ltd>: C-0202"]
    assert "Wuzhou <Ltd> (C-0202)" in options.as_text(table) and "Oldest item, days late" in options.as_text(table)
    monkeypatch.setenv("CREDIT_LAB_MIN_CELL", "5")
    assert show.sentences(["C-0202 owes 17."]).record["lines"] == ["C-0202 owes 17."]
    assert "Wuzhou" not in options.as_text(table)
