"""Statement reconciliation (对账): the customer's statement against our open items, to the cent.

Lines are paired by reference, then by amount and date, then by similar reference; what is left is timing (too young to
have reached the other side) or missing on one side. The bridge from our balance to theirs adds up exactly; what the
statement's own total does not explain by its lines is the remainder.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from credit_lab import money
from credit_lab.errors import LedgerError
from credit_lab.ledger import delimited
from credit_lab.monitoring.alerts import MonitoringError

LINE = ("kind", "method", "our_id", "their_id", "our_date", "their_date", "our_amount", "their_amount", "difference")
KINDS = ("matched", "amount_difference", "timing_ours", "timing_theirs", "only_ours", "only_theirs")


@dataclass(frozen=True)
class Matching:
    """How lines are paired.

    date_days : days between the dates of lines paired by amount
    similar : least similarity of references (0-1, difflib) for the last step
    transit_days : younger lines that the other side lacks are timing, not missing
    """

    date_days: int = 5
    similar: float = 0.8
    transit_days: int = 10


@dataclass(frozen=True)
class Reconciliation:
    """lines: kind (matched, amount_difference, timing_ours, timing_theirs, only_ours, only_theirs), method (reference,
        amount and date, similar reference, or empty), our_id, their_id, dates, amounts, difference (ours − theirs)
    bridge : step, amount, lines: from our balance over each kind to theirs; adds up to the cent
    remainder : stated total of the statement less its lines
    unexplained : |amount differences| + |only ours| + |only theirs| + |remainder|, what somebody has to clear up
    """

    lines: pd.DataFrame
    bridge: pd.DataFrame
    remainder: float
    unexplained: float


def read_statement(
    path: str | Path,
    columns: Mapping[str, str],
    *,
    date_format: str = "%Y-%m-%d",
    decimal: str = ".",
    encoding: str = "utf-8-sig",
    delimiter: str = ",",
    quote: str = '"',
) -> pd.DataFrame:
    """A customer's statement from a CSV file: reference, date, amount (what they owe us is positive).

    Parameters
    ----------
    columns : our name -> theirs, for reference, date and amount
    decimal : "." or ","; the other one, blanks and currency signs are taken for thousands separators
    encoding, delimiter, quote : how the file is written, see `credit_lab.ledger.delimited.read`

    Raises
    ------
    MonitoringError
        The file cannot be read or a quotation mark is left open, a column is missing, or a date or amount cannot be
        read (with its row).
    """
    try:
        raw = delimited.read(path, encoding=encoding, delimiter=delimiter, quote=quote)
    except LedgerError as error:
        raise MonitoringError(f"statement {error}") from error
    lacking = [f"{ours} ({theirs!r})" for ours, theirs in columns.items() if theirs not in raw]
    missing = [name for name in ("reference", "date", "amount") if name not in columns]
    if lacking or missing:
        raise MonitoringError(
            f"statement {path}: no column for {', '.join([*missing, *lacking])}; there are {', '.join(raw.columns)}"
        )
    text = raw[columns["amount"]].str.replace(r"[\s¥￥$€]", "", regex=True)
    text = text.str.replace("." if decimal == "," else ",", "", regex=False).str.replace(decimal, ".", regex=False)
    negative = text.str.match(r"^\(.*\)$") | text.str.endswith("-")
    amount = pd.to_numeric(text.str.strip("()-").where(negative, text), errors="coerce")
    day = pd.to_datetime(raw[columns["date"]], format=date_format, errors="coerce")
    for name, value in (("amount", amount), ("date", day)):
        if value.isna().any():
            row = int(np.flatnonzero(value.isna())[0])
            raise MonitoringError(
                f"statement {path}: row {row + 1}: {name} {raw[columns[name]].iloc[row]!r} cannot be read; "
                "see date_format and decimal"
            )
    return pd.DataFrame(
        {"reference": raw[columns["reference"]], "date": day, "amount": amount.where(~negative, -amount)}
    )


def reconcile(
    ours: pd.DataFrame,
    theirs: pd.DataFrame,
    *,
    as_of: pd.Timestamp,
    currency: str = "CNY",
    stated_total: float | None = None,
    matching: Matching | None = None,
) -> Reconciliation:
    """Pair the lines of two lists of open items.

    Parameters
    ----------
    ours : document_id, issue_date, open_amount of one customer (from `aging.open_items`, credit notes and unapplied
        cash included with their sign)
    theirs : reference, date, amount (from `read_statement`)
    as_of : day of both lists
    stated_total : balance printed on the statement, where it has one

    Raises
    ------
    MonitoringError
        A column is missing.
    """
    matching = matching or Matching()
    for name, frame, needed in (
        ("ours", ours, ("document_id", "issue_date", "open_amount")),
        ("theirs", theirs, ("reference", "date", "amount")),
    ):
        missing = [column for column in needed if column not in frame]
        if missing:
            raise MonitoringError(f"statement: {name} lacks {', '.join(missing)}")
    left = pd.DataFrame(
        {
            "id": ours["document_id"].astype(str).to_numpy(),
            "date": ours["issue_date"].to_numpy(),
            "minor": money.to_minor(ours["open_amount"], currency),
        }
    )
    right = pd.DataFrame(
        {
            "id": theirs["reference"].astype(str).to_numpy(),
            "date": theirs["date"].to_numpy(),
            "minor": money.to_minor(theirs["amount"], currency),
        }
    )
    pairs = _pairs(left, right, matching)
    lines = _lines(left, right, pairs, as_of, matching, currency)
    total = (
        right["minor"].sum() if stated_total is None else int(money.to_minor(pd.Series([stated_total]), currency)[0])
    )
    remainder = int(total) - int(right["minor"].sum())
    return _result(lines, int(left["minor"].sum()), int(total), remainder, currency)


def normalised(reference: str) -> str:
    """Letters and digits only, lower case, numbers without leading zeros.

    >>> normalised("INV-000123"), normalised("inv 123")
    ('inv123', 'inv123')
    """
    parts = re.findall(r"[^\W\d_]+|\d+", reference.casefold())
    return "".join(part.lstrip("0") or "0" if part.isdigit() else part for part in parts)


def _pairs(left: pd.DataFrame, right: pd.DataFrame, matching: Matching) -> list[tuple[int, int, str]]:
    pairs: list[tuple[int, int, str]] = []
    free_left, free_right = set(range(len(left))), set(range(len(right)))

    def take(i: int, j: int, method: str) -> None:
        pairs.append((i, j, method))
        free_left.remove(i)
        free_right.remove(j)

    names = {i: normalised(name) for i, name in enumerate(left["id"])}
    other = {j: normalised(name) for j, name in enumerate(right["id"])}
    minor, theirs = left["minor"].to_numpy(), right["minor"].to_numpy()
    by_name: dict[str, list[int]] = {}
    for j in sorted(free_right):
        by_name.setdefault(other[j], []).append(j)
    for i in sorted(free_left):
        same = [j for j in by_name.get(names[i], ()) if j in free_right and names[i]]
        if same:
            take(i, min(same, key=lambda j: (abs(int(theirs[j] - minor[i])), j)), "reference")
    gap = np.abs((left["date"].to_numpy()[:, None] - right["date"].to_numpy()[None, :]) / np.timedelta64(1, "D"))
    close = [
        (float(gap[i, j]), i, j)
        for i in free_left
        for j in free_right
        if minor[i] == theirs[j] and gap[i, j] <= matching.date_days
    ]
    for _, i, j in sorted(close):
        if i in free_left and j in free_right:
            take(i, j, "amount and date")
    alike = []
    for i in free_left:
        for j in free_right:
            ratio = difflib.SequenceMatcher(None, names[i], other[j]).ratio() if names[i] and other[j] else 0.0
            if ratio >= matching.similar and (minor[i] > 0) == (theirs[j] > 0):
                alike.append((minor[i] != theirs[j], -ratio, i, j))
    for _, _, i, j in sorted(alike):
        if i in free_left and j in free_right:
            take(i, j, "similar reference")
    return pairs


def _lines(
    left: pd.DataFrame,
    right: pd.DataFrame,
    pairs: list[tuple[int, int, str]],
    as_of: pd.Timestamp,
    matching: Matching,
    currency: str,
) -> pd.DataFrame:
    rows = []
    for i, j, method in pairs:
        kind = "matched" if left["minor"].iloc[i] == right["minor"].iloc[j] else "amount_difference"
        rows.append((kind, method, i, j))
    young = as_of - pd.Timedelta(days=matching.transit_days)
    paired_left, paired_right = {i for i, *_ in pairs}, {j for _, j, _ in pairs}
    for i in range(len(left)):
        if i not in paired_left:
            rows.append(("timing_ours" if left["date"].iloc[i] > young else "only_ours", "", i, -1))
    for j in range(len(right)):
        if j not in paired_right:
            rows.append(("timing_theirs" if right["date"].iloc[j] > young else "only_theirs", "", -1, j))
    rows.sort(key=lambda row: (KINDS.index(row[0]), row[2], row[3]))
    a, b = np.array([r[2] for r in rows], dtype=int), np.array([r[3] for r in rows], dtype=int)
    ours, theirs = left.reindex(a).reset_index(drop=True), right.reindex(b).reset_index(drop=True)
    minor = [frame["minor"].fillna(0).to_numpy(dtype=np.int64) for frame in (ours, theirs)]
    return pd.DataFrame(
        {
            "kind": [r[0] for r in rows],
            "method": [r[1] for r in rows],
            "our_id": ours["id"],
            "their_id": theirs["id"],
            "our_date": ours["date"],
            "their_date": theirs["date"],
            "our_amount": money.from_minor(minor[0], currency),
            "their_amount": money.from_minor(minor[1], currency),
            "difference": money.from_minor(minor[0] - minor[1], currency),
        },
        columns=list(LINE),
    )


def _result(lines: pd.DataFrame, ours: int, theirs: int, remainder: int, currency: str) -> Reconciliation:
    minor = pd.Series(money.to_minor(lines["difference"], currency), index=lines.index)
    by_kind = minor.groupby(lines["kind"]).agg(["size", "sum"]).reindex(list(KINDS[1:]), fill_value=0)
    steps = [("our balance", ours, 0)]
    steps += [(str(kind), -int(row["sum"]), int(row["size"])) for kind, row in by_kind.iterrows()]
    steps += [("remainder", remainder, 0), ("their balance", theirs, 0)]
    if sum(amount for _, amount, _ in steps[:-1]) != theirs:
        raise MonitoringError("statement: the bridge does not add up; this is a defect, please report it")
    names, amounts, counts = zip(*steps, strict=True)
    bridge = pd.DataFrame({"step": names, "amount": money.from_minor(np.array(amounts), currency), "lines": counts})
    open_kinds = lines["kind"].isin(["amount_difference", "only_ours", "only_theirs"])
    unexplained = int(minor[open_kinds].abs().sum()) + abs(remainder)
    scale = 10.0 ** money.minor_digits(currency)
    return Reconciliation(lines, bridge, remainder / scale, unexplained / scale)
