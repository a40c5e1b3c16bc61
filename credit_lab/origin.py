"""What made a report: the package's own code by its digest, and the versions of what it stands on."""

import hashlib
import platform
from importlib import metadata
from pathlib import Path

from credit_lab import __version__

_PACKAGES = ("pandas", "numpy", "scipy", "statsmodels", "matplotlib", "papermill", "nbconvert")


def code_digest() -> str:
    """Digest of the package's own code and words."""
    digest = hashlib.sha256(__version__.encode())
    folder = Path(__file__).parent
    for file in sorted([*folder.rglob("*.p[yo]"), *folder.glob("*.toml")]):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Name and version of the package, of Python and of the packages whose numbers or pages it gives on."""
    own = {"credit_lab": __version__, "python": platform.python_version()}
    return own | {name: metadata.version(name) for name in _PACKAGES}
