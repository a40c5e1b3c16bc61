"""Roll rates (迁徙率): how balances move from bucket to bucket, and what that means for losses.

Two different things carry the name. `net_flow` divides the balance of bucket k+1 at a month end by that of bucket k a
month before, whatever the invoices behind them. `transitions` follows the same invoices.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab import money
from credit_lab.aging.buckets import Buckets
from credit_lab.aging.postings import INVOICE, postings, spans
from credit_lab.errors import PeriodError
from credit_lab.ledger.model import Ledger

PAID, LOST = "paid", "written_off"


def net_flow(series: pd.DataFrame, buckets: Buckets | None = None) -> pd.DataFrame:
    """Net-flow roll rates from the month-end series of one ledger (`aging.series` without groups).

    Returns as_of and one column per bucket but the last: balance of the next bucket a month later / balance of this
    bucket at as_of. Buckets longer than a month collect several, so their rates can exceed one. NaN for an empty one.
    """
    labels = (buckets or Buckets()).labels
    now = series[list(labels[:-1])].to_numpy()[:-1]
    later = series[list(labels[1:])].to_numpy()[1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = np.where(now > 0, later / now, np.nan)
    table = pd.DataFrame(rates, columns=pd.Index(labels[:-1], dtype="str"))
    table.insert(0, "as_of", series["as_of"].to_numpy()[:-1])
    return table


@dataclass(frozen=True)
class Transitions:
    """Where the open amounts of one month end were a month later, the same invoices followed.

    Attributes
    ----------
    amounts : rows buckets at a month end, columns buckets a month later, `paid` (credit notes set off included) and
        `written_off`; currency units, summed over the months
    shares : the same divided by the row's sum (row-stochastic)
    """

    amounts: pd.DataFrame
    shares: pd.DataFrame


def transitions(ledger: Ledger, month_ends: pd.DatetimeIndex, *, buckets: Buckets | None = None) -> Transitions:
    """Same-invoice transition matrix (转移矩阵) between consecutive month ends.

    Raises
    ------
    PeriodError
        Fewer than two month ends.
    """
    if len(month_ends) < 2:
        raise PeriodError("transitions need at least two month ends")
    buckets = buckets or Buckets()
    held = snapshots(ledger, month_ends, buckets)
    later = held.assign(snapshot=held["snapshot"] - 1)
    keys = ["document_id", "part", "snapshot"]
    both = held[held["snapshot"] < len(month_ends) - 1].merge(later, on=keys, how="left", suffixes=("", "_later"))
    left = both["minor_later"].fillna(0).astype("int64")
    lost = np.minimum(_lost(ledger, both, month_ends), both["minor"] - left)
    states = [*buckets.labels, PAID, LOST]
    moves = [
        (both["bucket"], both["bucket_later"].where(left > 0), left),
        (both["bucket"], pd.Series(LOST, index=both.index), lost),
        (both["bucket"], pd.Series(PAID, index=both.index), both["minor"] - left - lost),
    ]
    total = pd.DataFrame(0, index=pd.Index(buckets.labels, name="bucket"), columns=states, dtype="int64")
    for origin, target, minor in moves:
        sums = minor[target.notna()].groupby([origin[target.notna()], target[target.notna()]]).sum()
        for (row, column), value in sums.items():
            total.loc[row, column] += value
    amounts = pd.DataFrame(money.from_minor(total.to_numpy(), ledger.currency), total.index, total.columns)
    whole = total.sum(axis=1)
    return Transitions(amounts, total.div(whole.where(whole > 0), axis=0))


def snapshots(ledger: Ledger, dates: pd.DatetimeIndex, buckets: Buckets) -> pd.DataFrame:
    """Open invoices at each date: document_id, part, customer_id, snapshot (number of the date), bucket, minor."""
    runs = spans(postings(ledger))
    runs = runs[runs["kind"] == INVOICE]
    start = np.searchsorted(dates.to_numpy(), runs["since"].to_numpy())
    stop = np.searchsorted(dates.to_numpy(), runs["until"].fillna(dates[-1] + pd.Timedelta(days=1)).to_numpy())
    length = np.maximum(stop - start, 0)
    which = np.repeat(start, length) + (np.arange(length.sum()) - np.repeat(length.cumsum() - length, length))
    rows = runs.loc[
        np.repeat(runs.index.to_numpy(), length), ["document_id", "part", "customer_id", buckets.by, "minor"]
    ]
    days = (dates.to_numpy()[which] - rows[buckets.by].to_numpy()).astype("timedelta64[D]").astype("int64")
    return rows.drop(columns=buckets.by).assign(snapshot=which, bucket=buckets.of(days)).reset_index(drop=True)


def _lost(ledger: Ledger, rows: pd.DataFrame, dates: pd.DatetimeIndex) -> pd.Series:
    """Minor units written off in the month after each snapshot, per row; the first instalment takes it."""
    if not ledger.has("write_offs"):
        return pd.Series(0, index=rows.index)
    losses = ledger.tables["write_offs"]
    month = np.searchsorted(dates.to_numpy(), losses["written_off_on"].to_numpy()) - 1
    minor = pd.Series(money.to_minor(losses["amount"], ledger.currency))
    sums = minor.clip(lower=0).groupby([losses["invoice_id"].to_numpy(), month]).sum()
    found = sums.reindex(pd.MultiIndex.from_arrays([rows["document_id"], rows["snapshot"]]), fill_value=0)
    return pd.Series(found.to_numpy(), index=rows.index)


@dataclass(frozen=True)
class MarkovAllowance:
    """Fundamental matrix N = (I − Q)⁻¹, absorption B = N R, and the allowance b · B[:, bad].

    Attributes
    ----------
    fundamental : rows and columns buckets: expected months in each
    absorption : rows buckets, columns paid and written_off: where a unit ends
    allowance : expected loss on the balances given, currency units
    """

    fundamental: pd.DataFrame
    absorption: pd.DataFrame
    allowance: float


def markov_allowance(shares: pd.DataFrame, balances: pd.Series) -> MarkovAllowance:
    """Expected loss of open balances when months repeat the transition matrix for ever.

    Parameters
    ----------
    shares : row-stochastic, rows buckets, columns the buckets, paid and written_off (as `transitions` gives it; a
        bucket never seen, all NaN, is taken as paid)
    balances : open amount per bucket

    Raises
    ------
    PeriodError
        A row does not add up to one, or some bucket is never left.

    References
    ----------
    Cyert, R., Davidson, H. & Thompson, G. (1962), Management Science 8(3), 287-303.
    """
    labels = list(shares.index)
    filled = shares.copy()
    unseen = filled.isna().all(axis=1)
    filled.loc[unseen] = 0.0
    filled.loc[unseen, PAID] = 1.0
    if not np.allclose(filled.sum(axis=1), 1.0):
        raise PeriodError("transition shares must add up to one in every row")
    stay, leave = filled[labels].to_numpy(), filled[[PAID, LOST]].to_numpy()
    try:
        fundamental = np.linalg.inv(np.eye(len(labels)) - stay)
    except np.linalg.LinAlgError as error:
        raise PeriodError("a bucket is never left; look at a longer stretch of months") from error
    if (fundamental < -1e-9).any() or np.abs(fundamental).max() > 1e6:
        raise PeriodError("a bucket is never left; look at a longer stretch of months")
    absorption = pd.DataFrame(fundamental @ leave, shares.index, pd.Index([PAID, LOST]))
    allowance = float(balances.reindex(labels).fillna(0.0).to_numpy() @ absorption[LOST].to_numpy())
    return MarkovAllowance(pd.DataFrame(fundamental, shares.index, labels), absorption, allowance)
