"""A policy as the kernel sees it: rules of one policy and plain arrays. A silly policy runs too."""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from credit_lab import rules
from credit_lab.policy import Policy
from credit_lab.rules.holds import Holds
from credit_lab.rules.ladder import Ladder
from credit_lab.rules.limits import Limits
from credit_lab.simulation.past import Past, first_limits
from credit_lab.simulation.world import Customers, Floats, Ints, SimulationError

# Settings it reads of the policies it compares, see `rules.coverage`. Not read: alerts, other methods
# of limits than the sales forecast, the waiting of held orders; limits last a year.
READS = (
    "grades.min_months",
    "grades.newcomer_grade",
    "grades.scale.min_payment_index",
    "grades.scale.limit_multiple",
    "grades.scale.term_days",
    "grades.scale.discount_rate",
    "grades.scale.discount_days",
    "limits.forecast_months",
    "limits.growth",
    "limits.tolerated_delay_days",
    "limits.peak_factor",
    "limits.rounding",
    "limits.min_change",
    "limits.min_months_between",
    "limits.review_months",
    "limits.withdraw_after_months",
    "limits.max_share_of_sales",
    "trial.*",
    "holds.overdue_days",
    "holds.overdue_share",
    "holds.share_after_days",
    "holds.min_overdue_share",
    "holds.min_overdue",
    "holds.utilisation",
    "holds.expired_limit",
    "holds.missing_contract",
    "holds.partial_release",
    "ladder.pre_due_days",
    "ladder.min_amount",
    "ladder.hold_disputed",
    "ladder.stages.from_days",
    "ladder.stages.action",
    "ladder.stages.cost",
    "ladder.stages.repeat_days",
    "transfer.*",
    "risk_appetite.write_off_after_days",
    "economics.variable_cost_ratio",
    "economics.capital_cost",
)

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Regime:
    """What a policy does; money in minor units.

    Attributes
    ----------
    name : of the policy
    limits, holds, ladder : its rules (`credit_lab.rules`), amounts in minor units
    reviewed : whether customers are graded and limits reviewed again within the simulated time, in
        the policy's rhythm; False: grade, limit and term stay as they are
    grade, limit, term : of each customer on the first day: number of the grade, limit, days
    on_trial : whether its limit is one of a trial
    discount, discount_days, demand, factor_cost : by grade; demand is a factor on orders
    stage_minutes, stage_cost : of one contact, by stage of collection
    capacity : collector minutes a day
    write_off : days past due after which an invoice is written off
    insured, factored : by customer
    insured_share, deductible, premium : of a loss, per loss, on sales
    advance : share of an invoice the factor pays at once; recourse : whether it gets that back when
        nobody pays
    margin, capital_cost : for profit: share of sales, per year
    """

    name: str
    limits: Limits
    holds: Holds
    ladder: Ladder
    reviewed: bool
    grade: Ints
    limit: Ints
    term: Ints
    on_trial: Flags
    discount: Floats
    discount_days: Ints
    demand: Floats
    factor_cost: Floats
    stage_minutes: Ints
    stage_cost: Ints
    capacity: int
    write_off: int
    insured: Flags
    factored: Flags
    insured_share: float
    deductible: int
    premium: float
    advance: float = 0.8
    recourse: bool = True
    margin: float = 0.25
    capital_cost: float = 0.06

    def __post_init__(self) -> None:
        first, name = self.ladder.first_days, f"rules {self.name}"
        if not len(first) == len(self.stage_minutes) == len(self.stage_cost) == len(self.ladder.repeat_days):
            raise SimulationError(
                f"{name}: every stage needs a first day, minutes, a cost and days until it is repeated"
            )
        if len(first) and ((np.diff(first) <= 0).any() or first[0] < 1 or (self.ladder.repeat_days < 1).any()):
            raise SimulationError(
                f"{name}: stages must rise from the first day past due on, and be repeated after days"
            )
        if (self.limit < 0).any() or self.capacity < 0 or self.write_off < 1 or (self.term < 0).any():
            raise SimulationError(f"{name}: limits, terms and capacity are not negative, write_off above 0")
        if (self.stage_minutes < 0).any() or self.limits.step_invoices < 1 or (self.demand < 0).any():
            raise SimulationError(f"{name}: minutes and demand are not negative, step_invoices at least 1")
        if not 0 <= self.advance <= 1 or not 0 <= self.insured_share <= 1 or self.deductible < 0:
            raise SimulationError(f"{name}: advance and insured_share lie in [0, 1], deductible is not negative")

    def with_(self, **changes: Any) -> "Regime":
        """The same regime with some of it changed, settings of its rules (such as `overdue_days`) included.

        Raises
        ------
        SimulationError
            No such setting.
        """
        own = {one.name for one in fields(self)}
        for name in [name for name in changes if name not in own]:
            part = next((at for at in ("limits", "holds", "ladder") if name in getattr(self, at)._fields), "")
            if not part:
                raise SimulationError(f"rules {self.name}: no setting {name!r}")
            changes[part] = changes.get(part, getattr(self, part))._replace(**{name: changes.pop(name)})
        return replace(self, **changes)

    def scaled(self, factor: float) -> "Regime":
        """The same regime with all limits multiplied, those of trials and of later reviews too."""
        mine = self.limits
        return self.with_(
            limit=np.rint(np.minimum(self.limit * factor, 2.0**52)).astype(np.int64),
            limits=mine._replace(
                grades=mine.grades._replace(multiple=mine.grades.multiple * factor), first=mine.first * factor
            ),
        )

    def served(self, number: int) -> "Regime":
        """The same regime, with credit only for the best so many grades."""
        scale = self.limits.grades
        multiple = np.where(np.arange(len(scale.multiple)) < number, scale.multiple, 0.0)
        return self.with_(
            limit=np.where(self.grade < number, self.limit, 0),
            limits=self.limits._replace(grades=scale._replace(multiple=multiple)),
        )

    def longer(self, days: float) -> "Regime":
        """The same regime with so many days on every term; grades that pay at once go on doing so."""
        scale = self.limits.grades
        terms = np.maximum(np.rint(scale.term + days), 0) * (scale.term > 0)
        mine = np.maximum(np.rint(self.term + days), 0).astype(np.int64) * (self.term > 0)
        return self.with_(term=mine, limits=self.limits._replace(grades=scale._replace(term=terms)))


# Minutes of a collector per contact by action.
MINUTES = {"reminder": 3, "negotiation": 15, "demand_letter": 25, "legal": 90}


def of_policy(
    policy: Policy,
    customers: Customers,
    *,
    capacity: int = 480,
    elasticity: float = 0.0,
    base_term: float | None = None,
    past: Past | None = None,
) -> Regime:
    """The regime of a policy file for these customers, with what a review on the day before would have decided.

    Parameters
    ----------
    capacity : collector minutes a day
    elasticity : change of orders per day of term beyond `base_term` (default: this policy's mean), an assumption
    past : what is known of the customers; default theirs (`customers.past`)

    Raises
    ------
    SimulationError
        A customer has a grade the policy does not have.
    """
    scale, minor = policy.grades.scale, customers.minor
    past = past or customers.known()
    if past.grade.max() >= len(scale):
        raise SimulationError(f"policy {policy.meta.id}: {len(scale)} grades, a customer has number {past.grade.max()}")
    mine = rules.limits.limits(policy, minor)
    grade, limit, trial = first_limits(mine, past)
    term = np.array([one.term_days for one in scale], dtype=np.int64)
    usual = float(term[grade].mean()) if base_term is None else base_term
    stages = policy.ladder.stages
    return Regime(
        name=policy.meta.id,
        limits=mine,
        holds=rules.holds.holds(policy, minor),
        ladder=rules.ladder.ladder(policy, minor),
        reviewed=True,
        grade=grade,
        limit=limit,
        term=term[grade],
        on_trial=trial,
        discount=np.array([one.discount_rate for one in scale]),
        discount_days=np.array([one.discount_days for one in scale], dtype=np.int64),
        demand=np.maximum(1 + elasticity * (term - usual), 0.0),
        factor_cost=np.full(len(scale), policy.transfer.factoring_fee),
        stage_minutes=np.array([MINUTES[one.action] for one in stages], dtype=np.int64),
        stage_cost=np.array([round(one.cost * minor) for one in stages], dtype=np.int64),
        capacity=capacity,
        write_off=policy.risk_appetite.write_off_after_days,
        insured=customers.insured,
        factored=customers.factored,
        insured_share=policy.transfer.cover_share,
        deductible=round(policy.transfer.deductible * minor),
        premium=policy.transfer.insurance_premium,
        advance=policy.transfer.factoring_advance,
        recourse=policy.transfer.recourse,
        margin=1 - policy.economics.variable_cost_ratio,
        capital_cost=policy.economics.capital_cost,
    )
