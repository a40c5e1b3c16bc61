"""One customer, one card, one score: whatever else stands in the file, and whatever the file is."""

import datetime

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from credit_lab import spreadsheet
from credit_lab.__main__ import app
from credit_lab.errors import CreditLabError
from credit_lab.ledger import table_file
from credit_lab.scoring import Binner, Scorecard, export, fit
from credit_lab.scoring import rows as modelling
from credit_lab.scoring.table import columns_of, kinds_of_text


def _training(rows=3000):
    rng = np.random.default_rng(11)
    country, branch = rng.choice(["NA", "DE", "FR"], rows), rng.choice(["01", "02", "7", "A7"], rows)
    cover = rng.normal(50, 15, rows).round(1)
    z = -1.5 - 0.05 * (cover - 50) + 1.2 * (country == "NA") + 1.0 * (branch == "01") - (branch == "7")
    frame = pd.DataFrame(
        {
            "customer_id": [f"{i:06d}" for i in range(rows)],
            "cover": cover.astype(str),
            "country": np.where(rng.random(rows) < 0.05, "", country),
            "branch": branch,
            "default": (rng.random(rows) < 1 / (1 + np.exp(-z))).astype(int),
        }
    )
    frame.loc[frame.index % 50 == 0, "cover"] = "n/a"
    return frame


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Rows as `score fit` reads them, and a card on all features saved as `score fit` saves it."""
    folder = tmp_path_factory.mktemp("trained")
    _training().to_csv(folder / "train.csv", index=False)
    rows = modelling.from_table(folder / "train.csv", "default", customer="customer_id", missing=["n/a"])
    card = fit(rows.X, rows.y, signs="keep", digits=1)
    plain = Scorecard(**{**vars(card), "facts": {**card.facts, "missing": list(rows.missing)}})
    plain.save(folder / "card.json")
    return rows, folder / "card.json"


APPLICANTS = pd.DataFrame(
    {
        "customer_id": ["000101", "000102", "000103", "NA"], "cover": ["50.0", "", "7e1", "n/a"],
        "country": ["NA", "DE", "", "NA"], "branch": ["01", "7", "01", "7"],
    }
)  # fmt: skip


def _score(card, frame, folder, ending):
    path = folder / f"new.{ending}"
    {"csv": frame.to_csv, "parquet": frame.to_parquet, "xlsx": frame.to_excel}[ending](path, index=False)
    result = CliRunner().invoke(
        app, ["score", "apply", "--card", str(card), "--table", str(path), "--out", str(folder / "scores.csv")]
    )
    if result.exception:
        raise result.exception
    scored = table_file.read(folder / "scores.csv")
    return dict(zip(scored["customer_id"], scored["score"].astype(float), strict=True))


def test_what_a_card_is_fitted_on(trained):
    rows, path = trained
    card = Scorecard.load(path)
    assert {bins.name: bins.kind for bins in card.features} == {
        "cover": "number", "country": "category", "branch": "category",
    }  # fmt: skip
    country = next(bins for bins in card.features if bins.name == "country")
    assert set(country.categories) == {"NA", "DE", "FR"}
    assert country.counts[country.missing].sum() == (_training()["country"] == "").sum()
    assert rows.who.iloc[7] == "000007"
    assert card.missing == ("n/a",)


@pytest.mark.parametrize("ending", ["csv", "parquet", "xlsx"])
@pytest.mark.parametrize("beside", [{}, {"branch": "A7"}, {"cover": ""}, {"country": ""}, {"branch": "1"}])
def test_one_customer_one_score(trained, tmp_path, ending, beside):
    """The first customer alone, and beside one that would change what types are guessed."""
    _, card = trained
    alone = _score(card, APPLICANTS.head(1), tmp_path, "csv")
    other = APPLICANTS.iloc[[1]].assign(customer_id="000999", **beside)
    found = _score(card, pd.concat([APPLICANTS, other]), tmp_path, ending)
    assert found["000101"] == alone["000101"]
    assert set(found) == {"000101", "000102", "000103", "NA", "000999"}


def test_api_sql_and_python_give_the_same_score(trained):
    card = Scorecard.load(trained[1])
    texts = APPLICANTS.assign(cover=["50.0", "", "70", "n/a"])
    numbers = APPLICANTS.assign(cover=[50.0, np.nan, 70.0, np.nan], branch=["01", 7, "01", 7.0])
    space, con = {}, duckdb.connect()
    exec(export.to_python(card), space)
    plain = numbers.assign(branch=numbers["branch"].map(str))
    con.register("customers", plain)
    expected = card.score(texts).tolist()
    assert card.score(numbers).tolist() == expected
    for frame in (texts, numbers, plain):
        assert [space["score"](row) for row in frame.to_dict("records")] == expected
    found = con.execute(export.to_sql(card)).df().set_index("customer_id")["score"]
    assert found[APPLICANTS["customer_id"]].tolist() == expected
    with pytest.raises(ValueError, match="'12,5' is not a number"):
        space["score"]({"cover": "12,5"})


@pytest.mark.parametrize(("cell", "row"), [("12,5", 3), ("NA", 4), ("nan", 1)])
def test_what_is_no_number_is_refused_with_row_and_value(trained, tmp_path, cell, row):
    frame = APPLICANTS.copy()
    frame.loc[row - 1, "cover"] = cell
    with pytest.raises(CreditLabError, match=f"'cover' is a number, but row {row} holds '{cell}'"):
        _score(trained[1], frame, tmp_path, "csv")


def test_files_give_the_same_texts(tmp_path):
    """A whole number beside an empty cell, single precision, flags and days: as they would stand in a CSV."""
    frame = pd.DataFrame(
        {
            "id": [101.0, np.nan], "small": np.array([0.7, 1.5], dtype=np.float32), "flag": [True, None],
            "day": [datetime.date(2025, 1, 31), None], "stamp": pd.to_datetime(["2025-01-31", None]),
            "text": ["NA", None],
        }
    )  # fmt: skip
    frame.to_parquet(tmp_path / "t.parquet")
    found = table_file.read(tmp_path / "t.parquet")
    assert found.iloc[0].tolist() == ["101", "0.7", "True", "2025-01-31", "2025-01-31", "NA"]
    assert found.iloc[1].tolist() == ["", "1.5", "", "", "", ""]
    frame.drop(columns="small").to_excel(tmp_path / "t.xlsx", index=False)
    assert table_file.read(tmp_path / "t.xlsx").iloc[0].tolist() == ["101", "True", "2025-01-31", "2025-01-31", "NA"]
    with pd.ExcelWriter(tmp_path / "two.xlsx") as book:
        for name in ("a", "b"):
            frame.to_excel(book, sheet_name=name)
    with pytest.raises(CreditLabError, match="sheets a, b; keep the one"):
        table_file.read(tmp_path / "two.xlsx")
    assert columns_of(frame[["small"]])["small"].tolist() == [0.7, 1.5]


def test_kinds_follow_the_whole_column():
    cells = pd.DataFrame(
        {
            "number": ["1", "", "-2.5e3"], "flag": ["true", "", "FALSE"], "code": ["10", "007", "12"],
            "decimal": ["1.5", "12,5", "3"], "na": ["1", "2", "NA"], "day": ["2025-01-31", "", "2025-02-01"],
            "named": ["1", "2", "3"],
        }
    )  # fmt: skip
    found = kinds_of_text(cells, ["named"]).set_index("column")
    assert found["kind"].to_dict() == {
        "number": "number", "flag": "number", "code": "category", "decimal": "category", "na": "category",
        "day": "date", "named": "category",
    }  # fmt: skip
    assert found.loc[["code", "decimal", "na"], ["row", "cell"]].to_numpy().tolist() == [
        [2, "007"], [2, "12,5"], [3, "NA"],
    ]  # fmt: skip


def test_tables_that_cannot_be_told_are_refused(tmp_path):
    frame = _training(200).assign(day="2025-01-31")
    for message, changed, how in (
        ("column 'day' holds dates", frame, {}),
        ("rows have no customer_id", frame.assign(customer_id=[""] + ["1"] * 199), {"customer": "customer_id"}),
        ("row 1 holds '31/01/2025'", frame.assign(day="31/01/2025"), {"date": "day"}),
    ):
        changed.to_csv(tmp_path / "t.csv", index=False)
        with pytest.raises(CreditLabError, match=message):
            modelling.from_table(tmp_path / "t.csv", "default", **how)


def test_a_category_of_flags_or_numbers_is_met_however_it_is_typed():
    """Bins of the texts true/false/unknown and 1/2/x meet flags and numbers that a frame or a database keeps typed."""
    y = np.tile([1, 0, 0, 0, 1, 0], 50)
    X = pd.DataFrame({"flag": np.tile(["True", "False", "?"], 100), "code": np.tile(["1", "2", "x"], 100)})
    bins = Binner(optimise=False).fit(X, y)
    typed = pd.DataFrame({"flag": [True, False], "code": [1.0, 2.0]})
    written = pd.DataFrame({"flag": ["true", "FALSE"], "code": ["1", "2"]})
    expected = bins.transform(pd.DataFrame({"flag": ["True", "False"], "code": ["1", "2"]}))
    assert (bins.transform(typed) == expected).all()
    assert (bins.transform(written) == expected).all()


def test_ids_of_saved_tables_keep_their_zeros(tmp_path):
    (tmp_path / "t.csv").write_text("customer_id,amount\n000101,1\n", encoding="utf-8")
    assert spreadsheet.read_csv(tmp_path / "t.csv").iloc[0].tolist() == ["000101", 1]


def test_a_long_id_beside_an_empty_cell_keeps_its_last_digit(tmp_path):
    """Nineteen digits are more than a float holds: beside an empty cell ...001 would become ...000."""
    ids = pa.array([1900000000000000001, None, 1900000000000000003])
    pq.write_table(pa.table({"customer_id": ids, "branch": pa.array([b"N", None, b"S"])}), tmp_path / "t.parquet")
    read = table_file.read(tmp_path / "t.parquet")
    assert read["customer_id"].tolist() == ["1900000000000000001", "", "1900000000000000003"]
    assert read["branch"].tolist() == ["N", "", "S"]
