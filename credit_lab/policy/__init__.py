"""Row 1: a credit policy is data: one dated TOML file, read whole or refused, and comparable with another."""

from credit_lab.policy.files import approver, checked, describe, diff, grade_of, load
from credit_lab.policy.sections import Grade, Policy, digest
from credit_lab.policy.writing import save, to_toml

__all__ = [
    "Grade", "Policy", "approver", "checked", "describe", "diff", "digest", "grade_of", "load", "save", "to_toml",
]  # fmt: skip
