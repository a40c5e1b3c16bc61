"""Long runs, `python -m tests.faults.suite_soak [--quick]`: memory stays flat, and ten million invoices fit.

CREDIT_LAB_SOAK_INVOICES sets another length of the long ledger.
"""

import os
import tempfile
import time
from pathlib import Path

from tests.faults import counting, soak

QUARTERS = ["2024Q1", "2024Q2", "2024Q3", "2024Q4", "2025Q1", "2025Q2", "2025Q3", "2025Q4"]
FLAT, MOST = 0.05, 6_000  # share; MB


def run(counts: counting.Counts, quick: bool) -> None:
    """The loop, then the long ledger."""
    since = time.monotonic()
    held = soak.loop(QUARTERS[-2:] if quick else QUARTERS, rounds=1)
    share = soak.grown(held)
    remark = f"{held[0]:.0f} MB after the first, {held[-1]:.0f} MB after the last, {share:+.1%}"
    must = f"memory grows by less than {FLAT:.0%}"
    counts.add(f"reviews in one process, {len(held) // 3} quarters × 3 policies", must, len(held), int(share > FLAT),
               since=since, remark=remark)  # fmt: skip
    invoices = int(os.environ.get("CREDIT_LAB_SOAK_INVOICES", 100_000 if quick else 10_000_000))
    with tempfile.TemporaryDirectory() as folder:
        since = time.monotonic()
        seconds, most, count = soak.long_ledger(Path(folder), invoices)
        remark = f"{count:,} invoices, {most:,.0f} MB, {seconds:,.0f} s"
        counts.add("review of a long ledger", f"under {MOST:,} MB", 1, int(most > MOST), since=since, remark=remark)


if __name__ == "__main__":
    counting.main("Long runs", run)
