"""Reconciliation of a customer's statement with our open items, against comparing every pair.

    python benchmarks/reconciliation.py [--quick] [--json PATH]

Statements are made from open items: half the references are written another way, a quarter have a
slip, a tenth two, the rest are another number; days differ, some amounts are short by 3 %, and
either side lacks a few lines. Peers are difflib's ratio for every pair and a pandas merge on the
reference as it stands or as `normalised` writes it.
"""

import argparse
import difflib
import json
import resource
import time
from pathlib import Path

import numpy as np
import pandas as pd

from credit_lab.monitoring import statements

DAY = pd.Timestamp("2025-07-01")


def case(lines, seed, numbers):
    """Open items, the statement, and the true document of each of its lines."""
    rng = np.random.default_rng(seed)
    drawn = np.arange(lines) if numbers == "in a row" else rng.choice(10**8, lines, replace=False)
    ids = [f"INV-{20_250_000 + number}" for number in drawn]
    day = pd.Timestamp("2025-01-01") + pd.to_timedelta(rng.integers(0, 180, lines), unit="D")
    amount = rng.lognormal(8, 1, lines).round(2) * np.where(rng.random(lines) < 0.1, -1, 1)
    ours = pd.DataFrame({"document_id": ids, "issue_date": day, "open_amount": amount})
    kind = rng.choice(4, lines, p=[0.5, 0.25, 0.1, 0.15])
    theirs = pd.DataFrame(
        {
            "reference": [written(text, what, rng) for text, what in zip(ids, kind, strict=True)],
            "date": day + pd.to_timedelta(rng.integers(-3, 12, lines), unit="D"),
            "amount": np.where(rng.random(lines) < 0.1, 0.97 * amount, amount).round(2),
            "truth": ids,
        }
    )
    theirs = theirs[rng.random(lines) < 0.95].sample(frac=1, random_state=seed)
    return ours[rng.random(lines) < 0.95], theirs.drop_duplicates("reference")


def written(text, kind, rng):
    """A reference as a customer may write it."""
    if kind == 0:
        return text.replace("INV-", "inv ")
    if kind == 3:
        return f"PO {rng.integers(10**6)}"
    for _ in range(kind):
        at = int(rng.integers(4, len(text)))
        text = text[:at] + ("" if rng.random() < 0.5 else str(rng.integers(10))) + text[at + 1 :]
    return text


def ours_found(ours, theirs):
    lines = statements.reconcile(ours, theirs, as_of=DAY).lines
    return lines.loc[lines["method"] != "", ["our_id", "their_id"]]


def merged(ours, theirs, write):
    left = ours.assign(key=ours["document_id"].map(write))
    right = theirs.assign(key=theirs["reference"].map(write))
    found = left.merge(right, on="key")
    return found.rename(columns={"document_id": "our_id", "reference": "their_id"})


def every_pair(ours, theirs):
    """The same three steps, each over all pairs, similarity by difflib."""
    left, right = (
        [
            (statements.normalised(reference), day, round(100 * amount))
            for reference, day, amount in side.iloc[:, :3].itertuples(index=False)
        ]
        for side in (ours, theirs)
    )

    def by_reference(a, b):
        return (abs(a[2] - b[2]),) if a[0] == b[0] else None

    def by_amount(a, b):
        return (gap,) if a[2] == b[2] and (gap := abs((a[1] - b[1]).days)) <= 5 else None

    def by_likeness(a, b):
        if (a[2] > 0) != (b[2] > 0):
            return None
        ratio = difflib.SequenceMatcher(None, a[0], b[0]).ratio()
        return (a[2] != b[2], -ratio) if ratio >= 0.8 else None

    free, pairs = [set(range(len(left))), set(range(len(right)))], []
    for step in (by_reference, by_amount, by_likeness):
        ranked = ((step(left[i], right[j]), i, j) for i in free[0] for j in free[1])
        for _, i, j in sorted(one for one in ranked if one[0] is not None):
            if i in free[0] and j in free[1]:
                free[0].remove(i)
                free[1].remove(j)
                pairs.append((ours["document_id"].iloc[i], theirs["reference"].iloc[j]))
    return pd.DataFrame(pairs, columns=["our_id", "their_id"])


def judged(found, ours, theirs):
    """Share of found pairs that are right, share of true pairs that were found."""
    truth = theirs.set_index("reference")["truth"]
    right = (found["their_id"].map(truth) == found["our_id"]).sum()
    return right / len(found), right / truth.isin(ours["document_id"]).sum()


def timed(function, *arguments):
    start = time.process_time()
    return function(*arguments), time.process_time() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = {}
    for numbers in ("in a row", "anyhow"):
        ours, theirs = case(5_400, 1, numbers)
        size = f"{len(ours):,} x {len(theirs):,} lines, numbers {numbers}"
        found, seconds = timed(ours_found, ours, theirs)
        figures[f"{size}: CPU s"] = seconds
        kinds = {
            "ours": found,
            "merge on the reference": merged(ours, theirs, str),
            "merge on the normalised reference": merged(ours, theirs, statements.normalised),
        }
        for name, pairs in kinds.items():
            precision, recall = judged(pairs, ours, theirs)
            figures |= {f"{size}: {name}, right": precision, f"{size}: {name}, found": recall}
        ours, theirs = case(400 if options.quick else 1_600, 2, numbers)
        size = f"{len(ours):,} x {len(theirs):,} lines, numbers {numbers}"
        found, seconds = timed(ours_found, ours, theirs)
        peer, slow = timed(every_pair, ours, theirs)
        same = set(map(tuple, found.to_numpy())) & set(map(tuple, peer.to_numpy()))
        figures |= {
            f"{size}: every pair by difflib, CPU s / ours": slow / seconds,
            f"{size}: every pair by difflib, found": judged(peer, ours, theirs)[1],
            f"{size}: ours, found": judged(found, ours, theirs)[1],
            f"{size}: share of its pairs that are ours too": len(same) / len(peer),
        }
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    figures["peak memory of all this, GB"] = peak
    for name, value in figures.items():
        print(f"{name:<94} {value:>10,.4f}")
    if options.json:
        text = json.dumps({name: float(value) for name, value in figures.items()}, indent=1)
        options.json.write_text(text)


if __name__ == "__main__":
    main()
