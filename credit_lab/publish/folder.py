"""The folder of a report: made aside, alone, of one state, put in place in one step."""

import contextlib
import ctypes
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from credit_lab import policy as policies
from credit_lab.errors import ReportError
from credit_lab.ledger.sources import state


def unfinished(target: Path) -> Path:
    """The folder beside `target` in which it is made; one name, so that what a killed run left is
    found again.
    """
    return target.with_name(f".{target.name}-unfinished")


@contextlib.contextmanager
def alone(target: Path) -> Iterator[None]:
    """Refuse to work on a target that another process works on; the lock ends with its process.

    Raises
    ------
    ReportError
        Another run holds the lock.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(f".{target.name}-lock").open("a") as lock:
        try:
            # Windows has no fcntl: two runs at once are the user's care there
            with contextlib.suppress(ImportError):
                import fcntl

                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if Path(lock.name).stat().st_ino != os.fstat(lock.fileno()).st_ino:
                raise OSError("the other one has just ended and taken its lock away")
        except OSError as error:
            raise ReportError(
                f"another run is working on {target}; wait for it, or choose another --out"
            ) from error
        try:
            yield
        finally:
            Path(lock.name).unlink(missing_ok=True)


def states(parameters: Mapping[str, Any]) -> dict[str, list[tuple[str, int, int]]]:
    """The files behind each parameter that names a file or a folder of files, as `sources.state`
    gives them; behind a policy file its base, too.
    """
    texts = [
        (name, value)
        for name, value in parameters.items()
        if isinstance(value, str) and value and name not in ("out", "registry")
    ]
    bases = [
        (f"{name}.base", str(base))
        for name, value in texts
        if value.endswith(".toml")
        for base in policies.bases(value)
    ]
    return {f"{name} {value}": state(value) for name, value in (*texts, *bases)}


def same(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Refuse what was made while one of its files changed.

    Raises
    ------
    ReportError
        Which file; nothing that was made is of one version.
    """
    changed = [name for name in before if before[name] != after[name]]
    if changed:
        raise ReportError(
            f"{changed[0]} was changed while the report was made, so the report would be of "
            "neither version; run again when it is complete"
        )


def swap(aside: Path, target: Path) -> None:
    """Put the finished folder in place of an earlier one, which is deleted last.

    Linux exchanges both names in one step, so that a process killed at any moment leaves one whole
    report under the name of the target. Elsewhere the earlier one is moved away first, and for an
    instant there is none.
    """
    if not target.exists():
        aside.rename(target)
    elif _exchange(aside, target):
        shutil.rmtree(aside, ignore_errors=True)
    else:
        old = target.with_name(f".{target.name}-old-{os.getpid()}")
        target.rename(old)
        try:
            aside.rename(target)
        except OSError:
            old.rename(target)
            raise
        shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names at once, renameat2(..., RENAME_EXCHANGE = 2) from AT_FDCWD = -100; False
    where it cannot.
    """
    if not sys.platform.startswith("linux"):
        return False
    call = getattr(ctypes.CDLL(None), "renameat2", None)  # glibc since 2.28
    return call is not None and call(-100, os.fsencode(one), -100, os.fsencode(other), 2) == 0
