"""KPIs of a period end from monthly flows, each row with its formula id, and how DSO moved between two dates."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd

from credit_lab import knowledge, money, summary
from credit_lab.errors import PeriodError
from credit_lab.kpi import formulas as f
from credit_lab.kpi.flows import unknown
from credit_lab.ledger.model import Ledger
from credit_lab.periods import Period


class Kpis(dict[str, float]):
    """Formula id → value in the unit of `formulas.FORMULAS`; notebooks show names and units too."""

    def _repr_html_(self) -> str:
        return _card(self, {})


class Measured(NamedTuple):
    """Key figures and what stands in their way.

    values : formula id → value, NaN where it cannot be measured
    reasons : formula id of each that is NaN → why, in words
    """

    values: Kpis
    reasons: dict[str, str]

    def _repr_html_(self) -> str:
        return _card(self.values, self.reasons)


def _card(values: Kpis, reasons: dict[str, str]) -> str:
    lines = {}
    for key, value in values.items():
        name, unit, _ = f.FORMULAS[key]
        shown = summary.figure(value, unit)
        lines[f"{name} ({key})"] = f"{shown}: {reasons[key]}" if key in reasons else shown
    return summary.card("Key figures", lines)


def kpis(flows: pd.DataFrame, *, months: int = 12) -> Kpis:
    """KPIs at the last row of monthly `flows` (see `flows.monthly`) over a window of `months`.

    Sales are those of the window. Twelve whole months count 365 days (CRF convention, also in leap years), any other
    window its calendar days; a ledger younger than the window is not judged by months it has not lived. Turnover is
    per year.
    What needs the balance before the window (dso.average, ar_turnover.average, cei) is NaN where the flows begin with
    the window: a ledger that begins later than its firm has an opening balance that nobody told it.

    Returns
    -------
    Kpis
        A dict: formula id → value in the unit of `formulas.FORMULAS`; NaN where it cannot be
        measured, see `reasons`.
    """
    window = flows.tail(months)
    if window.empty:
        raise PeriodError("no month of data up to this date; choose a later one")
    before = flows.iloc[-len(window) - 1] if len(flows) > len(window) else None
    end = window.iloc[-1]
    covered = _covered(window)
    sales = money.total(window["sales"])
    annual = sales / covered * 365
    opening = float(before["balance"]) if before is not None else np.nan
    mean = (opening + float(end["balance"])) / 2
    lost = money.total(window["written_off"])
    values = {
        "dso.period_end": float(f.dso(end["balance"], sales, covered)),
        "dso.average": float(f.dso(mean, sales, covered)),
        "dso.countback": countback(flows, months=months),
        "dso.best_possible": float(f.dso(end["not_due"], sales, covered)),
        "add": float(f.average_days_delinquent(end["balance"], end["not_due"], sales, covered)),
        "cei": float(f.collection_effectiveness(opening, sales, end["balance"], end["not_due"])),
        "ar_turnover.ending": float(f.turnover(annual, end["balance"])),
        "ar_turnover.average": float(f.turnover(annual, mean)),
        "overdue_ratio": float(f.ratio(end["overdue"], end["open"])),
        "bad_debt_ratio.period": float(f.ratio(lost, sales)),
    }
    return Kpis(values)


def countback(flows: pd.DataFrame, *, months: int = 12) -> float:
    """`dso.countback` at the last row of monthly flows; NaN where net sales of the window are below zero.

    Parameters
    ----------
    flows : month by month: sales, days, balance
    months : of the window
    """
    if not money.total(flows["sales"].tail(months)) >= 0:
        return np.nan
    return f.countback(float(flows["balance"].iloc[-1]), flows["sales"], flows["days"])


def _covered(window: pd.DataFrame) -> float:
    return 365.0 if _whole_year(window) else float(window["days"].sum())


def _whole_year(window: pd.DataFrame) -> bool:
    return len(window) == 12 and window["month"].iloc[-1].is_month_end


START_UP = 4  # months in which books that begin empty fill; what rests on balances is not comparable
FILLING = ("dso.", "add", "ar_turnover.", "cei")
_ON_SALES = ("dso.period_end", "dso.average", "dso.best_possible", "add", "bad_debt_ratio.period")
_ON_NET_SALES = ("dso.countback", "ar_turnover.ending", "ar_turnover.average", *_ON_SALES)
# Columns of the flows that a key figure is made of.
_FROM = {
    "dso.period_end": ("balance", "sales"),
    "dso.average": ("balance", "sales"),
    "dso.countback": ("balance", "sales"),
    "dso.best_possible": ("not_due", "sales"),
    "add": ("not_due", "balance", "sales"),
    "cei": ("not_due", "balance", "sales"),
    "ar_turnover.ending": ("balance", "sales"),
    "ar_turnover.average": ("balance", "sales"),
    "overdue_ratio": ("open",),
    "bad_debt_ratio.period": ("written_off", "sales"),
}
_ON_OPENING = ("dso.average", "ar_turnover.average", "cei")


def young(ledger: Ledger, flows: pd.DataFrame) -> str:
    """Why what rests on balances over sales is not known in the first months of books; empty: it is.

    Books that begin in the middle of a firm's life lack what was owed before, and the first receipts settle it.

    Parameters
    ----------
    ledger : one currency
    flows : of `monthly`
    """
    lacking = knowledge.of(ledger, as_of=flows["month"].iloc[-1]).why("opening") if len(flows) <= START_UP else ""
    return f"{lacking}, and the books are no more than {START_UP} months old" if lacking else ""


def measured(ledger: Ledger, flows: pd.DataFrame) -> Measured:
    """`kpis` of a ledger's flows, and why each that is NaN cannot be measured or is not known.

    Parameters
    ----------
    ledger : one currency
    flows : of `monthly`
    """
    values, why = kpis(flows), reasons(flows)
    lacking = unknown(ledger, flows["month"].iloc[-1])
    for name, columns in _FROM.items():
        why[name] = next((lacking[one] for one in columns if one in lacking), why.get(name, ""))
    unseen = [name for name, columns in _FROM.items() if not lacking.keys().isdisjoint(columns)]
    if before := young(ledger, flows):
        filling = [name for name in _FROM if name.startswith(FILLING)]
        unseen, why = unseen + filling, {**dict.fromkeys(filling, before), **{k: v for k, v in why.items() if v}}
    values = Kpis({**values, **dict.fromkeys(unseen, np.nan)})
    return Measured(values, {name: why[name] for name, value in values.items() if np.isnan(value)})


def reasons(flows: pd.DataFrame, *, months: int = 12) -> dict[str, str]:
    """Why a key figure of `kpis` would be NaN: formula id → reason in words, for every figure that might be.

    Parameters
    ----------
    flows, months : as given to `kpis`
    """
    window = flows.tail(months)
    sales = money.total(window["sales"])
    why = {
        "dso.countback": "more is owed than was sold in all these months",
        "ar_turnover.ending": "receivables are not above zero",
        "ar_turnover.average": "receivables are not above zero",
        "cei": "nothing was to be collected",
        "overdue_ratio": "nothing was open",
    }
    if len(flows) <= len(window):
        why |= dict.fromkeys(_ON_OPENING, "the balance before the first month is not known")
    if sales < 0:
        return why | dict.fromkeys(_ON_NET_SALES, "net sales are below zero")
    return why | (dict.fromkeys(_ON_SALES, "nothing was sold") if sales == 0 else {})


def over_time(flows: pd.DataFrame, *, last: int = 13) -> pd.DataFrame:
    """`kpis` at each of the last rows of monthly flows: month and one column per formula id."""
    rows = range(max(1, len(flows) - last + 1), len(flows) + 1)
    return pd.DataFrame([{"month": flows["month"].iloc[row - 1], **kpis(flows.head(row))} for row in rows])


def table(
    now: Mapping[str, float],
    before: Mapping[str, float] = MappingProxyType({}),
    year_before: Mapping[str, float] = MappingProxyType({}),
    *,
    targets: Mapping[str, float] = MappingProxyType({}),
    windows: Mapping[str, str] = MappingProxyType({}),
) -> pd.DataFrame:
    """Key figures, each with its window and with what it is compared with.

    Parameters
    ----------
    now : formula id → value, in the unit of `formulas.FORMULAS`
    before, year_before : the same figures of the period before and of the same period last year
    targets : of the policy, where it has one
    windows : of `windows`

    Returns
    -------
    DataFrame
        formula_id, name, unit, window (in words), value, policy_target, previous, change (value
        less previous; of shares the difference of the shares), year_before, change_year, formula
        (in words). What is not known is missing, never 0.
    """
    rows = []
    for key, value in now.items():
        name, unit, words = f.FORMULAS[key]
        aim, old, older = (known.get(key, np.nan) for known in (targets, before, year_before))
        said = windows.get(key, "")
        rows.append((key, name, unit, said, value, aim, old, value - old, older, value - older, words))
    columns = "formula_id name unit window value policy_target previous change year_before change_year formula"
    return pd.DataFrame(rows, columns=columns.split())


def windows(flows: pd.DataFrame, period: Period, countback: float) -> dict[str, str]:
    """Which days each key figure of a period looks at, in words: formula id → window.

    Parameters
    ----------
    flows : `flows.monthly` up to the period's end
    period : the one reviewed
    countback : dso.countback at its end in days, NaN where it is not measured
    """
    year, day = flows.tail(12), flows["month"].iloc[-1]
    first = year["month"].iloc[0].replace(day=1)
    long = f"twelve months to {day.date()}" if _whole_year(year) else f"{first.date()} to {day.date()}"
    used = int(np.searchsorted(flows["days"].to_numpy()[::-1].cumsum(), countback))
    kind = {1: "calendar month", 3: "quarter", 12: "year"}[period.months]
    own = {
        "dso.countback": f"sales back to {flows['month'].iloc[-1 - used]:%Y-%m} used up"
        if countback == countback
        else "",
        "cei.period": f"{kind} {period.label}",
        "overdue_ratio": f"at {day.date()}",
        "concentration.largest": f"at {day.date()}",
    }
    return dict.fromkeys(f.FORMULAS, long) | own


def window(flows: pd.DataFrame, *, months: int = 12) -> dict[str, float]:
    """The last `months` rows of monthly flows as one: ending balance and not_due, sum of sales and days."""
    rows = flows.tail(months)
    if rows.empty:
        raise PeriodError("no month of data up to this date; choose a later one")
    end = rows.iloc[-1]
    sales = money.total(rows["sales"])
    return {"balance": float(end["balance"]), "not_due": float(end["not_due"]), "sales": sales, "days": _covered(rows)}


def bridge(before: dict[str, float], now: dict[str, float], currency: str = "") -> pd.DataFrame:
    """Why receivables moved between two dates (Gentry & De La Garza 1985), in money, adding up exactly.

    ΔAR = ΔD·s0 + D0·Δs + ΔD·Δs with D = DSO and s = sales per day; the change of D is split once more into terms
    (Δ best possible DSO) and delinquency (Δ average days delinquent).

    Parameters
    ----------
    before, now : `window` of the flows up to each of the two dates
    currency : of the amounts, which are whole minor units of it; the joint effect holds what rounding leaves

    Returns
    -------
    DataFrame
        part, days (contribution to DSO in days, NaN for the sales parts), amount (currency units). The amounts between
        opening and ending add up to their difference, the days to the difference of the two DSOs.
    """
    s0, s1 = before["sales"] / before["days"], now["sales"] / now["days"]
    if not (s0 > 0 and s1 > 0):
        raise PeriodError("the DSO bridge needs sales in both windows")
    d0, d1 = before["balance"] / s0, now["balance"] / s1
    terms = now["not_due"] / s1 - before["not_due"] / s0
    late = (d1 - d0) - terms
    parts = pd.Series([terms * s0, late * s0, d0 * (s1 - s0)])
    first, second, third = money.from_minor(money.to_minor(parts, currency), currency).tolist()
    rows = [
        ("opening", d0, before["balance"]),
        ("terms and early payment (best possible DSO)", terms, first),
        ("delinquency (average days delinquent)", late, second),
        ("sales volume", 0.0, third),
        (
            "joint effect of days and volume",
            0.0,
            money.total((now["balance"], -before["balance"], -first, -second, -third)),
        ),
        ("ending", d1, now["balance"]),
    ]
    return pd.DataFrame(rows, columns=["part", "days", "amount"])
