"""The arrows of docs/architecture.md: imports point only downwards, and a few things are known in one place only."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "credit_lab"
ROWS = {
    "errors": 0, "money": 0, "periods": 0, "schema": 0, "summary": 0, "progress": 0, "toml_file": 0, "ids": 0,
    "file_names": 0, "compiled": 0, "spreadsheet": 0,
    "ledger": 1, "policy": 1, "synthetic": 1,
    "aging": 2, "kpi": 2, "payment_behaviour": 2, "history": 2, "investigation": 2, "financials": 2,
    "scoring": 3, "limits": 3, "collection": 3, "monitoring": 3, "transfer": 3, "simulation": 3, "evaluation": 3,
    "backtest": 4, "governance": 4,
    "report": 5, "cockpit": 6, "commands": 7, "__main__": 8,
}  # fmt: skip
# within a row: who may use whom
BESIDE = {
    "money": {"errors"}, "periods": {"errors"}, "schema": {"errors"}, "toml_file": {"errors"}, "file_names": {"errors"},
    "kpi": {"aging"}, "payment_behaviour": {"aging"}, "history": {"aging", "payment_behaviour"},
}  # fmt: skip


def imports(file):
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "credit_lab":
            parts = node.module.split(".")
            yield from [parts[1]] if len(parts) > 1 else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("credit_lab."))


def files():
    for file in sorted(PACKAGE.rglob("*.py")):
        part = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if part != "__init__":
            yield file, part


def test_every_module_has_a_row():
    assert {part for _, part in files()} <= set(ROWS)


def test_imports_point_downwards():
    wrong = [
        f"{file.relative_to(PACKAGE)} imports {target}"
        for file, part in files()
        for target in imports(file)
        if target in ROWS and target != part and not (ROWS[target] < ROWS[part] or target in BESIDE.get(part, ()))
    ]
    assert wrong == []


def mentions(*modules):
    for file, part in files():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            if any(name.split(".")[0] in modules for name in names):
                yield part, file.name


def test_only_figures_draw_and_only_run_knows_papermill():
    drawing = {file for _, file in mentions("matplotlib")}
    assert {part for part, _ in mentions("matplotlib")} == {"report"}
    assert all(file.startswith("figures") or file in ("canvas.py", "show.py") for file in drawing)  # show names a type
    assert set(mentions("papermill", "nbclient")) == {("report", "run.py")}
    assert set(mentions("nbconvert")) == {("report", "page.py")}
    assert set(mentions("weasyprint")) == {("report", "pdf.py")}
    assert {part for part, _ in mentions("ibis", "duckdb")} <= {"ledger", "aging", "scoring"}  # scoring: export


def test_files_and_functions_stay_readable():
    for file, _ in files():
        text = file.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 420, file
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                doc = ast.get_docstring(node, clean=False)
                own = node.end_lineno - node.lineno - (len(doc.splitlines()) if doc else 0)
                assert own <= 75, f"{file.name}:{node.name} has {own} lines"
