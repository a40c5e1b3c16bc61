import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from credit_lab.__main__ import app, main

run = CliRunner().invoke


def refused(capsys, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["credit-lab", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    return stop.value.code, capsys.readouterr().err


def test_check_of_the_sample_in_json():
    result = run(app, ["check", "--json"])
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    cny = found["currencies"]["CNY"]
    assert cny["as_of"] == "2025-12-31"
    total = sum(row["open_amount"] for row in cny["aging"])
    assert total == pytest.approx(found["control"][-1]["control"])
    assert len(found["control"]) == 36


def test_check_as_text_and_at_another_day():
    result = run(app, ["check", "--as-of", "2024-06-30"])
    assert result.exit_code == 0
    assert "Control account: 36 dates, agrees to the cent" in result.stdout
    assert "dso.countback" in result.stdout


def test_a_difference_from_the_control_account_is_a_finding(write_ledger):
    from tests.ledgers import invoice, payment

    folder = write_ledger(
        invoices=[invoice()], payments=[payment()], control=[{"as_of": "2024-01-31", "balance": 99.0}]
    )
    result = run(app, ["check", "--ledger", str(folder)])
    assert result.exit_code == 1
    assert "differs by up to 1.00" in result.stdout


def test_refused_input_ends_with_its_message_and_one(capsys, monkeypatch, tmp_path):
    for arguments, words in (
        (["check", "--ledger", str(tmp_path / "none")], "does not exist"),
        (["check", "--as-of", "31.12.2024"], "write it as 2025-12-31"),
        (["check", "--as-of", "2001-01-01"], "nothing is known yet"),
        (["review", "--period", "2025Q5"], "quarter 2025Q4"),
        (["review", "--period", "2031Q1", "--out", str(tmp_path)], "no invoice was issued in it"),
        (["review", "--policy", "none.toml", "--out", str(tmp_path)], "does not exist"),
        (["check", "--currency", "USD"], "no documents in 'USD'"),
        (["check", "--rates", "CAD=2", "--currency", "CNY"], "write CAD:0.75"),
    ):
        code, message = refused(capsys, monkeypatch, *arguments)
        assert code == 1
        assert words in message
        assert message.startswith("credit-lab: ")
    assert list(tmp_path.iterdir()) == []


def test_wrong_usage_is_two():
    assert run(app, ["check", "--colour"]).exit_code == 2
    assert run(app, ["backtest", "--policy", "one.toml"]).exit_code == 2
    assert run(app, ["sample", "--format", "docx"]).exit_code == 2
    assert run(app, ["simulate", "--report", "--tables", "t"]).exit_code == 2


def test_every_command_has_help_with_an_example():
    for command in app.registered_commands:
        name = command.name or command.callback.__name__
        result = run(app, [name, "--help"])
        assert result.exit_code == 0
        assert "Example: credit-lab" in " ".join(result.stdout.split())


def test_sample_and_policy_and_notebooks(tmp_path):
    made = run(app, ["sample", "--out", str(tmp_path / "s"), "--customers", "20", "--months", "12", "--json"])
    assert made.exit_code == 0
    assert json.loads(made.stdout)["rows"]["customers"] == 20
    assert (tmp_path / "s" / "truth" / "effect.csv").exists()
    differ = run(app, ["policy", "data/policies/2025-baseline.toml", "data/policies/2025-tighter.toml"])
    assert "Tighter" in differ.stdout
    listed = json.loads(run(app, ["notebooks", "--json"]).stdout)
    assert listed["80_quarterly_review"]["period"]["help"].startswith(
        "quarter 2025Q4, month 2025-11 or year 2025; empty:"
    )
    assert all("out" in parameters for parameters in listed.values())


def test_it_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "credit_lab", "--help"], capture_output=True, text=True, check=True)
    assert "backtest" in done.stdout


@pytest.mark.parametrize("command", [["worklist"], ["alerts"], ["limits"], ["files"], ["evaluate"]])
def test_a_table_that_cannot_be_saved_is_refused_before_the_work_begins(command, capsys, monkeypatch, tmp_path):
    from credit_lab import inputs

    monkeypatch.setattr(inputs, "open_ledger", lambda *_, **__: pytest.fail("the ledger was read"))
    for name, message in (("none/list.csv", "no folder"), ("list.txt", "must end in"), (".", "must end in")):
        code, text = refused(capsys, monkeypatch, *command, "--out", str(tmp_path / name))
        assert code == 1
        assert message in text
    assert list(tmp_path.iterdir()) == []
