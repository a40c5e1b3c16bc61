"""The control identity: what the documents add up to against what the control account says."""

import numpy as np
import pandas as pd

from credit_lab import money
from credit_lab.ledger.model import Ledger


def balance(ledger: Ledger, as_of: pd.Timestamp) -> pd.DataFrame:
    """Receivables balance at the end of `as_of` per currency, from the documents alone.

    balance = invoices and credit notes issued − receipts − write-offs (recoveries add), all dated ≤ as_of. Matching
    (allocations) moves nothing between customers and the firm, so it cannot change the balance: buckets plus
    unapplied cash must give the same figure.

    Returns columns currency, invoiced, received, written_off, balance (currency units).
    """
    of_invoice = ledger.invoices.set_index("invoice_id")["currency"]
    flows = {
        "invoiced": (ledger.invoices, "issue_date", ledger.invoices["currency"]),
        "received": (ledger.payments, "paid_date", ledger.payments["currency"]),
    }
    if ledger.has("write_offs"):
        rows = ledger.tables["write_offs"]
        flows["written_off"] = (rows, "written_off_on", rows["invoice_id"].map(of_invoice))
    names = sorted(ledger.currencies) or [""]
    table = pd.DataFrame({"currency": names}).assign(invoiced=0, received=0, written_off=0)
    for name, (rows, day, currency) in flows.items():
        dated = (rows[day] <= as_of).to_numpy()
        minor = pd.Series(money.to_minor(rows["amount"][dated], currency[dated]), dtype="int64")
        sums = minor.groupby(currency[dated].to_numpy()).sum()
        table[name] = table["currency"].map(sums).fillna(0).astype("int64")
    table["balance"] = table["invoiced"] - table["received"] - table["written_off"]
    scale = money.scale(table["currency"])
    return table.assign(**{name: table[name] / scale for name in table.columns[1:]})


def against_control(ledger: Ledger) -> pd.DataFrame:
    """Every control account balance beside the ledger's own figure.

    Returns columns as_of, currency, control, ledger, difference (currency units; 0.00 means they agree to the
    minor unit). Empty without a control table.
    """
    columns = ["as_of", "currency", "control", "ledger", "difference"]
    if not ledger.has("control") or ledger.tables["control"].empty:
        return pd.DataFrame({name: [] for name in columns})
    control = ledger.tables["control"]
    rows = []
    for as_of, code, stated in zip(control["as_of"], control["currency"], control["balance"], strict=True):
        own = balance(ledger, as_of).set_index("currency")["balance"].get(code, 0.0)
        minor = money.to_minor(pd.Series([stated, own]), str(code))
        rows.append((as_of, code, stated, own, money.from_minor(np.diff(minor)[0], str(code)).item()))
    return pd.DataFrame(rows, columns=columns)
