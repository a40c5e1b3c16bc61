"""The command about policy files: explain one, compare two, bring one up to date."""

from typing import Annotated

import pandas as pd
import typer

from credit_lab import policy as policies
from credit_lab.commands import options

app = typer.Typer()


@app.command()
def policy(
    files: Annotated[list[str], typer.Argument(help="One policy file to explain, or two.")] = [],  # noqa: B006
    upgrade: Annotated[bool, typer.Option("--upgrade", help="Add what an old file lacks.")] = False,
    coverage: Annotated[bool, typer.Option("--coverage", help="Which engine reads which setting.")] = False,
    as_json: options.Json = False,
) -> None:
    """Explain one policy, or show what differs between two, or bring one up to date.

    With --coverage: which engine reads which setting; of two files, those that differ.

    Example: credit-lab policy data/policies/2025-baseline.toml data/policies/2025-tighter.toml

    Example: credit-lab policy --coverage
    """
    if len(files) > 2 or (upgrade and (len(files) > 1 or coverage)) or not (files or coverage):
        raise typer.BadParameter("give one policy file, or two to compare", param_hint="FILES")
    table = policies.upgrade(files[0]) if upgrade else _told(files, coverage)
    if as_json:
        options.dump(options.records(table))
        return
    if upgrade and table.empty:
        options.say(f"{files[0]} lacks nothing and was left as it is.")
        return
    options.say(_marks(table) if coverage else options.as_text(table, form="{:,.12g}".format))
    if upgrade:
        options.say(f"Written to {files[0]}; as it was before: {files[0]}.bak")


def _told(files: list[str], coverage: bool) -> pd.DataFrame:
    """What is asked about no, one or two policies."""
    rules = [policies.load(name) for name in files]
    if len(rules) == 1 and not coverage:
        return policies.describe(rules[0])
    from credit_lab.commands import engines  # imports every engine

    if not coverage:
        return engines.felt(*rules)
    table = engines.matrix()
    if len(rules) < 2:
        return table
    return table[table["setting"].isin(engines.places(*rules))]


def _marks(table: pd.DataFrame) -> str:
    """Settings down, engines across by number, their names above."""
    names = list(table.columns[1:])
    legend = [f"{number:2}  {name}" for number, name in enumerate(names, start=1)]
    wide = max([len("setting"), *map(len, table["setting"])])
    lines = ["setting".ljust(wide) + "".join(f"{number:3}" for number in range(1, len(names) + 1))]
    for row in table.itertuples(index=False):
        lines.append(row[0].ljust(wide) + "".join("  x" if one else "  ." for one in row[1:]))
    return "\n".join([*legend, "", *lines])
