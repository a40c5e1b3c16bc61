"""Credit files (信用档案): how complete and fresh each customer's file is, who deserves attention, what changed."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab.investigation.verification import Verification, latest_claims, verify
from credit_lab.ledger.model import Ledger
from credit_lab.periods import takes_days
from credit_lab.policy import Policy

# Settings it reads, see `rules.coverage`.
READS = ("investigation.*",)


@dataclass(frozen=True)
class Files:
    """Credit files as of a day.

    Attributes
    ----------
    files : customer_id, tier, at_stake, completeness (0-1, weighted by the policy for the tier), missing (attributes),
        stale (attributes past their review interval), oldest_days, statement_end (latest known), statement_due (none,
        or too old), contract, events, differs (attributes on which sources differ), due (whether the file needs work)
    attributes : customer_id, attribute, weight, known, age_days, stale; one row per attribute with weight
    verification : see `Verification`
    changes : claims by which a source changed its mind: customer_id, attribute, source, observed_on, before, after
    """

    as_of: pd.Timestamp
    files: pd.DataFrame
    attributes: pd.DataFrame
    verification: Verification
    changes: pd.DataFrame


def facts_of(ledger: Ledger) -> pd.DataFrame:
    """The facts of a ledger, or an empty table with their columns."""
    return ledger.rows("facts")


def tiers(stakes: pd.DataFrame, policy: Policy) -> pd.Series:
    """Tier of each customer by the focus rule (重点原则): key, normal or small, indexed by customer_id.

    Key customers are the largest who together make up `key_share` of sales or of exposure; small ones the last
    `small_share` of both, unless their payment index is below `risky_index`.

    Parameters
    ----------
    stakes : customer_id, sales, exposure, payment_index (may be missing)
    """
    rule = policy.investigation
    table = stakes.set_index("customer_id")
    key, small = pd.Series(False, index=table.index), pd.Series(True, index=table.index)
    for column in ("sales", "exposure"):
        ranked = table[column].fillna(0.0).clip(lower=0).sort_values(ascending=False, kind="stable")
        total = ranked.sum()
        before = (ranked.cumsum() - ranked) / total if total > 0 else ranked + 1
        key |= (before < rule.key_share).reindex(table.index)
        small &= (before >= 1 - rule.small_share).reindex(table.index)
    risky = table["payment_index"] < rule.risky_index
    return pd.Series(np.select([key, small & ~risky], ["key", "small"], "normal"), index=table.index, dtype="str")


@takes_days
def events(facts: pd.DataFrame, policy: Policy, as_of: pd.Timestamp) -> pd.DataFrame:
    """Bad news still in force: customer_id, attribute, observed_on, source; newest first."""
    named = [one.attribute for one in policy.investigation.attributes if one.kind == "event"]
    rows = latest_claims(facts, policy, as_of)
    rows = rows[rows["attribute"].isin(named) & ~rows["stale"]]
    return rows[["customer_id", "attribute", "observed_on", "source"]].sort_values(
        ["observed_on", "customer_id", "attribute"], ascending=[False, True, True], ignore_index=True
    )


@takes_days
def credit_files(ledger: Ledger, policy: Policy, as_of: pd.Timestamp, stakes: pd.DataFrame) -> Files:
    """Files of all customers in `stakes`, from what was known on `as_of`.

    Parameters
    ----------
    stakes : customer_id, sales (last twelve months), exposure, payment_index

    Raises
    ------
    CreditLabError
        Attribute or source unknown to the policy.
    """
    tier = tiers(stakes, policy)
    stake = stakes.set_index("customer_id")["exposure"].clip(lower=0)
    facts = facts_of(ledger)
    checked = verify(facts, policy, as_of, at_stake=stake)
    attributes = _attributes(facts, tier, policy, as_of)
    news = events(facts, policy, as_of).groupby("customer_id").size()
    differs = checked.verdicts[checked.verdicts["verdict"] == "differs"].groupby("customer_id").size()
    weight = attributes["weight"].groupby(attributes["customer_id"]).sum()
    have = (attributes["weight"] * attributes["known"]).groupby(attributes["customer_id"]).sum()
    lacking = _listed(attributes[~attributes["known"]], tier.index)
    stale = _listed(attributes[attributes["stale"]], tier.index)
    statement = _statement(ledger, as_of).reindex(tier.index)
    too_old = statement.isna() | (statement < as_of - pd.DateOffset(months=policy.investigation.statement_months))
    table = pd.DataFrame(
        {
            "tier": tier,
            "at_stake": stake.reindex(tier.index).fillna(0.0),
            "completeness": (have / weight).reindex(tier.index).fillna(0.0),
            "missing": lacking.mask((have / weight).reindex(tier.index).fillna(0.0) == 0, "everything"),
            "stale": stale,
            "oldest_days": attributes.groupby("customer_id")["age_days"].max().reindex(tier.index),
            "statement_end": statement,
            "statement_due": too_old & (tier == "key"),
            "contract": _contract(ledger, as_of, tier.index),
            "events": news.reindex(tier.index).fillna(0).astype("int64"),
            "differs": differs.reindex(tier.index).fillna(0).astype("int64"),
        }
    )
    due = (stale != "") | (lacking != "") | table["statement_due"] | (table["differs"] > 0)
    order = {"key": 0, "normal": 1, "small": 2}
    table = table.assign(due=due, rank=tier.map(order)).rename_axis("customer_id").reset_index()
    table = table.sort_values(["due", "rank", "at_stake", "customer_id"], ascending=[False, True, False, True])
    return Files(as_of, table.drop(columns="rank").reset_index(drop=True), attributes, checked, _changes(facts, as_of))


def _attributes(facts: pd.DataFrame, tier: pd.Series, policy: Policy, as_of: pd.Timestamp) -> pd.DataFrame:
    """One row per customer and attribute that carries weight in its tier."""
    newest = latest_claims(facts, policy, as_of).groupby(["customer_id", "attribute"])["age_days"].min()
    parts = []
    for one in policy.investigation.attributes:
        weight = tier.map({name: getattr(one, name) for name in ("key", "normal", "small")})
        age = pd.Series(newest.xs(one.attribute, level="attribute") if one.attribute in newest.index.get_level_values(1)
                        else pd.Series(dtype="float64")).reindex(tier.index).astype("float64")  # fmt: skip
        parts.append(
            pd.DataFrame({"customer_id": tier.index, "attribute": one.attribute, "weight": weight.astype("float64"),
                          "known": age.notna(), "age_days": age, "stale": age > one.review_months * 30.4375})
        )  # fmt: skip
    whole = pd.concat(parts, ignore_index=True)
    return whole[whole["weight"] > 0].sort_values(["customer_id", "attribute"], ignore_index=True)


def _listed(rows: pd.DataFrame, index: pd.Index) -> pd.Series:
    named = rows.groupby("customer_id")["attribute"].agg(", ".join)
    return named.reindex(index).fillna("").astype("str")


def _statement(ledger: Ledger, as_of: pd.Timestamp) -> pd.Series:
    """End of the latest period whose statement was out by `as_of`."""
    rows = ledger.rows("financials")
    return rows[rows["published_on"] <= as_of].groupby("customer_id")["period_end"].max()


def _contract(ledger: Ledger, as_of: pd.Timestamp, index: pd.Index) -> pd.Series:
    """valid, expired or none on the day; not known without a table of contracts."""
    if not ledger.has("contracts"):
        return pd.Series("not known", index=index, dtype="str")
    rows = ledger.tables["contracts"]
    signed = rows[rows["signed_on"] <= as_of]
    ends = signed["valid_to"] if "valid_to" in signed else pd.Series(pd.NaT, index=signed.index)
    valid = signed.loc[ends.isna() | (ends >= as_of), "customer_id"]
    state = np.select([index.isin(valid), index.isin(signed["customer_id"])], ["valid", "expired"], "none")
    return pd.Series(state, index=index, dtype="str")


def _changes(facts: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    rows = facts[facts["observed_on"] <= as_of].sort_values("observed_on", kind="stable")
    before = rows.groupby(["customer_id", "attribute", "source"])["value"].shift()
    moved = rows.assign(before=before)[before.notna() & (before != rows["value"])]
    names = ["customer_id", "attribute", "source", "observed_on", "before", "after"]
    return moved.rename(columns={"value": "after"})[names].sort_values(names[:4], ignore_index=True)
