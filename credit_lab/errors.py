"""The one family of errors credit_lab raises for input it refuses.

Every message says what is wrong, where (table, row, column or key) and the way out, so that the command line can
print it as it is. Anything else that escapes is a defect of ours, not of the user's data.
"""

import difflib
from collections.abc import Iterable


class CreditLabError(ValueError):
    """Input that credit_lab refuses; the message names the place and the way out."""


class LedgerError(CreditLabError):
    """A ledger, a mapping or a table of it cannot be used as it stands."""


class PolicyError(CreditLabError):
    """A credit policy file is incomplete, inconsistent or out of range."""


class MoneyNotKnown(PolicyError):
    """An amount of a policy is asked for in a currency nobody gave a rate to."""


class PeriodError(CreditLabError):
    """A period or date is malformed or lies outside the data."""


class NotKnown(LedgerError):
    """A figure is asked for that the ledger cannot carry; see `credit_lab.knowledge`."""


class ReportError(CreditLabError):
    """A report could not be made; what there is of it has been put aside."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Sentence fragment that suggests the closest known name, or lists them all.

    >>> nearest("grde", ["grade", "limit"])
    "did you mean 'grade'?"
    >>> nearest("zzz", ["grade", "limit"])
    'known: grade, limit'
    """
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else "known: " + ", ".join(known)
