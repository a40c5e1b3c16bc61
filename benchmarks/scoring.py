"""Scorecards against peers: the optimum of the binning, time, memory, and quality out of sample.

    python benchmarks/scoring.py [--quick] [--json PATH] [--scorecardpy PYTHON]

Real data are read from $CREDIT_LAB_DATA (default ../shared/data) and their parts are skipped where they are absent, as
are peers that are not installed (`pip install optbinning toad`). scorecardpy needs a pandas of its own time: give the
interpreter that has it. One thread; the full run takes about half an hour, nearly all of it the peers'.
"""

import argparse
import importlib.util
import itertools
import json
import os
import subprocess
import sys
import time
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

from credit_lab.scoring import challengers, fit, validate
from credit_lab.scoring.binning import Binner
from credit_lab.scoring.optimum import Limits, best

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("CREDIT_LAB_DATA", ROOT.parent / "shared" / "data"))
HAS = {name: importlib.util.find_spec(name) is not None for name in ("optbinning", "toad")}
TRENDS = ("ascending", "descending", "peak", "valley", "none")


# ---- data -----------------------------------------------------------------------------------------------------------
def german():
    frame = pd.read_csv(DATA / "scoring" / "germancredit_scorecardpy.csv")
    return frame.iloc[:, :-1], (frame.iloc[:, -1] == "bad").astype(int)


def polish():
    text = (DATA / "polish_bankruptcy" / "1year.arff").read_text().split("@data")[1].strip()
    frame = pd.DataFrame([line.split(",") for line in text.splitlines() if line]).replace("?", np.nan).astype(float)
    return frame.iloc[:, :-1].rename(columns=lambda j: f"Attr{j + 1}"), frame.iloc[:, -1].astype(int)


def uci():
    frame = pd.read_csv(DATA / "scoring" / "uci350_credit_card.csv.gz", encoding="utf-8-sig")
    return frame.iloc[:, 1:-1], frame.iloc[:, -1].astype(int)


def spain():
    frame = pd.read_csv(DATA / "spain_bankruptcy" / "Bankruptcy_Spain_98-03_dot.csv", sep=";", na_values="?")
    y = (frame["BANKRUPTCY"].str.upper() == "YES").astype(int)
    return frame.drop(columns="BANKRUPTCY"), y


def made(rows, features, seed=1):
    """Features of mixed shape with a known default probability."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, features)).astype(np.float64)
    logit = -3 + values[:, : features // 2] @ rng.normal(0, 0.3, features // 2)
    values[:, ::3] = np.exp(values[:, ::3])
    values[rng.random(values.shape) < 0.02] = np.nan
    y = (rng.random(rows) < 1 / (1 + np.exp(-logit))).astype(int)
    return pd.DataFrame(values, columns=[f"x{j}" for j in range(features)]), y


# ---- the optimum ----------------------------------------------------------------------------------------------------
def prebins(values, y, most):
    """Quantile pre-bins in which both outcomes occur."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, most + 1)[1:-1]))
    edges = edges[edges > values.min()]
    place = np.searchsorted(edges, values, side="right")
    events = np.bincount(place, weights=y, minlength=len(edges) + 1)
    rows = np.bincount(place, minlength=len(edges) + 1)
    kept, bad, good = [], 0.0, 0.0
    for i in range(len(edges)):
        bad, good = bad + events[i], good + rows[i] - events[i]
        rest = slice(i + 1, None)
        if bad and good and events[rest].sum() and (rows - events)[rest].sum():
            kept.append(edges[i])
            bad = good = 0.0
    return np.array(kept)


def information(values, y, splits):
    place = np.searchsorted(np.asarray(splits, dtype=float), values, side="right")
    bad = np.bincount(place, weights=y, minlength=len(splits) + 1)
    rows = np.bincount(place, minlength=len(splits) + 1)
    p, q = bad / bad.sum(), (rows - bad) / (rows - bad).sum()
    return ((p - q) * np.log(p / q)).sum(), bad / rows, rows


def admissible(rate, rows, trend, least, most_bins, difference):
    """Written apart from the code under test."""
    step = np.diff(rate)
    turns = {
        "ascending": (step >= -1e-12).all(),
        "descending": (step <= 1e-12).all(),
        "none": True,
        "peak": any((step[:k] >= -1e-12).all() and (step[k:] <= 1e-12).all() for k in range(len(step) + 1)),
        "valley": any((step[:k] <= 1e-12).all() and (step[k:] >= -1e-12).all() for k in range(len(step) + 1)),
    }
    return bool(
        turns[trend] and (rows >= least).all() and (not most_bins or len(rows) <= most_bins)
        and (difference == 0 or (np.abs(step) >= difference - 1e-12).all())
    )  # fmt: skip


def solver_cases(sets, quick):
    """Our optimum against optbinning's constraint solver on the same pre-bins."""
    from optbinning import OptimalBinning

    figures, cases, below, above, proven = {}, 0, 0, 0, 0
    best(np.ones(3), np.ones(3), Limits())  # compiled before the clock runs
    clock = {20: [0.0, 0.0, 0], 50: [0.0, 0.0, 0]}
    settings = list(itertools.product(TRENDS, (0.0, 0.05), (0, 5), (0.0, 0.02)))
    for X, y in sets.values():
        numbers = [c for c in X if pd.api.types.is_numeric_dtype(X[c])]
        for j, column in enumerate(numbers[:: 12 if quick else 1]):
            x = X[column].to_numpy(dtype=float)
            keep = ~np.isnan(x)
            x, target = x[keep], y.to_numpy()[keep]
            for k, (size, setting) in enumerate(itertools.product((20, 50), settings)):
                # every feature meets a different part of the settings; all settings occur with many features
                if (k * 7 + j * 3) % (40 if quick else 20 if size == 50 else 2):
                    continue
                edges = prebins(x, target, size)
                if len(edges) < 3:
                    continue
                trend, share, most, difference = setting
                least = max(1, int(np.ceil(share * len(x))))
                place = np.searchsorted(edges, x, side="right")
                bad = np.bincount(place, weights=target, minlength=len(edges) + 1)
                good = np.bincount(place, minlength=len(edges) + 1) - bad
                limits = Limits(
                    trend=trend, min_share=least / len(x), max_bins=most, min_difference=difference, turn_margin=0,
                    min_events=1, min_others=1,
                )  # fmt: skip
                start = time.process_time()
                ends, value, _ = best(bad, good, limits)
                ours = time.process_time() - start
                peer = OptimalBinning(
                    dtype="numerical", solver="cp", user_splits=list(edges), min_bin_size=share or None,
                    max_n_bins=most or None, min_event_rate_diff=difference,
                    monotonic_trend=None if trend == "none" else trend, time_limit=20,
                ).fit(x, target)  # fmt: skip
                if peer.status != "OPTIMAL":
                    continue
                cases += 1
                clock[size][0] += ours
                clock[size][1] += peer._time_solver
                clock[size][2] += 1
                theirs, rate, rows = information(x, target, peer.splits)
                if not admissible(rate, rows, trend, least, most, difference):
                    continue
                below += value < theirs - 1e-9
                if value > theirs + 1e-9:
                    above += 1
                    mine, rate, rows = information(x, target, edges[ends[:-1]])
                    proven += abs(mine - value) < 1e-9 and admissible(rate, rows, trend, least, most, difference)
    figures["optimum: cases"] = cases
    figures["optimum: ours below optbinning's"] = below
    figures["optimum: ours above optbinning's"] = above
    figures["optimum: of these admissible and worth what we say"] = proven
    for size, (ours, theirs, number) in clock.items():
        figures[f"solver at {size} pre-bins, ours, ms"] = 1e3 * ours / max(number, 1)
        figures[f"solver at {size} pre-bins, optbinning / ours"] = theirs / max(ours, 1e-9)
    return figures


# ---- peers as models: (table, target, new table) -> probabilities ----------------------------------------------------
def optbinning_card(X, y, new):
    from optbinning import BinningProcess, Scorecard

    names = [c for c in X if not pd.api.types.is_numeric_dtype(X[c])]
    X, new = (side.astype(dict.fromkeys(names, object)) for side in (X, new))
    process = BinningProcess(list(X.columns), categorical_variables=names)
    card = Scorecard(process, LogisticRegression(max_iter=2000)).fit(
        X, np.asarray(y).astype(int), metric_missing="empirical", metric_special="empirical"
    )
    return card.predict_proba(new)[:, 1]


def toad_card(X, y, new):
    import toad

    numbers = [c for c in X if pd.api.types.is_numeric_dtype(X[c])]
    X, new = (side.fillna(dict.fromkeys(numbers, -1e9)) for side in (X, new))
    y = pd.Series(np.asarray(y).astype(int), index=X.index)
    combiner = toad.transform.Combiner()
    combiner.fit(X, y, method="chi", min_samples=0.05)
    woe = toad.transform.WOETransformer()
    train = woe.fit_transform(combiner.transform(X), y)
    model = LogisticRegression(max_iter=2000).fit(train, y)
    return model.predict_proba(woe.transform(combiner.transform(new)))[:, 1]


def folds_of(name, X, y, quick):
    if name == "spain":  # firms return every year without an id: only a split by year is honest
        years = X["YEAR"].to_numpy()
        return [(np.flatnonzero(years < year), np.flatnonzero(years == year)) for year in (2000, 2001, 2002, 2003)]
    seeds = (0,) if quick else (0, 1, 2)
    return [f for s in seeds for f in StratifiedKFold(5, shuffle=True, random_state=s).split(X, y)]


def quality(sets, quick):
    """AUC and Brier on the same folds; mean over folds."""
    models = dict(challengers.MODELS)
    models |= {f"peer {n}": m for n, m in (("optbinning", optbinning_card), ("toad", toad_card)) if HAS[n]}
    figures, auc = {}, {}
    for name, (X, y) in sets.items():
        folds = [f for f in folds_of(name, X, y, quick) if 0 < y.iloc[f[1]].mean() < 1]
        features = X.drop(columns="YEAR") if name == "spain" else X
        for model, predict in models.items():
            found = []
            for train, test in folds:
                try:
                    p = predict(
                        features.iloc[train].reset_index(drop=True), y.to_numpy()[train].astype(float),
                        features.iloc[test].reset_index(drop=True),
                    )  # fmt: skip
                except BaseException as error:  # a peer's Rust panic is no Exception
                    if isinstance(error, KeyboardInterrupt) or not model.startswith("peer"):
                        raise
                    print(f"{name}, {model}: fails ({type(error).__name__})", file=sys.stderr)
                    break
                found.append((validate.auc(y.iloc[test], p), validate.brier(y.iloc[test], p)))
            if len(found) == len(folds):
                auc[name, model] = np.mean(found, axis=0)
                figures[f"{name}, {model}: AUC"], figures[f"{name}, {model}: Brier"] = auc[name, model]
    for i, metric in enumerate(("AUC", "Brier")):
        table = pd.DataFrame({m: {n: auc[n, m][i] for n in sets if (n, m) in auc} for m in models})
        peers = [c for c in table if c.startswith("peer")]
        if peers:
            strongest = table[peers].max(axis=1) if i == 0 else table[peers].min(axis=1)
            for model in ("woe card", "penalised card", "joint card"):
                gap = (table[model] - strongest) * (1 if i == 0 else -1)
                figures[f"{metric}, {model} against the best peer: worst set"] = gap.min()
                figures[f"{metric}, {model} against the best peer: mean over the sets"] = gap.mean()
    return figures


# ---- time and memory ------------------------------------------------------------------------------------------------
def timed(call, repeats):
    """Smallest CPU time of several runs."""
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        spent.append(time.process_time() - start)
    return min(spent)


def fits(sets, scorecardpy, quick):
    """A whole scorecard: bins, logistic regression with inference, points."""
    figures = {}
    for name in ("polish", "uci"):
        if name not in sets:
            continue
        X, y = sets[name]
        fit(X, y, signs="keep")
        ours = timed(lambda X=X, y=y: fit(X, y, signs="keep"), 3)
        figures[f"{name}: scorecard fit, ours, s"] = ours
        if HAS["optbinning"]:
            theirs = timed(lambda X=X, y=y: optbinning_card(X, y, X.head(1)), 1)
            figures[f"{name}: scorecard fit, optbinning / ours"] = theirs / ours
        if scorecardpy and not quick:
            figures[f"{name}: scorecard fit, scorecardpy / ours"] = other_interpreter(scorecardpy, X, y) / ours
    return figures


SCORECARDPY = """
import sys, time, warnings; warnings.simplefilter("ignore")
import pandas as pd, scorecardpy as sc
from sklearn.linear_model import LogisticRegression
frame = pd.read_pickle(sys.argv[1]) if sys.argv[1].endswith("pkl") else pd.read_csv(sys.argv[1])
start = time.process_time()
bins = sc.woebin(frame, y="y", no_cores=1)
woe = sc.woebin_ply(frame, bins)
model = LogisticRegression(max_iter=2000).fit(woe.drop(columns="y").fillna(0), woe["y"])
sc.scorecard(bins, model, [c for c in woe if c != "y"])
print("SECONDS", time.process_time() - start)
"""


def other_interpreter(python, X, y):
    path = Path("scorecardpy_case.csv")
    X.assign(y=np.asarray(y)).to_csv(path, index=False)
    try:
        run = subprocess.run([python, "-c", SCORECARDPY, path], capture_output=True, text=True, check=True)
        return float(run.stdout.split("SECONDS")[1])
    finally:
        path.unlink()


def large(quick):
    """Many rows: every feature binned."""
    rows, features = (100_000, 20) if quick else (1_000_000, 50)
    Binner().fit(*made(2_000, 3))
    X, y = made(rows, features)
    ours = timed(lambda: Binner().fit(X, y), 1)
    tracemalloc.start()  # in a run of its own, since it slows down what it watches
    Binner().fit(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    figures = {
        f"{rows:,} x {features}: bins, ours, s": ours,
        f"{rows:,} x {features}: peak memory above the data, GB": peak / 1e9,
    }
    if HAS["optbinning"]:
        from optbinning import BinningProcess

        theirs = timed(lambda: BinningProcess(list(X.columns)).fit(X, y), 1)
        figures[f"{rows:,} x {features}: bins, optbinning / ours"] = theirs / ours
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--scorecardpy", help="interpreter that has scorecardpy")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    threadpool_limits(1)
    figures = large(options.quick)
    sets = {}
    if DATA.is_dir():
        sets = {"german": german(), "polish": polish(), "uci": uci(), "spain": spain()}
        if options.quick:
            sets = {name: sets[name] for name in ("german", "spain")}
    else:
        print(f"no real data at {DATA}: solver, fit and quality are skipped", file=sys.stderr)
    if sets and HAS["optbinning"]:
        figures |= solver_cases(sets, options.quick)
    if sets:
        figures |= fits(sets, options.scorecardpy, options.quick) | quality(sets, options.quick)
    for name, value in figures.items():
        print(f"{name:<78} {value:>12.4f}")
    if options.json:
        options.json.write_text(json.dumps({name: float(value) for name, value in figures.items()}, indent=1))


if __name__ == "__main__":
    main()
