"""Customers with a true grade, a day of default and a payment habit of their own."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab.synthetic.firm import GRADES, Firm, Floats, Ints, draws, ids

INDUSTRIES = ("machinery", "food", "textiles", "electronics", "construction", "chemicals", "furniture", "logistics")
REGIONS = ("East", "South", "North", "West", "Central", "Northeast")
_FIRST = "Xinghe Yunfan Haitong Lanqiao Dongsheng Qingsong Jinhe Ruifeng Baichuan Mingde Yuanshan Lihua".split()  # noqa: SIM905
_SECOND = "Trading,Machinery,Foods,Textile,Electronics,Building Materials,Chemical,Furniture,Logistics".split(",")  # noqa: SIM905
_CHINESE = ("星河", "云帆", "海桐", "蓝桥", "东盛", "青松", "金禾", "瑞峰", "百川", "明德", "远山", "立桦")


@dataclass(frozen=True)
class Population:
    """Arrays over customers: grade number, order size, own delay factor, first day, day of default (−1: none)."""

    grade: Ints
    size: Floats
    delay: Floats
    onboarded: Ints
    default_day: Ints
    payday: Ints
    table: pd.DataFrame


def population(firm: Firm, seed: int) -> Population:
    """Draw the customers; a common factor moves all default hazards up and down over the years."""
    rng = draws(seed, "customers")
    count = firm.customers
    grade = rng.choice(len(GRADES), size=count, p=[grade.share for grade in GRADES])
    size = np.exp(rng.normal(0, 1.0, count) - 0.5)
    delay = np.exp(rng.normal(0, 0.35, count))
    newcomer = rng.random(count) < 0.15
    onboarded = np.where(newcomer, rng.integers(0, int(firm.days * 0.8), count), -rng.integers(1, 3000, count))
    payday = np.where(rng.random(count) < 0.6, rng.integers(0, 7, count), -1)
    default_day = _defaults(firm, seed, grade, onboarded)
    return Population(grade, size, delay, onboarded, default_day, payday, _table(firm, seed, size, onboarded))


def cycle(firm: Firm, seed: int) -> Floats:
    """Factor on all default hazards per month: a slow common wave with mean one."""
    shocks = draws(seed, "cycle").normal(0, 1, firm.months)
    wave = np.zeros(firm.months)
    for month in range(1, firm.months):
        wave[month] = 0.9 * wave[month - 1] + np.sqrt(1 - 0.81) * shocks[month]
    factor = np.exp(firm.cycle * wave)
    return factor / factor.mean()


def _defaults(firm: Firm, seed: int, grade: Ints, onboarded: Ints) -> Ints:
    """Day of default by inverting the cumulative hazard; −1 when it lies beyond the data."""
    yearly = -np.log1p(-np.array([grade.pd for grade in GRADES]))
    starts = np.datetime64(firm.start, "M") + np.arange(firm.months + 1)
    days = (starts.astype("datetime64[D]") - firm.first_day).astype(int)
    daily = np.repeat(cycle(firm, seed), np.diff(days)) / 365.0
    cumulative = np.concatenate([[0.0], np.cumsum(daily)])
    target = draws(seed, "default").exponential(size=firm.customers) / yearly[grade]
    target = target + cumulative[np.maximum(onboarded, 0)]
    day = np.searchsorted(cumulative, target)
    return np.where(day > firm.days - 1, -1, day).astype(np.int64)


def _table(firm: Firm, seed: int, size: Floats, onboarded: Ints) -> pd.DataFrame:
    rng = draws(seed, "attributes")
    count = firm.customers
    number = ids("C-", count, max(4, len(str(count))))
    grouped = rng.random(count) < 0.15
    group = np.where(grouped, rng.integers(1, max(2, count // 20), count), 0)
    group_id = pd.Series(np.where(group > 0, "G-" + pd.Series(group).astype("str").str.zfill(3), None), dtype="str")
    latin = np.array(_FIRST)[rng.integers(0, len(_FIRST), count)]
    trade = np.array(_SECOND)[rng.integers(0, len(_SECOND), count)]
    chinese = np.array(_CHINESE)[rng.integers(0, len(_CHINESE), count)]
    serial = pd.Series(np.arange(1, count + 1)).astype("str")
    english = latin + " " + trade + " " + serial + " Co., Ltd."
    name = np.where(rng.random(count) < 0.7, english, chinese + "贸易" + serial + "有限公司")
    classes = np.array(["micro", "small", "medium", "large"])[np.searchsorted([0.3, 0.8, 2.5], size)]
    return pd.DataFrame(
        {
            "customer_id": number,
            "name": pd.Series(name, dtype="str"),
            "group_id": group_id,
            "industry": pd.Series(np.array(INDUSTRIES)[rng.integers(0, len(INDUSTRIES), count)], dtype="str"),
            "region": pd.Series(np.array(REGIONS)[rng.integers(0, len(REGIONS), count)], dtype="str"),
            "size_class": pd.Series(np.where(rng.random(count) < 0.03, "public", classes), dtype="str"),
            "onboarded_on": firm.dates(onboarded),
        }
    )
