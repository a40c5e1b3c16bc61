"""The wheel outside of its source tree, the bill of materials and the licences."""

import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def supply():
    spec = importlib.util.spec_from_file_location("supply", ROOT / "tools" / "supply.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_pinned_package_has_hashes(supply):
    pins = supply.pinned(ROOT / "constraints.txt")
    assert len(pins) > 100 and all(hashes for _, hashes in pins.values())
    assert {"pandas", "numpy", "papermill"} <= pins.keys()


def test_the_bill_of_materials_names_what_is_installed(supply):
    made = supply.sbom()
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.5")
    parts = {one["name"]: one for one in made["components"]}
    import pandas

    assert parts["pandas"]["version"] == pandas.__version__
    assert parts["pandas"]["purl"] == f"pkg:pypi/pandas@{pandas.__version__}"
    known = {one["bom-ref"] for one in made["components"]} | {made["metadata"]["component"]["bom-ref"]}
    links = {one["ref"]: one["dependsOn"] for one in made["dependencies"]}
    assert set(links) == known and all(set(targets) <= known for targets in links.values())
    assert any(ref.startswith("pkg:pypi/numpy@") for ref in links[parts["pandas"]["bom-ref"]])
    assert json.dumps(made) == json.dumps(supply.sbom())


@pytest.mark.parametrize(
    ("said", "fine"),
    [("MIT", True), ("Apache-2.0 AND MIT", True), ("LGPL-3.0-only", True), ("GPL-3.0-only", False),
     ("GNU Affero General Public License v3", False), ("Proprietary", False), ("none stated", False)],
)  # fmt: skip
def test_licences_that_do_not_allow_passing_on_are_seen(supply, said, fine):
    assert bool(supply.ALLOWED.search(said)) == fine


def test_the_wheel_brings_a_workbench_along(tmp_path):
    """Built, installed where only other packages can be seen, run outside of the source tree."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    source = tmp_path / "source"  # a copy: building leaves files behind
    source.mkdir()
    for name in ("credit_lab", "notebooks", "data", "pyproject.toml", "README.md", "LICENSE"):
        (source / name).symlink_to(ROOT / name)
    options = ["--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path)]
    subprocess.run([*pip, "wheel", *options, str(source)], check=True, capture_output=True)
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    place = subprocess.run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
                           check=True, capture_output=True, text=True).stdout.strip()  # fmt: skip
    wheel = next(tmp_path.glob("*.whl"))
    subprocess.run([*pip, "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)], check=True)
    # the packages of this environment behind it, so that nothing has to be fetched
    Path(place, "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    work = tmp_path / "work"
    work.mkdir()

    def command(*words, cwd):
        return subprocess.run([python, "-m", "credit_lab", *words], cwd=cwd, env=clean, capture_output=True, text=True)

    lost = command("check", cwd=work)
    assert lost.returncode == 1 and "`credit-lab start my_lab` makes one" in lost.stderr
    assert command("start", "lab", cwd=work).returncode == 0
    again = command("start", "lab", cwd=work)
    assert again.returncode == 1 and "there already and not empty" in again.stderr
    found = command("check", "--as-of", "2025-12-31", "--json", cwd=work / "lab")
    assert found.returncode == 0 and json.loads(found.stdout)["ledger"] == "data/sample"
    listed = command("notebooks", "80", cwd=work / "lab")
    assert "80_quarterly_review" in listed.stdout
