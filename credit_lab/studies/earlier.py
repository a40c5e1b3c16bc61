"""Forecasts: those a review makes, and those earlier reviews made against what came.

Three kinds: `cash`, receipts of a week with an 80 % interval; `loss allowance`, what open invoices
lose within twelve months; `expected default`, exposure of the customers who fail within twelve
months (`rules.default`).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab import history
from credit_lab.aging import provision
from credit_lab.backtest import forecast_checks
from credit_lab.collection import cash_forecast
from credit_lab.ledger.model import Ledger
from credit_lab.policy import Policy
from credit_lab.studies.record import Record
from credit_lab.studies.text import money_text

CASH, LOSS, DEFAULT = "cash", "loss allowance", "expected default"
LEVEL = 0.8


@dataclass(frozen=True)
class Earlier(Record, prefix="earlier_"):
    """Earlier forecasts that have come due.

    Attributes
    ----------
    forecasts : name, made_on, target, point, low, high, observed, naive, judged (hit, miss, or
        error as share of what came where the forecast has no interval)
    scores : name, made_on, forecasts, coverage with binomial interval, ok, width, error,
        naive_error, skill, pinball (mean loss of the low, middle and high quantile)
    lines : findings, or why there are none
    """

    forecasts: pd.DataFrame
    scores: pd.DataFrame
    lines: tuple[str, ...]


def made(
    ledger: Ledger,
    as_of: pd.Timestamp,
    weekly: pd.DataFrame,
    allowance: pd.DataFrame,
    grades: pd.DataFrame,
) -> pd.DataFrame:
    """What a review of today forecasts, for the registry (columns `forecast_checks.FORECASTS`).

    Parameters
    ----------
    weekly : period_start, period_end, p10, p50, p90 of the cash forecast, or empty
    allowance : provision matrix (allowance per bucket), or empty
    grades : expected_default per grade, or empty
    """
    rows: list[tuple[object, ...]] = []
    today, year = str(as_of.date()), str((as_of + pd.DateOffset(months=12)).date())
    if len(weekly):
        receipts = ledger.payments.groupby("paid_date")["amount"].sum().sort_index()
        ends = pd.DatetimeIndex(weekly["period_end"])
        naive = cash_forecast.naive_forecast(receipts[receipts.index <= as_of], ends, as_of=as_of)
        starts = [as_of, *ends[:-1]]
        rows += [
            (
                CASH,
                str(start.date()),
                str(row.period_end.date()),
                row.p50,
                row.p10,
                row.p90,
                LEVEL,
                guess,
            )
            for start, row, guess in zip(starts, weekly.itertuples(), naive, strict=True)
        ]
    for name, table, column in (
        (LOSS, allowance, "allowance"),
        (DEFAULT, grades, "expected_default"),
    ):
        if len(table):
            rows.append((name, today, year, float(table[column].sum()), None, None, None, None))
    columns = [name for name in forecast_checks.FORECASTS if name != "unit"]
    return pd.DataFrame(rows, columns=columns).assign(unit=ledger.currency)[
        list(forecast_checks.FORECASTS)
    ]


def judge(
    known: pd.DataFrame | None,
    ledger: Ledger,
    as_of: pd.Timestamp,
    policy: Policy | None = None,
) -> Earlier:
    """Earlier forecasts about this ledger that have come due by `as_of`, against what the ledger
    says now.

    Parameters
    ----------
    known : forecasts of earlier runs (`publish.registry.forecasts`); None where no registry was
        given
    as_of : last day known
    policy : says what failed means; None: as shipped
    """
    if known is None:
        return Earlier(
            pd.DataFrame(),
            pd.DataFrame(),
            ("No registry of earlier runs was given (parameter registry).",),
        )
    # A week that the books do not yet reach to its end has not come; months end with the month of
    # the last document.
    last = min(as_of, ledger.last_day)
    over = known["target"] <= known["name"].map({CASH: last}).fillna(
        min(as_of, last + pd.offsets.MonthEnd(0))
    )
    due = known[over & (known["unit"] == ledger.currency)].reset_index(drop=True)
    if due.empty:
        waiting = f"; {len(known)} are still open" if len(known) else ""
        return Earlier(
            pd.DataFrame(),
            pd.DataFrame(),
            (f"No forecast of an earlier review has come due{waiting}.",),
        )
    due = due.assign(observed=_observed(due, ledger, as_of, policy))
    due = due[due["observed"].notna()].reset_index(drop=True)
    ranged = due[due["low"].notna()]
    scores = (
        pd.concat([_scores(name, part) for name, part in ranged.groupby("name")])
        if len(ranged)
        else pd.DataFrame()
    )
    shown = ["name", "made_on", "target", "point", "low", "high", "observed", "naive"]
    return Earlier(
        due[shown].assign(judged=_judged(due)), scores, tuple(_lines(due, ledger.currency))
    )


def _observed(
    due: pd.DataFrame, ledger: Ledger, as_of: pd.Timestamp, policy: Policy | None
) -> list[float]:
    """What came, as the ledger says today about times up to `as_of`."""
    receipts = ledger.payments[ledger.payments["paid_date"] <= as_of]
    now = ledger.up_to(as_of)
    asked = (due["name"] == DEFAULT).any()
    months = history.build(ledger, as_of, policy=policy) if asked else pd.DataFrame()
    found = []
    for row in due.itertuples():
        if row.name == CASH:
            inside = (receipts["paid_date"] > row.start) & (receipts["paid_date"] <= row.target)
            found.append(float(receipts.loc[inside, "amount"].sum()))
        elif row.name == LOSS:
            found.append(
                float(provision.observed_rates(now, pd.DatetimeIndex([row.made_on]))["lost"].sum())
            )
        else:
            then = months[months["month"] == row.made_on]
            bad = then["next_12m_failed"].fillna(False).astype(bool)
            found.append(
                float(then.loc[bad, "exposure"].clip(lower=0).sum()) if len(then) else np.nan
            )
    return found


def _scores(name: str, part: pd.DataFrame) -> pd.DataFrame:
    level = float(part["level"].iloc[0])
    table = forecast_checks.review(part.rename(columns={"point": "median"}), nominal=level)
    tail = (1 - level) / 2
    loss = np.mean(
        [
            forecast_checks.pinball(part["observed"].to_numpy(), part[column].to_numpy(), level=at)
            for column, at in (("low", tail), ("point", 0.5), ("high", 1 - tail))
        ],
        axis=0,
    )
    mean = pd.Series(loss).groupby(part["made_on"].to_numpy()).mean()
    return table.assign(name=name, pinball=table["made_on"].map(mean))[
        ["name", *table.columns, "pinball"]
    ]


def _judged(due: pd.DataFrame) -> list[str]:
    inside = due["observed"].between(due["low"], due["high"])
    ranged = due["low"].notna()
    return [
        ("hit" if hit else "miss")
        if has
        else (f"{point / seen - 1:+.0%}" if seen else "nothing came")
        for hit, has, point, seen in zip(inside, ranged, due["point"], due["observed"], strict=True)
    ]


def _lines(due: pd.DataFrame, currency: str) -> list[str]:
    lines = []
    for name, part in due[due["low"].notna()].groupby("name"):
        level, hits = (
            float(part["level"].iloc[0]),
            int(part["observed"].between(part["low"], part["high"]).sum()),
        )
        low, high = forecast_checks.binomial_interval(hits, len(part))
        fits = (
            "as promised, as far as so few can tell"
            if low <= level <= high
            else (
                "fewer than promised: the intervals are too narrow"
                if high < level
                else "more than promised: too wide"
            )
        )
        error, naive = ((part[key] - part["observed"]).abs().mean() for key in ("point", "naive"))
        lines.append(
            f"Earlier forecasts of {name}: {hits} of {len(part)} lay inside their {level:.0%} "
            f"intervals ({low:.0%} to {high:.0%} by chance), {fits}; mean error "
            f"{money_text(error, currency)} against {money_text(naive, currency)} for the receipts "
            "of the week before."
        )
    for row in due[due["low"].isna()].itertuples():
        lines.append(
            f"The {row.name} of {row.made_on.date()} was {money_text(row.point, currency)}; "
            f"{money_text(row.observed, currency)} came of it within twelve months."
        )
    return lines
