"""The sections of a credit policy: every setting with unit, valid range and meaning.

Models are frozen and refuse unknown keys. Bands (grades, levels, stages) are lists of small tables ordered
from best to worst or from small to large; gaps and overlaps are refused when the file is read, so that a lookup always
has exactly one answer.
"""

import hashlib
import json
from datetime import date
from itertools import pairwise
from typing import Literal

import pydantic

from credit_lab import summary
from credit_lab.policy.base import Section, name, setting
from credit_lab.policy.evidence import Evaluation, Investigation


class Meta(Section):
    """Which policy this is, since when, and who stands for it."""

    id: str = name("short name, unique among policies")
    valid_from: date = name("first day the policy applies")
    approved_by: str = name("who approved it")
    currency: str = name("currency of the absolute amounts in it (ISO 4217)")
    description: str = name("what it is meant to achieve")


class Aging(Section):
    """How receivables are aged (账龄)."""

    edges: tuple[int, ...] = name("upper bounds of the buckets in days, starting at 0")
    by: Literal["due_date", "issue_date"] = name("age from the due date or from the issue date")

    @pydantic.field_validator("edges")
    @classmethod
    def _rising(cls, edges: tuple[int, ...]) -> tuple[int, ...]:
        if not edges or edges[0] != 0 or list(edges) != sorted(set(edges)):
            raise ValueError("edges must start at 0 and rise, such as [0, 30, 60, 90]")
        return edges


class Grade(Section):
    """One credit grade (信用等级)."""

    grade: str = name("name of the grade")
    min_payment_index: float = setting("index", "lowest payment index (0-100, 80 = prompt)", low=0, high=100)
    pd_upper: float = setting("share", "highest 12-month default probability, exclusive")
    limit_multiple: float = setting("factor", "share of the formula limit granted", low=0, high=5)
    term_days: int = setting("days", "credit term granted (账期)", low=0, high=365)
    discount_rate: float = setting("share", "cash discount", low=0, high=0.2)
    discount_days: int = setting("days", "days within which the discount may be taken", low=0, high=365)


class Grades(Section):
    """Behaviour grades: cut-offs on the payment index, best grade first."""

    min_months: int = setting("months", "history needed before behaviour decides the grade")
    newcomer_grade: str = name("grade of a customer with less history")
    scale: tuple[Grade, ...] = name("the grades, best first")

    @pydantic.model_validator(mode="after")
    def _ordered(self) -> "Grades":
        names = [grade.grade for grade in self.scale]
        if not names or len(set(names)) != len(names):
            raise ValueError("scale needs at least one grade, each named once")
        if self.newcomer_grade not in names:
            raise ValueError(f"newcomer_grade {self.newcomer_grade!r} is not in the scale ({', '.join(names)})")
        falling = [grade.min_payment_index for grade in self.scale]
        rising = [grade.pd_upper for grade in self.scale]
        if any(a <= b for a, b in pairwise(falling)) or falling[-1] != 0:
            raise ValueError(
                "min_payment_index must fall from grade to grade and end at 0, so that no index is left out"
            )
        if any(a >= b for a, b in pairwise(rising)) or rising[-1] != 1:
            raise ValueError("pd_upper must rise from grade to grade and end at 1, so that no probability is left out")
        return self


class Default(Section):
    """Two events of default (违约): impaired (减值), who may recover, and failed (失败).

    A customer is impaired when items more than `impaired_days` past due and not disputed come to
    more than `impaired_amount` and to more than `impaired_share` of what the customer owes, at
    `month_ends` month ends in a row, and sound again after `cure_months` month ends without it. It
    has failed when the same holds with `failed_days`, or when it is insolvent or written off.
    """

    impaired_days: int = setting("days", "impaired: counts items more days past due than this")
    impaired_amount: float = setting("money", "impaired: they come to more", low=0, high=1e12)
    impaired_share: float = setting("share", "impaired: and to more than this of the whole debt")
    month_ends: int = setting("month ends", "so many in a row", low=1, high=24)
    cure_months: int = setting("months", "so long without it, an impaired customer is sound again")
    failed_days: int = setting("days", "failed: the same with items more days past due than this")

    @pydantic.model_validator(mode="after")
    def _failed_later(self) -> "Default":
        if self.failed_days < self.impaired_days:
            raise ValueError(
                f"failed_days {self.failed_days} must not be below impaired_days "
                f"{self.impaired_days}: who has failed is impaired before"
            )
        return self


# The registered methods of `credit_lab.limits`, which stands above this row; a test compares them.
LimitMethod = Literal[
    "sales_forecast",
    "working_assets",
    "characteristics",
    "net_worth",
    "working_capital",
    "trade_references",
    "payment_history",
    "expected_loss",
    "risk_and_return",
    "return_on_capital",
    "supplier_cap",
]


class Limits(Section):
    """Credit limits (授信额度): method, caps, and when a limit is changed."""

    method: LimitMethod = name("formula of the limit")
    forecast_months: int = setting("months", "past months the sales forecast is made from", low=1, high=36)
    growth: float = setting("share", "expected growth of sales over the forecast window", low=-0.9, high=5)
    tolerated_delay_days: int = setting("days", "delay tolerated beyond the term", low=0, high=365)
    peak_factor: float = setting("factor", "peak month over mean month of sales", low=1, high=5)
    rounding: float = setting("money", "limits are rounded down to a multiple of this", low=0, high=1e9)
    min_change: float = setting("share", "smaller changes are not made (hysteresis)")
    min_months_between: int = setting("months", "no raise within this time after a change without a trigger")
    review_months: int = setting("months", "months between reviews", low=1, high=24)
    withdraw_after_months: int = setting("months", "limit withdrawn after so long without an order", low=1, high=60)
    max_share_of_sales: float = setting("share", "cap: customer limit over own annual sales")
    max_share_of_net_worth: float = setting("share", "cap: limit over the customer's net worth (净资产)")


class Trial(Section):
    """Trial limits for newcomers (试探性额度)."""

    first_limit: float = setting("money", "limit of a new customer", low=0, high=1e12)
    step_invoices: int = setting("invoices", "invoices paid in time before a step up", low=1, high=100)
    step_factor: float = setting("factor", "limit after a step over limit before it", low=1, high=10)
    steps: int = setting("steps", "steps before the normal method takes over", low=0, high=20)
    stop_dpd: int = setting("days", "days past due that end the trial")


class Terms(Section):
    """Bounds on credit terms (信用条件); the term per grade stands in grades.scale."""

    max_term_days: int = setting("days", "longest term anyone may grant", low=0, high=365)
    sme_term_days: int = setting(
        "days", "longest term from a large buyer to a small supplier (Decree 802)", low=0, high=365
    )
    late_interest: float = setting("share", "late interest per day (0.0005 = 0.05 %)", low=0, high=0.01)


class Holds(Section):
    """When orders and deliveries stop (停止发货)."""

    overdue_days: int = setting("days", "hold when items are more days past due than this")
    overdue_share: float = setting("share", "hold when overdue over open exceeds this")
    share_after_days: int = setting("days", "the overdue share counts items more days past due than this")
    min_overdue_share: float = setting("share", "less than this share of the open amount holds nothing")
    min_overdue: float = setting("money", "smaller overdue amounts hold nothing", low=0, high=1e12)
    utilisation: float = setting(
        "share", "hold when exposure with the order exceeds this share of the limit", low=0, high=5
    )
    expired_limit: bool = name("hold when the limit has expired")
    missing_contract: bool = name("hold without a valid contract")
    partial_release: bool = name("release the part of an order that fits the limit")
    wait_days: int = setting("days", "standard goods: wait of a held order", low=0, high=365)
    wait_days_custom: int = setting("days", "custom-made: wait of a held order", low=0, high=365)


class Level(Section):
    """One level of the authority matrix (授权审批矩阵)."""

    approver: str = name("who signs")
    max_amount: float = setting("money", "largest limit this level grants", low=0)
    worst_grade: str = name("worst grade this level may approve")


class Authority(Section):
    """Who signs which limit; levels from low to high, the last one signs everything."""

    four_eyes_above: float = setting("money", "above this two people sign", low=0)
    seller_may_approve: bool = name("whether sales alone may approve (separation of duties)")
    levels: tuple[Level, ...] = name("levels, lowest first; the last must allow any amount")

    @pydantic.model_validator(mode="after")
    def _rising(self) -> "Authority":
        amounts = [level.max_amount for level in self.levels]
        if not amounts or any(a >= b for a, b in pairwise(amounts)):
            raise ValueError("levels must rise in max_amount, lowest first")
        if amounts[-1] != float("inf"):
            raise ValueError("the last level must sign everything: max_amount = inf")
        return self


class Stage(Section):
    """One stage of the collection ladder (分级催收)."""

    from_days: int = setting("days", "first day past due of the stage", low=1, high=3650)
    action: Literal["reminder", "negotiation", "demand_letter", "legal"] = name("what is done")
    channel: str = name("how: e-mail, phone, letter, court")
    owner: str = name("who does it")
    cost: float = setting("money", "cost of one action", low=0, high=1e9)
    repeat_days: int = setting("days", "days until it is repeated", low=1, high=3650)


class Ladder(Section):
    """Collection ladder: stages by days past due, never skipped."""

    pre_due_days: int = setting("days", "friendly notice so many days before the due date; 0: none")
    min_amount: float = setting("money", "smaller overdue totals are left alone", low=0, high=1e9)
    hold_disputed: bool = name("disputed items wait")
    stages: tuple[Stage, ...] = name("stages in order")

    @pydantic.model_validator(mode="after")
    def _rising(self) -> "Ladder":
        days = [stage.from_days for stage in self.stages]
        if not days or days != sorted(set(days)):
            raise ValueError("stages must rise in from_days; a stage ends where the next one begins")
        return self


# Columns of the history table that are amounts: a threshold on one is in the policy's currency.
MONEY_INDICATORS = frozenset({
    "sales", "receipts", "open", "not_due", "overdue", "overdue_30", "overdue_60", "overdue_90", "unapplied",
    "exposure", "sales_12m", "receipts_12m", "written_off_12m", "disputed_12m", "high_credit",
})  # fmt: skip


class Alert(Section):
    """One early-warning rule (预警)."""

    indicator: str = name("column of the history table that is watched")
    above: float | None = pydantic.Field(
        default=None, description="alert above this value", json_schema_extra={"unit": "indicator"}
    )
    below: float | None = pydantic.Field(
        default=None, description="alert below this value", json_schema_extra={"unit": "indicator"}
    )
    severity: Literal["watch", "act", "stop"] = name("how serious")
    action: str = name("what follows")

    @pydantic.model_validator(mode="after")
    def _one_side(self) -> "Alert":
        if (self.above is None) == (self.below is None):
            raise ValueError("give either above or below")
        return self

    def in_money(self, setting: str) -> bool:
        """Whether a setting of the rule is an amount: its threshold, where the indicator is one."""
        return setting in ("above", "below") and self.indicator in MONEY_INDICATORS

    @property
    def known(self) -> bool:
        """Whether the threshold is known: False for an amount in a currency without a rate."""
        return {"above", "below"} <= self.__dict__.keys()


class Monitoring(Section):
    """Early-warning rules."""

    alerts: tuple[Alert, ...] = name("the rules")


class Transfer(Section):
    """Credit insurance and factoring."""

    insurance_premium: float = setting("share", "premium over insured sales", low=0, high=0.2)
    cover_share: float = setting("share", "share of a loss the insurer pays")
    deductible: float = setting("money", "own share per loss (免赔额)", low=0, high=1e12)
    factoring_advance: float = setting("share", "share of the receivable paid at once")
    factoring_fee: float = setting("share", "fee over the receivable", low=0, high=0.2)
    recourse: bool = name("whether the factor may come back to us (有追索权)")


class RiskAppetite(Section):
    """How much risk the firm takes."""

    expected_loss_budget: float = setting("share", "expected loss over annual credit sales", low=0, high=0.5)
    single_name_cap: float = setting("share", "largest customer over all receivables")
    group_cap: float = setting("share", "largest group over all receivables")
    industry_cap: float = setting("share", "largest industry over all receivables")
    region_cap: float = setting("share", "largest region over all receivables")
    target_dso: float = setting("days", "DSO aimed at", low=0, high=365)
    write_off_after_days: int = setting("days", "days past due after which an item is written off", low=30, high=3650)


class Economics(Section):
    """What credit costs and earns."""

    variable_cost_ratio: float = setting("share", "variable cost over sales (变动成本率)")
    capital_cost: float = setting("share", "cost of capital per year (资本成本)")
    loss_given_default: float = setting("share", "share of exposure lost in default (违约损失率)")
    tax_rate: float = setting("share", "value-added tax in receivables and sales")


class Policy(Section):
    """A whole credit policy (信用政策); made by `load`, compared by `diff`."""

    meta: Meta
    aging: Aging
    investigation: Investigation
    evaluation: Evaluation
    grades: Grades
    default: Default
    limits: Limits
    trial: Trial
    terms: Terms
    holds: Holds
    authority: Authority
    ladder: Ladder
    monitoring: Monitoring
    transfer: Transfer
    risk_appetite: RiskAppetite
    economics: Economics
    _written: "Policy | None" = pydantic.PrivateAttr(None)
    _rate: float = pydantic.PrivateAttr(1.0)

    @property
    def written(self) -> "Policy":
        """The policy as its file has it, before its amounts were brought into another currency."""
        return self._written or self

    @property
    def rate(self) -> float:
        """Units of `meta.currency` per unit of the file's; NaN: not known."""
        return self._rate

    @property
    def not_known(self) -> str:
        """Why the amounts are not known, with the way out; empty where they are."""
        return self._not_known

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> "Policy":
        names = [grade.grade for grade in self.grades.scale]
        for level in self.authority.levels:
            if level.worst_grade not in names:
                raise ValueError(
                    f"authority level {level.approver!r}: worst_grade {level.worst_grade!r} is not in the scale"
                )
        if self.authority.levels[-1].worst_grade != names[-1]:
            raise ValueError(f"the last authority level must cover the worst grade {names[-1]!r}")
        cuts = [cut.grade for cut in self.evaluation.scale]
        if cuts != names:
            raise ValueError(
                f"evaluation.scale must hold the grades of grades.scale in their order: {', '.join(names)}"
            )
        longest = max(grade.term_days for grade in self.grades.scale)
        if longest > self.terms.max_term_days:
            raise ValueError(f"a grade grants {longest} days, terms.max_term_days allows {self.terms.max_term_days}")
        return self

    def _repr_html_(self) -> str:
        grades = (f"{g.grade} {g.term_days} d × {g.limit_multiple:g}" for g in self.grades.scale)
        stages = (f"{stage.action.replace('_', ' ')} from day {stage.from_days}" for stage in self.ladder.stages)
        lines = {
            "valid from": self.meta.valid_from, "approved by": self.meta.approved_by,
            "purpose": self.meta.description, "currency": self.meta.currency,
            "grades (term, limit multiple)": ", ".join(grades),
            "hold": f"after {self.holds.overdue_days} days past due",
            "ladder": ", ".join(stages), "digest": digest(self)[:12],
        }  # fmt: skip
        return summary.card(f"Policy {self.meta.id}", lines)


def digest(policy: Policy) -> str:
    """SHA-256 of the policy's content as written, whatever the layout and comments of its file, or the currency."""
    return hashlib.sha256(json.dumps(policy.written.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()
