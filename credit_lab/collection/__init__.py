"""Row 4: when customers pay, what comes in, whom to contact, and what contacts do (收款与催收)."""
