"""Five mirages of credit policy: each naive figure beside a corrected one, and a flag when they tell different tales.

`season`, `growth`, `regression_to_mean`, `few_large_losses`, `closed_only`. Each returns a `Guard`; `table` puts
several together for the report. Changes are fractions (-0.167 is 16.7 % less).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab.backtest.effects import DesignError, monthly, refuse
from credit_lab.periods import takes_days

TOLERANCE = 0.05


@dataclass(frozen=True)
class Guard:
    """A naive figure, the corrected one, and whether the difference matters.

    mirage : which of the five. unit : "change" (fraction) or "days". flag : True when naive and corrected differ by
    more than the tolerance (5 points, or a tenth for days) or the naive figure rests on chance. why : one sentence.
    detail : the table behind the figures.
    """

    mirage: str
    naive: float
    corrected: float
    unit: str
    flag: bool
    why: str
    detail: pd.DataFrame


def table(guards: list[Guard]) -> pd.DataFrame:
    """One row per guard: mirage, naive, corrected, unit, flag, why."""
    names = ["mirage", "naive", "corrected", "unit", "flag", "why"]
    return pd.DataFrame([[getattr(guard, name) for name in names] for guard in guards], columns=names)


@takes_days
def season(series: pd.Series, policy_date: pd.Timestamp, *, months: int = 6, tolerance: float = TOLERANCE) -> Guard:
    """Season: the months after against the months before, and against the same months of the year before.

    The corrected figure divides by the change the same calendar months made over the previous year's split.
    """
    tidy = monthly(series, "guards.season")
    after = tidy[tidy.index >= policy_date].head(months)
    before = tidy[tidy.index < policy_date].tail(months)
    year = pd.DateOffset(years=1)
    same_after = tidy.reindex((after.index - year) + pd.offsets.MonthEnd(0))
    same_before = tidy.reindex((before.index - year) + pd.offsets.MonthEnd(0))
    if len(after) < months or same_before.isna().any() or same_after.isna().any():
        raise refuse(
            "guards.season",
            f"{months} months after {policy_date.date()} and {months} before it, each with the same month of the year "
            "before, are needed",
            "fewer months, or its.estimate with one harmonic",
        )
    naive = float(after.mean() / before.mean() - 1)
    usual = float(same_after.mean() / same_before.mean() - 1)
    corrected = (1 + naive) / (1 + usual) - 1
    detail = pd.DataFrame(
        {
            "window": ["before", "after", "before, year earlier", "after, year earlier"],
            "mean": [before.mean(), after.mean(), same_before.mean(), same_after.mean()],
        }
    )
    why = f"the same calendar months changed by {usual:+.1%} a year earlier without the policy"
    return Guard("season", naive, corrected, "change", not abs(naive - corrected) <= tolerance, why, detail)


@takes_days
def growth(
    sales: pd.Series,
    losses: pd.Series,
    policy_date: pd.Timestamp,
    *,
    lag: int = 12,
    months: int = 12,
    tolerance: float = TOLERANCE,
) -> Guard:
    """Growth against lagged losses: write-offs over current sales, and over the sales they came from `lag` months ago.

    With sales growing g a year and losses a year late the naive rate falls by 1 - 1/(1+g) though no vintage improves
    (20 % growth: -16.7 %), once growth begins.
    """
    sold, lost = monthly(sales, "guards.growth"), monthly(losses, "guards.growth")
    if not sold.index.equals(lost.index):
        raise DesignError("guards.growth: sales and losses must cover the same months")
    origin = sold.shift(lag)
    spans = {"before": sold.index < policy_date, "after": sold.index >= policy_date}
    rows = []
    for name, pick in spans.items():
        index = sold.index[pick][-months:] if name == "before" else sold.index[pick][:months]
        if len(index) < months or origin[index].isna().any():
            raise refuse(
                "guards.growth",
                f"{name}: {months} months, each with sales {lag} months earlier, are needed",
                "fewer months, or invoice vintages at a fixed age",
            )
        rows.append((name, lost[index].sum(), sold[index].sum(), origin[index].sum()))
    detail = pd.DataFrame(rows, columns=["window", "losses", "sales", "sales_of_origin"])
    detail = detail.assign(
        naive_rate=detail["losses"] / detail["sales"], vintage_rate=detail["losses"] / detail["sales_of_origin"]
    )
    if not (detail[["losses", "sales", "sales_of_origin"]].to_numpy() > 0).all():
        raise refuse(
            "guards.growth", "net losses and net sales above zero before and after are needed", "none with these months"
        )
    naive, corrected = (float(detail[c][1] / detail[c][0] - 1) for c in ("naive_rate", "vintage_rate"))
    why = f"sales changed by {detail['sales'][1] / detail['sales'][0] - 1:+.1%}, losses come {lag} months later"
    return Guard(
        "growth against lagged losses", naive, corrected, "change", not abs(naive - corrected) <= tolerance, why, detail
    )


def regression_to_mean(
    panel: pd.DataFrame,
    *,
    signal: str,
    period: object,
    unit: str = "customer_id",
    when: str = "month",
    share: float = 0.2,
    tolerance: float = TOLERANCE,
) -> Guard:
    """Regression to the mean: the worst `share` of the period before, followed into `period`.

    Naive: chosen and measured on the same period t-1. Corrected: chosen on t-2, change measured from t-1 to t; what
    is left there happened after the choosing.
    """
    wide = panel.pivot_table(index=unit, columns=when, values=signal, aggfunc="mean").sort_index(axis=1)
    if period not in wide.columns:
        raise DesignError(f"guards.regression_to_mean: period {period} is not in the data")
    place = wide.columns.get_loc(period)
    if not isinstance(place, int) or place < 2:
        raise refuse("guards.regression_to_mean", "two periods before are needed", "a control group not selected")
    last = wide.iloc[:, place - 2 : place + 1].dropna()
    count = int(np.ceil(share * len(last)))
    if count < 5:
        raise refuse("guards.regression_to_mean", f"{count} customers selected, 5 are needed", "a larger share")
    t2, t1, t0 = (last.iloc[:, k] for k in range(3))
    rows = []
    for name, chosen_on in (("naive", t1), ("corrected", t2)):
        worst = chosen_on.sort_values(ascending=False, kind="stable").index[:count]
        rows.append((name, count, t1[worst].mean(), t0[worst].mean()))
    detail = pd.DataFrame(rows, columns=["selection", "customers", "before", "after"])
    if (detail["before"] <= 0).any():
        raise DesignError("guards.regression_to_mean: the signal's mean is not positive, no relative change exists")
    naive, corrected = (detail["after"] / detail["before"] - 1).tolist()
    why = f"the worst {share:.0%} were chosen on the same period they are compared with"
    return Guard(
        "regression to the mean", naive, corrected, "change", not abs(naive - corrected) <= tolerance, why, detail
    )


def few_large_losses(
    before: pd.DataFrame,
    after: pd.DataFrame,
    *,
    loss: str = "loss",
    per: str = "sales",
    rng: np.random.Generator,
    top: int = 3,
    draws: int = 2000,
    level: float = 0.95,
) -> Guard:
    """Few large losses: change of the amount rate, and of the share of customers with a loss.

    `before` and `after` hold one row per customer. The interval of the naive change is a bootstrap over customers;
    the flag is raised when it contains zero or the `top` losses make up more than half of all losses.
    """
    rates, counts = [], []
    for part in (before, after):
        if part[per].sum() <= 0:
            raise DesignError(f"guards.few_large_losses: {per} sums to nothing")
        rates.append(part[loss].sum() / part[per].sum())
        counts.append(float((part[loss] > 0).mean()))
    if rates[0] <= 0:
        raise refuse("guards.few_large_losses", "no loss before the policy", "design.minimum_detectable, then wait")
    naive = float(rates[1] / rates[0] - 1)
    corrected = float(counts[1] / counts[0] - 1)
    drawn = [
        _bootstrap_rate(part[loss].to_numpy(float), part[per].to_numpy(float), rng, draws) for part in (before, after)
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        change = drawn[1] / drawn[0] - 1
    tail = (1 - level) / 2
    low, high = (float(np.nanquantile(change, q, method="nearest")) for q in (tail, 1 - tail))
    everything = pd.concat([before[loss], after[loss]]).sort_values(ascending=False)
    share = float(everything.head(top).sum() / everything.sum())
    detail = pd.DataFrame(
        {
            "window": ["before", "after"],
            "customers": [len(before), len(after)],
            "with_loss": [int((before[loss] > 0).sum()), int((after[loss] > 0).sum())],
            "amount_rate": rates,
            "largest": [before[loss].max(), after[loss].max()],
        }
    )
    why = f"the {top} largest losses are {share:.0%} of all; by chance the change lies in {low:+.0%} to {high:+.0%}"
    return Guard("few large losses", naive, corrected, "change", bool(low <= 0 <= high or share > 0.5), why, detail)


def _bootstrap_rate(loss: np.ndarray, per: np.ndarray, rng: np.random.Generator, draws: int) -> np.ndarray:
    rates = np.empty(draws)
    for k in range(draws):
        pick = rng.integers(0, len(loss), len(loss))
        rates[k] = loss[pick].sum() / per[pick].sum()
    return rates


@takes_days
def closed_only(issued: pd.Series, settled: pd.Series, as_of: pd.Timestamp, *, tolerance: float = 0.10) -> Guard:
    """Closed-only payment times: median days of settled invoices, and the Kaplan-Meier median that keeps open ones.

    `settled` is NaT, or later than `as_of`, for invoices open then; an invoice issued later takes no part.
    """
    known = issued <= as_of
    if not known.any():
        raise DesignError(f"guards.closed_only: no invoice was issued by {as_of.date()}")
    closed = known & (settled <= as_of)
    end = settled.where(closed, as_of)[known]
    days = (end - issued[known]).dt.days.to_numpy(dtype=float)
    done = closed[known].to_numpy()
    if not done.any():
        raise refuse("guards.closed_only", "no invoice is settled", "a later date")
    naive = float(np.median(days[done]))
    curve = kaplan_meier(days, done)
    under = curve[curve["open_share"] <= 0.5]
    corrected = float(under["days"].iloc[0]) if len(under) else float("nan")
    detail = pd.DataFrame(
        {
            "invoices": [int(known.sum())],
            "open": [int((~done).sum())],
            "mean_closed": [float(days[done].mean())],
            "median_closed": [naive],
            "median_all": [corrected],
        }
    )
    differ = not abs(naive - corrected) <= tolerance * corrected
    why = f"{(~done).mean():.0%} of the invoices are open and take longer than those already closed"
    return Guard("closed-only payment times", naive, corrected, "days", differ, why, detail)


def kaplan_meier(days: np.ndarray, done: np.ndarray) -> pd.DataFrame:
    """Share of invoices still open after each number of days: days, at_risk, settled, open_share.

    Kaplan & Meier (1958) J. Am. Stat. Assoc. 53:457; an invoice still open at `days` counts as at risk on that day.
    """
    values, place = np.unique(days, return_inverse=True)
    settled = np.bincount(place, weights=done.astype(float))
    leaving = np.bincount(place)
    at_risk = len(days) - np.r_[0, leaving.cumsum()[:-1]]
    return pd.DataFrame(
        {"days": values, "at_risk": at_risk, "settled": settled, "open_share": np.cumprod(1 - settled / at_risk)}
    )
