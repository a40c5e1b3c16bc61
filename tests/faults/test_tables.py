"""The short version of suite_tables: every table in every state, every command and notebook on every day."""

import pytest

from tests.faults import grid, suite_tables


def test_no_command_or_notebook_ends_in_a_traceback_for_want_of_rows():
    cells = grid.chosen(seed=1)
    assert {(cell.table, cell.state) for cell in cells} == {(t, s) for t in grid.TABLES for s in grid.STATES}
    assert {cell.run for cell in cells} == {*grid.COMMANDS, *grid.notebooks()}
    found, defects = suite_tables.attacked(cells)
    assert defects == []
    assert found["answered"] > found["refused"] > 0


@pytest.mark.parametrize("state", [("assessments", "rows only later"), ("contracts", "header only")])
def test_real_commands_end_without_a_traceback(state):
    assert suite_tables.commands([state]) == []
