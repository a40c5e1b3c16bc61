"""Every setting of a policy does something, and each engine says truly which ones it reads."""

import json
import math

import pandas as pd
import pytest
from typer.testing import CliRunner

from credit_lab import policy as policies
from credit_lab import studies
from credit_lab.__main__ import app
from credit_lab.backtest import comparison as replays
from credit_lab.cockpit.settings import Settings
from credit_lab.cockpit.trial import Cockpit
from credit_lab.commands.engines import ENGINES
from credit_lab.errors import CreditLabError
from credit_lab.rules import coverage
from tests import coverage_engines as engines
from tests import watched

SWAP, INF = "swap", math.inf
# A change of each setting, big enough to matter on these customers; of a list one value per entry,
# or SWAP: the first and the last change places. Weights that must add up to one move together.
CHANGES = {
    "aging.edges": [0, 15, 45, 120],
    "aging.by": "issue_date",
    "investigation.name_similarity": 0.1,
    "investigation.key_share": 0.2,
    "investigation.small_share": 0.4,
    "investigation.risky_index": 100,
    "investigation.statement_months": 3,
    "investigation.attributes.attribute": SWAP,
    "investigation.attributes.kind": ["category"] * 12,
    "investigation.attributes.tolerance": [0.9] * 12,
    "investigation.attributes.review_months": [1] * 12,
    "investigation.attributes.key": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
    "investigation.attributes.normal": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
    "investigation.attributes.small": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
    "investigation.sources.source": SWAP,
    "investigation.sources.trust": [0.1, 0.2, 0.3, 0.9, 0.95, 1.0],
    "evaluation.capability": {"evaluation.capability": 0.1, "evaluation.environment": 0.5},
    "evaluation.willingness": {"evaluation.willingness": 0.1, "evaluation.environment": 0.5},
    "evaluation.environment": {"evaluation.environment": 0.5, "evaluation.willingness": 0.1},
    "evaluation.quantitative": 0.1,
    "evaluation.combine": "matrix",
    "evaluation.missing": "worst",
    "evaluation.min_evidence": 0.9,
    "evaluation.max_override_share": 0.0,
    "evaluation.measures.measure": SWAP,
    "evaluation.measures.part": [
        *["capability"] * 4,
        "willingness",
        "capability",
        "willingness",
        "willingness",
        "capability",
        "willingness",
        "willingness",
        "environment",
        "environment",
    ],  # two of weight 0.1 change places
    "evaluation.measures.worst": [0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 60, 0.9, 40, 2, 0.5, 3, 5],
    "evaluation.measures.best": [0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 95, 0.1, -40, 0.5, 0.05, 0.1, 0.5],
    "evaluation.measures.weight": [0.1, 0.1, 0.15, 0.15, 0.25, 0.25, 0.1, 0.1, 0.5, 0.2, 0.1, 0.1, 0.9],
    "evaluation.scale.min_score": [95, 90, 85, 80, 60, 0],
    "evaluation.matrix_cuts": [90, 80, 70],
    "evaluation.matrix": [["AAA", "B", "B", "B"], ["B", "C", "C", "C"], ["C", "C", "C", "D"], ["C", "D", "D", "D"]],
    "grades.min_months": 30,
    "grades.newcomer_grade": "D",
    "grades.scale.min_payment_index": [90, 85, 80, 70, 60, 0],
    "grades.scale.pd_upper": [0.05, 0.1, 0.2, 0.3, 0.6, 1.0],
    "grades.scale.limit_multiple": [0.5, 0.4, 0.3, 0.2, 0.1, 0.05],
    "grades.scale.term_days": [10, 15, 20, 25, 35, 5],
    "grades.scale.discount_rate": [0.05] * 6,
    "grades.scale.discount_days": [25] * 6,
    "default.impaired_days": 15,
    "default.impaired_amount": 1e6,
    "default.impaired_share": 1.0,
    "default.month_ends": 24,
    "default.cure_months": 24,
    "default.failed_days": 1000,
    "limits.method": "payment_history",
    "limits.forecast_months": 3,
    "limits.growth": -0.5,
    "limits.tolerated_delay_days": 0,
    "limits.peak_factor": 1.0,
    "limits.rounding": 100000,
    "limits.min_change": 0.9,
    "limits.min_months_between": 24,
    "limits.review_months": 12,
    "limits.withdraw_after_months": 1,
    "limits.max_share_of_sales": 0.005,
    "limits.max_share_of_net_worth": 0.001,
    "trial.first_limit": 5000,
    "trial.step_invoices": 1,
    "trial.step_factor": 1.0,
    "trial.steps": 0,
    "trial.stop_dpd": 3650,
    "terms.max_term_days": 60,
    "terms.sme_term_days": 10,
    "terms.late_interest": 0.005,
    "holds.overdue_days": 0,
    "holds.overdue_share": 0.01,
    "holds.share_after_days": 0,
    "holds.min_overdue_share": 1.0,
    "holds.min_overdue": 1e9,
    "holds.utilisation": 0.2,
    "holds.expired_limit": False,
    "holds.missing_contract": True,
    "holds.partial_release": False,
    "holds.wait_days": 0,
    "holds.wait_days_custom": 0,
    "authority.four_eyes_above": 1000,
    "authority.seller_may_approve": True,
    "authority.levels.approver": SWAP,
    "authority.levels.max_amount": [1000, 20000, 50000, INF],
    "authority.levels.worst_grade": ["AAA", "AAA", "AAA", "D"],
    "ladder.pre_due_days": 20,
    "ladder.min_amount": 50000,
    "ladder.hold_disputed": False,
    "ladder.stages.from_days": [5, 15, 25, 40],
    "ladder.stages.action": SWAP,
    "ladder.stages.channel": SWAP,
    "ladder.stages.owner": SWAP,
    "ladder.stages.cost": [100, 600, 2000, 30000],
    "ladder.stages.repeat_days": [1, 1, 1, 1],
    "monitoring.alerts.indicator": ["overdue", "max_dpd", "days_beyond_terms_12m", "sales_12m"],
    "monitoring.alerts.above": [5, 2, None, 1000],
    "monitoring.alerts.below": [None, None, 79, None],
    "monitoring.alerts.severity": ["stop", "stop", "stop", "stop"],
    "monitoring.alerts.action": SWAP,
    "transfer.insurance_premium": 0.02,
    "transfer.cover_share": 0.2,
    "transfer.deductible": 500000,
    "transfer.factoring_advance": 0.1,
    "transfer.factoring_fee": 0.1,
    "transfer.recourse": False,
    "risk_appetite.expected_loss_budget": 0.4,
    "risk_appetite.single_name_cap": 0.01,
    "risk_appetite.group_cap": 0.01,
    "risk_appetite.industry_cap": 0.02,
    "risk_appetite.region_cap": 0.02,
    "risk_appetite.target_dso": 300,
    "risk_appetite.write_off_after_days": 60,
    "economics.variable_cost_ratio": 0.3,
    "economics.capital_cost": 0.6,
    "economics.loss_given_default": 0.1,
    "economics.tax_rate": 0.9,
}
# Settings that matter under another value of a second one as well.
STOP = {"monitoring.alerts.severity": ["stop"] * 4}
PATIENT = {"trial.stop_dpd": 3650}
UNDER = {
    "monitoring.alerts.indicator": STOP,
    "monitoring.alerts.above": STOP,
    "monitoring.alerts.below": STOP,
    "holds.expired_limit": {"limits.review_months": 24},
    "holds.min_overdue_share": {"holds.overdue_days": 10},
    "trial.first_limit": PATIENT,
    "trial.step_invoices": PATIENT | {"trial.first_limit": 5000},
    "trial.step_factor": PATIENT | {"trial.first_limit": 5000, "trial.step_invoices": 1},
    "trial.steps": PATIENT,
    "evaluation.matrix": {"evaluation.combine": "matrix"},
    "evaluation.matrix_cuts": {"evaluation.combine": "matrix"},
    "limits.max_share_of_net_worth": {"limits.method": "net_worth"},
    "risk_appetite.expected_loss_budget": {"limits.method": "expected_loss"},
    "grades.scale.pd_upper": {"limits.method": "expected_loss"},
    "economics.loss_given_default": {"limits.method": "expected_loss"},
    "economics.variable_cost_ratio": {"limits.method": "return_on_capital"},
    "economics.capital_cost": {"limits.method": "return_on_capital"},
}


def put(plain, place, value):
    """Change one setting in the plain values of a policy."""
    *way, last = place.split(".")
    for name in way:
        plain = plain[name]
    if not isinstance(plain, list | tuple):
        plain[last] = value
        return
    if value == SWAP:
        old = [one[last] for one in plain]
        value = [old[-1], *old[1:-1], old[0]]
    for entry, one in zip(plain, value, strict=True):
        entry[last] = one


def changed(*changes):
    """The baseline with changes, checked as a file is."""
    plain = engines.BASE.model_dump()
    for one in changes:
        for place, value in one.items():
            put(plain, place, value)
    return policies.checked(plain, "changed")


def plain(result):
    """A result as text that differs where a figure or a decision does."""
    if isinstance(result, list | tuple):
        return [plain(one) for one in result]
    if isinstance(result, pd.DataFrame | pd.Series):
        return result.to_csv(float_format="%.9g")
    return str(result)


def answer(engine):
    """What an engine says under a policy, as text; that it refuses is an answer, too."""

    def asked(policy):
        try:
            return plain(engine(policy))
        except CreditLabError as error:
            return f"refused: {type(error).__name__}"

    return asked


@pytest.fixture(scope="module")
def effects():
    """Which engines each setting moves: place → names."""
    with pytest.MonkeyPatch.context() as patch:
        watched.spy(patch)
        asked = {name: watched.Watched(answer(run)) for name, run in engines.ENGINES.items()}
        found = {}
        for place, value in CHANGES.items():
            change = value if isinstance(value, dict) else {place: value}
            found[place] = set()
            for under in ({}, UNDER.get(place)):
                if under is not None:
                    a, b = changed(under), changed(under, change)
                    found[place] |= {name for name, engine in asked.items() if engine(a) != engine(b)}
    return found


def test_every_setting_is_tried():
    assert sorted(CHANGES) == sorted(coverage.settings())


def test_no_setting_moves_nothing(effects):
    assert [place for place, moved in effects.items() if not moved] == []


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_reads_what_it_says(effects, engine):
    said = {one for one in CHANGES if coverage.reads(ENGINES[engine], one)}
    moved = {one for one, engines_moved in effects.items() if engine in engines_moved}
    assert {"said, no effect": sorted(said - moved), "effect, not said": sorted(moved - said)} == {
        "said, no effect": [],
        "effect, not said": [],
    }


def test_the_table_names_all_engines_tried():
    assert list(ENGINES) == list(engines.ENGINES)


# ---------------------------------------------------------------- said with the results
WAIT = {"holds.wait_days": 0, "authority.seller_may_approve": True}  # read by no simulation
LATE = {"holds.overdue_days": 30, "holds.wait_days": 0}


def headline_of_twin(other):
    made = studies.twin.twin(engines.book(), [engines.BASE, other], engines.DAY, replicates=2, days=60)
    return " ".join(studies.twin.headline(made, "CNY"))


def named(*changes):
    return changed(*changes, {"meta.id": "other"})


def test_a_simulation_that_reads_no_difference_says_nothing_else():
    said = headline_of_twin(named(WAIT))
    assert said.startswith("Nothing in which 2025-baseline and other differ is read here")
    assert "wait_days (15 → 0); seller_may_approve (False → True)" in said
    assert "clear difference" not in said and "signs hold" not in said


def test_a_simulation_names_what_it_does_not_read():
    said = headline_of_twin(named(LATE))
    assert said.endswith("The simulation does not read: wait_days (15 → 0).")
    assert "other against 2025-baseline" in said


def test_policies_that_differ_in_nothing():
    assert headline_of_twin(named({})) == "2025-baseline and other differ in no setting."


def test_a_replay_names_what_it_does_not_read():
    run = replays.champion_challenger(
        engines.book(), engines.BASE, named({"ladder.min_amount": 1000}), start="2025-11-01"
    )
    assert studies.replay_text.replay_headline(run) == [
        "Nothing in which 2025-baseline and other differ is read here, so nothing can be said about it.",
        "The replay does not read: min_amount (500 → 1,000).",
    ]


def test_the_year_ahead_and_the_cockpit_name_what_stays_outside():
    said = studies.twin.outlook(engines.book(), engines.BASE, engines.DAY, replicates=2).lines[-1]
    assert said.startswith("Of the policy the year ahead does not read: aging; investigation;")
    assert "wait_days" in said and "overdue_days" not in said
    turned = Cockpit(engines.stage(), searched=0)
    assert turned.diff(Settings("B", term_days=5, hold_days=30, ladder_days=5))["read"].all()


# ---------------------------------------------------------------- the command
def asked(*arguments):
    return CliRunner().invoke(app, ["policy", *arguments]).stdout


FILES = ["data/policies/2025-baseline.toml", "data/policies/2025-tighter.toml"]


def test_the_command_prints_the_matrix_with_a_mark_in_every_row():
    rows = json.loads(asked("--coverage", "--json"))
    assert [row["setting"] for row in rows] == coverage.settings()
    assert all(any(row[name] for name in ENGINES) for row in rows)
    printed = asked("--coverage").splitlines()
    assert printed[0].split() == ["1", "ageing"]
    line = next(one for one in printed if one.startswith("holds.wait_days "))
    assert [number for number, mark in enumerate(line.split()[1:], 1) if mark == "x"] == [17]


def test_of_two_files_the_matrix_shows_what_differs():
    rows = json.loads(asked("--coverage", *FILES, "--json"))
    differing = json.loads(asked(*FILES, "--json"))
    assert {row["setting"].split(".")[0] for row in rows} == {row["section"] for row in differing}
    felt = {row["setting"]: row["felt_by"] for row in differing}
    assert felt["overdue_days"] == "holds, replay, simulation, cockpit, year ahead"
