"""The review pack: all notebooks that make a review, executed side by side, as one document in
several formats.

Everything is made in a hidden folder beside the target and renamed into place when it is whole.
What was finished there when a run was killed is used again by the next one if it asks for that
(`resume`) and nothing that went in has changed since: notebook, parameters, ledger, policies, code.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from credit_lab import labels, language, origin, time_left
from credit_lab.errors import ReportError
from credit_lab.ledger import sharing
from credit_lab.publish import gate, pdf, privacy, sections
from credit_lab.publish.artefacts import Table, finding, headline
from credit_lab.publish.folder import alone, same, states, swap, unfinished
from credit_lab.publish.page import Front, page
from credit_lab.publish.part import Part
from credit_lab.publish.run import parameters_of, without_passwords
from credit_lab.publish.workers import Job, execute
from credit_lab.summary import LIGHTS

if TYPE_CHECKING:
    from credit_lab.publish.deck import Story

# Parts whose finding ends the deck, by the id of their headline.
_OTHERS = {"simulation.headline", "backtest.headline", "claims.headline"}
_NO_DAY = "1980-01-01"  # of files whose report has no as-of day
# Longest first, so that no processor waits for a late one.
LONGEST = ("60", "30", "80", "52", "51")


@dataclass(frozen=True)
class Pack:
    """A finished set of notebooks, from which every format is written.

    Attributes
    ----------
    facts : as shown on the cover: name → text
    formats : to be written, of `WRITERS`
    """

    title: str
    facts: dict[str, str]
    parts: tuple[Part, ...]
    formats: tuple[str, ...] = ()

    @property
    def made(self) -> tuple[Part, ...]:
        """The parts that are whole."""
        return tuple(part for part in self.parts if part.state == "made")

    @cached_property
    def verdicts(self) -> dict[str, str]:
        """Traffic lights of all parts, and whether the pack is complete."""
        lights = {
            name: text
            for part in self.made
            for name, text in part.run["verdicts"].items()
            if text.partition(":")[0] in LIGHTS
        }
        if len(self.parts) == 1:  # a report of its own, not a pack
            return lights
        lights.pop(sections.VERDICT, None)  # of one part; the pack has its own
        whole = sum(part.state == "made" and not part.gaps for part in self.parts)
        light = (
            "stop"
            if self.failed
            else "ok"
            if whole == len(self.parts) and not self.unfound
            else "act"
        )
        unfound = f"; not found: {', '.join(self.unfound)}" if self.unfound else ""
        return {
            **lights,
            "review complete": f"{light}: {whole} of {len(self.parts)} parts{unfound}",
        }

    @property
    def failed(self) -> bool:
        """Whether a part or a section of one is missing because of a defect."""
        return any(part.state == "failed" or sections.failed(part.gaps) for part in self.parts)

    @property
    def missing(self) -> tuple[str, ...]:
        """A sentence for each part or section that could not be made."""
        words = {"refused": "could not be made from these data", "failed": "failed"}
        lines = []
        for part in self.parts:
            lines += (
                [f"{part.name} {words[part.state]}: {part.reason}"] if part.state in words else []
            )
            lines += [f"{part.name}, {line}" for line in sections.lines(part.gaps)]
        return (*lines, *(f"Not found, so not told: {what}." for what in self.unfound))

    @cached_property
    def main(self) -> Part:
        """The quarterly review, known by its id `review.title`; of other packs the first part."""
        return next((part for part in self.made if "review.title" in part.ids), self.made[0])

    @property
    def day(self) -> str:
        """As-of day of the main part, ISO; files say they were made on it."""
        return next((one.about.as_of for one in self.main.artefacts if one.about.as_of), _NO_DAY)

    @cached_property
    def story(self) -> "Story":
        """What the deck asks for."""
        # python-pptx takes 0.4 s: only when a deck is asked for
        from credit_lab.publish import deck

        return deck.Story(self.main.name, self.main.folder, self.main.artefacts, self.facts)

    @property
    def others(self) -> list[tuple[str, str]]:
        """Title and finding of the parts that end the deck: simulation, backtest, claims."""
        ends = [part for part in self.made if part.ids & _OTHERS]
        return [(part.title, said) for part in ends if (said := finding(part.artefacts))]

    @cached_property
    def unfound(self) -> tuple[str, ...]:
        """What a format asks for and no notebook shows: the headline of a part, records and tables
        of the deck.
        """
        lacking = []
        if len(self.parts) > 1:  # a report of its own has no index
            named = [part for part in self.made if any(id.endswith(".title") for id in part.ids)]
            lacking += [
                f"headline of {part.name}" for part in named if headline(part.artefacts) is None
            ]
        if "pptx" in self.formats:
            from credit_lab.publish import deck

            lacking += deck.lacking(self.story, self.others, self.title)
        return tuple(lacking)

    @cached_property
    def html(self) -> str:
        """The whole pack as one page."""
        lines = language.spoken(f"{name}: {text}" for name, text in self.facts.items() if text)
        return page(
            self.title,
            [part.notebook for part in self.made],
            Front(tuple(lines), self.verdicts, tuple(language.spoken(self.missing))),
        )


def check(pack: Pack) -> None:
    """Refuse a pack that contradicts itself, in a notebook or between two.

    Raises
    ------
    Contradiction
        Both places.
    """
    gate.check(
        {part.name: (part.artefacts, part.folder, part.run["verdicts"]) for part in pack.made}
    )


def _write_html(pack: Pack, folder: Path) -> Path:
    path = folder / "index.html"
    path.write_text(pack.html, encoding="utf-8")
    return path


def _write_pdf(pack: Pack, folder: Path) -> Path:
    return pdf.write(pack.html, folder / "review.pdf")


def _write_deck(pack: Pack, folder: Path) -> Path:
    from credit_lab.publish import deck

    return deck.write(
        folder / "review.pptx",
        pack.story,
        pack.others,
        pack.verdicts,
        title=pack.title,
        day=pack.day,
    )


def _write_workbook(pack: Pack, folder: Path) -> Path:
    from credit_lab.publish import workbook

    sources = [
        workbook.Source(part.name, part.title, part.folder, tables)
        for part in pack.made
        if (tables := tuple(one for one in part.artefacts if isinstance(one, Table)))
    ]
    return workbook.write(
        folder / "review.xlsx", sources, title=pack.title, facts=pack.facts, day=pack.day
    )


def of_report(
    title: str,
    facts: Mapping[str, str],
    notebook: str,
    folder: Path,
    run: dict[str, Any],
    formats: Sequence[str],
) -> Pack:
    """A finished report of one notebook as a pack, for formats a report alone does not write."""
    return Pack(title, dict(facts), (Part(notebook, "made", "", folder, run),), tuple(formats))


Writer = Callable[[Pack, Path], Path]
# Format → what writes it into the folder of the pack; read only: a format of one's own is passed to
# `make`.
WRITERS: Mapping[str, Writer] = MappingProxyType(
    {"html": _write_html, "pdf": _write_pdf, "pptx": _write_deck, "xlsx": _write_workbook}
)


def known_formats(formats: Sequence[str], writers: Mapping[str, Writer] = WRITERS) -> None:
    """Refuse a format that nothing writes.

    Raises
    ------
    ReportError
        With those there are.
    """
    for name in formats:
        if name not in writers:
            raise ReportError(f"format {name!r} is unknown; choose of {', '.join(writers)}")


def make(
    notebooks: Sequence[Path],
    parameters: Mapping[str, Any],
    target: Path,
    *,
    title: str,
    facts: Mapping[str, str],
    inputs: str,
    formats: Sequence[str] = ("html",),
    writers: Mapping[str, Writer] = WRITERS,
    resume: bool = False,
    workers: int = 2,
    say: Callable[[str], None] = lambda _: None,
) -> Pack:
    """Execute notebooks and write the pack to the folder `target`; an earlier one there is replaced
    when it is whole.

    Parameters
    ----------
    parameters : by name; each notebook gets those it knows
    facts : shown on the cover
    inputs : digest of everything that goes in besides notebooks, parameters and code (ledger,
        policies)
    formats : of `writers`, which write into the folder of the pack
    resume : use notebooks that an interrupted run with the same inputs has finished
    say : told one line per notebook

    Raises
    ------
    ReportError
        An unknown format; another run is working on the same target; not one notebook could be
        made; what they say contradicts itself (`gate`).
    """
    known_formats(formats, writers)
    started, clock = time.time(), time.monotonic()
    parameters, aside = without_passwords(parameters), unfinished(target)
    without_passwords({"out": str(target)})
    with alone(target):
        before = states(parameters)
        if not resume:
            shutil.rmtree(aside, ignore_errors=True)
        jobs = [_job(notebook, parameters, aside, target, inputs) for notebook in notebooks]
        parts = {
            part.name: part for part in _parts(jobs, workers, say, time_left.last_parts(target))
        }
        executed = time.monotonic()
        try:
            same(before, states(parameters))
        except ReportError:
            # nobody knows which parts are of which version
            shutil.rmtree(aside, ignore_errors=True)
            raise
        pack = Pack(
            title,
            dict(facts),
            tuple(parts[notebook.stem] for notebook in notebooks),
            tuple(formats),
        )
        if not pack.made:
            raise ReportError("no part of the pack could be made:\n" + "\n".join(pack.missing))
        check(pack)
        files = [writers[name](pack, aside).name for name in formats]
        record = _record(pack, parameters, files, started, time.monotonic() - clock)
        record["after"] = round(time.monotonic() - executed, 1)
        (aside / "run.json").write_text(
            json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        swap(aside, target)
    return pack


def _job(
    notebook: Path, parameters: Mapping[str, Any], aside: Path, target: Path, inputs: str
) -> Job:
    own = {name: parameters[name] for name in parameters_of(notebook) if name in parameters}
    key = hashlib.sha256(notebook.read_bytes())
    key.update(
        json.dumps([own, inputs, language.current(), labels.own(), origin.code_digest()]).encode()
    )
    folder = Path("parts", notebook.stem)
    return Job(
        str(notebook), own, {"inputs": key.hexdigest()}, str(aside / folder), str(target / folder)
    )


def _parts(
    jobs: list[Job], workers: int, say: Callable[[str], None], usual: Mapping[str, float]
) -> Iterator[Part]:
    due = []
    for job in jobs:
        run = _finished(job)
        if run:
            say(f"{Path(job.notebook).stem}: finished before")
            yield _part(job, "made", "", run)
        else:
            shutil.rmtree(job.folder, ignore_errors=True)
            Path(job.folder).mkdir(parents=True)
            due.append(job)
    due.sort(
        key=lambda job: next(
            (at for at, two in enumerate(LONGEST) if Path(job.notebook).name.startswith(two)), 9
        )
    )
    watch = time_left.Watch([Path(job.notebook).stem for job in due], workers, usual)
    if watch.known:
        say(watch.said().strip(", "))
    for done in execute(due, workers):
        name = Path(done.job.notebook).stem
        watch.done(name)
        if done.error:
            state = "refused" if done.error in sections.REFUSALS else "failed"
            reason = done.message if state == "refused" else f"{done.error}: {done.message}"
            say(f"{name}: {state}: {reason}{watch.said()}")
            yield _part(done.job, state, reason, {})
        else:
            run = _finished(done.job)
            gaps = "".join(f"; {line}" for line in sections.lines(run["missing"]))
            say(f"{name}: {run['seconds']:.0f} s{gaps}{watch.said()}")
            yield _part(done.job, "made", "", run)


def _part(job: Job, state: str, reason: str, run: dict[str, Any]) -> Part:
    return Part(Path(job.notebook).stem, state, reason, Path(job.folder), run)


def _finished(job: Job) -> dict[str, Any]:
    """run.json of a job that was finished with the same inputs; empty if it was not."""
    try:
        run: dict[str, Any] = json.loads(Path(job.folder, "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return run if run.get("inputs") == job.facts["inputs"] else {}


def _record(
    pack: Pack, parameters: Mapping[str, Any], files: list[str], started: float, seconds: float
) -> dict[str, Any]:
    private = privacy.labels(parameters)
    return {
        "title": pack.title,
        "facts": pack.facts,
        **sharing.current().facts(),
        "parameters": privacy.plain(dict(parameters), private),
        "verdicts": pack.verdicts,
        "knowledge": pack.main.run.get("knowledge", []),
        "parts": {
            part.name: {"state": part.state, "reason": part.reason, **part.run}
            for part in pack.parts
        },
        "files": files,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "seconds": round(seconds, 1),
    }
