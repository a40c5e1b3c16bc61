"""The short version of suite_soak: memory of reviews in one process stays flat."""

from tests.faults import soak


def test_reviews_one_after_another_hold_no_memory():
    held = soak.loop(["2025Q4"])
    assert held[-1] < 1.05 * held[0]


def test_growth_is_seen():
    assert soak.grown([100, 100, 100, 100]) == 0
    assert soak.grown([100, 100, 105, 110]) > 0.05
