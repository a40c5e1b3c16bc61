"""The control identity: what the documents add up to against what the control account says."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from credit_lab import money, schema
from credit_lab.ids import positions
from credit_lab.ledger.model import Ledger


def balance(ledger: Ledger, as_of: pd.Timestamp) -> pd.DataFrame:
    """Receivables balance at the end of `as_of` per currency, from the documents alone.

    balance = invoices and credit notes issued − receipts − write-offs (recoveries add), all dated ≤ as_of. Matching
    (allocations) moves nothing between customers and the firm, so it cannot change the balance: buckets plus
    unapplied cash must give the same figure.

    Returns columns currency, invoiced, received, written_off, balance (currency units).
    """
    return _balances(ledger, [as_of]).drop(columns="as_of")


def _balances(ledger: Ledger, days: Collection[pd.Timestamp]) -> pd.DataFrame:
    """`balance` at the end of several days in one pass: as_of and its columns, ordered by day and currency."""
    ends, names = pd.DatetimeIndex(days).unique().sort_values(), sorted(ledger.currencies) or [""]
    flows = {"invoiced": ("invoices", "issue_date"), "received": ("payments", "paid_date")}
    if ledger.has("write_offs"):
        flows["written_off"] = ("write_offs", "written_off_on")
    table = pd.DataFrame({"as_of": np.repeat(ends, len(names)), "currency": np.tile(names, len(ends))})
    table = table.astype({"currency": "str"}).assign(invoiced=0, received=0, written_off=0)
    for name, (source, day) in flows.items():
        rows = ledger.tables[source]
        first = np.searchsorted(ends.to_numpy(), rows[day].to_numpy())
        sums = np.zeros((len(ends) + 1, len(names)), dtype=np.int64)
        if len(names) == 1:
            np.add.at(sums[:, 0], first, money.to_minor(rows["amount"], names[0]))
        else:
            currency = _currency(ledger, source)
            minor = money.to_minor(rows["amount"], currency)
            np.add.at(sums, (first, positions(currency, pd.Index(names))), minor)
        table[name] = sums[:-1].cumsum(axis=0).ravel()
    table["balance"] = table["invoiced"] - table["received"] - table["written_off"]
    scale = money.scale(table["currency"])
    return table.assign(**{name: table[name] / scale for name in table.columns[2:]})


def _currency(ledger: Ledger, source: str) -> pd.Series:
    """Currency of each row; a write-off is in that of its invoice."""
    rows = ledger.tables[source]
    if "currency" in rows:
        return rows["currency"]
    return ledger.invoices["currency"].take(positions(rows["invoice_id"], ledger.invoices["invoice_id"]))


def against_control(ledger: Ledger) -> pd.DataFrame:
    """Every control account balance beside the ledger's own figure.

    Returns columns as_of, currency, control, ledger, difference (currency units; 0.00 means they agree to the
    minor unit). Empty without a control table.
    """
    columns = ["as_of", "currency", "control", "ledger", "difference"]
    if not ledger.has("control") or ledger.tables["control"].empty:
        return schema.no_rows({"as_of": "date", "currency": "text"} | dict.fromkeys(columns[2:], "money"))
    control = ledger.tables["control"]
    found = _balances(ledger, control["as_of"]).set_index(["as_of", "currency"])["balance"]
    rows = []
    for as_of, code, stated in zip(control["as_of"], control["currency"], control["balance"], strict=True):
        own = found.get((as_of, code), 0.0)
        minor = money.to_minor(pd.Series([stated, own]), str(code))
        rows.append((as_of, code, stated, own, money.from_minor(np.diff(minor)[0], str(code)).item()))
    return pd.DataFrame(rows, columns=columns)
