"""The workbench: the folder with notebooks and data that a run works in, and what came with the package."""

import os
import re
from importlib import metadata
from pathlib import Path

from credit_lab.errors import ReportError

_FILE_URL = re.compile(r"(sqlite:///)(?=[^/])(.+)")


def paths(*texts: str) -> tuple[str, ...]:
    """Where things lie that a notebook names, so that `data/sample` means the same in JupyterLab and in a shell.

    A relative path that leads nowhere from here is taken from the workbench: the nearest folder upwards that holds
    `notebooks` and `data`. Nothing else is changed: absolute paths, databases on a server, empty texts.

    Parameters
    ----------
    texts : paths and database URLs, as parameters of a notebook give them
    """
    here = Path.cwd()
    home = next(filter(_complete, (here, *here.parents)), here)
    return tuple(_from(home, text) for text in texts)


def _from(home: Path, text: str) -> str:
    if url := _FILE_URL.fullmatch(text):
        return url[1] + _from(home, url[2])
    if not text or "://" in text or Path(text).is_absolute() or home == Path.cwd() or Path(text).exists():
        return text
    return os.path.relpath(home / text)


def _complete(folder: Path) -> bool:
    return (folder / "notebooks").is_dir() and (folder / "data").is_dir()


def bundled() -> Path | None:
    """The folder with the notebooks and data that came with the package: its checkout, or where a wheel puts them."""
    checkout = Path(__file__).parents[1]
    if _complete(checkout):
        return checkout
    try:
        files = metadata.files("credit_lab") or []
    except metadata.PackageNotFoundError:
        return None
    place = next((Path(str(one.locate())) for one in files if one.match("share/credit_lab/notebooks/80_*.ipynb")), None)
    return place.resolve().parents[1] if place and _complete(place.resolve().parents[1]) else None


def way_out() -> str:
    """Said with an error where there is no workbench to find things in; empty inside of one."""
    here = Path.cwd()
    if any(map(_complete, (here, *here.parents))):
        return ""
    return f"\n{here} is in no workbench (folders notebooks and data): `credit-lab start my_lab` makes one"


def notebook(name: str) -> Path:
    """Path of a bundled notebook by name or beginning ("80", "80_quarterly_review").

    Raises
    ------
    ReportError
        There is none, or there are several.
    """
    folders = [Path("notebooks"), Path(__file__).parents[1] / "notebooks"]
    folder = next((one for one in folders if one.is_dir()), None)
    known = sorted(folder.glob("*.ipynb")) if folder else []
    found = [path for path in known if path.stem.startswith(name)]
    if len(found) != 1:
        listed = ", ".join(path.stem for path in known) if folder else "no folder notebooks"
        raise ReportError(f"no single notebook {name!r} ({listed}); run from the project's folder")
    return found[0]
