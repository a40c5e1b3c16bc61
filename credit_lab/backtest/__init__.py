"""Backtests: did the policy do it? Replay, effect estimators, designs, claims, guards and forecast checks.

Every estimator (`its`, `did`, `synthetic_control`, `discontinuity`, `randomised`, `off_policy`) returns the same
`effects.Effect`; `claims.verdict` sets it against a claimed band.
"""
