"""What becomes of receivables: roll rates, invoice months, loss allowance, and why DSO moved, in
one record.
"""

from dataclasses import dataclass

import pandas as pd

from credit_lab import aging, knowledge, kpi
from credit_lab.aging import provision, roll_rates, vintage
from credit_lab.errors import PeriodError
from credit_lab.ledger.model import OPEN_ITEMS, Ledger
from credit_lab.policy import Policy
from credit_lab.studies.record import Record

# Settings it reads, see `rules.coverage`.
READS = ("aging.edges",)


@dataclass(frozen=True)
class Losses(Record, prefix="losses_"):
    """Tables on the fate of receivables as of a month end; empty where the ledger cannot tell,
    `notes` say why. Losses that nobody recorded are unknown, not zero.

    Attributes
    ----------
    transitions : shares of open amounts by bucket at one month end and state at the next, same
        invoices
    net_flow : net-flow roll rates by month
    uncollected, lost : shares of each invoice month's sales still open, and written off, by age in
        months
    collections : chain ladder on collections: origin, latest, ultimate, reserve (still to come),
        standard_error, cv
    allowance : provision matrix: group, bucket, open, rate, allowance
    markov : bucket, paid, written_off: where a unit of each bucket ends if months repeat
    backtest : bucket, open, rate, allowance, lost, difference: the matrix of a year ago against
        what was lost since
    bridge : segment, terms, delinquency, calendar, mix, total: change of DSO in days over a year
    """

    as_of: pd.Timestamp
    transitions: pd.DataFrame
    net_flow: pd.DataFrame
    uncollected: pd.DataFrame
    lost: pd.DataFrame
    collections: pd.DataFrame
    allowance: pd.DataFrame
    markov: pd.DataFrame
    backtest: pd.DataFrame
    bridge: pd.DataFrame
    notes: tuple[str, ...]

    @property
    def year_before(self) -> pd.Timestamp:
        """The month end of a year ago, which backtest and bridge look from."""
        return _year_before(self.as_of)


def _year_before(as_of: pd.Timestamp) -> pd.Timestamp:
    return (as_of - pd.DateOffset(months=12)) + pd.offsets.MonthEnd(0)


def losses(
    ledger: Ledger,
    policy: Policy,
    as_of: pd.Timestamp,
    *,
    months: int = 24,
    overlay: float = 1.0,
    segment: str = "region",
) -> Losses:
    """Compute the record at `as_of`, a month end, from the last `months` months.

    `overlay` is the forward-looking factor on historical loss rates; `segment` a column of
    customers for the bridge.

    Raises
    ------
    NotKnown
        The ledger cannot say what is open and how old it is.
    """
    told = knowledge.of(ledger, policy, as_of)
    told.need("what becomes of receivables is", *knowledge.AGES)
    empty = pd.DataFrame()
    if ledger.form == OPEN_ITEMS:
        unsettled = told.lack("What becomes of receivables is", "settled")
        three = (empty, empty, empty)
        return Losses(as_of, *three, *three, *three, (f"{unsettled}.",))
    buckets = aging.Buckets(policy.aging.edges)
    first = ledger.invoices["issue_date"].min() + pd.offsets.MonthEnd(0)
    ends = pd.date_range(max(as_of - pd.DateOffset(months=months), first), as_of, freq="ME")
    notes: list[str] = []
    shares = flow = markov = empty
    items = aging.open_items(ledger, as_of, buckets=buckets)
    balances = (
        aging.bucket_table(items, ledger.currency, buckets=buckets)
        .set_index("bucket")["open_amount"]
        .iloc[:-2]
    )
    if len(ends) >= 2:
        moves = roll_rates.transitions(ledger, ends, buckets=buckets)
        shares = moves.shares
        flow = roll_rates.net_flow(aging.series(ledger, ends, buckets=buckets), buckets)
    young = vintage.vintages(ledger, as_of, months=len(ends))
    rates = matrix = lost = empty
    if unrecorded := told.lack("loss rates, allowance and backtest are", "write_offs"):
        notes.append(f"{unrecorded[0].upper()}{unrecorded[1:]}.")
        shares = shares.drop(columns="written_off", errors="ignore")
    else:
        lost, markov = young.lost, _markov(shares, balances, notes) if len(shares) else empty
        rates, matrix = _allowance(ledger, ends, as_of, balances, overlay, buckets, notes)
    return Losses(
        as_of=as_of,
        transitions=shares,
        net_flow=flow,
        uncollected=young.open,
        lost=lost,
        collections=_collections(young, notes),
        allowance=matrix,
        markov=markov,
        backtest=_backtest(ledger, as_of, first, buckets, notes) if len(rates) else empty,
        bridge=_bridge(ledger, as_of, first, segment, notes),
        notes=tuple(notes),
    )


def _markov(shares: pd.DataFrame, balances: pd.Series, notes: list[str]) -> pd.DataFrame:
    try:
        return roll_rates.markov_allowance(shares, balances).absorption.reset_index(names="bucket")
    except PeriodError as error:
        notes.append(f"Markov allowance: {error}")
        return pd.DataFrame()


def _allowance(
    ledger: Ledger,
    ends: pd.DatetimeIndex,
    as_of: pd.Timestamp,
    balances: pd.Series,
    overlay: float,
    buckets: aging.Buckets,
    notes: list[str],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rates observed at month ends whose twelve months are over, applied to today's balances."""
    past = ends[ends + pd.DateOffset(months=12) <= as_of]
    if len(past) == 0:
        notes.append(
            "Provision matrix: less than a year of losses is known; no loss rate can be observed "
            "yet."
        )
        return pd.DataFrame(), pd.DataFrame()
    rates = provision.observed_rates(ledger.up_to(as_of), past, buckets=buckets)
    rates = _with_unseen(rates, balances, "Provision matrix", notes)
    rows = pd.DataFrame({"group": "all", "bucket": balances.index, "open": balances.to_numpy()})
    return rates, provision.allowance(rows, rates, overlay=overlay)


def _with_unseen(
    rates: pd.DataFrame, balances: pd.Series, what: str, notes: list[str]
) -> pd.DataFrame:
    """Rates in which a bucket that holds a balance now but never did before counts as lost; the
    notes say so.
    """
    unseen = rates["rate"].isna() & rates["bucket"].map(balances).ne(0)
    if unseen.any():
        notes.append(
            f"{what}: no rate was observed for {', '.join(rates.loc[unseen, 'bucket'])}; taken as "
            "100 %."
        )
    return rates.assign(rate=rates["rate"].mask(unseen, 1.0))


def _backtest(
    ledger: Ledger,
    as_of: pd.Timestamp,
    first: pd.Timestamp,
    buckets: aging.Buckets,
    notes: list[str],
) -> pd.DataFrame:
    """The matrix of a year ago, from what was known then, against the losses of the year since."""
    before = _year_before(as_of)
    past = pd.date_range(first, before - pd.DateOffset(months=12), freq="ME")
    if len(past) == 0:
        notes.append("Backtest of the allowance: two years of data are needed.")
        return pd.DataFrame()
    then = ledger.known_by(before).up_to(before)
    rates = provision.observed_rates(then, past, buckets=buckets)
    items = aging.open_items(then, before, buckets=buckets)
    held = aging.bucket_table(items, ledger.currency, buckets=buckets).set_index("bucket")[
        "open_amount"
    ]
    rates = _with_unseen(rates, held, "Backtest of the allowance", notes)
    return provision.backtest(ledger.up_to(as_of), before, rates, buckets=buckets)


def _collections(young: vintage.Vintages, notes: list[str]) -> pd.DataFrame:
    """Chain ladder on what was collected of each invoice month, from age one on."""
    paid = (1 - young.open - young.lost).mul(young.sales, axis=0).iloc[:-1, 1:]
    try:
        return vintage.mack(paid).ultimate
    except PeriodError as error:
        notes.append(f"Chain ladder of collections: {error}")
        return pd.DataFrame()


def _bridge(
    ledger: Ledger, as_of: pd.Timestamp, first: pd.Timestamp, segment: str, notes: list[str]
) -> pd.DataFrame:
    before = _year_before(as_of)
    if before < first:
        notes.append("DSO bridge over a year: less than thirteen months of data.")
        return pd.DataFrame()
    grouped = segment in ledger.customers
    flows = (
        kpi.by_segment(ledger, as_of, segment)
        if grouped
        else {"all customers": kpi.monthly(ledger, as_of)}
    )
    try:
        return kpi.dso_bridge(flows, before, as_of)
    except PeriodError as error:  # net sales of a year at or below zero
        notes.append(f"DSO bridge over a year: {error}.")
        return pd.DataFrame()
