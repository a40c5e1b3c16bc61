"""One order book, four engines: the limit review with the shipping holds, the replay, the compiled simulation and the
plain reference decide alike, order by order."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from credit_lab import backtest, history, ledger
from credit_lab import policy as policies
from credit_lab.limits import quarterly
from credit_lab.limits.proposals import Panel
from credit_lab.monitoring import holds, positions
from credit_lab.simulation import Span, of_policy
from credit_lab.simulation.run import one
from tests import reference_simulator
from tests.ledgers import allocation, invoice, payment
from tests.test_backtest_replay import changed
from tests.test_simulation import DAILY, made_world

BASELINE = policies.load("data/policies/2025-baseline.toml")
SPAN = Span(pd.Timestamp("2025-01-01"), 365, 0)
START = SPAN.start
NEVER = 10**6


def trade(policy, seed, monkeypatch):
    """A firm whose customers begin on the first day and pay when they like: its orders, what was granted by the
    simulation and by the reference, and every limit with the day from which it stood."""
    plain = made_world(9, seed=seed, rate=0.12)
    hazard = np.stack([[DAILY * 0.5 ** (1 + g)] * 5 for g in range(6)])
    people = replace(
        plain.customers, default_rate=np.zeros(9), newcomer=np.ones(9, bool), amount=plain.customers.amount / 8
    )
    world = replace(
        plain, customers=people, hazard=hazard, partial_share=0.0, dispute_share=0.0, discount_taken=np.zeros(6)
    )
    rules = of_policy(policy, people).with_(write_off=NEVER)
    stood = [(c, START, int(limit)) for c, limit in enumerate(rules.limit)]
    plain_review = reference_simulator.review

    def review(month, day, books, known, rules):
        before = [(mine.limit, mine.decided) for mine in known]
        plain_review(month, day, books, known, rules)
        then = START + pd.Timedelta(days=day + 1)
        stood.extend(
            (c, then, mine.limit)
            for c, (mine, was) in enumerate(zip(known, before, strict=True))
            if (mine.limit, mine.decided) != was
        )

    monkeypatch.setattr(reference_simulator, "review", review)
    _, _, orders = one(world, rules, SPAN, seed=seed, replicate=0, log=True)
    _, _, invoices = reference_simulator.simulate(
        world, rules, SPAN, seed=seed, replicate=0, risk=np.ones(6, dtype=int)
    )
    table = orders.table
    slow = {made["order"]: made["amount"] for made in invoices}
    assert table["granted"].tolist() == [slow.get(k, 0) for k in range(len(table))]
    terms = {made["order"]: made["due"] - made["issued"] for made in invoices}
    dated = table.assign(term=pd.Series(terms), due=lambda t: t["day"] + t["term"])
    return dated, pd.DataFrame(stood, columns=["customer", "valid_from", "limit"])


def date(day):
    return f"{START + pd.Timedelta(days=int(day)):%Y-%m-%d}"


def book(write_ledger, orders, limits=None):
    """The orders as a ledger: customers C0, C1, ... and an invoice for each; paid where it was."""
    rows, paid, matched = [], [], []
    for row in orders.itertuples():
        name, who = f"I{row.Index:05}", f"C{row.customer}"
        rows.append(invoice(name, who, date(row.day), date(row.due), row.amount / 100))
        if row.closed >= 0:
            paid.append(payment(f"P{row.Index:05}", who, date(row.closed), row.amount / 100))
            matched.append(allocation(f"P{row.Index:05}", name, date(row.closed), row.amount / 100))
    more = {} if limits is None else {"limits": limits}
    return ledger.read(write_ledger(invoices=rows, payments=paid, allocations=matched, **more))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"holds": {"overdue_days": 20, "min_overdue_share": 0.3, "utilisation": 0.8, "partial_release": False}},
        {
            "holds": {"share_after_days": 5, "overdue_share": 0.2, "min_overdue": 2000.0},
            "limits": {"review_months": 2, "min_months_between": 4, "forecast_months": 3, "withdraw_after_months": 2},
            "trial": {"steps": 1, "stop_dpd": 15},
            "grades": {"min_months": 3},
        },
    ],
)
def test_reviews_and_holds_decide_as_the_simulation_does(write_ledger, monkeypatch, settings, seed):
    policy = changed(BASELINE, **settings)
    orders, stood = trade(policy, seed, monkeypatch)
    granted = orders[orders["granted"] > 0].assign(amount=lambda t: t["granted"])
    limits = [
        {"customer_id": f"C{row.customer}", "valid_from": f"{row.valid_from:%Y-%m-%d}", "credit_limit": row.limit / 100}
        for row in stood.itertuples()
    ]
    firm = book(write_ledger, granted, limits)
    # every review of the ledger, from the limits in force before, gives the limits of the simulation
    past = history.build(firm, pd.Timestamp("2025-12-31"))
    panel, in_force = Panel.of(past), {}
    for k, month in enumerate(panel.months):
        known = panel.at(policy, month)
        before = pd.DataFrame(
            [(who, *limit) for who, limit in in_force.items()], columns=["customer_id", "credit_limit", "changed_on"]
        )
        made = quarterly.decide(
            known, policy, in_force=before if len(before) else None, due=(k + 1) % policy.limits.review_months == 0
        )
        for row in made.itertuples():
            if row.change == "new" or (row.change != "keep" and row.credit_limit != row.old_limit):
                in_force[row.customer_id] = (row.credit_limit, month)
        now = stood[stood["valid_from"] <= month + pd.Timedelta(days=1)].drop_duplicates("customer", keep="last")
        there = {f"C{row.customer}": row.limit / 100 for row in now.itertuples() if f"C{row.customer}" in in_force}
        assert {who: limit for who, (limit, _) in in_force.items()} == there, month
    # every order meets the holds as it met the simulation
    first = ~orders.duplicated(["customer", "day"])  # holds know the evening before, not the orders of the day
    asked = pd.DataFrame(
        {
            "order_id": [f"I{k:05}" for k in orders.index],
            "customer_id": "C" + orders["customer"].astype(str),
            "day": [START + pd.Timedelta(days=int(day)) for day in orders["day"]],
            "amount": orders["size"] / 100,
        }
    )[first]
    decided = holds.decide(positions.position(firm, policy, asked), policy)
    wrong = decided.assign(simulated=(orders.loc[first, "granted"] / 100).to_numpy())
    wrong = wrong[(wrong["released"] - wrong["simulated"]).abs() > 1e-9]
    assert wrong.empty, wrong
    assert (decided["decision"] != "release").sum() > 5, "nothing was put to the test"


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"overdue_days": 20, "min_overdue_share": 0.3, "partial_release": False},
        {"share_after_days": 5, "overdue_share": 0.2},
    ],
)
def test_the_replay_decides_as_the_simulation_does(write_ledger, monkeypatch, settings, seed):
    """A replay reviews by what history sold, the simulation by what it sold itself; trial limits ask for neither: all
    customers stay on trial. What the simulation refused is in the book, due long after; January is as it was."""
    policy = changed(
        BASELINE,
        grades={"min_months": 24},
        trial={"steps": 20, "step_factor": 1.3, "first_limit": 40_500.0},
        holds={"wait_days": 0, **settings},
    )
    orders, _ = trade(policy, seed, monkeypatch)
    january = orders["day"] < 31
    asked = orders.assign(amount=orders["size"].where(~january, orders["granted"]))
    asked = asked[asked["amount"] > 0].assign(due=lambda t: t["due"].fillna(700))
    run = backtest.replay(
        book(write_ledger, asked), policy, start=pd.Timestamp("2025-02-01"), end=pd.Timestamp("2025-12-31")
    )
    found = run.invoices.set_index("invoice_id")["delivered_at_once"]
    wanted = (orders["granted"] / 100).set_axis([f"I{k:05}" for k in orders.index]).loc[found.index]
    wrong = pd.DataFrame({"replay": found, "simulation": wanted})[(found - wanted).abs() > 1e-9]
    assert wrong.empty, wrong
    assert (found < run.invoices.set_index("invoice_id")["amount"]).sum() > 5, "nothing was put to the test"
