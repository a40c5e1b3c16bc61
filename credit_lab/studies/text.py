"""Sentences of a report. They have a few branches (better, worse, not clear); each has a golden
text in the tests.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from credit_lab import labels, language, money, summary
from credit_lab.backtest import ChampionChallenger, claims_text
from credit_lab.knowledge import AGES
from credit_lab.kpi.formulas import ratio
from credit_lab.ledger import reconcile
from credit_lab.policy import money_note
from credit_lab.rules import coverage
from credit_lab.studies import data_quality
from credit_lab.studies.losses import Losses
from credit_lab.studies.review import Review

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
    sentences = {
        "owed": _owed(review, values.loc["overdue_ratio", "value"]),
        "dso": countback,
        "delay": moved(
            "Average days delinquent",
            values.loc["add"],
            "days",
            bases,
            worse_is_up=True,
            why=why.get("add", ""),
        ),
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


def _owed(review: Review, late: float) -> str:
    """What is owed and how much of it is overdue, as far as the ledger can carry it."""
    knows, day = review.knows, review.as_of.date()
    if lacking := knows.lack("what customers owe is", "receipts"):
        return f"{lacking[0].upper()}{lacking[1:]}."
    total = float(review.identity.set_index("line").loc["sum", "amount"])
    owed = f"At {day} customers owed {money_text(total, review.currency)} net of unapplied cash"
    if lacking := knows.lack("how much of it is overdue is", *AGES):
        return f"{owed} and credit notes; {lacking}."
    if not np.isfinite(late):
        return f"{owed} and credit notes; no invoice was open."
    rule = knows.basis("matching")
    estimated = f" (estimated: {rule})" if rule else ""
    return f"{owed} and credit notes; {late:.1%} of open invoices were overdue{estimated}."


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
    return (
        f"The largest customer holds {top['largest 1']:.1%} and the ten largest "
        f"{top['largest 10']:.1%} of receivables{limit} the policy's cap of {cap:.0%}."
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


def moved(
    name: str,
    row: pd.Series,
    unit: str,
    bases: tuple[str, str],
    *,
    worse_is_up: bool,
    noise: float = 0.5,
    why: str = "",
) -> str:
    """One figure against the period before and the same period last year.

    Parameters
    ----------
    name : of the figure, with its formula
    row : of `kpi.table`: value, change, change_year, in `unit`
    bases : what `change` and `change_year` are counted from, such as 2025Q3 and 2024Q4
    worse_is_up : whether a higher figure is worse
    noise : movements up to here are called unchanged, in `unit`
    why : the reason where there is no value

    >>> row = pd.Series({"value": 55.5, "change": 2.0, "change_year": 1.1})
    >>> moved("DSO", row, "days", ("2025Q3", "2024Q4"), worse_is_up=True)
    'DSO rose by 2.0 days against 2025Q3 to 55.5 and by 1.1 days against 2024Q4 (worse).'
    """
    if not np.isfinite(row["value"]):
        return f"{name} is not measured: {why}." if why else f"{name} is not measured."
    changes = dict(zip(bases, (row["change"], row["change_year"]), strict=True))
    lacking = " or ".join(base for base, change in changes.items() if not np.isfinite(change))
    end = f" There is no figure of {lacking} to compare with." if lacking else ""
    return _against(name, f"{row['value']:.1f}", unit, changes, worse_is_up, noise) + end


def _against(
    name: str, value: str, unit: str, changes: dict[str, float], worse_is_up: bool, noise: float
) -> str:
    """The sentence of a figure that is known, by what it is compared with."""
    calm = " and ".join(base for base, change in changes.items() if abs(change) <= noise)
    far = [(base, change) for base, change in changes.items() if abs(change) > noise]
    if not far:
        if not calm:
            return f"{name} stands at {value} {unit}."
        return f"{name} is {value} {unit}, unchanged within {noise} {unit} against {calm}."
    rose = far[0][1] > 0
    judged = "worse" if rose == worse_is_up else "better"
    (base, change), (other, late) = far[0], far[-1]
    size, more = f"{abs(change):.1f} {unit}", f"{abs(late):.1f} {unit}"
    if len(far) == 1:
        near = f", unchanged within {noise} {unit} against {calm}" if calm else ""
        if rose:
            return f"{name} rose by {size} against {base} to {value} ({judged}){near}."
        return f"{name} fell by {size} against {base} to {value} ({judged}){near}."
    if (late > 0) != rose:
        if rose:
            return (
                f"{name} rose by {size} against {base} to {value}, but fell by {more} against "
                f"{other}."
            )
        return (
            f"{name} fell by {size} against {base} to {value}, but rose by {more} against {other}."
        )
    if rose:
        return (
            f"{name} rose by {size} against {base} to {value} and by {more} against {other} "
            f"({judged})."
        )
    return (
        f"{name} fell by {size} against {base} to {value} and by {more} against {other} ({judged})."
    )


def quality(review: Review) -> str:
    """What became of the rows read, and whether the balance ties to the control account."""
    difference = money.text(_apart(review), review.currency)
    tied = (
        f"Buckets, unapplied cash and credit notes differ from the documents by {difference} "
        f"{review.currency}."
    )
    return " ".join(
        [data_quality.rows_line(review.accounting), tied, data_quality.control_line(review.control)]
    )


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
    said = {name: f"{light}: {reason}" for name, (light, reason) in lights.items()} | dict(others)
    if review.knows.ages:
        return said
    unseen = f"{summary.NOT_KNOWN}: {review.knows.blind}"
    return {name: unseen if light.startswith(summary.OK) else light for name, light in said.items()}


def blind(differing: pd.DataFrame, a: str, b: str) -> list[str]:
    """Why two policies cannot be told apart here: nothing of what differs is read, or nothing
    differs. Empty: they can.

    Parameters
    ----------
    differing : of `rules.coverage.differences`
    a, b : names of the policies
    """
    if differing.empty:
        return [f"{a} and {b} differ in no setting."]
    if differing["read"].any():
        return []
    return [f"Nothing in which {a} and {b} differ is read here, so nothing can be said about it."]


def not_replayed(differing: pd.DataFrame) -> list[str]:
    """What differs between the policies and the replay does not read; empty: it reads all."""
    names = coverage.listed(differing)
    return [f"The replay does not read: {names}."] if names else []


def replay_headline(run: ChampionChallenger) -> list[str]:
    """What the challenger would have changed, in a few sentences, without more certainty than a
    replay has; and what differs that it does not read.
    """
    alike = blind(run.differences, run.a.policy, run.b.policy)
    return [*(alike or _replayed(run)), *not_replayed(run.differences)]


def _replayed(run: ChampionChallenger) -> list[str]:
    """What the challenger would have changed."""
    values = run.comparison.set_index("metric")
    sales, open_, lost = (
        values.loc[name]
        for name in ("sales allowed", "receivables turnover", "refused and later written off")
    )
    more = values.loc["share of sales refused"]
    if not np.isfinite(more[["a", "b"]].astype(float)).all():
        return ["Nothing was sold in the months compared, so the policies cannot be told apart."]
    differ = float(ratio(sales["difference"], sales["a"]))
    refused = (
        f"{run.a.policy} would have refused {more['a']:.1%} of what was sold, {run.b.policy} "
        f"{more['b']:.1%}"
    )
    text = [
        f"{refused}; sales allowed differ by {differ:+.1%}."
        if np.isfinite(differ)
        else f"{refused}.",
        *_waited(run),
    ]
    change = float(ratio(open_["difference"], open_["a"]))
    if not np.isfinite(change):
        text.append("Receivables turnover cannot be compared: one policy left no balances.")
    elif abs(change) < 0.01:
        text.append(
            f"Receivables turnover is the same within 1 % ({open_['a']:.2f} against "
            f"{open_['b']:.2f} a year)."
        )
    else:
        verb = "rises" if change > 0 else "falls"
        text.append(
            f"Receivables turnover {verb} by {abs(change):.1%}, from {open_['a']:.2f} to "
            f"{open_['b']:.2f} a year."
        )
    if not np.isfinite(lost["difference"]) or lost["a"] == 0 == lost["b"]:
        known = run.a.invoices["written_off"].gt(0).any()
        return [
            *text,
            "Neither policy would have refused an invoice that was written off later."
            if known
            else "No write-off is known in these data, so nothing can be said about bad debt.",
        ]
    if lost["difference"] > 0:
        cost = sales["difference"] / -lost["difference"] if lost["difference"] else np.nan
        return [
            *text,
            f"{run.b.policy} would have kept {lost['difference']:,.0f} more of later written-off "
            f"invoices off the books, at {abs(cost):,.0f} of sales given up for each unit of loss "
            "avoided.",
        ]
    if lost["difference"] < 0:
        return [
            *text,
            f"{run.b.policy} would have let {-lost['difference']:,.0f} more of later losses "
            "through.",
        ]
    return [*text, "Both policies would have met the same losses."]


def _waited(run: ChampionChallenger) -> list[str]:
    """What became of the orders each policy did not let go at once, and what that rests on."""
    values = run.comparison.set_index("metric")
    found = []
    for side, policy in (("a", run.a.policy), ("b", run.b.policy)):
        ordered = values.loc["sales allowed", side] + values.loc["sales refused", side]
        later, lost = (
            ratio(values.loc[one, side], ordered) for one in ("delivered later", "sales refused")
        )
        at_once = ratio(values.loc["delivered at once", side], ordered)
        if np.isfinite(at_once):
            found.append(
                f"Under {policy} {at_once:.1%} of what was ordered goes out at once, {later:.1%} "
                f"later and {lost:.1%} never."
            )
    payments = (
        "Payments are held fixed on the days they had in history: no hold provokes a payment here."
    )
    return [*found, payments] if found else []


def replay_verdicts(run: ChampionChallenger) -> dict[str, str]:
    """Main figures of a backtest for run.json."""
    values = run.comparison.set_index("metric")
    forms = {"money": "{:,.0f}", "share": "{:.1%}", "times a year": "{:.2f} times a year"}

    def told(name: str, side: str) -> str:
        value = float(values.loc[name, side])
        return forms[values.loc[name, "unit"]].format(value) if np.isfinite(value) else "not known"

    chosen = (
        "sales allowed",
        "share of sales refused",
        "receivables turnover",
        "refused and later written off",
    )
    return {name: ", ".join(f"{side} {told(name, side)}" for side in "ab") for name in chosen}


def claims(tested: "dict[str, claim_test.Tested]") -> list[str]:
    """The verdict on each claim in the language of the report, or why there is none."""
    return [
        claims_text.sentence(one.verdict, language.current()) if one.verdict else one.sentence
        for one in tested.values()
    ]


def losses_headline(found: Losses, currency: str) -> list[str]:
    """What the loss tables say, in sentences; what they cannot say, too."""
    text = []
    if len(found.allowance) and found.allowance["open"].sum() > 0:
        total, open_ = found.allowance["allowance"].sum(), found.allowance["open"].sum()
        text.append(
            "Loss rates of the past applied to today's ages give an allowance of "
            f"{money_text(total, currency)}, {total / open_:.1%} of open invoices."
        )
    if len(found.backtest):
        expected, lost = found.backtest["allowance"].sum(), found.backtest["lost"].sum()
        verdict = "enough" if expected >= lost else "too little"
        text.append(
            f"At {found.year_before.date()} the same method would have set aside "
            f"{money_text(expected, currency)}; {money_text(lost, currency)} of the items open "
            f"then were lost by {found.as_of.date()}: {verdict}."
        )
    if len(found.bridge):
        whole = found.bridge.iloc[-1]
        part = whole[["terms", "delinquency", "calendar", "mix"]].abs().idxmax()
        verb, size = "rose" if whole["total"] > 0 else "fell", abs(whole["total"])
        text.append(
            f"DSO, period end, {verb} by {size:.1f} days between {found.year_before.date()} and "
            f"{found.as_of.date()}; the largest part is {part} ({whole[part]:+.1f} days)."
        )
    return [*text, *found.notes]
