"""Two policies in the same simulated world, as a record for the notebook and the command."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from credit_lab.ledger.model import Ledger
from credit_lab.policy import Policy
from credit_lab.report.text import money_text
from credit_lab.simulation import (
    Assumptions,
    Calibration,
    Comparison,
    Outcome,
    Span,
    calibrate,
    compare,
    of_policy,
    simulate,
)  # fmt: skip
from credit_lab.simulation.outcome import by_segment
from credit_lab.simulation.search import frontier, one_at_a_time, search

RANGES = {
    "limit_multiple": (0.5, 2.0), "term_days": (-20.0, 20.0), "hold_days": (10.0, 120.0), "ladder_days": (0.3, 1.5),
    "capacity": (0.0, 960.0),
}  # fmt: skip


@dataclass(frozen=True)
class Twin:
    """A simulated comparison.

    Attributes
    ----------
    calibration : the world and how sure it is
    first, second : outcomes of the two policies
    comparison : paired differences; `monthly` medians and 80 % of both by month
    scan : the difference of profit, turnover and bad debt under other values of what the ledger cannot say
    segments : by grade, both policies
    sensitivity : one knob at a time on the first policy; `found` and `front` from the search, empty without one
    """

    calibration: Calibration
    first: Outcome
    second: Outcome
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
            "simulation_parameters": self.calibration.parameters, "simulation_comparison": self.comparison.table,
            "simulation_monthly": self.monthly, "simulation_scan": self.scan, "simulation_segments": self.segments,
            "simulation_sensitivity": self.sensitivity, "simulation_search": self.found,
            "simulation_frontier": self.front,
        }  # fmt: skip


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
) -> Twin:
    """Calibrate on what was known at `as_of`, then run both policies for the time after.

    Parameters
    ----------
    capacity : collector minutes a day
    candidates : settings tried by the search for a better version of the first policy; 0: no search
    parameters_drawn : replicates draw the world's parameters with their uncertainty

    Raises
    ------
    SimulationError
        Too little past to learn from.
    """
    assumptions = assumptions or Assumptions()
    learned = calibrate(ledger, policies[0], as_of, assumptions=assumptions)
    worlds = learned.draw(replicates, seed=seed + 1) if parameters_drawn else learned.world
    people = learned.world.customers
    span = Span(as_of + pd.Timedelta(days=1), days, 240)
    usual = float(of_policy(policies[0], people).term.mean())

    def rules(policy: Policy, elasticity: float = assumptions.elasticity):  # type: ignore[no-untyped-def]
        return of_policy(policy, people, capacity=capacity, elasticity=elasticity, base_term=usual)

    first, second = (
        simulate(
            worlds,
            rules(policy),
            span,
            seed=seed,
            replicates=replicates,
            jobs=jobs,
            assumptions=assumptions.sentences(),
        )
        for policy in policies
    )
    fewer = min(replicates, 30)
    scan = _scan(learned, policies, rules, span, fewer, seed, jobs, assumptions)
    some = min(replicates, 16)
    sensitivity = one_at_a_time(learned.world, rules(policies[0]), RANGES, span, seed=seed, replicates=some, jobs=jobs)
    found = (
        search(learned.world, rules(policies[0]), RANGES, span, seed=seed, candidates=candidates, loss_cap=loss_cap,
               jobs=jobs)
        if candidates
        else pd.DataFrame()
    )  # fmt: skip
    monthly = pd.concat([_months(made) for made in (first, second)], ignore_index=True)
    segments = pd.concat([by_segment(made, "grade").assign(policy=made.name) for made in (first, second)])
    return Twin(
        learned, first, second, compare(first, second), monthly, scan, segments.reset_index(drop=True), sensitivity,
        found, frontier(found) if len(found) else pd.DataFrame(),
    )  # fmt: skip


def _months(made: Outcome) -> pd.DataFrame:
    grouped = made.monthly.groupby("month")
    parts = {"policy": made.name}
    table = pd.DataFrame(index=sorted(made.monthly["month"].unique()))
    for name in ("sales", "collected", "open", "overdue", "expected_loss"):
        for label, level in (("low", 0.1), ("median", 0.5), ("high", 0.9)):
            table[f"{name}_{label}"] = grouped[name].quantile(level)
    return table.rename_axis("month").reset_index().assign(**parts)


def _scan(learned, policies, rules, span, replicates, seed, jobs, assumptions):  # type: ignore[no-untyped-def]
    """Differences under the ends of the assumed ranges."""
    rows = []
    cases = [
        (f"collection effect × {factor:g}", factor, assumptions.elasticity)
        for factor in (*assumptions.level_range, 1.0)
    ] + [(f"orders {value:+.2%} per day of term", 1.0, value) for value in assumptions.elasticity_range]
    for name, factor, elasticity in dict.fromkeys(cases):
        effects = tuple(1 + (effect - 1) * factor for effect in assumptions.level_effect)
        base = learned.world.hazard[:, :1, :]
        hazard = np.clip(base * np.array([1.0, *effects])[None, :, None], 0, 0.97)
        world = replace(learned.world, hazard=hazard)
        made = [
            simulate(world, rules(policy, elasticity), span, seed=seed, replicates=replicates, jobs=jobs)
            for policy in policies
        ]
        table = compare(*made).table.set_index("measure")
        rows.append(
            (name, *(table.loc[measure, "difference"] for measure in ("profit", "turnover", "bad_debt_expected")))
        )
    return pd.DataFrame(rows, columns=["assumption", "profit", "turnover", "bad_debt_expected"])


def headline(made: Twin, currency: str) -> list[str]:
    """What management should know first."""
    table = made.comparison.table.set_index("measure")
    lines = []
    for name, words, fine in (
        ("profit", "profit of the year", False), ("turnover", "receivables turnover", True),
        ("bad_debt_expected", "expected bad debt over sales", True),
    ):  # fmt: skip
        row = table.loc[name]
        sure = "more" if row["low"] > 0 else "less" if row["high"] < 0 else "no clear difference in"
        size = abs(row["difference"])
        said = (
            (f"{size:.2%} points of" if name.startswith("bad") else f"{size:.2f}")
            if fine
            else money_text(size, currency)
        )
        before, after = (f"{row[of]:,.3g}" if fine else money_text(row[of], currency) for of in ("a", "b"))
        lines.append(
            f"{made.second.name} against {made.first.name}: {sure} {words}"
            + (f" by {said} on average" if sure in ("more", "less") else "")
            + f" (from {before} to {after})."
        )
    names = ("profit", "turnover", "bad_debt_expected")
    shaky = [name.replace("_", " ") for name in names if len(set(np.sign(made.scan[name]))) > 1]
    lines.append(
        f"The sign of the difference in {', '.join(shaky)} turns within the ranges of what the ledger cannot say."
        if shaky
        else "The signs hold over the ranges of what the ledger cannot say."
    )
    return lines
