"""A section that fails says so in its place, and the rest of the report stands.

Cells up to the one that shows the report's heading read what every section rests on, and a cell
that names `out` saves what was made: an error in one of these stops the run. Any other cell belongs
to the section it stands in. When it raises, a note takes the place of its output, and cells that
use a name it was to give are not run, since the name may still hold something older. A report with
such a gap says so under its heading, among its verdicts and in run.json.
"""

import dis
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from types import CodeType
from typing import TYPE_CHECKING, Any

from credit_lab.ledger import sharing
from credit_lab.publish import privacy, show

if TYPE_CHECKING:
    from nbformat import NotebookNode

# Errors by which a notebook refuses input; anything else is a failure.
REFUSALS = (
    "CollectionError",
    "Contradiction",
    "CreditLabError",
    "DesignError",
    "GovernanceError",
    "LedgerError",
    "LimitsError",
    "MoneyNotKnown",
    "MonitoringError",
    "NotKnown",
    "PeriodError",
    "PolicyError",
    "ReportError",
    "SimulationError",
    "StandingError",
    "TransferError",
)
# What ends a run wherever it happens: the cells after it would meet it again.
_STOPS = ("MemoryError", "KeyboardInterrupt")
VERDICT = "report complete"
BEGINNING = "The beginning"
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Gap:
    """A section, or a part of one, that could not be made.

    Attributes
    ----------
    section : heading it stands under, `BEGINNING` before the first one
    cell : number of the failed cell among the notebook's cells of code, 1 for its parameters
    state : refused (the data do not allow it) or failed (a defect)
    error, reason : name of the exception, and what the report says
    traceback : where a defect arose; empty for a refusal, and in a report that is to be shared
    """

    section: str
    cell: int
    state: str
    error: str
    reason: str
    traceback: str

    @property
    def line(self) -> str:
        """What a pack says about it."""
        return f"{self.section}: not available, because {self.reason}"


class Sections:
    """The sections of one run: what they lack, and the names that are lost with it."""

    def __init__(self) -> None:
        self.gaps: list[Gap] = []
        self._lost: dict[str, str] = {}  # name → why it is not there
        self._heading: NotebookNode | None = None
        self._said: set[tuple[str, str]] = set()

    def execute(self, cells: list["NotebookNode"], at: int, run: Callable[[], Any]) -> None:
        """Run the cell at a position, unless what it rests on is lost; a section's error becomes a
        note in its place.

        Parameters
        ----------
        run : executes the cell; returns None, or nbclient's error with its ename and evalue

        Raises
        ------
        CellExecutionError
            The cell failed and is no section's.
        """
        cell = cells[at]
        if cell.cell_type != "code":
            return
        uses, gives = _names(cell.source)
        why = next((self._lost[name] for name in sorted(uses & set(self._lost))), None)
        if why is not None:
            self._lost |= dict.fromkeys(gives, why)
            if "out" not in uses:
                self._note(cell, _section(cells, at), why)
            return
        error = run()
        if error is not None:
            if self._heading is None or "out" in uses or error.ename in _STOPS:
                raise error
            gap = _gap(cell, error.ename, error.evalue, _section(cells, at), _number(cells, at))
            self.gaps.append(gap)
            self._lost |= dict.fromkeys(gives, gap.reason)
            cell.outputs = [one for one in cell.outputs if one.output_type != "error"]
            self._note(cell, gap.section, gap.reason)
            return
        for name in gives:
            self._lost.pop(name, None)
        if any(
            one.get("data", {}).get(show.RECORD, {}).get("kind") == "heading"
            for one in cell.outputs
        ):
            self._heading = self._heading or cell

    def _note(self, cell: "NotebookNode", section: str, reason: str) -> None:
        """Say it once in a section, however many of its cells rest on what is lost."""
        if (section, reason) not in self._said:
            self._said.add((section, reason))
            cell.outputs.append(_output(show.note(f"Not available, because {reason}")))

    def close(self) -> None:
        """Say under the heading what is missing."""
        if self.gaps and self._heading is not None:
            self._heading.outputs.append(_output(show.lights(self.verdict())))

    def verdict(self) -> dict[str, str]:
        """The light of a report with gaps: stop after a defect, act where data did not allow a
        section; none without gaps.
        """
        if not self.gaps:
            return {}
        names = "; ".join(dict.fromkeys(gap.section for gap in self.gaps))
        light, reason = "stop" if failed(self.record({})) else "act", f"not available: {names}"
        return {VERDICT: f"{light}: {reason}"}

    def record(self, private: Mapping[str, str]) -> list[dict[str, Any]]:
        """The gaps as run.json holds them, without paths and connections (`privacy.labels`)."""
        return [privacy.plain(asdict(gap), private) for gap in self.gaps]


def failed(gaps: Iterable[Mapping[str, Any]]) -> bool:
    """Whether one of the gaps of a run.json is a defect."""
    return any(gap["state"] == "failed" for gap in gaps)


def lines(gaps: Iterable[Mapping[str, Any]]) -> list[str]:
    """The sentences on the gaps of a run.json, each said once."""
    return list(dict.fromkeys(Gap(**gap).line for gap in gaps))


def _gap(cell: "NotebookNode", error: str, message: str, section: str, number: int) -> Gap:
    # only the kernel knows which customers a message names
    quiet = bool(sharing.current().min_cell)
    if error in REFUSALS:
        return Gap(
            section, number, "refused", error, "the data do not allow it" if quiet else message, ""
        )
    reason = f"of a fault in the program ({error}: {'message not shared' if quiet else message})"
    raw: list[str] = next((one.traceback for one in cell.outputs if one.output_type == "error"), [])
    where = "" if sharing.current().facts() else _COLOURS.sub("", "\n".join(raw))
    return Gap(section, number, "failed", error, reason, where)


def _output(shown: show.Shown) -> "NotebookNode":
    from nbformat import v4

    return v4.new_output("display_data", data=shown._repr_mimebundle_())


def _number(cells: list["NotebookNode"], at: int) -> int:
    """Number of a cell of code; that of the injected parameters is none of the notebook's."""
    own = [
        one for one in cells[: at + 1] if "injected-parameters" not in one.metadata.get("tags", ())
    ]
    return sum(one.cell_type == "code" for one in own)


def _section(cells: list["NotebookNode"], at: int) -> str:
    heads = [cell.source.partition("\n")[0] for cell in cells[:at] if cell.cell_type == "markdown"]
    return next(
        (head.removeprefix("## ").strip() for head in reversed(heads) if head.startswith("## ")),
        BEGINNING,
    )


def _names(source: str) -> tuple[set[str], set[str]]:
    """Names a cell takes from the cells before it, and names it gives to those after it."""
    try:
        return _of_code(compile(source, "cell", "exec"))
    except SyntaxError:  # a line for IPython alone
        return set(), set()


def _of_code(code: CodeType) -> tuple[set[str], set[str]]:
    uses, gives = set[str](), set[str]()
    for step in dis.get_instructions(code):
        if step.opname == "STORE_NAME":
            gives.add(step.argval)
        elif step.opname in ("LOAD_NAME", "LOAD_GLOBAL"):
            uses |= {step.argval} - gives
        elif isinstance(step.argval, CodeType):  # a lambda, or a loop within brackets
            uses |= _of_code(step.argval)[0] - gives
    return uses, gives
