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


def looked_up(keys: pd.Series, by: pd.Series) -> pd.Series:
    """Value of each key in a series whose index is unique, missing where it has none.

    Unlike `Series.map` it keeps the type of the values when there is nothing to look up, or nothing to look in: dates
    stay dates, texts stay texts.
    """
    return by.reindex(keys.array).set_axis(keys.index).rename(keys.name)


def repeated(keys: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """True for every row whose key stands on another row too; missing cells are equal to each other."""
    if keys.shape[1] == 1 and isinstance(keys.dtypes.iloc[0], pd.StringDtype):
        names = _text(keys.iloc[:, 0])
        if pc.count_distinct(names, mode="all").as_py() == len(names):
            return np.zeros(len(keys), dtype=bool)
    return keys.duplicated(keep=False).to_numpy()


def ordering(rows: pd.DataFrame, columns: Sequence[str]) -> npt.NDArray[np.int64] | None:
    """Row numbers in rising order of some columns, missing cells last; None where the rows stand so already."""
    cells = [_plain(rows[column]) for column in columns]
    if len(rows) < 2 or _rising(cells):
        return None
    names = [str(number) for number in range(len(cells))]
    keys = [(name, "ascending") for name in names]
    return np.asarray(pc.sort_indices(pa.table(cells, names=names), sort_keys=keys).to_numpy(), dtype=np.int64)


def _rising(columns: Sequence[pa.Array]) -> bool:
    """Whether rows do not fall anywhere; False where a cell is missing, to be on the safe side."""
    if any(cells.null_count for cells in columns):
        return False
    tied = None  # rows equal to the one before them in all columns so far
    for cells in columns:
        falls, same = pc.greater(cells[:-1], cells[1:]), pc.equal(cells[:-1], cells[1:])
        if pc.any(falls if tied is None else pc.and_(falls, tied)).as_py():
            return False
        tied = same if tied is None else pc.and_(same, tied)
        if not pc.any(tied).as_py():
            return True
    return True


def _plain(column: pd.Series) -> pa.Array:
    cells = pa.array(column, from_pandas=True)
    return cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells


def _text(ids: pd.Series | pd.Index) -> pa.Array:
    return pa.array(ids, type=pa.large_string())
