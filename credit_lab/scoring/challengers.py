"""What does the analyst give up by using a points card? Challengers on the same folds."""

import importlib.util
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from credit_lab.errors import CreditLabError
from credit_lab.scoring.bins import Array
from credit_lab.scoring.fitting import fit, fit_joint
from credit_lab.scoring.table import columns_of, target_of
from credit_lab.scoring.validate import METRICS, delong

Model = Callable[[Any, Array, Any], Array]


def woe_card(X: Any, y: Array, new: Any) -> Array:
    """Default card of `fit`, with a light penalty where maximum likelihood does not exist (separation)."""
    try:
        return fit(X, y).probability(new).to_numpy()
    except CreditLabError:
        return fit(X, y, penalty=1.0).probability(new).to_numpy()


def penalised_card(X: Any, y: Array, new: Any) -> Array:
    """WOE card with an L2 penalty and every feature."""
    return fit(X, y, penalty=30.0, signs="keep", digits=1).probability(new).to_numpy()


def joint_card(X: Any, y: Array, new: Any) -> Array:
    """Default card of `fit_joint`."""
    return fit_joint(X, y, digits=1).probability(new).to_numpy()


def _coded(X: Any, new: Any) -> tuple[Array, Array]:
    """Categories as codes of the training data (missing for the unknown), numbers as they are."""
    train = columns_of(X)
    kinds = {name: "number" if column.dtype == np.float64 else "category" for name, column in train.items()}
    test = columns_of(new, kinds)
    sides: tuple[list[Array], list[Array]] = ([], [])
    for name, column in train.items():
        if column.dtype == np.float64:
            sides[0].append(column)
            sides[1].append(test[name])
            continue
        known = pd.Index(sorted(pd.unique(pd.Series(column).dropna()), key=str))
        for side, values in zip(sides, (column, test[name]), strict=True):
            codes = known.get_indexer(pd.Index(values)).astype(np.float64)
            side.append(np.where(codes < 0, np.nan, codes))
    return np.column_stack(sides[0]), np.column_stack(sides[1])


def boosted_trees(X: Any, y: Array, new: Any) -> Array:
    """Histogram gradient boosting of scikit-learn, early stopping off, 150 small trees; one thread.

    Its threads wait for one another actively, which takes minutes instead of a second on a machine that is busy.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    train, test = _coded(X, new)
    model = HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.06, max_leaf_nodes=15, early_stopping=False, random_state=0
    )
    with threadpool_limits(1):
        return np.asarray(model.fit(train, y).predict_proba(test)[:, 1], dtype=np.float64)


def lightgbm(X: Any, y: Array, new: Any) -> Array:
    """LightGBM with its defaults (extra `challengers`)."""
    from lightgbm import LGBMClassifier

    train, test = _coded(X, new)
    model = LGBMClassifier(verbose=-1, random_state=0, n_jobs=1, deterministic=True).fit(train, y)
    return np.asarray(model.predict_proba(test)[:, 1], dtype=np.float64)


def boosted_additive(X: Any, y: Array, new: Any) -> Array:
    """Explainable boosting machine of interpret (extra `challengers`)."""
    from interpret.glassbox import ExplainableBoostingClassifier

    train, test = _coded(X, new)
    model = ExplainableBoostingClassifier(random_state=0, n_jobs=1).fit(train, y)
    return np.asarray(model.predict_proba(test)[:, 1], dtype=np.float64)


MODELS: dict[str, Model] = {
    "woe card": woe_card, "penalised card": penalised_card, "joint card": joint_card, "boosted trees": boosted_trees,
}  # fmt: skip
EXTRAS: dict[str, tuple[str, Model]] = {
    "lightgbm": ("lightgbm", lightgbm), "explainable boosting": ("interpret", boosted_additive),
}  # fmt: skip


def available() -> dict[str, Model]:
    """`MODELS` and those `EXTRAS` whose package is installed."""
    return MODELS | {name: model for name, (package, model) in EXTRAS.items() if importlib.util.find_spec(package)}


def compare(
    X: pd.DataFrame,
    y: Any,
    folds: Iterable[tuple[Any, Any]],
    *,
    models: Mapping[str, Model] | None = None,
) -> pd.DataFrame:
    """Models on the same folds, judged by rows they have not seen.

    Parameters
    ----------
    folds : pairs of row positions (train, test), such as `splits.by_time` gives
    models : name to function (table, target, new table) -> probabilities; default `available()`

    Returns
    -------
    DataFrame
        model, the metrics (means over the folds), auc_error (standard error over the folds), and against the first
        model: difference of AUC with its DeLong interval on the pooled test rows (difference_low, difference_high)

    Raises
    ------
    CreditLabError
        No folds.
    """
    target, _ = target_of(y, len(X))
    if models is None:
        models = available()
    pairs = list(folds)
    if not pairs:
        raise CreditLabError("no folds to compare on")
    seen, truth = {name: [] for name in models}, []  # type: ignore[var-annotated]
    rows: dict[str, list[list[float]]] = {name: [] for name in models}
    for train, test in pairs:
        truth.append(target[test])
        for name, model in models.items():
            p = model(X.iloc[train].reset_index(drop=True), target[train], X.iloc[test].reset_index(drop=True))
            seen[name].append(p)
            rows[name].append([metric(target[test], p) for metric in METRICS.values()])
    means = pd.DataFrame({name: np.mean(values, axis=0) for name, values in rows.items()}, index=list(METRICS)).T
    if len(pairs) > 1:
        means["auc_error"] = [np.std(np.array(rows[n])[:, 0], ddof=1) / np.sqrt(len(pairs)) for n in means.index]
    else:
        means["auc_error"] = np.nan
    paired = delong(np.concatenate(truth), *(np.concatenate(parts) for parts in seen.values()))
    extra = ["difference", "difference_low", "difference_high"]
    paired = paired.reindex(columns=extra).set_axis(means.index)
    return means.join(paired).reset_index(names="model")
