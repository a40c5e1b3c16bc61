"""Who owes how much: largest exposures, concentration, what is overdue, and what moved since another date."""

import numpy as np
import pandas as pd

from credit_lab import aging, money, schema
from credit_lab.kpi.formulas import ratio
from credit_lab.ledger.model import Ledger


def by_customer(ledger: Ledger, items: pd.DataFrame) -> pd.DataFrame:
    """Open balances per customer from open items, largest exposure first.

    Returns customer_id, name (where known), exposure (everything: invoices less credit notes and unapplied cash), open
    (invoices), overdue, overdue_30 (more than 30 days past due), max_dpd, share (of the sum of positive exposures).
    """
    code = ledger.currency
    minor = money.to_minor(items["open_amount"], code)
    invoice = (items["kind"] == "invoice").to_numpy()
    dpd = np.where(invoice, items["days"], 0)
    parts = pd.DataFrame(
        {
            "customer_id": items["customer_id"],
            "exposure": minor,
            "open": minor * invoice,
            "overdue": minor * (invoice & (dpd > 0)),
            "overdue_30": minor * (invoice & (dpd > 30)),
            "max_dpd": np.maximum(dpd, 0),
        }
    )
    sums = parts.groupby("customer_id").agg(
        {"exposure": "sum", "open": "sum", "overdue": "sum", "overdue_30": "sum", "max_dpd": "max"}
    )
    for name in ("exposure", "open", "overdue", "overdue_30"):
        sums[name] = money.from_minor(sums[name], code)
    table = sums.reset_index().sort_values(["exposure", "customer_id"], ascending=[False, True], ignore_index=True)
    table = table.assign(share=ratio(table["exposure"], float(table["exposure"].clip(lower=0).sum())))
    if "name" in ledger.customers:
        names = ledger.customers.set_index("customer_id")["name"]
        table.insert(1, "name", table["customer_id"].map(names))
    return table


def concentration(balances: pd.DataFrame) -> pd.DataFrame:
    """Concentration of positive exposures (集中度): measure, unit, value.

    Shares of the largest 1, 5, 10 and 20 customers, the Herfindahl-Hirschman index (Σ share²), and its inverse, the
    number of equally large customers that would be as concentrated.
    """
    shares = balances["exposure"].clip(lower=0)
    shares = np.sort((shares / shares.sum()).to_numpy() if shares.sum() > 0 else np.zeros(0))[::-1]
    index = float((shares**2).sum())
    rows = [(f"largest {count}", "share", float(shares[:count].sum())) for count in (1, 5, 10, 20)]
    rows += [
        ("Herfindahl-Hirschman index", "index", index),
        ("effective number", "customers", float(ratio(1.0, index))),
    ]
    return pd.DataFrame(rows, columns=["measure", "unit", "value"])


def by_group(ledger: Ledger, balances: pd.DataFrame, column: str) -> pd.DataFrame:
    """Balances summed by a column of customers (industry, region, group_id): exposure, open, overdue, customers, share.

    Empty where the ledger does not know the column.
    """
    names = [column, "customers", "exposure", "open", "overdue", "share"]
    if column not in ledger.customers:
        return schema.no_rows({column: "text"} | dict.fromkeys(names[1:], "number"))
    label = balances["customer_id"].map(ledger.customers.set_index("customer_id")[column]).fillna("(none)")
    sums = balances.groupby(label.rename(column)).agg(
        customers=("customer_id", "size"),
        exposure=("exposure", money.total),
        open=("open", money.total),
        overdue=("overdue", money.total),
    )
    sums = sums.reset_index().sort_values("exposure", ascending=False, ignore_index=True)
    return sums.assign(share=ratio(sums["exposure"], float(sums["exposure"].clip(lower=0).sum())))[names]


def changes(before: pd.DataFrame, now: pd.DataFrame, *, rows: int = 15) -> pd.DataFrame:
    """Customers whose overdue amount moved most between two `by_customer` tables.

    Returns customer_id, overdue_before, overdue_now, change, max_dpd (now), what (newly overdue, worse, better,
    cleared), largest movement first.
    """
    both = before[["customer_id", "overdue"]].merge(
        now[["customer_id", "overdue", "max_dpd"]], on="customer_id", how="outer", suffixes=("_before", "_now")
    )
    both = both.fillna({"overdue_before": 0.0, "overdue_now": 0.0, "max_dpd": 0})
    both = both[both["overdue_now"] != both["overdue_before"]]  # each to the cent, by `by_customer`
    moved = zip(both["overdue_now"], both["overdue_before"], strict=True)
    change = pd.Series([money.total((new, -old)) for new, old in moved], both.index, dtype="float64")
    both = both.assign(change=change)
    what = np.select(
        [both["overdue_before"] == 0, both["overdue_now"] == 0, both["change"] > 0],
        ["newly overdue", "cleared", "worse"],
        "better",
    )
    both = both.assign(what=what, size=both["change"].abs())
    ordered = both.sort_values(["size", "customer_id"], ascending=[False, True]).head(rows)
    kept = ["customer_id", "overdue_before", "overdue_now", "change", "max_dpd", "what"]
    return ordered[kept].reset_index(drop=True)


def overdue_items(items: pd.DataFrame) -> pd.DataFrame:
    """Overdue invoices, oldest first: the columns of `aging.open_items`."""
    late = aging.only_invoices(items)
    late = late[late["days"] > 0]
    return late.sort_values(["days", "open_amount", "document_id"], ascending=[False, False, True], ignore_index=True)
