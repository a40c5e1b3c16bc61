"""What a notebook or a command is pointed at: a ledger in one currency, a policy in that currency, rates from text."""

from credit_lab import ledger as ledgers
from credit_lab import policy as policies
from credit_lab.errors import LedgerError
from credit_lab.ledger import known, sharing


def rates_from(text: str) -> dict[str, float]:
    """Rates from a text like "CAD:0.75 EUR:1.1": units of the reporting currency per unit.

    >>> rates_from("CAD:0.75 EUR:1.1")
    {'CAD': 0.75, 'EUR': 1.1}
    """
    rates = {}
    for part in text.replace(",", " ").split():
        name, sign, number = part.partition(":")
        try:
            rates[name] = float(number)
        except ValueError:
            sign = ""
        if not sign or not name:
            raise LedgerError(f"rate {part!r} is not understood; write CAD:0.75, several with a space between")
    return rates


def open_policy(path: str, book: ledgers.Ledger, rates: str = "", *, granting: bool = False) -> policies.Policy:
    """Read a policy and bring its amounts into the ledger's currency; see `policy.in_currency`.

    Raises
    ------
    MoneyNotKnown
        The run is `granting` limits, and the policy is in another currency without a rate.
    """
    made = policies.in_currency(policies.load(path), book.currency, rates_from(rates))
    if granting:
        policies.need_amounts(made, "limits cannot be set")
    return made


def read_ledger(path: str, mapping: str = "", known_on: str = "") -> ledgers.Ledger:
    """Read a ledger in all its currencies, as it was known on a day; empty: as it is. See `ledger.known.as_known`."""
    return known.as_known(ledgers.read(path, mapping or None), known_on)


def open_ledger(
    path: str, mapping: str = "", currency: str = "", rates: str = "", known_on: str = ""
) -> ledgers.Ledger:
    """Read a ledger and bring it into one reporting currency; texts as a notebook or command line gives them.

    In a run that is to be shared under pseudonyms, the ledger has them from here on; see `privacy`.

    Parameters
    ----------
    path, mapping : the ledger, and the mapping file of a foreign export
    currency, rates : see `Ledger.reporting` and `rates_from`
    known_on : day after which nothing was recorded yet, see `ledger.known.as_known`; empty: the ledger as it is
    """
    return sharing.shared(read_ledger(path, mapping, known_on).reporting(currency, rates_from(rates)))
