"""Commands of model governance: the register of models, and the evidence for one decision."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pandas as pd
import typer

from credit_lab import inputs, periods, when
from credit_lab.commands import options, reports

if TYPE_CHECKING:
    from credit_lab.governance import Model

app = typer.Typer(help="Register of models: who made, validated, approved and retired them.", no_args_is_help=True)
evidence_app = typer.Typer()

File = Annotated[Path, typer.Option("--register", help="File of the register; begun by the first entry.")]
Id = Annotated[str, typer.Argument(help="Beginning of the model's id, see `models list`.")]
PATH = Path(options.MODELS)


def _today() -> pd.Timestamp:
    return pd.Timestamp.today().normalize()


def _done(model: "Model", as_json: bool) -> None:
    if as_json:
        options.dump(asdict(model))
    else:
        options.say(f"{model.id} {model.kind} {model.name}: {model.state}")


@app.command("list")
def list_(register: File = PATH, as_json: options.Json = False) -> None:
    """All models with state, author, approver, validation and expiry.

    Example: credit-lab models list
    """
    from credit_lab import governance

    found = governance.Register.read(register)
    if as_json:
        options.dump({"head": found.head, "models": [asdict(model) for model in found.models.values()]})
        return
    rows = [
        (
            m.id, m.kind, m.name, m.use, "expired" if m.expired(_today()) else m.state, m.author, m.approver or "-",
            m.validation.result if m.validation else "-", m.expires_on or "-",
        )
        for m in found.models.values()
    ]  # fmt: skip
    columns = ["id", "kind", "name", "use", "state", "author", "approver", "validation", "expires"]
    options.say(options.as_text(pd.DataFrame(rows, columns=columns)) if rows else f"no models in {register} yet")


@app.command()
def show(model: Id, register: File = PATH, as_json: options.Json = False) -> None:
    """One model and all that was done with it.

    Example: credit-lab models show 3f2a
    """
    from credit_lab import governance

    known = governance.Register.read(register)
    found = known.find(model)
    trail = known.trail(found)
    if as_json:
        options.dump({**asdict(found), "trail": options.records(trail)})
        return
    options.say(
        "\n".join(f"{name:<12} {value or '-'}" for name, value in asdict(found).items() if name != "validation")
    )
    options.say("\n" + options.as_text(trail))


@app.command("register")
def register_(
    model: Annotated[str, typer.Argument(help="Policy file, card.json, or payment-time.")],
    author: Annotated[str, typer.Option(help="Who made it.")],
    start: Annotated[str, typer.Option(help="First day of the data it was made from.")] = "",
    end: Annotated[str, typer.Option(help="Last day of the data it was made from.")] = "",
    use: Annotated[str, typer.Option(help="What it is for; there is one champion per kind and use.")] = "all",
    register: File = PATH,
    as_json: options.Json = False,
) -> None:
    """Enter a model as a draft under the digest of its content.

    Example: credit-lab models register reports/scorecard/card.json --author "Li Na" --start 2023-01-01 --end 2025-06-30
    """
    from credit_lab import governance
    from credit_lab.studies import governed

    days = [str(periods.parse_date(text, name).date()) if text else "" for text, name in ((start, "--start"),
                                                                                          (end, "--end"))]  # fmt: skip
    identity = governed.identified(model)
    _done(
        governance.enter(register, identity, author=author, on=_today(), start=days[0], end=days[1], use=use),
        as_json,
    )


@app.command()
def validate(
    model: Id,
    report: Annotated[Path, typer.Option(help="Folder of a report that judged this model (its run.json names it).")],
    by: Annotated[str, typer.Option(help="Who judged it; not its author.")],
    result: Annotated[str, typer.Option(help="passed or failed.")],
    register: File = PATH,
    as_json: options.Json = False,
) -> None:
    """Record a validation. A champion that fails one is a draft again.

    Example: credit-lab models validate 3f2a --report reports/validation --by "Wang Wei" --result passed
    """
    from credit_lab import governance

    _done(governance.validate(register, model, result=result, report=report, by=by, on=_today()), as_json)


@app.command()
def approve(
    model: Id,
    approver: Annotated[str, typer.Option(help="Who approves it; not its author.")],
    state: Annotated[str, typer.Option("--as", help="champion or challenger.")] = "champion",
    expires: Annotated[str, typer.Option(help="Last day it may be used; default: a year from today.")] = "",
    register: File = PATH,
    as_json: options.Json = False,
) -> None:
    """Approve a model; the champion before it in the same use is retired.

    Example: credit-lab models approve 3f2a --approver "Zhao Min" --expires 2026-12-31
    """
    from credit_lab import governance

    last = str(periods.parse_date(expires, "--expires").date()) if expires else ""
    made = governance.approve(register, model, approver=approver, on=_today(), state=state, expires_on=last)
    _done(made, as_json)


@app.command()
def retire(
    model: Id,
    by: Annotated[str, typer.Option(help="Who retires it.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    register: File = PATH,
    as_json: options.Json = False,
) -> None:
    """Take a model out of use for good.

    Example: credit-lab models retire 3f2a --by "Zhao Min" --reason "calibration drifted"
    """
    from credit_lab import governance

    _done(governance.retire(register, model, by=by, on=_today(), reason=reason), as_json)


@evidence_app.command()
def evidence(
    customer: Annotated[str, typer.Option(help="Whose limit.")],
    as_of: options.AsOf = "",
    ledger: options.Ledger = "data/sample",
    policy: Annotated[str, typer.Option(help="Policy file the decision was made under.")] = (
        "data/policies/2025-baseline.toml"
    ),
    mapping: options.MappingFile = "",
    currency: options.Currency = "",
    rates: options.Rates = "",
    known_on: options.KnownOn = "",
    card: Annotated[str, typer.Option(help="card.json of `score fit`; adds its points.")] = "",
    models: Annotated[str, typer.Option(help="Register of models.")] = options.MODELS,
    out: Annotated[str, typer.Option(help="File, .html or .json; default: reports/evidence/....html.")] = "",
    as_json: options.Json = False,
) -> None:
    """Why was this customer given this limit on that day? Everything behind one decision as one file.

    Example: credit-lab evidence --customer C-0172 --as-of 2025-06-30
    """
    from credit_lab.studies import evidence as evidences

    book = inputs.open_ledger(ledger, mapping, currency, rates, known_on)
    rules = inputs.open_policy(policy, book, rates)
    day, notes = when.day(book, as_of)
    made = evidences.evidence(book, rules, customer, day, card=card, models=models)
    if as_json and not out:
        options.say(made.to_json())
        return
    path = reports.evidence(made, out)
    if as_json:
        options.dump({"out": str(path), "digest": made.digest, "notes": notes, "lines": made.lines})
    else:
        options.say("\n".join((*notes, *made.lines, f"evidence: {path} (digest {made.digest[:12]})")))
