"""A policy's amounts in the currency of a ledger: converted at a given rate, or not known.

Limits, thresholds and costs of a policy are in `meta.currency`. Against a ledger in another one they mean nothing until
somebody gives a rate: 100,000 CNY is no limit of 100,000 KRW. Whoever has a ledger and a policy asks `in_currency`.
"""

import math
from collections.abc import Callable, Mapping
from typing import TypeVar

from credit_lab.errors import MoneyNotKnown, PolicyError
from credit_lab.policy.base import Section
from credit_lab.policy.sections import Alert, Limits, Policy

S = TypeVar("S", bound=Section)


def in_currency(policy: Policy, currency: str, rates: Mapping[str, float] | None = None) -> Policy:
    """The policy with its amounts in `currency`.

    Amounts are multiplied by the rate and rounded to three significant digits, the step that limits are rounded to
    (`limits.rounding`) to one, so that limits stay round. Without a rate the policy has no amounts: reading one raises
    MoneyNotKnown, `Section.amount` gives NaN. What the file says stays in `Policy.written`, its digest stays the same.

    Parameters
    ----------
    currency : of the ledger; empty (a ledger without documents): nothing is changed
    rates : units of `currency` per unit of another one, as in {"CNY": 190.0}

    Raises
    ------
    PolicyError
        A rate that is not above zero.
    """
    if not currency or policy.meta.currency == currency:
        return policy
    written = policy.written
    own = written.meta.currency
    rate = (rates or {}).get(own, math.nan)
    if rate <= 0 or math.isinf(rate):
        raise PolicyError(f"rate {own}:{rate:g}: must be above zero")
    if math.isnan(rate):
        option = f"{own}:RATE"
        reason = (
            f"policy {written.meta.id} is in {own}, the ledger in {currency}; give --rates {option} ({currency} per "
            f"{own}) or a policy in {currency}"
        )
        made = _with_amounts(written, None, reason)
    else:
        made = _with_amounts(written, lambda amount, digits: _significant(amount * rate, digits))
        made = made.model_copy(update={"meta": written.meta.model_copy(update={"currency": currency})})
    made._written, made._rate = written, rate
    return made


def need_amounts(policy: Policy, what: str) -> None:
    """Refuse to do `what` under a policy whose amounts are not known in the ledger's currency.

    Raises
    ------
    MoneyNotKnown
        With the way out.
    """
    if policy.not_known:
        raise MoneyNotKnown(f"{what}: {policy.not_known}")


def money_note(policy: Policy) -> list[str]:
    """One sentence where the policy's amounts were converted or are not known; none where they are as written."""
    written = policy.written
    if policy.not_known:
        return [
            f"Not known: {policy.not_known}. Limits, least amounts, authority and costs of the policy are left out."
        ]
    if written is policy:
        return []
    return [
        f"Amounts of policy {written.meta.id} are written in {written.meta.currency} and were converted at "
        f"{policy.rate:g} {policy.meta.currency} each, rounded to three digits."
    ]


def _with_amounts(section: S, change: Callable[[float, int], float] | None, reason: str = "") -> S:
    """The section with every amount changed, or without any."""
    values: dict[str, object] = {}
    amounts: list[str] = []
    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        extra = info.json_schema_extra
        unit = extra.get("unit") if isinstance(extra, dict) else ""
        if isinstance(value, Section):
            values[name] = _with_amounts(value, change, reason)
        elif isinstance(value, tuple) and value and isinstance(value[0], Section):
            values[name] = tuple(_with_amounts(item, change, reason) for item in value)
        elif value is not None and (unit == "money" or (isinstance(section, Alert) and section.in_money(name))):
            amounts.append(name)
            values[name] = change(value, 1 if (type(section), name) == (Limits, "rounding") else 3) if change else None
    made = section.model_copy(update=values)
    if not change:
        for name in amounts:
            del made.__dict__[name]
        made._not_known = reason
    return made


def _significant(amount: float, digits: int) -> float:
    """
    >>> _significant(19_047_619.0, 3), _significant(190.5, 1), _significant(float("inf"), 3)
    (19000000.0, 200.0, inf)
    """
    return float(f"{amount:.{digits}g}")
