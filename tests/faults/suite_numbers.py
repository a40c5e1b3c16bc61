"""Numbers, approvals and sharing: the tests of their attacks, `python -m tests.faults.suite_numbers [--quick]`."""

from tests.faults import counting

ATTACKS = (
    ("tests/test_numerics.py", "sums of 10^7 amounts, amounts of 10^15 minor units, odd calendars, data without "
     "information, other programs' figures", "the exact figure, or a refusal that names the cause"),
    ("tests/test_governance.py", "models approved by their author, without validation, after a failed one; register "
     "changed, cut, swapped, written at once", "refused with the line, nothing lost"),
    ("tests/test_privacy.py", "keys others may read, names within texts, small groups found as a rest, traces in all "
     "files of a run", "nothing that names a customer, a path or the key"),
)  # fmt: skip


if __name__ == "__main__":
    counting.main("Numbers, approvals and sharing", lambda counts, quick: counting.tests(counts, ATTACKS, quick))
