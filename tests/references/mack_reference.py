"""Mack's chain ladder by chainladder on a made triangle, for tests/test_aging_losses.py.

pip install chainladder; python tests/references/mack_reference.py
"""

import json
from pathlib import Path

import chainladder as cl
import numpy as np
import pandas as pd

SIZE = 7


def triangle():
    """Cumulative collections of seven invoice months, the last ages unknown."""
    rng = np.random.default_rng(20)
    share = np.cumsum([0.35, 0.3, 0.15, 0.08, 0.05, 0.03, 0.02])
    sales = rng.integers(800, 1600, SIZE)
    paid = np.rint(sales[:, None] * share * rng.uniform(0.9, 1.1, (SIZE, SIZE)).cumprod(axis=1) ** 0.2)
    return np.where(np.arange(SIZE)[:, None] + np.arange(SIZE) < SIZE, np.maximum.accumulate(paid, axis=1), np.nan)


if __name__ == "__main__":
    cells = triangle()
    known = [(2000 + i, 2000 + i + j, cells[i, j]) for i in range(SIZE) for j in range(SIZE - i)]
    frame = pd.DataFrame(known, columns=["origin", "valuation", "paid"])
    made = cl.Triangle(frame, origin="origin", development="valuation", columns="paid", cumulative=True)
    found = cl.MackChainladder().fit(cl.Development(average="volume", sigma_interpolation="mack").fit_transform(made))
    table = found.summary_.to_frame(origin_as_datetime=False)
    result = {
        "program": f"chainladder {cl.__version__}",
        "cumulative": [[None if np.isnan(x) else x for x in row] for row in cells.tolist()],
        "reserve": table["IBNR"].fillna(0).tolist(),
        "standard_error": table["Mack Std Err"].fillna(0).tolist(),
        "total_standard_error": float(np.ravel(found.total_mack_std_err_)[0]),
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
