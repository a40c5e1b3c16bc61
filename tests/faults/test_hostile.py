"""Input made to do harm: bombs, endless settings, code in parameters, names that lead elsewhere, formulas."""

import ast
import gzip
import io
import json
import zipfile
from pathlib import Path

import nbformat
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from credit_lab import ledger, periods
from credit_lab import policy as policies
from credit_lab.backtest import claims, registration
from credit_lab.errors import CreditLabError, LedgerError, PeriodError, PolicyError, ReportError
from credit_lab.evaluation import experts
from credit_lab.investigation import register
from credit_lab.ledger import delimited, limits, mapping, sources
from credit_lab.publish import run as runs
from credit_lab.publish import show
from credit_lab.scoring import Scorecard
from tests.faults import targets
from tests.ledgers import invoice, payment
from tests.test_report import PARAMETERS, notebook

PACKAGE = Path(__file__).parents[2] / "credit_lab"


@pytest.mark.parametrize("name", targets.TARGETS)
def test_the_kept_inputs_are_taken_or_refused(name):
    seed = targets.TARGETS[name][0]
    inputs = [path.read_bytes() for path in targets.corpus(name)]
    inputs += [(targets.ROOT / seed).read_bytes()] if seed else []
    inputs += [bytes([200, *range(k, k + 30)]) for k in range(0, 220, 4)] if seed else []
    for data in [b"", b"\xff\xfe\x00", b"\x00" * 99, *inputs]:
        targets.attack(name, data)
    assert inputs


# What a settings file may do to its reader, and words of the refusal.
ENDLESS = {
    "a million keys": ("".join(f"k{n} = 1\n" for n in range(1_000_000)), "more than 1,000,000 bytes"),
    "a name of 400,000 parts": ("[" + ".".join("a" * 400_000) + "]", "more than 200 dots"),
    "brackets without end": ("x = " + "[" * 100_000, "no valid TOML"),
    "a number of 5,000 digits": ("x = " + "9" * 5_000, "no valid TOML"),
    "no text at all": (b"\xff\xfe\x00\x01", "no valid TOML"),
}
LOADERS = (policies.load, mapping.load, claims.load_claims, registration.load, register.load_mapping)


@pytest.mark.parametrize("what", ENDLESS)
def test_endless_settings_are_refused_at_once(tmp_path, what):
    content, words = ENDLESS[what]
    path = tmp_path / "settings.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    for load in LOADERS:
        with pytest.raises(CreditLabError, match=words):
            load(path)


def test_settings_that_are_a_folder_or_no_path_are_refused(tmp_path):
    for load in LOADERS:
        for path in (tmp_path, "a\0b", tmp_path / "none.toml"):
            with pytest.raises(CreditLabError):
                load(path)


def test_claims_and_registrations_of_the_wrong_kind_are_refused(tmp_path):
    path = tmp_path / "x.toml"
    for text in ("claim = 1", "[claim]\na = 1", "[claim.a]\nleast = 'x'\n"):
        path.write_text(text)
        with pytest.raises(CreditLabError):
            claims.load_claims(path)
    good = (targets.ROOT / targets.SEEDS / "registration.toml").read_text()
    line = next(one for one in good.splitlines() if one.startswith("policy_diff"))
    path.write_text(good.replace(line, "policy_diff = [1, 2]"))
    with pytest.raises(CreditLabError, match="list of texts"):
        registration.load(path)


def test_comparisons_that_are_no_numbers_are_refused(tmp_path):
    """Two factors at weights of 3 : 1, and what else may stand for the 1/3."""
    factors = "".join(
        f'[[factors]]\nfactor = "{name}"\ntitle = "{name}"\ngroup = "g"\npart = "capability"\n'
        'anchors = { 0 = "bad", 10 = "good" }\n'
        for name in "ab"
    )
    head = 'name = "t"\nsource = "s"\nlow = 0\nhigh = 10\n[weights]\nmethod = "ahp"\nfactors = ["a", "b"]\n'
    path = tmp_path / "t.toml"

    def load(cell):
        path.write_text(f"{head}matrix = [[1, 3], [{cell}, 1]]\n{factors}")
        return experts.load_template(path).factors.set_index("factor")["weight"].tolist()

    assert load('"1/3"') == pytest.approx([0.75, 0.25])
    texts = ("!1/2", "1/0", "1e999999999", "9/1e9", "-1/3", "", "\u0661/3")
    for cell in (*(f'"{text}"' for text in texts), "nan", "inf", "1e400", "0"):
        with pytest.raises(CreditLabError):
            load(cell)


def test_a_card_of_the_wrong_shape_is_refused(tmp_path):
    plain = json.loads((targets.ROOT / targets.SEEDS / "card.json").read_text())
    for key, value in (("base_points", "x"), ("points", {"x": ["a"]}), ("coefficients", 5), ("features", [])):
        path = tmp_path / "card.json"
        path.write_text(json.dumps({**plain, key: value}))
        with pytest.raises(CreditLabError):
            Scorecard.load(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(CreditLabError, match="cannot be read"):
        Scorecard.load(path)
    path.write_text("[" * 100_000)
    with pytest.raises(CreditLabError, match="not a scorecard"):
        Scorecard.load(path)


def test_a_ledger_without_currency_is_refused_with_the_way_out(write_ledger):
    rows = [{key: value for key, value in one.items() if key != "currency"} for one in (invoice(), payment())]
    folder = write_ledger(invoices=rows[:1], payments=rows[1:])
    with pytest.raises(LedgerError, match=r"required column 'currency' is missing .*constant = 'EUR'"):
        ledger.read(folder)


def workbook(path, sheet):
    """An XLSX file with this XML as its sheet."""
    whole = io.BytesIO()
    pd.DataFrame({"a": [1]}).to_excel(whole, index=False)
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for one in old.infolist():
            new.writestr(one.filename, sheet if one.filename.endswith("sheet1.xml") else old.read(one))
    return path


SHEET = (
    "<worksheet xmlns='http://schemas.openxmlformats.org/spreadsheetml/2006/main'><sheetData>{}</sheetData></worksheet>"
)


def test_bombs_and_far_cells_are_refused_before_they_are_unpacked(tmp_path, monkeypatch):
    bomb = workbook(tmp_path / "bomb.xlsx", SHEET.format(" " * 100_000_000))
    assert bomb.stat().st_size < 200_000
    far = "<row r='1'><c r='XFD1'><v>1</v></c></row><row r='1048576'><c r='A1048576'><v>1</v></c></row>"
    deep = "<row r='999999999'><c><v>1</v></c></row>"
    laughs = "<!DOCTYPE x [" + "<!ENTITY a0 'ha'>" + "".join(
        f"<!ENTITY a{k} '{f'&a{k - 1};' * 10}'>" for k in range(1, 12)
    ) + "]>" + SHEET.format("<row><c t='inlineStr'><is><t>&a11;</t></is></c></row>")  # fmt: skip
    for name, path, words in (
        ("bomb", bomb, "MB unpacked from"),
        ("far", workbook(tmp_path / "far.xlsx", SHEET.format(far)), "spans 1,048,576 rows and 16,384 columns"),
        ("deep", workbook(tmp_path / "deep.xlsx", SHEET.format(deep)), "spans 999,999,999 rows"),
        ("laughs", workbook(tmp_path / "laughs.xlsx", laughs), "no readable XLSX"),
    ):
        with pytest.raises(LedgerError, match=words):
            ledger.read(path)
            pytest.fail(name)
    (tmp_path / "z").mkdir()
    with gzip.open(tmp_path / "z" / "invoices.csv.gz", "wb") as packed:
        packed.write(b"a,b\n" + b"1,2\n" * 25_000_000)
    with pytest.raises(LedgerError, match="MB unpacked from"):
        delimited.read(tmp_path / "z" / "invoices.csv.gz")
    pd.DataFrame({"a": range(3)}).to_parquet(tmp_path / "p.parquet")
    monkeypatch.setattr(limits, "MOST_ROWS", 2)
    with pytest.raises(LedgerError, match="3 rows; more than 2 are refused"):
        sources.parquet(tmp_path / "p.parquet")


def test_heads_of_columns_may_be_numbers_and_dates(tmp_path):
    frame = pd.DataFrame([["a", "b", "c"]], columns=[2024, pd.Timestamp("2024-01-31"), 1.5])
    frame.to_excel(tmp_path / "x.xlsx", index=False)
    sheet = sources._workbook(tmp_path / "x.xlsx")["Sheet1"]()
    assert sheet.columns.tolist() == ["2024", "2024-01-31 00:00:00", "1.5"]
    pd.DataFrame([["a", "b"]], columns=["1", 1]).to_excel(tmp_path / "x.xlsx", index=False)
    with pytest.raises(LedgerError, match="two columns are both named '1'; rename one"):
        sources._workbook(tmp_path / "x.xlsx")["Sheet1"]()


def test_days_of_other_ages_in_parquet_are_refused(tmp_path):
    """10^15 milliseconds are 31,688 years, from 1970 on the year 33658."""
    pq.write_table(pa.table({"issue_date": pa.array([0, None, 10**15], pa.timestamp("ms"))}), tmp_path / "p.parquet")
    with pytest.raises(LedgerError, match="'issue_date' holds dates outside the years 1 to 9999"):
        sources.parquet(tmp_path / "p.parquet")


def test_sound_packed_files_pass(tmp_path):
    frame = pd.DataFrame({"a": [str(n) for n in range(30_000)]})
    frame.to_csv(tmp_path / "x.csv.gz", index=False)
    assert delimited.read(tmp_path / "x.csv.gz")["a"].tolist() == frame["a"].tolist()
    frame[:100].to_excel(tmp_path / "x.xlsx", index=False)
    assert len(sources._workbook(tmp_path / "x.xlsx")["Sheet1"]()) == 100


def test_nothing_that_can_run_code_is_ever_loaded():
    """No pickle, no YAML, no eval: models and settings are JSON and TOML."""
    names = {"pickle", "cPickle", "dill", "cloudpickle", "yaml", "shelve", "marshal"}
    calls = {"eval", "exec", "read_pickle", "to_pickle", "__import__"}
    used_of = {("joblib", "load"), ("joblib", "dump"), ("np", "fromfile")}
    found = []
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            used = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            used += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found += [f"{file.name}: {one}" for one in used if one.partition(".")[0] in names]
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                owner = getattr(getattr(node.func, "value", None), "id", "")
                found += [f"{file.name}: {owner}.{name}"] if (owner, name) in used_of else []
                pickled = [one for one in node.keywords if one.arg == "allow_pickle"]
                found += [f"{file.name}: {name}"] if name in calls or pickled else []
    assert found == []


CODE = (
    '"; open("{0}", "w"); x = "', "'; open('{0}', 'w'); '", '\\"; open(\\"{0}\\", \\"w\\") #',
    '"""\nopen("{0}", "w")\n"""',
    "\n!touch {0}", "\n%run {0}", "{{out.__class__}}", "$(touch {0})", "\u2028open('{0}', 'w')",
    "\r\nopen('{0}', 'w')\r\n",
)  # fmt: skip


def test_code_in_parameters_stays_text_and_strange_names_are_refused(tmp_path):
    names = [f"p{k}" for k in range(len(CODE))]
    lines = "\n".join(f'{name}: str = ""' for name in [*names, "out"])
    source = notebook(tmp_path / "n.ipynb", lines, "import json\nprint(json.dumps([" + ", ".join(names) + "]))")
    given = {name: text.format(tmp_path / "opened") for name, text in zip(names, CODE, strict=True)}
    made = runs.report(source, given, tmp_path / "r", title="T", progress=False)
    book = nbformat.read(made.folder / "n.ipynb", as_version=4)
    assert json.loads(book.cells[-1].outputs[0]["text"]) == list(given.values())
    assert not (tmp_path / "opened").exists()
    for name in ("import os", "out; x", "__class__", "out\nx"):
        with pytest.raises(ReportError, match="has no parameter"):
            runs.report(source, {name: 1}, tmp_path / "r", title="T", progress=False)


def test_braces_in_a_folder_are_braces(tmp_path):
    """papermill puts parameters into paths that hold names in braces."""
    source = notebook(tmp_path / "n.ipynb", PARAMETERS, "amount")
    made = runs.report(source, {}, tmp_path / "{amount.__class__}" / "{", title="T", progress=False)
    assert made.html == tmp_path / "{amount.__class__}" / "{" / "n.html"
    assert made.html.exists()


@pytest.mark.parametrize(
    "text",
    [
        "../../x",
        "2025Q4/../../x",
        "/etc/passwd",
        "2025Q4\n",
        "2025Q4\0",
        "..",
        "0000",
        "9999Q4",
        "0001Q1",
        "2025Ｑ4",
        "٢٠٢٥",
    ],
)
def test_a_period_leads_nowhere_else(text):
    with pytest.raises(PeriodError):
        periods.parse_period(text)


def test_formulas_stay_text_in_csv_and_workbook(tmp_path):
    texts = ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "a\r=1", '=HYPERLINK("http://x")', " =1"]
    show.save({"t": pd.DataFrame({"name": texts, "=head": 1})}, tmp_path)
    lines = pd.read_csv(tmp_path / "t.csv", keep_default_na=False)
    assert not [text for text in [*lines["name"], *lines.columns] if text.lstrip(" ")[:1] in tuple("=+-@\t\r")]
    assert len(lines) == len(texts)  # no cell became a row
    book = {"invoices": pd.DataFrame({"invoice_id": texts})}
    ledger.write(book, tmp_path / "w.xlsx")
    cells = openpyxl.load_workbook(tmp_path / "w.xlsx")["invoices"]["A"][1:]
    assert {cell.data_type for cell in cells} <= {"s", "inlineStr"}


def test_a_policy_named_as_markup_is_text(tmp_path):
    path = tmp_path / "<script>.toml"
    path.write_text("x = 1")
    with pytest.raises(PolicyError, match="unknown key"):
        policies.load(path)
