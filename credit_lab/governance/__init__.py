"""Row 6: model governance (模型治理): which models there are, who stands for them, and whether one may be used."""

from credit_lab import lazy
from credit_lab.governance.entries import DEFAULT, Register, approve, enter, retire, validate
from credit_lab.governance.identity import Identity, of_payment_time, of_policy, of_scorecard
from credit_lab.governance.model import GovernanceError, Model, Validation
from credit_lab.governance.status import Standing, standing, verdicts

__all__ = [
    "DEFAULT",
    "GovernanceError",
    "Identity",
    "Model",
    "Register",
    "Standing",
    "Validation",
    "approve",
    "enter",
    "of_payment_time",
    "of_policy",
    "of_scorecard",
    "retire",
    "standing",
    "validate",
    "verdicts",
]

lazy.attach(__name__)
