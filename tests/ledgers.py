"""Small ledgers for tests: by hand, and drawn by hypothesis."""

import datetime as dt

import pandas as pd
from hypothesis import strategies as st

DAY0 = dt.date(2024, 1, 1)


def invoice(number="I1", customer="C1", issued="2024-01-10", due="2024-02-09", amount=100.0, currency="CNY"):
    return {
        "invoice_id": number,
        "customer_id": customer,
        "issue_date": issued,
        "due_date": due,
        "amount": amount,
        "currency": currency,
    }


def payment(number="P1", customer="C1", paid="2024-02-20", amount=100.0, currency="CNY", **more):
    return {
        "payment_id": number,
        "customer_id": customer,
        "paid_date": paid,
        "amount": amount,
        "currency": currency,
        **more,
    }


def allocation(of="P1", on="I1", day="2024-02-20", amount=100.0):
    return {"payment_id": of, "invoice_id": on, "allocated_on": day, "amount": amount}


def paid_in_full(customer="S", day="2024-01-10", amount=1e6):
    """Invoice, receipt and matching of a customer who pays on the day: payment behaviour can be told from a ledger in
    which some invoice was settled, and what others have paid without matching is little beside it."""
    return (
        invoice(f"I{customer}", customer, day, day, amount),
        payment(f"P{customer}", customer, day, amount),
        allocation(f"P{customer}", f"I{customer}", day, amount),
    )


@st.composite
def ledgers(draw):
    """Tables of a valid ledger: invoices, credit notes, receipts with parts matched, write-offs of what is left."""
    days = st.integers(0, 400)
    cents = st.integers(1, 10**7)
    documents, receipts, matches, losses = [], [], [], []
    for number in range(draw(st.integers(1, 8))):
        issue = draw(days)
        amount = draw(cents)
        customer = f"C{draw(st.integers(1, 3))}"
        name = f"I{number}"
        documents.append((name, customer, issue, issue + draw(st.integers(0, 90)), amount))
        left = amount
        for part in range(draw(st.integers(0, 2))):
            if left == 0:
                break
            paid = draw(days)
            matched = draw(st.integers(1, left))
            extra = draw(st.sampled_from([0, 0, 100]))
            receipts.append((f"P{number}-{part}", customer, paid, matched + extra))
            matches.append((f"P{number}-{part}", name, max(paid, issue) + draw(st.integers(0, 30)), matched))
            left -= matched
        if left and draw(st.booleans()):
            losses.append((name, issue + 400, left))
    for number in range(draw(st.integers(0, 2))):
        documents.append((f"N{number}", "C1", draw(days), None, -draw(cents)))
    return tables(documents, receipts, matches, losses)


def tables(documents, receipts, matches, losses):
    def day(number):
        return (DAY0 + dt.timedelta(days=number)).isoformat()

    result = {
        "invoices": [
            invoice(name, customer, day(issue), day(due if due is not None else issue), cents / 100)
            for name, customer, issue, due, cents in documents
        ],
        "payments": [payment(name, customer, day(paid), cents / 100) for name, customer, paid, cents in receipts],
        "allocations": [allocation(of, on, day(when), cents / 100) for of, on, when, cents in matches],
    }
    if losses:
        result["write_offs"] = [
            {"invoice_id": name, "written_off_on": day(when), "amount": cents / 100} for name, when, cents in losses
        ]
    empty = {"payments": payment(), "allocations": allocation()}
    return {name: pd.DataFrame(rows) if rows else pd.DataFrame([empty[name]]).iloc[:0] for name, rows in result.items()}
