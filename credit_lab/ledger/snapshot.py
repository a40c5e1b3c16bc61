"""One state of a source for a whole run: what the parent reads, every worker and every kernel reads.

A run reads its ledger where it begins, for the digest, and again in each notebook. `taken` copies the tables of a
database, read in one transaction, to Parquet files that only their owner may read, and takes the copy away at the end.
Files are not copied, which would cost as much as reading them: their sizes and times of change are kept in mind, and a
process of the run refuses to read them once they have changed. Processes know of both from the environment, as they
know a password; reports, run.json and messages name the source itself.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

from credit_lab import schema
from credit_lab.errors import LedgerError
from credit_lab.ledger import mapping as mappings
from credit_lab.ledger import sources
from credit_lab.ledger.database import connected, hide_password
from credit_lab.ledger.mapping import Mapping

_VARIABLE = "CREDIT_LAB_SNAPSHOT"
_PREFIX = ".ledger-snapshot-"
# How an engine is asked to show one state to all queries of a connection; others read table after table.
_BEGIN = {
    "duckdb": "BEGIN TRANSACTION",
    "sqlite": "BEGIN",
    "postgres": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
}


@contextlib.contextmanager
def taken(path: str, mapping: str, folder: Path) -> Iterator[None]:
    """Everything within, here and in processes started here, reads one state of the ledger at `path`.

    Parameters
    ----------
    path, mapping : as `ledger.read` takes them
    folder : where the copy of a database is kept while it is needed, hidden; made if it does not exist

    Raises
    ------
    LedgerError
        The database does not answer or holds no tables, or the mapping cannot be read.
    """
    before = os.environ.get(_VARIABLE)
    with contextlib.ExitStack() as stack:
        held = {"source": hide_password(path), "state": _state(path), "files": {}}
        if "://" in path:
            read_by = mappings.load(mapping) if mapping else Mapping()
            held["files"] = _copied(path, read_by, stack.enter_context(_hidden(folder)))
        stack.callback(_restore, before)
        os.environ[_VARIABLE] = json.dumps(held)
        yield


def _restore(before: str | None) -> None:
    os.environ.pop(_VARIABLE, None)
    if before is not None:
        os.environ[_VARIABLE] = before


def loaders(path: str | Path, mapping: Mapping) -> dict[str, Callable[[], pd.DataFrame]]:
    """`sources.loaders` of the state this run works on, or of what is there where no state was taken.

    Raises
    ------
    LedgerError
        A file of the source has changed since the run began; or as `sources.loaders`.
    """
    shown = hide_password(str(path))
    held = json.loads(os.environ.get(_VARIABLE, "{}"))
    if held.get("source") != shown:
        return sources.loaders(path, mapping)
    if held["files"]:
        return {name: (lambda file=file: _kept(file)) for name, file in held["files"].items()}  # type: ignore[misc]
    if held["state"] != _state(path):
        raise LedgerError(
            f"ledger {shown} was changed after this run began, so its figures would be of another ledger than its "
            "digest; run again when the export is complete"
        )
    return sources.loaders(path, mapping)


def _state(path: str | Path) -> str:
    return hashlib.sha256(repr(sources.state(path)).encode()).hexdigest()


def _kept(file: str) -> pd.DataFrame:
    if not file:
        return pd.DataFrame()  # a table no ledger has: only its name is asked for
    return next(iter(sources.loaders(file, Mapping()).values()))()


def _copied(url: str, mapping: Mapping, folder: Path) -> dict[str, str]:
    """Copy the tables that `mapping` reads; name → file for all tables there are, "" for those not copied."""
    names = list(sources.loaders(url, mapping))
    wanted = {table.source for table in mapping.tables.values()} or set(schema.TABLES)
    chosen = [name for name in names if name in wanted or (wanted == {"*"} and len(names) == 1)]
    files = dict.fromkeys(names, "")
    with connected(url, "does not give its tables") as connection:
        tables = {name: connection.table(name) for name in chosen}  # before the transaction, which looking may end
        if begin := _BEGIN.get(url.partition("://")[0]):
            connection.raw_sql(begin)
        for number, (name, table) in enumerate(tables.items()):
            file = folder / f"{number}.parquet"
            with open(file, "xb", opener=_private) as out:
                sources.from_database(table).to_parquet(out, index=False)
            files[name] = str(file)
    return files


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)


@contextlib.contextmanager
def _hidden(beside: Path) -> Iterator[Path]:
    """A folder only its owner may look into; those of runs that were killed are taken away on the way."""
    beside.mkdir(parents=True, exist_ok=True)
    for old in beside.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError), (old / "lock").open("a") as lock:
            _locked(lock.fileno())
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=beside)).absolute()
    try:
        with (folder / "lock").open("a") as lock:
            _locked(lock.fileno())
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _locked(file: int) -> None:
    """Hold a lock that ends with this process; OSError if another holds it."""
    with contextlib.suppress(ImportError):  # Windows has no fcntl, and lets nobody delete a file that is open
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
