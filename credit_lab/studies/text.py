"""Sentences of a report. They have a few branches (better, worse, not clear); each has a golden
text in the tests.
"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from credit_lab import facts, labels, language, money
from credit_lab.backtest import ChampionChallenger, claims_text
from credit_lab.facts import Said
from credit_lab.kpi.formulas import ratio
from credit_lab.ledger import reconcile
from credit_lab.policy import money_note
from credit_lab.rules import coverage
from credit_lab.studies import data_quality
from credit_lab.studies.losses import Losses
from credit_lab.studies.review import Review

if TYPE_CHECKING:
    from credit_lab.backtest import claim_test

# Settings it reads, see `rules.coverage`.
READS = (
    "risk_appetite.expected_loss_budget",
    "risk_appetite.single_name_cap",
    "risk_appetite.target_dso",
)


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
    total = float(review.identity.set_index("line").loc["sum", "amount"])
    late, ending = values.loc["overdue_ratio", "value"], values.loc["dso.period_end", "value"]
    owed = money_text(total, review.currency)
    countback = moved(
        "DSO by countback",
        values.loc["dso.countback"],
        "days",
        worse_is_up=True,
        why=why.get("dso.countback", ""),
    )
    if np.isfinite(ending):
        countback += f" The period-end figure, {ending:.1f} days, also moves with the season."
    balance = (
        f"At {review.as_of.date()} customers owed {owed} net of unapplied cash and credit "
        f"notes; {late:.1%} of open invoices were overdue."
        if np.isfinite(late)
        else f"At {review.as_of.date()} customers owed {owed} net of unapplied cash and credit "
        "notes; no invoice was open."
    )
    delay = moved(
        "Average days delinquent",
        values.loc["add"],
        "days",
        worse_is_up=True,
        why=why.get("add", ""),
    )
    stated = _kpis(review, "dso.countback", "dso.period_end")
    sentences = {
        "owed": Said(
            balance, {"balance": total, **_kpis(review, "overdue_ratio")}, review.as_of
        ),
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


def _concentrated(review: Review) -> str:
    """The largest customers against the policy's cap."""
    top = review.concentration.set_index("measure")["value"]
    cap = review.policy.risk_appetite.single_name_cap
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
    """Key figures without a value, one sentence a reason; a dash in a table does not say why."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in review.unmeasured.items():
        by_reason.setdefault(reason, []).append(labels.formula(name, language.current()))
    return [f"Not measured ({', '.join(names)}): {reason}." for reason, names in by_reason.items()]


def moved(
    name: str, row: pd.Series, unit: str, *, worse_is_up: bool, noise: float = 0.5, why: str = ""
) -> str:
    """One figure against the period before; movements within `noise` are called unchanged, one
    without a value is said to be not measured and `why`.

    >>> row = pd.Series({"value": 55.5, "previous": 52.0, "change": 3.5})
    >>> moved("DSO", row, "days", worse_is_up=True)
    'DSO rose by 3.5 days to 55.5 (worse).'
    """
    if not np.isfinite(row["value"]):
        return f"{name} is not measured: {why}." if why else f"{name} is not measured."
    if not np.isfinite(row["previous"]):
        return (
            f"{name} is {row['value']:.1f} {unit}; there is no figure of the period before to "
            "compare with."
        )
    if abs(row["change"]) <= noise:
        return f"{name} is {row['value']:.1f} {unit}, unchanged within {noise} {unit}."
    rose, size = row["change"] > 0, f"{abs(row['change']):.1f} {unit}"
    judged = "worse" if rose == worse_is_up else "better"
    if rose:
        return f"{name} rose by {size} to {row['value']:.1f} ({judged})."
    return f"{name} fell by {size} to {row['value']:.1f} ({judged})."


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


def verdicts(review: Review) -> dict[str, str]:
    """Traffic lights with their reasons, for the top of the report and for run.json."""
    values = review.kpis.set_index("formula_id")["value"]
    appetite = review.policy.risk_appetite
    top = float(review.balances["share"].max()) if len(review.balances) else np.nan
    dso, lost = values["dso.period_end"], values["bad_debt_ratio.period"]
    lights = {
        "ledger reconciles": reconcile.light(
            review.control, review.currency, own=_apart(review), since=review.period.start
        ),
        "DSO within target": (
            "ok" if dso <= appetite.target_dso else "act",
            f"{dso:.1f} days, target {appetite.target_dso:g}",
        )
        if np.isfinite(dso)
        else ("not measured", review.unmeasured["dso.period_end"]),
        "losses within budget": (
            "ok" if lost <= appetite.expected_loss_budget else "act",
            f"net write-offs {lost:.2%} of sales, budget {appetite.expected_loss_budget:.2%}",
        )
        if np.isfinite(lost)
        else ("not measured", review.unmeasured["bad_debt_ratio.period"]),
        "largest customer within cap": (
            "ok" if top <= appetite.single_name_cap else "act",
            f"{top:.1%} of receivables, cap {appetite.single_name_cap:.0%}",
        )
        if np.isfinite(top)
        else ("not measured", "no customer owes anything on balance"),
    }
    evidence: tuple[dict[str, float], ...] = (
        {"control.difference": _apart(review)},
        _kpis(review, "dso.period_end"),
        _kpis(review, "bad_debt_ratio.period"),
        {"share.largest 1": top},
    )
    return {
        name: Said(f"{light}: {reason}", stated, review.as_of)
        for (name, (light, reason)), stated in zip(lights.items(), evidence, strict=True)
    }


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
    if lost["a"] == 0 == lost["b"]:
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
    chosen = (
        "sales allowed",
        "share of sales refused",
        "receivables turnover",
        "refused and later written off",
    )
    return {
        name: ", ".join(
            f"{side} {forms[values.loc[name, 'unit']].format(values.loc[name, side])}"
            for side in "ab"
        )
        for name in chosen
    }


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
    if len(found.allowance) and found.allowance["open"].sum() > 0:
        total, open_ = found.allowance["allowance"].sum(), found.allowance["open"].sum()
        said = (
            "Loss rates of the past applied to today's ages give an allowance of "
            f"{money_text(total, currency)}, {total / open_:.1%} of open invoices."
        )
        text.append(Said(said, {"allowance": float(total)}, found.as_of))
    if len(found.backtest):
        expected, lost = found.backtest["allowance"].sum(), found.backtest["lost"].sum()
        verdict = "enough" if expected >= lost else "too little"
        said = (
            f"A year ago the same method would have set aside {money_text(expected, currency)}; "
            f"{money_text(lost, currency)} of those items were lost since: {verdict}."
        )
        stated = {"allowance_then": float(expected), "lost_since": float(lost)}
        text.append(Said(said, stated, found.as_of))
    if len(found.bridge):
        whole = found.bridge.iloc[-1]
        part = whole[["terms", "delinquency", "calendar", "mix"]].abs().idxmax()
        said = (
            f"DSO moved by {whole['total']:+.1f} days within a year, most of it by {part} "
            f"({whole[part]:+.1f})."
        )
        moved_by = {f"dso_moved.{whole['segment']}": float(whole["total"])}
        text.append(Said(said, moved_by, found.as_of))
    return [*text, *found.notes]
