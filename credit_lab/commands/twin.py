"""The command that simulates two policies in the same worlds."""

from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from credit_lab import inputs, knowledge, when
from credit_lab import policy as policies
from credit_lab.commands import options, reports
from credit_lab.ledger.model import Ledger as Book

app = typer.Typer()


@app.command()
def simulate(
    context: typer.Context,
    ledger: options.Ledger = "data/sample",
    policy: Annotated[list[str], typer.Option(help="Policy file; give it twice, the one in force first.")] = [],  # noqa: B006
    as_of: options.AsOf = "",
    replicates: Annotated[int, typer.Option(min=2, help="Simulated worlds.")] = 200,
    days: Annotated[int, typer.Option(min=1, max=3650, help="Days simulated.")] = 365,
    capacity: Annotated[int, typer.Option(min=0, help="Collector minutes a day.")] = 480,
    candidates: Annotated[int, typer.Option(min=0, help="Settings tried for a better version; 0: none.")] = 0,
    loss_cap: Annotated[float, typer.Option(min=0, help="Largest expected bad debt over sales of those.")] = 1.0,
    jobs: Annotated[int, typer.Option(min=1, help="Threads.")] = 2,
    seed: Annotated[int, typer.Option(help="Same seed, same worlds.")] = 1,
    mapping: options.MappingFile = "",
    currency: options.Currency = "",
    rates: options.Rates = "",
    known_on: options.KnownOn = "",
    tables: Annotated[Path | None, typer.Option(help="Folder for all tables as CSV; a report brings its own.")] = None,
    report: Annotated[bool, typer.Option("--report", help="Leave the notebook as a report.")] = False,
    out: Annotated[Path, typer.Option(help="Folder of reports; this one goes to OUT/simulation.")] = Path("reports"),
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """What two policies would do to sales, turnover, cash and bad debt in the same simulated worlds.

    The simulation begins the day after --as-of.

    Example: credit-lab simulate --policy data/policies/2025-baseline.toml --policy data/policies/2025-tighter.toml
    """
    from credit_lab.progress import bar
    from credit_lab.studies import twin

    names = policy or ["data/policies/2025-baseline.toml", "data/policies/2025-tighter.toml"]
    if len(names) != 2:
        raise typer.BadParameter("give exactly two policies, the one in force first", param_hint="--policy")
    if report and tables:
        raise typer.BadParameter("a report has all tables in OUT/simulation/tables", param_hint="--tables")
    for name in names:  # before the ledger, which takes longer
        policies.load(name)
    if report:
        options.one_state(context, ledger, mapping, out)
    book = inputs.open_ledger(ledger, mapping, currency, rates, known_on)
    rules = [inputs.open_policy(name, book, rates, granting=True) for name in names]
    day, notes = when.day(book, as_of)
    notes += policies.money_note(rules[0])
    numbers: dict[str, Any] = {"days": days, "replicates": replicates, "capacity": capacity, "candidates": candidates,
                               "loss_cap": loss_cap, "seed": seed, "jobs": jobs}  # fmt: skip
    if report:
        source = {"ledger": ledger, "mapping": mapping, "currency": currency, "rates": rates, "known_on": known_on,
                  "as_of": str(day.date())}  # fmt: skip
        parameters = {**source, **numbers, "policy_a": names[0], "policy_b": names[1]}
        _report(book, rules, day, parameters, out, notes, quiet=quiet, as_json=as_json)
        return
    notes = [*knowledge.of(book, rules[0], day).lines(), *notes]
    made = twin.twin(book, rules, day, **numbers, progress=None if quiet or as_json else bar("worlds"))
    if tables:
        reports.save(made.tables(), tables)
    lines = twin.headline(made, book.currency)
    if as_json:
        options.dump(
            {
                "as_of": str(day.date()), "notes": notes, "replicates": replicates, "seed": seed, "headline": lines,
                "differences": options.records(made.differences),
                "comparison": options.records(made.comparison.table), "scan": options.records(made.scan),
                "assumptions": list(made.first.assumptions),
            }
        )  # fmt: skip
        return
    options.say("\n".join([*notes, _text(made.comparison.table), "", *lines, "", *made.first.assumptions]))


def _report(
    book: Book, rules: list[policies.Policy], day: pd.Timestamp, parameters: dict[str, Any], out: Path,
    notes: list[str], *, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Leave the notebook as a report in OUT/simulation and print its comparison."""
    from credit_lab.rules import coverage
    from credit_lab.simulation import regime
    from credit_lab.studies import replay_text, twin

    reports.registry(out)
    run = reports.make(
        "60_policy_simulation",
        parameters,
        out / "simulation",
        title="Policy simulation",
        facts={"ledger_digest": book.digest(), "policy_digests": [policies.digest(rule) for rule in rules]},
        quiet=quiet or as_json,
    )
    if not as_json:
        options.say(_text(pd.read_csv(run.folder / "tables" / "simulation_comparison.csv")))
    differing = coverage.differences(rules[0], rules[1], regime.READS)
    names = [rule.meta.id for rule in rules]
    notes = [*notes, *replay_text.blind(differing, *names), *twin.not_simulated(differing)]
    reports.finish(run, as_json, "simulate", book=book, as_of=str(day.date()), notes=notes)


def _text(comparison: pd.DataFrame) -> str:
    table = comparison[["measure", "a", "b", "difference", "standard_error", "low", "high"]]
    return options.as_text(table, form=lambda x: f"{x:,.0f}" if abs(x) >= 1000 else f"{x:.4g}")
