"""Compiled code on disk is never older than its source."""

import ast
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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
        if not any(name in compiled_functions(file) or file.parent.name == "rules" for file, name in taken):
            continue
        checked += 1
        files = {file for file, _ in taken}
        if any(file.parent.name == "rules" for file in files):  # rules name one another
            files |= set((ROOT / "credit_lab" / "rules").glob("*.py"))
        content = b"".join(file.read_bytes() for file in sorted(files))
        line = f'PARTS = "{hashlib.sha256(content).hexdigest()[:12]}"'
        assert line in path.read_text(), f"{path.relative_to(ROOT)}: {line}"
    assert checked >= 1


SMALL = "from credit_lab.compiled import njit\n\n\n@njit()\ndef doubled(x):\n    return 2 * x\n"


class ReadOnly:
    """A copy of the package that nobody may write to, a home and a folder for temporary files."""

    def __init__(self, folder):
        self.folder, self.temporary, self.home = folder, folder / "tmp", folder / "home"
        shutil.copytree(ROOT / "credit_lab", folder / "credit_lab", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "credit_lab" / "small.py").write_text(SMALL)
        for place in (self.temporary, self.home):
            place.mkdir()
        for place in (self.home, folder / "credit_lab", *(folder / "credit_lab").rglob("*")):
            place.chmod(place.stat().st_mode & 0o555)

    def python(self, code, **settings):
        """Run code as somebody for whom permissions hold; root would be let through."""
        here = {name: text for name, text in os.environ.items() if not name.startswith(("XDG", "NUMBA", "CREDIT"))}
        here |= {"PYTHONPATH": str(self.folder), "HOME": str(self.home), "TMPDIR": str(self.temporary), **settings}
        obeying = []
        if os.geteuid() == 0:
            if not shutil.which("setpriv"):
                pytest.skip("running as root without setpriv: permissions do not bind")
            obeying = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
        done = subprocess.run(
            [*obeying, sys.executable, "-P", *code], cwd=ROOT, env=here, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done


@pytest.fixture
def read_only(tmp_path):
    made = ReadOnly(tmp_path)
    yield made
    for place in (tmp_path / "credit_lab", *(tmp_path / "credit_lab").rglob("*")):
        place.chmod(0o755)


# A child as a worker or a kernel is: it inherits what was settled.
TWICE = """
import subprocess, sys
from credit_lab import compiled
compiled.settle()
child = "from credit_lab.small import doubled; print(doubled(21))"
print([subprocess.run([sys.executable, "-P", "-c", child], capture_output=True, text=True) for _ in range(2)])
"""


def test_a_read_only_installation_keeps_its_code_with_temporary_files(read_only):
    done = read_only.python(["-c", TWICE])
    assert done.stdout.count("stdout='42\\n', stderr=''") == 2
    kept = read_only.temporary / f"credit_lab-compiled-{os.getuid()}"
    assert done.stderr.count("\n") == 1
    assert f"so it goes to {kept}; set NUMBA_CACHE_DIR to a folder of your own" in done.stderr
    assert kept.stat().st_mode & 0o777 == 0o700
    assert list(kept.rglob("small.doubled*.nbc"))


def test_what_others_could_write_to_is_never_executed(read_only):
    place = read_only.temporary / f"credit_lab-compiled-{os.getuid()}"
    place.mkdir()
    place.chmod(0o777)
    done = read_only.python(["-c", TWICE])
    assert done.stdout.count("stdout='42\\n', stderr=''") == 2
    assert done.stderr.count("\n") == 1
    assert "so every run compiles anew" in done.stderr
    assert not list(place.iterdir())


def test_a_folder_of_ones_own_is_used_without_a_word(read_only, tmp_path):
    own = tmp_path / "own"
    assert read_only.python(["-c", TWICE], NUMBA_CACHE_DIR=str(own)).stderr == ""
    assert list(own.rglob("small.doubled*.nbc"))


def test_commands_work_from_a_read_only_installation(read_only):
    words = ["-m", "credit_lab", "limits", "--ledger", "data/sample", "--as-of", "2025-12-31"]
    done = read_only.python(words)
    assert "Limits after the review" in done.stdout
    assert done.stderr.count("compiled code cannot be kept") == 1


def test_nothing_is_compiled_elsewhere():
    """A function compiled by numba itself would stop a read-only installation again."""
    for path in (ROOT / "credit_lab").rglob("*.py"):
        if path.name != "compiled.py":
            assert "numba.njit" not in path.read_text(encoding="utf-8"), path
            assert "import njit" not in path.read_text(encoding="utf-8").replace("compiled import njit", ""), path
