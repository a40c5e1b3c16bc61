"""Difference-in-differences (双重差分法) for a roll-out in steps: group-time ATT with not-yet-treated controls.

ATT(g, t) = mean over the customers treated from g of (Y_t - Y_base) - the same mean over customers not treated by t,
base = the last month before g (less `anticipation`). Two-way fixed effects are not offered: with effects that grow
they use treated customers as controls and can turn the sign (Goodman-Bacon 2021, J. Econometrics 225:254).

Errors come from influence values summed by cluster (legal group); the band over event months is a sup-t band by
multiplier bootstrap, so it covers all months at once.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab.backtest.effects import (
    LEVEL,
    DesignError,
    Effect,
    Inference,
    from_link,
    make,
    refuse,
    t_critical,
)

_MORE = (1, 1.5, 2, 3, 5, 10, 20, 50, 100, 200)


@dataclass(frozen=True)
class DidOptions:
    """Choices of a staggered difference-in-differences.

    scale : "absolute" (outcome's unit), "ratio" (ATT over the treated mean without policy: for amounts with zeros)
        or "log" (logarithm of a positive outcome; customers weigh the same).
    anticipation : months before the roll-out in which customers may already react; left out of the base.
    wait, until : the overall effect averages event months wait .. until (None: all); 0 is the roll-out month.
    draws, seed : multiplier bootstrap of the band and of the pre-trend test.
    """

    scale: str = "absolute"
    anticipation: int = 0
    wait: int = 0
    until: int | None = None
    level: float = LEVEL
    draws: int = 999
    seed: int = 20250601


@dataclass(frozen=True)
class GroupTime:
    """ATT(g, t) of every cell and the influence values behind it.

    cells : group (first treated period's position), time, event (time - group), att, treated_mean, treated, controls.
    influence, level_influence : one row per unit, one column per cell, for `att` and for `treated_mean`.
    group : first treated position of each unit, a number past the last period for units never treated.
    shares_influence : one row per unit, one column per cell, of the group's share of all units.
    """

    cells: pd.DataFrame
    influence: np.ndarray
    level_influence: np.ndarray
    shares_influence: np.ndarray
    group: np.ndarray
    dropped_always: int


def estimate(
    panel: pd.DataFrame,
    *,
    outcome: str,
    unit: str = "customer_id",
    period: str = "month",
    treated_from: str = "treated_from",
    cluster: str | None = None,
    options: DidOptions | None = None,
) -> Effect:
    """Average effect on the treated of a policy rolled out to customers at different months.

    Parameters
    ----------
    panel : one row per (unit, period), balanced; `treated_from` holds the first treated month or NaT for never.
    cluster : column within which customers hang together (legal group); default the unit itself.

    Raises
    ------
    DesignError
        No untreated comparison at any time, everyone treated on one day, nobody treated, no month before the
        roll-out, repeated or missing (unit, period) rows.

    References
    ----------
    Callaway & Sant'Anna (2021) J. Econometrics 225:200, eq. 2.4 and section 4; unconditional, not-yet-treated.
    """
    options = options or DidOptions()
    if options.scale not in ("absolute", "ratio", "log"):
        raise DesignError(f"did: scale {options.scale!r} is not known; choose absolute, ratio or log")
    values, start, names, clusters = _matrix(panel, outcome, unit, period, treated_from, cluster, options)
    found = group_time(values, start, anticipation=options.anticipation)
    event = found.cells["event"].to_numpy()
    counted = event >= options.wait
    if options.until is not None:
        counted &= event <= options.until
    if not counted.any():
        raise refuse(
            "did",
            f"no group has both treated months in the window {options.wait}..{options.until} and controls",
            "a wider window, or its.estimate on the total",
        )
    link_value, psi = _aggregate(found, counted, options)
    by_cluster = _sum_by(psi[:, None], clusters)[:, 0]
    treated_cluster = _sum_by((found.group < values.shape[1])[:, None].astype(float), clusters)[:, 0] > 0
    error, freedom = _clustered_error(by_cluster, treated_cluster)
    table, pre_p, band = _event_study(found, clusters, options)
    treated_units = int((found.group < values.shape[1]).sum())
    return make(
        "did.group_time",
        outcome,
        Inference(
            link_value,
            error,
            t_critical(options.level, freedom),
            level=options.level,
            link="identity" if options.scale == "absolute" else "log",
            unit="absolute" if options.scale == "absolute" else "relative",
        ),
        series=table,
        assumptions=_assumptions(pre_p, int((event < -options.anticipation - 1).sum()), treated_units),
        diagnostics=[
            ("units", len(values), "customers with a full row of months"),
            ("treated_units", treated_units, "ever treated within the data, with a month before"),
            ("always_treated_dropped", found.dropped_always, "treated from the first months on: no base, left out"),
            ("clusters", len(by_cluster), "independent groups of customers"),
            ("freedom", freedom, "degrees of freedom of the interval (Welch)"),
            ("cells", int(counted.sum()), "group-time effects averaged"),
            ("pretrend_p", pre_p, "joint test that all effects before the roll-out are zero"),
            ("band_critical", band, "multiplier of the band over event months"),
            ("first_month", names[0].year * 100 + names[0].month, "yyyymm"),
        ],
        precision=pd.DataFrame(
            [("clusters", round(len(by_cluster) * k), error / np.sqrt(k)) for k in _MORE],
            columns=["needed_of", "count", "std_error"],
        ),
    )


def group_time(values: np.ndarray, start: np.ndarray, *, anticipation: int = 0) -> GroupTime:
    """All ATT(g, t) against units not treated by t, with influence values.

    values : units x periods; start : position of the first treated period, >= number of periods for never.
    A cell without base month, or without any unit still untreated at both months, is left out.
    """
    units, periods = values.shape
    always = start <= anticipation
    kept = ~always
    cells, effect_psi, level_psi, share_psi = [], [], [], []
    total = int(kept.sum())
    for g in np.unique(start[kept & (start < periods)]):
        base = int(g) - 1 - anticipation
        treated = kept & (start == g)
        for t in range(periods):
            if t == base:
                continue
            control = kept & (start > max(t, base) + anticipation) & (start != g)
            if not control.any():
                continue
            change = values[:, t] - values[:, base]
            gain, drift = change[treated].mean(), change[control].mean()
            psi = np.where(treated, (change - gain) * total / treated.sum(), 0.0)
            psi -= np.where(control, (change - drift) * total / control.sum(), 0.0)
            level = values[treated, t].mean()
            cells.append((int(g), t, t - int(g), gain - drift, level, int(treated.sum()), int(control.sum())))
            effect_psi.append(psi[kept])
            level_psi.append(np.where(treated, (values[:, t] - level) * total / treated.sum(), 0.0)[kept])
            share_psi.append(treated[kept] - treated.sum() / total)
    names = ["group", "time", "event", "att", "treated_mean", "treated", "controls"]
    table = pd.DataFrame(cells, columns=names)
    if not cells:
        raise _no_comparison(start, periods)
    out = np.zeros((3, units, len(cells)))
    out[:, kept] = np.stack([np.column_stack(p) for p in (effect_psi, level_psi, share_psi)])
    return GroupTime(table, out[0], out[1], out[2], np.where(always, periods + 1, start), int(always.sum()))


def _no_comparison(start: np.ndarray, periods: int) -> DesignError:
    dates = np.unique(start[start < periods])
    if len(dates) == 0:
        return refuse("did", "nobody is treated within the data", "none; check treated_from against the months")
    if (start <= 0).all():
        return refuse(
            "did",
            "no pre-period: everyone is treated from the first month on",
            "none with these months; load earlier months, then its.estimate",
        )
    if len(dates) == 1:
        return refuse(
            "did",
            "everyone is treated on one day, so no customer shows what would have happened without the policy",
            "its.estimate on the firm's monthly total, or synthetic_control.estimate with other firms as donors",
        )
    return refuse(
        "did",
        "no controls: no group is untreated while another is treated with a month before it",
        "its.estimate on the firm's monthly total",
    )


def _matrix(
    panel: pd.DataFrame,
    outcome: str,
    unit: str,
    period: str,
    treated_from: str,
    cluster: str | None,
    options: DidOptions,
) -> tuple[np.ndarray, np.ndarray, pd.DatetimeIndex, np.ndarray]:
    if panel.duplicated([unit, period]).any():
        first = panel.loc[panel.duplicated([unit, period]), [unit, period]].iloc[0]
        raise DesignError(f"did: {unit} {first[unit]!r} has two rows for {first[period]}; sum them first")
    wide = panel.set_index([unit, period])[outcome].unstack(period).sort_index().sort_index(axis=1)  # noqa: PD010
    holes = wide.isna().any(axis=1)
    if holes.any():
        raise DesignError(
            f"did: {int(holes.sum())} of {len(wide)} {unit} lack a value in some month (first: "
            f"{wide.index[holes][0]}); "
            "fill true zeros with 0 or leave these customers out and say so"
        )
    facts = panel.groupby(unit, sort=True).agg(
        start=(treated_from, "first"), kinds=(treated_from, "nunique"), group=(cluster or unit, "first")
    )
    if (facts["kinds"] > 1).any():
        raise DesignError(f"did: {facts.index[facts['kinds'] > 1][0]} has several {treated_from}; one date a customer")
    months = pd.DatetimeIndex(wide.columns)
    # Month ends and month starts both stand for the month: compare calendar months.
    start = np.full(len(facts), len(months) + 1)
    dated = facts["start"].notna().to_numpy()
    ordinal = months.to_period("M").asi8
    start[dated] = np.searchsorted(ordinal, pd.DatetimeIndex(facts["start"][dated]).to_period("M").asi8)
    values = wide.to_numpy(dtype=float)
    if options.scale == "log":
        if values.min() <= 0:
            raise DesignError("did: a value is zero or negative, so no logarithm; use scale='ratio'")
        values = np.log(values)
    return values, start, months, pd.factorize(facts["group"])[0]


def _aggregate(found: GroupTime, pick: np.ndarray, options: DidOptions) -> tuple[float, np.ndarray]:
    """Mean of the picked cells weighted by group size, on the link scale, with its influence values."""
    cells = found.cells[pick]
    size = cells["treated"].to_numpy(dtype=float)
    weights = size / size.sum()
    total = len(found.group) - found.dropped_always
    shares = size / total
    share_psi = found.shares_influence[:, pick]

    def mean_of(values: np.ndarray, psi: np.ndarray) -> tuple[float, np.ndarray]:
        # The weights are estimated too: their influence is added, as in Callaway & Sant'Anna's aggregation.
        value = float(weights @ values)
        wobble = (share_psi / shares.sum()) @ values - share_psi.sum(axis=1) * value / shares.sum()
        return value, psi[:, pick] @ weights + wobble

    effect, psi = mean_of(cells["att"].to_numpy(), found.influence)
    if options.scale != "ratio":
        return effect, psi / total
    level, level_psi = mean_of(cells["treated_mean"].to_numpy(), found.level_influence)
    without = level - effect
    if without <= 0 or level <= 0:
        raise refuse(
            "did",
            f"the treated mean is {level:.4g} with and {without:.4g} without the policy, so no ratio exists",
            "scale='absolute'",
        )
    return float(np.log(level / without)), (level_psi / level - (level_psi - psi) / without) / total


def _sum_by(psi: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    out = np.zeros((clusters.max() + 1, psi.shape[1]))
    np.add.at(out, clusters, psi)
    return out


def _clustered_error(psi: np.ndarray, treated: np.ndarray) -> tuple[float, float]:
    """Standard error from influence sums by cluster and its Welch degrees of freedom."""
    parts = [(float(np.sum(psi[side] ** 2)), int(side.sum())) for side in (treated, ~treated)]
    parts = [(v * n / (n - 1), n) for v, n in parts if n > 1]
    if not parts:
        raise refuse("did", "one cluster only", "its.estimate on the total")
    variance = sum(v for v, _ in parts)
    bottom = sum(v**2 / (n - 1) for v, n in parts)
    return float(np.sqrt(variance)), float(variance**2 / bottom) if bottom > 0 else 1.0


def _event_study(found: GroupTime, clusters: np.ndarray, options: DidOptions) -> tuple[pd.DataFrame, float, float]:
    """Effect by months since roll-out with a band for all at once; p-value of the months before."""
    event = found.cells["event"].to_numpy()
    months = np.unique(event)
    values, psis, levels = [], [], []
    for e in months:
        try:
            value, psi = _aggregate(found, event == e, options)
        except DesignError:  # a month without any loss has no ratio: leave a gap in the picture
            value, psi = np.nan, np.full(len(found.group), np.nan)
        values.append(value)
        psis.append(psi)
        cells = found.cells[event == e]
        levels.append(np.average(cells["treated_mean"], weights=cells["treated"]))
    points = np.array(values)
    sums = _sum_by(np.column_stack(psis), clusters)
    count = len(sums)
    error = np.sqrt((sums**2).sum(axis=0) * count / (count - 1))
    rng = np.random.default_rng(options.seed)
    signs = rng.choice([-1.0, 1.0], size=(options.draws, count))
    usable = np.isfinite(error) & (error > 0)
    draws = np.abs(signs @ sums[:, usable]) / error[usable]
    band = float(np.quantile(draws.max(axis=1), options.level)) if usable.any() else np.nan
    before = usable & (months < -1 - options.anticipation)
    pre_p = np.nan
    if before.any():
        worst = np.max(np.abs(points[before]) / error[before])
        pre_p = float((1 + (draws[:, before[usable]].max(axis=1) >= worst).sum()) / (1 + options.draws))
    link = "identity" if options.scale == "absolute" else "log"
    level = np.exp(levels) if options.scale == "log" else np.array(levels)
    effect = from_link(points, link)
    table = pd.DataFrame(
        {
            "period": months,
            "observed": level,
            "counterfactual": level - effect if link == "identity" else level / (1 + effect),
            "effect": effect,
            "low": from_link(points - band * error, link),
            "high": from_link(points + band * error, link),
        }
    )
    return table, pre_p, band


def _assumptions(pre_p: float, pre_cells: int, treated: int) -> list[tuple[str, str, bool | None, str]]:
    return [
        (
            "parallel trends",
            "joint pre-trend test",
            None if np.isnan(pre_p) else bool(pre_p >= 0.05),
            f"p = {pre_p:.3f} over {pre_cells} group-months before" if pre_cells else "one month before only: no test",
        ),
        ("no reaction before the roll-out", "the same test", None, "announce it late or set anticipation"),
        ("controls are not touched", "none", None, "a shared collector or legal group spreads the policy"),
        ("enough treated customers", "at least 20", bool(treated >= 20), f"{treated} treated"),
    ]
