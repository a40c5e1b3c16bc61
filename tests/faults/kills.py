"""SIGKILL at random moments, and what must be true afterwards."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from credit_lab.publish import registry
from tests.test_report_pack import processes

ROOT = Path(__file__).parents[2]
POLICIES = ["--policy", "data/policies/2025-baseline.toml", "--policy", "data/policies/2025-tighter.toml"]
# Command, its arguments, the folder of its report under --out, the longest time before it is killed (seconds).
COMMANDS = {
    "review": (["review"], "2025Q4", 25.0),
    "backtest": (["backtest", *POLICIES], "backtest", 25.0),
    "simulate": (["simulate", *POLICIES, "--report", "--replicates", "20", "--days", "180"], "simulation", 25.0),
}
# A folder of three files of one generation is exchanged for the next as fast as it goes, by children that are killed.
EXCHANGES = """
import os, random, signal, sys, time
from pathlib import Path
from credit_lab.publish.folder import swap

folder, kills = Path(sys.argv[1]), int(sys.argv[2])
target, aside, chance, wrong, seen = folder / "report", folder / ".aside", random.Random(1), 0, set()

def make(generation):
    aside.mkdir(exist_ok=True)
    for name in "abc":
        (aside / name).write_text(str(generation))
    swap(aside, target)

make(0)
for kill in range(kills):
    child = os.fork()
    if child == 0:
        generation = 1000 * kill
        while True:
            generation += 1
            make(generation)
    time.sleep(chance.uniform(0.0, 0.03))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    texts = {(target / name).read_text() if (target / name).exists() else "lost" for name in "abc"}
    wrong += len(texts) != 1 or "lost" in texts or "" in texts
    seen |= texts
print(wrong, len(seen))
"""


def exchanges(folder: Path, kills: int) -> tuple[int, int]:
    """Writers of a report killed while they put it in place: how often it was not whole, generations met."""
    command = [sys.executable, "-c", EXCHANGES, str(folder), str(kills)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    wrong, seen = map(int, said.stdout.split())
    return wrong, seen


def whole(report: Path) -> bool:
    """No report, or one with a run.json that says what it holds, and a page to its last tag."""
    if not report.exists():
        return True
    run = json.loads((report / "run.json").read_text(encoding="utf-8"))
    page = (report / run["notebook"]).with_suffix(".html").read_text(encoding="utf-8")
    tables = sorted(path.name for path in (report / "tables").glob("*.csv"))
    return page.rstrip().endswith("</html>") and tables == run["tables"]


def sound(path: Path) -> bool:
    """No registry, or one that SQLite and we can read."""
    if not path.exists():
        return True
    registry.runs(path)
    with closing(sqlite3.connect(path)) as base:
        return bool(base.execute("PRAGMA integrity_check").fetchone() == ("ok",))


def command(name: str, out: Path, kills: int, chance: random.Random) -> list[str]:
    """Kill a command `kills` times at random moments, then let it finish; what did not hold, in words."""
    arguments, report, longest = COMMANDS[name]
    line = [sys.executable, "-m", "credit_lab", *arguments, "--out", str(out), "--quiet"]
    environment = {**os.environ, "PACK_TEST": str(out)}
    wrong = []
    for kill in range(kills):
        run = subprocess.Popen(
            line,
            cwd=ROOT,
            env=environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(chance.uniform(0.0, longest))
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        end = time.monotonic() + 10
        while processes(out) and time.monotonic() < end:
            time.sleep(0.05)
        checks = {"a stray process": not processes(out), "half a report": whole(out / report),
                  "a damaged registry": sound(out / registry.NAME)}  # fmt: skip
        wrong += [f"kill {kill}: {what}" for what, held in checks.items() if not held]
    done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode or not whole(out / report) or not (out / report).exists():
        wrong.append(f"the next run failed: {done.stderr[-500:]}")
    left = [path.name for path in out.iterdir() if path.name.startswith(".")]
    return wrong + [f"left behind: {name}" for name in left]
