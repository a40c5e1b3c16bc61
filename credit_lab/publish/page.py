"""One self-contained HTML page from executed notebooks: contents, sortable tables, code behind a
switch.

Nothing is fetched from anywhere: pictures are inside the page, and its content-security policy
allows one script, ours, by its hash. The same page with the same style sheet is printed to PDF.
"""

import base64
import hashlib
import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from credit_lab import __version__, language
from credit_lab.publish import markup, show
from credit_lab.publish.artefacts import Heading, artefacts, finding, texts

if TYPE_CHECKING:
    from jinja2 import Template

WORDS = {
    "contents": "Contents",
    "code": "Show code",
    "verdicts": "Verdicts",
    "findings": "What each part found",
    "skip": "Skip to the text",
}


_WIDGET = "application/vnd.jupyter.widget-view+json"


@dataclass(frozen=True)
class Front:
    """First screen of a pack: lines of the cover, verdicts, what is missing and why."""

    lines: tuple[str, ...]
    verdicts: dict[str, str]
    missing: tuple[str, ...]

    @property
    def lights(self) -> str:
        """The verdicts as HTML."""
        return show.lights(self.verdicts).data


@dataclass(frozen=True)
class Section:
    """A heading one can jump to."""

    anchor: str
    title: str


@dataclass(frozen=True)
class Chapter:
    """One notebook of the page."""

    anchor: str
    title: str
    line: str
    finding: str
    sections: tuple[Section, ...]
    blocks: tuple[str, ...]


def page(title: str, notebooks: Sequence[Path], front: Front | None = None) -> str:
    """The whole page.

    Parameters
    ----------
    notebooks : executed notebooks in their order, each a chapter
    front : of a pack; without one the page is the report of a single notebook
    """
    return render(title, [chapter(path, alone=front is None) for path in notebooks], front)


def render(title: str, chapters: Sequence[Chapter], front: Front | None = None) -> str:
    """The page of chapters that are made already."""
    template, style, script = _parts()
    return template.render(
        title=language.say(title),
        lang=language.tag(),
        version=__version__,
        words={name: language.say(word) for name, word in WORDS.items()},
        style=style,
        script=script,
        script_hash="sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        front=front,
        chapters=chapters,
    )


@cache
def _parts() -> tuple["Template", str, str]:
    from jinja2 import Environment

    folder = Path(__file__).parent / "templates"
    template, style, script = (
        (folder / name).read_text(encoding="utf-8")
        for name in ("page.html.j2", "page.css", "page.js")
    )
    return Environment(autoescape=True).from_string(template), style.strip(), script.strip()


def chapter(notebook: Path, *, alone: bool) -> Chapter:
    """What a notebook shows, as blocks of HTML; headings move one level down when it is not alone
    on the page.
    """
    anchor = f"p{notebook.stem}"
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    sections, blocks, empty = list[Section](), list[str](), list[str]()
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            first, _, rest = source.partition("\n")
            if first.startswith("## "):
                blocks += [markup.nothing(empty)] if empty else []
                empty = []
                sections.append(Section(f"{anchor}-{len(sections) + 1}", first[3:].strip()))
                level = 2 if alone else 3
                blocks.append(
                    f"<h{level} "
                    f"id='{sections[-1].anchor}'>{html.escape(sections[-1].title)}</h{level}>"
                )
                source = rest
            if source.strip():
                blocks.append(f"<div class='text'>{_prose(source)}</div>")
        elif cell["cell_type"] == "code" and "parameters" not in cell["metadata"].get("tags", ()):
            empty += [caption for output in cell["outputs"] if (caption := _empty(output))]
            blocks += [
                _output(output, alone=alone) for output in cell["outputs"] if not _empty(output)
            ]
            blocks.append(f"<pre class='code'>{html.escape(source)}</pre>")
    blocks += [markup.nothing(empty)] if empty else []
    shown = artefacts(notebook)
    if english := language.left(texts(shown)):
        told = language.say(
            f"{len(english)} texts of this part have no Chinese translation and stay English."
        )
        blocks.insert(0, f"<p class='note'>{html.escape(told)}</p>")
    heading = next((one for one in shown if isinstance(one, Heading)), None)
    if heading is None:
        heading = Heading("", notebook.stem, "")
        blocks = [show.heading(heading.title, "").data, *blocks] if alone else blocks
    return Chapter(
        anchor,
        heading.title,
        heading.line,
        finding(shown),
        tuple(sections),
        tuple(filter(None, blocks)),
    )


def _empty(output: dict[str, Any]) -> str:
    """Caption of a table without rows, else nothing; a section says once what it has nothing to
    show for.
    """
    record = output.get("data", {}).get(show.RECORD, {})
    return str(record["caption"]) if record.get("kind") == "table" and not record["rows"] else ""


def _prose(source: str) -> str:
    """Markdown of a notebook; its smaller headings keep no anchors, which would not be unique on
    the page.
    """
    from nbconvert.filters.markdown import markdown2html

    made = str(markdown2html(source))
    made = re.sub(r"<a class=\"anchor-link\".*?</a>", "", made)
    return re.sub(r"<(h\d)[^>]*>", r"<\1>", made)


def _output(output: dict[str, Any], *, alone: bool) -> str:
    """An output as HTML; nothing of what speaks of the run and not of the data.

    Warnings, log lines and progress bars (standard error, widgets) depend on caches and versions:
    with them the first page of a ledger would differ from the second. They stay in the executed
    notebook.
    """
    if output.get("name") == "stderr" or _WIDGET in output.get("data", {}):
        return ""
    if output["output_type"] == "stream":
        return f"<pre>{html.escape(language.say(''.join(output['text'])))}</pre>"
    if output["output_type"] == "error":
        said = f"{output['ename']}: {output['evalue']}"
        return f"<pre class='error'>{html.escape(said)}</pre>"
    data = output.get("data", {})
    if data.get(show.RECORD, {}).get("kind") == "heading" and not alone:
        return ""  # the chapter has its title already
    if "text/html" in data:
        whole = "".join(data["text/html"])
        return whole if show.RECORD in data else language.markup(whole)
    return f"<pre>{html.escape(''.join(data.get('text/plain', '')))}</pre>"
