"""The commands' one door to publishing: a notebook becomes a report, is entered in the registry and spoken of."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import typer

from credit_lab import workbench
from credit_lab.commands import options
from credit_lab.errors import ReportError
from credit_lab.knowledge import Knowledge
from credit_lab.ledger.model import Ledger

if TYPE_CHECKING:
    from credit_lab.publish.run import Report
    from credit_lab.studies.evidence import Evidence


def registry(out: Path) -> Path:
    """The registry of runs beside the reports; a damaged or foreign file is refused before the work begins."""
    from credit_lab.publish import registry as registries

    registries.runs(out / registries.NAME)
    return out / registries.NAME


def make(name: str, parameters: Mapping[str, Any], out: Path, *, quiet: bool, **settings: Any) -> "Report":
    """Execute a bundled notebook as a report in the folder `out`.

    Parameters
    ----------
    name : of the notebook, as `workbench.notebook` knows it
    parameters : of the notebook; `known_on` only where it is given, since older ones do not have it
    quiet : no progress bar
    settings : title, facts, also: see `publish.run.report`
    """
    from credit_lab.publish import run

    given = {key: value for key, value in parameters.items() if key != "known_on" or value}
    return run.report(workbench.notebook(name), given, out, progress=not quiet, **settings)


def parameters_of(notebook: Path) -> dict[str, dict[str, str]]:
    """Parameters of a notebook: name → type, default, help."""
    from credit_lab.publish import run

    return run.parameters_of(notebook)


def save(tables: dict[str, pd.DataFrame], folder: Path) -> None:
    """Save tables as a report saves its own."""
    from credit_lab.publish import show

    show.save(tables, folder)


def evidence(made: "Evidence", out: str) -> Path:
    """Write the evidence of a decision to `out`, by default below reports/evidence; gives the place.

    Raises
    ------
    ReportError
        `out` ends neither in .html nor in .json, or cannot be written.
    """
    from credit_lab.publish import evidence_file

    folder = Path("reports", "evidence")
    path = Path(out) if out else folder / f"{evidence_file.stem(made.customer, made.as_of)}.html"
    ending = path.suffix.lower()
    if ending not in (".html", ".json"):
        raise ReportError(f"evidence: {path} must end in .html or .json")
    page = evidence_file.page(made.title, made.currency, made.lines, made.parts) if ending == ".html" else ""
    evidence_file.write(path, page or made.to_json())
    return path


def finish(
    made: "Report",
    as_json: bool,
    command: str,
    *,
    book: Ledger | None = None,
    as_of: str = "",
    notes: Sequence[str] = (),
) -> None:
    """Enter a report in the registry beside it; say where it is, what its ledger can carry, what it found, and `notes`
    on its day or period; exit code 1 when a section of it failed, or the ages of its ledger are not known."""
    from credit_lab.publish import registry as registries
    from credit_lab.publish import sections

    path = made.folder.parent / registries.NAME
    rows = made.run.get("knowledge")
    lines, blind = carried(rows) if rows else ([], [])
    number = registries.enter(path, command, made.folder, made.run, book, as_of)
    if as_json:
        options.dump({"html": str(made.html), "run": number, "notes": list(notes), **made.run})
    else:
        for note in (*lines, *notes):
            options.say(note)
        for name, verdict in made.run["verdicts"].items():
            options.say(f"{name}: {verdict}")
        unfound = [f"Not found, so not told: {what}." for what in made.run.get("unfound", ())]
        for line in (*sections.lines(made.run["missing"]), *unfound, *blind):
            options.say(line)
        options.say(f"report: {made.html} ({made.run['seconds']:.0f} s, run {number})")
    if blind or sections.failed(made.run["missing"]):
        raise typer.Exit(1)


def carried(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[str]]:
    """What the ledger of a report can carry, and that its ages are not known (empty: they are).

    Parameters
    ----------
    rows : of `Knowledge.rows`, as run.json has them
    """
    told = Knowledge.from_rows(rows)
    return told.lines(), [f"Failed: {told.blind}."] if told.blind else []
