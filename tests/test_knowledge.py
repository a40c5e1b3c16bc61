"""What a ledger can carry: each state on a ledger small enough to be added up by hand, and where it is said."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from credit_lab import inputs, knowledge, ledger
from credit_lab import policy as policies
from credit_lab.__main__ import app
from credit_lab.commands import reports
from credit_lab.knowledge import ESTIMATED, KNOWN, NOT_KNOWN, Knowledge
from credit_lab.publish import show
from tests.ledgers import allocation, invoice, paid_in_full, payment

BASELINE = "data/policies/2025-baseline.toml"


@pytest.fixture
def book(tmp_path):
    """A book of C1: an invoice of 950 that is paid and one of 500 that is not; with more tables where given."""

    def made(*, more_paid=(), **tables):
        rows = {
            "invoices": [invoice("I1", amount=950.0), invoice("I2", amount=500.0)],
            "payments": [payment("P1", amount=950.0), *more_paid],
            "allocations": [allocation("P1", "I1", amount=950.0)],
        }
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        for name, frame in (rows | tables).items():
            pd.DataFrame(frame).to_csv(folder / f"{name}.csv", index=False)
        return ledger.read(folder)

    return made


def state(of, name, **given):
    return knowledge.of(of, **given).state(name)


@pytest.mark.parametrize(("loose", "said"), [(50.0, KNOWN), (50.01, NOT_KNOWN)])
def test_ages_are_known_while_at_most_five_in_a_hundred_received_are_unmatched(book, loose, said):
    """50 of 1,000 received are 5.0 %; 50.01 of 1,000.01 are 5.0005 %."""
    told = knowledge.of(book(more_paid=[payment("P2", amount=loose)]))
    assert told.state("matching") == said
    assert told.ages == (said == KNOWN) == (told.blind == "")


def test_ages_are_not_known_where_a_fifth_of_what_is_open_may_be_paid(book):
    """Long books hide it among their receipts: 201 of 10,000 and more received, but of 1,000 open. 199 are less than a
    fifth: 199 / 1,000."""
    for loose, said in ((199.0, KNOWN), (201.0, NOT_KNOWN)):
        settled, paid, full = paid_in_full("C9", "2024-01-05", 10_000.0)
        kept = invoice("IX", "CX", amount=1000.0)
        received = [paid, payment("PX", "CX", amount=loose)]
        made = book(invoices=[settled, kept], payments=received, allocations=[full])
        assert knowledge.of(made).state("matching") == said, loose


def test_due_dates_from_terms_are_estimated(write_ledger, tmp_path):
    """One of two due dates is not given: it is the issue date and 30 days."""
    bare = {**invoice("I2", issued="2024-02-01"), "due_date": ""}
    rows = [invoice(), bare]
    mapping = tmp_path / "terms.toml"
    names = "\n".join(f'{name} = "{name}"' for name in invoice())
    paid = "\n".join(f'{name} = "{name}"' for name in [*payment(), "invoice_id"])
    mapping.write_text(
        f'[tables.invoices]\nfrom = "invoices"\nterms = {{ days = 30 }}\n[tables.invoices.columns]\n{names}\n'
        f'[tables.payments]\nfrom = "payments"\n[tables.payments.columns]\n{paid}\n'
    )
    folder = write_ledger(invoices=rows, payments=[payment(invoice_id="I1")])
    told = knowledge.of(ledger.read(folder, mapping))
    assert told.state("due_dates") == ESTIMATED and told.ages
    assert told.basis(*knowledge.AGES) == "50.0% of due dates are taken from terms"


def test_a_table_of_which_nothing_holds_on_the_day_is_not_said_to_be_absent(book):
    """A limit of C1 that ended on 30 June 2019, before the day, and a table of orders without a row."""
    ended = {"customer_id": "C1", "valid_from": "2019-01-01", "valid_to": "2019-06-30", "credit_limit": 9}
    order = {"order_id": [], "customer_id": [], "ordered_on": [], "amount": [], "currency": []}
    told = knowledge.of(book(limits=[ended], orders=order))
    assert told.why("limits").startswith("table limits holds nothing for 20")
    assert told.why("orders").startswith("table orders holds nothing for 20")
    assert told.why("contracts") == "the ledger has no table contracts"


def test_what_a_rule_has_matched_is_not_to_be_matched_by_a_rule(book):
    """P2 of 500 is exactly I2, so all that is left to bring is what the books say."""
    loose = book(more_paid=[payment("P2", amount=500.0)])
    ruled = ledger.rematched(loose, "earliest-due")
    bring = [knowledge.of(one).table.set_index("capability").loc["matching"] for one in (loose, ruled)]
    assert [one["state"] for one in bring] == [NOT_KNOWN, ESTIMATED]
    assert "earliest-due" in bring[0]["bring"]
    assert bring[1]["bring"] == "the matching (allocations)"


def test_money_of_customers_who_owe_nothing_leaves_no_invoice_wrongly_open(book):
    """C2 has paid 500 in advance: 34 % of what was received, but none of it could settle an invoice."""
    assert state(book(more_paid=[payment("P2", "C2", amount=500.0)]), "matching") == KNOWN


def test_more_received_than_is_open_leaves_open_no_more_than_that(book):
    """Of C1's 5,000 only 500 could settle something: 500 of 5,950 are 8.4 %."""
    told = knowledge.of(book(more_paid=[payment("P2", amount=5000.0)]))
    assert told.why("matching").startswith("8.4% of receipts are matched to no invoice")


def test_without_receipts_no_balance_and_no_age_is_known(book):
    none = {name: dict.fromkeys(row, ()) for name, row in (("payments", payment()), ("allocations", allocation()))}
    told = knowledge.of(book(**none))
    assert {told.state(name) for name in ("receipts", "matching")} == {NOT_KNOWN}
    assert "there are no receipts" in told.blind and not told.ages


def test_a_book_in_which_nothing_was_ever_settled_in_full_says_nothing_about_how_customers_pay(book):
    told = knowledge.of(book(allocations=[allocation("P1", "I1", amount=900.0)], payments=[payment(amount=900.0)]))
    assert told.state("settled") == NOT_KNOWN and told.state("matching") == KNOWN
    assert told.why("settled") == "no invoice was ever settled in full"


def test_the_balance_before_the_first_month_is_known_by_a_control_account_that_agrees_then(book):
    """Issued 1,450 in January, 950 received on 20 February: 1,450 and 500."""

    def control(*rows):
        return [{"as_of": day, "currency": "CNY", "balance": balance} for day, balance in rows]

    agreed = book(control=control(("2024-01-31", 1450.0), ("2024-02-29", 500.0)))
    assert state(agreed, "opening") == state(agreed, "control") == KNOWN
    assert state(book(control=control(("2024-01-31", 1450.01), ("2024-02-29", 500.0))), "opening") == NOT_KNOWN
    later, day = book(control=control(("2024-02-29", 500.0))), pd.Timestamp("2024-02-29")
    assert (state(later, "opening", as_of=day), state(later, "control", as_of=day)) == (NOT_KNOWN, KNOWN)


def test_a_control_account_that_ends_earlier_says_nothing_about_these_months(book):
    ended = book(control=[{"as_of": "2024-01-31", "currency": "CNY", "balance": 1450.0}])
    assert state(ended, "control", as_of=pd.Timestamp("2024-04-30")) == KNOWN
    assert state(ended, "control", as_of=pd.Timestamp("2024-05-31")) == NOT_KNOWN
    assert state(book(), "control") == NOT_KNOWN


def test_limits_that_have_ended_are_none_in_force(book):
    given = [{"customer_id": "C1", "valid_from": "2023-01-01", "valid_to": "2024-01-31", "credit_limit": 1000.0}]
    limits = book(limits=given)
    assert state(limits, "limits", as_of=pd.Timestamp("2024-01-31")) == KNOWN
    assert state(limits, "limits", as_of=pd.Timestamp("2024-02-01")) == NOT_KNOWN
    assert state(book(), "limits") == NOT_KNOWN


def test_a_table_of_losses_without_rows_says_that_there_were_none(book):
    empty = {"invoice_id": [], "written_off_on": [], "amount": []}
    assert state(book(write_offs=empty), "write_offs") == KNOWN
    assert state(book(), "write_offs") == NOT_KNOWN


def test_a_policy_fits_in_its_currency_or_at_a_rate(write_ledger):
    book = ledger.read(write_ledger(invoices=[invoice(currency="KRW")], payments=[payment(currency="KRW")]))
    plain, rated = policies.load(BASELINE), inputs.open_policy(BASELINE, book, "CNY:190")
    assert state(book, "policy_currency", policy=plain) == NOT_KNOWN
    assert state(book, "policy_currency", policy=rated) == ESTIMATED
    told = knowledge.of(book, rated)
    assert "converted at 190 KRW each" in told.basis("policy_currency")


def test_a_policy_of_a_later_day_than_the_data_is_said_to_be(book):
    """The baseline is in force from 2025-01-01; the book ends in February 2024."""
    rules = policies.load(BASELINE)
    assert state(book(), "policy_date", policy=rules) == ESTIMATED
    assert state(book(), "policy_date", policy=rules, as_of=pd.Timestamp("2025-01-01")) == KNOWN


def test_the_first_lines_tell_the_most_important_with_reasons_and_the_rest_by_name(book):
    lines = knowledge.of(book(more_paid=[payment("P2", amount=400.0)])).lines()
    assert lines[0].startswith("Of 22 things a report rests on, ")
    lacking = lines[-1].removeprefix("Not known: ").split("; ")
    assert lacking[0].startswith("ages, overdue (29.6% of receipts are matched to no invoice")  # 400 of 1,350
    assert lacking[1] == "losses, loss rates, allowance (the ledger has no table write_offs)"
    assert lacking[2] == "utilisation, and what a review of limits changes (the ledger has no table limits)"
    assert lacking[3].startswith("not known either: ") and "covers" in lacking[3] and len(lacking) == 4


def test_each_currency_is_told_for_itself(write_ledger):
    rows = [invoice(), invoice("I2", "C2", currency="EUR")]
    told = knowledge.by_currency(
        ledger.read(write_ledger(invoices=rows, payments=[payment()], allocations=[allocation()]))
    )
    found = told.table.set_index(["currency", "capability"])["state"]
    assert (found["CNY", "matching"], found["EUR", "matching"]) == (KNOWN, NOT_KNOWN)


def test_a_heading_carries_the_table_and_its_lines_come_first(book):
    told = knowledge.of(book())
    shown = show.heading("Review", "line", id="review.title", knowledge=told)
    assert shown.record["lines"] == told.lines()
    assert all(line.replace("'", "&#x27;") in shown.data for line in told.lines()[:1])
    again = Knowledge.from_rows(json.loads(json.dumps(shown.record["about"]["knowledge"])))
    assert (again.ages, again.lines()) == (told.ages, told.lines())


def check(folder, *words):
    return CliRunner().invoke(app, ["check", "--ledger", folder, *words])


def test_check_fails_where_ages_are_not_known_and_says_which(book):
    unmatched = book(more_paid=[payment("P2", amount=400.0)])
    said = check(unmatched.source)
    assert said.exit_code == 1
    assert said.output.startswith("What this ledger can carry at ")
    assert "Failed: ages are not known: 29.6% of receipts are matched to no invoice" in said.output
    made = json.loads(check(unmatched.source, "--json").stdout)
    states = {row["capability"]: row["state"] for row in made["knowledge"]["CNY"]}
    assert states["matching"] == NOT_KNOWN
    assert made["currencies"]["CNY"]["aging"] is None
    assert made["currencies"]["CNY"]["not_measured"]["aging"] == made["failed"][0].removesuffix(" (CNY)")


def test_a_control_account_that_differs_fails_and_one_that_is_not_there_does_not(book):
    assert check(book().source).exit_code == 0
    apart = book(control=[{"as_of": "2024-01-31", "currency": "CNY", "balance": 1.0}])
    said = check(apart.source)
    assert said.exit_code == 1 and "Failed: the control account differs" in said.output


@pytest.mark.parametrize(("paid", "code"), [(50.0, 0), (400.0, 1)])
def test_a_report_on_unknown_ages_ends_with_exit_code_1(book, tmp_path, monkeypatch, capsys, paid, code):
    monkeypatch.setattr("credit_lab.publish.registry.enter", lambda *_: 1)
    run = {
        "verdicts": {},
        "missing": [],
        "seconds": 1.0,
        "knowledge": knowledge.of(book(more_paid=[payment("P2", amount=paid)])).rows(),
    }
    made = SimpleNamespace(folder=tmp_path / "r", html=tmp_path / "r.html", run=run)
    ended = 0
    try:
        reports.finish(made, False, "review")
    except typer.Exit as stop:
        ended = stop.exit_code
    said = capsys.readouterr().out
    assert ended == code
    assert said.startswith("Of 22 things a report rests on, ")
    assert ("Failed: ages are not known" in said) == bool(code)


def test_the_page_tells_of_every_capability(sample):
    page = Path("docs/known.md").read_text(encoding="utf-8")
    told = knowledge.of(sample, policies.load(BASELINE)).table["capability"]
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(told)


def test_every_notebook_with_a_heading_says_what_its_ledger_can_carry():
    """Those that read a ledger; 00 has no heading and shows the table."""
    for path in sorted(Path("notebooks").glob("[0-8]*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        heading = re.search(r"show\.heading\((.*?)\n?\)(\n|$)", code, re.DOTALL)
        assert "knowledge=" in heading[1] if heading else "quality.knowledge" in code, path


def test_a_control_account_that_differs_stands_in_the_first_lines(book):
    """500 are open; an account of 650 differs by 150, one of 500 by nothing."""
    for stated, said in ((650.0, ["The control account differs by up to 150.00."]), (500.0, [])):
        made = book(control=[{"as_of": "2024-02-29", "balance": stated}])
        lines = knowledge.of(made, as_of=pd.Timestamp("2024-02-29")).lines()
        assert [line for line in lines if "control account differs" in line] == said
