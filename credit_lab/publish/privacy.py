"""What leaves the house: small groups of shared reports masked, and no paths or connections in any
report.

How a run is shared is said in `ledger.sharing`; here it is obeyed. `hidden` and `withheld` are
asked by `show` for everything shown and saved.

Small cells: a table of groups with a column `customers` loses the figures of groups with fewer than
`min_cell` customers. If all that are masked together still have fewer, the next smallest group is
masked as well, since it could be found as the rest of a total (complementary suppression; Hundepool
et al. 2012, Statistical disclosure control, ch. 4). Rows of single customers or documents are
groups of one and are left out.
"""

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from credit_lab.ledger.sharing import current, mentioned

_SINGLE = (
    "customer_id",
    "holder",
    "invoice_id",
    "document_id",
    "payment_id",
    "order_id",
    "contract_id",
    "group_id",
)
_COUNTS = ("customers", "customers_before")


def hidden(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """A table without its small groups, and what to say about it ("" where none is missing)."""
    least = current().min_cell
    if least < 2 or frame.empty:
        return frame, ""
    texts = [
        name
        for name in frame
        if not pd.api.types.is_numeric_dtype(frame[name].dtype) and name not in _SINGLE
    ]
    frame = frame.assign(**{name: frame[name].map(_unsaid) for name in texts})
    counts = [name for name in _COUNTS if name in frame]
    if not counts and any(name in frame for name in _SINGLE):
        return frame.head(0), f"{len(frame):,} rows of single customers or documents are not shared"
    if not counts and frame.columns[0] == "before":  # a table of migration: every cell is a group
        cells = frame.drop(columns="before").apply(pd.to_numeric, errors="coerce")
        small = (cells > 0) & (cells < least)
        if not small.any(axis=None):
            return frame, ""
        return frame[["before"]].join(
            cells.astype("float64").mask(small)
        ), f"cells below {least} customers are masked"
    if not counts:
        return frame, ""
    masked = _small(
        frame[counts].apply(pd.to_numeric, errors="coerce").fillna(0.0).to_numpy(dtype=float), least
    )
    if not masked.any():
        return frame, ""
    numbers = [name for name in frame if pd.api.types.is_numeric_dtype(frame[name].dtype)]
    blank = {name: frame[name].astype("float64").mask(masked) for name in numbers}
    return frame.assign(**blank), f"groups below {least} customers are masked"


def _small(counts: np.ndarray, least: int) -> np.ndarray:
    masked: np.ndarray = np.asarray(((counts > 0) & (counts < least)).any(axis=1))
    for column in counts.T:
        there = np.flatnonzero(~masked & (column > 0))
        if 0 < column[masked].sum() < least and len(there):
            masked[there[column[there].argmin()]] = True
    return masked


def _unsaid(value: Any) -> Any:
    return mentioned(value) if isinstance(value, str) else value


def withheld(texts: list[str]) -> bool:
    """Whether a figure with these texts shows single customers, or counts of customers that no
    table masks.
    """
    if current().min_cell < 2:
        return False
    return any("customer" in text.lower() or mentioned(text) != text for text in texts)


def labels(values: Mapping[str, Any]) -> dict[str, str]:
    """What must not stand in a report, and what stands for it: connections by their kind, paths by
    their last part.

    Parameters
    ----------
    values : of a run: parameters, folders; those that are neither URL nor absolute path are left
        alone
    """
    found = {
        sys.prefix: "<python>",
        str(Path(__file__).parents[1]): "credit_lab",
        str(Path.home()): "~",
    }
    found |= {f"{Path.cwd()}{os.sep}": "", str(Path.cwd()): "."}
    for value in map(str, values.values()):
        if "://" in value:
            kind = f"{value.partition('://')[0]} database"
            found |= {value: kind, re.sub(r"(://[^:/@]*):.*@", r"\1:***@", value): kind}
        elif Path(value).is_absolute():
            found[value] = Path(value).name
    return {old: new for old, new in found.items() if len(old.strip(os.sep)) > 1}


def cleaned(text: str, names: Mapping[str, str], *, as_json: bool = False) -> str:
    """A text with `labels` in place of what they stand for; with `as_json`, a text within JSON."""
    for old in sorted(names, key=len, reverse=True):
        new = names[old]
        if as_json:
            old, new = json.dumps(old)[1:-1], json.dumps(new)[1:-1]
        end = "" if old.endswith(os.sep) else r"(?![\w-])"
        text = re.sub(re.escape(old) + end, lambda _, new=new: new, text)  # type: ignore[misc]
    return text


def plain(value: Any, names: Mapping[str, str]) -> Any:
    """`cleaned` for every text within a record."""
    if isinstance(value, str):
        return cleaned(value, names)
    if isinstance(value, dict):
        return {key: plain(one, names) for key, one in value.items()}
    return [plain(one, names) for one in value] if isinstance(value, list) else value
