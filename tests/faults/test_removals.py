"""The short version of suite_removals: what rests on what a ledger does not hold is not known, everywhere."""

from tests.faults import removals, suite_removals


def test_what_rests_on_what_is_not_there_is_not_known():
    cells = removals.chosen()
    assert {capability for capability, _ in cells} == set(removals.REMOVED)
    assert {run for _, run in cells} >= {*removals.runs()} - removals.SCRIPT_ONLY
    drawn, defects = suite_removals.matrix(cells)
    print(drawn)
    assert defects == []
