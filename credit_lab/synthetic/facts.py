"""Facts about customers from several sources, with slips planted on purpose and listed in the truth."""

import numpy as np
import pandas as pd

from credit_lab.synthetic.customers import Population
from credit_lab.synthetic.firm import Firm, draws

SOURCES = ("customer", "sales", "public_registry", "credit_bureau")
_PEOPLE = ("Wang Lei", "Li Na", "Zhang Wei", "Liu Yang", "Chen Jing", "Yang Fan", "Zhao Min", "Huang Bo")
SLIPS = ("unit_slip", "ten_thousand_slip", "transposed_date", "other_name", "stale")


def facts(firm: Firm, seed: int, people: Population) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Claims per customer, attribute and source; and the planted slips.

    Returns facts, and discrepancies (customer_id, attribute, source, kind, true). Kinds: unit_slip (× 10),
    ten_thousand_slip (万 taken for 元), transposed_date (day and month swapped, or another decade), other_name, stale
    (an old figure). A name in another spelling (name_variant) is listed too, but is no discrepancy.
    """
    rng = draws(seed, "facts")
    true = _truth(rng, firm, people)
    rows = pd.concat([true.assign(source=source) for source in SOURCES], ignore_index=True)
    keep = rng.random(len(rows)) < np.where(rows["source"] == "public_registry", 0.85, 0.55)
    rows = rows[keep].reset_index(drop=True)
    age = rng.integers(20, 400, len(rows))
    rows = rows.assign(value=rows["true"], kind="", day=firm.days - age)
    chosen = rng.random(len(rows)) < 0.06
    rows = _plant(rng, rows, chosen)
    day = np.where(rows["kind"] == "stale", rows["day"] - 900, rows["day"])
    rows = rows.assign(observed_on=firm.dates(day)).sort_values(
        ["customer_id", "attribute", "source"], ignore_index=True
    )
    planted = rows[rows["kind"] != ""]
    return (
        rows[["customer_id", "attribute", "value", "source", "observed_on"]],
        planted[["customer_id", "attribute", "source", "kind", "true"]].reset_index(drop=True),
    )


def _truth(rng: np.random.Generator, firm: Firm, people: Population) -> pd.DataFrame:
    count = firm.customers
    founded = pd.Timestamp("2022-01-01") - pd.to_timedelta(rng.integers(400, 9000, count), unit="D")
    values = {
        "legal_name": people.table["name"],
        "registered_capital": pd.Series(rng.integers(5, 500, count) * 100_000).astype("str"),
        "employees": pd.Series(np.rint(people.size * 60).astype(int) + 5).astype("str"),
        "founded_on": pd.Series(founded).dt.strftime("%Y-%m-%d"),
        "legal_representative": pd.Series(np.array(_PEOPLE)[rng.integers(0, len(_PEOPLE), count)]),
    }
    parts = [
        pd.DataFrame({"customer_id": people.table["customer_id"], "attribute": name, "true": value.astype("str")})
        for name, value in values.items()
    ]
    return pd.concat(parts, ignore_index=True)


def _plant(rng: np.random.Generator, rows: pd.DataFrame, chosen: np.ndarray) -> pd.DataFrame:
    attribute, true = rows["attribute"].to_numpy(), rows["true"].to_numpy()
    value, kind = true.astype(object).copy(), np.full(len(rows), "", dtype=object)
    which = rng.integers(0, 3, len(rows))
    for row in np.flatnonzero(chosen):
        if attribute[row] in ("registered_capital", "employees"):
            kind[row] = ("unit_slip", "ten_thousand_slip", "stale")[which[row]]
            factor = {"unit_slip": 10, "ten_thousand_slip": 10_000}.get(kind[row])
            value[row] = str(int(true[row]) * factor) if factor else str(round(int(true[row]) * 0.6))
        elif attribute[row] == "founded_on":
            year, month, day = true[row].split("-")
            kind[row] = "transposed_date"
            swapped = month != day and int(day) <= 12
            value[row] = f"{year}-{day}-{month}" if swapped else f"{int(year) - 9}-{month}-{day}"
        elif attribute[row] == "legal_name":
            kind[row] = "other_name" if which[row] == 0 else "name_variant"
            other = "Holding " + true[row] if true[row].isascii() else "新" + true[row]
            variant = true[row].replace(" Co., Ltd.", " CO LTD").replace("有限公司", "有限责任公司")
            value[row] = other if which[row] == 0 else variant
        else:
            kind[row] = "other_name"
            value[row] = _PEOPLE[(_PEOPLE.index(true[row]) + 1 + which[row]) % len(_PEOPLE)]
    return rows.assign(value=pd.Series(value, dtype="str"), kind=pd.Series(kind, dtype="str"))
