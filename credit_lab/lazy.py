"""Row 0: packages that load a module of theirs when it is first named, as `cl.backtest.claims` does."""

import importlib
from collections.abc import Callable, Collection
from typing import Any

from credit_lab.errors import nearest


def modules(package: str, names: Collection[str]) -> Callable[[str], Any]:
    """What a package calls `__getattr__`: imports the module that is asked for.

    Parameters
    ----------
    package : the package's `__name__`
    names : its modules that can be asked for

    Returns
    -------
    Callable
        Name → module; raises AttributeError with the nearest name for any other.
    """

    def load(name: str) -> Any:
        if name in names:
            return importlib.import_module(f"{package}.{name}")
        if name.startswith("_"):
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        raise AttributeError(f"{package} has no part {name!r}; {nearest(name, names)}")

    return load
