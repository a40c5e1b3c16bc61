"""The house of docs/architecture.md: imports point only downwards, the plan names every module, and some things are
known in one place only."""

import ast
import functools
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "credit_lab"
PLAN = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").split("```")[1]
# within a row: who may use whom
BESIDE = {
    "aging": {"knowledge"},
    "file_names": {"errors"},
    "history": {"aging", "knowledge", "payment_behaviour"},
    "inputs": {"ledger", "policy"},
    "kpi": {"aging", "knowledge"},
    "labels": {"errors", "toml_file", "workbench"},
    "language": {"errors", "labels"},
    "lazy": {"errors"},
    "money": {"errors"},
    "payment_behaviour": {"aging", "knowledge"},
    "periods": {"errors"},
    "schema": {"errors"},
    "toml_file": {"errors"},
    "when": {"ledger"},
    "workbench": {"errors"},
}
# Rooms of a report: what was found, how it is drawn, what becomes of it.
ROOMS = ("studies", "figures", "publish")
# Only these ask for a report to be made; every other command asks a study.
REPORTING = {"pack.py", "reports.py", "runs.py"}


def drawn() -> tuple[dict[str, int], dict[str, set[str]]]:
    """The plan: row of each part, and modules of each package.

    A line of a row begins with its number and name; a package is a word ending in /, followed by its modules between
    points; what stands in brackets is a remark.
    """
    rows: dict[str, int] = {}
    modules: dict[str, set[str]] = {}
    row, package = -1, ""
    for line in re.sub(r"\([^)]*\)", "", PLAN).splitlines():
        if head := re.match(r" ?(\d+) [A-Z]+ +", line):
            row, package, line = int(head[1]), "", line[head.end() :]
        if row < 0:
            continue
        for word in re.findall(r"[a-z_0-9]+/?", line):
            if word.endswith("/"):
                package = word[:-1]
                rows[package], modules[package] = row, set()
            elif package:
                modules[package].add(word)
            else:
                rows[word] = row
    return rows, modules


ROWS, MODULES = drawn()


@functools.cache
def nodes(file: Path) -> list[ast.AST]:
    """All nodes of a file's syntax tree; several tests walk over every file of the package."""
    return list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))


def imports(file: Path):
    for node in nodes(file):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "credit_lab":
            parts = node.module.split(".")
            yield from [parts[1]] if len(parts) > 1 else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("credit_lab."))


def files():
    for file in sorted(PACKAGE.rglob("*.py")):
        part = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if part not in ("__init__", "__main__"):
            yield file, part


def test_the_plan_names_every_module_and_none_that_is_gone():
    there = {part: set() for _, part in files()}
    for file, part in files():
        if file.parent != PACKAGE and file.stem != "__init__":
            there[part].add(".".join(file.relative_to(PACKAGE / part).with_suffix("").parts))
    assert set(ROWS) == set(there)
    assert {part: names for part, names in there.items() if names} == MODULES


def test_imports_point_downwards():
    wrong = [
        f"{file.relative_to(PACKAGE)} imports {target}"
        for file, part in files()
        for target in imports(file)
        if target in ROWS and target != part and not (ROWS[target] < ROWS[part] or target in BESIDE.get(part, ()))
    ]
    assert wrong == []


def test_docstrings_say_the_row_of_the_plan():
    for file, part in files():
        said = re.match(r'"""Row (\d+)', file.read_text(encoding="utf-8"))
        assert not said or int(said[1]) == ROWS[part], file


def test_publishing_computes_nothing_and_knows_no_study():
    for file, part in files():
        known = set(imports(file))
        if part == "publish":
            assert not known & {"studies", "kpi", "aging", "history", "scoring", "limits", "simulation"}, file
        if part == "commands" and file.name not in REPORTING:
            assert "publish" not in known, file


def test_no_room_holds_more_than_a_tenth_of_the_lines():
    lines = {file: len(file.read_text(encoding="utf-8").splitlines()) for file, _ in files()}
    for room in ROOMS:
        own = sum(count for file, count in lines.items() if file.is_relative_to(PACKAGE / room))
        assert own <= sum(lines.values()) / 10, (room, own, sum(lines.values()))


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_needs_two_imports_besides_the_package_itself(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    modules = [node.module or "" for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom)]
    assert sum(module.split(".")[0] == "credit_lab" for module in modules) <= 2


def mentions(*modules):
    for file, part in files():
        for node in nodes(file):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            if any(name.split(".")[0] in modules for name in names):
                yield part, file.name


def test_only_figures_draw_and_only_run_knows_papermill():
    drawing = set(mentions("matplotlib"))
    assert {part for part, _ in drawing} <= {"figures", "publish"}
    assert {file for part, file in drawing if part == "publish"} == {"show.py"}  # it names a type
    assert set(mentions("papermill", "nbclient")) == {("publish", "run.py")}
    assert set(mentions("nbconvert")) == {("publish", "page.py")}
    assert set(mentions("weasyprint")) == {("publish", "pdf.py")}
    assert {part for part, _ in mentions("ibis", "duckdb")} <= {"ledger", "aging", "scoring"}  # scoring: export


def test_few_modules_know_the_environment_and_none_the_folder():
    """Those for which docs/architecture.md gives the reason; all else is handed over in calls."""
    asked = {"environ", "environb", "getenv", "putenv", "unsetenv", "chdir", "fchdir"}
    found = {}
    for file, _ in files():
        for node in nodes(file):
            names = [node.attr] if isinstance(node, ast.Attribute) else []
            if isinstance(node, ast.ImportFrom) and node.module == "os":
                names = [alias.name for alias in node.names]
            for name in asked & set(names):
                found.setdefault(name, set()).add(file.relative_to(PACKAGE).as_posix())
    known = {"compiled", "language", "ledger/database", "ledger/sharing", "ledger/snapshot"}
    known |= {"commands/lab", "commands/options"}
    assert found == {"environ": {f"{name}.py" for name in known}}


def test_files_and_functions_stay_readable():
    for file, _ in files():
        text = file.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 420, file
        for node in nodes(file):
            if isinstance(node, ast.FunctionDef):
                doc = ast.get_docstring(node, clean=False)
                own = node.end_lineno - node.lineno - (len(doc.splitlines()) if doc else 0)
                assert own <= 75, f"{file.name}:{node.name} has {own} lines"
