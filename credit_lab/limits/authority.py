"""Authority matrix (授权审批矩阵): who signs which limit, and what another matrix would have meant."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab.errors import nearest
from credit_lab.limits.exposures import LimitsError
from credit_lab.periods import takes_days
from credit_lab.policy import Policy

# Settings it reads, see `rules.coverage`.
READS = ("authority.*",)


@dataclass(frozen=True)
class Request:
    """A limit somebody asks for.

    Attributes
    ----------
    amount, grade : limit asked for and grade of the customer
    deviation : share above what the model proposes (0.2: 20 % more); at or below zero none
    seller : who asks; he never approves alone
    major : major credit, which top management signs whatever the amount
    """

    amount: float
    grade: str
    deviation: float = 0.0
    seller: str = ""
    major: bool = False


@takes_days
def chain(
    policy: Policy,
    request: Request,
    *,
    day: pd.Timestamp | None = None,
    delegations: pd.DataFrame | None = None,
    deviation_step: float = 0.25,
) -> tuple[str, ...]:
    """Who signs, in order: exactly one chain for every amount and grade.

    The lowest level whose amount and grade cover the request signs; a request above the model by more than
    `deviation_step` goes one level up for each such step; above `four_eyes_above` the next level signs as well (with
    the last level, the one below it); a major credit ends with the last level. Two signatures are those of two people:
    where one would sign twice, as deputy or for two levels, the next level up signs too. Nor does the seller sign
    alone, in his own name or as a deputy: the next level up signs in his place.

    Parameters
    ----------
    delegations : approver, deputy, valid_from, valid_to: the deputy signs on these days

    Raises
    ------
    LimitsError
        Unknown grade, an amount below zero or not a number, delegations that overlap or end before they begin, or
        nobody above a seller alone or above one person who would sign twice.
    """
    order = [item.grade for item in policy.grades.scale]
    if request.grade not in order:
        raise LimitsError(f"authority: grade {request.grade!r} is not in the policy; {nearest(request.grade, order)}")
    if not request.amount >= 0:
        raise LimitsError(f"authority: amount {request.amount} must be a number, zero or above")
    levels = policy.authority.levels
    covers = [
        request.amount <= level.max_amount and order.index(request.grade) <= order.index(level.worst_grade)
        for level in levels
    ]
    last = len(levels) - 1
    above = int(np.floor(max(request.deviation, 0.0) / deviation_step + 1e-9)) if deviation_step > 0 else 0
    first = min(covers.index(True) + above, last)
    signers = [first]
    if request.amount > policy.authority.four_eyes_above and last > 0:
        signers = [min(first, last - 1), min(first, last - 1) + 1]
    if request.major and signers[-1] != last:
        signers.append(last)
    barred = "" if policy.authority.seller_may_approve else request.seller
    return _people([_deputy(level.approver, day, delegations) for level in levels], signers, barred)


def _people(names: list[str], signers: list[int], barred: str) -> tuple[str, ...]:
    """As many different people as signatures; `barred` not alone. `names`: who signs for each level that day."""
    people = list(dict.fromkeys(names[k] for k in signers))
    if people == [barred]:
        people = []
    for name in names[signers[-1] + 1 :]:
        if len(people) == len(signers):
            break
        if name not in (barred, *people):
            people.append(name)
    if not people:
        raise LimitsError(f"authority: {barred!r} asks and would approve alone; nobody stands above")
    if len(people) < len(signers):
        raise LimitsError(f"authority: {people[-1]!r} would sign twice and nobody stands above; name another deputy")
    return tuple(people)


def _deputy(name: str, day: pd.Timestamp | None, delegations: pd.DataFrame | None) -> str:
    if delegations is None or day is None:
        return name
    wrong = delegations["valid_to"] < delegations["valid_from"]
    if wrong.any():
        who = delegations.loc[wrong, "approver"].iloc[0]
        raise LimitsError(f"authority: a delegation of {who!r} ends before it begins; correct the dates")
    mine = delegations[
        (delegations["approver"] == name) & (delegations["valid_from"] <= day) & (delegations["valid_to"] >= day)
    ]
    if len(mine) > 1:
        raise LimitsError(f"authority: {name!r} has {len(mine)} deputies on {day.date()}; delegations may not overlap")
    return str(mine["deputy"].iloc[0]) if len(mine) else name


def replay(
    decisions: pd.DataFrame,
    policies: Mapping[str, Policy],
    *,
    minutes: float = 30.0,
    deviations: pd.Series | None = None,
) -> pd.DataFrame:
    """Workload of each level under one or several matrices.

    Parameters
    ----------
    decisions : credit_limit, grade (from `review` or `propose`)
    minutes : per signature
    deviations : share above the model by row, for levels that sign deviations

    Returns
    -------
    DataFrame
        policy, approver, cases (signatures), alone (signed by nobody else), amount (of limits signed), hours
    """
    rows = []
    above = np.zeros(len(decisions)) if deviations is None else deviations.to_numpy(dtype=float)
    for name, policy in policies.items():
        chains = [
            chain(policy, Request(float(amount), str(grade), float(share)))
            for amount, grade, share in zip(decisions["credit_limit"], decisions["grade"], above, strict=True)
        ]
        flat = pd.DataFrame(
            [
                (signer, len(signers) == 1, amount)
                for signers, amount in zip(chains, decisions["credit_limit"], strict=True)
                for signer in signers
            ],
            columns=["approver", "alone", "amount"],
        )
        grouped = flat.groupby("approver").agg(
            cases=("alone", "size"), alone=("alone", "sum"), amount=("amount", "sum")
        )
        grouped = grouped.reindex([level.approver for level in policy.authority.levels], fill_value=0)
        rows.append(grouped.assign(hours=grouped["cases"] * minutes / 60).reset_index().assign(policy=name))
    table = pd.concat(rows, ignore_index=True)
    return table[["policy", "approver", "cases", "alone", "amount", "hours"]]
