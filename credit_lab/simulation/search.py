"""Looking for better policies on common random numbers: successive halving, sensitivity, frontier.

References
----------
Jamieson, K. & Talwalkar, A. (2016). Non-stochastic best arm identification (successive halving). AISTATS.
Saltelli, A. et al. (2010). Variance based sensitivity analysis. Computer Physics Communications 181, 259-270.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from credit_lab.progress import Progress
from credit_lab.simulation.outcome import simulate
from credit_lab.simulation.regime import Regime
from credit_lab.simulation.run import Span
from credit_lab.simulation.world import SimulationError, World

Change = Callable[[Regime, float], Regime]


def _ladder_days(rules: Regime, factor: float) -> Regime:
    first = rules.ladder.first_days
    days = np.maximum(np.rint(first * factor).astype(np.int64), 1)
    rising = np.maximum.accumulate(days + np.arange(len(days)) * (np.diff(days, prepend=0) <= 0))
    return rules.with_(first_days=rising)


# What can be turned, and how: a name → (rules, value) → rules.
KNOBS: Mapping[str, Change] = {
    "cut_off": lambda rules, value: rules.served(round(value)),
    "limit_multiple": lambda rules, value: rules.scaled(value),
    "term_days": lambda rules, value: rules.longer(value),
    "hold_days": lambda rules, value: rules.with_(overdue_days=round(value)),
    "ladder_days": _ladder_days,
    "capacity": lambda rules, value: rules.with_(capacity=round(value)),
}


def turned(rules: Regime, settings: Mapping[str, float]) -> Regime:
    """The regime with knobs turned: cut_off (only the best so many grades get credit), limit_multiple (factor on all
    limits), term_days (added to every term), hold_days, ladder_days (factor on the first days of the stages), capacity.

    Raises
    ------
    SimulationError
        An unknown knob.
    """
    for name, value in settings.items():
        if name not in KNOBS:
            raise SimulationError(f"search: no knob {name!r}; there are {', '.join(KNOBS)}")
        rules = KNOBS[name](rules, value)
    return rules


def search(
    world: World,
    rules: Regime,
    ranges: Mapping[str, tuple[float, float]],
    span: Span,
    *,
    seed: int,
    candidates: int = 32,
    replicates: int = 4,
    loss_cap: float = np.inf,
    jobs: int = 1,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Successive halving: many settings on few replicates, the better half on twice as many, and so on.

    Parameters
    ----------
    ranges : knob -> lowest and highest value; settings are drawn evenly (scrambled Sobol points), the first is as it is
    loss_cap : largest mean bad_debt_expected; settings above it rank behind all others
    progress : called with (replicates run so far, of how many) after each; `credit_lab.progress.bar` draws it

    Returns
    -------
    DataFrame
        knobs, replicates (it got to), profit, standard_error (of the paired difference to the rules as they are),
        difference, bad_debt_expected, turnover, allowed; best first
    """
    from scipy.stats import qmc

    if not ranges or any(low > high for low, high in ranges.values()):
        raise SimulationError("search: give each knob a lowest and a highest value")
    names = list(ranges)
    drawer = qmc.Sobol(len(names), rng=np.random.default_rng(seed))
    points = drawer.random_base2((candidates - 1).bit_length())  # even in powers of two only
    low, high = np.array(list(ranges.values()), dtype=float).T
    settings: list[dict[str, float]] = [{}]
    drawn = (low + points * (high - low))[: candidates - 1]
    settings += [dict(zip(names, row, strict=True)) for row in drawn.tolist()]
    alive, done, runs = list(range(len(settings))), 0, {}  # type: ignore[var-annotated]
    batch, ran, whole = replicates, 0, work(len(settings), replicates)
    while True:
        for k in {0, *alive}:
            if progress:
                progress(ran, max(whole, ran + batch))
            ran += batch
            made = simulate(world, turned(rules, settings[k]), span, seed=seed, replicates=batch, first=done, jobs=jobs)
            runs[k] = pd.concat([runs[k], made.totals], ignore_index=True) if k in runs else made.totals
        done += batch
        table = pd.DataFrame([_row(k, settings[k], runs, names, loss_cap) for k in runs])
        order = table.sort_values(["allowed", "replicates", "profit"], ascending=[False, False, False])
        kept = [k for k in order["candidate"] if k in alive][: max(len(alive) // 2, 1)]
        if len(alive) <= 1:
            if progress:
                progress(ran, ran)
            return order.drop(columns="candidate").reset_index(drop=True)
        alive, batch = kept, done


def work(candidates: int, batch: int = 4) -> int:
    """Replicates of a search: halves run on as many again as before; the first candidate may run beside them."""
    done, alive, total = 0, candidates, 0
    while True:
        total += batch * alive
        done += batch
        if alive <= 1:
            return total
        alive, batch = max(alive // 2, 1), done


def _row(
    k: int, settings: Mapping[str, float], runs: Mapping[int, pd.DataFrame], names: list[str], loss_cap: float
) -> dict[str, object]:
    mine = runs[k]
    base = runs[0].head(len(mine))
    gap = mine["profit"].to_numpy() - base["profit"].to_numpy()
    loss = float(mine["bad_debt_expected"].mean())
    return {
        "candidate": k, **{name: settings.get(name, np.nan) for name in names}, "replicates": len(mine),
        "profit": float(mine["profit"].mean()), "difference": float(gap.mean()),
        "standard_error": float(gap.std(ddof=1) / np.sqrt(len(gap))) if len(gap) > 1 else np.nan,
        "bad_debt_expected": loss, "turnover": float(mine["turnover"].mean()), "allowed": loss <= loss_cap,
    }  # fmt: skip


def one_at_a_time(
    world: World,
    rules: Regime,
    ranges: Mapping[str, tuple[float, float]],
    span: Span,
    *,
    seed: int,
    replicates: int = 16,
    jobs: int = 1,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Each knob at its ends, the others as they are: knob, value, profit, difference, turnover, bad_debt_expected.

    `progress` is called with (ends done, of how many) after each.
    """
    base = simulate(world, rules, span, seed=seed, replicates=replicates, jobs=jobs).totals
    rows = []
    for name, ends in ranges.items():
        for value in ends:
            made = simulate(
                world, turned(rules, {name: value}), span, seed=seed, replicates=replicates, jobs=jobs
            ).totals
            gap = made["profit"] - base["profit"]
            rows.append(
                (name, value, made["profit"].mean(), gap.mean(), gap.std(ddof=1) / np.sqrt(replicates),
                 made["turnover"].mean(), made["bad_debt_expected"].mean())
            )  # fmt: skip
            if progress:
                progress(len(rows), 2 * len(ranges))
    columns = ["knob", "value", "profit", "difference", "standard_error", "turnover", "bad_debt_expected"]
    return pd.DataFrame(rows, columns=columns)


def frontier(found: pd.DataFrame) -> pd.DataFrame:
    """Settings of a search that no other beats in both turnover and bad debt, by bad debt."""
    rows = found.sort_values(["bad_debt_expected", "turnover"], ascending=[True, False])
    best = rows["turnover"].cummax()
    return rows[(rows["turnover"] >= best) & ~rows["turnover"].duplicated()].reset_index(drop=True)
