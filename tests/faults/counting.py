"""What a suite of attacks counted: rows for docs/reliability.md, kept as JSON in tests/faults/results.

A suite is a script `tests/faults/suite_NAME.py` that calls `main(TITLE, run)`; `run(counts, quick)` attacks and adds
a row for each kind of attack. `python -m tests.faults.suite_NAME [--quick]` prints its rows; without --quick they are
kept for the page, which `python tools/torture.py` writes.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


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
