"""The command line: the same runs as the notebooks, from a shell.

Exit code 0: done; 1: refused input or a finding; 2: wrong usage. Every command has --help with an example.
"""

import re
import sys
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from credit_lab import inputs, periods, spreadsheet, summary, when, workbench
from credit_lab import ledger as ledgers
from credit_lab.commands import (
    collect,
    evaluate,
    grant,
    lab,
    models,
    options,
    policy_file,
    reports,
    runs,
    score,
    twin,
)
from credit_lab.commands import pack as packs
from credit_lab.errors import CreditLabError
from credit_lab.ledger import quarantine, reconcile

app = typer.Typer(
    help="Research workbench for business-to-business trade credit.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(score.app, name="score")
app.add_typer(collect.app)
app.add_typer(grant.app)
app.add_typer(twin.app)
app.add_typer(evaluate.app)
app.add_typer(runs.app)
app.add_typer(models.app, name="models")
app.add_typer(models.evidence_app)
app.add_typer(lab.app)
app.add_typer(policy_file.app)

# What an error says when something that is bundled was looked for in vain.
_PLACES = re.compile(r"data/\S+ does not exist|no folder notebooks|run from the project's folder")
_UNTOUCHED = "an earlier report is untouched"


@app.command()
def sample(
    out: Annotated[Path, typer.Option(help="Folder for the ledger; its truth goes to OUT/truth.")] = Path(
        "data/sample"
    ),
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 1,
    customers: Annotated[int, typer.Option(min=10, help="Number of customers.")] = 300,
    months: Annotated[int, typer.Option(min=6, max=240, help="Months of data.")] = 36,
    invoices: Annotated[int, typer.Option(min=0, help="About so many invoices instead of a number of customers.")] = 0,
    no_effect: Annotated[bool, typer.Option("--no-effect", help="The policy change changes nothing.")] = False,
    form: Annotated[str, typer.Option("--format", help="csv or parquet.")] = "csv",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    as_json: options.Json = False,
) -> None:
    """Make a synthetic ledger with known truth.

    Example: credit-lab sample --out /tmp/firm --seed 7 --invoices 100000 --format parquet
    """
    from credit_lab import synthetic

    if form not in ("csv", "parquet"):
        raise typer.BadParameter(f"{form!r}: choose csv or parquet", param_hint="--format")
    change = synthetic.Change.none() if no_effect else synthetic.Change()
    firm = synthetic.Firm(customers=customers, months=months, invoices=invoices or None, change=change)
    made = synthetic.generate(firm, seed)
    ledgers.write(made.tables, out, format=form, overwrite=overwrite)  # type: ignore[arg-type]
    ledgers.write(made.truth, out / "truth", overwrite=True)
    register = out / "register" / "public_register.csv"
    register.parent.mkdir(exist_ok=True)
    spreadsheet.write_csv(synthetic.register_export(made.tables["facts"]), register)
    counts = {name: len(frame) for name, frame in made.tables.items()}
    if as_json:
        options.dump({"out": str(out), "seed": seed, "rows": counts})
    else:
        options.say(f"{out}: " + ", ".join(f"{count:,} {name}" for name, count in counts.items()))


@app.command()
def check(
    ledger: options.Ledger = "data/sample",
    mapping: options.MappingFile = "",
    as_of: options.AsOf = "",
    currency: options.Currency = "",
    rates: options.Rates = "",
    known_on: options.KnownOn = "",
    as_json: options.Json = False,
) -> None:
    """Say what a ledger can carry, what was held back, and whether it reconciles.

    Exit code 1 when the control account differs, or ages are not known.

    Example: credit-lab check --ledger export.csv --mapping data/mappings/ibm_ar.toml --as-of 2012-12-31 --json
    """
    from credit_lab import aging, knowledge, kpi

    book = inputs.read_ledger(ledger, mapping, known_on)
    chosen = [book.reporting(currency, inputs.rates_from(rates))] if currency or rates else _per_currency(book)
    found = []
    for one in chosen:
        last, notes = when.day(one, as_of)
        told, items = knowledge.of(one, as_of=last), aging.open_items(one, last)
        figures, why = kpi.measured(one, kpi.monthly(one, last))
        table = aging.bucket_table(items, one.currency) if told.ages else None
        found.append((one.currency, last, notes, told, table, figures, why))
    control = reconcile.against_control(book)
    apart = ["the control account differs"] if (control["difference"] != 0).any() else []
    failed = apart + [f"{told.blind} ({code})" for code, _, _, told, *_ in found if told.blind]
    if as_json:
        options.dump(
            {
                "ledger": book.source,
                "digest": book.digest(),
                "knowledge": {code: told.rows() for code, _, _, told, *_ in found},
                "failed": failed,
                "tables": {name: len(frame) for name, frame in book.tables.items()},
                "accounting": options.records(book.accounting),
                "quarantine": quarantine.describe(book.quarantine),
                "control": options.records(control),
                "reconciles": ": ".join(reconcile.light(control)),
                "currencies": {
                    code: {
                        "as_of": str(last.date()),
                        "notes": notes,
                        "aging": None if table is None else options.records(table),
                        "kpis": {name: None if name in why else value for name, value in figures.items()},
                        "not_measured": why | ({"aging": told.blind} if told.blind else {}),
                    }
                    for code, last, notes, told, table, figures, why in found
                },
            }
        )
    else:
        _check_text(book, found, control)
        options.say("\n".join(f"Failed: {reason}." for reason in failed))
    if failed:
        raise typer.Exit(1)


def _per_currency(book: ledgers.Ledger) -> list[ledgers.Ledger]:
    return [book.only_currency(code) for code in book.currencies]


def _check_text(book: ledgers.Ledger, found: list[Any], control: pd.DataFrame) -> None:
    for code, last, _, told, *_ in found:
        options.say(f"What this ledger can carry at {last.date()}, {code}")
        options.say(options.as_text(told.table[["capability", "state", "share", "found"]]))
        lacking = told.table[told.table["bring"] != ""]
        rests = [f"{row.state}: {row.consequence}; bring {row.bring}" for row in lacking.itertuples()]
        options.say("\n".join([*rests, ""]))
    options.say(f"{book.source}: " + ", ".join(f"{len(frame):,} {name}" for name, frame in book.tables.items()))
    options.say("\nWhat became of the rows read")
    options.say(options.as_text(book.accounting))
    if len(book.quarantine):
        options.say("\n" + "\n".join(quarantine.describe(book.quarantine)))
    for code, last, notes, told, table, figures, why in found:
        options.say("\n".join(["", *notes]))
        options.say(f"Aging of open items at {last.date()}, {code}")
        share = None if table is None else table.assign(share=table["share"] * 100)
        options.say(told.blind if share is None else options.as_text(share, code))
        options.say(
            "\n".join(
                f"  {name:<22} " + (f"not measured: {why[name]}" if name in why else f"{value:,.4g}")
                for name, value in figures.items()
            )
        )
    light, reason = reconcile.light(control)
    said = {summary.OK: "agrees to the cent", summary.STOP: reason.replace("difference", "differs by up to")}
    dates = f"{len(control)} dates, " if len(control) else ""
    options.say(f"\nControl account: {dates}{said.get(light, f'{light}: {reason}')}")


@app.command()
def review(
    context: typer.Context,
    ledger: options.Ledger = "data/sample",
    policy: Annotated[str, typer.Option(help="Policy file.")] = "data/policies/2025-baseline.toml",
    period: Annotated[
        str, typer.Option(help="Quarter 2025Q4, month 2025-11 or year 2025; default: last whole quarter.")
    ] = "",
    mapping: options.MappingFile = "",
    currency: options.Currency = "",
    rates: options.Rates = "",
    known_on: options.KnownOn = "",
    card: Annotated[str, typer.Option(help="card.json of `score fit`; adds grades and expected default.")] = "",
    pack: Annotated[str, typer.Option(help="full: all steps in one document, in OUT/PERIOD-pack.")] = "",
    formats: Annotated[str, typer.Option("--format", help="Of html,pdf,pptx,xlsx, with commas.")] = "html",
    other: Annotated[
        str, typer.Option(help="Of the pack: policy to compare with.")
    ] = "data/policies/2025-tighter.toml",
    policy_date: Annotated[str, typer.Option(help="Of the pack: first day under the policy; default: its own.")] = "",
    resume: Annotated[bool, typer.Option("--resume", help="Of the pack: go on where a run was stopped.")] = False,
    models: Annotated[str, typer.Option(help="Register of models, see `models`.")] = options.MODELS,
    pseudonymise: options.Pseudonymise = "",
    min_cell: options.MinCell = 0,
    lang: Annotated[str, typer.Option(help="Language of the report: en or zh (中文).")] = "en",
    out: Annotated[Path, typer.Option(help="Folder of reports; this one goes to OUT/PERIOD.")] = Path("reports"),
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Quarterly credit-policy review: executed notebook, HTML, tables, run.json; or a pack of all steps.

    Example: credit-lab review --ledger data/sample --policy data/policies/2025-baseline.toml --period 2025Q4

    Example: credit-lab review --pack full --format html,pdf,pptx,xlsx --lang zh
    """
    from credit_lab import language, studies
    from credit_lab import policy as policies
    from credit_lab.studies import governed

    language.use(lang)
    if pack not in ("", "full"):
        raise typer.BadParameter(f"{pack!r}: full is the only one", param_hint="--pack")
    with options.shared_as(pseudonymise, min_cell):
        if period:
            periods.parse_period(period)
        policies.load(policy)  # before the ledger, which takes longer
        options.one_state(context, ledger, mapping, out)
        book = inputs.open_ledger(ledger, mapping, currency, rates, known_on)
        rules = inputs.open_policy(policy, book, rates)
        period, notes = when.period(book, period)
        studies.review.require_period(book, period)
        parameters = {
            "ledger": ledger,
            "mapping": mapping,
            "policy": policy,
            "period": period,
            "card": card,
            "models": models,
        }
        parameters |= {"currency": currency, "rates": rates, "known_on": known_on}
        parameters["registry"], wanted = str(reports.registry(out)), packs.named(formats)
        if pack:
            packs.full(
                book, rules, {**parameters, "other": other, "policy_date": policy_date}, out,
                formats=formats, resume=resume, quiet=quiet, as_json=as_json,
            )  # fmt: skip
            return
        title, end = f"Credit-policy review {period}", periods.parse_period(period).end
        made = reports.make(
            "80_quarterly_review",
            parameters,
            out / period,
            title=title,
            also=packs.beside(wanted, title, packs.cover(book, rules, end), "80_quarterly_review"),
            facts={
                "ledger_digest": book.digest(),
                "policy_digest": policies.digest(rules),
                **governed.facts(models, rules, card),
            },
            quiet=quiet or as_json,
        )
        reports.finish(made, as_json, "review", book=book, as_of=str(end.date()), notes=notes)


@app.command()
def backtest(
    context: typer.Context,
    ledger: options.Ledger = "data/sample",
    policy: Annotated[list[str], typer.Option(help="Policy file; give it twice, champion first.")] = [],  # noqa: B006
    mapping: options.MappingFile = "",
    currency: options.Currency = "",
    rates: options.Rates = "",
    known_on: options.KnownOn = "",
    start: Annotated[str, typer.Option(help="First day; default: after seven months of data.")] = "",
    end: Annotated[str, typer.Option(help="Last day, a month end; default: last whole month.")] = "",
    pseudonymise: options.Pseudonymise = "",
    min_cell: options.MinCell = 0,
    out: Annotated[Path, typer.Option(help="Folder of reports; this one goes to OUT/backtest.")] = Path("reports"),
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Replay two policies month by month on a ledger; each sees only the past.

    Example: credit-lab backtest --policy data/policies/2025-baseline.toml --policy data/policies/2025-tighter.toml
    """
    from credit_lab import policy as policies
    from credit_lab.backtest import replaying
    from credit_lab.rules import coverage
    from credit_lab.studies import replay_text

    names = policy or ["data/policies/2025-baseline.toml", "data/policies/2025-tighter.toml"]
    if len(names) != 2:
        raise typer.BadParameter("give exactly two policies, champion first", param_hint="--policy")
    for day, option in ((start, "--start"), (end, "--end")):
        if day:
            periods.parse_date(day, option)
    with options.shared_as(pseudonymise, min_cell):
        for name in names:  # before the ledger, which takes longer
            policies.load(name)
        options.one_state(context, ledger, mapping, out)
        book = inputs.open_ledger(ledger, mapping, currency, rates, known_on)
        rules = [inputs.open_policy(name, book, rates, granting=True) for name in names]
        last, notes = when.day(book, end, whole_months=True)
        reports.registry(out)
        parameters = {"ledger": ledger, "mapping": mapping, "policy_a": names[0], "policy_b": names[1]}
        made = reports.make(
            "70_policy_backtest",
            {
                **parameters,
                "currency": currency,
                "rates": rates,
                "known_on": known_on,
                "start": start,
                "end": str(last.date()),
            },
            out / "backtest",
            title="Policy backtest",
            facts={"ledger_digest": book.digest(), "policy_digests": [policies.digest(rule) for rule in rules]},
            quiet=quiet or as_json,
        )
        differing = coverage.differences(rules[0], rules[1], replaying.READS)
        alike = replay_text.blind(differing, *(rule.meta.id for rule in rules))
        notes = [*notes, *alike, *replay_text.not_replayed(differing)]
        reports.finish(made, as_json, "backtest", book=book, as_of=str(last.date()), notes=notes)


@app.command()
def claim(
    context: typer.Context,
    ledger: options.Ledger = "data/sample",
    claims: Annotated[str, typer.Option(help="Claims file.")] = "data/claims/process_guide.toml",
    policy_date: Annotated[str, typer.Option(help="First day under the policy.")] = "2025-01-01",
    mapping: options.MappingFile = "",
    currency: options.Currency = "",
    rates: options.Rates = "",
    known_on: options.KnownOn = "",
    start: Annotated[str, typer.Option(help="First month end used; default: after four months of data.")] = "",
    end: Annotated[str, typer.Option(help="Last month end used; default: last whole month.")] = "",
    policy: Annotated[str, typer.Option(help="Rules in force before the policy date, for simulated histories.")] = (
        "data/policies/2025-baseline.toml"
    ),
    registration: Annotated[str, typer.Option(help="Pre-registration file (TOML); each report is counted.")] = "",
    seed: Annotated[int, typer.Option(help="Of the simulated histories without a policy.")] = 1,
    out: Annotated[Path, typer.Option(help="Folder of reports; this one goes to OUT/claim.")] = Path("reports"),
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Test claimed effects of a policy: supported, not distinguishable or contradicted, and by how much chance.

    Example: credit-lab claim --policy-date 2025-01-01 --claims data/claims/process_guide.toml
    """
    from credit_lab import policy as policies
    from credit_lab.backtest import registration as registrations
    from credit_lab.backtest.claims import load_claims

    for text, option in ((policy_date, "--policy-date"), (start, "--start"), (end, "--end")):
        if text:
            periods.parse_date(text, option)
    load_claims(claims)
    policies.load(policy)
    if registration:
        registrations.load(registration)
    options.one_state(context, ledger, mapping, out)
    book = inputs.open_ledger(ledger, mapping, currency, rates, known_on)
    last, notes = when.day(book, end, whole_months=True)
    reports.registry(out)
    parameters = {"ledger": ledger, "mapping": mapping, "claims": claims, "policy_date": policy_date, "seed": seed}
    parameters |= {"policy": policy, "registration": registration}
    made = reports.make(
        "71_claim_test",
        {
            **parameters,
            "currency": currency,
            "rates": rates,
            "known_on": known_on,
            "start": start,
            "end": str(last.date()),
        },
        out / "claim",
        title="Claim test",
        facts={"ledger_digest": book.digest()},
        quiet=quiet or as_json,
    )
    reports.finish(made, as_json, "claim", book=book, as_of=str(last.date()), notes=notes)


def main() -> None:
    """Run the command line; refused input ends with its message and exit code 1."""
    options.speak_anywhere()
    try:
        app()
    except CreditLabError as error:
        stop = f"{error}{workbench.way_out() if _PLACES.search(str(error)) else ''}"
    except MemoryError as error:
        stop = f"memory is short ({error or 'no more was given'}); free some, or take a shorter ledger; {_UNTOUCHED}"
    except RuntimeError as error:
        if "can't start new thread" not in str(error):
            raise
        stop = f"memory is short ({error}); free some, or take a shorter ledger; {_UNTOUCHED}"
    except OSError as error:  # a full disk, a folder that cannot be written
        place = f"{error.filename}: " if error.filename else ""
        stop = f"{place}{error.strerror or error}; make room or choose another place; {_UNTOUCHED}"
    else:
        return
    typer.echo(f"credit-lab: {stop}", err=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
