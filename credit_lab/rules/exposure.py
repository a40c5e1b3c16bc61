"""What a customer owes and is about to owe (信用敞口)."""

from typing import Any

from credit_lab.rules.forms import rule

ORDER_DAYS = 90  # an order without invoice or delivery for so long is taken for cancelled


@rule
def exposure(receivables: Any, delivered: Any, ordered: Any, unapplied: Any) -> Any:
    """Open invoices + delivered and not invoiced + ordered and not delivered − unapplied cash.

    Parameters
    ----------
    receivables : open invoices, tax included as everywhere here
    delivered : goods that have left before the day of their invoice
    ordered : the uninvoiced part of open orders
    unapplied : cash and credit notes not matched with an invoice
    """
    return receivables + delivered + ordered - unapplied
