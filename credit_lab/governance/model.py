"""One model of the register, as its entries so far make it."""

import unicodedata
from dataclasses import dataclass

import pandas as pd

from credit_lab.errors import CreditLabError
from credit_lab.periods import takes_days

STATES = ("draft", "challenger", "champion", "retired")


class GovernanceError(CreditLabError):
    """A step that governance does not allow, or a register that cannot be trusted."""


@dataclass(frozen=True)
class Validation:
    """Somebody's judgement of a model: result (passed or failed), report, digest of its run.json, by whom, when."""

    result: str
    report: str
    digest: str
    by: str
    on: str


@dataclass(frozen=True)
class Model:
    """A registered model.

    Attributes
    ----------
    id, kind, name, digest : see `identity`
    use : what it is used for; there is one champion per kind and use
    start, end : window of the data it was made from, ISO days; "" where none went in
    author : who made it
    state : draft, challenger (may run beside the champion), champion (decides), retired
    validation : the latest one; None before
    approver, approved_on : who approved it for its state
    expires_on : last day it may be used, ISO; "" before approval
    reason : why it was retired
    """

    id: str
    kind: str
    name: str
    digest: str
    use: str
    start: str
    end: str
    author: str
    state: str = "draft"
    validation: Validation | None = None
    approver: str = ""
    approved_on: str = ""
    expires_on: str = ""
    reason: str = ""

    @takes_days
    def expired(self, day: pd.Timestamp) -> bool:
        """Whether its last day lies before `day`."""
        return bool(self.expires_on) and day > pd.Timestamp(self.expires_on)


def named(who: str, role: str) -> str:
    """A name somebody signs with.

    Raises
    ------
    GovernanceError
        It is empty.
    """
    if not who.strip():
        raise GovernanceError(f"models: the {role} needs a name")
    return " ".join(who.split())


def same_person(one: str, other: str) -> bool:
    """Whether two names are one person's: case, width and spaces do not make another pair of eyes.

    >>> same_person("Ann  Li", "ann li"), same_person("Ann Li", "Bo Li")
    (True, False)
    """
    first, second = ("".join(unicodedata.normalize("NFKC", name).casefold().split()) for name in (one, other))
    return first == second
