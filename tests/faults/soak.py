"""Long runs: many reviews in one process, and one review of a very long ledger."""

import gc
import resource
import subprocess
import sys
from pathlib import Path

from credit_lab import ledger, studies
from credit_lab import policy as policies

ROOT = Path(__file__).parents[2]
POLICIES = ("2025-baseline", "2025-tighter", "2025-baseline")
# Reads a ledger and reviews it in a process of its own; prints seconds and the most memory it held, in MB.
ONE = """
import resource, sys, time
from credit_lab import ledger, policy, report
begun = time.monotonic()
book = ledger.read(sys.argv[1], beside=())  # checks every table, keeps those the review uses
found = studies.review.review(book, policy.load("data/policies/2025-baseline.toml"), sys.argv[2])
print(time.monotonic() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, len(book.invoices))
"""


def resident() -> float:
    """Memory held now, in MB."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def loop(quarters: list[str], rounds: int = 1) -> list[float]:
    """Review every quarter under three policies; memory after each review, in MB."""
    book = ledger.read(ROOT / "data" / "sample")
    rules = [policies.load(ROOT / "data" / "policies" / f"{name}.toml") for name in POLICIES]
    held = []
    for quarter in quarters * rounds:
        for rule in rules:
            studies.review.review(book, rule, quarter)
            held.append(resident())
    return held


def long_ledger(folder: Path, invoices: int) -> tuple[float, float, int]:
    """A review of a synthetic ledger of about so many invoices: seconds, most memory in MB, invoices."""
    make = [sys.executable, "-m", "credit_lab", "sample", "--invoices", str(invoices), "--format", "parquet"]
    subprocess.run([*make, "--out", str(folder / "long")], check=True, cwd=ROOT, capture_output=True)
    review = [sys.executable, "-c", ONE, str(folder / "long"), "2025Q4"]
    seconds, most, count = subprocess.run(review, check=True, cwd=ROOT, capture_output=True, text=True).stdout.split()
    return float(seconds), float(most), int(count)


def grown(held: list[float]) -> float:
    """Memory of the last quarter of the reviews against that of the second, as a share."""
    part = max(1, len(held) // 4)
    return sum(held[-part:]) / sum(held[part : 2 * part]) - 1
