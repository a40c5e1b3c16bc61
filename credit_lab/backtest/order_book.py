"""The orders of a ledger and what settled them, as a replay walks over them; the same for every policy.

Settlements and contracts count from the day they were recorded, where the ledger says when: the order desk knew no
more.
"""

import numpy as np
import pandas as pd

from credit_lab import money
from credit_lab.aging.postings import INVOICE, postings
from credit_lab.backtest.walk import CONTRACTS, ORDER, SETTLED, Book, Grid, Ints, walk
from credit_lab.ids import looked_up, positions
from credit_lab.ledger import known
from credit_lab.ledger.model import Ledger
from credit_lab.periods import takes_days
from credit_lab.policy import Policy
from credit_lab.rules import holds


@takes_days
def build(
    ledger: Ledger, customers: pd.Index, months: pd.DatetimeIndex, begin: pd.Timestamp, end: pd.Timestamp
) -> tuple[Book, pd.Index]:
    """The book of orders up to `end`, and the ids of its documents.

    Parameters
    ----------
    customers : in the order of the rows of the limits
    months : month ends after which a new column of the limits counts
    begin, end : first and last day of the replay; orders before it went out in history
    """
    seen = known.recorded(ledger, invoices=False)
    rows = postings(seen)
    rows = rows[(rows["kind"] == INVOICE) & (rows["day"] <= end)]
    rows = rows.assign(opens=(rows["day"] == rows["issue_date"]) & (rows["minor"] > 0))
    keys = ["document_id", "customer_id", "day", "opens"]
    rows = rows.groupby(keys, as_index=False).agg(minor=("minor", "sum"), due_date=("due_date", "min"))
    code, documents = pd.factorize(rows["document_id"])
    events = pd.DataFrame(
        {
            "customer": customers.get_indexer(rows["customer_id"]),
            "document": code,
            "minor": rows["minor"],
            "kind": np.where(rows["opens"], ORDER, SETTLED),
            "day": _days(rows["day"]),
        }
    )
    due = np.zeros(len(documents), dtype=np.int64)
    opening = rows["opens"].to_numpy()
    due[code[opening]] = _days(rows.loc[opening, "due_date"])
    changes = _contracts(seen, customers, end)
    if changes is not None:
        events = pd.concat([events, changes], ignore_index=True)
    events = events.sort_values(["customer", "day", "kind", "document"], kind="stable")
    columns = {name: events[name].to_numpy(dtype=np.int64) for name in ("customer", "document", "minor", "kind", "day")}
    amount = ledger.invoices["amount"].take(positions(pd.Series(documents), ledger.invoices["invoice_id"]))
    book = Book(
        **columns,
        total=money.to_minor(amount, ledger.currency),
        due=due,
        custom=_custom(ledger, documents),
        starts=_days(months.to_series()) + 1,
        begin=int(_days(pd.Series([begin]))[0]),
        end=int(_days(pd.Series([end]))[0]),
        no_contracts=int(changes is None),
    )
    return book, pd.Index(documents)


def deliver(book: Book, policy: Policy, currency: str, limit: Grid, expires: Ints) -> tuple[Ints, Ints, pd.DataFrame]:
    """What goes out at once and why not more, by document, and what goes out later.

    Parameters
    ----------
    limit : customer × column, in units of `currency`
    expires : last day on which each stands, as day numbers

    Returns
    -------
    at_once, why : minor units; numbers of `REASONS`
    later : document (its number), day (number), days waited, minor
    """
    scale = float(money.scale(currency))
    wait = np.where(book.custom, policy.holds.wait_days_custom, policy.holds.wait_days).astype(np.int64)
    at_once, why, later = walk(book, np.rint(limit * scale), expires, wait, holds.holds(policy, scale))
    orders = book.kind == ORDER
    ordered = np.zeros(len(book.total), dtype=np.int64)
    ordered[book.document[orders]] = book.day[orders]
    document, day, minor = later
    waited = day - ordered[document]
    return at_once, why, pd.DataFrame({"document": document, "day": day, "waited": waited, "minor": minor})


def _days(when: pd.Series) -> Ints:
    return when.to_numpy().astype("datetime64[D]").astype(np.int64)


def _contracts(ledger: Ledger, customers: pd.Index, end: pd.Timestamp) -> pd.DataFrame | None:
    """Days on which the number of a customer's contracts in force changes; None: no table of them."""
    if not ledger.has("contracts"):
        return None
    table = ledger.tables["contracts"]
    until = table["valid_to"] if "valid_to" in table else pd.Series(pd.NaT, index=table.index)
    ends = until.dropna() + pd.Timedelta(days=1)
    who = table["customer_id"]
    parts = [(who, table["signed_on"], 1), (who.loc[ends.index], ends, -1)]
    rows = [
        pd.DataFrame(
            {"customer": customers.get_indexer(one), "document": -1, "minor": step, "kind": CONTRACTS, "day": day}
        )
        for one, day, step in parts
    ]
    changes = pd.concat(rows, ignore_index=True)
    changes = changes[(changes["day"] <= end) & (changes["customer"] >= 0)]
    return changes.assign(day=_days(changes["day"]))


def _custom(ledger: Ledger, documents: pd.Index) -> np.ndarray:
    """Which documents are for goods made to order, by the invoice or else by its order; False: not said."""
    table, ids = ledger.invoices, pd.Series(documents)
    at = positions(ids, table["invoice_id"])
    made = np.zeros(len(documents), dtype=bool)
    if "custom_made" in table:
        made = table["custom_made"].take(at).fillna(False).to_numpy(dtype=bool)
    orders = ledger.rows("orders")
    if "order_id" in table and "custom_made" in orders:
        said = looked_up(table["order_id"].take(at), orders.set_index("order_id")["custom_made"])
        made = made | said.fillna(False).to_numpy(dtype=bool)
    return made
