"""The front door: `read` turns a foreign export into a checked `Ledger`, or says why it cannot."""

from pathlib import Path

import numpy as np
import pandas as pd

from credit_lab import money, schema
from credit_lab.errors import LedgerError, nearest
from credit_lab.ledger import quarantine as held
from credit_lab.ledger import rules, sources
from credit_lab.ledger.database import hide_password
from credit_lab.ledger.mapping import Mapping, TableMap, load
from credit_lab.ledger.model import Ledger
from credit_lab.ledger.quarantine import Quarantine
from credit_lab.ledger.shape import own_names, shape

Frames = dict[str, pd.DataFrame]


def read(path: str | Path, mapping: str | Path | Mapping | None = None) -> Ledger:
    """Read, type, check and reconcile a receivables ledger.

    Parameters
    ----------
    path : folder of CSV/Parquet files (gz too), one such file, an XLSX workbook, or a database URL
    mapping : mapping file (see `credit_lab.ledger.mapping`); none: the source carries the ledger's own names

    Returns
    -------
    Ledger
        Tables in canonical column and row order, so that the same ledger gives the same bytes from any source.
        `quarantine` and `accounting` say what became of every row read.

    Raises
    ------
    LedgerError
        The source cannot be read, lacks a table or column, or more than `max_quarantine_share` of a table's amount
        had to be held back. The message names table, row, rule and the way out.
    """
    rules_of_source = mapping if isinstance(mapping, Mapping) else load(mapping) if mapping else Mapping()
    shown = hide_password(str(path))
    state = sources.state(path)
    found = sources.loaders(path, rules_of_source)
    quarantine = Quarantine()
    frames, settled = _shaped(found, rules_of_source, path, quarantine)
    if sources.state(path) != state:
        raise LedgerError(f"ledger {shown} was changed while it was read; read it again when the export is complete")
    _need(frames, quarantine, shown)
    # Before anything is derived from them, so that a receipt of a refused invoice does not float around.
    frames["invoices"] = rules.alone("invoices", frames["invoices"], quarantine)
    frames, derived = _derived(frames, settled, rules_of_source, quarantine)
    frames = rules.apply(frames, quarantine, allow_prepayment=rules_of_source.allow_prepayment)
    entries = quarantine.entries()
    own = {name: frame for name, frame in frames.items() if name not in derived}
    held.enforce(entries, frames, max_share=rules_of_source.max_quarantine_share)
    accounting = held.accounting(entries[~entries["table"].isin(derived)], own)
    if "control" in frames:
        frames["control"] = _control_currency(frames)
    if "customers" not in frames:
        frames["customers"] = _customers(frames)
    _room(frames, shown)
    tables = {name: canonical(name, frame) for name, frame in frames.items()}
    windows = pd.DataFrame(
        [(pd.Timestamp(one.start), pd.Timestamp(one.end), one.reason) for one in rules_of_source.windows],
        columns=["start", "end", "reason"],
    )
    return Ledger(tables, entries, accounting, shown, windows)


def _shaped(
    found: dict[str, sources.Loader], mapping: Mapping, path: str | Path, quarantine: Quarantine
) -> tuple[Frames, pd.Series | None]:
    frames: Frames = {}
    settled = None
    for name, table_map in (mapping.tables or _own(found, path)).items():
        raw = sources.choose(found, table_map.source, path)()
        if not mapping.tables:
            table_map = own_names(name, raw)
        shaped = shape(name, raw, table_map, mapping, quarantine)
        frames[name] = shaped.frame
        if name == "invoices":
            settled = shaped.settled_on
    return frames, settled


def _own(found: dict[str, sources.Loader], path: str | Path) -> dict[str, TableMap]:
    """Tables of a source that carries our own names; a near miss is an error, not a table left out."""
    shown = hide_password(str(path))
    missing = sorted(set(schema.TABLES) - set(found))
    for name in sorted(set(found) - set(schema.TABLES)):
        hint = nearest(name, missing) if missing else ""
        if hint.startswith("did you mean"):
            raise LedgerError(f"ledger {shown}: {name!r} is no table of a ledger; {hint} Rename it, or write a mapping")
    for name in ("invoices", "payments"):
        if name not in found:
            raise LedgerError(
                f"ledger {shown}: no table {name!r} (found {', '.join(sorted(found))}); a ledger needs invoices and "
                f"payments; for foreign names write a mapping, see data/mappings"
            )
    return {name: TableMap.model_validate({"from": name, "columns": {}}) for name in schema.TABLES if name in found}


def _need(frames: Frames, quarantine: Quarantine, shown: str) -> None:
    if "invoices" not in frames:
        raise LedgerError(f"ledger {shown}: the mapping feeds no table 'invoices'; add [tables.invoices]")
    if frames["invoices"].empty and quarantine.entries().empty:
        raise LedgerError(f"ledger {shown}: table 'invoices' has a header but no rows; export it again")


def _derived(
    frames: Frames, settled: pd.Series | None, mapping: Mapping, quarantine: Quarantine
) -> tuple[Frames, set[str]]:
    """Payments and allocations that a one-table ledger, or payments naming their invoice, carry implicitly."""
    invoices = frames["invoices"]
    if settled is not None:
        settled = settled.loc[invoices.index]
        if not mapping.allow_prepayment:
            early = (settled < invoices["issue_date"]).to_numpy()
            quarantine.note(
                "invoices", invoices[early], "payment_before_invoice", column="settled_on", value=settled[early]
            )
            invoices, settled = invoices[~early], settled[~early]
        paid = settled.notna() & (invoices["amount"] != 0)
        payments, allocations = _settlements(invoices[paid], settled[paid])
        return {**frames, "invoices": invoices, "payments": payments, "allocations": allocations}, {
            "payments",
            "allocations",
        }
    if "payments" not in frames:
        nothing, none = _settlements(invoices[:0], invoices["issue_date"][:0])
        return {**frames, "payments": nothing, "allocations": none}, {"payments", "allocations"}
    payments = frames["payments"]
    if "allocations" in frames or "invoice_id" not in payments:
        return {"allocations": _settlements(invoices[:0], invoices["issue_date"][:0])[1], **frames}, (
            set() if "allocations" in frames else {"allocations"}
        )
    named = payments[payments["invoice_id"].notna()]
    lines = named.rename(columns={"paid_date": "allocated_on"})
    lines = lines[["payment_id", "invoice_id", "allocated_on", "amount", "_row"]]
    return {**frames, "payments": _receipts(payments), "allocations": lines}, {"allocations"}


def _settlements(invoices: pd.DataFrame, settled: pd.Series) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One receipt per settled invoice, fully matched on its day."""
    payments = pd.DataFrame(
        {
            "payment_id": "PAY-" + invoices["invoice_id"],
            "customer_id": invoices["customer_id"],
            "paid_date": settled,
            "amount": invoices["amount"],
            "currency": invoices["currency"],
            "_row": invoices["_row"],
        }
    )
    allocations = payments[["payment_id", "amount", "_row"]].assign(
        invoice_id=invoices["invoice_id"], allocated_on=settled
    )
    return payments, allocations


def _receipts(lines: pd.DataFrame) -> pd.DataFrame:
    """Payment lines that share id, payer, day and currency are one receipt over several invoices."""
    same = [column for column in ("payment_id", "customer_id", "paid_date", "currency", "known_on") if column in lines]
    minor = pd.Series(money.to_minor(lines["amount"], lines["currency"]), index=lines.index)
    total = minor.groupby([lines[column] for column in same], dropna=False).transform("sum")
    whole = lines.assign(amount=total / money.scale(lines["currency"]))
    one = whole.duplicated("payment_id", keep=False).groupby(whole["payment_id"]).transform("sum") > 1
    return whole.assign(invoice_id=whole["invoice_id"].where(~one)).drop_duplicates(same)


def _customers(frames: Frames) -> pd.DataFrame:
    ids = pd.concat([frames["invoices"]["customer_id"], frames["payments"]["customer_id"]])
    return pd.DataFrame({"customer_id": ids.drop_duplicates(), "_row": 0})


def _room(frames: Frames, shown: str) -> None:
    """Refuse amounts whose sums might not fit: int64 would go round without a word."""
    for name in ("invoices", "payments", "allocations"):
        total = float((frames[name]["amount"].abs() * money.scale(frames[name].get("currency", ""))).sum())
        if total >= money.LARGEST_SUM:
            raise LedgerError(
                f"ledger {shown}: amounts of {name} add up to {total:.3g} minor units, more than exact sums hold "
                f"({money.LARGEST_SUM:.3g}); check the decimal sign in the mapping, or read parts of the ledger"
            )


def _control_currency(frames: Frames) -> pd.DataFrame:
    """A control account without currency is in the only one there is."""
    control = frames["control"]
    only = frames["invoices"]["currency"].unique()
    named = control["currency"] if "currency" in control else pd.Series(None, index=control.index, dtype="str")
    return control.assign(currency=named.fillna(only[0]) if len(only) == 1 else named)


def canonical(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Columns in schema order, rows by key, amounts snapped to the grid; the contract holds or we have a defect."""
    table = schema.table(name)
    columns = [column for column in table.names if column in frame]
    whole = frame[columns]
    for column in table.columns:
        if column.kind == "money" and column.name in whole:
            scale = money.scale(frame.get("currency", "KWD"))
            whole = whole.assign(**{column.name: np.rint(whole[column.name] * scale) / scale})
    order = list(table.key) if table.key and set(table.key) <= set(columns) else columns
    whole = whole.sort_values(order, kind="stable", ignore_index=True)
    typed = whole.astype({column: schema.DTYPES[table.column(column).kind] for column in columns})
    return schema.contract(name).validate(typed)
