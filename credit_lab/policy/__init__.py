"""Row 1: a credit policy is data: one dated TOML file, read whole or refused, and comparable with another."""

from credit_lab import lazy
from credit_lab.policy.currency import in_currency, money_note, need_amounts
from credit_lab.policy.files import approver, checked, describe, diff, load
from credit_lab.policy.layers import bases
from credit_lab.policy.sections import Grade, Policy, digest
from credit_lab.policy.upgrading import upgrade
from credit_lab.policy.writing import save, to_toml

__all__ = [
    "Grade",
    "Policy",
    "approver",
    "bases",
    "checked",
    "describe",
    "diff",
    "digest",
    "in_currency",
    "load",
    "money_note",
    "need_amounts",
    "save",
    "to_toml",
    "upgrade",
]

lazy.attach(__name__)
