"""What is open on a day, document by document, and the aging table (账龄分析表) over it."""

import numpy as np
import pandas as pd

from credit_lab import money
from credit_lab.aging.buckets import CREDIT_NOTES, UNAPPLIED, Basis, Buckets
from credit_lab.aging.postings import CASH, CREDIT_NOTE, INVOICE, KINDS, postings
from credit_lab.errors import PeriodError
from credit_lab.ledger.model import Ledger
from credit_lab.periods import takes_days


@takes_days
def open_items(
    ledger: Ledger,
    as_of: pd.Timestamp,
    *,
    by: Basis = "due_date",
    buckets: Buckets | None = None,
    freeze_disputed: bool = False,
) -> pd.DataFrame:
    """Open documents at the end of day `as_of`, from documents and matchings dated up to then and nothing later.

    residual = amount − what was matched or written off by `as_of`. An invoice with instalments has a row for each of
    them; money settles the earliest due first.

    Parameters
    ----------
    ledger : one currency
    as_of : inclusive
    by : age from the due date (逾期账龄) or from the issue date (账龄)
    buckets : edges; default not due, 1-30, 31-60, 61-90, 91-180, 181-365, >365
    freeze_disputed : days past due on which a dispute was open do not count (a policy's choice); needs disputes

    Returns
    -------
    DataFrame
        kind (invoice, credit_note, unapplied_cash), document_id, part, customer_id, issue_date, due_date, days (past
        due, or since issue), bucket (label; credit notes and unapplied cash have buckets of their own), open_amount
        (signed, currency units). Sorted by kind, document and part.

    Raises
    ------
    PeriodError
        `as_of` lies before the first document.
    LedgerError
        Several currencies.
    """
    buckets = buckets or Buckets(by=by)
    _not_before(ledger, as_of)
    items = pd.concat([_residuals(part, as_of) for part in ledger.parts()])
    items = items.sort_values(["kind", "document_id", "part"], kind="stable", ignore_index=True)
    days = (as_of - items[buckets.by]).dt.days
    if freeze_disputed:
        days = days - _days_disputed(ledger, items, as_of, buckets.by)
    label = buckets.of(days.to_numpy())
    label = np.select([items["kind"] == CREDIT_NOTE, items["kind"] == CASH], [CREDIT_NOTES, UNAPPLIED], label)
    return items.assign(
        kind=pd.Series(np.array(KINDS)[items["kind"]], index=items.index, dtype="str"),
        days=days,
        bucket=pd.Series(label, index=items.index, dtype="str"),
        open_amount=money.from_minor(items["minor"], ledger.currency),
    ).drop(columns="minor")


def _residuals(ledger: Ledger, as_of: pd.Timestamp) -> pd.DataFrame:
    """Documents and parts of documents whose postings up to `as_of` do not add up to zero, with what they add up to."""
    rows = postings(ledger)
    rows = rows[rows["day"] <= as_of]
    name = pd.factorize(rows["document_id"])[0]
    key = (name * len(KINDS) + rows["kind"].to_numpy()) * (rows["part"].max() + 1 if len(rows) else 1) + rows["part"]
    document, keys = pd.factorize(key.to_numpy())
    total = np.zeros(len(keys), dtype=np.int64)
    np.add.at(total, document, rows["minor"].to_numpy())
    first = np.flatnonzero(~key.duplicated().to_numpy())  # in the order of `keys`
    items = rows.take(first[total != 0]).assign(minor=total[total != 0])
    return items[["kind", "document_id", "part", "customer_id", "issue_date", "due_date", "minor"]]


def _days_disputed(ledger: Ledger, items: pd.DataFrame, as_of: pd.Timestamp, by: Basis) -> pd.Series:
    """Days after the reference date on which a dispute over the document was open; overlapping disputes count once."""
    disputes = ledger.table("disputes", needed_for="frozen aging of disputed items")
    known = disputes[disputes["opened_on"] <= as_of].sort_values(["invoice_id", "opened_on"])
    until = known["closed_on"].fillna(as_of).clip(upper=as_of)
    spent = pd.DataFrame({"document_id": known["invoice_id"], "opened": known["opened_on"], "end": until})
    runs = items[["document_id", by]].reset_index(names="id").merge(spent, on="document_id")
    runs = runs.sort_values(["id", "opened"]).assign(start=lambda r: np.maximum(r["opened"], r[by]))
    seen = runs.groupby("id")["end"].cummax().groupby(runs["id"]).shift()
    length = (runs["end"] - runs["start"].where(seen.isna(), np.maximum(runs["start"], seen))).dt.days.clip(lower=0)
    total = length.groupby(runs["id"]).sum()
    return total.reindex(items.index, fill_value=0)


def _not_before(ledger: Ledger, as_of: pd.Timestamp) -> None:
    first = min(
        (day for day in (ledger.invoices["issue_date"].min(), ledger.payments["paid_date"].min()) if pd.notna(day)),
        default=None,
    )
    if first is None or as_of < first:
        begins = f"begins on {first.date()}" if first is not None else "is empty"
        raise PeriodError(f"as of {as_of.date()}: nothing is known yet, {ledger.source} {begins}; choose a later date")


def bucket_table(items: pd.DataFrame, currency: str, *, buckets: Buckets | None = None) -> pd.DataFrame:
    """Aging table over open items.

    Returns one row per bucket in order of age, then unapplied_cash and credit_notes: columns bucket, items,
    open_amount (currency units), share (of the open invoices). The column open_amount adds up to the control balance.
    """
    sums = bucket_sums(items, currency, buckets=buckets)
    minor = sums["minor"].to_numpy()
    invoices = minor[:-2].sum()
    return pd.DataFrame(
        {
            "bucket": sums["bucket"],
            "items": sums["items"],
            "open_amount": money.from_minor(minor, currency),
            "share": [*(minor[:-2] / invoices if invoices else [np.nan] * len(minor[:-2])), np.nan, np.nan],
        }
    )


def bucket_sums(items: pd.DataFrame, currency: str, *, buckets: Buckets | None = None) -> pd.DataFrame:
    """The sums behind `bucket_table`, which may be compared: columns bucket, items, minor (int64 minor units)."""
    names = [*(buckets or Buckets()).labels, UNAPPLIED, CREDIT_NOTES]
    minor = pd.Series(money.to_minor(items["open_amount"], currency), index=items.index)
    grouped = minor.groupby(items["bucket"]).agg(["size", "sum"]).reindex(names, fill_value=0)
    return pd.DataFrame({"bucket": names, "items": grouped["size"].to_numpy(), "minor": grouped["sum"].to_numpy()})


def only_invoices(items: pd.DataFrame) -> pd.DataFrame:
    """Open invoices without credit notes and unapplied cash."""
    return items[items["kind"] == KINDS[INVOICE]]
