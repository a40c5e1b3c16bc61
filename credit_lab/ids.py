"""Row 0: ids among other ids, by Arrow's hash table.

pandas looks texts up through Python objects, which takes ten to fifteen times as long and a hundred bytes for each.
"""

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


def _text(ids: pd.Series | pd.Index) -> pa.Array:
    return pa.array(ids, type=pa.large_string())
