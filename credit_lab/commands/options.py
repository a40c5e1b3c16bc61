"""Options that several commands share, and how results are printed."""

import io
import json
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from credit_lab import language, money, periods
from credit_lab.ledger import sharing, snapshot
from credit_lab.ledger.database import concealed

Ledger = Annotated[str, typer.Option(help="Folder, CSV/Parquet/XLSX file or database URL.", callback=concealed)]
MappingFile = Annotated[str, typer.Option("--mapping", help="Mapping file for a foreign export; see data/mappings.")]
Currency = Annotated[str, typer.Option(help="Report only this currency, or convert to it with --rates.")]
Rates = Annotated[str, typer.Option(help="Units of --currency per unit: 'CAD:0.75 EUR:1.1'.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
Pseudonymise = Annotated[str, typer.Option(help="Key file: ids and names become pseudonyms, for sharing.")]
MinCell = Annotated[int, typer.Option(help="For sharing: hide single customers, mask groups with fewer than so many.")]
MODELS = "data/models.jsonl"  # register of models
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bar.")]


def speak_anywhere() -> None:
    """Let no sign end a command: one that the console's encoding lacks is shown as its code, such as \\u4e2d.

    Processes started later inherit it.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    encoding = os.environ.get("PYTHONIOENCODING", "").partition(":")[0]
    os.environ["PYTHONIOENCODING"] = f"{encoding}:backslashreplace"


def _a_day(text: str, param: typer.CallbackParam) -> str:
    """A day as given, refused before anything is read if it is none; empty: the run finds its own."""
    if text:
        periods.parse_date(text, param.opts[0])
    return text


AsOf = Annotated[str, typer.Option(help="Last day known; default: the last day of the data.", callback=_a_day)]
KnownOn = Annotated[str, typer.Option(help="Leave out what was recorded after this day.", callback=_a_day)]


def say(text: str = "") -> None:
    """One line to standard output."""
    typer.echo(text)


def dump(value: Any) -> None:
    """A value as JSON to standard output, in an encoding without all signs by their codes."""
    plain = not (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    say(json.dumps(value, indent=2, ensure_ascii=plain, default=str))


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table for `dump`."""
    return json.loads(frame.to_json(orient="records", date_format="iso", force_ascii=False, double_precision=10))


# Columns of printed tables that hold money.
_MONEY = {"amount", "at_stake", "credit_limit", "gain", "old_limit", "open_amount"}


def as_text(frame: pd.DataFrame, currency: str = "", form: Callable[[float], str] = "{:,.2f}".format) -> str:
    """A table as plain text, words for codes, missing values empty.

    Parameters
    ----------
    frame : what is shown
    currency : of its amounts, which have the decimals of it; empty: that in the column `currency` of each row
    form : of other floats
    """
    names, columns = sharing.names_of(frame), list(map(str, frame))
    codes = list(frame.get("currency", pd.Series(currency, frame.index)).fillna(""))

    def told(value: Any, column: str, code: str) -> str:
        if isinstance(value, str):
            return sharing.words(value, column, columns, names)
        if pd.isna(value):
            return ""
        if isinstance(value, float):
            return money.text(value, code) if column in _MONEY else form(value)
        return str(value).removesuffix(" 00:00:00")

    shown = {
        at: [told(value, name, code) for value, code in zip(frame.iloc[:, at], codes, strict=True)]
        for at, name in enumerate(columns)
    }
    titles = list(map(language.title, columns))
    if frame.empty:
        return "  ".join(titles)
    with pd.option_context("display.unicode.east_asian_width", True):
        return pd.DataFrame(shown).to_string(index=False, header=titles)


def shared_as(key_file: str, min_cell: int) -> AbstractContextManager[None]:
    """How the reports made within are to be shared; see `ledger.sharing`."""
    return sharing.sharing(sharing.Sharing(key_file, sharing.least(min_cell)))


def one_state(context: typer.Context, ledger: str, mapping: str, out: Path) -> None:
    """Until the command ends, it and its notebooks read one state of the ledger; see `ledger.snapshot`."""
    context.with_resource(snapshot.taken(ledger, mapping, out))
