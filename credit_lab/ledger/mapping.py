"""Mappings: TOML files that say how a foreign export becomes ledger tables, so that a new ERP needs no code.

A mapping names, per ledger table, where its rows come from and which source column feeds which ledger column:

    [source]                      # one block for the whole export
    encoding = "utf-8-sig"        # any codec Python knows: gb18030, cp1252 ...
    delimiter = ";"
    quote = "none"                # marks are part of the text; default: " encloses texts
    multiline = true              # quoted texts run over several lines
    match = "earliest-due"        # match by rule what the books do not (or "latest-due")
    tax = "included"              # amounts are with tax, or "excluded"
    decimal = ","                 # 1.234,56
    grouping = "."
    date = "day-first"            # iso, month-first, day-first or a strptime form such as "%d.%m.%y"
    missing = ["", "?"]           # texts that mean "no value"

    [tables.invoices]
    from = "bsid"                 # file stem, sheet or database table
    settled_on = "AUGDT"          # one-table ledgers: the row carries its clearing date
    customer_name = "NAME1"       # ... and the name of its customer; of several the most frequent
    open = "REST"                 # lists of open items: what is left of the amount
    terms = { column = "ZBD1T", days = 30 }  # fills a missing due or issue date
    filters = [{ column = "BSTAT", drop = ["S"], rule = "noted_item" }]
    [tables.invoices.columns]
    invoice_id = "BELNR"                                     # source column
    currency = { constant = "EUR" }                          # the same for all rows
    kind = { column = "BLART", codes = { RV = "invoice", RG = "credit_note" } }
    customer_id = { join = ["BUKRS", "KUNNR"] }              # several columns, joined by "/"

    [tables.payments]
    from = "receipts"
    unlisted = "closed_invoice"   # rule for receipts of invoices that are not listed any more

    [[windows]]                   # times in which the data mislead; reports mark them
    start = 2019-11-01
    end = 2019-12-31
    reason = "documents cleared after the year end are missing"

Unknown keys are refused with the nearest known one.
"""

import codecs
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic

from credit_lab import schema, toml_file
from credit_lab.errors import LedgerError, nearest
from credit_lab.ledger.delimited import NO_QUOTES

DATE_ORDERS = ("iso", "month-first", "day-first")


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Formats(_Strict):
    """How dates and numbers are written. `decimal` and `grouping` are single signs; no grouping: empty."""

    date: str = "iso"
    decimal: str = "."
    grouping: str = ""
    missing: tuple[str, ...] = ("",)

    @pydantic.model_validator(mode="after")
    def _readable(self) -> "Formats":
        """A sign that is no sign, or one that means two things, would change amounts without a word."""
        if len(self.decimal) != 1 or len(self.grouping) > 1:
            raise ValueError("decimal must be one sign, grouping one or none")
        if self.decimal == self.grouping:
            raise ValueError(f"decimal and grouping are both {self.decimal!r}; name the other sign")
        if any(sign.isalnum() or sign in "+-()" for sign in self.decimal + self.grouping):
            raise ValueError("decimal and grouping cannot be digits, letters, + - ( )")
        if self.date not in DATE_ORDERS and "%" not in self.date:
            raise ValueError(
                f"date {self.date!r} is not understood; {nearest(self.date, DATE_ORDERS)} "
                f"(or a strptime form such as '%d.%m.%y')"
            )
        return self


class Feed(_Strict):
    """Where one ledger column comes from: exactly one of `column`, `join`, `constant` or `number_rows`."""

    column: str | None = None
    join: tuple[str, ...] = ()
    separator: str = "/"
    constant: str | None = None
    number_rows: str | None = None
    or_number_rows: str | None = None
    codes: dict[str, str] = {}
    date: str | None = None
    decimal: str | None = None
    grouping: str | None = None
    negate: bool = False

    @pydantic.model_validator(mode="after")
    def _one_origin(self) -> "Feed":
        origins = [self.column, self.join, self.constant, self.number_rows]
        if sum(bool(origin) or origin == "" for origin in origins) != 1:
            raise ValueError("give exactly one of column, join, constant, number_rows")
        return self

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the source columns read."""
        return self.join or ((self.column,) if self.column else ())

    def formats(self, base: Formats) -> Formats:
        """The export's formats with this column's own put over them."""
        own = {name: getattr(self, name) for name in ("date", "decimal", "grouping") if getattr(self, name) is not None}
        return Formats.model_validate({**base.model_dump(), **own})


def _as_feed(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


FeedField = Annotated[Feed, pydantic.BeforeValidator(_as_feed)]


class Filter(_Strict):
    """Rows kept or dropped by the value of a source column; what goes is counted under `rule`."""

    column: str
    keep: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    rule: str

    @pydantic.model_validator(mode="after")
    def _keep_or_drop(self) -> "Filter":
        if bool(self.keep) == bool(self.drop):
            raise ValueError("give either keep or drop")
        return self


class Terms(_Strict):
    """Credit term used where a date is missing: the row's own column first, then `days`."""

    column: str | None = None
    days: int | None = None


class TableMap(_Strict):
    """How one ledger table is fed."""

    source: str = pydantic.Field(alias="from")
    columns: dict[str, FeedField]
    filters: tuple[Filter, ...] = ()
    terms: Terms | None = None
    settled_on: FeedField | None = None
    customer_name: FeedField | None = None
    open: FeedField | None = None
    unlisted: str = ""


class Window(_Strict):
    """A stretch of time in which the data are known to mislead, with the reason; reports mark it."""

    start: date
    end: date
    reason: str


class Mapping(_Strict):
    """A whole mapping; the empty one expects the ledger's own names, ISO dates and plain numbers."""

    description: str = ""
    encoding: str = "utf-8-sig"
    delimiter: str = ","
    quote: str = '"'
    multiline: bool = False
    formats: Formats = Formats()
    allow_prepayment: bool = False
    max_quarantine_share: Annotated[float, pydantic.Field(ge=0, le=1)] = 0.01
    windows: tuple[Window, ...] = ()
    match: Literal["", "earliest-due", "latest-due"] = ""
    tax: Literal["", "included", "excluded"] = ""
    tables: dict[str, TableMap] = {}

    @pydantic.model_validator(mode="after")
    def _source_readable(self) -> "Mapping":
        if len(self.delimiter) != 1:
            raise ValueError(f"source.delimiter must be one sign, not {self.delimiter!r}")
        if self.quote != NO_QUOTES and (len(self.quote) != 1 or self.quote == self.delimiter):
            raise ValueError(f'source.quote must be one sign other than the delimiter, or "none", not {self.quote!r}')
        try:
            codecs.lookup(self.encoding)
        except LookupError as error:
            raise ValueError(f"source.encoding {self.encoding!r} is unknown; gb18030, cp1252, utf-8-sig ...") from error
        for table in self.tables.values():
            for feed in (*table.columns.values(), table.settled_on, table.customer_name, table.open):
                if feed:
                    feed.formats(self.formats)
        return self

    @pydantic.model_validator(mode="after")
    def _open_items_alone(self) -> "Mapping":
        """What is left of an item says what was settled: nothing else may say it again."""
        for name, table in self.tables.items():
            wrong = (table.open and name != "invoices") or (table.unlisted and name != "payments")
            if wrong or (table.unlisted and "invoice_id" not in table.columns):
                raise ValueError("open belongs to invoices, unlisted to payments that name an invoice_id")
            others = {"settled_on": table.settled_on, "match": self.match, **self.tables}
            twice = [key for key in ("settled_on", "match", "allocations", "write_offs") if others.get(key)]
            if table.open and twice:
                raise ValueError(f"invoices.open says what is settled already; leave out {', '.join(twice)}")
        return self


def load(path: str | Path) -> Mapping:
    """Read and check a mapping file.

    Raises
    ------
    LedgerError
        The file is missing or no TOML, or a key, table or column in it is unknown.
    """
    return _build(toml_file.read(path, "mapping", LedgerError, "data/mappings"), Path(path))


def _build(data: dict[str, Any], path: Path) -> Mapping:
    source = data.pop("source", {})
    if not isinstance(source, dict):
        raise LedgerError(f"mapping {path}: source must be a table, [source]")
    formats = {name: source.pop(name) for name in Formats.model_fields if name in source}
    try:
        mapping = Mapping.model_validate({**source, "formats": formats, **data})
    except pydantic.ValidationError as error:
        raise LedgerError(f"mapping {path}: {_explain(error)}") from error
    for name, table in mapping.tables.items():
        if name not in schema.TABLES:
            raise LedgerError(f"mapping {path}: a ledger has no table {name!r}; {nearest(name, schema.TABLES)}")
        described = schema.table(name)
        for column in table.columns:
            if column not in described.names:
                raise LedgerError(
                    f"mapping {path}: {name} has no column {column!r}; {nearest(column, described.names)}"
                )
    return mapping


def _explain(error: pydantic.ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join("source" if part == "formats" else str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        return ": ".join(filter(None, (where, first["msg"].removeprefix("Value error, "))))
    models: dict[str, type[pydantic.BaseModel]] = {
        "columns": Feed,
        "settled_on": Feed,
        "open": Feed,
        "customer_name": Feed,
        "filters": Filter,
        "terms": Terms,
        "formats": Formats,
    }
    parents = [str(part) for part in first["loc"][:-1]]
    model: type[pydantic.BaseModel] = next(
        (models[part] for part in reversed(parents) if part in models), TableMap if parents else Mapping
    )
    known = {field.alias or name for name, field in model.model_fields.items()}
    return f"{where}: unknown key; {nearest(str(first['loc'][-1]), known)}"
