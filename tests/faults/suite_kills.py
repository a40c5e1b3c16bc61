"""Kill -9 at random moments of everything that writes, `python -m tests.faults.suite_kills [--quick]`."""

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.faults import counting, kills
from tests.test_report_registry import CROWD

MUST_HOLD = "no half report, no damaged registry, no stray process, the next run succeeds"


def run(counts: counting.Counts, quick: bool) -> None:
    """Registry, exchange of reports, then whole commands."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        since, many = time.monotonic(), 20 if quick else 150
        crowd = CROWD.replace("kills < 20", f"kills < {many}")
        said = subprocess.run(
            [sys.executable, "-c", crowd, str(folder / "registry.sqlite")], capture_output=True, text=True, check=False
        )
        sound = said.returncode == 0 and kills.sound(folder / "registry.sqlite")
        counts.add("kill -9 while runs are entered in the registry", MUST_HOLD, many, int(not sound), since=since)
        since, many = time.monotonic(), 20 if quick else 300
        wrong, _ = kills.exchanges(folder, many)
        counts.add("kill -9 while a report is put in place", MUST_HOLD, many, wrong, since=since)
        for command, count in (("review", 20), ("backtest", 20), ("simulate", 20)):
            since = time.monotonic()
            out = folder / command
            out.mkdir()
            found = kills.command(command, out, 2 if quick else count, random.Random(1))
            remark = "; ".join(found)
            counts.add(
                f"kill -9 of {command}", MUST_HOLD, 2 if quick else count, len(found), since=since, remark=remark
            )


if __name__ == "__main__":
    counting.main("Killed at any moment", run)
