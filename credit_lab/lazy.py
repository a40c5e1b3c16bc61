"""Row 0: modules of a package that are loaded when they are first used, so that `import` stays fast."""

import importlib
import pkgutil
import sys
from types import ModuleType

from credit_lab.errors import nearest


def attach(package: str) -> None:
    """Make every module of a package reachable as its attribute; `dir` shows what `__all__` names.

    Parameters
    ----------
    package : `__name__` of the package, called in its `__init__` below `__all__`

    >>> import credit_lab
    >>> credit_lab.limits.tail_risk.__name__  # nothing imported it before
    'credit_lab.limits.tail_risk'
    """
    own = sys.modules[package]
    modules = {found.name for found in pkgutil.iter_modules(own.__path__)} - {"__main__"}

    def load(name: str) -> ModuleType:
        if name in modules:
            return importlib.import_module(f"{package}.{name}")
        hint = "" if name.startswith("_") else f"; {nearest(name, own.__all__)}"
        raise AttributeError(f"{package} has no part {name!r}{hint}")

    vars(own).update(__getattr__=load, __dir__=lambda: [*own.__all__])
