"""Limits: each method by hand, the portfolio's optimum, reviews that do not flip, authority, trial ladders."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from credit_lab import history, ledger, limits
from credit_lab import policy as policies
from credit_lab.limits import (
    METHODS,
    authority,
    comparison,
    exposures,
    methods,
    portfolio,
    quarterly,
    tail_risk,
    terms,
    trial,
)
from credit_lab.limits.exposures import LimitsError
from credit_lab.rules.standing import StandingError
from credit_lab.studies import granting, portfolio_limits, terms_and_discounts
from tests.ledgers import allocation, paid_in_full

baseline = policies.load("data/policies/2025-baseline.toml")
DAY = pd.Timestamp("2025-06-30")


def evidence(**values):
    row = {
        "customer_id": "A", "grade": "A", "annual_sales": 730_000.0, "term_days": 60.0, "limit_multiple": 1.0,
        "pd_12m": 0.02, "high_credit": 200_000.0, "payment_index": 70.0, "current_assets": 900.0, "inventory": 300.0,
        "current_liabilities": 500.0, "total_liabilities": 800.0, "net_worth": 1000.0, "characteristic_share": 0.5,
        "reference_limit": 70_000.0,
    }  # fmt: skip
    return pd.DataFrame([row | values])


def one(name, **values):
    return METHODS[name].limits(evidence(**values), baseline).iloc[0]


# ---- methods --------------------------------------------------------------------------------------------------------
def test_sales_forecast_by_hand():
    """730,000 / 365 = 2,000 a day; 60 days and the delay tolerated, times the peak factor of the policy."""
    days = 60 + baseline.limits.tolerated_delay_days
    assert one("sales forecast")["limit"] == pytest.approx(2000 * days * baseline.limits.peak_factor)
    assert one("sales forecast", limit_multiple=0.5)["limit"] == pytest.approx(
        1000 * days * baseline.limits.peak_factor
    )


def test_working_assets_by_hand():
    """Working capital 400, net worth 1,000: working assets 700. v = 1.8 + 1.2 - .5 - .8 = 1.7: 25 % of 700 = 175.

    With net worth 200: assets 300; v = 1.8 + 1.2 - 2.5 - 4 = -3.5: 5 % of 300 = 15.
    """
    assert one("working assets")["limit"] == pytest.approx(175)
    assert one("working assets", net_worth=200.0)["limit"] == pytest.approx(15)
    broke = one("working assets", net_worth=-1.0)
    assert (broke["limit"], broke["reason"]) == (0, "net worth is not above zero")
    unknown = one("working assets", inventory=np.nan)
    assert np.isnan(unknown["limit"])
    assert unknown["reason"] == "inventory is not known"


@pytest.mark.parametrize(
    ("edge", "share"),
    [(-4.6, 0), (-3.9, 0.025), (-3.2, 0.05), (-2.5, 0.075), (-1.8, 0.1), (-1.1, 0.125), (-0.4, 0.15), (0.3, 0.175)],
)
def test_working_asset_table_has_no_gaps(edge, share):
    below, at, above = methods.working_asset_share([edge - 1e-9, edge, edge + 1e-9])
    assert below == at == share
    assert above == pytest.approx(share + 0.025)
    assert methods.working_asset_share([0.9, 0.995, 1.0 - 1e-9, 1.0]).tolist() == [0.2, 0.2, 0.2, 0.25]


def test_other_methods_by_hand():
    share = baseline.limits.max_share_of_net_worth
    assert one("net worth")["limit"] == pytest.approx(1000 * share)
    assert one("working capital")["limit"] == pytest.approx(80)  # a fifth of 400
    assert one("trade references")["limit"] == 70_000
    assert one("payment history")["limit"] == pytest.approx(150_000)  # (70 - 40) / 40 of 200,000
    assert one("payment history", payment_index=35.0)["limit"] == 0
    # 50 % of the characteristics: the whole forecast, 2,000 x 60; 30 %: half; 70 %: one and a half
    assert [one("characteristics", characteristic_share=s)["limit"] for s in (0.5, 0.3, 0.7, 0.2)] == [
        120_000, 60_000, 180_000, 0,
    ]  # fmt: skip
    economics, appetite = baseline.economics, baseline.risk_appetite
    expected = appetite.expected_loss_budget * 730_000 / (0.02 * economics.loss_given_default)
    assert one("expected loss")["limit"] == pytest.approx(expected)
    assert one("supplier cap")["limit"] == pytest.approx(baseline.limits.max_share_of_sales * 730_000)


def test_methods_of_return_by_hand():
    """730,000 a year at 60 + 15 days: need 150,000. Margin 20 %: 146,000. Carrying 150,000 x .8 x .06 = 7,200; expected
    loss 150,000 x .02 x .6 = 1,800: the need is granted. Hurdle: 146,000 / (.012 + .06 + .1 x .08) = 1,825,000."""
    sets = {
        "economics": {"variable_cost_ratio": 0.8, "capital_cost": 0.06, "loss_given_default": 0.6},
        "limits": {"tolerated_delay_days": 15},
    }
    policy = baseline.model_copy(
        update={part: getattr(baseline, part).model_copy(update=new) for part, new in sets.items()}
    )

    def ask(name, **values):
        return METHODS[name].limits(evidence(**values), policy).iloc[0]

    assert ask("risk and return")["limit"] == pytest.approx(150_000)
    assert ask("return on capital")["limit"] == pytest.approx(1_825_000)
    # at 365 + 15 days the need is 760,000; PD 1 loses 456,000 of it, more than the margin
    refused = ask("risk and return", pd_12m=1.0, term_days=365.0)
    assert (refused["limit"], refused["reason"]) == (0, "contribution does not cover carrying cost and expected loss")
    # 146,000 / (.6 + .06 + .008) = 218,563 is below that need
    refused = ask("return on capital", pd_12m=1.0, term_days=365.0)
    assert (refused["limit"], refused["reason"]) == (0, "margin does not cover expected loss, funding and the hurdle")


def test_every_method_says_why_it_has_no_answer():
    assert len(METHODS) == 11
    for name, made in METHODS.items():
        for column in made.needs:
            found = one(name, **{column: np.nan})
            assert np.isnan(found["limit"])
            assert found["reason"] == f"{column} is not known"


def test_risk_return_comparison():
    """30 to 60 days, 100,000 to 120,000 units at 5 with variable cost 4, collection 3,000 to 4,000, bad debt 5,000 to
    9,000, 15 % on 360 days: +20,000 - 7,000 - 1,000 - 4,000 = +8,000."""
    change = methods.Change((1e5, 1.2e5), (30, 60), 5, 4, 0.15, (3000, 4000), (5000, 9000), year_days=360)
    assert methods.risk_return(change).tolist() == [20_000, -7000, -1000, -4000, 0, 8000]


def test_own_methods_join_the_others(sample):
    @limits.method("a week of sales", "own.week", needs=("annual_sales",))
    def week(rows, _policy):
        return rows["annual_sales"] / 52, None

    assert week.limits(evidence(), baseline).iloc[0]["limit"] == pytest.approx(730_000 / 52)
    without = week.limits(evidence().drop(columns="annual_sales"), baseline)
    assert "no annual_sales in the evidence" in without["reason"].tolist()
    past = history.build(sample, pd.Timestamp("2025-12-31"))
    made = comparison.bench(sample, past, baseline, pd.Timestamp("2024-12-31"), methods=["sales forecast", week])
    assert made.coverage["method"].tolist() == ["sales forecast", "a week of sales"]
    with pytest.raises(TypeError):  # ours stay as they are
        METHODS["a week of sales"] = week


def test_bench_of_the_sample(sample):
    past = history.build(sample, pd.Timestamp("2025-12-31"))
    made = comparison.bench(sample, past, baseline, pd.Timestamp("2024-12-31"))
    assert set(made.coverage["method"]) == set(METHODS)
    assert (made.limits["limit"].dropna() >= 0).all()
    assert (made.limits.loc[made.limits["limit"].isna(), "reason"] != "").all()
    answered = made.limits.groupby("customer_id")["limit"].min()
    lowest = made.binding.set_index("customer_id")["lowest"]
    pd.testing.assert_series_equal(lowest.sort_index(), answered.reindex(lowest.index).sort_index(), check_names=False)
    assert made.on_history["blocked_share"].between(0, 1).sum() >= 8
    assert comparison.bench(sample, past, baseline, pd.Timestamp("2025-12-31")).on_history.empty
    with pytest.raises(LimitsError, match="no month end 1999"):
        comparison.bench(sample, past, baseline, pd.Timestamp("1999-12-31"))
    with pytest.raises(LimitsError, match="no limit method 'gut'"):
        comparison.bench(sample, past, baseline, pd.Timestamp("2024-12-31"), methods=["gut"])


# ---- exposure -------------------------------------------------------------------------------------------------------
def book(write_ledger, **tables):
    base = {
        "customers": [{"customer_id": c, "group_id": g} for c, g in (("A", "G"), ("B", "G"), ("C", ""))],
        "invoices": [
            {"invoice_id": "I1", "customer_id": "A", "issue_date": "2025-06-01", "due_date": "2025-07-01",
             "amount": 700, "currency": "CNY", "order_id": "O1"},
            {"invoice_id": "I2", "customer_id": "C", "issue_date": "2025-06-01", "due_date": "2025-07-01",
             "amount": 500, "currency": "CNY", "order_id": ""},
        ],
        "payments": [{"payment_id": "P1", "customer_id": "C", "paid_date": "2025-06-10", "amount": 80,
                      "currency": "CNY"}],
        "orders": [
            {"order_id": "O1", "customer_id": "A", "ordered_on": "2025-05-20", "amount": 700, "tax_included": True},
            {"order_id": "O2", "customer_id": "B", "ordered_on": "2025-06-20", "amount": 100, "tax_included": False},
            {"order_id": "O3", "customer_id": "B", "ordered_on": "2024-01-20", "amount": 999, "tax_included": True},
        ],
        "limits": [
            {"customer_id": "G", "valid_from": "2025-01-01", "valid_to": "", "credit_limit": 900, "reason": "review"},
            {"customer_id": "G", "valid_from": "2024-01-01", "valid_to": "", "credit_limit": 5000, "reason": "review"},
            {"customer_id": "G", "valid_from": "2025-06-01", "valid_to": "2025-07-31", "credit_limit": 100,
             "reason": "temporary, season"},
            {"customer_id": "C", "valid_from": "2025-01-01", "valid_to": "2025-03-31", "credit_limit": 300,
             "reason": "review"},
        ],
        "covers": [
            {"customer_id": "A", "provider": "x", "kind": "insurance", "valid_from": "2025-01-01", "valid_to": "",
             "cover_limit": 400, "cover_share": 0.9, "deductible": 50, "recourse": False},
            {"customer_id": "C", "provider": "y", "kind": "factoring", "valid_from": "2025-01-01", "valid_to": "",
             "cover_limit": 400, "cover_share": 1.0, "deductible": 0, "recourse": True},
        ],
    }  # fmt: skip
    return ledger.read(write_ledger(**base | tables))


def test_exposure_by_hand(write_ledger):
    """A owes 700 (its order is invoiced); B has an order of 100 + 13 % = 113 open, the old one is dead; together 813 of
    the group's 900 + 100 for the season. C owes 500 less 80 not matched, its limit has run out. Cover of A:
    90 % of 400 - 50 = 310; factoring with recourse covers nothing."""
    table = exposures.exposure(book(write_ledger), DAY, tax_rate=0.13).set_index("customer_id")
    assert table["exposure"].round(2).to_dict() == {"A": 700, "B": 113, "C": 420}
    assert table.loc["A", ["holder", "holder_exposure", "credit_limit", "headroom"]].tolist() == ["G", 813, 1000, 187]
    assert table.loc["B", "utilisation"] == pytest.approx(0.813)
    assert np.isnan(table.loc["C", "credit_limit"])
    assert table.loc["C", "headroom"] == -420
    assert table["cover"].to_dict() == {"A": 310, "B": 0, "C": 0}
    bare = exposures.exposure(
        book(write_ledger), DAY, include=exposures.Include(open_orders=False, unapplied=False)
    ).set_index("customer_id")
    assert bare["exposure"].to_dict() == {"A": 700, "B": 0, "C": 500}


def test_goods_delivered_before_their_invoice_count(write_ledger):
    """O1 left on May 25, its invoice of 700 is of June 1: on May 28 A owes nothing yet, and has 700 of our goods."""
    made = book(write_ledger)
    rows = made.invoices.assign(delivered_on=pd.to_datetime(["2025-05-25", None]).as_unit("us"))
    rows.loc[rows["invoice_id"] == "I2", "issue_date"] = pd.Timestamp("2025-05-01")  # the ledger begins before
    made = dataclasses.replace(made, tables={**made.tables, "invoices": rows})
    between = pd.Timestamp("2025-05-28")
    table = exposures.exposure(made, between).set_index("customer_id")
    assert table.loc["A", ["receivables", "delivered", "open_orders", "exposure"]].tolist() == [0, 700, 0, 700]
    bare = exposures.exposure(made, between, include=exposures.Include(delivered=False)).set_index("customer_id")
    assert bare.loc["A", "exposure"] == 0
    ordered = exposures.exposure(made, pd.Timestamp("2025-05-22")).set_index("customer_id")
    assert ordered.loc["A", ["delivered", "open_orders"]].tolist() == [0, 700]
    nothing = exposures.exposure(made, DAY, include=exposures.Include(receivables=False)).set_index("customer_id")
    assert nothing.loc["A", "exposure"] == 0


def test_a_temporary_limit_is_not_taken_for_the_lasting_one(write_ledger):
    force = granting.in_force(book(write_ledger), DAY).set_index("customer_id")
    assert force.loc["G"].tolist() == [900, pd.Timestamp("2025-01-01")]


def test_exposure_refuses(write_ledger):
    made = book(write_ledger)
    wrong = made.tables["limits"].assign(valid_to=pd.Timestamp("2023-01-01"))
    with pytest.raises(StandingError, match="4 end before they begin"):
        exposures.exposure(dataclasses.replace(made, tables={**made.tables, "limits": wrong}), DAY)
    own = [{"customer_id": "C", "valid_from": "2025-01-01", "valid_to": "", "credit_limit": 9, "reason": "review"}]
    circle = [{"customer_id": c, "group_id": g} for c, g in (("A", "B"), ("B", "C"), ("C", "C"))]
    with pytest.raises(StandingError, match=r"group 'B' of 'A' belongs to group 'C' itself"):
        exposures.exposure(book(write_ledger, customers=circle, limits=own), DAY)


@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(0, 1), st.floats(0, 100)), max_size=4), st.floats(0, 2000))
def test_covers_never_pay_more_than_the_exposure(covers, owed):
    class Book:
        tables = {  # noqa: RUF012
            "covers": pd.DataFrame(
                [("A", "x", "insurance", pd.Timestamp("2025-01-01"), pd.NaT, *cover) for cover in covers],
                columns=["customer_id", "provider", "kind", "valid_from", "valid_to", "cover_limit", "cover_share",
                         "deductible"],
            ).astype({"valid_to": "datetime64[us]"})
        }  # fmt: skip

        def has(self, name):
            return name in self.tables and len(self.tables[name]) > 0

    paid = exposures.cover(Book(), pd.Series({"A": owed}), DAY)["A"]
    assert 0 <= paid <= owed + 1e-9


# ---- portfolio ------------------------------------------------------------------------------------------------------
def test_optimum_by_hand():
    """Needs 100 each, profit .3, .2, .1 per unit, loss .02, .01, .01. With a loss budget of 2.5: the second and third
    earn 20 and 10 per unit of loss, the first 15: 100 of the second (1.0), 75 of the first (1.5): 22.5 + 20 = 42.5.
    One more unit of loss budget earns .3 / .02 = 15."""
    customers = pd.DataFrame(
        {"customer_id": ["a", "b", "c"], "need": 100.0, "profit_rate": [0.3, 0.2, 0.1], "loss_rate": [0.02, 0.01, 0.01]}
    )
    made = portfolio.optimise(customers, portfolio.Budgets(expected_loss=2.5))
    assert made.limits["credit_limit"].tolist() == pytest.approx([75, 100, 0])
    assert made.profit == pytest.approx(42.5)
    assert made.prices.set_index("constraint").loc["expected loss", "price"] == pytest.approx(15)
    assert made.limits["binding"].tolist() == ["shared", "need", "shared"]
    capped = portfolio.optimise(customers, portfolio.Budgets(single_name=40, working_capital=100))
    assert capped.limits["credit_limit"].tolist() == pytest.approx([40, 40, 20])
    assert capped.limits["binding"].tolist() == ["single name", "single name", "shared"]


customers_ = st.lists(
    st.tuples(st.floats(1, 100), st.floats(-0.2, 0.5), st.floats(0.001, 0.2), st.integers(0, 1)), min_size=2, max_size=8
)


@given(customers_, st.floats(0.1, 20))
def test_more_budget_never_lowers_profit(rows, budget):
    table = pd.DataFrame(rows, columns=["need", "profit_rate", "loss_rate", "industry"]).assign(
        customer_id=lambda t: t.index.astype(str)
    )
    once, twice = (
        portfolio.optimise(table, portfolio.Budgets(expected_loss=b, groups={"industry": 60.0}))
        for b in (budget, 2 * budget)
    )
    assert twice.profit >= once.profit - 1e-7
    assert once.expected_loss <= budget + 1e-6
    assert (once.limits["credit_limit"] >= 0).all()
    assert (once.limits["credit_limit"] <= table["need"] + 1e-6).all()
    assert once.limits.groupby(table["industry"])["credit_limit"].sum().max() <= 60 + 1e-6


def test_impossible_budgets_are_named():
    table = pd.DataFrame(
        {
            "customer_id": ["a", "b"],
            "need": 100.0,
            "profit_rate": 0.1,
            "loss_rate": 0.05,
            "minimum": 60.0,
            "region": "N",
        }
    )
    with pytest.raises(LimitsError, match=r"region N: minimum limits use 120, the budget is 100"):
        portfolio.optimise(table, portfolio.Budgets(groups={"region": 100.0}))
    with pytest.raises(LimitsError, match="above its need or the single-name cap"):
        portfolio.optimise(table, portfolio.Budgets(single_name=50.0))
    with pytest.raises(LimitsError, match="lack need"):
        portfolio.optimise(table.drop(columns="need"), portfolio.Budgets())
    with pytest.raises(LimitsError, match="must be known"):
        portfolio.optimise(table.assign(need=np.nan), portfolio.Budgets())


def test_frontier_rises_and_flattens():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"customer_id": range(50), "need": rng.uniform(1, 9, 50), "profit_rate": rng.uniform(0, 1, 50),
                          "loss_rate": rng.uniform(0.01, 0.2, 50)})  # fmt: skip
    curve = portfolio.frontier(table, portfolio.Budgets(working_capital=150.0), points=8)
    assert curve["profit"].is_monotonic_increasing
    assert (curve["price"].diff().dropna() <= 1e-6).all()


def test_unexpected_loss_of_a_fine_portfolio():
    """Many small equal loans: the 99 % quantile is Phi((Phi^-1(p) + sqrt(r) z) / sqrt(1 - r)) (Vasicek 2002).

    p = 2 %, r = 15 %, z = 2.3263: Phi((-2.0537 + .9010) / .92195) = Phi(-1.2503) = 10.56 % of the exposure x LGD."""
    n = 2000
    found = tail_risk.unexpected_loss(
        np.ones(n), np.full(n, 0.02), np.zeros(n, dtype=int), loss_given_default=0.5, correlation=0.15,
        sector_correlation=0.0, scenarios=40_000,
    )  # fmt: skip
    expected = stats.norm.cdf((stats.norm.ppf(0.02) + 0.15**0.5 * stats.norm.ppf(0.99)) / 0.85**0.5) * n * 0.5
    assert found["quantile"] == pytest.approx(expected, abs=4 * found["standard_error"] + 0.005 * n * 0.5)
    assert found["expected_loss"] == pytest.approx(20)
    again = tail_risk.unexpected_loss(
        np.full(n, 2.0), np.full(n, 0.02), np.zeros(n, dtype=int), loss_given_default=0.5, correlation=0.15,
        sector_correlation=0.0, scenarios=40_000,
    )  # fmt: skip
    assert again["quantile"] == pytest.approx(2 * found["quantile"])  # the same scenarios
    with pytest.raises(LimitsError, match="add up to less than 1"):
        tail_risk.unexpected_loss(np.ones(1), np.ones(1), np.zeros(1, int), loss_given_default=1, correlation=1.0)


# ---- review, authority ----------------------------------------------------------------------------------------------
def month(**values):
    row = {
        "month": DAY, "customer_id": "A", "payment_index": 85.0, "months_on_book": 30, "sales_12m": 730_000.0,
        "sales": 60_000.0, "paid_in_time": 30,
    }  # fmt: skip
    return pd.DataFrame([row | values])


def year(rows):
    """A history that ends with some rows: a twelfth of `sales_12m` in each month, nothing before them."""
    parts = []
    for back in range(12):
        part = rows.assign(
            month=rows["month"] - pd.offsets.MonthEnd(back),
            months_on_book=rows["months_on_book"] - back,
            sales=rows["sales_12m"] / np.minimum(rows["months_on_book"] + 1, 12),
        )
        parts.append(part[part["months_on_book"] >= 0])
    return pd.concat(parts, ignore_index=True)


def test_a_smallest_limit_by_hand():
    """1,000 of working capital, needs of 600 each at 10, 9 and 2 % profit, nothing below 300. A 600 and B 400: 60 + 36.
    At a smallest limit of 500: A and B cannot both have one within 1,000 other than 500 each: 50 + 45 = 95."""
    customers = pd.DataFrame(
        {"customer_id": list("ABC"), "need": 600.0, "profit_rate": [0.10, 0.09, 0.02], "loss_rate": 0.0}
    )
    free = portfolio.optimise(customers, portfolio.Budgets(working_capital=1000, smallest=300))
    assert free.limits["credit_limit"].tolist() == pytest.approx([600, 400, 0])
    tight = portfolio.optimise(customers, portfolio.Budgets(working_capital=1000, smallest=500))
    assert tight.limits["credit_limit"].tolist() == pytest.approx([500, 500, 0])
    assert (tight.profit, tight.gap) == (pytest.approx(95), pytest.approx(0, abs=1e-6))
    none = portfolio.optimise(customers, portfolio.Budgets(working_capital=1000, smallest=700))
    assert none.total == 0  # nobody needs that much
    with pytest.raises(LimitsError, match="1 customers have a minimum limit and a need or single-name cap below"):
        portfolio.optimise(
            customers.assign(minimum=[10.0, 0, 0]), portfolio.Budgets(working_capital=1000, smallest=700)
        )
    with pytest.raises(LimitsError, match="working capital: minimum limits use 1,500, the budget is 1,000"):
        portfolio.optimise(customers.assign(minimum=10.0), portfolio.Budgets(working_capital=1000, smallest=500))


def test_unexpected_loss_keeps_its_budget_at_the_best_profit():
    """The optimum has the budget used up and, since the tail is convex, no mix with other limits that keep it earns
    more; without the budget the tail is above it."""
    rng = np.random.default_rng(3)
    n = 40
    customers = pd.DataFrame(
        {
            "customer_id": np.arange(n), "need": rng.uniform(50, 150, n), "profit_rate": rng.uniform(0.02, 0.2, n),
            "loss_rate": 0.02, "pd_12m": rng.uniform(0.005, 0.1, n), "sector": np.arange(n) % 3,
        }
    )  # fmt: skip
    how = {"loss_given_default": 0.6, "scenarios": 4000, "seed": 5}

    def tail_of(limits_of):
        found = tail_risk.unexpected_loss(limits_of, customers["pd_12m"], customers["sector"], **how)
        return found["expected_shortfall"] - found["expected_loss"]

    free = portfolio.optimise(customers, portfolio.Budgets())
    most = tail_of(free.limits["credit_limit"]) / 2
    made = tail_risk.optimise_within(customers, portfolio.Budgets(), tail_risk.Tail(most, **how))
    granted = made.limits["credit_limit"].to_numpy()
    assert tail_of(granted) == pytest.approx(most, rel=0.03)  # its mean includes the quantile, one scenario more
    assert made.prices["constraint"].tolist() == ["unexpected loss"]
    assert made.prices["price"].iloc[0] > 0
    # no scaled portfolio and none with one limit more keeps the budget and earns more
    profit, need = customers["profit_rate"].to_numpy(), customers["need"].to_numpy()
    for other in (need, *(np.where(rng.random(n) < 0.7, need, 0) for _ in range(30))):
        scaled = other * min(most / tail_of(other), 1)
        assert scaled @ profit <= made.profit * 1.01
    assert made.gap <= 1e-3
    looser = tail_risk.optimise_within(customers, portfolio.Budgets(), tail_risk.Tail(most * 1.5, **how))
    assert made.profit < looser.profit <= free.profit + 1e-6
    with pytest.raises(LimitsError, match=r"that of the minimum limits is .*, the budget 0"):
        tail_risk.optimise_within(customers.assign(minimum=10.0), portfolio.Budgets(), tail_risk.Tail(0.0, **how))
    with pytest.raises(LimitsError, match="budget nan must be a number"):
        tail_risk.optimise_within(customers, portfolio.Budgets(), tail_risk.Tail(float("nan"), **how))


def test_limits_do_not_flip():
    """One customer is all sales there are: the cap on a share of them binds, and is the reason (R3, C3)."""
    whole = quarterly.review(year(month()), baseline, DAY).decisions.iloc[0]
    assert (whole["change"], whole["code"]) == ("new", "N1")
    wanted = whole["credit_limit"]

    def again(old, months_ago, **more):
        force = pd.DataFrame(
            {"customer_id": ["A"], "credit_limit": [old], "changed_on": [DAY - pd.DateOffset(months=months_ago)]}
        )
        found = quarterly.review(year(month()), baseline, DAY, in_force=force, **more)
        row = found.decisions.iloc[0]
        return row["change"], row["code"], row["credit_limit"], len(found.notices)

    small = wanted * (1 - baseline.limits.min_change / 2)
    assert again(small, 24) == ("keep", "K1", small, 0)
    assert again(wanted / 2, 24) == ("raise", "R3", wanted, 0)
    assert again(wanted * 2, 24) == ("cut", "C3", wanted, 1)
    # raised not long ago: a raise waits, a cut never does
    assert again(wanted / 2, 0) == ("keep", "K2", wanted / 2, 0)
    assert again(wanted * 2, 0) == ("cut", "C3", wanted, 1)
    call = pd.DataFrame({"customer_id": ["A"], "trigger": ["alert"]})
    assert again(wanted / 2, 0, triggers=call) == ("raise", "T1", wanted, 0)
    assert again(wanted, 24) == ("keep", "K3", wanted, 0)


def test_limits_without_orders_are_withdrawn():
    months = pd.date_range(end=DAY, periods=baseline.limits.withdraw_after_months + 1, freq="ME")
    past = pd.concat([month(month=day, sales=100.0 if k == 0 else 0.0) for k, day in enumerate(months)])
    force = pd.DataFrame({"customer_id": ["A"], "credit_limit": [9e4], "changed_on": [DAY - pd.Timedelta(days=5)]})
    found = quarterly.review(past, baseline, DAY, in_force=force).decisions.iloc[0]
    assert (found["change"], found["code"], found["credit_limit"]) == ("withdraw", "W1", 0)
    with pytest.raises(LimitsError, match="two limits in force"):
        quarterly.review(past, baseline, DAY, in_force=pd.concat([force, force]))
    with pytest.raises(LimitsError, match="changed after"):
        quarterly.review(past, baseline, DAY, in_force=force.assign(changed_on=pd.Timestamp("2026-01-01")))


def test_a_stricter_policy_never_grants_more(sample):
    tighter = policies.load("data/policies/2025-tighter.toml")
    past = history.build(sample, pd.Timestamp("2025-12-31"))
    totals = [limits.propose(past, one, past["month"].max())["credit_limit"].sum() for one in (tighter, baseline)]
    assert totals[0] <= totals[1]


@given(st.floats(0, 1e9), st.sampled_from(["AAA", "AA", "A", "B", "C", "D"]), st.floats(-1, 3))
def test_exactly_one_chain_signs(amount, grade, deviation):
    names = [level.approver for level in baseline.authority.levels]
    signers = authority.chain(baseline, authority.Request(amount, grade, deviation))
    assert 1 <= len(signers) <= 2
    assert [names.index(s) for s in signers] == sorted({names.index(s) for s in signers})
    if amount > baseline.authority.four_eyes_above:
        assert len(signers) == 2


def test_authority_by_hand():
    """Analyst to 100,000 and grade A, manager to 500,000 and B, director to 2 million and C, committee above."""
    chain, ask = authority.chain, authority.Request
    assert chain(baseline, ask(100_000, "A")) == ("credit analyst",)
    assert chain(baseline, ask(100_000.01, "A")) == ("credit manager",)
    assert chain(baseline, ask(1000, "C")) == ("finance director",)
    assert chain(baseline, ask(600_000, "A")) == ("finance director", "credit committee")
    assert chain(baseline, ask(1000, "A", deviation=0.3)) == ("credit manager",)
    assert chain(baseline, ask(1000, "A", major=True)) == ("credit analyst", "credit committee")
    assert chain(baseline, ask(1000, "A", seller="credit analyst")) == ("credit manager",)
    assert chain(baseline, ask(3e6, "A")) == ("finance director", "credit committee")  # two sign at the top as well
    away = pd.DataFrame({"approver": ["credit analyst"], "deputy": ["deputy"], "valid_from": [DAY], "valid_to": [DAY]})
    assert chain(baseline, ask(1000, "A"), day=DAY, delegations=away) == ("deputy",)
    assert chain(baseline, ask(1000, "A"), day=DAY + pd.Timedelta(days=1), delegations=away) == ("credit analyst",)
    with pytest.raises(LimitsError, match="nobody stands above"):
        chain(baseline, ask(1000, "D", seller="credit committee"))
    with pytest.raises(LimitsError, match="may not overlap"):
        chain(baseline, ask(1000, "A"), day=DAY, delegations=pd.concat([away, away]))
    # nobody approves his own request as a deputy, and nobody signs twice
    assert chain(baseline, ask(1000, "A", seller="deputy"), day=DAY, delegations=away) == ("credit manager",)
    both = pd.DataFrame({"approver": ["finance director"], "deputy": ["credit manager"], "valid_from": [DAY],
                         "valid_to": [DAY]})  # fmt: skip
    assert chain(baseline, ask(500_000, "B"), day=DAY, delegations=both) == ("credit manager",)
    assert chain(baseline, ask(600_000, "A"), day=DAY, delegations=both) == ("credit manager", "credit committee")
    twice = both.assign(deputy="credit committee")
    with pytest.raises(LimitsError, match="would sign twice"):
        chain(baseline, ask(600_000, "A"), day=DAY, delegations=twice)
    with pytest.raises(LimitsError, match="ends before it begins"):
        chain(baseline, ask(1, "A"), day=DAY, delegations=away.assign(valid_to=DAY - pd.Timedelta(days=1)))
    with pytest.raises(LimitsError, match="'Z' is not in the policy"):
        chain(baseline, ask(1000, "Z"))
    with pytest.raises(LimitsError, match="must be a number"):
        chain(baseline, ask(float("nan"), "A"))
    cases = pd.DataFrame({"credit_limit": [1000.0, 600_000.0], "grade": ["A", "A"]})
    load = authority.replay(cases, {"now": baseline}, minutes=60).set_index("approver")
    assert load["cases"].to_dict() == {
        "credit analyst": 1, "credit manager": 0, "finance director": 1, "credit committee": 1,
    }  # fmt: skip
    assert load["hours"].sum() == 3


# ---- trial ----------------------------------------------------------------------------------------------------------
def test_first_order_may_lose_to_learn():
    """80 % pay; 15 earned against 85 lost per 100: expected -5, yet worth more than nothing for what it teaches."""
    made = trial.ladder(trial.Newcomers())
    assert made.first_size == 0.1
    assert (
        made.steps["expected_payoff"].iloc[0] == pytest.approx(0.1 * (0.8 * 0.15 - 0.2 * 0.85)) == pytest.approx(-0.005)
    )
    assert made.steps["worth"].iloc[0] > 0
    # the full size comes when the expected payoff turns: (8 + n) / (10 + n) > .85, so from n = 4
    assert made.steps["paid_invoices"].tolist() == [0, 4]
    assert trial.ladder(trial.Newcomers(paid=1, failed=9)).first_size == 0


def test_one_order_left_has_no_option_value():
    """With a single order nothing can be learned: granted only if .15 E > .85 (1 - E), E > .85."""
    assert trial.ladder(trial.Newcomers(8, 2, orders=1)).first_size == 0
    assert trial.ladder(trial.Newcomers(9, 1, orders=1)).first_size == 1.0


def test_ladder_beats_the_hand_rule_at_equal_loss():
    for newcomers in (trial.Newcomers(), trial.Newcomers(4, 1), trial.Newcomers(5, 2)):
        made = trial.compare(newcomers, trial.HandRule(), customers=5000, seed=2)
        assert made.low > 0
        assert made.loss_ratio == pytest.approx(1, abs=0.01)
    with pytest.raises(LimitsError, match="sizes must rise"):
        trial.Newcomers(sizes=(1.0, 0.5))
    with pytest.raises(LimitsError, match="above zero"):
        trial.Newcomers(margin=0)


# ---- terms ----------------------------------------------------------------------------------------------------------
def test_discount_of_two_for_ten_net_thirty():
    """2/98 x 365/20 = 37.24 % a year; taken by all, 98 after 10 days against 100 after 30 at 6 %."""
    assert terms.annualised_cost(0.02, 10, 30) == pytest.approx(0.3724, abs=5e-5)
    taken = terms.present_value(terms.Offer(0.02, 10, 30, 1.0), 100, capital_cost=0.06)
    assert taken == pytest.approx(98 / (1 + 0.06 * 10 / 365))
    late = terms.present_value(terms.Offer(0, 0, 30, 0.0, 0.05, 0.6), 100, capital_cost=0.06)
    assert late == pytest.approx(97 / (1 + 0.06 * 30 / 365))
    with pytest.raises(LimitsError, match="longer than the discount period"):
        terms.annualised_cost(0.02, 30, 30)


def test_terms_by_grade_and_law():
    table = terms.by_grade(baseline).set_index("grade")
    assert table["value_per_100"].is_monotonic_decreasing
    assert terms.allowed_term(baseline, pd.Series(["large", "public", "small"])).tolist()[:2] == [60, 30]
    assert terms.allowed_term(baseline, pd.Series(["large"]), supplier_is_sme=False).isna().all()


def test_elasticity_is_recovered():
    """Planted: sales grow by 0.4 % per day of term, within customers of very different size."""
    rng = np.random.default_rng(1)
    who = np.repeat(np.arange(200), 6)
    days = rng.choice([30.0, 45.0, 60.0], len(who))
    sales = np.exp(rng.normal(10, 2, 200)[who] + 0.004 * days + rng.normal(0, 0.2, len(who)))
    found = terms.elasticity(pd.DataFrame({"customer_id": who, "term_days": days, "sales": sales}))
    assert found["low"] < 0.004 < found["high"]
    assert found["high"] - found["low"] < 0.003
    with pytest.raises(LimitsError, match="two different terms"):
        terms.elasticity(pd.DataFrame({"customer_id": who, "term_days": 30.0, "sales": sales}))


def test_offers_side_by_side():
    offers = {"now": terms.Offer(pays_after=60), "longer": terms.Offer(pays_after=90)}
    table = terms.compare(offers, baseline, sales=1000.0, growth={"longer": 0.1}).set_index("offer")
    assert table.loc["longer", "sales"] == pytest.approx(1100)
    assert table.loc["now", "against_first"] == 0
    assert dataclasses.asdict(offers["now"])["pays_after"] == 60


def test_records_and_command(sample, tmp_path):
    import json

    from typer.testing import CliRunner

    from credit_lab.__main__ import app
    from credit_lab.figures import granting as figures_granting
    from credit_lab.studies import granting

    day = pd.Timestamp("2025-12-31")
    made = granting.granting(sample, baseline, day, other=policies.load("data/policies/2025-tighter.toml"))
    assert len(made.review.decisions) == 300
    assert set(made.workload["policy"]) == {"2025-baseline", "2025-tighter"}
    assert len(granting.headline(made, "CNY")) == 4
    whole = portfolio_limits.together(sample, baseline, day, scenarios=500)
    assert whole.losses["profit"].iloc[1] >= whole.losses["profit"].iloc[0] - 1e-6
    assert whole.insurance["benefit"].notna().all()
    study = terms_and_discounts.terms_study(
        sample, baseline, day, discount=0.02, discount_days=10, taken=0.4, extra_days=30, growth=0
    )
    assert study.offers["against_first"].iloc[2] < 0  # longer terms without growth cost money
    for figure in (
        figures_granting.methods_chart(made.bench.limits, currency="CNY", source="s"),
        figures_granting.workload_chart(made.workload, source="s"),
        figures_granting.frontier_chart(whole.frontier, whole.losses, currency="CNY", source="s"),
    ):
        assert len(figure.axes) == 1
    result = CliRunner().invoke(app, ["limits", "--out", str(tmp_path / "l.csv"), "--json"])
    assert result.exit_code == 0, result.output
    assert len(json.loads(result.stdout)["decisions"]) == len(pd.read_csv(tmp_path / "l.csv")) == 300


def test_without_limits_nobody_is_over_one(write_ledger):
    matched = [allocation("P1", "I2", "2025-06-10", 80.0)]
    settled, paid, full = paid_in_full(day="2025-01-10", amount=10.0)
    made = book(write_ledger)
    rows = {name: made.tables[name].dropna(axis=1, how="all") for name in ("invoices", "payments", "customers")}
    made = book(
        write_ledger,
        customers=[*rows["customers"].to_dict("records"), {"customer_id": "S"}],
        invoices=[*rows["invoices"].drop(columns="kind").to_dict("records"), settled],
        payments=[*rows["payments"].to_dict("records"), paid],
        allocations=[*matched, full],
    )
    assert granting.granting(made, baseline, DAY).over["holder"].tolist() == ["C"]
    bare = dataclasses.replace(made, tables={k: v for k, v in made.tables.items() if k != "limits"})
    assert granting.granting(bare, baseline, DAY).over.empty
