"""Sentences of a report. They have a few branches (better, worse, not clear); each has a golden
text in the tests.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from credit_lab import facts, labels, language, money
from credit_lab.backtest import claims_text
from credit_lab.facts import Said
from credit_lab.knowledge import AGES
from credit_lab.ledger import reconcile
from credit_lab.policy import money_note
from credit_lab.studies import data_quality
from credit_lab.studies.bases import moved
from credit_lab.studies.losses import Losses
from credit_lab.studies.review import Review
from credit_lab.summary import NOT_KNOWN, OK, UNKNOWN

if TYPE_CHECKING:
    from credit_lab.backtest import claim_test


def money_text(amount: float, currency: str) -> str:
    """Amount in words a table of figures does not need: 21.8 million CNY.

    >>> money_text(21_837_143.5, "CNY"), money_text(-950.0, "USD")
    ('21.8 million CNY', '-950 USD')
    """
    return language.money(amount, currency)


def headline(review: Review) -> dict[str, str]:
    """The three to five sentences a manager reads first.

    Parameters
    ----------
    review : as `studies.review.review` gives it

    Returns
    -------
    dict
        By key: owed, dso, delay, concentration; then what is not watched, not measured, and of
        which money nothing is known (unwatched, unmeasured and money, numbered).
    """
    values, why = review.kpis.set_index("formula_id"), review.unmeasured
    ending = values.loc["dso.period_end", "value"]
    bases = (review.before.label, review.year_before.label)
    countback = moved(
        "DSO by countback",
        values.loc["dso.countback"],
        "days",
        bases,
        worse_is_up=True,
        why=why.get("dso.countback", ""),
    )
    if np.isfinite(ending):
        countback += f" The period-end figure, {ending:.1f} days, also moves with the season."
    delay = moved(
        "Average days delinquent",
        values.loc["add"],
        "days",
        bases,
        worse_is_up=True,
        why=why.get("add", ""),
    )
    stated = _kpis(review, "dso.countback", "dso.period_end")
    sentences = {
        "owed": _owed(review, values.loc["overdue_ratio", "value"]),
        "dso": Said(countback, stated, review.as_of),
        "delay": Said(delay, _kpis(review, "add"), review.as_of),
        "concentration": _concentrated(review),
    }
    unwatched = [f"Not watched: {name} ({reason})." for name, reason in review.unwatched.items()]
    lacking = {
        "unwatched": unwatched,
        "unmeasured": unmeasured(review),
        "money": money_note(review.policy),
    }
    numbered = {
        f"{key}_{at}": line for key, lines in lacking.items() for at, line in enumerate(lines)
    }
    return sentences | numbered


def _kpis(review: Review, *ids: str) -> dict[str, float]:
    """Key figures as facts."""
    values = review.kpis.set_index("formula_id")["value"]
    return {id: float(values[id]) for id in ids}


def _owed(review: Review, late: float) -> str:
    """What is owed and how much of it is overdue, as far as the ledger can carry it."""
    knows, day = review.knows, review.as_of.date()
    if lacking := knows.lack("what customers owe is", "receipts"):
        return f"{lacking[0].upper()}{lacking[1:]}."
    total = float(review.identity.set_index("line").loc["sum", "amount"])
    stated = {"balance": total}
    owed = money_text(total, review.currency)
    said = (
        f"At {day} customers owed {owed} net of unapplied cash and credit notes; no invoice was "
        "open."
    )
    if lacking := knows.lack("how much of it is overdue is", *AGES):
        said = f"At {day} customers owed {owed} net of unapplied cash and credit notes; {lacking}."
    if lacking or not np.isfinite(late):
        return Said(said, stated, review.as_of)
    said = (
        f"At {day} customers owed {owed} net of unapplied cash and credit notes; {late:.1%} of "
        "open invoices were overdue."
    )
    if rule := knows.basis("matching"):
        other = review.by_rule.iloc[-1]
        first = "last" if other["rule"] == "latest-due" else "first"
        ratio = other["overdue_ratio"]
        said += f" It is estimated: {rule}."
        said += f" With debts due {first} settled first it is {ratio:.1%}."
    return Said(said, {**stated, "overdue_ratio": float(late)}, review.as_of)


def _concentrated(review: Review) -> str:
    """The largest customers against the policy's cap."""
    if review.knows.why("receipts"):
        return "Who owes how much is not known."
    top = review.concentration.set_index("measure")["value"]
    cap = review.targets["concentration.largest"]
    if not top["largest 1"] > 0:
        return "No customer owes anything on balance."
    over = int((review.balances["share"] > cap).sum())
    limit = f"; {over} above" if over else "; nobody above"
    return Said(
        f"The largest customer holds {top['largest 1']:.1%} and the ten largest "
        f"{top['largest 10']:.1%} of receivables{limit} the policy's cap of {cap:.0%}.",
        {f"share.{name}": float(top[name]) for name in ("largest 1", "largest 10")},
        review.as_of,
    )


def unmeasured(review: Review) -> list[str]:
    """Key figures without a value, or without the one they are compared with, one sentence a
    reason; a dash in a table does not say why.
    """
    said = [f"Not measured ({names}): {reason}." for names, reason in _by_reason(review.unmeasured)]
    for base, why in review.unmeasured_before.items():
        lacking = {name: why[name] for name in review.kpis["formula_id"] if name in why}
        if len(lacking) == len(review.kpis):
            said.append(f"Not compared with {base}: {next(iter(lacking.values()))}.")
            continue
        lacking = {name: why for name, why in lacking.items() if name not in review.unmeasured}
        said += [
            f"Not compared with {base} ({names}): {reason}."
            for names, reason in _by_reason(lacking)
        ]
    return said


def _by_reason(why: dict[str, str]) -> list[tuple[str, str]]:
    """Names of the figures that share a reason, and the reason."""
    found: dict[str, list[str]] = {}
    for name, reason in why.items():
        found.setdefault(reason, []).append(labels.formula(name, language.current()))
    return [(", ".join(names), reason) for reason, names in found.items()]


def quality(review: Review) -> str:
    """What became of the rows read, and whether the balance ties to the control account."""
    difference = money.text(_apart(review), review.currency)
    tied = (
        f"Buckets, unapplied cash and credit notes differ from the documents by {difference} "
        f"{review.currency}."
    )
    rows = data_quality.rows_line(review.accounting)
    stated = {f"control.difference@{review.as_of:%Y-%m-%d}": _apart(review), **facts.of(rows)}
    return Said(" ".join([rows, tied, data_quality.control_line(review.control)]), stated)


def _apart(review: Review) -> float:
    """Buckets, unapplied cash and credit notes less the documents: exactly 0.0, or there is a
    defect.
    """
    return float(review.identity.set_index("line").loc["difference", "amount"])


def verdicts(review: Review, others: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """Traffic lights with their reasons, for the top of the report and for run.json.

    None is green while ages are not known.

    Parameters
    ----------
    review : as `studies.review.review` gives it
    others : name → light and reason, shown below its own
    """
    table, targets = review.kpis.set_index("formula_id"), review.targets
    dso, lost, top = (table.loc[name, "value"] for name in targets)
    target, budget, cap = targets.values()
    window = table.loc["bad_debt_ratio.period", "window"]
    lights = {
        "ledger reconciles": reconcile.light(
            review.control, review.currency, own=_apart(review), since=review.period.start
        ),
        "DSO within target": (
            "ok" if dso <= target else "act",
            f"DSO by countback {dso:.1f} days, target {target:g}",
        )
        if np.isfinite(dso)
        else ("not measured", f"DSO by countback: {review.unmeasured['dso.countback']}"),
        "losses within budget": (
            "ok" if lost <= budget else "act",
            f"net write-offs {lost:.2%} of sales, {window}, budget {budget:.2%}",
        )
        if np.isfinite(lost)
        else ("not measured", review.unmeasured["bad_debt_ratio.period"]),
        "largest customer within cap": (
            "ok" if top <= cap else "act",
            f"{top:.1%} of receivables at {review.as_of.date()}, cap {cap:.0%}",
        )
        if np.isfinite(top)
        else ("not measured", review.unmeasured["concentration.largest"]),
    }
    figures = [_kpis(review, name) for name in targets]
    apart = max(abs(_apart(review)), *review.control["difference"].abs(), 0.0)
    evidence = ({"control.apart": apart}, *figures)
    unseen = "" if review.knows.ages else f"{NOT_KNOWN}: {review.knows.blind}"
    said: dict[str, str] = {
        name: Said(f"{light}: {reason}", {} if light in UNKNOWN else stated, review.as_of)
        for (name, (light, reason)), stated in zip(lights.items(), evidence, strict=True)
    } | dict(others)
    return {name: unseen if unseen and text.startswith(OK) else text for name, text in said.items()}


def claims(tested: "dict[str, claim_test.Tested]") -> list[str]:
    """The verdict on each claim in the language of the report, or why there is none."""
    return [
        Said(claims_text.sentence(one.verdict, language.current()), {f"claim.{name}": one.estimate})
        if one.verdict
        else one.sentence
        for name, one in tested.items()
    ]


def losses_headline(found: Losses, currency: str) -> list[str]:
    """What the loss tables say, in sentences; what they cannot say, too."""
    text: list[str] = []
    if len(found.allowance) and (open_ := money.total(found.allowance["open"])) > 0:
        total = money.total(found.allowance["allowance"])
        said = (
            "Loss rates of the past applied to today's ages give an allowance of "
            f"{money_text(total, currency)}, {total / open_:.1%} of open invoices."
        )
        text.append(Said(said, {"allowance": float(total)}, found.as_of))
    if len(found.backtest):
        expected, lost = found.backtest["allowance"].sum(), found.backtest["lost"].sum()
        verdict = "enough" if expected >= lost else "too little"
        said = (
            f"At {found.year_before.date()} the same method would have set aside "
            f"{money_text(expected, currency)}; {money_text(lost, currency)} of the items open "
            f"then were lost by {found.as_of.date()}: {verdict}."
        )
        stated = {"allowance_then": float(expected), "lost_since": float(lost)}
        text.append(Said(said, stated, found.as_of))
    if len(found.bridge):
        whole = found.bridge.iloc[-1]
        part = whole[["terms", "delinquency", "calendar", "mix"]].abs().idxmax()
        verb, size = "rose" if whole["total"] > 0 else "fell", abs(whole["total"])
        said = (
            f"DSO, period end, {verb} by {size:.1f} days between {found.year_before.date()} and "
            f"{found.as_of.date()}; the largest part is {part} ({whole[part]:+.1f} days)."
        )
        moved_by = {f"dso_moved.{whole['segment']}": float(whole["total"])}
        text.append(Said(said, moved_by, found.as_of))
    return [*text, *found.notes]
