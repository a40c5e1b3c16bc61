"""Row 4: when customers pay, what comes in, whom to contact, and what contacts do (收款与催收)."""

from typing import TYPE_CHECKING

from credit_lab import lazy

if TYPE_CHECKING:
    from credit_lab.collection import (
        accuracy,
        cash_forecast,
        cells,
        hazards,
        ladder,
        letters,
        payment_time,
        response,
        spells,
        tuning,
        worklist,
    )

__all__ = [
    "accuracy",
    "cash_forecast",
    "cells",
    "hazards",
    "ladder",
    "letters",
    "payment_time",
    "response",
    "spells",
    "tuning",
    "worklist",
]

lazy.attach(__name__)
