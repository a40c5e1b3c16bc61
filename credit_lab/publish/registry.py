"""The registry of runs: one SQLite file beside the reports that remembers what was asked, found and
forecast.

A run is written in one transaction after its report is in place: a process killed at any moment
leaves the registry as it was, or with the whole run. Runs at the same time wait for each other.

Whose ledger a run was about is decided by its documents, since a digest changes with every quarter
and names of sources change as well: a run keeps a sample of the documents issued by its day (the 64
with the smallest hashes of id, customer, day, amount and currency, so adding documents never
changes what older ones hash to). A later ledger is the same one if at least half of the sample is
in it: corrected rows, late rows and an export that starts later pass, another firm or another
currency does not.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from credit_lab.backtest.forecast_checks import FORECASTS
from credit_lab.errors import ReportError
from credit_lab.ledger.model import Ledger

NAME = "registry.sqlite"
_APPLICATION, _VERSION = 0x43524C42, 1  # "CRLB" in the file's header says whose it is
_SAMPLE, _SAME = 64, 0.5
_WAIT = 120.0  # seconds for another run to finish its transaction of milliseconds
_SCHEMA = """
CREATE TABLE runs (
    run INTEGER PRIMARY KEY AUTOINCREMENT, command TEXT NOT NULL, report TEXT NOT NULL,
    started TEXT NOT NULL, seconds REAL NOT NULL, as_of TEXT NOT NULL, ledger TEXT NOT NULL,
    facts TEXT NOT NULL, parameters TEXT NOT NULL,
    versions TEXT NOT NULL, verdicts TEXT NOT NULL);
CREATE TABLE figures (
    run INTEGER NOT NULL REFERENCES runs, name TEXT NOT NULL, value REAL, unit TEXT NOT NULL,
    PRIMARY KEY (run, name));
CREATE TABLE forecasts (
    run INTEGER NOT NULL REFERENCES runs, name TEXT NOT NULL, start TEXT NOT NULL,
    target TEXT NOT NULL,
    point REAL NOT NULL, low REAL, high REAL, level REAL, naive REAL, unit TEXT NOT NULL,
    PRIMARY KEY (run, name, target));
CREATE TABLE documents (run INTEGER NOT NULL REFERENCES runs, hash TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Run:
    """One run, as it is written and read.

    Attributes
    ----------
    number : given by the registry; 0 before
    command : review, pack, backtest, claim, simulate, score fit, score validate
    report : folder of the report, beside the registry
    as_of : day of the run's balances, ISO; "" where there is none
    ledger : name of the ledger given by the registry, the same for all runs on it; "" without a
        ledger
    facts : digests of ledger and policies
    figures : figure → (value, unit)
    forecasts : columns of `FORECASTS`; start and target are ISO days, `level` the probability of
        [low, high], `naive` a point forecast made on the same day without a model
    """

    command: str
    report: str
    started: str
    seconds: float
    as_of: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    verdicts: Mapping[str, str] = field(default_factory=dict)
    figures: Mapping[str, tuple[float | None, str]] = field(default_factory=dict)
    forecasts: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(FORECASTS)))
    ledger: str = ""
    number: int = 0


def record(path: str | Path, run: Run, book: Ledger | None = None) -> int:
    """Write a run and give back its number; the file and its folder are made where they do not
    exist.

    Raises
    ------
    ReportError
        The file is damaged, no registry, of a later version, locked for two minutes, or cannot be
        written.
    """
    sample = documents(book, run.as_of) if book is not None else np.array([], dtype=np.uint64)
    with _opened(Path(path), write=True) as base:
        name = _named(base, documents(book), sample) if book is not None else ""
        texts = [
            json.dumps(dict(one), ensure_ascii=False, sort_keys=True, default=str)
            for one in (run.facts, run.parameters, run.versions, run.verdicts)
        ]
        number = base.execute(
            "INSERT INTO runs (command, report, started, seconds, as_of, ledger, facts, "
            "parameters, versions, verdicts)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (run.command, run.report, run.started, run.seconds, run.as_of, name, *texts),
        ).lastrowid
        figures = [
            (number, key, _number(value), unit) for key, (value, unit) in run.figures.items()
        ]
        base.executemany("INSERT INTO figures VALUES (?, ?, ?, ?)", figures)
        rows = run.forecasts[list(FORECASTS)].astype(object).itertuples(index=False, name=None)
        base.executemany(
            "INSERT INTO forecasts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(number, *(_plain(value) for value in row)) for row in rows],
        )
        base.executemany(
            "INSERT INTO documents VALUES (?, ?)", [(number, f"{one:016x}") for one in sample]
        )
    return int(number or 0)


def enter(
    path: str | Path,
    command: str,
    folder: Path,
    run_json: Mapping[str, Any],
    book: Ledger | None,
    as_of: str,
) -> int:
    """Record the run behind a report from what its run.json says; see `record`."""
    facts = {key: value for key, value in run_json.items() if key.endswith(("digest", "digests"))}
    rows = pd.DataFrame(run_json.get("forecasts") or [], columns=list(FORECASTS))
    made = Run(
        command,
        folder.name,
        run_json["started"],
        run_json["seconds"],
        as_of,
        facts,
        run_json["parameters"],
        run_json.get("versions", {}),
        run_json["verdicts"],
        {name: (value, unit) for name, (value, unit) in run_json.get("figures", {}).items()},
        rows,
    )
    return record(path, made, book)


def runs(path: str | Path) -> list[Run]:
    """All runs, oldest first, without their forecasts; none where there is no registry yet."""
    if not Path(path).exists():
        return []
    with _opened(Path(path)) as base:
        found = base.execute("SELECT * FROM runs ORDER BY run").fetchall()
        figures: dict[int, dict[str, tuple[float | None, str]]] = {}
        for number, name, value, unit in base.execute("SELECT * FROM figures ORDER BY rowid"):
            figures.setdefault(number, {})[name] = (value, unit)
    return [_run(row, figures.get(row["run"], {})) for row in found]


def run(path: str | Path, number: int) -> Run:
    """One run by its number.

    Raises
    ------
    ReportError
        There is none; the message lists the latest.
    """
    known = {one.number: one for one in runs(path)}
    if number not in known:
        last = f"the last one is {max(known)}" if known else "it holds no run"
        raise ReportError(
            f"registry {path} has no run {number}; {last}; `credit-lab runs` lists them"
        )
    return known[number]


def forecasts(path: str | Path, book: Ledger, before: pd.Timestamp) -> pd.DataFrame | None:
    """Forecasts about this ledger made before a day: run, made_on and the columns of `FORECASTS`,
    typed.

    None where no registry is given (`path` is empty).

    Where a forecast of the same day for the same target was made again, the latest run counts.
    """
    if not str(path):
        return None
    columns = ["run", "made_on", *FORECASTS]
    if not Path(path).exists():
        return pd.DataFrame(columns=columns)
    with _opened(Path(path)) as base:
        own = _own(base, documents(book))
        rows = base.execute(
            f"SELECT {', '.join('f.' + name for name in FORECASTS)}, r.run AS run, r.as_of AS "
            "made_on FROM forecasts f "
            "JOIN runs r ON r.run = f.run WHERE r.as_of < ? ORDER BY r.as_of, f.name, f.target, "
            "r.run",
            (str(before.date()),),
        ).fetchall()
    table = pd.DataFrame([dict(row) for row in rows if row["run"] in own], columns=columns)
    table = table.drop_duplicates(["made_on", "name", "target"], keep="last", ignore_index=True)
    numbers = ["point", "low", "high", "level", "naive"]
    days = {name: pd.to_datetime(table[name]) for name in ("made_on", "start", "target")}
    return table.assign(**days, **{name: table[name].astype("float64") for name in numbers})


def documents(book: Ledger, as_of: str = "") -> np.ndarray:
    """Hashes of the invoices and credit notes; with a day, the sample of those issued by then that
    a run keeps.
    """
    rows = book.invoices[["invoice_id", "customer_id", "issue_date", "amount", "currency"]]
    if as_of:
        rows = rows[rows["issue_date"] <= pd.Timestamp(as_of)]
    plain = rows.assign(issue_date=(rows["issue_date"] - pd.Timestamp(0)).dt.days.astype("int64"))
    plain = plain.astype(
        {"invoice_id": object, "customer_id": object, "currency": object, "amount": "float64"}
    )
    hashes = np.unique(pd.util.hash_pandas_object(plain, index=False).to_numpy(dtype=np.uint64))
    return hashes[:_SAMPLE] if as_of else hashes


def _named(base: sqlite3.Connection, known: np.ndarray, sample: np.ndarray) -> str:
    """The name earlier runs on the same ledger have, or a new one."""
    own = _own(base, known)
    if own:
        return str(base.execute("SELECT ledger FROM runs WHERE run = ?", (max(own),)).fetchone()[0])
    return f"{np.bitwise_xor.reduce(sample):016x}"[:8] if len(sample) else ""


def _own(base: sqlite3.Connection, known: np.ndarray) -> set[int]:
    """Runs at least half of whose documents are among those known."""
    samples: dict[int, list[int]] = {}
    for number, text in base.execute("SELECT run, hash FROM documents"):
        samples.setdefault(number, []).append(int(text, 16))
    shares = {
        number: np.isin(np.array(hashes, dtype=np.uint64), known).mean()
        for number, hashes in samples.items()
    }
    return {number for number, share in shares.items() if share >= _SAME}


@contextmanager
def _opened(path: Path, *, write: bool = False) -> Iterator[sqlite3.Connection]:
    """One transaction on a sound registry."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=_WAIT, isolation_level=None)) as base:
            base.row_factory = sqlite3.Row
            base.execute("PRAGMA synchronous = FULL")
            base.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            try:
                _sound(base, path)
                yield base
                base.execute("COMMIT")
            except BaseException:
                if base.in_transaction:
                    base.execute("ROLLBACK")
                raise
    except sqlite3.IntegrityError:  # a defect of ours, not of the file
        raise
    except sqlite3.OperationalError as error:
        raise ReportError(
            f"registry {path} cannot be used: {error}; is another program holding it open?"
        ) from error
    except (sqlite3.DatabaseError, OSError) as error:
        raise ReportError(_away(path, f"is damaged or no registry ({error})")) from error


def _sound(base: sqlite3.Connection, path: Path) -> None:
    """Refuse a damaged or foreign file; lay out a new one."""
    owner, version = (
        base.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
    )
    if not owner and not base.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        for statement in _SCHEMA.split(";"):
            base.execute(statement)
        base.execute(f"PRAGMA application_id = {_APPLICATION}")
        base.execute(f"PRAGMA user_version = {_VERSION}")
        return
    if owner != _APPLICATION:
        raise ReportError(_away(path, "belongs to another program"))
    if version != _VERSION:
        raise ReportError(
            _away(path, f"has version {version}, this credit_lab knows version {_VERSION}")
        )
    said = base.execute("PRAGMA quick_check(1)").fetchone()[0]
    if said != "ok":
        raise ReportError(_away(path, f"is damaged ({said})"))


def _away(path: Path, what: str) -> str:
    return (
        f"registry {path} {what}; move it away and a new one is begun: reports stay as they are, "
        "only the list of "
        "earlier runs and their forecasts begins anew"
    )


def _run(row: sqlite3.Row, figures: Mapping[str, tuple[float | None, str]]) -> Run:
    names = ("facts", "parameters", "versions", "verdicts")
    plain = {
        name: row[name] for name in ("command", "report", "started", "seconds", "as_of", "ledger")
    }
    return Run(
        **plain,
        **{name: json.loads(row[name]) for name in names},
        figures=figures,
        number=row["run"],
    )


def _number(value: Any) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value
    return None if pd.isna(value) else float(value)


def compare(a: Run, b: Run) -> pd.DataFrame:
    """What differs between two runs: part (parameter, fact, version, verdict, figure), name, a, b,
    change.
    """
    rows: list[tuple[str, str, Any, Any, float]] = []
    for part, one, two in (
        ("parameter", a.parameters, b.parameters),
        ("fact", a.facts, b.facts),
        ("version", a.versions, b.versions),
        ("verdict", a.verdicts, b.verdicts),
    ):
        rows += [(part, key, one.get(key), two.get(key), np.nan) for key in _keys(one, two)]
    olds, news = ({key: value for key, (value, _) in one.figures.items()} for one in (a, b))
    for key in _keys(olds, news):
        old, new = olds.get(key), news.get(key)
        rows.append(
            ("figure", key, old, new, new - old if old is not None and new is not None else np.nan)
        )
    table = pd.DataFrame(rows, columns=["part", "name", "a", "b", "change"], dtype=object)
    return table.assign(change=table["change"].astype("float64"))


def _keys(one: Mapping[str, Any], two: Mapping[str, Any]) -> Iterable[str]:
    return [key for key in dict.fromkeys([*one, *two]) if one.get(key) != two.get(key)]
