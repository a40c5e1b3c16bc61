"""Page one of a report on its models: may they be used? Files and texts in, verdicts and sentences
out.
"""

from pathlib import Path

import pandas as pd

from credit_lab import governance
from credit_lab import policy as policies
from credit_lab.errors import ReportError
from credit_lab.facts import Said
from credit_lab.policy import Policy
from credit_lab.scoring import Scorecard
from credit_lab.studies import cash

PAYMENT_TIME = "payment-time"


def identified(model: str) -> governance.Identity:
    """The model in a file (policy.toml or card.json), or the recipe of the payment-time model by
    its name.

    Raises
    ------
    CreditLabError
        The file is neither.
    """
    if model == PAYMENT_TIME:
        return governance.of_payment_time(cash.COLUMNS, cash.OWN)
    match Path(model).suffix.lower():
        case ".toml":
            return governance.of_policy(policies.load(model))
        case ".json":
            return governance.of_scorecard(Scorecard.load(Path(model)))
    raise ReportError(
        f"model {model!r}: give a policy (.toml), a scorecard (card.json) or {PAYMENT_TIME}"
    )


def used(policy: Policy, card: str = "") -> list[governance.Identity]:
    """The models behind a review."""
    own = [governance.of_policy(policy), identified(PAYMENT_TIME)]
    return [*own, identified(card)] if card else own


def facts(models: str, policy: Policy, card: str = "") -> dict[str, object]:
    """For run.json: digests of the models used, and of the last line of the register as it was."""
    head = governance.Register.read(models or governance.DEFAULT).head
    return {
        "model_digests": [one.digest for one in used(policy, card)],
        **({"register_digest": head} if head else {}),
    }


def verdicts(models: str, policy: Policy, card: str = "") -> dict[str, str]:
    """The verdict "models approved" as of today, when the models are used; none where no register
    is kept.
    """
    register, own = governance.Register.read(models or governance.DEFAULT), used(policy, card)
    found = governance.verdicts(register, own, pd.Timestamp.today().normalize())
    stated = {f"model.{one.name}": one.digest for one in own}
    return {name: Said(verdict, stated) for name, verdict in found.items()}


def lines(models: str, policy: Policy) -> dict[str, str]:
    """Said where no register of models is kept, under the key `models`; empty otherwise."""
    if governance.Register.read(models or governance.DEFAULT).entries:
        return {}
    return {
        "models": f"No register of models is kept: that policy {policy.meta.id} may be used rests "
        f"on its own file, which names {policy.meta.approved_by}."
    }
