"""Cash forecast (现金流预测): receipts per week or month from open items and sales to come, with honest intervals.

Every open item, and every invoice still to be issued, has a payment curve. Adding up independent draws from the curves
gives intervals far too narrow: customers pay in runs (their items come or stay away together) and whole weeks go well
or badly. So a run of the simulation multiplies the hazards by shocks: one per period for all, one per customer for
all periods (how well its habit is known), one per customer and period. Their sizes are learned from the past
(`learn_shocks`); `Shocks(0, 0, 0)` shows the intervals without.

Sales to come are drawn as whole past weeks of issued invoices (a block bootstrap: Künsch 1989, Ann. Stat. 17:1217), so
the customer mix and lumps stay as they are; a sales plan can be given instead.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab.collection.cells import CollectionError, Floats, Ints, day_number
from credit_lab.collection.payment_time import PaymentTime
from credit_lab.collection.spells import Spells
from credit_lab.compiled import njit
from credit_lab.kpi.formulas import ratio
from credit_lab.periods import takes_days

DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class Shocks:
    """Standard deviations of the logarithm of the hazard's shocks.

    period : common to all customers within a period
    customer_period : of one customer within a period
    habit : whether a customer's own level is drawn from what is known about it (Gamma with its payments + κ)
    """

    period: float = 0.1
    customer_period: float = 0.5
    habit: bool = True

    @classmethod
    def none(cls) -> "Shocks":
        """Independent items: too narrow, kept to show by how much."""
        return cls(0.0, 0.0, False)


@dataclass(frozen=True)
class Sales:
    """Sales to come: weeks of the past that are drawn from, and growth of amounts over them (0.05 = 5 %)."""

    weeks: int = 13
    growth: float = 0.0


@dataclass(frozen=True)
class CashForecast:
    """Simulated receipts.

    total : period_start, period_end, mean, p10, p50, p90, open_items (mean from items open now), new_sales (mean)
    by_customer : customer_id, period_end, mean, p10, p50, p90 (empty unless asked for)
    draws : replicates × periods, receipts in currency units
    as_of : last day known; shocks : used
    """

    total: pd.DataFrame
    by_customer: pd.DataFrame
    draws: Floats
    as_of: pd.Timestamp
    shocks: Shocks


@dataclass(frozen=True)
class _Items:
    """Items sorted by customer: code, amount, hazard per period, source week (-1: open now), payments known."""

    names: pd.Index
    code: Ints
    amount: Floats
    hazard: Floats
    week: Ints
    known: Floats


@takes_days
def period_ends(as_of: pd.Timestamp, count: int, *, freq: str = "W-SUN") -> pd.DatetimeIndex:
    """Ends of the next `count` periods after `as_of`: weeks ("W-SUN") or months ("ME")."""
    return pd.date_range(as_of + DAY, periods=count, freq=freq).normalize()


def forecast(
    model: PaymentTime,
    known: Spells,
    ends: pd.DatetimeIndex,
    *,
    rng: np.random.Generator,
    shocks: Shocks | None = None,
    sales: Sales | None = None,
    plan: pd.DataFrame | None = None,
    replicates: int = 1000,
    customers: bool = False,
) -> CashForecast:
    """Receipts per period after `known.as_of`.

    Parameters
    ----------
    model : fitted on what was known at `known.as_of`
    known : spells and open items
    ends : last days of the periods (`period_ends`)
    sales : how sales to come are drawn; None: open items only, unless `plan` is given
    plan : invoices to come: customer_id, issue_date, due_date, amount and the model's factor columns
    customers : also give the table by customer

    Raises
    ------
    CollectionError
        No open item and no sales to come, or periods that begin before the forecast.
    """
    shocks = shocks or Shocks()
    if len(ends) == 0 or ends[0] <= known.as_of:
        raise CollectionError(f"cash forecast: periods must end after {known.as_of.date()}")
    items = _items(model, known, ends, sales, plan)
    if len(items.code) == 0:
        raise CollectionError(f"cash forecast as of {known.as_of.date()}: nothing is open and no sales are to come")
    draws = np.zeros((replicates, len(ends)))
    opened = np.zeros(len(ends))
    common = _log_normal(rng, shocks.period, (replicates, len(ends)))
    weeks, spread = _sales_weeks(items, ends, known, sales, rng, replicates)
    rows = []
    for name, part in _by_customer(items):
        mine, from_open = _simulate(items, part, common, weeks, spread, shocks, model.habit.kappa, rng)
        draws += mine
        opened += from_open
        if customers:
            rows.append(_quantiles(mine, ends).assign(customer_id=name))
    total = _quantiles(draws, ends).assign(open_items=opened, new_sales=draws.mean(axis=0) - opened)
    total.insert(0, "period_start", [known.as_of + DAY, *(ends[:-1] + DAY)])
    detail = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame({"customer_id": pd.Series(dtype="str")})
    return CashForecast(total, detail, draws, known.as_of, shocks)


def _quantiles(draws: Floats, ends: pd.DatetimeIndex) -> pd.DataFrame:
    low, middle, high = np.quantile(draws, [0.1, 0.5, 0.9], axis=0)
    return pd.DataFrame({"period_end": ends, "mean": draws.mean(axis=0), "p10": low, "p50": middle, "p90": high})


def _items(
    model: PaymentTime, known: Spells, ends: pd.DatetimeIndex, sales: Sales | None, plan: pd.DataFrame | None
) -> _Items:
    parts = []
    if len(known.open_rows):
        amount = known.open_rows["open_amount" if "open_amount" in known.open_rows else "amount"]
        parts.append((known.open_rows.assign(open_amount=amount), np.full(len(known.open_rows), -1)))
    if plan is not None and len(plan):
        rows = plan.assign(from_day=plan["issue_date"], open_amount=plan["amount"])
        parts.append((rows, np.full(len(rows), -2)))
    hazards = [_per_period(model, rows, ends) for rows, _ in parts]
    if sales is not None:
        past, week = _past_weeks(known, sales)
        if len(past):
            length = len(ends)
            relative = _per_period(model, past, _week_ends(known.as_of, length * _weeks_per(ends)))
            parts.append((past.assign(open_amount=past["amount"] * (1 + sales.growth)), week))
            hazards.append((relative[0], relative[1]))
    if not parts:
        empty = np.zeros(0)
        return _Items(pd.Index([]), empty.astype(int), empty, np.zeros((0, len(ends))), empty.astype(int), empty)
    width = max(h.shape[1] for h, _ in hazards)
    hazard = np.concatenate([np.pad(h, ((0, 0), (0, width - h.shape[1]))) for h, _ in hazards])
    who = pd.concat([rows["customer_id"] for rows, _ in parts], ignore_index=True).astype("str")
    code, names = pd.factorize(who, sort=True)
    order = np.argsort(code, kind="stable")
    amount = np.concatenate([rows["open_amount"].to_numpy(dtype=float) for rows, _ in parts])
    week = np.concatenate([w for _, w in parts]).astype(np.int64)
    count = np.concatenate([n for _, n in hazards])
    return _Items(pd.Index(names), code[order], amount[order], hazard[order], week[order], count[order])


def _per_period(model: PaymentTime, rows: pd.DataFrame, ends: pd.DatetimeIndex) -> tuple[Floats, Floats]:
    """Cumulative hazard −log(1 − F) of each item within each period, and the payments known of its customer."""
    last = day_number(pd.Series(ends))
    first = day_number(rows["from_day"])
    horizon = int(max(last[-1] - first.min(), 1))
    result, known = [], []
    for begin in range(0, len(rows), 4000):
        part = rows.iloc[begin : begin + 4000]
        curves = model.curves(part, horizon=horizon)
        total = -np.log1p(-np.minimum(curves.paid_by, 1 - 1e-12))
        at = last[None, :] - first[begin : begin + 4000, None]
        reached = np.where(at >= 0, np.take_along_axis(total, np.clip(at, 0, horizon), axis=1), 0.0)
        result.append(np.diff(np.column_stack([np.zeros(len(part)), reached]), axis=1))
        known.append(curves.known)
    return np.concatenate(result), np.concatenate(known)


def _past_weeks(known: Spells, sales: Sales) -> tuple[pd.DataFrame, Ints]:
    """Invoices of the last weeks, moved by whole weeks into the first week ahead, and the week they came from."""
    table = known.table[known.table["start"] == known.table["issue_date"]]
    back = (known.as_of - table["issue_date"]).dt.days // 7
    table, back = table[back < sales.weeks], back[back < sales.weeks]
    shift = pd.to_timedelta(7 * (back + 1), unit="D")
    rows = table.drop(columns=["start", "stop", "paid"]).assign(
        issue_date=table["issue_date"] + shift, due_date=table["due_date"] + shift
    )
    rows = rows.assign(from_day=rows["issue_date"])
    return rows, back.to_numpy(dtype=np.int64)


def _week_ends(as_of: pd.Timestamp, count: int) -> pd.DatetimeIndex:
    return pd.date_range(as_of + 7 * DAY, periods=count, freq="7D")


def _weeks_per(ends: pd.DatetimeIndex) -> int:
    return 1 if len(ends) < 2 or (ends[1] - ends[0]).days <= 7 else 5


def _sales_weeks(
    items: _Items,
    ends: pd.DatetimeIndex,
    known: Spells,
    sales: Sales | None,
    rng: np.random.Generator,
    replicates: int,
) -> tuple[Ints, Ints]:
    """Which past week each future week repeats (replicates × weeks), and in which period the weeks ahead end."""
    weeks = int(np.ceil((ends[-1] - known.as_of).days / 7))
    middle = _week_ends(known.as_of, weeks) - 3 * DAY
    of_period = np.searchsorted(ends.to_numpy(), middle.to_numpy())
    if sales is None:
        return np.full((replicates, weeks), -9, dtype=np.int64), of_period.astype(np.int64)
    have = max(int(items.week.max(initial=-1)) + 1, 1)
    return rng.integers(0, have, (replicates, weeks)), of_period.astype(np.int64)


def _by_customer(items: _Items) -> Iterator[tuple[str, slice]]:
    begin = np.searchsorted(items.code, np.arange(len(items.names) + 1))
    for number, name in enumerate(items.names):
        yield str(name), slice(int(begin[number]), int(begin[number + 1]))


def _simulate(
    items: _Items,
    part: slice,
    common: Floats,
    weeks: Ints,
    of_period: Ints,
    shocks: Shocks,
    kappa: float,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Receipts of one customer (replicates × periods), and their mean from items open now."""
    replicates, periods = common.shape
    sure = float(items.known[part].max()) + kappa
    level = np.asarray(rng.gamma(sure, 1 / sure, replicates)) if shocks.habit else np.ones(replicates)
    own = _log_normal(rng, shocks.customer_period, common.shape)
    factor = common * own * level[:, None]
    week = items.week[part]
    first = week < 0
    amount, hazard = items.amount[part], items.hazard[part]
    clock = rng.exponential(size=(replicates, int(first.sum())))
    result = np.zeros((replicates, periods))
    _open_items(clock, hazard[first][:, :periods].copy(), amount[first], factor, result)
    from_open = result.mean(axis=0)
    if (~first).any():
        order = np.argsort(week[~first], kind="stable")
        mine = week[~first][order]
        begin = np.searchsorted(mine, np.arange(int(weeks.max()) + 2))
        _new_sales(rng, weeks, begin, hazard[~first][order], amount[~first][order], factor, of_period, result)
    return result, from_open


def _log_normal(rng: np.random.Generator, deviation: float, shape: tuple[int, ...]) -> Floats:
    """Shocks with mean 1."""
    return np.exp(deviation * rng.standard_normal(shape) - deviation**2 / 2)


@njit()
def _open_items(clock, hazard, amount, factor, result):  # type: ignore[no-untyped-def] # pragma: no cover
    for r in range(len(clock)):
        for i in range(len(amount)):
            left = clock[r, i]
            for p in range(hazard.shape[1]):
                left -= hazard[i, p] * factor[r, p]
                if left <= 0:
                    result[r, p] += amount[i]
                    break


@njit()
def _new_sales(rng, weeks, begin, hazard, amount, factor, of_period, result):  # type: ignore[no-untyped-def] # pragma: no cover
    """Week w ahead repeats a past week: its invoices pay along their curve, moved w weeks on."""
    ahead, periods = weeks.shape[1], result.shape[1]
    for r in range(len(weeks)):
        for w in range(ahead):
            source = weeks[r, w]
            for i in range(begin[source], begin[source + 1]):
                left = rng.standard_exponential()
                for k in range(ahead - w):
                    p = of_period[w + k]
                    if p >= periods:
                        break
                    left -= hazard[i, k] * factor[r, p]
                    if left <= 0:
                        result[r, p] += amount[i]
                        break


def learn_shocks(
    model: PaymentTime, known: Spells, *, origins: int = 12, spacing_days: int = 7, minimum: float = 0.02
) -> Shocks:
    """Sizes of the shocks from the model's own misses in the weeks before `known.as_of`.

    For each of the last weeks, the items open at its start are forecast one week ahead with what was known then. Of the
    amounts received A with forecast μ and independent variance v, the excess Σ((A − μ)² − v) / Σ g², g the change of μ
    per unit of shock, is the variance of the shock: per customer and week, and for the week's total with the
    customers' part taken off (method of moments; the model's coefficients are those of `known.as_of`, so the sizes are
    slightly flattered).
    """
    own_top = own_base = all_top = all_base = 0.0
    for back in range(1, origins + 1):
        origin = known.as_of - pd.Timedelta(days=back * spacing_days)
        rows = known.table[(known.table["start"] <= origin) & (known.table["stop"] > origin)]
        if rows.empty:
            continue
        horizon = spacing_days - 1
        curves = model.curves(rows.assign(from_day=origin + DAY), horizon=horizon)
        p = curves.paid_by[:, -1]
        slope = -(1 - p) * np.log1p(-np.minimum(p, 1 - 1e-9))  # dp per unit of log shock
        came = (rows["paid"] & (rows["stop"] <= origin + pd.Timedelta(days=spacing_days))).to_numpy()
        amount = rows["amount"].to_numpy()
        table = pd.DataFrame(
            {
                "miss": amount * (came - p), "var": amount**2 * p * (1 - p), "slope": amount * slope,
                "who": rows["customer_id"].to_numpy(),
            }
        ).groupby("who").sum()  # fmt: skip
        own_top += float((table["miss"] ** 2 - table["var"]).sum())
        own_base += float((table["slope"] ** 2).sum())
        all_top += float(table["miss"].sum() ** 2 - (table["miss"] ** 2).sum())
        all_base += float(table["slope"].sum() ** 2 - (table["slope"] ** 2).sum())
    both = own_top / own_base if own_base > 0 else 0.0
    excess = all_top / all_base if all_base > 0 else 0.0
    shared = min(max(excess, minimum**2), 4.0)
    single = min(max(both - shared, minimum**2), 4.0)
    return Shocks(period=shared**0.5, customer_period=single**0.5, habit=False)  # the excess holds that already


def customer_median_forecast(known: Spells, ends: pd.DatetimeIndex, *, sales: Sales | None = None) -> Floats:
    """Point forecast everybody can make: each item comes on its due date plus the customer's median delay.

    What should have come already is expected on the next day; sales to come repeat the mean of the past weeks.
    """
    rows = known.open_rows
    amount = rows["open_amount" if "open_amount" in rows else "amount"].to_numpy()
    delay = pd.to_timedelta(rows["past_median"].fillna(0).round(), unit="D")
    day = np.maximum((rows["due_date"] + delay).to_numpy(), np.datetime64(known.as_of + DAY))
    total = np.zeros(len(ends) + 1)
    np.add.at(total, np.searchsorted(ends.to_numpy(), day), amount)
    if sales is not None:
        past, _ = _past_weeks(known, sales)
        delay = pd.to_timedelta(past["past_median"].fillna(0).round(), unit="D")
        expected = np.maximum(past["due_date"] + delay, past["issue_date"])
        for week in range(int(np.ceil((ends[-1] - known.as_of).days / 7))):
            day = (expected + pd.Timedelta(days=7 * week)).to_numpy()
            np.add.at(total, np.searchsorted(ends.to_numpy(), day), past["amount"].to_numpy() / sales.weeks)
    return total[:-1]


@takes_days
def naive_forecast(receipts: pd.Series, ends: pd.DatetimeIndex, *, as_of: pd.Timestamp) -> Floats:
    """Receipts of the last period of the same length before `as_of`, for every period ahead; receipts by day."""
    starts = [as_of, *ends[:-1]]
    values = []
    for begin, end in zip(starts, ends, strict=True):
        length = end - begin
        values.append(float(receipts[(receipts.index > as_of - length) & (receipts.index <= as_of)].sum()))
    return np.array(values)


def wape(forecast_: Floats, observed: Floats) -> float:
    """Weighted absolute percentage error: Σ|forecast − observed| / Σ|observed|; NaN where nothing came."""
    missed = float(np.abs(np.asarray(forecast_) - np.asarray(observed)).sum())
    return float(ratio(missed, float(np.abs(np.asarray(observed)).sum())))


def track(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of past forecasts: made_on, period_end, p10, p50, p90, naive, customer_median, observed (NaN: open).

    Returns one row per `made_on` and one "all": forecasts, coverage of [p10, p90], wape, wape_naive,
    wape_customer_median, bias (Σ p50 / Σ observed − 1).
    """
    needed = ("made_on", "period_end", "p10", "p50", "p90", "naive", "customer_median", "observed")
    missing = [name for name in needed if name not in forecasts]
    if missing:
        raise CollectionError(f"cash forecast tracking: the table lacks {', '.join(missing)}")
    done = forecasts[forecasts["observed"].notna()]
    if done.empty:
        raise CollectionError("cash forecast tracking: no forecast period is over yet")
    rows = []
    for made_on, part in [*done.groupby("made_on", sort=True), ("all", done)]:
        seen = part["observed"].to_numpy()
        rows.append(
            {
                "made_on": str(made_on)[:10],
                "forecasts": len(part),
                "coverage": float(((seen >= part["p10"]) & (seen <= part["p90"])).mean()),
                "wape": wape(part["p50"], seen),
                "wape_naive": wape(part["naive"], seen),
                "wape_customer_median": wape(part["customer_median"], seen),
                "bias": float(ratio(float(part["p50"].sum()), float(seen.sum()))) - 1,
            }
        )
    return pd.DataFrame(rows)
