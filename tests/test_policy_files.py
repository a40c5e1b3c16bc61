"""Files of policies: what a base gives, and how a file of 0.1 is brought up to date."""

import difflib
import json
import os
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from credit_lab import policy as policies
from credit_lab.__main__ import app
from credit_lab.commands import pack
from credit_lab.errors import PolicyError
from credit_lab.policy import files

ROOT = Path(__file__).parents[1]
BASELINE = ROOT / "data/policies/2025-baseline.toml"
OLD = ROOT / "tests/references/policy_of_0_1.toml"  # the tighter policy as version 0.1 had it
META = '[meta]\nid = "mine"\nvalid_from = 2026-01-01\napproved_by = "me"\ndescription = "mine"\n'
baseline = policies.load(BASELINE)


def written(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def own(path: Path, rest: str = "", base: str = "2025-baseline") -> Path:
    return written(path, f'base = "{base}"\n\n{META}\n{rest}')


# what a base gives


def test_a_file_with_a_base_gives_what_differs(tmp_path):
    made = policies.load(own(tmp_path / "mine.toml", "[holds]\noverdue_days = 60\n"))
    assert (made.meta.id, made.meta.currency) == ("mine", "CNY")
    assert (made.holds.overdue_days, made.holds.wait_days) == (60, 15)
    assert policies.diff(baseline, made)["setting"].tolist() == ["overdue_days"]


def test_the_digest_is_that_of_the_whole_policy(tmp_path):
    made = policies.load(own(tmp_path / "mine.toml", "[holds]\noverdue_days = 60\n"))
    whole = policies.load(policies.save(made, tmp_path / "whole.toml"))
    assert "base" not in tomllib.loads((tmp_path / "whole.toml").read_text(encoding="utf-8"))
    assert policies.digest(made) == policies.digest(whole) != policies.digest(baseline)


def test_a_list_replaces_the_list_of_the_base(tmp_path):
    alert = '{ indicator = "max_dpd", above = 9, severity = "act", action = "call" }'
    made = policies.load(own(tmp_path / "mine.toml", f"[monitoring]\nalerts = [{alert}]\n"))
    assert [alert.above for alert in made.monitoring.alerts] == [9]


def test_bases_are_looked_for_beside_the_file_first_and_may_have_bases(tmp_path):
    own(tmp_path / "grand.toml", "[limits]\npeak_factor = 4\n[holds]\nwait_days = 1\n")
    own(tmp_path / "2025-tighter.toml", "[holds]\nwait_days = 2\n", base="grand")
    last = own(tmp_path / "mine.toml", "[trial]\nsteps = 9\n", base="2025-tighter")
    made = policies.load(last)
    # From the base's base, from the base over it, from the file; the rest from what ships.
    assert (made.limits.peak_factor, made.holds.wait_days, made.trial.steps) == (4, 2, 9)
    assert made.holds.overdue_days == 90
    assert [path.name for path in policies.bases(last)] == [
        "2025-tighter.toml",
        "grand.toml",
        "2025-baseline.toml",
    ]


def test_a_base_that_ships_is_found_from_any_folder(tmp_path, monkeypatch):
    path = own(tmp_path / "mine.toml")
    monkeypatch.chdir(tmp_path)
    assert policies.load(path).holds == baseline.holds


def test_what_is_no_policy_has_no_bases(tmp_path):
    assert policies.bases(BASELINE) == ()
    assert policies.bases(written(tmp_path / "x.toml", "[broken")) == ()
    assert policies.bases("") == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            'base = "2025-basline"',
            r"base '2025-basline': there is no 2025-basline.toml in .* or "
            r"data/policies; did you mean '2025-baseline'\?",
        ),
        ("base = 2025", r"base: give a file's name without .toml, in quotes \(given: 2025\)"),
        ('base = "../x"', r"base '../x': a name without /"),
        ('base = "mine"', r"base leads in a circle: .*mine.toml -> .*mine.toml; one of these"),
        ('base = "2025-baseline"\nmeta = 3', r"meta: .*\(given: 3\)"),
        ('base = "2025-baseline"\n[meta]\nid = "x"', "meta.approved_by: is required and lacking\n"),
        (
            'base = "2025-baseline"\n[meta]\ncurrency = "USD"',
            r"meta.currency: USD, but amounts "
            r"inherited from .*2025-baseline.toml are in CNY; leave meta.currency out",
        ),
        (f'{META}base = "2025-baseline"', "meta.base: base belongs at the top of the file"),
    ],
)
def test_a_base_that_cannot_be_is_refused_with_the_way_out(tmp_path, text, words):
    with pytest.raises(PolicyError, match=words) as refused:
        policies.load(written(tmp_path / "mine.toml", text))
    assert str(refused.value).startswith(f"policy {tmp_path / 'mine.toml'}")


def test_two_files_that_name_each_other_are_refused(tmp_path):
    own(tmp_path / "a.toml", base="b")
    own(tmp_path / "b.toml", base="a")
    with pytest.raises(PolicyError, match=r"circle: .*a\.toml -> .*b\.toml -> .*a\.toml"):
        policies.load(tmp_path / "a.toml")


def test_the_file_at_fault_is_named_where_it_is_another_one(tmp_path):
    broken = BASELINE.read_text(encoding="utf-8").replace("peak_factor = 2.5", "peak_factor = 25")
    base = written(tmp_path / "house.toml", broken)
    path = own(tmp_path / "mine.toml", "[trial]\nsteps = 99\n", base="house")
    with pytest.raises(PolicyError) as refused:
        policies.load(path)
    head, peak, steps = str(refused.value).splitlines()
    assert head == f"policy {path}:"
    assert peak.startswith("  limits.peak_factor:")
    assert peak.endswith(f"(in {base})")
    assert steps.startswith("  trial.steps:")
    assert "(in " not in steps


# bringing a file up to date


def test_a_file_of_0_1_is_refused_with_the_way_out():
    with pytest.raises(PolicyError) as refused:
        policies.load(OLD)
    assert str(refused.value).splitlines()[1:] == [
        f"  default: is required and lacking; `credit-lab policy --upgrade {OLD}` adds it",
        "  holds.wait_days: is required and lacking; allowed 0 to 365 days; "
        f"`credit-lab policy --upgrade {OLD}` adds it",
        "  holds.wait_days_custom: is required and lacking; allowed 0 to 365 days; "
        f"`credit-lab policy --upgrade {OLD}` adds it",
    ]


def test_a_base_that_lacks_something_is_what_is_to_be_upgraded(tmp_path):
    base = written(tmp_path / "house.toml", OLD.read_text(encoding="utf-8"))
    path = own(tmp_path / "mine.toml", "[default]\nmonth_ends = 3\n", base="house")
    with pytest.raises(PolicyError, match=rf"--upgrade {base}` adds it"):
        policies.upgrade(path)
    policies.upgrade(base)
    assert policies.load(path).default.month_ends == 3
    assert policies.upgrade(path).empty


@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
def test_what_lacks_is_added_with_its_reason_and_the_rest_stays(tmp_path, line_break):
    before = OLD.read_text(encoding="utf-8").replace("\n", line_break).rstrip()
    path = written(tmp_path / "mine.toml", before)
    path.chmod(0o640)
    table = policies.upgrade(path)
    after = path.read_bytes().decode()
    changes = list(difflib.ndiff(before.splitlines(), after.splitlines()))
    added = [line[2:] for line in changes if line.startswith("+")]
    assert not [line for line in changes if line.startswith(("-", "?"))]
    assert set(added) <= set(BASELINE.read_text(encoding="utf-8").splitlines())
    assert sum(line.startswith("#") for line in added) == 3
    assert after.count("\r\n") == after.count("\n") * (line_break == "\r\n")
    assert (tmp_path / "mine.toml.bak").read_bytes() == before.encode()
    assert path.stat().st_mode & 0o777 == 0o640
    # By hand: six settings of [default] and two of [holds]
    assert table["section"].tolist() == ["default"] * 6 + ["holds"] * 2
    assert set(table["change"]) == {"added"}
    old, new = tomllib.loads(before), tomllib.loads(after)
    assert list(new) == [*list(old)[:5], "default", *list(old)[5:]]
    assert new["holds"] == {**old["holds"], "wait_days": 15, "wait_days_custom": 45}
    del new["default"], new["holds"], old["holds"]
    assert new == old
    made = policies.load(path)
    assert made.default == baseline.default
    assert (made.holds.overdue_days, made.holds.wait_days_custom) == (30, 45)


def test_a_comment_stays_with_what_it_is_about(tmp_path):
    text = OLD.read_text(encoding="utf-8")
    last = next(line for line in text.splitlines() if line.startswith("partial_release"))
    path = written(tmp_path / "mine.toml", text.replace(last, f"{last}\n# agreed with sales"))
    policies.upgrade(path)
    assert f"{last}\n# agreed with sales\n# A held order" in path.read_text(encoding="utf-8")
    # Above a setting it is about that one: what is new comes before it.
    mixed = text.replace(f"{last}\n", "").replace("[holds] ", f"[holds]\n{last}\n# mine\n#")
    path = written(tmp_path / "other.toml", mixed)
    policies.upgrade(path)
    after = path.read_text(encoding="utf-8")
    assert after.index("wait_days_custom") < after.index("# mine") < after.index("overdue_days")


def test_a_second_time_nothing_is_done(tmp_path):
    path = written(tmp_path / "mine.toml", OLD.read_text(encoding="utf-8"))
    policies.upgrade(path)
    os.utime(path, (1, 1))
    assert policies.upgrade(path).empty
    assert path.stat().st_mtime == 1
    (tmp_path / "mine.toml.bak").unlink()
    assert policies.upgrade(path).empty
    assert [one.name for one in tmp_path.iterdir()] == ["mine.toml"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("peak_factor =", "peek_factor =", "limits.peek_factor: unknown key; did you mean"),
        (
            '"CNY"',
            '"USD"',
            r"is in USD; write these by hand in it, then upgrade again: "
            r"default.impaired_amount \(4,000 CNY\)$",
        ),
        ("[economics]\n", "[economics]\nholds.wait_days = 3\n", "economics.holds: unknown key"),
        ("[holds] ", "holds.wait_days = 9\n[holdings] ", "unknown key|is laid out"),
    ],
)
def test_what_is_wrong_otherwise_is_refused_and_nothing_is_written(tmp_path, old, new, words):
    text = OLD.read_text(encoding="utf-8")
    assert old in text
    path = written(tmp_path / "mine.toml", text.replace(old, new, 1))
    before = path.read_bytes()
    with pytest.raises(PolicyError, match=words):
        policies.upgrade(path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["mine.toml"]


def test_a_layout_without_a_place_is_refused(tmp_path):
    content = baseline.model_dump(mode="json")["holds"]
    del content["wait_days"]
    inline = ", ".join(f"{key} = {json.dumps(value)}" for key, value in content.items())
    text = BASELINE.read_text(encoding="utf-8")
    start, end = text.index("[holds]"), text.index("[authority]")
    path = written(tmp_path / "x.toml", f"holds = {{ {inline} }}\n{text[:start]}{text[end:]}")
    with pytest.raises(PolicyError, match=r"leaves no place .* such as \[holds\]"):
        policies.upgrade(path)


def test_an_earlier_copy_is_not_overwritten(tmp_path):
    path = written(tmp_path / "mine.toml", OLD.read_text(encoding="utf-8"))
    kept = written(tmp_path / "mine.toml.bak", "older")
    with pytest.raises(PolicyError, match=r": mine.toml.bak would be overwritten; move"):
        policies.upgrade(path)
    assert kept.read_text(encoding="utf-8") == "older"
    assert path.read_bytes() == OLD.read_bytes()


def test_what_is_no_more_becomes_a_comment_with_what_became_of_it(tmp_path, monkeypatch):
    text = BASELINE.read_text(encoding="utf-8")
    text = text.replace("steps = 3\n", "steps = 3\nluck = [\n  1,  # mine\n]\n")
    path = written(tmp_path / "mine.toml", text + "\n[moon]\nphase = 1\n")
    monkeypatch.setitem(files.REMOVED, "trial.luck", "nobody read it")
    monkeypatch.setitem(files.REMOVED, "moon", "see [trial]")
    with pytest.raises(PolicyError, match=r"luck: unknown key.*; nobody read it; .* takes it out"):
        policies.load(path)
    table = policies.upgrade(path)
    assert table.to_dict("list") == {
        "section": ["trial", "moon"],
        "setting": ["luck", ""],
        "value": ["[1]", "{'phase': 1}"],
        "change": ["taken out", "taken out"],
        "note": ["nobody read it", "see [trial]"],
    }
    after = path.read_text(encoding="utf-8")
    assert "steps = 3\n# trial.luck: nobody read it\n# luck = [\n#   1,  # mine\n# ]\n" in after
    assert after.endswith("\n# moon: see [trial]\n# [moon]\n# phase = 1\n")
    assert policies.load(path) == baseline


def _pieces(text: str) -> dict[str, str]:
    """Sections of a policy file by name."""
    parts = text.split("\n[")[1:]
    return {part.split("]")[0]: f"[{part}" for part in parts}


PIECES = _pieces(policies.to_toml(baseline))
CONTENT = {name: tomllib.loads(body)[name] for name, body in PIECES.items() if name != "meta"}
PLACES = [(section, key) for section, values in CONTENT.items() for key in values]


def without(body: str, section: str, keys: set[str]) -> str:
    """A section without some settings, which `to_toml` writes from their name to the next one."""
    lines, drop = [], False
    for line in body.splitlines(keepends=True):
        name = line.split(" = ")[0]
        if (section, name) in PLACES:
            drop = name in keys
        lines += [] if drop else [line]
    return "".join(lines)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(lost=st.sets(st.sampled_from(PLACES)), order=st.permutations(list(PIECES)), data=st.data())
def test_whatever_lacks_in_whatever_order_comes_back(tmp_path, lost, order, data):
    whole = data.draw(st.sets(st.sampled_from([name for name in PIECES if name != "meta"])))
    remark = data.draw(st.sampled_from(["", "# mine ]\n", '# mine "\n\n']))
    bodies = [
        without(PIECES[name], name, {key for section, key in lost if section == name}) + remark
        for name in order
        if name not in whole
    ]
    path = written(tmp_path / "mine.toml", "\n".join(bodies))
    before = path.read_text(encoding="utf-8")
    policies.upgrade(path)
    assert policies.load(path) == baseline
    left = iter(path.read_text(encoding="utf-8").splitlines())
    assert all(line in left for line in before.splitlines())  # all are there, in their order
    (tmp_path / "mine.toml.bak").unlink(missing_ok=True)


def test_texts_and_tables_of_any_form_are_left_alone(tmp_path):
    text = OLD.read_text(encoding="utf-8")
    start, end = text.index("stages = ["), text.index("[monitoring]")
    stages = tomllib.loads(text)["ladder"]["stages"]
    rows = ["".join(f"{key} = {json.dumps(one[key])}\n" for key in one) for one in stages]
    tables = "".join(f"[[ladder.stages]]\n{row}" for row in rows)
    text = text[:start] + tables + "\n" + text[end:]
    title = 'description = """\n[holds]  # "no" header\nwait_days = 3 \'\'\' [[\n"""  # ]'
    line = next(line for line in text.splitlines() if line.startswith("description"))
    text = text.replace("[holds] ", '["holds"] ').replace(line, title)
    path = written(tmp_path / "mine.toml", text)
    policies.upgrade(path)
    made = policies.load(path)
    assert made.meta.description == "[holds]  # \"no\" header\nwait_days = 3 ''' [[\n"
    assert (made.holds.wait_days, made.default.cure_months) == (15, 3)
    assert title in path.read_text(encoding="utf-8")


def test_the_command_says_what_was_added(tmp_path):
    path = written(tmp_path / "mine.toml", OLD.read_text(encoding="utf-8"))
    said = CliRunner().invoke(app, ["policy", str(path), "--upgrade", "--json"])
    rows = json.loads(said.stdout)
    assert [row["setting"] for row in rows][-2:] == ["wait_days", "wait_days_custom"]
    said = CliRunner().invoke(app, ["policy", "--upgrade", str(path)])
    assert said.stdout == f"{path} lacks nothing and was left as it is.\n"
    path.write_bytes(OLD.read_bytes())
    (tmp_path / "mine.toml.bak").unlink()
    said = CliRunner().invoke(app, ["policy", "--upgrade", str(path)])
    assert said.stdout.endswith(f"Written to {path}; as it was before: {path}.bak\n")
    assert "Held orders wait" in said.stdout
    said = CliRunner().invoke(app, ["policy", "--upgrade", str(path), str(BASELINE)])
    assert said.exit_code == 2


def test_a_run_that_was_stopped_is_not_resumed_after_a_change_of_a_base(tmp_path):
    base = written(tmp_path / "house.toml", BASELINE.read_text(encoding="utf-8"))
    path = own(tmp_path / "mine.toml", base="house")
    parameters = {"mapping": "", "policy": str(BASELINE), "other": str(path), "card": ""}
    ledger = SimpleNamespace(digest=lambda: "a ledger")
    first = pack._digest(ledger, parameters)
    assert pack._digest(ledger, parameters) == first
    base.write_text(base.read_text(encoding="utf-8") + "\n# a remark\n", encoding="utf-8")
    assert pack._digest(ledger, parameters) != first
