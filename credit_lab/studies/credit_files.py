"""Credit files as a record for notebook 20, the quarterly review and the command `files`."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from credit_lab import history, investigation, knowledge, limits, money
from credit_lab.errors import LedgerError
from credit_lab.investigation.files import facts_of
from credit_lab.ledger.model import Ledger
from credit_lab.policy import Policy
from credit_lab.studies.record import Record
from credit_lab.studies.text import money_text


@dataclass(frozen=True)
class CreditFiles(Record, prefix="files_"):
    """Credit files as of a day.

    Attributes
    ----------
    files : see `investigation.Files`
    by_tier : tier, customers, at_stake, completeness, due
    attributes : attribute, known (share of the customers whose tier asks for it), stale
    verdicts : attribute, agrees, differs, single source, stale (numbers of customers)
    discrepancies, changes : see `investigation.Verification` and `investigation.Files`
    statements : findings on statements, see `investigation.check_statements`
    duplicates : customers who may be one
    lines : what to know first, and what the ledger cannot give
    """

    as_of: pd.Timestamp
    files: pd.DataFrame
    by_tier: pd.DataFrame
    attributes: pd.DataFrame
    verdicts: pd.DataFrame
    discrepancies: pd.DataFrame
    changes: pd.DataFrame
    statements: pd.DataFrame
    duplicates: pd.DataFrame
    lines: tuple[str, ...]


def with_register(ledger: Ledger, register: str, mapping: str, as_of: pd.Timestamp) -> Ledger:
    """The ledger with the facts of a register export added; its own claims of that source stay as
    history.

    Raises
    ------
    LedgerError
        See `investigation.read_register`; or no customer of the export is in the ledger.
    """
    if not register:
        return ledger
    more = investigation.read_register(register, mapping, observed_on=as_of)
    mine = more[more["customer_id"].isin(ledger.customers["customer_id"])]
    if len(more) and mine.empty:
        raise LedgerError(
            f"register export {register}: none of its customers is in {ledger.source}; check the "
            "ids"
        )
    whole = pd.concat([facts_of(ledger), mine], ignore_index=True).drop_duplicates(
        ignore_index=True
    )
    return replace(ledger, tables={**ledger.tables, "facts": whole})


def stakes(ledger: Ledger, as_of: pd.Timestamp) -> pd.DataFrame:
    """What is at stake at the last month end up to `as_of`: customer_id, sales, exposure,
    payment_index.

    Where the ledger cannot say how customers pay, at `as_of` itself and without payment_index.
    """
    if knowledge.of(ledger, as_of=as_of).why("matching", "settled"):
        stands = limits.exposure(ledger, as_of)[["customer_id", "exposure"]]
        days = ledger.invoices["issue_date"]
        sold = ledger.invoices[(days > as_of - pd.DateOffset(months=12)) & (days <= as_of)]
        sales = money.added(sold["amount"], sold["customer_id"], ledger.currency)
        made = stands.assign(sales=stands["customer_id"].map(sales).fillna(0.0))
        return made.assign(payment_index=np.nan)
    past = history.build(ledger, as_of)
    last = past[past["month"] == past["month"].max()]
    return last[["customer_id", "sales_12m", "exposure", "payment_index"]].rename(
        columns={"sales_12m": "sales"}
    )


def credit_files(ledger: Ledger, policy: Policy, as_of: pd.Timestamp) -> CreditFiles:
    """Files of all customers with documents, from what was known on `as_of`.

    Raises
    ------
    CreditLabError
        Attributes or sources unknown to the policy, two statements of one source for one period.
    PeriodError
        No month end by then.
    """
    ledger = ledger.known_by(as_of)
    made = investigation.credit_files(ledger, policy, as_of, stakes(ledger, as_of))
    files, seen = made.files, made.verification
    tiers = files.groupby("tier").agg(
        customers=("customer_id", "size"),
        at_stake=("at_stake", "sum"),
        completeness=("completeness", "mean"),
        due=("due", "sum"),
    )
    tiers = tiers.reindex(["key", "normal", "small"]).dropna(how="all").reset_index()
    asked = made.attributes.groupby("attribute", sort=False)
    known = asked.agg(
        customers=("known", "size"), known=("known", "mean"), stale=("stale", "mean")
    ).reset_index()
    order = ["agrees", "differs", "single source", "stale"]
    verdicts = pd.crosstab(seen.verdicts["attribute"], seen.verdicts["verdict"]).reindex(
        columns=order, fill_value=0
    )
    statements = pd.DataFrame()
    if ledger.has("financials"):
        net = ledger.invoices[["customer_id", "issue_date", "amount"]].assign(
            amount=ledger.invoices["amount"] / (1 + policy.economics.tax_rate)
        )
        statements = investigation.check_statements(
            ledger.tables["financials"], as_of, billed=net, tax_sales=_tax_sales(ledger, as_of)
        )
    twins = investigation.duplicates(ledger.customers)
    return CreditFiles(
        as_of,
        files,
        tiers,
        known,
        verdicts.rename_axis(columns=None).reset_index(),
        seen.discrepancies,
        made.changes,
        statements,
        twins,
        tuple(_lines(ledger, as_of, files, seen, statements, twins)),
    )


def _tax_sales(ledger: Ledger, as_of: pd.Timestamp) -> pd.DataFrame | None:
    """Sales by tax invoices, from facts observed on the balance sheet day they speak of."""
    facts = facts_of(ledger)
    rows = facts[(facts["attribute"] == "tax_invoiced_sales") & (facts["observed_on"] <= as_of)]
    if rows.empty:
        return None
    sales = pd.to_numeric(rows["value"], errors="coerce")
    return rows.assign(period_end=rows["observed_on"], sales=sales)[
        ["customer_id", "period_end", "sales"]
    ]


def _lines(
    ledger: Ledger,
    as_of: pd.Timestamp,
    files: pd.DataFrame,
    seen: investigation.Verification,
    statements: pd.DataFrame,
    twins: pd.DataFrame,
) -> list[str]:
    odd, several = seen.discrepancies, seen.verdicts["verdict"].isin(["agrees", "differs"]).any()
    key = files[files["tier"] == "key"]
    lines = []
    if ledger.has("facts") and len(ledger.tables["facts"]):
        lines.append(
            f"{int(files['due'].sum()):,} of {len(files):,} files are due for work, "
            f"{int(key['due'].sum())} of them of the {len(key)} key customers."
        )
        largest = odd["customer_id"].nunique()
        money = odd.drop_duplicates("customer_id")["at_stake"].sum()
        lines.append(
            f"Sources contradict each other in {len(odd)} claims about {largest} customers who owe "
            f"{money_text(float(money), ledger.currency)}."
            if len(odd)
            else "No source contradicts another."
            if several
            else "No attribute has claims of two sources: nothing could be verified."
        )
    else:
        lines.append(
            f"The ledger has no facts (table 'facts'): every file is empty, {len(key)} key "
            "customers come first. A register export can be added with --register."
        )
    if not ledger.has("financials"):
        lines.append("No financial statements: nothing to check in them.")
    elif not (ledger.tables["financials"]["published_on"] <= as_of).any():
        lines.append(f"No financial statement was published by {as_of.date()}: nothing to check.")
    else:
        lines.append(
            f"{len(statements)} findings in statements."
            if len(statements)
            else "Statements are consistent."
        )
    if len(twins):
        lines.append(f"{len(twins)} pairs of customers may be one company.")
    return lines
