"""One reporting currency: conversion that leaves settled documents settled."""

import numpy as np
import pandas as pd

from credit_lab import money


def converted_tables(tables: dict[str, pd.DataFrame], rates: dict[str, float], to: str) -> dict[str, pd.DataFrame]:
    """All money columns of documents in currency `to`; see `Ledger.convert` for where the rounding goes."""
    invoices, payments, allocations = tables["invoices"], tables["payments"], tables["allocations"]
    of_invoice = invoices.set_index("invoice_id")["currency"]
    result = dict(tables)
    result["invoices"] = _convert(invoices, invoices["currency"], rates, to)
    matched = allocations.assign(amount=_cumulative(allocations, allocations["invoice_id"].map(of_invoice), rates, to))
    result["allocations"] = matched
    result["payments"] = _payments(payments, allocations, matched, rates, to)
    for name in ("instalments", "disputes", "write_offs"):
        if name in tables:
            result[name] = _convert(tables[name], tables[name]["invoice_id"].map(of_invoice), rates, to)
    if "control" in tables:
        control = tables["control"].rename(columns={"balance": "amount"})
        result["control"] = _convert(control, control["currency"], rates, to).rename(columns={"amount": "balance"})
    return result


def _minor(amount: pd.Series, currency: pd.Series, rates: dict[str, float], to: str) -> np.ndarray:
    return money.to_minor(amount * currency.map(rates).astype("float64"), to)


def _convert(frame: pd.DataFrame, currency: pd.Series, rates: dict[str, float], to: str) -> pd.DataFrame:
    amount = money.from_minor(_minor(frame["amount"], currency, rates, to), to)
    return frame.assign(amount=amount, **({"currency": to} if "currency" in frame else {}))


def _cumulative(allocations: pd.DataFrame, currency: pd.Series, rates: dict[str, float], to: str) -> np.ndarray:
    """Matched parts as differences of the converted running total per invoice."""
    order = allocations.sort_values(["invoice_id", "allocated_on"], kind="stable").index
    sorted_ = allocations.loc[order]
    native = pd.Series(money.to_minor(sorted_["amount"], currency.loc[order]), index=order)
    running = native.groupby(sorted_["invoice_id"]).cumsum() / money.scale(currency.loc[order])
    total = pd.Series(_minor(running, currency.loc[order], rates, to), index=order)
    parts = total - total.groupby(sorted_["invoice_id"]).shift(fill_value=0)
    return money.from_minor(parts.loc[allocations.index].to_numpy(), to)


def _payments(
    payments: pd.DataFrame, before: pd.DataFrame, after: pd.DataFrame, rates: dict[str, float], to: str
) -> pd.DataFrame:
    """A payment is worth its converted matched parts plus its converted rest."""
    currency = payments["currency"]
    code = currency.groupby(payments["payment_id"]).first()
    drawn = before[before["payment_id"].isin(code.index)]
    native = pd.Series(money.to_minor(drawn["amount"], drawn["payment_id"].map(code)), index=drawn.index)
    used = payments["payment_id"].map(native.groupby(drawn["payment_id"]).sum()).fillna(0)
    rest = (money.to_minor(payments["amount"], currency) - used) / money.scale(currency)
    parts = pd.Series(money.to_minor(after["amount"], to), index=after.index).groupby(after["payment_id"]).sum()
    whole = payments["payment_id"].map(parts).fillna(0) + _minor(rest, currency, rates, to)
    return payments.assign(amount=money.from_minor(whole.astype("int64"), to), currency=to)
