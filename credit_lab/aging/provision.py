"""Loss allowance by provision matrix (准备矩阵): IFRS 9 B5.5.35, CAS 22 simplified approach.

Lifetime expected loss = Σ over buckets and groups of balance × historical loss rate × forward-looking overlay. Items
assessed individually (单项计提) are taken out first and kept apart.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab import money
from credit_lab.aging.buckets import Buckets
from credit_lab.aging.roll_rates import snapshots
from credit_lab.errors import PeriodError, PolicyError
from credit_lab.ledger.model import Ledger
from credit_lab.periods import takes_days


def observed_rates(
    ledger: Ledger,
    dates: pd.DatetimeIndex,
    *,
    horizon_months: int = 12,
    by: str | None = None,
    buckets: Buckets | None = None,
) -> pd.DataFrame:
    """Historical loss rates: of the amounts open at past dates, what was written off (net) within the horizon after.

    Parameters
    ----------
    dates : past dates; the ledger must be complete for `horizon_months` after the last of them
    by : column of customers that makes groups; none: one group

    Returns
    -------
    DataFrame
        group, bucket, open (sum over the dates), lost, rate (NaN where nothing was open). A recovery lowers the loss.

    Raises
    ------
    PeriodError
        The horizon of the last date reaches beyond the ledger.
    """
    buckets = buckets or Buckets()
    end = ledger.last_day
    if dates[-1] + pd.DateOffset(months=horizon_months) > end + pd.offsets.MonthEnd(0):
        raise PeriodError(f"losses of items open at {dates[-1].date()} are not all known by {end.date()}; end earlier")
    held = snapshots(ledger, dates, buckets)
    lost = _lost_within(ledger, held, dates, horizon_months)
    group = pd.Series("all", index=held.index, dtype="str")
    if by is not None:
        if by not in ledger.customers:
            raise PeriodError(f"cannot group by {by!r}: customers has {', '.join(ledger.customers.columns)}")
        group = held["customer_id"].map(ledger.customers.set_index("customer_id")[by]).fillna("(none)")
    sums = held.assign(group=group, lost=lost).groupby(["group", "bucket"])[["minor", "lost"]].sum()
    index = pd.MultiIndex.from_product([sorted(set(group)), buckets.labels], names=["group", "bucket"])
    sums = sums.reindex(index, fill_value=0)
    open_ = sums["minor"].to_numpy(dtype="float64")
    rate = np.where(open_ > 0, np.clip(sums["lost"] / np.where(open_ > 0, open_, 1.0), 0.0, 1.0), np.nan)
    code = ledger.currency
    return sums.index.to_frame(index=False).assign(
        open=money.from_minor(sums["minor"], code), lost=money.from_minor(sums["lost"], code), rate=rate
    )


def _lost_within(ledger: Ledger, held: pd.DataFrame, dates: pd.DatetimeIndex, months: int) -> npt.NDArray[np.int64]:
    """Net write-offs on each held item within the horizon, at most its open amount; instalments share in proportion."""
    total = np.zeros(len(held), dtype=np.int64)
    if not ledger.has("write_offs"):
        return total
    losses = ledger.tables["write_offs"].assign(
        minor=money.to_minor(ledger.tables["write_offs"]["amount"], ledger.currency)
    )
    for number, date in enumerate(dates):
        mine = (held["snapshot"] == number).to_numpy()
        inside = (losses["written_off_on"] > date) & (losses["written_off_on"] <= date + pd.DateOffset(months=months))
        by_document = losses[inside].groupby("invoice_id")["minor"].sum()
        rows = held[mine]
        whole = rows.groupby("document_id")["minor"].transform("sum")
        gone = by_document.reindex(rows["document_id"], fill_value=0).to_numpy()
        share = np.clip(gone, 0, whole.to_numpy()) * (rows["minor"].to_numpy() / whole.to_numpy())
        total[mine] = np.rint(share).astype(np.int64)
    return total


def allowance(
    balances: pd.DataFrame,
    rates: pd.DataFrame,
    *,
    overlay: float | Mapping[str, float] = 1.0,
    individual: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Provision matrix: allowance per group and bucket, and what is assessed individually on lines of its own.

    Parameters
    ----------
    balances : group, bucket, open (currency units, without the items assessed individually)
    rates : group, bucket, rate (fraction)
    overlay : forward-looking factor (前瞻性调整) on all rates, or per group; rates stop at one
    individual : name, open, rate of items assessed on their own

    Returns
    -------
    DataFrame
        group, bucket, open, rate (overlay applied), allowance.

    Raises
    ------
    PolicyError
        A balance without a rate, or a rate or overlay out of range.
    """
    both = balances.merge(rates[["group", "bucket", "rate"]], on=["group", "bucket"], how="left")
    lacking = both[(both["open"] != 0) & both["rate"].isna()]
    if len(lacking):
        one = lacking.iloc[0]
        raise PolicyError(
            f"no loss rate for group {one['group']!r}, bucket {one['bucket']!r}; give one, or pool the groups"
        )
    factor = both["group"].map(dict(overlay)).fillna(1.0) if isinstance(overlay, Mapping) else overlay
    rate = both["rate"].fillna(0.0)
    if not rate.between(0, 1).all() or not np.all(np.asarray(factor) >= 0):
        raise PolicyError("loss rates must lie in 0..1 and overlays must not be below zero")
    both = both.assign(rate=np.minimum(rate * factor, 1.0))
    if individual is not None and len(individual):
        own = individual.rename(columns={"name": "bucket"}).assign(group="individual")
        both = pd.concat([both, own[["group", "bucket", "open", "rate"]]], ignore_index=True)
    return both.assign(allowance=(both["open"] * both["rate"]).round(6))


@takes_days
def backtest(
    ledger: Ledger,
    as_of: pd.Timestamp,
    rates: pd.DataFrame,
    *,
    horizon_months: int = 12,
    buckets: Buckets | None = None,
) -> pd.DataFrame:
    """What an allowance at `as_of` would have been against what was lost within the horizon after it.

    Returns bucket, open, rate, allowance, lost, difference (allowance − lost); `rates` needs bucket and rate.

    Raises
    ------
    PolicyError
        A bucket that held a balance has no rate.
    """
    found = observed_rates(ledger, pd.DatetimeIndex([as_of]), horizon_months=horizon_months, buckets=buckets)
    both = found[["bucket", "open", "lost"]].merge(rates[["bucket", "rate"]], on="bucket", how="left")
    lacking = both[(both["open"] != 0) & both["rate"].isna()]
    if len(lacking):
        raise PolicyError(f"no loss rate for bucket {lacking['bucket'].iloc[0]!r}, which held a balance; give one")
    expected = (both["open"] * both["rate"].fillna(0.0)).round(6)
    return both.assign(allowance=expected, difference=(expected - both["lost"]).round(6))[
        ["bucket", "open", "rate", "allowance", "lost", "difference"]
    ]
