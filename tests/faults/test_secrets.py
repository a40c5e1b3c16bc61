"""The password of a database is nowhere to be found: files, registry, outputs, messages, logs."""

import logging
import os
import re

import pytest
from typer.testing import CliRunner

from credit_lab import ledger, workbench
from credit_lab.__main__ import app
from credit_lab.errors import LedgerError
from credit_lab.ledger import database
from credit_lab.publish import run as runs
from tests.ledgers import invoice, payment
from tests.test_report import notebook

SECRET = "hunter2%2Fsecret"
PLAIN = "hunter2/secret"
NAMES = ["ledger", "mapping", "policy", "period", "currency", "rates", "card", "registry", "models", "out"]
PARAMETERS = "\n".join(f'{name}: str = ""' for name in NAMES)
OPENS = "from credit_lab import inputs\nbook = inputs.open_ledger(ledger)\nprint(book.source, ledger)"


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    monkeypatch.setenv(database.PASSWORD, "of somebody else")


def review(monkeypatch, tmp_path, url, *cells):
    source = notebook(tmp_path / "80_quarterly_review.ipynb", PARAMETERS, *cells)
    monkeypatch.setattr(workbench, "notebook", lambda name: source)
    return CliRunner().invoke(app, ["review", "--ledger", url, "--out", str(tmp_path / "out"), "--json"])


def holding(folder, *words):
    """Files below a folder that hold one of the words, compressed ones are none of ours."""
    files = [path for path in folder.rglob("*") if path.is_file() and "pytest" not in path.name]
    return [path for path in files if any(word.encode() in path.read_bytes() for word in words)]


@pytest.fixture
def url(postgres, write_ledger):
    book = ledger.read(
        write_ledger(invoices=[invoice(issued="2025-10-05", due="2025-11-05")], payments=[payment(paid="2025-12-30")])
    )
    ledger.write(dict(book.tables), postgres)
    return re.sub(r":secret@", f":{SECRET}@", postgres)


def test_a_run_on_a_database_writes_no_password(url, monkeypatch, tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    done = review(monkeypatch, tmp_path, url, OPENS)
    assert done.exit_code == 0, done.output
    assert holding(tmp_path / "out", "postgres database")  # the run is recorded, with the kind of place
    failed = review(monkeypatch, tmp_path, url, OPENS, "1 / 0  # a traceback with the parameters in reach")
    assert "ZeroDivisionError" in str(failed.exception)
    shown = [done.output, failed.output, str(failed.exception), caplog.text, *capfd.readouterr()]
    for word in (SECRET, PLAIN):
        assert not [text for text in shown if word in text]
        assert not holding(tmp_path / "out", word)
    assert not holding(tmp_path / "out", "tester")  # nor who the user is
    assert {path.name for path in (tmp_path / "out").rglob("*")} >= {
        "run.json", "registry.sqlite", "80_quarterly_review.ipynb", "80_quarterly_review.html",
    }  # fmt: skip


def test_a_refused_connection_says_no_password(monkeypatch, tmp_path):
    for refused in (f"postgres://ann:{SECRET}@127.0.0.1:1/x", f"postgres://127.0.0.1:1/x?user=ann&password={SECRET}"):
        done = CliRunner().invoke(app, ["check", "--ledger", refused])
        assert isinstance(done.exception, LedgerError)
        assert "does not answer" in str(done.exception)
        assert "***" in str(done.exception)
        for word in (SECRET, PLAIN):
            assert word not in str(done.exception) + done.output


@pytest.mark.parametrize("password", ["a/b", "a@b/c", "a#b", "a?b", "a:b", "pass word", "日本", "]["])
def test_a_password_with_strange_signs_is_never_shown_in_part(password):
    with pytest.raises(LedgerError) as refused, database.connected(f"postgres://ann:{password}@127.0.0.1:1/x", "fails"):
        pass
    said = str(refused.value)
    assert password not in said
    assert "ann:***@127.0.0.1:1/x" in said
    assert f"'{password[0]}'" not in said  # "port could not be cast to integer value as 'a'"


def test_a_password_may_be_given_by_the_environment(url, monkeypatch):
    hidden = database.concealed(url)
    assert hidden == re.sub(r":[^:@]*@", ":***@", url)
    assert os.environ[database.PASSWORD] == SECRET
    assert len(ledger.read(hidden).invoices) == 1
    monkeypatch.delenv(database.PASSWORD)
    with pytest.raises(LedgerError, match="the password is not given"):
        ledger.read(hidden)
    with pytest.raises(LedgerError, match="two passwords"):
        database.concealed("postgres://a:b@c/d?password=e")


def test_a_file_takes_no_password(tmp_path, monkeypatch):
    """sqlite://ann:secret@/x would make a database of that name in the current folder."""
    monkeypatch.chdir(tmp_path)
    for scheme in ("sqlite", "duckdb"):
        with pytest.raises(LedgerError, match=r"ann:\*\*\*@.*has no user and password"):
            ledger.read(f"{scheme}://ann:{SECRET}@/x.db")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_url_is_left_alone():
    for text in ("data/sample", "C:\\ledger:x@y", "a:b@c", "duckdb:///a:b@c.db", "postgres://ann@db/x"):
        assert database.concealed(text) == text
    assert runs.without_passwords({"n": 1, "ledger": "x"}) == {"n": 1, "ledger": "x"}


# Ibis leaves its connection to the collector when the schema of a URL does not exist.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_sql_in_urls_and_names_of_tables_is_text(postgres, write_ledger):
    import psycopg

    book = ledger.read(write_ledger(invoices=[invoice()], payments=[payment()]))
    ledger.write(dict(book.tables), postgres)
    name = 'x"; drop table invoices; --'
    ledger.write({name: book.invoices, "'; drop table payments; --": book.payments}, postgres)
    with pytest.raises(LedgerError):
        ledger.read(postgres + "?schema=public;drop table invoices")
    with pytest.raises(LedgerError):
        ledger.read(postgres + '"; drop table invoices; --')
    assert len(ledger.read(postgres).invoices) == 1
    with psycopg.connect(postgres.replace("postgres://", "postgresql://")) as connection:
        held = connection.execute("select count(*) from pg_tables where schemaname = 'public'").fetchone()
    assert held[0] == len(book.tables) + 2
