"""Commands for what happens between delivery and cash: alerts, worklist, cash."""

from pathlib import Path
from typing import Annotated

import typer

from credit_lab import inputs, knowledge, when
from credit_lab import policy as policies
from credit_lab.commands import options, reports, tables

app = typer.Typer()

PolicyFile = Annotated[str, typer.Option("--policy", help="Policy file.")]
BASELINE = "data/policies/2025-baseline.toml"


@app.command()
def alerts(
    ledger: options.Ledger = "data/sample",
    policy: PolicyFile = BASELINE,
    as_of: options.AsOf = "",
    mapping: options.MappingFile = "",
    currency: options.Currency = "",
    rates: options.Rates = "",
    known_on: options.KnownOn = "",
    severity: Annotated[str, typer.Option(help="Only this severity: watch, act or stop.")] = "",
    out: tables.Out = None,
    as_json: options.Json = False,
) -> None:
    """Alerts that began in the month of a day, worst first, with what each rule was worth in the past.

    Example: credit-lab alerts --ledger data/sample --as-of 2025-12-31 --severity stop
    """
    from credit_lab.studies import collecting, collecting_text

    if severity not in ("", "watch", "act", "stop"):
        raise typer.BadParameter(f"{severity!r}: choose watch, act or stop", param_hint="--severity")
    book = inputs.open_ledger(ledger, mapping, currency, rates, known_on)
    day, notes = when.day(book, as_of)
    rules = inputs.open_policy(policy, book, rates)
    notes = [*knowledge.of(book, rules, day).lines(), *notes, *policies.money_note(rules)]
    seen = collecting.early_warning(book, rules, day)
    worth = seen.rules.set_index("rule")[["precision", "lead_median_days"]]
    rows = seen.now.join(worth, on="rule")
    rows = rows[rows["severity"] == severity] if severity else rows
    if out:
        tables.write(rows, out)
    if as_json:
        options.dump({"as_of": str(day.date()), "notes": notes, "alerts": options.records(rows),
                      "rules": options.records(seen.rules)})  # fmt: skip
        return
    options.say("\n".join(notes))
    columns = ["customer_id", "rule", "value", "threshold", "severity", "owner", "action", "precision"]
    options.say(options.as_text(rows[columns], book.currency) if len(rows) else "no alert began this month")
    options.say("\n".join(collecting_text.warning_headline(seen)))


@app.command()
def worklist(
    ledger: options.Ledger = "data/sample",
    policy: PolicyFile = BASELINE,
    as_of: options.AsOf = "",
    mapping: options.MappingFile = "",
    currency: options.Currency = "",
    rates: options.Rates = "",
    known_on: options.KnownOn = "",
    minutes: Annotated[float, typer.Option(min=1, help="Collectors' minutes of the day.")] = 480.0,
    letters: Annotated[Path | None, typer.Option(help="Folder for a DOCX letter to each contact chosen.")] = None,
    sender: Annotated[str, typer.Option(help="Of the letters: the firm that writes; needed for them.")] = "",
    lang: Annotated[str, typer.Option(help="Of the letters: en or zh (中文).")] = "en",
    out: tables.Out = None,
    as_json: options.Json = False,
) -> None:
    """Whom to contact next: the ladder's contacts by cash gained per minute, until the minutes are used up.

    Example: credit-lab worklist --ledger data/sample --as-of 2025-12-31 --minutes 240

    Example: credit-lab worklist --letters letters --sender "Example Ltd" --lang zh
    """
    from credit_lab.studies import collecting

    if letters and not sender.strip():
        raise typer.BadParameter("say who writes the letters", param_hint="--sender")
    if lang not in ("en", "zh"):
        raise typer.BadParameter(f"{lang!r}: choose en or zh", param_hint="--lang")
    book = inputs.open_ledger(ledger, mapping, currency, rates, known_on)
    day, notes = when.day(book, as_of)
    rules = inputs.open_policy(policy, book, rates)
    notes = [*knowledge.of(book, rules, day).lines(), *notes]
    desk = collecting.desk(book, rules, day, minutes=minutes)
    if out:
        tables.write(desk.rows, out)
    if letters:
        written = collecting.letters_to(desk, book, sender, lang)
        letters.mkdir(parents=True, exist_ok=True)
        for name, content in written.items():
            (letters / name).write_bytes(content)
        notes.append(f"{len(written)} letters in {letters}")
    if as_json:
        options.dump(
            {
                "as_of": str(day.date()),
                "notes": notes,
                "worklist": options.records(desk.rows),
                "orderings": options.records(desk.orderings),
                "sources": desk.sources,
                "waiting": desk.run.waiting["reason"].value_counts().to_dict(),
            }
        )
        return
    options.say("\n".join(notes))
    shown = desk.rows[desk.rows["chosen"]]
    columns = ["rank", "customer_id", "action", "minutes", "items", "open_amount", "oldest_days", "gain", "index"]
    nothing = "no contact brings more than it costs"
    options.say(options.as_text(shown[columns], book.currency) if len(shown) else nothing)
    options.say("\n".join(desk.sources))


@app.command()
def cash(
    context: typer.Context,
    ledger: options.Ledger = "data/sample",
    as_of: options.AsOf = "",
    mapping: options.MappingFile = "",
    currency: options.Currency = "",
    rates: options.Rates = "",
    known_on: options.KnownOn = "",
    weeks: Annotated[int, typer.Option(min=1, max=52, help="Weeks ahead.")] = 13,
    seed: Annotated[int, typer.Option(help="Of the simulation.")] = 1,
    out: Annotated[Path, typer.Option(help="Folder of reports; this one goes to OUT/cash.")] = Path("reports"),
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Cash per week and month with intervals, and how good such forecasts were.

    Example: credit-lab cash --ledger data/sample --as-of 2025-12-31 --weeks 8
    """

    reports.registry(out)
    options.one_state(context, ledger, mapping, out)
    book = inputs.open_ledger(ledger, mapping, currency, rates, known_on)
    day, notes = when.day(book, as_of)
    as_of = str(day.date())
    made = reports.make("51_cash_forecast",
        {"ledger": ledger, "mapping": mapping, "as_of": as_of, "weeks": weeks, "seed": seed, "currency": currency,
         "rates": rates, "known_on": known_on},
        out / "cash", title="Cash forecast", quiet=quiet or as_json,
    )  # fmt: skip
    reports.finish(made, as_json, "cash", book=book, as_of=as_of, notes=notes)
