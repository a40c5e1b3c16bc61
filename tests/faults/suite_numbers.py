"""Numbers, approvals and sharing: the tests of their attacks, counted for docs/reliability.md."""

import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml
from pathlib import Path

from tests.faults.counting import Counts, main

ROOT = Path(__file__).parents[2]
ATTACKS = (
    ("tests/test_numerics.py", "sums of 10^7 amounts, amounts of 10^15 minor units, odd calendars, data without "
     "information, other programs' figures", "the exact figure, or a refusal that names the cause"),
    ("tests/test_governance.py", "models approved by their author, without validation, after a failed one; register "
     "changed, cut, swapped, written at once", "refused with the line, nothing lost"),
    ("tests/test_privacy.py", "keys others may read, names within texts, small groups found as a rest, traces in all "
     "files of a run", "nothing that names a customer, a path or the key"),
)  # fmt: skip


def run(counts: Counts, quick: bool) -> None:
    """Run each file of tests, hypothesis with many examples unless `quick`."""
    profile = {} if quick else {"HYPOTHESIS_PROFILE": "thorough"}
    for file, attack, must_hold in ATTACKS:
        since = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder, "report.xml")
            command = [sys.executable, "-m", "pytest", "-q", file, f"--junitxml={report}"]
            subprocess.run(command, cwd=ROOT, env={**os.environ, **profile}, capture_output=True)
            suite = xml.parse(report).getroot()[0]
        failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        counts.add(attack, must_hold, int(suite.get("tests", 0)), failed, since=since, remark=f"`{file}`")


if __name__ == "__main__":
    main("Numbers, approvals and sharing", run)
