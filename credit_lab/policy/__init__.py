"""Row 1: a credit policy is data: one dated TOML file, read whole or refused, and comparable with another."""

from credit_lab.policy.files import approver, describe, diff, digest, grade_of, load
from credit_lab.policy.sections import Grade, Policy

__all__ = ["Grade", "Policy", "approver", "describe", "diff", "digest", "grade_of", "load"]
