"""Limits proposed by a policy from what the history table knew at one month end."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab.limits.methods import sales_forecast
from credit_lab.policy import Policy, approver
from credit_lab.rules.grades import grade_of

# What bound a limit, in words.
REASONS = {
    "trial": "too little history", "inactive": "no net sales in twelve months", "grade": "grade without credit",
    "share of own sales": "cap on the share of own sales", "sales forecast": "payment behaviour and sales",
}  # fmt: skip


def propose(month: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """Grade, limit, term and approver of every customer at one month end.

    Parameters
    ----------
    month : rows of `history.build` for one month (only signals are read, never a `next_*` column)

    Returns
    -------
    DataFrame
        The decision record: review_date, customer_id, score (payment index), grade, pd_12m (upper end of the grade's
        band), method, binding_constraint, credit_limit (money), term_days, approver, reason. A newcomer gets a trial
        limit that steps up with invoices paid in time; a customer without sales in the policy's time loses the limit.
    """
    month = month.reset_index(drop=True)
    grade = grade_of(policy, month["payment_index"], month["months_on_book"])
    scale = pd.DataFrame([item.model_dump() for item in policy.grades.scale]).set_index("grade")
    own = scale.loc[grade].reset_index(drop=True)
    lived = np.clip(month["months_on_book"].to_numpy() + 1, 1, 12)
    annual = month["sales_12m"].to_numpy() * 12 / lived * (1 + policy.limits.growth)
    formula = own["limit_multiple"].to_numpy() * sales_forecast(
        annual,
        own["term_days"],
        tolerated_delay_days=policy.limits.tolerated_delay_days,
        peak_factor=policy.limits.peak_factor,
    )
    cap = policy.limits.max_share_of_sales * max(float(annual.sum()), 0.0)
    newcomer = (month["months_on_book"] < policy.grades.min_months).to_numpy()
    inactive = (month["sales_12m"] <= 0).to_numpy() & ~newcomer
    limit = np.where(newcomer, trial_limit(month["paid_in_time"], policy), np.minimum(formula, cap))
    limit = np.where(inactive | (own["limit_multiple"] == 0), 0.0, limit)
    step = policy.limits.rounding
    limit = np.floor(limit / step) * step if step > 0 else limit
    binding = np.select(
        [inactive, (own["limit_multiple"] == 0).to_numpy(), newcomer, formula > cap],
        ["inactive", "grade", "trial", "share of own sales"],
        "sales forecast",
    )
    unpaid = (binding == "sales forecast") & month["payment_index"].isna().to_numpy()
    return pd.DataFrame(
        {
            "review_date": month["month"],
            "customer_id": month["customer_id"],
            "score": month["payment_index"],
            "grade": grade,
            "pd_12m": own["pd_upper"],
            "method": np.where(newcomer, "trial", policy.limits.method),
            "binding_constraint": binding,
            "credit_limit": limit,
            "term_days": own["term_days"],
            "approver": [approver(policy, amount, name) for amount, name in zip(limit, grade, strict=True)],
            "reason": np.where(unpaid, "sales; no payment is known yet", [REASONS[name] for name in binding]),
        }
    )


def trial_limit(paid_in_time: pd.Series, policy: Policy) -> npt.NDArray[np.float64]:
    """Limit of a newcomer (试探性额度): first limit, multiplied at every step of invoices paid in time."""
    steps = np.minimum(paid_in_time.to_numpy() // policy.trial.step_invoices, policy.trial.steps)
    return policy.trial.first_limit * policy.trial.step_factor**steps
