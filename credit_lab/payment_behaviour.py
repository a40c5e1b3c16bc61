"""How a customer pays: days beyond terms and the payment index, from settlements and from what is still open.

A look at settled invoices only flatters slow payers, so open overdue items count with the days they are late so far.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab import knowledge, money
from credit_lab.aging.items import open_items
from credit_lab.ids import looked_up, positions
from credit_lab.ledger.model import Ledger
from credit_lab.periods import takes_days
from credit_lab.rules import grades


def payment_index(days_beyond_terms: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Payment index (付款指数) 0-100 of amount-weighted days beyond terms: 80 is prompt, 100 is 30 days early.

    The rule is `rules.grades.payment_index`; NaN stays NaN.

    >>> payment_index([-30, 0, 15, 45, 120]).tolist()
    [100.0, 80.0, 70.0, 45.0, 20.0]
    """
    return np.asarray(grades.payment_index(np.asarray(days_beyond_terms, dtype=float)))


def settlements(ledger: Ledger) -> pd.DataFrame:
    """Cash matched to invoices: customer_id, settled_on, matched_on, due_date, days_late (below zero: early), minor.

    Set-offs with credit notes are left out: they say nothing about how somebody pays. Lateness looks at
    the day the money came, `matched_on` at the day from which the matching was known.
    """
    invoices = ledger.invoices[ledger.invoices["amount"] >= 0]
    matched = ledger.allocations
    on = positions(matched["invoice_id"], invoices["invoice_id"])
    of = positions(matched["payment_id"], ledger.payments["payment_id"])
    cash = (on >= 0) & (of >= 0)
    document = invoices.take(on[cash]).reset_index(drop=True)
    paid = ledger.payments["paid_date"].to_numpy()[of[cash]]
    settled = np.maximum(paid, document["issue_date"].to_numpy())
    due = document["due_date"].to_numpy()
    return pd.DataFrame(
        {
            "customer_id": document["customer_id"],
            "settled_on": settled,
            "matched_on": np.maximum(settled, matched["allocated_on"].to_numpy()[cash]),
            "due_date": due,
            "days_late": (settled - due).astype("timedelta64[D]").astype("int64"),
            "minor": money.to_minor(matched["amount"][cash], ledger.currency),
        }
    )


LATE_BANDS = (0, 30, 60, 90)


@takes_days
def profile(ledger: Ledger, as_of: pd.Timestamp) -> pd.DataFrame:
    """How each customer pays as of a day, from what was known then: one row per customer with documents.

    Returns
    -------
    DataFrame
        customer_id; over the last twelve months: paid (amount settled), days_beyond_terms (amount-weighted over
        settlements and open overdue items), payment_index, late_share, late_30_share, late_60_share, late_90_share
        (of settled and open overdue amounts, more than 0, 30, 60 and 90 days late), volatility (amount-weighted
        standard deviation of days late), trend_days (mean days late of settlements of the last six months less those
        of the six before; above zero is worse), disputed, dispute_rate (disputed amount over amount billed),
        promises, broken_promise_share (promises by which less than promised had come; NaN without a promise).

    Raises
    ------
    NotKnown
        The ledger cannot say how customers paid (`credit_lab.knowledge`).
    """
    knowledge.of(ledger, as_of=as_of).need("payment behaviour is", *knowledge.BEHAVIOUR)
    since = as_of - pd.DateOffset(months=12)
    scale = 10.0 ** money.minor_digits(ledger.currency)
    paid = settlements(ledger)
    paid = paid[(paid["matched_on"] <= as_of) & (paid["matched_on"] > since)]
    items = open_items(ledger, as_of)
    overdue = items[(items["kind"] == "invoice") & (items["days"] > 0)]
    rows = pd.concat(
        [
            paid.assign(amount=paid["minor"] / scale, day=paid["matched_on"])[
                ["customer_id", "amount", "days_late", "day"]
            ],
            overdue.rename(columns={"open_amount": "amount", "days": "days_late"})[
                ["customer_id", "amount", "days_late"]
            ],
        ],
        ignore_index=True,
    )
    late = rows["days_late"].astype("float64")
    by = rows["customer_id"]
    whole = rows["amount"].groupby(by).sum()
    weight = whole.where(whole > 0)
    mean = (rows["amount"] * late).groupby(by).sum() / weight
    spread = (rows["amount"] * (late - looked_up(by, mean)) ** 2).groupby(by).sum() / weight
    issued = ledger.invoices[(ledger.invoices["issue_date"] <= as_of) & (ledger.invoices["issue_date"] > since)]
    billed = issued["amount"].clip(lower=0).groupby(issued["customer_id"]).sum()
    table = pd.DataFrame(
        {
            "paid": rows["amount"].where(rows["day"].notna(), 0.0).groupby(by).sum(),
            "days_beyond_terms": mean,
            "payment_index": pd.Series(payment_index(mean), index=mean.index),
            **{
                f"late_{edge}_share" if edge else "late_share": rows["amount"].where(late > edge, 0.0).groupby(by).sum()
                / weight
                for edge in LATE_BANDS
            },
            "volatility": np.sqrt(spread),
            "trend_days": _trend(paid, as_of),
        }
    )
    table = table.reindex(table.index.union(billed.index)).rename_axis("customer_id")
    table = table.assign(paid=table["paid"].fillna(0.0), **_disputes(ledger, since, as_of, billed, table.index))
    return table.join(_promises(ledger, since, as_of)).reset_index()


def _trend(paid: pd.DataFrame, as_of: pd.Timestamp) -> pd.Series:
    """Amount-weighted days late of the last six months less those of the six months before."""
    recent = paid["matched_on"] > as_of - pd.DateOffset(months=6)
    halves = []
    for half in (paid[recent], paid[~recent]):
        weight = half["minor"].groupby(half["customer_id"]).sum()
        halves.append((half["minor"] * half["days_late"]).groupby(half["customer_id"]).sum() / weight.where(weight > 0))
    return halves[0] - halves[1]


def _disputes(
    ledger: Ledger, since: pd.Timestamp, as_of: pd.Timestamp, billed: pd.Series, index: pd.Index
) -> dict[str, pd.Series]:
    if not ledger.has("disputes"):
        return {"disputed": pd.Series(np.nan, index=index), "dispute_rate": pd.Series(np.nan, index=index)}
    rows = ledger.tables["disputes"]
    rows = rows[(rows["opened_on"] <= as_of) & (rows["opened_on"] > since)]
    owner = looked_up(rows["invoice_id"], ledger.invoices.set_index("invoice_id")["customer_id"])
    disputed = rows["amount"].groupby(owner).sum().reindex(index).fillna(0.0)
    return {"disputed": disputed, "dispute_rate": disputed / billed.reindex(index).where(lambda sales: sales > 0)}


def _promises(ledger: Ledger, since: pd.Timestamp, as_of: pd.Timestamp) -> pd.DataFrame:
    """Promises whose day has come by `as_of`, and the share of them before whose day less money came than promised."""
    empty = pd.DataFrame({"promises": pd.Series(dtype="float64"), "broken_promise_share": pd.Series(dtype="float64")})
    if not ledger.has("actions") or "promised_on" not in ledger.tables["actions"]:
        return empty
    rows = ledger.tables["actions"]
    rows = rows[(rows["taken_on"] > since) & (rows["promised_on"] <= as_of) & (rows["taken_on"] <= as_of)]
    if rows.empty:
        return empty
    promise = rows[["customer_id", "taken_on", "promised_on"]].assign(amount=rows.get("promised_amount", np.nan))
    promise = promise.drop_duplicates().reset_index(drop=True).assign(row=lambda frame: frame.index)
    cash = ledger.payments[["customer_id", "paid_date", "amount"]].rename(columns={"amount": "came"})
    met = promise.merge(cash, on="customer_id")
    met = met[(met["paid_date"] >= met["taken_on"]) & (met["paid_date"] <= met["promised_on"])]
    came = money.added(met["came"], met["row"], ledger.currency).reindex(promise.index).fillna(0.0)
    kept = (came >= promise["amount"]) | (promise["amount"].isna() & (came > 0))
    by = promise["customer_id"]
    return pd.DataFrame({"promises": by.groupby(by).size().astype("float64"),
                         "broken_promise_share": 1 - kept.groupby(by).mean()})  # fmt: skip
