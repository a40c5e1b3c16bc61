"""Names of companies: what is left without the legal form, which names mean one company, which customers may be one.

Similarity is the normalised edit similarity of rapidfuzz on cleaned names: 1 for equal, 0 for nothing in common.
"""

import re
import unicodedata
from collections.abc import Iterable

import numpy as np
import pandas as pd
from rapidfuzz import fuzz, process

from credit_lab import schema

# Legal forms and what else says nothing about who is meant. Longest first, so that 有限责任公司 goes before 公司.
_WORDS = {
    "inc", "incorporated", "llc", "llp", "lp", "ltd", "limited", "co", "company", "corp", "corporation", "plc", "gmbh",
    "ag", "kg", "sa", "sas", "sarl", "srl", "spa", "bv", "nv", "ab", "oy", "as", "pty", "pte", "bhd", "sdn", "kk",
    "us", "usa", "intl", "foundation", "associates", "systems", "trust", "and", "the", "group", "holding", "holdings",
    "in",  # "inc" cut short by a field of fixed length
}  # fmt: skip
_CHINESE = ("有限责任公司", "股份有限公司", "集团有限公司", "有限公司", "股份公司", "集团公司", "总公司", "分公司",
            "公司", "厂", "商行", "经营部", "合伙企业", "个体工商户")  # fmt: skip
_BRACKETS = re.compile(r"[(（\[【].*?[)）\]】]")
_NO_WORD = re.compile(r"[^\w\u4e00-\u9fff]+")


SHORT = 8  # in shorter Latin names one other letter makes another name


def clean_name(name: str) -> str:
    """A company's name without case, width, punctuation, remarks in brackets and legal form.

    >>> clean_name("Zhihe Textile CO LTD"), clean_name("Zhihe  Textile Company, Limited")
    ('zhihe textile', 'zhihe textile')
    >>> clean_name("纸鹤纺织有限责任公司"), clean_name("纸鹤纺织 有限公司（本部）")
    ('纸鹤纺织', '纸鹤纺织')
    """
    text = _BRACKETS.sub(" ", unicodedata.normalize("NFKC", str(name)).lower())
    words = _NO_WORD.sub(" ", text.replace("'", "")).split()
    kept = list(words)
    while len(kept) > 1 and kept[-1] in _WORDS:
        kept.pop()
    text = " ".join(kept)
    if not text.isascii():
        text = text.replace(" ", "")
        for suffix in _CHINESE:
            if text.endswith(suffix) and len(text) > len(suffix) + 1:
                return text.removesuffix(suffix)
    return text


def name_clusters(names: Iterable[str], *, similarity: float = 0.85) -> pd.DataFrame:
    """Clusters of names that mean one company: name, cleaned, cluster (number), cluster_name (commonest spelling).

    Equal cleaned names always share a cluster; others join when they are at least `similarity` alike, have at least
    eight letters (or are Chinese) and begin with the same sign (a block, which keeps the work small).
    """
    counts = pd.Series(list(names), dtype="str").dropna().value_counts(sort=False).sort_index()
    table = pd.DataFrame({"name": counts.index.astype("str"), "rows": counts.to_numpy()})
    table = table.assign(cleaned=[clean_name(name) for name in table["name"]])
    keys = sorted(set(table["cleaned"]))
    parent = {key: key for key in keys}
    for first in _close_pairs(keys, similarity):
        a, b = (_root(parent, key) for key in first)
        parent[max(a, b)] = min(a, b)
    root = table["cleaned"].map(lambda key: _root(parent, key))
    table = table.assign(cluster=pd.factorize(root, sort=True)[0])
    best = table.sort_values(["rows", "name"], ascending=[False, True]).drop_duplicates("cluster")
    return table.assign(cluster_name=table["cluster"].map(best.set_index("cluster")["name"]))


def _root(parent: dict[str, str], key: str) -> str:
    while parent[key] != key:
        key = parent[key]
    return key


def _close_pairs(keys: list[str], similarity: float) -> list[tuple[str, str]]:
    pairs = []
    blocks: dict[str, list[str]] = {}
    for key in keys:
        blocks.setdefault(key[:1], []).append(key)
    for block in blocks.values():
        block = [key for key in block if len(key) >= SHORT or not key.isascii()]
        near = process.cdist(block, block, scorer=fuzz.ratio, score_cutoff=100 * similarity, dtype=np.float32)
        rows, columns = np.nonzero(np.triu(near, 1))
        pairs += [(block[i], block[j]) for i, j in zip(rows, columns, strict=True)]
    return pairs


def pair_figures(cluster: pd.Series, truth: pd.Series) -> pd.Series:
    """Pairwise precision and recall of a clustering of rows against the true key.

    Of all pairs of rows that share a cluster, the share that shares the key (precision); of all pairs that share the
    key, the share that shares a cluster (recall). Returns precision, recall, f1, pairs_found, pairs_true.

    >>> pair_figures(pd.Series([1, 1, 1, 2]), pd.Series(["a", "a", "b", "b"])).round(3).tolist()[:2]
    [0.333, 0.5]
    """

    def pairs(sizes: pd.Series) -> float:
        return float((sizes * (sizes - 1) / 2).sum())

    frame = pd.DataFrame({"cluster": cluster.to_numpy(), "truth": truth.to_numpy()})
    both = pairs(frame.groupby(["cluster", "truth"]).size())
    found, true = pairs(frame.groupby("cluster").size()), pairs(frame.groupby("truth").size())
    precision, recall = both / found if found else np.nan, both / true if true else np.nan
    f1 = 2 * both / (found + true) if found + true else np.nan
    return pd.Series({"precision": precision, "recall": recall, "f1": f1, "pairs_found": found, "pairs_true": true})


def duplicates(customers: pd.DataFrame, *, similarity: float = 0.92) -> pd.DataFrame:
    """Customers whose names mean one company though their numbers differ: customer_id, other_id, names, similarity.

    Most alike first; a proposal for a person to look at, never a merge.
    """
    columns = ["customer_id", "other_id", "name", "other_name", "similarity"]
    if "name" not in customers or customers["name"].isna().all():
        return schema.no_rows({**dict.fromkeys(columns[:-1], "text"), "similarity": "number"})
    known = customers.dropna(subset=["name"]).sort_values("customer_id")
    by_name = known.assign(cleaned=[clean_name(name) for name in known["name"]]).groupby("cleaned")
    groups = {key: part[["customer_id", "name"]].to_numpy().tolist() for key, part in by_name}
    rows = []
    for members in groups.values():
        rows += [(*a, *b, 1.0) for place, a in enumerate(members) for b in members[place + 1 :]]
    for one, other in _close_pairs(sorted(groups), similarity):
        near = fuzz.ratio(one, other) / 100
        rows += [(*a, *b, near) for a in groups[one] for b in groups[other]]
    table = pd.DataFrame(rows, columns=["customer_id", "name", "other_id", "other_name", "similarity"])
    return table[columns].sort_values(["similarity", "customer_id", "other_id"], ascending=[False, True, True],
                                      ignore_index=True)  # fmt: skip
