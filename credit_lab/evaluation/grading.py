"""Grades: overrides with their limit, and how customers moved between grades."""

import pandas as pd

from credit_lab.errors import CreditLabError, nearest
from credit_lab.policy import Policy


def override(grades: pd.DataFrame, overrides: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """Grades with overrides (人工调整) put over them: `grades` with model_grade, grade, reason, approved_by, notches
    (above zero: better than the model).

    Parameters
    ----------
    grades : customer_id, grade
    overrides : customer_id, grade, reason, approved_by

    Raises
    ------
    CreditLabError
        Column lacking, unknown customer or grade, a customer twice, no reason or nobody who approved, or more than
        the share the policy allows.
    """
    order = [cut.grade for cut in policy.evaluation.scale]
    lacking = [name for name in ("customer_id", "grade", "reason", "approved_by") if name not in overrides]
    if lacking:
        raise CreditLabError(f"overrides: no column {lacking[0]!r}; needed: customer_id, grade, reason, approved_by")
    rows = overrides.fillna("")
    for problem, wrong in (
        ("reason", rows["reason"].str.strip() == ""),
        ("approved_by", rows["approved_by"].str.strip() == ""),
    ):
        if wrong.any():
            raise CreditLabError(
                f"overrides: {int(wrong.sum())} without {problem} (first: {rows.loc[wrong, 'customer_id'].iloc[0]})"
            )
    strange = rows.loc[~rows["grade"].isin(order), "grade"]
    if len(strange):
        raise CreditLabError(
            f"overrides: grade {strange.iloc[0]!r} is not in the scale; {nearest(strange.iloc[0], order)}"
        )
    unknown = rows.loc[~rows["customer_id"].isin(grades["customer_id"]), "customer_id"]
    if len(unknown) or rows["customer_id"].duplicated().any():
        first = unknown.iloc[0] if len(unknown) else rows.loc[rows["customer_id"].duplicated(), "customer_id"].iloc[0]
        raise CreditLabError(f"overrides: {first} is " + ("no evaluated customer" if len(unknown) else "listed twice"))
    new = rows.set_index("customer_id")
    mine = grades["customer_id"].map(new["grade"])
    changed = mine.notna() & (mine != grades["grade"])
    share = changed.sum() / max(int(grades["grade"].isin(order).sum()), 1)
    if share > policy.evaluation.max_override_share + 1e-12:
        raise CreditLabError(
            f"overrides: {int(changed.sum())} of {len(grades)} grades ({share:.1%}) are overridden; policy "
            f"{policy.meta.id} allows {policy.evaluation.max_override_share:.0%}: "
            "the model is not used any more, repair it"
        )
    place = {grade: number for number, grade in enumerate(order)}
    grade = grades["grade"].where(~changed, mine)
    return grades.assign(
        model_grade=grades["grade"], grade=grade,
        reason=grades["customer_id"].map(new["reason"]).where(changed).fillna("").astype("str"),
        approved_by=grades["customer_id"].map(new["approved_by"]).where(changed).fillna("").astype("str"),
        notches=(grades["grade"].map(place) - grade.map(place)).fillna(0).astype("int64"),
    )  # fmt: skip


def migration(before: pd.DataFrame, now: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """Customers by grade before (rows) and now (columns), best first; "no grade" stands for too little evidence or not
    yet a customer.

    Parameters
    ----------
    before, now : customer_id, grade
    """
    order = [*(cut.grade for cut in policy.evaluation.scale), "no grade"]
    both = before[["customer_id", "grade"]].merge(
        now[["customer_id", "grade"]], on="customer_id", how="outer", suffixes=("_before", "_now")
    )
    first = both["grade_before"].fillna("no grade").replace("", "no grade")
    second = both["grade_now"].fillna("no grade").replace("", "no grade")
    counts = pd.crosstab(first, second).reindex(index=order, columns=order, fill_value=0)
    return counts.rename_axis(index=None, columns=None).reset_index(names="before")
