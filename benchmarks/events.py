"""Two events of default against the truth of synthetic firms: impaired and failed.

    python benchmarks/events.py [--quick] [--json PATH]

What the books flag by 2025-12-31 against who truly failed by then, on the bundled sample and on 50
firms of other seeds (--quick: 3): by event, and over days, least amounts and shares. Then what the
choice of the event does to alerts, to the default rate of each grade and to a scorecard. The event
of before, any item more than 90 days past due or anything written off, stands beside them. No
default of the policy was chosen by what is printed here.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from credit_lab import history, ledger, synthetic
from credit_lab import policy as policies
from credit_lab.errors import CreditLabError
from credit_lab.monitoring import alerts, signals
from credit_lab.rules.grades import grade_of
from credit_lab.scoring import features, fit_joint, validate

ROOT = Path(__file__).resolve().parents[1]
POLICY = policies.load(ROOT / "data" / "policies" / "2025-baseline.toml")
LAST = pd.Timestamp("2025-12-31")
YEAR = pd.Timestamp("2024-12-31")
BEFORE = "90 days or written off"
EVENTS = (BEFORE, "impaired", "failed")
GRID = [(days, 4000, 0.01) for days in (60, 90, 120, 180)]
GRID += [(days, amount, 0.01) for days in (90, 180) for amount in (0, 1000, 20_000)]
GRID += [(days, 4000, share) for days in (90, 180) for share in (0.0, 0.05)]


def firms(number):
    """Name, ledger and day of failure by customer (missing: none): the sample, then other seeds."""
    truth = pd.read_csv(ROOT / "data/sample/truth/customers.csv", parse_dates=["default_on"])
    yield "sample", ledger.read(ROOT / "data" / "sample"), truth
    for seed in range(101, 101 + number):
        made = synthetic.generate(synthetic.Firm(), seed)
        with tempfile.TemporaryDirectory() as folder:
            ledger.write(made.tables, folder, format="parquet", overwrite=True)
            yield f"seed {seed}", ledger.read(folder), made.truth["customers"]


def states(book):
    """History with the event of before as a third state."""
    table = history.build(book, LAST, policy=POLICY)
    table[BEFORE] = (table["max_dpd"] > 90) | (table["written_off_12m"] > 0)
    ahead = (table["next_12m_max_dpd"] > 90) | (table["next_12m_written_off"] > 0)
    known = table["next_12m_max_dpd"].notna()
    return table.assign(**{f"next_12m_{BEFORE}": ahead.astype("boolean").where(known)})


def against(flagged, died):
    """Flagged, of these true and false, and true failures not flagged."""
    hit = len(flagged & died)
    return np.array([len(flagged), hit, len(flagged) - hit, len(died) - hit])


def frontier(book, died):
    found = {}
    for days, amount, share in GRID:
        told = {"impaired_days": days, "failed_days": days}
        told |= {"impaired_amount": float(amount), "impaired_share": share}
        changed = POLICY.default.model_copy(update=told)
        policy = POLICY.model_copy(update={"default": changed})
        table = history.build(book, LAST, policy=policy)
        flagged = set(table.loc[table["failed"], "customer_id"])
        found[f"> {days} days, > {amount:,}, > {share:.0%}"] = against(flagged, died)
    return found


def warnings_of(watched, event):
    """Alerts judged and true, precision by lot, share of the events warned of."""
    rules = [rule for rule in alerts.READY_MADE if rule.indicator not in watched.absent]
    tested = alerts.backtest(watched.table, tuple(rules), alerts.defaults(watched.table, event))
    whole = tested.rules.iloc[-1]
    return np.array([whole["alerts"], whole["true"], whole["base_rate"], whole["recall"]])


def by_grade(table, event, died_on):
    """Customers alive a year ago by the grade of how they pay, how many had the event since, and how
    many truly failed."""
    rows = table[(table["month"] == YEAR) & ~table[event]]
    rows = rows[~(died_on.reindex(rows["customer_id"]).to_numpy() <= np.datetime64(YEAR))]
    grade = grade_of(POLICY, rows["payment_index"], rows["months_on_book"])
    failed = died_on.reindex(rows["customer_id"]).to_numpy() > np.datetime64(YEAR)
    flags = {"event": rows[f"next_12m_{event}"].astype(float), "truth": failed.astype(float)}
    counts = pd.DataFrame(flags | {"customers": 1.0}).groupby(grade.to_numpy()).sum()
    return counts.reindex([one.grade for one in POLICY.grades.scale], fill_value=0.0)


def areas(table, event, died_on):
    """AUC of a joint card made for an event on customers it has not seen: for that event, and for
    true failures within twelve months."""
    full = table[table["month"] >= table["month"].min() + pd.DateOffset(months=11)]
    X, y, keys = features.modelling_table(full, f"next_12m_{event}")
    who = keys["customer_id"].drop_duplicates()
    chosen = who[np.random.default_rng(0).random(len(who)) < 0.5]
    train = keys["customer_id"].isin(chosen).to_numpy()
    day = died_on.reindex(keys["customer_id"]).to_numpy()
    month = keys["month"].to_numpy()
    failed = (day > month) & (day <= (keys["month"] + pd.DateOffset(months=12)).to_numpy())
    if min(y[train].sum(), y[~train].sum(), failed[~train].sum()) < 5:
        return None
    try:
        card = fit_joint(X[train].reset_index(drop=True), y[train].reset_index(drop=True))
    except CreditLabError as error:
        print(f"{event}: {error}", file=sys.stderr)
        return None
    risk = card.probability(X[~train])
    alive = ~(day <= month)[~train]
    return (
        validate.auc(y[~train], risk),
        validate.auc(failed[~train][alive].astype(int), np.asarray(risk)[alive]),
    )


def measure(book, truth):
    """All parts for one firm."""
    died_on = truth.set_index("customer_id")["default_on"]
    died_on = pd.to_datetime(died_on.where(died_on <= LAST))
    died, table = set(died_on.index[died_on.notna()]), states(book)
    found, watched = {"frontier": frontier(book, died)}, signals.build(book, table)
    for event in EVENTS:
        ever = set(table.loc[table[event], "customer_id"])
        now = table[table["month"] == LAST]
        found[event] = {
            "ever": against(ever, died),
            "now": against(set(now.loc[now[event], "customer_id"]), died),
            "alerts": warnings_of(watched, event),
            "grades": by_grade(table, event, died_on),
            "auc": areas(table, event, died_on),
        }
    return found


def added(parts):
    """Sums over firms; of rates and AUC the mean."""
    whole = {"frontier": {at: sum(one["frontier"][at] for one in parts) for at in parts[0]["frontier"]}}
    for event in EVENTS:
        own = [one[event] for one in parts]
        sums = {name: sum(one[name] for one in own) for name in ("ever", "now", "grades")}
        warned = np.array([one["alerts"] for one in own])
        sums["alerts"] = np.r_[warned[:, :2].sum(axis=0), np.nanmean(warned[:, 2:], axis=0)]
        known = [one["auc"] for one in own if one["auc"]]
        sums["auc"] = tuple(np.mean(known, axis=0)) if known else None
        sums["cards"] = len(known)
        whole[event] = sums
    return whole


def figures_of(name, found):
    made = {}
    words = ("flagged", "true", "false", "missed")
    for event in EVENTS:
        own = found[event]
        for when in ("ever", "now"):
            values = zip(words, own[when], strict=True)
            made |= {f"{name}, {event}, {when}: {word}": int(value) for word, value in values}
        count, true, base, recall = own["alerts"]
        made[f"{name}, {event}: alerts judged"] = int(count)
        made[f"{name}, {event}: precision of alerts"] = true / max(count, 1)
        made[f"{name}, {event}: precision by lot"] = base
        made[f"{name}, {event}: share warned of"] = recall
        for grade, row in own["grades"].iterrows():
            size = max(row["customers"], 1)
            made[f"{name}, {event}: customers graded {grade}"] = int(row["customers"])
            made[f"{name}, {event}: rate of {grade}"] = row["event"] / size
            made[f"{name}, {event}: true failures of {grade}"] = row["truth"] / size
        if own["auc"]:
            made[f"{name}, {event}: AUC of a card for it"] = own["auc"][0]
            made[f"{name}, {event}: AUC of that card for true failures"] = own["auc"][1]
        if "cards" in own:
            made[f"{name}, {event}: cards"] = own["cards"]
    for at, values in found["frontier"].items():
        made |= {f"{name}, {at}: {word}": int(n) for word, n in zip(words, values, strict=True)}
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    start, others = time.perf_counter(), []
    for name, book, truth in firms(3 if options.quick else 50):
        found = measure(book, truth)
        if name == "sample":
            own = figures_of(name, found)
            continue
        others.append(found)
        figures = own | figures_of(f"{len(others)} firms", added(others))
        if options.json:  # so far: a cut run is worth something
            options.json.write_text(json.dumps({k: float(v) for k, v in figures.items()}, indent=1))
        print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    for name, value in figures.items():
        shown = format(value, ",d" if isinstance(value, int) else ",.4f")
        print(f"{name:<78} {shown:>14}")


if __name__ == "__main__":
    main()
