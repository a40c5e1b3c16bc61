"""The evidence behind one decision as a file: a page for readers, JSON for programs."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import pandas as pd

from credit_lab.errors import ReportError
from credit_lab.publish import show
from credit_lab.publish.page import Chapter, Section, render


class Evidence(Protocol):
    """What is written: `studies.evidence.Evidence`."""

    @property
    def customer(self) -> str: ...
    @property
    def as_of(self) -> pd.Timestamp: ...
    @property
    def currency(self) -> str: ...
    @property
    def lines(self) -> tuple[str, ...]: ...
    @property
    def tables(self) -> Mapping[str, pd.DataFrame]: ...
    @property
    def sections(self) -> Mapping[str, tuple[str, str]]: ...
    def to_json(self) -> str: ...


def to_html(made: Evidence) -> str:
    """A self-contained page."""
    title = f"Evidence: limit of {made.customer} on {made.as_of.date()}"
    blocks = [
        show.heading(title, f"amounts in {made.currency}, tax included").data,
        show.sentences(made.lines).data,
    ]
    sections = []
    for name, (title_of, line) in made.sections.items():
        sections.append(Section(f"e-{name}", title_of))
        blocks.append(f"<h2 id='e-{name}'>{title_of}</h2>")
        frame, fine = made.tables[name], ("points", "score", "weight", "nominal_weight", "value")
        lacking = "No scorecard was given." if name == "points" else "The ledger holds nothing of the kind."
        blocks.append((show.table(frame, line, fine=fine) if len(frame) else show.note(lacking)).data)
    return render(title, [Chapter("evidence", title, "", made.lines[0], tuple(sections), tuple(blocks))])


def stem(customer: str, as_of: pd.Timestamp) -> str:
    """Name of the file; signs that mean something to a file system are left out."""
    return f"{re.sub(r'[^A-Za-z0-9_-]+', '_', customer)}-{as_of.date()}"


def write(made: Evidence, path: Path) -> None:
    """Write the evidence as .html or .json, whole or not at all.

    Raises
    ------
    ReportError
        Another ending, or the file cannot be written.
    """
    ending = path.suffix.lower()
    if ending not in (".html", ".json"):
        raise ReportError(f"evidence: {path} must end in .html or .json")
    text = to_html(made) if ending == ".html" else made.to_json()
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text + "\n", encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise ReportError(f"evidence cannot be written to {path}: {error.strerror}") from error
