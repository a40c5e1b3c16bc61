"""The process in which a notebook runs: this Python under settings of its own, whatever the user's
own files say.

The user's start-up scripts, kernels, figure settings and warning filters belong to notebooks opened
by hand: in a report, the same inputs give the same bytes for everyone. Nothing is written outside
the folder of the report.
"""

import sys
from pathlib import Path
from typing import Any

# A kernel or a worker ends with the process that started it, even if that is killed: Linux sends
# SIGKILL (9) when asked to by prctl(PR_SET_PDEATHSIG = 1); elsewhere ipykernel looks for its parent
# once a second.
END_WITH_PARENT = (
    "__import__('sys').platform == 'linux' and __import__('ctypes').CDLL(None).prctl(1, 9) and None"
)
# A matplotlibrc beside the data does not concern the report, nor whether code had to be compiled
# for it.
_QUIET = (
    "[__import__('logging').getLogger(name).setLevel('ERROR') "
    "for name in ('matplotlib', 'credit_lab')] and None"
)
ARGUMENTS = (
    "--IPKernelApp.log_level=ERROR",  # its note on unencrypted TCP is for shared machines
    "--IPKernelApp.exec_PYTHONSTARTUP=False",
    f"--IPKernelApp.exec_lines={END_WITH_PARENT}",
    f"--IPKernelApp.exec_lines={_QUIET}",
)


def manager(folder: Path) -> type[Any]:
    """Class of kernel managers whose kernels keep their settings and their connection in `folder`.

    Parameters
    ----------
    folder : an empty folder; the caller deletes it when the kernel has ended
    """
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpec

    folder = folder.absolute()
    figures = folder / "matplotlibrc"
    figures.touch()
    settings = {
        "IPYTHONDIR": _literal(folder / "ipython"),
        "MATPLOTLIBRC": _literal(figures),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONWARNINGS": "",
    }
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]

    class Manager(AsyncKernelManager):
        kernel_spec = KernelSpec(
            argv=command, display_name="Python 3", language="python", env=settings
        )

        def __init__(self, **options: Any) -> None:
            super().__init__(connection_file=str(folder / "connection.json"), **options)

    return Manager


def _literal(path: Path) -> str:
    """A path as jupyter_client takes it: it would put variables in for names behind a dollar."""
    return str(path).replace("$", "$$")
