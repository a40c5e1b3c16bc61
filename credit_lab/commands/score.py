"""Commands for scorecards: fit, apply, validate."""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from credit_lab.commands import options, reports, tables
from credit_lab.errors import CreditLabError

app = typer.Typer(help="Scorecards: fit one, apply it, validate it.", no_args_is_help=True)

Policy = Annotated[str, typer.Option(help="Of a ledger: the policy that says what failed means.")]
Months = Annotated[int, typer.Option(help="Of a ledger: the event within 3, 6 or 12 months.")]
Table = Annotated[str, typer.Option(help="CSV, Parquet or XLSX file of rows with a target, instead of a ledger.")]
Target = Annotated[str, typer.Option(help="Column with the outcome; of a ledger failed or impaired.")]
Event = Annotated[str, typer.Option(help="The value that is a default; default: 1, true, yes, bad or default.")]
Date = Annotated[str, typer.Option(help="Column of the table with the day of the decision.")]
Customer = Annotated[str, typer.Option(help="Column of the table with the customer.")]
LeaveOut = Annotated[str, typer.Option(help="Columns of the table that are no features, with spaces between.")]
Boundary = Annotated[str, typer.Option(help="First day of the rows it is judged by; default: chosen.")]
Out = Annotated[Path, typer.Option(help="Folder of reports; this one goes to OUT/scorecard or OUT/validation.")]


@app.command("fit")
def fit_(
    context: typer.Context,
    ledger: options.Ledger = "data/sample",
    mapping: options.MappingFile = "",
    currency: options.Currency = "",
    rates: options.Rates = "",
    known_on: options.KnownOn = "",
    policy: Policy = "data/policies/2025-baseline.toml",
    months: Months = 12,
    table: Table = "",
    target: Target = "",
    event: Event = "",
    date: Date = "",
    customer: Customer = "",
    leave_out: LeaveOut = "",
    category: Annotated[str, typer.Option(help="Columns of codes, though all their cells are numbers.")] = "",
    missing: Annotated[str, typer.Option(help="Texts that stand for a missing value, as in 'n/a -'.")] = "",
    kind: Annotated[str, typer.Option(help="woe or joint.")] = "woe",
    boundary: Boundary = "",
    refused: Annotated[str, typer.Option(help="Table of refused customers, for reject inference.")] = "",
    seed: Annotated[int, typer.Option(help="Of intervals and divisions.")] = 1,
    out: Out = Path("reports"),
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Make a scorecard: model document (HTML), card.json, card.sql, card.py and tables.

    Example: credit-lab score fit --table loans.csv --target default --customer customer_id --kind woe
    """

    parameters = {
        "ledger": ledger, "mapping": mapping, "currency": currency, "rates": rates,
        "known_on": known_on, "policy": policy,
        "months": months, "table": table, "target": target, "event": event, "date": date, "customer": customer,
        "leave_out": leave_out, "category": category, "missing": missing,
        "kind": kind, "boundary": boundary, "refused": refused, "seed": seed,
    }  # fmt: skip
    kinds = _refuse_early(parameters)
    if not as_json:
        for row in kinds[kinds["kind"] == "category"].itertuples():
            because = f"row {row.row} holds {row.cell!r}" if row.row else "named as one"
            options.say(f"  {row.column}: a category ({because})")
    reports.registry(out)
    if not table:
        options.one_state(context, ledger, mapping, out)
    made = reports.make("30_scorecard_design", parameters, out / "scorecard", title="Scorecard",
        quiet=quiet or as_json,
    )  # fmt: skip
    reports.finish(made, as_json, "score fit")


@app.command()
def apply(
    card: Annotated[Path, typer.Option(help="card.json of `score fit`.")],
    table: Annotated[str, typer.Option(help="CSV, Parquet or XLSX file with the features of the card.")],
    out: Annotated[Path, typer.Option(help="File for the scores, .csv or .parquet.", callback=tables.place)] = Path(
        "scores.csv"
    ),
    reasons: Annotated[int, typer.Option(min=0, help="So many reason codes per row.")] = 3,
    as_json: options.Json = False,
) -> None:
    """Score a table: all its columns that are not features of the card, score, pd and reasons.

    Example: credit-lab score apply --card reports/scorecard/card.json --table customers.csv --out scores.csv
    """
    from credit_lab.scoring import Scorecard
    from credit_lab.scoring import rows as modelling

    model = Scorecard.load(card)
    rows = modelling.read(table, model.missing)
    scored = rows.drop(columns=[name for name in rows if name in model.names])
    scored = scored.assign(score=model.score(rows), pd=model.probability(rows))
    if reasons:
        scored = scored.join(model.reasons(rows, most=reasons))
    tables.write(scored, out)
    unseen = model.unseen(rows)
    if as_json:
        options.dump({"out": str(out), "rows": len(scored), "unseen": options.records(unseen)})
        return
    options.say(
        f"{out}: {len(scored):,} rows, mean score {scored['score'].mean():.1f}, mean PD {scored['pd'].mean():.2%}"
    )
    for _, line in unseen.iterrows():
        options.say(
            f"  {line['feature']}: {line['rows']:,} rows hold values the card never met, such as {line['example']}"
        )


@app.command()
def validate(
    context: typer.Context,
    card: Annotated[Path, typer.Option(help="card.json of `score fit`.")],
    ledger: options.Ledger = "data/sample",
    mapping: options.MappingFile = "",
    currency: options.Currency = "",
    rates: options.Rates = "",
    known_on: options.KnownOn = "",
    policy: Policy = "data/policies/2025-baseline.toml",
    months: Months = 12,
    table: Table = "",
    target: Target = "",
    event: Event = "",
    date: Date = "",
    customer: Customer = "",
    leave_out: LeaveOut = "",
    boundary: Boundary = "",
    seed: Annotated[int, typer.Option(help="Of the intervals.")] = 1,
    out: Out = Path("reports"),
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Judge a card on rows with known outcome: ranking, calibration, grades, each with intervals.

    Example: credit-lab score validate --card reports/scorecard/card.json --table later.csv --target default
    """
    from credit_lab.studies import governed

    parameters = {
        "card": str(card), "ledger": ledger, "mapping": mapping, "currency": currency, "rates": rates,
        "known_on": known_on, "policy": policy,
        "months": months, "table": table, "target": target, "event": event, "date": date,
        "customer": customer, "leave_out": leave_out, "boundary": boundary, "seed": seed,
    }  # fmt: skip
    _refuse_early(parameters)
    reports.registry(out)
    if not table:
        options.one_state(context, ledger, mapping, out)
    made = reports.make("31_scorecard_validation", parameters, out / "validation", title="Scorecard validation",
        facts={"card_digest": governed.identified(str(card)).digest},
        quiet=quiet or as_json,
    )  # fmt: skip
    reports.finish(made, as_json, "score validate")


def _refuse_early(parameters: dict[str, object]) -> pd.DataFrame:
    """What can be seen before a notebook starts is said in one line; gives what columns of a table were taken for."""
    from credit_lab.scoring import rows as modelling

    if parameters.get("kind", "woe") not in ("woe", "joint"):
        raise CreditLabError(f"kind {parameters['kind']!r}: need woe or joint")
    if parameters["table"]:
        names = ("target", "event", "date", "customer", "leave_out")
        texts = {name: str(parameters.get(name, "")) for name in (*names, "card", "category", "missing")}
        return modelling.gather("", "", "", "", "", 12, str(parameters["table"]), **texts).kinds
    return modelling.NO_KINDS
