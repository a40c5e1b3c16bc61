"""What a ledger cannot carry, taken away one at a time: each capability × each command and notebook.

A small ledger of two years goes through every command and notebook in one process, whole and without one capability.
What rests on it must then be missing or said to be not known: a figure that was there and is 0 now, a grade, a light
that is green, are defects. Notebooks are executed as a report does it, sections failing alone, without a kernel.
"""

import ast
import contextlib
import dataclasses
import functools
import json
import math
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import matplotlib
import nbformat
import pandas as pd
from typer.testing import CliRunner

import credit_lab as cl
from credit_lab import spreadsheet, synthetic
from credit_lab.errors import CreditLabError
from credit_lab.ledger.model import Ledger
from credit_lab.publish import deck, show
from credit_lab.publish.artefacts import About, _artefact
from credit_lab.publish.sections import Sections
from tests.faults import grid

FIRM, SEED = synthetic.Firm(customers=20, months=24), 3  # 2023-01-09 to 2024-12-31
DAY, PERIOD, SINCE = "2024-12-31", "2024Q4", "2024-01-01"
Tables = dict[str, pd.DataFrame]


def whole() -> Tables:
    """The tables from which one capability at a time is taken away."""
    return dict(_generated())


@functools.cache
def _generated() -> Tables:
    return synthetic.generate(FIRM, SEED).tables


def _without(name: str) -> Callable[[Tables], Tables]:
    return lambda tables: {key: frame for key, frame in tables.items() if key != name}


def _no_receipts(tables: Tables) -> Tables:
    return {**tables, "payments": tables["payments"][:0], "allocations": tables["allocations"][:0]}


def _open_items_only(tables: Tables) -> Tables:
    """Invoices of which something is open at the end, and what was paid on them."""
    invoices, matched = tables["invoices"].set_index("invoice_id"), tables["allocations"]
    settled = matched.groupby("invoice_id")["amount"].sum()
    lost = tables["write_offs"].groupby("invoice_id")["amount"].sum()
    left = invoices["amount"].sub(settled, fill_value=0.0).sub(lost, fill_value=0.0).round(2)
    return _only(tables, set(left[left > 0].index))


def _three_months(tables: Tables) -> Tables:
    """Invoices of the last three months, and what was paid on them; nothing is dated before."""
    invoices = tables["invoices"]
    kept = set(invoices.loc[invoices["issue_date"] >= "2024-10-01", "invoice_id"])
    made = _only(tables, kept)
    return {**made, "control": tables["control"][tables["control"]["as_of"] >= "2024-10-01"]}


def _only(tables: Tables, kept: set[str]) -> Tables:
    """These invoices, the receipts and credit notes matched to them, and what else speaks of them."""
    matched = tables["allocations"]
    kept = kept | set(matched.loc[matched["invoice_id"].isin(kept), "payment_id"])  # of credit notes
    made = dict(tables)
    for name, rows in tables.items():
        if "invoice_id" in rows:
            made[name] = rows[rows["invoice_id"].isin(kept) | rows["invoice_id"].isna()]
    used = made["allocations"].groupby("payment_id")["amount"].sum().round(2)
    paid = tables["payments"].assign(amount=tables["payments"]["payment_id"].map(used))
    made["payments"] = paid.dropna(subset="amount")
    made["control"] = tables["control"][:0]
    return made


def _late_control(tables: Tables) -> Tables:
    return {**tables, "control": tables["control"].sort_values("as_of").iloc[6:]}


def _in_dollars(tables: Tables) -> Tables:
    return {name: frame.assign(currency="USD") if "currency" in frame else frame for name, frame in tables.items()}


def _marked(book: Ledger) -> Ledger:
    mark = {"start": [pd.Timestamp("2024-11-01")], "end": [pd.Timestamp(DAY)], "reason": ["payments of the last weeks"]}
    return dataclasses.replace(book, windows=pd.DataFrame(mark))


# Capability → how it is taken away from the tables.
REMOVED: Mapping[str, Callable[[Tables], Tables]] = {
    "receipts": _no_receipts,
    "matching": _without("allocations"),
    "settled": _open_items_only,
    "control": _without("control"),
    "opening": _late_control,
    "months": _three_months,
    "policy_currency": _in_dollars,
    "windows": dict,
    **{name: _without(name) for name in cl.knowledge.RESTS},
}
# What is left of the books is another ledger, in which a true 0 may stand where there was a figure.
OTHER_BOOKS = ("months", "settled")
# Places (record, table or JSON, row, column) in which nothing may stand without the capability.
_DUE = r"check.*kpis\.(dso\.best_possible|add|cei|overdue_ratio)$"
_SOLD = r"check.*kpis\.(dso|add|cei|ar_turnover|bad_debt_ratio)"
_AGES = (r"check.*CNY\.aging", _DUE, r"grade$", r"aging|overdue|limits?_|losses_|worklist\[", r":(limits|losses)\.")
_LOST = (r"bad_debt_ratio\.period$", r"\.(written_off|allowance|lost|loss_rate)$", r"losses_(allowance|backtest)")
ABSENT: Mapping[str, tuple[str, ...]] = {
    "receipts": (*_AGES, r"check.*kpis\.", r"exposure\.|balances"),
    "matching": _AGES,
    "settled": (_SOLD, r"grade$", r"kpi_series", r":(limits|losses\.allowance)\.|limits_", r"worklist.*(gain|index)$"),
    "control": (r"^check\.control", r"quality[.:_]control\["),
    "opening": (),
    "months": (r"check.*kpis\.(dso\.average|ar_turnover\.average|cei)$",),
    "policy_currency": (r":limits\.|limits_", r"^limits\.decisions", r"authority|approver$"),
    "windows": (),
    "write_offs": _LOST,
    "limits": (r"\.(utilisation|headroom|old_limit)$", r"summary.*\.before$", r"(:limits\.|limits_)over"),
    "disputes": (r"\.disputed",),
    "orders": (r"\.(open_orders|held_orders)$",),
    "financials": (r"evaluation[._](distress|trends)", r"files[._]statements\["),
    "facts": (r"files[._](discrepancies|changes)",),
    "assessments": (r"\.judgement$", r"evaluation[._]agreement"),
    "contracts": (),
    "actions": (),
    "covers": (r"\.(insured|factored)$",),
    "instalments": (),
}
# Runs that can say nothing at all: they must refuse in words.
_BLIND = frozenset(
    {"evaluate", "evidence", "limits", "alerts", "21_evaluation", "40_limit_review", "41_terms_and_discounts"}
    | {"42_portfolio_limits", "52_early_warning"}
)
REFUSED: Mapping[str, frozenset[str]] = {
    "receipts": _BLIND | {"worklist", "50_aging_collections"},
    "matching": _BLIND | {"worklist", "50_aging_collections"},
    "settled": _BLIND,
    "policy_currency": frozenset({"limits", "40_limit_review", "42_portfolio_limits"}),
    "write_offs": frozenset({"41_terms_and_discounts"}),
}
# Runs that say what there is whatever is lacking, section by section.
ANSWERED = ("check", "00_start", "10_data_quality", "51_cash_forecast", "80_quarterly_review")
# Lights that rest on a capability; without receipts or matching none may be green.
LIGHTS: Mapping[str, tuple[str, ...]] = {
    "control": ("reconciles", "ledger reconciles"),
    "settled": ("DSO within target", "losses within budget"),
    "write_offs": ("losses within budget",),
}
# Numbers of rows and of things found are 0 in truth where a table is not there.
_COUNTS = re.compile(
    r"^check\.tables|desk_lines\.csv.*part$|\.(formula_id|name|unit|window|formula)$"
    r"|_(accounting|coverage|knowledge)\.csv|quality\.(coverage|filled|rows)"
)
COMMANDS = grid.COMMANDS
# Only `suite_removals` runs these: they take half a minute each.
SCRIPT_ONLY = {
    "simulate", "60_policy_simulation", "70_policy_backtest", "71_claim_test",
    "30_scorecard_design", "31_scorecard_validation", "32_scorecard_monitoring",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Said:
    """What one run said.

    Attributes
    ----------
    refused : why it gave no answer; empty where it did
    defect : a traceback
    values : place (record or table, row, column) → number or text of a cell
    texts : place → sentence
    lights : name → light and reason
    knowledge : rows, where the run shows them
    """

    refused: str = ""
    defect: str = ""
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    texts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    lights: Mapping[str, str] = dataclasses.field(default_factory=dict)
    knowledge: list[dict[str, Any]] = dataclasses.field(default_factory=list)


def runs() -> tuple[str, ...]:
    """Every command and notebook."""
    return (*COMMANDS, *grid.notebooks())


def ledger(folder: Path, capability: str) -> Path:
    """Write the ledger without a capability ("": the whole one), once, and give back its folder."""
    target = folder / (capability or "whole")
    if not target.exists():
        cl.ledger.write(REMOVED.get(capability, dict)(whole()), target)
    return target


def said(capability: str, run: str, folder: Path) -> Said:
    """Run a command or notebook on the ledger without a capability."""
    path, out = ledger(folder, capability), folder / "out" / (capability or "whole") / run
    out.mkdir(parents=True, exist_ok=True)
    try:
        with grid._quick(), mock.patch.object(cl.ledger, "read", _read), _quiet():
            return _command(run, path, out) if run in COMMANDS else _notebook(run, path, out)
    except CreditLabError as error:
        return Said(refused=str(error))
    except Exception:
        return Said(defect=traceback.format_exc())


@functools.lru_cache(maxsize=2)
def _read(path: Any, mapping: Any = None, **more: Any) -> Ledger:
    book = cl.ledger.reader.read(path, mapping, **more)
    return _marked(book) if Path(path).name == "windows" else book


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with contextlib.redirect_stdout(None), contextlib.redirect_stderr(None):
        yield


def _command(run: str, path: Path, out: Path) -> Said:
    from credit_lab.__main__ import app

    words = [run, "--ledger", str(path), "--as-of", DAY]
    if run == "evidence":
        words += ["--customer", str(whole()["invoices"].sort_values("issue_date")["customer_id"].iloc[-1])]
    if run == "simulate":
        words += ["--replicates", "2", "--days", "30", "--jobs", "1", "--quiet"]
    found = CliRunner().invoke(app, [*words, "--json"])
    if isinstance(found.exception, CreditLabError):
        raise found.exception
    if found.exception and not isinstance(found.exception, SystemExit):
        return Said(defect="".join(traceback.format_exception(found.exception)))
    if found.exit_code == 2:
        return Said(defect=found.output)
    made = json.loads(found.stdout)
    values, texts = {}, {}
    for place, value in _leaves(run, made):
        (texts if isinstance(value, str) and " " in value else values)[place] = value
    lights = {"reconciles": made["reconciles"]} if run == "check" else {}
    return Said(values=values, texts=texts, lights=lights)


def _leaves(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _leaves(f"{place}.{key}", one)
    elif isinstance(value, list):
        for at, one in enumerate(value):
            yield from _leaves(f"{place}[{_key(one, at)}]", one)
    else:
        yield place, value


# Columns that name a row.
_NAMES = (
    "customer_id", "metric", "measure", "formula_id", "bucket", "grade", "line", "part", "change", "action",
    "attribute", "capability", "month", "period_end", "item", "reason", "segment", "as_of",
)  # fmt: skip


def _key(row: Any, at: int) -> str:
    named = (
        [str(row[name]) for name in _NAMES if name in row and row[name] is not None] if isinstance(row, dict) else []
    )
    return " ".join(named[:2]) or str(at)


class _Stop(Exception):
    """What nbclient raises for a cell."""

    def __init__(self, error: CreditLabError) -> None:
        self.ename, self.evalue, self.error = type(error).__name__, str(error), error


def _notebook(run: str, path: Path, out: Path) -> Said:
    """Execute a notebook; a section refused is one line, as in a report."""
    matplotlib.use("Agg")
    book = nbformat.read(grid.ROOT / "notebooks" / f"{run}.ipynb", 4)
    days = {"as_of": DAY, "end": DAY, "period": PERIOD, "policy_date": SINCE}
    card = {"months": 3, "target": "impaired"} if run.startswith("3") else {}
    given, space, made = (
        {**grid.SHORT, **card, "ledger": str(path), **days, "out": str(out)},
        dict[str, Any](),
        Sections(),
    )
    for at, cell in enumerate(book.cells):
        try:
            made.execute(book.cells, at, functools.partial(_cell, cell, space))
        except _Stop as stopped:
            raise stopped.error from None
        if "parameters" in cell.metadata.get("tags", ()):
            space |= {name: value for name, value in given.items() if name in space}
    made.close()
    return _told(run, [one.data[show.RECORD] for one in _outputs(book)], out, made.verdict())


def _outputs(book: Any) -> list[Any]:
    return [one for cell in book.cells for one in cell.get("outputs", ()) if show.RECORD in one.get("data", {})]


def _cell(cell: Any, space: dict[str, Any]) -> _Stop | None:
    *steps, last = ast.parse(cell.source).body
    try:
        shown = isinstance(last, ast.Expr)
        exec(compile(ast.Module(steps if shown else [*steps, last], []), "cell", "exec"), space)
        if shown:
            value = eval(compile(ast.Expression(last.value), "cell", "eval"), space)  # type: ignore[attr-defined]
            if isinstance(value, show.Shown):
                cell.outputs = [nbformat.v4.new_output("display_data", data=value._repr_mimebundle_())]
            elif hasattr(value, "_repr_html_"):
                value._repr_html_()
    except CreditLabError as error:
        return _Stop(error)
    return None


def _told(run: str, records: list[dict[str, Any]], out: Path, gaps: dict[str, str]) -> Said:
    values, texts, lights, known = dict[str, Any](), dict[str, str](), dict(gaps), []
    for record in records:
        place = f"{run}:{record['id']}"
        match record["kind"]:
            case "heading":
                known = record["about"]["knowledge"]
                texts |= {f"{place} {at}": line for at, line in enumerate(record["lines"])}
            case "sentences":
                texts |= {f"{place} {at}": line for at, line in enumerate(record["lines"])}
            case "note":
                texts[place] = record["text"]
            case "verdicts":
                lights |= {one["name"]: f"{one['light']}: {one['reason']}" for one in record["lights"]}
            case "figure":
                texts[place] = " | ".join([record["finding"], *record["panels"]])
            case "table":
                names = [column["name"] for column in record["columns"]]
                rows = [dict(zip(names, row, strict=True)) for row in record["rows"]]
                values |= dict(_leaves(place, rows))
    for file in sorted((out / "tables").glob("*.csv")):
        values |= dict(_leaves(f"{run}/{file.name}", _saved(file)))
    if run == "80_quarterly_review":
        texts |= _slides(records, out, lights)
    return Said(values=values, texts=texts, lights=lights, knowledge=known)


def _saved(file: Path) -> list[dict[str, Any]]:
    if not file.read_text(encoding="utf-8-sig").strip():
        return []
    frame = spreadsheet.read_csv(file)
    return [{key: cl.summary.plain(value) for key, value in row.items()} for row in frame.to_dict("records")]


def _slides(records: list[dict[str, Any]], out: Path, lights: dict[str, str]) -> dict[str, str]:
    """The deck's words and cells, from the records and the saved tables."""
    shown = [
        dataclasses.replace(_artefact("", record), id=record["id"], about=About(**about) if about else About())
        for record in (
            {**one, "svg": "H4sIAAAAAAAAAwMAAAAAAAAAAAA=", "png": ""} if "svg" in one else one for one in records
        )
        for about in [record.get("about", {})]
    ]
    story = deck.Story("80", out, shown, {})
    texts = {}
    for at, slide in enumerate(deck.tell(story, [], lights, "Review")):
        texts[f"deck {at} title"] = slide.title
        for row in getattr(slide.body, "rows", ()):
            texts[f"deck {at} {row[0]}"] = " | ".join(map(str, row))
    return texts


def zeros(before: Said, after: Said) -> list[str]:
    """Columns and places that held a number other than 0 before and hold nothing but 0 now."""
    then, now = (_columns(one.values) for one in (before, after))
    return sorted(place for place, values in now.items() if values and not any(values) and any(then.get(place, ())))


def _columns(values: Mapping[str, Any]) -> dict[str, list[float]]:
    """Numbers by place without its row; of tables with a name a row, also by row."""
    found: dict[str, list[float]] = {}
    for place, value in values.items():
        if isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value):
            found.setdefault(re.sub(r"\[[^]]*\]", "[]", place), []).append(float(value))
    return found


def cells() -> list[tuple[str, str]]:
    """The whole grid: capability and run."""
    return [(capability, run) for capability in REMOVED for run in runs()]


def chosen() -> list[tuple[str, str]]:
    """Some cells: each capability through `check` and one more run, dealt out in turn; all runs without matching."""
    quick = [run for run in runs() if run not in {*SCRIPT_ONLY, "check", "80_quarterly_review"}]
    found = [(capability, "check") for capability in REMOVED]
    found += [(capability, quick[at % len(quick)]) for at, capability in enumerate(REMOVED)]
    found += [("matching", run) for run in (*quick, "80_quarterly_review")]
    return list(dict.fromkeys(found))


def faults(capability: str, run: str, before: Said, after: Said) -> list[str]:
    """What a run says that it cannot know, or how it failed; a line for each."""
    if after.defect:
        return [after.defect.strip().splitlines()[-1]]
    if after.refused:
        reason = re.search("not known|cannot be set|too few|nothing to|no whole month|needed", after.refused)
        if run in ANSWERED or not reason:
            return [f"refused: {after.refused}"]
        return []
    wrong = ["gives an answer"] if run in REFUSED.get(capability, ()) else []
    wrong += _told_first(capability, after)
    wrong += [
        f"green: {name}"
        for name, light in after.lights.items()
        if light.startswith("ok") and _dark(capability, run, name)
    ]
    for place, value in after.values.items():  # noqa: PD011
        if (
            value not in (None, "not known")
            and any(re.search(one, place) for one in ABSENT[capability])
            and not _COUNTS.search(place)
        ):
            wrong.append(f"{place} is {value}")
    if capability not in OTHER_BOOKS:
        wrong += [f"0 where there was a figure: {place}" for place in zeros(before, after) if not _COUNTS.search(place)]
    wrong += [f"{place}: {text}" for place, text in after.texts.items() if re.search(r"\bnan\b|\binf\b", text)]
    return wrong


def _dark(capability: str, run: str, light: str) -> bool:
    """Whether a light must not be green; `check` tells of the control account whatever else is known."""
    if capability in ("receipts", "matching"):
        return run != "check"
    return light in LIGHTS.get(capability, ())


def _told_first(capability: str, after: Said) -> list[str]:
    """Whether the run says that the capability is lacking, where it says what the ledger can carry."""
    rows = {row["capability"]: row["state"] for row in after.knowledge}
    if rows.get(capability) == cl.knowledge.KNOWN:
        return [f"{capability} is said to be known"]
    return []
