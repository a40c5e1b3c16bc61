"""Compiled code on disk is never older than its source."""

import ast
import hashlib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def compiled_functions(path):
    tree = ast.parse(path.read_text())
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and any("njit" in ast.unparse(one) for one in node.decorator_list)
    }


def imports(path):
    """File of the package and what is taken from it, for each import of a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("credit_lab"):
            base = ROOT / node.module.replace(".", "/")
            for one in node.names:
                inside = base / f"{one.name}.py"
                yield (inside if inside.exists() else base.with_suffix(".py")), one.name


def test_files_that_compile_others_in_carry_their_hash():
    """numba looks at the file of a function only: a change in a file it takes in would go unnoticed after an update,
    so that file's line PARTS must change with it. Where this fails, put the hash it names into PARTS."""
    checked = 0
    for path in sorted((ROOT / "credit_lab").rglob("*.py")):
        taken = [pair for pair in imports(path) if pair[0].exists()] if compiled_functions(path) else []
        if not any(name in compiled_functions(file) for file, name in taken):
            continue
        checked += 1
        content = b"".join(file.read_bytes() for file in sorted({file for file, _ in taken}))
        line = f'PARTS = "{hashlib.sha256(content).hexdigest()[:12]}"'
        assert line in path.read_text(), f"{path.relative_to(ROOT)}: {line}"
    assert checked >= 1
