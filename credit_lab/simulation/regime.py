"""A policy as the kernel sees it: plain arrays by grade and by customer. A silly policy runs too."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from credit_lab.policy import Policy
from credit_lab.simulation.world import Customers, Floats, Ints, SimulationError


@dataclass(frozen=True)
class Regime:
    """What a policy does; money in minor units.

    Attributes
    ----------
    name : of the policy
    grade : of each customer, for knobs that turn on grades
    term : days, by customer; discount, discount_days : by grade
    limit : by customer; trial_* : first limit of a newcomer, factor per step, invoices paid in time per step, steps
    hold_days : an order is refused when the oldest open invoice is more days past due than this and at least hold_least
        large; partial_release : whether the part of an order that fits the limit is granted
    stage_from : first day past due of each stage, rising; stage_minutes, stage_cost : of one contact
    capacity : collector minutes a day
    write_off : days past due after which an invoice is written off
    demand : factor on orders by grade (response to terms)
    insured, factored : by grade; insured_share of a loss, premium and factor_cost on sales
    advance : share of an invoice the factor pays at once; recourse : whether it gets that back when nobody pays
    margin, capital_cost : for profit: share of sales, per year
    """

    name: str
    grade: Ints
    term: Ints
    discount: Floats
    discount_days: Ints
    limit: Ints
    trial_first: float
    trial_factor: float
    trial_step: int
    trial_steps: int
    hold_days: int
    hold_least: int
    partial_release: bool
    stage_from: Ints
    stage_minutes: Ints
    stage_cost: Ints
    capacity: int
    write_off: int
    demand: Floats
    insured: npt.NDArray[np.bool_]
    factored: npt.NDArray[np.bool_]
    insured_share: float
    premium: float
    factor_cost: Floats
    advance: float = 0.8
    recourse: bool = True
    margin: float = 0.25
    capital_cost: float = 0.06

    def __post_init__(self) -> None:
        stages = len(self.stage_from)
        if not stages == len(self.stage_minutes) == len(self.stage_cost):
            raise SimulationError(f"rules {self.name}: every stage needs a first day, minutes and a cost")
        if stages and ((np.diff(self.stage_from) <= 0).any() or self.stage_from[0] < 1):
            raise SimulationError(f"rules {self.name}: stages must rise from the first day past due on")
        if (self.limit < 0).any() or self.capacity < 0 or self.write_off < 1 or (self.term < 0).any():
            raise SimulationError(f"rules {self.name}: limits, terms and capacity are not negative, write_off above 0")
        if (self.stage_minutes < 0).any() or self.trial_step < 1 or (self.demand < 0).any():
            raise SimulationError(f"rules {self.name}: minutes and demand are not negative, trial_step at least 1")
        if not 0 <= self.advance <= 1 or not 0 <= self.insured_share <= 1:
            raise SimulationError(f"rules {self.name}: advance and insured_share must lie in [0, 1]")

    def with_(self, **changes: object) -> "Regime":
        """The same rules with some of them changed."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def scaled(self, factor: float) -> "Regime":
        """The same rules with all limits multiplied."""
        return replace(self, limit=np.rint(self.limit * factor).astype(np.int64))

    def served(self, grades: int) -> "Regime":
        """The same rules, with credit only for the best so many grades."""
        return replace(self, limit=np.where(self.grade < grades, self.limit, 0))


# Minutes of a collector per contact by action.
MINUTES = {"reminder": 3, "negotiation": 15, "demand_letter": 25, "legal": 90}


def of_policy(
    policy: Policy,
    customers: Customers,
    *,
    capacity: int = 480,
    elasticity: float = 0.0,
    base_term: float | None = None,
    minor: float = 100.0,
) -> Regime:
    """The regime of a policy file for these customers.

    Limits are the policy's multiple of the sales-forecast limit of each customer's expected sales.

    Parameters
    ----------
    capacity : collector minutes a day
    elasticity : change of orders per day of term beyond `base_term` (default: this policy's mean), an assumption
    minor : minor units per unit of money

    Raises
    ------
    SimulationError
        A customer has a grade the policy does not have.
    """
    scale = policy.grades.scale
    if customers.grade.max() >= len(scale):
        raise SimulationError(
            f"policy {policy.meta.id}: {len(scale)} grades, a customer has number {customers.grade.max()}"
        )
    term = np.array([grade.term_days for grade in scale], dtype=np.int64)
    multiple = np.array([grade.limit_multiple for grade in scale])
    yearly = customers.rate * 365 * customers.amount * (1 + policy.limits.growth)
    days = term[customers.grade] + policy.limits.tolerated_delay_days
    limit = multiple[customers.grade] * yearly / 365 * days * policy.limits.peak_factor
    cap = policy.limits.max_share_of_sales * yearly.sum()
    step = policy.limits.rounding * minor
    limit = np.floor(np.minimum(limit, cap) / step) * step if step > 0 else np.minimum(limit, cap)
    usual = float(term[customers.grade].mean()) if base_term is None else base_term
    stages, grades = policy.ladder.stages, len(scale)
    return Regime(
        name=policy.meta.id,
        grade=customers.grade,
        term=term[customers.grade],
        discount=np.array([grade.discount_rate for grade in scale]),
        discount_days=np.array([grade.discount_days for grade in scale], dtype=np.int64),
        limit=limit.astype(np.int64),
        trial_first=policy.trial.first_limit * minor,
        trial_factor=policy.trial.step_factor,
        trial_step=policy.trial.step_invoices,
        trial_steps=policy.trial.steps,
        hold_days=policy.holds.overdue_days,
        hold_least=int(policy.holds.min_overdue * minor),
        partial_release=policy.holds.partial_release,
        stage_from=np.array([stage.from_days for stage in stages], dtype=np.int64),
        stage_minutes=np.array([MINUTES[stage.action] for stage in stages], dtype=np.int64),
        stage_cost=np.array([round(stage.cost * minor) for stage in stages], dtype=np.int64),
        capacity=capacity,
        write_off=policy.risk_appetite.write_off_after_days,
        demand=np.maximum(1 + elasticity * (term - usual), 0.0),
        insured=np.zeros(grades, dtype=bool),
        factored=np.zeros(grades, dtype=bool),
        insured_share=policy.transfer.cover_share,
        premium=policy.transfer.insurance_premium,
        factor_cost=np.full(grades, policy.transfer.factoring_fee),
        advance=policy.transfer.factoring_advance,
        recourse=policy.transfer.recourse,
        margin=1 - policy.economics.variable_cost_ratio,
        capital_cost=policy.economics.capital_cost,
    )
