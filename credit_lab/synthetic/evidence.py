"""What else a credit department knows: limits, contracts, actions, covers, statements, judgements."""

import numpy as np
import pandas as pd

from credit_lab.synthetic.customers import Population
from credit_lab.synthetic.firm import GRADES, Firm, draws, ids
from credit_lab.synthetic.trade import Draws, Trade

Frames = dict[str, pd.DataFrame]
FACTORS = ("management", "market position", "payment morale", "transparency", "industry outlook", "order stability")


def limits(firm: Firm, people: Population, drawn: Draws) -> pd.DataFrame:
    """Limits by the sales-forecast rule, reviewed each quarter; a row per change of at least 15 %."""
    quarters = pd.date_range(firm.start, periods=firm.months // 3, freq="QS")
    start = (quarters.to_numpy().astype("datetime64[D]") - firm.first_day).astype(int)
    term = np.array([grade.term_days for grade in GRADES])[people.grade]
    rows, current = [], np.zeros(firm.customers)
    for day in start:
        window = (drawn.day < day) & (drawn.day >= day - 365)
        bought = np.bincount(drawn.customer[window], weights=drawn.cents[window] / 100, minlength=firm.customers)
        wanted = np.floor(bought / 365 * (term + 15) * 1.5 / 1000) * 1000
        wanted = np.maximum(wanted, 50_000) * (people.grade < 5)
        changed = (people.onboarded <= day) & (np.abs(wanted - current) > 0.15 * np.maximum(current, 1))
        who = np.flatnonzero(changed)
        rows.append(pd.DataFrame({"customer": who, "day": day, "credit_limit": wanted[who]}))
        current[who] = wanted[who]
    frame = pd.concat(rows, ignore_index=True).sort_values(["customer", "day"], ignore_index=True)
    until = frame.groupby("customer")["day"].shift(-1)
    amount = frame["credit_limit"]
    signer = np.select([amount <= 100_000, amount <= 500_000], ["credit analyst", "credit manager"], "finance director")
    return pd.DataFrame(
        {
            "customer_id": people.table["customer_id"].to_numpy()[frame["customer"]],
            "valid_from": firm.dates(frame["day"]),
            "valid_to": firm.dates(until.fillna(0) - 1).where(until.notna()),
            "credit_limit": amount,
            "term_days": pd.array(term[frame["customer"]], dtype="Int64"),
            "approved_by": signer,
            "reason": "quarterly review",
        }
    )


def contracts(firm: Firm, seed: int, people: Population) -> pd.DataFrame:
    """One frame contract per customer; a tenth has none, some are expired, not standard or with another term."""
    rng = draws(seed, "contracts")
    has = np.flatnonzero(rng.random(firm.customers) < 0.9)
    signed = np.maximum(people.onboarded[has], -500)
    term = np.array([grade.term_days for grade in GRADES])[people.grade[has]]
    other = rng.random(len(has)) < 0.08
    return pd.DataFrame(
        {
            "contract_id": ids("CON-", len(has), 4),
            "customer_id": people.table["customer_id"].to_numpy()[has],
            "signed_on": firm.dates(signed),
            "valid_to": firm.dates(signed + rng.choice([730, 1095, 1825], len(has))),
            "term_days": pd.array(np.where(other, term + 30, term), dtype="Int64"),
            "template": np.where(rng.random(len(has)) < 0.85, "standard", "customer's own"),
            "reviewed_by": np.where(rng.random(len(has)) < 0.8, "legal", "sales"),
        }
    )


def actions(firm: Firm, seed: int, people: Population, drawn: Draws, trade: Trade, number: np.ndarray) -> pd.DataFrame:
    """Collection actions: reminders with the true effect, then negotiation, letter and legal steps without one.

    Collectors remind slow payers more often (the propensity says how often), so a naive look at reminded against
    not reminded invoices has the wrong sign.
    """
    rng = draws(seed, "actions")
    last = trade.parts.groupby("invoice").agg(day=("day", "max"), paid=("paid", "all"))
    end = np.where(last["paid"], last["day"], firm.days)
    gone = trade.write_offs.set_index("invoice")["day"]
    end = np.minimum(end, last.index.to_series().map(gone).fillna(firm.days).to_numpy())
    late = end - trade.due
    rows = []
    steps = (
        (7, "reminder", 10, None),
        (35, "negotiation", 60, 0.7),
        (65, "demand_letter", 200, 0.8),
        (95, "legal", 3000, 0.6),
    )
    for days, action, cost, chosen in steps:
        open_ = (late > days) & (trade.due + days < firm.days)
        taken = trade.contacted if chosen is None else rng.random(len(late)) < chosen
        who = np.flatnonzero(open_ & taken)
        rows.append(
            pd.DataFrame(
                {
                    "invoice": who,
                    "day": trade.due[who] + days,
                    "action": action,
                    "cost": float(cost),
                    "propensity": (trade.propensity[who] if chosen is None else np.full(len(who), chosen)).round(4),
                }
            )
        )
    frame = pd.concat(rows, ignore_index=True).sort_values(["day", "invoice"], ignore_index=True)
    promised = rng.random(len(frame)) < 0.35
    until = frame["day"] + rng.integers(5, 21, len(frame))
    outcome = np.where(promised, "promised", np.where(rng.random(len(frame)) < 0.6, "no_answer", "in_clarification"))
    who = drawn.customer[trade.order][frame["invoice"]]
    return pd.DataFrame(
        {
            "action_id": ids("ACT-", len(frame), max(5, len(str(len(frame))))),
            "customer_id": people.table["customer_id"].to_numpy()[who],
            "invoice_id": number[frame["invoice"]],
            "taken_on": firm.dates(frame["day"]),
            "action": frame["action"],
            "cost": frame["cost"],
            "outcome": outcome,
            "promised_on": firm.dates(until).where(promised),
            "promised_amount": pd.Series(drawn.cents[trade.order][frame["invoice"]] / 100).where(promised),
            "propensity": frame["propensity"],
        }
    )


def covers(firm: Firm, seed: int, people: Population) -> pd.DataFrame:
    """Insurance for a seventh of the customers, factoring for a few."""
    rng = draws(seed, "covers")
    has = np.flatnonzero(rng.random(firm.customers) < 0.15)
    factored = rng.random(len(has)) < 0.2
    return pd.DataFrame(
        {
            "customer_id": people.table["customer_id"].to_numpy()[has],
            "provider": np.where(factored, "Example Factoring", "Example Credit Insurance"),
            "kind": np.where(factored, "factoring", "insurance"),
            "valid_from": firm.dates(np.zeros(len(has))),
            "valid_to": firm.dates(np.full(len(has), firm.days - 1)),
            "cover_limit": rng.integers(1, 20, len(has)) * 50_000.0,
            "cover_share": np.where(factored, 0.8, 0.9),
            "deductible": np.where(factored, 0.0, 5000.0),
            "rate": np.where(factored, 0.01, 0.003),
            "recourse": pd.array(factored & (rng.random(len(has)) < 0.7), dtype="boolean"),
        }
    )


def financials(firm: Firm, seed: int, people: Population) -> pd.DataFrame:
    """Yearly statements of three quarters of the customers; better grades earn more and owe less."""
    rng = draws(seed, "financials")
    has = np.flatnonzero(rng.random(firm.customers) < 0.75)
    years = np.arange(int(firm.start[:4]) - 2, int(firm.start[:4]) + firm.months // 12)
    who = np.repeat(has, len(years))
    year = np.tile(years, len(has))
    health = 1 - people.grade[who] / 5 + rng.normal(0, 0.12, len(who))
    scale = np.repeat(np.exp(rng.normal(0, 0.4, len(has))), len(years)) * 1.05 ** (year - years[0])
    sales = np.rint(people.size[who] * scale * 30_000) * 1000
    assets = np.rint(sales * (0.7 + 0.2 * rng.random(len(who))))
    liabilities = np.rint(assets * np.clip(0.8 - 0.35 * health + rng.normal(0, 0.05, len(who)), 0.1, 1.15))
    current = np.rint(assets * (0.5 + 0.15 * rng.random(len(who))))
    operating = np.rint(sales * (0.08 * health - 0.01 + rng.normal(0, 0.02, len(who))))
    published = pd.Series(pd.to_datetime(pd.Series(year + 1).astype("str") + "-03-15")) + pd.to_timedelta(
        rng.integers(0, 90, len(who)), unit="D"
    )
    frame = pd.DataFrame(
        {
            "customer_id": people.table["customer_id"].to_numpy()[who],
            "period_end": pd.to_datetime(pd.Series(year).astype("str") + "-12-31").astype("datetime64[us]"),
            "published_on": published.astype("datetime64[us]"),
            "sales": sales,
            "cost_of_sales": np.rint(sales * 0.8),
            "operating_profit": operating,
            "net_income": np.rint(operating * 0.75 - liabilities * 0.01),
            "total_assets": assets,
            "current_assets": current,
            "inventory": np.rint(current * 0.4),
            "receivables": np.rint(current * 0.4),
            "cash": current - 2 * np.rint(current * 0.4),
            "total_liabilities": liabilities,
            "current_liabilities": np.rint(liabilities * 0.7),
            "retained_earnings": np.rint((assets - liabilities) * 0.5),
            "net_worth": assets - liabilities,
            "audited": pd.array(rng.random(len(who)) < 0.5, dtype="boolean"),
            "source": "customer",
        }
    )
    last = pd.Timestamp(str(firm.first_day + firm.days - 1))
    return frame[frame["published_on"] <= last].reset_index(drop=True)


def assessments(firm: Firm, seed: int, people: Population) -> pd.DataFrame:
    """Yearly judgement of half of the customers on six factors by two assessors who mostly agree."""
    rng = draws(seed, "assessments")
    has = np.flatnonzero(rng.random(firm.customers) < 0.5)
    who = np.repeat(has, 2 * len(FACTORS))
    factor = np.tile(np.repeat(np.array(FACTORS), 2), len(has))
    assessor = np.tile(np.array(["sales", "credit"]), len(has) * len(FACTORS))
    true = 8.5 - 1.2 * people.grade[who] + np.repeat(rng.normal(0, 0.8, len(has) * len(FACTORS)), 2)
    score = np.clip(np.rint(true + rng.normal(0, 0.7, len(who)) + (assessor == "sales") * 0.4), 1, 10)
    day = np.maximum(np.repeat(rng.integers(firm.days - 365, firm.days - 30, len(has)), 2 * len(FACTORS)), 0)
    return pd.DataFrame(
        {
            "customer_id": people.table["customer_id"].to_numpy()[who],
            "assessed_on": firm.dates(np.maximum(day, people.onboarded[who])),
            "factor": factor,
            "score": score,
            "assessor": assessor,
        }
    )
