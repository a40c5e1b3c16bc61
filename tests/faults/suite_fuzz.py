"""Coverage-guided fuzzing of every front door, `python -m tests.faults.suite_fuzz`; needs atheris.

CREDIT_LAB_FUZZ_PYTHON names another interpreter that has it, CREDIT_LAB_FUZZ_SECONDS the time for each target.
"""

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from tests.faults import counting, targets

MUST_HOLD = "taken, or refused with a message"


def fuzzed(name: str, seconds: int) -> tuple[int, int, str]:
    """Inputs tried on a target, inputs that got something else out, and what was covered."""
    command = [os.environ.get("CREDIT_LAB_FUZZ_PYTHON", sys.executable), "tools/fuzz.py", name]
    options = [f"-max_total_time={seconds}", "-print_final_stats=1", f"-artifact_prefix=crash-{name}-"]
    said = subprocess.run([*command, *options], capture_output=True, text=True, cwd=targets.ROOT, check=False).stderr
    units = re.findall(r"stat::number_of_executed_units:\s*(\d+)", said)
    if not units:
        raise RuntimeError(f"{name} did not run:\n{said[-2000:]}")
    cover = re.findall(r"cov: (\d+)", said)[-1]
    return int(units[0]), int("SUMMARY:" in said), f"{cover} branches reached"


def run(counts: counting.Counts, quick: bool) -> None:
    """Every target for its time, two at once."""
    seconds = int(os.environ.get("CREDIT_LAB_FUZZ_SECONDS", 5 if quick else 260))
    started = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        for name, (tried, failed, remark) in zip(
            targets.TARGETS, pool.map(lambda one: fuzzed(one, seconds), targets.TARGETS), strict=True
        ):
            counts.add(f"hostile bytes: {name}", MUST_HOLD, tried, failed, remark=remark)
    print(f"{sum(row.tried for row in counts.rows):,} inputs in {time.monotonic() - started:,.0f} s")


if __name__ == "__main__":
    counting.main("Hostile input by coverage-guided fuzzing", run)
