"""The control identity: what the documents add up to against what the control account says."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from credit_lab import money, schema, summary
from credit_lab.ids import positions
from credit_lab.ledger.model import Ledger
from credit_lab.periods import takes_days

FLOWS = ("invoiced", "received", "written_off", "balance")


@takes_days
def balance_minor(ledger: Ledger, as_of: pd.Timestamp) -> int:
    """Receivables of a ledger of one currency at the end of `as_of`, from the documents alone, in minor units.

    balance = invoices and credit notes issued − receipts − write-offs (recoveries add), all dated ≤ as_of. Matching
    (allocations) moves nothing between customers and the firm, so it cannot change the balance: buckets plus
    unapplied cash must give the same figure.
    """
    return int(_balances(ledger, [as_of])["balance"].sum())


def _balances(ledger: Ledger, days: Collection[pd.Timestamp]) -> pd.DataFrame:
    """What `balance_minor` adds up at the end of several days in one pass: as_of, currency, `FLOWS` (int64)."""
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
    return table.assign(balance=table["invoiced"] - table["received"] - table["written_off"])


def _currency(ledger: Ledger, source: str) -> pd.Series:
    """Currency of each row; a write-off is in that of its invoice."""
    rows = ledger.tables[source]
    if "currency" in rows:
        return rows["currency"]
    return ledger.invoices["currency"].take(positions(rows["invoice_id"], ledger.invoices["invoice_id"]))


def against_control(ledger: Ledger) -> pd.DataFrame:
    """Every control account balance whose currency is known beside the ledger's own figure.

    Returns columns as_of, currency, control, ledger, difference (currency units; 0.00 means they agree to the
    minor unit). Empty without a control table.
    """
    columns = ["as_of", "currency", "control", "ledger", "difference"]
    control = ledger.tables["control"].dropna(subset="currency") if ledger.has("control") else pd.DataFrame()
    if control.empty:
        return schema.no_rows({"as_of": "date", "currency": "text"} | dict.fromkeys(columns[2:], "money"))
    own = _balances(ledger, control["as_of"]).set_index(["as_of", "currency"])["balance"]
    own = own.reindex(pd.MultiIndex.from_frame(control[["as_of", "currency"]]), fill_value=0).to_numpy()
    scale, stated = money.scale(control["currency"]), money.to_minor(control["balance"], control["currency"])
    difference = np.where(own / scale == control["balance"], 0, own - stated)
    table = control[["as_of", "currency"]].assign(
        control=control["balance"], ledger=own / scale, difference=difference / scale
    )
    return table.reset_index(drop=True)


@takes_days
def light(
    control: pd.DataFrame, currency: str = "", *, own: float = 0.0, since: pd.Timestamp | None = None
) -> tuple[str, str]:
    """Whether a ledger reconciles: a light of `credit_lab.summary` and its reason.

    Parameters
    ----------
    control : of `against_control`
    currency : of `own`
    own : difference between two figures of the ledger itself, currency units
    since : first day of the period judged; a control account that ends before it says nothing
    """
    apart = [(abs(own), currency), *zip(control["difference"].abs(), control["currency"], strict=True)]
    worst, code = max(apart, key=lambda one: one[0])
    if worst:
        return summary.STOP, f"difference {money.text(worst, code)}"
    if control.empty:
        return summary.NOT_KNOWN, "nothing to reconcile with; give a control table"
    last = control["as_of"].max()
    if since is not None and last < since:
        return summary.NOT_KNOWN, f"the control account ends on {last.date()}; give its balance for the period"
    return summary.OK, f"difference {money.text(0.0, code)}"
