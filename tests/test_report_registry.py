"""The registry of runs: whole after kill -9, one run at a time, its own ledger's forecasts and nobody else's."""

import sqlite3
import subprocess
import sys
from dataclasses import replace

import pandas as pd
import pytest
from typer.testing import CliRunner

from credit_lab import ledger
from credit_lab.__main__ import app
from credit_lab.errors import ReportError
from credit_lab.publish import registry
from credit_lab.studies import earlier
from tests.ledgers import allocation, invoice, payment

# Writers are forked and killed at random moments; two more then write side by side.
CROWD = """
import os, random, signal, sys, time
import pandas as pd
from credit_lab.publish import registry

path = sys.argv[1]
days = [f"2026-{n // 28 + 1:02}-{n % 28 + 1:02}" for n in range(300)]
rows = [("cash", "2025-01-01", day, 1.0, 0.0, 2.0, 0.8, 1.0, "CNY") for day in days]
run = registry.Run(
    "review", "r", "2025-01-01T00:00:00Z", 1.0, figures={f"f{n}": (n, "") for n in range(50)},
    forecasts=pd.DataFrame(rows, columns=list(registry.FORECASTS)),
)

def write(times):
    child = os.fork()
    if child == 0:
        try:
            for _ in range(times):
                registry.record(path, run)
        finally:
            os._exit(0)
    return child

chance, kills = random.Random(1), 0
while kills < 20 or len(registry.runs(path)) < 20:  # on a slow machine many die before they wrote anything
    child = write(10**6)
    time.sleep(chance.uniform(0.0, 0.1))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    kills += 1
print(len(registry.runs(path)))
for child in [write(15), write(15)]:
    os.waitpid(child, 0)
print(len(registry.runs(path)))
"""


def test_killed_writers_leave_whole_runs_and_two_at_once_wait(tmp_path):
    path = tmp_path / registry.NAME
    said = subprocess.run(
        [sys.executable, "-c", CROWD, str(path)], capture_output=True, text=True, check=True, timeout=120
    ).stdout.split()
    killed, after = map(int, said)
    assert killed >= 20
    assert after == killed + 30
    with sqlite3.connect(path) as base:
        assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        for table, count in (("figures", 50), ("forecasts", 300)):
            kept = base.execute(f"SELECT run, count(*) FROM {table} GROUP BY run").fetchall()
            assert len(kept) == after
            assert {rows for _, rows in kept} == {count}
    base.close()


def test_a_foreign_or_damaged_file_is_refused_with_the_way_out_and_left_alone(tmp_path):
    path = tmp_path / registry.NAME
    run = registry.Run("review", "r", "2025-01-01T00:00:00Z", 1.0)
    base = sqlite3.connect(path)
    base.execute("CREATE TABLE recipes (cake TEXT)")
    base.commit()
    base.close()
    held = path.read_bytes()
    with pytest.raises(ReportError, match="belongs to another program; move it away"):
        registry.record(path, run)
    assert path.read_bytes() == held
    path.write_bytes(b"no database at all, " * 200)
    with pytest.raises(ReportError, match=r"damaged or no registry .*; move it away"):
        registry.runs(path)
    path.unlink()
    for _ in range(40):
        registry.record(path, replace(run, parameters={"text": "x" * 3000}))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ReportError, match="damaged"):
        registry.record(path, run)
    assert path.read_bytes() == whole[: len(whole) // 2]
    done = CliRunner().invoke(app, ["review", "--out", str(tmp_path)])
    assert isinstance(done.exception, ReportError)  # before any work


def firm(write_ledger, months, customer="C1", lost=False):
    """One invoice of 100 a month, paid 40 days later; the last one may be written off in part."""
    days = pd.date_range("2024-01-10", periods=months, freq="MS") + pd.Timedelta(days=9)
    documents = [
        invoice(f"I{n}", customer, f"{day:%Y-%m-%d}", f"{day + pd.Timedelta(days=30):%Y-%m-%d}")
        for n, day in enumerate(days)
    ]
    paid = [
        (f"P{n}", f"I{n}", f"{day + pd.Timedelta(days=40):%Y-%m-%d}", 60.0 if lost and n == 1 else 100.0)
        for n, day in enumerate(days)
    ]
    tables = {
        "invoices": documents,
        "payments": [payment(name, customer, when, amount) for name, _, when, amount in paid],
        "allocations": [allocation(name, of, when, amount) for name, of, when, amount in paid],
    }
    if lost:
        tables["write_offs"] = [{"invoice_id": "I1", "written_off_on": "2024-10-01", "amount": 40.0}]
    return ledger.read(write_ledger(**tables))


def forecast(*rows):
    return pd.DataFrame(rows, columns=list(registry.FORECASTS))


def test_a_ledger_is_known_again_by_its_documents(write_ledger, tmp_path):
    path = tmp_path / "out" / registry.NAME
    run = registry.Run("review", "r", "2025-01-01T00:00:00Z", 1.0, as_of="2024-09-30")
    registry.record(path, run, firm(write_ledger, 9))
    grown = firm(write_ledger, 14)  # five months later
    registry.record(path, replace(run, as_of="2025-02-28"), grown)
    later = replace(grown, tables={**grown.tables, "invoices": grown.invoices.iloc[4:]})  # an export that starts later
    registry.record(path, replace(run, as_of="2025-02-28"), later)
    registry.record(path, run, firm(write_ledger, 9, customer="C2"))  # another firm with the same numbers of invoices
    first, second, third, other = [one.ledger for one in registry.runs(path)]
    assert first == second == third != other
    assert first


def test_earlier_forecasts_meet_what_came(write_ledger, tmp_path):
    path = tmp_path / "out" / registry.NAME
    book = firm(write_ledger, 24, lost=True)
    made = forecast(
        ("cash", "2024-09-30", "2024-10-31", 90.0, 80.0, 120.0, 0.8, 100.0, "CNY"),  # 100 come: hit
        ("cash", "2024-10-31", "2024-11-30", 150.0, 120.0, 180.0, 0.8, 100.0, "CNY"),  # 100 come: miss
        ("cash", "2024-11-30", "2024-12-31", 90.0, 80.0, 110.0, 0.8, 100.0, "CNY"),  # 100 come: hit
        ("cash", "2025-12-31", "2026-03-31", 90.0, 80.0, 110.0, 0.8, 100.0, "CNY"),  # not yet
        ("loss allowance", "2024-09-30", "2025-09-30", 50.0, None, None, None, None, "CNY"),  # 40 are lost
    )
    run = registry.Run("review", "r", "2025-01-01T00:00:00Z", 1.0, as_of="2024-09-30", forecasts=made)
    registry.record(path, replace(run, forecasts=made.assign(point=1.0)), book)
    registry.record(path, run, book)  # made again: the later one counts
    other = firm(write_ledger, 24, customer="C2", lost=True)
    registry.record(path, replace(run, forecasts=made.assign(point=7.0)), other)
    found = earlier.judge(registry.forecasts(path, book, day := pd.Timestamp("2025-10-31")), book, day)
    assert found.forecasts["judged"].tolist() == ["hit", "miss", "hit", "+25%"]
    assert found.forecasts["observed"].tolist() == [100.0, 100.0, 100.0, 40.0]
    score = found.scores.iloc[0]
    # |90-100|, |150-100|, |90-100|: mean 70/3. Pinball at 0.1, 0.5, 0.9 of (80, 90, 120): 2, 5, 2; of (120, 150, 180):
    # 18, 25, 8; of (80, 90, 110): 2, 5, 1; in all 68 / 9.
    assert (score["forecasts"], score["error"], score["naive_error"]) == (3, pytest.approx(70 / 3), 0)
    assert score["pinball"] == pytest.approx(68 / 9)
    assert "2 of 3 lay inside their 80% intervals" in found.lines[0]
    assert found.lines[1] == ("The loss allowance of 2024-09-30 was 50 CNY; 40 CNY came of it within twelve months.")
    none = earlier.judge(registry.forecasts(path, book, day := pd.Timestamp("2024-10-15")), book, day)
    assert none.lines == ("No forecast of an earlier review has come due; 5 are still open.",)


def test_two_runs_are_compared(tmp_path):
    a = registry.Run(
        "review", "r", "t", 1.0, parameters={"period": "2025Q3", "card": ""}, figures={"add": (10.0, "days")}
    )
    b = replace(a, parameters={"period": "2025Q4", "card": ""}, figures={"add": (12.5, "days"), "cei": (None, "%")})
    found = registry.compare(a, b)
    assert found[["part", "name", "a", "b"]].to_numpy().tolist() == [
        ["parameter", "period", "2025Q3", "2025Q4"],
        ["figure", "add", 10.0, 12.5],
    ]
    assert found["change"].iloc[1] == 2.5
    path = tmp_path / registry.NAME
    for one in (a, b):
        registry.record(path, one)
    said = CliRunner().invoke(app, ["runs", "1", "2", "--out", str(tmp_path)]).output
    assert "2025Q3" in said
    assert "2.500" in said
    listed = CliRunner().invoke(app, ["runs", "--out", str(tmp_path)]).output
    assert listed.count("review") == 2
    missing = CliRunner().invoke(app, ["runs", "9", "--out", str(tmp_path)])
    assert "has no run 9; the last one is 2" in str(missing.exception)
