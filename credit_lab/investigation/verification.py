"""Cross verification (交叉验证): several sources about one attribute, one verdict, one best value, the odd ones out.

Of each source the latest claim up to the day counts. Claims that agree form a camp; the camp with most trust behind it
wins, where a stale claim brings a tenth of its trust. Claims outside the winning camp are discrepancies, with a guess
at the slip behind them.
"""

from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from rapidfuzz import fuzz

from credit_lab.errors import CreditLabError, nearest
from credit_lab.investigation.matching import clean_name
from credit_lab.periods import takes_days
from credit_lab.policy import Policy
from credit_lab.policy.evidence import Attribute

STALE_TRUST = 0.1  # a stale claim still says something, but less than any fresh one
_COLUMNS = ["customer_id", "attribute", "value", "source", "observed_on"]


@dataclass(frozen=True)
class Verification:
    """Verdicts as of a day.

    Attributes
    ----------
    verdicts : customer_id, attribute, verdict (agrees, differs, single source, stale), best_value, sources (number),
        trust (share of all trust behind the best value), observed_on (newest claim of the winning camp)
    discrepancies : customer_id, at_stake (money), attribute, slip (slip_10, slip_10000 and other powers,
        transposed_date, stale, different_name, differs), source, claimed, best_value, best_source, observed_on; most
        money first
    claims : the claims that counted, with `agrees` (with the best value) and `stale`
    """

    verdicts: pd.DataFrame
    discrepancies: pd.DataFrame
    claims: pd.DataFrame


def latest_claims(facts: pd.DataFrame, policy: Policy, as_of: pd.Timestamp) -> pd.DataFrame:
    """The latest claim of each source per customer and attribute up to `as_of`, with `stale` and `trust`.

    Raises
    ------
    CreditLabError
        An attribute or a source the policy does not know.
    """
    for column, known in (
        ("attribute", [one.attribute for one in policy.investigation.attributes]),
        ("source", [one.source for one in policy.investigation.sources]),
    ):
        strange = sorted(set(facts[column]) - set(known))
        if strange:
            rows = int((facts[column] == strange[0]).sum())
            raise CreditLabError(
                f"facts: unknown {column} {strange[0]!r} in {rows} rows; {nearest(strange[0], known)}; correct it, or "
                f"add it to investigation.{column}s of policy {policy.meta.id}"
            )
    rows = facts.loc[facts["observed_on"] <= as_of, _COLUMNS].sort_values("observed_on", kind="stable")
    rows = rows.drop_duplicates(["customer_id", "attribute", "source"], keep="last")
    months = (
        rows["attribute"]
        .map({one.attribute: one.review_months for one in policy.investigation.attributes})
        .astype("float64")
    )
    age = (as_of - rows["observed_on"]).dt.days
    trust = rows["source"].map({one.source: one.trust for one in policy.investigation.sources}).astype("float64")
    rows = rows.assign(age_days=age, review_months=months, stale=age > months * 30.4375, trust=trust)
    return rows.sort_values(["customer_id", "attribute", "source"], ignore_index=True)


@takes_days
def verify(
    facts: pd.DataFrame, policy: Policy, as_of: pd.Timestamp, *, at_stake: pd.Series | None = None
) -> Verification:
    """Verify all claims known on `as_of`.

    Parameters
    ----------
    facts : customer_id, attribute, value, source, observed_on
    at_stake : money by customer_id, for the ranking of discrepancies

    Raises
    ------
    CreditLabError
        Attribute or source unknown to the policy.
    """
    claims = latest_claims(facts, policy, as_of)
    kinds = {one.attribute: one for one in policy.investigation.attributes}
    claims = claims[claims["attribute"].map(lambda name: kinds[name].kind != "event").astype(bool)]
    claims = claims.reset_index(drop=True)
    alike = 100 * policy.investigation.name_similarity
    agrees, verdicts = np.zeros(len(claims), dtype=bool), []
    columns = {name: claims[name].tolist() for name in ("value", "source", "trust", "stale", "observed_on")}
    starts = np.flatnonzero(~claims.duplicated(["customer_id", "attribute"]).to_numpy())
    for start, stop in pairwise([*starts.tolist(), len(claims)]):
        part = {name: values[start:stop] for name, values in columns.items()}
        who, attribute = claims["customer_id"].iloc[start], claims["attribute"].iloc[start]
        verdict, agrees[start:stop] = _verdict(part, kinds[attribute], alike)
        verdicts.append({"customer_id": who, "attribute": attribute, **verdict})
    names = ["customer_id", "attribute", "verdict", "best_value", "best_source", "sources", "trust", "observed_on"]
    table = pd.DataFrame(verdicts, columns=names)
    claims = claims.assign(agrees=agrees)
    return Verification(table, _discrepancies(claims, table, kinds, at_stake), claims)


def _verdict(part: dict[str, list[Any]], attribute: Attribute, alike: float) -> tuple[dict[str, Any], Any]:
    """Verdict on one attribute of one customer, and which claims are in the winning camp."""
    stale = np.array(part["stale"])
    weight = np.array(part["trust"]) * np.where(stale, STALE_TRUST, 1.0)
    values = [_typed(value, attribute.kind) for value in part["value"]]
    camps = np.array([[_same(a, b, attribute, alike) for b in values] for a in values])
    best = int(np.lexsort((-weight, -(camps @ weight).round(9)))[0])
    winners = camps[best]
    if stale.all():
        verdict = "stale"
    elif len(values) == 1:
        verdict = "single source"
    else:
        verdict = "agrees" if winners.all() else "differs"
    return {
        "verdict": verdict,
        "best_value": _best(part["value"], values, weight, winners, best, attribute.kind),
        "best_source": part["source"][best],
        "sources": len(values),
        "trust": float(weight[winners].sum() / weight.sum()) if weight.sum() > 0 else np.nan,
        "observed_on": max(day for day, inside in zip(part["observed_on"], winners, strict=True) if inside),
    }, winners


def _best(texts: list[str], values: list[Any], weight: Any, winners: Any, best: int, kind: str) -> str:
    """Numbers: the trust-weighted mean of the winning camp; anything else: its most trusted claim as written."""
    if kind != "number" or not isinstance(values[best], float):
        return texts[best]
    share = weight * winners
    mean = sum(w * v for w, v in zip(share, values, strict=True) if w > 0) / max(share.sum(), 1e-12)
    if share.sum() <= 0:
        return texts[best]
    return f"{mean:.0f}" if abs(mean) >= 100 else f"{mean:.6g}"


def _typed(value: str, kind: str) -> Any:
    """A claim in a form that can be compared; an unreadable one stays text and equals only itself."""
    if kind == "number":
        try:
            return float(str(value).replace(",", ""))
        except ValueError:
            return str(value)
    if kind == "date":
        try:
            return date.fromisoformat(str(value)[:10])
        except ValueError:
            return str(value)
    if kind == "name":
        return clean_name(value)
    text = " ".join(str(value).casefold().split())
    return " ".join(sorted(text.replace(",", " ").split())) if kind in ("person", "address") else text


# How alike two texts of a kind must be; categories and dates must be equal, persons leave room for one typing slip.
_ALIKE = {"person": 90.0, "address": 80.0}


def _same(a: Any, b: Any, attribute: Attribute, alike: float) -> bool:
    if a == b:
        return True
    if attribute.kind == "number" and isinstance(a, float) and isinstance(b, float):
        return abs(a - b) <= attribute.tolerance * max(abs(a), abs(b))
    least = alike if attribute.kind == "name" else _ALIKE.get(attribute.kind)
    return least is not None and fuzz.ratio(str(a), str(b)) >= least


def _discrepancies(
    claims: pd.DataFrame, verdicts: pd.DataFrame, kinds: dict[str, Attribute], at_stake: pd.Series | None
) -> pd.DataFrame:
    best = verdicts[["customer_id", "attribute", "best_value", "best_source"]]
    odd = claims[~claims["agrees"]].merge(best, on=["customer_id", "attribute"])
    odd = odd.rename(columns={"value": "claimed"})
    slips = [
        _slip(claimed, value, stale, kinds[attribute].kind)
        for claimed, value, stale, attribute in zip(
            odd["claimed"], odd["best_value"], odd["stale"], odd["attribute"], strict=True
        )
    ]
    stake = odd["customer_id"].map(at_stake) if at_stake is not None else pd.Series(0.0, index=odd.index)
    odd = odd.assign(slip=pd.Series(slips, index=odd.index, dtype="str"), at_stake=stake.astype("float64").fillna(0.0))
    names = ["customer_id", "at_stake", "attribute", "slip", "source", "claimed", "best_value", "best_source",
             "observed_on"]  # fmt: skip
    return odd[names].sort_values(["at_stake", "customer_id", "attribute"], ascending=[False, True, True],
                                  ignore_index=True)  # fmt: skip


def _slip(claimed: str, best: str, stale: bool, kind: str) -> str:
    """What probably went wrong."""
    if stale:
        return "stale"
    a, b = _typed(claimed, kind), _typed(best, kind)
    if kind == "number" and isinstance(a, float) and isinstance(b, float) and a > 0 and b > 0:
        power = round(np.log10(a / b))
        if power and abs(a / b / 10.0**power - 1) < 0.06:
            return f"slip_{10 ** abs(power)}"
    if kind == "date" and isinstance(a, date) and isinstance(b, date):
        return "transposed_date" if (a.year, a.month, a.day) == (b.year, b.day, b.month) else "differs"
    return "different_name" if kind in ("name", "person") else "differs"
