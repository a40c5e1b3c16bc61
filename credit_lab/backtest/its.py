"""Interrupted time series (中断时间序列): one firm, one policy date, no comparison group.

    y_t = a + b t + season(month of t) + effect x 1{t is an effect month} + u_t,      y = log(metric) by default

Errors are Newey-West (HAC). With 40-80 months their normal intervals are too short, and more so when months depend
on each other; here the critical value is that of the same t-ratio under the fitted AR(1) errors, found by
simulation on the same design, with the first autocorrelation corrected for the bias that fitting leaves in residuals.

Months in a transition (`wait`) after the policy date, and months after `until`, take no part.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from credit_lab.backtest.effects import (
    LEVEL,
    DesignError,
    Effect,
    Inference,
    from_link,
    make,
    monthly,
    refuse,
    t_critical,
)
from credit_lab.periods import takes_days

_FUTURE = (3, 6, 9, 12, 18, 24, 36, 48, 60, 84, 120, 180, 240)
_PHI_GRID = np.linspace(-0.6, 0.95, 32)


@dataclass(frozen=True)
class ItsOptions:
    """Choices of an interrupted time series.

    log : effect is relative (needs a positive metric); False leaves it in the metric's unit.
    wait : months from the policy date left out, because a policy works on new invoices first.
    until : last month counted after the policy date (None: to the end); 6 with wait=2 measures months 3 to 6.
    harmonics : sine/cosine pairs for the season; None takes month dummies with two years before the policy or more,
        two pairs otherwise; 0 leaves the season out.
    trend : a straight line through all months; without it a steady growth is counted as effect.
    lags : Newey-West lags, None = 1.3 sqrt(T) (Lazarus, Lewis, Stock & Watson 2018, J. Bus. Econ. Stat. 36).
    draws, seed : simulations for the critical value; the same seed gives the same bytes.
    """

    log: bool = True
    wait: int = 0
    until: int | None = None
    harmonics: int | None = None
    trend: bool = True
    lags: int | None = None
    level: float = LEVEL
    draws: int = 9999
    seed: int = 20250601


@takes_days
def estimate(series: pd.Series, policy_date: pd.Timestamp, *, options: ItsOptions | None = None) -> Effect:
    """Effect of a policy that began on `policy_date` on a monthly series, by segmented regression with HAC errors.

    Parameters
    ----------
    series : one value per month (DatetimeIndex), e.g. receivables turnover.
    policy_date : first day under the policy; its month is the first month after.

    Raises
    ------
    DesignError
        Policy date outside the data, fewer than 12 months before or 2 counted months after it, holes in the series,
        non-positive values with log=True, too few months for the season asked for.

    References
    ----------
    Bernal, Cummins & Gasparrini (2017) Int. J. Epidemiol. 46:348; Newey & West (1987) Econometrica 55:703;
    Andrews & Chen (1994) J. Bus. Econ. Stat. 12:187 for the bias of a fitted autocorrelation.
    """
    options = options or ItsOptions()
    tidy = monthly(series, "its")
    before, after = _split(tidy, policy_date, options)
    used = tidy[before | after]
    if options.log and used.min() <= 0:
        raise DesignError("its: a month is zero or negative, so no logarithm; use ItsOptions(log=False)")
    y = np.log(used.to_numpy()) if options.log else used.to_numpy()
    harmonics = _harmonics(int(before.sum()), options)
    time = months_since(used.index, tidy.index[0])
    step = after[before | after]
    design = design_matrix(time, used.index.month.to_numpy(), step, harmonics, options.trend)
    if len(y) < design.shape[1] + 4 or np.linalg.matrix_rank(design) < design.shape[1]:
        raise refuse(
            "its",
            f"{len(y)} months cannot carry {design.shape[1]} coefficients",
            "fewer harmonics (ItsOptions(harmonics=1)) or effects.before_after against the same months of last year",
        )
    lags = options.lags if options.lags is not None else int(np.ceil(1.3 * np.sqrt(len(y))))
    beta, error, residuals = _fit(y, design, lags)
    phi = autocorrelation(residuals, design, time)
    critical = _critical(design, time, phi, lags, options)
    found = Inference(
        beta,
        error,
        critical,
        level=options.level,
        link="log" if options.log else "identity",
        unit="relative" if options.log else "absolute",
    )
    table, dip = _event_months(tidy, before, policy_date, phi, harmonics, options)
    return make(
        "its.hac",
        str(series.name or "outcome"),
        found,
        series=table,
        assumptions=_assumptions(y, design, time, dip, lags, critical),
        diagnostics=[
            ("months_before", int(before.sum()), "used"),
            ("months_after", int(after.sum()), "used, after the wait"),
            ("lags", lags, "Newey-West lags"),
            ("autocorrelation", phi, "of the errors from month to month, corrected for fitting"),
            ("residual_sd", float(np.std(residuals, ddof=design.shape[1])), "of a single month, link scale"),
            ("season_terms", design.shape[1] - 2 - options.trend, "columns for the season"),
        ],
        precision=_precision(used.index, tidy.index[0], int(before.sum()), error, phi, harmonics, options),
    )


def autocorrelation(residuals: np.ndarray, design: np.ndarray, time: np.ndarray) -> float:
    """First autocorrelation of the errors behind fitted residuals, free of the bias that fitting brings.

    The expected residual autocorrelation is computed exactly for AR(1) errors on a grid and read backwards.
    """
    expected, shift = _expected_autocorrelation(design.tobytes(), design.shape, time.tobytes())
    seen = float(residuals @ shift @ residuals / (residuals @ residuals))
    return float(np.interp(seen, np.maximum.accumulate(expected), _PHI_GRID))


@lru_cache(maxsize=64)
def _expected_autocorrelation(design: bytes, shape: tuple[int, ...], months: bytes) -> tuple[np.ndarray, np.ndarray]:
    # The cache helps placebo and simulation runs, where hundreds of series share one design.
    x = np.frombuffer(design).reshape(shape)
    time = np.frombuffer(months)
    gap = np.abs(time[:, None] - time[None, :])
    shift = np.where(gap == 1, 0.5, 0.0)
    maker = np.eye(len(x)) - x @ np.linalg.pinv(x)
    expected = []
    for phi in _PHI_GRID:
        spread = maker @ _ar1(gap, phi) @ maker
        expected.append(np.sum(spread * shift) / np.trace(spread))
    return np.array(expected), shift


def _ar1(gap: np.ndarray, phi: float) -> np.ndarray:
    return np.sign(phi) ** gap * np.abs(phi) ** gap if phi != 0 else (gap == 0).astype(float)


@takes_days
def months_since(index: pd.Index, start: pd.Timestamp) -> np.ndarray:
    """Whole calendar months from the month of `start`."""
    months = pd.DatetimeIndex(index)
    return ((months.year - start.year) * 12 + months.month - start.month).to_numpy(dtype=float)


def _split(tidy: pd.Series, policy_date: pd.Timestamp, options: ItsOptions) -> tuple[np.ndarray, np.ndarray]:
    index = pd.DatetimeIndex(tidy.index)
    first, last = index[0].to_period("M").to_timestamp(), index[-1]
    if not first < policy_date <= last:
        raise refuse(
            "its",
            f"policy date {policy_date.date()} lies outside the data {first.date()} to {last.date()}",
            "none with these months: load the ledger around that date, or correct the date",
        )
    since = (index.year - policy_date.year) * 12 + index.month - policy_date.month
    before = np.asarray(since < 0)
    after = np.asarray(since >= options.wait)
    if options.until is not None:
        after &= np.asarray(since < options.until)
    if before.sum() < 12:
        raise refuse(
            "its",
            f"{int(before.sum())} months before the policy, 12 at least are needed to tell season from effect",
            "did.estimate against customers not yet treated, or effects.before_after, which proves little",
        )
    if after.sum() < 2:
        raise refuse(
            "its",
            f"{int(after.sum())} months after a wait of {options.wait} months, 2 at least are needed",
            "none yet: wait for more months, or a shorter wait",
        )
    return before, after


def _harmonics(months_before: int, options: ItsOptions) -> int | None:
    if options.harmonics is not None:
        return options.harmonics
    return None if months_before >= 24 else 2


def design_matrix(
    time: np.ndarray, month: np.ndarray, step: np.ndarray, harmonics: int | None, trend: bool
) -> np.ndarray:
    columns = [np.asarray(step, dtype=float), np.ones(len(time))]
    if trend:
        columns.append((time - time.mean()) / 12)
    if harmonics is None:
        columns += [np.where(month == m, 1.0, np.where(month == 12, -1.0, 0.0)) for m in range(1, 12)]
    else:
        for k in range(1, harmonics + 1):
            columns += [np.sin(2 * np.pi * k * month / 12), np.cos(2 * np.pi * k * month / 12)]
    return np.ascontiguousarray(np.column_stack(columns))


def _fit(y: np.ndarray, design: np.ndarray, lags: int) -> tuple[float, float, np.ndarray]:
    import statsmodels.api as sm

    fitted = sm.OLS(y, design).fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": True})
    return float(fitted.params[0]), float(fitted.bse[0]), np.asarray(fitted.resid)


def hac_errors(residuals: np.ndarray, weights: np.ndarray, lags: int, coefficients: int) -> np.ndarray:
    """Newey-West standard error of weights @ y for each row of residuals; equals statsmodels' HAC with correction."""
    scores = residuals * weights
    total = np.einsum("ij,ij->i", scores, scores)
    for lag in range(1, min(lags, scores.shape[1] - 1) + 1):
        total += 2 * (1 - lag / (lags + 1)) * np.einsum("ij,ij->i", scores[:, lag:], scores[:, :-lag])
    count = scores.shape[1]
    return np.sqrt(np.maximum(total, 0) * count / (count - coefficients))


def _critical(design: np.ndarray, time: np.ndarray, phi: float, lags: int, options: ItsOptions) -> float:
    # A negative autocorrelation is not believed: it would shorten the interval on the word of a few months.
    # Rounding lets placebo runs, where hundreds of series share one design, share the simulation.
    return _simulated_critical(
        design.tobytes(),
        design.shape,
        time.tobytes(),
        max(round(phi * 50) / 50, 0.0),
        lags,
        options.level,
        options.draws,
        options.seed,
    )


@lru_cache(maxsize=512)
def _simulated_critical(
    design: bytes,
    shape: tuple[int, ...],
    months: bytes,
    phi: float,
    lags: int,
    level: float,
    draws: int,
    seed: int,
) -> float:
    """Quantile of |t| on this design when the errors are AR(1) around `phi` and nothing happened.

    Each simulated series has its own autocorrelation, drawn with the sampling error of `phi` around half an error
    above it: a series whose autocorrelation is understated has a small HAC error too, so the two mistakes add up.
    The same draws serve every series and must be many: with 999 the level of all intervals was off by some points.
    """
    x = np.frombuffer(design).reshape(shape)
    place = np.frombuffer(months).astype(int)
    place = place - place[0]
    rng = np.random.default_rng(seed)
    error = np.sqrt(max(1 - phi**2, 0.05) / len(place))
    own = np.clip(phi + error * (0.5 + rng.standard_normal(draws)), -0.9, 0.95)
    shocks = rng.standard_normal((draws, place[-1] + 1)) * np.sqrt(1 - own[:, None] ** 2)
    errors = np.empty_like(shocks)
    state = rng.standard_normal(draws)
    for month in range(shocks.shape[1]):
        state = own * state + shocks[:, month]
        errors[:, month] = state
    errors = errors[:, place]
    inverse = np.linalg.pinv(x)
    residuals = errors - (errors @ inverse.T) @ x.T
    ratio = np.abs(errors @ inverse[0]) / np.maximum(hac_errors(residuals, inverse[0], lags, shape[1]), 1e-300)
    return float(np.quantile(ratio, level))


def _event_months(
    tidy: pd.Series,
    before: np.ndarray,
    policy_date: pd.Timestamp,
    phi: float,
    harmonics: int | None,
    options: ItsOptions,
) -> tuple[pd.DataFrame, float]:
    """Every month against what the months before the policy alone foretell, with a prediction interval.

    Also the last three months before the policy as a t-ratio: a dip or peak there warns of regression to the mean.
    """
    index = pd.DatetimeIndex(tidy.index)
    y = np.log(tidy.to_numpy()) if options.log else tidy.to_numpy()
    time = months_since(index, index[0])
    months = index.month.to_numpy()
    design = design_matrix(time, months, np.zeros(len(y)), harmonics, options.trend)[:, 1:]
    inverse = np.linalg.pinv(design[before])
    foretold = design @ (inverse @ y[before])
    freedom = int(before.sum()) - int(np.linalg.matrix_rank(design[before]))
    table = pd.DataFrame({"period": index, "observed": tidy.to_numpy()})
    if freedom < 2:
        return table.assign(counterfactual=np.nan, effect=np.nan, low=np.nan, high=np.nan)[~before], float("nan")
    noise = y[before] - foretold[before]
    gap = np.abs(time[:, None] - time[None, :])
    spread = _ar1(gap, phi)
    maker = np.eye(int(before.sum())) - design[before] @ inverse
    variance = noise @ noise / np.trace(maker @ spread[np.ix_(before, before)] @ maker)
    contrast = np.eye(len(y))
    contrast[:, before] -= design @ inverse
    error = np.sqrt(variance * np.einsum("ij,jk,ik->i", contrast, spread, contrast))
    half = t_critical(options.level, freedom) * error
    gone = y - foretold
    link = "log" if options.log else "identity"
    table = table.assign(
        counterfactual=np.exp(foretold) if options.log else foretold,
        effect=from_link(gone, link),
        low=from_link(gone - half, link),
        high=from_link(gone + half, link),
    )
    last = np.flatnonzero(before)[-3:]
    pick = maker[-3:].mean(axis=0)
    dip_error = np.sqrt(variance * pick @ spread[np.ix_(before, before)] @ pick)
    dip = float(gone[last].mean() / dip_error) if dip_error > 0 else float("nan")
    return table[index >= policy_date.to_period("M").to_timestamp()].reset_index(drop=True), dip


def _assumptions(
    y: np.ndarray, design: np.ndarray, time: np.ndarray, dip: float, lags: int, critical: float
) -> list[tuple[str, str, bool | None, str]]:
    curve = np.column_stack([design, ((time - time.mean()) / 12) ** 2])
    beta, error, _ = _fit(y, curve[:, [curve.shape[1] - 1, *range(curve.shape[1] - 1)]], lags)
    bend = beta / error if error > 0 else float("nan")
    return [
        ("nothing else changed at the date", "none", None, "a price rise or a lost customer that month looks the same"),
        ("the trend is straight", "squared time added", bool(abs(bend) < critical), f"t-ratio {bend:.1f}"),
        (
            "the date was not picked after odd months",
            "last 3 months before against the line",
            None if np.isnan(dip) else bool(abs(dip) < 2.5),
            f"t-ratio {dip:.1f}; beyond 2.5 the rebound to normal would count as effect",
        ),
        ("the season keeps its shape", "none", None, f"{int((design[:, 0] == 0).sum())} months before the policy"),
    ]


def _precision(
    index: pd.Index,
    start: pd.Timestamp,
    months_before: int,
    error: float,
    phi: float,
    harmonics: int | None,
    options: ItsOptions,
) -> pd.DataFrame:
    """Standard error if the series went on: AR(1) errors, the same months before, more months after."""
    months_after = len(index) - months_before

    def size(after: int) -> float:
        head = pd.DatetimeIndex(index[:months_before])
        tail = pd.date_range(index[months_before], periods=after, freq="ME")
        months = head.append(tail)
        step = np.r_[np.zeros(months_before), np.ones(after)]
        time = months_since(months, start)
        design = design_matrix(time, months.month.to_numpy(), step, harmonics, options.trend)
        weights = np.linalg.pinv(design)[0]
        return float(np.sqrt(weights @ _ar1(np.abs(time[:, None] - time[None, :]), phi) @ weights))

    counts = [months_after, *(n for n in _FUTURE if n > months_after)]
    now = size(months_after)
    rows = [("months_after", n, error * size(n) / now) for n in counts]
    return pd.DataFrame(rows, columns=["needed_of", "count", "std_error"])
