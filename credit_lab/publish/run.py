"""Run a notebook unattended and leave a report: executed notebook, self-contained HTML, tables,
run.json.

Everything is written aside and renamed into place when it is whole, so a reader never sees half a
report. The only module that knows papermill.
"""

import contextlib
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from credit_lab import compiled, language, origin, time_left
from credit_lab.errors import ReportError, nearest
from credit_lab.ledger import sharing
from credit_lab.ledger.database import concealed
from credit_lab.publish import gate, kernel, privacy
from credit_lab.publish.artefacts import artefacts
from credit_lab.publish.folder import alone, same, states, swap, unfinished
from credit_lab.publish.page import page
from credit_lab.publish.sections import Sections

# What a notebook may leave beside its tables for run.json: verdicts, key figures (name → value,
# unit), forecasts made.
_LEFT = ("verdicts", "figures", "forecasts")
KILLED = (
    "the kernel ended: it was killed, or memory was short; free memory or take a shorter ledger, "
    "then run again"
)


@dataclass(frozen=True)
class Report:
    """Where a finished report is, and what run.json says."""

    folder: Path
    html: Path
    run: dict[str, Any]


class Stopped(ReportError):
    """A cell that the whole report rests on raised: which, and what."""

    def __init__(self, notebook: str, cell: int, name: str, value: str) -> None:
        super().__init__(f"notebook {notebook} failed in cell {cell}: {name}: {value}")
        self.name, self.value = name, value


@contextlib.contextmanager
def _light_imports() -> Iterator[None]:
    """Import without a checker of URIs that papermill's imports can do without: it costs 1.1 s in
    every process.
    """
    name = "rfc3987_syntax"
    known = name in sys.modules
    if not known:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if not known:
            del sys.modules[name]


def parameters_of(notebook: str | Path) -> dict[str, dict[str, str]]:
    """Parameters of a notebook: name → type, default, help (the comment behind it).

    Raises
    ------
    ReportError
        The notebook does not exist or has no cell tagged `parameters`: it would run on its own
        defaults.
    """
    with _light_imports():
        import papermill

    path = Path(notebook)
    if not path.is_file():
        raise ReportError(
            f"notebook {path} does not exist; `credit-lab notebooks` lists those there are"
        )
    found = papermill.inspect_notebook(str(path))
    if not found:
        raise ReportError(
            f"notebook {path} has no cell tagged 'parameters'; tag its first code cell"
        )
    return {
        name: {"type": item["inferred_type_name"], "default": item["default"], "help": item["help"]}
        for name, item in found.items()
    }


def known_parameters(notebook: Path, parameters: Mapping[str, Any]) -> None:
    """Refuse names the notebook does not know.

    Raises
    ------
    ReportError
        With the nearest known name.
    """
    known = parameters_of(notebook)
    for name in parameters:
        if name not in known:
            raise ReportError(
                f"notebook {notebook.name} has no parameter {name!r}; {nearest(name, known)}"
            )


def report(
    notebook: str | Path,
    parameters: Mapping[str, Any],
    out: str | Path,
    *,
    title: str,
    facts: Mapping[str, Any] | None = None,
    progress: bool = True,
    also: Callable[[Path, dict[str, Any]], None] = lambda _folder, _record: None,
) -> Report:
    """Execute `notebook` with `parameters` and leave the report in the folder `out`.

    The notebook gets one parameter more, `out`: the folder to save its tables in. It may leave the
    files `verdicts.json`, `figures.json` and `forecasts.json` there, which go into run.json.

    Parameters
    ----------
    parameters : texts, numbers, booleans, or lists of them; names the notebook does not know are
        refused
    out : folder of the report; an earlier report there is replaced when the new one is whole
    facts : further entries of run.json (hashes of ledger and policy)
    also : writes further formats; gets the folder before it is put in place, and what run.json says

    Raises
    ------
    ReportError
        An unknown parameter (with the nearest known one), a cell failed, or the report contradicts
        itself (`gate`): the notebook is then in `<out>-failed/`, an earlier report stays as it is.
    """
    source, target = Path(notebook), Path(out)
    known_parameters(source, parameters)
    parameters = without_passwords(parameters)
    without_passwords({"out": str(target)})
    aside = unfinished(target)
    with alone(target):
        shutil.rmtree(aside, ignore_errors=True)  # of a run that was killed
        aside.mkdir()
        try:
            before = states(parameters)
            record = step(source, parameters, aside, target, facts=facts, progress=progress)
            shown = artefacts(aside / source.name)
            gate.check({source.stem: (shown, aside, record["verdicts"])})
            html = aside / f"{source.stem}.html"
            html.write_text(page(title, [aside / source.name]), encoding="utf-8")
            also(aside, record)
            same(before, states(parameters))
            swap(aside, target)
            # what an earlier failure left is answered now
            shutil.rmtree(_failed(target), ignore_errors=True)
        except (Stopped, gate.Contradiction) as error:
            kept = _keep_partial(aside / source.name, _failed(target))
            raise ReportError(f"{error}\n{kept}; an earlier report is untouched") from error
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return Report(target, target / html.name, record)


def without_passwords(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as they may be written down: *** for passwords, which the kernel has from its
    environment.

    Raises
    ------
    ReportError
        A text that is no text: Linux allows names of files that are not UTF-8, reports are UTF-8.
    """
    for name, value in parameters.items():
        try:
            str(value).encode()
        except UnicodeEncodeError:
            raise ReportError(
                f"{name} {value!r}: a report cannot hold a name that is not UTF-8; rename it"
            ) from None
    return {
        name: concealed(value) if isinstance(value, str) else value
        for name, value in parameters.items()
    }


def _failed(target: Path) -> Path:
    return target.with_name(target.name + "-failed")


def _keep_partial(executed: Path, folder: Path) -> str:
    """Put the partial notebook where it can be read; says where."""
    try:
        folder.mkdir(exist_ok=True)
        shutil.copy(executed, folder / executed.name)
        html = folder / f"{executed.stem}.html"
        html.write_text(page("failed run", [executed]), encoding="utf-8")
    except (
        OSError,
        ValueError,
    ) as error:  # a full disk, or a kernel that died before it wrote anything
        return f"nothing of it could be kept ({error})"
    return f"what there is of it: {html}"


def step(
    source: Path,
    parameters: Mapping[str, Any],
    folder: Path,
    final: Path,
    *,
    facts: Mapping[str, Any] | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """Execute a notebook in `folder`, which will stand at `final` in the end: executed notebook,
    tables, run.json.

    Returns what run.json says.

    Raises
    ------
    Stopped
        A cell raised; the partial notebook is in `folder`, run.json is not.
    """
    started, clock = time.time(), time.monotonic()
    executed = folder / source.name
    private = privacy.labels(
        {**parameters, "source": source.absolute(), "out": folder, "final": final.absolute()}
    )
    try:
        usual = time_left.last_cells(final, source.name) if progress else None
        made = _execute(source, executed, {**parameters, "out": str(folder)}, usual)
    finally:
        if executed.exists():
            _settle(executed, {**private, str(folder): final.name})
    told = {**(facts or {}), **sharing.current().facts()}
    record = _record(
        source,
        privacy.plain(dict(parameters), private),
        told,
        folder,
        started,
        time.monotonic() - clock,
    )
    record["verdicts"] |= made.verdict()
    record["missing"] = made.record(private)
    shown = artefacts(executed)
    record["records"] = [one.id for one in shown if one.id]
    record["knowledge"] = next((one.about.knowledge for one in shown if one.about.knowledge), [])
    (folder / "run.json").write_text(
        json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    return record


def _execute(
    source: Path,
    executed: Path,
    parameters: dict[str, Any],
    usual: list[float] | None,
    *,
    again: bool = True,
) -> Sections:
    """Run the cells; a bar says how long it will take where `usual` holds the seconds of an earlier
    run. A kernel that does not come up is started once more: a port that was free when it was
    chosen may have gone to the kernel of another worker.
    """
    with _light_imports():
        import papermill

    made = Sections()
    _register_engine(usual, source.stem, made)
    from nbclient.exceptions import DeadKernelError

    compiled.settle()
    settings = executed.with_name(".settings")
    settings.mkdir()
    try:
        papermill.execute_notebook(
            _literal(source),
            _literal(executed),
            parameters=parameters,
            kernel_name="python3",
            progress_bar=False,  # papermill's own counts cells, whatever they take
            engine_name="credit_lab",
            log_output=False,
            shutdown_kernel="immediate",  # everything is saved: no need to let it tidy up
            kernel_manager_class=kernel.manager(settings),
            extra_arguments=list(kernel.ARGUMENTS),
        )
    except papermill.PapermillExecutionError as error:  # its count includes the injected parameters
        raise Stopped(source.name, error.exec_count - 1, error.ename, error.evalue) from error
    except DeadKernelError as error:
        raise Stopped(source.name, _cells_done(executed) + 1, "DeadKernel", KILLED) from error
    except RuntimeError as error:  # jupyter_client: it did not even come up
        if again:
            shutil.rmtree(settings, ignore_errors=True)
            return _execute(source, executed, parameters, usual, again=False)
        raise Stopped(source.name, 1, "DeadKernel", f"{error}; {KILLED}") from error
    finally:
        shutil.rmtree(settings, ignore_errors=True)
    return made


def _register_engine(usual: list[float] | None, name: str, made: Sections) -> None:
    """Make papermill show our bar over cells (none if `usual` is None) and give each cell to its
    section.
    """
    from nbclient.exceptions import CellExecutionError
    from papermill.clientwrap import PapermillNotebookClient
    from papermill.engines import NBClientEngine, papermill_engines

    class Client(PapermillNotebookClient):
        def execute_cell(self, cell: Any, cell_index: int, **options: Any) -> Any:
            made.execute(
                self.nb.cells, cell_index, lambda: self._error(cell, cell_index, **options)
            )

        def _error(self, *cell: Any, **options: Any) -> CellExecutionError | None:
            try:
                super().execute_cell(*cell, **options)
            except CellExecutionError as error:
                return error
            return None

        def papermill_execute_cells(self) -> None:
            super().papermill_execute_cells()
            made.close()

    class Engine(NBClientEngine):
        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> Any:
            if usual is not None:
                nb_man.pbar = time_left.Bar(usual, len(nb_man.nb.cells), name)
            wanted = {
                key: options[key]
                for key in ("extra_arguments", "kernel_manager_class", "shutdown_kernel")
            }
            return Client(nb_man, kernel_name=kernel_name, startup_timeout=60, **wanted).execute()

    papermill_engines.register("credit_lab", Engine)


def _literal(path: Path) -> str:
    """A path as papermill takes it: it would put parameters in for names in braces."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _cells_done(executed: Path) -> int:
    """Code cells that a partly executed notebook has finished, injected parameters not counted."""
    cells = json.loads(executed.read_text(encoding="utf-8"))["cells"] if executed.exists() else []
    return max(0, sum(bool(cell.get("execution_count")) for cell in cells) - 1)


def _settle(notebook: Path, private: Mapping[str, str]) -> None:
    """The notebook must not remember the folder it was made in, nor any other path, nor a
    connection; its prose is put into the language of the report.
    """
    text = privacy.cleaned(notebook.read_text(encoding="utf-8"), private, as_json=True)
    if language.current() != "en":
        whole = json.loads(text)
        for cell in whole["cells"]:
            if cell["cell_type"] == "markdown":
                cell["source"] = language.prose("".join(cell["source"]))
        text = json.dumps(whole, indent=1, ensure_ascii=False) + "\n"
    notebook.write_text(text, encoding="utf-8")


def _record(
    source: Path,
    parameters: Mapping[str, Any],
    facts: Mapping[str, Any],
    aside: Path,
    started: float,
    seconds: float,
) -> dict[str, Any]:
    found: dict[str, Any] = {"verdicts": {}, "figures": {}, "forecasts": []}
    for name in _LEFT:
        left = aside / f"{name}.json"
        if left.exists():
            found[name] = json.loads(left.read_text(encoding="utf-8"))
            left.unlink()
    return {
        "notebook": source.name,
        "parameters": dict(parameters),
        "language": language.current(),
        **facts,
        **found,
        "tables": sorted(path.name for path in (aside / "tables").glob("*.csv")),
        "versions": origin.versions(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "seconds": round(seconds, 1),
    }
