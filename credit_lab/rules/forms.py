"""One source for numbers, arrays and compiled loops.

A rule is a plain function of numbers: `&`, `|`, comparisons, numpy's minimum, maximum, floor and
abs, and `pick` where there is a choice. Called with arrays it answers for all cases at once; named
within a compiled function it is compiled with it, once `for_loops` was called.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

F = TypeVar("F", bound=Callable[..., Any])
_FORMS: list[Callable[..., Any]] = []
_TAUGHT: list[Callable[..., Any]] = []
# Rules make no arrays, so references need not be counted (see `simulation.records`).
_HOW: dict[str, Any] = {"_nrt": False, "forceinline": True}


def rule(function: F) -> F:
    """Mark a function as a rule, for compiled loops as well."""
    _FORMS.append(function)
    return function


def pick(condition: Any, yes: Any, no: Any) -> Any:
    """`yes` where the condition holds, else `no`; both are worked out.

    >>> pick(np.array([True, False]), 1, 2).tolist()
    [1, 2]
    """
    return np.where(condition, yes, no)


def for_loops() -> None:
    """Teach numba the rules; to be called before a function that names one is compiled.

    Called again it teaches those of modules imported since.
    """
    from numba.extending import overload, register_jitable  # takes 0.5 s

    if not _TAUGHT:

        @overload(pick, jit_options=_HOW)  # type: ignore[arg-type]
        def _(condition, yes, no):  # type: ignore[no-untyped-def] # noqa: ARG001
            return lambda condition, yes, no: yes if condition else no

    for function in _FORMS[len(_TAUGHT) :]:
        register_jitable(**_HOW)(function)
        _TAUGHT.append(function)
