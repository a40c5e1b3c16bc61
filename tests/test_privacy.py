"""What leaves the house: pseudonyms, small cells, and no paths or connections in anything a run leaves behind."""

import base64
import gzip
import json
import re
import shutil
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from credit_lab import inputs, ledger, publish
from credit_lab.__main__ import app
from credit_lab.commands import pack as packs
from credit_lab.errors import LedgerError, ReportError
from credit_lab.ledger import pseudonyms, sharing
from credit_lab.publish import privacy, registry, show
from tests.conftest import ROOT

KEY = bytes(range(32))


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "key"
    path.write_bytes(KEY)
    path.chmod(0o600)
    return path


def test_keys_that_protect_nothing_are_refused(key_file):
    assert pseudonyms.read_key(key_file) == KEY
    key_file.chmod(0o640)
    with pytest.raises(LedgerError, match="readable by others than its owner; run: chmod 600 key"):
        pseudonyms.read_key(key_file)
    key_file.chmod(0o600)
    key_file.write_bytes(KEY[:15])
    with pytest.raises(LedgerError, match="holds 15 bytes, 16 are needed"):
        pseudonyms.read_key(key_file)
    with pytest.raises(LedgerError, match=r"cannot be read: No such file.*make one with"):
        pseudonyms.read_key(key_file.with_name("none"))


def test_a_pseudonym_is_the_keyed_hash_of_the_standard():
    # RFC 2104 by hand: H(key ^ opad, H(key ^ ipad, text)) with SHA-256, whose block is 64 bytes
    from hashlib import sha256

    padded = KEY.ljust(64, b"\0")
    inner = sha256(bytes(k ^ 0x36 for k in padded) + b"id\0C-0001").digest()
    outer = sha256(bytes(k ^ 0x5C for k in padded) + inner).digest()
    assert pseudonyms.pseudonym("C-0001", KEY) == "X" + base64.b32encode(outer).decode()[:12]
    assert pseudonyms.pseudonym("C-0001", KEY) != pseudonyms.pseudonym("C-0001", KEY[::-1])
    same = {pseudonyms.pseudonym(name, KEY, name=True) for name in ("Acme Ltd.", "ACME  LTD", "acme-ltd")}
    assert len(same) == 1


def test_a_pseudonymised_ledger_is_the_same_ledger_under_other_names(sample):
    from credit_lab import aging, kpi

    hidden, day = pseudonyms.pseudonymised(sample, KEY), pd.Timestamp("2025-12-31")
    for name, frame in sample.tables.items():
        assert len(hidden.tables[name]) == len(frame)
    buckets = [aging.bucket_table(aging.open_items(book, day), book.currency) for book in (sample, hidden)]
    pd.testing.assert_frame_equal(*buckets)
    assert kpi.kpis(kpi.monthly(sample, day)) == pytest.approx(kpi.kpis(kpi.monthly(hidden, day)), nan_ok=True)
    text = "".join(frame.to_csv() for frame in hidden.tables.values())
    assert not any(name in text for name in sample.customers["name"].dropna())
    assert not re.search(r"\b(C-\d{4}|INV-\d+|CN-\d+)\b", text)
    assert pseudonyms.pseudonymised(sample, KEY).digest() == hidden.digest() != sample.digest()


def test_names_within_other_texts_are_found(write_ledger):
    from tests.ledgers import invoice, payment

    folder = write_ledger(
        customers=[{"customer_id": "C1-77", "name": "Alpha Mills"}], invoices=[invoice(customer="C1-77")],
        payments=[payment(customer="C1-77")],
        limits=[{"customer_id": "C1-77", "valid_from": "2024-01-01", "credit_limit": 5, "term_days": 30,
                 "reason": "Alpha Mills asked; see C1-77"}],
    )  # fmt: skip
    book = pseudonyms.pseudonymised(ledger.read(folder), KEY)
    said = book.tables["limits"]["reason"].iloc[0]
    customer, name = (pseudonyms.pseudonym(text, KEY, name=named) for text, named in (("C1-77", 0), ("Alpha Mills", 1)))
    assert said == f"{name} asked; see {customer}"


@pytest.fixture
def five(monkeypatch):
    monkeypatch.setenv("CREDIT_LAB_MIN_CELL", "5")


def test_small_groups_are_masked_and_the_next_one_with_them(five):
    table = pd.DataFrame({"industry": list("abcd"), "customers": [40, 12, 7, 3], "exposure": [9.0, 5.0, 2.0, 1.0]})
    # d has 3 customers; alone it would be the total less the others, so c goes with it: 7 + 3 = 10 hide each other
    shown, said = privacy.hidden(table)
    assert shown["exposure"].isna().tolist() == [False, False, True, True]
    assert shown["customers"].isna().tolist() == [False, False, True, True]
    assert said == "groups below 5 customers are masked"
    two = table.assign(customers=[40, 12, 4, 3])  # 4 + 3 = 7 hide each other
    assert privacy.hidden(two)[0]["exposure"].isna().tolist() == [False, False, True, True]


@given(counts=st.lists(st.integers(0, 12), min_size=1, max_size=8))
def test_no_small_group_is_left_or_can_be_found_as_a_rest(counts):
    with sharing.sharing(sharing.Sharing("", 5)):
        shown, _ = privacy.hidden(pd.DataFrame({"group": range(len(counts)), "customers": counts}))
    left, gone = shown["customers"].dropna(), sum(counts) - shown["customers"].sum()
    assert not ((left > 0) & (left < 5)).any()
    assert gone == 0 or gone >= 5 or not (left > 0).any()


def test_single_customers_and_small_cells_of_migration_are_left_out(five, monkeypatch):
    rows = pd.DataFrame({"customer_id": ["A", "B"], "amount": [1.0, 2.0]})
    shown = show.table(rows, "Debtors")
    assert shown.record["rows"] == [] and "2 rows of single customers or documents are not shared" in shown.data
    moved = pd.DataFrame({"before": ["A", "B"], "A": [30, 2], "B": [0, 9]})
    assert privacy.hidden(moved)[0]["A"].isna().tolist() == [False, True]
    monkeypatch.setattr(sharing, "_mentioned", {"C-0001"})
    assert show.sentences(["C-0001 owes most."]).record["lines"] == ["a customer owes most."]
    monkeypatch.delenv("CREDIT_LAB_MIN_CELL")
    assert len(show.table(rows, "Debtors").record["rows"]) == 2
    with pytest.raises(ReportError, match="give 2 or more"):
        sharing.least(1)


def test_paths_and_connections_become_names():
    url = "postgres://ann:pw@db.firm/books"
    names = privacy.labels({"ledger": url, "mapping": "/srv/ann/erp.toml", "period": "2025Q4"})
    text = f"read {url} (postgres://ann:***@db.firm/books) by /srv/ann/erp.toml in {Path.cwd()}/data, 2025Q4"
    assert privacy.cleaned(text, names) == "read postgres database (postgres database) by erp.toml in data, 2025Q4"
    inside = privacy.cleaned(json.dumps({"a": f'"{Path.home()}/x"'}), names, as_json=True)
    assert json.loads(inside)["a"] in ('"~/x"', '"x"')


def words_of(path):
    """All text within a file: parts of office files, drawings within pages and notebooks, cells of the registry."""
    if path.suffix in (".xlsx", ".pptx"):
        with zipfile.ZipFile(path) as parts:
            yield from (parts.read(name).decode("utf-8", "ignore") for name in parts.namelist())
        return
    text = path.read_bytes().decode("utf-8", "ignore")
    yield text
    yield from (base64.b64decode(one).decode("utf-8", "ignore") for one in re.findall(r"base64,([\w+/=]{99,})", text))
    if path.suffix == ".ipynb":
        yield from (gzip.decompress(base64.b64decode(one)).decode() for one in re.findall(r'"svg": "([^"]+)"', text))


def traces(folder, needles):
    pattern = re.compile("|".join(map(re.escape, needles)))
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {".ipynb", ".html", ".xlsx", ".pptx", ".sqlite", ".json", ".csv"} <= {path.suffix for path in files}
    return {(path.name, found) for path in files for text in words_of(path) for found in pattern.findall(text)}


def test_nothing_a_shared_run_leaves_names_customers_paths_or_the_key(tmp_path, sample, key_file):
    source, out = tmp_path / "home of ann" / "firm", tmp_path / "shared"
    shutil.copytree(ROOT / "data" / "sample", source, ignore=shutil.ignore_patterns("truth", "register"))
    parameters = {"ledger": str(source), "policy": str(ROOT / "data/policies/2025-baseline.toml")}
    with sharing.sharing(sharing.Sharing(str(key_file))):
        book = inputs.open_ledger(str(source))
        facts = {"Ledger": book.source, "Policy": "p", "As of": "2025-12-31"}
        made = publish.run.report(
            ROOT / "notebooks" / "40_limit_review.ipynb", parameters, out / "limits", title="Limits", progress=False,
            also=packs.beside(["pptx", "xlsx"], "Limits", facts, "40_limit_review"),
        )  # fmt: skip
    registry.enter(out / registry.NAME, "limits", made.folder, made.run, book, "2025-12-31")
    ids = [*sample.customers["customer_id"], *sample.customers["name"].dropna(), *sample.invoices["invoice_id"]]
    places = [str(tmp_path), str(ROOT), "home of ann", str(key_file), KEY.hex(), "ipykernel_"]
    assert traces(out, [*ids, *places]) == set()
    assert made.run["parameters"]["ledger"] == "firm"
    assert made.run["sharing"] == {"pseudonyms": pseudonyms.fingerprint(KEY)}
    some = pseudonyms.pseudonym(sample.customers["customer_id"].iloc[0], KEY)
    tables = "".join(path.read_text(encoding="utf-8-sig") for path in (made.folder / "tables").glob("*.csv"))
    assert some in tables


def test_the_command_refuses_an_open_key_before_it_reads(tmp_path, key_file):
    key_file.chmod(0o644)
    with pytest.raises(LedgerError, match="chmod 600"):
        CliRunner().invoke(
            app, ["review", "--pseudonymise", str(key_file), "--out", str(tmp_path / "r")], catch_exceptions=False
        )
    assert not (tmp_path / "r").exists()
