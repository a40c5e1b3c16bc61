"""Evidence about customers that a credit department collects: yearly statements and expert judgements."""

import numpy as np
import pandas as pd

from credit_lab.synthetic.chance import Chance
from credit_lab.synthetic.customers import Population
from credit_lab.synthetic.documents import pick
from credit_lab.synthetic.firm import Firm, Floats, Ints

FACTORS = (
    "management",
    "market_position",
    "order_stability",
    "transparency",
    "ownership",
    "industry_outlook",
)
ASSESSORS = ("sales", "credit")


def health(firm: Firm, chance: Chance, people: Population, who: Ints, year: Ints) -> Floats:
    """Soundness seen in the books, about 0 (worst grade) to 1 (best), sinking in the year before a default."""
    worst = max(len(firm.grades) - 1, 1)
    noise = 0.1 * chance.normal("health", who) + 0.06 * chance.normal("health of the year", who, year)
    end = (np.array(year + 1 - 1970).astype("datetime64[Y]").astype("datetime64[D]") - firm.first_day).astype(np.int64)
    near = (people.default[who] - end < 500) & (people.default[who] < firm.days)
    return 1 - people.grade[who] / worst + noise - np.where(near, 0.25, 0.0)


def financials(firm: Firm, chance: Chance, people: Population) -> pd.DataFrame:
    """Yearly statements of most customers, published one to six months after the year.

    Assets are liabilities and equity, current assets are stocks, receivables, cash and a rest, in whole thousands.
    """
    has = np.flatnonzero(chance.uniform("statements", np.arange(firm.population)) < 0.75)
    first = int(firm.start[:4])
    years = np.arange(first - 2, first + (firm.months + 11) // 12)
    who, year = np.repeat(has, len(years)), np.tile(years, len(has))
    published = firm.first_day.astype("datetime64[Y]") + (year + 1 - first)
    published = (published.astype("datetime64[D]") - firm.first_day).astype(np.int64)
    published = published + chance.integers("published", who, 30, 180, counter=year)
    alive = (published < firm.days) & (published < people.default[who] + 60)
    who, year, published = who[alive], year[alive], published[alive]
    sound = health(firm, chance, people, who, year)
    items = _items(firm, chance, people, who, year, sound)
    audited = chance.uniform("audited", who, year) < np.clip(0.2 + 0.5 * sound, 0.05, 0.9)
    supplied = np.array(["customer", "credit_bureau"])[chance.pick("supplied by", who, [0.7, 0.3])]
    return pd.DataFrame(
        {
            "customer_id": pick(people.table["customer_id"], who),
            "period_end": pd.to_datetime(pd.Series(year).astype("str") + "-12-31"),
            "published_on": firm.dates(published),
            **{name: value * 1000.0 for name, value in items.items()},
            "audited": audited,
            "source": supplied,
        }
    )


def _items(firm: Firm, chance: Chance, people: Population, who: Ints, year: Ints, sound: Floats) -> dict[str, Ints]:
    """Statement items in thousands."""

    def wave(name: str, spread: float) -> Floats:
        return spread * chance.normal(name, who, year)

    ours = firm.demand.mean_order * people.size[who] * people.frequency[who] * 12
    trend = 1.05 ** (year - int(firm.start[:4])) * (0.85 + 0.25 * np.clip(sound, 0, 1.2))
    sales = np.rint(ours * 12 * np.exp(0.6 * chance.normal("own sales", who)) * trend / 1000) + 500
    assets = np.rint(sales * np.exp(-0.3 + wave("assets", 0.12)))
    debt = np.rint(assets * np.clip(0.82 - 0.4 * sound + wave("debt", 0.05), 0.08, 1.15))
    current = np.rint(assets * np.clip(0.58 + wave("current", 0.06), 0.3, 0.85))
    stocks = np.rint(current * np.clip(0.34 - 0.05 * sound + wave("stocks", 0.05), 0.05, 0.6))
    receivables = np.rint(current * np.clip(0.36 + wave("receivables", 0.05), 0.05, 0.6))
    cash = np.rint((current - stocks - receivables) * np.clip(0.5 + 0.4 * sound, 0.1, 0.95))
    due = np.rint(debt * np.clip(0.72 - 0.1 * sound + wave("due", 0.05), 0.3, 0.95))
    cost = np.rint(sales * (0.84 - 0.07 * sound + wave("cost", 0.015)))
    operating = np.rint(sales * (0.09 * sound - 0.015 + wave("operating", 0.015)))
    profit = np.rint(np.where(operating > 0, 0.75, 1.0) * (operating - 0.02 * debt))
    retained = np.rint((assets - debt) * (0.35 + 0.25 * np.clip(sound, 0, 1)))
    items = {
        "sales": sales,
        "cost_of_sales": cost,
        "operating_profit": operating,
        "net_income": profit,
        "total_assets": assets,
        "current_assets": current,
        "inventory": stocks,
        "receivables": receivables,
        "cash": np.maximum(cash, 0),
        "total_liabilities": debt,
        "current_liabilities": due,
        "retained_earnings": retained,
        "net_worth": assets - debt,
    }
    return {name: value.astype(np.int64) for name, value in items.items()}


def assessments(firm: Firm, chance: Chance, people: Population) -> pd.DataFrame:
    """Yearly judgement of half of the customers on six factors by two assessors, who agree more or less.

    The people from sales are kinder by a third of a point.
    """
    has = np.flatnonzero(chance.uniform("assessed", np.arange(firm.population)) < 0.5)
    years, factors, voices = (firm.months + 11) // 12, len(FACTORS), len(ASSESSORS)
    shape = (len(has), years, factors, voices)
    who = np.broadcast_to(has[:, None, None, None], shape).ravel()
    turn, factor, voice = (
        np.broadcast_to(np.arange(size).reshape(at), shape).ravel()
        for size, at in (
            (years, (1, -1, 1, 1)),
            (factors, (1, 1, -1, 1)),
            (voices, (1, 1, 1, -1)),
        )
    )
    day = turn * 365 + chance.integers("assessed on", who, 10, 350, counter=turn)
    year = firm.first_day.astype("datetime64[Y]").astype(int) + 1970 + turn
    seen = health(firm, chance, people, who, year - 1)
    view = chance.normal("view", who, turn * 16 + factor)
    error = chance.normal("assessor", who, (turn * 16 + factor) * 4 + voice)
    score = np.clip(np.rint(3.0 + 5.5 * seen + 0.9 * view + 0.7 * error + np.where(voice == 0, 0.33, 0.0)), 1, 10)
    keep = (day < firm.days) & (day >= people.onboarded[who]) & (day < people.default[who])
    keep &= chance.uniform("skipped", who, (turn * 16 + factor) * 4 + voice) > 0.03
    frame = pd.DataFrame(
        {
            "customer_id": pick(people.table["customer_id"], who[keep]),
            "assessed_on": firm.dates(day[keep]),
            "factor": np.array(FACTORS)[factor[keep]],
            "score": score[keep],
            "assessor": np.array(ASSESSORS)[voice[keep]],
        }
    )
    return frame.sort_values(list(frame.columns[[0, 1, 2, 4]]), kind="stable", ignore_index=True)
