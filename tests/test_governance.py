"""The register of models: rules, the chained log, standing on page one; evidence for one decision."""

import dataclasses
import json
import subprocess
import sys

import pandas as pd
import pytest
from typer.testing import CliRunner

from credit_lab import governance, policy
from credit_lab.__main__ import app
from credit_lab.commands import reports
from credit_lab.governance import GovernanceError, Register
from credit_lab.limits import authority
from credit_lab.publish import evidence_file
from credit_lab.studies import evidence, governed
from tests.conftest import ROOT

BASELINE = ROOT / "data" / "policies" / "2025-baseline.toml"
TIGHTER = ROOT / "data" / "policies" / "2025-tighter.toml"
DAY = pd.Timestamp("2025-03-01")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "models.jsonl"


def report_about(folder, digest, **verdicts):
    folder.mkdir(exist_ok=True)
    run = {"policy_digests": [digest], "verdicts": verdicts}
    (folder / "run.json").write_text(json.dumps(run))
    return folder


def entered(path, file=BASELINE, author="Ann Li", **more):
    return governance.enter(path, governed.identified(str(file)), author=author, on=DAY, **more)


def champion(path, tmp_path, file=BASELINE, day=DAY, **more):
    model = entered(path, file)
    folder = report_about(tmp_path / model.id, model.digest)
    governance.validate(path, model.id, result="passed", report=folder, by="Bo Wu", on=day)
    return governance.approve(path, model.id, approver="Cy Ma", on=day, **more)


def test_identity_follows_the_content_and_not_the_file(tmp_path):
    text = BASELINE.read_text(encoding="utf-8")
    copy, changed = tmp_path / "copy.toml", tmp_path / "changed.toml"
    copy.write_text("# another comment\n" + text, encoding="utf-8")
    changed.write_text(text.replace("peak_factor = 2.5", "peak_factor = 2.6"), encoding="utf-8")
    ids = [governed.identified(str(file)).id for file in (BASELINE, copy, changed)]
    assert ids[0] == ids[1] != ids[2]


def test_a_model_goes_from_draft_to_champion_and_its_successor_retires_it(path, tmp_path):
    first = champion(path, tmp_path)
    assert (first.state, first.approver, first.expires_on) == ("champion", "Cy Ma", "2026-03-01")
    second = champion(path, tmp_path, TIGHTER, expires_on="2025-12-31")
    known = Register.read(path)
    assert known.champion("policy", "all").id == second.id
    assert (known.models[first.id].state, known.models[first.id].reason) == ("retired", f"replaced by {second.id}")
    assert list(known.trail(first)["action"]) == ["register", "validate", "approve"]


def test_a_champion_needs_a_passed_validation_of_this_very_model_and_other_eyes(path, tmp_path):
    model = entered(path)
    with pytest.raises(GovernanceError, match="cannot become champion: it has no validation"):
        governance.approve(path, model.id, approver="Cy Ma", on=DAY)
    other = report_about(tmp_path / "other", "0" * 64)
    with pytest.raises(GovernanceError, match="is not about"):
        governance.validate(path, model.id, result="passed", report=other, by="Bo Wu", on=DAY)
    bad = report_about(tmp_path / "bad", model.digest, ranking="stop: AUC 0.51")
    with pytest.raises(GovernanceError, match=r"says stop \(ranking\)"):
        governance.validate(path, model.id, result="passed", report=bad, by="Bo Wu", on=DAY)
    governance.validate(path, model.id, result="failed", report=bad, by="Bo Wu", on=DAY)
    with pytest.raises(GovernanceError, match="its validation failed"):
        governance.approve(path, model.id, approver="Cy Ma", on=DAY)
    good = report_about(tmp_path / "good", model.digest, ranking="ok: AUC 0.78")
    for role in ("ann li", "Ann  Li ", "ＡＮＮ LI"):  # the author in other letters is no second pair of eyes
        with pytest.raises(GovernanceError, match="four eyes"):
            governance.validate(path, model.id, result="passed", report=good, by=role, on=DAY)
    governance.validate(path, model.id, result="passed", report=good, by="Bo Wu", on=DAY)
    with pytest.raises(GovernanceError, match="four eyes"):
        governance.approve(path, model.id, approver="Ann Li", on=DAY)
    with pytest.raises(GovernanceError, match="needs a name"):
        governance.approve(path, model.id, approver="  ", on=DAY)
    assert Register.read(path).models[model.id].state == "draft"
    governance.approve(path, model.id, approver="Cy Ma", on=DAY)
    governance.validate(path, model.id, result="failed", report=bad, by="Bo Wu", on=DAY)
    assert Register.read(path).models[model.id].state == "draft"


def test_retired_models_stay_retired_and_time_runs_forward(path):
    model = entered(path)
    with pytest.raises(GovernanceError, match="registered already, by Ann Li"):
        entered(path)
    with pytest.raises(GovernanceError, match="is the clock of this machine right"):
        governance.retire(path, model.id, by="Cy Ma", on=DAY - pd.Timedelta(days=1), reason="old")
    governance.retire(path, model.id, by="Cy Ma", on=DAY, reason="drifted")
    with pytest.raises(GovernanceError, match="is retired: drifted"):
        governance.approve(path, model.id, approver="Cy Ma", on=DAY)


@pytest.mark.parametrize("how", ["changed", "taken out", "swapped", "by hand"])
def test_a_register_changed_afterwards_is_refused(path, tmp_path, how):
    champion(path, tmp_path)
    lines = path.read_text(encoding="utf-8").splitlines()
    if how == "changed":
        lines[0] = lines[0].replace("Ann Li", "Dee Xu")
    elif how == "taken out":
        del lines[1]
    elif how == "swapped":
        lines[0], lines[1] = lines[1], lines[0]
    else:  # a well-chained line that breaks a rule: the author approves
        head = Register.read(path).head
        entry = json.loads(lines[2]) | {"previous": head, "by": "Ann Li"}
        lines.append(json.dumps(entry))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(GovernanceError, match="line"):
        Register.read(path)


def test_writers_at_the_same_time_lose_nothing(path):
    code = (
        "import sys, pandas as pd; from credit_lab import governance as g\n"
        "for k in range(10):\n"
        "    one = g.Identity('policy', 'p', f'{sys.argv[2]}{k}'.ljust(64, '0'))\n"
        "    g.enter(sys.argv[1], one, author='Ann', on=pd.Timestamp('2025-03-01'))"
    )
    runs = [subprocess.Popen([sys.executable, "-c", code, str(path), letter], cwd=ROOT) for letter in "ab"]
    assert [run.wait() for run in runs] == [0, 0]
    assert len(Register.read(path).models) == 20


def test_standing_is_said_for_every_state(path, tmp_path):
    rules = policy.load(BASELINE)
    assert governed.verdicts(str(path), rules) == {}
    assert "No register of models is kept" in governed.lines(str(path), rules)["models"]
    one = governance.of_policy(rules)

    def light(day=DAY):
        return governance.standing(Register.read(path), one, day)

    other = entered(path, TIGHTER)
    assert light().light == "act" and "nobody has approved it" in light().text
    model = champion(path, tmp_path)
    assert light().light == "ok"
    assert light(pd.Timestamp("2026-03-01")).light == "ok"  # the last day counts
    assert "expired on 2026-03-01" in light(pd.Timestamp("2026-03-02")).text
    assert governance.verdicts(Register.read(path), [one], DAY)["models approved"].startswith("ok: ")
    both = governance.verdicts(Register.read(path), [one, governed.identified(str(TIGHTER))], DAY)
    assert both["models approved"].startswith("act: ") and "draft" in both["models approved"]
    governance.retire(path, model.id, by="Cy Ma", on=DAY, reason="drifted")
    assert light().light == "stop"
    assert governed.lines(str(path), rules) == {} and other.state == "draft"


def test_the_register_as_of_a_day(path, tmp_path):
    champion(path, tmp_path)
    assert Register.read(path, until=DAY - pd.Timedelta(days=1)).models == {}
    assert len(Register.read(path, until=DAY).models) == 1


def test_commands(path, tmp_path):
    run, at = CliRunner(), ["--register", str(path)]
    made = run.invoke(
        app, ["models", "register", str(BASELINE), "--author", "Ann", "--json", *at], catch_exceptions=False
    )
    model = json.loads(made.output)
    folder = report_about(tmp_path / "r", model["digest"])
    for words in (
        ["models", "register", "payment-time", "--author", "Ann", *at],
        ["models", "validate", model["id"], "--report", str(folder), "--by", "Bo", "--result", "passed", *at],
        ["models", "approve", model["id"][:6], "--approver", "Cy", "--expires", "2099-12-31", *at],
    ):
        assert run.invoke(app, words, catch_exceptions=False).exit_code == 0, words
    listed = run.invoke(app, ["models", "list", *at], catch_exceptions=False).output
    assert "champion" in listed and "2099-12-31" in listed and "draft" in listed
    shown = run.invoke(app, ["models", "show", model["id"], *at], catch_exceptions=False).output
    assert "passed" in shown and "Bo" in shown
    with pytest.raises(GovernanceError, match="no model begins with 'zzz'"):
        run.invoke(app, ["models", "retire", "zzz", "--by", "Cy", "--reason", "x", *at], catch_exceptions=False)


@pytest.fixture(scope="module")
def made(sample):
    return evidence.evidence(sample, policy.load(BASELINE), "C-0172", pd.Timestamp("2025-06-30"), models="none.jsonl")


def test_evidence_answers_from_the_ledger(made):
    # data/sample/limits.csv: C-0172, 2025-04-01 to 2025-06-30, 865000, finance director, quarterly review
    assert made.lines[0] == (
        "On 2025-06-30 the limit of C-0172 was 865,000.00 CNY, since 2025-04-01, approved by finance director: "
        "quarterly review."
    )
    grade, methods = made.tables["grade"], made.tables["methods"].set_index("method")["limit"]
    assert grade["points"].sum() == pytest.approx((grade["weight"] * grade["score"].fillna(0)).sum())
    decision = made.tables["decision"].set_index("item")["value"]
    # the method's limit, rounded down to thousands by the policy
    assert decision["proposed"] == methods["sales forecast"] // 1000 * 1000
    signers = made.tables["authority"]
    request = authority.Request(865_000.0, decision["grade"], 0.0)
    chain = authority.chain(policy.load(BASELINE), request)
    assert tuple(signers.loc[signers["amount_of"] == "granted", "approver"]) == chain
    assert made.tables["models"]["digest"].tolist() == [policy.digest(policy.load(BASELINE))]


def test_evidence_knows_nothing_later(made, sample):
    cut = sample.up_to(pd.Timestamp("2025-06-30"))
    late = {name: cut.tables[name][cut.tables[name][on] <= "2025-06-30"].reset_index(drop=True)
            for name, on in (("facts", "observed_on"), ("financials", "published_on"),
                             ("assessments", "assessed_on"), ("limits", "valid_from"))}  # fmt: skip
    again = evidence.evidence(
        dataclasses.replace(cut, tables={**cut.tables, **late}),
        policy.load(BASELINE), "C-0172", pd.Timestamp("2025-06-30"), models="none.jsonl",
    )  # fmt: skip
    for name, frame in made.tables.items():
        if name != "origin":
            pd.testing.assert_frame_equal(frame, again.tables[name])
    assert again.lines == made.lines


def test_evidence_is_one_file_and_the_same_bytes(made, tmp_path):
    reports.evidence(made, str(tmp_path / "deep" / "e.json"))
    reports.evidence(made, str(tmp_path / "e.html"))
    plain = json.loads((tmp_path / "deep" / "e.json").read_text(encoding="utf-8"))
    assert plain["customer"] == "C-0172" and len(plain["methods"]) == len(made.tables["methods"])
    page = (tmp_path / "e.html").read_text(encoding="utf-8")
    assert "865,000.00 CNY" in page and "src='http" not in page and made.title in page
    reports.evidence(made, str(tmp_path / "e.html"))
    assert page == (tmp_path / "e.html").read_text(encoding="utf-8")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["deep", "e.html"]
    assert evidence_file.stem("../../etc/<x>", pd.Timestamp("2025-06-30")) == "_etc_x_-2025-06-30"
    with pytest.raises(evidence.ReportError, match="must end in"):
        reports.evidence(made, str(tmp_path / "e.pdf"))


def test_evidence_refuses_whom_it_does_not_know(sample):
    rules = policy.load(BASELINE)
    with pytest.raises(evidence.ReportError, match="did you mean 'C-0172'"):
        evidence.evidence(sample, rules, "C0172", pd.Timestamp("2025-06-30"))
    with pytest.raises(evidence.ReportError, match="no whole month of business"):
        evidence.evidence(sample, rules, "C-0228", pd.Timestamp("2025-06-30"))
