"""Front doors for hostile bytes: each target takes any bytes; all it may raise is an error of our family.

`tools/fuzz.py` drives them by coverage, tests/faults/test_corpus.py replays the kept inputs.
"""

import tempfile
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import pandas as pd

from credit_lab import inputs, ledger, periods
from credit_lab import policy as policies
from credit_lab.backtest import claims, registration
from credit_lab.errors import CreditLabError
from credit_lab.evaluation import experts
from credit_lab.investigation import register
from credit_lab.ledger import database, mapping, parse, sources
from credit_lab.schema import Kind
from credit_lab.scoring import Scorecard
from credit_lab.scoring.binning import Binner
from tests.faults import packed

ROOT = Path(__file__).parents[2]
SEEDS, REGISTER = "tests/faults/seeds", "data/mappings/register/public_register"
KINDS: tuple[Kind, ...] = ("money", "date", "flag", "days", "id", "text")
FORMS = (
    mapping.Formats(), mapping.Formats(decimal=",", grouping="."), mapping.Formats(date="day-first"),
    mapping.Formats(date="month-first"), mapping.Formats(grouping="'", date="%y%j"),
)  # fmt: skip
# Values put in place of a sound one, so that the fuzzer gets behind the parser of TOML or JSON.
ODD = (
    "nan", "inf", "-inf", "-1", "0", "1e308", "9" * 30, "true", '""', '"x"', "[]", "{}", "[[]]", "[{}]", "1979-05-27",
    "07:32:00", '"\\u0000"', '"=1+1"', '"../../x"', '["a", 1]', "{a = 1}", '"%"', '"%Q%"', "'\\d('", '"\U0001f4a9"',
    "0.5",
    "null", '{"a": 1}', "[null]",
)  # fmt: skip


def _file(data: bytes, suffix: str) -> Path:
    path = Path(_folder()) / f"input{suffix}"
    path.write_bytes(data)
    return path


@cache
def _folder() -> str:
    where = Path("/dev/shm")
    return tempfile.mkdtemp(prefix="credit_lab_fuzz_", dir=where if where.is_dir() else None)


@cache
def _lines(seed: str) -> list[str]:
    return (ROOT / seed).read_text(encoding="utf-8").splitlines() if seed else []


def _turned(data: bytes, seed: str) -> bytes:
    """From a first byte of 128 on: the seed with lines dropped, doubled or given an odd value, three bytes each."""
    if not seed or not data or data[0] < 128:
        return data
    lines = list(_lines(seed))
    for k in range(1, len(data) - 2, 3):
        at, how = (data[k] * 256 + data[k + 1]) % len(lines), data[k + 2]
        name, sign, rest = lines[at].partition(" = " if " = " in lines[at] else ": ")
        if how < 16:
            lines[at] = ""
        elif how < 24:
            lines.insert(at, lines[at])
        elif sign:
            lines[at] = name + sign + ODD[how % len(ODD)] + ("," if rest.endswith(",") else "")
    return "\n".join(lines).encode()


def _cells(data: bytes) -> None:
    """Lines as cells of a column; the first byte says what kind of value they are read as, and in which form."""
    how, texts = data[:1] or b"\0", data[1:].decode("utf-8", "replace").split("\n")
    parse.column(pd.Series(texts, dtype="str"), KINDS[how[0] % len(KINDS)], FORMS[how[0] // len(KINDS) % len(FORMS)])


def _columns(frames: Iterable[pd.DataFrame]) -> None:
    """Typed columns through the door of cells, the next kind for the next column."""
    for frame in frames:
        for k in range(frame.shape[1]):
            parse.column(frame.iloc[:, k], KINDS[k % len(KINDS)], FORMS[0])


def _sheet(data: bytes) -> None:
    path = packed.workbook(data, Path(_folder()) / "input.xlsx")
    _columns(load() for load in sources.loaders(path, mapping.Mapping()).values())


def _rows(data: bytes) -> None:
    _columns([sources.parquet(packed.parquet(data, Path(_folder()) / "input.parquet"))])


def _ledger(data: bytes) -> None:
    """Tables divided by a line of dashes: invoices, payments, allocations."""
    folder = Path(_folder()) / "ledger"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for name, part in zip(("invoices", "payments", "allocations"), data.split(b"\n---\n"), strict=False):
        (folder / f"{name}.csv").write_bytes(part)
    ledger.read(folder)


def _read(suffix: str) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        for load in sources.loaders(_file(data, suffix), mapping.Mapping()).values():
            load()

    return read


def _card(data: bytes) -> None:
    card = Scorecard.load(_file(data, ".json"))
    card.score(pd.DataFrame({name: [1.0, None] for name in card.names}))


def _words(data: bytes) -> None:
    """Texts of options: a period, a day, rates; a URL, whose password must not come back."""
    text = data.decode("utf-8", "replace")
    for read in (periods.parse_period, periods.parse_date, inputs.rates_from):
        try:
            read(text)
        except CreditLabError:
            continue
    secret = "hunter2secret"
    url = f"postgres://ann:{secret}{text}@db/ledger"
    assert secret not in database.hide_password(url)
    try:
        with database.connected(f"postgres://ann:{secret}{text}@127.0.0.1:1/x", "does not answer"):
            pass
    except CreditLabError as error:
        assert secret not in str(error)


# Target → the seed that is turned (TOML or JSON), what reads the bytes
TARGETS: dict[str, tuple[str, Callable[[bytes], object]]] = {
    "mapping": ("data/mappings/sap_line_items.toml", lambda data: mapping.load(_file(data, ".toml"))),
    "policy": ("data/policies/2025-baseline.toml", lambda data: policies.describe(policies.load(_file(data, ".toml")))),
    "claims": ("data/claims/process_guide.toml", lambda data: claims.load_claims(_file(data, ".toml"))),
    "registration": (f"{SEEDS}/registration.toml", lambda data: registration.load(_file(data, ".toml"))),
    "register": (f"{REGISTER}.toml", lambda data: register.load_mapping(_file(data, ".toml"))),
    "template": ("data/expert/three_dimensions.toml", lambda data: experts.load_template(_file(data, ".toml"))),
    "card": (f"{SEEDS}/card.json", _card),
    "bins": (f"{SEEDS}/bins.json", lambda data: Binner.load(_file(data, ".json"))),
    "csv": ("", _read(".csv")),
    "cells": ("", _cells),
    "gz": ("", _read(".csv.gz")),
    "xlsx": ("", _read(".xlsx")),
    "sheet": ("", _sheet),
    "parquet": ("", _read(".parquet")),
    "rows": ("", _rows),
    "ledger": ("", _ledger),
    "words": ("", _words),
}


def attack(name: str, data: bytes) -> None:
    """Give bytes to a target; an error of our family is an answer, any other one gets out."""
    seed, read = TARGETS[name]
    try:
        read(_turned(data, seed))
    except CreditLabError as error:
        assert str(error)


def corpus(name: str) -> list[Path]:
    """The kept inputs of a target."""
    return sorted((ROOT / "tests" / "faults" / "corpus").glob(f"{name}_*"))
