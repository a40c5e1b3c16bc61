"""`credit-lab review --pack full`: what goes into the pack, and what is said when it is done."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import typer

from credit_lab import knowledge, periods, workbench
from credit_lab import ledger as ledgers
from credit_lab import policy as policies
from credit_lab.commands import options, reports
from credit_lab.errors import ReportError
from credit_lab.ledger import sharing
from credit_lab.publish import pack, privacy, registry


def full(
    book: ledgers.Ledger, rules: policies.Policy, parameters: dict[str, Any], out: Path, *,
    formats: str, resume: bool, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Make the pack of a period in OUT/PERIOD-pack; exit code 1 when a part or a section of one failed."""
    period = parameters["period"]
    end = periods.parse_period(period).end
    private = privacy.labels({**parameters, "out": out.absolute()})
    known = {
        **parameters,
        "as_of": str(end.date()),
        "end": str(end.date()),
        "policy_a": parameters["policy"],
        "policy_b": parameters["other"],
        "policy_date": parameters["policy_date"] or str(rules.meta.valid_from),
    }
    target = out / f"{period}-pack"
    rows = knowledge.of(book, rules, end).rows()
    lines, blind = reports.carried(rows)
    made = pack.make(
        steps(),
        known,
        target,
        title=f"Credit-policy review {period}",
        facts=cover(book, rules, end),
        inputs=_digest(book, parameters),
        formats=named(formats),
        resume=resume,
        say=(lambda _: None) if quiet or as_json else options.say,
    )
    number = _entered(made, target, privacy.plain(parameters, private), book, str(end.date()), rules)
    files = [str(target / name) for name in sorted(path.name for path in target.iterdir() if path.is_file())]
    if as_json:
        options.dump({"files": files, "verdicts": made.verdicts, "missing": made.missing, "run": number,
                      "knowledge": rows})  # fmt: skip
    else:
        for name, verdict in made.verdicts.items():
            options.say(f"{name}: {verdict}")
        for line in (*lines, *made.missing, *blind, *(f"report: {file}" for file in files)):
            options.say(line)
    if blind or made.failed:
        raise typer.Exit(1)


def cover(book: ledgers.Ledger, rules: policies.Policy, end: pd.Timestamp) -> dict[str, str]:
    """What stands on the cover of every format."""
    source = privacy.cleaned(book.source, privacy.labels({"ledger": book.source}))
    shared = sharing.current().facts().get("sharing", {})
    said = [f"pseudonyms of key {shared['pseudonyms']}"] if "pseudonyms" in shared else []
    said += [f"groups below {shared['min_cell']} customers masked"] if "min_cell" in shared else []
    return {
        "Ledger": source,
        "Ledger digest": book.digest()[:12],
        "Policy": rules.meta.id,
        "As of": str(end.date()),
        "Amounts in": f"{book.currency}, tax {book.tax}" if book.tax else book.currency,
        "Evidence": " ".join(knowledge.of(book, rules, end).lines()),
        **({"Shared with": ", ".join(said)} if said else {}),
    }


def named(formats: str) -> list[str]:
    """Formats from a text like "html,pptx"; an unknown one is refused."""
    names = [name.strip() for name in formats.split(",") if name.strip()]
    pack.known_formats(names)
    return names


def beside(
    formats: Sequence[str], title: str, facts: dict[str, str], notebook: str
) -> Callable[[Path, dict[str, Any]], None]:
    """What writes further formats beside the page of a single report."""

    def write(folder: Path, record: dict[str, Any]) -> None:
        whole = pack.of_report(title, facts, notebook, folder, record, formats)
        record["unfound"] = list(whole.unfound)
        for name in formats:
            if name != "html":
                pack.WRITERS[name](whole, folder)

    return write


def _entered(
    made: pack.Pack, target: Path, parameters: dict[str, Any], book: ledgers.Ledger, as_of: str, rules: policies.Policy
) -> int:
    """Enter the pack in the registry: its verdicts, and the key figures and forecasts of its review."""
    whole = json.loads((target / "run.json").read_text(encoding="utf-8"))
    review: dict[str, Any] = next((part.run for part in made.made if "review.title" in part.ids), {})
    own: dict[str, Any] = {name: review[name] for name in ("figures", "forecasts", "versions") if name in review}
    facts = {"ledger_digest": book.digest(), "policy_digest": policies.digest(rules)}
    run: dict[str, Any] = {**own, **facts, **{name: whole[name] for name in ("started", "seconds", "verdicts")}}
    path = target.parent / registry.NAME
    return registry.enter(path, "pack", target, {**run, "parameters": parameters}, book, as_of)


def steps() -> list[Path]:
    """Notebooks of a review: the quarterly review first, then all below 90, where the rooms for playing begin."""
    folder = workbench.notebook("80_quarterly_review").parent
    return sorted(folder.glob("[1-8][0-9]_*.ipynb"), key=lambda path: (not path.name.startswith("80"), path.name))


def _digest(book: ledgers.Ledger, parameters: dict[str, Any]) -> str:
    """Everything the notebooks read: the ledger as read, and the files they are given."""
    digest = hashlib.sha256(f"{book.digest()} {sharing.current()}".encode())
    for name in ("mapping", "policy", "other", "card"):
        if parameters[name]:
            try:
                digest.update(Path(parameters[name]).read_bytes())
            except OSError as error:
                raise ReportError(f"{name} {parameters[name]} cannot be read: {error.strerror}") from error
    for base in (one for name in ("policy", "other") for one in policies.bases(parameters[name])):
        digest.update(base.read_bytes())
    return digest.hexdigest()
