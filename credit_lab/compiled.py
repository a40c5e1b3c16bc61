"""Row 0: functions compiled by numba, and where their machine code is kept between runs.

numba keeps it in NUMBA_CACHE_DIR, beside the package, or in the user's own cache, in this order. Where none of
them can be written to, it goes to a private folder for temporary files, or is kept nowhere.
"""

import os
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Processes started later find here what was settled, so that one line is said for all of them.
_PLACE, _NOWHERE = "NUMBA_CACHE_DIR", "CREDIT_LAB_COMPILED_NOWHERE"


def njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`numba.njit` with its code kept on disk where a disk takes it, and without Python's lock.

    Parameters
    ----------
    options : further options of `numba.njit`
    """
    from numba import njit as compiler  # takes 0.5 s

    def compiled(function: Callable[..., Any]) -> Any:
        while True:
            try:
                return compiler(function, cache=_NOWHERE not in os.environ, nogil=True, **options)
            except RuntimeError as refused:
                if "cannot cache function" not in str(refused):
                    raise
                _keep_elsewhere()

    return compiled


def settle() -> None:
    """Find a place for compiled code before processes are started, each of which would have to say where."""
    if not os.access(Path(__file__).parent, os.W_OK):
        njit()(lambda: None)


def _keep_elsewhere() -> None:
    """Choose a private folder, or none if it was chosen before, and say so on standard error."""
    from numba.core import config

    folder = _private_folder()
    if folder is None or os.environ.get(_PLACE) == str(folder):
        os.environ[_NOWHERE] = "1"
        said = "so every run compiles anew (about a minute)"
    else:
        os.environ[_PLACE] = str(folder)
        config.reload_config()
        said = f"so it goes to {folder}"
    sys.stderr.write(
        "credit-lab: compiled code cannot be kept beside the package or in your cache folder, "
        f"{said}; set NUMBA_CACHE_DIR to a folder of your own to keep it there\n"
    )
    sys.stderr.flush()


def _private_folder() -> Path | None:
    """A folder that nobody else can write to: what lies in it will be executed."""
    user = os.getuid() if hasattr(os, "getuid") else 0  # Windows has a folder for each user
    try:
        folder = Path(tempfile.gettempdir()) / f"credit_lab-compiled-{user}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    others = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and sys.platform != "win32"
    own = stat.S_ISDIR(found.st_mode) and found.st_uid == user and not others
    return folder if own and os.access(folder, os.W_OK) else None
