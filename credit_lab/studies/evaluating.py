"""Evaluation as a record for notebook 21, the quarterly review and the command `evaluate`."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab import evaluation, financials, history, workbench
from credit_lab.errors import CreditLabError
from credit_lab.evaluation.experts import latest_scores
from credit_lab.investigation.statements_check import known_statements
from credit_lab.ledger.model import Ledger
from credit_lab.policy import Policy
from credit_lab.scoring import rows as modelling
from credit_lab.studies.record import Record

TEMPLATE = "data/expert/three_dimensions.toml"


@dataclass(frozen=True)
class Evaluating(Record, prefix="evaluation_"):
    """Evaluation of all customers at a month end.

    Attributes
    ----------
    evaluated : scores, grades, contributions, see `evaluation.Evaluated`
    grades : customer_id, grade, model_grade, score, parts, evidence, reason ...; after overrides
    distribution : grade, customers now and a quarter before, band of default probability
    migration : customers by grade a quarter before (rows) and now (columns)
    weights : all items with part, kind and nominal weight; agreement of assessors by factor
    nested, tests, followed : the grades of a year before against what followed: models, tests,
        grade by outcome
    industries, turns : index now by industry; turning points
    distress : score, zone, customers, standing
    trends : ratios by direction over three years
    lines : what to know first, and what the ledger cannot give
    """

    as_of: pd.Timestamp
    evaluated: evaluation.Evaluated
    grades: pd.DataFrame
    distribution: pd.DataFrame
    migration: pd.DataFrame
    weights: pd.DataFrame
    agreement: pd.DataFrame
    nested: pd.DataFrame
    tests: pd.DataFrame
    followed: pd.DataFrame
    industries: pd.DataFrame
    index: pd.DataFrame
    turns: pd.DataFrame
    distress: pd.DataFrame
    trends: pd.DataFrame
    lines: tuple[str, ...]

    @property
    def before(self) -> pd.Timestamp:
        """The month end a quarter before, with which grades are compared."""
        return self.as_of - pd.offsets.MonthEnd(3)

    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by name, contributions included."""
        return super().tables() | {"evaluation_contributions": self.evaluated.contributions}


def evaluating(
    ledger: Ledger,
    policy: Policy,
    as_of: pd.Timestamp,
    *,
    template: str = TEMPLATE,
    overrides: str = "",
) -> Evaluating:
    """Evaluate at the last month end up to `as_of`, compare with a quarter before, judge the grades
    of a year before.

    Raises
    ------
    CreditLabError
        A bad template, assessment or overrides file; see the modules of `evaluation`.
    """
    past = history.build(ledger, as_of, policy=policy)
    month = past["month"].max()
    rules = evaluation.load_template(*workbench.paths(template))
    notes: list[str] = []
    year = month - pd.offsets.MonthEnd(12)
    earlier = _followed(ledger, policy, past, year, rules, notes)
    model = earlier[0] if policy.evaluation.combine == "logistic" else None
    now = at(ledger, policy, past, month, rules, model)
    before = month - pd.offsets.MonthEnd(3)
    old = (
        at(ledger, policy, past, before, rules, model).customers
        if (past["month"] == before).any()
        else None
    )
    grades = now.customers.assign(model_grade=now.customers["grade"])
    if overrides:
        given = modelling.read(overrides)
        grades = evaluation.override(now.customers, given, policy)
    index = evaluation.industry_index(past, evaluation.industries(ledger))
    scores = latest_scores(ledger.rows("assessments"), rules, month)
    nested, followed = earlier
    empty = pd.DataFrame()
    return Evaluating(
        month,
        now,
        grades,
        _distribution(grades, old, policy),
        evaluation.migration(old, grades, policy) if old is not None else empty,
        evaluation.evidence_items(policy, rules).sort_values(
            "nominal_weight", ascending=False, ignore_index=True
        ),
        evaluation.agreement(scores),
        nested.table if nested else empty,
        nested.tests if nested else empty,
        followed,
        index[index["month"] == month].sort_values(
            "industry_index", ascending=False, ignore_index=True
        ),
        index,
        evaluation.turning_points(index).sort_values("seen_on", ascending=False, ignore_index=True),
        _distress(ledger, policy, month),
        _trends(ledger, month),
        tuple(_lines(ledger, policy, grades, now, nested, rules, month) + notes),
    )


def at(
    ledger: Ledger,
    policy: Policy,
    past: pd.DataFrame,
    month: pd.Timestamp,
    rules: evaluation.Template,
    model: evaluation.Nested | None,
) -> evaluation.Evaluated:
    """Evaluation at one month end of all customers with documents by then, from what was known on
    that day.
    """
    who = past.loc[past["month"] == month, "customer_id"]
    ledger = ledger.known_by(month)
    judged = evaluation.judge(ledger.rows("assessments"), rules, month)
    known = evaluation.figures(ledger, policy, month, past)
    return evaluation.evaluate(known, judged, policy, rules, month, customers=who, model=model)


def _followed(
    ledger: Ledger,
    policy: Policy,
    past: pd.DataFrame,
    year: pd.Timestamp,
    rules: evaluation.Template,
    notes: list[str],
) -> tuple[evaluation.Nested | None, pd.DataFrame]:
    """Scores of a year before against failures since, among those who had not failed then."""
    rows = past[(past["month"] == year) & ~past["failed"]]
    if rows.empty:
        notes.append("Less than a year of history: the grades cannot be judged by what followed.")
        return None, pd.DataFrame()
    weighted = policy.model_copy(
        update={"evaluation": policy.evaluation.model_copy(update={"combine": "weighted"})}
    )
    then = at(ledger, weighted, past, year, rules, None).customers
    both = then.merge(rows[["customer_id", "next_12m_failed"]].dropna(), on="customer_id")
    both = both.assign(defaulted=both["next_12m_failed"].astype("float64"))
    order = [cut.grade for cut in policy.evaluation.scale]
    graded = (
        both[both["grade"] != ""]
        .groupby("grade")
        .agg(
            customers=("defaulted", "size"),
            defaults=("defaulted", "sum"),
            rate=("defaulted", "mean"),
            pd_low=("pd_low", "first"),
            pd_high=("pd_high", "first"),
        )
        .reindex(order)
        .dropna(subset=["customers"])
        .reset_index()
    )
    try:
        return evaluation.nested(both["figures"], both["judgement"], both["defaulted"]), graded
    except CreditLabError as error:
        notes.append(f"Whether judgement adds to figures cannot be tested: {error}.")
        return None, graded


def _distribution(grades: pd.DataFrame, old: pd.DataFrame | None, policy: Policy) -> pd.DataFrame:
    order = [*(cut.grade for cut in policy.evaluation.scale), "no grade"]
    now = grades["grade"].replace("", "no grade").value_counts().reindex(order, fill_value=0)
    table = pd.DataFrame({"grade": order, "customers": now.to_numpy()})
    if old is not None:
        past = old["grade"].replace("", "no grade").value_counts().reindex(order, fill_value=0)
        table = table.assign(quarter_before=past.to_numpy())
    upper = [one.pd_upper for one in policy.grades.scale]
    return table.assign(pd_low=[0.0, *upper[:-1], np.nan], pd_high=[*upper, np.nan])


def _distress(ledger: Ledger, policy: Policy, month: pd.Timestamp) -> pd.DataFrame:
    known = known_statements(ledger.rows("financials"), month)
    made = financials.distress(
        financials.latest(known, month, months=policy.investigation.statement_months)
    )
    counts = made.assign(zone=made["zone"].replace("", "undefined")).groupby(
        ["score", "standing", "source", "zone"]
    )
    wide = counts.size().unstack(fill_value=0)  # noqa: PD010
    order = ["safe", "grey", "distress", "undefined"]
    return wide.reindex(columns=order, fill_value=0).rename_axis(columns=None).reset_index()


def _trends(ledger: Ledger, month: pd.Timestamp) -> pd.DataFrame:
    made = financials.trends(known_statements(ledger.rows("financials"), month), month)
    wide = pd.crosstab(made["ratio"], made["direction"]).reindex(
        columns=["better", "flat", "worse"], fill_value=0
    )
    ids = {name: ratio.formula_id for name, ratio in financials.RATIOS.items()}
    wide = wide.rename_axis(columns=None).reset_index()
    return wide.assign(
        formula_id=wide["ratio"].map(ids),
        formula=wide["ratio"].map(
            {name: ratio.formula for name, ratio in financials.RATIOS.items()}
        ),
    )


def _lines(
    ledger: Ledger,
    policy: Policy,
    grades: pd.DataFrame,
    now: evaluation.Evaluated,
    nested: evaluation.Nested | None,
    rules: evaluation.Template,
    month: pd.Timestamp,
) -> list[str]:
    none = grades["grade"] == ""
    lines = [
        f"{int((~none).sum()):,} of {len(grades):,} customers have a grade by {now.combine} "
        f"evidence; template: {rules.name}."
    ]
    if none.any():
        lines.append(
            f"{int(none.sum()):,} have none: less than {policy.evaluation.min_evidence:.0%} of the "
            "evidence is known about them."
        )
    for table, what in (
        ("financials", "capability has no figures"),
        ("assessments", "there is no expert judgement"),
        ("facts", "there is no register news"),
    ):
        if not ledger.has(table):
            lines.append(f"No table {table}: {what}.")
    if "industry" not in ledger.customers or ledger.customers["industry"].isna().all():
        lines.append(
            "Industries are not known: no industry index, percentiles are among all customers."
        )
    changed = int((grades["grade"] != grades["model_grade"]).sum())
    if changed:
        lines.append(f"{changed} grades are overridden, each with its reason.")
    if not np.isnan(rules.consistency_ratio):
        lines.append(
            "Weights of judgement by pairwise comparison, consistency ratio "
            f"{rules.consistency_ratio:.3f}."
        )
    if nested:
        year = month - pd.offsets.MonthEnd(12)
        p = nested.tests.set_index("added")["p_value"]["judgement"]
        adds = "adds to the figures" if p < 0.05 else "does not show to add to the figures"
        lines.append(
            f"Among {nested.rows} customers at {year.date()} with both, {nested.events} of whom "
            f"failed by {month.date()}, judgement {adds} (likelihood-ratio test, p = {p:.3f})."
        )
    return lines
