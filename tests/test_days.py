"""Days as people write them: every public function takes "2025-12-31" as it takes a Timestamp, and
refuses the rest in words."""

import dataclasses
import datetime
import inspect
import itertools
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

import credit_lab as cl
from credit_lab.errors import PeriodError
from credit_lab.periods import parse_date, parse_dates

ROOT = Path(__file__).parents[1]
# Rooms of a report and tools for the hand ask with days of `studies.when`; `language` writes dates.
INSIDE = {"studies", "figures", "publish", "cockpit", "language"}


def public(part):
    """Functions and methods a part offers: by `__all__` of a package, all those of a module."""
    names = getattr(part, "__all__", [name for name in vars(part) if not name.startswith("_")])
    for name in names:
        one = getattr(part, name)
        if isinstance(one, ModuleType):
            if hasattr(part, "__all__") and name not in INSIDE:
                yield from public(one)
        elif getattr(one, "__module__", "").startswith(part.__name__):
            if inspect.isclass(one):
                for key, method in vars(one).items():
                    if inspect.isfunction(method) and not key.startswith("_"):
                        yield f"{part.__name__}.{name}.{key}", method
            elif inspect.isfunction(one):
                yield f"{part.__name__}.{name}", one


def days_of(function):
    kinds = {name: one.annotation for name, one in inspect.signature(function).parameters.items()}
    return [name for name, kind in kinds.items() if kind in (pd.Timestamp, pd.Timestamp | None)]


DOORS = {name: one for name, one in public(cl) if days_of(one)}


WRITTEN = dict.fromkeys(("start", "first", "before", "since"), "2024-03-31")
WRITTEN |= dict.fromkeys(("end", "last", "now"), "2025-12-31")


def given(function, pool, days):
    """Arguments by name: the days, what the pool holds, and None for what else is asked for."""
    asked = {
        name: pool.get(name)
        for name, one in inspect.signature(function).parameters.items()
        if one.default is inspect.Parameter.empty and one.kind is not inspect.Parameter.VAR_KEYWORD
    }
    return {**asked, **days}


def outcome(function, arguments):
    """What comes of a call: its result, or its error in words."""
    try:
        return function(**arguments)
    except Exception as error:  # both ways of writing a day must end alike
        return f"{type(error).__name__}: {error}"


def assert_same(a, b):
    assert type(a) is type(b)
    if isinstance(a, pd.DataFrame):
        pd.testing.assert_frame_equal(a, b)
    elif isinstance(a, pd.Index):
        pd.testing.assert_index_equal(a, b)
    elif isinstance(a, pd.Series):
        pd.testing.assert_series_equal(a, b)
    elif dataclasses.is_dataclass(a):
        for one in dataclasses.fields(a):
            assert_same(getattr(a, one.name), getattr(b, one.name))
    elif isinstance(a, dict):
        assert list(a) == list(b)
        assert_same(list(a.values()), list(b.values()))
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_same(one, other)
    else:
        np.testing.assert_equal(a, b)


@pytest.fixture(scope="module")
def pool(sample):
    """What functions ask for besides days, by the name they give it; what lacks here is None."""
    policy = cl.policy.load(ROOT / "data/policies/2025-baseline.toml")
    flows = cl.kpi.monthly(sample, pd.Timestamp("2025-12-31"))
    sales = flows.set_index("month")["sales"]
    history = cl.history.build(sample, pd.Timestamp("2025-12-31"))
    settled = sample.invoices.set_index("invoice_id")
    return {
        **{"ledger": sample, "self": sample, "policy": policy, "currency": sample.currency},
        **{"flows": flows, "sales": sales, "losses": sales / 100, "series": sales},
        "index": sales.index,
        **{"history": history, "items": cl.aging.open_items(sample, pd.Timestamp("2025-12-31"))},
        **{"financials": sample.rows("financials"), "statements": sample.rows("financials")},
        **{"facts": sample.rows("facts"), "control": sample.rows("control"), "to": sample.currency},
        **{"issued": settled["issue_date"], "settled": settled["due_date"]},
        "rates": pd.DataFrame({"day": [], "currency": [], "rate": []}),
        "assessments": sample.rows("assessments"),
        "template": cl.evaluation.load_template(next((ROOT / "data/expert").glob("*.toml"))),
        "rules": cl.monitoring.contracts.Rules("A", 60, 60, True, 0.15),
        "register": cl.governance.Register(ROOT, (), {}, ""),
        **{"used": [], "action": "reminder", "column": "industry"},
        **{"count": 3, "months": 3, "tax_rate": 0.13},
    }


@pytest.mark.parametrize("name", DOORS)
def test_a_day_in_words_is_the_day(name, pool):
    function = DOORS[name]
    text = {key: WRITTEN.get(key, "2024-12-31") for key in days_of(function)}
    stamps = {key: pd.Timestamp(value) for key, value in text.items()}
    expected = outcome(function, given(function, pool, stamps))
    assert_same(outcome(function, given(function, pool, text)), expected)


NONSENSE = ["yesterday", "2025-02-30", 20251231, pd.NaT, pd.Timestamp("2025-12-31", tz="UTC")]


@pytest.mark.parametrize("name", DOORS)
def test_what_is_no_day_is_refused_in_words(name, pool):
    function = DOORS[name]
    days = dict.fromkeys(days_of(function), "2025-12-31")
    where = f"{function.__module__}.{function.__qualname__}".removeprefix("credit_lab.")
    for key, nonsense in itertools.product(days, NONSENSE):
        with pytest.raises(PeriodError, match=f"^{where}: {key} .*; write it as 2025-12-31$"):
            function(**given(function, pool, {**days, key: nonsense}))


def test_the_doors_are_found():
    found = {"aging.open_items", "kpi.days_to_pay", "ledger.Ledger.up_to", "history.build"}
    assert {f"credit_lab.{name}" for name in found} <= set(DOORS)
    assert len(DOORS) > 70


def test_several_days_and_days_of_records(sample):
    days = ["2025-06-30", "2025-12-31"]
    assert_same(cl.aging.series(sample, days), cl.aging.series(sample, pd.to_datetime(days)))
    assert cl.simulation.Span("2025-03-01").start == pd.Timestamp(2025, 3, 1)
    with pytest.raises(PeriodError, match=r"^series: as_of_dates 'today' is not understood"):
        cl.aging.series(sample, "today")
    with pytest.raises(PeriodError, match=r"^by_time: boundaries 3 is not understood"):
        next(cl.scoring.splits.by_time(pd.to_datetime(days), [3]))
    with pytest.raises(PeriodError, match=r"^simulation: start '2025' is not understood"):
        cl.simulation.Span("2025")


def test_what_a_day_may_be():
    """31 December 2025 in five ways; a time of day says nothing about the day."""
    day = datetime.date(2025, 12, 31)
    noon = datetime.datetime(2025, 12, 31, 12)
    ways = ["2025-12-31", day, noon, pd.Timestamp(noon), np.datetime64("2025-12-31T12")]
    assert parse_dates(ways) == [pd.Timestamp(2025, 12, 31)] * 5
    for nothing in (None, np.datetime64("NaT"), 1.5, [], "31.12.2025", "2025-12-31 12:00"):
        with pytest.raises(PeriodError, match=r"^when .* is not understood; write it as 2025-12-31"):
            parse_date(nothing, "when")
