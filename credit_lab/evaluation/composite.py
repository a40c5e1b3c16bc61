"""The composite: figures and judgement on capability, willingness and environment become one score and grade.

Nominal weight of an item = weight of its part × weight of its kind (figures or judgement) × weight within the two.
What is missing is handled by the policy's rule; with "reweight" the weight of a missing item goes to the items beside
it, that of an empty kind to the other kind of the same part, that of an empty part to the other parts. Contributions
(points = effective weight × score) add up to the score, so every grade can be followed back to its facts.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab.errors import CreditLabError, nearest
from credit_lab.evaluation.experts import Template
from credit_lab.evaluation.nested_models import Nested
from credit_lab.periods import takes_days
from credit_lab.policy import Policy

# Settings it reads, see `rules.coverage`.
READS = (
    "evaluation.*",
    "grades.scale.pd_upper",
    "investigation.statement_months",
    "investigation.attributes.attribute",
    "investigation.attributes.kind",
    "investigation.attributes.review_months",
)

Floats = npt.NDArray[np.float64]
PARTS = ("capability", "willingness", "environment")
KINDS = ("figures", "judgement")
RULE_SCORE = {"neutral": 50.0, "worst": 0.0}


@dataclass(frozen=True)
class Evaluated:
    """Scores and grades as of a day.

    Attributes
    ----------
    customers : customer_id, score (0-100), figures, judgement, capability, willingness, environment (scores of the
        known items of each), evidence (share of the nominal weight that is known), grade (empty: too little evidence),
        pd_low, pd_high (band of the grade), pd (only with the logistic model), reason
    contributions : customer_id, part, kind, item, value, score, nominal_weight, weight, points, source; the points of
        a customer add up to its score
    """

    as_of: pd.Timestamp
    policy_id: str
    combine: str
    customers: pd.DataFrame
    contributions: pd.DataFrame


def evidence_items(policy: Policy, template: Template) -> pd.DataFrame:
    """All items with part, kind and nominal weight; the weights add up to one."""
    rule = policy.evaluation
    share = {"figures": rule.quantitative, "judgement": 1 - rule.quantitative}
    figures = [("figures", one.measure, one.part, one.weight) for one in rule.measures]
    judged = [("judgement", row.factor, row.part, row.weight) for row in template.factors.itertuples()]
    table = pd.DataFrame([*figures, *judged], columns=["kind", "item", "part", "within"])
    within = table["within"] / table.groupby(["part", "kind"])["within"].transform("sum")
    kind = table["kind"].map(share)
    # a part without any factor in the template is judged by figures alone
    whole = table.drop_duplicates(["part", "kind"]).assign(kind_share=lambda frame: frame["kind"].map(share))
    total = table["part"].map(whole.groupby("part")["kind_share"].sum())
    part = table["part"].map({name: getattr(rule, name) for name in PARTS})
    return table.drop(columns="within").assign(nominal_weight=(part * kind / total * within).astype("float64"))


@takes_days
def evaluate(
    figures: pd.DataFrame,
    judgement: pd.DataFrame,
    policy: Policy,
    template: Template,
    as_of: pd.Timestamp,
    *,
    customers: pd.Series | None = None,
    model: Nested | None = None,
) -> Evaluated:
    """Score and grade customers.

    Parameters
    ----------
    figures : customer_id, item (a measure of the policy), value, source
    judgement : of `experts.judge`
    customers : whom to evaluate; default all who appear in either
    model : of `nested`, for combine = "logistic"

    Raises
    ------
    CreditLabError
        A measure the policy does not know, or combine = "logistic" without a model.
    """
    rule = policy.evaluation
    if rule.combine == "logistic" and model is None:
        raise CreditLabError(
            f"policy {policy.meta.id}: combine = 'logistic' needs outcomes to fit on; there are too few, so say "
            "'weighted' or 'matrix'"
        )
    known = [one.measure for one in rule.measures]
    strange = sorted(set(figures["item"]) - set(known))
    if strange:
        raise CreditLabError(f"figures: unknown measure {strange[0]!r}; {nearest(strange[0], known)}")
    ids = pd.Index(sorted(set(customers if customers is not None else [*figures["customer_id"],
                                                                       *judgement["customer_id"]])))  # fmt: skip
    table = evidence_items(policy, template)
    given = pd.concat([scored(figures, policy).assign(kind="figures"), judgement.assign(kind="judgement")])
    scores = _wide(given, "score", ids, table)
    nominal = table["nominal_weight"].to_numpy()
    there = ~np.isnan(scores)
    filled = scores
    if rule.missing != "reweight":
        filled = np.where(there, scores, RULE_SCORE[rule.missing])
    weight = _weights(~np.isnan(filled), table)
    points = weight * np.where(np.isnan(filled), 0.0, filled)
    evidence = there @ nominal
    parts = {
        **{kind: _mean(filled, nominal * (table["kind"] == kind).to_numpy()) for kind in KINDS},
        **{part: _mean(filled, nominal * (table["part"] == part).to_numpy()) for part in PARTS},
    }
    score = np.where(evidence > 0, points.sum(axis=1), np.nan)
    made = pd.DataFrame({"customer_id": ids, "score": score, **parts, "evidence": evidence})
    made = _graded(made, policy, model)
    return Evaluated(
        as_of, policy.meta.id, rule.combine, made, _contributions(given, scores, filled, weight, ids, table)
    )


def scored(figures: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """Figures with their score: 0 at the policy's worst value, 100 at its best, straight in between."""
    rules = {one.measure: one for one in policy.evaluation.measures}
    worst = figures["item"].map({name: one.worst for name, one in rules.items()}).astype("float64")
    best = figures["item"].map({name: one.best for name, one in rules.items()}).astype("float64")
    score = (100 * (figures["value"].astype("float64") - worst) / (best - worst)).clip(0, 100)
    return figures.assign(score=score)


def _wide(given: pd.DataFrame, column: str, ids: pd.Index, table: pd.DataFrame) -> Floats:
    places = pd.MultiIndex.from_frame(table[["kind", "item"]])
    row = ids.get_indexer(given["customer_id"])
    place = places.get_indexer(pd.MultiIndex.from_frame(given[["kind", "item"]]))
    grid = np.full((len(ids), len(table)), np.nan)
    fits = (row >= 0) & (place >= 0)
    grid[row[fits], place[fits]] = given[column].to_numpy(dtype=float)[fits]
    return grid


def _weights(there: npt.NDArray[np.bool_], table: pd.DataFrame) -> Floats:
    """Effective weights: missing weight moves within the kind, then within the part, then to the other parts."""
    nominal = table["nominal_weight"].to_numpy()
    weight = there * nominal
    part = table["part"].to_numpy()
    cell = (table["part"] + "/" + table["kind"]).to_numpy()
    for groups in (cell, part, np.repeat("all", len(table))):
        for group in np.unique(groups):
            inside = groups == group
            wanted, have = nominal[inside].sum(), weight[:, inside].sum(axis=1)
            with np.errstate(divide="ignore", invalid="ignore"):
                weight[:, inside] *= np.where(have > 0, wanted / have, 0.0)[:, None]
    return np.asarray(weight)


def _mean(scores: Floats, weight: Floats) -> Floats:
    there = ~np.isnan(scores) * weight
    total = there.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total > 0, (there * np.nan_to_num(scores)).sum(axis=1) / total, np.nan)


def _graded(made: pd.DataFrame, policy: Policy, model: Nested | None) -> pd.DataFrame:
    """Grade, its band of default probability, and why there is none or how it came about."""
    rule, names = policy.evaluation, np.array([cut.grade for cut in policy.evaluation.scale])
    cuts = np.array([cut.min_score for cut in rule.scale])
    place = (cuts[None, :] > made["score"].fillna(0).to_numpy()[:, None] + 1e-9).sum(axis=1)
    grade, reason = names[place], pd.Series("score within the band", index=made.index, dtype="str")
    both = (made["figures"].notna() & made["judgement"].notna()).to_numpy()
    pd_ = np.full(len(made), np.nan)
    if rule.combine == "matrix":
        falling = np.array(rule.matrix_cuts)
        row, column = (
            (falling[None, :] > made[kind].fillna(0).to_numpy()[:, None] + 1e-9).sum(axis=1) for kind in KINDS
        )
        grade = np.where(both, np.array(rule.matrix)[row, column], grade)
        reason = reason.where(~both, "matrix of figures and judgement")
    if rule.combine == "logistic" and model is not None:
        pd_ = np.where(both, model.probability(made["figures"], made["judgement"]), np.nan)
        upper = np.array([one.pd_upper for one in policy.grades.scale])
        grade = np.where(both, names[np.searchsorted(upper, np.nan_to_num(pd_), side="right").clip(max=len(names) - 1)],
                         grade)  # fmt: skip
        reason = reason.where(~both, "default probability of the logistic model")
    little = (made["evidence"] < rule.min_evidence - 1e-12).to_numpy()
    above = dict(zip(names, [one.pd_upper for one in policy.grades.scale], strict=True))
    below = dict(zip(names, [0.0, *list(above.values())[:-1]], strict=True))
    grade = pd.Series(np.where(little, "", grade), index=made.index, dtype="str")
    share = made["evidence"].map("{:.0%}".format).astype("str")
    say = "only " + share + f" of the evidence, {rule.min_evidence:.0%} are needed"
    return made.assign(
        grade=grade, pd_low=grade.map(below).astype("float64"), pd_high=grade.map(above).astype("float64"),
        pd=np.where(little, np.nan, pd_), reason=reason.where(~little, say),
    )  # fmt: skip


def _contributions(
    given: pd.DataFrame, scores: Floats, filled: Floats, weight: Floats, ids: pd.Index, table: pd.DataFrame
) -> pd.DataFrame:
    """Long form, one row per customer and item, also of what is missing."""
    n, m = scores.shape
    whole = pd.DataFrame(
        {
            "customer_id": np.repeat(ids.to_numpy(), m),
            **{name: np.tile(table[name].to_numpy(), n) for name in ("part", "kind", "item")},
            "score": filled.ravel(),
            "nominal_weight": np.tile(table["nominal_weight"].to_numpy(), n),
            "weight": weight.ravel(),
            "points": (weight * np.nan_to_num(filled)).ravel(),
            "missing": np.isnan(scores).ravel(),
        }
    )
    facts = given[["customer_id", "kind", "item", "value", "source"]]
    whole = whole.merge(facts, on=["customer_id", "kind", "item"], how="left")
    source = whole["source"].where(~whole["missing"], "missing: " + whole["source"].fillna("nothing known"))
    names = ["customer_id", "part", "kind", "item", "value", "score", "nominal_weight", "weight", "points", "source"]
    return whole.assign(source=source)[names]


def explain(evaluated: Evaluated, customer_id: str) -> pd.DataFrame:
    """Audit trail of one customer: every contribution with its source, most points first, missing ones last.

    The column points adds up to the customer's score.

    Raises
    ------
    CreditLabError
        The customer was not evaluated.
    """
    rows = evaluated.contributions[evaluated.contributions["customer_id"] == customer_id]
    if rows.empty:
        known = evaluated.customers["customer_id"]
        raise CreditLabError(f"customer {customer_id!r} was not evaluated; {nearest(customer_id, known.head(5000))}")
    return rows.drop(columns="customer_id").sort_values(
        ["points", "nominal_weight"], ascending=False, ignore_index=True
    )
