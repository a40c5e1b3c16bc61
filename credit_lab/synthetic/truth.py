"""What only the maker knows: customers' true behaviour, the effect of the policy change, the settings."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from credit_lab.synthetic.chance import Chance
from credit_lab.synthetic.customers import NEVER, Population, cycle
from credit_lab.synthetic.documents import World, balances, monthly
from credit_lab.synthetic.firm import Firm, Floats, Ints

RUNS = ("any day", "monday", "tuesday", "wednesday", "thursday", "friday", "10th and 25th", "25th")


def customers(firm: Firm, people: Population) -> pd.DataFrame:
    """One row per customer; see `Sample`."""
    grades = pd.DataFrame([dataclasses.asdict(grade) for grade in firm.grades])
    mine = grades.iloc[people.grade].reset_index(drop=True)
    share = 1 - (1 - mine["late_share"]) ** people.habit
    ends = firm.dates(np.minimum(people.default, firm.days))
    treated = firm.dates(np.minimum(people.treated, firm.days * 10))
    return pd.DataFrame(
        {
            "customer_id": people.table["customer_id"],
            "grade": mine["grade"],
            "pd_12m": mine["pd"],
            "hazard": people.hazard.round(8),
            "at_risk_from": firm.dates(np.maximum(people.onboarded, 0)),
            "default_on": ends.where(people.default < NEVER),
            "habit": people.habit.round(6),
            "late_share": share.round(6),
            "mean_delay": (mine["mean_delay"] * people.habit).round(4),
            "payment_run": np.array(RUNS)[people.run],
            "treated_on": treated.where(people.treated < NEVER),
        }
    )


def effect(firm: Firm, chance: Chance, world: World, without: World) -> pd.DataFrame:
    """Monthly series of the two worlds; see `Sample`."""
    happened, otherwise = _series(firm, world), _series(firm, without)
    ends = firm.dates(firm.edges[1:] - 1)
    both = happened.join(otherwise.add_suffix("_without"))
    both.insert(0, "month", ends)
    return both.assign(cycle=cycle(firm, chance).round(8))


def _series(firm: Firm, world: World) -> pd.DataFrame:
    flows = balances(firm, world)
    refused = world.ordered.refused
    open_, overdue = _open(firm, world)
    whole = {
        **flows,
        "open": open_,
        "overdue": overdue,
        "refused": monthly(firm, world.ordered.day[refused], world.ordered.cents[refused]),
    }
    frame = pd.DataFrame({name: value / 100 for name, value in whole.items()})
    return frame.assign(dso=_dso(firm, flows["balance"], flows["sales"]))


def _open(firm: Firm, world: World) -> tuple[Ints, Ints]:
    """Open invoices and their overdue part at each month end, by the last due date of each invoice."""
    made, books = world.made, world.books
    late = made.due + 30 * (made.parts - 1) + 1
    off = books.notes["matched"] < NEVER
    invoice = np.concatenate([books.matched["invoice"], books.notes["invoice"][off], books.write_offs["invoice"]])
    day = np.concatenate([books.matched["day"], books.notes["matched"][off], books.write_offs["day"]])
    cents = np.concatenate([books.matched["cents"], books.notes["cents"][off], books.write_offs["cents"]])
    open_ = monthly(firm, made.issue, made.cents) - monthly(firm, day, cents)
    overdue = monthly(firm, late, made.cents) - monthly(firm, np.maximum(day, late[invoice]), cents)
    return np.cumsum(open_), np.cumsum(overdue)


def _dso(firm: Firm, balance: Ints, sales: Ints) -> Floats:
    """Period-end DSO over three months: balance × days / sales; missing for the first two months."""
    quarter = np.convolve(sales, np.ones(3))[: firm.months]
    days = np.convolve(np.diff(firm.edges), np.ones(3))[: firm.months]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(quarter > 0, balance * days / quarter, np.nan)
    ratio[:2] = np.nan
    return ratio.round(6)


def settings(firm: Firm, seed: int) -> pd.DataFrame:
    """Every setting as name and value: change.delay_factor, grades.A.pd, collection.ladder.reminder.factor ..."""
    rows = [*_flat("", dataclasses.asdict(firm)), ("seed", seed)]
    return pd.DataFrame({"name": [name for name, _ in rows], "value": [str(value) for _, value in rows]}, dtype="str")


def _flat(prefix: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [pair for name, item in value.items() for pair in _flat(f"{prefix}.{name}".strip("."), item)]
    if isinstance(value, tuple | list):
        return [pair for item in value for pair in _flat(f"{prefix}.{item.get('grade') or item.get('action')}", item)]
    return [(prefix, "" if value is None else value)]
