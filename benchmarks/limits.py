"""Limits: the lending task of CUMCM 2020 C against simple ways to share the money, trial ladder, speed and memory.

    python benchmarks/limits.py [--quick] [--json PATH]

Real data are read from $CREDIT_LAB_DATA (default ../shared/data); their part is skipped where they are absent.
"""

import argparse
import json
import os
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from credit_lab import policy as policies
from credit_lab.investigation import invoice_file
from credit_lab.limits import portfolio, quarterly, tail_risk, trial
from credit_lab.scoring import calibrate, fit_joint, validate

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("CREDIT_LAB_DATA", ROOT.parent / "shared" / "data"))
POLICY = policies.load(ROOT / "data" / "policies" / "2025-baseline.toml")
MONEY, LEAST, MOST = 100e6, 1e5, 1e6
LGD = 1.0  # an unsecured loan to a small firm


# ---- the lending task -----------------------------------------------------------------------------------------------
def invoice_features(kind):
    """Features of each enterprise from its invoices alone, see `investigation.invoice_file`."""
    sides = (pd.read_parquet(DATA / "cumcm2020c" / f"{kind}_{side}_invoices.parquet") for side in ("sales", "purchase"))
    return invoice_file(*sides)


def churn_curves():
    raw = pd.read_excel(DATA / "cumcm2020c" / "loan_rate_vs_churn.xlsx").iloc[1:].astype(float)
    return raw.iloc[:, 0].to_numpy(), {grade: raw.iloc[:, k + 1].to_numpy() for k, grade in enumerate("ABC")}


def graded_enterprises():
    """Out-of-fold AUC of a scorecard on invoice files of the 123 rated (one division into five folds, and the mean of
    eight), and the 302 unrated with PD and grade. Growth stands in the files, not in the card: with 24 defaults it
    added noise, the mean AUC fell from .862 to .856."""
    rated = pd.read_csv(DATA / "cumcm2020c" / "rated_enterprises.csv").set_index("enterprise")
    growth = ["sales_growth", "purchase_growth"]
    X = invoice_features("rated").reindex(rated.index).drop(columns=growth)
    new = invoice_features("unrated").drop(columns=growth)
    y = rated["defaulted"].to_numpy()

    def out_of_fold(seed):
        fold, p = np.random.default_rng(seed).permutation(len(y)) % 5, np.zeros(len(y))
        for k in range(5):
            card = fit_joint(X[fold != k].reset_index(drop=True), y[fold != k], penalty=5.0, digits=None)
            p[fold == k] = card.probability(X[fold == k].reset_index(drop=True))
        return p

    p = out_of_fold(0)
    mean = float(np.mean([validate.auc(y, out_of_fold(seed)) for seed in range(8)]))
    curve = calibrate.calibrate(y, p)
    card = fit_joint(X.reset_index(drop=True), y, penalty=5.0, digits=None)
    risk = curve.apply(card.probability(new.reset_index(drop=True)))
    # shares of the grades as among the rated: 27 A, 38 B, 34 C, 24 D of 123
    order = pd.Series(risk).rank(method="first") / len(risk)
    grade = np.array(list("ABCD"))[np.searchsorted([27 / 123, 65 / 123, 99 / 123], order.to_numpy(), side="left")]
    customers = pd.DataFrame(
        {"customer_id": new.index, "grade": grade, "pd": risk, "year": np.expm1(new["sales_log_year"].fillna(0))}
    )
    return validate.auc(y, p), mean, customers


def lending():
    """Grades by scorecard on invoice files; then amount and rate for each of the 302 unrated enterprises."""
    ranked, mean, customers = graded_enterprises()
    figures = {
        "lending: AUC of default by invoice features, 5 folds": ranked,
        "lending: mean AUC of eight divisions into 5 folds": mean,
    }
    return figures | shared_money(customers[customers["grade"] != "D"].reset_index(drop=True))


def best_rates(customers):
    """Rate of highest expected profit per unit lent: (1 − churn(r)) × (r (1 − PD) − PD × LGD)."""
    rates, churn = churn_curves()
    stays = np.array([1 - churn[g] for g in customers["grade"]])
    p = customers["pd"].to_numpy()[:, None]
    gain = stays * (rates[None, :] * (1 - p) - p * LGD)
    at = gain.argmax(axis=1)
    rows = np.arange(len(customers))
    return rates[at], stays[rows, at], gain[rows, at], (stays * p * LGD)[rows, at]


def shared_money(customers):
    """Money that is offered counts against the 100 million, whether the customer stays or not."""
    from scipy import optimize

    rate, _, gain, loss = best_rates(customers)
    n = len(customers)
    # a loan is nothing, or between 100 thousand and a million: one binary and one amount for each
    cost = np.concatenate([-gain, np.zeros(n)])
    eye = np.eye(n)
    linked = np.block([[eye, -MOST * eye], [-eye, LEAST * eye]])
    rows = np.vstack([linked, np.concatenate([np.ones(n), np.zeros(n)])])
    bounds = np.concatenate([np.zeros(2 * n), [MONEY]])
    found = optimize.milp(
        cost, constraints=optimize.LinearConstraint(rows, -np.inf, bounds),
        integrality=np.concatenate([np.zeros(n), np.ones(n)]),
        bounds=optimize.Bounds(0, np.r_[np.full(n, MOST), np.ones(n)]),
    )  # fmt: skip
    best = found.x[:n]
    year = customers["year"].to_numpy()
    greedy, left = np.zeros(n), MONEY
    for k in np.lexsort((-year, customers["grade"].to_numpy())):
        greedy[k] = min(MOST, left) if left >= LEAST else 0.0
        left -= greedy[k]
    proportional = np.zeros(n)
    for _ in range(50):
        rest = MONEY - proportional.sum()
        free = proportional < MOST
        proportional[free] = np.minimum(proportional[free] + rest * year[free] / year[free].sum(), MOST)
    ways = {
        "optimum": best, "equal split": np.full(n, min(MONEY / n, MOST)),
        "proportional to sales": np.where(proportional < LEAST, 0.0, proportional), "greedy by grade": greedy,
    }  # fmt: skip
    figures = {"lending: enterprises that may be lent to": n, "lending: gap of the optimum": found.mip_gap}
    for name, amount in ways.items():
        figures[f"lending, {name}: lent, million"] = amount.sum() / 1e6
        figures[f"lending, {name}: expected profit, thousand"] = amount @ gain / 1e3
        figures[f"lending, {name}: expected loss, thousand"] = amount @ loss / 1e3
    figures["lending: mean rate of the optimum, %"] = 100 * float(best @ rate / best.sum())
    return figures


# ---- trial ladder, speed ---------------------------------------------------------------------------------------------
def ladders(quick):
    figures = {}
    for name, newcomers in {
        "80 % pay, worth 10 customers": trial.Newcomers(),
        "80 % pay, worth 5": trial.Newcomers(4, 1),
        "71 % pay, worth 7": trial.Newcomers(5, 2),
    }.items():
        made = trial.compare(newcomers, trial.HandRule(), customers=5_000 if quick else 50_000, seed=1)
        figures |= {
            f"trial, {name}: profit of the ladder": made.table["profit"].iloc[0],
            f"trial, {name}: of the hand rule at equal loss": made.table["profit"].iloc[1],
            f"trial, {name}: difference, low": made.low, f"trial, {name}: difference, high": made.high,
            f"trial, {name}: loss, ladder / rule": made.loss_ratio,
        }  # fmt: skip
    return figures


def speed(quick):
    rng = np.random.default_rng(2)
    n = 10_000 if quick else 100_000
    customers = pd.DataFrame(
        {
            "customer_id": np.arange(n), "need": rng.lognormal(11, 1, n), "pd_12m": rng.beta(1, 20, n),
            "term_days": rng.choice([30, 60, 90], n), "industry": rng.integers(0, 5, n),
            "region": rng.integers(0, 5, n),
        }
    )  # fmt: skip
    customers = customers.join(portfolio.profit_rates(customers, POLICY))
    need = customers["need"].sum()
    budgets = portfolio.Budgets(need * 0.01, need * 0.5, 5e6, {"industry": need * 0.12, "region": need * 0.12})
    portfolio.optimise(customers.head(100), portfolio.Budgets(1e9))
    start = time.process_time()
    made = portfolio.optimise(customers, budgets)
    figures = {f"portfolio of {n:,} customers x {len(made.prices)} constraints, s": time.process_time() - start}
    size, scenarios = (1_000, 10_000) if quick else (10_000, 100_000)
    case = (rng.lognormal(11, 1, size), rng.beta(1, 30, size), rng.integers(0, 8, size))
    tail_risk.unexpected_loss(*(part[:10] for part in case), loss_given_default=0.6, scenarios=10)
    start = time.process_time()
    loss = tail_risk.unexpected_loss(*case, loss_given_default=0.6, scenarios=scenarios)
    figures |= {
        f"unexpected loss, {size:,} customers x {scenarios:,} scenarios, s": time.process_time() - start,
        "unexpected loss: standard error of the 99 % quantile, %": 100 * loss["standard_error"] / loss["quantile"],
    }
    rows = 100_000 if quick else 1_000_000
    month = pd.Timestamp("2025-12-31")
    history = pd.DataFrame(
        {
            "month": month, "customer_id": [f"C{k}" for k in range(rows)], "payment_index": rng.uniform(20, 95, rows),
            "months_on_book": rng.integers(0, 60, rows), "sales_12m": rng.lognormal(12, 1.5, rows),
            "sales": rng.lognormal(9, 1.5, rows), "paid_in_time": rng.integers(0, 40, rows),
        }
    )  # fmt: skip
    force = pd.DataFrame(
        {"customer_id": history["customer_id"], "credit_limit": rng.lognormal(10, 1, rows),
         "changed_on": month - pd.to_timedelta(rng.integers(1, 600, rows), unit="D")}
    )  # fmt: skip
    start = time.process_time()
    quarterly.review(history, POLICY, month, in_force=force)
    figures[f"review of {rows:,} customers, s"] = time.process_time() - start
    figures["peak memory of all this, GB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = ladders(options.quick) | speed(options.quick)
    if (DATA / "cumcm2020c").is_dir():
        figures |= lending()
    else:
        print(f"no real data at {DATA}: the lending task is skipped", file=sys.stderr)
    for name, value in figures.items():
        print(f"{name:<78} {value:>14,.4f}")
    if options.json:
        options.json.write_text(json.dumps({name: float(value) for name, value in figures.items()}, indent=1))


if __name__ == "__main__":
    main()
