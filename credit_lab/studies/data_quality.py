"""Data quality of a ledger: what was read, what was held back, what each table covers."""

from dataclasses import dataclass

import pandas as pd

from credit_lab import knowledge, money, schema
from credit_lab.facts import Said
from credit_lab.ledger import matching, quarantine, reconcile
from credit_lab.ledger.model import Ledger
from credit_lab.studies.record import Record


@dataclass(frozen=True)
class Quality(Record, prefix="quality_"):
    """Tables of notebook 10.

    Attributes
    ----------
    accounting, findings : what became of every row read, in figures and in sentences
    control : control account against documents
    coverage : table, rows, first, last (day), customers, gives (what rests on it); absent tables
        have neither rows nor customers
    filled : table, column, filled (share of rows with a value), required
    marks : times in which the data mislead
    known, knowledge : what the ledger can carry, and its table
    matched : receipts by how they were matched (`ledger.matched`)
    """

    source: str
    accounting: pd.DataFrame
    findings: tuple[str, ...]
    control: pd.DataFrame
    coverage: pd.DataFrame
    filled: pd.DataFrame
    marks: pd.DataFrame
    lines: tuple[str, ...]
    known: knowledge.Knowledge
    knowledge: pd.DataFrame
    matched: pd.DataFrame


GIVES = {
    "customers": "names, industries, groups",
    "disputes": "dispute rate",
    "write_offs": "losses",
    "orders": "orders in exposure and holds",
    "financials": "ratios, distress scores, capability",
    "facts": "credit files, cross verification",
    "assessments": "expert judgement",
    "limits": "utilisation, limit review",
    "contracts": "contract checks",
    "actions": "promises, collections",
    "covers": "insurance",
    "control": "reconciliation",
    "invoices": "everything",
    "payments": "everything",
    "allocations": "payment behaviour",
    "instalments": "instalments",
}


def quality(ledger: Ledger) -> Quality:
    """Compute the record for a ledger, also one of several currencies."""
    coverage, filled = [], []
    for name, described in schema.TABLES.items():
        frame = ledger.tables[name] if ledger.has(name) else pd.DataFrame()
        dates = [one.name for one in described.columns if one.kind == "date" and one.name in frame]
        days = (
            frame[dates[0]].dropna() if dates and len(frame) else pd.Series(dtype="datetime64[us]")
        )
        who = frame["customer_id"].nunique() if "customer_id" in frame else None
        rows = len(frame) if ledger.has(name) else None
        coverage.append((name, rows, days.min(), days.max(), who, GIVES.get(name, "")))
        for column in described.columns:
            if column.name in frame and len(frame):
                filled.append(
                    (name, column.name, float(frame[column.name].notna().mean()), column.required)
                )
    table = pd.DataFrame(coverage, columns=["table", "rows", "first", "last", "customers", "gives"])
    table = table.astype({"rows": "Int64", "customers": "Int64"})
    control = reconcile.against_control(ledger).tail(13)
    absent = table.loc[table["rows"].isna()]
    findings = tuple(quarantine.describe(ledger.quarantine))
    lines = [*ledger.notes, rows_line(ledger.accounting), control_line(control)]
    lines += [
        f"No table {row.table}; not known: {row.gives}." for row in absent.itertuples() if row.gives
    ]
    known = knowledge.by_currency(ledger)
    shares = pd.DataFrame(filled, columns=["table", "column", "filled", "required"])
    return Quality(
        ledger.source,
        ledger.accounting,
        findings,
        control,
        table,
        shares,
        ledger.windows,
        tuple(lines),
        known,
        known.table,
        matching.matched(ledger),
    )


def rows_line(accounting: pd.DataFrame) -> str:
    """What became of the rows that were read."""
    rows = quarantine.rows_read(accounting)
    parts = [f"{rows['read']:,} rows were read; {rows['kept']:,} are used"]
    for name, words in (("duplicate", "exact copies"), ("filtered", "left out by the mapping")):
        if rows[name]:
            parts.append(f"{rows[name]:,} {words}")
    parts.append(f"{rows['quarantined']:,} held back" if rows["quarantined"] else "none held back")
    told = {f"rows.{name}": count for name, count in rows.items() if count}
    return Said(", ".join(parts) + ".", told)


def control_line(control: pd.DataFrame) -> str:
    """Whether the balance ties to the control account (`reconcile.against_control`)."""
    if control.empty:
        said = (
            "There is no control account to compare with.",
            "It is not known whether the ledger reconciles.",
        )
        return " ".join(said)
    worst = control.loc[control["difference"].abs().idxmax()]
    if worst["difference"] == 0:
        return f"The control account agrees to the cent at all {len(control)} dates."
    apart = money.text(abs(worst["difference"]), worst["currency"])
    return (
        f"The control account differs by up to {apart} {worst['currency']}: reconcile before you "
        "go on."
    )
