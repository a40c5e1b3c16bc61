from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from credit_lab.backtest import claims, claims_text, effects
from credit_lab.backtest.effects import DesignError, Inference

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = Path(__file__).parent / "golden"
BOOK = claims.load_claims(ROOT / "data/claims/process_guide.toml")


def effect(size, error, *, unit="relative", critical=1.959964, precision=None, link="log"):
    """An effect of `size` with a standard error of `error` on the log scale."""
    value = np.log1p(size) if link == "log" else size
    table = precision if precision is not None else [("months_after", 6, error), ("months_after", 24, error / 2)]
    return effects.make(
        "its.hac",
        "ar_turnover",
        Inference(value, error, critical, link=link, unit=unit),
        series=pd.DataFrame({"period": []}),
        assumptions=[("a", "b", None, "c")],
        diagnostics=[],
        precision=pd.DataFrame(table, columns=["needed_of", "count", "std_error"]),
    )


NO_INTERVAL = effect(0.17, 0.01, critical=float("nan"))
CASES = {
    "supported_inside": ("receivables_turnover", "within", effect(0.175, 0.008)),
    "supported_reached": ("receivables_turnover", "at_least", effect(0.30, 0.03)),
    "contradicted_opposite": ("receivables_turnover", "within", effect(-0.08, 0.02)),
    "contradicted_smaller": ("bad_debt_rate", "within", effect(-0.05, 0.04)),
    "contradicted_larger": ("bad_debt_rate", "within", effect(-0.80, 0.2)),
    "open_no_effect_possible": ("bad_debt_rate", "within", effect(-0.25, 0.3)),
    "open_size_open": (
        "receivables_turnover",
        "within",
        effect(0.16, 0.02, precision=[("months_after", 6, 0.02), ("months_after", 96, 0.005)]),
    ),
    "open_no_waiting_helps": (
        "receivables_turnover",
        "within",
        effect(0.16, 0.02, precision=[("months_after", 6, 0.02), ("months_after", 240, 0.015)]),
    ),
    "open_groups_needed": (
        "bad_debt_rate",
        "within",
        effect(-0.35, 0.3, precision=[("clusters", 10_000, 0.3), ("clusters", 1_000_000, 0.03)]),
    ),
    "open_no_groups_help": (
        "bad_debt_rate",
        "within",
        effect(-0.35, 0.3, precision=[("clusters", 10_000, 0.3), ("clusters", 20_000, 0.2)]),
    ),
    "open_no_interval": ("receivables_turnover", "within", NO_INTERVAL),
}


def said(case):
    name, reading, found = CASES[case]
    claim = claims.Claim(**{**BOOK[name].__dict__, "reading": reading})
    return claims.verdict(found, claim)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_sentences_are_the_golden_ones(case, language):
    golden = (GOLDEN / f"claims_{case}_{language}.txt").read_text(encoding="utf-8")
    assert claims_text.sentence(said(case), language) + "\n" == golden


def test_every_branch_has_a_golden_sentence():
    assert {(said(c).word, said(c).reason) for c in CASES} == set(claims_text._ENGLISH) == set(claims_text._CHINESE)


def test_the_two_shipped_claims():
    turnover, debt = BOOK["receivables_turnover"], BOOK["bad_debt_rate"]
    assert (turnover.band, turnover.near, turnover.from_month, turnover.to_month) == ((0.15, 0.20), 0.15, 3, 6)
    assert (debt.band, debt.near, debt.from_month, debt.to_month) == ((-0.50, -0.30), -0.30, 6, 12)


def test_supported_is_two_one_sided_tests_worked_by_hand():
    # log 1.175 = .16127, log 1.15 = .13976, log 1.20 = .18232. Error .008: z = 2.689 and 2.632, p = .0036 and .0042.
    verdict = claims.verdict(effect(0.175, 0.008), BOOK["receivables_turnover"])
    assert verdict.word == "supported"
    assert verdict.p_near == pytest.approx(0.0036, abs=1e-4)
    assert verdict.p_equivalence == pytest.approx(0.0042, abs=1e-4)
    # Error .0150: z = 1.434, p = .076: no longer.
    assert claims.verdict(effect(0.175, 0.015), BOOK["receivables_turnover"]).word == "not distinguishable"


def test_supported_says_the_same_as_the_ninety_percent_interval():
    for size in np.linspace(0.1, 0.25, 16):
        for error in (0.002, 0.006, 0.012, 0.02):
            verdict = claims.verdict(effect(size, error), BOOK["receivables_turnover"])
            assert (verdict.word == "supported") == (verdict.low > 0.15 and verdict.high < 0.20)


def test_needed_data_worked_by_hand():
    # Half band on the log scale (log 1.2 - log 1.15) / 2 = .021280; z.95 + z.90 = 2.92641: error aimed at .0072716.
    # Error .02 at 6 months falling as 1 / sqrt(n): 6 (.02 / .0072716)^2 = 45.4 months.
    table = [("months_after", n, 0.02 * np.sqrt(6 / n)) for n in (6, 12, 24, 48, 96)]
    name, needed = claims.data_needed(effect(0.16, 0.02, precision=table), BOOK["receivables_turnover"])
    assert (name, needed) == ("months_after", 46)
    # A wider critical value asks for more: (2.5 / 1.96)^2 as much.
    wide = effect(0.16, 0.02, critical=2.5, precision=[("months_after", n, 0.02 * np.sqrt(6 / n)) for n in (6, 600)])
    assert claims.data_needed(wide, BOOK["receivables_turnover"])[1] == pytest.approx(46 * (2.5 / 1.96) ** 2, abs=2)


def test_no_effect_is_rarely_supported():
    rng = np.random.default_rng(0)
    words = [
        claims.verdict(effect(np.expm1(rng.normal(0, e)), e), BOOK[name]).word
        for e in (0.005, 0.05, 0.1, 0.3)
        for name in BOOK
        for _ in range(250)
    ]
    assert (pd.Series(words) == "supported").mean() <= 0.05


def test_the_edge_of_the_band_is_supported_in_at_most_five_percent():
    rng = np.random.default_rng(1)
    edge = np.log(1.15)
    words = [
        claims.verdict(effect(np.expm1(rng.normal(edge, 0.005)), 0.005), BOOK["receivables_turnover"]).word
        for _ in range(2000)
    ]
    assert (pd.Series(words) == "supported").mean() == pytest.approx(0.05, abs=0.015)


def test_an_absolute_effect_is_refused():
    with pytest.raises(DesignError, match="absolute effect"):
        claims.verdict(effect(3.0, 1.0, unit="absolute", link="identity"), BOOK["bad_debt_rate"])


def test_time_to_effect_reads_the_event_study():
    months = pd.date_range("2024-01-31", periods=6, freq="ME")
    series = pd.DataFrame(
        {
            "period": months,
            "effect": [0.02, 0.08, 0.16, 0.17, 0.18, 0.17],
            "low": [-0.03, 0.01, -0.01, 0.12, 0.16, 0.155],
            "high": [0.07, 0.15, 0.3, 0.22, 0.195, 0.19],
        }
    )
    found = effect(0.17, 0.01)
    found = effects.Effect(**{**found.__dict__, "series": series})
    when = claims.time_to_effect(found, BOOK["receivables_turnover"]).set_index("event")["months_after"]
    # Month 2 leaves zero but month 3 does not: the first two in a row are 4 and 5.
    assert when.to_dict() == {"leaves_zero": 4.0, "estimate_in_band": 3.0, "interval_in_band": 5.0}
    roll_out = series.assign(period=[-2, -1, 0, 1, 2, 3])
    found = effects.Effect(**{**found.__dict__, "series": roll_out})
    assert claims.time_to_effect(found, BOOK["receivables_turnover"])["months_after"].tolist() == [2.0, 1.0, 3.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ('direction = "sideways"', "not up or down"),
        ("least = 30\nmost = 50", "fractions not percent"),
        ("least = 0.5\nmost = 0.3", "0 < least < most"),
        ("from_month = 9\nto_month = 6", "from_month <= to_month"),
        ('readng = "within"', "did you mean 'reading'"),
        ('reading = "roughly"', "not within or at_least"),
    ],
)
def test_a_bad_claim_file_is_refused_with_the_place(tmp_path, change, message):
    keys = {"metric": '"m"', "direction": '"down"', "least": "0.3", "most": "0.5", "from_month": "6", "to_month": "12"}
    for line in change.splitlines():
        key, value = line.split(" = ")
        keys[key] = value
    path = tmp_path / "claims.toml"
    path.write_text("[claim.x]\n" + "\n".join(f"{k} = {v}" for k, v in keys.items()), encoding="utf-8")
    with pytest.raises(DesignError, match=r"claim\.x") as caught:
        claims.load_claims(path)
    assert message in str(caught.value)


def test_missing_keys_and_an_empty_file_are_refused(tmp_path):
    path = tmp_path / "claims.toml"
    path.write_text("", encoding="utf-8")
    with pytest.raises(DesignError, match="no \\[claim"):
        claims.load_claims(path)
    path.write_text('[claim.x]\nmetric = "m"', encoding="utf-8")
    with pytest.raises(DesignError, match="direction, least, most"):
        claims.load_claims(path)


def test_an_unknown_language_is_refused():
    with pytest.raises(DesignError, match="en or zh"):
        claims_text.sentence(said("supported_inside"), "fr")
