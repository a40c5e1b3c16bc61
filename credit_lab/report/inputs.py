"""What a notebook or a command is pointed at: the project's folder, a ledger in one currency, rates from text."""

import os
from pathlib import Path

from credit_lab import ledger as ledgers
from credit_lab.errors import LedgerError, ReportError
from credit_lab.report import privacy


def at_home() -> Path:
    """Change to the project's folder, so that `data/sample` means the same in JupyterLab, in tests and in a shell.

    The nearest folder upwards that holds `notebooks` and `data`; without one everything stays as it is.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "notebooks").is_dir() and (folder / "data").is_dir():
            os.chdir(folder)
            return folder
    return here


def notebook(name: str) -> Path:
    """Path of a bundled notebook by name or beginning ("80", "80_quarterly_review").

    Raises
    ------
    ReportError
        There is none, or there are several.
    """
    folders = [Path("notebooks"), Path(__file__).parents[2] / "notebooks"]
    folder = next((one for one in folders if one.is_dir()), None)
    found = sorted(folder.glob(f"{name}*.ipynb")) if folder else []
    if len(found) != 1:
        listed = ", ".join(path.stem for path in sorted(folder.glob("*.ipynb"))) if folder else "no folder notebooks"
        raise ReportError(f"no single notebook {name!r} ({listed}); run from the project's folder")
    return found[0]


def rates_from(text: str) -> dict[str, float]:
    """Rates from a text like "CAD:0.75 EUR:1.1": units of the reporting currency per unit.

    >>> rates_from("CAD:0.75 EUR:1.1")
    {'CAD': 0.75, 'EUR': 1.1}
    """
    rates = {}
    for part in text.replace(",", " ").split():
        name, sign, number = part.partition(":")
        try:
            rates[name] = float(number)
        except ValueError:
            sign = ""
        if not sign or not name:
            raise LedgerError(f"rate {part!r} is not understood; write CAD:0.75, several with a space between")
    return rates


def open_ledger(path: str, mapping: str = "", currency: str = "", rates: str = "") -> ledgers.Ledger:
    """Read a ledger and bring it into one reporting currency; texts as a notebook or command line gives them.

    In a run that is to be shared under pseudonyms, the ledger has them from here on; see `privacy`.
    """
    return privacy.shared(ledgers.read(path, mapping or None).reporting(currency, rates_from(rates)))
