"""Aging where the ledger lives: one definition in Ibis, run on embedded DuckDB, PostgreSQL or Spark.

The same formulation as `series`: signed postings, a calendar table that turns days into snapshot numbers and classes of
due days, one grouping into cells, and everything else on the small cells table. int64 sums are exact, so all
engines and the in-memory path agree to the minor unit.

A `Store` holds postings: made from a ledger in memory (`store`), from ledger tables in a database (`store_at`), or
read back from Parquet (`stored`), which needs no join any more and may be larger than memory.
"""

import glob
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab import money
from credit_lab.aging.buckets import Buckets
from credit_lab.aging.postings import CASH, CREDIT_NOTE, INVOICE
from credit_lab.errors import LedgerError, PeriodError
from credit_lab.ledger.model import Ledger

if TYPE_CHECKING:
    import ibis.expr.types as ir

_TABLES = ("invoices", "payments", "allocations", "write_offs", "instalments")


@dataclass(frozen=True)
class Store:
    """Postings in an engine.

    Attributes
    ----------
    connection : Ibis connection
    postings : Ibis table: kind (0 invoice, 1 credit note, 2 cash), customer (row number in `customers`), day,
        issue_date, due_date (dates), minor (int64)
    customers : customers of the ledger, customer_id first
    currency : the one currency
    first, last : earliest and latest of all dates in the postings
    """

    connection: Any
    postings: "ir.Table"
    customers: pd.DataFrame
    currency: str
    first: pd.Timestamp
    last: pd.Timestamp

    def save(self, folder: str | Path) -> None:
        """Write postings.parquet and customers.parquet, to be read back by `stored` (DuckDB stores only)."""
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        self.connection.to_parquet(self.postings, place / "postings.parquet")
        whole = self.customers.assign(currency=self.currency, first_day=self.first, last_day=self.last)
        whole.to_parquet(place / "customers.parquet", index=False)


def store(ledger: Ledger, *, threads: int | None = None) -> Store:
    """Postings of a one-currency ledger in embedded DuckDB."""
    connection = _duckdb(threads)
    tables = {name: _memory(ledger.tables[name]) for name in _TABLES if ledger.has(name)}
    return _made(connection, tables, ledger.customers, ledger.currency)


def store_at(connection: Any) -> Store:
    """Postings from ledger tables in a database, as `ledger.write` put them there.

    Parameters
    ----------
    connection : an Ibis connection (DuckDB, PostgreSQL, Spark ...) that holds the tables under the ledger's names

    Raises
    ------
    LedgerError
        A table is missing, or there are several currencies.
    """
    names = set(connection.list_tables())
    lacking = [name for name in _TABLES[:3] if name not in names]
    if lacking:
        raise LedgerError(f"the database has no table {lacking[0]!r}; write the ledger there with ledger.write")
    tables = {name: connection.table(name) for name in _TABLES if name in names}
    codes = _fetch(connection, tables["invoices"].select("currency").distinct())["currency"].dropna().tolist()
    if len(codes) != 1:
        raise LedgerError(f"the database holds documents in {len(codes)} currencies ({', '.join(sorted(codes))})")
    if "customers" in names:
        customers = _fetch(connection, connection.table("customers"))
    else:
        parties = [tables[name].select("customer_id") for name in ("invoices", "payments")]
        customers = _fetch(connection, parties[0].union(parties[1], distinct=True))
    customers = customers.sort_values("customer_id", ignore_index=True)
    return _made(connection, tables, customers, codes[0])


def stored(folder: str | Path, *, threads: int | None = None, memory: str | None = None) -> Store:
    """A saved store; DuckDB reads the Parquet file piece by piece, so it may be larger than memory.

    `memory`, such as "4GB", bounds what DuckDB takes.
    """
    connection = _duckdb(threads, memory)
    place = Path(folder)
    if not (place / "postings.parquet").exists():
        raise LedgerError(f"{place}: no postings.parquet; write it with Store.save")
    customers = pd.read_parquet(place / "customers.parquet")
    facts = customers[["currency", "first_day", "last_day"]].iloc[0]
    return Store(
        connection,
        connection.read_parquet(glob.escape(str(place / "postings.parquet"))),
        customers.drop(columns=list(facts.index)),
        str(facts["currency"]),
        pd.Timestamp(facts["first_day"]),
        pd.Timestamp(facts["last_day"]),
    )


def _duckdb(threads: int | None = None, memory: str | None = None) -> Any:
    """An empty DuckDB that keeps quiet: in a notebook it would print how far a slow question is."""
    import ibis

    options = {"threads": threads, "memory_limit": memory}
    connection = ibis.duckdb.connect(**{name: value for name, value in options.items() if value})
    connection.raw_sql("SET enable_progress_bar = false")
    return connection


def _memory(frame: pd.DataFrame) -> "ir.Table":
    """A table in memory, handed over as Arrow: Ibis looks at deprecated options of pandas otherwise."""
    import ibis
    import pyarrow as pa

    return ibis.memtable(pa.Table.from_pandas(frame, preserve_index=False))


def _fetch(connection: Any, expression: Any) -> pd.DataFrame:
    return connection.to_pyarrow(expression).to_pandas()


def _kept(connection: Any, expression: Any) -> "ir.Table":
    """The result as a temporary table, whose statistics make joins with it three times faster in DuckDB."""
    import ibis

    try:
        return connection.create_table(ibis.util.gen_name("aging"), expression, temp=True)
    except NotImplementedError:  # Spark has no temporary tables: the expression runs again with every question
        return expression


def _made(connection: Any, tables: Mapping[str, "ir.Table"], customers: pd.DataFrame, code: str) -> Store:
    import ibis

    whole = _postings(tables, 10 ** money.minor_digits(code))
    numbers = pd.DataFrame(
        {"customer_id": customers["customer_id"], "customer": np.arange(len(customers), dtype="int32")}
    )
    coded = whole.inner_join(_memory(numbers), "customer_id").drop("customer_id")
    kept = _kept(connection, coded)
    dates = ("day", "issue_date", "due_date")
    span = _fetch(
        connection,
        kept.aggregate(
            first=ibis.least(*(kept[name].min() for name in dates)),
            last=ibis.greatest(*(kept[name].max() for name in dates)),
        ),
    ).fillna(pd.Timestamp("2000-01-01"))
    first, last = (pd.Timestamp(span[name].iloc[0]) for name in ("first", "last"))
    return Store(connection, kept, customers.reset_index(drop=True), code, first, last)


def _postings(tables: Mapping[str, "ir.Table"], scale: int) -> "ir.Table":
    """The expression of `postings.postings`, without document ids."""
    import ibis

    def minor(amount: Any) -> Any:
        return (amount * scale).round().cast("int64")

    invoices, payments, rows = (tables[name] for name in _TABLES[:3])
    documents = invoices.select(
        kind=(invoices.amount < 0).ifelse(CREDIT_NOTE, INVOICE).cast("int8"),
        document_id=invoices.invoice_id,
        customer_id=invoices.customer_id,
        day=invoices.issue_date.cast("date"),
        issue_date=invoices.issue_date.cast("date"),
        due_date=invoices.due_date.cast("date"),
        minor=minor(invoices.amount),
    )
    received = payments.paid_date.cast("date")
    cash = payments.select(
        kind=ibis.literal(CASH, "int8"),
        document_id=payments.payment_id,
        customer_id=payments.customer_id,
        day=received,
        issue_date=received,
        due_date=received,
        minor=-minor(payments.amount),
    )
    matched = rows.select("payment_id", "invoice_id", when=rows.allocated_on.cast("date"), part=minor(rows.amount))
    givers = cash.union(documents.filter(documents.kind == CREDIT_NOTE))
    target = documents.rename({f"to_{name}": name for name in documents.columns})
    giver = givers.rename({f"by_{name}": name for name in givers.columns})
    both = matched.inner_join(target, matched.invoice_id == target.to_document_id)
    both = both.inner_join(giver, both.payment_id == giver.by_document_id)
    both = both.mutate(at=ibis.greatest(both.when, both.to_day, both.by_day))

    def side(prefix: str, sign: int) -> Any:
        names = {name: f"{prefix}_{name}" for name in ("kind", "document_id", "customer_id", "issue_date", "due_date")}
        return both.select(**names, day=both["at"], minor=sign * both.part).select(*documents.columns)

    settled = [documents, side("to", -1)]
    if "write_offs" in tables:
        losses = tables["write_offs"]
        lost = losses.select("invoice_id", when=losses.written_off_on.cast("date"), part=minor(losses.amount))
        lost = lost.inner_join(documents, lost.invoice_id == documents.document_id)
        lost = lost.mutate(day=ibis.greatest(lost.when, lost.day), minor=-lost.part)
        settled.append(lost.select(*documents.columns))
    whole = ibis.union(*settled)
    if "instalments" in tables:
        whole = _split(whole, tables["instalments"], minor)
    return ibis.union(whole, cash, side("by", 1)).drop("document_id")


def _split(rows: "ir.Table", parts: "ir.Table", minor: Any) -> "ir.Table":
    """Postings of invoices with instalments spread over these, earliest due first."""
    import ibis

    plan = parts.select(part_id=parts.invoice_id, part_due=parts.due_date.cast("date"), part=minor(parts.amount))
    order = ibis.window(group_by="part_id", order_by=["part_due", "part"], rows=(None, 0))
    plan = plan.mutate(high=plan.part.sum().over(order).cast("int64"))
    plan = plan.mutate(low=plan.high - plan.part)
    split = rows.semi_join(plan, rows.document_id == plan.part_id)
    opening = (split.minor > 0) & (split.day == split.issue_date)
    paid = split.filter(~opening).mutate(paid=-split.filter(~opening).minor)
    by_day = ibis.window(group_by="document_id", order_by=["day", "paid"], rows=(None, 0))
    paid = paid.mutate(until=paid.paid.sum().over(by_day).cast("int64"))
    paid = paid.mutate(since=paid.until - paid.paid)
    spread = paid.inner_join(plan, paid.document_id == plan.part_id)
    share = _clip(spread.until, spread.low, spread.high) - _clip(spread.since, spread.low, spread.high)
    spread = spread.mutate(minor=-share, due_date=spread.part_due).select(*rows.columns)
    opened = split.filter(opening).inner_join(plan, split.filter(opening).document_id == plan.part_id)
    opened = opened.mutate(minor=opened.part, due_date=opened.part_due).select(*rows.columns)
    whole = rows.anti_join(plan, rows.document_id == plan.part_id)
    return ibis.union(whole, spread, opened)


def _clip(value: Any, low: Any, high: Any) -> Any:
    import ibis

    return ibis.least(ibis.greatest(value, low), high)


def aged(
    held: Store, segment: npt.NDArray[np.int64], segments: int, dates: pd.DatetimeIndex, buckets: Buckets
) -> npt.NDArray[np.int64]:
    """Minor units by (segment, date, column): the buckets, then unapplied cash and credit notes.

    `segment` gives the segment of each customer of the store.
    """

    count, levels = len(dates), len(buckets.labels)
    days = pd.date_range(min(held.first, dates[0]), max(held.last, dates[-1]))
    entered = np.stack(
        [np.searchsorted(dates, days + pd.Timedelta(days=threshold)) for threshold in buckets.thresholds], axis=1
    )
    classes, due_class = np.unique(entered, axis=0, return_inverse=True)
    cells = held.connection.to_pyarrow(
        _cells(held, dates, days, due_class.ravel(), len(classes), buckets, segments > 1)
    )
    cell, minor = cells["cell"].to_numpy(), cells["minor"].to_numpy()
    rest, which = np.divmod(cell, len(classes))
    rest, first = np.divmod(rest, count)
    customer, kind = np.divmod(rest, 3)
    where = segment[customer] if segments > 1 else np.zeros(len(cell), dtype=np.int64)
    late = np.zeros((levels + 3, segments, count), dtype=np.int64)
    invoice = kind == INVOICE
    add(late[0], where[invoice], first[invoice], minor[invoice])
    for level in range(1, levels):
        column = np.maximum(first[invoice], classes[which[invoice], level - 1])
        inside = column < count
        add(late[level], where[invoice][inside], column[inside], minor[invoice][inside])
    for level, name in ((levels + 1, CASH), (levels + 2, CREDIT_NOTE)):
        chosen = kind == name
        add(late[level], where[chosen], first[chosen], minor[chosen])
    late = late.cumsum(axis=2)
    late[:levels] -= late[1 : levels + 1]
    return np.moveaxis(late[np.r_[0:levels, levels + 1, levels + 2]], 0, 2)


def add(
    total: npt.NDArray[np.int64],
    row: npt.NDArray[np.int64],
    column: npt.NDArray[np.int64],
    value: npt.NDArray[np.int64],
) -> None:
    """Add values into the cells of a table; cells may repeat."""
    np.add.at(total.reshape(-1), row * total.shape[1] + column, value)


def _cells(
    held: Store,
    dates: pd.DatetimeIndex,
    days: pd.DatetimeIndex,
    due_class: npt.NDArray[np.int64],
    classes: int,
    buckets: Buckets,
    by_customer: bool,
) -> "ir.Table":
    """Sums per (customer, kind, first snapshot, class of the due day), the key packed into one number."""

    # Days after the last snapshot find no partner and drop out; the key is scaled beforehand, so that the engine
    # only adds, in 32 bits where they suffice.
    by_number = 3 * len(dates) * classes
    kind = "int64" if by_customer or by_number > 2**31 - 1 else "int32"
    known = days[days <= dates[-1]]
    first = pd.DataFrame({"on": known, "first": (np.searchsorted(dates, known) * classes).astype(kind)})
    due = pd.DataFrame({"by": days, "which": due_class.astype(kind)})
    opens = _kept(held.connection, _memory(first).mutate(on=lambda t: t["on"].cast("date")))
    dues = _kept(held.connection, _memory(due).mutate(by=lambda t: t["by"].cast("date")))
    rows = held.postings.mutate(on=held.postings.day, by=held.postings[buckets.by])
    rows = rows.inner_join(opens, "on").inner_join(dues, "by")
    cell = rows["first"] + rows.which + rows.kind.cast(kind) * (len(dates) * classes)
    if by_customer:
        cell = cell + rows.customer.cast("int64") * by_number
    keyed = rows.select(cell=cell.cast(kind), minor=rows.minor)
    return keyed.group_by("cell").aggregate(minor=keyed.minor.sum().cast("int64"))


def segments(customers: pd.DataFrame, by: Sequence[str]) -> tuple[npt.NDArray[np.int64], pd.DataFrame]:
    """Segment number of each customer and the segments' keys, ordered by key.

    Raises
    ------
    PeriodError
        A column that customers does not have.
    """
    if not by:
        return np.zeros(len(customers), dtype=np.int64), pd.DataFrame(index=[0])
    for name in by:
        if name not in customers:
            raise PeriodError(f"cannot group by {name!r}: customers has {', '.join(customers.columns)}")
    grouped = customers.reset_index(drop=True).groupby(list(by), dropna=False)
    return grouped.ngroup().to_numpy(dtype=np.int64), grouped.size().reset_index()[list(by)]
