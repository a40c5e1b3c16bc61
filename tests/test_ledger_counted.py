"""Rows are counted before they are parsed, whole numbers stay whole, and what is held back cannot slip through."""

import datetime as dt
import sqlite3

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_lab import ledger
from credit_lab.errors import LedgerError
from credit_lab.investigation import read_register
from credit_lab.ledger import delimited
from credit_lab.ledger.mapping import load
from credit_lab.ledger.quarantine import COLUMNS, enforce
from credit_lab.monitoring import statements
from credit_lab.monitoring.alerts import MonitoringError
from tests.ledgers import invoice, payment

# Two item texts were cut off before their closing mark: lines 4 and 7 of 8. A parser reads on from line 4 to the mark
# of line 7: records 1, 2, 3 with 4-6 inside, 7, and the header make five; 1,000 + 2,000 + 3,000 + 7,000 = 13,000.
CUT_OFF = """Doc;Account;Date;Due;Amount;Text
1;K1;2025-01-03;2025-02-02;1000,00;pipes
2;K1;2025-01-04;2025-02-03;2000,00;"Northern light" hall
3;K2;2025-01-05;2025-02-04;3000,00;"Evening star project, second part deli
4;K2;2025-01-06;2025-02-05;4000,00;rods
5;K3;2025-01-07;2025-02-06;5000,00;bolts
6;K3;2025-01-08;2025-02-07;6000,00;"Evening star project, third part deliv
7;K1;2025-01-09;2025-02-08;7000,00;wire
"""
CUT_OFF_MAPPING = """[source]
delimiter = ";"
decimal = ","
{more}
[tables.invoices]
from = "*"
[tables.invoices.columns]
invoice_id = "Doc"
customer_id = "Account"
issue_date = "Date"
due_date = "Due"
amount = "Amount"
currency = {{ constant = "EUR" }}
"""


def mapped(folder, text):
    (folder / "m.toml").write_text(text)
    return load(folder / "m.toml")


def test_open_quotation_marks_are_refused_by_line(tmp_path):
    (tmp_path / "items.csv").write_text(CUT_OFF)
    with pytest.raises(LedgerError) as caught:
        ledger.read(tmp_path / "items.csv", mapped(tmp_path, CUT_OFF_MAPPING.format(more="")))
    for words in ("items.csv", "line 4, 7", "8 lines would be read as 5 records", 'quote = "none"', "multiline"):
        assert words in str(caught.value)


def test_without_quoting_every_row_is_read(tmp_path):
    (tmp_path / "items.csv").write_text(CUT_OFF)
    book = ledger.read(tmp_path / "items.csv", mapped(tmp_path, CUT_OFF_MAPPING.format(more='quote = "none"')))
    assert len(book.invoices) == 7
    assert book.invoices["amount"].sum() == 28_000


def test_texts_over_several_lines_are_read(tmp_path):
    file = tmp_path / "notes.csv"
    file.write_text('id,note,amount\n1,"two\nlines, and a ""mark""",5\n"2","",6\n\n3,5" pipe,7\n')
    table = delimited.read(file)
    assert table["note"].tolist() == ['two\nlines, and a "mark"', "", '5" pipe']
    assert table["amount"].tolist() == ["5", "6", "7"]


def test_a_text_whose_lines_look_like_rows_must_be_asked_for(tmp_path):
    file = tmp_path / "notes.csv"
    file.write_text('id,note,amount\n1,"open\n2,b,6\n3,c,"\n')
    with pytest.raises(LedgerError, match=r"line 2, 4.*4 lines would be read as 2 records"):
        delimited.read(file)
    assert len(delimited.read(file, multiline=True)) == 1


def test_cells_stay_as_they_are_written(tmp_path):
    file = tmp_path / "codes.csv"
    file.write_text("id,country,rate\n000101,NA,1e5\n000102,,nan\n")
    assert delimited.read(file).to_numpy().tolist() == [["000101", "NA", "1e5"], ["000102", "", "nan"]]


def test_registers_and_statements_refuse_open_marks_too(tmp_path):
    (tmp_path / "register.toml").write_text(
        '[source]\nname = "registry"\n[columns]\ncustomer_id = "id"\n[attributes]\nlegal_name = "name"\n'
    )
    export = tmp_path / "export.csv"
    export.write_text('id,name\nC1,"Alpha\nC2,Beta\nC3,Gamma\n')
    with pytest.raises(LedgerError, match="opened and not closed in line 2"):
        read_register(export, tmp_path / "register.toml", observed_on=pd.Timestamp("2025-01-01"))
    export.write_text('No,Day,Sum\n1,2025-01-01,5\n"2,2025-01-02,6\n')
    columns = {"reference": "No", "date": "Day", "amount": "Sum"}
    with pytest.raises(MonitoringError, match="opened and not closed in line 3"):
        statements.read_statement(export, columns)


cells = st.text(st.sampled_from('ab 0"\n,;'), max_size=6)


@given(rows=st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=6))
def test_what_is_written_as_csv_is_read_again_or_refused(tmp_path_factory, rows):
    """pandas writes any cells soundly; reading gives them back, or asks about a text whose lines look like rows."""
    file = tmp_path_factory.mktemp("csv") / "t.csv"
    # a first cell that is filled, so that no row is a blank line
    table = pd.DataFrame([(f"x{first}", *rest) for first, *rest in rows], columns=["p", "q", "r"])
    table.to_csv(file, index=False)
    assert delimited.read(file, multiline=True).equals(table.astype("str"))
    try:
        assert delimited.read(file).equals(table.astype("str"))
    except LedgerError as error:
        assert any("\n" in cell for row in rows for cell in row), error


@given(text=st.text(st.sampled_from('ab,"\n\r\t '), max_size=40))
def test_no_row_is_lost_unseen(tmp_path_factory, text):
    """Whatever stands in a file: it is refused, or as many rows are read as lines are filled, less those in quotes."""
    file = tmp_path_factory.mktemp("csv") / "t.csv"
    file.write_text("a,b,c\n" + text, newline="")
    try:
        rows = len(delimited.read(file))
    except LedgerError:
        return
    filled = [line for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n") if line.strip(" \t")]
    assert rows == len(filled) or '"' in text


def whole_numbers():
    """Numbers as a database gives them: every column of whole numbers has one empty cell."""
    return pa.table(
        {
            "id": pa.array([1900000000000000001, 1900000000000000002, 1900000000000000003]),
            "cust": pa.array([7, 7, 8]),
            "day": pa.array([20250110, 20250112, 20250120]),
            "due": pa.array([20250209, None, 20250219]),
            "year": pa.array([2025, 2025, None]),
            "state": pa.array([1, 1, None]),
            "amount": pa.array([100.0, 200.0, 400.0]),
        }
    )


WHOLE_NUMBERS = """[tables.invoices]
from = "inv"
terms = {{ days = 30 }}
filters = [{{ column = "state", keep = ["{keep}"], rule = "posted" }}]
[tables.invoices.columns]
invoice_id = {{ join = ["year", "id"] }}
customer_id = "cust"
issue_date = "day"
due_date = "due"
amount = "amount"
currency = {{ constant = "EUR" }}
"""


def parquet(folder):
    pq.write_table(whole_numbers(), folder / "inv.parquet")
    return folder / "inv.parquet"


def decimals(folder):
    """NUMERIC columns of a database: whole numbers with decimals."""
    table = whole_numbers()
    as_decimal = [column.cast(pa.decimal128(38, 9)) if name != "amount" else column
                  for name, column in zip(table.column_names, table.columns, strict=True)]  # fmt: skip
    pq.write_table(pa.table(as_decimal, names=table.column_names), folder / "inv.parquet")
    return folder / "inv.parquet"


def sqlite(folder):
    rows = whole_numbers().to_pylist()
    with sqlite3.connect(folder / "books.sqlite") as database:
        columns = ", ".join(f"{name} {'REAL' if name == 'amount' else 'INTEGER'}" for name in rows[0])
        database.execute(f"create table inv ({columns})")
        database.executemany("insert into inv values (?,?,?,?,?,?,?)", [tuple(row.values()) for row in rows])
    database.close()
    return f"sqlite:///{folder / 'books.sqlite'}"


@pytest.mark.parametrize("source", [parquet, decimals, sqlite])
def test_an_empty_cell_makes_no_floats_of_whole_numbers(tmp_path, source):
    book = ledger.read(source(tmp_path), mapped(tmp_path, WHOLE_NUMBERS.format(keep="1")))
    assert book.invoices["invoice_id"].tolist() == ["2025/1900000000000000001", "2025/1900000000000000002"]
    # the second has no due date: 12 January + 30 days
    assert book.invoices["due_date"].tolist() == [pd.Timestamp("2025-02-09"), pd.Timestamp("2025-02-11")]
    rows = book.accounting.set_index("disposition")[["rows", "amount"]]
    assert rows.loc["kept"].tolist() == [2, 300.0]
    assert rows.loc["filtered"].tolist() == [1, 400.0]


def test_a_filter_that_takes_every_row_stops(tmp_path):
    with pytest.raises(LedgerError) as caught:
        ledger.read(parquet(tmp_path), mapped(tmp_path, WHOLE_NUMBERS.format(keep="posted")))
    for words in ("filter 'posted'", "keep = ['posted']", "takes all 3 rows", "holds '1', ''"):
        assert words in str(caught.value)


@pytest.mark.parametrize("table", ["invoices", "payments"])
def test_amounts_that_are_all_zero_stop(write_ledger, table):
    rows = {"invoices": [invoice()], "payments": [payment()]}
    rows[table][0]["amount"] = 0
    with pytest.raises(LedgerError, match=f"all 1 amounts of {table} are zero .column 'amount'.; map the amount"):
        ledger.read(write_ledger(**rows))


def test_a_share_that_is_no_number_is_no_leave_to_go_on(write_ledger):
    """600 of 661 rows are unreadable, one of them infinite: the share of the amount cannot be told."""
    sound = [invoice(f"I{number}") for number in range(61)]
    unreadable = [invoice(f"I{number}", amount="x1") for number in range(61, 660)]
    folder = write_ledger(invoices=[*sound, *unreadable, invoice("I660", amount="1e400")], payments=[payment()])
    with pytest.raises(LedgerError, match=r"600 row.s. cannot be used, 90.8% of the table"):
        ledger.read(folder)


def test_rows_without_a_number_are_no_copies(write_ledger):
    """600 invoices of 20.00 without a number are 12,000 that nobody can name, not 600 copies of one."""
    named = [invoice(f"I{number}") for number in range(60)]
    folder = write_ledger(invoices=[*named, *[invoice("", amount=20.0)] * 600], payments=[payment()])
    with pytest.raises(LedgerError, match=r"600 row.s., first row 61: a required cell is empty"):
        ledger.read(folder)


def test_copies_of_a_numbered_row_count_once(write_ledger):
    book = ledger.read(write_ledger(invoices=[invoice(), invoice(), invoice("I2")], payments=[payment()]))
    duplicates = book.accounting.query("disposition == 'duplicate'")
    assert duplicates["rows"].tolist() == [1]
    assert len(book.invoices) == 2


SETTLED = """[tables.invoices]
from = "invoices"
settled_on = "settled"
[tables.invoices.columns]
"""


@pytest.mark.parametrize("none", ["9999-12-31", "9999-12-30", "2999-12-31", "2099-12-31", "1900-01-01", "0001-01-01"])
def test_a_date_that_stands_for_none_settles_nothing(tmp_path, write_ledger, none):
    """100 + 100 open, 100 paid: an invoice whose clearing date is "none" is open, and counted as read so."""
    rows = [{**invoice(f"I{number}"), "settled": none} for number in (1, 2)]
    folder = write_ledger(invoices=[*rows, {**invoice("I3"), "settled": "2024-02-20"}])
    columns = "\n".join(f'{name} = "{name}"' for name in invoice())
    book = ledger.read(folder, mapped(tmp_path, SETTLED + columns))
    assert len(book.invoices) == 3
    assert book.payments["amount"].tolist() == [100.0]
    read_as_none = book.quarantine.query("rule == 'date_means_none'")
    assert read_as_none[["row", "column", "value"]].to_numpy().tolist() == [
        [1, "settled_on", none],
        [2, "settled_on", none],
    ]


def test_a_customer_is_called_by_its_most_frequent_spelling_and_no_row_is_counted_anew(tmp_path, write_ledger):
    """Acme twice, ACME once; the row that is repeated with another spelling of the name is a copy all the same."""
    spellings = {"I1": "ACME", "I2": "Acme", "I3": "Acme"}
    rows = [{**invoice(one), "settled": "2024-02-20", "called": name} for one, name in spellings.items()]
    folder = write_ledger(invoices=[*rows, {**rows[0], "called": "Acme Ltd"}])
    columns = "\n".join(f'{name} = "{name}"' for name in invoice())
    plain = ledger.read(folder, mapped(tmp_path, SETTLED + columns))
    called = SETTLED.replace("[tables.invoices.columns]", 'customer_name = "called"\n[tables.invoices.columns]')
    book = ledger.read(folder, mapped(tmp_path, called + columns))
    assert book.customers[["customer_id", "name"]].to_numpy().tolist() == [["C1", "Acme"]]
    pd.testing.assert_frame_equal(book.accounting, plain.accounting)
    wrong = called.replace('"called"', '"callled"')
    with pytest.raises(LedgerError, match="column 'callled', which the source does not have; did you mean 'called'"):
        ledger.read(folder, mapped(tmp_path, wrong + columns))


def test_open_ends_keep_their_meaning(write_ledger):
    limit = {"customer_id": "C1", "valid_from": "1900-01-01", "valid_to": "9999-12-31", "credit_limit": 500}
    dispute = {"dispute_id": "D1", "invoice_id": "I1", "opened_on": "2024-02-01", "closed_on": "9999-12-31",
               "amount": 5}  # fmt: skip
    book = ledger.read(write_ledger(invoices=[invoice()], payments=[payment()], limits=[limit], disputes=[dispute]))
    assert book.tables["limits"]["valid_to"].tolist() == [pd.Timestamp("9999-12-31")]
    assert book.tables["disputes"]["closed_on"].isna().all()  # still open


@pytest.mark.parametrize("year", ["2923", "0202", "2067"])
@pytest.mark.parametrize(("table", "column"), [("invoices", "issue_date"), ("payments", "paid_date")])
def test_a_slip_of_the_year_is_held_back(write_ledger, table, column, year):
    rows = {
        "invoices": [invoice(f"I{number}") for number in range(200)],
        "payments": [payment(f"P{number}") for number in range(200)],
    }
    rows[table][7][column] = f"{year}-01-10"
    if table == "invoices":
        rows[table][7]["due_date"] = f"{year}-02-09"
    book = ledger.read(write_ledger(**rows))
    held = book.quarantine.query("disposition == 'quarantined'")
    assert held[["table", "row", "column", "rule"]].to_numpy().tolist() == [[table, 8, column, "unbelievable_date"]]
    assert book.invoices["issue_date"].dt.year.unique().tolist() == [2024]


def test_an_old_debt_and_a_long_term_are_believed(write_ledger):
    old = invoice("I1", issued="2003-05-01", due="2003-05-31")
    rows = [old, invoice("I2", due="2044-01-10"), *[invoice(f"J{number}") for number in range(50)]]
    assert len(ledger.read(write_ledger(invoices=rows, payments=[payment()])).invoices) == 52


@given(shift=st.integers(-20_000, 20_000))
def test_what_is_believed_does_not_depend_on_today(tmp_path_factory, shift):
    """A ledger moved through time as a whole is read as it was."""
    folder = tmp_path_factory.mktemp("moved")
    start = dt.date(2040, 1, 1) + dt.timedelta(shift)
    rows = [invoice(f"I{n}", issued=start + dt.timedelta(n), due=start + dt.timedelta(n + 30)) for n in range(20)]
    pd.DataFrame(rows).to_csv(folder / "invoices.csv", index=False)
    pd.DataFrame([payment(paid=start + dt.timedelta(9))]).to_csv(folder / "payments.csv", index=False)
    assert len(ledger.read(folder).invoices) == 20


def test_an_empty_first_cell_behind_a_lone_carriage_return_stays(tmp_path):
    # pandas alone reads the second row as ("1", "5", "") and the third as ("2", "x", "")
    file = tmp_path / "old_mac.csv"
    file.write_bytes(b'note,id,amount\r,1,5\r,"2","x\ry"\rz,3,7\r')
    table = delimited.read(file)
    assert table["id"].tolist() == ["1", "2", "3"]
    assert table["amount"].tolist() == ["5", "x\ny", "7"]


def written_in_sqlite(folder, types):
    with sqlite3.connect(folder / "x.db") as connection:
        connection.execute(
            f"CREATE TABLE invoices (invoice_id, customer_id, issue_date {types[0]}, due_date {types[0]}, "
            f"amount {types[1]}, currency)"
        )
        connection.execute("CREATE TABLE payments (payment_id, customer_id, paid_date, amount, currency, invoice_id)")
        rows = [(1, "C1", "20250103", "20250202", 100.75, "EUR"), ("A2", "C1", "20250301", "20250405", 200, "EUR")]
        connection.executemany("INSERT INTO invoices VALUES (?, ?, ?, ?, ?, ?)", rows)
        connection.execute("INSERT INTO payments VALUES ('P1', 'C1', '2025-02-03', 50.25, 'EUR', 1)")
    connection.close()
    return f"sqlite:///{folder / 'x.db'}"


@pytest.mark.parametrize("types", [("", ""), ("DATE", "INTEGER"), ("TEXT", "NUMERIC"), ("DATETIME", "BOOLEAN")])
def test_cells_of_sqlite_are_what_they_are_whatever_their_column_is_called(tmp_path, types):
    # SQLite keeps 100.75 in a column INTEGER, and makes the number 20250103 of that text in a column DATE
    book = ledger.read(written_in_sqlite(tmp_path, types))
    assert book.invoices["amount"].tolist() == [100.75, 200]
    assert book.payments["amount"].tolist() == [50.25]
    assert book.invoices["invoice_id"].tolist() == ["1", "A2"]
    assert book.invoices["issue_date"].dt.strftime("%Y-%m-%d").tolist() == ["2025-01-03", "2025-03-01"]
    assert book.tables["allocations"]["amount"].tolist() == [50.25]


def test_one_number_with_a_fraction_changes_no_other_id(tmp_path):
    documents = pd.DataFrame([invoice("101"), invoice("102"), invoice("103")])
    documents.assign(invoice_id=[101.0, 101.5, 102.0]).to_parquet(tmp_path / "invoices.parquet")
    pd.DataFrame([payment(invoice_id=101.0)]).to_parquet(tmp_path / "payments.parquet")
    book = ledger.read(tmp_path)
    assert book.invoices["invoice_id"].tolist() == ["101", "101.5", "102"]
    assert len(book.tables["allocations"]) == 1


def test_types_of_other_programs_in_parquet(tmp_path):
    # single precision: the nearest number to 123456.78 is 123456.78125; texts as bytes; a list that nobody asks for
    documents = pa.table(
        {
            **pd.DataFrame([invoice("I1"), invoice("I2")]).to_dict("list"),
            "amount": pa.array([123456.78, 0.7], pa.float32()),
            "customer_id": pa.array([b"C1", b"C1"]),
            "tags": pa.array([["a", "b"], []]),
        }
    )
    pq.write_table(documents, tmp_path / "invoices.parquet")
    pd.DataFrame([payment(amount=10.0, invoice_id="I1")]).to_parquet(tmp_path / "payments.parquet")
    book = ledger.read(tmp_path)
    assert book.invoices["amount"].tolist() == [123456.78, 0.7]
    assert book.invoices["customer_id"].tolist() == ["C1", "C1"]


def test_rows_that_were_counted_and_not_read_are_missed(tmp_path, monkeypatch):
    """Whatever a parser may do: two rows stand in the file, one is given back."""
    file = tmp_path / "t.csv"
    file.write_text("a,b\n1,2\n3,4\n")
    parsed = delimited._parsed
    monkeypatch.setattr(delimited, "_parsed", lambda *how: parsed(*how).head(1))
    with pytest.raises(LedgerError, match="2 rows were counted, but 1 could be read"):
        delimited.read(file)


def test_the_guard_on_held_back_rows_stops_where_the_share_is_no_number():
    """One of two rows of 10.00 is held back; what the kept rows amount to is not known, so the share is not either."""
    held = pd.DataFrame([("invoices", 1, "amount", "unreadable", "x", "quarantined", "EUR", 10.0)], columns=COLUMNS)
    # infinite amounts of both signs add up to no number
    kept = {"invoices": pd.DataFrame({"rows": [1, 0], "size": [float("inf"), float("-inf")]})}
    with np.errstate(invalid="ignore"), pytest.raises(LedgerError, match=r"1 row.s. cannot be used"):
        enforce(held, kept, max_share=0.6)
