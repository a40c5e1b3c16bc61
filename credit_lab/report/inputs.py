"""What a notebook or a command is pointed at: the project's folder, a ledger in one currency, rates from text."""

import os
from importlib import metadata
from pathlib import Path

from credit_lab import ledger as ledgers
from credit_lab import policy as policies
from credit_lab.errors import LedgerError, ReportError
from credit_lab.report import privacy


def at_home() -> Path:
    """Change to the project's folder, so that `data/sample` means the same in JupyterLab, in tests and in a shell.

    The nearest folder upwards that holds `notebooks` and `data`; without one everything stays as it is.
    """
    here = Path.cwd()
    folder = next(filter(_complete, (here, *here.parents)), None)
    if folder is None:
        return here
    os.chdir(folder)
    return folder


def _complete(folder: Path) -> bool:
    return (folder / "notebooks").is_dir() and (folder / "data").is_dir()


def bundled() -> Path | None:
    """The folder with the notebooks and data that came with the package: its checkout, or where a wheel puts them."""
    checkout = Path(__file__).parents[2]
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
    folders = [Path("notebooks"), Path(__file__).parents[2] / "notebooks"]
    folder = next((one for one in folders if one.is_dir()), None)
    known = sorted(folder.glob("*.ipynb")) if folder else []
    found = [path for path in known if path.stem.startswith(name)]
    if len(found) != 1:
        listed = ", ".join(path.stem for path in known) if folder else "no folder notebooks"
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


def open_policy(path: str, book: ledgers.Ledger, rates: str = "", *, granting: bool = False) -> policies.Policy:
    """Read a policy and bring its amounts into the ledger's currency; see `policy.in_currency`.

    Raises
    ------
    MoneyNotKnown
        The run is `granting` limits, and the policy is in another currency without a rate.
    """
    made = policies.in_currency(policies.load(path), book.currency, rates_from(rates))
    if granting:
        policies.need_amounts(made, "limits cannot be set")
    return made


def open_ledger(path: str, mapping: str = "", currency: str = "", rates: str = "") -> ledgers.Ledger:
    """Read a ledger and bring it into one reporting currency; texts as a notebook or command line gives them.

    In a run that is to be shared under pseudonyms, the ledger has them from here on; see `privacy`.
    """
    return privacy.shared(ledgers.read(path, mapping or None).reporting(currency, rates_from(rates)))
