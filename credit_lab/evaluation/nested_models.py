"""Do judgement and figures know different things? Logistic models with one part and with both, and the test between."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import roc_auc_score

from credit_lab.errors import CreditLabError


@dataclass(frozen=True)
class Nested:
    """Models of default on figures alone, judgement alone and both.

    Attributes
    ----------
    table : model, log_likelihood, parameters, auc
    tests : added (which part is added to the other), statistic (twice the gain of log-likelihood), degrees, p_value
    coefficients : constant, quantitative, qualitative of the model with both
    """

    table: pd.DataFrame
    tests: pd.DataFrame
    coefficients: pd.Series
    rows: int
    events: int

    def probability(self, quantitative: Any, qualitative: Any) -> np.ndarray:
        """Default probability by the model with both."""
        b = self.coefficients
        z = b["constant"] + b["quantitative"] * np.asarray(quantitative) + b["qualitative"] * np.asarray(qualitative)
        return np.asarray(1 / (1 + np.exp(-z)))


def nested(quantitative: Any, qualitative: Any, target: Any) -> Nested:
    """Fit the three models and test by likelihood ratio whether either part adds to the other.

    The scores must have been made without these outcomes, otherwise the p-values flatter. Rows with a missing score
    or outcome are left out.

    Raises
    ------
    CreditLabError
        Fewer than five defaults or five non-defaults.
    """
    frame = pd.DataFrame(
        {"quantitative": np.asarray(quantitative, dtype=float), "qualitative": np.asarray(qualitative, dtype=float),
         "target": np.asarray(target, dtype=float)}
    ).dropna()  # fmt: skip
    y = frame["target"].to_numpy()
    if min(y.sum(), len(y) - y.sum()) < 5:
        raise CreditLabError(
            f"nested test: {int(y.sum())} defaults among {len(y)} customers; at least five of either kind are needed"
        )
    spread = frame[["quantitative", "qualitative"]].std()
    if (spread == 0).any():
        raise CreditLabError(f"nested test: the {spread.idxmin()} score is the same for everybody")
    fits = {name: _fit(frame, columns) for name, columns in (
        ("constant", []), ("figures", ["quantitative"]), ("judgement", ["qualitative"]),
        ("both", ["quantitative", "qualitative"]),
    )}  # fmt: skip
    rows = [
        {
            "model": name,
            "log_likelihood": level,
            "parameters": len(b),
            "auc": roc_auc_score(y, p) if len(b) > 1 else 0.5,
        }
        for name, (level, b, p) in fits.items()
    ]
    tests = []
    for added, without in (("judgement", "figures"), ("figures", "judgement")):
        statistic = max(2 * (fits["both"][0] - fits[without][0]), 0.0)
        tests.append({"added": added, "to": without, "statistic": statistic, "degrees": 1,
                      "p_value": float(stats.chi2.sf(statistic, 1))})  # fmt: skip
    return Nested(pd.DataFrame(rows), pd.DataFrame(tests), fits["both"][1], len(y), int(y.sum()))


def _fit(frame: pd.DataFrame, columns: list[str]) -> tuple[float, pd.Series, np.ndarray]:
    """Maximum likelihood by Newton steps on standardised scores: log-likelihood, coefficients, probabilities."""
    y = frame["target"].to_numpy()
    mean, scale = frame[columns].mean().to_numpy(), frame[columns].std().to_numpy()
    x = np.column_stack([np.ones(len(y)), (frame[columns].to_numpy() - mean) / scale])
    b = np.zeros(x.shape[1])
    for _ in range(100):
        p = 1 / (1 + np.exp(-np.clip(x @ b, -35, 35)))
        step = np.linalg.solve(x.T @ (x * (p * (1 - p))[:, None]) + 1e-10 * np.eye(len(b)), x.T @ (y - p))
        b = b + np.clip(step, -5, 5)
        if np.abs(step).max() < 1e-10:
            break
    p = 1 / (1 + np.exp(-np.clip(x @ b, -35, 35)))
    level = float((y * np.log(np.clip(p, 1e-300, 1)) + (1 - y) * np.log(np.clip(1 - p, 1e-300, 1))).sum())
    slopes = b[1:] / scale
    return level, pd.Series([b[0] - (slopes * mean).sum(), *slopes], index=["constant", *columns]), p
