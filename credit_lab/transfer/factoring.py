"""Factoring (保理): cash now for receivables, with or without recourse."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab.transfer.insurance import TransferError


@dataclass(frozen=True)
class Factoring:
    """A factoring line.

    Attributes
    ----------
    advance : share of the receivable paid at once; fee : share of the receivable; interest : per year on the advance
    recourse : True if the factor may come back to us when the customer does not pay (有追索权): then no risk passes
    """

    advance: float = 0.8
    fee: float = 0.01
    interest: float = 0.055
    recourse: bool = True

    def __post_init__(self) -> None:
        if not (0 < self.advance <= 1 and 0 <= self.fee < 1 and self.interest >= 0):
            raise TransferError("factoring: advance in (0, 1], fee in [0, 1), interest not below zero")


def factor(
    receivables: pd.DataFrame,
    line: Factoring,
    *,
    loss_given_default: float = 0.6,
    capital_cost: float = 0.06,
    collection_cost: float = 0.0,
) -> pd.DataFrame:
    """What selling each customer's receivables costs and brings over their life.

    cost = fee × amount + interest × advance × days / 365; benefit = capital cost × advance × days / 365 (own funding
    saved) + collection cost saved + PD × LGD × amount if the factor has no recourse.

    Parameters
    ----------
    receivables : customer_id, amount, days (until paid), pd_12m

    Returns
    -------
    DataFrame
        customer_id, amount, cash_now, cost, funding_saved, risk_passed, benefit (net), annual_cost (of the cash got
        early, per year), break_even_fee, sell (benefit above zero)

    Raises
    ------
    TransferError
        Columns missing, amounts or days below zero.
    """
    missing = [name for name in ("customer_id", "amount", "days", "pd_12m") if name not in receivables]
    if missing:
        raise TransferError(f"factoring: receivables lack {', '.join(missing)}")
    amount, days = (receivables[name].to_numpy(dtype=float) for name in ("amount", "days"))
    if min(amount.min(initial=0), days.min(initial=0)) < 0:
        raise TransferError("factoring: amounts and days must not be below zero")
    cash = line.advance * amount
    fee, interest = line.fee * amount, line.interest * cash * days / 365
    saved = capital_cost * cash * days / 365
    year = np.minimum(days / 365, 1.0)
    risk = 0.0 if line.recourse else receivables["pd_12m"].to_numpy(dtype=float) * loss_given_default * amount * year
    benefit = saved + risk + collection_cost * (amount > 0) - fee - interest
    with np.errstate(divide="ignore", invalid="ignore"):
        annual = np.where(cash * days > 0, (fee + interest) / cash * 365 / days, np.nan)
        even = np.where(amount > 0, (benefit + fee) / amount, np.nan)
    return pd.DataFrame(
        {
            "customer_id": receivables["customer_id"].to_numpy(), "amount": amount, "cash_now": cash,
            "cost": fee + interest, "funding_saved": saved, "risk_passed": risk + np.zeros(len(amount)),
            "benefit": benefit, "annual_cost": annual, "break_even_fee": even, "sell": benefit > 0,
        }
    )  # fmt: skip
