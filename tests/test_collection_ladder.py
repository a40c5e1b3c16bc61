"""The ladder, its letters and the worklist: one case per trap that users of receivables systems meet."""

import io
import zipfile

import numpy as np
import pandas as pd
import pytest

from credit_lab import policy as policies
from credit_lab.collection import ladder, letters, worklist
from credit_lab.collection.cells import CollectionError
from credit_lab.collection.payment_time import Curves
from credit_lab.collection.response import Assumption, factor_of_days, measured

TODAY = pd.Timestamp("2025-06-30")
baseline = policies.load("data/policies/2025-baseline.toml")


def items(*rows):
    """Rows of kind, document, customer, days past due, open amount."""
    frame = pd.DataFrame(rows, columns=["kind", "document_id", "customer_id", "days", "open_amount"])
    return frame.assign(part=0, due_date=TODAY - pd.to_timedelta(frame["days"], unit="D"))


def log(*rows):
    """Rows of customer, invoice, days ago, action, promised in days or None."""
    frame = pd.DataFrame(rows, columns=["customer_id", "invoice_id", "ago", "action", "promise"])
    return pd.DataFrame(
        {
            "action_id": [f"A{k}" for k in range(len(frame))],
            "customer_id": frame["customer_id"],
            "invoice_id": frame["invoice_id"],
            "taken_on": TODAY - pd.to_timedelta(frame["ago"], unit="D"),
            "action": frame["action"],
            "promised_on": TODAY + pd.to_timedelta(frame["promise"], unit="D"),
        }
    )


def run(rows, actions=None, disputes=None, **options):
    return ladder.run(
        rows, baseline, TODAY, currency="CNY", actions=actions, disputes=disputes, options=ladder.Options(**options)
    )


def test_stages_are_never_skipped_silently():
    """Stages begin at 1, 31, 61 and 91 days: an item of 95 days nobody chased gets the first stage, and says so."""
    rows = items(("invoice", "I1", "A", 95, 5000.0))
    line = run(rows).lines.iloc[0]
    assert (line["reached"], line["level"], line["action"]) == (4, 1, "reminder")
    assert line["note"] == "by age at stage 4, stage 1 comes first"
    allowed = run(rows, skip_on_first_run=True).lines.iloc[0]
    assert (allowed["level"], allowed["note"]) == (4, "earlier stages skipped as the policy allows on a first run")
    after = run(rows, log(("A", "I1", 20, "reminder", None))).lines.iloc[0]
    assert (after["level"], after["action"]) == (2, "negotiation")


def test_edges_of_the_stages():
    rows = items(*[("invoice", f"I{d}", f"C{d}", d, 5000.0) for d in (0, 1, 30, 31, 60, 61, 90, 91)])
    reached = run(rows, skip_on_first_run=True).lines.set_index("document_id")["level"].to_dict()
    assert reached == {"I1": 1, "I30": 1, "I31": 2, "I60": 2, "I61": 3, "I90": 3, "I91": 4}


def test_notice_before_the_due_date():
    early = baseline.model_copy(update={"ladder": baseline.ladder.model_copy(update={"pre_due_days": 3})})
    rows = items(*[("invoice", f"I{d}", f"C{d}", -d, 5000.0) for d in (0, 3, 4)])
    made = ladder.run(rows, early, TODAY, currency="CNY")
    assert made.lines["document_id"].tolist() == ["I0", "I3"]
    assert set(made.letters["action"]) == {ladder.PRE_DUE}
    again = ladder.run(rows, early, TODAY, currency="CNY", actions=log(("C3", "I3", 1, ladder.PRE_DUE, None)))
    assert again.lines["document_id"].tolist() == ["I0"]


def test_one_letter_per_customer_at_its_highest_stage():
    rows = items(
        ("invoice", "I1", "A", 40, 3000.0), ("invoice", "I2", "A", 5, 2000.0), ("invoice", "I3", "B", 5, 900.0)
    )
    made = run(rows, log(("A", "I1", 20, "reminder", None)))
    letter = made.letters.set_index("customer_id")
    assert letter.loc["A", ["level", "items", "amount"]].tolist() == [2, 2, 5000.0]
    assert made.lines.set_index("document_id")["level"].to_dict() == {"I1": 2, "I2": 1, "I3": 1}
    logged = made.actions()
    assert logged.set_index("invoice_id")["action"].to_dict() == {
        "I1": "negotiation",
        "I2": "reminder",
        "I3": "reminder",
    }
    assert logged["cost"].sum() == made.letters["cost"].sum()


def test_credit_notes_and_cash_are_not_chased_but_count():
    """5,000 overdue less 4,950 of credit: 50 is below the minimum of the policy, so nothing is written."""
    rows = items(("invoice", "I1", "A", 10, 5000.0), ("credit_note", "N1", "A", -5, -4950.0))
    assert baseline.ladder.min_amount > 50
    made = run(rows)
    assert made.letters.empty
    assert made.waiting["reason"].tolist() == ["below the minimum"]
    alone = run(rows[rows["kind"] == "invoice"])
    assert alone.lines["document_id"].tolist() == ["I1"]


def test_disputes_and_running_promises_wait_broken_ones_do_not():
    rows = items(*[("invoice", f"I{k}", f"C{k}", 10, 5000.0) for k in range(4)])
    disputes = pd.DataFrame({"invoice_id": ["I0", "I1"], "opened_on": [TODAY] * 2, "closed_on": [pd.NaT, TODAY]})
    made = run(rows, log(("C2", "I2", 8, "reminder", 3), ("C3", "I3", 40, "reminder", -2)), disputes)
    assert made.waiting.set_index("document_id")["reason"].to_dict() == {"I0": "disputed", "I2": "promise running"}
    assert made.lines.set_index("document_id")["note"].to_dict() == {"I1": "", "I3": "promise broken"}


def test_letters_are_not_repeated_too_soon():
    rows = items(("invoice", "I1", "A", 10, 5000.0))
    assert run(rows, log(("A", "I1", 3, "reminder", None))).waiting["reason"].tolist() == ["stage not due again"]
    other = items(("invoice", "I1", "A", 10, 5000.0), ("invoice", "I2", "A", 12, 700.0))
    made = run(other, log(("A", "I1", 3, "reminder", None)))
    assert set(made.waiting["reason"]) == {"too soon"}
    repeat = baseline.ladder.stages[0].repeat_days
    assert run(rows, log(("A", "I1", repeat, "reminder", None))).lines["level"].tolist() == [1]


def test_interest_is_per_day_of_the_stated_year():
    """10,000 at 18.25 % for 40 days: 200.00 on 365 days, 202.78 on 360; none for the first 10 days of grace: 150.00."""
    amount, days = pd.Series([10_000.0, -500.0, 10_000.0]), pd.Series([40, 40, -3])
    assert ladder.Interest(0.1825).of(amount, days, "CNY").tolist() == [200.0, 0.0, 0.0]
    assert ladder.Interest(0.1825, year_days=360).of(amount, days, "CNY")[0] == 202.78
    assert ladder.Interest(0.1825, grace_days=10).of(amount, days, "CNY")[0] == 150.0
    assert ladder.Interest(0.1825).of(pd.Series([10_000.0]), pd.Series([40]), "JPY").tolist() == [200.0]


def test_limitation_clock():
    """Three years from the due date, begun again by a demand letter, not by a reminder; warned of when it runs out."""
    rows = items(("invoice", "I1", "A", 1000, 5000.0))
    due = TODAY - pd.Timedelta(days=1000)
    made = run(rows, log(("A", "I1", 30, "reminder", None)))
    assert made.lines["limitation_on"].iloc[0] == due + pd.DateOffset(years=3)
    assert made.lines["limitation_days"].iloc[0] == (due + pd.DateOffset(years=3) - TODAY).days == 96
    assert "96 days until" in made.warnings["text"].iloc[0]
    again = run(rows, log(("A", "I1", 40, "demand_letter", None)))
    assert again.lines["limitation_on"].iloc[0] == TODAY - pd.Timedelta(days=40) + pd.DateOffset(years=3)
    assert again.warnings.empty


def test_bad_logs_are_named():
    """A promise for a day before it was given; an action on another customer's invoice; one on an invoice paid."""
    rows = items(("invoice", "I1", "A", 10, 5000.0))
    actions = log(("A", "I1", 5, "reminder", -9), ("B", "I1", 5, "reminder", None), ("A", "I9", 5, "reminder", None))
    settled = pd.DataFrame({"invoice_id": ["I9"], "settled_on": [TODAY - pd.Timedelta(days=20)]})
    found = ladder.check_actions(actions, rows, settled).set_index("id")["text"]
    assert "before the day of the promise" in found["A0"]
    assert "belongs to another customer" in found["A1"]
    assert "paid on 2025-06-10" in found["A2"]
    with pytest.raises(CollectionError, match="items lack days"):
        run(rows.drop(columns="days"))


def test_an_empty_log_and_no_log_are_the_same():
    rows = items(("invoice", "I1", "A", 10, 5000.0))
    empty = log(("A", "I1", 5, "reminder", None)).head(0)
    assert run(rows, empty).lines.equals(run(rows).lines)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_letters_hold_the_statement_and_escape_names(language):
    rows = items(("invoice", "I<1>", "A", 95, 5000.0), ("invoice", "I2", "A", 5, 250.5))
    made = run(rows, skip_on_first_run=True, interest=ladder.Interest(0.1825))
    sender = letters.Sender("Firm & Co", bank="1234")
    docx = letters.render_docx(made, "A", sender, currency="CNY", language=language, name="<script>")
    text = zipfile.ZipFile(io.BytesIO(docx)).read("word/document.xml").decode()
    assert "5,250.50" in text
    assert "&lt;script&gt;" in text
    assert "I&lt;1&gt;" in text
    assert ("legal action" in text) == (language == "en")
    assert docx == letters.render_docx(made, "A", sender, currency="CNY", language=language, name="<script>")
    with pytest.raises(CollectionError, match="no letter"):
        letters.render_docx(made, "Z", sender, currency="CNY")


# ---- worklist -------------------------------------------------------------------------------------------------------
def curves(*shares):
    """Curves that reach the shares within 30 days."""
    paid = np.minimum(np.arange(31) / 29, 1)[None, :] * np.array(shares)[:, None]
    rows = pd.DataFrame({"customer_id": ["x"] * len(shares), "due_date": TODAY, "from_day": TODAY})
    return Curves(rows, paid, np.ones(len(shares)), pd.Series([""] * len(shares)))


def contact(action="reminder", minutes=5.0, cost=0.0, factor=2.0):
    return worklist.Contact(action, minutes, cost, Assumption(action, factor, 1.0, 3.0, "a test"))


def test_gain_and_index_by_hand():
    """Half comes alone; twice the hazard leaves a quarter: 1,000 brings 250 more, less 50 cost, in 5 minutes: 40."""
    paid = curves(0.5)
    listed = worklist.build(
        pd.DataFrame({"customer_id": ["A"], "open_amount": [1000.0], "days": [9], "action": ["reminder"]}),
        paid, {"reminder": contact(cost=50.0)}, minutes=60,
    ).rows.iloc[0]  # fmt: skip
    assert listed["gain"] == pytest.approx(250)
    assert listed["index"] == pytest.approx(40)
    assert listed["paid_with"] == pytest.approx(0.75)


def test_index_beats_amount_and_age():
    """The largest amount pays anyway and the oldest never: the minutes go to the one in between."""
    rows = pd.DataFrame(
        {
            "customer_id": ["sure", "lost", "open"],
            "open_amount": [9000.0, 5000.0, 4000.0],
            "days": [5, 300, 30],
            "action": ["reminder"] * 3,
        }
    )
    made = worklist.build(rows, curves(0.995, 0.001, 0.5), {"reminder": contact()}, minutes=5)
    assert made.rows.loc[made.rows["chosen"], "customer_id"].tolist() == ["open"]
    assert made.orderings.set_index("ordering").loc[["amount", "age"], "against_index"].max() < 0.2
    with pytest.raises(CollectionError, match="payment curves"):
        worklist.build(rows, curves(0.5), {"reminder": contact()}, minutes=5)
    with pytest.raises(CollectionError, match="no item has an action"):
        worklist.build(rows, curves(0.5, 0.5, 0.5), {"legal": contact("legal")}, minutes=5)


def test_optimal_stopping_by_hand():
    """One month left, 10 % chance of 1,000 at 6 % a year, cost 20: 100 / 1.06^(1/24) - 20 = 79.76; an agency that
    brings 30 % less a quarter at once gives 225 and is taken; at 5 % it gives 37.50 and own collection goes on."""
    own = 0.1 * 1000 * 1.06 ** (-1 / 24) - 20
    agency = {"commission": 0.25, "delay_months": 0.0, "source": "a test"}
    good = worklist.when_to_stop(1000, np.array([0.1]), (worklist.Outside("agency", 0.3, **agency),), cost_per_month=20)
    assert (good.decision, good.value) == ("agency", pytest.approx(225))
    bad = worklist.when_to_stop(1000, np.array([0.1]), (worklist.Outside("agency", 0.05, **agency),), cost_per_month=20)
    assert (bad.decision, bad.value) == ("go on", pytest.approx(own))
    assert worklist.when_to_stop(100, np.array([0.1]), (), cost_per_month=20).decision == "write off"


def test_a_measured_effect_becomes_a_factor():
    """Constant hazard .1: mean days 9 of the unpaid share summed to the horizon; doubling it takes 4.74 days off."""
    curve = 1 - 0.9 ** np.arange(1, 400)[None, :]
    assert factor_of_days(curve, -4.737) == pytest.approx(2.0, abs=0.01)
    table = pd.DataFrame({"method": ["naive", "aipw"], "effect": [2.0, -4.737], "low": [0, -6.0], "high": [3, -2.0],
                          "source": ["", "logged propensities"]})  # fmt: skip
    found = measured(table, "reminder", curve)
    assert found.low < found.factor < found.high
    assert found.sentence().startswith("Measured: reminder")
    with pytest.raises(CollectionError, match="more than these curves allow"):
        factor_of_days(curve, -30)
    with pytest.raises(CollectionError, match="no corrected effect"):
        measured(table.head(1), "reminder", curve)
