"""Are the statements believable? Identities inside one statement, and statements against what we and others billed.

Checks and their ids:

identity           assets = liabilities + net worth
parts              current assets within assets, current liabilities within liabilities, stocks + receivables + cash
                   within current assets
sign               an amount that cannot be negative is
unit               total assets or sales are about 1,000 or 10,000 (万) times those of the year before or after
two_statements     two sources give different figures for one period
our_sales          we billed the customer more within the period than its cost of sales
tax_invoices       sales by tax invoices (fact tax_invoiced_sales) differ from sales in the statement
"""

import numpy as np
import pandas as pd

from credit_lab import schema
from credit_lab.errors import CreditLabError
from credit_lab.periods import takes_days

NOT_NEGATIVE = ("sales", "total_assets", "current_assets", "inventory", "receivables", "cash", "total_liabilities",
                "current_liabilities")  # fmt: skip
_KEY = ["customer_id", "period_end", "source"]
_FINDING = {
    "customer_id": "id", "period_end": "date", "source": "text", "check": "text", "value": "number",
    "expected": "number", "detail": "text",
}  # fmt: skip
_COLUMNS = list(_FINDING)


def known_statements(financials: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """Statements published up to `as_of`, one per customer and period: audited before unaudited, then the latest.

    Raises
    ------
    CreditLabError
        One source gives two statements for one period.
    """
    rows = financials[financials["published_on"] <= as_of]
    twice = rows.duplicated(_KEY, keep=False)
    if twice.any():
        first = rows[twice].iloc[0]
        raise CreditLabError(
            f"financials: {int(twice.sum())} rows give two statements of one source for one period (first: "
            f"{first['customer_id']}, {first['period_end'].date()}, {first['source']}); keep one of them"
        )
    audited = rows["audited"].fillna(False).astype(bool) if "audited" in rows else False
    ordered = rows.assign(_audited=audited).sort_values(
        ["customer_id", "period_end", "_audited", "published_on", "source"], kind="stable"
    )
    return ordered.drop_duplicates(["customer_id", "period_end"], keep="last").drop(columns="_audited").reset_index(
        drop=True
    )  # fmt: skip


@takes_days
def check_statements(
    financials: pd.DataFrame,
    as_of: pd.Timestamp,
    *,
    billed: pd.DataFrame | None = None,
    tax_sales: pd.DataFrame | None = None,
    tolerance: float = 0.005,
) -> pd.DataFrame:
    """Findings of all checks on statements published up to `as_of`.

    Parameters
    ----------
    billed : customer_id, issue_date, amount (net of tax), what our ledger billed
    tax_sales : customer_id, period_end, sales; sales by tax invoices
    tolerance : share by which identities may fail from rounding; sales by tax invoices may differ ten times as much

    Returns
    -------
    DataFrame
        customer_id, period_end, source, check, value, expected, detail.
    """
    rows = financials[financials["published_on"] <= as_of].reset_index(drop=True)
    found = [_inside(rows, tolerance), _units(rows), _twice(rows, tolerance)]
    if billed is not None:
        found.append(_our_sales(rows, billed))
    if tax_sales is not None:
        both = rows.merge(tax_sales.rename(columns={"sales": "tax_sales"}), on=["customer_id", "period_end"])
        off = (both["tax_sales"] / both["sales"].where(both["sales"] > 0) - 1).abs() > 10 * tolerance
        found.append(_say(both[off], "tax_invoices", "sales", both["tax_sales"], "sales by tax invoices"))
    whole = pd.concat([part for part in found if len(part)] or [schema.no_rows(_FINDING)], ignore_index=True)
    return whole.sort_values(["customer_id", "period_end", "check"], ignore_index=True)


def _say(rows: pd.DataFrame, check: str, value: str, expected: pd.Series | float, detail: str) -> pd.DataFrame:
    against = expected.loc[rows.index] if isinstance(expected, pd.Series) else expected
    return rows[_KEY].assign(check=check, value=rows[value].astype("float64"), expected=against, detail=detail)[
        _COLUMNS
    ]


def _inside(rows: pd.DataFrame, tolerance: float) -> pd.DataFrame:
    parts = []
    if {"total_assets", "total_liabilities", "net_worth"} <= set(rows):
        due = rows["total_liabilities"] + rows["net_worth"]
        off = (rows["total_assets"] - due).abs() > tolerance * rows["total_assets"].abs()
        parts.append(_say(rows[off], "identity", "total_assets", due, "assets = liabilities + net worth"))
    for part, whole in (
        ("current_assets", "total_assets"),
        ("current_liabilities", "total_liabilities"),
        ("inventory", "current_assets"),
        ("receivables", "current_assets"),
        ("cash", "current_assets"),
    ):
        if {part, whole} <= set(rows):
            off = rows[part] > rows[whole] + tolerance * rows[whole].abs()
            parts.append(_say(rows[off], "parts", part, rows[whole], f"{part} above {whole}"))
    for name in NOT_NEGATIVE:
        if name in rows:
            parts.append(_say(rows[rows[name] < 0], "sign", name, 0.0, f"{name} below zero"))
    return pd.concat(parts, ignore_index=True) if parts else schema.no_rows(_FINDING)


def _units(rows: pd.DataFrame) -> pd.DataFrame:
    """A statement in another unit stands out against the median of the customer's own statements."""
    parts = []
    for name in ("total_assets", "sales"):
        if name not in rows:
            continue
        own = rows[name].where(rows[name] > 0)
        others = own.groupby(rows["customer_id"]).transform("median")
        enough = own.groupby(rows["customer_id"]).transform("count") >= 3
        ratio = np.log10(own / others)
        off = enough & (ratio.abs() > 2.5)
        parts.append(_say(rows[off], "unit", name, others, f"{name} in another unit (thousand, 万)?"))
    return pd.concat(parts, ignore_index=True) if parts else schema.no_rows(_FINDING)


def _twice(rows: pd.DataFrame, tolerance: float) -> pd.DataFrame:
    if "total_assets" not in rows:
        return schema.no_rows(_FINDING)
    middle = rows.groupby(["customer_id", "period_end"])["total_assets"].transform("median")
    off = (rows["total_assets"] - middle).abs() > tolerance * middle.abs()
    return _say(rows[off], "two_statements", "total_assets", middle, "sources give different figures for one period")


def _our_sales(rows: pd.DataFrame, billed: pd.DataFrame) -> pd.DataFrame:
    """Nobody buys more from one supplier within a year than all it spends on goods."""
    if "cost_of_sales" not in rows or rows.empty:
        return schema.no_rows(_FINDING)
    pairs = rows.assign(row=rows.index)[["row", "customer_id", "period_end"]].merge(
        billed[["customer_id", "issue_date", "amount"]], on="customer_id"
    )
    since = pairs["period_end"] - pd.DateOffset(months=12)
    inside = pairs[(pairs["issue_date"] <= pairs["period_end"]) & (pairs["issue_date"] > since)]
    ours = inside.groupby("row")["amount"].sum().reindex(rows.index).fillna(0.0)
    off = ours > rows["cost_of_sales"]
    return _say(rows[off], "our_sales", "cost_of_sales", ours, "we billed more than all its cost of sales")
