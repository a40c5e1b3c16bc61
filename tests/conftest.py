import getpass
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, settings

from credit_lab import ledger

# `HYPOTHESIS_PROFILE=thorough make test` tries many more ledgers than a daily run.
settings.register_profile("daily", max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "daily"))

ROOT = Path(__file__).parents[1]
SLOWEST = 25  # files named at the end of a run
# Files begun first, so that at the end no process waits for one of them.
LONGEST = ("tests/test_words.py", "tests/faults/test_tables.py")
# Scripts that made reference figures with other programs, which are not installed here.
collect_ignore_glob = ["references/*.py"]


def pytest_collection_modifyitems(items):
    """The longest files before the others, which keep their order."""
    items.sort(key=lambda item: item.location[0] not in LONGEST)


def pytest_terminal_summary(terminalreporter):
    """Seconds of each file, with what its fixtures took, and how many tests it has; the slowest files only."""
    seconds, tests = Counter(), Counter()
    for report in (one for reports in terminalreporter.stats.values() for one in reports):
        if isinstance(report, pytest.TestReport):
            seconds[report.location[0]] += report.duration
            tests[report.location[0]] += report.when == "call"
    if len(seconds) > 1:
        terminalreporter.section(f"seconds per file, {sum(seconds.values()):.0f} in all")
        for name, spent in seconds.most_common(SLOWEST):
            terminalreporter.line(f"{spent:8.1f} {tests[name]:5} tests  {name}")


@pytest.fixture(scope="session")
def sample():
    """The bundled synthetic ledger."""
    return ledger.read(ROOT / "data" / "sample")


@pytest.fixture
def write_ledger(tmp_path):
    """Write a small ledger from dicts of rows and give back its folder."""

    def write(**tables):
        for name, rows in tables.items():
            pd.DataFrame(rows).to_csv(tmp_path / f"{name}.csv", index=False)
        return tmp_path

    return write


@pytest.fixture(scope="session")
def real_data():
    """Folder of the real data sets, which are not ours to publish."""
    folder = Path(os.environ.get("CREDIT_LAB_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("real data not here; set CREDIT_LAB_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def postgres_server():
    """A temporary PostgreSQL server from the machine's own binaries: its URL, begun anew should it have ended.

    Its folder is none of pytest's, which a session begun meanwhile may clear away: without it the server ends.
    """
    initdb, server = shutil.which("initdb"), shutil.which("postgres")
    if not (initdb and server):
        pytest.skip("no PostgreSQL binaries (initdb, postgres) on this machine")
    folder = Path(tempfile.mkdtemp(prefix="credit_lab-postgres-"))
    runner, user = [], getpass.getuser()
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        if not shutil.which("runuser"):
            pytest.skip("running as root without runuser: PostgreSQL refuses to start")
        user = "nobody"
        runner = ["runuser", "-u", user, "--"]
        folder.chmod(0o755)
        shutil.chown(folder, user)
    started = []

    def url():
        if not started or started[-1][0].poll() is not None:
            started.append(begun(folder / f"data{len(started)}", runner, initdb, server))
        return started[-1][1]

    yield url
    for process, _ in started:
        process.terminate()
        process.wait(20)
    shutil.rmtree(folder, ignore_errors=True)


def begun(data, runner, initdb, server):
    """Process and URL of a server on a fresh folder."""
    subprocess.run(
        [*runner, initdb, "-D", data, "-A", "trust", "-U", "tester", "-E", "UTF8"], check=True, capture_output=True
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [*runner, server, "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", ""],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"postgres://tester:secret@127.0.0.1:{port}/postgres"
    answered(url, process)
    return process, url


@pytest.fixture
def postgres(postgres_server):
    """A database of its own for each test, so none sees another's tables."""
    import psycopg

    name, url = f"case_{secrets.token_hex(6)}", postgres_server()
    with psycopg.connect(url.replace("postgres://", "postgresql://"), autocommit=True) as connection:
        connection.execute(f"create database {name}")
    return url.removesuffix("postgres") + name


def answered(url, process):
    import psycopg

    for _ in range(100):
        assert process.poll() is None, "the server ended"
        try:
            psycopg.connect(url.replace("postgres://", "postgresql://")).close()
            return
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise AssertionError("the server did not come up")
