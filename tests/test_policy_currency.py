"""A policy in another currency than the ledger: converted at a rate, else not known, and never taken as it stands."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from credit_lab import aging, history, ledger, limits, studies, synthetic
from credit_lab import policy as policies
from credit_lab.__main__ import app, main
from credit_lab.backtest import champion_challenger
from credit_lab.cockpit import trial
from credit_lab.collection import ladder
from credit_lab.errors import CreditLabError, MoneyNotKnown, PolicyError
from credit_lab.policy.files import _leaves
from credit_lab.policy.sections import MONEY_INDICATORS
from credit_lab.studies import granting, portfolio_limits, text, twin

FILE, OTHER = "data/policies/2025-baseline.toml", "data/policies/2025-tighter.toml"
REASON = "policy 2025-baseline is in CNY, the ledger in KRW; give --rates CNY:RATE (KRW per CNY) or a policy in KRW"
RATE = 200.0  # a fen is two won, so that amounts stay whole


@pytest.fixture(scope="module")
def rules():
    return policies.load(FILE)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The same small firm in CNY and, at 200 won each, in KRW."""
    tables = synthetic.generate(synthetic.Firm(customers=25, months=14), seed=4).tables
    abroad = {}
    for name, frame in tables.items():
        won = [column for column in ("amount", "balance", "credit_limit") if column in frame and name != "covers"]
        frame = frame.assign(**{column: (frame[column] * RATE).round() for column in won})
        abroad[name] = frame.assign(currency="KRW") if "currency" in frame else frame
    made = {}
    for code, which in (("CNY", tables), ("KRW", abroad)):
        made[code] = tmp_path_factory.mktemp(code)
        ledger.write({name: frame for name, frame in which.items() if name != "control"}, made[code], overwrite=True)
    return made


@pytest.fixture(scope="module")
def korean(folders):
    return ledger.read(folders["KRW"])


def test_amounts_are_converted_by_hand_and_nothing_else(rules):
    made = policies.in_currency(rules, "USD", {"CNY": 0.1379})
    assert made.trial.first_limit == 13_800.0  # 100,000 x 0.1379 = 13,790: three digits
    assert made.limits.rounding == 100.0  # 1,000 x 0.1379 = 137.9: a round step
    assert made.holds.min_overdue == pytest.approx(rules.holds.min_overdue * 0.1379, rel=0.005)
    assert made.authority.levels[0].max_amount == 13_800.0
    assert made.authority.levels[-1].max_amount == math.inf
    assert made.ladder.stages[3].cost == 414.0  # 3,000 x 0.1379 = 413.7
    assert made.transfer.deductible == 690.0  # 5,000 x 0.1379 = 689.5
    above = {rule.indicator: rule.above for rule in made.monitoring.alerts}
    assert above["disputed_12m"] == 6_900.0  # 50,000 x 0.1379 = 6,895
    assert above["max_dpd"] == 45  # days stay days
    assert made.meta.currency == "USD"
    assert policies.digest(made) == policies.digest(rules)  # it is the same policy
    assert policies.money_note(made) == [
        "Amounts of policy 2025-baseline are written in CNY and were converted at 0.1379 USD each, rounded to three "
        "digits."
    ]
    changed = {here for (here, a, _), (_, b, _) in zip(_leaves(rules), _leaves(made), strict=True) if a != b}
    money = {here for here, _, info in _leaves(rules) if (info.json_schema_extra or {}).get("unit") == "money"}
    assert money - changed == {"authority.levels[credit committee].max_amount"}  # no bound stays none
    assert changed - money == {"meta.currency", "monitoring.alerts[disputed_12m].above"}


def test_the_same_currency_changes_nothing_and_a_rate_must_be_above_zero(rules):
    assert policies.in_currency(rules, "CNY", {"USD": 7.0}) is rules
    assert policies.money_note(rules) == []
    with pytest.raises(PolicyError, match="rate CNY:0: must be above zero"):
        policies.in_currency(rules, "KRW", {"CNY": 0.0})


def test_without_a_rate_every_amount_is_refused_to_whoever_reads_it(rules):
    made = policies.in_currency(rules, "KRW", {"USD": 1300.0})
    for read in (
        lambda: made.limits.rounding,
        lambda: made.trial.first_limit,
        lambda: made.holds.min_overdue,
        lambda: made.authority.four_eyes_above,
        lambda: made.authority.levels[0].max_amount,
        lambda: made.ladder.min_amount,
        lambda: made.ladder.stages[0].cost,
        lambda: made.transfer.deductible,
        lambda: made.monitoring.alerts[-1].above,
        lambda: policies.approver(made, 10.0, "A"),
        lambda: policies.to_toml(made),
    ):
        with pytest.raises(MoneyNotKnown, match=r"is in CNY, the ledger in KRW; give --rates CNY:RATE"):
            read()
    assert made.limits.review_months == rules.limits.review_months
    assert math.isnan(made.ladder.amount("min_amount"))
    assert rules.ladder.amount("min_amount") == rules.ladder.min_amount
    assert policies.digest(made) == policies.digest(rules)
    again = policies.in_currency(made, "KRW", {"CNY": RATE})
    assert again == policies.in_currency(rules, "KRW", {"CNY": RATE})


def test_indicators_in_money_are_those_that_double_with_all_amounts(folders):
    # What is money doubles when every amount does; days, counts, shares and indices stay.
    book = ledger.read(folders["CNY"])
    tables = {
        name: frame.assign(amount=frame["amount"] * 2) if "amount" in frame else frame
        for name, frame in book.tables.items()
    }
    ledger_of = type(book)
    twice = ledger_of(tables, book.quarantine, book.accounting, book.source, book.windows)
    once, double = (history.build(one, book.last_day).select_dtypes("number") for one in (book, twice))
    found = {
        name
        for name in once
        if once[name].abs().sum() > 0 and np.allclose(double[name], 2 * once[name], equal_nan=True)
    }
    told = {name for name in once if once[name].abs().sum() > 0}  # this small firm lost nothing
    assert {name for name in found if not name.startswith("next_")} == MONEY_INDICATORS & told
    assert MONEY_INDICATORS - told == {"written_off_12m"}


@pytest.mark.parametrize(
    "command",
    [("limits",), ("simulate",), ("backtest",), ("evidence", "--customer", "C-0001")],
    ids=lambda words: words[0],
)
def test_what_grants_limits_is_refused_with_the_way_out(folders, monkeypatch, capsys, tmp_path, command):
    place = {"limits": tmp_path / "limits.csv", "evidence": tmp_path / "why.html"}.get(command[0], tmp_path)
    monkeypatch.setattr("sys.argv", ["credit-lab", *command, "--ledger", str(folders["KRW"]), "--out", str(place)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 1
    assert capsys.readouterr().err == f"credit-lab: limits cannot be set: {REASON}\n"


@pytest.mark.parametrize("command", ["check", "worklist", "alerts", "files", "evaluate"])
def test_what_grants_nothing_still_runs(folders, command):
    done = CliRunner().invoke(app, [command, "--ledger", str(folders["KRW"])], catch_exceptions=False)
    assert done.exit_code == 0
    assert (f"Not known: {REASON}." in done.stdout) == (command in ("worklist", "alerts"))


def test_alerts_on_amounts_are_named_as_not_watched(folders):
    done = CliRunner().invoke(app, ["alerts", "--ledger", str(folders["KRW"])], catch_exceptions=False)
    assert f"Not watched: disputed_12m by the policy ({REASON})." in done.stdout
    assert f"Not watched: holds by the policy ({REASON})." in done.stdout


def test_limits_in_won_are_those_in_yuan_at_the_rate(folders, korean, rules):
    book = ledger.read(folders["CNY"])
    day = book.last_day
    yuan = limits.propose(history.build(book, day), rules, day)["credit_limit"].to_numpy()
    won_rules = policies.in_currency(rules, "KRW", {"CNY": RATE})
    won = limits.propose(history.build(korean, day), won_rules, day)["credit_limit"].to_numpy()
    # Both are rounded down to the same step: 1,000 yuan, and 1,000 x 200 = 200,000 won.
    assert np.allclose(won, yuan * RATE)
    told = json.loads(
        CliRunner()
        .invoke(
            app, ["limits", "--ledger", str(folders["KRW"]), "--rates", "CNY:200", "--json"], catch_exceptions=False
        )
        .stdout
    )
    assert told["notes"][-1].startswith("Amounts of policy 2025-baseline are written in CNY and were converted at 200")


def test_the_ladder_leaves_nobody_alone_for_an_amount_it_does_not_know(korean, rules):
    day = korean.last_day
    run = ladder.run(aging.open_items(korean, day), rules, day, currency="KRW")
    assert "below the minimum" not in set(run.waiting["reason"])
    assert run.letters["cost"].isna().all()
    dear = rules.model_copy(update={"ladder": rules.ladder.model_copy(update={"min_amount": 1e9})})
    known = policies.in_currency(dear, "KRW", {"CNY": RATE})
    run = ladder.run(aging.open_items(korean, day), known, day, currency="KRW")
    assert "below the minimum" in set(run.waiting["reason"])


def test_a_review_runs_and_says_what_is_not_known(korean, rules):
    made = studies.review.review(korean, rules, "2023Q4")
    assert made.proposals.empty
    assert "credit_limit" in made.proposals
    assert "disputed_12m" not in set(made.alerts["indicator"])
    assert f"Not known: {REASON}." in list(text.headline(made).values())[-1]
    section = portfolio_limits.section(korean, made.policy, made.as_of)
    assert section.lines == (f"No limit review: limits cannot be set: {REASON}.",)
    assert set(section.tables()) == {"limits_over"}
    ahead = twin.outlook(korean, made.policy, made.as_of)
    assert ahead.lines == [f"No outlook: limits cannot be set: {REASON}."]


def test_the_library_refuses_as_the_commands_do(korean, rules):
    day = korean.last_day
    for use in (
        lambda: granting.granting(korean, rules, day),
        lambda: portfolio_limits.together(korean, rules, day),
        lambda: champion_challenger(korean, rules, policies.load(OTHER)),
        lambda: twin.twin(korean, [rules, policies.load(OTHER)], day),
        lambda: trial.prepare(korean, rules, day),
    ):
        with pytest.raises(CreditLabError, match="is in CNY, the ledger in KRW"):
            use()


def test_rates_for_the_policy_alone_leave_a_ledger_in_one_currency(korean):
    assert korean.reporting("", {"CNY": RATE}) is korean
    assert pd.Series(korean.currencies).index.tolist() == ["KRW"]
