"""Reports in Chinese: nothing untranslated, nothing of the user's data translated, no sign without a glyph."""

import ast
import importlib.util
import json
import re
import warnings
from pathlib import Path

import pandas as pd
import pytest
from pptx import Presentation

from credit_lab import language
from credit_lab.errors import ReportError
from credit_lab.figures import canvas
from credit_lab.publish import page, show, slides
from credit_lab.studies import text
from tests.test_report_artefacts import executed

ROOT = Path(__file__).parents[1]


@pytest.fixture
def chinese(monkeypatch):
    monkeypatch.setenv("CREDIT_LAB_LANG", "en")  # restored after the test
    language.use("zh")
    language.missing.clear()
    yield
    language.use("en")


def tool():
    spec = importlib.util.spec_from_file_location("messages", ROOT / "tools" / "messages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_message_of_code_and_notebooks_is_translated():
    messages = tool()
    found = messages.messages()
    assert len(found) > 700
    assert messages.faults(found) == []
    lost = {**found, "A sentence of {1} nobody translated": ["x.py"]}
    assert messages.faults(lost) == ["x.py: no translation of 'A sentence of {1} nobody translated'"]


# A sentence of a module in each row from which a reader is told something.
SENTENCES = {
    "publish/sections.py": "Not available, because",
    "figures/receivables.py": "terms (best possible DSO)",
    "scoring/rows.py": "at random, 30 % for the test",
    "backtest/comparison.py": "A replay holds customers' behaviour fixed",
    "limits/quarterly.py": "sales and payment allow more",
    "monitoring/contracts.py": "nobody is named as reviewer",
    "kpi/mix.py": "net sales of the twelve months up to",
    "policy/currency.py": "were converted at",
    "ledger/quarantine.py": "the invoice's date counts",
}


def test_a_changed_sentence_is_seen_in_whatever_module_it_stands(monkeypatch):
    messages = tool()
    plain = messages.source
    for name, sentence in SENTENCES.items():
        assert sentence in plain(ROOT / "credit_lab" / name), name
    changed = {ROOT / "credit_lab" / name: said for name, said in SENTENCES.items()}

    def source(file):
        return plain(file).replace(changed[file], "something else that was said") if file in changed else plain(file)

    monkeypatch.setattr(messages, "source", source)
    faults = "\n".join(messages.faults(messages.messages()))
    for name, sentence in SENTENCES.items():
        assert sentence in faults, name


def test_messages_are_taken_from_code_as_readers_see_them():
    code = """
def f(n: int) -> list[str]:
    "A docstring of some words."
    if n < 0:
        raise ValueError(f"a refusal of {n} rows")
    verb = "rose sharply" if n else "no change"
    return [f"Sales {verb} by {n:.1%}" f" in all", "name_of_a_column"]
"""
    assert set(tool().strings(ast.parse(code))) == {"rose sharply", "no change", "Sales {1} by {2} in all"}


# Translated by hand with the glossary: overdue 逾期, receivables 应收账款, credit manager 信用经理.
SAID = {
    "At 2025-12-31 customers owed 2,756.9万元 net of unapplied cash and credit notes; 22.0% of open invoices were "
    "overdue.": "截至2025年12月31日，客户欠款净额2,756.9万元（已扣除未核销收款和贷项通知单）；未结发票中22.0%已逾期。",
    "DSO by countback rose by 1.1 days against 2025Q3 to 58.9 and by 2.0 days against 2024Q4 (worse). The period-end "
    "figure, 72.6 days, also moves with the season.": "倒推法DSO较2025Q3上升1.1天，至58.9，较2024Q4上升2.0天（恶化）。"
    "期末法为72.6天，另受季节影响。",
    "DSO by countback fell by 1.1 days against 2025Q3 to 58.9 (better), unchanged within 0.5 days against 2024Q4.":
        "倒推法DSO较2025Q3下降1.1天，至58.9（好转），与2024Q4相比持平（变动不超过0.5天）。",
    "Average days delinquent is 14.3 days, unchanged within 0.5 days against 2025Q3. There is no figure of 2024Q4 to "
    "compare with.": "平均逾期天数为14.3天，与2025Q3相比持平（变动不超过0.5天）。没有2024Q4的数据可比。",
    "DSO by countback stands at 58.9 days. There is no figure of 2025Q3 or 2024Q4 to compare with.":
        "倒推法DSO为58.9天。没有2025Q3或2024Q4的数据可比。",
    "net write-offs 1.85% of sales, twelve months to 2025-12-31, budget 1.50%":
        "核销净额占销售额1.85%，截至2025年12月31日的十二个月，预算1.50%",
    "12 rows were read; 9 are used, 1 exact copies, 2 held back. There is no control account to compare with.":
        "读入12行；使用9行，1行完全重复，2行被隔离。没有可供核对的总账应收账款。",
    "1 of 2 checks ask for action: DSO within target (DSO by countback 72.6 days, target 60)":
        "2项检查中有1项需要处理：DSO达标（倒推法DSO为72.6天，目标60）",
    "Most signatures: credit manager (40%)": "签批最多：信用经理（40%）",
    "Aging at 2025-12-31, USD": "2025年12月31日账龄，美元",
    "Hours of approval: 2025-baseline 116, 2025-tighter 97.": "审批工时：2025-baseline 116, 2025-tighter 97。",
    "cumulative amounts above zero": "cumulative amounts above zero",  # no indicator above a threshold
    "term days": "账期（天）",
    "30 days": "30天",
}  # fmt: skip


def test_sentences_keep_their_values_and_change_their_order(chinese):
    assert {english: language.say(english) for english in SAID} == SAID
    assert language.missing == {"cumulative amounts above zero"}


@pytest.mark.parametrize(
    ("amount", "currency", "en", "zh"),
    [
        (27_569_494.11, "CNY", "27.6 million CNY", "2,756.9万元"),
        (1_234_567_890.0, "CNY", "1,234.6 million CNY", "12.35亿元"),
        (-45_600.0, "USD", "-46 thousand USD", "-4.6万美元"),
        (950.0, "CNY", "950 CNY", "950元"),
    ],
)
def test_amounts_are_counted_in_the_units_of_the_language(chinese, amount, currency, en, zh):
    assert text.money_text(amount, currency) == zh
    language.use("en")
    assert text.money_text(amount, currency) == en


def test_what_is_not_known_is_said_in_chinese_to_the_last_word(chinese):
    """Brackets within brackets, a reason that names a table, and a subject that begins a sentence."""
    said = "Estimated: ages, overdue (100.0% of receipts are matched (by amount: 100.0%))."
    assert language.say(said) == "估算：账龄、逾期（收款的100.0%已核销（按金额：100.0%））。"
    lacking = "Loss rates, allowance and backtest are not known: the ledger has no table write_offs; bring "
    said = f"{lacking}a table write_offs, empty if there were none."
    assert not re.search("[a-z] [a-z]", language.say(said))
    said = "payment behaviour is not known: the list holds open items only; bring all invoices, settled ones, too"
    assert language.say(said) == "付款行为未知：清单只含未结款项；请补充全部发票，包括已结清的"


def test_the_users_words_stay_as_they_are(chinese):
    frame = pd.DataFrame({"customer_id": ["open", "ok"], "name": ["No findings.", "30 days"], "action": ["hold", "zz"]})
    shown = show.table(frame, "Largest exposures, CNY")
    cells = re.findall("<td>(.*?)</td>", shown.data)
    assert cells == ["open", "No findings.", "冻结", "ok", "30 days", "zz"]
    assert [column["title"] for column in shown.record["columns"]] == ["客户", "名称", "行动"]
    assert shown.record["rows"][0] == ["open", "No findings.", "hold"]  # raw values: formulas and formats need them


def test_what_nobody_translated_is_said_to_be_english(chinese, tmp_path):
    mine = "My own remark stands here in plain words"
    notebook = executed(tmp_path / "53_mine.ipynb", show.heading("Portfolio limits", ""), show.note(mine))
    assert language.missing == {mine}
    made = page.page("Portfolio limits", [notebook])
    assert "本部分有1处文字没有中文译文，以英文显示。" in made
    assert '<html lang="zh-CN">' in made and "目录" in made
    with pytest.raises(ReportError, match="there are en, zh"):
        language.use("fr")


def test_figures_have_a_glyph_for_every_sign_of_the_catalogue(chinese):
    plain, patterns = language.catalogue()
    signs = sorted(set("".join([*plain.values(), *(one.translated for one in patterns)])) - {"\n"})
    figure, axes = canvas.blank(8, 12)
    for row in range(0, len(signs), 60):
        axes.text(0, row / len(signs), "".join(signs[row : row + 60]), fontsize=7)
    axes.set_title("Nothing was open", loc="left")
    axes.set_xticks([0, 1], ["opening", "sales\nvolume"])
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        shown = show.figure(figure, "Bars: customers by grade")
    assert [str(one.message) for one in seen if "Glyph" in str(one.message)] == []
    assert (shown.record["finding"], shown.record["alt"]) == ("没有未结款项", "条形图：各等级客户数")
    words = re.findall(r"<text[^>]*>([^<]*)</text>", canvas.saved(figure, "svg").decode())
    assert {"期初", "销售", "规模"} <= set(words)
    axes.text(0, 0, "\u1200")  # Ethiopic: proves that the warning comes
    with pytest.warns(UserWarning, match="Glyph"):
        canvas.saved(figure, "png")


def test_slides_speak_the_language(chinese, tmp_path):
    grid = slides.Grid(("key figure", "now"), (("best possible DSO", "58.4"),))
    path = slides.write(tmp_path / "a.pptx", [slides.Slide("Statements are consistent.", grid, "", ())], title="x",
                        day="2025-12-31")  # fmt: skip
    shapes = list(Presentation(path).slides[0].shapes)
    assert shapes[0].text_frame.text == "财务报表前后一致。"
    table = next(shape.table for shape in shapes if shape.has_table)
    assert [cell.text for row in table.rows for cell in row.cells] == ["关键指标", "本期", "最佳DSO", "58.4"]


def test_the_first_sections_of_a_review_leave_no_word_untranslated(chinese):
    cells = json.loads((ROOT / "notebooks" / "80_quarterly_review.ipynb").read_text(encoding="utf-8"))["cells"]
    names = {}
    for cell in cells:
        source = "".join(cell["source"])
        if source.startswith("## 4"):
            break
        if cell["cell_type"] == "markdown":
            assert re.search(r"(?<![\w`.-])[a-z]{4,} [a-z]{3,} [a-z]{3,}", language.prose(source)) is None
        else:
            exec(source, names)
    assert language.missing == set()
