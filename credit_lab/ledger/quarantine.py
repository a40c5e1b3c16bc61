"""The quarantine: where rows go that cannot be used, with table, row, column, rule and value. Nothing vanishes.

Every raw row ends in exactly one disposition: `kept`, `duplicate` (an exact copy dropped), `filtered` (the mapping
leaves it out) or `quarantined`. A `cell` entry records an optional cell that was unreadable and left empty, or a
value that was estimated; its row is kept.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab import money, schema
from credit_lab.errors import LedgerError

COLUMNS = ["table", "row", "column", "rule", "value", "disposition", "currency", "amount"]

# rule -> (what is wrong, the way out)
RULES = {
    "missing_value": ("a required cell is empty", "fill it in the export, or name a constant in the mapping"),
    "unreadable": (
        "a cell cannot be read",
        "fix the export, or say date order, decimal and grouping sign in a mapping",
    ),
    "unreadable_optional": ("an optional cell cannot be read and was left empty", "fix the export if it matters"),
    "finer_than_minor_unit": ("an amount has more decimals than its currency", "round it in the export"),
    "date_means_none": (
        "a date that stands for none (9999-12-31, 1900-01-01) was read as empty",
        "nothing to do; it counts as no date",
    ),
    "unbelievable_date": (
        "a date lies years away from all documents",
        "correct the year, or name the text under missing in the mapping if it means no date",
    ),
    "amount_too_large": ("an amount is beyond 2**53 minor units", "check the decimal sign in the mapping"),
    "bad_currency": ("a currency is no three-letter code", "fix the export, or set codes or a constant in the mapping"),
    "bad_kind": (
        "a document is neither invoice nor credit_note",
        "give its code a meaning in the mapping, or filter it",
    ),
    "credit_note_above_zero": (
        "a credit note has an amount above zero",
        "export it negative: it takes from what is owed",
    ),
    "out_of_range": ("a fraction lies outside 0..1 or a score outside 1..10", "write 2 % as 0.02"),
    "duplicate_id": ("one id stands on rows of different content", "correct the export; both rows are held back"),
    "exact_duplicate": ("a row repeats another one exactly", "nothing to do; it is counted once"),
    "due_before_issue": ("the due date lies before the issue date", "correct the dates in the export"),
    "ends_before_start": ("a period ends before it begins", "correct the dates in the export"),
    "unknown_customer": ("the customer is not in customers", "export the customer, or leave the customers table out"),
    "unknown_invoice": ("the invoice is not in invoices", "widen the export of invoices"),
    "unknown_payment": ("the payment is not in payments", "widen the export of payments"),
    "named_invoice_unknown": (
        "a receipt names an invoice that its customer does not have",
        "it was matched by the next step of the rule; correct the reference if it matters",
    ),
    "open_not_within_amount": (
        "what is open of a document is more than its amount, or of the other sign",
        "export the original amount and what is left of it, both with the document's sign",
    ),
    "receipts_exceed_settled": (
        "receipts name more of a document than amount less open says is settled",
        "export the list of open items on the day of the last receipt, or fewer receipts",
    ),
    "payment_before_invoice": (
        "a payment was matched to an invoice issued later",
        "correct the dates, or set allow_prepayment = true in the mapping",
    ),
    "allocation_exceeds_payment": ("more was matched than the payment holds", "correct the matching"),
    "settlement_exceeds_invoice": (
        "more was matched or written off than the document is worth",
        "correct the matching or the write-off",
    ),
    "instalments_differ": ("the instalments do not add up to their invoice", "correct them; the invoice's date counts"),
    "instalments_against_sign": (
        "a document with instalments, or one of them, is below zero",
        "leave them out; the document's own date counts",
    ),
    "other_currency": ("a payment and its invoice differ in currency", "match within one currency"),
    "other_customer": ("a payment and its invoice belong to different customers", "give both the same customer_id"),
    "issue_date_from_terms": ("a missing issue date was estimated as due date less the term", "export the date"),
    "due_date_from_terms": ("a missing due date was estimated as issue date plus the term", "export the date"),
    "id_from_row_number": ("a missing id was made from the row number", "export the id"),
}


@dataclass
class Quarantine:
    """Collects entries while a ledger is read; `entries` is the finished table."""

    parts: list[pd.DataFrame] = field(default_factory=list)

    def note(
        self,
        table: str,
        rows: pd.DataFrame,
        rule: str,
        *,
        column: str = "",
        value: pd.Series | None = None,
        disposition: str = "quarantined",
    ) -> None:
        """Record `rows` (with their `_row`, and amount and currency where the table has them) under `rule`."""
        if rows.empty:
            return
        shown = value if value is not None else rows[column] if column in rows else pd.Series("", index=rows.index)
        self.parts.append(
            pd.DataFrame(
                {
                    "table": table,
                    "row": rows["_row"].to_numpy(dtype=np.int64),
                    "column": column,
                    "rule": rule,
                    "value": shown.astype("str").fillna("").to_numpy(),
                    "disposition": disposition,
                    "currency": _or_default(rows, "currency", ""),
                    "amount": _or_default(rows, "amount", np.nan),
                }
            )
        )

    def take(
        self, table: str, frame: pd.DataFrame, mask: npt.ArrayLike, rule: str, *, column: str = "", **note: str
    ) -> pd.DataFrame:
        """Move the rows under `mask` to the quarantine and give back the others."""
        chosen = np.asarray(mask, dtype=bool)
        if not chosen.any():
            return frame
        self.note(table, frame[chosen], rule, column=column, **note)
        return frame[~chosen]

    def entries(self) -> pd.DataFrame:
        """All entries, ordered by table, row and rule."""
        if not self.parts:
            return pd.DataFrame({name: pd.Series(dtype="float64" if name == "amount" else "str") for name in COLUMNS})
        whole = pd.concat(self.parts, ignore_index=True)
        return whole.sort_values(["table", "row", "rule", "column"], kind="stable", ignore_index=True)


def _or_default(rows: pd.DataFrame, name: str, default: object) -> object:
    return rows[name].fillna(default).to_numpy() if name in rows else default


def tally(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The kept rows of a table summed up, so that `accounting` and `enforce` do not need the rows themselves.

    Returns table, disposition (kept), rule (empty), currency, rows, minor (sum of amounts in minor units),
    rows_without_amount, size (sum of the amounts' sizes in currency units): one row per currency.
    """
    currency = frame.get("currency", pd.Series("", index=frame.index, dtype="str"))
    amount = frame.get("amount", pd.Series(np.nan, index=frame.index))
    minor, readable = _minor(amount, currency)
    codes, names = pd.factorize(currency, use_na_sentinel=False)
    whole = pd.DataFrame({"rows": 1, "minor": minor, "rows_without_amount": ~readable, "size": amount.abs().to_numpy()})
    head = pd.DataFrame({"table": name, "disposition": "kept", "rule": "", "currency": pd.Series(names, dtype="str")})
    return head.join(whole.groupby(codes).sum())


def _minor(amount: pd.Series, currency: pd.Series) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Amounts in minor units, 0 where there is none to add; and where there is one."""
    readable = (amount.abs() * money.scale(currency) < money.LARGEST_MINOR).to_numpy()
    if readable.all():
        return money.to_minor(amount, currency), readable
    minor = np.zeros(len(amount), dtype=np.int64)
    minor[readable] = money.to_minor(amount[readable], currency[readable])
    return minor, readable


def accounting(entries: pd.DataFrame, kept: list[pd.DataFrame]) -> pd.DataFrame:
    """Rows and amounts per table, disposition, rule and currency; amounts summed in minor units.

    Tables without amounts count rows only (amount NaN). `rows_without_amount` says how many rows had none to add.
    `kept` holds a `tally` per table.
    """
    by, sums = ["table", "disposition", "rule", "currency"], ["rows", "minor", "rows_without_amount"]
    lost = entries[entries["disposition"] != "cell"]
    minor, readable = _minor(lost["amount"], lost["currency"])
    lost = lost[by].assign(rows=1, minor=minor, rows_without_amount=(~readable).astype(np.int64))
    rows = pd.concat([*(part[by + sums] for part in kept), lost], ignore_index=True)
    grouped = rows.groupby(by, dropna=False)[sums].sum().reset_index()
    amount = grouped["minor"] / money.scale(grouped["currency"])
    return grouped.assign(amount=amount.mask(grouped["rows_without_amount"] == grouped["rows"])).drop(columns="minor")


def rows_read(accounting: pd.DataFrame) -> dict[str, int]:
    """Rows read by what became of them: read (all), kept, duplicate (exact copies), filtered, quarantined (held back).

    The one place that counts them, so that a page, a pack and a record say the same.
    """
    rows = accounting.groupby("disposition")["rows"].sum() if len(accounting) else pd.Series(dtype="int64")
    counts = {name: int(rows.get(name, 0)) for name in ("kept", "duplicate", "filtered", "quarantined")}
    return {"read": sum(counts.values()), **counts}


def enforce(entries: pd.DataFrame, kept: dict[str, pd.DataFrame], *, max_share: float) -> None:
    """Stop when a table lost more than `max_share` of its amount (of its rows, where no amounts are known).

    `kept` holds the `tally` of each table.

    Raises
    ------
    LedgerError
        One line per rule: table, rows, first rows, example value and the way out.
    """
    held = entries[entries["disposition"] == "quarantined"]
    for table in schema.TABLES:  # what others refer to stands first: the cause is told, not what follows from it
        lost = held[held["table"] == table]
        if lost.empty:
            continue
        whole = kept[table]
        rows_share = len(lost) / (len(lost) + whole["rows"].sum())
        known = np.isfinite(lost["amount"])
        money_share = 0.0
        if known.any():
            gone = lost.loc[known, "amount"].abs().sum()
            money_share = gone / max(gone + whole["size"].sum(), 1e-9)
        share = max(money_share, rows_share if not known.all() else 0.0)
        if not share <= max_share:  # a share that is no number is no leave to go on
            raise LedgerError(
                f"{table}: {len(lost)} row(s) cannot be used, {share:.1%} of the table (allowed {max_share:.1%}):\n"
                + "\n".join(describe(lost))
                + "\nraise max_quarantine_share in the mapping only if you can do without these rows"
            )


def describe(entries: pd.DataFrame) -> list[str]:
    """One sentence per table, column and rule: how many rows, which first, what is wrong, the way out."""
    lines = []
    for (table, column, rule), rows in entries.groupby(["table", "column", "rule"], sort=False):
        what, way_out = RULES.get(rule, ("left out by a filter of the mapping", "change the filter to keep them"))
        first = rows.iloc[0]
        value = f" = {first['value']!r}" if first["value"] else ""
        where = f"{table}.{column}" if column else f"{table}"
        lines.append(f"  {where}: {len(rows)} row(s), first row {first['row']}{value}: {what} [{rule}]; {way_out}")
    return lines
