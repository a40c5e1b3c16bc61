"""Commands of the workbench itself: open it, serve a notebook as a page, list the notebooks, begin a new one."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from credit_lab import workbench
from credit_lab.commands import options, reports
from credit_lab.errors import ReportError

app = typer.Typer()
START = "00_start"
TEMPLATES = Path(__file__).parent / "templates"
TEMPLATE, PAGES = TEMPLATES / "new_notebook.ipynb", TEMPLATES / "jupyter"


@app.command()
def lab(
    page: Annotated[str, typer.Option(help="Serve this notebook as a page without code, such as 90.")] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine; 0: a free one.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser.")] = True,
) -> None:
    """Open JupyterLab on the start page, or one notebook as a page (Voila) for people who do not read code.

    Example: credit-lab lab --page 90
    """
    start = workbench.notebook(START)
    folder = start.resolve().parent.parent
    extra = ([f"--port={port}"] if port else []) + ([] if browser else ["--no-browser"])
    words = [sys.executable, "-m", "jupyter", "lab", f"--notebook-dir={folder}", *extra, str(start.resolve())]
    here = dict(os.environ)
    if page:
        chosen = workbench.notebook(page).resolve()
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

    folder = workbench.notebook(START).parent
    paths = [workbench.notebook(only)] if only else sorted(folder.glob("*.ipynb"))
    found = {path.stem: reports.parameters_of(path) for path in paths}
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


@app.command()
def start(
    folder: Annotated[Path, typer.Argument(help="Folder to make; it must be new or empty.")],
) -> None:
    """Make a workbench: the notebooks, policies, mappings and the sample ledger, copied to a folder of your own.

    Example: credit-lab start my_lab
    """
    source = workbench.bundled()
    if source is None:
        raise ReportError("the notebooks did not come with this installation; install the wheel or a checkout")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ReportError(f"{folder} is there already and not empty; choose another name")
    whole = folder.resolve()  # "." has no name
    aside = whole.with_name(f".{whole.name}-unfinished")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        for part in ("notebooks", "data"):
            shutil.copytree(source / part, aside / part, ignore=shutil.ignore_patterns(".*", "models.jsonl"))
        if folder.exists():  # it stays, as somebody may stand in it
            for made in aside.iterdir():
                made.rename(whole / made.name)
        else:
            aside.rename(whole)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    options.say(f"{folder}: a workbench; go on with: cd {folder} && credit-lab review")


@app.command("new-notebook")
def new_notebook(
    name: Annotated[str, typer.Argument(help="Two digits and a subject, such as 53_my_customers.")],
) -> None:
    """Make a thin notebook: typed and explained parameters, one call, prose.

    Example: credit-lab new-notebook 53_my_customers
    """
    stem = name.removesuffix(".ipynb")
    if not re.fullmatch(r"[0-9]{2}_[a-z0-9_]+", stem):
        raise ReportError(f"notebook name {name!r}: two digits and a subject in small letters, such as 53_my_customers")
    path = workbench.notebook(START).parent / f"{stem}.ipynb"
    try:
        with path.open("x", encoding="utf-8") as file:  # never over what is there
            file.write(TEMPLATE.read_text(encoding="utf-8").replace("TITLE", stem[3:].replace("_", " ").capitalize()))
    except FileExistsError:
        raise ReportError(f"{path} exists already; choose another name") from None
    options.say(f"{path}: open it with `credit-lab lab`; `credit-lab notebooks {stem}` lists its parameters")


def title_of(path: Path) -> str:
    """First heading of a notebook, or the title its `show.heading` gives; else its name in words."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    for cell in cells:
        text = "".join(cell["source"])
        pattern = r"^# (.+)$" if cell["cell_type"] == "markdown" else r'show\.heading\(\s*f?"([^"{]+)'
        found = re.search(pattern, text, re.MULTILINE)
        if found:
            return found[1].strip()
    return path.stem[3:].replace("_", " ").capitalize()
