"""Insurance and factoring by hand, and that covered parts never exceed the loss."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_lab import transfer
from credit_lab.transfer.insurance import Insurance, TransferError, claim, late_reports


def test_claim_by_hand():
    """Loss 1,000 with cover for 800: 90 % of 800 less 20 = 700; a loss below the deductible pays nothing."""
    assert claim([1000, 500, 10], [800, 800, 800], Insurance(share=0.9, deductible=20)).tolist() == [700, 430, 0]


@given(
    st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), min_size=1, max_size=5),
    st.floats(0, 1),
    st.floats(0, 1e4),
)
def test_claims_never_exceed_loss_or_cover(rows, share, deductible):
    loss, cover = np.array(rows).T
    paid = claim(loss, cover, Insurance(share=share, deductible=deductible))
    assert (paid >= 0).all()
    assert (paid <= np.minimum(loss, cover) + 1e-9).all()


def customers(n=50, pd_=0.05):
    return pd.DataFrame(
        {"customer_id": range(n), "sales": 1000.0, "exposure": 200.0, "pd_12m": pd_, "cover_limit": 200.0}
    )


def test_expected_claims_and_break_even():
    """50 customers of 200, PD 5 %, LGD 50 %, 90 % insured: 50 x .05 x 90 = 225 a year, within simulation error."""
    made = transfer.insure(customers(), Insurance(premium=0.001, share=0.9), loss_given_default=0.5)
    assert made.totals["expected_claims"] == pytest.approx(225, abs=4 * made.totals["standard_error"])
    assert made.totals["premium"] == pytest.approx(50)
    assert made.totals["quantile_with"] < made.totals["quantile_without"]
    assert made.customers["insure"].all()
    even = made.customers["break_even_premium"].iloc[0]
    at = transfer.insure(customers(), Insurance(premium=even, share=0.9), loss_given_default=0.5)
    assert at.totals["benefit"] == pytest.approx(0, abs=1e-6)
    bearing = transfer.insure(
        customers(), Insurance(premium=0.001, share=0.9, first_loss=300.0), loss_given_default=0.5
    )
    assert bearing.totals["expected_claims"] < made.totals["expected_claims"]
    capped = transfer.insure(customers(), Insurance(premium=0.001, share=0.9, most=90.0), loss_given_default=0.5)
    assert capped.totals["expected_claims"] <= 90
    unnamed = transfer.insure(
        customers().drop(columns="cover_limit"), Insurance(discretionary=0.0), loss_given_default=0.5
    )
    assert unnamed.totals["expected_claims"] == 0


def test_insurance_refuses():
    with pytest.raises(TransferError, match="lack pd_12m"):
        transfer.insure(customers().drop(columns="pd_12m"), Insurance())
    with pytest.raises(TransferError, match=r"\[0, 1\]"):
        transfer.insure(customers(pd_=1.5), Insurance())
    with pytest.raises(TransferError, match="are shares"):
        Insurance(share=1.2)


def test_late_reports():
    items = pd.DataFrame({"kind": "invoice", "customer_id": ["A", "B"], "document_id": ["1", "2"], "days": [61, 60],
                          "open_amount": [5.0, 6.0]})  # fmt: skip
    assert late_reports(items, Insurance(report_days=60))["customer_id"].tolist() == ["A"]


def test_factoring_by_hand():
    """10,000 paid after 73 days: 8,000 now; fee 100 and interest 8,000 x 5 % / 5 = 80; own funding saved at 6 %: 96.
    Without recourse the factor bears PD 10 % x LGD 60 % x 10,000 / 5 = 120: 96 + 120 - 180 = +36; with it -84."""
    rows = pd.DataFrame({"customer_id": ["A"], "amount": [10_000.0], "days": [73.0], "pd_12m": [0.1]})
    line = transfer.Factoring(0.8, 0.01, 0.05, recourse=False)
    free = transfer.factor(rows, line).iloc[0]
    assert free[["cash_now", "cost", "funding_saved", "risk_passed", "benefit"]].tolist() == pytest.approx(
        [8000, 180, 96, 120, 36]
    )
    assert free["annual_cost"] == pytest.approx(180 / 8000 * 5)
    assert transfer.factor(rows, transfer.Factoring(0.8, 0.01, 0.05)).iloc[0]["benefit"] == pytest.approx(-84)
    even = transfer.factor(rows, transfer.Factoring(0.8, free["break_even_fee"], 0.05, recourse=False)).iloc[0]
    assert even["benefit"] == pytest.approx(0)
    with pytest.raises(TransferError, match="must not be below zero"):
        transfer.factor(rows.assign(days=-1.0), line)
    with pytest.raises(TransferError, match="advance in"):
        transfer.Factoring(advance=0)
