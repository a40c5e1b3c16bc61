"""Two replays side by side, in money, with what a replay cannot know said in the same place."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab import money
from credit_lab.backtest.replaying import READS, Replay, ground, on
from credit_lab.kpi import formulas as f
from credit_lab.ledger.model import Ledger
from credit_lab.monitoring import holds
from credit_lab.monitoring.alerts import MonitoringError
from credit_lab.periods import last_whole, parse_date
from credit_lab.policy import Policy, in_currency, need_amounts
from credit_lab.rules import coverage
from credit_lab.summary import card, figure

STATEMENT = (
    "A replay holds customers' behaviour fixed: they are assumed to have ordered and paid exactly as they did, under "
    "any policy. It cannot see orders that were refused in history, nor how customers would have answered to shorter "
    "terms, holds or letters. Payments stay on the days they had in history, also those of orders that went out later: "
    "no hold provokes a payment here. Amounts are the ledger's own, not forecasts."
)


def summary(run: Replay, policy: Policy) -> pd.DataFrame:
    """Figures of one replay over its months that are not marked.

    Returns columns metric, unit, value. Sales include tax. Turnover is annual sales over the mean of the month-end
    balances; DSO is its inverse in days (dso.average over month ends). Refused is what was lost: what did not go out
    within its waiting days. The fates of refused amounts are those of the whole invoices they belong to, in proportion.
    """
    kept = run.monthly[~run.monthly["marked"]]
    window = _unmarked(run)
    days = float(kept["days"].sum())
    sales, lost = money.total(kept["sales"]), money.total(kept["sales_lost"])
    late_sales = money.total(kept["delivered_later"])
    mean_open = float(kept["open"].mean()) if len(kept) else float("nan")
    share = (window["sales_lost"] / window["amount"]).to_numpy()
    bad, still = window["written_off"].to_numpy(), window["open"].to_numpy()
    late = np.where(window["fate"] == "paid late", window["paid"], 0.0)
    margin = lost / (1 + policy.economics.tax_rate) * (1 - policy.economics.variable_cost_ratio)
    rows = [
        ("sales allowed", "money", sales),
        ("delivered at once", "money", money.total((sales, -late_sales))),
        ("delivered later", "money", late_sales),
        ("sales refused", "money", lost),
        ("share of sales refused", "share", float(f.ratio(lost, sales + lost))),
        ("orders delivered later", "orders", float((window["delivered_later"] > 0).sum())),
        ("orders refused, whole or in part", "orders", float((window["sales_lost"] > 0).sum())),
        ("days waited, mean of orders delivered later", "days", float(window["days_waited"].mean())),
        ("receivables turnover", "times a year", float(f.turnover(sales / days * 365 if days else np.nan, mean_open))),
        ("DSO on month-end balances", "days", float(f.dso(mean_open, sales, days))),
        ("open at the end", "money", float(kept["open"].iloc[-1]) if len(kept) else float("nan")),
        ("overdue, mean of month ends", "money", float(kept["overdue"].mean()) if len(kept) else float("nan")),
        ("overdue ratio, mean", "share", float(f.ratio(kept["overdue"].sum(), kept["open"].sum()))),
        ("written off in the window", "money", money.total(kept["written_off"])),
        ("refused and later written off", "money", _of(share, bad)),
        ("refused and still open", "money", _of(share, still)),
        ("refused although paid late", "money", _of(share, late)),
        ("refused although paid in time", "money", _of(share, np.where(late, 0.0, window["paid"]))),
        ("margin given up (policy's cost ratio)", "money", margin),
        ("customers ever refused", "customers", float(window.loc[window["sales_lost"] > 0, "customer_id"].nunique())),
    ]
    return pd.DataFrame(rows, columns=["metric", "unit", "value"])


def _of(share: pd.Series | npt.NDArray[np.float64], amount: pd.Series | npt.NDArray[np.float64]) -> float:
    """Shares of amounts added up: the parts to thousandths, so that the same parts have the same sum."""
    return money.total(np.round(share * amount, 3))


def _unmarked(run: Replay) -> pd.DataFrame:
    """The invoices of a replay issued in months that are not marked."""
    months = run.invoices["issue_date"].dt.to_period("M").dt.end_time.dt.normalize().astype("datetime64[us]")
    return run.invoices[months.isin(run.monthly.loc[~run.monthly["marked"], "month"])]


def compare(a: Replay, b: Replay, policy_a: Policy, policy_b: Policy) -> pd.DataFrame:
    """Summaries of two replays and their difference: metric, unit, a, b, difference (b − a)."""
    first, second = summary(a, policy_a), summary(b, policy_b)
    values = zip(first["value"], second["value"], strict=True)
    difference = [money.total((new, -old)) for old, new in values]
    return first.rename(columns={"value": "a"}).assign(b=second["value"], difference=difference)


@dataclass(frozen=True)
class ChampionChallenger:
    """Champion a and challenger b on the same ledger.

    Attributes
    ----------
    a, b : the two replays
    comparison : metric, unit, a, b, difference
    movers : customer_id, refused_a, refused_b, difference, reason_a and reason_b (why most of it was refused), fate
        (of most of the refused amount), largest first
    waits : policy, and what longer waiting would change under it, see `Replay.waits`; over all months
    evidence : per policy what the replay knows, assumes and cannot know (see `evidence`)
    differences : settings in which the policies differ, and whether the replay reads them
    fates : what history did with the amounts each policy refused: fate, refused_a, refused_b; like `movers` and the
        comparison over the months that are not marked, so the columns add up to "sales refused"
    """

    a: Replay
    b: Replay
    comparison: pd.DataFrame
    movers: pd.DataFrame
    fates: pd.DataFrame
    waits: pd.DataFrame
    evidence: pd.DataFrame
    differences: pd.DataFrame

    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by name, as they are saved beside the report."""
        both = {f"monthly_{name}": run.monthly for name, run in (("a", self.a), ("b", self.b))}
        both |= {f"decisions_{name}": run.decisions for name, run in (("a", self.a), ("b", self.b))}
        named = {"comparison": self.comparison, "evidence": self.evidence, "movers": self.movers, "fates": self.fates}
        named |= {"waits": self.waits, "differences": self.differences}
        return named | both

    def _repr_html_(self) -> str:
        days = f"{self.a.start:%Y-%m-%d} to {self.a.end:%Y-%m-%d}"
        lines = {"replayed": days, "champion": self.a.policy, "challenger": self.b.policy}
        for one in self.comparison.itertuples():
            lines[one.metric] = " → ".join(figure(value, one.unit) for value in (one.a, one.b))
        return card("Champion and challenger, each on the same orders", lines)


def champion_challenger(
    ledger: Ledger,
    champion: Policy,
    challenger: Policy,
    *,
    start: str | pd.Timestamp = "",
    end: str | pd.Timestamp = "",
) -> ChampionChallenger:
    """Replay two policies on one ledger.

    Parameters
    ----------
    champion, challenger : the policy in force and the one that would replace it
    start, end : first and last day; empty: from the beginning, up to the last whole month

    Raises
    ------
    PeriodError
        A date is malformed, or the ledger is too short.
    MoneyNotKnown
        The amounts of a policy are not known in the ledger's currency.
    """
    last = parse_date(end, "end") if end else last_whole_month(ledger)
    first = parse_date(start, "start") if start else None
    policies = [in_currency(one, ledger.currency) for one in (champion, challenger)]
    for one in policies:
        need_amounts(one, "limits cannot be replayed")
    shared = ground(ledger, start=first, end=last)
    run_a, run_b = (on(shared, one) for one in policies)
    first_one, second = _unmarked(run_a), _unmarked(run_b)
    both = first_one[["invoice_id", "customer_id", "fate"]].assign(
        refused_a=first_one["sales_lost"],
        refused_b=second["sales_lost"],
        reason_a=first_one["reason"],
        reason_b=second["reason"],
    )
    fates = _refused(both, "fate", ledger.currency).reset_index()
    sides = [evidence(ledger, run_a, champion), evidence(ledger, run_b, challenger)]
    known = pd.concat(sides, ignore_index=True)
    table = compare(run_a, run_b, champion, challenger)
    waits = pd.concat([one.waits.assign(policy=one.policy) for one in (run_a, run_b)], ignore_index=True)
    waits = waits[["policy", *run_a.waits]]
    differing = coverage.differences(champion, challenger, READS)
    return ChampionChallenger(run_a, run_b, table, _movers(both, ledger.currency), fates, waits, known, differing)


def _refused(both: pd.DataFrame, by: str, currency: str) -> pd.DataFrame:
    """What each policy refused, added up by a column."""
    return pd.DataFrame({name: money.added(both[name], both[by], currency) for name in ("refused_a", "refused_b")})


def _movers(both: pd.DataFrame, currency: str) -> pd.DataFrame:
    """Customers the policies treat differently, each with the reason and the fate of most of what was refused."""
    amounts = ["refused_a", "refused_b"]
    rows = _refused(both, "customer_id", currency)
    rows = rows.assign(difference=money.less(rows["refused_b"], rows["refused_a"], currency))
    for name, amount in (("reason_a", "refused_a"), ("reason_b", "refused_b")):
        rows[name] = _most(both[both[amount] > 0], name, amount).reindex(rows.index).fillna("")
    rows["fate"] = _most(both.assign(either=both[amounts].max(axis=1)), "fate", "either")
    rows = rows[rows["difference"] != 0].reset_index()
    rows = rows.assign(size=rows["difference"].abs()).sort_values(["size", "customer_id"], ascending=[False, True])
    return rows.drop(columns="size").reset_index(drop=True)


def _most(rows: pd.DataFrame, what: str, amount: str) -> pd.Series:
    """Per customer the value of `what` that holds most of `amount`."""
    sums = rows.groupby(["customer_id", what])[amount].sum().reset_index()
    last = sums.sort_values(["customer_id", amount], kind="stable").drop_duplicates("customer_id", keep="last")
    return last.set_index("customer_id")[what]


def evidence(ledger: Ledger, run: Replay, policy: Policy) -> pd.DataFrame:
    """What a replay knows, assumes and cannot know, in money, from its start to its end.

    Returns policy, what, known, assumed, unknowable. The four rows on invoices add up to what was invoiced. Known:
    refused here, written off in history. Assumed: that the customer would have ordered and paid the same. Unknowable:
    refused invoices whose fate is still open, and orders that history never invoiced (refused or withdrawn; missing
    where the ledger has no orders).
    """
    rows = run.invoices
    share = (rows["sales_lost"] / rows["amount"]).to_numpy()
    went = money.total((money.total(rows["delivered_at_once"]), money.total(rows["delivered_later"])))
    lost, paid, still = (_of(share, rows[name]) for name in ("written_off", "paid", "open"))
    nothing = float("nan")
    table = [
        ("refused, and lost in history: loss avoided", lost, nothing, nothing),
        ("refused, although paid in history: sales given up", nothing, paid, nothing),
        ("granted: ordered and paid as in history", nothing, went, nothing),
        ("refused, not yet paid or lost", nothing, nothing, still),
        ("orders history never invoiced", nothing, nothing, _never_invoiced(ledger, run, policy)),
    ]
    found = pd.DataFrame(table, columns=["what", "known", "assumed", "unknowable"])
    found = found.round(money.minor_digits(ledger.currency))
    return found.assign(policy=run.policy)[["policy", "what", "known", "assumed", "unknowable"]]


def _never_invoiced(ledger: Ledger, run: Replay, policy: Policy) -> float:
    if not ledger.has("orders") or "order_id" not in ledger.invoices:
        return float("nan")
    try:
        placed = holds.orders_placed(ledger, run.start, run.end, policy.economics.tax_rate)
    except MonitoringError:  # none in the window
        return 0.0
    return money.total(placed.loc[placed["invoice_id"].isna(), "amount"])


def last_whole_month(ledger: Ledger) -> pd.Timestamp:
    """End of the last month that the ledger covers whole."""
    return last_whole(ledger.last_day, 1).end
