"""Aging at many month ends: Ibis on DuckDB (one thread) and numpy in memory against the usual per-snapshot loops.

    python benchmarks/aging.py [--quick] [--json FILE] [--large]

Peers run in the same process on the same tables: the pandas loop that people write (filter, group by invoice, map, cut,
group), once on document ids as exported and once on integer codes prepared beforehand, and the same loop in
polars where it is installed. Every result is checked equal before it is timed. --large adds 10,000,000 invoices and
100,000,000 invoices as stored postings in Parquet, out of core (needs 12 GB of memory for the former, 6 GB of disk).
"""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from credit_lab import aging, ledger

EDGES = (0, 30, 60, 90)
BUCKETS = aging.Buckets(EDGES)
CUTS = [-np.inf, *EDGES, np.inf]


def ends(count):
    """Month ends up to December 2025."""
    return pd.date_range(end="2025-12-31", periods=count, freq="ME")


def made(count, customers, months=120):
    """A plain ledger: invoices over ten years, most paid in one go, a fifth in two, one in fifty never."""
    rng = np.random.default_rng(1)
    day0 = np.datetime64("2016-01-01")
    issue = rng.integers(0, months * 365 // 12, count)
    term = rng.choice([30, 45, 60], count)
    cents = rng.integers(1_000, 10_000_000, count)
    number = pd.Series(np.arange(count)).astype("str")
    invoice_id, customer_id = "I" + number, "C" + pd.Series(rng.integers(0, customers, count)).astype("str")
    paid = issue + term + rng.integers(-10, 60, count)
    two = rng.random(count) < 0.2
    never = rng.random(count) < 0.02
    first = np.where(two, cents // 2, cents)
    frames = []
    for part, (day, amount, chosen) in enumerate(((paid, first, ~never), (paid + 30, cents - first, two & ~never))):
        keep = np.flatnonzero(chosen & (amount > 0))
        frames.append(
            pd.DataFrame(
                {
                    "payment_id": f"P{part}-" + number.iloc[keep].reset_index(drop=True),
                    "customer_id": customer_id.iloc[keep].to_numpy(),
                    "day": (day0 + day[keep]).astype("datetime64[us]"),
                    "amount": amount[keep] / 100,
                    "invoice_id": invoice_id.iloc[keep].to_numpy(),
                }
            )
        )
    money = pd.concat(frames, ignore_index=True)
    invoices = pd.DataFrame(
        {
            "invoice_id": invoice_id,
            "customer_id": customer_id,
            "issue_date": (day0 + issue).astype("datetime64[us]"),
            "due_date": (day0 + issue + term).astype("datetime64[us]"),
            "amount": cents / 100,
            "currency": "CNY",
            "kind": "invoice",
        }
    )
    payments = money.rename(columns={"day": "paid_date"}).drop(columns="invoice_id").assign(currency="CNY")
    allocations = money.rename(columns={"day": "allocated_on"}).drop(columns="customer_id")
    parties = pd.DataFrame({"customer_id": np.sort(customer_id.unique())}).astype("str")
    tables = {"invoices": invoices, "payments": payments, "allocations": allocations, "customers": parties}
    nothing = pd.DataFrame()
    return ledger.Ledger(tables, nothing, nothing, "made", nothing)


def usual(book, dates, by_customer):
    """The loop as people write it, on document ids as exported."""
    invoices, allocations = book.invoices, book.allocations
    found = []
    for end in dates:
        paid = allocations[allocations["allocated_on"] <= end].groupby("invoice_id")["amount"].sum()
        documents = invoices[invoices["issue_date"] <= end]
        left = documents["amount"] - documents["invoice_id"].map(paid).fillna(0.0)
        bucket = pd.cut((end - documents["due_date"]).dt.days, CUTS, labels=False)
        found.append(left.groupby([documents["customer_id"], bucket] if by_customer else bucket).sum())
    return found


def prepared(book):
    """Integer codes and cents, so that the loop below need not look at strings."""
    code = pd.Series(np.arange(len(book.customers)), index=book.customers["customer_id"])
    number = pd.Series(np.arange(len(book.invoices)), index=book.invoices["invoice_id"])
    invoices = pd.DataFrame(
        {
            "customer": code.loc[book.invoices["customer_id"]].to_numpy(),
            "issue": book.invoices["issue_date"],
            "due": book.invoices["due_date"],
            "minor": np.rint(book.invoices["amount"] * 100).astype("int64"),
        }
    )
    parts = pd.DataFrame(
        {
            "invoice": number.loc[book.allocations["invoice_id"]].to_numpy(),
            "day": book.allocations["allocated_on"],
            "minor": np.rint(book.allocations["amount"] * 100).astype("int64"),
        }
    )
    return invoices, parts


def coded(invoices, parts, dates, by_customer):
    """The same loop on prepared integers: the best that the per-snapshot form does in pandas."""
    found = []
    for end in dates:
        paid = parts[parts["day"] <= end].groupby("invoice")["minor"].sum()
        documents = invoices[invoices["issue"] <= end]
        left = documents["minor"].sub(paid.reindex(documents.index, fill_value=0))
        bucket = pd.cut((end - documents["due"]).dt.days, CUTS, labels=False)
        found.append(left.groupby([documents["customer"], bucket] if by_customer else bucket).sum())
    return found


def in_polars(book, dates, by_customer):
    """The loop in lazy polars, on document ids."""
    import polars as pl

    invoices, allocations = (pl.from_pandas(book.tables[name]).lazy() for name in ("invoices", "allocations"))
    found = []
    for end in dates:
        paid = (
            allocations.filter(pl.col("allocated_on") <= end)
            .group_by("invoice_id")
            .agg(pl.col("amount").sum().alias("paid"))
        )
        rows = invoices.filter(pl.col("issue_date") <= end).join(paid, on="invoice_id", how="left")
        days = (pl.lit(end) - pl.col("due_date")).dt.total_days()
        rows = rows.with_columns(left=pl.col("amount") - pl.col("paid").fill_null(0.0), bucket=(days - 1) // 30)
        found.append(
            rows.group_by(["customer_id", "bucket"] if by_customer else ["bucket"]).agg(pl.col("left").sum()).collect()
        )
    return found


def clock(function, repeat=3):
    """CPU seconds, the median of several runs, and the last result."""
    times = []
    for _ in range(repeat):
        start = time.process_time()
        result = function()
        times.append(time.process_time() - start)
    return float(np.median(times)), result


def compare(book, figures, label, repeat, peers=True):
    """All formulations on one ledger at 36 and 120 dates, totals and by customer."""
    start = time.process_time()
    held = aging.store(book, threads=1)
    figures[f"{label}: postings in DuckDB, s"] = time.process_time() - start
    integers = prepared(book)
    for dates in (ends(36), ends(120)):
        for by in ((), ("customer_id",)):
            name = f"{label}, {len(dates)} dates, {'by customer' if by else 'totals'}"
            engine, table = clock(lambda dates=dates, by=by: aging.series(held, dates, by=by, buckets=BUCKETS), repeat)
            figures[f"{name}: Ibis/DuckDB, s"] = engine
            if not peers or (by and len(dates) == 120):
                continue
            slow, found = clock(lambda dates=dates, by=by: usual(book, dates, bool(by)), 1)
            check(table, found, by)
            fast, _ = clock(lambda dates=dates, by=by: coded(*integers, dates, bool(by)), 1)
            figures[f"{name}: pandas loop / ours"] = slow / engine
            figures[f"{name}: pandas loop on prepared integers / ours"] = fast / engine
            try:
                import polars  # noqa: F401
            except ImportError:
                continue
            lazy, _ = clock(lambda dates=dates, by=by: in_polars(book, dates, bool(by)), 1)
            figures[f"{name}: polars loop / ours"] = lazy / engine
    figures[f"{label}, totals: 120 dates / 36 dates"] = (
        figures[f"{label}, 120 dates, totals: Ibis/DuckDB, s"] / figures[f"{label}, 36 dates, totals: Ibis/DuckDB, s"]
    )


def check(table, found, by):
    """The loop's last snapshot equals ours, bucket by bucket."""
    last = table[table["as_of"] == table["as_of"].iloc[-1]]
    ours = last.set_index(list(by) or "as_of")[list(BUCKETS.labels)]
    loop = found[-1].unstack(fill_value=0.0) if by else found[-1].to_frame().T  # noqa: PD010
    assert np.allclose(ours.loc[loop.index].to_numpy() if by else ours.to_numpy(), loop.to_numpy(), atol=0.01)


def out_of_core(count, figures, folder):
    """Stored postings of `count` invoices and 1.21 times as many matchings, totals by bucket at 120 month ends."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET threads=2; SET memory_limit='6GB'")
    # Dates are spread by multiplicative hashing, so that no row knows its neighbours.
    connection.execute(f"""
        COPY (
            WITH i AS (
                SELECT r, (hash(r) % 20000)::INTEGER AS customer,
                       DATE '2016-01-01' + (hash(r * 7) % 3650)::INTEGER AS issue,
                       (30 + 15 * (hash(r * 13) % 3))::INTEGER AS term,
                       (1000 + hash(r * 17) % 9999000)::BIGINT AS minor,
                       (hash(r * 19) % 70)::INTEGER - 10 AS late
                FROM range({count}) t(r)
            )
            SELECT 0::TINYINT AS kind, customer, issue AS day, issue AS issue_date, issue + term AS due_date, minor
            FROM i
            UNION ALL
            SELECT 0::TINYINT, customer, issue + term + late, issue, issue + term,
                   CASE WHEN r % 100 < 21 THEN -(minor // 2) ELSE -minor END FROM i
            UNION ALL
            SELECT 0::TINYINT, customer, issue + term + late + 30, issue, issue + term, -(minor - minor // 2)
            FROM i WHERE r % 100 < 21
        ) TO '{folder}/postings.parquet' (FORMAT parquet)
    """)
    parties = pd.DataFrame({"customer_id": [f"C{number:05d}" for number in range(20_000)], "currency": "CNY"})
    parties = parties.assign(first_day=pd.Timestamp("2016-01-01"), last_day=pd.Timestamp("2026-02-25"))
    parties.to_parquet(f"{folder}/customers.parquet", index=False)
    connection.close()
    held = aging.stored(folder, threads=2, memory="6GB")
    columns = "sum(kind), max(day), max(due_date), sum(minor)"
    scan_sql = f"SELECT {columns} FROM read_parquet('{folder}/postings.parquet')"

    def wall(function):
        start = time.perf_counter()
        result = function()
        return time.perf_counter() - start, result

    name = f"{count:,} stored invoices, 120 dates"
    bare, _ = wall(lambda: held.connection.raw_sql(scan_sql).fetchall())
    whole, table = wall(lambda: aging.series(held, ends(120), buckets=BUCKETS))
    figures[f"{name}: bare scan, s"] = bare
    figures[f"{name}: totals, s"] = whole
    figures[f"{name}: totals / bare scan"] = whole / bare
    many, parts = wall(lambda: aging.series(held, ends(120), by=("customer_id",), buckets=BUCKETS))
    assert np.allclose(parts.groupby("as_of")["open"].sum(), table["open"], atol=0.5)
    parts.to_parquet(f"{folder}/result.parquet", index=False)
    figures[f"{name}: by 20,000 customers, s"] = many
    figures["peak memory of the process, GB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = {}
    if options.large:
        with tempfile.TemporaryDirectory() as folder:
            out_of_core(100_000_000, figures, folder)
    count = 100_000 if options.quick else 1_000_000
    compare(made(count, count // 50), figures, f"{count:,} invoices", 1 if options.quick else 3)
    if options.large:
        book = made(10_000_000, 200_000)
        held = aging.store(book, threads=1)
        engine, table = clock(lambda: aging.series(held, ends(36), by=("customer_id",), buckets=BUCKETS), 1)
        slow, found = clock(lambda: usual(book, ends(36), True), 1)
        check(table, found, ("customer_id",))
        figures["10,000,000 invoices, 36 dates, by customer: Ibis/DuckDB, s"] = engine
        figures["10,000,000 invoices, 36 dates, by customer: pandas loop / ours"] = slow / engine
    for name, value in figures.items():
        print(f"{name:<80} {value:10.2f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
