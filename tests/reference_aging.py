"""The plain reference: residuals document by document at one date, in Python integers. Slow and easy to read."""

from collections import defaultdict

import pandas as pd


def cents(amount):
    return round(amount * 100)


def reference(ledger, as_of, buckets):
    """Minor units by (customer_id, bucket) at one date."""
    documents, givers = {}, {}
    for row in ledger.invoices.itertuples():
        documents[row.invoice_id] = [row.customer_id, row.issue_date, row.due_date, cents(row.amount)]
    for row in ledger.payments.itertuples():
        givers[row.payment_id] = [row.customer_id, row.paid_date, row.paid_date, -cents(row.amount)]
    left = {name: entry[3] for name, entry in documents.items() if entry[1] <= as_of}
    waiting = {name: entry[3] for name, entry in givers.items() if entry[1] <= as_of}
    for row in ledger.allocations.itertuples():
        giver = givers.get(row.payment_id) or documents[row.payment_id]
        target = documents[row.invoice_id]
        if max(row.allocated_on, giver[1], target[1]) <= as_of:
            left[row.invoice_id] -= cents(row.amount)
            side = waiting if row.payment_id in givers else left
            side[row.payment_id] += cents(row.amount)
    if ledger.has("write_offs"):
        for row in ledger.tables["write_offs"].itertuples():
            if max(row.written_off_on, documents[row.invoice_id][1]) <= as_of:
                left[row.invoice_id] -= cents(row.amount)
    plans = defaultdict(list)
    if ledger.has("instalments"):
        rows = ledger.tables["instalments"].sort_values(["invoice_id", "due_date", "amount"])
        for row in rows.itertuples():
            plans[row.invoice_id].append((row.due_date, cents(row.amount)))
    total = defaultdict(int)
    for name, open_ in left.items():
        customer, issued, due, amount = documents[name]
        if amount < 0:
            total[customer, "credit_notes"] += open_
            continue
        for part_due, part in reversed(plans.get(name, [(due, amount)])):
            held = min(max(open_, 0), part)  # the latest parts stay open longest
            open_ -= held
            reference_day = part_due if buckets.by == "due_date" else issued
            label = buckets.of([(as_of - reference_day).days])[0]
            total[customer, str(label)] += held
    for name, open_ in waiting.items():
        total[givers[name][0], "unapplied_cash"] += open_
    return {key: value for key, value in total.items() if value}


def as_frame(found):
    return pd.DataFrame([(*key, value) for key, value in found.items()], columns=["customer_id", "bucket", "minor"])
