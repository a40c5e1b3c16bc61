"""What a treasurer, a credit manager and a reader of the review should know first about
collections.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab.errors import CreditLabError
from credit_lab.facts import Said
from credit_lab.ledger.model import Ledger
from credit_lab.monitoring import contracts
from credit_lab.policy import Policy
from credit_lab.studies.cash import CashOutlook, cash_outlook
from credit_lab.studies.collecting import EarlyWarning, desk
from credit_lab.studies.record import Record
from credit_lab.studies.text import money_text


def cash_headline(seen: CashOutlook, currency: str) -> list[str]:
    """What a treasurer should know first."""
    total, first = seen.weekly["mean"].sum(), seen.weekly.iloc[0]
    text = (
        f"{money_text(total, currency)} are expected in the {len(seen.weekly)} weeks to "
        f"{seen.weekly['period_end'].iloc[-1].date()}; the week to "
        f"{first['period_end'].date()} brings {money_text(first['p10'], currency)} to "
        f"{money_text(first['p90'], currency)} with 80 % probability."
    )
    found: list[str] = [Said(text, *_cash(seen.weekly))]
    if len(seen.tracked):
        whole, alone = seen.tracked.iloc[-1], seen.alone.iloc[-1]
        first, last = seen.tracked["made_on"].iloc[[0, -2]]
        inside = (
            f"Forecasts made from {first} to {last}: {whole['coverage']:.0%} of "
            f"{whole['forecasts']:.0f} weeks lay "
            f"inside their 80 % intervals ({alone['coverage']:.0%} if items were independent)"
        )
        found.append(
            f"{inside}; error {whole['wape']:.0%} of receipts, against {whole['wape_naive']:.0%} "
            f"for last week's receipts and {whole['wape_customer_median']:.0%} for customers' "
            "usual delays."
            if np.isfinite(whole["wape"])
            else f"{inside}; nothing was received in these weeks."
        )
    return [*found, *seen.notes]


def _cash(weekly: pd.DataFrame) -> tuple[dict[str, float], pd.Timestamp]:
    """The fact a cash forecast states: all of it, up to its last day."""
    return {"cash_to": float(weekly["mean"].sum())}, weekly["period_end"].iloc[-1]


def warning_headline(seen: EarlyWarning) -> list[str]:
    """What a credit manager should know first."""
    stop = int((seen.now["severity"] == "stop").sum())
    whole = seen.rules.iloc[-1]
    month = seen.now["month"].max() if len(seen.now) else seen.as_of
    began = (
        f"{len(seen.now)} alerts began in {month:%Y-%m}, on {seen.now['customer_id'].nunique()} "
        "customers"
    )
    watched = (seen.rules["severity"] == "stop").any()
    found = [
        f"{began}; {stop} say stop."
        if watched
        else f"{began}; no rule that says stop could be watched."
    ]
    if whole["defaults"] > 0:
        lead = (
            f", half of them {whole['lead_median_days']:.0f} days before" if whole["warned"] else ""
        )
        right = (
            f"{whole['precision']:.0%} of {whole['alerts']:.0f} alerts were followed by an "
            f"impairment ({whole['base_rate']:.0%} of customer-months by lot)"
            if whole["alerts"] > 0
            else "no alert is old enough to be judged"
        )
        found.append(
            f"Up to {seen.as_of.date()} all rules together warned of {whole['recall']:.0%} of "
            f"{whole['defaults']:.0f} impairments{lead}; {right}; "
            f"{whole['minutes_per_week'] / 60:.1f} hours of work a week."
        )
    if len(seen.holds):
        row = seen.holds.iloc[0]
        stopped = (
            f"The policy's holds would have stopped {row['held_orders']:.0f} of "
            f"{row['orders']:.0f} orders of the twelve months to {seen.as_of.date()}"
        )
        share = row["good_held_share"]
        found.append(
            f"{stopped}; {share:.0%} of those invoiced were paid no more than 30 days late."
            if np.isfinite(share)
            else f"{stopped}."
        )
    elif "holds by the policy" not in set(seen.absent["signal"]):
        found.append(
            f"No order in the twelve months to {seen.as_of.date()}: the hold rules could not be "
            "tried."
        )
    found += contracts.not_checked(seen.findings)
    return [
        *found,
        *(f"Not watched: {row.signal} ({row.reason})." for row in seen.absent.itertuples()),
    ]


_LADDER_RESTS_ON = {
    "disputes": "disputed items are asked for like all others",
    "actions": "what was sent before is not known, every item begins at its stage by days",
}


@dataclass(frozen=True)
class Section(Record, prefix="collections_"):
    """Collections in the quarterly review; empty tables where the ledger has nothing to tell,
    `lines` say why.

    Attributes
    ----------
    letters : level, action, letters, items, amount: what the ladder sends today
    waiting : reason, items, amount: what it does not
    weekly : cash of the next 13 weeks
    contracts : check, findings, amount of the period
    lines : findings and reasons, in sentences
    """

    letters: pd.DataFrame
    waiting: pd.DataFrame
    weekly: pd.DataFrame
    contracts: pd.DataFrame
    lines: tuple[str, ...]


def section(ledger: Ledger, policy: Policy, start: pd.Timestamp, end: pd.Timestamp) -> Section:
    """Ladder, cash and contract checks for a review of `start` to `end`."""
    lines: list[str] = []
    letters, waiting, weekly = pd.DataFrame(), pd.DataFrame(), pd.DataFrame()
    try:
        made = desk(ledger, policy, end)
        letters = made.run.letters.groupby(["level", "action"], as_index=False).agg(
            letters=("customer_id", "size"), items=("items", "sum"), amount=("amount", "sum")
        )
        waiting = made.run.waiting.groupby("reason", as_index=False).agg(
            items=("document_id", "size"), amount=("open_amount", "sum")
        )
        asked = {
            "asked.customers": int(letters["letters"].sum()),
            "asked.amount": float(letters["amount"].sum()),
        }
        amount = money_text(asked["asked.amount"], ledger.currency)
        text = (
            f"At {end.date()} the ladder asks {letters['letters'].sum():,} customers for {amount}."
        )
        lines.append(Said(text, asked, end))
        lines += [f"{row.text} ({row.id})." for row in made.run.warnings.head(5).itertuples()]
    except CreditLabError as error:
        lines.append(f"No ladder: {error}.")
    try:
        weekly = cash_outlook(ledger, end, origins=0, months=1).weekly
        amount = money_text(float(weekly["mean"].sum()), ledger.currency)
        last = weekly["period_end"].iloc[-1].date()
        text = f"{amount} of cash are expected in the {len(weekly)} weeks to {last}."
        lines.append(Said(text, *_cash(weekly)))
    except CreditLabError as error:
        lines.append(f"No cash forecast: {error}.")
    lines += [
        f"No table {name}: {what}."
        for name, what in _LADDER_RESTS_ON.items()
        if not ledger.has(name)
    ]
    found = contracts.check(ledger, start, end, rules=contracts.Rules.of(policy))
    lines += contracts.not_checked(found)
    found = found[found["check"] != "not_checked"]
    counted = found.groupby("check", as_index=False).agg(
        findings=("check", "size"), amount=("amount", "sum")
    )
    return Section(letters, waiting, weekly, counted, tuple(lines))
