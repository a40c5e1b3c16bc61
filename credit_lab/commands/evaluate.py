"""Commands for credit files and evaluation."""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from credit_lab import inputs, knowledge, when
from credit_lab.commands import options, tables

app = typer.Typer()

PolicyFile = Annotated[str, typer.Option(help="Policy file.")]
Template = Annotated[str, typer.Option(help="Template of the factors experts judge; see data/expert.")]


def _write(frame: pd.DataFrame, out: Path | None) -> None:
    if out:
        tables.write(frame, out)
        options.say(f"{out}: {len(frame):,} rows")


@app.command()
def files(
    ledger: options.Ledger = "data/sample",
    mapping: options.MappingFile = "",
    policy: PolicyFile = "data/policies/2025-baseline.toml",
    as_of: options.AsOf = "",
    currency: options.Currency = "",
    rates: options.Rates = "",
    known_on: options.KnownOn = "",
    register: Annotated[str, typer.Option(help="Export of a public register whose facts are added.")] = "",
    register_mapping: Annotated[
        str, typer.Option(help="How its columns become facts.")
    ] = "data/mappings/register/public_register.toml",
    out: tables.Out = None,
    as_json: options.Json = False,
) -> None:
    """Credit files: what is missing, stale or contradictory, largest debts first.

    Example: credit-lab files --ledger data/sample --as-of 2025-12-31 --out files.csv
    """
    from credit_lab import policy as policies
    from credit_lab.studies import credit_files

    rules = policies.load(policy)
    book = inputs.open_ledger(ledger, mapping, currency, rates, known_on)
    day, notes = when.day(book, as_of)
    notes = [*knowledge.of(book, rules, day).lines(), *notes]
    found = credit_files.credit_files(credit_files.with_register(book, register, register_mapping, day), rules, day)
    if as_json:
        tables = {name: options.records(frame) for name, frame in found.tables().items()}
        options.dump({"as_of": str(day.date()), "notes": notes, "lines": found.lines, **tables})
    else:
        options.say("\n".join([*notes, *found.lines]))
        options.say("\n" + options.as_text(found.by_tier, book.currency))
        if len(found.discrepancies):
            odd = options.as_text(found.discrepancies.head(15), book.currency)
            options.say("\nDiscrepancies by money at stake\n" + odd)
        due = found.files.loc[found.files["due"], ["customer_id", "tier", "at_stake", "completeness", "missing",
                                                   "stale", "statement_due", "differs", "events"]]  # fmt: skip
        options.say("\nFiles due for work\n" + options.as_text(due.head(20), book.currency))
    _write(found.files, out)


@app.command()
def evaluate(
    ledger: options.Ledger = "data/sample",
    mapping: options.MappingFile = "",
    policy: PolicyFile = "data/policies/2025-baseline.toml",
    template: Template = "data/expert/three_dimensions.toml",
    as_of: options.AsOf = "",
    currency: options.Currency = "",
    rates: options.Rates = "",
    known_on: options.KnownOn = "",
    overrides: Annotated[str, typer.Option(help="CSV of customer_id, grade, reason, approved_by.")] = "",
    explain: Annotated[str, typer.Option(help="Show every contribution to this customer's score.")] = "",
    out: tables.Out = None,
    as_json: options.Json = False,
) -> None:
    """Score and grade all customers from figures and judgement; explain one of them.

    Example: credit-lab evaluate --ledger data/sample --as-of 2025-12-31 --explain C-0004
    """
    from credit_lab import evaluation
    from credit_lab import policy as policies
    from credit_lab.studies import evaluating

    rules = policies.load(policy)
    book = inputs.open_ledger(ledger, mapping, currency, rates, known_on)
    day, notes = when.day(book, as_of)
    notes = [*knowledge.of(book, rules, day).lines(), *notes]
    found = evaluating.evaluating(book, rules, day, template=template, overrides=overrides)
    trail = evaluation.explain(found.evaluated, explain) if explain else pd.DataFrame()
    if as_json:
        options.dump({"as_of": str(found.as_of.date()), "notes": notes, "lines": found.lines,
                      "grades": options.records(found.grades), "explanation": options.records(trail)})  # fmt: skip
    elif explain:
        mine = found.grades.set_index("customer_id").loc[explain]
        options.say(f"{explain} as of {found.as_of.date()}: score {mine['score']:.1f}, grade {mine['grade'] or 'none'} "
                    f"({mine['reason']})\n")  # fmt: skip
        options.say(options.as_text(trail[["part", "kind", "item", "value", "score", "weight", "points", "source"]]))
    else:
        options.say("\n".join([*notes, *found.lines]))
        options.say("\n" + options.as_text(found.distribution))
    _write(found.grades, out)
