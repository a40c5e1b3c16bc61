"""Row 1: receivables ledgers, read from any export, checked at one front door.

`read` gives a `Ledger`; `write` puts its tables elsewhere; `reconcile` proves it against the control account;
`matched` says how its receipts were matched, `rematched` matches them by another rule.
"""

from credit_lab import lazy
from credit_lab.ledger.matching import matched, rematched
from credit_lab.ledger.model import Ledger
from credit_lab.ledger.reader import read
from credit_lab.ledger.writer import write

__all__ = ["Ledger", "matched", "read", "reconcile", "rematched", "write"]

lazy.attach(__name__)
