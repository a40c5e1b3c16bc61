"""Evaluation: do signs add to ratios, files from invoices alone, planted discrepancies, clusters of names.

    python benchmarks/evaluation.py [--quick] [--json PATH]

Real data are read from $CREDIT_LAB_DATA (default ../shared/data); their parts are skipped where they are absent.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

sys.path.insert(0, str(Path(__file__).parent))
import limits  # the lending task

from credit_lab import policy as policies
from credit_lab import synthetic
from credit_lab.evaluation import nested, weights_from_pairs
from credit_lab.investigation import name_clusters, pair_figures, verify
from credit_lab.scoring import validate

ROOT = Path(__file__).resolve().parents[1]
DATA = limits.DATA
POLICY = policies.load(ROOT / "data" / "policies" / "2025-baseline.toml")

RATIOS = [
    "DEBT_STRUCTURE", "DEBT_COST", "DEBT_PAYING_AVAILABILITY", "DEBT_RATIO", "WORKING_CAPITAL", "WARRANTY",
    "OPERATING_INCOME_MARGIN", "RETURN_OPERATING_ASSETS", "RETURN_EQUITY", "RETURN_ASSETS", "STOCK_TURNOVER",
    "ASSET_TURNOVER", "RECEIVABLE_TURNOVER", "ASSET_ROTATION", "FINANCIAL_SOLVENCY", "ACID_TEST",
]  # fmt: skip
SIGNS = [
    "SIZE", "NUMBER_EMPLOYEES", "AGE", "SOCIAL_CODE", "LINKED_GROUP", "NUMBER_PARTNERS", "CHANGES_LOCATION",
    "DELAY_ACCOUNTS", "NUMBER_JUDICIAL_INCIDENCES_TOTAL", "NUMBER_JUDICIAL_INCIDENCES_YEAR",
    "SPENT_JUDICIAL_INCIDENCES_TOTAL", "SPENT_JUDICIAL_INCIDENCES_YEAR", "NUMBER_SERIOUS_INCIDENCES", "AUDITED",
    "AUDITORS_OPINION",
]  # fmt: skip


# ---- ratios and signs -----------------------------------------------------------------------------------------------
def spain():
    """Scores from ratios and from signs of years up to 2001, joined by a logistic model on their out-of-fold scores of
    those years; judged on 2002 and 2003. The nested test is on the later years, whose outcomes made no score. Firms
    are followed over years without a number, so rows of the two times are not independent."""
    table = pd.read_csv(DATA / "spain_bankruptcy" / "Bankruptcy_Spain_98-03_dot.csv", sep=";", na_values="?")
    y = (table["BANKRUPTCY"] != "NO").to_numpy().astype(int)
    early = (table["YEAR"] <= 2001).to_numpy()
    fold = np.random.default_rng(0).permutation(len(table)) % 5
    before, later = {}, {}
    for name, columns in (("figures", RATIOS), ("judgement", SIGNS)):
        X = table[columns]
        score = np.full(len(table), np.nan)
        for k in range(5):
            fit, out = early & (fold != k), early & (fold == k)
            score[out] = log_odds(X[fit], y[fit], X[out])
        before[name] = score[early]
        later[name] = log_odds(X[early], y[early], X[~early])
    joined = nested(before["figures"], before["judgement"], y[early])
    both = joined.probability(later["figures"], later["judgement"])
    test = nested(later["figures"], later["judgement"], y[~early])
    p = test.tests.set_index("added")["p_value"]
    return {
        "spain: firm-years and failures 1998-2001": f"{early.sum()} / {y[early].sum()}",
        "spain: firm-years and failures 2002-2003": f"{(~early).sum()} / {y[~early].sum()}",
        "spain 2002-03: AUC, ratios alone": validate.auc(y[~early], later["figures"]),
        "spain 2002-03: AUC, signs alone": validate.auc(y[~early], later["judgement"]),
        "spain 2002-03: AUC, composite": validate.auc(y[~early], both),
        "spain 2002-03: p-value, signs add to ratios": p["judgement"],
        "spain 2002-03: p-value, ratios add to signs": p["figures"],
    }


def log_odds(X, y, new):
    """Logistic regression, penalty as scikit-learn sets it, on mid-ranks among the rows it is fitted on."""
    return LogisticRegression(max_iter=2000).fit(ranked(X, X), y).decision_function(ranked(new, X))


def ranked(X, reference):
    """Numbers as ranks −½ to ½ in `reference`, missing in the middle with a sign of its own; texts as indicators."""
    columns = []
    for name in X:
        if not pd.api.types.is_numeric_dtype(X[name].dtype):
            columns += [(X[name] == value).to_numpy(float) for value in sorted(reference[name].dropna().unique())]
            continue
        known = np.sort(reference[name].dropna().to_numpy())
        rank = (np.searchsorted(known, X[name], "left") + np.searchsorted(known, X[name], "right")) / 2 / len(known)
        columns.append(np.where(X[name].isna(), 0.0, rank - 0.5))
        if reference[name].isna().any():
            columns.append(X[name].isna().to_numpy(float))
    return np.column_stack(columns)


# ---- files from invoices --------------------------------------------------------------------------------------------
def invoices():
    auc, mean, customers = limits.graded_enterprises()
    figures = {
        "cumcm2020c: AUC of default by invoice files, 5 folds": auc,
        "cumcm2020c: mean AUC of eight divisions into 5 folds": mean,
    }
    for grade, count in customers["grade"].value_counts().sort_index().items():
        figures[f"cumcm2020c: unrated enterprises graded {grade}"] = count
        figures[f"cumcm2020c: mean default probability of {grade}"] = customers.loc[
            customers["grade"] == grade, "pd"
        ].mean()
    return figures | limits.shared_money(customers[customers["grade"] != "D"].reset_index(drop=True))


# ---- planted discrepancies ------------------------------------------------------------------------------------------
def planted(quick):
    """Sample and, in full, five larger firms: a claim counts as found when its kind of slip is named rightly too."""
    worlds = [("sample", 300, 1)] + ([] if quick else [(f"seed {seed}", 1500, seed) for seed in range(2, 7)])
    counts = []
    seconds = claims = 0.0
    for _, size, seed in worlds:
        made = synthetic.generate(synthetic.Firm(customers=size), seed)
        truth = made.truth["discrepancies"]
        start = time.process_time()
        found = verify(made.tables["facts"], POLICY, pd.Timestamp("2025-12-31")).discrepancies
        seconds, claims = seconds + time.process_time() - start, claims + len(made.tables["facts"])
        real = truth[truth["is_discrepancy"].astype(str) == "True"]
        keys = ["customer_id", "attribute", "source"]
        both = real[[*keys, "kind"]].merge(found[[*keys, "slip"]], on=keys, how="outer")
        counts.append(both.fillna("none"))
    whole = pd.concat(counts)
    figures = {}
    for kind in sorted(set(whole["kind"]) - {"none"}):
        there, said = whole["kind"] == kind, whole["slip"] == kind
        figures[f"planted {kind}: number"] = int(there.sum())
        figures[f"planted {kind}: recall"] = (there & said).sum() / there.sum()
        figures[f"planted {kind}: precision"] = (there & said).sum() / max(said.sum(), 1)
    there, said = whole["kind"] != "none", whole["slip"] != "none"
    figures["planted, all kinds: recall"] = (there & said).sum() / there.sum()
    figures["planted, all kinds: precision"] = (there & said).sum() / said.sum()
    return figures | {"claims verified per second": claims / seconds}


# ---- names ----------------------------------------------------------------------------------------------------------
def names():
    """Names carry random suffixes and are cut short, and big buyers hold many numbers under one name: what a pair of
    equal cleaned names under two numbers costs in precision is printed beside it."""
    raw = pd.read_csv(
        DATA / "highradius_b2b" / "closed_invoices.csv.gz", dtype="str", usecols=["cust_number", "name_customer"]
    ).dropna()
    pairs = raw.drop_duplicates().reset_index(drop=True)
    figures = {"HighRadius: customers": pairs["cust_number"].nunique(),
               "HighRadius: spellings": pairs["name_customer"].nunique()}  # fmt: skip
    cleaned = pairs.merge(clusters(pairs), on="name_customer")
    for label, cluster in (
        ("spellings as they are", cleaned["name_customer"]),
        ("same cleaned name", cleaned["cleaned"]),
        ("clusters", cleaned["cluster"]),
    ):
        made = pair_figures(cluster, cleaned["cust_number"])
        figures |= {
            f"HighRadius, {label}: precision": made["precision"],
            f"HighRadius, {label}: recall": made["recall"],
        }
    alone = cleaned.groupby("cust_number")["cluster"].nunique() < 2
    sole = cleaned.groupby("cluster")["cust_number"].nunique() < 2
    several = cleaned.groupby("cust_number")["name_customer"].nunique() >= 2
    busy = cleaned.groupby("cleaned")["cust_number"].transform("nunique") >= 4
    rest = pair_figures(cleaned.loc[~busy, "cluster"], cleaned.loc[~busy, "cust_number"])
    return figures | {
        "HighRadius: customers of several spellings that are in one cluster": alone[several].mean(),
        "HighRadius: clusters that hold one customer": sole.mean(),
        "HighRadius, names of at most three numbers: precision": rest["precision"],
        "HighRadius, names of at most three numbers: recall": rest["recall"],
    }


def clusters(pairs):
    start = time.process_time()
    made = name_clusters(pairs["name_customer"], similarity=0.9)
    print(f"{len(made):,} names in {time.process_time() - start:.2f} s", file=sys.stderr)
    return made.rename(columns={"name": "name_customer"})[["name_customer", "cleaned", "cluster"]]


# ---- weights --------------------------------------------------------------------------------------------------------
def drinks():
    """Saaty (2008), Int. J. Services Sciences 1(1): drinks in the United States, weights and ratio as printed there."""
    kinds = ["coffee", "wine", "tea", "beer", "sodas", "milk", "water"]
    upper = [[1, 9, 5, 2, 1, 1, 1 / 2], [1, 1 / 3, 1 / 9, 1 / 9, 1 / 9, 1 / 9], [1, 1 / 3, 1 / 4, 1 / 3, 1 / 9],
             [1, 1 / 2, 1, 1 / 3], [1, 2, 1 / 2], [1, 1 / 3], [1]]  # fmt: skip
    a = np.ones((7, 7))
    for i, row in enumerate(upper):
        a[i, i:], a[i:, i] = row, 1 / np.array(row)
    made = weights_from_pairs(kinds, a)
    printed = np.array([0.177, 0.019, 0.042, 0.116, 0.190, 0.129, 0.327])
    return {
        "AHP, drinks: largest difference from the printed weights": np.abs(made.weights.to_numpy() - printed).max(),
        "AHP, drinks: consistency ratio (printed: 0.022)": made.consistency_ratio,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = planted(options.quick) | drinks()
    for folder, part in (("spain_bankruptcy", spain), ("cumcm2020c", invoices), ("highradius_b2b", names)):
        if (DATA / folder).is_dir():
            figures |= part()
        else:
            print(f"no real data at {DATA / folder}: that part is skipped", file=sys.stderr)
    for name, value in figures.items():
        print(f"{name:<78} {value if isinstance(value, str) else format(value, ',.4f'):>14}")
    if options.json:
        options.json.write_text(
            json.dumps({k: v if isinstance(v, str) else float(v) for k, v in figures.items()}, indent=1)
        )


if __name__ == "__main__":
    main()
