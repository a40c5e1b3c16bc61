"""Claims about customers by several sources, with slips planted on purpose and listed in the truth.

A slip is planted only where at least three sources speak about the same attribute, and in one of them only, so that
the others can convict it. Counts and turnover differ by up to 1.5 % between sources without being wrong.
"""

import numpy as np
import pandas as pd

from credit_lab.synthetic.chance import Chance
from credit_lab.synthetic.customers import NEVER, Population
from credit_lab.synthetic.documents import pick
from credit_lab.synthetic.firm import Firm, Ints
from credit_lab.synthetic.names import BASE, companies
from credit_lab.synthetic.names import people as persons

# share of customers about whom a source (columns) makes a claim
SOURCES = ("customer", "sales", "public_registry", "credit_bureau")
COVERAGE = {
    "legal_name": (0.9, 0.7, 0.95, 0.7),
    "registration_number": (0.8, 0.0, 0.95, 0.6),
    "registered_capital": (0.75, 0.0, 0.95, 0.6),
    "founded_on": (0.75, 0.0, 0.95, 0.6),
    "legal_representative": (0.75, 0.3, 0.95, 0.5),
    "employees": (0.7, 0.45, 0.0, 0.55),
    "annual_sales": (0.7, 0.45, 0.0, 0.55),
}
# share of the pairs of customer and attribute with enough sources that get a slip (dates only where one can be made)
PLANTED = {
    "legal_name": 0.14,
    "registered_capital": 0.2,
    "founded_on": 0.25,
    "legal_representative": 0.05,
    "employees": 0.2,
    "annual_sales": 0.2,
}
_NUMBERS = ("registered_capital", "employees", "annual_sales")


def facts(firm: Firm, chance: Chance, people: Population) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Claims, and the planted slips.

    Kinds of slips: slip_10 and slip_10000 (a number too large by that factor; 万 taken for 元), transposed_date (day
    and month changed places), different_name, stale (an old value observed long ago). name_variant is another spelling
    of the same name and no discrepancy; it is listed with is_discrepancy False.
    """
    claims = _claims(firm, chance, people)
    planted = _planted(chance, claims)
    claims = claims.assign(kind=planted, claimed=claims["value"], true_value=claims["true"])
    rows = claims[claims["kind"] != ""]
    said = [
        _slip(kind, attribute, true, who, turn)
        for kind, attribute, true, who, turn in zip(
            rows["kind"], rows["attribute"], rows["true"], rows["customer"], rows["cell"], strict=True
        )
    ]
    claims.loc[rows.index, "claimed"] = pd.Series(said, index=rows.index, dtype="str")
    day = np.where(claims["kind"] == "stale", claims["day"] - 1100, claims["day"])
    claims = claims.assign(observed_on=firm.dates(day), value=claims["claimed"])
    events = _register_events(firm, chance, people)
    table = pd.concat([claims, events], ignore_index=True)
    table = table[["customer_id", "attribute", "value", "source", "observed_on"]]
    table = table.sort_values(["customer_id", "attribute", "source", "observed_on"], ignore_index=True)
    slips = claims[claims["kind"] != ""].assign(is_discrepancy=lambda frame: frame["kind"] != "name_variant")
    names = ["customer_id", "attribute", "source", "observed_on", "claimed", "true_value", "kind", "is_discrepancy"]
    return table, slips[names].reset_index(drop=True)


def _true_values(firm: Firm, chance: Chance, people: Population) -> dict[str, pd.Series]:
    key = np.arange(firm.population)
    known = np.minimum(people.onboarded, 0)
    founded = firm.dates(known - chance.integers("founded", key, 300, 8000))
    number = pd.Series(chance.integers("register number", key, 10**11, 10**12 - 1)).astype("str")
    capital = np.rint(np.exp(np.log(people.size + 0.1) + 0.4 * chance.normal("capital", key)) * 40) * 100_000 + 500_000
    staff = np.rint(people.size * 45 * np.exp(0.4 * chance.normal("staff", key))) + 4
    turnover = firm.demand.mean_order * people.size * people.frequency * 144
    turnover = np.rint(turnover * np.exp(0.6 * chance.normal("own sales", key)) / 10_000) * 10_000 + 500_000
    return {
        "legal_name": people.table["name"],
        "registration_number": "X" + number,
        "registered_capital": pd.Series(capital.astype(np.int64)).astype("str"),
        "founded_on": founded.dt.strftime("%Y-%m-%d"),
        "legal_representative": persons(chance.integers("representative", key, 0, 99), people.chinese),
        "employees": pd.Series(staff.astype(np.int64)).astype("str"),
        "annual_sales": pd.Series(turnover.astype(np.int64)).astype("str"),
    }


def _claims(firm: Firm, chance: Chance, people: Population) -> pd.DataFrame:
    """What every source says when nothing goes wrong; `cell` numbers the pairs of customer and attribute."""
    true, parts = _true_values(firm, chance, people), []
    key = np.arange(firm.population)
    for number, (attribute, shares) in enumerate(COVERAGE.items()):
        for which, share in enumerate(shares):
            cell = key * len(COVERAGE) + number
            who = key[chance.uniform("claim", cell, which) < share]
            value = pick(true[attribute], who)
            if attribute in ("employees", "annual_sales"):
                blur = 1 + 0.015 * (2 * chance.uniform("blur", cell[who], which) - 1)
                value = pd.Series(np.rint(value.astype("int64") * blur).astype(np.int64)).astype("str")
            day = firm.days - chance.integers("observed", who, 15, 380, counter=number * 8 + which)
            parts.append(
                pd.DataFrame(
                    {
                        "customer_id": pick(people.table["customer_id"], who),
                        "customer": who,
                        "cell": cell[who],
                        "attribute": attribute,
                        "source": SOURCES[which],
                        "day": day,
                        "value": value,
                        "true": pick(true[attribute], who),
                    }
                )
            )
    claims = pd.concat(parts, ignore_index=True)
    met = claims["day"] > people.onboarded[claims["customer"]]
    return claims[met].sort_values(["cell", "source"], kind="stable", ignore_index=True)


def _planted(chance: Chance, claims: pd.DataFrame) -> pd.Series:
    """Kind of slip per claim ("" for none): at most one per pair of customer and attribute."""
    several = claims.groupby("cell")["source"].transform("size") >= 3
    place = claims.groupby("cell").cumcount()
    size = claims.groupby("cell")["source"].transform("size")
    cell = claims["cell"].to_numpy()
    chosen = place == np.floor(chance.uniform("slip place", cell) * size).astype(np.int64)
    attribute, true = claims["attribute"], claims["true"]
    chosen &= several & (chance.uniform("slip", cell) < attribute.map(PLANTED).fillna(0.0))
    turn = chance.integers("slip kind", cell, 0, 2)
    number = np.array(["slip_10", "slip_10000", "stale"])[turn]
    name = np.array(["name_variant", "name_variant", "different_name"])[turn]
    date = true.where(attribute == "founded_on", "2000-01-01")
    swaps = (date.str[8:].astype("int64") <= 12) & (date.str[8:] != date.str[5:7])
    kind = np.select(
        [attribute.isin(_NUMBERS), attribute == "legal_name", attribute == "legal_representative", swaps],
        [number, name, "different_name", "transposed_date"],
        "",
    )
    return pd.Series(kind, dtype="str").where(chosen, "")


def _slip(kind: str, attribute: str, true: str, who: int, turn: int) -> str:
    if kind in ("slip_10", "slip_10000"):
        return str(int(true) * int(kind.removeprefix("slip_")))
    if kind == "stale":
        return str(max(1, round(int(true) * (0.45 + 0.2 * (turn % 2)))))
    if kind == "transposed_date":
        year, month, day = true.split("-")
        return f"{year}-{day}-{month}"
    if kind == "name_variant":
        return _variant(true, turn % 3)
    chinese = np.array([not true.isascii()])
    if attribute == "legal_representative":
        start = int(who) % 89
        other = (str(persons(np.array([start + step]), chinese)[0]) for step in range(12))
    else:
        number = (int(who) * 229 + 311) % BASE
        industry = pd.Series(["food", "logistics"])
        other = (str(companies(np.array([number]), industry[[step]], chinese)[0]) for step in range(2))
    return next(name for name in other if name != true)


def _variant(name: str, turn: int) -> str:
    """The same name in another spelling: legal form, case, spacing."""
    if name.isascii():
        plain = name.removesuffix(" Co., Ltd.")
        return (f"{plain.upper()} CO LTD", f"{plain} Company Limited", f"{plain}  Co.,Ltd")[turn]
    plain = name.removesuffix("有限公司")
    return (f"{plain}有限责任公司", f"{plain} 有限公司", f"{plain}有限公司（本部）")[turn]


def _register_events(firm: Firm, chance: Chance, people: Population) -> pd.DataFrame:
    """Bad news in the public register: judgement debtors and abnormal operation, mostly ahead of a default."""
    key = np.arange(firm.population)
    parts = []
    for number, (attribute, share, false_share) in enumerate(
        (("judgement_debtor", 0.55, 0.012), ("abnormal_operation", 0.4, 0.02))
    ):
        failed = people.default < NEVER
        real = failed & (chance.uniform("news", key, number) < share)
        false = ~failed & (chance.uniform("news", key, number) < false_share)
        ahead = people.default - chance.integers("news lead", key, 15, 200, counter=number)
        anytime = chance.integers("news day", key, 30, max(31, firm.days - 1), counter=number)
        day: Ints = np.where(real, ahead, anytime)
        who = np.flatnonzero((real | false) & (day >= 0) & (day < firm.days))
        parts.append(
            pd.DataFrame(
                {
                    "customer_id": pick(people.table["customer_id"], who),
                    "attribute": attribute,
                    "value": "listed",
                    "source": "public_registry",
                    "observed_on": firm.dates(day[who]),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def register_export(facts_table: pd.DataFrame) -> pd.DataFrame:
    """The public register's claims as such registers export them: one row per company, Chinese column names.

    Columns 客户编号, 企业名称, 统一社会信用代码, 法定代表人, 注册资本(万元), 成立日期, 列入经营异常名录日期 (abnormal
    operation), 被执行人日期 (judgement debtor); all text, empty where the register says nothing.
    """
    claims = facts_table[facts_table["source"] == "public_registry"].sort_values("observed_on", kind="stable")
    claims = claims.drop_duplicates(["customer_id", "attribute"], keep="last")
    dates = claims["observed_on"].dt.strftime("%Y-%m-%d")
    event = claims["attribute"].isin(["judgement_debtor", "abnormal_operation"])
    wide = claims.assign(value=claims["value"].where(~event, dates))
    wide = wide.set_index(["customer_id", "attribute"])["value"].unstack().reset_index()  # noqa: PD010
    names = {
        "customer_id": "客户编号",
        "legal_name": "企业名称",
        "registration_number": "统一社会信用代码",
        "legal_representative": "法定代表人",
        "registered_capital": "注册资本(万元)",
        "founded_on": "成立日期",
        "abnormal_operation": "列入经营异常名录日期",
        "judgement_debtor": "被执行人日期",
    }
    wide = wide.reindex(columns=list(names)).astype("str").rename(columns=names)
    capital = wide["注册资本(万元)"].astype("float64") / 10_000
    return wide.assign(**{"注册资本(万元)": capital.map("{:.10g}".format).astype("str").where(capital.notna())})
