"""The sentence of a verdict, in English and Chinese. Ten branches, each with a golden text in the tests."""

import math

from credit_lab.backtest.claims import CONTRADICTED, OPEN, SUPPORTED, Verdict
from credit_lab.backtest.effects import DesignError

_ENGLISH = {
    (SUPPORTED, "inside"): "{head} is supported: the estimated change of {value} ({interval}) lies inside the claimed "
    "band {band}.",
    (SUPPORTED, "reached"): "{head} is supported: the estimated change of {value} ({interval}) reaches at least the "
    "near edge of the claimed band {band}.",
    (CONTRADICTED, "opposite"): "{head} is contradicted: {name} went the other way, {value} ({interval}).",
    (CONTRADICTED, "smaller"): "{head} is contradicted: the estimated change of {value} ({interval}) falls short of "
    "the claimed band {band}.",
    (CONTRADICTED, "larger"): "{head} is contradicted as stated: the estimated change of {value} ({interval}) is "
    "larger than the claimed band {band}.",
    (OPEN, "no effect possible"): "{head} is not distinguishable: the estimated change of {value} ({interval}) is "
    "compatible both with no effect and with the claimed band {band}. {least} {more}",
    (OPEN, "size open"): "{head} is not distinguishable: there is a change, {value} ({interval}), but it cannot yet "
    "be said whether it lies in the claimed band {band}. {more}",
    (OPEN, "no interval"): "{head} is not distinguishable: the estimated change is {value}, but the data give no "
    "interval.",
}
_CHINESE = {
    (SUPPORTED, "inside"): "{head}得到支持:估计变化为{value}({interval}),落在所称区间{band}之内。",
    (SUPPORTED, "reached"): "{head}得到支持:估计变化为{value}({interval}),至少达到所称区间{band}的近端。",
    (CONTRADICTED, "opposite"): "{head}被否定:{name}的变化方向相反,为{value}({interval})。",
    (CONTRADICTED, "smaller"): "{head}被否定:估计变化为{value}({interval}),未达到所称区间{band}。",
    (CONTRADICTED, "larger"): "{head}按原表述被否定:估计变化为{value}({interval}),超出所称区间{band}。",
    (OPEN, "no effect possible"): "{head}无法区分:估计变化为{value}({interval}),既与没有效果相容,也与所称区间{band}"
    "相容。{least}{more}",
    (OPEN, "size open"): "{head}无法区分:变化确实存在,为{value}({interval}),但尚不能判断是否落在所称区间{band}之内。"
    "{more}",
    (OPEN, "no interval"): "{head}无法区分:估计变化为{value},但数据无法给出区间。",
}
_UNITS_EN = {"months_after": "months after the policy", "clusters": "customer groups", "rows": "observations"}
_UNITS_ZH = {"months_after": "政策后{0:,.0f}个月", "clusters": "{0:,.0f}个客户集团", "rows": "{0:,.0f}个观测"}


def sentence(said: Verdict, language: str = "en") -> str:
    """One or two plain sentences on a verdict; language "en" or "zh".

    Raises
    ------
    DesignError
        Any other language.
    """
    if language not in ("en", "zh"):
        raise DesignError(f"claims: language {language!r} is not known; choose en or zh")
    english = language == "en"
    claim, effect = said.claim, said.effect
    low, high = claim.band
    name = claim.name_en if english else claim.name_zh
    window = f"{claim.from_month}-{claim.to_month}"
    level = f"{effect.level:.0%}"
    # The record holds the larger side of the log scale; a cut can never be more than everything.
    missed = effect.minimum_detectable
    if effect.link == "log" and claim.direction == "down":
        missed = missed / (1 + missed)
    words = {
        "name": name,
        "value": _percent(effect.estimate),
        "band": f"{_percent(low)} to {_percent(high)}" if english else f"{_percent(low)}至{_percent(high)}",
        "interval": f"{level} interval {_percent(effect.low)} to {_percent(effect.high)}"
        if english
        else f"{level}区间{_percent(effect.low)}至{_percent(effect.high)}",
        "head": f"The claim on {name} within {window} months" if english else f"关于{name}在{window}个月内变化的说法",
        "least": f"Changes smaller than {missed:.0%} would usually be missed."
        if english
        else f"小于{missed:.0%}的变化通常无法发现。",
        "more": _more(said, english),
    }
    text = (_ENGLISH if english else _CHINESE)[(said.word, said.reason)]
    return text.format(**words).strip()


def _more(said: Verdict, english: bool) -> str:
    if math.isnan(said.needed):
        return ""
    if math.isinf(said.needed) and said.needed_of != "months_after":
        return (
            f"With this design no number of {_UNITS_EN[said.needed_of]} we can foresee decides it."
            if english
            else "按此设计,可预见的样本量都无法得出结论。"
        )
    if math.isinf(said.needed):
        return (
            "With this design no amount of waiting we can foresee decides it; a randomised trial would."
            if english
            else "按此设计,可预见的等待都无法得出结论;需做随机对照试验。"
        )
    if english:
        return f"To decide it, about {said.needed:,.0f} {_UNITS_EN[said.needed_of]} are needed."
    return f"要得出结论,约需{_UNITS_ZH[said.needed_of].format(said.needed)}。"


def _percent(value: float) -> str:
    return f"{value * 100:+.1f} %"
