"""The command `runs`: what was run before, and what differs between two runs."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from credit_lab.commands import options
from credit_lab.publish import markup, registry
from credit_lab.summary import LIGHTS

app = typer.Typer()


@app.command()
def runs(
    numbers: Annotated[list[int], typer.Argument(help="One run to show, or two to compare; none: list all.")] = [],  # noqa: B006
    out: Annotated[Path, typer.Option(help="Folder of reports, which holds registry.sqlite.")] = Path("reports"),
    as_json: options.Json = False,
) -> None:
    """List the runs made so far, show one, or say what differs between two.

    Example: credit-lab runs

    Example: credit-lab runs 3 7 --json
    """
    if len(numbers) > 2:
        raise typer.BadParameter("give no run, one, or two", param_hint="NUMBERS")
    path = out / registry.NAME
    if not numbers:
        known = registry.runs(path)
        if as_json:
            options.dump([_plain(one) for one in known])
        else:
            options.say(options.as_text(_listed(known)) if known else f"no runs in {path} yet")
        return
    chosen = [registry.run(path, number) for number in numbers]
    if len(chosen) == 1:  # one run is what it differs in from an empty one
        chosen.insert(0, registry.Run("", "", "", 0.0))
    table = registry.compare(*chosen)
    if as_json:
        options.dump({"runs": [_plain(one) for one in chosen if one.number], "differences": options.records(table)})
        return
    a, b = chosen
    for one in (a, b):
        if one.number:
            options.say(f"run {one.number}: {one.command} as of {one.as_of or 'no day'}, ledger {one.ledger or 'none'}")
    if a.ledger != b.ledger and a.number:
        options.say("two different ledgers: figures differ for that reason alone")
    options.say(_text(table, alone=not a.number) if len(table) else "nothing differs")


def _listed(known: list[registry.Run]) -> pd.DataFrame:
    rows = [
        (
            one.number, one.started[:16].replace("T", " "), one.command, one.as_of or "-", one.ledger or "-",
            one.facts.get("ledger_digest", "-")[:8], _lights(one), f"{one.seconds:.0f} s", one.report,
        )
        for one in known
    ]  # fmt: skip
    columns = ["run", "started", "command", "as of", "ledger", "digest", "verdicts", "took", "report"]
    return pd.DataFrame(rows, columns=columns)


def _lights(one: registry.Run) -> str:
    """How many verdicts say what: "3 ok, 1 act"."""
    said = pd.Series([text.partition(":")[0] for text in one.verdicts.values()], dtype=object)
    counts = said[said.isin(LIGHTS)].value_counts()
    return ", ".join(f"{count} {light}" for light, count in counts.items()) or "-"


def _text(table: pd.DataFrame, *, alone: bool) -> str:
    shown = table.map(lambda value: markup.cell(value, "fine"))
    return options.as_text(shown[["part", "name", "b"]].rename(columns={"b": "value"}) if alone else shown)


def _plain(one: registry.Run) -> dict[str, object]:
    return {key: value for key, value in vars(replace(one)).items() if key != "forecasts"}
