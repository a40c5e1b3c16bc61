"""Row 0: ids among other ids and rows in order, by Arrow's hash table and sorting.

pandas looks texts up through Python objects, which takes ten to fifteen times as long and a hundred bytes for each.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc


def positions(ids: pd.Series | pd.Index, known: pd.Series | pd.Index) -> npt.NDArray[np.int64]:
    """Row of each id among known ones (the first, if it stands there twice), −1 where it is none."""
    found = pc.index_in(_text(ids), value_set=_text(known))
    return found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)


def among(ids: pd.Series, known: pd.Series | pd.Index) -> pd.Series:
    """Whether each id stands among known ones, by the index of `ids`; a missing id never does."""
    found = pc.is_in(_text(ids), value_set=_text(known).drop_null())
    return pd.Series(found.to_numpy(zero_copy_only=False), index=ids.index)


def repeated(keys: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """True for every row whose key stands on another row too; missing cells are equal to each other."""
    if keys.shape[1] == 1 and isinstance(keys.dtypes.iloc[0], pd.StringDtype):
        names = _text(keys.iloc[:, 0])
        if pc.count_distinct(names, mode="all").as_py() == len(names):
            return np.zeros(len(keys), dtype=bool)
    return keys.duplicated(keep=False).to_numpy()


def in_order(rows: pd.DataFrame, columns: Sequence[str]) -> bool:
    """Whether rows stand in rising order of some columns already; False where a cell is missing, to be on the safe
    side."""
    if len(rows) < 2:
        return True
    tied = None  # rows equal to the one before them in all columns so far
    for column in columns:
        cells = pa.array(rows[column], from_pandas=True)
        cells = cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells
        if cells.null_count:
            return False
        before, after = cells[:-1], cells[1:]
        falls = pc.greater(before, after)
        if pc.any(falls if tied is None else pc.and_(falls, tied)).as_py():
            return False
        same = pc.equal(before, after)
        tied = same if tied is None else pc.and_(same, tied)
        if not pc.any(tied).as_py():
            return True
    return True


def _text(ids: pd.Series | pd.Index) -> pa.Array:
    return pa.array(ids, type=pa.large_string())
