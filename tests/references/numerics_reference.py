"""Reference numbers of other programs for tests/test_numerics.py; writes numerics_reference.json here.

Run in an environment of its own with: lifelines 0.30.3, scikit-learn 1.9.1, scipy 1.17.1, statsmodels 0.15.0. The
rows are drawn here once and kept with the results, so that both sides read the same ones.
"""

import json
from pathlib import Path

import numpy as np
import scipy.stats
import sklearn.metrics
import statsmodels.api as sm
from lifelines import KaplanMeierFitter
from sklearn.linear_model import LogisticRegression


def main():
    rng = np.random.default_rng(20260101)
    days = rng.integers(1, 120, 90)
    settled = rng.random(90) < 0.7
    km = KaplanMeierFitter().fit(days, settled)
    x = np.round(rng.normal(size=(400, 3)), 3)
    y = (rng.random(400) < 1 / (1 + np.exp(-(x @ [0.8, -0.5, 0.2] - 1)))).astype(int)
    risk = np.round(1 / (1 + np.exp(-(x @ [0.7, -0.4, 0.0] - 1))), 2)  # two digits: with ties
    logit = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12, max_iter=1000).fit(x, y)
    glm = sm.GLM(y, sm.add_constant(x), family=sm.families.Binomial()).fit(tol=1e-14)
    result = {
        "survival": {
            "days": days.tolist(), "settled": settled.tolist(), "median": float(km.median_survival_time_),
            "curve": [[int(t), float(s)] for t, s in km.survival_function_["KM_estimate"].items() if t > 0],
        },
        "ranking": {
            "y": y.tolist(), "risk": risk.tolist(), "auc": float(sklearn.metrics.roc_auc_score(y, risk)),
            "brier": float(sklearn.metrics.brier_score_loss(y, risk)),
            "ks": float(scipy.stats.ks_2samp(risk[y == 1], risk[y == 0]).statistic),
        },
        "logit": {
            "x": x.tolist(), "y": y.tolist(), "coefficients": [float(logit.intercept_[0]), *logit.coef_[0].tolist()],
            "standard_errors": glm.bse.tolist(),
        },
    }  # fmt: skip
    Path(__file__).with_suffix(".json").write_text(json.dumps(result) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
