"""Statement reconciliation (对账): the customer's statement against our open items, to the cent.

Lines are paired by reference, then by amount and date, then by similar reference; what is left is timing (too young to
have reached the other side) or missing on one side. The bridge from our balance to theirs adds up exactly; what the
statement's own total does not explain by its lines is the remainder.
"""

import re
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from heapq import heapify, heappop, heappush
from pathlib import Path

import numpy as np
import pandas as pd
from rapidfuzz import fuzz, process

from credit_lab import money
from credit_lab.errors import LedgerError
from credit_lab.ledger import delimited
from credit_lab.monitoring.alerts import MonitoringError
from credit_lab.periods import takes_days

LINE = ("kind", "method", "our_id", "their_id", "our_date", "their_date", "our_amount", "their_amount", "difference")
Pairs = Iterator[tuple[int, int]]  # places of our line and theirs
Found = tuple[int, int, str]  # and how it was found
KINDS = ("matched", "amount_difference", "timing_ours", "timing_theirs", "only_ours", "only_theirs")


@dataclass(frozen=True)
class Matching:
    """How lines are paired.

    date_days : days between the dates of lines paired by amount
    similar : least similarity of references for the last step, 0-1: twice the letters that both
        hold in one order over all letters of both (normalised indel similarity)
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


@takes_days
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


def _pairs(left: pd.DataFrame, right: pd.DataFrame, matching: Matching) -> list[Found]:
    """Places of the lines that belong together and how it was found; no line is in two pairs."""
    left, right = (
        side.assign(
            name=[normalised(reference) for reference in side["id"]],
            day=side["date"].to_numpy().astype("datetime64[D]").astype(np.int64),
            owed=side["minor"] > 0,
        )
        for side in (left, right)
    )
    pairs: list[Found] = []
    for method, step in (
        ("reference", _same_reference),
        ("amount and date", partial(_same_amount, days=matching.date_days)),
        ("similar reference", partial(_similar_reference, by="minor", least=matching.similar)),
        ("similar reference", partial(_similar_reference, by="owed", least=matching.similar)),
    ):
        found = list(step(left, right))
        pairs += [(i, j, method) for i, j in found]
        left, right = left.drop([i for i, _ in found]), right.drop([j for _, j in found])
    return pairs


def _same_reference(left: pd.DataFrame, right: pd.DataFrame) -> Pairs:
    """Lines of one reference, the nearest amount first."""
    amount = right["minor"].to_dict()
    waiting = {name: list(group) for name, group in right.groupby("name").groups.items() if name}
    for i, name, minor in left[["name", "minor"]].itertuples():
        if same := waiting.get(name):
            nearest = min(same, key=lambda j: abs(amount[j] - minor))
            same.remove(nearest)
            yield i, nearest


def _same_amount(left: pd.DataFrame, right: pd.DataFrame, days: int) -> Pairs:
    """Lines of one amount at most so many days apart, the nearest days first."""
    waiting: dict[tuple[int, int], deque[int]] = defaultdict(deque)
    for j, minor, day in right.loc[right["date"].notna(), ["minor", "day"]].itertuples():
        waiting[minor, day].append(j)
    free = left[left["date"].notna()]
    for gap in range(days + 1):
        taken = []
        for i, minor, day in free[["minor", "day"]].itertuples():
            at = ((minor, day - gap), (minor, day + gap))
            queues = [waiting[key] for key in at if key in waiting]
            if queue := min(filter(None, queues), key=lambda queue: queue[0], default=None):
                taken.append(i)
                yield i, queue.popleft()
        free = free.drop(taken)


def _similar_reference(left: pd.DataFrame, right: pd.DataFrame, by: str, least: float) -> Pairs:
    """Lines equal in a column `by` whose references are alike, the most alike first."""
    left, right = left[left["name"] != ""], right[right["name"] != ""]
    others = right.groupby(by).groups
    for value, ours in left.groupby(by).groups.items():
        if value in others:
            theirs = others[value]
            for i, j in _most_alike(left.loc[ours, "name"], right.loc[theirs, "name"], least):
                yield ours[i], theirs[j]


def _most_alike(names: Iterable[str], others: Iterable[str], least: float) -> Pairs:
    """Places of the most alike of all pairs, of the most alike that are left, and so on.

    Four bytes for each pair. A name whose best other is gone looks for its next best only when
    its turn comes, so that the pairs are never sorted.
    """
    cutoff = 100 * least
    ratio = process.cdist(list(names), list(others), scorer=fuzz.ratio, score_cutoff=cutoff)
    queue = [(-row.max(), i, int(row.argmax())) for i, row in enumerate(ratio)]
    heapify(queue)
    while queue:
        _, i, j = heappop(queue)
        if ratio[i, j]:
            ratio[:, j] = 0
            yield i, j
        elif ratio[i].any():
            heappush(queue, (-ratio[i].max(), i, int(ratio[i].argmax())))


def _lines(
    left: pd.DataFrame,
    right: pd.DataFrame,
    pairs: list[Found],
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
