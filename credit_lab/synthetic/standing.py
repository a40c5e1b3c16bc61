"""Standing agreements: granted limits, contracts, insurance and factoring lines."""

import itertools

import numpy as np
import pandas as pd

from credit_lab.synthetic.chance import Chance
from credit_lab.synthetic.customers import Population
from credit_lab.synthetic.documents import pick
from credit_lab.synthetic.firm import Firm, Floats, Ints
from credit_lab.synthetic.names import numbered
from credit_lab.synthetic.trade import Orders


def terms(firm: Firm, people: Population) -> Ints:
    """Credit term of each customer."""
    return np.array([grade.term_days for grade in firm.grades])[people.grade]


def limits(firm: Firm, people: Population, ordered: Orders) -> pd.DataFrame:
    """Limits by a sales-forecast rule, reviewed each quarter; a new row for a change of at least 20 %.

    Groups of two and more members get a group limit of four fifths of the members' limits, reviewed each year; the
    worst grade and failed customers get nothing.
    """
    quarters = np.arange(0, firm.months, 3)
    term, current, rows = terms(firm, people), np.full(firm.population, -1.0), []
    seen = ~ordered.refused
    for start in firm.edges[quarters]:
        wanted = _wanted(firm, people, ordered, seen, int(start), term)
        move = np.abs(wanted - current) > 0.2 * np.maximum(current, 1)
        who = np.flatnonzero((people.onboarded <= start) & move)
        who = who[(wanted[who] > 0) | (current[who] > 0)]
        rows.append(pd.DataFrame({"customer": who, "day": int(start), "credit_limit": wanted[who]}))
        current[who] = wanted[who]
    own = pd.concat(rows, ignore_index=True)
    own = own.assign(holder=pick(people.table["customer_id"], own["customer"].to_numpy()))
    frame = pd.concat([own, _group_limits(firm, people, own)], ignore_index=True)
    frame = frame.sort_values(["holder", "day"], kind="stable", ignore_index=True)
    until = frame.groupby("holder")["day"].shift(-1)
    amount, group = frame["credit_limit"], frame["customer"] < 0
    signer = np.select(
        [amount <= 100_000, amount <= 500_000, amount <= 2_000_000],
        ["credit analyst", "credit manager", "finance director"],
        "credit committee",
    )
    days = pd.Series(term[frame["customer"].clip(lower=0)]).astype("Int64")
    return pd.DataFrame(
        {
            "customer_id": frame["holder"],
            "valid_from": firm.dates(frame["day"]),
            "valid_to": firm.dates(until.fillna(0) - 1).where(until.notna()),
            "credit_limit": amount,
            "term_days": days.where(~group),
            "discount_rate": 0.0,
            "discount_days": 0,
            "approved_by": signer,
            "reason": np.where(group, "group limit", np.where(amount > 0, "quarterly review", "withdrawn")),
        }
    )


def _wanted(firm: Firm, people: Population, ordered: Orders, seen: np.ndarray, start: int, term: Ints) -> Floats:
    window = seen & (ordered.day < start) & (ordered.day >= start - 365)
    value = ordered.cents[window] / 100
    bought = np.bincount(ordered.customer[window], weights=value, minlength=firm.population)
    known = np.clip(start - people.onboarded, 90, 365)
    usual = people.frequency * people.size**0.65 * firm.demand.mean_order * firm.orders / 30
    before = np.maximum(np.minimum(-people.onboarded, 365 - start), 0)  # days of trade before the data begin
    wanted = np.maximum((bought + usual * before) / known * (term + 30) * 1.6, 1.5 * firm.demand.mean_order)
    wanted = np.floor(wanted / 5000) * 5000
    refused = (people.grade == len(firm.grades) - 1) & (start >= 365)
    return np.where(refused | (people.default + 60 < start), 0.0, wanted)


def _group_limits(firm: Firm, people: Population, own: pd.DataFrame) -> pd.DataFrame:
    group = pick(people.table["group_id"], own["customer"].to_numpy())
    sizes = people.table.groupby("group_id").size()
    several = group.isin(sizes.index[sizes >= 2])
    parts = []
    for start in firm.edges[np.arange(0, firm.months, 12)]:
        latest = own[several & (own["day"] <= start)].drop_duplicates("customer", keep="last")
        total = latest.groupby(group[latest.index])["credit_limit"].sum()
        rounded = np.floor(total * 0.8 / 5000) * 5000
        parts.append(pd.DataFrame({"holder": total.index, "day": int(start), "credit_limit": rounded.to_numpy()}))
    return pd.concat(parts, ignore_index=True).assign(customer=-1).astype({"holder": "str"})


def contracts(firm: Firm, chance: Chance, people: Population) -> pd.DataFrame:
    """One frame contract per customer: some have none, some expired, are not standard, unread or name another term."""
    has = np.flatnonzero(chance.uniform("contract", np.arange(firm.population)) < 0.92)
    signed = np.maximum(people.onboarded[has], -700) + chance.integers("signed", has, 0, 20)
    signed = np.minimum(signed, firm.days - 1)
    years = np.array([3, 5, 2])[chance.pick("years", has, [0.45, 0.45, 0.1])]
    term = terms(firm, people)[has]
    other = chance.uniform("other term", has) < 0.07
    template = np.array(["standard", "customer's own", "none"])[chance.pick("template", has, [0.85, 0.12, 0.03])]
    reviewer = pd.Series(np.array(["legal", "credit"])[chance.pick("reviewer", has, [0.7, 0.3])], dtype="str")
    return pd.DataFrame(
        {
            "contract_id": numbered("CON-", np.arange(1, len(has) + 1), 4),
            "customer_id": pick(people.table["customer_id"], has),
            "signed_on": firm.dates(signed),
            "valid_to": firm.dates(signed + years * 365),
            "term_days": np.where(other, term + 30, term),
            "template": template,
            "reviewed_by": reviewer.where(chance.uniform("reviewed", has) < 0.85),
        }
    )


def covers(firm: Firm, chance: Chance, people: Population) -> pd.DataFrame:
    """A line for a seventh of the customers, renewed each year: credit insurance for most, factoring for some."""
    has = np.flatnonzero(chance.uniform("cover", np.arange(firm.population)) < 0.14)
    factored = chance.uniform("factored", has) < 0.2
    edges = np.append(firm.edges[np.arange(0, firm.months, 12)], firm.days)
    parts = [_lines(firm, chance, people, has, factored, start, end) for start, end in itertools.pairwise(edges)]
    return pd.concat(parts, ignore_index=True).sort_values(["customer_id", "valid_from"], ignore_index=True)


def _lines(
    firm: Firm, chance: Chance, people: Population, has: Ints, factored: np.ndarray, start: int, end: int
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "customer_id": pick(people.table["customer_id"], has),
            "provider": np.where(factored, "Example Factoring", "Example Credit Insurance"),
            "kind": np.where(factored, "factoring", "insurance"),
            "valid_from": firm.dates(np.full(len(has), start)),
            "valid_to": firm.dates(np.full(len(has), end - 1)),
            "cover_limit": chance.integers("cover limit", has, 2, 16) * 50_000.0,
            "cover_share": np.where(factored, 0.8, 0.9),
            "deductible": np.where(factored, 0.0, 5000.0),
            "rate": np.where(factored, 0.01, 0.003),
            "recourse": factored & (chance.uniform("recourse", has) < 0.7),
        }
    )
