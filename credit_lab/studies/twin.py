"""Two policies in the same simulated world, as a record for the notebook and the command."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab import knowledge
from credit_lab.errors import MoneyNotKnown
from credit_lab.ledger.model import Ledger
from credit_lab.policy import Policy
from credit_lab.progress import Progress, Whole
from credit_lab.rules import coverage
from credit_lab.simulation import (
    Assumptions,
    Calibration,
    Comparison,
    Outcome,
    Regime,
    SimulationError,
    Span,
    World,
    calibrate,
    compare,
    of_policy,
    regime,
    simulate,
)
from credit_lab.simulation.outcome import by_segment
from credit_lab.simulation.search import frontier, one_at_a_time, search, work
from credit_lab.studies.granting import granted_by
from credit_lab.studies.record import Record
from credit_lab.studies.replay_text import blind
from credit_lab.studies.text import money_text

# What the year ahead reads: also the event of failure, by which its world is learned; no limit runs
# out within the year.
READS = (
    *(one for one in regime.READS if one != "holds.expired_limit"),
    *("default.impaired_amount", "default.impaired_share"),
    *("default.month_ends", "default.failed_days"),
)
_UNRECORDED = "Bad debt is estimated from customers who fell silent and an assumed recovery"
SCANNED = ["profit", "turnover", "bad_debt_expected"]
SHOWN = [
    "sales",
    "refused_share",
    "cash",
    "turnover",
    "dso_period_end",
    "dso_countback",
    "overdue_share",
    "bad_debt_expected",
    "collection_cost",
    "funding_cost",
    "profit",
]
RANGES = {
    "limit_multiple": (0.5, 2.0),
    "term_days": (-20.0, 20.0),
    "hold_days": (10.0, 120.0),
    "ladder_days": (0.3, 1.5),
    "capacity": (0.0, 960.0),
}


@dataclass(frozen=True)
class Twin:
    """A simulated comparison.

    Attributes
    ----------
    calibration : the world and how sure it is
    first, second : outcomes of the two policies
    differences : settings in which they differ, and whether the simulation reads them
    comparison : paired differences; `monthly` medians and 80 % of both by month
    scan : the difference of profit, turnover and bad debt under other values of what the ledger
        cannot say
    segments : by grade, industry and region, both policies
    sensitivity : one knob at a time on the first policy; `found` and `front` from the search, empty
        without one
    """

    calibration: Calibration
    first: Outcome
    second: Outcome
    differences: pd.DataFrame
    comparison: Comparison
    monthly: pd.DataFrame
    scan: pd.DataFrame
    segments: pd.DataFrame
    sensitivity: pd.DataFrame
    found: pd.DataFrame
    front: pd.DataFrame

    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by name."""
        return {
            "simulation_parameters": self.calibration.parameters,
            "simulation_differences": self.differences,
            "simulation_comparison": self.comparison.table,
            "simulation_monthly": self.monthly,
            "simulation_scan": self.scan,
            "simulation_segments": self.segments,
            "simulation_sensitivity": self.sensitivity,
            "simulation_search": self.found,
            "simulation_frontier": self.front,
        }


def twin(
    ledger: Ledger,
    policies: Sequence[Policy],
    as_of: pd.Timestamp,
    *,
    days: int = 365,
    replicates: int = 100,
    capacity: int = 480,
    candidates: int = 0,
    loss_cap: float = np.inf,
    parameters_drawn: bool = True,
    assumptions: Assumptions | None = None,
    seed: int = 0,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Twin:
    """Calibrate on what was known at `as_of`, then run both policies for the time after.

    Parameters
    ----------
    capacity : collector minutes a day
    candidates : settings tried by the search for a better version of the first policy; 0: no search
    parameters_drawn : replicates draw the world's parameters with their uncertainty
    progress : called with (worlds simulated, of how many in all)

    Raises
    ------
    SimulationError
        Too little past to learn from, or two policies of one id.
    """
    policies = [granted_by(policy, ledger) for policy in policies]
    if policies[0].meta.id == policies[1].meta.id:
        raise SimulationError(
            f"both policies have the id {policies[0].meta.id}: change it in one of the files"
        )
    learned = calibrate(ledger, policies[0], as_of, assumptions=assumptions)
    worlds = learned.draw(replicates, seed=seed + 1) if parameters_drawn else learned.world
    span = Span(as_of + pd.Timedelta(days=1), days, 0)
    cases, few, fewer = len(learned.assumptions.cases()), min(replicates, 30), min(replicates, 16)
    ends = (2 * (len(RANGES) + 1) + 1) * fewer
    searched = work(candidates) if candidates else 0
    whole = Whole(progress, 2 * replicates + 2 * (cases + 1) * few + ends + searched)
    run = _Runs(policies, span, seed, jobs, capacity, float(learned.term.mean()), whole)
    first, second = run.both(learned, worlds, replicates)
    scan = _scan(learned, run, few)
    rules = run.rules(policies[0], learned)
    sensitivity = one_at_a_time(
        learned.world,
        rules,
        ranges(rules),
        span,
        seed=seed,
        replicates=fewer,
        jobs=jobs,
        progress=whole.part(ends),
    )
    found = (
        search(
            learned.world,
            rules,
            ranges(rules),
            span,
            seed=seed,
            candidates=candidates,
            loss_cap=loss_cap,
            jobs=jobs,
            progress=whole.part(searched),
        )
        if candidates
        else pd.DataFrame()
    )
    monthly = pd.concat([months(made) for made in (first, second)], ignore_index=True)
    return Twin(
        learned,
        first,
        second,
        coverage.differences(policies[0], policies[1], regime.READS),
        compare(first, second),
        monthly,
        scan,
        _segments(first, second),
        sensitivity,
        found,
        frontier(found) if len(found) else pd.DataFrame(),
    )


def _segments(first: Outcome, second: Outcome) -> pd.DataFrame:
    """Both outcomes by grade, industry and region, as far as these are known."""
    parts = [
        by_segment(made, column)
        .rename(columns={column: "segment"})
        .assign(by=column, policy=made.name)
        for made in (first, second)
        for column in first.segments.columns.intersection(["grade", "industry", "region"])
        if (first.segments[column] != "").any()
    ]
    table = pd.concat(parts)
    keys = ["by", "segment", "policy"]
    return table[[*keys, *table.columns[1:-2]]].sort_values(keys, ignore_index=True)


@dataclass(frozen=True)
class _Runs:
    """Both policies in the same worlds, as often as needed."""

    policies: Sequence[Policy]
    span: Span
    seed: int
    jobs: int
    capacity: int
    usual_term: float
    whole: Whole

    def rules(self, policy: Policy, learned: Calibration) -> Regime:
        people, assumed = learned.world.customers, learned.assumptions
        return of_policy(
            policy,
            people,
            capacity=self.capacity,
            elasticity=assumed.elasticity,
            base_term=self.usual_term,
        )

    def both(
        self, learned: Calibration, worlds: World | list[World], replicates: int
    ) -> list[Outcome]:
        return [
            simulate(
                worlds,
                self.rules(policy, learned),
                self.span,
                seed=self.seed,
                replicates=replicates,
                jobs=self.jobs,
                assumptions=learned.assumptions.sentences(),
                progress=self.whole.part(replicates),
            )
            for policy in self.policies
        ]


def ranges(rules: Regime) -> dict[str, tuple[float, float]]:
    """Ends of the knobs for sensitivity and search."""
    grades = len(rules.discount)
    return {"cut_off": (max(grades - 2.4, 0.6), grades + 0.4), **RANGES}


def months(made: Outcome) -> pd.DataFrame:
    """Medians and 80 % of the worlds by month: sales, cash, open, overdue and expected_loss, each
    with _low, _median, _high; policy.
    """
    grouped = made.monthly.groupby("month")
    table = pd.DataFrame(index=sorted(made.monthly["month"].unique()))
    for name in ("sales", "cash", "open", "overdue", "expected_loss"):
        for label, level in (("low", 0.1), ("median", 0.5), ("high", 0.9)):
            table[f"{name}_{label}"] = grouped[name].quantile(level)
    return table.rename_axis("month").reset_index().assign(policy=made.name)


def _scan(learned: Calibration, run: _Runs, replicates: int) -> pd.DataFrame:
    """Differences under the ends of the assumed ranges."""
    rows = []
    for name, assumed in {"as assumed": learned.assumptions, **learned.assumptions.cases()}.items():
        again = learned.under(assumed)
        table = compare(*run.both(again, again.world, replicates)).table.set_index("measure")
        rows.append((name, *(table.loc[measure, "difference"] for measure in SCANNED)))
    return pd.DataFrame(rows, columns=["assumption", *SCANNED])


@dataclass(frozen=True)
class Outlook(Record, prefix="outlook_"):
    """The year ahead as it would go on, and under the policy as it is written.

    Attributes
    ----------
    lines : what to know first, or why nothing can be said
    monthly : as `months`, both ways; empty where nothing can be said
    table : measure, a (as it was), b (policy as written), difference, low, high (95 % of the mean)
    """

    lines: list[str]
    monthly: pd.DataFrame
    table: pd.DataFrame


def outlook(
    ledger: Ledger,
    policy: Policy,
    as_of: pd.Timestamp,
    *,
    replicates: int = 60,
    seed: int = 0,
    capacity: int = 480,
) -> Outlook:
    """Simulate the year after `as_of`; a ledger that is too young says so."""
    try:
        policy = granted_by(policy, ledger)
        learned = calibrate(ledger, policy, as_of)
    except (SimulationError, MoneyNotKnown) as error:
        return Outlook([f"No outlook: {error}."], pd.DataFrame(), pd.DataFrame())
    worlds, span = (
        learned.draw(replicates, seed=seed + 1),
        Span(as_of + pd.Timedelta(days=1), 365, 0),
    )
    written = of_policy(policy, learned.world.customers, capacity=capacity)
    past, then = (
        simulate(worlds, rules, span, seed=seed, replicates=replicates)
        for rules in (learned.as_it_was(policy), written)
    )
    compared = compare(past, then)
    lacking = knowledge.of(ledger, as_of=as_of).why("write_offs")
    monthly = pd.concat([months(past), months(then)], ignore_index=True)
    kept = compared.table[compared.table["measure"].isin(SHOWN)]
    columns = ["measure", "a", "b", "difference", "low", "high"]
    lines = [
        *_forecast(past, ledger.currency),
        *([f"{_UNRECORDED}: {lacking}."] if lacking else []),
        *_against(compared, past.name, then.name, ledger.currency),
        f"Of the policy the year ahead does not read: {'; '.join(coverage.outside(READS))}.",
    ]
    return Outlook(lines, monthly, kept[columns].reset_index(drop=True))


def _forecast(made: Outcome, currency: str) -> list[str]:
    """Where things go if nothing changes, with 80 % of the worlds."""
    table = made.interval().set_index("measure")
    lost, dso = table.loc["bad_debt_expected"], table.loc["dso_period_end"]
    cash = table.loc["cash"]
    if not np.isfinite([dso["low"], lost["low"]]).all():
        return [
            f"If things go on as they were: {money_text(cash['low'], currency)} to "
            f"{money_text(cash['high'], currency)} of cash in the year ahead; nothing is sold on "
            "credit."
        ]
    return [
        f"If things go on as they were: {money_text(cash['low'], currency)} to "
        f"{money_text(cash['high'], currency)} of cash in the year ahead, period-end DSO after it "
        f"{dso['low']:.0f} to {dso['high']:.0f} days, expected bad debt {lost['low']:.2%} to "
        f"{lost['high']:.2%} of sales (80 % of simulated worlds)."
    ]


def headline(made: Twin, currency: str) -> list[str]:
    """What management should know first, and what differs that the simulation does not read."""
    alike = blind(made.differences, made.first.name, made.second.name)
    return [*(alike or _compared(made, currency)), *not_simulated(made.differences)]


def not_simulated(differing: pd.DataFrame) -> list[str]:
    """What differs between the policies and the simulation does not read; empty: it reads all."""
    names = coverage.listed(differing)
    return [f"The simulation does not read: {names}."] if names else []


def _compared(made: Twin, currency: str) -> list[str]:
    """What the policies' difference does, and whether it holds under other assumptions."""
    lines = _against(made.comparison, made.first.name, made.second.name, currency)
    if made.scan[SCANNED].isna().all(axis=None):
        return [
            *lines,
            "Nothing is sold on credit under one of them, so no difference could be scanned.",
        ]
    shaky = [name for name in SCANNED if len(set(np.sign(made.scan[name].dropna()))) > 1]
    lines.append(
        f"The sign of the difference in {', '.join(shaky)} turns within the ranges of what the "
        "ledger cannot say."
        if shaky
        else "The signs hold over the ranges of what the ledger cannot say."
    )
    return lines


def _against(compared: Comparison, a: str, b: str, currency: str) -> list[str]:
    """One sentence per measure: more, less, or no clear difference."""
    table = compared.table.set_index("measure")
    lines = []
    for name, words in (
        ("profit", "profit of the year"),
        ("turnover", "receivables turnover"),
        ("bad_debt_expected", "expected bad debt over sales"),
    ):
        row = table.loc[name]
        if row[["a", "b"]].isna().any():
            idle = " and ".join(side for side, of in ((a, "a"), (b, "b")) if np.isnan(row[of]))
            lines.append(
                f"{b} against {a}: {words} cannot be compared; nothing is sold on credit under "
                f"{idle}."
            )
            continue
        size, shown = abs(row["difference"]), f"{row['a']:,.4g} to {row['b']:,.4g}"
        if name == "profit":
            said, shown = (
                money_text(size, currency),
                " to ".join(money_text(row[side], currency) for side in "ab"),
            )
        elif name == "turnover":
            said = f"{size:.2f}"
        else:
            said, shown = f"{100 * size:.2f} percentage points", f"{row['a']:.2%} to {row['b']:.2%}"
        if row["low"] > 0 or row["high"] < 0:
            lines.append(
                f"{b} against {a}: {'more' if row['low'] > 0 else 'less'} {words}, by {said} on "
                f"average ({shown})."
            )
        else:
            lines.append(f"{b} against {a}: no clear difference in {words} ({shown}).")
    return lines
