"""One reporting currency: conversion that leaves settled documents settled.

Converting each amount on its own leaves cents behind: 0.01 + 4.76 is 4.77, but the rounded conversions need not add up.
So what settles or splits a document is converted as a running total per document, and what a receipt or a credit
note was used for is converted with the documents it settled; rounding ends up in the receipt or note itself.
"""

import numpy as np
import pandas as pd

from credit_lab import money
from credit_lab.ids import among

Frames = dict[str, pd.DataFrame]


def converted_tables(tables: Frames, rates: dict[str, float], to: str) -> Frames:
    """All money columns of documents in currency `to`; see `Ledger.convert`."""
    invoices, payments = tables["invoices"], tables["payments"]
    of_invoice = invoices.set_index("invoice_id")["currency"]
    result = dict(tables)
    settled = _running(tables, ("allocations", "allocated_on"), ("write_offs", "written_off_on"), rates=rates, to=to)
    result |= settled | _running(tables, ("instalments", "due_date"), rates=rates, to=to)
    uses = tables["allocations"], result["allocations"]
    result["payments"] = payments.assign(
        amount=_used_and_rest(payments["payment_id"], payments["amount"], payments["currency"], *uses, rates, to),
        currency=to,
    )
    notes = -_used_and_rest(invoices["invoice_id"], -invoices["amount"], invoices["currency"], *uses, rates, to)
    plain = money.from_minor(_minor(invoices["amount"], invoices["currency"], rates, to), to)
    result["invoices"] = invoices.assign(amount=np.where(invoices["amount"] < 0, notes, plain), currency=to)
    if "disputes" in tables:
        rows = tables["disputes"]
        currency = of_invoice.reindex(rows["invoice_id"]).set_axis(rows.index)
        result["disputes"] = rows.assign(amount=money.from_minor(_minor(rows["amount"], currency, rates, to), to))
    if "control" in tables:
        rows = result.pop("control")
        if set(invoices["currency"]) | set(payments["currency"]) | set(rows["currency"]) == {to}:
            result["control"] = rows
    return result


def _minor(amount: pd.Series, currency: pd.Series, rates: dict[str, float], to: str) -> np.ndarray:
    return money.to_minor(amount * currency.map(rates).astype("float64"), to)


def _running(tables: Frames, *sources: tuple[str, str], rates: dict[str, float], to: str) -> Frames:
    """Parts of documents as differences of the converted running total per document, all sources together."""
    present = [(name, day) for name, day in sources if name in tables]
    parts = [tables[name][["invoice_id", "amount"]].assign(day=tables[name][day], source=name) for name, day in present]
    if not parts:
        return {}
    rows = pd.concat(parts).reset_index(names="row")
    of_invoice = tables["invoices"].set_index("invoice_id")["currency"]
    rows["currency"] = of_invoice.reindex(rows["invoice_id"]).to_numpy()
    rows = rows.sort_values(["invoice_id", "day", "amount"], kind="stable", ignore_index=True)
    native = pd.Series(money.to_minor(rows["amount"], rows["currency"]), index=rows.index)
    until = native.groupby(rows["invoice_id"]).cumsum() / money.scale(rows["currency"])
    total = pd.Series(_minor(until, rows["currency"], rates, to), index=rows.index)
    rows["converted"] = total - total.groupby(rows["invoice_id"]).shift(fill_value=0)
    result = {}
    for name, _ in present:
        mine = rows[rows["source"] == name].set_index("row")["converted"].loc[tables[name].index]
        result[name] = tables[name].assign(amount=money.from_minor(mine, to))
    return result


def _used_and_rest(
    ids: pd.Series,
    amount: pd.Series,
    currency: pd.Series,
    before: pd.DataFrame,
    after: pd.DataFrame,
    rates: dict[str, float],
    to: str,
) -> np.ndarray:
    """What a receipt or note is worth: the converted parts it settled plus its converted rest."""
    code = currency.set_axis(ids)
    drawn = among(before["payment_id"], ids).to_numpy()
    of_part = code.reindex(before["payment_id"][drawn])
    native = pd.Series(money.to_minor(before["amount"][drawn], of_part), index=of_part.index)
    used = native.groupby(level=0).sum().reindex(ids, fill_value=0).to_numpy()
    rest = (money.to_minor(amount, currency) - used) / money.scale(currency)
    parts = pd.Series(money.to_minor(after["amount"][drawn], to), index=of_part.index)
    matched = parts.groupby(level=0).sum().reindex(ids, fill_value=0).to_numpy()
    whole = matched + _minor(pd.Series(rest, index=ids.index), currency, rates, to)
    return money.from_minor(whole.astype("int64"), to)
