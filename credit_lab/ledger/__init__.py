"""Row 1: receivables ledgers, read from any export, checked at one front door.

`read` gives a `Ledger`; `write` puts its tables elsewhere; `reconcile` proves it against the control account.
"""

from credit_lab import lazy
from credit_lab.ledger.model import Ledger
from credit_lab.ledger.reader import read
from credit_lab.ledger.writer import write

__all__ = ["Ledger", "read", "reconcile", "write"]

lazy.attach(__name__)
