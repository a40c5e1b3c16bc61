"""Commands of the granting step: the limit review."""

from typing import Annotated

import typer

from credit_lab import periods
from credit_lab import policy as policies
from credit_lab.commands import options, tables
from credit_lab.report import inputs

app = typer.Typer()


@app.command()
def limits(
    ledger: options.Ledger = "data/sample",
    policy: Annotated[str, typer.Option(help="Policy file.")] = "data/policies/2025-baseline.toml",
    as_of: Annotated[str, typer.Option(help="Day of the review; the last month end up to it counts.")] = "2025-12-31",
    mapping: options.MappingFile = "",
    currency: options.Currency = "",
    rates: options.Rates = "",
    out: tables.Out = None,
    as_json: options.Json = False,
) -> None:
    """Quarterly limit review: what changes, why, who signs, and who stands above the limit.

    Example: credit-lab limits --ledger data/sample --as-of 2025-12-31 --out limits.csv
    """
    from credit_lab.report import granting

    book = inputs.open_ledger(ledger, mapping, currency, rates)
    made = granting.granting(book, policies.load(policy), periods.parse_date(as_of, "--as-of"))
    if out:
        tables.write(made.review.decisions, out)
    changed = made.review.decisions[made.review.decisions["change"] != "keep"]
    if as_json:
        options.dump(
            {
                "as_of": str(made.as_of.date()),
                "decisions": options.records(made.review.decisions),
                "over_limit": options.records(made.over),
                "workload": options.records(made.workload),
            }
        )
        return
    columns = ["customer_id", "grade", "old_limit", "credit_limit", "change", "approver", "reason"]
    options.say(options.as_text(changed[columns].head(40)))
    options.say("\n".join(granting.headline(made, book.currency)))
