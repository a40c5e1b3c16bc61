"""When are invoices paid? Forecasts made on the issue day, walk-forward, against other models on the same folds; the
speed of the fit against the person-day regression and Cox models; and equality with the person-day likelihood.

    python benchmarks/payment_time.py [--quick] [--json PATH]

Real ledgers are looked for under $CREDIT_LAB_DATA (default ../shared/data); without them only the speed is measured.
scikit-survival joins the comparison where it is installed. The full run takes some four minutes on one core.
"""

# ruff: noqa: ARG001 (all models share one signature)
import argparse
import json
import os
import resource
import time
import warnings
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import optimize, special

from credit_lab.collection import accuracy, cash_forecast, cells, hazards, payment_time, spells, tuning
from credit_lab.collection.payment_time import Curves

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("CREDIT_LAB_DATA", ROOT.parent / "shared" / "data"))
HORIZON = 200
DAY = pd.Timedelta(days=1)


# ---- the ledgers ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Case:
    """A ledger as a flat table with its folds [(origin, end)], factors, and windows in which it misleads."""

    name: str
    table: pd.DataFrame
    folds: list
    columns: tuple
    marked: tuple | None = None


def highradius() -> Case:
    raw = pd.read_csv(DATA / "highradius_b2b" / "closed_invoices.csv.gz", dtype={"cust_number": str}).drop_duplicates()
    raw = raw.dropna(subset=["currency"]).reset_index(drop=True)
    table = pd.DataFrame(
        {
            "invoice_id": [f"ROW-{k}" for k in range(len(raw))],
            "customer_id": raw["cust_number"],
            "issue_date": pd.to_datetime(raw["baseline_date_est"]),
            "due_date": pd.to_datetime(raw["due_date"]),
            "amount": raw["total_open_amount"],
            "paid_on": pd.to_datetime(raw["clear_date"]),
        }
    )
    starts = [pd.Timestamp(2019, month, 1) for month in (7, 8, 9, 10, 11)]
    marked = (pd.Timestamp("2019-11-01"), pd.Timestamp("2020-01-01"))
    return Case("HighRadius", table, list(pairwise(starts)), ("amount",), marked)


def ibm() -> Case:
    raw = pd.read_csv(DATA / "ibm_ar" / "WA_Fn-UseC_-Accounts-Receivable.csv")
    day = {name: pd.to_datetime(raw[name], format="%m/%d/%Y") for name in raw if name.endswith("Date")}
    table = pd.DataFrame(
        {
            "invoice_id": raw["invoiceNumber"].astype(str),
            "customer_id": raw["customerID"],
            "issue_date": day["InvoiceDate"],
            "due_date": day["DueDate"],
            "amount": raw["InvoiceAmount"].astype(float),
            "paid_on": day["SettledDate"],
            # The switch to electronic bills is known on its day.
            "billing": np.where(day["PaperlessDate"] <= day["InvoiceDate"], "electronic", "paper"),
        }
    )
    cuts = [table["issue_date"].quantile(q) for q in (0.2, 0.4, 0.6, 0.8, 1.0)]
    return Case("IBM", table, list(pairwise(cuts)), ("amount", "billing"))


# ---- models: (learn = Spells known at the origin, asked = rows on their issue day, whole) -> Curves -----------------
def ours(case, learn, asked, whole, *, grid, own=("past_median",), weekdays=True):
    best, habit, columns = np.inf, tuning.Habit(), case.columns
    for used in (case.columns, *([name for name in case.columns if name != drop] for drop in case.columns)):
        try:
            tuned = tuning.tune(learn, used, own=own, grid=grid)
        except cells.CollectionError:
            continue
        if (score := tuned.trials["crps"].min()) < best:
            best, habit, columns = score, tuned.habit, used
    if not weekdays:
        habit = tuning.Habit(habit.kappa, 1e9, habit.half_life)
    model = payment_time.fit(learn.table, columns, own=own, habit=habit)
    return model.remembering(whole.table).curves(asked, horizon=HORIZON)


def logit_only(case, learn, asked, whole):
    habit = tuning.Habit(1e9, 1e9, 300)
    model = payment_time.fit(learn.table, case.columns, own=("past_median",), habit=habit, groups=12)
    return model.remembering(whole.table).curves(asked, horizon=HORIZON)


def _curves(asked, paid_by):
    rows = asked[["customer_id", "due_date", "from_day"]].reset_index(drop=True)
    return Curves(rows, paid_by, np.ones(len(rows)), pd.Series([""] * len(rows), dtype="str"))


def kaplan_meier(case, learn, asked, whole):
    from statsmodels.duration.survfunc import SurvfuncRight

    table = learn.table
    late = (table["stop"] - table["due_date"]).dt.days.to_numpy() + 400.0
    fit = SurvfuncRight(late, table["paid"].to_numpy().astype(int))
    first = (asked["from_day"] - asked["due_date"]).dt.days.to_numpy()
    day = first[:, None] + np.arange(HORIZON + 1)[None, :] + 400
    surv = np.append(1.0, fit.surv_prob)[np.searchsorted(fit.surv_times, day, side="right")]
    return _curves(asked, 1 - surv)


def _design(learn, asked, case):
    """Numbers for Cox and AFT: past median (and whether there is one), log amount, term, texts as dummies."""
    both = pd.concat([learn.table.assign(new=False), asked.assign(new=True)], ignore_index=True)
    x = pd.DataFrame(
        {
            "past": both["past_median"].fillna(learn.table["past_median"].median()).clip(-40, 90) / 10,
            "none": both["past_median"].isna().astype(float),
            "size": np.log(both["amount"].clip(lower=1)),
            "term": both["term_days"].clip(0, 120) / 30,
        }
    )
    for name in case.columns:
        if not pd.api.types.is_numeric_dtype(both[name]):
            dummies = pd.get_dummies(both[name], prefix=name, drop_first=True, dtype=float)
            x = pd.concat([x, dummies], axis=1)
    x = x.loc[:, x[~both["new"]].std() > 0]
    centre = x[~both["new"]].mean()
    x = (x - centre).to_numpy()
    new = both["new"].to_numpy()
    days = (both["stop"] - both["issue_date"]).dt.days.to_numpy(dtype=float) + 1
    return x[~new], days[~new], both["paid"][~new].to_numpy(dtype=bool), x[new]


def cox(case, learn, asked, whole):
    from statsmodels.duration.hazard_regression import PHReg

    x, days, paid, x_new = _design(learn, asked, case)
    keep = np.random.default_rng(0).permutation(len(x))[:8000]  # its cost grows fast; enough for five coefficients
    fit = PHReg(days[keep], x[keep], status=paid[keep].astype(int), ties="breslow").fit(disp=False)
    at, cumulative, _ = fit.baseline_cumulative_hazard[0]
    steps = np.append(0.0, cumulative)[np.searchsorted(at, np.arange(1, HORIZON + 2), side="right")]
    return _curves(asked, 1 - np.exp(-steps[None, :] * np.exp(x_new @ fit.params)[:, None]))


def log_normal_aft(case, learn, asked, whole):
    x, days, paid, x_new = _design(learn, asked, case)
    x = np.column_stack([np.ones(len(x)), x])
    logs = np.log(days)

    def loss(theta):
        z = (logs - x @ theta[:-1]) / np.exp(theta[-1])
        density = -0.5 * z**2 - theta[-1]
        return -np.where(paid, density, special.log_ndtr(-z)).sum() / len(x)

    start = np.append(np.linalg.lstsq(x, logs, rcond=None)[0], np.log(logs.std()))
    theta = optimize.minimize(loss, start, method="BFGS").x
    mean = np.column_stack([np.ones(len(x_new)), x_new]) @ theta[:-1]
    z = (np.log(np.arange(1, HORIZON + 2))[None, :] - mean[:, None]) / np.exp(theta[-1])
    return _curves(asked, special.ndtr(z))


def gradient_boosting(case, learn, asked, whole, *, quantiles):
    """Boosted trees on days late, paid invoices only; quantile by quantile, sorted, joined to a distribution."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    table = learn.table[learn.table["paid"]]
    names = ["past_median", "amount", "term_days"]

    def numbers(frame):
        x = (
            frame[names]
            .astype(float)
            .assign(
                weekday=frame["due_date"].dt.day_of_week, day=frame["due_date"].dt.day, month=frame["due_date"].dt.month
            )
        )
        for column in case.columns:
            if not pd.api.types.is_numeric_dtype(frame[column]):
                x[column] = (frame[column] == table[column].iloc[0]).astype(float)
        return x

    late = (table["stop"] - table["due_date"]).dt.days.clip(-60, 120)
    x, x_new = numbers(table), numbers(asked)
    found = [
        HistGradientBoostingRegressor(loss="quantile", quantile=q, max_iter=150, random_state=0)
        .fit(x, late)
        .predict(x_new)
        for q in quantiles
    ]
    found = np.sort(np.array(found), axis=0)
    first = (asked["from_day"] - asked["due_date"]).dt.days.to_numpy()
    day = first[:, None] + np.arange(HORIZON + 1)[None, :]
    paid_by = np.zeros(day.shape)
    for k in range(len(asked)):
        spread = max(found[-1, k] - found[0, k], 1.0) / 4
        paid_by[k] = np.interp(
            day[k] + 0.5, [found[0, k] - spread, *found[:, k], found[-1, k] + 2 * spread], [0, *quantiles, 1]
        )
    return _curves(asked, np.maximum.accumulate(paid_by, axis=1))


# ---- quality --------------------------------------------------------------------------------------------------------
def walk(case, folds, model):
    """Pooled scores over folds, and per fold; forecasts on the issue day, model fitted at the origin."""
    rng = np.random.default_rng(0)
    whole = spells.from_table(case.table, case.table["paid_on"].max())
    parts, per_fold = [], []
    for origin, end in folds:
        learn = spells.from_table(case.table[case.table["issue_date"] < origin], origin - DAY)
        inside = (whole.table["issue_date"] >= origin) & (whole.table["issue_date"] < end)
        asked = whole.table[inside].assign(from_day=whole.table["issue_date"]).reset_index(drop=True)
        late = (asked["stop"] - asked["due_date"]).dt.days.to_numpy()
        curves = model(case, learn, asked, whole)
        parts.append((curves, late, asked))
        per_fold.append(
            {"origin": str(origin.date()), "invoices": len(asked), **accuracy.scores(curves, late, rng=rng)}
        )
    joined = _curves(
        pd.concat([c.rows for c, _, _ in parts], ignore_index=True), np.concatenate([c.paid_by for c, _, _ in parts])
    )
    late = np.concatenate([y for _, y, _ in parts])
    issued = pd.concat([a["issue_date"] for _, _, a in parts]).dt.to_period("Q").astype(str)
    return accuracy.scores(joined, late, rng=rng), pd.DataFrame(per_fold), (joined, late, issued.reset_index(drop=True))


def customer_median(case, folds):
    whole = spells.from_table(case.table, case.table["paid_on"].max()).table
    chosen = pd.concat([whole[(whole["issue_date"] >= o) & (whole["issue_date"] < e)] for o, e in folds])
    late = (chosen["stop"] - chosen["due_date"]).dt.days.to_numpy(dtype=float)
    guess = chosen["past_median"].fillna(0).to_numpy()
    return {"mae": float(np.abs(guess - late).mean()), "c_index": accuracy.c_index(guess, late)}


def quality(case, *, quick):
    grid = tuning.GRID[::4] if quick else tuning.GRID
    quantiles = [0.1, 0.5, 0.9] if quick else [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95]
    models = {
        "hazard + habit + weekday (ours)": lambda *a: ours(*a, grid=grid),
        "hazard + habit, no own weekday": lambda *a: ours(*a, grid=grid, weekdays=False),
        "hazard logit alone": logit_only,
        "gradient boosting, quantiles": lambda *a: gradient_boosting(*a, quantiles=quantiles),
        "Cox": cox,
        "log-normal AFT": log_normal_aft,
        "Kaplan-Meier": kaplan_meier,
    }
    rows, kept = {"customer median": customer_median(case, case.folds)}, None
    for name, model in models.items():
        begun = time.process_time()
        rows[name], per_fold, joined = walk(case, case.folds, model)
        rows[name]["cpu_s"] = time.process_time() - begun
        if kept is None:
            kept = per_fold, joined
    table = pd.DataFrame(rows).T
    print(f"\n{case.name}: {len(case.folds)} rolling origins, forecasts on the issue day, tuned before each origin")
    print(table.round(3).to_string())
    print("\nper origin (ours)")
    print(kept[0].round(3).to_string(index=False))
    curves, late, month = kept[1]
    print(
        "\nPIT histogram",
        accuracy.pit_histogram(accuracy.pit(curves, late, rng=np.random.default_rng(1)))["share"].round(3).tolist(),
    )
    print(
        accuracy.calibration(curves, late, by=month)[["by", "day", "invoices", "forecast", "observed", "gap"]]
        .round(3)
        .to_string(index=False)
    )
    figures = {f"{case.name}, {name}: {key}": value for name, row in rows.items() for key, value in row.items()}
    if case.marked:
        scored, _, _ = walk(case, [case.marked], models["hazard + habit + weekday (ours)"])
        print(f"\nissued {case.marked[0].date()} to {case.marked[1].date()}: TRUNCATED window, not counted above")
        print({key: round(value, 3) for key, value in scored.items()})
        figures |= {f"{case.name}, truncated window: {key}": value for key, value in scored.items()}
    return figures


# ---- cash -----------------------------------------------------------------------------------------------------------
def cash(*, quick):
    """Weekly receipts in US dollars, six weeks ahead, from eight origins, all before the truncation."""
    table = highradius().table
    raw = pd.read_csv(DATA / "highradius_b2b" / "closed_invoices.csv.gz", dtype={"cust_number": str}).drop_duplicates()
    dollars = raw.dropna(subset=["currency"])["currency"].eq("USD").to_numpy()
    table = table[dollars].reset_index(drop=True)
    receipts = table.groupby("paid_on")["amount"].sum().sort_index()
    rows, sales = [], cash_forecast.Sales(13)
    for k in range(8):
        origin = pd.Timestamp("2019-07-07") + 14 * k * DAY
        known = spells.from_table(table, origin)
        grid = tuning.GRID[::6] if quick else tuning.GRID
        habit = tuning.tune(known, ("amount",), own=("past_median",), grid=grid).habit
        model = payment_time.fit(known.table, ("amount",), own=("past_median",), habit=habit)
        ends = cash_forecast.period_ends(origin, 6)
        starts = [origin, *ends[:-1]]
        seen = [
            float(receipts[(receipts.index > a) & (receipts.index <= b)].sum())
            for a, b in zip(starts, ends, strict=True)
        ]
        for kind, shocks in (
            ("with shocks", cash_forecast.learn_shocks(model, known)),
            ("without", cash_forecast.Shocks.none()),
        ):
            found = cash_forecast.forecast(
                model,
                known,
                ends,
                rng=np.random.default_rng(k),
                shocks=shocks,
                sales=sales,
                replicates=200 if quick else 1000,
            )
            rows.append(
                found.total.assign(
                    kind=kind,
                    week=range(1, 7),
                    made_on=origin,
                    observed=seen,
                    naive=cash_forecast.naive_forecast(receipts, ends, as_of=origin),
                    customer_median=cash_forecast.customer_median_forecast(known, ends, sales=sales),
                )
            )
    table, figures = pd.concat(rows, ignore_index=True), {}
    for kind, part in table.groupby("kind", sort=False):
        tracked = cash_forecast.track(part)
        ahead = cash_forecast.track(part.assign(made_on=part["week"].astype(str) + " weeks ahead"))
        print(f"\ncash forecast, HighRadius (USD), 8 origins x 6 weeks, 80 % intervals, {kind}")
        print(pd.concat([ahead[:-1], tracked[-1:]]).round(3).to_string(index=False))
        figures |= {f"cash, {kind}: {name}": float(value) for name, value in tracked.iloc[-1, 1:].items()}
    return figures


# ---- speed and equality ---------------------------------------------------------------------------------------------
def world(invoices, seed=1):
    """Spells whose hazard is a logit with known coefficients."""
    rng = np.random.default_rng(seed)
    grade = rng.integers(0, 5, invoices)
    size = rng.integers(0, 3, invoices)
    due = np.datetime64("2024-01-01") + rng.integers(0, 365, invoices)
    start = -30
    age = np.arange(start, 91)
    eta = np.where(age < -5, -5.5, np.where(age <= 5, -2.2, -2.9))
    u = rng.exponential(size=invoices)
    effect = np.array([0, -0.1, -0.25, -0.4, -0.6])[grade] + np.array([0, 0.1, -0.1])[size]
    cumulative = np.cumsum(-np.log1p(-1 / (1 + np.exp(-(eta[None, :] + np.unique(effect)[:, None])))), axis=1)
    row = np.searchsorted(np.unique(effect), effect)
    at = np.empty(invoices, dtype=int)
    for k in range(len(cumulative)):
        mine = row == k
        at[mine] = np.searchsorted(cumulative[k], u[mine])
    paid = at < len(age)
    stop = due + age[np.minimum(at, len(age) - 1)]
    return pd.DataFrame(
        {
            "customer_id": rng.integers(0, max(invoices // 50, 20), invoices).astype(str),
            "due_date": pd.to_datetime(due),
            "start": pd.to_datetime(due + start),
            "stop": pd.to_datetime(stop),
            "paid": paid,
            "grade": np.array(list("ABCDE"))[grade],
            "size": np.array(["small", "mid", "large"])[size],
        }
    )


def person_days(table, model):
    """The usual way: one row per invoice and day, dummies, statsmodels GLM. Gives coefficients in the model's order."""
    import statsmodels.api as sm

    due, start, stop = (cells.day_number(table[name]) for name in ("due_date", "start", "stop"))
    length = stop - start + 1
    row = np.repeat(np.arange(len(table)), length)
    day = np.repeat(start, length) + np.arange(length.sum()) - np.repeat(length.cumsum() - length, length)
    age = day - due[row]
    band = model.bands.of(age)
    active = hazards._active(model, model.codes(table)[row], band, cells.weekday(day))
    x = np.zeros((len(day), len(model.names) + 1))
    for part in active:
        x[np.arange(len(day)), part] = 1.0
    y = (table["paid"].to_numpy()[row] & (day == stop[row])).astype(float)
    fit = sm.GLM(y, x[:, :-1], family=sm.families.Binomial()).fit(tol=1e-12, tol_criterion="params", maxiter=100)
    return fit.params, len(day)


def timed(work, runs=3):
    spent = []
    for _ in range(runs):
        begun = time.process_time()
        result = work()
        spent.append(time.process_time() - begun)
    return float(np.median(spent)), result


def speed(*, quick):
    options = hazards.Fit(ridge=0.0)
    small, large = world(2_000 if quick else 10_000), world(100_000 if quick else 1_000_000)
    hazards.fit(small, cells.learn_factors(small, ["grade", "size"]), options=options)

    def fit(table):
        return hazards.fit(table, cells.learn_factors(table, ["grade", "size"]), options=options)

    seconds_small, model = timed(lambda: fit(small), 5)
    seconds_large, whole = timed(lambda: fit(large))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # before the larger peers run
    seconds_days, (params, rows) = timed(lambda: person_days(small, model), 1)
    figures = {
        "coefficients, largest difference to person-day GLM": float(np.abs(params - model.coefficients).max()),
        f"fit, {len(small)} invoices, s": seconds_small,
        f"fit, {len(large)} invoices, s": seconds_large,
        "peak memory of making the invoices and fitting, GB": memory,
        f"person-day GLM, {len(small)} invoices ({rows} rows), s": seconds_days,
        "person-day GLM over ours, same invoices": seconds_days / seconds_small,
        f"person-day GLM at {len(small)} over ours at {len(large)}": seconds_days / seconds_large,
    }
    errors, found = timed(lambda: whole.clustered_errors(large), 1)
    figures[f"clustered errors, {len(large)} invoices, s"] = errors
    table = whole.table(found).set_index("name")
    # sorted levels: the reference is the most exposed one, so compare contrasts of grade E against grade A
    contrast = {
        s: table["coefficient"].get(f"grade=E@{s}", 0) - table["coefficient"].get(f"grade=A@{s}", 0)
        for s in ("early", "due", "late")
    }
    figures |= {f"grade E against A, {name} (true -0.6)": float(value) for name, value in contrast.items()}
    figures |= cox_speed(large, seconds_large)
    return figures


def cox_speed(table, ours_seconds):
    x = pd.get_dummies(table[["grade", "size"]], drop_first=True, dtype=float).to_numpy()
    days = (table["stop"] - table["start"]).dt.days.to_numpy(dtype=float) + 1
    paid = table["paid"].to_numpy()
    figures = {}
    try:
        from sksurv.linear_model import CoxPHSurvivalAnalysis
    except ImportError:
        print("scikit-survival is not installed: statsmodels stands in")
    else:
        y = np.array(list(zip(paid, days, strict=True)), dtype=[("paid", bool), ("days", float)])
        seconds, _ = timed(lambda: CoxPHSurvivalAnalysis(ties="breslow").fit(x, y), 1)
        figures |= {"scikit-survival Cox, s": seconds, "scikit-survival Cox over ours": seconds / ours_seconds}
    from statsmodels.duration.hazard_regression import PHReg

    part = min(len(days), 100_000)
    seconds, _ = timed(
        lambda: PHReg(days[:part], x[:part], status=paid[:part].astype(int), ties="breslow").fit(disp=False), 1
    )
    share, _ = timed(lambda: hazards.fit(table.iloc[:part], cells.learn_factors(table, ["grade", "size"])), 1)
    return figures | {
        f"statsmodels Cox, {part} invoices, s": seconds,
        "statsmodels Cox over ours, same invoices": seconds / share,
    }


def main() -> None:
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller sizes and grids: under a minute")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    options = parser.parse_args()
    figures = speed(quick=options.quick)
    print("\nspeed (CPU seconds)")
    for name, value in figures.items():
        print(f"  {name:<66} {value:.4g}")
    if DATA.exists():
        for case in (highradius(), ibm()):
            figures |= quality(case, quick=options.quick)
        figures |= cash(quick=options.quick)
    else:
        print(f"no real ledgers under {DATA}: quality not measured (set CREDIT_LAB_DATA)")
    if options.json:
        options.json.write_text(json.dumps({k: float(v) for k, v in figures.items()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
