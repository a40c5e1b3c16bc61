"""The front door: `read` turns a foreign export into a checked `Ledger`, or says why it cannot."""

from collections.abc import Collection
from pathlib import Path

import pandas as pd
import pyarrow as pa

from credit_lab import money, schema
from credit_lab.errors import LedgerError, nearest
from credit_lab.ids import looked_up
from credit_lab.ledger import contradictions, matching, open_items, snapshot, sources
from credit_lab.ledger import quarantine as held
from credit_lab.ledger.database import hide_password
from credit_lab.ledger.mapping import Mapping, TableMap, load
from credit_lab.ledger.model import OPEN_ITEMS, Ledger
from credit_lab.ledger.plausible import Span, believed, beyond, span
from credit_lab.ledger.quarantine import Quarantine
from credit_lab.ledger.shape import Shaped, canonical, own_names, shape

Frames = dict[str, pd.DataFrame]
# What the rules look at together; the other tables refer to these and to nothing else.
DOCUMENTS = (
    "customers", "invoices", "instalments", "payments", "allocations", "disputes", "write_offs", "control",
)  # fmt: skip


def read(
    path: str | Path, mapping: str | Path | Mapping | None = None, *, beside: Collection[str] | None = None
) -> Ledger:
    """Read, type, check and reconcile a receivables ledger.

    Parameters
    ----------
    path : folder of CSV/Parquet files (gz too), one such file, an XLSX workbook, or a database URL
    mapping : mapping file (see `credit_lab.ledger.mapping`); none: the source carries the ledger's own names
    beside : tables to keep beside customers, the documents and what settles them (`DOCUMENTS`); none given: all. Of a
        long ledger `report.review` needs no other: `beside=()` saves their memory. They are read, checked and
        accounted for all the same; the ledger's `digest` is that of the tables kept.

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
    source = mapping if isinstance(mapping, Mapping) else load(mapping) if mapping else Mapping()
    chosen = None if beside is None else {schema.table(name).name for name in beside}
    shown, state, found = hide_password(str(path)), sources.state(path), snapshot.loaders(path, source)
    maps = dict(source.tables or _own(found, path))
    quarantine = Quarantine()
    shaped = {name: _shaped(name, maps, found, source, path, quarantine) for name in maps if name in DOCUMENTS}
    _unchanged(path, state)
    frames = _listed(shaped, maps, quarantine)
    _amounts_filled(frames, maps, shown)
    days = span(frames)
    frames = {name: believed(name, frame, days, quarantine) for name, frame in frames.items()}
    settled = shaped["invoices"].settled_on if "invoices" in shaped else None
    del shaped
    _need(frames, quarantine, shown)
    # Before anything is derived from them, so that a receipt of a refused invoice does not float around.
    frames["invoices"] = contradictions.alone("invoices", frames["invoices"], quarantine)
    names = matching.named(frames["payments"]) if source.match and "payments" in frames else schema.empty("payments")
    frames, derived = _derived(frames, settled, days, source, quarantine)
    prepaid = source.allow_prepayment or "_open" in frames["invoices"]
    frames = contradictions.apply(frames, quarantine, allow_prepayment=prepaid)
    kept = {name: held.tally(name, frame) for name, frame in frames.items()}
    held.enforce(quarantine.entries(), kept, max_share=source.max_quarantine_share)
    frames = _matched(frames, source.match, names, quarantine)
    _room(frames, shown)
    tables = _canonical(frames)
    known: Frames = {name: tables[name] for name in ("customers", "invoices") if name in kept}
    for name in maps:  # one after another, so that tables that are not wanted are never in memory together
        if name not in DOCUMENTS:
            frame = believed(name, _shaped(name, maps, found, source, path, quarantine).frame, days, quarantine)
            frame = contradictions.beside(name, frame, known, quarantine)
            kept[name] = held.tally(name, frame)
            if chosen is None or name in chosen:
                tables[name] = canonical(name, frame)
            del frame
            pa.default_memory_pool().release_unused()
    _unchanged(path, state)
    entries = quarantine.entries()
    held.enforce(entries, kept, max_share=source.max_quarantine_share)
    own = [part for name, part in kept.items() if name not in derived]
    accounting = held.accounting(entries[~entries["table"].isin(derived)], own)
    ordered = {name: tables[name] for name in dict.fromkeys([*maps, *tables]) if name in tables}
    told = tables["allocations"].get("matched_by", pd.Series(dtype="str")) == open_items.DERIVED
    return Ledger(
        ordered,
        entries,
        accounting,
        shown,
        _windows(source),
        form=OPEN_ITEMS if maps["invoices"].open or told.any() else Ledger.form,
        tax=source.tax or ("" if source.tables else "included"),
    )


def _listed(shaped: dict[str, Shaped], maps: dict[str, TableMap], quarantine: Quarantine) -> Frames:
    """The rows of each table, receipts without those of invoices that are no longer listed."""
    frames = {name: one.frame for name, one in shaped.items()}
    rule = maps["payments"].unlisted if "payments" in maps else ""
    if rule and "invoices" in shaped:
        listed = shaped["invoices"].listed
        frames["payments"] = open_items.still_listed(frames["payments"], listed, rule, quarantine)
    return frames


def _matched(frames: Frames, rule: str, names: pd.DataFrame, quarantine: Quarantine) -> Frames:
    """The documents with what a list of open items, or the rule of the mapping, settles of them.

    A name that leads nowhere is counted and left to the next step of the rule.
    """
    if "_open" in frames["invoices"]:
        return open_items.settled(frames)
    if not rule:
        return frames
    invoices = frames["invoices"].set_index("invoice_id")["customer_id"]
    nowhere = ~(looked_up(names["invoice_id"], invoices) == names["customer_id"])
    astray = names[nowhere]
    quarantine.note("payments", astray, "named_invoice_unknown", column="invoice_id", disposition="cell")
    lines = [frames["allocations"], matching.by_rule(frames, rule, names)]
    return {**frames, "allocations": pd.concat(lines, ignore_index=True)}


def _unchanged(path: str | Path, state: list[tuple[str, int, int]]) -> None:
    if sources.state(path) != state:
        shown = hide_password(str(path))
        raise LedgerError(f"ledger {shown} was changed while it was read; read it again when the export is complete")


def _windows(mapping: Mapping) -> pd.DataFrame:
    return pd.DataFrame(
        [(pd.Timestamp(one.start), pd.Timestamp(one.end), one.reason) for one in mapping.windows],
        columns=["start", "end", "reason"],
    )


def _shaped(
    name: str,
    maps: dict[str, TableMap],
    found: dict[str, sources.Loader],
    mapping: Mapping,
    path: str | Path,
    quarantine: Quarantine,
) -> Shaped:
    raw = sources.choose(found, maps[name].source, path)()
    return shape(name, raw, maps[name] if mapping.tables else own_names(name, raw), mapping, quarantine)


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


def _amounts_filled(frames: Frames, maps: dict[str, TableMap], shown: str) -> None:
    """Refuse invoices or payments whose amounts are all zero: the mapping reads the wrong column."""
    for name in ("invoices", "payments"):
        amounts = frames[name]["amount"] if name in frames else pd.Series(dtype="float64")
        if len(amounts) and not amounts.any():
            feed = maps[name].columns.get("amount")
            column = ", ".join(feed.sources) if feed else "amount"
            raise LedgerError(
                f"ledger {shown}: all {len(amounts):,} amounts of {name} are zero (column {column!r}); map the amount "
                f"of the document, not what is left open of it, or correct the export"
            )


def _derived(
    frames: Frames, settled: pd.Series | None, days: Span | None, mapping: Mapping, quarantine: Quarantine
) -> tuple[Frames, set[str]]:
    """Payments and allocations that a one-table ledger, or payments naming their invoice, carry implicitly."""
    frames = open_items.within(frames, quarantine) if "_open" in frames["invoices"] else frames
    invoices = frames["invoices"]
    if settled is not None:
        settled = settled.loc[invoices.index]
        slip = beyond(settled, days)
        quarantine.note("invoices", invoices[slip], "unbelievable_date", column="settled_on", value=settled[slip])
        invoices, settled = invoices[~slip], settled[~slip]
        if not mapping.allow_prepayment:
            early = (settled < invoices["issue_date"]).to_numpy()
            quarantine.note(
                "invoices", invoices[early], "payment_before_invoice", column="settled_on", value=settled[early]
            )
            invoices, settled = invoices[~early], settled[~early]
        paid = settled.notna() & (invoices["amount"] != 0)
        payments, allocations = open_items.settlements(invoices[paid], settled[paid])
        return {**frames, "invoices": invoices, "payments": payments, "allocations": allocations}, {
            "payments",
            "allocations",
        }
    if "payments" not in frames:
        nothing, none = open_items.settlements(invoices[:0], invoices["issue_date"][:0])
        return {**frames, "payments": nothing, "allocations": none}, {"payments", "allocations"}
    payments = frames["payments"]
    if "allocations" in frames or "invoice_id" not in payments or mapping.match:
        none = open_items.settlements(invoices[:0], invoices["issue_date"][:0])[1]
        if "allocations" not in frames and "invoice_id" in payments:
            frames = {**frames, "payments": _receipts(payments)}
        return {"allocations": none, **frames}, set() if "allocations" in frames else {"allocations"}
    named = matching.named(payments)
    lines = named.rename(columns={"paid_date": "allocated_on"})
    lines = lines[["payment_id", "invoice_id", "allocated_on", "amount", "_row"]]
    return {**frames, "payments": _receipts(payments), "allocations": lines}, {"allocations"}


def _receipts(lines: pd.DataFrame) -> pd.DataFrame:
    """Payment lines that share id, payer, day and currency are one receipt over several invoices."""
    same = [column for column in ("payment_id", "customer_id", "paid_date", "currency", "known_on") if column in lines]
    minor = pd.Series(money.to_minor(lines["amount"], lines["currency"]), index=lines.index)
    total = minor.groupby([lines[column] for column in same], dropna=False).transform("sum")
    whole = lines.assign(amount=total / money.scale(lines["currency"]))
    one = whole.duplicated("payment_id", keep=False).groupby(whole["payment_id"]).transform("sum") > 1
    return whole.assign(invoice_id=whole["invoice_id"].where(~one)).drop_duplicates(same)


def _customers(frames: Frames) -> pd.DataFrame:
    """Those the documents name, with the most frequent name of each where the rows have one."""
    invoices = frames["invoices"]
    ids = pd.concat([invoices["customer_id"], frames["payments"]["customer_id"]]).drop_duplicates()
    made = pd.DataFrame({"customer_id": ids, "_row": 0})
    if "_customer" not in invoices:
        return made
    counted = invoices.value_counts(["customer_id", "_customer"]).reset_index()
    first = counted.sort_values(["count", "_customer"], ascending=[False, True])
    names = first.drop_duplicates("customer_id").set_index("customer_id")["_customer"]
    return made.assign(name=looked_up(made["customer_id"], names))


def _room(frames: Frames, shown: str) -> None:
    """Refuse amounts whose sums might not fit: int64 would go round without a word."""
    for name in ("invoices", "payments", "allocations"):
        total = float((frames[name]["amount"].abs() * money.scale(frames[name].get("currency", ""))).sum())
        if not total < money.LARGEST_SUM:
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


def _canonical(frames: Frames) -> Frames:
    """The document tables of a ledger; each frame is let go as soon as its table is made."""
    if "control" in frames:
        frames["control"] = _control_currency(frames)
    if "customers" not in frames:
        frames["customers"] = _customers(frames)
    tables = {}
    for name in list(frames):
        tables[name] = canonical(name, frames.pop(name))
        pa.default_memory_pool().release_unused()
    return tables
