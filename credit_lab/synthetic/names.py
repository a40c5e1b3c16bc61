"""Ids and made-up names. No company is meant: names are pairs of things that nobody would call a company after."""

import pandas as pd

from credit_lab.synthetic.firm import Bools, Ints

# what it is, pinyin, Chinese
_THINGS = (
    ("Zhihe", "纸鹤"),
    ("Yunzheng", "云筝"),
    ("Shuixia", "水匣"),
    ("Xingdeng", "星灯"),
    ("Mianyun", "棉云"),
    ("Tongling", "铜铃"),
    ("Liucheng", "柳橙"),
    ("Yueyu", "月屿"),
    ("Bohe", "薄荷"),
    ("Songta", "松塔"),
    ("Haidou", "海豆"),
    ("Qingwa", "青蛙"),
    ("Fengche", "风车"),
    ("Luoye", "落叶"),
    ("Chazhan", "茶盏"),
    ("Xueqiu", "雪球"),
    ("Mogu", "蘑菇"),
    ("Zhulou", "竹篓"),
    ("Yingguang", "萤光"),
    ("Shanque", "山雀"),
    ("Taoguan", "陶罐"),
    ("Wujiao", "五角"),
    ("Lantian", "篮甜"),
    ("Maque", "麻雀"),
)
TRADES = {
    "machinery": ("Machinery", "机械"),
    "food": ("Foods", "食品"),
    "textiles": ("Textile", "纺织"),
    "electronics": ("Electronics", "电子"),
    "construction": ("Building Materials", "建材"),
    "chemicals": ("Chemical", "化工"),
    "furniture": ("Furniture", "家具"),
    "logistics": ("Logistics", "物流"),
}
_FAMILY = tuple(zip("Wang Li Zhang Liu Chen Yang Zhao Huang Zhou Wu".split(), "王李张刘陈杨赵黄周吴", strict=True))  # noqa: SIM905
_GIVEN = tuple(
    zip(
        "Wenzhu Qiuhe Yubo Lingshan Haoran Jingyi Suxin Mingche Ruolan Tianyu".split(),  # noqa: SIM905
        ("文竹", "秋禾", "雨泊", "岭杉", "浩然", "静仪", "素心", "明澈", "若岚", "天屿"),
        strict=True,
    )
)


BASE = len(_THINGS) * (len(_THINGS) - 1)


def numbered(prefix: str, number: Ints, width: int) -> pd.Series:
    """Ids from numbers: C-0001; wider where the largest number needs it."""
    digits = max(width, len(str(int(number.max())))) if len(number) else width
    return prefix + pd.Series(number).astype("str").str.zfill(digits)


def companies(number: Ints, industry: pd.Series, chinese: Bools) -> pd.Series:
    """Company names, all different; from number `BASE` on a serial number is part of the name."""
    first = number % len(_THINGS)
    second = (first + 1 + (number // len(_THINGS)) % (len(_THINGS) - 1)) % len(_THINGS)
    serial = pd.Series(number // BASE + 1).astype("str").where(number >= BASE, "")
    latin, hanzi = (pd.Series(words, dtype="str") for words in zip(*_THINGS, strict=True))
    trade = industry.reset_index(drop=True)
    english = (
        latin[first].reset_index(drop=True) + " " + latin[second].reset_index(drop=True) + " " + serial
    ).str.strip()
    english = english + " " + trade.map({name: words[0] for name, words in TRADES.items()}) + " Co., Ltd."
    local = hanzi[first].reset_index(drop=True) + hanzi[second].reset_index(drop=True) + serial
    local = local + trade.map({name: words[1] for name, words in TRADES.items()}) + "有限公司"
    return english.where(~chinese, local).astype("str")


def people(number: Ints, chinese: Bools) -> pd.Series:
    """Names of persons, one of a hundred."""
    both = [(f"{family[0]} {given[0]}", family[1] + given[1]) for given in _GIVEN for family in _FAMILY]
    latin, hanzi = (pd.Series(words, dtype="str") for words in zip(*both, strict=True))
    which = number % len(both)
    return latin[which].reset_index(drop=True).where(~chinese, hanzi[which].reset_index(drop=True)).astype("str")
