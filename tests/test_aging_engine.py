"""One definition on every engine, equal to the minor unit to each other and to the plain reference."""

import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from credit_lab import aging, ledger
from credit_lab.aging import many_dates
from credit_lab.aging.buckets import Buckets
from credit_lab.errors import LedgerError, PeriodError
from credit_lab.ledger.database import connected
from tests.ledgers import invoice, payment
from tests.reference_aging import reference

ENDS = pd.date_range("2023-01-31", "2025-12-31", freq="ME")
GROUPINGS = [(), ("customer_id",), ("industry", "region"), ("group_id",)]


@pytest.fixture(scope="module")
def duck(sample):
    return aging.store(sample)


@pytest.mark.parametrize("by", GROUPINGS)
@pytest.mark.parametrize("basis", ["due_date", "issue_date"])
def test_duckdb_equals_the_ledger_in_memory(sample, duck, by, basis):
    buckets = Buckets(by=basis)
    expected = aging.series(sample, ENDS, by=by, buckets=buckets)
    pd.testing.assert_frame_equal(aging.series(duck, ENDS, by=by, buckets=buckets), expected)


@pytest.mark.parametrize("number", [2, 17, 23, 35])
def test_both_equal_the_plain_reference(sample, duck, number):
    for source in (sample, duck):
        table = aging.series(source, ENDS, by=("customer_id",))
        rows = table[table["as_of"] == ENDS[number]].melt(
            id_vars="customer_id", value_vars=[*Buckets().labels, "unapplied_cash", "credit_notes"]
        )
        found = {(row.customer_id, row.variable): round(row.value * 100) for row in rows.itertuples() if row.value != 0}
        assert found == reference(sample, ENDS[number], Buckets())


def test_postgresql_equals_duckdb(sample, duck, postgres):
    ledger.write(sample.tables, postgres + "?schema=public", overwrite=True)
    with connected(postgres, "is asked for aging") as connection:
        held = aging.store_at(connection)
        for by in GROUPINGS[:3]:
            pd.testing.assert_frame_equal(aging.series(held, ENDS, by=by), aging.series(duck, ENDS, by=by))


def test_spark_equals_duckdb(sample, duck, tmp_path):
    pyspark = pytest.importorskip("pyspark.sql", reason="the spark extra is not installed: make spark")
    if not shutil.which("java"):
        pytest.skip("no Java on this machine: Spark cannot start")
    import warnings

    import ibis

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        builder = pyspark.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
        session = builder.config("spark.sql.warehouse.dir", str(tmp_path / "w")).getOrCreate()
        try:
            ledger.write(sample.tables, tmp_path / "p", format="parquet")
            for name in ("invoices", "payments", "allocations", "write_offs", "instalments", "customers"):
                session.read.parquet(str(tmp_path / "p" / f"{name}.parquet")).createOrReplaceTempView(name)
            held = aging.store_at(ibis.pyspark.connect(session))
            for by in GROUPINGS[:2]:
                pd.testing.assert_frame_equal(aging.series(held, ENDS, by=by), aging.series(duck, ENDS, by=by))
        finally:
            session.stop()


def test_a_saved_store_reads_back_the_same(sample, duck, tmp_path):
    duck.save(tmp_path / "postings")
    again = aging.stored(tmp_path / "postings", memory="500MB", threads=1)
    assert again.currency == "CNY"
    expected = aging.series(duck, ENDS, by=("customer_id",))
    pd.testing.assert_frame_equal(aging.series(again, ENDS, by=("customer_id",)), expected)
    with pytest.raises(LedgerError, match=r"no postings\.parquet"):
        aging.stored(tmp_path)


def test_a_large_ledger_goes_through_the_engine_with_the_same_figures(sample, monkeypatch):
    expected = aging.series(sample, ENDS, by=("region",))
    monkeypatch.setattr(many_dates, "LARGE", 10)
    pd.testing.assert_frame_equal(aging.series(sample, ENDS, by=("region",)), expected)


def test_dates_before_all_documents_and_odd_dates(sample, duck):
    dates = pd.DatetimeIndex(["2001-01-31", "2024-02-29", "2024-03-01", "2031-12-31"])
    table = aging.series(duck, dates)
    pd.testing.assert_frame_equal(table, aging.series(sample, dates))
    assert table.loc[0, "balance"] == 0
    with pytest.raises(PeriodError, match="cannot group by"):
        aging.series(duck, dates, by=("colour",))


def test_a_store_needs_tables_and_one_currency(write_ledger):
    import ibis

    empty = ibis.duckdb.connect()
    with pytest.raises(LedgerError, match="no table 'invoices'"):
        aging.store_at(empty)
    mixed = ledger.read(write_ledger(invoices=[invoice(), invoice("I2", currency="USD")], payments=[payment()]))
    for name, frame in mixed.tables.items():
        empty.create_table(name, pa.Table.from_pandas(frame, preserve_index=False))
    with pytest.raises(LedgerError, match="2 currencies"):
        aging.store_at(empty)
    with pytest.raises(LedgerError, match="2 currencies"):
        aging.store(mixed)


def test_highradius_on_both_paths(real_data):
    book = ledger.read(real_data / "highradius_b2b" / "closed_invoices.csv.gz", "data/mappings/highradius_closed.toml")
    book = book.only_currency("USD")
    dates = pd.date_range("2019-01-31", "2020-05-31", freq="ME")
    one = aging.series(book, dates, by=("customer_id",))
    two = aging.series(aging.store(book), dates, by=("customer_id",))
    pd.testing.assert_frame_equal(one, two)
    assert np.isclose(one.groupby("as_of")["open"].sum().iloc[8], 44_902_873.25)


def test_a_folder_named_like_a_pattern_is_one_folder(tmp_path, write_ledger):
    store = aging.store(ledger.read(write_ledger(invoices=[invoice()], payments=[payment()])))
    for name in ("p*", "pq"):
        store.save(tmp_path / name)
    dates = [pd.Timestamp("2024-01-31")]  # one invoice of 100 is open
    assert aging.series(aging.stored(tmp_path / "p*"), dates)["open"].tolist() == [100.0]


def test_duckdb_keeps_quiet_where_nobody_runs_a_file():
    # DuckDB takes a notebook, or code without a file, for somebody who waits at a screen, and prints a bar
    asked = "select current_setting('enable_progress_bar')::varchar as bar"
    code = f'import ibis; from credit_lab.aging import engine; q = "{asked}"; answers = '
    code += "[c.sql(q).to_pyarrow().to_pylist()[0]['bar'] for c in (ibis.duckdb.connect(), engine._duckdb(1, '1GB'))]"
    said = subprocess.run([sys.executable, "-c", code + "; print(*answers)"], capture_output=True, text=True)
    assert said.stdout.split() == ["true", "false"]
