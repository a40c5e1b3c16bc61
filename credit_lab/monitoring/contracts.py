"""Contract ledger (合同台账): is what was delivered covered by what was signed, approved and allowed by law?

Each check is a function from a ledger to findings; `check` runs them all. Terms are in days, interest is simple, per
day on the open amount (day count: actual days). Decree 802 is State Council Decree No. 802 (保障中小企业款项支付条例,
in force 2025-06-01): a large enterprise pays a small or medium supplier within 60 days of delivery, a public body
within 30 (60 if agreed); late interest not agreed otherwise is 0.05 % per day.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab import money
from credit_lab.aging.commitments import Exposures, commitments
from credit_lab.aging.postings import INVOICE, postings, spans
from credit_lab.ids import among, looked_up
from credit_lab.ledger.model import Ledger
from credit_lab.periods import takes_days
from credit_lab.policy import Policy
from credit_lab.rules import standing

# Settings it reads, see `rules.coverage`.
READS = (
    "terms.sme_term_days",
    "terms.late_interest",
    "economics.tax_rate",
)

FINDING = ("check", "customer_id", "document_id", "day", "value", "allowed", "amount", "text")
DECREE_FROM = pd.Timestamp("2025-06-01")


@dataclass(frozen=True)
class Rules:
    """What is checked against.

    standard_template : name of the firm's own contract template
    large_days, public_days : longest term from delivery for large enterprises and public bodies (Decree 802)
    supplier_is_sme : whether we are a small or medium enterprise; if not, the decree does not protect us
    late_interest : per day
    tax_rate : added to orders that are without tax
    """

    standard_template: str = "standard"
    large_days: int = 60
    public_days: int = 30
    supplier_is_sme: bool = True
    late_interest: float = 0.0005
    tax_rate: float = 0.0

    @classmethod
    def of(cls, policy: Policy, *, supplier_is_sme: bool = True) -> "Rules":
        """The rules of a policy file."""
        return cls(
            large_days=policy.terms.sme_term_days,
            late_interest=policy.terms.late_interest,
            tax_rate=policy.economics.tax_rate,
            supplier_is_sme=supplier_is_sme,
        )


@takes_days
def check(ledger: Ledger, start: pd.Timestamp, end: pd.Timestamp, *, rules: Rules | None = None) -> pd.DataFrame:
    """All findings on invoices issued from `start` to `end`.

    Returns
    -------
    DataFrame
        check (missing_contract, unreviewed_contract, template, term_over_contract, term_over_approval,
        contract_over_approval, over_limit, decree_802, claimable_interest, or not_checked where the ledger lacks the
        table), customer_id, document_id, day, value and allowed (days or money, by check), amount (money concerned),
        text
    """
    rules = rules or Rules()
    parts = [
        contract_findings(ledger, start, end, rules),
        term_findings(ledger, start, end),
        over_limit(ledger, start, end, tax_rate=rules.tax_rate),
        decree_802(ledger, start, end, rules),
        claimable_interest(ledger, end, rules),
    ]
    whole = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    return whole.sort_values(["check", "customer_id", "document_id"], kind="stable").reset_index(drop=True)


def _findings(check_: str, rows: pd.DataFrame, **columns: object) -> pd.DataFrame:
    frame = rows.assign(check=check_, **columns)
    for name in FINDING:
        if name not in frame:
            frame[name] = np.nan if name in ("value", "allowed", "amount") else ""
    return frame[list(FINDING)].reset_index(drop=True)


def _not_checked(what: str, table: str) -> pd.DataFrame:
    row = pd.DataFrame({"customer_id": [""], "document_id": [""], "day": [pd.NaT]})
    return _findings("not_checked", row, text=f"{what}: the ledger has no table {table}")


def not_checked(findings: pd.DataFrame) -> list[str]:
    """What `check` could not look at and why, in sentences: no finding there is no all-clear."""
    return [f"Not checked: {text}." for text in findings.loc[findings["check"] == "not_checked", "text"]]


def _deliveries(ledger: Ledger, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    rows = ledger.invoices
    rows = rows[(rows["amount"] > 0) & rows["issue_date"].between(start, end)]
    return rows.rename(columns={"invoice_id": "document_id", "issue_date": "day"}).reset_index(drop=True)


def _contract_of(ledger: Ledger, rows: pd.DataFrame) -> pd.DataFrame:
    """Each delivery with the contract it names, or else the customer's latest one valid on its day."""
    contracts = ledger.table("contracts", needed_for="the contract check")
    extra = [name for name in ("valid_to", "term_days", "template", "reviewed_by") if name in contracts]
    held = contracts[["contract_id", "customer_id", "signed_on", *extra]].rename(columns={"term_days": "agreed"})
    for name in ("valid_to", "agreed", "template", "reviewed_by"):
        if name not in held:
            held = held.assign(**{name: pd.NaT if name == "valid_to" else pd.NA})
    latest = _standing(held, "signed_on", rows["customer_id"], rows["day"])
    if "contract_id" in rows:
        named = among(rows["contract_id"], held["contract_id"]).to_numpy()
        by_name = held.set_index("contract_id").reindex(rows["contract_id"]).reset_index()
        for name in ("contract_id", "valid_to", "agreed", "template", "reviewed_by"):
            latest[name] = latest[name].astype(object).where(~named, by_name[name].astype(object).to_numpy())
    valid_to = pd.to_datetime(latest["valid_to"])
    covered = latest["contract_id"].notna() & (valid_to.isna() | (valid_to.to_numpy() >= rows["day"].to_numpy()))
    columns = ["contract_id", "agreed", "template", "reviewed_by"]
    return rows.drop(columns="contract_id", errors="ignore").assign(
        covered=covered.to_numpy(), **{name: latest[name].to_numpy() for name in columns}
    )


def covered(ledger: Ledger, asked: pd.DataFrame) -> pd.Series:
    """Whether a contract is valid; True for everybody where the ledger has no contracts.

    Parameters
    ----------
    asked : customer_id, day
    """
    if not ledger.has("contracts"):
        return pd.Series(True, index=asked.index)
    signed = ledger.tables["contracts"]
    return _standing(signed, "signed_on", asked["customer_id"], asked["day"])["customer_id"].notna()


@takes_days
def contract_findings(ledger: Ledger, start: pd.Timestamp, end: pd.Timestamp, rules: Rules) -> pd.DataFrame:
    """Deliveries without a valid contract; contracts in use that nobody reviewed or that are not the standard."""
    if not ledger.has("contracts"):
        return _not_checked("missing contracts", "contracts")
    rows = _contract_of(ledger, _deliveries(ledger, start, end))
    bare = rows[~rows["covered"]]
    used = rows[rows["covered"]].groupby("contract_id").agg(
        customer_id=("customer_id", "first"), day=("day", "min"), amount=("amount", "sum"),
        template=("template", "first"), reviewed_by=("reviewed_by", "first"),
    ).reset_index().rename(columns={"contract_id": "document_id"})  # fmt: skip
    reviewed = used["reviewed_by"].fillna("").astype(str).str.strip() != ""
    own = used["template"].fillna("").astype(str)
    odd = used[own != rules.standard_template]
    return pd.concat(
        [
            _findings("missing_contract", bare, text="no contract valid on the day of issue"),
            _findings("unreviewed_contract", used[~reviewed], text="nobody is named as reviewer"),
            _findings("template", odd, text="template: " + own[odd.index].where(own[odd.index] != "", "not named")),
        ],
        ignore_index=True,
    )


@takes_days
def term_findings(ledger: Ledger, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """Invoiced term (due − issue) against the contract's and the approved one, and contract against approval."""
    rows = _deliveries(ledger, start, end)
    rows = rows.assign(value=(rows["due_date"] - rows["day"]).dt.days.astype(float))
    parts = []
    if ledger.has("contracts"):
        rows = _contract_of(ledger, rows).assign(agreed=lambda t: pd.to_numeric(t["agreed"]).astype(float))
        over = rows[rows["covered"] & (rows["value"] > rows["agreed"])]
        parts.append(_findings("term_over_contract", over, allowed=over["agreed"], text="invoiced longer than agreed"))
    if not ledger.has("limits"):
        return pd.concat([*parts, _not_checked("approved terms", "limits")], ignore_index=True)
    limits = ledger.tables["limits"]
    holder = looked_up(rows["customer_id"], standing.holder(ledger.customers, limits))
    stands = _standing(limits, "valid_from", holder, rows["day"])
    rows = rows.assign(approved=stands.get("term_days", np.nan)).astype({"approved": float})
    over = rows[rows["value"] > rows["approved"]]
    parts.append(_findings("term_over_approval", over, allowed=over["approved"], text="invoiced longer than approved"))
    if "agreed" in rows:
        signed = rows[rows["covered"] & (rows["agreed"] > rows["approved"])]
        signed = signed.drop_duplicates("contract_id").assign(document_id=lambda t: t["contract_id"])
        text = "contract grants more than approved"
        parts.append(
            _findings("contract_over_approval", signed, value=signed["agreed"], allowed=signed["approved"], text=text)
        )
    return pd.concat(parts, ignore_index=True)


def _standing(table: pd.DataFrame, begins: str, holder: pd.Series, day: pd.Series) -> pd.DataFrame:
    """The row of a table that stands for each holder on each day, as `rules.standing` says of
    limits; missing values where none does.

    Parameters
    ----------
    table : customer_id, the column `begins` (first day) and, where known, valid_to (last day)
    """
    place = np.arange(len(table), dtype=float)
    rows = table.assign(valid_from=table[begins], credit_limit=place)
    asked = pd.DataFrame({"holder": holder, "day": day})
    found = standing.standing_limit(rows, asked)["lasting"]
    return table.reset_index(drop=True).reindex(found.array).set_axis(day.index)


@takes_days
def over_limit(
    ledger: Ledger,
    start: pd.Timestamp,
    end: pd.Timestamp,
    *,
    tax_rate: float = 0.0,
) -> pd.DataFrame:
    """Deliveries after which the exposure stood above the limit valid that day; a group shares its
    limit, none is 0.

    Parameters
    ----------
    ledger : one currency
    start, end : days of issue looked at
    tax_rate : added to orders that are without tax

    Returns
    -------
    DataFrame
        Findings; value: exposure at the end of the day of issue, as in `limits.exposure`; amount:
        the part of the delivery that lies above the limit
    """
    if not ledger.has("limits"):
        return _not_checked("shipments over limit", "limits")
    limits = ledger.tables["limits"]
    holder = standing.holder(ledger.customers, limits)
    rows = _deliveries(ledger, start, end)
    whose = looked_up(rows["customer_id"], holder)
    moved = pd.concat([postings(ledger), commitments(ledger, start, end, tax_rate=tax_rate)])
    exposures = Exposures.of(moved, looked_up(moved["customer_id"], holder))
    value = exposures.on(whose, rows["day"])
    asked = rows[["day"]].assign(holder=whose)
    limit = standing.standing_limit(limits, asked)["credit_limit"]
    allowed = money.to_minor(limit.fillna(0.0), ledger.currency)
    over = value > allowed
    above = np.minimum(money.to_minor(rows["amount"], ledger.currency), value - allowed)
    minor = {"value": value, "allowed": allowed, "amount": above}
    units = {name: money.from_minor(each, ledger.currency) for name, each in minor.items()}
    rows = rows.assign(**units)[over]
    said = "exposure above the limit after this delivery"
    text = np.where(limit[over].isna(), "no valid limit", said)
    return _findings("over_limit", rows, text=text)


@takes_days
def decree_802(ledger: Ledger, start: pd.Timestamp, end: pd.Timestamp, rules: Rules) -> pd.DataFrame:
    """Terms beyond Decree 802, counted from delivery (from issue where no delivery day is known: said in the text)."""
    customers = ledger.customers
    if "size_class" not in customers:
        return _not_checked("Decree 802 (size_class)", "customers with size_class")
    if not rules.supplier_is_sme:
        return _findings("decree_802", _deliveries(ledger, start, end).iloc[:0])
    rows = _deliveries(ledger, max(start, DECREE_FROM), end)
    size = rows["customer_id"].map(customers.set_index("customer_id")["size_class"])
    allowed = size.map({"large": rules.large_days, "public": rules.public_days}).astype(float)
    delivered = rows["delivered_on"] if "delivered_on" in rows else pd.Series(pd.NaT, index=rows.index)
    known = delivered.notna()
    value = (rows["due_date"] - delivered.fillna(rows["day"])).dt.days.astype(float)
    rows = rows.assign(value=value, allowed=allowed)
    text = "term of a " + size.astype(str) + " customer from " + np.where(known, "delivery", "issue (no delivery day)")
    over = value > allowed
    return _findings("decree_802", rows[over], text=text[over])


@takes_days
def claimable_interest(ledger: Ledger, as_of: pd.Timestamp, rules: Rules) -> pd.DataFrame:
    """Late interest claimable under Decree 802 from large enterprises and public bodies, paid late or still open.

    interest = Σ over days past due of the open amount × late_interest; value: days late so far (amount weighted over
    the document: interest / (amount × rate)), amount: the interest. Deliveries before the decree are left out.
    """
    customers = ledger.customers
    if "size_class" not in customers or not rules.supplier_is_sme:
        return _findings("claimable_interest", _deliveries(ledger, as_of, as_of).iloc[:0])
    rows = postings(ledger)
    runs = spans(rows[(rows["kind"] == INVOICE) & (rows["day"] <= as_of) & (rows["issue_date"] >= DECREE_FROM)])
    size = runs["customer_id"].map(customers.set_index("customer_id")["size_class"])
    runs = runs[size.isin(["large", "public"]) & (runs["minor"] > 0)]
    until = runs["until"].fillna(as_of).clip(upper=as_of)
    days = (until - np.maximum(runs["since"], runs["due_date"])).dt.days.clip(lower=0)
    runs = runs.assign(owed=runs["minor"] * days)
    total = runs.groupby(["customer_id", "document_id"], sort=True).agg(
        owed=("owed", "sum"), day=("due_date", "min"), most=("minor", "max")
    )
    total = total[total["owed"] > 0].reset_index()
    scale = 10.0 ** money.minor_digits(ledger.currency)
    amount = np.round(total["owed"] * rules.late_interest) / scale
    text = f"{rules.late_interest:.4%} per day of lateness up to {as_of.date()}"
    return _findings("claimable_interest", total, value=total["owed"] / total["most"], amount=amount, text=text)
