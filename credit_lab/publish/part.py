"""One notebook of a pack."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from credit_lab.publish.artefacts import Artefact, Heading, artefacts

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Part:
    """One notebook of a pack.

    Attributes
    ----------
    state : made, if need be with gaps; refused (the data do not allow it, `reason` says why);
        failed (a defect)
    folder : executed notebook, tables, run.json
    run : what run.json says; empty unless made
    """

    name: str
    state: str
    reason: str
    folder: Path
    run: dict[str, Any]

    @property
    def notebook(self) -> Path:
        """The executed notebook."""
        return self.folder / f"{self.name}.ipynb"

    @property
    def title(self) -> str:
        """As it calls itself; its name where it does not."""
        return next((one.title for one in self.artefacts if isinstance(one, Heading)), self.name)

    @property
    def gaps(self) -> list[dict[str, Any]]:
        """Its sections that could not be made, as run.json has them."""
        return list(self.run.get("missing", ()))

    @cached_property
    def artefacts(self) -> list[Artefact]:
        """All it shows."""
        return artefacts(self.notebook)

    @cached_property
    def ids(self) -> frozenset[str]:
        """Ids of its records."""
        return frozenset(one.id for one in self.artefacts)
