"""The command about policy files: explain one, compare two, bring one up to date."""

from typing import Annotated

import typer

from credit_lab import policy as policies
from credit_lab.commands import options

app = typer.Typer()


@app.command()
def policy(
    files: Annotated[list[str], typer.Argument(help="One policy file to explain, or two.")],
    upgrade: Annotated[bool, typer.Option("--upgrade", help="Add what an old file lacks.")] = False,
    as_json: options.Json = False,
) -> None:
    """Explain one policy, or show what differs between two, or bring one up to date.

    Example: credit-lab policy data/policies/2025-baseline.toml data/policies/2025-tighter.toml
    """
    if len(files) > 2 or (upgrade and len(files) > 1):
        raise typer.BadParameter("give one policy file, or two to compare", param_hint="FILES")
    if upgrade:
        table = policies.upgrade(files[0])
    elif len(files) == 1:
        table = policies.describe(policies.load(files[0]))
    else:
        table = policies.diff(*map(policies.load, files))
    if as_json:
        options.dump(options.records(table))
        return
    if upgrade and table.empty:
        options.say(f"{files[0]} lacks nothing and was left as it is.")
        return
    options.say(options.as_text(table, "{:g}".format))
    if upgrade:
        options.say(f"Written to {files[0]}; as it was before: {files[0]}.bak")
