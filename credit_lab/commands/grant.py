"""Commands of the granting step: the limit review."""

from typing import Annotated

import typer

from credit_lab import inputs, knowledge, when
from credit_lab import policy as policies
from credit_lab.commands import options, tables

app = typer.Typer()
_SHOWN = 40  # changes on the screen


@app.command()
def limits(
    ledger: options.Ledger = "data/sample",
    policy: Annotated[str, typer.Option(help="Policy file.")] = "data/policies/2025-baseline.toml",
    as_of: options.AsOf = "",
    mapping: options.MappingFile = "",
    currency: options.Currency = "",
    rates: options.Rates = "",
    known_on: options.KnownOn = "",
    out: tables.Out = None,
    as_json: options.Json = False,
) -> None:
    """Quarterly limit review at the last month end: what changes, why, who signs, who stands above the limit.

    Example: credit-lab limits --ledger data/sample --as-of 2025-12-31 --out limits.csv
    """
    from credit_lab.studies import granting

    book = inputs.open_ledger(ledger, mapping, currency, rates, known_on)
    day, notes = when.day(book, as_of)
    rules = inputs.open_policy(policy, book, rates)
    notes = [*knowledge.of(book, rules, day).lines(), *notes, *policies.money_note(rules)]
    made = granting.granting(book, rules, day)
    if out:
        tables.write(made.review.decisions, out)
    changed = made.review.decisions[made.review.decisions["change"] != "keep"]
    if as_json:
        options.dump(
            {
                "as_of": str(made.as_of.date()),
                "notes": notes,
                "decisions": options.records(made.review.decisions),
                "over_limit": options.records(made.over),
                "workload": options.records(made.workload),
            }
        )
        return
    options.say("\n".join(notes))
    columns = ["customer_id", "grade", "old_limit", "credit_limit", "change", "approver", "reason"]
    options.say(options.as_text(changed[columns].head(_SHOWN), book.currency))
    if len(changed) > _SHOWN:
        options.say(f"First {_SHOWN} of {len(changed):,} changes; --out FILE saves all decisions.")
    options.say("\n".join(granting.headline(made, book.currency)))
