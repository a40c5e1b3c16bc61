"""The cockpit's engine: one simulated world, and any policy tried in it within a fraction of a second.

World and chance are drawn once (common random numbers), so the difference between two positions of a slider is the
policy's doing. A policy is judged by what `simulation.Outcome` measures; bad debt is hazard-weighted, which has a far
smaller Monte Carlo error than counted defaults.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from credit_lab import file_names
from credit_lab import policy as policies
from credit_lab.cockpit import settings as turning
from credit_lab.cockpit.settings import RANGES, Settings
from credit_lab.errors import PolicyError
from credit_lab.ledger.model import Ledger
from credit_lab.policy import Policy
from credit_lab.progress import Progress
from credit_lab.rules import coverage
from credit_lab.simulation import Assumptions, Outcome, Span, World, calibrate, compare, of_policy, regime, simulate

# Settings it reads, see `rules.coverage`: sliders end at the longest term.
READS = (*regime.READS, "terms.max_term_days")
# What the read-out shows: measure, name, unit.
SHOWN = (
    ("sales", "Sales", "money"),
    ("turnover", "Receivables turnover", "times a year"),
    ("dso", "DSO", "days"),
    ("bad_debt_expected", "Expected bad debt over sales", "share"),
    ("overdue_share", "Overdue over receivables", "share"),
    ("refused_share", "Orders refused", "share"),
    ("profit", "Profit", "money"),
)
AXES = ("sales", "turnover", "profit")


@dataclass(frozen=True)
class Stage:
    """The world policies are tried in; made by `prepare`.

    Attributes
    ----------
    policy : the baseline
    worlds : one per replicate, their parameters drawn with the uncertainty of the ledger
    span : the simulated time, after the last day known
    """

    policy: Policy
    worlds: tuple[World, ...]
    span: Span
    seed: int
    capacity: int
    assumptions: Assumptions
    currency: str
    jobs: int = 1

    def run(self, policy: Policy) -> Outcome:
        """The policy in this world."""
        people = self.worlds[0].customers
        usual = float(np.mean([grade.term_days for grade in self.policy.grades.scale]))
        rules = of_policy(
            policy, people, capacity=self.capacity, elasticity=self.assumptions.elasticity, base_term=usual
        )
        number = len(self.worlds)
        return simulate(list(self.worlds), rules, self.span, seed=self.seed, replicates=number, jobs=self.jobs)


def prepare(
    ledger: Ledger,
    policy: Policy,
    as_of: pd.Timestamp,
    *,
    days: int = 365,
    replicates: int = 32,
    capacity: int = 480,
    assumptions: Assumptions | None = None,
    seed: int = 0,
    jobs: int = 2,
) -> Stage:
    """Learn the world from what was known at `as_of`.

    Parameters
    ----------
    replicates : worlds; 32 of 300 customers take about 0.15 s a policy on one core
    capacity : collector minutes a day
    jobs : threads; the numbers are the same for any

    Raises
    ------
    SimulationError
        Too little past to learn from.
    """
    policy = policies.in_currency(policy, ledger.currency)
    policies.need_amounts(policy, "nothing to turn")
    assumptions = assumptions or Assumptions()
    learned = calibrate(ledger, policy, as_of, assumptions=assumptions)
    span = Span(as_of + pd.Timedelta(days=1), days, 0)  # from the open books on
    worlds = tuple(learned.draw(replicates, seed=seed + 1))
    return Stage(policy, worlds, span, seed, capacity, assumptions, ledger.currency, jobs)


class Cockpit:
    """What has been tried so far, and where it stands.

    Parameters
    ----------
    stage : the world
    searched : settings simulated beforehand, drawn evenly over the sliders, that the frontier is made of
    progress : called with (done, of how many) while they run
    """

    def __init__(self, stage: Stage, *, searched: int = 32, progress: Progress | None = None) -> None:
        self.stage = stage
        self.start = turning.neutral(stage.policy)
        self._tried: dict[object, tuple[Settings, Outcome]] = {}
        wanted = [self.start, *_spread(stage.policy, searched, stage.seed)]
        for done, settings in enumerate(wanted, start=1):
            self.outcome(settings)
            if progress:
                progress(done, len(wanted))
        self._searched = set(self._tried)

    def outcome(self, settings: Settings) -> Outcome:
        """The outcome of these settings; run once, then remembered."""
        at = turning.key(settings)
        if at not in self._tried:
            self._tried[at] = (settings, self.stage.run(turning.turned(self.stage.policy, settings)))
        return self._tried[at][1]

    def points(self, now: Settings, axis: str = "sales", *, level: float = 0.8) -> pd.DataFrame:
        """All settings tried, as points of bad debt and `axis`.

        Returns
        -------
        DataFrame
            settings, kind (now, baseline, searched, tried), bad_debt, gain (mean over the worlds), bad_debt_low and so
            on (`level` of the worlds), frontier: no other point has both less bad debt and more gain
        """
        if axis not in AXES:
            raise PolicyError(f"axis {axis!r}: choose one of {', '.join(AXES)}")
        self.outcome(now)
        here, start = turning.key(now), turning.key(self.start)
        tail = (1 - level) / 2
        rows = []
        for at, (settings, made) in self._tried.items():
            bad, gain = made.totals["bad_debt_expected"], made.totals[axis]
            kind = (
                "now" if at == here else "baseline" if at == start else "searched" if at in self._searched else "tried"
            )
            ends = [*bad.quantile([tail, 1 - tail]), *gain.quantile([tail, 1 - tail])]
            rows.append((settings, kind, bad.mean(), gain.mean(), *ends))
        columns = ["settings", "kind", "bad_debt", "gain", "bad_debt_low", "bad_debt_high", "gain_low", "gain_high"]
        table = pd.DataFrame(rows, columns=columns)
        order = table.sort_values(["bad_debt", "gain"], ascending=[True, False])
        best = order["gain"].cummax().shift(fill_value=-np.inf)
        return table.assign(frontier=(order["gain"] > best).reindex(table.index))

    def readout(self, now: Settings) -> pd.DataFrame:
        """measure, unit, baseline, now, difference, low, high (95 % of the mean difference in the same worlds), clear:
        whether the interval leaves out 0."""
        table = compare(self.outcome(self.start), self.outcome(now)).table.set_index("measure")
        rows = [
            (name, unit, *(float(table.loc[measure, part]) for part in ("a", "b", "difference", "low", "high")))
            for measure, name, unit in SHOWN
        ]
        found = pd.DataFrame(rows, columns=["measure", "unit", "baseline", "now", "difference", "low", "high"])
        return found.assign(clear=(found["low"] > 0) | (found["high"] < 0))

    def diff(self, now: Settings) -> pd.DataFrame:
        """What the turned policy differs in from the baseline, and whether it is read here
        (`rules.coverage.differences`).
        """
        turned = turning.turned(self.stage.policy, now)
        return coverage.differences(self.stage.policy, turned, READS)

    def save(self, now: Settings, name: str, valid_from: date, folder: str | Path) -> Path:
        """Write the turned policy as FOLDER/NAME.toml; it says in its description what was changed.

        Raises
        ------
        PolicyError
            A name that is no file name, or a file of that name is there.
        """
        stem = file_names.inside(name, "policy name", PolicyError)
        made = turning.proposal(self.stage.policy, now, name, valid_from)
        path = policies.save(made, Path(folder) / f"{stem}.toml")
        policies.load(path)  # what cannot be read back must not be told saved
        return path


def _spread(policy: Policy, number: int, seed: int) -> list[Settings]:
    """Settings evenly over the sliders (scrambled Sobol points), on the sliders' steps."""
    from scipy.stats import qmc

    if number < 1:
        return []
    grades = turning.open_grades(policy)
    power = int(np.ceil(np.log2(max(number, 2))))
    drawn = qmc.Sobol(1 + len(RANGES), rng=np.random.default_rng(seed)).random_base2(power)[:number]
    found = []
    for row in drawn:
        values = {}
        for at, (name, (low, high, step)) in zip(row[1:], RANGES.items(), strict=True):
            value = low + round(at * (high - low) / step) * step
            values[name] = value if name == "limit_multiple" else round(value)
        found.append(Settings(cutoff=grades[int(row[0] * len(grades))], **values))
    return found
