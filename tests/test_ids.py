import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_lab.ids import among, looked_up, ordering, positions, repeated

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


@pytest.mark.parametrize("values", [pd.to_datetime(["2024-05-01", "2024-06-01"]), ["x", "y"], [1.5, 2.5]])
@pytest.mark.parametrize("keys", [["b", "c", None], []])
def test_what_is_looked_up_keeps_its_type_where_there_is_nothing(values, keys):
    """b is the second value; with no keys, or nothing to look in, dates stay dates and texts stay texts."""
    by = pd.Series(values, index=pd.Index(["a", "b"], dtype="str"))
    ids = pd.Series(keys, dtype="str", name="id", index=range(5, 5 + len(keys)))
    found = looked_up(ids, by)
    assert found.dtype == by.dtype
    assert found.isna().tolist() == [False, True, True][: len(keys)]
    assert found.tolist()[:1] == by.tolist()[1:][: len(keys)]
    assert (found.name, found.index.tolist()) == ("id", ids.index.tolist())
    nothing = looked_up(ids, by[:0])
    assert nothing.dtype == by.dtype
    assert nothing.isna().all()


@given(st.lists(st.tuples(st.sampled_from([None, "", "a", "b", "é", "漢"]), st.sampled_from([None, -1.5, 0.0, 2.0]))))
def test_rows_are_ordered_and_found_repeated_as_pandas_does_it(rows):
    frame = pd.DataFrame(rows, columns=["name", "amount"]).astype({"name": "str", "amount": "float64"})
    frame["flag"] = pd.Series([True, None] * len(rows), dtype="boolean")[: len(rows)]
    for columns in (["name"], ["name", "amount"], ["amount", "flag", "name"]):
        expected = frame.sort_values(columns, kind="stable").index.tolist()
        found = ordering(frame, columns)
        assert (list(range(len(frame))) if found is None else found.tolist()) == expected
        assert repeated(frame[columns]).tolist() == frame.duplicated(columns, keep=False).tolist()
    ordered = frame.dropna().sort_values(["name", "amount"])
    assert ordering(ordered, ["name", "amount"]) is None
