"""All evidence behind one limit decision: what was known, what followed from it, who had to sign,
by which models.

The question is "why was C-0172 given 80,000 on 2025-06-30?". What was granted is read from the
ledger; what the policy makes of the facts known on that day is computed again from them; where the
two differ the file says so, since somebody then decided otherwise. Nothing dated or recorded after
the day is looked at. The same inputs give the same bytes, so the file can be made again and
compared by its digest.
"""

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from credit_lab import (
    __version__,
    aging,
    evaluation,
    governance,
    history,
    knowledge,
    money,
    origin,
    summary,
    workbench,
)
from credit_lab.errors import ReportError, nearest
from credit_lab.ledger.model import Ledger
from credit_lab.limits import authority, comparison, quarterly
from credit_lab.policy import Policy
from credit_lab.rules import standing
from credit_lab.scoring import Scorecard, features
from credit_lab.studies import evaluating, governed, granting

# Table → heading and what to know when reading it, in the order of the file.
SECTIONS = {
    "granted": (
        "Granted",
        "Limits of the customer in the ledger up to the day; the last valid one is the decision.",
    ),
    "decision": (
        "What the policy says",
        "The decision record the policy makes of the facts below, computed again.",
    ),
    "signals": (
        "Facts: payment behaviour",
        "Signals of the month end before, from documents up to it.",
    ),
    "documents": ("Facts: open items", "Open on the day."),
    "statements": ("Facts: statements", "Published by the day, newest first."),
    "claims": ("Facts: what sources said", "Observed by the day, newest first."),
    "grade": ("Grade by contribution", "Each item's points; they add up to the score."),
    "points": (
        "Scorecard points",
        "Points of the card by feature, base points first; they add up to the score.",
    ),
    "methods": (
        "Limit by every method",
        "What each method would grant from the same facts; why not, where it cannot.",
    ),
    "authority": (
        "Who had to sign",
        "In this order, for the amount granted and for the amount proposed.",
    ),
    "models": (
        "Models",
        "Identity by content; standing in the register of models on the day and now.",
    ),
    "origin": ("Origin", "What this file was made from."),
}


@dataclass(frozen=True)
class Evidence:
    """One decision.

    Attributes
    ----------
    customer, as_of, currency : whose, when, in which currency amounts are
    lines : question and answer in sentences
    tables : by the names of `SECTIONS`; a table may be empty where the ledger holds nothing of the
        kind
    """

    customer: str
    as_of: pd.Timestamp
    currency: str
    lines: tuple[str, ...]
    tables: Mapping[str, pd.DataFrame]

    @property
    def title(self) -> str:
        """Whose limit, and when."""
        return f"Evidence: limit of {self.customer} on {self.as_of.date()}"

    @property
    def parts(self) -> list[tuple[str, str, str, pd.DataFrame]]:
        """Name, heading, remark and table, in the order of the file."""
        return [(name, *texts, self.tables[name]) for name, texts in SECTIONS.items()]

    @property
    def digest(self) -> str:
        """SHA-256 of the JSON form."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """Everything as JSON: raw values, missing ones as null."""
        tables = {
            name: [
                {key: summary.plain(value) for key, value in zip(frame.columns, row, strict=True)}
                for row in frame.itertuples(index=False, name=None)
            ]
            for name, frame in self.tables.items()
        }
        whole = {
            "customer": self.customer,
            "as_of": str(self.as_of.date()),
            "currency": self.currency,
            "lines": list(self.lines),
            **tables,
        }
        return json.dumps(whole, ensure_ascii=False, indent=1, allow_nan=False)


def evidence(
    ledger: Ledger,
    policy: Policy,
    customer: str,
    as_of: pd.Timestamp,
    *,
    card: str = "",
    models: str = governance.DEFAULT,
    template: str = evaluating.TEMPLATE,
) -> Evidence:
    """Gather the evidence as it was known on the day.

    Raises
    ------
    ReportError
        The ledger does not know the customer, or no month end lies between its first document and
        the day.
    """
    known_ids = ledger.customers["customer_id"]
    if customer not in set(known_ids):
        raise ReportError(
            f"customer {customer!r} is not in {ledger.source}; "
            f"{nearest(customer, known_ids.head(5000))}"
        )
    policy = granting.granted_by(policy, ledger)
    book = ledger.known_by(as_of).up_to(as_of)
    past = history.build(book, as_of)
    month = past["month"].max()
    mine = past[(past["month"] == month) & (past["customer_id"] == customer)] if len(past) else past
    if mine.empty:
        raise ReportError(
            f"customer {customer!r} has no whole month of business by {as_of.date()}; there is "
            "nothing to decide from"
        )
    rows = past[past["month"] == month]
    known = comparison.evidence(book, past, policy, month)
    decisions = quarterly.review(
        history.looking_back(book, past, month),
        policy,
        month,
        in_force=granting.in_force(book, month),
        evidence=known,
        held=granting.held(book, policy, past),
    ).decisions
    decision = decisions[decisions["customer_id"] == customer].iloc[0]
    stands = _stands(book, customer, as_of)
    granted = _granted(book, stands["holder"], as_of)
    amount = float(stands["credit_limit"])
    rules = evaluation.load_template(*workbench.paths(template))
    graded = (
        evaluating.at(book, policy, past, month, rules, None)
        if policy.evaluation.combine != "logistic"
        else None
    )
    methods = comparison.bench(book, past, policy, month).limits
    items = aging.open_items(book, as_of)
    tables = {
        "granted": granted,
        "decision": _upright(decision),
        "signals": _upright(mine.iloc[0][[name for name in mine if not name.startswith("next_")]]),
        "documents": _own(items, customer),
        "statements": _statements(book, customer, as_of),
        "claims": _own(book.tables.get("facts"), customer, ("observed_on", as_of)),
        "grade": evaluation.explain(graded, customer) if graded else pd.DataFrame(),
        "points": _points(card, mine),
        "methods": methods[methods["customer_id"] == customer]
        .drop(columns="customer_id")
        .reset_index(drop=True),
        "authority": _signers(policy, decision, amount),
        "models": _models(policy, card, models, as_of),
        "origin": _origin(ledger, book, policy, month, rows),
    }
    return Evidence(
        customer,
        as_of,
        book.currency,
        (
            *_lines(customer, as_of, book.currency, stands, decision, tables),
            *knowledge.of(book, policy, as_of).lines(),
        ),
        tables,
    )


def _upright(record: pd.Series) -> pd.DataFrame:
    """A record as rows of name and value."""
    return pd.DataFrame(
        {"item": record.index.astype("str"), "value": [summary.plain(value) for value in record]},
        dtype=object,
    )


def _own(
    frame: pd.DataFrame | None, customer: str, until: tuple[str, pd.Timestamp] | None = None
) -> pd.DataFrame:
    """Rows of a customer; with a column and a day those dated by it, newest first."""
    if frame is None:
        return pd.DataFrame()
    mine = frame[frame["customer_id"] == customer].drop(columns="customer_id")
    if until:
        mine = mine[mine[until[0]] <= until[1]].sort_values(
            until[0], ascending=False, kind="stable"
        )
    return mine.dropna(axis="columns", how="all").reset_index(drop=True)


def _statements(book: Ledger, customer: str, as_of: pd.Timestamp) -> pd.DataFrame:
    """The last three statements side by side, items as rows."""
    rows = _own(book.tables.get("financials"), customer, ("published_on", as_of)).head(3)
    if rows.empty:
        return rows
    names = [f"period to {day.date()}" for day in rows["period_end"]]
    values = (
        rows.drop(columns="period_end")
        .astype(object)
        .map(summary.plain)
        .T.set_axis(names, axis="columns")
    )
    return values.rename_axis("item").reset_index()


def _stands(book: Ledger, customer: str, as_of: pd.Timestamp) -> pd.Series:
    """The limit that stands for the customer on the day, with its holder."""
    limits = book.tables.get("limits")
    whose = standing.holder(book.customers, limits)[customer]
    asked = pd.DataFrame({"holder": [whose], "day": [as_of]})
    return asked.join(standing.standing_limit(limits, asked)).iloc[0]


def _granted(book: Ledger, holder: str, as_of: pd.Timestamp) -> pd.DataFrame:
    """Limits that began by the day, the earliest first."""
    rows = _own(book.tables.get("limits"), holder)
    if rows.empty:
        return rows
    return rows[rows["valid_from"] <= as_of].sort_values(
        "valid_from", kind="stable", ignore_index=True
    )


def _points(card: str, month: pd.DataFrame) -> pd.DataFrame:
    if not card:
        return pd.DataFrame()
    model, mine = Scorecard.load(Path(card)), features.signals(month.reset_index(drop=True))
    parts = model.parts(mine).iloc[0]
    values = [mine[name].iloc[0] for name in model.names]
    table = pd.DataFrame(
        {
            "feature": ["(base)", *model.names],
            "value": [None, *map(summary.plain, values)],
            "points": [model.base_points, *parts.to_numpy(dtype=float)],
        }
    )
    total = pd.DataFrame(
        {"feature": ["score"], "value": [None], "points": [float(model.score(mine).iloc[0])]}
    )
    return pd.concat(
        [table.astype({"value": object}), total.astype({"value": object})], ignore_index=True
    )


def _signers(policy: Policy, decision: pd.Series, granted: float) -> pd.DataFrame:
    proposed = float(decision["proposed"])
    amounts = {"proposed": proposed}
    if pd.notna(granted):
        amounts = {"granted": granted, **amounts}
    rows = []
    for what, amount in amounts.items():
        above = amount / proposed - 1 if proposed > 0 else 0.0
        request = authority.Request(amount, str(decision["grade"]), max(above, 0.0))
        rows += [
            (what, amount, number, who)
            for number, who in enumerate(authority.chain(policy, request), start=1)
        ]
    return pd.DataFrame(rows, columns=["amount_of", "amount", "signature", "approver"])


def _models(policy: Policy, card: str, models: str, as_of: pd.Timestamp) -> pd.DataFrame:
    then, now = governance.Register.read(models, until=as_of), governance.Register.read(models)
    rows = []
    for one in governed.used(policy, card):
        if one.kind == "payment_time":  # it forecasts cash and has no part in a limit
            continue
        before, after = governance.standing(then, one, as_of), governance.standing(now, one, as_of)
        rows.append((one.kind, one.name, one.digest, before.text, after.text))
    return pd.DataFrame(rows, columns=["kind", "name", "digest", "on_the_day", "now"])


def _origin(
    ledger: Ledger, book: Ledger, policy: Policy, month: pd.Timestamp, rows: pd.DataFrame
) -> pd.DataFrame:
    facts = {
        "ledger digest, as read": ledger.digest(),
        "ledger digest, as known on the day": book.digest(),
        "policy file approved by": policy.meta.approved_by,
        "policy valid from": str(policy.meta.valid_from),
        "month end reviewed": str(month.date()),
        "customers reviewed": len(rows),
        "credit_lab": f"{__version__}, code {origin.code_digest()[:12]}",
        "python, pandas, numpy": f"{platform.python_version()}, {pd.__version__}, {np.__version__}",
    }
    return pd.DataFrame({"item": list(facts), "value": list(facts.values())}, dtype=object)


def _lines(
    customer: str,
    as_of: pd.Timestamp,
    currency: str,
    stands: pd.Series,
    decision: pd.Series,
    tables: Mapping[str, pd.DataFrame],
) -> tuple[str, ...]:
    amount, proposed = float(stands["credit_limit"]), float(decision["proposed"])
    says = (
        f"From what was known at {decision['review_date'].date()} the policy proposes "
        f"{money.text(proposed, currency)} {currency} at {decision['term_days']} days: "
        f"grade {decision['grade']} from a payment index of {_index(decision['score'])}, "
        f"by the method {decision['method']}, bound by {decision['binding_constraint']}."
    )
    rows = tables["granted"]
    if not pd.notna(amount):
        return (f"The ledger holds no limit of {customer} that was valid on {as_of.date()}.", says)
    lasting = ~standing.temporary(rows)
    began = lasting & (rows["valid_from"] == stands["since"])
    last = rows[began if began.any() else ~lasting].iloc[-1]  # a temporary limit alone
    reason = f": {last['reason']}" if "reason" in rows and pd.notna(last["reason"]) else ""
    who = (
        f", approved by {last['approved_by']}"
        if "approved_by" in rows and pd.notna(last["approved_by"])
        else ""
    )
    given = (
        f"On {as_of.date()} the limit of {customer} was {money.text(amount, currency)} {currency}, "
        f"since {last['valid_from'].date()}{who}{reason}."
    )
    apart = (
        "Granted and proposed are the same amount."
        if amount == proposed
        else f"Granted is {money.text(abs(amount - proposed), currency)} "
        f"{'above' if amount > proposed else 'below'} what the policy proposes from these "
        "facts: the difference was decided by people, or under another policy."
    )
    extra = amount - np.nan_to_num(stands["lasting"])
    on_top = (f"{money.text(extra, currency)} {currency} of it is temporary.",) if extra > 0 else ()
    return given, *on_top, says, apart


def _index(value: Any) -> str:
    return f"{value:.1f}" if pd.notna(value) else "none (newcomer)"
