"""Matching by rule: receipts and credit notes settle what the books leave open, in a known order.

First what the debtor names (`payments.invoice_id`, or an open invoice's id in its `reference`), then
the only open invoice of exactly the amount, then open debts in the order in which they fall
due, per customer and currency: the debtor's designation goes first, then due debts by the order in
which they fell due (Civil Code of the PRC, articles 560, 561). The oldest invoice is not the law.
Nothing is matched before both sides exist; what is left waits as unapplied cash. What the books
match or write off is never touched, and what they match later is theirs from the start.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab import money, schema
from credit_lab.ids import ordering, positions
from credit_lab.ledger.contradictions import givers
from credit_lab.ledger.shape import canonical

if TYPE_CHECKING:
    from credit_lab.ledger.model import Ledger

Frames = dict[str, pd.DataFrame]
Ints = npt.NDArray[np.int64]
BY_RULE = ("named", "amount", "earliest_due", "latest_due")
# By which rule receipts are matched that the books do not match, see `ledger.matching`.
RULES = {
    "named": "by what the payer names",
    "amount": "by amount",
    "earliest_due": "by earliest due date",
    "latest_due": "by latest due date",
    "open_item": "by what is left of each item",
}
# Words that may be an id: Latin signs with dashes, points, slashes between; all between blanks.
_WORDS = (
    r"(?<![A-Za-z0-9/._-])[A-Za-z0-9](?:[A-Za-z0-9/._-]*[A-Za-z0-9])?",
    r"[^\s,;:，；：、。()（）]+",
)


@dataclass(frozen=True)
class Standing:
    """How receipts stand against invoices up to a day.

    Attributes
    ----------
    receipts, invoices, settled : numbers of documents; invoices settled in full
    matched : share of receipts, by amount, that is matched
    loose : share of receipts that is not, of customers who have invoices open
    owed : the same amount as a share of what is open
    rules : how much each rule matched, in words; empty where the books alone match
    """

    receipts: int
    matched: float
    loose: float
    owed: float
    rules: str
    invoices: int
    settled: int

    @property
    def share(self) -> float:
        """Share of invoices settled in full."""
        return self.settled / self.invoices if self.invoices else np.nan


def standing(ledger: "Ledger", day: pd.Timestamp) -> Standing:
    """How the receipts of a ledger of one currency stand against its invoices at the end of a day."""
    invoices, payments = ledger.invoices, ledger.payments
    invoices = invoices[(invoices["issue_date"] <= day) & (invoices["amount"] > 0)]
    payments = payments[payments["paid_date"] <= day]
    rows = ledger.allocations[ledger.allocations["allocated_on"] <= day]
    code, ids = ledger.currency, ledger.customers["customer_id"]
    minor = money.to_minor(rows["amount"], code)
    on = positions(rows["invoice_id"], invoices["invoice_id"])
    by = positions(rows["payment_id"], payments["payment_id"])
    left, rest = (money.to_minor(table["amount"], code) for table in (invoices, payments))
    received = int(np.abs(rest).sum())
    np.subtract.at(left, on[on >= 0], minor[on >= 0])
    settled = int((left == 0).sum())
    if ledger.has("write_offs"):
        lost = ledger.tables["write_offs"]
        lost = lost[lost["written_off_on"] <= day]
        at = positions(lost["invoice_id"], invoices["invoice_id"])
        np.subtract.at(left, at[at >= 0], money.to_minor(lost["amount"], code)[at >= 0])
    np.subtract.at(rest, by[by >= 0], minor[by >= 0])
    open_, loose = np.zeros((2, len(ids)), dtype=np.int64)
    np.add.at(open_, positions(invoices["customer_id"], ids), left)
    np.add.at(loose, positions(payments["customer_id"], ids), rest)
    both, owed = int(np.minimum(open_.clip(0), loose.clip(0)).sum()), int(open_.clip(0).sum())
    matched, rules = int(np.abs(minor[by >= 0]).sum()), ""
    if "matched_by" in rows and received:
        by_rule = pd.Series(minor[by >= 0]).abs().groupby(rows["matched_by"].to_numpy()[by >= 0]).sum()
        rules = ", ".join(f"{RULES[rule]}: {part / received:.1%}" for rule, part in by_rule.items())
    return Standing(
        receipts=len(payments),
        matched=matched / received if received else np.nan,
        loose=both / received if received else 0.0,
        owed=both / owed if owed else 0.0,
        rules=rules,
        invoices=len(invoices),
        settled=settled,
    )


def matched(ledger: "Ledger") -> pd.DataFrame:
    """Receipts by how they were matched.

    Parameters
    ----------
    ledger : of one or several currencies

    Returns
    -------
    DataFrame
        matched_by : books, named, amount, earliest_due, latest_due, open_item, or not_matched
        currency : of the amounts
        receipts : how many of which something was matched so, or was left (one may count twice)
        amount : refunds taken off, currency units
    """
    payments, rows = ledger.payments, ledger.allocations
    of = positions(rows["payment_id"], payments["payment_id"])
    uses = rows[["amount"]].assign(payment=of, matched_by=_how(rows).fillna("books"))
    uses, left = uses[of >= 0], payments[["amount"]].assign(payment=np.arange(len(payments)))
    left = pd.concat([left, uses.assign(amount=-uses["amount"])]).assign(matched_by="not_matched")
    table = pd.concat([uses, left], ignore_index=True)
    table["currency"] = payments["currency"].take(table["payment"]).array
    table["amount"] = money.to_minor(table["amount"], table["currency"])
    keys = ["matched_by", "currency"]
    table = table.groupby([*keys, "payment"], as_index=False)["amount"].sum()
    table = table[table["amount"] != 0].groupby(keys)["amount"].agg(["count", "sum"]).reset_index()
    table.columns = pd.Index([*keys, "receipts", "amount"])
    return table.assign(amount=table["amount"] / money.scale(table["currency"]))


def rule_of(ledger: "Ledger") -> str:
    """The rule by which a ledger was matched: earliest-due, latest-due; empty: by the books alone.

    Parameters
    ----------
    ledger : its allocations say so themselves
    """
    how = _how(ledger.allocations)
    by_rule = "latest-due" if (how == "latest_due").any() else "earliest-due"
    return by_rule if how.isin(BY_RULE).any() else ""


def rematched(ledger: "Ledger", rule: str) -> "Ledger":
    """The ledger matched again by another rule; what the books say stays.

    Parameters
    ----------
    ledger : of one or several currencies
    rule : earliest-due, or latest-due to see how much hangs on the choice
    """
    tables, rows = ledger.tables, ledger.allocations
    how = _how(rows)
    names = pd.concat([named(tables["payments"]), rows[how == "named"]])
    names = names.drop_duplicates(["payment_id", "invoice_id"])  # a name counts once
    books = {**tables, "allocations": rows[~how.isin(BY_RULE)]}
    both = pd.concat([books["allocations"], by_rule(books, rule, names)], ignore_index=True)
    return replace(ledger, tables={**tables, "allocations": canonical("allocations", both)})


def named(payments: pd.DataFrame) -> pd.DataFrame:
    """Lines of receipts that name their invoice.

    Parameters
    ----------
    payments : rows of the table; several may be one receipt
    """
    if "invoice_id" not in payments:
        return payments[:0].assign(invoice_id="")
    return payments[payments["invoice_id"].notna()]


def by_rule(tables: Frames, rule: str, names: pd.DataFrame) -> pd.DataFrame:
    """What a rule matches of that which the books leave open.

    Parameters
    ----------
    tables : invoices, payments, allocations (without contradiction), instalments, write_offs if any
    rule : earliest-due or latest-due
    names : payment_id, invoice_id, amount: which receipt names which invoice, for how much at most

    Returns
    -------
    DataFrame
        Rows of the table allocations with `matched_by`, in no certain order of rows.
    """
    from credit_lab.ledger.settling import Book, walk  # numba takes its time

    invoices = tables["invoices"]
    debt = invoices.assign(id=invoices["invoice_id"], dated=invoices["issue_date"])
    debt["minor"] = money.to_minor(debt["amount"], debt["currency"])
    debt, giver = _sorted(debt, ["dated", "id"]), givers(tables)
    giver["note"] = np.arange(len(giver)) >= len(tables["payments"])
    giver = _sorted(giver, ["dated", "note", "id"])
    on, by = _moves(tables, invoices)
    open_minor, open_from = _left(debt, debt["id"], on)
    rest, since = _left(giver, giver["id"], by)
    on = [(ids, -minor, day) for ids, minor, day in on]
    spent, later = _left(giver, giver["id"].where(giver["note"]), on)
    rest, since = rest + spent - giver["minor"].to_numpy(), np.maximum(since, later)
    group = _groups(debt, giver)
    owing, giving = np.flatnonzero((debt["minor"] > 0) & (open_minor > 0)), np.flatnonzero(rest)
    number, kind = np.r_[owing, giving], np.repeat([0, 1], [len(owing), len(giving)])
    day, of = np.r_[open_from[owing], since[giving]], np.r_[group[0][owing], group[1][giving]]
    order = np.lexsort((number, kind, day, of))
    parts = _parts(tables, debt, open_minor, -1 if rule == "latest-due" else 1)
    first, to, most = _names(tables, names, debt, giver, group, parts[0])
    made = np.empty((2 * len(giver) + len(parts[1]) + len(debt) + 3 * len(to), 5), dtype=np.int64)
    events = of[order], day[order], kind[order], number[order]
    owed, given = np.zeros((2, len(debt)), dtype=np.int64)
    size = np.zeros(1, dtype=np.int64)
    named_by, note = (first, to, most), giver["note"].to_numpy()
    walk(Book(*events, open_minor, owed, given, *parts, rest, note, *named_by, made, size))
    who, target, when, minor, how = made[: size[0]].T
    ids = pd.concat([debt["id"], giver["id"]]).array
    labels = pd.Series([*BY_RULE[:2], rule.replace("-", "_")], dtype="str")
    return pd.DataFrame(
        {
            "payment_id": giver["id"].array.take(who),
            "invoice_id": ids.take(np.where(target < 0, len(debt) - 1 - target, target)),
            "allocated_on": when.astype("datetime64[D]").astype("datetime64[us]"),
            "amount": minor / money.scale(giver["currency"].take(who)),
            "matched_by": labels.array.take(how),
        }
    )


def _how(rows: pd.DataFrame) -> pd.Series:
    return rows.get("matched_by", pd.Series(None, index=rows.index, dtype="str"))


def _sorted(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    rows = ordering(frame, columns)
    return (frame if rows is None else frame.take(rows)).reset_index(drop=True)


Move = tuple[pd.Series, Ints, Ints]  # ids, minor units, days


def _days(dates: pd.Series) -> Ints:
    return dates.to_numpy().astype("datetime64[D]").astype(np.int64)


def _moves(tables: Frames, invoices: pd.DataFrame) -> tuple[list[Move], list[Move]]:
    """What the books took: by the invoice it settles, and by what settles it."""
    on, by = [], []
    for name, when in (("allocations", "allocated_on"), ("write_offs", "written_off_on")):
        rows = tables.get(name, schema.empty(name))
        currency = invoices["currency"].take(positions(rows["invoice_id"], invoices["invoice_id"]))
        minor, day = money.to_minor(rows["amount"], currency), _days(rows[when])
        on.append((rows["invoice_id"], minor, day))
        if name == "allocations":
            by.append((rows["payment_id"], minor, day))
    return on, by


def _left(rows: pd.DataFrame, ids: pd.Series, moves: list[Move]) -> tuple[Ints, Ints]:
    """What the books leave of each document, and since when: the last day they gave some back."""
    left, since = rows["minor"].to_numpy().copy(), _days(rows["dated"])
    sign = np.sign(left)
    for of, minor, day in moves:
        at = positions(of, ids)
        np.subtract.at(left, at[at >= 0], minor[at >= 0])
        back = (at >= 0) & (minor * sign[at] < 0)
        np.maximum.at(since, at[back], day[back])
    return left, since


def _groups(debt: pd.DataFrame, giver: pd.DataFrame) -> tuple[Ints, Ints]:
    """A number for each customer and currency."""
    both = pd.concat([debt[["customer_id", "currency"]], giver[["customer_id", "currency"]]])
    currency, known = pd.factorize(both["currency"])
    group = pd.factorize(both["customer_id"])[0] * len(known) + currency
    return group[: len(debt)], group[len(debt) :]


def _parts(tables: Frames, debt: pd.DataFrame, left: Ints, sign: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Earliest unsettled part of each invoice; by rank of a part: its rest, the next, its invoice."""
    part = debt[["minor"]].assign(document=debt.index, due=_days(debt["due_date"]))
    if "instalments" in tables:
        plan = tables["instalments"]
        document = positions(plan["invoice_id"], debt["id"])
        minor = money.to_minor(plan["amount"], debt["currency"].take(document))
        plan = pd.DataFrame({"document": document, "due": _days(plan["due_date"]), "minor": minor})
        part = pd.concat([part[~part["document"].isin(document)], plan])
    part = part.sort_values(["document", "due", "minor"], ignore_index=True)
    document, minor = part["document"].to_numpy(), part["minor"].to_numpy()
    settled = (debt["minor"].cumsum() - left).to_numpy()[document]  # the earliest parts first
    rest = np.clip(minor.cumsum() - settled, 0, minor.clip(0))
    order = np.lexsort((np.arange(len(part)), sign * part["due"]))
    rank = np.empty_like(order)
    rank[order] = np.arange(len(part))
    goes_on = np.r_[document[1:] == document[:-1], False][: len(part)]
    following = np.where(goes_on, np.r_[rank[1:], -1][: len(part)], -1)
    current, unsettled = np.zeros(len(debt), dtype=np.int64), np.flatnonzero(rest)[::-1]
    current[document[unsettled]] = rank[unsettled]
    return current, rest[order], following[order], document[order]


def _names(
    tables: Frames,
    names: pd.DataFrame,
    debt: pd.DataFrame,
    giver: pd.DataFrame,
    group: tuple[Ints, Ints],
    rank: Ints,
) -> tuple[Ints, Ints, Ints]:
    """Where each giver's names begin, the invoices it names, and how much each may take at most."""
    payments = tables["payments"]
    lines = [names[["payment_id", "invoice_id", "amount"]]]
    for words in _WORDS if "reference" in payments else ():
        told = payments.assign(invoice_id=payments["reference"].fillna("").str.findall(words))
        lines.append(told.explode("invoice_id")[["payment_id", "invoice_id", "amount"]].dropna())
    line = pd.concat(lines, ignore_index=True)
    by, to = positions(line["payment_id"], giver["id"]), positions(line["invoice_id"], debt["id"])
    fits = (by >= 0) & (to >= 0) & (group[1][by] == group[0][to])
    by, to = by[fits], to[fits]
    most = money.to_minor(line["amount"][fits], giver["currency"].take(by))
    order = np.lexsort((most, rank[to], by))
    return np.searchsorted(by[order], np.arange(len(giver) + 1)), to[order], most[order]
