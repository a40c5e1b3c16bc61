"""Customers: a true grade, a habit of paying, a day of default, and a place in the roll-out of the policy change."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab.synthetic.chance import Chance
from credit_lab.synthetic.firm import Bools, Firm, Floats, Ints
from credit_lab.synthetic.names import BASE, TRADES, companies, numbered

REGIONS = ("East", "South", "North", "Central", "West", "Northeast")
_REGION_SHARES = (0.34, 0.24, 0.16, 0.12, 0.09, 0.05)
_INDUSTRY_SHARES = (0.2, 0.12, 0.13, 0.18, 0.13, 0.1, 0.08, 0.06)
NEVER = 10**7  # a day after every end


@dataclass(frozen=True)
class Population:
    """Arrays over customers.

    grade: number in firm.grades; size: factor on order values; frequency: factor on order counts; habit: factor on
    delays; run: payment run (0 any working day, 1-5 weekly on a weekday, 6 the 10th and 25th, 7 the 25th); onboarded:
    day; treated: day from which the change acts (NEVER: not at all); default: day (NEVER: not in the data) in the
    world with the change and without it; hazard: expected defaults up to the end; cluster: legal group.
    """

    table: pd.DataFrame
    grade: Ints
    size: Floats
    frequency: Floats
    habit: Floats
    run: Ints
    onboarded: Ints
    treated: Ints
    default: Ints
    default_without: Ints
    hazard: Floats
    chinese: Bools

    def defaults(self, *, changed: bool) -> Ints:
        """Day of default in one of the two worlds."""
        return self.default if changed else self.default_without


def population(firm: Firm, chance: Chance) -> Population:
    """Draw the customers."""
    key = np.arange(firm.population)
    grade = chance.pick("grade", key, [item.share for item in firm.grades])
    size = np.exp(firm.demand.size_spread * chance.normal("size", key) - firm.demand.size_spread**2 / 2)
    newcomer = chance.uniform("newcomer", key) < firm.demand.newcomers
    onboarded = np.where(
        newcomer,
        np.floor(chance.uniform("onboarded", key) * firm.days * 0.8).astype(np.int64),
        -chance.integers("known since", key, 30, 3000),
    )
    cluster = _clusters(chance, key)
    treated = _treated(firm, chance, cluster)
    default, hazard = _defaults(firm, chance, grade, onboarded, treated)
    without = default
    if firm.change.hazard_factor != 1:
        without, _ = _defaults(firm, chance, grade, onboarded, np.full(len(key), NEVER))
    chinese = chance.uniform("script", key) < 0.4
    return Population(
        table=_table(firm, chance, size, onboarded, cluster, chinese),
        grade=grade,
        size=size,
        frequency=size**0.35 * np.exp(0.4 * chance.normal("frequency", key)),
        habit=np.exp(firm.settlement.habit_spread * chance.normal("habit", key)),
        run=np.where(
            (run := chance.pick("run", key, [0.4, 0.3, 0.22, 0.08])) == 1,
            chance.integers("weekday", key, 1, 5),
            np.array([0, 1, 6, 7])[run],
        ),
        onboarded=onboarded,
        treated=treated,
        default=default,
        default_without=without,
        hazard=hazard,
        chinese=chinese,
    )


def cycle(firm: Firm, chance: Chance) -> Floats:
    """Common factor on all default hazards per month: a slow wave (AR(1), 0.9) with mean one over the data."""
    shock = chance.normal("cycle", np.arange(firm.months))
    wave = np.zeros(firm.months)
    for month in range(1, firm.months):
        wave[month] = 0.9 * wave[month - 1] + np.sqrt(1 - 0.81) * shock[month]
    factor = np.exp(firm.settlement.cycle * wave)
    return factor / factor.mean()


def monthly_hazard(firm: Firm) -> Floats:
    """Default hazard per month of each grade at a common factor of one: −ln(1 − pd) / 12."""
    return -np.log1p(-np.array([grade.pd for grade in firm.grades])) / 12


def _clusters(chance: Chance, key: Ints) -> Ints:
    """Legal groups: about a sixth of the customers belong to one of two to four members; others are on their own."""
    grouped = chance.uniform("grouped", key) < 0.16
    groups = max(1, round(len(key) * 0.16 / 3))
    return np.where(grouped, chance.integers("group", key, 1, groups), -1 - key)


def _treated(firm: Firm, chance: Chance, cluster: Ints) -> Ints:
    """Day from which the change acts, by wave of the cluster."""
    key = cluster + len(cluster) + 1
    wave = chance.integers("wave", key, 0, firm.change.waves - 1)
    first = np.datetime64(pd.Timestamp(firm.change.on), "D")
    months = first.astype("datetime64[M]") + firm.change.wave_months * np.arange(firm.change.waves)
    starts = months.astype("datetime64[D]") + (first - first.astype("datetime64[M]").astype("datetime64[D]"))
    day = (starts - firm.first_day).astype(np.int64)[wave]
    return np.where(chance.uniform("untreated", key) < firm.change.untreated, NEVER, day)


def _defaults(firm: Firm, chance: Chance, grade: Ints, onboarded: Ints, treated: Ints) -> tuple[Ints, Floats]:
    """Day of default by inverting the cumulative hazard, and the cumulative hazard up to the end of the data."""
    daily = np.repeat(cycle(firm, chance) / np.diff(firm.edges), np.diff(firm.edges))
    total = np.concatenate([[0.0], np.cumsum(daily)])
    base = monthly_hazard(firm)[grade]
    since = np.maximum(onboarded, 0)
    turn = np.clip(treated, since, firm.days)
    factor = firm.change.hazard_factor
    before = base * (total[turn] - total[since])
    after = base * factor * (total[-1] - total[turn])
    target = chance.exponential("default", np.arange(len(grade)))
    with np.errstate(divide="ignore", invalid="ignore"):
        early = total[since] + target / base
        late = total[turn] + (target - before) / (base * factor)
    level = np.where(target <= before, early, late)
    level = np.where(target < before + after, level, np.inf)
    day = np.searchsorted(total, level, side="left")
    return np.where(day > firm.days - 1, NEVER, np.maximum(day, since)).astype(np.int64), before + after


def _table(firm: Firm, chance: Chance, size: Floats, onboarded: Ints, cluster: Ints, chinese: Bools) -> pd.DataFrame:
    key = np.arange(firm.population)
    industry = pd.Series(np.array(tuple(TRADES))[chance.pick("industry", key, _INDUSTRY_SHARES)], dtype="str")
    sizes = np.array(["micro", "small", "medium", "large"])[np.searchsorted([0.25, 0.8, 2.5], size)]
    group = numbered("G-", np.maximum(cluster, 0), 3).where(cluster > 0)
    return pd.DataFrame(
        {
            "customer_id": numbered("C-", key + 1, 4),
            "name": companies(BASE * (key // BASE) + key * 229 % BASE, industry, chinese),
            "group_id": group,
            "industry": industry,
            "region": np.array(REGIONS)[chance.pick("region", key, _REGION_SHARES)],
            "size_class": np.where(chance.uniform("public body", key) < 0.03, "public", sizes),
            "onboarded_on": firm.dates(onboarded),
        }
    )
