"""Few defaults: published bounds, Firth's regression by hand, expert cards that give way to data."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from credit_lab.errors import CreditLabError
from credit_lab.scoring import low_default

# Pluto, K. & Tasche, D. (2005): 100, 400 and 300 customers in grades A, B, C. Bounds in percent by confidence.
LEVELS = [0.5, 0.75, 0.9, 0.95, 0.99, 0.999]
NONE = {
    "A": [0.09, 0.17, 0.29, 0.37, 0.57, 0.86],
    "B": [0.10, 0.20, 0.33, 0.43, 0.66, 0.98],
    "C": [0.23, 0.46, 0.76, 0.99, 1.52, 2.28],
}
# no defaults, asset correlation .12
CORRELATED = {"A": [0.15, 0.40, 0.86, 1.31, 2.65, 5.29], "C": [0.37, 0.92, 1.89, 2.78, 5.30, 9.84]}


@pytest.mark.parametrize(("correlation", "expected", "tolerance"), [(0.0, NONE, 0.0051), (0.12, CORRELATED, 0.011)])
def test_pluto_and_tasche(correlation, expected, tolerance):
    for j, level in enumerate(LEVELS):
        found = low_default.pluto_tasche([100, 400, 300], [0, 0, 0], confidence=level, correlation=correlation)
        for grade, bound in zip("ABC", found, strict=True):
            if grade in expected:
                assert 100 * bound == pytest.approx(expected[grade][j], abs=tolerance), (grade, level)


@pytest.mark.parametrize("level", LEVELS)
def test_bounds_with_defaults_are_clopper_pearson(level):
    """Independent customers: the upper limit of d defaults among n is the beta quantile (d + 1, n - d).

    Two defaults in B and one in C: A sees 3 of 800, B 3 of 700, C 1 of 300. The median bound of A is .46 %.
    """
    found = low_default.pluto_tasche([100, 400, 300], [0, 2, 1], confidence=level)
    expected = [stats.beta.ppf(level, d + 1, n - d) for d, n in ((3, 800), (3, 700), (1, 300))]
    assert found == pytest.approx(expected, abs=1e-9)


def test_pluto_and_tasche_refuses():
    with pytest.raises(CreditLabError, match="events between 0 and the rows"):
        low_default.pluto_tasche([10], [11])
    with pytest.raises(CreditLabError, match="between 0 and 1"):
        low_default.pluto_tasche([10], [1], confidence=1.0)
    assert low_default.pluto_tasche([10], [10]).tolist() == [1.0]


def test_firth_adds_half_a_row_to_each_cell():
    """For one binary column Firth's estimate is the log odds ratio of the table with 1/2 added to every cell.

    Events 0 of 20 without the sign, 3 of 10 with it (separated): ln((3.5/7.5) / (.5/20.5)) = 2.951437.
    """
    woe = pd.DataFrame({"sign": np.repeat([0.0, 1.0], [20, 10])})
    y = [0] * 20 + [1] * 3 + [0] * 7
    table = low_default.firth(woe, y).set_index("term")
    assert table.loc["sign", "coefficient"] == pytest.approx(np.log(3.5 / 7.5 / (0.5 / 20.5)), abs=1e-7)
    assert table.loc["(intercept)", "coefficient"] == pytest.approx(np.log(0.5 / 20.5), abs=1e-7)
    assert 0.001 < table.loc["sign", "p_value"] < 0.05
    with pytest.raises(CreditLabError, match="copies"):
        low_default.firth(woe.assign(again=woe["sign"]), y)


def test_firth_is_less_biased_than_maximum_likelihood():
    """True slope -1 with 60 rows: the mean of 300 estimates lies closer to it than that of plain likelihood."""
    import statsmodels.api as sm

    rng, found = np.random.default_rng(5), []
    for _ in range(300):
        x = rng.normal(size=60)
        y = (rng.random(60) < 1 / (1 + np.exp(1.5 + x))).astype(int)
        try:
            plain = sm.Logit(y, sm.add_constant(x)).fit(disp=0).params[1]
        except Exception:  # separated sample: likelihood has no maximum
            continue
        found.append((plain, low_default.firth(pd.DataFrame({"x": x}), y)["coefficient"].iloc[1]))
    plain, firth = np.array(found).mean(axis=0)
    assert abs(firth + 1) < abs(plain + 1) / 2


def test_expert_card_gives_way_to_data():
    rng = np.random.default_rng(6)
    woe = pd.DataFrame({"x": rng.normal(size=20_000)})
    y = (rng.random(20_000) < 1 / (1 + np.exp(3 + 0.4 * woe["x"]))).astype(int)
    few = low_default.pooled(woe.head(80).assign(), np.append(y[:79], 1), {"x": -1.0}).set_index("term")
    many = low_default.pooled(woe, y, {"x": -1.0}).set_index("term")
    assert few.loc["x", "coefficient"] == pytest.approx(-1.0, abs=0.35)
    assert many.loc["x", "coefficient"] == pytest.approx(-0.4, abs=0.1)
    assert few.loc["x", "data_share"] < 0.6 < 0.95 < many.loc["x", "data_share"]
    with pytest.raises(CreditLabError, match="no expert weight for 'x'"):
        low_default.pooled(woe, y, {})


def test_what_the_data_carry():
    said = [low_default.carries(events, 1000, 5) for events in (200, 30, 6, 2)]
    assert said == ["model", "penalised", "pooled", "bounds"]
    assert low_default.carries(995, 1000, 1) == "penalised"  # the rarer class counts
