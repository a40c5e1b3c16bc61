"""Commands of the workbench itself: open it, serve a notebook as a page, list the notebooks, begin a new one."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from credit_lab.commands import options
from credit_lab.errors import ReportError
from credit_lab.report import inputs

app = typer.Typer()
START = "00_start"
PAGES = Path(inputs.__file__).parent / "templates" / "jupyter"


@app.command()
def lab(
    page: Annotated[str, typer.Option(help="Serve this notebook as a page without code, such as 90.")] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine; 0: a free one.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser.")] = True,
) -> None:
    """Open JupyterLab on the start page, or one notebook as a page (Voila) for people who do not read code.

    Example: credit-lab lab --page 90
    """
    start = inputs.notebook(START)
    folder = start.resolve().parent.parent
    extra = ([f"--port={port}"] if port else []) + ([] if browser else ["--no-browser"])
    words = [sys.executable, "-m", "jupyter", "lab", f"--notebook-dir={folder}", *extra, str(start.resolve())]
    here = dict(os.environ)
    if page:
        chosen = inputs.notebook(page).resolve()
        words = [sys.executable, "-m", "voila", str(chosen), "--template=workbench", *extra]
        here["JUPYTER_PATH"] = os.pathsep.join(filter(None, [str(PAGES), here.get("JUPYTER_PATH", "")]))
    try:
        code = subprocess.call(words, cwd=folder, env=here)
    except KeyboardInterrupt:  # the server has had the same signal and ends by itself
        code = 0
    raise typer.Exit(code)


@app.command()
def notebooks(
    only: Annotated[str, typer.Argument(help="Name or beginning of one notebook, such as 80; empty: all.")] = "",
    as_json: options.Json = False,
) -> None:
    """List the notebooks: what each is for, and its parameters with type, default and help.

    Example: credit-lab notebooks 80
    """
    from credit_lab import report

    folder = inputs.notebook(START).parent
    paths = [inputs.notebook(only)] if only else sorted(folder.glob("*.ipynb"))
    found = {path.stem: report.parameters_of(path) for path in paths}
    if as_json:
        options.dump(found)
        return
    for path in paths:
        title = title_of(path)
        options.say(f"{path.stem}{f'  {title}' if title else ''}")
        parameters = found[path.stem]
        wide = [max((len(item[part]) for item in parameters.values()), default=0) for part in ("type", "default")]
        longest = max(map(len, parameters), default=0)
        for key, item in parameters.items():
            options.say(f"  {key:<{longest}}  {item['type']:<{wide[0]}}  {item['default']:<{wide[1]}}  {item['help']}")
        options.say()


@app.command("new-notebook")
def new_notebook(
    name: Annotated[str, typer.Argument(help="Two digits and a subject, such as 53_my_customers.")],
) -> None:
    """Make a thin notebook: typed and explained parameters, one call, prose.

    Example: credit-lab new-notebook 53_my_customers
    """
    stem = name.removesuffix(".ipynb")
    if not re.fullmatch(r"\d\d_[a-z0-9_]+", stem):
        raise ReportError(f"notebook name {name!r}: two digits for its place and a subject in small letters, 53_my_name")
    path = inputs.notebook(START).parent / f"{stem}.ipynb"
    try:
        with path.open("x", encoding="utf-8") as file:  # never over what is there
            json.dump(thin(stem[3:].replace("_", " ").capitalize()), file, ensure_ascii=False, indent=1)
            file.write("\n")
    except FileExistsError:
        raise ReportError(f"{path} exists already; choose another name") from None
    options.say(f"{path}: open it with `credit-lab lab`; `credit-lab notebooks {stem}` lists its parameters")


def title_of(path: Path) -> str:
    """First heading of a notebook, or the title its first `show.heading` gives; empty without one."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    for cell in cells:
        text = "".join(cell["source"])
        pattern = r"^# (.+)$" if cell["cell_type"] == "markdown" else r'show\.heading\(\s*f?"([^"{]+)"'
        found = re.search(pattern, text, re.MULTILINE)
        if found:
            return found[1].strip()
    return ""


def thin(title: str) -> dict[str, object]:
    """A notebook in the shape of the house, that runs as it is."""
    parameters = (
        'ledger: str = "data/sample"  # folder, CSV/Parquet/XLSX file or database URL\n'
        'mapping: str = ""  # mapping file for a foreign export; empty: own column names\n'
        'as_of: str = "2025-12-31"  # last day known\n'
        'currency: str = ""  # report only this currency, or convert to it with rates\n'
        'rates: str = ""  # units of currency per unit, as in CAD:0.75 EUR:1.1\n'
        'out: str = ""  # folder for tables; empty: nothing is saved'
    )
    first = (
        "from pathlib import Path\n\n"
        "from credit_lab import aging, periods\n"
        "from credit_lab.report import inputs, show\n\n"
        "inputs.at_home()\n"
        "book = inputs.open_ledger(ledger, mapping, currency, rates)\n"
        'day = periods.parse_date(as_of, "as_of")\n'
        "table = aging.bucket_table(aging.open_items(book, day), book.currency)\n"
        f'show.heading("{title}", f"{{book.source}} · as of {{day.date()}} · {{book.currency}}")'
    )
    table = 'show.table(table, "Open items by days past due")'
    save = 'if out:\n    show.save({"aging": table}, Path(out) / "tables")'
    why = "What is asked, and who decides by the answer. One sentence, one call, one sentence; a loop belongs in the package."
    cells = [("parameters", parameters), ("", first), ("markdown", why), ("", table),
             ("markdown", "## How to read it\nWhat the numbers mean, what they do not say, and their sources."), ("", save)]  # fmt: skip
    made = [
        {"cell_type": "markdown", "id": str(i), "metadata": {}, "source": text}
        if kind == "markdown"
        else {"cell_type": "code", "execution_count": None, "id": str(i), "outputs": [], "source": text,
              "metadata": {"tags": [kind]} if kind else {}}
        for i, (kind, text) in enumerate(cells)
    ]  # fmt: skip
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    return {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
