"""Write environment.yml for conda users from pyproject.toml, or with --check say whether it is in step."""

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Names that differ on conda-forge; what has extras on the package index is split there.
NAMES = {
    "matplotlib": ["matplotlib-base"], "duckdb": ["python-duckdb"], "ibis-framework": ["ibis-duckdb"],
    "playwright": ["playwright-python"],
}  # fmt: skip
POSTGRES = ["ibis-postgres", "postgresql"]


def environment() -> str:
    """Text of environment.yml: everything needed to use, test and develop the project."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [f"python {project['requires-python']}", "pip", "make"]
    extras = project["optional-dependencies"]
    own = next(item for item in extras["dev"] if item.startswith("credit_lab["))
    named = [extra for extra in own.split("[")[1].rstrip("]").split(",") if extra != "postgres"]
    wanted = [*project["dependencies"], *extras["dev"], *(item for extra in named for item in extras[extra])]
    for requirement in wanted:
        name = requirement.split("[")[0].split(">")[0]
        if name == "credit_lab":
            continue
        rest = requirement[len(requirement.split(">")[0]) :]
        lines += [f"{known} {rest}".strip() for known in NAMES.get(name, [name.lower()])]
    listed = "\n".join(f"  - {line}" for line in sorted(set(lines + POSTGRES)))
    return (
        "# Made by tools/environment_yml.py from pyproject.toml; `make test` checks that it is in step.\n"
        "# conda env create -f environment.yml && conda activate credit_lab && pip install --no-deps -e .\n"
        f"name: credit_lab\nchannels:\n  - conda-forge\ndependencies:\n{listed}\n"
    )


if __name__ == "__main__":
    target = ROOT / "environment.yml"
    if "--check" in sys.argv:
        sys.exit(target.read_text(encoding="utf-8") != environment())
    target.write_text(environment(), encoding="utf-8")
