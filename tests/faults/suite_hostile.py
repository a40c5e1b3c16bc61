"""Faults and hostile input: the tests of their attacks, `python -m tests.faults.suite_hostile [--quick]`."""

from tests.faults import counting

ATTACKS = (
    ("tests/faults/test_faults.py", "full disk, folder nobody may write, clock set back, files that change while they "
     "are read, lost connection, lost worker, too little memory", "one message, exit code 1, nothing lost"),
    ("tests/faults/test_secrets.py", "passwords in URLs: in run.json, registry, notebooks, messages, tracebacks",
     "no password, not even a piece of one"),
    ("tests/faults/test_hostile.py", "bombs, endless settings, code in parameters, formulas in cells, names as markup",
     "refused with a message, or plain text"),
    ("tests/faults/test_paths.py", "names from options, settings and data that lead out of a folder",
     "nothing is written or read elsewhere"),
    ("tests/test_report_hostile.py", "names of customers as HTML, scripts, control characters and foreign scripts",
     "shown as text, in the page, its PDF and its tables"),
    ("tests/faults/test_machine.py", "booking, waiting, paying, looking back, recording in any order",
     "the books are the sum of their postings, to the cent"),
    ("tests/test_ledger_properties.py", "ledgers of any shape", "every row read, or held back with a reason; books in "
     "balance"),
)  # fmt: skip


if __name__ == "__main__":
    counting.main("Faults and hostile input", lambda counts, quick: counting.tests(counts, ATTACKS, quick))
