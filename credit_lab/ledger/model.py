"""The ledger record: checked tables, what was held back while reading, and where it all came from."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab import money, schema, summary
from credit_lab.errors import LedgerError
from credit_lab.ids import among, positions
from credit_lab.ledger import matching
from credit_lab.ledger.currency import converted_tables
from credit_lab.ledger.extent import complete_until
from credit_lab.ledger.quarantine import rows_read
from credit_lab.periods import takes_days

# Invoices of a part of a ledger (`Ledger.parts`): what is worked out over a part takes about a gigabyte.
PART = 1_000_000
DOCUMENTS, OPEN_ITEMS = "documents", "open items"  # forms of a ledger


@dataclass(frozen=True)
class Ledger:
    """A receivables ledger that passed the front door; later functions trust it.

    Attributes
    ----------
    tables : one DataFrame per table of `schema.TABLES` that the source had, in canonical column and row order
    quarantine : rows held back and cells estimated; columns table, row (1 = first data row), column, rule, value,
        disposition (quarantined, duplicate, filtered, cell), currency, amount
    accounting : rows and amounts per table, disposition, rule and currency; with `kept` they add up to what was read
    source : where it was read from, without password
    windows : times in which the data are known to mislead: columns start, end, reason
    form : documents, or open items: a list of what is left of each
    tax : included or excluded in amounts; empty: not said
    notes : sentences on what was left out by choice, see `ledger.known`; every report says them
    """

    tables: dict[str, pd.DataFrame]
    quarantine: pd.DataFrame
    accounting: pd.DataFrame
    source: str
    windows: pd.DataFrame
    form: str = DOCUMENTS
    tax: str = ""
    notes: tuple[str, ...] = ()

    @property
    def invoices(self) -> pd.DataFrame:
        """Invoices and credit notes."""
        return self.tables["invoices"]

    @property
    def payments(self) -> pd.DataFrame:
        """Receipts."""
        return self.tables["payments"]

    @property
    def allocations(self) -> pd.DataFrame:
        """Matched parts of payments and credit notes."""
        return self.tables["allocations"]

    @property
    def customers(self) -> pd.DataFrame:
        """Customers; derived from the documents where the source had no such table."""
        return self.tables["customers"]

    @cached_property
    def last_day(self) -> pd.Timestamp:
        """Last day up to which the ledger is complete, see `ledger.extent`; every default day is this one.

        Raises
        ------
        LedgerError
            No document has a date.
        """
        found = complete_until(self.tables)
        if pd.isna(found):
            raise LedgerError(f"{self.source}: no document with a date, so there is no day to look from")
        return found

    def has(self, name: str) -> bool:
        """Whether the source had the table."""
        return schema.table(name).name in self.tables

    def table(self, name: str, *, needed_for: str) -> pd.DataFrame:
        """A table a feature cannot do without; LedgerError says which feature and which table otherwise."""
        if not self.has(name):
            columns = ", ".join(schema.table(name).required)
            raise LedgerError(f"{needed_for} needs the table {name!r} (columns {columns}); {self.source} has none")
        return self.tables[name]

    def rows(self, name: str) -> pd.DataFrame:
        """A table, or one without rows where the source had none: for what is right whenever nothing is recorded."""
        return self.tables[name] if self.has(name) else schema.empty(name)

    @cached_property
    def currencies(self) -> dict[str, int]:
        """Number of invoices and payments per currency, most used first."""
        counts: dict[str, int] = {}
        for frame in (self.invoices, self.payments):
            for name, count in frame["currency"].value_counts(sort=False).items():
                counts[str(name)] = counts.get(str(name), 0) + int(count)
        return dict(sorted(counts.items(), key=lambda item: -item[1]))

    @property
    def currency(self) -> str:
        """The one currency of the ledger.

        Raises
        ------
        LedgerError
            Several currencies: convert with rates, or look at one of them.
        """
        counts = self.currencies
        if len(counts) > 1:
            listed = ", ".join(f"{name} {count}" for name, count in counts.items())
            raise LedgerError(
                f"{self.source}: documents in {len(counts)} currencies ({listed}); give rates to convert "
                f"(ledger.convert, --rates) or report one of them (ledger.only_currency, --currency)"
            )
        return next(iter(counts), "")

    def only_currency(self, currency: str) -> "Ledger":
        """The documents in one currency, with their allocations, disputes and write-offs."""
        if currency not in self.currencies:
            raise LedgerError(f"{self.source}: no documents in {currency!r}; there are {', '.join(self.currencies)}")
        if len(self.currencies) == 1:
            return self
        invoices = self.invoices[self.invoices["currency"] == currency]
        payments = self.payments[self.payments["currency"] == currency]
        kept = {**self.tables, "invoices": invoices, "payments": payments}
        if "control" in kept:
            kept["control"] = kept["control"][(kept["control"]["currency"] == currency).fillna(False)]
        if "customers" in kept:
            seen = pd.concat([invoices["customer_id"], payments["customer_id"]])
            kept["customers"] = kept["customers"][among(kept["customers"]["customer_id"], seen)]
        return replace(self, tables=_referring(kept))

    def reporting(self, currency: str = "", rates: Mapping[str, float] | None = None) -> "Ledger":
        """The ledger in one reporting currency: converted where rates are given, else only the documents in `currency`.

        Rates may be for a policy's amounts alone: where none is for another currency of the ledger, nothing is
        converted.

        Raises
        ------
        LedgerError
            Several currencies and neither a choice nor rates; rates without a currency to convert to.
        """
        if rates and not currency and len(self.currencies) > 1:
            raise LedgerError("rates are given, but not the currency to convert to; say --currency as well")
        if rates and currency and not rates.keys().isdisjoint(set(self.currencies) - {currency}):
            return self.convert(dict(rates), currency)
        return self.only_currency(currency or self.currency)

    def of_customers(self, ids: pd.Series) -> "Ledger":
        """The documents of some customers, with everything that refers to them; no control account."""
        kept = {
            name: frame[among(frame["customer_id"], ids)] if "customer_id" in frame else frame
            for name, frame in self.tables.items()
            if name != "control"
        }
        return replace(self, tables=_referring(kept))

    def parts(self) -> "Iterator[Ledger]":
        """The ledger in parts of about `PART` invoices; one that is no longer than that is its only part.

        Each part holds some customers, in order of their ids, with their documents and what settles them; rows keep
        their order and their labels. A receipt settles documents of its own customer only (reading sees to that), so
        what is summed up by document or customer may be worked out part by part: the result is the same, and a long
        ledger's postings are never in memory all at once.
        """
        if len(self.invoices) <= PART:
            yield self
            return
        for number in range(int(self._part_of["customers"].max()) + 1):
            tables = {name: self.tables[name][part == number] for name, part in self._part_of.items()}
            yield replace(self, tables=tables)

    @cached_property
    def derived(self) -> dict[str, Any]:
        """What was worked out from this ledger already and is asked for often, by name; it is forgotten with it."""
        return {}

    @cached_property
    def _part_of(self) -> dict[str, npt.NDArray[np.int32]]:
        """Number of the part each row belongs to, for each table of documents."""
        ids = self.customers["customer_id"]
        owner = {name: positions(self.tables[name]["customer_id"], ids) for name in ("invoices", "payments")}
        rank = ids.argsort().to_numpy()
        before = np.bincount(owner["invoices"], minlength=len(ids))[rank].cumsum()
        customer = np.empty(len(ids), dtype=np.int32)
        customer[rank] = np.unique((before - 1).clip(0) // PART, return_inverse=True)[1]
        parts = {"customers": customer, **{name: customer[row] for name, row in owner.items()}}
        for name in ("allocations", "instalments", "disputes", "write_offs"):
            if self.has(name):
                parts[name] = parts["invoices"][positions(self.tables[name]["invoice_id"], self.invoices["invoice_id"])]
        return parts

    @takes_days
    def up_to(self, day: pd.Timestamp) -> "Ledger":
        """The documents dated up to the end of `day`, and what refers to them, as if the books ended there."""
        dated = {
            "invoices": "issue_date",
            "payments": "paid_date",
            "allocations": "allocated_on",
            "write_offs": "written_off_on",
            "disputes": "opened_on",
            "orders": "ordered_on",
            "actions": "taken_on",
            "control": "as_of",
        }
        kept = {
            name: frame[frame[dated[name]] <= day] if name in dated else frame for name, frame in self.tables.items()
        }
        return replace(self, tables=_referring(kept))

    @takes_days
    def known_by(self, day: pd.Timestamp) -> "Ledger":
        """What had been recorded by the end of `day`: the ledger as somebody looking on that day saw it.

        Rows with a `known_on` after `day` are left out, and what refers to them; rows without one count as known
        when they happened. A customer whose documents were known before its own row keeps nothing but its id. What a
        rule had matched is matched again without what is left out. Together with an as-of date this answers "what did
        we believe then about that day?".
        """
        later = {name: frame["known_on"] > day for name, frame in self.tables.items() if "known_on" in frame}
        if not any(rows.any() for rows in later.values()):
            return self
        kept = {name: frame[~later[name]] if name in later else frame for name, frame in self.tables.items()}
        if "customers" in later and later["customers"].any():
            whole, unseen = self.customers, later["customers"]
            named = [frame["customer_id"] for name, frame in kept.items() if "customer_id" in frame]
            stays = whole[~unseen | among(whole["customer_id"], pd.concat(named))]
            kept["customers"] = stays.assign(
                **{name: stays[name].mask(unseen) for name in stays if name != "customer_id"}
            )
        known, rule = replace(self, tables=_referring(kept)), matching.rule_of(self)
        return matching.rematched(known, rule) if rule else known

    def convert(self, rates: dict[str, float], to: str) -> "Ledger":
        """All documents in currency `to`, at one constant rate per currency (units of `to` per unit).

        Matched parts are converted cumulatively per invoice, so a fully settled invoice stays fully settled and a
        fully matched payment leaves no unapplied cent; rounding lands in the payment amounts. What is rounded document
        by document cannot agree to the cent with a control account in another currency, so that one is left out.

        Raises
        ------
        LedgerError
            A currency of the ledger has no rate, or a rate is not above zero.
        """
        rates = {**rates, to: 1.0}
        lacking = [name for name in self.currencies if name not in rates]
        if lacking:
            example = f"--rates {lacking[0]}:RATE ({to} per {lacking[0]})"
            raise LedgerError(f"no rate to {to} for {', '.join(lacking)}; give {example}")
        wrong = [name for name, rate in rates.items() if not (np.isfinite(rate) and rate > 0)]
        if wrong:
            raise LedgerError(f"rates must be above zero: {', '.join(wrong)}")
        return replace(self, tables=converted_tables(self.tables, rates, to))

    def digest(self) -> str:
        """SHA-256 over all tables in canonical order: equal ledgers have equal digests, whatever their source."""
        whole = hashlib.sha256()
        for name in sorted(self.tables):
            frame = self.tables[name]
            whole.update(f"{name}|{','.join(frame.columns)}|{len(frame)}".encode())
            if len(frame):
                whole.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
        return whole.hexdigest()

    def _repr_html_(self) -> str:
        counts = {name: len(frame) for name, frame in self.tables.items()}
        dates = pd.concat([self.invoices["issue_date"], self.payments["paid_date"]])
        lines: dict[str, object] = {
            "documents": ", ".join(f"{count:,} {name}" for name, count in counts.items() if count),
            "dates": f"{dates.min():%Y-%m-%d} to {dates.max():%Y-%m-%d}" if dates.notna().any() else "none",
            "currencies": ", ".join(f"{name} ({count:,})" for name, count in self.currencies.items()),
            "held back": f"{rows_read(self.accounting)['quarantined']:,} rows",
        }
        if sum(counts.values()) < 500_000:  # hashing more would make a reader wait
            lines["digest"] = self.digest()[:12]
        return summary.card(f"Ledger {self.source}", lines)

    def minor(self, name: str) -> np.ndarray:
        """Amounts of a table in int64 minor units of the ledger's one currency."""
        return money.to_minor(self.tables[name]["amount"], self.currency)


def _referring(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Tables without the rows that refer to documents no longer among them."""
    kept = dict(tables)
    documents = kept["invoices"]["invoice_id"]
    for name in ("allocations", "disputes", "write_offs", "instalments"):
        if name in kept:
            kept[name] = kept[name][among(kept[name]["invoice_id"], documents)]
    givers = pd.concat([documents, kept["payments"]["payment_id"]])
    kept["allocations"] = kept["allocations"][among(kept["allocations"]["payment_id"], givers)]
    return {name: frame.reset_index(drop=True) for name, frame in kept.items()}
