"""Whole walks: check, review and replay on the bundled sample, against a plain pandas aging of the same ledger.

    python benchmarks/end_to_end.py [--quick] [--json FILE]

The ratio sets the aging series at 36 month ends against the usual loop (filter, group, merge per month end).
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd

from credit_lab import aging, backtest, history, ledger, studies, synthetic
from credit_lab import policy as policies

ENDS = pd.date_range("2023-01-31", "2025-12-31", freq="ME")


def clock(function, repeat):
    """Best wall time of several runs, and the last result."""
    best, result = float("inf"), None
    for _ in range(repeat):
        start = time.perf_counter()
        result = function()
        best = min(best, time.perf_counter() - start)
    return best, result


def loop(book):
    """Aging by the usual loop over month ends."""
    rows = []
    for end in ENDS:
        paid = book.allocations[book.allocations["allocated_on"] <= end].groupby("invoice_id")["amount"].sum()
        documents = book.invoices[(book.invoices["issue_date"] <= end) & (book.invoices["amount"] > 0)]
        left = documents["amount"] - documents["invoice_id"].map(paid).fillna(0.0)
        late = (end - documents["due_date"]).dt.days
        bucket = pd.cut(late, [-np.inf, 0, 30, 60, 90, 180, 365, np.inf])
        rows.append(left.groupby([documents["customer_id"], bucket], observed=False).sum())
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    repeat = 1 if options.quick else 3
    figures = {}
    figures["read the sample, s"], book = clock(lambda: ledger.read("data/sample"), repeat)
    rules = [policies.load(f"data/policies/2025-{name}.toml") for name in ("baseline", "tighter")]
    figures["compute the review, s"], _ = clock(lambda: studies.review.review(book, rules[0], "2025Q4"), repeat)
    figures["replay two policies, s"], _ = clock(lambda: backtest.champion_challenger(book, *rules), repeat)
    figures["history, s"], _ = clock(lambda: history.build(book, ENDS[-1]), repeat)
    count = 100_000 if options.quick else 1_000_000
    start = time.perf_counter()
    made = synthetic.generate(synthetic.Firm(invoices=count), 1)
    figures[f"generate {count:,} invoices, s"] = time.perf_counter() - start
    nothing = pd.DataFrame()
    large = ledger.Ledger(
        {name: made.tables[name] for name in ("customers", "invoices", "payments", "allocations")},
        nothing, nothing, "synthetic", nothing,
    )  # fmt: skip
    ours, _ = clock(lambda: aging.series(large, ENDS, by=["customer_id"]), repeat)
    usual, _ = clock(lambda: loop(large), 1)
    figures["aging by customer at 36 month ends, s"] = ours
    figures["the usual pandas loop, s"] = usual
    figures["aging: pandas loop / ours"] = usual / ours
    for name, value in figures.items():
        print(f"{name:<45} {value:10.2f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
