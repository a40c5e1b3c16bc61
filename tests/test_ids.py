import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from credit_lab.ids import among, positions

NAMES = st.lists(st.one_of(st.none(), st.text(max_size=3)), max_size=20)


@given(NAMES, NAMES)
def test_ids_are_found_as_pandas_finds_them(ids, known):
    ids, known = pd.Series(ids, dtype="str"), pd.Series(known, dtype="str")
    ids.index = ids.index + 7
    expected = ids.isin(known.dropna()) & ids.notna()
    pd.testing.assert_series_equal(among(ids, known), expected.astype(bool), check_names=False)
    first = {name: at for at, name in reversed(list(enumerate(known.dropna())))}
    found = positions(ids, known.dropna())
    assert found.dtype == np.int64
    assert found.tolist() == [first.get(name, -1) for name in ids]


def test_an_index_serves_as_known_ids():
    assert among(pd.Series(["a", "b"]), pd.Index(["b"])).tolist() == [False, True]
    assert positions(pd.Series(["b", "c"]), pd.Index(["a", "b"])).tolist() == [1, -1]
