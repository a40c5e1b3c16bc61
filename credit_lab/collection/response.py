"""What does a collection action change? Only with its source: logged propensities, an experiment, or an assumption.

Collectors call those who pay late anyway, so contacted invoices are paid later than others: the naive difference has
the wrong sign. With the probability of each decision on record, weighting puts it right:

    IPW     Σ T Y/e / Σ T/e − Σ (1−T) Y/(1−e) / Σ (1−T)/(1−e)                     (Hájek form)
    AIPW    mean of g₁(x) − g₀(x) + T (Y − g₁)/e − (1−T)(Y − g₀)/(1−e)             (Robins, Rotnitzky & Zhao 1994)

Y is the number of days to payment counted up to a horizon, so an unpaid invoice has a value once the horizon is over.
Where nothing was logged, `Assumption` carries a factor that is printed as an assumption and scanned over its range.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab.collection.cells import CollectionError, Floats
from credit_lab.kpi import settlement
from credit_lab.ledger.model import Ledger
from credit_lab.periods import takes_days


@dataclass(frozen=True)
class Assumption:
    """Factor on the daily hazard of payment after the action, with its range.

    source : who says so; printed beside every number that rests on it
    measured : whether it comes from this ledger (see `measured`) and is no assumption
    """

    action: str
    factor: float
    low: float
    high: float
    source: str
    measured: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.factor <= self.high or not self.source.strip():
            raise CollectionError(
                f"assumption about {self.action!r}: need 0 < low <= factor <= high and a source, got "
                f"{self.low}, {self.factor}, {self.high}, {self.source!r}"
            )

    def scan(self, points: int = 5) -> Floats:
        """Factors over the range, the stated one included."""
        return np.unique(np.r_[np.linspace(self.low, self.high, points), self.factor])

    def sentence(self) -> str:
        """To be printed beside the result."""
        kind = "Measured" if self.measured else "ASSUMED, not measured"
        return (
            f"{kind}: {self.action} multiplies the daily chance of payment by {self.factor:.3g} "
            f"({self.low:.3g} to {self.high:.3g}; source: {self.source})"
        )


@takes_days
def decisions(ledger: Ledger, action: str, as_of: pd.Timestamp, *, horizon: int = 90) -> pd.DataFrame:
    """Logged decisions about one action and what followed.

    The action table must log decisions not to act as action "none" with their probability, on the same ages at which
    `action` was taken. Decisions younger than the horizon are left out: their outcome is not known yet.

    Returns
    -------
    DataFrame
        invoice_id, customer_id, taken_on, treated (1 or 0), propensity (of being treated), days_past_due at the
        decision, amount, outcome (days from the decision to payment, at most `horizon`)

    Raises
    ------
    CollectionError
        Unknown action, no "none" rows, missing propensities, or actions on invoices already paid.
    """
    log = ledger.table("actions", needed_for=f"the effect of {action}")
    log = log[(log["taken_on"] <= as_of - pd.Timedelta(days=horizon)) & log["invoice_id"].notna()]
    if not (log["action"] == action).any():
        raise CollectionError(f"actions: no {action!r}; there are {', '.join(sorted(log['action'].unique()))}")
    if "propensity" not in log or log.loc[log["action"].isin([action, "none"]), "propensity"].isna().any():
        raise CollectionError(
            f"actions: decisions on {action!r} without a propensity; the effect cannot be estimated from such a log "
            "(run an experiment, or state an Assumption)"
        )
    paid = settlement(ledger, as_of).set_index("invoice_id")
    rows = log.join(paid[["due_date", "amount", "settled_on"]], on="invoice_id")
    rows = rows[rows["due_date"].notna()]
    rows = rows.assign(days_past_due=(rows["taken_on"] - rows["due_date"]).dt.days)
    ages = rows.loc[rows["action"] == action, "days_past_due"]
    rows = rows[rows["action"].isin([action, "none"]) & rows["days_past_due"].between(ages.min(), ages.max())]
    if not (rows["action"] == "none").any():
        raise CollectionError(f"actions: no logged decision against {action!r} (action none); nothing to compare with")
    refuse_late(rows)
    outcome = (rows["settled_on"] - rows["taken_on"]).dt.days.clip(upper=horizon).fillna(horizon)
    treated = (rows["action"] == action).astype(int)
    return pd.DataFrame(
        {
            "invoice_id": rows["invoice_id"],
            "customer_id": rows["customer_id"],
            "taken_on": rows["taken_on"],
            "treated": treated,
            "propensity": rows["propensity"].where(treated == 1, 1 - rows["propensity"]),
            "days_past_due": rows["days_past_due"],
            "amount": rows["amount"],
            "outcome": outcome.astype(float),
        }
    ).reset_index(drop=True)


def refuse_late(rows: pd.DataFrame) -> None:
    """CollectionError for actions taken after the invoice was settled."""
    late = rows["settled_on"] < rows["taken_on"]
    if late.any():
        first = rows.loc[late].iloc[0]
        raise CollectionError(
            f"actions: {int(late.sum())} taken on invoices already paid (first: {first['invoice_id']}, paid "
            f"{first['settled_on'].date()}, chased {first['taken_on'].date()}); correct the log or leave them out"
        )


def effect(table: pd.DataFrame, *, covariates: Sequence[str] = (), level: float = 0.95) -> pd.DataFrame:
    """Mean effect of the action in days (below zero: paid sooner), by method, errors clustered by customer.

    Parameters
    ----------
    table : from `decisions`
    covariates : numeric columns known at the decision, for AIPW and the estimated propensity

    Returns
    -------
    DataFrame
        method (naive, ipw, aipw, ipw_estimated), effect, error, low, high, decisions, source. naive is the plain
        difference and carries no source: it is shown to be distrusted. ipw_estimated uses statsmodels'
        TreatmentEffect with a logit for the propensity, as where none was logged; its error is not clustered.

    Raises
    ------
    CollectionError
        A propensity outside (0, 1), or only one arm.
    """
    t, y = table["treated"].to_numpy(dtype=float), table["outcome"].to_numpy(dtype=float)
    e = table["propensity"].to_numpy(dtype=float)
    if not ((e > 0) & (e < 1)).all():
        raise CollectionError("effect: propensities must lie strictly between 0 and 1; some decisions left no choice")
    if t.sum() in (0, len(t)):
        raise CollectionError("effect: all decisions went the same way; nothing to compare with")
    who = pd.factorize(table["customer_id"])[0]
    x = np.column_stack([np.ones(len(t)), *(_standard(table[name]) for name in covariates)])
    rows = [
        ("naive", *_difference(t, y, np.full(len(t), t.mean()), who), "difference of means: confounded, not an effect"),
        ("ipw", *_difference(t, y, e, who), "logged propensities"),
        ("aipw", *_augmented(t, y, e, x, who), "logged propensities, outcome regression"),
    ]
    if covariates:
        rows.append(("ipw_estimated", *_estimated(t, y, x), "propensity estimated from covariates (statsmodels)"))
    z = 1.959964 if level == 0.95 else _normal_quantile(level)
    table_ = pd.DataFrame(rows, columns=["method", "effect", "error", "source"])
    return table_.assign(
        low=table_["effect"] - z * table_["error"],
        high=table_["effect"] + z * table_["error"],
        decisions=len(t),
    )[["method", "effect", "error", "low", "high", "decisions", "source"]]


def _standard(column: pd.Series) -> Floats:
    value = column.to_numpy(dtype=float)
    value = np.where(np.isnan(value), np.nanmean(value), value)
    return (value - value.mean()) / (value.std() or 1.0)


def _difference(t: Floats, y: Floats, e: Floats, who: np.ndarray) -> tuple[float, float]:
    """Hájek difference and its clustered error."""
    one, none = t / e, (1 - t) / (1 - e)
    high, low = (one @ y) / one.sum(), (none @ y) / none.sum()
    influence = one * (y - high) / one.mean() - none * (y - low) / none.mean()
    return float(high - low), _clustered(influence, who)


def _augmented(t: Floats, y: Floats, e: Floats, x: Floats, who: np.ndarray) -> tuple[float, float]:
    fits = [x @ np.linalg.lstsq(x[t == arm], y[t == arm], rcond=None)[0] for arm in (0, 1)]
    value = fits[1] - fits[0] + t * (y - fits[1]) / e - (1 - t) * (y - fits[0]) / (1 - e)
    return float(value.mean()), _clustered(value - value.mean(), who)


def _clustered(influence: Floats, who: np.ndarray) -> float:
    total = np.bincount(who, influence)
    groups = len(total)
    return float(np.sqrt((total**2).sum() * groups / max(groups - 1, 1)) / len(influence))


def _estimated(t: Floats, y: Floats, x: Floats) -> tuple[float, float]:
    import statsmodels.api as sm  # 1.5 s: only where it is asked for
    from statsmodels.treatment.treatment_effects import TreatmentEffect

    choice = sm.Logit(t, x).fit(disp=0)
    model = TreatmentEffect(sm.OLS(y, x), t, results_select=choice)
    found = model.ipw(return_results=True)
    return float(found.effect[0]), float(np.sqrt(np.asarray(found.results_gmm.cov_params())[0, 0]))


def _normal_quantile(level: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(0.5 + level / 2))


def factor_of_days(paid_by: Floats, days: float) -> float:
    """Factor on the daily hazard that changes the mean days to payment, counted up to the horizon, by `days`.

    >>> round(factor_of_days(1 - 0.9 ** np.arange(1, 400)[None, :], -4.737), 2)
    2.0

    Parameters
    ----------
    paid_by : payment curves left alone, items x days ahead (`Curves.paid_by`)
    days : change of the mean, below zero for sooner; no more than what the horizon holds
    """
    from scipy import optimize

    unpaid = 1 - np.asarray(paid_by, dtype=float)
    mean = unpaid.sum(axis=1).mean()

    def miss(factor: float) -> float:
        return float((unpaid**factor).sum(axis=1).mean() - mean - days)

    low, high = 0.02, 50.0
    if miss(high) > 0 or miss(low) < 0:
        raise CollectionError(f"an effect of {days:.1f} days is more than these curves allow (mean {mean:.1f} days)")
    return float(optimize.brentq(miss, low, high, xtol=1e-6))


def measured(table: pd.DataFrame, action: str, paid_by: Floats) -> Assumption:
    """The effect that `effect` found (AIPW), as a factor with its interval, for curves of like items.

    Raises
    ------
    CollectionError
        No AIPW row, or an effect beyond what the curves allow.
    """
    found = table[table["method"] == "aipw"]
    if found.empty:
        raise CollectionError(f"{action}: no corrected effect was measured")
    row = found.iloc[0]
    factor, low, high = (factor_of_days(paid_by, float(row[name])) for name in ("effect", "high", "low"))
    said = f"this ledger, {row['effect']:+.1f} days ({row['low']:+.1f} to {row['high']:+.1f}), {row['source']}"
    return Assumption(action, factor, min(low, factor), max(high, factor), said, measured=True)
