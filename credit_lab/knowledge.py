"""What a ledger can carry: each capability known, estimated by a named rule, or not known.

Unknown is a value. Without matching every invoice stays open for ever, without write-offs every
loss is zero, without a control account every book reconciles. Whoever makes a figure asks here
first, and says what is lacking in the figure's place.

>>> from credit_lab import ledger
>>> told = of(ledger.read("data/sample"))
>>> told.state("matching"), told.why("write_offs")
('known', '')
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from credit_lab import periods, summary
from credit_lab.errors import NotKnown
from credit_lab.ledger import matching, reconcile
from credit_lab.ledger.known import DATED
from credit_lab.ledger.model import OPEN_ITEMS, Ledger
from credit_lab.ledger.quarantine import rows_read
from credit_lab.periods import takes_days
from credit_lab.policy import Policy, in_currency

KNOWN, ESTIMATED, NOT_KNOWN = "known", "estimated", "not known"
UNMATCHED = 0.05  # of receipts, by amount: with more, nobody knows what is open
LOOSE = 0.2  # of what is open: long books hide it among their receipts; matching that comes late makes up to an eighth
TRIFLE = 0.01  # of what is open: less changes no age worth speaking of
YEAR = 13  # months after which figures of twelve months have their opening balance
AGES = ("receipts", "matching", "due_dates")  # what is open, and how old it is
BEHAVIOUR = (*AGES, "settled")  # how customers pay

# What rests on a table, what to bring where there is none, and whether it must have rows to tell something.
RESTS = {
    "write_offs": ("losses, loss rates, allowance", "a table write_offs, empty if there were none"),
    "disputes": ("contested amounts", "a table disputes, empty if there were none"),
    "limits": ("utilisation, and what a review of limits changes", "a table limits"),
    "orders": ("orders in exposure and holds", "a table orders"),
    "financials": ("ratios, distress scores, capability", "financial statements"),
    "facts": ("credit files, register news, insolvency", "a table facts with their sources"),
    "assessments": ("expert judgement", "a table assessments"),
    "contracts": ("agreed terms, valid contracts", "a table contracts"),
    "actions": ("contacts, promises, what a contact is worth", "a log of collection actions"),
    "covers": ("insured and factored exposure", "a table covers"),
    "instalments": ("invoices due in parts", "a table instalments, empty if there are none"),
}
# What is told first, and how many things with their reasons.
_FIRST, _MOST = (*AGES, "write_offs", "limits", "settled", "control"), 3
_NONE_IS_NONE = ("write_offs", "disputes", "instalments")  # without rows: there were none
_COLUMNS = ["capability", "state", "share", "found", "consequence", "bring"]
Row = tuple[str, str, float, str, str, str]


@dataclass(frozen=True)
class Knowledge:
    """What a ledger can carry as of a day.

    Attributes
    ----------
    table : capability, state (known, estimated, not known), share (0-1; NaN where none is to tell),
        found (what there is, in words), consequence (what rests on it), bring (what would make it
        known; empty where it is)
    """

    table: pd.DataFrame

    def state(self, name: str) -> str:
        """State of a capability."""
        return str(self._row(name)["state"])

    def why(self, *names: str) -> str:
        """Why the first of some capabilities that is not known is not; empty: all can be used.

        Parameters
        ----------
        names : of capabilities
        """
        rows = (self._row(name) for name in names)
        return next((str(row["found"]) for row in rows if row["state"] == NOT_KNOWN), "")

    def lack(self, what: str, *names: str) -> str:
        """Why a figure is not known and what to bring; empty where it is.

        Parameters
        ----------
        what : the figure with its verb, such as "payment behaviour is"
        names : capabilities it rests on
        """
        rows = (self._row(name) for name in names)
        lacking = next((row for row in rows if row["state"] == NOT_KNOWN), None)
        if lacking is None:
            return ""
        return f"{what} not known: {lacking['found']}; bring {lacking['bring']}"

    def need(self, what: str, *names: str) -> None:
        """Refuse to make a figure that rests on what is not known.

        Parameters
        ----------
        what, names : as `lack` takes them

        Raises
        ------
        NotKnown
            One of them is not known; the message is that of `lack`.
        """
        if lacking := self.lack(what, *names):
            raise NotKnown(lacking)

    def basis(self, *names: str) -> str:
        """The rules by which some capabilities are estimated; empty: by none.

        Parameters
        ----------
        names : of capabilities
        """
        rows = (self._row(name) for name in names)
        return "; ".join(str(row["found"]) for row in rows if row["state"] == ESTIMATED)

    @property
    def ages(self) -> bool:
        """Whether what is open, and how old it is, is known or estimated by a rule."""
        return not self.why(*AGES)

    @property
    def blind(self) -> str:
        """That ages are not known, why and what to bring; empty where they are."""
        return self.lack("ages are", *AGES)

    def lines(self) -> list[str]:
        """The first lines of a report: how much is known, what is estimated by which rule, what is not known.

        The first three things that are not known are told with their reasons, the others by name.
        """
        known = (self.table["state"] == KNOWN).sum()
        found = [f"Of {len(self.table)} things a report rests on, {known} are known"]
        if estimated := self._told(ESTIMATED):
            found.append(f"Estimated: {'; '.join(estimated.values())}")
        if lacking := self._told(NOT_KNOWN):
            told = [*list(lacking.values())[:_MOST]]
            names = ", ".join(list(lacking)[_MOST:])
            told += [f"not known either: {names}"] if names else []
            found.append(f"Not known: {'; '.join(told)}")
        control = self.table[self.table["capability"] == "control"]["found"]
        apart = [text.removeprefix("difference ") for text in control if text.startswith("difference")]
        found += [f"The control account differs by up to {text}" for text in apart if re.search("[1-9]", text)]
        return [f"{line}." for line in found]

    def rows(self) -> list[dict[str, Any]]:
        """The table as JSON holds it, missing shares as null."""
        return [{key: summary.plain(value) for key, value in row.items()} for row in self.table.to_dict("records")]

    @classmethod
    def from_rows(cls, rows: Sequence[Mapping[str, Any]]) -> "Knowledge":
        """What `rows` gave, read back; without rows (no ledger) nothing is lacking.

        Parameters
        ----------
        rows : of `rows`
        """
        return cls(pd.DataFrame(rows, columns=_COLUMNS))

    def _told(self, state: str) -> dict[str, str]:
        """What rests on the capabilities in a state, with the reason, the most important first, said once."""
        rows = self.table[self.table["state"] == state]
        rank = rows["capability"].map({name: at for at, name in enumerate(_FIRST)}).fillna(len(_FIRST))
        rows = rows.assign(rank=rank).sort_values("rank", kind="stable").drop_duplicates("found")
        return {row.capability.replace("_", " "): f"{row.consequence} ({row.found})" for row in rows.itertuples()}

    def _row(self, name: str) -> pd.Series:
        return self.table.set_index("capability").loc[name]


@takes_days
def of(ledger: Ledger, policy: Policy | None = None, as_of: pd.Timestamp | None = None) -> Knowledge:
    """What a ledger of one currency can carry.

    Parameters
    ----------
    ledger : one currency
    policy : whose amounts and date must fit the ledger; None: nothing is said about it
    as_of : documents up to this day are looked at; None: `Ledger.last_day`

    Raises
    ------
    LedgerError
        Several currencies; no day given and no document with a date.
    """
    day = ledger.last_day if as_of is None else as_of
    key = f"knowledge@{day:%Y-%m-%d}"
    if key not in ledger.derived:
        ledger.derived[key] = [*_documents(ledger, day), *_accounts(ledger, day), *_tables(ledger, day)]
    rows = ledger.derived[key] + (_policy(ledger, policy, day) if policy else [])
    table = pd.DataFrame(rows, columns=_COLUMNS)
    return Knowledge(table.assign(bring=table["bring"].where(table["state"] != KNOWN, "")))


def by_currency(ledger: Ledger, policy: Policy | None = None) -> Knowledge:
    """What a ledger can carry, one currency after another, each at its last day.

    Parameters
    ----------
    ledger : of one currency or several, which the column `currency` tells apart
    policy : whose amounts and date must fit each of them; None: nothing is said about it
    """
    tables = [of(ledger.only_currency(code), policy).table.assign(currency=code) for code in sorted(ledger.currencies)]
    return Knowledge(pd.concat(tables, ignore_index=True))


def _documents(ledger: Ledger, day: pd.Timestamp) -> list[Row]:
    """Documents, receipts, how they are matched, and whether anything was ever settled."""
    rows, found = rows_read(ledger.accounting), matching.standing(ledger, day)
    used = rows["kept"] / max(rows["kept"] + rows["quarantined"], 1)
    said = f"{rows['kept']:,} rows used, {rows['quarantined']:,} held back"
    listed = ledger.form == OPEN_ITEMS
    received = (KNOWN, f"{found.receipts:,} receipts")
    matched = (KNOWN, f"{found.matched:.1%} of receipts are matched by the books")
    settled = (KNOWN, f"{found.settled:,} of {found.invoices:,} invoices are settled in full")
    if found.owed > LOOSE or (found.loose > UNMATCHED and found.owed > TRIFLE):
        loose = f"{found.loose:.1%} of receipts are matched to no invoice, though the customer has invoices open"
        matched = (NOT_KNOWN, loose)
    elif found.rules:
        matched = (ESTIMATED, f"{found.matched:.1%} of receipts are matched ({found.rules})")
    if found.invoices and not found.settled:
        settled = (NOT_KNOWN, "no invoice was ever settled in full")
    if listed:
        matched = (KNOWN, "the list says what is left of each item")
        if day < (last := ledger.last_day):
            received = matched = (NOT_KNOWN, f"the list says what is open at {last.date()}, not before")
        settled = (NOT_KNOWN, "the list holds open items only")
    elif not found.receipts:
        received = matched = (NOT_KNOWN, "there are no receipts: every invoice would be open")
    sold = settled if matched[0] != NOT_KNOWN else received
    way = 'the matching (allocations), or match = "earliest-due" in a mapping'
    way = "the matching (allocations)" if found.rules else way
    told = "payment behaviour, grades, limits, history"
    whole = "all invoices, settled ones, too"
    return [
        ("documents", KNOWN, used, said, "everything", ""),
        ("receipts", received[0], np.nan, received[1], "balances, ages, overdue", "receipts"),
        ("matching", matched[0], np.nan if listed else found.matched, matched[1], "ages, overdue", way),
        ("due_dates", *_due_dates(ledger), "ages, overdue", "the due dates"),
        ("settled", settled[0], found.share, settled[1], told, whole),
        ("sales", sold[0], np.nan, sold[1], "sales of the past, DSO, turnover", whole),
    ]


def _due_dates(ledger: Ledger) -> tuple[str, float, str]:
    """Whether invoices say when they are due, or their terms do."""
    guessed = int((ledger.quarantine["rule"] == "due_date_from_terms").sum()) if len(ledger.quarantine) else 0
    if not guessed:
        return KNOWN, 1.0, "invoices say when they are due"
    share = guessed / max(len(ledger.invoices), 1)
    return ESTIMATED, 1 - share, f"{share:.1%} of due dates are taken from terms"


def _accounts(ledger: Ledger, day: pd.Timestamp) -> list[Row]:
    """Control account, what stood before the first month, how far the data reach, what misleads."""
    control = reconcile.against_control(ledger)
    control = control[control["as_of"] <= day]
    dates = ledger.invoices["issue_date"].min(), ledger.payments["paid_date"].min(), day
    first = min(date for date in dates if pd.notna(date))
    since = day - pd.DateOffset(months=3)
    light, reason = reconcile.light(control, ledger.currency, since=since)
    begun = control[control["as_of"] <= first + pd.offsets.MonthEnd(0)]
    opened = len(begun) > 0 and not begun["difference"].any()
    before = f"the balance before {first.date()} is not known"
    if opened:
        before = f"the balance before {first.date()} agrees with the control account"
    months = len(periods.month_ends(first, day))
    marks = ledger.windows[ledger.windows["start"] <= day]
    named = "; ".join(f"{one.start.date()} to {one.end.date()}: {one.reason}" for one in marks.itertuples())
    return [
        (
            "control",
            NOT_KNOWN if light == summary.NOT_KNOWN else KNOWN,
            np.nan,
            "no control account for these months" if light == summary.NOT_KNOWN else reason,
            "whether the ledger reconciles",
            "balances of the control account",
        ),
        (
            "opening",
            KNOWN if opened else NOT_KNOWN,
            np.nan,
            before,
            "average DSO, turnover and CEI of the first year",
            "the control account from the first month on",
        ),
        (
            "months",
            KNOWN if months >= YEAR else NOT_KNOWN,
            min(months / YEAR, 1.0),
            f"months of data: {months}",
            "figures of twelve months with an opening balance",
            f"at least {YEAR} months of data",
        ),
        (
            "windows",
            ESTIMATED if named else KNOWN,
            np.nan,
            named or "no times are named in which the data mislead",
            "figures of the times named",
            "what these times lack",
        ),
        (
            "tax",
            KNOWN if ledger.tax else NOT_KNOWN,
            np.nan,
            f"tax is {ledger.tax}" if ledger.tax else "it is not said whether amounts include tax",
            "limits and rates set against sales",
            'tax = "included" or "excluded" in the mapping',
        ),
    ]


def _tables(ledger: Ledger, day: pd.Timestamp) -> list[Row]:
    """Tables that a ledger may have."""
    rows = []
    for name, (rests, bring) in RESTS.items():
        table = _in_force(ledger, day) if name == "limits" else ledger.rows(name)
        count = int((table[DATED[name]] <= day).sum()) if name in DATED else len(table)
        there = ledger.has(name) and (count > 0 or name in _NONE_IS_NONE)
        none = f"table {name} holds nothing for {day.date()}" if ledger.has(name) else f"the ledger has no table {name}"
        found = f"{count:,} rows" if there else none
        rows.append((name, KNOWN if there else NOT_KNOWN, np.nan, found, rests, bring))
    return rows


def _in_force(ledger: Ledger, day: pd.Timestamp) -> pd.DataFrame:
    limits = ledger.rows("limits")
    ended = limits["valid_to"] < day if "valid_to" in limits else False
    return limits[(limits["valid_from"] <= day) & ~ended]


def _policy(ledger: Ledger, policy: Policy, day: pd.Timestamp) -> list[Row]:
    """Whether a policy's amounts and date fit the ledger."""
    policy = in_currency(policy, ledger.currency)  # one nobody converted has no amounts
    written, own = policy.written.meta, ledger.currency
    if policy.not_known:
        fits = (NOT_KNOWN, f"policy {written.id} is in {written.currency}, the ledger in {own}")
    elif written.currency != own:
        fits = (ESTIMATED, f"policy {written.id} converted at {policy.rate:g} {own} each")
    else:
        fits = (KNOWN, f"policy and ledger are in {own}")
    began = pd.Timestamp(written.valid_from)
    late = began > day
    dated = f"policy {written.id} is in force from {began.date()}"
    if late:
        dated = f"policy {written.id} is in force from {began.date()}, after {day.date()}"
    return [
        (
            "policy_currency",
            fits[0],
            np.nan,
            fits[1],
            "limits, least amounts, authority and costs of the policy",
            f"--rates {written.currency}:RATE, or a policy written in {own}",
        ),
        (
            "policy_date",
            ESTIMATED if late else KNOWN,
            np.nan,
            dated,
            "verdicts by rules that were not yet in force",
            "the policy of that day",
        ),
    ]
