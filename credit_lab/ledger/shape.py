"""Raw rows to typed rows of one ledger table: column feeds, filters, exact duplicates, dates from terms."""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab import money, schema
from credit_lab.errors import LedgerError, nearest
from credit_lab.ids import ordering, repeated
from credit_lab.ledger import parse
from credit_lab.ledger.mapping import Feed, Mapping, TableMap
from credit_lab.ledger.plausible import OPEN_ENDED, sentinels
from credit_lab.ledger.quarantine import Quarantine

# What rows of invoices say beside the columns of the table.
_BESIDE: dict[str, schema.Kind] = {"_settled_on": "date", "_open": "money"}


@dataclass(frozen=True)
class Shaped:
    """Typed rows with `_row` (1 = first data row); `settled_on` is the clearing date of one-table ledgers.

    `listed` are the values of the key in all rows read, also of those that are left out.
    """

    frame: pd.DataFrame
    settled_on: pd.Series | None = None
    listed: pd.Series | None = None


def own_names(name: str, raw: pd.DataFrame) -> TableMap:
    """The mapping of a table that already carries the ledger's own column names."""
    known = [column for column in schema.table(name).names if column in raw.columns]
    return TableMap.model_validate({"from": name, "columns": {column: column for column in known}})


def shape(name: str, raw: pd.DataFrame, table_map: TableMap, mapping: Mapping, quarantine: Quarantine) -> Shaped:
    """Type a raw table; what cannot be typed goes to the quarantine.

    Raises
    ------
    LedgerError
        A source column that is needed is not in the raw table.
    """
    table = schema.table(name)
    own = {"_settled_on": table_map.settled_on, "_open": table_map.open}
    feeds = {**table_map.columns, **{column: feed for column, feed in own.items() if feed is not None}}
    _need_columns(name, raw, table_map, feeds)
    raw = raw.reset_index(drop=True)
    cells = {column: _fetch(raw, feed) for column, feed in feeds.items()}
    typed, bad, meant_none = {}, {}, {}
    for column, values in cells.items():
        values, wrong = parse.column(values, _kind(table, column), feeds[column].formats(mapping.formats))
        typed[column] = -values if feeds[column].negate else values
        if wrong.any():
            bad[column] = wrong
        if values.dtype.kind == "M" and column not in OPEN_ENDED and (none := sentinels(values)).any():
            meant_none[column] = none
            typed[column] = values.mask(none)
    typed["_row"] = pd.Series(np.arange(1, len(raw) + 1, dtype=np.int32), index=raw.index)
    frame = pd.DataFrame(typed, index=raw.index, copy=False)
    shown = frame  # what the quarantine shows of a row: its typed amount and currency
    frame = _filter(name, frame, raw, table_map, quarantine)
    frame = _drop_copies(name, frame, cells, feeds, raw, quarantine) if table.key else frame
    for column, none in meant_none.items():
        rows = frame[none[frame.index.to_numpy()]]
        shown_days = cells[column].loc[rows.index]
        quarantine.note(name, rows, "date_means_none", column=column.lstrip("_"), value=shown_days, disposition="cell")
    frame = _fill(name, frame, feeds, raw, table_map, mapping, quarantine)
    frame = _refuse_bad_cells(table, frame, cells, bad, shown, quarantine)
    settled = frame.pop("_settled_on") if "_settled_on" in frame else None
    frame = _refuse_bad_values(table, frame, quarantine)
    if table_map.customer_name is not None:  # beside the row, which is the same with another spelling
        frame = frame.assign(_customer=parse.text(_fetch(raw, table_map.customer_name))[frame.index])
    return Shaped(frame, settled, typed.get((table.key or ("",))[0]))


def _kind(table: schema.Table, column: str) -> schema.Kind:
    return _BESIDE[column] if column in _BESIDE else table.column(column).kind


def _need_columns(name: str, raw: pd.DataFrame, table_map: TableMap, feeds: dict[str, Feed]) -> None:
    if raw.columns.duplicated().any():
        raise LedgerError(f"{name}: column {raw.columns[raw.columns.duplicated()][0]!r} stands twice in the header")
    named = (table_map.customer_name,) if table_map.customer_name else ()
    asked = [source for feed in (*feeds.values(), *named) for source in feed.sources]
    asked += [rule.column for rule in table_map.filters]
    asked += [table_map.terms.column] if table_map.terms and table_map.terms.column else []
    derivable = {"kind"} if name == "invoices" else set()
    if table_map.terms:
        derivable |= {"issue_date", "due_date"}
    lacking = [column for column in schema.table(name).required if column not in feeds and column not in derivable]
    absent = [source for source in asked if source not in raw.columns]
    if not (absent or lacking):
        return
    header = ", ".join(str(column) for column in raw.columns[:12])
    if len(raw.columns) == 1 and any(sign in header for sign in ";\t|"):
        raise LedgerError(f"{name}: the header is one column, {header!r}: set source.delimiter in a mapping")
    if absent:
        hint = nearest(absent[0], map(str, raw.columns))
        raise LedgerError(f"{name}: the mapping reads column {absent[0]!r}, which the source does not have; {hint}")
    way = "; the same for all rows: { constant = 'EUR' } in a mapping" if lacking[0] == "currency" else ""
    raise LedgerError(f"{name}: required column {lacking[0]!r} is missing (found: {header}); add it or map it{way}")


def _fetch(raw: pd.DataFrame, feed: Feed) -> pd.Series:
    if feed.constant is not None:
        return pd.Series(feed.constant, index=raw.index, dtype="str")
    if feed.number_rows is not None:
        return feed.number_rows + pd.Series(np.arange(1, len(raw) + 1), index=raw.index).astype("str")
    if feed.join:
        parts = [parse.text(raw[source]).fillna("") for source in feed.join]
        return parts[0].str.cat(parts[1:], sep=feed.separator)
    cells = raw[feed.column]
    if feed.codes:
        plain = parse.text(cells).fillna("")
        return plain.map(feed.codes).astype("str").where(plain.isin(list(feed.codes)), plain)
    return cells


def _filter(
    name: str, frame: pd.DataFrame, raw: pd.DataFrame, table_map: TableMap, quarantine: Quarantine
) -> pd.DataFrame:
    """Rows that the filters of the mapping leave.

    Raises
    ------
    LedgerError
        A filter takes every row: it names a value that the export writes differently.
    """
    for rule in table_map.filters:
        values = parse.text(raw.loc[frame.index, rule.column]).fillna("")
        out = ~values.isin(rule.keep) if rule.keep else values.isin(rule.drop)
        if len(out) and out.all():
            asked = f"keep = {list(rule.keep)}" if rule.keep else f"drop = {list(rule.drop)}"
            seen = ", ".join(repr(value) for value in values.unique()[:5])
            raise LedgerError(
                f"{name}: the filter {rule.rule!r} ({rule.column}: {asked}) takes all {len(out):,} rows; the column "
                f"holds {seen}. Correct the filter, or leave the table out of the mapping"
            )
        quarantine.note(name, frame[out], rule.rule, column=rule.column, value=values[out], disposition="filtered")
        frame = frame[~out]
    return frame


def _drop_copies(
    name: str,
    frame: pd.DataFrame,
    cells: dict[str, pd.Series],
    feeds: dict[str, Feed],
    raw: pd.DataFrame,
    quarantine: Quarantine,
) -> pd.DataFrame:
    """Rows equal in every mapped source cell count once (tables with a key only: two equal receipts need two ids).

    Without an id nobody can say whether two equal rows are one document: such rows are no copies but lack a value.
    Where the mapping numbers them, those count once that are equal in every cell of the source.
    """
    key = [column for column in schema.table(name).key if column in frame]
    if key and not repeated(frame[key]).any():  # copies have the same key
        return frame
    copies = pd.DataFrame(cells).loc[frame.index].duplicated().to_numpy()
    nameless = frame[key].isna().any(axis=1).to_numpy()
    if (copies & nameless).any():
        numbered = all(feeds[column].or_number_rows is not None for column in key if frame[column].isna().any())
        copies = copies & (~nameless | (numbered & raw.loc[frame.index].duplicated().to_numpy()))
    quarantine.note(name, frame[copies], "exact_duplicate", disposition="duplicate")
    return frame[~copies]


def _fill(
    name: str,
    frame: pd.DataFrame,
    feeds: dict[str, Feed],
    raw: pd.DataFrame,
    table_map: TableMap,
    mapping: Mapping,
    quarantine: Quarantine,
) -> pd.DataFrame:
    """Estimate what the mapping allows to be estimated, and count it."""
    for column, feed in feeds.items():
        gone = frame[column].isna()
        if feed.or_number_rows is not None and gone.any():
            made = feed.or_number_rows + frame["_row"].astype("str")
            quarantine.note(
                name, frame[gone], "id_from_row_number", column=column, value=made[gone], disposition="cell"
            )
            frame = frame.assign(**{column: frame[column].where(~gone, made)})
    if name == "invoices" and table_map.terms:
        frame = _dates_from_terms(frame, raw, table_map, mapping, quarantine)
    if name == "invoices":
        derived = pd.Series(np.where(frame["amount"] < 0, "credit_note", "invoice"), index=frame.index, dtype="str")
        kind = frame["kind"] if "kind" in frame else pd.Series(None, index=frame.index, dtype="str")
        frame = frame.assign(kind=kind.where(kind.notna(), derived))
    return frame


def _dates_from_terms(
    frame: pd.DataFrame, raw: pd.DataFrame, table_map: TableMap, mapping: Mapping, quarantine: Quarantine
) -> pd.DataFrame:
    terms = table_map.terms
    assert terms is not None  # for the type checker; the caller looked
    days = pd.Series(np.nan, index=frame.index)
    if terms.column:
        days = parse.column(raw.loc[frame.index, terms.column], "number", mapping.formats)[0]
    if terms.days is not None:
        days = days.fillna(terms.days)
    for column, other, sign in (("due_date", "issue_date", 1), ("issue_date", "due_date", -1)):
        have = frame[column] if column in frame else pd.Series(pd.NaT, index=frame.index, dtype="datetime64[us]")
        base = frame[other] if other in frame else pd.Series(pd.NaT, index=frame.index, dtype="datetime64[us]")
        guess = base + pd.to_timedelta(sign * days, unit="D").astype("timedelta64[us]")
        used = have.isna() & guess.notna()
        quarantine.note(
            "invoices", frame[used], f"{column}_from_terms", column=column, value=guess[used], disposition="cell"
        )
        frame = frame.assign(**{column: have.where(~used, guess)})
    return frame


def _refuse_bad_cells(
    table: schema.Table,
    frame: pd.DataFrame,
    cells: dict[str, pd.Series],
    bad: dict[str, parse.Mask],
    shown: pd.DataFrame,
    quarantine: Quarantine,
) -> pd.DataFrame:
    for column, mask in bad.items():
        needed = column in table.required or column == "_open"
        wrong = mask[frame.index.to_numpy()]
        if wrong.any():
            rows = shown.loc[frame.index[wrong]]
            quarantine.note(
                table.name,
                rows,
                "unreadable" if needed else "unreadable_optional",
                column=column.lstrip("_"),
                value=cells[column].loc[rows.index],
                disposition="quarantined" if needed or column in _BESIDE else "cell",
            )
            frame = frame[~wrong] if needed or column in _BESIDE else frame
    for column in (*table.required, "_open"):
        if column in frame and column != "currency":
            gone = frame[column].isna()
            frame = quarantine.take(table.name, frame, gone, "missing_value", column=column.lstrip("_"))
    return frame


def _refuse_bad_values(table: schema.Table, frame: pd.DataFrame, quarantine: Quarantine) -> pd.DataFrame:
    name = table.name
    if "currency" in frame and name != "control":
        frame = quarantine.take(name, frame, frame["currency"].isna(), "missing_value", column="currency")
        odd = [code for code in frame["currency"].unique() if not re.fullmatch("[A-Z]{3}", code)]
        frame = quarantine.take(name, frame, frame["currency"].isin(odd), "bad_currency", column="currency")
    if name == "invoices":
        kind = frame["kind"]
        frame = quarantine.take(name, frame, ~kind.isin(["invoice", "credit_note"]), "bad_kind", column="kind")
        wrong = (frame["kind"] == "credit_note") & (frame["amount"] > 0)
        frame = quarantine.take(name, frame, wrong, "credit_note_above_zero", column="amount")
    for column in table.columns:
        if column.name not in frame:
            continue
        values = frame[column.name]
        if column.kind == "money":
            # a table without a currency is held to hundredths; what is too large in thousandths `to_minor` refuses
            large = values.abs() * money.scale(frame.get("currency", "")) >= money.LARGEST_MINOR
            frame = quarantine.take(name, frame, large, "amount_too_large", column=column.name)
            # without a currency of its own a table may hold the finest unit there is, a thousandth
            currency = frame["currency"].fillna("") if "currency" in frame else "KWD"
            fine = money.off_grid(frame[column.name], currency)
            frame = quarantine.take(name, frame, fine, "finer_than_minor_unit", column=column.name)
        elif column.kind == "rate":
            frame = quarantine.take(name, frame, (values < 0) | (values > 1), "out_of_range", column=column.name)
        elif name == "assessments" and column.name == "score":
            frame = quarantine.take(name, frame, (values < 1) | (values > 10), "out_of_range", column=column.name)
    return frame


def canonical(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Columns in schema order, rows by key, amounts snapped to the grid; the contract holds or we have a defect."""
    table = schema.table(name)
    names = [column for column in table.names if column in frame]
    whole = frame[names]
    for column in table.columns:
        if column.kind == "money" and column.name in whole:
            scale = money.scale(frame.get("currency", "KWD"))
            whole = whole.assign(**{column.name: np.rint(whole[column.name] * scale) / scale})
    order = list(table.key) if table.key and set(table.key) <= set(names) else names
    rows = ordering(whole, order)
    del frame
    sorted_columns = {}
    for one in names:  # one by one: a long table is never there twice
        cells = whole.pop(one).astype(schema.DTYPES[table.column(one).kind])
        sorted_columns[one] = (cells if rows is None else cells.take(rows)).reset_index(drop=True)
    typed = pd.DataFrame(sorted_columns, columns=names, copy=False)
    return schema.contract(name).validate(typed, inplace=True)
