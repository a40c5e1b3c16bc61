"""A credit file from a company's tax invoices (增值税发票) alone: what it sells and buys says much about its health."""

import numpy as np
import pandas as pd


def invoice_file(sales: pd.DataFrame, purchases: pd.DataFrame) -> pd.DataFrame:
    """Features of each company from the invoices it wrote and received; one row per company.

    Parameters
    ----------
    sales, purchases : enterprise, date, counterparty, gross (refunds below zero), status (valid or void, 作废)

    Returns
    -------
    DataFrame
        With prefix `sales_` and `purchase_`: log_total, log_year (last 365 days), log_count, variation
        (of monthly amounts; stability), gap_share (months without an invoice), concentration (Herfindahl index of
        counterparties), partners (log of their number), void_share, refund_share, days_active, growth (last 365 days
        less the 365 before, over both: −1 to 1); and margin (log sales less log purchases). NaN where a side has no
        invoice.
    """
    both = _side(sales).add_prefix("sales_").join(_side(purchases).add_prefix("purchase_"), how="outer")
    return both.assign(margin=both["sales_log_total"] - both["purchase_log_total"])


def _side(rows: pd.DataFrame) -> pd.DataFrame:
    valid = rows["status"] == "valid"
    sold = rows[valid & (rows["gross"] > 0)]
    by = sold.groupby("enterprise")
    months = sold.groupby(["enterprise", sold["date"].dt.to_period("M")])["gross"].sum().groupby("enterprise")
    span = by["date"].max() - by["date"].min()
    partner = sold.groupby(["enterprise", "counterparty"])["gross"].sum()
    share = partner / partner.groupby("enterprise").transform("sum")
    age = (by["date"].transform("max") - sold["date"]).dt.days
    recent = sold["gross"].where(age < 365, 0.0).groupby(sold["enterprise"]).sum()
    before = sold["gross"].where((age >= 365) & (age < 730), 0.0).groupby(sold["enterprise"]).sum()
    return pd.DataFrame(
        {
            "log_total": np.log1p(by["gross"].sum()),
            "log_year": np.log1p(recent),
            "log_count": np.log1p(by.size()),
            "variation": months.std() / months.mean(),
            "gap_share": 1 - months.size() / (span.dt.days / 30.4375 + 1).clip(lower=1),
            "concentration": (share**2).groupby("enterprise").sum(),
            "partners": np.log1p(by["counterparty"].nunique()),
            "void_share": 1 - valid.groupby(rows["enterprise"]).mean(),
            "refund_share": (rows["gross"] < 0).groupby(rows["enterprise"]).mean(),
            "days_active": span.dt.days,
            "growth": (recent - before) / (recent + before),
        }
    )
