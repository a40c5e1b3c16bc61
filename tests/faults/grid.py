"""The grid of optional tables: each absent, with a header alone, with rows only after the day, with one row.

A ledger of twenty customers goes through every command and notebook in one process, on a day before its data, within
and after them. A refusal in words (`CreditLabError`) is an answer; any other exception is a defect. The commands that
execute a notebook are run as this notebook, whose cells are executed here without a kernel.
"""

import ast
import contextlib
import functools
import inspect
import itertools
import json
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import matplotlib
import numpy as np
import pandas as pd
from typer.testing import CliRunner

import credit_lab as cl
from credit_lab import schema, synthetic
from credit_lab.errors import CreditLabError
from credit_lab.figures import canvas
from credit_lab.studies import collecting, credit_files, evaluating, granting

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROOT = Path(__file__).parents[2]
TABLES = tuple(name for name in schema.TABLES if name not in ("invoices", "payments"))
STATES = ("absent", "header only", "rows only later", "one row")
# The ledger of the grid: 2023-01-09 to 2024-12-31.
FIRM, SEED = synthetic.Firm(customers=20, months=24), 3
DAYS = {"before": "2022-11-30", "within": "2024-06-30", "after": "2025-12-31"}
PERIODS = {"before": "2022Q4", "within": "2024Q2", "after": "2025Q4"}
# The day by which a table's rows are late, where it has one.
DATED = {
    "customers": "onboarded_on",
    "instalments": "due_date",
    "allocations": "allocated_on",
    "disputes": "opened_on",
    "write_offs": "written_off_on",
    "orders": "ordered_on",
    "financials": "period_end",
    "facts": "observed_on",
    "assessments": "assessed_on",
    "limits": "valid_from",
    "contracts": "signed_on",
    "actions": "taken_on",
    "covers": "valid_from",
    "control": "as_of",
}
# Settings that make a run short and change nothing of what it rests on.
SHORT: dict[str, Any] = {"replicates": 2, "candidates": 2, "scenarios": 200, "origins": 1, "days": 30}
SHARED = (
    (collecting, "early_warning"),
    (collecting, "desk"),
    (credit_files, "credit_files"),
    (evaluating, "evaluating"),
    (granting, "granting"),
)
SLOW = (
    "alerts", "simulate", "52_early_warning", "60_policy_simulation", "71_claim_test", "80_quarterly_review",
)  # fmt: skip
COMMANDS = ("check", "files", "evaluate", "evidence", "limits", "alerts", "worklist", "simulate")


@dataclass(frozen=True)
class Cell:
    """One cell of the grid: a table, its state, where the day lies, and what is run."""

    table: str
    state: str
    day: str
    run: str


def notebooks() -> tuple[str, ...]:
    """Names of all notebooks below 90; those above are the tools for the hand."""
    return tuple(path.stem for path in sorted((ROOT / "notebooks").glob("[0-8]*.ipynb")))


def cells() -> Iterator[Cell]:
    """The whole grid, one ledger and day after another."""
    for parts in itertools.product(TABLES, STATES, DAYS, (*COMMANDS, *notebooks())):
        yield Cell(*parts)


@functools.cache
def _whole() -> dict[str, pd.DataFrame]:
    return synthetic.generate(FIRM, SEED).tables


def ledger(folder: Path, table: str, state: str, day: str) -> Path:
    """Write the ledger of a cell, once, and give back its folder."""
    target = folder / f"{table}-{state}-{day if state == 'rows only later' else ''}".replace(" ", "_")
    if not target.exists():
        cl.ledger.write(_changed(table, state, pd.Timestamp(DAYS[day])), target)
    return target


def _changed(table: str, state: str, day: pd.Timestamp) -> dict[str, pd.DataFrame]:
    tables = dict(_whole())
    frame = tables.pop(table)
    if state == "header only":
        tables[table] = frame[:0]
    elif state == "one row" and table == "instalments":  # one that makes up its invoice
        whole = tables["invoices"].set_index("invoice_id")["amount"]
        tables[table] = frame[:1].assign(amount=whole[frame["invoice_id"].iloc[0]])
    elif state == "one row":
        tables[table] = frame[:1]
    elif state == "rows only later":
        late = max(pd.Timedelta(0), day + pd.Timedelta(days=30) - frame[DATED[table]].min())
        dates = frame.select_dtypes("datetime").columns
        tables[table] = frame.assign(**{name: frame[name] + late for name in dates})
    return tables


def attempt(cell: Cell, folder: Path) -> str:
    """Run a cell: "" when it gave an answer, "refused: ..." when it said why not, else a traceback."""
    path = ledger(folder, cell.table, cell.state, cell.day)
    try:
        with _quick():
            if cell.run in COMMANDS:
                _command(words(cell, path, folder))
            else:
                execute(cell.run, {**SHORT, "ledger": str(path), **_days(cell), "out": str(folder / "out")})
    except CreditLabError as error:
        return f"refused: {error}"
    except Exception:
        return traceback.format_exc()
    return ""


@contextlib.contextmanager
def _quick() -> Iterator[None]:
    """Figures are laid out but not encoded; what commands and notebooks ask alike of a ledger is answered once."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.chdir(ROOT))  # where policies and templates are
        stack.enter_context(mock.patch.object(cl.ledger, "read", _read))
        stack.enter_context(mock.patch.object(canvas, "saved", _laid_out))
        for module, name in SHARED:
            asked = _once(module.__name__, name, getattr(module, name))
            stack.enter_context(mock.patch.object(module, name, asked))
        yield


def _laid_out(drawing: "Figure", _form: str) -> bytes:
    drawing.draw_without_rendering()
    return b""


_read = functools.lru_cache(maxsize=2)(cl.ledger.read)
_answers: dict[Any, Any] = {}


def _once(module: str, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def asked(book: cl.ledger.Ledger, *others: Any, **named: Any) -> Any:
        asked_for = inspect.signature(function).bind(book, *others, **named)
        asked_for.apply_defaults()
        key = (module, name, id(book), repr(list(asked_for.arguments.items())[1:]))
        if key not in _answers:
            if len(_answers) > 100:
                _answers.clear()
            try:
                _answers[key] = (book, function(book, *others, **named), None)  # the book, so that its id stays its own
            except Exception as error:
                _answers[key] = (book, None, error)
        _, made, error = _answers[key]
        if error is not None:
            raise error
        return made

    return asked


def _days(cell: Cell) -> dict[str, str]:
    day = DAYS[cell.day]
    return {"as_of": day, "end": day, "period": PERIODS[cell.day], "policy_date": "2024-01-01"}


def words(cell: Cell, path: Path, folder: Path) -> list[str]:
    words = [cell.run, "--ledger", str(path), "--as-of", DAYS[cell.day]]
    if cell.run == "evidence":
        who = str(_whole()["invoices"]["customer_id"].iloc[0])
        words += ["--customer", who, "--out", str(folder / "evidence.html")]
    if cell.run == "simulate":
        words += ["--replicates", "2", "--days", "30", "--jobs", "1", "--quiet"]
    return words


def _command(words: list[str]) -> None:
    from credit_lab.__main__ import app

    result = CliRunner().invoke(app, words)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    if result.exit_code == 2:
        raise AssertionError(result.output)


def execute(notebook: str, parameters: dict[str, Any]) -> None:
    """Execute the cells of a notebook in this process, with those of the parameters it knows; show what they show."""
    matplotlib.use("Agg")
    space: dict[str, Any] = {}
    whole = json.loads((ROOT / "notebooks" / f"{notebook}.ipynb").read_text(encoding="utf-8"))
    for number, cell in enumerate(one for one in whole["cells"] if one["cell_type"] == "code"):
        *steps, last = ast.parse("".join(cell["source"])).body
        shown = isinstance(last, ast.Expr)
        exec(compile(ast.Module(steps if shown else [*steps, last], []), f"{notebook} cell {number}", "exec"), space)
        if shown:
            code = compile(ast.Expression(last.value), f"{notebook} cell {number}", "eval")  # type: ignore[attr-defined]
            value = eval(code, space)
            if hasattr(value, "_repr_html_"):
                value._repr_html_()
        if "parameters" in cell["metadata"].get("tags", ()):
            space |= {name: value for name, value in parameters.items() if name in space}


def chosen(seed: int) -> list[Cell]:
    """Some cells: every table in every state on a day of the middle, every run on every day, drawn by a seed.

    The runs are dealt out in turn, so that each meets many tables; the slow ones (`SLOW`) come once a day only.
    """
    random = np.random.default_rng(seed)
    states = [(table, state) for table in TABLES for state in STATES]
    quick = [run for run in (*COMMANDS, *notebooks()) if run not in SLOW]
    runs = [*random.permutation(quick)] * (len(states) // len(quick) + 1)
    cells = [Cell(*state, "within", str(run)) for state, run in zip(states, runs, strict=False)]
    for day in DAYS:
        for run in (*COMMANDS, *notebooks()):
            cells.append(Cell(*states[random.integers(len(states))], day, run))
    return sorted(set(cells), key=lambda cell: (cell.table, cell.state, cell.day))
