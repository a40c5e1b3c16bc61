"""What a suite of attacks counted: rows for docs/reliability.md, kept as JSON in tests/faults/results.

A suite is a script `tests/faults/suite_NAME.py` that calls `main(TITLE, run)`; `run(counts, quick)` attacks and adds
a row for each kind of attack. `python -m tests.faults.suite_NAME [--quick]` prints its rows; without --quick they are
kept for the page, which `python tools/torture.py` writes.
"""

import argparse
import base64
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).parents[2]


@dataclass
class Row:
    """One kind of attack: how often it was tried, how often what must hold did not, seconds, and a remark."""

    attack: str
    must_hold: str
    tried: int
    failed: int
    seconds: float = 0.0
    remark: str = ""


@dataclass
class Counts:
    """All rows of a suite."""

    title: str
    rows: list[Row] = field(default_factory=list)

    def add(self, attack: str, must_hold: str, tried: int, failed: int, *, since: float = 0, remark: str = "") -> None:
        """Add a row and print it; `since` is the time.monotonic() at which the attack began."""
        seconds = round(time.monotonic() - since, 1) if since else 0.0
        row = Row(attack, must_hold, tried, failed, seconds, remark)
        self.rows.append(row)
        print(f"{attack}: {tried:,} tried, {failed:,} failed, {seconds:,.0f} s {remark}".rstrip(), flush=True)


def tests(counts: Counts, attacks: Iterable[tuple[str, str, str]], quick: bool) -> None:
    """A row for each file of tests: (file, attack, what must hold), hypothesis with many examples unless `quick`."""
    profile = {} if quick else {"HYPOTHESIS_PROFILE": "thorough"}
    for file, attack, must_hold in attacks:
        since = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder, "report.xml")
            command = [sys.executable, "-m", "pytest", "-q", file, f"--junitxml={report}"]
            done = subprocess.run(command, cwd=ROOT, env={**os.environ, **profile}, capture_output=True, text=True)
            if not report.exists():
                raise RuntimeError(f"{file} did not run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
            tried, failed, skipped = _counted(xml.parse(report).getroot()[0])
        remark = f"`{file}`" + (f", {skipped} not possible here" if skipped else "")
        counts.add(attack, must_hold, tried, failed, since=since, remark=remark)


def _counted(suite: xml.Element) -> tuple[int, int, int]:
    """Attacks tried, failed and skipped of a suite in JUnit's form: hypothesis counts by its examples, which it leaves
    among the properties, any other test is one; a skipped test tried nothing."""
    tests, failures, errors, skipped = (int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped"))
    tried = tests - skipped
    for one in suite.iter("property"):
        if one.get("name", "").startswith("hypothesis-statistics-"):
            said = base64.b64decode(one.get("value", "")).decode()
            pairs = re.findall(r"(\d+) passing(?: examples)?, (\d+) failing", said)
            tried += max(sum(int(count) for pair in pairs for count in pair) - 1, 0)
    return tried, failures + errors, skipped


def main(title: str, run: Callable[[Counts, bool], None]) -> None:
    """Run a suite from the command line; exit code 1 when something failed."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--quick", action="store_true", help="a few of each, nothing is kept")
    quick = parser.parse_args().quick
    counts = Counts(title)
    run(counts, quick)
    if not quick:
        name = Path(sys.argv[0]).stem.removeprefix("suite_")
        text = json.dumps(asdict(counts), indent=1, ensure_ascii=False)
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    sys.exit(any(row.failed for row in counts.rows))
