"""`credit-lab review --pack full`: what goes into the pack, and what is said when it is done."""

import hashlib
from pathlib import Path
from typing import Any

import typer

from credit_lab import ledger as ledgers
from credit_lab import periods
from credit_lab import policy as policies
from credit_lab.commands import options
from credit_lab.errors import ReportError
from credit_lab.report import inputs, pack


def full(
    book: ledgers.Ledger, rules: policies.Policy, parameters: dict[str, Any], out: Path, *,
    formats: str, resume: bool, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Make the pack of a period in OUT/PERIOD-pack; exit code 1 when a part failed."""
    period = parameters["period"]
    end = periods.parse_period(period).end
    known = {
        **parameters,
        "as_of": str(end.date()),
        "end": str(end.date()),
        "policy_a": parameters["policy"],
        "policy_b": parameters["other"],
        "policy_date": parameters["policy_date"] or str(rules.meta.valid_from),
    }
    target = out / f"{period}-pack"
    made = pack.make(
        steps(),
        known,
        target,
        title=f"Credit-policy review {period}",
        facts={
            "Ledger": book.source,
            "Policy": rules.meta.id,
            "As of": str(end.date()),
            "Amounts in": f"{book.currency}, tax included",
        },
        inputs=_digest(book, parameters),
        formats=[name.strip() for name in formats.split(",") if name.strip()],
        resume=resume,
        say=(lambda _: None) if quiet or as_json else options.say,
    )
    files = [str(target / name) for name in sorted(path.name for path in target.iterdir() if path.is_file())]
    if as_json:
        options.dump({"files": files, "verdicts": made.verdicts, "missing": made.missing})
    else:
        for name, verdict in made.verdicts.items():
            options.say(f"{name}: {verdict}")
        for line in (*made.missing, *(f"report: {file}" for file in files)):
            options.say(line)
    if any(part.state == "failed" for part in made.parts):
        raise typer.Exit(1)


def steps() -> list[Path]:
    """Notebooks of a review: the quarterly review first, then all below 90, where the rooms for playing begin."""
    folder = inputs.notebook("80_quarterly_review").parent
    return sorted(folder.glob("[0-8][0-9]_*.ipynb"), key=lambda path: (not path.name.startswith("80"), path.name))


def _digest(book: ledgers.Ledger, parameters: dict[str, Any]) -> str:
    """Everything the notebooks read: the ledger as read, and the files they are given."""
    digest = hashlib.sha256(book.digest().encode())
    for name in ("mapping", "policy", "other", "card"):
        if parameters[name]:
            try:
                digest.update(Path(parameters[name]).read_bytes())
            except OSError as error:
                raise ReportError(f"{name} {parameters[name]} cannot be read: {error.strerror}") from error
    return digest.hexdigest()
