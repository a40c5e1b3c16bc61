"""The figures an evaluation rests on, each with its source, from what was known on a day."""

import pandas as pd

from credit_lab import financials
from credit_lab.evaluation.industry import industry_index
from credit_lab.investigation.files import events, facts_of
from credit_lab.investigation.statements_check import known_statements
from credit_lab.ledger.model import Ledger
from credit_lab.payment_behaviour import profile
from credit_lab.periods import takes_days
from credit_lab.policy import Policy

BEHAVIOUR = ("payment_index", "late_share", "late_30_share", "late_60_share", "late_90_share", "volatility",
             "trend_days", "dispute_rate", "broken_promise_share")  # fmt: skip
_COLUMNS = ["customer_id", "item", "value", "source"]


@takes_days
def statement_ratios(ledger: Ledger, policy: Policy, as_of: pd.Timestamp) -> pd.DataFrame:
    """Ratios of the latest statements published by `as_of` with percentiles within the industry; empty without."""
    known = known_statements(ledger.rows("financials"), as_of)
    rows = financials.latest(known, as_of, months=policy.investigation.statement_months)
    return financials.percentiles(financials.ratios(rows), industries(ledger))


def industries(ledger: Ledger) -> pd.Series:
    """Industry by customer_id; empty where the ledger has none."""
    facts = ledger.customers.set_index("customer_id")
    return facts["industry"] if "industry" in facts else pd.Series(dtype="str")


@takes_days
def figures(ledger: Ledger, policy: Policy, as_of: pd.Timestamp, history: pd.DataFrame) -> pd.DataFrame:
    """Every measure the policy asks for that the ledger can give: customer_id, item, value, source.

    Parameters
    ----------
    history : of `history.build`, of which months up to `as_of` are used
    """
    day = as_of.date()
    parts = [_long(profile(ledger, as_of), BEHAVIOUR, f"ledger, 12 months to {day}: documents and matchings")]
    ratios = statement_ratios(ledger, policy, as_of)
    if len(ratios):
        end, value = ratios["period_end"].dt.strftime("%Y-%m-%d"), ratios["value"].map("{:.4g}".format).astype("str")
        said = "financials " + end + ", " + ratios["formula_id"] + " " + value + " against " + ratios["against"]
        why = ratios["reason"].where(ratios["reason"] != "", said)
        for name, value in (("percentile.", ratios["percentile"]), ("", ratios["value"])):
            parts.append(pd.DataFrame({"customer_id": ratios["customer_id"], "item": name + ratios["ratio"],
                                       "value": value, "source": why}))  # fmt: skip
    index = industry_index(history[history["month"] <= as_of], industries(ledger))
    if len(index):
        now = index[index["month"] == index["month"].max()].set_index("industry")["industry_index"]
        mine = industries(ledger)
        value = mine.map(now)
        parts.append(pd.DataFrame({"customer_id": mine.index, "item": "industry_index", "value": value.to_numpy(),
                                   "source": "history, industry " + mine.fillna("not known").to_numpy()}))  # fmt: skip
    facts = facts_of(ledger)
    if len(facts):
        news = events(facts, policy, as_of)
        said = news["attribute"] + " " + news["observed_on"].dt.strftime("%Y-%m-%d") + " by " + news["source"]
        named = said.groupby(news["customer_id"]).agg("; ".join)
        looked = pd.Index(facts.loc[facts["observed_on"] <= as_of, "customer_id"].unique())
        count = news.groupby("customer_id").size().reindex(looked).fillna(0.0)
        said = "facts: " + named.reindex(looked).fillna("nothing bad").to_numpy()
        parts.append(
            pd.DataFrame({"customer_id": looked, "item": "register_events", "value": count.to_numpy(), "source": said})
        )
    whole = pd.concat(parts, ignore_index=True)[_COLUMNS]
    wanted = [one.measure for one in policy.evaluation.measures]
    return whole[whole["item"].isin(wanted)].reset_index(drop=True)


def _long(table: pd.DataFrame, names: tuple[str, ...], source: str) -> pd.DataFrame:
    long = table.melt("customer_id", [name for name in names if name in table], var_name="item", value_name="value")
    return long.assign(source=source)
