"""The lists of packages speak of the same ones, and the wheel carries all files."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
OWN = next(Requirement(text) for text in EXTRAS["dev"] if text.startswith("credit_lab["))
TEXTS = [*PROJECT["dependencies"], *EXTRAS["dev"], *(text for extra in OWN.extras for text in EXTRAS[extra])]
WANTED = [Requirement(text) for text in TEXTS]
PINS = [
    Requirement(re.split(r"\s\\|\s--hash", line)[0])
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith((" ", "#"))
]


def test_every_requirement_is_pinned_within_its_range():
    for wanted in WANTED:
        if wanted.name == "credit_lab":
            continue
        pins = [pin for pin in PINS if canonicalize_name(pin.name) == canonicalize_name(wanted.name)]
        assert pins, f"{wanted.name} is not in constraints.txt"
        for pin in pins:
            version = next(iter(pin.specifier)).version
            assert wanted.specifier.contains(version), f"{wanted} against {pin}"


def test_pins_are_exact_hashed_and_name_no_host():
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert "://" not in text
    assert "index" not in text
    for pin in PINS:
        assert [spec.operator for spec in pin.specifier] == ["=="], pin
    assert text.count("--hash=sha256:") >= len(PINS)


def test_environment_yml_is_in_step():
    assert subprocess.call([sys.executable, ROOT / "tools" / "environment_yml.py", "--check"]) == 0
    listed = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    assert any(line.startswith("pandas >=3.0") for line in listed)
    for name in ("jupyterlab", "statsmodels", "scikit-learn", "matplotlib-base", "papermill", "nbval"):
        assert any(line.split()[0] == name for line in listed), name


PACKED = """
import json
from setuptools import Distribution
wheel = Distribution()
wheel.parse_config_files()
build = wheel.get_command_obj("build_py")
build.ensure_finalized()
data = [f"{folder}/{file}" for _, folder, _, files in build.get_data_files_without_manifest() for file in files]
print(json.dumps([data, wheel.packages]))
"""


def test_the_wheel_carries_every_file_beside_the_code():
    # in a process of its own: setuptools must be there before anything has imported distutils
    told = subprocess.run([sys.executable, "-c", PACKED], cwd=ROOT, capture_output=True, text=True, check=True)
    packed, packages = json.loads(told.stdout.splitlines()[-1])
    there = {path.relative_to(ROOT) for path in (ROOT / "credit_lab").rglob("*") if path.is_file()}
    wanted = {
        path for path in there if path.suffix != ".py" and "__pycache__" not in path.parts and path.name != "ruff.toml"
    }
    assert Path("credit_lab/locale/zh.po") in wanted
    assert {Path(file) for file in packed} == wanted
    code = {path.parent.as_posix().replace("/", ".") for path in there if path.suffix == ".py"}
    assert set(packages) >= code
