"""Modelling tables with known truth, for the tests of scoring."""

import numpy as np
import pandas as pd


def customers(rows, seed=0, *, codes=True):
    """Customers with numbers, a category, a special code and gaps, and the true default probability of each."""
    rng = np.random.default_rng(seed)
    ratio, late = rng.normal(size=rows), rng.gamma(2.0, 5.0, rows)
    sector = rng.choice(["steel", "retail", "chemicals", "it's new"], rows, p=[0.4, 0.3, 0.2, 0.1])
    known = rng.random(rows) > 0.1
    logit = -2.6 - 0.9 * ratio * known + 0.09 * (late - 10) + 0.7 * (sector == "retail")
    noise = rng.normal(size=rows)
    X = pd.DataFrame(
        {"ratio": np.where(known, ratio, np.nan), "days_late": late.round(1), "sector": sector, "noise": noise}
    )
    if codes:
        X.loc[rng.random(rows) < 0.05, "days_late"] = -1.0
    truth = 1 / (1 + np.exp(-logit))
    return X, (rng.random(rows) < truth).astype(int), truth
