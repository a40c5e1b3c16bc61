"""Row 4: when customers pay, what comes in, whom to contact, and what contacts do (收款与催收)."""

from credit_lab import lazy

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
