"""Attack the workbench on purpose and write docs/reliability.md: `python tools/torture.py [SUITE ...] [--page]`.

Runs the suites `tests/faults/suite_*.py` one after another (all, or those named), then writes the page from the counts
they left in tests/faults/results and from tests/faults/findings.toml. With --page only the page is written.
"""

import argparse
import json
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
FAULTS = ROOT / "tests" / "faults"
PAGE = ROOT / "docs" / "reliability.md"
HEAD = """# Reliability
A credit department stakes money on what this prints, so it is attacked on purpose. `make torture` runs the attacks
below and writes this page from what they counted; short versions of all of them run with `make test`.
"""


def page() -> str:
    """Text of docs/reliability.md."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((FAULTS / "results").glob("*.json"))]
    rows = [row for suite in found for row in suite["rows"]]
    tried, failed = (sum(row[name] for row in rows) for name in ("tried", "failed"))
    findings = tomllib.loads((FAULTS / "findings.toml").read_text(encoding="utf-8")).get("finding", [])
    count = len(findings)
    lines = [HEAD, f"**{tried:,} attacks, {failed:,} got through; {count} findings, each fixed with its test.**"]
    for suite in found:
        lines += [f"\n## {suite['title']}", "| Attack | Must hold | Tried | Failed | Remark |", "|---|---|--:|--:|---|"]
        lines += [
            f"| {row['attack']} | {row['must_hold']} | {row['tried']:,} | {row['failed']:,} | {row['remark']} |"
            for row in suite["rows"]
        ]
    lines += ["\n## Findings and fixes", "| Found | Fixed by | Kept by |", "|---|---|---|"]
    lines += [f"| {one['found']} | {one['fix']} | `{one['test']}` |" for one in findings]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the suites, write the page; exit code 1 when an attack got through."""
    known = {path.stem.removeprefix("suite_"): path for path in sorted(FAULTS.glob("suite_*.py"))}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", help=f"of {', '.join(known)}; all if none is named")
    parser.add_argument("--page", action="store_true", help="only write the page from the counts kept")
    chosen = parser.parse_args()
    failed = []
    for name in [] if chosen.page else chosen.suites or known:
        sys.stdout.write(f"== {name}\n")
        sys.stdout.flush()
        if subprocess.run([sys.executable, "-m", f"tests.faults.suite_{name}"], cwd=ROOT).returncode:
            failed.append(name)
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE.relative_to(ROOT)} written{'; failed: ' if failed else ''}{', '.join(failed)}\n")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
