"""Public functions, classes and methods are reached from a command, a notebook, an example of the documentation, a
benchmark or a tool, through whatever these call. Tests do not count, nor does being offered by a package's `__init__`,
nor prose that names a function: nobody runs it."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Public names that nothing reaches yet, each with the work that will; what they call is kept with them.
LIMITS = "the limit decision, which anchors default probabilities to a long-run rate"
COLLECTORS = "the collectors' day's work"
KEPT = {
    "scoring.calibrate.anchored": LIMITS,
    "scoring.calibrate.long_run_rate": LIMITS,
    "collection.worklist.when_to_stop": COLLECTORS,
    "collection.worklist.Outside": COLLECTORS,
    "collection.worklist.monthly_probability": COLLECTORS,
    "collection.worklist.stop_pursuit_age": COLLECTORS,
    "monitoring.statements.read_statement": COLLECTORS,
}
# Methods of classes of the standard library that are made stricter here: it calls them.
INHERITED = {"ledger.limits.Gunzip.read1", "ledger.limits.Gunzip.readinto"}
# Decorators under which a method waits for a call by its name; others (validators) hand it to somebody.
PLAIN = {"property", "cached_property", "staticmethod", "classmethod"}
Definition = tuple[str, str]  # module; name, or Class.name


class Package:
    """The modules of a package, by name, and what the names in them stand for."""

    def __init__(self, files: dict[str, str]) -> None:
        self.trees = {module: ast.parse(text) for module, text in files.items()}
        self.names: dict[str, dict[str, str | Definition]] = {}
        packages = {name for name in files if any(other.startswith(f"{name}.") for other in files)}
        for module in sorted(files, key=lambda name: name not in packages):  # first those that hand names on
            self.names[module] = self.imported(self.trees[module])

    def imported(self, tree: ast.AST) -> dict[str, str | Definition]:
        """Name → module, or definition of the package, for what a file imports."""
        found: dict[str, str | Definition] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("credit_lab"):
                found |= {one.asname or one.name: self.within(str(node.module), one.name) for one in node.names}
            elif isinstance(node, ast.Import):
                for one in node.names:
                    top = one.name.split(".")[0]
                    found[one.asname or top] = one.name if one.asname else top
        return found

    def within(self, module: str, name: str) -> str | Definition:
        """What `module.name` stands for: what a package hands on, a module, or a definition."""
        handed_on = self.names.get(module, {}).get(name)
        whole = f"{module}.{name}"
        if isinstance(handed_on, tuple):
            return handed_on
        return whole if whole in self.trees else (module, name)

    def used(self, part: ast.AST, module: str, known: dict[str, str | Definition]) -> Iterator[str | Definition]:
        """Definitions that a piece of code names, and every attribute and word in it as it stands."""
        bound = set[str]()
        if isinstance(part, ast.FunctionDef):
            bound = {one.arg for one in ast.walk(part) if isinstance(one, ast.arg)}
            bound |= {one.id for one in ast.walk(part) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}

        def meant(node: ast.AST) -> str | Definition | None:
            if isinstance(node, ast.Name):
                return known.get(node.id, (module, node.id)) if node.id not in bound else None
            before = meant(node.value) if isinstance(node, ast.Attribute) else None
            return self.within(before, node.attr) if isinstance(before, str) else None  # type: ignore[attr-defined]

        for node in ast.walk(part):
            if isinstance(node, ast.Name | ast.Attribute) and isinstance(found := meant(node), tuple):
                yield found
            if isinstance(node, ast.Attribute):
                yield node.attr
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                if node.value.isidentifier():
                    yield node.value  # getattr, a column made of a property
                elif code := re.search(r"(from|import) credit_lab\S* .*\(\)$", node.value):  # another process runs it
                    code = ast.parse(code[0])
                    yield from self.used(code, module, self.imported(code))


def definitions(package: Package) -> dict[Definition, ast.AST]:
    """Functions, classes (with all that is not called by name) and public methods."""
    found: dict[Definition, ast.AST] = {}
    for module, tree in package.trees.items():
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                found[module, node.name] = node
            elif isinstance(node, ast.ClassDef):
                called = [one for one in node.body if isinstance(one, ast.FunctionDef) and by_name(one)]
                found |= {(module, f"{node.name}.{one.name}"): one for one in called}
                rest = [one for one in node.body if one not in called]
                found[module, node.name] = ast.ClassDef(node.name, node.bases, [], rest, node.decorator_list)
    return found


def by_name(method: ast.FunctionDef) -> bool:
    marks = {ast.unparse(one).split("(")[0].split(".")[-1] for one in method.decorator_list}
    return not method.name.startswith("_") and marks <= PLAIN


def starting(package: Package) -> set[str | Definition]:
    """What is run from outside or when a module is loaded, by name."""
    found: set[str | Definition] = set()
    for file, tree in outside():
        found |= set(package.used(tree, file, package.imported(tree)))
    for module, tree in package.trees.items():
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                if any(re.search(r"\b(command|callback|method)\(", ast.unparse(one)) for one in node.decorator_list):
                    found.add((module, node.name))  # whoever wrote the decorator calls it
            elif not isinstance(node, ast.ClassDef) and not ast.unparse(node).startswith("__all__"):
                found |= set(package.used(node, module, package.names[module]))
    return found


def outside() -> Iterator[tuple[str, ast.Module]]:
    for file in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        yield file.name, ast.parse("\n".join("".join(one["source"]) for one in cells if one["cell_type"] == "code"))
    for folder in ("benchmarks", "tools"):
        for file in sorted((ROOT / folder).glob("*.py")):
            yield file.name, ast.parse(file.read_text(encoding="utf-8"))
    for file in [*ROOT.glob("README*.md"), *(ROOT / "docs").rglob("*.md")]:
        blocks = re.findall(r"```python[^\n]*\n(.*?)```", file.read_text(encoding="utf-8"), re.DOTALL)
        yield file.name, ast.parse("\n".join(blocks))


def unreached(package: Package, start: set[str | Definition]) -> set[str]:
    """Public definitions that nothing reaches, as `module.name` without `credit_lab.`.

    A function or class is reached where its name stands, as imports resolve it; a method where its class is and where
    its name stands as any attribute.
    """
    every = definitions(package)
    named, done = set(start), set[Definition]()
    while new := {one for one in every.keys() - done if reached(one, named, done)}:
        done |= new
        for module, name in new:
            named |= set(package.used(every[module, name], module, package.names[module]))
    left = {f"{module}.{name}".removeprefix("credit_lab.") for module, name in every.keys() - done}
    return {name for name in left if not re.search(r"(^|\.)_", name)} - INHERITED


def reached(one: Definition, named: set[str | Definition], done: set[Definition]) -> bool:
    owner, _, method = one[1].partition(".")
    return (one[0], owner) in done and method in named if method else one in named


def read() -> Package:
    files = {}
    for file in sorted((ROOT / "credit_lab").rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file.read_text(encoding="utf-8")
    return Package(files)


def test_every_public_name_is_reached_or_kept_for_named_work():
    package = read()
    start = starting(package)
    assert unreached(package, start) >= set(KEPT), "reached by now: take it off the list"
    kept = {("credit_lab." + module, name) for module, _, name in (one.rpartition(".") for one in KEPT)}
    assert unreached(package, start | kept) == set(), "nobody can run these: wire them in, or delete them"


def test_what_counts_as_reached():
    files = {
        "credit_lab": "",
        "credit_lab.a": "from credit_lab.a.b import offered, run\n__all__ = ['offered', 'run']",
        "credit_lab.a.b": """
def offered(): pass
def run(): return helper(One())
def helper(one): offered_by = one.told; return offered_by
class One:
    def told(self): pass
    def silent(self): pass
class Two:
    def told(self): pass
def same(): same_again()
def same_again(): same()
""",
        "credit_lab.a.c": "def offered(): pass\ndef other(): offered = 1; return offered",
    }
    start = {("credit_lab.a.b", "run"), ("credit_lab.a.c", "other")}
    lost = {"offered", "One.silent", "Two", "Two.told", "same", "same_again"}
    assert unreached(Package(files), start) == {*(f"a.b.{name}" for name in lost), "a.c.offered"}
    code = ast.parse("import credit_lab as cl\ncl.a.offered()\nfrom credit_lab.a import c\nc.other('same')")
    package = Package(files)
    named = set(package.used(code, "", package.imported(code)))
    assert {one for one in named if isinstance(one, tuple)} >= {
        ("credit_lab.a.b", "offered"),
        ("credit_lab.a.c", "other"),
    }
