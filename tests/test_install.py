"""`make setup` says what it does while pip is silent."""

import importlib.util
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytest.importorskip("pip")


@pytest.fixture
def tool(monkeypatch):
    spec = importlib.util.spec_from_file_location("install", ROOT / "tools" / "install.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    monkeypatch.setattr(made, "EVERY", 0.05)
    return made


def wheel(folder, name):
    """The smallest wheel pip takes."""
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", "")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")


def install(tool, folder, *lines):
    (folder / "wanted.txt").write_text("\n".join(lines))
    site = folder / "site"
    words = ["--no-index", "--find-links", str(folder), "--target", str(site), "-r", str(folder / "wanted.txt")]
    return tool.install(words), site


def test_before_during_and_after(tool, tmp_path, capfd):
    for name in ("first", "second"):
        wheel(tmp_path, name)
    lines = ["# two for this Python", "first==1.0", "second==1.0 ; python_version > '3'", "x==1 ; python_version < '3'"]
    code, site = install(tool, tmp_path, *lines)
    said = capfd.readouterr().out
    assert code == 0
    assert (site / "first.py").exists() and (site / "second.py").exists()
    first, *between, last = said.splitlines()
    assert first == "installing 2 packages with pip, which takes a few seconds"
    assert between and all("fetching: " in line or "installing: " in line for line in between)
    assert last.startswith("done in ")
    assert "\r" not in said  # a log has no line to draw over


def test_what_pip_says_of_an_error_is_shown_whole_and_its_code_is_kept(tool, tmp_path, capfd):
    code, _ = install(tool, tmp_path, "nonesuch==1.0")
    said = capfd.readouterr()
    assert code == 1
    assert "Could not find a version that satisfies the requirement nonesuch==1.0" in said.err
    assert "No matching distribution found for nonesuch==1.0" in said.err
    assert "exit code 1" in said.out.splitlines()[-1]


def test_packages_are_counted_wherever_pip_finds_them(tool):
    progress = tool.Progress(4)
    for line in (
        "Looking in indexes: https://example.org/simple",
        "Collecting jupyter_core==5.9 (from -r constraints.txt (line 3))",
        "  Using cached jupyter_core-5.9-py3-none-any.whl (29 kB)",
        "Processing /wheels/pandas-3.0.0-cp311-cp311-linux_x86_64.whl",
        "Requirement already satisfied: six==1.17.0 in ./site-packages (1.17.0)",
        "Collecting pandera[pandas]==0.30",
    ):
        progress.read(line)
    assert progress.seen == {"jupyter-core", "pandas", "six", "pandera"}
    assert progress.said().endswith("fetching: 4 of 4, pandera")
    progress.read("Installing collected packages: six, pandas")
    assert progress.said().endswith("installing: 0 of 2 packages are in place")


def test_long_installations_of_the_makefile_go_through_it():
    recipes = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    long = [line for line in recipes if " -r constraints" in line]
    assert len(long) == 3
    assert all("tools/install.py" in line for line in long)
