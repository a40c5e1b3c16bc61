"""Optional tables without rows, `python -m tests.faults.suite_tables [--quick]`: the grid, then real commands.

The grid (`tests.faults.grid`) is run in one process; of each table and state one ledger also goes through a command of
its own process, where nothing is shared or left out.
"""

import collections
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.faults import counting, grid

MUST = "an answer, or a refusal in words; no other exception"


def attacked(cells: list[grid.Cell]) -> tuple[collections.Counter[str], list[str]]:
    """Answers and refusals by state, and a line for every defect."""
    found, defects = collections.Counter[str](), []
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "out").mkdir()
        for cell in cells:
            said = grid.attempt(cell, Path(folder))
            what = "answered" if not said else "refused" if said.startswith("refused: ") else "defect"
            found[what] += 1
            found[f"{cell.state} {what}"] += 1
            if what == "defect":
                defects.append(f"{cell}: {said.strip().splitlines()[-1]}\n{said}")
    return found, defects


def commands(states: list[tuple[str, str]]) -> list[str]:
    """Run one command a state, in turn, in processes of their own; a line for every one that ends in a traceback."""
    defects = []
    names = [name for name in grid.COMMANDS if name != "simulate"]
    with tempfile.TemporaryDirectory() as folder:
        for table, state in states:
            number = grid.TABLES.index(table) + grid.STATES.index(state)
            cell = grid.Cell(table, state, "within", names[number % len(names)])
            words = grid.words(cell, grid.ledger(Path(folder), table, state, "within"), Path(folder))
            done = subprocess.run(
                [sys.executable, "-m", "credit_lab", *words], cwd=grid.ROOT, capture_output=True, text=True
            )
            if done.returncode not in (0, 1) or "Traceback" in done.stderr:
                defects.append(f"{cell}: exit code {done.returncode}\n{done.stderr}")
    return defects


def run(counts: counting.Counts, quick: bool) -> None:
    """The grid by state, then the commands."""
    since = time.monotonic()
    cells = grid.chosen(1) if quick else list(grid.cells())
    found, defects = attacked(cells)
    for state in grid.STATES:
        answered, refused, failed = (found[f"{state} {what}"] for what in ("answered", "refused", "defect"))
        remark = f"{answered:,} answered, {refused:,} refused"
        attack = f"optional tables, {state}: {len(grid.TABLES)} tables × {len(grid.DAYS)} days × commands and notebooks"
        counts.add(attack, MUST, answered + refused + failed, failed, since=since, remark=remark)
    states = [(table, state) for table in grid.TABLES for state in grid.STATES]
    since = time.monotonic()
    ended = commands(states[:: 14 if quick else 1])
    counts.add("one command a table and state, each in a process of its own", MUST,
               len(states[:: 14 if quick else 1]), len(ended), since=since)  # fmt: skip
    for defect in [*defects, *ended]:
        print(defect, file=sys.stderr, flush=True)


if __name__ == "__main__":
    counting.main("Optional tables without rows", run)
