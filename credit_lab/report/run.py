"""Run a notebook unattended and leave a report: executed notebook, self-contained HTML, tables, run.json.

Everything is written aside and renamed into place when it is whole, so a reader never sees half a report. The only
module that knows papermill.
"""

import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from credit_lab import __version__
from credit_lab.errors import ReportError, nearest

_PACKAGES = ("pandas", "numpy", "scipy", "statsmodels", "matplotlib", "papermill", "nbconvert")
_VERDICTS = "verdicts.json"


@dataclass(frozen=True)
class Report:
    """Where a finished report is, and what run.json says."""

    folder: Path
    html: Path
    run: dict[str, Any]


def parameters_of(notebook: str | Path) -> dict[str, dict[str, str]]:
    """Parameters of a notebook: name → type, default, help (the comment behind it).

    Raises
    ------
    ReportError
        The notebook does not exist or has no cell tagged `parameters`: it would run on its own defaults.
    """
    import papermill

    path = Path(notebook)
    if not path.is_file():
        raise ReportError(f"notebook {path} does not exist; `credit-lab notebooks` lists those there are")
    found = papermill.inspect_notebook(str(path))
    if not found:
        raise ReportError(f"notebook {path} has no cell tagged 'parameters'; tag its first code cell")
    return {
        name: {"type": item["inferred_type_name"], "default": item["default"], "help": item["help"]}
        for name, item in found.items()
    }


def run(
    notebook: str | Path,
    parameters: Mapping[str, Any],
    out: str | Path,
    *,
    title: str,
    facts: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> Report:
    """Execute `notebook` with `parameters` and leave the report in the folder `out`.

    The notebook gets one parameter more, `out`: the folder to save its tables in. It may leave a file `verdicts.json`
    there, which goes into run.json.

    Parameters
    ----------
    parameters : texts, numbers, booleans, or lists of them; names the notebook does not know are refused
    out : folder of the report; an earlier report there is replaced when the new one is whole
    facts : further entries of run.json (hashes of ledger and policy)

    Raises
    ------
    ReportError
        An unknown parameter (with the nearest known one), or a cell failed: the partial notebook is then in
        `<out>-failed/`, an earlier report stays as it is.
    """
    source, target = Path(notebook), Path(out)
    known = parameters_of(source)
    for name in parameters:
        if name not in known:
            raise ReportError(f"notebook {source.name} has no parameter {name!r}; {nearest(name, known)}")
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    try:
        started = time.time()
        executed = _execute(source, aside, target, dict(parameters), progress)
        page = aside / f"{source.stem}.html"
        page.write_text(_html(executed, title, str(aside), str(target)), encoding="utf-8")
        record = _record(source, parameters, facts or {}, aside, started)
        (aside / "run.json").write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        aside.chmod(0o755)
        _swap(aside, target)
        shutil.rmtree(_failed(target), ignore_errors=True)  # what an earlier failure left is answered now
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return Report(target, target / page.name, record)


def _execute(source: Path, aside: Path, target: Path, parameters: dict[str, Any], progress: bool) -> Path:
    import papermill

    executed = aside / source.name
    try:
        papermill.execute_notebook(
            str(source),
            str(executed),
            parameters={**parameters, "out": str(aside)},
            kernel_name="python3",
            progress_bar=progress,
            log_output=False,
            extra_arguments=["--IPKernelApp.log_level=ERROR"],  # its note on unencrypted TCP is for shared machines
        )
    except papermill.PapermillExecutionError as error:  # its count includes the injected parameters
        failed = _failed(target)
        failed.mkdir(exist_ok=True)
        shutil.copy(executed, failed / source.name)
        page = failed / f"{source.stem}.html"
        page.write_text(_html(executed, "failed run", str(aside), str(target)), encoding="utf-8")
        raise ReportError(
            f"notebook {source.name} failed in cell {error.exec_count - 1}: {error.ename}: {error.evalue}\n"
            f"what there is of it: {page}; an earlier report is untouched"
        ) from error
    _rename_inside(executed, str(aside), str(target))
    return executed


def _failed(target: Path) -> Path:
    return target.with_name(target.name + "-failed")


def _rename_inside(notebook: Path, aside: str, target: str) -> None:
    """The notebook must not remember the folder it was made in."""
    text = notebook.read_text(encoding="utf-8")
    notebook.write_text(text.replace(json.dumps(aside)[1:-1], json.dumps(target)[1:-1]), encoding="utf-8")


def _html(notebook: Path, title: str, aside: str, target: str) -> str:
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(
        template_name="credit_lab", extra_template_basedirs=[str(Path(__file__).parent / "templates")]
    )
    body, _ = exporter.from_filename(str(notebook), resources={"title": title, "version": __version__})
    return str(body).replace(aside, target)


def _record(
    source: Path, parameters: Mapping[str, Any], facts: Mapping[str, Any], aside: Path, started: float
) -> dict[str, Any]:
    verdicts = aside / _VERDICTS
    found = json.loads(verdicts.read_text(encoding="utf-8")) if verdicts.exists() else {}
    verdicts.unlink(missing_ok=True)
    return {
        "notebook": source.name,
        "parameters": dict(parameters),
        **facts,
        "verdicts": found,
        "tables": sorted(path.name for path in (aside / "tables").glob("*.csv")),
        "versions": {
            "credit_lab": __version__,
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in _PACKAGES},
        },
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "seconds": round(time.time() - started, 1),
    }


def _swap(aside: Path, target: Path) -> None:
    """Put the finished folder in place; an earlier one is moved away first and deleted last."""
    if target.exists():
        old = target.with_name(f".{target.name}-old-{os.getpid()}")
        target.rename(old)
        try:
            aside.rename(target)
        except OSError:
            old.rename(target)
            raise
        shutil.rmtree(old, ignore_errors=True)
    else:
        aside.rename(target)
