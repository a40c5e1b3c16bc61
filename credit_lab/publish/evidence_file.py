"""The evidence behind one decision as a file: a page for readers, JSON for programs."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from credit_lab.errors import ReportError
from credit_lab.publish import show
from credit_lab.publish.page import Chapter, Section, render

_FINE = ("points", "score", "weight", "nominal_weight", "value")


def page(
    title: str,
    currency: str,
    lines: Sequence[str],
    parts: Iterable[tuple[str, str, str, pd.DataFrame]],
) -> str:
    """A self-contained page.

    Parameters
    ----------
    title : whose limit, and when
    currency : of all amounts
    lines : question and answer in sentences
    parts : name, heading, what to know when reading it, table; a table may be empty
    """
    line = f"amounts in {currency}"
    blocks, sections = [show.heading(title, line).data, show.sentences(lines).data], []
    for name, heading, remark, table in parts:
        sections.append(Section(f"e-{name}", heading))
        blocks.append(f"<h2 id='e-{name}'>{heading}</h2>")
        lacking = (
            "No scorecard was given."
            if name == "points"
            else "The ledger holds nothing of the kind."
        )
        blocks.append(
            (show.table(table, remark, fine=_FINE) if len(table) else show.note(lacking)).data
        )
    return render(title, [Chapter("evidence", title, "", lines[0], tuple(sections), tuple(blocks))])


def stem(customer: str, as_of: pd.Timestamp) -> str:
    """Name of the file; signs that mean something to a file system are left out."""
    return f"{re.sub(r'[^A-Za-z0-9_-]+', '_', customer)}-{as_of.date()}"


def write(path: Path, text: str) -> None:
    """Write the file whole or not at all.

    Raises
    ------
    ReportError
        It cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text + "\n", encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise ReportError(f"evidence cannot be written to {path}: {error.strerror}") from error
