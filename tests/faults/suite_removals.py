"""What a ledger cannot carry, `python -m tests.faults.suite_removals [--quick]`: every capability × everything.

Prints the matrix: s the run says so and gives what is left, r it refuses in words, x a defect.
"""

import sys
import tempfile
import time
from pathlib import Path

from tests.faults import counting, removals

MUST = "the reason in place of what rests on it; no 0, no green light, no grade, no traceback"


def matrix(cells: list[tuple[str, str]]) -> tuple[str, list[str]]:
    """The grid of capabilities and runs as text, and a line for every defect."""
    marks, defects = dict[tuple[str, str], str](), list[str]()
    with tempfile.TemporaryDirectory() as folder:
        whole = {run: removals.said("", run, Path(folder)) for run in dict.fromkeys(run for _, run in cells)}
        for capability, run in cells:
            found = removals.said(capability, run, Path(folder))
            wrong = removals.faults(capability, run, whole[run], found)
            defects += [f"{capability} × {run}: {line}" for line in wrong]
            marks[capability, run] = "x" if wrong else "r" if found.refused else "s"
    return _drawn(marks), defects


def _drawn(marks: dict[tuple[str, str], str]) -> str:
    names = [run for run in removals.runs() if any(run == of for _, of in marks)]
    width = max(map(len, removals.REMOVED))
    lines = [f"{at:2} {name}" for at, name in enumerate(names, start=1)]
    lines.append(" " * width + "".join(f"{at:3}" for at in range(1, len(names) + 1)))
    for capability in removals.REMOVED:
        cells = "".join(f"{marks.get((capability, name), '·'):>3}" for name in names)
        lines.append(f"{capability:<{width}}{cells}")
    return "\n".join(lines)


def run(counts: counting.Counts, quick: bool) -> None:
    """The whole grid, or what the tests of every day look at."""
    since = time.monotonic()
    cells = removals.chosen() if quick else removals.cells()
    drawn, defects = matrix(cells)
    print(drawn)
    attack = f"one of {len(removals.REMOVED)} capabilities taken away: commands and notebooks"
    counts.add(attack, MUST, len(cells), len(defects), since=since)
    for defect in defects:
        print(defect, file=sys.stderr, flush=True)


if __name__ == "__main__":
    counting.main("What a ledger cannot carry", run)
