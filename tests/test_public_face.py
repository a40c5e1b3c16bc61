"""What a package shows: no name hides a module, `__all__` is true, and names on the pages resolve."""

import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import credit_lab
from credit_lab.rules import coverage

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "README.zh.md", *sorted((ROOT / "docs").rglob("*.md"))]
MODULES = [
    found for found in pkgutil.walk_packages(credit_lab.__path__, "credit_lab.") if not found.name.endswith("__main__")
]
PACKAGES = ["credit_lab", *(found.name for found in MODULES if found.ispkg)]


def test_no_name_of_a_package_hides_a_module():
    for found in MODULES:
        importlib.import_module(found.name)
    for found in MODULES:
        package, _, name = found.name.rpartition(".")
        shown = getattr(sys.modules[package], name)
        assert isinstance(shown, ModuleType), f"{found.name} is hidden by {shown}"


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_names_what_it_offers(name):
    package = importlib.import_module(name)
    assert package.__all__, name
    assert len(package.__all__) == len(set(package.__all__))
    assert [one for one in package.__all__ if not hasattr(package, one)] == []
    assert set(package.__all__) <= set(dir(package))
    with pytest.raises(AttributeError, match=f"{name} has no part 'bukkets'"):
        package.bukkets  # noqa: B018


def names_on_pages():
    """`x.y` and `cl.x.y` in code on the pages where x is a part of the package, without its "cl."."""
    parts = "|".join(credit_lab.__all__)
    spelled = re.compile(rf"\b(?:cl|credit_lab)\.((?:{parts})(?:\.\w+)+)|`((?:{parts})(?:\.\w+)+)[`(]")
    for page in PAGES:
        for found in spelled.finditer(page.read_text(encoding="utf-8")):
            yield found[1] or found[2]


FRESH = """
import sys
import credit_lab as cl
assert "numpy" not in sys.modules, "import credit_lab is not light"
for name in sys.argv[1:]:
    place = cl
    for part in name.split("."):
        if part not in getattr(place, "__dataclass_fields__", ()):  # a column of a record
            place = getattr(place, part)
"""
# Settings of a policy and what a ledger does are named like parts of the package.
NOT_PARTS = {"evaluation.scale", "ledger.up_to", "ledger.known_by", *coverage.settings()}


def test_names_on_the_pages_resolve_right_after_the_import():
    names = set(names_on_pages()) - NOT_PARTS
    assert {"ledger.read", "kpi.dso_bridge", "aging.vintage.vintages"} <= names
    wanted = sorted({*names, "aging.provision", "aging.roll_rates", "aging.vintage"})
    said = subprocess.run([sys.executable, "-c", FRESH, *wanted], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr


def test_names_that_are_not_parts_are_settings_and_methods():
    rules = credit_lab.policy.load(ROOT / "data/policies/2025-baseline.toml")
    assert hasattr(rules.limits, "rounding") and hasattr(rules.evaluation, "scale")
    assert hasattr(credit_lab.ledger.Ledger, "up_to") and hasattr(credit_lab.ledger.Ledger, "known_by")


def test_what_cl_offers_is_loaded_only_when_used():
    """A package is loaded without its neighbours: aging needs no numba, no plotting."""
    code = "import sys, credit_lab as cl; cl.aging.provision; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "credit_lab.aging.provision" in loaded
    assert not {"numba", "matplotlib", "credit_lab.kpi", "credit_lab.report"} & set(loaded)
