"""The cockpit: seconds from a move of a slider to the new drawing, by part, and against a matplotlib chart of it.

    python benchmarks/cockpit.py [--quick] [--json FILE]

Every move goes to settings that were not simulated before, so nothing is remembered. The peer draws the same points
with matplotlib to a PNG, as a figure in a notebook would be. Wanted: a move in less than a second.
"""

import argparse
import io
import json
import statistics
import time
from dataclasses import replace
from pathlib import Path

import matplotlib
import pandas as pd

from credit_lab import ledger, policy, synthetic
from credit_lab.cockpit import chart, panel, trial

matplotlib.use("Agg")


def timed(work):
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


def peer(points):
    """The same chart with matplotlib."""
    from matplotlib.figure import Figure

    axes = (figure := Figure(figsize=(6.2, 4), dpi=100)).subplots()
    for p in points.itertuples():
        axes.plot(p.bad_debt, p.gain, "o", color="grey")
        if p.frontier or p.kind in ("now", "baseline"):
            axes.plot([p.bad_debt_low, p.bad_debt_high], [p.gain, p.gain])
            axes.plot([p.bad_debt, p.bad_debt], [p.gain_low, p.gain_high])
    figure.savefig(io.BytesIO(), format="png")


def measure(book, customers, moves, replicates=32):
    rules = policy.load("data/policies/2025-baseline.toml")
    begun = time.perf_counter()
    stage = trial.prepare(book, rules, pd.Timestamp("2025-12-31"), replicates=replicates, seed=1)
    cockpit = trial.Cockpit(stage, searched=32)
    prepared = time.perf_counter() - begun
    shown = panel.Panel(cockpit, "unused")
    spent = []
    for k in range(moves):
        spent.append(timed(lambda k=k: setattr(shown.sliders["hold_days"], "value", 5 * (k % 18)))[0])
        shown.sliders["limit_multiple"].value = 1 + 0.05 * (k + 1)
    points = cockpit.points(replace(cockpit.start, hold_days=0))
    ours = statistics.median(timed(lambda: chart.frontier(points, "sales", "CNY", "title"))[0] for _ in range(9))
    theirs = statistics.median(timed(lambda: peer(points))[0] for _ in range(5))
    return {
        "customers": customers, "replicates": replicates, "prepare_s": prepared,
        "move_median_s": statistics.median(spent),
        "move_worst_s": max(spent), "drawing_s": ours, "matplotlib_s": theirs, "drawing_ratio": theirs / ours,
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the bundled sample only")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    sample = ledger.read("data/sample")
    measure(sample, 0, 1, 2)  # compiles
    rows = [measure(sample, len(sample.customers), 10 if chosen.quick else 30)]
    if not chosen.quick:
        folder = Path("/tmp") / "cockpit_benchmark"
        made = synthetic.generate(synthetic.Firm(customers=1000, months=36), 1)
        ledger.write(made.tables, folder, format="parquet", overwrite=True)
        rows.append(measure(ledger.read(folder), 1000, 30))
    for row in rows:
        print(", ".join(f"{name} {value:,.4g}" for name, value in row.items()))
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
