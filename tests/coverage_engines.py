"""The engines of the product on a cut of the bundled ledger: what each decides under a policy, and at what price.

Results hold decisions and figures, never what is printed back from the policy itself.
"""

import functools
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd

from credit_lab import aging, evaluation, history, inputs, investigation, workbench
from credit_lab.backtest import comparison as replays
from credit_lab.backtest import replaying
from credit_lab.cockpit import trial
from credit_lab.cockpit.settings import Settings, turned
from credit_lab.errors import CreditLabError
from credit_lab.limits import authority, comparison, quarterly
from credit_lab.monitoring import alerts, contracts, holds, signals
from credit_lab.policy import load
from credit_lab.simulation import Span, calibrate, of_policy, simulate
from credit_lab.studies import (
    collecting,
    credit_files,
    evaluating,
    granting,
    losses,
    portfolio_limits,
    review,
    terms_and_discounts,
    text,
)
from tests.watched import Watched, quiet

DAY = pd.Timestamp("2025-12-31")
SPAN, LONG = (Span(DAY + pd.Timedelta(days=1), days, 0) for days in (365, 500))  # limits run out after a year
BASE = load("data/policies/2025-baseline.toml")


@functools.cache
def book():
    """A fifth of the bundled firm's customers with all their tables, its latest newcomers, given no
    term from the fourth invoice on, among them; orders without tax, every second one custom-made;
    every third limit of the last day ended in September.
    """
    whole = inputs.open_ledger("data/sample")
    first = whole.invoices.groupby("customer_id")["issue_date"].min()
    who = whole.customers["customer_id"]
    new = first.index[first > "2025-06-01"]
    cut = whole.of_customers(who[(who.index % 5 == 0) | who.isin(new)])
    tables = dict(cut.tables)
    sold = tables["invoices"]
    at_once = sold["customer_id"].isin(new) & (sold.groupby("customer_id").cumcount() > 2)
    tables["invoices"] = sold.assign(due_date=sold["due_date"].mask(at_once, sold["issue_date"]))
    orders, limits = tables["orders"], tables["limits"]
    second = pd.Series(np.arange(len(orders)) % 2 == 0, index=orders.index).astype("boolean")
    tables["orders"] = orders.assign(tax_included=False, custom_made=second).astype({"tax_included": "boolean"})
    ends = limits["valid_to"].isna() & (np.arange(len(limits)) % 3 == 0) & (limits["valid_from"] < "2025-09-01")
    tables["limits"] = limits.assign(valid_to=limits["valid_to"].mask(ends, pd.Timestamp("2025-09-30")))
    return replace(cut, tables=tables)


@Watched
def past(policy):
    return history.build(book(), DAY, policy=policy)


@functools.cache
def before():
    """History as under the policy that nothing is changed of."""
    with quiet():
        return past(BASE)


def ageing(policy):
    buckets = aging.Buckets(policy.aging.edges, by=policy.aging.by)
    return aging.bucket_table(aging.open_items(book(), DAY, buckets=buckets), "CNY", buckets=buckets)


def allowance(policy):
    made = losses.losses(book(), policy, DAY)
    return made.allowance, made.markov


def events(policy):
    return past(policy)[["impaired", "failed", "next_12m_impaired", "next_12m_failed"]]


@functools.cache
def stakes():
    with quiet():
        return credit_files.stakes(book(), DAY)


def files(policy):
    made = investigation.credit_files(book(), policy, DAY, stakes())
    odd = made.verification.discrepancies[["customer_id", "attribute", "source"]]
    names = ["customer_id", "tier", "completeness", "missing", "stale", "statement_due", "events", "differs", "due"]
    return made.files[names], odd, made.verification.verdicts


@functools.cache
def template():
    return evaluation.load_template(*workbench.paths(evaluating.TEMPLATE))


@functools.cache
def judged():
    with quiet():
        return evaluation.judge(book().rows("assessments"), template(), DAY)


@Watched
def known(policy):
    return evaluation.figures(book(), policy, DAY, before())


def evaluated(policy):
    who = stakes()["customer_id"]
    made = evaluation.evaluate(known(policy), judged(), policy, template(), DAY, customers=who).customers
    first = made[made["grade"] != ""].head(2)
    other = np.where(first["grade"] == "D", "C", "D")
    asked = first[["customer_id"]].assign(grade=other, reason="news", approved_by="committee")
    try:
        after = evaluation.override(made, asked, policy)["grade"]
    except CreditLabError:
        after = "refused"
    bands = made.filter(["pd_low", "pd_high", "pd_12m"])
    return made[["customer_id", "grade", "score"]], bands, after


@Watched
def evidence(policy):
    return comparison.evidence(book(), before(), policy, DAY)


def limit_review(policy):
    """At the last day, and when every customer was new."""
    known, young = evidence(policy), pd.Timestamp("2023-05-31")
    made = quarterly.review(before(), policy, DAY, in_force=granting.in_force(book(), DAY), evidence=known).decisions
    new = quarterly.review(before(), policy, young, evidence=known).decisions
    names = ["customer_id", "credit_limit", "change", "code", "grade", "term_days", "approver"]
    return made[names], new[names]


def methods(policy):
    made = comparison.bench(book(), before(), policy, pd.Timestamp("2024-12-31"))
    return [made.tables()[name] for name in sorted(made.tables())]


def signatures(policy):
    grades = [one.grade for one in policy.grades.scale]
    cases = product((5e4, 3e5, 1e6, 5e6), grades, ("", "credit analyst"))
    found = []
    for amount, grade, seller in cases:
        found.append(authority.chain(policy, authority.Request(amount, grade, seller=seller)))
    return found


@Watched
def together(policy):
    return portfolio_limits.together(book(), policy, DAY, scenarios=200)


def portfolio(policy):
    made = together(policy)
    return made.chosen.limits.drop(columns="need"), made.frontier, made.losses


def transfer(policy):
    made = together(policy)
    return made.insurance, made.insurance_totals, made.factoring


def terms(policy):
    offer = {"discount": 0.02, "discount_days": 10, "taken": 0.3, "extra_days": 20, "growth": 0.05}
    made = terms_and_discounts.terms_study(book(), policy, DAY, **offer)
    return made.grades, made.offers, made.beyond_law


@Watched
def watched_signals(policy):
    return signals.build(book(), past(policy), tax_rate=policy.economics.tax_rate)


@Watched
def fired(policy):
    seen = watched_signals(policy)
    rules = [*alerts.from_policy(policy), *(r for r in alerts.READY_MADE if r.indicator not in seen.absent)]
    return alerts.fire(seen.table, tuple(rules)), rules


def warnings(policy):
    seen, (now, rules) = watched_signals(policy), fired(policy)
    tested = alerts.backtest(seen.table, tuple(rules), alerts.defaults(seen.table)).rules
    return now[["month", "customer_id", "indicator", "severity", "action"]], tested.filter(
        ["alerts", "true", "precision"]
    )


def contract_checks(policy):
    made = contracts.check(book(), pd.Timestamp("2025-01-01"), DAY, rules=contracts.Rules.of(policy))
    return made[["check", "customer_id", "document_id", "amount"]]


def order_holds(policy):
    made = holds.replay_holds(book(), policy, pd.Timestamp("2025-07-01"), DAY, alerts=fired(policy)[0]).orders
    return made[["order_id", "decision", "released", "release_by", "days_held"]]


def collection(policy):
    made = collecting.desk(book(), policy, pd.Timestamp("2025-11-30"), minutes=200)
    lines, letters, waiting = made.run.lines, made.run.letters, made.run.waiting
    return (
        lines[["document_id", "level", "action", "interest"]],
        letters[["customer_id", "level", "action", "channel", "owner", "items"]],
        letters["cost"].sum(),
        waiting,
        made.rows,
    )


@functools.cache
def reviewed():
    with quiet():
        return review.review(book(), BASE, "2025Q4")


def verdicts(policy):
    said = text.verdicts(replace(reviewed(), policy=policy))
    return {name: words.partition(":")[0] for name, words in said.items()}


@functools.cache
def ground(start):
    with quiet():
        return replaying.ground(book(), end=DAY, start=pd.Timestamp(start), past=before())


def replay(policy):
    """Seven months; fourteen where limits may run out, a year after their review."""
    start = "2024-11-01" if policy.limits.review_months > 12 else "2025-06-01"
    run = replaying.on(ground(start), policy)
    return run.invoices, run.monthly, replays.summary(run, policy)


@functools.cache
def stage():
    with quiet():
        return trial.prepare(book(), BASE, DAY, days=500, replicates=4, jobs=1)


def simulation(policy):
    """The second of two policies: the world is learned with the first one."""
    rules = of_policy(policy, stage().worlds[0].customers)
    return simulate(list(stage().worlds), rules, LONG, seed=1, replicates=4).totals


@Watched
def tried(policy):
    return stage().run(policy).totals


def cockpit(policy):
    """The policy as the sliders begin, and one turned as far as they go."""
    far = turned(policy, Settings(BASE.grades.scale[4].grade, term_days=30, hold_days=30, ladder_days=10))
    return [tried(one) for one in (policy, far)]


@Watched
def learned(policy):
    found = calibrate(book(), policy, DAY)
    return found, found.draw(2, seed=1)


def year_ahead(policy):
    found, worlds = learned(policy)
    regimes = (found.as_it_was(policy), of_policy(policy, found.world.customers))
    return [simulate(worlds, one, SPAN, seed=1, replicates=2).totals for one in regimes]


ENGINES = {
    "ageing": ageing,
    "allowance": allowance,
    "default events": events,
    "credit files": files,
    "evaluation": evaluated,
    "limit review": limit_review,
    "limit methods": methods,
    "authority": signatures,
    "portfolio": portfolio,
    "transfer": transfer,
    "terms": terms,
    "alerts": warnings,
    "contracts": contract_checks,
    "holds": order_holds,
    "collection": collection,
    "verdicts": verdicts,
    "replay": replay,
    "simulation": simulation,
    "cockpit": cockpit,
    "year ahead": year_ahead,
}
